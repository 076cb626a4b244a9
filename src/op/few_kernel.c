/* SPDX-License-Identifier: Apache-2.0
 *
 * The inner loop of few.c, compiled once a processor level.
 *
 * The lanes of a vector are the channels of a block of the input; each pair of pixel and output
 * channel has a vector of partial sums, and their lanes are summed at the end.  A tap loads one
 * vector of weights for each output channel and one of the input for each pixel, and multiplies all
 * pairs: with three channels and eight pixels, 24 multiply-adds for 11 loads, and every lane works.
 * The number of pixels is what the registers hold: 24 sums of 32 with AVX-512, 12 of 16 below. */
#include "op/few.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

#ifdef __AVX512F__
enum { LANES = 16, SUMS = 24 };
#else
enum { LANES = 8, SUMS = 12 };
#endif
typedef float vector __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));

/* In a fixed order: halves, quarters ... */
static inline float sum_lanes(const vector *v)
{
    float f[LANES];

    for (int i = 0; i < LANES; i++) f[i] = (*v)[i];
    for (int half = LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++) f[i] += f[i + half];
    return f[0];
}

static inline __attribute__((always_inline)) void group(const limn_few_run *r, const float *x,
                                                        float *y, const int channels,
                                                        const int pixels)
{
    vector sums[SUMS] = { { 0 } };

    for (int b = 0; b < r->blocks; b++)
        for (int ky = r->ky_begin; ky < r->ky_end; ky++) {
            const float *row = x + (size_t)b * r->block_stride + (size_t)ky * r->row_stride;
            const float *w = (const float *)r->w + (size_t)((b * r->kernel_h + ky) * r->kernel_w) *
                                                       (size_t)(channels * LANES);

            for (int kx = r->kx_begin; kx < r->kx_end; kx++) {
                const vector *weights = (const vector *)(const void *)(w + kx * channels * LANES);
                const vector *at = (const vector *)(const void *)(row + kx * LANES);

#pragma GCC unroll 24
                for (int p = 0; p < pixels; p++)
#pragma GCC unroll 4
                    for (int o = 0; o < channels; o++) sums[p * channels + o] += at[p] * weights[o];
            }
        }
    for (int p = 0; p < pixels; p++)
        for (int o = 0; o < channels; o++)
            y[p * channels + o] = sum_lanes(&sums[p * channels + o]) + (r->bias ? r->bias[o] : 0);
}

static inline __attribute__((always_inline)) void row(const limn_few_run *r, const int channels)
{
    const int many = SUMS / channels;
    int p = 0;

    for (; p + many <= r->pixels; p += many)
        group(r, (const float *)r->x + p * LANES, r->y + p * channels, channels, many);
    for (; p < r->pixels; p++)
        group(r, (const float *)r->x + p * LANES, r->y + p * channels, channels, 1);
}

void JOIN(LIMN_KERNELS, _few)(const limn_few_run *r)
{
    switch (r->channels) {
    case 1:
        row(r, 1);
        break;
    case 2:
        row(r, 2);
        break;
    case 3:
        row(r, 3);
        break;
    default:
        row(r, 4);
        break;
    }
}
