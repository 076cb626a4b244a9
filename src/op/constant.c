/* SPDX-License-Identifier: Apache-2.0
 *
 * One number that is known when the graph is made: args.factor.
 *
 * The start of every backward pass (the gradient of a loss by itself is 1).  One float: the plain
 * loop serves all plans. */
#include "op/op.h"
#include "op/shapes.h"

static limn_status shape(limn_shape *y, const limn_shape *x, int inputs, const limn_args *args,
                         limn_error *error)
{
    (void)args;
    LIMN_TRY(limn_shape_inputs(x, inputs, 0, 0, error));
    *y = (limn_shape){ 1, 1, 1, 1 };
    return LIMN_OK;
}

static void forward(const limn_call *call)
{
    *(float *)call->y[0].data = call->args->factor;
}

/* Without inputs the end mark of the list is itself a case: the checker runs the first row. */
static const limn_op_case cases[] = {
    { { { 0 } }, { .factor = -2.5f } },
};

const limn_op limn_op_constant = {
    .name = "constant",
    .does = "one number",
    .outputs = 1,
    .kinds = { LIMN_SCALAR },
    .float32_outputs = 1,
    .shape = shape,
    .forward = forward,
    .cases = cases,
};
