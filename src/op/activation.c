/* SPDX-License-Identifier: Apache-2.0
 *
 * What the activations share: value and slope as scalars, the plain loops, the fast versions.
 *
 * Slopes are written in terms of the output y because then the input need not be kept for the
 * backward pass: leaky and relu keep the sign, 1 - y^2 and y (1 - y) are those of tanh and sigmoid.
 * NaN passes through all of them, so that a training that diverges is seen in its losses. */
#include "op/activation.h"
#include "op/spans.h"

#include <math.h>

float limn_activation_value(limn_activation activation, float slope, float x)
{
    switch (activation) {
    case LIMN_ACTIVATION_NONE:
        break;
    case LIMN_ACTIVATION_LEAKY:
        return x > 0 ? x : slope * x;
    case LIMN_ACTIVATION_RELU:
        return x < 0 ? 0 : x;
    case LIMN_ACTIVATION_RELU6:
        return x < 0 ? 0 : x > 6 ? 6 : x;
    case LIMN_ACTIVATION_TANH:
        return tanhf(x);
    case LIMN_ACTIVATION_SIGMOID:
        return 1 / (1 + expf(-x));
    }
    return x;
}

float limn_activation_slope(limn_activation activation, float slope, float y)
{
    switch (activation) {
    case LIMN_ACTIVATION_NONE:
        break;
    case LIMN_ACTIVATION_LEAKY:
        return y > 0 ? 1 : slope;
    case LIMN_ACTIVATION_RELU:
        return y > 0 ? 1 : 0;
    case LIMN_ACTIVATION_RELU6:
        return y > 0 && y < 6 ? 1 : 0;
    case LIMN_ACTIVATION_TANH:
        return 1 - y * y;
    case LIMN_ACTIVATION_SIGMOID:
        return y * (1 - y);
    }
    return 1;
}

void limn_activation_forward(const limn_call *call)
{
    const float *x = call->x[0].data;
    float *y = call->y[0].data;

    for (size_t i = 0, count = limn_count(call->x[0].shape); i < count; i++)
        y[i] = limn_activation_value(call->op->activation, call->args->slope, x[i]);
}

void limn_activation_backward(const limn_call *call)
{
    const float *y = call->y[0].data, *dy = call->dy[0].data;

    for (size_t i = 0, count = limn_count(call->y[0].shape); i < count; i++)
        limn_give(call, 0, i,
                  dy[i] * limn_activation_slope(call->op->activation, call->args->slope, y[i]));
}

static void forward_range(void *context, size_t begin, size_t end, int part)
{
    const limn_call *call = context;
    limn_span span;

    (void)part;
    for (; (span = limn_span_at(call->y[0].shape, begin, end)).count; begin += span.count)
        limn_kernels_chosen()->activate(call->y[0].type, limn_span_data(&call->y[0], &span),
                                        limn_span_data(&call->x[0], &span), span.count,
                                        call->op->activation, call->args->slope);
}

static void backward_range(void *context, size_t begin, size_t end, int part)
{
    const limn_call *call = context;
    limn_span span;

    (void)part;
    for (; (span = limn_span_at(call->y[0].shape, begin, end)).count; begin += span.count)
        limn_kernels_chosen()->activate_back(
            call->y[0].type, limn_span_data(&call->dx[0], &span),
            limn_span_data(&call->dy[0], &span), limn_span_data(&call->y[0], &span), span.count,
            call->op->activation, call->args->slope, limn_accumulates(call, 0));
}

static limn_status run(limn_call *call, limn_error *error)
{
    (void)error;
    if (!call->backward || limn_wanted(call, 0))
        limn_parallel(limn_count(call->y[0].shape), LIMN_SPAN_GRAIN,
                      call->backward ? backward_range : forward_range, call);
    return LIMN_OK;
}

limn_status limn_activation_prepare(limn_call *call, limn_arena *arena, limn_error *error)
{
    (void)arena, (void)error;
    limn_call_fast(call, run);
    return LIMN_OK;
}

limn_status limn_activation_shape(limn_shape *y, const limn_shape *x, int inputs,
                                  const limn_args *args, limn_error *error)
{
    (void)inputs, (void)args, (void)error;
    y[0] = x[0];
    return LIMN_OK;
}

const limn_op_case limn_activation_cases[] = {
    { .x = { { 1, 1, 1, 1 } } },  { .x = { { 2, 3, 5, 7 } } }, /* odd sizes: ends of vector loops */
    { .x = { { 1, 8, 9, 4 } } },  { .x = { { 3, 16, 3, 5 } } },
    { .x = { { 1, 20, 7, 7 } } }, { .x = { { 2, 32, 33, 31 } } }, /* more than one thread */
    { .x = { { 1, 48, 1, 2 } } }, { .x = { { 0 } } },
};
