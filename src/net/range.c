/* SPDX-License-Identifier: Apache-2.0
 *
 * Choosing the range of bytes: see range.h.
 *
 * Rounding costs step^2 / 12 a value, clipping the square of what is cut off; a narrower range
 * trades one for the other.  Both ends are drawn in, each by itself. */
#include "net/range.h"

#include <math.h>
#include <string.h>

static void widen(limn_range *r)
{
    enum { HALF = LIMN_RANGE_BINS / 2 };
    uint64_t old[LIMN_RANGE_BINS];

    memcpy(old, r->bins, sizeof old);
    memset(r->bins, 0, sizeof r->bins);
    for (int i = 0; i < LIMN_RANGE_BINS; i++) r->bins[HALF / 2 + i / 2] += old[i];
    r->limit *= 2;
}

void limn_range_add(limn_range *r, const float *values, size_t count)
{
    if (!(r->limit > 0)) r->limit = 1.0 / (1 << 20);
    for (size_t i = 0; i < count; i++) {
        float v = values[i];
        int bin;

        if (!isfinite(v) || !(v < 0 || v > 0)) continue;
        while (!(fabs((double)v) < r->limit)) widen(r);
        bin = (int)(((double)v / r->limit + 1) * (LIMN_RANGE_BINS / 2));
        r->bins[bin < LIMN_RANGE_BINS ? bin : LIMN_RANGE_BINS - 1]++;
        if (v < r->low) r->low = v;
        if (v > r->high) r->high = v;
        r->count++;
    }
}

static double error_of(const limn_range *r, double low, double high)
{
    double step = (high - low) / 255, sum = 0, width = 2 * r->limit / LIMN_RANGE_BINS;

    for (int i = 0; i < LIMN_RANGE_BINS; i++) {
        double v = -r->limit + width * (i + 0.5), cut = v < low ? low - v : v > high ? v - high : 0;

        if (r->bins[i]) sum += (double)r->bins[i] * (cut > 0 ? cut * cut : step * step / 12);
    }
    return sum / (double)r->count;
}

void limn_range_choose(const limn_range *r, float *step, int *zero, double *mean_error)
{
    double least = INFINITY, low = 0, high = 0;

    *step = 1;
    *zero = 0;
    if (mean_error) *mean_error = 0;
    if (!r->count) return;
    for (double below = 1; below > 0.1; below *= 0.93)
        for (double above = 1; above > 0.1; above *= 0.93) {
            double error = error_of(r, below * (double)r->low, above * (double)r->high);

            if (!(error < least)) continue;
            least = error;
            low = below * (double)r->low;
            high = above * (double)r->high;
        }
    *step = (float)((high - low) / 255);
    *zero = (int)lrint(-low / (double)*step);
    if (mean_error) *mean_error = least;
}
