/* SPDX-License-Identifier: Apache-2.0
 *
 * Enlarging by zeros between pixels and a binomial filter: the counterpart of blur_down.
 *
 * As the Upsample of the contrastive-unpaired-translation project: the edge is replicated by one
 * pixel, then a transposed convolution with stride `stride` (0: 2), padding 1 + floor((k - 1) / 2)
 * and the binomial filter of `kernel_h` values (0: 4) times stride in each direction, then the
 * first row and column are dropped, and the last ones too for even k.  Written as what one output
 * reads: output o takes pixel i of the replicated row with filter value o + 2 + floor((k-1)/2) - i
 * * stride, the 2 being 1 of padding and the row that was dropped.  With stride 2 every filter
 * gives exactly twice the size. */
#include "op/blur.h"
#include "op/separable.h"
#include "op/shapes.h"

#include <limits.h>

static bool tap(const limn_axis *axis, int out, int number, int *at, float *weight)
{
    int shifted = out + axis->before, last = axis->in - 1;
    int k = shifted % axis->stride + number * axis->stride; /* filter values that meet a pixel */
    int i = (shifted - k) / axis->stride - 1;               /* -1: the replicated pixel */

    if (k >= axis->kernel || shifted - k < 0 || i > last + 1) return false;
    *at = i < 0 ? 0 : i > last ? last : i;
    *weight = limn_binomial(axis->kernel, k) * (float)axis->stride;
    return true;
}

static limn_axis axis(int in, const limn_args *args)
{
    int kernel = args->kernel_h ? args->kernel_h : 4, stride = args->stride ? args->stride : 2;
    int pad = (kernel - 1) / 2, even = kernel % 2 == 0;
    int64_t out = (int64_t)(in + 1) * stride - 2 * (1 + pad) + kernel - 1 - even;

    return (limn_axis){ .in = in,
                        .out = out < 1 || out > INT_MAX ? 0 : (int)out,
                        .taps = (kernel + stride - 1) / stride,
                        .tap = tap,
                        .kernel = kernel,
                        .stride = stride,
                        .before = 2 + pad };
}

static limn_status shape(limn_shape *y, const limn_shape *x, int inputs, const limn_args *args,
                         limn_error *error)
{
    int size = args->kernel_h ? args->kernel_h : 4;

    LIMN_TRY(limn_shape_inputs(x, inputs, 1, 1, error));
    if (size < 1 || size > LIMN_BLUR_SIZE_MAX)
        return limn_fail(error, LIMN_SETTING, "filter size %d is not in 1 to %d", size,
                         LIMN_BLUR_SIZE_MAX);
    if (args->stride < 0)
        return limn_fail(error, LIMN_SETTING, "stride %d is negative", args->stride);
    *y = (limn_shape){ x[0].n, x[0].c, axis(x[0].h, args).out, axis(x[0].w, args).out };
    if (y->h < 1 || y->w < 1)
        return limn_fail(error, LIMN_SHAPE,
                         "an input of %dx%d with filter %d and stride %d gives no output", x[0].h,
                         x[0].w, size, args->stride ? args->stride : 2);
    return LIMN_OK;
}

static void forward(const limn_call *call)
{
    limn_axis v = axis(call->x[0].shape.h, call->args), h = axis(call->x[0].shape.w, call->args);

    limn_separable_forward(call, &v, &h);
}

static void backward(const limn_call *call)
{
    limn_axis v = axis(call->dx[0].shape.h, call->args), h = axis(call->dx[0].shape.w, call->args);

    limn_separable_backward(call, &v, &h);
}

static limn_status prepare(limn_call *call, limn_arena *arena, limn_error *error)
{
    limn_shape x = call->backward ? call->dx[0].shape : call->x[0].shape;
    limn_axis v = axis(x.h, call->args), h = axis(x.w, call->args);

    return limn_separable_prepare(call, &v, &h, arena, error);
}

static const limn_op_case cases[] = {
    { { { 1, 4, 4, 5 } }, { 0 } },
    { { { 2, 16, 3, 4 } }, { .kernel_h = 4, .stride = 2 } },
    { { { 1, 32, 5, 2 } }, { .kernel_h = 3, .stride = 2 } },
    { { { 1, 3, 2, 3 } }, { .kernel_h = 7, .stride = 2 } },
    { { { 1, 8, 1, 1 } }, { .kernel_h = 5, .stride = 2 } },
    { { { 1, 8, 4, 4 } }, { .kernel_h = 4, .stride = 3 } },
    { { { 1, 2, 3, 3 } }, { .kernel_h = 1, .stride = 2 } },
    { { { 0 } }, { 0 } },
};

const limn_op limn_op_blur_up = {
    .name = "blur_up",
    .does = "zeros between pixels and a binomial blur (anti-aliased enlarging)",
    .inputs_min = 1,
    .inputs_max = 1,
    .outputs = 1,
    .kinds = { LIMN_FEATURES },
    .gradients = 1,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .prepare = prepare,
    .cases = cases,
};
