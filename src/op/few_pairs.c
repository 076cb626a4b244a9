/* SPDX-License-Identifier: Apache-2.0
 *
 * The inner loop of few.c in bfloat16, for processors with AVX512_BF16.
 *
 * A vector has 32 input channels of a pixel, where maps are channels-last, or 16 of a pixel and of
 * the next one, where they lie in blocks of 16; the instruction multiplies and adds them by pairs.
 * Each vector of the map and output channel has a vector of partial sums, as in few_kernel.c, and
 * there are registers for 24. */
#include "op/few.h"

#include <stdlib.h>

#if defined(__x86_64__)
#include <immintrin.h>

enum { SUMS = 24, WIDE = 32 };

#define WITH_BF16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))
#define INLINE WITH_BF16 static inline __attribute__((always_inline))

/* A vector of the map; half: of its first pixel alone, because there may be no other. */
INLINE __m512bh load(const uint16_t *x, const bool half)
{
    if (half)
        return (__m512bh)_mm512_zextsi256_si512(
            _mm256_loadu_si256((const __m256i *)(const void *)x));
    return (__m512bh)_mm512_loadu_si512(x);
}

/* `vectors` of the map, `step` elements apart. */
INLINE void group(const limn_few_run *r, const uint16_t *x, size_t step, float *y,
                  const int channels, const int vectors, const bool couples, const bool half)
{
    __m512 sums[SUMS];

#pragma GCC unroll 24
    for (int i = 0; i < vectors * channels; i++) sums[i] = _mm512_setzero_ps();
    for (int b = 0; b < r->blocks; b++)
        for (int ky = r->ky_begin; ky < r->ky_end; ky++) {
            const uint16_t *row = x + (size_t)b * r->block_stride + (size_t)ky * r->row_stride;
            const uint16_t *w = (const uint16_t *)r->w +
                                (size_t)((b * r->kernel_h + ky) * r->kernel_w) *
                                    (size_t)(channels * WIDE);

            for (int kx = r->kx_begin; kx < r->kx_end; kx++) {
                const uint16_t *at = row + (size_t)kx * r->pixel_stride;
                __m512bh weights[LIMN_FEW_CHANNELS];

#pragma GCC unroll 4
                for (int o = 0; o < channels; o++)
                    weights[o] = load(w + (kx * channels + o) * WIDE, false);
#pragma GCC unroll 24
                for (int v = 0; v < vectors; v++) {
                    __m512bh pixels = load(at + (size_t)v * step, half);

#pragma GCC unroll 4
                    for (int o = 0; o < channels; o++)
                        sums[v * channels + o] = _mm512_dpbf16_ps(sums[v * channels + o], pixels,
                                                                  weights[o]);
                }
            }
        }
#pragma GCC unroll 24
    for (int i = 0; i < vectors * channels; i++) {
        int v = i / channels, o = i % channels;
        float bias = r->bias ? r->bias[o] : 0;
        __m256 low = _mm512_castps512_ps256(sums[i]), high = _mm512_extractf32x8_ps(sums[i], 1);
        __m128 quarters, fourth;

        if (!couples) low = _mm256_add_ps(low, high);
        quarters = _mm_add_ps(_mm256_castps256_ps128(low), _mm256_extractf128_ps(low, 1));
        fourth = _mm_add_ps(quarters, _mm_movehl_ps(quarters, quarters));
        y[(couples ? 2 * v : v) * channels + o] = _mm_cvtss_f32(
                                                      _mm_add_ss(fourth, _mm_movehdup_ps(fourth))) +
                                                  bias;
        if (!couples || half) continue;
        quarters = _mm_add_ps(_mm256_castps256_ps128(high), _mm256_extractf128_ps(high, 1));
        fourth = _mm_add_ps(quarters, _mm_movehl_ps(quarters, quarters));
        y[(2 * v + 1) * channels + o] = _mm_cvtss_f32(_mm_add_ss(fourth, _mm_movehdup_ps(fourth))) +
                                        bias;
    }
}

INLINE void row(const limn_few_run *r, const int channels, const bool couples)
{
    const int many = SUMS / channels, one = couples ? 2 : 1; /* vectors, pixels of one */
    const uint16_t *x = r->x;
    size_t step = (size_t)one * r->pixel_stride;
    int p = 0;

    for (; p + many * one <= r->pixels; p += many * one)
        group(r, x + (size_t)p * r->pixel_stride, step, r->y + p * channels, channels, many,
              couples, false);
    for (; p + one <= r->pixels; p += one)
        group(r, x + (size_t)p * r->pixel_stride, step, r->y + p * channels, channels, 1, couples,
              false);
    if (p < r->pixels)
        group(r, x + (size_t)p * r->pixel_stride, step, r->y + p * channels, channels, 1, couples,
              true);
}

#define BY_CHANNELS(couples)                                                                       \
    switch (r->channels) {                                                                         \
    case 1:                                                                                        \
        row(r, 1, couples);                                                                        \
        break;                                                                                     \
    case 2:                                                                                        \
        row(r, 2, couples);                                                                        \
        break;                                                                                     \
    case 3:                                                                                        \
        row(r, 3, couples);                                                                        \
        break;                                                                                     \
    default:                                                                                       \
        row(r, 4, couples);                                                                        \
        break;                                                                                     \
    }

WITH_BF16 void limn_few_pairs(const limn_few_run *r)
{
    if (r->pixel_stride == WIDE / 2)
        BY_CHANNELS(true)
    else
        BY_CHANNELS(false)
}

#else
void limn_few_pairs(const limn_few_run *run)
{
    (void)run;
    abort(); /* limn_few_fits lets nobody come here */
}
#endif
