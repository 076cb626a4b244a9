/* SPDX-License-Identifier: Apache-2.0
 *
 * The plan's inside, shared by the files that make it, in the order in which they work:
 *
 *   plan_steps.c   which nodes run, and which are fused into one step
 *   plan_layout.c  type, channel block and weight layout of every value; the calls
 *   plan_packs.c   weights in other layouts than their own
 *   plan_update.c  updates that take a gradient as it is made
 *   plan_memory.c  lifetimes, what shares memory with what, offsets
 *   plan.c         opening, binding, printing
 *   run.c          feed, run, read */
#ifndef LIMN_NET_PLAN_INSIDE_H
#define LIMN_NET_PLAN_INSIDE_H

#include "net/graph_inside.h"
#include "net/plan.h"

/* Where a value is.  Exactly one of three: a parameter's memory (parameter >= 0), a part of another
 * value (whole >= 0), a buffer. */
typedef struct limn_place {
    limn_shape shape;
    limn_type type;
    int block;
    size_t bytes, batch_stride;
    const limn_dnn_layout *layout; /* of packed weights and their gradients; NULL: plain or a map */
    int parameter;                 /* whose memory it is; -1 */
    limn_value whole;              /* that this is a part of (a range of channels, or all); -1 */
    size_t whole_shift;            /* bytes into it */
    int buffer;                    /* -1: unused */
    size_t shift;                  /* bytes into the buffer */
    int first, last;               /* steps between which it is needed; -1: before, steps: after */
    bool used;
    bool kept; /* a pack that outlives the run */
} limn_place;

typedef enum limn_step_kind {
    LIMN_STEP_CALL, /* an operation */
    LIMN_STEP_PACK, /* weights to the layout that a convolution reads */
    LIMN_STEP_COPY, /* a gradient that is continued while its first part is still needed */
} limn_step_kind;

typedef struct limn_step {
    limn_step_kind kind;
    int node; /* of CALL */
    const char *name;
    /* CALL: as in limn_node_info after fusion; -1: absent */
    limn_value x[LIMN_INPUTS_MAX], y[LIMN_OUTPUTS_MAX];
    limn_value dy, dx[LIMN_INPUTS_MAX], into[LIMN_INPUTS_MAX], residual;
    limn_value from, to; /* PACK, COPY */
    limn_dnn_primitive *pack;
    bool kept;                        /* PACK: passed over while plan->packed */
    limn_value packs[LIMN_PACKS_MAX]; /* CALL: the values of call->packs */
    struct limn_step *update;         /* CALL: a step that this one does too, with its gradient */
    limn_call *call; /* of CALL; stays where it is when steps are inserted: prepare() may keep
                        its address */
    int scratch;     /* buffer, or -1 */
    double flops;
} limn_step;

typedef struct limn_buffer {
    size_t bytes, offset;
    int first, last;
} limn_buffer;

struct limn_plan {
    limn_arena arena;
    const limn_graph *graph;
    limn_weights *weights;
    limn_plan_settings settings;
    limn_compute compute; /* PLAIN, FP32 or BF16 */
    limn_choices *choices;
    double tune_until; /* limn_tune_clock */
    int measured;
    limn_place *places; /* the graph's values, then packed weights */
    int place_count, place_room;
    limn_step *steps;
    int step_count;
    limn_buffer *buffers;
    int buffer_count, buffer_room;
    char *memory;
    size_t memory_bytes;
    const limn_dnn_layout **home; /* of each parameter of the graph: NULL plain */
    bool *home_known;             /* of each parameter: home is decided */
    bool *trains;                 /* of each parameter: its gradient is made in this plan */
    int *weight_index;            /* of each parameter: its index in weights */
    unsigned long weights_serial; /* of the weights when the pointers were bound */
    bool packed; /* kept packs are those of the weights as they were at weights_changes */
    unsigned long weights_changes;
    limn_moment moment;
    double *profile;
};

enum { LIMN_GUARD_BYTES = 64 };

limn_status limn_plan_make_steps(limn_plan *plan, limn_error *error);
limn_status limn_plan_make_layouts(limn_plan *plan, limn_error *error);
limn_status limn_plan_make_packs(limn_plan *plan, limn_error *error);
/* The step, of the first `count`, that makes the gradient which this update reads, if it may do the
 * update as well; -1. */
int limn_plan_update_maker(const limn_plan *plan, int update, int count);
limn_status limn_plan_join_updates(limn_plan *plan, limn_error *error);
limn_status limn_plan_make_memory(limn_plan *plan, limn_error *error);
/* Writes every pointer into every call, after memory or weights have moved. */
limn_status limn_plan_bind(limn_plan *plan, limn_error *error);

/* The values that a step reads and writes; both arrays hold LIMN_STEP_VALUES.  Return the count. */
enum { LIMN_STEP_VALUES = 3 * LIMN_INPUTS_MAX + 2 * LIMN_OUTPUTS_MAX + LIMN_PACKS_MAX };
int limn_step_reads(const limn_step *step, limn_value *values);
int limn_step_writes(const limn_step *step, limn_value *values);

/* Whether a step is an update that can take weights piece by piece and pack them; one that sums
 * gradients is not. */
bool limn_step_takes_pieces(const limn_step *step);
/* Index of the input of kind WEIGHT, or -1. */
int limn_op_weight(const limn_op *op, int inputs);
/* Floating-point operations of a forward node with weights in one direction, 2 a multiply-add, of
 * the direct form; 0 of a node without. */
double limn_node_flops(const limn_graph *graph, const limn_node_info *node);
/* The tensor of a value; data is NULL until memory is there. */
limn_tensor limn_plan_tensor(const limn_plan *plan, limn_value value);

/* ---- weights.c, for plans only -----------------------------------------------------------------
 */

/* The memory of a parameter and its layout (NULL: plain F32). */
void *limn_weights_memory(const limn_weights *weights, int index, const limn_dnn_layout **layout);
/* Moves a parameter to another layout (NULL: plain F32) when it is not there yet; changes the
 * serial. */
limn_status limn_weights_adopt(limn_weights *weights, int index, const limn_dnn_layout *layout,
                               limn_error *error);
/* Bytes of a parameter's memory: padding included. */
size_t limn_weights_bytes(const limn_weights *weights, int index);
unsigned long limn_weights_serial(const limn_weights *weights);
/* How often values have changed: a plan that keeps what it made of them compares.  A run that
 * updates counts as one change, and so does every value that is set. */
unsigned long limn_weights_changes(const limn_weights *weights);
void limn_weights_change(limn_weights *weights);
/* A training plan pins the layouts: plans made later pack from them instead of moving them. */
void limn_weights_pin(limn_weights *weights, int index);
bool limn_weights_pinned(const limn_weights *weights, int index);

#endif
