/* SPDX-License-Identifier: Apache-2.0
 *
 * The sum of maps of one shape: residual connections, and the sum of losses.
 *
 * More than two bfloat16 maps are added in float32 and rounded once.  The gradient of every input
 * is that of the output, which the planner hands on without a copy where it can. */
#include "op/spans.h"

static limn_status shape(limn_shape *y, const limn_shape *x, int inputs, const limn_args *args,
                         limn_error *error)
{
    (void)args;
    for (int i = 1; i < inputs; i++)
        if (!limn_shape_equal(x[i], x[0]))
            return limn_fail(error, LIMN_SHAPE,
                             "input %d is %dx%dx%dx%d and input 0 is %dx%dx%dx%d; a sum wants "
                             "equal shapes",
                             i, x[i].n, x[i].c, x[i].h, x[i].w, x[0].n, x[0].c, x[0].h, x[0].w);
    y[0] = x[0];
    return LIMN_OK;
}

static void forward(const limn_call *call)
{
    for (size_t k = 0, count = limn_count(call->y[0].shape); k < count; k++) {
        float sum = ((const float *)call->x[0].data)[k];

        for (int i = 1; i < call->inputs; i++) sum += ((const float *)call->x[i].data)[k];
        ((float *)call->y[0].data)[k] = sum;
    }
}

static void backward(const limn_call *call)
{
    const float *dy = call->dy[0].data;

    for (int i = 0; i < call->inputs; i++)
        for (size_t k = 0, count = limn_count(call->dy[0].shape); k < count; k++)
            if (limn_wanted(call, i)) limn_give(call, i, k, dy[k]);
}

static void forward_range(void *context, size_t begin, size_t end, int part)
{
    const limn_call *call = context;
    const void *x[LIMN_INPUTS_MAX];
    limn_span span;

    (void)part;
    for (; (span = limn_span_at(call->y[0].shape, begin, end)).count; begin += span.count) {
        for (int i = 0; i < call->inputs; i++) x[i] = limn_span_data(&call->x[i], &span);
        limn_kernels_chosen()->add(call->y[0].type, limn_span_data(&call->y[0], &span), x,
                                   call->inputs, span.count);
    }
}

static void backward_range(void *context, size_t begin, size_t end, int part)
{
    const limn_call *call = context;
    limn_span span;

    (void)part;
    for (; (span = limn_span_at(call->dy[0].shape, begin, end)).count; begin += span.count)
        for (int i = 0; i < call->inputs; i++)
            if (limn_wanted(call, i) &&
                (call->dx[i].data != call->dy[0].data || limn_accumulates(call, i)))
                limn_kernels_chosen()->scale(call->dy[0].type, limn_span_data(&call->dx[i], &span),
                                             limn_span_data(&call->dy[0], &span), span.count, 1,
                                             limn_accumulates(call, i));
}

static limn_status run(limn_call *call, limn_error *error)
{
    (void)error;
    limn_parallel(limn_count(call->backward ? call->dy[0].shape : call->y[0].shape),
                  LIMN_SPAN_GRAIN, call->backward ? backward_range : forward_range, call);
    return LIMN_OK;
}

static limn_status prepare(limn_call *call, limn_arena *arena, limn_error *error)
{
    (void)arena;
    (void)error;
    limn_call_fast(call, run);
    return LIMN_OK;
}

static const limn_op_case cases[] = {
    { .x = { { 1, 1, 1, 1 }, { 1, 1, 1, 1 } } },
    { .x = { { 2, 3, 5, 7 }, { 2, 3, 5, 7 }, { 2, 3, 5, 7 } } },
    { .x = { { 2, 8, 3, 3 }, { 2, 8, 3, 3 } } },
    { .x = { { 3, 16, 5, 3 }, { 3, 16, 5, 3 }, { 3, 16, 5, 3 }, { 3, 16, 5, 3 } } },
    { .x = { { 1, 20, 2, 1 } } },
    { .x = { { 2, 32, 31, 33 }, { 2, 32, 31, 33 } } },
    { .x = { { 1, 48, 7, 5 }, { 1, 48, 7, 5 } } },
    { .x = { { 0 } } },
};

const limn_op limn_op_add = {
    .name = "add",
    .does = "sum of maps",
    .flags = LIMN_OP_SUM | LIMN_OP_INPLACE,
    .inputs_min = 1,
    .inputs_max = LIMN_INPUTS_MAX,
    .outputs = 1,
    .kinds = { LIMN_FEATURES, LIMN_FEATURES, LIMN_FEATURES, LIMN_FEATURES, LIMN_FEATURES,
               LIMN_FEATURES, LIMN_FEATURES, LIMN_FEATURES },
    .gradients = 255,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .prepare = prepare,
    .cases = cases,
};
