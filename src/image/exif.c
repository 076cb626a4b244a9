/* SPDX-License-Identifier: Apache-2.0
 *
 * EXIF for a picture that is not the one the camera took.
 *
 * The block is edited where it lies instead of being parsed and written anew (as libvips does with
 * libexif): offsets inside it stay valid, unknown tags survive, and nothing is made up.  The block
 * comes from a stranger's file, so every offset is checked against its end; one that does not hold
 * makes the whole block useless and the caller drops it. */
#include "image/ifd.h"
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
};

static void set_value(const limn_ifd_block *b, size_t entry, uint32_t value)
{
    uint32_t type = limn_get16(b, entry + 2);

    if (limn_get32(b, entry + 4) != 1) return;
    if (type == IFD_LONG) limn_put32(b, entry + 8, value);
    if (type == IFD_SHORT && value <= 0xffff) limn_put16(b, entry + 8, value);
}

/* Zeros over the values of an entry that lie elsewhere. */
static void wipe_values(const limn_ifd_block *b, size_t entry)
{
    static const unsigned char width[] = { 0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4 };
    uint32_t type = limn_get16(b, entry + 2);
    uint64_t bytes = type < sizeof width ? (uint64_t)width[type] * limn_get32(b, entry + 4) : 0;
    size_t at = limn_get32(b, entry + 8);

    if (bytes > 4 && at >= 8 && at < b->count && bytes <= b->count - at)
        memset(b->bytes + at, 0, (size_t)bytes);
}

/* Zeros over a directory and all it points to. */
static void wipe_directory(const limn_ifd_block *b, size_t at)
{
    int n = limn_ifd_entries(b, at);

    for (int i = 0; i < n; i++) wipe_values(b, limn_ifd_entry(at, i));
    if (n >= 0) memset(b->bytes + at, 0, 2 + (size_t)n * IFD_ENTRY);
}

static void wipe_thumbnail(const limn_ifd_block *b, size_t at)
{
    int n = limn_ifd_entries(b, at);
    size_t from = 0, bytes = 0;

    for (int i = 0; i < n; i++) {
        size_t entry = limn_ifd_entry(at, i);

        if (limn_get16(b, entry) == TAG_THUMBNAIL) from = limn_get32(b, entry + 8);
        if (limn_get16(b, entry) == TAG_THUMBNAIL_BYTES) bytes = limn_get32(b, entry + 8);
    }
    if (from >= 8 && from < b->count) {
        if (bytes > b->count - from) bytes = b->count - from;
        memset(b->bytes + from, 0, bytes);
    }
    wipe_directory(b, at);
}

/* One directory; *sub is the EXIF directory it points to, or 0. */
static bool clean_directory(const limn_ifd_block *b, size_t at, int width, int height,
                            bool keep_gps, size_t *sub)
{
    int n = limn_ifd_entries(b, at);

    if (n < 0) return false;
    for (int i = 0; i < n; i++) {
        size_t entry = limn_ifd_entry(at, i);
        uint32_t tag = limn_get16(b, entry);

        if (tag == TAG_ORIENTATION) set_value(b, entry, 1);
        if (tag == TAG_WIDTH || tag == TAG_PIXELS_X) set_value(b, entry, (uint32_t)width);
        if (tag == TAG_HEIGHT || tag == TAG_PIXELS_Y) set_value(b, entry, (uint32_t)height);
        if (tag == TAG_EXIF && sub) *sub = limn_get32(b, entry + 8);
        if ((tag == TAG_GPS && !keep_gps) || tag == TAG_MAKER_NOTE) {
            size_t gps = limn_get32(b, entry + 8);

            if (tag == TAG_MAKER_NOTE)
                wipe_values(b, entry);
            else if (limn_ifd_entries(b, gps) < 0 || gps == at)
                return false;
            else
                wipe_directory(b, gps);
            if (limn_ifd_entries(b, at) != n)
                return false; /* it pointed into this very directory */
            limn_ifd_remove(b, at, n--, i--);
        }
    }
    return true;
}

bool limn_exif_clean(unsigned char *exif, size_t count, int width, int height, bool keep_gps)
{
    limn_ifd_block b = { exif, count, false };
    size_t first, sub = 0, end;
    int n;

    if (!(first = limn_ifd_first(&b))) return false;
    if (!clean_directory(&b, first, width, height, keep_gps, &sub)) return false;
    if (sub && (sub == first || !clean_directory(&b, sub, width, height, keep_gps, NULL)))
        return false;

    if ((n = limn_ifd_entries(&b, first)) < 0) return false;
    end = first + 2 + (size_t)n * IFD_ENTRY;
    if (count - end >= 4) {
        size_t next = limn_get32(&b, end);

        limn_put32(&b, end, 0);
        if (next && next != first && next != sub) wipe_thumbnail(&b, next);
    }
    /* Wiping may have hit what it should not in a block made to mislead. */
    return limn_ifd_entries(&b, first) == n && (!sub || limn_ifd_entries(&b, sub) >= 0);
}
