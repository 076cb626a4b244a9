/* SPDX-License-Identifier: Apache-2.0
 *
 * The loops of pack.c, compiled once a processor level: 16 x 16 weights of one tap at a time, which
 * are 16 whole lines of the cache on the one side and 8, or 16 in float32, on the other.  Taps are
 * innermost because they lie one after the other in what is read. */
#include "op/pack.h"
#include "op/shuffle.h"

#ifdef __AVX512F__
#include <immintrin.h>
#endif

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

enum { N = LIMN_PACK_LANES, LANES = N };

#include "op/bf16_vectors.h"

/* A row of 16 weights in bits. */
#define load(from) (*(const row *)(const void *)(from))
/* Two weights side by side in memory, on a machine that writes the lower byte first. */
#define pair(first, second) ((first) >> 16 | ((second)&0xffff0000))

/* A line for each pair of rows, `pitch` pairs apart. */
static inline void pair_rows(uint32_t *to, size_t pitch, const float *from)
{
    for (int i = 0; i < N; i += 2) {
        row even = load(from + i * N), odd = load(from + (i + 1) * N);

        even = round_words(even);
        odd = round_words(odd);
        *(row *)(void *)(to + (size_t)(i / 2) * pitch) = pair(even, odd);
    }
}

/* A line for each pair of columns.  16 rows of 8 pairs become 8 of 16: rows k and k + 8 share a
 * vector, and its halves are transposed side by side. */
static inline void pair_columns(uint32_t *to, size_t pitch, const float *from)
{
    row pairs[N / 2], quads[N / 2];

    for (int i = 0; i < N / 2; i++) {
        row upper = load(from + i * N), lower = load(from + (i + N / 2) * N), first, second;

        upper = round_words(upper);
        lower = round_words(lower);
        first = mix(upper, lower, EVEN);
        second = mix(upper, lower, ODD);
        pairs[i] = pair(first, second);
    }
    for (int k = 0; k < N / 2; k += 4) mix_four(quads + k, pairs + k);
    for (int k = 0; k < 4; k++) {
        uint32_t *low = to + (size_t)k * pitch, *high = to + (size_t)(k + 4) * pitch;

        *(row *)(void *)low = mix(quads[k], quads[k + 4], EVEN_QUARTERS);
        *(row *)(void *)high = mix(quads[k], quads[k + 4], ODD_QUARTERS);
    }
}

/* Where a block begins at its first tap, and how far on its next one is. */
static uint32_t *block_at(const limn_pack *p, size_t out, size_t in, size_t *next)
{
    size_t in_blocks = p->ins / (size_t)p->layout.in_block;
    size_t pairs = (size_t)p->layout.out_block * (size_t)p->layout.in_block / 2;
    size_t block = p->layout.taps_outside ? out * p->taps * in_blocks + in
                                          : (out * in_blocks + in) * p->taps;

    *next = p->layout.taps_outside ? in_blocks * pairs : pairs;
    return (uint32_t *)p->to + block * pairs;
}

/* A square of weights, number (o, i) of those in the block: rows of outputs by columns of inputs
 * (plain), or the other way round. */
static inline void pair_square(const limn_pack *p, uint32_t *to, size_t o, size_t i,
                               const float *square)
{
    size_t ins = (size_t)p->layout.in_block / N, out_block = (size_t)p->layout.out_block;
    size_t pitch = p->layout.pairs_of_outputs ? N : out_block;

    to += p->layout.pairs_of_outputs ? (o * ins + i) * N * N / 2 : i * (N / 2) * out_block + o * N;
    if (p->plain == p->layout.pairs_of_outputs)
        pair_rows(to, pitch, square);
    else
        pair_columns(to, pitch, square);
}

/* One block of the destination at all taps. */
static void block_of(const limn_pack *p, size_t out, size_t in)
{
    size_t outs = (size_t)p->layout.out_block / N, ins = (size_t)p->layout.in_block / N, next;
    uint32_t *to = block_at(p, out, in, &next);

    for (size_t tap = 0; tap < p->taps; tap++)
        for (size_t o = 0; o < outs; o++)
            for (size_t i = 0; i < ins; i++) {
                size_t block = (out * outs + o) * (p->ins / N) + in * ins + i;

                pair_square(p, to + tap * next, o, i, p->from + (block * p->taps + tap) * N * N);
            }
}

/* The same from plain weights of 16 taps: an output and its inputs are a square of inputs by taps,
 * and turned they are 16 rows, one of each tap. */
static void plain_block_of(const limn_pack *p, size_t out, size_t in)
{
    size_t outs = (size_t)p->layout.out_block / N, ins = (size_t)p->layout.in_block / N, next;
    uint32_t *to = block_at(p, out, in, &next);
    float taps[N][N][N]; /* tap, output, input */

    for (size_t o = 0; o < outs; o++)
        for (size_t i = 0; i < ins; i++) {
            for (size_t k = 0; k < N; k++) {
                const float *from = p->from + ((out * outs + o) * N + k) * p->ins * N +
                                    (in * ins + i) * N * N;
                row square[N];

                for (size_t j = 0; j < N; j++) square[j] = load(from + j * N);
                transpose_words(square, square);
                for (size_t tap = 0; tap < N; tap++) *(row *)(void *)taps[tap][k] = square[tap];
            }
            for (size_t tap = 0; tap < N; tap++)
                pair_square(p, to + tap * next, o, i, taps[tap][0]);
        }
}

/* Weights that are written by an update are read much later and by other threads, so they pass the
 * cache by, which would read every line of them from memory first. */
#ifdef __AVX512F__
#define streams(p) ((p)->streams && !((uintptr_t)(p)->to % sizeof(row)))
#define stream(to, u) _mm512_stream_si512((__m512i *)(void *)(to), (__m512i)(u))
#define stream_end() _mm_sfence()
#else
#define streams(p) ((void)(p), false)
#define stream(to, u) (*(row *)(void *)(to) = (u))
#define stream_end() ((void)0)
#endif

/* To float32 a block is such a square at all taps, in the same place on both sides. */
static void turned_block_of(const limn_pack *p, size_t out, size_t in)
{
    size_t first = (out * (p->ins / N) + in) * p->taps * N * N;

    for (size_t tap = 0; tap < p->taps; tap++) {
        const float *from = p->from + first + tap * N * N;
        float *to = (float *)p->to + first + tap * N * N;
        row square[N];

        for (size_t k = 0; k < N; k++) square[k] = load(from + k * N);
        transpose_words(square, square);
        for (size_t k = 0; k < N; k++)
            if (streams(p))
                stream(to + k * N, square[k]);
            else
                *(row *)(void *)(to + k * N) = square[k];
    }
}

static void pack(void *context, size_t begin, size_t end, int part)
{
    const limn_pack *p = context;
    size_t in_blocks = p->ins / (size_t)p->layout.in_block;

    (void)part;
    for (size_t unit = begin; unit < end; unit++)
        (p->floats  ? turned_block_of
         : p->plain ? plain_block_of
                    : block_of)(p, unit / in_blocks, unit % in_blocks);
    if (streams(p)) stream_end();
}

const limn_loop_body JOIN(LIMN_KERNELS, _pack) = pack;
