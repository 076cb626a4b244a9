/* SPDX-License-Identifier: Apache-2.0
 *
 * CBOR written and read by hand: a head is a byte of kind and size and up to eight bytes of number,
 * and there is little more to it.
 *
 * libcbor was used first and dropped.  Debian's version (0.8) refuses tag 18, which every signature
 * of C2PA begins with; its reader of single heads wants 24 callbacks where one function does; and
 * its tree builder allocates what a head announces before it has seen the bytes, while other
 * people's files are read here.  Looking a key up by walking the map again is quadratic in
 * principle, but the maps of a manifest have a dozen keys. */
#include "publish/mark_cbor.h"

#include <string.h>

/* The upper three bits of a head. */
enum { UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, SIMPLE };

/* The lower five: a small number, or how many bytes of number follow. */
enum { IN_HEAD_MAX = 23, ONE_BYTE = 24, EIGHT_BYTES = 27, OPEN = 31, FALSE_OR_ABOVE = 20 };

enum { NULL_VALUE = 22 };

/* ---- Writing --------------------------------------------------------------------------------- */

static void put_head(limn_mark_buffer *buffer, unsigned kind, uint64_t number)
{
    int size = number <= 0xff ? 0 : number <= 0xffff ? 1 : number <= 0xffffffff ? 2 : 3;

    if (number <= IN_HEAD_MAX) {
        limn_mark_put_u8(buffer, kind << 5 | (unsigned)number);
        return;
    }
    limn_mark_put_u8(buffer, kind << 5 | (ONE_BYTE + (unsigned)size));
    for (int i = (1 << size) - 1; i >= 0; i--) limn_mark_put_u8(buffer, number >> 8 * i & 0xff);
}

void limn_cbor_put_unsigned(limn_mark_buffer *buffer, uint64_t value)
{
    put_head(buffer, UNSIGNED, value);
}

void limn_cbor_put_negative(limn_mark_buffer *buffer, uint64_t value)
{
    put_head(buffer, NEGATIVE, value);
}

void limn_cbor_put_bytes(limn_mark_buffer *buffer, const void *bytes, size_t count)
{
    put_head(buffer, BYTES, count);
    limn_mark_put(buffer, bytes, count);
}

void limn_cbor_put_text(limn_mark_buffer *buffer, const char *text)
{
    put_head(buffer, TEXT, strlen(text));
    limn_mark_put_text(buffer, text);
}

void limn_cbor_put_array(limn_mark_buffer *buffer, size_t count)
{
    put_head(buffer, ARRAY, count);
}

void limn_cbor_put_map(limn_mark_buffer *buffer, size_t count)
{
    put_head(buffer, MAP, count);
}

void limn_cbor_put_tag(limn_mark_buffer *buffer, uint64_t tag)
{
    put_head(buffer, TAG, tag);
}

void limn_cbor_put_null(limn_mark_buffer *buffer)
{
    put_head(buffer, SIMPLE, NULL_VALUE);
}

/* ---- Reading one head ------------------------------------------------------------------------ */

static const limn_cbor_kind kinds[8] = {
    [UNSIGNED] = LIMN_CBOR_UNSIGNED, [NEGATIVE] = LIMN_CBOR_NEGATIVE, [BYTES] = LIMN_CBOR_BYTES,
    [TEXT] = LIMN_CBOR_TEXT,         [ARRAY] = LIMN_CBOR_ARRAY,       [MAP] = LIMN_CBOR_MAP,
    [TAG] = LIMN_CBOR_TAG,           [SIMPLE] = LIMN_CBOR_OTHER,
};

/* A head without a number: the end of something open, or the begin of it. */
static bool read_open(unsigned kind, limn_cbor_head *head)
{
    if (kind == BYTES || kind == TEXT)
        head->kind = LIMN_CBOR_PIECES;
    else if (kind == SIMPLE)
        head->kind = LIMN_CBOR_BREAK;
    else if (kind != ARRAY && kind != MAP)
        return false;
    head->open = true;
    return true;
}

bool limn_cbor_next(limn_mark_span *rest, limn_cbor_head *head)
{
    unsigned kind, info;
    size_t bytes = 0;

    if (!rest->count) return false;
    kind = rest->data[0] >> 5;
    info = rest->data[0] & 31;
    *head = (limn_cbor_head){ .kind = kinds[kind], .number = info };
    if (info >= ONE_BYTE && info <= EIGHT_BYTES) {
        bytes = (size_t)1 << (info - ONE_BYTE);
        if (rest->count < 1 + bytes) return false;
        head->number = 0;
        for (size_t i = 1; i <= bytes; i++) head->number = head->number << 8 | rest->data[i];
    } else if (info == OPEN) {
        if (!read_open(kind, head)) return false;
    } else if (info > EIGHT_BYTES || (kind == SIMPLE && info < FALSE_OR_ABOVE)) {
        return false; /* set aside for later */
    }
    *rest = limn_mark_cut(*rest, 1 + bytes, rest->count - 1 - bytes);
    if (head->kind != LIMN_CBOR_BYTES && head->kind != LIMN_CBOR_TEXT) return true;
    if (head->number > rest->count) return false;
    head->bytes = limn_mark_cut(*rest, 0, head->number);
    *rest = limn_mark_cut(*rest, head->number, rest->count - head->number);
    return true;
}

/* ---- Reading whole items --------------------------------------------------------------------- */

/* Steps over one item.  Every step takes at least a byte, so a head that announces 2^60 items ends
 * with the bytes. */
static bool skip(limn_mark_span *rest, int depth, bool *was_break)
{
    limn_cbor_head head;
    uint64_t per_entry;
    bool end = false;

    *was_break = false;
    if (depth > LIMN_CBOR_DEPTH || !limn_cbor_next(rest, &head)) return false;
    switch (head.kind) {
    case LIMN_CBOR_BREAK:
        *was_break = true;
        return true;
    case LIMN_CBOR_TAG:
        return skip(rest, depth + 1, &end) && !end;
    case LIMN_CBOR_PIECES:
        head.open = true;
        break;
    case LIMN_CBOR_ARRAY:
    case LIMN_CBOR_MAP:
        break;
    default:
        return true;
    }
    per_entry = head.kind == LIMN_CBOR_MAP ? 2 : 1;
    for (uint64_t i = 0; head.open || i < head.number; i++) {
        for (uint64_t part = 0; part < per_entry; part++) {
            if (!skip(rest, depth + 1, &end)) return false;
            if (end) return head.open && part == 0;
        }
    }
    return true;
}

bool limn_cbor_item(limn_mark_span *rest, limn_mark_span *item)
{
    limn_mark_span start = *rest;
    bool was_break;

    if (!skip(rest, 0, &was_break) || was_break) return false;
    *item = limn_mark_span_of(start.data, start.count - rest->count);
    return true;
}

bool limn_cbor_head_of(limn_mark_span item, limn_cbor_head *head, limn_mark_span *rest)
{
    do {
        if (!limn_cbor_next(&item, head)) return false;
    } while (head->kind == LIMN_CBOR_TAG);
    *rest = item;
    return true;
}

static bool is_key(limn_mark_span item, const char *key, int64_t number)
{
    limn_cbor_head head;
    limn_mark_span rest;

    if (!limn_cbor_head_of(item, &head, &rest)) return false;
    if (key) return head.kind == LIMN_CBOR_TEXT && limn_mark_span_is(head.bytes, key);
    if (number < 0)
        return head.kind == LIMN_CBOR_NEGATIVE && head.number == (uint64_t)(-1 - number);
    return head.kind == LIMN_CBOR_UNSIGNED && head.number == (uint64_t)number;
}

bool limn_cbor_find(limn_mark_span map, const char *key, int64_t number, limn_mark_span *value)
{
    limn_cbor_head head;
    limn_mark_span rest, name;

    if (!limn_cbor_head_of(map, &head, &rest) || head.kind != LIMN_CBOR_MAP) return false;
    for (uint64_t i = 0; head.open || i < head.number; i++) {
        if (!limn_cbor_item(&rest, &name) || !limn_cbor_item(&rest, value)) return false;
        if (is_key(name, key, number)) return true;
    }
    return false;
}

static bool find_kind(limn_mark_span map, const char *key, limn_cbor_kind kind,
                      limn_cbor_head *head)
{
    limn_mark_span value, rest;

    return limn_cbor_find(map, key, 0, &value) && limn_cbor_head_of(value, head, &rest) &&
           head->kind == kind;
}

bool limn_cbor_find_text(limn_mark_span map, const char *key, limn_mark_span *text)
{
    limn_cbor_head head;

    if (!find_kind(map, key, LIMN_CBOR_TEXT, &head)) return false;
    *text = head.bytes;
    return true;
}

bool limn_cbor_find_bytes(limn_mark_span map, const char *key, limn_mark_span *bytes)
{
    limn_cbor_head head;

    if (!find_kind(map, key, LIMN_CBOR_BYTES, &head)) return false;
    *bytes = head.bytes;
    return true;
}

bool limn_cbor_find_unsigned(limn_mark_span map, const char *key, uint64_t *value)
{
    limn_cbor_head head;

    if (!find_kind(map, key, LIMN_CBOR_UNSIGNED, &head)) return false;
    *value = head.number;
    return true;
}

bool limn_cbor_array_start(limn_mark_span array, limn_cbor_walk *walk)
{
    limn_cbor_head head;

    if (!limn_cbor_head_of(array, &head, &walk->rest) || head.kind != LIMN_CBOR_ARRAY) return false;
    walk->left = head.number;
    walk->open = head.open;
    return true;
}

bool limn_cbor_array_next(limn_cbor_walk *walk, limn_mark_span *item)
{
    if (!walk->open && !walk->left--) {
        walk->left = 0;
        return false;
    }
    return limn_cbor_item(&walk->rest, item);
}
