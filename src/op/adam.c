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
 * stays 0). */
#include "op/spans.h"

#include <math.h>

enum { P, G, M, V };

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
    return LIMN_OK;
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

    for (size_t i = 0, count = limn_count(call->x[P].shape); i < count; i++) {
        float g = ((const float *)call->x[G].data)[i];
        float m = a.beta1 * ((const float *)call->x[M].data)[i] + (1 - a.beta1) * g;
        float v = a.beta2 * ((const float *)call->x[V].data)[i] + (1 - a.beta2) * g * g;

        ((float *)call->y[0].data)[i] = ((const float *)call->x[P].data)[i] -
                                        a.rate * m / (sqrtf(v) * a.root + a.eps);
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

    (void)part;
    limn_kernels_chosen()->adam((float *)call->y[0].data + begin,
                                (const float *)call->x[G].data + begin,
                                (float *)call->y[1].data + begin, (float *)call->y[2].data + begin,
                                end - begin, &p->numbers);
}

static limn_status run(limn_call *call, limn_error *error)
{
    pass p = { call, numbers(call) };

    (void)error;
    limn_parallel(limn_count(call->x[P].shape), LIMN_SPAN_GRAIN, range, &p);
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
    { .x = { { 0 } } },
};

const limn_op limn_op_adam = {
    .name = "adam",
    .does = "Adam's update of a parameter and its two moments",
    .flags = LIMN_OP_UPDATE,
    .inputs_min = 4,
    .inputs_max = 4,
    .outputs = 3,
    .kinds = { LIMN_FLAT, LIMN_FLAT, LIMN_FLAT, LIMN_FLAT },
    .float32_outputs = 7,
    .overwrites = { 1, 3, 4 },
    .shape = shape,
    .forward = forward,
    .prepare = prepare,
    .cases = cases,
};
