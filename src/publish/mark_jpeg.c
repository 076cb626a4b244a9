/* SPDX-License-Identifier: Apache-2.0
 *
 * JPEG: SOI, segments (0xff, marker, u16 length with these two bytes, contents), and from the first
 * SOS on coded data, which is not looked at.
 *
 * XMP is an APP1 segment behind JFIF's APP0 and Exif's APP1, which must come first.  The manifest
 * is in APP11 segments, as ISO/IEC 19566-5 carries a box that is larger than a segment:
 *
 *     'J' 'P', u16 number of the box, u32 sequence from 1, then the box's own header (length and
 *     type, 8 bytes) again in every segment, then the next part of its contents
 *
 * Those headers are outside of everything that is hashed, so each repeated field is compared. */
#include "publish/mark_container.h"

#include <string.h>

enum {
    SOI = 0xd8,
    EOI = 0xd9,
    SOS = 0xda,
    APP0 = 0xe0,
    APP1 = 0xe1,
    APP11 = 0xeb,
    SEGMENT_MAX = 0xffff,                            /* what a length can say */
    JP_HEAD = 2 + 2 + 4,                             /* letters, box number, sequence */
    BOX_HEAD = 8,                                    /* repeated in every segment */
    PART_MAX = SEGMENT_MAX - 2 - JP_HEAD - BOX_HEAD, /* of the box's contents in one segment */
    PART_EXTRA = 2 + 2 + JP_HEAD + BOX_HEAD,
    BOX_NUMBER = 1,
};

static const char xmp_head[] = "http://ns.adobe.com/xap/1.0/";
static const char xmp_extension[] = "http://ns.adobe.com/xmp/extension/";
static const char exif_head[] = "Exif";

typedef struct segment {
    limn_mark_span whole, contents;
    unsigned marker;
} segment;

/* Takes one segment from the front; false at malformed bytes and where they end.  The last one that
 * it gives is SOS or EOI. */
static bool next_segment(limn_mark_span *rest, segment *out)
{
    size_t at = 0, count;

    while (at + 1 < rest->count && rest->data[at] == 0xff && rest->data[at + 1] == 0xff) at++;
    if (rest->count < at + 2 || rest->data[at] != 0xff) return false;
    out->marker = rest->data[at + 1];
    if (out->marker < 0xc0 || (out->marker >= 0xd0 && out->marker <= SOI)) return false;
    at += 2;
    if (out->marker == EOI) {
        count = 0;
        out->contents = limn_mark_cut(*rest, at, 0);
    } else {
        if (rest->count < at + 2) return false;
        count = limn_mark_u16(rest->data + at);
        if (count < 2 || count > rest->count - at) return false;
        out->contents = limn_mark_cut(*rest, at + 2, count - 2);
    }
    out->whole = limn_mark_cut(*rest, 0, at + count);
    *rest = limn_mark_cut(*rest, at + count, rest->count - at - count);
    return true;
}

static bool starts(const segment *s, unsigned marker, const char *head, size_t count)
{
    return s->marker == marker && s->contents.count >= count &&
           !memcmp(s->contents.data, head, count);
}

static bool is(limn_mark_span file)
{
    return file.count >= 3 && file.data[0] == 0xff && file.data[1] == SOI && file.data[2] == 0xff;
}

/* ---- The manifest, put together -------------------------------------------------------------- */

static bool is_box(const segment *s)
{
    return starts(s, APP11, "JP", 2) && s->contents.count >= JP_HEAD + BOX_HEAD;
}

/* JUMBF, and not one of JPEG XT's boxes, which belong to the picture. */
static bool is_jumbf(const segment *s)
{
    return is_box(s) && !memcmp(s->contents.data + JP_HEAD + 4, "jumb", 4);
}

/* JUMBF by its type and one of the other two signs: one byte was changed.  (A wrong type is found
 * when the boxes are read, and may be one of JPEG XT's.) */
static bool is_damaged_box(const segment *s)
{
    if (s->contents.count < JP_HEAD + BOX_HEAD || memcmp(s->contents.data + JP_HEAD + 4, "jumb", 4))
        return false;
    return (s->marker == APP11) != !memcmp(s->contents.data, "JP", 2);
}

/* The first segment of a box with the kind c2pa, or with that as its label; a manifest has both. */
static bool begins_kind(const segment *s)
{
    return is_box(s) && limn_mark_u32(s->contents.data + 4) == 1 &&
           s->contents.count >= JP_HEAD + BOX_HEAD + 12 &&
           !memcmp(s->contents.data + JP_HEAD + BOX_HEAD + 8, "c2pa", 4);
}

static bool begins_label(const segment *s)
{
    enum { LABEL = JP_HEAD + BOX_HEAD + 8 + 16 + 1 };

    return is_box(s) && limn_mark_u32(s->contents.data + 4) == 1 &&
           s->contents.count >= LABEL + 5 && !memcmp(s->contents.data + LABEL, "c2pa", 5);
}

typedef struct gathering {
    limn_container_found *found;
    unsigned char *to; /* NULL in the first pass, which only counts */
    size_t count;      /* of the box so far, header too */
    uint32_t number, sequence;
    unsigned char head[BOX_HEAD];
} gathering;

static void gather(gathering *g, const segment *s)
{
    const unsigned char *at = s->contents.data;
    limn_mark_span part = limn_mark_cut(s->contents, JP_HEAD + BOX_HEAD,
                                        s->contents.count - JP_HEAD - BOX_HEAD);

    if (begins_kind(s)) {
        if (g->sequence) {
            g->found->fault = "has more than one store of manifests";
            return;
        }
        g->number = limn_mark_u16(at + 2);
        memcpy(g->head, at + JP_HEAD, BOX_HEAD);
        if (g->to) memcpy(g->to, g->head, BOX_HEAD);
        g->count = BOX_HEAD;
    } else if (!g->sequence || limn_mark_u16(at + 2) != g->number) {
        /* A box of somebody else, or the middle of a manifest whose first segment is gone. */
        if (begins_label(s) || (is_jumbf(s) && limn_mark_u32(at + 4) != 1))
            g->found->manifest_traces = true;
        return;
    }
    if (limn_mark_u32(at + 4) != g->sequence + 1 || memcmp(at + JP_HEAD, g->head, BOX_HEAD))
        g->found->fault = "is damaged: the segments of its manifest do not follow each other";
    g->sequence++;
    if (g->to) memcpy(g->to + g->count, part.data, part.count);
    g->count += part.count;
    g->found->manifest_place += s->whole.count;
}

static void walk(limn_container_found *found, limn_mark_span file, gathering *g)
{
    limn_mark_span rest = limn_mark_cut(file, 2, file.count - 2);
    segment s = { 0 };

    found->manifest_place = 0;
    while (s.marker != SOS && s.marker != EOI) {
        if (!next_segment(&rest, &s)) {
            found->fault = "is damaged: its segments do not follow each other";
            return;
        }
        if (!found->xmp.count && starts(&s, APP1, xmp_head, sizeof xmp_head))
            found->xmp = limn_mark_cut(s.contents, sizeof xmp_head,
                                       s.contents.count - sizeof xmp_head);
        if (is_damaged_box(&s)) found->manifest_traces = true;
        if (is_box(&s)) gather(g, &s);
    }
}

static limn_status read(limn_container_found *found, limn_mark_span file, limn_arena *arena,
                        limn_error *error)
{
    gathering count = { .found = found }, copy = { .found = found };

    walk(found, file, &count);
    if (!count.count) return LIMN_OK;
    LIMN_TRY(limn_take_into(&copy.to, arena, count.count, error));
    walk(found, file, &copy);
    found->manifest = limn_mark_span_of(copy.to, copy.count);
    return LIMN_OK;
}

/* ---- Writing --------------------------------------------------------------------------------- */

static void put_manifest(limn_mark_buffer *out, limn_mark_span manifest)
{
    uint32_t sequence = 0;

    for (size_t at = BOX_HEAD; at < manifest.count;) {
        size_t part = manifest.count - at < PART_MAX ? manifest.count - at : PART_MAX;

        limn_mark_put_u16(out, 0xff00 | APP11);
        limn_mark_put_u16(out, (uint32_t)(2 + JP_HEAD + BOX_HEAD + part));
        limn_mark_put(out, "JP", 2);
        limn_mark_put_u16(out, BOX_NUMBER);
        limn_mark_put_u32(out, ++sequence);
        limn_mark_put(out, manifest.data, BOX_HEAD);
        limn_mark_put(out, manifest.data + at, part);
        at += part;
    }
}

static size_t manifest_bytes(size_t count)
{
    size_t inside = count - BOX_HEAD;

    return inside + (inside + PART_MAX - 1) / PART_MAX * PART_EXTRA;
}

static bool comes_first(const segment *s)
{
    return s->marker == APP0 || starts(s, APP1, exif_head, sizeof exif_head);
}

static limn_status write(limn_mark_buffer *out, limn_mark_span file, limn_mark_span xmp,
                         size_t *manifest_at, limn_error *error)
{
    limn_mark_span rest = limn_mark_cut(file, 2, file.count - 2), before;
    size_t start = out->count;
    segment s = { 0 };

    limn_mark_put(out, file.data, 2);
    for (before = rest; next_segment(&rest, &s) && comes_first(&s); before = rest)
        limn_mark_put_span(out, s.whole);
    rest = before;
    limn_mark_put_u16(out, 0xff00 | APP1);
    limn_mark_put_u16(out, (uint32_t)(2 + sizeof xmp_head + xmp.count));
    limn_mark_put(out, xmp_head, sizeof xmp_head);
    limn_mark_put_span(out, xmp);
    *manifest_at = out->count - start;
    for (s.marker = 0; s.marker != SOS && s.marker != EOI && next_segment(&rest, &s);) {
        if (starts(&s, APP1, xmp_head, sizeof xmp_head) ||
            starts(&s, APP1, xmp_extension, sizeof xmp_extension) || is_jumbf(&s) ||
            is_damaged_box(&s) || begins_kind(&s) || begins_label(&s))
            continue;
        limn_mark_put_span(out, s.whole);
    }
    limn_mark_put_span(out, rest);
    return limn_mark_buffer_check(out, error);
}

const limn_container limn_container_jpeg = {
    .name = "JPEG",
    .is = is,
    .read = read,
    .write = write,
    .put_manifest = put_manifest,
    .manifest_bytes = manifest_bytes,
    .xmp_bytes_max = SEGMENT_MAX - 2 - sizeof xmp_head,
};
