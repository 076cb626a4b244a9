/* SPDX-License-Identifier: Apache-2.0
 *
 * Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", 2011):
 * ten rounds of multiply and exchange turn a 128-bit counter and a 64-bit key into four words.
 *
 * Counter and key are laid out so that the published test vectors can be asked through the public
 * function:
 *
 *     counter = index low, index high, step low, stream        key = seed low, seed high
 *
 * That is one bit pattern for every (seed, stream, step, index) with step below 2^32, hence no two
 * purposes share a draw.  The upper half of step, which no training reaches, is stirred into the
 * key so that it is not ignored. */
#include "base/random.h"

#include <math.h>

void limn_random_words(const limn_random *random, uint64_t index, uint32_t words[4])
{
    uint32_t c0 = (uint32_t)index, c1 = (uint32_t)(index >> 32);
    uint32_t c2 = (uint32_t)random->step, c3 = random->stream;
    uint32_t k0 = (uint32_t)random->seed;
    uint32_t k1 = (uint32_t)(random->seed >> 32) ^ (uint32_t)(random->step >> 32) * 0x85ebca6bu;

    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)c0 * 0xd2511f53u, b = (uint64_t)c2 * 0xcd9e8d57u;

        c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)b;
        c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)a;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
    words[0] = c0;
    words[1] = c1;
    words[2] = c2;
    words[3] = c3;
}

uint32_t limn_random_word(const limn_random *random, uint64_t index)
{
    uint32_t words[4];

    limn_random_words(random, index / 4, words);
    return words[index % 4];
}

float limn_random_uniform(const limn_random *random, uint64_t index)
{
    return (float)(limn_random_word(random, index) >> 8) * 0x1p-24f;
}

uint32_t limn_random_below(const limn_random *random, uint64_t index, uint32_t limit)
{
    return (uint32_t)((uint64_t)limn_random_word(random, index) * limit >> 32);
}

/* Two words a value; the second value of Box-Muller's pair is not used, so that a value depends on
 * its own index alone.  The half keeps the logarithm away from 0. */
float limn_random_normal(const limn_random *random, uint64_t index)
{
    const double turn = 6.28318530717958647692;
    uint32_t words[4];
    double u, v;

    limn_random_words(random, index / 2, words);
    u = (words[index % 2 * 2] + 0.5) * 0x1p-32;
    v = words[index % 2 * 2 + 1] * 0x1p-32;
    return (float)(sqrt(-2 * log(u)) * cos(turn * v));
}

void limn_random_permutation(const limn_random *random, uint32_t *out, size_t count)
{
    for (size_t i = 0; i < count; i++) out[i] = (uint32_t)i;
    for (size_t i = count; i-- > 1;) {
        uint32_t j = limn_random_below(random, i, (uint32_t)(i + 1)), kept = out[i];

        out[i] = out[j];
        out[j] = kept;
    }
}
