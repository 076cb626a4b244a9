/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks every operation's fast path against its plain loops, with no knowledge of any of them.
 *
 * For each case, in every layout (and two layouts in one call), float32 and bfloat16, with and
 * without room between pictures: forward; forward with each activation and with a residual where
 * the flags promise it; in place where allowed; backward storing and adding, each gradient alone;
 * backward with an activation's slope; the gradient of weights in a layout of the caller's choice.
 * Nothing may be written outside outputs and scratch memory.  Inputs of bfloat16 runs are rounded
 * first, so only the arithmetic differs. */
#include "base/cpu.h"
#include "op_calls.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LAYOUT_MIXED = -1, LAYOUT_LAST = 0 }; /* LAST: channels last; else the block wished for */

typedef struct variant {
    int layout;
    limn_type type;
    bool gap;
    limn_activation activation;
    bool residual, in_place;
    unsigned wanted, accumulate;
    bool plain_gradient; /* the weights' gradient in PyTorch's order */
} variant;

typedef struct trial {
    op_case c;
    variant v;
    limn_arena *arena;
    guarded x[LIMN_INPUTS_MAX], y[LIMN_OUTPUTS_MAX], residual;
} trial;

static const float SLOPE = 0.2f;

static void print_variant(const variant *v, bool backward)
{
    static const char *const activations[] = {
        "", " leaky", " relu", " relu6", " tanh", " sigmoid"
    };

    printf("    %s, layout ", backward ? "backward" : "forward");
    printf(v->layout == LAYOUT_MIXED  ? "mixed"
           : v->layout == LAYOUT_LAST ? "last"
                                      : "%d",
           v->layout);
    printf(", %s%s%s%s%s", limn_type_name(v->type), v->gap ? ", gaps" : "",
           activations[v->activation], v->residual ? " residual" : "",
           v->in_place ? " in place" : "");
    if (backward) printf(", wanted %x, adding to %x", v->wanted, v->accumulate);
    printf("%s: ", v->plain_gradient ? ", plain gradient" : "");
}

static int block_of(int layout, int channels, int first_channels)
{
    if (layout == LAYOUT_MIXED) return channels == first_channels ? channels : 1;
    if (layout == LAYOUT_LAST) return channels;
    while (channels % layout) layout /= 2;
    return layout < 8 ? 1 : layout;
}

static guarded features(const trial *t, limn_shape shape)
{
    int block = block_of(t->v.layout, shape.c, t->c.x[0].memory ? t->c.x[0].t.shape.c : 0);
    size_t gap = t->v.gap ? (size_t)shape.h * (size_t)shape.w * (size_t)block : 0;

    return guarded_tensor(t->arena, shape, t->v.type, block, gap);
}

/* A tensor as the fast path gets it, with the plain one's values. */
static guarded laid_out(const trial *t, const guarded *plain, bool is_features)
{
    guarded g = is_features ? features(t, plain->t.shape)
                            : guarded_tensor(t->arena, plain->t.shape, LIMN_F32, 1, 0);

    guarded_copy(&g, plain);
    return g;
}

static bool is_narrow_output(const limn_op *op, int j)
{
    return !(op->float32_outputs >> j & 1) && !op->overwrites[j] && op->kinds[0] != LIMN_FLAT;
}

static void prepare_tensors(trial *t)
{
    const limn_op *op = t->c.op;

    for (int i = 0; i < t->c.inputs; i++)
        if (t->c.x[i].memory && op->kinds[i] != LIMN_WEIGHT)
            t->x[i] = laid_out(t, &t->c.x[i], op->kinds[i] == LIMN_FEATURES);
    for (int j = 0; j < op->outputs; j++) {
        if (!t->c.y_shape[j].n) continue;
        if (op->overwrites[j])
            t->y[j] = t->x[op->overwrites[j] - 1];
        else if (is_narrow_output(op, j))
            t->y[j] = features(t, t->c.y_shape[j]);
        else
            t->y[j] = guarded_tensor(t->arena, t->c.y_shape[j], LIMN_F32, 1, 0);
    }
}

/* ---- Comparing ------------------------------------------------------------------------------- */

static int differs(const trial *t, const float *got, const float *expected, size_t count,
                   const char *what, int index, bool backward)
{
    double tolerance = t->v.type == LIMN_BF16 ? 2e-2 : 2e-4, size = 1e-3;

    for (size_t i = 0; i < count; i++) size = fmax(size, fabs((double)expected[i]));
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)got[i] - (double)expected[i]) < tolerance * size)) {
            print_variant(&t->v, backward);
            printf("%s %d: element %zu is %g, plain loops say %g\n", what, index, i, (double)got[i],
                   (double)expected[i]);
            return 1;
        }
    return 0;
}

static int compare(const trial *t, const guarded *got, const guarded *expected, const char *what,
                   int index, bool backward)
{
    guarded plain = guarded_tensor(t->arena, got->t.shape, LIMN_F32, 1, 0);

    guarded_copy(&plain, got);
    if (!guarded_intact(got)) {
        print_variant(&t->v, backward);
        printf("wrote outside %s %d\n", what, index);
        return 1;
    }
    return differs(t, plain.t.data, expected->t.data, limn_count(got->t.shape), what, index,
                   backward);
}

static int failed(const trial *t, bool backward, const limn_error *error)
{
    print_variant(&t->v, backward);
    printf("%s\n", error->text);
    return 1;
}

/* ---- Weights --------------------------------------------------------------------------------- */

static int weight_of(const op_case *c)
{
    for (int i = 0; i < c->inputs; i++)
        if (c->op->kinds[i] == LIMN_WEIGHT) return i;
    return -1;
}

/* Between PyTorch's order and a layout, whichever way. */
static bool pack(const trial *t, const limn_dnn_layout *layout, void *from, void *to, bool unpack,
                 limn_error *error)
{
    limn_dnn_primitive *primitive;
    limn_dnn_layout *plain;
    limn_status status;

    if (limn_dnn_layout_plain_like(&plain, layout, t->arena, error)) return false;
    if (limn_dnn_pack_create(&primitive, unpack ? layout : plain, unpack ? plain : layout, t->arena,
                             error))
        return false;
    status = limn_dnn_bind(primitive, from, NULL, NULL, to,
                           limn_take(t->arena, limn_dnn_scratch_bytes(primitive) + 1), error);
    if (!status) status = limn_dnn_run(primitive, error);
    limn_dnn_free(&primitive);
    return !status;
}

/* After prepare: the weights where the call reads them. */
static bool give_weights(const trial *t, limn_call *call, guarded *memory, limn_error *error)
{
    int w = weight_of(&t->c);
    const limn_dnn_layout *layout = call->weight_layout;

    if (w < 0) return true;
    call->x[w].data = t->c.x[w].t.data;
    if (!layout) return true;
    *memory = guarded_bytes(t->arena, limn_dnn_layout_bytes(layout));
    call->x[w].data = memory->t.data;
    return pack(t, layout, t->c.x[w].t.data, memory->t.data, false, error);
}

/* ---- Forward --------------------------------------------------------------------------------- */

/* y[0] of the plain loops with the tail that the fast path applies itself. */
static guarded with_tail(const trial *t)
{
    guarded y = guarded_tensor(t->arena, t->c.y_shape[0], LIMN_F32, 1, 0);
    guarded residual = y;
    float *v = y.t.data;

    if (t->v.residual) {
        residual = guarded_tensor(t->arena, t->c.y_shape[0], LIMN_F32, 1, 0);
        guarded_copy(&residual, &t->residual);
    }
    guarded_copy(&y, &t->c.y[0]);
    for (size_t i = 0, n = limn_count(y.t.shape); i < n; i++) {
        if (t->v.residual) v[i] += ((const float *)residual.t.data)[i];
        if (t->v.activation) v[i] = limn_activation_value(t->v.activation, SLOPE, v[i]);
    }
    return y;
}

static int check_forward(trial *t)
{
    const op_case *c = &t->c;
    limn_call call = op_case_forward(c);
    guarded weights = { 0 }, expected;
    limn_error error = { 0 };
    int bad = 0;

    prepare_tensors(t);
    if (t->v.in_place) t->y[0] = t->x[0];
    for (int i = 0; i < c->inputs; i++)
        if (t->x[i].memory) call.x[i] = t->x[i].t;
    for (int j = 0; j < c->op->outputs; j++) call.y[j] = t->y[j].t;
    call.activation = t->v.activation;
    call.slope = SLOPE;
    if (t->v.residual) {
        t->residual = features(t, c->y_shape[0]);
        guarded_copy(&t->residual, &c->dy);
        call.residual = t->residual.t;
    }
    if (c->op->prepare(&call, t->arena, &error) || !give_weights(t, &call, &weights, &error) ||
        !op_call_run(&call, t->arena, &error))
        return failed(t, false, &error);
    expected = with_tail(t);
    for (int j = 0; j < c->op->outputs; j++)
        if (t->y[j].memory)
            bad += compare(t, &t->y[j], j ? &c->y[j] : &expected, "output", j, false);
    return bad;
}

/* ---- Backward -------------------------------------------------------------------------------- */

/* The plain loops' gradients, from the same (rounded) dy and y. */
static void plain_gradients(trial *t, const guarded *y, const guarded *dy)
{
    op_case c = t->c;
    limn_call call;

    for (int i = 0; i < c.inputs; i++)
        if (c.gradients >> i & 1) guarded_fill(&c.dx[i], 1);
    for (int j = 0; j < c.op->outputs; j++) c.y[j] = y[j];
    c.dy = *dy;
    call = op_case_backward(&c, t->v.wanted, t->v.accumulate);
    c.op->backward(&call);
}

static bool open_weight_gradient(const trial *t, limn_call *call, guarded *memory,
                                 limn_error *error)
{
    int w = weight_of(&t->c);
    const limn_dnn_layout *layout = call->weight_gradient_layout;
    guarded ones;

    *memory = guarded_bytes(t->arena, limn_dnn_layout_bytes(layout));
    call->dx[w].data = memory->t.data;
    ones = guarded_tensor(t->arena, t->c.x[w].t.shape, LIMN_F32, 1, 0);
    guarded_fill(&ones, 1);
    return pack(t, layout, ones.t.data, memory->t.data, false, error);
}

static int compare_weight_gradient(const trial *t, const limn_call *call, guarded *memory)
{
    int w = weight_of(&t->c);
    guarded plain = guarded_tensor(t->arena, t->c.x[w].t.shape, LIMN_F32, 1, 0);
    limn_error error = { 0 };

    if (!pack(t, call->weight_gradient_layout, memory->t.data, plain.t.data, true, &error))
        return failed(t, true, &error);
    if (!guarded_intact(memory)) {
        print_variant(&t->v, true);
        printf("wrote outside the gradient of the weights\n");
        return 1;
    }
    return differs(t, plain.t.data, t->c.dx[w].t.data, limn_count(plain.t.shape), "gradient", w,
                   true);
}

static int check_backward(trial *t)
{
    const op_case *c = &t->c;
    const limn_op *op = c->op;
    int w = weight_of(c), bad = 0;
    bool narrow_dy = is_narrow_output(op, 0);
    limn_call call = op_case_backward(c, t->v.wanted, t->v.accumulate);
    guarded y[LIMN_OUTPUTS_MAX] = { 0 }, fast_y[LIMN_OUTPUTS_MAX] = { 0 },
            dx[LIMN_INPUTS_MAX] = { 0 };
    guarded dy = guarded_tensor(t->arena, c->y_shape[0], LIMN_F32, 1, 0), fast_dy;
    guarded weights = { 0 }, weight_gradient = { 0 }, activated;
    limn_dnn_layout *plain = NULL;
    limn_error error = { 0 };

    prepare_tensors(t);
    fast_dy = laid_out(t, &c->dy, narrow_dy);
    guarded_copy(&dy, &fast_dy);
    for (int j = 0; j < op->outputs; j++) {
        if (!c->y[j].memory) continue;
        fast_y[j] = laid_out(t, &c->y[j], is_narrow_output(op, j));
        y[j] = guarded_tensor(t->arena, c->y_shape[j], LIMN_F32, 1, 0);
        guarded_copy(&y[j], &fast_y[j]);
        if (op->backward_reads_y >> j & 1) call.y[j] = fast_y[j].t;
    }
    if (t->v.activation) { /* dy is that of the activated y, which the call gets as y[0] */
        t->v.residual = false;
        activated = with_tail(t);
        fast_y[0] = laid_out(t, &activated, narrow_dy);
        guarded_copy(&activated, &fast_y[0]);
        call.y[0] = fast_y[0].t;
        call.activation = t->v.activation;
        call.slope = SLOPE;
        for (size_t i = 0, n = limn_count(dy.t.shape); i < n; i++)
            ((float *)dy.t.data)[i] *= limn_activation_slope(t->v.activation, SLOPE,
                                                             ((float *)activated.t.data)[i]);
    }
    plain_gradients(t, y, &dy);
    call.dy[0] = fast_dy.t;
    for (int i = 0; i < c->inputs; i++) {
        if (i != w && op->backward_reads_x >> i & 1 && t->x[i].memory) call.x[i] = t->x[i].t;
        if (i == w || !(t->v.wanted >> i & 1)) continue;
        dx[i] = laid_out(t, &c->x[i], op->kinds[i] == LIMN_FEATURES);
        guarded_fill(&dx[i], t->v.accumulate >> i & 1 ? 1 : -7.25e17f);
        if (t->v.in_place && i == 0) dx[0] = fast_dy;
        call.dx[i] = dx[i].t;
    }
    if (op->prepare(&call, t->arena, &error)) return failed(t, true, &error);
    if (t->v.plain_gradient) { /* once more, in a layout that it has to take */
        if (call.release) call.release(&call);
        if (limn_dnn_layout_plain_like(&plain, call.weight_gradient_layout, t->arena, &error))
            return failed(t, true, &error);
        call.weight_gradient_layout = plain;
        if (op->prepare(&call, t->arena, &error)) return failed(t, true, &error);
        if (!limn_dnn_layout_equal(call.weight_gradient_layout, plain))
            return failed(t, true, &(limn_error){ .text = "another gradient layout than asked" });
    }
    if (!give_weights(t, &call, &weights, &error)) return failed(t, true, &error);
    if (w >= 0 && t->v.wanted >> w & 1 && !open_weight_gradient(t, &call, &weight_gradient, &error))
        return failed(t, true, &error);
    if (!op_call_run(&call, t->arena, &error)) return failed(t, true, &error);
    for (int i = 0; i < c->inputs; i++)
        if (dx[i].memory) bad += compare(t, &dx[i], &c->dx[i], "gradient", i, true);
    if (weight_gradient.memory) bad += compare_weight_gradient(t, &call, &weight_gradient);
    return bad;
}

/* ---- All variants of a case ------------------------------------------------------------------ */

static int ran;

static int try_one(const limn_op *op, const limn_op_case *from, const variant *v, bool backward)
{
    limn_arena arena;
    limn_error error = { 0 };
    trial t = { .v = *v, .arena = &arena };
    limn_call call;
    int bad;

    ran++;
    limn_arena_open(&arena, "check", 1 << 20);
    draw_from((uint64_t)(from - op->cases) + 1);
    if (!op_case_open(&t.c, op, from, &arena, v->type == LIMN_BF16, &error)) {
        printf("    shape: %s\n", error.text);
        bad = 1;
        goto done;
    }
    if (backward) {
        call = op_case_forward(&t.c);
        op->forward(&call);
        if (!t.v.wanted) t.v.wanted = t.c.gradients;
        t.v.wanted &= t.c.gradients;
        t.v.accumulate &= t.c.gradients;
        bad = t.v.wanted ? check_backward(&t) : 0;
    } else {
        op_case copy;

        /* The plain loops may change inputs in place: let them, after the fast path has its copy.
         */
        draw_from((uint64_t)(from - op->cases) + 1);
        op_case_open(&copy, op, from, &arena, v->type == LIMN_BF16, &error);
        call = op_case_forward(&copy);
        op->forward(&call);
        for (int j = 0; j < op->outputs; j++) t.c.y[j] = copy.y[j];
        bad = check_forward(&t);
    }
done:
    limn_arena_close(&arena);
    return bad;
}

/* In turn: all of them at every variant would take a minute. */
static limn_activation next_activation(void)
{
    static int turn;

    return (limn_activation)(LIMN_ACTIVATION_LEAKY + turn++ % LIMN_ACTIVATION_SIGMOID);
}

static int forwards(const limn_op *op, const limn_op_case *from, variant v)
{
    int bad = try_one(op, from, &v, false);

    if (op->flags & LIMN_OP_TAIL) {
        v.activation = next_activation();
        bad += try_one(op, from, &v, false);
        v.activation = LIMN_ACTIVATION_NONE;
    }
    if (op->flags & LIMN_OP_RESIDUAL) {
        v.residual = true;
        bad += try_one(op, from, &v, false);
        v.activation = LIMN_ACTIVATION_RELU;
        bad += try_one(op, from, &v, false);
        v.activation = LIMN_ACTIVATION_NONE;
        v.residual = false;
    }
    v.in_place = true;
    if (op->flags & LIMN_OP_INPLACE) bad += try_one(op, from, &v, false);
    return bad;
}

static int backwards(const limn_op *op, const limn_op_case *from, variant v)
{
    bool weights = false;
    int bad = try_one(op, from, &v, true);

    for (int i = 0; i < LIMN_INPUTS_MAX; i++) {
        if (!from->x[i].n) continue;
        weights |= op->kinds[i] == LIMN_WEIGHT;
        if (!(op->gradients >> i & 1)) continue;
        v.accumulate = 1u << i;
        bad += try_one(op, from, &v, true);
        v.wanted = 1u << i;
        bad += try_one(op, from, &v, true);
        v.accumulate = v.wanted = 0;
    }
    if (weights) {
        v.plain_gradient = true;
        v.wanted = op->gradients;
        bad += try_one(op, from, &v, true);
        v.accumulate = op->gradients;
        bad += try_one(op, from, &v, true);
        v.plain_gradient = false;
        v.wanted = v.accumulate = 0;
    }
    if (op->flags & LIMN_OP_TAIL_BACKWARD) {
        v.activation = next_activation();
        bad += try_one(op, from, &v, true);
        v.activation = LIMN_ACTIVATION_NONE;
    }
    v.in_place = true;
    if (op->flags & LIMN_OP_INPLACE_BACKWARD) bad += try_one(op, from, &v, true);
    return bad;
}

/* Does an earlier layout of the list give every map of the case the same block? */
static bool is_repeated(const limn_op *op, const limn_op_case *from, const int *layouts, size_t k)
{
    limn_shape y[LIMN_OUTPUTS_MAX] = { 0 };
    int first = from->x[0].c, inputs = 0;

    while (inputs < LIMN_INPUTS_MAX && from->x[inputs].n) inputs++;
    if (op->shape(y, from->x, inputs, &from->args, NULL)) return false;
    for (size_t e = 0; e < k; e++) {
        bool same = block_of(layouts[e], y[0].c, first) == block_of(layouts[k], y[0].c, first);

        for (int i = 0; i < inputs; i++)
            same &= block_of(layouts[e], from->x[i].c, first) ==
                    block_of(layouts[k], from->x[i].c, first);
        if (same) return true;
    }
    return false;
}

/* Plans use bfloat16 only where the processor has it; oneDNN has no convolutions of it elsewhere.
 */
static bool narrow_is_slow(const limn_op *op)
{
    bool weights = false;

    for (int i = 0; i < op->inputs_max; i++) weights |= op->kinds[i] == LIMN_WEIGHT;
    return weights && !limn_cpu_has_bf16();
}

int main(int count, char **words)
{
    static const int layouts[] = { 1, 8, 16, LAYOUT_LAST, LAYOUT_MIXED };
    int bad = 0, all = 0;

    for (const limn_op *const *op = limn_ops; *op; op++) {
        int before = bad, first = ran;

        if (!(*op)->prepare || (count > 1 && strcmp(words[1], (*op)->name))) continue;
        for (int i = 0; !op_case_at_end(*op, i); i++)
            for (size_t k = 0; k < 2 * sizeof layouts / sizeof *layouts; k++) {
                const limn_op_case *c = &(*op)->cases[i];
                variant v = { .layout = layouts[k / 2],
                              .type = k % 2 ? LIMN_BF16 : LIMN_F32,
                              .gap = (k / 2 + (size_t)i) % 2 };

                if (is_repeated(*op, c, layouts, k / 2)) continue;
                if (v.type == LIMN_BF16 && narrow_is_slow(*op)) continue;
                bad += forwards(*op, c, v);
                if ((*op)->gradients) bad += backwards(*op, c, v);
            }
        printf("%-4s %s: %d runs\n", bad > before ? "BAD" : "ok", (*op)->name, ran - first);
        all += ran - first;
    }
    printf("%d runs, %d bad\n", all, bad);
    return bad || !all; /* a test that ran nothing has not passed */
}
