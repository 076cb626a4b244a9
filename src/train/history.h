/* SPDX-License-Identifier: Apache-2.0
 *
 * The history of a run, in its folder as history.sqlite: readable by anything.
 *
 *   settings (name, value)               as they are in use
 *   run      (key, value)                what the run is: recipe, software, screen ...
 *   steps    (step, epoch, lr, ms, wait_ms)
 *   losses   (step, name, value)
 *   epochs   (epoch, step, seconds, lr, wait_share, best)
 *   scores   (epoch, part, name, value)  part: val, train; loss: means of the epoch
 *   looks    (epoch, generator, name, value)  of validation: limn_look's fields
 *   samples  (epoch, path)               sheets, as paths inside the folder
 *   events   (number, step, epoch, time, kind, sentence)
 *   alarms   (number, step, epoch, kind, subject, change, value, threshold, sentence)
 *                                        change: raised, worse, cleared (train/health.h)
 *   screened (digest, score, refused)    pictures that the screen has seen
 *
 * Write-ahead logging without a flush for each transaction: a killed process loses nothing that was
 * committed, a cut of the power at most the last seconds, and a step never waits for the disk.
 * Steps are collected and written some dozens at a time. */
#ifndef LIMN_TRAIN_HISTORY_H
#define LIMN_TRAIN_HISTORY_H

#include "base/memory.h"

typedef struct limn_history limn_history;

/* Opens or makes the file.  On failure *out is NULL. */
limn_status limn_history_open(limn_history **out, const char *path, limn_error *error);
/* Commits what is pending; what cannot be written is lost silently: flush first. */
void limn_history_close(limn_history **history);
/* Commits what is pending. */
limn_status limn_history_flush(limn_history *history, limn_error *error);

/* Forgets everything that came after `step` steps and `epoch` whole epochs: it will be done again.
 * Events and alarms are kept. */
limn_status limn_history_trim(limn_history *history, uint64_t step, uint64_t epoch,
                              limn_error *error);

limn_status limn_history_setting(limn_history *history, const char *name, const char *value,
                                 limn_error *error);
limn_status limn_history_fact(limn_history *history, const char *key, const char *value,
                              limn_error *error);
/* step counts from 1. */
limn_status limn_history_step(limn_history *history, uint64_t step, uint64_t epoch, double lr,
                              double ms, double wait_ms, const char *const *names,
                              const double *losses, int count, limn_error *error);
limn_status limn_history_epoch(limn_history *history, uint64_t epoch, uint64_t step, double seconds,
                               double lr, double wait_share, bool best, limn_error *error);
/* NaN is not written. */
limn_status limn_history_score(limn_history *history, uint64_t epoch, const char *part,
                               const char *name, double value, limn_error *error);
limn_status limn_history_look(limn_history *history, uint64_t epoch, const char *generator,
                              const char *name, double value, limn_error *error);
limn_status limn_history_sample(limn_history *history, uint64_t epoch, const char *path,
                                limn_error *error);
limn_status limn_history_event(limn_history *history, uint64_t step, uint64_t epoch,
                               const char *kind, const char *sentence, limn_error *error);

/* value and threshold may be NaN: there is none. */
limn_status limn_history_alarm(limn_history *history, uint64_t step, uint64_t epoch,
                               const char *kind, const char *subject, const char *change,
                               double value, double threshold, const char *sentence,
                               limn_error *error);

/* What the screen said of a picture's content; false when it has not seen it. */
limn_status limn_history_screened(limn_history *history, const char *digest, double *score,
                                  bool *refused, bool *known, limn_error *error);
limn_status limn_history_screen(limn_history *history, const char *digest, double score,
                                bool refused, limn_error *error);

/* The mean of a loss over an epoch, NaN when there is none. */
limn_status limn_history_mean(limn_history *history, uint64_t epoch, const char *loss, double *mean,
                              limn_error *error);

/* Calls row for every row that the query gives, with its columns as text (NULL: null).  query is
 * one of ours, never a user's. */
typedef limn_status (*limn_history_row)(void *context, const char *const *columns, int count,
                                        limn_error *error);
limn_status limn_history_query(limn_history *history, const char *query, limn_history_row row,
                               void *context, limn_error *error);

#endif
