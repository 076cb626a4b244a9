/* SPDX-License-Identifier: Apache-2.0
 *
 * One element of a kernel: reading and writing by type, activations and their slopes, and the
 * exponential they need; a part of kernels.c, apart only to keep files short.
 *
 * Inputs and outputs of a kernel may be the same memory, element for element, so restrict would be
 * a lie; INDEPENDENT tells the compiler exactly what is true, that no iteration reads what another
 * one writes.  Without it every in-place call would take the scalar branch of the compiler's
 * overlap test.  libm's expf and tanhf would be called element by element, so both are written here
 * as polynomials without branches. */
#ifndef LIMN_OP_KERNELS_ELEMENT_H
#define LIMN_OP_KERNELS_ELEMENT_H

#include <math.h>
#include <string.h>

#ifdef __clang__
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT _Pragma("GCC ivdep")
#endif
#define INLINE static inline __attribute__((always_inline))

/* statement is compiled with T as a constant: F32 or BF16. */
#define BY_TYPE(type, statement)                                                                   \
    do {                                                                                           \
        if ((type) == LIMN_F32) {                                                                  \
            enum { T = LIMN_F32 };                                                                 \
            statement;                                                                             \
        } else {                                                                                   \
            enum { T = LIMN_BF16 };                                                                \
            statement;                                                                             \
        }                                                                                          \
    } while (0)

/* The same for A, the activation. */
#define ACTIVATION_CASE(name, statement)                                                           \
    case LIMN_ACTIVATION_##name: {                                                                 \
        enum { A = LIMN_ACTIVATION_##name };                                                       \
        statement;                                                                                 \
        break;                                                                                     \
    }
#define BY_ACTIVATION(activation, statement)                                                       \
    switch (activation) {                                                                          \
        ACTIVATION_CASE(NONE, statement)                                                           \
        ACTIVATION_CASE(LEAKY, statement)                                                          \
        ACTIVATION_CASE(RELU, statement)                                                           \
        ACTIVATION_CASE(RELU6, statement)                                                          \
        ACTIVATION_CASE(TANH, statement)                                                           \
        ACTIVATION_CASE(SIGMOID, statement)                                                        \
    }

INLINE float get(int type, const void *p, size_t i)
{
    return type == LIMN_F32 ? ((const float *)p)[i] : limn_from_bf16(((const uint16_t *)p)[i]);
}

INLINE void put(int type, void *p, size_t i, float value)
{
    if (type == LIMN_F32)
        ((float *)p)[i] = value;
    else
        ((uint16_t *)p)[i] = limn_to_bf16(value);
}

INLINE void give(int type, void *p, size_t i, float value, bool accumulate)
{
    put(type, p, i, accumulate ? get(type, p, i) + value : value);
}

/* Element i of a span, as an address. */
INLINE const void *from(int type, const void *p, size_t i)
{
    return p ? (const char *)p + i * (type == LIMN_F32 ? 4 : 2) : NULL;
}

INLINE void *into(int type, void *p, size_t i)
{
    return (char *)p + i * (type == LIMN_F32 ? 4 : 2);
}

/* e^x to 1e-7 relative, for x up to 88; smaller than -87 counts as -87.  2^n * e^r with
 * |r| <= ln 2 / 2; adding 1.5 * 2^23 rounds to a whole number and leaves it in the low bits.
 * Polynomial: Moshier, Cephes expf. */
INLINE float exponential(float x)
{
    const float shifter = 12582912;
    union {
        float f;
        uint32_t u;
    } n, power;
    float r, p;

    x = x < -87 ? -87 : x > 88 ? 88 : x;
    n.f = x * 1.44269504f + shifter;
    power.u = (n.u << 23) + 0x3f800000;
    n.f -= shifter;
    r = x - n.f * 0.693359375f + n.f * 2.12194440e-4f;
    p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    return (p * r * r + r + 1) * power.f;
}

/* Below 0.625 the difference of exponentials would lose digits: Cephes tanhf's polynomial. */
INLINE float hyperbolic_tangent(float x)
{
    float size = fabsf(x), z = x * x, p, far;

    p = -5.70498872745e-3f;
    p = p * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    p = p * z * x + x;
    far = copysignf(1 - 2 / (exponential(2 * (size > 10 ? 10 : size)) + 1), x);
    return size < 0.625f ? p : far;
}

/* log(1 + t) for t in 0..1: 2 atanh(s) with s = t / (2 + t) <= 1/3. */
INLINE float log_one_plus(float t)
{
    float s = t / (2 + t), z = s * s, p;

    p = 1.f / 13;
    p = p * z + 1.f / 11;
    p = p * z + 1.f / 9;
    p = p * z + 1.f / 7;
    p = p * z + 1.f / 5;
    p = p * z + 1.f / 3;
    return 2 * (p * z * s + s);
}

INLINE float value_of(int activation, float slope, float x)
{
    switch (activation) {
    case LIMN_ACTIVATION_LEAKY:
        return x > 0 ? x : slope * x;
    case LIMN_ACTIVATION_RELU:
        return x < 0 ? 0 : x;
    case LIMN_ACTIVATION_RELU6:
        return x < 0 ? 0 : x > 6 ? 6 : x;
    case LIMN_ACTIVATION_TANH:
        return hyperbolic_tangent(x);
    case LIMN_ACTIVATION_SIGMOID:
        return 1 / (1 + exponential(-x));
    default:
        return x;
    }
}

/* dy times the slope at y */
INLINE float sloped(int activation, float slope, float y, float dy)
{
    switch (activation) {
    case LIMN_ACTIVATION_LEAKY:
        return y > 0 ? dy : slope * dy;
    case LIMN_ACTIVATION_RELU:
        return y > 0 ? dy : 0;
    case LIMN_ACTIVATION_RELU6:
        return ((y > 0) & (y < 6)) ? dy : 0;
    case LIMN_ACTIVATION_TANH:
        return dy * (1 - y * y);
    case LIMN_ACTIVATION_SIGMOID:
        return dy * (y * (1 - y));
    default:
        return dy;
    }
}

#endif
