/* SPDX-License-Identifier: Apache-2.0
 *
 * The list of operations: the only place besides its own file where an operation is named.
 *
 * Planner, checker, printer and benchmark walk limn_ops and read everything else from the struct.
 * The order is that of `limn ops`; nothing is saved by index, so rows may be moved. */
#include "op/op.h"

#include <string.h>

/* clang-format off */
#define OPS(X)                                                                                     \
    X(conv) X(deconv) X(dense) X(conv_int8)                                                        \
    X(batchnorm) X(instancenorm)                                                                   \
    X(leaky) X(relu) X(relu6) X(tanh) X(sigmoid) X(softmax)                                        \
    X(dropout) X(concat) X(add) X(scale)                                                           \
    X(pad) X(resize) X(blur_down) X(blur_up) X(avgpool) X(global_avgpool)                          \
    X(gather) X(flip) X(stop) X(pool) X(constant)                                                  \
    X(l1) X(gan) X(patchnce)                                                                       \
    X(adam)
/* clang-format on */

#define X(name) extern const limn_op limn_op_##name;
OPS(X)
#undef X

const limn_op *const limn_ops[] = {
#define X(name) &limn_op_##name,
    OPS(X)
#undef X
        NULL
};

const int limn_op_count = (int)(sizeof limn_ops / sizeof *limn_ops) - 1;

const limn_op *limn_op_find(const char *name)
{
    for (const limn_op *const *op = limn_ops; *op; op++)
        if (!strcmp((*op)->name, name)) return *op;
    return NULL;
}

static limn_status run_plain(limn_call *call, limn_error *error)
{
    (void)error;
    (call->backward ? call->op->backward : call->op->forward)(call);
    return LIMN_OK;
}

void limn_call_plain(limn_call *call)
{
    call->bind = NULL;
    call->run = run_plain;
    call->release = NULL;
    call->own = NULL;
    call->scratch_bytes = 0;
    call->implementation = "plain";
    call->weight_layout = call->weight_gradient_layout = NULL; /* PyTorch's order */
}
