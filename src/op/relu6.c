/* SPDX-License-Identifier: Apache-2.0
 *
 * ReLU6: y = x kept between 0 and 6, the activation of MobileNet (Sandler et al. 2018).  The slope
 * is 0 at both ends, as in PyTorch. */
#include "op/activation.h"

const limn_op limn_op_relu6 = {
    .name = "relu6",
    .does = "ReLU6: x kept between 0 and 6",
    .flags = LIMN_ACTIVATION_FLAGS | LIMN_OP_KINK,
    .activation = LIMN_ACTIVATION_RELU6,
    LIMN_ACTIVATION_OP,
    LIMN_ACTIVATION_PLAIN,
};
