/* SPDX-License-Identifier: Apache-2.0
 *
 * The loops of tiles_gradient.c, compiled once a processor level.
 *
 * Lanes are channels throughout; a product is some channels of x, each spread over a vector, times
 * a panel of four vectors of channels of y, or two where their number wants it.  Four by four is at
 * 97 % of an Ice Lake's peak, eight by two at 77: it loads more.  Transforms (tiles_points.h) are
 * compiled for each size.
 *
 * In bfloat16 (LIMN_TILES_PAIRS, as in tiles_kernel.c) a word of a factor holds two tiles; behind
 * an odd number of them comes one of zeros. */
#include "op/tiles.h"
#include "op/tiles_gradient.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

#ifdef __AVX512F__
enum { LANES = 16, SUMS = 16 };
#else
enum { LANES = 8, SUMS = 8 };
#endif
enum {
    PANEL = 4, /* vectors of the widest */
    SQUARE = LIMN_TILE_SIDE * LIMN_TILE_SIDE,
    PHASES = 4,
    CHUNK = 96, /* words of a panel that stay in the first-level cache */
};

#include "op/tiles_words.h"

#include "op/tiles_points.h"

/* The (side, taps, outputs) that tiles_gradient.c makes, beside places. */
#ifdef LIMN_TILES_PAIRS
#define SHAPES(X) X(3, 2, 2) X(4, 2, 3) X(4, 3, 2)
#else
#define SHAPES(X) X(3, 2, 2) X(4, 2, 3) X(5, 2, 4) X(6, 3, 4) X(6, 4, 3)
#endif

/* A tile of the band. */
static limn_tile_spot spot_of(const limn_tiles_gradient *t, size_t tile)
{
    return limn_tile_spot_of(&t->grid, t->first + tile);
}

static const element *plane_of(const limn_tensor *t, int picture, size_t block)
{
    return (const element *)t->data + (size_t)picture * t->batch_stride +
           block * (size_t)t->shape.h * (size_t)t->shape.w * LANES;
}

/* side x side places of a plane from (y, x) on, `step` apart; zeros beside it. */
inline_here take(vector *d, const element *plane, int h, int w, int y, int x, int step,
                 const int side)
{
    bool inside = y >= 0 && x >= 0 && y + (side - 1) * step < h && x + (side - 1) * step < w;

    for (int i = 0; i < side; i++)
        for (int j = 0; j < side; j++) {
            int b = y + i * step, a = x + j * step;

            d[i * side + j] = inside || (b >= 0 && b < h && a >= 0 && a < w)
                                  ? load_map(plane + ((ptrdiff_t)b * w + a) * LANES)
                                  : (vector){ 0 };
        }
}

/* ---- Both maps at the points ----------------------------------------------------------------- */

inline_here x_points(const limn_tiles_gradient *t, vector *points, size_t tile, size_t block,
                     int phase, const int side)
{
    limn_tile_spot s = spot_of(t, tile);
    int down = 0, right = 0;
    vector d[SQUARE], half[SQUARE];

    if (t->phases == PHASES) {
        down = phase >> 1;
        right = phase & 1;
    }
    take(d, plane_of(&t->x, s.picture, block), t->x.shape.h, t->x.shape.w,
         s.top * t->stride + down - t->pad_top, s.left * t->stride + right - t->pad_left, t->apart,
         side);
    for (int j = 0; j < side; j++) enter_side(half + j, side, d + j, side, side);
    for (int i = 0; i < side; i++) enter_side(points + i * side, 1, half + i * side, 1, side);
}

inline_here y_points(const limn_tiles_gradient *t, vector *points, size_t tile, size_t block,
                     const int side, const int outputs)
{
    limn_tile_spot s = spot_of(t, tile);
    vector d[SQUARE], half[SQUARE];

    take(d, plane_of(&t->y, s.picture, block), t->y.shape.h, t->y.shape.w, s.top, s.left,
         t->grid.step, outputs);
    for (int j = 0; j < outputs; j++) spread_side(half + j, outputs, d + j, outputs, side, outputs);
    for (int i = 0; i < side; i++)
        spread_side(points + i * side, 1, half + i * outputs, 1, side, outputs);
}

inline_here no_points(vector *points, const int side)
{
    for (int i = 0; i < side * side; i++) points[i] = (vector){ 0 };
}

/* at: word of the band. */
inline_here x_of(const limn_tiles_gradient *t, size_t at, size_t block, const int side)
{
    int phases = t->phases;
    word *to = (word *)t->v + block * (size_t)phases * t->points * t->words_x + at * LANES;

    for (int phase = 0; phase < phases; phase++, to += t->points * t->words_x) {
        vector points[PER][SQUARE];

        for (size_t p = 0; p < PER; p++)
            if (at * PER + p < t->held)
                x_points(t, points[p], at * PER + p, block, phase, side);
            else
                no_points(points[p], side);
        for (int i = 0; i < side * side; i++)
            store_factor(to + (size_t)i * t->words_x, points[0][i], points[PER - 1][i]);
    }
}

inline_here y_of(const limn_tiles_gradient *t, size_t at, size_t block, const int side,
                 const int outputs)
{
    word *to = (word *)t->u + block / t->wide * t->points * t->words_y +
               (at * t->wide + block % t->wide) * LANES;
    vector points[PER][SQUARE];

    for (size_t p = 0; p < PER; p++)
        if (at * PER + p < t->held)
            y_points(t, points[p], at * PER + p, block, side, outputs);
        else
            no_points(points[p], side);
    for (int i = 0; i < side * side; i++)
        store_factor(to + (size_t)i * t->words_y, points[0][i], points[PER - 1][i]);
}

#ifndef LIMN_TILES_PAIRS
/* Place by place: x as each place of the kernel meets it, y as it is. */
static void x_place(const limn_tiles_gradient *t, size_t place, size_t block)
{
    limn_tile_spot s = spot_of(t, place);
    int h = t->x.shape.h, w = t->x.shape.w;
    const float *plane = plane_of(&t->x, s.picture, block);
    float *to = (float *)t->v + block * t->points * t->words_x + place * LANES;

    for (int i = 0; i < t->kernel; i++)
        for (int j = 0; j < t->kernel; j++, to += t->words_x) {
            int b = s.top * t->stride - t->pad_top + i, a = s.left * t->stride - t->pad_left + j;

            if (b >= 0 && b < h && a >= 0 && a < w)
                store(to, load(plane + ((ptrdiff_t)b * w + a) * LANES));
            else
                store(to, (vector){ 0 });
        }
}

static void y_place(const limn_tiles_gradient *t, size_t place, size_t block)
{
    limn_tile_spot s = spot_of(t, place);
    const float *from = plane_of(&t->y, s.picture, block) +
                        ((ptrdiff_t)s.top * t->y.shape.w + s.left) * LANES;

    store((float *)t->u + block / t->wide * t->words_y +
              (place * t->wide + block % t->wide) * LANES,
          load(from));
}

#endif

/* Words of a band. */
static size_t words_of(const limn_tiles_gradient *t)
{
    return (t->held + PER - 1) / PER;
}

/* Blocks of channels are the slower index: stores then go on where the last tile's were. */
static void input_x(void *context, size_t begin, size_t end, int part)
{
    const limn_tiles_gradient *t = context;

    (void)part;
    for (size_t unit = begin; unit < end; unit++) {
        size_t at = unit % words_of(t), block = unit / words_of(t);

#ifndef LIMN_TILES_PAIRS
        if (t->outputs == 1) {
            x_place(t, at, block);
            continue;
        }
#endif
        switch (t->side) {
        case 3:
            x_of(t, at, block, 3);
            break;
        case 4:
            x_of(t, at, block, 4);
            break;
#ifndef LIMN_TILES_PAIRS
        case 5:
            x_of(t, at, block, 5);
            break;
        default:
            x_of(t, at, block, 6);
#endif
        }
    }
}

static void input_y(void *context, size_t begin, size_t end, int part)
{
    const limn_tiles_gradient *t = context;

    (void)part;
    for (size_t unit = begin; unit < end; unit++) {
        size_t at = unit % words_of(t), block = unit / words_of(t);

#ifndef LIMN_TILES_PAIRS
        if (t->outputs == 1) y_place(t, at, block);
#endif
#define X(s, r, m)                                                                                 \
    if (t->side == (s) && t->outputs == (m)) y_of(t, at, block, s, m);
        SHAPES(X)
#undef X
    }
}

/* ---- Products -------------------------------------------------------------------------------- */

/* Some channels of x by a panel of y over `length` words.  Sums go to rows of `to`, pitch apart,
 * the panel's vectors `beside` one another.  ahead: a vector a word that is wanted soon. */
inline_here product(float *to, size_t pitch, size_t beside, const word *x, const word *y,
                    const word *ahead, size_t length, bool adds, const int wide)
{
    const int held = SUMS / wide;
    vector sums[SUMS];

#pragma GCC unroll 16
    for (int i = 0; i < SUMS; i++) sums[i] = (vector){ 0 };
    for (size_t k = 0; k < length; k++, x += LANES, y += wide * LANES, ahead += LANES) {
        factor panel[PANEL];

        __builtin_prefetch(ahead, 0, 2);
#pragma GCC unroll 4
        for (int j = 0; j < wide; j++) panel[j] = load_factor(y + j * LANES);
#pragma GCC unroll 8
        for (int r = 0; r < held; r++)
#pragma GCC unroll 4
            for (int j = 0; j < wide; j++) add_product(sums[r * wide + j], x[r], panel[j]);
    }
#pragma GCC unroll 8
    for (int r = 0; r < held; r++, to += pitch)
#pragma GCC unroll 4
        for (int j = 0; j < wide; j++) {
            float *at = to + (size_t)j * beside;

            store(at, adds ? sums[r * wide + j] + load(at) : sums[r * wide + j]);
        }
}

/* Row: channel of x in a unit, phase by phase within a block. */
static const word *x_at(const limn_tiles_gradient *t, const limn_tiles_gradient_unit *u, size_t row,
                        size_t point, size_t at)
{
    return (const word *)t->v +
           ((u->block * (size_t)t->phases + row / LANES) * t->points + point) * t->words_x +
           at * LANES + row % LANES;
}

static const word *y_at(const limn_tiles_gradient *t, const limn_tiles_gradient_unit *u,
                        size_t point, size_t at)
{
    return (const word *)t->u + (u->panel * t->points + point) * t->words_y + at * t->wide * LANES;
}

static size_t chunks_of(const limn_tiles_gradient *t)
{
    return (words_of(t) + CHUNK - 1) / CHUNK;
}

#ifndef LIMN_TILES_PAIRS
inline_here places(const limn_tiles_gradient *t, const limn_tiles_gradient_unit *u, const int wide)
{
    for (size_t chunks = chunks_of(t), chunk = 0; chunk < chunks; chunk++) {
        size_t from = t->held * chunk / chunks, count = t->held * (chunk + 1) / chunks - from;
        const float *y = (const float *)t->u + u->panel * t->words_y + from * (size_t)wide * LANES;

        for (size_t block = 0; block < u->blocks; block++)
            for (size_t point = 0; point < t->points; point++)
                for (size_t row = 0; row < LANES; row += SUMS / wide) {
                    const float *x = x_at(t, u, block * LANES + row, point, from);

                    product(u->w + block * u->beside + (point * LANES + row) * LANES, LANES,
                            u->next, x, y, x + t->words_x, count, u->adds || chunk, wide);
                }
    }
}

#endif

/* ---- Sums back to the places of the kernel --------------------------------------------------- */

/* From one point's sums to the next one's: rows of a unit by a panel, and a line of the cache. */
static size_t floats_of_sums(const limn_tiles_gradient *t, const limn_tiles_gradient_unit *u)
{
    return (u->blocks * (size_t)t->phases * t->wide * LANES + 1) * LANES;
}

inline_here gather(const limn_tiles_gradient *t, const limn_tiles_gradient_unit *u, size_t row,
                   size_t beside, const int side, const int taps, const int wide)
{
    size_t floats = floats_of_sums(t, u);
    const float *from = u->sums + (row * (size_t)wide + beside) * LANES;
    size_t block = row / LANES / (size_t)t->phases;
    int phase = (int)(row / LANES % (size_t)t->phases), step = t->apart;
    float *to = u->w + beside * u->next + block * u->beside + row % LANES * LANES;
    vector q[SQUARE], half[SQUARE], g[LIMN_TILE_SIDE];

    for (int i = 0; i < side * side; i++) q[i] = load(from + (size_t)i * floats);
    for (int j = 0; j < side; j++) gather_side(half + j, side, q + j, side, side, taps);
    for (int i = 0; i < taps; i++) {
        gather_side(g, 1, half + i * side, 1, side, taps);
        for (int j = 0; j < taps; j++) {
            int tap = (i * step + (phase >> 1)) * t->kernel + j * step + (phase & 1);
            float *w = to + tap * LANES * LANES;

            if (u->adds) g[j] += load(w);
            store(w, g[j]);
        }
    }
}

/* What of the next chunk a product brings from the third-level cache: a block of x each, then a
 * vector of the panel each; then nothing new. */
static const word *ahead_of(const limn_tiles_gradient *t, const limn_tiles_gradient_unit *u,
                            size_t point, size_t at, size_t call, size_t count)
{
    size_t blocks = u->blocks * (size_t)t->phases;

    if (call < blocks) return x_at(t, u, call * LANES, point, at);
    call -= blocks;
    return y_at(t, u, point, at) + (call < t->wide ? call * count * LANES : 0);
}

/* The sums of one point. */
inline_here point_of(const limn_tiles_gradient *t, const limn_tiles_gradient_unit *u, size_t point,
                     const int wide)
{
    size_t rows = u->blocks * (size_t)t->phases * LANES;
    float *sums = u->sums + point * floats_of_sums(t, u);

    for (size_t chunks = chunks_of(t), chunk = 0; chunk < chunks; chunk++) {
        size_t from = words_of(t) * chunk / chunks, to = words_of(t) * (chunk + 1) / chunks;
        size_t next = chunk + 1 < chunks ? point : point + 1, call = 0;

        for (size_t row = 0; row < rows; row += (size_t)(SUMS / wide), call++)
            product(sums + row * (size_t)wide * LANES, (size_t)wide * LANES, LANES,
                    x_at(t, u, row, point, from), y_at(t, u, point, from),
                    ahead_of(t, u, next, next > point ? 0 : to, call, to - from), to - from,
                    chunk > 0, wide);
    }
}

inline_here unit_of(const limn_tiles_gradient *t, const limn_tiles_gradient_unit *u, const int side,
                    const int taps, const int wide)
{
    for (size_t point = 0; point < t->points; point++) point_of(t, u, point, wide);
    for (size_t row = 0; row < u->blocks * (size_t)t->phases * LANES; row++)
        for (size_t beside = 0; beside < (size_t)wide; beside++)
            gather(t, u, row, beside, side, taps, wide);
}

/* Not in place: else a function of all shapes is more than the compiler likes. */
#define X(s, r, m)                                                                                 \
    static void unit_##s##_##r(const limn_tiles_gradient *t, const limn_tiles_gradient_unit *u)    \
    {                                                                                              \
        if (t->wide == PANEL)                                                                      \
            unit_of(t, u, s, r, PANEL);                                                            \
        else                                                                                       \
            unit_of(t, u, s, r, PANEL / 2);                                                        \
    }
SHAPES(X)
#undef X

static void unit(const limn_tiles_gradient *t, const limn_tiles_gradient_unit *u)
{
#ifndef LIMN_TILES_PAIRS
    if (t->outputs == 1 && t->wide == PANEL) {
        places(t, u, PANEL);
        return;
    }
    if (t->outputs == 1) {
        places(t, u, PANEL / 2);
        return;
    }
#endif
#define X(s, r, m)                                                                                 \
    if (t->side == (s) && t->taps == (r)) unit_##s##_##r(t, u);
    SHAPES(X)
#undef X
}

const limn_tiles_gradient_kernel JOIN(LIMN_KERNELS, _tiles_gradient) = { LANES, input_x, input_y,
                                                                         unit };
