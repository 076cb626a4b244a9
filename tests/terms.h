/* SPDX-License-Identifier: Apache-2.0
 *
 * A recipe's own settings from the args of a recording: numbers, flags, and lists as "0,4,8". */
#ifndef LIMN_TESTS_TERMS_H
#define LIMN_TESTS_TERMS_H

#include "recipe/recipe.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* Entries that were understood are taken out of args.  Recordings have no pool unless they say so.
 * Texts are kept until the next call. */
static inline bool terms_from(const limn_recipe *recipe, limn_recipe_settings *s, json_t *args)
{
    static char list[200];
    limn_error error = { 0 };
    bool fine = true;

    for (const limn_setting *row = recipe->rows; row && row->name; row++) {
        char key[40] = "", number[40];
        const char *text = strcmp(row->name, "pool-size") ? NULL : "0";
        json_t *value;

        for (size_t i = 0; row->name[i] && i + 1 < sizeof key; i++)
            key[i] = row->name[i] == '-' ? '_' : row->name[i];
        value = json_object_get(args, key);
        if (json_is_array(value)) {
            size_t used = 0;

            for (size_t i = 0; i < json_array_size(value) && used < sizeof list; i++)
                used += (size_t)snprintf(list + used, sizeof list - used, "%s%d", i ? "," : "",
                                         (int)json_integer_value(json_array_get(value, i)));
            text = list;
        } else if (json_is_boolean(value)) {
            text = json_is_true(value) ? "true" : "false";
        } else if (json_is_number(value)) {
            snprintf(number, sizeof number, "%.9g", json_number_value(value));
            text = number;
        }
        if (text) fine &= !limn_setting_set(recipe->rows, &s->terms, row->name, text, &error);
        json_object_del(args, key);
    }
    return fine;
}

#endif
