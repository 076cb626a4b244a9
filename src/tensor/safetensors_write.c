/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes safetensors: the header first, from the descriptions, then the data as it comes.
 *
 * Nothing is gathered in memory and nothing is written twice, because the offsets follow from the
 * shapes.  The header is padded with spaces to 64 bytes: a first tensor that starts on a cache line
 * costs nothing.  The tensors that follow are packed as the format demands, hence the rule that
 * data is read by memcpy.
 *
 * Texts are checked to be UTF-8 here: the JSON library would refuse them too, but in a way that
 * cannot be told from a lack of memory, and metadata may hold the names of a user's folders. */
#include "base/file.h"
#include "tensor/safetensors.h"
#include "tensor/safetensors_header.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

enum { HEADER_ALIGN = 64 };

/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
static bool is_utf8(const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        unsigned first = *at++, low = 0x80, high = 0xbf;
        int more = first < 0x80 ? 0 : first < 0xc2 ? -1 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;

        if (more < 0 || first > 0xf4) return false;
        if (first == 0xe0) low = 0xa0;
        if (first == 0xed) high = 0x9f;
        if (first == 0xf0) low = 0x90;
        if (first == 0xf4) high = 0x8f;
        for (; more; more--, at++, low = 0x80, high = 0xbf)
            if (*at < low || *at > high) return false;
    }
    return true;
}

static limn_status no_memory(const char *path, limn_error *error)
{
    return limn_fail(error, LIMN_NO_MEMORY, "%s: out of memory: writing the header", path);
}

struct limn_safetensors_writer {
    limn_file file;
    uint64_t announced; /* bytes of data */
    uint64_t come;
};

/* Adds one tensor to the header and moves *at behind its data. */
static limn_status describe(json_t *header, const limn_saved_tensor *tensor, uint64_t *at,
                            const char *path, limn_error *error)
{
    uint64_t bytes = limn_type_bytes(tensor->type), begin = *at;
    json_t *shape, *value;

    if (!bytes || tensor->dims < 0 || tensor->dims > LIMN_DIMS_MAX ||
        !strcmp(tensor->name, LIMN_METADATA_KEY) || json_object_get(header, tensor->name))
        return limn_fail(error, LIMN_BUG,
                         "%s: tensor \"%s\" has an unknown type, too many dimensions, or a name "
                         "that is taken",
                         path, tensor->name);
    if (!is_utf8(tensor->name))
        return limn_fail(error, LIMN_FORMAT,
                         "%s: the tensor name \"%s\" is not UTF-8, which safetensors demands", path,
                         tensor->name);
    /* Sizes of 0 first: they make an empty tensor of sizes that would overflow. */
    for (int i = 0; i < tensor->dims; i++)
        if (!tensor->size[i]) bytes = 0;
    for (int i = 0; i < tensor->dims; i++)
        if (tensor->size[i] < 0 || !limn_times(&bytes, (uint64_t)tensor->size[i]) ||
            bytes > INT64_MAX)
            return limn_fail(error, LIMN_BUG, "%s: tensor \"%s\" has an impossible shape", path,
                             tensor->name);
    if (__builtin_add_overflow(begin, bytes, at) || *at > INT64_MAX)
        return limn_fail(error, LIMN_BUG, "%s: the tensors are too large for a file", path);

    shape = json_array();
    for (int i = 0; i < tensor->dims; i++)
        if (json_array_append_new(shape, json_integer(tensor->size[i]))) {
            json_decref(shape);
            shape = NULL;
            break;
        }
    value = json_pack("{s:s, s:o, s:[I, I]}", "dtype", limn_type_name(tensor->type), "shape", shape,
                      "data_offsets", (json_int_t)begin, (json_int_t)*at);
    if (json_object_set_new(header, tensor->name, value)) return no_memory(path, error);
    return LIMN_OK;
}

static limn_status add_texts(json_t *header, const limn_saved_text *texts, size_t count,
                             const char *path, limn_error *error)
{
    json_t *metadata = json_object();

    if (json_object_set_new(header, LIMN_METADATA_KEY, metadata)) return no_memory(path, error);
    for (size_t i = 0; i < count; i++) {
        if (!is_utf8(texts[i].key) || !is_utf8(texts[i].value))
            return limn_fail(error, LIMN_FORMAT,
                             "%s: the metadata \"%s\" is not UTF-8, which safetensors demands",
                             path, texts[i].key);
        if (json_object_set_new(metadata, texts[i].key, json_string(texts[i].value)))
            return no_memory(path, error);
    }
    return LIMN_OK;
}

/* Builds the whole header.  On success *out is the caller's. */
static limn_status build_header(json_t **out, const limn_saved_tensor *tensors, size_t count,
                                const limn_saved_text *texts, size_t text_count, uint64_t *bytes,
                                const char *path, limn_error *error)
{
    json_t *header = json_object();
    limn_status status = header ? LIMN_OK : no_memory(path, error);

    *bytes = 0;
    if (!status && text_count) status = add_texts(header, texts, text_count, path, error);
    for (size_t i = 0; i < count && !status; i++)
        status = describe(header, &tensors[i], bytes, path, error);
    if (status)
        json_decref(header);
    else
        *out = header;
    return status;
}

/* Length, JSON, spaces up to the next multiple of 64. */
static limn_status write_header(limn_file *file, const json_t *header, const char *path,
                                limn_error *error)
{
    size_t length = json_dumpb(header, NULL, 0, JSON_COMPACT), padded, rest;
    limn_status status;
    uint64_t announced;
    char *text;

    rest = (LIMN_HEADER_LENGTH_BYTES + length) % HEADER_ALIGN;
    padded = length + (rest ? HEADER_ALIGN - rest : 0);
    if (padded > LIMN_HEADER_BYTES_MAX)
        return limn_fail(error, LIMN_FORMAT,
                         "%s: names, shapes and metadata take %zu bytes; safetensors allows %d",
                         path, padded, LIMN_HEADER_BYTES_MAX);
    if (!length || !(text = limn_block(LIMN_HEADER_LENGTH_BYTES + padded)))
        return no_memory(path, error);
    announced = padded;
    memcpy(text, &announced, LIMN_HEADER_LENGTH_BYTES);
    memset(text + LIMN_HEADER_LENGTH_BYTES, ' ', padded);
    if (json_dumpb(header, text + LIMN_HEADER_LENGTH_BYTES, length, JSON_COMPACT) == length)
        status = limn_file_write(file, text, LIMN_HEADER_LENGTH_BYTES + padded, error);
    else
        status = no_memory(path, error);
    limn_block_free(text);
    return status;
}

limn_status limn_safetensors_create(limn_safetensors_writer **out, const char *path,
                                    const limn_saved_tensor *tensors, size_t count,
                                    const limn_saved_text *texts, size_t text_count,
                                    limn_error *error)
{
    limn_safetensors_writer *writer = NULL;
    json_t *header = NULL;
    limn_status status;
    uint64_t bytes;

    *out = NULL;
    limn_json_start();
    LIMN_TRY(build_header(&header, tensors, count, texts, text_count, &bytes, path, error));
    if (!(writer = limn_block(sizeof *writer))) {
        status = no_memory(path, error);
        goto done;
    }
    *writer = (limn_safetensors_writer){ .announced = bytes };
    if ((status = limn_file_create(&writer->file, path, error))) goto done;
    status = write_header(&writer->file, header, path, error);
done:
    json_decref(header);
    if (status)
        limn_safetensors_abandon(&writer);
    else
        *out = writer;
    return status;
}

limn_status limn_safetensors_write(limn_safetensors_writer *writer, const void *bytes, size_t count,
                                   limn_error *error)
{
    if (count > writer->announced - writer->come)
        return limn_fail(error, LIMN_BUG, "%s: more data than the header announces",
                         writer->file.target);
    LIMN_TRY(limn_file_write(&writer->file, bytes, count, error));
    writer->come += count;
    return LIMN_OK;
}

limn_status limn_safetensors_commit(limn_safetensors_writer **writer, limn_error *error)
{
    limn_status status;

    if ((*writer)->come == (*writer)->announced)
        status = limn_file_commit(&(*writer)->file, error);
    else
        status = limn_fail(error, LIMN_BUG,
                           "%s: %" PRIu64 " bytes of data have come, the header announces %" PRIu64,
                           (*writer)->file.target, (*writer)->come, (*writer)->announced);
    limn_safetensors_abandon(writer);
    return status;
}

void limn_safetensors_abandon(limn_safetensors_writer **writer)
{
    if (!*writer) return;
    limn_file_abandon(&(*writer)->file);
    limn_block_free(*writer);
    *writer = NULL;
}
