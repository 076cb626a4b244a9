/* SPDX-License-Identifier: Apache-2.0
 *
 * The U-Net generator of pix2pix (Isola et al. 2017, 6.1.1): each level halves the picture, does
 * everything below, doubles it again and puts its own input beside the result.  unet_256 has eight
 * levels, unet_128 seven: 2 to the number of levels is what height and width must be a multiple of.
 *
 * In the original the leaky ReLU in front of a level works in place, so what is handed across is
 * leaky(x), and the ReLU above turns it into relu(leaky(x)) = relu(x).  Here the ReLU stands before
 * the concatenation, on both halves: the same numbers, and each half is written straight to its
 * place.  It stands before the level's own convolution too, so that in the backward pass the
 * convolution stores the gradient and the cheap ReLU adds to it. */
#include "zoo/layers.h"
#include "zoo/networks.h"
#include <stdio.h>

enum { DEEPEST = 12 };

static int width_of(const limn_build *b, int level)
{
    return b->network->filters * (level < 3 ? 1 << level : 8);
}

/* `path` is PyTorch's name of this level's Sequential; x the features that the level above hands
 * down (raw, before the leaky ReLU).  Gives the level's result before the ReLU, without its input.
 */
static limn_value level(const limn_build *b, const char *path, int number, int levels, limn_value x)
{
    char text[LIMN_LAYER_NAME], below[LIMN_LAYER_NAME];
    bool innermost = number == levels - 1, bias = limn_layer_bias(b);
    limn_value skip, up;

    x = limn_layer_leaky(b, x);
    skip = limn_layer_relu(b, x);
    x = limn_layer_conv(b, limn_layer_name(text, path, 1), x, width_of(b, number), 4, 2, 1, bias);
    if (innermost) {
        x = limn_layer_relu(b, x);
        x = limn_layer_deconv(b, limn_layer_name(text, path, 3), x, width_of(b, number - 1), 4, 2,
                              1, 0, bias);
        x = limn_layer_norm(b, limn_layer_name(text, path, 4), x);
    } else {
        x = limn_layer_norm(b, limn_layer_name(text, path, 2), x);
        snprintf(below, sizeof below, "%s.3.model", path);
        x = level(b, below, number + 1, levels, x);
        x = limn_layer_deconv(b, limn_layer_name(text, path, 5), x, width_of(b, number - 1), 4, 2,
                              1, 0, bias);
        x = limn_layer_norm(b, limn_layer_name(text, path, 6), x);
        /* The levels between the four outer ones and the innermost. */
        if (number >= 4) x = limn_layer_dropout(b, x);
    }
    up = limn_layer_relu(b, x);
    return limn_layer_concat(b, skip, up);
}

limn_value limn_unet(const limn_build *b, int levels, limn_value x)
{
    if (levels < 5 || levels > DEEPEST)
        return limn_graph_fail(b->graph, LIMN_SETTING,
                               "%s: a U-Net has 5 to %d levels (unet_32 to unet_%d)",
                               b->network->net, DEEPEST, 1 << DEEPEST);
    x = limn_layer_conv(b, "model.model.0", x, b->network->filters, 4, 2, 1, limn_layer_bias(b));
    x = level(b, "model.model.1.model", 1, levels, x);
    x = limn_layer_deconv(b, "model.model.3", x, b->network->output_nc, 4, 2, 1, 0, true);
    return limn_layer_tanh(b, x);
}
