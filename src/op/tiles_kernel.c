/* SPDX-License-Identifier: Apache-2.0
 *
 * The loops of tiles.c, compiled once a processor level, and for maps in bfloat16
 * (LIMN_TILES_PAIRS) once with products of pairs and once with what they are made of, on AVX-512.
 *
 * Lanes are channels throughout.  Transforms (tiles_points.h) are compiled for each size, so that
 * zeros and ones cost nothing.  A product keeps a block of rows (tiles) by two vectors (output
 * channels) in registers and walks the chunk; rows are dealt out evenly, so that a number of tiles
 * that no block divides wastes little.
 *
 * In bfloat16 a word of a factor holds two channels of the depth side by side; transforms and sums
 * are in float32, and only the factors are rounded once more. */
#include "op/tiles.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

#ifdef __AVX512F__
enum { LANES = 16, ROWS = 14 };
#else
enum { LANES = 8, ROWS = 6 };
#endif
enum { PANEL = 2 * LANES, SQUARE = LIMN_TILE_SIDE * LIMN_TILE_SIDE, PHASES = 4 };

#include "op/tiles_words.h"

#include "op/tiles_points.h"

/* The (side, taps, outputs) that tiles.c makes. */
#ifdef LIMN_TILES_PAIRS
#define SHAPES(X) X(3, 2, 2) X(4, 2, 3) X(4, 3, 2)
#else
#define SHAPES(X) X(3, 2, 2) X(4, 2, 3) X(5, 2, 4) X(6, 2, 5) X(6, 3, 4) X(6, 4, 3)
#endif

/* A tile of the band. */
static limn_tile_spot spot_of(const limn_tiles *t, size_t tile)
{
    return limn_tile_spot_of(&t->grid, t->first + tile);
}

/* ---- Input ----------------------------------------------------------------------------------- */

inline_here input_of(const limn_tiles *t, size_t tile, size_t block, const int side)
{
    limn_tile_spot s = spot_of(t, tile);
    int h = t->in.shape.h, w = t->in.shape.w, phases = t->in_phases;
    int step = phases == PHASES ? 2 : 1, stride = t->form == LIMN_TILES_HALVE ? 2 : 1;
    const element *from = (const element *)t->in.data + (size_t)s.picture * t->in.batch_stride +
                          block * (size_t)h * (size_t)w * LANES;

    for (int phase = 0; phase < phases; phase++) {
        size_t k = (block * (size_t)phases + (size_t)phase) * LANES;
        size_t begin = k / t->chunk * t->chunk;
        size_t length = t->depth - begin < t->chunk ? t->depth - begin : t->chunk;
        element *to = (element *)t->v + begin * t->held + tile * length + (k - begin);
        int y = s.top * stride + (phase >> 1) - t->pad_top;
        int x = s.left * stride + (phase & 1) - t->pad_left;
        vector d[SQUARE], half[SQUARE];

        if (y >= 0 && x >= 0 && y + (side - 1) * step < h && x + (side - 1) * step < w) {
            const element *corner = from + ((ptrdiff_t)y * w + x) * LANES;

            for (int i = 0; i < side; i++)
                for (int j = 0; j < side; j++)
                    d[i * side + j] = load_map(corner + ((ptrdiff_t)i * w + j) * step * LANES);
        } else {
            for (int i = 0; i < side; i++)
                for (int j = 0; j < side; j++) {
                    int b = y + i * step, a = x + j * step;

                    d[i * side + j] = b >= 0 && b < h && a >= 0 && a < w
                                          ? load_map(from + ((ptrdiff_t)b * w + a) * LANES)
                                          : (vector){ 0 };
                }
        }
        for (int j = 0; j < side; j++) enter_side(half + j, side, d + j, side, side);
        for (int i = 0; i < side; i++) {
            vector row[LIMN_TILE_SIDE];

            enter_side(row, 1, half + i * side, 1, side);
            for (int j = 0; j < side; j++)
                store_map(to + (size_t)(i * side + j) * t->words_v * PER, row[j]);
        }
    }
}

static void input(void *context, size_t begin, size_t end, int part)
{
    const limn_tiles *t = context;
    size_t blocks = (size_t)t->in.shape.c / LANES;

    (void)part;
    for (size_t unit = begin; unit < end; unit++) switch (t->side) {
        case 3:
            input_of(t, unit / blocks, unit % blocks, 3);
            break;
        case 4:
            input_of(t, unit / blocks, unit % blocks, 4);
            break;
#ifndef LIMN_TILES_PAIRS
        case 5:
            input_of(t, unit / blocks, unit % blocks, 5);
            break;
        default:
            input_of(t, unit / blocks, unit % blocks, 6);
#endif
        }
}

/* ---- Weights --------------------------------------------------------------------------------- */

/* What one thread is at: a group of columns, a chunk of the depth, a span of tiles. */
typedef struct unit {
    size_t column, depth, length, tile, tiles;
    word *u;  /* point x panel x depth x PANEL */
    float *m; /* point x tile x group */
} unit;

/* Distance from a block of weights' first tap to tap (y, x) of the stride-1 form; -1: it is zero.
 */
static int tap_of(const limn_tiles *t, int y, int x, int phase)
{
    int a = 2 * y + (phase >> 1), b = 2 * x + (phase & 1);

    switch (t->form) {
    case LIMN_TILES_HALVE:
        break;
    case LIMN_TILES_DOUBLE: /* of a 3x3 kernel too */
        a = 3 - a;
        b = 3 - b;
        break;
    case LIMN_TILES_SAME:
        a = y;
        b = x;
        __attribute__((fallthrough));
    case LIMN_TILES_QUARTER:
        if (t->large_inside) {
            a = t->kernel - 1 - a;
            b = t->kernel - 1 - b;
        }
    }
    return a < t->kernel && b < t->kernel ? a * t->kernel + b : -1;
}

static const element zeros[LANES * LANES];

/* One row of the weights' values at all points. */
inline_here weigh(vector *points, const vector *g, const int side, const int taps)
{
    vector half[SQUARE];

    for (int x = 0; x < taps; x++) weigh_side(half + x, taps, g + x, taps, side, taps);
    for (int i = 0; i < side; i++) weigh_side(points + i * side, 1, half + i * taps, 1, side, taps);
}

/* LANES rows of the depth by one vector of columns. */
inline_here weights_of(const limn_tiles *t, const unit *w, size_t row, size_t column,
                       const int side, const int taps)
{
    size_t k = (w->depth + row) / LANES, n = (w->column + column) / LANES;
    size_t k_phases = (size_t)t->in_phases, n_phases = (size_t)t->out_phases;
    size_t in_blocks = (size_t)t->in.shape.c / LANES, out_blocks = (size_t)t->out.shape.c / LANES;
    int phase = (int)(k % k_phases + n % n_phases);
    size_t block = t->large_inside ? k / k_phases * out_blocks + n / n_phases
                                   : n / n_phases * in_blocks + k / k_phases;
    const element *from = (const element *)t->weights +
                          block * (size_t)(t->kernel * t->kernel) * LANES * LANES;
    size_t ahead = (t->large_inside ? out_blocks : 1) * (size_t)(t->kernel * t->kernel) * LANES *
                   LANES;
    const element *tap[16];
    word *to = w->u + (column / PANEL * w->length + row) / PER * PANEL + column % PANEL;

    for (int y = 0; y < taps; y++)
        for (int x = 0; x < taps; x++) {
            int at = tap_of(t, y, x, phase);

            tap[y * taps + x] = at < 0 ? zeros : from + at * LANES * LANES;
        }
    for (int l = 0; l < LANES; l += PER, to += PANEL) {
        vector g[PER][SQUARE], points[PER][SQUARE];

        for (int i = 0; i < taps * taps; i++) {
            const element *at = tap[i] + l * LANES;

#ifdef LIMN_TILES_PAIRS
            words pairs = load_factor(at);

            g[0][i] = first_of(pairs);
            g[1][i] = second_of(pairs);
#else
            g[0][i] = load(at);
#endif
            /* The same of the next block in the depth: nothing else asks for it in time. */
            __builtin_prefetch(at + ahead, 0, 2);
        }
        for (int p = 0; p < PER; p++) weigh(points[p], g[p], side, taps);
        for (int i = 0; i < side * side; i++) {
            store_factor(to + (size_t)i * t->words_u, points[0][i], points[PER - 1][i]);
            __builtin_prefetch(to + (size_t)i * t->words_u + PANEL, 1, 3);
        }
    }
}

/* Phases of a block of weights one after the other, while it is in the first-level cache. */
inline_here weights(const limn_tiles *t, const unit *w, const int side, const int taps)
{
    if (t->large_inside) {
        for (size_t row = 0; row < w->length; row += LANES)
            for (size_t column = 0; column < t->group; column += LANES)
                weights_of(t, w, row, column, side, taps);
    } else {
        for (size_t column = 0; column < t->group; column += LANES)
            for (size_t row = 0; row < w->length; row += LANES)
                weights_of(t, w, row, column, side, taps);
    }
}

/* ---- Products -------------------------------------------------------------------------------- */

/* next: the tiles that come after these: one line a step brings them in time.  length: of the
 * depth, in words. */
inline_here block(float *to, size_t group, const word *v, const word *u, const word *next,
                  size_t length, bool first, const int rows)
{
    vector sums[ROWS][2];

#pragma GCC unroll 14
    for (int r = 0; r < rows; r++) {
        sums[r][0] = first ? (vector){ 0 } : load(to + (size_t)r * group);
        sums[r][1] = first ? (vector){ 0 } : load(to + (size_t)r * group + LANES);
    }
    for (size_t k = 0; k < length; k++) {
        factor one = load_factor(u + k * PANEL), two = load_factor(u + k * PANEL + LANES);

        __builtin_prefetch(next + k * 16, 0, 3);
#pragma GCC unroll 14
        for (int r = 0; r < rows; r++) {
            word x = v[(size_t)r * length + k];

            add_product(sums[r][0], x, one);
            add_product(sums[r][1], x, two);
        }
    }
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++) {
        store(to + (size_t)r * group, sums[r][0]);
        store(to + (size_t)r * group + LANES, sums[r][1]);
    }
}

static void block_of(size_t rows, float *to, size_t group, const word *v, const word *u,
                     const word *next, size_t length, bool first)
{
#define ROWS_ARE(n)                                                                                \
    case n:                                                                                        \
        block(to, group, v, u, next, length, first, n);                                            \
        break;
    switch (rows) {
        ROWS_ARE(1)
        ROWS_ARE(2)
        ROWS_ARE(3)
        ROWS_ARE(4)
        ROWS_ARE(5)
        ROWS_ARE(6)
#ifdef __AVX512F__
        ROWS_ARE(7)
        ROWS_ARE(8)
        ROWS_ARE(9)
        ROWS_ARE(10)
        ROWS_ARE(11)
        ROWS_ARE(12)
        ROWS_ARE(13)
        ROWS_ARE(14)
#endif
    }
#undef ROWS_ARE
}

static void multiply(const limn_tiles *t, const unit *w)
{
    size_t points = (size_t)(t->side * t->side), blocks = (w->tiles + ROWS - 1) / ROWS;
    size_t length = w->length / PER;
    bool first = w->depth == 0;

    for (size_t point = 0; point < points; point++) {
        const word *v = (const word *)t->v + point * t->words_v + w->depth / PER * t->held +
                        w->tile * length;

        for (size_t column = 0; column < t->group; column += PANEL) {
            const word *u = w->u + point * t->words_u + column * length;
            float *to = w->m + point * t->floats_m + column;

            for (size_t b = 0; b < blocks; b++) {
                size_t row = w->tiles * b / blocks, end = w->tiles * (b + 1) / blocks;
                const word *next = b + 1 < blocks              ? v + end * length
                                   : column + PANEL < t->group ? v
                                                               : v + t->words_v;

                block_of(end - row, to + row * t->group, t->group, v + row * length, u, next,
                         length, first);
            }
        }
    }
}

/* ---- Output ---------------------------------------------------------------------------------- */

inline_here output_of(const limn_tiles *t, const unit *w, size_t tile, size_t column,
                      const int side, const int outputs)
{
    limn_tile_spot s = spot_of(t, w->tile + tile);
    int h = t->out.shape.h, width = t->out.shape.w, phases = t->out_phases;
    int scale = phases == PHASES ? 2 : 1, step = scale * t->grid.step;
    size_t n = (w->column + column) / LANES, channel = n / (size_t)phases * LANES;
    int phase = (int)(n % (size_t)phases);
    int top = s.top * scale - (phase >> 1), left = s.left * scale - (phase & 1);
    element *to = (element *)t->out.data + (size_t)s.picture * t->out.batch_stride +
                  channel * (size_t)h * (size_t)width;
    const float *from = w->m + tile * t->group + column;
    vector p[SQUARE], half[SQUARE], bias = t->bias ? load(t->bias + channel) : (vector){ 0 };
    float slope = t->activation == LIMN_ACTIVATION_LEAKY ? t->slope : 0;
    bool whole = top >= 0 && left >= 0 && top + (outputs - 1) * step < h &&
                 left + (outputs - 1) * step < width;

    for (int i = 0; i < side * side; i++) p[i] = load(from + (size_t)i * t->floats_m);
    for (int j = 0; j < side; j++) leave_side(half + j, side, p + j, side, side, outputs);
    for (int i = 0; i < outputs; i++) {
        vector y[LIMN_TILE_SIDE];
        int b = top + i * step;

        if (!whole && (b < 0 || b >= h)) continue;
        leave_side(y, 1, half + i * side, 1, side, outputs);
        for (int j = 0; j < outputs; j++) {
            int a = left + j * step;
            vector v = y[j] + bias;

            if (!whole && (a < 0 || a >= width)) continue;
            if (t->accumulates) v += load_map(to + ((size_t)b * (size_t)width + (size_t)a) * LANES);
            if (t->activation != LIMN_ACTIVATION_NONE) v = bend(v, slope);
            store_map(to + ((size_t)b * (size_t)width + (size_t)a) * LANES, v);
        }
    }
}

inline_here unit_of(const limn_tiles *t, unit *w, const int side, const int taps, const int outputs)
{
    for (w->depth = 0; w->depth < t->depth; w->depth += t->chunk) {
        w->length = t->depth - w->depth < t->chunk ? t->depth - w->depth : t->chunk;
        weights(t, w, side, taps);
        multiply(t, w);
    }
    for (size_t tile = 0; tile < w->tiles; tile++)
        for (size_t column = 0; column < t->group; column += LANES)
            output_of(t, w, tile, column, side, outputs);
}

static void output(void *context, size_t begin, size_t end, int part)
{
    const limn_tiles *t = context;
    size_t groups = t->width / t->group, units = groups * t->spans;

    (void)part;
    for (size_t slot = begin; slot < end; slot++) {
        word *own = (word *)t->own + slot * t->words_own;

        for (size_t i = units * slot / t->parts; i < units * (slot + 1) / t->parts; i++) {
            size_t span = i / groups, from = t->held * span / t->spans;
            unit w = { .column = i % groups * t->group,
                       .tile = from,
                       .tiles = t->held * (span + 1) / t->spans - from,
                       .u = own,
                       .m = (float *)(void *)(own + (size_t)(t->side * t->side) * t->words_u) };

#define X(s, r, m)                                                                                 \
    if (t->side == (s) && t->taps == (r)) unit_of(t, &w, s, r, m);
            SHAPES(X)
#undef X
        }
    }
}

const limn_tiles_kernel JOIN(LIMN_KERNELS, _tiles) = { LANES, PANEL, input, output };
