/* SPDX-License-Identifier: Apache-2.0
 *
 * The four phases of a doubled map, put together: what turns a 2x2 convolution into a transposed
 * one (see subpixel.c for the formula).
 *
 *     y[2q + a, 2s + b] = x[q + a, s + b, phase (a, b)]
 *
 * x has 4 c channels, phase by phase, and one row and one column more than half of y.  An int8
 * transposed convolution is computed so: its zero stands for 0 everywhere then, while a transposed
 * convolution proper sees fewer taps at the border than inside. */
#include "op/shapes.h"
#include "op/spans.h"

#include <string.h>

static limn_status shape(limn_shape *y, const limn_shape *x, int inputs, const limn_args *args,
                         limn_error *error)
{
    (void)args;
    LIMN_TRY(limn_shape_inputs(x, inputs, 1, 1, error));
    if (x->c % 4 || x->h < 2 || x->w < 2)
        return limn_fail(error, LIMN_SHAPE,
                         "four phases cannot be taken from a map of %d channels and %dx%d", x->c,
                         x->h, x->w);
    *y = (limn_shape){ x->n, x->c / 4, 2 * (x->h - 1), 2 * (x->w - 1) };
    return LIMN_OK;
}

static void forward(const limn_call *call)
{
    const limn_tensor *x = &call->x[0], *y = &call->y[0];

    for (int n = 0; n < y->shape.n; n++)
        for (int c = 0; c < y->shape.c; c++)
            for (int h = 0; h < y->shape.h; h++)
                for (int w = 0; w < y->shape.w; w++) {
                    int a = h & 1, b = w & 1, from = (a * 2 + b) * y->shape.c + c;

                    ((float *)y->data)[limn_at(y, n, c, h, w)] =
                        ((const float *)x->data)[limn_at(x, n, from, h / 2 + a, w / 2 + b)];
                }
}

/* Channels that lie side by side in both maps. */
static size_t run_of(const limn_tensor *x, const limn_tensor *y)
{
    size_t run = (size_t)(x->block < y->block ? x->block : y->block);

    while ((size_t)x->block % run || (size_t)y->block % run || (size_t)y->shape.c % run) run--;
    return run;
}

static void activate_row(const limn_call *call, int n, int h)
{
    const limn_tensor *y = &call->y[0];

    for (int c = 0; c < y->shape.c && call->activation; c += y->block) {
        char *row = (char *)y->data + limn_at(y, n, c, h, 0) * limn_type_bytes(y->type);

        limn_kernels_chosen()->activate(y->type, row, row, (size_t)y->shape.w * (size_t)y->block,
                                        call->activation, call->slope);
    }
}

static void sort_rows(void *context, size_t begin, size_t end, int part)
{
    const limn_call *call = context;
    const limn_tensor *x = &call->x[0], *y = &call->y[0];
    size_t bytes = limn_type_bytes(y->type), run = run_of(x, y);

    (void)part;
    for (size_t row = begin; row < end; row++) {
        int n = (int)(row / (size_t)y->shape.h), h = (int)(row % (size_t)y->shape.h), a = h & 1;

        for (int b = 0; b < 2; b++)
            for (int c = 0; c < y->shape.c; c += (int)run) {
                const char *from = (const char *)x->data +
                                   limn_at(x, n, (a * 2 + b) * y->shape.c + c, h / 2 + a, b) *
                                       bytes;
                char *to = (char *)y->data + limn_at(y, n, c, h, b) * bytes;

                for (int s = 0; s < y->shape.w / 2; s++) {
                    memcpy(to, from, run * bytes);
                    to += 2 * (size_t)y->block * bytes;
                    from += (size_t)x->block * bytes;
                }
            }
        activate_row(call, n, h);
    }
}

static limn_status run(limn_call *call, limn_error *error)
{
    (void)error;
    limn_parallel((size_t)call->y[0].shape.n * (size_t)call->y[0].shape.h, 8, sort_rows, call);
    return LIMN_OK;
}

static limn_status prepare(limn_call *call, limn_arena *arena, limn_error *error)
{
    (void)arena, (void)error;
    limn_call_fast(call, run);
    return LIMN_OK;
}

static const limn_op_case cases[] = {
    { { { 1, 4, 2, 2 } }, { 0 } },  { { { 2, 32, 3, 5 } }, { 0 } },  { { { 1, 64, 4, 3 } }, { 0 } },
    { { { 1, 12, 6, 7 } }, { 0 } }, { { { 1, 128, 2, 9 } }, { 0 } }, { { { 0 } }, { 0 } },
};

const limn_op limn_op_interleave = {
    .name = "interleave",
    .does = "the four phases of a doubled map, put together",
    .flags = LIMN_OP_TAIL,
    .inputs_min = 1,
    .inputs_max = 1,
    .outputs = 1,
    .kinds = { LIMN_FEATURES },
    .shape = shape,
    .forward = forward,
    .prepare = prepare,
    .cases = cases,
};
