/* SPDX-License-Identifier: Apache-2.0
 *
 * The zoo: networks as descriptions.
 *
 * A network is a row of settings and a function that writes it into a graph.  Parameters carry the
 * names that PyTorch gives them in the original projects, so that weights go in and out by name.
 * Applying a network twice in one graph shares its parameters. */
#ifndef LIMN_ZOO_ZOO_H
#define LIMN_ZOO_ZOO_H

#include "net/graph.h"

typedef enum limn_norm { LIMN_NORM_BATCH, LIMN_NORM_INSTANCE, LIMN_NORM_NONE } limn_norm;

typedef struct limn_network {
    const char *net; /* "unet_256", "unet_N" (N a power of two), "resnet_9blocks", "resnet_Nblocks",
                        "basic", "n_layers", "pixel" */
    int input_nc, output_nc; /* channels in and out; critics put out 1 */
    int filters;             /* ngf or ndf: filters of the first layer */
    int layers;              /* n_layers_D, of "n_layers" */
    limn_norm norm;
    bool dropout;
    bool dropout_stays;      /* also when not training: variants of one picture */
    bool picture_statistics; /* batch norm uses the picture's own statistics when not training */
    bool antialias, antialias_up; /* blur-pool down and up, as CUT's networks do by default */
    /* What checkpoints of 2017 have: instance norm with weights, a bias also where batch norm
     * follows, zeros in place of reflection around a ResNet's 7x7 convolutions and in its blocks.
     */
    bool affine, bias, zero_padding, zero_block_padding;
} limn_network;

/* Features inside a generator: after module layers[i] of PyTorch's Sequential (ResNets; as seen by
 * that project: an in-place ReLU that follows has been applied).  values[i] is filled. */
typedef struct limn_taps {
    const int *layers;
    int count;
    limn_value *values;
} limn_taps;

/* Applies the network named `name` ("G") to x (n, input_nc, h, w) in the range [-1, 1].  Generators
 * give (n, output_nc, h, w) in [-1, 1], critics a map of logits.  h and w must be multiples of
 * limn_network_multiple; the error says of what.  taps may be NULL. */
limn_value limn_apply(limn_graph *graph, const char *name, const limn_network *network,
                      limn_value x, const limn_taps *taps);

/* What height and width must be a multiple of (256 for unet_256, 4 for ResNets, 1 for critics), or
 * 0 when there is no such network. */
int limn_network_multiple(const char *net);

/* Fills the defaults that the original projects have for this kind of network. */
bool limn_network_is_critic(const char *net);

/* MultiLayer perceptron of CUT's features: dense, ReLU, dense.  rows (n, c, 1, 1) -> (n, out, 1,
 * 1); parameters "prefix.0.weight" and "prefix.2.weight" with biases. */
limn_value limn_apply_mlp(limn_graph *graph, const char *name, const char *prefix, limn_value rows,
                          int out);

#endif
