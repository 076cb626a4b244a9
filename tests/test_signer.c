/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may sign, and whose signature is believed: every unsuited certificate is refused by its own
 * reason, a good one signs and leads to its root, and all seven kinds of signature that C2PA has
 * are told from forged ones (made here with OpenSSL's own calls). */
#include "publish/mark_sign.h"

#include "mark_certificates.h"
#include "mark_samples.h"
#include "publish/verify.h"
#include "scratch.h"

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/rsa.h>
#include <setjmp.h>

#include <cmocka.h>

static scratch folder;
static limn_error error;
static char certificate_path[512], key_path[512], root_path[512];
static EVP_PKEY *root_key;
static X509 *root;

static int start(void **state)
{
    (void)state;
    error = (limn_error){ 0 };
    scratch_open(&folder);
    strcpy(certificate_path, scratch_path(&folder, "certificate.pem"));
    strcpy(key_path, scratch_path(&folder, "key.pem"));
    strcpy(root_path, scratch_path(&folder, "root.pem"));
    root_key = EVP_EC_gen("P-256");
    root = certificate_authority(root_key);
    certificate_write(root_path, &root, 1);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    limn_memory_refuse_after(-1);
    X509_free(root);
    EVP_PKEY_free(root_key);
    scratch_close(&folder);
    return 0;
}

/* Writes the pair of a plan; the caller frees both. */
static X509 *write_pair(const certificate_plan *plan, EVP_PKEY **key)
{
    X509 *own;

    *key = certificate_key(plan);
    own = certificate_make(plan, *key, "signer", root, root_key);
    certificate_write(certificate_path, &own, 1);
    certificate_write_key(key_path, *key, NULL);
    return own;
}

static void assert_refused(const char *text)
{
    limn_signer *signer = (limn_signer *)1;

    assert_int_equal(limn_signer_open(&signer, certificate_path, key_path, &error), LIMN_SETTING);
    assert_null(signer);
    if (!strstr(error.text, text)) fail_msg("\"%s\" instead of \"%s\"", error.text, text);
    assert_int_equal(limn_memory_live_blocks(), 0);
}

/* ---- Refused --------------------------------------------------------------------------------- */

static void unsuited_certificates_are_refused(void **state)
{
    const certificate_plan good = certificate_good;
    struct {
        certificate_plan plan;
        const char *text;
    } cases[] = {
        { good, "expired on" },
        { good, "is not valid before" },
        { good, "on secp384r1; signing needs an elliptic-curve key on P-256" },
        { good, "the key is RSA; signing needs" },
        { good, "is an authority's own" },
        { good, "is self-signed" },
        { good, "has no extended key usage" },
        { good, "lacks a suited extended key usage" },
        { good, "has anyExtendedKeyUsage" },
        { good, "is for time stamps" },
        { good, "has no subject key identifier" },
        { good, "has no authority key identifier" },
        { good, "does not allow digitalSignature" },
        { good, "does not allow digitalSignature" },
        { good, "may sign certificates" },
        { good, "a hash that is too weak" },
        { good, "is not of X.509 version 3" },
    };
    int i = 0;

    (void)state;
    cases[i].plan.from_days = -10, cases[i++].plan.until_days = -1;
    cases[i].plan.from_days = 1, cases[i++].plan.until_days = 10;
    cases[i++].plan.curve = "P-384";
    cases[i++].plan.curve = NULL;
    cases[i++].plan.constraints = "critical,CA:TRUE";
    cases[i++].plan.self_signed = true;
    cases[i++].plan.extended = NULL;
    cases[i++].plan.extended = "serverAuth,clientAuth";
    cases[i++].plan.extended = "emailProtection,anyExtendedKeyUsage";
    cases[i++].plan.extended = "emailProtection,timeStamping";
    cases[i++].plan.no_own_id = true;
    cases[i++].plan.no_issuer_id = true;
    cases[i++].plan.usage = "critical,keyEncipherment";
    cases[i++].plan.usage = NULL;
    cases[i++].plan.usage = "critical,digitalSignature,keyCertSign";
    cases[i++].plan.sha1 = true;
    cases[i].plan.version_1 = true;
    cases[i].plan.no_own_id = cases[i].plan.no_issuer_id = true;
    cases[i].plan.constraints = cases[i].plan.usage = cases[i].plan.extended = NULL, i++;
    assert_int_equal(i, sizeof cases / sizeof *cases);
    for (i = 0; i < (int)(sizeof cases / sizeof *cases); i++) {
        EVP_PKEY *key;
        X509 *own = write_pair(&cases[i].plan, &key);

        assert_refused(cases[i].text);
        X509_free(own);
        EVP_PKEY_free(key);
    }
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    fputs(text, file);
    fclose(file);
}

static void wrong_files_are_refused(void **state)
{
    certificate_plan plan = certificate_good;
    limn_signer *signer = NULL;
    EVP_PKEY *key, *other;
    X509 *chain[10] = { write_pair(&plan, &key) };

    (void)state;
    certificate_write_key(key_path, other = EVP_EC_gen("P-256"), NULL);
    assert_refused("does not belong to the key in");
    certificate_write_key(key_path, key, "secret");
    assert_refused("the key is encrypted");
    write_text(key_path, "");
    assert_refused("the file is empty");
    write_text(key_path, "-----BEGIN PRIVATE KEY-----\nnothing\n-----END PRIVATE KEY-----\n");
    assert_refused("holds no private key");
    certificate_write(key_path, chain, 1);
    assert_refused("holds no private key");
    certificate_write_key(key_path, key, NULL);
    certificate_write_key(certificate_path, key, NULL);
    assert_refused("holds no certificate");
    write_text(certificate_path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    assert_refused("certificate 1 can't be read");

    /* chains: in the wrong order, of strangers, and too long */
    chain[1] = chain[0];
    certificate_write(certificate_path, chain, 2);
    assert_refused("certificate 2 did not issue certificate 1");
    chain[1] = certificate_make(&plan, other, "root", NULL, NULL); /* the same name, another key */
    certificate_write(certificate_path, chain, 2);
    assert_refused("certificate 2 did not issue certificate 1");
    for (int i = 2; i < 10; i++) chain[i] = chain[1];
    certificate_write(certificate_path, chain, 10);
    assert_refused("more than 8 certificates");

    assert_int_equal(limn_signer_open(&signer, certificate_path, NULL, &error), LIMN_SETTING);
    assert_non_null(strstr(error.text, "the key is missing"));
    assert_int_equal(limn_signer_open(&signer, NULL, key_path, &error), LIMN_SETTING);
    assert_non_null(strstr(error.text, "the certificate is missing"));
    assert_int_equal(limn_signer_open(&signer, "/nowhere/a.pem", key_path, &error), LIMN_IO);
    assert_int_equal(limn_signer_open(&signer, certificate_path, "/nowhere/a.pem", &error),
                     LIMN_IO);
    assert_null(signer);
    X509_free(chain[0]);
    X509_free(chain[1]);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
}

/* ---- Used ------------------------------------------------------------------------------------ */

static limn_verification *mark_and_verify(limn_signer *signer, const char *anchors)
{
    limn_mark_description description = { .software = "limn",
                                          .version = "0.1.0",
                                          .signer = signer };
    limn_mark_buffer in = { 0 }, out = { 0 };
    limn_verification *found = NULL;

    sample_png(&in, 16, 8, NULL, NULL, 0);
    if (limn_mark(&out, limn_mark_written(&in), &description, NULL, &error) ||
        limn_verify_bytes(&found, out.data, out.count, "test", anchors, &error))
        fail_msg("%s", error.text);
    limn_mark_buffer_free(&in);
    limn_mark_buffer_free(&out);
    return found;
}

static void a_good_pair_signs_and_is_known(void **state)
{
    certificate_plan plan = certificate_good, between = certificate_good;
    limn_verification *found;
    EVP_PKEY *key = EVP_EC_gen("P-256"), *between_key = EVP_EC_gen("P-384");
    X509 *chain[3];
    limn_signer *signer;
    limn_mark_span ders[LIMN_CHAIN_MAX];

    (void)state;
    between.constraints = "critical,CA:TRUE";
    between.usage = "critical,keyCertSign";
    chain[2] = root;
    chain[1] = certificate_make(&between, between_key, "between", root, root_key);
    chain[0] = certificate_make(&plan, key, "a signer", chain[1], between_key);
    certificate_write(certificate_path, chain, 3);
    certificate_write_key(key_path, key, NULL);
    if (limn_signer_open(&signer, certificate_path, key_path, &error)) fail_msg("%s", error.text);
    assert_int_equal(limn_signer_chain(signer, ders), 2); /* the root stays at home */

    found = mark_and_verify(signer, root_path);
    assert_int_equal(found->verdict, LIMN_VERDICT_INTACT);
    assert_int_equal(found->trust, LIMN_TRUST_KNOWN);
    assert_false(found->self_made);
    assert_string_equal(found->signer, "O=limn tests, CN=a signer");
    assert_string_equal(found->issuer, "O=limn tests, CN=between");
    assert_non_null(strstr(found->sentence, "(known by the given anchors)"));
    limn_verification_close(&found);

    /* the one between is an anchor too, when it is named as one */
    certificate_write(root_path, chain + 1, 1);
    found = mark_and_verify(signer, root_path);
    assert_int_equal(found->trust, LIMN_TRUST_KNOWN);
    limn_verification_close(&found);

    limn_signer_close(&signer);
    X509_free(chain[0]);
    X509_free(chain[1]);
    EVP_PKEY_free(key);
    EVP_PKEY_free(between_key);
}

static void strangers_are_not_known(void **state)
{
    limn_mark_buffer in = { 0 };
    limn_verification *found;
    limn_signer *signer;

    (void)state;
    assert_int_equal(limn_signer_open(&signer, NULL, NULL, &error), LIMN_OK);
    found = mark_and_verify(signer, root_path);
    assert_int_equal(found->verdict, LIMN_VERDICT_INTACT);
    assert_int_equal(found->trust, LIMN_TRUST_UNKNOWN);
    assert_true(found->self_made);
    limn_verification_close(&found);
    limn_signer_close(&signer);

    sample_png(&in, 16, 8, NULL, NULL, 0);
    assert_int_equal(limn_signer_open(&signer, NULL, NULL, &error), LIMN_OK);
    found = mark_and_verify(signer, NULL);
    assert_int_equal(found->trust, LIMN_TRUST_UNASKED);
    limn_verification_close(&found);
    limn_signer_close(&signer);
    limn_mark_buffer_free(&in);
}

static void unusable_anchors_are_refused(void **state)
{
    limn_mark_description description = { .software = "limn", .version = "1" };
    limn_mark_buffer in = { 0 }, out = { 0 };
    limn_verification *found = NULL;

    (void)state;
    assert_int_equal(limn_signer_open(&description.signer, NULL, NULL, &error), LIMN_OK);
    sample_png(&in, 16, 8, NULL, NULL, 0);
    assert_int_equal(limn_mark(&out, limn_mark_written(&in), &description, NULL, &error), LIMN_OK);
    write_text(root_path, "");
    assert_int_equal(limn_verify_bytes(&found, out.data, out.count, "a.png", root_path, &error),
                     LIMN_SETTING);
    write_text(root_path, "no certificate");
    assert_int_equal(limn_verify_bytes(&found, out.data, out.count, "a.png", root_path, &error),
                     LIMN_SETTING);
    assert_non_null(strstr(error.text, "root.pem: the anchors hold no certificate"));
    assert_int_equal(
        limn_verify_bytes(&found, out.data, out.count, "a.png", "/nowhere.pem", &error), LIMN_IO);
    assert_null(found);
    limn_mark_buffer_free(&in);
    limn_mark_buffer_free(&out);
    limn_signer_close(&description.signer);
}

/* ---- Seven kinds of signature ---------------------------------------------------------------- */

typedef struct kind {
    int64_t number;
    const char *name, *curve; /* curve NULL: RSA; "": Ed25519 */
    const EVP_MD *(*digest)(void);
    int half; /* bytes of r and of s */
} kind;

static const kind kinds[] = {
    { -7, "ES256", "P-256", EVP_sha256, 32 },
    { -35, "ES384", "P-384", EVP_sha384, 48 },
    { -36, "ES512", "P-521", EVP_sha512, 66 },
    { -37, "PS256", NULL, EVP_sha256, 0 },
    { -38, "PS384", NULL, EVP_sha384, 0 },
    { -39, "PS512", NULL, EVP_sha512, 0 },
    { -8, "EdDSA", "", NULL, 0 },
};

static size_t sign(const kind *k, EVP_PKEY *key, limn_mark_span message, unsigned char *signature)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *padding = NULL;
    unsigned char text[600];
    const unsigned char *at = text;
    size_t count = sizeof text;

    assert_int_equal(
        EVP_DigestSignInit(context, &padding, k->digest ? k->digest() : NULL, NULL, key), 1);
    if (!k->curve) {
        EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PKCS1_PSS_PADDING);
        EVP_PKEY_CTX_set_rsa_pss_saltlen(padding, RSA_PSS_SALTLEN_DIGEST);
    }
    assert_int_equal(EVP_DigestSign(context, text, &count, message.data, message.count), 1);
    EVP_MD_CTX_free(context);
    if (k->half) {
        ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)count);

        BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, k->half);
        BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + k->half, k->half);
        ECDSA_SIG_free(pair);
        return (size_t)k->half * 2;
    }
    memcpy(signature, text, count);
    return count;
}

static void all_kinds_of_signature_are_checked(void **state)
{
    limn_mark_span message = limn_mark_span_of("the claim", 9),
                   other = limn_mark_span_of("another", 7);
    certificate_plan plan = certificate_good;
    limn_arena arena = { 0 };

    (void)state;
    limn_arena_open(&arena, "test", 0);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const kind *k = &kinds[i];
        EVP_PKEY *key = k->curve && !*k->curve ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
                        : k->curve             ? EVP_EC_gen(k->curve)
                                               : EVP_RSA_gen(2048);
        X509 *own = certificate_make(&plan, key, "signer", root, root_key);
        unsigned char signature[600], *der = NULL;
        size_t count = sign(k, key, message, signature);
        limn_mark_span chain = limn_mark_span_of(NULL, (size_t)i2d_X509(own, &der)), none = { 0 };
        limn_signature_answer answer;

        chain.data = der;
#define CHECK(number, says, bytes)                                                                 \
    limn_signature_check(&answer, number, &chain, 1, says, limn_mark_span_of(signature, bytes),    \
                         none, &arena, &error)
        assert_int_equal(CHECK(k->number, message, count), LIMN_OK);
        assert_true(answer.valid);
        assert_string_equal(answer.algorithm, k->name);
        assert_int_equal(CHECK(k->number, other, count), LIMN_OK);
        assert_false(answer.valid);
        assert_int_equal(CHECK(k->number, message, count - 1), LIMN_OK);
        assert_false(answer.valid);
        assert_int_equal(CHECK(k->number, message, 0), LIMN_OK);
        assert_false(answer.valid);
        assert_int_equal(CHECK(kinds[(i + 3) % 7].number, message, count), LIMN_OK);
        assert_false(answer.valid);
        assert_int_equal(CHECK(-257, message, count), LIMN_OK);
        assert_string_equal(answer.fault, "the signature is of a kind that C2PA does not have");
        signature[count / 2] ^= 1;
        assert_int_equal(CHECK(k->number, message, count), LIMN_OK);
        assert_false(answer.valid);
        chain.count--;
        assert_int_equal(CHECK(k->number, message, count), LIMN_OK);
        assert_string_equal(answer.fault, "a certificate of the signature can't be read");
#undef CHECK
        OPENSSL_free(der);
        X509_free(own);
        EVP_PKEY_free(key);
    }
    limn_arena_close(&arena);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(unsuited_certificates_are_refused), TEST(wrong_files_are_refused),
        TEST(a_good_pair_signs_and_is_known),    TEST(strangers_are_not_known),
        TEST(unusable_anchors_are_refused),      TEST(all_kinds_of_signature_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
