/* SPDX-License-Identifier: Apache-2.0
 *
 * Hashes, signatures and certificates, without a type of OpenSSL in sight: what the manifest's
 * writer and reader need from mark_sign.c, mark_certificate.c and verify_signature.c. */
#ifndef LIMN_PUBLISH_MARK_SIGN_H
#define LIMN_PUBLISH_MARK_SIGN_H

#include "publish/mark.h"

enum {
    LIMN_SHA256_BYTES = 32,
    LIMN_DIGEST_BYTES_MAX = 64,
    LIMN_ES256_BYTES = 64, /* r and s, 32 bytes each */
    LIMN_CHAIN_MAX = 8,    /* certificates in a chain */
};

/* The digest of pieces laid end to end.  algorithm is C2PA's name, "sha256", "sha384" or "sha512";
 * *bytes is its length.  LIMN_FORMAT for another name. */
limn_status limn_mark_digest(limn_mark_span algorithm, const limn_mark_span *pieces, size_t count,
                             unsigned char digest[LIMN_DIGEST_BYTES_MAX], size_t *bytes,
                             limn_error *error);

/* Bytes that nobody can foretell.  Not base/random.h: those are meant to be repeatable. */
limn_status limn_mark_unguessable(unsigned char *bytes, size_t count, limn_error *error);

/* The signer's certificates in DER, his own first, without a self-signed root. */
size_t limn_signer_chain(const limn_signer *signer, limn_mark_span chain[LIMN_CHAIN_MAX]);

/* Refuses when the certificate has run out since the signer was opened. */
limn_status limn_signer_check_time(const limn_signer *signer, limn_error *error);

/* ECDSA on P-256 with SHA-256. */
limn_status limn_signer_sign(const limn_signer *signer, limn_mark_span message,
                             unsigned char signature[LIMN_ES256_BYTES], limn_error *error);

/* ---- Reading other people's -------------------------------------------------------------------
 */

/* What a certificate says; text in the arena.  trusted is asked only when anchors are given. */
typedef struct limn_signature_answer {
    bool valid;            /* the signature is this certificate's over this message */
    const char *fault;     /* otherwise: why not */
    const char *algorithm; /* "ES256" ..., NULL when unknown */
    const char *subject, *issuer;
    const char *not_before, *not_after; /* "2026-01-31 12:00:00 UTC" */
    bool expired;                       /* at this moment */
    bool ephemeral;                     /* says of itself that limn made it for one process */
    bool trusted;         /* leads to an anchor, and is a certificate that C2PA allows */
    const char *distrust; /* otherwise: why not */
} limn_signature_answer;

/* Checks a COSE signature (algorithm by its COSE number: -7 ES256, -35 ES384, -36 ES512, -37 PS256,
 * -38 PS384, -39 PS512, -8 EdDSA) over a message.  anchors is PEM text or empty.  A bad signature
 * is an answer and no failure; the status is for memory and for anchors that can't be read. */
limn_status limn_signature_check(limn_signature_answer *answer, int64_t algorithm,
                                 const limn_mark_span *chain, size_t chain_count,
                                 limn_mark_span message, limn_mark_span signature,
                                 limn_mark_span anchors, limn_arena *arena, limn_error *error);

#endif
