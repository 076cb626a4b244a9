/* SPDX-License-Identifier: Apache-2.0
 *
 * Recipes: what a training step computes.
 *
 * A recipe is one short file that writes the whole step down as a graph: forward passes, losses,
 * where the gradient stops, which networks are updated and when.  Nothing else in the program knows
 * which recipe runs; adding one touches its file and the list in meson.build (docs/recipes.md). */
#ifndef LIMN_RECIPE_RECIPE_H
#define LIMN_RECIPE_RECIPE_H

#include "base/settings.h"
#include "zoo/zoo.h"

enum { LIMN_RECIPE_TERMS_BYTES = 64 };

typedef struct limn_recipe_settings {
    limn_network generator, critic; /* channels are those of A to B; recipes derive the rest */
    int batch, height, width;       /* of the pictures that are fed */
    limn_gan_mode gan_mode;
    limn_adam adam;
    union {
        double number; /* and everything else that a setting can be */
        const char *text;
        unsigned char bytes[LIMN_RECIPE_TERMS_BYTES];
    } terms; /* a struct that the recipe's file alone knows; its rows set it */
} limn_recipe_settings;

typedef struct limn_recipe {
    const char *name; /* as users give it: --model pix2pix */
    const char *does;
    const char *networks;   /* all that it trains, in the order of their files: "G D" */
    const char *generators; /* those that translate: "G", "G_A G_B" */
    bool unpaired;          /* A and B are two sets of pictures, not pairs */
    bool colorizes;         /* plain pictures: real_A is their lightness, real_B their colour */
    const limn_recipe_settings *defaults; /* but for terms: limn_recipe_defaults has all */
    int n_epochs, n_epochs_decay;         /* as its authors train; 0: 100 */
    bool xavier;                          /* first weights by fan, not N(0, 0.02) */
    /* What only this recipe can be told: rows whose offsets lie in a struct of its own, that struct
     * with the defaults, and the names of those (separated by spaces) that say what the networks
     * are, and so can't change when a run is resumed.  NULL: none.  The command line, help, the
     * run's record and the model file take the rows from here; a name that two recipes have is one
     * setting and has one kind. */
    const limn_setting *rows;
    const void *terms;
    size_t terms_bytes;
    const char *fixed;
    /* Writes one training step.  Inputs are named real_A and real_B (and patch_ids_N: F32
     * positions, one row a picture); losses and pictures are reported under the names that people
     * know. */
    void (*step)(limn_graph *graph, const limn_recipe_settings *settings);
} limn_recipe;

extern const limn_recipe *const limn_recipes[]; /* ends with NULL */
const limn_recipe *limn_recipe_find(const char *name);
/* "pix2pix, cycle_gan, ..." with ", " between.  The text is cut where it does not fit. */
const char *limn_recipe_names(char *text, size_t size, const char *between);
/* Defaults and terms together; terms are changed by limn_setting_set(recipe->rows, &s.terms, ...).
 */
limn_recipe_settings limn_recipe_defaults(const limn_recipe *recipe);
/* For recipes: their own struct. */
static inline const void *limn_recipe_terms(const limn_recipe_settings *settings)
{
    return &settings->terms;
}

/* ---- Words that the recipes are written in -----------------------------------------------------
 */

enum { LIMN_FAKE = 0, LIMN_REAL = 1 };
enum { LIMN_FOR_GENERATOR = 0, LIMN_FOR_CRITIC = 1 };

limn_value limn_concat(limn_graph *g, limn_value first, limn_value second);
limn_value limn_stop(limn_graph *g, limn_value x); /* x, through which no gradient passes */
/* x with some pictures replaced by those of earlier steps, of which `capacity` are kept under that
 * name; 0: x itself, stopped. */
limn_value limn_pool(limn_graph *g, const char *name, limn_value x, int capacity);
/* x mirrored left to right in half of the steps: in the same ones wherever `draw` (made by
 * limn_graph_stream) is the same. */
limn_value limn_flip(limn_graph *g, limn_value x, uint32_t draw);
limn_value limn_sum(limn_graph *g, limn_value first, limn_value second);
limn_value limn_scale(limn_graph *g, limn_value x, double factor);
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
                          double temperature);

#endif
