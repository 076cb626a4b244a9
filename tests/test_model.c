/* SPDX-License-Identifier: Apache-2.0
 *
 * The model file: what is saved comes back, in the form that docs/models.md promises to other
 * readers; and files that lie are refused with a sentence that names file and tensor. */
#include "base/file.h"
#include "limn.h"
#include "model/model.h"
#include "model_weights.h"
#include "recipe/recipe.h"
#include "scratch.h"

#include <math.h>

static const limn_network small = { .net = "unet_32",
                                    .input_nc = 3,
                                    .output_nc = 1,
                                    .filters = 4,
                                    .norm = LIMN_NORM_BATCH,
                                    .dropout = true,
                                    .picture_statistics = true };

static limn_model_card small_card(void)
{
    return (limn_model_card){
        .recipe = "pix2pix",
        .direction = "BtoA",
        .title = "a small one",
        .licence = "Apache-2.0",
        .networks = { { .name = "G", .network = small } },
        .network_count = 1,
    };
}

static void test_model_comes_back(void **state)
{
    static const limn_saved_text settings[] = { { "lambda-l1", "100" }, { "lr", "0.0002" } };
    static const limn_saved_text record[] = { { "epochs", "12" },
                                              { "note", "tab\tand \"quote\" \xc3\xa9" } };
    scratch s;
    limn_error error = { 0 };
    limn_model_card card = small_card();
    const limn_model_card *got;
    limn_weights *weights = weights_of(&small, "G", 1), *other = weights_of(&small, "G", 2);
    limn_safetensors *file;
    limn_model *model;
    char sum[65] = "", command[1200];
    FILE *out;

    (void)state;
    scratch_open(&s);
    card.settings = settings;
    card.setting_count = 2;
    card.record = record;
    card.record_count = 2;
    if (limn_model_save(scratch_path(&s, "m.safetensors"), &card, weights, NULL, &error))
        fail_msg("%s", error.text);
    assert_int_equal(scratch_entries(s.folder), 1); /* no temporary is left */
    assert_true(limn_model_is(s.path));
    if (limn_model_open(&model, s.path, &error)) fail_msg("%s", error.text);
    got = limn_model_about(model);
    assert_int_equal(got->format, LIMN_MODEL_FORMAT);
    assert_false(got->checkpoint);
    assert_string_equal(got->recipe, "pix2pix");
    assert_string_equal(got->direction, "BtoA");
    assert_string_equal(got->title, "a small one");
    assert_string_equal(got->licence, "Apache-2.0");
    assert_null(got->attribution);
    assert_string_equal(got->generator, "G");
    assert_string_equal(got->source_type, limn_model_source_type);
    assert_int_equal(got->network_count, 1);
    assert_string_equal(got->networks[0].network.net, "unet_32");
    assert_int_equal(got->networks[0].network.input_nc, 3);
    assert_int_equal(got->networks[0].network.output_nc, 1);
    assert_int_equal(got->networks[0].network.filters, 4);
    assert_int_equal(got->networks[0].network.norm, LIMN_NORM_BATCH);
    assert_true(got->networks[0].network.dropout);
    assert_true(got->networks[0].network.picture_statistics);
    assert_false(got->networks[0].network.antialias);
    assert_string_equal(got->networks[0].input, "sRGB");
    assert_string_equal(got->networks[0].output, "grey");
    assert_string_equal(limn_model_text(got->settings, got->setting_count, "lr"), "0.0002");
    assert_string_equal(limn_model_text(got->record, got->record_count, "note"), record[1].value);
    assert_null(limn_model_text(got->record, got->record_count, "lr"));
    assert_true(limn_model_intact(model));

    expect_equal(weights, other, false);
    if (limn_model_load(model, NULL, other, NULL, false, &error)) fail_msg("%s", error.text);
    expect_equal(weights, other, true);

    /* PyTorch's names and sizes, and sha256sum's opinion of the data. */
    assert_false(limn_safetensors_open(&file, s.path, &error));
    assert_non_null(limn_safetensors_find(file, "model.model.0.weight"));
    assert_int_equal(limn_safetensors_find(file, "model.model.0.weight")->dims, 4);
    assert_int_equal(limn_safetensors_find(file, "model.model.0.weight")->size[1], 3);
    assert_int_equal(limn_safetensors_find(file, "model.model.3.weight")->size[0], 8);
    assert_int_equal(limn_safetensors_find(file, "model.model.1.model.2.running_mean")->dims, 1);
    assert_int_equal(limn_safetensors_find(file, "model.model.1.model.2.running_mean")->size[0], 8);
    assert_int_equal(limn_safetensors_find(file, "model.model.1.model.2.num_batches_tracked")->type,
                     LIMN_I64);
    assert_int_equal(limn_safetensors_find(file, "model.model.1.model.2.num_batches_tracked")->dims,
                     0);
    limn_safetensors_close(&file);
    snprintf(command, sizeof command,
             "n=$(od -An -t u8 -N 8 '%s' | tr -d ' '); tail -c +$((n + 9)) '%s' | sha256sum",
             s.path, s.path);
    assert_non_null(out = popen(command, "r"));
    assert_int_equal(fread(sum, 1, 64, out), 64);
    pclose(out);
    assert_string_equal(got->weights_sha256, sum);
    limn_model_close(&model);
    limn_weights_close(&weights);
    limn_weights_close(&other);
    scratch_close(&s);
}

/* Half the bytes: kernels rounded to 11 bits, everything else as it was, and the card in new words.
 * A kernel that a half float can't hold stays. */
static void test_halved(void **state)
{
    enum { TIMES = 2048 }; /* 2^11: half a unit in the last place of 11 bits */
    limn_weights *before = weights_of(&small, "G", 5), *after = weights_of(&small, "G", 6);
    limn_model_card card = small_card();
    limn_model_words words = { .title = "Small", .attribution = "nobody" };
    limn_error error = { 0 };
    limn_model *model;
    char whole[512], half[512];
    scratch s;
    int rounded = 0, kernels = 0, as_is = 0;
    float *x, *y;

    (void)state;
    scratch_open(&s);
    strcpy(whole, scratch_path(&s, "whole.safetensors"));
    strcpy(half, scratch_path(&s, "half.safetensors"));
    /* A kernel with a value that is too large. */
    for (int i = 0; i < limn_weights_count(before); i++) {
        const limn_parameter_info *info = limn_weights_at(before, i);
        size_t count = limn_count(info->shape);

        if (info->dims < 2 || kernels++) continue;
        x = limn_block(count * sizeof *x);
        assert_false(limn_weights_get(before, i, x, NULL));
        x[count / 2] = 1e6f;
        assert_false(limn_weights_set(before, i, x, NULL));
        limn_block_free(x);
    }
    assert_false(limn_model_save(whole, &card, before, NULL, &error));
    if (limn_export_half(whole, half, NULL, &words, &error)) fail_msg("%s", error.text);
    assert_false(limn_model_open(&model, half, &error));
    assert_true(limn_model_intact(model));
    assert_string_equal(limn_model_about(model)->title, "Small");
    assert_string_equal(limn_model_about(model)->attribution, "nobody");
    if (limn_model_load(model, "G", after, NULL, false, &error)) fail_msg("%s", error.text);
    kernels = 0;
    for (int i = 0; i < limn_weights_count(before); i++) {
        const limn_parameter_info *info = limn_weights_at(before, i);
        size_t count = limn_count(info->shape);
        bool first = info->dims > 1 && !kernels++;

        x = limn_block(count * sizeof *x);
        y = limn_block(count * sizeof *y);
        assert_false(limn_weights_get(before, i, x, NULL));
        assert_false(limn_weights_get(after, i, y, NULL));
        if (info->dims < 2 || first) {
            if (info->kind <= LIMN_PARAMETER_VECTOR) assert_memory_equal(x, y, count * sizeof *x);
            as_is++;
        }
        for (size_t k = 0; k < count && info->dims > 1 && !first; k++) {
            assert_true(fabsf(x[k] - y[k]) <= fmaxf(fabsf(x[k]) / TIMES, 0x1p-25f));
            rounded += x[k] != y[k];
        }
        limn_block_free(x);
        limn_block_free(y);
    }
    assert_true(rounded > 1000 && as_is > 3);
    for (size_t i = 0, halves = 0; i < limn_model_count(model); i++) {
        const limn_saved_tensor *t = limn_model_at(model, i);

        halves += t->type == LIMN_F16;
        if (i + 1 == limn_model_count(model)) assert_int_equal(halves, kernels - 1);
    }
    limn_model_close(&model);

    assert_int_equal(limn_export_half(whole, half, "D", NULL, &error), LIMN_SETTING);
    assert_non_null(strstr(error.text, "no network D"));
    card.checkpoint = true;
    assert_false(limn_model_save(whole, &card, before, NULL, &error));
    assert_int_equal(limn_export_half(whole, half, NULL, NULL, &error), LIMN_SETTING);
    assert_non_null(strstr(error.text, "checkpoint"));
    limn_weights_close(&before);
    limn_weights_close(&after);
    scratch_close(&s);
}

/* A training step's weights: two networks, moments, a pool beside them. */
static void test_checkpoint_comes_back(void **state)
{
    static const float pool[6] = { 1, 2, 3, 4, 5, 6 };
    const limn_saved_tensor extra = { .name = "pool.fake_B",
                                      .type = LIMN_F32,
                                      .dims = 2,
                                      .size = { 2, 3 },
                                      .count = 6,
                                      .data = pool };
    const limn_recipe *recipe = limn_recipe_find("pix2pix");
    limn_recipe_settings settings = limn_recipe_defaults(recipe);
    limn_model_card card = { .checkpoint = true, .recipe = "pix2pix", .network_count = 2 };
    limn_weights *weights[2];
    limn_model *model;
    limn_graph *graph;
    limn_error error = { 0 };
    float read[6];
    scratch s;

    (void)state;
    scratch_open(&s);
    settings.generator.net = "unet_32";
    settings.generator.filters = settings.critic.filters = 4;
    settings.critic.net = "n_layers";
    settings.critic.layers = 1;
    settings.height = settings.width = 32;
    assert_false(limn_graph_open(&graph, true, &error));
    recipe->step(graph, &settings);
    for (int i = 0; i < 2; i++) {
        assert_false(limn_weights_open(&weights[i], &error));
        if (limn_weights_add(weights[i], graph, &error)) fail_msg("%s", error.text);
        for (int k = 0; k < limn_weights_count(weights[i]); k++) {
            size_t count = limn_count(limn_weights_at(weights[i], k)->shape);
            float *values = limn_block(count * sizeof *values);

            for (size_t v = 0; v < count; v++) values[v] = (float)(i + 1) * (float)(k + (int)v % 7);
            assert_false(limn_weights_set(weights[i], k, values, &error));
            limn_block_free(values);
        }
    }
    limn_graph_close(&graph);
    card.networks[0] = (limn_model_network){ .name = "G", .network = settings.generator };
    card.networks[1] = (limn_model_network){ .name = "D", .network = settings.critic };
    card.networks[1].network.input_nc = 6;
    card.networks[1].network.output_nc = 1;
    if (limn_model_save(scratch_path(&s, "c.safetensors"), &card, weights[0],
                        &(limn_model_more){ .moments = true, .extra = &extra, .extra_count = 1 },
                        &error))
        fail_msg("%s", error.text);
    if (limn_model_open(&model, s.path, &error)) fail_msg("%s", error.text);
    assert_true(limn_model_about(model)->checkpoint);
    assert_string_equal(limn_model_about(model)->generator, "G");
    if (limn_model_load(model, "G", weights[1], NULL, true, &error) ||
        limn_model_load(model, "D", weights[1], NULL, true, &error))
        fail_msg("%s", error.text);
    expect_equal(weights[0], weights[1], true);
    assert_non_null(limn_model_find(model, "D", "model.0.weight.exp_avg_sq"));
    assert_null(limn_model_extra(model, "G.model.model.0.weight"));
    assert_false(limn_saved_floats(limn_model_extra(model, "pool.fake_B"), 0, 6, read, &error));
    assert_memory_equal(read, pool, sizeof pool);
    assert_int_equal(limn_model_load(model, "E", weights[1], NULL, true, &error), LIMN_SETTING);
    assert_non_null(strstr(error.text, "G D"));
    limn_model_close(&model);

    /* Part of it, under another name: the generator alone, for use. */
    card = (limn_model_card){ .network_count = 1 };
    card.networks[0] = (limn_model_network){ .name = "best",
                                             .from = "G",
                                             .network = settings.generator };
    if (limn_model_save(s.path, &card, weights[0], NULL, &error)) fail_msg("%s", error.text);
    if (limn_model_open(&model, s.path, &error)) fail_msg("%s", error.text);
    assert_string_equal(limn_model_about(model)->generator, "best");
    if (limn_model_load(model, NULL, weights[1], "G", false, &error)) fail_msg("%s", error.text);
    expect_equal(weights[0], weights[1], true);
    limn_model_close(&model);
    limn_weights_close(&weights[0]);
    limn_weights_close(&weights[1]);
    scratch_close(&s);
}

/* ---- Refusals -------------------------------------------------------------------------------- */

/* Writes a file with these pairs instead of the model's own (value NULL: without the key), and
 * expects its opening, or loading, to fail with all words. */
static void refused(const char *key, const char *value, limn_status status, const char *words)
{
    scratch s;
    limn_error error = { 0 };
    limn_model_card card = small_card();
    limn_weights *weights = weights_of(&small, "G", 1);
    limn_safetensors *file;
    limn_safetensors_writer *writer;
    limn_saved_text texts[64];
    limn_saved_tensor tensors[128];
    limn_model *model;
    char path[600];
    size_t count = 0, n;
    bool found = false;

    scratch_open(&s);
    assert_false(
        limn_model_save(scratch_path(&s, "good.safetensors"), &card, weights, NULL, &error));
    assert_false(limn_safetensors_open(&file, s.path, &error));
    for (size_t i = 0; i < limn_safetensors_texts(file); i++) {
        texts[count] = limn_safetensors_text_at(file, i);
        if (!strcmp(texts[count].key, key)) {
            found = true;
            if (!value) continue;
            texts[count].value = value;
        }
        count++;
    }
    if (!found) texts[count++] = (limn_saved_text){ key, value };
    n = limn_safetensors_count(file);
    assert_true(n <= 128);
    for (size_t i = 0; i < n; i++) tensors[i] = *limn_safetensors_at(file, i);
    snprintf(path, sizeof path, "%s/bad.safetensors", s.folder);
    assert_false(limn_safetensors_create(&writer, path, tensors, n, texts, count, &error));
    for (size_t i = 0; i < n; i++)
        assert_false(limn_safetensors_write(
            writer, tensors[i].data, tensors[i].count * limn_type_bytes(tensors[i].type), &error));
    assert_false(limn_safetensors_commit(&writer, &error));
    limn_safetensors_close(&file);
    if (limn_model_open(&model, path, &error) != status || !strstr(error.text, words) ||
        !strstr(error.text, "bad.safetensors"))
        fail_msg("%s = %s: status %d, \"%s\"", key, value ? value : "absent", error.status,
                 error.text);
    assert_null(model);
    limn_weights_close(&weights);
    scratch_close(&s);
}

static void test_cards_that_lie(void **state)
{
    (void)state;
    refused("limn.format", "2", LIMN_FORMAT, "newer limn");
    refused("limn.format", "", LIMN_FORMAT, "limn.format");
    refused("limn.format", "1x", LIMN_FORMAT, "limn.format");
    refused("limn.format", NULL, LIMN_FORMAT, "limn import");
    refused("limn.kind", "zebra", LIMN_FORMAT, "zebra");
    refused("limn.names", NULL, LIMN_FORMAT, "limn.names");
    refused("limn.networks", NULL, LIMN_FORMAT, "lists no network");
    refused("limn.networks", " ", LIMN_FORMAT, "limn.networks");
    refused("limn.networks", "G G", LIMN_FORMAT, "limn.networks");
    refused("limn.networks", "../G", LIMN_FORMAT, "limn.networks");
    refused("limn.networks", "A B C D E F H I J K", LIMN_FORMAT, "network A");
    refused("limn.networks", "G H", LIMN_FORMAT, "network H");
    refused("limn.generator", "H", LIMN_FORMAT, "limn.generator");
    refused("limn.direction", "sideways", LIMN_FORMAT, "sideways");
    refused("limn.network.G.net", NULL, LIMN_FORMAT, "net");
    refused("limn.network.G.input_nc", "-3", LIMN_FORMAT, "network G");
    refused("limn.network.G.input_nc", "99999999999999999999", LIMN_FORMAT, "network G");
    refused("limn.network.G.filters", "many", LIMN_FORMAT, "whole number");
    refused("limn.network.G.norm", "btach", LIMN_FORMAT, "batch");
    refused("limn.network.G.dropout", "maybe", LIMN_FORMAT, "true or false");
    refused("limn.network.G.dropout_in_use", "maybe", LIMN_FORMAT, "maybe");
    refused("limn.network.G.attention", "true", LIMN_FORMAT, "attention");
    refused("limn.network.G.norm", "\x1b[31mred", LIMN_FORMAT, "norm");
}

static void test_weights_that_do_not_fit(void **state)
{
    scratch s;
    limn_error error = { 0 };
    limn_model_card card = small_card();
    limn_network wide = small, instance = small, plain = small;
    limn_weights *weights = weights_of(&small, "G", 1), *other;
    limn_model *model;

    (void)state;
    scratch_open(&s);
    assert_int_equal(limn_model_save(scratch_path(&s, "m.safetensors"), &(limn_model_card){ 0 },
                                     weights, NULL, &error),
                     LIMN_SETTING);
    card.networks[0].from = "H";
    assert_int_equal(limn_model_save(s.path, &card, weights, NULL, &error), LIMN_SETTING);
    assert_non_null(strstr(error.text, "no weights of a network H"));
    card.networks[0].from = NULL;
    assert_int_equal(scratch_entries(s.folder), 0);
    assert_false(limn_model_save(s.path, &card, weights, NULL, &error));
    assert_false(limn_model_open(&model, s.path, &error));

    wide.filters = 8;
    other = weights_of(&wide, "G", 1);
    assert_int_equal(limn_model_load(model, NULL, other, NULL, false, &error), LIMN_SHAPE);
    assert_non_null(strstr(error.text, "m.safetensors"));
    assert_non_null(strstr(error.text, "model.model.0.weight"));
    assert_non_null(strstr(error.text, "4x3x4x4"));
    assert_non_null(strstr(error.text, "8x3x4x4"));
    limn_weights_close(&other);

    instance.norm = LIMN_NORM_INSTANCE; /* needs biases that the file lacks */
    other = weights_of(&instance, "G", 1);
    assert_int_equal(limn_model_load(model, NULL, other, NULL, false, &error), LIMN_FORMAT);
    assert_non_null(strstr(error.text, "has no tensor model.model.0.bias"));
    limn_weights_close(&other);

    plain.norm = LIMN_NORM_NONE;
    other = weights_of(&plain, "G", 1);
    assert_true(limn_model_load(model, NULL, other, NULL, false, &error));
    limn_weights_close(&other);
    assert_int_equal(limn_model_load(model, NULL, weights, NULL, true, &error), LIMN_OK);
    assert_int_equal(limn_model_load(model, NULL, weights, "H", false, &error), LIMN_BUG);
    limn_model_close(&model);
    limn_weights_close(&weights);
    scratch_close(&s);
}

/* Every cut of the file is refused or, past the weights' announced end, impossible; every refused
 * request of memory and every failed write is a clean error that leaves no file. */
static void test_faults(void **state)
{
    scratch s;
    limn_error error = { 0 };
    limn_model_card card = small_card();
    limn_weights *weights = weights_of(&small, "G", 1);
    limn_model *model;
    size_t count, blocks = limn_memory_live_blocks();
    limn_status status;
    char *bytes;
    int n;

    (void)state;
    scratch_open(&s);
    for (n = 0, status = LIMN_NO_MEMORY; status && n < 20000; n++) {
        limn_memory_refuse_after(n);
        status = limn_model_save(scratch_path(&s, "m.safetensors"), &card, weights, NULL, &error);
        limn_memory_refuse_after(-1);
        if (status) {
            assert_int_equal(status, LIMN_NO_MEMORY);
            assert_int_equal(scratch_entries(s.folder), 0);
        }
    }
    assert_in_range(n, 3, 19999);
    for (n = 0, status = LIMN_NO_MEMORY; status && n < 20000; n++) {
        limn_memory_refuse_after(n);
        if (!(status = limn_model_open(&model, s.path, &error))) {
            status = limn_model_load(model, NULL, weights, NULL, false, &error);
            limn_model_close(&model);
        }
        limn_memory_refuse_after(-1);
        if (status) assert_int_equal(status, LIMN_NO_MEMORY);
    }
    assert_in_range(n, 3, 19999);
    assert_int_equal(limn_memory_live_blocks(), blocks);
    assert_non_null(bytes = scratch_read(s.path, &count));
    for (size_t cut = 0; cut < count; cut += cut < 400 ? 7 : count / 23) {
        scratch_write(scratch_path(&s, "cut.safetensors"), bytes, cut);
        assert_int_equal(limn_model_open(&model, s.path, &error), LIMN_FORMAT);
        assert_non_null(strstr(error.text, "cut.safetensors"));
    }
    unlink(s.path);
    bytes[count - 1] ^= 1; /* one bit of the last weight */
    scratch_write(scratch_path(&s, "bit.safetensors"), bytes, count);
    assert_false(limn_model_open(&model, s.path, &error));
    assert_false(limn_model_intact(model));
    limn_model_close(&model);
    free(bytes);
    unlink(s.path);
    unlink(scratch_path(&s, "m.safetensors"));
    for (n = 0, status = LIMN_IO; status && n < 400; n++) {
        limn_file_fail_after(n);
        status = limn_model_save(s.path, &card, weights, NULL, &error);
        limn_file_fail_after(-1);
        if (status) assert_int_equal(status, LIMN_IO);
    }
    assert_in_range(n, 3, 399);
    assert_int_equal(limn_model_open(&model, scratch_path(&s, "absent"), &error), LIMN_IO);
    assert_non_null(strstr(error.text, "absent"));
    limn_weights_close(&weights);
    scratch_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_comes_back), cmocka_unit_test(test_checkpoint_comes_back),
        cmocka_unit_test(test_cards_that_lie),   cmocka_unit_test(test_weights_that_do_not_fit),
        cmocka_unit_test(test_faults),           cmocka_unit_test(test_halved),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
