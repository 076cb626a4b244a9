/* SPDX-License-Identifier: Apache-2.0
 *
 * Mirrors a map left to right in some of the steps, or leaves it as it is.
 *
 * FastCUT translates a mirrored picture in half of the steps and mirrors the features of the result
 * back, which teaches the generator that left and right mean nothing (Park et al. 2020, appendix).
 * Whether it does is drawn for the whole batch from (seed, stream, step): nodes of one stream
 * agree, so what was mirrored in front of a network is mirrored back behind it.  The gradient of a
 * mirror is the mirror, drawn again in the backward pass.
 *
 * Dropped: two graphs, one of which is run.  This one costs a copy of what is mirrored and keeps a
 * step one plan. */
#include "op/shapes.h"
#include "op/spans.h"

#include <string.h>

static limn_status shape(limn_shape *y, const limn_shape *x, int inputs, const limn_args *args,
                         limn_error *error)
{
    LIMN_TRY(limn_shape_inputs(x, inputs, 1, 1, error));
    if (!(args->probability >= 0 && args->probability <= 1))
        return limn_fail(error, LIMN_SETTING, "flip's probability %g is not in 0 to 1",
                         (double)args->probability);
    *y = x[0];
    return LIMN_OK;
}

static bool mirrored(const limn_call *call)
{
    limn_random random = { .seed = call->moment->seed,
                           .stream = call->args->stream,
                           .step = call->moment->step };

    return limn_random_uniform(&random, 0) < call->args->probability;
}

static void forward(const limn_call *call)
{
    const limn_tensor *x = &call->x[0], *y = &call->y[0];
    bool flip = mirrored(call);
    int width = x->shape.w;

    for (int n = 0; n < x->shape.n; n++)
        for (int c = 0; c < x->shape.c; c++)
            for (int h = 0; h < x->shape.h; h++)
                for (int w = 0; w < width; w++)
                    ((float *)y->data)[limn_at(y, n, c, h, w)] =
                        ((const float *)x->data)[limn_at(x, n, c, h, flip ? width - 1 - w : w)];
}

static void backward(const limn_call *call)
{
    const limn_tensor *dx = &call->dx[0], *dy = &call->dy[0];
    bool flip = mirrored(call);
    int width = dy->shape.w;

    if (!limn_wanted(call, 0)) return;
    for (int n = 0; n < dy->shape.n; n++)
        for (int c = 0; c < dy->shape.c; c++)
            for (int h = 0; h < dy->shape.h; h++)
                for (int w = 0; w < width; w++)
                    limn_give(
                        call, 0, limn_at(dx, n, c, h, w),
                        ((const float *)dy->data)[limn_at(dy, n, c, h, flip ? width - 1 - w : w)]);
}

/* ---- The fast path: a row of one block of channels is contiguous in every layout ---------------
 */

typedef struct pass {
    limn_tensor to, from;
    bool flip, accumulate;
} pass;

static void add(limn_type type, void *to, const void *from, size_t count)
{
    if (type == LIMN_F32) {
        for (size_t i = 0; i < count; i++) ((float *)to)[i] += ((const float *)from)[i];
        return;
    }
    for (size_t i = 0; i < count; i++) {
        uint16_t *half = (uint16_t *)to + i;

        *half = limn_to_bf16(limn_from_bf16(*half) + limn_from_bf16(((const uint16_t *)from)[i]));
    }
}

static void move_rows(void *context, size_t begin, size_t end, int part)
{
    const pass *p = context;
    size_t block = (size_t)p->to.block, width = (size_t)p->to.shape.w;
    size_t bytes = limn_type_bytes(p->to.type), pixel = block * bytes;
    size_t rows = (size_t)p->to.shape.c / block * (size_t)p->to.shape.h;

    (void)part;
    for (size_t row = begin; row < end; row++) {
        size_t n = row / rows, at = row % rows * width * block;
        char *to = (char *)p->to.data + (n * p->to.batch_stride + at) * bytes;
        const char *from = (const char *)p->from.data + (n * p->from.batch_stride + at) * bytes;

        for (size_t x = 0; x < width; x++) {
            const char *one = from + (p->flip ? width - 1 - x : x) * pixel;

            if (p->accumulate)
                add(p->to.type, to + x * pixel, one, block);
            else
                memcpy(to + x * pixel, one, pixel);
        }
    }
}

static limn_status run(limn_call *call, limn_error *error)
{
    pass p = { .flip = mirrored(call) };
    size_t row;

    (void)error;
    if (call->backward && !limn_wanted(call, 0)) return LIMN_OK;
    p.to = call->backward ? call->dx[0] : call->y[0];
    p.from = call->backward ? call->dy[0] : call->x[0];
    p.accumulate = call->backward && limn_accumulates(call, 0);
    row = (size_t)p.to.shape.w * (size_t)p.to.block;
    limn_parallel(limn_count(p.to.shape) / row, LIMN_SPAN_GRAIN / row + 1, move_rows, &p);
    return LIMN_OK;
}

static limn_status prepare(limn_call *call, limn_arena *arena, limn_error *error)
{
    (void)arena, (void)error;
    limn_call_fast(call, run);
    return LIMN_OK;
}

static const limn_op_case cases[] = {
    { { { 1, 1, 1, 1 } }, { .probability = 1 } },
    { { { 2, 3, 5, 7 } }, { .probability = 1 } },
    { { { 2, 16, 3, 4 } }, { .probability = 1, .stream = 2 } },
    { { { 1, 72, 4, 5 } }, { .probability = 1 } }, /* channels last: 64 and 8 */
    { { { 1, 32, 6, 9 } }, { .probability = 0.5f, .stream = 5 } },
    { { { 2, 8, 3, 3 } }, { .probability = 0 } }, /* never */
    { { { 0 } }, { 0 } },
};

const limn_op limn_op_flip = {
    .name = "flip",
    .does = "left to right and right to left, in steps that are drawn",
    .flags = LIMN_OP_RANDOM,
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
