/* SPDX-License-Identifier: Apache-2.0
 *
 * The inner loops around an int8 convolution: compiled once a processor level, as
 * LIMN_INT8_KERNELS.
 *
 * Rounding is that of the plain loops, bit for bit: the product is rounded to float before it is
 * rounded to a whole number, so there is nothing to fuse, and a byte is never one step off. */
#include "op/kernels_int8.h"
#include "op/kernels_element.h"

INLINE float head_of(int head, float slope, float v)
{
    if (head == LIMN_ACTIVATION_RELU) return v > 0 ? v : 0;
    if (head == LIMN_ACTIVATION_LEAKY) return v > 0 ? v : slope * v;
    return v;
}

INLINE void run_to_bytes(int type, int head, uint8_t *to, const void *from, size_t count,
                         float slope, float factor, float zero)
{
    INDEPENDENT
    for (size_t i = 0; i < count; i++) {
        float v = __builtin_rintf(head_of(head, slope, get(type, from, i)) * factor) + zero;

        v = v > 0 ? v : 0;
        to[i] = (uint8_t)(int)(v < 255 ? v : 255);
    }
}

INLINE void all_to_bytes(int type, int head, uint8_t *to, size_t to_stride, const void *source,
                         size_t from_stride, size_t pixels, size_t run, const limn_bytes *how)
{
    float zero = (float)how->zero;

    if (run == to_stride && run == from_stride) run *= pixels, pixels = 1;
    if (run == 16) { /* a block of channels: one vector, when the compiler knows */
        for (size_t p = 0; p < pixels; p++)
            run_to_bytes(type, head, to + p * to_stride, from(type, source, p * from_stride), 16,
                         how->slope, how->factor, zero);
        return;
    }
    for (size_t p = 0; p < pixels; p++)
        run_to_bytes(type, head, to + p * to_stride, from(type, source, p * from_stride), run,
                     how->slope, how->factor, zero);
}

static void to_bytes(uint8_t *to, size_t to_stride, limn_type type, const void *source,
                     size_t from_stride, size_t pixels, size_t run, const limn_bytes *how)
{
#define AS(head)                                                                                   \
    BY_TYPE(type, all_to_bytes(T, head, to, to_stride, source, from_stride, pixels, run, how))
    if (how->head == LIMN_ACTIVATION_RELU)
        AS(LIMN_ACTIVATION_RELU);
    else if (how->head == LIMN_ACTIVATION_LEAKY)
        AS(LIMN_ACTIVATION_LEAKY);
    else
        AS(LIMN_ACTIVATION_NONE);
#undef AS
}

static void scale_channels(float *y, size_t pixels, size_t channels, const float *scale,
                           const float *shift)
{
    for (size_t p = 0; p < pixels; p++, y += channels) {
        INDEPENDENT
        for (size_t c = 0; c < channels; c++) y[c] = y[c] * scale[c] + shift[c];
    }
}

extern const limn_int8_kernels LIMN_INT8_KERNELS;
const limn_int8_kernels LIMN_INT8_KERNELS = { to_bytes, scale_channels };
