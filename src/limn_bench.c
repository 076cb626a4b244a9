/* SPDX-License-Identifier: Apache-2.0
 *
 * limn bench, limn plan: builds the graph of a training step or of one inference with random
 * weights and pictures, plans it, and times it.  The pictures are noise: no kernel here is faster
 * or slower for what they show, and nothing needs to be on the disk. */
#include "base/random.h"
#include "base/settings.h"
#include "base/threads.h"
#include "model/layers.h"
#include "op/peak.h"
#include "recipe/recipe.h"
#include "zoo/mobilenet.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define AT(field) offsetof(limn_bench_settings, field)

static const limn_setting rows[] = {
    { "net", LIMN_SETTING_TEXT, AT(net), 0, 0,
      "unet_256|unet_128|resnet_9blocks|resnet_6blocks|basic|n_layers|pixel|mobilenet_v2",
      "netG which_model_netG", "network; none: the recipe's own, unet_256 for infer" },
    { "model-file", LIMN_SETTING_TEXT, AT(model), 0, 0, NULL, NULL,
      "infer: the network and the weights of this model; none: drawn ones" },
    { "norm", LIMN_SETTING_CHOICE, AT(norm), 0, 0, "usual|batch|instance|none", NULL,
      "of an inference's network; batch norm with running statistics, which is folded" },
    { "int8", LIMN_SETTING_FLAG, AT(int8), 0, 0, NULL, NULL,
      "infer: all layers but the first and the last in int8" },
    { "size", LIMN_SETTING_INT, AT(size), 1, 16384, NULL, "crop-size", "height of the pictures" },
    { "width", LIMN_SETTING_INT, AT(width), 0, 16384, NULL, NULL,
      "width of the pictures; 0: as the height" },
    { "batch", LIMN_SETTING_INT, AT(batch), 1, 1024, NULL, "batch-size", "pictures at a time" },
    { "ngf", LIMN_SETTING_INT, AT(ngf), 1, 1024, NULL, NULL,
      "filters of the generator's first layer" },
    { "ndf", LIMN_SETTING_INT, AT(ndf), 1, 1024, NULL, NULL,
      "filters of the critic's first layer" },
    { "threads", LIMN_SETTING_INT, AT(threads), 0, 256, NULL, NULL,
      "compute threads; 0: $OMP_NUM_THREADS, or one a core" },
    { "rounds", LIMN_SETTING_INT, AT(rounds), 1, 100000, NULL, NULL, "timed rounds" },
    { "compute", LIMN_SETTING_CHOICE, AT(compute), 0, 0, "plain|fp32|bf16|auto", NULL,
      "how: plain loops, float32, bfloat16, or what suits the processor" },
    { "tune", LIMN_SETTING_FLAG, AT(tune), 0, 0, NULL, NULL,
      "first measure how each convolution is computed fastest, and remember it for this machine" },
    { "method", LIMN_SETTING_CHOICE, AT(method), 0, 0,
      "chosen|direct|channels-last|winograd|few-channels|tiles|sub-pixel|amx|pairs", NULL,
      "compute convolutions this way wherever it fits, to compare" },
    { "layers", LIMN_SETTING_FLAG, AT(layers), 0, 0, NULL, NULL,
      "with profile: a row for each layer" },
    { .name = NULL },
};

const limn_setting *limn_bench_rows(void)
{
    return rows;
}

limn_bench_settings limn_bench_defaults(void)
{
    return (limn_bench_settings){ .what = "pix2pix",
                                  .size = 256,
                                  .batch = 1,
                                  .ngf = 64,
                                  .ndf = 64,
                                  .rounds = 10,
                                  .compute = LIMN_COMPUTE_AUTO };
}

typedef struct bench {
    limn_arena arena;
    limn_choices *choices;
    limn_model *model; /* NULL: drawn weights */
    limn_layer *layers;
    int layer_count;
    limn_graph *described; /* what graph was rewritten from; NULL */
    limn_graph *graph;
    limn_weights *weights;
    limn_plan *plan;
    float *noise;
    double *seconds, *profile, plan_seconds;
} bench;

/* Any network of the zoo, on pictures of three channels. */
static limn_value apply_net(limn_graph *graph, const limn_bench_settings *s, limn_value x)
{
    limn_network net = {
        .net = s->net ? s->net : "unet_256", .input_nc = 3, .output_nc = 3, .layers = 3
    };

    if (!strcmp(net.net, "mobilenet_v2"))
        return limn_mobilenet(graph, "M",
                              &(limn_mobilenet_settings){ .width = 1, .dense = { 1000 } }, x, NULL);
    net.filters = limn_network_is_critic(net.net) ? s->ndf : s->ngf;
    net.norm = s->norm                       ? (limn_norm)(s->norm - 1)
               : strncmp(net.net, "unet", 4) ? LIMN_NORM_INSTANCE
                                             : LIMN_NORM_BATCH;
    return limn_apply(graph, "G", &net, x, NULL);
}

/* Of the model's network, or of the one that is named. */
static limn_status describe_inference(bench *b, const limn_bench_settings *s, limn_error *error)
{
    const limn_model_network *of;
    limn_shape shape = { s->batch, 3, s->size, s->width ? s->width : s->size };
    limn_value y;

    if (s->model) {
        LIMN_TRY(limn_model_open(&b->model, s->model, error));
        if (!(of = limn_model_network_of(limn_model_about(b->model), NULL)))
            return limn_fail(error, LIMN_SETTING, "%s: has no network that translates", s->model);
        shape.c = of->network.input_nc;
        y = limn_apply(b->graph, of->name, &of->network, limn_input(b->graph, "input", shape),
                       NULL);
    } else {
        y = apply_net(b->graph, s, limn_input(b->graph, "input", shape));
    }
    limn_report(b->graph, "output", y);
    return limn_graph_status(b->graph, error);
}

/* As translating does: norms folded, int8 layers as the model has them or as asked for. */
static limn_status rewrite(bench *b, const limn_bench_settings *s, limn_error *error)
{
    limn_graph *other;

    LIMN_TRY(limn_layers_find(&b->layers, &b->layer_count, b->graph, &b->arena, error));
    if (b->model)
        LIMN_TRY(limn_model_mark_layers(b->layers, b->layer_count, b->model,
                                        limn_model_about(b->model)->generator, error));
    for (int i = 1; i < b->layer_count - 1 && s->int8 && !b->model; i++) {
        b->layers[i].int8 = b->layers[i].able;
        b->layers[i].step = 1.0f / 32;
        b->layers[i].zero = 64;
    }
    LIMN_TRY(limn_graph_rewrite(&other, b->graph, b->layers, b->layer_count, false, error));
    b->described = b->graph; /* names of layers are its */
    b->graph = other;
    return LIMN_OK;
}

static limn_status fill_weights(bench *b, limn_error *error)
{
    if (b->model)
        return limn_model_load_layers(b->model, limn_model_about(b->model)->generator, b->weights,
                                      b->layers, b->layer_count, error);
    return limn_weights_initial(b->weights, NULL, 1, 0.02f, error);
}

static limn_status describe(bench *b, const limn_bench_settings *s, limn_error *error)
{
    const limn_recipe *recipe = limn_recipe_find(s->what);
    bool infer = !strcmp(s->what, "infer");
    limn_recipe_settings r;
    char names[200];

    if (!recipe && !infer)
        return limn_fail(error, LIMN_SETTING,
                         "there is nothing called \"%s\" to measure; there are infer and the "
                         "steps of %s",
                         s->what, limn_recipe_names(names, sizeof names, ", "));
    LIMN_TRY(limn_graph_open(&b->graph, !infer, error));
    if (infer) {
        LIMN_TRY(describe_inference(b, s, error));
        if (s->compute != LIMN_COMPUTE_PLAIN || s->int8 || b->model) LIMN_TRY(rewrite(b, s, error));
    } else {
        r = limn_recipe_defaults(recipe);
        if (s->net) r.generator.net = s->net;
        r.generator.filters = s->ngf;
        r.critic.filters = s->ndf;
        r.batch = s->batch;
        r.height = s->size;
        r.width = s->width ? s->width : s->size;
        recipe->step(b->graph, &r);
    }
    return limn_graph_status(b->graph, error);
}

static limn_status feed_noise(bench *b, limn_error *error)
{
    limn_random random = { .seed = 1 };
    limn_shape shape;
    limn_value value;

    for (int i = 0; (value = limn_input_at(b->graph, i)) >= 0; i++) {
        size_t count;

        shape = limn_shape_of(b->graph, value);
        count = limn_count(shape);
        if (!(b->noise = limn_block(count * sizeof *b->noise)))
            return limn_fail(error, LIMN_NO_MEMORY, "out of memory for a picture");
        random.stream = (uint32_t)i;
        /* Positions of patches (shape n, P, 1, 1) are whole numbers that exist in every map. */
        for (size_t k = 0; k < count; k++)
            b->noise[k] = shape.h == 1 ? (float)(k % (size_t)shape.c)
                                       : 2 * limn_random_uniform(&random, k) - 1;
        LIMN_TRY(limn_plan_feed(b->plan, value, b->noise, error));
        limn_block_free(b->noise);
        b->noise = NULL;
    }
    return LIMN_OK;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static limn_status open_bench(bench *b, const limn_bench_settings *s, limn_error *error)
{
    limn_plan_settings settings = { .compute = (limn_compute)s->compute };
    double begin;

    limn_compute_threads_set(s->threads);
    limn_arena_open(&b->arena, "choices", 0);
    LIMN_TRY(limn_choices_open(&b->choices, &b->arena, error));
    limn_choices_prefer(b->choices, (limn_method)s->method);
    if (s->tune)
        settings.tune_seconds = HUGE_VAL;
    else
        limn_choices_recall(b->choices);
    settings.choices = b->choices;
    LIMN_TRY(describe(b, s, error));
    LIMN_TRY(limn_weights_open(&b->weights, error));
    LIMN_TRY(limn_weights_declare(b->weights, b->graph, error));
    begin = now();
    LIMN_TRY(limn_plan_open(&b->plan, b->graph, b->weights, &settings, error));
    b->plan_seconds = now() - begin;
    LIMN_TRY(fill_weights(b, error)); /* straight to the layouts that the plan wants */
    if (s->tune) (void)limn_choices_remember(b->choices);
    return feed_noise(b, error);
}

static void close_bench(bench *b)
{
    limn_plan_close(&b->plan);
    limn_weights_close(&b->weights);
    limn_graph_close(&b->graph);
    limn_graph_close(&b->described);
    limn_model_close(&b->model);
    limn_block_free(b->noise);
    limn_block_free(b->seconds);
    limn_block_free(b->profile);
    limn_arena_close(&b->arena);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

typedef struct row {
    limn_step_facts facts; /* sums of all its calls */
    double seconds;
    int calls;
} row;

static int by_seconds(const void *a, const void *b)
{
    return by_size(&((const row *)b)->seconds, &((const row *)a)->seconds);
}

/* One row for each operation, direction and implementation, and each layer if asked. */
static int collect(const bench *b, int rounds, bool layers, row *table)
{
    int count = 0;

    for (int s = 0; s < limn_plan_steps(b->plan); s++) {
        limn_step_facts f = limn_plan_step_about(b->plan, s);
        int i = 0;

        while (i < count &&
               (strcmp(table[i].facts.op, f.op) || table[i].facts.backward != f.backward ||
                table[i].facts.update != f.update ||
                (layers && strcmp(table[i].facts.name, f.name)) ||
                strcmp(table[i].facts.implementation, f.implementation)))
            i++;
        if (i == count) {
            table[count++] = (row){ .facts = f };
            table[i].facts.flops = 0;
            table[i].facts.bytes = 0;
        }
        table[i].seconds += b->profile[s] / rounds;
        table[i].facts.flops += f.flops;
        table[i].facts.bytes += f.bytes;
        table[i].calls++;
    }
    qsort(table, (size_t)count, sizeof *table, by_seconds);
    return count;
}

static limn_status print_profile(const bench *b, const limn_bench_settings *s, double peak,
                                 FILE *to, limn_error *error)
{
    row *table = limn_block(((size_t)limn_plan_steps(b->plan) + 1) * sizeof *table);
    double total = 0, convolving = 0, updating = 0, flops = 0, updating_flops = 0;
    int count;

    if (!table) return limn_fail(error, LIMN_NO_MEMORY, "out of memory for the profile");
    count = collect(b, s->rounds, s->layers, table);
    for (int i = 0; i < count; i++) {
        total += table[i].seconds;
        if (!table[i].facts.convolution) continue;
        if (table[i].facts.update) {
            updating += table[i].seconds;
            updating_flops += table[i].facts.flops;
        } else {
            convolving += table[i].seconds;
            flops += table[i].facts.flops;
        }
    }
    fprintf(to, "%8s %6s %6s %9s %7s %8s %6s  %-22s %s\n", "ms", "share", "calls", "GFLOP/s",
            "peak %", "MB", "GB/s", "operation", "implementation");
    for (int i = 0; i < count; i++) {
        const row *r = &table[i];
        double rate = r->facts.flops / r->seconds;
        char name[64];

        snprintf(name, sizeof name, "%s%s%s%s", r->facts.op, r->facts.backward ? " backward" : "",
                 r->facts.update ? "+" : "", r->facts.update ? r->facts.update : "");
        fprintf(to, "%8.2f %5.1f%% %6d %9.1f %7.1f %8.1f %6.1f  %-22s %s%s%s\n", 1e3 * r->seconds,
                100 * r->seconds / total, r->calls, 1e-9 * rate, 100 * rate / peak,
                1e-6 * (double)r->facts.bytes, 1e-9 * (double)r->facts.bytes / r->seconds, name,
                r->facts.implementation, s->layers ? "  " : "", s->layers ? r->facts.name : "");
    }
    fprintf(to, "%8.2f ms: convolutions %.2f ms at %.0f GFLOP/s, %.0f %% of the peak; ",
            1e3 * total, 1e3 * convolving, 1e-9 * flops / convolving,
            100 * flops / convolving / peak);
    if (updating > 0)
        fprintf(to, "joined with updates %.2f ms at %.0f GFLOP/s; ", 1e3 * updating,
                1e-9 * updating_flops / updating);
    convolving += updating;
    fprintf(to, "all else %.2f ms, %.1f %%\n", 1e3 * (total - convolving),
            100 * (total - convolving) / total);
    limn_block_free(table);
    return LIMN_OK;
}

limn_status limn_bench(const limn_bench_settings *s, limn_bench_result *result, FILE *profile,
                       limn_error *error)
{
    limn_moment moment = { .learning_rate = 2e-4f };
    bench b = { 0 };
    struct rusage usage;
    double begin;
    limn_status status = open_bench(&b, s, error);
    limn_compute compute = limn_compute_resolve((limn_compute)s->compute, b.graph);

    *result = (limn_bench_result){ .compute = limn_compute_name(compute),
                                   .plan_ms = 1e3 * b.plan_seconds };
    if (!status && !(b.seconds = limn_block((size_t)s->rounds * sizeof *b.seconds)))
        status = limn_fail(error, LIMN_NO_MEMORY, "out of memory for %d rounds", s->rounds);
    if (!status && profile) {
        size_t bytes = ((size_t)limn_plan_steps(b.plan) + 1) * sizeof *b.profile;

        if ((b.profile = limn_block(bytes)))
            memset(b.profile, 0, bytes);
        else
            status = limn_fail(error, LIMN_NO_MEMORY, "out of memory for the profile");
    }
    for (int i = -2; i < s->rounds && !status; i++) {
        begin = now();
        status = limn_plan_run(b.plan, &moment, error);
        if (i >= 0) b.seconds[i] = now() - begin;
        if (i == -1 && profile) limn_plan_profile(b.plan, b.profile);
        moment.step++;
    }
    if (!status) {
        double flops = limn_plan_about(b.plan).flops;

        qsort(b.seconds, (size_t)s->rounds, sizeof *b.seconds, by_size);
        result->median_ms = 1e3 * 0.5 * (b.seconds[s->rounds / 2] + b.seconds[(s->rounds - 1) / 2]);
        result->measured = limn_plan_about(b.plan).measured;
        result->min_ms = 1e3 * b.seconds[0];
        result->max_ms = 1e3 * b.seconds[s->rounds - 1];
        result->gflops = 1e-6 * flops / result->median_ms;
        result->peak_gflops = 1e-9 *
                              limn_peak_flops(compute == LIMN_COMPUTE_BF16 ? LIMN_BF16 : LIMN_F32);
        if (result->peak_gflops > 0)
            result->peak_percent = 100 * result->gflops / result->peak_gflops;
        getrusage(RUSAGE_SELF, &usage);
        result->rss_mib = (double)usage.ru_maxrss / 1024;
        if (profile) status = print_profile(&b, s, 1e9 * result->peak_gflops, profile, error);
    }
    close_bench(&b);
    return status;
}

limn_status limn_show_plan(const limn_bench_settings *s, FILE *to, limn_error *error)
{
    bench b = { 0 };
    limn_status status = open_bench(&b, s, error);

    if (!status) limn_plan_print(b.plan, to);
    close_bench(&b);
    return status;
}
