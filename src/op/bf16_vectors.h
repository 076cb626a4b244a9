/* SPDX-License-Identifier: Apache-2.0
 *
 * Vectors of floats from and to bfloat16 in memory, for loops that are compiled once a processor
 * level: part of files that say how many LANES a vector has.
 *
 * Macros, because passing such a vector to a function means another thing to each compiler where
 * the processor level has no register that wide. */
#ifndef LIMN_OP_BF16_VECTORS_H
#define LIMN_OP_BF16_VECTORS_H

#include <stdint.h>

typedef uint32_t words __attribute__((vector_size(LANES * sizeof(uint32_t)), aligned(4)));
typedef uint16_t halves __attribute__((vector_size(LANES * sizeof(uint16_t)), aligned(2)));

#define load_bf16(from)                                                                            \
    ((vector)(__builtin_convertvector(*(const halves *)(const void *)(from), words) << 16))

#define is_nan(u) ((words)(((u)&0x7fffffff) > 0x7f800000))
/* In bits, the upper half rounded as limn_to_bf16 does. */
#define round_words(u)                                                                             \
    ((((u) + 0x7fff + ((u) >> 16 & 1)) & ~is_nan(u)) | (((u) | 0x400000) & is_nan(u)))
#define store_bf16(to, v)                                                                          \
    (*(halves *)(void *)(to) = __builtin_convertvector(round_words((words)(v)) >> 16, halves))

#endif
