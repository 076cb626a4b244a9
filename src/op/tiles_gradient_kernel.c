/* SPDX-License-Identifier: Apache-2.0
 *
 * The loops of tiles_gradient.c, compiled once a processor level.
 *
 * Lanes are channels throughout; a product is some channels of x, each spread over a vector, times
 * two vectors of channels of y.  Transforms (tiles_points.h) are compiled for each size. */
#include "op/tiles.h"
#include "op/tiles_gradient.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

#ifdef __AVX512F__
enum { LANES = 16, HELD = 8 };
#else
enum { LANES = 8, HELD = 4 };
#endif
enum {
    PANEL = 2 * LANES,
    SQUARE = LIMN_TILE_SIDE * LIMN_TILE_SIDE,
    PHASES = 4,
    MANY = 64, /* tiles from which on the sums of a whole unit are held: see unit_of */
};
typedef float vector __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));

/* Macros, because passing such a vector to a function means another thing to each compiler where
 * the processor level has no register that wide. */
#define load(from) (*(const vector *)(const void *)(from))
#define store(to, v) (*(vector *)(void *)(to) = (v))
#define inline_here static inline __attribute__((always_inline)) void

#include "op/tiles_points.h"

/* The (side, taps, outputs) that tiles_gradient.c makes, beside places. */
#define SHAPES(X) X(3, 2, 2) X(4, 2, 3) X(5, 2, 4) X(6, 2, 5) X(6, 3, 4) X(6, 4, 3)

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
    float *to = t->u + block / 2 * t->points * t->floats_y + tile * PANEL + block % 2 * LANES;
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

    store(t->u + block / 2 * t->floats_y + place * PANEL + block % 2 * LANES, load(from));
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

/* HELD channels of x by a panel of y over all tiles of the band.  Sums go to rows of `to`, pitch
 * apart, the panel's second half `beside` the first. */
inline_here product(float *to, size_t pitch, size_t beside, const float *x, const float *y,
                    size_t tiles, bool adds)
{
    vector sums[HELD][2];

#pragma GCC unroll 8
    for (int r = 0; r < HELD; r++) sums[r][0] = sums[r][1] = (vector){ 0 };
    for (size_t k = 0; k < tiles; k++, x += LANES, y += PANEL) {
        vector one = load(y), two = load(y + LANES);

#pragma GCC unroll 8
        for (int r = 0; r < HELD; r++) {
            sums[r][0] += x[r] * one;
            sums[r][1] += x[r] * two;
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < HELD; r++, to += pitch) {
        if (adds) {
            sums[r][0] += load(to);
            sums[r][1] += load(to + beside);
        }
        store(to, sums[r][0]);
        store(to + beside, sums[r][1]);
    }
}

/* Row: channel of x in a unit, phase by phase within a block. */
static const float *x_at(const limn_tiles_gradient *t, const limn_tiles_gradient_unit *u,
                         size_t row, size_t point)
{
    return t->v + ((u->block * (size_t)t->phases + row / LANES) * t->points + point) * t->floats_x +
           row % LANES;
}

static const float *y_at(const limn_tiles_gradient *t, const limn_tiles_gradient_unit *u,
                         size_t panel, size_t point)
{
    return t->u + ((u->panel + panel) * t->points + point) * t->floats_y;
}

static void places(const limn_tiles_gradient *t, const limn_tiles_gradient_unit *u)
{
    for (size_t panel = 0; panel < u->panels; panel++) {
        const float *y = t->u + (u->panel + panel) * t->floats_y;

        for (size_t block = 0; block < u->blocks; block++)
            for (size_t point = 0; point < t->points; point++) {
                float *to = u->w + 2 * panel * u->next + block * u->beside + point * LANES * LANES;

                for (size_t row = 0; row < LANES; row += HELD)
                    product(to + row * LANES, LANES, u->next,
                            x_at(t, u, block * LANES + row, point), y, t->held, u->adds);
            }
    }
}

/* ---- Sums back to the places of the kernel --------------------------------------------------- */

/* Some rows by some panels of a unit: what the sums are held of at a time. */
typedef struct part {
    size_t row, rows, panel, panels;
    size_t pitch, floats; /* of the sums: from row to row, from point to point */
} part;

inline_here gather(const limn_tiles_gradient *t, const limn_tiles_gradient_unit *u, const part *p,
                   size_t row, size_t column, const int side, const int taps)
{
    const float *from = u->sums + row * p->pitch + column;
    size_t at = p->row + row, block = at / LANES / (size_t)t->phases;
    int phase = (int)(at / LANES % (size_t)t->phases), step = t->stride;
    float *to = u->w + (2 * p->panel + column / LANES) * u->next + block * u->beside +
                at % LANES * LANES;
    vector q[SQUARE], half[SQUARE], g[LIMN_TILE_SIDE];

    for (int i = 0; i < side * side; i++) q[i] = load(from + (size_t)i * p->floats);
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

inline_here part_of(const limn_tiles_gradient *t, const limn_tiles_gradient_unit *u, const part *p,
                    const int side, const int taps)
{
    for (size_t point = 0; point < t->points; point++)
        for (size_t panel = 0; panel < p->panels; panel++)
            for (size_t row = 0; row < p->rows; row += HELD)
                product(u->sums + point * p->floats + row * p->pitch + panel * PANEL, p->pitch,
                        LANES, x_at(t, u, p->row + row, point), y_at(t, u, p->panel + panel, point),
                        t->held, false);
    for (size_t row = 0; row < p->rows; row++)
        for (size_t column = 0; column < p->panels * PANEL; column += LANES)
            gather(t, u, p, row, column, side, taps);
}

/* With many tiles the whole unit goes point by point, for what it reads of a point is in the
 * first-level cache then; with few of them the sums are more than what is read, and it goes in
 * parts whose sums stay in that cache. */
inline_here unit_of(const limn_tiles_gradient *t, const limn_tiles_gradient_unit *u, const int side,
                    const int taps)
{
    size_t rows = u->blocks * (size_t)t->phases * LANES;
    part p = { .rows = t->held < MANY ? HELD : rows, .panels = t->held < MANY ? 1 : u->panels };

    p.pitch = p.panels * PANEL;
    p.floats = p.rows * p.pitch + LANES;
    for (p.panel = 0; p.panel < u->panels; p.panel += p.panels)
        for (p.row = 0; p.row < rows; p.row += p.rows) part_of(t, u, &p, side, taps);
}

static void unit(const limn_tiles_gradient *t, const limn_tiles_gradient_unit *u)
{
    if (t->outputs == 1) places(t, u);
#define X(s, r, m)                                                                                 \
    if (t->side == (s) && t->taps == (r) && t->outputs == (m)) unit_of(t, u, s, r);
    SHAPES(X)
#undef X
}

const limn_tiles_gradient_kernel JOIN(LIMN_KERNELS, _tiles_gradient) = { LANES, input_x, input_y,
                                                                         unit };
