/* SPDX-License-Identifier: Apache-2.0
 *
 * safetensors, read and write: 8 bytes of header length, a JSON header, the data.  Read by mapping
 * the file, so that a model's weights are copied once, to where they are used.
 *
 * The reader trusts nothing: header length against file size, JSON with duplicate names refused,
 * dtype, shape (at most 8 dimensions, product without overflow) against the offsets, offsets in
 * range, no overlap, no hole; every fault names the file and the tensor. */
#ifndef LIMN_TENSOR_SAFETENSORS_H
#define LIMN_TENSOR_SAFETENSORS_H

#include "base/memory.h"
#include "tensor/tensor.h"

enum { LIMN_DIMS_MAX = 8 };

typedef struct limn_saved_tensor {
    const char *name;
    limn_type type;
    int dims; /* 0 is a scalar */
    int64_t size[LIMN_DIMS_MAX];
    size_t count;     /* product of the sizes */
    const void *data; /* into the mapping, aligned to its type or not: use memcpy */
} limn_saved_tensor;

typedef struct limn_saved_text {
    const char *key, *value;
} limn_saved_text;

typedef struct limn_safetensors limn_safetensors;

/* Opens and checks a file.  On failure *out is NULL and nothing needs closing. */
limn_status limn_safetensors_open(limn_safetensors **out, const char *path, limn_error *error);
/* The same for bytes in memory, borrowed until close; name stands for the path in messages. */
limn_status limn_safetensors_open_bytes(limn_safetensors **out, const void *bytes, size_t count,
                                        const char *name, limn_error *error);
void limn_safetensors_close(limn_safetensors **file);

/* In the order of the data.  Valid until close. */
size_t limn_safetensors_count(const limn_safetensors *file);
const limn_saved_tensor *limn_safetensors_at(const limn_safetensors *file, size_t i);
const limn_saved_tensor *limn_safetensors_find(const limn_safetensors *file, const char *name);
/* A metadata value, or NULL; all of them by index. */
const char *limn_safetensors_text(const limn_safetensors *file, const char *key);
size_t limn_safetensors_texts(const limn_safetensors *file);
limn_saved_text limn_safetensors_text_at(const limn_safetensors *file, size_t i);

/* Copies elements [first, first + count) as float32; F32, BF16, F16, F64 and whole numbers are
 * converted, others refused. */
limn_status limn_saved_floats(const limn_saved_tensor *tensor, size_t first, size_t count,
                              float *out, limn_error *error);

/* Writing: whole or absent.  Describe all tensors, then hand over the data of each in the same
 * order in any number of pieces, then commit. */
typedef struct limn_safetensors_writer limn_safetensors_writer;
limn_status limn_safetensors_create(limn_safetensors_writer **out, const char *path,
                                    const limn_saved_tensor *tensors, size_t count,
                                    const limn_saved_text *texts, size_t text_count,
                                    limn_error *error);
limn_status limn_safetensors_write(limn_safetensors_writer *writer, const void *bytes, size_t count,
                                   limn_error *error);
/* Commits (when every byte that was announced has come) and frees the writer in any case. */
limn_status limn_safetensors_commit(limn_safetensors_writer **writer, limn_error *error);
void limn_safetensors_abandon(limn_safetensors_writer **writer);

#endif
