/* SPDX-License-Identifier: Apache-2.0
 *
 * The loop of dots.c, for processors with AVX512_VNNI. */
#include "op/dots.h"

#include <immintrin.h>

enum {
    LANES = LIMN_DOTS_LANES,
    WIDE = LIMN_DOTS_WIDE,
    WIDEST = LIMN_DOTS_WIDEST,
    FEW = LIMN_DOTS_FEW,
    ROWS = 14,
    AHEAD = 512, /* bytes of weights: the first-level cache asks for them too late by itself */
};

#include "op/vectors.h"

/* What a block of pixels reads: the first one, the others `step` apart. */
typedef struct reading {
    const uint8_t *pixel;
    size_t step, row;      /* to the next row of the map */
    const int8_t *weights; /* of the first vector of outputs, */
    size_t next;           /* those of the others so far on */
    int height, width;     /* of the kernel */
    size_t fours;          /* of channels */
} reading;

/* Where results go. */
typedef struct writing {
    size_t at, step;        /* the first pixel's first channel in y, and from pixel to pixel */
    size_t channel, output; /* the first of both: outputs count the phases */
} writing;

/* The sums of a pixel and a vector of outputs to their place in y. */
static void finish(const limn_dots *d, const int32_t *sums, size_t at, size_t output)
{
    vector v = __builtin_convertvector(*(const mask *)(const void *)sums, vector);
    float slope = d->activation == LIMN_ACTIVATION_LEAKY ? d->slope : 0;

    v = v * load(d->scale + output) + load(d->shift + output);
    if (d->activation != LIMN_ACTIVATION_NONE) v = bend(v, slope);
    if (d->y.type == LIMN_F32)
        store((float *)d->y.data + at, v);
    else
        store_bf16((uint16_t *)d->y.data + at, v);
}

inline_here pixels(const limn_dots *d, const reading *r, const writing *to, const int rows,
                   const int wide)
{
    size_t plane = (size_t)d->y.shape.h * (size_t)d->y.shape.w, block = (size_t)d->y.block;
    const int8_t *w = r->weights;
    /* Where the sums go at last: a loop that is not unrolled would ask for one by number, and then
     * all of them would be in memory all the time. */
    _Alignas(64) int32_t done[ROWS * WIDE * LANES];
    __m512i sums[ROWS * WIDE];

#pragma GCC unroll 28
    for (int i = 0; i < rows * wide; i++) sums[i] = _mm512_setzero_si512();
    for (int a = 0; a < r->height; a++)
        for (int b = 0; b < r->width; b++) {
            const uint8_t *x = r->pixel + (size_t)a * r->row + (size_t)b * r->fours * 4;

            for (size_t k = 0; k < r->fours; k++, x += 4, w += 4 * LANES) {
                __m512i weights[WIDEST];

#pragma GCC unroll 4
                for (int v = 0; v < wide; v++) {
                    weights[v] = _mm512_loadu_si512(w + (size_t)v * r->next);
                    __builtin_prefetch(w + (size_t)v * r->next + AHEAD, 0, 3);
                }
#pragma GCC unroll 14
                for (int i = 0; i < rows; i++) {
                    __m512i four = _mm512_set1_epi32(
                        *(const int *)(const void *)(x + (size_t)i * r->step));

#pragma GCC unroll 4
                    for (int v = 0; v < wide; v++)
                        sums[i * wide + v] = _mm512_dpbusd_epi32(sums[i * wide + v], four,
                                                                 weights[v]);
                }
            }
        }
#pragma GCC unroll 28
    for (int i = 0; i < rows * wide; i++) _mm512_store_si512(done + i * LANES, sums[i]);
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < wide; v++) {
            size_t c = to->channel + (size_t)v * LANES;

            finish(d, done + (i * wide + v) * LANES,
                   to->at + (size_t)i * to->step + c / block * plane * block + c % block,
                   to->output + (size_t)v * LANES);
        }
}

#define PIXELS(n, wide)                                                                            \
    static void pixels_##n##_##wide(const limn_dots *d, const reading *r, const writing *to)       \
    {                                                                                              \
        pixels(d, r, to, n, wide);                                                                 \
    }
#define FEW_PIXELS(X) X(1, 4) X(2, 4) X(3, 4) X(4, 4) X(5, 4) X(6, 4)
#define MANY_PIXELS(X)                                                                             \
    X(1, 2)                                                                                        \
    X(2, 2)                                                                                        \
    X(3, 2)                                                                                        \
    X(4, 2) X(5, 2) X(6, 2) X(7, 2) X(8, 2) X(9, 2) X(10, 2) X(11, 2) X(12, 2) X(13, 2) X(14, 2)
FEW_PIXELS(PIXELS)
MANY_PIXELS(PIXELS)

typedef void (*pixels_body)(const limn_dots *d, const reading *r, const writing *to);
#define NAME(n, wide) pixels_##n##_##wide,
static const pixels_body few_pixels[] = { FEW_PIXELS(NAME) }, many_pixels[] = { MANY_PIXELS(NAME) };

/* One row of a phase of a picture. */
static void row_of(const limn_dots *d, reading *r, writing *to, int n, int h, int phase)
{
    size_t columns = (size_t)d->columns, most = d->group == WIDEST ? FEW : ROWS;
    size_t blocks = (columns + most - 1) / most;
    int down = phase >> 1, right = phase & 1, scale = d->doubled ? 2 : 1;
    const uint8_t *from = d->from + (size_t)(n * d->x.h + h * d->stride + down) * r->row +
                          (size_t)(right * d->x.c);
    size_t at = limn_at(&d->y, n, 0, scale * h + down, right);

    to->step = (size_t)(scale * d->y.block);
    for (size_t b = 0; b < blocks; b++) {
        size_t begin = columns * b / blocks, count = columns * (b + 1) / blocks - begin;
        pixels_body body;

        r->pixel = from + begin * r->step;
        to->at = at + begin * to->step;
        body = d->group == WIDEST ? few_pixels[count - 1] : many_pixels[count - 1];
        body(d, r, to);
    }
}

/* Units: spans of rows, in each the groups of outputs. */
static void dots(void *context, size_t begin, size_t end, int part)
{
    const limn_dots *d = context;
    size_t vectors = (size_t)(d->y.shape.c / LANES), rows = (size_t)(d->y.shape.n * d->rows);
    reading r = { .step = (size_t)(d->stride * d->x.c),
                  .row = (size_t)d->x.w * (size_t)d->x.c,
                  .height = d->kernel_h,
                  .width = d->kernel_w,
                  .fours = (size_t)d->x.c / 4 };
    writing to;

    (void)part;
    r.next = (size_t)(d->kernel_h * d->kernel_w) * r.fours * 4 * LANES;
    for (size_t unit = begin; unit < end; unit++) {
        size_t span = unit / d->groups, first = unit % d->groups * d->group;

        r.weights = d->weights + first * r.next;
        to.output = first * LANES;
        to.channel = first % vectors * LANES;
        for (size_t row = rows * span / d->spans; row < rows * (span + 1) / d->spans; row++)
            row_of(d, &r, &to, (int)row / d->rows, (int)row % d->rows, (int)(first / vectors));
    }
}

const limn_loop_body limn_kernels_vnni_dots = dots;
