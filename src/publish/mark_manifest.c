/* SPDX-License-Identifier: Apache-2.0
 *
 * The C2PA manifest (specification 2.x, claim version 2) that limn writes:
 *
 *     assertions  c2pa.actions.v2   one action, c2pa.created, with the digital source type
 *                 c2pa.hash.data    the hash of the file outside of the manifest
 *     claim       c2pa.claim.v2     who made it, and the hashes of both assertions
 *     signature   c2pa.signature    COSE_Sign1 (RFC 9052) over the claim, ES256, detached
 *
 * The manifest holds its own place in the file and the hash of everything else, so it has to be
 * finished before its length is known, and its length known before it is finished.  Iterating until
 * both agree can swing for ever around 65,536; instead the assertion's `pad` takes up what shorter
 * numbers leave, and the length is the same for every file.
 *
 * Keys of maps stand in the order of their encoded bytes: shorter first, then by letters. */
#include "publish/mark_manifest.h"

#include "publish/mark_cbor.h"
#include "publish/mark_jumbf.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum {
    COSE_SIGN1_TAG = 18,
    COSE_ALGORITHM = 1,
    COSE_ES256 = 6, /* as -1 - 6 = -7 */
    COSE_X5CHAIN = 33,
    CBOR_DATE_TAG = 0,
    NUMBER_ROOM = 18, /* start and length, at most 9 bytes each */
};

static const char actions_label[] = "c2pa.actions.v2", hash_label[] = "c2pa.hash.data";

/* Ends a superbox with one cbor box; hash (may be NULL) is that of the superbox's content. */
static limn_status put_assertion(limn_mark_buffer *out, const char *kind, const char *label,
                                 const limn_mark_buffer *cbor, unsigned char *hash,
                                 limn_error *error)
{
    size_t super = limn_jumbf_put_super(out, kind, label), box = limn_jumbf_put_open(out, "cbor");
    unsigned char digest[LIMN_DIGEST_BYTES_MAX];
    limn_mark_span content;
    size_t bytes;

    limn_mark_put_span(out, limn_mark_written(cbor));
    limn_jumbf_put_close(out, box);
    limn_jumbf_put_close(out, super);
    LIMN_TRY(limn_mark_buffer_check(cbor, error));
    LIMN_TRY(limn_mark_buffer_check(out, error));
    if (!hash) return LIMN_OK;
    content = limn_mark_cut(limn_mark_written(out), super + 8, out->count - super - 8);
    LIMN_TRY(limn_mark_digest(limn_mark_span_of("sha256", 6), &content, 1, digest, &bytes, error));
    memcpy(hash, digest, LIMN_SHA256_BYTES);
    return LIMN_OK;
}

static void put_software(limn_mark_buffer *out, const limn_mark_description *description)
{
    limn_cbor_put_map(out, 2);
    limn_cbor_put_text(out, "name");
    limn_cbor_put_text(out, description->software);
    limn_cbor_put_text(out, "version");
    limn_cbor_put_text(out, description->version);
}

static void put_actions(limn_mark_buffer *out, const limn_manifest *m)
{
    const char *model = m->description->model_sha256;

    limn_cbor_put_map(out, 1);
    limn_cbor_put_text(out, "actions");
    limn_cbor_put_array(out, 1);
    limn_cbor_put_map(out, model ? 5 : 4);
    limn_cbor_put_text(out, "when");
    limn_cbor_put_tag(out, CBOR_DATE_TAG);
    limn_cbor_put_text(out, m->when);
    limn_cbor_put_text(out, "action");
    limn_cbor_put_text(out, "c2pa.created");
    if (model) {
        limn_cbor_put_text(out, "parameters");
        limn_cbor_put_map(out, 1);
        limn_cbor_put_text(out, "limn.model.sha256");
        limn_cbor_put_text(out, model);
    }
    limn_cbor_put_text(out, "softwareAgent");
    put_software(out, m->description);
    limn_cbor_put_text(out, "digitalSourceType");
    limn_cbor_put_text(out, limn_mark_source_uri(m->description->source));
}

static void put_binding(limn_mark_buffer *out, const limn_manifest *m)
{
    static const unsigned char zeros[NUMBER_ROOM];
    limn_mark_buffer numbers = { 0 };

    limn_cbor_put_unsigned(&numbers, m->start);
    limn_cbor_put_unsigned(&numbers, m->length);
    if (numbers.refused) out->refused = true;
    assert(numbers.count <= NUMBER_ROOM);

    limn_cbor_put_map(out, 5);
    limn_cbor_put_text(out, "alg");
    limn_cbor_put_text(out, "sha256");
    limn_cbor_put_text(out, "pad");
    limn_cbor_put_bytes(out, zeros, NUMBER_ROOM - numbers.count); /* below 24: a head of one byte */
    limn_cbor_put_text(out, "hash");
    limn_cbor_put_bytes(out, m->hash, LIMN_SHA256_BYTES);
    limn_cbor_put_text(out, "name");
    limn_cbor_put_text(out, "jumbf manifest");
    limn_cbor_put_text(out, "exclusions");
    limn_cbor_put_array(out, 1);
    limn_cbor_put_map(out, 2);
    limn_cbor_put_text(out, "start");
    limn_cbor_put_unsigned(out, m->start);
    limn_cbor_put_text(out, "length");
    limn_cbor_put_unsigned(out, m->length);
    limn_mark_buffer_free(&numbers);
}

static void put_hashed_uri(limn_mark_buffer *out, const char *label, const unsigned char *hash)
{
    char uri[80];

    snprintf(uri, sizeof uri, "self#jumbf=c2pa.assertions/%s", label);
    limn_cbor_put_map(out, 2);
    limn_cbor_put_text(out, "url");
    limn_cbor_put_text(out, uri);
    limn_cbor_put_text(out, "hash");
    limn_cbor_put_bytes(out, hash, LIMN_SHA256_BYTES);
}

static void put_claim(limn_mark_buffer *out, const limn_manifest *m, const char *label,
                      const unsigned char *actions_hash, const unsigned char *binding_hash)
{
    const char *title = m->description->title;
    char text[120];

    limn_cbor_put_map(out, title ? 6 : 5);
    limn_cbor_put_text(out, "alg");
    limn_cbor_put_text(out, "sha256");
    if (title) {
        limn_cbor_put_text(out, "dc:title");
        limn_cbor_put_text(out, title);
    }
    limn_cbor_put_text(out, "signature");
    snprintf(text, sizeof text, "self#jumbf=/c2pa/%s/c2pa.signature", label);
    limn_cbor_put_text(out, text);
    limn_cbor_put_text(out, "instanceID");
    snprintf(text, sizeof text, "xmp:iid:%s", m->uuid);
    limn_cbor_put_text(out, text);
    limn_cbor_put_text(out, "created_assertions");
    limn_cbor_put_array(out, 2);
    put_hashed_uri(out, actions_label, actions_hash);
    put_hashed_uri(out, hash_label, binding_hash);
    limn_cbor_put_text(out, "claim_generator_info");
    put_software(out, m->description);
}

/* COSE_Sign1: [protected, unprotected, payload, signature] over
 * ["Signature1", protected, external data, payload]; the payload is the claim, not repeated. */
static limn_status put_signature(limn_mark_buffer *out, const limn_signer *signer,
                                 const limn_mark_buffer *claim, bool sign, limn_error *error)
{
    limn_mark_buffer head = { 0 }, message = { 0 };
    limn_mark_span chain[LIMN_CHAIN_MAX];
    size_t count = limn_signer_chain(signer, chain);
    unsigned char signature[LIMN_ES256_BYTES] = { 0 };
    limn_status status;

    limn_cbor_put_map(&head, 2);
    limn_cbor_put_unsigned(&head, COSE_ALGORITHM);
    limn_cbor_put_negative(&head, COSE_ES256);
    limn_cbor_put_unsigned(&head, COSE_X5CHAIN);
    if (count > 1) limn_cbor_put_array(&head, count); /* one certificate stands alone (RFC 9360) */
    for (size_t i = 0; i < count; i++) limn_cbor_put_bytes(&head, chain[i].data, chain[i].count);

    limn_cbor_put_array(&message, 4);
    limn_cbor_put_text(&message, "Signature1");
    limn_cbor_put_bytes(&message, head.data, head.count);
    limn_cbor_put_bytes(&message, "", 0);
    limn_cbor_put_bytes(&message, claim->data, claim->count);

    if ((status = limn_mark_buffer_check(&head, error)) ||
        (status = limn_mark_buffer_check(&message, error)))
        goto done;
    if (sign && (status = limn_signer_sign(signer, limn_mark_written(&message), signature, error)))
        goto done;
    limn_cbor_put_tag(out, COSE_SIGN1_TAG);
    limn_cbor_put_array(out, 4);
    limn_cbor_put_bytes(out, head.data, head.count);
    limn_cbor_put_map(out, 0);
    limn_cbor_put_null(out);
    limn_cbor_put_bytes(out, signature, sizeof signature);
done:
    limn_mark_buffer_free(&head);
    limn_mark_buffer_free(&message);
    return status;
}

limn_status limn_manifest_put(limn_mark_buffer *out, const limn_manifest *m, bool sign,
                              limn_error *error)
{
    limn_mark_buffer actions = { 0 }, binding = { 0 }, claim = { 0 }, signature = { 0 };
    unsigned char actions_hash[LIMN_SHA256_BYTES], binding_hash[LIMN_SHA256_BYTES];
    size_t store, manifest, assertions;
    char label[64];
    limn_status status;

    snprintf(label, sizeof label, "urn:c2pa:%s", m->uuid);
    put_actions(&actions, m);
    put_binding(&binding, m);
    store = limn_jumbf_put_super(out, "c2pa", "c2pa");
    manifest = limn_jumbf_put_super(out, "c2ma", label);
    assertions = limn_jumbf_put_super(out, "c2as", "c2pa.assertions");
    if ((status = put_assertion(out, "cbor", actions_label, &actions, actions_hash, error)) ||
        (status = put_assertion(out, "cbor", hash_label, &binding, binding_hash, error)))
        goto done;
    limn_jumbf_put_close(out, assertions);
    put_claim(&claim, m, label, actions_hash, binding_hash);
    if ((status = put_assertion(out, "c2cl", "c2pa.claim.v2", &claim, NULL, error)) ||
        (status = put_signature(&signature, m->description->signer, &claim, sign, error)) ||
        (status = put_assertion(out, "c2cs", "c2pa.signature", &signature, NULL, error)))
        goto done;
    limn_jumbf_put_close(out, manifest);
    limn_jumbf_put_close(out, store);
    status = limn_mark_buffer_check(out, error);
done:
    limn_mark_buffer_free(&actions);
    limn_mark_buffer_free(&binding);
    limn_mark_buffer_free(&claim);
    limn_mark_buffer_free(&signature);
    return status;
}
