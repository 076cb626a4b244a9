/* SPDX-License-Identifier: Apache-2.0
 *
 * What the activations share.  An activation is one element in, one out, and its slope is a
 * function of its output, so it runs in place, needs no input kept, and can be the tail of another
 * operation. */
#ifndef LIMN_OP_ACTIVATION_H
#define LIMN_OP_ACTIVATION_H

#include "op/op.h"

enum {
    LIMN_ACTIVATION_FLAGS = LIMN_OP_ACTIVATION | LIMN_OP_INPLACE | LIMN_OP_INPLACE_BACKWARD,
};

/* Plain loops with the activation that call->op names. */
void limn_activation_forward(const limn_call *call);
void limn_activation_backward(const limn_call *call);

/* Chooses the fast versions. */
limn_status limn_activation_prepare(limn_call *call);

#endif
