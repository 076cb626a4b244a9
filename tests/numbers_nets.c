/* SPDX-License-Identifier: Apache-2.0
 *
 * check_numbers: whole networks and training steps. */
#include "net/graph_inside.h"
#include "numbers.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static limn_norm norm_of(numbers *n)
{
    const char *norm = numbers_text(n, "norm", "batch");

    if (!strcmp(norm, "instance")) return LIMN_NORM_INSTANCE;
    if (strcmp(norm, "batch")) numbers_fail(n, "args: norm %s is not understood", norm);
    return LIMN_NORM_BATCH;
}

/* Sets every parameter of the weights from "prefixNAME"; counts that all recorded ones were used.
 */
static bool load(numbers *n, limn_weights *weights, const char *prefix, const char *strip)
{
    limn_error error = { 0 };

    for (int i = 0; i < limn_weights_count(weights); i++) {
        const limn_parameter_info *info = limn_weights_at(weights, i);
        char name[500];
        limn_shape shape;
        float *values;

        if (info->kind == LIMN_PARAMETER_MOMENT) continue;
        snprintf(name, sizeof name, "%s%s", prefix, info->name + strlen(strip));
        if (!(values = numbers_floats(n, name, &shape, false))) return false;
        if (limn_count(shape) != limn_count(info->shape)) {
            numbers_fail(n, "%s has %zu values, the network wants %zu", name, limn_count(shape),
                         limn_count(info->shape));
        } else if (limn_weights_set(weights, i, values, &error)) {
            numbers_fail(n, "%s: %s", name, error.text);
        }
        limn_block_free(values);
        if (n->failed) return false;
    }
    return true;
}

/* Every recorded tensor must be one of ours, by name. */
static void check_names(numbers *n, const limn_weights *weights, const char *front,
                        const char *const *others)
{
    for (size_t i = 0; i < limn_safetensors_count(n->file); i++) {
        const char *name = limn_safetensors_at(n->file, i)->name;
        char full[500];
        bool known = false;

        for (int k = 0; others[k]; k++) known |= !strcmp(name, others[k]);
        if (!strncmp(name, "after.", 6)) name += 6;
        snprintf(full, sizeof full, "%s%s", front, name);
        if (!known && limn_weights_find(weights, full) < 0)
            numbers_fail(n, "the recorded %s belongs to no parameter", name);
    }
}

void numbers_check_net(numbers *n)
{
    static const char *const others[] = { "input", "output", NULL };
    limn_network net = { .net = numbers_text(n, "net", "") };
    bool training = numbers_flag(n, "training", false), critic = limn_network_is_critic(net.net);
    limn_graph *graph = NULL;
    limn_weights *weights = NULL;
    limn_plan *plan = NULL;
    limn_plan_settings settings = { .compute = n->compute };
    limn_error error = { 0 };
    limn_shape in, out;
    float *input = numbers_floats(n, "input", &in, true),
          *output = numbers_floats(n, "output", &out, false);
    float *got = NULL;

    net.norm = norm_of(n);
    net.filters = (int)numbers_number(n, critic ? "ndf" : "ngf", 0);
    net.layers = (int)numbers_number(n, "n_layers_D", 3);
    net.input_nc = (int)numbers_number(n, "input_nc", critic ? 6 : 3);
    net.output_nc = (int)numbers_number(n, "output_nc", critic ? 1 : 3);
    if (!numbers_args_used(n) || !input || !output) goto done;

    if (limn_graph_open(&graph, training, &error) || limn_weights_open(&weights, &error)) goto say;
    {
        limn_value x = limn_input(graph, "input", in), y = limn_apply(graph, "N", &net, x, NULL);

        limn_report(graph, "output", y);
        if (limn_weights_add(weights, graph, &error)) goto say;
        if (!load(n, weights, "", "N.")) goto done;
        check_names(n, weights, "N.", others);
        if (limn_plan_open(&plan, graph, weights, &settings, &error)) goto say;
        if (!limn_shape_equal(limn_shape_of(graph, y), out)) {
            numbers_fail(n, "the output has another shape than the recorded one");
            goto done;
        }
        if (!(got = limn_block(limn_count(out) * sizeof *got))) goto done;
        if (limn_plan_feed(plan, x, input, &error) ||
            limn_plan_run(plan, &(limn_moment){ 0 }, &error) ||
            limn_plan_read(plan, y, got, &error))
            goto say;
    }
    numbers_compare(n, "output", got, output, NULL, limn_count(out),
                    n->compute == LIMN_COMPUTE_BF16 ? tolerance_bf16 : tolerance_nets);
    if (n->compute != LIMN_COMPUTE_PLAIN && limn_plan_about(plan).reference_convolutions)
        numbers_fail(n, "%d convolutions run on reference code",
                     limn_plan_about(plan).reference_convolutions);
    goto done;
say:
    numbers_fail(n, "%s", error.text);
done:
    limn_plan_close(&plan);
    limn_weights_close(&weights);
    limn_graph_close(&graph);
    limn_block_free(got);
    limn_block_free(input);
    limn_block_free(output);
}

/* ---- Training steps
 * ------------------------------------------------------------------------------ */

static void read_settings(numbers *n, limn_recipe_settings *s)
{
    const char *mode = numbers_text(n, "gan_mode", "");
    json_t *layers;

    s->generator.net = numbers_text(n, "netG", "");
    s->critic.net = numbers_text(n, "netD", "");
    s->generator.filters = (int)numbers_number(n, "ngf", 0);
    s->critic.filters = (int)numbers_number(n, "ndf", 0);
    s->generator.norm = s->critic.norm = norm_of(n);
    s->generator.dropout = numbers_flag(n, "dropout", false);
    s->generator.antialias = s->generator.antialias_up = s->critic.antialias = false;
    s->gan_mode = !strcmp(mode, "vanilla") ? LIMN_GAN_VANILLA : LIMN_GAN_LSGAN;
    if (strcmp(mode, "vanilla") && strcmp(mode, "lsgan"))
        numbers_fail(n, "gan_mode %s is not understood", mode);
    s->batch = (int)numbers_number(n, "batch_size", 1);
    s->adam.beta1 = (float)numbers_number(n, "beta1", 0.5);
    s->lambda_L1 = (float)numbers_number(n, "lambda_L1", s->lambda_L1);
    s->lambda_A = (float)numbers_number(n, "lambda_A", s->lambda_A);
    s->lambda_B = (float)numbers_number(n, "lambda_B", s->lambda_B);
    s->lambda_identity = (float)numbers_number(n, "lambda_identity", s->lambda_identity);
    s->lambda_NCE = (float)numbers_number(n, "lambda_NCE", s->lambda_NCE);
    s->nce_T = (float)numbers_number(n, "nce_T", s->nce_T);
    s->nce_idt = numbers_flag(n, "nce_idt", s->nce_idt);
    s->netF_nc = (int)numbers_number(n, "netF_nc", s->netF_nc);
    s->num_patches = (int)numbers_number(n, "num_patches", s->num_patches);
    if (numbers_number(n, "pool_size", 0) != 0)
        numbers_fail(n, "a pool_size other than 0 is not understood");
    if ((layers = numbers_take(n, "nce_layers"))) {
        s->nce_layer_count = (int)json_array_size(layers);
        for (int i = 0; i < s->nce_layer_count && i < LIMN_NCE_LAYERS_MAX; i++)
            s->nce_layers[i] = (int)json_integer_value(json_array_get(layers, (size_t)i));
        json_decref(layers);
    }
}

/* A bias in front of a norm is taken away again by the norm: its true gradient is zero, what is
 * computed is rounding, and Adam makes steps of full size of it.  Those steps differ between any
 * two programs and change nothing that can be seen, so they are not compared. */
static bool moves_by_rounding(const limn_graph *graph, const char *name)
{
    for (int k = 0; k < graph->node_count; k++) {
        const limn_node_info *node = &graph->nodes[k];

        if (node->backward || node->inputs < 3 || node->op->kinds[1] != LIMN_WEIGHT) continue;
        if (strcmp(graph->values[node->x[2]].name, name)) continue;
        for (int r = 0; r < graph->node_count; r++) {
            const limn_node_info *reader = &graph->nodes[r];

            if (!reader->backward && reader->inputs && reader->x[0] == node->y[0])
                return !strcmp(reader->op->name, "instancenorm") ||
                       !strcmp(reader->op->name, "batchnorm");
        }
    }
    return false;
}

static void check_after(numbers *n, const limn_graph *graph, limn_weights *weights)
{
    limn_error error = { 0 };

    for (int i = 0; i < limn_weights_count(weights); i++) {
        const limn_parameter_info *info = limn_weights_at(weights, i);
        size_t count = limn_count(info->shape);
        char name[500];
        float *before, *after, *got;

        if (info->kind == LIMN_PARAMETER_MOMENT || moves_by_rounding(graph, info->name)) continue;
        snprintf(name, sizeof name, "after.%s", info->name);
        before = numbers_floats(n, info->name, NULL, false);
        after = numbers_floats(n, name, NULL, false);
        got = limn_block(count * sizeof *got);
        if (before && after && got) {
            if (limn_weights_get(weights, i, got, &error))
                numbers_fail(n, "%s", error.text);
            else
                numbers_compare(n, name, got, after, before, count, tolerance_weights);
        }
        limn_block_free(before);
        limn_block_free(after);
        limn_block_free(got);
    }
}

static bool feed_ids(numbers *n, limn_plan *plan, const limn_graph *graph,
                     const limn_recipe_settings *s, int step, limn_error *error)
{
    float *ids, *row;
    limn_shape shape;

    if (!numbers_has(n, "patch_ids")) return true;
    if (!(ids = numbers_floats(n, "patch_ids", &shape, false))) return false;
    for (int layer = 0; layer < s->nce_layer_count; layer++) {
        char name[32];
        limn_value input = -1;

        snprintf(name, sizeof name, "patch_ids_%d", layer);
        for (int v = 0; v < graph->value_count; v++)
            if (graph->values[v].input && !strcmp(graph->values[v].name, name)) input = v;
        row = ids + ((size_t)step * (size_t)shape.c + (size_t)layer) * (size_t)shape.h;
        if (input < 0 || limn_plan_feed(plan, input, row, error)) {
            numbers_fail(n, "%s: %s", name, error->text);
            break;
        }
    }
    limn_block_free(ids);
    return !n->failed;
}

void numbers_check_steps(numbers *n)
{
    static const char *const others[] = { "real_A", "real_B", "losses", "patch_ids", NULL };
    const char *model = numbers_text(n, "model", "");
    const limn_recipe *recipe = limn_recipe_find(model);
    limn_recipe_settings s;
    limn_graph *graph = NULL;
    limn_weights *weights = NULL;
    limn_plan *plan = NULL;
    limn_plan_settings settings = { .compute = n->compute };
    limn_error error = { 0 };
    limn_shape shape_a, shape_b, shape_losses;
    float *a = numbers_floats(n, "real_A", &shape_a, true),
          *b = numbers_floats(n, "real_B", &shape_b, true);
    float *losses = numbers_floats(n, "losses", &shape_losses, false), rate;
    json_t *names = numbers_take(n, "losses");
    int steps;

    if (!recipe) {
        numbers_fail(n, "model %s is not understood", model);
        goto done;
    }
    if (!a || !b || !losses) goto done;
    s = *recipe->defaults;
    read_settings(n, &s);
    s.generator.input_nc = shape_a.c;
    s.generator.output_nc = shape_b.c;
    s.height = shape_a.h;
    s.width = shape_a.w;
    rate = (float)numbers_number(n, "lr", 2e-4);
    if (!numbers_args_used(n)) goto done;
    steps = shape_a.n / s.batch;

    if (limn_graph_open(&graph, true, &error) || limn_weights_open(&weights, &error)) goto say;
    recipe->step(graph, &s);
    if (limn_weights_add(weights, graph, &error)) goto say;
    if (!load(n, weights, "", "")) goto done;
    check_names(n, weights, "", others);
    if (limn_plan_open(&plan, graph, weights, &settings, &error)) goto say;

    for (int step = 0; step < steps && !n->failed; step++) {
        size_t shift_a = (size_t)step * (size_t)s.batch * limn_count(shape_a) / (size_t)shape_a.n;
        size_t shift_b = (size_t)step * (size_t)s.batch * limn_count(shape_b) / (size_t)shape_b.n;
        limn_moment moment = { .step = (uint64_t)step, .learning_rate = rate };

        for (int v = 0; v < graph->value_count; v++) {
            const limn_value_info *value = &graph->values[v];

            if (value->input && !strcmp(value->name, "real_A") &&
                limn_plan_feed(plan, v, a + shift_a, &error))
                goto say;
            if (value->input && !strcmp(value->name, "real_B") &&
                limn_plan_feed(plan, v, b + shift_b, &error))
                goto say;
        }
        if (!feed_ids(n, plan, graph, &s, step, &error)) goto done;
        if (limn_plan_run(plan, &moment, &error)) goto say;
        for (size_t i = 0; i < json_array_size(names); i++) {
            const char *name = json_string_value(json_array_get(names, i));
            char what[80];
            float got;

            snprintf(what, sizeof what, "step %d %s", step, name);
            if (limn_plan_read(plan, limn_reported(graph, name), &got, &error)) goto say;
            numbers_compare(n, what, &got, &losses[(size_t)step * (size_t)shape_losses.c + i], NULL,
                            1, tolerance_losses);
        }
    }
    check_after(n, graph, weights);
    goto done;
say:
    numbers_fail(n, "%s", error.text);
done:
    limn_plan_close(&plan);
    limn_weights_close(&weights);
    limn_graph_close(&graph);
    json_decref(names);
    limn_block_free(a);
    limn_block_free(b);
    limn_block_free(losses);
}
