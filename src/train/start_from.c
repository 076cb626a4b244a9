/* SPDX-License-Identifier: Apache-2.0
 *
 * --init: the first values of a training from files (trainer.h says which).
 *
 * Every file is a list of networks: those of a limn card; those whose tensors begin with the names
 * of the recipe's networks; or what the deducing of `limn import` finds in another project's
 * checkpoint.  A network of the file goes to the recipe's of the same name, else to the first of
 * its kind (generator or critic) that nothing filled yet: so the G of pix2pix begins CycleGAN's
 * G_A, and several files are taken in their order.
 *
 * All layers have to be there with the same shapes.  Only channels may differ, since the layers
 * behind them are what is worth keeping: the first layer is fitted so that the network answers as
 * before where it can (docs/models.md has the rules), a critic's first layer is drawn anew because
 * the file does not say what its channels were.  Everything that was not simply taken is said. */
#include "model/deduce.h"
#include "model/model.h"
#include "train/trainer.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

/* A network of a file. */
typedef struct source {
    const char *name;   /* in the file, or NULL */
    const char *prefix; /* of its tensors' names there, where nothing was deduced */
    const limn_deduced *deduced;
    bool described;       /* network is filled */
    limn_network network; /* what is known of it */
} source;

typedef struct start {
    limn_trainer *t;
    limn_arena arena; /* of this file */
    limn_checkpoint *file;
    limn_model *model; /* the same, with its card, or NULL */
    const char *path;
    source sources[LIMN_MODEL_NETWORKS_MAX];
    int count;
    const char *said; /* so far; in the trainer's arena */
    bool filled[LIMN_MODEL_NETWORKS_MAX];
    char networks[LIMN_MODEL_NETWORKS_MAX][16]; /* of the recipe */
    int network_count;
} start;

static const char *const norm_names[] = { "batch", "instance", "none" };

static limn_status say(start *s, const char *more, limn_error *error)
{
    s->said = more ? limn_take_format(&s->t->arena, "%s%s", s->said, more) : NULL;
    return s->said ? LIMN_OK : limn_fail(error, LIMN_NO_MEMORY, "out of memory for a sentence");
}

/* ---- What is in a file ----------------------------------------------------------------------- */

static limn_status list_card(start *s, limn_error *error)
{
    const char *names = limn_checkpoint_text(s->file, "limn.names");
    bool bare = names && !strcmp(names, "bare");
    const limn_model_card *card;

    LIMN_TRY(limn_model_open(&s->model, s->path, error));
    card = limn_model_about(s->model);
    for (int i = 0; i < card->network_count; i++) {
        const limn_model_network *n = &card->networks[i];
        source *to = &s->sources[s->count++];

        *to = (source){ .name = n->name, .described = true, .network = n->network };
        to->prefix = bare ? "" : limn_take_format(&s->arena, "%s.", n->name);
        if (!to->prefix) return limn_fail(error, LIMN_NO_MEMORY, "out of memory for %s", s->path);
    }
    return LIMN_OK;
}

/* Tensors that are called as the recipe calls them. */
static limn_status list_prefixed(start *s, limn_error *error)
{
    for (int k = 0; k < s->network_count; k++) {
        const limn_weights *weights = s->t->weights;
        bool has = false;

        for (int i = 0; i < limn_weights_count(weights) && !has; i++) {
            const limn_parameter_info *info = limn_weights_at(weights, i);

            has = !strcmp(info->network, s->networks[k]) && info->kind == LIMN_PARAMETER_WEIGHT &&
                  limn_checkpoint_find(s->file, info->name);
        }
        if (!has) continue;
        s->sources[s->count] = (source){
            .name = s->networks[k], .prefix = limn_take_format(&s->arena, "%s.", s->networks[k])
        };
        if (!s->sources[s->count++].prefix)
            return limn_fail(error, LIMN_NO_MEMORY, "out of memory for %s", s->path);
    }
    return LIMN_OK;
}

static limn_status list_deduced(start *s, const char *part, const char *name, limn_error *error)
{
    limn_wishes wishes = { .dropout = -1 };
    limn_error open = { 0 };
    limn_deduced *d;
    limn_state state;
    limn_status status;

    LIMN_TRY(limn_state_choose(&state, s->file, part, &s->arena, error));
    LIMN_TRY(limn_take_into(&d, &s->arena, sizeof *d, error));
    status = limn_deduce(d, &state, &wishes, &s->arena, &open);
    if (status == LIMN_SETTING) { /* files of 2017 leave the norm open */
        wishes.norm = norm_names[s->t->train->norm];
        LIMN_TRY(limn_deduce(d, &state, &wishes, &s->arena, error));
    } else if (status) {
        return limn_fail(error, status, "%s", open.text);
    }
    s->sources[s->count++] = (source){
        .name = name,
        .deduced = d,
        .described = true,
        .network = { .net = d->network,
                     .input_nc = d->input_nc,
                     .output_nc = d->output_nc,
                     .filters = d->filters,
                     .layers = d->layers,
                     .norm = !strcmp(d->norm, "batch")      ? LIMN_NORM_BATCH
                             : !strcmp(d->norm, "instance") ? LIMN_NORM_INSTANCE
                                                            : LIMN_NORM_NONE,
                     .dropout = d->dropout == 1,
                     .antialias = d->antialias,
                     .antialias_up = d->antialias_up,
                     .affine = strcmp(d->norm, "batch") && d->affine,
                     .bias = !strcmp(d->norm, "batch") && d->bias,
                     .zero_padding = d->blocks && !strcmp(d->padding, "zero"),
                     .zero_block_padding = d->blocks && !strcmp(d->block_padding, "zero") }
    };
    return LIMN_OK;
}

/* Another project's: one network, or dictionaries that are called as the recipe's networks or
 * netNAME. */
static limn_status list_foreign(start *s, limn_error *error)
{
    limn_error reason = { 0 }, ignored = { 0 };
    limn_status status = list_deduced(s, NULL, NULL, &reason);

    for (int k = 0; k < s->network_count && status == LIMN_SETTING; k++) {
        char part[24];
        limn_state state;

        for (int form = 0; form < 2; form++) {
            snprintf(part, sizeof part, form ? "net%s" : "%s", s->networks[k]);
            if (limn_state_choose(&state, s->file, part, &s->arena, &ignored)) continue;
            LIMN_TRY(list_deduced(s, part, s->networks[k], error));
            break;
        }
    }
    return s->count ? LIMN_OK : limn_fail(error, status, "%s", reason.text);
}

/* ---- Whether it fits ------------------------------------------------------------------------- */

static const char *layers_of(const limn_network *n)
{
    return n->net && !strcmp(n->net, "n_layers") && n->layers == 3 ? "basic" : n->net;
}

/* The file's network against the training's, but for the channels. */
static limn_status check_same(const start *s, const source *from, const char *network,
                              limn_error *error)
{
    bool critic = *network == 'D';
    const limn_network *n = &from->network,
                       *w = critic ? &s->t->settings.critic : &s->t->settings.generator;
    bool resnet = n->net && !strncmp(n->net, "resnet", 6);
    bool layers = n->net && !strcmp(layers_of(n), "n_layers");

    if (n->zero_padding || n->zero_block_padding || n->affine || n->bias)
        return limn_fail(error, LIMN_SETTING,
                         "%s: its %s is one of 2017, with %s; limn uses such a network and does "
                         "not train it",
                         s->path, n->net,
                         n->affine || n->bias ? "weights or biases that are left out since"
                                              : "zeros around its pictures");
    if (!strcmp(layers_of(n), layers_of(w)) && (!layers || n->layers == w->layers) &&
        n->filters == w->filters && n->norm == w->norm && (!resnet || n->dropout == w->dropout) &&
        n->antialias == w->antialias && n->antialias_up == w->antialias_up)
        return LIMN_OK;
    if (critic)
        return limn_fail(error, LIMN_SETTING,
                         "%s: its critic is another than this training's; say --netD %s "
                         "--n-layers-D %d --ndf %d --norm %s",
                         s->path, layers_of(n), n->layers ? n->layers : 3, n->filters,
                         norm_names[n->norm]);
    return limn_fail(error, LIMN_SETTING,
                     "%s: its generator is another than this training's; say --netG %s --ngf %d "
                     "--norm %s%s%s",
                     s->path, n->net, n->filters, norm_names[n->norm],
                     !resnet      ? ""
                     : n->dropout ? " --dropout"
                                  : " --no-dropout",
                     !resnet           ? ""
                     : n->antialias_up ? n->antialias ? " --antialias --antialias-up"
                                                      : " --no-antialias --antialias-up"
                     : n->antialias    ? " --antialias --no-antialias-up"
                                       : " --no-antialias --no-antialias-up");
}

/* ---- Channels -------------------------------------------------------------------------------- */

/* One axis of a tensor from `had` to `has` entries; the others are `outer` and `inner`. */
typedef struct axis {
    size_t outer, inner;
    int had, has;
    bool input;
} axis;

static float fitted(const axis *a, const float *from, size_t o, int c, size_t k, float drawn)
{
    const float *row = from + o * (size_t)a->had * a->inner + k;
    float sum = 0;

    if (a->had == 1) return a->input ? row[0] / (float)a->has : row[0];
    if (a->has > 1) return c < a->had ? row[(size_t)c * a->inner] : a->input ? 0 : drawn;
    for (int i = 0; i < a->had; i++) sum += row[(size_t)i * a->inner];
    return a->input ? sum : sum / (float)a->had;
}

static void fit(const axis *a, const float *from, float *to)
{
    for (size_t o = 0; o < a->outer; o++)
        for (int c = 0; c < a->has; c++)
            for (size_t k = 0; k < a->inner; k++, to++) *to = fitted(a, from, o, c, k, *to);
}

static limn_status say_axis(start *s, const axis *a, limn_error *error)
{
    static const char *const words[2][4] = {
        { "repeated", "averaged", "the first were taken, the others drawn anew",
          "the first were taken" },
        { "shared out evenly", "added up", "the first were taken, the others begin at 0",
          "the first were taken" },
    };
    int which = a->had == 1 ? 0 : a->has == 1 ? 1 : a->has > a->had ? 2 : 3;
    char text[120];

    snprintf(text, sizeof text, " (%d %s channels became %d: %s)", a->had,
             a->input ? "input" : "output", a->has, words[a->input][which]);
    return say(s, text, error);
}

/* ---- Filling --------------------------------------------------------------------------------- */

typedef struct outer_layers {
    int first, last, last_bias; /* parameters that have the channels; -1 */
} outer_layers;

static outer_layers ends_of(const limn_weights *weights, const char *network)
{
    outer_layers t = { -1, -1, -1 };

    for (int i = 0; i < limn_weights_count(weights); i++) {
        const limn_parameter_info *info = limn_weights_at(weights, i);
        size_t length = strlen(info->name);

        if (strcmp(info->network, network) || info->kind == LIMN_PARAMETER_MOMENT) continue;
        if (info->kind == LIMN_PARAMETER_WEIGHT && info->dims == 4) {
            if (t.first < 0) t.first = i;
            t.last = i;
            t.last_bias = -1;
        } else if (t.last >= 0 && length > 5 && !strcmp(info->name + length - 5, ".bias") &&
                   !strncmp(info->name, limn_weights_at(weights, t.last)->name, length - 4)) {
            t.last_bias = i;
        }
    }
    return t;
}

/* Whether the tensor has the parameter's shape; else the axis along which it may differ, or
 * LIMN_SHAPE. */
static limn_status shape_of(const start *s, const outer_layers *t, int index,
                            const limn_saved_tensor *saved, bool *same, axis *a, limn_error *error)
{
    const limn_parameter_info *info = limn_weights_at(s->t->weights, index);
    limn_shape p = info->shape;
    const int64_t *size = saved->size;
    bool four = info->dims == 4 && saved->dims == 4, taps;

    *same = four ? size[0] == p.n && size[1] == p.c && size[2] == p.h && size[3] == p.w
                 : saved->count == limn_count(p);
    if (*same) return LIMN_OK;
    taps = four && size[2] == p.h && size[3] == p.w;
    *a = (axis){ .outer = 1, .inner = 1, .input = index == t->first };
    if (index == t->last_bias && saved->dims == 1) {
        a->had = (int)saved->count;
        a->has = (int)limn_count(p);
        return LIMN_OK;
    }
    if (taps && size[0] == p.n && (index == t->first || (index == t->last && info->transposed))) {
        *a = (axis){ (size_t)p.n, (size_t)p.h * (size_t)p.w, (int)size[1], p.c, a->input };
        return LIMN_OK;
    }
    if (taps && size[1] == p.c && index == t->last && !info->transposed) {
        *a = (axis){ 1, (size_t)p.c * (size_t)p.h * (size_t)p.w, (int)size[0], p.n, false };
        return LIMN_OK;
    }
    return limn_fail(error, LIMN_SHAPE,
                     "%s: the tensor %s has %zu numbers and the network's %zu; --netG, --ngf, "
                     "--netD, --ndf, --norm must be those of the file",
                     s->path, info->name, saved->count, limn_count(p));
}

static limn_status fill_one(start *s, const outer_layers *ends, int index,
                            const limn_checkpoint_tensor *tensor, limn_error *error)
{
    const limn_parameter_info *info = limn_weights_at(s->t->weights, index);
    size_t count = limn_count(info->shape), had = tensor->saved.count;
    limn_status status;
    float *values, *from;
    bool same;
    axis a = { .had = 0 };

    LIMN_TRY(shape_of(s, ends, index, &tensor->saved, &same, &a, error));
    if (!same && a.input && *info->network == 'D')
        return say(s, " (its first layer is drawn anew: other input channels)", error);
    if (!same && index != ends->last_bias) LIMN_TRY(say_axis(s, &a, error));
    if (!(values = limn_block((count + had) * sizeof *values)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for %s", info->name);
    from = values + count;
    status = limn_checkpoint_floats(tensor, 0, had, from, error);
    for (size_t i = 0; i < had && !status; i++)
        if (!isfinite(from[i]))
            status = limn_fail(error, LIMN_FORMAT,
                               "%s: the tensor for %s holds a value that is not finite: training "
                               "went wrong before it was saved",
                               s->path, info->name);
    if (!status && !same) status = limn_weights_get(s->t->weights, index, values, error);
    if (!status && !same) fit(&a, from, values);
    if (!status) status = limn_weights_set(s->t->weights, index, same ? from : values, error);
    limn_block_free(values);
    return status;
}

static const limn_checkpoint_tensor *find(const start *s, const source *from, const char *own)
{
    char name[512];

    if (!from->deduced) {
        int n = snprintf(name, sizeof name, "%s%s", from->prefix, own);

        return n < (int)sizeof name ? limn_checkpoint_find(s->file, name) : NULL;
    }
    for (size_t i = 0; i < from->deduced->count; i++)
        if (!strcmp(from->deduced->tensors[i].name, own)) return from->deduced->tensors[i].tensor;
    return NULL;
}

/* Running statistics may be missing: other programs do not always keep them.  So may the biases of
 * a network without norms, which other projects leave out; they begin at zero. */
static bool may_be_missing(const source *from, const limn_parameter_info *info)
{
    size_t length = strlen(info->name);

    if (info->kind != LIMN_PARAMETER_WEIGHT && info->kind != LIMN_PARAMETER_VECTOR) return true;
    return from->deduced && from->network.norm == LIMN_NORM_NONE && info->dims == 1 && length > 5 &&
           !strcmp(info->name + length - 5, ".bias");
}

static limn_status fill(start *s, const source *from, const char *network, limn_error *error)
{
    outer_layers ends = ends_of(s->t->weights, network);
    char text[80];

    if (from->described && (*network == 'G' || *network == 'D'))
        LIMN_TRY(check_same(s, from, network, error));
    snprintf(text, sizeof text, "%s%s", *s->said ? ", " : "", network);
    LIMN_TRY(say(s, text, error));
    for (int i = 0; i < limn_weights_count(s->t->weights); i++) {
        const limn_parameter_info *info = limn_weights_at(s->t->weights, i);
        const limn_checkpoint_tensor *tensor;

        if (strcmp(info->network, network) || info->kind == LIMN_PARAMETER_MOMENT) continue;
        tensor = find(s, from, info->name + strlen(network) + 1);
        if (tensor)
            LIMN_TRY(fill_one(s, &ends, i, tensor, error));
        else if (!may_be_missing(from, info))
            return limn_fail(error, LIMN_FORMAT,
                             "%s: has no tensor %s, which the network needs; --netG, --norm and "
                             "--dropout must be those of the file",
                             s->path, info->name);
    }
    return LIMN_OK;
}

/* ---- The whole ------------------------------------------------------------------------------- */

/* The recipe's network that a network of the file goes to, or -1. */
static int place_of(const start *s, const source *from)
{
    bool critic = from->described && limn_network_is_critic(from->network.net);

    for (int k = 0; k < s->network_count; k++)
        if (from->name && !strcmp(s->networks[k], from->name)) return s->filled[k] ? -1 : k;
    if (!from->described || !limn_network_multiple(from->network.net)) return -1;
    for (int k = 0; k < s->network_count; k++)
        if (!s->filled[k] && s->networks[k][0] == (critic ? 'D' : 'G')) return k;
    return -1;
}

static limn_status take_file(start *s, limn_error *error)
{
    bool any = false;

    if (limn_checkpoint_text(s->file, "limn.format"))
        LIMN_TRY(list_card(s, error));
    else
        LIMN_TRY(list_prefixed(s, error));
    if (!s->count) LIMN_TRY(list_foreign(s, error));
    for (int i = 0; i < s->count; i++) {
        int k = place_of(s, &s->sources[i]);

        if (k < 0) continue;
        LIMN_TRY(fill(s, &s->sources[i], s->networks[k], error));
        s->filled[k] = any = true;
    }
    return any ? say(s, limn_take_format(&s->arena, " of %s", s->path), error)
               : limn_fail(error, LIMN_FORMAT, "%s: has no network that %s trains (%s)", s->path,
                           s->t->recipe->name, s->t->recipe->networks);
}

static limn_status take_path(start *s, const char *path, limn_error *error)
{
    limn_status status;

    s->path = path;
    s->count = 0;
    LIMN_TRY(limn_checkpoint_open(&s->file, path, error));
    limn_arena_open(&s->arena, "init", 0);
    status = take_file(s, error);
    limn_arena_close(&s->arena);
    limn_model_close(&s->model);
    limn_checkpoint_close(&s->file);
    return status;
}

static void read_networks(start *s)
{
    for (const char *at = s->t->recipe->networks;
         *at && s->network_count < LIMN_MODEL_NETWORKS_MAX;) {
        size_t length = strcspn(at, " ");

        snprintf(s->networks[s->network_count++], sizeof *s->networks, "%.*s", (int)length, at);
        at += length + (at[length] == ' ');
    }
}

limn_status limn_trainer_start_from(limn_trainer *t, const char *paths, const char **sentence,
                                    limn_error *error)
{
    start s = { .t = t, .said = "" };
    bool list = strchr(paths, ',') && access(paths, F_OK), anew = false;
    limn_status status = LIMN_OK;

    read_networks(&s);
    while (*paths && !status) {
        size_t length = list ? strcspn(paths, ",") : strlen(paths);
        const char *path = limn_take_format(&t->arena, "%.*s", (int)length, paths);

        status = path ? take_path(&s, path, error)
                      : limn_fail(error, LIMN_NO_MEMORY, "out of memory for a name");
        paths += length + (paths[length] == ',');
    }
    if (status) return limn_while(error, "--init");
    for (int k = 0; k < s.network_count; k++) anew |= !s.filled[k];
    *sentence = limn_take_format(&t->arena, "starting from %s%s", s.said,
                                 anew ? "; the other networks start anew" : "");
    return *sentence ? LIMN_OK : limn_fail(error, LIMN_NO_MEMORY, "out of memory for a sentence");
}
