/* SPDX-License-Identifier: Apache-2.0
 *
 * The int8 convolution: what the operation, its fast path and the rewriting of graphs share. */
#ifndef LIMN_OP_CONV_INT8_H
#define LIMN_OP_CONV_INT8_H

#include "op/op.h"

/* Inputs: x[0], then the weights, the factor and the shift of each output, then what lies beside
 * x[0] in channels. */
enum {
    LIMN_INT8_WEIGHT = 1,
    LIMN_INT8_SCALE = 2,
    LIMN_INT8_SHIFT = 3,
    LIMN_INT8_BESIDE = 4,
    LIMN_INT8_PIECES = LIMN_INPUTS_MAX - LIMN_INT8_BESIDE + 1,
};

/* Number of maps that lie side by side, and the one at that place. */
static inline int limn_int8_pieces(const limn_call *call)
{
    return call->inputs - LIMN_INT8_BESIDE + 1;
}
static inline const limn_tensor *limn_int8_piece(const limn_call *call, int piece)
{
    return &call->x[piece ? LIMN_INT8_BESIDE + piece - 1 : 0];
}

/* Where row or column `at` of the padded map (it may be outside) is read in one of `size`; -1: it
 * is padding by zero. */
int limn_int8_source(int at, int size, int mode);

/* Whether this processor multiplies bytes exactly (VNNI): older ones saturate sums of two products
 * at 16 bits, and their numbers would be others. */
bool limn_int8_is_fast(void);

/* prepare() through oneDNN. */
limn_status limn_conv_int8_prepare(limn_call *call, limn_arena *arena, limn_error *error);

#endif
