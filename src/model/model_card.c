/* SPDX-License-Identifier: Apache-2.0
 *
 * The card of a model: struct <-> metadata texts.
 *
 * Every key begins with "limn."; keys that this version does not know are left alone, with one
 * exception: an unknown field of a network is refused, since it would say that the network
 * computes something else.  Files of a newer format are refused as a whole. */
#include "model/model_card.h"
#include "model/foreign.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

const char limn_model_source_type[] =
    "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia";
const char limn_model_notice[] =
    "Pictures made with this model come from a trained algorithm. Label them so wherever they are "
    "shown or passed on (IPTC digital source type trainedAlgorithmicMedia).";

#define ROW(field_name, text_name, field_kind, lowest, highest, choice, says)                      \
    {                                                                                              \
        .name = text_name, .kind = LIMN_SETTING_##field_kind,                                      \
        .offset = offsetof(limn_network, field_name), .low = lowest, .high = highest,              \
        .choices = choice, .help = says                                                            \
    }

enum { CHANNELS_MAX = 4096, FILTERS_MAX = 65536 };

const limn_setting limn_network_rows[] = {
    ROW(net, "net", TEXT, 0, 0, NULL, "kind of network, as --netG and --netD call it"),
    ROW(input_nc, "input-nc", INT, 1, CHANNELS_MAX, NULL, "channels in"),
    ROW(output_nc, "output-nc", INT, 1, CHANNELS_MAX, NULL, "channels out"),
    ROW(filters, "filters", INT, 1, FILTERS_MAX, NULL, "filters of the first layer: ngf, ndf"),
    ROW(layers, "n-layers", INT, 0, 64, NULL, "layers of an n_layers critic"),
    ROW(norm, "norm", CHOICE, 0, 0, "batch|instance|none", "normalisation"),
    ROW(dropout, "dropout", FLAG, 0, 0, NULL, "dropout while training"),
    ROW(picture_statistics, "picture-statistics", FLAG, 0, 0, NULL,
        "batch norm translates with the picture's own statistics, not the running ones"),
    ROW(antialias, "antialias", FLAG, 0, 0, NULL, "halves by blurring"),
    ROW(antialias_up, "antialias-up", FLAG, 0, 0, NULL, "doubles by blurring"),
    ROW(affine, "affine", FLAG, 0, 0, NULL, "instance norm has weights"),
    ROW(bias, "bias", FLAG, 0, 0, NULL, "convolutions have a bias also where batch norm follows"),
    ROW(zero_padding, "zero-padding", FLAG, 0, 0, NULL,
        "zeros around a ResNet's outer convolutions"),
    ROW(zero_block_padding, "zero-block-padding", FLAG, 0, 0, NULL,
        "zeros inside a ResNet's blocks"),
    { 0 },
};

const char *limn_model_colour(int channels)
{
    return channels == 3 ? "sRGB" : channels == 1 ? "grey" : "raw";
}

const limn_model_network *limn_model_network_of(const limn_model_card *card, const char *name)
{
    if (!name) name = card->generator;
    for (int i = 0; name && i < card->network_count; i++)
        if (!strcmp(card->networks[i].name, name)) return &card->networks[i];
    return NULL;
}

const char *limn_model_text(const limn_saved_text *pairs, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(pairs[i].key, key)) return pairs[i].value;
    return NULL;
}

/* A name goes in front of tensors and between dots: letters, digits, underscores. */
static bool is_name(const char *name)
{
    size_t n = 0;

    for (; name && name[n]; n++)
        if (!isalnum((unsigned char)name[n]) && name[n] != '_') return false;
    return n > 0 && n <= 32;
}

static bool makes_pictures(const limn_network *network)
{
    return limn_network_multiple(network->net) && !limn_network_is_critic(network->net);
}

/* ---- Writing --------------------------------------------------------------------------------- */

typedef struct writer {
    limn_arena *arena;
    limn_saved_text *texts;
    size_t count;
    bool full; /* memory was refused */
} writer;

/* NULL values are left out. */
static void put(writer *w, const char *key, const char *value)
{
    if (!key) w->full = true;
    if (w->full || !value) return;
    w->texts[w->count++] = (limn_saved_text){ key, value };
}

static void put_pairs(writer *w, const char *front, const limn_saved_text *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        put(w, limn_take_format(w->arena, "limn.%s.%s", front, pairs[i].key), pairs[i].value);
}

/* Metadata keys have underscores, as PyTorch's people write them. */
static void put_field(writer *w, const char *name, const limn_setting *row,
                      const limn_network *network)
{
    char *key = limn_take_format(w->arena, "limn.network.%s.%s", name, row->name), value[64];

    for (char *at = key ? key + strlen("limn.network.") + strlen(name) : NULL; at && *at; at++)
        if (*at == '-') *at = '_';
    if (row->kind == LIMN_SETTING_TEXT) {
        put(w, key, *(const char *const *)((const char *)network + row->offset));
        return;
    }
    limn_setting_get(row, network, value, sizeof value);
    put(w, key, limn_take_text(w->arena, value));
}

static void put_network(writer *w, const limn_model_network *n)
{
    const limn_network *network = &n->network;

#define KEY(what) limn_take_format(w->arena, "limn.network.%s." what, n->name)
    for (const limn_setting *row = limn_network_rows; row->name; row++)
        put_field(w, n->name, row, network);
    if (!makes_pictures(network)) return;
    put(w, KEY("input"), n->input ? n->input : limn_model_colour(network->input_nc));
    put(w, KEY("output"), n->output ? n->output : limn_model_colour(network->output_nc));
    put(w, KEY("multiple"), limn_take_format(w->arena, "%d", limn_network_multiple(network->net)));
    put(w, KEY("dropout_in_use"), n->dropout_in_use ? "true" : "false");
    put(w, KEY("int8"), n->int8 ? "true" : NULL);
#undef KEY
}

static limn_status check_card(const limn_model_card *card, limn_error *error)
{
    if (card->network_count < 1 || card->network_count > LIMN_MODEL_NETWORKS_MAX)
        return limn_fail(error, LIMN_SETTING, "a model has 1 to %d networks, not %d",
                         LIMN_MODEL_NETWORKS_MAX, card->network_count);
    for (int i = 0; i < card->network_count; i++) {
        const limn_model_network *n = &card->networks[i];

        if (!is_name(n->name))
            return limn_fail(error, LIMN_SETTING,
                             "network %d of the model has no name of 1 to 32 letters, digits and "
                             "underscores",
                             i + 1);
        if (limn_model_network_of(card, n->name) != n) /* finds the first of that name */
            return limn_fail(error, LIMN_SETTING, "the model has two networks %s", n->name);
        if (!n->network.net)
            return limn_fail(error, LIMN_SETTING, "the kind of network %s is not given (net)",
                             n->name);
    }
    if (card->generator && !limn_model_network_of(card, card->generator))
        return limn_fail(error, LIMN_SETTING, "the model has no network %s to translate with",
                         card->generator);
    return LIMN_OK;
}

limn_status limn_card_write(const limn_model_card *card, bool bare, limn_arena *arena,
                            limn_saved_text **texts, size_t *count, limn_error *error)
{
    enum { FIXED = 24, PER_NETWORK = 24 };
    writer w = { .arena = arena };
    size_t room = FIXED + PER_NETWORK * LIMN_MODEL_NETWORKS_MAX + card->setting_count +
                  card->record_count + card->state_count;
    const char *generator = card->generator;
    char names[LIMN_MODEL_NETWORKS_MAX * 34] = "";

    LIMN_TRY(check_card(card, error));
    LIMN_TRY(limn_take_into(&w.texts, arena, room * sizeof *w.texts, error));
    for (int i = 0; i < card->network_count; i++) {
        if (i) strcat(names, " ");
        strcat(names, card->networks[i].name);
        if (!generator && makes_pictures(&card->networks[i].network))
            generator = card->networks[i].name;
    }
    put(&w, "limn.format", limn_take_format(arena, "%d", LIMN_MODEL_FORMAT));
    put(&w, "limn.kind", card->checkpoint ? "checkpoint" : "model");
    put(&w, "limn.names", bare ? "bare" : "prefixed");
    put(&w, "limn.software", card->software ? card->software : "limn " LIMN_VERSION);
    put(&w, "limn.title", card->title);
    put(&w, "limn.recipe", card->recipe);
    put(&w, "limn.direction", card->direction);
    put(&w, "limn.networks", limn_take_text(arena, names));
    put(&w, "limn.generator", generator);
    put(&w, "limn.range", "[-1, 1]");
    put(&w, "limn.licence", card->licence);
    put(&w, "limn.attribution", card->attribution);
    put(&w, "limn.made_from", card->made_from);
    put(&w, "limn.source_type", card->source_type ? card->source_type : limn_model_source_type);
    put(&w, "limn.notice", card->notice ? card->notice : limn_model_notice);
    put(&w, "limn.weights_sha256", card->weights_sha256);
    for (int i = 0; i < card->network_count; i++) put_network(&w, &card->networks[i]);
    put_pairs(&w, "setting", card->settings, card->setting_count);
    put_pairs(&w, "record", card->record, card->record_count);
    put_pairs(&w, "state", card->state, card->state_count);
    *texts = w.texts;
    *count = w.count;
    return w.full ? limn_fail(error, LIMN_NO_MEMORY, "out of memory for the model's card")
                  : LIMN_OK;
}

/* ---- Reading --------------------------------------------------------------------------------- */

bool limn_card_is_in(const limn_safetensors *file)
{
    return limn_safetensors_text(file, "limn.format") != NULL;
}

/* "limn.network.G.net" with front "limn.network." and name "G" gives "net"; NULL when it is
 * another's. */
static const char *behind(const char *key, const char *front, const char *name)
{
    size_t n = strlen(front), m = strlen(name);

    if (strncmp(key, front, n) || strncmp(key + n, name, m)) return NULL;
    if (!m) return key + n;
    return key[n + m] == '.' ? key + n + m + 1 : NULL;
}

static limn_status malformed(const char *path, const char *what, const char *value,
                             limn_error *error)
{
    return limn_fail(error, LIMN_FORMAT,
                     "%s: the model's card says %s = \"%s\", which makes no sense", path, what,
                     limn_quote(value, strlen(value)).text);
}

/* One pair of a network; *field is the part of the key behind its name. */
static limn_status read_field(limn_model_network *n, const char *field, const char *value,
                              const char *path, limn_error *error)
{
    if (!strcmp(field, "input")) {
        n->input = value;
    } else if (!strcmp(field, "output")) {
        n->output = value;
    } else if (!strcmp(field, "dropout_in_use")) {
        n->dropout_in_use = !strcmp(value, "true");
        if (!n->dropout_in_use && strcmp(value, "false"))
            return malformed(path, "dropout_in_use", value, error);
    } else if (!strcmp(field, "int8")) {
        n->int8 = !strcmp(value, "true");
        if (!n->int8 && strcmp(value, "false")) return malformed(path, "int8", value, error);
    } else if (strcmp(field, "multiple") != 0 && /* for other readers; the zoo knows it */
               limn_setting_set(limn_network_rows, &n->network, field, value, error)) {
        if (error) error->status = LIMN_FORMAT;
        return limn_while(error, "%s: network %s of the model's card", path, n->name);
    }
    return LIMN_OK;
}

static limn_status read_network(limn_model_network *n, const limn_safetensors *file,
                                const char *path, limn_error *error)
{
    for (size_t i = 0; i < limn_safetensors_texts(file); i++) {
        limn_saved_text text = limn_safetensors_text_at(file, i);
        const char *field = behind(text.key, "limn.network.", n->name);

        if (field) LIMN_TRY(read_field(n, field, text.value, path, error));
    }
    if (!n->network.net || !n->network.input_nc || !n->network.output_nc || !n->network.filters)
        return limn_fail(error, LIMN_FORMAT,
                         "%s: the model's card does not say all of network %s: net, input_nc, "
                         "output_nc and filters are needed",
                         path, n->name);
    if (!makes_pictures(&n->network)) return LIMN_OK;
    if (!n->input) n->input = limn_model_colour(n->network.input_nc);
    if (!n->output) n->output = limn_model_colour(n->network.output_nc);
    return LIMN_OK;
}

static limn_status read_networks(limn_model_card *card, const limn_safetensors *file,
                                 const char *path, limn_arena *arena, limn_error *error)
{
    const char *list = limn_safetensors_text(file, "limn.networks");
    char *word;

    if (!list) return limn_fail(error, LIMN_FORMAT, "%s: the model's card lists no network", path);
    if (!(word = limn_take_text(arena, list)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for the model's card");
    for (char *rest = NULL; (word = strtok_r(rest ? NULL : word, " ", &rest));) {
        limn_model_network *n = &card->networks[card->network_count];

        if (card->network_count == LIMN_MODEL_NETWORKS_MAX || !is_name(word) ||
            limn_model_network_of(card, word))
            return malformed(path, "limn.networks", list, error);
        n->name = word;
        card->network_count++;
        LIMN_TRY(read_network(n, file, path, error));
    }
    if (!card->network_count) return malformed(path, "limn.networks", list, error);
    return LIMN_OK;
}

/* All pairs below "limn.FRONT." */
static limn_status read_pairs(const limn_saved_text **out, size_t *count, const char *front,
                              const limn_safetensors *file, limn_arena *arena, limn_error *error)
{
    limn_saved_text *pairs;

    LIMN_TRY(
        limn_take_into(&pairs, arena, limn_safetensors_texts(file) * sizeof *pairs + 1, error));
    for (size_t i = 0; i < limn_safetensors_texts(file); i++) {
        limn_saved_text text = limn_safetensors_text_at(file, i);
        const char *key = behind(text.key, front, "");

        if (key) pairs[(*count)++] = (limn_saved_text){ key, text.value };
    }
    *out = pairs;
    return LIMN_OK;
}

limn_status limn_card_read(limn_model_card *card, bool *bare, const limn_safetensors *file,
                           const char *path, limn_arena *arena, limn_error *error)
{
    const char *format = limn_safetensors_text(file, "limn.format");
    const char *kind = limn_safetensors_text(file, "limn.kind");
    const char *names = limn_safetensors_text(file, "limn.names");
    char *end;
    long number;

    *card = (limn_model_card){ 0 };
    number = format ? strtol(format, &end, 10) : 0;
    if (!format || end == format || *end || number < 1)
        return malformed(path, "limn.format", format ? format : "", error);
    if (number > LIMN_MODEL_FORMAT)
        return limn_fail(
            error, LIMN_FORMAT,
            "%s: was written by a newer limn (model format %ld; this one, " LIMN_VERSION
            ", reads up to %d)",
            path, number, LIMN_MODEL_FORMAT);
    card->format = (int)number;
    if (!kind || (strcmp(kind, "model") && strcmp(kind, "checkpoint")))
        return malformed(path, "limn.kind", kind ? kind : "", error);
    if (!names || (strcmp(names, "bare") && strcmp(names, "prefixed")))
        return malformed(path, "limn.names", names ? names : "", error);
    card->checkpoint = !strcmp(kind, "checkpoint");
    *bare = !strcmp(names, "bare");
#define TEXT(field) card->field = limn_safetensors_text(file, "limn." #field)
    TEXT(recipe);
    TEXT(direction);
    TEXT(generator);
    TEXT(title);
    TEXT(licence);
    TEXT(attribution);
    TEXT(software);
    TEXT(made_from);
    TEXT(source_type);
    TEXT(notice);
    TEXT(weights_sha256);
#undef TEXT
    LIMN_TRY(read_networks(card, file, path, arena, error));
    if (card->generator && !limn_model_network_of(card, card->generator))
        return malformed(path, "limn.generator", card->generator, error);
    if (*bare && card->network_count != 1) return malformed(path, "limn.names", names, error);
    if (card->direction && strcmp(card->direction, "AtoB") && strcmp(card->direction, "BtoA"))
        return malformed(path, "limn.direction", card->direction, error);
    LIMN_TRY(
        read_pairs(&card->settings, &card->setting_count, "limn.setting.", file, arena, error));
    LIMN_TRY(read_pairs(&card->record, &card->record_count, "limn.record.", file, arena, error));
    return read_pairs(&card->state, &card->state_count, "limn.state.", file, arena, error);
}
