/* SPDX-License-Identifier: Apache-2.0
 *
 * Padding by side: zero, reflect (the edge itself is not repeated) or replicate, as PyTorch's.
 *
 * The resnet generators pad by reflection before every convolution, so this runs on every large
 * map. Its gradient adds what was taken from a place to that place: near a reflected edge up to
 * four positions of y read the same x. */
#include "op/separable.h"
#include "op/shapes.h"

#include <limits.h>

static bool tap(const limn_axis *axis, int out, int number, int *at, float *weight)
{
    int i = out - axis->before, last = axis->in - 1;

    (void)number;
    if (axis->mode == LIMN_PAD_REFLECT)
        i = i < 0 ? -i : i > last ? 2 * last - i : i;
    else if (axis->mode == LIMN_PAD_REPLICATE)
        i = i < 0 ? 0 : i > last ? last : i;
    *at = i;
    *weight = 1;
    return i >= 0 && i <= last;
}

static limn_axis axis(int in, int before, int after, int mode)
{
    return (limn_axis){
        .in = in, .out = in + before + after, .taps = 1, .tap = tap, .before = before, .mode = mode
    };
}

static limn_axis down(limn_shape x, const limn_args *args)
{
    return axis(x.h, args->pad_top, args->pad_bottom, args->mode);
}

static limn_axis across(limn_shape x, const limn_args *args)
{
    return axis(x.w, args->pad_left, args->pad_right, args->mode);
}

static limn_status side(int *out, int in, int before, int after, int mode, const char *what,
                        limn_error *error)
{
    int most = before > after ? before : after;

    if (before < 0 || after < 0)
        return limn_fail(error, LIMN_SETTING, "padding %d, %d of the %s is negative", before, after,
                         what);
    if (mode == LIMN_PAD_REFLECT && most >= in)
        return limn_fail(error, LIMN_SHAPE,
                         "reflecting %d wants an input of %s %d at least, and it is %d", most, what,
                         most < INT_MAX ? most + 1 : most, in);
    if ((int64_t)in + before + after > INT_MAX)
        return limn_fail(error, LIMN_SETTING, "padding %d, %d of the %s is too large", before,
                         after, what);
    *out = in + before + after;
    return LIMN_OK;
}

static limn_status shape(limn_shape *y, const limn_shape *x, int inputs, const limn_args *args,
                         limn_error *error)
{
    LIMN_TRY(limn_shape_inputs(x, inputs, 1, 1, error));
    if (args->mode < LIMN_PAD_ZERO || args->mode > LIMN_PAD_REPLICATE)
        return limn_fail(error, LIMN_SETTING, "padding mode %d is none of zero, reflect, replicate",
                         args->mode);
    *y = x[0];
    LIMN_TRY(side(&y->h, x[0].h, args->pad_top, args->pad_bottom, args->mode, "height", error));
    return side(&y->w, x[0].w, args->pad_left, args->pad_right, args->mode, "width", error);
}

static void forward(const limn_call *call)
{
    limn_axis v = down(call->x[0].shape, call->args), h = across(call->x[0].shape, call->args);

    limn_separable_forward(call, &v, &h);
}

static void backward(const limn_call *call)
{
    limn_axis v = down(call->dx[0].shape, call->args), h = across(call->dx[0].shape, call->args);

    limn_separable_backward(call, &v, &h);
}

static limn_status prepare(limn_call *call, limn_arena *arena, limn_error *error)
{
    limn_shape x = call->backward ? call->dx[0].shape : call->x[0].shape;
    limn_axis v = down(x, call->args), h = across(x, call->args);

    return limn_separable_prepare(call, &v, &h, arena, error);
}

#define PAD(p) .pad_top = (p), .pad_left = (p), .pad_bottom = (p), .pad_right = (p)

static const limn_op_case cases[] = {
    { { { 1, 3, 6, 9 } }, { .mode = LIMN_PAD_REFLECT, PAD(3) } },
    { { { 2, 16, 5, 7 } }, { .mode = LIMN_PAD_REFLECT, PAD(1) } },
    { { { 1, 32, 4, 4 } }, { .mode = LIMN_PAD_REFLECT, PAD(3) } }, /* all four reflections meet */
    { { { 1, 8, 2, 12 } }, { .mode = LIMN_PAD_ZERO, .pad_top = 1, .pad_right = 2 } },
    { { { 1, 2, 1, 1 } }, { .mode = LIMN_PAD_REPLICATE, PAD(2) } },
    { { { 2, 16, 3, 8 } }, { .mode = LIMN_PAD_REPLICATE, .pad_left = 1, .pad_bottom = 3 } },
    { { { 1, 8, 3, 3 } }, { .mode = LIMN_PAD_ZERO } },             /* no padding */
    { { { 2, 72, 4, 5 } }, { .mode = LIMN_PAD_REFLECT, PAD(2) } }, /* channels last: 64 and 8 */
    { { { 0 } }, { 0 } },
};

const limn_op limn_op_pad = {
    .name = "pad",
    .does = "padding by side: zero, reflect or replicate",
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
