/* SPDX-License-Identifier: Apache-2.0
 *
 * limn export: a model's network -> ONNX, opset 17.
 *
 * The network is written into a graph as for translating, and that graph is walked: one small
 * writer an operation, found by the operation's name in the table below.  So every network of the
 * zoo can be exported, and what is exported is what limn runs: the walk needs the graph's inside,
 * which model/ includes here alone.
 *
 * The graph is that of the smallest size; no writer may use a height or a width of it, only what
 * holds at every size (channels, paddings, factors).  Weights go from the mapped model file
 * straight into the ONNX file.
 *
 * Batch norm with the picture's own statistics has no operator of its own (BatchNormalization with
 * training_mode has further outputs and is refused by most runtimes), so it is written out:
 * y = (x - mean) / sqrt(mean((x - mean)^2) + eps) * scale + shift, means over batch, height and
 * width, which is what limn computes at any batch size. */
#include "base/file.h"
#include "model/model.h"
#include "model/model_card.h"
#include "model/model_graph.h"
#include "model/onnx.h"
#include "net/graph_inside.h"
#include "op/blur.h"

#include <stdio.h>
#include <string.h>

typedef struct walk {
    limn_onnx onnx;
    const limn_graph *graph;
    const limn_node_info *node;
    const char **names; /* of each value, once it was made */
    const char *in[8];  /* the node's inputs, then NULL */
    const char *out;    /* its output */
    limn_shape x, y;    /* shapes of in[0] and out: channels may be used, sizes may not */
} walk;

typedef void (*writer)(walk *w);

static limn_onnx_node_t *put(walk *w, const char *type, const char *output, const char *a,
                             const char *b)
{
    return limn_onnx_node(&w->onnx, type, output, (const char *const[]){ a, b, NULL });
}

/* type(a, b) under a new name. */
static const char *make(walk *w, const char *type, const char *a, const char *b)
{
    const char *output = limn_onnx_name(&w->onnx, type);

    put(w, type, output, a, b);
    return output;
}

static const char *vector(walk *w, const char *front, int channels, float value)
{
    int64_t size = channels;
    float *values = limn_take(w->onnx.arena, (size_t)channels * sizeof *values);

    if (!values) {
        w->onnx.full = true;
        return "";
    }
    for (int i = 0; i < channels; i++) values[i] = value;
    return limn_onnx_tensor(&w->onnx, limn_onnx_name(&w->onnx, front), LIMN_F32, 1, &size, values);
}

/* ---- Operations ------------------------------------------------------------------------------ */

static void elementwise(walk *w, const char *type)
{
    limn_onnx_node(&w->onnx, type, w->out, w->in);
}

static void relu(walk *w)
{
    elementwise(w, "Relu");
}

static void tangent(walk *w)
{
    elementwise(w, "Tanh");
}

static void sigmoid(walk *w)
{
    elementwise(w, "Sigmoid");
}

static void add(walk *w)
{
    elementwise(w, "Add");
}

static void leaky(walk *w)
{
    limn_onnx_node_t *node = limn_onnx_node(&w->onnx, "LeakyRelu", w->out, w->in);

    limn_onnx_float(&w->onnx, node, "alpha", w->node->args.slope);
}

static void concat(walk *w)
{
    limn_onnx_node_t *node = limn_onnx_node(&w->onnx, "Concat", w->out, w->in);

    limn_onnx_int(&w->onnx, node, "axis", 1);
}

static void windows(walk *w, limn_onnx_node_t *node, int height, int width, int stride,
                    const int64_t pads[4], int groups)
{
    limn_onnx_ints(&w->onnx, node, "kernel_shape", 2, (int64_t[]){ height, width });
    limn_onnx_ints(&w->onnx, node, "strides", 2, (int64_t[]){ stride, stride });
    limn_onnx_ints(&w->onnx, node, "pads", 4, pads);
    limn_onnx_int(&w->onnx, node, "group", groups);
}

/* Weights (o, i, kh, kw), or (i, o, kh, kw) of the transposed: both as ONNX has them. */
static limn_onnx_node_t *convolution(walk *w, const char *type)
{
    const limn_args *a = &w->node->args;
    limn_shape weight = limn_shape_of(w->graph, w->node->x[1]);
    limn_onnx_node_t *node = limn_onnx_node(&w->onnx, type, w->out, w->in);

    windows(w, node, weight.h, weight.w, a->stride ? a->stride : 1,
            (int64_t[]){ a->pad_top, a->pad_left, a->pad_bottom, a->pad_right },
            a->groups ? a->groups : 1);
    return node;
}

static void conv(walk *w)
{
    convolution(w, "Conv");
}

static void deconv(walk *w)
{
    limn_onnx_node_t *node = convolution(w, "ConvTranspose");
    int64_t more = w->node->args.output_pad;

    limn_onnx_ints(&w->onnx, node, "output_padding", 2, (int64_t[]){ more, more });
}

static void instancenorm(walk *w)
{
    limn_onnx_node_t *node;

    if (!w->in[1]) {
        w->in[1] = vector(w, "ones", w->x.c, 1);
        w->in[2] = vector(w, "zeros", w->x.c, 0);
    }
    node = limn_onnx_node(&w->onnx, "InstanceNormalization", w->out, w->in);
    limn_onnx_float(&w->onnx, node, "epsilon", w->node->args.eps);
}

static const char *mean_of_batch(walk *w, const char *x)
{
    const char *output = limn_onnx_name(&w->onnx, "mean");
    limn_onnx_node_t *node = put(w, "ReduceMean", output, x, NULL);

    limn_onnx_ints(&w->onnx, node, "axes", 3, (int64_t[]){ 0, 2, 3 });
    limn_onnx_int(&w->onnx, node, "keepdims", 1);
    return output;
}

/* A vector (c) as (c, 1, 1), which meets (n, c, h, w) channel by channel. */
static const char *upright(walk *w, const char *x)
{
    return make(
        w, "Reshape", x,
        limn_onnx_longs(&w->onnx, limn_onnx_name(&w->onnx, "upright"), 3, (int64_t[]){ -1, 1, 1 }));
}

static void batchnorm(walk *w)
{
    const char *apart, *variance, *eps, *y;
    limn_onnx_node_t *node;

    if (!w->node->args.training) {
        node = limn_onnx_node(&w->onnx, "BatchNormalization", w->out, w->in);
        limn_onnx_float(&w->onnx, node, "epsilon", w->node->args.eps);
        return;
    }
    eps = limn_onnx_floats(&w->onnx, limn_onnx_name(&w->onnx, "eps"), 0, NULL, &w->node->args.eps);
    apart = make(w, "Sub", w->in[0], mean_of_batch(w, w->in[0]));
    variance = mean_of_batch(w, make(w, "Mul", apart, apart));
    y = make(w, "Sqrt", make(w, "Add", variance, eps), NULL);
    if (!w->in[1]) {
        put(w, "Div", w->out, apart, y);
        return;
    }
    y = make(w, "Mul", make(w, "Div", apart, y), upright(w, w->in[1]));
    put(w, "Add", w->out, y, upright(w, w->in[2]));
}

/* Pads height and width of x. */
static void padding(walk *w, const char *output, const char *x, const char *mode, int top, int left,
                    int bottom, int right)
{
    const char *pads = limn_onnx_longs(&w->onnx, limn_onnx_name(&w->onnx, "pads"), 8,
                                       (int64_t[]){ 0, 0, top, left, 0, 0, bottom, right });

    limn_onnx_text(&w->onnx, put(w, "Pad", output, x, pads), "mode", mode);
}

static void pad(walk *w)
{
    static const char *const modes[] = { "constant", "reflect", "edge" }; /* limn_pad_mode */
    const limn_args *a = &w->node->args;

    padding(w, w->out, w->in[0], modes[a->mode], a->pad_top, a->pad_left, a->pad_bottom,
            a->pad_right);
}

/* The binomial filter times gain, once a channel: (c, 1, size, size). */
static const char *binomial(walk *w, int size, float gain)
{
    size_t plane = (size_t)size * (size_t)size;
    float *values = limn_take(w->onnx.arena, (size_t)w->x.c * plane * sizeof *values);

    if (!values) {
        w->onnx.full = true;
        return "";
    }
    for (size_t i = 0; i < (size_t)w->x.c * plane; i++)
        values[i] = limn_binomial(size, (int)(i % plane) / size) *
                    limn_binomial(size, (int)(i % (size_t)size)) * gain;
    return limn_onnx_tensor(&w->onnx, limn_onnx_name(&w->onnx, "filter"), LIMN_F32, 4,
                            (int64_t[]){ w->x.c, 1, size, size }, values);
}

static void blur_down(walk *w)
{
    const limn_args *a = &w->node->args;
    int size = a->kernel_h ? a->kernel_h : 3, before = (size - 1) / 2, after = size / 2;
    const char *padded = limn_onnx_name(&w->onnx, "reflected");

    padding(w, padded, w->in[0], "reflect", before, before, after, after);
    windows(w, put(w, "Conv", w->out, padded, binomial(w, size, 1)), size, size,
            a->stride ? a->stride : 2, (int64_t[]){ 0, 0, 0, 0 }, w->x.c);
}

/* Border repeated, transposed convolution, first row and column off, for even filters the last too:
 * op/blur_up.c. */
static void blur_up(walk *w)
{
    const limn_args *a = &w->node->args;
    int size = a->kernel_h ? a->kernel_h : 4, stride = a->stride ? a->stride : 2;
    int64_t off = 1 + (size - 1) / 2, end = size % 2 ? INT32_MAX : -1;
    const char *padded = limn_onnx_name(&w->onnx, "repeated"),
               *large = limn_onnx_name(&w->onnx, "enlarged");

    padding(w, padded, w->in[0], "edge", 1, 1, 1, 1);
    windows(w, put(w, "ConvTranspose", large, padded, binomial(w, size, (float)(stride * stride))),
            size, size, stride, (int64_t[]){ off, off, off, off }, w->x.c);
    limn_onnx_node(
        &w->onnx, "Slice", w->out,
        (const char *const[]){
            large,
            limn_onnx_longs(&w->onnx, limn_onnx_name(&w->onnx, "from"), 2, (int64_t[]){ 1, 1 }),
            limn_onnx_longs(&w->onnx, limn_onnx_name(&w->onnx, "to"), 2, (int64_t[]){ end, end }),
            limn_onnx_longs(&w->onnx, limn_onnx_name(&w->onnx, "axes"), 2, (int64_t[]){ 2, 3 }),
            NULL });
}

/* By the factor, which is the same at every size. */
static void resize(walk *w)
{
    bool linear = w->node->args.mode == LIMN_RESIZE_BILINEAR;
    const float factors[4] = { 1, 1, (float)w->y.h / (float)w->x.h, (float)w->y.w / (float)w->x.w };
    const char *scales = limn_onnx_floats(&w->onnx, limn_onnx_name(&w->onnx, "factors"), 1,
                                          (int64_t[]){ 4 }, factors);
    limn_onnx_node_t *node = limn_onnx_node(&w->onnx, "Resize", w->out,
                                            (const char *const[]){ w->in[0], "", scales, NULL });

    limn_onnx_text(&w->onnx, node, "mode", linear ? "linear" : "nearest");
    limn_onnx_text(&w->onnx, node, "coordinate_transformation_mode",
                   linear ? "half_pixel" : "asymmetric");
    if (!linear) limn_onnx_text(&w->onnx, node, "nearest_mode", "floor");
}

static const struct {
    const char *op;
    writer write;
    int nodes, tensors; /* that it makes at most */
} writers[] = {
    { "conv", conv, 1, 0 },
    { "deconv", deconv, 1, 0 },
    { "instancenorm", instancenorm, 1, 2 },
    { "batchnorm", batchnorm, 11, 3 },
    { "relu", relu, 1, 0 },
    { "leaky", leaky, 1, 0 },
    { "tanh", tangent, 1, 0 },
    { "sigmoid", sigmoid, 1, 0 },
    { "add", add, 1, 0 },
    { "concat", concat, 1, 0 },
    { "pad", pad, 1, 1 },
    { "blur_down", blur_down, 2, 2 },
    { "blur_up", blur_up, 3, 5 },
    { "resize", resize, 1, 1 },
};
enum { WRITERS = sizeof writers / sizeof *writers };

static int writer_of(const limn_op *op)
{
    for (int i = 0; i < WRITERS; i++)
        if (!strcmp(writers[i].op, op->name)) return i;
    return -1;
}

/* ---- The walk -------------------------------------------------------------------------------- */

/* The model's tensor of a parameter, as a constant of the same name. */
static limn_status constant(walk *w, int value, const limn_model *model, const char *network,
                            limn_error *error)
{
    const limn_parameter_info *info = &w->graph->parameters[w->graph->values[value].parameter];
    const char *own = info->name + strlen(info->network) + 1;
    const limn_saved_tensor *t = limn_model_find(model, network, own);
    float *values;

    if (!t || t->count != limn_count(info->shape))
        return limn_fail(error, LIMN_FORMAT, "%s: %s tensor %s, which network %s needs",
                         limn_model_path(model), t ? "has another size of" : "has no", own,
                         network);
    if (t->type == LIMN_F32) {
        w->names[value] = limn_onnx_tensor(&w->onnx, own, LIMN_F32, t->dims, t->size, t->data);
        return LIMN_OK;
    }
    LIMN_TRY(limn_take_into(&values, w->onnx.arena, t->count * sizeof *values, error));
    LIMN_TRY(limn_saved_floats(t, 0, t->count, values, error));
    w->names[value] = limn_onnx_tensor(&w->onnx, own, LIMN_F32, t->dims, t->size, values);
    return LIMN_OK;
}

static limn_status write_node(walk *w, const limn_model *model, const char *network,
                              limn_error *error)
{
    const limn_node_info *node = w->node;
    int index = writer_of(node->op);

    memset(w->in, 0, sizeof w->in);
    for (int i = 0; i < node->inputs; i++) {
        limn_value x = node->x[i];

        if (!w->names[x] && w->graph->values[x].parameter >= 0)
            LIMN_TRY(constant(w, x, model, network, error));
        w->in[i] = w->names[x];
    }
    w->x = limn_shape_of(w->graph, node->x[0]);
    w->y = limn_shape_of(w->graph, node->y[0]);
    w->out = w->names[node->y[0]];
    if (!w->out) w->out = w->names[node->y[0]] = limn_onnx_name(&w->onnx, node->op->name);
    writers[index].write(w);
    return LIMN_OK;
}

static limn_status count_room(const limn_graph *graph, size_t *nodes, size_t *tensors,
                              const char *path, limn_error *error)
{
    *nodes = 0;
    *tensors = (size_t)graph->parameter_count;
    for (int k = 0; k < graph->node_count; k++) {
        int index = writer_of(graph->nodes[k].op);

        if (index < 0)
            return limn_fail(error, LIMN_SETTING,
                             "%s: its network has an operation %s, for which limn has no ONNX form",
                             path, graph->nodes[k].op->name);
        *nodes += (size_t)writers[index].nodes;
        *tensors += (size_t)writers[index].tensors;
    }
    return LIMN_OK;
}

/* The card of this one network. */
static limn_status texts_of(const limn_model *model, const limn_model_network *network,
                            limn_arena *arena, limn_saved_text **texts, size_t *count,
                            limn_error *error)
{
    limn_model_card card = *limn_model_about(model);

    card.networks[0] = *network;
    card.network_count = 1;
    card.generator = limn_network_is_critic(network->network.net) ? NULL : network->name;
    card.checkpoint = false;
    card.state_count = 0;
    return limn_card_write(&card, true, arena, texts, count, error);
}

static limn_status walk_graph(walk *w, const limn_model *model, const limn_model_network *network,
                              const char *to, limn_arena *arena, limn_error *error)
{
    limn_value input = 0, output = limn_reported(w->graph, "output");
    size_t nodes, tensors, text_count;
    limn_saved_text *texts;

    while (!w->graph->values[input].input) input++;
    LIMN_TRY(count_room(w->graph, &nodes, &tensors, limn_model_path(model), error));
    LIMN_TRY(
        limn_take_into(&w->names, arena, (size_t)w->graph->value_count * sizeof *w->names, error));
    limn_onnx_open(&w->onnx, arena, network->name, nodes, tensors);
    w->names[input] = "input";
    w->names[output] = "output";
    limn_onnx_picture(&w->onnx, false, "input", network->network.input_nc, "batch", "height",
                      "width");
    for (int k = 0; k < w->graph->node_count; k++) {
        w->node = &w->graph->nodes[k];
        LIMN_TRY(write_node(w, model, network->name, error));
    }
    /* A critic's map has another size than what it looks at. */
    if (limn_network_is_critic(network->network.net))
        limn_onnx_picture(&w->onnx, true, "output", limn_shape_of(w->graph, output).c, "batch",
                          "map_height", "map_width");
    else
        limn_onnx_picture(&w->onnx, true, "output", limn_shape_of(w->graph, output).c, "batch",
                          "height", "width");
    LIMN_TRY(texts_of(model, network, arena, &texts, &text_count, error));
    return limn_onnx_write(&w->onnx, to, limn_model_notice, texts, text_count, error);
}

static const char *made_from(const limn_model *model)
{
    const limn_model_card *card = limn_model_about(model);
    const char *digest = limn_model_text(card->record, card->record_count, "int8.from");

    return digest ? digest : "an unknown number";
}

static limn_status export(const limn_model *model, const char *to, const char *name,
                          limn_arena *arena, limn_error *error)
{
    const limn_model_network *network = limn_model_network_of(limn_model_about(model), name);
    limn_graph *graph;
    walk w = { 0 };
    limn_status status;

    if (!network)
        return limn_fail(error, LIMN_SETTING, "%s: there is no network %s in it%s",
                         limn_model_path(model), name ? name : "that translates",
                         name ? "" : "; name one with --network");
    if (network->int8)
        return limn_fail(error, LIMN_SETTING,
                         "%s: is an int8 model, which is for limn; export the model that it was "
                         "made from (its weights' SHA-256 begins with %.16s) and quantize that "
                         "file with the runtime's own tools",
                         limn_model_path(model), made_from(model));
    if (limn_model_graph(&graph, network->name, &network->network, error))
        return limn_while(error, "%s", limn_model_path(model));
    w.graph = graph;
    status = walk_graph(&w, model, network, to, arena, error);
    limn_graph_close(&graph);
    return status;
}

limn_status limn_export(const char *path, const char *to, const char *network, limn_error *error)
{
    limn_model *model;
    limn_arena arena;
    limn_status status;

    if (limn_file_same(path, to))
        return limn_fail(error, LIMN_SETTING,
                         "%s is the model and would be overwritten; name another output", to);
    LIMN_TRY(limn_model_open(&model, path, error));
    limn_arena_open(&arena, "export", 0);
    status = export(model, to, network, &arena, error);
    limn_arena_close(&arena);
    limn_model_close(&model);
    return status;
}
