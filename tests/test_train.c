/* SPDX-License-Identifier: Apache-2.0
 *
 * Training as people depend on it: a run that is killed and resumed ends in the same bytes as one
 * that was not, a full disk leaves the last checkpoint whole, a loss that is no number is survived
 * once, the history holds what happened, the schedule is the one that was asked for.
 *
 * Networks are tiny; what is tried here does not depend on their size. */
#include "model/model.h"
#include "train/train_inside.h"
#include "train_data.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>

#include <cmocka.h>

static const char *program;

static void set(limn_training *t, const char *name, const char *value)
{
    limn_error error = { 0 };

    if (limn_setting_set(limn_train_rows(), limn_train_fields(t), name, value, &error))
        fail_msg("%s", error.text);
}

/* A tiny pix2pix on s->folder/data, of which nothing but the folder of the run is open. */
static limn_training *tiny(const char *data, const char *out)
{
    static const char *const settings[][2] = {
        { "netG", "unet_32" },
        { "ngf", "4" },
        { "ndf", "4" },
        { "crop-size", "32" },
        { "load-size", "36" },
        { "n-epochs", "3" },
        { "compute", "fp32" },
        { "n-epochs-decay", "3" },
        { "num-threads", "1" },
        { "val-pictures", "4" },
        { "sheet-pictures", "2" },
        { "netD", "n_layers" },
        { "n-layers-D", "2" },
    };
    limn_error error = { 0 };
    limn_training *t;

    if (limn_train_begin(&t, "pix2pix", NULL, &error)) fail_msg("%s", error.text);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        set(t, settings[i][0], settings[i][1]);
    set(t, "dataroot", data);
    set(t, "out", out);
    return t;
}

typedef struct folders {
    scratch s;
    char data[300], a[300], b[300];
} folders;

static void open_folders(folders *f)
{
    scratch_open(&f->s);
    snprintf(f->data, sizeof f->data, "%s/data", f->s.folder);
    snprintf(f->a, sizeof f->a, "%s/a", f->s.folder);
    snprintf(f->b, sizeof f->b, "%s/b", f->s.folder);
    make_pairs(f->data, "train", 10, 40, false);
    make_pairs(f->data, "val", 4, 40, false);
}

static void expect_same_files(const char *a, const char *b, const char *name)
{
    char path[400];
    size_t count_a, count_b;
    char *bytes_a, *bytes_b;

    snprintf(path, sizeof path, "%s/%s", a, name);
    assert_non_null(bytes_a = scratch_read(path, &count_a));
    snprintf(path, sizeof path, "%s/%s", b, name);
    assert_non_null(bytes_b = scratch_read(path, &count_b));
    assert_int_equal(count_a, count_b);
    assert_memory_equal(bytes_a, bytes_b, count_a);
    free(bytes_a);
    free(bytes_b);
}

/* The first column of the first row, as a number. */
static double ask(const char *folder, const char *query)
{
    sqlite3 *base;
    sqlite3_stmt *s;
    char path[400];
    double value;

    snprintf(path, sizeof path, "%s/history.sqlite", folder);
    assert_int_equal(sqlite3_open(path, &base), SQLITE_OK);
    if (sqlite3_prepare_v2(base, query, -1, &s, NULL) != SQLITE_OK)
        fail_msg("%s: %s", query, sqlite3_errmsg(base));
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    value = sqlite3_column_double(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(base);
    return value;
}

/* ---- Killed and resumed ---------------------------------------------------------------------- */

typedef struct stopper {
    uint64_t at;
    limn_training *training;
} stopper;

static void stop_at(void *context, const limn_train_step *step)
{
    const stopper *k = context;

    if (step->step == k->at) limn_train_stop(k->training);
}

/* Trains by the program and kills it after that many steps (0: not).  The exit code, or the signal
 * below zero. */
static int train_apart(const folders *f, const char *out, bool resume, const char *ema, int at)
{
    static const char fresh[] =
        "exec %s train %s --out %s --netG unet_32 --ngf 4 --ndf 4 --crop-size 32 --load-size 36 "
        "--n-epochs 3 --n-epochs-decay 3 --compute fp32 --num-threads 1 --val-pictures 4 "
        "--sheet-pictures 2 --netD n_layers --n-layers-D 2 --save-minutes 0.01 --ema %s --json";
    char command[2000], text[4096];
    json_t *line;
    FILE *in;
    int ends[2], how;
    pid_t child;

    if (resume)
        snprintf(command, sizeof command, "exec %s train --resume %s --json", program, out);
    else
        snprintf(command, sizeof command, fresh, program, f->data, out, ema);
    assert_int_equal(pipe(ends), 0);
    if (!(child = fork())) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    assert_non_null(in = fdopen(ends[0], "r"));
    while (fgets(text, sizeof text, in)) {
        assert_non_null(line = json_loads(text, 0, NULL));
        if (at && json_integer_value(json_object_get(line, "step")) == at) kill(child, SIGKILL);
        json_decref(line);
    }
    fclose(in);
    assert_int_equal(waitpid(child, &how, 0), child);
    return WIFSIGNALED(how) ? -WTERMSIG(how) : WEXITSTATUS(how);
}

static void killed_and_resumed(const char *ema)
{
    folders f;
    char query[80];

    open_folders(&f);
    assert_int_equal(train_apart(&f, f.a, false, ema, 0), 0);
    assert_int_equal(train_apart(&f, f.b, false, ema, 36), -SIGKILL); /* in the fourth epoch */
    assert_int_equal((int)ask(f.b, "SELECT max(epoch) FROM epochs"), 3);
    assert_int_equal(train_apart(&f, f.b, true, ema, 0), 0);
    expect_same_files(f.a, f.b, "latest.safetensors");
    expect_same_files(f.a, f.b, "best.safetensors");
    /* The whole history is that of an uninterrupted run. */
    for (int step = 1; step <= 60; step += 7) {
        snprintf(query, sizeof query, "SELECT sum(value) FROM losses WHERE step = %d", step);
        assert_true(ask(f.a, query) == ask(f.b, query));
    }
    assert_int_equal((int)ask(f.b, "SELECT count(*) FROM steps"), 60);
    assert_int_equal((int)ask(f.b, "SELECT count(*) FROM epochs"), 6);
    assert_int_equal((int)ask(f.b, "SELECT count(*) FROM events WHERE kind = 'resumed'"), 1);
    scratch_close(&f.s);
}

static void test_killed_and_resumed(void **state)
{
    (void)state;
    killed_and_resumed("0");
}

static void test_killed_and_resumed_with_average(void **state)
{
    (void)state;
    killed_and_resumed("0.9");
}

static void test_stopped_on_request(void **state)
{
    folders f;
    limn_error error = { 0 };
    stopper k = { .at = 13 };
    limn_train_watch watch = { .context = &k, .step = stop_at };
    limn_training *t;

    (void)state;
    open_folders(&f);
    k.training = t = tiny(f.data, f.a);
    assert_int_equal(limn_train_run(t, &watch, &error), LIMN_STOPPED);
    assert_non_null(strstr(error.text, "step 13"));
    assert_non_null(strstr(error.text, "--resume"));
    limn_train_end(&t);
    assert_int_equal((int)ask(f.a, "SELECT max(step) FROM steps"), 13);
    k.at = 14; /* going on begins with step 14, and nothing is done twice */
    assert_false(limn_train_begin(&t, NULL, f.a, &error));
    k.training = t;
    assert_int_equal(limn_train_run(t, &watch, &error), LIMN_STOPPED);
    limn_train_end(&t);
    assert_int_equal((int)ask(f.a, "SELECT count(*) FROM steps"), 14);
    scratch_close(&f.s);
}

/* ---- What may not be ------------------------------------------------------------------------- */

static void expect_refusal(limn_training *t, limn_status status, const char *word)
{
    limn_error error = { 0 };

    assert_int_equal(limn_train_run(t, NULL, &error), status);
    if (!strstr(error.text, word)) fail_msg("\"%s\" does not say %s", error.text, word);
    limn_train_end(&t);
}

static void test_refusals(void **state)
{
    folders f;
    limn_error error = { 0 };
    limn_training *t;

    (void)state;
    open_folders(&f);
    assert_int_equal(limn_train_begin(&t, "pixpix", NULL, &error), LIMN_SETTING);
    assert_non_null(strstr(error.text, "pix2pix"));
    assert_null(t);
    assert_int_equal(limn_train_begin(&t, NULL, f.b, &error), LIMN_IO); /* nothing to resume */
    t = tiny(f.data, f.a);
    set(t, "crop-size", "33");
    expect_refusal(t, LIMN_SETTING, "multiples of 32");
    t = tiny(f.data, f.a);
    set(t, "netG", "basic");
    expect_refusal(t, LIMN_SETTING, "--netG");
    t = tiny("/nowhere/at/all", f.a);
    expect_refusal(t, LIMN_IO, "/nowhere/at/all");
    t = tiny(f.data, f.a);
    set(t, "init", f.data);
    expect_refusal(t, LIMN_IO, "--init");
    t = tiny(f.data, f.a);
    set(t, "n-epochs", "1");
    set(t, "n-epochs-decay", "0");
    assert_false(limn_train_run(t, NULL, &error));
    limn_train_end(&t);
    expect_refusal(tiny(f.data, f.a), LIMN_SETTING, "--resume");
    assert_false(limn_train_begin(&t, NULL, f.a, &error));
    set(t, "ngf", "5");
    expect_refusal(t, LIMN_SETTING, "--ngf is 4");
    scratch_close(&f.s);
}

/* ---- A full disk ----------------------------------------------------------------------------- */

static void test_full_disk(void **state)
{
    folders f;
    limn_error error = { 0 };
    limn_training *t;
    int failed = 0;

    (void)state;
    open_folders(&f);
    t = tiny(f.data, f.a);
    set(t, "n-epochs", "1");
    set(t, "n-epochs-decay", "0");
    assert_false(limn_train_run(t, NULL, &error));
    limn_train_end(&t);
    /* One more epoch, in which the nth operation of the disk fails: whichever it is, the checkpoint
     * that is there afterwards can be gone on from. */
    for (long n = 0; n < 60; n += 7) {
        limn_status status;

        assert_false(limn_train_begin(&t, NULL, f.a, &error));
        set(t, "n-epochs", "400"); /* the folder holds a few epochs more each time */
        set(t, "minutes", "0.001");
        set(t, "save-minutes", "0.01");
        limn_file_fail_after(n);
        status = limn_train_run(t, NULL, &error);
        limn_file_fail_after(-1);
        if (status) {
            failed++;
            if (status != LIMN_IO) fail_msg("%d: %s", status, error.text);
        }
        limn_train_end(&t);
    }
    assert_true(failed > 0);
    assert_false(limn_train_begin(&t, NULL, f.a, &error));
    set(t, "n-epochs", "400");
    set(t, "minutes", "0.001");
    if (limn_train_run(t, NULL, &error)) fail_msg("%s", error.text);
    limn_train_end(&t);
    scratch_close(&f.s);
}

/* ---- A loss that is no number ---------------------------------------------------------------- */

typedef struct poison {
    limn_training *t;
    uint64_t at, again; /* steps after which a weight becomes NaN */
} poison;

static void spoil(void *context, const limn_train_step *step)
{
    poison *p = context;
    float values[8192];
    int index = limn_weights_find(p->t->trainer.weights, "G.model.model.0.weight");

    if (step->step != p->at && step->step != p->again) return;
    if (step->step == p->at) p->at = 0;
    assert_true(limn_count(limn_weights_at(p->t->trainer.weights, index)->shape) <= 8192);
    assert_false(limn_weights_get(p->t->trainer.weights, index, values, NULL));
    values[0] = NAN;
    assert_false(limn_weights_set(p->t->trainer.weights, index, values, NULL));
}

static void test_not_finite(void **state)
{
    folders f;
    limn_error error = { 0 };
    poison p = { .at = 15 };
    limn_train_watch watch = { .context = &p, .step = spoil };

    (void)state;
    open_folders(&f);
    p.t = tiny(f.data, f.a);
    if (limn_train_run(p.t, &watch, &error)) fail_msg("%s", error.text);
    limn_train_end(&p.t);
    assert_int_equal((int)ask(f.a, "SELECT count(*) FROM events WHERE kind = 'halved'"), 1);
    assert_int_equal((int)ask(f.a, "SELECT count(*) FROM alarms WHERE kind = 'not_finite' AND "
                                   "step = 16 AND value IS NULL"),
                     1);
    assert_int_equal((int)ask(f.a, "SELECT count(*) FROM alarms"), 1);
    assert_int_equal((int)ask(f.a, "SELECT count(*) FROM steps"), 60);
    assert_true(ask(f.a, "SELECT lr FROM steps WHERE step = 10") == 2e-4);
    assert_true(ask(f.a, "SELECT lr FROM steps WHERE step = 11") == 1e-4);
    assert_int_equal((int)ask(f.a, "SELECT count(*) FROM losses WHERE value IS NULL"), 0);

    p = (poison){ .t = tiny(f.data, f.b), .at = 15, .again = 17 };
    assert_int_equal(limn_train_run(p.t, &watch, &error), LIMN_SETTING);
    assert_non_null(strstr(error.text, "second time"));
    assert_non_null(strstr(error.text, "--lr"));
    limn_train_end(&p.t);
    assert_false(limn_train_begin(&p.t, NULL, f.b, &error)); /* its checkpoint is good */
    limn_train_end(&p.t);
    scratch_close(&f.s);
}

/* ---- What is left behind --------------------------------------------------------------------- */

typedef struct seen {
    int epochs, best;
    double last_l1, first_l1;
} seen;

static void see_epoch(void *context, const limn_train_epoch *e)
{
    seen *s = context;

    s->epochs++;
    s->best += e->best;
    s->last_l1 = e->l1;
    if (s->epochs == 1) s->first_l1 = e->l1;
    assert_non_null(e->sheet);
    assert_int_equal(access(e->sheet, R_OK), 0);
    assert_true(e->psnr > 0 && e->ssim > -1 && e->ssim < 1 && e->train_l1 > 0);
}

static void test_leaves(void **state)
{
    folders f;
    limn_error error = { 0 };
    seen s = { 0 };
    limn_train_watch watch = { .context = &s, .epoch = see_epoch };
    limn_model *model;
    const limn_model_card *card;
    limn_training *t;
    char path[400];
    size_t count;
    char *page;

    (void)state;
    open_folders(&f);
    t = tiny(f.data, f.a);
    set(t, "lr", "0.002");
    if (limn_train_run(t, &watch, &error)) fail_msg("%s", error.text);
    limn_train_end(&t);
    assert_int_equal(s.epochs, 6);
    assert_true(s.best >= 1);
    assert_true(s.last_l1 < s.first_l1); /* it learns */

    snprintf(path, sizeof path, "%s/best.safetensors", f.a);
    if (limn_model_open(&model, path, &error)) fail_msg("%s", error.text);
    card = limn_model_about(model);
    assert_false(card->checkpoint);
    assert_string_equal(card->recipe, "pix2pix");
    assert_string_equal(card->networks[0].network.net, "unet_32");
    assert_string_equal(limn_model_text(card->settings, card->setting_count, "lr"), "0.002");
    assert_null(limn_model_text(card->settings, card->setting_count, "dataroot"));
    assert_non_null(limn_model_text(card->record, card->record_count, "score.l1"));
    limn_model_close(&model);

    assert_int_equal((int)ask(f.a, "SELECT count(*) FROM samples"), 6);
    assert_int_equal((int)ask(f.a, "SELECT count(*) FROM scores WHERE part = 'val'"), 24);
    assert_int_equal((int)ask(f.a, "SELECT value = '0.002' FROM settings WHERE name = 'lr'"), 1);
    assert_int_equal((int)ask(f.a, "SELECT count(DISTINCT name) FROM losses"), 4);
    snprintf(path, sizeof path, "%s/index.html", f.a);
    assert_non_null(page = scratch_read(path, &count));
    assert_non_null(strstr(page, "sheets/epoch_0006.jpg"));
    assert_non_null(strstr(page, "G_L1"));
    assert_non_null(strstr(page, "</html>"));
    assert_null(strstr(page, "http")); /* nothing from elsewhere */
    assert_null(strstr(page, "nan"));
    free(page);
    scratch_close(&f.s);
}

/* Without pairs: two generators, no scores, the pool in the checkpoint. */
static void test_unpaired(void **state)
{
    folders f;
    limn_error error = { 0 };
    limn_training *t;
    limn_model *model;
    char path[400], command[900];

    (void)state;
    open_folders(&f);
    snprintf(command, sizeof command,
             "cd %s && cp -r train trainA && mv train trainB && cp -r val "
             "valA && mv val valB",
             f.data);
    assert_int_equal(system(command), 0);
    for (int round = 0; round < 2; round++) {
        if (limn_train_begin(&t, round ? "cut" : "cycle_gan", NULL, &error))
            fail_msg("%s", error.text);
        set(t, "dataroot", f.data);
        set(t, "out", round ? f.b : f.a);
        set(t, "netG", "resnet_4blocks");
        set(t, "ngf", "4");
        set(t, "ndf", "4");
        set(t, "crop-size", "32");
        set(t, "load-size", "36");
        set(t, "n-epochs", "2");
        set(t, "n-epochs-decay", "0");
        if (round) {
            set(t, "nce-layers", "0,4,8");
            set(t, "num-patches", "16");
        } else {
            set(t, "pool-size", "3");
        }
        if (limn_train_run(t, NULL, &error)) fail_msg("%s", error.text);
        limn_train_end(&t);
        snprintf(path, sizeof path, "%s/latest.safetensors", round ? f.b : f.a);
        if (limn_model_open(&model, path, &error)) fail_msg("%s", error.text);
        assert_int_equal(limn_model_about(model)->network_count, round ? 1 : 2);
        limn_model_close(&model);
    }
    snprintf(path, sizeof path, "%s/checkpoint.safetensors", f.a);
    if (limn_model_open(&model, path, &error)) fail_msg("%s", error.text);
    assert_non_null(limn_model_find(model, "pool", "fake_B"));
    limn_model_close(&model);
    assert_int_equal((int)ask(f.a, "SELECT count(*) FROM samples"), 2);
    assert_false(limn_train_begin(&t, NULL, f.a, &error));
    set(t, "n-epochs", "3");
    if (limn_train_run(t, NULL, &error)) fail_msg("%s", error.text);
    limn_train_end(&t);
    scratch_close(&f.s);
}

/* Validation pictures that contradict what is learned: the gap opens, and is called by its name;
 * where they agree, nothing is said. */
static void test_overfitting(void **state)
{
    static const char said[] = "SELECT count(*) FROM events WHERE kind = 'overfitting'";
    folders f;
    limn_error error = { 0 };

    (void)state;
    open_folders(&f);
    for (int round = 0; round < 2; round++) {
        limn_training *t = tiny(f.data, round ? f.b : f.a);

        if (round) make_pairs(f.data, "val", 4, 40, true);
        set(t, "lr", "0.002");
        set(t, "n-epochs", "12");
        set(t, "n-epochs-decay", "0");
        set(t, "sheet-pictures", "0");
        if (limn_train_run(t, NULL, &error)) fail_msg("%s", error.text);
        limn_train_end(&t);
    }
    assert_int_equal((int)ask(f.a, said), 0);
    assert_true(ask(f.b, said) >= 1);
    scratch_close(&f.s);
}

/* ---- The schedule ---------------------------------------------------------------------------- */

static void test_schedule(void **state)
{
    limn_train_settings s = limn_train_defaults(limn_recipe_find("pix2pix"));
    limn_train_state at = { .rate_factor = 1, .plateau_best = NAN };

    (void)state;
    s.lr = 1;
    s.n_epochs = 2;
    s.n_epochs_decay = 3;
    assert_true(limn_learning_rate(&s, &at, 0) == 1);
    assert_true(limn_learning_rate(&s, &at, 1) == 1);
    assert_true(limn_learning_rate(&s, &at, 2) == 0.75);
    assert_true(limn_learning_rate(&s, &at, 3) == 0.5);
    assert_true(limn_learning_rate(&s, &at, 4) == 0.25);
    s.lr_policy = LIMN_LR_STEP;
    s.lr_decay_iters = 2;
    assert_true(limn_learning_rate(&s, &at, 1) == 1);
    assert_true(fabs(limn_learning_rate(&s, &at, 2) - 0.1) < 1e-12);
    assert_true(fabs(limn_learning_rate(&s, &at, 4) - 0.01) < 1e-12);
    s.lr_policy = LIMN_LR_COSINE;
    s.n_epochs = 4;
    s.n_epochs_decay = 0;
    assert_true(limn_learning_rate(&s, &at, 0) == 1);
    assert_true(fabs(limn_learning_rate(&s, &at, 2) - 0.5) < 1e-12);
    s.lr_policy = LIMN_LR_PLATEAU;
    assert_false(limn_learning_rate_after(&s, &at, 0.5));
    for (int i = 0; i < 5; i++) assert_false(limn_learning_rate_after(&s, &at, 0.499));
    assert_true(limn_learning_rate_after(&s, &at, 0.499));
    assert_true(fabs(limn_learning_rate(&s, &at, 9) - 0.2) < 1e-12);
    assert_false(limn_learning_rate_after(&s, &at, 0.4));
}

/* ---- The command line ------------------------------------------------------------------------ */

static void test_command_line(void **state)
{
    static const char *const rows[][2] = {
        { "--ngff 4", "did you mean --ngf?" },
        { "--lr 3", "it must be 1e-09 to 1" },
        { "--loadSize 0", "--load-size is 0" }, /* an older spelling */
        { "--which_direction AtoC", "AtoB|BtoA" },
        { "--resume /nowhere", "/nowhere" },
        { "", "--dataroot" },
    };
    char command[500], text[2000];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        FILE *out;
        size_t count;

        snprintf(command, sizeof command, "%s train %s 2>&1", program, rows[i][0]);
        assert_non_null(out = popen(command, "r"));
        count = fread(text, 1, sizeof text - 1, out);
        text[count] = 0;
        assert_true(pclose(out) != 0);
        if (!strstr(text, rows[i][1])) fail_msg("%s: %s", rows[i][0], text);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schedule),
        cmocka_unit_test(test_killed_and_resumed),
        cmocka_unit_test(test_killed_and_resumed_with_average),
        cmocka_unit_test(test_stopped_on_request),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_leaves),
        cmocka_unit_test(test_unpaired),
        cmocka_unit_test(test_overfitting),
        cmocka_unit_test(test_command_line),
    };

    if (argc < 3) {
        fprintf(stderr, "usage: test_train ROOT PROGRAM\n");
        return 2;
    }
    program = argv[2];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
