/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights from float32 blocks, in which they are trained, to those in which kernels read them:
 * bfloat16, or float32 for the other direction.  See pack.c. */
#ifndef LIMN_OP_PACK_H
#define LIMN_OP_PACK_H

#include "base/threads.h"

#include <stdint.h>

enum {
    LIMN_PACK_LANES = 16,
    LIMN_PIECE_SIDE = 32 /* channels: gradient.c makes 32 x 32 at a time, of whole pieces */
};

/* To: (out blocks, in blocks, taps) or, with taps_outside, (out blocks, taps, in blocks), and
 * inside a block either (in / 2, out, 2 in) or, with pairs_of_outputs, (out / 2, in, 2 out), where
 * in_block is 16. */
typedef struct limn_pack_layout {
    int out_block, in_block; /* multiples of 16 channels */
    bool taps_outside, pairs_of_outputs;
} limn_pack_layout;

typedef struct limn_pack {
    limn_pack_layout layout;
    size_t outs, ins, taps; /* channels that are written out, channels that are read, places of the
                               kernel */
    bool plain;             /* from is (outs, ins, taps), as PyTorch has it; of 16 taps only */
    bool floats;  /* to is float32, (outs / 16, ins / 16, taps, 16 out, 16 in): oneDNN's OIhw16o16i,
                     whatever else is said of the layout than its blocks, which are 16 x 16 */
    bool streams; /* limn_pack_one's own: stores to floats pass the cache by */
    const float *from; /* else (outs / 16, ins / 16, taps, 16 in, 16 out): oneDNN's OIhw16i16o */
    void *to;          /* else bfloat16 as the layout says */
} limn_pack;

/* A rectangle of channels, with all places of the kernel: an update's share of weights that lie in
 * blocks of 16 x 16. */
typedef struct limn_piece {
    size_t out, outs, in, ins; /* first channels and how many, multiples of 16 */
    size_t all_ins, taps;      /* of the weights as a whole */
} limn_piece;

/* False where blocks would need padding, or where plain weights have other kernels than 4x4 or
 * stay float32. */
bool limn_pack_fits(const limn_pack *pack);
/* Runs on the compute threads.  Rounds to the nearest, ties to even. */
void limn_pack_run(const limn_pack *pack);
/* One piece, on the calling thread. */
void limn_pack_one(const limn_pack *pack, const limn_piece *piece);
/* The least size of pieces, in channels, that no block of any of these sticks out of and that
 * `least` divides. */
void limn_pack_piece(const limn_pack *const *packs, int count, size_t least, size_t *outs,
                     size_t *ins);

/* pack_kernel.c, once a processor level; units: out blocks x in blocks. */
extern const limn_loop_body limn_kernels_base_pack, limn_kernels_avx2_pack,
    limn_kernels_avx512_pack;

#endif
