/* SPDX-License-Identifier: Apache-2.0
 *
 * The mean of each channel's whole map: (n, c, h, w) to (n, c, 1, 1).
 *
 * One output a map, reading every row and every column: the extreme of a separable operation. */
#include "op/separable.h"
#include "op/shapes.h"

static bool tap(const limn_axis *axis, int out, int number, int *at, float *weight)
{
    (void)out;
    *at = number;
    *weight = 1 / (float)axis->in;
    return true;
}

static limn_axis axis(int in)
{
    return (limn_axis){ .in = in, .out = 1, .taps = in, .tap = tap };
}

static limn_status shape(limn_shape *y, const limn_shape *x, int inputs, const limn_args *args,
                         limn_error *error)
{
    (void)args;
    LIMN_TRY(limn_shape_inputs(x, inputs, 1, 1, error));
    *y = (limn_shape){ x[0].n, x[0].c, 1, 1 };
    return LIMN_OK;
}

static void forward(const limn_call *call)
{
    limn_axis v = axis(call->x[0].shape.h), h = axis(call->x[0].shape.w);

    limn_separable_forward(call, &v, &h);
}

static void backward(const limn_call *call)
{
    limn_axis v = axis(call->dx[0].shape.h), h = axis(call->dx[0].shape.w);

    limn_separable_backward(call, &v, &h);
}

static limn_status prepare(limn_call *call, limn_arena *arena, limn_error *error)
{
    limn_shape x = call->backward ? call->dx[0].shape : call->x[0].shape;
    limn_axis v = axis(x.h), h = axis(x.w);

    return limn_separable_prepare(call, &v, &h, arena, error);
}

static const limn_op_case cases[] = {
    { { { 1, 1, 1, 1 } }, { 0 } },  { { { 2, 3, 5, 7 } }, { 0 } },
    { { { 1, 32, 4, 6 } }, { 0 } }, { { { 2, 72, 3, 2 } }, { 0 } }, /* channels last: 64 and 8 */
    { { { 0 } }, { 0 } },
};

const limn_op limn_op_global_avgpool = {
    .name = "global_avgpool",
    .does = "mean of each channel over the whole map",
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
