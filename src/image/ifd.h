/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside src/image only: the directories of TIFF, which are also those of EXIF: a count, then
 * entries of twelve bytes (tag, type, count, value or where it lies), in either byte order. */
#ifndef LIMN_IMAGE_IFD_H
#define LIMN_IMAGE_IFD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { IFD_ENTRY = 12, IFD_SHORT = 3, IFD_LONG = 4 };

typedef struct limn_ifd_block {
    unsigned char *bytes;
    size_t count;
    bool big_endian;
} limn_ifd_block;

static inline uint32_t limn_get16(const limn_ifd_block *b, size_t at)
{
    const unsigned char *p = b->bytes + at;

    return b->big_endian ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

static inline uint32_t limn_get32(const limn_ifd_block *b, size_t at)
{
    return b->big_endian ? limn_get16(b, at) << 16 | limn_get16(b, at + 2)
                         : limn_get16(b, at + 2) << 16 | limn_get16(b, at);
}

static inline void limn_put16(const limn_ifd_block *b, size_t at, uint32_t v)
{
    b->bytes[at + (b->big_endian ? 1 : 0)] = (unsigned char)v;
    b->bytes[at + (b->big_endian ? 0 : 1)] = (unsigned char)(v >> 8);
}

static inline void limn_put32(const limn_ifd_block *b, size_t at, uint32_t v)
{
    limn_put16(b, at + (b->big_endian ? 2 : 0), v & 0xffff);
    limn_put16(b, at + (b->big_endian ? 0 : 2), v >> 16);
}

/* Where entry i of the directory at `at` lies. */
static inline size_t limn_ifd_entry(size_t at, int i)
{
    return at + 2 + (size_t)i * IFD_ENTRY;
}

/* Byte order and the first directory, or 0 when this is no (classic) TIFF. */
static inline size_t limn_ifd_first(limn_ifd_block *b)
{
    if (b->count < 14) return 0;
    b->big_endian = !memcmp(b->bytes, "MM\0*", 4);
    if (!b->big_endian && memcmp(b->bytes, "II*\0", 4)) return 0;
    return limn_get32(b, 4);
}

/* Number of entries of the directory at `at`, or -1 when it does not lie inside the block. */
static inline int limn_ifd_entries(const limn_ifd_block *b, size_t at)
{
    size_t n;

    if (at < 8 || at > b->count - 2) return -1;
    n = limn_get16(b, at);
    return n * IFD_ENTRY <= b->count - at - 2 ? (int)n : -1;
}

/* Takes entry i out of a directory of n: what follows (the next directory's offset too) moves up.
 */
static inline void limn_ifd_remove(const limn_ifd_block *b, size_t at, int n, int i)
{
    size_t entry = limn_ifd_entry(at, i), end = limn_ifd_entry(at, n);
    size_t tail = b->count - end >= 4 ? 4 : 0;

    memmove(b->bytes + entry, b->bytes + entry + IFD_ENTRY, end + tail - entry - IFD_ENTRY);
    memset(b->bytes + end + tail - IFD_ENTRY, 0, IFD_ENTRY);
    limn_put16(b, at, (uint32_t)n - 1);
}

#endif
