/* SPDX-License-Identifier: Apache-2.0
 *
 * Settings from the command line, by rows: those of the command, and elsewhere.c for the names that
 * other programs have. */
#include "cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

limn_status limn_cli_fail(limn_error *error, limn_status status, const char *format, ...)
{
    va_list list;

    error->status = status;
    va_start(list, format);
    vsnprintf(error->text, sizeof error->text, format, list);
    va_end(list);
    return status;
}

enum { NAME_MAX_BYTES = 128, NAMES_MAX = 512 };

/* The table that knows the name, or NULL. */
static const limn_cli_table *table_of(const limn_cli_table *tables, const char *name)
{
    for (const limn_cli_table *t = tables; t->rows; t++)
        if (limn_setting_find(t->rows, name)) return t;
    return NULL;
}

/* The table of the flag that "no-flag" switches off, or NULL. */
static const limn_cli_table *negated_table(const limn_cli_table *tables, const char *name)
{
    const limn_cli_table *t = NULL;

    if (!strncmp(name, "no-", 3) || !strncmp(name, "no_", 3)) t = table_of(tables, name + 3);
    return t && limn_setting_find(t->rows, name + 3)->kind == LIMN_SETTING_FLAG ? t : NULL;
}

/* Says what was meant, perhaps: a name of any table; older spellings are left to the first one. */
static limn_status unknown(const limn_cli_table *tables, const char *command, const char *name,
                           limn_error *error)
{
    const char *names[NAMES_MAX], *nearest;
    size_t count = 0;

    for (const limn_cli_table *t = tables; t->rows; t++)
        for (const limn_setting *row = t->rows; row->name && count < NAMES_MAX; row++)
            names[count++] = row->name;
    if ((nearest = limn_nearest(name, names, count)))
        return limn_cli_fail(error, LIMN_SETTING, "there is no setting --%s; did you mean --%s?",
                             name, nearest);
    limn_setting_set(tables->rows, tables->fields, name, "", error);
    if (!strstr(error->text, "did you mean"))
        limn_cli_fail(error, LIMN_SETTING, "there is no setting --%s; \"limn help %s\" lists them",
                      name, command);
    return LIMN_SETTING;
}

/* Whether a word is a setting that some table knows, so that it is no value of another. */
static bool is_setting(const limn_cli_table *tables, const char *word)
{
    return !strncmp(word, "--", 2) &&
           (table_of(tables, word + 2) || negated_table(tables, word + 2));
}

/* A switch's value: what stands behind "=", or true or false as the next word (CUT's scripts). */
static limn_status set_flag(const limn_cli_table *table, const char *name, bool on,
                            const limn_cli_word *w, bool *used_next, limn_error *error)
{
    const char *value = w->value;

    if (!value && limn_cli_is_bool(w->next)) value = w->next, *used_next = true;
    if (limn_cli_is_bool(value)) value = (*value == 't' || *value == 'T') == on ? "true" : "false";
    return limn_setting_set(table->rows, table->fields, name,
                            value ? value
                            : on  ? "true"
                                  : "false",
                            error);
}

/* One setting: typed without its dashes, next the word behind it or NULL. */
static limn_status one(const limn_cli_table *tables, const char *command, const char *dashes,
                       const char *typed, const char *next, bool *used_next, limn_error *error)
{
    char name[NAME_MAX_BYTES];
    const char *equal = strchr(typed, '=');
    size_t length = equal ? (size_t)(equal - typed) : strlen(typed);
    limn_cli_word word = { command, dashes, name, typed, equal ? equal + 1 : NULL, next };
    const limn_cli_table *table, *negated;
    limn_status status;
    bool found;

    *used_next = false;
    if (length >= sizeof name)
        return limn_cli_fail(error, LIMN_SETTING, "there is no setting %s%.40s...", dashes, typed);
    memcpy(name, typed, length);
    name[length] = 0;
    if (next && is_setting(tables, next)) word.next = NULL;
    table = table_of(tables, name);
    negated = equal ? NULL : negated_table(tables, name);
    status = limn_cli_elsewhere(tables, &word, table || negated, &found, used_next, error);
    if (status || found) return status;
    if (!table && !negated) return unknown(tables, command, name, error);
    if (!table) return set_flag(negated, name + 3, false, &word, used_next, error);
    if (limn_setting_find(table->rows, name)->kind == LIMN_SETTING_FLAG)
        return set_flag(table, name, true, &word, used_next, error);
    if (equal) return limn_setting_set(table->rows, table->fields, name, equal + 1, error);
    if (!word.next)
        return limn_cli_fail(error, LIMN_SETTING, "%s%s wants a value after it%s%s", dashes, name,
                             next ? ", and none is given before " : "", next ? next : "");
    *used_next = true;
    return limn_setting_set(table->rows, table->fields, name, next, error);
}

/* A word that begins with one dash: "-o", where a row has that alias.  Another one is rather a slip
 * than the name of a file. */
static limn_status one_dash(const limn_cli_table *tables, const char *command, const char *word,
                            const char *next, bool *used_next, limn_error *error)
{
    if ((word[1] == 0 || word[1] == '=') &&
        (table_of(tables, (char[]){ word[0], 0 }) ||
         limn_cli_elsewhere_knows(command, (char[]){ word[0], 0 })))
        return one(tables, command, "-", word, next, used_next, error);
    return limn_cli_fail(error, LIMN_SETTING,
                         "there is no setting -%.60s%s; a file of that name goes behind --", word,
                         table_of(tables, word) ? " (two dashes make it one)" : "");
}

limn_status limn_cli_read(const limn_cli_table *tables, int *argc, char **argv, limn_error *error)
{
    int kept = 1;
    bool words = false; /* behind "--" everything is a name */

    for (int i = 1; i < *argc; i++) {
        const char *word = argv[i], *next = i + 1 < *argc ? argv[i + 1] : NULL;
        bool used_next = false;
        limn_status status = LIMN_OK;

        if (!words && !strcmp(word, "--"))
            words = true;
        else if (words || word[0] != '-' || !word[1])
            argv[kept++] = argv[i];
        else if (word[1] == '-')
            status = one(tables, argv[0], "--", word + 2, next, &used_next, error);
        else
            status = one_dash(tables, argv[0], word + 1, next, &used_next, error);
        if (status) return status;
        i += used_next;
    }
    *argc = kept;
    return LIMN_OK;
}

/* ---- A run by its name ----------------------------------------------------------------------- */

const limn_cli_run limn_cli_run_defaults = { .folder = "runs" };

limn_status limn_cli_take_run(limn_cli_run *run, int *argc, char **argv, limn_error *error)
{
    size_t size = sizeof run->path, used = 0;
    char *end;
    long number;

    if (!run->name && !run->epoch) return LIMN_OK;
    if (run->name) {
        used = (size_t)snprintf(run->path, size, "%s/%s", run->folder, run->name);
        memmove(argv + 2, argv + 1, (size_t)(*argc - 1) * sizeof *argv);
        ++*argc;
    } else if (*argc > 1) {
        used = (size_t)snprintf(run->path, size, "%s", argv[1]);
    }
    if (used >= size) return limn_cli_fail(error, LIMN_SETTING, "the name of the run is too long");
    argv[1] = run->path;
    if (!run->epoch) return LIMN_OK;
    number = strtol(run->epoch, &end, 10);
    if (!strcmp(run->epoch, "latest") || !strcmp(run->epoch, "best"))
        used += (size_t)snprintf(run->path + used, size - used, "/%s.safetensors", run->epoch);
    else if (end > run->epoch && !*end && number > 0)
        used += (size_t)snprintf(run->path + used, size - used, "/epoch_%04ld.safetensors", number);
    else
        return limn_cli_fail(error, LIMN_SETTING,
                             "--epoch is \"%.60s\"; it must be best, latest or the number of an "
                             "epoch that --save-epoch-freq kept",
                             run->epoch);
    if (used >= size) return limn_cli_fail(error, LIMN_SETTING, "the name of the run is too long");
    return LIMN_OK;
}
