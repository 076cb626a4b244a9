/* SPDX-License-Identifier: Apache-2.0
 *
 * Sigmoid: 1 / (1 + e^-x), for networks that answer with a probability. */
#include "op/activation.h"

const limn_op limn_op_sigmoid = {
    .name = "sigmoid",
    .does = "1 / (1 + e^-x)",
    .flags = LIMN_ACTIVATION_FLAGS,
    .activation = LIMN_ACTIVATION_SIGMOID,
    LIMN_ACTIVATION_OP,
    LIMN_ACTIVATION_PLAIN,
};
