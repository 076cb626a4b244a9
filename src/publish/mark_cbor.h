/* SPDX-License-Identifier: Apache-2.0
 *
 * CBOR (RFC 8949), as far as C2PA needs it.
 *
 * Writing: one call a head, into a buffer; lengths are definite and in their shortest form, and the
 * caller writes the keys of a map in the order of their encoded bytes (short ones first), which is
 * the deterministic encoding of section 4.2.1.
 *
 * Reading: nothing is built up.  A value is a span that starts at its head and covers exactly that
 * item, so reading takes no memory, and recursion ends at LIMN_CBOR_DEPTH. */
#ifndef LIMN_PUBLISH_MARK_CBOR_H
#define LIMN_PUBLISH_MARK_CBOR_H

#include "publish/mark_bytes.h"

enum { LIMN_CBOR_DEPTH = 32 };

void limn_cbor_put_unsigned(limn_mark_buffer *buffer, uint64_t value);
/* The number -1 - value. */
void limn_cbor_put_negative(limn_mark_buffer *buffer, uint64_t value);
void limn_cbor_put_bytes(limn_mark_buffer *buffer, const void *bytes, size_t count);
void limn_cbor_put_text(limn_mark_buffer *buffer, const char *text);
void limn_cbor_put_array(limn_mark_buffer *buffer, size_t count);
void limn_cbor_put_map(limn_mark_buffer *buffer, size_t count);
void limn_cbor_put_tag(limn_mark_buffer *buffer, uint64_t tag);
void limn_cbor_put_null(limn_mark_buffer *buffer);

typedef enum limn_cbor_kind {
    LIMN_CBOR_UNSIGNED, /* number */
    LIMN_CBOR_NEGATIVE, /* -1 - number */
    LIMN_CBOR_BYTES,    /* bytes */
    LIMN_CBOR_TEXT,     /* bytes; not checked to be UTF-8 */
    LIMN_CBOR_ARRAY,    /* number of items follow, or items up to a break */
    LIMN_CBOR_MAP,      /* number of pairs follow, or pairs up to a break */
    LIMN_CBOR_TAG,      /* number, one item follows */
    LIMN_CBOR_PIECES,   /* a text or byte string in pieces up to a break */
    LIMN_CBOR_OTHER,    /* null, undefined, true, false, a float */
    LIMN_CBOR_BREAK,
} limn_cbor_kind;

typedef struct limn_cbor_head {
    limn_cbor_kind kind;
    bool open; /* ARRAY, MAP: ends at a break, number says nothing */
    uint64_t number;
    limn_mark_span bytes;
} limn_cbor_head;

/* Takes one head (strings with their bytes) from the front; false when there is none. */
bool limn_cbor_next(limn_mark_span *rest, limn_cbor_head *head);
/* Takes one whole item from the front. */
bool limn_cbor_item(limn_mark_span *rest, limn_mark_span *item);
/* The head of an item after any tags. */
bool limn_cbor_head_of(limn_mark_span item, limn_cbor_head *head, limn_mark_span *rest);

/* The value of a text key (key NULL: of the whole number `number`, negative ones as they are) in a
 * map; false when the item is no map or has no such key. */
bool limn_cbor_find(limn_mark_span map, const char *key, int64_t number, limn_mark_span *value);
/* A text, byte string or whole number under a text key. */
bool limn_cbor_find_text(limn_mark_span map, const char *key, limn_mark_span *text);
bool limn_cbor_find_bytes(limn_mark_span map, const char *key, limn_mark_span *bytes);
bool limn_cbor_find_unsigned(limn_mark_span map, const char *key, uint64_t *value);

/* Walks an array: start it, then take items until false. */
typedef struct limn_cbor_walk {
    limn_mark_span rest;
    uint64_t left;
    bool open;
} limn_cbor_walk;
bool limn_cbor_array_start(limn_mark_span array, limn_cbor_walk *walk);
bool limn_cbor_array_next(limn_cbor_walk *walk, limn_mark_span *item);

#endif
