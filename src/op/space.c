/* SPDX-License-Identifier: Apache-2.0
 *
 * Chooses the build of kernels_space.c for this processor.  Other processors than x86-64 have one
 * build, with the compiler's own idea of their vectors. */
#include "base/cpu.h"
#include "op/kernels_space.h"

extern const limn_space_kernels limn_space_kernels_base;
#if defined(__x86_64__)
extern const limn_space_kernels limn_space_kernels_avx2, limn_space_kernels_avx512;
#endif

const limn_space_kernels *limn_space(void)
{
#if defined(__x86_64__)
    switch (limn_cpu()) {
    case LIMN_CPU_AVX512:
        return &limn_space_kernels_avx512;
    case LIMN_CPU_AVX2:
        return &limn_space_kernels_avx2;
    case LIMN_CPU_BASE:
        break;
    }
#endif
    return &limn_space_kernels_base;
}
