/* SPDX-License-Identifier: Apache-2.0
 *
 * MobileNetV2 (Sandler et al. 2018): a stem of stride 2, seventeen inverted residual blocks, a 1x1
 * convolution, the mean of each channel, dense layers.
 *
 * A block widens its input six times (1x1), filters every channel by itself (3x3, depthwise) and
 * narrows it again (1x1, without an activation: that is the paper's point); where nothing changes
 * size the input is added.  Batch norms are not here: they are constants at rest, and folding them
 * into the convolutions halves the number of steps.
 *
 * Padding is TensorFlow's "same", because the weights were trained with it: what is missing is
 * split with the larger part behind, so stride 2 on an even size pads 0 before and 1 after.
 * PyTorch's 1 and 1 would shift every map by one pixel, and the probabilities with it. */
#include "zoo/mobilenet.h"
#include "zoo/layers.h"
#include <stdio.h>

extern const limn_op limn_op_conv, limn_op_relu, limn_op_relu6, limn_op_global_avgpool,
    limn_op_softmax;

enum { EXPANSION = 6, STEM = 32, HEAD = 1280 };

/* Table 2 of the paper: channels out, how often, stride of the first.  The first row is not
 * widened. */
static const struct {
    int channels, times, stride;
} rows[] = { { 16, 1, 1 }, { 24, 2, 2 },  { 32, 3, 2 }, { 64, 4, 2 },
             { 96, 3, 1 }, { 160, 3, 2 }, { 320, 1, 1 } };

/* Scaled and rounded to a multiple of 8, but never down by more than a tenth. */
static int channels_of(int channels, float width)
{
    float wanted = (float)channels * width;
    int rounded = (int)(wanted + 4) / 8 * 8;

    if (rounded < 8) rounded = 8;
    return (float)rounded < 0.9f * wanted ? rounded + 8 : rounded;
}

static void pad_same(int size, int kernel, int stride, int *before, int *after)
{
    int missing = ((size + stride - 1) / stride - 1) * stride + kernel - size;

    if (missing < 0) missing = 0;
    *before = missing / 2;
    *after = missing - *before;
}

static limn_value simple(const limn_build *b, const limn_op *op, limn_value x)
{
    return limn_node(b->graph, op, NULL, &(limn_args){ 0 }, &x, 1);
}

static limn_value convolution(const limn_build *b, const char *layer, limn_value x, int out,
                              int kernel, int stride, int groups)
{
    limn_shape s = limn_shape_of(b->graph, x);
    limn_args args = { .stride = stride, .groups = groups };
    char name[LIMN_LAYER_NAME];
    limn_value inputs[3] = { x };

    pad_same(s.h, kernel, stride, &args.pad_top, &args.pad_bottom);
    pad_same(s.w, kernel, stride, &args.pad_left, &args.pad_right);
    snprintf(name, sizeof name, "%s.weight", layer);
    inputs[1] = limn_parameter(b->graph, b->name, name,
                               (limn_shape){ out, s.c / groups, kernel, kernel }, 4,
                               LIMN_PARAMETER_WEIGHT, LIMN_INITIAL_NORMAL);
    snprintf(name, sizeof name, "%s.bias", layer);
    inputs[2] = limn_parameter(b->graph, b->name, name, (limn_shape){ 1, out, 1, 1 }, 1,
                               LIMN_PARAMETER_VECTOR, LIMN_INITIAL_ZERO);
    return limn_node(b->graph, &limn_op_conv, layer, &args, inputs, 3);
}

/* in and out are the network's own channels; x may have more, and so may the result. */
static limn_value block(const limn_build *b, int number, limn_value x, int in, int out, int stride,
                        int multiple)
{
    int wide = number ? EXPANSION * in : in;
    char layer[LIMN_LAYER_NAME];
    limn_value y = x;

    if (number) {
        snprintf(layer, sizeof layer, "blocks.%d.expand", number);
        y = simple(b, &limn_op_relu6, convolution(b, layer, y, wide, 1, 1, 1));
    }
    snprintf(layer, sizeof layer, "blocks.%d.depthwise", number);
    y = simple(b, &limn_op_relu6, convolution(b, layer, y, wide, 3, stride, wide));
    snprintf(layer, sizeof layer, "blocks.%d.project", number);
    y = convolution(b, layer, y, (out + multiple - 1) / multiple * multiple, 1, 1, 1);
    return stride == 1 && in == out ? limn_layer_add(b, x, y) : y;
}

static limn_value tapped(const limn_taps *taps, int layer, limn_value x)
{
    for (int i = 0; taps && i < taps->count; i++)
        if (taps->layers[i] == layer) taps->values[i] = x;
    return x;
}

static limn_value features(const limn_build *b, const limn_mobilenet_settings *settings,
                           limn_value x, const limn_taps *taps)
{
    float width = settings->width;
    int multiple = settings->multiple > 0 ? settings->multiple : 1;
    int number = 0, in = channels_of(STEM, width);

    x = convolution(b, "stem", x, in, 3, 2, 1);
    x = tapped(taps, 0, simple(b, &limn_op_relu6, x));
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
        for (int i = 0; i < rows[r].times; i++, number++) {
            int out = channels_of(rows[r].channels, width);

            x = block(b, number, x, in, out, i ? 1 : rows[r].stride, multiple);
            in = out;
            tapped(taps, number + 1, x);
        }
    x = convolution(b, "head", x, width > 1 ? channels_of(HEAD, width) : HEAD, 1, 1, 1);
    x = simple(b, &limn_op_relu6, x);
    return tapped(taps, number + 1, simple(b, &limn_op_global_avgpool, x));
}

limn_value limn_mobilenet(limn_graph *graph, const char *name,
                          const limn_mobilenet_settings *settings, limn_value x,
                          const limn_taps *taps)
{
    limn_build b = { .graph = graph, .name = name };

    if (x < 0) return -1;
    if (!(settings->width > 0) || settings->width > 4)
        return limn_graph_fail(graph, LIMN_SETTING, "%s: width %g; a MobileNet has 0.1 to 4", name,
                               (double)settings->width);
    if (limn_shape_of(graph, x).c != 3)
        return limn_graph_fail(graph, LIMN_SHAPE, "%s takes 3 channels and was given %d", name,
                               limn_shape_of(graph, x).c);
    for (int i = 0; taps && i < taps->count; i++) taps->values[i] = -1;
    limn_scope_push(graph, name);
    x = features(&b, settings, x, taps);
    for (int i = 0; i < LIMN_MOBILENET_DENSE_MAX && settings->dense[i]; i++) {
        char layer[LIMN_LAYER_NAME];

        if (i) x = simple(&b, &limn_op_relu, x);
        x = limn_layer_dense(&b, limn_layer_name(layer, "dense", i), x, settings->dense[i]);
    }
    x = simple(&b, &limn_op_softmax, x);
    limn_scope_pop(graph);
    return x;
}
