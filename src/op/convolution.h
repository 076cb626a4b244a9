/* SPDX-License-Identifier: Apache-2.0
 *
 * What conv, deconv and dense share: the three directions of one convolution.
 *
 * A convolution joins a large side (its input) and a small side (its output).  A transposed
 * convolution is the same with the sides exchanged: its forward pass is the other's data gradient.
 * So there are three plain loops and one preparation for both operations. */
#ifndef LIMN_OP_CONVOLUTION_H
#define LIMN_OP_CONVOLUTION_H

#include "op/dnn.h"
#include "op/op.h"

/* Plain loops, float32, NCHW, weights (small channels, large channels / groups, kh, kw).  args
 * gives stride, pad_top, pad_left and groups; kernel sizes come from the weights' shape.
 *
 * small = bias + sum of w * large (cross-correlation), or small += that without bias. */
void limn_convolve(const limn_tensor *large, const limn_tensor *w, const float *bias,
                   const limn_tensor *small, const limn_args *args, bool accumulate);
/* large = bias + what w * small spreads into it: the data gradient of the above. */
void limn_convolve_data(const limn_tensor *large, const limn_tensor *w, const float *bias,
                        const limn_tensor *small, const limn_args *args, bool accumulate);
/* dw = sum of large * small over pictures and positions: the gradient of the weights. */
void limn_convolve_weights(const limn_tensor *large, const limn_tensor *dw,
                           const limn_tensor *small, const limn_args *args, bool accumulate);

/* sums[c] = or += the sum over pictures and positions of channel c: the gradient of a bias.  Any
 * layout, F32 or BF16. */
void limn_channel_sums(const limn_tensor *t, float *sums, bool accumulate);

/* A call's convolution between two of its maps (values or gradients) as dnn.h wants it, without
 * direction, bias, activation and method: the part that all directions share. */
limn_dnn_conv limn_convolution_describe(const limn_call *call, const limn_args *geometry,
                                        bool transposed, const limn_tensor *input,
                                        const limn_tensor *output);

/* Whether narrow.h computes this part of a call (0: forward or the gradient of x[0]; 1: of the
 * weights). */
bool limn_convolution_is_narrow(const limn_call *call, const limn_args *geometry, bool transposed,
                                int part);

/* ways() of conv and deconv.  A call that takes less than a tenth of a millisecond has one way. */
int limn_convolution_ways(const limn_call *call, bool transposed, int part, limn_method *ways);

/* prepare() of the three operations through oneDNN, both directions.  geometry: stride, pads,
 * groups. transposed: x[0] is the small side and y[0] the large one. */
limn_status limn_convolution_prepare(limn_call *call, const limn_args *geometry, bool transposed,
                                     limn_arena *arena, limn_error *error);

#endif
