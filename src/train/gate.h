/* SPDX-License-Identifier: Apache-2.0
 *
 * The gate: nothing is learned from that the screen has not seen (docs/safety.md).
 *
 * Before the first step every picture of both sides, of training and of validation, is judged, or
 * known by its content from an earlier session of the run.  What is refused is left out together
 * with its partner, and listed by name and score; a set with too many of them is refused whole.
 * Nothing else of a refused picture is kept.
 *
 * No setting turns the gate off or moves its limits, and no row may be added for that. */
#ifndef LIMN_TRAIN_GATE_H
#define LIMN_TRAIN_GATE_H

#include "data/folders.h"
#include "screen/screen.h"
#include "train/history.h"

/* Each may be NULL; they are called by the thread that called limn_gate_pass. */
typedef struct limn_gate_watch {
    void *context;
    /* How far it is; false stops with LIMN_STOPPED. */
    bool (*progress)(void *context, size_t done, size_t total);
    /* Of each refused pair or picture, before anything is decided: the file that was refused (of
     * two, the one with the higher score).  whole: all of the set goes. */
    limn_status (*refused)(void *context, const limn_data_item *item, float score, bool whole,
                           limn_error *error);
    /* Of each file that was decoded, and each part of it that is meant. */
    void (*decoded)(void *context, const limn_data_item *item, const limn_picture *picture,
                    limn_part part);
    /* Of each file that can't be read, with the reason: it is left out. */
    limn_status (*broken)(void *context, const char *reason, limn_error *error);
} limn_gate_watch;

typedef struct limn_gate_count {
    size_t pictures; /* of both sides, training and validation */
    size_t judged;   /* of them by the screen now; the others were known by their content */
    size_t left_out; /* pairs, or pictures without a partner */
    size_t broken;   /* files that can't be read, left out as well */
} limn_gate_count;

/* Judges train and val (which may be empty or NULL) and takes refused entries out of them.
 * workers: threads that decode beside the screen, at least one.  Verdicts are put into the
 * history, keyed by content, part of the file and the classifiers' SHA-256.
 *
 * A set is refused whole (LIMN_REFUSED_DATA; *count says how many were refused) when of both lists
 * together, of the training list, or of one side of it where sides are no pairs, all are refused,
 * or more than 2 % and at least 3 (limn_screen_refuses_set); and when that is so of the validation
 * list with at least 3.  Both together, because held-out pictures come from the same folder, and
 * each by itself, so that a harmless part can't make up for another one.
 *
 * A file that can't be read can't be judged, so it is left out like one that is refused; when there
 * are more than a tenth of them and at least 3, or nothing else, that is the error of the first.
 * Further errors: LIMN_STOPPED, LIMN_NO_MEMORY, and the history's.  After an error the lists are as
 * they were. */
limn_status limn_gate_pass(limn_data *train, limn_data *val, limn_screen *screen,
                           limn_history *history, int workers, const limn_gate_watch *watch,
                           limn_gate_count *count, limn_error *error);

#endif
