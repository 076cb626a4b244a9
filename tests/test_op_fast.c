/* SPDX-License-Identifier: Apache-2.0
 *
 * The fast version of every operation against its plain loops, with no knowledge of any of them.
 *
 * For each case of each operation in the list, the tensors are laid out in every block that the
 * channels allow (one for all, and blocks that differ between channel counts), as F32 and BF16,
 * alone and as a range inside something larger; the call is prepared, bound and run the way the
 * planner does it, and its results are compared with the plain loops on the same (rounded) values.
 * Forward: with every tail that the operation's flags allow, in place where they allow it.
 * Backward: every gradient alone and all together, stored and added.
 *
 * What else must hold: nothing but the outputs is written (guard bytes around every buffer, between
 * pictures and behind the scratch memory; inputs compared afterwards); scratch memory may hold
 * anything; backward reads only what the flags say (the rest is a null pointer); the same call
 * gives the same bits again.
 *
 * Operations that read convolution weights need a layout from oneDNN; they are tested elsewhere. */
#include "base/cpu.h"
#include "op/op.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "op_buffer.h"

/* Two roundings of float32 sums in another order; bfloat16 has 8 bits, and a result is rounded up
 * to twice (a tail, a sum).  Relative to the element plus the mean size of the tensor. */
static const double tolerance[] = { [LIMN_F32] = 1e-5, [LIMN_BF16] = 1e-2 };

static const limn_moment moment = { .seed = 20240607, .step = 41, .learning_rate = 1e-3f };

/* ---- One check ------------------------------------------------------------------------------- */

/* Values of all tensors in NCHW float32, rounded to the type under test. */
typedef struct values {
    int inputs;
    limn_shape y_shape[LIMN_OUTPUTS_MAX];
    float *x[LIMN_INPUTS_MAX], *y[LIMN_OUTPUTS_MAX], *dy, *base[LIMN_INPUTS_MAX], *residual;
    float *want; /* room for the largest tensor, twice */
    float *got;
} values;

typedef struct check {
    const limn_op *op;
    const limn_op_case *given;
    int number;
    form form;
    bool in_place, backward;
    limn_activation activation;
    int residual; /* 0 none, 1 a map of its own, 2 y itself */
    unsigned wanted, accumulate;
} check;

static void wrong(const check *c, const char *what, int tensor, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static void wrong(const check *c, const char *what, int tensor, const char *format, ...)
{
    char text[256];
    va_list list;

    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    fail_msg("%s case %d %s, %s, layout %d%s%s, activation %d, residual %d, wanted %x, accumulate "
             "%x, %d threads: %s%d %s",
             c->op->name, c->number, c->backward ? "backward" : "forward",
             limn_type_name(c->form.type), c->form.layout, c->form.inside ? " inside" : "",
             c->in_place ? " in place" : "", (int)c->activation, c->residual, c->wanted,
             c->accumulate, limn_compute_threads(), what, tensor, text);
}

static limn_type input_type(const check *c, int input)
{
    return is_map(limn_op_kind(c->op, input)) ? c->form.type : LIMN_F32;
}

static limn_type output_type(const check *c, int output)
{
    return c->op->float32_outputs >> output & 1 ? LIMN_F32 : c->form.type;
}

static void round_to(limn_type type, float *v, size_t count)
{
    for (size_t i = 0; type == LIMN_BF16 && i < count; i++)
        v[i] = limn_from_bf16(limn_to_bf16(v[i]));
}

static float *random_values(limn_arena *arena, limn_shape shape, limn_type type)
{
    size_t count = limn_count(shape);
    float *v = limn_take(arena, count * sizeof *v + 1);

    assert_non_null(v);
    for (size_t i = 0; i < count; i++) v[i] = 3 * uniform();
    round_to(type, v, count);
    return v;
}

static float *input_values(limn_arena *arena, const check *c, int input)
{
    limn_shape shape = c->given->x[input], map = c->given->x[0];
    float *v = random_values(arena, shape, input_type(c, input));

    for (size_t i = 0; i < limn_count(shape); i++) switch (limn_op_kind(c->op, input)) {
        case LIMN_VARIANCE:
            v[i] = fabsf(v[i]) + 0.1f;
            break;
        case LIMN_INDICES: /* one in eight is -1: no position */
            v[i] = floorf((v[i] + 3) / 6 * 0.999f * (float)(map.h * map.w) * 8 / 7);
            if (v[i] >= (float)(map.h * map.w)) v[i] = -1;
            break;
        case LIMN_FLAT:
            if (input == 3) v[i] = fabsf(v[i]); /* a second moment */
            break;
        default:
            break;
        }
    return v;
}

static limn_tensor plain_tensor(limn_shape shape, float *data)
{
    return (limn_tensor){ .shape = data ? shape : (limn_shape){ 0 },
                          .type = LIMN_F32,
                          .block = 1,
                          .batch_stride = data ? limn_count(shape) / (size_t)shape.n : 0,
                          .data = data };
}

/* Draws all inputs and runs the plain forward pass. */
static values draw(limn_arena *arena, const check *c)
{
    limn_call call = { .op = c->op, .args = &c->given->args, .moment = &moment };
    values v = { 0 };
    limn_error error = { 0 };
    size_t largest = 1;

    while (v.inputs < LIMN_INPUTS_MAX && c->given->x[v.inputs].n) v.inputs++;
    if (c->op->shape(v.y_shape, c->given->x, v.inputs, &c->given->args, &error))
        wrong(c, "shape", 0, "%s", error.text);
    call.inputs = v.inputs;
    for (int i = 0; i < v.inputs; i++) {
        v.x[i] = input_values(arena, c, i);
        v.base[i] = random_values(arena, c->given->x[i], input_type(c, i));
        call.x[i] = plain_tensor(c->given->x[i], v.x[i]);
        if (limn_count(c->given->x[i]) > largest) largest = limn_count(c->given->x[i]);
    }
    for (int i = 0; i < c->op->outputs; i++) {
        if (!v.y_shape[i].n) continue;
        v.y[i] = limn_take(arena, limn_count(v.y_shape[i]) * sizeof(float));
        assert_non_null(v.y[i]);
        if (c->op->overwrites[i]) /* the state before, as the plain loops would find it */
            memcpy(v.y[i], v.x[c->op->overwrites[i] - 1], limn_count(v.y_shape[i]) * sizeof(float));
        call.y[i] = plain_tensor(v.y_shape[i], v.y[i]);
        if (limn_count(v.y_shape[i]) > largest) largest = limn_count(v.y_shape[i]);
    }
    c->op->forward(&call);
    v.dy = random_values(arena, v.y_shape[0], output_type(c, 0));
    v.residual = random_values(arena, v.y_shape[0], output_type(c, 0));
    v.want = limn_take(arena, 2 * largest * sizeof(float));
    assert_non_null(v.want);
    v.got = v.want + largest;
    return v;
}

static double mean_size(const float *v, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++) sum += fabs((double)v[i]);
    return sum / (double)count;
}

/* b holds what v->want says; the second time with the same bits as the first. */
/* b holds what v->want says, and the second time the same bits as the first. */
static void compare(const check *c, const values *v, const char *what, int tensor, buffer *b,
                    double floor)
{
    size_t count = limn_count(b->t.shape), bytes = count * sizeof *v->got;
    double size = mean_size(v->want, count) + floor, allowed = tolerance[c->form.type];

    move(&b->t, v->got, false);
    for (size_t i = 0; i < count; i++) {
        double want = (double)v->want[i], got = (double)v->got[i];

        if (!(fabs(got - want) <= allowed * (fabs(want) + size)))
            wrong(c, what, tensor, "element %zu is %.9g, the plain loops say %.9g", i, got, want);
    }
    if (b->first && memcmp(b->first, v->got, bytes))
        wrong(c, what, tensor, "has other bits the second time");
    if (b->first) return;
    b->first = limn_take(b->arena, bytes);
    assert_non_null(b->first);
    memcpy(b->first, v->got, bytes);
}

/* A call and its tensors. */
typedef struct job {
    limn_arena *arena;
    const check *check;
    limn_call call;
    buffer x[LIMN_INPUTS_MAX], dx[LIMN_INPUTS_MAX], y[LIMN_OUTPUTS_MAX], dy, residual, scratch;
} job;

static limn_tensor without_data(const buffer *b)
{
    limn_tensor t = b->t;

    t.data = NULL;
    return t;
}

/* The planner's order: prepare knows no pointers, scratch memory comes afterwards. */
static void prepare(job *j)
{
    const check *c = j->check;
    limn_call *call = &j->call;
    limn_error error = { 0 };

    *call = (limn_call){ .op = c->op,
                         .args = &c->given->args,
                         .moment = &moment,
                         .backward = c->backward,
                         .inputs = call->inputs,
                         .wanted = c->wanted,
                         .accumulate = c->accumulate,
                         .activation = c->activation,
                         .slope = 0.2f };
    for (int i = 0; i < call->inputs; i++) {
        call->x[i] = without_data(&j->x[i]);
        call->dx[i] = without_data(&j->dx[i]);
    }
    for (int i = 0; i < c->op->outputs; i++) call->y[i] = without_data(&j->y[i]);
    call->dy[0] = without_data(&j->dy);
    call->residual = without_data(&j->residual);
    if (c->op->prepare(call, j->arena, &error)) wrong(c, "prepare", 0, "%s", error.text);
    assert_non_null(call->run);
    assert_non_null(call->implementation);
    j->scratch = make(j->arena, &c->form, (limn_shape){ 1, 1, 1, (int)call->scratch_bytes + 1 },
                      LIMN_U8, false);
}

static void run(job *j, bool read_x[], bool read_y[])
{
    const check *c = j->check;
    limn_call *call = &j->call;
    limn_error error = { 0 };

    for (int i = 0; i < call->inputs; i++) {
        if (read_x[i]) call->x[i].data = j->x[i].t.data;
        call->dx[i].data = j->dx[i].t.data;
        remember(&j->x[i]);
        remember(&j->dx[i]);
    }
    for (int i = 0; i < c->op->outputs; i++) {
        if (read_y[i]) call->y[i].data = j->y[i].t.data;
        remember(&j->y[i]);
    }
    call->dy[0].data = j->dy.t.data;
    call->residual.data = j->residual.t.data;
    call->scratch = j->scratch.t.data;
    remember(&j->dy);
    remember(&j->residual);
    remember(&j->scratch);
    if (call->bind && call->bind(call, &error)) wrong(c, "bind", 0, "%s", error.text);
    if (call->run(call, &error)) wrong(c, "run", 0, "%s", error.text);
}

/* Guards of everything, and elements too of what the call must only read. */
static void see_damage(const job *j, const char *what, int number, const buffer *b, bool written)
{
    size_t at = first_damage(b, !written);

    if (at < b->bytes)
        wrong(j->check, what, number, "byte %zu of %zu was written: %s", at, b->bytes,
              written ? "outside the tensor" : "it is only read");
}

static void finish(job *j)
{
    if (j->call.release) j->call.release(&j->call);
}

/* ---- Forward --------------------------------------------------------------------------------- */

static bool same_memory(const check *c, int output, int input)
{
    return c->op->overwrites[output] == input + 1 || (c->in_place && output == 0 && input == 0);
}

static void check_forward(limn_arena *arena, const check *c, const values *v)
{
    static bool all[LIMN_INPUTS_MAX] = { true, true, true, true, true, true, true, true };
    job j = { .arena = arena, .check = c };

    j.call.inputs = v->inputs;
    for (int i = 0; i < v->inputs; i++)
        j.x[i] = make(arena, &c->form, c->given->x[i], input_type(c, i),
                      is_map(limn_op_kind(c->op, i)));
    for (int k = 0; k < c->op->outputs; k++) {
        j.y[k] = make(arena, &c->form, v->y_shape[k], output_type(c, k),
                      !(c->op->float32_outputs >> k & 1));
        for (int i = 0; j.y[k].t.data && i < v->inputs; i++)
            if (same_memory(c, k, i)) j.y[k] = j.x[i];
    }
    if (c->residual == 1) j.residual = make(arena, &c->form, v->y_shape[0], c->form.type, true);
    if (c->residual == 2) j.residual = j.y[0];
    prepare(&j);
    for (int turn = 0; turn < 2; turn++) {
        for (int i = 0; i < v->inputs; i++) move(&j.x[i].t, v->x[i], true);
        if (c->residual) move(&j.residual.t, v->residual, true);
        run(&j, all, all);
        for (int k = 0; k < c->op->outputs; k++) {
            size_t count = limn_count(v->y_shape[k]);

            if (!j.y[k].t.data) continue;
            memcpy(v->want, v->y[k], count * sizeof(float));
            for (size_t i = 0; k == 0 && i < count; i++)
                v->want[i] = limn_activation_value(c->activation, 0.2f,
                                                   v->want[i] + (c->residual ? v->residual[i] : 0));
            compare(c, v, "y", k, &j.y[k], 0);
            see_damage(&j, "y", k, &j.y[k], true);
        }
    }
    for (int i = 0; i < v->inputs; i++) {
        bool written = false;

        for (int k = 0; k < c->op->outputs; k++) written |= same_memory(c, k, i);
        see_damage(&j, "x", i, &j.x[i], written);
    }
    see_damage(&j, "residual", 0, &j.residual, c->residual == 2);
    see_damage(&j, "scratch", 0, &j.scratch, true);
    finish(&j);
}

/* ---- Backward -------------------------------------------------------------------------------- */

/* Plain gradients for dy, which a tail's activation has changed; out[i] for wanted inputs. */
static void plain_backward(limn_arena *arena, const check *c, const values *v, const float *y,
                           float *out[])
{
    limn_call call = { .op = c->op,
                       .args = &c->given->args,
                       .moment = &moment,
                       .backward = true,
                       .inputs = v->inputs,
                       .wanted = c->wanted,
                       .accumulate = c->accumulate };
    size_t count = limn_count(v->y_shape[0]);
    float *dy = limn_take(arena, count * sizeof *dy);

    assert_non_null(dy);
    for (size_t i = 0; i < count; i++)
        dy[i] = v->dy[i] * limn_activation_slope(c->activation, 0.2f, y[i]);
    for (int i = 0; i < v->inputs; i++) {
        size_t size = limn_count(c->given->x[i]) * sizeof(float);

        call.x[i] = plain_tensor(c->given->x[i], v->x[i]);
        if (!(c->op->backward_reads_x >> i & 1)) call.x[i].data = NULL;
        if (!(c->wanted >> i & 1)) continue;
        out[i] = limn_take(arena, size);
        assert_non_null(out[i]);
        memcpy(out[i], v->base[i], size);
        call.dx[i] = plain_tensor(c->given->x[i], out[i]);
    }
    for (int k = 0; k < c->op->outputs; k++) {
        call.y[k] = plain_tensor(v->y_shape[k], v->y[k]);
        if (!(c->op->backward_reads_y >> k & 1)) call.y[k].data = NULL;
    }
    call.dy[0] = plain_tensor(v->y_shape[0], dy);
    c->op->backward(&call);
}

/* What one output is after its activation, rounded: the y that a backward call is given. */
static float *tail_of(limn_arena *arena, const check *c, const values *v)
{
    size_t count = limn_count(v->y_shape[0]);
    float *y = limn_take(arena, count * sizeof *y);

    assert_non_null(y);
    for (size_t i = 0; i < count; i++)
        y[i] = limn_activation_value(c->activation, 0.2f, v->y[0][i]);
    round_to(output_type(c, 0), y, count);
    return y;
}

static void check_backward(limn_arena *arena, const check *c, const values *v)
{
    bool read_x[LIMN_INPUTS_MAX] = { false }, read_y[LIMN_INPUTS_MAX] = { false };
    job j = { .arena = arena, .check = c };
    float *want[LIMN_INPUTS_MAX] = { NULL }, *y = tail_of(arena, c, v);
    double floor = mean_size(v->dy, limn_count(v->y_shape[0])) * (double)limn_count(v->y_shape[0]);

    if (c->op->backward_reads_y & 1) memcpy(v->y[0], y, limn_count(v->y_shape[0]) * sizeof *y);
    plain_backward(arena, c, v, y, want);
    j.call.inputs = v->inputs;
    for (int i = 0; i < v->inputs; i++) {
        bool map = is_map(limn_op_kind(c->op, i));

        j.x[i] = make(arena, &c->form, c->given->x[i], input_type(c, i), map);
        move(&j.x[i].t, v->x[i], true);
        read_x[i] = c->op->backward_reads_x >> i & 1;
        if (c->wanted >> i & 1)
            j.dx[i] = make(arena, &c->form, c->given->x[i], input_type(c, i), map);
    }
    for (int k = 0; k < c->op->outputs; k++) {
        if (!v->y_shape[k].n) continue;
        j.y[k] = make(arena, &c->form, v->y_shape[k], output_type(c, k),
                      !(c->op->float32_outputs >> k & 1));
        move(&j.y[k].t, k ? v->y[k] : y, true);
        read_y[k] = (c->op->backward_reads_y >> k & 1) || (k == 0 && c->activation);
    }
    j.dy = make(arena, &c->form, v->y_shape[0], output_type(c, 0), !(c->op->float32_outputs & 1));
    if (c->in_place) j.dx[0] = j.dy;
    prepare(&j);
    for (int turn = 0; turn < 2; turn++) {
        for (int i = 0; i < v->inputs; i++)
            if (j.dx[i].t.data) move(&j.dx[i].t, v->base[i], true);
        move(&j.dy.t, v->dy, true);
        run(&j, read_x, read_y);
        for (int i = 0; i < v->inputs; i++) {
            size_t count = limn_count(c->given->x[i]);

            see_damage(&j, "x", i, &j.x[i], false);
            if (!j.dx[i].t.data) continue;
            memcpy(v->want, want[i], count * sizeof(float));
            compare(c, v, "dx", i, &j.dx[i], floor / (double)count);
            see_damage(&j, "dx", i, &j.dx[i], true);
        }
    }
    for (int k = 0; k < c->op->outputs; k++) see_damage(&j, "y", k, &j.y[k], false);
    see_damage(&j, "dy", 0, &j.dy, c->in_place);
    see_damage(&j, "scratch", 0, &j.scratch, true);
    finish(&j);
}

/* ---- The walk -------------------------------------------------------------------------------- */

static void with_values(check *c, void (*body)(limn_arena *, const check *, const values *))
{
    limn_arena arena;
    values v;

    limn_arena_open(&arena, "check", 1 << 20);
    chance = (uint64_t)c->number * 977 +
             (uint64_t)c->form.layout; /* a failure can be repeated alone */
    v = draw(&arena, c);
    body(&arena, c, &v);
    limn_arena_close(&arena);
}

/* Every activation in block 16; elsewhere none and one more, by turns, which keeps the walk short.
 */
static bool is_turn(const check *c, int activation)
{
    int turn = (c->number + c->form.layout + c->form.inside) % LIMN_ACTIVATION_SIGMOID + 1;

    return !activation || activation == turn ||
           (c->form.layout == 2 && limn_count(c->given->x[0]) < 10000);
}

static void all_forward(check c)
{
    int tails = c.op->flags & LIMN_OP_TAIL ? LIMN_ACTIVATION_SIGMOID : LIMN_ACTIVATION_NONE;
    int residuals = c.op->flags & LIMN_OP_RESIDUAL ? 2 : 0;

    for (int activation = 0; activation <= tails; activation++)
        for (c.residual = 0; c.residual <= residuals; c.residual++) {
            if (!is_turn(&c, activation)) continue;
            c.activation = (limn_activation)activation;
            c.in_place = false;
            with_values(&c, check_forward);
            if (!(c.op->flags & LIMN_OP_INPLACE) || c.residual == 2) continue;
            c.in_place = true;
            with_values(&c, check_forward);
        }
}

static void all_backward(check c)
{
    int tails = c.op->flags & LIMN_OP_TAIL_BACKWARD ? LIMN_ACTIVATION_SIGMOID : 0;
    unsigned present = 0;

    for (int i = 0; i < LIMN_INPUTS_MAX && c.given->x[i].n; i++) present |= 1u << i;
    present &= c.op->gradients;
    c.backward = true;
    for (int activation = 0; activation <= tails; activation++)
        for (unsigned wanted = 1; wanted <= present; wanted++) {
            if ((wanted & present) != wanted || !is_turn(&c, activation)) continue;
            if (wanted != present && (wanted & (wanted - 1))) continue; /* all, or one */
            c.activation = (limn_activation)activation;
            c.wanted = wanted;
            c.in_place = false;
            c.accumulate = 0;
            with_values(&c, check_backward);
            c.accumulate = wanted;
            with_values(&c, check_backward);
            if (!(c.op->flags & LIMN_OP_INPLACE_BACKWARD) || !(wanted & 1)) continue;
            c.accumulate = wanted & ~1u;
            c.in_place = true;
            with_values(&c, check_backward);
        }
}

/* Large cases are there for the threads; a few layouts are enough for them. */
static bool is_left_out(const check *c)
{
    if (limn_count(c->given->x[0]) < 10000) return false;
    return c->form.layout == 1 || c->form.layout > 4 ||
           c->form.inside == (c->form.type == LIMN_F32);
}

static void check_op(void **state)
{
    check c = { .op = *state };

    for (c.given = c.op->cases; c.given->x[0].n; c.given++, c.number++)
        for (int layout = 0; layout < LAYOUTS; layout++)
            for (int version = 0; version < 4; version++) {
                c.form = (form){ .type = version & 1 ? LIMN_BF16 : LIMN_F32,
                                 .layout = layout,
                                 .inside = version & 2 };
                if (is_left_out(&c)) continue;
                all_forward(c);
                if (c.op->backward) all_backward(c);
            }
    assert_true(c.number > 0);
}

static bool is_tested(const limn_op *op)
{
    if (!op->prepare || !op->inputs_min || op->flags & LIMN_OP_VIEW) return false;
    for (int i = 0; i < op->inputs_max; i++)
        if (limn_op_kind(op, i) == LIMN_WEIGHT) return false;
    return true;
}

static int run_level(void)
{
    struct CMUnitTest *tests = calloc((size_t)limn_op_count, sizeof *tests);
    size_t count = 0;
    int failed;

    if (!tests) return 1;
    limn_compute_threads_set(3); /* not a divisor of anything: parts are uneven */
    for (int i = 0; i < limn_op_count; i++)
        if (is_tested(limn_ops[i]))
            tests[count++] = (struct CMUnitTest){ .name = limn_ops[i]->name,
                                                  .test_func = check_op,
                                                  .initial_state = (void *)(uintptr_t)limn_ops[i] };
    printf("processor level %s\n", limn_cpu_name(limn_cpu()));
    failed = _cmocka_run_group_tests("op_fast", tests, count, NULL, NULL);
    free(tests);
    return failed || !count;
}

/* Each processor level in a process of its own, because the level is asked once. */
int main(void)
{
    int failed = 0;

    if (getenv("LIMN_CPU")) return run_level();
    for (int level = LIMN_CPU_BASE; level <= LIMN_CPU_AVX512; level++) {
        const char *name = limn_cpu_name((limn_cpu_level)level);
        int status = 1;
        pid_t child;

        fflush(NULL);
        child = fork();
        if (!child) {
            setenv("LIMN_CPU", name, 1);
            if (strcmp(limn_cpu_name(limn_cpu()), name)) _exit(0); /* this machine has not got it */
            status = run_level();
            fflush(NULL);
            _exit(status);
        }
        if (child < 0 || waitpid(child, &status, 0) != child || status) failed = 1;
    }
    return failed;
}
