/* SPDX-License-Identifier: Apache-2.0
 *
 * plan: how it is computed, for one set of input sizes; run: doing it.
 *
 * The plan decides order, precision, memory layout, fusion, lifetimes and offsets, takes all memory
 * once and can be printed.  Running it walks the steps, calls function pointers and allocates
 * nothing.  Training and translating use the same code. */
#ifndef LIMN_NET_PLAN_H
#define LIMN_NET_PLAN_H

#include "net/graph.h"
#include <stdio.h>

typedef enum limn_compute {
    LIMN_COMPUTE_PLAIN,
    LIMN_COMPUTE_FP32,
    LIMN_COMPUTE_BF16,
    LIMN_COMPUTE_AUTO,
} limn_compute;

/* AUTO resolved for this machine and graph: bf16 where it is faster than float32, else float32;
 * plain where limn was built without oneDNN.  Graph NULL: of nothing in particular, never bf16. */
limn_compute limn_compute_resolve(limn_compute compute, const limn_graph *graph);
const char *limn_compute_name(limn_compute compute);

/* ---- Weights: one home for the parameters of one or more graphs (lifetime: the model) ----------
 */

/* Each parameter has one memory, in the layout that the plan in use wants (weights of convolutions)
 * or plain.  Get and set always speak plain float32 in PyTorch's order. */
typedef struct limn_weights limn_weights;

limn_status limn_weights_open(limn_weights **out, limn_error *error);
void limn_weights_close(limn_weights **weights);
/* Declares all parameters of the graph; those with a known name must have the same shape. */
limn_status limn_weights_add(limn_weights *weights, const limn_graph *graph, limn_error *error);
/* The same, but what has no value yet takes no memory before the first plan. */
limn_status limn_weights_declare(limn_weights *weights, const limn_graph *graph, limn_error *error);
int limn_weights_count(const limn_weights *weights);
const limn_parameter_info *limn_weights_at(const limn_weights *weights, int index);
int limn_weights_find(const limn_weights *weights, const char *name); /* -1: none */
/* Copies limn_count(shape) floats in or out, in PyTorch's order. */
limn_status limn_weights_set(limn_weights *weights, int index, const float *plain,
                             limn_error *error);
limn_status limn_weights_get(limn_weights *weights, int index, float *plain, limn_error *error);
/* The same for parameters of kind INT8, without the way through floats. */
limn_status limn_weights_set_int8(limn_weights *weights, int index, const int8_t *plain,
                                  limn_error *error);
/* Instead of set, for a parameter that was declared and has no value: the floats are not copied but
 * read where they are, and stay as they are until they are returned (NULL: nobody asks) or the
 * weights are closed.  A plan that packs returns them, one that trains takes a copy.  False: it has
 * a memory already, and nothing was done. */
bool limn_weights_lend(limn_weights *weights, int index, const float *plain,
                       void (*returned)(const void *floats, size_t count));
/* Draws initial values: N(0, gain) for weights, N(1, gain) for norm scales, zero elsewhere; by
 * (seed, parameter's name), whatever else there is.  Only parameters whose network is named (NULL:
 * all), and not those that are lent. */
limn_status limn_weights_initial(limn_weights *weights, const char *network, uint64_t seed,
                                 float gain, limn_error *error);

/* ---- Plan and run ------------------------------------------------------------------------------
 */

typedef struct limn_plan_settings {
    limn_compute compute;
    bool no_fusion; /* for tests: every node its own step */
    bool guards;    /* for tests: guard words around every buffer, checked after every step, and no
                       two buffers share memory */
    /* How to compute each convolution (op/choice.h): looked up and added to; borrowed while the
     * plan is open.  NULL: what this machine remembers. */
    limn_choices *choices;
    double tune_seconds; /* to measure what is not known in these; 0: by rule */
} limn_plan_settings;

typedef struct limn_plan limn_plan;

/* Makes a plan for the graph on these weights (limn_weights_add is called here).  The graph must
 * outlive the plan, and so must the weights.  On failure *out is NULL. */
limn_status limn_plan_open(limn_plan **out, const limn_graph *graph, limn_weights *weights,
                           const limn_plan_settings *settings, limn_error *error);
void limn_plan_close(limn_plan **plan);

/* Feeds an input: float32 NCHW, limn_count(shape) values, copied. */
limn_status limn_plan_feed(limn_plan *plan, limn_value input, const float *values,
                           limn_error *error);
/* Runs all steps once. */
limn_status limn_plan_run(limn_plan *plan, const limn_moment *moment, limn_error *error);
/* Copies a reported value out as float32 NCHW. */
limn_status limn_plan_read(limn_plan *plan, limn_value value, float *values, limn_error *error);

/* A table: step, op, name, shape, layout, implementation, choice (with a star: measured), bytes,
 * lifetime; then totals. */
void limn_plan_print(const limn_plan *plan, FILE *to);

/* Facts for benchmarks and tests. */
typedef struct limn_plan_facts {
    int steps, convolutions, reference_convolutions, reorders;
    size_t plan_bytes, weight_bytes;
    double flops;       /* of convolutions and products in one run, 2 a multiply-add */
    int measured;       /* choices that opening the plan has measured */
    int joined_updates; /* that take a gradient as it is made */
    int kept_packs;     /* of weights, written by the update and kept from run to run */
} limn_plan_facts;
limn_plan_facts limn_plan_about(const limn_plan *plan);

/* Facts about one step, for profiles. */
typedef struct limn_step_facts {
    const char *name, *op, *implementation;
    const char *update;         /* operation that takes its gradient as it is made; NULL: none */
    bool backward, convolution; /* convolution: has weights; packing them is none */
    double flops;               /* of the direct form, whatever way computes it */
    size_t bytes;               /* of everything that it reads and writes, once */
} limn_step_facts;
int limn_plan_steps(const limn_plan *plan);
limn_step_facts limn_plan_step_about(const limn_plan *plan, int step);

/* Time spent in each step of the next runs, in seconds, summed: NULL-able array of steps values. */
void limn_plan_profile(limn_plan *plan, double *seconds);

#endif
