/* SPDX-License-Identifier: Apache-2.0
 *
 * Drawing touches as a hurried hand would: a dot, or a slightly bent stroke, somewhere inside a
 * region, mostly where the input does not show the colour yet.
 *
 * A stroke is a path of single-pixel steps that ends where the target's colour changes; around each
 * point of it a disc is painted, and of the disc only what can be seen from its centre without
 * leaving the colour.  So paint never jumps over a line into a neighbour of the same colour, which
 * a test of the colour alone would allow.
 *
 * Three touches of four look for a place where input and target differ: on line art the background
 * is most of the picture, and a white touch on white paper teaches nothing.  The fourth may fall
 * anywhere, so that such a touch at use is nothing strange either. */
#include "data/hints.h"

#include <math.h>
#include <stdlib.h>

enum { MOST = 200, TRIES = 16, BLOCKS_PER_PICTURE_BITS = 12, CHANNELS_MAX = 16 };
enum { RECOLOUR_BLOCK = 1 + MOST * 16 }; /* behind those of the touches */
static const float SAME = 0.12f;         /* largest difference of a channel within a region */
static const float NEWS = 0.15f;         /* least difference of input and target worth a touch */
static const float DARKER = 0.5f;        /* a pixel of the input that much darker is a line */

typedef struct picture {
    float *a;
    const float *b;
    int channels, height, width;
    size_t plane;
} picture;

typedef struct draws {
    limn_random random;
    uint64_t block;
    uint32_t words[4];
    int used;
} draws;

static float draw(draws *d)
{
    if (d->used == 4) {
        limn_random_words(&d->random, d->block++, d->words);
        d->used = 0;
    }
    return (float)(d->words[d->used++] >> 8) * 0x1p-24f;
}

static int draw_below(draws *d, int limit)
{
    int v = (int)(draw(d) * (float)limit);

    return v < limit ? v : limit - 1;
}

static bool inside(const picture *p, int x, int y)
{
    return x >= 0 && x < p->width && y >= 0 && y < p->height;
}

static bool same_colour(const picture *p, int x, int y, const float *colour)
{
    size_t i = (size_t)y * (size_t)p->width + (size_t)x;

    if (!inside(p, x, y)) return false;
    for (int c = 0; c < p->channels; c++)
        if (!(fabsf(p->b[(size_t)c * p->plane + i] - colour[c]) <= SAME)) return false;
    return true;
}

static float brightness(const picture *p, int x, int y)
{
    size_t i = (size_t)y * (size_t)p->width + (size_t)x;
    float sum = 0;

    for (int c = 0; c < p->channels; c++) sum += p->a[(size_t)c * p->plane + i];
    return sum / (float)p->channels;
}

/* Is every pixel on the way from (x, y) to (x + dx, y + dy) of the colour? */
static bool in_sight(const picture *p, int x, int y, int dx, int dy, const float *colour)
{
    int steps = abs(dx) > abs(dy) ? abs(dx) : abs(dy);

    for (int k = 1; k <= steps; k++) {
        int at_x = x + (int)lroundf((float)(dx * k) / (float)steps);
        int at_y = y + (int)lroundf((float)(dy * k) / (float)steps);

        if (!same_colour(p, at_x, at_y, colour)) return false;
    }
    return true;
}

static void paint_disc(const picture *p, int x, int y, float radius, const float *colour,
                       float paper)
{
    int reach = (int)radius;

    for (int dy = -reach; dy <= reach; dy++)
        for (int dx = -reach; dx <= reach; dx++) {
            size_t i;

            if ((float)(dx * dx + dy * dy) > radius * radius || !inside(p, x + dx, y + dy))
                continue;
            if (!in_sight(p, x, y, dx, dy, colour) ||
                brightness(p, x + dx, y + dy) < paper - DARKER)
                continue;
            i = (size_t)(y + dy) * (size_t)p->width + (size_t)(x + dx);
            for (int c = 0; c < p->channels; c++) p->a[(size_t)c * p->plane + i] = colour[c];
        }
}

/* Much darker than something near: nobody begins a touch on a line. */
static bool on_line(const picture *p, int x, int y)
{
    float here = brightness(p, x, y);

    for (int dy = -3; dy <= 3; dy++)
        for (int dx = -3; dx <= 3; dx++)
            if (inside(p, x + dx, y + dy) && brightness(p, x + dx, y + dy) > here + DARKER)
                return true;
    return false;
}

/* A place to begin: no line of the input, its neighbours have its colour, and (if asked) the input
 * shows another one. */
static bool find_place(const picture *p, draws *d, bool news, int *x, int *y, float *colour)
{
    bool found = false;

    for (int t = 0; t < TRIES; t++) {
        int at_x = draw_below(d, p->width), at_y = draw_below(d, p->height);
        size_t i = (size_t)at_y * (size_t)p->width + (size_t)at_x;
        float here[CHANNELS_MAX], difference = 0;
        bool calm = true;

        for (int c = 0; c < p->channels; c++) {
            here[c] = p->b[(size_t)c * p->plane + i];
            difference = fmaxf(difference, fabsf(here[c] - p->a[(size_t)c * p->plane + i]));
        }
        for (int n = 0; n < 9 && calm; n++)
            calm = !inside(p, at_x + n % 3 - 1, at_y + n / 3 - 1) ||
                   same_colour(p, at_x + n % 3 - 1, at_y + n / 3 - 1, here);
        if (!calm || (found && difference < NEWS) || on_line(p, at_x, at_y)) continue;
        *x = at_x;
        *y = at_y;
        for (int c = 0; c < p->channels; c++) colour[c] = here[c];
        found = true;
        if (!news || difference >= NEWS) return true;
    }
    return found;
}

static bool draw_touch(const picture *p, draws *d)
{
    int least = p->height < p->width ? p->height : p->width, x = 0, y = 0;
    float scale = (float)least / 256, colour[CHANNELS_MAX];
    bool news = draw(d) < 0.75f, stroke = draw(d) < 0.5f;
    float radius = fmaxf(1, (3 + 6 * draw(d)) * scale), length = (8 + 52 * draw(d)) * scale;
    float angle = 6.2831853f * draw(d), bend = (draw(d) - 0.5f) * 0.08f / scale;
    float at_x, at_y, paper;

    if (!find_place(p, d, news, &x, &y, colour)) return false;
    paper = brightness(p, x, y);
    paint_disc(p, x, y, radius, colour, paper);
    if (!stroke) return true;
    at_x = (float)x;
    at_y = (float)y;
    for (float way = 0; way < length; way++) {
        int next_x, next_y;

        at_x += cosf(angle);
        at_y += sinf(angle);
        angle += bend;
        next_x = (int)lroundf(at_x);
        next_y = (int)lroundf(at_y);
        if (!same_colour(p, next_x, next_y, colour)) break;
        paint_disc(p, next_x, next_y, radius, colour, paper);
    }
    return true;
}

/* The draws of a picture as a whole: its first blocks, before those of the touches. */
static bool has_touches(const limn_hints *hints, draws *d, int channels)
{
    return hints->most > 0 && channels <= CHANNELS_MAX && draw(d) >= hints->none;
}

int limn_hints_draw(const limn_hints *hints, const limn_random *random, uint64_t index, float *a,
                    const float *b, int channels, int height, int width)
{
    picture p = { a, b, channels, height, width, (size_t)height * (size_t)width };
    draws d = { .random = *random, .block = index << BLOCKS_PER_PICTURE_BITS, .used = 4 };
    int most = hints->most < MOST ? hints->most : MOST, count, drawn = 0;

    if (!has_touches(hints, &d, channels)) return 0;
    count = 1 + draw_below(&d, most);
    for (int i = 0; i < count; i++) {
        /* Every touch has its own blocks, so that a place found sooner moves no other touch. */
        d.block = (index << BLOCKS_PER_PICTURE_BITS) + 1 + (uint64_t)i * 16;
        d.used = 4;
        drawn += draw_touch(&p, &d);
    }
    return drawn;
}

limn_status limn_hints_recolour(const limn_hints *hints, const limn_random *random, uint64_t index,
                                const float *before, float *a, float *b, int channels, int height,
                                int width, bool *changed, limn_error *error)
{
    draws d = { .random = *random, .block = index << BLOCKS_PER_PICTURE_BITS, .used = 4 };
    size_t plane = (size_t)height * (size_t)width;
    int32_t *scratch;

    *changed = false;
    if (channels != 3 || !has_touches(hints, &d, channels)) return LIMN_OK;
    draw(&d); /* the number of touches */
    if (draw(&d) >= hints->recolour) return LIMN_OK;
    if (!(scratch = limn_block(2 * plane * sizeof *scratch)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for %d x %d pixels", width, height);
    limn_hints_recolour_regions(random, (index << BLOCKS_PER_PICTURE_BITS) + RECOLOUR_BLOCK, before,
                                a, b, height, width, scratch);
    limn_block_free(scratch);
    *changed = true;
    return LIMN_OK;
}
