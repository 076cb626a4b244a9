/* SPDX-License-Identifier: Apache-2.0
 *
 * Last part of planning: who lives when, who shares memory with whom, and where.
 *
 * A value lives from the step that makes it to the last that reads it.  Steps are walked once in
 * order.  What a step makes goes, in this order of preference: to its range inside a concatenation;
 * over an input that nobody needs any more, where the operation may work in place; to a buffer of
 * its own.  Then the buffers are laid out, each at the lowest offset where all that it holds is
 * free during its life: largest first, and once more by bytes times steps; the better one counts.
 * That is a greedy answer to a hard problem; on U-Net 256 training it ends 3 % above the sum of
 * what is alive at the worst step, which is the bound.  For an int8 U-Net, where the long-lived
 * halves of the skip connections are most of it, the second order is 12 % better; for training it
 * is worse.
 *
 * tests/test_plan_memory.c follows every byte through a run of the plan. */
#include "net/plan_inside.h"
#include <stdlib.h>
#include <string.h>

static limn_value root_of(const limn_plan *plan, limn_value value, size_t *shift)
{
    size_t sum = 0;

    for (; plan->places[value].whole >= 0; value = plan->places[value].whole)
        sum += plan->places[value].whole_shift;
    if (shift) *shift = sum;
    return value;
}

static void touch(limn_place *p, int step)
{
    if (!p->used || step < p->first) p->first = step;
    if (!p->used || step > p->last) p->last = step;
    p->used = true;
}

static void find_lives(limn_plan *plan)
{
    const limn_graph *g = plan->graph;
    limn_value values[LIMN_STEP_VALUES];

    for (int v = 0; v < plan->place_count; v++) plan->places[v].used = false;
    for (int s = 0; s < plan->step_count; s++) {
        int count = limn_step_reads(&plan->steps[s], values);

        for (int k = 0; k < count; k++) touch(&plan->places[values[k]], s);
        count = limn_step_writes(&plan->steps[s], values);
        for (int k = 0; k < count; k++) touch(&plan->places[values[k]], s);
    }
    for (int v = 0; v < g->value_count; v++)
        if (g->values[v].input) touch(&plan->places[v], -1);
    for (int v = g->value_count; v < plan->place_count; v++)
        if (plan->places[v].kept) {
            touch(&plan->places[v], -1);
            touch(&plan->places[v], plan->step_count);
        }
    for (int i = 0; i < g->report_count; i++)
        if (limn_report_is_here(g, i)) touch(&plan->places[g->reports[i].value], plan->step_count);
}

static limn_status new_buffer(limn_plan *plan, size_t bytes, int first, int last, int *out,
                              limn_error *error)
{
    if (plan->buffer_count == plan->buffer_room)
        return limn_fail(error, LIMN_BUG, "the plan has more buffers than values");
    plan->buffers[plan->buffer_count] = (limn_buffer){ .bytes = bytes ? bytes : 1,
                                                       .first = first,
                                                       .last = last };
    *out = plan->buffer_count++;
    return LIMN_OK;
}

/* Gives a root value a buffer when it has none. */
static limn_status own_buffer(limn_plan *plan, limn_value value, limn_error *error)
{
    limn_place *p = &plan->places[value];

    if (p->parameter >= 0 || p->buffer >= 0) return LIMN_OK;
    return new_buffer(plan, p->bytes, p->first, p->last, &p->buffer, error);
}

/* May this value's memory be overwritten by step s, whose last reader it is?  Not when it belongs
 * to a parameter or an input, or when another value in the same bytes is needed later. */
static bool overwritable(const limn_plan *plan, limn_value value, int s)
{
    size_t shift, other_shift, bytes = plan->places[value].bytes;
    limn_value root = root_of(plan, value, &shift);
    const limn_place *r = &plan->places[root];

    if (plan->settings.guards || r->parameter >= 0 || r->buffer < 0) return false;
    if (plan->places[value].last > s) return false;
    shift += r->shift;
    for (int v = 0; v < plan->place_count; v++) {
        const limn_place *other = &plan->places[v];
        limn_value other_root;

        if (!other->used) continue;
        other_root = root_of(plan, v, &other_shift);
        if (plan->places[other_root].buffer != r->buffer) continue;
        other_shift += plan->places[other_root].shift;
        if (other_shift >= shift + bytes || shift >= other_shift + other->bytes) continue;
        if (v < plan->graph->value_count && plan->graph->values[v].input) return false;
        if (other->last > s) return false;
    }
    return true;
}

static bool same_form(const limn_place *a, const limn_place *b)
{
    if (a->layout || b->layout)
        return a->bytes == b->bytes && limn_dnn_layout_equal(a->layout, b->layout);
    return a->bytes == b->bytes && a->type == b->type && a->block == b->block &&
           a->batch_stride == b->batch_stride;
}

/* out takes over the memory of in. */
static void share(limn_plan *plan, limn_value out, limn_value in)
{
    size_t shift;
    const limn_place *root = &plan->places[root_of(plan, in, &shift)];
    limn_place *p = &plan->places[out];

    p->buffer = root->buffer;
    p->shift = root->shift + shift;
}

static bool is_placed(const limn_plan *plan, limn_value value)
{
    const limn_place *p = &plan->places[value];

    return p->whole >= 0 || p->parameter >= 0 || p->buffer >= 0;
}

static bool try_share(limn_plan *plan, limn_value out, limn_value in, int s)
{
    if (out < 0 || in < 0 || is_placed(plan, out)) return false;
    if (!same_form(&plan->places[out], &plan->places[in]) || !overwritable(plan, in, s))
        return false;
    share(plan, out, in);
    return true;
}

/* Is value `in` read by this step in a second role, which working in place would spoil? */
static bool read_twice(const limn_step *step, limn_value in)
{
    limn_value values[LIMN_STEP_VALUES];
    int count = limn_step_reads(step, values), times = 0;

    for (int k = 0; k < count; k++) times += values[k] == in;
    return times > 1;
}

/* The first part of a gradient becomes the whole when nobody else needs it; true when it must be
 * copied instead. */
static bool continue_gradient(limn_plan *plan, const limn_step *step, int i, int s)
{
    limn_value out = step->dx[i], in = step->into[i];

    if (is_placed(plan, out)) return true; /* inside a concatenation's gradient */
    return read_twice(step, in) || !try_share(plan, out, in, s);
}

static limn_status place_outputs(limn_plan *plan, int s, limn_error *error)
{
    const limn_step *step = &plan->steps[s];
    const limn_op *op = step->kind == LIMN_STEP_CALL ? step->call->op : NULL;
    limn_value values[LIMN_STEP_VALUES];
    int count = limn_step_writes(step, values);

    if (op && !step->call->backward) {
        for (int j = 0; j < LIMN_OUTPUTS_MAX; j++) {
            limn_value old = step->y[j] >= 0 && op->overwrites[j] ? step->x[op->overwrites[j] - 1]
                                                                  : -1;

            if (old < 0) continue;
            if (plan->places[old].last > s)
                return limn_fail(error, LIMN_BUG,
                                 "%s: changed in place while the old value is needed", step->name);
            if (!is_placed(plan, step->y[j])) share(plan, step->y[j], old);
        }
        if (step->residual >= 0 && !read_twice(step, step->residual))
            try_share(plan, step->y[0], step->residual, s);
        if (op->flags & LIMN_OP_INPLACE && step->x[0] >= 0 && !read_twice(step, step->x[0]))
            try_share(plan, step->y[0], step->x[0], s);
    }
    if (op && step->call->backward && op->flags & LIMN_OP_INPLACE_BACKWARD && step->into[0] < 0 &&
        !read_twice(step, step->dy))
        try_share(plan, step->dx[0], step->dy, s);
    for (int k = 0; k < count; k++) {
        limn_value root = root_of(plan, values[k], NULL);

        LIMN_TRY(own_buffer(plan, root, error));
    }
    return LIMN_OK;
}

/* Buffers live as long as the values in them. */
static void find_buffer_lives(limn_plan *plan)
{
    for (int v = 0; v < plan->place_count; v++) {
        const limn_place *p = &plan->places[v];
        int buffer = plan->places[root_of(plan, v, NULL)].buffer;

        if (!p->used || buffer < 0) continue;
        if (p->first < plan->buffers[buffer].first) plan->buffers[buffer].first = p->first;
        if (p->last > plan->buffers[buffer].last) plan->buffers[buffer].last = p->last;
    }
}

/* What a buffer holds, where and when.  A concatenation's buffer is there from its first part on,
 * but the range of a part is free before its maker runs, and in the backward pass after its last
 * reader: others may lie there. */
typedef struct held {
    size_t at, end; /* bytes of the buffer */
    int first, last;
} held;

/* Offsets of a buffer between which it would meet what is placed already. */
typedef struct taken {
    long long after, before;
} taken;

typedef struct layout {
    held *all;
    int *begin; /* of each buffer: its first; one more at the end */
    taken *taken;
    int *order;
} layout;

/* Bytes from a value's first to its last; pictures of a part are further apart than they are long.
 */
static size_t extent(const limn_place *p)
{
    size_t pictures = (size_t)p->shape.n;

    if (p->layout || pictures < 2) return p->bytes;
    return (pictures - 1) * p->batch_stride * limn_type_bytes(p->type) + p->bytes / pictures;
}

static int held_by(const layout *l, int buffer)
{
    return l->begin[buffer + 1] - l->begin[buffer];
}

/* What every buffer holds: its values, or with guards and for scratch memory all of it. */
static limn_status find_held(const limn_plan *plan, layout *l, limn_arena *arena, limn_error *error)
{
    size_t buffers = (size_t)plan->buffer_count, room = buffers + (size_t)plan->place_count;
    bool guards = plan->settings.guards;
    int *count, *of, most = 0;

    LIMN_TRY(limn_take_into(&l->all, arena, (room + 1) * sizeof *l->all, error));
    LIMN_TRY(limn_take_into(&l->begin, arena, (buffers + 1) * sizeof *l->begin, error));
    LIMN_TRY(limn_take_into(&l->order, arena, (buffers + 1) * sizeof *l->order, error));
    LIMN_TRY(limn_take_into(&count, arena, (buffers + 1) * sizeof *count, error));
    LIMN_TRY(limn_take_into(&of, arena, room * sizeof *of, error));
    for (int v = 0; v < plan->place_count; v++) {
        of[v] = plan->places[v].used && !guards ? plan->places[root_of(plan, v, NULL)].buffer : -1;
        if (of[v] >= 0) count[of[v]]++;
    }
    for (int b = 0; b < plan->buffer_count; b++) {
        const limn_buffer *buffer = &plan->buffers[b];

        l->begin[b + 1] = l->begin[b] + (count[b] ? count[b] : 1);
        if (!count[b])
            l->all[l->begin[b]] = (held){ 0, buffer->bytes + (guards ? LIMN_GUARD_BYTES : 0),
                                          buffer->first, buffer->last };
        count[b] = l->begin[b];
        if (held_by(l, b) > most) most = held_by(l, b);
    }
    for (int v = 0; v < plan->place_count; v++) {
        const limn_place *p = &plan->places[v];
        size_t at;
        limn_value root = root_of(plan, v, &at);

        if (of[v] < 0) continue;
        at += plan->places[root].shift;
        l->all[count[of[v]]++] = (held){ at, at + extent(p), p->first, p->last };
    }
    return limn_take_into(&l->taken, arena,
                          ((size_t)most * (size_t)l->begin[buffers] + 1) * sizeof *l->taken, error);
}

static int by_after(const void *a, const void *b)
{
    const taken *x = a, *y = b;

    return (x->after > y->after) - (x->after < y->after);
}

/* The least offset of buffer l->order[i] where it meets none of those before it in the order. */
static size_t free_offset(const limn_plan *plan, const layout *l, int i)
{
    const limn_buffer *mine = &plan->buffers[l->order[i]];
    bool guards = plan->settings.guards;
    long long at = guards ? LIMN_GUARD_BYTES : 0;
    size_t count = 0;

    for (int k = 0; k < i; k++) {
        const limn_buffer *its = &plan->buffers[l->order[k]];
        const held *x = l->all + l->begin[l->order[i]], *x_end = x + held_by(l, l->order[i]);
        const held *y_begin = l->all + l->begin[l->order[k]];
        const held *y_end = y_begin + held_by(l, l->order[k]);

        if (!guards && (mine->first > its->last || its->first > mine->last)) continue;
        for (; x < x_end; x++)
            for (const held *y = y_begin; y < y_end; y++)
                if (guards || (x->first <= y->last && y->first <= x->last))
                    l->taken[count++] = (taken){
                        (long long)(its->offset + y->at) - (long long)x->end,
                        (long long)(its->offset + y->end) - (long long)x->at
                    };
    }
    qsort(l->taken, count, sizeof *l->taken, by_after);
    for (size_t k = 0; k < count && l->taken[k].after < at; k++)
        if (l->taken[k].before > at) at = (l->taken[k].before + 63) & ~63LL;
    return (size_t)at;
}

/* How early a buffer is placed: by its bytes, or by its bytes times its steps. */
static double weight_of(const limn_buffer *b, bool by_life)
{
    return (double)b->bytes * (by_life ? b->last - b->first + 1 : 1);
}

/* Places all in one of two orders; returns the bytes. */
static size_t place_all(limn_plan *plan, const layout *l, bool by_life)
{
    size_t guard = plan->settings.guards ? LIMN_GUARD_BYTES : 0, total = 0;

    for (int i = 0; i < plan->buffer_count; i++) { /* insertion sort: stable, and a few hundred */
        double weight = weight_of(&plan->buffers[i], by_life);
        int k = i;

        for (; k > 0 && weight_of(&plan->buffers[l->order[k - 1]], by_life) < weight; k--)
            l->order[k] = l->order[k - 1];
        l->order[k] = i;
    }
    for (int i = 0; i < plan->buffer_count; i++) {
        limn_buffer *b = &plan->buffers[l->order[i]];
        size_t end;

        b->offset = free_offset(plan, l, i);
        end = (b->offset + b->bytes + guard + 63) & ~(size_t)63;
        if (end > total) total = end;
    }
    return total;
}

static limn_status lay_out(limn_plan *plan, limn_error *error)
{
    layout l;
    limn_arena arena;
    limn_status status;
    size_t by_bytes;

    limn_arena_open(&arena, "layout", 0);
    status = find_held(plan, &l, &arena, error);
    if (!status) {
        by_bytes = place_all(plan, &l, false);
        plan->memory_bytes = place_all(plan, &l, true);

        if (by_bytes <= plan->memory_bytes) plan->memory_bytes = place_all(plan, &l, false);
    }
    limn_arena_close(&arena);
    return status;
}

/* Copies go in front of the steps that continue a gradient which is needed unchanged as well. */
static limn_status add_copies(limn_plan *plan, limn_error *error)
{
    limn_step *steps;
    int room = plan->step_count, count = 0;

    for (int s = 0; s < plan->step_count; s++)
        for (int i = 0; i < LIMN_INPUTS_MAX && plan->steps[s].kind == LIMN_STEP_CALL; i++)
            room += plan->steps[s].into[i] >= 0;
    if (room == plan->step_count) return LIMN_OK;
    LIMN_TRY(limn_take_into(&steps, &plan->arena, (size_t)room * sizeof *steps, error));
    for (int s = 0; s < plan->step_count; s++) {
        limn_step *step = &plan->steps[s];

        for (int i = 0; i < LIMN_INPUTS_MAX && step->kind == LIMN_STEP_CALL; i++) {
            limn_value into = step->into[i];
            bool later = into >= 0 && plan->places[into].last > s;

            if (into < 0 || !(later || plan->settings.guards || read_twice(step, into) ||
                              plan->places[step->dx[i]].whole >= 0 ||
                              !same_form(&plan->places[step->dx[i]], &plan->places[into])))
                continue;
            steps[count++] = (limn_step){ .kind = LIMN_STEP_COPY,
                                          .node = -1,
                                          .name = step->name,
                                          .from = into,
                                          .to = step->dx[i],
                                          .scratch = -1,
                                          .residual = -1 };
            step->into[i] = -1; /* the call still adds: accumulate is set */
        }
        steps[count++] = *step;
    }
    plan->steps = steps;
    plan->step_count = count;
    return LIMN_OK;
}

limn_status limn_plan_make_memory(limn_plan *plan, limn_error *error)
{
    const limn_graph *g = plan->graph;

    find_lives(plan);
    LIMN_TRY(add_copies(plan, error));
    find_lives(plan);
    plan->buffer_room = plan->place_count + plan->step_count;
    LIMN_TRY(limn_take_into(&plan->buffers, &plan->arena,
                            (size_t)(plan->buffer_room + 1) * sizeof *plan->buffers, error));
    for (int v = 0; v < g->value_count; v++)
        if (g->values[v].input && plan->places[v].used) LIMN_TRY(own_buffer(plan, v, error));
    for (int s = 0; s < plan->step_count; s++) {
        limn_step *step = &plan->steps[s];
        size_t scratch = step->kind == LIMN_STEP_PACK ? limn_dnn_scratch_bytes(step->pack)
                         : step->call                 ? step->call->scratch_bytes
                                                      : 0;

        for (int i = 0; i < LIMN_INPUTS_MAX && step->kind == LIMN_STEP_CALL; i++)
            if (step->into[i] >= 0 && continue_gradient(plan, step, i, s))
                return limn_fail(error, LIMN_BUG,
                                 "%s: a gradient is continued that is still needed", step->name);
        LIMN_TRY(place_outputs(plan, s, error));
        if (scratch) LIMN_TRY(new_buffer(plan, scratch, s, s, &step->scratch, error));
    }
    find_buffer_lives(plan);
    return lay_out(plan, error);
}
