/* SPDX-License-Identifier: Apache-2.0
 *
 * Critics of a step's graph: see critics.h. */
#include "train/critics.h"
#include "net/graph_inside.h"

#include <string.h>

extern const limn_op limn_op_add, limn_op_gan, limn_op_scale;

/* What a loss is made of. */
typedef struct parts {
    const char *network; /* NULL: nothing found yet */
    bool critic, generator;
    double weight;
} parts;

/* The network whose parameters made a value: the nearest ones behind it. */
static const char *network_behind(const limn_graph *g, limn_value value)
{
    while (value >= 0 && g->values[value].node >= 0) {
        const limn_node_info *node = &g->nodes[g->values[value].node];

        for (int i = 0; i < node->inputs; i++) {
            int parameter = node->x[i] >= 0 ? g->values[node->x[i]].parameter : -1;

            if (parameter >= 0) return g->parameters[parameter].network;
        }
        value = node->inputs ? node->x[0] : -1;
    }
    return NULL;
}

/* False where something else than adversarial terms of one critic is in it. */
static bool collect(const limn_graph *g, limn_value value, double factor, parts *p)
{
    const limn_node_info *node;
    const char *network;

    if (value < 0 || g->values[value].node < 0) return false;
    node = &g->nodes[g->values[value].node];
    if (node->op == &limn_op_scale)
        return collect(g, node->x[0], factor * (double)node->args.factor, p);
    if (node->op == &limn_op_add)
        return collect(g, node->x[0], factor, p) && collect(g, node->x[1], factor, p);
    if (node->op != &limn_op_gan || !(network = network_behind(g, node->x[0]))) return false;
    if (p->network && strcmp(p->network, network)) return false;
    p->network = network;
    *(node->args.critic ? &p->critic : &p->generator) = true;
    p->weight += factor;
    return p->weight > 0;
}

static void add(limn_critic *c, const parts *p, int loss)
{
    int *count = p->critic ? &c->critic_count : &c->generator_count;

    if (*count == LIMN_CRITIC_LOSSES_MAX) return;
    (p->critic ? c->critic_losses : c->generator_losses)[*count] = loss;
    (p->critic ? c->critic_weight : c->generator_weight)[(*count)++] = p->weight;
}

int limn_critics_find(limn_critic *critics, const limn_graph *graph, const limn_value *values,
                      int count)
{
    int found = 0, kept = 0;

    for (int i = 0; i < count; i++) {
        parts p = { .network = NULL };
        int at = 0;

        if (!collect(graph, values[i], 1, &p) || p.critic == p.generator) continue;
        while (at < found && strcmp(critics[at].name, p.network)) at++;
        if (at == LIMN_CRITICS_MAX) continue;
        if (at == found) critics[found++] = (limn_critic){ .name = p.network };
        add(&critics[at], &p, i);
    }
    for (int i = 0; i < found; i++)
        if (critics[i].critic_count && critics[i].generator_count) critics[kept++] = critics[i];
    return kept;
}
