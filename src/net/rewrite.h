/* SPDX-License-Identifier: Apache-2.0
 *
 * Rewriting a graph for translating: norms folded, convolutions in int8.
 *
 * Both are decided after the network is described and before it is planned, and neither zoo nor
 * plan knows of them.  A graph goes in, its convolutions come out as a list (limn_layers_find), the
 * caller says which are int8 and with what ranges, and another graph comes out with other
 * parameters: a folded convolution has the weights of the first times a factor an output, and a
 * bias; an int8 one has NAME.int8, NAME.scale and NAME.shift.  The numbers that belong there are
 * computed by limn_layer_fill from the original ones, read one tensor at a time, so the two sets
 * are never in memory together. */
#ifndef LIMN_NET_REWRITE_H
#define LIMN_NET_REWRITE_H

#include "net/plan.h"

/* One convolution.  Names are those of parameters ("G.model.model.0.weight"); NULL: there is none.
 */
typedef struct limn_layer {
    const char *name; /* "G.model.model.0" */
    limn_value x;     /* what it reads */
    int node;
    const char *weight, *bias;
    /* A batch norm behind it with fixed statistics, which is folded. */
    const char *norm_scale, *norm_shift, *norm_mean, *norm_variance;
    int norm_node; /* -1: none */
    float eps;
    limn_shape shape; /* of the weights, PyTorch's order */
    bool transposed;
    bool able; /* int8 can compute it */
    /* Set by the caller: whether it does, and how its input becomes bytes: 0 is `zero`, and one
     * step is `step`. */
    bool int8;
    float step;
    int zero;
} limn_layer;

/* The convolutions of a graph that is not training, in the order in which they run; in the arena.
 */
limn_status limn_layers_find(limn_layer **out, int *count, const limn_graph *graph,
                             limn_arena *arena, limn_error *error);

/* Says which layers of another list are int8, and how; by name. */
void limn_layers_copy_int8(limn_layer *layers, int count, const limn_layer *from, int from_count);

/* The same network with norms folded and int8 layers: a new graph with the same inputs and reports.
 * keep: further values of the old graph to be reported (input.0, input.1 ...): what each layer
 * reads. */
limn_status limn_graph_rewrite(limn_graph **out, const limn_graph *graph, const limn_layer *layers,
                               int count, bool report_inputs, limn_error *error);

/* Where the original numbers are.  floats fills limn_count values of the parameter of that name.
 * int8 gives weights that are whole numbers already, with a factor for each output; false: they are
 * floats.  Both are borrowed until the next call. */
typedef struct limn_layer_source {
    void *context;
    limn_status (*floats)(void *context, const char *name, float *out, size_t count,
                          limn_error *error);
    bool (*int8)(void *context, const char *name, const int8_t **values, const float **scale);
} limn_layer_source;

/* Fills the parameters of one layer of the rewritten graph (declared with limn_weights_add). */
limn_status limn_layer_fill(const limn_layer *layer, const limn_layer_source *source,
                            limn_weights *weights, limn_error *error);

/* Outputs of a layer. */
int limn_layer_outputs(const limn_layer *layer);

/* Whole numbers for a layer's weights: for each output the factor that has the least squared error,
 * and values = round(weights / factor), within -127 to 127. */
void limn_layer_round(const limn_layer *layer, const float *weights, int8_t *values, float *scale);

#endif
