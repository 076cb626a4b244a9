/* SPDX-License-Identifier: Apache-2.0
 *
 * Between dnn_tail.c, which cuts the work into ranges, and dnn_tail_kernel.c, which is compiled
 * once a processor level.  Includes no oneDNN: a kernel must not see its header under foreign
 * flags. */
#ifndef LIMN_OP_DNN_TAIL_H
#define LIMN_OP_DNN_TAIL_H

#include "op/dnn.h"

/* One range: `pixels` pixels of `block` neighbouring channels each. */
typedef struct limn_dnn_tail_range {
    void *out;         /* float or bfloat16 */
    const void *add;   /* the same type, or NULL */
    const float *bias; /* block values, or NULL */
    bool bf16;
    size_t pixels, block;
    limn_activation activation;
    float slope;
} limn_dnn_tail_range;

typedef void limn_dnn_tail_kernel(const limn_dnn_tail_range *range);

limn_dnn_tail_kernel limn_kernels_base_dnn_tail, limn_kernels_avx2_dnn_tail,
    limn_kernels_avx512_dnn_tail;

#endif
