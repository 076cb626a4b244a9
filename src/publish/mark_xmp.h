/* SPDX-License-Identifier: Apache-2.0
 *
 * XMP packets: what limn says in them, merged with what the input said.  mark_xmp.c is the home of
 * expat. */
#ifndef LIMN_PUBLISH_MARK_XMP_H
#define LIMN_PUBLISH_MARK_XMP_H

#include "publish/mark.h"

/* Namespace of limn's own property, ModelSHA256. */
#define LIMN_XMP_NAMESPACE "urn:limn:xmp:1.0#"

/* Appends a packet: that of the description, around it what should survive of older (may be empty).
 * instance is the "xmp:iid:..." of this very file.  *dropped says that older was not well-formed
 * XMP and was left out. */
limn_status limn_xmp_put(limn_mark_buffer *out, const limn_mark_description *description,
                         limn_mark_span older, const char *instance, bool *dropped,
                         limn_error *error);

/* What a packet says; text in the arena, NULL when it does not say it. */
typedef struct limn_xmp_facts {
    bool well_formed;
    const char *source_type;  /* Iptc4xmpExt:DigitalSourceType, a URI */
    const char *creator_tool; /* xmp:CreatorTool */
    const char *model_sha256; /* limn:ModelSHA256 */
} limn_xmp_facts;

limn_status limn_xmp_read(limn_xmp_facts *facts, limn_mark_span packet, limn_arena *arena,
                          limn_error *error);

#endif
