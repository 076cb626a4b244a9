/* SPDX-License-Identifier: Apache-2.0
 *
 * Comparing sets of pictures without pairs: the kernel distance against numpy
 * (make_distribution.py) and against sums by hand, its interval, that it is unbiased; the features
 * it is computed on against those recorded with tfjs (tests/screening); and what a look at outputs
 * sees. */
#include "base/random.h"
#include "pictures.h"
#include "score/distribution.h"
#include "score/look.h"
#include "screen/features.h"

static const char *root;

/* ---- The distance ---------------------------------------------------------------------------- */

static limn_distance between(const float *x, size_t n, const float *y, size_t m, size_t d)
{
    limn_distance got;

    if (limn_distance_between(&got, x, n, y, m, d, 3, &error)) fail_msg("%s", error.text);
    return got;
}

static void as_numpy_computes(void **state)
{
    static const char *const names[] = { "same", "other", "far", "few", "signed" };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char file[40], *line;
        double want, low, high;
        size_t count;
        int32_t *bytes;
        float *x;

        snprintf(file, sizeof file, "%s.sets", names[i]);
        assert_non_null(bytes = (void *)scratch_read(scratch_path(&folder, file), &count));
        snprintf(file, sizeof file, "%s.distance", names[i]);
        assert_non_null(line = scratch_read(scratch_path(&folder, file), &count));
        assert_int_equal(sscanf(line, "%lf %lf %lf", &want, &low, &high), 3);
        x = (float *)(bytes + 3);
        limn_distance d = between(x, (size_t)bytes[0], x + bytes[0] * bytes[2], (size_t)bytes[1],
                                  (size_t)bytes[2]);
        double width = high - low;

        if (fabs(d.value - want) > 1e-5 * fmax(1, fabs(want)))
            fail_msg("%s: %.9g, numpy has %.9g", names[i], d.value, want);
        /* Two bootstraps, drawn differently: ends differ by their own chance. */
        if (fabs(d.low - low) > 0.12 * width || fabs(d.high - high) > 0.12 * width)
            fail_msg("%s: %.5g to %.5g, numpy has %.5g to %.5g", names[i], d.low, d.high, low,
                     high);
        free(bytes);
        free(line);
    }
}

/* d = 1, x = {1, 2}, y = {0, 3}: k(a, b) = (ab + 1)^3.  Within x: k(1, 2) = 27, within y: k(0, 3)
 * = 1; across: k(1, 0) = 1, k(1, 3) = 64, k(2, 0) = 1, k(2, 3) = 343, mean 102.25.
 * 27 + 1 - 204.5 = -176.5. */
static void by_hand(void **state)
{
    const float x[] = { 1, 2 }, y[] = { 0, 3 };
    limn_distance d = between(x, 2, y, 2, 1);

    (void)state;
    assert_true(fabs(d.value + 176.5) < 1e-9);
    assert_int_equal(d.x_count, 2);
    assert_int_equal(limn_distance_between(&d, x, 1, y, 2, 1, 3, &error), LIMN_SHAPE);
    assert_true(isnan(d.value));
}

static void draw(float *to, size_t count, uint64_t step, float shift)
{
    limn_random random = { .seed = 11, .stream = 5, .step = step };

    for (size_t i = 0; i < count; i++) to[i] = limn_random_normal(&random, i) + shift;
}

/* Sets of one source: the mean of many estimates is 0 whatever the sizes; the biased estimate, with
 * pairs of a picture with itself, would be 0.4 here. */
static void unbiased(void **state)
{
    enum { D = 16, N = 8, M = 5, TIMES = 400 };
    float x[N * D], y[M * D];
    double sum = 0, squares = 0, error_of_mean;

    (void)state;
    for (uint64_t i = 0; i < TIMES; i++) {
        limn_distance d;

        draw(x, N * D, 2 * i, 0);
        draw(y, M * D, 2 * i + 1, 0);
        d = between(x, N, y, M, D);
        sum += d.value;
        squares += d.value * d.value;
    }
    sum /= TIMES;
    error_of_mean = sqrt((squares / TIMES - sum * sum) / TIMES);
    assert_true(fabs(sum) < 3 * error_of_mean);
    assert_true(error_of_mean < 0.05);
}

/* The interval holds the truth nearly as often as it says: the truth here is the distance of sets
 * far larger. */
static void interval_covers(void **state)
{
    enum { D = 12, N = 24, LARGE = 1500, TIMES = 100 };
    float *x = malloc(LARGE * D * sizeof *x), *y = malloc(LARGE * D * sizeof *y);
    double truth;
    int hit = 0;

    (void)state;
    assert_true(x && y);
    draw(x, LARGE * D, 1u << 20, 0);
    draw(y, LARGE * D, 2u << 20, 0.3f);
    truth = between(x, LARGE, y, LARGE, D).value;
    for (uint64_t i = 0; i < TIMES; i++) {
        limn_distance d;

        draw(x, N * D, 2 * i, 0);
        draw(y, N * D, 2 * i + 1, 0.3f);
        d = between(x, N, y, N, D);
        hit += d.low <= truth && truth <= d.high;
    }
    free(x);
    free(y);
    assert_in_range(hit, 88, 100);
}

static void the_same_bits_on_any_threads(void **state)
{
    enum { D = 40, N = 33 };
    float x[N * D], y[N * D];
    limn_distance first, again, other;

    (void)state;
    draw(x, N * D, 1, 0);
    draw(y, N * D, 2, 0.2f);
    limn_compute_threads_set(1);
    first = between(x, N, y, N, D);
    limn_compute_threads_set(2);
    again = between(x, N, y, N, D);
    assert_memory_equal(&first, &again, sizeof first);
    assert_int_equal(limn_distance_between(&other, x, N, y, N, D, 4, &error), LIMN_OK);
    assert_true(other.value == first.value && other.low != first.low);
    for (long n = 0; n < 3; n++) {
        limn_memory_refuse_after(n);
        assert_int_equal(limn_distance_between(&other, x, N, y, N, D, 4, &error), LIMN_NO_MEMORY);
        limn_memory_refuse_after(-1);
    }
}

static void when_it_means_something(void **state)
{
    limn_distance wide = { 0.1, -0.1, 0.3, 50, 50 }, few = { 0.1, 0.09, 0.11, 50, 19 };
    limn_distance good = { 0.1, 0.05, 0.15, 50, 50 }, later = { 0.2, 0.16, 0.3, 50, 50 };

    (void)state;
    assert_false(limn_distance_means_something(&wide, 0.3));
    assert_true(limn_distance_means_something(&wide, 0.5));
    assert_false(limn_distance_means_something(&few, 0.3));
    assert_true(limn_distance_means_something(&good, 0.3));
    assert_true(limn_distance_means_something(&good, NAN));
    assert_false(limn_distance_overlap(&good, &later));
    assert_true(limn_distance_overlap(&wide, &later));
    assert_true(limn_distance_overlap(&later, &wide));
}

/* ---- The features ---------------------------------------------------------------------------- */

/* The recorded picture of 224 x 224 goes in as planes; the recorded layer comes out. */
static void as_tfjs_computes(void **state)
{
    enum { SIDE = 224, PLANE = SIDE * SIDE };
    limn_features *features;
    char path[600], *picture, *layer;
    float *planes = malloc(3 * PLANE * sizeof *planes), got[LIMN_FEATURE_COUNT];
    const float *want;
    size_t count;

    (void)state;
    assert_non_null(planes);
    snprintf(path, sizeof path, "%s/tests/screening/synthetic_224_rgb_u8.npy", root);
    assert_non_null(picture = scratch_read(path, &count));
    assert_int_equal(count, 128 + 3 * PLANE);
    for (size_t i = 0; i < PLANE; i++)
        for (size_t c = 0; c < 3; c++)
            planes[c * PLANE + i] = (float)(unsigned char)picture[128 + 3 * i + c] / 127.5f - 1;
    snprintf(path, sizeof path, "%s/tests/screening/mnv2_average_pooling2d_1.npy", root);
    assert_non_null(layer = scratch_read(path, &count));
    want = (const float *)(const void *)(layer + count - sizeof got);
    if (limn_features_open(&features, false, &error)) fail_msg("%s", error.text);
    if (limn_features_of(features, planes, 3, SIDE, SIDE, got, &error)) fail_msg("%s", error.text);
    for (size_t i = 0; i < LIMN_FEATURE_COUNT; i++)
        if (fabsf(got[i] - want[i]) > 1e-3f)
            fail_msg("%zu: %g, tfjs has %g", i, (double)got[i], (double)want[i]);
    for (long n = 0; n < 3; n++) {
        limn_features *refused;

        limn_memory_refuse_after(n);
        assert_int_equal(limn_features_open(&refused, false, &error), LIMN_NO_MEMORY);
        limn_memory_refuse_after(-1);
        assert_null(refused);
    }
    limn_features_close(&features);
    free(planes);
    free(picture);
    free(layer);
}

/* ---- Looks ----------------------------------------------------------------------------------- */

enum { SIZE = 64, AREA = SIZE * SIZE };

/* A disc of a light on a dark ground, at a place of its own. */
static void disc(float *to, int number, float inside, float outside)
{
    int cx = 16 + number * 7 % 32, cy = 16 + number * 13 % 32;

    for (int i = 0; i < AREA; i++) {
        int x = i % SIZE - cx, y = i / SIZE - cy;

        to[i] = to[AREA + i] = to[2 * AREA + i] = x * x + y * y < 144 ? inside : outside;
    }
}

static limn_look look_at(void (*make)(float *to, int number), bool belongs)
{
    enum { COUNT = 8 };
    static float in[3 * AREA], out[3 * AREA], target[3 * AREA];
    limn_looker *looker;
    limn_look look;

    assert_int_equal(limn_looker_open(&looker, COUNT, &error), LIMN_OK);
    for (int i = 0; i < COUNT + 2; i++) { /* two more than there is room for */
        disc(in, i, 0.8f, -0.6f);
        make(out, i);
        disc(target, i, 0.4f, -0.8f);
        limn_looker_output(looker, (limn_planes){ in, 3, SIZE, SIZE },
                           (limn_planes){ out, 3, SIZE, SIZE });
        limn_looker_target(looker, (limn_planes){ target, 3, SIZE, SIZE }, belongs);
    }
    look = limn_looker_look(looker);
    limn_looker_close(&looker);
    assert_int_equal(look.pictures, COUNT);
    return look;
}

static void like_target(float *to, int number)
{
    disc(to, number, 0.4f, -0.8f);
}

static void always_one(float *to, int number)
{
    (void)number;
    disc(to, 3, 0.4f, -0.8f);
}

static void turned(float *to, int number)
{
    disc(to, number, -0.5f, 0.7f);
}

/* What a small cut may end in: the form is ground, and light lies beside it. */
static void beside(float *to, int number)
{
    static float form[3 * AREA];

    disc(form, number, 0.4f, -0.8f);
    for (int i = 0; i < 3 * AREA; i++) {
        int x = i % SIZE - 10, y = i % AREA / SIZE - 10;
        bool moved = x >= 0 && y >= 0 && form[i - 10 * SIZE - 10] > 0;

        to[i] = moved && form[i] < 0 ? 0.4f : -0.8f;
    }
}

/* The form is red and the ground green, and both are as bright. */
static void as_bright(float *to, int number)
{
    disc(to, number, 0.4f, -0.8f);
    for (int i = 0; i < AREA; i++) {
        to[AREA + i] = to[i] > 0 ? -1.2f * 0.299f / 0.587f : 0;
        to[2 * AREA + i] = -0.8f;
    }
}

static void of_one_light(float *to, int number)
{
    (void)number;
    for (int i = 0; i < 3 * AREA; i++) to[i] = 0.1f;
}

static void with_grid(float *to, int number)
{
    like_target(to, number);
    for (int i = 0; i < 3 * AREA; i++)
        to[i] += (i % SIZE + i % AREA / SIZE) % 2 ? 3 / 127.5f : -3 / 127.5f;
}

static void with_grid_of_four(float *to, int number)
{
    like_target(to, number);
    for (int i = 0; i < 3 * AREA; i++) to[i] += i % SIZE % 4 < 2 ? 4 / 127.5f : -4 / 127.5f;
}

static void with_noise(float *to, int number)
{
    limn_random random = { .seed = 1, .step = (uint64_t)number };

    like_target(to, number);
    for (int i = 0; i < 3 * AREA; i++) to[i] += 0.1f * limn_random_normal(&random, (uint64_t)i);
}

static void what_a_look_sees(void **state)
{
    limn_look well = look_at(like_target, true), same = look_at(always_one, true);
    limn_look inverse = look_at(turned, true), noise = look_at(with_noise, true);

    (void)state;
    /* Inputs differ by 1.4 where targets differ by 1.2. */
    assert_true(fabs(well.spread_output / well.spread_input - 1.2 / 1.4) < 1e-3);
    assert_true(fabs(well.spread_output - well.spread_target) < 1e-6);
    assert_true(same.spread_output < 1e-6 && same.spread_input > 0.1);
    assert_true(fabs(well.luma_output - 1) < 1e-6 && fabs(well.luma_target - 1) < 1e-6);
    assert_true(fabs(inverse.luma_output + 1) < 1e-6 && fabs(inverse.luma_target - 1) < 1e-6);
    assert_true(well.skew_input > 1 && well.skew_target > 1);
    assert_true(isnan(look_at(like_target, false).luma_target));
    assert_true(fabs(well.edges_output - 1) < 1e-6);
    assert_true(fabs(inverse.edges_output - 1) < 1e-6); /* that is the luma's affair */
    assert_true(isnan(look_at(as_bright, false).luma_output));
    assert_true(fabs(look_at(as_bright, false).edges_output - 1) < 1e-6);
    assert_true(fabs(look_at(beside, false).edges_output - 0.2787) < 1e-3);
    assert_true(noise.edges_output > 0.98); /* noise is no outline */
    assert_true(isnan(look_at(of_one_light, false).edges_output));
    assert_true(fabs(well.plain_input - 0.9385) < 1e-4 && well.plain_target == well.plain_input);
    assert_true(fabs(well.grid_output - well.grid_target) < 1e-9);
    assert_true(look_at(with_grid, true).grid_output > 8 * well.grid_target);
    assert_true(look_at(with_grid_of_four, true).grid_output > 8 * well.grid_target);
    assert_true(noise.grid_output < 1.2 * noise.grid_target);    /* noise is no grid */
    assert_true(noise.spread_output < 1.1 * well.spread_output); /* and no diversity */
    assert_true(isnan(limn_grid_of((limn_planes){ (float[9]){ 0 }, 1, 3, 3 })));
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(as_numpy_computes, stop),
        cmocka_unit_test_teardown(by_hand, stop),
        cmocka_unit_test_teardown(unbiased, stop),
        cmocka_unit_test_teardown(interval_covers, stop),
        cmocka_unit_test_teardown(the_same_bits_on_any_threads, stop),
        cmocka_unit_test_teardown(when_it_means_something, stop),
        cmocka_unit_test_teardown(as_tfjs_computes, stop),
        cmocka_unit_test_teardown(what_a_look_sees, stop),
    };

    root = count > 1 ? arguments[1] : ".";
    use_script(count, arguments, "make_distribution.py");
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
