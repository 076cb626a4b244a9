/* SPDX-License-Identifier: Apache-2.0
 *
 * Which network a foreign checkpoint holds: what is deduced of networks that PyTorch saved
 * (make_checkpoints.py says beside each what it is), what has to be asked, how layers are called.
 */
#include "checkpoint_files.h"
#include "model/deduce.h"

static void chooses_a_network(void **state)
{
    limn_error error = { 0 };
    limn_checkpoint *c;
    limn_arena arena = { 0 };
    limn_state s;

    (void)state;
    limn_arena_open(&arena, "test", 0);
    assert_int_equal(limn_checkpoint_open(&c, in_folder("good", "two_networks", ".pth"), &error),
                     LIMN_OK);
    assert_int_equal(limn_state_choose(&s, c, NULL, &arena, &error), LIMN_SETTING);
    assert_non_null(strstr(error.text, "'D', 'G_A', 'G_B'"));
    assert_non_null(strstr(error.text, "--part"));
    assert_null(strstr(error.text, "optimizer"));
    assert_int_equal(limn_state_choose(&s, c, "G_C", &arena, &error), LIMN_SETTING);
    assert_non_null(strstr(error.text, "G_C"));
    assert_int_equal(limn_state_choose(&s, c, "D", &arena, &error), LIMN_OK);
    assert_string_equal(s.part, "D");
    assert_non_null(limn_state_find(&s, "model.11.weight"));
    assert_null(limn_state_find(&s, "model.1.weight"));
    limn_checkpoint_close(&c);
    assert_int_equal(limn_checkpoint_open(&c, in_folder("good", "nested_model", ".pth"), &error),
                     LIMN_OK);
    assert_int_equal(limn_state_choose(&s, c, NULL, &arena, &error), LIMN_OK);
    assert_string_equal(s.part, "model");
    assert_non_null(limn_state_find(&s, "model.model.0.weight"));
    limn_checkpoint_close(&c);
    assert_int_equal(limn_checkpoint_open(&c, in_folder("good", "prefix_twice", ".pth"), &error),
                     LIMN_OK);
    assert_int_equal(limn_state_choose(&s, c, NULL, &arena, &error), LIMN_OK);
    assert_string_equal(s.part, "");
    assert_string_equal(limn_state_find(&s, "model.1.weight")->saved.name,
                        "module.module.model.1.weight");
    limn_checkpoint_close(&c);
    limn_arena_close(&arena);
}

/* One key=value of a .want against what was deduced. */
static void expect_deduced(const char *file, const limn_deduced *d, const char *key,
                           const char *value)
{
    const struct {
        const char *key;
        int is;
    } numbers[] = {
        { "downs", d->downs },         { "blocks", d->blocks },
        { "layers", d->layers },       { "filters", d->filters },
        { "input_nc", d->input_nc },   { "output_nc", d->output_nc },
        { "dropout", d->dropout },     { "statistics", d->statistics },
        { "stale", d->stale },         { "affine", d->affine },
        { "antialias", d->antialias }, { "antialias_up", d->antialias_up },
    };
    size_t i;

    for (i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!strcmp(key, numbers[i].key)) {
            if (numbers[i].is != atoi(value))
                fail_msg("%s: %s is %d, not %s", file, key, numbers[i].is, value);
            return;
        }
    if (!strcmp(key, "network"))
        assert_string_equal(d->network, value);
    else if (!strcmp(key, "norm"))
        assert_string_equal(d->norm, value);
    else if (!strcmp(key, "padding"))
        assert_string_equal(d->padding, value);
    else if (strcmp(key, "ask") && strcmp(key, "give") && strcmp(key, "part"))
        fail_msg("%s: no such key %s", file, key);
}

/* The value of a key in a .want, or NULL. */
static const char *wanted(const char *want, const char *key, char out[40])
{
    const char *p = want;
    size_t n = strlen(key);

    for (; p; p = strchr(p, ' ') ? strchr(p, ' ') + 1 : NULL)
        if (!strncmp(p, key, n) && p[n] == '=') {
            snprintf(out, 40, "%.*s", (int)strcspn(p + n + 1, " "), p + n + 1);
            return out;
        }
    return NULL;
}

static limn_status deduce(limn_deduced *out, limn_checkpoint *c, const char *part, const char *norm,
                          limn_arena *arena, limn_error *error)
{
    limn_wishes wishes = { norm, -1 };
    limn_state s;
    limn_status status = limn_state_choose(&s, c, part, arena, error);

    return status ? status : limn_deduce(out, &s, &wishes, arena, error);
}

static void deduces_networks(void **state)
{
    static char names[ENTRIES_MAX][100];
    size_t n = list("good", names), i, count, deduced = 0, asked = 0, refused = 0;
    char ask[40], give[44], part[40], *want, *word;
    limn_error error = { 0 };
    limn_arena arena = { 0 };
    limn_checkpoint *c;
    limn_deduced d;

    (void)state;
    limn_arena_open(&arena, "test", 0);
    for (i = 0; i < n; i++) {
        if (!(want = (char *)slurp(in_folder("good", names[i], ".want"), &count))) continue;
        assert_int_equal(limn_checkpoint_open(&c, in_folder("good", names[i], ".pth"), &error),
                         LIMN_OK);
        if (!wanted(want, "ask", ask)) *ask = 0;
        if (!strcmp(ask, "network")) {
            assert_int_equal(deduce(&d, c, NULL, NULL, &arena, &error), LIMN_FORMAT);
            if (getenv("LIMN_SHOW_REFUSALS")) printf("%s\n", error.text);
            refused++;
            goto next;
        }
        if (*ask) {
            assert_int_equal(deduce(&d, c, NULL, NULL, &arena, &error), LIMN_SETTING);
            if (getenv("LIMN_SHOW_REFUSALS")) printf("%s\n", error.text);
            snprintf(give, sizeof give, "--%s", ask);
            assert_non_null(strstr(error.text, give));
            asked++;
        }
        if (deduce(&d, c, wanted(want, "part", part), wanted(want, "give", give), &arena, &error))
            fail_msg("%s: %s", names[i], error.text);
        assert_true(d.count > 3);
        for (word = strtok(want, " "); word; word = strtok(NULL, " ")) {
            char *equals = strchr(word, '=');

            *equals = 0;
            expect_deduced(names[i], &d, word, equals + 1);
        }
        deduced++;
    next:
        free(want);
        limn_checkpoint_close(&c);
        limn_arena_close(&arena);
    }
    assert_true(deduced > 80 && asked >= 4 && refused >= 6);
}

static const limn_deduced_tensor *called(const limn_deduced *d, const char *name)
{
    size_t i;

    for (i = 0; i < d->count; i++)
        if (!strcmp(d->tensors[i].name, name)) return &d->tensors[i];
    fail_msg("no tensor %s", name);
    return NULL;
}

/* limn's names, plain names and the names in the file, layer by layer where they differ. */
static void maps_names(void **state)
{
    static const struct {
        const char *file, *norm, *name, *plain, *in_file;
    } rows[] = {
        { "cut_11", NULL, "model.1.weight", "model.1.weight", "model.1.weight" },
        { "cut_11", NULL, "model.8.weight", "model.7.weight", "model.8.weight" },
        { "cut_11", NULL, "model.12.conv_block.5.bias", "model.10.conv_block.5.bias",
          "model.12.conv_block.5.bias" },
        { "cut_11", NULL, "model.20.conv_block.1.weight", "model.18.conv_block.1.weight",
          "model.20.conv_block.1.weight" },
        { "cut_11", NULL, "model.22.weight", "model.19.weight", "model.22.weight" },
        { "cut_11", NULL, "model.26.weight", "model.22.weight", "model.26.weight" },
        { "cut_11", NULL, "model.30.weight", "model.26.weight", "model.30.weight" },
        { "cut_01", NULL, "model.20.weight", "model.19.weight", "model.20.weight" },
        { "cut_10", NULL, "model.21.weight", "model.19.weight", "model.21.weight" },
        { "critic_3_instance_1", NULL, "model.3.weight", "model.2.weight", "model.3.weight" },
        { "critic_3_instance_1", NULL, "model.14.weight", "model.11.weight", "model.14.weight" },
        { "old_resnet_instance", "instance", "model.1.weight", "model.1.weight", "model.0.weight" },
        { "old_resnet_instance", "instance", "model.2.weight", "model.2.weight", "model.1.weight" },
        { "old_resnet_instance", "instance", "model.10.conv_block.5.weight",
          "model.10.conv_block.5.weight", "model.9.conv_block.3.weight" },
        { "old_resnet_batch_drop", "batch", "model.10.conv_block.6.weight",
          "model.10.conv_block.6.weight", "model.9.conv_block.4.weight" },
        { "old_resnet_batch_drop", "batch", "model.10.conv_block.7.running_var",
          "model.10.conv_block.7.running_var", "model.9.conv_block.5.running_var" },
        { "old_resnet_instance", "instance", "model.16.weight", "model.16.weight",
          "model.15.weight" },
        { "old_resnet_instance", "instance", "model.23.bias", "model.23.bias", "model.21.bias" },
        { "unet_128_batch", NULL, "model.model.1.model.3.model.5.weight",
          "model.model.1.model.3.model.5.weight", "model.model.1.model.3.model.5.weight" },
    };
    limn_error error = { 0 };
    limn_arena arena = { 0 };
    limn_checkpoint *c;
    limn_deduced d;
    size_t i;

    (void)state;
    limn_arena_open(&arena, "test", 0);
    for (i = 0; i < sizeof rows / sizeof *rows; i++) {
        const limn_deduced_tensor *t;

        assert_int_equal(limn_checkpoint_open(&c, in_folder("good", rows[i].file, ".pth"), &error),
                         LIMN_OK);
        if (deduce(&d, c, NULL, rows[i].norm, &arena, &error)) fail_msg("%s", error.text);
        t = called(&d, rows[i].name);
        assert_string_equal(t->plain, rows[i].plain);
        assert_string_equal(t->tensor->saved.name, rows[i].in_file);
        assert_int_equal(t->statistic, strstr(t->name, "running_") != NULL);
        limn_checkpoint_close(&c);
    }
    limn_arena_close(&arena);
}

/* A wish that contradicts the file is refused, one that agrees is not. */
static void wishes_must_fit(void **state)
{
    limn_error error = { 0 };
    limn_arena arena = { 0 };
    limn_checkpoint *c;
    limn_deduced d;

    (void)state;
    limn_arena_open(&arena, "test", 0);
    assert_int_equal(limn_checkpoint_open(&c, in_folder("good", "unet_256_batch", ".pth"), &error),
                     LIMN_OK);
    assert_int_equal(deduce(&d, c, NULL, "batch", &arena, &error), LIMN_OK);
    assert_int_equal(deduce(&d, c, NULL, "instance", &arena, &error), LIMN_SETTING);
    assert_non_null(strstr(error.text, "batch"));
    assert_int_equal(deduce(&d, c, NULL, "group", &arena, &error), LIMN_SETTING);
    limn_checkpoint_close(&c);
    limn_arena_close(&arena);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chooses_a_network),
        cmocka_unit_test(deduces_networks),
        cmocka_unit_test(maps_names),
        cmocka_unit_test(wishes_must_fit),
    };

    if (count > 1) source_root = arguments[1];
    kinds = "networks";
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
