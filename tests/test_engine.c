/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine as a whole, from outside: small training steps of every recipe, in every compute mode
 * that this processor has.  Same seed, same bits; nothing is allocated while running; a host
 * program's floating-point mode is left alone; what cannot work is refused with a sentence that
 * says what to do. */
#include "base/memory.h"
#include "base/threads.h"
#include "engine.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

#include <cmocka.h>

static const limn_compute computes[] = { LIMN_COMPUTE_PLAIN, LIMN_COMPUTE_FP32, LIMN_COMPUTE_BF16 };
enum { COMPUTES = 3 };

static void fine(limn_status status, const limn_error *error)
{
    if (status) fail_msg("%s", error->text);
}

/* ---- Same seed, same bits -------------------------------------------------------------------- */

enum { STEPS = 3 };

static row train(const limn_recipe *recipe, const limn_recipe_settings *settings,
                 limn_compute compute, uint64_t seed)
{
    limn_plan_settings plan = { .compute = compute };
    limn_error error = { 0 };
    row out = { .values = NULL };
    engine e;

    fine(engine_open(&e, recipe, settings, &plan, 1, &error), &error);
    for (uint64_t step = 0; step < STEPS; step++) {
        fine(engine_step(&e, seed, step, &error), &error);
        fine(row_reports(&out, &e, &error), &error);
    }
    fine(row_weights(&out, e.weights, (unsigned)ENGINE_ALL_KINDS, &error), &error);
    for (size_t i = 0; i < out.count; i++) assert_true(isfinite(out.values[i]));
    engine_close(&e);
    return out;
}

static void check_seed(const limn_recipe *recipe, limn_compute compute, bool dropout)
{
    /* With 16 filters the inner maps of bf16 plans are BF16. */
    limn_recipe_settings settings = engine_small(recipe, compute == LIMN_COMPUTE_BF16 ? 16 : 5);
    row first, again, other;

    settings.generator.dropout = dropout;
    limn_compute_threads_set(dropout ? 2 : 1); /* whatever the tests around this one have */
    first = train(recipe, &settings, compute, 1);
    again = train(recipe, &settings, compute, 1);
    if (!row_same_bits(&first, &again))
        fail_msg("%s in %s%s: %.3g apart with the same seed", recipe->name,
                 limn_compute_name(compute), dropout ? " with dropout" : "",
                 row_distance(&first, &again));
    other = train(recipe, &settings, compute, 2);
    /* Chance is in dropout alone, in CycleGAN's pool of pictures and in FastCUT's mirrors. */
    if (dropout || (strcmp(recipe->name, "cycle_gan") && strcmp(recipe->name, "fastcut")))
        assert_int_equal(row_same_bits(&first, &other), !dropout);
    limn_compute_threads_set(0);
    row_free(&first);
    row_free(&again);
    row_free(&other);
}

static void same_seed_gives_the_same_bits(void **state)
{
    (void)state;
    for (int c = 0; c < COMPUTES; c++)
        for (int r = 0; limn_recipes[r] && engine_has(computes[c]); r++)
            for (int dropout = 0; dropout < 2; dropout++)
                check_seed(limn_recipes[r], computes[c], dropout);
}

/* ---- A step allocates nothing ---------------------------------------------------------------- */

static void a_step_allocates_nothing(void **state)
{
    (void)state;
    for (int c = 0; c < COMPUTES; c++)
        for (int r = 0; limn_recipes[r] && engine_has(computes[c]); r++) {
            limn_recipe_settings settings = engine_small(limn_recipes[r], 8);
            limn_plan_settings plan = { .compute = computes[c] };
            limn_error error = { 0 };
            static float picture[2 * 3 * 64 * 64];
            size_t before;
            engine e;

            settings.batch = 2;
            fine(engine_open(&e, limn_recipes[r], &settings, &plan, 1, &error), &error);
            fine(engine_feed(&e, 0, &error), &error);
            before = limn_memory_requests();
            for (uint64_t step = 0; step < 2; step++) {
                limn_moment moment = { .step = step, .learning_rate = 2e-4f };

                fine(limn_plan_feed(e.plan, limn_input_find(e.graph, "real_A"), picture, &error),
                     &error);
                fine(limn_plan_run(e.plan, &moment, &error), &error);
                for (int i = 0; i < limn_report_count(e.graph); i++) {
                    limn_value value;

                    limn_report_name(e.graph, i, &value);
                    fine(limn_plan_read(e.plan, value, picture, &error), &error);
                }
            }
            assert_int_equal(limn_memory_requests(), before);
            engine_close(&e);
        }
}

static void an_inference_allocates_nothing(void **state)
{
    static const char *const nets[] = { "unet_32", "resnet_2blocks", "basic", "pixel" };
    static float picture[2 * 3 * 64 * 64];

    (void)state;
    for (int c = 0; c < COMPUTES; c++)
        for (int n = 0; n < 4 && engine_has(computes[c]); n++) {
            limn_network net = { .net = nets[n], .input_nc = 3, .output_nc = 3, .filters = 8 };
            limn_plan_settings plan = { .compute = computes[c] };
            limn_error error = { 0 };
            size_t before;
            engine e;

            if (limn_network_is_critic(nets[n])) net.output_nc = 1;
            fine(engine_open_network(&e, &net, (limn_shape){ 2, 3, 32, 64 }, &plan, 1, &error),
                 &error);
            before = limn_memory_requests();
            for (int i = 0; i < 2; i++) {
                fine(limn_plan_feed(e.plan, limn_input_find(e.graph, "x"), picture, &error),
                     &error);
                fine(limn_plan_run(e.plan, &(limn_moment){ 0 }, &error), &error);
                fine(limn_plan_read(e.plan, limn_reported(e.graph, "y"), picture, &error), &error);
            }
            assert_int_equal(limn_memory_requests(), before);
            engine_close(&e);
        }
}

/* ---- Numbers below the normal range ---------------------------------------------------------- */

#ifdef __SSE__
enum { FLUSH = 0x8000, ZEROS = 0x0040 };

/* What 1e-38 / 2 is on this thread, and on every compute thread. */
static float half_of(float x)
{
    volatile float value = x;

    return value * 0.5f;
}

static void note_mode(void *context, size_t begin, size_t end, int part)
{
    (void)part;
    for (size_t i = begin; i < end; i++) ((float *)context)[i] = half_of(1.2e-38f);
}

/* LLVM's OpenMP (a build with clang) hands its threads the mode that it remembers of the caller
 * with every loop, and takes it back; GNU's, which oneDNN and limn are built with, leaves them
 * theirs. */
static bool pool_minds_its_own_mode(void)
{
    static float probe[64];
    unsigned before = _mm_getcsr();

    _mm_setcsr((before & ~(unsigned)ZEROS) | FLUSH);
    limn_parallel(64, 1, note_mode, probe);
    _mm_setcsr(before);
    return probe[63] > 0;
}

static void check_denormals(limn_compute compute, unsigned mode)
{
    static float picture[64 * 64 * 8], got[64 * 64 * 8], modes[64];
    unsigned before = _mm_getcsr(), after;
    limn_graph *graph = NULL;
    limn_weights *weights = NULL;
    limn_plan *plan = NULL;
    limn_error error = { 0 };
    limn_value x, y;

    for (size_t i = 0; i < 64 * 64 * 8; i++)
        picture[i] = i % 3 == 0 ? 1.2e-38f : i % 3 == 1 ? 1e-40f : 1;
    limn_compute_threads_set(2);
    fine(limn_graph_open(&graph, false, &error), &error);
    x = limn_input(graph, "x", (limn_shape){ 1, 8, 64, 64 });
    y = limn_scale(graph, x, 0.5f);
    limn_report(graph, "y", y);
    fine(limn_weights_open(&weights, &error), &error);
    fine(limn_plan_open(&plan, graph, weights, &(limn_plan_settings){ .compute = compute }, &error),
         &error);
    fine(limn_plan_feed(plan, x, picture, &error), &error);
    _mm_setcsr((before & ~(unsigned)(FLUSH | ZEROS)) | mode);
    fine(limn_plan_run(plan, &(limn_moment){ 0 }, &error), &error);
    after = _mm_getcsr() & (FLUSH | ZEROS);
    limn_parallel(64, 1, note_mode, modes);
    _mm_setcsr(before); /* comparing takes denormals for zero as well */
    assert_int_equal(after, mode);
    for (int i = 0; i < 32; i++) assert_int_equal(modes[i] == 0, (mode & FLUSH) != 0);
    for (int i = 32; i < 64; i++) assert_true(modes[i] > 0); /* the other thread had no mode set */
    fine(limn_plan_read(plan, y, got, &error), &error);
    for (size_t i = 0; i < 64 * 64 * 8; i++) assert_true(got[i] == (i % 3 == 2 ? 0.5f : 0));
    limn_plan_close(&plan);
    limn_weights_close(&weights);
    limn_graph_close(&graph);
    limn_compute_threads_set(0);
}

static void denormals_are_zero_inside_and_only_there(void **state)
{
    static const unsigned modes[] = { 0, FLUSH, ZEROS, FLUSH | ZEROS };
    static float pool[64];

    (void)state;
    limn_compute_threads_set(2); /* the pool's threads take the mode of now */
    limn_parallel(64, 1, note_mode, pool);
    if (!pool_minds_its_own_mode()) skip();
    for (int c = 0; c < 2 && engine_has(computes[c]); c++)
        for (int m = 0; m < 4; m++) check_denormals(computes[c], modes[m]);
}
#endif

/* ---- What cannot work is refused in one sentence --------------------------------------------- */

typedef struct wrong {
    limn_graph *graph;
    limn_weights *weights;
    limn_error error;
} wrong;

static void open_wrong(wrong *w)
{
    *w = (wrong){ .graph = NULL };
    fine(limn_graph_open(&w->graph, true, &w->error), &w->error);
    fine(limn_weights_open(&w->weights, &w->error), &w->error);
}

static void close_wrong(wrong *w)
{
    limn_weights_close(&w->weights);
    limn_graph_close(&w->graph);
}

/* The plan is where a person meets the graph's first error. */
static void expect(wrong *w, limn_status status, const char *sentence)
{
    limn_plan_settings settings = { .compute = LIMN_COMPUTE_PLAIN };
    limn_plan *plan;

    assert_int_equal(limn_plan_open(&plan, w->graph, w->weights, &settings, &w->error), status);
    assert_null(plan);
    assert_string_equal(w->error.text, sentence);
    close_wrong(w);
}

static const limn_adam adam = { 0.5f, 0.999f, 1e-8f, 1 };

static void wrong_shapes_are_said(void **state)
{
    limn_network unet = { .net = "unet_256", .input_nc = 3, .output_nc = 3, .filters = 4 };
    limn_network basic = { .net = "basic", .input_nc = 6, .output_nc = 1, .filters = 4 };
    limn_network none = { .net = "vnet_256", .input_nc = 3, .output_nc = 3, .filters = 4 };
    wrong w;

    (void)state;
    open_wrong(&w);
    limn_apply(w.graph, "G", &unet, limn_input(w.graph, "x", (limn_shape){ 1, 3, 300, 256 }), NULL);
    limn_input(w.graph, "y", (limn_shape){ 0, 0, 0, 0 }); /* the first error stays */
    expect(&w, LIMN_SHAPE,
           "G (unet_256) takes heights and widths that are multiples of 256, not 300 x 256 "
           "(height x width)");
    open_wrong(&w);
    limn_apply(w.graph, "D", &basic, limn_input(w.graph, "x", (limn_shape){ 1, 3, 64, 64 }), NULL);
    expect(&w, LIMN_SHAPE, "D (basic) takes 6 channels and was given 3");
    open_wrong(&w);
    limn_input(w.graph, "x", (limn_shape){ 1, 3, 0, 64 });
    expect(&w, LIMN_SHAPE, "input x is 1x3x0x64; every size must be 1 or more");
    open_wrong(&w);
    limn_apply(w.graph, "G", &none, limn_input(w.graph, "x", (limn_shape){ 1, 3, 64, 64 }), NULL);
    assert_int_equal(limn_graph_status(w.graph, &w.error), LIMN_SETTING);
    assert_non_null(strstr(w.error.text, "there is no network vnet_256; there are unet_256"));
    close_wrong(&w);
}

static void a_critic_on_too_small_a_picture_is_said(void **state)
{
    limn_network basic = { .net = "basic", .input_nc = 3, .output_nc = 1, .filters = 4 };
    wrong w;

    (void)state;
    open_wrong(&w);
    limn_apply(w.graph, "D", &basic, limn_input(w.graph, "x", (limn_shape){ 1, 3, 8, 8 }), NULL);
    assert_int_equal(limn_graph_status(w.graph, &w.error), LIMN_SHAPE);
    assert_int_equal(strncmp(w.error.text, "D.model.", 8), 0); /* the layer that does not fit */
    close_wrong(&w);
}

static void wrong_updates_are_said(void **state)
{
    limn_network net = {
        .net = "pixel", .input_nc = 3, .output_nc = 1, .filters = 4, .norm = LIMN_NORM_NONE
    };
    limn_value x, y, loss;
    wrong w;

    (void)state;
    for (int i = 0; i < 4; i++) {
        open_wrong(&w);
        x = limn_input(w.graph, "x", (limn_shape){ 1, 3, 4, 4 });
        y = limn_apply(w.graph, "G", &net, x, NULL);
        loss = limn_gan_loss(w.graph, LIMN_GAN_LSGAN, y, LIMN_REAL, LIMN_FOR_CRITIC);
        if (i == 0) {
            limn_apply(w.graph, "D", &net, x, NULL);
            limn_update(w.graph, "D", loss, &adam);
            expect(&w, LIMN_BUG, "update of D: the loss depends on none of its parameters");
        } else if (i == 1) {
            limn_update(w.graph, "G", loss, &adam);
            limn_update(w.graph, "G", limn_scale(w.graph, loss, 2), &adam);
            expect(&w, LIMN_BUG,
                   "update of G: G.net.0.weight was updated after this loss was computed");
        } else if (i == 2) {
            limn_update(w.graph, "G", y, &adam);
            expect(&w, LIMN_SHAPE, "a loss is one number; G.net.5 is 1x1x4x4");
        } else {
            limn_update(w.graph, "G", limn_stop(w.graph, loss), &adam);
            expect(&w, LIMN_BUG, "update of G: the loss depends on none of its parameters");
        }
    }
}

static void wrong_values_are_said(void **state)
{
    limn_network net = { .net = "pixel", .input_nc = 3, .output_nc = 1, .filters = 4 };
    limn_plan_settings settings = { .compute = LIMN_COMPUTE_PLAIN };
    static float values[3 * 16 * 16];
    limn_error error = { 0 };
    limn_value x, y;
    engine e;

    (void)state;
    fine(engine_open_network(&e, &net, (limn_shape){ 1, 3, 16, 16 }, &settings, 1, &error), &error);
    x = limn_input_find(e.graph, "x"); /* x + 1 and x + 2 are the first convolution's parameters */
    y = limn_reported(e.graph, "y");
    assert_int_equal(limn_reported(e.graph, "z"), -1);
    assert_int_equal(limn_input_find(e.graph, "z"), -1);
    assert_int_equal(limn_plan_feed(e.plan, y, values, &error), LIMN_BUG);
    assert_string_equal(error.text, "fed a value that is no input of the graph");
    assert_int_equal(limn_plan_feed(e.plan, -1, values, &error), LIMN_BUG);
    assert_int_equal(limn_plan_feed(e.plan, 100000, values, &error), LIMN_BUG);
    assert_int_equal(limn_plan_read(e.plan, -1, values, &error), LIMN_BUG);
    assert_int_equal(limn_plan_read(e.plan, 100000, values, &error), LIMN_BUG);
    assert_string_equal(error.text, "read a value that the graph does not have");
    assert_int_equal(limn_plan_read(e.plan, x + 3, values, &error), LIMN_BUG);
    assert_non_null(strstr(error.text, "cannot be read: it was not reported"));
    engine_close(&e);
}

/* One set of weights, two networks that disagree about a shape. */
static void weights_of_another_network_are_said(void **state)
{
    limn_network net = { .net = "pixel", .input_nc = 3, .output_nc = 1, .filters = 4 };
    limn_plan_settings settings = { .compute = LIMN_COMPUTE_PLAIN };
    limn_error error = { 0 };
    limn_plan *plan;
    engine e;
    wrong w;

    (void)state;
    fine(engine_open_network(&e, &net, (limn_shape){ 1, 3, 16, 16 }, &settings, 1, &error), &error);
    open_wrong(&w);
    net.filters = 5;
    limn_apply(w.graph, "G", &net, limn_input(w.graph, "x", (limn_shape){ 1, 3, 16, 16 }), NULL);
    assert_int_equal(limn_plan_open(&plan, w.graph, e.weights, &settings, &error), LIMN_SHAPE);
    assert_string_equal(
        error.text,
        "planning: G.net.0.weight is 5x3x1x1 in this network and 4x3x1x1 in the weights");
    close_wrong(&w);
    engine_close(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_seed_gives_the_same_bits),
        cmocka_unit_test(a_step_allocates_nothing),
        cmocka_unit_test(an_inference_allocates_nothing),
#ifdef __SSE__
        cmocka_unit_test(denormals_are_zero_inside_and_only_there),
#endif
        cmocka_unit_test(wrong_shapes_are_said),
        cmocka_unit_test(a_critic_on_too_small_a_picture_is_said),
        cmocka_unit_test(wrong_updates_are_said),
        cmocka_unit_test(wrong_values_are_said),
        cmocka_unit_test(weights_of_another_network_are_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
