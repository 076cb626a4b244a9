/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls of operations for the checkers.
 *
 * Inputs of operations with corners are drawn from two interleaved grids, half a step apart, so
 * that neither a value nor the difference or sum of two inputs comes near a corner at a whole
 * number. */
#include "op_calls.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { GUARD = 64, MARK = 0xc3 };
static const float UNWRITTEN = -7.25e17f;

static uint64_t state = 1;

void draw_from(uint64_t seed)
{
    state = seed * 0x9e3779b97f4a7c15u + 1;
}

float draw(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(state >> 11) / (double)(1ull << 52) - 1.0);
}

/* ---- Guarded tensors ------------------------------------------------------------------------- */

guarded guarded_bytes(limn_arena *arena, size_t bytes)
{
    guarded g = { .bytes = bytes };

    g.memory = limn_take(arena, bytes + 2 * GUARD);
    if (!g.memory) return g;
    memset(g.memory, MARK, bytes + 2 * GUARD);
    g.t.data = g.memory + GUARD;
    return g;
}

guarded guarded_tensor(limn_arena *arena, limn_shape shape, limn_type type, int block, size_t gap)
{
    size_t picture = (size_t)shape.c * (size_t)shape.h * (size_t)shape.w;
    size_t elements = ((size_t)shape.n - 1) * (picture + gap) + picture;
    guarded g = guarded_bytes(arena, elements * limn_type_bytes(type));

    g.t = (limn_tensor){ shape, type, block, picture + gap, g.t.data };
    guarded_fill(&g, UNWRITTEN);
    return g;
}

static bool marked(const unsigned char *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (at[i] != MARK) return false;
    return true;
}

bool guarded_intact(const guarded *g)
{
    const limn_tensor *t = &g->t;
    size_t picture = (size_t)t->shape.c * (size_t)t->shape.h * (size_t)t->shape.w;
    size_t bytes = limn_type_bytes(t->type);

    if (!g->memory) return true;
    if (!marked(g->memory, GUARD) || !marked(g->memory + GUARD + g->bytes, GUARD)) return false;
    for (int n = 0; n + 1 < t->shape.n; n++)
        if (!marked(g->memory + GUARD + ((size_t)n * t->batch_stride + picture) * bytes,
                    (t->batch_stride - picture) * bytes))
            return false;
    return true;
}

void guarded_fill(guarded *g, float value)
{
    limn_tensor *t = &g->t;
    size_t picture = (size_t)t->shape.c * (size_t)t->shape.h * (size_t)t->shape.w;

    for (int n = 0; n < t->shape.n; n++)
        for (size_t i = (size_t)n * t->batch_stride, end = i + picture; i < end; i++)
            if (t->type == LIMN_F32)
                ((float *)t->data)[i] = value;
            else
                ((uint16_t *)t->data)[i] = limn_to_bf16(value);
}

void guarded_copy(guarded *to, const guarded *from)
{
    limn_tensor_copy(&to->t, &from->t);
}

double guarded_dot(const guarded *a, const guarded *b)
{
    const float *p = a->t.data, *q = b->t.data;
    double sum = 0;

    for (size_t i = 0, n = limn_count(a->t.shape); i < n; i++) sum += (double)p[i] * (double)q[i];
    return sum;
}

/* ---- Inputs ---------------------------------------------------------------------------------- */

static float value_of(const limn_op *op, limn_input_kind kind, int input, const op_case *c,
                      size_t i)
{
    float u = draw();

    switch (kind) {
    case LIMN_FEATURES:
        if (op->flags & LIMN_OP_KINK)
            return copysignf((input % 2 ? 0.5f : 0.25f) + 0.5f * floorf(15 * fabsf(u)), u);
        return u;
    case LIMN_VARIANCE:
        return 1 + 0.5f * u;
    case LIMN_FLAT:
        return 0.55f + 0.45f * u;
    case LIMN_SCALAR:
        return 3;
    case LIMN_INDICES: {
        int places = c->x[0].t.shape.h * c->x[0].t.shape.w;

        return i % 8 == 7 ? -1 : floorf((u + 1) / 2 * (float)places);
    }
    case LIMN_WEIGHT:
        if (op->flags & LIMN_OP_INT8) return floorf(127.999f * u);
        break;
    case LIMN_VECTOR:
        break;
    }
    return u;
}

static limn_type narrow_type(limn_input_kind kind)
{
    return kind == LIMN_FEATURES || kind == LIMN_WEIGHT ? LIMN_BF16 : LIMN_F32;
}

bool op_case_at_end(const limn_op *op, int index)
{
    return op->inputs_min == 0 ? index > 0 : op->cases[index].x[0].n == 0;
}

bool op_case_open(op_case *c, const limn_op *op, const limn_op_case *from, limn_arena *arena,
                  bool bf16, limn_error *error)
{
    *c = (op_case){ .op = op,
                    .args = &from->args,
                    .moment = { .seed = 7, .step = 3, .learning_rate = 2e-3f } };
    for (int i = 0; i < LIMN_INPUTS_MAX; i++)
        if (from->x[i].n) c->inputs = i + 1;
    if (op->shape(c->y_shape, from->x, c->inputs, c->args, error)) return false;
    for (int i = 0; i < c->inputs; i++) {
        limn_input_kind kind = op->kinds[i];

        if (!from->x[i].n) continue;
        c->x[i] = guarded_tensor(arena, from->x[i], LIMN_F32, 1, 0);
        for (size_t k = 0, n = limn_count(from->x[i]); k < n; k++) {
            float v = value_of(op, kind, i, c, k);

            if (bf16 && narrow_type(kind) == LIMN_BF16) v = limn_from_bf16(limn_to_bf16(v));
            ((float *)c->x[i].t.data)[k] = v;
        }
        if (op->gradients >> i & 1) {
            c->dx[i] = guarded_tensor(arena, from->x[i], LIMN_F32, 1, 0);
            c->gradients |= 1u << i;
        }
    }
    for (int j = 0; j < op->outputs; j++) {
        if (!c->y_shape[j].n) continue;
        c->y[j] = op->overwrites[j] ? c->x[op->overwrites[j] - 1]
                                    : guarded_tensor(arena, c->y_shape[j], LIMN_F32, 1, 0);
    }
    c->dy = guarded_tensor(arena, c->y_shape[0], LIMN_F32, 1, 0);
    for (size_t k = 0, n = limn_count(c->y_shape[0]); k < n; k++) {
        float v = draw();

        if (bf16 && !(op->float32_outputs & 1)) v = limn_from_bf16(limn_to_bf16(v));
        ((float *)c->dy.t.data)[k] = v;
    }
    return true;
}

/* ---- Calls ----------------------------------------------------------------------------------- */

limn_call op_case_forward(const op_case *c)
{
    limn_call call = { .op = c->op, .args = c->args, .moment = &c->moment, .inputs = c->inputs };

    for (int i = 0; i < c->inputs; i++) call.x[i] = c->x[i].t;
    for (int j = 0; j < c->op->outputs; j++) call.y[j] = c->y[j].t;
    limn_call_plain(&call);
    return call;
}

limn_call op_case_backward(const op_case *c, unsigned wanted, unsigned accumulate)
{
    limn_call call = { .op = c->op,
                       .args = c->args,
                       .moment = &c->moment,
                       .inputs = c->inputs,
                       .backward = true,
                       .wanted = wanted,
                       .accumulate = accumulate };

    for (int i = 0; i < c->inputs; i++) {
        call.x[i] = c->x[i].t;
        if (!(c->op->backward_reads_x >> i & 1)) call.x[i].data = NULL;
        if (wanted >> i & 1) call.dx[i] = c->dx[i].t;
    }
    for (int j = 0; j < c->op->outputs; j++)
        if (c->op->backward_reads_y >> j & 1) call.y[j] = c->y[j].t;
    call.dy[0] = c->dy.t;
    limn_call_plain(&call);
    return call;
}

bool op_call_run(limn_call *call, limn_arena *arena, limn_error *error)
{
    guarded scratch = guarded_bytes(arena, call->scratch_bytes);
    limn_status status = LIMN_OK;

    call->scratch = scratch.t.data;
    if (call->bind) status = call->bind(call, error);
    if (!status) status = call->run(call, error);
    if (call->release) call->release(call);
    if (!status && !guarded_intact(&scratch))
        status = limn_fail(error, LIMN_BUG, "wrote outside its scratch memory");
    return !status;
}
