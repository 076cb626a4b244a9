/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights that are lent by a model's file instead of copied: the same numbers, the same pictures,
 * and nobody writes to the file. */
#include "model/model.h"
#include "model_weights.h"
#include "scratch.h"

#include <math.h>

/* Layers of this width have tensors large enough to be lent. */
static const limn_network wide = { .net = "unet_32",
                                   .input_nc = 3,
                                   .output_nc = 3,
                                   .filters = 12,
                                   .norm = LIMN_NORM_BATCH,
                                   .picture_statistics = true };

static limn_graph *graph_of(const limn_network *network, bool training)
{
    limn_error error = { 0 };
    limn_graph *graph;

    assert_false(limn_graph_open(&graph, training, &error));
    limn_report(graph, "y",
                limn_apply(graph, "G", network,
                           limn_input(graph, "x", (limn_shape){ 1, 3, 32, 32 }), NULL));
    return graph;
}

static limn_weights *lent_weights(const limn_model *model, const limn_graph *graph)
{
    limn_error error = { 0 };
    limn_weights *weights;

    assert_false(limn_weights_open(&weights, &error));
    assert_false(limn_weights_declare(weights, graph, &error));
    if (limn_model_lend(model, "G", weights, &error)) fail_msg("%s", error.text);
    return weights;
}

static void run_once(const limn_graph *graph, limn_weights *weights, float y[3 * 32 * 32])
{
    /* Not auto: a plan in bf16 keeps rounded copies, and these are not the same numbers. */
    limn_plan_settings settings = { .compute = LIMN_COMPUTE_FP32 };
    limn_moment moment = { 0 };
    limn_error error = { 0 };
    float x[3 * 32 * 32];
    limn_plan *plan;

    for (int i = 0; i < 3 * 32 * 32; i++) x[i] = sinf((float)i);
    if (limn_plan_open(&plan, graph, weights, &settings, &error)) fail_msg("%s", error.text);
    assert_false(limn_plan_feed(plan, limn_input_find(graph, "x"), x, &error));
    assert_false(limn_plan_run(plan, &moment, &error));
    assert_false(limn_plan_read(plan, limn_reported(graph, "y"), y, &error));
    limn_plan_close(&plan);
}

/* Read from the file where they lie, weights are and compute what copied ones do; whoever writes
 * to them gets a memory of his own, and the file stays as it is. */
static void test_lent_weights_are_the_files(void **state)
{
    limn_model_card card = { .networks = { { .name = "G", .network = wide } }, .network_count = 1 };
    limn_weights *saved = weights_of(&wide, "G", 7), *lent, *changed;
    limn_graph *graph = graph_of(&wide, false), *training = graph_of(&wide, true);
    float a[3 * 32 * 32], b[3 * 32 * 32];
    limn_error error = { 0 };
    limn_model *model;
    int largest = 0;
    scratch s;
    float *ones;
    size_t count;

    (void)state;
    scratch_open(&s);
    if (limn_model_save(scratch_path(&s, "lent"), &card, saved, NULL, &error))
        fail_msg("%s", error.text);
    assert_false(limn_model_open(&model, s.path, &error));
    lent = lent_weights(model, graph);
    expect_equal(saved, lent, true);
    run_once(graph, saved, a);
    run_once(graph, lent, b);
    assert_memory_equal(a, b, sizeof a);
    expect_equal(saved, lent, true); /* packed by now, and given back to the file */
    limn_weights_close(&lent);

    changed = lent_weights(model, graph);
    for (int i = 0; i < limn_weights_count(changed); i++)
        if (limn_count(limn_weights_at(changed, i)->shape) >
            limn_count(limn_weights_at(changed, largest)->shape))
            largest = i;
    count = limn_count(limn_weights_at(changed, largest)->shape);
    assert_false(limn_weights_lend(saved, largest, a, NULL)); /* has a memory */
    assert_non_null(ones = limn_block(count * sizeof *ones));
    for (size_t i = 0; i < count; i++) ones[i] = 1;
    assert_false(limn_weights_set(changed, largest, ones, &error));
    expect_equal(saved, changed, false);
    lent = lent_weights(model, graph);
    expect_equal(saved, lent, true);
    limn_weights_close(&changed);
    limn_weights_close(&lent);

    /* Training takes copies: what is written to them then must not reach the read-only file. */
    changed = lent_weights(model, graph);
    assert_false(limn_weights_add(changed, training, &error));
    expect_equal(saved, changed, true);
    assert_false(limn_weights_set(changed, largest, ones, &error));
    expect_equal(saved, changed, false);
    limn_weights_close(&changed);

    limn_block_free(ones);
    limn_model_close(&model);
    limn_weights_close(&saved);
    limn_graph_close(&graph);
    limn_graph_close(&training);
    unlink(scratch_path(&s, "lent"));
    scratch_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lent_weights_are_the_files),
    };

    return cmocka_run_group_tests_name("lend", tests, NULL, NULL);
}
