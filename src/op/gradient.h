/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients of weights in bfloat16, in our own loops, over the processor's matrix tiles (AMX) or
 * its products of pairs (AVX512_BF16).  See gradient.c. */
#ifndef LIMN_OP_GRADIENT_H
#define LIMN_OP_GRADIENT_H

#include "op/op.h"

#include <stdint.h>

/* One gradient: w[o,i,kh,kw] = sum of y[n,o,h,w] * x[n,i, stride h + kh - pad, stride w + kw - pad]
 * over pictures and places of y (the small side of the convolution). */
typedef struct limn_gradient {
    limn_tensor x, y;
    int kernel, stride, pad;
    bool tiles; /* AMX */
    bool accumulates;
    int phases;              /* stride * stride: x is split by even and odd rows and columns */
    size_t pitch, pitch_y;   /* places of a row; even, and with tiles the same on both sides */
    size_t depth;            /* places of a picture that are summed over: rows of y, padded */
    size_t plane;            /* places of a channel of a phase of x, from one to the next */
    uint16_t *rows;          /* x: picture, phase, channel, place */
    uint32_t *pairs;         /* y: picture, block of 32 channels, pair of places, channel */
    float *w;                /* oneDNN's OIhw16i16o; not read nor written with an update */
    const limn_call *update; /* takes the gradient piece by piece; NULL: nobody does */
    size_t outs, ins;        /* channels of a piece */
    float *pieces;           /* one of each thread */
    size_t scratch_bytes;    /* what limn_gradient_bind is to be given */
} limn_gradient;

/* Sets the calling thread's eight tiles to 16 rows of 64 bytes, where limn_dnn_has_amx;
 * _tile_release ends it. */
void limn_gradient_tiles(void);

/* Whether this direction of this convolution (BACKWARD_WEIGHTS) is of the kind: BF16 maps,
 * channels-last or in blocks of 16, channels in multiples of 32, square kernels, stride 1 or 2, a
 * processor with AVX512_BF16. */
bool limn_gradient_fits(const limn_dnn_conv *conv);
/* How choices call what it does on this processor: AMX or PAIRS. */
limn_method limn_gradient_method(void);
/* Fills all but pointers. */
void limn_gradient_open(limn_gradient *gradient, const limn_dnn_conv *conv);
/* The largest piece that an update may ask for, in floats; 0 where the gradient is to be added. */
size_t limn_gradient_piece(const limn_gradient *gradient);
/* update NULL: the gradient is stored in w, or added to it.  Else the update gets it piece by
 * piece, each as soon as it is made, and w may be NULL; never where the gradient is to be added. */
void limn_gradient_bind(limn_gradient *gradient, const void *x, const void *y, void *w,
                        const limn_call *update, void *scratch);
/* Runs on the compute threads; the same bits with any number of them, and with or without update.
 */
void limn_gradient_run(limn_gradient *gradient);

#endif
