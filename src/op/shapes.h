/* SPDX-License-Identifier: Apache-2.0
 *
 * The refusals that many shape rules share, so that they read the same everywhere. */
#ifndef LIMN_OP_SHAPES_H
#define LIMN_OP_SHAPES_H

#include "base/error.h"
#include "tensor/tensor.h"

/* SHAPE unless there are min..max inputs and every size of the first min is 1 or more (those
 * beyond may be absent: n == 0). */
limn_status limn_shape_inputs(const limn_shape *x, int inputs, int min, int max, limn_error *error);

/* SHAPE unless the shape is (1, channels, 1, 1); what: "bias". */
limn_status limn_shape_vector(limn_shape vector, int channels, const char *what, limn_error *error);

/* *out = how many windows of `kernel` fit at `stride` into size + before + after, rounded down
 * (PyTorch's conv2d and avg_pool2d); SETTING for a stride below 1 or a negative padding, SHAPE when
 * none fits.  what: "height" or "width". */
limn_status limn_shape_windows(int *out, int size, int kernel, int stride, int before, int after,
                               const char *what, limn_error *error);

#endif
