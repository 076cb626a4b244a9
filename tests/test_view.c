/* SPDX-License-Identifier: Apache-2.0
 *
 * What the screen sees of a picture: the resize, which is defined by limn and must not drift,
 * against Pillow's antialiased bilinear one and against hand arithmetic; transparency and odd
 * channels. */
#include "pictures.h"
#include "screen/view.h"

enum { SIDE = 224, RGB = 3 * SIDE * SIDE };

/* Of full scale: what Pillow's and our rounding to float leave. */
static const double close_view = 2e-6;

static void see(const limn_view *view, float *out)
{
    void *room = limn_block(limn_view_room(view));

    assert_non_null(room);
    limn_view_make(view, out, room);
    limn_block_free(room);
}

static void test_resize(void **state)
{
    static const char *const names[] = { "224x224", "448x448", "512x256", "301x97", "97x301",
                                         "640x500", "3000x7",  "1x1",     "2x223",  "1000x1200" };
    float *out = malloc(RGB * sizeof *out), *planes = malloc(3 * 1200 * 1000 * sizeof *planes);

    (void)state;
    assert_non_null(out);
    assert_non_null(planes);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char file[40];
        size_t count, n;
        int32_t size[2];
        char *bytes;
        float *want = malloc(RGB * sizeof *want);
        limn_picture picture = { .info = { .channels = 3, .type = LIMN_U8 } };
        limn_view_source source = { .picture = &picture, .channels = 3 };
        limn_view view;
        double worst = 0;

        snprintf(file, sizeof file, "%s.view", names[i]);
        bytes = scratch_read(scratch_path(&folder, file), &count);
        assert_non_null(bytes);
        assert_non_null(want);
        memcpy(size, bytes, sizeof size);
        n = (size_t)size[0] * (size_t)size[1];
        assert_int_equal(count, 8 + 3 * n + RGB * sizeof *want);
        memcpy(want, bytes + 8 + 3 * n, RGB * sizeof *want);
        source.width = picture.info.width = size[0];
        source.height = picture.info.height = size[1];
        source.part = (limn_part){ 0, 0, size[0], size[1] };
        picture.pixels = bytes + 8;
        assert_int_equal(limn_view_ways(&source), 1);
        view = limn_view_at(&source, 0);
        see(&view, out);
        for (size_t k = 0; k < RGB; k++)
            worst = fmax(worst, fabs((double)out[k] - (double)want[k] / 255));
        if (!(worst < close_view)) fail_msg("%s differs from Pillow by %g", names[i], worst);

        /* The same as planes. */
        for (size_t k = 0; k < 3 * n; k++)
            planes[k % 3 * n + k / 3] = (float)((uint8_t *)picture.pixels)[k] / 127.5f - 1;
        source.picture = NULL;
        source.planes = planes;
        view = limn_view_at(&source, 0);
        see(&view, out);
        for (size_t k = 0; k < RGB; k++)
            assert_true(fabs((double)out[k] - (double)want[k] / 255) < close_view);
        free(want);
        free(bytes);
    }
    free(planes);
    free(out);
}

/* Two pixels on 224: the triangle reaches one source pixel to either side, so with scale 2 / 224
 * the first quarter is the first pixel, the last the second, and between them a straight line. */
static void test_enlarging_by_hand(void **state)
{
    uint16_t pixels[2] = { 0, 65535 };
    limn_picture picture = { .info = { .width = 2, .height = 1, .channels = 1, .type = LIMN_U16 },
                             .pixels = pixels };
    limn_view_source source = { &picture, NULL, 1, 1, 2, { 0, 0, 2, 1 } };
    limn_view view = limn_view_at(&source, 0);
    float *out = malloc(RGB * sizeof *out);

    (void)state;
    assert_non_null(out);
    see(&view, out);
    for (int x = 0; x < SIDE; x++) {
        double at = (x + 0.5) * 2 / SIDE - 0.5, want = at < 0 ? 0 : at > 1 ? 1 : at;

        for (int y = 0; y < 3 * SIDE; y += 56)
            assert_true(fabs((double)out[y * SIDE + x] - want) < 1e-6);
    }
    free(out);
}

/* Transparency: a picture that is nothing but its alpha shows on black and on white. */
static void test_transparency(void **state)
{
    uint8_t pixels[6] = { 0, 0, 0, 200, 100, 50 }, alpha[2] = { 51, 255 };
    limn_picture picture = {
        .info = { .width = 2, .height = 1, .channels = 3, .alpha = true, .type = LIMN_U8 },
        .pixels = pixels,
        .alpha = alpha
    };
    limn_view_source source = { &picture, NULL, 3, 1, 2, { 0, 0, 2, 1 } };
    float *out = malloc(RGB * sizeof *out);
    static const double first[3] = { 0, 0, 0.8 }; /* colours, on black, on white: 1 - 51 / 255 */

    (void)state;
    assert_non_null(out);
    assert_int_equal(limn_view_ways(&source), 3);
    for (int way = 0; way < 3; way++) {
        limn_view view = limn_view_at(&source, way);

        see(&view, out);
        assert_true(fabs((double)out[0] - first[way]) < 1e-6);
        assert_true(fabs((double)out[SIDE - 1] - 200 / 255.0) < 1e-6);
        assert_true(fabs((double)out[2 * SIDE * SIDE + SIDE - 1] - 50 / 255.0) < 1e-6);
    }
    alpha[0] = 255;
    assert_int_equal(limn_view_ways(&source), 1);
    free(out);
}

/* 1 and 3 channels have one way; 8: two triples and two single ones; a network's 2: each. */
static void test_channels(void **state)
{
    static const struct {
        int channels, ways, last[3];
    } cases[] = { { 1, 1, { 0, 0, 0 } },
                  { 2, 2, { 1, 1, 1 } },
                  { 3, 1, { 0, 1, 2 } },
                  { 6, 2, { 3, 4, 5 } },
                  { 8, 4, { 7, 7, 7 } } };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        limn_view_source source = { .channels = cases[i].channels };
        limn_view view;

        assert_int_equal(limn_view_ways(&source), cases[i].ways);
        view = limn_view_at(&source, cases[i].ways - 1);
        assert_memory_equal(view.channel, cases[i].last, sizeof view.channel);
        assert_int_equal(view.ground, -1);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resize),
        cmocka_unit_test(test_enlarging_by_hand),
        cmocka_unit_test(test_transparency),
        cmocka_unit_test(test_channels),
    };

    use_script(argc, argv, "make_views.py");
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
