/* SPDX-License-Identifier: Apache-2.0
 *
 * Measuring the ways of a call against each other.
 *
 * A way is measured as the planner would use it: prepared, bound and run as a call of its own, so
 * whatever it does beside the convolution (copies, shuffles) counts.  The ways take turns, so that
 * a slow moment of the machine falls on all, and the shortest of a way's times is its time: noise
 * only ever adds.  Before each run the second-level caches are filled with something else, for in a
 * plan other layers have been there in between (without that, channels-last copies won in 11 of 41
 * convolutions of a pix2pix step, and the step was no faster).  Another way than the rule's must be
 * 7 % faster, and faster in all rounds but one: near ties are decided by the rule and not by noise,
 * on a machine with other work too.
 *
 * Each direction of a call is measured alone, for each has a choice of its own.  Values do not
 * matter as long as they are ordinary numbers. */
#include "op/tune.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { KEY = 240, ROUNDS = 5, TENSORS = 6, CACHES = 16 << 20 };

static const double KEY_SECONDS = 0.25; /* enough for five rounds of anything ordinary */
static const double MARGIN = 0.93;

double limn_tune_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- Keys ------------------------------------------------------------------------------------ */

static const limn_tensor *input_of(const limn_call *call, int part)
{
    return call->backward && !part ? &call->dx[0] : &call->x[0];
}

static void map_text(char *text, size_t size, const limn_tensor *t)
{
    snprintf(text, size, "%dx%dx%dx%d:%s/%d", t->shape.n, t->shape.c, t->shape.h, t->shape.w,
             limn_type_name(t->type), t->block);
}

static void make_key(char *key, size_t size, const limn_call *call, int part)
{
    const limn_args *a = call->args;
    limn_shape w = call->backward && part ? call->dx[1].shape : call->x[1].shape;
    char in[64], out[64];

    map_text(in, sizeof in, input_of(call, part));
    map_text(out, sizeof out, call->backward ? &call->dy[0] : &call->y[0]);
    snprintf(key, size, "%s %s %s %s kernel %dx%d stride %d pad %d %d %d %d more %d groups %d",
             call->op->name,
             !call->backward ? "forward"
             : part          ? "weights"
                             : "data",
             in, out, w.h, w.w, a->stride, a->pad_top, a->pad_left, a->pad_bottom, a->pad_right,
             a->output_pad, a->groups > 1 ? a->groups : 1);
}

static bool has_part(const limn_call *call, int part)
{
    return call->op->ways && (call->backward ? (int)(call->wanted >> part & 1) : !part);
}

/* ---- One way --------------------------------------------------------------------------------- */

typedef struct trial {
    limn_call call;
    limn_arena arena;
    void *memory;
    double times[ROUNDS], best;
    int rounds;
    bool works;
} trial;

static size_t tensor_bytes(const limn_tensor *t)
{
    return t->batch_stride * (size_t)t->shape.n * limn_type_bytes(t->type);
}

static size_t rounded(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

static size_t weight_bytes(const limn_tensor *w, const limn_dnn_layout *layout)
{
    return layout ? limn_dnn_layout_bytes(layout) : limn_count(w->shape) * sizeof(float);
}

/* The tensors that the call touches, with their sizes. */
static int list(limn_call *c, int part, limn_tensor **tensors, size_t *bytes)
{
    int count = 0;

#define MAP(t) (tensors[count] = &(t), bytes[count++] = tensor_bytes(&(t)))
    if (!c->backward) {
        MAP(c->x[0]);
        MAP(c->y[0]);
        if (c->residual.shape.n) MAP(c->residual);
        if (c->inputs > 2 && c->x[2].shape.n) MAP(c->x[2]);
    } else {
        MAP(c->dy[0]);
        if (part)
            MAP(c->x[0]);
        else
            MAP(c->dx[0]);
    }
#undef MAP
    tensors[count] = part ? &c->dx[1] : &c->x[1];
    bytes[count] = part ? weight_bytes(&c->dx[1], c->weight_gradient_layout)
                        : weight_bytes(&c->x[1], c->weight_layout);
    return count + 1;
}

static bool give_memory(trial *t, int part)
{
    limn_tensor *tensors[TENSORS];
    size_t bytes[TENSORS], total = rounded(t->call.scratch_bytes);
    int count = list(&t->call, part, tensors, bytes);
    char *at;

    for (int i = 0; i < count; i++) total += rounded(bytes[i]);
    if (!(at = t->memory = limn_block(total + 64))) return false;
    memset(t->memory, 0x3c, total + 64); /* 0.01 as float32 and as bfloat16 */
    for (int i = 0; i < count; i++) {
        tensors[i]->data = at;
        at += rounded(bytes[i]);
    }
    t->call.scratch = at;
    return true;
}

static void close_trial(trial *t)
{
    if (t->call.release) t->call.release(&t->call);
    limn_block_free(t->memory);
    limn_arena_close(&t->arena);
}

static void fill(void *context, size_t begin, size_t end, int part)
{
    (void)part;
    memset((char *)context + begin, 0, end - begin);
}

/* other: memory to fill the caches with; NULL: not counted as a round. */
static bool run_trial(trial *t, void *other)
{
    double begin, seconds;
    bool ran;

    if (other) limn_parallel(CACHES, 1 << 16, fill, other);
    begin = limn_tune_clock();
    ran = !t->call.run(&t->call, NULL);
    seconds = limn_tune_clock() - begin;
    if (seconds < t->best) t->best = seconds;
    if (other && t->rounds < ROUNDS) t->times[t->rounds++] = seconds;
    return ran;
}

/* The gradient's layout is left open: a training's home of the weights follows the choice. */
static bool open_trial(trial *t, const limn_call *call, int part, limn_method method)
{
    *t = (trial){ .call = *call, .best = HUGE_VAL };
    limn_arena_open(&t->arena, "measuring", 0);
    t->call.methods[part] = method;
    t->call.accumulate = 0;
    t->call.weight_gradient_layout = NULL;
    if (call->backward) t->call.wanted = 1u << part;
    if (t->call.op->prepare(&t->call, &t->arena, NULL) || t->call.methods[part] != method ||
        !give_memory(t, part) || (t->call.bind && t->call.bind(&t->call, NULL)))
        return false;
    if (!run_trial(t, NULL)) return false; /* code is written and memory touched: not counted */
    t->best = HUGE_VAL;
    return true;
}

static bool is_better(const trial *a, const trial *b)
{
    int rounds = a->rounds < b->rounds ? a->rounds : b->rounds, wins = 0;

    for (int i = 0; i < rounds; i++) wins += a->times[i] < b->times[i];
    return a->works && a->best < MARGIN * b->best && wins + 1 >= rounds;
}

/* Much slower than another: not worth the time of more rounds. */
static bool hopeless(const trial *t, const trial *trials, int count)
{
    for (int i = 0; i < count; i++)
        if (t->rounds > 1 && t->best > 1.5 * trials[i].best) return true;
    return false;
}

/* The best of the ways; *microseconds is its time, 0 where nothing ran. */
static limn_method measure(const limn_call *call, int part, const limn_method *ways, int count,
                           long *microseconds)
{
    double until = limn_tune_clock() + KEY_SECONDS;
    void *other = limn_block(CACHES); /* none: then nothing is measured, and the rule counts */
    trial trials[LIMN_METHODS];
    int best = 0;

    limn_compute_begin();
    for (int i = 0; i < count; i++) trials[i].works = open_trial(&trials[i], call, part, ways[i]);
    for (int round = 0; other && round < ROUNDS && (round < 3 || limn_tune_clock() < until);
         round++)
        for (int i = 0; i < count; i++)
            if (trials[i].works && !hopeless(&trials[i], trials, count))
                trials[i].works = run_trial(&trials[i], other);
    limn_compute_end();
    while (best < count - 1 && !trials[best].works) best++;
    for (int i = best + 1; i < count; i++)
        if (is_better(&trials[i], &trials[best])) best = i;
    *microseconds = trials[best].works && other ? (long)(1e6 * trials[best].best) + 1 : 0;
    for (int i = 0; i < count; i++) close_trial(&trials[i]);
    limn_block_free(other);
    return ways[best];
}

/* ---- Choosing -------------------------------------------------------------------------------- */

static bool among(limn_method method, const limn_method *ways, int count)
{
    for (int i = 0; i < count; i++)
        if (ways[i] == method) return true;
    return false;
}

limn_status limn_tune_choose(limn_call *call, limn_choices *choices, double until, int *measured,
                             limn_error *error)
{
    for (int part = 0; part < 2; part++) {
        limn_method ways[LIMN_METHODS], known;
        long microseconds = 0;
        char key[KEY];
        int count;

        if (!has_part(call, part)) continue;
        count = call->op->ways(call, part, ways);
        call->methods[part] = ways[0];
        if (among(limn_choices_preferred(choices), ways, count))
            call->methods[part] = limn_choices_preferred(choices);
        if (count == 1 || limn_choices_preferred(choices)) continue;
        make_key(key, sizeof key, call, part);
        if (limn_choices_find(choices, key, &known)) {
            if (among(known, ways, count)) call->methods[part] = known;
            continue;
        }
        if (limn_tune_clock() < until) {
            call->methods[part] = measure(call, part, ways, count, &microseconds);
            ++*measured;
        }
        LIMN_TRY(limn_choices_set(choices, key, call->methods[part], microseconds, error));
        limn_choices_find(choices, key, &known); /* used */
    }
    return LIMN_OK;
}

void limn_tune_text(const limn_call *call, const limn_choices *choices, char *text, size_t size)
{
    size_t length = 0;

    *text = 0;
    for (int part = 0; part < 2 && length < size; part++) {
        char key[KEY];

        if (!has_part(call, part)) continue;
        make_key(key, sizeof key, call, part);
        length += (size_t)snprintf(
            text + length, size - length, "%s%s%s", part && length ? " + " : "",
            limn_method_name(call->methods[part]), limn_choices_measured(choices, key) ? "*" : "");
    }
}
