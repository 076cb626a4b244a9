/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of oneDNN's C API that differs between 2.x and 3.x, under one face.
 *
 * In 2.x a memory descriptor is a plain struct and an operation descriptor stands between it and
 * the primitive descriptor; in 3.x a memory descriptor is a handle that somebody must destroy and
 * the operation descriptors are gone.  limn_dnn_md is plain data in both: with 3.x it is the recipe
 * from which a handle is made where one is needed and destroyed in the same function.  So layouts
 * can lie in arenas, be copied and be compared, and nothing has to be freed but primitives and
 * memories.
 *
 * Included by the dnn*.c files and by nothing else: this is the home of oneDNN's header. */
#ifndef LIMN_OP_DNN_API_H
#define LIMN_OP_DNN_API_H

#include "op/dnn.h"
#include "op/pack.h"
#include <oneapi/dnnl/dnnl.h>

typedef struct limn_dnn_md {
#if DNNL_VERSION_MAJOR < 3
    dnnl_memory_desc_t md;
#else
    int count; /* of dimensions; 0: absent */
    dnnl_dims_t dims;
    dnnl_data_type_t type;
    dnnl_format_tag_t tag;
    dnnl_dim_t batch_stride; /* 0: dense */
#endif
} limn_dnn_md;

/* What oneDNN is asked for: one direction of one convolution. */
typedef struct limn_dnn_question {
    limn_dnn_direction direction;
    bool inference;
    dnnl_alg_kind_t algorithm;
    limn_dnn_md x, y, weights;
    const limn_dnn_md *bias; /* NULL: none */
    dnnl_dims_t stride, pad_begin, pad_end;
    bool sum;                   /* y += */
    const limn_dnn_md *channel; /* int8: y * scale + shift, each of this form; NULL: neither */
    dnnl_alg_kind_t eltwise;    /* dnnl_alg_kind_undef: none */
    float alpha, beta;          /* of eltwise */
} limn_dnn_question;

/* Layout by tag, dense, or with pictures batch_stride elements apart (0: dense).  A blocked layout
 * with a stride must come from a bigger map: batch_stride a multiple of height * width * block. */
dnnl_status_t limn_dnn_md_make(limn_dnn_md *out, int count, const dnnl_dim_t *dims,
                               dnnl_data_type_t type, dnnl_format_tag_t tag,
                               dnnl_dim_t batch_stride);
bool limn_dnn_md_equal(const limn_dnn_md *a, const limn_dnn_md *b);
size_t limn_dnn_md_bytes(const limn_dnn_md *md);
dnnl_data_type_t limn_dnn_md_type(const limn_dnn_md *md);
/* Its dimensions: four, else false. */
bool limn_dnn_md_dims(const limn_dnn_md *md, dnnl_dims_t dims);
/* Same dimensions, whatever type and layout. */
bool limn_dnn_md_same_dims(const limn_dnn_md *a, const limn_dnn_md *b);
/* The plain F32 layout of the same dimensions (4 or 5). */
dnnl_status_t limn_dnn_md_plain_like(limn_dnn_md *out, const limn_dnn_md *md);
/* The plain layout of the same dimensions with a byte an element. */
dnnl_status_t limn_dnn_md_bytes_like(limn_dnn_md *out, const limn_dnn_md *md);
/* The tag of a dense layout, dnnl_format_tag_undef for one that has none (Winograd's). */
dnnl_format_tag_t limn_dnn_md_tag(const limn_dnn_md *md);

/* The question's post-operation for an activation. */
void limn_dnn_question_activate(limn_dnn_question *q, limn_activation activation, float slope);

/* Primitive descriptors.  The caller destroys them. */
dnnl_status_t limn_dnn_describe(dnnl_primitive_desc_t *out, const limn_dnn_question *question,
                                dnnl_engine_t engine);
dnnl_status_t limn_dnn_describe_reorder(dnnl_primitive_desc_t *out, const limn_dnn_md *from,
                                        const limn_dnn_md *to, dnnl_engine_t engine);
/* A layout of the primitive (what: dnnl_query_src_md ...).  unimplemented where it has no tag. */
dnnl_status_t limn_dnn_ask(limn_dnn_md *out, const_dnnl_primitive_desc_t described,
                           dnnl_query_t what);
const char *limn_dnn_ask_name(const_dnnl_primitive_desc_t described);

/* A memory object without memory; dnnl_memory_set_data_handle gives it some. */
dnnl_status_t limn_dnn_memory(dnnl_memory_t *out, const limn_dnn_md *md, dnnl_engine_t engine);

/* Attributes with our own scratchpad and the post-ops of the question (NULL: none). */
dnnl_status_t limn_dnn_attributes(dnnl_primitive_attr_t *out, const limn_dnn_question *question);

/* The process's engine and stream, and errors in words. */
extern dnnl_engine_t limn_dnn_engine;
extern dnnl_stream_t limn_dnn_stream;
const char *limn_dnn_status_text(dnnl_status_t status);
limn_status limn_dnn_status(dnnl_status_t status); /* NO_MEMORY or COMPUTE */

struct limn_dnn_layout {
    limn_dnn_md md;
    char name[40];
};
void limn_dnn_layout_fill(limn_dnn_layout *layout, const limn_dnn_md *md);

/* ---- The primitive of dnn.h: up to three oneDNN calls over five memories, then our own loop
 * ------- */

typedef enum limn_dnn_slot {
    LIMN_DNN_X,
    LIMN_DNN_WEIGHTS,
    LIMN_DNN_BIAS,
    LIMN_DNN_Y,
    LIMN_DNN_SCRATCH,
    LIMN_DNN_SCALE, /* int8 */
    LIMN_DNN_SLOTS,
} limn_dnn_slot;

/* A piece of memory that is known at bind: slot plus bytes. */
typedef struct limn_dnn_place {
    limn_dnn_slot slot;
    size_t offset;
} limn_dnn_place;

enum { LIMN_DNN_STEPS = 3, LIMN_DNN_ARGUMENTS = 6 };

typedef struct limn_dnn_step {
    dnnl_primitive_t primitive;
    int count;
    dnnl_exec_arg_t arguments[LIMN_DNN_ARGUMENTS];
    limn_dnn_place places[LIMN_DNN_ARGUMENTS];
} limn_dnn_step;

/* out = activation(out + add + bias), for what oneDNN's own primitive does not do.  add has the
 * layout and the batch stride of out; data pointers are set by bind. */
typedef struct limn_dnn_tail {
    limn_tensor out;
    const void *add;   /* NULL: nothing */
    const float *bias; /* NULL: none; one value a channel */
    limn_activation activation;
    float slope;
} limn_dnn_tail;
void limn_dnn_tail_run(const limn_dnn_tail *tail);
/* to[i] += from[i] */
void limn_dnn_add(float *to, const float *from, size_t count);

struct limn_dnn_primitive {
    int steps;
    limn_dnn_step step[LIMN_DNN_STEPS];
    bool needs[LIMN_DNN_SLOTS];
    void *base[LIMN_DNN_SLOTS];
    bool bound;

    bool has_tail, tail_bias;
    bool tail_adds;
    limn_dnn_place tail_out, tail_add;
    limn_dnn_tail tail;
    /* gradients of weights and bias that are added: counts of floats, places in scratch */
    size_t add_weights, add_bias;
    limn_dnn_place from_weights, from_bias;

    bool packs; /* weights, in our own loop; nothing else then */
    limn_pack pack;

    size_t scratch_bytes;
    int reorders;
    limn_dnn_layout weights;
    bool has_weights;
    limn_method method;
    char name[200]; /* for messages */
    char implementation[48];
};

/* Scratch layout while a primitive is being made. */
size_t limn_dnn_scratch_take(limn_dnn_primitive *primitive, size_t bytes);
/* Adds a step from a primitive descriptor, which stays the caller's.  pairs: argument, layout,
 * place. */
typedef struct limn_dnn_operand {
    int argument;
    const limn_dnn_md *md;
    limn_dnn_place place;
} limn_dnn_operand;
dnnl_status_t limn_dnn_step_add(limn_dnn_primitive *primitive,
                                const_dnnl_primitive_desc_t described,
                                const limn_dnn_operand *operands, int count);
dnnl_status_t limn_dnn_reorder_add(limn_dnn_primitive *primitive, const limn_dnn_md *from,
                                   limn_dnn_place from_place, const limn_dnn_md *to,
                                   limn_dnn_place to_place);

#endif
