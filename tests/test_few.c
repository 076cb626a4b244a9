/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolutions with few channels out (op/few.h), in float32 and bfloat16, in blocks and
 * channels-last, against sums in double: one to four channels, widths that vectors do not divide,
 * borders where taps fall outside, pictures inside something larger with NaN around, with and
 * without bias, behind a tail. */
#include "base/cpu.h"
#include "base/memory.h"
#include "base/random.h"
#include "op/few.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "own_arena.h"

extern const limn_op limn_op_conv;

enum { EXTRA = 64 }; /* elements between pictures and around them */

typedef struct problem {
    int n, c, h, w, out, kernel, pad;
    bool bias;
} problem;

static const problem problems[] = {
    { 1, 64, 22, 70, 3, 7, 0, true }, { 2, 32, 8, 30, 3, 7, 2, true },
    { 1, 32, 5, 33, 4, 3, 1, false }, { 1, 96, 4, 17, 1, 4, 1, true },
    { 2, 32, 3, 3, 2, 3, 1, true },   { 1, 32, 1, 1, 3, 1, 0, false },
    { 1, 64, 9, 49, 2, 5, 4, true },
};

static float *noise(size_t count, uint32_t stream)
{
    limn_random random = { .seed = 31, .stream = stream };
    float *values = take(count * sizeof *values);

    /* Exact in bfloat16, so that types differ in nothing but their sums. */
    for (size_t i = 0; i < count; i++)
        values[i] = limn_from_bf16(limn_to_bf16(2 * limn_random_uniform(&random, i) - 1));
    return values;
}

/* A map of these values, with NaN before, between and behind its pictures. */
static limn_tensor lay_out(limn_shape shape, limn_type type, int block, const float *values)
{
    size_t plane = limn_count(shape) / (size_t)shape.n, stride = plane + EXTRA;
    size_t bytes = (stride * (size_t)shape.n + EXTRA) * limn_type_bytes(type);
    char *memory = take(bytes);
    limn_tensor t = { shape, type, block, stride, memory + EXTRA * limn_type_bytes(type) };
    limn_tensor from = { shape, LIMN_F32, 1, plane, (void *)(uintptr_t)values };

    memset(memory, 0xff, bytes);
    if (values) limn_tensor_copy(&t, &from);
    return t;
}

static double expected(const problem *p, const float *x, const float *w, const float *bias, int n,
                       int o, int h, int v)
{
    double sum = bias ? (double)bias[o] : 0;

    for (int c = 0; c < p->c; c++)
        for (int a = 0; a < p->kernel; a++)
            for (int b = 0; b < p->kernel; b++) {
                int y = h + a - p->pad, z = v + b - p->pad;

                if (y < 0 || z < 0 || y >= p->h || z >= p->w) continue;
                sum += (double)x[((n * p->c + c) * p->h + y) * p->w + z] *
                       (double)w[((o * p->c + c) * p->kernel + a) * p->kernel + b];
            }
    return sum;
}

static void check(const problem *p, limn_type type, int block)
{
    limn_shape shape = { p->n, p->c, p->h, p->w }, w_shape = { p->out, p->c, p->kernel, p->kernel };
    limn_shape y_shape = { p->n, p->out, p->h + 2 * p->pad - p->kernel + 1,
                           p->w + 2 * p->pad - p->kernel + 1 };
    float *x = noise(limn_count(shape), 1), *w = noise(limn_count(w_shape), 2);
    float *bias = p->bias ? noise((size_t)p->out, 3) : NULL;
    limn_args args = { .stride = 1,
                       .pad_top = p->pad,
                       .pad_left = p->pad,
                       .pad_bottom = p->pad,
                       .pad_right = p->pad };
    limn_call call = { .op = &limn_op_conv, .args = &args, .inputs = p->bias ? 3 : 2 };
    limn_error error = { 0 };

    call.x[0] = lay_out(shape, type, block, x);
    call.x[1] = (limn_tensor){ w_shape, LIMN_F32, 1, limn_count(w_shape) / (size_t)p->out, w };
    if (bias) call.x[2] = (limn_tensor){ { 1, p->out, 1, 1 }, LIMN_F32, 1, (size_t)p->out, bias };
    call.y[0] = lay_out(y_shape, LIMN_F32, p->out, NULL);
    call.activation = LIMN_ACTIVATION_LEAKY;
    call.slope = 0.5f;
    assert_true(limn_few_fits(&call));
    if (limn_few_prepare(&call, &arena, &error)) fail_msg("%s", error.text);
    call.scratch = take(call.scratch_bytes);
    memset(call.scratch, 0xff, call.scratch_bytes + 64);
    assert_int_equal(call.run(&call, &error), LIMN_OK);
    for (int k = 0; k < 64; k++)
        assert_int_equal(((unsigned char *)call.scratch)[call.scratch_bytes + (size_t)k], 0xff);
    for (int n = 0; n < p->n; n++)
        for (int o = 0; o < p->out; o++)
            for (int h = 0; h < y_shape.h; h++)
                for (int v = 0; v < y_shape.w; v++) {
                    double want = expected(p, x, w, bias, n, o, h, v);
                    double got = (double)((float *)call.y[0].data)[limn_at(&call.y[0], n, o, h, v)];

                    if (want < 0) want *= 0.5;
                    if (!(fabs(got - want) <= 1e-4))
                        fail_msg("%s in blocks of %d, %dx%d, kernel %d: %g, not %g",
                                 limn_type_name(type), block, p->h, p->w, p->kernel, got, want);
                }
    for (int n = 0; n < p->n; n++) /* nothing is written between pictures */
        for (int k = 0; k < EXTRA; k++) {
            size_t behind = limn_count(y_shape) / (size_t)p->n;
            float value =
                ((float *)call.y[0].data)[(size_t)n * call.y[0].batch_stride + behind + (size_t)k];

            assert_true(isnan(value));
        }
}

static void run(limn_type type, bool last)
{
    int block = limn_cpu() == LIMN_CPU_AVX512 ? 16 : 8;

    for (size_t k = 0; k < sizeof problems / sizeof *problems; k++) {
        limn_arena_open(&arena, "test", 1 << 20);
        check(&problems[k], type, last ? problems[k].c : block);
        limn_arena_close(&arena);
    }
}

static void test_float(void **state)
{
    (void)state;
    run(LIMN_F32, false);
}

static void test_bfloat(void **state)
{
    (void)state;
    if (!limn_cpu_has_bf16()) skip();
    run(LIMN_BF16, false);
    run(LIMN_BF16, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_float),
        cmocka_unit_test(test_bfloat),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
