/* SPDX-License-Identifier: Apache-2.0
 *
 * Fourth part of planning: updates that take a gradient as it is made.
 *
 * A gradient of weights is written by one step and read by the next, and between them it goes
 * through memory: for the inner levels of a U-Net, whose gradients are 8 to 34 MB, that takes
 * longer than to compute them.  Where a backward call can hand its gradient over in pieces
 * (update_floats) and nobody but the update reads it, the two become one step: the gradient has no
 * memory, and the update's other values are read and written by that step.
 *
 * Not done: gradients of several parts (a network that is applied twice, or a critic that judges
 * two pictures), of which only the last part could be taken: in float32 all updates that go through
 * memory are 2 of the 300 ms of a pix2pix step and 24 of the 5200 of a cycle_gan's. */
#include "net/plan_inside.h"

static int readers(const limn_plan *plan, limn_value value)
{
    limn_value values[LIMN_STEP_VALUES];
    int count = 0;

    for (int s = 0; s < plan->step_count; s++)
        for (int k = limn_step_reads(&plan->steps[s], values) - 1; k >= 0; k--)
            count += values[k] == value;
    for (int i = 0; i < plan->graph->report_count; i++)
        count += plan->graph->reports[i].value == value;
    return count;
}

/* Whether a step needs what this update changes as it was: the parameter itself, or a pack of it
 * that the update writes. */
static bool depends(const limn_plan *plan, const limn_step *step, const limn_step *update)
{
    limn_value values[2 * LIMN_STEP_VALUES];
    int count = limn_step_reads(step, values);

    count += limn_step_writes(step, values + count);
    for (int k = 0; k < count; k++) {
        if (plan->places[values[k]].parameter == plan->places[update->x[0]].parameter) return true;
        for (int i = 0; i < update->call->pack_count; i++)
            if (values[k] == update->packs[i]) return true;
    }
    return false;
}

/* The gradient: the input that is not changed in place. */
static limn_value gradient_of(const limn_step *update)
{
    const limn_op *op = update->call->op;

    for (int i = 0; i < update->call->inputs; i++) {
        bool changed = false;

        for (int j = 0; j < LIMN_OUTPUTS_MAX; j++) changed |= op->overwrites[j] == i + 1;
        if (!changed) return update->x[i];
    }
    return -1;
}

/* Whether a backward step can hand the gradient of its weights over. */
static bool hands_over(const limn_plan *plan, const limn_step *step, int weight,
                       const limn_call *update)
{
    limn_shape w = plan->places[step->dx[weight]].shape;
    size_t outs, ins;

    limn_pack_piece(update->packs, update->pack_count, LIMN_PIECE_SIDE, &outs, &ins);
    return step->into[weight] < 0 &&
           outs * ins * (size_t)w.h * (size_t)w.w <= step->call->update_floats;
}

int limn_plan_update_maker(const limn_plan *plan, int update, int count)
{
    const limn_step *u = &plan->steps[update];
    limn_value gradient = gradient_of(u);

    if (gradient < 0 || readers(plan, gradient) != 1) return -1;
    for (int s = count - 1; s >= 0; s--) {
        const limn_step *step = &plan->steps[s];
        int weight = -1;

        if (step->kind == LIMN_STEP_CALL && step->call->backward)
            weight = limn_op_weight(step->call->op, step->call->inputs);
        if (weight >= 0 && step->dx[weight] == gradient)
            return hands_over(plan, step, weight, u->call) ? s : -1;
        if (depends(plan, step, u)) return -1;
    }
    return -1;
}

limn_status limn_plan_join_updates(limn_plan *plan, limn_error *error)
{
    int count = 0;

    if (plan->compute == LIMN_COMPUTE_PLAIN || plan->settings.no_fusion) return LIMN_OK;
    for (int s = 0; s < plan->step_count; s++) {
        limn_step *step = &plan->steps[s], *update;
        int maker = limn_step_takes_pieces(step) ? limn_plan_update_maker(plan, s, count) : -1;

        if (maker < 0) {
            plan->steps[count++] = *step;
            continue;
        }
        LIMN_TRY(limn_take_into(&update, &plan->arena, sizeof *update, error));
        *update = *step;
        plan->steps[maker].update = update;
        plan->steps[maker].call->update = update->call;
    }
    plan->step_count = count;
    return LIMN_OK;
}
