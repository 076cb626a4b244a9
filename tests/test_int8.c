/* SPDX-License-Identifier: Apache-2.0
 *
 * Rewritten graphs: folded norms give the same numbers in fewer steps, and nothing is folded where
 * a picture's own statistics are used; int8 layers come close to the float network they were made
 * from, and the plain loops agree with the fast path; ranges and rounding against hand arithmetic.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "base/random.h"
#include "net/range.h"
#include "net/rewrite.h"
#include "zoo/zoo.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void well(limn_status status, const limn_error *error)
{
    if (status) fail_msg("%s", error->text);
}
#define WELL(call) well(call, &error)

typedef struct setup {
    limn_graph *graph;
    limn_weights *weights;
    limn_layer *layers;
    int count;
    limn_arena arena;
    limn_shape shape;
    int8_t *whole[64]; /* of each layer */
    float *scale[64];
} setup;

static const limn_network unet = { .net = "unet_32", .input_nc = 3, .output_nc = 3, .filters = 16 };
static const limn_network resnet = {
    .net = "resnet_2blocks", .input_nc = 3, .output_nc = 3, .filters = 8
};

static void fill_random(limn_weights *weights, limn_error *error)
{
    well(limn_weights_initial(weights, NULL, 7, 0.05f, error), error);
    for (int i = 0; i < limn_weights_count(weights); i++) {
        const limn_parameter_info *info = limn_weights_at(weights, i);
        size_t count = limn_count(info->shape);
        float *v = limn_block(count * sizeof *v);
        limn_random random = { .seed = 3, .stream = (uint32_t)i };

        /* Not the zeros, ones and tiny weights that training begins with. */
        well(limn_weights_get(weights, i, v, error), error);
        for (size_t k = 0; k < count; k++) {
            float u = 2 * limn_random_uniform(&random, k) - 1;

            if (strstr(info->name, "running_var")) v[k] = 0.2f + 0.1f * u;
            if (strstr(info->name, "running_mean") || strstr(info->name, ".bias")) v[k] = 0.2f * u;
        }
        well(limn_weights_set(weights, i, v, error), error);
        limn_block_free(v);
    }
}

static void open_setup(setup *s, const limn_network *network, bool picture_statistics)
{
    limn_network n = *network;
    limn_error error = { 0 };

    *s = (setup){ .shape = { 1, 3, 32, 64 } };
    n.picture_statistics = picture_statistics;
    limn_arena_open(&s->arena, "test", 0);
    WELL(limn_graph_open(&s->graph, false, &error));
    limn_report(s->graph, "y",
                limn_apply(s->graph, "G", &n, limn_input(s->graph, "x", s->shape), NULL));
    WELL(limn_weights_open(&s->weights, &error));
    WELL(limn_weights_add(s->weights, s->graph, &error));
    fill_random(s->weights, &error);
    WELL(limn_layers_find(&s->layers, &s->count, s->graph, &s->arena, &error));
    assert_true(s->count > 4 && s->count < 64);
}

static void close_setup(setup *s)
{
    limn_weights_close(&s->weights);
    limn_graph_close(&s->graph);
    limn_arena_close(&s->arena);
}

static limn_status give_floats(void *context, const char *name, float *out, size_t count,
                               limn_error *error)
{
    setup *s = context;
    int index = limn_weights_find(s->weights, name);

    assert_true(index >= 0);
    assert_int_equal(count, limn_count(limn_weights_at(s->weights, index)->shape));
    return limn_weights_get(s->weights, index, out, error);
}

static bool give_int8(void *context, const char *name, const int8_t **values, const float **scale)
{
    setup *s = context;

    for (int i = 0; i < s->count; i++) {
        if (strcmp(s->layers[i].weight, name) || !s->layers[i].int8) continue;
        *values = s->whole[i];
        *scale = s->scale[i];
        return true;
    }
    return false;
}

/* Runs a graph on noise; values are read from the report of that name into out. */
static int run_graph(limn_graph *graph, limn_weights *weights, limn_compute compute,
                     const char *report, float *out, float scale)
{
    limn_plan_settings settings = { .compute = compute };
    limn_value x = limn_input_find(graph, "x");
    size_t count = limn_count(limn_shape_of(graph, x));
    limn_random random = { .seed = 11 };
    limn_error error = { 0 };
    limn_plan *plan;
    int steps;
    float *noise = limn_block(count * sizeof *noise);

    for (size_t i = 0; i < count; i++) /* smooth, as pictures are */
        noise[i] = scale * sinf((float)i * 0.05f) + 0.2f * limn_random_uniform(&random, i);
    WELL(limn_plan_open(&plan, graph, weights, &settings, &error));
    WELL(limn_plan_feed(plan, x, noise, &error));
    WELL(limn_plan_run(plan, &(limn_moment){ 0 }, &error));
    WELL(limn_plan_read(plan, limn_reported(graph, report), out, &error));
    steps = limn_plan_about(plan).steps;
    limn_plan_close(&plan);
    limn_block_free(noise);
    return steps;
}

static void rewritten(setup *s, limn_graph **graph, limn_weights **weights)
{
    limn_layer_source source = { s, give_floats, give_int8 };
    limn_error error = { 0 };

    WELL(limn_graph_rewrite(graph, s->graph, s->layers, s->count, false, &error));
    WELL(limn_weights_open(weights, &error));
    WELL(limn_weights_add(*weights, *graph, &error));
    for (int i = 0; i < limn_weights_count(*weights); i++) { /* what no layer fills: norms */
        const limn_parameter_info *info = limn_weights_at(*weights, i);
        int from = limn_weights_find(s->weights, info->name);
        float *v = limn_block(limn_count(info->shape) * sizeof *v);

        if (from >= 0) {
            WELL(limn_weights_get(s->weights, from, v, &error));
            WELL(limn_weights_set(*weights, i, v, &error));
        }
        limn_block_free(v);
    }
    for (int i = 0; i < s->count; i++)
        WELL(limn_layer_fill(&s->layers[i], &source, *weights, &error));
}

static limn_compute fast(void)
{
    return limn_compute_resolve(LIMN_COMPUTE_AUTO, NULL);
}

enum { PIXELS = 3 * 32 * 64 };

static double worst(const float *a, const float *b)
{
    double most = 0;

    for (int i = 0; i < PIXELS; i++) most = fmax(most, fabs((double)a[i] - (double)b[i]));
    return most;
}

static double psnr(const float *a, const float *b)
{
    double sum = 0;

    for (int i = 0; i < PIXELS; i++)
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return 10 * log10(4 * PIXELS / sum);
}

/* ---- Folding --------------------------------------------------------------------------------- */

static void check_folded(const limn_network *network, int norms)
{
    static float plain[PIXELS], folded[PIXELS], plain_folded[PIXELS];
    limn_weights *weights;
    limn_graph *graph;
    int before, after, found = 0;
    setup s;

    open_setup(&s, network, false);
    for (int i = 0; i < s.count; i++) found += s.layers[i].norm_node >= 0;
    assert_int_equal(found, norms);
    rewritten(&s, &graph, &weights);
    before = run_graph(s.graph, s.weights, fast(), "y", plain, 1);
    after = run_graph(graph, weights, fast(), "y", folded, 1);
    run_graph(graph, weights, LIMN_COMPUTE_PLAIN, "y", plain_folded, 1);
    assert_true(fabsf(plain[17]) > 1e-4f);
    if (!(worst(plain, folded) < 1e-5)) fail_msg("differs by %g", worst(plain, folded));
    assert_true(worst(plain, plain_folded) < 1e-5);
    assert_true(after <= before - norms);
    assert_int_equal(limn_weights_find(weights, "G.model.model.1.model.2.running_var"), -1);
    limn_weights_close(&weights);
    limn_graph_close(&graph);
    close_setup(&s);
}

static void test_fold_unet(void **state)
{
    (void)state;
    check_folded(&unet, 7); /* five levels: the outermost has none, the innermost one */
}

static void test_fold_resnet(void **state)
{
    (void)state;
    check_folded(&resnet, 9); /* 1 + 2 down, 2 x 2, 2 up */
}

static void test_own_statistics_stay(void **state)
{
    static float plain[PIXELS], same[PIXELS];
    limn_weights *weights;
    limn_graph *graph;
    setup s;

    (void)state;
    open_setup(&s, &unet, true);
    for (int i = 0; i < s.count; i++) assert_int_equal(s.layers[i].norm_node, -1);
    rewritten(&s, &graph, &weights);
    assert_int_equal(run_graph(s.graph, s.weights, fast(), "y", plain, 1),
                     run_graph(graph, weights, fast(), "y", same, 1));
    assert_memory_equal(plain, same, sizeof plain);
    limn_weights_close(&weights);
    limn_graph_close(&graph);
    close_setup(&s);
}

/* ---- Int8 ------------------------------------------------------------------------------------ */

/* Ranges from one run of the float network, whole numbers for all layers but the first and last. */
static void to_int8(setup *s)
{
    static float values[1 << 20];
    limn_error error = { 0 };
    limn_range *range = limn_block(sizeof *range);
    limn_weights *weights;
    limn_graph *graph, *reporting;

    rewritten(s, &graph, &weights);
    WELL(limn_graph_rewrite(&reporting, s->graph, s->layers, s->count, true, &error));
    for (int i = 1; i < s->count - 1; i++) {
        limn_layer *layer = &s->layers[i];
        size_t count = limn_count(layer->shape);
        float *w = limn_take(&s->arena, count * sizeof *w);
        char name[32];

        assert_true(layer->able);
        snprintf(name, sizeof name, "input.%d", i);
        run_graph(reporting, weights, fast(), name, values, 1);
        *range = (limn_range){ 0 };
        limn_range_add(range, values,
                       limn_count(limn_shape_of(reporting, limn_reported(reporting, name))));
        limn_range_choose(range, &layer->step, &layer->zero, NULL);
        s->whole[i] = limn_take(&s->arena, count);
        s->scale[i] = limn_take(&s->arena, (size_t)limn_layer_outputs(layer) * sizeof(float));
        WELL(give_floats(s, layer->weight, w, count, &error));
        limn_layer_round(layer, w, s->whole[i], s->scale[i]);
    }
    for (int i = 1; i < s->count - 1; i++) s->layers[i].int8 = true;
    limn_block_free(range);
    limn_graph_close(&reporting);
    limn_weights_close(&weights);
    limn_graph_close(&graph);
}

static void check_int8(const limn_network *network, bool picture_statistics)
{
    static float plain[PIXELS], quick[PIXELS], reference[PIXELS], narrow[PIXELS];
    limn_weights *weights;
    limn_graph *graph;
    setup s;

    open_setup(&s, network, picture_statistics);
    to_int8(&s);
    for (int only = 1; only < s.count - 1; only++) { /* alone: plain and fast are the same */
        for (int i = 1; i < s.count - 1; i++) s.layers[i].int8 = i == only;
        rewritten(&s, &graph, &weights);
        run_graph(graph, weights, LIMN_COMPUTE_PLAIN, "y", reference, 1);
        run_graph(graph, weights, fast(), "y", quick, 1);
        if (!(psnr(reference, quick) > 65))
            fail_msg("%s: plain loops %.1f dB from fast", s.layers[only].name,
                     psnr(reference, quick));
        limn_weights_close(&weights);
        limn_graph_close(&graph);
    }
    for (int i = 1; i < s.count - 1; i++) s.layers[i].int8 = true;
    rewritten(&s, &graph, &weights);
    assert_true(limn_weights_find(weights, "G.model.model.0.weight") >= 0 ||
                limn_weights_find(weights, "G.model.1.weight") >= 0);
    run_graph(s.graph, s.weights, fast(), "y", plain, 1);
    run_graph(graph, weights, LIMN_COMPUTE_PLAIN, "y", reference, 1);
    run_graph(graph, weights, fast(), "y", quick, 1);
    print_message("%s: int8 %.1f dB from float, plain loops %.1f dB from fast\n", network->net,
                  psnr(plain, quick), psnr(reference, quick));
    assert_true(psnr(plain, quick) > 35);
    assert_true(psnr(plain, quick) < 90); /* or nothing was int8 */
    /* A value that lies on the edge between two bytes falls either way, and all that follows
     * differs; but by less than int8 itself does. */
    assert_true(psnr(reference, quick) > psnr(plain, quick) + 3);
    if (limn_cpu_has_bf16()) {
        run_graph(graph, weights, LIMN_COMPUTE_BF16, "y", narrow, 1);
        assert_true(psnr(plain, narrow) > 35);
    }
    limn_weights_close(&weights);
    limn_graph_close(&graph);
    close_setup(&s);
}

static void test_int8_unet(void **state)
{
    (void)state;
    check_int8(&unet, false);
}

static void test_int8_own_statistics(void **state)
{
    (void)state;
    check_int8(&unet, true);
}

static void test_int8_resnet(void **state)
{
    limn_network n = resnet;

    (void)state;
    check_int8(&resnet, false);
    n.norm = LIMN_NORM_INSTANCE;
    check_int8(&n, false);
}

/* Two plans of other sizes on the same weights, by turns: bytes move between layouts exactly. */
static void test_int8_weights_come_back(void **state)
{
    limn_error error = { 0 };
    limn_weights *weights;
    limn_graph *graph;
    static float out[PIXELS];
    setup s;
    int seen = 0;

    (void)state;
    open_setup(&s, &unet, false);
    to_int8(&s);
    rewritten(&s, &graph, &weights);
    run_graph(graph, weights, fast(), "y", out, 1); /* packs them */
    for (int i = 1; i < s.count - 1; i++) {
        char name[200];
        int index;
        float *v;

        snprintf(name, sizeof name, "%s.int8", s.layers[i].name);
        index = limn_weights_find(weights, name);
        assert_true(index >= 0);
        if (s.layers[i].transposed) continue;
        v = limn_take(&s.arena, limn_count(s.layers[i].shape) * sizeof *v);
        WELL(limn_weights_get(weights, index, v, &error));
        for (size_t k = 0; k < limn_count(s.layers[i].shape); k++)
            assert_int_equal((int)v[k], s.whole[i][k]);
        seen++;
    }
    assert_true(seen >= 4);
    limn_weights_close(&weights);
    limn_graph_close(&graph);
    close_setup(&s);
}

/* ---- Numbers --------------------------------------------------------------------------------- */

static void test_range(void **state)
{
    limn_range *r = limn_block(sizeof *r);
    float values[1000], step;
    int zero;

    (void)state;
    *r = (limn_range){ 0 };
    limn_range_choose(r, &step, &zero, NULL); /* nothing was seen */
    assert_true(step > 0 && zero == 0);
    for (int i = 0; i < 1000; i++) values[i] = (float)i / 999 * 6 - 1; /* evenly, -1 to 5 */
    limn_range_add(r, values, 1000);
    limn_range_choose(r, &step, &zero, NULL);
    assert_true(fabsf(step - 6.0f / 255) <
                0.05f * 6 / 255);     /* cutting evenly spread ones pays little */
    assert_true(abs(zero - 42) <= 1); /* 255 / 6 */
    values[0] = 12; /* one lone value in a million does not spoil the steps of the rest */
    for (int i = 0; i < 1000; i++) limn_range_add(r, values + 1, 999);
    limn_range_add(r, values, 1);
    limn_range_choose(r, &step, &zero, NULL);
    assert_true(step < 0.8f * 13 / 255);
    for (int i = 0; i < 1000; i++) values[i] = fabsf(values[i]);
    *r = (limn_range){ 0 };
    limn_range_add(r, values + 1, 999);
    limn_range_choose(r, &step, &zero, NULL);
    assert_int_equal(zero, 0); /* nothing below 0: all steps for what is above */
    limn_block_free(r);
}

static void test_rounding(void **state)
{
    /* One input channel, two outputs: (o, i, 1, 4) and, transposed, (i, o, 1, 4). */
    static const float weights[8] = { 1.27f, -0.5f, 0.013f, 0, -2.54f, 2, 1, -0.02f };
    limn_layer layer = { .name = "t", .shape = { 2, 1, 1, 4 }, .norm_node = -1 };
    int8_t values[8];
    float scale[2];

    (void)state;
    limn_layer_round(&layer, weights, values, scale);
    for (int o = 0; o < 2; o++) {
        assert_true(scale[o] <= (o ? 0.02001f : 0.01001f));
        for (int k = 0; k < 4; k++)
            assert_true(fabsf(values[4 * o + k] * scale[o] - weights[4 * o + k]) <
                        0.1f * fabsf(weights[4 * o]));
    }
    assert_int_equal(values[3], 0);
    layer.transposed = true;
    layer.shape = (limn_shape){ 1, 2, 1, 4 };
    limn_layer_round(&layer, weights, values, scale);
    assert_true(fabsf(values[4] * scale[1] + 2.54f) < 0.2f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fold_unet),
        cmocka_unit_test(test_fold_resnet),
        cmocka_unit_test(test_own_statistics_stay),
        cmocka_unit_test(test_int8_unet),
        cmocka_unit_test(test_int8_own_statistics),
        cmocka_unit_test(test_int8_resnet),
        cmocka_unit_test(test_int8_weights_come_back),
        cmocka_unit_test(test_range),
        cmocka_unit_test(test_rounding),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
