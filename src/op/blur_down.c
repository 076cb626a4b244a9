/* SPDX-License-Identifier: Apache-2.0
 *
 * Blur, then keep every stride-th pixel: shrinking without the shimmer of a strided convolution.
 *
 * Zhang 2019, "Making convolutional networks shift-invariant again"; as the Downsample of the
 * contrastive-unpaired-translation project, whose trained generators contain it: a binomial filter
 * of `kernel_h` values (0: 3) in both directions, reflection by floor((k - 1) / 2) before and
 * ceil((k - 1) / 2) after, stride `stride` (0: 2).  It is linear and separable, with reflection and
 * stride folded into which input each tap reads, so nothing is padded in memory. */
#include "op/blur.h"
#include "op/separable.h"
#include "op/shapes.h"

static bool tap(const limn_axis *axis, int out, int number, int *at, float *weight)
{
    int i = out * axis->stride + number - axis->before, last = axis->in - 1;

    *at = i < 0 ? -i : i > last ? 2 * last - i : i;
    *weight = limn_binomial(axis->kernel, number);
    return true;
}

static limn_axis axis(int in, const limn_args *args)
{
    int kernel = args->kernel_h ? args->kernel_h : 3, stride = args->stride ? args->stride : 2;

    return (limn_axis){ .in = in,
                        .out = (in - 1) / stride +
                               1, /* in + (kernel - 1) values, windows of kernel */
                        .taps = kernel,
                        .tap = tap,
                        .kernel = kernel,
                        .stride = stride,
                        .before = (kernel - 1) / 2 };
}

static limn_status shape(limn_shape *y, const limn_shape *x, int inputs, const limn_args *args,
                         limn_error *error)
{
    int size = args->kernel_h ? args->kernel_h : 3;

    LIMN_TRY(limn_shape_inputs(x, inputs, 1, 1, error));
    if (size < 1 || size > LIMN_BLUR_SIZE_MAX)
        return limn_fail(error, LIMN_SETTING, "filter size %d is not in 1 to %d", size,
                         LIMN_BLUR_SIZE_MAX);
    if (args->stride < 0)
        return limn_fail(error, LIMN_SETTING, "stride %d is negative", args->stride);
    if (size / 2 >= x[0].h || size / 2 >= x[0].w)
        return limn_fail(error, LIMN_SHAPE,
                         "a filter of %d reflects %d pixels, and the input of %dx%d is too small",
                         size, size / 2, x[0].h, x[0].w);
    *y = (limn_shape){ x[0].n, x[0].c, axis(x[0].h, args).out, axis(x[0].w, args).out };
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
    { { { 1, 4, 8, 10 } }, { 0 } },
    { { { 2, 16, 7, 9 } }, { .kernel_h = 3, .stride = 2 } },
    { { { 1, 32, 5, 6 } }, { .kernel_h = 4, .stride = 2 } },
    { { { 1, 3, 6, 5 } }, { .kernel_h = 7, .stride = 3 } },
    { { { 1, 8, 4, 4 } }, { .kernel_h = 1, .stride = 2 } },
    { { { 1, 8, 4, 5 } }, { .kernel_h = 5, .stride = 1 } },
    { { { 0 } }, { 0 } },
};

const limn_op limn_op_blur_down = {
    .name = "blur_down",
    .does = "binomial blur and every second pixel (anti-aliased shrinking)",
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
