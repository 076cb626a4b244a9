/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads the safetensors format (github.com/huggingface/safetensors, "Format"): 8 bytes of header
 * length, little endian; a JSON object of name -> {dtype, shape, data_offsets} and "__metadata__";
 * the data.
 *
 * The JSON library parses the header and is then let go: what a caller sees lives in one arena and
 * in the mapping.
 *
 * A model file comes from strangers, so every number in it is checked before it is used, in an
 * order that makes each check safe: length against the file, JSON, types, product of the sizes
 * without overflow, offsets against the data, and at last, sorted by offset, that the tensors cover
 * the data without overlap or hole (a hole could carry anything past a reviewer). */
#include "tensor/safetensors.h"
#include "base/file.h"
#include "tensor/safetensors_header.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

typedef struct entry {
    limn_saved_tensor tensor; /* first, so that the public array can be walked by index */
    uint64_t begin, end;      /* in the data */
} entry;

struct limn_safetensors {
    limn_arena arena;
    limn_mapping mapping;
    entry *entries;        /* by place */
    const entry **by_name; /* the same */
    size_t count;
    limn_saved_text *texts;
    size_t text_count;
};

static limn_status no_memory(const char *name, limn_error *error)
{
    return limn_fail(error, LIMN_NO_MEMORY, "%s: out of memory: reading the header", name);
}

static limn_status read_type(limn_type *type, const json_t *dtype, limn_error *error)
{
    const char *text = json_string_value(dtype);

    if (!text) return limn_fail(error, LIMN_FORMAT, "it has no dtype");
    for (int i = 0; i < LIMN_TYPE_COUNT; i++)
        if (!strcmp(text, limn_type_name((limn_type)i))) {
            *type = (limn_type)i;
            return LIMN_OK;
        }
    return limn_fail(error, LIMN_FORMAT, "dtype \"%s\" is not supported; convert it to F32", text);
}

/* Shape and element count; bytes is the room that the tensor must fill. */
static limn_status read_shape(limn_saved_tensor *tensor, uint64_t *bytes, const json_t *shape,
                              limn_error *error)
{
    uint64_t count = 1;
    bool empty = false, fits = true;

    if (!json_is_array(shape)) return limn_fail(error, LIMN_FORMAT, "it has no shape");
    if (json_array_size(shape) > LIMN_DIMS_MAX)
        return limn_fail(error, LIMN_FORMAT, "its shape has %zu dimensions; at most %d are read",
                         json_array_size(shape), LIMN_DIMS_MAX);
    tensor->dims = (int)json_array_size(shape);
    for (int i = 0; i < tensor->dims; i++) {
        const json_t *size = json_array_get(shape, (size_t)i);

        if (!json_is_integer(size) || json_integer_value(size) < 0)
            return limn_fail(error, LIMN_FORMAT, "size %d of its shape is not a whole number", i);
        tensor->size[i] = json_integer_value(size);
        empty |= tensor->size[i] == 0;
        fits = fits && limn_times(&count, (uint64_t)tensor->size[i]);
    }
    *bytes = empty ? 0 : count;
    if (!empty && (!fits || !limn_times(bytes, limn_type_bytes(tensor->type)) || *bytes > SIZE_MAX))
        return limn_fail(error, LIMN_FORMAT, "the product of its shape is too large");
    tensor->count = empty ? 0 : (size_t)count;
    return LIMN_OK;
}

static limn_status read_entry(entry *out, const json_t *value, uint64_t data_bytes,
                              limn_error *error)
{
    const json_t *offsets, *begin, *end;
    uint64_t bytes = 0;

    if (!json_is_object(value)) return limn_fail(error, LIMN_FORMAT, "it is not a JSON object");
    offsets = json_object_get(value, "data_offsets");
    begin = json_array_get(offsets, 0);
    end = json_array_get(offsets, 1);
    LIMN_TRY(read_type(&out->tensor.type, json_object_get(value, "dtype"), error));
    LIMN_TRY(read_shape(&out->tensor, &bytes, json_object_get(value, "shape"), error));
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end))
        return limn_fail(error, LIMN_FORMAT, "its data_offsets are not two whole numbers");
    if (json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin))
        return limn_fail(error, LIMN_FORMAT,
                         "its data_offsets %" PRId64 ", %" PRId64 " are no range",
                         (int64_t)json_integer_value(begin), (int64_t)json_integer_value(end));
    out->begin = (uint64_t)json_integer_value(begin);
    out->end = (uint64_t)json_integer_value(end);
    if (out->end > data_bytes)
        return limn_fail(error, LIMN_FORMAT,
                         "its data ends at %" PRIu64 ", behind the end of the file (%" PRIu64
                         " bytes of data); the file is cut short or damaged",
                         out->end, data_bytes);
    if (out->end - out->begin != bytes)
        return limn_fail(error, LIMN_FORMAT,
                         "its shape and dtype want %" PRIu64
                         " bytes, its data_offsets span %" PRIu64,
                         bytes, out->end - out->begin);
    return LIMN_OK;
}

static limn_status read_texts(limn_safetensors *file, const json_t *metadata, const char *name,
                              limn_error *error)
{
    const char *key;
    json_t *value;

    if (!metadata) return LIMN_OK;
    if (!json_is_object(metadata))
        return limn_fail(error, LIMN_FORMAT, "%s: %s is not a JSON object", name,
                         LIMN_METADATA_KEY);
    LIMN_TRY(limn_take_into(&file->texts, &file->arena,
                            json_object_size(metadata) * sizeof *file->texts, error));
    json_object_foreach((json_t *)(uintptr_t)metadata, key, value)
    {
        limn_saved_text *text = &file->texts[file->text_count++];

        if (!json_is_string(value))
            return limn_fail(error, LIMN_FORMAT, "%s: %s: the value of \"%s\" is not a text", name,
                             LIMN_METADATA_KEY, key);
        text->key = limn_take_text(&file->arena, key);
        text->value = limn_take_text(&file->arena, json_string_value(value));
        if (!text->key || !text->value) return no_memory(name, error);
    }
    return LIMN_OK;
}

/* By place; empty tensors, which share their place with a neighbour, come first, by name. */
static int by_place(const void *a, const void *b)
{
    const entry *x = a, *y = b;

    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end) return x->end < y->end ? -1 : 1;
    return strcmp(x->tensor.name, y->tensor.name);
}

static int by_name(const void *a, const void *b)
{
    const entry *const *x = a, *const *y = b;

    return strcmp((*x)->tensor.name, (*y)->tensor.name);
}

/* Every byte of the data belongs to exactly one tensor. */
static limn_status check_cover(const limn_safetensors *file, uint64_t data_bytes, const char *name,
                               limn_error *error)
{
    uint64_t at = 0;

    for (size_t i = 0; i < file->count; i++) {
        const entry *e = &file->entries[i];

        if (e->begin < at)
            return limn_fail(error, LIMN_FORMAT, "%s: tensors \"%s\" and \"%s\" overlap", name,
                             file->entries[i - 1].tensor.name, e->tensor.name);
        if (e->begin > at)
            return limn_fail(error, LIMN_FORMAT,
                             "%s: %" PRIu64 " bytes in front of tensor \"%s\" belong to no tensor",
                             name, e->begin - at, e->tensor.name);
        at = e->end;
    }
    if (at < data_bytes)
        return limn_fail(error, LIMN_FORMAT, "%s: %" PRIu64 " bytes at the end belong to no tensor",
                         name, data_bytes - at);
    return LIMN_OK;
}

/* All entries of the parsed header. */
static limn_status read_header(limn_safetensors *file, json_t *header, const unsigned char *data,
                               uint64_t data_bytes, const char *name, limn_error *error)
{
    const char *key;
    json_t *value;

    if (!json_is_object(header))
        return limn_fail(error, LIMN_FORMAT, "%s: the header is not a JSON object", name);
    LIMN_TRY(read_texts(file, json_object_get(header, LIMN_METADATA_KEY), name, error));
    LIMN_TRY(limn_take_into(&file->entries, &file->arena,
                            json_object_size(header) * sizeof *file->entries, error));
    json_object_foreach(header, key, value)
    {
        entry *e = &file->entries[file->count];

        if (!strcmp(key, LIMN_METADATA_KEY)) continue;
        if (read_entry(e, value, data_bytes, error))
            return limn_while(error, "%s: tensor \"%s\"", name, key);
        if (!(e->tensor.name = limn_take_text(&file->arena, key))) return no_memory(name, error);
        e->tensor.data = data + e->begin;
        file->count++;
    }
    qsort(file->entries, file->count, sizeof *file->entries, by_place);
    LIMN_TRY(
        limn_take_into(&file->by_name, &file->arena, file->count * sizeof *file->by_name, error));
    for (size_t i = 0; i < file->count; i++) file->by_name[i] = &file->entries[i];
    qsort(file->by_name, file->count, sizeof *file->by_name, by_name);
    return check_cover(file, data_bytes, name, error);
}

static limn_status parse(limn_safetensors *file, const unsigned char *bytes, size_t count,
                         const char *name, limn_error *error)
{
    json_error_t fault;
    limn_status status;
    uint64_t length;
    json_t *header;

    if (count < LIMN_HEADER_LENGTH_BYTES)
        return limn_fail(error, LIMN_FORMAT, "%s: %zu bytes are too few for a safetensors file",
                         name, count);
    memcpy(&length, bytes, sizeof length);
    if (length > LIMN_HEADER_BYTES_MAX)
        return limn_fail(error, LIMN_FORMAT,
                         "%s: a header of %" PRIu64 " bytes is announced; safetensors allows %d. "
                         "This is another format, or the file is damaged",
                         name, length, LIMN_HEADER_BYTES_MAX);
    if (length > count - LIMN_HEADER_LENGTH_BYTES)
        return limn_fail(error, LIMN_FORMAT,
                         "%s: the header wants %" PRIu64
                         " bytes, the file has %zu; it is cut short",
                         name, length, count - LIMN_HEADER_LENGTH_BYTES);
    bytes += LIMN_HEADER_LENGTH_BYTES;
    if (!length || *bytes != '{')
        return limn_fail(error, LIMN_FORMAT, "%s: the header does not begin with {", name);
    if (!limn_json_pool_open((size_t)length)) return no_memory(name, error);
    header = json_loadb((const char *)bytes, (size_t)length, JSON_REJECT_DUPLICATES, &fault);
    if (header)
        status = read_header(file, header, bytes + length,
                             count - LIMN_HEADER_LENGTH_BYTES - length, name, error);
    else if (limn_json_refused())
        status = no_memory(name, error);
    else
        status = limn_fail(error, LIMN_FORMAT, "%s: the header is not JSON: %s (byte %d)", name,
                           fault.text, fault.position);
    json_decref(header);
    limn_json_pool_close();
    return status;
}

limn_status limn_safetensors_open_bytes(limn_safetensors **out, const void *bytes, size_t count,
                                        const char *name, limn_error *error)
{
    limn_safetensors *file = limn_block(sizeof *file);
    limn_status status;

    *out = NULL;
    if (!file) return no_memory(name, error);
    *file = (limn_safetensors){ 0 };
    limn_arena_open(&file->arena, name, 0);
    status = parse(file, bytes, count, name, error);
    file->arena.name = NULL; /* borrowed for the messages of parse alone */
    if (status)
        limn_safetensors_close(&file);
    else
        *out = file;
    return status;
}

limn_status limn_safetensors_open(limn_safetensors **out, const char *path, limn_error *error)
{
    limn_mapping mapping;
    limn_status status;

    *out = NULL;
    LIMN_TRY(limn_file_map(&mapping, path, error));
    if ((status = limn_safetensors_open_bytes(out, mapping.bytes, mapping.count, path, error)))
        limn_file_unmap(&mapping);
    else
        (*out)->mapping = mapping;
    return status;
}

void limn_safetensors_close(limn_safetensors **file)
{
    if (!*file) return;
    limn_arena_close(&(*file)->arena);
    limn_file_unmap(&(*file)->mapping);
    limn_block_free(*file);
    *file = NULL;
}

size_t limn_safetensors_count(const limn_safetensors *file)
{
    return file->count;
}

const limn_saved_tensor *limn_safetensors_at(const limn_safetensors *file, size_t i)
{
    return i < file->count ? &file->entries[i].tensor : NULL;
}

const limn_saved_tensor *limn_safetensors_find(const limn_safetensors *file, const char *name)
{
    const entry wanted = { .tensor.name = name }, *key = &wanted;
    const entry **found = file->count ? bsearch(&key, file->by_name, file->count,
                                                sizeof *file->by_name, by_name)
                                      : NULL;

    return found ? &(*found)->tensor : NULL;
}

const char *limn_safetensors_text(const limn_safetensors *file, const char *key)
{
    for (size_t i = 0; i < file->text_count; i++)
        if (!strcmp(file->texts[i].key, key)) return file->texts[i].value;
    return NULL;
}

size_t limn_safetensors_texts(const limn_safetensors *file)
{
    return file->text_count;
}

limn_saved_text limn_safetensors_text_at(const limn_safetensors *file, size_t i)
{
    return i < file->text_count ? file->texts[i] : (limn_saved_text){ 0 };
}

limn_status limn_saved_floats(const limn_saved_tensor *tensor, size_t first, size_t count,
                              float *out, limn_error *error)
{
    const unsigned char *at = tensor->data;

    if (first > tensor->count || count > tensor->count - first)
        return limn_fail(error, LIMN_BUG, "tensor \"%s\": %zu elements from %zu were asked of %zu",
                         tensor->name, count, first, tensor->count);
    if (!count) return LIMN_OK;
    at += first * limn_type_bytes(tensor->type);
    switch (tensor->type) {
#define CONVERT(row, c_type, change)                                                               \
    case LIMN_##row:                                                                               \
        for (size_t i = 0; i < count; i++) {                                                       \
            c_type v;                                                                              \
                                                                                                   \
            memcpy(&v, at + i * sizeof v, sizeof v);                                               \
            out[i] = change(v);                                                                    \
        }                                                                                          \
        return LIMN_OK;
        CONVERT(F32, float, (float))
        CONVERT(F64, double, (float))
        CONVERT(BF16, uint16_t, limn_from_bf16)
        CONVERT(F16, uint16_t, limn_from_f16)
        CONVERT(U8, uint8_t, (float))
        CONVERT(I8, int8_t, (float))
        CONVERT(U16, uint16_t, (float))
        CONVERT(I16, int16_t, (float))
        CONVERT(U32, uint32_t, (float))
        CONVERT(I32, int32_t, (float))
        CONVERT(U64, uint64_t, (float))
        CONVERT(I64, int64_t, (float))
#undef CONVERT
    case LIMN_BOOL:
    case LIMN_TYPE_COUNT:
        break;
    }
    return limn_fail(error, LIMN_FORMAT, "tensor \"%s\" holds %s, which are no numbers",
                     tensor->name, limn_type_name(tensor->type));
}
