/* SPDX-License-Identifier: Apache-2.0
 *
 * The inner loops around an int8 convolution; kernels_int8.c is compiled once a processor level. */
#ifndef LIMN_OP_KERNELS_INT8_H
#define LIMN_OP_KERNELS_INT8_H

#include "op/dnn.h"

/* How values become bytes: clip(round(head(x) * factor) + zero, 0, 255). */
typedef struct limn_bytes {
    limn_activation head; /* NONE, RELU or LEAKY */
    float slope, factor;
    int zero;
} limn_bytes;

typedef struct limn_int8_kernels {
    /* For `pixels` of `run` neighbours each; strides in elements.  type: F32 or BF16. */
    void (*to_bytes)(uint8_t *to, size_t to_stride, limn_type type, const void *from,
                     size_t from_stride, size_t pixels, size_t run, const limn_bytes *how);
    /* y[p * channels + c] = y * scale[c] + shift[c] */
    void (*scale_channels)(float *y, size_t pixels, size_t channels, const float *scale,
                           const float *shift);
} limn_int8_kernels;

const limn_int8_kernels *limn_int8_kernels_chosen(void);

#endif
