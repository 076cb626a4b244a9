/* SPDX-License-Identifier: Apache-2.0
 *
 * Training as people depend on it: a run that is killed and resumed ends in the same bytes as one
 * that was not, a full disk leaves the last checkpoint whole, a loss that is no number is survived
 * once, the history holds what happened, the schedule is the one that was asked for.
 *
 * Networks are tiny; what is tried here does not depend on their size. */
#include "model/model.h"
#include "train/train_inside.h"
#include "train_runs.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>

#include <cmocka.h>

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
    /* The best is the smallest validation L1 there was, and no later one. */
    for (int round = 0; round < 2; round++) {
        const char *run = round ? f.b : f.a;
        int best = (int)ask(run, "SELECT max(epoch) FROM epochs WHERE best");

        assert_int_equal(best, (int)ask(run, "SELECT epoch FROM scores WHERE part = 'val' AND name "
                                             "= 'l1' ORDER BY value, epoch LIMIT 1"));
        assert_int_equal((int)ask(run, "SELECT best FROM epochs WHERE epoch = 1"), 1);
        assert_true(round ? best < 12 : best > 6);
    }
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
    /* Smaller is better: a score that falls is left alone, one that rises is not. */
    at = (limn_train_state){ .rate_factor = 1, .plateau_best = NAN };
    for (int i = 0; i < 12; i++) assert_false(limn_learning_rate_after(&s, &at, 0.5 * pow(0.9, i)));
    for (int i = 0; i < 5; i++) assert_false(limn_learning_rate_after(&s, &at, 0.6));
    assert_true(limn_learning_rate_after(&s, &at, 0.6));
    assert_false(limn_learning_rate_after(&s, &at, NAN));
}

/* ---- First values ---------------------------------------------------------------------------- */

/* --init-type orthogonal: W W^T = gain^2 I, or W^T W for a matrix taller than wide; norms as ever.
 */
static void test_orthogonal(void **state)
{
    limn_train_settings s = limn_train_defaults(limn_recipe_find("pix2pix"));
    limn_error error = { 0 };
    limn_trainer t;
    int wide = 0, tall = 0;

    (void)state;
    s.netG = "unet_32";
    s.ngf = s.ndf = 4;
    s.preparation.crop_size = 32;
    s.init_type = LIMN_INIT_ORTHOGONAL;
    s.init_gain = 0.5;
    if (limn_trainer_open(&t, limn_recipe_find("pix2pix"), &s, &error)) fail_msg("%s", error.text);
    for (int i = 0; i < limn_weights_count(t.weights); i++) {
        const limn_parameter_info *info = limn_weights_at(t.weights, i);
        size_t n = (size_t)info->shape.n, m = limn_count(info->shape) / n;
        size_t rows = n <= m ? n : m, length = n <= m ? m : n;
        float *w;

        if (info->kind != LIMN_PARAMETER_WEIGHT) continue;
        assert_non_null(w = limn_block(n * m * sizeof *w));
        assert_false(limn_weights_get(t.weights, i, w, &error));
        n <= m ? wide++ : tall++;
        for (size_t a = 0; a < rows; a++)
            for (size_t b = 0; b <= a; b++) {
                double sum = 0;

                for (size_t k = 0; k < length; k++)
                    sum += n <= m ? (double)w[a * m + k] * (double)w[b * m + k]
                                  : (double)w[k * m + a] * (double)w[k * m + b];
                if (fabs(sum - (a == b ? 0.25 : 0)) > 1e-5)
                    fail_msg("%s: rows %zu and %zu give %g", info->name, a, b, sum);
            }
        limn_block_free(w);
    }
    assert_true(wide > 5);
    (void)tall; /* convolutions are rarely so */
    limn_trainer_close(&t);
}

/* ---- Settings that old scripts use ----------------------------------------------------------- */

static void test_old_settings(void **state)
{
    folders f;
    limn_error error = { 0 };
    limn_training *t;
    char path[400];

    (void)state;
    open_folders(&f);
    t = tiny(f.data, f.a);
    set(t, "save_epoch_freq", "2");
    set(t, "save_latest_freq", "7");
    set(t, "epoch_count", "3");
    set(t, "html", "false");
    if (limn_train_run(t, NULL, &error)) fail_msg("%s", error.text);
    limn_train_end(&t);
    for (int epoch = 1; epoch <= 6; epoch++) {
        snprintf(path, sizeof path, "%s/epoch_%04d.safetensors", f.a, epoch);
        assert_int_equal(access(path, F_OK), epoch == 4 || epoch == 6 ? 0 : -1);
    }
    expect_same_files(f.a, f.a, "latest.safetensors");
    snprintf(path, sizeof path, "%s/index.html", f.a);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal((int)ask(f.a, "SELECT min(epoch) FROM steps"), 3); /* the schedule's third */
    assert_int_equal((int)ask(f.a, "SELECT count(*) FROM steps"), 40);
    assert_true(ask(f.a, "SELECT lr FROM steps WHERE step = 11") == 2e-4 * 0.75);
    scratch_close(&f.s);
}

/* ---- The command line ------------------------------------------------------------------------ */

static void test_command_line(void **state)
{
    static const char *const rows[][2] = {
        { "--ngff 4", "did you mean --ngf?" },         { "--lr 3", "it must be 1e-09 to 1" },
        { "--loadSize 0", "--load-size is 0" }, /* an older spelling */
        { "--which_direction AtoC", "AtoB|BtoA" },     { "--resume /nowhere", "/nowhere" },
        { "", "say which pictures: limn train DATA" },
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
        cmocka_unit_test(test_orthogonal),
        cmocka_unit_test(test_old_settings),
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
