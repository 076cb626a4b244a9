/* SPDX-License-Identifier: Apache-2.0
 *
 * A trial of a model: numbers in, numbers out, for comparing another runtime with.
 *
 * The numbers that go in are drawn here and are no picture, so what comes out needs neither screen
 * nor mark; a function that takes numbers from outside would be a way around both.
 *
 * Always float32: what is compared is two ways to compute the same formulas, and bf16 would differ
 * by more than any mistake worth finding. */
#include "base/random.h"
#include "model/model.h"

enum { TRIAL_STREAM = 0x7241a1 };

static limn_status take_numbers(limn_trial *trial, limn_shape in, limn_shape out, limn_error *error)
{
    limn_random random = { .seed = (uint64_t)in.w, .stream = TRIAL_STREAM };
    size_t count = limn_count(in);

    *trial = (limn_trial){ .input_size = { in.n, in.c, in.h, in.w },
                           .output_size = { out.n, out.c, out.h, out.w },
                           .input = limn_block(count * sizeof(float)),
                           .output = limn_block(limn_count(out) * sizeof(float)) };
    if (!trial->input || !trial->output)
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for a trial of %dx%d", in.h, in.w);
    for (size_t i = 0; i < count; i++) trial->input[i] = 2 * limn_random_uniform(&random, i) - 1;
    return LIMN_OK;
}

static limn_status run(limn_trial *trial, const limn_model *model, const limn_model_network *of,
                       limn_shape in, limn_graph *graph, limn_weights *weights, limn_plan **plan,
                       limn_error *error)
{
    limn_plan_settings settings = { .compute = limn_compute_resolve(LIMN_COMPUTE_AUTO, NULL) };
    limn_value x = limn_input(graph, "input", in),
               y = limn_apply(graph, of->name, &of->network, x, NULL);

    limn_report(graph, "output", y);
    LIMN_TRY(limn_graph_status(graph, error));
    LIMN_TRY(limn_weights_add(weights, graph, error));
    LIMN_TRY(limn_model_load(model, of->name, weights, NULL, false, error));
    LIMN_TRY(limn_plan_open(plan, graph, weights, &settings, error));
    LIMN_TRY(take_numbers(trial, in, limn_shape_of(graph, y), error));
    LIMN_TRY(limn_plan_feed(*plan, x, trial->input, error));
    LIMN_TRY(limn_plan_run(*plan, &(limn_moment){ 0 }, error));
    return limn_plan_read(*plan, y, trial->output, error);
}

/* Large enough for every layer, and not square: rows and columns mixed up would show. */
static limn_shape shape_of(const limn_network *network, int batch)
{
    int side = limn_network_is_critic(network->net) ? 128 : limn_network_multiple(network->net);

    while (side < 32) side *= 2;
    return (limn_shape){ batch, network->input_nc, side, batch == 1 ? 2 * side : side };
}

limn_status limn_trial_run(limn_trial *trial, const char *path, const char *name, int batch,
                           limn_error *error)
{
    const limn_model_network *network;
    limn_weights *weights = NULL;
    limn_graph *graph = NULL;
    limn_plan *plan = NULL;
    limn_model *model;
    limn_status status;

    *trial = (limn_trial){ .input = NULL };
    LIMN_TRY(limn_model_open(&model, path, error));
    network = limn_model_network_of(limn_model_about(model), name);
    status = network ? limn_graph_open(&graph, false, error)
                     : limn_fail(error, LIMN_SETTING, "%s: there is no network %s in it", path,
                                 name ? name : "that translates");
    if (!status) status = limn_weights_open(&weights, error);
    if (!status)
        status = run(trial, model, network, shape_of(&network->network, batch), graph, weights,
                     &plan, error);
    limn_plan_close(&plan);
    if (weights) limn_weights_close(&weights);
    limn_graph_close(&graph);
    limn_model_close(&model);
    if (!status) return LIMN_OK;
    limn_trial_free(trial);
    return limn_while(error, "%s", path);
}

void limn_trial_free(limn_trial *trial)
{
    limn_block_free(trial->input);
    limn_block_free(trial->output);
    *trial = (limn_trial){ .input = NULL };
}
