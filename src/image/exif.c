/* SPDX-License-Identifier: Apache-2.0
 *
 * EXIF for a picture that is not the one the camera took.
 *
 * The block is edited where it lies instead of being parsed and written anew (as libvips does with
 * libexif): offsets inside it stay valid, unknown tags survive, and nothing is made up.  The block
 * comes from a stranger's file, so every offset is checked against its end; one that does not hold
 * makes the whole block useless and the caller drops it. */
#include "image/metadata.h"

#include <string.h>

enum {
    TAG_WIDTH = 0x0100,
    TAG_HEIGHT = 0x0101,
    TAG_ORIENTATION = 0x0112,
    TAG_THUMBNAIL = 0x0201,
    TAG_THUMBNAIL_BYTES = 0x0202,
    TAG_EXIF = 0x8769,
    TAG_GPS = 0x8825,
    TAG_MAKER_NOTE = 0x927c,
    TAG_PIXELS_X = 0xa002,
    TAG_PIXELS_Y = 0xa003,
    SHORT = 3,
    LONG = 4,
    ENTRY_BYTES = 12,
};

typedef struct block {
    unsigned char *bytes;
    size_t count;
    bool big_endian;
} block;

static uint32_t get16(const block *b, size_t at)
{
    const unsigned char *p = b->bytes + at;

    return b->big_endian ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

static uint32_t get32(const block *b, size_t at)
{
    return b->big_endian ? get16(b, at) << 16 | get16(b, at + 2)
                         : get16(b, at + 2) << 16 | get16(b, at);
}

static void put16(const block *b, size_t at, uint32_t v)
{
    b->bytes[at + (b->big_endian ? 1 : 0)] = (unsigned char)v;
    b->bytes[at + (b->big_endian ? 0 : 1)] = (unsigned char)(v >> 8);
}

static void put32(const block *b, size_t at, uint32_t v)
{
    put16(b, at + (b->big_endian ? 2 : 0), v & 0xffff);
    put16(b, at + (b->big_endian ? 0 : 2), v >> 16);
}

/* Number of entries of the directory at `at`, or -1 when it does not lie inside the block. */
static int entries_at(const block *b, size_t at)
{
    size_t n;

    if (at < 8 || at > b->count - 2) return -1;
    n = get16(b, at);
    return n * ENTRY_BYTES <= b->count - at - 2 ? (int)n : -1;
}

static void set_value(const block *b, size_t entry, uint32_t value)
{
    uint32_t type = get16(b, entry + 2);

    if (get32(b, entry + 4) != 1) return;
    if (type == LONG) put32(b, entry + 8, value);
    if (type == SHORT && value <= 0xffff) put16(b, entry + 8, value);
}

/* Zeros over the values of an entry that lie elsewhere. */
static void wipe_values(const block *b, size_t entry)
{
    static const unsigned char width[] = { 0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4 };
    uint32_t type = get16(b, entry + 2);
    uint64_t bytes = type < sizeof width ? (uint64_t)width[type] * get32(b, entry + 4) : 0;
    size_t at = get32(b, entry + 8);

    if (bytes > 4 && at >= 8 && at < b->count && bytes <= b->count - at)
        memset(b->bytes + at, 0, (size_t)bytes);
}

/* Zeros over a directory and all it points to. */
static void wipe_directory(const block *b, size_t at)
{
    int n = entries_at(b, at);

    for (int i = 0; i < n; i++) wipe_values(b, at + 2 + (size_t)i * ENTRY_BYTES);
    if (n >= 0) memset(b->bytes + at, 0, 2 + (size_t)n * ENTRY_BYTES);
}

/* Takes entry i out of a directory of n: what follows (the next directory's offset too) moves up.
 */
static void remove_entry(const block *b, size_t at, int n, int i)
{
    size_t entry = at + 2 + (size_t)i * ENTRY_BYTES, end = at + 2 + (size_t)n * ENTRY_BYTES;
    size_t tail = b->count - end >= 4 ? 4 : 0;

    memmove(b->bytes + entry, b->bytes + entry + ENTRY_BYTES, end + tail - entry - ENTRY_BYTES);
    memset(b->bytes + end + tail - ENTRY_BYTES, 0, ENTRY_BYTES);
    put16(b, at, (uint32_t)n - 1);
}

static void wipe_thumbnail(const block *b, size_t at)
{
    int n = entries_at(b, at);
    size_t from = 0, bytes = 0;

    for (int i = 0; i < n; i++) {
        size_t entry = at + 2 + (size_t)i * ENTRY_BYTES;

        if (get16(b, entry) == TAG_THUMBNAIL) from = get32(b, entry + 8);
        if (get16(b, entry) == TAG_THUMBNAIL_BYTES) bytes = get32(b, entry + 8);
    }
    if (from >= 8 && from < b->count) {
        if (bytes > b->count - from) bytes = b->count - from;
        memset(b->bytes + from, 0, bytes);
    }
    wipe_directory(b, at);
}

/* One directory; *sub is the EXIF directory it points to, or 0. */
static bool clean_directory(const block *b, size_t at, int width, int height, bool keep_gps,
                            size_t *sub)
{
    int n = entries_at(b, at);

    if (n < 0) return false;
    for (int i = 0; i < n; i++) {
        size_t entry = at + 2 + (size_t)i * ENTRY_BYTES;
        uint32_t tag = get16(b, entry);

        if (tag == TAG_ORIENTATION) set_value(b, entry, 1);
        if (tag == TAG_WIDTH || tag == TAG_PIXELS_X) set_value(b, entry, (uint32_t)width);
        if (tag == TAG_HEIGHT || tag == TAG_PIXELS_Y) set_value(b, entry, (uint32_t)height);
        if (tag == TAG_EXIF && sub) *sub = get32(b, entry + 8);
        if ((tag == TAG_GPS && !keep_gps) || tag == TAG_MAKER_NOTE) {
            size_t gps = get32(b, entry + 8);

            if (tag == TAG_MAKER_NOTE)
                wipe_values(b, entry);
            else if (entries_at(b, gps) < 0 || gps == at)
                return false;
            else
                wipe_directory(b, gps);
            if (entries_at(b, at) != n) return false; /* it pointed into this very directory */
            remove_entry(b, at, n--, i--);
        }
    }
    return true;
}

bool limn_exif_clean(unsigned char *exif, size_t count, int width, int height, bool keep_gps)
{
    block b = { exif, count, false };
    size_t first, sub = 0, end;
    int n;

    if (count < 14) return false;
    if (!memcmp(exif, "MM\0*", 4))
        b.big_endian = true;
    else if (memcmp(exif, "II*\0", 4))
        return false;
    first = get32(&b, 4);
    if (!clean_directory(&b, first, width, height, keep_gps, &sub)) return false;
    if (sub && (sub == first || !clean_directory(&b, sub, width, height, keep_gps, NULL)))
        return false;

    if ((n = entries_at(&b, first)) < 0) return false;
    end = first + 2 + (size_t)n * ENTRY_BYTES;
    if (count - end >= 4) {
        size_t next = get32(&b, end);

        put32(&b, end, 0);
        if (next && next != first && next != sub) wipe_thumbnail(&b, next);
    }
    /* Wiping may have hit what it should not in a block made to mislead. */
    return entries_at(&b, first) == n && (!sub || entries_at(&b, sub) >= 0);
}
