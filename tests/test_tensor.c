/* SPDX-License-Identifier: Apache-2.0
 *
 * Types, the two 16-bit floats over every value they have, and the copy between layouts against the
 * offset formula of tensor.h. */
#include "base/memory.h"
#include "base/random.h"
#include "base/threads.h"
#include "tensor/tensor.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void types_have_names_and_sizes(void **state)
{
    (void)state;
    assert_string_equal(limn_type_name(LIMN_BF16), "BF16");
    assert_string_equal(limn_type_name(LIMN_BOOL), "BOOL");
    assert_int_equal(limn_type_bytes(LIMN_F32), 4);
    assert_int_equal(limn_type_bytes(LIMN_F16), 2);
    assert_int_equal(limn_type_bytes(LIMN_U64), 8);
    assert_int_equal(limn_type_bytes(LIMN_TYPE_COUNT), 0);
    assert_string_equal(limn_type_name((limn_type)-1), "unknown");
}

/* The value of a half as IEEE 754 defines it, from its three fields. */
static double half_value(unsigned v)
{
    double sign = v & 0x8000 ? -1 : 1;
    int exponent = (int)(v >> 10 & 31), fraction = (int)(v & 0x3ff);

    if (exponent == 31) return fraction ? NAN : sign * INFINITY;
    if (!exponent) return sign * ldexp(fraction, -24);
    return sign * ldexp(1024 + fraction, exponent - 25);
}

static void halves_are_read_exactly(void **state)
{
    (void)state;
    for (unsigned v = 0; v < 0x10000; v++) {
        float f = limn_from_f16((uint16_t)v);
        double expected = half_value(v);

        if (isnan(expected))
            assert_true(isnan(f));
        else
            assert_true((double)f == expected && !signbit(f) == !signbit(expected));
    }
}

/* Between any two neighbours a < b: the middle goes to the even one, and a hair to either side of
 * the middle to the near one.  max_v is the largest finite; above it the neighbour is infinity. */
static void check_rounding(uint16_t (*to)(float), float (*from)(uint16_t), uint16_t max_v,
                           double above_max)
{
    for (unsigned v = 0; v <= max_v; v++) {
        double a = from((uint16_t)v), b = v < max_v ? from((uint16_t)(v + 1)) : above_max;
        float middle = (float)((a + b) / 2);

        for (unsigned sign = 0; sign <= 0x8000; sign += 0x8000) {
            float s = sign ? -1 : 1;

            assert_int_equal(to(s * (float)a), v | sign);
            assert_int_equal(to(s * middle), (v + (v & 1)) | sign);
            assert_int_equal(to(s * nextafterf(middle, INFINITY)), (v + 1) | sign);
            assert_int_equal(to(s * nextafterf(middle, 0)), v | sign);
        }
    }
}

static void floats_are_rounded_to_nearest_even(void **state)
{
    (void)state;
    check_rounding(limn_to_f16, limn_from_f16, 0x7bff, 65536);
    check_rounding(limn_to_bf16, limn_from_bf16, 0x7f7f, 0x1p128);
    assert_int_equal(limn_to_f16(INFINITY), 0x7c00);
    assert_int_equal(limn_to_f16(-INFINITY), 0xfc00);
    assert_int_equal(limn_to_f16(1e30f), 0x7c00);
    assert_int_equal(limn_to_bf16(-INFINITY), 0xff80);
    assert_int_equal(limn_to_f16(0x1p-26f), 0);
}

static void nan_stays_nan(void **state)
{
    static const uint32_t nans[] = { 0x7f800001, 0x7fc00000, 0xff800001, 0xffffffff, 0x7fffffff };

    (void)state;
    for (int i = 0; i < 5; i++) {
        float f;

        memcpy(&f, &nans[i], sizeof f);
        assert_true(isnan(limn_from_f16(limn_to_f16(f))));
        assert_true(isnan(limn_from_bf16(limn_to_bf16(f))));
    }
}

/* Fills a tensor's memory, gaps included, with random values of its type. */
static void fill(limn_tensor *t, size_t elements, uint64_t seed)
{
    limn_random draw = { .seed = seed };

    for (size_t i = 0; i < elements; i++)
        if (t->type == LIMN_F32)
            ((float *)t->data)[i] = limn_random_normal(&draw, i);
        else
            ((uint16_t *)t->data)[i] = limn_to_bf16(limn_random_normal(&draw, i));
}

static float at(const limn_tensor *t, size_t i)
{
    return t->type == LIMN_F32 ? ((float *)t->data)[i] : limn_from_bf16(((uint16_t *)t->data)[i]);
}

static void check_copy(limn_shape shape, int to_block, int from_block, limn_type to_type,
                       limn_type from_type, size_t gap)
{
    size_t one = limn_count(shape) / (size_t)shape.n, elements;
    limn_tensor to = { shape, to_type, to_block, one + gap, NULL };
    limn_tensor from = { shape, from_type, from_block, one + 2 * gap, NULL };

    elements = (size_t)shape.n * (one + 2 * gap);
    to.data = limn_block(elements * 4);
    from.data = limn_block(elements * 4);
    fill(&from, elements, 1);
    memset(to.data, 0x55, elements * 4);
    limn_tensor_copy(&to, &from);
    for (int n = 0; n < shape.n; n++)
        for (int c = 0; c < shape.c; c++)
            for (int h = 0; h < shape.h; h++)
                for (int w = 0; w < shape.w; w++) {
                    float expected = at(&from, limn_at(&from, n, c, h, w));

                    if (to_type == LIMN_BF16) expected = limn_from_bf16(limn_to_bf16(expected));
                    if (at(&to, limn_at(&to, n, c, h, w)) != expected)
                        fail_msg("(%d %d %d %d) block %d from %d at %d %d %d %d", shape.n, shape.c,
                                 shape.h, shape.w, to_block, from_block, n, c, h, w);
                }
    for (int n = 0; n < shape.n; n++) /* nothing is written between pictures */
        for (size_t i = 0; i < gap * limn_type_bytes(to_type); i++)
            assert_int_equal(
                ((unsigned char *)
                     to.data)[((size_t)n * to.batch_stride + one) * limn_type_bytes(to_type) + i],
                0x55);
    limn_block_free(to.data);
    limn_block_free(from.data);
}

static void copy_agrees_with_the_offset_formula(void **state)
{
    static const limn_shape shapes[] = { { 1, 1, 1, 1 },    { 2, 3, 5, 7 },  { 1, 16, 8, 8 },
                                         { 2, 32, 9, 31 },  { 1, 48, 1, 1 }, { 3, 12, 20, 17 },
                                         { 1, 64, 16, 65 }, { 1, 3, 70, 70 } };
    static const limn_type types[] = { LIMN_F32, LIMN_BF16 };

    (void)state;
    for (int threads = 1; threads <= 3; threads += 2)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            for (int a = 1; a <= shapes[s].c; a++)
                for (int b = 1; b <= shapes[s].c; b++) {
                    if (shapes[s].c % a || shapes[s].c % b) continue;
                    limn_compute_threads_set(threads);
                    for (int t = 0; t < 4; t++)
                        check_copy(shapes[s], a, b, types[t / 2], types[t % 2],
                                   (size_t)(a + b) % 3 * 5);
                }
    limn_compute_threads_set(0);
}

static void copy_of_nothing_is_nothing(void **state)
{
    limn_tensor to = { { 0, 3, 4, 4 }, LIMN_F32, 1, 48, NULL }, from = to;

    (void)state;
    limn_tensor_copy(&to, &from);
    to.shape = from.shape = (limn_shape){ 1, 0, 4, 4 };
    to.block = from.block = 0;
    limn_tensor_copy(&to, &from);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_have_names_and_sizes),
        cmocka_unit_test(halves_are_read_exactly),
        cmocka_unit_test(floats_are_rounded_to_nearest_even),
        cmocka_unit_test(nan_stays_nan),
        cmocka_unit_test(copy_agrees_with_the_offset_formula),
        cmocka_unit_test(copy_of_nothing_is_nothing),
    };

    return cmocka_run_group_tests_name("tensor", tests, NULL, NULL);
}
