/* SPDX-License-Identifier: Apache-2.0
 *
 * The model file: see model.h.
 *
 * The digest stands in the header, in front of what it is the digest of, so saving a model goes
 * over the weights twice; a checkpoint, which is written every few minutes, has none. */
#include "model/model.h"
#include "base/sha256.h"
#include "model/checkpoint.h"
#include "model/foreign.h"
#include "model/model_card.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* PyTorch's sizes of a parameter. */
static void sizes_of(const limn_parameter_info *info, int64_t size[LIMN_DIMS_MAX])
{
    const int all[4] = { info->shape.n, info->shape.c, info->shape.h, info->shape.w };

    if (info->dims == 1) size[0] = all[1];
    for (int i = 0; info->dims > 1 && i < info->dims; i++) size[i] = all[i];
}

static const char *own_name(const limn_parameter_info *info)
{
    return info->name + strlen(info->network) + 1;
}

/* ---- Saving ---------------------------------------------------------------------------------- */

typedef struct saving {
    limn_weights *weights;
    limn_saved_tensor *tensors;
    int *index; /* in the weights */
    size_t count, largest;
    float *plain; /* room for the largest */
} saving;

static limn_status add_network(saving *s, const limn_model_network *network, bool bare,
                               bool moments, limn_arena *arena, limn_error *error)
{
    const char *from = network->from ? network->from : network->name;
    size_t before = s->count;

    for (int i = 0; i < limn_weights_count(s->weights); i++) {
        const limn_parameter_info *info = limn_weights_at(s->weights, i);
        limn_saved_tensor *t = &s->tensors[s->count];

        if (strcmp(info->network, from)) continue;
        if (info->kind == LIMN_PARAMETER_SUM) continue;
        if (info->kind == LIMN_PARAMETER_MOMENT && !moments) continue;
        *t = (limn_saved_tensor){
            .name = limn_take_format(arena, "%s%s%s", bare ? "" : network->name, bare ? "" : ".",
                                     own_name(info)),
            .type = info->kind == LIMN_PARAMETER_COUNT ? LIMN_I64 : LIMN_F32,
            .dims = info->dims,
            .count = limn_count(info->shape),
        };
        if (!t->name)
            return limn_fail(error, LIMN_NO_MEMORY, "out of memory for the names of a model");
        sizes_of(info, t->size);
        if (t->count > s->largest) s->largest = t->count;
        s->index[s->count++] = i;
    }
    if (s->count == before)
        return limn_fail(error, LIMN_SETTING, "there are no weights of a network %s to save", from);
    return LIMN_OK;
}

/* The bytes of tensor k as the file has them; they lie in s->plain or in count. */
static limn_status bytes_of(saving *s, size_t k, int64_t *count, const void **bytes, size_t *size,
                            limn_error *error)
{
    LIMN_TRY(limn_weights_get(s->weights, s->index[k], s->plain, error));
    *bytes = s->plain;
    *size = s->tensors[k].count * sizeof *s->plain;
    if (s->tensors[k].type == LIMN_I64) {
        *count = (int64_t)s->plain[0];
        *bytes = count;
        *size = sizeof *count;
    }
    return LIMN_OK;
}

static limn_status digest(saving *s, const limn_model_more *more, char text[LIMN_DIGEST_TEXT],
                          limn_error *error)
{
    unsigned char binary[LIMN_DIGEST_BYTES];
    limn_sha256 hash;
    const void *bytes;
    size_t size;
    int64_t count;

    limn_sha256_begin(&hash);
    for (size_t k = 0; k < s->count; k++) {
        LIMN_TRY(bytes_of(s, k, &count, &bytes, &size, error));
        limn_sha256_add(&hash, bytes, size);
    }
    for (size_t k = 0; more && k < more->extra_count; k++)
        limn_sha256_add(&hash, more->extra[k].data,
                        more->extra[k].count * limn_type_bytes(more->extra[k].type));
    limn_sha256_end(&hash, binary);
    limn_digest_text(binary, text);
    return LIMN_OK;
}

static limn_status write_all(saving *s, const char *path, const limn_saved_text *texts,
                             size_t text_count, const limn_model_more *more, limn_error *error)
{
    size_t extra = more ? more->extra_count : 0;
    limn_safetensors_writer *writer = NULL;
    limn_status status;
    const void *bytes;
    size_t size;
    int64_t count;

    if (extra) memcpy(s->tensors + s->count, more->extra, extra * sizeof *more->extra);
    status = limn_safetensors_create(&writer, path, s->tensors, s->count + extra, texts, text_count,
                                     error);
    for (size_t k = 0; !status && k < s->count; k++) {
        status = bytes_of(s, k, &count, &bytes, &size, error);
        if (!status) status = limn_safetensors_write(writer, bytes, size, error);
    }
    for (size_t k = 0; !status && k < extra; k++)
        status = limn_safetensors_write(writer, more->extra[k].data,
                                        more->extra[k].count * limn_type_bytes(more->extra[k].type),
                                        error);
    if (!status) return limn_safetensors_commit(&writer, error);
    limn_safetensors_abandon(&writer);
    return status;
}

/* Lists the tensors and makes the metadata. */
static limn_status prepare(saving *s, const limn_model_card *card, const limn_model_more *more,
                           limn_arena *arena, limn_saved_text **texts, size_t *text_count,
                           limn_error *error)
{
    bool bare = !card->checkpoint && card->network_count == 1 && !(more && more->extra_count);
    size_t room = (size_t)limn_weights_count(s->weights) + (more ? more->extra_count : 0) + 1;
    limn_model_card full = *card;
    char text[LIMN_DIGEST_TEXT];

    LIMN_TRY(limn_take_into(&s->tensors, arena, room * sizeof *s->tensors, error));
    LIMN_TRY(limn_take_into(&s->index, arena, room * sizeof *s->index, error));
    /* The card first: it says which networks there are, and it may be wrong. */
    LIMN_TRY(limn_card_write(&full, bare, arena, texts, text_count, error));
    for (int i = 0; i < card->network_count; i++)
        LIMN_TRY(add_network(s, &card->networks[i], bare, more && more->moments, arena, error));
    if (!(s->plain = limn_block(s->largest * sizeof *s->plain)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for a tensor of %zu numbers",
                         s->largest);
    full.weights_sha256 = NULL;
    if (!card->checkpoint) {
        LIMN_TRY(digest(s, more, text, error));
        if (!(full.weights_sha256 = limn_take_text(arena, text)))
            return limn_fail(error, LIMN_NO_MEMORY, "out of memory for the model's card");
    }
    return limn_card_write(&full, bare, arena, texts, text_count, error);
}

limn_status limn_model_save(const char *path, const limn_model_card *card, limn_weights *weights,
                            const limn_model_more *more, limn_error *error)
{
    saving s = { .weights = weights };
    limn_saved_text *texts;
    size_t text_count;
    limn_arena arena;
    limn_status status;

    limn_arena_open(&arena, "saving a model", 0);
    if ((status = prepare(&s, card, more, &arena, &texts, &text_count, error)))
        limn_while(error, "saving %s", path);
    else
        status = write_all(&s, path, texts, text_count, more, error);
    limn_block_free(s.plain);
    limn_arena_close(&arena);
    return status;
}

/* ---- Opening --------------------------------------------------------------------------------- */

struct limn_model {
    limn_arena arena; /* the model itself lies in it */
    limn_safetensors *file;
    const char *path;
    limn_model_card card;
    bool bare;
};

bool limn_model_is(const char *path)
{
    limn_safetensors *file;
    bool is;

    if (limn_safetensors_open(&file, path, NULL)) return false;
    is = limn_card_is_in(file);
    limn_safetensors_close(&file);
    return is;
}

/* What else it is: another project's file gets a sentence that helps. */
static limn_status not_ours(const char *path, limn_error *error)
{
    limn_checkpoint *checkpoint;
    limn_checkpoint_kind kind;

    if (limn_checkpoint_open(&checkpoint, path, error)) return limn_while(error, "no limn model");
    kind = limn_checkpoint_is(checkpoint);
    limn_checkpoint_close(&checkpoint);
    return limn_fail(error, LIMN_FORMAT,
                     "%s: is %s without a model's card; `limn import %s -o model.safetensors` "
                     "makes a model of what another project saved",
                     path, limn_checkpoint_kind_text(kind), path);
}

static limn_status open_model(limn_model *model, const char *path, limn_error *error)
{
    limn_error fault = { 0 };
    limn_status status;

    LIMN_TRY(limn_model_path_of(&path, path, &model->arena, error));
    status = limn_safetensors_open(&model->file, path, &fault);
    if (status == LIMN_FORMAT || (!status && !limn_card_is_in(model->file)))
        return not_ours(path, error);
    if (status) return limn_fail(error, status, "%s", fault.text);
    if (!(model->path = limn_take_text(&model->arena, path)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for opening %s", path);
    return limn_card_read(&model->card, &model->bare, model->file, path, &model->arena, error);
}

limn_status limn_model_open(limn_model **out, const char *path, limn_error *error)
{
    limn_status status;

    LIMN_TRY(limn_open_in_arena(out, sizeof **out, "model", 0, error));
    if ((status = open_model(*out, path, error))) limn_model_close(out);
    return status;
}

void limn_model_close(limn_model **model)
{
    if (!*model) return;
    limn_safetensors_close(&(*model)->file);
    limn_close_in_arena(model);
}

const limn_model_card *limn_model_about(const limn_model *model)
{
    return &model->card;
}

const char *limn_model_path(const limn_model *model)
{
    return model->path;
}

size_t limn_model_count(const limn_model *model)
{
    return limn_safetensors_count(model->file);
}

const limn_saved_tensor *limn_model_at(const limn_model *model, size_t i)
{
    return limn_safetensors_at(model->file, i);
}

/* The tensor's name inside the network, or NULL when it is another's. */
static const char *name_in(const limn_model *model, const char *network,
                           const limn_saved_tensor *tensor)
{
    size_t n = strlen(network);

    if (model->bare) return tensor->name;
    return strncmp(tensor->name, network, n) || tensor->name[n] != '.' ? NULL
                                                                       : tensor->name + n + 1;
}

const limn_saved_tensor *limn_model_find(const limn_model *model, const char *network,
                                         const char *parameter)
{
    for (size_t i = 0; i < limn_model_count(model); i++) {
        const limn_saved_tensor *t = limn_model_at(model, i);
        const char *name = name_in(model, network, t);

        if (name && !strcmp(name, parameter)) return t;
    }
    return NULL;
}

const limn_saved_tensor *limn_model_extra(const limn_model *model, const char *name)
{
    for (int i = 0; i < model->card.network_count; i++) {
        size_t n = strlen(model->card.networks[i].name);

        if (!strncmp(name, model->card.networks[i].name, n) && name[n] == '.') return NULL;
    }
    return model->bare ? NULL : limn_safetensors_find(model->file, name);
}

/* ---- Loading --------------------------------------------------------------------------------- */

/* Gives the pages that hold these bytes back; they come again from the file when they are read.
 * Only for files opened by path, whose bytes are a read-only mapping. */
static void forget_bytes(const void *bytes, size_t count)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)bytes,
              end = begin + count;

    begin -= begin % page;
    if (end > begin) madvise((void *)begin, end - begin, MADV_DONTNEED);
}

static void forget(const limn_saved_tensor *t)
{
    forget_bytes(t->data, t->count * limn_type_bytes(t->type));
}

static void forget_floats(const void *floats, size_t count)
{
    forget_bytes(floats, count * sizeof(float));
}

static void sizes_text(char out[80], int dims, const int64_t *size)
{
    int used = 0;

    if (!dims) snprintf(out, 80, "one number");
    for (int i = 0; i < dims && used < 60; i++)
        used += snprintf(out + used, (size_t)(80 - used), "%s%lld", i ? "x" : "",
                         (long long)size[i]);
}

static limn_status check_shape(const limn_model *model, const limn_saved_tensor *t,
                               const limn_parameter_info *info, limn_error *error)
{
    char found[80], wanted[80];
    int64_t size[LIMN_DIMS_MAX];

    sizes_of(info, size);
    if (t->dims == info->dims && !memcmp(t->size, size, (size_t)t->dims * sizeof *size))
        return LIMN_OK;
    sizes_text(found, t->dims, t->size);
    sizes_text(wanted, info->dims, size);
    return limn_fail(error, LIMN_SHAPE, "%s: the tensor %s is %s, and the network's %s is %s",
                     model->path, t->name, found, info->name, wanted);
}

/* What loading does with a tensor that fits. */
typedef enum way { COPY, LEND, ONLY_CHECK } way;

/* Floats of int8 weights: NAME.weight times NAME.weight_scale, which is one number an output. */
static limn_status widen(const limn_model *model, const limn_saved_tensor *t,
                         const limn_parameter_info *info, float *values, limn_error *error)
{
    size_t taps = (size_t)info->shape.h * (size_t)info->shape.w;
    size_t inputs = (size_t)info->shape.c,
           outputs = (size_t)(info->transposed ? info->shape.c : info->shape.n);
    char name[400];
    const limn_saved_tensor *scale;
    float *factor;
    limn_status status;

    snprintf(name, sizeof name, "%s_scale", t->name);
    scale = limn_safetensors_find(model->file, name);
    if (!scale || scale->count != outputs)
        return limn_fail(error, LIMN_FORMAT,
                         "%s: the int8 weights %s have no scale for each of "
                         "%zu outputs",
                         model->path, t->name, outputs);
    if (!(factor = limn_block(outputs * sizeof *factor)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for the tensor %s", name);
    status = limn_saved_floats(scale, 0, outputs, factor, error);
    for (size_t i = 0; i < t->count && !status; i++)
        values[i] *= factor[info->transposed ? i / taps % inputs : i / (inputs * taps)];
    limn_block_free(factor);
    return status;
}

static limn_status fill(const limn_model *model, const limn_saved_tensor *t, limn_weights *weights,
                        int index, bool lend, limn_error *error)
{
    enum { LARGE = 16384 };
    bool as_is = t->type == LIMN_F32 && (uintptr_t)t->data % sizeof(float) == 0;
    limn_status status;
    float *values;

    if (lend && as_is && t->count >= LARGE &&
        limn_weights_lend(weights, index, t->data, forget_floats))
        return LIMN_OK;
    if (as_is) {
        status = limn_weights_set(weights, index, t->data, error);
    } else {
        if (!(values = limn_block(t->count * sizeof *values)))
            return limn_fail(error, LIMN_NO_MEMORY, "out of memory for the tensor %s", t->name);
        status = limn_saved_floats(t, 0, t->count, values, error);
        if (!status && t->type == LIMN_I8)
            status = widen(model, t, limn_weights_at(weights, index), values, error);
        if (!status) status = limn_weights_set(weights, index, values, error);
        limn_block_free(values);
    }
    forget(t);
    return status;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);

    return n >= m && !strcmp(text + n - m, end);
}

/* What an int8 layer has beside its weights (layers.h). */
static bool is_of_int8(const char *name)
{
    return ends_with(name, ".weight_scale") || ends_with(name, ".input_step") ||
           ends_with(name, ".input_zero");
}

/* Everything that the file has of the network must be a parameter of it. */
static limn_status check_all_used(const limn_model *model, const char *name,
                                  const limn_weights *weights, const char *as, bool moments,
                                  limn_error *error)
{
    bool int8 = limn_model_network_of(&model->card, name)->int8;

    for (size_t i = 0; i < limn_model_count(model); i++) {
        const limn_saved_tensor *t = limn_model_at(model, i);
        const char *own = name_in(model, name, t);
        char full[512];

        if (!own) continue;
        if (int8 && is_of_int8(own)) continue;
        if (!moments && (ends_with(own, ".exp_avg") || ends_with(own, ".exp_avg_sq"))) continue;
        if (snprintf(full, sizeof full, "%s.%s", as, own) < (int)sizeof full &&
            limn_weights_find(weights, full) >= 0)
            continue;
        return limn_fail(error, LIMN_FORMAT,
                         "%s: holds a tensor %s that network %s, as the card describes it, does "
                         "not have",
                         model->path, limn_quote(t->name, strlen(t->name)).text, name);
    }
    return LIMN_OK;
}

static limn_status load(const limn_model *model, const char *name, limn_weights *weights,
                        const char *as, bool moments, way how, limn_error *error)
{
    const limn_model_network *network = limn_model_network_of(&model->card, name);
    int filled = 0;

    if (!network)
        return limn_fail(error, LIMN_SETTING, "%s: there is no network %s in it; there is %s",
                         model->path, name ? name : "that translates",
                         limn_safetensors_text(model->file, "limn.networks"));
    name = network->name;
    if (!as) as = name;
    for (int i = 0; i < limn_weights_count(weights); i++) {
        const limn_parameter_info *info = limn_weights_at(weights, i);
        const limn_saved_tensor *t;

        if (strcmp(info->network, as)) continue;
        if (info->kind == LIMN_PARAMETER_SUM) continue;
        if (info->kind == LIMN_PARAMETER_MOMENT && !moments) continue;
        if (!(t = limn_model_find(model, name, own_name(info)))) {
            if (network->network.picture_statistics &&
                (info->kind == LIMN_PARAMETER_STATE || info->kind == LIMN_PARAMETER_COUNT))
                continue;
            return limn_fail(error, LIMN_FORMAT, "%s: has no tensor %s, which network %s needs",
                             model->path, own_name(info), name);
        }
        LIMN_TRY(check_shape(model, t, info, error));
        if (how != ONLY_CHECK && fill(model, t, weights, i, how == LEND, error))
            return limn_while(error, "%s: %s", model->path, t->name);
        filled++;
    }
    if (!filled)
        return limn_fail(error, LIMN_BUG, "%s: no network %s was declared to be filled",
                         model->path, as);
    return check_all_used(model, name, weights, as, moments, error);
}

limn_status limn_model_load(const limn_model *model, const char *name, limn_weights *weights,
                            const char *as, bool moments, limn_error *error)
{
    return load(model, name, weights, as, moments, COPY, error);
}

limn_status limn_model_lend(const limn_model *model, const char *name, limn_weights *weights,
                            limn_error *error)
{
    return load(model, name, weights, NULL, false, LEND, error);
}

limn_status limn_model_check(const limn_model *model, const char *name,
                             const limn_weights *declared, limn_error *error)
{
    /* Nothing is filled, so the weights stay as they are. */
    return load(model, name, (limn_weights *)(uintptr_t)declared, NULL, false, ONLY_CHECK, error);
}

void limn_model_forget(const limn_saved_tensor *tensor)
{
    forget(tensor);
}

bool limn_model_intact(const limn_model *model)
{
    char text[LIMN_DIGEST_TEXT];
    unsigned char binary[LIMN_DIGEST_BYTES];
    limn_sha256 hash;

    limn_sha256_begin(&hash);
    for (size_t i = 0; i < limn_model_count(model); i++) {
        const limn_saved_tensor *t = limn_model_at(model, i);

        limn_sha256_add(&hash, t->data, t->count * limn_type_bytes(t->type));
        forget(t);
    }
    limn_sha256_end(&hash, binary);
    limn_digest_text(binary, text);
    return model->card.weights_sha256 && !strcmp(model->card.weights_sha256, text);
}

limn_status limn_model_path_of(const char **file, const char *path, limn_arena *arena,
                               limn_error *error)
{
    static const char *const names[] = { "best.safetensors", "latest.safetensors",
                                         "checkpoint.safetensors" };
    struct stat there;

    *file = path;
    if (stat(path, &there) || !S_ISDIR(there.st_mode)) return LIMN_OK; /* opening says the rest */
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!(*file = limn_take_format(arena, "%s/%s", path, names[i])))
            return limn_fail(error, LIMN_NO_MEMORY, "out of memory for the name of a model");
        if (!access(*file, F_OK)) return LIMN_OK;
    }
    return limn_fail(error, LIMN_IO,
                     "%s: is a folder without a model in it (best.safetensors, latest.safetensors "
                     "or checkpoint.safetensors); name the folder of a run or a model file",
                     path);
}
