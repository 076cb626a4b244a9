/* SPDX-License-Identifier: Apache-2.0
 *
 * The fast version that batchnorm and instancenorm share: both bring each channel to mean 0 and
 * variance 1, one over all pictures of the batch, the other over each picture by itself. */
#ifndef LIMN_OP_NORM_H
#define LIMN_OP_NORM_H

#include "op/op.h"

typedef enum limn_norm_kind {
    LIMN_NORM_PICTURE, /* statistics of each picture: instancenorm */
    LIMN_NORM_BATCH,   /* statistics of the batch: batchnorm, training */
    LIMN_NORM_GIVEN,   /* running statistics, x[3] and x[4]: batchnorm, after training */
} limn_norm_kind;

/* Sets bind, run and scratch for a call with x (features), optional scale and shift (x[1], x[2]),
 * y, mean y[1] and 1 / sqrt(variance + eps) y[2]; for BATCH with six inputs the running statistics
 * too. Forward applies a tail (activation, residual), backward undoes its activation. */
limn_status limn_norm_prepare(limn_call *call, limn_norm_kind kind, limn_arena *arena,
                              limn_error *error);

#endif
