/* SPDX-License-Identifier: Apache-2.0
 *
 * EXIF into encoded files.
 *
 * libvips always writes EXIF of its own making (into JPEG and WebP even for a picture that has
 * none), rebuilt by libexif from single fields, which loses what it does not know.  So its segment
 * is cut out of the file that it just made and the cleaned original is put in its place.  The input
 * here is never a stranger's file, but it is walked with the same care. */
#include "image/metadata.h"

#include <math.h>
#include <string.h>

enum { JPEG_SEGMENT_MAX = 65533 - 6, WEBP_HAS_EXIF = 8 };

/* Room for the whole file and what is added was taken at the start. */
static void add(limn_bytes *out, const void *bytes, size_t count)
{
    if (count) memcpy(out->bytes + out->count, bytes, count);
    out->count += count;
}

static uint32_t big32(const unsigned char *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static uint32_t little32(const unsigned char *b)
{
    return (uint32_t)b[3] << 24 | (uint32_t)b[2] << 16 | (uint32_t)b[1] << 8 | b[0];
}

static void put_big32(unsigned char *b, uint32_t v)
{
    b[0] = (unsigned char)(v >> 24), b[1] = (unsigned char)(v >> 16);
    b[2] = (unsigned char)(v >> 8), b[3] = (unsigned char)v;
}

static void put_little32(unsigned char *b, uint32_t v)
{
    b[3] = (unsigned char)(v >> 24), b[2] = (unsigned char)(v >> 16);
    b[1] = (unsigned char)(v >> 8), b[0] = (unsigned char)v;
}

/* SOI, JFIF (when there is no EXIF to say the resolution), EXIF, then everything else. */
static bool splice_jpeg(limn_bytes *out, const unsigned char *file, size_t count, const void *exif,
                        size_t exif_count, const double per_mm[2])
{
    size_t at = 2;

    if (count < 4) return false;
    add(out, file, 2);
    if (exif_count && exif_count <= JPEG_SEGMENT_MAX) {
        size_t length = exif_count + 8;
        unsigned char head[10] = {
            0xff, 0xe1, (unsigned char)(length >> 8), (unsigned char)length, 'E', 'x', 'i', 'f',
            0,    0
        };

        add(out, head, sizeof head);
        add(out, exif, exif_count);
    } else {
        bool known = per_mm[0] > 0 && per_mm[1] > 0 && per_mm[0] < 2000 && per_mm[1] < 2000;
        unsigned x = known ? (unsigned)lrint(per_mm[0] * 25.4) : 1;
        unsigned y = known ? (unsigned)lrint(per_mm[1] * 25.4) : 1;
        unsigned char jfif[20] = { 0xff,
                                   0xe0,
                                   0,
                                   16,
                                   'J',
                                   'F',
                                   'I',
                                   'F',
                                   0,
                                   1,
                                   1,
                                   known,
                                   (unsigned char)(x >> 8),
                                   (unsigned char)x,
                                   (unsigned char)(y >> 8),
                                   (unsigned char)y,
                                   0,
                                   0 };

        add(out, jfif, 18);
    }
    while (at + 4 <= count && file[at] == 0xff && file[at + 1] != 0xda) {
        size_t length = ((size_t)file[at + 2] << 8 | file[at + 3]) + 2;
        bool theirs = file[at + 1] == 0xe0 || (file[at + 1] == 0xe1 && length >= 10 &&
                                               !memcmp(file + at + 4, "Exif\0\0", 6));

        if (length > count - at) return false;
        if (!theirs) add(out, file + at, length);
        at += length;
    }
    add(out, file + at, count - at);
    return true;
}

static uint32_t crc(const unsigned char *b, size_t count)
{
    uint32_t c = 0xffffffff;

    for (size_t i = 0; i < count; i++) {
        c ^= b[i];
        for (int k = 0; k < 8; k++) c = c >> 1 ^ (c & 1 ? 0xedb88320 : 0);
    }
    return ~c;
}

static bool splice_png(limn_bytes *out, const unsigned char *file, size_t count, const void *exif,
                       size_t exif_count, const double per_mm[2])
{
    size_t at = 8;
    bool done = exif_count == 0;

    if (count < 8) return false;
    add(out, file, 8);
    while (count - at >= 12) {
        size_t length = (size_t)big32(file + at) + 12;
        const unsigned char *type = file + at + 4;

        if (length > count - at) return false;
        if (!done && !memcmp(type, "IDAT", 4)) {
            unsigned char word[4], *start;

            put_big32(word, (uint32_t)exif_count);
            add(out, word, 4);
            start = out->bytes + out->count;
            add(out, "eXIf", 4);
            add(out, exif, exif_count);
            put_big32(word, crc(start, exif_count + 4));
            add(out, word, 4);
            done = true;
        }
        if (memcmp(type, "eXIf", 4) && (memcmp(type, "pHYs", 4) || per_mm[0] > 0))
            add(out, file + at, length);
        at += length;
    }
    return at == count;
}

static bool splice_webp(limn_bytes *out, const unsigned char *file, size_t count, const void *exif,
                        size_t exif_count)
{
    bool extended = count >= 30 && !memcmp(file + 12, "VP8X", 4), done = false;
    size_t at = 12;

    if (count < 20) return false;
    add(out, file, 12);
    while (count - at >= 8 || !done) {
        bool end = count - at < 8;
        size_t length = end ? 0 : ((size_t)little32(file + at + 4) + 1) / 2 * 2 + 8;

        if (length > count - at) return false;
        if (extended && !done && (end || !memcmp(file + at, "XMP ", 4))) {
            unsigned char head[8] = { 'E', 'X', 'I', 'F' };

            put_little32(head + 4, (uint32_t)exif_count);
            if (exif_count) add(out, head, 8);
            add(out, exif, exif_count);
            if (exif_count % 2) add(out, "", 1);
            done = true;
        }
        if (end) break;
        if (memcmp(file + at, "EXIF", 4)) add(out, file + at, length);
        at += length;
    }
    put_little32(out->bytes + 4, (uint32_t)(out->count - 8));
    if (extended)
        out->bytes[20] = (unsigned char)((file[20] & ~WEBP_HAS_EXIF) |
                                         (exif_count ? WEBP_HAS_EXIF : 0));
    return at == count;
}

limn_status limn_metadata_splice(limn_bytes *out, const void *file, size_t count,
                                 limn_format format, const void *exif, size_t exif_count,
                                 const double per_mm[2], limn_error *error)
{
    bool done = true;

    *out = (limn_bytes){ 0 };
    if (!(out->bytes = limn_block(count + exif_count + 64)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for a file of %zu bytes", count);
    switch (format) {
    case LIMN_FORMAT_JPEG:
        done = splice_jpeg(out, file, count, exif, exif_count, per_mm);
        break;
    case LIMN_FORMAT_PNG:
        done = splice_png(out, file, count, exif, exif_count, per_mm);
        break;
    case LIMN_FORMAT_WEBP:
        done = splice_webp(out, file, count, exif, exif_count);
        break;
    default:
        add(out, file, count);
    }
    if (done) return LIMN_OK;
    limn_block_free(out->bytes);
    *out = (limn_bytes){ 0 };
    return limn_fail(error, LIMN_BUG, "the encoded %s file is not in the order expected",
                     limn_format_about(format)->name);
}
