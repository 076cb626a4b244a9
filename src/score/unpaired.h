/* SPDX-License-Identifier: Apache-2.0
 *
 * Without pairs: how far is what generators make from pictures of the other side?
 *
 * The kernel distance of score/distribution.h on the features of screen/features.h; beside it, of
 * recipes that train them, the cycle error (what is left of A after A to B to A) and the identity
 * error (of B that goes through the generator to B), both as L1.  Features of the real pictures do
 * not change and are computed once. */
#ifndef LIMN_SCORE_UNPAIRED_H
#define LIMN_SCORE_UNPAIRED_H

#include "score/distribution.h"
#include "score/look.h"
#include "screen/features.h"

enum { LIMN_UNPAIRED_WAYS = 2 }; /* from A to B, from B to A */

typedef struct limn_unpaired_scores {
    limn_distance distance; /* both ways: their mean, the interval as of independent numbers */
    double untranslated;    /* the distance of A to B itself: what doing nothing has */
    bool means_something;
    double cycle, identity; /* NaN: the recipe trains none */
    bool of_training;       /* measured on pictures that it learns from */
} limn_unpaired_scores;

/* Sets of features, rows of LIMN_FEATURE_COUNT. */
typedef struct limn_unpaired {
    limn_features *network;
    size_t most;                     /* pictures of each set */
    float *real[LIMN_UNPAIRED_WAYS]; /* of A, of B */
    float *made[LIMN_UNPAIRED_WAYS]; /* by the generator to B, to A */
    size_t real_count[LIMN_UNPAIRED_WAYS], made_count[LIMN_UNPAIRED_WAYS];
    bool known; /* real is there, and untranslated */
    double untranslated;
    double cycle_sum, identity_sum;
    size_t cycle_count, identity_count;
} limn_unpaired;

/* {0} is closed.  begin opens what is needed and forgets what was made; another `most` than before
 * forgets everything. */
limn_status limn_unpaired_begin(limn_unpaired *u, size_t most, bool plain, limn_error *error);
void limn_unpaired_close(limn_unpaired *u);

/* side: 0 A, 1 B; nothing happens when the real ones are known.  way: 0 made from A. */
limn_status limn_unpaired_real(limn_unpaired *u, int side, limn_planes planes, limn_error *error);
limn_status limn_unpaired_made(limn_unpaired *u, int way, limn_planes planes, limn_error *error);
void limn_unpaired_cycle(limn_unpaired *u, double l1);
void limn_unpaired_identity(limn_unpaired *u, double l1);

/* Of the first `ways` ways.  Where a set has fewer than two pictures the distance is NaN. */
limn_status limn_unpaired_end(limn_unpaired *u, int ways, uint64_t seed, limn_unpaired_scores *out,
                              limn_error *error);
limn_unpaired_scores limn_unpaired_none(void);

#endif
