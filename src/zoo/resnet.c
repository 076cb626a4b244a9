/* SPDX-License-Identifier: Apache-2.0
 *
 * The ResNet generator (Johnson et al. 2016; CycleGAN, Zhu et al. 2017, 7.1): a 7x7 convolution,
 * two halvings, a number of residual blocks, two doublings, a 7x7 convolution; reflection padding.
 *
 * With antialias the halvings are convolutions of stride 1 followed by a blur that subsamples, with
 * antialias_up the doublings are a blurring upsampling followed by a convolution (Zhang 2019), as
 * CUT's networks have them (Park et al. 2020).  Layer numbers follow PyTorch's Sequential, because
 * parameters and CUT's feature layers are named by them. */
#include "zoo/networks.h"
#include <stdio.h>

typedef struct sequence {
    const limn_build *b;
    const limn_taps *taps;
    int index; /* of the next module */
    char text[LIMN_LAYER_NAME];
} sequence;

static const char *layer(sequence *s)
{
    return limn_layer_name(s->text, "model", s->index);
}

/* x is what module s->index gives; hidden modules behind it work in place on the same value. */
static limn_value done(sequence *s, limn_value x, int hidden)
{
    for (int i = 0; s->taps && i < s->taps->count; i++)
        if (s->taps->layers[i] >= s->index && s->taps->layers[i] <= s->index + hidden)
            s->taps->values[i] = x;
    s->index += 1 + hidden;
    return x;
}

static limn_value norm_relu(sequence *s, limn_value x)
{
    x = limn_layer_norm(s->b, layer(s), x);
    return done(s, limn_layer_relu(s->b, x), 1);
}

static limn_value residual(sequence *s, limn_value x)
{
    const limn_build *b = s->b;
    int c = limn_shape_of(b->graph, x).c, at = 1, zeros = b->network->zero_block_padding;
    bool bias = limn_layer_bias(b);
    limn_value inner = limn_layer_reflect(b, x, 1 - zeros);
    char path[64], text[LIMN_LAYER_NAME];

    snprintf(path, sizeof path, "model.%d.conv_block", s->index);
    inner = limn_layer_conv(b, limn_layer_name(text, path, at), inner, c, 3, 1, zeros, bias);
    inner = limn_layer_norm(b, limn_layer_name(text, path, at + 1), inner);
    inner = limn_layer_relu(b, inner);
    inner = limn_layer_dropout(b, inner);
    at += 4 + b->network->dropout; /* dropout has a number also where it does nothing */
    inner = limn_layer_reflect(b, inner, 1 - zeros);
    inner = limn_layer_conv(b, limn_layer_name(text, path, at), inner, c, 3, 1, zeros, bias);
    inner = limn_layer_norm(b, limn_layer_name(text, path, at + 1), inner);
    return done(s, limn_layer_add(b, x, inner), 0);
}

limn_value limn_resnet(const limn_build *b, int blocks, limn_value x, const limn_taps *taps)
{
    sequence s = { .b = b, .taps = taps };
    int filters = b->network->filters, zeros = b->network->zero_padding ? 3 : 0;
    bool bias = limn_layer_bias(b);

    if (blocks < 1 || blocks > 64)
        return limn_graph_fail(b->graph, LIMN_SETTING, "%s: a ResNet has 1 to 64 blocks",
                               b->network->net);
    x = done(&s, limn_layer_reflect(b, x, 3 - zeros), 0); /* has a number also where it is not */
    x = done(&s, limn_layer_conv(b, layer(&s), x, filters, 7, 1, zeros, bias), 0);
    x = norm_relu(&s, x);
    for (int k = 2; k <= 4; k *= 2) {
        x = done(&s,
                 limn_layer_conv(b, layer(&s), x, filters * k, 3, b->network->antialias ? 1 : 2, 1,
                                 bias),
                 0);
        x = norm_relu(&s, x);
        if (b->network->antialias) x = done(&s, limn_layer_blur_down(b, x), 0);
    }
    for (int i = 0; i < blocks; i++) x = residual(&s, x);
    for (int k = 2; k >= 1; k /= 2) {
        if (b->network->antialias_up) {
            x = done(&s, limn_layer_blur_up(b, x), 0);
            x = done(&s, limn_layer_conv(b, layer(&s), x, filters * k, 3, 1, 1, bias), 0);
        } else {
            x = done(&s, limn_layer_deconv(b, layer(&s), x, filters * k, 3, 2, 1, 1, bias), 0);
        }
        x = norm_relu(&s, x);
    }
    x = done(&s, limn_layer_reflect(b, x, 3 - zeros), 0);
    x = done(&s, limn_layer_conv(b, layer(&s), x, b->network->output_nc, 7, 1, zeros, true), 0);
    return done(&s, limn_layer_tanh(b, x), 0);
}
