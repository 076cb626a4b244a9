/* SPDX-License-Identifier: Apache-2.0
 *
 * dnn_api.h on oneDNN 2.x (Debian 12 has 2.6).  Memory descriptors are plain structs there, so this
 * file only passes them on; a batch stride is written into the struct, which its documentation
 * allows for blocked formats. */
#include "op/dnn_api.h"

#if DNNL_VERSION_MAJOR < 3

#include <string.h>

dnnl_status_t limn_dnn_md_make(limn_dnn_md *out, int count, const dnnl_dim_t *dims,
                               dnnl_data_type_t type, dnnl_format_tag_t tag,
                               dnnl_dim_t batch_stride)
{
    dnnl_status_t status = dnnl_memory_desc_init_by_tag(&out->md, count, dims, type, tag);

    if (!status && batch_stride) out->md.format_desc.blocking.strides[0] = batch_stride;
    return status;
}

bool limn_dnn_md_equal(const limn_dnn_md *a, const limn_dnn_md *b)
{
    return dnnl_memory_desc_equal(&a->md, &b->md);
}

size_t limn_dnn_md_bytes(const limn_dnn_md *md)
{
    return dnnl_memory_desc_get_size(&md->md);
}

dnnl_data_type_t limn_dnn_md_type(const limn_dnn_md *md)
{
    return md->md.data_type;
}

bool limn_dnn_md_dims(const limn_dnn_md *md, dnnl_dims_t dims)
{
    memcpy(dims, md->md.dims, sizeof md->md.dims);
    return md->md.ndims == 4;
}

bool limn_dnn_md_same_dims(const limn_dnn_md *a, const limn_dnn_md *b)
{
    return a->md.ndims == b->md.ndims &&
           !memcmp(a->md.dims, b->md.dims, (size_t)a->md.ndims * sizeof *a->md.dims);
}

dnnl_status_t limn_dnn_md_plain_like(limn_dnn_md *out, const limn_dnn_md *md)
{
    return limn_dnn_md_make(out, md->md.ndims, md->md.dims, dnnl_f32,
                            md->md.ndims == 5 ? dnnl_abcde : dnnl_abcd, 0);
}

dnnl_status_t limn_dnn_md_bytes_like(limn_dnn_md *out, const limn_dnn_md *md)
{
    return limn_dnn_md_make(out, md->md.ndims, md->md.dims, dnnl_s8,
                            md->md.ndims == 5 ? dnnl_abcde : dnnl_abcd, 0);
}

dnnl_format_tag_t limn_dnn_md_tag(const limn_dnn_md *md)
{
    if (md->md.format_kind != dnnl_blocked) return dnnl_format_tag_undef;
    for (int tag = dnnl_format_tag_any + 1; tag < dnnl_format_tag_last; tag++) {
        dnnl_memory_desc_t like;

        if (!dnnl_memory_desc_init_by_tag(&like, md->md.ndims, md->md.dims, md->md.data_type,
                                          (dnnl_format_tag_t)tag) &&
            dnnl_memory_desc_equal(&like, &md->md))
            return (dnnl_format_tag_t)tag;
    }
    return dnnl_format_tag_undef;
}

/* Backward primitives want the descriptor of a forward pass as a hint; layouts play no part in it,
 * and one type serves: there is no forward pass from F32 to BF16 maps, but there is the gradient.
 */
static dnnl_status_t describe_hint(dnnl_primitive_desc_t *out, const limn_dnn_question *q,
                                   dnnl_engine_t engine)
{
    const dnnl_memory_desc_t *given[] = { &q->x.md, &q->weights.md, &q->y.md };
    bool bf16 = q->x.md.data_type == dnnl_bf16 || q->y.md.data_type == dnnl_bf16;
    dnnl_data_type_t type = bf16 ? dnnl_bf16 : dnnl_f32;
    dnnl_memory_desc_t any[3];
    dnnl_convolution_desc_t forward;
    dnnl_status_t status;

    for (int i = 0; i < 3; i++) {
        if ((status = dnnl_memory_desc_init_by_tag(&any[i], given[i]->ndims, given[i]->dims, type,
                                                   dnnl_format_tag_any)))
            return status;
    }
    status = dnnl_convolution_forward_desc_init(&forward, dnnl_forward_training, q->algorithm,
                                                &any[0], &any[1], NULL, &any[2], q->stride,
                                                q->pad_begin, q->pad_end);
    return status ? status : dnnl_primitive_desc_create(out, &forward, NULL, engine, NULL);
}

dnnl_status_t limn_dnn_describe(dnnl_primitive_desc_t *out, const limn_dnn_question *q,
                                dnnl_engine_t engine)
{
    const dnnl_memory_desc_t *bias = q->bias ? &q->bias->md : NULL;
    dnnl_convolution_desc_t convolution;
    dnnl_primitive_desc_t hint = NULL;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_status_t status;

    if (q->direction != LIMN_DNN_FORWARD && (status = describe_hint(&hint, q, engine)))
        return status;
    if ((status = limn_dnn_attributes(&attributes, q))) goto done;
    switch (q->direction) {
    case LIMN_DNN_FORWARD:
        status = dnnl_convolution_forward_desc_init(
            &convolution, q->inference ? dnnl_forward_inference : dnnl_forward_training,
            q->algorithm, &q->x.md, &q->weights.md, bias, &q->y.md, q->stride, q->pad_begin,
            q->pad_end);
        break;
    case LIMN_DNN_BACKWARD_DATA:
        status = dnnl_convolution_backward_data_desc_init(&convolution, q->algorithm, &q->x.md,
                                                          &q->weights.md, &q->y.md, q->stride,
                                                          q->pad_begin, q->pad_end);
        break;
    case LIMN_DNN_BACKWARD_WEIGHTS:
        status = dnnl_convolution_backward_weights_desc_init(&convolution, q->algorithm, &q->x.md,
                                                             &q->weights.md, bias, &q->y.md,
                                                             q->stride, q->pad_begin, q->pad_end);
        break;
    }
    if (!status) status = dnnl_primitive_desc_create(out, &convolution, attributes, engine, hint);
done:
    if (attributes) dnnl_primitive_attr_destroy(attributes);
    if (hint) dnnl_primitive_desc_destroy(hint);
    return status;
}

dnnl_status_t limn_dnn_describe_reorder(dnnl_primitive_desc_t *out, const limn_dnn_md *from,
                                        const limn_dnn_md *to, dnnl_engine_t engine)
{
    dnnl_primitive_attr_t attributes;
    dnnl_status_t status = limn_dnn_attributes(&attributes, NULL);

    if (status) return status;
    status = dnnl_reorder_primitive_desc_create(out, &from->md, engine, &to->md, engine,
                                                attributes);
    dnnl_primitive_attr_destroy(attributes);
    return status;
}

dnnl_status_t limn_dnn_ask(limn_dnn_md *out, const_dnnl_primitive_desc_t described,
                           dnnl_query_t what)
{
    const dnnl_memory_desc_t *md = dnnl_primitive_desc_query_md(described, what, 0);

    if (!md) return dnnl_invalid_arguments;
    out->md = *md;
    return dnnl_success;
}

const char *limn_dnn_ask_name(const_dnnl_primitive_desc_t described)
{
    const char *name = NULL;

    return dnnl_primitive_desc_query(described, dnnl_query_impl_info_str, 0, &name) || !name ? "ref"
                                                                                             : name;
}

dnnl_status_t limn_dnn_memory(dnnl_memory_t *out, const limn_dnn_md *md, dnnl_engine_t engine)
{
    return dnnl_memory_create(out, &md->md, engine, DNNL_MEMORY_NONE);
}

/* y = y * scale + shift, a value a channel. */
static dnnl_status_t append_channel(dnnl_post_ops_t after, const limn_dnn_md *channel)
{
    dnnl_status_t status = dnnl_post_ops_append_binary(after, dnnl_binary_mul, &channel->md);

    return status ? status : dnnl_post_ops_append_binary(after, dnnl_binary_add, &channel->md);
}

dnnl_status_t limn_dnn_attributes(dnnl_primitive_attr_t *out, const limn_dnn_question *q)
{
    dnnl_post_ops_t after = NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(out);

    if (status) return status;
    status = dnnl_primitive_attr_set_scratchpad_mode(*out, dnnl_scratchpad_mode_user);
    if (!status && q && (q->sum || q->channel || q->eltwise != dnnl_alg_kind_undef)) {
        status = dnnl_post_ops_create(&after);
        if (!status && q->channel) status = append_channel(after, q->channel);
        if (!status && q->sum) status = dnnl_post_ops_append_sum(after, 1.0f);
        if (!status && q->eltwise != dnnl_alg_kind_undef)
            status = dnnl_post_ops_append_eltwise(after, 1.0f, q->eltwise, q->alpha, q->beta);
        if (!status) status = dnnl_primitive_attr_set_post_ops(*out, after);
        if (after) dnnl_post_ops_destroy(after);
    }
    if (status) dnnl_primitive_attr_destroy(*out);
    return status;
}

#else
typedef int limn_dnn_v2_is_not_used; /* a file with nothing in it is not C */
#endif
