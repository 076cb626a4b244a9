/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory runs out at every place where the engine asks for some: while a network is described and
 * differentiated, while weights are made and read, while planning, running, and changing plans on
 * the same weights.  Each time there must be a sentence, nothing lost, and no crash; the sanitizer
 * builds run this too.
 *
 * The nth request is refused for n = 0, 1, 2 ..., and so are all that follow, until everything goes
 * through.  Late requests look alike (one a parameter), so from the 200th on n grows by a few
 * percent at a time; the count at which all goes through is found exactly, so the last request is
 * refused as well. */
#include "base/memory.h"
#include "engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct work {
    const limn_recipe *recipe;
    limn_recipe_settings settings;
    limn_compute compute;
} work;

static limn_status read_first_weight(const engine *e, limn_error *error)
{
    static float values[1 << 16];

    for (int i = 0; i < limn_weights_count(e->weights); i++) {
        if (limn_count(limn_weights_at(e->weights, i)->shape) > 1 << 16) continue;
        LIMN_TRY(limn_weights_get(e->weights, i, values, error));
        return limn_weights_set(e->weights, i, values, error);
    }
    return LIMN_OK;
}

/* A picture is translated with the weights that are being trained, and training goes on. */
static limn_status translate_between(engine *e, const work *w, limn_error *error)
{
    limn_plan_settings settings = { .compute = w->compute };
    const char *name = strchr(w->recipe->generators, ' ') ? "G_A" : "G";
    limn_moment moment = { .step = 1, .learning_rate = 2e-4f };
    limn_shape shape = { 1, w->settings.generator.input_nc, w->settings.height, w->settings.width };
    limn_graph *graph;
    limn_plan *plan = NULL;
    limn_status status;

    LIMN_TRY(limn_graph_open(&graph, false, error));
    limn_report(
        graph, "y",
        limn_apply(graph, name, &w->settings.generator, limn_input(graph, "x", shape), NULL));
    status = limn_plan_open(&plan, graph, e->weights, &settings, error);
    if (!status) status = limn_plan_run(plan, &(limn_moment){ 0 }, error);
    if (!status) status = limn_plan_run(e->plan, &moment, error);
    limn_plan_close(&plan);
    limn_graph_close(&graph);
    return status;
}

static limn_status everything(const work *w, limn_error *error)
{
    limn_plan_settings plan = { .compute = w->compute };
    limn_status status;
    engine e;

    LIMN_TRY(engine_open(&e, w->recipe, &w->settings, &plan, 1, error));
    status = engine_step(&e, 1, 0, error);
    if (!status) status = read_first_weight(&e, error);
    if (!status) status = translate_between(&e, w, error);
    engine_close(&e);
    return status;
}

static void refuse_everywhere(const work *w)
{
    size_t live = limn_memory_live_blocks(), requests = limn_memory_requests();
    limn_error error = { 0 };
    long all;

    assert_int_equal(everything(w, &error), LIMN_OK);
    assert_int_equal(limn_memory_live_blocks(), live);
    all = (long)(limn_memory_requests() - requests);
    assert_true(all > 20);
    for (long n = 0; n < all; n += n < 200 ? 1 : n / 40) {
        limn_status status;

        if (n + n / 40 >= all) n = all - 1; /* the very last one too */
        memset(&error, 0, sizeof error);
        limn_memory_refuse_after(n);
        status = everything(w, &error);
        limn_memory_refuse_after(-1);
        if (status != LIMN_NO_MEMORY || error.status != status || !error.text[0])
            fail_msg("%s in %s, request %ld of %ld refused: status %d, \"%s\"", w->recipe->name,
                     limn_compute_name(w->compute), n, all, (int)status, error.text);
        if (limn_memory_live_blocks() != live)
            fail_msg("%s in %s, request %ld of %ld refused: %zu blocks are lost", w->recipe->name,
                     limn_compute_name(w->compute), n, all, limn_memory_live_blocks() - live);
    }
    assert_int_equal(everything(w, &error), LIMN_OK); /* nothing is broken for later */
}

static void refuse_in(limn_compute compute)
{
    for (int r = 0; limn_recipes[r]; r++) {
        work w = { limn_recipes[r], engine_small(limn_recipes[r], 4), compute };

        w.settings.width = 32;
        w.settings.height = 32;
        if (engine_is_unet(w.recipe)) w.settings.generator.net = "unet_32";
        w.settings.critic.net = "pixel";
        refuse_everywhere(&w);
    }
}

static void every_refusal_is_clean_in_plain(void **state)
{
    (void)state;
    refuse_in(LIMN_COMPUTE_PLAIN);
}

static void every_refusal_is_clean_in_fp32(void **state)
{
    (void)state;
    if (!engine_has(LIMN_COMPUTE_FP32)) skip();
    refuse_in(LIMN_COMPUTE_FP32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_refusal_is_clean_in_plain),
        cmocka_unit_test(every_refusal_is_clean_in_fp32),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
