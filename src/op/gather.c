/* SPDX-License-Identifier: Apache-2.0
 *
 * Takes the feature vectors at chosen positions out of a map: y row b * P + p is x[b, :, ids[b,
 * p]].
 *
 * The contrastive loss compares patches at a few hundred positions; the positions are drawn outside
 * and fed as whole numbers (h * width + w).  A position that is not on the map (-1 is the custom)
 * gives a row of zeros and gets no gradient.  Positions may repeat: the gradient adds.  Threads
 * share the gradient by channels, not by rows, so that repeated positions never meet. */
#include "op/op.h"
#include "op/shapes.h"

#include <string.h>

static limn_status shape(limn_shape *y, const limn_shape *x, int inputs, const limn_args *args,
                         limn_error *error)
{
    (void)args;
    LIMN_TRY(limn_shape_inputs(x, inputs, 2, 2, error));
    if (x[1].h != 1 || x[1].w != 1)
        return limn_fail(error, LIMN_SHAPE, "positions are rows of 1x1 maps, and these are %dx%d",
                         x[1].h, x[1].w);
    if (x[1].n != x[0].n)
        return limn_fail(error, LIMN_SHAPE, "there are positions for %d pictures, but %d pictures",
                         x[1].n, x[0].n);
    *y = (limn_shape){ x[0].n * x[1].c, x[0].c, 1, 1 };
    return LIMN_OK;
}

/* Position number p of picture n, or -1 where it is not on a map of that size. */
static long position(const limn_tensor *ids, int n, int p, limn_shape map)
{
    float id = ((const float *)ids->data)[(size_t)n * ids->batch_stride + (size_t)p];

    return id >= 0 && id < (float)map.h * (float)map.w ? (long)id : -1;
}

static void forward(const limn_call *call)
{
    const limn_tensor *x = &call->x[0], *ids = &call->x[1], *y = &call->y[0];
    const float *from = x->data;
    float *to = y->data;

    for (int row = 0; row < y->shape.n; row++) {
        int n = row / ids->shape.c;
        long at = position(ids, n, row % ids->shape.c, x->shape);

        for (int c = 0; c < x->shape.c; c++)
            to[limn_at(y, row, c, 0, 0)] =
                at < 0 ? 0 : from[limn_at(x, n, c, (int)(at / x->shape.w), (int)(at % x->shape.w))];
    }
}

static void backward(const limn_call *call)
{
    const limn_tensor *dx = &call->dx[0], *ids = &call->x[1], *dy = &call->dy[0];
    const float *from = dy->data;
    float *to = dx->data;

    if (!(call->wanted & 1)) return;
    if (!(call->accumulate & 1))
        for (int n = 0; n < dx->shape.n; n++)
            memset(to + limn_at(dx, n, 0, 0, 0), 0,
                   sizeof *to * limn_count(dx->shape) / (size_t)dx->shape.n);
    for (int row = 0; row < dy->shape.n; row++) {
        int n = row / ids->shape.c;
        long at = position(ids, n, row % ids->shape.c, dx->shape);

        for (int c = 0; at >= 0 && c < dx->shape.c; c++)
            to[limn_at(dx, n, c, (int)(at / dx->shape.w), (int)(at % dx->shape.w))] +=
                from[limn_at(dy, row, c, 0, 0)];
    }
}

/* ---- The fast path: block by block; on 1x1 maps a row's channels are contiguous in every layout
 * -- */

static void take_rows(void *context, size_t begin, size_t end, int part)
{
    const limn_call *call = context;
    const limn_tensor *x = &call->x[0], *ids = &call->x[1], *y = &call->y[0];
    size_t block = (size_t)x->block, plane = (size_t)x->shape.h * (size_t)x->shape.w;
    size_t bytes = limn_type_bytes(x->type), channels = (size_t)x->shape.c;

    (void)part;
    for (size_t row = begin; row < end; row++) {
        int n = (int)(row / (size_t)ids->shape.c);
        long at = position(ids, n, (int)(row % (size_t)ids->shape.c), x->shape);
        char *to = (char *)y->data + row * y->batch_stride * bytes;
        const char *from = (const char *)x->data + (size_t)n * x->batch_stride * bytes;

        if (at < 0) {
            memset(to, 0, channels * bytes);
            continue;
        }
        from += (size_t)at * block * bytes;
        for (size_t c = 0; c < channels; c += block)
            memcpy(to + c * bytes, from + c * plane * bytes, block * bytes);
    }
}

/* One unit: one block of channels (at most CHUNK of them where blocks are larger) of one picture.
 */
enum { CHUNK = 64 };

static size_t chunks_of(const limn_tensor *t)
{
    return ((size_t)t->block + CHUNK - 1) / CHUNK;
}

static void add_back(void *context, size_t begin, size_t end, int part)
{
    const limn_call *call = context;
    const limn_tensor *dx = &call->dx[0], *ids = &call->x[1], *dy = &call->dy[0];
    size_t block = (size_t)dx->block, plane = (size_t)dx->shape.h * (size_t)dx->shape.w;
    size_t chunks = chunks_of(dx), groups = (size_t)dx->shape.c / block * chunks;
    size_t bytes = limn_type_bytes(dx->type);

    (void)part;
    for (size_t unit = begin; unit < end; unit++) {
        int n = (int)(unit / groups);
        size_t inner = unit % groups % chunks * CHUNK, c = unit % groups / chunks * block + inner;
        size_t run = block - inner < CHUNK ? block - inner : CHUNK;
        size_t base = (size_t)n * dx->batch_stride + (c - inner) * plane + inner;

        if (!(call->accumulate & 1)) {
            char *first = (char *)dx->data + base * bytes;

            if (run == block)
                memset(first, 0, plane * block * bytes);
            else
                for (size_t p = 0; p < plane; p++)
                    memset(first + p * block * bytes, 0, run * bytes);
        }
        for (int p = 0; p < ids->shape.c; p++) {
            long at = position(ids, n, p, dx->shape);
            size_t to = base + (size_t)(at < 0 ? 0 : at) * block;
            size_t from = ((size_t)n * (size_t)ids->shape.c + (size_t)p) * dy->batch_stride + c;

            if (at < 0) continue;
            if (dx->type == LIMN_F32) {
                for (size_t k = 0; k < run; k++)
                    ((float *)dx->data)[to + k] += ((const float *)dy->data)[from + k];
            } else {
                uint16_t *half = (uint16_t *)dx->data + to;
                const uint16_t *add = (const uint16_t *)dy->data + from;

                for (size_t k = 0; k < run; k++)
                    half[k] = limn_to_bf16(limn_from_bf16(half[k]) + limn_from_bf16(add[k]));
            }
        }
    }
}

static limn_status run_forward(limn_call *call, limn_error *error)
{
    enum { GRAIN = 32 };

    (void)error;
    limn_parallel((size_t)call->y[0].shape.n, GRAIN, take_rows, call);
    return LIMN_OK;
}

static limn_status run_backward(limn_call *call, limn_error *error)
{
    const limn_tensor *dx = &call->dx[0];

    (void)error;
    if (call->wanted & 1)
        limn_parallel((size_t)dx->shape.n * (size_t)(dx->shape.c / dx->block) * chunks_of(dx), 1,
                      add_back, call);
    return LIMN_OK;
}

static limn_status prepare(limn_call *call, limn_arena *arena, limn_error *error)
{
    (void)arena, (void)error;
    call->run = call->backward ? run_backward : run_forward;
    call->implementation = "blocks";
    return LIMN_OK;
}

static const limn_op_case cases[] = {
    { { { 1, 1, 1, 1 }, { 1, 1, 1, 1 } }, { 0 } },   { { { 2, 16, 3, 4 }, { 2, 5, 1, 1 } }, { 0 } },
    { { { 1, 32, 4, 4 }, { 1, 24, 1, 1 } }, { 0 } }, /* more positions than places: they repeat */
    { { { 2, 72, 2, 3 }, { 2, 4, 1, 1 } }, { 0 } },  /* channels last: 64 and 8 */
    { { { 3, 5, 2, 7 }, { 3, 2, 1, 1 } }, { 0 } },   { { { 0 } }, { 0 } },
};

const limn_op limn_op_gather = {
    .name = "gather",
    .does = "feature vectors at given positions, as rows",
    .inputs_min = 2,
    .inputs_max = 2,
    .outputs = 1,
    .kinds = { LIMN_FEATURES, LIMN_INDICES },
    .gradients = 1,
    .backward_reads_x = 2,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .prepare = prepare,
    .cases = cases,
};
