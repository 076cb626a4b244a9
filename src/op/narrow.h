/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolutions between a map of a few channels and one of many, where vectors are channels of the
 * latter: first layers, the gradients of first and last ones.  See narrow.c. */
#ifndef LIMN_OP_NARROW_H
#define LIMN_OP_NARROW_H

#include "op/op.h"

enum { LIMN_NARROW_CHANNELS = 8 };

/* wide[h, w] meets padded[stride h + ky, stride w + kx], which is the narrow map with rows and
 * columns of zeros around it. */
typedef struct limn_narrow {
    limn_tensor narrow, wide;
    bool small; /* the narrow map is the small side: the kernel is turned around */
    bool adds;  /* to what is there: the wide map or the gradient */
    int kernel_h, kernel_w, stride, top, left; /* zeros before the narrow map */
    int rows, columns;                         /* of padded */
    size_t taps;                               /* of a row of the kernel, channel by channel */
    size_t blocks, block_stride, pixel_stride; /* of the wide map, in elements */
    size_t chunks;                             /* of rows, whose sums are put together at the end */
    const float *weights, *bias;               /* bias may be NULL */
    float *gradient;
    float *padded, *factors; /* scratch: weights, or sums of a chunk, by block, ky, kx, channel */
    limn_activation activation;
    float slope;
    size_t scratch_bytes;
} limn_narrow;

enum { LIMN_NARROW_ROWS = 32 }; /* of a chunk */

/* The one of the two sides that is narrow, if this convolution is of the kind: F32 and
 * channels-last, beside a map of F32 or BF16 in blocks of a vector or channels-last; NULL.  w is
 * (small channels, large channels, kh, kw). */
const limn_tensor *limn_narrow_side(const limn_tensor *large, const limn_tensor *small,
                                    limn_shape w, const limn_args *args);
/* Fills all but pointers.  gradient: of the weights; else from the narrow map to the wide one. */
void limn_narrow_open(limn_narrow *narrow, const limn_tensor *large, const limn_tensor *small,
                      limn_shape w, const limn_args *args, bool gradient);
/* weights, gradient: (small channels, large channels, kh, kw) contiguous F32, the one that counts.
 * bias: of the wide map's channels, or NULL. */
void limn_narrow_bind(limn_narrow *narrow, void *large, void *small, const float *weights,
                      const float *bias, float *gradient, void *scratch);
/* Run on the compute threads; the same bits with any number of them. */
void limn_narrow_map(limn_narrow *narrow);
void limn_narrow_gradient(limn_narrow *narrow);

/* narrow_kernel.c, once a processor level. */
typedef struct limn_narrow_kernel {
    int lanes;
    limn_loop_body map, /* units: rows of all pictures */
        gradient;       /* units: blocks x chunks */
} limn_narrow_kernel;
extern const limn_narrow_kernel limn_kernels_base_narrow, limn_kernels_avx2_narrow,
    limn_kernels_avx512_narrow;

#endif
