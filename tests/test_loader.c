/* SPDX-License-Identifier: Apache-2.0
 *
 * The loader: the same batches whatever the number of workers and wherever it is opened, and a
 * clean end at any moment.
 *
 * Built a second time with -fsanitize=thread and without OpenMP (meson.build): fixtures are BMP. */
#include "loader_cases.h"

static void take_sums(uint64_t *sums, int count)
{
    for (int i = 0; i < count; i++) {
        limn_batch batch = next();

        assert_true(batch.count > 0);
        sums[i] = sum_of(&batch);
    }
}

/* ---- The same, always ------------------------------------------------------------------------ */

enum { BATCHES = 18 };

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
        CASE(close_in_the_middle),
        CASE(every_refused_request_is_a_clean_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
