/* SPDX-License-Identifier: Apache-2.0
 *
 * Examining a manifest: what verify.c and verify_manifest.c have between them. */
#ifndef LIMN_PUBLISH_VERIFY_MANIFEST_H
#define LIMN_PUBLISH_VERIFY_MANIFEST_H

#include "publish/mark_sign.h"
#include "publish/verify.h"

enum { LIMN_LINES_MAX = 400, LIMN_SHOWN_BYTES = 240 };

typedef struct limn_examination {
    limn_verification *out;
    limn_arena *arena;
    limn_mark_span file, anchors; /* anchors in PEM, or empty */
    size_t manifest_place;        /* bytes of the file that hold the manifest */
    uint64_t hashed, hashed_max;  /* a small file must not ask for hours of hashing */
    const char *lines[LIMN_LINES_MAX];
    size_t line_count;
    const char *fault; /* the first; the verdict's reason */
    bool refused;      /* the arena had no room */
} limn_examination;

/* Adds a line. */
void limn_examination_say(limn_examination *x, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Adds a line that breaks the verdict. */
void limn_examination_fault(limn_examination *x, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A stranger's text, fit to be shown: cut, control characters and bytes that are no UTF-8 replaced.
 */
const char *limn_examination_text(limn_examination *x, limn_mark_span text);

/* Examines a store of manifests and fills x->out.  Faults are lines; the status is for memory and
 * for kinds of manifest that limn can't judge (LIMN_FORMAT). */
limn_status limn_examine_store(limn_examination *x, limn_mark_span store, limn_error *error);

/* verify_claim.c: the signature over a claim, and the hard binding. */
limn_status limn_examine_signature(limn_examination *x, limn_mark_span cose, limn_mark_span claim,
                                   limn_error *error);
limn_status limn_examine_binding(limn_examination *x, limn_mark_span assertion,
                                 limn_mark_span default_algorithm, limn_error *error);

/* Whether pieces have this digest; false with a line when they do not or would be too much. */
limn_status limn_examine_hash(limn_examination *x, limn_mark_span algorithm,
                              const limn_mark_span *pieces, size_t count, limn_mark_span expected,
                              bool *same, limn_error *error);

#endif
