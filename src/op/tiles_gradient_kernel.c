/* SPDX-License-Identifier: Apache-2.0
 *
 * The loops of tiles_gradient.c, compiled once a processor level.
 *
 * Lanes are channels throughout; a product is some channels of x, each spread over a vector, times
 * a panel of four vectors of channels of y, or two where their number wants it.  Four by four is at
 * 97 % of an Ice Lake's peak, eight by two at 77: it loads more.  Transforms (tiles_points.h) are
 * compiled for each size. */
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
    CHUNK = 96, /* tiles of a panel that stay in the first-level cache */
};
typedef float vector __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));

/* Macros, because passing such a vector to a function means another thing to each compiler where
 * the processor level has no register that wide. */
#define load(from) (*(const vector *)(const void *)(from))
#define store(to, v) (*(vector *)(void *)(to) = (v))
#define inline_here static inline __attribute__((always_inline)) void

#include "op/tiles_points.h"

/* The (side, taps, outputs) that tiles_gradient.c makes, beside places. */
#define SHAPES(X) X(3, 2, 2) X(4, 2, 3) X(5, 2, 4) X(6, 3, 4) X(6, 4, 3)

/* Where a tile of the band begins, in places of y. */
typedef struct spot {
    int picture, top, left;
} spot;

static spot spot_of(const limn_tiles_gradient *t, size_t tile)
{
    int per = t->tile_rows * t->tile_columns, of = (int)(t->first + tile), at = of % per;

    return (spot){ of / per, at / t->tile_columns * t->outputs, at % t->tile_columns * t->outputs };
}

static const float *plane_of(const limn_tensor *t, int picture, size_t block)
{
    return (const float *)t->data + (size_t)picture * t->batch_stride +
           block * (size_t)t->shape.h * (size_t)t->shape.w * LANES;
}

/* side x side places of a plane from (y, x) on, `step` apart; zeros beside it. */
inline_here take(vector *d, const float *plane, int h, int w, int y, int x, int step,
                 const int side)
{
    bool inside = y >= 0 && x >= 0 && y + (side - 1) * step < h && x + (side - 1) * step < w;

    for (int i = 0; i < side; i++)
        for (int j = 0; j < side; j++) {
            int b = y + i * step, a = x + j * step;

            d[i * side + j] = inside || (b >= 0 && b < h && a >= 0 && a < w)
                                  ? load(plane + ((ptrdiff_t)b * w + a) * LANES)
                                  : (vector){ 0 };
        }
}

/* ---- Both maps at the points ----------------------------------------------------------------- */

inline_here x_of(const limn_tiles_gradient *t, size_t tile, size_t block, const int side)
{
    spot s = spot_of(t, tile);
    int phases = t->phases, step = t->stride;
    const float *plane = plane_of(&t->x, s.picture, block);
    float *to = t->v + block * (size_t)phases * t->points * t->floats_x + tile * LANES;

    for (int phase = 0; phase < phases; phase++, to += t->points * t->floats_x) {
        vector d[SQUARE], half[SQUARE];

        take(d, plane, t->x.shape.h, t->x.shape.w,
             s.top * step + (phases == PHASES ? phase >> 1 : 0) - t->pad_top,
             s.left * step + (phases == PHASES ? phase & 1 : 0) - t->pad_left, step, side);
        for (int j = 0; j < side; j++) enter_side(half + j, side, d + j, side, side);
        for (int i = 0; i < side; i++) {
            vector row[LIMN_TILE_SIDE];

            enter_side(row, 1, half + i * side, 1, side);
            for (int j = 0; j < side; j++) store(to + (size_t)(i * side + j) * t->floats_x, row[j]);
        }
    }
}

inline_here y_of(const limn_tiles_gradient *t, size_t tile, size_t block, const int side,
                 const int outputs)
{
    spot s = spot_of(t, tile);
    float *to = t->u + block / t->wide * t->points * t->floats_y +
                (tile * t->wide + block % t->wide) * LANES;
    vector d[SQUARE], half[SQUARE];

    take(d, plane_of(&t->y, s.picture, block), t->y.shape.h, t->y.shape.w, s.top, s.left, 1,
         outputs);
    for (int j = 0; j < outputs; j++) spread_side(half + j, outputs, d + j, outputs, side, outputs);
    for (int i = 0; i < side; i++) {
        vector row[LIMN_TILE_SIDE];

        spread_side(row, 1, half + i * outputs, 1, side, outputs);
        for (int j = 0; j < side; j++) store(to + (size_t)(i * side + j) * t->floats_y, row[j]);
    }
}

/* Place by place: x as each place of the kernel meets it, y as it is. */
static void x_place(const limn_tiles_gradient *t, size_t place, size_t block)
{
    spot s = spot_of(t, place);
    int h = t->x.shape.h, w = t->x.shape.w;
    const float *plane = plane_of(&t->x, s.picture, block);
    float *to = t->v + block * t->points * t->floats_x + place * LANES;

    for (int i = 0; i < t->kernel; i++)
        for (int j = 0; j < t->kernel; j++, to += t->floats_x) {
            int b = s.top * t->stride - t->pad_top + i, a = s.left * t->stride - t->pad_left + j;

            if (b >= 0 && b < h && a >= 0 && a < w)
                store(to, load(plane + ((ptrdiff_t)b * w + a) * LANES));
            else
                store(to, (vector){ 0 });
        }
}

static void y_place(const limn_tiles_gradient *t, size_t place, size_t block)
{
    spot s = spot_of(t, place);
    const float *from = plane_of(&t->y, s.picture, block) +
                        ((ptrdiff_t)s.top * t->y.shape.w + s.left) * LANES;

    store(t->u + block / t->wide * t->floats_y + (place * t->wide + block % t->wide) * LANES,
          load(from));
}

/* Blocks of channels are the slower index: stores then go on where the last tile's were. */
static void input_x(void *context, size_t begin, size_t end, int part)
{
    const limn_tiles_gradient *t = context;

    (void)part;
    for (size_t unit = begin; unit < end; unit++) {
        size_t tile = unit % t->held, block = unit / t->held;

        if (t->outputs == 1) {
            x_place(t, tile, block);
            continue;
        }
        switch (t->side) {
        case 3:
            x_of(t, tile, block, 3);
            break;
        case 4:
            x_of(t, tile, block, 4);
            break;
        case 5:
            x_of(t, tile, block, 5);
            break;
        default:
            x_of(t, tile, block, 6);
        }
    }
}

static void input_y(void *context, size_t begin, size_t end, int part)
{
    const limn_tiles_gradient *t = context;

    (void)part;
    for (size_t unit = begin; unit < end; unit++) {
        size_t tile = unit % t->held, block = unit / t->held;

        if (t->outputs == 1) y_place(t, tile, block);
#define X(s, r, m)                                                                                 \
    if (t->side == (s) && t->outputs == (m)) y_of(t, tile, block, s, m);
        SHAPES(X)
#undef X
    }
}

/* ---- Products -------------------------------------------------------------------------------- */

/* Some channels of x by a panel of y over all tiles of the band.  Sums go to rows of `to`, pitch
 * apart, the panel's vectors `beside` one another.  ahead: a vector a tile that is wanted soon. */
inline_here product(float *to, size_t pitch, size_t beside, const float *x, const float *y,
                    const float *ahead, size_t tiles, bool adds, const int wide)
{
    const int held = SUMS / wide;
    vector sums[SUMS];

#pragma GCC unroll 16
    for (int i = 0; i < SUMS; i++) sums[i] = (vector){ 0 };
    for (size_t k = 0; k < tiles; k++, x += LANES, y += wide * LANES, ahead += LANES) {
        vector panel[PANEL];

        __builtin_prefetch(ahead, 0, 2);
#pragma GCC unroll 4
        for (int j = 0; j < wide; j++) panel[j] = load(y + j * LANES);
#pragma GCC unroll 8
        for (int r = 0; r < held; r++)
#pragma GCC unroll 4
            for (int j = 0; j < wide; j++) sums[r * wide + j] += x[r] * panel[j];
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
static const float *x_at(const limn_tiles_gradient *t, const limn_tiles_gradient_unit *u,
                         size_t row, size_t point, size_t tile)
{
    return t->v + ((u->block * (size_t)t->phases + row / LANES) * t->points + point) * t->floats_x +
           tile * LANES + row % LANES;
}

static const float *y_at(const limn_tiles_gradient *t, const limn_tiles_gradient_unit *u,
                         size_t point, size_t tile)
{
    return t->u + (u->panel * t->points + point) * t->floats_y + tile * t->wide * LANES;
}

static size_t chunks_of(const limn_tiles_gradient *t)
{
    return (t->held + CHUNK - 1) / CHUNK;
}

inline_here places(const limn_tiles_gradient *t, const limn_tiles_gradient_unit *u, const int wide)
{
    for (size_t chunks = chunks_of(t), chunk = 0; chunk < chunks; chunk++) {
        size_t from = t->held * chunk / chunks, count = t->held * (chunk + 1) / chunks - from;
        const float *y = t->u + u->panel * t->floats_y + from * (size_t)wide * LANES;

        for (size_t block = 0; block < u->blocks; block++)
            for (size_t point = 0; point < t->points; point++)
                for (size_t row = 0; row < LANES; row += SUMS / wide) {
                    const float *x = x_at(t, u, block * LANES + row, point, from);

                    product(u->w + block * u->beside + (point * LANES + row) * LANES, LANES,
                            u->next, x, y, x + t->floats_x, count, u->adds || chunk, wide);
                }
    }
}

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
    int phase = (int)(row / LANES % (size_t)t->phases), step = t->stride;
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
static const float *ahead_of(const limn_tiles_gradient *t, const limn_tiles_gradient_unit *u,
                             size_t point, size_t tile, size_t call, size_t count)
{
    size_t blocks = u->blocks * (size_t)t->phases;

    if (call < blocks) return x_at(t, u, call * LANES, point, tile);
    call -= blocks;
    return y_at(t, u, point, tile) + (call < t->wide ? call * count * LANES : 0);
}

/* The sums of one point. */
inline_here point_of(const limn_tiles_gradient *t, const limn_tiles_gradient_unit *u, size_t point,
                     const int wide)
{
    size_t rows = u->blocks * (size_t)t->phases * LANES;
    float *sums = u->sums + point * floats_of_sums(t, u);

    for (size_t chunks = chunks_of(t), chunk = 0; chunk < chunks; chunk++) {
        size_t from = t->held * chunk / chunks, to = t->held * (chunk + 1) / chunks;
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
    if (t->outputs == 1 && t->wide == PANEL) {
        places(t, u, PANEL);
        return;
    }
    if (t->outputs == 1) {
        places(t, u, PANEL / 2);
        return;
    }
#define X(s, r, m)                                                                                 \
    if (t->side == (s) && t->taps == (r)) unit_##s##_##r(t, u);
    SHAPES(X)
#undef X
}

const limn_tiles_gradient_kernel JOIN(LIMN_KERNELS, _tiles_gradient) = { LANES, input_x, input_y,
                                                                         unit };
