/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks every operation's plain loops, with no knowledge of any of them.
 *
 * For each case in the table: the shape rule holds; nothing is written outside an output and all of
 * it is written; the backward pass stores where it must store and adds where it must add, for every
 * choice of gradients; running in place gives the same where allowed; and the slope along random
 * directions is what the backward pass says.  One direction tests all elements at once.
 *
 * The slope is measured twice, with steps h and h / 2, and extrapolated (Richardson), which removes
 * the curvature of norms and losses; where that is too coarse (a loss with a low temperature) a
 * smaller h is tried.  The error is compared with the slope's own size or, where a direction
 * happens to be almost level, with a fraction of what a typical direction gives. */
#include "op_calls.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DIRECTIONS = 3 };
static const double TOLERANCE = 2e-3;

static int complain(const char *text)
{
    printf("    %s\n", text);
    return 1;
}

static int check_guards(const op_case *c)
{
    for (int i = 0; i < c->inputs; i++)
        if (!guarded_intact(&c->x[i]) || !guarded_intact(&c->dx[i]))
            return complain("wrote outside an input's gradient, or next to an input");
    for (int j = 0; j < c->op->outputs; j++)
        if (!guarded_intact(&c->y[j])) return complain("wrote outside an output");
    return guarded_intact(&c->dy) ? 0 : complain("wrote next to dy");
}

/* NaN and numbers that nobody wrote. */
static int check_written(const guarded *g, const char *what)
{
    const float *v = g->t.data;

    if (!g->memory) return 0;
    for (size_t i = 0, n = limn_count(g->t.shape); i < n; i++)
        if (!(fabsf(v[i]) < 1e17f)) {
            printf("    %s: element %zu is %g\n", what, i, (double)v[i]);
            return 1;
        }
    return 0;
}

static int run_forward(const op_case *c)
{
    limn_call call = op_case_forward(c);

    c->op->forward(&call);
    return 0;
}

static void run_backward(op_case *c, unsigned wanted, unsigned accumulate, float start)
{
    limn_call call = op_case_backward(c, wanted, accumulate);

    for (int i = 0; i < c->inputs; i++)
        if (c->gradients >> i & 1) guarded_fill(&c->dx[i], start);
    c->op->backward(&call);
}

/* Is got + add the gradient that was stored before? */
static int same(const guarded *got, const guarded *stored, float add, const char *what)
{
    const float *a = got->t.data, *b = stored->t.data;

    for (size_t i = 0, n = limn_count(got->t.shape); i < n; i++)
        if (!(fabsf(a[i] + add - b[i]) <= 1e-5f * (2 + fabsf(b[i])))) {
            printf("    %s: element %zu is %g, and %g when stored\n", what, i, (double)a[i],
                   (double)b[i]);
            return 1;
        }
    return 0;
}

/* Every gradient alone, added to and stored, beside the others or not. */
static int check_accumulate(op_case *c, limn_arena *arena)
{
    guarded stored[LIMN_INPUTS_MAX] = { 0 };
    int bad = 0;

    run_backward(c, c->gradients, 0, -7.25e17f);
    for (int i = 0; i < c->inputs; i++) {
        if (!(c->gradients >> i & 1)) continue;
        bad += check_written(&c->dx[i], "gradient");
        stored[i] = guarded_tensor(arena, c->dx[i].t.shape, LIMN_F32, 1, 0);
        guarded_copy(&stored[i], &c->dx[i]);
    }
    for (int i = 0; i < c->inputs && !bad; i++) {
        if (!(c->gradients >> i & 1)) continue;
        run_backward(c, 1u << i, 0, 3);
        bad += same(&c->dx[i], &stored[i], 0, "a gradient wanted alone");
        for (int k = 0; k < c->inputs; k++)
            if (k != i && c->gradients >> k & 1)
                bad += *(float *)c->dx[k].t.data != 3 && complain("wrote a gradient unasked");
        run_backward(c, 1u << i, 1u << i, 1);
        bad += same(&c->dx[i], &stored[i], -1, "a gradient added to");
        run_backward(c, c->gradients, 1u << i, 1);
        for (int k = 0; k < c->inputs; k++)
            if (c->gradients >> k & 1)
                bad += same(&c->dx[k], &stored[k], k == i ? -1.0f : 0.0f, "one gradient added to");
    }
    run_backward(c, c->gradients, 0, 5); /* leave the stored ones */
    return bad;
}

/* y[0] . dy along x + step * direction, for all inputs with a gradient. */
static double measure(const op_case *c, const guarded *base, const guarded *direction, float step)
{
    for (int i = 0; i < c->inputs; i++) {
        float *x = c->x[i].t.data;

        if (!c->x[i].memory) continue;
        for (size_t k = 0, n = limn_count(c->x[i].t.shape); k < n; k++) {
            x[k] = ((const float *)base[i].t.data)[k];
            if (c->gradients >> i & 1) x[k] += step * ((const float *)direction[i].t.data)[k];
        }
    }
    run_forward(c);
    return guarded_dot(&c->y[0], &c->dy);
}

static double central(const op_case *c, const guarded *base, const guarded *direction, float step)
{
    double up = measure(c, base, direction, step), down = measure(c, base, direction, -step);

    return (up - down) / (2 * (double)step);
}

/* What rounding y[0] to float can do to a slope measured with this step. */
static double noise(const op_case *c, float step)
{
    const float *y = c->y[0].t.data, *dy = c->dy.t.data;
    double sum = 0;

    for (size_t i = 0, n = limn_count(c->y_shape[0]); i < n; i++)
        sum += (double)(y[i] * dy[i]) * (double)(y[i] * dy[i]);
    return 2e-7 * sqrt(sum) / (double)step;
}

static int check_direction(const op_case *c, const guarded *base, guarded *direction)
{
    static const float steps[] = { 0.1f, 1e-2f, 2e-3f };
    double said = 0, length = 0, slope = 0, typical;

    for (int i = 0; i < c->inputs; i++) {
        if (!(c->gradients >> i & 1)) continue;
        for (size_t k = 0, n = limn_count(c->x[i].t.shape); k < n; k++)
            ((float *)direction[i].t.data)[k] = draw();
        said += guarded_dot(&c->dx[i], &direction[i]);
        length += guarded_dot(&c->dx[i], &c->dx[i]);
    }
    typical = sqrt(length / 3); /* the variance of a uniform draw is 1/3 */
    for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
        double whole = central(c, base, direction, steps[s]);
        double half = central(c, base, direction, steps[s] / 2);

        slope = (4 * half - whole) / 3;
        if (fabs(slope - said) <
            TOLERANCE * (fabs(slope) + fabs(said) + typical / 10 + 1e-6) + noise(c, steps[s]))
            return 0; /* so written, NaN fails */
    }
    printf("    gradient: measured %g, backward says %g\n", slope, said);
    return 1;
}

static int check_gradient(op_case *c, limn_arena *arena)
{
    guarded base[LIMN_INPUTS_MAX] = { 0 }, direction[LIMN_INPUTS_MAX] = { 0 };
    int bad = 0;

    for (int i = 0; i < c->inputs; i++) {
        if (!c->x[i].memory) continue;
        base[i] = guarded_tensor(arena, c->x[i].t.shape, LIMN_F32, 1, 0);
        direction[i] = guarded_tensor(arena, c->x[i].t.shape, LIMN_F32, 1, 0);
        guarded_copy(&base[i], &c->x[i]);
    }
    for (int d = 0; d < DIRECTIONS; d++) bad += check_direction(c, base, direction);
    measure(c, base, direction, 0);
    return bad;
}

/* y[0] over x[0], dx[0] over dy: the same numbers. */
static int check_in_place(op_case *c, limn_arena *arena)
{
    op_case other = *c;
    int bad = 0;

    if (c->op->flags & LIMN_OP_INPLACE && limn_shape_equal(c->y_shape[0], c->x[0].t.shape)) {
        other.x[0] = other.y[0] = guarded_tensor(arena, c->x[0].t.shape, LIMN_F32, 1, 0);
        guarded_copy(&other.x[0], &c->x[0]);
        run_forward(&other);
        bad += same(&other.y[0], &c->y[0], 0, "forward in place");
    }
    if (c->op->flags & LIMN_OP_INPLACE_BACKWARD && c->gradients & 1) {
        limn_call call;

        other = *c;
        other.dx[0] = other.dy = guarded_tensor(arena, c->dy.t.shape, LIMN_F32, 1, 0);
        guarded_copy(&other.dy, &c->dy);
        call = op_case_backward(&other, c->gradients, 0);
        c->op->backward(&call);
        bad += same(&other.dx[0], &c->dx[0], 0, "backward in place");
    }
    return bad;
}

static int check(const limn_op *op, const limn_op_case *from, limn_arena *arena)
{
    limn_error error = { 0 };
    op_case c;
    int bad = 0;

    if (!op_case_open(&c, op, from, arena, false, &error)) {
        printf("    shape: %s\n", error.text);
        return 1;
    }
    run_forward(&c);
    for (int j = 0; j < op->outputs; j++) bad += check_written(&c.y[j], "output");
    bad += check_guards(&c);
    if (bad || !c.gradients || op->flags & LIMN_OP_UPDATE) return bad;
    bad += check_accumulate(&c, arena);
    if (!bad) bad += check_in_place(&c, arena);
    if (!bad) bad += check_gradient(&c, arena);
    return bad + check_guards(&c);
}

int main(int count, char **words)
{
    int bad = 0, ran = 0, ops = 0;

    for (const limn_op *const *op = limn_ops; *op; op++, ops++) {
        int before = ran;

        if (count > 1 && strcmp(words[1], (*op)->name)) continue;
        for (int i = 0; !op_case_at_end(*op, i); i++, ran++) {
            const limn_op_case *c = &(*op)->cases[i];
            limn_arena arena;
            int b;

            draw_from((uint64_t)ran + 1);
            limn_arena_open(&arena, "check", 1 << 20);
            b = check(*op, c, &arena);
            printf("%-4s %s %d: %dx%dx%dx%d\n", b ? "BAD" : "ok", (*op)->name, i, c->x[0].n,
                   c->x[0].c, c->x[0].h, c->x[0].w);
            bad += b != 0;
            limn_arena_close(&arena);
        }
        if (ran == before) {
            printf("BAD  %s has no case\n", (*op)->name);
            bad++;
        }
    }
    printf("%d cases, %d bad\n", ran, bad);
    return bad || !ran; /* a test that ran nothing has not passed */
}
