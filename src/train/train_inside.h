/* SPDX-License-Identifier: Apache-2.0
 *
 * A training's inside, shared by train_begin.c (what people hold), train_run.c (opening, steps) and
 * train_epoch.c (what happens between epochs). */
#ifndef LIMN_TRAIN_TRAIN_INSIDE_H
#define LIMN_TRAIN_TRAIN_INSIDE_H

#include "train/checkpoints.h"
#include "train/gate.h"
#include "train/health.h"
#include "train/validate.h"

#include <stdatomic.h>

/* Input files of one colour that the gate came across. */
typedef struct limn_flat_files {
    uint64_t count, of;
    char names[160]; /* of the first */
} limn_flat_files;

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
    limn_health health;
    limn_flat_files flat;
    bool introduced; /* what sets of pictures are compared was said */
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
/* The results page as things stand. */
limn_status limn_train_write_page(limn_training *t, limn_error *error);
/* Goes back to the checkpoint with half the learning rate, or (the second time) gives up. */
limn_status limn_train_go_back(limn_training *t, const char *loss, limn_error *error);
int limn_train_epochs(const limn_training *t);

/* ---- Without pairs: train_unpaired.c --------------------------------------------------------- */

/* *best: whether an epoch with a smaller distance than the best one is to take its place. */
limn_status limn_train_worth_it(limn_training *t, const limn_unpaired_scores *scores, bool *best,
                                limn_error *error);
limn_status limn_train_record_unpaired(limn_training *t, const limn_unpaired_scores *scores,
                                       limn_error *error);
/* For the page's summary: which epoch is kept, by what, and how sure that is. */
limn_status limn_train_tell_kept(limn_training *t, char *text, size_t size, limn_error *error);

/* ---- Health: train_health.c ------------------------------------------------------------------ */

/* Begins, or begins again from what the history holds. */
limn_status limn_train_watch_health(limn_training *t, limn_error *error);
/* Before step number state.step + 1. */
limn_status limn_train_watch_input(limn_training *t, const limn_batch *batch, limn_error *error);
/* After an epoch: records and judges the looks, one a generator. */
limn_status limn_train_watch_looks(limn_training *t, const limn_look *looks, limn_error *error);
/* Of each training picture that the gate decodes. */
void limn_train_note_flat(limn_training *t, const limn_data_item *item, const limn_picture *picture,
                          limn_part part);

#endif
