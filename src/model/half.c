/* SPDX-License-Identifier: Apache-2.0
 *
 * limn export to a model file again: half the bytes, for passing on.
 *
 * Kernels become 16-bit floats; they are most of a file, and rounded to 11 bits they change a
 * picture by less than one level of 255.  Vectors (biases, norms, statistics) stay as they are:
 * they weigh nothing, and statistics may be out of a half float's range.  So does a kernel that is
 * out of it.  Tried and dropped: bfloat16, which has three bits less to round to, for a range that
 * weights do not need.  Readers need nothing new: every tensor says its type, and limn computes in
 * float32 as before. */
#include "base/sha256.h"
#include "limn.h"
#include "model/model.h"
#include "model/model_card.h"

#include <math.h>
#include <string.h>

typedef struct halving {
    const limn_model *model;
    const limn_saved_tensor **from;
    limn_saved_tensor *to;
    size_t count, largest;
    float *floats; /* room for the largest tensor */
    uint16_t *halves;
} halving;

/* The network's own name of a tensor, or NULL for another network's. */
static const char *name_of(const limn_model_network *network, const limn_saved_tensor *t, bool bare)
{
    size_t front = strlen(network->name);

    if (bare) return t->name;
    return !strncmp(t->name, network->name, front) && t->name[front] == '.' ? t->name + front + 1
                                                                            : NULL;
}

static limn_status fits(bool *fit, const halving *h, const limn_saved_tensor *t, limn_error *error)
{
    *fit = t->type == LIMN_F32 && t->dims > 1;
    if (!*fit) return LIMN_OK;
    LIMN_TRY(limn_saved_floats(t, 0, t->count, h->floats, error));
    for (size_t i = 0; i < t->count && *fit; i++) *fit = fabsf(h->floats[i]) <= 65504;
    return LIMN_OK;
}

/* The bytes of tensor k as they will be written. */
static limn_status bytes_of(const halving *h, size_t k, const void **bytes, size_t *size,
                            limn_error *error)
{
    const limn_saved_tensor *from = h->from[k], *to = &h->to[k];

    *bytes = from->data;
    *size = to->count * limn_type_bytes(to->type);
    if (to->type == from->type) return LIMN_OK;
    LIMN_TRY(limn_saved_floats(from, 0, from->count, h->floats, error));
    for (size_t i = 0; i < to->count; i++) h->halves[i] = limn_to_f16(h->floats[i]);
    *bytes = h->halves;
    return LIMN_OK;
}

static limn_status choose(halving *h, const limn_model_network *network, limn_arena *arena,
                          limn_error *error)
{
    size_t all = limn_model_count(h->model);
    bool bare = limn_model_find(h->model, network->name, limn_model_at(h->model, 0)->name) != NULL;

    LIMN_TRY(limn_take_into(&h->from, arena, all * sizeof *h->from, error));
    LIMN_TRY(limn_take_into(&h->to, arena, all * sizeof *h->to, error));
    for (size_t i = 0; i < all; i++)
        if (limn_model_at(h->model, i)->count > h->largest)
            h->largest = limn_model_at(h->model, i)->count;
    if (!(h->floats = limn_block(h->largest * sizeof *h->floats)) ||
        !(h->halves = limn_block(h->largest * sizeof *h->halves)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for a tensor of %zu numbers",
                         h->largest);
    for (size_t i = 0; i < all; i++) {
        const limn_saved_tensor *t = limn_model_at(h->model, i);
        const char *name = name_of(network, t, bare);
        bool fit;

        if (!name) continue;
        h->from[h->count] = t;
        h->to[h->count] = *t;
        h->to[h->count].name = name;
        LIMN_TRY(fits(&fit, h, t, error));
        if (fit) h->to[h->count].type = LIMN_F16;
        h->count++;
    }
    return LIMN_OK;
}

static limn_status write(const halving *h, limn_model_card *card, const char *to, limn_arena *arena,
                         limn_error *error)
{
    limn_safetensors_writer *writer = NULL;
    unsigned char binary[LIMN_DIGEST_BYTES];
    char text[LIMN_DIGEST_TEXT];
    limn_saved_text *texts;
    limn_sha256 hash;
    limn_status status = LIMN_OK;
    const void *bytes;
    size_t text_count, size;

    limn_sha256_begin(&hash);
    for (size_t k = 0; k < h->count; k++) {
        LIMN_TRY(bytes_of(h, k, &bytes, &size, error));
        limn_sha256_add(&hash, bytes, size);
    }
    limn_sha256_end(&hash, binary);
    limn_digest_text(binary, text);
    card->weights_sha256 = text;
    LIMN_TRY(limn_card_write(card, true, arena, &texts, &text_count, error));
    LIMN_TRY(limn_safetensors_create(&writer, to, h->to, h->count, texts, text_count, error));
    for (size_t k = 0; !status && k < h->count; k++) {
        status = bytes_of(h, k, &bytes, &size, error);
        if (!status) status = limn_safetensors_write(writer, bytes, size, error);
    }
    if (!status) return limn_safetensors_commit(&writer, error);
    limn_safetensors_abandon(&writer);
    return status;
}

static limn_status halve(halving *h, const char *to, const char *name,
                         const limn_model_words *words, limn_arena *arena, limn_error *error)
{
    limn_model_card card = *limn_model_about(h->model);
    const limn_model_network *network = limn_model_network_of(&card, name);

    if (!network)
        return limn_fail(error, LIMN_SETTING, "there is no network %s in it%s",
                         name ? name : "that translates", name ? "" : "; name one with --network");
    if (card.checkpoint)
        return limn_fail(error, LIMN_SETTING,
                         "is a checkpoint, for going on with training; its run's folder holds the "
                         "model as latest.safetensors or best.safetensors");
    LIMN_TRY(choose(h, network, arena, error));
    card.networks[0] = *network;
    card.network_count = 1;
    card.generator = limn_network_is_critic(network->network.net) ? NULL : network->name;
    if (words && words->title) card.title = words->title;
    if (words && words->licence) card.licence = words->licence;
    if (words && words->attribution) card.attribution = words->attribution;
    return write(h, &card, to, arena, error);
}

limn_status limn_export_half(const char *path, const char *to, const char *network,
                             const limn_model_words *words, limn_error *error)
{
    halving h = { 0 };
    limn_model *model;
    limn_arena arena;
    limn_status status;

    LIMN_TRY(limn_model_open(&model, path, error));
    h.model = model;
    limn_arena_open(&arena, "export", 0);
    status = halve(&h, to, network, words, &arena, error);
    if (status) limn_while(error, "%s", path);
    limn_block_free(h.floats);
    limn_block_free(h.halves);
    limn_arena_close(&arena);
    limn_model_close(&model);
    return status;
}
