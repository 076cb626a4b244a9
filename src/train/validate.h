/* SPDX-License-Identifier: Apache-2.0
 *
 * After an epoch: how good are the generators on pictures they have not been trained on?
 *
 * The validation pictures (the val folder, or the tenth of train that is held out) go through an
 * inference plan that behaves as translating will: no dropout, statistics as the model's card says.
 * Without pairs, sets of pictures are compared instead (score/unpaired.h); where fewer are held out
 * than that takes, with pictures that it learns from.  Each time a look is taken at what each
 * generator makes (score/look.h), for the alarms of train/health.h.
 *
 * A few training pictures go the same way, so that the two numbers can be compared: a gap that
 * opens is over-fitting. */
#ifndef LIMN_TRAIN_VALIDATE_H
#define LIMN_TRAIN_VALIDATE_H

#include "publish/publish.h"
#include "score/score.h"
#include "score/unpaired.h"
#include "train/trainer.h"

enum { LIMN_SHEET_ROWS_MAX = 16 };

/* A row of the sheet: what goes in, what comes out, what should (NULL without pairs). */
typedef struct limn_shown {
    float *input, *output, *target; /* blocks */
    limn_shape input_shape, output_shape;
} limn_shown;

/* Planes of a and b become sRGB, with the lightness of the input.  On failure what is there can
 * still be freed. */
limn_status limn_shown_paint(limn_shown *shown, limn_error *error);

typedef struct limn_inference {
    limn_graph *graph;
    limn_plan *plan;
    limn_value input, output;
    limn_shape in, out;
    float *values; /* of out */
} limn_inference;

typedef struct limn_validator {
    limn_trainer *trainer;
    limn_publisher *publisher;
    const limn_data *train, *val;
    limn_inference inferences[LIMN_GENERATORS_MAX];
    limn_shown shown[LIMN_SHEET_ROWS_MAX];
    int shown_count;
    limn_looker *lookers[LIMN_GENERATORS_MAX];
    limn_unpaired unpaired;
    int broken;       /* files that could not be read the last time, */
    char reason[300]; /* and why the first of them */
} limn_validator;

typedef struct limn_validation {
    size_t pictures;
    limn_score val, train;                /* means; NaN without pairs or pictures */
    limn_unpaired_scores unpaired;        /* NaN with pairs */
    limn_look looks[LIMN_GENERATORS_MAX]; /* one a generator */
    int refused;                          /* cells that the screen left out of the sheet */
    bool sheet;                           /* one was written; false: nothing to show, or refused */
} limn_validation;

/* Nothing is opened before it is needed. */
void limn_validator_open(limn_validator *validator, limn_trainer *trainer,
                         limn_publisher *publisher, const limn_data *train, const limn_data *val);
void limn_validator_close(limn_validator *validator);

/* Scores, and the sheet to that path.  That the screen refuses the sheet is no error. */
limn_status limn_validate(limn_validation *out, limn_validator *validator, const char *sheet_path,
                          limn_error *error);

#endif
