/* SPDX-License-Identifier: Apache-2.0
 *
 * Batch normalisation (Ioffe and Szegedy 2015): each channel is brought to mean 0 and variance 1
 * over the whole batch, then scaled and shifted by what is learned.
 *
 *     y = (x - mean) / sqrt(variance + eps) * scale + shift
 *
 * While training, mean and variance are those of the batch, and running ones follow them by
 * `momentum`; after training the running ones are used.  As in PyTorch, the batch is normalised
 * with the biased variance and the running one is fed the unbiased.
 *
 * Inputs: x [, scale, shift [, running mean, running variance [, count of batches]]].  One or
 * three: batch statistics without running ones.  Five: running statistics are used.  Six: training,
 * running statistics are updated in place.  Outputs: y, the mean and 1 / sqrt(variance + eps) that
 * were used (what the backward pass reads), and the three updated ones. */
#include "op/norm.h"
#include "op/spans.h"

#include <math.h>

static limn_status shape(limn_shape *y, const limn_shape *x, int inputs, const limn_args *args,
                         limn_error *error)
{
    limn_shape vector = { 1, x[0].c, 1, 1 };

    if (!(args->eps > 0))
        return limn_fail(error, LIMN_SETTING, "batchnorm eps %g is not above 0", (double)args->eps);
    if (args->training ? inputs != 1 && inputs != 3 && inputs != 6 : inputs != 5)
        return limn_fail(error, LIMN_SHAPE,
                         "batchnorm has %d inputs; it takes 1, 3 or 6 while training and 5 after",
                         inputs);
    for (int i = 1; i < inputs && i < 5; i++)
        if (!limn_shape_equal(x[i], vector))
            return limn_fail(error, LIMN_SHAPE,
                             "batchnorm input %d has shape %dx%dx%dx%d; %d channels want 1x%dx1x1",
                             i, x[i].n, x[i].c, x[i].h, x[i].w, x[0].c, x[0].c);
    if (inputs == 6 && limn_count(x[5]) != 1)
        return limn_fail(error, LIMN_SHAPE, "batchnorm's count of batches is not one number");
    y[0] = x[0];
    y[1] = y[2] = vector;
    if (inputs == 6) {
        y[3] = y[4] = vector;
        y[5] = x[5];
    } else {
        y[3] = y[4] = y[5] = (limn_shape){ 0 };
    }
    return LIMN_OK;
}

/* Calls statement for every element of channel c, with its index i. */
#define EACH(statement)                                                                            \
    for (size_t n = 0; n < (size_t)s.n; n++)                                                       \
        for (size_t i = (n * (size_t)s.c + c) * plane, end = i + plane; i < end; i++) statement

static void forward(const limn_call *call)
{
    const limn_shape s = call->x[0].shape;
    const float *x = call->x[0].data;
    const float *scale = call->inputs > 1 ? call->x[1].data : NULL;
    const float *shift = call->inputs > 1 ? call->x[2].data : NULL;
    const float *running_mean = call->inputs > 3 ? call->x[3].data : NULL;
    const float *running_variance = call->inputs > 3 ? call->x[4].data : NULL;
    float *y = call->y[0].data, *means = call->y[1].data, *inverses = call->y[2].data;
    size_t plane = (size_t)s.h * (size_t)s.w;
    double count = (double)plane * s.n, momentum = (double)call->args->momentum;

    for (size_t c = 0; c < (size_t)s.c; c++) {
        double mean = 0, variance = 0;

        if (call->args->training) {
            EACH(mean += (double)x[i]);
            mean /= count;
            EACH(variance += ((double)x[i] - mean) * ((double)x[i] - mean));
            variance /= count;
        } else {
            mean = (double)running_mean[c];
            variance = (double)running_variance[c];
        }
        if (call->inputs == 6) {
            double unbiased = variance * count / (count > 1 ? count - 1 : 1);

            ((float *)call->y[3].data)[c] = (float)((1 - momentum) * (double)running_mean[c] +
                                                    momentum * mean);
            ((float *)call->y[4].data)[c] = (float)((1 - momentum) * (double)running_variance[c] +
                                                    momentum * unbiased);
        }
        means[c] = (float)mean;
        inverses[c] = (float)(1 / sqrt(variance + (double)call->args->eps));
        EACH(y[i] = (x[i] - means[c]) * inverses[c] * (scale ? scale[c] : 1) +
                    (shift ? shift[c] : 0));
    }
    if (call->inputs == 6) *(float *)call->y[5].data = *(const float *)call->x[5].data + 1;
}

static void backward(const limn_call *call)
{
    const limn_shape s = call->x[0].shape;
    const float *x = call->x[0].data, *dy = call->dy[0].data;
    const float *scale = call->inputs > 1 ? call->x[1].data : NULL;
    const float *means = call->y[1].data, *inverses = call->y[2].data;
    size_t plane = (size_t)s.h * (size_t)s.w;
    double count = (double)plane * s.n;

    for (size_t c = 0; c < (size_t)s.c; c++) {
        double sum = 0, product = 0; /* dshift and dscale */
        float factor = inverses[c] * (scale ? scale[c] : 1), shift = 0, tilt = 0;

        EACH({
            sum += (double)dy[i];
            product += (double)dy[i] * (double)((x[i] - means[c]) * inverses[c]);
        });
        if (call->args->training) {
            shift = (float)(sum / count);
            tilt = (float)(product / count);
        }
        if (limn_wanted(call, 0))
            EACH(limn_give(call, 0, i,
                           factor * (dy[i] - shift - (x[i] - means[c]) * inverses[c] * tilt)));
        if (limn_wanted(call, 1)) limn_give(call, 1, c, (float)product);
        if (limn_wanted(call, 2)) limn_give(call, 2, c, (float)sum);
    }
}

static limn_status prepare(limn_call *call, limn_arena *arena, limn_error *error)
{
    return limn_norm_prepare(call, call->args->training ? LIMN_NORM_BATCH : LIMN_NORM_GIVEN, arena,
                             error);
}

#define VECTOR(c)                                                                                  \
    {                                                                                              \
        1, c, 1, 1                                                                                 \
    }
#define TRAINING                                                                                   \
    {                                                                                              \
        .eps = 1e-5f, .momentum = 0.1f, .training = true                                           \
    }

static const limn_op_case cases[] = {
    { .x = { { 2, 1, 1, 1 } }, .args = TRAINING },
    { .x = { { 2, 3, 5, 7 }, VECTOR(3), VECTOR(3) }, .args = TRAINING },
    { .x = { { 3, 8, 4, 4 }, VECTOR(8), VECTOR(8), VECTOR(8), VECTOR(8), VECTOR(1) },
      .args = TRAINING },
    { .x = { { 1, 16, 9, 5 }, VECTOR(16), VECTOR(16) }, .args = TRAINING },
    { .x = { { 2, 20, 3, 7 }, VECTOR(20), VECTOR(20), VECTOR(20), VECTOR(20), VECTOR(1) },
      .args = TRAINING },
    { .x = { { 2, 32, 29, 31 }, VECTOR(32), VECTOR(32) }, .args = TRAINING },
    { .x = { { 1, 48, 2, 3 } }, .args = TRAINING },
    { .x = { { 2, 272, 9, 8 }, VECTOR(272), VECTOR(272) }, .args = TRAINING }, /* a wide block */
    { .x = { { 1, 1, 1, 1 }, VECTOR(1), VECTOR(1), VECTOR(1), VECTOR(1) },
      .args = { .eps = 1e-5f } },
    { .x = { { 2, 32, 5, 3 }, VECTOR(32), VECTOR(32), VECTOR(32), VECTOR(32) },
      .args = { .eps = 1e-5f } },
    { .x = { { 0 } } },
};

const limn_op limn_op_batchnorm = {
    .name = "batchnorm",
    .does = "mean 0 and variance 1 of each channel over the batch, then scale and shift",
    .flags = LIMN_OP_INPLACE | LIMN_OP_INPLACE_BACKWARD | LIMN_OP_TAIL | LIMN_OP_TAIL_BACKWARD |
             LIMN_OP_RESIDUAL,
    .inputs_min = 1,
    .inputs_max = 6,
    .outputs = 6,
    .kinds = { LIMN_FEATURES, LIMN_VECTOR, LIMN_VECTOR, LIMN_VECTOR, LIMN_VARIANCE, LIMN_SCALAR },
    .gradients = 7,
    .backward_reads_x = 3,
    .backward_reads_y = 6,
    .float32_outputs = 62,
    .overwrites = { 0, 0, 0, 4, 5, 6 },
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .prepare = prepare,
    .cases = cases,
};
