/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolution: y[n,o] = bias[o] + sum over i, a, b of w[o,i,a,b] * x[n,i,stride*h+a-pad,...].
 *
 * Almost all of the time of a training step is spent here and in deconv.  Cross-correlation, as in
 * PyTorch's conv2d; the kernel size is that of the weights, each side may have its own padding, and
 * groups split both channel counts (groups == channels: depthwise).  The fast path ends with the
 * residual sum and the activation inside oneDNN (TAIL); the gradients of feature map, weights and
 * bias are one call. */
#include "op/convolution.h"
#include "op/few.h"
#include "op/shapes.h"

static limn_status shape(limn_shape *y, const limn_shape *x, int inputs, const limn_args *args,
                         limn_error *error)
{
    int groups = args->groups > 1 ? args->groups : 1;
    limn_shape w = x[1];

    LIMN_TRY(limn_shape_inputs(x, inputs, 2, 3, error));
    if (args->groups < 0) return limn_fail(error, LIMN_SETTING, "%d groups", args->groups);
    if (x[0].c % groups || w.n % groups)
        return limn_fail(error, LIMN_SHAPE, "%d groups do not divide %d channels in and %d out",
                         groups, x[0].c, w.n);
    if (w.c != x[0].c / groups)
        return limn_fail(error, LIMN_SHAPE,
                         "the weights read %d channels a group, but the input has %d in %d group%s",
                         w.c, x[0].c, groups, groups == 1 ? "" : "s");
    if (inputs > 2 && x[2].n) LIMN_TRY(limn_shape_vector(x[2], w.n, "bias", error));
    *y = (limn_shape){ .n = x[0].n, .c = w.n };
    LIMN_TRY(limn_shape_windows(&y->h, x[0].h, w.h, args->stride, args->pad_top, args->pad_bottom,
                                "height", error));
    return limn_shape_windows(&y->w, x[0].w, w.w, args->stride, args->pad_left, args->pad_right,
                              "width", error);
}

static void forward(const limn_call *call)
{
    const float *bias = call->inputs > 2 ? call->x[2].data : NULL;

    limn_convolve(&call->x[0], &call->x[1], bias, &call->y[0], call->args, false);
}

static void backward(const limn_call *call)
{
    if (call->wanted & 1)
        limn_convolve_data(&call->dx[0], &call->x[1], NULL, &call->dy[0], call->args,
                           call->accumulate & 1);
    if (call->wanted & 2)
        limn_convolve_weights(&call->x[0], &call->dx[1], &call->dy[0], call->args,
                              call->accumulate & 2);
    if (call->wanted & 4) limn_channel_sums(&call->dy[0], call->dx[2].data, call->accumulate & 4);
}

static limn_status prepare(limn_call *call, limn_arena *arena, limn_error *error)
{
    limn_method method = call->methods[0];

    if ((method == LIMN_METHOD_RULE || method == LIMN_METHOD_FEW) && limn_few_fits(call))
        return limn_few_prepare(call, arena, error);
    return limn_convolution_prepare(call, call->args, false, arena, error);
}

static int ways(const limn_call *call, int part, limn_method *list)
{
    return limn_convolution_ways(call, false, part, list);
}

#define PAD(p) .pad_top = (p), .pad_left = (p), .pad_bottom = (p), .pad_right = (p)

static const limn_op_case cases[] = {
    { { { 1, 1, 1, 1 }, { 1, 1, 1, 1 } }, { .stride = 1 } },
    { { { 2, 3, 8, 7 }, { 5, 3, 4, 4 }, { 1, 5, 1, 1 } }, { .stride = 2, PAD(1) } },
    { { { 1, 4, 5, 5 }, { 20, 4, 3, 3 }, { 1, 20, 1, 1 } }, { .stride = 1 } },
    { { { 1, 8, 6, 5 }, { 16, 8, 3, 3 }, { 1, 16, 1, 1 } }, { .stride = 1, PAD(1) } },
    { { { 2, 16, 5, 4 }, { 16, 16, 3, 3 } }, { .stride = 1, PAD(1) } },
    { { { 1, 16, 4, 4 }, { 1, 16, 4, 4 }, { 1, 1, 1, 1 } }, { .stride = 1, PAD(1) } },
    { { { 1, 32, 2, 2 }, { 32, 32, 4, 4 } }, { .stride = 2, PAD(1) } }, /* a 1x1 map */
    { { { 1, 3, 9, 9 }, { 8, 3, 7, 7 }, { 1, 8, 1, 1 } }, { .stride = 1 } },
    { { { 2, 32, 8, 30 }, { 3, 32, 7, 7 }, { 1, 3, 1, 1 } }, { .stride = 1, PAD(2) } },
    { { { 1, 4, 6, 7 }, { 6, 4, 3, 3 }, { 1, 6, 1, 1 } },
      { .stride = 2, .pad_bottom = 1, .pad_right = 1 } },
    { { { 2, 12, 5, 6 }, { 12, 1, 3, 3 }, { 1, 12, 1, 1 } },
      { .stride = 1, PAD(1), .groups = 12 } },
    { { { 1, 32, 7, 7 }, { 32, 1, 3, 3 } }, { .stride = 2, PAD(1), .groups = 32 } },
    { { { 1, 8, 4, 5 }, { 12, 4, 1, 1 } }, { .stride = 1, .groups = 2 } },
    { { { 0 } }, { 0 } },
};

const limn_op limn_op_conv = {
    .name = "conv",
    .does = "convolution, with groups, padding by side, bias",
    .flags = LIMN_OP_TAIL | LIMN_OP_RESIDUAL,
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
