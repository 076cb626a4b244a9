/* SPDX-License-Identifier: Apache-2.0
 *
 * JUMBF (ISO/IEC 19566-5): boxes in boxes, the form in which a C2PA manifest is carried.
 *
 *     box       u32 length (with these 8 bytes), 4 letters of type, contents
 *     superbox  type "jumb"; its first box is the description "jumd" (16 bytes of content type, one
 *               byte of switches, a zero-ended label), then boxes
 *
 *     c2pa                        the store of manifests; the last one counts
 *       c2ma urn:c2pa:...         a manifest
 *         c2as c2pa.assertions    superboxes, one an assertion (cbor, json, bfdb + bidb ...)
 *         c2cl c2pa.claim.v2      one cbor box
 *         c2cs c2pa.signature     one cbor box
 *
 * What a hashed URI hashes is a superbox without its own 8-byte header: limn_jumbf.content. */
#ifndef LIMN_PUBLISH_MARK_JUMBF_H
#define LIMN_PUBLISH_MARK_JUMBF_H

#include "publish/mark_bytes.h"

/* Writing.  Open returns the place that close needs. */
size_t limn_jumbf_put_open(limn_mark_buffer *buffer, const char type[4]);
/* A superbox with its description; kind is the first four letters of the content type. */
size_t limn_jumbf_put_super(limn_mark_buffer *buffer, const char kind[4], const char *label);
/* Fills in the length.  The contents end here. */
void limn_jumbf_put_close(limn_mark_buffer *buffer, size_t at);

/* Reading. */
typedef struct limn_jumbf {
    limn_mark_span content; /* description and boxes: what is hashed */
    limn_mark_span boxes;   /* what follows the description */
    limn_mark_span label;   /* never without one: what can't be named can't be referred to */
    char kind[5];           /* first four letters of the content type, "" for one of another make */
} limn_jumbf;

/* Takes one box from the front. */
bool limn_jumbf_next_box(limn_mark_span *rest, char type[5], limn_mark_span *contents);
/* Takes the next superbox from the front, other boxes stepped over; false when there is none or the
 * boxes are malformed (then rest is not empty). */
bool limn_jumbf_next_super(limn_mark_span *rest, limn_jumbf *out);
/* The first child of that label; of that kind when label is NULL. */
bool limn_jumbf_child(const limn_jumbf *parent, limn_mark_span label, limn_jumbf *out);
bool limn_jumbf_child_of_kind(const limn_jumbf *parent, const char *kind, limn_jumbf *out);
/* The contents of the one box that a superbox has after its description (free ones aside). */
bool limn_jumbf_only(const limn_jumbf *parent, const char *type, limn_mark_span *contents);

#endif
