/* SPDX-License-Identifier: Apache-2.0
 *
 * A training's inside, shared by train_begin.c (what people hold), train_run.c (opening, steps) and
 * train_epoch.c (what happens between epochs). */
#ifndef LIMN_TRAIN_TRAIN_INSIDE_H
#define LIMN_TRAIN_TRAIN_INSIDE_H

#include "train/checkpoints.h"
#include "train/gate.h"
#include "train/validate.h"

#include <stdatomic.h>

struct limn_training {
    limn_arena arena;                    /* the struct itself lies in it */
    limn_train_settings settings, first; /* first: as the checkpoint has them, resuming */
    const limn_recipe *recipe;
    const char *resume; /* folder, or NULL */
    const char *folder;
    const char *checkpoint, *latest, *best, *page; /* paths in it */
    limn_train_watch watch;
    atomic_int stop;
    bool ran;
    double wait_share;

    limn_publisher *publisher;
    limn_history *history;
    limn_data data, val;
    limn_gate_count screened; /* of both, before anything was left out */
    limn_trainer trainer;
    limn_ema ema;
    limn_validator validator;
    limn_loader *loader;
    limn_train_state state;
    uint64_t batches; /* in an epoch */

    double began, epoch_began, saved; /* seconds of the clock */
    double waited, epoch_waited;      /* seconds, of this session and of the epoch */
    double seconds_before;            /* trained for in earlier sessions */
    uint64_t first_step;              /* that were done when the session began */
};

double limn_train_now(void);
/* Puts an event into the history and tells the watcher. */
limn_status limn_train_say(limn_training *t, limn_error *error, const char *kind,
                           const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Writes the checkpoint, after the history: the history is never behind it. */
limn_status limn_train_save(limn_training *t, limn_error *error);
/* Scores, samples, models, checkpoint, page.  state.epoch counts the epoch already. */
limn_status limn_train_end_epoch(limn_training *t, limn_error *error);
/* Goes back to the checkpoint with half the learning rate, or (the second time) gives up. */
limn_status limn_train_go_back(limn_training *t, const char *loss, limn_error *error);
int limn_train_epochs(const limn_training *t);

#endif
