/* SPDX-License-Identifier: Apache-2.0
 *
 * The one door to oneDNN: describe, ask, reorder, memory, primitive, arguments, wrapped once.
 *
 * Feature maps come in the layouts of tensor.h.  Weights live in whatever layout oneDNN prefers for
 * the call (a limn_dnn_layout), are packed when they change and not when they are used.  Everything
 * is created when a plan is made; limn_dnn_run only executes: fixed pointers, scratch memory given
 * by the plan.  Builds against 2.6 and against 3.x, whose C API creates primitives differently.
 *
 * Transposed convolution is the backward pass of a convolution with the roles of the two feature
 * maps exchanged, so it needs no primitive of its own: limn_dnn_conv describes the CONVOLUTION, x
 * being its source (large side) and y its destination, for all three directions. */
#ifndef LIMN_OP_DNN_H
#define LIMN_OP_DNN_H

#include "base/memory.h"
#include "op/choice.h"
#include "op/pack.h"
#include "tensor/tensor.h"

typedef enum limn_dnn_direction {
    LIMN_DNN_FORWARD,       /* reads x, w, bias; writes y */
    LIMN_DNN_BACKWARD_DATA, /* reads y (gradient), w; writes x (gradient); bias is added to x when
                               given, which is what a transposed convolution wants */
    LIMN_DNN_BACKWARD_WEIGHTS, /* reads x, y (gradient); writes w and bias (gradients, F32) */
} limn_dnn_direction;

typedef enum limn_activation {
    LIMN_ACTIVATION_NONE,
    LIMN_ACTIVATION_LEAKY,
    LIMN_ACTIVATION_RELU,
    LIMN_ACTIVATION_RELU6,
    LIMN_ACTIVATION_TANH,
    LIMN_ACTIVATION_SIGMOID,
} limn_activation;

/* A convolution as PyTorch writes it: y[n,o] = bias[o] + sum w[o,i] * x[n,i], cross-correlation. */
typedef struct limn_dnn_conv {
    limn_dnn_direction direction;
    limn_tensor x, y; /* shape, type, block; data may be NULL until limn_dnn_bind */
    int kernel_h, kernel_w, stride_h, stride_w;
    int pad_top, pad_left, pad_bottom, pad_right;
    int groups; /* 1, or divides both channel counts; w is (o, i / groups, kh, kw) */
    bool bias;
    bool inference;             /* FORWARD only: no backward pass will follow */
    limn_activation activation; /* FORWARD, or BACKWARD_DATA without accumulate: applied last */
    float slope;                /* of LEAKY */
    bool add_to_output;         /* FORWARD: y = activation(y + conv), the residual sum.
                                   BACKWARD_DATA: x += result.  BACKWARD_WEIGHTS: w, bias += result.
                                   Where oneDNN has no sum, the result goes to scratch first. */
    limn_type weight_type;      /* of the packed weights: F32 or BF16; gradients are always F32 */
    limn_method method;         /* WINOGRAD or CHANNELS_LAST: where oneDNN can, else directly */
} limn_dnn_conv;

/* A layout of weights, opaque; lives in the arena it was made with. */
typedef struct limn_dnn_layout limn_dnn_layout;
typedef struct limn_dnn_primitive limn_dnn_primitive;

/* Process-wide engine and stream; called by every function here, safe to call from threads. */
limn_status limn_dnn_start(limn_error *error);
/* "oneDNN 2.6.3, avx512_core_bf16" */
const char *limn_dnn_version(void);
/* Whether oneDNN multiplies bfloat16 and bytes in the processor's tile registers (AMX), many times
 * as fast as in vectors.  Its kernels for that read and write channels-last maps and no others. */
bool limn_dnn_has_amx(void);

/* Creates the primitive for a convolution.  weights NULL: oneDNN chooses the layout (ask with
 * limn_dnn_weights); otherwise that layout is required and SHAPE/COMPUTE is the error where no
 * implementation but a reference one takes it.  The primitive is freed by limn_dnn_free (NULL is
 * fine).  A primitive that oneDNN would run with a "ref" implementation is tried with other layouts
 * of the feature maps, reordering to scratch inside the call; limn_dnn_implementation tells what
 * runs. */
limn_status limn_dnn_create(limn_dnn_primitive **out, const limn_dnn_conv *conv,
                            const limn_dnn_layout *weights, limn_arena *arena, limn_error *error);
void limn_dnn_free(limn_dnn_primitive **primitive);

const limn_dnn_layout *limn_dnn_weights(const limn_dnn_primitive *primitive);
limn_method limn_dnn_method(const limn_dnn_primitive *primitive);         /* that it has become */
const char *limn_dnn_implementation(const limn_dnn_primitive *primitive); /* "jit:avx512_core" */
/* Scratch memory (bytes, 64-aligned) that the call needs while it runs; it may be shared. */
size_t limn_dnn_scratch_bytes(const limn_dnn_primitive *primitive);
/* Number of reorders that the call does beside the convolution itself: 0 is the aim. */
int limn_dnn_reorders(const limn_dnn_primitive *primitive);

/* Fixes the pointers once, when the plan's memory is there.  bias is F32 plain (o values); NULL
 * when the conv has none. */
limn_status limn_dnn_bind(limn_dnn_primitive *primitive, void *x, void *weights, void *bias,
                          void *y, void *scratch, limn_error *error);
limn_status limn_dnn_run(limn_dnn_primitive *primitive, limn_error *error);

/* Layouts of weights.  The plain layout is PyTorch's: (o, i / groups, kh, kw) contiguous F32. */
limn_status limn_dnn_layout_plain(limn_dnn_layout **out, const limn_dnn_conv *conv,
                                  limn_arena *arena, limn_error *error);
/* The blocks in which direct kernels and tiles.h read weights of one group, of F32 or BF16: `block`
 * (8 or 16; BF16: 16) channels of each side, those of the large side (x) last, or those of the
 * small one (y); in BF16 with pairs of the other side's inside.  Both channel counts are multiples
 * of it. */
limn_status limn_dnn_layout_blocks(limn_dnn_layout **out, const limn_dnn_conv *conv, limn_type type,
                                   int block, bool large_inside, limn_arena *arena,
                                   limn_error *error);
/* The plain layout of the weights that another layout holds, and a copy that lives in another
 * arena. */
limn_status limn_dnn_layout_plain_like(limn_dnn_layout **out, const limn_dnn_layout *layout,
                                       limn_arena *arena, limn_error *error);
limn_status limn_dnn_layout_copy(limn_dnn_layout **out, const limn_dnn_layout *layout,
                                 limn_arena *arena, limn_error *error);
bool limn_dnn_layout_equal(const limn_dnn_layout *a, const limn_dnn_layout *b);
size_t limn_dnn_layout_bytes(const limn_dnn_layout *layout);
/* A short name for printing: "OIhw16i16o", "plain", ... */
const char *limn_dnn_layout_name(const limn_dnn_layout *layout);

/* Repacking between two layouts of the same weights (types may differ).  Created once, run often.
 */
limn_status limn_dnn_pack_create(limn_dnn_primitive **out, const limn_dnn_layout *from,
                                 const limn_dnn_layout *to, limn_arena *arena, limn_error *error);
/* bind with x = from, y = to; weights and bias NULL */

/* What our own loop packs, which an update of the weights can do on its way; NULL where oneDNN
 * packs, or where the weights come plain.  Lives as long as the primitive; what it reads and writes
 * is known from bind on. */
const limn_pack *limn_dnn_pack_own(const limn_dnn_primitive *primitive);

#endif
