/* SPDX-License-Identifier: Apache-2.0
 *
 * The classifiers' weights: checked, unpacked, folded.
 *
 * They are carried as npm's nsfwjs ships them, one byte a value (tools/convert_screening.mjs), and
 * get back to float32 by the same arithmetic as there: value = (float)(byte * scale + least) in
 * double precision.  Of one classifier the batch norms are still apart; a norm at rest is
 *
 *     y = gamma * (x - mean) / sqrt(variance + 0.001) + beta
 *
 * (Ioffe and Szegedy 2015, algorithm 2), which is a factor on the convolution's weights and a bias.
 * Both are computed in double precision, so that one rounding is all that folding adds.  Storing
 * the folded weights in half precision was the other way: twice the size, and further from the
 * reference. */
#include "screen/screen_weights.h"
#include "base/sha256.h"
#include "tensor/safetensors.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const double norm_eps = 1e-3; /* of the network's layers, not of the file */
static const char weights_name[] = "the screening weights";

const limn_screen_model limn_screen_models[LIMN_SCREEN_MODELS] = {
    { "mobilenet_v2",
      { .width = 1, .multiple = 16, .dense = { 256, 128, LIMN_SCREEN_CLASSES } },
      false },
    { "mobilenet_v2_mid",
      { .width = 1.4f, .multiple = 16, .dense = { LIMN_SCREEN_CLASSES } },
      true },
};

const char *limn_screen_sha256(void)
{
    return "53cd6e755feeb21c814add8090fad67347547e61fd2c2deba75ec41146eb3345";
}

const char *limn_screen_about(void)
{
    return "nsfwjs 4.4.0 mobilenet_v2 + mobilenet_v2_mid";
}

/* A tensor of bytes with its range. */
typedef struct packed {
    const unsigned char *bytes;
    size_t count, rows, columns; /* columns: of a weight, inputs of one output */
    double scale, least;
} packed;

enum { BYTES = 256 }; /* that a value can be */

enum { NAME_MAX_BYTES = 200 };

/* layer + what, e.g. "mobilenet_v2.stem" ".norm.beta".  bytes is NULL when there is none. */
static packed find(const limn_safetensors *file, const char *layer, const char *what)
{
    const limn_saved_tensor *values, *range;
    char name[NAME_MAX_BYTES];
    packed p = { .bytes = NULL };

    snprintf(name, sizeof name, "%s%s", layer, what);
    values = limn_safetensors_find(file, name);
    snprintf(name, sizeof name, "%s%s.range", layer, what);
    range = limn_safetensors_find(file, name);
    if (!values || values->type != LIMN_U8 || !range || range->type != LIMN_F64 ||
        range->count != 2)
        return p;
    memcpy(&p.scale, range->data, sizeof p.scale);
    memcpy(&p.least, (const char *)range->data + sizeof p.scale, sizeof p.least);
    p.bytes = values->data;
    p.count = values->count;
    p.rows = values->dims > 0 ? (size_t)values->size[0] : 1;
    p.columns = values->dims > 1 ? (size_t)values->size[1] : 1;
    return p;
}

static double value_of(const packed *p, unsigned char byte)
{
    return (double)(float)(byte * p->scale + p->least);
}

static double value(const packed *p, size_t i)
{
    return value_of(p, p->bytes[i]);
}

/* The norm behind a convolution; bytes NULL: none, it was folded before. */
typedef struct norm {
    packed gamma, beta, mean, variance;
} norm;

static norm find_norm(const limn_safetensors *file, const char *layer)
{
    return (norm){ find(file, layer, ".norm.gamma"), find(file, layer, ".norm.beta"),
                   find(file, layer, ".norm.mean"), find(file, layer, ".norm.variance") };
}

static double factor(const norm *n, size_t channel)
{
    return value(&n->gamma, channel) / sqrt(value(&n->variance, channel) + norm_eps);
}

static bool norm_fits(const norm *n, size_t channels)
{
    return n->gamma.bytes && n->beta.bytes && n->mean.bytes && n->variance.bytes &&
           n->gamma.count == channels && n->beta.count == channels && n->mean.count == channels &&
           n->variance.count == channels;
}

/* One parameter as float32, zeros where it is wider than the file's (limn_mobilenet_settings'
 * multiple).  False when the file does not hold what it takes. */
static bool unpack(const limn_safetensors *file, const limn_parameter_info *info, float *out)
{
    bool is_bias = info->kind == LIMN_PARAMETER_VECTOR;
    limn_shape s = info->shape;
    size_t rows = (size_t)(is_bias ? s.c : s.n), columns = is_bias ? 1 : (size_t)s.c;
    size_t area = is_bias ? 1 : (size_t)s.h * (size_t)s.w;
    const char *dot = strrchr(info->name, '.');
    char layer[NAME_MAX_BYTES];
    double values[BYTES];
    packed p;
    norm n;

    if (!dot || dot - info->name >= NAME_MAX_BYTES) return false;
    snprintf(layer, sizeof layer, "%.*s", (int)(dot - info->name), info->name);
    n = find_norm(file, layer);
    p = is_bias && n.beta.bytes ? n.beta : find(file, layer, dot);
    if (!p.bytes || p.rows > rows || p.columns > columns || p.count != p.rows * p.columns * area)
        return false;
    if (n.gamma.bytes && !norm_fits(&n, p.rows)) return false;
    memset(out, 0, limn_count(s) * sizeof *out);
    for (int byte = 0; byte < BYTES; byte++) values[byte] = value_of(&p, (unsigned char)byte);
    for (size_t r = 0, i = 0; r < p.rows; r++) {
        double by = n.gamma.bytes ? factor(&n, r) : 1;

        if (is_bias) {
            out[r] = (float)(value(&p, r) - (n.mean.bytes ? value(&n.mean, r) * by : 0));
            continue;
        }
        for (size_t end = i + p.columns * area, to = r * columns * area; i < end; i++, to++)
            out[to] = (float)(values[p.bytes[i]] * by);
    }
    return true;
}

/* All parameters, by way of one memory for the largest. */
static limn_status fill(limn_weights *weights, const limn_safetensors *file, limn_error *error)
{
    limn_status status = LIMN_OK;
    size_t most = 0;
    float *values;

    for (int i = 0; i < limn_weights_count(weights); i++) {
        size_t count = limn_count(limn_weights_at(weights, i)->shape);

        if (count > most) most = count;
    }
    if (!(values = limn_block(most * sizeof *values)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for %s", weights_name);
    for (int i = 0; i < limn_weights_count(weights) && !status; i++) {
        const limn_parameter_info *info = limn_weights_at(weights, i);

        status = unpack(file, info, values)
                     ? limn_weights_set(weights, i, values, error)
                     : limn_fail(error, LIMN_FORMAT, "%s do not hold %s", weights_name, info->name);
    }
    limn_block_free(values);
    return status;
}

limn_status limn_screen_weights_load(limn_weights *weights, const void *bytes, size_t count,
                                     limn_error *error)
{
    char digest[LIMN_DIGEST_TEXT];
    limn_safetensors *file;
    limn_status status;

    limn_sha256_text(bytes, count, digest);
    if (strcmp(digest, limn_screen_sha256()))
        return limn_fail(error, LIMN_FORMAT,
                         "%s are not those that limn was released with (SHA-256 %s), so no picture "
                         "can be screened and nothing runs; install limn again",
                         weights_name, digest);
    LIMN_TRY(limn_safetensors_open_bytes(&file, bytes, count, weights_name, error));
    status = fill(weights, file, error);
    limn_safetensors_close(&file);
    return status;
}
