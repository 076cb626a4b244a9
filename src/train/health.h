/* SPDX-License-Identifier: Apache-2.0
 *
 * Is this training still learning?  Alarms that are raised while it runs.
 *
 * The watcher is fed numbers (losses of each step, a look at the generators' outputs after each
 * epoch) and says when one of the known ways to fail has begun: what it is, the number, the
 * threshold, and what to try.  It computes nothing on pictures and writes nothing itself, so the
 * same series can be fed to it by a test, and again on resuming.
 *
 * An alarm is said once for each kind and subject (the generator or critic that it is about), again
 * when it has got clearly worse, and its end is said when it is over.  docs/health.md has all
 * definitions with their reasons; health.c repeats the thresholds. */
#ifndef LIMN_TRAIN_HEALTH_H
#define LIMN_TRAIN_HEALTH_H

#include "score/look.h"
#include "train/critics.h"

/* Name, word in records and JSON. */
#define LIMN_ALARMS(X)                                                                             \
    X(CRITIC, "critic")                                                                            \
    X(COLLAPSE, "collapse")                                                                        \
    X(INVERSION, "inversion")                                                                      \
    X(OUTLINE, "outline")                                                                          \
    X(CHECKERBOARD, "checkerboard")                                                                \
    X(FLAT, "flat")                                                                                \
    X(NOT_FINITE, "not_finite")

typedef enum limn_alarm_kind {
#define X(name, word) LIMN_ALARM_##name,
    LIMN_ALARMS(X)
#undef X
        LIMN_ALARM_KINDS
} limn_alarm_kind;
const char *limn_alarm_word(limn_alarm_kind kind);

typedef enum limn_alarm_change {
    LIMN_ALARM_RAISED,
    LIMN_ALARM_WORSE,
    LIMN_ALARM_CLEARED,
} limn_alarm_change;
const char *limn_alarm_change_word(limn_alarm_change change); /* "raised", "worse", "cleared" */

enum { LIMN_ALARM_SUBJECT = 16, LIMN_ALARM_SENTENCE = 480 };

typedef struct limn_alarm {
    limn_alarm_kind kind;
    limn_alarm_change change;
    char subject[LIMN_ALARM_SUBJECT]; /* "G_A", "D"; "" where it is about the data or the run */
    uint64_t step, epoch;             /* steps done; epoch from 1 */
    double value, threshold;          /* NaN: there is none */
    char sentence[LIMN_ALARM_SENTENCE];
} limn_alarm;

typedef limn_status (*limn_alarm_tell)(void *context, const limn_alarm *alarm, limn_error *error);

enum { LIMN_HEALTH_BLOCK = 100, LIMN_HEALTH_BLOCKS = 10 }; /* steps; blocks of a window */

/* A critic's recent losses, as means of blocks of steps. */
typedef struct limn_health_critic {
    double critic_sum, generator_sum; /* of the block that is being filled */
    int steps;                        /* in it */
    double critic[LIMN_HEALTH_BLOCKS], generator[LIMN_HEALTH_BLOCKS]; /* the newest last */
    int blocks;
} limn_health_critic;

/* One alarm that can be raised, and where it stands. */
typedef struct limn_health_state {
    int bad, good;       /* looks in a row */
    uint64_t bad_since;  /* step of the first of them */
    double before;       /* value at the look before, NaN: none */
    bool told, standing; /* ever said; said and not over */
    double said;         /* the value that was said last */
    uint64_t said_step;
} limn_health_state;

typedef struct limn_health {
    const limn_train_settings *settings; /* borrowed */
    bool unpaired;
    limn_critic critics[LIMN_CRITICS_MAX];
    limn_health_critic recent[LIMN_CRITICS_MAX];
    int critic_count;
    char generators[LIMN_GENERATORS_MAX][LIMN_ALARM_SUBJECT];
    int generator_count;
    double widest[LIMN_GENERATORS_MAX]; /* largest ratio of spreads so far */
    limn_health_state of_critic[LIMN_CRITICS_MAX];
    limn_health_state of_generator[LIMN_GENERATORS_MAX][LIMN_ALARM_KINDS];
    limn_health_state flat;
    uint64_t seen, flat_seen; /* inputs of the first epoch, and those of them that were flat */
    bool silent;              /* what was said before is being fed again */
    limn_alarm_tell tell;
    void *context;
} limn_health;

/* settings and the names in critics are borrowed; generators: names, separated by spaces. */
void limn_health_open(limn_health *health, const limn_train_settings *settings, bool unpaired,
                      const char *generators, const limn_critic *critics, int critic_count,
                      limn_alarm_tell tell, void *context);

/* After step number `step` (from 1) of an epoch (from 1); losses as the critics' indices mean. */
limn_status limn_health_step(limn_health *health, uint64_t step, uint64_t epoch,
                             const double *losses, limn_error *error);
/* A look at what a generator makes, after an epoch. */
limn_status limn_health_look(limn_health *health, uint64_t step, uint64_t epoch, int generator,
                             const limn_look *look, limn_error *error);
/* Files that are of one colour all over: how many of how many, and the names of the first. */
limn_status limn_health_flat_files(limn_health *health, uint64_t count, uint64_t of,
                                   const char *names, limn_error *error);
/* An input as a step gets it (n, c, h, w), each picture of a batch; name: of the first one. */
limn_status limn_health_input(limn_health *health, uint64_t step, uint64_t epoch,
                              const float *values, limn_shape shape, const char *name,
                              limn_error *error);
/* A loss that is no number; the run goes back to a state before it, or gives up. */
limn_status limn_health_lost(limn_health *health, uint64_t step, uint64_t epoch, const char *loss,
                             double value, limn_error *error);

/* Resuming: an alarm as it was recorded, the oldest first. */
void limn_health_recall(limn_health *health, const char *word, const char *change,
                        const char *subject, uint64_t step, double value);

/* The settings to try, as part of a sentence: health_words.c. */
void limn_health_advice(char *text, size_t size, limn_alarm_kind kind,
                        const limn_train_settings *settings);

#endif
