/* SPDX-License-Identifier: Apache-2.0
 *
 * dnn_api.h on oneDNN 3.x.  Memory descriptors are handles there and cannot be looked into, so a
 * layout is kept as the recipe that makes one: dimensions, type and tag.  A layout that oneDNN
 * chose is recognised by making it with every tag in turn and comparing (about 0.1 ms, while a plan
 * is made).  A batch stride on a blocked layout has no creation call: it is the first channels of a
 * bigger map, which the library can describe. */
#include "op/dnn_api.h"

#if DNNL_VERSION_MAJOR >= 3

#include <string.h>

dnnl_status_t limn_dnn_md_make(limn_dnn_md *out, int count, const dnnl_dim_t *dims,
                               dnnl_data_type_t type, dnnl_format_tag_t tag,
                               dnnl_dim_t batch_stride)
{
    *out = (limn_dnn_md){ .count = count, .type = type, .tag = tag, .batch_stride = batch_stride };
    memcpy(out->dims, dims, (size_t)count * sizeof *dims);
    return dnnl_success;
}

static dnnl_status_t open_strided(dnnl_memory_desc_t *out, const limn_dnn_md *md)
{
    dnnl_dim_t plane = md->dims[2] * md->dims[3];
    dnnl_dims_t offsets = { 0 }, big, strides = { md->batch_stride, plane, md->dims[3], 1 };
    dnnl_memory_desc_t parent;
    dnnl_status_t status;

    if (md->tag == dnnl_nhwc) {
        strides[1] = 1;
        strides[2] = md->dims[3] * md->dims[1];
        strides[3] = md->dims[1];
    }
    if (md->tag == dnnl_nhwc || md->tag == dnnl_nchw)
        return dnnl_memory_desc_create_with_strides(out, md->count, md->dims, md->type, strides);
    memcpy(big, md->dims, sizeof big);
    big[1] = md->batch_stride / plane;
    if ((status = dnnl_memory_desc_create_with_tag(&parent, md->count, big, md->type, md->tag)))
        return status;
    status = dnnl_memory_desc_create_submemory(out, parent, md->dims, offsets);
    dnnl_memory_desc_destroy(parent);
    return status;
}

/* The handle of a recipe; the caller destroys it (NULL for an absent one is fine with oneDNN). */
static dnnl_status_t open_md(dnnl_memory_desc_t *out, const limn_dnn_md *md)
{
    *out = NULL;
    if (!md || !md->count) return dnnl_success;
    if (md->batch_stride) return open_strided(out, md);
    return dnnl_memory_desc_create_with_tag(out, md->count, md->dims, md->type, md->tag);
}

static void close_md(dnnl_memory_desc_t md)
{
    if (md) dnnl_memory_desc_destroy(md);
}

bool limn_dnn_md_dims(const limn_dnn_md *md, dnnl_dims_t dims)
{
    memcpy(dims, md->dims, sizeof md->dims);
    return md->count == 4;
}

bool limn_dnn_md_same_dims(const limn_dnn_md *a, const limn_dnn_md *b)
{
    return a->count == b->count && !memcmp(a->dims, b->dims, (size_t)a->count * sizeof *a->dims);
}

bool limn_dnn_md_equal(const limn_dnn_md *a, const limn_dnn_md *b)
{
    dnnl_memory_desc_t one = NULL, other = NULL;
    bool equal;

    if (!limn_dnn_md_same_dims(a, b) || a->type != b->type) return false;
    if (a->tag == b->tag && a->batch_stride == b->batch_stride) return true;
    equal = !open_md(&one, a) && !open_md(&other, b) && one && other &&
            dnnl_memory_desc_equal(one, other);
    close_md(one);
    close_md(other);
    return equal;
}

size_t limn_dnn_md_bytes(const limn_dnn_md *md)
{
    dnnl_memory_desc_t handle;
    size_t bytes;

    if (open_md(&handle, md) || !handle) return 0;
    bytes = dnnl_memory_desc_get_size(handle);
    close_md(handle);
    return bytes;
}

dnnl_data_type_t limn_dnn_md_type(const limn_dnn_md *md)
{
    return md->type;
}

dnnl_status_t limn_dnn_md_plain_like(limn_dnn_md *out, const limn_dnn_md *md)
{
    return limn_dnn_md_make(out, md->count, md->dims, dnnl_f32,
                            md->count == 5 ? dnnl_abcde : dnnl_abcd, 0);
}

dnnl_status_t limn_dnn_md_bytes_like(limn_dnn_md *out, const limn_dnn_md *md)
{
    return limn_dnn_md_make(out, md->count, md->dims, dnnl_s8,
                            md->count == 5 ? dnnl_abcde : dnnl_abcd, 0);
}

dnnl_format_tag_t limn_dnn_md_tag(const limn_dnn_md *md)
{
    return md->batch_stride ? dnnl_format_tag_undef : md->tag;
}

/* Backward primitives want the descriptor of a forward pass as a hint; layouts play no part in it.
 */
static dnnl_status_t describe_hint(dnnl_primitive_desc_t *out, const limn_dnn_question *q,
                                   dnnl_engine_t engine)
{
    limn_dnn_md given[] = { q->x, q->weights, q->y };
    bool bf16 = q->x.type == dnnl_bf16 || q->y.type == dnnl_bf16;
    dnnl_memory_desc_t any[3] = { NULL };
    dnnl_status_t status = dnnl_success;

    for (int i = 0; i < 3 && !status; i++) {
        given[i].type = bf16 ? dnnl_bf16 : dnnl_f32;
        given[i].tag = dnnl_format_tag_any;
        given[i].batch_stride = 0;
        status = open_md(&any[i], &given[i]);
    }
    if (!status)
        status = dnnl_convolution_forward_primitive_desc_create(
            out, engine, dnnl_forward_training, q->algorithm, any[0], any[1], NULL, any[2],
            q->stride, NULL, q->pad_begin, q->pad_end, NULL);
    for (int i = 0; i < 3; i++) close_md(any[i]);
    return status;
}

dnnl_status_t limn_dnn_describe(dnnl_primitive_desc_t *out, const limn_dnn_question *q,
                                dnnl_engine_t engine)
{
    dnnl_memory_desc_t x = NULL, weights = NULL, bias = NULL, y = NULL;
    dnnl_primitive_desc_t hint = NULL;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_status_t status;

    if (q->direction != LIMN_DNN_FORWARD && (status = describe_hint(&hint, q, engine)))
        return status;
    if ((status = limn_dnn_attributes(&attributes, q)) || (status = open_md(&x, &q->x)) ||
        (status = open_md(&weights, &q->weights)) || (status = open_md(&bias, q->bias)) ||
        (status = open_md(&y, &q->y)))
        goto done;
    switch (q->direction) {
    case LIMN_DNN_FORWARD:
        status = dnnl_convolution_forward_primitive_desc_create(
            out, engine, q->inference ? dnnl_forward_inference : dnnl_forward_training,
            q->algorithm, x, weights, bias, y, q->stride, NULL, q->pad_begin, q->pad_end,
            attributes);
        break;
    case LIMN_DNN_BACKWARD_DATA:
        status = dnnl_convolution_backward_data_primitive_desc_create(
            out, engine, q->algorithm, x, weights, y, q->stride, NULL, q->pad_begin, q->pad_end,
            hint, attributes);
        break;
    case LIMN_DNN_BACKWARD_WEIGHTS:
        status = dnnl_convolution_backward_weights_primitive_desc_create(
            out, engine, q->algorithm, x, weights, bias, y, q->stride, NULL, q->pad_begin,
            q->pad_end, hint, attributes);
        break;
    }
done:
    close_md(x);
    close_md(weights);
    close_md(bias);
    close_md(y);
    if (attributes) dnnl_primitive_attr_destroy(attributes);
    if (hint) dnnl_primitive_desc_destroy(hint);
    return status;
}

dnnl_status_t limn_dnn_describe_reorder(dnnl_primitive_desc_t *out, const limn_dnn_md *from,
                                        const limn_dnn_md *to, dnnl_engine_t engine)
{
    dnnl_memory_desc_t source = NULL, target = NULL;
    dnnl_primitive_attr_t attributes;
    dnnl_status_t status = limn_dnn_attributes(&attributes, NULL);

    if (status) return status;
    if (!(status = open_md(&source, from)) && !(status = open_md(&target, to)))
        status = dnnl_reorder_primitive_desc_create(out, source, engine, target, engine,
                                                    attributes);
    close_md(source);
    close_md(target);
    dnnl_primitive_attr_destroy(attributes);
    return status;
}

dnnl_status_t limn_dnn_ask(limn_dnn_md *out, const_dnnl_primitive_desc_t described,
                           dnnl_query_t what)
{
    const_dnnl_memory_desc_t md = dnnl_primitive_desc_query_md(described, what, 0);
    dnnl_dims_t *dims;
    dnnl_status_t status;

    *out = (limn_dnn_md){ 0 };
    if (!md) return dnnl_invalid_arguments;
    if ((status = dnnl_memory_desc_query(md, dnnl_query_ndims_s32, &out->count)) || !out->count)
        return status;
    if ((status = dnnl_memory_desc_query(md, dnnl_query_dims, &dims)) ||
        (status = dnnl_memory_desc_query(md, dnnl_query_data_type, &out->type)))
        return status;
    memcpy(out->dims, *dims, (size_t)out->count * sizeof **dims);
    for (int tag = dnnl_format_tag_any + 1; tag < dnnl_format_tag_last; tag++) {
        dnnl_memory_desc_t like;
        bool equal;

        if (dnnl_memory_desc_create_with_tag(&like, out->count, out->dims, out->type,
                                             (dnnl_format_tag_t)tag))
            continue;
        equal = dnnl_memory_desc_equal(like, md);
        dnnl_memory_desc_destroy(like);
        if (!equal) continue;
        out->tag = (dnnl_format_tag_t)tag;
        return dnnl_success;
    }
    return dnnl_unimplemented;
}

const char *limn_dnn_ask_name(const_dnnl_primitive_desc_t described)
{
    const char *name = NULL;

    return dnnl_primitive_desc_query(described, dnnl_query_impl_info_str, 0, &name) || !name ? "ref"
                                                                                             : name;
}

dnnl_status_t limn_dnn_memory(dnnl_memory_t *out, const limn_dnn_md *md, dnnl_engine_t engine)
{
    dnnl_memory_desc_t handle;
    dnnl_status_t status = open_md(&handle, md);

    if (status) return status;
    status = dnnl_memory_create(out, handle, engine, DNNL_MEMORY_NONE);
    close_md(handle);
    return status;
}

/* y = y * scale + shift, a value a channel. */
static dnnl_status_t append_channel(dnnl_post_ops_t after, const limn_dnn_md *channel)
{
    dnnl_memory_desc_t md = NULL;
    dnnl_status_t status = open_md(&md, channel);

    if (!status) status = dnnl_post_ops_append_binary(after, dnnl_binary_mul, md);
    if (!status) status = dnnl_post_ops_append_binary(after, dnnl_binary_add, md);
    close_md(md);
    return status;
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
        if (!status && q->sum)
            status = dnnl_post_ops_append_sum(after, 1.0f, 0, dnnl_data_type_undef);
        if (!status && q->eltwise != dnnl_alg_kind_undef)
            status = dnnl_post_ops_append_eltwise(after, q->eltwise, q->alpha, q->beta);
        if (!status) status = dnnl_primitive_attr_set_post_ops(*out, after);
        if (after) dnnl_post_ops_destroy(after);
    }
    if (status) dnnl_primitive_attr_destroy(*out);
    return status;
}

#else
typedef int limn_dnn_v3_is_not_used; /* a file with nothing in it is not C */
#endif
