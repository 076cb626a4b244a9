/* SPDX-License-Identifier: Apache-2.0
 *
 * Opens a checkpoint of any kind by its content and copies elements out of it.
 *
 * The file stays mapped, tensors point into it.  Most of them lie there in order and go through the
 * same conversion as safetensors' do; transposed, cut-out and repeated ones are gathered a few
 * hundred elements at a time in front of that conversion, so no second copy of a model is made. */
#include "model/checkpoint.h"
#include "model/checkpoint_pth.h"
#include "model/foreign.h"

#include <stdlib.h>
#include <string.h>

struct limn_checkpoint {
    limn_arena arena;
    limn_mapping mapping;
    limn_safetensors *safetensors;
    limn_checkpoint_kind kind;
    limn_checkpoint_tensor *tensors;
    size_t count;
    const char *name;
};

const char *limn_checkpoint_kind_text(limn_checkpoint_kind kind)
{
    switch (kind) {
    case LIMN_CHECKPOINT_SAFETENSORS:
        return "a safetensors file";
    case LIMN_CHECKPOINT_PTH:
        return "a PyTorch checkpoint (zip)";
    case LIMN_CHECKPOINT_LEGACY:
        return "a PyTorch checkpoint (before 1.6)";
    }
    return "a checkpoint";
}

static bool begins(const unsigned char *bytes, size_t count, const char *text)
{
    return count >= strlen(text) && !memcmp(bytes, text, strlen(text));
}

/* safetensors has no magic: a length that fits, then JSON's first letter. */
static bool is_safetensors(const unsigned char *bytes, size_t count)
{
    return count > 8 && bytes[8] == '{' && limn_read_64(bytes) <= count - 8;
}

/* Says what the file seems to be. */
static limn_status unknown_kind(const unsigned char *bytes, size_t count, const char *name,
                                limn_error *error)
{
    const char *seems = "neither a PyTorch checkpoint nor safetensors";

    if (!count)
        seems = "0 bytes; copy or download it again";
    else if (begins(bytes, count, "version https://git-lfs"))
        seems = "a git-lfs pointer, not the file itself; run git lfs pull";
    else if (begins(bytes, count, "<!") || begins(bytes, count, "<html"))
        seems = "a web page saved under that name; download the file itself";
    else if (begins(bytes, count, "\x1f\x8b"))
        seems = "a gzip archive; unpack it first";
    else if (count > 262 && begins(bytes + 257, count - 257, "ustar"))
        seems =
            "a tar archive (unpack it first; PyTorch before 0.1.10 saved in tar too, such a file "
            "must be loaded and saved by a PyTorch of 2017 once)";
    else if (begins(bytes, count, "\x08") && count > 1 && bytes[1] < 16)
        seems =
            "perhaps ONNX, which limn writes (limn export) and does not read; take the model file";
    else if (begins(bytes, count, "\x89HDF"))
        seems = "an HDF5 (Keras) file; only PyTorch checkpoints and safetensors are read";
    else if (count > 2 && bytes[0] == 0x80 && bytes[1] <= 5)
        seems =
            "a bare Python pickle, not torch.save's; limn runs no code from pickles and refuses "
            "it";
    else if (count > 9 && bytes[8] == '{')
        seems = "safetensors that is cut off; copy or download it again";
    return limn_fail(error, LIMN_FORMAT, "%s: %s", name, seems);
}

static limn_status take_safetensors(limn_checkpoint *c, limn_error *error)
{
    size_t i, n = limn_safetensors_count(c->safetensors);
    limn_checkpoint_tensor *t;
    int64_t stride;
    int k;

    if (n > LIMN_CHECKPOINT_TENSORS_MAX)
        return limn_fail(error, LIMN_FORMAT, "%s: more than %d tensors", c->name,
                         LIMN_CHECKPOINT_TENSORS_MAX);
    LIMN_TRY(limn_take_into(&c->tensors, &c->arena, (n + 1) * sizeof *c->tensors, error));
    for (i = 0; i < n; i++) {
        t = &c->tensors[i];
        t->saved = *limn_safetensors_at(c->safetensors, i);
        t->base = t->saved.data;
        for (stride = 1, k = t->saved.dims - 1; k >= 0; k--) {
            t->stride[k] = stride;
            stride *= t->saved.size[k]; /* cannot overflow: the file holds that many */
        }
    }
    c->count = n;
    return LIMN_OK;
}

static limn_status open_content(limn_checkpoint *c, const void *data, size_t count,
                                limn_error *error)
{
    const unsigned char *bytes = data;

    if (limn_pth_is_zip(bytes, count) || limn_pth_is_legacy(bytes, count)) {
        c->kind = limn_pth_is_zip(bytes, count) ? LIMN_CHECKPOINT_PTH : LIMN_CHECKPOINT_LEGACY;
        return limn_pth_read(&c->tensors, &c->count, bytes, count, c->name, &c->arena, error);
    }
    if (!is_safetensors(bytes, count)) return unknown_kind(bytes, count, c->name, error);
    c->kind = LIMN_CHECKPOINT_SAFETENSORS;
    LIMN_TRY(limn_safetensors_open_bytes(&c->safetensors, bytes, count, c->name, error));
    return take_safetensors(c, error);
}

static limn_status create(limn_checkpoint **out, const char *name, limn_error *error)
{
    limn_checkpoint *c = limn_block(sizeof *c);

    *out = NULL;
    if (!c)
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory: %s wanted %zu more bytes", name,
                         sizeof *c);
    *c = (limn_checkpoint){ 0 };
    limn_arena_open(&c->arena, "checkpoint", 0);
    if (!(c->name = limn_take_text(&c->arena, name))) {
        limn_checkpoint_close(&c);
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory: opening %s", name);
    }
    *out = c;
    return LIMN_OK;
}

limn_status limn_checkpoint_open_bytes(limn_checkpoint **out, const void *bytes, size_t count,
                                       const char *name, limn_error *error)
{
    limn_status status;

    LIMN_TRY(create(out, name, error));
    if ((status = open_content(*out, bytes, count, error))) limn_checkpoint_close(out);
    return status;
}

limn_status limn_checkpoint_open(limn_checkpoint **out, const char *path, limn_error *error)
{
    limn_status status;

    LIMN_TRY(create(out, path, error));
    if (!(status = limn_file_map(&(*out)->mapping, path, error)))
        status = open_content(*out, (*out)->mapping.bytes, (*out)->mapping.count, error);
    if (status) limn_checkpoint_close(out);
    return status;
}

void limn_checkpoint_close(limn_checkpoint **checkpoint)
{
    limn_checkpoint *c = *checkpoint;

    if (!c) return;
    limn_safetensors_close(&c->safetensors);
    limn_file_unmap(&c->mapping);
    limn_arena_close(&c->arena);
    limn_block_free(c);
    *checkpoint = NULL;
}

limn_checkpoint_kind limn_checkpoint_is(const limn_checkpoint *checkpoint)
{
    return checkpoint->kind;
}

const char *limn_checkpoint_name(const limn_checkpoint *checkpoint)
{
    return checkpoint->name;
}

size_t limn_checkpoint_count(const limn_checkpoint *checkpoint)
{
    return checkpoint->count;
}

const limn_checkpoint_tensor *limn_checkpoint_at(const limn_checkpoint *checkpoint, size_t i)
{
    return &checkpoint->tensors[i];
}

const limn_checkpoint_tensor *limn_checkpoint_find(const limn_checkpoint *checkpoint,
                                                   const char *name)
{
    size_t i;

    for (i = 0; i < checkpoint->count; i++)
        if (!strcmp(checkpoint->tensors[i].saved.name, name)) return &checkpoint->tensors[i];
    return NULL;
}

const char *limn_checkpoint_text(const limn_checkpoint *checkpoint, const char *key)
{
    return checkpoint->safetensors ? limn_safetensors_text(checkpoint->safetensors, key) : NULL;
}

/* Element number i of a tensor in C order, as a distance from its first. */
static int64_t element_offset(const limn_checkpoint_tensor *t, size_t i)
{
    int64_t offset = 0;
    int k;

    for (k = t->saved.dims - 1; k >= 0; k--) {
        offset += (int64_t)(i % (size_t)t->saved.size[k]) * t->stride[k];
        i /= (size_t)t->saved.size[k];
    }
    return offset;
}

/* A bool is any byte but 0; everything else is copied, turned round where the file says so. */
static void take_element(const limn_checkpoint_tensor *t, size_t i, unsigned char *out)
{
    size_t size = limn_type_bytes(t->saved.type), k;
    const unsigned char *from = t->base + element_offset(t, i) * (int64_t)size;

    if (t->saved.type == LIMN_BOOL)
        out[0] = from[0] != 0;
    else if (!t->swapped)
        memcpy(out, from, size);
    else
        for (k = 0; k < size; k++) out[k] = from[size - 1 - k];
}

limn_status limn_checkpoint_floats(const limn_checkpoint_tensor *tensor, size_t first, size_t count,
                                   float *out, limn_error *error)
{
    enum { PIECE = 256 };
    unsigned char piece[PIECE * 8];
    limn_saved_tensor part = tensor->saved;
    size_t size = limn_type_bytes(part.type), i, n;

    if (first > part.count || count > part.count - first)
        return limn_fail(error, LIMN_BUG, "%s: elements %zu to %zu of %zu", part.name, first,
                         first + count, part.count);
    if (part.data && part.type != LIMN_BOOL)
        return limn_saved_floats(&part, first, count, out, error);
    if (part.type == LIMN_BOOL) part.type = LIMN_U8;
    part.data = piece;
    for (; count; first += n, count -= n, out += n) {
        n = count < PIECE ? count : PIECE;
        for (i = 0; i < n; i++) take_element(tensor, first + i, piece + i * size);
        part.dims = 1;
        part.size[0] = (int64_t)n;
        part.count = n;
        LIMN_TRY(limn_saved_floats(&part, 0, n, out, error));
    }
    return LIMN_OK;
}
