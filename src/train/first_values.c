/* SPDX-License-Identifier: Apache-2.0
 *
 * The values that a training begins with: --init-type and --init-gain.
 *
 * All are drawn by limn_weights_initial, by (seed, name); what is not "normal" is made from draws
 * of N(0, 1): scaled by the fan of a weight (Glorot and Bengio 2010; He et al. 2015), or made
 * orthogonal (Saxe et al. 2014) by Gram and Schmidt's method.  That takes each row in turn and
 * subtracts its share from all later ones, which compute threads divide among them.  Householder's
 * method, which PyTorch takes, is steadier for rows that nearly coincide; drawn ones don't. */
#include "base/threads.h"
#include "train/trainer.h"

#include <math.h>

/* ---- Orthogonal rows ------------------------------------------------------------------------- */

typedef struct rows {
    float *values; /* count rows, step floats apart, of `length` floats, stride floats apart */
    size_t count, length, step, stride, at;
} rows;

static double product(const rows *r, size_t i, size_t j)
{
    const float *a = r->values + i * r->step, *b = r->values + j * r->step;
    double sum = 0;

    for (size_t k = 0; k < r->length; k++)
        sum += (double)a[k * r->stride] * (double)b[k * r->stride];
    return sum;
}

/* Row `at` has length one: what later rows have of it is taken away. */
static void subtract(void *context, size_t begin, size_t end, int part)
{
    const rows *r = context;

    (void)part;
    for (size_t j = r->at + 1 + begin; j < r->at + 1 + end; j++) {
        const float *a = r->values + r->at * r->step;
        float *b = r->values + j * r->step, share = (float)product(r, r->at, j);

        for (size_t k = 0; k < r->length; k++) b[k * r->stride] -= share * a[k * r->stride];
    }
}

/* A weight is a matrix of n rows, as PyTorch flattens it; where it is taller than wide its columns
 * are made orthogonal instead.  Two rounds: the first leaves what float32 lost. */
static void make_orthogonal(float *values, size_t n, size_t wide, double gain)
{
    rows r = n <= wide ? (rows){ values, n, wide, wide, 1, 0 }
                       : (rows){ values, wide, n, 1, wide, 0 };

    for (int round = 0; round < 2; round++)
        for (r.at = 0; r.at < r.count; r.at++) {
            double size = sqrt(product(&r, r.at, r.at));
            float *row = r.values + r.at * r.step;

            for (size_t k = 0; k < r.length; k++)
                row[k * r.stride] = (float)((double)row[k * r.stride] / size);
            limn_parallel(r.count - r.at - 1, 1 + 65536 / r.length, subtract, &r);
        }
    for (size_t k = 0; k < n * wide; k++) values[k] *= (float)gain;
}

/* ---- All of them ------------------------------------------------------------------------------
 */

static void shape_weight(const limn_train_settings *s, const limn_parameter_info *info,
                         float *values)
{
    double taps = (double)info->shape.h * info->shape.w;
    double in = taps * info->shape.c, out = taps * info->shape.n, deviation;
    size_t count = limn_count(info->shape);

    if (s->init_type == LIMN_INIT_ORTHOGONAL) {
        make_orthogonal(values, (size_t)info->shape.n, count / (size_t)info->shape.n, s->init_gain);
        return;
    }
    deviation = s->init_type == LIMN_INIT_XAVIER ? s->init_gain * sqrt(2 / (in + out))
                                                 : sqrt(2 / in);
    for (size_t k = 0; k < count; k++) values[k] *= (float)deviation;
}

limn_status limn_trainer_first_values(limn_trainer *t, limn_error *error)
{
    const limn_train_settings *s = t->train;
    uint64_t seed = (uint64_t)s->seed;

    if (s->init_type == LIMN_INIT_NORMAL)
        return limn_weights_initial(t->weights, NULL, seed, (float)s->init_gain, error);
    LIMN_TRY(limn_weights_initial(t->weights, NULL, seed, 1, error));
    for (int i = 0; i < limn_weights_count(t->weights); i++) {
        const limn_parameter_info *info = limn_weights_at(t->weights, i);
        bool scale = info->initial == LIMN_INITIAL_NORMAL_ONE; /* norms stay N(1, 0.02) */
        size_t count = limn_count(info->shape);
        limn_status status;
        float *values;

        if (info->kind != LIMN_PARAMETER_WEIGHT && !scale) continue;
        if (!(values = limn_block(count * sizeof *values)))
            return limn_fail(error, LIMN_NO_MEMORY, "out of memory for %s", info->name);
        status = limn_weights_get(t->weights, i, values, error);
        if (info->kind == LIMN_PARAMETER_WEIGHT) shape_weight(s, info, values);
        for (size_t k = 0; scale && k < count; k++) values[k] = 1 + 0.02f * (values[k] - 1);
        if (!status) status = limn_weights_set(t->weights, i, values, error);
        limn_block_free(values);
        LIMN_TRY(status);
    }
    return LIMN_OK;
}
