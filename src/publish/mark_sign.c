/* SPDX-License-Identifier: Apache-2.0
 *
 * The signer: a private key and the certificates that speak for it, made here or the user's own.
 *
 * A user's pair is examined when it is opened, before any work is done: everything that would make
 * readers call the finished picture invalid is said then, in one sentence with the file's name.
 * Only ES256 signs; it is what C2PA asks every reader to know, and one kind of key means one way to
 * be wrong.  OpenSSL keeps a queue of errors a thread; it is emptied here so that one user's
 * failure does not turn up in another's message. */
#include "publish/mark_sign.h"

#include "base/file.h"
#include "publish/mark_certificate.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>

enum { PEM_BYTES_MAX = 1 << 20 };

struct limn_signer {
    EVP_PKEY *key;
    X509 *chain[LIMN_CHAIN_MAX];
    unsigned char *der[LIMN_CHAIN_MAX];
    size_t der_bytes[LIMN_CHAIN_MAX];
    size_t count;
    limn_arena arena; /* of the path below */
    const char *path; /* of the user's certificate, NULL when made here */
};

/* ---- Hashes and chance ----------------------------------------------------------------------- */

limn_status limn_mark_digest(limn_mark_span algorithm, const limn_mark_span *pieces, size_t count,
                             unsigned char digest[LIMN_DIGEST_BYTES_MAX], size_t *bytes,
                             limn_error *error)
{
    const EVP_MD *kind = NULL;
    EVP_MD_CTX *context;
    unsigned length = 0;
    bool done;

    if (limn_mark_span_is(algorithm, "sha256")) kind = EVP_sha256();
    if (limn_mark_span_is(algorithm, "sha384")) kind = EVP_sha384();
    if (limn_mark_span_is(algorithm, "sha512")) kind = EVP_sha512();
    if (!kind) return limn_fail(error, LIMN_FORMAT, "a hash other than SHA-256, 384 or 512");
    if (!(context = EVP_MD_CTX_new()))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory: OpenSSL's hash");
    done = EVP_DigestInit_ex(context, kind, NULL) == 1;
    for (size_t i = 0; done && i < count; i++)
        done = EVP_DigestUpdate(context, pieces[i].data, pieces[i].count) == 1;
    done = done && EVP_DigestFinal_ex(context, digest, &length) == 1;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    if (!done) return limn_fail(error, LIMN_COMPUTE, "OpenSSL refused to hash");
    *bytes = length;
    return LIMN_OK;
}

limn_status limn_mark_unguessable(unsigned char *bytes, size_t count, limn_error *error)
{
    if (RAND_bytes(bytes, (int)count) == 1) return LIMN_OK;
    ERR_clear_error();
    return limn_fail(error, LIMN_COMPUTE, "OpenSSL has no random bytes to give");
}

/* ---- Made here ------------------------------------------------------------------------------- */

static limn_status make(limn_signer *signer, limn_error *error)
{
    EVP_PKEY *authority_key = EVP_EC_gen("P-256");
    X509 *authority = NULL;
    limn_status status = LIMN_OK;

    if (authority_key)
        authority = limn_certificate_make(authority_key, "limn authority of one process", NULL,
                                          NULL);
    if (authority && (signer->key = EVP_EC_gen("P-256")))
        signer->chain[0] = limn_certificate_make(signer->key, "limn", authority, authority_key);
    signer->count = signer->chain[0] ? 1 : 0;
    if (!signer->count)
        status = limn_fail(error, LIMN_COMPUTE, "OpenSSL refused to make a key to sign with");
    X509_free(authority);
    EVP_PKEY_free(authority_key);
    return status;
}

/* ---- The user's own -------------------------------------------------------------------------- */

/* OpenSSL asks here for the password of an encrypted key; without this it would ask the terminal.
 */
static int no_password(char *to, int size, int writing, void *context)
{
    (void)to;
    (void)size;
    (void)writing;
    *(bool *)context = true;
    return -1;
}

static limn_status map_pem(limn_mapping *mapping, BIO **bio, const char *path, limn_error *error)
{
    LIMN_TRY(limn_file_map(mapping, path, error));
    if (!mapping->count) return limn_fail(error, LIMN_SETTING, "%s: the file is empty", path);
    if (mapping->count > PEM_BYTES_MAX)
        return limn_fail(error, LIMN_SETTING, "%s: too large to be a PEM file", path);
    if (!(*bio = BIO_new_mem_buf(mapping->bytes, (int)mapping->count)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory: reading %s", path);
    return LIMN_OK;
}

static limn_status read_key(limn_signer *signer, const char *path, limn_error *error)
{
    limn_mapping mapping = { 0 };
    BIO *bio = NULL;
    bool encrypted = false;
    char group[32] = "";
    size_t length = 0;
    limn_status status;

    if ((status = map_pem(&mapping, &bio, path, error))) goto done;
    signer->key = PEM_read_bio_PrivateKey(bio, NULL, no_password, &encrypted);
    if (!signer->key && encrypted)
        status = limn_fail(error, LIMN_SETTING,
                           "%s: the key is encrypted; give a key without a password", path);
    else if (!signer->key)
        status = limn_fail(error, LIMN_SETTING, "%s: holds no private key in PEM form", path);
    else if (EVP_PKEY_get_base_id(signer->key) != EVP_PKEY_EC ||
             EVP_PKEY_get_group_name(signer->key, group, sizeof group, &length) != 1 ||
             OBJ_sn2nid(group) != NID_X9_62_prime256v1)
        status = limn_fail(error, LIMN_SETTING,
                           "%s: the key is %s%s%s; signing needs an elliptic-curve key on P-256 "
                           "(prime256v1)",
                           path, EVP_PKEY_get0_type_name(signer->key), *group ? " on " : "", group);
done:
    BIO_free(bio);
    limn_file_unmap(&mapping);
    return status;
}

static limn_status read_chain(limn_signer *signer, const char *path, limn_error *error)
{
    limn_mapping mapping = { 0 };
    BIO *bio = NULL;
    X509 *next;
    limn_status status;

    if ((status = map_pem(&mapping, &bio, path, error))) goto done;
    while ((next = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        if (signer->count == LIMN_CHAIN_MAX) {
            X509_free(next);
            status = limn_fail(error, LIMN_SETTING, "%s: more than %d certificates", path,
                               LIMN_CHAIN_MAX);
            goto done;
        }
        signer->chain[signer->count++] = next;
    }
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        status = limn_fail(error, LIMN_SETTING, "%s: certificate %zu can't be read", path,
                           signer->count + 1);
    else if (!signer->count)
        status = limn_fail(error, LIMN_SETTING, "%s: holds no certificate in PEM form", path);
done:
    BIO_free(bio);
    limn_file_unmap(&mapping);
    return status;
}

static limn_status check_pair(limn_signer *signer, const char *key_path, limn_error *error)
{
    X509 *own = signer->chain[0];
    const char *fault;

    if (X509_check_private_key(own, signer->key) != 1)
        return limn_fail(error, LIMN_SETTING,
                         "%s: its first certificate does not belong to the key in %s", signer->path,
                         key_path);
    if ((fault = limn_certificate_fault(own)))
        return limn_fail(error, LIMN_SETTING, "%s: the certificate %s", signer->path, fault);
    LIMN_TRY(limn_signer_check_time(signer, error));
    for (size_t i = 1; i < signer->count; i++) {
        EVP_PKEY *above = X509_get0_pubkey(signer->chain[i]);

        if (!above || X509_check_issued(signer->chain[i], signer->chain[i - 1]) != X509_V_OK ||
            X509_verify(signer->chain[i - 1], above) != 1)
            return limn_fail(error, LIMN_SETTING,
                             "%s: certificate %zu did not issue certificate %zu; the order is "
                             "signer first, then each one's issuer",
                             signer->path, i + 1, i);
    }
    /* The root is what a reader must have from elsewhere: carrying it proves nothing. */
    if (X509_self_signed(signer->chain[signer->count - 1], 0) == 1) {
        X509_free(signer->chain[--signer->count]);
        signer->chain[signer->count] = NULL;
    }
    return LIMN_OK;
}

limn_status limn_signer_check_time(const limn_signer *signer, limn_error *error)
{
    const ASN1_TIME *from = X509_get0_notBefore(signer->chain[0]);
    const ASN1_TIME *until = X509_get0_notAfter(signer->chain[0]);
    bool early = X509_cmp_current_time(from) >= 0, late = X509_cmp_current_time(until) <= 0;
    limn_arena arena = { 0 };
    const char *when;
    limn_status status;

    if (!signer->path || (!early && !late)) return LIMN_OK;
    limn_arena_open(&arena, "certificate", 0);
    when = limn_certificate_time(early ? from : until, &arena);
    status = limn_fail(error, LIMN_SETTING, "%s: the certificate %s %s", signer->path,
                       early ? "is not valid before" : "expired on",
                       when ? when : "(time unknown)");
    limn_arena_close(&arena);
    return status;
}

/* ---- Open, use, close ------------------------------------------------------------------------ */

static limn_status encode_chain(limn_signer *signer, limn_error *error)
{
    for (size_t i = 0; i < signer->count; i++) {
        int bytes = i2d_X509(signer->chain[i], &signer->der[i]);

        if (bytes <= 0) return limn_fail(error, LIMN_COMPUTE, "OpenSSL refused a certificate");
        signer->der_bytes[i] = (size_t)bytes;
    }
    return LIMN_OK;
}

limn_status limn_signer_open(limn_signer **out, const char *certificate_path, const char *key_path,
                             limn_error *error)
{
    limn_signer *signer;
    limn_status status;

    *out = NULL;
    if (!certificate_path != !key_path)
        return limn_fail(error, LIMN_SETTING, "sign-cert and sign-key go together: %s is missing",
                         key_path ? "the certificate" : "the key");
    if (!(signer = limn_block(sizeof *signer)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory: the signer");
    *signer = (limn_signer){ 0 };
    limn_arena_open(&signer->arena, "signer", 1024);
    ERR_clear_error();
    if (!certificate_path) {
        status = make(signer, error);
    } else if (!(signer->path = limn_take_text(&signer->arena, certificate_path))) {
        status = limn_fail(error, LIMN_NO_MEMORY, "out of memory: the signer");
    } else if (!(status = read_key(signer, key_path, error)) &&
               !(status = read_chain(signer, certificate_path, error))) {
        status = check_pair(signer, key_path, error);
    }
    if (!status) status = encode_chain(signer, error);
    ERR_clear_error();
    if (status) limn_signer_close(&signer);
    *out = signer;
    return status;
}

void limn_signer_close(limn_signer **signer)
{
    limn_signer *s = *signer;

    if (!s) return;
    for (size_t i = 0; i < LIMN_CHAIN_MAX; i++) {
        X509_free(s->chain[i]);
        OPENSSL_free(s->der[i]);
    }
    EVP_PKEY_free(s->key); /* clears the private number */
    limn_arena_close(&s->arena);
    limn_block_free(s);
    *signer = NULL;
}

size_t limn_signer_chain(const limn_signer *signer, limn_mark_span chain[LIMN_CHAIN_MAX])
{
    for (size_t i = 0; i < signer->count; i++)
        chain[i] = limn_mark_span_of(signer->der[i], signer->der_bytes[i]);
    return signer->count;
}

/* OpenSSL gives the pair (r, s) in DER, COSE wants the two numbers side by side. */
static bool raw_signature(const unsigned char *der, size_t bytes, unsigned char *raw)
{
    const unsigned char *at = der;
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)bytes);
    bool done = pair && BN_bn2binpad(ECDSA_SIG_get0_r(pair), raw, LIMN_ES256_BYTES / 2) > 0 &&
                BN_bn2binpad(ECDSA_SIG_get0_s(pair), raw + LIMN_ES256_BYTES / 2,
                             LIMN_ES256_BYTES / 2) > 0;

    ECDSA_SIG_free(pair);
    return done;
}

limn_status limn_signer_sign(const limn_signer *signer, limn_mark_span message,
                             unsigned char signature[LIMN_ES256_BYTES], limn_error *error)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char der[160];
    size_t bytes = sizeof der;
    bool done = context &&
                EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, signer->key) == 1 &&
                EVP_DigestSign(context, der, &bytes, message.data, message.count) == 1 &&
                raw_signature(der, bytes, signature);

    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return done ? LIMN_OK : limn_fail(error, LIMN_COMPUTE, "OpenSSL refused to sign");
}
