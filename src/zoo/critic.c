/* SPDX-License-Identifier: Apache-2.0
 *
 * The critics (discriminators) of pix2pix: PatchGAN with any number of layers (Isola et al. 2017,
 * 6.1.2; three layers see 70x70 pixels and are called basic), and the one that sees single pixels.
 * With antialias every halving is a blur after a convolution of stride 1, as in CUT. */
#include "zoo/networks.h"

limn_value limn_patch_critic(const limn_build *b, int layers, limn_value x)
{
    int filters = b->network->filters, index = 0;
    int stride = b->network->antialias ? 1 : 2;
    bool bias = limn_layer_bias(b);
    char text[LIMN_LAYER_NAME];

    if (layers < 1 || layers > 16)
        return limn_graph_fail(b->graph, LIMN_SETTING, "n_layers_D is %d; it must be 1 to 16",
                               layers);
    x = limn_layer_leaky(b, limn_layer_conv(b, limn_layer_name(text, "model", index), x, filters, 4,
                                            stride, 1, true));
    index += 2;
    for (int i = 1; i <= layers; i++) {
        int width = filters * (i < 3 ? 1 << i : 8);

        if (b->network->antialias) {
            x = limn_layer_blur_down(b, x);
            index++;
        }
        x = limn_layer_conv(b, limn_layer_name(text, "model", index), x, width, 4,
                            i < layers ? stride : 1, 1, bias);
        x = limn_layer_norm(b, limn_layer_name(text, "model", index + 1), x);
        x = limn_layer_leaky(b, x);
        index += 3;
    }
    return limn_layer_conv(b, limn_layer_name(text, "model", index), x, 1, 4, 1, 1, true);
}

limn_value limn_pixel_critic(const limn_build *b, limn_value x)
{
    int filters = b->network->filters;
    bool bias = limn_layer_bias(b);

    x = limn_layer_leaky(b, limn_layer_conv(b, "net.0", x, filters, 1, 1, 0, true));
    x = limn_layer_conv(b, "net.2", x, filters * 2, 1, 1, 0, bias);
    x = limn_layer_leaky(b, limn_layer_norm(b, "net.3", x));
    return limn_layer_conv(b, "net.5", x, 1, 1, 1, 0, bias);
}
