/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening a model for translating: see translator.h. */
#include "translate/translator.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/threads.h"
#include "model/model_graph.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AT(field) offsetof(limn_translate_settings, field)

static const limn_setting rows[] = {
    { "direction", LIMN_SETTING_TEXT, AT(direction), 0, 0, "AtoB|BtoA", "which-direction",
      "for models that go both ways; none: the model's own" },
    { "network", LIMN_SETTING_TEXT, AT(network), 0, 0, NULL, NULL,
      "which network of the file; none: the one that translates" },
    { "format", LIMN_SETTING_CHOICE, AT(format), 0, 0, "auto|png|jpeg|webp|tiff", "f",
      "of what is written; auto: by the name of the output, else as the input" },
    { "quality", LIMN_SETTING_INT, AT(quality), 1, 100, NULL, NULL, "of JPEG and WebP" },
    { "lossless", LIMN_SETTING_FLAG, AT(lossless), 0, 0, NULL, NULL, "WebP without loss" },
    { "keep-gps", LIMN_SETTING_FLAG, AT(keep_gps), 0, 0, NULL, NULL,
      "keep the place where the input was taken" },
    { "derive", LIMN_SETTING_FLAG, AT(derive), 0, 0, NULL, NULL,
      "make the input from the picture as training did: photos for a model that was trained with "
      "--derive" },
    { "sample", LIMN_SETTING_INT, AT(sample), 0, LIMN_TRANSLATE_SAMPLES_MAX, NULL, NULL,
      "so many variants of every picture, with dropout on; 0: one, as the model says" },
    { "seed", LIMN_SETTING_LONG, AT(seed), 0, 9007199254740992.0, NULL, NULL, "of the variants" },
    { "compute", LIMN_SETTING_CHOICE, AT(compute), 0, 0, "plain|fp32|bf16|auto", NULL,
      "how: plain loops, float32, bfloat16, or what suits the processor" },
    { "threads", LIMN_SETTING_INT, AT(threads), 0, 256, NULL, NULL,
      "compute threads; 0: $OMP_NUM_THREADS, or one a core" },
    { "workers", LIMN_SETTING_INT, AT(workers), 0, 64, NULL, "num-threads nThreads j",
      "threads that decode and encode beside them" },
    { "memory", LIMN_SETTING_INT, AT(memory_mib), 0, 1 << 24, NULL, NULL,
      "MiB; a picture that would take more is refused; 0: half of the machine's" },
    { "sign-cert", LIMN_SETTING_TEXT, AT(sign_cert), 0, 0, NULL, NULL,
      "PEM file with your certificate for signing; none: one made for this process" },
    { "sign-key", LIMN_SETTING_TEXT, AT(sign_key), 0, 0, NULL, NULL, "PEM file with its key" },
    { .name = NULL },
};

const limn_setting *limn_translate_rows(void)
{
    return rows;
}

limn_translate_settings limn_translate_defaults(void)
{
    return (limn_translate_settings){ .quality = 92, .compute = LIMN_COMPUTE_AUTO, .workers = 2 };
}

limn_format limn_translate_format(const limn_translate_settings *settings)
{
    static const limn_format formats[] = { LIMN_FORMAT_NONE, LIMN_FORMAT_PNG, LIMN_FORMAT_JPEG,
                                           LIMN_FORMAT_WEBP, LIMN_FORMAT_TIFF };

    return formats[settings->format];
}

/* ---- The model ------------------------------------------------------------------------------ */

/* CycleGAN's two ways are two networks; every other model has one way. */
static limn_status choose_network(limn_translator *t, limn_error *error)
{
    const limn_model_card *card = limn_model_about(t->model);
    const char *direction = t->settings.direction, *name = t->settings.network;
    const char *path = limn_model_path(t->model);
    bool both = limn_model_network_of(card, "G_A") && limn_model_network_of(card, "G_B");
    bool turned = card->direction && !strcmp(card->direction, "BtoA"); /* G_A begins at B */

    if (direction && strcmp(direction, "AtoB") && strcmp(direction, "BtoA"))
        return limn_fail(error, LIMN_SETTING, "--direction is \"%s\"; it is AtoB or BtoA",
                         direction);
    if (direction && !name && both)
        name = !strcmp(direction, turned ? "BtoA" : "AtoB") ? "G_A" : "G_B";
    else if (direction && !name && card->direction && strcmp(direction, card->direction))
        return limn_fail(error, LIMN_SETTING,
                         "%s: was trained %s and has no network for %s; leave --direction out",
                         path, card->direction, direction);
    if (!(t->network = limn_model_network_of(card, name)))
        return limn_fail(error, LIMN_SETTING,
                         "%s: there is no network %s in it; `limn info` lists "
                         "them",
                         path, name ? name : "that translates");
    if (!limn_network_multiple(t->network->network.net) ||
        limn_network_is_critic(t->network->network.net))
        return limn_fail(error, LIMN_SETTING, "%s: %s is a %s, which makes no pictures", path,
                         t->network->name, t->network->network.net);
    return LIMN_OK;
}

limn_status limn_translator_derivation(limn_derivation *out, const limn_translator *t,
                                       limn_error *error)
{
    const limn_model_card *card = limn_model_about(t->model);

    *out = (limn_derivation)LIMN_DERIVATION_DEFAULTS;
    for (const limn_setting *row = limn_derivation_rows; row->name; row++) {
        const char *value = limn_model_text(card->settings, card->setting_count, row->name);

        if (value && limn_setting_set(limn_derivation_rows, out, row->name, value, error)) {
            if (error) error->status = LIMN_FORMAT;
            return limn_while(error, "%s: the model's card", limn_model_path(t->model));
        }
    }
    return LIMN_OK;
}

/* A drawing goes in as it is, a photo becomes one when that is asked for.  Grey costs nothing to
 * make from what is grey already, so there nobody needs to ask. */
static limn_status choose_derivation(limn_translator *t, limn_error *error)
{
    LIMN_TRY(limn_translator_derivation(&t->derivation, t, error));
    if (t->settings.derive && t->derivation.kind == LIMN_DERIVE_NONE)
        return limn_fail(error, LIMN_SETTING,
                         "%s: was not trained with --derive, so there is nothing to make its input "
                         "by; leave --derive out",
                         limn_model_path(t->model));
    if (!t->settings.derive && t->derivation.kind != LIMN_DERIVE_GREY)
        t->derivation.kind = LIMN_DERIVE_NONE;
    return LIMN_OK;
}

/* What is computed, and in words. */
static limn_status choose_statistics(limn_translator *t, limn_error *error)
{
    limn_network *d = &t->description;

    *d = t->network->network;
    d->dropout_stays = t->network->dropout_in_use || t->settings.sample > 0;
    if (t->settings.sample > 0 && !d->dropout)
        return limn_fail(error, LIMN_SETTING,
                         "%s: network %s was trained without dropout, so all variants would be the "
                         "same; leave --sample out",
                         limn_model_path(t->model), t->network->name);
    if (t->network->output && !strcmp(t->network->output, "Lab")) {
        if (d->input_nc != 1 || d->output_nc != 2)
            return limn_fail(error, LIMN_FORMAT,
                             "%s: network %s puts out Lab and has %d channels in and %d out; limn "
                             "knows L in, a and b out",
                             limn_model_path(t->model), t->network->name, d->input_nc,
                             d->output_nc);
        t->colour = LIMN_TRANSLATE_COLOUR;
    }
    snprintf(t->statistics, sizeof t->statistics, "%s, dropout %s",
             d->norm != LIMN_NORM_BATCH ? "each picture by itself"
             : d->picture_statistics    ? "the picture's own batch statistics"
                                        : "running statistics",
             d->dropout && d->dropout_stays ? "on" : "off");
    return LIMN_OK;
}

/* The model's hash: of its weights where the card has it, else of the file. */
static limn_status choose_origin(limn_translator *t, limn_error *error)
{
    const limn_model_card *card = limn_model_about(t->model);
    const char composite[] = "compositeWithTrainedAlgorithmicMedia";
    size_t n = card->source_type ? strlen(card->source_type) : 0, m = sizeof composite - 1;
    limn_mapping file;

    if (card->weights_sha256 && strlen(card->weights_sha256) == sizeof t->digest - 1) {
        memcpy(t->digest, card->weights_sha256, sizeof t->digest);
    } else {
        LIMN_TRY(limn_file_map(&file, limn_model_path(t->model), error));
        limn_sha256_text(file.bytes, file.count, t->digest);
        limn_file_unmap(&file);
    }
    t->origin.model_sha256 = t->digest;
    t->origin.source = LIMN_MARK_TRAINED;
    if (t->colour == LIMN_TRANSLATE_COLOUR ||
        (n >= m && !strcmp(card->source_type + n - m, composite)))
        t->origin.source = LIMN_MARK_COMPOSITE;
    return LIMN_OK;
}

static uint64_t half_of_machine(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);

    if (pages < 1 || page < 1) return (uint64_t)4 << 30;
    return (uint64_t)pages * (uint64_t)page / 2;
}

limn_translator_facts limn_translator_about(const limn_translator *t)
{
    return (limn_translator_facts){
        .model = limn_model_path(t->model),
        .network = t->network->name,
        .compute = limn_compute_name(
            limn_compute_resolve((limn_compute)t->settings.compute, t->declared)),
        .input_channels = t->description.input_nc,
        .output_channels = limn_translator_channels(t),
        .multiple = limn_network_multiple(t->description.net),
        .statistics = t->statistics,
    };
}

int limn_translator_channels(const limn_translator *t)
{
    return t->colour == LIMN_TRANSLATE_COLOUR ? 3 : t->description.output_nc;
}

/* ---- Plans ---------------------------------------------------------------------------------- */

/* A ResNet quarters the picture and then reflects by 1, which needs two pixels. */
limn_padding limn_translator_padding(const limn_translator *t, int height, int width)
{
    enum { LEAST = 8 };
    int multiple = limn_network_multiple(t->description.net);
    limn_padding p = limn_padding_to_multiple(height, width, multiple);

    while (height + p.bottom < LEAST) p.bottom += multiple;
    while (width + p.right < LEAST) p.right += multiple;
    return p;
}

static void forget(limn_translate_plan *p)
{
    limn_plan_close(&p->plan);
    limn_graph_close(&p->graph);
    *p = (limn_translate_plan){ 0 };
}

/* The same network with norms folded and int8 layers in place of the graph. */
static limn_status rewrite(limn_translator *t, limn_graph **graph, limn_error *error)
{
    limn_graph *other;
    limn_layer *layers;
    limn_arena arena;
    limn_status status;
    int count;

    limn_arena_open(&arena, "layers", 0);
    status = limn_layers_find(&layers, &count, *graph, &arena, error);
    if (!status) {
        limn_layers_copy_int8(layers, count, t->layers, t->layer_count);
        status = limn_graph_rewrite(&other, *graph, layers, count, false, error);
    }
    limn_arena_close(&arena);
    if (status) return status;
    limn_graph_close(graph);
    *graph = other;
    return LIMN_OK;
}

static limn_status make_plan(limn_translator *t, limn_translate_plan *p, int height, int width,
                             limn_error *error)
{
    limn_plan_settings settings = { .compute = (limn_compute)t->settings.compute };
    limn_shape shape = { 1, t->description.input_nc, height, width };
    limn_status status;

    LIMN_TRY(limn_graph_open(&p->graph, false, error));
    p->input = limn_input(p->graph, "input", shape);
    p->output = limn_apply(p->graph, t->network->name, &t->description, p->input, NULL);
    limn_report(p->graph, "output", p->output);
    if (!(status = limn_graph_status(p->graph, error)) && t->rewrites)
        status = rewrite(t, &p->graph, error);
    p->input = limn_input_find(p->graph, "input");
    p->output = limn_reported(p->graph, "output");
    if (!status) status = limn_plan_open(&p->plan, p->graph, t->weights, &settings, error);
    if (status) {
        forget(p);
        return status;
    }
    p->height = height;
    p->width = width;
    return LIMN_OK;
}

static uint64_t plan_bytes(const limn_translate_plan *p)
{
    return p->plan ? limn_plan_about(p->plan).plan_bytes : 0;
}

static int usual_side(const limn_translator *t)
{
    enum { SMALL = 256 };
    int multiple = limn_network_multiple(t->description.net);

    return multiple > SMALL ? multiple : SMALL / multiple * multiple;
}

/* A plan's memory grows with the area.  Where the plan made ahead has not told how much it is, it
 * is measured on a plan of its own, a small one, so that a large one is refused before its memory
 * is asked for. */
static limn_status measure(limn_translator *t, limn_error *error)
{
    int side = usual_side(t);
    limn_translate_plan p = { 0 };

    if (t->bytes_a_pixel > 0) return LIMN_OK;
    LIMN_TRY(make_plan(t, &p, side, side, error));
    t->bytes_a_pixel = (double)plan_bytes(&p) / ((double)side * side);
    forget(&p);
    return LIMN_OK;
}

/* What a picture takes beside the plan, in float planes: input and output, padded and cut. */
static double bytes_for(const limn_translator *t, double pixels)
{
    double planes = 2.0 * t->description.input_nc + 2.0 * t->description.output_nc;

    if (t->colour == LIMN_TRANSLATE_COLOUR) planes += 8;
    return pixels * (t->bytes_a_pixel + planes * sizeof(float));
}

limn_status limn_translator_fits(limn_translator *t, int height, int width, const char *name,
                                 limn_error *error)
{
    enum { SURELY = 512 * 512 };
    limn_padding p = limn_translator_padding(t, height, width);
    double pixels = ((double)height + p.bottom) * ((double)width + p.right), bytes;

    if (pixels <= SURELY && !t->settings.memory_mib) return LIMN_OK;
    LIMN_TRY(measure(t, error));
    bytes = bytes_for(t, pixels);
    if (bytes <= (double)t->memory_bytes) return LIMN_OK;
    return limn_fail(error, LIMN_SHAPE,
                     "%s: translating %d x %d pixels with this model takes about %.0f MiB, allowed "
                     "are %.0f MiB; take a smaller picture, or allow more with --memory",
                     name, width, height, bytes / (1 << 20), (double)t->memory_bytes / (1 << 20));
}

/* The plan for a size; the one used longest ago makes room, and further ones while all together
 * would take more than is allowed. */
static limn_status plan_for(limn_translator *t, limn_translate_plan **out, int height, int width,
                            limn_error *error)
{
    double wanted = t->bytes_a_pixel * height * width;

    for (int i = 0; i < LIMN_TRANSLATE_PLANS; i++)
        if (t->plans[i].height == height && t->plans[i].width == width) {
            *out = &t->plans[i];
            return LIMN_OK;
        }
    for (;;) {
        limn_translate_plan *oldest = NULL, *empty = NULL;
        double total = wanted;

        for (int i = 0; i < LIMN_TRANSLATE_PLANS; i++) {
            limn_translate_plan *p = &t->plans[i];

            total += (double)plan_bytes(p);
            if (!p->plan)
                empty = p;
            else if (!oldest || p->used < oldest->used)
                oldest = p;
        }
        if (empty && (!oldest || total <= (double)t->memory_bytes)) {
            *out = empty;
            return make_plan(t, empty, height, width, error);
        }
        forget(oldest);
    }
}

limn_status limn_translator_planes(limn_translator *t, const float *in, float *out, int height,
                                   int width, uint64_t step, const char *name, limn_error *error)
{
    limn_shape from = { 1, t->description.input_nc, height, width };
    limn_shape to = { 1, t->description.output_nc, height, width };
    limn_padding padding = limn_translator_padding(t, height, width);
    limn_shape padded_in = limn_padded(from, padding), padded_out = limn_padded(to, padding);
    bool pads = padding.bottom || padding.right;
    limn_moment moment = { .seed = (uint64_t)t->settings.seed, .step = step };
    float *padded = NULL;
    limn_translate_plan *p;
    limn_status status;

    if ((status = plan_for(t, &p, padded_in.h, padded_in.w, error)))
        return limn_while(error, "%s", name);
    p->used = ++t->clock;
    if (pads) {
        size_t count = limn_count(padded_in) > limn_count(padded_out) ? limn_count(padded_in)
                                                                      : limn_count(padded_out);

        if (!(padded = limn_block(count * sizeof *padded)))
            return limn_fail(error, LIMN_NO_MEMORY, "%s: out of memory for %d x %d pixels", name,
                             width, height);
        limn_reflect(padded, in, from, padding);
    }
    status = limn_plan_feed(p->plan, p->input, pads ? padded : in, error);
    if (!status) status = limn_plan_run(p->plan, &moment, error);
    if (!status) status = limn_plan_read(p->plan, p->output, pads ? padded : out, error);
    if (!status && pads) limn_cut(out, padded, to, padding);
    limn_block_free(padded);
    return status ? limn_while(error, "%s", name) : LIMN_OK;
}

/* ---- Opening -------------------------------------------------------------------------------- */

/* Screen and signer take as long to open as a network to load, and neither needs the other: a
 * second thread opens them meanwhile. */
typedef struct door {
    limn_publisher_settings settings;
    limn_publisher *publisher;
    limn_status status;
    limn_error error;
} door;

static void open_door(void *context)
{
    door *d = context;

    d->status = limn_publisher_open(&d->publisher, &d->settings, &d->error);
}

/* The plan of a picture that nobody has shown yet: in it the weights are packed, and most pictures
 * are of this size.  Where it cannot be made, the first picture says why. */
static void plan_ahead(limn_translator *t)
{
    int side = usual_side(t);

    if (make_plan(t, &t->plans[0], side, side, NULL)) return;
    t->bytes_a_pixel = (double)plan_bytes(&t->plans[0]) / ((double)side * side);
}

/* The plain loops stay the reference that nothing is folded in; int8 models are int8 there too. */
static limn_status choose_layers(limn_translator *t, limn_error *error)
{
    limn_compute compute = limn_compute_resolve((limn_compute)t->settings.compute, NULL);

    LIMN_TRY(limn_layers_find(&t->layers, &t->layer_count, t->declared, &t->arena, error));
    LIMN_TRY(limn_model_mark_layers(t->layers, t->layer_count, t->model, t->network->name, error));
    t->rewrites = t->network->int8 ||
                  (compute != LIMN_COMPUTE_PLAIN && limn_layers_change(t->layers, t->layer_count));
    return LIMN_OK;
}

/* The file is checked against the network as it is described, then read for the rewritten one: when
 * the plan made ahead has said in which layouts, so that nothing is kept twice. */
static limn_status load_rewritten(limn_translator *t, limn_error *error)
{
    const char *name = t->network->name;
    limn_weights *described;
    limn_graph *graph;
    limn_status status;

    LIMN_TRY(limn_weights_open(&described, error));
    status = limn_weights_declare(described, t->declared, error);
    if (!status) status = limn_model_check(t->model, name, described, error);
    limn_weights_close(&described);
    LIMN_TRY(status);
    LIMN_TRY(limn_graph_rewrite(&graph, t->declared, t->layers, t->layer_count, false, error));
    status = limn_weights_declare(t->weights, graph, error);
    limn_graph_close(&graph);
    LIMN_TRY(status);
    plan_ahead(t);
    return limn_model_load_layers(t->model, name, t->weights, t->layers, t->layer_count, error);
}

static limn_status open_network(limn_translator *t, limn_error *error)
{
    const char *name = t->network->name;

    LIMN_TRY(limn_weights_open(&t->weights, error));
    if (limn_model_graph(&t->declared, name, &t->description, error))
        return limn_while(error, "%s", limn_model_path(t->model));
    LIMN_TRY(choose_layers(t, error));
    if (t->rewrites) return load_rewritten(t, error);
    LIMN_TRY(limn_weights_declare(t->weights, t->declared, error));
    LIMN_TRY(limn_model_lend(t->model, name, t->weights, error));
    plan_ahead(t);
    return LIMN_OK;
}

static limn_status open_all(limn_translator *t, const char *path, limn_error *error)
{
    door d = { .settings = { (limn_compute)t->settings.compute, t->settings.sign_cert,
                             t->settings.sign_key } };
    limn_worker *beside;
    limn_status status;

    LIMN_TRY(limn_model_open(&t->model, path, error));
    LIMN_TRY(choose_network(t, error));
    LIMN_TRY(choose_derivation(t, error));
    LIMN_TRY(choose_statistics(t, error));
    LIMN_TRY(choose_origin(t, error));
    limn_compute_share(true);
    if (limn_worker_start(&beside, open_door, &d, NULL)) open_door(&d);
    status = open_network(t, error);
    limn_worker_join(&beside);
    limn_compute_share(false);
    t->publisher = d.publisher;
    if (status || !d.status) return status;
    if (error) *error = d.error;
    return d.status;
}

limn_status limn_translator_open(limn_translator **out, const char *model,
                                 const limn_translate_settings *settings, limn_error *error)
{
    limn_translator *t;
    limn_status status;

    LIMN_TRY(limn_open_in_arena(out, sizeof **out, "translator", 0, error));
    t = *out;
    t->settings = settings ? *settings : limn_translate_defaults();
    t->memory_bytes = t->settings.memory_mib ? (uint64_t)t->settings.memory_mib << 20
                                             : half_of_machine();
    limn_compute_threads_set(t->settings.threads);
    if ((status = open_all(t, model, error))) limn_translator_close(out);
    return status;
}

void limn_translator_close(limn_translator **translator)
{
    limn_translator *t = *translator;

    if (!t) return;
    for (int i = 0; i < LIMN_TRANSLATE_PLANS; i++) forget(&t->plans[i]);
    limn_weights_close(&t->weights);
    limn_graph_close(&t->declared);
    limn_publisher_close(&t->publisher);
    limn_model_close(&t->model);
    limn_close_in_arena(translator);
}
