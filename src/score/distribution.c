/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel distance between two sets of features: see distribution.h.
 *
 * All kernel values are computed once, as one symmetric matrix over x and y together (the
 * products in float32 pieces of 64 added in double: a thousand pictures take a second); replicates
 * then only weigh them.  A kernel value is near 1, and what is looked for may be a thousandth of
 * it, so sums are taken of k - 1, which leaves the estimate as it is. */
#include "score/distribution.h"
#include "base/random.h"
#include "base/threads.h"

#include <math.h>
#include <stdlib.h>

enum { STREAM = 0x0d157a7c, PIECE = 64 };

typedef struct sets {
    const float *x, *y;
    size_t n, m, d;
    double *kernel; /* (n + m, n + m), each k - 1 */
    uint64_t seed;
    double *estimate; /* of each replicate */
    double *weights;  /* a row of n + m for every part of a parallel loop */
} sets;

static const float *row_of(const sets *s, size_t i)
{
    return i < s->n ? s->x + i * s->d : s->y + (i - s->n) * s->d;
}

static double product(const float *a, const float *b, size_t count)
{
    double sum = 0;

    for (size_t from = 0; from < count; from += PIECE) {
        size_t to = from + PIECE < count ? from + PIECE : count;
        float piece[8] = { 0 };
        size_t i = from;

        for (; i + 8 <= to; i += 8)
            for (size_t k = 0; k < 8; k++) piece[k] += a[i + k] * b[i + k];
        for (; i < to; i++) piece[0] += a[i] * b[i];
        for (size_t k = 0; k < 8; k++) sum += (double)piece[k];
    }
    return sum;
}

static void kernel_rows(void *context, size_t begin, size_t end, int part)
{
    const sets *s = context;
    size_t all = s->n + s->m;

    (void)part;
    for (size_t i = begin; i < end; i++)
        for (size_t j = 0; j <= i; j++) {
            double v = product(row_of(s, i), row_of(s, j), s->d) / (double)s->d;

            s->kernel[i * all + j] = s->kernel[j * all + i] = v * (3 + v * (3 + v));
        }
}

/* With w[i] as how often picture i counts. */
static double weighed(const sets *s, const double *w)
{
    size_t all = s->n + s->m;
    double within[2] = { 0 }, of[2] = { 0 }, across = 0, total[2] = { 0 }, squares[2] = { 0 };

    for (size_t i = 0; i < all; i++) {
        const double *k = s->kernel + i * all;
        int side = i >= s->n;
        size_t first = side ? s->n : 0;
        double sum = 0, other = 0;

        total[side] += w[i];
        squares[side] += w[i] * w[i];
        if (w[i] == 0) continue;
        for (size_t j = first; j < i; j++) sum += w[j] * k[j];
        within[side] += 2 * w[i] * sum;
        if (!side) continue;
        for (size_t j = 0; j < s->n; j++) other += w[j] * k[j];
        across += w[i] * other;
    }
    for (int side = 0; side < 2; side++) of[side] = total[side] * total[side] - squares[side];
    if (!(of[0] > 0) || !(of[1] > 0)) return NAN; /* one picture drawn all the time */
    return within[0] / of[0] + within[1] / of[1] - 2 * across / (total[0] * total[1]);
}

static void replicates(void *context, size_t begin, size_t end, int part)
{
    const sets *s = context;
    size_t all = s->n + s->m;
    double *w = s->weights + (size_t)part * all;

    for (size_t r = begin; r < end; r++) {
        limn_random random = { .seed = s->seed, .stream = STREAM, .step = r };

        for (size_t i = 0; i < all; i++) w[i] = 0;
        for (size_t i = 0; i < s->n; i++) w[limn_random_below(&random, i, (uint32_t)s->n)]++;
        for (size_t i = 0; i < s->m; i++)
            w[s->n + limn_random_below(&random, s->n + i, (uint32_t)s->m)]++;
        s->estimate[r] = weighed(s, w);
    }
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double percentile(const double *sorted, size_t count, double share)
{
    double at = share * (double)(count - 1);
    size_t below = (size_t)at;

    if (below + 1 >= count) return sorted[count - 1];
    return sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]);
}

static void evaluate(limn_distance *out, sets *s)
{
    size_t all = s->n + s->m, kept = 0;

    /* Small ranges: rows further down have more columns. */
    limn_parallel(all, all / 64 + 1, kernel_rows, s);
    for (size_t i = 0; i < all; i++) s->weights[i] = 1;
    out->value = weighed(s, s->weights);
    limn_parallel(LIMN_DISTANCE_REPLICATES, 16, replicates, s);
    for (size_t r = 0; r < LIMN_DISTANCE_REPLICATES; r++)
        if (!isnan(s->estimate[r])) s->estimate[kept++] = s->estimate[r];
    if (!kept) s->estimate[kept++] = out->value;
    qsort(s->estimate, kept, sizeof *s->estimate, by_size);
    out->low = percentile(s->estimate, kept, 0.025);
    out->high = percentile(s->estimate, kept, 0.975);
}

limn_status limn_distance_between(limn_distance *out, const float *x, size_t n, const float *y,
                                  size_t m, size_t d, uint64_t seed, limn_error *error)
{
    sets s = { .x = x, .y = y, .n = n, .m = m, .d = d, .seed = seed };
    size_t all = n + m;

    *out = (limn_distance){ NAN, NAN, NAN, n, m };
    if (n < 2 || m < 2 || !d)
        return limn_fail(error, LIMN_SHAPE,
                         "a distance between sets of %zu and %zu pictures; it needs two of each", n,
                         m);
    s.kernel = limn_block(all * all * sizeof *s.kernel);
    s.estimate = limn_block(LIMN_DISTANCE_REPLICATES * sizeof *s.estimate);
    s.weights = limn_block(LIMN_PARTS_MAX * all * sizeof *s.weights);
    if (s.kernel && s.estimate && s.weights) evaluate(out, &s);
    limn_block_free(s.weights);
    limn_block_free(s.estimate);
    limn_block_free(s.kernel);
    if (s.kernel && s.estimate && s.weights) return LIMN_OK;
    return limn_fail(error, LIMN_NO_MEMORY, "out of memory for the distance of %zu pictures", all);
}

bool limn_distance_means_something(const limn_distance *distance, double yardstick)
{
    if (distance->x_count < LIMN_DISTANCE_PICTURES_MIN ||
        distance->y_count < LIMN_DISTANCE_PICTURES_MIN || isnan(distance->value))
        return false;
    return !(yardstick > 0) || distance->high - distance->low <= yardstick;
}

bool limn_distance_overlap(const limn_distance *a, const limn_distance *b)
{
    return a->low <= b->high && b->low <= a->high;
}
