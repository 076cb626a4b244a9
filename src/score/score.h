/* SPDX-License-Identifier: Apache-2.0
 *
 * How good is a picture against the one it should be.
 *
 * All take two sets of float planes of the same shape, NCHW, and the data range R (largest minus
 * smallest possible value: 2 for [-1, 1]); all give one number a picture n, the mean over its
 * channels.  Sums are taken in double and in an order that does not depend on the number of
 * threads, so a score is the same bits run to run.
 *
 *   l1     mean |x - y|
 *   psnr   10 log10(R^2 / mean (x - y)^2); all channels in one mean, as everyone reports it; equal
 *          pictures give infinity
 *   ssim   Wang, Bovik, Sheikh, Simoncelli 2004, "Image quality assessment: from error visibility
 * to structural similarity", eq. 13 with K1 0.01, K2 0.03 and an 11 x 11 Gaussian window of
 *          sigma 1.5, population covariance, averaged where the window lies inside the picture.
 *          Needs 11 x 11 pixels.
 *   ms_ssim Wang, Simoncelli, Bovik 2003, "Multi-scale structural similarity": contrast-structure
 *          at scales 1..4 (2 x 2 mean, then every second pixel), full SSIM at scale 5, to the
 * powers 0.0448 0.2856 0.3001 0.2363 0.1333.  Negative terms count as 0.  Five scales need 11 * 16
 * = 176 pixels on the shorter side; below that as many scales are taken as fit, with their powers
 * rescaled to sum 1, and the number is not comparable with others: `scales` says how many were
 * used. edges  edge agreement in 0..1: the F-measure of edge pixels (Martin, Fowlkes, Malik 2004,
 *          "Learning to detect natural image boundaries", sec. 3.1) with a tolerance of 1 pixel in
 *          each direction.  Edge: length of the Sobel gradient of the luma, scaled so that a step
 *          from black to white gives 1, at least 0.1 and not less than both neighbours along the
 *          gradient (Canny 1986).  Precision counts x's edges that lie on y's (y is the truth),
 *          recall the reverse.  Both without edges: 1; one without: 0.
 *
 * A score that a picture is too small for is NaN. */
#ifndef LIMN_SCORE_SCORE_H
#define LIMN_SCORE_SCORE_H

#include "base/memory.h"
#include "tensor/tensor.h"

typedef struct limn_score {
    double l1, psnr, ssim, ms_ssim, edges;
    int scales; /* of ms_ssim: 5, fewer for pictures under 176 pixels, 0 under 11 */
} limn_score;

/* scores[shape.n]: x is the result, y the truth.  Working memory comes from limn_block and is given
 * back; the only error is LIMN_NO_MEMORY (and LIMN_SHAPE for an empty shape). */
limn_status limn_score_pictures(limn_score *scores, const float *x, const float *y,
                                limn_shape shape, float range, limn_error *error);

/* One number at a time, for validation every epoch; one picture (shape.n pictures in the mean for
 * l1 and psnr of all values together). */
double limn_score_l1(const float *x, const float *y, size_t count);
double limn_score_psnr(const float *x, const float *y, size_t count, float range);

/* The mean of scores; values that are NaN are left out of their column, infinite PSNR counts as
 * 100 dB so that one perfect picture does not hide the others. */
limn_score limn_score_mean(const limn_score *scores, size_t count);

#endif
