/* SPDX-License-Identifier: Apache-2.0
 *
 * The gradient of a convolution's weights is, for each place (kh, kw) of the kernel, a product of
 * two matrices: channels of x times channels of y, summed over all places of y.  AMX multiplies
 * tiles of 16 x 32 by 32 x 16, and oneDNN 2.6 does these at a tenth of their speed (60 of the 150
 * ms of a pix2pix step).
 *
 * Here both maps are arranged once, so that every tile is read from memory as it lies:
 *
 *   x  channel by channel, places side by side: a tile's row is 32 places of a channel.  With a
 *      stride of 2 even and odd rows and columns are apart, so that places stay neighbours. Padding
 *      is written out as zeros.
 *   y  pairs of places, channels side by side, as the instruction wants its right factor.
 *
 * Rows of both have the same pitch.  So the places of y, seen as one long row, meet the places of x
 * at a constant distance, which is different for each place of the kernel; where a row of y ends
 * before the pitch does, y is zero and what x has there does not matter.  The sum runs over
 * pictures and places from front to back, however units fall to threads.
 *
 * A unit is 32 x 32 channels at one place of the kernel: four tiles of sums, two of each factor,
 * which is all eight.  It ends in the blocks of 16 x 16 in which gradients lie.  What is left of
 * the time is memory: the sums of a U-Net alone are 217 MB. */
#include "op/amx.h"

#include "base/threads.h"

#include <string.h>

enum {
    TILE = 16,
    SIDE = 2 * TILE,
    STRIP = 32
}; /* channels of a tile, of a unit; places of a tile */

#if defined(__x86_64__)
#include <immintrin.h>

#define WITH_AMX __attribute__((target("amx-tile,amx-bf16,avx512f,avx512bw,avx512vl,avx512dq")))
#define SHUFFLE_LEVEL WITH_AMX
#include "op/shuffle.h"

/* As LDTILECFG reads it.  Static, because GCC tells its optimiser of the first eight bytes only. */
static const struct tile_shapes {
    unsigned char palette, start, unused[14];
    unsigned short row_bytes[16];
    unsigned char rows[16];
} shapes __attribute__((aligned(64))) = { .palette = 1,
                                          .row_bytes = { 64, 64, 64, 64, 64, 64, 64, 64 },
                                          .rows = { 16, 16, 16, 16, 16, 16, 16, 16 } };

/* oneDNN has asked the kernel for the registers. */
WITH_AMX void limn_amx_tiles(void)
{
    _tile_loadconfig(&shapes);
}

static size_t up(size_t count, size_t to)
{
    return (count + to - 1) / to * to;
}

bool limn_amx_fits(const limn_dnn_conv *c)
{
    return limn_dnn_has_amx() && c->direction == LIMN_DNN_BACKWARD_WEIGHTS && c->groups <= 1 &&
           c->x.type == LIMN_BF16 && c->y.type == LIMN_BF16 && c->x.block == c->x.shape.c &&
           c->y.block == c->y.shape.c && c->x.shape.c % SIDE == 0 && c->y.shape.c % SIDE == 0 &&
           c->kernel_h == c->kernel_w && c->stride_h == c->stride_w && c->stride_h <= 2 &&
           c->pad_top == c->pad_left;
}

void limn_amx_open(limn_amx *a, const limn_dnn_conv *c)
{
    size_t stride = (size_t)c->stride_h, reach = ((size_t)c->kernel_h - 1) / stride;
    size_t rows, pictures = (size_t)c->x.shape.n;

    *a = (limn_amx){ .x = c->x,
                     .y = c->y,
                     .kernel = c->kernel_h,
                     .stride = c->stride_h,
                     .pad = c->pad_top,
                     .accumulates = c->add_to_output,
                     .phases = c->stride_h * c->stride_h };
    a->pitch = up((size_t)c->y.shape.w + reach, 2);
    rows = (size_t)c->y.shape.h + reach;
    a->depth = up((size_t)c->y.shape.h * a->pitch, STRIP);
    /* The last strip begins `reach` rows and places further on; an odd number of lines from channel
     * to channel, so that those of a tile do not fall into the same places of the cache. */
    a->plane = up(a->depth + reach * a->pitch + reach, STRIP);
    if (a->plane < rows * a->pitch) a->plane = up(rows * a->pitch, STRIP);
    if (a->plane / STRIP % 2 == 0) a->plane += STRIP;
    a->scratch_bytes = pictures * (size_t)a->phases * (size_t)c->x.shape.c * a->plane *
                           sizeof *a->rows +
                       pictures * (size_t)c->y.shape.c * (a->depth / 2) * sizeof *a->pairs;
}

void limn_amx_bind(limn_amx *a, const void *x, const void *y, void *w, void *scratch)
{
    a->x.data = (void *)x;
    a->y.data = (void *)y;
    a->w = w;
    a->pairs = scratch;
    a->rows = (uint16_t *)(void *)(a->pairs +
                                   (size_t)a->y.shape.n * (size_t)a->y.shape.c * (a->depth / 2));
}

/* ---- Arranging ------------------------------------------------------------------------------- */

/* Two places of 16 channels, channel by channel; a place that is not there is NULL and zero. */
WITH_AMX static inline void pair(row *out, const uint16_t *first, const uint16_t *second)
{
    __m512i zero = _mm512_setzero_si512();
    __m512i a = first ? _mm512_cvtepu16_epi32(
                            _mm256_loadu_si256((const __m256i *)(const void *)first))
                      : zero;
    __m512i b = second ? _mm512_cvtepu16_epi32(
                             _mm256_loadu_si256((const __m256i *)(const void *)second))
                       : zero;

    *out = (row)_mm512_or_si512(a, _mm512_slli_epi32(b, 16));
}

/* One row of a phase of x, 16 channels: places 0 to pitch. */
WITH_AMX static void arrange_x_row(const limn_amx *a, uint16_t *to, const uint16_t *from, int first)
{
    int width = a->x.shape.w;
    size_t channels = (size_t)a->x.shape.c;

    for (size_t at = 0; at < a->pitch; at += 2 * TILE) {
        row pairs[TILE], turned[TILE];
        size_t count = (a->pitch - at) / 2 < TILE ? (a->pitch - at) / 2 : TILE;

        for (size_t k = 0; k < TILE; k++) {
            int one = first + (int)(at + 2 * k) * a->stride, two = one + a->stride;
            bool has_one = k < count && one >= 0 && one < width,
                 has_two = k < count && two >= 0 && two < width;

            pair(&pairs[k], has_one && from ? from + (size_t)one * channels : NULL,
                 has_two && from ? from + (size_t)two * channels : NULL);
        }
        transpose_words(turned, pairs);
        for (int k = 0; k < TILE; k++)
            memcpy(to + (size_t)k * a->plane + at, &turned[k], count * sizeof(uint32_t));
    }
}

/* Units: pictures x phases x blocks of 16 channels of x. */
WITH_AMX static void arrange_x(void *context, size_t begin, size_t end, int part)
{
    const limn_amx *a = context;
    size_t blocks = (size_t)a->x.shape.c / TILE;
    size_t rows = (size_t)a->y.shape.h + (size_t)((a->kernel - 1) / a->stride);
    size_t used = rows * a->pitch;

    (void)part;
    for (size_t unit = begin; unit < end; unit++) {
        size_t block = unit % blocks, phase = unit / blocks % (size_t)a->phases;
        size_t picture = unit / blocks / (size_t)a->phases;
        uint16_t *to = a->rows + unit * TILE * a->plane;
        int down = (int)phase / a->stride, across = (int)phase % a->stride;

        for (size_t h = 0; h < rows; h++) {
            int y = (int)h * a->stride + down - a->pad;
            const uint16_t *from = y >= 0 && y < a->x.shape.h
                                       ? (const uint16_t *)a->x.data + picture * a->x.batch_stride +
                                             (size_t)y * (size_t)a->x.shape.w *
                                                 (size_t)a->x.shape.c +
                                             block * TILE
                                       : NULL;

            arrange_x_row(a, to + h * a->pitch, from, across - a->pad);
        }
        for (size_t k = 0; k < TILE; k++)
            memset(to + k * a->plane + used, 0, (a->plane - used) * sizeof *to);
    }
}

/* Units: pictures x blocks of 32 channels of y. */
WITH_AMX static void arrange_y(void *context, size_t begin, size_t end, int part)
{
    const limn_amx *a = context;
    size_t blocks = (size_t)a->y.shape.c / SIDE, channels = (size_t)a->y.shape.c;
    size_t width = (size_t)a->y.shape.w, half = a->pitch / 2;

    (void)part;
    for (size_t unit = begin; unit < end; unit++) {
        const uint16_t *from = (const uint16_t *)a->y.data + unit / blocks * a->y.batch_stride +
                               unit % blocks * SIDE;
        uint32_t *to = a->pairs + unit * (a->depth / 2) * SIDE;

        for (size_t k = 0; k < a->depth / 2; k++, to += SIDE) {
            size_t h = k / half, w = k % half * 2;
            bool one = h < (size_t)a->y.shape.h && w < width, two = one && w + 1 < width;
            const uint16_t *at = one ? from + (h * width + w) * channels : from;

            pair((row *)(void *)to, one ? at : NULL, two ? at + channels : NULL);
            pair((row *)(void *)(to + TILE), one ? at + TILE : NULL,
                 two ? at + channels + TILE : NULL);
        }
    }
}

/* ---- Multiplying ----------------------------------------------------------------------------- */

/* 32 x 32 channels: tiles 0 to 3 are the sums, 4 and 5 channels of x, 6 and 7 of y. */
WITH_AMX static void multiply_unit(const limn_amx *a, size_t out, size_t in, size_t place)
{
    size_t taps = (size_t)(a->kernel * a->kernel), kh = place / (size_t)a->kernel,
           kw = place % (size_t)a->kernel;
    size_t stride = (size_t)a->stride, ins = (size_t)a->x.shape.c / TILE;
    size_t phase = kh % stride * stride + kw % stride;
    size_t shift = kh / stride * a->pitch + kw / stride;
    size_t outs = (size_t)a->y.shape.c / SIDE,
           next = ins * taps * TILE * TILE; /* block of outputs */
    float *w = a->w + ((2 * out * ins + 2 * in) * taps + place) * TILE * TILE;
    size_t beside = taps * TILE * TILE, bytes = a->plane * sizeof *a->rows;

    if (a->accumulates) {
        _tile_loadd(0, w, TILE * sizeof *w);
        _tile_loadd(1, w + next, TILE * sizeof *w);
        _tile_loadd(2, w + beside, TILE * sizeof *w);
        _tile_loadd(3, w + next + beside, TILE * sizeof *w);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    for (size_t picture = 0; picture < (size_t)a->x.shape.n; picture++) {
        const uint16_t *x = a->rows +
                            ((picture * (size_t)a->phases + phase) * ins + 2 * in) * TILE *
                                a->plane +
                            shift;
        const uint32_t *y = a->pairs + (picture * outs + out) * (a->depth / 2) * SIDE;

        for (size_t at = 0; at < a->depth; at += STRIP) {
            _tile_loadd(4, x + at, bytes);
            _tile_loadd(6, y + at / 2 * SIDE, SIDE * sizeof *y);
            _tile_loadd(7, y + at / 2 * SIDE + TILE, SIDE * sizeof *y);
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(1, 4, 7);
            _tile_loadd(5, x + TILE * a->plane + at, bytes);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
        }
    }
    _tile_stored(0, w, TILE * sizeof *w);
    _tile_stored(1, w + next, TILE * sizeof *w);
    _tile_stored(2, w + beside, TILE * sizeof *w);
    _tile_stored(3, w + next + beside, TILE * sizeof *w);
}

/* Units: blocks of outputs x blocks of inputs x places of the kernel. */
WITH_AMX static void multiply(void *context, size_t begin, size_t end, int part)
{
    const limn_amx *a = context;
    size_t taps = (size_t)(a->kernel * a->kernel), ins = (size_t)a->x.shape.c / SIDE;

    (void)part;
    limn_amx_tiles();
    for (size_t unit = begin; unit < end; unit++)
        multiply_unit(a, unit / taps / ins, unit / taps % ins, unit % taps);
    _tile_release();
}

void limn_amx_run(limn_amx *a)
{
    size_t pictures = (size_t)a->x.shape.n, xs = (size_t)a->x.shape.c, ys = (size_t)a->y.shape.c;
    size_t taps = (size_t)(a->kernel * a->kernel);

    limn_parallel(pictures * (size_t)a->phases * xs / TILE, 1, arrange_x, a);
    limn_parallel(pictures * ys / SIDE, 1, arrange_y, a);
    limn_parallel(xs / SIDE * (ys / SIDE) * taps, 1, multiply, a);
}

#else
void limn_amx_tiles(void)
{
}

bool limn_amx_fits(const limn_dnn_conv *conv)
{
    (void)conv;
    return false;
}

void limn_amx_open(limn_amx *amx, const limn_dnn_conv *conv)
{
    *amx = (limn_amx){ .x = conv->x };
}

void limn_amx_bind(limn_amx *amx, const void *x, const void *y, void *w, void *scratch)
{
    (void)amx, (void)x, (void)y, (void)w, (void)scratch;
}

void limn_amx_run(limn_amx *amx)
{
    (void)amx;
}
#endif
