/* SPDX-License-Identifier: Apache-2.0
 *
 * Asks the processor once and remembers the answer.
 *
 * The compiler's own query is used because it also looks at what the operating system saves on a
 * task switch: a processor with AVX-512 under a kernel that does not save its registers has none.
 * LIMN_CPU lowers the level (to compare paths, or to reproduce another machine's numbers) and never
 * raises it.  Asking twice at the same time is harmless: both find the same. */
#include "base/cpu.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

static const char *const names[] = { "base", "avx2", "avx512" };

static limn_cpu_level found(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return LIMN_CPU_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return LIMN_CPU_AVX2;
#endif
    return LIMN_CPU_BASE;
}

limn_cpu_level limn_cpu(void)
{
    static atomic_int level_plus_one;
    int level = atomic_load(&level_plus_one) - 1;

    if (level < 0) {
        const char *wanted = getenv("LIMN_CPU");

        level = (int)found();
        for (int i = 0; wanted && i < level; i++)
            if (!strcmp(wanted, names[i])) level = i;
        atomic_store(&level_plus_one, level + 1);
    }
    return (limn_cpu_level)level;
}

bool limn_cpu_has_bf16(void)
{
#if defined(__x86_64__) || defined(__i386__)
    return limn_cpu() == LIMN_CPU_AVX512 && __builtin_cpu_supports("avx512bf16");
#else
    return false;
#endif
}

bool limn_cpu_has_vnni(void)
{
#if defined(__x86_64__) || defined(__i386__)
    return limn_cpu() == LIMN_CPU_AVX512 && __builtin_cpu_supports("avx512vnni");
#else
    return false;
#endif
}

bool limn_cpu_bf16_pays(void)
{
#if defined(__x86_64__) || defined(__i386__)
    return limn_cpu_has_bf16() && __builtin_cpu_is("amd");
#else
    return false;
#endif
}

/* The compilers in use know no name for it: leaf 7, EBX, bit 29.  Kept, because a virtual machine
 * answers the question slowly. */
bool limn_cpu_has_sha(void)
{
#if defined(__x86_64__) || defined(__i386__)
    static atomic_int known; /* 0: not asked, 1: no, 2: yes */
    unsigned a = 0, b = 0, c = 0, d = 0;

    if (!atomic_load(&known))
        atomic_store(&known, limn_cpu() >= LIMN_CPU_AVX2 &&
                                     __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1)
                                 ? 2
                                 : 1);
    return atomic_load(&known) == 2;
#else
    return false;
#endif
}

const char *limn_cpu_name(limn_cpu_level level)
{
    return (unsigned)level < sizeof names / sizeof *names ? names[level] : "unknown";
}

void limn_cpu_model(char *text, size_t size)
{
#if defined(__x86_64__) || defined(__i386__)
    union {
        unsigned words[12];
        char text[49];
    } name = { { 0 } };
    unsigned a = 0, b, c, d;
    bool known = true;

    for (unsigned i = 0; i < 3; i++)
        known &= __get_cpuid(0x80000002 + i, &name.words[4 * i], &name.words[4 * i + 1],
                             &name.words[4 * i + 2], &name.words[4 * i + 3]) != 0;
    name.text[48] = 0;
    if (__get_cpuid(1, &a, &b, &c, &d) && known) {
        snprintf(text, size, "%s, signature %x", name.text, a);
        return;
    }
#endif
    snprintf(text, size, "unknown processor");
}
