/* SPDX-License-Identifier: Apache-2.0
 *
 * oneDNN's convolution of bytes: see dnn_int8.h.
 *
 * Scale and shift of each output are post-operations (multiply, add) that read memory, and not
 * oneDNN's own scales: those are fixed at creation in 2.x, bound at run time in 3.x, and mean
 * different things for a bias.  A map of one pixel does not take them (oneDNN cannot tell channels
 * from elements there), hence `bare`. */
#include "op/dnn_int8.h"
#include "op/dnn_api.h"

#include <stdio.h>
#include <string.h>

static dnnl_status_t map_md(limn_dnn_md *out, limn_shape s, dnnl_data_type_t type)
{
    dnnl_dim_t dims[] = { s.n, s.c, s.h, s.w };

    return limn_dnn_md_make(out, 4, dims, type, dnnl_nhwc, 0);
}

static dnnl_status_t make_question(limn_dnn_question *q, limn_dnn_md *channel,
                                   const limn_dnn_int8 *conv)
{
    dnnl_dim_t weights[] = { conv->y.c, conv->x.c, conv->kernel_h, conv->kernel_w };
    dnnl_dim_t channels[] = { 1, conv->y.c, 1, 1 };
    dnnl_data_type_t type = conv->y_type == LIMN_BF16 ? dnnl_bf16 : dnnl_f32;
    dnnl_status_t status;

    *q = (limn_dnn_question){ .direction = LIMN_DNN_FORWARD,
                              .inference = true,
                              .algorithm = dnnl_convolution_direct,
                              .stride = { conv->stride, conv->stride },
                              .channel = conv->bare ? NULL : channel };
    if (!conv->bare) limn_dnn_question_activate(q, conv->activation, conv->slope);
    if ((status = map_md(&q->x, conv->x, dnnl_u8)) ||
        (status = map_md(&q->y, conv->y, conv->bare ? dnnl_f32 : type)) ||
        (status = limn_dnn_md_make(&q->weights, 4, weights, dnnl_s8, dnnl_format_tag_any, 0)))
        return status;
    return limn_dnn_md_make(channel, 4, channels, dnnl_f32, dnnl_nchw, 0);
}

static dnnl_status_t build(limn_dnn_primitive *p, const limn_dnn_question *q,
                           dnnl_primitive_desc_t described)
{
    limn_dnn_operand operands[] = {
        { DNNL_ARG_SRC, &q->x, { LIMN_DNN_X, 0 } },
        { DNNL_ARG_WEIGHTS, &p->weights.md, { LIMN_DNN_WEIGHTS, 0 } },
        { DNNL_ARG_DST, &q->y, { LIMN_DNN_Y, 0 } },
        { DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, q->channel, { LIMN_DNN_SCALE, 0 } },
        { DNNL_ARG_ATTR_MULTIPLE_POST_OP(1) | DNNL_ARG_SRC_1, q->channel, { LIMN_DNN_BIAS, 0 } },
    };
    dnnl_status_t status;
    limn_dnn_md md;

    if ((status = limn_dnn_ask(&md, described, dnnl_query_weights_md))) return status;
    limn_dnn_layout_fill(&p->weights, &md);
    p->has_weights = true;
    snprintf(p->implementation, sizeof p->implementation, "%s", limn_dnn_ask_name(described));
    return limn_dnn_step_add(p, described, operands, q->channel ? 5 : 3);
}

limn_status limn_dnn_create_int8(limn_dnn_primitive **out, const limn_dnn_int8 *conv,
                                 limn_arena *arena, limn_error *error)
{
    dnnl_primitive_desc_t described;
    limn_dnn_primitive *p;
    limn_dnn_question q;
    limn_dnn_md channel;
    dnnl_status_t status;

    *out = NULL;
    LIMN_TRY(limn_dnn_start(error));
    LIMN_TRY(limn_take_into(&p, arena, sizeof *p, error));
    snprintf(p->name, sizeof p->name,
             "int8 convolution, %dx%dx%dx%d -> %dx%dx%dx%d, kernel %dx%d, stride %d", conv->x.n,
             conv->x.c, conv->x.h, conv->x.w, conv->y.n, conv->y.c, conv->y.h, conv->y.w,
             conv->kernel_h, conv->kernel_w, conv->stride);
    status = make_question(&q, &channel, conv);
    if (!status) status = limn_dnn_describe(&described, &q, limn_dnn_engine);
    if (!status && !conv->bare && !strncmp(limn_dnn_ask_name(described), "ref", 3)) {
        dnnl_primitive_desc_destroy(described);
        return limn_fail(error, LIMN_COMPUTE, "%s: oneDNN has no fast code for it", p->name);
    }
    if (!status) {
        status = build(p, &q, described);
        dnnl_primitive_desc_destroy(described);
    }
    if (status) {
        limn_fail(error, limn_dnn_status(status), "%s: oneDNN says: %s", p->name,
                  limn_dnn_status_text(status));
        limn_dnn_free(&p);
        return limn_dnn_status(status);
    }
    *out = p;
    return LIMN_OK;
}

limn_status limn_dnn_bind_int8(limn_dnn_primitive *primitive, void *x, void *weights, void *scale,
                               void *shift, void *y, void *scratch, limn_error *error)
{
    primitive->base[LIMN_DNN_SCALE] = scale; /* the rest is as for any other */
    return limn_dnn_bind(primitive, x, weights, shift, y, scratch, error);
}

limn_status limn_dnn_layout_bytes_like(limn_dnn_layout **out, const limn_dnn_layout *layout,
                                       limn_arena *arena, limn_error *error)
{
    limn_dnn_md md;
    dnnl_status_t status = limn_dnn_md_bytes_like(&md, &layout->md);

    *out = NULL;
    if (status)
        return limn_fail(error, limn_dnn_status(status), "weights in %s: oneDNN says: %s",
                         layout->name, limn_dnn_status_text(status));
    LIMN_TRY(limn_take_into(out, arena, sizeof **out, error));
    limn_dnn_layout_fill(*out, &md);
    return LIMN_OK;
}

limn_status limn_dnn_layout_fours(limn_dnn_layout **out, limn_shape w, limn_arena *arena,
                                  limn_error *error)
{
    dnnl_dim_t dims[] = { w.n, w.c, w.h, w.w };
    dnnl_status_t status;
    limn_dnn_md md;

    *out = NULL;
    LIMN_TRY(limn_dnn_start(error));
    if ((status = limn_dnn_md_make(&md, 4, dims, dnnl_s8, dnnl_OhwI16o4i, 0)))
        return limn_fail(error, LIMN_SHAPE, "weights of %d x %d channels by fours: oneDNN says: %s",
                         w.n, w.c, limn_dnn_status_text(status));
    LIMN_TRY(limn_take_into(out, arena, sizeof **out, error));
    limn_dnn_layout_fill(*out, &md);
    return LIMN_OK;
}

bool limn_dnn_layout_is_int8(const limn_dnn_layout *layout)
{
    return limn_dnn_md_type(&layout->md) == dnnl_s8;
}
