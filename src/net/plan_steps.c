/* SPDX-License-Identifier: Apache-2.0
 *
 * First part of planning: which nodes run, in the graph's own order, and which share a step.
 *
 * A node runs when something that is reported or updated depends on it.  Then three patterns are
 * fused, none of which knows an operation by name:
 *
 *   producer -> activation          the producer's fast path applies it (LIMN_OP_TAIL)
 *   producer -> sum with a residual the same (LIMN_OP_RESIDUAL)
 *   activation's backward -> producer's backward   (LIMN_OP_TAIL_BACKWARD)
 *
 * An activation's backward reads its output, so the value between the two is never needed again. */
#include "net/plan_inside.h"
#include <string.h>

int limn_op_weight(const limn_op *op, int inputs)
{
    for (int i = 0; i < inputs; i++)
        if (op->kinds[i] == LIMN_WEIGHT) return i;
    return -1;
}

static int append(limn_value *values, int count, limn_value value)
{
    if (value >= 0) values[count++] = value;
    return count;
}

bool limn_step_takes_pieces(const limn_step *step)
{
    return step->kind == LIMN_STEP_CALL && step->call->op->flags & LIMN_OP_UPDATE &&
           step->call->op->update && step->call->inputs == step->call->op->inputs_min;
}

/* A gradient that an update takes as it is made is in no memory. */
static bool is_handed_over(const limn_step *step, limn_value value)
{
    bool made = false, taken = false;

    for (int i = 0; i < LIMN_INPUTS_MAX && step->update && value >= 0; i++) {
        made |= step->dx[i] == value;
        taken |= step->update->x[i] == value;
    }
    return made && taken;
}

int limn_step_reads(const limn_step *step, limn_value *values)
{
    int count = 0;

    if (step->kind != LIMN_STEP_CALL) return append(values, 0, step->from);
    for (int i = 0; i < LIMN_INPUTS_MAX; i++) count = append(values, count, step->x[i]);
    count = append(values, count, step->residual);
    if (!step->call->backward) return count;
    count = append(values, count, step->dy);
    for (int j = 0; j < LIMN_OUTPUTS_MAX; j++) count = append(values, count, step->y[j]);
    for (int i = 0; i < LIMN_INPUTS_MAX; i++) count = append(values, count, step->into[i]);
    for (int i = 0; i < LIMN_INPUTS_MAX && step->update; i++)
        if (!is_handed_over(step, step->update->x[i]))
            count = append(values, count, step->update->x[i]);
    return count;
}

int limn_step_writes(const limn_step *step, limn_value *values)
{
    int count = 0;

    if (step->kind != LIMN_STEP_CALL) return append(values, 0, step->to);
    if (step->call->backward)
        for (int i = 0; i < LIMN_INPUTS_MAX; i++) {
            if (!is_handed_over(step, step->dx[i])) count = append(values, count, step->dx[i]);
        }
    else
        for (int j = 0; j < LIMN_OUTPUTS_MAX; j++) count = append(values, count, step->y[j]);
    for (int k = 0; k < step->call->pack_count; k++) count = append(values, count, step->packs[k]);
    return step->update ? count + limn_step_writes(step->update, values + count) : count;
}

typedef struct fuse {
    limn_plan *plan;
    bool *used;       /* value is read by something that runs */
    int *readers;     /* by how many steps */
    int *producer;    /* step that makes it; -1 */
    limn_call *calls; /* one a step */
} fuse;

/* Marks from the results back. */
static void mark_used(fuse *f)
{
    const limn_graph *g = f->plan->graph;

    for (int i = 0; i < g->report_count; i++) {
        if (!limn_report_is_here(g, i)) continue;
        f->used[g->reports[i].value] = true;
        f->readers[g->reports[i].value]++;
    }
    for (int n = g->node_count - 1; n >= 0; n--) {
        const limn_node_info *node = &g->nodes[n];
        bool runs = node->op->flags & LIMN_OP_UPDATE;

        for (int j = 0; j < LIMN_OUTPUTS_MAX && !node->backward; j++)
            runs |= node->y[j] >= 0 && f->used[node->y[j]];
        for (int i = 0; i < node->inputs && node->backward; i++)
            runs |= node->dx[i] >= 0 && f->used[node->dx[i]];
        if (!runs) continue;
        for (int i = 0; i < node->inputs; i++) {
            if (node->x[i] >= 0) f->used[node->x[i]] = true, f->readers[node->x[i]]++;
            if (node->dx[i] >= 0 && f->used[node->dx[i]] && node->into[i] >= 0)
                f->used[node->into[i]] = true, f->readers[node->into[i]]++;
        }
        if (!node->backward) continue;
        f->used[node->dy] = true, f->readers[node->dy]++;
        for (int j = 0; j < LIMN_OUTPUTS_MAX; j++)
            if (node->y[j] >= 0) f->used[node->y[j]] = true, f->readers[node->y[j]]++;
    }
}

static bool runs(const fuse *f, const limn_node_info *node)
{
    if (node->op->flags & LIMN_OP_UPDATE) return true;
    for (int j = 0; j < LIMN_OUTPUTS_MAX && !node->backward; j++)
        if (node->y[j] >= 0 && f->used[node->y[j]]) return true;
    for (int i = 0; i < node->inputs && node->backward; i++)
        if (node->dx[i] >= 0 && f->used[node->dx[i]]) return true;
    return false;
}

/* The step before that makes x, when x has no other reader and the step can take a tail. */
static limn_step *tail_of(const fuse *f, limn_value x, unsigned flags)
{
    limn_step *step;

    if (f->producer[x] < 0 || f->readers[x] != 1) return NULL;
    step = &f->plan->steps[f->producer[x]];
    if (step->call->backward || step->y[0] != x || (step->call->op->flags & flags) != flags)
        return NULL;
    return step->call->activation ? NULL : step;
}

static bool fuse_activation(fuse *f, const limn_node_info *node)
{
    limn_step *step;

    if (node->backward || !(node->op->flags & LIMN_OP_ACTIVATION)) return false;
    if (!(step = tail_of(f, node->x[0], LIMN_OP_TAIL))) return false;
    step->call->activation = node->op->activation;
    step->call->slope = node->args.slope;
    step->y[0] = node->y[0];
    f->producer[node->y[0]] = (int)(step - f->plan->steps);
    return true;
}

static bool fuse_residual(fuse *f, const limn_node_info *node)
{
    if (node->backward || !(node->op->flags & LIMN_OP_SUM) || node->inputs != 2) return false;
    for (int i = 0; i < 2; i++) {
        limn_step *step = tail_of(f, node->x[i], LIMN_OP_TAIL | LIMN_OP_RESIDUAL);
        limn_value other = node->x[1 - i];

        if (!step || step->residual >= 0 || other == node->x[i]) continue;
        if (f->producer[other] >= (int)(step - f->plan->steps)) continue; /* made too late */
        step->residual = other;
        step->y[0] = node->y[0];
        f->producer[node->y[0]] = (int)(step - f->plan->steps);
        return true;
    }
    return false;
}

/* step is a backward step just added: take over the activation's backward in front of it. */
static void fuse_backward(fuse *f, limn_step *step)
{
    const limn_graph *g = f->plan->graph;
    const limn_node_info *node = &g->nodes[step->node], *activation;
    limn_step *front;

    if (!(node->op->flags & LIMN_OP_TAIL_BACKWARD) || f->producer[step->dy] < 0) return;
    front = &f->plan->steps[f->producer[step->dy]];
    if (!front->call->backward || !(front->call->op->flags & LIMN_OP_ACTIVATION)) return;
    if (f->readers[step->dy] != 1 || front->into[0] >= 0) return;
    activation = &g->nodes[g->nodes[front->node].of];
    if (activation->x[0] != g->nodes[node->of].y[0]) return;
    step->dy = front->dy;
    step->y[0] = activation->y[0];
    step->call->activation = activation->op->activation;
    step->call->slope = activation->args.slope;
    front->node = -1; /* swept out at the end */
}

static void add_step(fuse *f, int n)
{
    limn_plan *plan = f->plan;
    const limn_node_info *node = &plan->graph->nodes[n];
    limn_step *step = &plan->steps[plan->step_count];

    *step = (limn_step){ .kind = LIMN_STEP_CALL,
                         .node = n,
                         .name = node->name,
                         .dy = node->dy,
                         .residual = -1,
                         .from = -1,
                         .to = -1,
                         .scratch = -1 };
    memcpy(step->x, node->x, sizeof step->x);
    memcpy(step->y, node->y, sizeof step->y);
    for (int i = 0; i < LIMN_INPUTS_MAX; i++) {
        bool wanted = node->dx[i] >= 0 && f->used[node->dx[i]];

        step->dx[i] = wanted ? node->dx[i] : -1;
        step->into[i] = wanted ? node->into[i] : -1;
    }
    step->call = &f->calls[plan->step_count];
    *step->call = (limn_call){ .op = node->op,
                               .args = &node->args,
                               .moment = &plan->moment,
                               .backward = node->backward,
                               .inference = node->inference,
                               .inputs = node->inputs };
    if (!node->backward)
        for (int j = 0; j < LIMN_OUTPUTS_MAX; j++)
            if (node->y[j] >= 0) f->producer[node->y[j]] = plan->step_count;
    for (int i = 0; i < LIMN_INPUTS_MAX; i++)
        if (step->dx[i] >= 0) f->producer[step->dx[i]] = plan->step_count;
    plan->step_count++;
}

limn_status limn_plan_make_steps(limn_plan *plan, limn_error *error)
{
    const limn_graph *g = plan->graph;
    size_t values = (size_t)g->value_count;
    bool fusing = !plan->settings.no_fusion && plan->compute != LIMN_COMPUTE_PLAIN;
    fuse f = { .plan = plan };
    int kept = 0;

    LIMN_TRY(limn_take_into(&f.used, &plan->arena, values, error));
    LIMN_TRY(limn_take_into(&f.readers, &plan->arena, values * sizeof *f.readers, error));
    LIMN_TRY(limn_take_into(&f.producer, &plan->arena, values * sizeof *f.producer, error));
    LIMN_TRY(limn_take_into(&plan->steps, &plan->arena, (size_t)g->node_count * sizeof *plan->steps,
                            error));
    LIMN_TRY(
        limn_take_into(&f.calls, &plan->arena, (size_t)g->node_count * sizeof *f.calls, error));
    for (size_t v = 0; v < values; v++) f.producer[v] = -1;
    mark_used(&f);
    for (int n = 0; n < g->node_count; n++) {
        const limn_node_info *node = &g->nodes[n];

        if (!runs(&f, node)) continue;
        if (fusing && (fuse_activation(&f, node) || fuse_residual(&f, node))) continue;
        add_step(&f, n);
        if (fusing && node->backward) fuse_backward(&f, &plan->steps[plan->step_count - 1]);
    }
    for (int s = 0; s < plan->step_count; s++)
        if (plan->steps[s].node >= 0) plan->steps[kept++] = plan->steps[s];
    plan->step_count = kept;
    return LIMN_OK;
}
