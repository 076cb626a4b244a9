/* SPDX-License-Identifier: Apache-2.0
 *
 * Walking feature maps span by span, for operations that treat all elements alike.
 *
 * Tensors of one shape and one block keep equal elements at equal places inside a picture, and a
 * picture is contiguous; only the distance between pictures differs.  So an elementwise operation
 * is a range 0..n*c*h*w cut where a picture ends. */
#ifndef LIMN_OP_SPANS_H
#define LIMN_OP_SPANS_H

#include "op/kernels.h"

/* The least number of elements that is worth a thread. */
enum { LIMN_SPAN_GRAIN = 16384 };

typedef struct limn_span {
    size_t count;           /* elements; 0: the range is at its end */
    size_t picture, offset; /* where it starts */
} limn_span;

/* The longest span from element `at`, not beyond `end`, that lies in one picture. */
limn_span limn_span_at(limn_shape shape, size_t at, size_t end);

/* Where the span starts in t; NULL for an absent tensor. */
void *limn_span_data(const limn_tensor *t, const limn_span *span);

static inline bool limn_wanted(const limn_call *call, int input)
{
    return call->wanted >> input & 1;
}

static inline bool limn_accumulates(const limn_call *call, int input)
{
    return call->accumulate >> input & 1;
}

/* For plain loops: dx[input][at] = value, or += where the call accumulates. */
static inline void limn_give(const limn_call *call, int input, size_t at, float value)
{
    float *dx = call->dx[input].data;

    dx[at] = limn_accumulates(call, input) ? dx[at] + value : value;
}

/* Sets run and the implementation's name. */
void limn_call_fast(limn_call *call, limn_status (*run)(limn_call *call, limn_error *error));

#endif
