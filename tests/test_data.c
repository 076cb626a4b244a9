/* SPDX-License-Identifier: Apache-2.0
 *
 * Data folders: which files are listed in which order, who belongs to whom, what is held out, and
 * what people are told when it can't be. */
#include "data/folders.h"
#include "data_files.h"

#include <locale.h>
#include <setjmp.h>

#include <cmocka.h>

static limn_error error;
static limn_data data;

static int start(void **state)
{
    (void)state;
    scratch_open(&root);
    error = (limn_error){ 0 };
    return 0;
}

static int stop(void **state)
{
    (void)state;
    limn_memory_refuse_after(-1);
    limn_data_close(&data);
    scratch_close(&root);
    return limn_memory_live_blocks() ? -1 : 0;
}

static limn_status list(limn_pairing pairing, limn_phase phase)
{
    limn_data_close(&data);
    return limn_data_open(
        &data, &(limn_data_query){ .root = root.folder, .pairing = pairing, .phase = phase },
        &error);
}

/* All of train, nothing held out. */
static limn_status list_all(limn_pairing pairing)
{
    limn_data_close(&data);
    return limn_data_open(
        &data, &(limn_data_query){ .root = root.folder, .pairing = pairing, .no_hold_out = true },
        &error);
}

/* An empty file: listing does not open pictures. */
static void touch(const char *name)
{
    scratch_write(place(name), "", 0);
}

static void assert_names(const limn_data_side *side, const char *const *names)
{
    size_t n = 0;

    while (names[n]) n++;
    assert_int_equal(side->count, n);
    for (size_t i = 0; i < n; i++) assert_string_equal(side->items[i].name, names[i]);
}

#define NAMES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void assert_says(const char *words)
{
    if (!strstr(error.text, words)) fail_msg("\"%s\" is not in: %s", words, error.text);
}

/* ---- Layouts --------------------------------------------------------------------------------- */

static void one_folder_of_both_halves(void **state)
{
    (void)state;
    touch("train/b.JPG");
    touch("train/a.png");
    touch("train/sub/c.WebP");
    touch("train/notes.txt");
    touch("train/.hidden.png");
    touch("train/jpg"); /* no ending */
    touch("val/v.tiff");
    touch("test/t.ppm");
    assert_int_equal(list(LIMN_PAIRED, LIMN_PHASE_TRAIN), LIMN_OK);
    assert_int_equal(data.layout, LIMN_LAYOUT_ONE_FOLDER);
    assert_names(&data.a, NAMES("a.png", "b.JPG", "sub/c.WebP"));
    assert_names(&data.b, NAMES("a.png", "b.JPG", "sub/c.WebP"));
    assert_int_equal(data.files, 3);
    assert_int_equal(data.a.items[1].half, LIMN_LEFT);
    assert_int_equal(data.b.items[1].half, LIMN_RIGHT);
    assert_int_equal(data.a.items[1].file, data.b.items[1].file);
    assert_false(data.held_out);
    assert_null(data.note);
    assert_int_equal(list(LIMN_PAIRED, LIMN_PHASE_VAL), LIMN_OK);
    assert_names(&data.b, NAMES("v.tiff"));
    assert_int_equal(list(LIMN_PAIRED, LIMN_PHASE_TEST), LIMN_OK);
    assert_names(&data.b, NAMES("t.ppm"));
    assert_string_equal(data.b.items[0].path, scratch_path(&root, "test/t.ppm"));
    /* The same folder as two sides without pairs, and as plain pictures. */
    assert_int_equal(list(LIMN_UNPAIRED, LIMN_PHASE_TRAIN), LIMN_OK);
    assert_int_equal(data.a.items[0].half, LIMN_LEFT);
    assert_int_equal(list(LIMN_PLAIN, LIMN_PHASE_TRAIN), LIMN_OK);
    assert_int_equal(data.a.count, 0);
    assert_int_equal(data.b.items[2].half, LIMN_WHOLE);
}

static void two_folders_in_every_spelling(void **state)
{
    static const struct {
        const char *a, *b, *test_a, *test_b;
        limn_layout layout;
    } cases[] = {
        { "A/train", "B/train", "A/test", "B/test", LIMN_LAYOUT_A_TRAIN },
        { "train_A", "train_B", "test_A", "test_B", LIMN_LAYOUT_TRAIN_A },
        { "trainA", "trainB", "testA", "testB", LIMN_LAYOUT_TRAINA },
        { "train/A", "train/B", "test/A", "test/B", LIMN_LAYOUT_INSIDE },
        { "train_label", "train_img", "test_label", "test_img", LIMN_LAYOUT_LABEL },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[200];

        stop(state);
        start(state);
        for (int k = 0; k < 4; k++) {
            const char *folders[] = { cases[i].a, cases[i].b, cases[i].test_a, cases[i].test_b };

            snprintf(name, sizeof name, "%s/x.%s", folders[k], k % 2 ? "jpg" : "png");
            touch(name);
            if (k > 1) continue;
            snprintf(name, sizeof name, "%s/y.bmp", folders[k]);
            touch(name);
        }
        assert_int_equal(list_all(LIMN_PAIRED), LIMN_OK);
        assert_int_equal(data.layout, cases[i].layout);
        assert_names(&data.a, NAMES("x.png", "y.bmp"));
        assert_names(&data.b, NAMES("x.jpg", "y.bmp")); /* endings may differ */
        assert_int_equal(data.files, 4);
        assert_int_equal(data.b.items[0].file, 2);
        assert_int_equal(list_all(LIMN_UNPAIRED), LIMN_OK);
        assert_int_equal(data.layout, cases[i].layout);
        assert_int_equal(list(LIMN_PAIRED, LIMN_PHASE_TEST), LIMN_OK);
        assert_names(&data.a, NAMES("x.png"));
        assert_int_equal(data.layout, cases[i].layout);
    }
}

static void unpaired_sides_have_their_own_counts(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        touch(
            (char[]){ 't', 'r', 'a', 'i', 'n', 'A', '/', (char)('a' + i), '.', 'p', 'n', 'g', 0 });
    touch("trainB/q.png");
    touch("trainB/r.png");
    assert_int_equal(list_all(LIMN_UNPAIRED), LIMN_OK);
    assert_int_equal(data.a.count, 5);
    assert_int_equal(data.b.count, 2);
    assert_int_equal(limn_data_length(&data), 5);
    assert_int_equal(data.files, 7);
}

static void plain_pictures_without_a_train_folder(void **state)
{
    (void)state;
    touch("one.png");
    touch("more/two.jpg");
    touch("test/never.png");
    touch("more/testA/never.png");
    touch("more/VAL/never.png");
    assert_int_equal(list_all(LIMN_PLAIN), LIMN_OK);
    assert_int_equal(data.layout, LIMN_LAYOUT_HERE);
    assert_names(&data.b, NAMES("more/two.jpg", "one.png"));
    assert_int_equal(list(LIMN_PLAIN, LIMN_PHASE_TEST), LIMN_OK);
    assert_names(&data.b, NAMES("never.png"));
    touch("val/v.png");
    assert_int_equal(list(LIMN_PLAIN, LIMN_PHASE_VAL), LIMN_OK);
    assert_names(&data.b, NAMES("v.png"));
    assert_int_equal(list(LIMN_PLAIN, LIMN_PHASE_TRAIN), LIMN_OK);
    assert_int_equal(data.b.count, 2); /* nothing is held out beside a val folder */
    /* Two sides: the target is side B. */
    touch("trainA/a.png");
    touch("trainB/b.png");
    assert_int_equal(list_all(LIMN_PLAIN), LIMN_OK);
    assert_names(&data.b, NAMES("b.png"));
}

static void a_scan_never_enters_another_phase(void **state)
{
    static const char *const others[] = { "test",    "Test",  "testA",      "test_B",  "val",
                                          "VAL_img", "valid", "validation", "testing", "testB" };

    (void)state;
    touch("train/good.png");
    touch("train/testament/good.png");
    touch("train/trainA/good.png");
    touch("test/good.png");
    touch("test/train/bad.png");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char name[100];

        snprintf(name, sizeof name, "train/deep/%s/bad.png", others[i]);
        touch(name);
    }
    assert_int_equal(list_all(LIMN_PLAIN), LIMN_OK);
    assert_names(&data.b, NAMES("good.png", "testament/good.png", "trainA/good.png"));
    assert_int_equal(list(LIMN_PLAIN, LIMN_PHASE_TEST), LIMN_OK);
    assert_names(&data.b, NAMES("good.png"));
}

static void links_are_followed_but_not_in_circles(void **state)
{
    char target[600];

    (void)state;
    touch("elsewhere/x.png");
    touch("train/a.png");
    snprintf(target, sizeof target, "%s/elsewhere", root.folder);
    assert_int_equal(symlink(target, place("train/link")), 0);
    snprintf(target, sizeof target, "%s/train", root.folder);
    assert_int_equal(symlink(target, place("train/circle")), 0);
    assert_int_equal(symlink("nowhere.png", place("train/lost.png")), 0);
    assert_int_equal(list_all(LIMN_PLAIN), LIMN_OK);
    assert_names(&data.b, NAMES("a.png", "link/x.png", "lost.png"));
}

static void order_is_that_of_the_bytes(void **state)
{
    static const char *const names[] = { "10.png",  "2.png", "A.png",        "Z.png",
                                         "a-1.png", "a.jpg", "a.png",        "a/b.png",
                                         "a_1.png", "b.png", "\xc3\xa4.png", NULL };
    const char *const want[] = { "10.png",  "2.png",   "A.png",   "Z.png", "a.jpg",        "a.png",
                                 "a-1.png", "a/b.png", "a_1.png", "b.png", "\xc3\xa4.png", NULL };

    (void)state;
    for (int i = 10; i >= 0; i--) {
        char name[100];

        snprintf(name, sizeof name, "train/%s", names[i]);
        touch(name);
    }
    setlocale(LC_ALL, "");
    assert_int_equal(list_all(LIMN_PLAIN), LIMN_OK);
    assert_names(&data.b, want);
    setlocale(LC_ALL, "C");
    assert_int_equal(list_all(LIMN_PLAIN), LIMN_OK);
    assert_names(&data.b, want);
    limn_data_close(&data);
    assert_int_equal(limn_data_open(&data,
                                    &(limn_data_query){ .root = root.folder,
                                                        .pairing = LIMN_PLAIN,
                                                        .no_hold_out = true,
                                                        .max_size = 3 },
                                    &error),
                     LIMN_OK);
    assert_names(&data.b, NAMES("10.png", "2.png", "A.png"));
    assert_int_equal(data.files, 3);
}

static void endings(void **state)
{
    static const char *const good[] = { "a.jpg", "a.JPEG", "a.Png",  "a.ppm",  "a.pgm",
                                        "a.bmp", "a.tif",  "a.TIFF", "a.webp", "a.b.png" };
    static const char *const bad[] = {
        "a", "a.jp", "a.jpgx", ".png", "a.gif", "png", "a.png/b", ""
    };

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(limn_is_picture_name(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(limn_is_picture_name(bad[i]));
}

/* ---- Holding out ----------------------------------------------------------------------------- */

static void a_tenth_is_held_out_by_name(void **state)
{
    size_t train, held_out;
    char kept[64] = "", name[100];

    (void)state;
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "train/%04d.jpg", i);
        touch(name);
    }
    assert_int_equal(list(LIMN_PAIRED, LIMN_PHASE_TRAIN), LIMN_OK);
    assert_true(data.held_out);
    train = data.a.count;
    for (size_t i = 0; i < train; i++) {
        assert_false(limn_name_held_out(data.a.items[i].name));
        assert_string_equal(data.a.items[i].name, data.b.items[i].name);
    }
    assert_int_equal(list(LIMN_PAIRED, LIMN_PHASE_VAL), LIMN_OK);
    held_out = data.a.count;
    assert_int_equal(train + held_out, 1000);
    assert_in_range(held_out, 70, 130); /* 3 sigma of 1000 x 0.1 is 28 */
    for (size_t i = 0; i < held_out; i++) assert_true(limn_name_held_out(data.a.items[i].name));
    snprintf(kept, sizeof kept, "%s", data.a.items[held_out / 2].name);

    /* Others come and go, formats change: a name stays where it was. */
    for (int i = 0; i < 1000; i += 3) {
        snprintf(name, sizeof name, "train/%04d.jpg", i);
        if (strcmp(name + 6, kept)) unlink(place(name));
    }
    touch("train/0000a.png");
    assert_int_equal(list(LIMN_PAIRED, LIMN_PHASE_VAL), LIMN_OK);
    bool found = false;
    for (size_t i = 0; i < data.a.count; i++) found |= !strcmp(data.a.items[i].name, kept);
    assert_true(found);
    assert_int_equal(limn_name_hash("a/b.jpg"), limn_name_hash("a/b.PNG"));
    assert_int_not_equal(limn_name_hash("a/b.jpg"), limn_name_hash("a/c.jpg"));
    /* FNV-1a of "foobar" is published; then MurmurHash3's finaliser, by hand. */
    uint64_t h = 0x85944171f73967e8u;
    h = (h ^ h >> 33) * 0xff51afd7ed558ccdu;
    h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53u;
    assert_true(limn_name_hash("foobar") == (h ^ h >> 33));
}

static void partners_are_held_out_together(void **state)
{
    char name[100];

    (void)state;
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "trainA/n%d.png", i);
        touch(name);
        snprintf(name, sizeof name, "trainB/n%d.jpg", i);
        touch(name);
    }
    for (int phase = 0; phase < 2; phase++) {
        assert_int_equal(list(LIMN_PAIRED, (limn_phase)phase), LIMN_OK);
        assert_true(data.a.count > 0 && data.a.count == data.b.count);
        for (size_t i = 0; i < data.a.count; i++) {
            size_t stem = strlen(data.a.items[i].name) - 4;

            assert_memory_equal(data.a.items[i].name, data.b.items[i].name, stem + 1);
        }
    }
}

static void few_pictures_are_all_for_training(void **state)
{
    const char *held_out = NULL;
    char name[100];

    (void)state;
    for (int i = 0; !held_out; i++) {
        snprintf(name, sizeof name, "train/%d.png", i);
        if (limn_name_held_out(name + 6)) held_out = name;
    }
    touch(name); /* one picture, and it would be held out */
    assert_int_equal(list(LIMN_PAIRED, LIMN_PHASE_TRAIN), LIMN_OK);
    assert_int_equal(data.a.count, 1);
    assert_int_equal(list(LIMN_PAIRED, LIMN_PHASE_VAL), LIMN_OK);
    assert_int_equal(data.a.count + data.b.count, 0);
    assert_non_null(data.note);
    assert_non_null(strstr(data.note, "nothing to validate on"));
}

/* ---- Mistakes -------------------------------------------------------------------------------- */

static void mistakes_are_told(void **state)
{
    char expected[900];

    (void)state;
    assert_int_equal(list(LIMN_PAIRED, LIMN_PHASE_TRAIN), LIMN_FORMAT);
    assert_says("has no pairs to learn from");
    touch("loose.png");
    assert_int_equal(list(LIMN_PAIRED, LIMN_PHASE_TRAIN), LIMN_FORMAT);
    assert_says("only pictures in the folder itself");
    assert_int_equal(list(LIMN_UNPAIRED, LIMN_PHASE_TRAIN), LIMN_FORMAT);
    assert_says("trainA and");
    mkdir(place("trainA"), 0777);
    assert_int_equal(list(LIMN_PAIRED, LIMN_PHASE_TRAIN), LIMN_FORMAT);
    snprintf(expected, sizeof expected, "%s/trainA is there but %s/trainB is not", root.folder,
             root.folder);
    assert_says(expected);
    mkdir(place("trainB"), 0777);
    assert_int_equal(list(LIMN_PAIRED, LIMN_PHASE_TRAIN), LIMN_FORMAT);
    assert_says("trainB holds no pictures (jpg jpeg png");
    touch("trainA/x.png");
    touch("trainB/x.png");
    assert_int_equal(list(LIMN_PAIRED, LIMN_PHASE_TEST), LIMN_FORMAT);
    assert_says("has no test pictures");

    limn_data_query query = { .root = "/nowhere/at/all" };
    assert_int_equal(limn_data_open(&data, &query, &error), LIMN_IO);
    assert_says("there is no data folder /nowhere/at/all");
    assert_null(data.arena.last);
    query.root = scratch_path(&root, "loose.png");
    assert_int_equal(limn_data_open(&data, &query, &error), LIMN_IO);
    assert_says("is a file");
    query.root = NULL;
    assert_int_equal(limn_data_open(&data, &query, &error), LIMN_SETTING);
    assert_says("--dataroot");
}

static void several_layouts_are_no_error_but_said(void **state)
{
    (void)state;
    touch("train/x.png");
    touch("trainA/x.png");
    touch("trainB/x.png");
    assert_int_equal(list_all(LIMN_PAIRED), LIMN_OK);
    assert_int_equal(data.layout, LIMN_LAYOUT_ONE_FOLDER);
    assert_non_null(strstr(data.note, "has train and also trainA + trainB; train is used"));
    assert_int_equal(list_all(LIMN_UNPAIRED), LIMN_OK);
    assert_int_equal(data.layout, LIMN_LAYOUT_TRAINA);
    assert_non_null(strstr(data.note, "trainA + trainB is used"));
}

static void names_without_partner(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        char name[100];

        snprintf(name, sizeof name, "trainA/%d.png", i);
        if (i != 2) touch(name);
        snprintf(name, sizeof name, "trainB/%d.png", i);
        if (i != 1) touch(name);
    }
    assert_int_equal(list(LIMN_PAIRED, LIMN_PHASE_TRAIN), LIMN_FORMAT);
    assert_says("1 of ");
    assert_says("trainA have no partner of the same name (1.png)");
    assert_says("trainB have none (2.png)");
    for (int i = 10; i < 15; i++) {
        char name[100];

        snprintf(name, sizeof name, "trainA/%d.png", i);
        touch(name);
    }
    unlink(place("trainB/2.png"));
    assert_int_equal(list(LIMN_PAIRED, LIMN_PHASE_TRAIN), LIMN_FORMAT);
    assert_says("6 of ");
    assert_says("(1.png, 10.png, 11.png ...); rename or remove them");

    limn_data_query query = { .root = root.folder, .no_hold_out = true, .keep_alone = true };
    assert_int_equal(limn_data_open(&data, &query, &error), LIMN_OK);
    assert_names(&data.a, NAMES("0.png", "3.png", "4.png", "5.png"));
    assert_int_equal(data.alone_a.count, 6);
    assert_int_equal(data.alone_b.count, 0);
}

static void a_stem_that_is_there_twice_pairs_by_ending(void **state)
{
    (void)state;
    touch("trainA/x.png");
    touch("trainA/x.jpg");
    touch("trainB/x.png");
    touch("trainB/x.tif");
    limn_data_query query = { .root = root.folder, .no_hold_out = true, .keep_alone = true };
    assert_int_equal(limn_data_open(&data, &query, &error), LIMN_OK);
    assert_names(&data.a, NAMES("x.png"));
    assert_names(&data.b, NAMES("x.png"));
    assert_names(&data.alone_a, NAMES("x.jpg"));
    assert_names(&data.alone_b, NAMES("x.tif"));
}

static void every_refused_request_is_a_clean_error(void **state)
{
    limn_status status = LIMN_NO_MEMORY;
    int refused = 0;

    (void)state;
    for (int i = 0; i < 1200; i++) {
        char name[100];

        snprintf(name, sizeof name, "train%c/%d.png", i % 2 ? 'A' : 'B', i / 2);
        touch(name);
    }
    for (long n = 0; status; n++) {
        limn_data_close(&data);
        limn_memory_refuse_after(n);
        status = list(LIMN_PAIRED, LIMN_PHASE_VAL);
        limn_memory_refuse_after(-1);
        if (!status) break;
        assert_int_equal(status, LIMN_NO_MEMORY);
        assert_int_equal(error.status, LIMN_NO_MEMORY);
        assert_int_equal(limn_memory_live_blocks(), 0);
        refused++;
        assert_true(n < 1000);
    }
    assert_true(refused > 1);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest tests[] = {
        CASE(one_folder_of_both_halves),
        CASE(two_folders_in_every_spelling),
        CASE(unpaired_sides_have_their_own_counts),
        CASE(plain_pictures_without_a_train_folder),
        CASE(a_scan_never_enters_another_phase),
        CASE(links_are_followed_but_not_in_circles),
        CASE(order_is_that_of_the_bytes),
        CASE(endings),
        CASE(a_tenth_is_held_out_by_name),
        CASE(partners_are_held_out_together),
        CASE(few_pictures_are_all_for_training),
        CASE(mistakes_are_told),
        CASE(several_layouts_are_no_error_but_said),
        CASE(names_without_partner),
        CASE(a_stem_that_is_there_twice_pairs_by_ending),
        CASE(every_refused_request_is_a_clean_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
