/* SPDX-License-Identifier: Apache-2.0
 *
 * One training step after another: see trainer.h. */
#include "train/trainer.h"
#include "base/threads.h"

#include <math.h>
#include <string.h>

/* ---- Describing the step --------------------------------------------------------------------- */

static limn_status read_generators(limn_trainer *t, limn_error *error)
{
    const char *at = t->recipe->generators;

    while (*at) {
        size_t length = strcspn(at, " ");

        if (t->generator_count == LIMN_GENERATORS_MAX || length >= sizeof *t->generators)
            return limn_fail(error, LIMN_BUG, "the recipe %s has generators \"%s\"",
                             t->recipe->name, t->recipe->generators);
        memcpy(t->generators[t->generator_count++], at, length);
        at += length;
        while (*at == ' ') at++;
    }
    return LIMN_OK;
}

/* A loss is what the recipe reports as one number. */
static limn_status read_losses(limn_trainer *t, int pass, limn_error *error)
{
    limn_graph *graph = t->graphs[pass];
    int found = 0;

    for (int i = 0; i < limn_report_count(graph); i++) {
        limn_value value;
        const char *name = limn_report_name(graph, i, &value);

        if (limn_count(limn_shape_of(graph, value)) != 1) continue;
        if (found == LIMN_LOSSES_MAX)
            return limn_fail(error, LIMN_BUG, "the recipe %s has more than %d losses",
                             t->recipe->name, LIMN_LOSSES_MAX);
        if (!t->loss_names[found] && !(t->loss_names[found] = limn_take_text(&t->arena, name)))
            return limn_fail(error, LIMN_NO_MEMORY, "out of memory for the names of losses");
        if (!pass) t->loss_values[found] = value;
        if (limn_report_is_here(graph, i)) {
            t->loss_passes[found] = pass;
            t->loss_made[found] = value;
        }
        found++;
    }
    t->loss_count = found;
    return LIMN_OK;
}

static limn_status describe_pass(limn_trainer *t, int pass, limn_error *error)
{
    limn_graph *graph;

    LIMN_TRY(limn_graph_open(&t->graphs[pass], true, error));
    graph = t->graphs[pass];
    if (!pass) t->graph = graph;
    if (t->train->accumulate > 1) limn_graph_accumulate(graph, pass);
    t->recipe->step(graph, &t->settings);
    LIMN_TRY(limn_graph_status(graph, error));
    if (limn_input_find(graph, "real_A") < 0 || limn_input_find(graph, "real_B") < 0)
        return limn_fail(error, LIMN_BUG, "the recipe %s has no inputs real_A and real_B",
                         t->recipe->name);
    return read_losses(t, pass, error);
}

static limn_status describe(limn_trainer *t, int height, int width, limn_error *error)
{
    for (int pass = 0; pass < t->passes; pass++) {
        limn_plan_close(&t->plans[pass]);
        limn_graph_close(&t->graphs[pass]);
    }
    t->settings.height = height;
    t->settings.width = width;
    t->passes = 1;
    for (int pass = 0; pass < t->passes; pass++) {
        LIMN_TRY(describe_pass(t, pass, error));
        t->passes = limn_graph_passes(t->graphs[0]);
        if (t->passes > LIMN_PASSES_MAX) {
            t->passes = LIMN_PASSES_MAX;
            return limn_fail(error, LIMN_BUG, "a step of %s has more than %d passes",
                             t->recipe->name, LIMN_PASSES_MAX);
        }
    }
    return LIMN_OK;
}

/* The first plan that trains a parameter fixes where it lives, and plans made before that would
 * look in the wrong place: all but the last are made twice.  measured: how many ways were tried;
 * each pass has so many seconds for it. */
static limn_status make_plans(limn_trainer *t, double tune_seconds, int *measured,
                              limn_error *error)
{
    limn_plan_settings settings = { .compute = (limn_compute)t->train->compute,
                                    .choices = t->choices };

    *measured = 0;
    for (int i = 0; i < 2 * t->passes - 1; i++) {
        int pass = i % t->passes;

        settings.tune_seconds = i < t->passes ? tune_seconds : 0;
        limn_plan_close(&t->plans[pass]);
        LIMN_TRY(limn_plan_open(&t->plans[pass], t->graphs[pass], t->weights, &settings, error));
        *measured += limn_plan_about(t->plans[pass]).measured;
    }
    return LIMN_OK;
}

limn_status limn_trainer_fit(limn_trainer *t, int height, int width, limn_error *error)
{
    bool fits = t->passes && t->settings.height == height && t->settings.width == width;
    int measured;

    if (fits && t->plans[t->passes - 1]) return LIMN_OK;
    if (!fits) LIMN_TRY(describe(t, height, width, error));
    return make_plans(t, 0, &measured, error);
}

limn_status limn_trainer_tune(limn_trainer *t, int *measured, limn_error *error)
{
    const double budget =
        5; /* seconds: a pix2pix step takes two, a CycleGAN step of ResNets three */

    limn_choices_recall(t->choices);
    LIMN_TRY(make_plans(t, budget, measured, error));
    limn_choices_keep_used(t->choices);
    if (*measured) (void)limn_choices_remember(t->choices);
    return LIMN_OK;
}

/* Pictures of earlier steps take the place of newer ones, which must be as large. */
static limn_status check_pool(const limn_trainer *t, limn_error *error)
{
    for (int i = 0; i < limn_weights_count(t->weights) && !limn_train_crops(t->train); i++)
        if (!strcmp(limn_weights_at(t->weights, i)->network, "pool"))
            return limn_fail(error, LIMN_SETTING,
                             "--preprocess leaves pictures with sizes of their own, and the pool "
                             "keeps those of one size; set --pool-size 0 or let --preprocess crop");
    return LIMN_OK;
}

limn_status limn_trainer_open(limn_trainer *t, const limn_recipe *recipe,
                              const limn_train_settings *settings, limn_error *error)
{
    limn_status status;

    *t = (limn_trainer){ .recipe = recipe, .train = settings };
    limn_arena_open(&t->arena, "trainer", 0);
    limn_compute_threads_set(settings->threads);
    limn_train_recipe_settings(&t->settings, settings, recipe);
    status = limn_choices_open(&t->choices, &t->arena, error);
    if (!status) status = read_generators(t, error);
    if (!status) status = describe(t, t->settings.height, t->settings.width, error);
    if (!status) status = limn_weights_open(&t->weights, error);
    for (int pass = 0; pass < t->passes && !status; pass++)
        status = limn_weights_add(t->weights, t->graphs[pass], error);
    if (!status) status = check_pool(t, error);
    if (!status) status = limn_trainer_first_values(t, error);
    if (status) limn_trainer_close(t);
    return status;
}

void limn_trainer_close(limn_trainer *t)
{
    for (int pass = 0; pass < t->passes; pass++) {
        limn_plan_close(&t->plans[pass]);
        limn_graph_close(&t->graphs[pass]);
    }
    if (t->weights) limn_weights_close(&t->weights);
    limn_block_free(t->positions);
    limn_block_free(t->order);
    limn_arena_close(&t->arena);
    *t = (limn_trainer){ 0 };
}

/* ---- A step ---------------------------------------------------------------------------------- */

/* One part of a step, for one pass: which pictures of the batch, and where they go. */
typedef struct part {
    const limn_batch *batch;
    int pass, number; /* of the part in the step */
    uint64_t step;
} part;

/* Rows of count different whole numbers below limit: the first of a permutation. */
static limn_status draw_positions(limn_trainer *t, const part *p, limn_value input, uint32_t which,
                                  limn_error *error)
{
    const limn_graph *graph = t->graphs[p->pass];
    limn_shape shape = limn_shape_of(graph, input);
    size_t limit = (size_t)limn_input_limit(graph, input), count = limn_count(shape);
    limn_random random = { .seed = (uint64_t)t->train->seed, .step = p->step };

    if (count > t->position_room) {
        limn_block_free(t->positions);
        t->position_room = 0;
        if (!(t->positions = limn_block(count * sizeof *t->positions)))
            return limn_fail(error, LIMN_NO_MEMORY, "out of memory for positions of patches");
        t->position_room = count;
    }
    if (limit > t->order_room) {
        limn_block_free(t->order);
        t->order_room = 0;
        if (!(t->order = limn_block(limit * sizeof *t->order)))
            return limn_fail(error, LIMN_NO_MEMORY, "out of memory for positions of patches");
        t->order_room = limit;
    }
    for (int n = 0; n < shape.n; n++) {
        random.stream = LIMN_STREAM_POSITIONS + (which << 12) + (uint32_t)(p->number * shape.n + n);
        limn_random_permutation(&random, t->order, limit);
        for (int k = 0; k < shape.c; k++)
            t->positions[(size_t)n * (size_t)shape.c + (size_t)k] = (float)t->order[k];
    }
    return limn_plan_feed(t->plans[p->pass], input, t->positions, error);
}

/* The part's pictures of one side, if the batch has the size that was planned for. */
static const float *pictures(const limn_trainer *t, const float *planes, limn_shape batch,
                             limn_shape want, int number)
{
    limn_shape all = want;

    all.n *= t->train->accumulate > 1 ? t->train->accumulate : 1;
    return limn_shape_equal(batch, all) ? planes + (size_t)number * limn_count(want) : NULL;
}

static limn_status feed(limn_trainer *t, const part *p, limn_error *error)
{
    const limn_batch *batch = p->batch;
    const limn_graph *graph = t->graphs[p->pass];
    limn_value value, a = limn_input_find(graph, "real_A"), b = limn_input_find(graph, "real_B");
    const float *of_a = pictures(t, batch->a, batch->a_shape, limn_shape_of(graph, a), p->number);
    const float *of_b = pictures(t, batch->b, batch->b_shape, limn_shape_of(graph, b), p->number);

    if (!of_a || !of_b)
        return limn_fail(error, LIMN_SHAPE,
                         "%s (%dx%d) and %s (%dx%d) are not of one size; let --preprocess crop",
                         batch->a_items[0] ? batch->a_items[0]->name : "the input",
                         batch->a_shape.w, batch->a_shape.h,
                         batch->b_items[0] ? batch->b_items[0]->name : "the target",
                         batch->b_shape.w, batch->b_shape.h);
    LIMN_TRY(limn_plan_feed(t->plans[p->pass], a, of_a, error));
    LIMN_TRY(limn_plan_feed(t->plans[p->pass], b, of_b, error));
    for (int i = 0; (value = limn_input_at(graph, i)) >= 0; i++)
        if (limn_input_limit(graph, value))
            LIMN_TRY(draw_positions(t, p, value, (uint32_t)i, error));
    return LIMN_OK;
}

/* Losses are means over the parts. */
static limn_status run_part(limn_trainer *t, const part *p, const limn_moment *moment,
                            limn_error *error)
{
    LIMN_TRY(feed(t, p, error));
    LIMN_TRY(limn_plan_run(t->plans[p->pass], moment, error));
    for (int i = 0; i < t->loss_count; i++) {
        float value;

        if (t->loss_passes[i] != p->pass) continue;
        LIMN_TRY(limn_plan_read(t->plans[p->pass], t->loss_made[i], &value, error));
        t->losses[i] += (double)value / moment->parts;
    }
    return LIMN_OK;
}

limn_status limn_trainer_step(limn_trainer *t, const limn_batch *batch, uint64_t step,
                              double learning_rate, limn_error *error)
{
    limn_moment moment = { .seed = (uint64_t)t->train->seed,
                           .step = step,
                           .learning_rate = (float)learning_rate,
                           .parts = t->train->accumulate > 1 ? t->train->accumulate : 1 };

    LIMN_TRY(limn_trainer_fit(t, batch->a_shape.h, batch->a_shape.w, error));
    for (int i = 0; i < t->loss_count; i++) t->losses[i] = 0;
    for (int pass = 0; pass < t->passes; pass++)
        for (moment.part = 0; moment.part < moment.parts; moment.part++)
            LIMN_TRY(run_part(t, &(part){ batch, pass, moment.part, step }, &moment, error));
    return LIMN_OK;
}

const char *limn_trainer_lost(const limn_trainer *t)
{
    for (int i = 0; i < t->loss_count; i++)
        if (!isfinite(t->losses[i])) return t->loss_names[i];
    return NULL;
}

limn_status limn_trainer_sound(const limn_trainer *t, bool *sound, limn_error *error)
{
    size_t room = 0;
    float *values = NULL;
    limn_status status = LIMN_OK;

    *sound = true;
    for (int i = 0; i < limn_weights_count(t->weights); i++) {
        size_t count = limn_count(limn_weights_at(t->weights, i)->shape);

        if (count > room) room = count;
    }
    if (!(values = limn_block(room * sizeof *values)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for looking at the weights");
    for (int i = 0; i < limn_weights_count(t->weights) && *sound && !status; i++) {
        size_t count = limn_count(limn_weights_at(t->weights, i)->shape);
        float sum = 0;

        status = limn_weights_get(t->weights, i, values, error);
        for (size_t k = 0; k < count && !status; k++) sum += values[k] * 0; /* 0, or NaN for good */
        *sound = sum == 0;
    }
    limn_block_free(values);
    return status;
}
