/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients of weights in bfloat16 by the processor's matrix tiles (AMX), in our own loops.  See
 * amx.c. */
#ifndef LIMN_OP_AMX_H
#define LIMN_OP_AMX_H

#include "op/dnn.h"

#include <stdint.h>

/* One gradient: w[o,i,kh,kw] = sum of y[n,o,h,w] * x[n,i, stride h + kh - pad, stride w + kw - pad]
 * over pictures and places of y (the small side of the convolution). */
typedef struct limn_amx {
    limn_tensor x, y;
    int kernel, stride, pad;
    bool accumulates;
    int phases;           /* stride * stride: x is split by even and odd rows and columns */
    size_t pitch;         /* places of a row, the same on both sides; even */
    size_t depth;         /* places of a picture that are summed over: rows of y * pitch, padded */
    size_t plane;         /* places of a channel of a phase of x, from one to the next */
    uint16_t *rows;       /* x: picture, phase, channel, place */
    uint32_t *pairs;      /* y: picture, block of 32 channels, pair of places, channel */
    float *w;             /* oneDNN's OIhw16i16o */
    size_t scratch_bytes; /* what limn_amx_bind is to be given */
} limn_amx;

/* Sets the calling thread's eight tiles to 16 rows of 64 bytes, where limn_dnn_has_amx;
 * _tile_release ends it. */
void limn_amx_tiles(void);

/* Whether this direction of this convolution (BACKWARD_WEIGHTS) is of the kind: channels-last BF16
 * maps, channels in multiples of 32, square kernels, stride 1 or 2, a processor with AMX. */
bool limn_amx_fits(const limn_dnn_conv *conv);
/* Fills all but pointers. */
void limn_amx_open(limn_amx *amx, const limn_dnn_conv *conv);
void limn_amx_bind(limn_amx *amx, const void *x, const void *y, void *w, void *scratch);
/* Runs on the compute threads; the same bits with any number of them. */
void limn_amx_run(limn_amx *amx);

#endif
