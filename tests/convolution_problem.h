/* SPDX-License-Identifier: Apache-2.0
 *
 * Sizes of a convolution, and how the loops of weights' gradients are told of it. */
#ifndef LIMN_TESTS_CONVOLUTION_PROBLEM_H
#define LIMN_TESTS_CONVOLUTION_PROBLEM_H

#include "op/dnn.h"

typedef struct problem {
    int n, large, small, kernel, stride, pad, h, w; /* h, w: of the large side, x */
} problem;

static limn_dnn_conv describe(const problem *p, const limn_tensor *x, const limn_tensor *y)
{
    return (limn_dnn_conv){ .direction = LIMN_DNN_BACKWARD_WEIGHTS,
                            .x = *x,
                            .y = *y,
                            .kernel_h = p->kernel,
                            .kernel_w = p->kernel,
                            .stride_h = p->stride,
                            .stride_w = p->stride,
                            .pad_top = p->pad,
                            .pad_left = p->pad,
                            .pad_bottom = p->pad,
                            .pad_right = p->pad,
                            .groups = 1 };
}

#endif
