/* SPDX-License-Identifier: Apache-2.0
 *
 * How far apart are two sets of pictures, when nobody can say which belongs to which?
 *
 * The kernel distance of Binkowski, Sutherland, Arbel and Gretton 2018 ("Demystifying MMD GANs",
 * section 4, called KID there): the unbiased estimate of the squared maximum mean discrepancy
 * (Gretton et al. 2012, eq. 3) between features x of n pictures and y of m, with the kernel
 * k(a, b) = (a.b / d + 1)^3, d the length of a feature vector:
 *
 *     sum_{i<>j} k(x_i, x_j) / (n (n - 1)) + sum_{i<>j} k(y_i, y_j) / (m (m - 1))
 *                                          - 2 sum_{i,j} k(x_i, y_j) / (n m)
 *
 * 0 in the mean where both sets come from one source, whatever their sizes, which FID is not; so it
 * may be a little below 0.  The interval is a percentile bootstrap over pictures: each replicate
 * draws n of x and m of y with replacement and weighs pairs by how often both were drawn, and
 * leaves pairs of a picture with itself out, which otherwise would put k(x, x) into the sums and
 * the interval above the estimate. */
#ifndef LIMN_SCORE_DISTRIBUTION_H
#define LIMN_SCORE_DISTRIBUTION_H

#include "base/memory.h"

enum { LIMN_DISTANCE_REPLICATES = 1000, LIMN_DISTANCE_PICTURES_MIN = 20 };

typedef struct limn_distance {
    double value, low, high; /* low to high: 95 % */
    size_t x_count, y_count; /* pictures on each side */
} limn_distance;

/* x (n, d) and y (m, d), rows of features; n and m at least 2 (LIMN_SHAPE).  Equal arguments and
 * seed give equal bits, whatever the number of threads.  Otherwise only LIMN_NO_MEMORY.  Takes
 * (n + m)^2 * 8 bytes while it runs. */
limn_status limn_distance_between(limn_distance *out, const float *x, size_t n, const float *y,
                                  size_t m, size_t d, uint64_t seed, limn_error *error);

/* Whether the number says anything: both sides have LIMN_DISTANCE_PICTURES_MIN pictures, and the
 * interval is no wider than `yardstick`, the distance of pictures that were not translated at all.
 * A yardstick that is NaN or not above 0 (both sides are alike to begin with) leaves only the
 * first. */
bool limn_distance_means_something(const limn_distance *distance, double yardstick);

/* Whether the intervals of two have a point in common: which of them is smaller may be chance. */
bool limn_distance_overlap(const limn_distance *a, const limn_distance *b);

#endif
