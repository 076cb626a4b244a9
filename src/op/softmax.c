/* SPDX-License-Identifier: Apache-2.0
 *
 * Softmax over channels: y[c] = exp(x[c]) / sum over k of exp(x[k]), at every position.
 *
 * The largest value is subtracted first, so no input overflows.  The gradient needs y only: dx = y
 * * (dy - sum of dy * y).  The fast path brings the channels of one position together in scratch,
 * computes there and puts them back: positions are few where this runs (a classifier's last layer),
 * and one routine then serves every layout and type. */
#include "op/op.h"
#include "op/shapes.h"

#include <math.h>

static limn_status shape(limn_shape *y, const limn_shape *x, int inputs, const limn_args *args,
                         limn_error *error)
{
    (void)args;
    LIMN_TRY(limn_shape_inputs(x, inputs, 1, 1, error));
    *y = x[0];
    return LIMN_OK;
}

static void forward(const limn_call *call)
{
    const limn_tensor *x = &call->x[0], *y = &call->y[0];
    limn_shape s = x->shape;
    const float *from = x->data;
    float *to = y->data;

    for (int n = 0; n < s.n; n++)
        for (int h = 0; h < s.h; h++)
            for (int w = 0; w < s.w; w++) {
                float most = -INFINITY;
                double sum = 0;

                for (int c = 0; c < s.c; c++) most = fmaxf(most, from[limn_at(x, n, c, h, w)]);
                for (int c = 0; c < s.c; c++) {
                    float value = expf(from[limn_at(x, n, c, h, w)] - most);

                    to[limn_at(y, n, c, h, w)] = value;
                    sum += (double)value;
                }
                for (int c = 0; c < s.c; c++) to[limn_at(y, n, c, h, w)] *= (float)(1 / sum);
            }
}

static void backward(const limn_call *call)
{
    const limn_tensor *y = &call->y[0], *dy = &call->dy[0], *dx = &call->dx[0];
    limn_shape s = dx->shape;
    const float *value = y->data, *from = dy->data;
    float *to = dx->data;

    if (!(call->wanted & 1)) return;
    for (int n = 0; n < s.n; n++)
        for (int h = 0; h < s.h; h++)
            for (int w = 0; w < s.w; w++) {
                double sum = 0;

                for (int c = 0; c < s.c; c++)
                    sum += (double)(value[limn_at(y, n, c, h, w)] * from[limn_at(dy, n, c, h, w)]);
                for (int c = 0; c < s.c; c++) {
                    size_t at = limn_at(dx, n, c, h, w);
                    float part = value[limn_at(y, n, c, h, w)] *
                                 (from[limn_at(dy, n, c, h, w)] - (float)sum);

                    to[at] = call->accumulate & 1 ? to[at] + part : part;
                }
            }
}

/* ---- The fast path --------------------------------------------------------------------------- */

/* The channels at one position, to and from floats side by side. */
static void collect(float *to, const limn_tensor *t, size_t n, size_t pixel)
{
    size_t block = (size_t)t->block, plane = (size_t)t->shape.h * (size_t)t->shape.w;
    size_t at = n * t->batch_stride + pixel * block;

    for (size_t c = 0; c < (size_t)t->shape.c; c += block, at += plane * block)
        for (size_t k = 0; k < block; k++)
            to[c + k] = t->type == LIMN_F32 ? ((const float *)t->data)[at + k]
                                            : limn_from_bf16(((const uint16_t *)t->data)[at + k]);
}

static void spread(const limn_tensor *t, const float *from, size_t n, size_t pixel)
{
    size_t block = (size_t)t->block, plane = (size_t)t->shape.h * (size_t)t->shape.w;
    size_t at = n * t->batch_stride + pixel * block;

    for (size_t c = 0; c < (size_t)t->shape.c; c += block, at += plane * block)
        for (size_t k = 0; k < block; k++)
            if (t->type == LIMN_F32)
                ((float *)t->data)[at + k] = from[c + k];
            else
                ((uint16_t *)t->data)[at + k] = limn_to_bf16(from[c + k]);
}

static void forward_positions(void *context, size_t begin, size_t end, int part)
{
    const limn_call *call = context;
    size_t channels = (size_t)call->x[0].shape.c;
    size_t plane = (size_t)call->x[0].shape.h * (size_t)call->x[0].shape.w;
    float *v = (float *)call->scratch + (size_t)part * channels * 3;

    for (size_t p = begin; p < end; p++) {
        float most = -INFINITY;
        double sum = 0;

        collect(v, &call->x[0], p / plane, p % plane);
        for (size_t c = 0; c < channels; c++) most = fmaxf(most, v[c]);
        for (size_t c = 0; c < channels; c++) sum += (double)(v[c] = expf(v[c] - most));
        for (size_t c = 0; c < channels; c++) v[c] *= (float)(1 / sum);
        spread(&call->y[0], v, p / plane, p % plane);
    }
}

static void backward_positions(void *context, size_t begin, size_t end, int part)
{
    const limn_call *call = context;
    size_t channels = (size_t)call->dx[0].shape.c;
    size_t plane = (size_t)call->dx[0].shape.h * (size_t)call->dx[0].shape.w;
    float *y = (float *)call->scratch + (size_t)part * channels * 3;
    float *dy = y + channels, *dx = dy + channels;

    for (size_t p = begin; p < end; p++) {
        double sum = 0;

        collect(y, &call->y[0], p / plane, p % plane);
        collect(dy, &call->dy[0], p / plane, p % plane);
        if (call->accumulate & 1)
            collect(dx, &call->dx[0], p / plane, p % plane);
        else
            for (size_t c = 0; c < channels; c++) dx[c] = 0;
        for (size_t c = 0; c < channels; c++) sum += (double)(y[c] * dy[c]);
        for (size_t c = 0; c < channels; c++) dx[c] += y[c] * (dy[c] - (float)sum);
        spread(&call->dx[0], dx, p / plane, p % plane);
    }
}

static limn_status run(limn_call *call, limn_error *error)
{
    enum { GRAIN = 1 << 11 }; /* values worth a thread */
    limn_shape s = call->backward ? call->dx[0].shape : call->x[0].shape;

    (void)error;
    if (call->backward && !(call->wanted & 1)) return LIMN_OK;
    limn_parallel((size_t)s.n * (size_t)s.h * (size_t)s.w, GRAIN / (size_t)s.c + 1,
                  call->backward ? backward_positions : forward_positions, call);
    return LIMN_OK;
}

static limn_status prepare(limn_call *call, limn_arena *arena, limn_error *error)
{
    limn_shape s = call->backward ? call->dx[0].shape : call->x[0].shape;

    (void)arena, (void)error;
    call->run = run;
    call->scratch_bytes = (size_t)limn_compute_threads() * (size_t)s.c * 3 * sizeof(float);
    call->implementation = "positions";
    return LIMN_OK;
}

static const limn_op_case cases[] = {
    { { { 1, 1, 1, 1 } }, { 0 } },  { { { 2, 10, 1, 1 } }, { 0 } }, { { { 2, 16, 3, 5 } }, { 0 } },
    { { { 1, 32, 2, 2 } }, { 0 } }, { { { 0 } }, { 0 } },
};

const limn_op limn_op_softmax = {
    .name = "softmax",
    .does = "softmax over channels",
    .inputs_min = 1,
    .inputs_max = 1,
    .outputs = 1,
    .kinds = { LIMN_FEATURES },
    .gradients = 1,
    .backward_reads_y = 1,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .prepare = prepare,
    .cases = cases,
};
