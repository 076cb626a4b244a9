/* SPDX-License-Identifier: Apache-2.0
 *
 * limn import: another project's checkpoint -> a model file.
 *
 * The checkpoint is read and its network deduced (checkpoint.h, deduce.h); here the network is
 * described to the zoo, filled by name and saved like any other.  What the file does not say and
 * nothing at use depends on (a U-Net's dropout, the recipe) is left open in the card; what the
 * file's project does at use is a recorded choice: the original's test runs batch norm with the
 * picture's own statistics and keeps dropout on as noise; a model here does the first and not the
 * second, and --eval records the running statistics.
 *
 * Convolutions have a bias in limn where no norm follows at all; the original leaves them out in
 * networks with norm "none".  Such files get zeros, which compute the same. */
#include "base/file.h"
#include "base/sha256.h"
#include "model/deduce.h"
#include "model/foreign.h"
#include "model/model.h"
#include "model/model_graph.h"

#include <math.h>
#include <string.h>

enum { NORM_AUTO, NORM_BATCH, NORM_INSTANCE, NORM_NONE };

static const char *const norm_names[] = { NULL, "batch", "instance", "none" };

#define ROW(field, text_name, row_kind, choice, other, says)                                       \
    {                                                                                              \
        .name = text_name, .kind = LIMN_SETTING_##row_kind,                                        \
        .offset = offsetof(limn_import_settings, field), .choices = choice, .aliases = other,      \
        .help = says                                                                               \
    }

static const limn_setting rows[] = {
    ROW(part, "part", TEXT, NULL, NULL, "which network, where the file holds several"),
    ROW(net, "netG", TEXT, NULL, "netD which-model-netG net",
        "say which network it is; refused when the file holds another"),
    ROW(norm, "norm", CHOICE, "auto|batch|instance|none", NULL,
        "normalisation, where the file leaves it open"),
    ROW(dropout, "dropout", CHOICE, "auto|yes|no", NULL,
        "dropout in a U-Net (not visible in a file; matters for training on)"),
    ROW(eval, "eval", FLAG, NULL, NULL,
        "batch norm uses the running statistics, not each picture's own"),
    ROW(direction, "direction", TEXT, NULL, "which-direction", "AtoB or BtoA, for the card"),
    ROW(title, "title", TEXT, NULL, NULL, "a few words for the card"),
    ROW(licence, "licence", TEXT, NULL, "license", "the model's licence, for the card"),
    ROW(attribution, "attribution", TEXT, NULL, NULL, "whom the model is owed to, for the card"),
    { 0 },
};

const limn_setting *limn_import_rows(void)
{
    return rows;
}

/* ---- From deduced to described --------------------------------------------------------------- */

static limn_status describe(limn_network *out, const limn_deduced *d, const char *file,
                            const limn_import_settings *settings, limn_error *error)
{
    bool batch = !strcmp(d->norm, "batch"), resnet = d->blocks > 0;

    if (settings->net && strcmp(settings->net, d->network) &&
        !(limn_network_is_critic(settings->net) && limn_network_is_critic(d->network)))
        return limn_fail(error, LIMN_SETTING, "%s: holds a %s, not a %s; leave --netG out", file,
                         d->network, limn_quote(settings->net, strlen(settings->net)).text);
    if (settings->eval && batch && !d->statistics)
        return limn_fail(error, LIMN_SETTING,
                         "%s: has no running statistics, which --eval asks for; leave it out",
                         file);
    *out = (limn_network){
        .net = d->network,
        .input_nc = d->input_nc,
        .output_nc = d->output_nc,
        .filters = d->filters,
        .layers = d->layers,
        .norm = batch                          ? LIMN_NORM_BATCH
                : !strcmp(d->norm, "instance") ? LIMN_NORM_INSTANCE
                                               : LIMN_NORM_NONE,
        .dropout = d->dropout == 1,
        .picture_statistics = batch && !settings->eval,
        .antialias = d->antialias,
        .antialias_up = d->antialias_up,
        .affine = !batch && d->affine,
        .bias = batch && d->bias,
        .zero_padding = resnet && !strcmp(d->padding, "zero"),
        .zero_block_padding = resnet && !strcmp(d->block_padding, "zero"),
    };
    return LIMN_OK;
}

/* ---- Filling --------------------------------------------------------------------------------- */

static limn_status check_finite(const float *values, size_t count, const char *file,
                                const char *name, limn_error *error)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i]))
            return limn_fail(error, LIMN_FORMAT,
                             "%s: the tensor %s holds a value that is not finite: training went "
                             "wrong before it was saved",
                             file, limn_quote(name, strlen(name)).text);
    return LIMN_OK;
}

static limn_status fill_one(limn_weights *weights, int index, const limn_deduced_tensor *t,
                            const char *file, limn_error *error)
{
    size_t count = t->tensor->saved.count;
    limn_status status;
    float *values;

    if (count != limn_count(limn_weights_at(weights, index)->shape))
        return limn_fail(error, LIMN_BUG, "%s: %s has %zu values and the zoo's has %zu", file,
                         t->name, count, limn_count(limn_weights_at(weights, index)->shape));
    if (!(values = limn_block(count * sizeof *values)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for the tensor %s", t->name);
    status = limn_checkpoint_floats(t->tensor, 0, count, values, error);
    if (!status) status = check_finite(values, count, file, t->name, error);
    if (!status) status = limn_weights_set(weights, index, values, error);
    limn_block_free(values);
    return status;
}

/* Every tensor of the file has a parameter, and every parameter that counts was filled. */
static limn_status fill(limn_weights *weights, const char *name, const limn_deduced *d,
                        const char *file, limn_arena *arena, limn_error *error)
{
    bool *filled;

    LIMN_TRY(limn_take_into(&filled, arena, (size_t)limn_weights_count(weights) + 1, error));
    for (size_t i = 0; i < d->count; i++) {
        char *full = limn_take_format(arena, "%s.%s", name, d->tensors[i].name);
        int index = full ? limn_weights_find(weights, full) : -1;

        if (!full)
            return limn_fail(error, LIMN_NO_MEMORY, "out of memory for the names of %s", file);
        if (index < 0)
            return limn_fail(error, LIMN_BUG, "%s: the zoo's %s has no %s", file, d->network,
                             d->tensors[i].name);
        LIMN_TRY(fill_one(weights, index, &d->tensors[i], file, error));
        filled[index] = true;
    }
    for (int i = 0; i < limn_weights_count(weights); i++) {
        const limn_parameter_info *info = limn_weights_at(weights, i);
        bool bias = info->dims == 1 && !strcmp(info->name + strlen(info->name) - 5, ".bias");

        if (filled[i] || info->kind == LIMN_PARAMETER_STATE || info->kind == LIMN_PARAMETER_COUNT ||
            (bias && !strcmp(d->norm, "none")))
            continue;
        return limn_fail(error, LIMN_BUG, "%s: nothing fills the zoo's %s", file, info->name);
    }
    return LIMN_OK;
}

/* Zero is no variance: what is not in the file keeps PyTorch's initial values. */
static limn_status declare(limn_weights **weights, const char *name, const limn_network *network,
                           limn_error *error)
{
    limn_graph *graph;
    limn_status status;

    LIMN_TRY(limn_model_graph(&graph, name, network, error));
    status = limn_weights_open(weights, error);
    if (!status) status = limn_weights_add(*weights, graph, error);
    if (!status) status = limn_weights_initial(*weights, NULL, 0, 0, error);
    limn_graph_close(&graph);
    return status;
}

/* ---- The whole ------------------------------------------------------------------------------- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static limn_status digest_of(const char *path, char text[LIMN_DIGEST_TEXT], limn_error *error)
{
    limn_mapping mapping;

    LIMN_TRY(limn_file_map(&mapping, path, error));
    limn_sha256_text(mapping.bytes, mapping.count, text);
    limn_file_unmap(&mapping);
    return LIMN_OK;
}

static limn_status save(const char *to, const limn_import_settings *settings, const char *name,
                        const limn_network *network, const limn_deduced *d, const char *from,
                        const char *part, const char *kind, limn_weights *weights,
                        limn_arena *arena, limn_error *error)
{
    char digest[LIMN_DIGEST_TEXT];
    limn_saved_text record[] = {
        { "import.sha256", digest },
        { "import.dropout", d->dropout < 0 ? "not visible in the file"
                            : d->dropout   ? "yes"
                                           : "no" },
        { "import.part", part },
    };
    limn_model_card card = {
        .direction = settings->direction,
        .title = settings->title,
        .licence = settings->licence,
        .attribution = settings->attribution,
        .made_from = limn_take_format(arena, "%s, %s", base_name(from), kind),
        .networks = { { .name = name, .network = *network } },
        .network_count = 1,
        .record = record,
        .record_count = *part ? 3 : 2,
    };

    if (!card.made_from) return limn_fail(error, LIMN_NO_MEMORY, "out of memory for the card");
    LIMN_TRY(digest_of(from, digest, error));
    return limn_model_save(to, &card, weights, NULL, error);
}

static limn_status import(const limn_checkpoint *checkpoint, const char *from, const char *to,
                          const limn_import_settings *settings, limn_weights **weights,
                          limn_arena *arena, limn_error *error)
{
    limn_wishes wishes = { .norm = norm_names[settings->norm] };
    limn_network network;
    limn_deduced deduced;
    limn_state state;
    const char *name;

    wishes.dropout = settings->dropout == 1 ? 1 : settings->dropout == 2 ? 0 : -1;
    if (limn_checkpoint_text(checkpoint, "limn.format"))
        return limn_fail(error, LIMN_SETTING, "%s: is a limn model already; use it as it is", from);
    if (settings->direction && strcmp(settings->direction, "AtoB") &&
        strcmp(settings->direction, "BtoA"))
        return limn_fail(error, LIMN_SETTING, "--direction is \"%s\"; it must be AtoB or BtoA",
                         limn_quote(settings->direction, strlen(settings->direction)).text);
    LIMN_TRY(limn_state_choose(&state, checkpoint, settings->part, arena, error));
    LIMN_TRY(limn_deduce(&deduced, &state, &wishes, arena, error));
    LIMN_TRY(describe(&network, &deduced, from, settings, error));
    name = deduced.generator ? "G" : "D";
    if (declare(weights, name, &network, error)) return limn_while(error, "%s", from);
    LIMN_TRY(fill(*weights, name, &deduced, from, arena, error));
    return save(to, settings, name, &network, &deduced, from, state.part,
                limn_checkpoint_kind_text(limn_checkpoint_is(checkpoint)), *weights, arena, error);
}

limn_status limn_import(const char *from, const char *to, const limn_import_settings *settings,
                        limn_error *error)
{
    static const limn_import_settings nothing;
    limn_checkpoint *checkpoint;
    limn_weights *weights = NULL;
    limn_arena arena;
    limn_status status;

    if (limn_file_same(from, to))
        return limn_fail(error, LIMN_SETTING,
                         "%s is read and would be overwritten; name another output", to);
    LIMN_TRY(limn_checkpoint_open(&checkpoint, from, error));
    limn_arena_open(&arena, "import", 0);
    status = import(checkpoint, from, to, settings ? settings : &nothing, &weights, &arena, error);
    limn_weights_close(&weights);
    limn_arena_close(&arena);
    limn_checkpoint_close(&checkpoint);
    return status;
}
