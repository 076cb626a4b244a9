/* SPDX-License-Identifier: Apache-2.0
 *
 * Leaky ReLU (Maas et al. 2013): y = x where x > 0, slope * x elsewhere.
 *
 * The critic uses slope 0.2 on every layer: with plain ReLU a critic that wins early has zero
 * gradient over half its units, and the generator stops learning.  Backward needs only the sign of
 * x, and y has it while slope > 0, so the operation may run in place; slope 0 is relu. */
#include "op/activation.h"

static limn_status shape(limn_shape *y, const limn_shape *x, int inputs, const limn_args *args,
                         limn_error *error)
{
    (void)inputs;
    if (!(args->slope > 0 && args->slope < 1))
        return limn_fail(error, LIMN_SETTING,
                         "leaky slope %g is not between 0 and 1; relu is the one with slope 0",
                         (double)args->slope);
    y[0] = x[0];
    return LIMN_OK;
}

static const limn_op_case cases[] = {
    { .x = { { 1, 1, 1, 1 } }, .args = { .slope = 0.2f } },
    { .x = { { 2, 3, 5, 7 } }, .args = { .slope = 0.2f } }, /* odd sizes: ends of vector loops */
    { .x = { { 1, 8, 9, 4 } }, .args = { .slope = 0.2f } },
    { .x = { { 3, 16, 3, 5 } }, .args = { .slope = 0.2f } },
    { .x = { { 1, 20, 7, 7 } }, .args = { .slope = 0.2f } },
    { .x = { { 2, 32, 33, 31 } }, .args = { .slope = 0.2f } }, /* more than one thread */
    { .x = { { 1, 48, 1, 2 } }, .args = { .slope = 0.2f } },
    { .x = { { 0 } } },
};

const limn_op limn_op_leaky = {
    .name = "leaky",
    .does = "leaky ReLU: x where x > 0, slope * x elsewhere",
    .flags = LIMN_ACTIVATION_FLAGS | LIMN_OP_KINK,
    .activation = LIMN_ACTIVATION_LEAKY,
    .shape = shape,
    .cases = cases,
    LIMN_ACTIVATION_OP,
};
