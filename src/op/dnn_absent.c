/* SPDX-License-Identifier: Apache-2.0
 *
 * Fulfils dnn.h in builds without oneDNN: every request is refused with one clear sentence.
 *
 * Such builds compute with the plain loops (limn_compute_resolve gives PLAIN), so nothing reaches
 * this file unless somebody asks for the fast path by name.  A file of its own keeps conditional
 * compilation out of dnn.c and out of every operation. */
#include "op/dnn.h"

static limn_status absent(limn_error *error)
{
    return limn_fail(error, LIMN_COMPUTE,
                     "this build of limn is without oneDNN: use --compute plain, or build with "
                     "-Ddnn=enabled");
}

limn_status limn_dnn_start(limn_error *error)
{
    return absent(error);
}

const char *limn_dnn_version(void)
{
    return "no oneDNN";
}

limn_status limn_dnn_create(limn_dnn_primitive **out, const limn_dnn_conv *conv,
                            const limn_dnn_layout *weights, limn_arena *arena, limn_error *error)
{
    (void)conv, (void)weights, (void)arena;
    *out = NULL;
    return absent(error);
}

void limn_dnn_free(limn_dnn_primitive **primitive)
{
    *primitive = NULL;
}

const limn_dnn_layout *limn_dnn_weights(const limn_dnn_primitive *primitive)
{
    (void)primitive;
    return NULL;
}

const char *limn_dnn_implementation(const limn_dnn_primitive *primitive)
{
    (void)primitive;
    return "none";
}

size_t limn_dnn_scratch_bytes(const limn_dnn_primitive *primitive)
{
    (void)primitive;
    return 0;
}

int limn_dnn_reorders(const limn_dnn_primitive *primitive)
{
    (void)primitive;
    return 0;
}

limn_status limn_dnn_bind(limn_dnn_primitive *primitive, void *x, void *weights, void *bias,
                          void *y, void *scratch, limn_error *error)
{
    (void)primitive, (void)x, (void)weights, (void)bias, (void)y, (void)scratch;
    return absent(error);
}

limn_status limn_dnn_run(limn_dnn_primitive *primitive, limn_error *error)
{
    (void)primitive;
    return absent(error);
}

limn_status limn_dnn_layout_plain(limn_dnn_layout **out, const limn_dnn_conv *conv,
                                  limn_arena *arena, limn_error *error)
{
    (void)conv, (void)arena;
    *out = NULL;
    return absent(error);
}

bool limn_dnn_layout_equal(const limn_dnn_layout *a, const limn_dnn_layout *b)
{
    return a == b;
}

size_t limn_dnn_layout_bytes(const limn_dnn_layout *layout)
{
    (void)layout;
    return 0;
}

const char *limn_dnn_layout_name(const limn_dnn_layout *layout)
{
    (void)layout;
    return "none";
}

limn_status limn_dnn_pack_create(limn_dnn_primitive **out, const limn_dnn_layout *from,
                                 const limn_dnn_layout *to, limn_arena *arena, limn_error *error)
{
    (void)from, (void)to, (void)arena;
    *out = NULL;
    return absent(error);
}
