/* SPDX-License-Identifier: Apache-2.0
 *
 * One network out of a checkpoint, under its own names.
 *
 * What people save: a bare state_dict (most); one inside {'state_dict': ...} or {'model': ...}; the
 * same behind DataParallel's `module.`; several networks in one dictionary; a network beside the
 * optimiser's moments.  The names of every network that limn knows begin with the component `model`
 * or `net`, so whatever stands in front of it, dictionaries and wrappers alike, says which network
 * a tensor belongs to.  A dictionary that is itself called `model` is told from a component of that
 * name by the checkpoint, which knows where its dictionaries end. */
#include "model/checkpoint.h"
#include "model/foreign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where the network's own name begins in the full one; *network tells whether it has one. */
static size_t name_begins(const limn_checkpoint_tensor *t, bool *network)
{
    const char *name = t->saved.name, *p = name + t->path_bytes;
    size_t n;

    for (; p; p = strchr(p, '.') ? strchr(p, '.') + 1 : NULL) {
        n = strcspn(p, ".");
        *network = p[n] && ((n == 5 && !memcmp(p, "model", 5)) || (n == 3 && !memcmp(p, "net", 3)));
        if (*network) return (size_t)(p - name);
    }
    return t->path_bytes;
}

/* Copies the part's name without wrappers and without the dot at its end. */
static const char *part_name(const char *name, size_t bytes, limn_arena *arena)
{
    char *out = limn_take(arena, bytes + 1);
    size_t at, n, used = 0;

    for (at = 0; out && at < bytes; at += n + 1) {
        n = strcspn(name + at, ".");
        if ((n == 6 && !memcmp(name + at, "module", 6)) ||
            (n == 9 && !memcmp(name + at, "_orig_mod", 9)))
            continue;
        if (used) out[used++] = '.';
        memcpy(out + used, name + at, n);
        used += n;
    }
    return out;
}

typedef struct candidate {
    limn_state_tensor tensor;
    const char *part;
    bool network;
} candidate;

static int by_part(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    int order = (int)y->network - (int)x->network;

    if (!order) order = strcmp(x->part, y->part);
    return order ? order : strcmp(x->tensor.name, y->tensor.name);
}

static bool same_part(const candidate *a, const candidate *b)
{
    return a->network == b->network && !strcmp(a->part, b->part);
}

/* Names what could be chosen: "G, D and 3 more". */
static limn_status ask(const char *file, const candidate *all, size_t n, const char *part,
                       limn_error *error)
{
    char list[200] = "";
    size_t i, used = 0, shown = 0, more = 0;

    for (i = 0; i < n; i++) {
        if (i && same_part(&all[i], &all[i - 1])) continue;
        if (shown == 6 || used > 120) {
            more++;
            continue;
        }
        used += (size_t)snprintf(list + used, sizeof list - used, "%s'%s'", shown ? ", " : "",
                                 limn_quote(all[i].part, strlen(all[i].part)).text);
        shown++;
    }
    if (more) snprintf(list + used, sizeof list - used, " and %zu more", more);
    if (part)
        return limn_fail(error, LIMN_SETTING, "%s: no part '%s' in it; there is %s", file,
                         limn_quote(part, strlen(part)).text, list);
    return limn_fail(error, LIMN_SETTING,
                     "%s: holds more than one network: %s; say which with --part", file, list);
}

limn_status limn_state_choose(limn_state *state, const limn_checkpoint *checkpoint,
                              const char *part, limn_arena *arena, limn_error *error)
{
    size_t i, n = limn_checkpoint_count(checkpoint), first = 0, end, parts, begins;
    const limn_checkpoint_tensor *t;
    candidate *all;

    *state = (limn_state){ .file = limn_checkpoint_name(checkpoint) };
    if (!n) return limn_fail(error, LIMN_FORMAT, "%s: there is no tensor in it", state->file);
    LIMN_TRY(limn_take_into(&all, arena, n * sizeof *all, error));
    for (i = 0; i < n; i++) {
        t = limn_checkpoint_at(checkpoint, i);
        begins = name_begins(t, &all[i].network);
        all[i].tensor = (limn_state_tensor){ t->saved.name + begins, t };
        if (!(all[i].part = part_name(t->saved.name, begins, arena)))
            return limn_fail(error, LIMN_NO_MEMORY, "out of memory: names of %s", state->file);
    }
    qsort(all, n, sizeof *all, by_part);
    for (i = parts = 0; i < n && all[i].network == all[0].network; i++)
        parts += !i || !same_part(&all[i], &all[i - 1]);
    n = i; /* tensors of no network come last and count only when there is nothing else */
    if (!part && parts > 1) return ask(state->file, all, n, NULL, error);
    if (part)
        while (first < n && strcmp(all[first].part, part)) first++;
    if (first == n) return ask(state->file, all, n, part, error);
    for (end = first; end < n && same_part(&all[end], &all[first]); end++)
        if (end > first && !strcmp(all[end].tensor.name, all[end - 1].tensor.name))
            return limn_fail(error, LIMN_FORMAT, "%s: the tensor '%s' is there twice", state->file,
                             limn_quote(all[end].tensor.name, strlen(all[end].tensor.name)).text);
    state->part = all[first].part;
    state->count = end - first;
    LIMN_TRY(limn_take_into(&state->tensors, arena, state->count * sizeof *state->tensors, error));
    for (i = 0; i < state->count; i++) state->tensors[i] = all[first + i].tensor;
    return LIMN_OK;
}

static int by_state_name(const void *key, const void *item)
{
    return strcmp(key, ((const limn_state_tensor *)item)->name);
}

const limn_checkpoint_tensor *limn_state_find(const limn_state *state, const char *name)
{
    const limn_state_tensor *found = bsearch(name, state->tensors, state->count,
                                             sizeof *state->tensors, by_state_name);

    return found ? found->tensor : NULL;
}
