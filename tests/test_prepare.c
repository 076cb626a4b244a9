/* SPDX-License-Identifier: Apache-2.0
 *
 * Scaling against Pillow's own (the files come from make_pictures.py), cropping and flipping exact,
 * padding against the definition, draws the same for both halves and nothing but (seed, epoch,
 * index). */
#include "image/prepare.h"
#include "pictures.h"

static limn_picture rgb; /* 61 x 47 */

static int start_with_picture(void **state)
{
    if (start_all(state)) return -1;
    return limn_picture_read(&rgb, scratch_path(&folder, "rgb.png"), NULL, &error) ? -1 : 0;
}

static int stop_with_picture(void **state)
{
    limn_picture_close(&rgb);
    return stop_all(state);
}

/* Behind each; the picture is left. */
static int refuse_no_more(void **state)
{
    (void)state;
    limn_memory_refuse_after(-1);
    return 0;
}

static float at(const limn_picture *p, int x, int y, int c)
{
    return (float)((const uint8_t *)p->pixels)[(y * p->info.width + x) * p->info.channels + c] /
               127.5f -
           1;
}

static void scaled_as_pillow_scales(void **state)
{
    static const struct {
        limn_part from;
        int width, height;
    } cases[] = { { { 0, 0, 61, 47 }, 286, 286 }, { { 0, 0, 61, 47 }, 13, 9 },
                  { { 0, 0, 61, 47 }, 61, 90 },   { { 30, 0, 31, 47 }, 40, 25 },
                  { { 0, 0, 30, 47 }, 30, 47 },   { { 3, 0, 1, 47 }, 5, 7 },
                  { { 0, 0, 61, 47 }, 1, 1 } };

    (void)state;
    for (int f = 0; f < 2; f++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            size_t n = 3 * (size_t)cases[i].width * (size_t)cases[i].height, count;
            float *got = malloc(n * sizeof *got), *window = malloc(n * sizeof *got);
            limn_resampling how = { .from = cases[i].from,
                                    .width = cases[i].width,
                                    .height = cases[i].height,
                                    .filter = f ? LIMN_FILTER_NEAREST : LIMN_FILTER_CUBIC };
            char name[100];
            double worst = 0;

            snprintf(name, sizeof name, "%s_%d_%d_%dx%d.planes", f ? "nearest" : "cubic",
                     how.from.x, how.from.width, how.width, how.height);
            float *want = (void *)scratch_read(scratch_path(&folder, name), &count);
            assert_non_null(want);
            assert_int_equal(count, n * sizeof *want);
            assert_int_equal(limn_resample(&rgb, &how, 3, got, &error), LIMN_OK);
            for (size_t k = 0; k < n; k++)
                if (!(fabsf(got[k] - want[k]) <= worst)) worst = fabsf(got[k] - want[k]);
            if (!(worst <= (f ? 0 : 2e-6))) fail_msg("%s differs by %g", name, worst);

            /* Any window of it, flipped, is that window of the whole, to the bit. */
            int w = how.width, h = how.height;
            limn_part part = { w / 3, h / 4, (w + 1) / 2, (h + 1) / 2 };

            how.window = part;
            how.flip = true;
            assert_int_equal(limn_resample(&rgb, &how, 3, window, &error), LIMN_OK);
            for (int c = 0; c < 3; c++)
                for (int y = 0; y < part.height; y++)
                    for (int x = 0; x < part.width; x++)
                        assert_true(window[(c * part.height + y) * part.width + x] ==
                                    got[(c * h + part.y + y) * w + part.x + part.width - 1 - x]);
            free(got);
            free(window);
            free(want);
        }
}

static void a_crop_is_a_copy(void **state)
{
    float got[3 * 5 * 4], grey[20];
    limn_resampling how = { .window = { 7, 11, 5, 4 } };

    (void)state;
    assert_int_equal(limn_resample(&rgb, &how, 3, got, &error), LIMN_OK);
    assert_int_equal(limn_resample(&rgb, &how, 1, grey, &error), LIMN_OK);
    for (int y = 0; y < 4; y++)
        for (int x = 0; x < 5; x++) {
            for (int c = 0; c < 3; c++)
                assert_true(got[(c * 4 + y) * 5 + x] == at(&rgb, 7 + x, 11 + y, c));
            assert_true(fabsf(grey[y * 5 + x] - (0.299f * at(&rgb, 7 + x, 11 + y, 0) +
                                                 0.587f * at(&rgb, 7 + x, 11 + y, 1) +
                                                 0.114f * at(&rgb, 7 + x, 11 + y, 2))) < 1e-6);
        }
}

static void rectangles_that_leave_are_refused(void **state)
{
    float out[16];

    (void)state;
    assert_int_equal(
        limn_resample(&rgb, &(limn_resampling){ .window = { 58, 0, 4, 4 } }, 1, out, &error),
        LIMN_SHAPE);
    assert_int_equal(
        limn_resample(&rgb, &(limn_resampling){ .from = { 0, -1, 4, 4 } }, 1, out, &error),
        LIMN_SHAPE);
    assert_int_equal(
        limn_resample(&rgb, &(limn_resampling){ .window = { 0, 0, 2, 2 } }, 4, out, &error),
        LIMN_SHAPE);
    for (long n = 0; n < 3; n++) {
        limn_memory_refuse_after(n);
        assert_int_equal(
            limn_resample(&rgb, &(limn_resampling){ .window = { 0, 0, 4, 4 } }, 1, out, &error),
            LIMN_NO_MEMORY);
    }
    limn_memory_refuse_after(-1);
}

static void planes_keep_their_range(void **state)
{
    const float step[4] = { -1000, -1000, 1000, 1000 };
    float out[8];

    (void)state;
    assert_int_equal(
        limn_resample_planes(step, 1, 1, 4, &(limn_resampling){ .width = 8 }, out, &error),
        LIMN_OK);
    /* Position 2 lies at 1.25 between the centres 0.5 1.5 2.5: the cubic at 0.75 0.25 1.25 is
     * 0.2265625 0.8671875 -0.0703125, and what would be left of the border is missing from the sum.
     */
    assert_true(fabsf(out[2] + 1000 * (0.2265625f + 0.8671875f + 0.0703125f) / 1.0234375f) < 1e-3f);
    assert_true(out[2] < -1000); /* overshoots, and is not clamped */
}

/* The position that i shows when 0..n-1 is reflected for ever, walked step by step. */
static int walked(int i, int n)
{
    int at = 0, step = i < 0 ? -1 : 1, way = n > 1 ? 1 : 0;

    if (step < 0) i = -i; /* symmetric about 0 */
    for (; i; i--) {
        if (at + way < 0 || at + way >= n) way = -way;
        at += way;
    }
    return at;
}

static void reflected_again_and_again(void **state)
{
    static const int sizes[] = { 1, 2, 3, 5 };

    (void)state;
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 4; j++) {
            limn_shape shape = { 2, 3, sizes[i], sizes[j] };
            limn_padding padding = { 0, 4, 13, 9 };
            limn_shape big = limn_padded(shape, padding);
            size_t n = limn_count(shape);
            float *in = malloc(n * sizeof *in), *out = malloc(limn_count(big) * sizeof *out);

            for (size_t k = 0; k < n; k++) in[k] = (float)k;
            limn_reflect(out, in, shape, padding);
            for (int p = 0; p < 6; p++)
                for (int y = 0; y < big.h; y++)
                    for (int x = 0; x < big.w; x++)
                        assert_true(out[(p * big.h + y) * big.w + x] ==
                                    in[(p * shape.h + walked(y - padding.top, shape.h)) * shape.w +
                                       walked(x - padding.left, shape.w)]);
            memset(in, 0, n * sizeof *in);
            limn_cut(in, out, shape, padding);
            for (size_t k = 0; k < n; k++) assert_true(in[k] == (float)k);
            free(in);
            free(out);
        }
    limn_padding p = limn_padding_to_multiple(257, 311, 256);

    assert_true(p.bottom == 255 && p.right == 201 && p.top == 0 && p.left == 0);
    p = limn_padding_to_multiple(256, 512, 256);
    assert_true(p.bottom == 0 && p.right == 0);
}

static void draws_of_each_kind(void **state)
{
    limn_preparation how = LIMN_PREPARATION_DEFAULTS;
    limn_random random = { .seed = 3, .stream = 7, .step = 1 };
    int flips = 0, left = 0, right = 0, together = 0, corner = 0;
    limn_draw draw, again;

    (void)state;
    for (uint64_t i = 0; i < 2000; i++) {
        assert_int_equal(limn_draw_for(&draw, &how, 600, 400, &random, i, &error), LIMN_OK);
        assert_true(draw.width == 286 && draw.height == 286);
        assert_true(draw.window.width == 256 && draw.window.height == 256);
        assert_true(draw.window.x >= 0 && draw.window.x <= 30 && draw.window.y >= 0 &&
                    draw.window.y <= 30);
        flips += draw.flip;
        left += draw.window.x == 0;
        right += draw.window.x == 30;
        together += draw.flip && draw.window.x > 15;
        corner += draw.window.y > 15 && draw.window.x > 15;
        assert_int_equal(limn_draw_for(&again, &how, 600, 400, &random, i, &error), LIMN_OK);
        assert_memory_equal(&draw, &again, sizeof draw);
        how.flip = false; /* does not move the crop */
        assert_int_equal(limn_draw_for(&again, &how, 600, 400, &random, i, &error), LIMN_OK);
        assert_true(!again.flip && again.window.x == draw.window.x &&
                    again.window.y == draw.window.y);
        how.flip = true;
    }
    assert_in_range(flips, 900, 1100); /* 1000 +- 4.5 sigma */
    assert_in_range(left, 30, 110);    /* 2000 / 31 = 65 +- 5 sigma: both ends are drawn */
    assert_in_range(right, 30, 110);
    /* Column, row and flip know nothing of each other: 2000 / 2 * 15 / 31 and 2000 * (15 / 31)^2.
     */
    assert_in_range(together, 390, 580);
    assert_in_range(corner, 370, 570);
    limn_random next = { .seed = 3, .stream = 7, .step = 2 };
    int same = 0;

    for (uint64_t i = 0; i < 100; i++) {
        (void)limn_draw_for(&draw, &how, 600, 400, &random, i, &error);
        (void)limn_draw_for(&again, &how, 600, 400, &next, i, &error);
        same += draw.window.x == again.window.x && draw.window.y == again.window.y;
    }
    assert_true(same < 5);

    /* Without chance: the middle. */
    assert_int_equal(limn_draw_for(&draw, &how, 600, 400, NULL, 0, &error), LIMN_OK);
    assert_true(draw.window.x == 15 && draw.window.y == 15 && !draw.flip);

    how.preprocess = LIMN_PREPROCESS_SCALE_WIDTH;
    assert_int_equal(limn_draw_for(&draw, &how, 600, 401, &random, 0, &error), LIMN_OK);
    assert_true(draw.width == 286 && draw.height == 256); /* 286 * 401 / 600 = 191, at least 256 */
    assert_int_equal(limn_draw_for(&draw, &how, 400, 601, &random, 0, &error), LIMN_OK);
    assert_true(draw.width == 286 && draw.height == 429 && draw.window.height == 429); /* 429.7 */
    how.preprocess = LIMN_PREPROCESS_SCALE_WIDTH_AND_CROP;
    assert_int_equal(limn_draw_for(&draw, &how, 400, 601, &random, 0, &error), LIMN_OK);
    assert_true(draw.height == 429 && draw.window.width == 256 && draw.window.height == 256);
    how.preprocess = LIMN_PREPROCESS_CROP;
    assert_int_equal(limn_draw_for(&draw, &how, 300, 256, &random, 0, &error), LIMN_OK);
    assert_true(draw.width == 300 && draw.window.y == 0 && draw.window.x <= 44);
    assert_int_equal(limn_draw_for(&draw, &how, 300, 255, &random, 0, &error), LIMN_SHAPE);
    assert_non_null(strstr(error.text, "resize_and_crop"));
    how.preprocess = LIMN_PREPROCESS_NONE;
    assert_int_equal(limn_draw_for(&draw, &how, 257, 311, &random, 0, &error), LIMN_OK);
    assert_true(draw.window.width == 257 && draw.window.height == 311);
    how.preprocess = LIMN_PREPROCESS_RESIZE_AND_CROP;
    how.crop_size = 300;
    assert_int_equal(limn_preparation_check(&how, &error), LIMN_SETTING);
    assert_non_null(strstr(error.text, "--load-size to 300"));
}

static void both_halves_by_one_draw(void **state)
{
    limn_preparation how = LIMN_PREPARATION_DEFAULTS;
    limn_random random = { .seed = 1, .stream = 1, .step = 0 };
    float *a = malloc(sizeof(float) * 3 * 20 * 20), *b = malloc(sizeof(float) * 3 * 20 * 20);
    limn_picture pair;
    limn_part left, right;
    limn_draw draw;

    (void)state;
    how.load_size = 24;
    how.crop_size = 20;
    /* A and B hold the same values, so they must stay equal; beside A lies B and not black. */
    assert_int_equal(limn_picture_make(&pair, 64, 32, 3, LIMN_U8, false, &error), LIMN_OK);
    for (int y = 0; y < 32; y++)
        for (int x = 0; x < 64; x++)
            for (int c = 0; c < 3; c++)
                ((uint8_t *)pair.pixels)[(y * 64 + x) * 3 + c] = (uint8_t)((x % 32) * 7 +
                                                                           y * (c + 1));
    assert_int_equal(limn_picture_halves(&pair.info, &left, &right, &error), LIMN_OK);
    for (uint64_t i = 0; i < 20; i++) {
        assert_int_equal(limn_draw_for(&draw, &how, left.width, left.height, &random, i, &error),
                         LIMN_OK);
        assert_int_equal(limn_draw_apply(&draw, &pair, &left, 3, LIMN_FILTER_CUBIC, a, &error),
                         LIMN_OK);
        assert_int_equal(limn_draw_apply(&draw, &pair, &right, 3, LIMN_FILTER_CUBIC, b, &error),
                         LIMN_OK);
        assert_memory_equal(a, b, sizeof(float) * 3 * 20 * 20);
    }
    /* Halves of different size only where both are scaled to one. */
    how.preprocess = LIMN_PREPROCESS_CROP;
    assert_int_equal(limn_draw_for(&draw, &how, 32, 32, &random, 0, &error), LIMN_OK);
    assert_int_equal(limn_draw_apply(&draw, &rgb, NULL, 3, LIMN_FILTER_CUBIC, a, &error),
                     LIMN_SHAPE);
    assert_non_null(strstr(error.text, "differ in size"));
    pair.info.width = 63;
    assert_int_equal(limn_picture_halves(&pair.info, &left, &right, &error), LIMN_SHAPE);
    limn_picture_close(&pair);
    free(a);
    free(b);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(scaled_as_pillow_scales, refuse_no_more),
        cmocka_unit_test_teardown(a_crop_is_a_copy, refuse_no_more),
        cmocka_unit_test_teardown(rectangles_that_leave_are_refused, refuse_no_more),
        cmocka_unit_test_teardown(planes_keep_their_range, refuse_no_more),
        cmocka_unit_test_teardown(reflected_again_and_again, refuse_no_more),
        cmocka_unit_test_teardown(draws_of_each_kind, refuse_no_more),
        cmocka_unit_test_teardown(both_halves_by_one_draw, refuse_no_more),
    };

    use_script(count, arguments, "make_pictures.py");
    return cmocka_run_group_tests(tests, start_with_picture, stop_with_picture);
}
