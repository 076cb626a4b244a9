/* SPDX-License-Identifier: Apache-2.0
 *
 * The loader: the same batches whatever the number of workers and wherever it is opened, errors at
 * their place, and a clean end at any moment.
 *
 * Built a second time with -fsanitize=thread and without OpenMP (meson.build): fixtures are BMP,
 * and the case that needs libvips is left out there, because libvips is not built for it. */
#include "loader_cases.h"

static uint64_t add(uint64_t sum, const void *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) sum = (sum ^ ((const uint8_t *)bytes)[i]) * 1099511628211u;
    return sum;
}

/* Everything that a batch says, in one number. */
static uint64_t sum_of(const limn_batch *b)
{
    uint64_t sum = add(b->epoch * 31 + b->number, b->a, limn_count(b->a_shape) * sizeof(float));

    sum = add(sum, b->b, limn_count(b->b_shape) * sizeof(float));
    sum = add(sum, &b->a_kept, sizeof b->a_kept);
    sum = add(sum, &b->fresh, sizeof b->fresh);
    for (int i = 0; i < b->count; i++) {
        sum = add(sum, b->a_items[i]->name, strlen(b->a_items[i]->name));
        sum = add(sum, b->b_items[i]->name, strlen(b->b_items[i]->name));
    }
    return sum;
}

static void take_sums(uint64_t *sums, int count)
{
    for (int i = 0; i < count; i++) {
        limn_batch batch = next();

        assert_true(batch.count > 0);
        sums[i] = sum_of(&batch);
    }
}

/* ---- The same, always ------------------------------------------------------------------------ */

enum { PICTURES = 11, BATCHES = 18 };

static void same_batches(const limn_loader_settings *first)
{
    uint64_t want[BATCHES], got[BATCHES];
    limn_loader_settings s = *first;
    int per_epoch;

    s.workers = 0;
    s.cache_bytes = 0;
    open_at(&s, 0, 0);
    per_epoch = (int)limn_loader_batches(loader);
    take_sums(want, BATCHES);
    for (int i = 0; i < BATCHES; i++)
        for (int k = 0; k < i; k++) assert_true(want[i] != want[k]); /* every epoch draws anew */
    for (int workers = 1; workers <= 4; workers++)
        for (int ahead = 0; ahead <= 5; ahead += 5) {
            s.workers = workers;
            s.ahead = ahead;
            s.cache_bytes = workers % 2 ? 1 << 20 : 700; /* all, or one or two pictures */
            open_at(&s, 0, 0);
            take_sums(got, BATCHES);
            assert_memory_equal(got, want, sizeof want);
        }
    /* From any place on, also one given past the end of an epoch. */
    for (int from = 1; from < BATCHES; from += 2) {
        if (from % 3)
            open_at(&s, (uint64_t)(from / per_epoch), (uint64_t)(from % per_epoch));
        else
            open_at(&s, 0, (uint64_t)from);
        take_sums(got, BATCHES - from);
        assert_memory_equal(got, want + from, (size_t)(BATCHES - from) * sizeof *want);
    }
    s.seed++;
    open_at(&s, 0, 0);
    take_sums(got, 1);
    assert_true(got[0] != want[0]);
}

static void pairs_are_the_same_always(void **state)
{
    limn_loader_settings s = small();

    (void)state;
    write_many("train", 0, PICTURES, 32, 14);
    list(LIMN_PAIRED);
    same_batches(&s);
    s.batch = 3;
    same_batches(&s);
    s.hints = (limn_hints){ .most = 5, .none = 0.3, .recolour = 0.5 };
    s.b_to_a = true;
    same_batches(&s);
    s = small();
    s.preparation.preprocess = LIMN_PREPROCESS_NONE; /* sizes differ from picture to picture */
    s.multiple = 4;
    write_bmp("train/00.bmp", 10, 7, 3, -1);
    write_bmp("train/05.bmp", 50, 31, 4, -1);
    same_batches(&s);
}

static void sides_are_the_same_always(void **state)
{
    limn_loader_settings s = small();

    (void)state;
    write_many("trainA", 0, PICTURES, 13, 17);
    write_many("trainB", 40, 5, 20, 9);
    list(LIMN_UNPAIRED);
    same_batches(&s);
    s.batch = 2;
    same_batches(&s);
}

static void plain_pictures_are_the_same_always(void **state)
{
    limn_loader_settings s = small();

    (void)state;
    write_many("train", 0, PICTURES, 19, 14);
    list(LIMN_PLAIN);
    s.derivation.kind = LIMN_DERIVE_EDGES;
    s.derivation.edge_low = 0.01;
    s.derivation.edge_high = 0.02;
    same_batches(&s);
    s.derivation.kind = LIMN_DERIVE_NONE;
    s.colorize = true;
    s.a_channels = 1;
    s.b_channels = 2;
    same_batches(&s);
}

/* ---- What is in an epoch --------------------------------------------------------------------- */

static void every_picture_once_an_epoch(void **state)
{
    limn_loader_settings s = small();
    int seen[PICTURES], moved = 0, places[3][PICTURES];

    (void)state;
    write_many("train", 0, PICTURES, 32, 14);
    list(LIMN_PAIRED);
    s.batch = 4;
    s.epochs = 3;
    open_at(&s, 5, 0);
    assert_int_equal(limn_loader_batches(loader), 3);
    for (int epoch = 5; epoch < 8; epoch++) {
        memset(seen, 0, sizeof seen);
        for (int i = 0, place = 0; i < 3; i++) {
            limn_batch b = next();

            assert_int_equal(b.epoch, epoch);
            assert_int_equal(b.number, i);
            assert_int_equal(b.last, i == 2);
            assert_int_equal(b.count, 4);
            assert_int_equal(b.fresh, i == 2 ? 3 : 4);
            for (int k = 0; k < b.fresh; k++, place++) {
                int which = atoi(b.a_items[k]->name);

                seen[which]++;
                places[epoch - 5][place] = which;
                moved += which != place;
                assert_ptr_equal(b.a_items[k]->path, b.b_items[k]->path);
            }
        }
        for (int i = 0; i < PICTURES; i++) assert_int_equal(seen[i], 1);
    }
    assert_true(moved > 2 * PICTURES);
    assert_memory_not_equal(places[0], places[1], sizeof places[0]);
    assert_memory_not_equal(places[1], places[2], sizeof places[0]);
    limn_batch b = next();
    assert_int_equal(b.count, 0); /* the end, again and again */
    assert_int_equal(next().count, 0);
    limn_loader_times t = limn_loader_time(loader);
    assert_int_equal(t.pictures, 3 * PICTURES);
    assert_int_equal(t.cached, PICTURES);
    /* Two may decode one at the same time, when it comes in two batches that are both in work; by
     * its third time it is there. */
    assert_in_range(t.decoded, PICTURES, 2 * PICTURES);
    assert_int_equal(t.cached_bytes, PICTURES * 32 * 14 * 3);
    assert_true(t.waited > 0 && t.waited <= t.total);

    s.workers = 1; /* alone it decodes each once */
    open_at(&s, 5, 0);
    while (next().count) continue;
    assert_int_equal(limn_loader_time(loader).pictures, 3 * PICTURES);
    assert_int_equal(limn_loader_time(loader).decoded, PICTURES);

    s.serial = true;
    open_at(&s, 0, 0);
    for (int i = 0; i < 2; i++) {
        b = next();
        for (int k = 0; k < 4; k++) assert_int_equal(atoi(b.a_items[k]->name), 4 * i + k);
    }
}

static void partners_of_unpaired_data_are_drawn(void **state)
{
    limn_loader_settings s = small();
    int seen_a[7] = { 0 }, seen_b[3] = { 0 }, in_step = 0;

    (void)state;
    write_many("trainA", 0, 7, 13, 13);
    write_many("trainB", 0, 3, 13, 13);
    list(LIMN_UNPAIRED);
    open_at(&s, 0, 0);
    assert_int_equal(limn_loader_batches(loader), 7);
    for (int i = 0; i < 70; i++) {
        limn_batch b = next();
        int a = atoi(b.a_items[0]->name), partner = atoi(b.b_items[0]->name);

        seen_a[a]++;
        seen_b[partner]++;
        in_step += a % 3 == partner;
    }
    for (int i = 0; i < 7; i++) assert_int_equal(seen_a[i], 10);
    for (int i = 0; i < 3; i++) assert_in_range(seen_b[i], 10, 40); /* 23 expected, sigma 4 */
    assert_in_range(in_step, 8, 45);
    s.serial = true;
    open_at(&s, 0, 0);
    for (int i = 0; i < 7; i++) {
        limn_batch b = next();

        assert_int_equal(atoi(b.a_items[0]->name), i);
        assert_int_equal(atoi(b.b_items[0]->name), i % 3);
    }
}

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

/* ---- The end at any moment ------------------------------------------------------------------- */

static void close_in_the_middle(void **state)
{
    limn_loader_settings s = small();

    (void)state;
    write_many("train", 0, PICTURES, 64, 48);
    list(LIMN_PAIRED);
    for (int i = 0; i < 60; i++) {
        s.workers = i % 5;
        s.batch = 1 + i % 3;
        s.ahead = 1 + i % 7;
        open_at(&s, 0, 0);
        for (int k = 0; k < i % 4; k++) next();
        if (i % 2) usleep((useconds_t)(i * 37 % 500));
        limn_loader_close(&loader);
        assert_null(loader);
    }
    limn_loader_close(&loader);
}

static void every_refused_request_is_a_clean_error(void **state)
{
    limn_loader_settings s = small();
    int refused = 0;
    size_t before;

    (void)state;
    write_many("train", 0, 5, 32, 14);
    list(LIMN_PAIRED);
    before = limn_memory_live_blocks();
    s.multiple = 16;
    s.hints.most = 2;
    for (int workers = 0; workers <= 2; workers += 2)
        for (int batch = 1; batch <= 2; batch++) {
            bool passed = false;

            s.workers = workers;
            s.batch = batch;
            for (long n = 0; !passed; n++) {
                limn_status status;
                limn_batch b;

                error = (limn_error){ 0 };
                limn_memory_refuse_after(n);
                status = limn_loader_open(&loader, &data, &s, 0, 0, &error);
                passed = !status;
                for (int i = 0; i < 5 && !status; i++) {
                    status = limn_loader_next(loader, &b, &error);
                    passed = !status;
                }
                limn_loader_close(&loader);
                limn_memory_refuse_after(-1);
                assert_int_equal(limn_memory_live_blocks(), before);
                if (status) assert_int_equal(status, LIMN_NO_MEMORY);
                refused += status != LIMN_OK;
                assert_true(n < 2000);
            }
        }
    assert_true(refused > 40);
    s.workers = 3;
    for (long n = 0; n < 3; n++) {
        limn_worker_refuse_after(n);
        assert_int_equal(limn_loader_open(&loader, &data, &s, 0, 0, &error), LIMN_NO_MEMORY);
        limn_worker_refuse_after(-1);
        assert_null(loader);
        assert_int_equal(limn_memory_live_blocks(), before);
    }
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest tests[] = {
        CASE(pairs_are_the_same_always),
        CASE(sides_are_the_same_always),
        CASE(plain_pictures_are_the_same_always),
        CASE(every_picture_once_an_epoch),
        CASE(partners_of_unpaired_data_are_drawn),
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
        CASE(close_in_the_middle),
        CASE(every_refused_request_is_a_clean_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
