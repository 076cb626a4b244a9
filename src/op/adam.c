/* SPDX-License-Identifier: Apache-2.0
 *
 * Adam (Kingma and Ba 2015, algorithm 1), in PyTorch's form: eps is added outside the corrected
 * root.
 *
 *     m = beta1 m + (1 - beta1) g        v = beta2 v + (1 - beta2) g^2
 *     p = p - rate / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
 *
 * with t counting from 1.  It reads and writes 28 bytes a parameter and computes little, so it is
 * as fast as memory, and knows parameters only as flat memory: in which layout weights are packed,
 * and that a packed layout may have padding, does not matter to it (padding has gradient 0 and
 * stays 0).  Where the plan keeps weights for convolutions in further layouts, these are written on
 * the way (plan_packs.c), and then it goes by pieces, rectangles of channels; so it does where the
 * gradient itself comes in pieces (gradient.c).
 *
 * With a fifth input, a sum of gradients, it accumulates: a step comes in `parts` runs, and each
 * adds its share of the gradient, 1 / parts, to the sum; the last one updates with it.  The first
 * stores instead of adding, so between steps the sum means nothing and need not be saved. */
#include "op/spans.h"

#include <math.h>

enum { P, G, M, V, S };

static limn_status shape(limn_shape *y, const limn_shape *x, int inputs, const limn_args *args,
                         limn_error *error)
{
    for (int i = 1; i < inputs; i++)
        if (!limn_shape_equal(x[i], x[0]))
            return limn_fail(error, LIMN_SHAPE,
                             "adam's parameter, gradient and moments differ in size");
    if (!(args->beta1 >= 0 && args->beta1 < 1 && args->beta2 >= 0 && args->beta2 < 1))
        return limn_fail(error, LIMN_SETTING, "adam's betas %g and %g are not in 0 to 1",
                         (double)args->beta1, (double)args->beta2);
    if (!(args->eps > 0))
        return limn_fail(error, LIMN_SETTING, "adam's eps %g is not above 0", (double)args->eps);
    y[0] = y[1] = y[2] = x[0];
    y[3] = inputs > S ? x[S] : (limn_shape){ 0 };
    return LIMN_OK;
}

static bool is_last(const limn_moment *moment)
{
    return moment->part + 1 >= moment->parts;
}

static float share(const limn_moment *moment)
{
    return 1.0f / (float)(moment->parts > 1 ? moment->parts : 1);
}

/* beta^t is taken in double: 1 - 0.999^1 has three digits less than 0.999. */
static limn_adam_numbers numbers(const limn_call *call)
{
    double t = (double)(call->moment->step + 1);
    double rate = (double)call->moment->learning_rate * (double)call->args->factor;

    return (limn_adam_numbers){
        .beta1 = call->args->beta1,
        .beta2 = call->args->beta2,
        .eps = call->args->eps,
        .rate = (float)(rate / (1 - pow((double)call->args->beta1, t))),
        .root = (float)(1 / sqrt(1 - pow((double)call->args->beta2, t))),
    };
}

static void forward(const limn_call *call)
{
    limn_adam_numbers a = numbers(call);
    bool sums = call->inputs > S, updates = !sums || is_last(call->moment);

    for (size_t i = 0, count = limn_count(call->x[P].shape); i < count; i++) {
        float g = ((const float *)call->x[G].data)[i];
        float p = ((const float *)call->x[P].data)[i], m = ((const float *)call->x[M].data)[i];
        float v = ((const float *)call->x[V].data)[i];

        if (sums) {
            g *= share(call->moment);
            if (call->moment->part > 0) g += ((const float *)call->x[S].data)[i];
            ((float *)call->y[3].data)[i] = g;
        }
        if (updates) {
            m = a.beta1 * m + (1 - a.beta1) * g;
            v = a.beta2 * v + (1 - a.beta2) * g * g;
            p -= a.rate * m / (sqrtf(v) * a.root + a.eps);
        }
        ((float *)call->y[0].data)[i] = p;
        ((float *)call->y[1].data)[i] = m;
        ((float *)call->y[2].data)[i] = v;
    }
}

typedef struct pass {
    const limn_call *call;
    limn_adam_numbers numbers;
} pass;

static void range(void *context, size_t begin, size_t end, int part)
{
    const pass *p = context;
    const limn_call *call = p->call;
    const float *gradient = (const float *)call->x[G].data + begin;

    (void)part;
    if (call->inputs > S) {
        float *sum = (float *)call->y[3].data + begin;

        limn_kernels_chosen()->scale(LIMN_F32, sum, gradient, end - begin, share(call->moment),
                                     call->moment->part > 0);
        if (!is_last(call->moment)) return;
        gradient = sum;
    }
    limn_kernels_chosen()->adam((float *)call->y[0].data + begin, gradient,
                                (float *)call->y[1].data + begin, (float *)call->y[2].data + begin,
                                end - begin, &p->numbers);
}

/* Weights are updated and packed while they are in the cache: those of 64 x 32 channels of a 4x4
 * kernel, with gradient and moments, are 512 KiB.  stride: from 16 outputs of the gradient to the
 * next 16. */
static void update_piece(const limn_call *call, const limn_adam_numbers *a, const limn_piece *piece,
                         const float *gradient, size_t stride)
{
    for (size_t out = piece->out; out < piece->out + piece->outs; out += LIMN_PACK_LANES) {
        size_t at = (out * piece->all_ins + piece->in * LIMN_PACK_LANES) * piece->taps;

        limn_kernels_chosen()->adam((float *)call->y[0].data + at, gradient,
                                    (float *)call->y[1].data + at, (float *)call->y[2].data + at,
                                    piece->ins * LIMN_PACK_LANES * piece->taps, a);
        gradient += stride;
    }
    for (int k = 0; k < call->pack_count; k++) limn_pack_one(call->packs[k], piece);
}

static void update(const limn_call *call, const limn_piece *piece, const float *gradient)
{
    limn_adam_numbers a = numbers(call);

    update_piece(call, &a, piece, gradient, piece->ins * LIMN_PACK_LANES * piece->taps);
}

typedef struct pieces {
    pass pass;
    size_t outs, ins, across; /* channels of one; how many lie side by side */
} pieces;

static void packed_range(void *context, size_t begin, size_t end, int part)
{
    const pieces *r = context;
    const limn_call *call = r->pass.call;
    const limn_pack *pack = call->packs[0];
    limn_piece piece = { .all_ins = pack->ins, .taps = pack->taps };
    size_t stride = pack->ins * LIMN_PACK_LANES * pack->taps;

    (void)part;
    for (size_t number = begin; number < end; number++) {
        size_t out = number / r->across * r->outs, in = number % r->across * r->ins;

        piece.out = out;
        piece.in = in;
        piece.outs = r->outs < pack->outs - out ? r->outs : pack->outs - out;
        piece.ins = r->ins < pack->ins - in ? r->ins : pack->ins - in;
        update_piece(call, &r->pass.numbers, &piece,
                     (const float *)call->x[G].data +
                         (out * pack->ins + in * LIMN_PACK_LANES) * pack->taps,
                     stride);
    }
}

static limn_status run(limn_call *call, limn_error *error)
{
    pieces r = { .pass = { call, numbers(call) } };
    const limn_pack *pack = call->packs[0];

    (void)error;
    if (!call->pack_count || call->inputs > S) { /* sums: packs are not asked for */
        limn_parallel(limn_count(call->x[P].shape), LIMN_SPAN_GRAIN, range, &r.pass);
        return LIMN_OK;
    }
    limn_pack_piece(call->packs, call->pack_count, LIMN_PACK_LANES, &r.outs, &r.ins);
    r.across = (pack->ins + r.ins - 1) / r.ins;
    limn_parallel((pack->outs + r.outs - 1) / r.outs * r.across, 1, packed_range, &r);
    return LIMN_OK;
}

static limn_status prepare(limn_call *call, limn_arena *arena, limn_error *error)
{
    (void)arena;
    (void)error;
    limn_call_fast(call, run);
    return LIMN_OK;
}

#define ADAM                                                                                       \
    {                                                                                              \
        .beta1 = 0.5f, .beta2 = 0.999f, .eps = 1e-8f, .factor = 1                                  \
    }

static const limn_op_case cases[] = {
    { .x = { { 1, 1, 1, 1 }, { 1, 1, 1, 1 }, { 1, 1, 1, 1 }, { 1, 1, 1, 1 } }, .args = ADAM },
    { .x = { { 1, 1, 1, 257 }, { 1, 1, 1, 257 }, { 1, 1, 1, 257 }, { 1, 1, 1, 257 } },
      .args = ADAM },
    { .x = { { 1, 1, 1, 99999 }, { 1, 1, 1, 99999 }, { 1, 1, 1, 99999 }, { 1, 1, 1, 99999 } },
      .args = ADAM },
    { .x = { { 1, 1, 1, 999 },
             { 1, 1, 1, 999 },
             { 1, 1, 1, 999 },
             { 1, 1, 1, 999 },
             { 1, 1, 1, 999 } },
      .args = ADAM },
    { .x = { { 0 } } },
};

const limn_op limn_op_adam = {
    .name = "adam",
    .does = "Adam's update of a parameter and its two moments",
    .flags = LIMN_OP_UPDATE,
    .inputs_min = 4,
    .inputs_max = 5,
    .outputs = 4,
    .kinds = { LIMN_FLAT, LIMN_FLAT, LIMN_FLAT, LIMN_FLAT, LIMN_FLAT },
    .float32_outputs = 15,
    .overwrites = { 1, 3, 4, 5 },
    .shape = shape,
    .forward = forward,
    .prepare = prepare,
    .update = update,
    .cases = cases,
};
