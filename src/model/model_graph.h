/* SPDX-License-Identifier: Apache-2.0
 *
 * A network by itself as a graph that translates, at the smallest size that it takes: for those who
 * want to know its parameters (import, declaring weights) or its operations (export), and have no
 * picture in hand. */
#ifndef LIMN_MODEL_MODEL_GRAPH_H
#define LIMN_MODEL_MODEL_GRAPH_H

#include "zoo/zoo.h"

/* A new graph with the input "input", the network under that name, the report "output".  On failure
 * *out is NULL. */
limn_status limn_model_graph(limn_graph **out, const char *name, const limn_network *network,
                             limn_error *error);

#endif
