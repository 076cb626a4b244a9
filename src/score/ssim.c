/* SPDX-License-Identifier: Apache-2.0
 *
 * SSIM and MS-SSIM.
 *
 * For each output row the 11 rows under the window are first summed down the columns into five rows
 * (x, y, x^2, y^2, x y, each weighted), then along the row: six rows a thread is all the memory it
 * takes, and every inner loop runs over x with unit stride.  The textbook way, five filtered
 * planes, costs 240 MB for a 12-megapixel picture.
 *
 * float is enough inside the window: with C2 = (0.03 R)^2 the cancellation in E[x^2] - E[x]^2 moves
 * SSIM by less than 1e-4 (held in tests against double). */
#include "base/threads.h"
#include "score/parts.h"

#include <math.h>
#include <string.h>

enum { WINDOW = 11, SUMS = 5, SCALES = 5 };

static const double powers[SCALES] = { 0.0448, 0.2856, 0.3001, 0.2363, 0.1333 };

typedef struct comparison {
    const float *x, *y;
    size_t width, columns; /* of the picture, and where the window fits */
    float weight[WINDOW], c1, c2;
    float *scratch;           /* SUMS + 1 rows a thread */
    double *structure, *full; /* a sum for each output row: contrast-structure, SSIM */
} comparison;

static void sum_down(const comparison *s, size_t top, float *sums)
{
    size_t w = s->width;
    float *restrict x = sums, *restrict y = x + w, *restrict xx = y + w, *restrict yy = xx + w;
    float *restrict xy = yy + w;

    memset(sums, 0, SUMS * w * sizeof *sums);
    for (size_t k = 0; k < WINDOW; k++) {
        const float *a = s->x + (top + k) * w, *b = s->y + (top + k) * w, g = s->weight[k];

        for (size_t i = 0; i < w; i++) {
            float ga = g * a[i], gb = g * b[i];

            x[i] += ga;
            y[i] += gb;
            xx[i] += ga * a[i];
            yy[i] += gb * b[i];
            xy[i] += ga * b[i];
        }
    }
}

/* out[i]: the window that begins at v[i]; equal weights on both sides are multiplied once. */
static void sum_along(const comparison *s, const float *restrict v, float *restrict out)
{
    const size_t n = s->columns;

    for (size_t i = 0; i < n; i++) {
        const float *u = v + i;

        out[i] = s->weight[0] * (u[0] + u[10]) + s->weight[1] * (u[1] + u[9]) +
                 s->weight[2] * (u[2] + u[8]) + s->weight[3] * (u[3] + u[7]) +
                 s->weight[4] * (u[4] + u[6]) + s->weight[5] * u[5];
    }
}

static void compare_rows(void *context, size_t begin, size_t end, int part)
{
    const comparison *s = context;
    size_t w = s->width;
    float *sums = s->scratch + (size_t)part * (SUMS + 1) * w;

    for (size_t row = begin; row < end; row++) {
        double structure = 0, full = 0;

        sum_down(s, row, sums + w);
        /* The sums along row k go where row k - 1 was, which is done with. */
        for (size_t k = 0; k < SUMS; k++) sum_along(s, sums + (k + 1) * w, sums + k * w);
        for (size_t i = 0; i < s->columns; i++) {
            float x = sums[i], y = sums[w + i];
            float vx = sums[2 * w + i] - x * x, vy = sums[3 * w + i] - y * y;
            float vxy = sums[4 * w + i] - x * y;
            float cs = (2 * vxy + s->c2) / (vx + vy + s->c2);

            structure += (double)cs;
            full += (double)(cs * (2 * x * y + s->c1) / (x * x + y * y + s->c1));
        }
        s->structure[row] = structure;
        s->full[row] = full;
    }
}

/* Mean contrast-structure and mean SSIM of one plane, at least 11 x 11. */
static void compare_plane(comparison *s, const float *x, const float *y, int height, int width,
                          double *structure, double *full)
{
    size_t rows = (size_t)height - WINDOW + 1;
    double count;

    s->x = x, s->y = y;
    s->width = (size_t)width;
    s->columns = (size_t)width - WINDOW + 1;
    limn_parallel(rows, 8, compare_rows, s);
    *structure = *full = 0;
    for (size_t i = 0; i < rows; i++) {
        *structure += s->structure[i];
        *full += s->full[i];
    }
    count = (double)rows * (double)s->columns;
    *structure /= count;
    *full /= count;
}

/* The mean of every 2 x 2; an odd last row or column is dropped. */
static void halve(const float *from, int height, int width, float *to)
{
    size_t w = (size_t)width, half = w / 2;

    for (size_t y = 0; y < (size_t)height / 2; y++) {
        const float *a = from + 2 * y * w, *b = a + w;

        for (size_t x = 0; x < half; x++)
            to[y * half + x] = (a[2 * x] + a[2 * x + 1] + b[2 * x] + b[2 * x + 1]) / 4;
    }
}

/* Two doubles a row, a scratch a thread, and the halved planes of x and y (a quarter, then the next
 * quarter of that, so a third in all). */
size_t limn_ssim_room(int height, int width)
{
    size_t h = (size_t)height, w = (size_t)width, halved = (h / 2) * (w / 2);

    return 4 * h + (size_t)limn_compute_threads() * (SUMS + 1) * w + 2 * (halved + halved / 2) + 16;
}

static int scales_that_fit(int height, int width)
{
    int least = height < width ? height : width, scales = 0;

    while (scales < SCALES && least >= WINDOW) least /= 2, scales++;
    return scales;
}

void limn_ssim(const float *x, const float *y, int channels, int height, int width, float range,
               float *room, double *ssim, double *ms_ssim, int *scales)
{
    size_t plane = (size_t)height * (size_t)width;
    comparison s = { .c1 = (0.01f * range) * (0.01f * range),
                     .c2 = (0.03f * range) * (0.03f * range) };
    double weight[WINDOW], sum = 0, power_sum = 0;

    *ssim = *ms_ssim = NAN;
    if (!(*scales = scales_that_fit(height, width))) return;
    for (int k = 0; k < WINDOW; k++) {
        double d = k - WINDOW / 2;

        sum += weight[k] = exp(-d * d / (2 * 1.5 * 1.5));
    }
    for (int k = 0; k < WINDOW; k++) s.weight[k] = (float)(weight[k] / sum);
    for (int k = 0; k < *scales; k++) power_sum += powers[k];

    s.structure = (double *)(void *)room;
    s.full = s.structure + height;
    s.scratch = (float *)(void *)(s.full + height);
    float *halved = s.scratch + (size_t)limn_compute_threads() * (SUMS + 1) * (size_t)width;

    *ssim = *ms_ssim = 0;
    for (int c = 0; c < channels; c++) {
        const float *a = x + (size_t)c * plane, *b = y + (size_t)c * plane;
        float *next = halved;
        double product = 1;

        for (int k = 0, h = height, w = width; k < *scales; k++) {
            double structure, full, term;

            compare_plane(&s, a, b, h, w, &structure, &full);
            if (!k) *ssim += full / channels;
            term = k == *scales - 1 ? full : structure;
            product *= pow(term > 0 ? term : term == term ? 0 : NAN, powers[k] / power_sum);
            if (k == *scales - 1) break;
            size_t quarter = (size_t)(h / 2) * (size_t)(w / 2);

            halve(a, h, w, next);
            halve(b, h, w, next + quarter);
            a = next, b = next + quarter;
            next += 2 * quarter;
            h /= 2, w /= 2;
        }
        *ms_ssim += product / channels;
    }
}
