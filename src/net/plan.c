/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening, closing and describing a plan.  How it is made stands in plan_steps.c, plan_layout.c and
 * plan_memory.c, in that order. */
#include "base/cpu.h"
#include "net/plan_inside.h"
#include "op/tune.h"
#include <string.h>

/* Whether bf16 is faster.  AMX multiplies tiles of 16 rows by 32 channels, so it pays where most of
 * the work is in layers with as many channels on both sides: there it is two to four times as fast
 * as float32 (docs/speed.md).  A network of a few channels a layer gains nothing and would lose
 * digits.  What an int8 network keeps in floats follows the same rule: 6.4 ms and 98 MiB instead of
 * 8.2 ms and 101 for a U-Net. */
static bool bf16_pays(const limn_graph *g)
{
    enum { WIDE = 32 };
    double wide = 0, all = 0;

    for (int n = 0; n < g->node_count; n++) {
        const limn_node_info *node = &g->nodes[n];
        int weight = node->backward ? -1 : limn_op_weight(node->op, node->inputs);
        limn_shape w;
        double flops;

        if (weight < 0) continue;
        w = g->values[node->x[weight]].shape;
        flops = limn_node_flops(g, node);
        all += flops;
        if (w.n >= WIDE && w.c >= WIDE) wide += flops;
    }
    return limn_dnn_has_amx() ? 2 * wide > all : all > 0 && limn_cpu_bf16_pays();
}

limn_compute limn_compute_resolve(limn_compute compute, const limn_graph *graph)
{
    if (compute != LIMN_COMPUTE_AUTO) return compute;
    if (limn_dnn_start(NULL)) return LIMN_COMPUTE_PLAIN;
    return graph && bf16_pays(graph) ? LIMN_COMPUTE_BF16 : LIMN_COMPUTE_FP32;
}

const char *limn_compute_name(limn_compute compute)
{
    static const char *const names[] = { "plain", "fp32", "bf16", "auto" };

    return names[compute];
}

static limn_status map_parameters(limn_plan *plan, limn_error *error)
{
    const limn_graph *g = plan->graph;

    LIMN_TRY(limn_graph_is_training(g) ? limn_weights_add(plan->weights, g, error)
                                       : limn_weights_declare(plan->weights, g, error));
    LIMN_TRY(limn_take_into(&plan->weight_index, &plan->arena,
                            ((size_t)g->parameter_count + 1) * sizeof *plan->weight_index, error));
    for (int p = 0; p < g->parameter_count; p++)
        plan->weight_index[p] = limn_weights_find(plan->weights, g->parameters[p].name);
    return LIMN_OK;
}

static limn_status take_memory(limn_plan *plan, limn_error *error)
{
    size_t bytes = plan->memory_bytes ? plan->memory_bytes : 64;

    if (!(plan->memory = limn_block(bytes)))
        return limn_fail(error, LIMN_NO_MEMORY,
                         "out of memory: the plan needs %.0f MiB in one piece",
                         (double)bytes / (1 << 20));
    if (plan->settings.guards) memset(plan->memory, 0xa5, bytes);
    return LIMN_OK;
}

static limn_status open_choices(limn_plan *plan, limn_error *error)
{
    plan->tune_until = limn_tune_clock() + plan->settings.tune_seconds;
    if ((plan->choices = plan->settings.choices)) return LIMN_OK;
    LIMN_TRY(limn_choices_open(&plan->choices, &plan->arena, error));
    if (plan->compute != LIMN_COMPUTE_PLAIN) limn_choices_recall(plan->choices);
    return LIMN_OK;
}

limn_status limn_plan_open(limn_plan **out, const limn_graph *graph, limn_weights *weights,
                           const limn_plan_settings *settings, limn_error *error)
{
    limn_arena arena;
    limn_plan *plan;
    limn_status status;

    *out = NULL;
    LIMN_TRY(limn_graph_status(graph, error));
    limn_arena_open(&arena, "plan", 1 << 20);
    LIMN_TRY(limn_take_into(&plan, &arena, sizeof *plan, error));
    plan->arena = arena;
    plan->graph = graph;
    plan->weights = weights;
    plan->settings = *settings;
    plan->compute = limn_compute_resolve(settings->compute, graph);
    status = map_parameters(plan, error);
    if (!status && plan->compute != LIMN_COMPUTE_PLAIN) status = limn_dnn_start(error);
    if (!status) status = open_choices(plan, error);
    if (!status) status = limn_plan_make_steps(plan, error);
    if (!status) status = limn_plan_make_layouts(plan, error);
    if (!status) status = limn_plan_make_packs(plan, error);
    if (!status) status = limn_plan_join_updates(plan, error);
    if (!status) status = limn_plan_make_memory(plan, error);
    if (!status) status = take_memory(plan, error);
    if (!status) status = limn_plan_bind(plan, error);
    if (status) {
        limn_plan_close(&plan);
        return limn_while(error, "planning");
    }
    *out = plan;
    return LIMN_OK;
}

void limn_plan_close(limn_plan **plan)
{
    limn_arena arena;

    if (!*plan) return;
    for (int s = 0; s < (*plan)->step_count; s++) {
        limn_step *step = &(*plan)->steps[s];

        if (step->kind == LIMN_STEP_PACK)
            limn_dnn_free(&step->pack);
        else if (step->call && step->call->release)
            step->call->release(step->call);
    }
    limn_block_free((*plan)->memory);
    arena = (*plan)->arena; /* the plan itself lies in it */
    limn_arena_close(&arena);
    *plan = NULL;
}

/* ---- Describing --------------------------------------------------------------------------------
 */

/* The value that a step is about: its first output. */
static limn_value subject(const limn_step *step)
{
    limn_value values[LIMN_STEP_VALUES];

    return limn_step_writes(step, values) ? values[0] : -1;
}

static const char *op_name(const limn_step *step)
{
    if (step->kind == LIMN_STEP_PACK) return "pack";
    return step->kind == LIMN_STEP_COPY ? "copy" : step->call->op->name;
}

static const char *implementation(const limn_step *step)
{
    if (step->kind == LIMN_STEP_PACK) return limn_dnn_implementation(step->pack);
    if (step->kind == LIMN_STEP_COPY) return "copy";
    return step->call->implementation ? step->call->implementation : "plain";
}

static void layout_text(const limn_plan *plan, limn_value value, char *text, size_t size)
{
    const limn_place *p = &plan->places[value];
    const char *type = limn_type_name(p->type);

    if (p->layout)
        snprintf(text, size, "%s", limn_dnn_layout_name(p->layout));
    else if (p->block == 1)
        snprintf(text, size, "%s nchw", type);
    else if (p->block == p->shape.c)
        snprintf(text, size, "%s nhwc", type);
    else
        snprintf(text, size, "%s nChw%dc", type, p->block);
}

/* Where the memory is: at an offset, in a parameter, or in the memory of another value. */
static void memory_text(const limn_plan *plan, limn_value value, char *text, size_t size)
{
    const limn_place *p = &plan->places[value];

    if (p->parameter >= 0)
        snprintf(text, size, "weights");
    else if (p->whole >= 0)
        snprintf(text, size, "in %d", p->whole);
    else if (p->buffer < 0)
        snprintf(text, size, "-");
    else
        snprintf(text, size, "%zu", plan->buffers[p->buffer].offset + p->shift);
}

void limn_plan_print(const limn_plan *plan, FILE *to)
{
    static const char *const activations[] = {
        "", "+leaky", "+relu", "+relu6", "+tanh", "+sigmoid"
    };
    limn_plan_facts facts = limn_plan_about(plan);

    fprintf(to, "compute %s (%s), %d threads, kernels %s\n", limn_compute_name(plan->compute),
            plan->compute == LIMN_COMPUTE_PLAIN ? "no compute library" : limn_dnn_version(),
            limn_compute_threads(), limn_cpu_name(limn_cpu()));
    fprintf(to, "%4s  %-26s %-40s %-18s %-17s %-38s %-23s %10s %10s  %s\n", "step", "op", "name",
            "shape", "layout", "implementation", "choice", "bytes", "at", "lives");
    for (int s = 0; s < plan->step_count; s++) {
        const limn_step *step = &plan->steps[s];
        limn_value value = subject(step);
        char op[48], shape[40] = "", layout[40] = "", memory[24] = "", lives[32] = "",
                     choice[64] = "";
        size_t bytes = 0;

        if (step->call) limn_tune_text(step->call, plan->choices, choice, sizeof choice);

        snprintf(op, sizeof op, "%s%s%s%s%s%s", op_name(step),
                 step->call && step->call->backward ? " backward" : "", step->update ? "+" : "",
                 step->update ? op_name(step->update) : "", step->residual >= 0 ? "+add" : "",
                 activations[step->call ? step->call->activation : LIMN_ACTIVATION_NONE]);
        if (value >= 0) {
            const limn_place *p = &plan->places[value];

            snprintf(shape, sizeof shape, "%dx%dx%dx%d", p->shape.n, p->shape.c, p->shape.h,
                     p->shape.w);
            layout_text(plan, value, layout, sizeof layout);
            memory_text(plan, value, memory, sizeof memory);
            bytes = p->bytes;
            snprintf(lives, sizeof lives, "%d..%d", p->first, p->last);
        }
        fprintf(to, "%4d  %-26s %-40s %-18s %-17s %-38s %-23s %10zu %10s  %s\n", s, op,
                step->name ? step->name : "", shape, layout, implementation(step), choice, bytes,
                memory, lives);
    }
    fprintf(to,
            "%d steps, %d convolutions (%d by reference code, %d reorders), %.2f GFLOP, "
            "plan %.1f MiB, weights %.1f MiB\n",
            facts.steps, facts.convolutions, facts.reference_convolutions, facts.reorders,
            facts.flops * 1e-9, (double)facts.plan_bytes / (1 << 20),
            (double)facts.weight_bytes / (1 << 20));
}

limn_plan_facts limn_plan_about(const limn_plan *plan)
{
    limn_plan_facts facts = { .steps = plan->step_count,
                              .plan_bytes = plan->memory_bytes,
                              .measured = plan->measured };

    for (int s = 0; s < plan->step_count; s++) {
        const limn_step *step = &plan->steps[s];

        facts.kept_packs += step->kind == LIMN_STEP_PACK && step->kept;
        if (step->kind != LIMN_STEP_CALL) continue;
        facts.joined_updates += step->update != NULL;
        facts.flops += step->flops;
        facts.reorders += step->call->reorders;
        if (limn_op_weight(step->call->op, step->call->inputs) < 0) continue;
        facts.convolutions++;
        if (strstr(implementation(step), "ref") || !strcmp(implementation(step), "plain"))
            facts.reference_convolutions++;
    }
    for (int p = 0; p < plan->graph->parameter_count; p++)
        facts.weight_bytes += limn_weights_bytes(plan->weights, plan->weight_index[p]);
    return facts;
}

int limn_plan_steps(const limn_plan *plan)
{
    return plan->step_count;
}

limn_step_facts limn_plan_step_about(const limn_plan *plan, int step)
{
    const limn_step *s = &plan->steps[step];
    limn_value values[LIMN_STEP_VALUES];
    limn_step_facts facts = {
        .name = s->name ? s->name : "",
        .op = op_name(s),
        .implementation = implementation(s),
        .backward = s->kind == LIMN_STEP_CALL && s->call->backward,
        .update = s->update ? op_name(s->update) : NULL,
        .convolution = s->kind == LIMN_STEP_CALL &&
                       limn_op_weight(s->call->op, s->call->inputs) >= 0,
        .flops = s->flops,
    };

    for (int k = limn_step_reads(s, values) - 1; k >= 0; k--)
        facts.bytes += plan->places[values[k]].bytes;
    for (int k = limn_step_writes(s, values) - 1; k >= 0; k--)
        facts.bytes += plan->places[values[k]].bytes;
    return facts;
}

void limn_plan_profile(limn_plan *plan, double *seconds)
{
    plan->profile = seconds;
}
