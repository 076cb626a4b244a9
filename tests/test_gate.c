/* SPDX-License-Identifier: Apache-2.0
 *
 * The gate before training: what is left out, what is refused whole, what is remembered and what
 * is not kept.  test_gate_train.c tries the ways that lead through it. */
#include "base/sha256.h"
#include "base/threads.h"
#include "gate_data.h"
#include "train/gate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { LISTED_MAX = 16, WORKERS = 2 };

static limn_screen *screen;
static limn_history *remembered; /* of all tests that do not count what is judged */

/* What the gate told. */
static struct {
    char names[LISTED_MAX][64];
    float scores[LISTED_MAX];
    bool whole;
    int count;
    size_t done, total, stop_at;
} told;

static bool on_progress(void *context, size_t done, size_t total)
{
    (void)context;
    assert_true(done > told.done);
    told.done = done;
    told.total = total;
    return !told.stop_at || done < told.stop_at;
}

static limn_status on_refused(void *context, const limn_data_item *item, float score, bool whole,
                              limn_error *error)
{
    (void)context;
    (void)error;
    assert_true(told.count < LISTED_MAX);
    snprintf(told.names[told.count], sizeof *told.names, "%s", item->name);
    told.scores[told.count++] = score;
    told.whole = whole;
    return LIMN_OK;
}

static const limn_gate_watch watch = { .progress = on_progress, .refused = on_refused };

/* ---- Passing --------------------------------------------------------------------------------- */

static limn_history *open_history(const char *name)
{
    limn_history *history;
    limn_error error;

    make_folder(path_of("%s", name));
    if (limn_history_open(&history, path_of("%s/history.sqlite", name), &error))
        fail_msg("%s", error.text);
    return history;
}

static void open_list(limn_data *list, const char *data, limn_pairing pairing, limn_phase phase,
                      bool no_hold_out)
{
    limn_data_query query = {
        .root = path_of("%s", data), .pairing = pairing, .phase = phase, .no_hold_out = no_hold_out
    };
    limn_error error;

    if (limn_data_open(list, &query, &error)) fail_msg("%s", error.text);
}

static limn_status pass(limn_data *train, limn_data *val, limn_history *history,
                        limn_gate_count *count, limn_error *error)
{
    size_t stop_at = told.stop_at;

    memset(&told, 0, sizeof told);
    told.stop_at = stop_at;
    *error = (limn_error){ 0 };
    return limn_gate_pass(train, val, screen, history, WORKERS, &watch, count, error);
}

static bool has(const limn_data_side *side, const char *name)
{
    for (size_t i = 0; i < side->count; i++)
        if (!strcmp(side->items[i].name, name)) return true;
    return false;
}

static void expect_score(float score)
{
    assert_true(fabsf(score - 0.76f) < 0.01f);
}

/* ---- Left out -------------------------------------------------------------------------------- */

static void one_among_200(void **state)
{
    limn_data train;
    limn_gate_count count;
    limn_error error;

    (void)state;
    put_pairs("two_hundred", 200);
    put_refused("two_hundred/train", "odd.png", 'R');
    open_list(&train, "two_hundred", LIMN_PAIRED, LIMN_PHASE_TRAIN, true);
    assert_int_equal(train.b.count, 201);
    if (pass(&train, NULL, remembered, &count, &error)) fail_msg("%s", error.text);
    assert_int_equal(count.pictures, 402);
    assert_int_equal(count.judged, 2 * (DIFFERENT + 1)); /* each content once */
    assert_int_equal(count.left_out, 1);
    assert_int_equal(told.done, 402);
    assert_int_equal(told.total, 402);
    assert_int_equal(told.count, 1);
    assert_string_equal(told.names[0], "odd.png");
    expect_score(told.scores[0]);
    assert_false(told.whole);
    assert_int_equal(train.a.count, 200);
    assert_int_equal(train.b.count, 200);
    assert_false(has(&train.a, "odd.png"));
    assert_false(has(&train.b, "odd.png"));
    for (size_t i = 0; i < 200; i++)
        assert_string_equal(train.a.items[i].name, train.b.items[i].name);
    limn_data_close(&train);
}

/* Held-out pictures come from the same folder: refused ones in either list count together. */
static void two_and_three_of_100(void **state)
{
    static const char *const names[] = { "odd_a.png", "odd_b.png", "odd_c.png" };
    char held_out[20] = "";
    limn_data train, val;
    limn_gate_count count;
    limn_error error;

    (void)state;
    for (int i = 0; i < 1000 && !(*held_out && limn_name_held_out(held_out)); i++)
        snprintf(held_out, sizeof held_out, "h%d.png", i);
    put_pairs("hundred", 98);
    put_refused("hundred/train", names[0], 'R');
    put_refused("hundred/train", held_out, 'L');
    open_list(&train, "hundred", LIMN_PAIRED, LIMN_PHASE_TRAIN, false);
    open_list(&val, "hundred", LIMN_PAIRED, LIMN_PHASE_VAL, false);
    assert_true(has(&val.a, held_out));
    assert_int_equal(train.a.count + val.a.count, 100);
    if (pass(&train, &val, remembered, &count, &error)) fail_msg("%s", error.text);
    assert_int_equal(count.left_out, 2);
    assert_int_equal(told.count, 2);
    assert_false(has(&train.b, names[0]));
    assert_false(has(&val.b, held_out));
    assert_int_equal(train.a.count + val.a.count, 98);
    limn_data_close(&train);
    limn_data_close(&val);

    unlink(path_of("hundred/train/097.png"));
    put_refused("hundred/train", names[1], 'L');
    open_list(&train, "hundred", LIMN_PAIRED, LIMN_PHASE_TRAIN, false);
    open_list(&val, "hundred", LIMN_PAIRED, LIMN_PHASE_VAL, false);
    assert_int_equal(train.a.count + val.a.count, 100);
    assert_int_equal(pass(&train, &val, remembered, &count, &error), LIMN_REFUSED_DATA);
    assert_int_equal(count.left_out, 3);
    assert_int_equal(told.count, 3);
    assert_true(told.whole);
    for (int i = 0; i < 3; i++) expect_score(told.scores[i]);
    assert_non_null(strstr(error.text, "3 of 100 pairs"));
    assert_non_null(strstr(error.text, "odd_a.png (0.76)"));
    assert_non_null(strstr(error.text, held_out));
    assert_int_equal(train.a.count + val.a.count, 100); /* as they were */
    limn_data_close(&train);
    limn_data_close(&val);
}

static bool holds(const char *path, const void *bytes, size_t count)
{
    size_t all;
    char *file = scratch_read(path, &all);
    bool found = file && memmem(file, all, bytes, count);

    free(file);
    return found;
}

static void only_refused_ones(void **state)
{
    limn_history *history = open_history("only_run");
    unsigned char *pixels = seen_bytes("microaneurysms");
    limn_data train;
    limn_gate_count count;
    limn_error error;
    size_t size;
    char *file;

    (void)state;
    make_folder(path_of("only/train"));
    put_refused("only/train", "x.png", 'L');
    put_refused("only/train", "y.png", 'R');
    open_list(&train, "only", LIMN_PAIRED, LIMN_PHASE_TRAIN, true);
    assert_int_equal(pass(&train, NULL, history, &count, &error), LIMN_REFUSED_DATA);
    assert_non_null(strstr(error.text, "2 of 2 pairs"));
    assert_non_null(strstr(error.text, "x.png (0.76), y.png (0.76)"));
    assert_true(told.whole);
    limn_history_close(&history);
    /* Nothing of the picture is in what the run has written. */
    file = scratch_read(path_of("only/train/x.png"), &size);
    assert_non_null(file);
    assert_true(size > 20000);
    assert_true(holds(path_of("only/train/x.png"), file + size / 2, 16));
    assert_int_equal(scratch_entries(path_of("only_run")), 1);
    assert_false(holds(path_of("only_run/history.sqlite"), file + size / 2, 16));
    assert_false(holds(path_of("only_run/history.sqlite"), pixels + SEEN_BYTES / 2, 16));
    free(file);
    free(pixels);
    limn_data_close(&train);
}

/* ---- Other forms of data --------------------------------------------------------------------- */

static void plain_and_two_folders(void **state)
{
    limn_data train;
    limn_gate_count count;
    limn_error error;
    char name[20];

    (void)state;
    make_folder(path_of("plain/train"));
    make_folder(path_of("sides/trainA"));
    make_folder(path_of("sides/trainB"));
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "%d.png", i);
        put_tiny("plain/train", name, i, false);
        put_tiny("sides/trainA", name, i, false);
        put_tiny("sides/trainB", name, i + 5, false);
    }
    put_refused("plain/train", "odd.png", 'W');
    put_refused("sides/trainB", "3.png", 'W');
    open_list(&train, "plain", LIMN_PLAIN, LIMN_PHASE_TRAIN, true);
    if (pass(&train, NULL, remembered, &count, &error)) fail_msg("%s", error.text);
    assert_int_equal(count.pictures, 6);
    assert_int_equal(train.b.count, 5);
    assert_false(has(&train.b, "odd.png"));
    limn_data_close(&train);

    open_list(&train, "sides", LIMN_PAIRED, LIMN_PHASE_TRAIN, true);
    if (pass(&train, NULL, remembered, &count, &error)) fail_msg("%s", error.text);
    assert_int_equal(train.a.count, 4); /* the partner goes as well */
    assert_false(has(&train.a, "3.png"));
    assert_false(has(&train.b, "3.png"));
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(train.a.items[i].name, train.b.items[i].name);
    limn_data_close(&train);

    open_list(&train, "sides", LIMN_UNPAIRED, LIMN_PHASE_TRAIN, true);
    if (pass(&train, NULL, remembered, &count, &error)) fail_msg("%s", error.text);
    assert_int_equal(train.a.count, 5); /* no partners here */
    assert_int_equal(train.b.count, 4);
    limn_data_close(&train);
}

/* A harmless side can't make up for one that is refused as a whole. */
static void side_of_refused_ones(void **state)
{
    limn_data train;
    limn_gate_count count;
    limn_error error;
    char name[20];

    (void)state;
    make_folder(path_of("uneven/trainA"));
    make_folder(path_of("uneven/trainB"));
    for (int i = 0; i < 60; i++) {
        snprintf(name, sizeof name, "%d.png", i);
        put_tiny("uneven/trainA", name, i % DIFFERENT, false);
    }
    put_refused("uneven/trainB", "odd.png", 'W');
    open_list(&train, "uneven", LIMN_UNPAIRED, LIMN_PHASE_TRAIN, true);
    assert_int_equal(pass(&train, NULL, remembered, &count, &error), LIMN_REFUSED_DATA);
    assert_non_null(strstr(error.text, "1 of 1 training pictures"));
    limn_data_close(&train);
}

/* ---- What is remembered ---------------------------------------------------------------------- */

static void judged_once(void **state)
{
    limn_history *history = open_history("once_run");
    limn_data train;
    limn_gate_count count;
    limn_error error;

    (void)state;
    put_pairs("once", 6);
    put_refused("once/train", "odd.png", 'R');
    for (int time = 0; time < 4; time++) {
        static const size_t judged[] = { 14, 0, 0, 2 };

        if (time == 1) { /* as a resumed run does */
            limn_history_close(&history);
            history = open_history("once_run");
        }
        if (time == 2) { /* content counts, not the name */
            char from[600];

            snprintf(from, sizeof from, "%s", path_of("once/train/000.png"));
            assert_int_equal(rename(from, path_of("once/train/moved.png")), 0);
        }
        if (time == 3) put_tiny("once/train", "001.png", 77, true);
        open_list(&train, "once", LIMN_PAIRED, LIMN_PHASE_TRAIN, true);
        if (pass(&train, NULL, history, &count, &error)) fail_msg("%s", error.text);
        assert_int_equal(count.pictures, 14);
        assert_int_equal(count.judged, judged[time]);
        assert_int_equal(told.count, 1);
        expect_score(told.scores[0]);
        assert_int_equal(train.a.count, 6);
        assert_false(has(&train.a, "odd.png"));
        limn_data_close(&train);
    }
    limn_history_close(&history);
}

/* Verdicts of other classifiers, and rows that are none of ours, are not believed. */
static void strange_rows(void **state)
{
    limn_history *history = open_history("strange_run");
    char digest[LIMN_DIGEST_TEXT], key[300];
    limn_data train;
    limn_gate_count count;
    limn_error error;
    size_t size;
    char *file;

    (void)state;
    put_pairs("strange", 6);
    put_refused("strange/train", "odd.png", 'R');
    file = scratch_read(path_of("strange/train/odd.png"), &size);
    limn_sha256_text(file, size, digest);
    free(file);
    snprintf(key, sizeof key, "%sR:%064d", digest, 0);
    assert_int_equal(limn_history_screen(history, key, 0.01, false, &error), LIMN_OK);
    snprintf(key, sizeof key, "%sR", digest);
    assert_int_equal(limn_history_screen(history, key, 0.01, false, &error), LIMN_OK);
    assert_int_equal(limn_history_screen(history, "", 0.01, false, &error), LIMN_OK);
    open_list(&train, "strange", LIMN_PAIRED, LIMN_PHASE_TRAIN, true);
    if (pass(&train, NULL, history, &count, &error)) fail_msg("%s", error.text);
    assert_int_equal(count.judged, 14);
    assert_int_equal(count.left_out, 1);
    limn_data_close(&train);
    limn_history_close(&history);
}

/* ---- Faults ---------------------------------------------------------------------------------- */

static void broken_pictures(void **state)
{
    limn_data train;
    limn_gate_count count;
    limn_error error;
    size_t size;
    char *file;

    (void)state;
    put_pairs("broken", 12);
    file = scratch_read(path_of("broken/train/005.png"), &size);
    scratch_write(path_of("broken/train/005.png"), file, size / 2);
    scratch_write(path_of("broken/train/008.png"), file, 0);
    free(file);
    open_list(&train, "broken", LIMN_PAIRED, LIMN_PHASE_TRAIN, true);
    if (pass(&train, NULL, remembered, &count, &error)) fail_msg("%s", error.text);
    assert_int_equal(count.broken, 2); /* left out with their partners, and nothing else is */
    assert_int_equal(count.left_out, 0);
    assert_int_equal(train.a.count, 10);
    assert_int_equal(train.b.count, 10);
    for (size_t i = 0; i < 10; i++) {
        assert_string_equal(train.a.items[i].name, train.b.items[i].name);
        assert_string_not_equal(train.a.items[i].name, "005.png");
        assert_string_not_equal(train.a.items[i].name, "008.png");
    }
    limn_data_close(&train);

    /* A third one is more than a tenth: a mistake in the folder. */
    open_list(&train, "broken", LIMN_PAIRED, LIMN_PHASE_TRAIN, true);
    unlink(path_of("broken/train/010.png"));
    for (int i = 0; i < 5; i++) { /* the first of the list, whatever the workers' timing */
        assert_int_equal(pass(&train, NULL, remembered, &count, &error), LIMN_FORMAT);
        assert_non_null(strstr(error.text, "3 of 12 pictures can't be read"));
        assert_non_null(strstr(error.text, "005.png"));
        assert_int_equal(train.a.count, 12);
    }
    limn_data_close(&train);
    put_pairs("broken_all", 2);
    scratch_write(path_of("broken_all/train/000.png"), "", 0);
    scratch_write(path_of("broken_all/train/001.png"), "", 0);
    open_list(&train, "broken_all", LIMN_PAIRED, LIMN_PHASE_TRAIN, true);
    assert_int_equal(pass(&train, NULL, remembered, &count, &error), LIMN_FORMAT);
    limn_data_close(&train);
}

static void stopping(void **state)
{
    limn_data train;
    limn_gate_count count;
    limn_error error;

    (void)state;
    put_pairs("stopped", 12);
    open_list(&train, "stopped", LIMN_PAIRED, LIMN_PHASE_TRAIN, true);
    told.stop_at = 10;
    assert_int_equal(pass(&train, NULL, remembered, &count, &error), LIMN_STOPPED);
    assert_int_equal(told.done, 10);
    told.stop_at = 0;
    limn_data_close(&train);
}

static void refused_memory(void **state)
{
    limn_data train;
    limn_gate_count count;
    limn_error error;
    size_t blocks;
    limn_status status;
    long n = 0;

    (void)state;
    put_pairs("memory", 3);
    open_list(&train, "memory", LIMN_PAIRED, LIMN_PHASE_TRAIN, true);
    do {
        char name[40];
        limn_history *history;

        snprintf(name, sizeof name, "memory_run_%ld", n);
        history = open_history(name);
        blocks = limn_memory_live_blocks();
        limn_memory_refuse_after(n);
        status = pass(&train, NULL, history, &count, &error);
        limn_memory_refuse_after(-1);
        assert_int_equal(limn_memory_live_blocks(), blocks);
        assert_int_equal(train.a.count, 3);
        if (status) assert_int_equal(status, LIMN_NO_MEMORY);
        if (status) assert_true(*error.text);
        limn_history_close(&history);
    } while (status && ++n < 200);
    assert_int_equal(status, LIMN_OK);
    assert_true(n > 8);
    for (long starts = 0; starts < WORKERS; starts++) {
        blocks = limn_memory_live_blocks();
        limn_worker_refuse_after(starts);
        assert_true(pass(&train, NULL, remembered, &count, &error) != LIMN_OK);
        limn_worker_refuse_after(-1);
        assert_int_equal(limn_memory_live_blocks(), blocks);
    }
    limn_data_close(&train);
}

static int open_group(void **state)
{
    limn_error error;

    (void)state;
    scratch_open(&here);
    remembered = open_history("remembered");
    return limn_screen_open(&screen, LIMN_COMPUTE_AUTO, &error) != LIMN_OK;
}

static int close_group(void **state)
{
    (void)state;
    limn_screen_close(&screen);
    limn_history_close(&remembered);
    scratch_close(&here);
    return 0;
}

int main(int argc, char **argv)
{
    static char folder[600];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_among_200),
        cmocka_unit_test(two_and_three_of_100),
        cmocka_unit_test(only_refused_ones),
        cmocka_unit_test(plain_and_two_folders),
        cmocka_unit_test(side_of_refused_ones),
        cmocka_unit_test(judged_once),
        cmocka_unit_test(strange_rows),
        cmocka_unit_test(broken_pictures),
        cmocka_unit_test(stopping),
        cmocka_unit_test(refused_memory),
    };

    if (argc < 2) {
        fprintf(stderr, "use: test_gate SOURCE\n");
        return 2;
    }
    snprintf(folder, sizeof folder, "%s/tests/screening/", argv[1]);
    screening_folder = folder;
    return cmocka_run_group_tests(tests, open_group, close_group);
}
