/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolutions by tiles against the plain loops: every form and its reverse, every pair of taps and
 * outputs, maps that the tiles do not divide, batches inside something larger, bias and activation,
 * scratch memory full of NaN.  Run once a processor level (LIMN_CPU). */
#include "base/cpu.h"
#include "base/random.h"
#include "op/convolution.h"
#include "op/tiles.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { EXTRA = 512 }; /* floats between pictures */

typedef struct problem {
    int n, large, small, kernel, stride, pad, h, w; /* h, w: of the large side */
} problem;

static const problem problems[] = {
    { 1, 32, 32, 4, 2, 1, 64, 64 }, /* m = 4, tiles fit */
    { 2, 32, 64, 4, 2, 1, 70, 66 }, /* m = 4, tiles stick out */
    { 1, 64, 32, 4, 2, 1, 16, 8 },  /* m = 2 */
    { 2, 32, 32, 4, 2, 1, 4, 2 },   /* one tile */
    { 1, 32, 64, 4, 1, 1, 32, 32 }, /* the critic's */
    { 2, 64, 32, 4, 1, 2, 7, 12 },  { 1, 32, 32, 4, 1, 0, 9, 5 },
    { 1, 32, 64, 3, 1, 1, 17, 20 }, { 2, 32, 32, 3, 1, 0, 18, 11 },
};

static limn_arena arena;

static void *take(size_t bytes)
{
    void *memory = limn_take(&arena, bytes + 64);

    assert_non_null(memory);
    return memory;
}

static float *noise(size_t count, uint32_t stream)
{
    limn_random random = { .seed = 11, .stream = stream };
    float *values = take(count * sizeof *values);

    for (size_t i = 0; i < count; i++) values[i] = 2 * limn_random_uniform(&random, i) - 1;
    return values;
}

static limn_tensor plain(int n, int c, int h, int w, float *data)
{
    return (limn_tensor){ { n, c, h, w }, LIMN_F32, 1, (size_t)c * (size_t)h * (size_t)w, data };
}

/* The same in blocks, with room between pictures that must stay as it is. */
static limn_tensor blocked(const limn_tensor *from)
{
    limn_tensor t = *from;
    size_t count;

    t.block = limn_cpu() == LIMN_CPU_AVX512 ? 16 : 8;
    t.batch_stride += EXTRA;
    count = t.batch_stride * (size_t)t.shape.n;
    t.data = take(count * sizeof(float));
    for (size_t i = 0; i < count; i++) ((float *)t.data)[i] = 77;
    limn_tensor_copy(&t, from);
    return t;
}

static void check(const problem *p, bool reverse, bool bias, limn_activation activation)
{
    limn_args args = { .stride = p->stride,
                       .pad_top = p->pad,
                       .pad_left = p->pad,
                       .pad_bottom = p->pad,
                       .pad_right = p->pad };
    int h = (p->h + 2 * p->pad - p->kernel) / p->stride + 1;
    int w = (p->w + 2 * p->pad - p->kernel) / p->stride + 1;
    limn_tensor large = plain(p->n, p->large, p->h, p->w,
                              noise((size_t)p->n * p->large * p->h * p->w, 1));
    limn_tensor small = plain(p->n, p->small, h, w, noise((size_t)p->n * p->small * h * w, 2));
    limn_tensor weights = plain(p->small, p->large, p->kernel, p->kernel,
                                noise((size_t)p->small * p->large * p->kernel * p->kernel, 3));
    limn_tensor *want = reverse ? &large : &small, got = *want;
    const float *shift = bias ? noise((size_t)want->shape.c, 4) : NULL;
    limn_tensor in = blocked(reverse ? &small : &large), out = blocked(want);
    size_t count = limn_count(want->shape), one = count / (size_t)p->n;
    double error = 0, size = 0;
    limn_tiles tiles;
    void *scratch;

    if (reverse)
        limn_convolve_data(&large, &weights, shift, &small, &args, false);
    else
        limn_convolve(&large, &weights, shift, &small, &args, false);
    for (size_t i = 0; i < count; i++) {
        float *v = (float *)want->data + i;

        *v = limn_activation_value(activation, 0.2f, *v);
    }
    assert_true(limn_tiles_fits(&in, &out, weights.shape, &args, reverse));
    limn_tiles_open(&tiles, &in, &out, weights.shape, &args, reverse);
    tiles.activation = activation;
    tiles.slope = 0.2f;
    scratch = take(tiles.scratch_bytes);
    memset(scratch, 0xff, tiles.scratch_bytes + 64);
    limn_tiles_bind(&tiles, in.data, weights.data, shift, out.data, scratch);
    limn_tiles_run(&tiles);
    for (int i = 0; i < 64; i++)
        assert_int_equal(0xff, ((unsigned char *)scratch)[tiles.scratch_bytes + (size_t)i]);
    for (int n = 0; n < p->n; n++)
        for (int i = 0; i < EXTRA; i++)
            assert_true(((float *)out.data)[(size_t)n * out.batch_stride + one + (size_t)i] == 77);
    got.data = take(count * sizeof(float));
    limn_tensor_copy(&got, &out);
    for (size_t i = 0; i < count; i++) {
        double d = (double)((float *)got.data)[i] - (double)((float *)want->data)[i];

        error += d * d;
        size += (double)((float *)want->data)[i] * (double)((float *)want->data)[i];
    }
    if (!(sqrt(error) <= 2e-6 * sqrt(size)))
        fail_msg("%dx%d kernel %d stride %d pad %d%s: relative error %g", p->h, p->w, p->kernel,
                 p->stride, p->pad, reverse ? " reverse" : "", sqrt(error / size));
}

static void test_forms(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof problems / sizeof *problems; i++)
        for (int reverse = 0; reverse < 2; reverse++)
            for (int tail = 0; tail < 3; tail++) {
                limn_arena_open(&arena, "test", 1 << 20);
                check(&problems[i], reverse, tail > 0,
                      tail == 2   ? LIMN_ACTIVATION_LEAKY
                      : tail == 1 ? LIMN_ACTIVATION_RELU
                                  : LIMN_ACTIVATION_NONE);
                limn_arena_close(&arena);
            }
}

/* What it must leave to others. */
static void test_unfit(void **unused)
{
    static const problem unfit[] = {
        { 1, 32, 32, 4, 2, 0, 18, 18 }, { 1, 32, 32, 4, 2, 1, 9, 9 }, { 1, 32, 32, 3, 2, 1, 8, 8 },
        { 1, 32, 32, 5, 1, 2, 8, 8 },   { 1, 32, 24, 3, 1, 1, 8, 8 },
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
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_unfit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
