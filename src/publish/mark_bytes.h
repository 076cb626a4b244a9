/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes read and bytes written: what every part of the marking shares.
 *
 * A span borrows bytes.  A buffer grows and owns one block.  A refused block is remembered in the
 * buffer and everything after it does nothing, so that a file format can be written down line by
 * line and is asked once, at its end, whether there was memory for it. */
#ifndef LIMN_PUBLISH_MARK_BYTES_H
#define LIMN_PUBLISH_MARK_BYTES_H

#include "base/memory.h"

typedef struct limn_mark_span {
    const unsigned char *data;
    size_t count;
} limn_mark_span;

static inline limn_mark_span limn_mark_span_of(const void *data, size_t count)
{
    return (limn_mark_span){ data, count };
}

/* The part [at, at + count) of a span; empty with data NULL when it is not inside. */
static inline limn_mark_span limn_mark_cut(limn_mark_span span, uint64_t at, uint64_t count)
{
    if (at > span.count || count > span.count - at) return (limn_mark_span){ NULL, 0 };
    return (limn_mark_span){ span.data + at, (size_t)count };
}

bool limn_mark_span_is(limn_mark_span span, const char *text);

/* Big-endian numbers at a place that the caller has checked. */
uint32_t limn_mark_u16(const unsigned char *at);
uint32_t limn_mark_u32(const unsigned char *at);

/* {0} is empty. */
typedef struct limn_mark_buffer {
    unsigned char *data;
    size_t count, room;
    bool refused; /* a block was refused; data and count are what came before */
} limn_mark_buffer;

void limn_mark_put(limn_mark_buffer *buffer, const void *bytes, size_t count);
void limn_mark_put_span(limn_mark_buffer *buffer, limn_mark_span span);
void limn_mark_put_text(limn_mark_buffer *buffer, const char *text);
void limn_mark_put_u8(limn_mark_buffer *buffer, unsigned value);
void limn_mark_put_u16(limn_mark_buffer *buffer, uint32_t value);
void limn_mark_put_u32(limn_mark_buffer *buffer, uint32_t value);
/* Overwrites four bytes that were written before. */
void limn_mark_patch_u32(limn_mark_buffer *buffer, size_t at, uint32_t value);

/* count bytes more, not cleared, to be filled by the caller; NULL when refused. */
unsigned char *limn_mark_grow(limn_mark_buffer *buffer, size_t count);

static inline limn_mark_span limn_mark_written(const limn_mark_buffer *buffer)
{
    return (limn_mark_span){ buffer->data, buffer->count };
}

/* LIMN_NO_MEMORY when a block was refused on the way. */
limn_status limn_mark_buffer_check(const limn_mark_buffer *buffer, limn_error *error);
void limn_mark_buffer_free(limn_mark_buffer *buffer);

#endif
