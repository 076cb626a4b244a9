/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolutions between few channels and many (op/narrow.h) against the plain loops: both sides as
 * the narrow one, one to eight channels, strides 1 and 2, kernels whose rows are cut in several
 * runs, uneven padding, maps that pixels and chunks do not divide, one block and several, in blocks
 * and channels-last, F32 and BF16, batches inside something larger, bias and activation, sums onto
 * what is there, scratch memory full of NaN, one thread and several.  Run once a processor level
 * (LIMN_CPU). */
#include "base/cpu.h"
#include "base/random.h"
#include "base/threads.h"
#include "op/convolution.h"
#include "op/narrow.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "own_arena.h"

enum { EXTRA = 96 }; /* elements between pictures */

typedef struct problem {
    int n, large, small, kernel, stride, top, left, h, w; /* h, w: of the large side */
} problem;

static const problem problems[] = {
    { 1, 3, 64, 7, 1, 0, 0, 40, 43 }, /* a ResNet's first layer */
    { 1, 64, 3, 7, 1, 0, 0, 44, 39 }, /* its last */
    { 2, 6, 48, 4, 2, 1, 1, 70, 26 }, /* a critic's first: three chunks, an odd number of blocks */
    { 1, 3, 32, 4, 2, 1, 1, 8, 64 },  /* a U-Net's first */
    { 3, 1, 16, 3, 1, 1, 1, 5, 9 },   /* one block */
    { 1, 32, 1, 3, 1, 1, 0, 9, 7 },   /* uneven zeros */
    { 2, 32, 8, 5, 1, 2, 4, 11, 8 },  /* a row of the kernel is 40 numbers */
    { 1, 8, 32, 1, 1, 0, 0, 6, 5 },   /* no neighbours */
    { 1, 4, 64, 3, 2, 0, 1, 2, 3 },   /* smaller than the kernel */
};

enum { PLAIN, RELU, LEAKY, SUM, TAILS };

static double worst;

/* What BF16 can hold, if exact. */
static limn_tensor noise(limn_shape shape, uint32_t stream, bool exact)
{
    limn_random random = { .seed = 5, .stream = stream };
    size_t count = limn_count(shape);
    float *values = take(count * sizeof *values);

    for (size_t i = 0; i < count; i++) {
        values[i] = 2 * limn_random_uniform(&random, i) - 1;
        if (exact) values[i] = limn_from_bf16(limn_to_bf16(values[i]));
    }
    return (limn_tensor){ shape, LIMN_F32, 1, count / (size_t)shape.n, values };
}

static limn_tensor placed(const limn_tensor *from, limn_type type, int block)
{
    limn_tensor t = *from;
    size_t bytes;

    t.type = type;
    t.block = block;
    t.batch_stride += EXTRA;
    bytes = t.batch_stride * (size_t)t.shape.n * limn_type_bytes(type);
    t.data = take(bytes);
    memset(t.data, 0x42, bytes);
    limn_tensor_copy(&t, from);
    return t;
}

static void compare(const limn_tensor *got, const limn_tensor *want, double most, const problem *p,
                    const char *what)
{
    size_t count = limn_count(want->shape), one = count / (size_t)want->shape.n;
    limn_tensor plain = *want;
    double error = 0, size = 0;

    for (int n = 0; n < got->shape.n && got->batch_stride > one; n++)
        for (size_t i = 0; i < EXTRA * limn_type_bytes(got->type); i++)
            assert_int_equal(
                0x42,
                ((unsigned char *)
                     got->data)[((size_t)n * got->batch_stride + one) * limn_type_bytes(got->type) +
                                i]);
    plain.data = take(count * sizeof(float));
    limn_tensor_copy(&plain, got);
    for (size_t i = 0; i < count; i++) {
        double w = (double)((float *)want->data)[i], d = (double)((float *)plain.data)[i] - w;

        error += d * d;
        size += w * w;
    }
    if (got->type == LIMN_F32 && sqrt(error / size) > worst) worst = sqrt(error / size);
    if (!(sqrt(error) <= most * sqrt(size)))
        fail_msg("%d to %d channels, kernel %d, stride %d, %s: relative error %g", p->large,
                 p->small, p->kernel, p->stride, what, sqrt(error / size));
}

/* Runs in scratch memory full of NaN, beyond which nothing may be written. */
static void run(limn_narrow *n, limn_tensor *large, limn_tensor *small, const float *weights,
                const float *bias, float *gradient)
{
    unsigned char *scratch = take(n->scratch_bytes);

    memset(scratch, 0xff, n->scratch_bytes + 64);
    limn_narrow_bind(n, large->data, small->data, weights, bias, gradient, scratch);
    if (gradient)
        limn_narrow_gradient(n);
    else
        limn_narrow_map(n);
    for (int i = 0; i < 64; i++) assert_int_equal(0xff, scratch[n->scratch_bytes + (size_t)i]);
}

static void check(const problem *p, int tail, limn_type type, bool last)
{
    limn_args args = {
        .stride = p->stride, .pad_top = p->top, .pad_left = p->left, .pad_bottom = 1, .pad_right = 1
    };
    int lanes = limn_cpu() == LIMN_CPU_AVX512 ? 16 : 8;
    int h = (p->h + p->top + 1 - p->kernel) / p->stride + 1;
    int w = (p->w + p->left + 1 - p->kernel) / p->stride + 1;
    bool exact = type == LIMN_BF16, narrow_small = p->small < p->large;
    limn_tensor large = noise((limn_shape){ p->n, p->large, p->h, p->w }, 1, exact);
    limn_tensor small = noise((limn_shape){ p->n, p->small, h, w }, 2, exact);
    limn_tensor weights = noise((limn_shape){ p->small, p->large, p->kernel, p->kernel }, 3, exact);
    limn_tensor gradient = noise(weights.shape, 4, false), sums = gradient;
    limn_tensor *wide = narrow_small ? &large : &small;
    limn_tensor bias = noise((limn_shape){ 1, wide->shape.c, 1, 1 }, 5, exact);
    const float *shift = tail == RELU || tail == LEAKY ? bias.data : NULL;
    int block = last ? wide->shape.c : lanes;
    limn_tensor l = placed(&large, narrow_small ? type : LIMN_F32, narrow_small ? block : p->large);
    limn_tensor s = placed(&small, narrow_small ? LIMN_F32 : type, narrow_small ? p->small : block);
    limn_narrow n;

    assert_ptr_equal(narrow_small ? &s : &l, limn_narrow_side(&l, &s, weights.shape, &args));
    /* The gradient first: the maps are what they were. */
    sums.data = take(limn_count(sums.shape) * sizeof(float));
    memcpy(sums.data, gradient.data, limn_count(sums.shape) * sizeof(float));
    limn_convolve_weights(&large, &gradient, &small, &args, tail == SUM);
    limn_narrow_open(&n, &l, &s, weights.shape, &args, true);
    n.adds = tail == SUM;
    run(&n, &l, &s, NULL, NULL, sums.data);
    compare(&sums, &gradient, 1e-6, p, "gradient");

    limn_narrow_open(&n, &l, &s, weights.shape, &args, false);
    n.adds = tail == SUM;
    n.activation = tail == RELU    ? LIMN_ACTIVATION_RELU
                   : tail == LEAKY ? LIMN_ACTIVATION_LEAKY
                                   : LIMN_ACTIVATION_NONE;
    n.slope = 0.2f;
    run(&n, &l, &s, weights.data, shift, NULL);
    if (narrow_small)
        limn_convolve_data(&large, &weights, shift, &small, &args, tail == SUM);
    else
        limn_convolve(&large, &weights, shift, &small, &args, tail == SUM);
    for (size_t i = 0; i < limn_count(wide->shape); i++) {
        float *v = (float *)wide->data + i;

        *v = limn_activation_value(n.activation, 0.2f, *v);
    }
    /* BF16: the result's own rounding, 2^-8 at most. */
    compare(narrow_small ? &l : &s, wide, exact ? 0x1p-8 : 1e-6, p, "map");
}

static void test_problems(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof problems / sizeof *problems; i++)
        for (int tail = 0; tail < TAILS; tail++)
            for (int form = 0; form < 4; form++) {
                limn_arena_open(&arena, "test", 1 << 20);
                check(&problems[i], tail, form & 1 ? LIMN_BF16 : LIMN_F32, form & 2);
                limn_arena_close(&arena);
            }
    print_message("worst relative error %.2g\n", worst);
}

/* The bits do not depend on threads. */
static void test_threads(void **unused)
{
    limn_args args = { .stride = 1, .pad_top = 3, .pad_left = 3 };
    limn_tensor narrow, wide;
    float *first = NULL;
    int threads = limn_compute_threads();

    (void)unused;
    limn_arena_open(&arena, "test", 1 << 20);
    narrow = noise((limn_shape){ 2, 3, 70, 33 }, 1, false);
    wide = noise((limn_shape){ 2, 32, 70, 33 }, 2, false);
    narrow.block = 3;
    wide.block = 32;
    for (int count = 1; count <= 3; count++) {
        float *gradient = take(32 * 3 * 49 * sizeof *gradient);
        limn_narrow n;

        limn_compute_threads_set(count);
        limn_narrow_open(&n, &narrow, &wide, (limn_shape){ 32, 3, 7, 7 }, &args, true);
        run(&n, &narrow, &wide, NULL, NULL, gradient);
        if (first) assert_memory_equal(first, gradient, 32 * 3 * 49 * sizeof *gradient);
        first = gradient;
    }
    limn_compute_threads_set(threads);
    limn_arena_close(&arena);
}

/* What it must leave to others. */
static void test_unfit(void **unused)
{
    limn_tensor narrow = { { 1, 3, 9, 9 }, LIMN_F32, 3, 243, NULL };
    limn_tensor wide = { { 1, 32, 9, 9 }, LIMN_F32, 32, 2592, NULL }, other;
    limn_shape w = { 32, 3, 3, 3 }, turned = { 3, 32, 3, 3 };
    limn_args args = { .stride = 1, .pad_top = 1, .pad_left = 1 };

    (void)unused;
    assert_ptr_equal(&narrow, limn_narrow_side(&narrow, &wide, w, &args));
    assert_ptr_equal(&narrow, limn_narrow_side(&wide, &narrow, turned, &args));
    other = narrow;
    other.type = LIMN_BF16;
    assert_null(limn_narrow_side(&other, &wide, w, &args));
    other = narrow;
    other.block = 1;
    assert_null(limn_narrow_side(&other, &wide, w, &args));
    other = wide;
    other.shape.c = other.block = 20;
    assert_null(limn_narrow_side(&narrow, &other, w, &args));
    args.stride = 2;
    assert_null(limn_narrow_side(&wide, &narrow, turned, &args));
    args.stride = 1;
    args.pad_top = 3;
    assert_null(limn_narrow_side(&wide, &narrow, turned, &args));
    args.groups = 3;
    assert_null(limn_narrow_side(&narrow, &wide, w, &args));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_problems),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_unfit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
