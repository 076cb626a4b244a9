/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolutions by tiles, with fewer multiplications: Winograd's method in our own loops, for what
 * oneDNN has no such kernels for.  See tiles.c. */
#ifndef LIMN_OP_TILES_H
#define LIMN_OP_TILES_H

#include "op/op.h"

enum { LIMN_TILE_SIDE = 6 }; /* the most points along one side */

typedef enum limn_tiles_form {
    LIMN_TILES_SAME,   /* stride 1 */
    LIMN_TILES_HALVE,  /* 4x4, stride 2: 2x2 on the four phases of the input */
    LIMN_TILES_DOUBLE, /* its transpose: 2x2 to the four phases of the output */
} limn_tiles_form;

/* One computation: in -> out.  side = outputs + taps - 1 points along a tile, of which `outputs`
 * are kept; matrices are row-major. */
typedef struct limn_tiles {
    limn_tiles_form form;
    bool flipped; /* weights are read as a data gradient reads them: (in, out), turned by 180
                     degrees */
    int taps, outputs, side, kernel, pad_top, pad_left;
    int rows, columns; /* of the result in its stride-1 form */
    int tile_rows, tile_columns;
    int depth, width; /* of the products: channels in and out in the stride-1 form */
    limn_tensor in, out;
    const float *weights, *bias; /* plain; bias may be NULL */
    float *u, *v, *products;     /* transformed weights and tiles, and their products */
    limn_activation activation;
    float slope;
    size_t scratch_bytes;
    float to_points[LIMN_TILE_SIDE * LIMN_TILE_SIDE];   /* of the input: side x side */
    float weights_to[LIMN_TILE_SIDE * LIMN_TILE_SIDE];  /* side x taps */
    float from_points[LIMN_TILE_SIDE * LIMN_TILE_SIDE]; /* outputs x side */
} limn_tiles;

/* reverse: from the small side of the convolution to the large one (the data gradient of conv, the
 * forward pass of deconv).  w is (small channels, large channels, kh, kw). */
bool limn_tiles_fits(const limn_tensor *in, const limn_tensor *out, limn_shape w,
                     const limn_args *args, bool reverse);
/* Fills all but pointers; scratch_bytes is what limn_tiles_bind is to be given. */
void limn_tiles_open(limn_tiles *tiles, const limn_tensor *in, const limn_tensor *out, limn_shape w,
                     const limn_args *args, bool reverse);
void limn_tiles_bind(limn_tiles *tiles, const void *in, const void *weights, const void *bias,
                     void *out, void *scratch);
void limn_tiles_run(limn_tiles *tiles);

/* tiles_kernel.c, once a processor level: four loops over units, in this order. */
typedef struct limn_tiles_kernel {
    int lanes, panel;       /* floats of a vector; output channels of a product */
    limn_loop_body weights, /* units: vectors of output channels */
        input,              /* tiles */
        multiply,           /* points x panels */
        output;             /* tiles */
} limn_tiles_kernel;
extern const limn_tiles_kernel limn_kernels_base_tiles, limn_kernels_avx2_tiles,
    limn_kernels_avx512_tiles;

#endif
