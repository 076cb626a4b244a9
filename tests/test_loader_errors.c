/* SPDX-License-Identifier: Apache-2.0
 *
 * What the loader makes of pictures that are broken, gone or of another size, and of settings that
 * can't work: errors come at their place, the same whatever the number of workers.
 *
 * Built a second time with -fsanitize=thread and without OpenMP (meson.build): fixtures are BMP,
 * and the case that needs libvips is left out there, because libvips is not built for it. */
#include "loader_cases.h"

/* ---- Errors at their place ------------------------------------------------------------------- */

/* Breaks picture 7 of 11 in the way given; the batches before it come, then the error, and always
 * the same one. */
static void meets_error(void (*break_it)(const char *path), limn_status status, const char *words)
{
    char path[600];

    write_many("train", 0, PICTURES, 32, 14);
    list(LIMN_PAIRED);
    snprintf(path, sizeof path, "%s", scratch_path(&root, "train/07.bmp"));
    break_it(path);
    for (int workers = 0; workers <= 4; workers++) {
        limn_loader_settings s = small();
        limn_batch b;

        s.workers = workers;
        s.serial = true;
        s.batch = 2;
        s.ahead = 4;
        open_at(&s, 0, 0);
        for (int i = 0; i < 3; i++) next();
        for (int again = 0; again < 3; again++) {
            error = (limn_error){ 0 };
            assert_int_equal(limn_loader_next(loader, &b, &error), status);
            assert_int_equal(b.count, 0);
            assert_says("train/07.bmp");
            assert_says(words);
        }
    }
}

static void vanish(const char *path)
{
    assert_int_equal(unlink(path), 0);
}

static void empty(const char *path)
{
    scratch_write(path, "", 0);
}

static void cut_off(const char *path)
{
    assert_int_equal(truncate(path, 300), 0);
}

static void make_odd(const char *path)
{
    (void)path;
    write_bmp("train/07.bmp", 31, 14, 1, -1);
}

static void vanished_files(void **state)
{
    (void)state;
    meets_error(vanish, LIMN_IO, "cannot be opened");
}

static void empty_files(void **state)
{
    (void)state;
    meets_error(empty, LIMN_FORMAT, "0 bytes");
}

static void damaged_files(void **state)
{
    (void)state;
    meets_error(cut_off, LIMN_FORMAT, "");
}

#ifndef __SANITIZE_THREAD__
static void fill_with_words(const char *path)
{
    scratch_write(path, "this is no picture at all, but long enough for a header", 55);
}

static void files_of_another_kind(void **state)
{
    (void)state;
    meets_error(fill_with_words, LIMN_FORMAT, "");
}
#endif

static void odd_widths(void **state)
{
    (void)state;
    meets_error(make_odd, LIMN_SHAPE, "odd");
}

static void of_several_errors_the_first(void **state)
{
    (void)state;
    write_many("train", 0, PICTURES, 32, 14);
    list(LIMN_PAIRED);
    for (int i = 4; i < 8; i++) {
        char name[100];

        snprintf(name, sizeof name, "train/%02d.bmp", i);
        scratch_write(place(name), "", 0);
    }
    /* The first of them is found out last: its header is good, and there is much to read. */
    write_bmp("train/04.bmp", 1500, 1000, 1, -1);
    assert_int_equal(truncate(place("train/04.bmp"), 1500 * 1000 * 3 - 500), 0);
    for (int again = 0; again < 20; again++) {
        limn_loader_settings s = small();
        limn_batch b;

        s.workers = 4;
        s.serial = true;
        s.batch = 4;
        open_at(&s, 0, 0);
        next();
        assert_int_equal(limn_loader_next(loader, &b, &error), LIMN_FORMAT);
        assert_says("train/04.bmp");
    }
}

/* ---- Broken pictures that are gone without --------------------------------------------------- */

static int told(void)
{
    const char *reason;
    int count = 0;

    while ((reason = limn_loader_broken(loader))) {
        assert_true(strstr(reason, "train/03.bmp") || strstr(reason, "train/07.bmp"));
        count++;
    }
    return count;
}

/* Two of eleven are broken: the one behind each comes in its place, in every epoch, whatever the
 * number of workers and wherever the run begins; each is told once. */
static void broken_pictures_are_replaced(void **state)
{
    static const int expected[] = { 0, 1, 2, 4, 4, 5, 6, 8, 8, 9, 10, 0 };
    uint64_t first[2 * 6] = { 0 };
    char name[40];

    (void)state;
    write_many("train", 0, PICTURES, 32, 14);
    list(LIMN_PAIRED);
    empty(place("train/03.bmp"));
    vanish(place("train/07.bmp"));
    for (int workers = 0; workers <= 4; workers++) {
        limn_loader_settings s = small();
        int reasons = 0, replaced = 0;

        s.workers = workers;
        s.replace = true;
        s.batch = 2;
        open_at(&s, 0, 0);
        for (int i = 0; i < 12; i++) {
            limn_batch b = next();

            if (!workers) first[i] = sum_of(&b);
            assert_true(sum_of(&b) == first[i]);
            reasons += told();
            replaced += b.replaced;
        }
        assert_int_equal(reasons, 2);
        assert_true(replaced >= 4); /* of an epoch; the last batch is filled up by earlier ones */
        open_at(&s, 1, 2);          /* resumed */
        for (int i = 8; i < 12; i++) {
            limn_batch b = next();

            assert_true(sum_of(&b) == first[i]);
        }
        s.serial = true;
        open_at(&s, 0, 0);
        for (int i = 0; i < 12; i += 2) {
            limn_batch b = next();

            for (int k = 0; k < 2; k++) {
                snprintf(name, sizeof name, "%02d.bmp", expected[i + k]);
                assert_string_equal(b.a_items[k]->name, name);
            }
            assert_int_equal(b.replaced, i == 2 || i == 6);
        }
    }
}

/* More than a tenth, and at least three: something else is wrong. */
static void too_many_broken_pictures(void **state)
{
    (void)state;
    write_many("train", 0, PICTURES, 32, 14);
    list(LIMN_PAIRED);
    empty(place("train/03.bmp"));
    empty(place("train/05.bmp"));
    empty(place("train/07.bmp"));
    for (int workers = 0; workers <= 4; workers++) {
        limn_loader_settings s = small();
        limn_batch b;

        s.workers = workers;
        s.replace = s.serial = true;
        open_at(&s, 0, 0);
        while (!limn_loader_next(loader, &b, &error)) assert_in_range(b.number, 0, 6);
        assert_says("3 of 11 pictures can't be read");
    }
    for (int i = 0; i < PICTURES; i++) { /* the folder is gone */
        char path[100];

        snprintf(path, sizeof path, "train/%02d.bmp", i);
        vanish(place(path));
    }
    for (int workers = 0; workers <= 4; workers++) {
        limn_loader_settings s = small();
        limn_batch b;

        s.workers = workers;
        s.replace = true;
        open_at(&s, 0, 0);
        assert_int_equal(limn_loader_next(loader, &b, &error), LIMN_IO);
        assert_says("can't be read");
    }
}

static void sizes_that_do_not_fit(void **state)
{
    limn_loader_settings s = small();
    limn_batch b;

    (void)state;
    write_bmp("trainA/x.bmp", 12, 12, 1, -1);
    write_bmp("trainB/x.bmp", 12, 13, 2, -1);
    list(LIMN_PAIRED);
    s.preparation.preprocess = LIMN_PREPROCESS_NONE;
    open_at(&s, 0, 0);
    assert_int_equal(limn_loader_next(loader, &b, &error), LIMN_SHAPE);
    assert_says("trainA/x.bmp and ");
    assert_says("differ in size");
    s.preparation.preprocess = LIMN_PREPROCESS_RESIZE_AND_CROP;
    open_at(&s, 0, 0);
    next();

    write_bmp("trainA/y.bmp", 20, 12, 1, -1);
    write_bmp("trainB/y.bmp", 20, 12, 2, -1);
    write_bmp("trainB/x.bmp", 12, 12, 2, -1);
    list(LIMN_PAIRED);
    s.preparation.preprocess = LIMN_PREPROCESS_NONE;
    s.serial = true;
    open_at(&s, 0, 0);
    next();
    next(); /* one at a time, sizes may change */
    s.batch = 2;
    open_at(&s, 0, 0);
    assert_int_equal(limn_loader_next(loader, &b, &error), LIMN_SHAPE);
    assert_says("20 x 12 after preparation where others are 12 x 12");
    s.preparation.preprocess = LIMN_PREPROCESS_CROP;
    s.preparation.crop_size = 16;
    open_at(&s, 0, 0);
    assert_int_equal(limn_loader_next(loader, &b, &error), LIMN_SHAPE);
    assert_says("smaller than --crop-size 16");
}

static void settings_that_can_not_work(void **state)
{
    limn_loader_settings good = small(), s;

    (void)state;
    write_many("train", 0, 2, 32, 14);
    list(LIMN_PAIRED);
#define REFUSED(change, words)                                                                     \
    s = good;                                                                                      \
    change;                                                                                        \
    assert_int_equal(limn_loader_open(&loader, &data, &s, 0, 0, &error), LIMN_SETTING);            \
    assert_null(loader);                                                                           \
    assert_says(words)
    REFUSED(s.batch = 0, "--batch-size is 0");
    REFUSED(s.workers = 65, "--num-threads is 65");
    REFUSED(s.a_channels = 0, "--input-nc");
    REFUSED(s.preparation.crop_size = 13, "--load-size 12");
    REFUSED(s.derivation.kind = LIMN_DERIVE_GREY, "plain pictures");
    REFUSED((s.hints.most = 3, s.a_channels = 1), "--input-nc 3");
    list(LIMN_UNPAIRED);
    REFUSED(s.hints.most = 3, "needs pairs");
    list(LIMN_PLAIN);
    REFUSED(s.seed = 0, "need something to be made from");
    REFUSED(s.colorize = true, "--output-nc 2");
    REFUSED((s.derivation.kind = LIMN_DERIVE_GREY, s.b_to_a = true), "BtoA");
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest tests[] = {
#ifndef __SANITIZE_THREAD__
        CASE(files_of_another_kind),
#endif
        CASE(vanished_files),
        CASE(empty_files),
        CASE(damaged_files),
        CASE(odd_widths),
        CASE(of_several_errors_the_first),
        CASE(broken_pictures_are_replaced),
        CASE(too_many_broken_pictures),
        CASE(sizes_that_do_not_fit),
        CASE(settings_that_can_not_work),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
