/* SPDX-License-Identifier: Apache-2.0
 *
 * graph: what is computed.
 *
 * A network, or a whole training step with several updates, is an array of nodes over values.
 * Shapes are checked where a node is added, so a wrong network fails where it is described, with
 * the node's name.  Building functions return a value, and -1 once anything has failed: the first
 * error stays in the graph, later calls do nothing, and limn_graph_status (or the plan) reports it.
 * That is what lets a recipe read like its paper.
 *
 * Values are assigned once.  A parameter has versions: an update gives it a new value, and what is
 * applied afterwards reads that one; the memory is the same. */
#ifndef LIMN_NET_GRAPH_H
#define LIMN_NET_GRAPH_H

#include "op/op.h"

typedef int limn_value; /* index of a value; -1 after an error */
typedef struct limn_graph limn_graph;

/* A new, empty graph.  training says how networks behave that are applied from now on (dropout on,
 * batch statistics); limn_graph_training changes it.  On failure *out is NULL. */
limn_status limn_graph_open(limn_graph **out, bool training, limn_error *error);
void limn_graph_close(limn_graph **graph);
bool limn_graph_is_training(const limn_graph *graph);
void limn_graph_training(limn_graph *graph, bool training);

/* The first error of the graph, or OK.  limn_graph_fail records one (for zoo and recipes). */
limn_status limn_graph_status(const limn_graph *graph, limn_error *error);
limn_value limn_graph_fail(limn_graph *graph, limn_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A random stream for one node: differs from node to node, the same each time this graph is built.
 */
uint32_t limn_graph_stream(limn_graph *graph);

/* Memory that lives as long as the graph: for descriptions kept beside it. */
limn_arena *limn_graph_arena(limn_graph *graph);

/* A value that is fed from outside before every run: float32 NCHW. */
limn_value limn_input(limn_graph *graph, const char *name, limn_shape shape);

/* The inputs in the order of their making; -1 behind the last.  By name: -1 when there is none. */
limn_value limn_input_at(const limn_graph *graph, int index);
limn_value limn_input_find(const limn_graph *graph, const char *name);

/* Says that an input holds whole numbers 0 to limit - 1, drawn anew for every step without
 * repeating one in a row (n, c, 1, 1): positions of patches.  0: not such an input. */
void limn_input_below(limn_graph *graph, limn_value input, int limit);
int limn_input_limit(const limn_graph *graph, limn_value input);

/* Adds a node.  name is put after the current scope and is used in messages and in `limn plan`;
 * NULL takes the operation's name.  Returns output 0; the others by limn_output_of. */
limn_value limn_node(limn_graph *graph, const limn_op *op, const char *name, const limn_args *args,
                     const limn_value *inputs, int count);
limn_value limn_output_of(const limn_graph *graph, limn_value first, int output);
limn_shape limn_shape_of(const limn_graph *graph, limn_value value);

/* Scopes name things: "G", then "G.model.1".  Pop restores the one before. */
void limn_scope_push(limn_graph *graph, const char *name);
void limn_scope_pop(limn_graph *graph);

/* ---- Parameters ------------------------------------------------------------------------------ */

typedef enum limn_parameter_kind {
    LIMN_PARAMETER_WEIGHT, /* convolution weight (o, i, kh, kw); updated */
    LIMN_PARAMETER_INT8,   /* weight of whole numbers, -127 to 127, a byte each; not updated */
    LIMN_PARAMETER_VECTOR, /* bias, norm scale and shift (1, c, 1, 1); updated */
    LIMN_PARAMETER_STATE,  /* running statistics: change while running, not by an optimiser */
    LIMN_PARAMETER_COUNT,  /* num_batches_tracked: one whole number */
    LIMN_PARAMETER_MOMENT, /* an optimiser's; named after its parameter */
    LIMN_PARAMETER_SUM,    /* of gradients, within a step of several parts; never saved */
} limn_parameter_kind;

typedef enum limn_initial {
    LIMN_INITIAL_ZERO,
    LIMN_INITIAL_ONE,
    LIMN_INITIAL_NORMAL,
    LIMN_INITIAL_NORMAL_ONE
} limn_initial;

typedef struct limn_parameter_info {
    const char *name;    /* "G.model.model.0.weight": network, dot, PyTorch's name */
    const char *network; /* "G" */
    limn_shape shape;
    int dims; /* as PyTorch counts them: 4 weight, 1 vector, 0 count, 2 dense */
    limn_parameter_kind kind;
    limn_initial initial; /* NORMAL: N(0, gain); NORMAL_ONE: N(1, gain) */
    bool transposed;      /* weight of a transposed convolution: (i, o, kh, kw) */
    int of;               /* MOMENT, SUM: index of its parameter */
    int updates;          /* how often this graph updates it */
} limn_parameter_info;

/* The current version of a parameter; declared on first use.  name is PyTorch's name inside the
 * network ("model.1.weight").  A second use with another shape is an error. */
limn_value limn_parameter(limn_graph *graph, const char *network, const char *name,
                          limn_shape shape, int dims, limn_parameter_kind kind,
                          limn_initial initial);
/* Marks the weight as (i, o, kh, kw). */
void limn_parameter_transposed(limn_graph *graph, limn_value parameter);
/* value is from now on the current version of the parameter that old was (running statistics). */
void limn_parameter_became(limn_graph *graph, limn_value old, limn_value value);

int limn_parameter_count(const limn_graph *graph);
const limn_parameter_info *limn_parameter_at(const limn_graph *graph, int index);

/* ---- Results and training -------------------------------------------------------------------- */

/* Names a value that can be read after a run: losses (one number) and pictures. */
void limn_report(limn_graph *graph, const char *name, limn_value value);
limn_value limn_reported(const limn_graph *graph, const char *name); /* -1: no such name */
int limn_report_count(const limn_graph *graph);
const char *limn_report_name(const limn_graph *graph, int index, limn_value *value);
bool limn_report_is_here(const limn_graph *graph, int index); /* false: in another pass's graph */

typedef struct limn_adam {
    float beta1, beta2, eps;
    float rate; /* factor on the moment's learning rate; 1 */
} limn_adam;

/* Adds the backward pass of loss (one number) for all updated parameters of the named networks
 * ("G" or "G_A G_B", separated by spaces), and an Adam update of each right after the last use of
 * its gradient, so that gradients need not all live at once.  What is applied later reads the
 * updated parameters.  (Kingma and Ba 2015, algorithm 1, in PyTorch's form: eps outside the
 * corrected root.) */
void limn_update(limn_graph *graph, const char *networks, limn_value loss, const limn_adam *adam);

/* Gradient accumulation: a step on N small batches that ends as one on all of their pictures would.
 * An update whose loss reads what another update made (pix2pix's generator, judged by the updated
 * critic) must wait until that one has seen all N, so such a step has several passes, each N runs
 * of a graph of its own.  This makes the graph, just opened, that of one pass (from 0): updates of
 * other passes add no nodes, updates of this one add to a sum of gradients and use it in the run
 * that limn_moment calls the last.  Everything else is described as ever. */
void limn_graph_accumulate(limn_graph *graph, int pass);
/* How many passes the step has; known when it has been described. */
int limn_graph_passes(const limn_graph *graph);
/* Whether x is computed in this graph a second time, an earlier pass having done so: what keeps a
 * state (running statistics) must leave it alone then. */
bool limn_graph_repeats(const limn_graph *graph, limn_value x);

/* The gradient of y for given values, without an update: for tests and for other optimisers.  seed
 * is the gradient of y itself, a value of y's shape; -1 where y is one number: 1.  gradients[i] is
 * -1 where y does not depend on of[i]. */
limn_status limn_gradient(limn_graph *graph, limn_value y, limn_value seed, const limn_value *of,
                          int count, limn_value *gradients, limn_error *error);

#endif
