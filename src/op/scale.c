/* SPDX-License-Identifier: Apache-2.0
 *
 * A constant times a map: the weight of a loss, and changes of range. */
#include "op/spans.h"

#include <math.h>

static limn_status shape(limn_shape *y, const limn_shape *x, int inputs, const limn_args *args,
                         limn_error *error)
{
    (void)inputs;
    if (!isfinite(args->factor))
        return limn_fail(error, LIMN_SETTING, "scale factor %g is not a finite number",
                         (double)args->factor);
    y[0] = x[0];
    return LIMN_OK;
}

static void forward(const limn_call *call)
{
    for (size_t i = 0, count = limn_count(call->y[0].shape); i < count; i++)
        ((float *)call->y[0].data)[i] = call->args->factor * ((const float *)call->x[0].data)[i];
}

static void backward(const limn_call *call)
{
    for (size_t i = 0, count = limn_count(call->dy[0].shape); i < count; i++)
        limn_give(call, 0, i, call->args->factor * ((const float *)call->dy[0].data)[i]);
}

static void range(void *context, size_t begin, size_t end, int part)
{
    const limn_call *call = context;
    const limn_tensor *to = call->backward ? &call->dx[0] : &call->y[0];
    const limn_tensor *from = call->backward ? &call->dy[0] : &call->x[0];
    limn_span span;

    (void)part;
    for (; (span = limn_span_at(to->shape, begin, end)).count; begin += span.count)
        limn_kernels_chosen()->scale(to->type, limn_span_data(to, &span),
                                     limn_span_data(from, &span), span.count, call->args->factor,
                                     call->backward && limn_accumulates(call, 0));
}

static limn_status run(limn_call *call, limn_error *error)
{
    (void)error;
    if (!call->backward || limn_wanted(call, 0))
        limn_parallel(limn_count(call->backward ? call->dy[0].shape : call->y[0].shape),
                      LIMN_SPAN_GRAIN, range, call);
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
    { .x = { { 1, 1, 1, 1 } }, .args = { .factor = 100 } },
    { .x = { { 2, 3, 5, 7 } }, .args = { .factor = 0.5f } },
    { .x = { { 3, 8, 3, 3 } }, .args = { .factor = -1 } },
    { .x = { { 2, 16, 1, 5 } }, .args = { .factor = 3 } },
    { .x = { { 1, 20, 9, 4 } }, .args = { .factor = 0.1f } },
    { .x = { { 2, 32, 33, 31 } }, .args = { .factor = 0.1f } },
    { .x = { { 1, 48, 3, 2 } }, .args = { .factor = 0 } },
    { .x = { { 0 } } },
};

const limn_op limn_op_scale = {
    .name = "scale",
    .does = "a constant times a map",
    .flags = LIMN_OP_INPLACE | LIMN_OP_INPLACE_BACKWARD,
    .inputs_min = 1,
    .inputs_max = 1,
    .outputs = 1,
    .kinds = { LIMN_FEATURES },
    .gradients = 1,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .prepare = prepare,
    .cases = cases,
};
