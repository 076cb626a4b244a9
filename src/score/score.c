/* SPDX-License-Identifier: Apache-2.0
 *
 * The scores of pictures, and the plain ones: L1 and PSNR.
 *
 * Sums are made in pieces of fixed size, each in double, and the pieces added in order: the number
 * of threads decides who adds a piece but never what is added to what. */
#include "score/score.h"
#include "base/threads.h"
#include "score/parts.h"

#include <math.h>

enum { PIECES = 256 };

typedef struct differences {
    const float *x, *y;
    size_t count, piece; /* values in all, and in one piece */
    double absolute[PIECES], squared[PIECES];
} differences;

static void add_pieces(void *context, size_t begin, size_t end, int part)
{
    differences *d = context;

    (void)part;
    for (size_t p = begin; p < end; p++) {
        size_t from = p * d->piece, to = from + d->piece < d->count ? from + d->piece : d->count;
        double absolute = 0, squared = 0;

        for (size_t i = from; i < to; i++) {
            double v = (double)d->x[i] - (double)d->y[i];

            absolute += fabs(v);
            squared += v * v;
        }
        d->absolute[p] = absolute;
        d->squared[p] = squared;
    }
}

/* Means of |x - y| and (x - y)^2. */
static void compare(const float *x, const float *y, size_t count, double *absolute, double *squared)
{
    differences d = { .x = x, .y = y, .count = count, .piece = (count + PIECES - 1) / PIECES };
    size_t pieces = count ? (count + d.piece - 1) / d.piece : 0;

    limn_parallel(pieces, 16, add_pieces, &d);
    *absolute = *squared = 0;
    for (size_t p = 0; p < pieces; p++) {
        *absolute += d.absolute[p];
        *squared += d.squared[p];
    }
    *absolute /= (double)count;
    *squared /= (double)count;
}

static double decibels(double squared, double range)
{
    return squared > 0 ? 10 * log10(range * range / squared) : squared == 0 ? INFINITY : NAN;
}

double limn_score_l1(const float *x, const float *y, size_t count)
{
    double absolute, squared;

    compare(x, y, count, &absolute, &squared);
    return absolute;
}

double limn_score_psnr(const float *x, const float *y, size_t count, float range)
{
    double absolute, squared;

    compare(x, y, count, &absolute, &squared);
    return decibels(squared, range);
}

limn_status limn_score_pictures(limn_score *scores, const float *x, const float *y,
                                limn_shape shape, float range, limn_error *error)
{
    size_t picture = (size_t)shape.c * (size_t)shape.h * (size_t)shape.w;
    size_t ssim_room, edges_room;
    float *room;

    if (shape.n < 1 || shape.c < 1 || shape.h < 1 || shape.w < 1)
        return limn_fail(error, LIMN_SHAPE, "nothing to score in %d x %d x %d x %d", shape.n,
                         shape.c, shape.h, shape.w);
    if (!(range > 0))
        return limn_fail(error, LIMN_BUG, "a data range of %g cannot be scored", (double)range);
    ssim_room = limn_ssim_room(shape.h, shape.w);
    edges_room = limn_edges_room(shape.h, shape.w);
    if (!(room = limn_block((ssim_room > edges_room ? ssim_room : edges_room) * sizeof *room)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for scoring %d x %d pixels", shape.w,
                         shape.h);
    for (int n = 0; n < shape.n; n++, x += picture, y += picture) {
        double squared;

        compare(x, y, picture, &scores[n].l1, &squared);
        scores[n].psnr = decibels(squared, range);
        limn_ssim(x, y, shape.c, shape.h, shape.w, range, room, &scores[n].ssim, &scores[n].ms_ssim,
                  &scores[n].scales);
        scores[n].edges = limn_edges(x, y, shape.c, shape.h, shape.w, range, room);
    }
    limn_block_free(room);
    return LIMN_OK;
}

limn_score limn_score_mean(const limn_score *scores, size_t count)
{
    static const size_t columns[] = { offsetof(limn_score, l1), offsetof(limn_score, psnr),
                                      offsetof(limn_score, ssim), offsetof(limn_score, ms_ssim),
                                      offsetof(limn_score, edges) };
    limn_score mean = { .scales = count ? scores[0].scales : 0 };

    for (size_t c = 0; c < sizeof columns / sizeof *columns; c++) {
        double sum = 0;
        size_t n = 0;

        for (size_t i = 0; i < count; i++) {
            double v = *(const double *)(const void *)((const char *)&scores[i] + columns[c]);

            if (isnan(v)) continue;
            sum += isinf(v) ? 100 : v;
            n++;
        }
        *(double *)(void *)((char *)&mean + columns[c]) = n ? sum / (double)n : NAN;
    }
    for (size_t i = 0; i < count; i++)
        if (scores[i].scales < mean.scales) mean.scales = scores[i].scales;
    return mean;
}
