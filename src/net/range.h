/* SPDX-License-Identifier: Apache-2.0
 *
 * What values a map takes, and so which steps its bytes should have: a histogram that is filled
 * picture by picture and then asked. */
#ifndef LIMN_NET_RANGE_H
#define LIMN_NET_RANGE_H

#include <stddef.h>
#include <stdint.h>

enum { LIMN_RANGE_BINS = 4096 };

/* Bins are equally wide from -limit to limit; limit doubles when a value does not fit.  {0} is
 * empty. */
typedef struct limn_range {
    double limit;
    float low, high;
    uint64_t count; /* of values other than 0, which every choice represents exactly */
    uint64_t bins[LIMN_RANGE_BINS];
} limn_range;

void limn_range_add(limn_range *range, const float *values, size_t count);

/* The bytes with the least squared error over what was added: 0 becomes zero, and a step is
 * *step.  Values beyond the ends of the bytes are clipped.  mean_error (may be NULL): the mean
 * squared error expected. */
void limn_range_choose(const limn_range *range, float *step, int *zero, double *mean_error);

#endif
