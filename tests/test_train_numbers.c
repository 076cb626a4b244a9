/* SPDX-License-Identifier: Apache-2.0
 *
 * The losses that `limn train --json` prints are those that PyTorch recorded: from PNG files on the
 * disk, through folders, loader, recipe and command line.
 *
 * check_numbers holds the networks; this holds everything around them, so it compares losses and
 * runs plain loops, whose sums come nearest to PyTorch's; float32's other orders of sums move the
 * late losses of a GAN by more than is tolerated here (see numbers_steps.c).  fp32 is compared over
 * the first two steps, which hang on every gradient of the first. */
#include "train_data.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>

#include <cmocka.h>

static const char *root, *program;
static const double tolerance = 1e-3;

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

static void compare(const char *name, const char *compute, int most)
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

    /* A val folder with a training picture in it: otherwise a tenth would be held out. */
    snprintf(command, sizeof command,
             "cd %s && if [ -d train ]; then mkdir val && cp train/00.png val/; else mkdir valA "
             "valB && cp trainA/00.png valA/ && cp trainB/00.png valB/; fi",
             s.folder);
    assert_int_equal(system(command), 0);
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
            for (size_t i = 0; i < json_array_size(names) && step <= most; i++) {
                const char *loss = json_string_value(json_array_get(names, i));
                double got = json_number_value(json_object_get(line, loss));
                double want =
                    (double)((const float *)
                                 losses->data)[(size_t)(step - 1) * (size_t)losses->size[1] + i];

                if (!json_is_number(json_object_get(line, loss)) ||
                    !(fabs(got - want) <= tolerance * fmax(1, fabs(want)))) {
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
    compare("pix2pix_vanilla_batch", "plain", 100);
    compare("pix2pix_vanilla_batch", "fp32", 2);
}

static void test_pix2pix_lsgan(void **state)
{
    (void)state;
    compare("pix2pix_lsgan_instance", "plain", 100);
    compare("pix2pix_lsgan_instance", "fp32", 2);
}

static void test_cycle_gan(void **state)
{
    (void)state;
    compare("cycle_gan", "plain", 100);
    compare("cycle_gan", "fp32", 2);
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
