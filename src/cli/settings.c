/* SPDX-License-Identifier: Apache-2.0
 *
 * Settings from the command line, by rows. */
#include "cli.h"

#include <stdarg.h>
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

/* The table that knows the name; the first one, whose error will say what is near, when none does.
 */
static const limn_cli_table *table_of(const limn_cli_table *tables, const char *name)
{
    for (const limn_cli_table *t = tables; t->rows; t++)
        if (limn_setting_find(t->rows, name)) return t;
    return tables;
}

static limn_status one(const limn_cli_table *tables, char *word, int left, char **next, int *used,
                       limn_error *error)
{
    char name[128], *equal = strchr(word, '=');
    size_t length = equal ? (size_t)(equal - word) : strlen(word);
    const limn_cli_table *table;
    const limn_setting *row;

    *used = 0;
    if (length >= sizeof name)
        return limn_cli_fail(error, LIMN_SETTING, "there is no setting --%.40s...", word);
    memcpy(name, word, length);
    name[length] = 0;
    table = table_of(tables, name);
    row = limn_setting_find(table->rows, name);
    if (!row && !equal && (!strncmp(name, "no-", 3) || !strncmp(name, "no_", 3))) {
        const limn_cli_table *negated = table_of(tables, name + 3);
        const limn_setting *flag = limn_setting_find(negated->rows, name + 3);

        if (flag && flag->kind == LIMN_SETTING_FLAG)
            return limn_setting_set(negated->rows, negated->fields, name + 3, "false", error);
    }
    if (row && row->kind == LIMN_SETTING_FLAG)
        return limn_setting_set(table->rows, table->fields, name, equal ? equal + 1 : "true",
                                error);
    if (row && !equal && !left)
        return limn_cli_fail(error, LIMN_SETTING, "--%s wants a value after it", name);
    if (!equal) *used = 1;
    return limn_setting_set(table->rows, table->fields, name,
                            equal  ? equal + 1
                            : left ? *next
                                   : "",
                            error);
}

limn_status limn_cli_read(const limn_cli_table *tables, int *argc, char **argv, limn_error *error)
{
    int kept = 1;
    bool words = false; /* behind "--" everything is a name */

    for (int i = 1; i < *argc; i++) {
        int used;
        limn_status status;

        if (!words && !strcmp(argv[i], "--")) {
            words = true;
            continue;
        }
        if (words || strncmp(argv[i], "--", 2)) {
            argv[kept++] = argv[i];
            continue;
        }
        status = one(tables, argv[i] + 2, *argc - i - 1, argv + i + 1, &used, error);
        if (status) return status;
        i += used;
    }
    *argc = kept;
    return LIMN_OK;
}
