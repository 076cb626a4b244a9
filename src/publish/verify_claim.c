/* SPDX-License-Identifier: Apache-2.0
 *
 * The two ends of the chain that holds a manifest: the signature, which binds the claim to a
 * certificate, and the hard binding, which binds the manifest to the bytes of the file. */
#include "publish/verify_manifest.h"

#include "publish/mark_cbor.h"

#include <string.h>

enum {
    COSE_SIGN1_TAGGED = 0xd2, /* tag 18 in one byte */
    CBOR_NULL = 0xf6,
    COSE_ALGORITHM = 1,
    COSE_X5CHAIN = 33,
    EXCLUSIONS_MAX = 256,
};

limn_status limn_examine_hash(limn_examination *x, limn_mark_span algorithm,
                              const limn_mark_span *pieces, size_t count, limn_mark_span expected,
                              bool *same, limn_error *error)
{
    unsigned char digest[LIMN_DIGEST_BYTES_MAX];
    size_t bytes = 0;
    limn_status status;

    *same = false;
    for (size_t i = 0; i < count; i++) x->hashed += pieces[i].count;
    if (x->hashed > x->hashed_max) {
        limn_examination_fault(x, "the manifest refers to far more than the file holds");
        return LIMN_OK;
    }
    status = limn_mark_digest(algorithm, pieces, count, digest, &bytes, error);
    if (status == LIMN_FORMAT) {
        limn_examination_fault(x, "a hash is of the kind \"%s\", which C2PA does not have",
                               limn_examination_text(x, algorithm));
        return LIMN_OK;
    }
    LIMN_TRY(status);
    *same = expected.count == bytes && !memcmp(expected.data, digest, bytes);
    return LIMN_OK;
}

/* ---- Signature ------------------------------------------------------------------------------- */

/* One certificate, or an array of them; 0 when there is none or too many. */
static size_t chain_of(limn_mark_span headers, limn_mark_span chain[LIMN_CHAIN_MAX])
{
    limn_mark_span value, item, rest;
    limn_cbor_head head;
    limn_cbor_walk walk;
    size_t count = 0;

    if (!limn_cbor_find(headers, NULL, COSE_X5CHAIN, &value) &&
        !limn_cbor_find(headers, "x5chain", 0, &value))
        return 0;
    if (!limn_cbor_head_of(value, &head, &rest)) return 0;
    if (head.kind == LIMN_CBOR_BYTES) {
        chain[0] = head.bytes;
        return 1;
    }
    if (!limn_cbor_array_start(value, &walk)) return 0;
    while (limn_cbor_array_next(&walk, &item)) {
        if (count == LIMN_CHAIN_MAX || !limn_cbor_head_of(item, &head, &rest) ||
            head.kind != LIMN_CBOR_BYTES)
            return 0;
        chain[count++] = head.bytes;
    }
    return count;
}

typedef struct sign1 {
    limn_mark_span protected_headers, headers, signature;
} sign1;

/* COSE_Sign1, by the letter: no part of it but the first is signed. */
static bool read_sign1(limn_mark_span cose, sign1 *out)
{
    limn_mark_span items[4], rest;
    limn_cbor_head head;
    limn_cbor_walk walk;

    if (!cose.count || cose.data[0] != COSE_SIGN1_TAGGED || !limn_cbor_array_start(cose, &walk) ||
        walk.open || walk.left != 4)
        return false;
    for (int i = 0; i < 4; i++)
        if (!limn_cbor_array_next(&walk, &items[i])) return false;
    if (walk.rest.count) return false;
    if (items[2].count != 1 || items[2].data[0] != CBOR_NULL) return false; /* detached */
    if (!limn_cbor_next(&items[0], &head) || head.kind != LIMN_CBOR_BYTES) return false;
    out->protected_headers = head.bytes;
    if (!limn_cbor_head_of(items[1], &head, &rest) || head.kind != LIMN_CBOR_MAP) return false;
    out->headers = items[1];
    if (!limn_cbor_next(&items[3], &head) || head.kind != LIMN_CBOR_BYTES) return false;
    out->signature = head.bytes;
    return true;
}

static bool algorithm_of(limn_mark_span headers, int64_t *number)
{
    limn_mark_span value, rest;
    limn_cbor_head head;

    if (!limn_cbor_find(headers, NULL, COSE_ALGORITHM, &value) ||
        !limn_cbor_head_of(value, &head, &rest) || head.number > INT32_MAX)
        return false;
    *number = head.kind == LIMN_CBOR_NEGATIVE ? -1 - (int64_t)head.number : (int64_t)head.number;
    return head.kind == LIMN_CBOR_NEGATIVE || head.kind == LIMN_CBOR_UNSIGNED;
}

static void report(limn_examination *x, const limn_signature_answer *answer)
{
    limn_verification *out = x->out;

    out->algorithm = answer->algorithm;
    out->signer = answer->subject;
    out->issuer = answer->issuer;
    out->self_made = answer->ephemeral;
    if (!answer->valid) {
        out->signature = LIMN_SEAL_BAD;
        limn_examination_fault(x, "%s", answer->fault);
        return;
    }
    out->signature = LIMN_SEAL_GOOD;
    limn_examination_say(x, "signature %s valid, by %s", answer->algorithm, answer->subject);
    limn_examination_say(x, "certificate issued by %s, valid %s to %s%s", answer->issuer,
                         answer->not_before, answer->not_after,
                         answer->expired ? " (expired; time stamps are not examined)" : "");
    if (!x->anchors.count) return;
    out->trust = answer->trusted ? LIMN_TRUST_KNOWN : LIMN_TRUST_UNKNOWN;
    if (answer->trusted)
        limn_examination_say(x, "the certificate leads to one of the given anchors");
    else
        limn_examination_say(x, "the certificate is not trusted: %s", answer->distrust);
}

limn_status limn_examine_signature(limn_examination *x, limn_mark_span cose, limn_mark_span claim,
                                   limn_error *error)
{
    limn_mark_span chain[LIMN_CHAIN_MAX];
    limn_mark_buffer message = { 0 };
    limn_signature_answer answer;
    int64_t algorithm = 0;
    size_t count;
    sign1 parts;
    limn_status status;

    if (!read_sign1(cose, &parts) || !algorithm_of(parts.protected_headers, &algorithm)) {
        x->out->signature = LIMN_SEAL_BAD;
        limn_examination_fault(x, "the signature is malformed");
        return LIMN_OK;
    }
    /* Claims of version 1 may have the certificates among the unprotected headers. */
    if (!(count = chain_of(parts.protected_headers, chain))) count = chain_of(parts.headers, chain);

    limn_cbor_put_array(&message, 4);
    limn_cbor_put_text(&message, "Signature1");
    limn_cbor_put_bytes(&message, parts.protected_headers.data, parts.protected_headers.count);
    limn_cbor_put_bytes(&message, "", 0);
    limn_cbor_put_bytes(&message, claim.data, claim.count);
    if (!(status = limn_mark_buffer_check(&message, error)) &&
        !(status = limn_signature_check(&answer, algorithm, chain, count,
                                        limn_mark_written(&message), parts.signature, x->anchors,
                                        x->arena, error)))
        report(x, &answer);
    limn_mark_buffer_free(&message);
    return status;
}

/* ---- Hard binding ---------------------------------------------------------------------------- */

/* The pieces of the file between the exclusions, which must be in order, inside and apart. */
static bool pieces_of(limn_examination *x, limn_mark_span assertion,
                      limn_mark_span pieces[EXCLUSIONS_MAX + 1], size_t *count, uint64_t *excluded)
{
    limn_mark_span list, item;
    limn_cbor_walk walk;
    uint64_t at = 0, start, length;

    *count = 0;
    *excluded = 0;
    if (limn_cbor_find(assertion, "exclusions", 0, &list)) {
        if (!limn_cbor_array_start(list, &walk)) return false;
        while (limn_cbor_array_next(&walk, &item)) {
            if (*count == EXCLUSIONS_MAX || !limn_cbor_find_unsigned(item, "start", &start) ||
                !limn_cbor_find_unsigned(item, "length", &length) || start < at ||
                start > x->file.count || length > x->file.count - start)
                return false;
            pieces[(*count)++] = limn_mark_cut(x->file, at, start - at);
            at = start + length;
            *excluded += length;
        }
    }
    pieces[(*count)++] = limn_mark_cut(x->file, at, x->file.count - at);
    return true;
}

limn_status limn_examine_binding(limn_examination *x, limn_mark_span assertion,
                                 limn_mark_span default_algorithm, limn_error *error)
{
    limn_mark_span pieces[EXCLUSIONS_MAX + 1], algorithm = default_algorithm, hash;
    uint64_t excluded;
    size_t count;
    bool same;

    x->out->binding = LIMN_SEAL_BAD;
    limn_cbor_find_text(assertion, "alg", &algorithm);
    if (!limn_cbor_find_bytes(assertion, "hash", &hash) ||
        !pieces_of(x, assertion, pieces, &count, &excluded)) {
        limn_examination_fault(x, "the assertion that binds the manifest to the file is malformed");
        return LIMN_OK;
    }
    LIMN_TRY(limn_examine_hash(x, algorithm, pieces, count, hash, &same, error));
    if (!same) {
        limn_examination_fault(x, "the file was changed after it was signed");
        return LIMN_OK;
    }
    x->out->binding = LIMN_SEAL_GOOD;
    limn_examination_say(x, "the file is as it was when it was signed");
    if (excluded > x->manifest_place)
        limn_examination_say(x, "%llu bytes outside of the manifest are not covered by its hash",
                             (unsigned long long)(excluded - x->manifest_place));
    return LIMN_OK;
}
