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
#include <stdlib.h>
#include <string.h>

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

const char *limn_cpu_name(limn_cpu_level level)
{
    return (unsigned)level < sizeof names / sizeof *names ? names[level] : "unknown";
}
