/* SPDX-License-Identifier: Apache-2.0
 *
 * A fully connected layer: y[n,o] = bias[o] + sum over i of w[o,i] * x[n,i].
 *
 * Rows are the batch: (rows, channels, 1, 1).  For oneDNN it is a 1x1 convolution on 1x1 maps,
 * which shares all of conv's preparation (layouts, packing, gradients); an inner product of its own
 * would be a second door to the same arithmetic.  The plain loops are its own: on 1x1 maps the
 * convolution's rows would be one element long. */
#include "op/convolution.h"
#include "op/shapes.h"

static limn_status shape(limn_shape *y, const limn_shape *x, int inputs, const limn_args *args,
                         limn_error *error)
{
    limn_shape w = x[1];

    (void)args;
    LIMN_TRY(limn_shape_inputs(x, inputs, 2, 3, error));
    if (x[0].h != 1 || x[0].w != 1)
        return limn_fail(error, LIMN_SHAPE, "wants rows of 1x1 maps, and the input is %dx%d",
                         x[0].h, x[0].w);
    if (w.h != 1 || w.w != 1)
        return limn_fail(error, LIMN_SHAPE, "wants weights of 1x1, and these are %dx%d", w.h, w.w);
    if (w.c != x[0].c)
        return limn_fail(error, LIMN_SHAPE, "the weights read %d channels, but the input has %d",
                         w.c, x[0].c);
    if (inputs > 2 && x[2].n) LIMN_TRY(limn_shape_vector(x[2], w.n, "bias", error));
    *y = (limn_shape){ x[0].n, w.n, 1, 1 };
    return LIMN_OK;
}

static float *row_of(const limn_tensor *t, int n)
{
    return (float *)t->data + (size_t)n * t->batch_stride;
}

static void forward_rows(void *context, size_t begin, size_t end, int part)
{
    const limn_call *call = context;
    int in = call->x[1].shape.c, out = call->x[1].shape.n;
    const float *bias = call->inputs > 2 ? call->x[2].data : NULL;

    (void)part;
    for (size_t n = begin; n < end; n++) {
        const float *x = row_of(&call->x[0], (int)n), *w = call->x[1].data;
        float *y = row_of(&call->y[0], (int)n);

        for (int o = 0; o < out; o++, w += in) {
            float sum = bias ? bias[o] : 0;

            for (int i = 0; i < in; i++) sum += w[i] * x[i];
            y[o] = sum;
        }
    }
}

static void data_rows(void *context, size_t begin, size_t end, int part)
{
    const limn_call *call = context;
    int in = call->x[1].shape.c, out = call->x[1].shape.n;

    (void)part;
    for (size_t n = begin; n < end; n++) {
        const float *dy = row_of(&call->dy[0], (int)n), *w = call->x[1].data;
        float *dx = row_of(&call->dx[0], (int)n);

        if (!(call->accumulate & 1))
            for (int i = 0; i < in; i++) dx[i] = 0;
        for (int o = 0; o < out; o++, w += in)
            for (int i = 0; i < in; i++) dx[i] += w[i] * dy[o];
    }
}

static void weight_rows(void *context, size_t begin, size_t end, int part)
{
    const limn_call *call = context;
    int in = call->dx[1].shape.c;

    (void)part;
    for (size_t o = begin; o < end; o++) {
        float *dw = (float *)call->dx[1].data + o * (size_t)in;

        if (!(call->accumulate & 2))
            for (int i = 0; i < in; i++) dw[i] = 0;
        for (int n = 0; n < call->dy[0].shape.n; n++) {
            const float *x = row_of(&call->x[0], n), dy = row_of(&call->dy[0], n)[o];

            for (int i = 0; i < in; i++) dw[i] += x[i] * dy;
        }
    }
}

enum { GRAIN = 4 };

static void forward(const limn_call *call)
{
    limn_parallel((size_t)call->x[0].shape.n, GRAIN, forward_rows, (void *)call);
}

static void backward(const limn_call *call)
{
    if (call->wanted & 1)
        limn_parallel((size_t)call->dx[0].shape.n, GRAIN, data_rows, (void *)call);
    if (call->wanted & 2)
        limn_parallel((size_t)call->dx[1].shape.n, GRAIN, weight_rows, (void *)call);
    if (call->wanted & 4) limn_channel_sums(&call->dy[0], call->dx[2].data, call->accumulate & 4);
}

static limn_status prepare(limn_call *call, limn_arena *arena, limn_error *error)
{
    static const limn_args geometry = { .stride = 1 };

    return limn_convolution_prepare(call, &geometry, false, arena, error);
}

static const limn_op_case cases[] = {
    { { { 1, 1, 1, 1 }, { 1, 1, 1, 1 } }, { 0 } },
    { { { 5, 7, 1, 1 }, { 3, 7, 1, 1 }, { 1, 3, 1, 1 } }, { 0 } },
    { { { 12, 32, 1, 1 }, { 16, 32, 1, 1 }, { 1, 16, 1, 1 } }, { 0 } },
    { { { 3, 16, 1, 1 }, { 10, 16, 1, 1 } }, { 0 } },
    { { { 0 } }, { 0 } },
};

const limn_op limn_op_dense = {
    .name = "dense",
    .does = "fully connected layer on rows, with bias",
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
    .cases = cases,
};
