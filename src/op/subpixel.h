/* SPDX-License-Identifier: Apache-2.0
 *
 * The forward pass of a transposed convolution with few output channels, as a sub-pixel
 * convolution. */
#ifndef LIMN_OP_SUBPIXEL_H
#define LIMN_OP_SUBPIXEL_H

#include "op/op.h"

/* Whether this forward call of deconv is of the kind: kernel 4, stride 2, padding 1, at most four
 * output channels in F32. */
bool limn_subpixel_fits(const limn_call *call);

/* prepare() for such a call. */
limn_status limn_subpixel_prepare(limn_call *call, limn_arena *arena, limn_error *error);

#endif
