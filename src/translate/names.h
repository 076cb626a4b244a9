/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside src/translate: which pictures are meant, and where each one goes.
 *
 * All of it is settled before the first picture is computed: a name that two pictures would be
 * written to, an output that is an input, a format that cannot carry marks.  What is found an hour
 * into a folder is found too late. */
#ifndef LIMN_TRANSLATE_NAMES_H
#define LIMN_TRANSLATE_NAMES_H

#include "base/memory.h"
#include "image/picture.h"

/* "-" is standard input and standard output. */
typedef struct limn_translate_item {
    const char *input;
    const char *output;   /* of the picture */
    const char *longer;   /* its name where another picture wants that too: "a.bmp.png"; or NULL */
    const char **outputs; /* one a variant: "out/a.png", or "out/a_1.png", "out/a_2.png" */
} limn_translate_item;

typedef struct limn_translate_list {
    limn_translate_item *items;
    size_t count, room;
    int variants;
    limn_arena arena;
} limn_translate_list;

typedef struct limn_translate_query {
    const char *const *inputs; /* files, folders, "-" */
    size_t count;
    const char *output;
    limn_format format; /* asked for, or NONE */
    bool many_channels; /* neither grey nor RGB comes out: TIFF, where nothing is asked for */
    int variants;       /* of each picture, at least 1 */
} limn_translate_query;

/* Lists everything and makes the folders of the outputs.  On failure *list is {0}. */
limn_status limn_translate_list_open(limn_translate_list *list, const limn_translate_query *query,
                                     limn_error *error);
void limn_translate_list_close(limn_translate_list *list);

#endif
