/* SPDX-License-Identifier: Apache-2.0
 *
 * Second part of planning: the type, the channel block and the weight layout of every value, and
 * the calls that work on them.
 *
 * Feature maps.  One rule for all maps of a plan: a channel count that the vector width divides is
 * cut in blocks of that width, any other is kept channels-last.  It was measured against asking
 * oneDNN for "any" layout map by map: the same kernels are chosen, and since equal channel counts
 * have equal layouts no reorder stands between two operations.  What few convolutions want
 * something else (a reference kernel otherwise) reorder inside their call, and limn_plan_about
 * counts it.
 *
 * That rule has two exceptions.  What an int8 convolution writes is channels-last, because oneDNN's
 * write nothing else, and so is what is made from it element by element.  And all maps of a bf16
 * plan are where the processor has AMX: oneDNN's kernels for its tiles take nothing else, and in
 * blocks a U-Net takes 116 ms instead of 18, slower than in float32.
 *
 * Weights.  Each parameter has one memory, its home.  Where it is trained, home has the layout in
 * which its gradient is made, so that the optimiser is one flat loop; where not, the layout in
 * which its first reader reads it, so that reading costs nothing.  Who reads another layout gets a
 * pack (plan_packs.c).
 *
 * Types.  bf16 plans keep maps and their gradients in BF16; losses, statistics, parameters and
 * their gradients stay F32, and so does everything computed from those alone.  A map of which only
 * the gradient is left, because the activation behind it joined the convolution, has the type of
 * that activation's output: an element-wise loop does not read one type and write another.
 *
 * Concatenation.  An input that one step writes goes straight to its range of channels in the
 * output, and the gradients of a concatenation are ranges of its gradient: no copies. */
#include "base/cpu.h"
#include "net/plan_inside.h"
#include "op/dnn_int8.h"
#include "op/tune.h"
#include <string.h>

static int channel_block(const limn_plan *plan, int c)
{
    int width = limn_cpu() == LIMN_CPU_AVX512 ? 16 : 8;

    if (plan->compute == LIMN_COMPUTE_PLAIN) return 1;
    if (plan->compute == LIMN_COMPUTE_BF16 && limn_dnn_has_amx()) return c;
    return c % width == 0 ? width : c;
}

static bool is_map(const limn_op *op, int input)
{
    return limn_op_kind(op, input) == LIMN_FEATURES;
}

/* ---- Types in bf16 plans
 * ------------------------------------------------------------------------- */

/* Below this many channels bf16 saves nothing: the products are as short as a vector. */
enum { BF16_CHANNELS = 32 };

static limn_value find(limn_value *set, limn_value v)
{
    while (set[v] != v) v = set[v] = set[set[v]];
    return v;
}

static void unite(limn_value *set, limn_value a, limn_value b)
{
    if (a >= 0 && b >= 0) set[find(set, a)] = find(set, b);
}

/* Values between two convolutions share a type, because only convolutions read one and write
 * another: set[v] becomes the representative of v's group. */
static void group_values(const limn_plan *plan, limn_value *set)
{
    const limn_graph *g = plan->graph;

    for (int v = 0; v < g->value_count; v++) set[v] = v;
    for (int s = 0; s < plan->step_count; s++) {
        const limn_step *step = &plan->steps[s];
        const limn_op *op = step->call->op;
        bool weighted = limn_op_weight(op, step->call->inputs) >= 0;
        limn_value first = -1;

        if (step->call->backward) { /* gradients follow what they are gradients of */
            for (int i = 0; i < step->call->inputs && !weighted; i++)
                if (is_map(op, i) && !(op->float32_outputs & 1)) unite(set, step->dy, step->dx[i]);
            continue;
        }
        unite(set, step->residual, step->y[0]);
        for (int i = 0; i < step->call->inputs && !weighted; i++) {
            if (!is_map(op, i)) continue;
            if (first < 0) first = step->x[i];
            unite(set, first, step->x[i]);
        }
        if (!weighted && !(op->float32_outputs & 1)) unite(set, first, step->y[0]);
    }
    for (int v = 0; v < g->value_count; v++)
        if (g->values[v].like >= 0) unite(set, v, g->values[v].like);
}

static limn_status find_types(limn_plan *plan, bool **out, limn_error *error)
{
    const limn_graph *g = plan->graph;
    size_t values = (size_t)g->value_count;
    bool *wide, *f32;
    limn_value *set;

    LIMN_TRY(limn_take_into(&f32, &plan->arena, values, error));
    LIMN_TRY(limn_take_into(&wide, &plan->arena, values, error));
    LIMN_TRY(limn_take_into(&set, &plan->arena, values * sizeof *set, error));
    group_values(plan, set);
    for (int v = 0; v < g->value_count; v++)
        if (g->values[v].shape.c >= BF16_CHANNELS && !g->values[v].float32)
            wide[find(set, v)] = true;
    for (int v = 0; v < g->value_count; v++) f32[v] = g->values[v].float32 || !wide[find(set, v)];
    for (int s = 0; s < plan->step_count; s++)
        for (int i = 0; i < LIMN_INPUTS_MAX; i++)
            if (plan->steps[s].x[i] >= 0 && !is_map(plan->steps[s].call->op, i))
                f32[plan->steps[s].x[i]] = true;
    *out = f32;
    return LIMN_OK;
}

/* Which values an int8 convolution writes, or are tied to one that it does: operations other than
 * convolutions want maps of the same channels in the same layout. */
static limn_status find_channels_last(limn_plan *plan, bool **out, limn_error *error)
{
    size_t values = (size_t)plan->graph->value_count;
    limn_value *set;
    bool *last;

    LIMN_TRY(limn_take_into(&last, &plan->arena, values, error));
    LIMN_TRY(limn_take_into(&set, &plan->arena, values * sizeof *set, error));
    for (limn_value v = 0; v < plan->graph->value_count; v++) set[v] = v;
    for (int s = 0; s < plan->step_count; s++) {
        const limn_step *step = &plan->steps[s];
        limn_value y = step->y[0];

        if (step->call->backward || y < 0) continue;
        unite(set, step->residual, y);
        if (limn_op_weight(step->call->op, step->call->inputs) >= 0) continue;
        for (int i = 0; i < step->call->inputs; i++)
            if (step->x[i] >= 0 && is_map(step->call->op, i) &&
                plan->graph->values[step->x[i]].shape.c == plan->graph->values[y].shape.c)
                unite(set, step->x[i], y);
    }
    for (int s = 0; s < plan->step_count; s++)
        if (plan->steps[s].call->op->flags & LIMN_OP_INT8 && !plan->steps[s].call->args->doubled)
            last[find(set, plan->steps[s].y[0])] = true;
    for (limn_value v = 0; v < plan->graph->value_count; v++) last[v] = last[find(set, v)];
    *out = last;
    return LIMN_OK;
}

static limn_status make_places(limn_plan *plan, limn_error *error)
{
    const limn_graph *g = plan->graph;
    bool *f32, *last;

    plan->place_count = g->value_count;
    plan->place_room = g->value_count + 2 * plan->step_count;
    LIMN_TRY(limn_take_into(&plan->places, &plan->arena,
                            (size_t)plan->place_room * sizeof *plan->places, error));
    LIMN_TRY(find_types(plan, &f32, error));
    LIMN_TRY(find_channels_last(plan, &last, error));
    for (int v = 0; v < plan->place_room; v++) {
        limn_place *p = &plan->places[v];
        limn_shape s;

        *p = (limn_place){ .parameter = -1, .whole = -1, .buffer = -1, .block = 1 };
        if (v >= g->value_count) continue;
        s = p->shape = g->values[v].shape;
        p->parameter = g->values[v].parameter;
        p->type = f32[v] || plan->compute != LIMN_COMPUTE_BF16 ? LIMN_F32 : LIMN_BF16;
        p->block = g->values[v].float32                             ? 1
                   : last[v] && plan->compute != LIMN_COMPUTE_PLAIN ? s.c
                                                                    : channel_block(plan, s.c);
        p->batch_stride = (size_t)s.c * (size_t)s.h * (size_t)s.w;
        if (p->parameter >= 0 && g->parameters[p->parameter].kind == LIMN_PARAMETER_INT8)
            p->type = LIMN_I8;
        p->bytes = limn_count(s) * limn_type_bytes(p->type);
    }
    /* What is read as a vector, an index or a number is plain, wherever it comes from. */
    for (int s = 0; s < plan->step_count; s++)
        for (int i = 0; i < LIMN_INPUTS_MAX; i++)
            if (plan->steps[s].x[i] >= 0 && !is_map(plan->steps[s].call->op, i))
                plan->places[plan->steps[s].x[i]].block = 1;
    for (int v = 0; v < g->value_count; v++)
        if (g->values[v].like >= 0) plan->places[v].block = plan->places[g->values[v].like].block;
    return LIMN_OK;
}

/* ---- Parts of other values ---------------------------------------------------------------------
 */

static bool fits_inside(const limn_plan *plan, limn_value part, limn_value whole, int channel,
                        const bool *at_convolution)
{
    const limn_place *p = &plan->places[part], *w = &plan->places[whole];

    if (part < 0 || p->parameter >= 0 || p->whole >= 0 || w->whole >= 0) return false;
    if (p->type != w->type || p->block != w->block || channel % p->block) return false;
    return w->shape.n == 1 || !at_convolution[part];
}

static void put_inside(limn_plan *plan, limn_value part, limn_value whole, int channel)
{
    limn_shape s = plan->places[whole].shape;
    limn_place *p = &plan->places[part];

    p->whole = whole;
    p->whole_shift = (size_t)channel * (size_t)s.h * (size_t)s.w * limn_type_bytes(p->type);
    if (s.n > 1) p->batch_stride = plan->places[whole].batch_stride;
}

static limn_status place_parts(limn_plan *plan, limn_error *error)
{
    const limn_graph *g = plan->graph;
    limn_value values[LIMN_STEP_VALUES];
    bool *at_convolution, *made;

    LIMN_TRY(limn_take_into(&at_convolution, &plan->arena, (size_t)g->value_count, error));
    LIMN_TRY(limn_take_into(&made, &plan->arena, (size_t)g->value_count, error));
    for (int s = 0; s < plan->step_count; s++) {
        const limn_step *step = &plan->steps[s];
        bool weighted = limn_op_weight(step->call->op, step->call->inputs) >= 0;
        int count = limn_step_writes(step, values);

        for (int k = 0; k < count; k++) {
            made[values[k]] = !(step->call->op->flags & (LIMN_OP_VIEW | LIMN_OP_CONCAT));
            at_convolution[values[k]] |= weighted;
        }
        count = limn_step_reads(step, values);
        for (int k = 0; k < count; k++) at_convolution[values[k]] |= weighted;
    }
    for (int s = 0; s < plan->step_count; s++) {
        const limn_step *step = &plan->steps[s];
        const limn_node_info *node = &g->nodes[step->node];
        int channel = 0;

        if (step->call->op->flags & LIMN_OP_VIEW && !step->call->backward) {
            plan->places[step->y[0]].whole = step->x[0];
            plan->places[step->y[0]].batch_stride = plan->places[step->x[0]].batch_stride;
        }
        if (!(step->call->op->flags & LIMN_OP_CONCAT) || plan->compute == LIMN_COMPUTE_PLAIN ||
            plan->settings.guards)
            continue;
        for (int i = 0; i < node->inputs; i++) {
            const limn_node_info *forward = node->backward ? &g->nodes[node->of] : node;
            limn_value part = node->backward ? step->dx[i] : step->x[i];
            limn_value whole = node->backward ? step->dy : step->y[0];

            if (part >= 0 && made[part] | node->backward && step->into[i] < 0 &&
                fits_inside(plan, part, whole, channel, at_convolution))
                put_inside(plan, part, whole, channel);
            channel += g->values[forward->x[i]].shape.c;
        }
    }
    return LIMN_OK;
}

/* ---- Calls -------------------------------------------------------------------------------------
 */

limn_tensor limn_plan_tensor(const limn_plan *plan, limn_value value)
{
    const limn_place *p;
    limn_tensor t;
    size_t shift = 0;
    limn_value at = value;

    if (value < 0) return (limn_tensor){ .data = NULL };
    p = &plan->places[value];
    t = (limn_tensor){ p->shape, p->type, p->block, p->batch_stride, NULL };
    for (; plan->places[at].whole >= 0; at = plan->places[at].whole)
        shift += plan->places[at].whole_shift;
    if (plan->places[at].parameter >= 0) {
        const limn_dnn_layout *layout;
        int index = plan->weight_index[plan->places[at].parameter];

        t.data = limn_weights_memory(plan->weights, index, &layout);
    } else if (plan->memory && plan->places[at].buffer >= 0) {
        const limn_place *root = &plan->places[at];

        t.data = plan->memory + plan->buffers[root->buffer].offset + root->shift + shift;
    }
    return t;
}

/* An optimiser sees the whole memory of a parameter as one row. */
static void flatten(limn_tensor *t, size_t bytes)
{
    if (!t->shape.n) return;
    t->shape = (limn_shape){ 1, 1, 1, (int)(bytes / sizeof(float)) };
    t->block = 1;
    t->batch_stride = bytes / sizeof(float);
}

static size_t home_bytes(const limn_plan *plan, int parameter)
{
    const limn_dnn_layout *home = plan->home[parameter];

    return home ? limn_dnn_layout_bytes(home)
                : limn_count(plan->graph->parameters[parameter].shape) * sizeof(float);
}

/* Tensors of the call from the places as they are now: before prepare and again when bound. */
static void fill_call(const limn_plan *plan, limn_step *step)
{
    limn_call *call = step->call;
    bool flat = call->op->kinds[0] == LIMN_FLAT;

    for (int i = 0; i < LIMN_INPUTS_MAX; i++) {
        call->x[i] = limn_plan_tensor(plan, step->x[i]);
        call->dx[i] = limn_plan_tensor(plan, step->dx[i]);
        if (step->dx[i] >= 0) call->wanted |= 1u << i;
        if (step->into[i] >= 0) call->accumulate |= 1u << i;
    }
    for (int j = 0; j < LIMN_OUTPUTS_MAX; j++) call->y[j] = limn_plan_tensor(plan, step->y[j]);
    if (call->backward) { /* what is not read still has a shape */
        const limn_node_info *forward = &plan->graph->nodes[plan->graph->nodes[step->node].of];

        for (int i = 0; i < call->inputs; i++)
            if (step->x[i] < 0) {
                call->x[i] = limn_plan_tensor(plan, forward->x[i]);
                call->x[i].data = NULL;
            }
    }
    call->dy[0] = limn_plan_tensor(plan, step->dy);
    call->residual = limn_plan_tensor(plan, step->residual);
    if (flat) {
        size_t bytes = home_bytes(plan, plan->graph->values[step->x[0]].parameter);

        for (int i = 0; i < call->inputs; i++) flatten(&call->x[i], bytes);
        for (int j = 0; j < LIMN_OUTPUTS_MAX; j++) flatten(&call->y[j], bytes);
    }
}

double limn_node_flops(const limn_graph *g, const limn_node_info *node)
{
    int weight = limn_op_weight(node->op, node->inputs);
    limn_shape x, y;
    size_t from, to;

    if (weight < 0) return 0;
    x = g->values[node->x[0]].shape;
    y = g->values[node->y[0]].shape;
    from = (size_t)x.h * (size_t)x.w;
    to = (size_t)y.h * (size_t)y.w;
    return 2.0 * x.n * (double)(from < to ? from : to) *
           (double)limn_count(g->values[node->x[weight]].shape);
}

static double count_flops(const limn_plan *plan, const limn_step *step)
{
    const limn_node_info *node = &plan->graph->nodes[step->node];
    int weight = limn_op_weight(node->op, node->inputs);

    if (!node->backward) return limn_node_flops(plan->graph, node);
    if (weight < 0) return 0;
    return ((step->dx[0] >= 0) + (step->dx[weight] >= 0)) *
           limn_node_flops(plan->graph, &plan->graph->nodes[node->of]);
}

static limn_status prepare_step(limn_plan *plan, limn_step *step, limn_error *error)
{
    const limn_graph *g = plan->graph;
    limn_call *call = step->call;
    int weight = limn_op_weight(call->op, call->inputs);
    int parameter = -1;

    fill_call(plan, step);
    step->flops = count_flops(plan, step);
    if (plan->compute == LIMN_COMPUTE_PLAIN || !call->op->prepare) {
        limn_call_plain(call);
        return LIMN_OK;
    }
    if (weight >= 0 && step->dx[weight] >= 0) {
        limn_value of = g->values[step->dx[weight]].like;

        parameter = g->values[of].parameter;
        if (parameter >= 0 && plan->home_known[parameter])
            call->weight_gradient_layout = plan->home[parameter];
        else if (parameter >= 0 &&
                 limn_weights_pinned(plan->weights, plan->weight_index[parameter]))
            limn_weights_memory(plan->weights, plan->weight_index[parameter],
                                &call->weight_gradient_layout); /* another plan trains it too */
    }
    LIMN_TRY(limn_tune_choose(call, plan->choices, plan->tune_until, &plan->measured, error));
    if (call->op->prepare(call, &plan->arena, error)) return limn_while(error, "%s", step->name);
    if (weight < 0) return LIMN_OK;
    if (step->dx[weight] >= 0) {
        limn_place *p = &plan->places[step->dx[weight]];

        p->layout = call->weight_gradient_layout;
        if (p->layout) p->bytes = limn_dnn_layout_bytes(p->layout);
        if (parameter >= 0 && !plan->home_known[parameter]) {
            plan->home[parameter] = p->layout;
            plan->home_known[parameter] = plan->trains[parameter] = true;
        }
    }
    if (!call->weight_layout && call->backward) step->x[weight] = -1; /* not read */
    return LIMN_OK;
}

/* Homes of what is not trained here, and of the moments. */
static limn_status decide_homes(limn_plan *plan, limn_error *error)
{
    const limn_graph *g = plan->graph;

    for (int s = 0; s < plan->step_count; s++) {
        const limn_step *step = &plan->steps[s];
        int weight = limn_op_weight(step->call->op, step->call->inputs), p, index;

        if (weight < 0 || step->x[weight] < 0) continue;
        p = g->values[step->x[weight]].parameter;
        if (p < 0 || plan->home_known[p]) continue;
        index = plan->weight_index[p];
        if (limn_weights_pinned(plan->weights, index))
            limn_weights_memory(plan->weights, index, &plan->home[p]);
        else
            plan->home[p] = step->call->weight_layout;
        plan->home_known[p] = true;
    }
    for (int p = 0; p < g->parameter_count; p++)
        if (g->parameters[p].of >= 0) /* a moment, or a sum of gradients */
            plan->home[p] = plan->home[g->parameters[p].of];
    for (int p = 0; p < g->parameter_count; p++) {
        LIMN_TRY(limn_weights_adopt(plan->weights, plan->weight_index[p], plan->home[p], error));
        if (plan->trains[p]) limn_weights_pin(plan->weights, plan->weight_index[p]);
    }
    return LIMN_OK;
}

limn_status limn_plan_make_layouts(limn_plan *plan, limn_error *error)
{
    size_t parameters = (size_t)plan->graph->parameter_count + 1;

    LIMN_TRY(limn_take_into(&plan->home, &plan->arena, parameters * sizeof *plan->home, error));
    LIMN_TRY(limn_take_into(&plan->home_known, &plan->arena, parameters, error));
    LIMN_TRY(limn_take_into(&plan->trains, &plan->arena, parameters, error));
    LIMN_TRY(make_places(plan, error));
    LIMN_TRY(place_parts(plan, error));
    for (int s = 0; s < plan->step_count; s++) LIMN_TRY(prepare_step(plan, &plan->steps[s], error));
    return decide_homes(plan, error);
}

limn_status limn_plan_bind(limn_plan *plan, limn_error *error)
{
    for (int s = 0; s < plan->step_count; s++) {
        limn_step *step = &plan->steps[s];
        limn_call *call = step->call;

        if (step->kind == LIMN_STEP_PACK) {
            limn_tensor from = limn_plan_tensor(plan, step->from),
                        to = limn_plan_tensor(plan, step->to);
            void *scratch = step->scratch < 0 ? NULL
                                              : plan->memory + plan->buffers[step->scratch].offset;

            LIMN_TRY(limn_dnn_bind(step->pack, from.data, NULL, NULL, to.data, scratch, error));
        }
        if (step->kind != LIMN_STEP_CALL) continue;
        fill_call(plan, step);
        if (step->update) fill_call(plan, step->update);
        call->scratch = step->scratch < 0 ? NULL
                                          : plan->memory + plan->buffers[step->scratch].offset;
        if (call->bind && call->bind(call, error)) return limn_while(error, "%s", step->name);
    }
    plan->weights_serial = limn_weights_serial(plan->weights);
    return LIMN_OK;
}
