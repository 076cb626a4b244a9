/* SPDX-License-Identifier: Apache-2.0
 *
 * Dropout (Srivastava et al. 2014): while training, an element is dropped with probability p and
 * the others are multiplied by 1 / (1 - p).  In the U-Net it is also the only source of variation.
 *
 * The mask is not stored.  It comes from (seed, stream of the node, step, index of the element in
 * NCHW order), so the backward pass draws it again, and every layout, both versions and a resumed
 * run draw the same one.  An element is worth 16 bits, eight elements a Philox block: half index %
 * 8 (low half of word 0, high half of word 0, low half of word 1 ...) of block index / 8.  It is
 * dropped where its bits are below p * 65536; p is met to 2^-17.
 *
 * A mask may also be given as second input, for tests and for recorded numbers: y = x * m / (1 -
 * p). */
#include "op/spans.h"

#include <math.h>

static limn_status shape(limn_shape *y, const limn_shape *x, int inputs, const limn_args *args,
                         limn_error *error)
{
    if (!(args->probability >= 0 && args->probability < 1))
        return limn_fail(error, LIMN_SETTING, "dropout probability %g is not in 0 to 1",
                         (double)args->probability);
    if (inputs == 2 && !limn_shape_equal(x[0], x[1]))
        return limn_fail(error, LIMN_SHAPE,
                         "dropout's mask is %dx%dx%dx%d and its input %dx%dx%dx%d", x[1].n, x[1].c,
                         x[1].h, x[1].w, x[0].n, x[0].c, x[0].h, x[0].w);
    y[0] = x[0];
    return LIMN_OK;
}

static limn_dropout numbers(const limn_call *call)
{
    float p = call->args->probability;

    return (limn_dropout){ .random = { .seed = call->moment->seed,
                                       .stream = call->args->stream +
                                                 (uint32_t)call->moment->part * 0x9e3779b9u,
                                       .step = call->moment->step },
                           .limit = (uint32_t)lrintf(p * 65536),
                           .factor = 1 / (1 - p) };
}

static bool kept(const limn_dropout *dropout, uint64_t index)
{
    uint32_t words[4];

    limn_random_words(&dropout->random, index / 8, words);
    return (words[index % 8 / 2] >> (index % 2 * 16) & 0xffff) >= dropout->limit;
}

/* What element i of x is multiplied with. */
static float multiplier(const limn_call *call, const limn_dropout *dropout, size_t i)
{
    if (!call->args->training) return 1;
    if (call->inputs == 2) return ((const float *)call->x[1].data)[i] * dropout->factor;
    return kept(dropout, i) ? dropout->factor : 0;
}

static void forward(const limn_call *call)
{
    limn_dropout dropout = numbers(call);
    const float *x = call->x[0].data;
    float *y = call->y[0].data;

    for (size_t i = 0, count = limn_count(call->x[0].shape); i < count; i++)
        y[i] = multiplier(call, &dropout, i) * x[i];
}

static void backward(const limn_call *call)
{
    limn_dropout dropout = numbers(call);
    const float *x = call->x[0].data, *dy = call->dy[0].data;

    for (size_t i = 0, count = limn_count(call->dy[0].shape); i < count; i++) {
        float d = dy[i]; /* dx may be the memory of dy */

        if (limn_wanted(call, 0)) limn_give(call, 0, i, multiplier(call, &dropout, i) * d);
        if (limn_wanted(call, 1))
            limn_give(call, 1, i, call->args->training ? d * x[i] * dropout.factor : 0);
    }
}

/* ---- Fast versions: from one map to another, forward x to y, backward dy to dx -----------------
 */

typedef struct pass {
    limn_dropout dropout;
    limn_call *call;
    limn_tensor to, from, mask; /* mask.data NULL: drawn */
    float factor;               /* for given masks, and without training */
    bool accumulate;
} pass;

/* No drawing: every element times factor, and times the mask where there is one. */
static void multiply_range(void *context, size_t begin, size_t end, int part)
{
    const pass *p = context;
    limn_span span;

    (void)part;
    for (; (span = limn_span_at(p->to.shape, begin, end)).count; begin += span.count) {
        void *to = limn_span_data(&p->to, &span), *mask = limn_span_data(&p->mask, &span);
        const void *from = limn_span_data(&p->from, &span);

        if (mask)
            limn_kernels_chosen()->multiply(p->to.type, to, from, mask, span.count, p->factor,
                                            p->accumulate);
        else
            limn_kernels_chosen()->scale(p->to.type, to, from, span.count, p->factor,
                                         p->accumulate);
    }
}

/* Block 1: elements lie in NCHW order. */
static void draw_range(void *context, size_t begin, size_t end, int part)
{
    const pass *p = context;
    limn_span span;

    (void)part;
    for (; (span = limn_span_at(p->to.shape, begin, end)).count; begin += span.count)
        limn_kernels_chosen()->dropout(p->to.type, limn_span_data(&p->to, &span),
                                       limn_span_data(&p->from, &span), span.count, begin,
                                       &p->dropout, p->accumulate);
}

/* Other blocks: units of one group of channels in one picture. */
enum { TILE_CHANNELS = 64, TILE_PIXELS = 128 };

static size_t plane_of(const limn_tensor *t)
{
    return (size_t)t->shape.h * (size_t)t->shape.w;
}

/* Masks of a tile: one draw for all channels where a tile has whole planes, which lie end to end.
 */
static void draw_tile(const pass *p, unsigned char *keep, uint64_t first, size_t channels,
                      size_t pixels)
{
    size_t plane = plane_of(&p->to);

    if (pixels == plane) {
        limn_kernels_chosen()->dropout_mask(keep, channels * plane, first, &p->dropout);
        return;
    }
    for (size_t k = 0; k < channels; k++)
        limn_kernels_chosen()->dropout_mask(keep + k * pixels, pixels, first + k * plane,
                                            &p->dropout);
}

/* A group in tiles; first is the index of its first element. */
static void draw_tiles(const pass *p, char *to, const char *from, uint64_t first)
{
    size_t plane = plane_of(&p->to), bytes = limn_type_bytes(p->to.type);
    size_t block = (size_t)p->to.block;
    unsigned char keep[TILE_CHANNELS * TILE_PIXELS];

    for (size_t k = 0, channels; k < block; k += channels) {
        channels = block - k < TILE_CHANNELS ? block - k : TILE_CHANNELS;
        for (size_t at = 0, pixels; at < plane; at += pixels) {
            size_t offset = (at * block + k) * bytes;

            pixels = plane - at < TILE_PIXELS ? plane - at : TILE_PIXELS;
            draw_tile(p, keep, first + k * plane + at, channels, pixels);
            limn_kernels_chosen()->dropout_tile(p->to.type, to + offset, from + offset, block,
                                                pixels, channels, keep, pixels, p->dropout.factor,
                                                p->accumulate);
        }
    }
}

static void draw_blocks(void *context, size_t begin, size_t end, int part)
{
    const pass *p = context;
    size_t plane = plane_of(&p->to), block = (size_t)p->to.block;
    size_t groups = (size_t)p->to.shape.c / block;

    (void)part;
    for (size_t unit = begin; unit < end; unit++) {
        limn_span span = { .picture = unit / groups, .offset = unit % groups * block * plane };
        char *to = limn_span_data(&p->to, &span), *from = limn_span_data(&p->from, &span);
        uint64_t first = (uint64_t)unit * block * plane;

        if (block == 16 && plane % 8 == 0)
            limn_kernels_chosen()->dropout_block16(p->to.type, to, from, plane, first, plane,
                                                   &p->dropout, p->accumulate);
        else
            draw_tiles(p, to, from, first);
    }
}

static void multiply_all(pass *p)
{
    limn_parallel(limn_count(p->to.shape), LIMN_SPAN_GRAIN, multiply_range, p);
}

static void drop(pass *p)
{
    size_t block = (size_t)p->to.block, unit = block * plane_of(&p->to);

    if (!p->call->args->training || p->mask.data)
        multiply_all(p);
    else if (block == 1 || unit == block) /* one pixel: every block is in NCHW order */
        limn_parallel(limn_count(p->to.shape), LIMN_SPAN_GRAIN, draw_range, p);
    else
        limn_parallel(limn_count(p->to.shape) / unit, LIMN_SPAN_GRAIN / 4 / unit + 1, draw_blocks,
                      p);
}

static limn_status run(limn_call *call, limn_error *error)
{
    pass p = { .dropout = numbers(call), .call = call };
    bool given = call->args->training && call->inputs == 2;

    (void)error;
    p.factor = call->args->training ? p.dropout.factor : 1;
    if (!call->backward || limn_wanted(call, 0)) {
        p.to = call->backward ? call->dx[0] : call->y[0];
        p.from = call->backward ? call->dy[0] : call->x[0];
        if (given) p.mask = call->x[1];
        p.accumulate = call->backward && limn_accumulates(call, 0);
    }
    if (call->backward && limn_wanted(call, 1)) { /* first: dx may be the memory of dy */
        pass of_mask = { .call = call,
                         .to = call->dx[1],
                         .from = call->dy[0],
                         .mask = call->x[0],
                         .factor = call->args->training ? p.factor : 0,
                         .accumulate = limn_accumulates(call, 1) };

        multiply_all(&of_mask);
    }
    if (p.to.data) drop(&p);
    return LIMN_OK;
}

static limn_status prepare(limn_call *call, limn_arena *arena, limn_error *error)
{
    (void)arena;
    (void)error;
    limn_call_fast(call, run);
    return LIMN_OK;
}

#define HALF                                                                                       \
    {                                                                                              \
        .probability = 0.5f, .training = true, .stream = 7                                         \
    }

static const limn_op_case cases[] = {
    { .x = { { 1, 1, 1, 1 } }, .args = HALF },
    { .x = { { 2, 3, 5, 7 } }, .args = { .probability = 0.3f, .training = true } },
    { .x = { { 2, 3, 5, 7 }, { 2, 3, 5, 7 } }, .args = HALF },
    { .x = { { 2, 8, 4, 4 } }, .args = HALF },
    { .x = { { 3, 16, 3, 5 } }, .args = HALF },
    { .x = { { 2, 16, 1, 1 } }, .args = HALF },
    { .x = { { 1, 20, 7, 7 } }, .args = { .probability = 0.9f, .training = true, .stream = 1 } },
    { .x = { { 2, 32, 24, 31 } }, .args = HALF },
    { .x = { { 1, 48, 5, 9 }, { 1, 48, 5, 9 } }, .args = HALF },
    { .x = { { 2, 16, 4, 3 } }, .args = { .probability = 0.5f } }, /* not training: nothing */
    { .x = { { 0 } } },
};

const limn_op limn_op_dropout = {
    .name = "dropout",
    .does = "zero with a probability while training, the rest scaled up",
    .flags = LIMN_OP_RANDOM | LIMN_OP_INPLACE | LIMN_OP_INPLACE_BACKWARD,
    .inputs_min = 1,
    .inputs_max = 2,
    .outputs = 1,
    .kinds = { LIMN_FEATURES, LIMN_FEATURES },
    .gradients = 3,
    .backward_reads_x = 3,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .prepare = prepare,
    .cases = cases,
};
