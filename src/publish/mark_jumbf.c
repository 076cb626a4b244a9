/* SPDX-License-Identifier: Apache-2.0
 *
 * JUMBF boxes, written and read: see mark_jumbf.h for the layout.  Reading never recurses: whoever
 * reads a manifest steps from a box to its child by name, and the nesting of a manifest is known.
 * 64-bit lengths (length 1) and "up to the end" (length 0) are read, for other people's files; what
 * is written here is far below 4 GiB. */
#include "publish/mark_jumbf.h"

#include <string.h>

/* Content types are the four letters of a box type and these twelve bytes. */
static const unsigned char kind_tail[12] = { 0x00, 0x11, 0x00, 0x10, 0x80, 0x00,
                                             0x00, 0xaa, 0x00, 0x38, 0x9b, 0x71 };

enum {
    KIND_BYTES = 16,
    /* switches of a description: what may follow its label, and in this order */
    REQUESTABLE = 1,
    LABELLED = 2,
    NUMBERED = 4, /* u32 */
    HASHED = 8,   /* 32 bytes */
    PRIVATE = 16, /* one box; C2PA keeps the salt of a hash in it */
    RESERVED = 0xe0,
};

size_t limn_jumbf_put_open(limn_mark_buffer *buffer, const char type[4])
{
    size_t at = buffer->count;

    limn_mark_put_u32(buffer, 0);
    limn_mark_put(buffer, type, 4);
    return at;
}

void limn_jumbf_put_close(limn_mark_buffer *buffer, size_t at)
{
    limn_mark_patch_u32(buffer, at, (uint32_t)(buffer->count - at));
}

size_t limn_jumbf_put_super(limn_mark_buffer *buffer, const char kind[4], const char *label)
{
    size_t at = limn_jumbf_put_open(buffer, "jumb");
    size_t description = limn_jumbf_put_open(buffer, "jumd");

    limn_mark_put(buffer, kind, 4);
    limn_mark_put(buffer, kind_tail, sizeof kind_tail);
    limn_mark_put_u8(buffer, REQUESTABLE | LABELLED);
    limn_mark_put(buffer, label, strlen(label) + 1);
    limn_jumbf_put_close(buffer, description);
    return at;
}

bool limn_jumbf_next_box(limn_mark_span *rest, char type[5], limn_mark_span *contents)
{
    uint64_t length, header = 8;

    if (rest->count < 8) return false;
    length = limn_mark_u32(rest->data);
    memcpy(type, rest->data + 4, 4);
    type[4] = 0;
    if (length == 1) {
        if (rest->count < 16) return false;
        length = (uint64_t)limn_mark_u32(rest->data + 8) << 32 | limn_mark_u32(rest->data + 12);
        header = 16;
    } else if (length == 0) {
        length = rest->count;
    }
    if (length < header || length > rest->count) return false;
    *contents = limn_mark_cut(*rest, header, length - header);
    *rest = limn_mark_cut(*rest, length, rest->count - length);
    return true;
}

/* What follows the label must be just what the switches announce: these bytes are hashed in
 * assertions only, and elsewhere a change would go unnoticed. */
static bool describe_rest(limn_mark_span rest, unsigned switches)
{
    size_t fixed = (switches & NUMBERED ? 4 : 0) + (switches & HASHED ? 32 : 0);
    limn_mark_span contents;
    char type[5];

    if (rest.count < fixed) return false;
    rest = limn_mark_cut(rest, fixed, rest.count - fixed);
    if (switches & PRIVATE && !limn_jumbf_next_box(&rest, type, &contents)) return false;
    return !rest.count;
}

static bool describe(limn_jumbf *out)
{
    const unsigned char *label, *end;
    limn_mark_span contents;
    unsigned switches;
    char type[5];

    out->boxes = out->content;
    if (!limn_jumbf_next_box(&out->boxes, type, &contents) || strcmp(type, "jumd") ||
        contents.count < KIND_BYTES + 2)
        return false;
    memset(out->kind, 0, sizeof out->kind);
    if (!memcmp(contents.data + 4, kind_tail, sizeof kind_tail))
        memcpy(out->kind, contents.data, 4);
    switches = contents.data[KIND_BYTES];
    if (switches & RESERVED || !(switches & REQUESTABLE) || !(switches & LABELLED)) return false;
    label = contents.data + KIND_BYTES + 1;
    if (!(end = memchr(label, 0, contents.count - KIND_BYTES - 1))) return false;
    out->label = limn_mark_span_of(label, (size_t)(end - label));
    return describe_rest(limn_mark_cut(contents, KIND_BYTES + 2 + out->label.count,
                                       contents.count - KIND_BYTES - 2 - out->label.count),
                         switches);
}

bool limn_jumbf_next_super(limn_mark_span *rest, limn_jumbf *out)
{
    limn_mark_span before;
    char type[5];

    while (rest->count) {
        before = *rest;
        if (!limn_jumbf_next_box(rest, type, &out->content)) return false;
        if (strcmp(type, "jumb")) continue;
        if (describe(out)) return true;
        /* Without a description it can be neither named nor hashed: stop in front of it. */
        *rest = before;
        return false;
    }
    return false;
}

bool limn_jumbf_child(const limn_jumbf *parent, limn_mark_span label, limn_jumbf *out)
{
    limn_mark_span rest = parent->boxes;

    while (limn_jumbf_next_super(&rest, out)) {
        if (out->label.count == label.count && label.count &&
            !memcmp(out->label.data, label.data, label.count))
            return true;
    }
    return false;
}

bool limn_jumbf_child_of_kind(const limn_jumbf *parent, const char *kind, limn_jumbf *out)
{
    limn_mark_span rest = parent->boxes;

    while (limn_jumbf_next_super(&rest, out))
        if (!strcmp(out->kind, kind)) return true;
    return false;
}

bool limn_jumbf_only(const limn_jumbf *parent, const char *type, limn_mark_span *contents)
{
    limn_mark_span rest = parent->boxes, met_contents;
    char met[5];
    int count = 0;

    while (rest.count) {
        if (!limn_jumbf_next_box(&rest, met, &met_contents)) return false;
        if (!strcmp(met, "free")) continue;
        if (strcmp(met, type)) return false;
        *contents = met_contents;
        count++;
    }
    return count == 1;
}
