/* SPDX-License-Identifier: Apache-2.0
 *
 * The loops of tiles.c, compiled once a processor level.
 *
 * Lanes are channels throughout.  Transforms multiply by small dense matrices: most of their
 * elements are 0, 1 or 2, but a tile's transforms are a few hundred multiply-adds beside tens of
 * thousands in the products, and one loop serves all tile sizes.  The product keeps a block of rows
 * (tiles) by two vectors (output channels) in registers and walks the depth. */
#include "op/tiles.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

#ifdef __AVX512F__
enum { LANES = 16, ROWS = 14 };
#else
enum { LANES = 8, ROWS = 6 };
#endif
enum { PANEL = 2 * LANES };
typedef float vector __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));

/* Macros, because passing such a vector to a function means another thing to each compiler where
 * the processor level has no register that wide. */
#define load(from) (*(const vector *)(const void *)(from))
#define store(to, v) (*(vector *)(void *)(to) = (v))

/* to = left * from * left^T: rows x columns times from (columns x columns). */
static inline __attribute__((always_inline)) void both_sides(vector *to, const float *left,
                                                             const vector *from, const int rows,
                                                             const int columns)
{
    vector half[LIMN_TILE_SIDE * LIMN_TILE_SIDE];

    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            vector sum = left[i * columns] * from[j];

            for (int k = 1; k < columns; k++) sum += left[i * columns + k] * from[k * columns + j];
            half[i * columns + j] = sum;
        }
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < rows; j++) {
            vector sum = left[j * columns] * half[i * columns];

            for (int k = 1; k < columns; k++) sum += left[j * columns + k] * half[i * columns + k];
            to[i * rows + j] = sum;
        }
}

/* The pairs (side, taps) that tiles.c makes. */
#define SHAPES(X) X(3, 2, 2) X(5, 2, 4) X(6, 3, 4) X(6, 4, 3)

/* ---- Weights --------------------------------------------------------------------------------- */

/* Weight of channel k to channel n at a tap of the stride-1 form: see tiles.c. */
static inline size_t weight_at(const limn_tiles *t, int k, int n, int y, int x)
{
    int square = t->kernel * t->kernel, phase, a, b;

    switch (t->form) {
    case LIMN_TILES_HALVE: {
        int large = t->depth / 4;

        phase = k / large, a = phase >> 1, b = phase & 1;
        return ((size_t)n * (size_t)large + (size_t)(k % large)) * 16 +
               (size_t)((2 * y + a) * 4 + 2 * x + b);
    }
    case LIMN_TILES_DOUBLE: {
        int large = t->width / 4;

        phase = n / large, a = phase >> 1, b = phase & 1;
        return ((size_t)k * (size_t)large + (size_t)(n % large)) * 16 +
               (size_t)((3 - 2 * y - a) * 4 + 3 - 2 * x - b);
    }
    case LIMN_TILES_SAME:
        break;
    }
    if (t->flipped)
        return ((size_t)k * (size_t)t->width + (size_t)n) * (size_t)square +
               (size_t)(square - 1 - y * t->kernel - x);
    return ((size_t)n * (size_t)t->depth + (size_t)k) * (size_t)square +
           (size_t)(y * t->kernel + x);
}

static inline __attribute__((always_inline)) void weights_of(const limn_tiles *t, size_t unit,
                                                             const int side, const int taps)
{
    int n = (int)unit * LANES;
    size_t stride = weight_at(t, 0, n + 1, 0, 0) - weight_at(t, 0, n, 0, 0);
    size_t plane = (size_t)t->depth * (size_t)t->width;

    for (int k = 0; k < t->depth; k++) {
        vector g[LIMN_TILE_SIDE * LIMN_TILE_SIDE], half[LIMN_TILE_SIDE * LIMN_TILE_SIDE];
        float *to = t->u + ((size_t)(n / PANEL) * (size_t)t->depth + (size_t)k) * PANEL + n % PANEL;

        for (int y = 0; y < taps; y++)
            for (int x = 0; x < taps; x++) {
                const float *from = t->weights + weight_at(t, k, n, y, x);

                for (int l = 0; l < LANES; l++) g[y * taps + x][l] = from[(size_t)l * stride];
            }
        for (int i = 0; i < side; i++)
            for (int x = 0; x < taps; x++) {
                vector sum = t->weights_to[i * taps] * g[x];

                for (int y = 1; y < taps; y++) sum += t->weights_to[i * taps + y] * g[y * taps + x];
                half[i * taps + x] = sum;
            }
        for (int i = 0; i < side; i++)
            for (int j = 0; j < side; j++) {
                vector sum = t->weights_to[j * taps] * half[i * taps];

                for (int x = 1; x < taps; x++)
                    sum += t->weights_to[j * taps + x] * half[i * taps + x];
                store(to + (size_t)(i * side + j) * plane, sum);
            }
    }
}

static void weights(void *context, size_t begin, size_t end, int part)
{
    const limn_tiles *t = context;

    (void)part;
    for (size_t unit = begin; unit < end; unit++) {
#define X(s, r, m)                                                                                 \
    if (t->side == (s) && t->taps == (r)) weights_of(t, unit, s, r);
        SHAPES(X)
#undef X
    }
}

/* ---- Input ----------------------------------------------------------------------------------- */

static inline __attribute__((always_inline)) void input_of(const limn_tiles *t, size_t tile,
                                                           const int side)
{
    int per = t->tile_rows * t->tile_columns, n = (int)tile / per, at = (int)tile % per;
    int top = at / t->tile_columns * t->outputs, left = at % t->tile_columns * t->outputs;
    int h = t->in.shape.h, w = t->in.shape.w, blocks = t->in.shape.c / LANES;
    int phases = t->form == LIMN_TILES_HALVE ? 4 : 1, step = phases == 4 ? 2 : 1;
    const float *picture = (const float *)t->in.data + (size_t)n * t->in.batch_stride;
    size_t plane = (size_t)per * (size_t)t->in.shape.n * (size_t)t->depth;
    float *to = t->v + tile * (size_t)t->depth;

    for (int phase = 0; phase < phases; phase++)
        for (int b = 0; b < blocks; b++, to += LANES) {
            vector d[LIMN_TILE_SIDE * LIMN_TILE_SIDE], v[LIMN_TILE_SIDE * LIMN_TILE_SIDE];
            const float *from = picture + (size_t)b * (size_t)h * (size_t)w * LANES;

            for (int i = 0; i < side; i++)
                for (int j = 0; j < side; j++) {
                    int y = (top + i) * step + (phase >> 1) - t->pad_top;
                    int x = (left + j) * step + (phase & 1) - t->pad_left;

                    d[i * side + j] = y >= 0 && y < h && x >= 0 && x < w
                                          ? load(from + ((size_t)y * (size_t)w + (size_t)x) * LANES)
                                          : (vector){ 0 };
                }
            both_sides(v, t->to_points, d, side, side);
            for (int i = 0; i < side * side; i++) store(to + (size_t)i * plane, v[i]);
        }
}

static void input(void *context, size_t begin, size_t end, int part)
{
    const limn_tiles *t = context;

    (void)part;
    for (size_t tile = begin; tile < end; tile++) {
        if (t->side == 3) input_of(t, tile, 3);
        if (t->side == 5) input_of(t, tile, 5);
        if (t->side == 6) input_of(t, tile, 6);
    }
}

/* ---- Products -------------------------------------------------------------------------------- */

static inline __attribute__((always_inline)) void block(float *to, size_t to_stride, const float *v,
                                                        const float *u, size_t depth,
                                                        const int rows)
{
    vector sums[ROWS][2] = { { { 0 } } };

    for (size_t k = 0; k < depth; k++) {
        vector first = load(u + k * PANEL), second = load(u + k * PANEL + LANES);

#pragma GCC unroll 14
        for (int r = 0; r < rows; r++) {
            float x = v[(size_t)r * depth + k];

            sums[r][0] += x * first;
            sums[r][1] += x * second;
        }
    }
    for (int r = 0; r < rows; r++) {
        store(to + (size_t)r * to_stride, sums[r][0]);
        store(to + (size_t)r * to_stride + LANES, sums[r][1]);
    }
}

static void multiply(void *context, size_t begin, size_t end, int part)
{
    const limn_tiles *t = context;
    size_t panels = (size_t)t->width / PANEL, depth = (size_t)t->depth, width = (size_t)t->width;
    size_t tiles = (size_t)t->in.shape.n * (size_t)t->tile_rows * (size_t)t->tile_columns;

    (void)part;
    for (size_t unit = begin; unit < end; unit++) {
        size_t point = unit / panels, panel = unit % panels, row = 0;
        const float *u = t->u + (point * panels + panel) * depth * PANEL;
        const float *v = t->v + point * tiles * depth;
        float *to = t->products + point * tiles * width + panel * PANEL;

        for (; row + ROWS <= tiles; row += ROWS)
            block(to + row * width, width, v + row * depth, u, depth, ROWS);
        for (; row + ROWS / 2 <= tiles; row += ROWS / 2)
            block(to + row * width, width, v + row * depth, u, depth, ROWS / 2);
        for (; row < tiles; row++) block(to + row * width, width, v + row * depth, u, depth, 1);
    }
}

/* ---- Output ---------------------------------------------------------------------------------- */

static inline __attribute__((always_inline)) void output_of(const limn_tiles *t, size_t tile,
                                                            const int side, const int outputs)
{
    int per = t->tile_rows * t->tile_columns, n = (int)tile / per, at = (int)tile % per;
    int top = at / t->tile_columns * outputs, left = at % t->tile_columns * outputs;
    int h = t->out.shape.h, w = t->out.shape.w, channels = t->out.shape.c;
    int step = t->form == LIMN_TILES_DOUBLE ? 2 : 1;
    float *picture = (float *)t->out.data + (size_t)n * t->out.batch_stride;
    size_t plane = (size_t)per * (size_t)t->in.shape.n * (size_t)t->width;
    const float *from = t->products + tile * (size_t)t->width;
    float slope = t->activation == LIMN_ACTIVATION_LEAKY  ? t->slope
                  : t->activation == LIMN_ACTIVATION_RELU ? 0
                                                          : 1;

    for (int c = 0; c < t->width; c += LANES, from += LANES) {
        vector p[LIMN_TILE_SIDE * LIMN_TILE_SIDE], half[LIMN_TILE_SIDE * LIMN_TILE_SIDE];
        int phase = c / channels, channel = c % channels;
        vector bias = t->bias ? load(t->bias + channel) : (vector){ 0 };
        float *to = picture + (size_t)channel * (size_t)h * (size_t)w;

        for (int i = 0; i < side * side; i++) p[i] = load(from + (size_t)i * plane);
        for (int i = 0; i < outputs; i++)
            for (int j = 0; j < side; j++) {
                vector sum = t->from_points[i * side] * p[j];

                for (int k = 1; k < side; k++)
                    sum += t->from_points[i * side + k] * p[k * side + j];
                half[i * side + j] = sum;
            }
        for (int i = 0; i < outputs; i++)
            for (int j = 0; j < outputs; j++) {
                int y = (top + i) * step - (phase >> 1), x = (left + j) * step - (phase & 1);
                vector sum = bias;

                if (y < 0 || y >= h || x < 0 || x >= w) continue;
                for (int k = 0; k < side; k++)
                    sum += t->from_points[j * side + k] * half[i * side + k];
                for (int l = 0; l < LANES; l++) sum[l] = sum[l] > 0 ? sum[l] : slope * sum[l];
                store(to + ((size_t)y * (size_t)w + (size_t)x) * LANES, sum);
            }
    }
}

static void output(void *context, size_t begin, size_t end, int part)
{
    const limn_tiles *t = context;

    (void)part;
    for (size_t tile = begin; tile < end; tile++) {
#define X(s, r, m)                                                                                 \
    if (t->side == (s) && t->taps == (r)) output_of(t, tile, s, m);
        SHAPES(X)
#undef X
    }
}

const limn_tiles_kernel JOIN(LIMN_KERNELS, _tiles) = { LANES, PANEL,    weights,
                                                       input, multiply, output };
