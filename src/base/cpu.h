/* SPDX-License-Identifier: Apache-2.0
 *
 * What the processor can do, asked once at run time.  No file of the library is built for one
 * machine: the kernels are compiled several times and chosen by this level. */
#ifndef LIMN_BASE_CPU_H
#define LIMN_BASE_CPU_H

#include <stdbool.h>
#include <stddef.h>

typedef enum limn_cpu_level {
    LIMN_CPU_BASE,   /* x86-64 with SSE4.1, or any other machine */
    LIMN_CPU_AVX2,   /* AVX2 and FMA */
    LIMN_CPU_AVX512, /* AVX-512 F, BW, DQ, VL */
} limn_cpu_level;

/* The best level of this machine, or the lower one that LIMN_CPU=base|avx2|avx512 asks for. */
limn_cpu_level limn_cpu(void);
/* Native bfloat16 dot products (AVX512_BF16). */
bool limn_cpu_has_bf16(void);
/* Whether they are also faster than float32: on AMD twice; Intel's AVX512_BF16 alone does half the
 * multiply-adds of float32 a second (measured: a pix2pix step takes 540 ms in bf16 and 330 in
 * float32 there).  Of AMX it says nothing: limn_dnn_has_amx. */
bool limn_cpu_bf16_pays(void);
/* Dot products of bytes with sums of 32 bits (AVX512_VNNI). */
bool limn_cpu_has_vnni(void);
/* Instructions for SHA-256; not at LIMN_CPU=base. */
bool limn_cpu_has_sha(void);
const char *limn_cpu_name(limn_cpu_level level);
/* The processor by its own name, with family, model and stepping: what is measured on one is not
 * believed of another.  Other machines than x86: "unknown processor". */
void limn_cpu_model(char *text, size_t size);

#endif
