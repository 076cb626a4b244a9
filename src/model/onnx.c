/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing an ONNX file: see onnx.h. */
#include "model/onnx.h"

#include <limits.h>
#include <string.h>

/* protobuf-c's fields are not const; what is put into them is never changed. */
static char *text(const char *value)
{
    return (char *)(uintptr_t)value;
}

static void *take(limn_onnx *onnx, size_t bytes)
{
    void *p = onnx->full ? NULL : limn_take(onnx->arena, bytes + 1);

    if (!p) onnx->full = true;
    return p;
}

/* A copy: names come from buffers. */
static char *keep(limn_onnx *onnx, const char *value)
{
    char *copy = onnx->full ? NULL : limn_take_text(onnx->arena, value);

    if (!copy) onnx->full = true;
    return copy;
}

void limn_onnx_open(limn_onnx *onnx, limn_arena *arena, const char *name, size_t nodes,
                    size_t tensors)
{
    *onnx = (limn_onnx){ .arena = arena, .node_room = nodes, .tensor_room = tensors };
    onnx__graph_proto__init(&onnx->graph);
    onnx->graph.name = keep(onnx, name);
    onnx->graph.node = take(onnx, nodes * sizeof *onnx->graph.node);
    onnx->graph.initializer = take(onnx, tensors * sizeof *onnx->graph.initializer);
    onnx->graph.input = take(onnx, sizeof *onnx->graph.input);
    onnx->graph.output = take(onnx, sizeof *onnx->graph.output);
}

const char *limn_onnx_name(limn_onnx *onnx, const char *front)
{
    char *name = onnx->full ? NULL : limn_take_format(onnx->arena, "%s_%d", front, onnx->names++);

    if (!name) onnx->full = true;
    return name ? name : "";
}

/* ---- Nodes ----------------------------------------------------------------------------------- */

limn_onnx_node_t *limn_onnx_node(limn_onnx *onnx, const char *type, const char *output,
                                 const char *const *inputs)
{
    limn_onnx_node_t *node = take(onnx, sizeof *node);
    size_t count = 0;

    while (count < LIMN_ONNX_INPUTS_MAX && inputs[count]) count++;
    if (onnx->graph.n_node == onnx->node_room) onnx->full = true;
    if (onnx->full) return NULL;
    onnx__node_proto__init(node);
    node->op_type = keep(onnx, type);
    node->name = keep(onnx, output);
    node->input = take(onnx, count * sizeof *node->input);
    node->output = take(onnx, sizeof *node->output);
    node->attribute = take(onnx, 8 * sizeof *node->attribute);
    if (onnx->full) return NULL;
    for (size_t i = 0; i < count; i++) node->input[i] = keep(onnx, inputs[i]);
    node->output[0] = node->name;
    node->n_input = count;
    node->n_output = 1;
    onnx->graph.node[onnx->graph.n_node++] = node;
    return node;
}

static Onnx__AttributeProto *attribute(limn_onnx *onnx, limn_onnx_node_t *node, const char *name,
                                       Onnx__AttributeProto__AttributeType type)
{
    Onnx__AttributeProto *a = take(onnx, sizeof *a);

    if (!onnx->full && (!node || node->n_attribute == 8)) onnx->full = true;
    if (onnx->full) return NULL;
    onnx__attribute_proto__init(a);
    a->name = keep(onnx, name);
    a->has_type = true;
    a->type = type;
    node->attribute[node->n_attribute++] = a;
    return a;
}

void limn_onnx_int(limn_onnx *onnx, limn_onnx_node_t *node, const char *name, int64_t value)
{
    Onnx__AttributeProto *a = attribute(onnx, node, name,
                                        ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);

    if (!a) return;
    a->has_i = true;
    a->i = value;
}

void limn_onnx_float(limn_onnx *onnx, limn_onnx_node_t *node, const char *name, float value)
{
    Onnx__AttributeProto *a = attribute(onnx, node, name,
                                        ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);

    if (!a) return;
    a->has_f = true;
    a->f = value;
}

void limn_onnx_text(limn_onnx *onnx, limn_onnx_node_t *node, const char *name, const char *value)
{
    Onnx__AttributeProto *a = attribute(onnx, node, name,
                                        ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);

    if (!a) return;
    a->has_s = true;
    a->s = (ProtobufCBinaryData){ strlen(value), (uint8_t *)keep(onnx, value) };
}

void limn_onnx_ints(limn_onnx *onnx, limn_onnx_node_t *node, const char *name, size_t count,
                    const int64_t *values)
{
    Onnx__AttributeProto *a = attribute(onnx, node, name,
                                        ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    int64_t *copy = take(onnx, count * sizeof *copy);

    if (!a || !copy) return;
    memcpy(copy, values, count * sizeof *copy);
    a->ints = copy;
    a->n_ints = count;
}

/* ---- Constants ------------------------------------------------------------------------------- */

const char *limn_onnx_tensor(limn_onnx *onnx, const char *name, limn_type type, int dims,
                             const int64_t *size, const void *bytes)
{
    Onnx__TensorProto *t = take(onnx, sizeof *t);
    int64_t *copy = take(onnx, (size_t)dims * sizeof *copy);
    size_t count = 1;

    if (onnx->graph.n_initializer == onnx->tensor_room) onnx->full = true;
    if (onnx->full) return "";
    onnx__tensor_proto__init(t);
    for (int i = 0; i < dims; i++) {
        copy[i] = size[i];
        count *= (size_t)size[i];
    }
    t->name = keep(onnx, name);
    t->n_dims = (size_t)dims;
    t->dims = copy;
    t->has_data_type = true;
    t->data_type = type == LIMN_I64 ? ONNX__TENSOR_PROTO__DATA_TYPE__INT64
                                    : ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    t->has_raw_data = true;
    t->raw_data = (ProtobufCBinaryData){ count * limn_type_bytes(type),
                                         (uint8_t *)(uintptr_t)bytes };
    onnx->graph.initializer[onnx->graph.n_initializer++] = t;
    return t->name ? t->name : "";
}

static void *copy_of(limn_onnx *onnx, const void *values, size_t bytes)
{
    void *copy = take(onnx, bytes);

    if (copy) memcpy(copy, values, bytes);
    return copy;
}

const char *limn_onnx_floats(limn_onnx *onnx, const char *name, int dims, const int64_t *size,
                             const float *values)
{
    size_t bytes = sizeof *values;

    for (int i = 0; i < dims; i++) bytes *= (size_t)size[i];
    return limn_onnx_tensor(onnx, name, LIMN_F32, dims, size, copy_of(onnx, values, bytes));
}

const char *limn_onnx_longs(limn_onnx *onnx, const char *name, int64_t count, const int64_t *values)
{
    return limn_onnx_tensor(onnx, name, LIMN_I64, 1, &count,
                            copy_of(onnx, values, (size_t)count * sizeof *values));
}

/* ---- Input and output ------------------------------------------------------------------------ */

static Onnx__TensorShapeProto__Dimension *dimension(limn_onnx *onnx, const char *name, int value)
{
    Onnx__TensorShapeProto__Dimension *d = take(onnx, sizeof *d);

    if (!d) return NULL;
    onnx__tensor_shape_proto__dimension__init(d);
    d->value_case = name ? ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM
                         : ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
    if (name)
        d->dim_param = keep(onnx, name);
    else
        d->dim_value = value;
    return d;
}

void limn_onnx_picture(limn_onnx *onnx, bool output, const char *name, int channels,
                       const char *batch, const char *height, const char *width)
{
    Onnx__ValueInfoProto *value = take(onnx, sizeof *value);
    Onnx__TypeProto *type = take(onnx, sizeof *type);
    Onnx__TypeProto__Tensor *tensor = take(onnx, sizeof *tensor);
    Onnx__TensorShapeProto *shape = take(onnx, sizeof *shape);
    Onnx__TensorShapeProto__Dimension **dims = take(onnx, 4 * sizeof *dims);

    if (onnx->full) return;
    dims[0] = dimension(onnx, batch, 0);
    dims[1] = dimension(onnx, NULL, channels);
    dims[2] = dimension(onnx, height, 0);
    dims[3] = dimension(onnx, width, 0);
    onnx__tensor_shape_proto__init(shape);
    shape->n_dim = 4;
    shape->dim = dims;
    onnx__type_proto__tensor__init(tensor);
    tensor->has_elem_type = true;
    tensor->elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    tensor->shape = shape;
    onnx__type_proto__init(type);
    type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    type->tensor_type = tensor;
    onnx__value_info_proto__init(value);
    value->name = keep(onnx, name);
    value->type = type;
    if (output)
        onnx->graph.output[onnx->graph.n_output++] = value;
    else
        onnx->graph.input[onnx->graph.n_input++] = value;
}

/* ---- The file -------------------------------------------------------------------------------- */

/* protobuf-c packs into this, piece by piece. */
typedef struct sink {
    ProtobufCBuffer base; /* first, as protobuf-c wants it */
    limn_file file;
    limn_error *error;
    limn_status status; /* the first fault */
} sink;

static void append(ProtobufCBuffer *buffer, size_t count, const uint8_t *bytes)
{
    sink *s = (sink *)buffer;

    if (!s->status) s->status = limn_file_write(&s->file, bytes, count, s->error);
}

static void put_texts(limn_onnx *onnx, Onnx__ModelProto *model, const limn_saved_text *texts,
                      size_t count)
{
    model->metadata_props = take(onnx, count * sizeof *model->metadata_props);
    for (size_t i = 0; i < count && !onnx->full; i++) {
        Onnx__StringStringEntryProto *entry = take(onnx, sizeof *entry);

        if (!entry) return;
        onnx__string_string_entry_proto__init(entry);
        entry->key = text(texts[i].key);
        entry->value = text(texts[i].value);
        model->metadata_props[model->n_metadata_props++] = entry;
    }
}

limn_status limn_onnx_write(limn_onnx *onnx, const char *path, const char *notice,
                            const limn_saved_text *texts, size_t text_count, limn_error *error)
{
    sink s = { .base = { append }, .error = error };
    Onnx__OperatorSetIdProto opset = ONNX__OPERATOR_SET_ID_PROTO__INIT, *opsets = &opset;
    Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;

    put_texts(onnx, &model, texts, text_count);
    if (onnx->full) return limn_fail(error, LIMN_NO_MEMORY, "out of memory for writing %s", path);
    opset.domain = text("");
    opset.has_version = true;
    opset.version = LIMN_ONNX_OPSET;
    model.has_ir_version = true;
    model.ir_version = LIMN_ONNX_IR;
    model.n_opset_import = 1;
    model.opset_import = &opsets;
    model.producer_name = text("limn");
    model.producer_version = text(LIMN_VERSION);
    model.doc_string = text(notice);
    model.graph = &onnx->graph;
    if (onnx__model_proto__get_packed_size(&model) > INT_MAX)
        return limn_fail(error, LIMN_FORMAT,
                         "%s: the network is larger than the 2 GiB that an ONNX file holds", path);
    LIMN_TRY(limn_file_create(&s.file, path, error));
    onnx__model_proto__pack_to_buffer(&model, &s.base);
    if (!s.status) s.status = limn_file_commit(&s.file, error);
    limn_file_abandon(&s.file);
    return s.status;
}
