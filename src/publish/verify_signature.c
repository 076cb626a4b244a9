/* SPDX-License-Identifier: Apache-2.0
 *
 * Is this signature that certificate's, and does the certificate lead to somebody who is trusted?
 *
 * These are two questions with two answers.  A valid signature says that nothing was changed since;
 * who signed is worth as much as the certificate, and without anchors to compare it with that is
 * reported and not judged. */
#include "publish/mark_certificate.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <string.h>

enum { ANCHORS_MAX = 4096, FIELD_BYTES_MAX = 66, RSA_BITS_LEAST = 2048 };

typedef struct algorithm {
    int64_t number; /* COSE's */
    const char *name;
    int key;                       /* NID of the key's kind */
    const EVP_MD *(*digest)(void); /* NULL: the signature does its own hashing */
} algorithm;

static const algorithm algorithms[] = {
    { -7, "ES256", EVP_PKEY_EC, EVP_sha256 },   { -35, "ES384", EVP_PKEY_EC, EVP_sha384 },
    { -36, "ES512", EVP_PKEY_EC, EVP_sha512 },  { -37, "PS256", EVP_PKEY_RSA, EVP_sha256 },
    { -38, "PS384", EVP_PKEY_RSA, EVP_sha384 }, { -39, "PS512", EVP_PKEY_RSA, EVP_sha512 },
    { -8, "EdDSA", EVP_PKEY_ED25519, NULL },
};

/* ---- The signature --------------------------------------------------------------------------- */

/* COSE lays r and s side by side, each as long as the curve's field; OpenSSL wants DER. */
static unsigned char *der_signature(EVP_PKEY *key, limn_mark_span raw, int *bytes)
{
    size_t half = ((size_t)EVP_PKEY_get_bits(key) + 7) / 8;
    ECDSA_SIG *pair = NULL;
    BIGNUM *r = NULL, *s = NULL;
    unsigned char *der = NULL;

    *bytes = 0;
    if (!half || half > FIELD_BYTES_MAX || raw.count != 2 * half) return NULL;
    r = BN_bin2bn(raw.data, (int)half, NULL);
    s = BN_bin2bn(raw.data + half, (int)half, NULL);
    pair = ECDSA_SIG_new();
    if (r && s && pair && ECDSA_SIG_set0(pair, r, s) == 1) {
        r = s = NULL; /* the pair owns them */
        *bytes = i2d_ECDSA_SIG(pair, &der);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(pair);
    return der;
}

static bool holds(const algorithm *kind, EVP_PKEY *key, limn_mark_span message,
                  limn_mark_span signature)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *padding = NULL;
    unsigned char *der = NULL;
    int der_bytes = 0;
    bool good = false;

    if (!context || EVP_DigestVerifyInit(context, &padding, kind->digest ? kind->digest() : NULL,
                                         NULL, key) != 1)
        goto done;
    if (kind->key == EVP_PKEY_RSA &&
        (EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PKCS1_PSS_PADDING) != 1 ||
         EVP_PKEY_CTX_set_rsa_pss_saltlen(padding, RSA_PSS_SALTLEN_DIGEST) != 1))
        goto done;
    if (kind->key == EVP_PKEY_EC) {
        if (!(der = der_signature(key, signature, &der_bytes)) || der_bytes <= 0) goto done;
        signature = limn_mark_span_of(der, (size_t)der_bytes);
    }
    good = EVP_DigestVerify(context, signature.data, signature.count, message.data,
                            message.count) == 1;
done:
    OPENSSL_free(der);
    EVP_MD_CTX_free(context);
    return good;
}

static const char *signature_fault(const algorithm *kind, X509 *own, limn_mark_span message,
                                   limn_mark_span signature)
{
    EVP_PKEY *key = X509_get0_pubkey(own);
    int base = key ? EVP_PKEY_get_base_id(key) : 0;

    if (!kind) return "the signature is of a kind that C2PA does not have";
    if (base == EVP_PKEY_RSA_PSS) base = EVP_PKEY_RSA;
    if (base != kind->key) return "the signature's kind and the certificate's key do not fit";
    if (base == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) < RSA_BITS_LEAST)
        return "the certificate's RSA key is too short";
    if (!holds(kind, key, message, signature))
        return "the signature is not that of the certificate over this claim";
    return NULL;
}

/* ---- Trust ----------------------------------------------------------------------------------- */

static limn_status read_anchors(X509_STORE *store, limn_mark_span pem, limn_error *error)
{
    BIO *bio = pem.count <= INT32_MAX ? BIO_new_mem_buf(pem.data, (int)pem.count) : NULL;
    X509 *anchor;
    int count = 0;

    if (!bio) return limn_fail(error, LIMN_NO_MEMORY, "out of memory: reading the anchors");
    while (count < ANCHORS_MAX && (anchor = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        count += X509_STORE_add_cert(store, anchor) == 1;
        X509_free(anchor);
    }
    BIO_free(bio);
    ERR_clear_error();
    if (!count)
        return limn_fail(error, LIMN_SETTING, "the anchors hold no certificate in PEM form");
    return LIMN_OK;
}

static limn_status judge(limn_signature_answer *answer, X509 *own, STACK_OF(X509) * others,
                         limn_mark_span anchors, limn_arena *arena, limn_error *error)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    limn_status status = LIMN_OK;
    const char *fault;

    if (!store || !context) {
        status = limn_fail(error, LIMN_NO_MEMORY, "out of memory: OpenSSL's certificates");
        goto done;
    }
    if ((status = read_anchors(store, anchors, error))) goto done;
    /* An anchor need not be a root: whoever names a certificate as trusted means it. */
    if (X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) != 1 ||
        X509_STORE_CTX_init(context, store, own, others) != 1) {
        status = limn_fail(error, LIMN_COMPUTE, "OpenSSL refused to check a chain");
        goto done;
    }
    answer->trusted = X509_verify_cert(context) == 1;
    if (!answer->trusted) {
        answer->distrust = limn_take_text(
            arena, X509_verify_cert_error_string(X509_STORE_CTX_get_error(context)));
    } else if ((fault = limn_certificate_fault(own))) {
        answer->trusted = false;
        answer->distrust = limn_take_format(arena, "the certificate %s", fault);
    }
    if (!answer->trusted && !answer->distrust)
        status = limn_fail(error, LIMN_NO_MEMORY, "out of memory: the answer");
done:
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    ERR_clear_error();
    return status;
}

/* ---- Both ------------------------------------------------------------------------------------ */

static limn_status describe(limn_signature_answer *answer, X509 *own, limn_arena *arena,
                            limn_error *error)
{
    answer->subject = limn_certificate_name(X509_get_subject_name(own), arena);
    answer->issuer = limn_certificate_name(X509_get_issuer_name(own), arena);
    answer->not_before = limn_certificate_time(X509_get0_notBefore(own), arena);
    answer->not_after = limn_certificate_time(X509_get0_notAfter(own), arena);
    answer->expired = X509_cmp_current_time(X509_get0_notAfter(own)) < 0;
    if (!answer->subject || !answer->issuer || !answer->not_before || !answer->not_after)
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory: the signer's name");
    answer->ephemeral = strstr(answer->subject, LIMN_EPHEMERAL_ORGANISATION) != NULL;
    return LIMN_OK;
}

limn_status limn_signature_check(limn_signature_answer *answer, int64_t number,
                                 const limn_mark_span *chain, size_t chain_count,
                                 limn_mark_span message, limn_mark_span signature,
                                 limn_mark_span anchors, limn_arena *arena, limn_error *error)
{
    STACK_OF(X509) *others = sk_X509_new_null();
    const algorithm *kind = NULL;
    X509 *own = NULL;
    limn_status status = LIMN_OK;

    *answer = (limn_signature_answer){ 0 };
    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++)
        if (algorithms[i].number == number) kind = &algorithms[i];
    answer->algorithm = kind ? kind->name : NULL;
    for (size_t i = 0; i < chain_count; i++) {
        const unsigned char *at = chain[i].data;
        X509 *next = d2i_X509(NULL, &at, (long)chain[i].count);

        if (!next || at != chain[i].data + chain[i].count) {
            answer->fault = "a certificate of the signature can't be read";
            X509_free(next);
            goto done;
        }
        if (i == 0)
            own = next;
        else if (!others || sk_X509_push(others, next) <= 0)
            X509_free(next);
    }
    if (!own) {
        answer->fault = "the signature has no certificate";
        goto done;
    }
    if ((status = describe(answer, own, arena, error))) goto done;
    answer->fault = signature_fault(kind, own, message, signature);
    answer->valid = !answer->fault;
    if (answer->valid && anchors.count) status = judge(answer, own, others, anchors, arena, error);
done:
    X509_free(own);
    sk_X509_pop_free(others, X509_free);
    ERR_clear_error();
    return status;
}
