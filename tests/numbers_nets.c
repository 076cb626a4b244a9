/* SPDX-License-Identifier: Apache-2.0
 *
 * check_numbers: whole networks. */
#include "numbers.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

limn_norm numbers_norm(numbers *n)
{
    const char *norm = numbers_text(n, "norm", "batch");

    if (!strcmp(norm, "instance")) return LIMN_NORM_INSTANCE;
    if (strcmp(norm, "batch")) numbers_fail(n, "args: norm %s is not understood", norm);
    return LIMN_NORM_BATCH;
}

/* Sets every parameter of the weights from "prefixNAME"; counts that all recorded ones were used.
 */
bool numbers_load(numbers *n, limn_weights *weights, const char *prefix, const char *strip)
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
void numbers_check_names(numbers *n, const limn_weights *weights, const char *front,
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

    net.norm = numbers_norm(n);
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
        if (!numbers_load(n, weights, "", "N.")) goto done;
        numbers_check_names(n, weights, "N.", others);
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
