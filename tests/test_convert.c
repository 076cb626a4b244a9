/* SPDX-License-Identifier: Apache-2.0
 *
 * Import, export and info when things go wrong: memory refused at every request, the disk full at
 * every operation, files cut at many places.  (That they are right when all goes well is
 * check_models.py's, which needs PyTorch.)  The checkpoint is written here: a U-Net's tensors under
 * PyTorch's names, without a card. */
#include "base/file.h"
#include "model/model.h"
#include "model/model_graph.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const limn_network network = {
    .net = "unet_32", .input_nc = 3, .output_nc = 2, .filters = 2, .norm = LIMN_NORM_BATCH
};

/* Saves a model and copies its tensors into a file without metadata. */
static void make_checkpoint(scratch *s, const char *name)
{
    limn_model_card card = { .networks = { { .name = "G", .network = network } },
                             .network_count = 1 };
    limn_saved_tensor tensors[200];
    limn_safetensors_writer *writer;
    limn_safetensors *file;
    limn_weights *weights;
    limn_error error = { 0 };
    limn_graph *graph;
    size_t count;

    assert_false(limn_model_graph(&graph, "G", &network, &error));
    assert_false(limn_weights_open(&weights, &error));
    assert_false(limn_weights_add(weights, graph, &error));
    assert_false(limn_weights_initial(weights, NULL, 3, 0.1f, &error));
    assert_false(limn_model_save(scratch_path(s, "whole"), &card, weights, NULL, &error));
    assert_false(limn_safetensors_open(&file, s->path, &error));
    count = limn_safetensors_count(file);
    assert_in_range(count, 20, 200);
    for (size_t i = 0; i < count; i++) tensors[i] = *limn_safetensors_at(file, i);
    assert_false(
        limn_safetensors_create(&writer, scratch_path(s, name), tensors, count, NULL, 0, &error));
    for (size_t i = 0; i < count; i++)
        assert_false(limn_safetensors_write(
            writer, tensors[i].data, tensors[i].count * limn_type_bytes(tensors[i].type), &error));
    assert_false(limn_safetensors_commit(&writer, &error));
    limn_safetensors_close(&file);
    limn_weights_close(&weights);
    limn_graph_close(&graph);
    unlink(scratch_path(s, "whole"));
}

typedef struct paths {
    char from[600], model[600], onnx[600];
} paths;

/* The three, one after the other. */
static limn_status all(const paths *p, FILE *nowhere, limn_error *error)
{
    LIMN_TRY(limn_import(p->from, p->model, NULL, error));
    LIMN_TRY(limn_export(p->model, p->onnx, NULL, error));
    LIMN_TRY(limn_info(p->from, false, nowhere, error));
    return limn_info(p->model, true, nowhere, error);
}

static void open_all(scratch *s, paths *p, FILE **nowhere)
{
    scratch_open(s);
    make_checkpoint(s, "net_G");
    snprintf(p->from, sizeof p->from, "%s/net_G", s->folder);
    snprintf(p->model, sizeof p->model, "%s/model.safetensors", s->folder);
    snprintf(p->onnx, sizeof p->onnx, "%s/model.onnx", s->folder);
    assert_non_null(*nowhere = fopen("/dev/null", "w"));
}

static void test_settings(void **state)
{
    scratch s;
    paths p;
    FILE *nowhere;
    limn_model *model;
    limn_error error = { 0 };
    limn_import_settings settings = { .eval = true, .direction = "BtoA", .licence = "CC0-1.0" };

    (void)state;
    open_all(&s, &p, &nowhere);
    if (limn_import(p.from, p.model, &settings, &error)) fail_msg("%s", error.text);
    assert_false(limn_model_open(&model, p.model, &error));
    assert_false(limn_model_about(model)->networks[0].network.picture_statistics);
    assert_string_equal(limn_model_about(model)->direction, "BtoA");
    assert_string_equal(limn_model_about(model)->licence, "CC0-1.0");
    assert_non_null(strstr(limn_model_about(model)->made_from, "net_G, "));
    assert_null(strchr(limn_model_about(model)->made_from, '/')); /* no path of this machine */
    limn_model_close(&model);
    settings.eval = false;
    if (limn_import(p.from, p.model, &settings, &error)) fail_msg("%s", error.text);
    assert_false(limn_model_open(&model, p.model, &error));
    assert_true(limn_model_about(model)->networks[0].network.picture_statistics);
    limn_model_close(&model);
    assert_int_equal(limn_export(p.model, p.onnx, "G_B", &error), LIMN_SETTING);
    assert_non_null(strstr(error.text, "G_B"));
    assert_int_equal(limn_export(p.model, p.model, NULL, &error), LIMN_SETTING);
    assert_non_null(strstr(error.text, "would be overwritten"));
    assert_int_equal(limn_import(p.from, p.from, NULL, &error), LIMN_SETTING);
    assert_int_equal(limn_export(p.from, p.onnx, NULL, &error), LIMN_FORMAT);
    assert_non_null(strstr(error.text, "limn import"));
    fclose(nowhere);
    scratch_close(&s);
}

static void test_memory(void **state)
{
    size_t blocks = limn_memory_live_blocks();
    limn_status status = LIMN_NO_MEMORY;
    limn_error error = { 0 };
    FILE *nowhere;
    scratch s;
    paths p;
    int n;

    (void)state;
    open_all(&s, &p, &nowhere);
    for (n = 0; status && n < 20000; n += 1 + n / 20) {
        unlink(p.model);
        unlink(p.onnx);
        limn_memory_refuse_after(n);
        status = all(&p, nowhere, &error);
        limn_memory_refuse_after(-1);
        if (status && status != LIMN_NO_MEMORY) fail_msg("request %d: %s", n, error.text);
        assert_int_equal(limn_memory_live_blocks(), blocks);
    }
    assert_in_range(n, 10, 19999);
    assert_int_equal(scratch_entries(s.folder), 3);
    fclose(nowhere);
    scratch_close(&s);
}

static void test_disk(void **state)
{
    limn_status status = LIMN_IO;
    limn_error error = { 0 };
    FILE *nowhere;
    scratch s;
    paths p;
    int n, onnx_alone = 0;

    (void)state;
    open_all(&s, &p, &nowhere);
    for (n = 0; status && n < 20000; n++) {
        unlink(p.model);
        unlink(p.onnx);
        limn_file_fail_after(n);
        status = all(&p, nowhere, &error);
        limn_file_fail_after(-1);
        if (status && status != LIMN_IO) fail_msg("operation %d: %s", n, error.text);
        if (status) onnx_alone += scratch_entries(s.folder) == 2; /* the model is whole by now */
        assert_in_range(scratch_entries(s.folder), 1, 3);
    }
    assert_in_range(n, 10, 19999);
    assert_true(onnx_alone > 3);
    fclose(nowhere);
    scratch_close(&s);
}

/* Cut anywhere: a sentence with the file's name, and no output. */
static void test_cut(void **state)
{
    limn_error error = { 0 };
    FILE *nowhere;
    size_t count;
    scratch s;
    paths p;
    char *bytes;

    (void)state;
    open_all(&s, &p, &nowhere);
    assert_non_null(bytes = scratch_read(p.from, &count));
    for (size_t cut = 0; cut < count; cut += 1 + count / 97) {
        scratch_write(p.from, bytes, cut);
        assert_int_equal(limn_import(p.from, p.model, NULL, &error), LIMN_FORMAT);
        assert_non_null(strstr(error.text, "net_G"));
        assert_int_equal(limn_info(p.from, false, nowhere, &error), LIMN_FORMAT);
        assert_int_equal(scratch_entries(s.folder), 1);
    }
    free(bytes);
    fclose(nowhere);
    scratch_close(&s);
}

/* What info prints of a hostile card is JSON, and free of escapes. */
static void test_info_escapes(void **state)
{
    scratch s;
    paths p;
    FILE *nowhere, *out;
    limn_error error = { 0 };
    limn_import_settings settings = { .title = "a\x1b]0;b\"c\\d\n", .attribution = "\x7f" };
    char *told;
    size_t count;

    (void)state;
    open_all(&s, &p, &nowhere);
    assert_false(limn_import(p.from, p.model, &settings, &error));
    for (int json = 0; json < 2; json++) {
        assert_non_null(out = fopen(scratch_path(&s, "told"), "w"));
        assert_false(limn_info(p.model, json, out, &error));
        fclose(out);
        assert_non_null(told = scratch_read(s.path, &count));
        assert_null(memchr(told, 0x1b, count));
        assert_null(memchr(told, 0x7f, count));
        assert_non_null(strstr(told, json ? "\"a\\u001b]0;b\\\"c\\\\d\\u000a\"" : "a?]0;b\"c\\d?"));
        free(told);
    }
    fclose(nowhere);
    scratch_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings),     cmocka_unit_test(test_memory),
        cmocka_unit_test(test_disk),         cmocka_unit_test(test_cut),
        cmocka_unit_test(test_info_escapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
