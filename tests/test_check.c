/* SPDX-License-Identifier: Apache-2.0
 *
 * limn_check_folder: every kind of mistake is planted and found, with its files; a good folder
 * stays without errors and warnings. */
#include "base/memory.h"
#include "base/threads.h"
#include "data_files.h"

#include <math.h>
#include <setjmp.h>

#include <cmocka.h>

static limn_error error;
static limn_check_report *report;
static limn_check_settings settings;

static int start(void **state)
{
    (void)state;
    scratch_open(&root);
    error = (limn_error){ 0 };
    settings = limn_check_defaults();
    settings.few = 0;
    return 0;
}

static int stop(void **state)
{
    (void)state;
    limn_memory_refuse_after(-1);
    limn_check_close(&report);
    scratch_close(&root);
    return limn_memory_live_blocks() ? -1 : 0;
}

static limn_check_summary check(void)
{
    limn_check_close(&report);
    if (limn_check_folder(&report, root.folder, &settings, NULL, NULL, &error))
        fail_msg("%s", error.text);
    return limn_check_summarize(report);
}

static int count_of(limn_finding_kind kind)
{
    size_t count;
    const limn_finding *findings = limn_check_findings(report, &count);
    int n = 0;

    for (size_t i = 0; i < count; i++) n += findings[i].kind == kind;
    return n;
}

/* The only finding of a kind and severity, whose sentence has the words and whose files end in the
 * names given. */
static void assert_finding(limn_finding_kind kind, limn_severity severity, const char *words,
                           const char *const *names)
{
    size_t count, n = 0;
    const limn_finding *findings = limn_check_findings(report, &count), *found = NULL;

    while (names[n]) n++;
    for (size_t i = 0; i < count; i++)
        if (findings[i].kind == kind && findings[i].severity == severity &&
            strstr(findings[i].sentence, words))
            found = &findings[i];
    if (!found) fail_msg("no %s about \"%s\"", limn_finding_word(kind), words);
    assert_int_equal(found->file_count, n);
    for (size_t i = 0; i < n; i++) {
        bool there = false;

        for (size_t k = 0; k < n; k++) {
            size_t length = strlen(found->files[k]), end = strlen(names[i]);

            there |= length > end && !strcmp(found->files[k] + length - end, names[i]);
        }
        if (!there) fail_msg("%s is not among the files of: %s", names[i], found->sentence);
    }
}
#define FILES(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define NONE ((const char *const[]){ NULL })

/* A picture with large forms, so that copies of it can be near to it: sums of waves. */
static void write_scene_of(const char *name, int width, int height, uint32_t seed, int noise,
                           bool mirrored, double contrast)
{
    size_t count = (size_t)width * (size_t)height * 3;
    uint16_t *values = malloc(count * sizeof *values);

    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < 3; c++) {
                double u = (double)(mirrored ? width - 1 - x : x) / width, v = (double)y / height;
                double s = seed * 1.7 + c;
                double light = sin(9 * u * (1 + s - floor(s)) + s) + cos(8 * v + 3 * s) +
                               sin(7 * (u - v) * cos(s) + 2 * s);
                int value = (int)(128 + 35 * contrast * light) +
                            (noise ? pixel(seed, x, y, c) % (2 * noise + 1) - noise : 0);

                values[((size_t)y * (size_t)width + (size_t)x) * 3 + (size_t)c] =
                    (uint16_t)(value < 0     ? 0
                               : value > 255 ? 255
                                             : value);
            }
    write_pnm(name, width, height, 3, 8, values);
    free(values);
}

static void write_scene(const char *name, int width, int height, uint32_t seed, int noise,
                        bool mirrored)
{
    write_scene_of(name, width, height, seed, noise, mirrored, 1);
}

static void a_good_folder_is_good(void **state)
{
    char name[100];

    (void)state;
    for (uint32_t i = 0; i < 60; i++) {
        snprintf(name, sizeof name, "%s/%03u.ppm", i < 40 ? "train" : i < 50 ? "val" : "test", i);
        write_scene(name, 64, 32, i, 0, false);
    }
    limn_check_summary s = check();
    assert_string_equal(s.pairing, "paired");
    assert_string_equal(s.layout, "train");
    assert_int_equal(s.train, 40);
    assert_int_equal(s.val, 10);
    assert_int_equal(s.test, 10);
    assert_int_equal(s.files, 60);
    assert_int_equal(s.errors + s.warnings + s.notes, 0);
    settings.few = 50;
    s = check();
    assert_int_equal(s.warnings, 1);
    assert_finding(LIMN_FINDING_FEW, LIMN_SEVERITY_WARNING, "40 pairs to train on are few", NONE);
}

static void names_and_folders(void **state)
{
    (void)state;
    write_many("trainA", 0, 12, 9, 9);
    write_many("trainB", 20, 12, 9, 9);
    limn_check_summary s = check();
    assert_string_equal(s.pairing, "unpaired"); /* no name is there twice */
    assert_int_equal(s.train, 12);
    assert_int_equal(count_of(LIMN_FINDING_UNPAIRED), 0);
    settings.pairing = 1;
    s = check();
    assert_string_equal(s.pairing, "paired");
    assert_int_equal(s.train, 0);
    settings.pairing = 0;
    write_many("trainB", 1, 11, 9, 9);
    for (int i = 20; i < 32; i++) {
        char name[40];

        snprintf(name, sizeof name, "trainB/%02d.bmp", i);
        if (i > 21) unlink(place(name));
    }
    s = check();
    assert_string_equal(s.pairing, "paired");
    assert_int_equal(s.train, 11);
    assert_finding(LIMN_FINDING_UNPAIRED, LIMN_SEVERITY_ERROR, "1 picture of ",
                   FILES("trainA/00.bmp"));
    assert_finding(LIMN_FINDING_UNPAIRED, LIMN_SEVERITY_ERROR, "2 pictures of ",
                   FILES("trainB/20.bmp", "trainB/21.bmp"));
    assert_finding(LIMN_FINDING_FOLDERS, LIMN_SEVERITY_NOTE, "no test folder", NONE);
    mkdir(place("testA"), 0777);
    mkdir(place("testB"), 0777);
    check();
    assert_finding(LIMN_FINDING_FOLDERS, LIMN_SEVERITY_ERROR, "holds no pictures", NONE);
    write_many("train", 0, 2, 18, 9);
    check();
    assert_finding(LIMN_FINDING_FOLDERS, LIMN_SEVERITY_WARNING, "train is used", NONE);
}

static void plain_pictures_and_what_is_held_out(void **state)
{
    (void)state;
    write_many("train", 0, 60, 9, 9);
    limn_check_summary s = check();
    assert_string_equal(s.pairing, "plain");
    assert_int_equal(s.train, 60);
    assert_finding(LIMN_FINDING_FOLDERS, LIMN_SEVERITY_NOTE, "holds out", NONE);
    stop(state);
    start(state);
    write_many("", 0, 3, 9, 9);
    s = check();
    assert_string_equal(s.layout, "the folder itself");
    assert_int_equal(s.train, 3);
}

static void broken_files(void **state)
{
    (void)state;
    write_many("train", 0, 6, 18, 9);
    scratch_write(place("train/01.bmp"), "", 0);
    assert_int_equal(truncate(place("train/03.bmp"), 200), 0);
    scratch_write(place("train/04.jpg"), "\xff\xd8\xff\xe0 no", 8);
    assert_int_equal(symlink("nowhere", place("train/lost.png")), 0);
    limn_check_summary s = check();
    assert_int_equal(s.errors, 4);
    assert_finding(LIMN_FINDING_BROKEN, LIMN_SEVERITY_ERROR, "01.bmp: 0 bytes",
                   FILES("train/01.bmp"));
    assert_finding(LIMN_FINDING_BROKEN, LIMN_SEVERITY_ERROR, "03.bmp", FILES("train/03.bmp"));
    assert_finding(LIMN_FINDING_BROKEN, LIMN_SEVERITY_ERROR, "04.jpg", FILES("train/04.jpg"));
    assert_finding(LIMN_FINDING_BROKEN, LIMN_SEVERITY_ERROR, "lost.png", FILES("train/lost.png"));
}

static void sizes(void **state)
{
    (void)state;
    write_many("trainA", 0, 4, 9, 9);
    write_many("trainB", 0, 4, 9, 9);
    write_bmp("trainB/02.bmp", 12, 9, 99, -1);
    check();
    assert_finding(LIMN_FINDING_SIZE, LIMN_SEVERITY_WARNING,
                   "1 of the pairs A and B differ in size (the first: 9 x 9 and 12 x 9)",
                   FILES("trainA/02.bmp", "trainB/02.bmp"));
    assert_finding(LIMN_FINDING_SIZE, LIMN_SEVERITY_NOTE, "9 x 9 to 12 x 9",
                   FILES("trainA/00.bmp", "trainB/02.bmp"));
    stop(state);
    start(state);
    write_many("train", 0, 4, 18, 9);
    write_bmp("train/02.bmp", 19, 9, 99, -1);
    check();
    assert_finding(LIMN_FINDING_SIZE, LIMN_SEVERITY_ERROR, "odd width", FILES("train/02.bmp"));
}

static void the_same_picture_twice(void **state)
{
    uint16_t values[18 * 9 * 3];

    (void)state;
    write_many("train", 0, 8, 18, 9);
    write_many("test", 20, 4, 18, 9);
    write_bmp("test/copy.bmp", 18, 9, 6, -1); /* the pixels of train/05 */
    write_bmp("train/twice.bmp", 18, 9, 8, -1);
    check();
    assert_finding(LIMN_FINDING_SAME, LIMN_SEVERITY_ERROR, "in train and in test",
                   FILES("train/05.bmp", "test/copy.bmp"));
    assert_finding(LIMN_FINDING_SAME, LIMN_SEVERITY_WARNING, "2 times",
                   FILES("train/07.bmp", "train/twice.bmp"));
    assert_int_equal(count_of(LIMN_FINDING_SAME), 2);
    /* In another format it is the same picture. */
    for (int i = 0; i < 18 * 9 * 3; i++) values[i] = pixel(6, i / 3 % 18, i / 54, i % 3);
    unlink(place("test/copy.bmp"));
    write_pnm("test/other.ppm", 18, 9, 3, 8, values);
    check();
    assert_finding(LIMN_FINDING_SAME, LIMN_SEVERITY_ERROR, "in train and in test",
                   FILES("train/05.bmp", "test/other.ppm"));
    /* One value more, and it is not: nearly, which noise this small is too. */
    values[100] ^= 1;
    write_pnm("test/other.ppm", 18, 9, 3, 8, values);
    check();
    assert_int_equal(count_of(LIMN_FINDING_SAME), 1);
    stop(state);
    start(state);
    write_many("trainA", 0, 4, 9, 9);
    write_many("trainB", 10, 4, 9, 9);
    for (int i = 10; i < 14; i++) {
        char from[40], to[600];

        snprintf(from, sizeof from, "trainB/%02d.bmp", i - 10);
        snprintf(to, sizeof to, "%s", place(from));
        snprintf(from, sizeof from, "trainB/%02d.bmp", i);
        assert_int_equal(rename(place(from), to), 0);
    }
    write_bmp("trainB/01.bmp", 9, 9, 2, -1); /* what trainA/01 is */
    check();
    assert_finding(LIMN_FINDING_SAME, LIMN_SEVERITY_WARNING, "input and target are the same",
                   FILES("trainA/01.bmp", "trainB/01.bmp"));
}

static void nearly_the_same_picture(void **state)
{
    (void)state;
    settings.pairing = 3;
    for (uint32_t i = 0; i < 40; i++) {
        char name[100];

        snprintf(name, sizeof name, "%s/%03u.ppm", i < 30 ? "train" : "test", i);
        write_scene(name, 60, 60, i, 0, false);
    }
    check();
    assert_int_equal(count_of(LIMN_FINDING_ALIKE), 0);
    write_scene("test/noisy.ppm", 60, 60, 7, 6, false);
    write_scene("test/small.ppm", 40, 44, 9, 0, false);
    write_scene("test/mirrored.ppm", 60, 60, 11, 2, true);
    check();
    assert_int_equal(count_of(LIMN_FINDING_ALIKE), 3);
    assert_finding(LIMN_FINDING_ALIKE, LIMN_SEVERITY_WARNING, "in test and in train",
                   FILES("test/small.ppm", "train/009.ppm"));
    /* The same forms at half the contrast: the signs of the steps are equal, the picture is not. */
    write_scene_of("test/pale.ppm", 60, 60, 13, 0, false, 0.5);
    check();
    assert_int_equal(count_of(LIMN_FINDING_ALIKE), 3);
    settings.alike = -1;
    check();
    assert_int_equal(count_of(LIMN_FINDING_ALIKE), 0);
}

static void flat_pictures(void **state)
{
    (void)state;
    write_many("trainA", 0, 4, 9, 9);
    write_many("trainB", 10, 4, 9, 9);
    settings.pairing = 2;
    write_bmp("trainA/02.bmp", 9, 9, 0, 255);
    write_bmp("trainB/11.bmp", 9, 9, 0, 255); /* equal to it, which says nothing */
    check();
    assert_finding(LIMN_FINDING_FLAT, LIMN_SEVERITY_WARNING, "2 pictures are of one colour",
                   FILES("trainA/02.bmp", "trainB/11.bmp"));
    assert_int_equal(count_of(LIMN_FINDING_SAME), 0);
    stop(state);
    start(state);
    /* Half of a file: the left is flat up to noise of two steps. */
    uint16_t values[20 * 8];
    for (int i = 0; i < 160; i++)
        values[i] = (uint16_t)(i % 20 < 10 ? 100 + i % 3 : pixel(1, i % 20, i / 20, 0));
    write_many("train", 0, 4, 18, 9);
    write_pnm("train/x.pgm", 20, 8, 1, 8, values);
    check();
    assert_finding(LIMN_FINDING_FLAT, LIMN_SEVERITY_WARNING, "of one colour in side A",
                   FILES("train/x.pgm"));
    assert_finding(LIMN_FINDING_CHANNELS, LIMN_SEVERITY_WARNING, "1 picture is grey among 4",
                   FILES("train/x.pgm"));
    values[0] = 104;
    write_pnm("train/x.pgm", 20, 8, 1, 8, values);
    check();
    assert_int_equal(count_of(LIMN_FINDING_FLAT), 0);
    for (int i = 0; i < 160; i++) values[i] = (uint16_t)(i * 300);
    write_pnm("train/x.pgm", 20, 8, 1, 16, values);
    check();
    assert_finding(LIMN_FINDING_CHANNELS, LIMN_SEVERITY_NOTE, "1 of 5 pictures have more than 8",
                   FILES("train/x.pgm"));
}

static size_t calls, stop_at;

static bool count_calls(void *context, size_t done, size_t total)
{
    assert_ptr_equal(context, &calls);
    assert_true(done <= total && total == 200);
    return ++calls < stop_at;
}

static void progress_is_told_and_may_stop(void **state)
{
    (void)state;
    write_many("train", 0, 100, 18, 9);
    write_many("test", 100, 100, 18, 9);
    calls = 0;
    stop_at = SIZE_MAX;
    assert_int_equal(
        limn_check_folder(&report, root.folder, &settings, count_calls, &calls, &error), LIMN_OK);
    assert_true(calls >= 1); /* the end is always told */
    limn_check_close(&report);
    calls = 0;
    stop_at = 1;
    for (int threads = 1; threads <= 4; threads++) {
        settings.threads = threads;
        limn_status status = limn_check_folder(&report, root.folder, &settings, count_calls, &calls,
                                               &error);
        assert_int_equal(status, LIMN_STOPPED);
        assert_null(report);
    }
}

static void what_is_refused(void **state)
{
    limn_status status = LIMN_NO_MEMORY;
    int refused = 0;

    (void)state;
    assert_int_equal(limn_check_folder(&report, "/nowhere", NULL, NULL, NULL, &error), LIMN_IO);
    assert_null(report);
    assert_non_null(strstr(error.text, "/nowhere"));
    settings.pairing = 9;
    assert_int_equal(limn_check_folder(&report, root.folder, &settings, NULL, NULL, &error),
                     LIMN_SETTING);
    settings.pairing = 0;
    check(); /* an empty folder is a report */
    assert_int_equal(limn_check_summarize(report).errors, 1);
    limn_check_close(&report);
    write_many("train", 0, 5, 18, 9);
    write_many("test", 3, 5, 18, 9);
    scratch_write(place("train/01.bmp"), "", 0);
    for (long n = 0; status; n++) {
        limn_memory_refuse_after(n);
        status = limn_check_folder(&report, root.folder, &settings, NULL, NULL, &error);
        limn_memory_refuse_after(-1);
        if (!status) break;
        assert_int_equal(status, LIMN_NO_MEMORY);
        assert_null(report);
        assert_int_equal(limn_memory_live_blocks(), 0);
        refused++;
        assert_true(n < 3000);
    }
    assert_true(refused > 20);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest tests[] = {
        CASE(a_good_folder_is_good),
        CASE(names_and_folders),
        CASE(plain_pictures_and_what_is_held_out),
        CASE(broken_files),
        CASE(sizes),
        CASE(the_same_picture_twice),
        CASE(nearly_the_same_picture),
        CASE(flat_pictures),
        CASE(progress_is_told_and_may_stop),
        CASE(what_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
