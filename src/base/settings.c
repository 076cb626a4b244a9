/* SPDX-License-Identifier: Apache-2.0
 *
 * Settings rows: find by name, set from text, write as text, say what they take.
 *
 * Everything that reads or writes a value goes through this file, so a run record, a model's
 * metadata and the command line cannot disagree about what a text means.  Numbers are read and
 * written in the C locale whatever the program around us chose: a model saved under a German locale
 * must not say 0,0002.
 *
 * A float is written with the fewest digits, from six upwards, that read back as the same bits.
 * Starting at one digit was tried: it writes 100 as 1e+02, which is as exact and harder to read.
 *
 * "Did you mean" uses the edit distance in which a swap of two neighbours counts as one edit (the
 * commonest slip of the keyboard).  A match in an older spelling suggests today's name. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* strtod_l */
#endif
#include "base/settings.h"

#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_MAX = 64, NUMBER_MAX = 32 };

/* ---- Names ----------------------------------------------------------------------------------- */

static char dashed(char c)
{
    return c == '_' ? '-' : c;
}

/* Whether the word text[0..length) is name. */
static bool same_word(const char *text, size_t length, const char *name)
{
    for (size_t i = 0; i < length; i++)
        if (dashed(text[i]) != dashed(name[i])) return false; /* also at name's end */
    return name[length] == '\0';
}

/* The next word of a list: moves *list behind it, gives its length; NULL at the end. */
static const char *next_word(const char **list, char separator, size_t *length)
{
    const char *word = *list;

    while (word && *word == separator) word++;
    if (!word || !*word) return NULL;
    for (*length = 0; word[*length] && word[*length] != separator;) ++*length;
    *list = word + *length;
    return word;
}

const limn_setting *limn_setting_find(const limn_setting *rows, const char *name)
{
    for (const limn_setting *row = rows; row->name; row++) {
        const char *list = row->aliases, *word;
        size_t length;

        if (same_word(row->name, strlen(row->name), name)) return row;
        while ((word = next_word(&list, ' ', &length)))
            if (same_word(word, length, name)) return row;
    }
    return NULL;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Edits (insert, drop, replace, swap neighbours) that turn text into word; SIZE_MAX where one of
 * them is longer than any name. */
static size_t distance(const char *text, const char *word, size_t word_length)
{
    size_t rows[3][WORD_MAX + 1], *before = rows[0], *last = rows[1], *now = rows[2];
    size_t text_length = strlen(text), n = word_length;

    if (text_length > WORD_MAX || n > WORD_MAX) return SIZE_MAX;
    for (size_t j = 0; j <= n; j++) last[j] = j;
    for (size_t i = 1; i <= text_length; i++) {
        size_t *free_row = before;

        now[0] = i;
        for (size_t j = 1; j <= n; j++) {
            char a = dashed(text[i - 1]), b = dashed(word[j - 1]);

            now[j] = least(last[j - 1] + (a != b), 1 + least(last[j], now[j - 1]));
            if (i > 1 && j > 1 && a == dashed(word[j - 2]) && b == dashed(text[i - 2]))
                now[j] = least(now[j], before[j - 2] + 1);
        }
        before = last, last = now, now = free_row;
    }
    return last[n];
}

/* Whether so many edits are few enough to offer the word: a third of it, at least one, not all. */
static bool near_enough(size_t edits, size_t text_length)
{
    return edits < text_length && edits <= (text_length < 6 ? 1 : text_length / 3);
}

const char *limn_nearest(const char *text, const char *const *candidates, size_t count)
{
    const char *best = NULL;
    size_t best_edits = SIZE_MAX;

    for (size_t i = 0; i < count && candidates[i]; i++) {
        size_t edits = distance(text, candidates[i], strlen(candidates[i]));

        if (edits < best_edits) best_edits = edits, best = candidates[i];
    }
    return best && near_enough(best_edits, strlen(text)) ? best : NULL;
}

/* The row whose name or older spelling is nearest, or NULL. */
static const limn_setting *nearest_row(const limn_setting *rows, const char *name)
{
    const limn_setting *best = NULL;
    size_t best_edits = SIZE_MAX;

    for (const limn_setting *row = rows; row->name; row++) {
        const char *list = row->aliases, *word = row->name;
        size_t length = strlen(word);

        do {
            size_t edits = distance(name, word, length);

            if (edits < best_edits) best_edits = edits, best = row;
        } while ((word = next_word(&list, ' ', &length)));
    }
    return best && near_enough(best_edits, strlen(name)) ? best : NULL;
}

/* ---- Numbers --------------------------------------------------------------------------------- */

/* strtod in the C locale.  newlocale gives the built-in "C" without allocating. */
static double read_double(const char *text, char **end)
{
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    double value = strtod_l(text, end, plain);

    freelocale(plain);
    return value;
}

static void write_double(char text[NUMBER_MAX], double value)
{
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0), before = uselocale(plain);

    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, NUMBER_MAX, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break; /* NaN never does, and is "nan" at the end */
    }
    uselocale(before);
    freelocale(plain);
}

/* The ends of a row's range, as numbers and as text.  0, 0 means all that the type holds. */
typedef struct range {
    double low, high;
    char low_text[NUMBER_MAX], high_text[NUMBER_MAX];
    bool limited;
} range;

/* A whole number in full up to 2^53, where the shortest form would say 1e+06. */
static void write_bound(char text[NUMBER_MAX], double value, bool whole)
{
    if (whole && fabs(value) <= 0x1p53)
        snprintf(text, NUMBER_MAX, "%lld", (long long)value);
    else
        write_double(text, value);
}

static range range_of(const limn_setting *row)
{
    bool whole = row->kind != LIMN_SETTING_FLOAT;
    double type_low = row->kind == LIMN_SETTING_INT    ? (double)INT_MIN
                      : row->kind == LIMN_SETTING_LONG ? -0x1p63
                                                       : -HUGE_VAL;
    double type_high = row->kind == LIMN_SETTING_INT ? (double)INT_MAX : -type_low;
    range r = { .low = row->low, .high = row->high, .limited = row->low != 0 || row->high != 0 };

    if (!r.limited) r.low = type_low, r.high = type_high;
    if (r.high > type_high) r.high = type_high;
    if (r.low < type_low) r.low = type_low;
    write_bound(r.low_text, r.low, whole);
    write_bound(r.high_text, r.high, whole);
    return r;
}

static limn_status out_of_range(const limn_setting *row, const char *value, bool below,
                                limn_error *error)
{
    range r = range_of(row);

    return limn_fail(error, LIMN_SETTING,
                     "--%s is %s; it must be %s to %s, and the nearest valid value is %s",
                     row->name, value, r.low_text, r.high_text, below ? r.low_text : r.high_text);
}

static limn_status set_whole(const limn_setting *row, void *field, const char *value,
                             limn_error *error)
{
    range r = range_of(row);
    long long number;
    double size; /* of the number, to compare with the ends */
    char *end;

    errno = 0;
    number = strtoll(value, &end, 10);
    size = errno != ERANGE ? (double)number : number < 0 ? -HUGE_VAL : HUGE_VAL;
    if (end == value || *end)
        return limn_fail(error, LIMN_SETTING, "--%s is \"%s\"; it must be a whole number, %s to %s",
                         row->name, value, r.low_text, r.high_text);
    if (size < r.low || size > r.high) return out_of_range(row, value, size < r.low, error);
    if (row->kind == LIMN_SETTING_INT)
        *(int *)field = (int)number;
    else
        *(int64_t *)field = number;
    return LIMN_OK;
}

static limn_status set_float(const limn_setting *row, double *field, const char *value,
                             limn_error *error)
{
    range r = range_of(row);
    char *end;
    double number = read_double(value, &end);

    if (end == value || *end || isnan(number))
        return limn_fail(error, LIMN_SETTING, "--%s is \"%s\"; it must be a number, %s to %s",
                         row->name, value, r.low_text, r.high_text);
    if (number < r.low || number > r.high) return out_of_range(row, value, number < r.low, error);
    *field = number;
    return LIMN_OK;
}

/* ---- Words ----------------------------------------------------------------------------------- */

static limn_status set_flag(const limn_setting *row, bool *field, const char *value,
                            limn_error *error)
{
    static const char *const words[] = { "false", "true", "0", "1", "no", "yes", "off", "on" };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(value, words[i])) {
            *field = i % 2 == 1;
            return LIMN_OK;
        }
    return limn_fail(error, LIMN_SETTING, "--%s is \"%s\"; it must be true or false", row->name,
                     value);
}

static limn_status set_choice(const limn_setting *row, int *field, const char *value,
                              limn_error *error)
{
    const char *list = row->choices, *word, *best = NULL;
    size_t length, best_length = 0, best_edits = SIZE_MAX;

    for (int i = 0; (word = next_word(&list, '|', &length)); i++) {
        size_t edits = distance(value, word, length);

        if (same_word(word, length, value)) {
            *field = i;
            return LIMN_OK;
        }
        if (edits < best_edits) best_edits = edits, best = word, best_length = length;
    }
    if (best && near_enough(best_edits, strlen(value)))
        return limn_fail(error, LIMN_SETTING,
                         "--%s is \"%s\"; it must be one of %s; did you mean %.*s?", row->name,
                         value, row->choices, (int)best_length, best);
    return limn_fail(error, LIMN_SETTING, "--%s is \"%s\"; it must be one of %s", row->name, value,
                     row->choices);
}

/* ---- Set, get, range ------------------------------------------------------------------------- */

limn_status limn_setting_set(const limn_setting *rows, void *fields, const char *name,
                             const char *value, limn_error *error)
{
    const limn_setting *row = limn_setting_find(rows, name), *near;
    void *field;

    if (!row) {
        if ((near = nearest_row(rows, name)))
            return limn_fail(error, LIMN_SETTING, "there is no setting --%s; did you mean --%s?",
                             name, near->name);
        return limn_fail(error, LIMN_SETTING, "there is no setting --%s", name);
    }
    field = (char *)fields + row->offset;
    if (row->kind == LIMN_SETTING_TEXT) {
        *(const char **)field = value;
        return LIMN_OK;
    }
    if (!value || !*value) return limn_fail(error, LIMN_SETTING, "--%s needs a value", row->name);
    switch (row->kind) {
    case LIMN_SETTING_INT:
    case LIMN_SETTING_LONG:
        return set_whole(row, field, value, error);
    case LIMN_SETTING_FLOAT:
        return set_float(row, field, value, error);
    case LIMN_SETTING_FLAG:
        return set_flag(row, field, value, error);
    case LIMN_SETTING_CHOICE:
        return set_choice(row, field, value, error);
    case LIMN_SETTING_TEXT:
        break;
    }
    return limn_fail(error, LIMN_BUG, "the row of --%s has an unknown kind", row->name);
}

void limn_setting_get(const limn_setting *row, const void *fields, char *text, size_t size)
{
    const void *field = (const char *)fields + row->offset;
    const char *list = row->choices, *word, *kept = "";
    char number[NUMBER_MAX] = "";
    size_t length = 0;

    switch (row->kind) {
    case LIMN_SETTING_INT:
        snprintf(number, sizeof number, "%d", *(const int *)field);
        kept = number;
        break;
    case LIMN_SETTING_LONG:
        snprintf(number, sizeof number, "%lld", (long long)*(const int64_t *)field);
        kept = number;
        break;
    case LIMN_SETTING_FLOAT:
        write_double(number, *(const double *)field);
        kept = number;
        break;
    case LIMN_SETTING_TEXT:
        if (*(const char *const *)field) kept = *(const char *const *)field;
        break;
    case LIMN_SETTING_FLAG:
        kept = *(const bool *)field ? "true" : "false";
        break;
    case LIMN_SETTING_CHOICE:
        for (int i = 0; (word = next_word(&list, '|', &length)); i++)
            if (i == *(const int *)field) {
                snprintf(text, size, "%.*s", (int)length, word);
                return;
            }
        break;
    }
    snprintf(text, size, "%s", kept);
}

void limn_setting_range(const limn_setting *row, char *text, size_t size)
{
    bool words = row->kind == LIMN_SETTING_CHOICE || row->kind == LIMN_SETTING_TEXT;
    range r = range_of(row);

    if (words)
        snprintf(text, size, "%s", row->choices ? row->choices : "");
    else if (row->kind != LIMN_SETTING_FLAG && r.limited)
        snprintf(text, size, "%s to %s", r.low_text, r.high_text);
    else
        snprintf(text, size, "%s", "");
}
