/* SPDX-License-Identifier: Apache-2.0
 *
 * grad: adds the backward pass of a loss, and the updates, to the graph.
 *
 * Reverse mode, once over the nodes from the loss back.  Two marks keep it small: `needs` (depends
 * on something whose gradient is wanted) and `reaches` (the loss depends on it); only nodes with
 * both get a backward node, and only for the inputs that need it.  So the critic's gradient never
 * runs into a generator that is stopped, and the generator's passes through the critic without
 * computing the critic's own.
 *
 * Where a value has several readers, the parts of its gradient continue one another (`into`)
 * instead of being summed by nodes of their own.  An operation that is a sum hands its gradient on
 * as it is.
 *
 * A parameter's update stands right behind the last part of its gradient: by then every backward
 * node that reads the old weights has run, and the gradient's memory is free again.  With U-Net 256
 * this keeps 34 MB of gradients alive instead of 218. */
#include "net/graph_inside.h"
#include <string.h>

typedef struct walk {
    limn_graph *graph;
    int nodes, values; /* before the walk added its own */
    bool *needs, *reaches;
    limn_value *gradient;  /* of each value so far; -1: none */
    int *parts;            /* still to come, for each value that is wanted */
    const limn_adam *adam; /* NULL: no updates */
    char *wanted;          /* values whose gradient is asked for */
} walk;

extern const limn_op limn_op_adam, limn_op_constant, limn_op_add;

static bool passes(const limn_node_info *node)
{
    return !node->backward && node->op->gradients && !(node->op->flags & LIMN_OP_STOP);
}

static bool gets_gradient(const walk *w, const limn_node_info *node, int i)
{
    return node->op->gradients >> i & 1 && w->needs[node->x[i]];
}

static limn_status open_walk(walk *w, limn_graph *graph, limn_error *error)
{
    size_t values = (size_t)graph->value_count;

    *w = (walk){ .graph = graph, .nodes = graph->node_count, .values = graph->value_count };
    LIMN_TRY(limn_take_into(&w->needs, &graph->arena, values, error));
    LIMN_TRY(limn_take_into(&w->reaches, &graph->arena, values, error));
    LIMN_TRY(limn_take_into(&w->wanted, &graph->arena, values, error));
    LIMN_TRY(limn_take_into(&w->parts, &graph->arena, values * sizeof *w->parts, error));
    LIMN_TRY(limn_take_into(&w->gradient, &graph->arena, values * sizeof *w->gradient, error));
    for (size_t v = 0; v < values; v++) w->gradient[v] = -1;
    return LIMN_OK;
}

static void mark(walk *w, limn_value loss)
{
    const limn_graph *g = w->graph;

    for (int v = 0; v < w->values; v++) w->needs[v] = w->wanted[v];
    for (int n = 0; n < w->nodes; n++) {
        const limn_node_info *node = &g->nodes[n];

        if (!passes(node)) continue;
        for (int i = 0; i < node->inputs; i++)
            if (gets_gradient(w, node, i)) w->needs[node->y[0]] = true;
    }
    w->reaches[loss] = true;
    for (int n = w->nodes - 1; n >= 0; n--) {
        const limn_node_info *node = &g->nodes[n];

        if (!passes(node) || !w->reaches[node->y[0]]) continue;
        for (int i = 0; i < node->inputs; i++) {
            if (!gets_gradient(w, node, i)) continue;
            w->reaches[node->x[i]] = true;
            w->parts[node->x[i]]++;
        }
    }
}

/* The gradient of value gets another part that is there already, as a value. */
static void add_part(walk *w, limn_value value, limn_value part)
{
    limn_value both[2] = { w->gradient[value], part };

    if (both[0] < 0) {
        w->gradient[value] = part;
        return;
    }
    w->gradient[value] = limn_node(w->graph, &limn_op_add, w->graph->values[value].name,
                                   &(limn_args){ 0 }, both, 2);
    if (w->gradient[value] >= 0) w->graph->values[w->gradient[value]].like = value;
}

static void add_backward(walk *w, int n)
{
    limn_graph *g = w->graph;
    limn_node_info forward = g->nodes[n]; /* a copy: the array may move */
    limn_value extra[LIMN_INPUTS_MAX];
    limn_node_info *node;
    int index;

    if (!(node = limn_graph_node(g, forward.op, forward.name, &index))) return;
    node->backward = true;
    node->of = n;
    node->inference = false;
    node->args = forward.args;
    node->inputs = forward.inputs;
    node->dy = w->gradient[forward.y[0]];
    for (int i = 0; i < forward.inputs; i++)
        if (forward.op->backward_reads_x >> i & 1) node->x[i] = forward.x[i];
    for (int j = 0; j < forward.op->outputs; j++)
        if (forward.op->backward_reads_y >> j & 1) node->y[j] = forward.y[j];

    for (int i = 0; i < forward.inputs; i++) {
        limn_value dx, of = forward.x[i];
        bool again = false;

        extra[i] = -1;
        if (!gets_gradient(w, &forward, i)) continue;
        for (int k = 0; k < i; k++) again |= forward.x[k] == of;
        dx = limn_graph_value(g, g->values[of].shape, index, i);
        if (dx < 0) return;
        g->values[dx].name = g->values[of].name;
        g->values[dx].like = of;
        g->values[dx].float32 = g->values[of].float32;
        g->nodes[index].dx[i] = dx;
        if (again) { /* the same value twice in one node: two fresh parts, summed */
            extra[i] = dx;
        } else {
            g->nodes[index].into[i] = w->gradient[of];
            w->gradient[of] = dx;
        }
    }
    for (int i = 0; i < forward.inputs; i++)
        if (extra[i] >= 0) add_part(w, forward.x[i], extra[i]);
}

/* What else the update changes, beside the parameter.  exp_avg and exp_avg_sq are PyTorch's names
 * of Adam's moments. */
static void add_update(walk *w, limn_value value)
{
    static const char *const names[] = { "exp_avg", "exp_avg_sq", "grad_sum" };
    limn_graph *g = w->graph;
    int index = g->values[value].parameter, count = g->accumulates ? 3 : 2;
    limn_parameter_info p = g->parameters[index];
    const char *inner = p.name + strlen(p.network) + 1;
    limn_value inputs[5] = { value, w->gradient[value], -1, -1, -1 }, updated;
    limn_args args = { .beta1 = w->adam->beta1,
                       .beta2 = w->adam->beta2,
                       .eps = w->adam->eps,
                       .factor = w->adam->rate };

    for (int i = 0; i < count; i++) {
        const char *name = limn_take_format(&g->arena, "%s.%s", inner, names[i]);

        if (!name) {
            limn_graph_fail(g, LIMN_NO_MEMORY, "out of memory for the moments of %s", p.name);
            return;
        }
        inputs[2 + i] = limn_parameter(g, p.network, name, p.shape, p.dims,
                                       i < 2 ? LIMN_PARAMETER_MOMENT : LIMN_PARAMETER_SUM,
                                       LIMN_INITIAL_ZERO);
        if (inputs[2 + i] < 0) return;
        g->parameters[g->values[inputs[2 + i]].parameter].of = index;
    }
    updated = limn_node(g, &limn_op_adam, p.name, &args, inputs, 2 + count);
    if (updated < 0) return;
    g->values[updated].pass = g->pass + 1;
    g->parameters[index].updates++;
}

static void back(walk *w, limn_value loss)
{
    limn_graph *g = w->graph;

    for (int n = w->nodes - 1; n >= 0 && !g->error.status; n--) {
        limn_node_info node = g->nodes[n];
        limn_value dy;

        if (!passes(&node) || !w->needs[node.y[0]] || !w->reaches[node.y[0]]) continue;
        if (node.y[0] == loss && w->gradient[loss] < 0)
            w->gradient[loss] = limn_node(g, &limn_op_constant, "one", &(limn_args){ .factor = 1 },
                                          NULL, 0);
        if ((dy = w->gradient[node.y[0]]) < 0) continue;
        if (node.op->flags & LIMN_OP_SUM) {
            for (int i = 0; i < node.inputs; i++)
                if (gets_gradient(w, &node, i)) add_part(w, node.x[i], dy);
        } else {
            add_backward(w, n);
        }
        for (int i = 0; i < node.inputs && !g->error.status; i++) {
            limn_value x = node.x[i];

            if (!gets_gradient(w, &node, i) || --w->parts[x] || !w->wanted[x] || !w->adam) continue;
            add_update(w, x);
        }
    }
}

static bool listed(const char *list, const char *name)
{
    size_t length = strlen(name);

    for (const char *at = list; *at;) {
        size_t word = strcspn(at, " ");

        if (word == length && !memcmp(at, name, length)) return true;
        at += word;
        at += strspn(at, " ");
    }
    return false;
}

/* ---- Passes of a step that accumulates --------------------------------------------------------
 */

/* The update belongs to another pass: what it makes is in the parameter's memory when this one
 * runs, as a version that no node here makes. */
static void skip_update(walk *w, int pass)
{
    limn_graph *g = w->graph;

    for (int v = 0; v < w->values; v++) {
        int p = g->values[v].parameter;
        limn_value version;

        if (!w->wanted[v] || !w->reaches[v] || g->current[p] != v) continue;
        version = limn_graph_value(g, g->values[v].shape, -1, 0);
        if (version < 0) return;
        g->values[version].float32 = true;
        g->values[version].name = g->values[v].name;
        g->values[version].pass = pass + 1;
        limn_parameter_became(g, v, version);
        g->parameters[p].updates++;
    }
}

/* A loss may not read what an update of an earlier pass has overwritten. */
static bool reads_old(const walk *w, limn_value loss, limn_error *error)
{
    const limn_graph *g = w->graph;
    bool *read;

    if (limn_take_into(&read, &w->graph->arena, (size_t)w->values, error)) return true;
    read[loss] = true;
    for (int n = w->nodes - 1; n >= 0; n--) {
        const limn_node_info *node = &g->nodes[n];
        bool needed = false;

        for (int j = 0; j < LIMN_OUTPUTS_MAX && !node->backward; j++)
            needed |= node->y[j] >= 0 && read[node->y[j]];
        for (int i = 0; i < node->inputs && needed; i++)
            if (node->x[i] >= 0) read[node->x[i]] = true;
    }
    for (int v = 0; v < w->values; v++) {
        int p = g->values[v].parameter;

        if (!read[v] || p < 0 || !g->parameters[p].updates ||
            g->values[g->current[p]].pass <= g->values[v].pass)
            continue;
        if (g->values[g->current[p]].pass > g->pass) continue; /* updated in this pass or later */
        limn_fail(error, LIMN_BUG,
                  "%s is read as it was before an update on which the loss depends as well; that "
                  "can't be accumulated",
                  g->parameters[p].name);
        return true;
    }
    return false;
}

static bool is_loss(limn_graph *g, limn_value loss)
{
    if (g->error.status || loss < 0) return false;
    if (limn_count(g->values[loss].shape) == 1) return true;
    limn_graph_fail(g, LIMN_SHAPE, "a loss is one number; %s is %dx%dx%dx%d", g->values[loss].name,
                    g->values[loss].shape.n, g->values[loss].shape.c, g->values[loss].shape.h,
                    g->values[loss].shape.w);
    return false;
}

void limn_update(limn_graph *graph, const char *networks, limn_value loss, const limn_adam *adam)
{
    limn_error error = { 0 };
    char scope[sizeof graph->scope];
    int found = 0;
    walk w;

    if (!is_loss(graph, loss)) return;
    if (open_walk(&w, graph, &error)) {
        limn_graph_fail(graph, error.status, "update of %s: %s", networks, error.text);
        return;
    }
    w.adam = adam;
    for (int v = 0; v < w.values; v++) {
        const limn_value_info *value = &graph->values[v];
        const limn_parameter_info *p =
            &graph->parameters[value->parameter < 0 ? 0 : value->parameter];

        if (value->parameter < 0 || !listed(networks, p->network)) continue;
        if (p->kind != LIMN_PARAMETER_WEIGHT && p->kind != LIMN_PARAMETER_VECTOR) continue;
        w.wanted[v] = true;
    }
    mark(&w, loss);
    for (int v = 0; v < w.values; v++) {
        int p = graph->values[v].parameter;

        if (!w.wanted[v]) continue;
        found += w.reaches[v];
        if (w.reaches[v] && graph->current[p] != v) {
            limn_graph_fail(graph, LIMN_BUG,
                            "update of %s: %s was updated after this loss was computed", networks,
                            graph->parameters[p].name);
            return;
        }
    }
    if (!found) {
        limn_graph_fail(graph, LIMN_BUG, "update of %s: the loss depends on none of its parameters",
                        networks);
        return;
    }
    if (graph->accumulates) {
        int pass = graph->values[loss].pass;

        if (graph->passes <= pass) graph->passes = pass + 1;
        if (pass != graph->pass) {
            skip_update(&w, pass);
            return;
        }
        if (reads_old(&w, loss, &error)) {
            limn_graph_fail(graph, error.status, "update of %s: %s", networks, error.text);
            return;
        }
    }
    memcpy(scope, graph->scope, sizeof scope);
    graph->scope[0] = 0; /* nodes of the backward pass carry the names of the forward ones */
    back(&w, loss);
    memcpy(graph->scope, scope, sizeof scope);
}

limn_status limn_gradient(limn_graph *graph, limn_value y, limn_value seed, const limn_value *of,
                          int count, limn_value *gradients, limn_error *error)
{
    walk w;

    if (seed < 0 && !is_loss(graph, y)) return limn_graph_status(graph, error);
    LIMN_TRY(limn_graph_status(graph, error));
    LIMN_TRY(open_walk(&w, graph, error));
    for (int i = 0; i < count; i++) w.wanted[of[i]] = true;
    mark(&w, y);
    w.gradient[y] = seed;
    back(&w, y);
    for (int i = 0; i < count; i++) gradients[i] = w.gradient[of[i]];
    return limn_graph_status(graph, error);
}
