/* SPDX-License-Identifier: Apache-2.0
 *
 * The complete list of tensors that a network of given settings has, and its comparison with a
 * file. Used by deduce.c alone. */
#ifndef LIMN_MODEL_DEDUCE_LAYOUT_H
#define LIMN_MODEL_DEDUCE_LAYOUT_H

#include "model/deduce.h"

enum { LIMN_BLOCKS_MAX = 256, LIMN_LEVELS_MAX = 16 };

/* How the file's own numbers differ from limn's. */
typedef struct limn_file_layout {
    bool bias;       /* convolutions that a norm follows have a bias */
    bool statistics; /* norms have running statistics, used or not */
} limn_file_layout;

/* Compares the state with all tensors of the network that out describes, and fills out->tensors. */
limn_status limn_deduce_match(limn_deduced *out, const limn_file_layout *file,
                              const limn_state *state, limn_arena *arena, limn_error *error);

#endif
