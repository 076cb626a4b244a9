/* SPDX-License-Identifier: Apache-2.0
 *
 * Every way of training leads through the gate: the command line, the library, a resumed run; and
 * what it counted reaches the model.  test_gate.c tries the gate by itself. */
#include "gate_data.h"
#include "model/model.h"
#include "screen/screen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>

#include <cmocka.h>

static const char *program;

static int train(const char *words, char *output, size_t size)
{
    char command[2600], *text;
    size_t count;
    int code;

    snprintf(command, sizeof command, "%s train %s > %s/output 2>&1", program, words, here.folder);
    code = system(command);
    text = scratch_read(path_of("output"), &count);
    snprintf(output, size, "%s", text ? text : "");
    free(text);
    return WIFEXITED(code) ? WEXITSTATUS(code) : -1;
}

static const char tiny_words[] = "--netG unet_32 --ngf 4 --ndf 4 --netD n_layers --n-layers-D 1 "
                                 "--crop-size 32 --load-size 32 --num-threads 1 --compute fp32 "
                                 "--n-epochs-decay 0 --val-pictures 0 --sheet-pictures 1";

static void from_the_command_line(void **state)
{
    char words[2000], output[4000];

    (void)state;
    make_folder(path_of("line/train"));
    put_refused("line/train", "x.png", 'R');
    put_refused("line/train", "y.png", 'R');
    snprintf(words, sizeof words, "--dataroot %s/line --out %s/line_run %s --n-epochs 1",
             here.folder, here.folder, tiny_words);
    for (int time = 0; time < 2; time++) { /* and a second try is no way round */
        assert_int_equal(train(words, output, sizeof output), 4);
        assert_non_null(strstr(output, "2 of 2 pairs"));
        assert_non_null(strstr(output, "refused by the screen (score 0.76): "));
        assert_non_null(strstr(output, "line/train/y.png"));
        assert_int_equal(access(path_of("line_run/checkpoint.safetensors"), F_OK), -1);
        assert_int_equal(access(path_of("line_run/latest.safetensors"), F_OK), -1);
    }
}

static const char *record_of(const limn_model *model, const char *key)
{
    const limn_model_card *card = limn_model_about(model);
    const char *text = limn_model_text(card->record, card->record_count, key);

    return text ? text : "";
}

/* Trains, goes on, and then finds the folder full of refused pictures. */
static void trained_and_resumed(void **state)
{
    char words[2000], output[4000], name[20];
    limn_model *model;
    limn_error error;

    (void)state;
    put_pairs("whole", 6);
    put_refused("whole/train", "odd.png", 'R');
    snprintf(words, sizeof words, "--dataroot %s/whole --out %s/whole_run %s --n-epochs 1",
             here.folder, here.folder, tiny_words);
    if (train(words, output, sizeof output)) fail_msg("%s", output);
    assert_non_null(strstr(output, "refused by the screen (score 0.76), left out: "));
    assert_non_null(strstr(output, "6 pictures to learn from"));
    if (limn_model_open(&model, path_of("whole_run/latest.safetensors"), &error))
        fail_msg("%s", error.text);
    assert_string_equal(record_of(model, "screener.sha256"), limn_screen_sha256());
    assert_string_equal(record_of(model, "screener.pictures"), "14");
    assert_string_equal(record_of(model, "screener.left_out"), "1");
    limn_model_close(&model);

    snprintf(words, sizeof words, "--resume %s/whole_run --n-epochs 2", here.folder);
    if (train(words, output, sizeof output)) fail_msg("%s", output);
    assert_non_null(strstr(output, "left out: "));
    assert_non_null(strstr(output, "6 pictures to learn from"));

    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "odd%d.png", i);
        put_refused("whole/train", name, 'L');
    }
    snprintf(words, sizeof words, "--resume %s/whole_run --n-epochs 3", here.folder);
    assert_int_equal(train(words, output, sizeof output), 4);
    assert_non_null(strstr(output, "4 of 10 pairs"));
}

/* The library's own door is the same one: limn.h has no other way to train. */
static void from_the_library(void **state)
{
    static const char *const settings[][2] = {
        { "netG", "unet_32" },   { "ngf", "4" },        { "ndf", "4" },
        { "crop-size", "32" },   { "load-size", "32" }, { "derive", "edges" },
        { "num-threads", "0" },  { "n-epochs", "1" },   { "n-epochs-decay", "0" },
        { "val-pictures", "0" }, { "compute", "fp32" },
    };
    limn_training *training;
    limn_error error;

    (void)state;
    make_folder(path_of("library"));
    put_refused("library", "x.png", 'W'); /* plain pictures in the folder itself */
    if (limn_train_begin(&training, "pix2pix", NULL, &error)) fail_msg("%s", error.text);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (limn_setting_set(limn_train_rows(), limn_train_fields(training), settings[i][0],
                             settings[i][1], &error))
            fail_msg("%s", error.text);
    {
        char data[600], out[600];

        snprintf(data, sizeof data, "%s", path_of("library"));
        snprintf(out, sizeof out, "%s", path_of("library_run"));
        limn_setting_set(limn_train_rows(), limn_train_fields(training), "dataroot", data, &error);
        limn_setting_set(limn_train_rows(), limn_train_fields(training), "out", out, &error);
        assert_int_equal(limn_train_run(training, NULL, &error), LIMN_REFUSED_DATA);
        assert_non_null(strstr(error.text, "1 of 1 pictures"));
    }
    limn_train_end(&training);
}

/* Whatever is called as a setting: none is about the screen. */
static void no_setting(void **state)
{
    (void)state;
    for (const limn_setting *row = limn_train_rows(); row->name; row++) {
        assert_null(strstr(row->name, "screen"));
        assert_null(strstr(row->name, "safe"));
        assert_null(strstr(row->name, "refus"));
        assert_null(strstr(row->name, "gate"));
    }
}

static int open_group(void **state)
{
    (void)state;
    scratch_open(&here);
    return 0;
}

static int close_group(void **state)
{
    (void)state;
    scratch_close(&here);
    return 0;
}

int main(int argc, char **argv)
{
    static char folder[600];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_the_command_line),
        cmocka_unit_test(trained_and_resumed),
        cmocka_unit_test(from_the_library),
        cmocka_unit_test(no_setting),
    };

    if (argc < 3) {
        fprintf(stderr, "use: test_gate_train SOURCE PROGRAM\n");
        return 2;
    }
    snprintf(folder, sizeof folder, "%s/tests/screening/", argv[1]);
    screening_folder = folder;
    program = argv[2];
    return cmocka_run_group_tests(tests, open_group, close_group);
}
