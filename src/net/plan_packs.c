/* SPDX-License-Identifier: Apache-2.0
 *
 * Third part of planning: weights in the layouts in which convolutions read them, where that is not
 * the layout of their home.
 *
 * A step that reads another layout gets a pack in front of it, shared by all that read the same
 * version of the weights, whose memory is free afterwards: once per update, never per call.
 *
 * That reads each weight again for each of two layouts, one a direction, when it has long left the
 * cache.  So where the weights are trained here and our own loop packs them (op/pack.h), the update
 * writes the packs while it has the weights at hand, and they are kept from one run of the plan to
 * the next.  A pix2pix step in bf16 on two cores without AMX: 271.7 ms instead of 279.9 (medians of
 * five turns), of which Adam and packs are 40 instead of 52; convolutions lose some of it again to
 * packs that are not in the cache.  The price is memory, 2 bytes a weight and layout.
 *
 * In float32 it is one layout of 4 bytes a weight, whose pack steps took 20 ms of a pix2pix step:
 * by turns the least step takes 265 ms instead of 276 (14 turns; their medians 309 and 308 on a
 * machine that was not quiet, the median of the ratios 0.98), about 1000 MiB resident instead of
 * 794.  There stores pass the cache by; with usual ones more than half of the gain was gone (the
 * least steps of ten turns: 271 ms, 267, and 261 past the cache), while in bf16 they made no
 * difference.  Only weights whose gradients are handed over (plan_update.c) get such packs: those
 * of a cycle_gan's step took 14 of 5200 ms and would need 108 MiB.
 *
 * The pack step stays in the list, for the first run and for whenever somebody else has changed
 * weights since (limn_weights_changes); otherwise it is passed over. */
#include "net/plan_inside.h"
#include "op/dnn_int8.h"

/* A pack of this version in this layout that an earlier step has asked for. */
static limn_value find_pack(const limn_plan *plan, const limn_value *version, limn_value value,
                            const limn_dnn_layout *layout)
{
    for (int v = plan->graph->value_count; v < plan->place_count; v++)
        if (version[v - plan->graph->value_count] == value &&
            limn_dnn_layout_equal(plan->places[v].layout, layout))
            return v;
    return -1;
}

typedef struct packing {
    limn_plan *plan;
    limn_value *version; /* that each pack packs */
    limn_step *steps;    /* the new list */
    int count;
} packing;

/* The value that a step reads its weights from: the parameter itself or a pack of it, added in
 * front of the step when no earlier one has asked for the same. */
static limn_status pack_for(packing *p, const limn_step *step, int weight, limn_value *out,
                            limn_error *error)
{
    limn_plan *plan = p->plan;
    const limn_graph *g = plan->graph;
    limn_value value = step->x[weight];
    const limn_dnn_layout *want = step->call->weight_layout, *from = NULL;
    limn_step *made = &p->steps[p->count];

    *out = value;
    if (g->values[value].parameter >= 0) from = plan->home[g->values[value].parameter];
    if (from && limn_dnn_layout_equal(from, want)) return LIMN_OK;
    if ((*out = find_pack(plan, p->version, value, want)) >= 0) return LIMN_OK;
    if (!from) { /* plain: a parameter that only this plan reads, or weights that are fed */
        limn_dnn_layout *plain;

        LIMN_TRY(plan->places[value].type == LIMN_I8
                     ? limn_dnn_layout_bytes_like(&plain, want, &plan->arena, error)
                     : limn_dnn_layout_plain_like(&plain, want, &plan->arena, error));
        from = plain;
        if (limn_dnn_layout_equal(from, want)) {
            *out = value;
            return LIMN_OK;
        }
    }
    *out = plan->place_count++;
    p->version[*out - g->value_count] = value;
    plan->places[*out] = (limn_place){ .parameter = -1,
                                       .whole = -1,
                                       .buffer = -1,
                                       .block = 1,
                                       .shape = plan->places[value].shape,
                                       .layout = want,
                                       .bytes = limn_dnn_layout_bytes(want) };
    *made = (limn_step){ .kind = LIMN_STEP_PACK,
                         .node = -1,
                         .name = g->values[value].name,
                         .from = value,
                         .to = *out,
                         .scratch = -1,
                         .residual = -1 };
    if (limn_dnn_pack_create(&made->pack, from, want, &plan->arena, error))
        return limn_while(error, "%s", made->name);
    p->count++;
    return LIMN_OK;
}

static limn_status add_packs(limn_plan *plan, limn_error *error)
{
    int room = 2 * plan->step_count;
    packing p = { .plan = plan };

    LIMN_TRY(limn_take_into(&p.steps, &plan->arena, (size_t)room * sizeof *p.steps, error));
    LIMN_TRY(limn_take_into(&p.version, &plan->arena, (size_t)room * sizeof *p.version, error));
    for (int s = 0; s < plan->step_count; s++) {
        limn_step *step = &plan->steps[s];
        int weight = limn_op_weight(step->call->op, step->call->inputs);

        if (weight >= 0 && step->x[weight] >= 0) {
            limn_value from;
            limn_status status = pack_for(&p, step, weight, &from, error);

            if (status) { /* the plan still holds the calls; the packs are ours */
                for (int k = 0; k < p.count; k++)
                    if (p.steps[k].kind == LIMN_STEP_PACK) limn_dnn_free(&p.steps[k].pack);
                return status;
            }
            step->x[weight] = from;
        }
        p.steps[p.count++] = *step;
    }
    plan->steps = p.steps;
    plan->step_count = p.count;
    return LIMN_OK;
}

/* ---- Packs that the update writes
 * ------------------------------------------------------------------------- */

static int parameter_of(const limn_plan *plan, limn_value value)
{
    return value >= 0 && value < plan->graph->value_count ? plan->graph->values[value].parameter
                                                          : -1;
}

/* The one step that updates this parameter and can pack; -1: none, or several. */
static int update_of(const limn_plan *plan, int parameter)
{
    int found = -1;

    for (int s = 0; s < plan->step_count; s++) {
        const limn_step *step = &plan->steps[s];

        if (step->kind != LIMN_STEP_CALL || !(step->call->op->flags & LIMN_OP_UPDATE) ||
            parameter_of(plan, step->y[0]) != parameter)
            continue;
        if (found >= 0 || !limn_step_takes_pieces(step)) return -1;
        found = s;
    }
    return found;
}

/* Whether a value is read at this step or later. */
static bool read_after(const limn_plan *plan, limn_value value, int s)
{
    limn_value values[LIMN_STEP_VALUES];

    for (; s < plan->step_count; s++)
        for (int k = limn_step_reads(&plan->steps[s], values) - 1; k >= 0; k--)
            if (values[k] == value) return true;
    return false;
}

/* Packs `later` makes what `first` has made of an older version of the weights. */
static bool same_pack(const limn_plan *plan, const limn_step *first, const limn_step *later)
{
    return later->kind == LIMN_STEP_PACK &&
           parameter_of(plan, later->from) == parameter_of(plan, first->from) &&
           limn_dnn_layout_equal(plan->places[first->to].layout, plan->places[later->to].layout);
}

/* The pack is kept, written by the update, and read wherever the same was packed again. */
static void keep(limn_plan *plan, limn_step *pack, limn_step *update)
{
    pack->kept = plan->places[pack->to].kept = true;
    update->packs[update->call->pack_count] = pack->to;
    update->call->packs[update->call->pack_count++] = limn_dnn_pack_own(pack->pack);
    for (limn_step *later = pack + 1; later < plan->steps + plan->step_count; later++) {
        if (!same_pack(plan, pack, later)) continue;
        for (limn_step *s = later; s < plan->steps + plan->step_count; s++)
            for (int i = 0; s->kind == LIMN_STEP_CALL && i < LIMN_INPUTS_MAX; i++)
                if (s->x[i] == later->to) s->x[i] = pack->to;
        limn_dnn_free(&later->pack);
    }
}

/* The update that writes this pack, or -1. */
static int writer_of(const limn_plan *plan, const limn_step *step)
{
    const limn_pack *pack = step->kind == LIMN_STEP_PACK && step->pack
                                ? limn_dnn_pack_own(step->pack)
                                : NULL;
    int update = pack ? update_of(plan, parameter_of(plan, step->from)) : -1;

    if (update < 0 || !pack->floats) return update;
    return limn_plan_update_maker(plan, update, update) < 0 ? -1 : update;
}

static void keep_packs(limn_plan *plan)
{
    int count = 0;

    if (plan->settings.no_fusion) return;
    for (int s = 0; s < plan->step_count; s++) {
        limn_step *pack = &plan->steps[s];
        int update = writer_of(plan, pack);

        /* Somebody who reads the old weights once they have changed needs a pack of his own. */
        if (update < 0 || plan->steps[update].call->pack_count == LIMN_PACKS_MAX ||
            (s < update && read_after(plan, pack->to, update)))
            continue;
        keep(plan, pack, &plan->steps[update]);
    }
    for (int s = 0; s < plan->step_count; s++)
        if (plan->steps[s].kind != LIMN_STEP_PACK || plan->steps[s].pack)
            plan->steps[count++] = plan->steps[s];
    plan->step_count = count;
}

limn_status limn_plan_make_packs(limn_plan *plan, limn_error *error)
{
    if (plan->compute == LIMN_COMPUTE_PLAIN) return LIMN_OK;
    LIMN_TRY(add_packs(plan, error));
    keep_packs(plan);
    return LIMN_OK;
}
