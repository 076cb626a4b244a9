/* SPDX-License-Identifier: Apache-2.0
 *
 * Finding convolutions, and copying a graph with others in their place: see rewrite.h.
 *
 * The copy is made with the functions that describe networks, node by node, so shapes are checked
 * again and there is no second way to make a node.  What becomes unused (activations and
 * concatenations that an int8 layer reads through) is dropped by the plan. */
#include "net/rewrite.h"
#include "net/graph_inside.h"
#include "op/conv_int8.h"

#include <string.h>

extern const limn_op limn_op_conv, limn_op_deconv, limn_op_batchnorm, limn_op_conv_int8,
    limn_op_pad;

/* ---- Finding --------------------------------------------------------------------------------- */

static const limn_node_info *maker(const limn_graph *g, limn_value v)
{
    return g->values[v].node < 0 ? NULL : &g->nodes[g->values[v].node];
}

static const char *parameter_name(const limn_graph *g, limn_value v)
{
    return v < 0 || g->values[v].parameter < 0 ? NULL : g->parameters[g->values[v].parameter].name;
}

static int readers_of(const limn_graph *g, limn_value v)
{
    int count = 0;

    for (int n = 0; n < g->node_count; n++)
        for (int i = 0; i < g->nodes[n].inputs; i++) count += g->nodes[n].x[i] == v;
    for (int r = 0; r < g->report_count; r++) count += g->reports[r].value == v;
    return count;
}

/* The batch norm with given statistics that alone reads y. */
static int norm_behind(const limn_graph *g, limn_value y)
{
    if (readers_of(g, y) != 1) return -1;
    for (int n = 0; n < g->node_count; n++) {
        const limn_node_info *node = &g->nodes[n];

        if (node->op != &limn_op_batchnorm || node->x[0] != y) continue;
        return !node->args.training && node->inputs == 5 ? n : -1;
    }
    return -1;
}

/* One group, and of transposed ones those that double: then they are a 2x2 convolution. */
static bool int8_can(const limn_node_info *node, limn_shape w)
{
    const limn_args *a = &node->args;

    if (a->groups > 1) return false;
    if (node->op == &limn_op_conv) return true;
    return a->stride == 2 && w.h == w.w && a->pad_top == 1 && a->pad_left == 1 &&
           a->pad_bottom == 1 && a->pad_right == 1 &&
           ((w.h == 4 && a->output_pad == 0) || (w.h == 3 && a->output_pad == 1));
}

static limn_status describe(limn_layer *layer, const limn_graph *g, int n, limn_arena *arena,
                            limn_error *error)
{
    const limn_node_info *node = &g->nodes[n];
    const char *weight = parameter_name(g, node->x[1]);
    size_t length = strlen(weight) - strlen(".weight");

    *layer = (limn_layer){ .x = node->x[0],
                           .node = n,
                           .weight = weight,
                           .bias = node->inputs > 2 ? parameter_name(g, node->x[2]) : NULL,
                           .norm_node = norm_behind(g, node->y[0]),
                           .shape = g->values[node->x[1]].shape,
                           .transposed = node->op == &limn_op_deconv };
    layer->name = limn_take_format(arena, "%.*s", (int)length, weight);
    if (!layer->name) return limn_fail(error, LIMN_NO_MEMORY, "out of memory for a layer's name");
    layer->able = int8_can(node, layer->shape);
    if (layer->norm_node >= 0) {
        const limn_node_info *norm = &g->nodes[layer->norm_node];

        layer->norm_scale = parameter_name(g, norm->x[1]);
        layer->norm_shift = parameter_name(g, norm->x[2]);
        layer->norm_mean = parameter_name(g, norm->x[3]);
        layer->norm_variance = parameter_name(g, norm->x[4]);
        layer->eps = norm->args.eps;
    }
    return LIMN_OK;
}

limn_status limn_layers_find(limn_layer **out, int *count, const limn_graph *g, limn_arena *arena,
                             limn_error *error)
{
    *count = 0;
    LIMN_TRY(limn_graph_status(g, error));
    LIMN_TRY(limn_take_into(out, arena, ((size_t)g->node_count + 1) * sizeof **out, error));
    for (int n = 0; n < g->node_count; n++) {
        const limn_node_info *node = &g->nodes[n];

        if ((node->op != &limn_op_conv && node->op != &limn_op_deconv) || node->backward ||
            !parameter_name(g, node->x[1]))
            continue;
        LIMN_TRY(describe(&(*out)[(*count)++], g, n, arena, error));
    }
    return LIMN_OK;
}

void limn_layers_copy_int8(limn_layer *layers, int count, const limn_layer *from, int from_count)
{
    for (int i = 0; i < count; i++)
        for (int k = 0; k < from_count; k++) {
            if (strcmp(layers[i].name, from[k].name)) continue;
            layers[i].int8 = from[k].int8;
            layers[i].step = from[k].step;
            layers[i].zero = from[k].zero;
        }
}

int limn_layer_outputs(const limn_layer *layer)
{
    return layer->transposed ? layer->shape.c : layer->shape.n;
}

/* ---- What an int8 layer reads ---------------------------------------------------------------- */

/* Values of the old graph, side by side, and what is done on the way. */
typedef struct reading {
    limn_value pieces[LIMN_INT8_PIECES];
    int count;
    limn_activation head;
    float slope;
    int mode, pad[4]; /* top, left, bottom, right */
} reading;

static bool is_head(const limn_node_info *node)
{
    return node && node->op->flags & LIMN_OP_ACTIVATION &&
           (node->op->activation == LIMN_ACTIVATION_RELU ||
            node->op->activation == LIMN_ACTIVATION_LEAKY);
}

static void through_padding(reading *r, const limn_graph *g)
{
    const limn_node_info *node = maker(g, r->pieces[0]);

    if (!node || node->op != &limn_op_pad || r->pad[0] || r->pad[1] || r->pad[2] || r->pad[3])
        return;
    r->mode = node->args.mode;
    r->pad[0] = node->args.pad_top;
    r->pad[1] = node->args.pad_left;
    r->pad[2] = node->args.pad_bottom;
    r->pad[3] = node->args.pad_right;
    r->pieces[0] = node->x[0];
}

static void through_activation(reading *r, const limn_graph *g)
{
    const limn_node_info *node = maker(g, r->pieces[0]);

    if (!is_head(node)) return;
    r->head = node->op->activation;
    r->slope = node->args.slope;
    r->pieces[0] = node->x[0];
}

/* A concatenation, when nothing or the same activation stands before all its inputs. */
static void through_concatenation(reading *r, const limn_graph *g)
{
    const limn_node_info *node = maker(g, r->pieces[0]), *first;
    bool heads = true;

    if (!node || !(node->op->flags & LIMN_OP_CONCAT) || node->inputs > LIMN_INT8_PIECES) return;
    first = maker(g, node->x[0]);
    for (int i = 0; i < node->inputs; i++) {
        const limn_node_info *piece = maker(g, node->x[i]);

        heads &= is_head(piece) && is_head(first) &&
                 piece->op->activation == first->op->activation &&
                 !(piece->args.slope < first->args.slope) &&
                 !(piece->args.slope > first->args.slope);
    }
    heads &= r->head == LIMN_ACTIVATION_NONE;
    r->count = node->inputs;
    for (int i = 0; i < node->inputs; i++)
        r->pieces[i] = heads ? maker(g, node->x[i])->x[0] : node->x[i];
    if (!heads) return;
    r->head = first->op->activation;
    r->slope = first->args.slope;
}

/* A ReLU of what came through one already, or through a leaky one, is the ReLU of what went in. */
static limn_value without_repetition(const limn_graph *g, limn_value v)
{
    const limn_node_info *node = maker(g, v);

    return is_head(node) && node->args.slope >= 0 ? node->x[0] : v;
}

static void through_repetition(reading *r, const limn_graph *g)
{
    for (int i = 0; i < r->count && r->head == LIMN_ACTIVATION_RELU; i++)
        r->pieces[i] = without_repetition(g, r->pieces[i]);
}

static reading read_through(const limn_graph *g, const limn_node_info *node, bool transposed)
{
    const limn_args *a = &node->args;
    reading r = { .pieces = { node->x[0] },
                  .count = 1,
                  .mode = LIMN_PAD_ZERO,
                  .pad = { a->pad_top, a->pad_left, a->pad_bottom, a->pad_right } };

    if (!transposed) through_padding(&r, g);
    through_activation(&r, g);
    through_concatenation(&r, g);
    through_repetition(&r, g);
    return r;
}

/* ---- Copying --------------------------------------------------------------------------------- */

typedef struct copying {
    const limn_graph *from;
    limn_graph *to;
    limn_value *map; /* of each old value: the new one; -1: not made yet */
    const limn_layer *layers;
    int count;
} copying;

static limn_value new_parameter(copying *c, const limn_layer *layer, const char *what,
                                limn_shape shape, int dims, limn_parameter_kind kind)
{
    const limn_graph *g = c->from;
    const limn_node_info *node = &g->nodes[layer->node];
    const char *network = g->parameters[g->values[node->x[1]].parameter].network;
    char name[400];

    snprintf(name, sizeof name, "%s.%s", layer->name + strlen(network) + 1, what);
    return limn_parameter(c->to, network, name, shape, dims, kind,
                          !strcmp(what, "scale") ? LIMN_INITIAL_NORMAL_ONE : LIMN_INITIAL_NORMAL);
}

/* A value of the old graph in the new one; parameters are declared when they are first read. */
static limn_value mapped(copying *c, limn_value v)
{
    const limn_graph *g = c->from;
    const limn_parameter_info *p;

    if (v < 0 || c->map[v] >= 0 || g->values[v].parameter < 0) return v < 0 ? -1 : c->map[v];
    p = &g->parameters[g->values[v].parameter];
    c->map[v] = limn_parameter(c->to, p->network, p->name + strlen(p->network) + 1, p->shape,
                               p->dims, p->kind, p->initial);
    if (p->transposed) limn_parameter_transposed(c->to, c->map[v]);
    return c->map[v];
}

static void copy_inputs(copying *c)
{
    for (limn_value v = 0; v < c->from->value_count; v++) {
        const limn_value_info *info = &c->from->values[v];

        c->map[v] = -1;
        if (!info->input) continue;
        c->map[v] = limn_input(c->to, info->name, info->shape);
        limn_input_below(c->to, c->map[v], info->below);
    }
}

static const limn_layer *layer_of(const copying *c, int node, bool *is_norm)
{
    for (int i = 0; i < c->count; i++)
        if (c->layers[i].node == node || c->layers[i].norm_node == node) {
            *is_norm = c->layers[i].norm_node == node;
            return &c->layers[i];
        }
    return NULL;
}

/* Where every convolution that reads v is int8 and reads through what makes it, v itself is wanted
 * by ReLUs alone, which can do without.  (Elsewhere v is made by the step that makes what it is
 * made of, and costs nothing.) */
static bool only_read_through(const copying *c, limn_value v)
{
    for (int n = 0; n < c->from->node_count; n++) {
        const limn_node_info *node = &c->from->nodes[n];
        const limn_layer *layer;
        bool is_norm;

        if (node->x[0] != v || node->op->activation == LIMN_ACTIVATION_RELU) continue;
        layer = layer_of(c, n, &is_norm);
        if (!layer || is_norm || !layer->int8) return false;
    }
    return true;
}

static void copy_node(copying *c, const limn_node_info *node)
{
    limn_value inputs[LIMN_INPUTS_MAX], y;

    for (int i = 0; i < node->inputs; i++) inputs[i] = mapped(c, node->x[i]);
    if (node->op->activation == LIMN_ACTIVATION_RELU && only_read_through(c, node->x[0]))
        inputs[0] = mapped(c, without_repetition(c->from, node->x[0]));
    y = limn_node(c->to, node->op, node->name, &node->args, inputs, node->inputs);
    for (int j = 0; j < LIMN_OUTPUTS_MAX; j++)
        if (node->y[j] >= 0) c->map[node->y[j]] = limn_output_of(c->to, y, j);
}

/* The convolution with the norm's shift as its bias. */
static limn_value folded(copying *c, const limn_layer *layer)
{
    const limn_node_info *node = &c->from->nodes[layer->node];
    limn_value inputs[3] = { mapped(c, node->x[0]), mapped(c, node->x[1]) };

    inputs[2] = new_parameter(c, layer, "bias", (limn_shape){ 1, limn_layer_outputs(layer), 1, 1 },
                              1, LIMN_PARAMETER_VECTOR);
    return limn_node(c->to, node->op, node->name, &node->args, inputs, 3);
}

static limn_value in_int8(copying *c, const limn_layer *layer)
{
    const limn_node_info *node = &c->from->nodes[layer->node];
    reading r = read_through(c->from, node, layer->transposed);
    limn_shape w = layer->shape;
    limn_value inputs[LIMN_INPUTS_MAX];
    limn_args args = { .stride = layer->transposed ? 1 : node->args.stride,
                       .pad_top = r.pad[0],
                       .pad_left = r.pad[1],
                       .pad_bottom = r.pad[2],
                       .pad_right = r.pad[3],
                       .mode = r.mode,
                       .head = (int)r.head,
                       .slope = r.slope,
                       .factor = 1 / layer->step,
                       .zero = layer->zero,
                       .doubled = layer->transposed };

    if (layer->transposed) w = (limn_shape){ 4 * w.c, w.n, 2, 2 };
    inputs[0] = mapped(c, r.pieces[0]);
    inputs[LIMN_INT8_WEIGHT] = new_parameter(c, layer, "int8", w, 4, LIMN_PARAMETER_INT8);
    inputs[LIMN_INT8_SCALE] = new_parameter(c, layer, "scale", (limn_shape){ 1, w.n, 1, 1 }, 1,
                                            LIMN_PARAMETER_VECTOR);
    inputs[LIMN_INT8_SHIFT] = new_parameter(c, layer, "shift", (limn_shape){ 1, w.n, 1, 1 }, 1,
                                            LIMN_PARAMETER_VECTOR);
    for (int p = 1; p < r.count; p++) inputs[LIMN_INT8_BESIDE + p - 1] = mapped(c, r.pieces[p]);
    return limn_node(c->to, &limn_op_conv_int8, node->name, &args, inputs,
                     LIMN_INT8_BESIDE + r.count - 1);
}

static void copy_all(copying *c)
{
    copy_inputs(c);
    for (int n = 0; n < c->from->node_count; n++) {
        bool is_norm = false;
        const limn_layer *layer = layer_of(c, n, &is_norm);
        limn_value y = c->from->nodes[n].y[0];

        if (is_norm)
            c->map[y] = c->map[c->from->nodes[layer->node].y[0]];
        else if (layer && layer->int8)
            c->map[y] = in_int8(c, layer);
        else if (layer && layer->norm_node >= 0)
            c->map[y] = folded(c, layer);
        else
            copy_node(c, &c->from->nodes[n]);
    }
    for (int r = 0; r < c->from->report_count; r++)
        limn_report(c->to, c->from->reports[r].name, c->map[c->from->reports[r].value]);
}

limn_status limn_graph_rewrite(limn_graph **out, const limn_graph *graph, const limn_layer *layers,
                               int count, bool report_inputs, limn_error *error)
{
    copying c = { .from = graph, .layers = layers, .count = count };
    char name[32];

    *out = NULL;
    LIMN_TRY(limn_graph_status(graph, error));
    LIMN_TRY(limn_graph_open(&c.to, false, error));
    c.map = limn_take(limn_graph_arena(c.to), (size_t)graph->value_count * sizeof *c.map);
    if (c.map)
        copy_all(&c);
    else
        limn_graph_fail(c.to, LIMN_NO_MEMORY, "out of memory for rewriting a graph");
    for (int i = 0; i < count && report_inputs && c.map; i++) {
        snprintf(name, sizeof name, "input.%d", i);
        limn_report(c.to, name, c.map[layers[i].x]);
    }
    if (limn_graph_status(c.to, error)) {
        limn_graph_close(&c.to);
        return error ? error->status : LIMN_BUG;
    }
    *out = c.to;
    return LIMN_OK;
}
