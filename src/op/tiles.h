/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolutions by tiles, with fewer multiplications: Winograd's method in our own loops, for what
 * oneDNN has no such kernels for.  See tiles.c. */
#ifndef LIMN_OP_TILES_H
#define LIMN_OP_TILES_H

#include "op/op.h"
#include "op/tiles_grid.h"

/* The most points along one side, and the most in bfloat16. */
enum { LIMN_TILE_SIDE = 6, LIMN_TILE_SIDE_BF16 = 4 };

typedef enum limn_tiles_form {
    LIMN_TILES_SAME,    /* stride 1 */
    LIMN_TILES_QUARTER, /* 4x4, stride 1: the next for each of the four phases of the output */
    LIMN_TILES_HALVE,   /* 4x4 or 3x3, stride 2: 2x2 on the four phases of the input */
    LIMN_TILES_DOUBLE,  /* its transpose: 2x2 to the four phases of the output */
} limn_tiles_form;

/* One computation: in -> out.  side = outputs + taps - 1 points along a tile, of which `outputs`
 * results are made.  A word is one float of a factor, or two channels in bfloat16. */
typedef struct limn_tiles {
    limn_tiles_form form;
    bool pairs;        /* maps and weights are BF16 */
    bool accumulates;  /* results are added to what is there, before the activation */
    bool large_inside; /* which channels of the weights lie side by side: see limn_tiles_open */
    int taps, outputs, side, kernel, pad_top, pad_left;
    int in_phases, out_phases; /* that count as channels: 1 or 4 */
    limn_tile_grid grid;
    size_t tiles;        /* of all pictures */
    size_t band;         /* most of them that are held transformed at a time */
    size_t first, held;  /* those that are now */
    size_t depth, width; /* of the products: channels in and out in the stride-1 form, phase by
                            phase within a block of channels */
    size_t chunk;        /* of the depth: what is multiplied at a time */
    size_t group;        /* columns of a unit of work */
    size_t spans;        /* in which a band is cut: units of work are spans x groups */
    size_t parts;        /* that have scratch memory of their own */
    limn_tensor in, out;
    const void *weights;
    const float *bias;                 /* may be NULL */
    void *v, *own;                     /* words: a band, transformed; each part's own memory */
    size_t words_v, words_u, floats_m; /* from one point to the next: tiles, weights, products */
    size_t words_own;
    limn_activation activation;
    float slope;
    size_t scratch_bytes;
} limn_tiles;

/* Both maps F32, or both BF16 (with AVX-512).  reverse: from the small side of the convolution to
 * the large one (the data gradient of conv, the forward pass of deconv).  w is (small channels,
 * large channels, kh, kw). */
bool limn_tiles_fits(const limn_tensor *in, const limn_tensor *out, limn_shape w,
                     const limn_args *args, bool reverse);
/* Fills all but pointers.  scratch_bytes is what limn_tiles_bind is to be given.  Weights are read
 * in blocks of lanes x lanes channels: (small blocks, large blocks, kh, kw, then the channels of
 * the block, those of the result last; in BF16 pairs of the others inside, as in pack.h).
 * large_inside: the result's are the large side's. */
void limn_tiles_open(limn_tiles *tiles, const limn_tensor *in, const limn_tensor *out, limn_shape w,
                     const limn_args *args, bool reverse);
/* Channels of a block: of F32 maps and their weights; BF16 has 16. */
int limn_tiles_lanes(void);
void limn_tiles_bind(limn_tiles *tiles, const void *in, const void *weights, const void *bias,
                     void *out, void *scratch);
void limn_tiles_run(limn_tiles *tiles);

/* tiles_kernel.c, once a processor level. */
typedef struct limn_tiles_kernel {
    int lanes, panel;     /* floats of a vector; columns of a product in registers */
    limn_loop_body input, /* units: tiles of a band x blocks of channels */
        output;           /* units: parts */
} limn_tiles_kernel;
extern const limn_tiles_kernel limn_kernels_base_tiles, limn_kernels_avx2_tiles,
    limn_kernels_avx512_tiles;
/* Of maps in BF16, with AVX-512: without and with AVX512_BF16. */
extern const limn_tiles_kernel limn_kernels_pairs_tiles, limn_kernels_bf16_tiles;

#endif
