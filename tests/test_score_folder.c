/* SPDX-License-Identifier: Apache-2.0
 *
 * Scoring folders through limn.h: a network whose answers are known, so that every score can be
 * computed by hand; the page, the sheet and the direction. */
#include "image/picture.h"
#include "score/score.h"
#include "translate_cases.h"

enum { PAIRS = 3, SIDE = 48 };

/* test/N.ppm: A | B side by side, B brighter than A by 10 N of 255. */
static void write_pairs(bool swapped)
{
    make_folder("test");
    for (int n = 0; n < PAIRS; n++) {
        limn_pixels p = make_pixels(2 * SIDE, SIDE, 3, 8);
        uint8_t *v = p.data;
        char name[40];

        for (int y = 0; y < SIDE; y++)
            for (int k = 0; k < 3 * SIDE; k++) {
                uint8_t a = (uint8_t)(60 + scene(k / 3, y, k % 3) * 100);
                uint8_t b = (uint8_t)(a + 10 * n);

                v[y * 6 * SIDE + k] = swapped ? b : a;
                v[y * 6 * SIDE + 3 * SIDE + k] = swapped ? a : b;
            }
        sprintf(name, "test/%d.ppm", n);
        write_ppm(name, &p);
        free(p.data);
    }
}

static limn_score_report *score(limn_score_settings settings)
{
    limn_score_report *report;

    settings.compute = LIMN_COMPUTE_FP32;
    if (limn_score_folder(&report, same, folder.folder, &settings, NULL, NULL, &error))
        fail_msg("%s", error.text);
    return report;
}

/* By hand: y = f(a) against a + 10 n, all in double. */
static void expect_scores(const limn_score_report *report)
{
    static const double TOLERANCE = 2e-6; /* float32 of values in [-1, 1] */
    size_t count;
    const limn_picture_score *pictures = limn_score_pictures_of(report, &count);
    double mean = 0, ssim = 0;

    assert_int_equal(count, PAIRS);
    for (int n = 0; n < PAIRS; n++) {
        float x[3 * SIDE * SIDE], y[3 * SIDE * SIDE];
        double l1 = 0, square = 0;
        limn_score other;
        char name[16];

        for (int c = 0; c < 3; c++)
            for (int i = 0; i < SIDE * SIDE; i++) {
                uint8_t a = (uint8_t)(60 + scene(i % SIDE, i / SIDE, c) * 100);
                double made = tiny_expected(a / 127.5 - 1), target = (a + 10 * n) / 127.5 - 1;

                l1 += fabs(made - target);
                square += (made - target) * (made - target);
                x[c * SIDE * SIDE + i] = (float)made;
                y[c * SIDE * SIDE + i] = (float)target;
            }
        l1 /= 3 * SIDE * SIDE;
        square /= 3 * SIDE * SIDE;
        sprintf(name, "%d.ppm", n);
        assert_string_equal(pictures[n].name, name);
        assert_true(fabs(pictures[n].l1 - l1) < TOLERANCE);
        assert_true(fabs(pictures[n].psnr - 10 * log10(4 / square)) < 1e-3);
        /* SSIM and its kind: held against scikit-image in test_score; here, that it is of these. */
        assert_false(limn_score_pictures(&other, x, y, (limn_shape){ 1, 3, SIDE, SIDE }, 2, NULL));
        assert_true(fabs(pictures[n].ssim - other.ssim) < 1e-5);
        assert_true(fabs(pictures[n].ms_ssim - other.ms_ssim) < 1e-5);
        assert_int_equal(pictures[n].scales, other.scales);
        mean += l1 / PAIRS;
        ssim += other.ssim / PAIRS;
    }
    assert_true(fabs(limn_score_mean_of(report).l1 - mean) < TOLERANCE);
    assert_true(fabs(limn_score_mean_of(report).ssim - ssim) < 1e-5);
    assert_int_equal(limn_score_refused_of(report), 0);
}

static void test_score(void **state)
{
    limn_score_settings settings = limn_score_defaults();
    limn_score_report *report;

    (void)state;
    write_pairs(false);
    report = score(settings);
    expect_scores(report);
    limn_score_close(&report);
    settings.max_size = 2;
    settings.workers = 0;
    report = score(settings);
    size_t count;
    limn_score_pictures_of(report, &count);
    assert_int_equal(count, 2);
    limn_score_close(&report);
    assert_int_equal(limn_memory_live_blocks(), blocks);
}

/* A model of B to A is fed B: its card says so. */
static void test_score_direction(void **state)
{
    limn_model_card card = { .recipe = "pix2pix",
                             .direction = "BtoA",
                             .networks = { { .name = "G", .network = tiny_network(3) } },
                             .network_count = 1 };
    limn_score_settings settings = limn_score_defaults();
    tiny_kind kind = TINY_SAME;
    limn_score_report *report;
    char model[600];

    (void)state;
    write_pairs(true);
    strcpy(model, scratch_path(&folder, "latest.safetensors"));
    assert_false(tiny_save(model, &card, &kind, &error));
    settings.compute = LIMN_COMPUTE_FP32;
    if (limn_score_folder(&report, folder.folder, folder.folder, &settings, NULL, NULL, &error))
        fail_msg("%s", error.text);
    expect_scores(report);
    limn_score_close(&report);
    settings.direction = "AtoB"; /* a way that it does not have */
    assert_int_equal(
        limn_score_folder(&report, model, folder.folder, &settings, NULL, NULL, &error),
        LIMN_SETTING);
    assert_null(report);
    assert_non_null(strstr(error.text, "was trained BtoA"));
}

static void test_score_page(void **state)
{
    char html[600], worst[600], *text;
    limn_score_settings settings = limn_score_defaults();
    limn_score_report *report;
    limn_verification *v;
    limn_picture sheet;
    size_t count;

    (void)state;
    write_pairs(false);
    strcpy(html, scratch_path(&folder, "page"));
    strcpy(worst, scratch_path(&folder, "worst.png"));
    settings.html = html;
    settings.worst = worst;
    report = score(settings);
    expect_scores(report);
    limn_score_close(&report);
    assert_int_equal(scratch_entries(html), 2);
    assert_int_equal(scratch_entries(scratch_path(&folder, "page/pictures")), PAIRS);
    text = scratch_read(scratch_path(&folder, "page/index.html"), &count);
    assert_non_null(text);
    assert_null(strstr(text, "http")); /* nothing from elsewhere */
    /* The brightest is the worst and comes first. */
    assert_true(strstr(text, "pictures/00003.png") < strstr(text, "pictures/00001.png"));
    free(text);
    for (int i = 0; i < PAIRS; i++) {
        char name[60];

        sprintf(name, "page/pictures/%05d.png", i + 1);
        assert_false(limn_verify_file(&v, scratch_path(&folder, name), NULL, &error));
        assert_int_equal(v->verdict, LIMN_VERDICT_INTACT);
        limn_verification_close(&v);
    }
    assert_false(limn_picture_read(&sheet, worst, NULL, &error));
    assert_int_equal(sheet.info.width, 8 + 3 * 264);
    assert_int_equal(sheet.info.height, 8 + PAIRS * 264);
    limn_picture_close(&sheet);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(test_score),
        TEST(test_score_direction),
        TEST(test_score_page),
    };

    return cmocka_run_group_tests(tests, start_all, stop_all);
}
