/* SPDX-License-Identifier: Apache-2.0
 *
 * Loading into a rewritten graph: see layers.h.
 *
 * Tensors are read one at a time, and the file's pages are given back after each, so that weights
 * and file are never in memory together. */
#include "model/layers.h"

#include <string.h>

typedef struct reader {
    const limn_model *model;
    const char *network;
    const limn_layer *layers;
    const limn_whole_layer *whole; /* NULL: the file's own */
    int count;
    float *scale; /* of the last int8 weights */
    const limn_saved_tensor *lent;
} reader;

/* "G.model.0.weight" of network G: "model.0.weight". */
static const char *own_name(const reader *r, const char *name)
{
    return name + strlen(r->network) + 1;
}

static void give_back(reader *r)
{
    if (r->lent) limn_model_forget(r->lent);
    r->lent = NULL;
    limn_block_free(r->scale);
    r->scale = NULL;
}

static limn_status read_floats(void *context, const char *name, float *out, size_t count,
                               limn_error *error)
{
    reader *r = context;
    const limn_saved_tensor *t = limn_model_find(r->model, r->network, own_name(r, name));

    give_back(r);
    if (!t || t->count != count)
        return limn_fail(error, LIMN_FORMAT, "%s: %s tensor %s, which network %s needs",
                         limn_model_path(r->model), t ? "has another size of the" : "has no",
                         own_name(r, name), r->network);
    LIMN_TRY(limn_saved_floats(t, 0, count, out, error));
    limn_model_forget(t);
    return LIMN_OK;
}

static bool read_int8(void *context, const char *name, const int8_t **values, const float **scale)
{
    reader *r = context;
    const limn_saved_tensor *t = limn_model_find(r->model, r->network, own_name(r, name)), *s;
    char scale_name[400];

    give_back(r);
    for (int i = 0; r->whole && i < r->count; i++)
        if (r->whole[i].values && !strcmp(r->layers[i].weight, name)) {
            if (!r->layers[i].int8) return false;
            *values = r->whole[i].values;
            *scale = r->whole[i].scale;
            return true;
        }
    if (!t || t->type != LIMN_I8) return false;
    snprintf(scale_name, sizeof scale_name, "%s_scale", own_name(r, name));
    s = limn_model_find(r->model, r->network, scale_name);
    if (!s || !(r->scale = limn_block(s->count * sizeof *r->scale)) ||
        limn_saved_floats(s, 0, s->count, r->scale, NULL))
        return false;
    r->lent = t;
    *values = t->data;
    *scale = r->scale;
    return true;
}

/* ---- What the file says ---------------------------------------------------------------------- */

static limn_status one_number(const limn_model *model, const char *network, const limn_layer *layer,
                              const char *what, float *out, limn_error *error)
{
    const limn_saved_tensor *t;
    char name[400];

    snprintf(name, sizeof name, "%s.%s", layer->name + strlen(network) + 1, what);
    t = limn_model_find(model, network, name);
    if (!t || t->count != 1 || limn_saved_floats(t, 0, 1, out, NULL))
        return limn_fail(error, LIMN_FORMAT, "%s: %s is int8, and there is no number %s",
                         limn_model_path(model), layer->weight, name);
    return LIMN_OK;
}

limn_status limn_model_mark_layers(limn_layer *layers, int count, const limn_model *model,
                                   const char *network, limn_error *error)
{
    for (int i = 0; i < count; i++) {
        limn_layer *layer = &layers[i];
        const char *own = layer->weight + strlen(network) + 1;
        const limn_saved_tensor *t = limn_model_find(model, network, own), *scale;
        char name[400];
        float zero;

        if (!t || t->type != LIMN_I8) continue;
        snprintf(name, sizeof name, "%s_scale", own);
        scale = limn_model_find(model, network, name);
        if (!scale || scale->count != (size_t)limn_layer_outputs(layer) ||
            t->count != limn_count(layer->shape) || !layer->able)
            return limn_fail(error, LIMN_FORMAT, "%s: the int8 weights %s do not fit the network",
                             limn_model_path(model), own);
        LIMN_TRY(one_number(model, network, layer, "input_step", &layer->step, error));
        LIMN_TRY(one_number(model, network, layer, "input_zero", &zero, error));
        if (!(layer->step > 0 && layer->step < 1e30f && zero >= 0 && zero <= 255))
            return limn_fail(error, LIMN_FORMAT, "%s: the range of %s makes no sense",
                             limn_model_path(model), layer->name);
        layer->zero = (int)zero;
        layer->int8 = true;
    }
    return LIMN_OK;
}

bool limn_layers_change(const limn_layer *layers, int count)
{
    for (int i = 0; i < count; i++)
        if (layers[i].int8 || layers[i].norm_node >= 0) return true;
    return false;
}

/* ---- Loading --------------------------------------------------------------------------------- */

/* The layer that fills this parameter. */
static bool is_of_layer(const limn_layer *layers, int count, const char *name)
{
    for (int i = 0; i < count; i++) {
        size_t n = strlen(layers[i].name);

        if (!strncmp(name, layers[i].name, n) && name[n] == '.' && !strchr(name + n + 1, '.'))
            return true;
    }
    return false;
}

static limn_status fill_other(reader *r, limn_weights *weights, int index, limn_error *error)
{
    const limn_parameter_info *info = limn_weights_at(weights, index);
    size_t count = limn_count(info->shape);
    float *values = limn_block(count * sizeof *values);
    limn_status status;

    if (!values) return limn_fail(error, LIMN_NO_MEMORY, "out of memory for %s", info->name);
    status = read_floats(r, info->name, values, count, error);
    if (!status) status = limn_weights_set(weights, index, values, error);
    limn_block_free(values);
    return status;
}

limn_status limn_model_load_whole(const limn_model *model, const char *network,
                                  limn_weights *weights, const limn_layer *layers,
                                  const limn_whole_layer *whole, int count, limn_error *error)
{
    reader r = {
        .model = model, .network = network, .layers = layers, .whole = whole, .count = count
    };
    limn_layer_source source = { &r, read_floats, read_int8 };
    limn_status status = LIMN_OK;

    for (int i = 0; i < limn_weights_count(weights) && !status; i++)
        if (!is_of_layer(layers, count, limn_weights_at(weights, i)->name))
            status = fill_other(&r, weights, i, error);
    for (int i = 0; i < count && !status; i++)
        status = limn_layer_fill(&layers[i], &source, weights, error);
    give_back(&r);
    return status;
}

limn_status limn_model_load_layers(const limn_model *model, const char *network,
                                   limn_weights *weights, const limn_layer *layers, int count,
                                   limn_error *error)
{
    return limn_model_load_whole(model, network, weights, layers, NULL, count, error);
}
