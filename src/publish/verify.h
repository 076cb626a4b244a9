/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading marks of origin, in anybody's pictures: what does this file say about where it comes
 * from, and has it been changed since somebody signed that? */
#ifndef LIMN_PUBLISH_VERIFY_H
#define LIMN_PUBLISH_VERIFY_H

#include "base/error.h"

typedef enum limn_verdict {
    LIMN_VERDICT_INTACT, /* a C2PA manifest, and the file is as it was when that was signed */
    LIMN_VERDICT_BROKEN, /* a C2PA manifest, or what is left of one, that does not hold */
    LIMN_VERDICT_NONE,   /* no C2PA manifest */
} limn_verdict;

/* Whether one thing holds. */
typedef enum limn_seal {
    LIMN_SEAL_ABSENT, /* there is none, or it could not be reached */
    LIMN_SEAL_GOOD,
    LIMN_SEAL_BAD,
} limn_seal;

/* Whether the signer is known; by itself no part of the verdict. */
typedef enum limn_trust {
    LIMN_TRUST_UNASKED, /* no anchors were given, or there is no valid signature */
    LIMN_TRUST_KNOWN,   /* the certificate leads to one of the anchors */
    LIMN_TRUST_UNKNOWN, /* it does not */
} limn_trust;

/* Texts are NULL where the file does not say it.  They are UTF-8 without control characters and cut
 * to a few hundred bytes: they come from a stranger's file and are meant to be shown. */
typedef struct limn_verification {
    limn_verdict verdict;
    const char *sentence;     /* the verdict in one sentence */
    const char *const *lines; /* everything that was found, a sentence each */
    size_t line_count;

    const char *format;   /* "PNG", "JPEG", "WebP", "TIFF" */
    limn_seal binding;    /* the hash of the file outside of the manifest */
    limn_seal assertions; /* the hashes of everything that the claim refers to */
    limn_seal signature;  /* over the claim */
    limn_trust trust;
    bool self_made;   /* the certificate says that limn made it for one process */
    size_t manifests; /* in the store; the last one is examined */

    const char *manifest;  /* label of the examined one */
    const char *generator; /* software that made the claim */
    const char *title;
    const char *action;          /* the first action, "c2pa.created" */
    const char *source_type;     /* its digital source type, a URI */
    const char *algorithm;       /* of the signature, "ES256" */
    const char *signer, *issuer; /* names in the certificate */

    const char *xmp_source_type, *xmp_tool, *xmp_model; /* unsigned unless the manifest is intact */
} limn_verification;

/* Examines a file, or bytes that are only borrowed for the call (name stands for the path in
 * messages).  anchors_path is a PEM file of certificates to trust, or NULL.
 *
 * A picture without marks and a picture with broken ones are answers and not failures.  Failures:
 * LIMN_IO (can't be read), LIMN_FORMAT (no PNG, JPEG, WebP or TIFF, or one that is damaged and
 * shows no manifest), LIMN_SETTING (anchors), LIMN_NO_MEMORY; then *out is NULL.  Any thread may
 * call. */
limn_status limn_verify_file(limn_verification **out, const char *path, const char *anchors_path,
                             limn_error *error);
limn_status limn_verify_bytes(limn_verification **out, const void *bytes, size_t count,
                              const char *name, const char *anchors_path, limn_error *error);
/* Frees it with all its texts and sets it NULL. */
void limn_verification_close(limn_verification **verification);

/* "intact", "broken", "none". */
const char *limn_verdict_text(limn_verdict verdict);

#endif
