/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients of weights in our own loops (op/gradient.h), by AMX's tiles or by pairs of places,
 * whichever the processor has, against sums in double: strides, pads and kernels; maps of one place
 * and maps that no strip divides; channels-last and in blocks; pictures inside something larger;
 * stored and added; scratch memory full of NaN, fences around what is written; the same bits on one
 * thread and on all.  And that an update which takes the gradient in pieces leaves the bits that it
 * leaves with the gradient as a whole. */
#include "base/cpu.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/threads.h"
#include "op/gradient.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "convolution_problem.h"
#include "own_arena.h"

enum { EXTRA = 96, FENCE = 64 }; /* elements between pictures; bytes around the result */

static const problem problems[] = {
    { 1, 32, 32, 4, 2, 1, 2, 2 }, /* one place of y */
    { 1, 64, 32, 4, 2, 1, 4, 4 },    { 1, 32, 96, 4, 2, 1, 8, 12 },  { 2, 64, 64, 4, 2, 1, 32, 16 },
    { 1, 32, 32, 4, 2, 1, 130, 66 }, /* strips that no row divides */
    { 1, 64, 32, 4, 1, 1, 32, 32 },  /* the critic's widest: 31 x 31 */
    { 3, 32, 64, 4, 1, 1, 5, 9 },    { 1, 96, 32, 3, 1, 1, 17, 20 }, { 2, 32, 32, 3, 1, 0, 18, 11 },
    { 1, 32, 64, 3, 2, 1, 16, 16 },  { 1, 32, 32, 3, 2, 1, 15, 33 }, { 1, 64, 64, 1, 1, 0, 7, 5 },
    { 1, 32, 32, 1, 2, 0, 8, 6 },    { 1, 32, 32, 7, 1, 3, 10, 40 },
};

/* A map of noise, with NaN between the pictures. */
static limn_tensor draw(limn_shape shape, int block, uint32_t stream)
{
    size_t plane = limn_count(shape) / (size_t)shape.n, stride = plane + EXTRA;
    limn_random random = { .seed = 17, .stream = stream };
    uint16_t *values = take(stride * (size_t)shape.n * sizeof *values);

    memset(values, 0xff, stride * (size_t)shape.n * sizeof *values);
    for (size_t n = 0; n < (size_t)shape.n; n++)
        for (size_t i = 0; i < plane; i++)
            values[n * stride + i] = limn_to_bf16(2 * limn_random_uniform(&random, n * plane + i) -
                                                  1);
    return (limn_tensor){ shape, LIMN_BF16, block ? block : shape.c, stride, values };
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

static void run(limn_gradient *gradient, const limn_tensor *x, const limn_tensor *y, float *w)
{
    void *scratch = take(gradient->scratch_bytes + FENCE);

    memset(scratch, 0xff, gradient->scratch_bytes + FENCE);
    limn_gradient_bind(gradient, x->data, y->data, w, NULL, scratch);
    limn_gradient_run(gradient);
    for (int k = 0; k < FENCE; k++)
        assert_int_equal(((unsigned char *)scratch)[gradient->scratch_bytes + (size_t)k], 0xff);
}

/* block 0: channels-last. */
static void check(const problem *p, int block, bool adds)
{
    int h = (p->h + 2 * p->pad - p->kernel) / p->stride + 1;
    int w = (p->w + 2 * p->pad - p->kernel) / p->stride + 1;
    size_t taps = (size_t)(p->kernel * p->kernel),
           count = (size_t)p->large * (size_t)p->small * taps;
    limn_tensor x = draw((limn_shape){ p->n, p->large, p->h, p->w }, block, 1);
    limn_tensor y = draw((limn_shape){ p->n, p->small, h, w }, block, 2);
    limn_dnn_conv conv = describe(p, &x, &y);
    float *got = take(count * sizeof *got + FENCE), *alone = take(count * sizeof *alone);
    double error = 0, size = 0;
    limn_gradient gradient;

    conv.add_to_output = adds;
    assert_true(limn_gradient_fits(&conv));
    limn_gradient_open(&gradient, &conv);
    memset(got, 0xff, count * sizeof *got + FENCE);
    for (size_t k = 0; k < count && adds; k++) got[k] = (float)(k % 7);
    memcpy(alone, got, count * sizeof *alone);
    run(&gradient, &x, &y, got);
    for (int k = 0; k < FENCE; k++) assert_int_equal(((unsigned char *)(got + count))[k], 0xff);
    limn_compute_threads_set(1);
    run(&gradient, &x, &y, alone);
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
        fail_msg("%dx%d in blocks of %d to %d, kernel %d, stride %d: relative error %g", p->h, p->w,
                 block, p->small, p->kernel, p->stride, sqrt(error / size));
}

static void test_gradients(void **state)
{
    (void)state;
    if (!limn_cpu_has_bf16()) skip();
    for (size_t k = 0; k < sizeof problems / sizeof *problems; k++)
        for (int kind = 0; kind < 4; kind++) {
            limn_arena_open(&arena, "test", 1 << 20);
            check(&problems[k], kind / 2 * 16, kind % 2);
            limn_arena_close(&arena);
        }
}

/* ---- Handed over in pieces ------------------------------------------------------------------- */

extern const limn_op limn_op_adam;
enum { PACKS = 2 };

/* A parameter, its moments, and its packs. */
typedef struct trained {
    float *values[3];
    uint16_t *packed[PACKS];
    limn_pack pack[PACKS];
    limn_call call;
} trained;

static void open_state(trained *s, size_t outs, size_t ins, size_t taps, const limn_args *args,
                       const limn_moment *moment)
{
    static const limn_pack_layout layouts[PACKS] = { { 64, 32, true, false },
                                                     { 16, 16, false, true } };
    size_t count = outs * ins * taps;

    *s = (trained){ .call = { .op = &limn_op_adam, .args = args, .moment = moment, .inputs = 4 } };
    for (int k = 0; k < 3; k++) {
        limn_random random = { .seed = 5, .stream = (uint32_t)k };

        s->values[k] = take(count * sizeof(float));
        for (size_t i = 0; i < count; i++) s->values[k][i] = limn_random_uniform(&random, i);
        s->call.y[k] = (limn_tensor){ { 1, 1, 1, (int)count }, LIMN_F32, 1, count, s->values[k] };
        s->call.x[k ? k + 1 : 0] = s->call.y[k];
    }
    for (int k = 0; k < PACKS; k++) {
        s->packed[k] = take(count * sizeof(uint16_t));
        memset(s->packed[k], 0xff, count * sizeof(uint16_t));
        s->pack[k] = (limn_pack){ .layout = layouts[k],
                                  .outs = outs,
                                  .ins = ins,
                                  .taps = taps,
                                  .from = s->values[0],
                                  .to = s->packed[k] };
        assert_true(limn_pack_fits(&s->pack[k]));
    }
}

static void hand_over(const problem *p, int block)
{
    static const limn_args args = { .beta1 = 0.5f, .beta2 = 0.999f, .eps = 1e-8f, .factor = 1 };
    static const limn_moment moment = { .step = 2, .learning_rate = 0.01f };
    int h = (p->h + 2 * p->pad - p->kernel) / p->stride + 1;
    int w = (p->w + 2 * p->pad - p->kernel) / p->stride + 1;
    size_t taps = (size_t)(p->kernel * p->kernel);
    size_t count = (size_t)p->large * (size_t)p->small * taps;
    limn_tensor x = draw((limn_shape){ p->n, p->large, p->h, p->w }, block, 1);
    limn_tensor y = draw((limn_shape){ p->n, p->small, h, w }, block, 2);
    limn_dnn_conv conv = describe(p, &x, &y);
    float *whole = take(count * sizeof *whole);
    limn_error error = { 0 };
    limn_gradient gradient;
    trained a, b;
    void *scratch;

    limn_gradient_open(&gradient, &conv);
    assert_true(limn_gradient_piece(&gradient) >= 64 * 32 * taps);
    open_state(&a, (size_t)p->small, (size_t)p->large, taps, &args, &moment);
    open_state(&b, (size_t)p->small, (size_t)p->large, taps, &args, &moment);

    run(&gradient, &x, &y, whole);
    a.call.x[1] = (limn_tensor){ { 1, 1, 1, (int)count }, LIMN_F32, 1, count, whole };
    assert_int_equal(limn_op_adam.prepare(&a.call, &arena, &error), LIMN_OK);
    assert_int_equal(a.call.run(&a.call, &error), LIMN_OK);
    for (int k = 0; k < PACKS; k++) limn_pack_run(&a.pack[k]);

    for (int k = 0; k < PACKS; k++) b.call.packs[b.call.pack_count++] = &b.pack[k];
    scratch = take(gradient.scratch_bytes);
    memset(scratch, 0xff, gradient.scratch_bytes);
    limn_gradient_bind(&gradient, x.data, y.data, NULL, &b.call, scratch);
    limn_gradient_run(&gradient);
    for (int k = 0; k < 3; k++)
        assert_memory_equal(a.values[k], b.values[k], count * sizeof(float));
    for (int k = 0; k < PACKS; k++)
        assert_memory_equal(a.packed[k], b.packed[k], count * sizeof(uint16_t));
}

static void test_pieces(void **unused)
{
    static const problem some[] = {
        { 1, 96, 64, 4, 2, 1, 8, 8 },  /* three pieces in a row */
        { 1, 64, 192, 4, 2, 1, 4, 2 }, /* three below one another */
        { 2, 160, 128, 3, 1, 1, 5, 7 },
        { 1, 32, 64, 1, 1, 0, 4, 4 },
    };

    (void)unused;
    if (!limn_cpu_has_bf16()) skip();
    for (size_t k = 0; k < sizeof some / sizeof *some; k++)
        for (int block = 0; block <= 16; block += 16) {
            limn_arena_open(&arena, "test", 1 << 20);
            hand_over(&some[k], block);
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
    if (!limn_cpu_has_bf16()) skip();
    assert_true(limn_gradient_fits(&good));
    for (int k = 0; k < 8; k++) bad[k] = good;
    bad[0].direction = LIMN_DNN_FORWARD;
    bad[1].x.type = LIMN_F32;
    bad[2].y.block = 8;
    bad[3].x.shape.c = bad[3].x.block = 48;
    bad[4].groups = 2;
    bad[5].stride_h = bad[5].stride_w = 3;
    bad[6].kernel_w = 3;
    bad[7].pad_left = 0;
    for (int k = 0; k < 8; k++) assert_false(limn_gradient_fits(&bad[k]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
