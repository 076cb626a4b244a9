/* SPDX-License-Identifier: Apache-2.0
 *
 * Other colours for the regions that were touched.
 *
 * What a network has to learn of a touch is that it fills its region, up to the lines, and nothing
 * else.  Pictures as they are teach that badly: a banana is yellow whether touched or not, and the
 * colours of one picture go together, so that guessing from memory, or from the mean of all
 * touches, is nearly as good.  So each region that has paint gets one of the six orders of its
 * three channels, drawn for that region alone, in the target and in the paint; what has no paint
 * keeps the colours that are to be guessed.  Greys stay grey, so paper and lines stay what they
 * are.
 *
 * Tried before: one order for the whole picture.  The touches then steer the hue, but of the whole
 * drawing: a bus with yellow and blue touches came out green. */
#include "data/hints.h"

enum { LINE = -1, LINE_REACH = 2 };

typedef struct map {
    int32_t *region; /* per pixel: the first pixel of its region, or LINE */
    int height, width;
} map;

static int32_t first_of(int32_t *region, int32_t i)
{
    while (region[i] != i) {
        region[i] = region[region[i]];
        i = region[i];
    }
    return i;
}

static void join(int32_t *region, int32_t i, int32_t other)
{
    int32_t a = first_of(region, i), b = first_of(region, other);

    if (a < b)
        region[b] = a;
    else
        region[a] = b;
}

/* Connected pixels (by sides) that are lighter than middle grey. */
static void find_regions(const map *m, const float *picture)
{
    int32_t *region = m->region, count = m->height * m->width;

    for (int32_t i = 0; i < count; i++) {
        float sum = 0;

        for (int c = 0; c < 3; c++) sum += picture[(size_t)c * (size_t)count + (size_t)i];
        region[i] = sum < 0 ? LINE : i;
        if (region[i] == LINE) continue;
        if (i % m->width && region[i - 1] != LINE) join(region, i, i - 1);
        if (i >= m->width && region[i - m->width] != LINE) join(region, i, i - m->width);
    }
    for (int32_t i = 0; i < count; i++)
        if (region[i] != LINE) region[i] = first_of(region, i);
}

/* A line's soft edge has some of the region's colour: pixels of lines go to the region beside them,
 * one pixel at a time. */
static void spread_into_lines(const map *m)
{
    const int sides[4] = { -1, 1, -m->width, m->width };
    int32_t *region = m->region, count = m->height * m->width;

    for (int32_t i = 0; i < count; i++) {
        if (region[i] != LINE) continue;
        for (int s = 0; s < 4; s++) {
            int32_t k = i + sides[s];

            if (k < 0 || k >= count || (s < 2 && k / m->width != i / m->width)) continue;
            if (region[k] < 0) continue;
            region[i] = -2 - region[k]; /* not seen by the others of this round */
            break;
        }
    }
    for (int32_t i = 0; i < count; i++)
        if (region[i] < LINE) region[i] = -2 - region[i];
}

static void reorder(float *planes, size_t plane, size_t i, const int *way)
{
    float old[3] = { planes[i], planes[plane + i], planes[2 * plane + i] };

    for (int c = 0; c < 3; c++) planes[(size_t)c * plane + i] = old[way[c]];
}

void limn_hints_recolour_regions(const limn_random *random, uint64_t first_block,
                                 const float *before, float *a, float *b, int height, int width,
                                 int32_t *scratch)
{
    static const int ways[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
                                    { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
    size_t plane = (size_t)height * (size_t)width;
    int32_t *chosen = scratch + plane; /* per region, at its first pixel: 0 none, else way + 1 */
    map m = { .region = scratch, .height = height, .width = width };
    uint64_t drawn = 0;

    find_regions(&m, before);
    for (int k = 0; k < LINE_REACH; k++) spread_into_lines(&m);
    for (size_t i = 0; i < plane; i++) chosen[i] = 0;
    for (size_t i = 0; i < plane; i++) {
        bool paint = a[i] != before[i] || a[plane + i] != before[plane + i] ||
                     a[2 * plane + i] != before[2 * plane + i];

        if (!paint || m.region[i] == LINE || chosen[m.region[i]]) continue;
        /* More regions than words (a stroke paints one): those draw the same again. */
        chosen[m.region[i]] = 1 + (int32_t)limn_random_below(random,
                                                             first_block * 4 + drawn++ % 1024, 6);
    }
    for (size_t i = 0; i < plane; i++) {
        int32_t way = m.region[i] == LINE ? 0 : chosen[m.region[i]];

        if (way < 2) continue; /* none, or as it is */
        reorder(b, plane, i, ways[way - 1]);
        reorder(a, plane, i, ways[way - 1]);
    }
}
