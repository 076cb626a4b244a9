/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients of weights in our own loops: by tiles, with fewer multiplications, in float32 also
 * place by place where maps are small.  See tiles_gradient.c. */
#ifndef LIMN_OP_TILES_GRADIENT_H
#define LIMN_OP_TILES_GRADIENT_H

#include "op/op.h"
#include "op/tiles_grid.h"

/* One gradient: w[o,i,kh,kw] = sum of y[n,o,h,w] * x[n,i, stride h + kh - pad, stride w + kw - pad]
 * over pictures and places of y (the small side of the convolution).  A word is one float of a
 * factor, or in bfloat16 what two tiles have there. */
typedef struct limn_tiles_gradient {
    limn_tensor x, y;
    int kernel, stride, pad_top, pad_left;
    int phases, apart;       /* that x is split in; from one of its places in a phase to the next */
    int taps, outputs, side; /* along a tile: of a phase's kernel; places of y; points.  outputs 1:
                                place by place, points are places of the kernel */
    limn_tile_grid grid;     /* over y */
    bool pairs;              /* both maps are BF16 */
    bool accumulates;
    size_t tiles;            /* of all pictures */
    size_t band;             /* most of them that are held transformed at a time */
    size_t first, held;      /* those that are now */
    size_t points;           /* of a tile */
    size_t words_x, words_y; /* from one point to the next, in a panel */
    size_t wide;             /* vectors of channels of y in a panel: 4 or 2 */
    size_t blocks;           /* of channels of x in a unit of work */
    void *v, *u;             /* words: x and y, transformed */
    float *own;              /* each thread's memory */
    size_t words_v, words_u, floats_own;
    float *w;                /* in blocks of lanes; not read nor written with an update */
    const limn_call *update; /* takes the gradient piece by piece; NULL: nobody does */
    size_t outs, ins;        /* channels of a piece */
    size_t scratch_bytes;    /* what limn_tiles_gradient_bind is to be given */
} limn_tiles_gradient;

/* Whether this direction of this convolution (BACKWARD_WEIGHTS) is of the kind: maps in blocks of
 * limn_tiles_lanes(), a multiple of two blocks of channels, square kernels, stride 1 or 2; with
 * AVX-512 both in BF16 where that makes tiles: 3x3 kernels of stride 1 and 4x4 ones. */
bool limn_tiles_gradient_fits(const limn_dnn_conv *conv);
/* Fills all but pointers.  Gradients lie in blocks of lanes x lanes channels: (y blocks, x blocks,
 * kh, kw, then channels of x, those of y last). */
void limn_tiles_gradient_open(limn_tiles_gradient *gradient, const limn_dnn_conv *conv);
/* The largest piece that an update may ask for, in floats; 0 where nothing can be handed over. */
size_t limn_tiles_gradient_piece(const limn_tiles_gradient *gradient);
/* update NULL: the gradient is stored in w, or added to it.  Else the update gets it piece by
 * piece, each as soon as it is made, and w may be NULL. */
void limn_tiles_gradient_bind(limn_tiles_gradient *gradient, const void *x, const void *y, void *w,
                              const limn_call *update, void *scratch);
/* Runs on the compute threads; the same bits with any number of them, and with or without update.
 */
void limn_tiles_gradient_run(limn_tiles_gradient *gradient);

/* What is made at a time: all places of the kernel for some channels. */
typedef struct limn_tiles_gradient_unit {
    size_t panel;         /* of channels of y */
    size_t block, blocks; /* of channels of x, a vector each */
    float *w;             /* where its gradient goes, the next block of y `next` further on, */
    size_t next, beside;  /* the next block of x `beside` */
    float *sums;
    bool adds;
} limn_tiles_gradient_unit;

/* tiles_gradient_kernel.c, once a processor level; and of maps in BF16, with AVX-512, without and
 * with AVX512_BF16. */
typedef struct limn_tiles_gradient_kernel {
    int lanes;
    limn_loop_body x; /* units: words of a band x blocks of channels of x */
    limn_loop_body y; /* units: the same of y */
    void (*unit)(const limn_tiles_gradient *gradient, const limn_tiles_gradient_unit *unit);
} limn_tiles_gradient_kernel;
extern const limn_tiles_gradient_kernel limn_kernels_base_tiles_gradient,
    limn_kernels_avx2_tiles_gradient, limn_kernels_avx512_tiles_gradient,
    limn_kernels_pairs_tiles_gradient, limn_kernels_bf16_tiles_gradient;

#endif
