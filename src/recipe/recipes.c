/* SPDX-License-Identifier: Apache-2.0
 *
 * Finds recipes.  The list itself stands in meson.build beside this file, which also compiles what
 * is in it: X(pix2pix)X(cycle_gan)... */
#include "recipe/recipe.h"

#include <stdio.h>
#include <string.h>

#define X(name) extern const limn_recipe limn_recipe_##name;
LIMN_RECIPES
#undef X

const limn_recipe *const limn_recipes[] = {
#define X(name) &limn_recipe_##name,
    LIMN_RECIPES
#undef X
        NULL
};

const limn_recipe *limn_recipe_find(const char *name)
{
    for (int i = 0; limn_recipes[i]; i++)
        if (!strcmp(limn_recipes[i]->name, name)) return limn_recipes[i];
    return NULL;
}

const char *limn_recipe_names(char *text, size_t size, const char *between)
{
    size_t used = 0;

    text[0] = 0;
    for (int i = 0; limn_recipes[i] && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? between : "",
                                 limn_recipes[i]->name);
    return text;
}

limn_recipe_settings limn_recipe_defaults(const limn_recipe *recipe)
{
    limn_recipe_settings settings = *recipe->defaults;

    if (recipe->terms) memcpy(&settings.terms, recipe->terms, recipe->terms_bytes);
    return settings;
}
