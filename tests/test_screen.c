/* SPDX-License-Identifier: Apache-2.0
 *
 * The screen against numbers recorded with tfjs, an independent implementation (tests/screening,
 * 8-bit 224 x 224 pictures and layer outputs), and the resize against Pillow.  The refusal is
 * tested with microaneurysms, a CC0 picture of the back of an eye that fools both classifiers. */
#include "scratch.h"
#include "screen/screen_weights.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { SIDE = 224, RGB = 3 * SIDE * SIDE };

/* Probabilities: the bound; what is left is the order of sums.  Taps: of the largest value.
 */
static const double close_probability = 1e-4, close_tap = 1e-4;
static const char *const harmless[] = { "synthetic", "chelsea_cat", "coffee" };

static const char *data; /* tests/screening */
static limn_error error;
static limn_screen *screen;

static int start(void **state)
{
    (void)state;
    return limn_screen_open(&screen, LIMN_COMPUTE_AUTO, &error);
}

static int stop(void **state)
{
    (void)state;
    limn_screen_close(&screen);
    limn_memory_refuse_after(-1);
    assert_int_equal(limn_memory_live_blocks(), 0);
    return 0;
}

/* The values of a .npy file, which this test knows the shape of; free *bytes. */
static const void *load(const char *name, size_t expected, char **bytes)
{
    char path[600];
    size_t count;

    snprintf(path, sizeof path, "%s/%s.npy", data, name);
    *bytes = scratch_read(path, &count);
    assert_non_null(*bytes);
    assert_true(count > 128 && !memcmp(*bytes, "\x93NUMPY", 6) && count - 128 == expected);
    return *bytes + 128;
}

static char *load_picture(limn_picture *picture, const char *name)
{
    char file[100], *bytes;

    snprintf(file, sizeof file, "%s_224_rgb_u8", name);
    *picture = (limn_picture){
        .info = { .width = SIDE, .height = SIDE, .channels = 3, .type = LIMN_U8 }
    };
    picture->pixels = (void *)(uintptr_t)load(file, RGB, &bytes);
    return bytes;
}

static limn_screen_verdict judge(limn_screen *by, const limn_picture *picture, limn_part part)
{
    limn_screen_subject subject = { picture, part };
    limn_screen_verdict verdict;

    assert_int_equal(limn_screen_pictures(by, &subject, 1, &verdict, &error), LIMN_OK);
    return verdict;
}

static limn_screen_verdict judge_named(limn_screen *by, const char *name)
{
    limn_picture picture;
    char *bytes = load_picture(&picture, name);
    limn_screen_verdict verdict = judge(by, &picture, (limn_part){ 0 });

    free(bytes);
    return verdict;
}

static json_t *reference(void)
{
    char path[600];
    json_t *all;

    snprintf(path, sizeof path, "%s/reference.json", data);
    all = json_load_file(path, 0, NULL);
    assert_non_null(all);
    return all;
}

static double recorded_score(json_t *all, const char *name, const limn_screen_verdict *compared)
{
    double score = 0;

    for (int m = 0; m < LIMN_SCREEN_MODELS; m++) {
        char key[100];
        json_t *row;

        snprintf(key, sizeof key, "%s_224", name);
        row = json_object_get(
            json_object_get(json_object_get(all, "models"), limn_screen_models[m].name), key);
        assert_int_equal(json_array_size(row), LIMN_SCREEN_CLASSES);
        for (size_t c = 0; c < LIMN_SCREEN_CLASSES; c++) {
            double p = json_number_value(json_array_get(row, c));

            if (c == 1 || c == 3 || c == 4) score += p / 2;
            if (compared && !(fabs(p - (double)compared->probability[m][c]) < close_probability))
                fail_msg("%s, %s, class %zu: %g, recorded %g", limn_screen_models[m].name, name, c,
                         (double)compared->probability[m][c], p);
        }
    }
    return score;
}

static void test_probabilities(void **state)
{
    json_t *all = reference();

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        const char *name = i < 3 ? harmless[i] : "microaneurysms";
        limn_screen_verdict verdict = judge_named(screen, name);

        assert_true(fabs(recorded_score(all, name, &verdict) - (double)verdict.score) < 1e-4);
        assert_int_equal(verdict.refused, i == 3);
    }
    json_decref(all);
}

static void test_bf16(void **state)
{
    json_t *all = reference();
    limn_screen *bf16;

    (void)state;
    assert_int_equal(limn_screen_open(&bf16, LIMN_COMPUTE_BF16, &error), LIMN_OK);
    for (size_t i = 0; i < 4; i++) {
        const char *name = i < 3 ? harmless[i] : "microaneurysms";
        limn_screen_verdict verdict = judge_named(bf16, name);

        assert_true(fabs(recorded_score(all, name, NULL) - (double)verdict.score) < 0.01);
        assert_int_equal(verdict.refused, i == 3);
    }
    limn_screen_close(&bf16);
    json_decref(all);
}

/* recorded (rows, columns, channels) of ours (channels or more, height, columns), from row `first`.
 */
static void compare_tap(const char *name, const float *ours, limn_shape s, const float *recorded,
                        int channels, int first, int rows)
{
    double most = 0;

    for (int i = 0; i < rows * s.w * channels; i++) most = fmax(most, fabs((double)recorded[i]));
    for (int c = 0; c < s.c; c++)
        for (int y = 0; y < rows; y++)
            for (int x = 0; x < s.w; x++) {
                double is = (double)ours[(c * s.h + first + y) * s.w + x];
                double want = c < channels ? (double)recorded[(y * s.w + x) * channels + c]
                                           : 0; /* added channels hold nothing */

                if (!(fabs(is - want) <= close_tap * most))
                    fail_msg("%s at channel %d, (%d, %d): %g, recorded %g", name, c, x, first + y,
                             is, want);
            }
}

static void test_layers(void **state)
{
    static const struct {
        const char *file, *name;
        int layer, side, channels, first, rows;
    } taps[] = {
        { "mnv2_Conv1_relu_rows_104_to_111", "Conv1_relu", 0, 112, 32, 104, 8 },
        { "mnv2_block_2_add", "block_2_add", 3, 56, 24, 0, 56 },
        { "mnv2_block_13_project_BN", "block_13_project_BN", 14, 7, 160, 0, 7 },
        { "mnv2_average_pooling2d_1", "average_pooling2d_1", 18, 1, 1280, 0, 1 },
    };
    enum { TAPS = 4 };
    int layers[TAPS];
    limn_value values[TAPS];
    limn_taps inside = { layers, TAPS, values };
    limn_plan_settings settings = { .compute = LIMN_COMPUTE_FP32 };
    const limn_screen_model *model = &limn_screen_models[0];
    limn_picture picture;
    limn_graph *graph;
    limn_weights *weights;
    limn_plan *plan;
    limn_value x;
    json_t *all = reference(), *recorded;
    float *floats = malloc(112 * 112 * 32 * sizeof *floats);
    char *bytes = load_picture(&picture, "synthetic");

    (void)state;
    assert_non_null(floats);
    if (limn_compute_resolve(LIMN_COMPUTE_AUTO, NULL) ==
        LIMN_COMPUTE_PLAIN) /* built without oneDNN */
        settings.compute = LIMN_COMPUTE_PLAIN;
    recorded = json_object_get(json_object_get(json_object_get(all, "models"), "mobilenet_v2"),
                               "taps");
    for (int i = 0; i < TAPS; i++) layers[i] = taps[i].layer;
    assert_int_equal(limn_graph_open(&graph, false, &error), LIMN_OK);
    assert_int_equal(limn_weights_open(&weights, &error), LIMN_OK);
    x = limn_input(graph, "x", (limn_shape){ 1, 3, SIDE, SIDE });
    assert_true(limn_mobilenet(graph, model->name, &model->network, x, &inside) >= 0);
    for (int i = 0; i < TAPS; i++) limn_report(graph, taps[i].name, values[i]);
    assert_int_equal(limn_weights_add(weights, graph, &error), LIMN_OK);
    assert_int_equal(limn_screen_weights_load(
                         weights, limn_screening_weights,
                         (size_t)(limn_screening_weights_end - limn_screening_weights), &error),
                     LIMN_OK);
    assert_int_equal(limn_plan_open(&plan, graph, weights, &settings, &error), LIMN_OK);
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < SIDE * SIDE; i++)
            floats[c * SIDE * SIDE + i] = ((uint8_t *)picture.pixels)[3 * i + c] / 255.0f;
    assert_int_equal(limn_plan_feed(plan, x, floats, &error), LIMN_OK);
    assert_int_equal(limn_plan_run(plan, &(limn_moment){ 0 }, &error), LIMN_OK);
    for (int i = 0; i < TAPS; i++) {
        size_t count = (size_t)taps[i].rows * (size_t)taps[i].side * (size_t)taps[i].channels;
        limn_shape s = limn_shape_of(graph, values[i]);
        double sum = 0, mean = json_number_value(
                            json_object_get(json_object_get(recorded, taps[i].name), "mean_abs"));
        char *file;
        const float *want = load(taps[i].file, count * sizeof *want, &file);

        assert_true(s.h == taps[i].side && s.w == taps[i].side && s.c >= taps[i].channels);
        assert_int_equal(limn_plan_read(plan, values[i], floats, &error), LIMN_OK);
        compare_tap(taps[i].name, floats, s, want, taps[i].channels, taps[i].first, taps[i].rows);
        /* And of all rows, where only some are kept: the mean. */
        for (size_t k = 0; k < limn_count(s); k++) sum += fabs((double)floats[k]);
        sum /= (double)taps[i].channels * s.h * s.w;
        assert_true(mean > 0 && fabs(sum - mean) < 1e-5 * mean);
        free(file);
    }
    limn_plan_close(&plan);
    limn_weights_close(&weights);
    limn_graph_close(&graph);
    json_decref(all);
    free(floats);
    free(bytes);
}

/* ---- Every way in -----------------------------------------------------------------------------
 */

static void to_planes(const limn_picture *picture, float *planes)
{
    for (int i = 0; i < RGB; i++)
        planes[i % 3 * SIDE * SIDE + i / 3] = ((uint8_t *)picture->pixels)[i] / 127.5f - 1;
}

static void test_refused_everywhere(void **state)
{
    limn_picture bad, good, both;
    char *bad_bytes = load_picture(&bad, "microaneurysms");
    char *good_bytes = load_picture(&good, "coffee");
    float *planes = malloc(2 * RGB * sizeof *planes);
    uint8_t *alpha = calloc(1, SIDE * SIDE), *pixels = malloc(2 * RGB);
    limn_screen_verdict verdicts[2];

    (void)state;
    assert_true(planes && alpha && pixels);
    /* What a network puts out: planes; a batch of two; six channels. */
    to_planes(&good, planes);
    to_planes(&bad, planes + RGB);
    assert_int_equal(
        limn_screen_planes(screen, planes, (limn_shape){ 2, 3, SIDE, SIDE }, verdicts, &error),
        LIMN_OK);
    assert_false(verdicts[0].refused);
    assert_true(verdicts[1].refused);
    assert_true(fabsf(verdicts[1].score - 0.762f) < 1e-3f);
    assert_int_equal(
        limn_screen_planes(screen, planes, (limn_shape){ 1, 6, SIDE, SIDE }, verdicts, &error),
        LIMN_OK);
    assert_true(verdicts[0].refused);

    /* One half of a side-by-side file. */
    for (int y = 0; y < SIDE; y++) {
        memcpy(pixels + 6 * y * SIDE, (uint8_t *)good.pixels + 3 * y * SIDE, 3 * SIDE);
        memcpy(pixels + 6 * y * SIDE + 3 * SIDE, (uint8_t *)bad.pixels + 3 * y * SIDE, 3 * SIDE);
    }
    both = bad;
    both.info.width = 2 * SIDE;
    both.pixels = pixels;
    assert_false(judge(screen, &both, (limn_part){ 0, 0, SIDE, SIDE }).refused);
    assert_true(judge(screen, &both, (limn_part){ SIDE, 0, SIDE, SIDE }).refused);

    /* Made invisible: the colours are looked at all the same. */
    bad.alpha = alpha;
    assert_true(judge(screen, &bad, (limn_part){ 0 }).refused);
    free(alpha);
    free(pixels);
    free(planes);
    free(bad_bytes);
    free(good_bytes);
}

/* Eight and more run together, what is left one by one: the same verdicts in their places. */
static void test_many_together(void **state)
{
    enum { COUNT = 11 };
    limn_screen_subject subjects[COUNT];
    limn_screen_verdict verdicts[COUNT], alone[2];
    limn_picture pictures[2];
    char *bytes[2] = { load_picture(&pictures[0], "microaneurysms"),
                       load_picture(&pictures[1], "chelsea_cat") };

    (void)state;
    for (int i = 0; i < COUNT; i++)
        subjects[i] = (limn_screen_subject){ &pictures[i % 3 == 1 ? 0 : 1], { 0 } };
    assert_int_equal(limn_screen_pictures(screen, subjects, COUNT, verdicts, &error), LIMN_OK);
    for (int i = 0; i < 2; i++) alone[i] = judge(screen, &pictures[i], (limn_part){ 0 });
    for (int i = 0; i < COUNT; i++) {
        const limn_screen_verdict *want = &alone[i % 3 == 1 ? 0 : 1];

        assert_int_equal(verdicts[i].refused, want->refused);
        assert_true(fabsf(verdicts[i].score - want->score) < 1e-5f);
    }
    free(bytes[0]);
    free(bytes[1]);
}

/* No number is black, as the encoder has it; too large is white. */
static void test_no_numbers(void **state)
{
    float *planes = malloc(2 * RGB * sizeof *planes);
    limn_screen_verdict odd[2], plain[2];

    (void)state;
    assert_non_null(planes);
    for (int i = 0; i < 2 * RGB; i++) planes[i] = i < RGB ? NAN : INFINITY;
    assert_int_equal(
        limn_screen_planes(screen, planes, (limn_shape){ 2, 3, SIDE, SIDE }, odd, &error), LIMN_OK);
    for (int i = 0; i < 2 * RGB; i++) planes[i] = i < RGB ? -1 : 1;
    assert_int_equal(
        limn_screen_planes(screen, planes, (limn_shape){ 2, 3, SIDE, SIDE }, plain, &error),
        LIMN_OK);
    for (int i = 0; i < 2; i++) assert_true(odd[i].score == plain[i].score && !odd[i].refused);
    assert_true(odd[0].score != odd[1].score);
    free(planes);
}

static void test_outside(void **state)
{
    limn_screen_verdict verdict;
    limn_picture picture;
    char *bytes = load_picture(&picture, "coffee");
    limn_screen_subject subject = { &picture, { 1, 0, SIDE, SIDE } };
    float one = 0;

    (void)state;
    assert_int_equal(limn_screen_pictures(screen, &subject, 1, &verdict, &error), LIMN_SHAPE);
    assert_int_equal(limn_screen_planes(screen, &one, (limn_shape){ 1, 0, 1, 1 }, &verdict, &error),
                     LIMN_SHAPE);
    assert_int_equal(limn_screen_pictures(screen, NULL, 0, NULL, &error), LIMN_OK);
    free(bytes);
}

/* ---- Weights, memory, policy ------------------------------------------------------------------
 */

static void test_tampered(void **state)
{
    size_t count = (size_t)(limn_screening_weights_end - limn_screening_weights);
    unsigned char *copy = malloc(count);
    const size_t places[] = { 0, 9, 60000, count / 2, count - 1 };
    limn_screen *other;

    (void)state;
    assert_non_null(copy);
    memcpy(copy, limn_screening_weights, count);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        copy[places[i]] ^= 1;
        assert_int_equal(limn_screen_open_bytes(&other, copy, count, LIMN_COMPUTE_AUTO, &error),
                         LIMN_FORMAT);
        assert_null(other);
        assert_non_null(strstr(error.text, "nothing runs"));
        copy[places[i]] ^= 1;
    }
    assert_int_equal(limn_screen_open_bytes(&other, copy, count - 1, LIMN_COMPUTE_AUTO, &error),
                     LIMN_FORMAT);
    assert_int_equal(limn_screen_open_bytes(&other, copy, 0, LIMN_COMPUTE_AUTO, &error),
                     LIMN_FORMAT);
    assert_int_equal(limn_screen_open_bytes(&other, copy, count, LIMN_COMPUTE_AUTO, &error),
                     LIMN_OK);
    limn_screen_close(&other);
    free(copy);
}

static bool is_refusal(limn_status status)
{
    return status == LIMN_NO_MEMORY || status == LIMN_COMPUTE;
}

/* Opening makes hundreds of requests and takes its time: each of the first, then every tenth or so.
 */
static void test_memory_refused_while_opening(void **state)
{
    size_t live = limn_memory_live_blocks();
    limn_screen *other;
    long n = 0;

    (void)state;
    for (;; n += 1 + n / 12) {
        limn_status status;

        limn_memory_refuse_after(n);
        error.text[0] = '\0';
        status = limn_screen_open(&other, LIMN_COMPUTE_AUTO, &error);
        limn_memory_refuse_after(-1);
        if (!status) break;
        assert_true(is_refusal(status) && error.text[0]);
        assert_null(other);
        assert_int_equal(limn_memory_live_blocks(), live);
    }
    assert_true(n > 100);
    limn_screen_close(&other);
    assert_int_equal(limn_memory_live_blocks(), live);
}

static void test_memory_refused_while_judging(void **state)
{
    enum { COUNT = 8 };
    limn_screen_subject subjects[COUNT];
    limn_screen_verdict verdicts[COUNT];
    limn_picture picture;
    char *bytes = load_picture(&picture, "microaneurysms");
    limn_screen *other;
    size_t live, requests;
    long n = 0;

    (void)state;
    assert_int_equal(limn_screen_open(&other, LIMN_COMPUTE_AUTO, &error), LIMN_OK);
    for (int i = 0; i < COUNT; i++) subjects[i] = (limn_screen_subject){ &picture, { 0 } };
    live = limn_memory_live_blocks();
    for (;; n++) { /* the plan for eight is made here */
        limn_status status;

        limn_memory_refuse_after(n);
        status = limn_screen_pictures(other, subjects, COUNT, verdicts, &error);
        limn_memory_refuse_after(-1);
        if (!status) break;
        assert_true(is_refusal(status));
        assert_int_equal(limn_memory_live_blocks(), live);
        if (n % 16 == 0) /* and goes on as before */
            assert_true(judge(other, &picture, (limn_part){ 0 }).refused);
    }
    assert_true(n > 1);
    for (int i = 0; i < COUNT; i++) assert_true(verdicts[i].refused);
    requests = limn_memory_requests();
    judge(other, &picture, (limn_part){ 0 });
    assert_int_equal(limn_memory_requests() - requests, 1); /* the rows of the resize */
    limn_screen_close(&other);
    free(bytes);
}

static void test_policy(void **state)
{
    static const struct {
        size_t flagged, screened;
        bool refused;
    } cases[] = { { 0, 0, false },   { 0, 10, false },    { 1, 1, true },    { 2, 2, true },
                  { 2, 3, false },   { 2, 50, false },    { 3, 10, true },   { 3, 149, true },
                  { 3, 150, false }, { 20, 1000, false }, { 21, 1000, true } };
    limn_screen_verdict verdict = { .score = 0.7621f, .refused = true };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(limn_screen_refuses_set(cases[i].flagged, cases[i].screened),
                         cases[i].refused);
    assert_int_equal(limn_screen_refusal(&verdict, "output", "eye.png", &error),
                     LIMN_REFUSED_PICTURE);
    assert_int_equal(limn_status_exit_code(error.status), 3);
    assert_non_null(strstr(error.text, "eye.png"));
    assert_non_null(strstr(error.text, "0.76"));
    verdict.refused = false;
    assert_int_equal(limn_screen_refusal(&verdict, "output", "eye.png", &error), LIMN_OK);
    assert_int_equal(strlen(limn_screen_sha256()), 64);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probabilities),
        cmocka_unit_test(test_bf16),
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_refused_everywhere),
        cmocka_unit_test(test_many_together),
        cmocka_unit_test(test_no_numbers),
        cmocka_unit_test(test_outside),
        cmocka_unit_test(test_tampered),
        cmocka_unit_test(test_memory_refused_while_opening),
        cmocka_unit_test(test_memory_refused_while_judging),
        cmocka_unit_test(test_policy),
    };
    static char folder[500];

    snprintf(folder, sizeof folder, "%s/tests/screening", argc > 1 ? argv[1] : ".");
    data = folder;
    return cmocka_run_group_tests(tests, start, stop);
}
