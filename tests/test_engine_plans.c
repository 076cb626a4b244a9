/* SPDX-License-Identifier: Apache-2.0
 *
 * Plans of the same thing must agree: fused and unfused, with shared memory and with every buffer
 * by itself between guard words, for one picture size and for another on the same weights, while
 * training and while translating.  Channel counts are chosen to fill vectors (16), half of them (4,
 * 24), and neither (5, 12).
 *
 * Adam's eps is 1 here, so that updates are smooth: with the usual eps the first step is the sign
 * of a gradient, and rounding decides where that is nearly zero. */
#include "base/cpu.h"
#include "base/threads.h"
#include "engine.h"
#include "op/dnn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const limn_compute computes[] = { LIMN_COMPUTE_PLAIN, LIMN_COMPUTE_FP32, LIMN_COMPUTE_BF16 };
static const int filters[] = { 4, 5, 12, 16, 24 };
static const limn_norm norms[] = { LIMN_NORM_BATCH, LIMN_NORM_INSTANCE, LIMN_NORM_NONE };
enum { COMPUTES = 3, FILTERS = 5 };

/* Same sums in another order; roundings to eight bits at other places. */
static const double tolerance[] = {
    [LIMN_COMPUTE_PLAIN] = 1e-6, [LIMN_COMPUTE_FP32] = 1e-5, [LIMN_COMPUTE_BF16] = 4e-2
};

static void fine(limn_status status, const limn_error *error)
{
    if (status) fail_msg("%s", error->text);
}

/* ---- Fused, unfused, guarded ----------------------------------------------------------------- */

typedef struct result {
    row seen;    /* losses and pictures of two steps, or the output */
    row moments; /* after the first step: its gradients */
} result;

static void free_results(result *r, int count)
{
    for (int i = 0; i < count; i++) {
        row_free(&r[i].seen);
        row_free(&r[i].moments);
    }
}

static result run_twice(engine *e)
{
    result r = { .seen = { .values = NULL } };
    limn_error error = { 0 };

    for (uint64_t step = 0; step < 2; step++) {
        fine(engine_step(e, 1, step, &error), &error);
        fine(row_reports(&r.seen, e, &error), &error);
        if (step == 0)
            fine(row_weights(&r.moments, e->weights, 1u << LIMN_PARAMETER_MOMENT, &error), &error);
    }
    engine_close(e);
    return r;
}

/* r: as it is used, unfused, with guards.  Rounding may take one value of thousands to the other
 * side of a leaky ReLU's corner, and a gradient of so small a network moves by percents then (one
 * run in forty).  So gradients that differ give false, to be tried with other weights, and fail in
 * the last attempt. */
static bool compare(const result *r, const char *what, limn_compute compute, int filter, int batch,
                    bool last)
{
    static const char *const names[] = { "as used", "unfused", "guarded" };

    for (int i = 1; i < 3; i++) {
        double d = row_distance(&r[i].seen, &r[0].seen);

        if (!(d <= tolerance[compute]))
            fail_msg("%s in %s, %d filters, batch %d: %s differs by %.3g", what,
                     limn_compute_name(compute), filter, batch, names[i], d);
        if (!r[0].moments.count) continue;
        d = row_distance(&r[i].moments, &r[0].moments);
        if (!(d <= 10 * tolerance[compute]) && !last) return false;
        if (!(d <= 10 * tolerance[compute]))
            fail_msg("%s in %s, %d filters, batch %d: gradients %s differ by %.3g", what,
                     limn_compute_name(compute), filter, batch, names[i], d);
    }
    if (compute == LIMN_COMPUTE_PLAIN && !row_same_bits(&r[2].seen, &r[0].seen))
        fail_msg("%s, %d filters, batch %d: sharing memory changes bits", what, filter, batch);
    return true;
}

static limn_plan_settings variant(limn_compute compute, int i)
{
    return (limn_plan_settings){ .compute = compute, .no_fusion = i == 1, .guards = i == 2 };
}

/* Smaller still than engine_small: plain loops take part. */
static limn_recipe_settings tiny(const limn_recipe *recipe, int filter, int batch, limn_norm norm)
{
    limn_recipe_settings s = engine_small(recipe, filter);
    bool unet = engine_is_unet(recipe);

    if (unet) s.generator.net = "unet_32";
    s.height = unet ? 32 : 16;
    s.width = unet ? 64 : 24;
    s.batch = batch;
    s.generator.norm = s.critic.norm = norm;
    s.adam.eps = 1;
    return s;
}

/* Three plans of the same training steps, from weights drawn by the seed. */
static bool agree(const limn_recipe *recipe, const limn_recipe_settings *s, limn_compute compute,
                  uint64_t seed, bool last)
{
    limn_error error = { 0 };
    result r[3];
    bool same;

    for (int i = 0; i < 3; i++) {
        limn_plan_settings plan = variant(compute, i);
        engine e;

        fine(engine_open(&e, recipe, s, &plan, seed, &error), &error);
        r[i] = run_twice(&e);
    }
    same = compare(r, recipe->name, compute, s->generator.filters, s->batch, last);
    free_results(r, 3);
    return same;
}

static void recipes_agree(void **state)
{
    (void)state;
    for (int c = 0; c < COMPUTES; c++)
        for (int k = 0; k < FILTERS * 3 && engine_has(computes[c]); k++) {
            const limn_recipe *recipe = limn_recipes[k % 3];
            int filter = filters[k / 3], batch = 1 + (k / 3 + k) % 2;
            limn_recipe_settings s = tiny(recipe, filter, batch, norms[(k + k / 3) % 2]);

            if (computes[c] == LIMN_COMPUTE_PLAIN && filter > 5) continue;
            limn_compute_threads_set(batch); /* scratch memory depends on their number */
            for (uint64_t seed = 1; !agree(recipe, &s, computes[c], seed, seed == 3);) seed++;
        }
    limn_compute_threads_set(0);
}

static void networks_agree(void **state)
{
    static const char *const nets[] = { "unet_32", "resnet_1blocks", "basic", "n_layers", "pixel" };

    (void)state;
    for (int c = 0; c < COMPUTES; c++)
        for (int k = 0; k < FILTERS * 5; k++) {
            int filter = filters[k / 5], batch = 1 + k % 2;
            limn_network net = { .net = nets[k % 5],
                                 .input_nc = 3,
                                 .output_nc = 2,
                                 .layers = 2,
                                 .filters = filter,
                                 .norm = norms[k % 3] };
            limn_shape shape = { batch, 3, 32, 64 };
            limn_error error = { 0 };
            result r[3];

            if (!engine_has(computes[c])) continue;
            if (computes[c] == LIMN_COMPUTE_PLAIN && filter > 5) continue;
            limn_compute_threads_set(batch);
            for (int i = 0; i < 3; i++) {
                limn_plan_settings plan = variant(computes[c], i);
                engine e;

                fine(engine_open_network(&e, &net, shape, &plan, 1, &error), &error);
                r[i] = run_twice(&e);
            }
            compare(r, net.net, computes[c], filter, batch, true);
            free_results(r, 3);
        }
    limn_compute_threads_set(0);
}

/* ---- Several plans on the same weights ------------------------------------------------------- */

static const limn_network generator = { .net = "resnet_2blocks",
                                        .input_nc = 3,
                                        .output_nc = 3,
                                        .filters = 16,
                                        .norm = LIMN_NORM_INSTANCE };

/* A plan that translates one size of picture with weights that it does not own. */
static void open_translator(engine *e, limn_weights *weights, int h, int w, limn_compute compute)
{
    limn_plan_settings plan = { .compute = compute };
    limn_error error = { 0 };
    limn_value x;

    *e = (engine){ .weights = weights };
    fine(limn_graph_open(&e->graph, false, &error), &error);
    x = limn_input(e->graph, "x", (limn_shape){ 1, 3, h, w });
    limn_report(e->graph, "y", limn_apply(e->graph, "G", &generator, x, NULL));
    fine(limn_plan_open(&e->plan, e->graph, weights, &plan, &error), &error);
}

static void close_translator(engine *e)
{
    e->weights = NULL;
    engine_close(e);
}

static row translate(engine *e)
{
    limn_error error = { 0 };
    row r = { .values = NULL };

    fine(engine_step(e, 0, 3, &error), &error);
    fine(row_reports(&r, e, &error), &error);
    return r;
}

/* The same with weights that were copied out and in again: nothing of e's layouts or plans. */
static row translate_elsewhere(const limn_weights *from, int h, int w, limn_compute compute)
{
    static float values[1 << 18];
    limn_weights *weights;
    limn_error error = { 0 };
    engine e;
    row r;

    fine(limn_weights_open(&weights, &error), &error);
    open_translator(&e, weights, h, w, compute);
    for (int i = 0; i < limn_weights_count(weights); i++) {
        const limn_parameter_info *info = limn_weights_at(weights, i);
        int there = limn_weights_find(from, info->name);

        assert_true(there >= 0 && limn_count(info->shape) <= 1 << 18);
        fine(limn_weights_get((limn_weights *)(uintptr_t)from, there, values, &error), &error);
        fine(limn_weights_set(weights, i, values, &error), &error);
    }
    r = translate(&e);
    close_translator(&e);
    limn_weights_close(&weights);
    return r;
}

static void expect_same(engine *e, const limn_weights *weights, int h, int w, limn_compute compute)
{
    row got = translate(e), want = translate_elsewhere(weights, h, w, compute);
    double d = row_distance(&got, &want);

    if (!(d <= (compute == LIMN_COMPUTE_BF16 ? 1e-3 : 1e-6)))
        fail_msg("%dx%d in %s differs by %.3g from the same weights elsewhere", h, w,
                 limn_compute_name(compute), d);
    row_free(&got);
    row_free(&want);
}

static void two_sizes_take_turns(void **state)
{
    (void)state;
    for (int c = 0; c < 2 && engine_has(computes[c]); c++) {
        limn_weights *weights;
        limn_error error = { 0 };
        engine small, large;

        fine(limn_weights_open(&weights, &error), &error);
        open_translator(&small, weights, 16, 24, computes[c]);
        fine(limn_weights_initial(weights, NULL, 5, 0.05f, &error), &error);
        open_translator(&large, weights, 32, 40, computes[c]);
        for (int turn = 0; turn < 2; turn++) {
            expect_same(&small, weights, 16, 24, computes[c]);
            expect_same(&large, weights, 32, 40, computes[c]);
        }
        close_translator(&large);
        expect_same(&small, weights, 16, 24, computes[c]);
        close_translator(&small);
        limn_weights_close(&weights);
    }
}

static limn_recipe_settings trained_settings(void)
{
    limn_recipe_settings s = tiny(limn_recipe_find("pix2pix"), 16, 1, LIMN_NORM_INSTANCE);

    s.generator = generator;
    s.adam.eps = 1e-8f;
    return s;
}

static void translating_while_training_is_right(void **state)
{
    (void)state;
    for (int c = 0; c < COMPUTES && engine_has(computes[c]); c++) {
        limn_recipe_settings s = trained_settings();
        limn_plan_settings plan = { .compute = computes[c] };
        limn_error error = { 0 };
        engine e, translator;

        fine(engine_open(&e, limn_recipe_find("pix2pix"), &s, &plan, 1, &error), &error);
        open_translator(&translator, e.weights, 16, 24, computes[c]);
        for (uint64_t step = 0; step < 3; step++) {
            row before = { .values = NULL }, after = { .values = NULL };

            fine(engine_step(&e, 1, step, &error), &error);
            fine(row_weights(&before, e.weights, (unsigned)ENGINE_ALL_KINDS, &error), &error);
            expect_same(&translator, e.weights, 16, 24, computes[c]);
            fine(row_weights(&after, e.weights, (unsigned)ENGINE_ALL_KINDS, &error), &error);
            assert_true(row_same_bits(&before, &after)); /* bf16 has not eaten the low bits */
            row_free(&before);
            row_free(&after);
        }
        close_translator(&translator);
        fine(engine_step(&e, 1, 3, &error), &error);
        engine_close(&e);
    }
}

/* A translator that was there first: right results, or a sentence that says what to do. */
static void training_after_translating_is_right(void **state)
{
    (void)state;
    for (int c = 0; c < COMPUTES && engine_has(computes[c]); c++) {
        limn_recipe_settings s = trained_settings();
        limn_plan_settings plan = { .compute = computes[c] };
        limn_error error = { 0 };
        limn_weights *weights;
        limn_status status;
        engine e = { .graph = NULL }, translator;

        fine(limn_weights_open(&weights, &error), &error);
        open_translator(&translator, weights, 16, 24, computes[c]);
        fine(limn_weights_initial(weights, NULL, 5, 0.05f, &error), &error);
        fine(limn_graph_open(&e.graph, true, &error), &error);
        limn_recipe_find("pix2pix")->step(e.graph, &s);
        fine(limn_plan_open(&e.plan, e.graph, weights, &plan, &error), &error);
        e.weights = weights;
        fine(engine_step(&e, 1, 0, &error), &error);
        fine(engine_feed(&translator, 3, &error), &error);
        status = limn_plan_run(translator.plan, &(limn_moment){ 0 }, &error);
        if (status)
            assert_non_null(strstr(error.text, "make training plans first"));
        else
            expect_same(&translator, weights, 16, 24, computes[c]);
        fine(engine_step(&e, 1, 1, &error), &error);
        close_translator(&translator);
        engine_close(&e);
    }
}

/* ---- Facts of the standard networks ---------------------------------------------------------- */

/* Today's numbers for AVX-512, where the planner's layouts were measured: input and output of a
 * network are no multiple of a vector wide.  Fewer is better, more is a step back. */
enum { MOST_REORDERS_TRANSLATING = 2, MOST_REORDERS_TRAINING = 8 };

/* With AMX its kernels do the work: all but that of the first and last layers, where pictures of
 * three channels come in and go out. */
static void check_tiles(const engine *e, const char *what)
{
    double without = 0, all = 0;

    for (int s = 0; s < limn_plan_steps(e->plan); s++) {
        limn_step_facts f = limn_plan_step_about(e->plan, s);

        all += f.flops;
        if (f.convolution && !strstr(f.implementation, "amx")) without += f.flops;
    }
    if (without > 0.02 * all)
        fail_msg("%s in bf16: %.1f %% of the work without AMX", what, 100 * without / all);
}

static void check_facts(engine *e, const char *what, int w, limn_compute compute, int most_reorders)
{
    limn_plan_facts facts = limn_plan_about(e->plan);

    if (facts.reference_convolutions || !facts.convolutions)
        fail_msg("%s, 256x%d in %s: %d of %d convolutions on reference code", what, w,
                 limn_compute_name(compute), facts.reference_convolutions, facts.convolutions);
    if (facts.reorders > most_reorders && limn_cpu() == LIMN_CPU_AVX512)
        fail_msg("%s, 256x%d in %s: %d reorders", what, w, limn_compute_name(compute),
                 facts.reorders);
    if (compute == LIMN_COMPUTE_BF16 && limn_dnn_has_amx()) check_tiles(e, what);
    engine_close(e);
}

/* In pix2pix, beside a small partner: as a generator or as the critic. */
static void check_training(const char *net, int w, limn_compute compute)
{
    const limn_recipe *recipe = limn_recipe_find("pix2pix");
    limn_recipe_settings s = limn_recipe_defaults(recipe);
    limn_plan_settings plan = { .compute = compute };
    limn_error error = { 0 };
    engine e;

    if (limn_network_is_critic(net)) {
        s.critic.net = net;
        s.generator.net = "unet_32";
        s.generator.filters = 8;
    } else {
        s.generator.net = net;
    }
    s.width = w;
    fine(engine_open(&e, recipe, &s, &plan, 0, &error), &error);
    check_facts(&e, net, w, compute, MOST_REORDERS_TRAINING);
}

static void check_translating(const char *net, int w, limn_compute compute)
{
    limn_network network = { .net = net, .input_nc = 3, .output_nc = 3, .filters = 64 };
    limn_plan_settings plan = { .compute = compute };
    limn_error error = { 0 };
    engine e;

    if (!strncmp(net, "resnet", 6)) network.norm = LIMN_NORM_INSTANCE;
    fine(engine_open_network(&e, &network, (limn_shape){ 1, 3, 256, w }, &plan, 0, &error), &error);
    check_facts(&e, net, w, compute, MOST_REORDERS_TRANSLATING);
}

/* ---- Weights that are packed by their update ---------------------------------------------------
 */

/* Wide enough for the blocks that our own loop packs. */
static void open_packing(engine *e, limn_weights *weights, limn_compute compute)
{
    limn_recipe_settings s = engine_small(limn_recipe_find("pix2pix"), 32);
    limn_plan_settings plan = { .compute = compute };
    limn_error error = { 0 };

    if (!weights) {
        fine(engine_open(e, limn_recipe_find("pix2pix"), &s, &plan, 3, &error), &error);
    } else {
        engine first;

        fine(engine_open(&first, limn_recipe_find("pix2pix"), &s, &plan, 3, &error), &error);
        e->graph = first.graph;
        e->weights = weights;
        limn_plan_close(&first.plan);
        limn_weights_close(&first.weights);
        fine(limn_plan_open(&e->plan, e->graph, weights, &plan, &error), &error);
    }
    if (limn_cpu() == LIMN_CPU_AVX512) {
        assert_true(limn_plan_about(e->plan).joined_updates > 3);
        assert_true(limn_plan_about(e->plan).kept_packs > (compute == LIMN_COMPUTE_BF16 ? 10 : 3));
    }
}

static row step_of(engine *e, uint64_t step)
{
    row r = { .values = NULL };
    limn_error error = { 0 };

    fine(engine_step(e, 1, step, &error), &error);
    fine(row_reports(&r, e, &error), &error);
    fine(row_weights(&r, e->weights, (unsigned)ENGINE_ALL_KINDS, &error), &error);
    return r;
}

/* Copies all that a training has: to, from itself or from another, and by a factor what are no
 * moments. */
static void set_weights(limn_weights *to, limn_weights *from, float factor)
{
    limn_error error = { 0 };

    for (int i = 0; i < limn_weights_count(to); i++) {
        const limn_parameter_info *info = limn_weights_at(to, i);
        size_t count = limn_count(info->shape);
        float *values = malloc(count * sizeof *values);

        assert_non_null(values);
        fine(limn_weights_get(from, i, values, &error), &error);
        for (size_t k = 0; k < count && info->kind != LIMN_PARAMETER_MOMENT; k++)
            values[k] *= factor;
        fine(limn_weights_set(to, i, values, &error), &error);
        free(values);
    }
}

static void same_bits(row a, row b, const char *what)
{
    if (!row_same_bits(&a, &b)) fail_msg("%s: differs by %.3g", what, row_distance(&a, &b));
    row_free(&a);
    row_free(&b);
}

/* Setting the weights to what they are makes the plan pack them in steps of their own. */
static void updates_pack_what_pack_steps_would(void **state)
{
    limn_compute compute = *(const limn_compute *)*state;
    engine e, other;

    if (!engine_has(compute)) skip();
    open_packing(&e, NULL, compute);
    open_packing(&other, NULL, compute);
    for (uint64_t step = 0; step < 3; step++) {
        set_weights(other.weights, other.weights, 1);
        same_bits(step_of(&e, step), step_of(&other, step), "packed by the update");
    }
    engine_close(&e);
    engine_close(&other);
}

static void weights_set_between_steps_count(void **state)
{
    limn_compute compute = *(const limn_compute *)*state;
    engine e, other;

    if (!engine_has(compute)) skip();
    open_packing(&e, NULL, compute);
    for (uint64_t step = 0; step < 2; step++) {
        row r = step_of(&e, step);

        row_free(&r);
    }
    open_packing(&other, NULL, compute);
    set_weights(other.weights, e.weights, 1.5f);
    set_weights(e.weights, e.weights, 1.5f);
    same_bits(step_of(&e, 2), step_of(&other, 2), "weights that were set between two steps");
    engine_close(&e);
    engine_close(&other);
}

static void plans_that_train_the_same_weights_take_turns(void **state)
{
    limn_compute compute = *(const limn_compute *)*state;
    engine e, turns, second;

    if (!engine_has(compute)) skip();
    open_packing(&e, NULL, compute);
    open_packing(&turns, NULL, compute);
    open_packing(&second, turns.weights, compute);
    for (uint64_t step = 0; step < 4; step++)
        same_bits(step_of(&e, step), step_of(step % 2 ? &second : &turns, step), "by turns");
    limn_plan_close(&second.plan);
    limn_graph_close(&second.graph);
    engine_close(&turns);
    engine_close(&e);
}

static void standard_plans_use_fast_kernels(void **state)
{
    static const char *const nets[] = { "unet_256", "unet_128", "resnet_9blocks", "basic",
                                        "pixel" };

    (void)state;
    for (int c = 1; c < COMPUTES && engine_has(computes[c]); c++)
        for (int k = 0; k < 5; k++) {
            check_translating(nets[k], 256, computes[c]);
            check_translating(nets[k], 512, computes[c]);
            check_training(nets[k], k == 1 ? 512 : 256, computes[c]);
        }
}

/* auto: what is faster, so bf16 for wide networks with AMX; a narrow one stays in float32 there,
 * and nothing in particular everywhere. */
static void auto_asks_the_network(void **state)
{
    limn_network network = { .net = "unet_128", .input_nc = 3, .output_nc = 3, .filters = 4 };
    limn_compute wide = limn_dnn_has_amx() || limn_cpu_bf16_pays() ? LIMN_COMPUTE_BF16
                                                                   : LIMN_COMPUTE_FP32;
    limn_plan_settings plan = { .compute = LIMN_COMPUTE_FP32 };
    limn_error error = { 0 };
    engine e;

    (void)state;
    if (limn_dnn_start(NULL)) skip();
    for (; network.filters <= 64; network.filters += 60) {
        bool narrow = network.filters < 32 && limn_dnn_has_amx();

        fine(engine_open_network(&e, &network, (limn_shape){ 1, 3, 128, 128 }, &plan, 0, &error),
             &error);
        assert_int_equal(limn_compute_resolve(LIMN_COMPUTE_AUTO, e.graph),
                         narrow ? LIMN_COMPUTE_FP32 : wide);
        assert_int_equal(limn_compute_resolve(LIMN_COMPUTE_PLAIN, e.graph), LIMN_COMPUTE_PLAIN);
        engine_close(&e);
    }
    assert_int_equal(limn_compute_resolve(LIMN_COMPUTE_AUTO, NULL), LIMN_COMPUTE_FP32);
}

int main(void)
{
    limn_compute fp32 = LIMN_COMPUTE_FP32, bf16 = LIMN_COMPUTE_BF16;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recipes_agree),
        cmocka_unit_test(networks_agree),
        cmocka_unit_test(two_sizes_take_turns),
        cmocka_unit_test(translating_while_training_is_right),
        cmocka_unit_test(training_after_translating_is_right),
        cmocka_unit_test_prestate(updates_pack_what_pack_steps_would, &fp32),
        cmocka_unit_test_prestate(updates_pack_what_pack_steps_would, &bf16),
        cmocka_unit_test_prestate(weights_set_between_steps_count, &fp32),
        cmocka_unit_test_prestate(weights_set_between_steps_count, &bf16),
        cmocka_unit_test_prestate(plans_that_train_the_same_weights_take_turns, &fp32),
        cmocka_unit_test_prestate(plans_that_train_the_same_weights_take_turns, &bf16),
        cmocka_unit_test(standard_plans_use_fast_kernels),
        cmocka_unit_test(auto_asks_the_network),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
