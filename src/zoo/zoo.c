/* SPDX-License-Identifier: Apache-2.0
 *
 * Finds a network by its name and checks what it is applied to. */
#include "zoo/networks.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "unet_256" -> 8, "resnet_9blocks" -> 9; 0 when the name is not of that form. */
static int number_in(const char *net, const char *front, const char *back)
{
    size_t n = strlen(front);
    char *end;
    long number;

    if (strncmp(net, front, n)) return 0;
    number = strtol(net + n, &end, 10);
    return end == net + n || strcmp(end, back) || number < 1 || number > 1 << 20 ? 0 : (int)number;
}

static int unet_levels(const char *net)
{
    int size = number_in(net, "unet_", ""), levels = 0;

    while (size > 1 && size % 2 == 0) size /= 2, levels++;
    return size == 1 ? levels : 0;
}

int limn_network_multiple(const char *net)
{
    if (unet_levels(net)) return 1 << unet_levels(net);
    if (number_in(net, "resnet_", "blocks")) return 4;
    return limn_network_is_critic(net) ? 1 : 0;
}

bool limn_network_is_critic(const char *net)
{
    return !strcmp(net, "basic") || !strcmp(net, "n_layers") || !strcmp(net, "pixel");
}

limn_value limn_apply(limn_graph *graph, const char *name, const limn_network *network,
                      limn_value x, const limn_taps *taps)
{
    limn_build b = { graph, name, network };
    limn_shape s = limn_shape_of(graph, x);
    const char *net = network->net;
    int multiple = limn_network_multiple(net);
    limn_value y = -1;

    if (x < 0) return -1;
    if (!multiple)
        return limn_graph_fail(
            graph, LIMN_SETTING,
            "there is no network %s; there are unet_256, unet_128 (any power of two), "
            "resnet_9blocks, resnet_6blocks (any number), basic, n_layers and pixel",
            net);
    if (s.c != network->input_nc)
        return limn_graph_fail(graph, LIMN_SHAPE, "%s (%s) takes %d channels and was given %d",
                               name, net, network->input_nc, s.c);
    if (s.h % multiple || s.w % multiple)
        return limn_graph_fail(
            graph, LIMN_SHAPE,
            "%s (%s) takes heights and widths that are multiples of %d, not %d x %d "
            "(height x width)",
            name, net, multiple, s.h, s.w);
    if (network->filters < 1)
        return limn_graph_fail(graph, LIMN_SETTING, "%s (%s) has %d filters; it needs at least 1",
                               name, net, network->filters);
    for (int i = 0; taps && i < taps->count; i++) taps->values[i] = -1;
    limn_scope_push(graph, name);
    if (unet_levels(net))
        y = limn_unet(&b, unet_levels(net), x);
    else if (number_in(net, "resnet_", "blocks"))
        y = limn_resnet(&b, number_in(net, "resnet_", "blocks"), x, taps);
    else if (!strcmp(net, "pixel"))
        y = limn_pixel_critic(&b, x);
    else
        y = limn_patch_critic(&b, strcmp(net, "basic") ? network->layers : 3, x);
    limn_scope_pop(graph);
    for (int i = 0; y >= 0 && taps && i < taps->count; i++)
        if (taps->values[i] < 0)
            return limn_graph_fail(graph, LIMN_SETTING,
                                   "%s (%s) has no layer %d to take features from", name, net,
                                   taps->layers[i]);
    return y;
}

limn_value limn_apply_mlp(limn_graph *graph, const char *name, const char *prefix, limn_value rows,
                          int out)
{
    limn_network none = { .net = "mlp", .norm = LIMN_NORM_NONE };
    limn_build b = { graph, name, &none };
    char layer[64];

    limn_scope_push(graph, name);
    snprintf(layer, sizeof layer, "%s.0", prefix);
    rows = limn_layer_relu(&b, limn_layer_dense(&b, layer, rows, out));
    snprintf(layer, sizeof layer, "%s.2", prefix);
    rows = limn_layer_dense(&b, layer, rows, out);
    limn_scope_pop(graph);
    return rows;
}
