/* SPDX-License-Identifier: Apache-2.0
 *
 * The numbers of a rewritten graph: see rewrite.h.
 *
 * A norm with fixed statistics is y = (x - mean) * f + shift with f = scale / sqrt(variance + eps),
 * so the convolution before it has weights w * f and the bias (bias - mean) * f + shift.  In int8
 * the factor goes to the scale of each output and costs no precision.
 *
 * Rounding weights.  Each output has a factor of its own.  The largest weight need not be
 * representable: of eleven clips from the largest down to three fifths of it, the one with the
 * least squared error is taken. */
#include "net/rewrite.h"

#include <math.h>
#include <string.h>

enum { LARGEST = 127, CLIPS = 11 };

/* Position of weight k of output o (and so k < a layer's inputs times taps). */
static size_t weight_index(const limn_layer *layer, size_t o, size_t k)
{
    size_t taps = (size_t)layer->shape.h * (size_t)layer->shape.w;

    if (!layer->transposed) return o * (size_t)layer->shape.c * taps + k;
    return (k / taps * (size_t)layer->shape.c + o) * taps + k % taps;
}

static size_t weights_an_output(const limn_layer *layer)
{
    return limn_count(layer->shape) / (size_t)limn_layer_outputs(layer);
}

/* ---- Rounding -------------------------------------------------------------------------------- */

static float clipped(float v)
{
    v = rintf(v);
    return v > LARGEST ? LARGEST : v < -LARGEST ? -LARGEST : v;
}

static double error_of(const float *values, size_t count, float factor)
{
    double sum = 0;

    for (size_t k = 0; k < count; k++) {
        float apart = clipped(values[k] / factor) * factor - values[k];

        sum += (double)apart * (double)apart;
    }
    return sum;
}

void limn_layer_round(const limn_layer *layer, const float *weights, int8_t *values, float *scale)
{
    enum { PART = 4096 }; /* of an output at a time: what is searched on, the rest follows */
    size_t outputs = (size_t)limn_layer_outputs(layer), count = weights_an_output(layer);
    float row[PART];

    for (size_t o = 0; o < outputs; o++) {
        size_t stride = (count + PART - 1) / PART, sample = 0;
        float most = 0, best = 1;
        double least = INFINITY;

        for (size_t k = 0; k < count; k++)
            most = fmaxf(most, fabsf(weights[weight_index(layer, o, k)]));
        for (size_t k = 0; k < count; k += stride)
            row[sample++] = weights[weight_index(layer, o, k)];
        for (int i = 0; i < CLIPS && most > 0; i++) {
            float factor = most * (1 - 0.04f * (float)i) / LARGEST;
            double error = error_of(row, sample, factor);

            if (!(error < least)) continue;
            least = error;
            best = factor;
        }
        scale[o] = best;
        for (size_t k = 0; k < count; k++) {
            size_t at = weight_index(layer, o, k);

            values[at] = (int8_t)clipped(weights[at] / best);
        }
    }
}

/* ---- Filling --------------------------------------------------------------------------------- */

/* What the outputs are multiplied with and what is added: a convolution's bias and its norm. */
static limn_status outer_numbers(const limn_layer *layer, const limn_layer_source *source,
                                 float *factor, float *add, float *room, limn_error *error)
{
    size_t count = (size_t)limn_layer_outputs(layer);

    for (size_t o = 0; o < count; o++) factor[o] = 1, add[o] = 0;
    if (layer->bias) LIMN_TRY(source->floats(source->context, layer->bias, add, count, error));
    if (layer->norm_node < 0) return LIMN_OK;
    LIMN_TRY(source->floats(source->context, layer->norm_scale, factor, count, error));
    LIMN_TRY(source->floats(source->context, layer->norm_variance, room, count, error));
    for (size_t o = 0; o < count; o++)
        factor[o] = (float)((double)factor[o] / sqrt((double)room[o] + (double)layer->eps));
    LIMN_TRY(source->floats(source->context, layer->norm_mean, room, count, error));
    for (size_t o = 0; o < count; o++) add[o] = (add[o] - room[o]) * factor[o];
    LIMN_TRY(source->floats(source->context, layer->norm_shift, room, count, error));
    for (size_t o = 0; o < count; o++) add[o] += room[o];
    return LIMN_OK;
}

static limn_status set(limn_weights *weights, const char *layer, const char *what,
                       const void *values, bool int8, limn_error *error)
{
    char name[400];
    int index;

    snprintf(name, sizeof name, "%s.%s", layer, what);
    if ((index = limn_weights_find(weights, name)) < 0)
        return limn_fail(error, LIMN_BUG, "%s was not declared", name);
    return int8 ? limn_weights_set_int8(weights, index, values, error)
                : limn_weights_set(weights, index, values, error);
}

static limn_status fill_floats(const limn_layer *layer, const limn_layer_source *source,
                               limn_weights *weights, const float *factor, const float *add,
                               limn_error *error)
{
    size_t outputs = (size_t)limn_layer_outputs(layer), count = limn_count(layer->shape);
    size_t each = weights_an_output(layer);
    const int8_t *whole;
    const float *scale;
    float *w = limn_block(count * sizeof *w);
    limn_status status = LIMN_OK;

    if (!w) return limn_fail(error, LIMN_NO_MEMORY, "out of memory for the layer %s", layer->name);
    if (source->int8(source->context, layer->weight, &whole, &scale))
        for (size_t o = 0; o < outputs; o++)
            for (size_t k = 0; k < each; k++) {
                size_t at = weight_index(layer, o, k);

                w[at] = (float)whole[at] * scale[o];
            }
    else
        status = source->floats(source->context, layer->weight, w, count, error);
    if (!status && layer->norm_node >= 0)
        for (size_t o = 0; o < outputs; o++)
            for (size_t k = 0; k < each; k++) w[weight_index(layer, o, k)] *= factor[o];
    if (!status) status = set(weights, layer->name, "weight", w, false, error);
    if (!status && (layer->bias || layer->norm_node >= 0))
        status = set(weights, layer->name, "bias", add, false, error);
    limn_block_free(w);
    return status;
}

/* Weights (i, o, kh, kw) of a transposed convolution as those of a 2x2 one with four phases
 * (subpixel.c); what a 3x3 kernel lacks is 0. */
static void to_phases(const limn_layer *layer, const int8_t *from, int8_t *to)
{
    limn_shape s = layer->shape;

    for (int phase = 0; phase < 4; phase++)
        for (int o = 0; o < s.c; o++)
            for (int i = 0; i < s.n; i++)
                for (int tap = 0; tap < 4; tap++) {
                    int row = 3 - 2 * (tap >> 1) - (phase >> 1);
                    int column = 3 - 2 * (tap & 1) - (phase & 1);

                    *to++ = row < s.h && column < s.w
                                ? from[((i * s.c + o) * s.h + row) * s.w + column]
                                : 0;
                }
}

/* scale and shift of every output of the int8 convolution, `rows` of them. */
static void int8_vectors(const limn_layer *layer, const int8_t *w, size_t rows, size_t each,
                         const float *scale, const float *factor, const float *add, float *to_scale,
                         float *to_shift)
{
    const float least = 1e-20f;
    size_t outputs = (size_t)limn_layer_outputs(layer);

    for (size_t r = 0; r < rows; r++) {
        size_t o = r % outputs;
        float s = layer->step * scale[o] * factor[o];
        int64_t sum = 0;

        for (size_t k = 0; k < each; k++) sum += w[r * each + k];
        to_scale[r] = fabsf(s) < least ? least : s;
        to_shift[r] = (float)((double)add[o] - (double)s * layer->zero * (double)sum);
    }
}

static limn_status fill_int8(const limn_layer *layer, const limn_layer_source *source,
                             limn_weights *weights, const float *factor, const float *add,
                             limn_error *error)
{
    size_t outputs = (size_t)limn_layer_outputs(layer), rows = outputs, each;
    const int8_t *whole;
    const float *scale;
    int8_t *phases = NULL;
    float *vectors;
    limn_status status;

    if (!source->int8(source->context, layer->weight, &whole, &scale))
        return limn_fail(error, LIMN_FORMAT, "the weights of %s are not int8", layer->name);
    each = weights_an_output(layer);
    if (layer->transposed) {
        rows = 4 * outputs;
        each = 4 * (size_t)layer->shape.n;
        phases = limn_block(rows * each);
    }
    vectors = limn_block(2 * rows * sizeof *vectors);
    if (!vectors || (layer->transposed && !phases)) {
        limn_block_free(vectors);
        limn_block_free(phases);
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for the layer %s", layer->name);
    }
    if (phases) {
        to_phases(layer, whole, phases);
        whole = phases;
    }
    int8_vectors(layer, whole, rows, each, scale, factor, add, vectors, vectors + rows);
    status = set(weights, layer->name, "int8", whole, true, error);
    if (!status) status = set(weights, layer->name, "scale", vectors, false, error);
    if (!status) status = set(weights, layer->name, "shift", vectors + rows, false, error);
    limn_block_free(vectors);
    limn_block_free(phases);
    return status;
}

limn_status limn_layer_fill(const limn_layer *layer, const limn_layer_source *source,
                            limn_weights *weights, limn_error *error)
{
    size_t outputs = (size_t)limn_layer_outputs(layer);
    float *room = limn_block(3 * outputs * sizeof *room);
    limn_status status;

    if (!room)
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for the layer %s", layer->name);
    status = outer_numbers(layer, source, room, room + outputs, room + 2 * outputs, error);
    if (!status)
        status = (layer->int8 ? fill_int8 : fill_floats)(layer, source, weights, room,
                                                         room + outputs, error);
    limn_block_free(room);
    return status ? limn_while(error, "%s", layer->name) : LIMN_OK;
}
