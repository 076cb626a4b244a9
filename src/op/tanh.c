/* SPDX-License-Identifier: Apache-2.0
 *
 * Hyperbolic tangent: the last layer of every generator, whose pictures lie between -1 and 1. */
#include "op/activation.h"

const limn_op limn_op_tanh = {
    .name = "tanh",
    .does = "hyperbolic tangent",
    .flags = LIMN_ACTIVATION_FLAGS,
    .activation = LIMN_ACTIVATION_TANH,
    LIMN_ACTIVATION_OP,
    LIMN_ACTIVATION_PLAIN,
};
