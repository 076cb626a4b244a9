/* SPDX-License-Identifier: Apache-2.0
 *
 * Recipes: what a training step computes.
 *
 * A recipe is one short file that writes the whole step down as a graph: forward passes, losses,
 * where the gradient stops, which networks are updated and when.  Nothing else in the program knows
 * which recipe runs; adding one touches its file and the list in recipes.c. */
#ifndef LIMN_RECIPE_RECIPE_H
#define LIMN_RECIPE_RECIPE_H

#include "zoo/zoo.h"

enum { LIMN_NCE_LAYERS_MAX = 16 };

typedef struct limn_recipe_settings {
    limn_network generator, critic; /* channels are those of A to B; recipes derive the rest */
    int batch, height, width;       /* of the pictures that are fed */
    limn_gan_mode gan_mode;
    limn_adam adam;
    float lambda_L1;                           /* pix2pix */
    float lambda_A, lambda_B, lambda_identity; /* cycle_gan */
    int pool_size;                             /* cycle_gan */
    float lambda_NCE, nce_T;                   /* cut */
    bool nce_idt;
    int nce_layers[LIMN_NCE_LAYERS_MAX], nce_layer_count, netF_nc, num_patches;
} limn_recipe_settings;

typedef struct limn_recipe {
    const char *name; /* as users give it: --model pix2pix */
    const char *does;
    const char *networks;   /* all that it trains, in the order of their files: "G D" */
    const char *generators; /* those that translate: "G", "G_A G_B" */
    bool unpaired;          /* A and B are two sets of pictures, not pairs */
    const limn_recipe_settings *defaults;
    /* Writes one training step.  Inputs are named real_A and real_B (and patch_ids_N: F32
     * positions, one row a picture); losses and pictures are reported under the names that people
     * know. */
    void (*step)(limn_graph *graph, const limn_recipe_settings *settings);
} limn_recipe;

extern const limn_recipe *const limn_recipes[]; /* ends with NULL */
const limn_recipe *limn_recipe_find(const char *name);

/* ---- Words that the recipes are written in -----------------------------------------------------
 */

enum { LIMN_FAKE = 0, LIMN_REAL = 1 };
enum { LIMN_FOR_GENERATOR = 0, LIMN_FOR_CRITIC = 1 };

limn_value limn_concat(limn_graph *g, limn_value first, limn_value second);
limn_value limn_stop(limn_graph *g, limn_value x); /* x, through which no gradient passes */
/* x with some pictures replaced by those of earlier steps, of which `capacity` are kept under that
 * name; 0: x itself, stopped. */
limn_value limn_pool(limn_graph *g, const char *name, limn_value x, int capacity);
limn_value limn_sum(limn_graph *g, limn_value first, limn_value second);
limn_value limn_scale(limn_graph *g, limn_value x, float factor);
/* mean |a - b| */
limn_value limn_l1(limn_graph *g, limn_value a, limn_value b);
/* The critic's verdict against what it should be, or (for the generator) what it should be taken
 * for. */
limn_value limn_gan_loss(limn_graph *g, limn_gan_mode mode, limn_value verdict, int target,
                         int side);
/* Rows (n * patches, c, 1, 1) of a feature map at positions; PatchNCE of query rows against key
 * rows (Oord et al. 2018; Park et al. 2020, equation 1), pictures apart. */
limn_value limn_gather(limn_graph *g, limn_value map, limn_value positions);
limn_value limn_patch_nce(limn_graph *g, limn_value query, limn_value key, int pictures,
                          float temperature);

#endif
