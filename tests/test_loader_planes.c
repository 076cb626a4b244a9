/* SPDX-License-Identifier: Apache-2.0
 *
 * What is in the planes that the loader gives out, against the pixels that were written, the
 * library's own parts and arithmetic. */
#include "data/lab.h"
#include "loader_cases.h"

static void pixels_are_those_of_the_files(void **state)
{
    limn_loader_settings s = small();

    (void)state;
    write_bmp("train/00.bmp", 10, 6, 1, -1);
    list(LIMN_PAIRED);
    s.preparation = (limn_preparation){ .preprocess = LIMN_PREPROCESS_NONE };
    s.multiple = 8;
    open_at(&s, 0, 0);
    limn_batch b = next();
    assert_true(limn_shape_equal(b.a_shape, (limn_shape){ 1, 3, 8, 8 }));
    assert_true(limn_shape_equal(b.a_kept, (limn_shape){ 1, 3, 6, 5 }));
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < 8; y++)
            for (int x = 0; x < 8; x++) {
                int px = x < 5 ? x : 8 - x, py = y < 6 ? y : 10 - y; /* reflected */

                assert_true(b.a[(c * 8 + y) * 8 + x] == (float)pixel(1, px, py, c) / 127.5f - 1);
                assert_true(b.b[(c * 8 + y) * 8 + x] ==
                            (float)pixel(1, 5 + px, py, c) / 127.5f - 1);
            }
    /* BtoA exchanges them. */
    s.b_to_a = true;
    open_at(&s, 0, 0);
    b = next();
    assert_true(b.a[0] == (float)pixel(1, 5, 0, 0) / 127.5f - 1);
    assert_true(b.b[0] == (float)pixel(1, 0, 0, 0) / 127.5f - 1);
}

/* Both halves of a pair get one draw: equal halves stay equal through crop and flip. */
static void halves_are_prepared_alike(void **state)
{
    limn_loader_settings s = small();
    int flips = 0;

    (void)state;
    write_bmp("trainA/x.bmp", 21, 16, 9, -1);
    write_bmp("trainB/x.bmp", 21, 16, 9, -1);
    list(LIMN_PAIRED);
    open_at(&s, 0, 0);
    for (int i = 0; i < 40; i++) {
        limn_batch b = next();
        limn_random random = { .seed = 77, .stream = LIMN_STREAM_PREPARE, .step = (uint64_t)i };
        float want[3 * 8 * 8];
        limn_picture picture;
        limn_draw draw;

        assert_memory_equal(b.a, b.b, 3 * 8 * 8 * sizeof(float));
        assert_int_equal(limn_draw_for(&draw, &s.preparation, 21, 16, &random, 0, &error), LIMN_OK);
        assert_int_equal(limn_picture_read(&picture, b.a_items[0]->path, NULL, &error), LIMN_OK);
        assert_int_equal(limn_draw_apply(&draw, &picture, NULL, 3, LIMN_FILTER_CUBIC, want, &error),
                         LIMN_OK);
        limn_picture_close(&picture);
        assert_memory_equal(b.a, want, sizeof want);
        flips += draw.flip;
    }
    assert_in_range(flips, 8, 32);
}

static void colours_become_lab(void **state)
{
    limn_loader_settings s = small();

    (void)state;
    write_bmp("train/x.bmp", 5, 4, 2, -1);
    list(LIMN_PLAIN);
    s.preparation = (limn_preparation){ .preprocess = LIMN_PREPROCESS_NONE };
    s.colorize = true;
    s.a_channels = 1;
    s.b_channels = 2;
    open_at(&s, 0, 0);
    limn_batch b = next();
    for (int i = 0; i < 20; i++) {
        double rgb[3], lab[3];

        for (int c = 0; c < 3; c++) rgb[c] = pixel(2, i % 5, i / 5, c) / 255.0;
        limn_lab_from_srgb(rgb, lab);
        assert_true(fabs(b.a[i] - (lab[0] / 50 - 1)) < 1e-6);
        assert_true(fabs(b.b[i] - lab[1] / 110) < 1e-6);
        assert_true(fabs(b.b[20 + i] - lab[2] / 110) < 1e-6);
    }
}

static void validation_is_the_same_every_time(void **state)
{
    limn_loader_settings s = small();
    float first[3 * 64];
    limn_batch b;
    int touched = 0;

    (void)state;
    write_bmp("trainA/x.bmp", 12, 12, 0, 250);
    write_bmp("trainB/x.bmp", 12, 12, 0, 40);
    list(LIMN_PAIRED);
    s.serial = s.no_draw = true;
    s.hints = (limn_hints){ .most = 3, .none = 1 };
    s.hints_how = LIMN_HINTS_FIXED; /* touches though `none` says never */
    open_at(&s, 0, 0);
    b = next();
    memcpy(first, b.a, sizeof first);
    for (int i = 0; i < 64; i++) touched += b.a[i] < 0;
    assert_true(touched > 0);
    for (int i = 0; i < 64; i++)
        assert_true(b.a[i] == 40 / 127.5f - 1 || b.a[i] == 250 / 127.5f - 1);
    for (int i = 0; i < 5; i++) {
        b = next();
        assert_memory_equal(b.a, first, sizeof first);
    }
    s.seed = 1234;
    open_at(&s, 9, 0);
    b = next();
    assert_memory_equal(b.a, first, sizeof first);
    s.hints_how = LIMN_HINTS_WITHOUT;
    open_at(&s, 0, 0);
    b = next();
    for (int i = 0; i < 64; i++) assert_true(b.a[i] == 250 / 127.5f - 1);
}

static void sixteen_bits_stay_exact(void **state)
{
    enum { SIDE = 64, COUNT = SIDE * SIDE };
    static uint16_t values[COUNT];
    limn_loader_settings s = small();

    (void)state;
    s.preparation = (limn_preparation){ .preprocess = LIMN_PREPROCESS_NONE };
    s.a_channels = s.b_channels = 1;
    s.serial = true;
    for (int part = 0; part < 16; part++) { /* all 65536 values */
        char name[100];

        for (int i = 0; i < COUNT; i++) values[i] = (uint16_t)(part * COUNT + i);
        snprintf(name, sizeof name, "trainA/%02d.pgm", part);
        write_pnm(name, SIDE, SIDE, 1, 16, values);
        snprintf(name, sizeof name, "trainB/%02d.pgm", part);
        write_pnm(name, SIDE, SIDE, 1, 16, values);
    }
    list(LIMN_PAIRED);
    open_at(&s, 0, 0);
    for (int part = 0; part < 16; part++) {
        limn_batch b = next();

        for (int i = 0; i < COUNT; i++) {
            assert_int_equal(lround(((double)b.a[i] + 1) * 32767.5), part * COUNT + i);
            assert_true(fabs(((double)b.a[i] + 1) * 32767.5 - (part * COUNT + i)) < 0.01);
        }
    }
    /* And the cache keeps 16 bits as 16 bits. */
    assert_int_equal(limn_loader_time(loader).cached_bytes,
                     limn_loader_time(loader).cached * COUNT * 2);
}

static void grey_and_colour_go_together(void **state)
{
    uint16_t grey[6] = { 0, 50, 100, 150, 200, 255 };
    limn_loader_settings s = small();

    (void)state;
    write_pnm("trainA/x.pgm", 3, 2, 1, 8, grey);
    write_bmp("trainB/x.bmp", 3, 2, 5, -1);
    list(LIMN_PAIRED);
    s.preparation = (limn_preparation){ .preprocess = LIMN_PREPROCESS_NONE };
    open_at(&s, 0, 0);
    limn_batch b = next();
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 6; i++) assert_true(b.a[c * 6 + i] == grey[i] / 127.5f - 1);
    s.b_channels = 1;
    open_at(&s, 0, 0);
    b = next();
    assert_int_equal(b.b_shape.c, 1);
    for (int i = 0; i < 6; i++) {
        float want = (float)(0.299 * pixel(5, i % 3, i / 3, 0) + 0.587 * pixel(5, i % 3, i / 3, 1) +
                             0.114 * pixel(5, i % 3, i / 3, 2)) /
                         127.5f -
                     1;

        assert_true(fabsf(b.b[i] - want) < 1e-6f);
    }
}

static void a_picture_of_one_pixel(void **state)
{
    limn_loader_settings s = small();

    (void)state;
    write_bmp("train/x.bmp", 2, 1, 3, -1);
    list(LIMN_PAIRED);
    open_at(&s, 0, 0); /* scaled up to 12 x 12, cut to 8 x 8: one colour */
    limn_batch b = next();
    for (int i = 0; i < 64; i++)
        assert_true(fabsf(b.a[i] - ((float)pixel(3, 0, 0, 0) / 127.5f - 1)) < 1e-6f);
    s.preparation.preprocess = LIMN_PREPROCESS_NONE;
    s.multiple = 4;
    open_at(&s, 0, 0);
    b = next();
    assert_true(limn_shape_equal(b.a_shape, (limn_shape){ 1, 3, 4, 4 }));
    assert_true(b.a[15] == b.a[0]);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest tests[] = {
        CASE(pixels_are_those_of_the_files),
        CASE(halves_are_prepared_alike),
        CASE(colours_become_lab),
        CASE(validation_is_the_same_every_time),
        CASE(sixteen_bits_stay_exact),
        CASE(grey_and_colour_go_together),
        CASE(a_picture_of_one_pixel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
