/* SPDX-License-Identifier: Apache-2.0
 *
 * What the factors of a product by tiles are made of, in float32 or (LIMN_TILES_PAIRS) in bfloat16:
 * part of tiles_kernel.c and tiles_gradient_kernel.c, which say how many LANES a vector has.
 *
 * In bfloat16 a word holds two numbers that lie next to each other along the sum; products of such
 * pairs are the processor's instruction or, without it, float32. */
#ifndef LIMN_OP_TILES_WORDS_H
#define LIMN_OP_TILES_WORDS_H

#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

#include "op/vectors.h"

/* element: of maps, weights and transformed tiles; word: PER of them along the sum; factor: a
 * vector of words. */
#ifdef LIMN_TILES_PAIRS
typedef uint16_t element;
typedef uint32_t word;
enum { PER = 2 };
typedef words factor;

/* Two rows of numbers from one of pairs, and back. */
#define first_of(pairs) ((vector)((pairs) << 16))
#define second_of(pairs) ((vector)((pairs)&0xffff0000))
#define load_map load_bf16

#ifdef __AVX512BF16__
#define alternate                                                                                  \
    _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,   \
                     21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0)
/* The instruction puts the rows one after the other, its second argument first. */
#define pairs_of(first, second)                                                                    \
    ((words)_mm512_permutexvar_epi16(                                                              \
        alternate, (__m512i)_mm512_cvtne2ps_pbh((__m512)(second), (__m512)(first))))
#define store_map(to, v) (*(halves *)(void *)(to) = (halves)_mm512_cvtneps_pbh((__m512)(v)))
#else
#define pairs_of(first, second)                                                                    \
    (round_words((words)(first)) >> 16 | (round_words((words)(second)) & 0xffff0000))
#define store_map store_bf16
#endif
#else
typedef float element, word;
typedef vector factor;
enum { PER = 1 };

#define load_map load
#define store_map store
#endif

/* PER vectors as one of words. */
#ifdef LIMN_TILES_PAIRS
#define store_factor(to, first, second) (*(words *)(void *)(to) = pairs_of(first, second))
#else
#define store_factor(to, first, unused) store(to, first)
#endif
#define load_factor(from) (*(const factor *)(const void *)(from))

/* sum += left * right: `left` one word for all lanes. */
#if !defined(LIMN_TILES_PAIRS)
#define add_product(sum, left, right) ((sum) += (left) * (right))
#elif defined(__AVX512BF16__)
#define add_product(sum, left, right)                                                              \
    ((sum) = (vector)_mm512_dpbf16_ps((__m512)(sum), (__m512bh)_mm512_set1_epi32((int)(left)),     \
                                      (__m512bh)(right)))
#else
#define add_product(sum, left, right)                                                              \
    ((sum) += first_of((words){ 0 } + (left)) * first_of(right) +                                  \
              second_of((words){ 0 } + (left)) * second_of(right))
#endif
#endif
