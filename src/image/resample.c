/* SPDX-License-Identifier: Apache-2.0
 *
 * Scaling as two passes, first along the rows, then down the columns.
 *
 * Each output position has a list of source positions and weights, made once per axis.  A cubic
 * with a = -1/2 (Keys 1981, "Cubic convolution interpolation for digital image processing"),
 * stretched by the scale when the picture shrinks, is sampled at the pixel centres and its weights
 * divided by their sum, which at the border means that only what exists is counted.  Weights that
 * are 0 at either end are dropped: an axis that keeps its size then has one weight of 1 per
 * position, so a plain crop costs a copy and returns the pixels exactly.
 *
 * Only the rows and columns that the window needs are computed, and a flip is the column list read
 * backwards. */
#include "image/resample.h"
#include "image/convert.h"

#include <math.h>
#include <string.h>

/* The weights of the output positions of one axis, `most` to a position. */
typedef struct axis {
    int count, most;
    int *first, *taps;
    float *weight;
} axis;

static double cubic(double x)
{
    x = fabs(x);
    if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
    if (x < 2) return ((-0.5 * x + 2.5) * x - 4) * x + 2;
    return 0;
}

static int taps_most(int from, int to, limn_filter filter)
{
    double scale = (double)from / to;

    return filter == LIMN_FILTER_NEAREST ? 1 : (int)ceil(2 * (scale > 1 ? scale : 1)) * 2 + 1;
}

static size_t axis_bytes(int count, int most)
{
    return (size_t)count * ((size_t)most * sizeof(float) + 2 * sizeof(int));
}

/* Positions begin..begin + count of an axis that scales `from` pixels to `to`. */
static axis make_axis(char *room, int from, int to, int begin, int count, bool backwards,
                      limn_filter filter)
{
    axis a = { .count = count, .most = taps_most(from, to, filter) };
    double scale = (double)from / to, stretch = scale > 1 ? scale : 1;

    a.weight = (float *)(void *)room;
    a.first = (int *)(void *)(room + (size_t)count * (size_t)a.most * sizeof(float));
    a.taps = a.first + count;
    for (int i = 0; i < count; i++) {
        double centre = (begin + (backwards ? count - 1 - i : i) + 0.5) * scale, sum = 0;
        float *weight = a.weight + (size_t)i * (size_t)a.most;
        int low = (int)floor(centre - 2 * stretch + 0.5),
            high = (int)floor(centre + 2 * stretch + 0.5);
        int n;

        if (filter == LIMN_FILTER_NEAREST) {
            low = (int)floor(centre);
            a.first[i] = low < from ? low : from - 1;
            a.taps[i] = 1;
            weight[0] = 1;
            continue;
        }
        if (low < 0) low = 0;
        if (high > from) high = from;
        for (int k = low; k < high; k++) sum += cubic((k + 0.5 - centre) / stretch);
        while (low < high && cubic((low + 0.5 - centre) / stretch) == 0) low++;
        while (high > low && cubic((high - 0.5 - centre) / stretch) == 0) high--;
        n = high - low;
        for (int k = 0; k < n; k++)
            weight[k] = (float)(cubic((low + k + 0.5 - centre) / stretch) / sum);
        a.first[i] = low;
        a.taps[i] = n;
    }
    return a;
}

/* Where rows come from: a picture, or planes. */
typedef struct source {
    const limn_picture *picture;
    const float *planes;
    int width, height;
} source;

static void read_row(const source *from, const limn_part *part, int y, int channels, float *row,
                     float *spare)
{
    size_t n = (size_t)part->width, w = (size_t)from->width, h = (size_t)from->height;

    if (from->picture) {
        limn_row_to_planes(from->picture, part->x, part->y + y, part->width, channels, row, n,
                           spare);
        return;
    }
    for (size_t c = 0; c < (size_t)channels; c++)
        memcpy(row + c * n, from->planes + (c * h + (size_t)(part->y + y)) * w + part->x,
               n * sizeof *row);
}

static void along_rows(const axis *a, const float *row, float *to)
{
    for (int x = 0; x < a->count; x++) {
        const float *weight = a->weight + (size_t)x * (size_t)a->most, *from = row + a->first[x];
        int n = a->taps[x];
        float sum = weight[0] * from[0];

        for (int k = 1; k < n; k++) sum += weight[k] * from[k];
        to[x] = sum;
    }
}

/* rows: (height, count) of one channel; to: one output row. */
static void down_columns(const float *weight, int n, const float *rows, size_t count, float *to)
{
    for (size_t x = 0; x < count; x++) to[x] = weight[0] * rows[x];
    for (int k = 1; k < n; k++) {
        const float w = weight[k], *from = rows + (size_t)k * count;

        for (size_t x = 0; x < count; x++) to[x] += w * from[x];
    }
}

static limn_status check_part(const limn_part *part, int width, int height, const char *what,
                              limn_error *error)
{
    if (part->width > 0 && part->height > 0 && part->x >= 0 && part->y >= 0 &&
        part->width <= width - part->x && part->height <= height - part->y)
        return LIMN_OK;
    return limn_fail(error, LIMN_SHAPE, "the %s of %d x %d at (%d, %d) leaves the %d x %d picture",
                     what, part->width, part->height, part->x, part->y, width, height);
}

/* Every field set. */
static limn_resampling with_defaults(limn_resampling how, int width, int height)
{
    if (!how.from.width) how.from = (limn_part){ 0, 0, width, height };
    if (!how.width) how.width = how.from.width;
    if (!how.height) how.height = how.from.height;
    if (!how.window.width) how.window = (limn_part){ 0, 0, how.width, how.height };
    return how;
}

/* how has every field set. */
static limn_status resample(const source *from, const limn_resampling *how, int channels,
                            float *planes, limn_error *error)
{
    limn_part part = how->from, window = how->window;
    int width = how->width, height = how->height;

    LIMN_TRY(check_part(&part, from->width, from->height, "part", error));
    LIMN_TRY(check_part(&window, width, height, "crop", error));

    size_t out = (size_t)window.width, n = (size_t)channels;
    size_t across_bytes = axis_bytes(window.width, taps_most(part.width, width, how->filter));
    size_t down_bytes = axis_bytes(window.height, taps_most(part.height, height, how->filter));
    char *axes = limn_block(across_bytes + down_bytes);
    float *row = limn_block((n + 1) * (size_t)part.width * sizeof *row), *rows = NULL;
    limn_status status = LIMN_OK;

    if (!axes || !row) goto no_memory;
    axis across = make_axis(axes, part.width, width, window.x, window.width, how->flip,
                            how->filter);
    axis down = make_axis(axes + across_bytes, part.height, height, window.y, window.height, false,
                          how->filter);
    int begin = part.height, end = 0; /* the source rows that are needed */

    for (int y = 0; y < down.count; y++) {
        if (down.first[y] < begin) begin = down.first[y];
        if (down.first[y] + down.taps[y] > end) end = down.first[y] + down.taps[y];
    }
    size_t needed = (size_t)(end - begin);

    if (!(rows = limn_block(n * needed * out * sizeof *rows))) goto no_memory;
    for (size_t y = 0; y < needed; y++) {
        read_row(from, &part, begin + (int)y, channels, row, row + n * (size_t)part.width);
        for (size_t c = 0; c < n; c++)
            along_rows(&across, row + c * (size_t)part.width, rows + (c * needed + y) * out);
    }
    for (size_t c = 0; c < n; c++)
        for (int y = 0; y < down.count; y++)
            down_columns(down.weight + (size_t)y * (size_t)down.most, down.taps[y],
                         rows + (c * needed + (size_t)(down.first[y] - begin)) * out, out,
                         planes + (c * (size_t)window.height + (size_t)y) * out);
    goto done;
no_memory:
    status = limn_fail(error, LIMN_NO_MEMORY, "out of memory for scaling to %d x %d", width,
                       height);
done:
    limn_block_free(rows);
    limn_block_free(row);
    limn_block_free(axes);
    return status;
}

limn_status limn_resample_planes(const float *in, int channels, int height, int width,
                                 const limn_resampling *how, float *out, limn_error *error)
{
    limn_resampling full = with_defaults(*how, width, height);

    return resample(&(source){ NULL, in, width, height }, &full, channels, out, error);
}

limn_status limn_resample(const limn_picture *picture, const limn_resampling *how, int channels,
                          float *planes, limn_error *error)
{
    const limn_picture_info *info = &picture->info;
    limn_resampling full = with_defaults(*how, info->width, info->height);
    size_t count = (size_t)channels * (size_t)full.window.width * (size_t)full.window.height;

    if (!limn_channels_fit(info->channels, channels))
        return limn_fail(error, LIMN_SHAPE, "the picture has %d channels, %d are wanted",
                         info->channels, channels);
    LIMN_TRY(resample(&(source){ picture, NULL, info->width, info->height }, &full, channels,
                      planes, error));
    if (info->type == LIMN_F32) return LIMN_OK;
    for (size_t i = 0; i < count; i++) {
        float v = planes[i] < -1 ? -1 : planes[i];

        planes[i] = v > 1 ? 1 : v;
    }
    return LIMN_OK;
}

bool limn_picture_is_flat(const limn_picture *picture, const limn_part *part)
{
    const limn_picture_info *info = &picture->info;
    size_t channels = (size_t)info->channels;

    for (size_t c = 0; c < channels; c++) {
        float least = INFINITY, most = -INFINITY;

        for (int y = part->y; y < part->y + part->height; y++) {
            for (int x = part->x; x < part->x + part->width; x++) {
                size_t i = ((size_t)y * (size_t)info->width + (size_t)x) * channels + c;
                float v = info->type == LIMN_U8    ? (float)((uint8_t *)picture->pixels)[i] / 255
                          : info->type == LIMN_U16 ? (float)((uint16_t *)picture->pixels)[i] / 65535
                                                   : ((float *)picture->pixels)[i];

                least = v < least ? v : least;
                most = v > most ? v : most;
            }
            if (most - least > 2.001f / 255) return false; /* nearly always within a row or two */
        }
    }
    return true;
}
