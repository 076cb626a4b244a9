/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers: see layers.h. */
#include "zoo/layers.h"
#include <stdio.h>

extern const limn_op limn_op_conv, limn_op_deconv, limn_op_dense, limn_op_batchnorm,
    limn_op_instancenorm, limn_op_leaky, limn_op_relu, limn_op_tanh, limn_op_dropout, limn_op_pad,
    limn_op_concat, limn_op_add, limn_op_blur_down, limn_op_blur_up;

const char *limn_layer_name(char text[LIMN_LAYER_NAME], const char *path, int index)
{
    snprintf(text, LIMN_LAYER_NAME, "%s.%d", path, index);
    return text;
}

static limn_value parameter(const limn_build *b, const char *layer, const char *what,
                            limn_shape shape, int dims, limn_parameter_kind kind,
                            limn_initial initial)
{
    char name[LIMN_LAYER_NAME + 32];

    snprintf(name, sizeof name, "%s.%s", layer, what);
    return limn_parameter(b->graph, b->name, name, shape, dims, kind, initial);
}

static limn_value vector(const limn_build *b, const char *layer, const char *what, int channels,
                         limn_parameter_kind kind, limn_initial initial)
{
    return parameter(b, layer, what, (limn_shape){ 1, channels, 1, 1 }, 1, kind, initial);
}

/* One input, no parameters. */
static limn_value simple(const limn_build *b, const limn_op *op, limn_value x, limn_args args)
{
    return limn_node(b->graph, op, NULL, &args, &x, 1);
}

limn_value limn_layer_conv(const limn_build *b, const char *layer, limn_value x, int out,
                           int kernel, int stride, int pad, bool bias)
{
    limn_shape shape = { out, limn_shape_of(b->graph, x).c, kernel, kernel };
    limn_args args = {
        .stride = stride, .pad_top = pad, .pad_left = pad, .pad_bottom = pad, .pad_right = pad
    };
    limn_value inputs[3] = {
        x, parameter(b, layer, "weight", shape, 4, LIMN_PARAMETER_WEIGHT, LIMN_INITIAL_NORMAL), -1
    };

    if (bias) inputs[2] = vector(b, layer, "bias", out, LIMN_PARAMETER_VECTOR, LIMN_INITIAL_ZERO);
    return limn_node(b->graph, &limn_op_conv, layer, &args, inputs, 2 + bias);
}

limn_value limn_layer_deconv(const limn_build *b, const char *layer, limn_value x, int out,
                             int kernel, int stride, int pad, int output_pad, bool bias)
{
    limn_shape shape = { limn_shape_of(b->graph, x).c, out, kernel, kernel };
    limn_args args = { .stride = stride,
                       .pad_top = pad,
                       .pad_left = pad,
                       .pad_bottom = pad,
                       .pad_right = pad,
                       .output_pad = output_pad };
    limn_value inputs[3] = {
        x, parameter(b, layer, "weight", shape, 4, LIMN_PARAMETER_WEIGHT, LIMN_INITIAL_NORMAL), -1
    };

    limn_parameter_transposed(b->graph, inputs[1]);
    if (bias) inputs[2] = vector(b, layer, "bias", out, LIMN_PARAMETER_VECTOR, LIMN_INITIAL_ZERO);
    return limn_node(b->graph, &limn_op_deconv, layer, &args, inputs, 2 + bias);
}

limn_value limn_layer_dense(const limn_build *b, const char *layer, limn_value x, int out)
{
    limn_shape shape = { out, limn_shape_of(b->graph, x).c, 1, 1 };
    limn_value inputs[3] = {
        x, parameter(b, layer, "weight", shape, 2, LIMN_PARAMETER_WEIGHT, LIMN_INITIAL_NORMAL),
        vector(b, layer, "bias", out, LIMN_PARAMETER_VECTOR, LIMN_INITIAL_ZERO)
    };

    return limn_node(b->graph, &limn_op_dense, layer, &(limn_args){ 0 }, inputs, 3);
}

bool limn_layer_bias(const limn_build *b)
{
    return b->network->norm != LIMN_NORM_BATCH || b->network->bias;
}

/* Batch norm: training updates the running statistics; translating uses them, or the picture's own
 * where the model's author wants that (the original project's default at test time). */
static limn_value batch_norm(const limn_build *b, const char *layer, limn_value x)
{
    int c = limn_shape_of(b->graph, x).c;
    bool training = limn_graph_is_training(b->graph);
    limn_args args = { .training = training || b->network->picture_statistics,
                       .momentum = 0.1f,
                       .eps = 1e-5f };
    limn_value inputs[6] = {
        x,
        vector(b, layer, "weight", c, LIMN_PARAMETER_VECTOR, LIMN_INITIAL_NORMAL_ONE),
        vector(b, layer, "bias", c, LIMN_PARAMETER_VECTOR, LIMN_INITIAL_ZERO),
        vector(b, layer, "running_mean", c, LIMN_PARAMETER_STATE, LIMN_INITIAL_ZERO),
        vector(b, layer, "running_var", c, LIMN_PARAMETER_STATE, LIMN_INITIAL_ONE),
        parameter(b, layer, "num_batches_tracked", (limn_shape){ 1, 1, 1, 1 }, 0,
                  LIMN_PARAMETER_COUNT, LIMN_INITIAL_ZERO),
    };

    return limn_node(b->graph, &limn_op_batchnorm, layer, &args, inputs,
                     training && !limn_graph_repeats(b->graph, x) ? 6
                     : args.training                              ? 3
                                                                  : 5);
}

limn_value limn_layer_norm(const limn_build *b, const char *layer, limn_value x)
{
    int c = limn_shape_of(b->graph, x).c;
    limn_value inputs[3] = { x, -1, -1 };

    if (b->network->norm == LIMN_NORM_BATCH) return batch_norm(b, layer, x);
    if (b->network->norm == LIMN_NORM_NONE) return x;
    if (b->network->affine) {
        inputs[1] = vector(b, layer, "weight", c, LIMN_PARAMETER_VECTOR, LIMN_INITIAL_NORMAL_ONE);
        inputs[2] = vector(b, layer, "bias", c, LIMN_PARAMETER_VECTOR, LIMN_INITIAL_ZERO);
    }
    return limn_node(b->graph, &limn_op_instancenorm, layer, &(limn_args){ .eps = 1e-5f }, inputs,
                     b->network->affine ? 3 : 1);
}

limn_value limn_layer_leaky(const limn_build *b, limn_value x)
{
    return simple(b, &limn_op_leaky, x, (limn_args){ .slope = 0.2f });
}

limn_value limn_layer_relu(const limn_build *b, limn_value x)
{
    return simple(b, &limn_op_relu, x, (limn_args){ 0 });
}

limn_value limn_layer_tanh(const limn_build *b, limn_value x)
{
    return simple(b, &limn_op_tanh, x, (limn_args){ 0 });
}

limn_value limn_layer_dropout(const limn_build *b, limn_value x)
{
    limn_args args = { .probability = 0.5f, .training = true };

    if (!b->network->dropout) return x;
    if (!limn_graph_is_training(b->graph) && !b->network->dropout_stays) return x;
    args.stream = limn_graph_stream(b->graph);
    return simple(b, &limn_op_dropout, x, args);
}

limn_value limn_layer_reflect(const limn_build *b, limn_value x, int pad)
{
    if (!pad) return x;
    return simple(b, &limn_op_pad, x,
                  (limn_args){ .mode = LIMN_PAD_REFLECT,
                               .pad_top = pad,
                               .pad_left = pad,
                               .pad_bottom = pad,
                               .pad_right = pad });
}

limn_value limn_layer_concat(const limn_build *b, limn_value first, limn_value second)
{
    limn_value inputs[2] = { first, second };

    return limn_node(b->graph, &limn_op_concat, NULL, &(limn_args){ 0 }, inputs, 2);
}

limn_value limn_layer_add(const limn_build *b, limn_value first, limn_value second)
{
    limn_value inputs[2] = { first, second };

    return limn_node(b->graph, &limn_op_add, NULL, &(limn_args){ 0 }, inputs, 2);
}

limn_value limn_layer_blur_down(const limn_build *b, limn_value x)
{
    return simple(b, &limn_op_blur_down, x, (limn_args){ .kernel_h = 3, .stride = 2 });
}

limn_value limn_layer_blur_up(const limn_build *b, limn_value x)
{
    return simple(b, &limn_op_blur_up, x, (limn_args){ .kernel_h = 4, .stride = 2 });
}
