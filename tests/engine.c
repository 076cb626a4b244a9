/* SPDX-License-Identifier: Apache-2.0
 *
 * See engine.h. */
#include "engine.h"
#include "base/cpu.h"
#include "base/memory.h"
#include "base/random.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

bool engine_term(const limn_recipe *recipe, limn_recipe_settings *s, const char *name,
                 const char *value)
{
    limn_error error = { 0 };

    return recipe->rows && limn_setting_find(recipe->rows, name) &&
           !limn_setting_set(recipe->rows, &s->terms, name, value, &error);
}

limn_recipe_settings engine_small(const limn_recipe *recipe, int filters)
{
    limn_recipe_settings s = limn_recipe_defaults(recipe);

    s.generator.filters = s.critic.filters = filters;
    s.height = 32;
    s.width = 64;
    if (engine_is_unet(recipe)) {
        s.generator.net = "unet_64"; /* the smallest with dropout */
        s.height = 64;
    } else {
        s.generator.net = "resnet_2blocks";
        s.critic.net = engine_term(recipe, &s, "nce-layers", "0,4,8,12,13") ? "pixel" : "n_layers";
        s.critic.layers = 2;
    }
    engine_term(recipe, &s, "pool-size", "2");
    engine_term(recipe, &s, "netF-nc", "16");
    engine_term(recipe, &s, "num-patches", "20");
    return s;
}

static limn_status open_rest(engine *e, const limn_plan_settings *plan, uint64_t seed,
                             limn_error *error)
{
    limn_status status = limn_graph_status(e->graph, error);

    if (!status) status = limn_weights_open(&e->weights, error);
    if (!status) status = limn_weights_add(e->weights, e->graph, error);
    if (!status && seed) status = limn_weights_initial(e->weights, NULL, seed, 0.05f, error);
    if (!status) status = limn_plan_open(&e->plan, e->graph, e->weights, plan, error);
    if (status) engine_close(e);
    return status;
}

limn_status engine_open(engine *e, const limn_recipe *recipe, const limn_recipe_settings *settings,
                        const limn_plan_settings *plan, uint64_t seed, limn_error *error)
{
    *e = (engine){ .graph = NULL };
    LIMN_TRY(limn_graph_open(&e->graph, true, error));
    recipe->step(e->graph, settings);
    return open_rest(e, plan, seed, error);
}

limn_status engine_open_network(engine *e, const limn_network *network, limn_shape shape,
                                const limn_plan_settings *plan, uint64_t seed, limn_error *error)
{
    limn_value x;

    *e = (engine){ .graph = NULL };
    LIMN_TRY(limn_graph_open(&e->graph, false, error));
    x = limn_input(e->graph, "x", shape);
    limn_report(e->graph, "y", limn_apply(e->graph, "G", network, x, NULL));
    return open_rest(e, plan, seed, error);
}

void engine_close(engine *e)
{
    limn_plan_close(&e->plan);
    limn_weights_close(&e->weights);
    limn_graph_close(&e->graph);
}

limn_status engine_feed(engine *e, uint64_t step, limn_error *error)
{
    limn_value input;

    for (int i = 0; (input = limn_input_at(e->graph, i)) >= 0; i++) {
        limn_shape shape = limn_shape_of(e->graph, input);
        limn_random random = { .seed = 7, .stream = (uint32_t)i, .step = step };
        size_t count = limn_count(shape);
        float *values = limn_block(count * sizeof *values);
        limn_status status;

        if (!values) return limn_fail(error, LIMN_NO_MEMORY, "out of memory for noise");
        for (size_t k = 0; k < count; k++)
            values[k] = shape.h == 1 ? (float)((k * 7 + step) % (size_t)shape.c)
                                     : 2 * limn_random_uniform(&random, k) - 1;
        status = limn_plan_feed(e->plan, input, values, error);
        limn_block_free(values);
        LIMN_TRY(status);
    }
    return LIMN_OK;
}

limn_status engine_step(engine *e, uint64_t seed, uint64_t step, limn_error *error)
{
    limn_moment moment = { .seed = seed, .step = step, .learning_rate = 2e-4f };

    LIMN_TRY(engine_feed(e, step, error));
    return limn_plan_run(e->plan, &moment, error);
}

void row_free(row *r)
{
    limn_block_free(r->values);
    *r = (row){ .values = NULL };
}

static float *more(row *r, size_t count, limn_error *error)
{
    if (r->count + count > r->room) {
        size_t room = 2 * (r->count + count);
        float *bigger = limn_block(room * sizeof *bigger);

        if (!bigger) {
            limn_fail(error, LIMN_NO_MEMORY, "out of memory for a row of numbers");
            return NULL;
        }
        if (r->count) memcpy(bigger, r->values, r->count * sizeof *bigger);
        limn_block_free(r->values);
        r->values = bigger;
        r->room = room;
    }
    r->count += count;
    return r->values + r->count - count;
}

limn_status row_reports(row *r, engine *e, limn_error *error)
{
    for (int i = 0; i < limn_report_count(e->graph); i++) {
        limn_value value;
        float *to;

        limn_report_name(e->graph, i, &value);
        if (!(to = more(r, limn_count(limn_shape_of(e->graph, value)), error)))
            return LIMN_NO_MEMORY;
        LIMN_TRY(limn_plan_read(e->plan, value, to, error));
    }
    return LIMN_OK;
}

limn_status row_weights(row *r, limn_weights *weights, unsigned kinds, limn_error *error)
{
    for (int i = 0; i < limn_weights_count(weights); i++) {
        const limn_parameter_info *info = limn_weights_at(weights, i);
        float *to;

        if (!(kinds >> info->kind & 1)) continue;
        if (!(to = more(r, limn_count(info->shape), error))) return LIMN_NO_MEMORY;
        LIMN_TRY(limn_weights_get(weights, i, to, error));
    }
    return LIMN_OK;
}

double row_distance(const row *a, const row *b)
{
    double difference = 0, norm = 0;

    if (a->count != b->count || !a->count) return INFINITY;
    for (size_t i = 0; i < a->count; i++) {
        double d = (double)a->values[i] - b->values[i];

        difference += d * d;
        norm += (double)b->values[i] * b->values[i];
    }
    if (!isfinite(difference) || !isfinite(norm) || norm == 0) return INFINITY;
    return sqrt(difference / norm);
}

bool row_same_bits(const row *a, const row *b)
{
    return a->count == b->count && a->count &&
           !memcmp(a->values, b->values, a->count * sizeof *a->values);
}

bool engine_has(limn_compute compute)
{
    if (compute == LIMN_COMPUTE_PLAIN) return true;
    if (limn_dnn_start(NULL)) return false;
    /* With AVX-512 alone it works too, but these tests would take three times as long. */
    return compute == LIMN_COMPUTE_FP32 || limn_cpu_has_bf16();
}
