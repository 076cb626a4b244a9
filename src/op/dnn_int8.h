/* SPDX-License-Identifier: Apache-2.0
 *
 * The int8 part of the door to oneDNN.  Apart from dnn.h because little is shared: there is one
 * direction, one layout of maps (channels-last) and no padding (see conv_int8.c). */
#ifndef LIMN_OP_DNN_INT8_H
#define LIMN_OP_DNN_INT8_H

#include "op/dnn.h"

/* y[o] = activation(scale[o] * sum of w * x + shift[o]); x is U8 and y F32 or BF16, both dense and
 * channels-last; scale and shift are plain float32. */
typedef struct limn_dnn_int8 {
    limn_shape x, y;
    limn_type y_type;
    int kernel_h, kernel_w, stride;
    limn_activation activation;
    float slope;
    bool bare; /* no scale, no shift, no activation: y is the sums, as F32 */
} limn_dnn_int8;

/* As limn_dnn_create, with weights in a layout of oneDNN's choice (limn_dnn_weights).  COMPUTE
 * where oneDNN has nothing better than its reference; bare always finds something.  Bind with
 * limn_dnn_bind_int8. */
limn_status limn_dnn_create_int8(limn_dnn_primitive **out, const limn_dnn_int8 *conv,
                                 limn_arena *arena, limn_error *error);
limn_status limn_dnn_bind_int8(limn_dnn_primitive *primitive, void *x, void *weights, void *scale,
                               void *shift, void *y, void *scratch, limn_error *error);

/* The layout of the same weights in PyTorch's order, one byte each. */
limn_status limn_dnn_layout_bytes_like(limn_dnn_layout **out, const limn_dnn_layout *layout,
                                       limn_arena *arena, limn_error *error);
/* Weights of bytes by fours: what dots.h reads.  w: (o, i, kh, kw), multiples of 16 channels. */
limn_status limn_dnn_layout_fours(limn_dnn_layout **out, limn_shape w, limn_arena *arena,
                                  limn_error *error);
/* Whether weights in that layout are bytes. */
bool limn_dnn_layout_is_int8(const limn_dnn_layout *layout);

#endif
