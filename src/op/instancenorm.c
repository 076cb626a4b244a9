/* SPDX-License-Identifier: Apache-2.0
 *
 * Instance normalisation (Ulyanov et al. 2016): each channel of each picture is brought to mean 0
 * and variance 1 by itself, then scaled and shifted where that is learned.
 *
 *     y = (x - mean) / sqrt(variance + eps) [* scale + shift]
 *
 * No statistics are kept, and training and translating do the same.  A channel of one pixel has no
 * variance and becomes shift, or 0.  Outputs: y, the mean and 1 / sqrt(variance + eps), which the
 * backward pass reads. */
#include "op/norm.h"
#include "op/spans.h"

#include <math.h>

static limn_status shape(limn_shape *y, const limn_shape *x, int inputs, const limn_args *args,
                         limn_error *error)
{
    limn_shape vector = { 1, x[0].c, 1, 1 };

    if (!(args->eps > 0))
        return limn_fail(error, LIMN_SETTING, "instancenorm eps %g is not above 0",
                         (double)args->eps);
    if (inputs == 2)
        return limn_fail(error, LIMN_SHAPE,
                         "instancenorm has a scale and no shift; give both or none");
    for (int i = 1; i < inputs; i++)
        if (!limn_shape_equal(x[i], vector))
            return limn_fail(
                error, LIMN_SHAPE,
                "instancenorm input %d has shape %dx%dx%dx%d; %d channels want 1x%dx1x1", i, x[i].n,
                x[i].c, x[i].h, x[i].w, x[0].c, x[0].c);
    y[0] = x[0];
    y[1] = y[2] = (limn_shape){ x[0].n, x[0].c, 1, 1 };
    return LIMN_OK;
}

static void forward(const limn_call *call)
{
    const limn_shape s = call->x[0].shape;
    const float *scale = call->inputs > 1 ? call->x[1].data : NULL;
    const float *shift = call->inputs > 1 ? call->x[2].data : NULL;
    float *means = call->y[1].data, *inverses = call->y[2].data;
    size_t plane = (size_t)s.h * (size_t)s.w, channels = (size_t)s.c;

    for (size_t map = 0; map < (size_t)s.n * channels; map++) { /* one channel of one picture */
        const float *x = (const float *)call->x[0].data + map * plane;
        float *y = (float *)call->y[0].data + map * plane;
        double mean = 0, variance = 0;

        for (size_t i = 0; i < plane; i++) mean += (double)x[i];
        mean /= (double)plane;
        for (size_t i = 0; i < plane; i++)
            variance += ((double)x[i] - mean) * ((double)x[i] - mean);
        variance /= (double)plane;
        means[map] = (float)mean;
        inverses[map] = (float)(1 / sqrt(variance + (double)call->args->eps));
        for (size_t i = 0; i < plane; i++)
            y[i] = (x[i] - means[map]) * inverses[map] * (scale ? scale[map % channels] : 1) +
                   (shift ? shift[map % channels] : 0);
    }
}

static void backward(const limn_call *call)
{
    const limn_shape s = call->x[0].shape;
    const float *scale = call->inputs > 1 ? call->x[1].data : NULL;
    const float *means = call->y[1].data, *inverses = call->y[2].data;
    size_t plane = (size_t)s.h * (size_t)s.w, channels = (size_t)s.c;

    for (size_t c = 0; c < channels; c++) {
        double dscale = 0, dshift = 0;

        for (size_t map = c; map < (size_t)s.n * channels; map += channels) {
            const float *x = (const float *)call->x[0].data + map * plane;
            const float *dy = (const float *)call->dy[0].data + map * plane;
            float factor = inverses[map] * (scale ? scale[c] : 1), shift, tilt;
            double sum = 0, product = 0;

            for (size_t i = 0; i < plane; i++) {
                sum += (double)dy[i];
                product += (double)dy[i] * (double)((x[i] - means[map]) * inverses[map]);
            }
            dshift += sum;
            dscale += product;
            shift = (float)(sum / (double)plane);
            tilt = (float)(product / (double)plane);
            if (!limn_wanted(call, 0)) continue;
            for (size_t i = 0; i < plane; i++)
                limn_give(call, 0, map * plane + i,
                          factor * (dy[i] - shift - (x[i] - means[map]) * inverses[map] * tilt));
        }
        if (limn_wanted(call, 1)) limn_give(call, 1, c, (float)dscale);
        if (limn_wanted(call, 2)) limn_give(call, 2, c, (float)dshift);
    }
}

static limn_status prepare(limn_call *call, limn_arena *arena, limn_error *error)
{
    return limn_norm_prepare(call, LIMN_NORM_PICTURE, arena, error);
}

static const limn_op_case cases[] = {
    { .x = { { 1, 1, 1, 1 } }, .args = { .eps = 1e-5f } },
    { .x = { { 2, 1, 3, 3 }, { 1, 1, 1, 1 }, { 1, 1, 1, 1 } }, .args = { .eps = 1e-5f } },
    { .x = { { 2, 3, 5, 7 }, { 1, 3, 1, 1 }, { 1, 3, 1, 1 } }, .args = { .eps = 1e-5f } },
    { .x = { { 3, 8, 4, 4 } }, .args = { .eps = 1e-5f } },
    { .x = { { 1, 16, 9, 5 }, { 1, 16, 1, 1 }, { 1, 16, 1, 1 } }, .args = { .eps = 1e-5f } },
    { .x = { { 2, 20, 3, 7 } }, .args = { .eps = 1e-5f } },
    { .x = { { 2, 32, 29, 31 }, { 1, 32, 1, 1 }, { 1, 32, 1, 1 } }, .args = { .eps = 1e-5f } },
    { .x = { { 1, 48, 2, 3 } }, .args = { .eps = 1e-5f } },
    { .x = { { 2, 272, 9, 8 } }, .args = { .eps = 1e-5f } }, /* a block wider than 256 */
    { .x = { { 0 } } },
};

const limn_op limn_op_instancenorm = {
    .name = "instancenorm",
    .does = "mean 0 and variance 1 of each channel of each picture, then scale and shift",
    .flags = LIMN_OP_INPLACE | LIMN_OP_INPLACE_BACKWARD | LIMN_OP_TAIL | LIMN_OP_TAIL_BACKWARD |
             LIMN_OP_RESIDUAL,
    .inputs_min = 1,
    .inputs_max = 3,
    .outputs = 3,
    .kinds = { LIMN_FEATURES, LIMN_VECTOR, LIMN_VECTOR },
    .gradients = 7,
    .backward_reads_x = 3,
    .backward_reads_y = 6,
    .float32_outputs = 6,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .prepare = prepare,
    .cases = cases,
};
