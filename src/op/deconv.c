/* SPDX-License-Identifier: Apache-2.0
 *
 * Transposed convolution: every value of x spreads a kernel into y, stride apart; what overlaps
 * adds.
 *
 * It is the data gradient of a convolution, and computed as one: y is the convolution's large side,
 * x its small side, weights (channels of x, channels of y, kh, kw) as PyTorch's ConvTranspose2d has
 * them.  Its own gradient is that convolution's forward pass.  height of y = (h - 1) * stride -
 * pad_top - pad_bottom + kh + output_pad: output_pad chooses among the heights that the convolution
 * would have rounded down to h.  The fast path applies the activation (TAIL), no residual. */
#include "op/convolution.h"
#include "op/shapes.h"
#include "op/subpixel.h"

#include <limits.h>

/* One side of y. */
static limn_status side(int *out, int size, int kernel, int before, int after,
                        const limn_args *args, const char *what, limn_error *error)
{
    int64_t result = ((int64_t)size - 1) * args->stride - before - after + kernel +
                     args->output_pad;

    if (before < 0 || after < 0)
        return limn_fail(error, LIMN_SETTING, "padding %d, %d of the %s is negative", before, after,
                         what);
    if (result < 1 || result > INT_MAX)
        return limn_fail(error, LIMN_SHAPE,
                         "an input of %s %d with kernel %d, stride %d and padding %d, %d gives an "
                         "output of %s %lld",
                         what, size, kernel, args->stride, before, after, what, (long long)result);
    *out = (int)result;
    return LIMN_OK;
}

static limn_status shape(limn_shape *y, const limn_shape *x, int inputs, const limn_args *args,
                         limn_error *error)
{
    limn_shape w = x[1];

    LIMN_TRY(limn_shape_inputs(x, inputs, 2, 3, error));
    if (args->groups < 0 || args->groups > 1)
        return limn_fail(error, LIMN_SETTING, "%d groups: a transposed convolution has one",
                         args->groups);
    if (args->stride < 1)
        return limn_fail(error, LIMN_SETTING, "stride %d is below 1", args->stride);
    if (args->output_pad < 0 || args->output_pad >= args->stride)
        return limn_fail(error, LIMN_SETTING, "output padding %d is not in 0 to %d (stride - 1)",
                         args->output_pad, args->stride - 1);
    if (w.n != x[0].c)
        return limn_fail(error, LIMN_SHAPE, "the weights read %d channels, but the input has %d",
                         w.n, x[0].c);
    if (inputs > 2 && x[2].n) LIMN_TRY(limn_shape_vector(x[2], w.c, "bias", error));
    *y = (limn_shape){ .n = x[0].n, .c = w.c };
    LIMN_TRY(side(&y->h, x[0].h, w.h, args->pad_top, args->pad_bottom, args, "height", error));
    return side(&y->w, x[0].w, w.w, args->pad_left, args->pad_right, args, "width", error);
}

static void forward(const limn_call *call)
{
    const float *bias = call->inputs > 2 ? call->x[2].data : NULL;

    limn_convolve_data(&call->y[0], &call->x[1], bias, &call->x[0], call->args, false);
}

static void backward(const limn_call *call)
{
    if (call->wanted & 1)
        limn_convolve(&call->dy[0], &call->x[1], NULL, &call->dx[0], call->args,
                      call->accumulate & 1);
    if (call->wanted & 2)
        limn_convolve_weights(&call->dy[0], &call->dx[1], &call->x[0], call->args,
                              call->accumulate & 2);
    if (call->wanted & 4) limn_channel_sums(&call->dy[0], call->dx[2].data, call->accumulate & 4);
}

static limn_status prepare(limn_call *call, limn_arena *arena, limn_error *error)
{
    limn_method method = call->methods[0];

    if (!call->backward && (method == LIMN_METHOD_RULE || method == LIMN_METHOD_SUBPIXEL) &&
        limn_subpixel_fits(call))
        return limn_subpixel_prepare(call, arena, error);
    return limn_convolution_prepare(call, call->args, true, arena, error);
}

static int ways(const limn_call *call, int part, limn_method *list)
{
    return limn_convolution_ways(call, true, part, list);
}

#define PAD(p) .pad_top = (p), .pad_left = (p), .pad_bottom = (p), .pad_right = (p)

static const limn_op_case cases[] = {
    { { { 1, 1, 1, 1 }, { 1, 1, 1, 1 } }, { .stride = 1 } },
    { { { 2, 8, 4, 3 }, { 8, 3, 4, 4 }, { 1, 3, 1, 1 } }, { .stride = 2, PAD(1) } },
    { { { 1, 32, 1, 1 }, { 32, 32, 4, 4 } }, { .stride = 2, PAD(1) } },
    { { { 1, 6, 3, 5 }, { 6, 5, 4, 4 } }, { .stride = 2, PAD(1) } },
    { { { 1, 16, 4, 3 }, { 16, 8, 3, 3 }, { 1, 8, 1, 1 } },
      { .stride = 2, PAD(1), .output_pad = 1 } },
    { { { 2, 16, 3, 3 }, { 16, 16, 3, 3 }, { 1, 16, 1, 1 } }, { .stride = 1, PAD(1) } },
    { { { 1, 2, 3, 2 }, { 2, 4, 2, 3 } }, { .stride = 3 } }, /* kernel below stride: gaps */
    { { { 0 } }, { 0 } },
};

const limn_op limn_op_deconv = {
    .name = "deconv",
    .does = "transposed convolution, with padding, output padding, bias",
    .flags = LIMN_OP_TAIL,
    .inputs_min = 2,
    .inputs_max = 3,
    .outputs = 1,
    .kinds = { LIMN_FEATURES, LIMN_WEIGHT, LIMN_VECTOR },
    .gradients = 7,
    .backward_reads_x = 3,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .prepare = prepare,
    .ways = ways,
    .cases = cases,
};
