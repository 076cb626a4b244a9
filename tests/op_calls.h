/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls of operations for the checkers: tensors between guard words, inputs drawn by kind, both
 * directions.  Knows kinds and flags, no operation by name. */
#ifndef LIMN_TESTS_OP_CALLS_H
#define LIMN_TESTS_OP_CALLS_H

#include "op/op.h"

/* A tensor with marked memory before it, after it, and between its pictures. */
typedef struct guarded {
    limn_tensor t;
    unsigned char *memory;
    size_t bytes; /* of the tensor, gaps included */
} guarded;

/* Takes one from the arena; gap: elements between pictures.  Its elements start as a large odd
 * number, so that what is not written is seen. */
guarded guarded_tensor(limn_arena *arena, limn_shape shape, limn_type type, int block, size_t gap);
/* Plain memory of so many bytes between marks (t.data is it). */
guarded guarded_bytes(limn_arena *arena, size_t bytes);
bool guarded_intact(const guarded *g);
void guarded_fill(guarded *g, float value);
void guarded_copy(guarded *to, const guarded *from);
double guarded_dot(const guarded *a, const guarded *b); /* float32, NCHW, both without gaps */

/* The same random numbers in every run; uniform in -1 .. 1. */
void draw_from(uint64_t seed);
float draw(void);

/* Everything that one case needs, float32 and NCHW. */
typedef struct op_case {
    const limn_op *op;
    const limn_args *args;
    limn_moment moment;
    int inputs;
    unsigned gradients; /* of inputs that are there */
    limn_shape y_shape[LIMN_OUTPUTS_MAX];
    guarded x[LIMN_INPUTS_MAX], dx[LIMN_INPUTS_MAX];
    guarded y[LIMN_OUTPUTS_MAX], dy;
} op_case;

bool op_case_at_end(const limn_op *op, int index); /* is there no case number index? */

/* Shapes (by the operation's rule) and inputs (by kind); bf16: what bfloat16 maps would hold is
 * rounded to it.  false with the reason in error. */
bool op_case_open(op_case *c, const limn_op *op, const limn_op_case *from, limn_arena *arena,
                  bool bf16, limn_error *error);

/* A call of the plain loops on the case's tensors; y[j] that overwrite x are x.  backward: what the
 * operation does not name is absent, of x only the shape is given. */
limn_call op_case_forward(const op_case *c);
limn_call op_case_backward(const op_case *c, unsigned wanted, unsigned accumulate);

/* All of a call's steps with scratch between marks: bind, run.  false: error says why. */
bool op_call_run(limn_call *call, limn_arena *arena, limn_error *error);

#endif
