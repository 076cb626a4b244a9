/* SPDX-License-Identifier: Apache-2.0
 *
 * TIFF and BigTIFF, in both byte orders: a header points to a directory, a sorted list of entries
 * (tag, type, count, value or where it is), which points to the next one (the next page).  XMP is
 * tag 700 of the first directory.
 *
 * Nothing in the file may move, since any entry may hold an offset.  So the packet and a new copy
 * of the first directory are put behind the end and the header is pointed at it.  The old directory
 * stays as a few dead bytes; an old packet is overwritten with zeros, because a reader who searches
 * for text would find it. */
#include "publish/mark_container.h"

#include <string.h>

enum { TAG_XMP = 700, TAG_C2PA = 52545, TYPE_BYTE = 1, TYPE_UNDEFINED = 7 };

/* The four ways to write the same thing. */
typedef struct layout {
    bool little, big;        /* byte order; BigTIFF */
    size_t offset_bytes;     /* of an offset: 4 or 8 */
    size_t count_bytes;      /* of the number of entries: 2 or 8 */
    size_t entry_bytes;      /* 12 or 20 */
    size_t directory_offset; /* where the header keeps the first directory's place: 4 or 8 */
} layout;

typedef struct directory {
    uint64_t entries;
    limn_mark_span table, next; /* the entries; the offset of the next directory */
} directory;

static uint64_t number_at(const layout *l, const unsigned char *at, size_t bytes)
{
    uint64_t value = 0;

    for (size_t i = 0; i < bytes; i++) value = value << 8 | at[l->little ? bytes - 1 - i : i];
    return value;
}

static void set_number(const layout *l, unsigned char *at, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        at[i] = (unsigned char)(value >> 8 * (l->little ? i : bytes - 1 - i));
}

static void put_number(limn_mark_buffer *out, const layout *l, uint64_t value, size_t bytes)
{
    unsigned char text[8];

    set_number(l, text, value, bytes);
    limn_mark_put(out, text, bytes);
}

static bool layout_of(limn_mark_span file, layout *l)
{
    uint64_t version;

    if (file.count < 8 || (memcmp(file.data, "II", 2) && memcmp(file.data, "MM", 2))) return false;
    *l = (layout){ .little = file.data[0] == 'I' };
    version = number_at(l, file.data + 2, 2);
    if (version != 42 && version != 43) return false;
    l->big = version == 43;
    if (l->big && (file.count < 16 || number_at(l, file.data + 4, 2) != 8 ||
                   number_at(l, file.data + 6, 2) != 0))
        return false;
    l->offset_bytes = l->big ? 8 : 4;
    l->count_bytes = l->big ? 8 : 2;
    l->entry_bytes = l->big ? 20 : 12;
    l->directory_offset = l->big ? 8 : 4;
    return true;
}

static bool first_directory(limn_mark_span file, const layout *l, directory *d)
{
    uint64_t at = number_at(l, file.data + l->directory_offset, l->offset_bytes);
    limn_mark_span head = limn_mark_cut(file, at, l->count_bytes);

    if (!head.data) return false;
    d->entries = number_at(l, head.data, l->count_bytes);
    if (!d->entries || d->entries > 65535) return false;
    at += l->count_bytes;
    d->table = limn_mark_cut(file, at, d->entries * l->entry_bytes);
    d->next = limn_mark_cut(file, at + d->entries * l->entry_bytes, l->offset_bytes);
    return d->table.data && d->next.data;
}

static const unsigned char *entry_at(const layout *l, const directory *d, uint64_t i)
{
    return d->table.data + i * l->entry_bytes;
}

static uint64_t tag_of(const layout *l, const unsigned char *entry)
{
    return number_at(l, entry, 2);
}

/* The bytes of an entry of type BYTE or UNDEFINED that are not inside the entry itself. */
static limn_mark_span value_of(limn_mark_span file, const layout *l, const unsigned char *entry)
{
    uint64_t type = number_at(l, entry + 2, 2);
    uint64_t count = number_at(l, entry + 4, l->offset_bytes);

    if ((type != TYPE_BYTE && type != TYPE_UNDEFINED) || count <= l->offset_bytes)
        return (limn_mark_span){ NULL, 0 };
    return limn_mark_cut(file, number_at(l, entry + 4 + l->offset_bytes, l->offset_bytes), count);
}

static bool is(limn_mark_span file)
{
    layout l;

    return layout_of(file, &l);
}

static limn_status read(limn_container_found *found, limn_mark_span file, limn_arena *arena,
                        limn_error *error)
{
    directory d;
    layout l;

    (void)arena;
    (void)error;
    if (!layout_of(file, &l) || !first_directory(file, &l, &d)) {
        found->fault = "is damaged: its first directory is not inside the file";
        return LIMN_OK;
    }
    for (uint64_t i = 0; i < d.entries; i++) {
        const unsigned char *entry = entry_at(&l, &d, i);

        if (tag_of(&l, entry) == TAG_XMP && !found->xmp.count)
            found->xmp = value_of(file, &l, entry);
        if (tag_of(&l, entry) == TAG_C2PA) {
            found->manifest = value_of(file, &l, entry);
            found->manifest_place = found->manifest.count;
            if (!found->manifest.count) found->manifest_traces = true;
        }
    }
    return LIMN_OK;
}

static void put_entry(limn_mark_buffer *out, const layout *l, uint64_t count, uint64_t at)
{
    put_number(out, l, TAG_XMP, 2);
    put_number(out, l, TYPE_BYTE, 2);
    put_number(out, l, count, l->offset_bytes);
    put_number(out, l, at, l->offset_bytes);
}

/* Directories and values begin at even places. */
static void put_even(limn_mark_buffer *out, size_t start)
{
    if ((out->count - start) & 1) limn_mark_put_u8(out, 0);
}

static limn_status write(limn_mark_buffer *out, limn_mark_span file, limn_mark_span xmp,
                         size_t *manifest_at, limn_error *error)
{
    size_t start = out->count, packet, table;
    uint64_t kept = 0;
    bool placed = false;
    directory d;
    layout l;

    if (!layout_of(file, &l) || !first_directory(file, &l, &d))
        return limn_fail(error, LIMN_FORMAT, "the TIFF file's directory is not inside the file");
    limn_mark_put_span(out, file);
    put_even(out, start);
    packet = out->count - start;
    limn_mark_put_span(out, xmp);
    put_even(out, start);
    table = out->count - start;
    for (uint64_t i = 0; i < d.entries; i++) {
        uint64_t tag = tag_of(&l, entry_at(&l, &d, i));

        if (tag != TAG_XMP && tag != TAG_C2PA) kept++;
    }
    put_number(out, &l, kept + 1, l.count_bytes);
    for (uint64_t i = 0; i < d.entries; i++) {
        const unsigned char *entry = entry_at(&l, &d, i);
        uint64_t tag = tag_of(&l, entry);

        if (tag > TAG_XMP && !placed) {
            put_entry(out, &l, xmp.count, packet);
            placed = true;
        }
        if (tag != TAG_XMP && tag != TAG_C2PA) limn_mark_put(out, entry, l.entry_bytes);
    }
    if (!placed) put_entry(out, &l, xmp.count, packet);
    limn_mark_put_span(out, d.next);
    *manifest_at = out->count - start;
    LIMN_TRY(limn_mark_buffer_check(out, error));
    if (kept + 1 > 65535 || (!l.big && out->count - start > UINT32_MAX))
        return limn_fail(error, LIMN_FORMAT, "the picture is too large for TIFF; use BigTIFF");

    for (uint64_t i = 0; i < d.entries; i++) {
        const unsigned char *entry = entry_at(&l, &d, i);
        limn_mark_span old = value_of(file, &l, entry);

        size_t at = old.count ? (size_t)(old.data - file.data) : 0;

        /* Where a damaged file says that the packet is its header, the header stays. */
        if (at >= l.directory_offset + l.offset_bytes &&
            (tag_of(&l, entry) == TAG_XMP || tag_of(&l, entry) == TAG_C2PA))
            memset(out->data + start + at, 0, old.count);
    }
    set_number(&l, out->data + start + l.directory_offset, table, l.offset_bytes);
    return LIMN_OK;
}

const limn_container limn_container_tiff = {
    .name = "TIFF",
    .is = is,
    .read = read,
    .write = write,
    .xmp_bytes_max = (size_t)1 << 30,
};
