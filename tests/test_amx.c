/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients of weights over AMX's tiles (op/amx.h) against sums in double: strides, pads and
 * kernels; maps of one place and maps that no strip divides; pictures inside something larger;
 * stored and added; scratch memory full of NaN, fences around what is written; the same bits on one
 * thread and on all. */
#include "base/memory.h"
#include "base/random.h"
#include "base/threads.h"
#include "op/amx.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { EXTRA = 96, FENCE = 64 }; /* elements between pictures; bytes around the result */

typedef struct problem {
    int n, large, small, kernel, stride, pad, h, w; /* h, w: of x */
} problem;

static const problem problems[] = {
    { 1, 32, 32, 4, 2, 1, 2, 2 }, /* one place of y */
    { 1, 64, 32, 4, 2, 1, 4, 4 },    { 1, 32, 96, 4, 2, 1, 8, 12 },  { 2, 64, 64, 4, 2, 1, 32, 16 },
    { 1, 32, 32, 4, 2, 1, 130, 66 }, /* strips that no row divides */
    { 1, 64, 32, 4, 1, 1, 32, 32 },  /* the critic's widest: 31 x 31 */
    { 3, 32, 64, 4, 1, 1, 5, 9 },    { 1, 96, 32, 3, 1, 1, 17, 20 }, { 2, 32, 32, 3, 1, 0, 18, 11 },
    { 1, 32, 64, 3, 2, 1, 16, 16 },  { 1, 32, 32, 3, 2, 1, 15, 33 }, { 1, 64, 64, 1, 1, 0, 7, 5 },
    { 1, 32, 32, 1, 2, 0, 8, 6 },    { 1, 32, 32, 7, 1, 3, 10, 40 },
};

static limn_arena arena;

static void *take(size_t bytes)
{
    void *memory = limn_take(&arena, bytes + 64);

    assert_non_null(memory);
    return memory;
}

/* A map of noise, with NaN between the pictures. */
static limn_tensor draw(limn_shape shape, uint32_t stream)
{
    size_t plane = limn_count(shape) / (size_t)shape.n, stride = plane + EXTRA;
    limn_random random = { .seed = 17, .stream = stream };
    uint16_t *values = take(stride * (size_t)shape.n * sizeof *values);

    memset(values, 0xff, stride * (size_t)shape.n * sizeof *values);
    for (size_t n = 0; n < (size_t)shape.n; n++)
        for (size_t i = 0; i < plane; i++)
            values[n * stride + i] = limn_to_bf16(2 * limn_random_uniform(&random, n * plane + i) -
                                                  1);
    return (limn_tensor){ shape, LIMN_BF16, shape.c, stride, values };
}

static double value(const limn_tensor *t, int n, int c, int h, int w)
{
    if (h < 0 || w < 0 || h >= t->shape.h || w >= t->shape.w) return 0;
    return (double)limn_from_bf16(((const uint16_t *)t->data)[limn_at(t, n, c, h, w)]);
}

static double expected(const problem *p, const limn_tensor *x, const limn_tensor *y, int o, int i,
                       int kh, int kw)
{
    double sum = 0;

    for (int n = 0; n < p->n; n++)
        for (int h = 0; h < y->shape.h; h++)
            for (int w = 0; w < y->shape.w; w++)
                sum += value(y, n, o, h, w) *
                       value(x, n, i, h * p->stride + kh - p->pad, w * p->stride + kw - p->pad);
    return sum;
}

static void run(limn_amx *amx, const limn_tensor *x, const limn_tensor *y, float *w)
{
    void *scratch = take(amx->scratch_bytes + FENCE);

    memset(scratch, 0xff, amx->scratch_bytes + FENCE);
    limn_amx_bind(amx, x->data, y->data, w, scratch);
    limn_amx_run(amx);
    for (int k = 0; k < FENCE; k++)
        assert_int_equal(((unsigned char *)scratch)[amx->scratch_bytes + (size_t)k], 0xff);
}

static void check(const problem *p, bool adds)
{
    int h = (p->h + 2 * p->pad - p->kernel) / p->stride + 1;
    int w = (p->w + 2 * p->pad - p->kernel) / p->stride + 1;
    size_t taps = (size_t)(p->kernel * p->kernel),
           count = (size_t)p->large * (size_t)p->small * taps;
    limn_tensor x = draw((limn_shape){ p->n, p->large, p->h, p->w }, 1);
    limn_tensor y = draw((limn_shape){ p->n, p->small, h, w }, 2);
    limn_dnn_conv conv = { .direction = LIMN_DNN_BACKWARD_WEIGHTS,
                           .x = x,
                           .y = y,
                           .kernel_h = p->kernel,
                           .kernel_w = p->kernel,
                           .stride_h = p->stride,
                           .stride_w = p->stride,
                           .pad_top = p->pad,
                           .pad_left = p->pad,
                           .pad_bottom = p->pad,
                           .pad_right = p->pad,
                           .groups = 1,
                           .add_to_output = adds };
    float *got = take(count * sizeof *got + FENCE), *alone = take(count * sizeof *alone);
    double error = 0, size = 0;
    limn_amx amx;

    assert_true(limn_amx_fits(&conv));
    limn_amx_open(&amx, &conv);
    memset(got, 0xff, count * sizeof *got + FENCE);
    for (size_t k = 0; k < count && adds; k++) got[k] = (float)(k % 7);
    memcpy(alone, got, count * sizeof *alone);
    run(&amx, &x, &y, got);
    for (int k = 0; k < FENCE; k++) assert_int_equal(((unsigned char *)(got + count))[k], 0xff);
    limn_compute_threads_set(1);
    run(&amx, &x, &y, alone);
    limn_compute_threads_set(0);
    assert_memory_equal(got, alone, count * sizeof *got);
    /* Every fifth channel: sums in double are slow. */
    for (int o = 0; o < p->small; o += 5)
        for (int i = 0; i < p->large; i += 5)
            for (size_t tap = 0; tap < taps; tap++) {
                size_t at = (((size_t)(o / 16 * (p->large / 16) + i / 16) * taps + tap) * 16 +
                             (size_t)i % 16) *
                                16 +
                            (size_t)o % 16;
                double want = expected(p, &x, &y, o, i, (int)tap / p->kernel,
                                       (int)tap % p->kernel) +
                              (adds ? (double)(at % 7) : 0);

                error += pow((double)got[at] - want, 2);
                size += want * want;
            }
    if (!(error <= 1e-12 * size))
        fail_msg("%dx%d to %d, kernel %d, stride %d: relative error %g", p->h, p->w, p->small,
                 p->kernel, p->stride, sqrt(error / size));
}

static void test_gradients(void **state)
{
    (void)state;
    if (!limn_dnn_has_amx()) skip();
    for (size_t k = 0; k < sizeof problems / sizeof *problems; k++)
        for (int adds = 0; adds < 2; adds++) {
            limn_arena_open(&arena, "test", 1 << 20);
            check(&problems[k], adds);
            limn_arena_close(&arena);
        }
}

/* What it does not do is refused: the caller has another way. */
static void test_limits(void **state)
{
    limn_dnn_conv good = { .direction = LIMN_DNN_BACKWARD_WEIGHTS,
                           .x = { { 1, 64, 8, 8 }, LIMN_BF16, 64, 4096, NULL },
                           .y = { { 1, 32, 4, 4 }, LIMN_BF16, 32, 512, NULL },
                           .kernel_h = 4,
                           .kernel_w = 4,
                           .stride_h = 2,
                           .stride_w = 2,
                           .pad_top = 1,
                           .pad_left = 1,
                           .groups = 1 };
    limn_dnn_conv bad[8];

    (void)state;
    if (!limn_dnn_has_amx()) skip();
    assert_true(limn_amx_fits(&good));
    for (int k = 0; k < 8; k++) bad[k] = good;
    bad[0].direction = LIMN_DNN_FORWARD;
    bad[1].x.type = LIMN_F32;
    bad[2].y.block = 16;
    bad[3].x.shape.c = bad[3].x.block = 48;
    bad[4].groups = 2;
    bad[5].stride_h = bad[5].stride_w = 3;
    bad[6].kernel_w = 3;
    bad[7].pad_left = 0;
    for (int k = 0; k < 8; k++) assert_false(limn_amx_fits(&bad[k]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
