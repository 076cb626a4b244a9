/* SPDX-License-Identifier: Apache-2.0
 *
 * Sigmoid: 1 / (1 + e^-x), for networks that answer with a probability. */
#include "op/activation.h"

static limn_status shape(limn_shape *y, const limn_shape *x, int inputs, const limn_args *args,
                         limn_error *error)
{
    (void)inputs;
    (void)args;
    (void)error;
    y[0] = x[0];
    return LIMN_OK;
}

static void forward(const limn_call *call)
{
    limn_activation_forward(call);
}

static void backward(const limn_call *call)
{
    limn_activation_backward(call);
}

static limn_status prepare(limn_call *call, limn_arena *arena, limn_error *error)
{
    (void)arena;
    (void)error;
    return limn_activation_prepare(call);
}

static const limn_op_case cases[] = {
    { .x = { { 1, 1, 1, 1 } } },  { .x = { { 2, 3, 5, 7 } } }, /* odd sizes: ends of vector loops */
    { .x = { { 1, 8, 9, 4 } } },  { .x = { { 3, 16, 3, 5 } } },
    { .x = { { 1, 20, 7, 7 } } }, { .x = { { 2, 32, 33, 31 } } }, /* more than one thread */
    { .x = { { 1, 48, 1, 2 } } }, { .x = { { 0 } } },
};

const limn_op limn_op_sigmoid = {
    .name = "sigmoid",
    .does = "1 / (1 + e^-x)",
    .flags = LIMN_ACTIVATION_FLAGS,
    .inputs_min = 1,
    .inputs_max = 1,
    .outputs = 1,
    .kinds = { LIMN_FEATURES },
    .gradients = 1,
    .backward_reads_y = 1,
    .activation = LIMN_ACTIVATION_SIGMOID,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .prepare = prepare,
    .cases = cases,
};
