/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs a model's generator on numbers, for check_models.py: no picture is decoded or encoded, so
 * what is compared is the network alone.
 *
 *     run_model MODEL INPUT OUTPUT N H W [COMPUTE]
 *
 * INPUT and OUTPUT are raw float32, NCHW.  Prints the highest resident memory in KiB. */
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static float *read_floats(const char *path, size_t count)
{
    float *values = limn_block(count * sizeof *values);
    FILE *file = fopen(path, "rb");

    if (!file || !values || fread(values, sizeof *values, count, file) != count ||
        fgetc(file) != EOF) {
        fprintf(stderr, "run_model: %s does not hold %zu floats\n", path, count);
        exit(1);
    }
    fclose(file);
    return values;
}

/* VmHWM, and not getrusage, whose number a child inherits from the process that started it. */
static long highest_kib(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[128];
    long kib = 0;

    while (file && fgets(line, sizeof line, file)) sscanf(line, "VmHWM: %ld", &kib);
    if (file) fclose(file);
    return kib;
}

static limn_status run(char **argv, limn_compute compute, limn_error *error)
{
    const limn_model_network *network;
    limn_weights *weights;
    limn_model *model;
    limn_graph *graph;
    limn_plan *plan;
    limn_shape in = { atoi(argv[4]), 0, atoi(argv[5]), atoi(argv[6]) }, out;
    limn_value x, y;
    float *input, *output;
    FILE *file;

    LIMN_TRY(limn_model_open(&model, argv[1], error));
    if (!(network = limn_model_network_of(limn_model_about(model), NULL)))
        return limn_fail(error, LIMN_SETTING, "%s has no generator", argv[1]);
    in.c = network->network.input_nc;
    LIMN_TRY(limn_graph_open(&graph, false, error));
    x = limn_input(graph, "input", in);
    y = limn_apply(graph, network->name, &network->network, x, NULL);
    limn_report(graph, "output", y);
    LIMN_TRY(limn_weights_open(&weights, error));
    LIMN_TRY(limn_weights_add(weights, graph, error));
    LIMN_TRY(limn_model_load(model, NULL, weights, NULL, false, error));
    limn_model_close(&model);
    LIMN_TRY(
        limn_plan_open(&plan, graph, weights, &(limn_plan_settings){ .compute = compute }, error));
    out = limn_shape_of(graph, y);
    input = read_floats(argv[2], limn_count(in));
    output = limn_block(limn_count(out) * sizeof *output);
    LIMN_TRY(limn_plan_feed(plan, x, input, error));
    LIMN_TRY(limn_plan_run(plan, &(limn_moment){ 0 }, error));
    LIMN_TRY(limn_plan_read(plan, y, output, error));
    if (!(file = fopen(argv[3], "wb")) ||
        fwrite(output, sizeof *output, limn_count(out), file) != limn_count(out) || fclose(file))
        return limn_fail(error, LIMN_IO, "could not write %s", argv[3]);
    limn_block_free(input);
    limn_block_free(output);
    limn_plan_close(&plan);
    limn_weights_close(&weights);
    limn_graph_close(&graph);
    return LIMN_OK;
}

int main(int argc, char **argv)
{
    limn_compute compute = LIMN_COMPUTE_PLAIN;
    limn_error error = { 0 };

    if (argc < 7) {
        fputs("usage: run_model MODEL INPUT OUTPUT N H W [COMPUTE]\n", stderr);
        return 2;
    }
    for (int c = LIMN_COMPUTE_PLAIN; argc > 7 && c <= LIMN_COMPUTE_AUTO; c++)
        if (!strcmp(argv[7], limn_compute_name((limn_compute)c))) compute = (limn_compute)c;
    if (argc < 8 && limn_compute_resolve(LIMN_COMPUTE_AUTO, NULL) != LIMN_COMPUTE_PLAIN)
        compute = LIMN_COMPUTE_FP32;
    if (run(argv, compute, &error)) {
        fprintf(stderr, "run_model: %s\n", error.text);
        return 1;
    }
    printf("%ld\n", highest_kib());
    return 0;
}
