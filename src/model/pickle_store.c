/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the pickle machine keeps its values: tables that double, each with a ceiling.
 *
 * A value never moves and is known by its number.  Lists and dictionaries are filled in pieces
 * while other values come in between, so each is a chain of runs of items until the pickle stops.
 */
#include "model/pickle_store.h"

#include <string.h>

limn_status limn_pickle_grow(limn_pickle *p, limn_pickle_table *t, size_t item_bytes, uint32_t more,
                             uint32_t limit, limn_error *error)
{
    uint32_t room = t->room ? t->room : 256;
    void *data;

    if (more > limit || t->used > limit - more)
        return limn_fail(error, LIMN_FORMAT,
                         "%s: describes more than the %u values that a checkpoint may have; limn "
                         "refuses it, because small files can claim endless ones",
                         p->name, (unsigned)limit);
    if (t->used + more <= t->room) return LIMN_OK;
    while (room < t->used + more) room *= 2;
    if (!(data = limn_block(room * item_bytes)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory: %s wanted %zu more bytes", p->name,
                         room * item_bytes);
    if (t->used) memcpy(data, t->data, t->used * item_bytes);
    limn_block_free(t->data);
    t->data = data;
    t->room = room;
    return LIMN_OK;
}

limn_status limn_pickle_add_number(limn_pickle *p, limn_pickle_table *t, uint32_t number,
                                   limn_error *error)
{
    LIMN_TRY(limn_pickle_grow(p, t, sizeof number, 1, LIMN_PICKLE_ITEMS_MAX, error));
    LIMN_PICKLE_NUMBER(*t, t->used++) = number;
    return LIMN_OK;
}

limn_status limn_pickle_push(limn_pickle *p, limn_pickle_value value, limn_error *error)
{
    LIMN_TRY(limn_pickle_grow(p, &p->values, sizeof value, 1, LIMN_PICKLE_VALUES_MAX, error));
    LIMN_PICKLE_VALUE(p, p->values.used) = value;
    return limn_pickle_add_number(p, &p->stack, p->values.used++, error);
}

limn_status limn_pickle_push_row(limn_pickle *p, limn_pickle_kind kind, limn_error *error)
{
    limn_pickle_value v = { .kind = (uint8_t)kind, .first = p->rows.used };

    LIMN_TRY(
        limn_pickle_grow(p, &p->rows, sizeof(limn_pickle_row), 1, LIMN_PICKLE_VALUES_MAX, error));
    ((limn_pickle_row *)p->rows.data)[p->rows.used++] = (limn_pickle_row){ LIMN_PICKLE_NOTHING,
                                                                           LIMN_PICKLE_NOTHING, 0 };
    return limn_pickle_push(p, v, error);
}

limn_status limn_pickle_add_run(limn_pickle *p, uint32_t container, uint32_t first, uint32_t count,
                                limn_error *error)
{
    limn_pickle_row *r = &((limn_pickle_row *)p->rows.data)[LIMN_PICKLE_VALUE(p, container).first];
    limn_pickle_run *runs;

    if (!count) return LIMN_OK;
    LIMN_TRY(
        limn_pickle_grow(p, &p->runs, sizeof(limn_pickle_run), 1, LIMN_PICKLE_ITEMS_MAX, error));
    runs = p->runs.data;
    runs[p->runs.used] = (limn_pickle_run){ first, count, LIMN_PICKLE_NOTHING };
    if (r->tail == LIMN_PICKLE_NOTHING)
        r->head = p->runs.used;
    else
        runs[r->tail].next = p->runs.used;
    r->tail = p->runs.used++;
    r->count += count;
    return LIMN_OK;
}

limn_status limn_pickle_lay_out(limn_pickle *p, limn_error *error)
{
    const limn_pickle_row *rows = p->rows.data;
    const limn_pickle_run *runs = p->runs.data;
    limn_pickle_value *v;
    uint32_t i, r;

    for (i = 0; i < p->values.used; i++) {
        v = &LIMN_PICKLE_VALUE(p, i);
        if (v->kind != LIMN_PICKLE_LIST && v->kind != LIMN_PICKLE_DICT) continue;
        r = rows[v->first].head;
        v->count = rows[v->first].count;
        LIMN_TRY(limn_pickle_grow(p, &p->items, sizeof(uint32_t), v->count,
                                  2 * LIMN_PICKLE_ITEMS_MAX, error));
        v->first = p->items.used;
        for (; r != LIMN_PICKLE_NOTHING; r = runs[r].next) {
            memcpy(&LIMN_PICKLE_NUMBER(p->items, p->items.used),
                   &LIMN_PICKLE_NUMBER(p->items, runs[r].first), runs[r].count * sizeof(uint32_t));
            p->items.used += runs[r].count;
        }
    }
    return LIMN_OK;
}

void limn_pickle_free_tables(limn_pickle *p, bool all)
{
    limn_pickle_table *working[] = { &p->rows, &p->runs,   &p->stack, &p->marks,
                                     &p->memo, &p->values, &p->items };
    size_t i;

    for (i = 0; i < (all ? 7 : 5); i++) {
        limn_block_free(working[i]->data);
        *working[i] = (limn_pickle_table){ 0 };
    }
}

void limn_pickle_close(limn_pickle **pickle)
{
    if (!*pickle) return;
    limn_pickle_free_tables(*pickle, true);
    limn_block_free(*pickle);
    *pickle = NULL;
}

const limn_pickle_value *limn_pickle_root(const limn_pickle *pickle)
{
    return &LIMN_PICKLE_VALUE(pickle, pickle->root);
}

const limn_pickle_value *limn_pickle_item(const limn_pickle *pickle, const limn_pickle_value *value,
                                          uint32_t i)
{
    return &LIMN_PICKLE_VALUE(pickle, LIMN_PICKLE_NUMBER(pickle->items, value->first + i));
}

uint32_t limn_pickle_values(const limn_pickle *pickle)
{
    return pickle->values.used;
}

const limn_pickle_value *limn_pickle_at(const limn_pickle *pickle, uint32_t number)
{
    return &LIMN_PICKLE_VALUE(pickle, number);
}
