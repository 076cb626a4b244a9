/* SPDX-License-Identifier: Apache-2.0
 *
 * Padding by reflection, and cutting back.
 *
 * Reflection and not zeros or the repeated edge, because the network then sees texture that goes on
 * at the border as it does inside.  A row of n pixels repeats with period 2 (n - 1) when reflected
 * at both ends, which covers paddings wider than the picture without a special case. */
#include "image/resample.h"

#include <string.h>

limn_padding limn_padding_to_multiple(int height, int width, int multiple)
{
    return (limn_padding){ .bottom = (multiple - height % multiple) % multiple,
                           .right = (multiple - width % multiple) % multiple };
}

limn_shape limn_padded(limn_shape shape, limn_padding padding)
{
    shape.h += padding.top + padding.bottom;
    shape.w += padding.left + padding.right;
    return shape;
}

/* The position inside 0..n-1 that position i, which may lie outside, shows. */
static int reflected(int i, int n)
{
    int period = 2 * (n - 1);

    if (n == 1) return 0;
    i %= period;
    if (i < 0) i += period;
    return i < n ? i : period - i;
}

void limn_reflect(float *out, const float *in, limn_shape shape, limn_padding padding)
{
    limn_shape big = limn_padded(shape, padding);
    size_t planes = (size_t)shape.n * (size_t)shape.c;

    for (size_t p = 0; p < planes; p++)
        for (int y = 0; y < big.h; y++) {
            const float *from = in + (p * (size_t)shape.h +
                                      (size_t)reflected(y - padding.top, shape.h)) *
                                         (size_t)shape.w;
            float *to = out + (p * (size_t)big.h + (size_t)y) * (size_t)big.w;

            for (int x = 0; x < padding.left; x++)
                to[x] = from[reflected(x - padding.left, shape.w)];
            memcpy(to + padding.left, from, (size_t)shape.w * sizeof *to);
            for (int x = 0; x < padding.right; x++)
                to[padding.left + shape.w + x] = from[reflected(shape.w + x, shape.w)];
        }
}

void limn_cut(float *out, const float *in, limn_shape shape, limn_padding padding)
{
    limn_shape big = limn_padded(shape, padding);
    size_t planes = (size_t)shape.n * (size_t)shape.c;

    for (size_t p = 0; p < planes; p++)
        for (int y = 0; y < shape.h; y++)
            memmove(out + (p * (size_t)shape.h + (size_t)y) * (size_t)shape.w,
                    in + (p * (size_t)big.h + (size_t)(y + padding.top)) * (size_t)big.w +
                        padding.left,
                    (size_t)shape.w * sizeof *out);
}
