/* SPDX-License-Identifier: Apache-2.0
 *
 * The convolution of bytes in our own loop (op/dots.h) against sums done here: every number of
 * pixels that is held in registers, few and many vectors of outputs, kernels, strides, batches,
 * maps in blocks and channels-last, both types, all activations, bytes and weights at their limits.
 * The sums are exact, so the results are the same bits. */
#include "base/cpu.h"
#include "base/random.h"
#include "op/dnn.h"
#include "op/dots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "own_arena.h"

enum { GAP = 64 }; /* elements between pictures */

typedef struct problem {
    int n, c, o, kernel, stride, h, w; /* h, w: of the result */
    bool doubled;
} problem;

static int source(const problem *p, int side)
{
    if (p->doubled) side = side / 2 + 1;
    return (side - 1) * p->stride + p->kernel;
}

static int outputs(const problem *p)
{
    return p->doubled ? 4 * p->o : p->o;
}

static int byte(uint32_t stream, size_t i)
{
    limn_random random = { .seed = 5, .stream = stream };

    return (int)(256 * limn_random_uniform(&random, i));
}

/* OhwI16o4i */
static size_t place(const problem *p, int o, int c, int tap)
{
    return ((((size_t)(o / 16) * (size_t)(p->kernel * p->kernel) + (size_t)tap) * (size_t)p->c / 4 +
             (size_t)(c / 4)) *
                16 +
            (size_t)(o % 16)) *
               4 +
           (size_t)(c % 4);
}

static int32_t sum_at(const problem *p, const uint8_t *x, const int8_t *w, int n, int o, int h,
                      int v)
{
    int height = source(p, p->h), width = source(p, p->w);
    int32_t sum = 0;

    for (int tap = 0; tap < p->kernel * p->kernel; tap++) {
        int row = h * p->stride + tap / p->kernel, column = v * p->stride + tap % p->kernel;
        const uint8_t *pixel = x + (size_t)((n * height + row) * width + column) * (size_t)p->c;

        for (int c = 0; c < p->c; c++) sum += pixel[c] * w[place(p, o, c, tap)];
    }
    return sum;
}

/* Before the activation. */
static float value_at(const problem *p, const limn_dots *d, int n, int o, int h, int v)
{
    if (p->doubled) {
        o += ((h & 1) * 2 + (v & 1)) * p->o;
        h = h / 2 + (h & 1);
        v = v / 2 + (v & 1);
    }
    return (float)sum_at(p, d->from, d->weights, n, o, h, v) * d->scale[o] + d->shift[o];
}

static void check(const problem *p, limn_type type, bool last, limn_activation activation)
{
    size_t plane = (size_t)p->h * (size_t)p->w, picture = plane * (size_t)p->o;
    size_t count = (picture + GAP) * (size_t)p->n, taps = (size_t)(p->kernel * p->kernel);
    size_t rows = (size_t)outputs(p), weights = (size_t)p->c * rows * taps;
    limn_dots d = { .x = { p->n, p->c, source(p, p->h), source(p, p->w) },
                    .y = { { p->n, p->o, p->h, p->w },
                           type,
                           last ? p->o : 16,
                           picture + GAP,
                           take(count * sizeof(float)) },
                    .kernel_h = p->kernel,
                    .kernel_w = p->kernel,
                    .stride = p->stride,
                    .doubled = p->doubled,
                    .activation = activation,
                    .slope = 0.2f };
    uint8_t *x = take(limn_count(d.x));
    int8_t *w = take(weights);
    float *scale = take(rows * sizeof *scale), *shift = take(rows * sizeof *shift);

    assert_int_equal(limn_dots_fits(d.x, &d.y, activation), !limn_dnn_has_amx());
    for (size_t i = 0; i < limn_count(d.x); i++) x[i] = (uint8_t)byte(1, i);
    for (size_t i = 0; i < weights; i++) w[i] = (int8_t)(byte(2, i) - 128);
    memset(x, 255, (size_t)p->c);
    memset(w, -128, 64);
    for (size_t o = 0; o < rows; o++) {
        scale[o] = 1e-4f * (float)(byte(3, o) + 1);
        shift[o] = (float)byte(4, o) - 128;
    }
    memset(d.y.data, 0xff, count * sizeof(float));
    limn_dots_open(&d);
    d.from = x;
    d.weights = w;
    d.scale = scale;
    d.shift = shift;
    limn_dots_run(&d);
    for (int n = 0; n < p->n; n++) {
        for (int o = 0; o < p->o; o++)
            for (int h = 0; h < p->h; h++)
                for (int v = 0; v < p->w; v++) {
                    size_t at = limn_at(&d.y, n, o, h, v);
                    float want = value_at(p, &d, n, o, h, v);

                    want = limn_activation_value(activation, 0.2f, want);
                    if (type == LIMN_F32)
                        assert_true(((float *)d.y.data)[at] == want);
                    else
                        assert_int_equal(((uint16_t *)d.y.data)[at], limn_to_bf16(want));
                }
        for (size_t i = 0; i < GAP * limn_type_bytes(type); i++)
            assert_int_equal(
                ((unsigned char *)
                     d.y.data)[((size_t)n * (picture + GAP) + picture) * limn_type_bytes(type) + i],
                0xff);
    }
}

static void test_problems(void **unused)
{
    static const problem problems[] = {
        { 1, 16, 32, 1, 1, 1, 1, false },     { 1, 16, 64, 1, 1, 2, 1, false },
        { 2, 32, 64, 4, 2, 2, 2, false },     { 1, 16, 64, 3, 1, 3, 6, false },
        { 1, 48, 96, 2, 1, 5, 7, false },     { 1, 16, 32, 7, 1, 2, 29, false },
        { 2, 64, 32, 4, 2, 9, 16, false },    { 1, 512, 64, 2, 1, 3, 3, false },
        { 1, 128, 32, 3, 1, 40, 130, false }, { 1, 16, 32, 2, 1, 2, 2, true },
        { 2, 64, 64, 2, 1, 4, 12, true },     { 1, 32, 96, 2, 1, 6, 58, true },
        { 1, 128, 32, 2, 1, 66, 66, true },
    };

    (void)unused;
    if (!limn_cpu_has_vnni()) skip();
    for (size_t i = 0; i < sizeof problems / sizeof *problems; i++)
        for (int k = 0; k < 4; k++) {
            limn_arena_open(&arena, "test", 1 << 20);
            check(&problems[i], k & 1 ? LIMN_BF16 : LIMN_F32, k & 2,
                  k == 1   ? LIMN_ACTIVATION_LEAKY
                  : k == 2 ? LIMN_ACTIVATION_RELU
                           : LIMN_ACTIVATION_NONE);
            limn_arena_close(&arena);
        }
}

/* Every loop: 1 to 14 pixels at a time of 32 outputs, 1 to 6 of 64; and two times seven. */
static void test_pixels(void **unused)
{
    (void)unused;
    if (!limn_cpu_has_vnni()) skip();
    for (int outputs = 32; outputs <= 64; outputs += 32)
        for (int pixels = 1; pixels <= 15; pixels++) {
            limn_arena_open(&arena, "test", 1 << 20);
            check(&(problem){ 1, 16, outputs, 2, 1, 2, pixels, false }, LIMN_F32, true,
                  LIMN_ACTIVATION_NONE);
            limn_arena_close(&arena);
        }
}

/* What it must leave to others. */
static void test_unfit(void **unused)
{
    limn_shape x = { 1, 32, 9, 9 };
    limn_tensor y = { { 1, 32, 8, 8 }, LIMN_F32, 32, 32 * 64, NULL };

    (void)unused;
    assert_int_equal(limn_dots_fits(x, &y, LIMN_ACTIVATION_NONE),
                     limn_cpu_has_vnni() && !limn_dnn_has_amx());
    assert_false(limn_dots_fits(x, &y, LIMN_ACTIVATION_TANH));
    x.c = 24;
    assert_false(limn_dots_fits(x, &y, LIMN_ACTIVATION_NONE));
    x.c = 32;
    y.shape.c = y.block = 48;
    assert_false(limn_dots_fits(x, &y, LIMN_ACTIVATION_NONE));
    y.shape.c = 64;
    y.block = 8;
    assert_false(limn_dots_fits(x, &y, LIMN_ACTIVATION_NONE));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_problems),
        cmocka_unit_test(test_pixels),
        cmocka_unit_test(test_unfit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
