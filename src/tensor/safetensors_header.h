/* SPDX-License-Identifier: Apache-2.0
 *
 * What the reader and the writer of safetensors share: the limits of the format, so that whatever
 * is written can be read, and the way into the JSON library, which only the files safetensors*.c
 * know. */
#ifndef LIMN_TENSOR_SAFETENSORS_HEADER_H
#define LIMN_TENSOR_SAFETENSORS_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIMN_METADATA_KEY "__metadata__"

enum {
    LIMN_HEADER_LENGTH_BYTES = 8,              /* the little endian length in front of the header */
    LIMN_HEADER_BYTES_MAX = 100 * 1000 * 1000, /* the format's own limit */
};

/* Before each use of the JSON library: it takes its memory from limn_block from then on. */
void limn_json_start(void);

/* Whether the JSON library was refused memory on this thread since limn_json_start. */
bool limn_json_refused(void);

/* A pool for parsing a text of at most LIMN_HEADER_BYTES_MAX on this thread; starts the library.
 * False when memory is refused.  Close it after the last parsed value is given back. */
bool limn_json_pool_open(size_t text_bytes);
void limn_json_pool_close(void);

/* Multiplies in place; false where the product does not fit. */
static inline bool limn_times(uint64_t *product, uint64_t factor)
{
    return !__builtin_mul_overflow(*product, factor, product);
}

#endif
