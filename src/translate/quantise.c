/* SPDX-License-Identifier: Apache-2.0
 *
 * limn quantize: an int8 model from a model and pictures.
 *
 * In four passes: the float network tells the range of what every convolution reads, and its
 * outputs are kept; weights are rounded; each layer is tried alone in int8, which tells how much it
 * costs; then all are int8, and while the outputs are not near enough to the float ones the layer
 * that costs most stays float.  The first and the last layer always do: they are a few per cent of
 * the time, and their rounding is seen directly.
 *
 * Near is PSNR on the scale of -1 to 1, over all pictures together.  What is reported last is that
 * of pictures which took no part in any of this. */
#include "translate/quantise.h"
#include "base/settings.h"
#include "base/threads.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define AT(field) offsetof(limn_quantize_settings, field)

static const limn_setting rows[] = {
    { "network", LIMN_SETTING_TEXT, AT(network), 0, 0, NULL, NULL,
      "which network of the file (none: the one that translates)" },
    { "direction", LIMN_SETTING_TEXT, AT(direction), 0, 0, "AtoB|BtoA", "which-direction",
      "which side of a data folder is translated (none: the model's own)" },
    { "pictures", LIMN_SETTING_INT, AT(pictures), 2, 4096, NULL, "num-test how-many",
      "so many of the folder, evenly; a fourth of them is held out" },
    { "psnr", LIMN_SETTING_FLOAT, AT(psnr), 0, 100, NULL, NULL,
      "decibels from the float model's pictures; layers stay float until it is reached" },
    { "threads", LIMN_SETTING_INT, AT(threads), 0, 256, NULL, NULL,
      "compute threads; 0: $OMP_NUM_THREADS, or one a core" },
    { .name = NULL },
};

const limn_setting *limn_quantize_rows(void)
{
    return rows;
}

limn_quantize_settings limn_quantize_defaults(void)
{
    return (limn_quantize_settings){ .pictures = 32, .psnr = 38 };
}

/* ---- Running a rewritten network ------------------------------------------------------------- */

typedef struct running {
    limn_quantiser *q;
    bool report_inputs;
    limn_weights *weights;
    limn_graph *graph;
    limn_plan *plan;
    limn_compute compute;
    int height, width;
} running;

static void close_plan(running *r)
{
    limn_plan_close(&r->plan);
    limn_graph_close(&r->graph);
    r->height = r->width = 0;
}

static void close_running(running *r)
{
    close_plan(r);
    if (r->weights) limn_weights_close(&r->weights);
}

static limn_status open_graph(running *r, int height, int width, limn_error *error)
{
    limn_translator *t = r->q->t;
    limn_graph *described;
    limn_arena arena;
    limn_layer *layers;
    limn_status status;
    int count;

    LIMN_TRY(limn_graph_open(&described, false, error));
    limn_report(described, "output",
                limn_apply(described, t->network->name, &t->description,
                           limn_input(described, "input",
                                      (limn_shape){ 1, t->description.input_nc, height, width }),
                           NULL));
    limn_arena_open(&arena, "layers", 0);
    status = limn_layers_find(&layers, &count, described, &arena, error);
    if (!status) {
        limn_layers_copy_int8(layers, count, t->layers, t->layer_count);
        status = limn_graph_rewrite(&r->graph, described, layers, count, r->report_inputs, error);
    }
    limn_arena_close(&arena);
    limn_graph_close(&described);
    return status;
}

/* The plan for a picture; weights are filled when the first one is made. */
static limn_status plan_for(running *r, const limn_calibration *c, limn_error *error)
{
    limn_translator *t = r->q->t;
    limn_plan_settings settings = { .compute = r->compute };

    if (r->height == c->height && r->width == c->width) return LIMN_OK;
    close_plan(r);
    LIMN_TRY(open_graph(r, c->height, c->width, error));
    if (!r->weights) {
        LIMN_TRY(limn_weights_open(&r->weights, error));
        LIMN_TRY(limn_weights_declare(r->weights, r->graph, error));
        LIMN_TRY(limn_model_load_whole(t->model, t->network->name, r->weights, t->layers,
                                       r->q->whole, t->layer_count, error));
    }
    LIMN_TRY(limn_plan_open(&r->plan, r->graph, r->weights, &settings, error));
    r->height = c->height;
    r->width = c->width;
    return LIMN_OK;
}

static size_t outputs_of(const running *r, const limn_calibration *c)
{
    return (size_t)r->q->t->description.output_nc * (size_t)c->height * (size_t)c->width;
}

static limn_status run_one(running *r, const limn_calibration *c, float *out, limn_error *error)
{
    LIMN_TRY(plan_for(r, c, error));
    LIMN_TRY(limn_plan_feed(r->plan, limn_input_find(r->graph, "input"), c->in, error));
    LIMN_TRY(limn_plan_run(r->plan, &(limn_moment){ 0 }, error));
    return limn_plan_read(r->plan, limn_reported(r->graph, "output"), out, error);
}

/* ---- First pass: ranges and reference ----------------------------------------------------------
 */

static limn_status add_ranges(running *r, limn_error *error)
{
    for (int i = 0; i < r->q->t->layer_count; i++) {
        char name[32];
        limn_value v;
        size_t count;
        float *values;
        limn_status status;

        snprintf(name, sizeof name, "input.%d", i);
        v = limn_reported(r->graph, name);
        count = limn_count(limn_shape_of(r->graph, v));
        if (!(values = limn_block(count * sizeof *values)))
            return limn_fail(error, LIMN_NO_MEMORY, "out of memory for the features of a layer");
        status = limn_plan_read(r->plan, v, values, error);
        if (!status) limn_range_add(&r->q->ranges[i], values, count);
        limn_block_free(values);
        LIMN_TRY(status);
    }
    return LIMN_OK;
}

static limn_status measure_float(limn_quantiser *q, limn_compute compute, limn_error *error)
{
    running r = { .q = q, .report_inputs = true, .compute = compute };
    limn_status status = LIMN_OK;

    for (int i = 0; i < q->count && !status; i++) {
        limn_calibration *c = &q->pictures[i];

        if (!(c->out = limn_block(outputs_of(&r, c) * sizeof *c->out)))
            status = limn_fail(error, LIMN_NO_MEMORY, "out of memory for a picture");
        if (!status) status = run_one(&r, c, c->out, error);
        if (!status && !c->held_out) status = add_ranges(&r, error);
    }
    close_running(&r);
    return status;
}

/* ---- Second pass: whole numbers ----------------------------------------------------------------
 */

static bool is_inner(const limn_quantiser *q, int i)
{
    return q->t->layers[i].able && i > 0 && i < q->t->layer_count - 1;
}

static limn_status round_layer(limn_quantiser *q, int i, limn_error *error)
{
    limn_layer *layer = &q->t->layers[i];
    const char *network = q->t->network->name, *own = layer->weight + strlen(network) + 1;
    const limn_saved_tensor *saved = limn_model_find(q->t->model, network, own);
    size_t count = limn_count(layer->shape), outputs = (size_t)limn_layer_outputs(layer);
    float *weights;
    limn_status status;

    if (!saved || saved->count != count)
        return limn_fail(error, LIMN_FORMAT, "%s: has no tensor %s", limn_model_path(q->t->model),
                         own);
    q->whole[i].values = limn_block(count);
    q->whole[i].scale = limn_block(outputs * sizeof(float));
    weights = limn_block(count * sizeof *weights);
    status = q->whole[i].values && q->whole[i].scale && weights
                 ? limn_saved_floats(saved, 0, count, weights, error)
                 : limn_fail(error, LIMN_NO_MEMORY, "out of memory for the layer %s", layer->name);
    if (!status) {
        limn_layer_round(layer, weights, q->whole[i].values, q->whole[i].scale);
        limn_range_choose(&q->ranges[i], &layer->step, &layer->zero, NULL);
        limn_model_forget(saved);
    }
    limn_block_free(weights);
    return status;
}

/* ---- Third and fourth: how near -----------------------------------------------------------------
 */

typedef struct nearness {
    double psnr, worst; /* of all pictures together; of the worst one */
    int pictures;
} nearness;

static double decibels(double square)
{
    return square > 0 ? 10 * log10(4 / square) : 99;
}

static double square_apart(const float *a, const float *b, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++) {
        double apart = (double)a[i] - (double)b[i];

        sum += apart * apart;
    }
    return sum / (double)count;
}

/* With the layers as they are marked; at most so many pictures. */
static limn_status measure_int8(limn_quantiser *q, limn_compute compute, bool held_out, int most,
                                nearness *out, limn_error *error)
{
    running r = { .q = q, .compute = compute };
    limn_status status = LIMN_OK;
    double sum = 0, worst = 0;

    *out = (nearness){ 0 };
    for (int i = 0; i < q->count && !status && out->pictures < most; i++) {
        const limn_calibration *c = &q->pictures[i];
        size_t count = outputs_of(&r, c);
        double square;
        float *made;

        if (c->held_out != held_out) continue;
        if (!(made = limn_block(count * sizeof *made)))
            status = limn_fail(error, LIMN_NO_MEMORY, "out of memory for a picture");
        if (!status) status = run_one(&r, c, made, error);
        if (!status) {
            square = square_apart(made, c->out, count);
            sum += square;
            if (square > worst) worst = square;
            out->pictures++;
        }
        limn_block_free(made);
    }
    close_running(&r);
    out->psnr = decibels(out->pictures ? sum / out->pictures : 0);
    out->worst = decibels(worst);
    return status;
}

static limn_status try_each(limn_quantiser *q, limn_compute compute, FILE *to, limn_error *error)
{
    enum { FEW = 3 };
    limn_translator *t = q->t;
    nearness near;

    if (to) fprintf(to, "%8s  %-10s %4s  %s\n", "dB alone", "step", "zero", "layer");
    for (int i = 0; i < t->layer_count; i++) {
        if (!is_inner(q, i)) continue;
        t->layers[i].int8 = true;
        LIMN_TRY(measure_int8(q, compute, false, FEW, &near, error));
        t->layers[i].int8 = false;
        q->alone[i] = near.psnr;
        if (to)
            fprintf(to, "%8.1f  %-10.4g %4d  %s\n", near.psnr, (double)t->layers[i].step,
                    t->layers[i].zero, t->layers[i].name);
        if (to) fflush(to);
    }
    return LIMN_OK;
}

/* The layer in int8 that costs most, or -1. */
static int dearest(const limn_quantiser *q)
{
    int found = -1;

    for (int i = 0; i < q->t->layer_count; i++)
        if (q->t->layers[i].int8 && (found < 0 || q->alone[i] < q->alone[found])) found = i;
    return found;
}

static limn_status choose_layers(limn_quantiser *q, limn_compute compute, FILE *to,
                                 limn_quantize_result *result, limn_error *error)
{
    const double reserve = 0.5; /* for pictures that were not seen */
    limn_translator *t = q->t;
    nearness near;
    int worst;

    for (int i = 0; i < t->layer_count; i++) t->layers[i].int8 = is_inner(q, i);
    for (;;) {
        LIMN_TRY(measure_int8(q, compute, false, q->count, &near, error));
        worst = dearest(q);
        if (near.psnr >= q->settings->psnr + reserve || worst < 0) break;
        t->layers[worst].int8 = false;
        if (to) fprintf(to, "%.1f dB: %s stays float\n", near.psnr, t->layers[worst].name);
    }
    result->psnr = near.psnr;
    result->pictures = near.pictures;
    LIMN_TRY(measure_int8(q, compute, true, q->count, &near, error));
    result->held_out_psnr = near.psnr;
    result->held_out_worst = near.worst;
    result->held_out = near.pictures;
    for (int i = 0; i < t->layer_count; i++) result->int8_layers += t->layers[i].int8;
    result->layers = t->layer_count;
    if (!result->int8_layers)
        return limn_fail(error, LIMN_SETTING,
                         "no layer can be int8 with %.1f dB; ask for less with --psnr",
                         q->settings->psnr);
    return LIMN_OK;
}

/* ---- All of it
 * ----------------------------------------------------------------------------------- */

static limn_status save(limn_quantiser *q, const char *path, const limn_quantize_result *result,
                        limn_error *error)
{
    limn_arena *a = &q->arena;
    char *kept;
    size_t room = 1;

    for (int i = 0; i < q->t->layer_count; i++) room += strlen(q->t->layers[i].name) + 1;
    LIMN_TRY(limn_take_into(&kept, a, room, error));
    for (int i = 0; i < q->t->layer_count; i++)
        if (!q->t->layers[i].int8) {
            if (*kept) strcat(kept, " ");
            strcat(kept, q->t->layers[i].name);
        }
    limn_saved_text record[] = {
        { "int8.from", q->t->digest },
        { "int8.pictures", limn_take_format(a, "%d", result->pictures) },
        { "int8.held_out", limn_take_format(a, "%d", result->held_out) },
        { "int8.psnr", limn_take_format(a, "%.2f", result->psnr) },
        { "int8.held_out_psnr", limn_take_format(a, "%.2f", result->held_out_psnr) },
        { "int8.layers", limn_take_format(a, "%d of %d", result->int8_layers, result->layers) },
        { "int8.kept", kept },
    };

    for (size_t i = 0; i < sizeof record / sizeof *record; i++)
        if (!record[i].value)
            return limn_fail(error, LIMN_NO_MEMORY, "out of memory for the model's record");
    return limn_model_save_int8(path, q->t->model, q->t->network->name, q->t->layers, q->whole,
                                q->t->layer_count, record, sizeof record / sizeof *record, error);
}

static limn_status quantise(limn_quantiser *q, const char *model, const char *folder,
                            const char *path, limn_quantize_result *result, FILE *to,
                            limn_error *error)
{
    limn_translate_settings settings = limn_translate_defaults();
    limn_compute compute = limn_compute_resolve(LIMN_COMPUTE_AUTO, NULL);
    size_t layers;

    settings.network = q->settings->network;
    settings.direction = q->settings->direction;
    settings.threads = q->settings->threads;
    settings.compute = (int)compute;
    LIMN_TRY(limn_translator_open(&q->t, model, &settings, error));
    if (q->t->network->int8)
        return limn_fail(error, LIMN_SETTING,
                         "%s: is int8 already; quantize the model that it "
                         "was made from",
                         limn_model_path(q->t->model));
    layers = (size_t)q->t->layer_count;
    LIMN_TRY(limn_take_into(&q->whole, &q->arena, layers * sizeof *q->whole, error));
    LIMN_TRY(limn_take_into(&q->alone, &q->arena, layers * sizeof *q->alone, error));
    LIMN_TRY(limn_take_into(&q->ranges, &q->arena, layers * sizeof *q->ranges, error));
    LIMN_TRY(limn_calibration_open(q, folder, error));
    LIMN_TRY(measure_float(q, compute, error));
    for (int i = 0; i < q->t->layer_count; i++)
        if (is_inner(q, i)) LIMN_TRY(round_layer(q, i, error));
    LIMN_TRY(try_each(q, compute, to, error));
    LIMN_TRY(choose_layers(q, compute, to, result, error));
    return save(q, path, result, error);
}

static double megabytes(const char *path)
{
    struct stat there;

    return stat(path, &there) ? 0 : (double)there.st_size / 1e6;
}

limn_status limn_quantize(const char *model, const char *folder, const char *to,
                          const limn_quantize_settings *given, limn_quantize_result *result,
                          FILE *table, limn_error *error)
{
    limn_quantize_settings settings = given ? *given : limn_quantize_defaults();
    limn_quantiser q = { .settings = &settings };
    limn_quantize_result own = { 0 };
    limn_status status;

    limn_arena_open(&q.arena, "quantizing", 0);
    status = quantise(&q, model, folder, to, &own, table, error);
    if (!status) {
        own.megabytes_before = megabytes(limn_model_path(q.t->model));
        own.megabytes_after = megabytes(to);
    }
    if (q.t && q.whole)
        for (int i = 0; i < q.t->layer_count; i++) {
            limn_block_free(q.whole[i].values);
            limn_block_free(q.whole[i].scale);
        }
    limn_calibration_close(&q);
    limn_translator_close(&q.t);
    limn_arena_close(&q.arena);
    if (result) *result = own;
    return status;
}
