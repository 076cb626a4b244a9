/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing an int8 model: see layers.h.
 *
 * Tensors go straight from one mapped file into the other, in the same order, but for the weights
 * that became bytes: those are followed by their scale, step and zero. */
#include "base/sha256.h"
#include "model/layers.h"
#include "model/model_card.h"

#include <string.h>

enum { A_LAYER = 4 }; /* tensors that one becomes */

typedef struct piece {
    const void *bytes;
    size_t count;
} piece;

typedef struct saving {
    limn_saved_tensor *tensors;
    piece *pieces;
    float *numbers; /* step and zero of each layer */
    size_t count;
    limn_arena *arena;
} saving;

static void add(saving *s, const char *name, limn_type type, int dims, const int64_t *size,
                const void *data)
{
    limn_saved_tensor *t = &s->tensors[s->count];

    *t = (limn_saved_tensor){ .name = name, .type = type, .dims = dims, .count = 1 };
    for (int i = 0; i < dims; i++) {
        t->size[i] = size[i];
        t->count *= (size_t)size[i];
    }
    s->pieces[s->count++] = (piece){ data, t->count * limn_type_bytes(type) };
}

/* The name inside the network: "G.model.0.weight" or "model.0.weight"; NULL: of another one. */
static const char *own_name(const limn_model *model, const char *network,
                            const limn_saved_tensor *t)
{
    size_t n = strlen(network);

    if (limn_model_find(model, network, t->name) == t) return t->name;
    return !strncmp(t->name, network, n) && t->name[n] == '.' ? t->name + n + 1 : NULL;
}

static limn_status add_layer(saving *s, const char *own, const limn_saved_tensor *t,
                             const limn_layer *layer, const limn_whole_layer *whole, float *numbers,
                             limn_error *error)
{
    int64_t outputs = limn_layer_outputs(layer);
    int stem = (int)(strlen(own) - strlen(".weight"));
    const char *scale = limn_take_format(s->arena, "%s_scale", own);
    const char *step = limn_take_format(s->arena, "%.*s.input_step", stem, own);
    const char *zero = limn_take_format(s->arena, "%.*s.input_zero", stem, own);

    if (!scale || !step || !zero)
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for the names of a model");
    numbers[0] = layer->step;
    numbers[1] = (float)layer->zero;
    add(s, own, LIMN_I8, t->dims, t->size, whole->values);
    add(s, scale, LIMN_F32, 1, &outputs, whole->scale);
    add(s, step, LIMN_F32, 0, NULL, &numbers[0]);
    add(s, zero, LIMN_F32, 0, NULL, &numbers[1]);
    return LIMN_OK;
}

static bool is_moment(const char *name)
{
    return strstr(name, ".exp_avg") != NULL;
}

static limn_status list(saving *s, const limn_model *model, const char *network,
                        const limn_layer *layers, const limn_whole_layer *whole, int count,
                        limn_error *error)
{
    size_t all = limn_model_count(model) + A_LAYER * (size_t)count + 1;

    LIMN_TRY(limn_take_into(&s->tensors, s->arena, all * sizeof *s->tensors, error));
    LIMN_TRY(limn_take_into(&s->pieces, s->arena, all * sizeof *s->pieces, error));
    LIMN_TRY(limn_take_into(&s->numbers, s->arena, 2 * (size_t)count * sizeof(float) + 8, error));
    for (size_t i = 0; i < limn_model_count(model); i++) {
        const limn_saved_tensor *t = limn_model_at(model, i);
        const char *own = own_name(model, network, t);
        int k = 0;

        if (!own || is_moment(own)) continue;
        while (k < count && (!layers[k].int8 || !whole[k].values ||
                             strcmp(layers[k].weight + strlen(network) + 1, own) != 0))
            k++;
        if (k == count)
            add(s, own, t->type, t->dims, t->size, t->data);
        else
            LIMN_TRY(add_layer(s, own, t, &layers[k], &whole[k], s->numbers + 2 * k, error));
    }
    return LIMN_OK;
}

static limn_status write_all(const saving *s, const char *path, const limn_saved_text *texts,
                             size_t text_count, limn_error *error)
{
    limn_safetensors_writer *writer;
    limn_status status = limn_safetensors_create(&writer, path, s->tensors, s->count, texts,
                                                 text_count, error);

    for (size_t i = 0; i < s->count && !status; i++)
        status = limn_safetensors_write(writer, s->pieces[i].bytes, s->pieces[i].count, error);
    if (!status) return limn_safetensors_commit(&writer, error);
    limn_safetensors_abandon(&writer);
    return status;
}

/* The card of the old model with one network, a longer record and another digest. */
static limn_status make_card(const saving *s, limn_model_card *card, const limn_model *model,
                             const char *network, const limn_saved_text *record,
                             size_t record_count, limn_error *error)
{
    const limn_model_card *old = limn_model_about(model);
    unsigned char binary[LIMN_DIGEST_BYTES];
    limn_saved_text *both;
    limn_sha256 hash;
    char *text;

    *card = *old;
    card->checkpoint = false;
    card->software = NULL;
    card->state_count = 0;
    card->networks[0] = *limn_model_network_of(old, network);
    card->networks[0].int8 = true;
    card->network_count = 1;
    card->generator = network;
    LIMN_TRY(limn_take_into(&both, s->arena, (old->record_count + record_count + 1) * sizeof *both,
                            error));
    if (old->record_count) memcpy(both, old->record, old->record_count * sizeof *both);
    if (record_count) memcpy(both + old->record_count, record, record_count * sizeof *both);
    card->record = both;
    card->record_count = old->record_count + record_count;
    limn_sha256_begin(&hash);
    for (size_t i = 0; i < s->count; i++)
        limn_sha256_add(&hash, s->pieces[i].bytes, s->pieces[i].count);
    limn_sha256_end(&hash, binary);
    LIMN_TRY(limn_take_into(&text, s->arena, LIMN_DIGEST_TEXT, error));
    limn_digest_text(binary, text);
    card->weights_sha256 = text;
    return LIMN_OK;
}

limn_status limn_model_save_int8(const char *path, const limn_model *model, const char *network,
                                 const limn_layer *layers, const limn_whole_layer *whole, int count,
                                 const limn_saved_text *record, size_t record_count,
                                 limn_error *error)
{
    limn_model_card card;
    limn_saved_text *texts;
    size_t text_count;
    limn_arena arena;
    saving s = { .arena = &arena };
    limn_status status;

    limn_arena_open(&arena, "saving a model", 0);
    status = list(&s, model, network, layers, whole, count, error);
    if (!status) status = make_card(&s, &card, model, network, record, record_count, error);
    if (!status) status = limn_card_write(&card, true, &arena, &texts, &text_count, error);
    if (!status) status = write_all(&s, path, texts, text_count, error);
    limn_arena_close(&arena);
    return status ? limn_while(error, "saving %s", path) : LIMN_OK;
}
