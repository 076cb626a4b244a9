/* SPDX-License-Identifier: Apache-2.0
 *
 * Touches of colour: dots and short strokes of the target's own colours, drawn into the input.
 *
 * The colours of a drawing can't be known from its lines, so a network that must guess them ends in
 * an average brown.  One that has seen some inputs with touches and some without learns to fill a
 * region with the touch's colour, and still guesses where there is none.  What is drawn depends on
 * (random, index) alone. */
#ifndef LIMN_DATA_HINTS_H
#define LIMN_DATA_HINTS_H

#include "base/memory.h"
#include "base/random.h"

typedef struct limn_hints {
    int most;        /* --hints N: 0 to N touches; 0 is off */
    double none;     /* share of the pictures without any, 0..1 */
    double recolour; /* share of the others whose touched regions get other colours, 0..1 */
} limn_hints;

#define LIMN_HINTS_DEFAULTS                                                                        \
    {                                                                                              \
        .most = 0, .none = 0.4, .recolour = 0                                                      \
    }

/* Draws into a (channels, height, width) colours of b, of the same shape, both in [-1, 1].  Every
 * touch stays within one connected region of b whose channels differ by at most 0.12 from the
 * colour at its beginning, and neither begins on nor covers lines: what is much darker in a than
 * a's pixels around it. Uses at most 2^12 blocks of random from index << 12.  Returns the number of
 * touches drawn. */
int limn_hints_draw(const limn_hints *hints, const limn_random *random, uint64_t index, float *a,
                    const float *b, int channels, int height, int width);

/* Afterwards, in a share hints->recolour of the pictures that got touches: gives the regions that
 * have paint other colours, in a (their paint) and in b, each region by an order of the three
 * channels of its own (one of six, its own order among them).  A region is what lines of the input
 * enclose: connected pixels that are lighter than middle grey.  before: the input without touches;
 * same random and index as for the touches; what is not of three channels stays.  Returns whether
 * the picture was one to change.  NO_MEMORY leaves all as it was. */
limn_status limn_hints_recolour(const limn_hints *hints, const limn_random *random, uint64_t index,
                                const float *before, float *a, float *b, int channels, int height,
                                int width, bool *changed, limn_error *error);

/* The work of it (hints_regions.c), drawing from 256 blocks on.  scratch: 2 * height * width. */
void limn_hints_recolour_regions(const limn_random *random, uint64_t first_block,
                                 const float *before, float *a, float *b, int height, int width,
                                 int32_t *scratch);

#endif
