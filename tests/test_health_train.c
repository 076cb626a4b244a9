/* SPDX-License-Identifier: Apache-2.0
 *
 * Alarms in trainings that really run: one that is well says nothing; generators whose last layer
 * is taken away, targets that are negatives, inputs of one colour are called by their names, with a
 * row, a sentence and a place in the page, and once.  And what a training without pairs keeps. */
#include "score/distribution.h"
#include "train/train_inside.h"
#include "train_data.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char *program;

static void set(limn_training *t, const char *name, const char *value)
{
    limn_error error = { 0 };

    if (limn_setting_set(limn_train_rows(), limn_train_fields(t), name, value, &error))
        fail_msg("%s", error.text);
}

/* A tiny training of a recipe on s->folder/data into s->folder/out. */
static limn_training *tiny(const scratch *s, const char *recipe, const char *out,
                           const char *epochs)
{
    static const char *const settings[][2] = {
        { "ngf", "4" },
        { "ndf", "4" },
        { "crop-size", "32" },
        { "load-size", "36" },
        { "n-epochs-decay", "0" },
        { "compute", "fp32" },
        { "num-threads", "0" },
        { "sheet-pictures", "2" },
        { "netD", "n_layers" },
        { "n-layers-D", "2" },
        { "threads", "1" },
    };
    limn_error error = { 0 };
    limn_training *t;
    char path[400];

    if (limn_train_begin(&t, recipe, NULL, &error)) fail_msg("%s", error.text);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        set(t, settings[i][0], settings[i][1]);
    set(t, "netG", strcmp(recipe, "pix2pix") ? "resnet_2blocks" : "unet_32");
    snprintf(path, sizeof path, "%s/data", s->folder);
    set(t, "dataroot", limn_take_text(&t->arena, path));
    snprintf(path, sizeof path, "%s/%s", s->folder, out);
    set(t, "out", limn_take_text(&t->arena, path));
    set(t, "n-epochs", epochs);
    return t;
}

/* The first column of the first row, as a number; NaN: there is no row. */
static double ask(const scratch *s, const char *run, const char *query)
{
    sqlite3 *base;
    sqlite3_stmt *statement;
    char path[400];
    double value = NAN;

    snprintf(path, sizeof path, "%s/%s/history.sqlite", s->folder, run);
    assert_int_equal(sqlite3_open(path, &base), SQLITE_OK);
    if (sqlite3_prepare_v2(base, query, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", query, sqlite3_errmsg(base));
    if (sqlite3_step(statement) == SQLITE_ROW) value = sqlite3_column_double(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(base);
    return value;
}

static void expect_in_page(const scratch *s, const char *run, const char *words, bool is_there)
{
    char path[400], *page;
    size_t count;

    snprintf(path, sizeof path, "%s/%s/index.html", s->folder, run);
    assert_non_null(page = scratch_read(path, &count));
    if ((strstr(page, words) != NULL) != is_there) fail_msg("the page: %s", words);
    free(page);
}

typedef struct heard {
    limn_training *t;
    int alarms;
    char kinds[8][24];
    uint64_t from; /* step from which on the generator is changed; 0: never */
    void (*change)(void *context, const limn_train_step *step); /* NULL: take_away */
} heard;

static void on_alarm(void *context, const limn_train_alarm *alarm)
{
    heard *h = context;

    assert_true(h->alarms < 8);
    assert_true(strlen(alarm->sentence) > 40);
    assert_true(alarm->step <= h->t->state.step + 1);
    snprintf(h->kinds[h->alarms++], sizeof *h->kinds, "%s", alarm->kind);
}

static void take_away(void *context, const limn_train_step *step)
{
    const heard *h = context;
    limn_weights *weights = h->t->trainer.weights;
    int index = limn_weights_find(weights, "G.model.model.3.weight");
    float zeros[4096] = { 0 };

    if (!h->from || step->step < h->from) return;
    assert_true(index >= 0 && limn_count(limn_weights_at(weights, index)->shape) <= 4096);
    assert_false(limn_weights_set(weights, index, zeros, NULL));
}

/* The kernels of the first and the last layer, gathered in a corner: what is drawn lands six pixels
 * away. */
static void move_away(void *context, const limn_train_step *step)
{
    enum { TAPS = 49, MOST = 8 * 3 * TAPS };
    static const char *const layers[] = { "G.model.1.weight", "G.model.23.weight" };
    const heard *h = context;
    limn_weights *weights = h->t->trainer.weights;
    float kernels[MOST];

    if (step->step < h->from) return;
    for (int layer = 0; layer < 2; layer++) {
        int index = limn_weights_find(weights, layers[layer]);

        assert_true(index >= 0 && limn_count(limn_weights_at(weights, index)->shape) == MOST);
        assert_false(limn_weights_get(weights, index, kernels, NULL));
        for (int k = 0; k < MOST; k++) {
            if (k % TAPS == 0) continue;
            kernels[k / TAPS * TAPS] += kernels[k];
            kernels[k] = 0;
        }
        assert_false(limn_weights_set(weights, index, kernels, NULL));
    }
}

static int times(const heard *h, const char *kind)
{
    int count = 0;

    for (int i = 0; i < h->alarms; i++) count += !strcmp(h->kinds[i], kind);
    return count;
}

static void run(heard *h, limn_training *t)
{
    limn_train_watch watch = { .context = h,
                               .step = h->change ? h->change : take_away,
                               .alarm = on_alarm };
    limn_error error = { 0 };

    h->t = t;
    if (limn_train_run(t, &watch, &error)) fail_msg("%s", error.text);
    limn_train_end(&t);
}

static void open_pairs(scratch *s, char data[300])
{
    scratch_open(s);
    snprintf(data, 300, "%s/data", s->folder);
    make_pairs(data, "train", 30, 40, false);
    make_pairs(data, "val", 6, 40, false);
}

/* The same data and settings with and without a generator that goes on losing its last layer. */
static void well_and_collapsed(void **state)
{
    scratch s;
    char data[300];
    heard well = { .alarms = 0 }, broken = { .from = 600 };
    limn_error error = { 0 };
    limn_training *t;

    (void)state;
    open_pairs(&s, data);
    run(&well, tiny(&s, "pix2pix", "well", "40")); /* 1200 steps */
    assert_int_equal(well.alarms, 0);
    assert_int_equal((int)ask(&s, "well", "SELECT count(*) FROM alarms"), 0);
    assert_int_equal((int)ask(&s, "well", "SELECT count(DISTINCT epoch) FROM looks"), 40);
    expect_in_page(&s, "well", "<h2>Alarms</h2>", false);

    t = tiny(&s, "pix2pix", "broken", "75"); /* 2250 steps, 1650 of them against nothing */
    set(t, "lambda-L1", "0");
    run(&broken, t);
    assert_int_equal(times(&broken, "collapse"), 1);
    assert_int_equal(times(&broken, "critic"), 1);
    assert_true(ask(&s, "broken", "SELECT value < threshold FROM alarms WHERE kind = 'collapse'") ==
                1);
    assert_true(ask(&s, "broken", "SELECT step FROM alarms WHERE kind = 'collapse'") >= 900);
    assert_int_equal(
        (int)ask(&s, "broken", "SELECT count(*) FROM alarms JOIN events USING (step, sentence)"),
        broken.alarms);
    expect_in_page(&s, "broken", "<h2>Alarms</h2>", true);
    expect_in_page(&s, "broken", "are getting alike", true);

    /* Going on, it is not said again. */
    snprintf(data, sizeof data, "%s/broken", s.folder);
    if (limn_train_begin(&t, NULL, data, &error)) fail_msg("%s", error.text);
    set(t, "n-epochs", "80");
    broken.alarms = 0;
    broken.from = 1;
    run(&broken, t);
    assert_int_equal(broken.alarms, 0);
    scratch_close(&s);
}

/* 40 x 40 pixels beside one another: a disc, and the same or its negative; or nothing at all. */
static void write_pair(const char *folder, int number, bool negative, bool empty)
{
    enum { SIZE = 40, AREA = SIZE * SIZE };
    uint8_t a[3 * AREA], b[3 * AREA];
    int cx = 10 + number * 7 % 20, cy = 10 + number * 11 % 20;
    char path[400];

    for (int i = 0; i < 3 * AREA; i++) {
        int x = i % SIZE - cx, y = i % AREA / SIZE - cy;

        a[i] = x * x + y * y < 60 + 20 * (number % 5) ? 220 : 40;
        b[i] = negative ? 255 - a[i] : a[i];
        if (empty) a[i] = 128;
    }
    snprintf(path, sizeof path, "%s/%03d.png", folder, number);
    write_png(path, a, b, SIZE, SIZE);
}

/* What is learned is the opposite of what the validation pictures show. */
static void turned(void **state)
{
    scratch s;
    char folder[300];
    heard h = { .alarms = 0 };
    limn_error error = { 0 };

    (void)state;
    scratch_open(&s);
    for (int phase = 0; phase < 2; phase++) {
        snprintf(folder, sizeof folder, "%s/data/%s", s.folder, phase ? "val" : "train");
        assert_false(limn_folder_make(folder, &error));
        for (int i = 0; i < (phase ? 6 : 30); i++) write_pair(folder, i, phase == 1, false);
    }
    run(&h, tiny(&s, "pix2pix", "run", "32"));
    assert_int_equal(times(&h, "inversion"), 1);
    assert_int_equal(h.alarms, 1);
    assert_true(ask(&s, "run", "SELECT value > 0.1 FROM alarms") == 1); /* and should be below */
    scratch_close(&s);
}

static void of_one_colour(void **state)
{
    scratch s;
    char folder[300];
    heard h = { .alarms = 0 };
    limn_error error = { 0 };
    limn_training *t;

    (void)state;
    scratch_open(&s);
    snprintf(folder, sizeof folder, "%s/data/train", s.folder);
    assert_false(limn_folder_make(folder, &error));
    for (int i = 0; i < 12; i++) write_pair(folder, i, false, i == 3 || i == 8);
    t = tiny(&s, "pix2pix", "run", "2");
    set(t, "norm", "instance");
    run(&h, t);
    assert_int_equal(h.alarms, 1);
    assert_int_equal(times(&h, "flat"), 1);
    assert_true(
        ask(&s, "run", "SELECT value FROM alarms WHERE sentence LIKE '%003.png, 008.png%'") == 2);
    assert_true(ask(&s, "run", "SELECT step FROM alarms") == 0); /* before the first step */
    h.alarms = 0;
    snprintf(folder, sizeof folder, "%s/run", s.folder);
    if (limn_train_begin(&t, NULL, folder, &error)) fail_msg("%s", error.text);
    set(t, "n-epochs", "3");
    run(&h, t);
    assert_int_equal(h.alarms, 0);
    /* The other way round the flat side is what is made. */
    t = tiny(&s, "pix2pix", "back", "1");
    set(t, "norm", "instance");
    set(t, "direction", "BtoA");
    run(&h, t);
    assert_int_equal(h.alarms, 0);
    scratch_close(&s);
}

/* ---- Without pairs --------------------------------------------------------------------------- */

/* Discs, dark on light or light on dark; A and B of different sizes of set. */
static void open_sides(const scratch *s, const char *phase, int of_a, int of_b)
{
    enum { SIZE = 40, AREA = SIZE * SIZE };
    limn_error error = { 0 };
    char path[400];
    uint8_t planes[3 * AREA];

    for (int side = 0; side < 2; side++) {
        snprintf(path, sizeof path, "%s/data/%s%c", s->folder, phase, 'A' + side);
        assert_false(limn_folder_make(path, &error));
        for (int n = 0; n < (side ? of_b : of_a); n++) {
            limn_random random = { .seed = 9, .stream = (uint32_t)side, .step = (uint64_t)n };
            int cx = 10 + (int)limn_random_below(&random, 0, 20);
            int cy = 10 + (int)limn_random_below(&random, 1, 20);
            int size = 30 + (int)limn_random_below(&random, 2, 80);

            for (int i = 0; i < AREA; i++) {
                int x = i % SIZE - cx, y = i / SIZE - cy;
                bool inside = side ? x * x < size && y * y < size : x * x + y * y < size;

                planes[i] = (uint8_t)(inside ? (side ? 240 : 30) : 200);
                planes[AREA + i] = (uint8_t)(inside ? (side ? 140 : 80) : 200);
                planes[2 * AREA + i] = (uint8_t)(inside ? (side ? 20 : 220) : 200);
            }
            snprintf(path, sizeof path, "%s/data/%s%c/%03d.png", s->folder, phase, 'A' + side, n);
            write_png(path, planes, NULL, SIZE, SIZE);
        }
    }
}

/* What `limn score` says of the model is what the training has recorded of its last epoch. */
static void scored_as_trained(const scratch *s)
{
    limn_score_settings settings = limn_score_defaults();
    heard h = { .alarms = 0 };
    limn_error error = { 0 };
    limn_set_score sets;
    char model[400], data[400], command[1400], *line;
    limn_training *t = tiny(s, "cut", "one_way", "1");
    double trained;
    json_t *all, *distance;
    FILE *out;

    set(t, "nce-layers", "0,4");
    set(t, "num-patches", "16");
    run(&h, t);
    trained = ask(s, "one_way", "SELECT value FROM scores WHERE name = 'distance'");
    snprintf(model, sizeof model, "%s/one_way/latest.safetensors", s->folder);
    snprintf(data, sizeof data, "%s/data", s->folder);
    settings.phase = 1;
    settings.preprocess = 0;
    settings.load_size = 36;
    settings.crop_size = 32;
    settings.compute = LIMN_COMPUTE_FP32;
    if (limn_score_sets(&sets, model, data, &settings, NULL, NULL, &error))
        fail_msg("%s", error.text);
    assert_int_equal(sets.outputs, 24);
    assert_int_equal(sets.pictures, 21);
    assert_true(fabs(sets.distance - trained) < 1e-5);
    assert_true(fabs(sets.identity -
                     ask(s, "one_way", "SELECT value FROM scores WHERE name = 'identity'")) < 1e-5);
    assert_true(isnan(sets.cycle) && !sets.are_pairs);
    assert_int_equal(
        (int)sets.means_something,
        (int)ask(s, "one_way", "SELECT value FROM scores WHERE name = 'distance_means_something'"));
    snprintf(command, sizeof command,
             "%s score --json --phase val --preprocess resize_and_crop --load-size 36 --crop-size "
             "32 --compute fp32 %s %s",
             program, model, data);
    assert_non_null(out = popen(command, "r"));
    assert_non_null(line = malloc(4096));
    assert_non_null(fgets(line, 4096, out));
    assert_int_equal(pclose(out), 0);
    assert_non_null(all = json_loads(line, 0, NULL));
    distance = json_object_get(all, "distance");
    assert_true(fabs(json_number_value(json_object_get(distance, "value")) - trained) < 1e-5);
    assert_true(json_is_null(json_object_get(distance, "cycle")));
    json_decref(all);
    free(line);
}

/* The rule, on numbers that are made up: kept is epoch 1 with 0.20 (0.16 to 0.24). */
static void which_is_worth_keeping(void **state)
{
    static const struct {
        double value, half, cycle;
        bool means_something, kept;
    } cases[] = {
        { 0.10, 0.04, 0.90, true, true },  /* clearly less far, whatever the cycle error */
        { 0.18, 0.04, 0.21, true, true },  /* less, perhaps by chance, and as good at the rest */
        { 0.18, 0.04, 0.30, true, false }, /* and worse at the rest */
        { 0.18, 0.40, 0.30, false, true }, /* all is chance: the smaller one */
    };
    static const char *const names[] = { "distance", "distance_low", "distance_high", "cycle" };
    static const double first[] = { 0.20, 0.16, 0.24, 0.20 }, second[] = { 0.30, 0.235, 0.35, 1 };
    scratch s;
    limn_error error = { 0 };
    static limn_training t;
    char text[600];

    (void)state;
    scratch_open(&s);
    assert_false(limn_history_open(&t.history, scratch_path(&s, "history.sqlite"), &error));
    for (int i = 0; i < 4; i++) {
        assert_false(limn_history_score(t.history, 1, "val", names[i], first[i], &error));
        assert_false(limn_history_score(t.history, 2, "val", names[i], second[i], &error));
    }
    assert_false(limn_history_fact(t.history, "distance.untranslated", "0.5000", &error));
    t.state.best_epoch = 1;
    t.state.best_score = 0.2;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        limn_unpaired_scores scores = limn_unpaired_none();
        bool best = true;

        scores.distance = (limn_distance){ cases[i].value, cases[i].value - cases[i].half,
                                           cases[i].value + cases[i].half, 40, 40 };
        scores.cycle = cases[i].cycle;
        scores.means_something = cases[i].means_something;
        assert_false(limn_train_worth_it(&t, &scores, &best, &error));
        if (best != cases[i].kept) fail_msg("case %zu", i);
    }
    assert_false(limn_train_tell_kept(&t, text, sizeof text, &error));
    assert_non_null(strstr(
        text, "epoch 1 with a distance of 0.2000 (0.1600 to 0.2400; doing nothing has 0.5000)"));
    assert_non_null(strstr(text, "may be chance")); /* epoch 2 begins at 0.235 */
    assert_false(limn_history_score(t.history, 2, "val", "distance_low", 0.25, &error));
    assert_false(limn_train_tell_kept(&t, text, sizeof text, &error));
    assert_null(strstr(text, "may be chance"));
    limn_history_close(&t.history);
    scratch_close(&s);
}

static void what_is_kept_without_pairs(void **state)
{
    scratch s;
    heard h = { .alarms = 0 };
    limn_error error = { 0 };
    limn_training *t;
    char path[400];

    (void)state;
    scratch_open(&s);
    open_sides(&s, "train", 26, 24);
    open_sides(&s, "val", 24, 21);
    run(&h, tiny(&s, "cycle_gan", "cycle", "2"));
    assert_int_equal((int)ask(&s, "cycle", "SELECT count(*) FROM scores WHERE part = 'val'"), 12);
    assert_true(ask(&s, "cycle",
                    "SELECT a.value < b.value AND b.value < c.value FROM scores a JOIN scores b "
                    "USING (epoch) JOIN scores c USING (epoch) WHERE a.name = 'distance_low' AND "
                    "b.name = 'distance' AND c.name = 'distance_high' AND epoch = 2") == 1);
    /* The best epoch is that of the smaller mean. */
    assert_true(ask(&s, "cycle",
                    "SELECT best FROM epochs JOIN scores USING (epoch) WHERE name = 'distance' "
                    "ORDER BY value LIMIT 1") == 1);
    assert_true(ask(&s, "cycle", "SELECT max(value) < 2 FROM scores WHERE name = 'cycle'") == 1);
    assert_int_equal(
        (int)ask(
            &s, "cycle",
            "SELECT count(*) FROM run WHERE key = 'distance.pictures' AND value = '21 and 21'"),
        1);
    snprintf(path, sizeof path, "%s/cycle/best.safetensors", s.folder);
    assert_int_equal(access(path, R_OK), 0);
    /* Resumed, the distance of what there is does not change: kept is the same epoch. */
    snprintf(path, sizeof path, "%s/cycle", s.folder);
    if (limn_train_begin(&t, NULL, path, &error)) fail_msg("%s", error.text);
    set(t, "n-epochs", "3");
    run(&h, t);
    assert_int_equal((int)ask(&s, "cycle", "SELECT count(*) FROM scores WHERE part = 'val'"), 18);
    assert_int_equal(h.alarms, 0);
    expect_in_page(&s, "cycle", "not comparable with published KID", true);
    scored_as_trained(&s);
    scratch_close(&s);

    /* Too few: it is said, in the log and in the page; with cut there is no cycle. */
    scratch_open(&s);
    open_sides(&s, "train", 12, 9);
    t = tiny(&s, "cut", "cut", "1");
    set(t, "nce-layers", "0,4");
    set(t, "num-patches", "16");
    run(&h, t);
    assert_int_equal((int)ask(&s, "cut", "SELECT count(*) FROM scores WHERE name = 'cycle'"), 0);
    assert_int_equal((int)ask(&s, "cut", "SELECT count(*) FROM scores WHERE name = 'identity'"), 1);
    assert_true(ask(&s, "cut",
                    "SELECT count(*) FROM events WHERE kind = 'distance' AND sentence LIKE "
                    "'too few pictures%12 outputs and 9 pictures it learns from%'") == 1);
    expect_in_page(&s, "cut", "too few pictures for the distance to mean anything", true);
    scratch_close(&s);
}

/* The same training of cut twice: once its outlines are moved, and it may not learn to move them
 * back. */
static void outlines_kept_and_moved(void **state)
{
    scratch s;
    heard well = { .alarms = 0 }, moved = { .from = 1, .change = move_away };

    (void)state;
    scratch_open(&s);
    open_sides(&s, "train", 100, 60);
    open_sides(&s, "val", 6, 6);
    for (int i = 0; i < 2; i++) {
        limn_training *t = tiny(&s, "cut", i ? "moved" : "well", "8"); /* 800 steps */

        set(t, "nce-layers", "0,4,8");
        set(t, "num-patches", "64");
        set(t, "lambda-NCE", "4");
        set(t, "ngf", "8");
        set(t, "lr", i ? "1e-8" : "0.0005");
        set(t, "init-gain", i ? "1" : "0.02");
        set(t, "load-size", "32");
        run(i ? &moved : &well, t);
    }
    assert_int_equal(well.alarms, 0);
    assert_true(ask(&s, "well",
                    "SELECT min(value) > 0.5 FROM looks WHERE name = 'edges_output' AND epoch > "
                    "4") == 1);
    assert_int_equal(times(&moved, "outline"), 1);
    assert_int_equal((int)ask(&s, "moved", "SELECT step FROM alarms WHERE kind = 'outline'"), 800);
    expect_in_page(&s, "moved", "does not keep outlines", true);
    scratch_close(&s);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_one_colour),
        cmocka_unit_test(which_is_worth_keeping),
        cmocka_unit_test(what_is_kept_without_pairs),
        cmocka_unit_test(turned),
        cmocka_unit_test(outlines_kept_and_moved),
        cmocka_unit_test(well_and_collapsed),
    };

    if (count < 3) {
        fprintf(stderr, "usage: test_health_train ROOT PROGRAM\n");
        return 2;
    }
    program = arguments[2];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
