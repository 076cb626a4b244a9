/* SPDX-License-Identifier: Apache-2.0
 *
 * The adversarial losses: what a critic's answers x, one number a patch, are worth.
 *
 *     vanilla         binary cross entropy of the logits with target t (Goodfellow et al. 2014):
 *                     real log(1 + e^-x), fake log(1 + e^x); the generator asks for "real"
 *     nonsaturating   the same numbers, under the name that the R1 papers use (softplus)
 *     lsgan           (x - t)^2 (Mao et al. 2017)
 *     hinge           critic: real max(0, 1 - x), fake max(0, 1 + x); generator: -x (Lim and Ye
 * 2017)
 *
 * each averaged over all elements.  With a sign, +1 for real and -1 for fake, they are four
 * formulas (kernels.h). */
#include "op/spans.h"

#include <math.h>

static limn_status shape(limn_shape *y, const limn_shape *x, int inputs, const limn_args *args,
                         limn_error *error)
{
    (void)x;
    (void)inputs;
    if (args->mode < LIMN_GAN_VANILLA || args->mode > LIMN_GAN_NONSATURATING)
        return limn_fail(error, LIMN_SETTING, "there is no adversarial loss number %d", args->mode);
    if (args->target != 0 && args->target != 1)
        return limn_fail(error, LIMN_SETTING,
                         "the target of an adversarial loss is 1 (real) or 0 (fake), not %d",
                         args->target);
    y[0] = (limn_shape){ 1, 1, 1, 1 };
    return LIMN_OK;
}

static double softplus(double x)
{
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}

static double value(const limn_args *args, double x)
{
    switch ((limn_gan_mode)args->mode) {
    case LIMN_GAN_VANILLA:
    case LIMN_GAN_NONSATURATING:
        return softplus(args->target ? -x : x);
    case LIMN_GAN_LSGAN:
        return (x - args->target) * (x - args->target);
    case LIMN_GAN_HINGE:
        if (!args->critic) return -x;
        return fmax(0, args->target ? 1 - x : 1 + x);
    }
    return 0;
}

static double slope(const limn_args *args, double x)
{
    switch ((limn_gan_mode)args->mode) {
    case LIMN_GAN_VANILLA:
    case LIMN_GAN_NONSATURATING:
        return 1 / (1 + exp(-x)) - args->target;
    case LIMN_GAN_LSGAN:
        return 2 * (x - args->target);
    case LIMN_GAN_HINGE:
        if (!args->critic) return -1;
        return args->target ? -(double)(x < 1) : (double)(x > -1);
    }
    return 0;
}

static void forward(const limn_call *call)
{
    const float *x = call->x[0].data;
    size_t count = limn_count(call->x[0].shape);
    double sum = 0;

    for (size_t i = 0; i < count; i++) sum += value(call->args, (double)x[i]);
    *(float *)call->y[0].data = (float)(sum / (double)count);
}

static float share(const limn_call *call)
{
    return *(const float *)call->dy[0].data / (float)limn_count(call->x[0].shape);
}

static void backward(const limn_call *call)
{
    const float *x = call->x[0].data;

    for (size_t i = 0, count = limn_count(call->x[0].shape); i < count; i++)
        limn_give(call, 0, i, share(call) * (float)slope(call->args, (double)x[i]));
}

/* ---- Fast version ---------------------------------------------------------------------------- */

typedef struct sums {
    limn_call *call;
    int form;
    float sign;
    double of_part[LIMN_PARTS_MAX];
} sums;

static void forward_range(void *context, size_t begin, size_t end, int part)
{
    sums *s = context;
    const limn_tensor *x = &s->call->x[0];
    limn_span span;

    for (; (span = limn_span_at(x->shape, begin, end)).count; begin += span.count)
        s->of_part[part] += limn_kernels_chosen()->gan(x->type, limn_span_data(x, &span),
                                                       span.count, s->form, s->sign);
}

static void backward_range(void *context, size_t begin, size_t end, int part)
{
    const sums *s = context;
    const limn_call *call = s->call;
    const limn_tensor *x = &call->x[0];
    limn_span span;

    (void)part;
    for (; (span = limn_span_at(x->shape, begin, end)).count; begin += span.count)
        limn_kernels_chosen()->gan_back(x->type, limn_span_data(&call->dx[0], &span),
                                        limn_span_data(x, &span), span.count, s->form, s->sign,
                                        share(call), limn_accumulates(call, 0));
}

static limn_status run(limn_call *call, limn_error *error)
{
    static const int forms[] = { [LIMN_GAN_VANILLA] = LIMN_GAN_FORM_SOFTPLUS,
                                 [LIMN_GAN_NONSATURATING] = LIMN_GAN_FORM_SOFTPLUS,
                                 [LIMN_GAN_LSGAN] = LIMN_GAN_FORM_SQUARE,
                                 [LIMN_GAN_HINGE] = LIMN_GAN_FORM_HINGE };
    sums s = { .call = call, .form = forms[call->args->mode], .sign = call->args->target ? 1 : -1 };
    size_t count = limn_count(call->x[0].shape);

    (void)error;
    if (call->args->mode == LIMN_GAN_HINGE && !call->args->critic) {
        s.form = LIMN_GAN_FORM_LINE;
        s.sign = 1;
    }
    if (call->backward) {
        if (limn_wanted(call, 0)) limn_parallel(count, LIMN_SPAN_GRAIN, backward_range, &s);
    } else {
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
    { .x = { { 1, 1, 1, 1 } }, .args = { .mode = LIMN_GAN_VANILLA, .target = 1 } },
    { .x = { { 2, 1, 6, 6 } }, .args = { .mode = LIMN_GAN_VANILLA } },
    { .x = { { 2, 3, 5, 7 } }, .args = { .mode = LIMN_GAN_LSGAN, .target = 1 } },
    { .x = { { 3, 8, 3, 3 } }, .args = { .mode = LIMN_GAN_LSGAN } },
    { .x = { { 2, 16, 1, 5 } }, .args = { .mode = LIMN_GAN_HINGE, .target = 1, .critic = true } },
    { .x = { { 1, 20, 9, 4 } }, .args = { .mode = LIMN_GAN_HINGE, .critic = true } },
    { .x = { { 1, 48, 3, 2 } }, .args = { .mode = LIMN_GAN_HINGE, .target = 1 } },
    { .x = { { 2, 32, 33, 31 } }, .args = { .mode = LIMN_GAN_NONSATURATING, .target = 1 } },
    { .x = { { 2, 1, 9, 9 } }, .args = { .mode = LIMN_GAN_NONSATURATING } },
    { .x = { { 0 } } },
};

const limn_op limn_op_gan = {
    .name = "gan",
    .does = "adversarial loss of a critic's answers",
    .inputs_min = 1,
    .inputs_max = 1,
    .outputs = 1,
    .kinds = { LIMN_FEATURES },
    .gradients = 1,
    .backward_reads_x = 1,
    .float32_outputs = 1,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .prepare = prepare,
    .cases = cases,
};
