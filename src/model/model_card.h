/* SPDX-License-Identifier: Apache-2.0
 *
 * The card as metadata texts, for model.c and export.c alone. */
#ifndef LIMN_MODEL_MODEL_CARD_H
#define LIMN_MODEL_MODEL_CARD_H

#include "model/model.h"

/* All pairs of the card, "limn.KEY" = value, in the arena.  Defaults are filled in; bare says that
 * tensors have no network's name in front.  LIMN_SETTING for a card that makes no sense. */
limn_status limn_card_write(const limn_model_card *card, bool bare, limn_arena *arena,
                            limn_saved_text **texts, size_t *count, limn_error *error);

/* The card of a file's metadata; texts are the file's.  bare: see above. */
limn_status limn_card_read(limn_model_card *card, bool *bare, const limn_safetensors *file,
                           const char *path, limn_arena *arena, limn_error *error);

/* Whether the file has a card at all. */
bool limn_card_is_in(const limn_safetensors *file);

#endif
