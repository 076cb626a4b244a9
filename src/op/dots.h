/* SPDX-License-Identifier: Apache-2.0
 *
 * A convolution of bytes in our own loop, by products of four at a time (AVX512_VNNI).  See
 * dots.c. */
#ifndef LIMN_OP_DOTS_H
#define LIMN_OP_DOTS_H

#include "op/op.h"

enum {
    LIMN_DOTS_LANES = 16,
    LIMN_DOTS_WIDE = 2,   /* vectors of outputs by 14 pixels; */
    LIMN_DOTS_WIDEST = 4, /* by a few: */
    LIMN_DOTS_FEW = 6,
};

/* y[o] = activation(scale[o] * sum of w * x + shift[o]).  doubled: weights, scale and shift are
 * those of four phases of y, one after the other; phase (a, b) makes rows 2 h + a and columns 2 v +
 * b, each from where the convolution is at (h + a, v + b). */
typedef struct limn_dots {
    limn_shape x; /* bytes, dense and channels-last, padded: a multiple of 16 channels */
    limn_tensor y;
    int kernel_h, kernel_w, stride;
    bool doubled;
    limn_activation activation;
    float slope;
    const uint8_t *from;
    const int8_t *weights;
    const float *scale, *shift;
    int rows, columns;    /* of a phase */
    size_t group, groups; /* vectors of outputs of a unit of work, and how often they go into all */
    size_t spans;         /* of rows: units are spans x groups */
} limn_dots;

/* Whether this processor and these channels are of the kind, and oneDNN has nothing better (AMX).
 * y: F32 or BF16 in blocks of a multiple of 16 channels (or channels-last).  Activations: none,
 * ReLU and leaky ReLU. */
bool limn_dots_fits(limn_shape x, const limn_tensor *y, limn_activation activation);
/* From x, y, kernel, stride and doubled.  Weights are read in oneDNN's OhwI16o4i: (o / 16, kh, kw,
 * i / 4, o % 16, i % 4). */
void limn_dots_open(limn_dots *dots);
/* On the compute threads; the same sums, which are exact, with any number of them. */
void limn_dots_run(const limn_dots *dots);

/* dots_kernel.c.  Units: spans of rows, in each the groups of outputs. */
extern const limn_loop_body limn_kernels_vnni_dots;

#endif
