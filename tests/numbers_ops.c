/* SPDX-License-Identifier: Apache-2.0
 *
 * check_numbers: single operations, each as a graph of one node, with the recorded gradient fed
 * back. */
#include "net/graph_inside.h"
#include "numbers.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

extern const limn_op limn_op_adam;

/* Recorded tensors by name: what goes in, and under which name its gradient was recorded. */
typedef struct source {
    const char *name, *gradient;
    bool optional;
} source;

typedef struct form {
    const char *recorded; /* args.op */
    const char *op;       /* ours */
    source in[6];
} form;

#define X                                                                                          \
    {                                                                                              \
        "x", "dx", false                                                                           \
    }
#define X1                                                                                         \
    {                                                                                              \
        "x1", "dx1", false                                                                         \
    }
#define W                                                                                          \
    {                                                                                              \
        "w", "dw", false                                                                           \
    }
#define W_OR_NONE                                                                                  \
    {                                                                                              \
        "w", "dw", true                                                                            \
    }
#define B_OR_NONE                                                                                  \
    {                                                                                              \
        "b", "db", true                                                                            \
    }

static const form forms[] = {
    { "conv", "conv", { X, W, B_OR_NONE } },
    { "deconv", "deconv", { X, W, B_OR_NONE } },
    { "batchnorm",
      "batchnorm",
      { X,
        W,
        { "b", "db", false },
        { "running_mean", NULL, false },
        { "running_var", NULL, false } } },
    { "instancenorm", "instancenorm", { X, W_OR_NONE, B_OR_NONE } },
    { "leaky", "leaky", { X } },
    { "relu", "relu", { X } },
    { "relu6", "relu6", { X } },
    { "tanh", "tanh", { X } },
    { "sigmoid", "sigmoid", { X } },
    { "dropout", "dropout", { X, X1 } },
    { "concat", "concat", { X, X1 } },
    { "reflect_pad", "pad", { X } },
    { "resize", "resize", { X } },
    { "avgpool", "avgpool", { X } },
    { "blur_down", "blur_down", { X } },
    { "l1", "l1", { X, X1 } },
    { "gan", "gan", { X } },
    { "patchnce", "patchnce", { X, { "x1", NULL, false } } },
};

static int choice(numbers *n, const char *key, const char *const *names, int count)
{
    const char *text = numbers_text(n, key, names[0]);

    for (int i = 0; i < count; i++)
        if (!strcmp(text, names[i])) return i;
    numbers_fail(n, "args: %s \"%s\" is not understood", key, text);
    return 0;
}

static void read_args(numbers *n, const char *op, limn_args *a)
{
    static const char *const resize[] = { "nearest", "bilinear" };
    static const char *const gan[] = { "vanilla", "lsgan", "hinge", "nonsaturating" };
    static const char *const sides[] = { "D", "G" };
    int pad = (int)numbers_number(n, "pad", 0);
    int begin = (int)numbers_number(n, "pad_begin", pad),
        end = (int)numbers_number(n, "pad_end", pad);

    a->pad_top = a->pad_left = begin;
    a->pad_bottom = a->pad_right = end;
    a->kernel_h = a->kernel_w = (int)numbers_number(n, "kernel", 0);
    a->stride = (int)numbers_number(n, "stride", 1);
    a->groups = (int)numbers_number(n, "groups", 1);
    a->output_pad = (int)numbers_number(n, "output_pad", 0);
    a->slope = (float)numbers_number(n, "slope", 0);
    a->eps = (float)numbers_number(n, "eps", 0);
    a->momentum = (float)numbers_number(n, "momentum", 0.1);
    a->probability = (float)numbers_number(n, "p", 0);
    a->temperature = (float)numbers_number(n, "temperature", 0);
    a->training = numbers_flag(n, "training", !strcmp(op, "dropout"));
    a->include_pad = numbers_flag(n, "count_include_pad", true);
    a->target = (int)numbers_number(n, "target", 0);
    a->pictures = 1;
    if (!strcmp(op, "pad")) a->mode = LIMN_PAD_REFLECT;
    if (!strcmp(op, "resize")) a->mode = choice(n, "mode", resize, 2);
    if (!strcmp(op, "gan")) {
        a->mode = choice(n, "mode", gan, 4);
        a->critic = choice(n, "side", sides, 2) == 0;
    }
    if (!strcmp(op, "blur_down")) *a = (limn_args){ .kernel_h = 3, .stride = 2 };
}

/* running_mean and running_var of the eval case are recorded in args. */
static float *from_args(numbers *n, const char *key, limn_shape *shape)
{
    json_t *list = numbers_take(n, key);
    size_t count = json_array_size(list);
    float *values = count ? limn_block(count * sizeof *values) : NULL;

    for (size_t i = 0; values && i < count; i++)
        values[i] = (float)json_number_value(json_array_get(list, i));
    *shape = (limn_shape){ 1, (int)count, 1, 1 };
    json_decref(list);
    return values;
}

/* Adam's four updates of one tensor. */
static void check_adam(numbers *n)
{
    limn_args args = { .beta1 = (float)numbers_number(n, "beta1", 0),
                       .beta2 = (float)numbers_number(n, "beta2", 0),
                       .eps = (float)numbers_number(n, "eps", 0),
                       .factor = 1 };
    float rate = (float)numbers_number(n, "lr", 0);
    limn_graph *graph = NULL;
    limn_weights *weights = NULL;
    limn_plan *plan = NULL;
    limn_error error = { 0 };
    limn_shape shape, one;
    float *grads = numbers_floats(n, "grads", &shape, false),
          *params = numbers_floats(n, "params", NULL, false);
    size_t count = (size_t)shape.c * (size_t)shape.h;
    float *got = limn_block(count * sizeof *got);
    limn_value in[4];

    if (!numbers_args_used(n) || !grads || !params || !got) goto done;
    one = (limn_shape){ 1, (int)count, 1, 1 };
    if (limn_graph_open(&graph, true, &error) || limn_weights_open(&weights, &error)) goto say;
    in[0] = limn_parameter(graph, "W", "p", one, 1, LIMN_PARAMETER_VECTOR, LIMN_INITIAL_ZERO);
    in[1] = limn_input(graph, "g", one);
    in[2] = limn_parameter(graph, "W", "m", one, 1, LIMN_PARAMETER_MOMENT, LIMN_INITIAL_ZERO);
    in[3] = limn_parameter(graph, "W", "v", one, 1, LIMN_PARAMETER_MOMENT, LIMN_INITIAL_ZERO);
    for (int i = 2; i < 4; i++) graph->parameters[graph->values[in[i]].parameter].of = 0;
    limn_node(graph, &limn_op_adam, NULL, &args, in, 4);
    if (limn_weights_add(weights, graph, &error) || limn_weights_set(weights, 0, params, &error) ||
        limn_plan_open(&plan, graph, weights, &(limn_plan_settings){ .compute = n->compute },
                       &error))
        goto say;
    for (int step = 0; step < shape.n; step++) {
        limn_moment moment = { .step = (uint64_t)step, .learning_rate = rate };
        char what[40];

        snprintf(what, sizeof what, "params[%d]", step + 1);
        if (limn_plan_feed(plan, in[1], grads + (size_t)step * count, &error) ||
            limn_plan_run(plan, &moment, &error) || limn_weights_get(weights, 0, got, &error))
            goto say;
        numbers_compare(n, what, got, params + (size_t)(step + 1) * count, NULL, count,
                        tolerance_ops);
        /* of the steps so far: float32 keeps 3e-8 of a parameter, and a step is 2e-4 */
        numbers_compare(n, what, got, params + (size_t)(step + 1) * count, params, count,
                        tolerance_weights);
    }
    goto done;
say:
    numbers_fail(n, "%s", error.text);
done:
    limn_plan_close(&plan);
    limn_weights_close(&weights);
    limn_graph_close(&graph);
    limn_block_free(grads);
    limn_block_free(params);
    limn_block_free(got);
}

typedef struct trial {
    limn_graph *graph;
    limn_weights *weights;
    limn_plan *plan;
    limn_value in[6], gradient[6], y, dy, mean, variance;
    limn_shape shape[6];
    float *values[6];
    int count;
} trial;

/* A bias' gradient is the sum of dy, and where its terms cancel float32 keeps less than its norm
 * promises: one part in ten million of the terms is open, relative to the norm of what is left. */
static double cancelled(numbers *n, const char *name, const float *reference, size_t count)
{
    double terms = 0, norm = 0;
    limn_shape shape;
    float *dy;

    if (strcmp(name, "db") || !(dy = numbers_floats(n, "dy", &shape, false))) return 0;
    for (size_t i = 0; i < limn_count(shape); i++) terms += fabs((double)dy[i]);
    for (size_t i = 0; i < count; i++) norm += (double)reference[i] * reference[i];
    limn_block_free(dy);
    return 1e-7 * terms / (double)count / (sqrt(norm / (double)count) + 1e-30);
}

static bool compare(numbers *n, trial *t, limn_value value, const char *name)
{
    limn_shape shape = limn_shape_of(t->graph, value), recorded;
    float *reference = numbers_floats(n, name, &recorded, false);
    float *got = limn_block(limn_count(shape) * sizeof *got);
    limn_error error = { 0 };
    bool fine = reference && got;

    if (fine && limn_count(shape) != limn_count(recorded)) {
        numbers_fail(n, "%s has another size than the recorded one", name);
        fine = false;
    }
    if (fine && limn_plan_read(t->plan, value, got, &error)) {
        numbers_fail(n, "%s: %s", name, error.text);
        fine = false;
    }
    if (fine)
        numbers_compare(n, name, got, reference, NULL, limn_count(shape),
                        tolerance_ops + cancelled(n, name, reference, limn_count(shape)));
    limn_block_free(reference);
    limn_block_free(got);
    return fine;
}

static limn_status build(numbers *n, trial *t, const form *f, const limn_args *given,
                         limn_error *error)
{
    const limn_op *op = limn_op_find(f->op);
    limn_args args = *given;
    limn_value of[6];
    int wanted = 0, updated = 0;

    if (!strcmp(f->op, "resize")) {
        int scale = (int)numbers_number(n, "scale", 0);

        args.height = t->shape[0].h * scale;
        args.width = t->shape[0].w * scale;
    }
    LIMN_TRY(limn_graph_open(&t->graph, true, error));
    LIMN_TRY(limn_weights_open(&t->weights, error));
    for (int i = 0; i < t->count; i++) t->in[i] = limn_input(t->graph, f->in[i].name, t->shape[i]);
    if (!strcmp(f->op, "batchnorm") && args.training) {
        t->in[t->count] = limn_input(t->graph, "count", (limn_shape){ 1, 1, 1, 1 });
        updated = 1;
    }
    t->y = limn_node(t->graph, op, NULL, &args, t->in, t->count + updated);
    LIMN_TRY(limn_graph_status(t->graph, error));
    t->dy = -1;
    if (limn_count(limn_shape_of(t->graph, t->y)) > 1 || numbers_has(n, "dy"))
        t->dy = limn_input(t->graph, "dy", limn_shape_of(t->graph, t->y));
    limn_report(t->graph, "y", t->y);
    if (updated) {
        limn_report(t->graph, "running_mean", limn_output_of(t->graph, t->y, 3));
        limn_report(t->graph, "running_var", limn_output_of(t->graph, t->y, 4));
    }
    for (int i = 0; i < t->count; i++)
        if (f->in[i].gradient) of[wanted++] = t->in[i];
    LIMN_TRY(limn_gradient(t->graph, t->y, t->dy, of, wanted, t->gradient, error));
    for (int i = 0; i < wanted; i++) limn_report(t->graph, "gradient", t->gradient[i]);
    LIMN_TRY(limn_plan_open(&t->plan, t->graph, t->weights,
                            &(limn_plan_settings){ .compute = n->compute, .guards = true }, error));
    for (int i = 0; i < t->count; i++)
        LIMN_TRY(limn_plan_feed(t->plan, t->in[i], t->values[i], error));
    if (updated) LIMN_TRY(limn_plan_feed(t->plan, t->in[t->count], &(float){ 0 }, error));
    return LIMN_OK;
}

static limn_status run(numbers *n, trial *t, limn_error *error)
{
    if (t->dy >= 0) {
        float *dy = numbers_floats(n, "dy", NULL, false);
        limn_status status = dy ? limn_plan_feed(t->plan, t->dy, dy, error)
                                : limn_fail(error, LIMN_FORMAT, "dy is missing");

        limn_block_free(dy);
        LIMN_TRY(status);
    }
    return limn_plan_run(t->plan, &(limn_moment){ 0 }, error);
}

/* Every recorded tensor must have been an input, dy, or compared. */
static void check_tensors(numbers *n, const form *f)
{
    static const char *const others[] = { "y", "dy", "running_mean_after", "running_var_after" };

    for (size_t i = 0; i < limn_safetensors_count(n->file); i++) {
        const char *name = limn_safetensors_at(n->file, i)->name;
        bool known = false;

        for (int k = 0; k < 4; k++) known |= !strcmp(name, others[k]);
        for (int k = 0; k < 6 && f->in[k].name; k++) {
            known |= !strcmp(name, f->in[k].name);
            known |= f->in[k].gradient && !strcmp(name, f->in[k].gradient);
        }
        if (!known) numbers_fail(n, "the recorded tensor %s is not understood", name);
    }
}

void numbers_check_op(numbers *n)
{
    const char *op = numbers_text(n, "op", "");
    const form *f = NULL;
    limn_args args = { 0 };
    limn_error error = { 0 };
    trial t = { 0 };
    int wanted = 0;

    if (!strcmp(op, "adam")) {
        check_adam(n);
        return;
    }
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (!strcmp(forms[i].recorded, op)) f = &forms[i];
    if (!f) {
        numbers_fail(n, "args: operation \"%s\" is not understood", op);
        return;
    }
    read_args(n, f->op, &args);
    check_tensors(n, f);
    for (; f->in[t.count].name; t.count++) {
        const source *in = &f->in[t.count];

        if (in->optional && !numbers_has(n, in->name)) break;
        t.values[t.count] = numbers_has(n, in->name)
                                ? numbers_floats(n, in->name, &t.shape[t.count], false)
                                : from_args(n, in->name, &t.shape[t.count]);
        if (!t.values[t.count]) {
            numbers_fail(n, "tensor %s is missing", in->name);
            goto done;
        }
    }
    if (build(n, &t, f, &args, &error)) {
        numbers_fail(n, "%s", error.text);
        goto done;
    }
    if (!numbers_args_used(n)) goto done;
    if (run(n, &t, &error)) {
        numbers_fail(n, "%s", error.text);
        goto done;
    }
    compare(n, &t, t.y, "y");
    for (int i = 0; i < t.count; i++)
        if (f->in[i].gradient) compare(n, &t, t.gradient[wanted++], f->in[i].gradient);
    if (numbers_has(n, "running_mean_after")) {
        compare(n, &t, limn_output_of(t.graph, t.y, 3), "running_mean_after");
        compare(n, &t, limn_output_of(t.graph, t.y, 4), "running_var_after");
    }
    if (n->compute != LIMN_COMPUTE_PLAIN && limn_plan_about(t.plan).reference_convolutions)
        numbers_fail(n, "runs on reference code");
done:
    limn_plan_close(&t.plan);
    limn_weights_close(&t.weights);
    limn_graph_close(&t.graph);
    for (int i = 0; i < 6; i++) limn_block_free(t.values[i]);
}
