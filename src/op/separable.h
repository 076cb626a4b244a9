/* SPDX-License-Identifier: Apache-2.0
 *
 * pad, resize, blur, average pools: each is one sparse matrix down and one across.
 *
 *     y[i, j] = sum over a, b of V[i, a] * H[j, b] * x[a, b]      for every picture and channel
 *
 * An operation says how one output of one axis reads its inputs (a rule); everything else,
 * including the gradient, which is the same with both matrices transposed, is here. */
#ifndef LIMN_OP_SEPARABLE_H
#define LIMN_OP_SEPARABLE_H

#include "op/op.h"

/* One axis.  tap() gives tap number 0 <= tap < taps of output 0 <= out < .out: false when it reads
 * nothing there (zero padding), else *at in 0 .. in - 1 and *weight.  The other fields are for
 * tap(). */
typedef struct limn_axis limn_axis;
struct limn_axis {
    int in, out, taps;
    bool (*tap)(const limn_axis *axis, int out, int tap, int *at, float *weight);
    int kernel, stride, before, mode;
    bool include_pad;
};

/* Plain loops of both directions, float32, NCHW: x[0] to y[0], dy[0] to dx[0]. */
void limn_separable_forward(const limn_call *call, const limn_axis *down, const limn_axis *across);
void limn_separable_backward(const limn_call *call, const limn_axis *down, const limn_axis *across);

/* prepare() of both directions, all layouts. */
limn_status limn_separable_prepare(limn_call *call, const limn_axis *down, const limn_axis *across,
                                   limn_arena *arena, limn_error *error);

#endif
