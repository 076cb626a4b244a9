/* SPDX-License-Identifier: Apache-2.0
 *
 * Average pooling: the mean of each kernel_h x kernel_w window, stride apart (0: 1).
 *
 * include_pad chooses the divisor at the border, as PyTorch's count_include_pad: all of the window,
 * or only what lies inside.  Either is a product of one number per axis, so pooling is separable. A
 * window must touch the input: each padding is at most half its kernel, as in PyTorch. */
#include "op/separable.h"
#include "op/shapes.h"

static bool tap(const limn_axis *axis, int out, int number, int *at, float *weight)
{
    int begin = out * axis->stride - axis->before, end = begin + axis->kernel;
    int inside = (end < axis->in ? end : axis->in) - (begin > 0 ? begin : 0);

    *at = begin + number;
    *weight = 1 / (float)(axis->include_pad ? axis->kernel : inside);
    return *at >= 0 && *at < axis->in;
}

static limn_axis axis(int in, int out, int kernel, int before, const limn_args *args)
{
    return (limn_axis){ .in = in,
                        .out = out,
                        .taps = kernel,
                        .tap = tap,
                        .kernel = kernel,
                        .stride = args->stride ? args->stride : 1,
                        .before = before,
                        .include_pad = args->include_pad };
}

static limn_status shape(limn_shape *y, const limn_shape *x, int inputs, const limn_args *args,
                         limn_error *error)
{
    int stride = args->stride ? args->stride : 1;

    LIMN_TRY(limn_shape_inputs(x, inputs, 1, 1, error));
    *y = x[0];
    LIMN_TRY(limn_shape_windows(&y->h, x[0].h, args->kernel_h, stride, args->pad_top,
                                args->pad_bottom, "height", error));
    LIMN_TRY(limn_shape_windows(&y->w, x[0].w, args->kernel_w, stride, args->pad_left,
                                args->pad_right, "width", error));
    if (args->pad_top > args->kernel_h / 2 || args->pad_bottom > args->kernel_h / 2 ||
        args->pad_left > args->kernel_w / 2 || args->pad_right > args->kernel_w / 2)
        return limn_fail(error, LIMN_SETTING, "padding is more than half of the kernel of %dx%d",
                         args->kernel_h, args->kernel_w);
    return LIMN_OK;
}

static limn_axis down(limn_shape x, limn_shape y, const limn_args *args)
{
    return axis(x.h, y.h, args->kernel_h, args->pad_top, args);
}

static limn_axis across(limn_shape x, limn_shape y, const limn_args *args)
{
    return axis(x.w, y.w, args->kernel_w, args->pad_left, args);
}

static void forward(const limn_call *call)
{
    limn_shape x = call->x[0].shape, y = call->y[0].shape;
    limn_axis v = down(x, y, call->args), h = across(x, y, call->args);

    limn_separable_forward(call, &v, &h);
}

static void backward(const limn_call *call)
{
    limn_shape x = call->dx[0].shape, y = call->dy[0].shape;
    limn_axis v = down(x, y, call->args), h = across(x, y, call->args);

    limn_separable_backward(call, &v, &h);
}

static limn_status prepare(limn_call *call, limn_arena *arena, limn_error *error)
{
    limn_shape x = call->backward ? call->dx[0].shape : call->x[0].shape;
    limn_shape y = call->backward ? call->dy[0].shape : call->y[0].shape;
    limn_axis v = down(x, y, call->args), h = across(x, y, call->args);

    return limn_separable_prepare(call, &v, &h, arena, error);
}

#define PAD(p) .pad_top = (p), .pad_left = (p), .pad_bottom = (p), .pad_right = (p)

static const limn_op_case cases[] = {
    { { { 1, 4, 9, 12 } }, { .kernel_h = 3, .kernel_w = 3, .stride = 2, PAD(1) } },
    { { { 2, 16, 6, 5 } },
      { .kernel_h = 3, .kernel_w = 3, .stride = 2, PAD(1), .include_pad = true } },
    { { { 1, 32, 4, 6 } }, { .kernel_h = 2, .kernel_w = 3, .stride = 2 } },
    { { { 1, 8, 5, 5 } }, { .kernel_h = 1, .kernel_w = 1, .stride = 2 } },
    { { { 1, 2, 3, 4 } }, { .kernel_h = 3, .kernel_w = 4, .stride = 1 } },
    { { { 0 } }, { 0 } },
};

const limn_op limn_op_avgpool = {
    .name = "avgpool",
    .does = "average pooling",
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
