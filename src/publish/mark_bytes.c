/* SPDX-License-Identifier: Apache-2.0
 *
 * See mark_bytes.h.  The buffer doubles: a marked picture is written in a few dozen pieces, and an
 * exact size would have to be computed beforehand for each of four containers. */
#include "publish/mark_bytes.h"

#include <assert.h>
#include <string.h>

enum { FIRST_ROOM = 4096 };

bool limn_mark_span_is(limn_mark_span span, const char *text)
{
    return span.count == strlen(text) && (!span.count || !memcmp(span.data, text, span.count));
}

uint32_t limn_mark_u16(const unsigned char *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

uint32_t limn_mark_u32(const unsigned char *at)
{
    return limn_mark_u16(at) << 16 | limn_mark_u16(at + 2);
}

unsigned char *limn_mark_grow(limn_mark_buffer *buffer, size_t count)
{
    if (buffer->refused) return NULL;
    if (count > buffer->room - buffer->count) {
        size_t room = buffer->room ? buffer->room : FIRST_ROOM;
        unsigned char *larger = NULL;

        if (count <= SIZE_MAX / 4 - buffer->count) {
            while (room < buffer->count + count) room *= 2;
            larger = limn_block(room);
        }
        if (!larger) {
            buffer->refused = true;
            return NULL;
        }
        if (buffer->count) memcpy(larger, buffer->data, buffer->count);
        limn_block_free(buffer->data);
        buffer->data = larger;
        buffer->room = room;
    }
    buffer->count += count;
    return buffer->data + buffer->count - count;
}

void limn_mark_put(limn_mark_buffer *buffer, const void *bytes, size_t count)
{
    unsigned char *to = limn_mark_grow(buffer, count);

    if (to && count) memcpy(to, bytes, count);
}

void limn_mark_put_span(limn_mark_buffer *buffer, limn_mark_span span)
{
    limn_mark_put(buffer, span.data, span.count);
}

void limn_mark_put_text(limn_mark_buffer *buffer, const char *text)
{
    limn_mark_put(buffer, text, strlen(text));
}

void limn_mark_put_u8(limn_mark_buffer *buffer, unsigned value)
{
    unsigned char byte = (unsigned char)value;

    limn_mark_put(buffer, &byte, 1);
}

void limn_mark_put_u16(limn_mark_buffer *buffer, uint32_t value)
{
    limn_mark_put_u8(buffer, value >> 8 & 0xff);
    limn_mark_put_u8(buffer, value & 0xff);
}

void limn_mark_put_u32(limn_mark_buffer *buffer, uint32_t value)
{
    limn_mark_put_u16(buffer, value >> 16);
    limn_mark_put_u16(buffer, value & 0xffff);
}

void limn_mark_patch_u32(limn_mark_buffer *buffer, size_t at, uint32_t value)
{
    if (buffer->refused) return;
    assert(at + 4 <= buffer->count);
    for (int i = 0; i < 4; i++)
        buffer->data[at + (size_t)i] = (unsigned char)(value >> (24 - 8 * i));
}

limn_status limn_mark_buffer_check(const limn_mark_buffer *buffer, limn_error *error)
{
    if (!buffer->refused) return LIMN_OK;
    return limn_fail(error, LIMN_NO_MEMORY, "out of memory: marking a picture, after %zu bytes",
                     buffer->count);
}

void limn_mark_buffer_free(limn_mark_buffer *buffer)
{
    limn_block_free(buffer->data);
    *buffer = (limn_mark_buffer){ 0 };
}
