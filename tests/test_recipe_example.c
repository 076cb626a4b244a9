/* SPDX-License-Identifier: Apache-2.0
 *
 * The recipe of docs/recipes.md, compiled from that page and put into the list, trains from the
 * first call to the model file: a recipe touches its file and the list, and nothing else. */
#include "model/model.h"
#include "recipe/recipe.h"
#include "train_data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void set(limn_training *t, const char *name, const char *value)
{
    limn_error error = { 0 };

    if (limn_setting_set(limn_train_rows(), limn_train_fields(t), name, value, &error))
        fail_msg("%s", error.text);
}

typedef struct heard {
    double first[2], last[2]; /* sums of ten steps: G_L1, G_detail */
    int steps, losses;
} heard;

static void on_step(void *context, const limn_train_step *step)
{
    heard *h = context;

    h->losses = step->losses;
    for (int i = 0; i < 2 && i < step->losses; i++) {
        assert_string_equal(step->loss_names[i], i ? "G_detail" : "G_L1");
        if (step->step <= 10) h->first[i] += step->loss_values[i];
        if (step->step > 110) h->last[i] += step->loss_values[i];
    }
    h->steps++;
}

static void trains_from_the_page(void **state)
{
    limn_error error = { 0 };
    limn_training *t;
    limn_model *model;
    const limn_model_card *card;
    heard h = { .steps = 0 };
    limn_train_watch watch = { .context = &h, .step = on_step };
    char data[400], out[400], path[500], sentence[40];
    scratch s;

    (void)state;
    scratch_open(&s);
    snprintf(data, sizeof data, "%s/data", s.folder);
    snprintf(out, sizeof out, "%s/run", s.folder);
    make_pairs(data, "train", 12, 32, false);
    if (limn_train_begin(&t, "laplacian", NULL, &error)) fail_msg("%s", error.text);
    limn_setting_get(limn_setting_find(limn_train_rows(), "lambda-detail"), limn_train_fields(t),
                     sentence, sizeof sentence);
    assert_string_equal(sentence, "4");
    set(t, "dataroot", data);
    set(t, "out", out);
    set(t, "netG", "resnet_1blocks");
    set(t, "ngf", "8");
    set(t, "load-size", "32");
    set(t, "crop-size", "32");
    set(t, "lr", "0.003");
    set(t, "n-epochs", "10");
    set(t, "n-epochs-decay", "0");
    set(t, "lambda-detail", "3");
    if (limn_train_run(t, &watch, &error)) fail_msg("%s", error.text);
    limn_train_end(&t);
    assert_int_equal(h.steps, 120);
    assert_int_equal(h.losses, 2);
    if (!(h.last[0] < 0.5 * h.first[0] && h.last[1] < 0.8 * h.first[1]))
        fail_msg("L1 %.3f became %.3f, detail %.3f became %.3f", h.first[0] / 10, h.last[0] / 10,
                 h.first[1] / 10, h.last[1] / 10);

    /* What it is and what it was told stand in the model file, and it goes on. */
    snprintf(path, sizeof path, "%s/latest.safetensors", out);
    if (limn_model_open(&model, path, &error)) fail_msg("%s", error.text);
    card = limn_model_about(model);
    assert_string_equal(card->recipe, "laplacian");
    assert_string_equal(limn_model_text(card->settings, card->setting_count, "lambda-detail"), "3");
    limn_model_close(&model);
    if (limn_train_begin(&t, NULL, out, &error)) fail_msg("%s", error.text);
    set(t, "n-epochs", "11");
    if (limn_train_run(t, &watch, &error)) fail_msg("%s", error.text);
    limn_train_end(&t);
    assert_int_equal(h.steps, 132);
    scratch_close(&s);
}

static void others_know_nothing_of_it(void **state)
{
    limn_error error = { 0 };
    limn_training *t;
    scratch s;

    (void)state;
    scratch_open(&s);
    make_pairs(s.folder, "train", 2, 32, false);
    assert_false(limn_train_begin(&t, "pix2pix", NULL, &error));
    set(t, "dataroot", s.folder);
    set(t, "out", scratch_path(&s, "run"));
    set(t, "lambda-detail", "9");
    assert_int_equal(limn_train_run(t, NULL, &error), LIMN_SETTING);
    assert_non_null(strstr(error.text, "--lambda-detail is a setting of laplacian"));
    limn_train_end(&t);
    scratch_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trains_from_the_page),
        cmocka_unit_test(others_know_nothing_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
