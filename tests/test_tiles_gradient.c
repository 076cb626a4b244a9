/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients of weights in float32 in our own loops (op/tiles_gradient.h) against sums in double:
 * every pair of taps and outputs and place by place, strides, pads and kernels; maps that tiles do
 * not divide; maps of one place; channels that units do not divide; few and many tiles, several
 * bands; pictures inside something larger; stored and added; scratch memory full of NaN, fences
 * around what is written; the same bits on one thread and on more.  And that an update which takes
 * the gradient in pieces leaves the bits that it leaves with the gradient as a whole.  Run once a
 * processor level (LIMN_CPU). */
#include "base/cpu.h"
#include "base/random.h"
#include "op/tiles.h"
#include "op/tiles_gradient.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "convolution_problem.h"
#include "own_arena.h"

enum { EXTRA = 96, FENCE = 64 }; /* floats between pictures; bytes around what is written */

static const problem problems[] = {
    { 1, 32, 32, 4, 2, 1, 2, 2 }, /* one place of y */
    { 1, 64, 32, 4, 2, 1, 4, 4 },
    { 1, 32, 96, 4, 2, 1, 8, 12 },
    { 2, 64, 64, 4, 2, 1, 32, 16 },
    { 1, 32, 64, 4, 2, 1, 32, 32 },
    { 1, 64, 160, 4, 2, 1, 64, 64 },
    { 1, 32, 32, 4, 2, 1, 70, 66 }, /* tiles stick out */
    { 1, 96, 32, 4, 2, 1, 12, 12 },
    { 1, 32, 32, 4, 2, 1, 24, 24 },
    { 1, 32, 32, 4, 2, 1, 18, 18 },
    { 1, 32, 32, 4, 2, 0, 19, 18 },
    { 1, 32, 32, 4, 2, 1, 160, 140 },
    { 1, 64, 32, 4, 1, 1, 32, 32 }, /* the critic's widest: 31 x 31 */
    { 3, 32, 64, 4, 1, 1, 5, 9 },
    { 1, 96, 160, 4, 1, 2, 9, 9 },
    { 1, 32, 32, 4, 1, 0, 9, 5 },
    { 1, 32, 32, 4, 1, 0, 22, 37 },
    { 1, 96, 32, 3, 1, 1, 17, 20 },
    { 2, 32, 32, 3, 1, 0, 18, 11 },
    { 1, 32, 64, 3, 2, 1, 16, 16 },
    { 1, 32, 32, 3, 2, 1, 15, 33 },
    { 1, 64, 64, 1, 1, 0, 7, 5 },
    { 1, 32, 32, 1, 2, 0, 8, 6 },
    { 1, 32, 32, 7, 1, 3, 10, 40 },
    { 1, 32, 256, 4, 2, 1, 4, 4 },
    { 1, 256, 32, 3, 1, 1, 6, 4 },
    { 2, 128, 96, 3, 1, 1, 84, 84 },  /* bands */
    { 1, 32, 32, 3, 2, 1, 300, 320 }, /* place by place too */
};

/* What tiles_gradient.c made of the problems: [type][taps][outputs]. */
static int seen[2][8][LIMN_TILE_SIDE + 1];
static bool has_bands[2], has_few, has_many;
static int in_phases[LIMN_TILE_SIDE + 1]; /* outputs, of those with y in phases */
static double worst[2];

/* What bfloat16 can hold, if exact. */
static limn_tensor noise(int n, int c, int h, int w, uint32_t stream, bool exact)
{
    limn_random random = { .seed = 11, .stream = stream };
    limn_tensor t = { { n, c, h, w }, LIMN_F32, 1, (size_t)c * (size_t)h * (size_t)w, NULL };
    size_t count = limn_count(t.shape);
    float *values = take(count * sizeof *values);

    for (size_t i = 0; i < count; i++) {
        values[i] = 2 * limn_random_uniform(&random, i) - 1;
        if (exact) values[i] = limn_from_bf16(limn_to_bf16(values[i]));
    }
    t.data = values;
    return t;
}

/* The same in blocks, with NaN between the pictures. */
static limn_tensor blocked(const limn_tensor *from, limn_type type)
{
    limn_tensor t = *from;
    size_t bytes;

    t.type = type;
    t.block = limn_tiles_lanes();
    t.batch_stride += EXTRA;
    bytes = t.batch_stride * (size_t)t.shape.n * limn_type_bytes(type);
    t.data = take(bytes);
    memset(t.data, 0xff, bytes);
    limn_tensor_copy(&t, from);
    return t;
}

/* Opened for as many threads as there are, and run in memory that is no larger than said. */
static void run(const limn_dnn_conv *conv, float *w, const limn_call *update)
{
    limn_tiles_gradient gradient;
    char *scratch;

    limn_tiles_gradient_open(&gradient, conv);
    scratch = take(gradient.scratch_bytes + FENCE);
    memset(scratch, 0xff, gradient.scratch_bytes + FENCE);
    limn_tiles_gradient_bind(&gradient, conv->x.data, conv->y.data, w, update, scratch);
    limn_tiles_gradient_run(&gradient);
    for (int k = 0; k < FENCE; k++)
        assert_int_equal((unsigned char)scratch[gradient.scratch_bytes + (size_t)k], 0xff);
    seen[gradient.pairs][gradient.taps][gradient.outputs]++;
    in_phases[gradient.outputs] += gradient.grid.step == 2;
    has_bands[gradient.pairs] |= gradient.band < gradient.tiles;
    has_few |= gradient.outputs > 1 && gradient.band < 64;
    has_many |= gradient.outputs > 1 && gradient.band >= 64;
}

static int sized(int size, const problem *p)
{
    return (size + 2 * p->pad - p->kernel) / p->stride + 1;
}

/* Position in blocks of weight (o, i, tap). */
static size_t position(const problem *p, int o, int i, int tap)
{
    int b = limn_tiles_lanes();

    return (size_t)(((o / b * (p->large / b) + i / b) * p->kernel * p->kernel + tap) * b * b +
                    i % b * b + o % b);
}

/* In double: over a large map the plain loops' own error is as large as what is to be seen. */
static double expected(const problem *p, const limn_tensor *x, const limn_tensor *y, int o, int i,
                       int tap)
{
    int kh = tap / p->kernel - p->pad, kw = tap % p->kernel - p->pad;
    double sum = 0;

    for (int n = 0; n < p->n; n++)
        for (int h = 0; h < y->shape.h; h++)
            for (int w = 0; w < y->shape.w; w++) {
                int b = h * p->stride + kh, a = w * p->stride + kw;

                if (b >= 0 && b < p->h && a >= 0 && a < p->w)
                    sum += (double)((const float *)y->data)[limn_at(y, n, o, h, w)] *
                           (double)((const float *)x->data)[limn_at(x, n, i, b, a)];
            }
    return sum;
}

/* Some channels: sums in double are slow. */
static void compare(const problem *p, const limn_tensor *x, const limn_tensor *y, const float *got,
                    bool adds, bool exact)
{
    double error = 0, size = 0;

    for (int o = 0; o < p->small; o += 7)
        for (int i = 0; i < p->large; i += 5)
            for (int tap = 0; tap < p->kernel * p->kernel; tap++) {
                size_t at = position(p, o, i, tap);
                double want = expected(p, x, y, o, i, tap);
                double there = (double)got[at] - (adds ? (double)(at % 7) / 8 : 0);

                error += pow(there - want, 2);
                size += want * want;
            }
    if (sqrt(error / size) > worst[exact]) worst[exact] = sqrt(error / size);
    if (!(sqrt(error) <= (exact ? 6e-3 : 2e-6) * sqrt(size)))
        fail_msg("%d of %dx%d, %d to %d channels, kernel %d stride %d pad %d: relative error %g",
                 p->n, p->h, p->w, p->large, p->small, p->kernel, p->stride, p->pad,
                 sqrt(error / size));
}

static void check(const problem *p, bool adds, limn_type type)
{
    bool exact = type == LIMN_BF16;
    limn_tensor x = noise(p->n, p->large, p->h, p->w, 1, exact);
    limn_tensor y = noise(p->n, p->small, sized(p->h, p), sized(p->w, p), 2, exact);
    limn_tensor x_blocked = blocked(&x, type), y_blocked = blocked(&y, type);
    limn_dnn_conv conv = describe(p, &x_blocked, &y_blocked);
    size_t count = (size_t)p->large * (size_t)p->small * (size_t)(p->kernel * p->kernel);
    float *got = take(count * sizeof *got + FENCE), *alone = take(count * sizeof *alone);

    conv.add_to_output = adds;
    if (exact && !limn_tiles_gradient_fits(&conv)) return; /* no tiles: test_limits */
    assert_true(limn_tiles_gradient_fits(&conv));
    memset(got, 0xff, count * sizeof *got + FENCE);
    for (size_t k = 0; k < count && adds; k++) got[k] = (float)(k % 7) / 8;
    memcpy(alone, got, count * sizeof *alone);
    run(&conv, got, NULL);
    for (int k = 0; k < FENCE; k++) assert_int_equal(((unsigned char *)(got + count))[k], 0xff);
    limn_compute_threads_set(1);
    run(&conv, alone, NULL);
    limn_compute_threads_set(0);
    assert_memory_equal(got, alone, count * sizeof *got);
    compare(p, &x, &y, got, adds, exact);
}

static void check_all(limn_type type)
{
    for (size_t k = 0; k < sizeof problems / sizeof *problems; k++)
        for (int adds = 0; adds < 2; adds++) {
            limn_arena_open(&arena, "test", 1 << 20);
            check(&problems[k], adds, type);
            limn_arena_close(&arena);
        }
    print_message("worst relative error %.2g\n", worst[type == LIMN_BF16]);
}

static void test_float32(void **unused)
{
    int(*made)[LIMN_TILE_SIDE + 1] = seen[0];

    (void)unused;
    check_all(LIMN_F32);
    for (int outputs = 2; outputs <= 4; outputs++)
        if (!made[2][outputs]) fail_msg("no problem has tiles of %d outputs, 2 taps", outputs);
    assert_true(made[3][4] && made[4][3] && made[4][1] && made[3][1] && made[1][1] && made[7][1]);
    assert_true(has_bands[0] && has_few && has_many);
}

/* Tiles and gradients are rounded once more, each by 1.6e-3 in the mean; tiles of two results and
 * two taps make that 8 times the variance, others 5.6 times: 4.5e-3 and 3.8e-3,
 * held under 6e-3. */
static void test_bfloat16(void **unused)
{
    int(*made)[LIMN_TILE_SIDE + 1] = seen[1];

    (void)unused;
    if (limn_cpu() != LIMN_CPU_AVX512) skip();
    check_all(LIMN_BF16);
    assert_true(made[2][2] && made[2][3] && made[3][2] && has_bands[1]);
    assert_true(in_phases[2] && in_phases[3]);
    for (int taps = 0; taps < 8; taps++) assert_false(made[taps][1]);
}

/* ---- Handed over in pieces ------------------------------------------------------------------- */

extern const limn_op limn_op_adam;
enum { PACKS = 2, STATE = 3 };

/* A parameter, its moments, and its packs. */
typedef struct trained {
    float *values[STATE];
    uint16_t *packed[PACKS];
    limn_pack pack[PACKS];
    limn_call call;
} trained;

static void open_state(trained *s, const problem *p, const limn_args *args,
                       const limn_moment *moment)
{
    static const limn_pack_layout layouts[PACKS] = { { 64, 32, true, false },
                                                     { 16, 16, false, true } };
    size_t taps = (size_t)(p->kernel * p->kernel);
    size_t count = (size_t)p->small * (size_t)p->large * taps;

    *s = (trained){ .call = { .op = &limn_op_adam, .args = args, .moment = moment, .inputs = 4 } };
    for (int k = 0; k < STATE; k++) {
        limn_tensor values = noise(1, 1, 1, (int)count, (uint32_t)k + 20, false);

        s->values[k] = values.data;
        for (size_t i = 0; i < count; i++) s->values[k][i] = fabsf(s->values[k][i]);
        s->call.y[k] = s->call.x[k ? k + 1 : 0] = values;
    }
    for (int k = 0; k < PACKS; k++) {
        s->packed[k] = take(count * sizeof(uint16_t));
        s->pack[k] = (limn_pack){ .layout = layouts[k],
                                  .outs = (size_t)p->small,
                                  .ins = (size_t)p->large,
                                  .taps = taps,
                                  .from = s->values[0],
                                  .to = s->packed[k] };
    }
}

static void hand_over(const problem *p, int packs, limn_type type)
{
    static const limn_args args = { .beta1 = 0.5f, .beta2 = 0.999f, .eps = 1e-8f, .factor = 1 };
    static const limn_moment moment = { .step = 2, .learning_rate = 0.01f };
    limn_tensor x = noise(p->n, p->large, p->h, p->w, 1, false);
    limn_tensor y = noise(p->n, p->small, sized(p->h, p), sized(p->w, p), 2, false);
    limn_tensor x_blocked = blocked(&x, type), y_blocked = blocked(&y, type);
    limn_dnn_conv conv = describe(p, &x_blocked, &y_blocked);
    size_t count = (size_t)p->large * (size_t)p->small * (size_t)(p->kernel * p->kernel);
    float *whole = take(count * sizeof *whole);
    limn_error error = { 0 };
    limn_tiles_gradient gradient;
    trained a, b;

    if (type == LIMN_BF16 && !limn_tiles_gradient_fits(&conv)) return;
    limn_tiles_gradient_open(&gradient, &conv);
    assert_true(limn_tiles_gradient_piece(&gradient) >= 64 * 32 * (size_t)(p->kernel * p->kernel));
    open_state(&a, p, &args, &moment);
    open_state(&b, p, &args, &moment);

    run(&conv, whole, NULL);
    a.call.x[1] = (limn_tensor){ { 1, 1, 1, (int)count }, LIMN_F32, 1, count, whole };
    assert_int_equal(limn_op_adam.prepare(&a.call, &arena, &error), LIMN_OK);
    assert_int_equal(a.call.run(&a.call, &error), LIMN_OK);
    for (int k = 0; k < packs; k++) limn_pack_run(&a.pack[k]);

    for (int k = 0; k < packs; k++) b.call.packs[b.call.pack_count++] = &b.pack[k];
    run(&conv, NULL, &b.call);
    for (int k = 0; k < STATE; k++)
        assert_memory_equal(a.values[k], b.values[k], count * sizeof(float));
    for (int k = 0; k < packs; k++)
        assert_memory_equal(a.packed[k], b.packed[k], count * sizeof(uint16_t));
}

static void test_pieces(void **unused)
{
    static const problem some[] = {
        { 1, 96, 64, 4, 2, 1, 8, 8 },    { 1, 64, 192, 4, 2, 1, 4, 2 },
        { 2, 160, 128, 3, 1, 1, 5, 7 },  { 1, 32, 64, 1, 1, 0, 4, 4 },
        { 1, 96, 192, 4, 2, 1, 32, 32 }, { 1, 160, 128, 4, 1, 1, 31, 31 },
        { 1, 160, 64, 3, 1, 1, 20, 20 },
    };

    (void)unused;
    if (limn_tiles_lanes() != LIMN_PACK_LANES) skip();
    for (size_t k = 0; k < sizeof some / sizeof *some; k++)
        for (int packs = 0; packs <= PACKS; packs++) {
            limn_arena_open(&arena, "test", 1 << 20);
            hand_over(&some[k], packs, LIMN_F32);
            hand_over(&some[k], packs, LIMN_BF16);
            limn_arena_close(&arena);
        }
}

/* What it does not do is refused, and what cannot be handed over is not promised. */
static void test_limits(void **unused)
{
    int block = limn_tiles_lanes();
    limn_dnn_conv good = { .direction = LIMN_DNN_BACKWARD_WEIGHTS,
                           .x = { { 1, 64, 8, 8 }, LIMN_F32, block, 4096, NULL },
                           .y = { { 1, 32, 4, 4 }, LIMN_F32, block, 512, NULL },
                           .kernel_h = 4,
                           .kernel_w = 4,
                           .stride_h = 2,
                           .stride_w = 2,
                           .pad_top = 1,
                           .pad_left = 1,
                           .groups = 1 };
    limn_dnn_conv bad[7];
    limn_tiles_gradient gradient;

    (void)unused;
    assert_true(limn_tiles_gradient_fits(&good));
    for (int k = 0; k < 7; k++) bad[k] = good;
    bad[0].direction = LIMN_DNN_FORWARD;
    bad[1].x.type = LIMN_BF16; /* the other is not */
    bad[2].y.block = 32;
    bad[3].x.shape.c = 3 * block;
    bad[4].groups = 2;
    bad[5].stride_h = bad[5].stride_w = 3;
    bad[6].kernel_w = 3;
    for (int k = 0; k < 7; k++) assert_false(limn_tiles_gradient_fits(&bad[k]));
    good.x.type = good.y.type = LIMN_BF16;
    assert_false(limn_tiles_gradient_fits(&good)); /* a small map */
    good.x.shape = (limn_shape){ 1, 64, 32, 32 };
    good.y.shape = (limn_shape){ 1, 32, 16, 16 };
    assert_int_equal(limn_tiles_gradient_fits(&good), limn_cpu() == LIMN_CPU_AVX512);
    good.stride_h = good.stride_w = 1;
    good.y.shape = (limn_shape){ 1, 32, 31, 31 };
    assert_int_equal(limn_tiles_gradient_fits(&good), limn_cpu() == LIMN_CPU_AVX512);
    good.kernel_h = good.kernel_w = 5; /* no tiles */
    good.y.shape = (limn_shape){ 1, 32, 30, 30 };
    assert_false(limn_tiles_gradient_fits(&good));
    good.x.type = good.y.type = LIMN_F32;
    assert_true(limn_tiles_gradient_fits(&good));
    good.add_to_output = true;
    limn_tiles_gradient_open(&gradient, &good);
    assert_int_equal(limn_tiles_gradient_piece(&gradient), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_float32),
        cmocka_unit_test(test_bfloat16),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
