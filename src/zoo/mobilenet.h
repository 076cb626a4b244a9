/* SPDX-License-Identifier: Apache-2.0
 *
 * MobileNetV2, a classifier (Sandler et al. 2018, table 2): what src/screen/ judges pictures with.
 *
 * It has a header of its own because it is no choice of anybody's: `limn_apply` finds generators
 * and critics by a name that a user may give, and this is not one of them. */
#ifndef LIMN_ZOO_MOBILENET_H
#define LIMN_ZOO_MOBILENET_H

#include "zoo/zoo.h"

enum { LIMN_MOBILENET_DENSE_MAX = 4, LIMN_MOBILENET_BLOCKS = 17 };

typedef struct limn_mobilenet_settings {
    float width;  /* factor on the paper's channel counts, each rounded to a multiple of 8; above 1
                     on the last convolution's 1280 too */
    int multiple; /* the blocks' outputs are widened to a multiple of this by channels that are to
                     be filled with zeros, so that maps can be cut in whole vectors; 0: not */
    int dense[LIMN_MOBILENET_DENSE_MAX]; /* outputs of the dense layers behind the pooling; the last
                                            one is the number of classes; ends with 0 */
} limn_mobilenet_settings;

/* Applies the network to x (n, 3, h, w), in whatever range its weights were trained on.  Gives the
 * classes' probabilities (n, classes, 1, 1), which sum to 1.
 *
 * Parameters: NAME.stem, NAME.blocks.K.expand (not of block 0), .depthwise, .project, NAME.head,
 * NAME.dense.K; each with .weight (out, in / groups, kernel, kernel) and .bias: batch norms are
 * folded into both by whoever loads them.
 *
 * taps may be NULL.  Layer 0 is the stem after its ReLU6, 1 to 17 the output of blocks 0 to 16, 18
 * the pooled features. */
limn_value limn_mobilenet(limn_graph *graph, const char *name,
                          const limn_mobilenet_settings *settings, limn_value x,
                          const limn_taps *taps);

#endif
