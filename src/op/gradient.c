/* SPDX-License-Identifier: Apache-2.0
 *
 * The gradient of a convolution's weights is, for each place (kh, kw) of the kernel, a product of
 * two matrices: channels of x times channels of y, summed over all places of y.  AMX multiplies
 * tiles of 16 x 32 by 32 x 16, and oneDNN 2.6 does these at a tenth of their speed (60 of the 150
 * ms of a pix2pix step).  AVX512_BF16 alone multiplies pairs of places by 16 channels, and there
 * oneDNN is good at large maps; with small ones most of its time goes to memory for the gradients
 * themselves, see the end.
 *
 * Both maps are arranged once, so that every factor is read from memory as it lies:
 *
 *   x  channel by channel, places side by side: a tile's row is 32 places of a channel.  With a
 *      stride of 2 even and odd rows and columns are apart, so that places stay neighbours. Padding
 *      is written out as zeros.
 *   y  pairs of places, channels side by side, as both instructions want their right factor.
 *
 * With tiles, rows of both have the same pitch.  So the places of y, seen as one long row, meet the
 * places of x at a constant distance, which is different for each place of the kernel; where a row
 * of y ends before the pitch does, y is zero and what x has there does not matter.  Pairs go row by
 * row, because on a map of 4x4 half of that long row would be zeros.  The sum runs over pictures
 * and places from front to back, however units fall to threads.
 *
 * A unit is 32 x 32 channels at one place of the kernel: four tiles of sums, two of each factor,
 * which is all eight; or four times 8 x 32 in 16 registers.  It ends in the blocks of 16 x 16 in
 * which gradients lie.
 *
 * What is left of the time is memory: the gradients of a U-Net alone are 217 MB, written here and
 * read by the optimiser.  So where the plan finds that nobody else reads them, they stay in pieces
 * of some channels at all places of the kernel, in a thread's own scratch memory, and the update
 * (adam.c) takes each while it is in the cache. */
#include "op/gradient.h"

#include "base/cpu.h"
#include "base/threads.h"

#include <string.h>

enum {
    TILE = 16,
    SIDE = LIMN_PIECE_SIDE,
    STRIP = 32,          /* channels of a tile, of a unit; places of a tile */
    HELD = 8,            /* channels of x whose sums with 32 of y are in registers */
    PIECE = 96 * 32 * 16 /* floats: the largest that an update may ask for */
};

#if defined(__x86_64__)
#include <immintrin.h>

#define WITH_AMX __attribute__((target("amx-tile,amx-bf16,avx512f,avx512bw,avx512vl,avx512dq")))
#define WITH_BF16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))
#define SHUFFLE_LEVEL WITH_BF16
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
WITH_AMX void limn_gradient_tiles(void)
{
    _tile_loadconfig(&shapes);
}

static size_t up(size_t count, size_t to)
{
    return (count + to - 1) / to * to;
}

static bool is_arranged(const limn_tensor *t)
{
    return t->type == LIMN_BF16 && (t->block == t->shape.c || t->block == TILE) &&
           t->shape.c % SIDE == 0;
}

bool limn_gradient_fits(const limn_dnn_conv *c)
{
    return limn_cpu_has_bf16() && c->direction == LIMN_DNN_BACKWARD_WEIGHTS && c->groups <= 1 &&
           is_arranged(&c->x) && is_arranged(&c->y) && c->kernel_h == c->kernel_w &&
           c->stride_h == c->stride_w && c->stride_h <= 2 && c->pad_top == c->pad_left;
}

limn_method limn_gradient_method(void)
{
    return limn_dnn_has_amx() ? LIMN_METHOD_AMX : LIMN_METHOD_PAIRS;
}

size_t limn_gradient_piece(const limn_gradient *a)
{
    return a->accumulates ? 0 : PIECE;
}

static size_t rounded(size_t bytes)
{
    return up(bytes, 64);
}

static size_t bytes_of_pairs(const limn_gradient *a)
{
    return rounded((size_t)a->y.shape.n * (size_t)a->y.shape.c * (a->depth / 2) * sizeof *a->pairs);
}

static size_t bytes_of_rows(const limn_gradient *a)
{
    return rounded((size_t)a->x.shape.n * (size_t)a->phases * (size_t)a->x.shape.c * a->plane *
                   sizeof *a->rows);
}

void limn_gradient_open(limn_gradient *a, const limn_dnn_conv *c)
{
    size_t stride = (size_t)c->stride_h, reach = ((size_t)c->kernel_h - 1) / stride;
    size_t rows = (size_t)c->y.shape.h + reach;

    *a = (limn_gradient){ .x = c->x,
                          .y = c->y,
                          .kernel = c->kernel_h,
                          .stride = c->stride_h,
                          .pad = c->pad_top,
                          .tiles = limn_dnn_has_amx(),
                          .accumulates = c->add_to_output,
                          .phases = c->stride_h * c->stride_h };
    a->pitch = up((size_t)c->y.shape.w + reach, 2);
    a->pitch_y = a->tiles ? a->pitch : up((size_t)c->y.shape.w, 2);
    a->depth = up((size_t)c->y.shape.h * a->pitch_y, a->tiles ? STRIP : 2);
    /* The last strip begins `reach` rows and places further on; an odd number of lines from channel
     * to channel, so that those of a tile do not fall into the same places of the cache. */
    a->plane = up(a->depth + reach * a->pitch + reach, STRIP);
    if (a->plane < rows * a->pitch + 1) a->plane = up(rows * a->pitch + 1, STRIP);
    if (a->plane / STRIP % 2 == 0) a->plane += STRIP;
    a->scratch_bytes = bytes_of_pairs(a) + bytes_of_rows(a);
    if (!a->accumulates)
        a->scratch_bytes += (size_t)limn_compute_threads() * PIECE * sizeof *a->pieces;
}

void limn_gradient_bind(limn_gradient *a, const void *x, const void *y, void *w,
                        const limn_call *update, void *scratch)
{
    char *at = scratch;

    a->x.data = (void *)(uintptr_t)x;
    a->y.data = (void *)(uintptr_t)y;
    a->w = w;
    a->update = update;
    a->pairs = (uint32_t *)(void *)at;
    a->rows = (uint16_t *)(void *)(at += bytes_of_pairs(a));
    a->pieces = (float *)(void *)(at + bytes_of_rows(a));
    if (update) limn_pack_piece(update->packs, update->pack_count, SIDE, &a->outs, &a->ins);
}

/* From a pixel to the next one, and from 16 channels to the next 16. */
static size_t pixel_of(const limn_tensor *t)
{
    return (size_t)t->block;
}

static size_t block_of(const limn_tensor *t)
{
    return t->block == TILE ? (size_t)t->shape.h * (size_t)t->shape.w * TILE : TILE;
}

/* ---- Arranging ------------------------------------------------------------------------------- */

/* Two places of 16 channels, channel by channel; a place that is not there is NULL and zero. */
WITH_BF16 static inline void pair(row *out, const uint16_t *first, const uint16_t *second)
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
WITH_BF16 static void arrange_x_row(const limn_gradient *a, uint16_t *to, const uint16_t *from,
                                    int first)
{
    int width = a->x.shape.w;
    size_t pixel = pixel_of(&a->x);

    for (size_t at = 0; at < a->pitch; at += 2 * TILE) {
        row pairs[TILE], turned[TILE];
        size_t count = (a->pitch - at) / 2 < TILE ? (a->pitch - at) / 2 : TILE;

        for (size_t k = 0; k < TILE; k++) {
            int one = first + (int)(at + 2 * k) * a->stride, two = one + a->stride;
            bool has_one = k < count && one >= 0 && one < width,
                 has_two = k < count && two >= 0 && two < width;

            pair(&pairs[k], has_one && from ? from + (size_t)one * pixel : NULL,
                 has_two && from ? from + (size_t)two * pixel : NULL);
        }
        transpose_words(turned, pairs);
        for (int k = 0; k < TILE; k++)
            memcpy(to + (size_t)k * a->plane + at, &turned[k], count * sizeof(uint32_t));
    }
}

/* Units: pictures x phases x blocks of 16 channels of x. */
WITH_BF16 static void arrange_x(void *context, size_t begin, size_t end, int part)
{
    const limn_gradient *a = context;
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
                                             (size_t)y * (size_t)a->x.shape.w * pixel_of(&a->x) +
                                             block * block_of(&a->x)
                                       : NULL;

            arrange_x_row(a, to + h * a->pitch, from, across - a->pad);
        }
        for (size_t k = 0; k < TILE; k++)
            memset(to + k * a->plane + used, 0, (a->plane - used) * sizeof *to);
    }
}

/* Units: pictures x blocks of 32 channels of y. */
WITH_BF16 static void arrange_y(void *context, size_t begin, size_t end, int part)
{
    const limn_gradient *a = context;
    size_t blocks = (size_t)a->y.shape.c / SIDE, pixel = pixel_of(&a->y), block = block_of(&a->y);
    size_t width = (size_t)a->y.shape.w, half = a->pitch_y / 2;

    (void)part;
    for (size_t unit = begin; unit < end; unit++) {
        const uint16_t *from = (const uint16_t *)a->y.data + unit / blocks * a->y.batch_stride +
                               unit % blocks * 2 * block;
        uint32_t *to = a->pairs + unit * (a->depth / 2) * SIDE;

        for (size_t k = 0; k < a->depth / 2; k++, to += SIDE) {
            size_t h = k / half, w = k % half * 2;
            bool one = h < (size_t)a->y.shape.h && w < width, two = one && w + 1 < width;
            const uint16_t *at = one ? from + (h * width + w) * pixel : from;

            pair((row *)(void *)to, one ? at : NULL, two ? at + pixel : NULL);
            pair((row *)(void *)(to + TILE), one ? at + block : NULL,
                 two ? at + block + pixel : NULL);
        }
    }
}

/* ---- Multiplying ----------------------------------------------------------------------------- */

/* 32 x 32 channels at one place of the kernel.  w: where the sums go, the next 16 outputs `next`
 * further on, the next 16 inputs `beside`. */
typedef struct unit {
    size_t out, in, place; /* blocks of 32 channels */
    float *w;
    size_t next, beside;
} unit;

static const uint16_t *rows_of(const limn_gradient *a, const unit *u, size_t picture)
{
    size_t kh = u->place / (size_t)a->kernel, kw = u->place % (size_t)a->kernel;
    size_t stride = (size_t)a->stride, ins = (size_t)a->x.shape.c / TILE;
    size_t phase = kh % stride * stride + kw % stride;

    return a->rows + ((picture * (size_t)a->phases + phase) * ins + 2 * u->in) * TILE * a->plane +
           kh / stride * a->pitch + kw / stride;
}

static const uint32_t *pairs_of(const limn_gradient *a, const unit *u, size_t picture)
{
    return a->pairs + (picture * ((size_t)a->y.shape.c / SIDE) + u->out) * (a->depth / 2) * SIDE;
}

/* Tiles 0 to 3 are the sums, 4 and 5 channels of x, 6 and 7 of y. */
WITH_AMX static void multiply_tiles(const limn_gradient *a, const unit *u)
{
    size_t bytes = a->plane * sizeof *a->rows;
    float *w = u->w;

    if (a->accumulates) {
        _tile_loadd(0, w, TILE * sizeof *w);
        _tile_loadd(1, w + u->next, TILE * sizeof *w);
        _tile_loadd(2, w + u->beside, TILE * sizeof *w);
        _tile_loadd(3, w + u->next + u->beside, TILE * sizeof *w);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    for (size_t picture = 0; picture < (size_t)a->x.shape.n; picture++) {
        const uint16_t *x = rows_of(a, u, picture);
        const uint32_t *y = pairs_of(a, u, picture);

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
    _tile_stored(1, w + u->next, TILE * sizeof *w);
    _tile_stored(2, w + u->beside, TILE * sizeof *w);
    _tile_stored(3, w + u->next + u->beside, TILE * sizeof *w);
}

/* 8 channels of x, from `first` on, by 32 of y. */
WITH_BF16 static void multiply_held(const limn_gradient *a, const unit *u, size_t first)
{
    float *w = u->w + first / TILE * u->beside + first % TILE * TILE;
    size_t half = a->pitch_y / 2, height = (size_t)a->y.shape.h;
    __m512 low[HELD], high[HELD];

#pragma GCC unroll 8
    for (int i = 0; i < HELD; i++) {
        low[i] = a->accumulates ? _mm512_loadu_ps(w + i * TILE) : _mm512_setzero_ps();
        high[i] = a->accumulates ? _mm512_loadu_ps(w + u->next + i * TILE) : _mm512_setzero_ps();
    }
    for (size_t picture = 0; picture < (size_t)a->x.shape.n; picture++) {
        const uint16_t *x = rows_of(a, u, picture) + first * a->plane;
        const uint32_t *y = pairs_of(a, u, picture);

        for (size_t h = 0; h < height; h++, x += a->pitch)
            for (size_t k = 0; k < half; k++, y += SIDE) {
                __m512bh left = (__m512bh)_mm512_loadu_si512(y);
                __m512bh right = (__m512bh)_mm512_loadu_si512(y + TILE);

#pragma GCC unroll 8
                for (size_t i = 0; i < HELD; i++) {
                    __m512bh both;
                    int bits;

                    memcpy(&bits, x + i * a->plane + 2 * k, sizeof bits);
                    both = (__m512bh)_mm512_set1_epi32(bits);
                    low[i] = _mm512_dpbf16_ps(low[i], both, left);
                    high[i] = _mm512_dpbf16_ps(high[i], both, right);
                }
            }
    }
#pragma GCC unroll 8
    for (int i = 0; i < HELD; i++) {
        _mm512_storeu_ps(w + i * TILE, low[i]);
        _mm512_storeu_ps(w + u->next + i * TILE, high[i]);
    }
}

static void multiply_unit(const limn_gradient *a, const unit *u)
{
    if (a->tiles) {
        multiply_tiles(a, u);
        return;
    }
    for (size_t first = 0; first < SIDE; first += HELD) multiply_held(a, u, first);
}

/* Units: blocks of outputs x blocks of inputs x places of the kernel. */
static void multiply(void *context, size_t begin, size_t end, int part)
{
    const limn_gradient *a = context;
    size_t taps = (size_t)(a->kernel * a->kernel), ins = (size_t)a->x.shape.c / SIDE;
    unit u = { .next = 2 * ins * taps * TILE * TILE, .beside = taps * TILE * TILE };

    (void)part;
    for (size_t number = begin; number < end; number++) {
        u.out = number / taps / ins;
        u.in = number / taps % ins;
        u.place = number % taps;
        u.w = a->w + 2 * u.out * u.next + 2 * u.in * u.beside + u.place * TILE * TILE;
        multiply_unit(a, &u);
    }
}

static size_t lesser(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Units: pieces, side by side and then one below the other. */
static void multiply_pieces(void *context, size_t begin, size_t end, int part)
{
    const limn_gradient *a = context;
    size_t taps = (size_t)(a->kernel * a->kernel), outs = (size_t)a->y.shape.c;
    limn_piece piece = { .all_ins = (size_t)a->x.shape.c, .taps = taps };
    size_t across = (piece.all_ins + a->ins - 1) / a->ins;
    float *w = a->pieces + (size_t)part * PIECE;

    for (size_t number = begin; number < end; number++) {
        unit u = { .beside = taps * TILE * TILE };

        piece.out = number / across * a->outs;
        piece.in = number % across * a->ins;
        piece.outs = lesser(a->outs, outs - piece.out);
        piece.ins = lesser(a->ins, piece.all_ins - piece.in);
        u.next = piece.ins / TILE * u.beside;
        for (size_t o = 0; o < piece.outs; o += SIDE)
            for (size_t i = 0; i < piece.ins; i += SIDE)
                for (u.place = 0; u.place < taps; u.place++) {
                    u.out = (piece.out + o) / SIDE;
                    u.in = (piece.in + i) / SIDE;
                    u.w = w + o / TILE * u.next + i / TILE * u.beside + u.place * TILE * TILE;
                    multiply_unit(a, &u);
                }
        a->update->op->update(a->update, &piece, w);
    }
}

WITH_AMX static void with_tiles(void *context, size_t begin, size_t end, int part)
{
    const limn_gradient *a = context;

    limn_gradient_tiles();
    (a->update ? multiply_pieces : multiply)(context, begin, end, part);
    _tile_release();
}

void limn_gradient_run(limn_gradient *a)
{
    size_t pictures = (size_t)a->x.shape.n, xs = (size_t)a->x.shape.c, ys = (size_t)a->y.shape.c;
    size_t units = a->update ? ((xs + a->ins - 1) / a->ins) * ((ys + a->outs - 1) / a->outs)
                             : xs / SIDE * (ys / SIDE) * (size_t)(a->kernel * a->kernel);

    limn_parallel(pictures * (size_t)a->phases * xs / TILE, 1, arrange_x, a);
    limn_parallel(pictures * ys / SIDE, 1, arrange_y, a);
    limn_parallel(units, 1, a->tiles ? with_tiles : a->update ? multiply_pieces : multiply, a);
}

#else
void limn_gradient_tiles(void)
{
}

bool limn_gradient_fits(const limn_dnn_conv *conv)
{
    (void)conv;
    return false;
}

limn_method limn_gradient_method(void)
{
    return LIMN_METHOD_PAIRS;
}

size_t limn_gradient_piece(const limn_gradient *gradient)
{
    (void)gradient;
    return 0;
}

void limn_gradient_open(limn_gradient *gradient, const limn_dnn_conv *conv)
{
    *gradient = (limn_gradient){ .x = conv->x };
}

void limn_gradient_bind(limn_gradient *gradient, const void *x, const void *y, void *w,
                        const limn_call *update, void *scratch)
{
    (void)gradient, (void)x, (void)y, (void)w, (void)update, (void)scratch;
}

void limn_gradient_run(limn_gradient *gradient)
{
    (void)gradient;
}
#endif
