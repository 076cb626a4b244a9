/* SPDX-License-Identifier: Apache-2.0
 *
 * The refusals that many shape rules share.  Sums are done in 64 bits: sizes come from people. */
#include "op/shapes.h"

#include <limits.h>

limn_status limn_shape_inputs(const limn_shape *x, int inputs, int min, int max, limn_error *error)
{
    if (inputs < min || inputs > max) {
        if (min == max)
            return limn_fail(error, LIMN_SHAPE, "takes %d input%s and was given %d", min,
                             min == 1 ? "" : "s", inputs);
        return limn_fail(error, LIMN_SHAPE, "takes %d to %d inputs and was given %d", min, max,
                         inputs);
    }
    for (int i = 0; i < inputs; i++) {
        if (i >= min && x[i].n == 0) continue;
        if (x[i].n < 1 || x[i].c < 1 || x[i].h < 1 || x[i].w < 1)
            return limn_fail(error, LIMN_SHAPE,
                             "input %d is %dx%dx%dx%d: every size must be 1 or more", i, x[i].n,
                             x[i].c, x[i].h, x[i].w);
    }
    return LIMN_OK;
}

limn_status limn_shape_vector(limn_shape vector, int channels, const char *what, limn_error *error)
{
    if (limn_shape_equal(vector, (limn_shape){ 1, channels, 1, 1 })) return LIMN_OK;
    return limn_fail(error, LIMN_SHAPE,
                     "the %s is %dx%dx%dx%d, but %d channels want one of 1x%dx1x1", what, vector.n,
                     vector.c, vector.h, vector.w, channels, channels);
}

limn_status limn_shape_windows(int *out, int size, int kernel, int stride, int before, int after,
                               const char *what, limn_error *error)
{
    int64_t padded = (int64_t)size + before + after;

    if (kernel < 1) return limn_fail(error, LIMN_SETTING, "kernel %s %d is below 1", what, kernel);
    if (stride < 1) return limn_fail(error, LIMN_SETTING, "stride %d is below 1", stride);
    if (before < 0 || after < 0)
        return limn_fail(error, LIMN_SETTING, "padding %d, %d of the %s is negative", before, after,
                         what);
    if (padded > INT_MAX)
        return limn_fail(error, LIMN_SETTING, "padding %d, %d of the %s is too large", before,
                         after, what);
    if (kernel > padded)
        return limn_fail(error, LIMN_SHAPE,
                         "a kernel of %s %d does not fit into an input of %s %d padded to %d", what,
                         kernel, what, size, (int)padded);
    *out = (int)((padded - kernel) / stride) + 1;
    return LIMN_OK;
}
