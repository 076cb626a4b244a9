/* SPDX-License-Identifier: Apache-2.0
 *
 * Settings as data: what the library needs beyond the rows that limn.h shows.
 *
 * A setting is one row (limn_setting).  Values are written and read as text in run records and model
 * metadata, so that a float returns as the same bits. */
#ifndef LIMN_BASE_SETTINGS_H
#define LIMN_BASE_SETTINGS_H

#include "base/error.h"
#include <stdio.h>

/* Prints one row a line: "  --name VALUE   help (default; range)".  defaults is the filled struct. */
void limn_settings_print(FILE *to, const limn_setting *rows, const void *defaults);

/* The candidate in a list ("a|b|c" or NULL-ended rows) nearest to the text by edit distance, or NULL
 * when none is near.  Used for "did you mean". */
const char *limn_nearest(const char *text, const char *const *candidates, size_t count);

#endif
