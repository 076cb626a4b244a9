/* SPDX-License-Identifier: Apache-2.0
 *
 * What a run leaves on the disk: its checkpoint, to go on from, and its models, to use.
 *
 * A checkpoint holds all networks, running statistics, moments, the moving average, the settings
 * and limn_train_state.  Random streams need no state (base/random.h), so that is all.  Both kinds
 * are model files (model/model.h), whole or absent. */
#ifndef LIMN_TRAIN_CHECKPOINTS_H
#define LIMN_TRAIN_CHECKPOINTS_H

#include "train/ema.h"

limn_status limn_run_save(const char *path, limn_trainer *trainer, const limn_train_state *state,
                          const limn_ema *ema, limn_error *error);
/* The settings of a checkpoint; texts in the arena.  *recipe is its recipe. */
limn_status limn_run_settings(limn_train_settings *settings, const limn_recipe **recipe,
                              const char *path, limn_arena *arena, limn_error *error);
/* Weights, moments, average and state of a checkpoint, into a trainer of the same settings. */
limn_status limn_run_load(const char *path, limn_trainer *trainer, limn_train_state *state,
                          limn_ema *ema, limn_error *error);

/* Pairs of the model's record, beside epochs, steps and screener. */
limn_status limn_run_save_model(const char *path, limn_trainer *trainer,
                                const limn_train_state *state, const limn_saved_text *record,
                                size_t record_count, limn_error *error);

#endif
