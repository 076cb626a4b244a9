/* SPDX-License-Identifier: Apache-2.0
 *
 * All chance comes from (seed, stream, step, index): a counter-based generator (Philox 4x32-10,
 * Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").  No state is kept anywhere,
 * so a resumed run draws what an uninterrupted one would have drawn, threads may draw in any order,
 * and a dropout mask is drawn again in the backward pass instead of being stored. */
#ifndef LIMN_BASE_RANDOM_H
#define LIMN_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

typedef struct limn_random {
    uint64_t seed;   /* of the run */
    uint32_t stream; /* what is drawn: one number per purpose (initial weights, dropout node ...) */
    uint64_t step;   /* training step, epoch, or 0 */
} limn_random;

/* The four 32-bit words at an index (four words an index). */
void limn_random_words(const limn_random *random, uint64_t index, uint32_t words[4]);

/* Word number index % 4 of block index / 4, for single draws. */
uint32_t limn_random_word(const limn_random *random, uint64_t index);

/* Uniform in [0, 1) with 24 bits; uniform whole number in [0, limit), unbiased enough for limit up
 * to 2^32 (multiply-shift); standard normal (Box-Muller, one value an index). */
float limn_random_uniform(const limn_random *random, uint64_t index);
uint32_t limn_random_below(const limn_random *random, uint64_t index, uint32_t limit);
float limn_random_normal(const limn_random *random, uint64_t index);

/* out[0..count): a permutation of 0..count-1 (Fisher-Yates on the draws 0..count-1). */
void limn_random_permutation(const limn_random *random, uint32_t *out, size_t count);

#endif
