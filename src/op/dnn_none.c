/* SPDX-License-Identifier: Apache-2.0
 *
 * dnn.h in a build without oneDNN.  Every function that can fail fails with a sentence, so that no
 * caller needs an #if: the plan asks, is refused, and uses the plain loops. */
#include "op/dnn.h"
#include "op/dnn_int8.h"

static limn_status refuse(limn_error *error)
{
    return limn_fail(error, LIMN_COMPUTE, "limn was built without oneDNN: use --compute plain");
}

limn_status limn_dnn_start(limn_error *error)
{
    return refuse(error);
}

const char *limn_dnn_version(void)
{
    return "without oneDNN";
}

bool limn_dnn_has_amx(void)
{
    return false;
}

limn_status limn_dnn_create(limn_dnn_primitive **out, const limn_dnn_conv *conv,
                            const limn_dnn_layout *weights, limn_arena *arena, limn_error *error)
{
    (void)conv;
    (void)weights;
    (void)arena;
    *out = NULL;
    return refuse(error);
}

limn_status limn_dnn_layout_plain(limn_dnn_layout **out, const limn_dnn_conv *conv,
                                  limn_arena *arena, limn_error *error)
{
    (void)conv;
    (void)arena;
    *out = NULL;
    return refuse(error);
}

limn_status limn_dnn_layout_blocks(limn_dnn_layout **out, const limn_dnn_conv *conv, limn_type type,
                                   int block, bool large_inside, limn_arena *arena,
                                   limn_error *error)
{
    (void)conv;
    (void)type;
    (void)block;
    (void)large_inside;
    (void)arena;
    *out = NULL;
    return refuse(error);
}

limn_status limn_dnn_layout_plain_like(limn_dnn_layout **out, const limn_dnn_layout *layout,
                                       limn_arena *arena, limn_error *error)
{
    (void)layout;
    (void)arena;
    *out = NULL;
    return refuse(error);
}

limn_status limn_dnn_layout_copy(limn_dnn_layout **out, const limn_dnn_layout *layout,
                                 limn_arena *arena, limn_error *error)
{
    (void)layout;
    (void)arena;
    *out = NULL;
    return refuse(error);
}

limn_status limn_dnn_pack_create(limn_dnn_primitive **out, const limn_dnn_layout *from,
                                 const limn_dnn_layout *to, limn_arena *arena, limn_error *error)
{
    (void)from;
    (void)to;
    (void)arena;
    *out = NULL;
    return refuse(error);
}

const limn_pack *limn_dnn_pack_own(const limn_dnn_primitive *primitive)
{
    (void)primitive;
    return NULL;
}

limn_status limn_dnn_bind(limn_dnn_primitive *primitive, void *x, void *weights, void *bias,
                          void *y, void *scratch, limn_error *error)
{
    (void)primitive;
    (void)x;
    (void)weights;
    (void)bias;
    (void)y;
    (void)scratch;
    return refuse(error);
}

limn_status limn_dnn_run(limn_dnn_primitive *primitive, limn_error *error)
{
    (void)primitive;
    return refuse(error);
}

/* Below: what can only be asked of a primitive or a layout, of which there are none. */

void limn_dnn_free(limn_dnn_primitive **primitive)
{
    *primitive = NULL;
}

const limn_dnn_layout *limn_dnn_weights(const limn_dnn_primitive *primitive)
{
    (void)primitive;
    return NULL;
}

limn_method limn_dnn_method(const limn_dnn_primitive *primitive)
{
    (void)primitive;
    return LIMN_METHOD_DIRECT;
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

limn_status limn_dnn_create_int8(limn_dnn_primitive **out, const limn_dnn_int8 *conv,
                                 limn_arena *arena, limn_error *error)
{
    (void)conv;
    (void)arena;
    *out = NULL;
    return refuse(error);
}

limn_status limn_dnn_bind_int8(limn_dnn_primitive *primitive, void *x, void *weights, void *scale,
                               void *shift, void *y, void *scratch, limn_error *error)
{
    (void)primitive;
    (void)x;
    (void)weights;
    (void)scale;
    (void)shift;
    (void)y;
    (void)scratch;
    return refuse(error);
}

limn_status limn_dnn_layout_bytes_like(limn_dnn_layout **out, const limn_dnn_layout *layout,
                                       limn_arena *arena, limn_error *error)
{
    (void)layout;
    (void)arena;
    *out = NULL;
    return refuse(error);
}

bool limn_dnn_layout_is_int8(const limn_dnn_layout *layout)
{
    (void)layout;
    return false;
}

limn_status limn_dnn_layout_fours(limn_dnn_layout **out, limn_shape w, limn_arena *arena,
                                  limn_error *error)
{
    (void)w;
    (void)arena;
    *out = NULL;
    return refuse(error);
}
