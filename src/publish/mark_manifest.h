/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing the C2PA manifest. */
#ifndef LIMN_PUBLISH_MARK_MANIFEST_H
#define LIMN_PUBLISH_MARK_MANIFEST_H

#include "publish/mark_sign.h"

enum { LIMN_UUID_TEXT = 37 };

typedef struct limn_manifest {
    const limn_mark_description *description;
    const char *uuid;                      /* names the manifest and, as xmp:iid:..., the file */
    const char *when;                      /* RFC 3339, "2026-01-31T12:00:00Z" */
    uint64_t start, length;                /* place of the manifest in the finished file */
    unsigned char hash[LIMN_SHA256_BYTES]; /* SHA-256 of the finished file without that place */
} limn_manifest;

/* Appends the store with one manifest.  How many bytes it takes does not depend on start, length
 * and hash, so that it can be written once to be measured and once to be kept; sign false leaves
 * the signature's 64 bytes zero, for the first of the two. */
limn_status limn_manifest_put(limn_mark_buffer *out, const limn_manifest *manifest, bool sign,
                              limn_error *error);

#endif
