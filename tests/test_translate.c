/* SPDX-License-Identifier: Apache-2.0
 *
 * Translating through limn.h, with networks whose answers are known (tiny_model.h). */
#include "image/picture.h"
#include "translate_cases.h"

/* ---- Pixels ---------------------------------------------------------------------------------- */

static double value_at(const limn_pixels *p, size_t i)
{
    return p->bits == 8 ? ((uint8_t *)p->data)[i] : ((uint16_t *)p->data)[i];
}

/* Colours are what the network's own function says, alpha is as it was. */
static void expect_same(const limn_pixels *in, const limn_pixels *out, int colours)
{
    double full = in->bits == 8 ? 255 : 65535, worst = 0;
    size_t count = (size_t)in->width * (size_t)in->height;

    assert_int_equal(out->width, in->width);
    assert_int_equal(out->height, in->height);
    assert_int_equal(out->channels, in->channels);
    assert_int_equal(out->bits, in->bits);
    for (size_t i = 0; i < count; i++)
        for (int c = 0; c < in->channels; c++) {
            size_t k = i * (size_t)in->channels + (size_t)c;
            double had = value_at(in, k), got = value_at(out, k);
            double want = c < colours ? (tiny_expected(had / full * 2 - 1) + 1) / 2 * full : had;

            if (c >= colours) assert_int_equal((int)got, (int)had);
            worst = fmax(worst, fabs(got - want));
        }
    /* Half a step of rounding; float32 through eight layers is worth a few of 65535. */
    assert_true(worst <= (in->bits == 8 ? 0.51 : 4));
}

static void test_pixels(void **state)
{
    static const struct {
        int width, height, channels, bits;
    } cases[] = { { 256, 256, 3, 8 }, { 257, 311, 3, 8 }, { 1, 1, 3, 8 },   { 2, 3, 3, 16 },
                  { 61, 33, 4, 8 },   { 40, 1, 4, 16 },   { 5, 90, 3, 16 }, { 64, 64, 4, 16 } };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        limn_pixels in = make_pixels(cases[i].width, cases[i].height, cases[i].channels,
                                     cases[i].bits),
                    out;

        if (limn_translate_pixels(t, &in, &out, &error)) fail_msg("%s", error.text);
        expect_same(&in, &out, 3);
        limn_pixels_free(&out);
        assert_null(out.data);
        free(in.data);
    }
}

/* Grey goes through a network of three channels three times over and comes out as RGB. */
static void test_grey_pixels(void **state)
{
    limn_pixels in = make_pixels(30, 20, 2, 8), out;

    (void)state;
    assert_false(limn_translate_pixels(t, &in, &out, &error));
    assert_int_equal(out.channels, 4);
    for (size_t i = 0; i < 600; i++) {
        const uint8_t *p = (uint8_t *)out.data + 4 * i, *q = (uint8_t *)in.data + 2 * i;
        double want = (tiny_expected(q[0] / 127.5 - 1) + 1) * 127.5;

        assert_true(p[0] == p[1] && p[1] == p[2] && p[3] == q[1]);
        assert_true(fabs(p[0] - want) <= 0.51);
    }
    limn_pixels_free(&out);
    free(in.data);
}

static void test_pixels_that_are_none(void **state)
{
    uint8_t one[8] = { 0 };
    limn_pixels bad[] = { { 0, 1, 3, 8, one },
                          { 1, -1, 3, 8, one },
                          { 1, 1, 0, 8, one },
                          { 1, 1, 3, 8, NULL },
                          { 1, 1, 5, 8, one } };
    limn_pixels odd = { 1, 1, 3, 12, one }, out;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(limn_translate_pixels(t, &bad[i], &out, &error), LIMN_SHAPE);
        assert_null(out.data);
    }
    assert_int_equal(limn_translate_pixels(t, &odd, &out, &error), LIMN_SETTING);
}

static void test_encoded(void **state)
{
    limn_pixels in = make_pixels(70, 50, 3, 8);
    limn_verification *v;
    size_t count;
    void *bytes;

    (void)state;
    assert_false(limn_translate_encoded(t, &in, &bytes, &count, &error));
    assert_false(limn_verify_bytes(&v, bytes, count, "memory", NULL, &error));
    assert_int_equal(v->verdict, LIMN_VERDICT_INTACT);
    assert_string_equal(v->format, "PNG");
    limn_verification_close(&v);
    ((unsigned char *)bytes)[count / 2] ^= 1;
    assert_false(limn_verify_bytes(&v, bytes, count, "memory", NULL, &error));
    assert_int_equal(v->verdict, LIMN_VERDICT_BROKEN);
    limn_verification_close(&v);
    limn_bytes_free(&bytes);
    free(in.data);
}

/* At the entrance, and at the exit: the negative of the eye passes, what inverting makes of it not.
 */
static void test_refusals(void **state)
{
    limn_pixels in = { SEEN_SIDE, SEEN_SIDE, 3, 8, seen_bytes("microaneurysms") }, out;
    limn_translate_settings settings = exactly();
    limn_translator *back;
    size_t count;
    void *bytes;

    (void)state;
    assert_int_equal(limn_translate_pixels(t, &in, &out, &error), LIMN_REFUSED_PICTURE);
    assert_non_null(strstr(error.text, "the input looks like"));
    assert_null(out.data);
    assert_int_equal(limn_translate_encoded(t, &in, &bytes, &count, &error), LIMN_REFUSED_PICTURE);
    assert_null(bytes);
    for (size_t i = 0; i < SEEN_BYTES; i++) ((uint8_t *)in.data)[i] ^= 255;
    assert_false(limn_translator_open(&back, inverse, &settings, &error));
    assert_int_equal(limn_translate_pixels(back, &in, &out, &error), LIMN_REFUSED_PICTURE);
    assert_non_null(strstr(error.text, "the output looks like"));
    assert_null(out.data);
    assert_int_equal(limn_translate_encoded(back, &in, &bytes, &count, &error),
                     LIMN_REFUSED_PICTURE);
    assert_null(bytes);
    limn_translator_close(&back);
    free(in.data);
}

/* ---- Memory and plans --------------------------------------------------------------------------
 */

static void test_memory_limit(void **state)
{
    limn_translate_settings settings = exactly();
    limn_pixels small = make_pixels(20, 20, 3, 8), large = make_pixels(900, 700, 3, 8), out;
    limn_translator *tight;

    (void)state;
    settings.memory_mib = 8;
    assert_false(limn_translator_open(&tight, same, &settings, &error));
    assert_int_equal(limn_translate_pixels(tight, &large, &out, &error), LIMN_SHAPE);
    assert_non_null(strstr(error.text, "900 x 700"));
    assert_non_null(strstr(error.text, "allowed are 8 MiB"));
    assert_false(limn_translate_pixels(tight, &small, &out, &error));
    limn_pixels_free(&out);
    limn_translator_close(&tight);
    free(small.data);
    free(large.data);
}

static size_t requests_of(int side)
{
    limn_pixels in = make_pixels(side, side, 3, 8), out;
    size_t before = limn_memory_requests();

    if (limn_translate_pixels(t, &in, &out, &error)) fail_msg("%s", error.text);
    before = limn_memory_requests() - before;
    limn_pixels_free(&out);
    free(in.data);
    return before;
}

/* A size that was used lately needs no plan; the one before four others does again. */
static void test_plans_are_kept(void **state)
{
    size_t first = requests_of(41), again = requests_of(43); /* both padded to 44 */

    (void)state;
    assert_true(again < first);
    requests_of(60), requests_of(64), requests_of(68);
    assert_true(requests_of(41) < first);
    requests_of(72), requests_of(76), requests_of(80), requests_of(84);
    assert_true(requests_of(41) > again);
}

static limn_status open_and_translate(const char *model)
{
    limn_pixels in = make_pixels(9, 7, 3, 8), out = { 0 };
    limn_translator *own;
    limn_status status = limn_translator_open(&own, model, NULL, &error);

    if (status)
        assert_null(own);
    else
        status = limn_translate_pixels(own, &in, &out, &error);
    if (status) assert_null(out.data);
    limn_pixels_free(&out);
    limn_translator_close(&own);
    free(in.data);
    return status;
}

static void test_memory_faults(void **state)
{
    long n = 0, worked = 0;

    (void)state;
    for (;; n += 1 + n / 6) {
        limn_status status;

        limn_memory_refuse_after(n);
        status = open_and_translate(same);
        limn_memory_refuse_after(-1);
        assert_int_equal(limn_memory_live_blocks(), blocks);
        if (!status) break;
        assert_int_equal(status, LIMN_NO_MEMORY);
        worked++;
    }
    assert_true(worked > 10);
}

/* ---- Files ----------------------------------------------------------------------------------- */

typedef struct seen {
    size_t events, stop_after;
    char sentences[2000];
} seen;

static bool progress(void *context, const limn_translate_event *e)
{
    seen *s = context;

    assert_int_equal(e->done, ++s->events); /* in order */
    if (e->sentence)
        strncat(s->sentences, e->sentence, sizeof s->sentences - strlen(s->sentences) - 1);
    return s->events != s->stop_after;
}

/* Twelve pictures in a folder, two broken. */
static void fill_folder(void)
{
    make_folder("in");
    make_folder("in/sub");
    for (int i = 0; i < 12; i++) {
        limn_pixels p = make_pixels(20 + i % 3, 16, 3, 8);
        char name[40];

        sprintf(name, "in/%s%02d.ppm", i % 2 ? "sub/" : "", i);
        write_ppm(name, &p);
        if (i == 3 || i == 8) scratch_write(folder.path, "nothing", 7);
        free(p.data);
    }
}

static limn_status run_folder(int workers, seen *s, limn_translate_counts *counts)
{
    limn_translate_settings settings = exactly();
    char in[600], out[600];
    const char *inputs[] = { in };
    limn_translator *own;
    limn_status status;

    strcpy(in, scratch_path(&folder, "in"));
    strcpy(out, scratch_path(&folder, "out"));
    settings.workers = workers;
    assert_false(limn_translator_open(&own, same, &settings, &error));
    status = limn_translate(own, inputs, 1, out, progress, s, counts, &error);
    limn_translator_close(&own);
    return status;
}

static void test_folder(void **state)
{
    (void)state;
    fill_folder();
    for (int workers = 0; workers < 4; workers++) {
        limn_translate_counts counts;
        seen s = { 0 };

        if (workers == 3) limn_worker_refuse_after(1); /* fewer threads than asked for */
        assert_int_equal(run_folder(workers, &s, &counts), LIMN_FORMAT);
        limn_worker_refuse_after(-1);
        assert_int_equal(s.events, 12);
        assert_int_equal(counts.total, 12);
        assert_int_equal(counts.written, 10);
        assert_int_equal(counts.failed, 2);
        assert_int_equal(counts.refused, 0);
        assert_non_null(strstr(error.text, "2 of 12 pictures could not be translated"));
        assert_non_null(strstr(s.sentences, "08.ppm"));
        assert_int_equal(scratch_entries(scratch_path(&folder, "out")), 5 + 1);
        assert_int_equal(scratch_entries(scratch_path(&folder, "out/sub")), 5);
        scratch_remove(scratch_path(&folder, "out"));
        assert_int_equal(limn_memory_live_blocks(), blocks);
    }
}

static void test_stopping(void **state)
{
    limn_translate_counts counts;
    seen s = { .stop_after = 2 };

    (void)state;
    fill_folder();
    assert_int_equal(run_folder(2, &s, &counts), LIMN_STOPPED);
    assert_in_range(s.events, 2, 7); /* those in flight are finished */
    assert_int_equal(counts.written + counts.failed, s.events);
    assert_int_equal(limn_memory_live_blocks(), blocks);
}

/* A full disk: every picture says so, nothing half-written is left. */
static void test_disk_full(void **state)
{
    limn_translate_counts counts;
    seen s = { 0 };

    (void)state;
    fill_folder();
    make_folder("out");
    make_folder("out/sub");
    limn_file_fail_after(2);
    assert_int_equal(run_folder(2, &s, &counts), LIMN_IO);
    limn_file_fail_after(-1);
    assert_int_equal(counts.written, 0);
    assert_int_equal(counts.failed, 12);
    assert_non_null(strstr(s.sentences, "No space left on device"));
    assert_int_equal(scratch_entries(scratch_path(&folder, "out")), 1);
    assert_int_equal(scratch_entries(scratch_path(&folder, "out/sub")), 0);
}

/* ---- Models that are refused --------------------------------------------------------------------
 */

static void test_wrong_models(void **state)
{
    limn_translate_settings settings = exactly();
    limn_translator *own = t;

    (void)state;
    assert_int_equal(
        limn_translator_open(&own, scratch_path(&folder, "no.safetensors"), NULL, &error), LIMN_IO);
    assert_null(own);
    assert_int_equal(limn_translator_open(&own, folder.folder, NULL, &error), LIMN_IO);
    assert_non_null(strstr(error.text, "folder without a model"));
    scratch_write(scratch_path(&folder, "words.safetensors"), "words", 5);
    assert_int_equal(limn_translator_open(&own, folder.path, NULL, &error), LIMN_FORMAT);
    settings.sample = 2; /* trained without dropout */
    assert_int_equal(limn_translator_open(&own, same, &settings, &error), LIMN_SETTING);
    settings = exactly();
    settings.direction = "sideways";
    assert_int_equal(limn_translator_open(&own, same, &settings, &error), LIMN_SETTING);
    settings = exactly();
    settings.network = "D";
    assert_int_equal(limn_translator_open(&own, same, &settings, &error), LIMN_SETTING);
    settings = exactly();
    settings.sign_cert = same;
    assert_int_equal(limn_translator_open(&own, same, &settings, &error), LIMN_SETTING);
    assert_int_equal(limn_memory_live_blocks(), blocks);
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop_keeping)
    static char path[500];
    const struct CMUnitTest tests[] = {
        TEST(test_pixels),         TEST(test_grey_pixels),   TEST(test_pixels_that_are_none),
        TEST(test_encoded),        TEST(test_refusals),      TEST(test_memory_limit),
        TEST(test_plans_are_kept), TEST(test_memory_faults), TEST(test_folder),
        TEST(test_stopping),       TEST(test_disk_full),     TEST(test_wrong_models),
    };

    snprintf(path, sizeof path, "%s/tests/screening/", argc > 1 ? argv[1] : ".");
    screening_folder = path;
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
