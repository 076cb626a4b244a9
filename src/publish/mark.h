/* SPDX-License-Identifier: Apache-2.0
 *
 * Marks of origin: every picture that a model made says so.
 *
 * limn_mark takes an encoded picture and gives it two marks.  The first is IPTC's digital source
 * type in XMP, in PNG, JPEG, WebP and TIFF; it is plain text that any program reads and anybody can
 * write.  The second, in PNG and JPEG, is a C2PA manifest: the same statement, bound to the bytes
 * of the file by a hash and signed, so that a change of one bit is noticed.  Both can be cut off by
 * whoever wants to; docs/safety.md says what follows from that. */
#ifndef LIMN_PUBLISH_MARK_H
#define LIMN_PUBLISH_MARK_H

#include "publish/mark_bytes.h"

/* Who signs.  Opened once and used for any number of pictures, by one thread at a time. */
typedef struct limn_signer limn_signer;

/* With certificate and key NULL: a key, a certificate for it and the authority that issues it are
 * made here and now, and the two keys are forgotten with the process.  Such a signature says that
 * the file is as limn wrote it and nothing about who ran limn.
 *
 * Otherwise two PEM files: the signer's certificate with those between it and its root after it,
 * and its private key (P-256, not encrypted).  Refused with LIMN_SETTING and the reason: no such
 * file, a key of another kind, a key that does not belong to the first certificate, one that is
 * expired or not yet valid, a chain that does not hold, and whatever C2PA forbids (self-signed, an
 * authority's own certificate, no key identifiers, no digitalSignature, no or an unsuited extended
 * key usage, SHA-1). One path without the other is refused as well.
 *
 * On failure *out is NULL and nothing needs closing. */
limn_status limn_signer_open(limn_signer **out, const char *certificate_path, const char *key_path,
                             limn_error *error);
void limn_signer_close(limn_signer **signer);

typedef enum limn_mark_source {
    LIMN_MARK_TRAINED,   /* trainedAlgorithmicMedia: the picture is the network's */
    LIMN_MARK_COMPOSITE, /* compositeWithTrainedAlgorithmicMedia: part of the input is still there
                          */
} limn_mark_source;

typedef struct limn_mark_description {
    limn_mark_source source;
    const char *software, *version; /* "limn", "0.1.0" */
    const char *model_sha256;       /* 64 hex digits, or NULL */
    const char *title;              /* name of the work in the manifest, or NULL */
    limn_mark_span xmp;  /* XMP of the input, or empty: what the encoded file holds is used */
    bool keep_place;     /* leave GPS positions in that XMP */
    limn_signer *signer; /* borrowed; NULL: XMP only */
} limn_mark_description;

/* What was done. */
typedef struct limn_mark_report {
    bool signed_manifest; /* the format can hold one and a signer was given */
    bool xmp_dropped; /* the input's XMP was not well-formed, does not fit, or stood compressed in
                       * the PNG (as libvips writes it: hand it over in description.xmp) */
} limn_mark_report;

/* Marks the encoded picture in bytes and appends the marked one to out (empty or not; its owner
 * frees it, on failure too).  An older XMP packet is merged and replaced, an older manifest removed
 * (it would speak of another file).  report may be NULL.  LIMN_FORMAT when bytes are no PNG, JPEG,
 * WebP or TIFF or are damaged, LIMN_SETTING when a field of the description is unusable. */
limn_status limn_mark(limn_mark_buffer *out, limn_mark_span bytes,
                      const limn_mark_description *description, limn_mark_report *report,
                      limn_error *error);

/* The URI of a source type. */
const char *limn_mark_source_uri(limn_mark_source source);

#endif
