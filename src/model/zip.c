/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads a zip archive's table of contents (APPNOTE 6.3.9, sections 4.3.12 to 4.3.16).
 *
 * The central directory at the end decides; the local header in front of the data only has to agree
 * in name and method, because torch.save writes sizes there as zero and repeats them after the
 * data. Entries are sorted twice: by place to see overlaps, by name to find them.
 *
 * The checksum runs eight bytes at a time over eight tables: a 220 MB model must not wait a second
 * for it, which the byte-at-a-time form would take. */
#include "model/zip.h"
#include "model/foreign.h"

#include <stdlib.h>
#include <string.h>

enum { END_BYTES = 22, LOCATOR_BYTES = 20, END64_BYTES = 56, CENTRAL_BYTES = 46, LOCAL_BYTES = 30 };

typedef struct span {
    uint64_t begin, end; /* local header to last byte of data */
    const limn_zip_entry *entry;
} span;

typedef struct directory {
    uint64_t offset, bytes, entries;
} directory;

static limn_status broken(const limn_zip *zip, const char *what, limn_error *error)
{
    return limn_fail(error, LIMN_FORMAT, "%s: damaged zip archive: %s; copy or download it again",
                     zip->path, what);
}

static limn_status broken_entry(const limn_zip *zip, const limn_zip_entry *entry, const char *what,
                                limn_error *error)
{
    limn_quoted name = limn_quote(entry->name, entry->name_bytes);

    return limn_fail(error, LIMN_FORMAT, "%s: the zip entry '%s' %s", zip->path, name.text, what);
}

/* The end record is the last 22 bytes, or before a comment of at most 65535. */
static limn_status find_end(const limn_zip *zip, const unsigned char *bytes, size_t count,
                            directory *out, limn_error *error)
{
    const unsigned char *end = NULL, *end64;
    size_t at, comment;
    uint64_t limit, offset64;

    for (comment = 0; comment <= 65535 && comment + END_BYTES <= count; comment++) {
        const unsigned char *p = bytes + count - END_BYTES - comment;

        if (limn_read_32(p) == 0x06054b50 && limn_read_16(p + 20) == comment) {
            end = p;
            break;
        }
    }
    if (!end) return broken(zip, "its table of contents is missing (cut off?)", error);
    at = (size_t)(end - bytes);
    *out = (directory){ .entries = limn_read_16(end + 10),
                        .bytes = limn_read_32(end + 12),
                        .offset = limn_read_32(end + 16) };
    limit = at;
    if (at >= LOCATOR_BYTES && limn_read_32(end - LOCATOR_BYTES) == 0x07064b50) {
        offset64 = limn_read_64(end - LOCATOR_BYTES + 8);
        if (at < LOCATOR_BYTES + END64_BYTES || offset64 > at - LOCATOR_BYTES - END64_BYTES)
            return broken(zip, "its zip64 end record lies outside the file", error);
        end64 = bytes + offset64;
        if (limn_read_32(end64) != 0x06064b50)
            return broken(zip, "its zip64 end record is not there", error);
        if (limn_read_32(end64 + 16) || limn_read_32(end64 + 20))
            return broken(zip, "it says that it is spread over several disks", error);
        *out = (directory){ .entries = limn_read_64(end64 + 32),
                            .bytes = limn_read_64(end64 + 40),
                            .offset = limn_read_64(end64 + 48) };
        limit = offset64;
    } else if (limn_read_16(end + 4) || limn_read_16(end + 6)) {
        return broken(zip, "it says that it is spread over several disks", error);
    }
    if (out->offset > limit || out->bytes > limit - out->offset)
        return broken(zip, "its table of contents lies outside the file", error);
    if (out->entries > LIMN_ZIP_ENTRIES_MAX || out->entries > out->bytes / CENTRAL_BYTES)
        return limn_fail(error, LIMN_FORMAT,
                         "%s: damaged zip archive: it claims %llu entries, more than its table of "
                         "contents holds or than the %d that are read",
                         zip->path, (unsigned long long)out->entries, LIMN_ZIP_ENTRIES_MAX);
    return LIMN_OK;
}

/* Nothing is extracted, so such a name could do no harm here; but no honest writer makes one, and
 * the person should hear about it. */
static const char *name_fault(const char *name, size_t bytes)
{
    size_t i, start = 0;

    if (!bytes) return "has no name";
    if (name[0] == '/') return "has an absolute path for a name; the file is not what it claims";
    for (i = 0; i <= bytes; i++) {
        if (i < bytes && (unsigned char)name[i] < 32) return "has control characters in its name";
        if (i < bytes && name[i] == '\\') return "has a backslash in its name";
        if (i < bytes && name[i] != '/') continue;
        if (i - start == 2 && !memcmp(name + start, "..", 2))
            return "has '..' in its name and would climb out of the archive";
        start = i + 1;
    }
    return NULL;
}

/* Sizes and offset beyond 32 bits stand in an extra field, in a fixed order, each only if its
 * ordinary field is all ones. */
static bool read_zip64(const unsigned char *extra, size_t bytes, uint64_t *plain, uint64_t *packed,
                       uint64_t *offset)
{
    uint64_t *wanted[3] = { plain, packed, offset };
    size_t i, at, end;

    for (at = 0; at + 4 <= bytes; at = end) {
        end = at + 4 + limn_read_16(extra + at + 2);
        if (end > bytes) return false;
        if (limn_read_16(extra + at) != 1) continue;
        at += 4;
        for (i = 0; i < 3; i++) {
            if (*wanted[i] != 0xffffffff) continue;
            if (end - at < 8) return false;
            *wanted[i] = limn_read_64(extra + at);
            at += 8;
        }
        return true;
    }
    return *plain != 0xffffffff && *packed != 0xffffffff && *offset != 0xffffffff;
}

/* One row of the table of contents, from p with room bytes; *used is its length. */
static limn_status read_entry(const limn_zip *zip, const unsigned char *bytes, uint64_t limit,
                              const unsigned char *p, size_t room, limn_zip_entry *entry,
                              span *place, size_t *used, limn_error *error)
{
    uint64_t plain, packed, offset, data;
    const unsigned char *local;
    const char *fault;
    size_t extra;
    unsigned method;

    if (room < CENTRAL_BYTES || limn_read_32(p) != 0x02014b50)
        return broken(zip, "a row of its table of contents is not one", error);
    entry->name_bytes = limn_read_16(p + 28);
    extra = limn_read_16(p + 30);
    *used = CENTRAL_BYTES + entry->name_bytes + extra + limn_read_16(p + 32);
    if (*used > room) return broken(zip, "a row of its table of contents is cut off", error);
    entry->name = (const char *)p + CENTRAL_BYTES;
    entry->crc = limn_read_32(p + 16);
    if ((fault = name_fault(entry->name, entry->name_bytes)))
        return broken_entry(zip, entry, fault, error);
    if (limn_read_16(p + 8) & 1) return broken_entry(zip, entry, "is encrypted", error);
    method = limn_read_16(p + 10);
    if (method)
        return broken_entry(zip, entry,
                            method == 8 ? "is compressed (deflate); PyTorch stores its entries: "
                                          "unpack the archive and pack it again with zip -0 -r"
                                        : "is compressed in a way PyTorch never uses",
                            error);
    packed = limn_read_32(p + 20);
    plain = limn_read_32(p + 24);
    offset = limn_read_32(p + 42);
    if (!read_zip64(p + CENTRAL_BYTES + entry->name_bytes, extra, &plain, &packed, &offset))
        return broken_entry(zip, entry, "has a broken zip64 size", error);
    if (plain != packed)
        return broken_entry(zip, entry, "is stored, yet has two different sizes", error);
    if (offset > limit || limit - offset < LOCAL_BYTES)
        return broken_entry(zip, entry, "lies outside the file", error);
    local = bytes + offset;
    data = offset + LOCAL_BYTES + limn_read_16(local + 26) + limn_read_16(local + 28);
    if (limn_read_32(local) != 0x04034b50 || limn_read_16(local + 8) != method || data > limit ||
        limn_read_16(local + 26) != entry->name_bytes ||
        memcmp(local + LOCAL_BYTES, entry->name, entry->name_bytes))
        return broken_entry(zip, entry, "is not where the table of contents says", error);
    if (plain > limit - data)
        return limn_fail(error, LIMN_FORMAT,
                         "%s: the zip entry '%s' claims %llu bytes, and the file has %llu left for "
                         "it (cut off?)",
                         zip->path, limn_quote(entry->name, entry->name_bytes).text,
                         (unsigned long long)plain, (unsigned long long)(limit - data));
    entry->data = bytes + data;
    entry->count = (size_t)plain;
    *place = (span){ offset, data + plain, entry };
    return LIMN_OK;
}

static int by_place(const void *a, const void *b)
{
    const span *x = a, *y = b;

    return x->begin < y->begin ? -1 : x->begin > y->begin;
}

static int compare_names(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    int order = memcmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes);

    if (order) return order;
    return a_bytes < b_bytes ? -1 : a_bytes > b_bytes;
}

static int by_name(const void *a, const void *b)
{
    const limn_zip_entry *x = a, *y = b;

    return compare_names(x->name, x->name_bytes, y->name, y->name_bytes);
}

limn_status limn_zip_open(limn_zip *zip, const unsigned char *bytes, size_t count, const char *path,
                          limn_arena *arena, limn_error *error)
{
    directory table = { 0 };
    span *places;
    size_t i, n, at, used = 0;

    *zip = (limn_zip){ .path = path };
    LIMN_TRY(find_end(zip, bytes, count, &table, error));
    n = (size_t)table.entries;
    LIMN_TRY(limn_take_into(&zip->entries, arena, (n + 1) * sizeof *zip->entries, error));
    LIMN_TRY(limn_take_into(&places, arena, (n + 1) * sizeof *places, error));
    for (i = at = 0; i < n; i++, at += used)
        LIMN_TRY(read_entry(zip, bytes, table.offset, bytes + table.offset + at,
                            (size_t)table.bytes - at, &zip->entries[i], &places[i], &used, error));
    qsort(places, n, sizeof *places, by_place);
    for (i = 1; i < n; i++)
        if (places[i].begin < places[i - 1].end)
            return broken_entry(zip, places[i].entry, "overlaps another one", error);
    qsort(zip->entries, n, sizeof *zip->entries, by_name);
    for (i = 1; i < n; i++)
        if (!by_name(&zip->entries[i - 1], &zip->entries[i]))
            return broken_entry(zip, &zip->entries[i], "is there twice", error);
    zip->count = n;
    return LIMN_OK;
}

limn_zip_entry *limn_zip_find(const limn_zip *zip, const char *name, size_t name_bytes)
{
    limn_zip_entry key = { .name = name, .name_bytes = name_bytes };

    return bsearch(&key, zip->entries, zip->count, sizeof key, by_name);
}

/* table[k][b]: the checksum of byte b followed by k zero bytes; made for each call of checksum,
 * because 2048 steps are nothing beside the data and a static one would need a lock. */
static void make_tables(uint32_t table[8][256])
{
    uint32_t i, c;
    int k;

    for (i = 0; i < 256; i++) {
        for (c = i, k = 0; k < 8; k++) c = c & 1 ? 0xedb88320u ^ c >> 1 : c >> 1;
        table[0][i] = c;
    }
    for (i = 0; i < 256; i++)
        for (k = 1; k < 8; k++)
            table[k][i] = table[0][table[k - 1][i] & 255] ^ table[k - 1][i] >> 8;
}

static uint32_t checksum(const unsigned char *p, size_t count)
{
    uint32_t table[8][256], c = 0xffffffff, a, b;

    make_tables(table);
    for (; count >= 8; p += 8, count -= 8) {
        a = c ^ limn_read_32(p);
        b = limn_read_32(p + 4);
        c = table[7][a & 255] ^ table[6][a >> 8 & 255] ^ table[5][a >> 16 & 255] ^
            table[4][a >> 24] ^ table[3][b & 255] ^ table[2][b >> 8 & 255] ^
            table[1][b >> 16 & 255] ^ table[0][b >> 24];
    }
    for (; count; p++, count--) c = table[0][(c ^ *p) & 255] ^ c >> 8;
    return c ^ 0xffffffff;
}

limn_status limn_zip_check(const limn_zip *zip, limn_zip_entry *entry, limn_error *error)
{
    uint32_t found;

    if (entry->checked || !entry->crc) return LIMN_OK;
    found = checksum(entry->data, entry->count);
    if (found != entry->crc)
        return limn_fail(error, LIMN_FORMAT,
                         "%s: the zip entry '%s' has checksum %08x where %08x is recorded: the "
                         "file is damaged; copy or download it again",
                         zip->path, limn_quote(entry->name, entry->name_bytes).text,
                         (unsigned)found, (unsigned)entry->crc);
    entry->checked = true;
    return LIMN_OK;
}
