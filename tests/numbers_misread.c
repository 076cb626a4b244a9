/* SPDX-License-Identifier: Apache-2.0
 *
 * See numbers_misread.h. */
#include "numbers_misread.h"
#include "net/graph_inside.h"

#include <string.h>

static limn_status shape(limn_shape *y, const limn_shape *x, int inputs, const limn_args *args,
                         limn_error *error)
{
    (void)inputs, (void)args, (void)error;
    y[0] = x[0];
    return LIMN_OK;
}

/* The value at NCHW place i of y is the one at NHWC place i of x. */
static void forward(const limn_call *call)
{
    const limn_tensor *x = &call->x[0], *y = &call->y[0];
    const limn_shape s = x->shape;
    size_t plane = (size_t)s.h * (size_t)s.w, channels = (size_t)s.c;

    for (size_t i = 0; i < plane * channels; i++) {
        size_t from = i / channels, to = i % plane;

        ((float *)y->data)[limn_at(y, 0, (int)(i / plane), (int)(to / (size_t)s.w),
                                   (int)(to % (size_t)s.w))] =
            ((const float *)x->data)[limn_at(x, 0, (int)(i % channels), (int)(from / (size_t)s.w),
                                             (int)(from % (size_t)s.w))];
    }
}

static limn_status run(limn_call *call, limn_error *error)
{
    (void)error;
    forward(call);
    return LIMN_OK;
}

static limn_status prepare(limn_call *call, limn_arena *arena, limn_error *error)
{
    (void)arena, (void)error;
    call->run = run;
    call->implementation = "misread";
    return LIMN_OK;
}

static const limn_op misread = {
    .name = "misread",
    .does = "reads channels-last memory as NCHW",
    .inputs_min = 1,
    .inputs_max = 1,
    .outputs = 1,
    .shape = shape,
    .forward = forward,
    .prepare = prepare,
};

static bool named(const limn_node_info *node, const char *name)
{
    return !strcmp(node->op->name, name);
}

/* Puts a misread node in front of node n, moving the rest up. */
static limn_status insert(limn_graph *g, int n, limn_error *error)
{
    limn_value dy = g->nodes[n].dy, y;
    limn_node_info *node;
    int index;

    y = limn_graph_value(g, g->values[dy].shape, n, 0);
    if (y < 0 || !limn_graph_node(g, &misread, "misread", &index))
        return limn_graph_status(g, error);
    g->values[y].like = dy;
    memmove(&g->nodes[n + 1], &g->nodes[n], (size_t)(g->node_count - 1 - n) * sizeof *g->nodes);
    node = &g->nodes[n];
    *node = (limn_node_info){ .op = &misread, .name = "misread", .of = -1, .inputs = 1, .dy = -1 };
    for (int i = 0; i < LIMN_INPUTS_MAX; i++) node->x[i] = node->dx[i] = node->into[i] = -1;
    for (int j = 0; j < LIMN_OUTPUTS_MAX; j++) node->y[j] = -1;
    node->x[0] = dy;
    node->y[0] = y;
    g->nodes[n + 1].dy = y;
    for (int v = 0; v < g->value_count; v++)
        if (v != y && g->values[v].node >= n) g->values[v].node++;
    for (int k = 0; k < g->node_count; k++)
        if (g->nodes[k].of >= n) g->nodes[k].of++;
    return LIMN_OK;
}

limn_status numbers_misread(limn_graph *g, limn_error *error)
{
    int room = g->value_count + g->node_count; /* an inserted node adds one value */
    bool *last;
    limn_arena arena;

    LIMN_TRY(limn_graph_status(g, error));
    limn_arena_open(&arena, "misread", 0);
    LIMN_TRY(limn_take_into(&last, &arena, (size_t)room, error)); /* channels-last in PyTorch */
    for (int n = 0; n < g->node_count; n++) {
        const limn_node_info *node = &g->nodes[n];

        if (!node->backward) {
            /* A sum of two parts of a gradient: the first decides. */
            if (named(node, "add") && g->values[node->y[0]].like >= 0)
                last[node->y[0]] = last[node->x[0]];
        } else if (named(node, "instancenorm") && last[node->dy]) {
            limn_status status = insert(g, n, error);

            if (status) {
                limn_arena_close(&arena);
                return status;
            }
            n++;
        } else if (named(node, "gather")) {
            last[node->dx[0]] = node->into[0] < 0 || last[node->into[0]];
        } else if (node->dx[0] >= 0 && node->into[0] >= 0) {
            last[node->dx[0]] = last[node->into[0]];
        }
    }
    limn_arena_close(&arena);
    return LIMN_OK;
}

bool numbers_moves_by_rounding(const limn_graph *graph, const char *name)
{
    for (int k = 0; k < graph->node_count; k++) {
        const limn_node_info *node = &graph->nodes[k];

        if (node->backward || node->inputs < 3 || node->op->kinds[1] != LIMN_WEIGHT) continue;
        if (strcmp(graph->values[node->x[2]].name, name)) continue;
        for (int r = 0; r < graph->node_count; r++) {
            const limn_node_info *reader = &graph->nodes[r];

            if (!reader->backward && reader->inputs && reader->x[0] == node->y[0])
                return named(reader, "instancenorm") || named(reader, "batchnorm");
        }
    }
    return false;
}
