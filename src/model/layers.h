/* SPDX-License-Identifier: Apache-2.0
 *
 * Models and rewritten graphs (net/rewrite.h): int8 models, and loading with norms folded.
 *
 * An int8 model is a model like any other, with the card of the one it was made from.  Of each
 * layer in int8, NAME.weight is I8 in PyTorch's order, NAME.weight_scale (F32, one an output) makes
 * floats of it, NAME.input_step and NAME.input_zero say how the layer's input becomes bytes.
 * Everything else is as it was: norms are not folded in the file, so the numbers can be read by
 * anyone.  The network's card says int8 = true, which older programs refuse. */
#ifndef LIMN_MODEL_LAYERS_H
#define LIMN_MODEL_LAYERS_H

#include "model/model.h"
#include "net/rewrite.h"

/* Marks the layers that are int8 in the file, with step and zero. */
limn_status limn_model_mark_layers(limn_layer *layers, int count, const limn_model *model,
                                   const char *network, limn_error *error);

/* Whether rewriting with these layers changes anything. */
bool limn_layers_change(const limn_layer *layers, int count);

/* Fills the parameters of a rewritten graph, declared in weights (limn_weights_declare), from the
 * file.  The network as the card describes it is checked against the file by limn_model_check
 * before. */
limn_status limn_model_load_layers(const limn_model *model, const char *network,
                                   limn_weights *weights, const limn_layer *layers, int count,
                                   limn_error *error);

/* The same, with whole numbers for some layers that are not in the file: those of layer i, NULL
 * where there are none. */
typedef struct limn_whole_layer {
    int8_t *values;
    float *scale;
} limn_whole_layer;
limn_status limn_model_load_whole(const limn_model *model, const char *network,
                                  limn_weights *weights, const limn_layer *layers,
                                  const limn_whole_layer *whole, int count, limn_error *error);

/* Writes an int8 model of one network of a file: layers that are int8 with their whole numbers, all
 * else as it is, and further pairs for the record.  Whole or absent. */
limn_status limn_model_save_int8(const char *path, const limn_model *model, const char *network,
                                 const limn_layer *layers, const limn_whole_layer *whole, int count,
                                 const limn_saved_text *record, size_t record_count,
                                 limn_error *error);

#endif
