/* SPDX-License-Identifier: Apache-2.0
 *
 * Concatenation: maps side by side in channels, the skip connections of the U-Net and the pair that
 * a critic looks at.
 *
 * The best copy is none: the planner writes an input where it belongs inside y, or its gradient is
 * read where it lies inside dy, and both directions leave out a part that is already in place.
 *
 * What is left are moves between two layouts.  Channels are cut into runs that are neighbours in
 * both, and a run is moved pixel by pixel: 3 + 3 channels of NHWC are two runs of 3. */
#include "op/spans.h"

static limn_status shape(limn_shape *y, const limn_shape *x, int inputs, const limn_args *args,
                         limn_error *error)
{
    (void)args;
    y[0] = x[0];
    for (int i = 1; i < inputs; i++) {
        if (x[i].n != x[0].n || x[i].h != x[0].h || x[i].w != x[0].w)
            return limn_fail(error, LIMN_SHAPE,
                             "input %d is %dx%dx%dx%d and input 0 is %dx%dx%dx%d; only the "
                             "channels may differ",
                             i, x[i].n, x[i].c, x[i].h, x[i].w, x[0].n, x[0].c, x[0].h, x[0].w);
        y[0].c += x[i].c;
    }
    return LIMN_OK;
}

static void forward(const limn_call *call)
{
    limn_shape s = call->y[0].shape;
    size_t plane = (size_t)s.h * (size_t)s.w, first = 0;

    for (int i = 0; i < call->inputs; i++) {
        size_t part = (size_t)call->x[i].shape.c * plane;

        for (size_t n = 0; n < (size_t)s.n; n++)
            for (size_t k = 0; k < part; k++)
                ((float *)call->y[0].data)[n * (size_t)s.c * plane + first + k] =
                    ((const float *)call->x[i].data)[n * part + k];
        first += part;
    }
}

static void backward(const limn_call *call)
{
    limn_shape s = call->dy[0].shape;
    size_t plane = (size_t)s.h * (size_t)s.w, first = 0;
    const float *dy = call->dy[0].data;

    for (int i = 0; i < call->inputs; i++) {
        size_t part = (size_t)call->x[i].shape.c * plane;

        if (limn_wanted(call, i))
            for (size_t n = 0; n < (size_t)s.n; n++)
                for (size_t k = 0; k < part; k++)
                    limn_give(call, i, n * part + k, dy[n * (size_t)s.c * plane + first + k]);
        first += part;
    }
}

/* ---- Fast version ---------------------------------------------------------------------------- */

/* Channels first, first + 1 ... of `whole` to or from the tensor `part`. */
typedef struct move {
    const limn_tensor *part, *whole;
    size_t first;
    bool out_of_whole, accumulate;
    size_t plane, tile, tiles; /* pixels; tiles of a picture */
} move;

static char *at(const limn_tensor *t, size_t picture, size_t channel, size_t pixel)
{
    size_t plane = (size_t)t->shape.h * (size_t)t->shape.w, block = (size_t)t->block;

    return (char *)t->data + (picture * t->batch_stride + channel / block * plane * block +
                              pixel * block + channel % block) *
                                 limn_type_bytes(t->type);
}

static void move_tiles(void *context, size_t begin, size_t end, int unused)
{
    const move *m = context;
    size_t channels = (size_t)m->part->shape.c;
    size_t small = (size_t)m->part->block, large = (size_t)m->whole->block;

    (void)unused;
    for (size_t unit = begin; unit < end; unit++) {
        size_t picture = unit / m->tiles, pixel = unit % m->tiles * m->tile;
        size_t pixels = m->plane - pixel < m->tile ? m->plane - pixel : m->tile;

        for (size_t c = 0, run; c < channels; c += run) {
            char *part = at(m->part, picture, c, pixel);
            char *whole = at(m->whole, picture, m->first + c, pixel);

            run = small - c % small; /* to the next border of a block, in either */
            if (large - (m->first + c) % large < run) run = large - (m->first + c) % large;
            if (m->out_of_whole)
                limn_kernels_chosen()->move_runs(m->part->type, part, small, whole, large, pixels,
                                                 run, m->accumulate);
            else
                limn_kernels_chosen()->move_runs(m->part->type, whole, large, part, small, pixels,
                                                 run, false);
        }
    }
}

static bool in_place(const limn_tensor *part, const limn_tensor *whole, size_t first)
{
    return part->data == (void *)at(whole, 0, first, 0) && part->block == whole->block &&
           (part->batch_stride == whole->batch_stride || part->shape.n == 1);
}

static limn_status run(limn_call *call, limn_error *error)
{
    const limn_tensor *whole = call->backward ? &call->dy[0] : &call->y[0];
    size_t first = 0;

    (void)error;
    for (int i = 0; i < call->inputs; i++) {
        move m = { .part = call->backward ? &call->dx[i] : &call->x[i],
                   .whole = whole,
                   .first = first,
                   .out_of_whole = call->backward,
                   .accumulate = call->backward && limn_accumulates(call, i) };

        first += (size_t)call->x[i].shape.c;
        if (call->backward && !limn_wanted(call, i)) continue;
        if (in_place(m.part, m.whole, m.first) && !m.accumulate) continue;
        m.plane = (size_t)whole->shape.h * (size_t)whole->shape.w;
        m.tile = m.plane < 1024 ? m.plane : 1024;
        m.tiles = (m.plane + m.tile - 1) / m.tile;
        limn_parallel((size_t)whole->shape.n * m.tiles,
                      LIMN_SPAN_GRAIN / (m.tile * (size_t)m.part->shape.c) + 1, move_tiles, &m);
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
    { .x = { { 2, 3, 4, 5 }, { 2, 6, 4, 5 } } },
    { .x = { { 2, 16, 3, 3 }, { 2, 48, 3, 3 } } },
    { .x = { { 1, 20, 3, 5 }, { 1, 8, 3, 5 }, { 1, 20, 3, 5 } } },
    { .x = { { 2, 32, 33, 32 }, { 2, 32, 33, 32 } } },
    { .x = { { 2, 3, 67, 31 }, { 2, 3, 67, 31 } } },
    { .x = { { 1, 5, 2, 2 } } },
    { .x = { { 0 } } },
};

const limn_op limn_op_concat = {
    .name = "concat",
    .does = "maps side by side in channels",
    .flags = LIMN_OP_CONCAT,
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
