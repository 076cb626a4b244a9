/* SPDX-License-Identifier: Apache-2.0
 *
 * The list of recipes: the one place to touch when adding a file to recipe/. */
#include "recipe/recipe.h"
#include <string.h>

#define RECIPES(X) X(pix2pix) X(cycle_gan) X(cut)

#define X(name) extern const limn_recipe limn_recipe_##name;
RECIPES(X)
#undef X

const limn_recipe *const limn_recipes[] = {
#define X(name) &limn_recipe_##name,
    RECIPES(X)
#undef X
        NULL
};

const limn_recipe *limn_recipe_find(const char *name)
{
    for (int i = 0; limn_recipes[i]; i++)
        if (!strcmp(limn_recipes[i]->name, name)) return limn_recipes[i];
    return NULL;
}
