/* SPDX-License-Identifier: Apache-2.0
 *
 * WebP: "RIFF", u32 length, "WEBP", then chunks (four letters, u32 length, contents, a zero byte
 * when that is odd); all numbers little-endian.  XMP is a chunk "XMP " behind the picture, and only
 * the extended form may have one: its first chunk VP8X has a bit for XMP.  A file in the simple
 * form (one chunk VP8 or VP8L) is given a VP8X with the size of the picture in it.
 *
 * A manifest (chunk C2PA) is read in other people's files and not written. */
#include "publish/mark_container.h"

#include <string.h>

enum { RIFF_HEAD = 12, CHUNK_HEAD = 8, VP8X_BYTES = 10, HAS_XMP = 0x04, HAS_ALPHA = 0x10 };

typedef struct chunk {
    limn_mark_span whole, contents; /* whole with the padding */
    char type[5];
} chunk;

static uint32_t little_u32(const unsigned char *at)
{
    return (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
}

static void put_little(limn_mark_buffer *out, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) limn_mark_put_u8(out, value >> 8 * i & 0xff);
}

static bool next_chunk(limn_mark_span *rest, chunk *out)
{
    uint64_t count, padded;

    if (rest->count < CHUNK_HEAD) return false;
    count = little_u32(rest->data + 4);
    if (count > rest->count - CHUNK_HEAD) return false;
    padded = CHUNK_HEAD + count + (count & 1);
    if (padded > rest->count) padded = rest->count; /* a last zero byte that was left out */
    memcpy(out->type, rest->data, 4);
    out->type[4] = 0;
    out->contents = limn_mark_cut(*rest, CHUNK_HEAD, count);
    out->whole = limn_mark_cut(*rest, 0, padded);
    *rest = limn_mark_cut(*rest, padded, rest->count - padded);
    return true;
}

/* The chunks of a file, by the length that its head says. */
static limn_mark_span chunks_of(limn_mark_span file)
{
    uint64_t says = little_u32(file.data + 4);

    if (says < 4 || says > file.count - 8) return (limn_mark_span){ NULL, 0 };
    return limn_mark_cut(file, RIFF_HEAD, says - 4);
}

static bool is(limn_mark_span file)
{
    return file.count >= RIFF_HEAD && !memcmp(file.data, "RIFF", 4) &&
           !memcmp(file.data + 8, "WEBP", 4);
}

/* Width, height and alpha as the one chunk of a simple file says them. */
static bool size_of(const chunk *c, uint32_t *width, uint32_t *height, bool *alpha)
{
    const unsigned char *at = c->contents.data;

    if (!strcmp(c->type, "VP8 ")) {
        /* three bytes of frame tag, three of start code, 14 bits each of width and height */
        if (c->contents.count < 10 || at[3] != 0x9d || at[4] != 0x01 || at[5] != 0x2a) return false;
        *width = ((uint32_t)at[7] << 8 | at[6]) & 0x3fff;
        *height = ((uint32_t)at[9] << 8 | at[8]) & 0x3fff;
        *alpha = false;
    } else if (!strcmp(c->type, "VP8L")) {
        /* one byte 0x2f, 14 bits of width - 1, 14 of height - 1, one of alpha */
        if (c->contents.count < 5 || at[0] != 0x2f) return false;
        *width = (little_u32(at + 1) & 0x3fff) + 1;
        *height = (little_u32(at + 1) >> 14 & 0x3fff) + 1;
        *alpha = little_u32(at + 1) >> 28 & 1;
    } else {
        return false;
    }
    return *width && *height;
}

static limn_status read(limn_container_found *found, limn_mark_span file, limn_arena *arena,
                        limn_error *error)
{
    limn_mark_span rest = chunks_of(file);
    uint32_t width, height;
    bool alpha, first = true;
    chunk c;

    (void)arena;
    (void)error;
    while (rest.count && next_chunk(&rest, &c)) {
        if (first && (strcmp(c.type, "VP8X") || c.contents.count < VP8X_BYTES) &&
            !size_of(&c, &width, &height, &alpha))
            found->fault = "is damaged: it does not begin with its header";
        first = false;
        if (!strcmp(c.type, "XMP ") && !found->xmp.count) found->xmp = c.contents;
        if (!strcmp(c.type, "C2PA")) {
            if (found->manifest_place) found->fault = "has more than one store of manifests";
            found->manifest = c.contents;
            found->manifest_place += c.whole.count;
        }
    }
    if (first || rest.count) found->fault = "is damaged: it ends in the middle";
    return LIMN_OK;
}

static void put_extended_head(limn_mark_buffer *out, const chunk *first)
{
    uint32_t width = 1, height = 1;
    bool alpha = false;

    limn_mark_put(out, "VP8X", 4);
    put_little(out, VP8X_BYTES, 4);
    if (!strcmp(first->type, "VP8X")) {
        limn_mark_put_u8(out, first->contents.data[0] | HAS_XMP);
        limn_mark_put(out, first->contents.data + 1, VP8X_BYTES - 1);
        return;
    }
    size_of(first, &width, &height, &alpha);
    put_little(out, HAS_XMP | (alpha ? HAS_ALPHA : 0), 4);
    put_little(out, width - 1, 3);
    put_little(out, height - 1, 3);
}

static limn_status write(limn_mark_buffer *out, limn_mark_span file, limn_mark_span xmp,
                         size_t *manifest_at, limn_error *error)
{
    limn_mark_span rest = chunks_of(file);
    size_t start = out->count;
    bool first = true;
    chunk c;

    limn_mark_put(out, file.data, RIFF_HEAD);
    while (rest.count && next_chunk(&rest, &c)) {
        if (first) put_extended_head(out, &c);
        first = false;
        if (!strcmp(c.type, "VP8X") || !strcmp(c.type, "XMP ") || !strcmp(c.type, "C2PA")) continue;
        limn_mark_put_span(out, c.whole);
        if ((out->count - start) & 1) limn_mark_put_u8(out, 0);
    }
    limn_mark_put(out, "XMP ", 4);
    put_little(out, (uint32_t)xmp.count, 4);
    limn_mark_put_span(out, xmp);
    if (xmp.count & 1) limn_mark_put_u8(out, 0);
    *manifest_at = out->count - start;
    LIMN_TRY(limn_mark_buffer_check(out, error));
    if (out->count - start - 8 > UINT32_MAX - 1)
        return limn_fail(error, LIMN_FORMAT, "the picture is too large for WebP");
    for (int i = 0; i < 4; i++)
        out->data[start + 4 + (size_t)i] = (unsigned char)((out->count - start - 8) >> 8 * i);
    return LIMN_OK;
}

const limn_container limn_container_webp = {
    .name = "WebP",
    .is = is,
    .read = read,
    .write = write,
    .xmp_bytes_max = (size_t)1 << 30,
};
