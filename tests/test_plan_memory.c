/* SPDX-License-Identifier: Apache-2.0
 *
 * What lies where in a plan's memory, checked by an accountant that knows nothing of lives and
 * offsets: every byte carries the value that was written there last, step after step, and what a
 * step reads must still carry it.  Values of one concatenation, and a view and what it shows, are
 * the same bytes by intention; a step may write over what it reads where its operation says that it
 * works in place; and nothing lies in a step's scratch memory.  Nothing is computed: that the
 * numbers are right too is shown by test_engine_plans.c. */
#include "base/memory.h"
#include "engine.h"
#include "model/layers.h"
#include "net/plan_inside.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NOBODY = -1, SCRATCH = -2 };

typedef struct books {
    const limn_plan *plan;
    int *owner; /* of each byte: the value, NOBODY or SCRATCH */
    const char *step;
} books;

static void fine(limn_status status, const limn_error *error)
{
    if (status) fail_msg("%s", error->text);
}

static limn_value whole_of(const limn_plan *plan, limn_value v)
{
    while (plan->places[v].whole >= 0) v = plan->places[v].whole;
    return v;
}

/* Its bytes in the plan's memory, picture by picture; false when it is not there. */
static bool bytes_of(const limn_plan *plan, limn_value v, int picture, size_t *begin, size_t *end)
{
    const limn_place *p = &plan->places[v];
    limn_tensor t = limn_plan_tensor(plan, v);
    int pictures = p->layout ? 1 : p->shape.n;

    if (plan->places[whole_of(plan, v)].parameter >= 0 || !t.data || picture >= pictures)
        return false;
    *begin = (size_t)((char *)t.data - plan->memory);
    if (pictures > 1) *begin += (size_t)picture * t.batch_stride * limn_type_bytes(t.type);
    *end = *begin + p->bytes / (size_t)pictures;
    if (*end > plan->memory_bytes) fail_msg("value %d ends outside the plan's memory", v);
    return true;
}

static void write_down(books *b, limn_value v)
{
    size_t begin, end;

    for (int n = 0; bytes_of(b->plan, v, n, &begin, &end); n++)
        for (size_t i = begin; i < end; i++) b->owner[i] = v;
}

/* Who else is in these bytes; v when it is there itself, in a part or in the whole that it is of.
 */
static int stranger(const books *b, limn_value v)
{
    size_t begin, end;

    for (int n = 0; bytes_of(b->plan, v, n, &begin, &end); n++)
        for (size_t i = begin; i < end; i++) {
            int owner = b->owner[i];

            if (owner < 0 || whole_of(b->plan, owner) != whole_of(b->plan, v)) return owner;
            i |= 15; /* buffers begin at multiples of 64 bytes: looking at one in sixteen will do */
        }
    return v;
}

static void demand(const books *b, limn_value v, const char *what)
{
    int owner = stranger(b, v);

    if (owner != v)
        fail_msg("%s: value %d is %s, and its memory belongs to %d", b->step, v, what, owner);
}

/* Whether this step may put w where it reads r from. */
static bool in_place(const limn_step *s, limn_value w, limn_value r)
{
    const limn_op *op = s->kind == LIMN_STEP_CALL ? s->call->op : NULL;

    if (!op) return false;
    for (int i = 0; s->call->backward && i < LIMN_INPUTS_MAX; i++)
        if (s->dx[i] == w && s->into[i] == r) return true;
    if (s->call->backward)
        return op->flags & LIMN_OP_INPLACE_BACKWARD && s->dx[0] == w && s->dy == r;
    for (int j = 0; j < LIMN_OUTPUTS_MAX; j++)
        if (s->y[j] == w && op->overwrites[j] && s->x[op->overwrites[j] - 1] == r) return true;
    return s->y[0] == w && (s->residual == r || (op->flags & LIMN_OP_INPLACE && s->x[0] == r));
}

static void account(books *b, const limn_step *s)
{
    limn_value reads[LIMN_STEP_VALUES], writes[LIMN_STEP_VALUES];
    int read = limn_step_reads(s, reads), written = limn_step_writes(s, writes);

    b->step = s->name ? s->name : "";
    for (int k = 0; k < read; k++) demand(b, reads[k], "read");
    if (s->scratch >= 0) {
        const limn_buffer *buffer = &b->plan->buffers[s->scratch];

        assert_true(buffer->offset + buffer->bytes <= b->plan->memory_bytes);
        for (size_t i = 0; i < buffer->bytes; i++) b->owner[buffer->offset + i] = SCRATCH;
        for (int k = 0; k < read; k++) demand(b, reads[k], "read beside scratch memory");
    }
    for (int k = 0; k < written; k++) write_down(b, writes[k]);
    for (int k = 0; k < written; k++) demand(b, writes[k], "written with others");
    for (int k = 0; k < read; k++) {
        int over = stranger(b, reads[k]);

        if (over != reads[k] && !in_place(s, over, reads[k]))
            fail_msg("%s: writes value %d over value %d, which it reads", b->step, over, reads[k]);
    }
    if (s->scratch >= 0)
        for (size_t i = 0; i < b->plan->buffers[s->scratch].bytes; i++)
            if (b->owner[b->plan->buffers[s->scratch].offset + i] != SCRATCH)
                fail_msg("%s: writes a value into its scratch memory", b->step);
}

static void account_all(const limn_plan *plan)
{
    const limn_graph *g = plan->graph;
    books b = { .plan = plan, .owner = limn_block(plan->memory_bytes * sizeof *b.owner) };

    assert_non_null(b.owner);
    for (size_t i = 0; i < plan->memory_bytes; i++) b.owner[i] = NOBODY;
    for (limn_value v = 0; v < g->value_count; v++)
        if (g->values[v].input) write_down(&b, v);
    b.step = "feeding";
    for (limn_value v = 0; v < g->value_count; v++)
        if (g->values[v].input) demand(&b, v, "fed");
    for (int s = 0; s < plan->step_count; s++) account(&b, &plan->steps[s]);
    b.step = "the end";
    for (int i = 0; i < g->report_count; i++)
        if (limn_report_is_here(g, i)) demand(&b, g->reports[i].value, "reported");
    limn_block_free(b.owner);
}

/* Pairs of buffers that hold something at the same time and yet have bytes in common. */
static int shared_ranges(const limn_plan *plan)
{
    int count = 0;

    for (int i = 0; i < plan->buffer_count; i++)
        for (int k = 0; k < i; k++) {
            const limn_buffer *a = &plan->buffers[i], *b = &plan->buffers[k];

            count += a->first <= b->last && b->first <= a->last &&
                     a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
        }
    return count;
}

static const limn_compute computes[] = { LIMN_COMPUTE_PLAIN, LIMN_COMPUTE_FP32, LIMN_COMPUTE_BF16 };
enum { COMPUTES = 3 };

static void training_steps(void **state)
{
    (void)state;
    for (int c = 0; c < COMPUTES; c++)
        for (int r = 0; limn_recipes[r] && engine_has(computes[c]); r++)
            for (int k = 0; k < 6; k++) {
                limn_recipe_settings s = engine_small(limn_recipes[r], k < 4 ? 16 : 5);
                limn_plan_settings plan = { .compute = computes[c], .no_fusion = k == 3 };
                limn_error error = { 0 };
                engine e;

                s.batch = 1 + k % 2;
                s.generator.norm = k / 2 % 2 ? LIMN_NORM_INSTANCE : LIMN_NORM_BATCH;
                fine(engine_open(&e, limn_recipes[r], &s, &plan, 0, &error), &error);
                account_all(e.plan);
                engine_close(&e);
            }
}

static void networks(void **state)
{
    static const char *const nets[] = { "unet_64", "resnet_2blocks", "basic" };

    (void)state;
    for (int c = 0; c < COMPUTES; c++)
        for (int k = 0; k < 6 && engine_has(computes[c]); k++) {
            limn_network net = { .net = nets[k % 3],
                                 .input_nc = 3,
                                 .output_nc = 3,
                                 .filters = 16,
                                 .norm = LIMN_NORM_INSTANCE };
            limn_plan_settings plan = { .compute = computes[c] };
            limn_shape shape = { 1 + k / 3, 3, 64, 128 };
            limn_error error = { 0 };
            engine e;

            fine(engine_open_network(&e, &net, shape, &plan, 0, &error), &error);
            account_all(e.plan);
            engine_close(&e);
        }
}

/* As a quantised model runs: all layers but the first and the last in int8.  The skip connections
 * are most of what is alive here, so the plan depends on using their ranges before and after. */
static void int8_unet(void **state)
{
    limn_network net = {
        .net = "unet_64", .input_nc = 3, .output_nc = 3, .filters = 32, .norm = LIMN_NORM_BATCH
    };
    limn_plan_settings settings = { .compute = LIMN_COMPUTE_FP32 };
    limn_error error = { 0 };
    limn_arena arena;
    limn_layer *layers;
    limn_graph *described;
    engine e = { .graph = NULL };
    int count;

    (void)state;
    if (!engine_has(LIMN_COMPUTE_FP32)) skip();
    limn_arena_open(&arena, "layers", 0);
    fine(limn_graph_open(&described, false, &error), &error);
    limn_report(described, "y",
                limn_apply(described, "G", &net,
                           limn_input(described, "x", (limn_shape){ 1, 3, 64, 64 }), NULL));
    fine(limn_layers_find(&layers, &count, described, &arena, &error), &error);
    for (int i = 1; i < count - 1; i++) {
        layers[i].int8 = layers[i].able;
        layers[i].step = 1.0f / 32;
        layers[i].zero = 64;
    }
    fine(limn_graph_rewrite(&e.graph, described, layers, count, false, &error), &error);
    fine(limn_weights_open(&e.weights, &error), &error);
    fine(limn_plan_open(&e.plan, e.graph, e.weights, &settings, &error), &error);
    account_all(e.plan);
    assert_true(shared_ranges(e.plan) > 0);
    engine_close(&e);
    limn_graph_close(&described);
    limn_arena_close(&arena);
}

/* With guards nothing shares memory with anything. */
static void guarded_plans_share_nothing(void **state)
{
    limn_recipe_settings s = engine_small(limn_recipe_find("pix2pix"), 16);
    limn_plan_settings settings = { .compute = LIMN_COMPUTE_PLAIN, .guards = true };
    limn_error error = { 0 };
    engine e;

    (void)state;
    fine(engine_open(&e, limn_recipe_find("pix2pix"), &s, &settings, 0, &error), &error);
    account_all(e.plan);
    for (int i = 0; i < e.plan->buffer_count; i++)
        for (int k = 0; k < i; k++) {
            const limn_buffer *a = &e.plan->buffers[i], *b = &e.plan->buffers[k];

            assert_true(a->offset + a->bytes + LIMN_GUARD_BYTES <= b->offset ||
                        b->offset + b->bytes + LIMN_GUARD_BYTES <= a->offset);
        }
    engine_close(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_steps),
        cmocka_unit_test(networks),
        cmocka_unit_test(int8_unet),
        cmocka_unit_test(guarded_plans_share_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
