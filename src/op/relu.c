/* SPDX-License-Identifier: Apache-2.0
 *
 * ReLU: y = x where x > 0, 0 elsewhere; the slope at 0 is 0, as in PyTorch. */
#include "op/activation.h"

const limn_op limn_op_relu = {
    .name = "relu",
    .does = "ReLU: x where x > 0, 0 elsewhere",
    .flags = LIMN_ACTIVATION_FLAGS | LIMN_OP_KINK,
    .activation = LIMN_ACTIVATION_RELU,
    LIMN_ACTIVATION_OP,
    LIMN_ACTIVATION_PLAIN,
};
