/* SPDX-License-Identifier: Apache-2.0
 *
 * How two vectors of 16 words are mixed on the way to a transpose: the orders that one instruction
 * of AVX-512 does, by name.  `mix(a, b, ORDER)`: words 0 to 15 are a's, 16 to 31 b's. */
#ifndef LIMN_OP_SHUFFLE_H
#define LIMN_OP_SHUFFLE_H

#include <stdint.h>

/* Includer: the processor level of what follows, where the file has none. */
#ifndef SHUFFLE_LEVEL
#define SHUFFLE_LEVEL
#endif

typedef uint32_t row __attribute__((vector_size(64), aligned(4), may_alias));

#define mix(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)

/* Of each quarter the first (last) two words of a by turns with those of b: singly, as couples. */
#define LOW 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29
#define HIGH 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31
#define LOW_COUPLES 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define HIGH_COUPLES 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
/* Quarters 0 and 2 (1 and 3) of both, by turns. */
#define EVEN_QUARTERS 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27
#define ODD_QUARTERS 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31
/* The first (second) half of a, then that of b. */
#define LOW_HALVES 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define HIGH_HALVES 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
/* Every other word of a, then of b. */
#define EVEN 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ODD 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31

/* Of four rows: out[j] has columns j, j + 4, j + 8 and j + 12, each of all four. */
SHUFFLE_LEVEL static inline void mix_four(row out[4], const row in[4])
{
    row a = mix(in[0], in[1], LOW), b = mix(in[0], in[1], HIGH);
    row c = mix(in[2], in[3], LOW), d = mix(in[2], in[3], HIGH);

    out[0] = mix(a, c, LOW_COUPLES);
    out[1] = mix(a, c, HIGH_COUPLES);
    out[2] = mix(b, d, LOW_COUPLES);
    out[3] = mix(b, d, HIGH_COUPLES);
}

/* 16 x 16 words: row k of the result is column k.  In place is fine. */
SHUFFLE_LEVEL static inline void transpose_words(row out[16], const row in[16])
{
    row b[16], c[16];

    for (int k = 0; k < 16; k += 4) mix_four(b + k, in + k);
    for (int k = 0; k < 16; k += 8) /* columns j and j + 8, then j + 4 and j + 12, of eight rows */
        for (int j = 0; j < 4; j++) {
            c[k + j] = mix(b[k + j], b[k + 4 + j], EVEN_QUARTERS);
            c[k + 4 + j] = mix(b[k + j], b[k + 4 + j], ODD_QUARTERS);
        }
    for (int j = 0; j < 8; j++) {
        out[j] = mix(c[j], c[8 + j], LOW_HALVES);
        out[j + 8] = mix(c[j], c[8 + j], HIGH_HALVES);
    }
}

#endif
