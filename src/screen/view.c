/* SPDX-License-Identifier: Apache-2.0
 *
 * From a picture of any size and kind to the 224 x 224 pixels that the classifiers take.
 *
 * The resize is defined here and pinned by a test, because the score depends on it: a triangle
 * filter at the pixel centres, stretched by the scale where the picture shrinks, its weights
 * divided by their sum; each side by itself, so that any shape is squashed to the square.  That is
 * Pillow's and torchvision's antialiased "bilinear".  The classifiers' own program samples four
 * pixels for each of its own instead, which reads one pixel in three of a 512-pixel picture and
 * less of larger ones: what stands between them goes unseen, and a picture can be made that looks
 * harmless only to the screen.  Here every pixel counts.  image/resample.h has a cubic for training
 * pictures; it overshoots, so whites and blacks would have to be cut, and it may change with what
 * people train on, while this may not.
 *
 * Down the columns first: an output row is a weighted sum of whole source rows, which is a loop of
 * the kind that compilers make vectors of, and along the rows only 224 sums remain.  A row is read
 * once or twice and never more than one is kept, so a picture of 16384 pixels needs no more memory
 * than a small one needs time.  Not rounded to 8 bits in between. */
#include "screen/view.h"
#include <math.h>
#include <string.h>

/* The weights of the 224 positions of one axis, `most` to a position. */
typedef struct axis {
    int first[LIMN_VIEW_SIDE], taps[LIMN_VIEW_SIDE], most;
    float *weight;
} axis;

static int taps_most(int size)
{
    double scale = (double)size / LIMN_VIEW_SIDE;

    return 2 * (int)ceil(scale > 1 ? scale : 1) + 1;
}

static double triangle(double x)
{
    x = fabs(x);
    return x < 1 ? 1 - x : 0;
}

static void make_axis(axis *a, int size, float *room)
{
    double scale = (double)size / LIMN_VIEW_SIDE, reach = scale > 1 ? scale : 1;

    a->most = taps_most(size);
    a->weight = room;
    for (int i = 0; i < LIMN_VIEW_SIDE; i++, room += a->most) {
        double centre = (i + 0.5) * scale, sum = 0;
        int low = (int)floor(centre - reach + 0.5), high = (int)floor(centre + reach + 0.5);

        if (low < 0) low = 0;
        if (high > size) high = size;
        for (int k = low; k < high; k++) sum += triangle((k + 0.5 - centre) / reach);
        for (int k = low; k < high; k++)
            room[k - low] = (float)(triangle((k + 0.5 - centre) / reach) / sum);
        a->first[i] = low;
        a->taps[i] = high - low;
    }
}

/* ---- Ways of looking --------------------------------------------------------------------------
 */

static float white_of(limn_type type)
{
    return type == LIMN_U8 ? 255 : type == LIMN_U16 ? 65535 : 1;
}

static float value_of(const void *values, limn_type type, size_t at)
{
    float v;

    if (type == LIMN_U8) return ((const uint8_t *)values)[at];
    if (type == LIMN_U16) return ((const uint16_t *)values)[at];
    v = ((const float *)values)[at];
    return v > 0 ? v < 1 ? v : 1 : 0; /* NaN is black, as in limn_picture_from_planes */
}

static bool is_transparent(const limn_view_source *s)
{
    const limn_picture *picture = s->picture;
    size_t count;

    if (!picture || !picture->alpha) return false;
    count = (size_t)picture->info.width * (size_t)picture->info.height;
    for (size_t i = 0; i < count; i++)
        if (value_of(picture->alpha, picture->info.type, i) < white_of(picture->info.type))
            return true;
    return false;
}

/* Sets of three channels, then single ones. */
static int colour_ways(int channels)
{
    return channels / 3 + channels % 3;
}

int limn_view_ways(const limn_view_source *source)
{
    return colour_ways(source->channels) * (is_transparent(source) ? 3 : 1);
}

limn_view limn_view_at(const limn_view_source *source, int way)
{
    int colours = colour_ways(source->channels), which = way % colours;
    int triples = source->channels / 3;
    limn_view view = { .source = *source, .ground = way / colours - 1 };

    for (int c = 0; c < 3; c++)
        view.channel[c] = which < triples ? 3 * which + c : 3 * triples + (which - triples);
    return view;
}

/* ---- Rows -------------------------------------------------------------------------------------
 */

/* Row y of the part as (width, 3), in the source's own units: 0 to 255, 0 to 65535, 0 to 1. */
static void read_row(const limn_view *view, int y, float *row)
{
    const limn_view_source *s = &view->source;
    size_t width = (size_t)s->part.width, plane = (size_t)s->height * (size_t)s->width;
    size_t first = (size_t)(s->part.y + y) * (size_t)s->width + (size_t)s->part.x;
    size_t channels = (size_t)s->channels;
    limn_type type = s->picture ? s->picture->info.type : LIMN_F32;

    if (!s->picture) {
        for (int c = 0; c < 3; c++) {
            const float *from = s->planes + (size_t)view->channel[c] * plane + first;

            for (size_t x = 0; x < width; x++) {
                float v = from[x] * 0.5f + 0.5f;

                row[3 * x + (size_t)c] = v > 0 ? v < 1 ? v : 1 : 0;
            }
        }
        return;
    }
    if (type == LIMN_U8 && channels == 3) { /* nearly all pictures */
        const uint8_t *from = (const uint8_t *)s->picture->pixels + 3 * first;

        for (size_t i = 0; i < 3 * width; i++) row[i] = from[i];
    } else {
        for (size_t x = 0; x < width; x++)
            for (int c = 0; c < 3; c++)
                row[3 * x + (size_t)c] = value_of(
                    s->picture->pixels, type, (first + x) * channels + (size_t)view->channel[c]);
    }
    if (view->ground < 0) return;
    for (size_t x = 0; x < width; x++) {
        float white = white_of(type), ground = view->ground ? white : 0;
        float cover = value_of(s->picture->alpha, type, first + x) / white;

        for (int c = 0; c < 3; c++)
            row[3 * x + (size_t)c] = cover * row[3 * x + (size_t)c] + (1 - cover) * ground;
    }
}

static void add_row(float *restrict sum, const float *restrict row, size_t count, float weight)
{
    for (size_t i = 0; i < count; i++) sum[i] += weight * row[i];
}

static void along_row(const axis *a, const float *sum, float *out, float white)
{
    for (int x = 0; x < LIMN_VIEW_SIDE; x++) {
        const float *weight = a->weight + (size_t)x * (size_t)a->most;
        const float *from = sum + 3 * (size_t)a->first[x];
        float red = 0, green = 0, blue = 0;

        for (int k = 0; k < a->taps[x]; k++, from += 3) {
            red += weight[k] * from[0];
            green += weight[k] * from[1];
            blue += weight[k] * from[2];
        }
        out[x] = red / white;
        out[x + LIMN_VIEW_SIDE * LIMN_VIEW_SIDE] = green / white;
        out[x + 2 * LIMN_VIEW_SIDE * LIMN_VIEW_SIDE] = blue / white;
    }
}

/* Room: both axes, their weights, a row, a sum of rows. */
static size_t weights_of(int size)
{
    return (size_t)LIMN_VIEW_SIDE * (size_t)taps_most(size);
}

size_t limn_view_room(const limn_view *view)
{
    limn_part part = view->source.part;
    size_t bytes = 2 * sizeof(axis) +
                   (weights_of(part.width) + weights_of(part.height) + 6 * (size_t)part.width) *
                       sizeof(float);

    return (bytes + 63) / 64 * 64;
}

void limn_view_make(const limn_view *view, float *out, void *room)
{
    limn_part part = view->source.part;
    size_t count = 3 * (size_t)part.width;
    axis *across = room, *down = across + 1;
    float *weights = (float *)(void *)(down + 1);
    float *row = weights + weights_of(part.width) + weights_of(part.height), *sum = row + count;
    float white = view->source.picture ? white_of(view->source.picture->info.type) : 1;

    make_axis(across, part.width, weights);
    make_axis(down, part.height, weights + weights_of(part.width));
    for (int y = 0; y < LIMN_VIEW_SIDE; y++, out += LIMN_VIEW_SIDE) {
        const float *weight = down->weight + (size_t)y * (size_t)down->most;

        memset(sum, 0, count * sizeof *sum);
        for (int k = 0; k < down->taps[y]; k++) {
            if (weight[k] == 0) continue;
            read_row(view, down->first[y] + k, row);
            add_row(sum, row, count, weight[k]);
        }
        along_row(across, sum, out, white);
    }
}
