/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the pickle machine keeps its values.  Shared by pickle.c, the machine, and pickle_store.c;
 * nobody else includes it. */
#ifndef LIMN_MODEL_PICKLE_STORE_H
#define LIMN_MODEL_PICKLE_STORE_H

#include "model/pickle.h"

#define LIMN_PICKLE_NOTHING UINT32_MAX

typedef struct limn_pickle_run {
    uint32_t first, count, next; /* items, and the run that follows */
} limn_pickle_run;

typedef struct limn_pickle_row { /* a list or dictionary that grows */
    uint32_t head, tail, count;
} limn_pickle_row;

typedef struct limn_pickle_table {
    void *data;
    uint32_t used, room;
} limn_pickle_table;

struct limn_pickle {
    limn_pickle_table values, items, rows, runs, stack, marks, memo;
    uint32_t memoized; /* slots in use, which MEMOIZE numbers from */
    const unsigned char *bytes;
    size_t count, at, opcode_at;
    uint32_t root;
    const char *name;
};

#define LIMN_PICKLE_VALUE(p, number) (((limn_pickle_value *)(p)->values.data)[number])
#define LIMN_PICKLE_NUMBER(table, i) (((uint32_t *)(table).data)[i])

/* Room for more items of a table; doubles, up to limit, beyond which the pickle is refused. */
limn_status limn_pickle_grow(limn_pickle *p, limn_pickle_table *t, size_t item_bytes, uint32_t more,
                             uint32_t limit, limn_error *error);

/* Adds a number to a table of numbers; a value to the values and its number to the stack; an empty
 * list or dictionary likewise. */
limn_status limn_pickle_add_number(limn_pickle *p, limn_pickle_table *t, uint32_t number,
                                   limn_error *error);
limn_status limn_pickle_push(limn_pickle *p, limn_pickle_value value, limn_error *error);
limn_status limn_pickle_push_row(limn_pickle *p, limn_pickle_kind kind, limn_error *error);

/* Adds a run of items that are there already to a list or dictionary. */
limn_status limn_pickle_add_run(limn_pickle *p, uint32_t container, uint32_t first, uint32_t count,
                                limn_error *error);

/* When the pickle has stopped: lays every list and dictionary out as one row of items. */
limn_status limn_pickle_lay_out(limn_pickle *p, limn_error *error);

/* Frees what only the reading needs, or everything. */
void limn_pickle_free_tables(limn_pickle *p, bool all);

#endif
