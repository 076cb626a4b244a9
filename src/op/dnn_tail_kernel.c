/* SPDX-License-Identifier: Apache-2.0
 *
 * out = activation(out + add + bias) over one range, compiled once a processor level.
 *
 * Works in tiles of at most TILE floats that stay in the first-level cache: widen, add, add bias,
 * activate, narrow, each a loop that the compiler vectorises whatever the type and the block.  The
 * bias is repeated to fill a tile, so that blocks of 1, 3 and 16 channels run the same loops.
 *
 * tanh and the sigmoid are written out because the C library's are scalar calls: 0.2 million tanh,
 * a 256-pixel picture, would take 2 ms of a 35 ms pass.  exp: 2^k times the Taylor sum to r^7 on
 * |r| <= ln(2)/2, relative error below 2e-7.  tanh: the odd Taylor sum to x^9 below 0.3 (where the
 * formula with exp loses digits), 1 - 2 / (exp(2|x|) + 1) above. */
#include "op/dnn_tail.h"

#include <math.h>
#include <string.h>

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

enum { TILE = 256 };

static inline float exponential(float x)
{
    const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to a whole number */
    union {
        float f;
        uint32_t u;
    } whole, power;
    float r, sum;

    x = x > 88.0f ? 88.0f : x;
    x = x < -87.0f ? -87.0f : x;
    whole.f = x * 1.44269504f + magic;
    power.u = (whole.u - 0x4b400000u + 127u) << 23;
    r = whole.f - magic;
    r = x - r * 0.693359375f - r * -2.12194440e-4f;
    sum = 1.0f / 5040.0f;
    sum = sum * r + 1.0f / 720.0f;
    sum = sum * r + 1.0f / 120.0f;
    sum = sum * r + 1.0f / 24.0f;
    sum = sum * r + 1.0f / 6.0f;
    sum = sum * r + 0.5f;
    sum = sum * r + 1.0f;
    sum = sum * r + 1.0f;
    return sum * power.f;
}

static inline float tangent(float x)
{
    float a = fabsf(x), s = x * x;
    float near = x + x * s *
                         (-1.0f / 3.0f +
                          s * (2.0f / 15.0f + s * (-17.0f / 315.0f + s * (62.0f / 2835.0f))));
    float far = copysignf(1.0f - 2.0f / (exponential(2.0f * a) + 1.0f), x);

    return a < 0.3f ? near : far;
}

static void activate(float *v, size_t count, limn_activation activation, float slope)
{
    switch (activation) {
    case LIMN_ACTIVATION_NONE:
        break;
    case LIMN_ACTIVATION_LEAKY:
        for (size_t i = 0; i < count; i++) v[i] = v[i] > 0 ? v[i] : slope * v[i];
        break;
    case LIMN_ACTIVATION_RELU:
        for (size_t i = 0; i < count; i++) v[i] = v[i] < 0 ? 0 : v[i]; /* NaN stays */
        break;
    case LIMN_ACTIVATION_RELU6:
        for (size_t i = 0; i < count; i++) v[i] = v[i] < 0 ? 0 : v[i] > 6 ? 6 : v[i];
        break;
    case LIMN_ACTIVATION_TANH:
        for (size_t i = 0; i < count; i++) v[i] = tangent(v[i]);
        break;
    case LIMN_ACTIVATION_SIGMOID:
        for (size_t i = 0; i < count; i++) v[i] = 1.0f / (1.0f + exponential(-v[i]));
        break;
    }
}

static void tile(const limn_dnn_tail_range *range, size_t begin, size_t count, const float *bias)
{
    float v[TILE];

    if (range->bf16) {
        const uint16_t *out = (const uint16_t *)range->out + begin, *add = range->add;

        for (size_t i = 0; i < count; i++) v[i] = limn_from_bf16(out[i]);
        if (add)
            for (size_t i = 0; i < count; i++) v[i] += limn_from_bf16(add[begin + i]);
    } else {
        const float *add = range->add;

        memcpy(v, (const float *)range->out + begin, count * sizeof *v);
        if (add)
            for (size_t i = 0; i < count; i++) v[i] += add[begin + i];
    }
    if (bias)
        for (size_t i = 0; i < count; i++) v[i] += bias[i];
    activate(v, count, range->activation, range->slope);
    if (range->bf16) {
        uint16_t *out = (uint16_t *)range->out + begin;

        for (size_t i = 0; i < count; i++) out[i] = limn_to_bf16(v[i]);
    } else
        memcpy((float *)range->out + begin, v, count * sizeof *v);
}

void JOIN(LIMN_KERNELS, _dnn_tail)(const limn_dnn_tail_range *range)
{
    size_t block = range->block, total = range->pixels * block, step = TILE;
    float repeated[TILE];
    const float *bias = range->bias;

    if (bias && block <= TILE) {
        step = TILE / block * block;
        for (size_t i = 0; i < step; i++) repeated[i] = bias[i % block];
        bias = repeated;
    }
    for (size_t begin = 0, count; begin < total; begin += count) {
        size_t channel = bias && block > TILE ? begin % block : 0;

        count = total - begin < step ? total - begin : step;
        if (bias && block > TILE && count > block - channel) count = block - channel;
        tile(range, begin, count, bias ? bias + channel : NULL);
    }
}
