/* SPDX-License-Identifier: Apache-2.0
 *
 * What the activations share.  An activation is one element in, one out, and its slope is a
 * function of its output, so it runs in place, needs no input kept, and can be the tail of another
 * operation. */
#ifndef LIMN_OP_ACTIVATION_H
#define LIMN_OP_ACTIVATION_H

#include "op/op.h"

/* The parts of limn_op that all activations have in common; shape and cases where they take no
 * slope. */
#define LIMN_ACTIVATION_OP                                                                         \
    .inputs_min = 1, .inputs_max = 1, .outputs = 1, .kinds = { LIMN_FEATURES }, .gradients = 1,    \
    .backward_reads_y = 1, .forward = limn_activation_forward,                                     \
    .backward = limn_activation_backward, .prepare = limn_activation_prepare
#define LIMN_ACTIVATION_PLAIN .shape = limn_activation_shape, .cases = limn_activation_cases

enum {
    LIMN_ACTIVATION_FLAGS = LIMN_OP_ACTIVATION | LIMN_OP_INPLACE | LIMN_OP_INPLACE_BACKWARD,
};

/* Plain loops with the activation that call->op names. */
void limn_activation_forward(const limn_call *call);
void limn_activation_backward(const limn_call *call);

/* Chooses the fast versions. */
limn_status limn_activation_prepare(limn_call *call, limn_arena *arena, limn_error *error);

/* That of the input. */
limn_status limn_activation_shape(limn_shape *y, const limn_shape *x, int inputs,
                                  const limn_args *args, limn_error *error);
extern const limn_op_case limn_activation_cases[];

#endif
