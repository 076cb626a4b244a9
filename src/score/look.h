/* SPDX-License-Identifier: Apache-2.0
 *
 * What can be seen of a generator without a target for each picture: do its outputs differ from one
 * another, are they brighter where the input is, have they outlines where the input has, do they
 * carry the grid of its upsampling?
 *
 * Pictures are added one at a time and only small versions are kept (32 x 32 means), so a look at a
 * hundred pictures takes 4 MB, and 10 ms for each with its target at 256 x 256. */
#ifndef LIMN_SCORE_LOOK_H
#define LIMN_SCORE_LOOK_H

#include "base/memory.h"

enum { LIMN_LOOK_SIDE = 32, LIMN_LOOK_TILE = 32 };

/* NaN: not to be said of these pictures. */
typedef struct limn_look {
    int pictures; /* that were put in */
    /* Mean distance of two different pictures: root of the mean squared difference of their small
     * versions, on the scale of -1 to 1. */
    double spread_input, spread_output, spread_target;
    /* Mean over pictures of the correlation of the luma of small versions: of input and output, and
     * of input and its target.  Pictures of one brightness have none. */
    double luma_output, luma_target;
    /* Mean skewness of the luma: above 0 light on dark, below 0 dark on light. */
    double skew_input, skew_target;
    /* Mean over pictures of the correlation of the strength of edges of input and output.  Pictures
     * without an edge have none. */
    double edges_output;
    /* Mean share of a picture that has no edge: more than half where forms stand on a ground. */
    double plain_input, plain_target;
    /* How much stronger frequencies 1/2 and 1/4 are than those around them: see look.c.  About 1
     * where there is no grid. */
    double grid_output, grid_target;
} limn_look;

typedef struct limn_looker limn_looker;

/* For at most `most` pictures on each side.  On failure *out is NULL (LIMN_NO_MEMORY). */
limn_status limn_looker_open(limn_looker **out, size_t most, limn_error *error);
void limn_looker_close(limn_looker **looker);

/* Planes (channels, height, width) in [-1, 1]; height and width at least 1. */
typedef struct limn_planes {
    const float *values;
    int channels, height, width;
} limn_planes;

/* An input with its output; and a picture as outputs should be.  belongs: it is the target of the
 * input that was added last. */
void limn_looker_output(limn_looker *looker, limn_planes input, limn_planes output);
void limn_looker_target(limn_looker *looker, limn_planes target, bool belongs);

limn_look limn_looker_look(const limn_looker *looker);

/* Of one picture, for tests and for calibration: mean logarithm of the grid's strength; NaN for
 * pictures under 32 pixels. */
double limn_grid_of(limn_planes planes);

#endif
