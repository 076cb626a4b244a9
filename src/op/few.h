/* SPDX-License-Identifier: Apache-2.0
 *
 * A convolution with up to four channels out, by our own loop: see few.c. */
#ifndef LIMN_OP_FEW_H
#define LIMN_OP_FEW_H

#include "op/op.h"

enum { LIMN_FEW_CHANNELS = 4 };

/* Whether a forward call of conv is one that few.c computes. */
bool limn_few_fits(const limn_call *call);
limn_status limn_few_prepare(limn_call *call, limn_arena *arena, limn_error *error);

/* A run of pixels of one output row: y[pixel][o] = bias[o] + sum of x * w, for pixels whose taps
 * kx_begin to kx_end all lie inside the map.  x is channel block 0 of the first pixel's leftmost
 * tap, strides are in elements; rows ky_begin to ky_end lie inside.  w is (block, ky, kx, o,
 * channel of the block); in bf16 a block has 32 channels, or 16 that are there twice. */
typedef struct limn_few_run {
    const void *x, *w; /* both F32 or both BF16 */
    const float *bias; /* may be NULL */
    float *y;
    size_t block_stride, row_stride, pixel_stride;
    int blocks, kernel_h, kernel_w, ky_begin, ky_end, kx_begin, kx_end, pixels, channels;
} limn_few_run;

typedef void limn_few_kernel(const limn_few_run *run);
limn_few_kernel limn_kernels_base_few, limn_kernels_avx2_few, limn_kernels_avx512_few;
/* BF16, where limn_cpu_has_bf16: few_pairs.c. */
limn_few_kernel limn_few_pairs;

#endif
