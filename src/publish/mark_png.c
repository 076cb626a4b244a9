/* SPDX-License-Identifier: Apache-2.0
 *
 * PNG: a signature and chunks (u32 length, four letters, contents, CRC-32 of letters and contents).
 * XMP is an iTXt chunk with the keyword XML:com.adobe.xmp, the manifest a caBX chunk; both go
 * behind IHDR, in front of everything that a decoder may stop at. */
#include "publish/mark_container.h"

#include <string.h>

enum { SIGNATURE_BYTES = 8, CHUNK_EXTRA = 12, IHDR_END = SIGNATURE_BYTES + CHUNK_EXTRA + 13 };

static const char signature[SIGNATURE_BYTES + 1] = "\x89PNG\r\n\x1a\n";
/* keyword, 0, not compressed, method 0, no language, no translated keyword */
static const char xmp_head[] = "XML:com.adobe.xmp\0\0\0\0";

/* CRC-32 (reflected 0xedb88320), half a byte at a time: 16 words of table instead of 256. */
static uint32_t crc_of(const unsigned char *at, size_t count)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    uint32_t crc = ~(uint32_t)0;

    for (size_t i = 0; i < count; i++) {
        crc ^= at[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

typedef struct chunk {
    limn_mark_span whole, contents;
    char type[5];
} chunk;

/* Takes one chunk from the front; false when the bytes end inside it. */
static bool next_chunk(limn_mark_span *rest, chunk *out)
{
    uint64_t count;

    if (rest->count < CHUNK_EXTRA) return false;
    count = limn_mark_u32(rest->data);
    if (count + CHUNK_EXTRA > rest->count) return false;
    out->whole = limn_mark_cut(*rest, 0, count + CHUNK_EXTRA);
    out->contents = limn_mark_cut(*rest, 8, count);
    memcpy(out->type, rest->data + 4, 4);
    out->type[4] = 0;
    *rest = limn_mark_cut(*rest, count + CHUNK_EXTRA, rest->count - count - CHUNK_EXTRA);
    return true;
}

static bool starts(limn_mark_span span, const char *head, size_t count)
{
    return span.count >= count && !memcmp(span.data, head, count);
}

/* An XMP chunk, whether it can be read or not: the standard's is an iTXt, libvips writes a
 * compressed zTXt under the same keyword, and ImageMagick has a keyword of its own. */
static bool is_xmp(const chunk *c)
{
    static const char keyword[] = "XML:com.adobe.xmp", raw[] = "Raw profile type xmp";

    return (!strcmp(c->type, "iTXt") || !strcmp(c->type, "zTXt") || !strcmp(c->type, "tEXt")) &&
           (starts(c->contents, keyword, sizeof keyword) || starts(c->contents, raw, sizeof raw));
}

/* The packet of an uncompressed chunk: keyword, 0, 0, 0, language, 0, keyword translated, 0, text.
 */
static limn_mark_span xmp_of(const chunk *c)
{
    size_t at = sizeof "XML:com.adobe.xmp";

    if (strcmp(c->type, "iTXt") || c->contents.count < at + 2 || c->contents.data[at] ||
        c->contents.data[at - 1])
        return (limn_mark_span){ NULL, 0 };
    at += 2;
    for (int i = 0; i < 2; i++) {
        while (at < c->contents.count && c->contents.data[at]) at++;
        at++;
    }
    return limn_mark_cut(c->contents, at, c->contents.count < at ? 0 : c->contents.count - at);
}

static bool is(limn_mark_span file)
{
    return starts(file, signature, SIGNATURE_BYTES);
}

static limn_status read(limn_container_found *found, limn_mark_span file, limn_arena *arena,
                        limn_error *error)
{
    limn_mark_span rest = limn_mark_cut(file, SIGNATURE_BYTES, file.count - SIGNATURE_BYTES);
    bool ended = false, first = true;
    chunk c;

    (void)arena;
    (void)error;
    while (!ended && next_chunk(&rest, &c)) {
        bool sound = crc_of(c.whole.data + 4, c.whole.count - 8) ==
                     limn_mark_u32(c.whole.data + c.whole.count - 4);

        if (!sound) {
            found->damage = "is damaged: a chunk does not have its checksum";
            if (c.contents.count >= 8 && !memcmp(c.contents.data + 4, "jumb", 4))
                found->manifest_traces = true;
            if (!strcmp(c.type, "caBX"))
                found->fault = "is damaged: its manifest does not have its checksum";
        }
        if (first && (strcmp(c.type, "IHDR") || c.contents.count != 13))
            found->fault = "is damaged: it does not begin with its header";
        first = false;
        ended = !strcmp(c.type, "IEND");
        if (is_xmp(&c)) {
            limn_mark_span packet = xmp_of(&c);

            if (!packet.count)
                found->xmp_unread = true;
            else if (!found->xmp.count)
                found->xmp = packet;
        }
        if (!strcmp(c.type, "caBX")) {
            if (found->manifest_place) found->fault = "has more than one store of manifests";
            found->manifest = c.contents;
            found->manifest_place += c.whole.count;
        }
    }
    if (!ended && !found->fault) found->fault = "is damaged: it ends in the middle";
    return LIMN_OK;
}

static void put_chunk(limn_mark_buffer *out, const char *type, limn_mark_span head,
                      limn_mark_span contents)
{
    size_t at = out->count;

    limn_mark_put_u32(out, (uint32_t)(head.count + contents.count));
    limn_mark_put(out, type, 4);
    limn_mark_put_span(out, head);
    limn_mark_put_span(out, contents);
    if (!out->refused)
        limn_mark_put_u32(out, crc_of(out->data + at + 4, head.count + contents.count + 4));
}

static void put_manifest(limn_mark_buffer *out, limn_mark_span manifest)
{
    put_chunk(out, "caBX", (limn_mark_span){ NULL, 0 }, manifest);
}

static size_t manifest_bytes(size_t count)
{
    return count + CHUNK_EXTRA;
}

static limn_status write(limn_mark_buffer *out, limn_mark_span file, limn_mark_span xmp,
                         size_t *manifest_at, limn_error *error)
{
    limn_mark_span rest = limn_mark_cut(file, IHDR_END, file.count - IHDR_END);
    chunk c;

    limn_mark_put(out, file.data, IHDR_END);
    *manifest_at = IHDR_END;
    /* sizeof counts the literal's own zero: it ends the translated keyword. */
    put_chunk(out, "iTXt", limn_mark_span_of(xmp_head, sizeof xmp_head), xmp);
    while (next_chunk(&rest, &c)) {
        if (!strcmp(c.type, "caBX") || is_xmp(&c)) continue;
        limn_mark_put_span(out, c.whole);
        if (!strcmp(c.type, "IEND")) break;
    }
    return limn_mark_buffer_check(out, error);
}

const limn_container limn_container_png = {
    .name = "PNG",
    .is = is,
    .read = read,
    .write = write,
    .put_manifest = put_manifest,
    .manifest_bytes = manifest_bytes,
    .xmp_bytes_max = (size_t)1 << 30,
};
