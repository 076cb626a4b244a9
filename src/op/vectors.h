/* SPDX-License-Identifier: Apache-2.0
 *
 * Vectors of floats for loops that are compiled once a processor level: part of files that say how
 * many LANES a vector has.
 *
 * Macros, because passing such a vector to a function means another thing to each compiler where
 * the processor level has no register that wide. */
#ifndef LIMN_OP_VECTORS_H
#define LIMN_OP_VECTORS_H

typedef float vector __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));
typedef int mask __attribute__((vector_size(LANES * sizeof(int)), aligned(4)));

#include "op/bf16_vectors.h"

#define load(from) (*(const vector *)(const void *)(from))
#define store(to, v) (*(vector *)(void *)(to) = (v))
/* v where it is positive, else slope * v: a leaky ReLU, or a ReLU with a slope of 0. */
#define bend(v, slope)                                                                             \
    ((vector)(((mask)(v) & (mask)((v) > 0)) | ((mask)((slope) * (v)) & ~(mask)((v) > 0))))
#define inline_here static inline __attribute__((always_inline)) void

#endif
