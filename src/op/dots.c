/* SPDX-License-Identifier: Apache-2.0
 *
 * A convolution of bytes: up to 14 pixels of a row by 32 outputs are in registers, as sums of 32
 * bits, while the taps and the channels go by.  An instruction multiplies four channels of a pixel,
 * spread over a vector, with those of 16 outputs.
 *
 * Weights and the channels of a pixel are read from first to last, so that the processor can ask
 * for them in time; one stream of weights a vector of outputs, and the next one of the same span of
 * rows finds the pixels in the second-level cache.  Where a row has few pixels, reading weights is
 * all there is, and four vectors of outputs are made of it instead of two.
 *
 * On one thread of a Zen 4 the loop is at 97 % of the peak, as oneDNN's is there. What it gains is
 * that it writes the four phases of a transposed convolution to their places: oneDNN computes a
 * row and a column more of each (13 % at 16x16), and a pass sorts them.  A unet_256 15.9 ms instead
 * of 17.5, a resnet_9blocks the same 133; an Ice Lake, where oneDNN is at 40 to 50 % of the peak,
 * has not measured it.  With AMX oneDNN is better than any loop of vectors.
 *
 * Weights in blocks of 16 by 16 channels (OIhw4i16o4i) were tried before: with channels inside,
 * they come 256 bytes at a time, and with taps inside, pixels chase each other from the first-level
 * cache. */
#include "op/dots.h"
#include "base/cpu.h"
#include "op/dnn.h"

enum { SPAN_BYTES = 384 << 10 }; /* of x, for a unit of work: they stay in the second-level cache */

bool limn_dots_fits(limn_shape x, const limn_tensor *y, limn_activation activation)
{
#if defined(__x86_64__)
    return limn_cpu_has_vnni() && !limn_dnn_has_amx() && x.c % LIMN_DOTS_LANES == 0 &&
           y->shape.c % (LIMN_DOTS_WIDE * LIMN_DOTS_LANES) == 0 &&
           y->block % LIMN_DOTS_LANES == 0 && activation <= LIMN_ACTIVATION_RELU;
#else
    (void)x, (void)y, (void)activation;
    return false;
#endif
}

void limn_dots_open(limn_dots *d)
{
    size_t bytes = (size_t)(d->stride * d->x.w) * (size_t)d->x.c;
    size_t threads = (size_t)limn_compute_threads(), vectors;
    int phases = d->doubled ? 2 : 1;

    d->rows = d->y.shape.h / phases;
    d->columns = d->y.shape.w / phases;
    vectors = (size_t)(d->y.shape.c / LIMN_DOTS_LANES);
    d->group = d->columns <= LIMN_DOTS_FEW && vectors % LIMN_DOTS_WIDEST == 0 ? LIMN_DOTS_WIDEST
                                                                              : LIMN_DOTS_WIDE;
    d->groups = vectors * (size_t)(phases * phases) / d->group;
    d->spans = ((size_t)(d->y.shape.n * d->rows) * bytes + SPAN_BYTES - 1) / SPAN_BYTES;
    if (d->spans > 1 || (d->group == LIMN_DOTS_WIDE && d->groups % threads))
        d->spans = (d->spans + threads - 1) / threads * threads;
    if (d->spans > (size_t)(d->y.shape.n * d->rows)) d->spans = (size_t)(d->y.shape.n * d->rows);
}

void limn_dots_run(const limn_dots *d)
{
#if defined(__x86_64__)
    limn_parallel(d->spans * d->groups, 1, limn_kernels_vnni_dots, (void *)(uintptr_t)d);
#else
    (void)d;
#endif
}
