/* SPDX-License-Identifier: Apache-2.0
 *
 * Small model files, made here: weights written by hand so that what comes out is known.
 *
 * A ResNet without norms that gives back what it is given: the first layer shifts to 0..2, the two
 * that halve move pixels into channels (a kernel of 3 with stride 2 reaches the pixels at 0 and
 * +1), the block adds nothing, the two that double move them back, and four pieces of ReLU a colour
 * bend the values so that the tanh at the end nearly undoes itself.  tiny_expected() is the exact
 * function, for those who compare numbers. */
#ifndef LIMN_TESTS_TINY_MODEL_H
#define LIMN_TESTS_TINY_MODEL_H

#include "model/model.h"

#include <math.h>
#include <string.h>

enum { TINY_PIECES = 4 };

/* How a network answers. */
typedef enum tiny_kind {
    TINY_SAME,    /* y = x, nearly */
    TINY_INVERSE, /* y = -x, nearly */
    TINY_RANDOM,  /* drawn */
} tiny_kind;

/* Knots, and the slope that each adds, of a function through (0, -2.09), (0.2, -1.1), (1, 0), (1.8,
 * 1.1), (2, 2.09): atanh of x = u - 1. */
static const float tiny_knots[TINY_PIECES] = { 0, 0.2f, 1.8f, 2 };
static const float tiny_slopes[TINY_PIECES] = { 4.95f, 1.375f - 4.95f, 4.95f - 1.375f, 0 };
static const float tiny_base = -2.09f;

static inline double tiny_expected(double x)
{
    double y = (double)tiny_base;

    for (int i = 0; i < TINY_PIECES; i++)
        y += (double)tiny_slopes[i] * fmax(x + 1 - (double)tiny_knots[i], 0);
    return tanh(y);
}

/* Weight [o][i][y][x] of k x k. */
static inline float *tiny_at(float *w, int inputs, int k, int o, int i, int y, int x)
{
    return &w[((o * inputs + i) * k + y) * k + x];
}

/* Layer number 0.. of the weights with four dimensions. */
static inline void tiny_weight(float *w, limn_shape s, int layer, int colours, float sign)
{
    switch (layer) {
    case 0: /* 7 x 7 */
        for (int c = 0; c < colours; c++) *tiny_at(w, s.c, 7, c, c, 3, 3) = 1;
        break;
    case 1: /* pixels into channels: channel 4 c + 2 y + x */
    case 2:
        for (int c = 0; c < (layer == 1 ? colours : 4 * colours); c++)
            for (int p = 0; p < 4; p++) *tiny_at(w, s.c, 3, 4 * c + p, c, 1 + p / 2, 1 + p % 2) = 1;
        break;
    case 5: /* channels into pixels; weights are (in, out, y, x) */
        for (int c = 0; c < 4 * colours; c++)
            for (int p = 0; p < 4; p++) *tiny_at(w, s.c, 3, 4 * c + p, c, 1 + p / 2, 1 + p % 2) = 1;
        break;
    case 6: /* and each colour into its pieces */
        for (int c = 0; c < colours; c++)
            for (int p = 0; p < 4; p++)
                for (int piece = 0; piece < TINY_PIECES; piece++)
                    *tiny_at(w, s.c, 3, 4 * c + p, TINY_PIECES * c + piece, 1 + p / 2,
                             1 + p % 2) = 1;
        break;
    case 7:
        for (int c = 0; c < colours; c++)
            for (int piece = 0; piece < TINY_PIECES; piece++)
                *tiny_at(w, s.c, 7, c, TINY_PIECES * c + piece, 3, 3) = sign * tiny_slopes[piece];
        break;
    default: /* the block adds nothing */
        break;
    }
}

static inline void tiny_bias(float *w, int count, int layer, float sign)
{
    for (int i = 0; i < count; i++)
        w[i] = layer == 0   ? 1
               : layer == 6 ? -tiny_knots[i % TINY_PIECES]
               : layer == 7 ? sign * tiny_base
                            : 0;
}

/* The network of a tiny model: `colours` channels in and out. */
static inline limn_network tiny_network(int colours)
{
    return (limn_network){ .net = "resnet_1blocks",
                           .input_nc = colours,
                           .output_nc = colours,
                           .filters = TINY_PIECES * colours,
                           .norm = LIMN_NORM_NONE };
}

/* Fills the weights of the network called name. */
static inline limn_status tiny_fill(limn_weights *weights, const char *name, int colours,
                                    tiny_kind kind, limn_error *error)
{
    float sign = kind == TINY_INVERSE ? -1 : 1;
    int layer = -1;

    if (kind == TINY_RANDOM) return limn_weights_initial(weights, name, 7, 0.05f, error);
    for (int i = 0; i < limn_weights_count(weights); i++) {
        const limn_parameter_info *info = limn_weights_at(weights, i);
        size_t count = limn_count(info->shape);
        float *w;

        if (strcmp(info->network, name) != 0) continue;
        if (!(w = limn_block(count * sizeof *w))) return LIMN_NO_MEMORY;
        memset(w, 0, count * sizeof *w);
        if (info->dims == 4)
            tiny_weight(w, info->shape, ++layer, colours, sign);
        else
            tiny_bias(w, (int)count, layer, sign);
        LIMN_TRY(limn_weights_set(weights, i, w, error));
        limn_block_free(w);
    }
    return LIMN_OK;
}

/* Writes a model file of the card's networks, each filled by its kind. */
static inline limn_status tiny_save(const char *path, const limn_model_card *card,
                                    const tiny_kind *kinds, limn_error *error)
{
    limn_weights *weights = NULL;
    limn_graph *graph = NULL;
    limn_status status = limn_weights_open(&weights, error);

    if (!status) status = limn_graph_open(&graph, false, error);
    for (int i = 0; i < card->network_count && !status; i++) {
        const limn_model_network *n = &card->networks[i];
        int side = limn_network_multiple(n->network.net);
        limn_shape shape = { 1, n->network.input_nc, side < 32 ? 32 : side, side < 32 ? 32 : side };

        limn_apply(graph, n->name, &n->network, limn_input(graph, n->name, shape), NULL);
        status = limn_weights_add(weights, graph, error);
        if (!status) status = tiny_fill(weights, n->name, n->network.input_nc, kinds[i], error);
    }
    if (!status) status = limn_model_save(path, card, weights, NULL, error);
    limn_graph_close(&graph);
    limn_weights_close(&weights);
    return status;
}

/* The usual one: network G with so many channels. */
static inline limn_status tiny_model(const char *path, int colours, tiny_kind kind,
                                     limn_error *error)
{
    limn_model_card card = { .recipe = "pix2pix",
                             .direction = "AtoB",
                             .title = "tiny",
                             .networks = { { .name = "G", .network = tiny_network(colours) } },
                             .network_count = 1 };

    return tiny_save(path, &card, &kind, error);
}

#endif
