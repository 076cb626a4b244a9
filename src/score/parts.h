/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside src/score only: the scores that have a file of their own. */
#ifndef LIMN_SCORE_PARTS_H
#define LIMN_SCORE_PARTS_H

#include "score/score.h"

/* One picture of (channels, height, width) planes.  Working memory is the caller's: */
size_t limn_ssim_room(int height, int width);  /* floats */
size_t limn_edges_room(int height, int width); /* floats */

/* *ssim and *ms_ssim as in score.h, NaN when the picture is too small; *scales 0..5. */
void limn_ssim(const float *x, const float *y, int channels, int height, int width, float range,
               float *room, double *ssim, double *ms_ssim, int *scales);

double limn_edges(const float *x, const float *y, int channels, int height, int width, float range,
                  float *room);

#endif
