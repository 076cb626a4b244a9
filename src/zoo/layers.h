/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers: a node with its parameters, for the descriptions in this folder.  `layer` is PyTorch's
 * name of the module inside the network ("model.1"); parameters are layer.weight, layer.bias ... */
#ifndef LIMN_ZOO_LAYERS_H
#define LIMN_ZOO_LAYERS_H

#include "zoo/zoo.h"

typedef struct limn_build {
    limn_graph *graph;
    const char *name; /* of the network: "G" */
    const limn_network *network;
} limn_build;

/* "path.index": the name of a module in a Sequential, in the caller's text. */
enum { LIMN_LAYER_NAME = 300 };
const char *limn_layer_name(char text[LIMN_LAYER_NAME], const char *path, int index);

limn_value limn_layer_conv(const limn_build *b, const char *layer, limn_value x, int out,
                           int kernel, int stride, int pad, bool bias);
limn_value limn_layer_deconv(const limn_build *b, const char *layer, limn_value x, int out,
                             int kernel, int stride, int pad, int output_pad, bool bias);
limn_value limn_layer_dense(const limn_build *b, const char *layer, limn_value x, int out);
/* The network's norm, or x itself when it has none. */
limn_value limn_layer_norm(const limn_build *b, const char *layer, limn_value x);
/* Whether convolutions in front of the norm have a bias: not where a norm's own shift follows. */
bool limn_layer_bias(const limn_build *b);
limn_value limn_layer_leaky(const limn_build *b, limn_value x); /* slope 0.2 */
limn_value limn_layer_relu(const limn_build *b, limn_value x);
limn_value limn_layer_tanh(const limn_build *b, limn_value x);
/* Dropout of one half while training, when the network has it. */
limn_value limn_layer_dropout(const limn_build *b, limn_value x);
/* x itself when pad is 0. */
limn_value limn_layer_reflect(const limn_build *b, limn_value x, int pad);
limn_value limn_layer_concat(const limn_build *b, limn_value first, limn_value second);
limn_value limn_layer_add(const limn_build *b, limn_value first, limn_value second);
limn_value limn_layer_blur_down(const limn_build *b, limn_value x);
limn_value limn_layer_blur_up(const limn_build *b, limn_value x);

#endif
