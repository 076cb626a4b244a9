/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside the gate only: files are read, hashed and decoded by workers, ahead of the screen.
 *
 * Each file is opened once and judged as often as it is meant (both halves of a side-by-side file).
 * What comes out is in the order of the list, so the first broken file is the one that is named,
 * whatever the workers' timing. */
#ifndef LIMN_TRAIN_GATE_AHEAD_H
#define LIMN_TRAIN_GATE_AHEAD_H

#include "base/sha256.h"
#include "data/folders.h"
#include "image/prepare.h"

/* SHA-256 of the file's bytes as text, and which part of it: W, L or R. */
enum { LIMN_GATE_KEY = LIMN_DIGEST_TEXT + 1 };

/* What the run's record says of a content. */
typedef struct limn_gate_known {
    char key[LIMN_GATE_KEY];
    bool refused;
    float score;
} limn_gate_known;

/* A file, and up to two places in it. */
typedef struct limn_gate_task {
    const limn_data_item *items[2];
    size_t places[2]; /* where the answers go: the caller's numbers */
    int count;
} limn_gate_task;

typedef struct limn_gate_seen {
    const limn_gate_task *task;
    char keys[2][LIMN_GATE_KEY];
    const limn_gate_known *known[2]; /* NULL: must be judged */
    limn_picture picture;            /* {0} where everything is known */
    limn_part parts[2];
} limn_gate_seen;

typedef struct limn_gate_ahead limn_gate_ahead;

/* tasks and known (sorted by key) are borrowed.  On failure *out is NULL. */
limn_status limn_gate_ahead_open(limn_gate_ahead **out, const limn_gate_task *tasks, size_t count,
                                 const limn_gate_known *known, size_t known_count, int workers,
                                 limn_error *error);
/* Waits for the next task's file, count times in all.  The picture is the caller's from then on.
 * Fails with what is wrong with the file; seen->task says which, and the next call goes on. */
limn_status limn_gate_ahead_next(limn_gate_ahead *ahead, limn_gate_seen *seen, limn_error *error);
/* Whether the pictures that are decoded and not given back fill the memory meant for them: the
 * workers then wait, so the caller must give some back before it asks for more. */
bool limn_gate_ahead_full(limn_gate_ahead *ahead);
/* Closes a picture that was given out. */
void limn_gate_ahead_give_back(limn_gate_ahead *ahead, limn_picture *picture);
/* Fine at any moment and on NULL; pictures that were given out must be given back before. */
void limn_gate_ahead_close(limn_gate_ahead **ahead);

#endif
