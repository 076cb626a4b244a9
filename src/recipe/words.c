/* SPDX-License-Identifier: Apache-2.0
 *
 * The words that recipes are written in: one node each. */
#include "recipe/recipe.h"
#include <stdio.h>

extern const limn_op limn_op_concat, limn_op_stop, limn_op_add, limn_op_scale, limn_op_l1,
    limn_op_flip, limn_op_gan, limn_op_gather, limn_op_patchnce, limn_op_pool;

static limn_value two(limn_graph *g, const limn_op *op, limn_value first, limn_value second,
                      limn_args args)
{
    limn_value inputs[2] = { first, second };

    return limn_node(g, op, NULL, &args, inputs, 2);
}

limn_value limn_concat(limn_graph *g, limn_value first, limn_value second)
{
    return two(g, &limn_op_concat, first, second, (limn_args){ 0 });
}

limn_value limn_stop(limn_graph *g, limn_value x)
{
    return limn_node(g, &limn_op_stop, NULL, &(limn_args){ 0 }, &x, 1);
}

limn_value limn_pool(limn_graph *g, const char *name, limn_value x, int capacity)
{
    limn_shape shape = limn_shape_of(g, x);
    limn_args args = { .stream = limn_graph_stream(g) };
    limn_value inputs[3] = { limn_stop(g, x), -1, -1 };
    char count[64];

    if (capacity <= 0) return inputs[0];
    if (limn_graph_repeats(g, x))
        return limn_graph_fail(g, LIMN_BUG, "the pool %s would be filled twice in a step", name);
    shape.n = capacity;
    snprintf(count, sizeof count, "%s.count", name);
    inputs[1] = limn_parameter(g, "pool", name, shape, 4, LIMN_PARAMETER_STATE, LIMN_INITIAL_ZERO);
    inputs[2] = limn_parameter(g, "pool", count, (limn_shape){ 1, 1, 1, 1 }, 0,
                               LIMN_PARAMETER_COUNT, LIMN_INITIAL_ZERO);
    return limn_node(g, &limn_op_pool, name, &args, inputs, 3);
}

limn_value limn_flip(limn_graph *g, limn_value x, uint32_t draw)
{
    limn_args args = { .stream = draw, .probability = 0.5f };

    return limn_node(g, &limn_op_flip, NULL, &args, &x, 1);
}

limn_value limn_sum(limn_graph *g, limn_value first, limn_value second)
{
    return two(g, &limn_op_add, first, second, (limn_args){ 0 });
}

limn_value limn_scale(limn_graph *g, limn_value x, double factor)
{
    return limn_node(g, &limn_op_scale, NULL, &(limn_args){ .factor = (float)factor }, &x, 1);
}

limn_value limn_l1(limn_graph *g, limn_value a, limn_value b)
{
    return two(g, &limn_op_l1, a, b, (limn_args){ 0 });
}

limn_value limn_gan_loss(limn_graph *g, limn_gan_mode mode, limn_value verdict, int target,
                         int side)
{
    limn_args args = { .mode = (int)mode, .target = target, .critic = side == LIMN_FOR_CRITIC };

    return limn_node(g, &limn_op_gan, NULL, &args, &verdict, 1);
}

limn_value limn_gather(limn_graph *g, limn_value map, limn_value positions)
{
    return two(g, &limn_op_gather, map, positions, (limn_args){ 0 });
}

limn_value limn_patch_nce(limn_graph *g, limn_value query, limn_value key, int pictures,
                          double temperature)
{
    return two(g, &limn_op_patchnce, query, key,
               (limn_args){ .pictures = pictures, .temperature = (float)temperature });
}
