/* SPDX-License-Identifier: Apache-2.0
 *
 * The loops of narrow.c, compiled once a processor level.
 *
 * Lanes are channels of the wide map; a number of the narrow map is broadcast to all of them.  A
 * row of the kernel is a run of `taps` numbers that is the same for every pixel but for where it
 * begins.
 *
 * The map keeps pixels by one or two blocks of channels in registers, the gradient a run of taps by
 * one block: each vector of the wide map, read once a row of the kernel, meets the whole run. */
#include "op/narrow.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

#ifdef __AVX512F__
enum { LANES = 16, PIXELS = 12 };
#else
enum { LANES = 8, PIXELS = 5 };
#endif

#include "op/vectors.h"

/* Where channel 0 of a block of a pixel's row lies in the wide map. */
static char *row_of(const limn_narrow *n, size_t picture, size_t block, size_t row)
{
    size_t at = picture * n->wide.batch_stride + block * n->block_stride +
                row * (size_t)n->wide.shape.w * n->pixel_stride;

    return (char *)n->wide.data + at * limn_type_bytes(n->wide.type);
}

static const float *padded_row(const limn_narrow *n, size_t picture, size_t row)
{
    return n->padded +
           (picture * (size_t)n->rows + row) * (size_t)n->columns * (size_t)n->narrow.shape.c;
}

/* ---- From the narrow map to the wide one ------------------------------------------------------
 */

/* Some pixels of a row, of one or two blocks.  from: the first tap of the first pixel in the first
 * row of the kernel. */
inline_here pixels_of(const limn_narrow *n, const float *from, size_t block, char *const *to,
                      const int pixels, const int blocks, const bool bf16)
{
    size_t channels = (size_t)n->narrow.shape.c, step = (size_t)n->stride * channels;
    size_t row = (size_t)n->columns * channels, all = (size_t)n->kernel_h * n->taps;
    const float *weights = n->factors + block * all * LANES;
    float slope = n->activation == LIMN_ACTIVATION_LEAKY ? n->slope : 0;
    vector sums[PIXELS][2];

#pragma GCC unroll 12
    for (int p = 0; p < pixels; p++)
        for (int b = 0; b < blocks; b++)
            sums[p][b] = n->bias ? load(n->bias + (block + (size_t)b) * LANES) : (vector){ 0 };
    for (int ky = 0; ky < n->kernel_h; ky++) {
        const float *x = from + (size_t)ky * row, *w = weights + (size_t)ky * n->taps * LANES;

        for (size_t t = 0; t < n->taps; t++) {
            vector one = load(w + t * LANES);
            vector two = blocks > 1 ? load(w + (all + t) * LANES) : one;

#pragma GCC unroll 12
            for (int p = 0; p < pixels; p++) {
                float v = x[(size_t)p * step + t];

                sums[p][0] += v * one;
                if (blocks > 1) sums[p][1] += v * two;
            }
        }
    }
    for (int b = 0; b < blocks; b++)
        for (int p = 0; p < pixels; p++) {
            size_t at = (size_t)p * n->pixel_stride;
            vector v = sums[p][b];

            if (n->adds)
                v += bf16 ? load_bf16((uint16_t *)(void *)to[b] + at)
                          : load((float *)(void *)to[b] + at);
            if (n->activation != LIMN_ACTIVATION_NONE) v = bend(v, slope);
            if (bf16)
                store_bf16((uint16_t *)(void *)to[b] + at, v);
            else
                store((float *)(void *)to[b] + at, v);
        }
}

inline_here row_of_map(const limn_narrow *n, size_t picture, size_t row, const bool bf16)
{
    size_t step = (size_t)(n->stride * n->narrow.shape.c), width = (size_t)n->wide.shape.w;
    size_t bytes = n->pixel_stride * limn_type_bytes(n->wide.type);
    const float *from = padded_row(n, picture, row * (size_t)n->stride);

    for (size_t block = 0; block < n->blocks; block += 2) {
        bool alone = block + 1 == n->blocks;
        char *line[2] = { row_of(n, picture, block, row),
                          row_of(n, picture, alone ? block : block + 1, row) };

        for (size_t p = 0, count; p < width; p += count) {
            char *to[2] = { line[0] + p * bytes, line[1] + p * bytes };
            const float *x = from + p * step;

            count = width - p >= PIXELS ? PIXELS : 1;
            if (alone && count > 1)
                pixels_of(n, x, block, to, PIXELS, 1, bf16);
            else if (alone)
                pixels_of(n, x, block, to, 1, 1, bf16);
            else if (count > 1)
                pixels_of(n, x, block, to, PIXELS, 2, bf16);
            else
                pixels_of(n, x, block, to, 1, 2, bf16);
        }
    }
}

static void map(void *context, size_t begin, size_t end, int part)
{
    const limn_narrow *n = context;
    size_t height = (size_t)n->wide.shape.h;

    (void)part;
    for (size_t unit = begin; unit < end; unit++)
        if (n->wide.type == LIMN_BF16)
            row_of_map(n, unit / height, unit % height, true);
        else
            row_of_map(n, unit / height, unit % height, false);
}

/* ---- The weights' gradient ------------------------------------------------------------------- */

/* Adds a row of the wide map times `taps` numbers of the kernel's row, beginning at x. */
inline_here run_of(const limn_narrow *n, const char *wide, const float *x, float *sums,
                   const int taps, const bool bf16)
{
    size_t step = (size_t)(n->stride * n->narrow.shape.c), width = (size_t)n->wide.shape.w;
    vector held[24];

#pragma GCC unroll 24
    for (int t = 0; t < taps; t++) held[t] = (vector){ 0 };
    for (size_t w = 0; w < width; w++) {
        size_t at = w * n->pixel_stride;
        vector v = bf16 ? load_bf16((const uint16_t *)(const void *)wide + at)
                        : load((const float *)(const void *)wide + at);

#pragma GCC unroll 24
        for (int t = 0; t < taps; t++) held[t] += x[w * step + (size_t)t] * v;
    }
#pragma GCC unroll 24
    for (int t = 0; t < taps; t++) store(sums + t * LANES, load(sums + t * LANES) + held[t]);
}

/* The longest of some lengths that still fits. */
inline_here kernel_row(const limn_narrow *n, const char *wide, const float *x, float *sums,
                       const bool bf16)
{
    size_t t = 0;

#define WHILE(length)                                                                              \
    for (; n->taps - t >= (length); t += (length))                                                 \
    run_of(n, wide, x + t, sums + t * LANES, length, bf16)
#ifdef __AVX512F__
    WHILE(24);
    WHILE(21);
#endif
    WHILE(12);
    WHILE(9);
    WHILE(4);
    WHILE(1);
#undef WHILE
}

static void gradient(void *context, size_t begin, size_t end, int part)
{
    const limn_narrow *n = context;
    size_t chunks = n->chunks / (size_t)n->wide.shape.n; /* of a picture */
    size_t height = (size_t)n->wide.shape.h, all = (size_t)n->kernel_h * n->taps * LANES;

    (void)part;
    for (size_t unit = begin; unit < end; unit++) {
        size_t chunk = unit / n->blocks, block = unit % n->blocks;
        size_t picture = chunk / chunks, row = chunk % chunks * LIMN_NARROW_ROWS;
        size_t last = row + LIMN_NARROW_ROWS < height ? row + LIMN_NARROW_ROWS : height;
        float *sums = n->factors + unit * all;

        for (size_t i = 0; i < all; i++) sums[i] = 0;
        for (; row < last; row++)
            for (int ky = 0; ky < n->kernel_h; ky++) {
                const char *wide = row_of(n, picture, block, row);
                const float *x = padded_row(n, picture, row * (size_t)n->stride + (size_t)ky);
                float *to = sums + (size_t)ky * n->taps * LANES;

                if (n->wide.type == LIMN_BF16)
                    kernel_row(n, wide, x, to, true);
                else
                    kernel_row(n, wide, x, to, false);
            }
    }
}

const limn_narrow_kernel JOIN(LIMN_KERNELS, _narrow) = { LANES, map, gradient };
