/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolutions by tiles against the plain loops: every form and its reverse, every pair of taps and
 * outputs, maps that the tiles do not divide, channels that the chunks do not divide, tiles in more
 * spans and bands than one, batches inside something larger, bias and activation, sums onto what is
 * there, scratch memory full of NaN, weights that change between two runs.  In float32, and on
 * AVX-512 in bfloat16.  Run once a processor level (LIMN_CPU).
 *
 * In bfloat16 the maps and weights of both sides are what bfloat16 can hold; so what differs is the
 * rounding of transformed values and of the result, each 2^-7 / sqrt(12) of a value of 1 to
 * 2, 1.6e-3 of it in the mean.  For tiles of 2 outputs and 2 taps a transformed value is the sum of
 * 2 or 1 of the tile's by 1 or 2 of the weights', a product has twice the variance of a direct one
 * on each side of the picture, and a result as many of them: 4 * 2 roundings' variance and its
 * own, 4.8e-3. Sides of 4 have 2.8 * 2 and 4.1e-3.  Held under 5.5e-3. */
#include "base/cpu.h"
#include "base/random.h"
#include "op/convolution.h"
#include "op/tiles.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "own_arena.h"

enum { EXTRA = 512 }; /* floats between pictures */

typedef struct problem {
    int n, large, small, kernel, stride, pad, h, w; /* h, w: of the large side */
} problem;

static const problem problems[] = {
    { 1, 32, 32, 4, 2, 1, 64, 64 }, /* tiles fit */
    { 2, 32, 64, 4, 2, 1, 70, 66 }, /* they stick out; two spans */
    { 1, 64, 32, 4, 2, 1, 16, 8 },    { 1, 64, 96, 4, 2, 1, 36, 36 },
    { 1, 32, 32, 4, 2, 1, 12, 12 },   { 2, 32, 32, 4, 2, 1, 4, 2 }, /* one tile */
    { 1, 32, 64, 4, 1, 1, 32, 32 },                                 /* the critic's */
    { 2, 64, 32, 4, 1, 2, 7, 12 },    { 1, 32, 32, 4, 1, 0, 9, 5 },
    { 1, 32, 32, 4, 1, 0, 4, 7 },                                    /* one row of results */
    { 1, 32, 64, 3, 2, 1, 34, 34 },   { 2, 64, 32, 3, 2, 1, 16, 8 }, /* a ResNet's */
    { 1, 96, 160, 4, 1, 1, 9, 9 },                                   /* chunks that do not fit */
    { 1, 32, 64, 3, 1, 1, 17, 20 },   { 2, 32, 32, 3, 1, 0, 18, 11 },
    { 1, 32, 160, 3, 1, 1, 40, 40 },  { 2, 32, 32, 4, 2, 1, 160, 160 }, /* two bands */
    { 1, 64, 32, 4, 2, 1, 192, 192 }, { 1, 288, 32, 3, 1, 1, 6, 6 },
    { 1, 128, 32, 4, 2, 1, 12, 12 }, /* in bfloat16 too */
};

enum { PLAIN, RELU, LEAKY, SUM, TAILS };

/* What tiles.c made of the problems of a type. */
typedef struct made {
    int of[5][LIMN_TILE_SIDE + 1];     /* taps, outputs */
    int in_phases[LIMN_TILE_SIDE + 1]; /* outputs, of those whose results are in phases */
    size_t most_spans, most_chunks, broken_chunks, most_bands;
    double worst;
} made;

/* In bfloat16 what it can hold. */
static float *noise(size_t count, uint32_t stream, limn_type type)
{
    limn_random random = { .seed = 11, .stream = stream };
    float *values = take(count * sizeof *values);

    for (size_t i = 0; i < count; i++) {
        values[i] = 2 * limn_random_uniform(&random, i) - 1;
        if (type == LIMN_BF16) values[i] = limn_from_bf16(limn_to_bf16(values[i]));
    }
    return values;
}

static limn_tensor plain(int n, int c, int h, int w, float *data)
{
    return (limn_tensor){ { n, c, h, w }, LIMN_F32, 1, (size_t)c * (size_t)h * (size_t)w, data };
}

static float get(const limn_tensor *t, size_t i)
{
    return t->type == LIMN_F32 ? ((const float *)t->data)[i]
                               : limn_from_bf16(((const uint16_t *)t->data)[i]);
}

static void put(limn_tensor *t, size_t i, float value)
{
    if (t->type == LIMN_F32)
        ((float *)t->data)[i] = value;
    else
        ((uint16_t *)t->data)[i] = limn_to_bf16(value);
}

/* The same in blocks, with room between pictures that must stay as it is. */
static limn_tensor blocked(const limn_tensor *from, limn_type type)
{
    limn_tensor t = *from;
    size_t count;

    t.type = type;
    t.block = limn_cpu() == LIMN_CPU_AVX512 ? 16 : 8;
    t.batch_stride += EXTRA;
    count = t.batch_stride * (size_t)t.shape.n;
    t.data = take(count * limn_type_bytes(type));
    for (size_t i = 0; i < count; i++) put(&t, i, 77);
    limn_tensor_copy(&t, from);
    return t;
}

/* The weights in blocks, as tiles.h wants them. */
static limn_tensor weights_in_blocks(const limn_tensor *w, bool large_inside, limn_type type)
{
    int block = limn_tiles_lanes(), square = w->shape.h * w->shape.w;
    int per = type == LIMN_BF16 ? 2 : 1; /* channels that are not the result's, side by side */
    limn_tensor to = *w;
    size_t from = 0;

    to.type = type;
    to.data = take(limn_count(w->shape) * limn_type_bytes(type));
    for (int o = 0; o < w->shape.n; o++)
        for (int i = 0; i < w->shape.c; i++)
            for (int tap = 0; tap < square; tap++) {
                int result = (large_inside ? i : o) % block;
                int other = (large_inside ? o : i) % block;
                int at = ((o / block * (w->shape.c / block) + i / block) * square + tap) * block *
                             block +
                         (other / per * block + result) * per + other % per;

                put(&to, (size_t)at, get(w, from++));
            }
    return to;
}

static void check(const problem *p, bool reverse, int tail, limn_type type, made *m)
{
    bool bias = tail == RELU || tail == LEAKY;
    limn_activation activation = tail == RELU    ? LIMN_ACTIVATION_RELU
                                 : tail == LEAKY ? LIMN_ACTIVATION_LEAKY
                                                 : LIMN_ACTIVATION_NONE;
    limn_args args = { .stride = p->stride,
                       .pad_top = p->pad,
                       .pad_left = p->pad,
                       .pad_bottom = p->pad,
                       .pad_right = p->pad };
    int h = (p->h + 2 * p->pad - p->kernel) / p->stride + 1;
    int w = (p->w + 2 * p->pad - p->kernel) / p->stride + 1;
    limn_tensor large = plain(p->n, p->large, p->h, p->w,
                              noise((size_t)p->n * p->large * p->h * p->w, 1, type));
    limn_tensor small = plain(p->n, p->small, h, w,
                              noise((size_t)p->n * p->small * h * w, 2, type));
    limn_tensor weights = plain(
        p->small, p->large, p->kernel, p->kernel,
        noise((size_t)p->small * p->large * p->kernel * p->kernel, 3, type));
    limn_tensor *want = reverse ? &large : &small, first = *want, got = *want;
    const float *shift = bias ? noise((size_t)want->shape.c, 4, type) : NULL;
    limn_tensor in = blocked(reverse ? &small : &large, type), out = blocked(want, type), blocks;
    size_t count = limn_count(want->shape), one = count / (size_t)p->n;
    double error = 0, size = 0;
    limn_tiles tiles;
    void *scratch;

    if (reverse)
        limn_convolve_data(&large, &weights, shift, &small, &args, tail == SUM);
    else
        limn_convolve(&large, &weights, shift, &small, &args, tail == SUM);
    for (size_t i = 0; i < count; i++) {
        float *v = (float *)want->data + i;

        *v = limn_activation_value(activation, 0.2f, *v);
    }
    assert_true(limn_tiles_fits(&in, &out, weights.shape, &args, reverse));
    limn_tiles_open(&tiles, &in, &out, weights.shape, &args, reverse);
    tiles.activation = activation;
    tiles.slope = 0.2f;
    tiles.accumulates = tail == SUM;
    m->of[tiles.taps][tiles.outputs]++;
    m->in_phases[tiles.outputs] += tiles.grid.step == 2;
    if (tiles.spans > m->most_spans) m->most_spans = tiles.spans;
    if (tiles.depth / tiles.chunk > m->most_chunks) m->most_chunks = tiles.depth / tiles.chunk;
    if (tiles.tiles / tiles.band > m->most_bands) m->most_bands = tiles.tiles / tiles.band;
    m->broken_chunks += tiles.depth % tiles.chunk != 0;
    blocks = weights_in_blocks(&weights, tiles.large_inside, type);
    scratch = take(tiles.scratch_bytes);
    memset(scratch, 0xff, tiles.scratch_bytes + 64);
    limn_tiles_bind(&tiles, in.data, blocks.data, shift, out.data, scratch);
    limn_tiles_run(&tiles);
    for (int i = 0; i < 64; i++)
        assert_int_equal(0xff, ((unsigned char *)scratch)[tiles.scratch_bytes + (size_t)i]);
    for (int n = 0; n < p->n; n++)
        for (int i = 0; i < EXTRA; i++)
            assert_true(get(&out, (size_t)n * out.batch_stride + one + (size_t)i) == 77);
    first.data = take(count * sizeof(float));
    limn_tensor_copy(&first, &out);
    for (size_t i = 0; i < count; i++) {
        double d = (double)((float *)first.data)[i] - (double)((float *)want->data)[i];

        error += d * d;
        size += (double)((float *)want->data)[i] * (double)((float *)want->data)[i];
    }
    if (tail == PLAIN) { /* nothing of the weights is kept: twice the weights, exactly twice */
        for (size_t i = 0; i < limn_count(weights.shape); i++) put(&blocks, i, 2 * get(&blocks, i));
        limn_tiles_run(&tiles);
        got.data = take(count * sizeof(float));
        limn_tensor_copy(&got, &out);
        for (size_t i = 0; i < count; i++)
            assert_true(((float *)got.data)[i] == 2 * ((float *)first.data)[i]);
    }
    if (sqrt(error / size) > m->worst) m->worst = sqrt(error / size);
    if (!(sqrt(error / size) <= (type == LIMN_F32 ? 2e-6 : 5.5e-3)))
        fail_msg("%dx%d kernel %d stride %d pad %d%s: relative error %g", p->h, p->w, p->kernel,
                 p->stride, p->pad, reverse ? " reverse" : "", sqrt(error / size));
}

static void check_all(limn_type type, made *m)
{
    for (size_t i = 0; i < sizeof problems / sizeof *problems; i++)
        for (int reverse = 0; reverse < 2; reverse++)
            for (int tail = 0; tail < TAILS; tail++) {
                if (problems[i].h * problems[i].w > 20000 && tail != PLAIN) continue; /* slow */
                limn_arena_open(&arena, "test", 1 << 20);
                check(&problems[i], reverse, tail, type, m);
                limn_arena_close(&arena);
            }
    assert_true(m->most_spans > 1 && m->most_chunks > 1 && m->most_bands > 1);
    print_message("worst relative error %.2g\n", m->worst);
}

static void test_float32(void **unused)
{
    made m = { 0 };

    (void)unused;
    check_all(LIMN_F32, &m);
    for (int outputs = 2; outputs <= 5; outputs++)
        if (!m.of[2][outputs]) fail_msg("no problem has tiles of %d outputs, 2 taps", outputs);
    assert_true(m.of[3][4] && m.of[4][3] && m.broken_chunks);
    assert_false(m.in_phases[2] || m.in_phases[3]);
}

static void test_bfloat16(void **unused)
{
    made m = { 0 };

    (void)unused;
    if (limn_cpu() != LIMN_CPU_AVX512) skip();
    check_all(LIMN_BF16, &m);
    assert_true(m.of[2][2] && m.of[2][3] && m.of[3][2] && m.broken_chunks);
    assert_true(m.in_phases[2] && m.in_phases[3]);
}

/* What it must leave to others. */
static void test_unfit(void **unused)
{
    static const problem unfit[] = {
        { 1, 32, 32, 4, 2, 0, 18, 18 }, { 1, 32, 32, 4, 2, 1, 9, 9 }, { 1, 32, 32, 3, 2, 0, 9, 9 },
        { 1, 32, 32, 3, 2, 1, 9, 9 },   { 1, 32, 32, 5, 1, 2, 8, 8 }, { 1, 32, 24, 3, 1, 1, 8, 8 },
    };

    (void)unused;
    for (size_t i = 0; i < sizeof unfit / sizeof *unfit; i++) {
        const problem *p = &unfit[i];
        limn_args args = { .stride = p->stride, .pad_top = p->pad, .pad_left = p->pad };
        int block = limn_cpu() == LIMN_CPU_AVX512 ? 16 : 8;
        limn_tensor in = plain(1, p->large, p->h, p->w, NULL);
        limn_tensor out = plain(1, p->small, (p->h + 2 * p->pad - p->kernel) / p->stride + 1,
                                (p->w + 2 * p->pad - p->kernel) / p->stride + 1, NULL);

        in.block = block;
        out.block = p->small % block ? p->small : block;
        assert_false(limn_tiles_fits(
            &in, &out, (limn_shape){ p->small, p->large, p->kernel, p->kernel }, &args, false));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_float32),
        cmocka_unit_test(test_bfloat16),
        cmocka_unit_test(test_unfit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
