/* SPDX-License-Identifier: Apache-2.0
 *
 * run: a loop over the plan's steps that calls function pointers.  Nothing here takes memory. */
#include "base/threads.h"
#include "net/plan_inside.h"
#include <string.h>
#include <time.h>

/* The weights may have moved since the pointers were written: another plan wanted other layouts. */
static limn_status settle_weights(limn_plan *plan, limn_error *error)
{
    if (plan->weights_serial == limn_weights_serial(plan->weights)) return LIMN_OK;
    for (int p = 0; p < plan->graph->parameter_count; p++) {
        int index = plan->weight_index[p];
        const limn_dnn_layout *now;

        limn_weights_memory(plan->weights, index, &now);
        if (now == plan->home[p] ||
            (now && plan->home[p] && limn_dnn_layout_equal(now, plan->home[p])))
            continue;
        if (limn_weights_pinned(plan->weights, index) && !plan->trains[p])
            return limn_fail(error, LIMN_BUG,
                             "%s has moved since this plan was made; make training plans first",
                             plan->graph->parameters[p].name);
        LIMN_TRY(limn_weights_adopt(plan->weights, index, plan->home[p], error));
    }
    return limn_plan_bind(plan, error);
}

limn_status limn_plan_feed(limn_plan *plan, limn_value input, const float *values,
                           limn_error *error)
{
    limn_tensor from, to;

    if (input < 0 || input >= plan->graph->value_count || !plan->graph->values[input].input)
        return limn_fail(error, LIMN_BUG, "fed a value that is no input of the graph");
    to = limn_plan_tensor(plan, input);
    if (!to.data) return LIMN_OK; /* nothing reads it */
    from = (limn_tensor){ to.shape, LIMN_F32, 1,
                          (size_t)to.shape.c * (size_t)to.shape.h * (size_t)to.shape.w,
                          (void *)(uintptr_t)values };
    limn_tensor_copy(&to, &from);
    return LIMN_OK;
}

limn_status limn_plan_read(limn_plan *plan, limn_value value, float *values, limn_error *error)
{
    limn_tensor from, to;

    if (value < 0 || value >= plan->graph->value_count)
        return limn_fail(error, LIMN_BUG, "read a value that the graph does not have");
    from = limn_plan_tensor(plan, value);
    if (!from.data ||
        (plan->places[value].parameter < 0 && plan->places[value].last < plan->step_count))
        return limn_fail(error, LIMN_BUG, "%s cannot be read: it was not reported",
                         plan->graph->values[value].name);
    to = (limn_tensor){ from.shape, LIMN_F32, 1,
                        (size_t)from.shape.c * (size_t)from.shape.h * (size_t)from.shape.w,
                        values };
    if (plan->places[value].layout) {
        limn_dnn_primitive *pack = NULL;
        limn_dnn_layout *plain;
        limn_arena arena;
        limn_status status;

        /* The gradient of packed weights, for tests: unpacked here. */
        limn_arena_open(&arena, "read", 0);
        status = limn_dnn_layout_plain_like(&plain, plan->places[value].layout, &arena, error);
        if (!status)
            status = limn_dnn_pack_create(&pack, plan->places[value].layout, plain, &arena, error);
        if (!status) {
            void *scratch = limn_take(&arena, limn_dnn_scratch_bytes(pack) + 64);

            status = scratch ? limn_dnn_bind(pack, from.data, NULL, NULL, values, scratch, error)
                             : limn_fail(error, LIMN_NO_MEMORY, "out of memory to read a gradient");
        }
        if (!status) status = limn_dnn_run(pack, error);
        limn_dnn_free(&pack);
        limn_arena_close(&arena);
        return status;
    }
    limn_tensor_copy(&to, &from);
    return LIMN_OK;
}

static limn_status run_step(limn_plan *plan, limn_step *step, limn_error *error)
{
    limn_tensor from, to;

    switch (step->kind) {
    case LIMN_STEP_CALL:
        return step->call->run(step->call, error);
    case LIMN_STEP_PACK:
        if (step->kept && plan->packed) return LIMN_OK;
        return limn_dnn_run(step->pack, error);
    case LIMN_STEP_COPY:
        from = limn_plan_tensor(plan, step->from);
        to = limn_plan_tensor(plan, step->to);
        if (plan->places[step->to].layout)
            memcpy(to.data, from.data, plan->places[step->to].bytes);
        else
            limn_tensor_copy(&to, &from);
        return LIMN_OK;
    }
    return LIMN_OK;
}

/* Every byte that belongs to no buffer must still be as take_memory() left it. */
static limn_status check_guards(const limn_plan *plan, const limn_step *step, limn_error *error)
{
    for (int b = 0; b < plan->buffer_count; b++) {
        const limn_buffer *buffer = &plan->buffers[b];
        const unsigned char *end = (unsigned char *)plan->memory + buffer->offset + buffer->bytes;
        const unsigned char *begin = (unsigned char *)plan->memory + buffer->offset;

        for (int i = 0; i < LIMN_GUARD_BYTES; i++)
            if (end[i] != 0xa5 || begin[-1 - i] != 0xa5)
                return limn_fail(error, LIMN_BUG, "%s: wrote outside its memory", step->name);
    }
    return LIMN_OK;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static limn_status run_steps(limn_plan *plan, limn_error *error)
{
    for (int s = 0; s < plan->step_count; s++) {
        limn_step *step = &plan->steps[s];
        double begin = plan->profile ? now() : 0;

        if (run_step(plan, step, error)) return limn_while(error, "%s", step->name);
        if (plan->profile) plan->profile[s] += now() - begin;
        if (plan->settings.guards) LIMN_TRY(check_guards(plan, step, error));
    }
    return LIMN_OK;
}

static bool updates(const limn_plan *plan)
{
    for (int s = 0; s < plan->step_count; s++) {
        const limn_step *step = &plan->steps[s];

        if (step->kind == LIMN_STEP_CALL &&
            (step->update || step->call->op->flags & LIMN_OP_UPDATE))
            return true;
    }
    return false;
}

limn_status limn_plan_run(limn_plan *plan, const limn_moment *moment, limn_error *error)
{
    limn_status status;

    LIMN_TRY(settle_weights(plan, error));
    plan->moment = *moment;
    plan->packed = plan->packed && plan->weights_changes == limn_weights_changes(plan->weights);
    if (updates(plan)) limn_weights_change(plan->weights);
    plan->weights_changes = limn_weights_changes(plan->weights);
    limn_compute_begin();
    status = run_steps(plan, error);
    limn_compute_end();
    plan->packed = !status;
    return status;
}
