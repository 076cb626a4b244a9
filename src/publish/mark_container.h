/* SPDX-License-Identifier: Apache-2.0
 *
 * Where marks are kept in an encoded picture: PNG, JPEG, WebP, TIFF, one file each, one row each.
 *
 * The encoder could have been handed the XMP instead.  Working on the finished bytes was chosen
 * because it holds whatever wrote them, because it is the only way for the manifest (its hash
 * covers everything else, the XMP too), and because a stale packet or manifest is taken out on the
 * way. */
#ifndef LIMN_PUBLISH_MARK_CONTAINER_H
#define LIMN_PUBLISH_MARK_CONTAINER_H

#include "publish/mark_bytes.h"

/* What a file holds.  Spans point into the file or the arena. */
typedef struct limn_container_found {
    limn_mark_span xmp;      /* the packet, or empty */
    bool xmp_unread;         /* there is XMP in a form that is not read here (compressed) */
    limn_mark_span manifest; /* the JUMBF store of manifests, or empty */
    size_t manifest_place;   /* bytes of the file that it takes, with chunk or segment headers */
    bool manifest_traces;    /* something that must have been a manifest */
    /* What is wrong with the file, the end of a sentence, or NULL: fault where a manifest can't
     * hold because of it, damage where the manifest's hash decides (it may have been signed so). */
    const char *fault, *damage;
} limn_container_found;

typedef struct limn_container {
    const char *name;
    bool (*is)(limn_mark_span file);

    /* Finds the marks; damage is an answer (fault), LIMN_NO_MEMORY the only failure. */
    limn_status (*read)(limn_container_found *found, limn_mark_span file, limn_arena *arena,
                        limn_error *error);

    /* Appends the file to out with this XMP in place of its own and without a manifest.  A manifest
     * may then be put in at *manifest_at, counted from where out ended before.  The file has been
     * read before without a fault. */
    limn_status (*write)(limn_mark_buffer *out, limn_mark_span file, limn_mark_span xmp,
                         size_t *manifest_at, limn_error *error);

    /* Appends the manifest in the chunk or segments that carry it, and says how many bytes that is
     * for a manifest of so many; NULL where limn puts in none. */
    void (*put_manifest)(limn_mark_buffer *out, limn_mark_span manifest);
    size_t (*manifest_bytes)(size_t count);

    size_t xmp_bytes_max;
} limn_container;

extern const limn_container limn_container_png, limn_container_jpeg, limn_container_webp,
    limn_container_tiff;

/* By the first bytes; NULL for another kind of file. */
const limn_container *limn_container_of(limn_mark_span file);

#endif
