/* SPDX-License-Identifier: Apache-2.0
 *
 * ReLU6: y = x kept between 0 and 6, the activation of MobileNet (Sandler et al. 2018).  The slope
 * is 0 at both ends, as in PyTorch. */
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

const limn_op limn_op_relu6 = {
    .name = "relu6",
    .does = "ReLU6: x kept between 0 and 6",
    .flags = LIMN_ACTIVATION_FLAGS | LIMN_OP_KINK,
    .inputs_min = 1,
    .inputs_max = 1,
    .outputs = 1,
    .kinds = { LIMN_FEATURES },
    .gradients = 1,
    .backward_reads_y = 1,
    .activation = LIMN_ACTIVATION_RELU6,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .prepare = prepare,
    .cases = cases,
};
