/* SPDX-License-Identifier: Apache-2.0
 *
 * Building the graph: see graph.h for the idea.  Arrays grow by doubling; names live in the arena.
 */
#include "net/graph_inside.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Makes room for one more item.  The first failure stays in the graph. */
static bool room_for_one(limn_graph *graph, void *array_pointer, int count, int *room, size_t bytes)
{
    void **array = array_pointer;
    void *bigger;
    int wanted = *room ? *room * 2 : 64;

    if (count < *room) return true;
    if (!(bigger = limn_block((size_t)wanted * bytes))) {
        limn_graph_fail(graph, LIMN_NO_MEMORY, "out of memory for %d items of the graph", wanted);
        return false;
    }
    if (*array) memcpy(bigger, *array, (size_t)count * bytes);
    limn_block_free(*array);
    *array = bigger;
    *room = wanted;
    return true;
}

limn_status limn_graph_open(limn_graph **out, bool training, limn_error *error)
{
    limn_arena arena;
    limn_graph *graph;

    *out = NULL;
    limn_arena_open(&arena, "graph", 0);
    LIMN_TRY(limn_take_into(&graph, &arena, sizeof *graph, error));
    graph->arena = arena;
    graph->training = training;
    *out = graph;
    return LIMN_OK;
}

void limn_graph_close(limn_graph **graph)
{
    limn_arena arena;

    if (!*graph) return;
    limn_block_free((*graph)->values);
    limn_block_free((*graph)->nodes);
    limn_block_free((*graph)->parameters);
    limn_block_free((*graph)->current);
    limn_block_free((*graph)->reports);
    arena = (*graph)->arena; /* the graph itself lies in it */
    limn_arena_close(&arena);
    *graph = NULL;
}

bool limn_graph_is_training(const limn_graph *graph)
{
    return graph->training;
}

void limn_graph_training(limn_graph *graph, bool training)
{
    graph->training = training;
}

void limn_graph_accumulate(limn_graph *graph, int pass)
{
    graph->accumulates = true;
    graph->pass = pass;
    graph->passes = pass + 1;
}

int limn_graph_passes(const limn_graph *graph)
{
    return graph->accumulates ? graph->passes : 1;
}

bool limn_graph_repeats(const limn_graph *graph, limn_value x)
{
    return graph->accumulates && x >= 0 && graph->values[x].pass < graph->pass;
}

uint32_t limn_graph_stream(limn_graph *graph)
{
    return (uint32_t)graph->node_count;
}

limn_arena *limn_graph_arena(limn_graph *graph)
{
    return &graph->arena;
}

limn_status limn_graph_status(const limn_graph *graph, limn_error *error)
{
    if (graph->error.status && error) *error = graph->error;
    return graph->error.status;
}

limn_value limn_graph_fail(limn_graph *graph, limn_status status, const char *format, ...)
{
    va_list list;

    if (graph->error.status) return -1;
    graph->error.status = status;
    va_start(list, format);
    vsnprintf(graph->error.text, sizeof graph->error.text, format, list);
    va_end(list);
    return -1;
}

limn_value limn_graph_value(limn_graph *graph, limn_shape shape, int node, int output)
{
    limn_value_info *value;

    if (graph->error.status) return -1;
    if (!room_for_one(graph, &graph->values, graph->value_count, &graph->value_room, sizeof *value))
        return -1;
    value = &graph->values[graph->value_count];
    *value = (limn_value_info){
        .shape = shape, .node = node, .output = output, .parameter = -1, .like = -1, .name = ""
    };
    return graph->value_count++;
}

limn_node_info *limn_graph_node(limn_graph *graph, const limn_op *op, const char *name, int *index)
{
    limn_node_info *node;

    if (graph->error.status) return NULL;
    if (!room_for_one(graph, &graph->nodes, graph->node_count, &graph->node_room, sizeof *node))
        return NULL;
    node = &graph->nodes[graph->node_count];
    *node = (limn_node_info){
        .op = op, .name = name, .of = -1, .inference = !graph->training, .dy = -1
    };
    for (int i = 0; i < LIMN_INPUTS_MAX; i++) node->x[i] = node->dx[i] = node->into[i] = -1;
    for (int i = 0; i < LIMN_OUTPUTS_MAX; i++) node->y[i] = -1;
    *index = graph->node_count++;
    return node;
}

/* "scope.name", or the one that is there; NULL after an error. */
static const char *scoped(limn_graph *graph, const char *name)
{
    char *text = !graph->scope[0] ? limn_take_text(&graph->arena, name)
                 : !*name         ? limn_take_text(&graph->arena, graph->scope)
                                  : limn_take_format(&graph->arena, "%s.%s", graph->scope, name);

    if (!text) limn_graph_fail(graph, LIMN_NO_MEMORY, "out of memory for a name in the graph");
    return text;
}

limn_value limn_input(limn_graph *graph, const char *name, limn_shape shape)
{
    const char *text = scoped(graph, name);
    limn_value value;

    if (shape.n < 1 || shape.c < 1 || shape.h < 1 || shape.w < 1)
        return limn_graph_fail(graph, LIMN_SHAPE,
                               "input %s is %dx%dx%dx%d; every size must be 1 or more", name,
                               shape.n, shape.c, shape.h, shape.w);
    value = limn_graph_value(graph, shape, -1, 0);
    if (value < 0 || !text) return -1;
    graph->values[value].input = true;
    graph->values[value].name = text;
    return value;
}

limn_value limn_input_at(const limn_graph *graph, int index)
{
    for (int v = 0; v < graph->value_count; v++)
        if (graph->values[v].input && !index--) return v;
    return -1;
}

limn_value limn_input_find(const limn_graph *graph, const char *name)
{
    for (int v = 0; v < graph->value_count; v++)
        if (graph->values[v].input && !strcmp(graph->values[v].name, name)) return v;
    return -1;
}

void limn_input_below(limn_graph *graph, limn_value input, int limit)
{
    if (input >= 0) graph->values[input].below = limit;
}

int limn_input_limit(const limn_graph *graph, limn_value input)
{
    return input < 0 ? 0 : graph->values[input].below;
}

limn_value limn_node(limn_graph *graph, const limn_op *op, const char *name, const limn_args *args,
                     const limn_value *inputs, int count)
{
    limn_shape x[LIMN_INPUTS_MAX], y[LIMN_OUTPUTS_MAX] = { { 0, 0, 0, 0 } };
    limn_error error = { 0 };
    limn_node_info *node;
    int index, pass = 0;

    if (graph->error.status) return -1;
    if (!(name = scoped(graph, name ? name : op->name))) return -1;
    if (count < op->inputs_min || count > op->inputs_max || count > LIMN_INPUTS_MAX)
        return limn_graph_fail(graph, LIMN_BUG, "%s: %s takes %d to %d inputs, not %d", name,
                               op->name, op->inputs_min, op->inputs_max, count);
    for (int i = 0; i < count; i++) {
        if (inputs[i] < 0 || inputs[i] >= graph->value_count)
            return limn_graph_fail(graph, LIMN_BUG, "%s: input %d is no value of this graph", name,
                                   i);
        x[i] = graph->values[inputs[i]].shape;
        if (graph->values[inputs[i]].pass > pass) pass = graph->values[inputs[i]].pass;
    }
    if (op->shape(y, x, count, args, &error))
        return limn_graph_fail(graph, error.status, "%s: %s", name, error.text);

    if (!(node = limn_graph_node(graph, op, name, &index))) return -1;
    node->args = *args;
    node->inputs = count;
    for (int i = 0; i < count; i++) node->x[i] = inputs[i];
    for (int j = 0; j < op->outputs; j++) {
        limn_value value;

        if (!y[j].n) continue;
        value = limn_graph_value(graph, y[j], index, j);
        if (value < 0) return -1;
        graph->values[value].name = name;
        graph->values[value].pass = pass;
        graph->values[value].float32 = op->float32_outputs >> j & 1;
        if (op->overwrites[j]) {
            int old = node->x[op->overwrites[j] - 1];

            graph->values[value].float32 = graph->values[old].float32;
            if (graph->values[old].parameter >= 0) limn_parameter_became(graph, old, value);
        }
        graph->nodes[index].y[j] = value;
    }
    return graph->nodes[index].y[0];
}

limn_value limn_output_of(const limn_graph *graph, limn_value first, int output)
{
    if (graph->error.status || first < 0 || graph->values[first].node < 0) return -1;
    return graph->nodes[graph->values[first].node].y[output];
}

limn_shape limn_shape_of(const limn_graph *graph, limn_value value)
{
    return value < 0 ? (limn_shape){ 0, 0, 0, 0 } : graph->values[value].shape;
}

void limn_scope_push(limn_graph *graph, const char *name)
{
    size_t used = strlen(graph->scope), room = sizeof graph->scope - used;
    int wrote = snprintf(graph->scope + used, room, used ? ".%s" : "%s", name);
    int deepest = (int)(sizeof graph->scope_marks / sizeof *graph->scope_marks);

    if (wrote < 0 || (size_t)wrote >= room || graph->scope_depth >= deepest)
        limn_graph_fail(graph, LIMN_BUG, "scope %s is too deep", graph->scope);
    if (graph->scope_depth < deepest) graph->scope_marks[graph->scope_depth] = used;
    graph->scope_depth++;
}

void limn_scope_pop(limn_graph *graph)
{
    int deepest = (int)(sizeof graph->scope_marks / sizeof *graph->scope_marks);

    if (graph->scope_depth > 0 && --graph->scope_depth < deepest)
        graph->scope[graph->scope_marks[graph->scope_depth]] = 0;
}

/* ---- Parameters ------------------------------------------------------------------------------ */

static int find_parameter(const limn_graph *graph, const char *name)
{
    for (int i = 0; i < graph->parameter_count; i++)
        if (!strcmp(graph->parameters[i].name, name)) return i;
    return -1;
}

limn_value limn_parameter(limn_graph *graph, const char *network, const char *name,
                          limn_shape shape, int dims, limn_parameter_kind kind,
                          limn_initial initial)
{
    char full[400];
    int index, room;
    limn_value value;

    if (graph->error.status) return -1;
    snprintf(full, sizeof full, "%s.%s", network, name);
    if ((index = find_parameter(graph, full)) >= 0) {
        limn_shape s = graph->parameters[index].shape;

        if (!limn_shape_equal(s, shape))
            return limn_graph_fail(
                graph, LIMN_SHAPE,
                "%s is %dx%dx%dx%d here and was %dx%dx%dx%d where it was first used", full, shape.n,
                shape.c, shape.h, shape.w, s.n, s.c, s.h, s.w);
        return graph->current[index];
    }
    room = graph->parameter_room;
    if (!room_for_one(graph, &graph->current, graph->parameter_count, &room,
                      sizeof *graph->current) ||
        !room_for_one(graph, &graph->parameters, graph->parameter_count, &graph->parameter_room,
                      sizeof *graph->parameters))
        return -1;
    value = limn_graph_value(graph, shape, -1, 0);
    if (value < 0) return -1;
    index = graph->parameter_count++;
    graph->parameters[index] = (limn_parameter_info){ .name = limn_take_text(&graph->arena, full),
                                                      .network = limn_take_text(&graph->arena,
                                                                                network),
                                                      .shape = shape,
                                                      .dims = dims,
                                                      .kind = kind,
                                                      .initial = initial,
                                                      .of = -1 };
    if (!graph->parameters[index].name || !graph->parameters[index].network)
        return limn_graph_fail(graph, LIMN_NO_MEMORY, "out of memory for the name %s", full);
    graph->values[value].parameter = index;
    graph->values[value].float32 = true;
    graph->values[value].name = graph->parameters[index].name;
    return graph->current[index] = value;
}

void limn_parameter_transposed(limn_graph *graph, limn_value parameter)
{
    if (parameter >= 0) graph->parameters[graph->values[parameter].parameter].transposed = true;
}

void limn_parameter_became(limn_graph *graph, limn_value old, limn_value value)
{
    int parameter;

    if (old < 0 || value < 0) return;
    parameter = graph->values[old].parameter;
    graph->values[value].parameter = parameter;
    graph->current[parameter] = value;
}

int limn_parameter_count(const limn_graph *graph)
{
    return graph->parameter_count;
}

const limn_parameter_info *limn_parameter_at(const limn_graph *graph, int index)
{
    return &graph->parameters[index];
}

/* ---- Reports --------------------------------------------------------------------------------- */

void limn_report(limn_graph *graph, const char *name, limn_value value)
{
    if (graph->error.status || value < 0) return;
    if (!room_for_one(graph, &graph->reports, graph->report_count, &graph->report_room,
                      sizeof *graph->reports))
        return;
    graph->reports[graph->report_count] = (limn_report_info){ limn_take_text(&graph->arena, name),
                                                              value };
    if (!graph->reports[graph->report_count].name)
        limn_graph_fail(graph, LIMN_NO_MEMORY, "out of memory for the name %s", name);
    else
        graph->report_count++;
}

limn_value limn_reported(const limn_graph *graph, const char *name)
{
    for (int i = 0; i < graph->report_count; i++)
        if (!strcmp(graph->reports[i].name, name)) return graph->reports[i].value;
    return -1;
}

int limn_report_count(const limn_graph *graph)
{
    return graph->report_count;
}

const char *limn_report_name(const limn_graph *graph, int index, limn_value *value)
{
    if (value) *value = graph->reports[index].value;
    return graph->reports[index].name;
}

bool limn_report_is_here(const limn_graph *graph, int index)
{
    return !graph->accumulates || graph->values[graph->reports[index].value].pass == graph->pass;
}
