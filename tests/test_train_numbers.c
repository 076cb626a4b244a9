/* SPDX-License-Identifier: Apache-2.0
 *
 * The losses that `limn train --json` prints are those that PyTorch recorded: from PNG files on the
 * disk, through folders, loader, recipe and command line.
 *
 * check_numbers holds the networks; this holds everything around them, so it compares losses. Those
 * of CycleGAN at 64x64 are chaotic from the fourth step on: float32's order of sums moves them by a
 * percent (numbers_steps.c measures it), so they are held loosely there and to 1e-3 before.  They
 * hang on every gradient of the steps before in any case. */
#include "train_data.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>

#include <cmocka.h>

static const char *root, *program;
static const double tolerance = 1e-3, chaotic = 3e-2;

/* Appends "--name value" for what was recorded under another form in "args". */
static void add_setting(char *line, size_t size, json_t *args, const char *key)
{
    json_t *value = json_object_get(args, key);
    size_t used = strlen(line);

    if (json_is_string(value))
        snprintf(line + used, size - used, " --%s %s", key, json_string_value(value));
    else if (json_is_number(value))
        snprintf(line + used, size - used, " --%s %.9g", key, json_number_value(value));
}

/* steady: steps that are held to 1e-3; later ones loosely. */
static void compare(const char *name, const char *compute, int steady)
{
    static const char *const keys[] = { "netG",
                                        "ngf",
                                        "netD",
                                        "ndf",
                                        "norm",
                                        "lr",
                                        "gan_mode",
                                        "lambda_A",
                                        "lambda_B",
                                        "beta1",
                                        "lambda_identity",
                                        "lambda_L1",
                                        "batch_size" };
    char recorded[600], command[4000], text[4096];
    limn_error error = { 0 };
    limn_safetensors *file;
    const limn_saved_tensor *losses;
    json_t *args, *names, *model;
    scratch s;
    FILE *out;
    int step = 0, wrong = 0, how;

    scratch_open(&s);
    snprintf(recorded, sizeof recorded, "%s/tests/numbers/steps/%s.safetensors", root, name);
    if (limn_safetensors_open(&file, recorded, &error)) fail_msg("%s", error.text);
    assert_non_null(args = json_loads(limn_safetensors_text(file, "args"), 0, NULL));
    model = json_object_get(args, "model");
    names = json_object_get(args, "losses");
    losses = limn_safetensors_find(file, "losses");
    unpack_recorded(recorded, s.folder, !strcmp(json_string_value(model), "pix2pix"));

    snprintf(command, sizeof command,
             "%s train %s --out %s/run --model %s --init %s --preprocess none --no-flip "
             "--serial-batches --no-dropout --pool-size 0 --n-epochs 1 --n-epochs-decay 0 "
             "--val-pictures 0 --sheet-pictures 0 --compute %s --json",
             program, s.folder, s.folder, json_string_value(model), recorded, compute);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        add_setting(command, sizeof command, args, keys[i]);
    assert_non_null(out = popen(command, "r"));
    while (fgets(text, sizeof text, out)) {
        json_t *line = json_loads(text, 0, NULL);

        assert_non_null(line); /* every line is an object */
        if (json_is_integer(json_object_get(line, "step"))) {
            step++;
            assert_int_equal(json_integer_value(json_object_get(line, "step")), step);
            assert_true(json_number_value(json_object_get(line, "ms")) > 0);
            assert_true(fabs(json_number_value(json_object_get(line, "lr")) - 2e-4) < 1e-9);
            for (size_t i = 0; i < json_array_size(names); i++) {
                const char *loss = json_string_value(json_array_get(names, i));
                double got = json_number_value(json_object_get(line, loss));
                double want =
                    (double)((const float *)
                                 losses->data)[(size_t)(step - 1) * (size_t)losses->size[1] + i];

                if (!json_is_number(json_object_get(line, loss)) ||
                    !(fabs(got - want) <=
                      (step <= steady ? tolerance : chaotic) * fmax(1, fabs(want)))) {
                    print_message("%s %s, step %d: %s is %.6f, not %.6f\n", name, compute, step,
                                  loss, got, want);
                    wrong++;
                }
            }
        }
        json_decref(line);
    }
    how = pclose(out);
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), 0);
    assert_int_equal(step, losses->size[0]);
    assert_int_equal(wrong, 0);
    json_decref(args);
    limn_safetensors_close(&file);
    scratch_close(&s);
}

static void test_pix2pix_vanilla(void **state)
{
    (void)state;
    compare("pix2pix_vanilla_batch", "fp32", 100);
}

static void test_pix2pix_lsgan(void **state)
{
    (void)state;
    compare("pix2pix_lsgan_instance", "fp32", 100);
}

static void test_cycle_gan(void **state)
{
    (void)state;
    compare("cycle_gan", "plain", 3);
    compare("cycle_gan", "fp32", 3);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pix2pix_vanilla),
        cmocka_unit_test(test_pix2pix_lsgan),
        cmocka_unit_test(test_cycle_gan),
    };

    if (argc < 3) {
        fprintf(stderr, "usage: test_train_numbers ROOT PROGRAM\n");
        return 2;
    }
    root = argv[1];
    program = argv[2];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
