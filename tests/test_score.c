/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores against scikit-image (PSNR, SSIM) and against definitions written down in numpy
 * (make_scores.py), on photographs and made pictures; then what no reference says: bits that do not
 * depend on threads, pictures that are too small, refused memory. */
#include "pictures.h"
#include "score/score.h"

/* scikit-image's data is handed over as float32; what is left is float in the window sums. */
static const double close_enough = 1e-4;

typedef struct pair {
    int32_t c, h, w;
    float range, *x, *y;
    void *bytes;
} pair;

static pair read_pair(const char *name)
{
    char file[100];
    size_t count;
    pair p;

    snprintf(file, sizeof file, "%s.pair", name);
    p.bytes = scratch_read(scratch_path(&folder, file), &count);
    assert_non_null(p.bytes);
    memcpy(&p.c, p.bytes, 12);
    memcpy(&p.range, (char *)p.bytes + 16, 4);
    p.x = (float *)p.bytes + 5;
    p.y = p.x + (size_t)p.c * (size_t)p.h * (size_t)p.w;
    assert_int_equal(count, 20 + 8 * (size_t)p.c * (size_t)p.h * (size_t)p.w);
    return p;
}

static limn_score score(const pair *p)
{
    limn_score s;

    assert_int_equal(
        limn_score_pictures(&s, p->x, p->y, (limn_shape){ 1, p->c, p->h, p->w }, p->range, &error),
        LIMN_OK);
    return s;
}

static void as_others_score(void **state)
{
    DIR *dir = opendir(folder.folder);
    int ran = 0, bad = 0;

    (void)state;
    for (struct dirent *entry; (entry = readdir(dir));) {
        double want[5], got[5];
        char name[100];
        size_t length = strlen(entry->d_name), count;

        if (length < 7 || length > 90 || strcmp(entry->d_name + length - 7, ".scores")) continue;
        char *line = scratch_read(scratch_path(&folder, entry->d_name), &count);

        assert_int_equal(
            sscanf(line, "%lf %lf %lf %lf %lf", want, want + 1, want + 2, want + 3, want + 4), 5);
        free(line);
        snprintf(name, sizeof name, "%.*s", (int)length - 7, entry->d_name);
        pair p = read_pair(name);
        limn_score s = score(&p);

        memcpy(got, (double[]){ s.l1, s.psnr, s.ssim, s.ms_ssim, s.edges }, sizeof got);
        for (int k = 0; k < 5; k++) {
            /* An edge pixel that is on the threshold may fall on either side of it. */
            double within = k == 4 ? 2e-3 : close_enough;

            if (got[k] == want[k] || fabs(got[k] - want[k]) <= within) continue;
            print_error("%s, column %d: %.9g, expected %.9g\n", name, k, got[k], want[k]);
            bad++;
        }
        int least = p.h < p.w ? p.h : p.w;

        assert_int_equal(s.scales, least >= 176  ? 5
                                   : least >= 88 ? 4
                                   : least >= 44 ? 3
                                   : least >= 22 ? 2
                                                 : 1);
        assert_true(fabs(limn_score_l1(p.x, p.y, (size_t)(p.c * p.h * p.w)) - s.l1) < 1e-12);
        ran++;
        free(p.bytes);
    }
    closedir(dir);
    assert_int_equal(bad, 0);
    assert_int_equal(ran, 13);
}

static void by_hand(void **state)
{
    static const float x[] = { 0, 0.5f, -1, 1 }, y[] = { 0, 0, -1, 0 };
    limn_score s[2];

    (void)state;
    assert_true(limn_score_l1(x, y, 4) == 0.375);
    assert_true(fabs(limn_score_psnr(x, y, 4, 2) - 10 * log10(4 / 0.3125)) < 1e-12);
    assert_true(isinf(limn_score_psnr(x, x, 4, 2)));
    /* Too small for a window; edges and the rest still count. */
    assert_int_equal(limn_score_pictures(s, x, y, (limn_shape){ 2, 1, 1, 2 }, 2, &error), LIMN_OK);
    assert_true(s[0].l1 == 0.25 && s[1].l1 == 0.5);
    assert_true(isnan(s[0].ssim) && isnan(s[0].ms_ssim) && s[0].scales == 0);
    assert_int_equal(limn_score_pictures(s, x, y, (limn_shape){ 1, 0, 1, 2 }, 2, &error),
                     LIMN_SHAPE);

    /* The mean leaves NaN out and counts perfection as 100 dB. */
    limn_score rows[3] = { { 1, 20, NAN, 0.5, 1, 5 },
                           { 3, INFINITY, 0.25, 0.5, 0, 3 },
                           { 5, 30, 0.75, NAN, 0.5, 5 } };
    limn_score mean = limn_score_mean(rows, 3);

    assert_true(mean.l1 == 3 && mean.psnr == 50 && mean.ssim == 0.5 && mean.ms_ssim == 0.5 &&
                mean.edges == 0.5 && mean.scales == 3);
    assert_true(isnan(limn_score_mean(rows, 0).l1));
}

static void the_same_bits_on_any_threads(void **state)
{
    pair p = read_pair("noisy");
    limn_score one, many;

    (void)state;
    limn_compute_threads_set(1);
    one = score(&p);
    for (int threads = 2; threads < 6; threads++) {
        limn_compute_threads_set(threads);
        many = score(&p);
        assert_memory_equal(&one, &many, offsetof(limn_score, scales) + sizeof one.scales);
    }
    free(p.bytes);
}

static void refused_memory(void **state)
{
    pair p = read_pair("small");
    limn_score s;

    (void)state;
    limn_memory_refuse_after(0);
    assert_int_equal(limn_score_pictures(&s, p.x, p.y, (limn_shape){ 1, p.c, p.h, p.w }, 2, &error),
                     LIMN_NO_MEMORY);
    limn_memory_refuse_after(-1);
    free(p.bytes);
}

/* NaN from a network must not look like a good score. */
static void not_a_number_is_seen(void **state)
{
    pair p = read_pair("small");
    limn_score s;

    (void)state;
    p.x[p.w * 15 + 20] = NAN;
    s = score(&p);
    assert_true(isnan(s.l1) && isnan(s.psnr) && isnan(s.ssim) && isnan(s.ms_ssim));
    free(p.bytes);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(as_others_score, stop),
        cmocka_unit_test_teardown(by_hand, stop),
        cmocka_unit_test_teardown(the_same_bits_on_any_threads, stop),
        cmocka_unit_test_teardown(refused_memory, stop),
        cmocka_unit_test_teardown(not_a_number_is_seen, stop),
    };

    use_script(count, arguments, "make_scores.py");
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
