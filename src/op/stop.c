/* SPDX-License-Identifier: Apache-2.0
 *
 * Stops the gradient: y is x, and nothing flows back (PyTorch's detach).
 *
 * A critic is updated on a generated picture without the generator learning from it: the recipe
 * writes stop(fake).  The planner gives y the memory of x and makes no step of it; the copy below
 * is for callers that do not. */
#include "op/op.h"
#include "op/shapes.h"

static limn_status shape(limn_shape *y, const limn_shape *x, int inputs, const limn_args *args,
                         limn_error *error)
{
    (void)args;
    LIMN_TRY(limn_shape_inputs(x, inputs, 1, 1, error));
    *y = x[0];
    return LIMN_OK;
}

static void forward(const limn_call *call)
{
    limn_tensor y = call->y[0];

    if (y.data != call->x[0].data) limn_tensor_copy(&y, &call->x[0]);
}

static limn_status run(limn_call *call, limn_error *error)
{
    (void)error;
    forward(call);
    return LIMN_OK;
}

static limn_status prepare(limn_call *call, limn_arena *arena, limn_error *error)
{
    (void)arena, (void)error;
    call->run = run;
    call->implementation = "copy";
    return LIMN_OK;
}

static const limn_op_case cases[] = {
    { { { 1, 1, 1, 1 } }, { 0 } },
    { { { 2, 16, 3, 5 } }, { 0 } },
    { { { 0 } }, { 0 } },
};

const limn_op limn_op_stop = {
    .name = "stop",
    .does = "the same value, through which no gradient passes",
    .flags = LIMN_OP_VIEW | LIMN_OP_STOP | LIMN_OP_INPLACE,
    .inputs_min = 1,
    .inputs_max = 1,
    .outputs = 1,
    .kinds = { LIMN_FEATURES },
    .shape = shape,
    .forward = forward,
    .prepare = prepare,
    .cases = cases,
};
