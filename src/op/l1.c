/* SPDX-License-Identifier: Apache-2.0
 *
 * The mean absolute difference: how far a picture is from the one it should be (Isola et al. 2017,
 * equation 3), and how far CycleGAN is from coming back.
 *
 *     loss = mean |a - b|        da = dloss * sign(a - b) / count = -db
 *
 * The sign of 0 is 0, as in PyTorch. */
#include "op/spans.h"

#include <math.h>

static limn_status shape(limn_shape *y, const limn_shape *x, int inputs, const limn_args *args,
                         limn_error *error)
{
    (void)inputs;
    (void)args;
    if (!limn_shape_equal(x[0], x[1]))
        return limn_fail(error, LIMN_SHAPE,
                         "l1 compares equal shapes; these are %dx%dx%dx%d and %dx%dx%dx%d", x[0].n,
                         x[0].c, x[0].h, x[0].w, x[1].n, x[1].c, x[1].h, x[1].w);
    y[0] = (limn_shape){ 1, 1, 1, 1 };
    return LIMN_OK;
}

static void forward(const limn_call *call)
{
    const float *a = call->x[0].data, *b = call->x[1].data;
    size_t count = limn_count(call->x[0].shape);
    double sum = 0;

    for (size_t i = 0; i < count; i++) sum += fabs((double)a[i] - (double)b[i]);
    *(float *)call->y[0].data = (float)(sum / (double)count);
}

/* The gradient of one element with a > b. */
static float share(const limn_call *call)
{
    return *(const float *)call->dy[0].data / (float)limn_count(call->x[0].shape);
}

static void backward(const limn_call *call)
{
    const float *a = call->x[0].data, *b = call->x[1].data;
    float g = share(call);

    for (size_t i = 0, count = limn_count(call->x[0].shape); i < count; i++) {
        float d = a[i] - b[i], v = d > 0 ? g : d < 0 ? -g : d == 0 ? 0 : d; /* NaN stays */

        if (limn_wanted(call, 0)) limn_give(call, 0, i, v);
        if (limn_wanted(call, 1)) limn_give(call, 1, i, -v);
    }
}

typedef struct sums {
    limn_call *call;
    double of_part[LIMN_PARTS_MAX];
} sums;

static void forward_range(void *context, size_t begin, size_t end, int part)
{
    sums *s = context;
    const limn_tensor *a = &s->call->x[0], *b = &s->call->x[1];
    limn_span span;

    for (; (span = limn_span_at(a->shape, begin, end)).count; begin += span.count)
        s->of_part[part] += limn_kernels_chosen()->l1(a->type, limn_span_data(a, &span),
                                                      limn_span_data(b, &span), span.count);
}

static void backward_range(void *context, size_t begin, size_t end, int part)
{
    const limn_call *call = context;
    bool swap = !limn_wanted(call, 0); /* only b's gradient: it is a's with the maps exchanged */
    int first = swap ? 1 : 0, second = swap ? 0 : 1;
    limn_span span;

    (void)part;
    for (; (span = limn_span_at(call->x[0].shape, begin, end)).count; begin += span.count)
        limn_kernels_chosen()->l1_back(
            call->x[0].type, limn_span_data(&call->dx[first], &span),
            limn_wanted(call, second) ? limn_span_data(&call->dx[second], &span) : NULL,
            limn_span_data(&call->x[first], &span), limn_span_data(&call->x[second], &span),
            span.count, share(call), limn_accumulates(call, first), limn_accumulates(call, second));
}

static limn_status run(limn_call *call, limn_error *error)
{
    size_t count = limn_count(call->x[0].shape);

    (void)error;
    if (call->backward) {
        if (call->wanted) limn_parallel(count, LIMN_SPAN_GRAIN, backward_range, call);
    } else {
        sums s = { .call = call };
        double sum = 0;

        limn_parallel(count, LIMN_SPAN_GRAIN, forward_range, &s);
        for (int part = 0; part < LIMN_PARTS_MAX; part++) sum += s.of_part[part];
        *(float *)call->y[0].data = (float)(sum / (double)count);
    }
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
    { .x = { { 2, 3, 5, 7 }, { 2, 3, 5, 7 } } },
    { .x = { { 3, 8, 3, 3 }, { 3, 8, 3, 3 } } },
    { .x = { { 2, 16, 1, 5 }, { 2, 16, 1, 5 } } },
    { .x = { { 1, 20, 9, 4 }, { 1, 20, 9, 4 } } },
    { .x = { { 2, 32, 33, 31 }, { 2, 32, 33, 31 } } },
    { .x = { { 1, 48, 3, 2 }, { 1, 48, 3, 2 } } },
    { .x = { { 0 } } },
};

const limn_op limn_op_l1 = {
    .name = "l1",
    .does = "mean absolute difference",
    .flags = LIMN_OP_KINK,
    .inputs_min = 2,
    .inputs_max = 2,
    .outputs = 1,
    .kinds = { LIMN_FEATURES, LIMN_FEATURES },
    .gradients = 3,
    .backward_reads_x = 3,
    .float32_outputs = 1,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .prepare = prepare,
    .cases = cases,
};
