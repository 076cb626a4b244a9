/* SPDX-License-Identifier: Apache-2.0
 *
 * The graph's inside, for grad, plan and weights, and for model/export.c, which walks it: two
 * growing arrays, nodes and values, in the order in which they were added, which is also the order
 * in which they run. */
#ifndef LIMN_NET_GRAPH_INSIDE_H
#define LIMN_NET_GRAPH_INSIDE_H

#include "net/graph.h"

typedef struct limn_value_info {
    limn_shape shape;
    int node;      /* that makes it; -1: an input or a parameter's first version */
    int output;    /* which of the node's outputs; for gradients 0 */
    int parameter; /* index of the parameter that this is a version of; -1 */
    bool input;
    int below;    /* input of whole numbers below this; 0: of anything */
    bool float32; /* F32 and plain in every plan: losses, statistics, parameters */
    int like;     /* the gradient of this value: laid out and typed like it; -1 */
    int pass;     /* the first in which it can be computed; see limn_graph_accumulate */
    const char *name;
} limn_value_info;

/* A forward node reads x and makes y.  A backward node is the gradient of node `of`: it reads dy
 * and what of's operation names of x and y, and makes dx; into[i] >= 0 is an earlier part of the
 * same gradient, which dx[i] continues (dx = into + own part). */
typedef struct limn_node_info {
    const limn_op *op;
    limn_args args;
    const char *name;
    bool backward;
    bool inference; /* added while the graph was not training */
    int of;
    int inputs;
    limn_value x[LIMN_INPUTS_MAX], y[LIMN_OUTPUTS_MAX];
    limn_value dy, dx[LIMN_INPUTS_MAX], into[LIMN_INPUTS_MAX];
} limn_node_info;

typedef struct limn_report_info {
    const char *name;
    limn_value value;
} limn_report_info;

struct limn_graph {
    limn_arena arena;
    limn_error error;
    bool training;
    bool accumulates; /* this is one pass of `passes` */
    int pass, passes;
    limn_value_info *values;
    limn_node_info *nodes;
    limn_parameter_info *parameters;
    limn_value *current; /* of each parameter: its newest version */
    limn_report_info *reports;
    int value_count, node_count, parameter_count, report_count;
    int value_room, node_room, parameter_room, report_room;
    char scope[256];
    size_t scope_marks[32]; /* length of the scope before each push */
    int scope_depth;
};

/* For grad.c: a value or a node as it stands, without shape rules.  -1 / NULL after an error. */
limn_value limn_graph_value(limn_graph *graph, limn_shape shape, int node, int output);
limn_node_info *limn_graph_node(limn_graph *graph, const limn_op *op, const char *name, int *index);

#endif
