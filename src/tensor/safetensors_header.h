/* SPDX-License-Identifier: Apache-2.0
 *
 * What the reader and the writer of safetensors share: the limits of the format, so that whatever
 * is written can be read, and the way into the JSON library, which only these two files know. */
#ifndef LIMN_TENSOR_SAFETENSORS_HEADER_H
#define LIMN_TENSOR_SAFETENSORS_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#define LIMN_METADATA_KEY "__metadata__"

enum {
    LIMN_HEADER_LENGTH_BYTES = 8,              /* the little endian length in front of the header */
    LIMN_HEADER_BYTES_MAX = 100 * 1000 * 1000, /* the format's own limit */
};

/* Before the first call of the JSON library: makes it take its memory from limn_block, so that a
 * test can refuse and count it.  A surrounding program's own allocator is left in place. */
void limn_json_start(void);

/* Whether the JSON library was refused memory on this thread since limn_json_start. */
bool limn_json_refused(void);

/* Multiplies in place; false where the product does not fit. */
static inline bool limn_times(uint64_t *product, uint64_t factor)
{
    return !__builtin_mul_overflow(*product, factor, product);
}

#endif
