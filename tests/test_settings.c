/* SPDX-License-Identifier: Apache-2.0
 *
 * Settings rows: every kind set and read back, every refusal with the sentence a person gets. */
#include "base/error.h"
#include "base/random.h"
#include "base/settings.h"

#include <float.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct fields {
    int epochs, mode, any;
    int64_t seed, steps;
    double lr, free_float;
    const char *data;
    bool flip;
} fields;

#define AT(field) offsetof(fields, field)
static const limn_setting rows[] = {
    { "epochs", LIMN_SETTING_INT, AT(epochs), 1, 1000000, NULL, "n_epochs niter", "passes" },
    { "lr", LIMN_SETTING_FLOAT, AT(lr), 1e-7, 1, NULL, NULL, "learning rate" },
    { "gan-mode", LIMN_SETTING_CHOICE, AT(mode), 0, 0, "vanilla|lsgan|wgan-gp", NULL, "loss" },
    { "data-root", LIMN_SETTING_TEXT, AT(data), 0, 0, NULL, "dataroot data", "folder" },
    { "flip", LIMN_SETTING_FLAG, AT(flip), 0, 0, NULL, NULL, "mirror at random" },
    { "seed", LIMN_SETTING_LONG, AT(seed), 0, 0x1p62, NULL, NULL, "of all chance" },
    { "steps", LIMN_SETTING_LONG, AT(steps), 0, 0, NULL, NULL, "no range" },
    { "any", LIMN_SETTING_INT, AT(any), 0, 0, NULL, NULL, "no range" },
    { "free-float", LIMN_SETTING_FLOAT, AT(free_float), 0, 0, NULL, NULL, "no range" },
    { .name = NULL },
};

static fields values;
static limn_error error;

static int start(void **state)
{
    (void)state;
    values = (fields){ .epochs = 200, .lr = 2e-4, .mode = 1, .seed = 3 };
    error = (limn_error){ 0 };
    return 0;
}

static void accept(const char *name, const char *value)
{
    if (limn_setting_set(rows, &values, name, value, &error)) fail_msg("%s", error.text);
}

/* Refused with exactly this sentence, and nothing changed. */
static void refuse(const char *name, const char *value, const char *text)
{
    fields before = values;

    assert_int_equal(limn_setting_set(rows, &values, name, value, &error), LIMN_SETTING);
    assert_string_equal(error.text, text);
    assert_memory_equal(&values, &before, sizeof values);
}

static void says(const char *name, const char *text)
{
    char got[64];

    limn_setting_get(limn_setting_find(rows, name), &values, got, sizeof got);
    assert_string_equal(got, text);
}

static void each_kind_is_set_and_written(void **state)
{
    (void)state;
    accept("epochs", "17");
    assert_int_equal(values.epochs, 17);
    says("epochs", "17");
    accept("seed", "4611686018427387904");
    assert_true(values.seed == INT64_C(4611686018427387904));
    says("seed", "4611686018427387904");
    accept("lr", "0.0002");
    assert_true(values.lr == 0.0002);
    says("lr", "0.0002");
    accept("gan-mode", "wgan_gp");
    assert_int_equal(values.mode, 2);
    says("gan-mode", "wgan-gp");
    says("data-root", "");
    accept("data-root", "my pictures");
    says("data-root", "my pictures");
    accept("data-root", NULL);
    assert_null(values.data);
}

static void names_and_older_spellings_find_the_row(void **state)
{
    (void)state;
    assert_ptr_equal(limn_setting_find(rows, "gan_mode"), &rows[2]);
    assert_ptr_equal(limn_setting_find(rows, "niter"), &rows[0]);
    assert_ptr_equal(limn_setting_find(rows, "n-epochs"), &rows[0]);
    assert_ptr_equal(limn_setting_find(rows, "dataroot"), &rows[3]);
    assert_null(limn_setting_find(rows, "epoch"));
    assert_null(limn_setting_find(rows, "epochss"));
    assert_null(limn_setting_find(rows, "n"));
    assert_null(limn_setting_find(rows, "n_epochs niter"));
    assert_null(limn_setting_find(rows, ""));
}

static void flags_take_the_usual_words(void **state)
{
    static const char *const yes[] = { "true", "1", "yes", "on" };
    static const char *const no[] = { "false", "0", "no", "off" };

    (void)state;
    for (int i = 0; i < 4; i++) {
        accept("flip", yes[i]);
        assert_true(values.flip);
        says("flip", "true");
        accept("flip", no[i]);
        assert_false(values.flip);
        says("flip", "false");
    }
    refuse("flip", "maybe", "--flip is \"maybe\"; it must be true or false");
}

static void both_ends_of_a_range_are_allowed(void **state)
{
    (void)state;
    accept("epochs", "1");
    accept("epochs", "1000000");
    accept("lr", "1e-7");
    accept("lr", "1");
    accept("any", "-2147483648");
    accept("any", "2147483647");
    assert_int_equal(values.any, INT_MAX);
    accept("steps", "9223372036854775807");
    assert_true(values.steps == INT64_MAX);
    accept("steps", "-9223372036854775808");
    assert_true(values.steps == INT64_MIN);
    accept("free-float", "-1e308");
}

static void refusals_name_the_way_out(void **state)
{
    (void)state;
    refuse("lrr", "1", "there is no setting --lrr; did you mean --lr?");
    refuse("gan-moed", "1", "there is no setting --gan-moed; did you mean --gan-mode?");
    refuse("n_epoch", "1", "there is no setting --n_epoch; did you mean --epochs?");
    refuse("datarot", "1", "there is no setting --datarot; did you mean --data-root?");
    refuse("colour", "1", "there is no setting --colour");
    refuse("x", "1", "there is no setting --x");
    refuse("lr", "3", "--lr is 3; it must be 1e-07 to 1, and the nearest valid value is 1");
    refuse("lr", "-1", "--lr is -1; it must be 1e-07 to 1, and the nearest valid value is 1e-07");
    refuse("lr", "inf", "--lr is inf; it must be 1e-07 to 1, and the nearest valid value is 1");
    refuse("lr", "nan", "--lr is \"nan\"; it must be a number, 1e-07 to 1");
    refuse("lr", "0,1", "--lr is \"0,1\"; it must be a number, 1e-07 to 1");
    refuse("lr", "", "--lr needs a value");
    refuse("lr", NULL, "--lr needs a value");
    refuse("niter", "0",
           "--epochs is 0; it must be 1 to 1000000, and the nearest valid value is 1");
    refuse("epochs", "99999999999999999999",
           "--epochs is 99999999999999999999; it must be 1 to 1000000, and the nearest valid value "
           "is 1000000");
    refuse("epochs", "-99999999999999999999",
           "--epochs is -99999999999999999999; it must be 1 to 1000000, and the nearest valid "
           "value is 1");
    refuse("epochs", "3.5", "--epochs is \"3.5\"; it must be a whole number, 1 to 1000000");
    refuse("epochs", "ten", "--epochs is \"ten\"; it must be a whole number, 1 to 1000000");
    refuse("any", "2147483648",
           "--any is 2147483648; it must be -2147483648 to 2147483647, and the nearest valid value "
           "is 2147483647");
    refuse("gan-mode", "lsgn",
           "--gan-mode is \"lsgn\"; it must be one of vanilla|lsgan|wgan-gp; did you mean lsgan?");
    refuse("gan-mode", "hinge", "--gan-mode is \"hinge\"; it must be one of vanilla|lsgan|wgan-gp");
    refuse("gan-mode", "lsgan|wgan-gp",
           "--gan-mode is \"lsgan|wgan-gp\"; it must be one of vanilla|lsgan|wgan-gp");
}

/* What is written reads back as the same bits, and is no longer than it must be. */
static void floats_return_as_the_same_bits(void **state)
{
    static const double some[] = { 0,       -0.0,         0.1,  1.0 / 3,   2e-4,
                                   0.1f,    100,          1e6,  123456.75, DBL_MAX,
                                   DBL_MIN, DBL_TRUE_MIN, 1e22, 5e-324,    -1e-5 };
    static const char *const texts[] = { "0", "-0", "0.1", "0.3333333333333333", "0.0002" };

    (void)state;
    for (size_t i = 0; i < sizeof some / sizeof *some + 20000; i++) {
        limn_random draw = { .seed = 4 };
        double value;
        char text[64];

        if (i < sizeof some / sizeof *some)
            value = some[i];
        else { /* any bits at all */
            uint32_t words[4];

            limn_random_words(&draw, i, words);
            memcpy(&value, words, sizeof value);
            if (!isfinite(value)) continue;
        }
        values.free_float = value;
        limn_setting_get(limn_setting_find(rows, "free-float"), &values, text, sizeof text);
        if (i < sizeof texts / sizeof *texts) assert_string_equal(text, texts[i]);
        values.free_float = 99;
        accept("free-float", text);
        assert_memory_equal(&values.free_float, &value, sizeof value);
    }
}

/* A program that speaks German writes 0,0002; the record of a run must not. */
static void locale_does_not_matter(void **state)
{
    static const char *const names[] = { "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE" };
    const char *found = NULL;

    (void)state;
    for (int i = 0; i < 4 && !found; i++) found = setlocale(LC_ALL, names[i]);
    if (!found || strcmp(localeconv()->decimal_point, ",") != 0) {
        setlocale(LC_ALL, "C");
        skip();
    }
    accept("lr", "0.25");
    assert_true(values.lr == 0.25);
    says("lr", "0.25");
    assert_string_equal(localeconv()->decimal_point, ",");
    setlocale(LC_ALL, "C");
}

static void short_room_cuts_the_text(void **state)
{
    char text[4];

    (void)state;
    values.data = "a long folder";
    limn_setting_get(&rows[3], &values, text, sizeof text);
    assert_string_equal(text, "a l");
    limn_setting_get(&rows[2], &values, text, sizeof text);
    assert_string_equal(text, "lsg");
}

static void nearest_knows_its_limits(void **state)
{
    static const char *const words[] = { "train", "translate", "inspect", NULL, "unreached" };
    char text[300];

    (void)state;
    assert_string_equal(limn_nearest("trian", words, 3), "train");
    assert_string_equal(limn_nearest("tranlsate", words, 3), "translate");
    assert_string_equal(limn_nearest("inspct", words, 3), "inspect");
    assert_null(limn_nearest("serve", words, 3));
    assert_null(limn_nearest("unreached", words, 5));
    assert_null(limn_nearest("", words, 3));
    memset(text, 't', sizeof text - 1);
    text[sizeof text - 1] = '\0'; /* longer than the working rows */
    assert_null(limn_nearest(text, words, 3));
}

static void ranges_are_said_as_they_are_read(void **state)
{
    static const struct {
        const char *name, *range;
    } said[] = {
        { "epochs", "1 to 1000000" },
        { "lr", "1e-07 to 1" },
        { "gan-mode", "vanilla|lsgan|wgan-gp" },
        { "data-root", "" },
        { "flip", "" },
        { "any", "" },
    };
    const limn_setting usual = { .name = "net", .kind = LIMN_SETTING_TEXT, .choices = "a|b" };
    char text[64], little[7];

    (void)state;
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        limn_setting_range(limn_setting_find(rows, said[i].name), text, sizeof text);
        assert_string_equal(text, said[i].range);
    }
    limn_setting_range(&usual, text, sizeof text);
    assert_string_equal(text, "a|b");
    limn_setting_range(limn_setting_find(rows, "gan-mode"), little, sizeof little);
    assert_string_equal(little, "vanill");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_kind_is_set_and_written, start),
        cmocka_unit_test_setup(names_and_older_spellings_find_the_row, start),
        cmocka_unit_test_setup(flags_take_the_usual_words, start),
        cmocka_unit_test_setup(both_ends_of_a_range_are_allowed, start),
        cmocka_unit_test_setup(refusals_name_the_way_out, start),
        cmocka_unit_test_setup(floats_return_as_the_same_bits, start),
        cmocka_unit_test_setup(locale_does_not_matter, start),
        cmocka_unit_test_setup(short_room_cuts_the_text, start),
        cmocka_unit_test_setup(nearest_knows_its_limits, start),
        cmocka_unit_test_setup(ranges_are_said_as_they_are_read, start),
    };

    return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
