/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of choices and its text.
 *
 * One line a choice: method, microseconds, key.  The last line counts them, so that a cut file is
 * seen.  A list and not a hash: a training asks a hundred times and has fifty entries. */
#include "op/choice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct entry {
    struct entry *next;
    const char *key;
    limn_method method;
    long microseconds;
    bool used;
} entry;

struct limn_choices {
    limn_arena *arena;
    entry *first, **end;
    limn_method preferred;
};

static const char *const names[LIMN_METHODS] = {
    [LIMN_METHOD_RULE] = "rule",
    [LIMN_METHOD_DIRECT] = "direct",
    [LIMN_METHOD_CHANNELS_LAST] = "channels-last",
    [LIMN_METHOD_WINOGRAD] = "winograd",
    [LIMN_METHOD_FEW] = "few-channels",
    [LIMN_METHOD_TILES] = "tiles",
    [LIMN_METHOD_SUBPIXEL] = "sub-pixel",
    [LIMN_METHOD_AMX] = "amx",
    [LIMN_METHOD_PAIRS] = "pairs",
};

static const char header[] = "limn choices 1";

const char *limn_method_name(limn_method method)
{
    return method < LIMN_METHODS ? names[method] : "unknown";
}

limn_method limn_method_find(const char *name)
{
    int method = 0;

    while (method < LIMN_METHODS && strcmp(name, names[method])) method++;
    return (limn_method)method;
}

limn_status limn_choices_open(limn_choices **out, limn_arena *arena, limn_error *error)
{
    LIMN_TRY(limn_take_into(out, arena, sizeof **out, error));
    (*out)->arena = arena;
    (*out)->end = &(*out)->first;
    return LIMN_OK;
}

int limn_choices_count(const limn_choices *choices)
{
    int count = 0;

    for (const entry *e = choices->first; e; e = e->next) count++;
    return count;
}

static entry *find(const limn_choices *choices, const char *key)
{
    entry *e = choices->first;

    while (e && strcmp(e->key, key)) e = e->next;
    return e;
}

bool limn_choices_find(limn_choices *choices, const char *key, limn_method *method)
{
    entry *e = find(choices, key);

    if (!e) return false;
    e->used = true;
    *method = e->method;
    return true;
}

limn_status limn_choices_set(limn_choices *choices, const char *key, limn_method method,
                             long microseconds, limn_error *error)
{
    entry *e = find(choices, key);

    if (!e) {
        LIMN_TRY(limn_take_into(&e, choices->arena, sizeof *e, error));
        if (!(e->key = limn_take_text(choices->arena, key)))
            return limn_fail(error, LIMN_NO_MEMORY, "out of memory for a choice");
        *choices->end = e;
        choices->end = &e->next;
    }
    e->method = method;
    e->microseconds = microseconds;
    return LIMN_OK;
}

void limn_choices_prefer(limn_choices *choices, limn_method method)
{
    choices->preferred = method;
}

limn_method limn_choices_preferred(const limn_choices *choices)
{
    return choices->preferred;
}

bool limn_choices_measured(const limn_choices *choices, const char *key)
{
    const entry *e = find(choices, key);

    return e && e->microseconds > 0;
}

void limn_choices_keep_used(limn_choices *choices)
{
    entry **at = &choices->first;

    while (*at)
        if ((*at)->used)
            at = &(*at)->next;
        else
            *at = (*at)->next;
    choices->end = at;
}

/* ---- Text ------------------------------------------------------------------------------------ */

limn_status limn_choices_write(const limn_choices *choices, const char *machine, char **text,
                               limn_arena *arena, limn_error *error)
{
    size_t size = sizeof header + 64 + (machine ? strlen(machine) : 0);
    char *to;
    int count = 0;

    for (const entry *e = choices->first; e; e = e->next) size += strlen(e->key) + 64;
    LIMN_TRY(limn_take_into(text, arena, size, error));
    to = *text + sprintf(*text, "%s\n", header);
    if (machine) to += sprintf(to, "machine %s\n", machine);
    for (const entry *e = choices->first; e; e = e->next) {
        if (machine && !e->microseconds) continue; /* a rule is not worth remembering */
        to += sprintf(to, "%s %ld %s\n", names[e->method],
                      machine ? e->microseconds : e->microseconds > 0, e->key);
        count++;
    }
    sprintf(to, "end %d\n", count);
    return LIMN_OK;
}

enum { LINE = 320 };

/* The next line without its end; false where there is none or it is too long. */
static bool next_line(const char **at, const char *end, char *line)
{
    const char *newline = *at < end ? memchr(*at, '\n', (size_t)(end - *at)) : NULL;
    size_t length = newline ? (size_t)(newline - *at) : 0;

    if (!newline || length >= LINE || memchr(*at, 0, length)) return false;
    memcpy(line, *at, length);
    line[length] = 0;
    *at = newline + 1;
    return true;
}

/* "method microseconds key" taken apart in place. */
static bool parse(char *line, limn_method *method, long *microseconds, char **key)
{
    char *space = strchr(line, ' ');

    if (!space) return false;
    *space = 0;
    *method = limn_method_find(line);
    *microseconds = strtol(space + 1, key, 10);
    if (*method == LIMN_METHODS || *key == space + 1 || **key != ' ' || *microseconds < 0 ||
        !(*key)[1])
        return false;
    ++*key;
    return true;
}

/* Walks the text; with choices NULL only to see whether all of it is understood. */
static bool walk(limn_choices *choices, const char *machine, const char *text, size_t count,
                 limn_status *status, limn_error *error)
{
    const char *end = text + count;
    char line[LINE], closing[32];
    int entries = 0;

    if (!next_line(&text, end, line) || strcmp(line, header)) return false;
    if (machine &&
        (!next_line(&text, end, line) || strncmp(line, "machine ", 8) || strcmp(line + 8, machine)))
        return false;
    while (next_line(&text, end, line)) {
        limn_method method;
        long microseconds;
        char *key;

        snprintf(closing, sizeof closing, "end %d", entries);
        if (!strcmp(line, closing)) return text == end;
        if (!parse(line, &method, &microseconds, &key)) return false;
        if (choices && (*status = limn_choices_set(choices, key, method, microseconds, error)))
            return true;
        entries++;
    }
    return false;
}

limn_status limn_choices_read(limn_choices *choices, const char *machine, const char *text,
                              size_t count, limn_error *error)
{
    limn_status status = LIMN_OK;

    if (!walk(NULL, machine, text, count, &status, error))
        return limn_fail(error, LIMN_FORMAT, "a table of choices that is not understood");
    walk(choices, machine, text, count, &status, error);
    return status;
}
