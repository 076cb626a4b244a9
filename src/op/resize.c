/* SPDX-License-Identifier: Apache-2.0
 *
 * Resizing to args.height x args.width: nearest or bilinear.
 *
 * The positions are those of PyTorch's interpolate(size=..., align_corners=False), in float as
 * there: nearest reads floor(out * in / size); bilinear puts pixel centres at half positions, reads
 * nothing beyond the edge and does not average when it makes smaller. */
#include "op/separable.h"
#include "op/shapes.h"

#include <math.h>

static bool nearest(const limn_axis *axis, int out, int number, int *at, float *weight)
{
    int i = (int)floorf((float)out * ((float)axis->in / (float)axis->out));

    (void)number;
    *at = i < axis->in ? i : axis->in - 1;
    *weight = 1;
    return true;
}

static bool bilinear(const limn_axis *axis, int out, int number, int *at, float *weight)
{
    float position = ((float)out + 0.5f) * ((float)axis->in / (float)axis->out) - 0.5f, part;
    int i;

    if (position < 0) position = 0;
    i = (int)position;
    if (i > axis->in - 1) i = axis->in - 1;
    part = i < axis->in - 1 ? position - (float)i : 0; /* the last pixel has no right neighbour */
    *at = i + number;
    *weight = number ? part : 1 - part;
    return *weight != 0;
}

static limn_axis axis(int in, int out, int mode)
{
    bool linear = mode == LIMN_RESIZE_BILINEAR;

    return (limn_axis){
        .in = in, .out = out, .taps = linear ? 2 : 1, .tap = linear ? bilinear : nearest
    };
}

static limn_status shape(limn_shape *y, const limn_shape *x, int inputs, const limn_args *args,
                         limn_error *error)
{
    LIMN_TRY(limn_shape_inputs(x, inputs, 1, 1, error));
    if (args->mode != LIMN_RESIZE_NEAREST && args->mode != LIMN_RESIZE_BILINEAR)
        return limn_fail(error, LIMN_SETTING, "resize mode %d is none of nearest, bilinear",
                         args->mode);
    if (args->height < 1 || args->width < 1)
        return limn_fail(error, LIMN_SHAPE, "cannot resize to %dx%d: both must be 1 or more",
                         args->height, args->width);
    *y = (limn_shape){ x[0].n, x[0].c, args->height, args->width };
    return LIMN_OK;
}

static void forward(const limn_call *call)
{
    limn_shape x = call->x[0].shape;
    limn_axis v = axis(x.h, call->args->height, call->args->mode);
    limn_axis h = axis(x.w, call->args->width, call->args->mode);

    limn_separable_forward(call, &v, &h);
}

static void backward(const limn_call *call)
{
    limn_shape x = call->dx[0].shape;
    limn_axis v = axis(x.h, call->args->height, call->args->mode);
    limn_axis h = axis(x.w, call->args->width, call->args->mode);

    limn_separable_backward(call, &v, &h);
}

static limn_status prepare(limn_call *call, limn_arena *arena, limn_error *error)
{
    limn_shape x = call->backward ? call->dx[0].shape : call->x[0].shape;
    limn_axis v = axis(x.h, call->args->height, call->args->mode);
    limn_axis h = axis(x.w, call->args->width, call->args->mode);

    return limn_separable_prepare(call, &v, &h, arena, error);
}

static const limn_op_case cases[] = {
    { { { 2, 3, 4, 5 } }, { .mode = LIMN_RESIZE_NEAREST, .height = 8, .width = 10 } },
    { { { 2, 16, 4, 5 } }, { .mode = LIMN_RESIZE_BILINEAR, .height = 8, .width = 10 } },
    { { { 1, 8, 7, 9 } }, { .mode = LIMN_RESIZE_BILINEAR, .height = 3, .width = 4 } }, /* smaller */
    { { { 1, 32, 5, 3 } }, { .mode = LIMN_RESIZE_NEAREST, .height = 3, .width = 7 } },
    { { { 1, 16, 1, 1 } }, { .mode = LIMN_RESIZE_BILINEAR, .height = 3, .width = 2 } },
    { { { 1, 8, 3, 6 } },
      { .mode = LIMN_RESIZE_BILINEAR, .height = 3, .width = 6 } }, /* the same */
    { { { 0 } }, { 0 } },
};

const limn_op limn_op_resize = {
    .name = "resize",
    .does = "resizing, nearest or bilinear",
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
