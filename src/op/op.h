/* SPDX-License-Identifier: Apache-2.0
 *
 * What an operation is.
 *
 * One operation = one file = one limn_op at its bottom.  The file holds, in this order: why it
 * exists, the shape rule, forward and backward as plain loops, the fast versions, the cases to
 * check it on, the struct.  The statics are named shape, forward, backward, prepare in every file:
 * a reader who knows one file knows all.  Nothing else in the tree names the operation but the list
 * in table.c; planner, checker, printer and benchmark walk that.
 *
 * Plain loops are the reference: float32, NCHW (block 1), contiguous, no activation, no oneDNN.
 * They stay for good: they are the oracle of the tests, the debugger, and the port (--compute
 * plain). The fast version is chosen once, when the plan is made, by prepare(): it must take every
 * layout (block 1, 8, 16 or c; two blocks may differ between tensors of different channel counts),
 * F32 and BF16 feature maps, and batch strides larger than a picture (a range of channels inside a
 * concatenation). */
#ifndef LIMN_OP_OP_H
#define LIMN_OP_OP_H

#include "base/memory.h"
#include "base/threads.h"
#include "op/dnn.h"
#include "tensor/tensor.h"

enum { LIMN_INPUTS_MAX = 8, LIMN_OUTPUTS_MAX = 6, LIMN_PACKS_MAX = 4 };

/* Arguments of a node; each operation reads its own and ignores the others. */
typedef struct limn_args {
    int kernel_h, kernel_w, stride;               /* conv, deconv, avgpool */
    int pad_top, pad_left, pad_bottom, pad_right; /* conv, deconv, pads, avgpool */
    int output_pad;                               /* deconv */
    int groups;                                   /* conv: 0 and 1 both mean one group */
    int height, width;                            /* resize: output size */
    int mode;                                     /* pad, resize, gan: see their enums below */
    int target;                                   /* gan: 1 real, 0 fake */
    int pictures;                                 /* patchnce: rows belong to this many pictures */
    bool training;                                /* batchnorm: batch statistics; dropout: on */
    bool critic;                                  /* gan: the critic's side (hinge differs) */
    bool include_pad;                             /* avgpool: padding counts in the divisor */
    int zero, head;  /* conv_int8: the byte that stands for 0; activation before (slope too) */
    bool doubled;    /* conv_int8: its outputs are the four phases of a doubled map */
    uint32_t stream; /* dropout: its random stream */
    float slope, eps, momentum, factor, probability, temperature;
    float beta1, beta2; /* adam */
} limn_args;

typedef enum limn_pad_mode { LIMN_PAD_ZERO, LIMN_PAD_REFLECT, LIMN_PAD_REPLICATE } limn_pad_mode;
typedef enum limn_resize_mode { LIMN_RESIZE_NEAREST, LIMN_RESIZE_BILINEAR } limn_resize_mode;
typedef enum limn_gan_mode {
    LIMN_GAN_VANILLA,
    LIMN_GAN_LSGAN,
    LIMN_GAN_HINGE,
    LIMN_GAN_NONSATURATING,
} limn_gan_mode;

/* What an input is, for planner and checker. */
typedef enum limn_input_kind {
    LIMN_FEATURES, /* a feature map; F32 or BF16, laid out by the planner */
    LIMN_WEIGHT,   /* convolution weights: in the layout that the call asked for */
    LIMN_VECTOR,   /* one F32 value a channel, plain: shape (1, c, 1, 1) */
    LIMN_VARIANCE, /* the same, never negative */
    LIMN_INDICES,  /* F32 whole numbers, row r holds positions h * w of picture r: see gather */
    LIMN_SCALAR,   /* one F32 */
    LIMN_FLAT, /* adam: a parameter's whole memory, F32, shape (1, 1, 1, count), padding included */
} limn_input_kind;

enum {
    LIMN_OP_INPLACE = 1,          /* forward: y[0] may be x[0]'s memory */
    LIMN_OP_INPLACE_BACKWARD = 2, /* backward: dx[0] may be dy[0]'s memory */
    LIMN_OP_KINK = 4,             /* has corners: the checker keeps inputs away from 0 */
    LIMN_OP_ACTIVATION = 8, /* elementwise, and its backward reads only y and dy: may be fused */
    LIMN_OP_TAIL = 16,      /* forward fast path applies call->activation */
    LIMN_OP_TAIL_BACKWARD =
        32,                /* backward fast path multiplies dy by the activation's slope at y[0] */
    LIMN_OP_VIEW = 64,     /* y[0] is x[0] under another name: no work, no memory */
    LIMN_OP_STOP = 128,    /* no gradient passes */
    LIMN_OP_CONCAT = 256,  /* y[0] is x[0], x[1] ... side by side in channels */
    LIMN_OP_SUM = 512,     /* y = x[0] + x[1] + ...: gradients pass through unchanged */
    LIMN_OP_RANDOM = 1024, /* draws noise: the checker fixes the moment */
    LIMN_OP_UPDATE = 2048, /* changes state for good (optimiser): never pruned */
    LIMN_OP_RESIDUAL = 4096, /* with TAIL: adds call->residual before */
    LIMN_OP_INT8 = 8192,     /* weights are whole numbers, I8; wants maps channels-last */
};

/* What changes from step to step, read while running. */
typedef struct limn_moment {
    uint64_t seed;
    uint64_t step; /* number of steps done before this one: Adam's t is step + 1 */
    float learning_rate;
    int part, parts; /* gradient accumulation: of a step in `parts` runs this is number `part` (from
                        0); 0 of 0 is a whole step */
} limn_moment;

typedef struct limn_op limn_op;
typedef struct limn_call limn_call;

/* One call of an operation in one direction, with everything it reads and writes.
 * Forward:  x -> y.    Backward: x, y (only those that backward_reads_* name), dy -> dx.
 * A tensor with data NULL (shape.n 0 before memory is given) is absent: optional input not given,
 * gradient not wanted. */
struct limn_call {
    const limn_op *op;
    const limn_args *args;
    const limn_moment *moment;
    bool backward;
    bool inference; /* no backward call will follow this forward call */
    int inputs;
    limn_tensor x[LIMN_INPUTS_MAX], dx[LIMN_INPUTS_MAX];
    limn_tensor y[LIMN_OUTPUTS_MAX], dy[LIMN_OUTPUTS_MAX];
    unsigned wanted;            /* backward: bit i set when dx[i] is wanted */
    unsigned accumulate;        /* backward: bit i set when dx[i] += instead of dx[i] = */
    limn_activation activation; /* LIMN_OP_TAIL, LIMN_OP_TAIL_BACKWARD */
    float slope;
    limn_tensor residual; /* LIMN_OP_RESIDUAL: y = activation(result + residual); may be y itself */

    /* How to compute: [0] forward, or the gradient of x[0]; [1] the gradient of the weights.
     * prepare() writes back what it has become, where it had to take another. */
    limn_method methods[2];

    /* Set by prepare(). */
    limn_status (*bind)(limn_call *call, limn_error *error); /* has pointers now; may be NULL */
    limn_status (*run)(limn_call *call, limn_error *error);
    void (*release)(limn_call *call); /* frees what own holds; may be NULL */
    void *own;                        /* from the plan's arena */
    size_t scratch_bytes;             /* wanted while the call runs */
    const char *implementation;       /* for `limn plan`: "jit:avx512_core", "avx512", "plain" */
    int reorders;                     /* that the call does beside its own work: 0 is the aim */
    /* Operations with a LIMN_WEIGHT input: the layout in which it is read (forward, and backward
     * for dx[0]) and, given by the planner or else chosen and set here, that of its gradient.  A
     * weight is read as weight_type (F32, or BF16 in bf16 plans). */
    const limn_dnn_layout *weight_layout, *weight_gradient_layout;

    /* Operations that update weights: packs of what they became, to be written as well. */
    const limn_pack *packs[LIMN_PACKS_MAX];
    int pack_count;
    /* Backward, set by prepare(): the largest piece of the weights' gradient, in floats, that it
     * can hand to an update instead of storing it; 0: it stores.  And the update, by the planner:
     * then dx of the weights has no memory. */
    size_t update_floats;
    const limn_call *update;

    void *scratch; /* given by the plan before bind */
};

/* A case for the checker: shapes of the inputs (n == 0: absent), arguments. */
typedef struct limn_op_case {
    limn_shape x[LIMN_INPUTS_MAX];
    limn_args args;
} limn_op_case;

struct limn_op {
    const char *name;
    const char *does; /* one line, for `limn ops` and the docs */
    unsigned flags;
    int inputs_min, inputs_max, outputs;
    limn_input_kind kinds[LIMN_INPUTS_MAX]; /* the last one given goes for all inputs beyond it */
    unsigned gradients;                     /* inputs that can get a gradient */
    unsigned backward_reads_x, backward_reads_y;
    unsigned float32_outputs; /* outputs that are F32 whatever the plan's precision */
    /* y[j] is x[overwrites[j] - 1] changed in place; 0: fresh */
    unsigned char overwrites[LIMN_OUTPUTS_MAX];
    limn_activation activation; /* LIMN_OP_ACTIVATION: which one a tail applies (slope: args) */

    /* Shapes of all outputs, or SHAPE/SETTING with a sentence (without the node's name: the graph
     * puts it in front).  Output count may be less than .outputs where optional: n = 0 then. */
    limn_status (*shape)(limn_shape *y, const limn_shape *x, int inputs, const limn_args *args,
                         limn_error *error);
    void (*forward)(const limn_call *call);  /* plain loops */
    void (*backward)(const limn_call *call); /* plain loops; NULL when gradients == 0 */
    /* Picks run (and bind ...) for this call, by layouts, types and processor; takes memory only
     * from the arena.  Shapes, types, blocks and strides are known, pointers are not.  NULL: an
     * operation on a handful of scalars, whose plain loops serve all plans. */
    limn_status (*prepare)(limn_call *call, limn_arena *arena, limn_error *error);
    /* LIMN_OP_UPDATE: the same for one piece of weights in blocks of 16 x 16 channels, whose
     * gradient lies by itself in that order; on the calling thread.  With call->packs.  NULL: only
     * as a whole. */
    void (*update)(const limn_call *call, const limn_piece *piece, const float *gradient);
    /* The ways to compute methods[part] of a call, at most LIMN_METHODS: the one first that is
     * taken without a measurement.  Returns how many.  NULL: there is one way. */
    int (*ways)(const limn_call *call, int part, limn_method *ways);
    const limn_op_case *cases; /* ends with x[0].n == 0 */
};

extern const limn_op *const limn_ops[]; /* ends with NULL; table.c */
extern const int limn_op_count;
const limn_op *limn_op_find(const char *name);

/* Makes call run the plain loops (run that calls forward/backward). */
void limn_call_plain(limn_call *call);

static inline limn_input_kind limn_op_kind(const limn_op *op, int input)
{
    return op->kinds[input];
}

/* Scalar activation and its slope as a function of the output y: the definition that plain loops,
 * kernels' tails and tests share. */
float limn_activation_value(limn_activation activation, float slope, float x);
float limn_activation_slope(limn_activation activation, float slope, float y);

#endif
