/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures that are there twice: what spoils every score when one is in train and one in test.
 *
 * Equal pictures come together by sorting.  Nearly equal ones are looked for between train and the
 * other phases only, each against each: 64-bit signs make that ten million comparisons in a
 * fraction of a second, and a cleverer index would not be noticed. */
#include "data/check_inside.h"

#include <stdlib.h>
#include <string.h>

static int by_content(const void *a, const void *b)
{
    const limn_facts *x = *(const limn_facts *const *)a, *y = *(const limn_facts *const *)b;

    for (int i = 0; i < 2; i++)
        if (x->content[i] != y->content[i]) return x->content[i] < y->content[i] ? -1 : 1;
    return x < y ? -1 : x > y; /* in the order of the lists */
}

static bool same_content(const limn_facts *a, const limn_facts *b)
{
    return a->content[0] == b->content[0] && a->content[1] == b->content[1];
}

/* One group of equal pictures, facts[0..count). */
static limn_status add_group(limn_check_report *r, const limn_facts *const *facts, size_t count,
                             const char **paths, limn_error *error)
{
    size_t n = 0, in_train = 0, on_a = 0;

    for (size_t i = 0; i < count; i++) {
        paths[n++] = facts[i]->item->path;
        in_train += facts[i]->phase == LIMN_PHASE_TRAIN;
        on_a += facts[i]->on_a;
    }
    if (r->pairing == LIMN_PAIRED && count == 2 && on_a == 1 && in_train != 1 && !facts[0]->alone &&
        !facts[1]->alone &&
        limn_name_hash(facts[0]->item->name) == limn_name_hash(facts[1]->item->name))
        return limn_check_add(r, LIMN_FINDING_SAME, LIMN_SEVERITY_WARNING, paths, n, error,
                              "input and target are the same picture");
    if (in_train && in_train < count)
        /* Inputs may well repeat (an empty map); a target that does has been seen in training. */
        return limn_check_add(
            r, LIMN_FINDING_SAME,
            on_a == count && r->pairing == LIMN_PAIRED ? LIMN_SEVERITY_WARNING
                                                       : LIMN_SEVERITY_ERROR,
            paths, n, error,
            "the same picture is in train and in %s; scores would count what was learnt by heart, "
            "so take it out of one",
            limn_phase_name(facts[0]->phase == LIMN_PHASE_TRAIN ? facts[count - 1]->phase
                                                                : facts[0]->phase));
    return limn_check_add(r, LIMN_FINDING_SAME, LIMN_SEVERITY_WARNING, paths, n, error,
                          "the same picture is there %zu times", count);
}

static limn_status find_same(limn_check_report *r, limn_error *error)
{
    const limn_facts **order;
    const char **paths;
    size_t n = 0, end;

    LIMN_TRY(limn_take_into(&order, &r->arena, r->files * sizeof *order, error));
    LIMN_TRY(limn_take_into(&paths, &r->arena, r->files * sizeof *paths, error));
    for (size_t i = 0; i < r->files; i++)
        /* A flat picture equals all of its colour, and is reported as what it is. */
        if (!r->facts[i].broken && !r->facts[i].flat) order[n++] = &r->facts[i];
    if (n) qsort(order, n, sizeof *order, by_content);
    for (size_t begin = 0; begin < n; begin = end) {
        for (end = begin + 1; end < n && same_content(order[begin], order[end]);) end++;
        if (end - begin > 1) LIMN_TRY(add_group(r, order + begin, end - begin, paths, error));
    }
    return LIMN_OK;
}

static limn_status find_alike(limn_check_report *r, int bits, limn_error *error)
{
    for (size_t i = 0; i < r->files; i++) {
        const limn_facts *seen = &r->facts[i];

        if (seen->phase == LIMN_PHASE_TRAIN || !seen->comparable) continue;
        for (size_t k = 0; k < r->files; k++) {
            const limn_facts *train = &r->facts[k];
            const char *paths[] = { seen->item->path, train->item->path };

            if (train->phase != LIMN_PHASE_TRAIN || train->on_a != seen->on_a ||
                same_content(seen, train) || !limn_facts_alike(seen, train, bits))
                continue;
            LIMN_TRY(limn_check_add(r, LIMN_FINDING_ALIKE, LIMN_SEVERITY_WARNING, paths, 2, error,
                                    "nearly the same picture is in %s and in train",
                                    limn_phase_name(seen->phase)));
            break; /* the first of them tells enough */
        }
    }
    return LIMN_OK;
}

limn_status limn_check_find_twins(limn_check_report *report, const limn_check_settings *settings,
                                  limn_error *error)
{
    LIMN_TRY(find_same(report, error));
    return settings->alike < 0 ? LIMN_OK : find_alike(report, settings->alike, error);
}
