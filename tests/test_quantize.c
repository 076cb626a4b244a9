/* SPDX-License-Identifier: Apache-2.0
 *
 * limn quantize: from a model and pictures to an int8 model, and everything that reads one. */
#include "base/file.h"
#include "base/threads.h"
#include "model/layers.h"
#include "scratch.h"
#include "tiny_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static scratch folder;
static limn_error error;
static char model[600], model8[600], pictures[600];

enum { PICTURES = 6, SIDE = 48 };

static void write_picture(const char *where, int number)
{
    static unsigned char bytes[32 + 3 * SIDE * SIDE];
    int used = snprintf((char *)bytes, 32, "P6\n%d %d\n255\n", SIDE, SIDE);
    char path[700];

    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            for (int c = 0; c < 3; c++)
                bytes[used + 3 * (y * SIDE + x) + c] =
                    (unsigned char)(127 + 120 * sin(0.07 * x * (1 + number) + 0.9 * c + 0.05 * y));
    snprintf(path, sizeof path, "%s/%d.ppm", where, number);
    scratch_write(path, bytes, (size_t)used + 3 * SIDE * SIDE);
}

static int start_all(void **state)
{
    limn_quantize_settings settings = limn_quantize_defaults();
    limn_quantize_result r;

    (void)state;
    scratch_open(&folder);
    snprintf(model, sizeof model, "%s/model.safetensors", folder.folder);
    snprintf(model8, sizeof model8, "%s/model8.safetensors", folder.folder);
    snprintf(pictures, sizeof pictures, "%s/pictures", folder.folder);
    if (tiny_model(model, 3, TINY_RANDOM, &error) || limn_folder_make(pictures, &error)) return -1;
    for (int i = 0; i < PICTURES; i++) write_picture(pictures, i);
    if (limn_quantize(model, pictures, model8, &settings, &r, NULL, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return -1;
    }
    return 0;
}

static int stop_all(void **state)
{
    (void)state;
    scratch_close(&folder);
    return limn_memory_live_blocks() ? -1 : 0;
}

static void test_result(void **state)
{
    limn_quantize_settings settings = limn_quantize_defaults();
    limn_quantize_result r;
    char other[700];

    (void)state;
    snprintf(other, sizeof other, "%s/other.safetensors", folder.folder);
    assert_int_equal(limn_quantize(model, pictures, other, &settings, &r, NULL, &error), LIMN_OK);
    assert_int_equal(r.layers, 8);
    assert_int_equal(r.int8_layers, 6); /* all but the first and the last */
    assert_int_equal(r.pictures + r.held_out, PICTURES);
    assert_true(r.held_out > 0 && r.pictures > 0);
    assert_true(r.psnr >= 38 && r.held_out_psnr > 30 && r.psnr < 98);
    assert_true(r.held_out_worst <= r.held_out_psnr);
    assert_true(r.megabytes_after < r.megabytes_before);
    settings.psnr = 99; /* out of reach: nothing may be written */
    unlink(other);
    assert_int_equal(limn_quantize(model, pictures, other, &settings, &r, NULL, &error),
                     LIMN_SETTING);
    assert_non_null(strstr(error.text, "--psnr"));
    assert_false(limn_model_is(other));
}

/* What anyone reads with a safetensors library: weight = whole number times scale of its output. */
static void test_file(void **state)
{
    limn_safetensors *file, *before;
    const limn_saved_tensor *w, *scale, *original;
    const limn_model_card *card;
    limn_model *m, *m8;
    double square = 0, size = 0;

    (void)state;
    assert_int_equal(limn_safetensors_open(&file, model8, &error), LIMN_OK);
    assert_int_equal(limn_safetensors_open(&before, model, &error), LIMN_OK);
    w = limn_safetensors_find(file, "model.4.weight");
    scale = limn_safetensors_find(file, "model.4.weight_scale");
    original = limn_safetensors_find(before, "model.4.weight");
    assert_non_null(w);
    assert_int_equal(w->type, LIMN_I8);
    assert_int_equal(w->count, original->count);
    assert_int_equal(scale->count, (size_t)original->size[0]);
    for (size_t i = 0; i < w->count; i++) {
        float a, s = ((const float *)scale->data)[i / (w->count / scale->count)];

        memcpy(&a, (const char *)original->data + i * sizeof a, sizeof a);
        square += pow((double)a - (double)(((const int8_t *)w->data)[i] * s), 2);
        size += pow((double)a, 2);
    }
    assert_true(square / size < 1e-3); /* 30 dB and more */
    assert_int_equal(limn_safetensors_find(file, "model.1.weight")->type, LIMN_F32);
    assert_string_equal(limn_safetensors_text(file, "limn.network.G.int8"), "true");
    limn_safetensors_close(&file);
    limn_safetensors_close(&before);

    assert_int_equal(limn_model_open(&m, model, &error), LIMN_OK);
    assert_int_equal(limn_model_open(&m8, model8, &error), LIMN_OK);
    card = limn_model_about(m8);
    assert_true(limn_model_intact(m8));
    assert_string_equal(limn_model_text(card->record, card->record_count, "int8.from"),
                        limn_model_about(m)->weights_sha256);
    assert_string_equal(card->title, limn_model_about(m)->title);
    limn_model_close(&m8);
    limn_model_close(&m);
}

/* The floats that it stands for, as `limn train --init` reads them. */
static void test_read_as_floats(void **state)
{
    limn_trial a, b;
    double square = 0;
    size_t count;

    (void)state;
    assert_int_equal(limn_trial_run(&a, model, NULL, 1, &error), LIMN_OK);
    assert_int_equal(limn_trial_run(&b, model8, NULL, 1, &error), LIMN_OK);
    count = (size_t)a.output_size[1] * (size_t)a.output_size[2] * (size_t)a.output_size[3];
    for (size_t i = 0; i < count; i++) square += pow((double)a.output[i] - (double)b.output[i], 2);
    assert_true(square > 0 && square / (double)count < 1e-3);
    limn_trial_free(&a);
    limn_trial_free(&b);
}

static void translated(const char *path, int compute, unsigned char *out)
{
    static unsigned char in[3 * SIDE * SIDE];
    limn_translate_settings settings = limn_translate_defaults();
    limn_pixels from = { SIDE, SIDE, 3, 8, in }, to;
    limn_translator *t;

    for (int i = 0; i < 3 * SIDE * SIDE; i++) in[i] = (unsigned char)(127 + 100 * sin(0.01 * i));
    settings.compute = compute;
    if (limn_translator_open(&t, path, &settings, &error)) fail_msg("%s", error.text);
    if (limn_translate_pixels(t, &from, &to, &error)) fail_msg("%s", error.text);
    memcpy(out, to.data, 3 * SIDE * SIDE);
    limn_pixels_free(&to);
    limn_translator_close(&t);
}

static double levels(const unsigned char *a, const unsigned char *b)
{
    double sum = 0;

    for (int i = 0; i < 3 * SIDE * SIDE; i++) sum += pow((double)a[i] - (double)b[i], 2);
    return sqrt(sum / (3 * SIDE * SIDE));
}

static void test_translate(void **state)
{
    static unsigned char whole[3 * SIDE * SIDE], int8[3 * SIDE * SIDE], plain[3 * SIDE * SIDE];

    (void)state;
    translated(model, LIMN_COMPUTE_PLAIN, whole);
    translated(model8, LIMN_COMPUTE_AUTO, int8);
    translated(model8, LIMN_COMPUTE_PLAIN, plain);
    assert_true(levels(whole, int8) < 3.2); /* 38 dB of 255 levels */
    assert_true(levels(int8, plain) < 1.6);
    assert_true(levels(whole, plain) > 0); /* the plain loops are int8 too */
}

static void test_refusals(void **state)
{
    char path[700], empty[700];

    (void)state;
    snprintf(path, sizeof path, "%s/x.onnx", folder.folder);
    assert_int_equal(limn_export(model8, path, NULL, &error), LIMN_SETTING);
    assert_non_null(strstr(error.text, "int8"));
    assert_int_equal(limn_quantize(model8, pictures, path, NULL, NULL, NULL, &error), LIMN_SETTING);
    assert_non_null(strstr(error.text, "int8 already"));
    snprintf(empty, sizeof empty, "%s/one", folder.folder);
    assert_int_equal(limn_folder_make(empty, &error), LIMN_OK);
    write_picture(empty, 1);
    assert_int_equal(limn_quantize(model, empty, path, NULL, NULL, NULL, &error), LIMN_FORMAT);
    assert_non_null(strstr(error.text, "two pictures"));
    assert_int_equal(limn_quantize(model, "/no/such/folder", path, NULL, NULL, NULL, &error),
                     LIMN_IO);
}

/* A file with a number that makes no sense, and one that is cut off. */
static void test_damaged(void **state)
{
    static const struct {
        const char *tensor;
        float value;
        const char *says;
    } cases[] = { { "model.4.input_step", -1, "makes no sense" },
                  { "model.4.input_zero", 300, "makes no sense" } };
    char path[700];
    size_t count;
    char *bytes = scratch_read(model8, &count);
    limn_translator *t;

    (void)state;
    snprintf(path, sizeof path, "%s/damaged.safetensors", folder.folder);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        limn_safetensors *file;
        float before;
        size_t at;

        assert_int_equal(limn_safetensors_open_bytes(&file, bytes, count, "x", &error), LIMN_OK);
        at = (size_t)((const char *)limn_safetensors_find(file, cases[i].tensor)->data - bytes);
        limn_safetensors_close(&file);
        memcpy(&before, bytes + at, sizeof before);
        memcpy(bytes + at, &cases[i].value, sizeof before);
        scratch_write(path, bytes, count);
        memcpy(bytes + at, &before, sizeof before);
        assert_int_equal(limn_translator_open(&t, path, NULL, &error), LIMN_FORMAT);
        assert_non_null(strstr(error.text, cases[i].says));
    }
    scratch_write(path, bytes, count - 100);
    assert_int_not_equal(limn_translator_open(&t, path, NULL, &error), LIMN_OK);
    assert_null(t);
    free(bytes);
}

static void test_no_memory(void **state)
{
    size_t before = limn_memory_live_blocks();
    limn_status status = LIMN_NO_MEMORY;
    limn_translator *t;
    long n;

    (void)state;
    for (n = 0; status && n < 3000; n += n < 40 ? 1 : 17) {
        limn_memory_refuse_after(n);
        status = limn_translator_open(&t, model8, NULL, &error);
        limn_memory_refuse_after(-1);
        if (status) {
            assert_null(t);
            assert_int_equal(limn_memory_live_blocks(), before);
        }
    }
    assert_int_equal(status, LIMN_OK);
    assert_true(n > 10);
    limn_translator_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_result),         cmocka_unit_test(test_file),
        cmocka_unit_test(test_read_as_floats), cmocka_unit_test(test_translate),
        cmocka_unit_test(test_refusals),       cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, start_all, stop_all);
}
