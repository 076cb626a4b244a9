/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates with one thing wrong, written as PEM files: an authority, and below it a signer that
 * differs from a good one in exactly what is asked for. */
#ifndef LIMN_TESTS_MARK_CERTIFICATES_H
#define LIMN_TESTS_MARK_CERTIFICATES_H

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>

typedef struct certificate_plan {
    const char *curve;          /* "P-256"; NULL for RSA of 2048 bits */
    long from_days, until_days; /* from today */
    const char *constraints;    /* basicConstraints, NULL for none */
    const char *usage;          /* keyUsage, NULL for none */
    const char *extended;       /* extendedKeyUsage, NULL for none */
    bool no_own_id, no_issuer_id, self_signed, sha1, version_1;
} certificate_plan;

static const certificate_plan certificate_good = {
    .curve = "P-256",
    .from_days = -1,
    .until_days = 30,
    .constraints = "critical,CA:FALSE",
    .usage = "critical,digitalSignature",
    .extended = "emailProtection",
};

static inline void certificate_extend(X509 *certificate, X509 *issuer, int what, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;

    if (!value) return;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, what, value);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

static inline X509 *certificate_make(const certificate_plan *plan, EVP_PKEY *key, const char *name,
                                     X509 *issuer, EVP_PKEY *issuer_key)
{
    static long serial = 1;
    X509 *made = X509_new();

    if (!issuer || plan->self_signed) {
        issuer = made;
        issuer_key = key;
    }
    if (!plan->version_1) X509_set_version(made, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made), serial++);
    X509_gmtime_adj(X509_getm_notBefore(made), plan->from_days * 86400);
    X509_gmtime_adj(X509_getm_notAfter(made), plan->until_days * 86400);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "O", MBSTRING_ASC,
                               (const unsigned char *)"limn tests", -1, -1, 0);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(made, X509_get_subject_name(issuer));
    X509_set_pubkey(made, key);
    certificate_extend(made, issuer, NID_basic_constraints, plan->constraints);
    if (!plan->no_own_id) certificate_extend(made, issuer, NID_subject_key_identifier, "hash");
    if (!plan->no_issuer_id && (issuer != made || !plan->no_own_id))
        certificate_extend(made, issuer, NID_authority_key_identifier, "keyid:always");
    certificate_extend(made, issuer, NID_key_usage, plan->usage);
    certificate_extend(made, issuer, NID_ext_key_usage, plan->extended);
    X509_sign(made, issuer_key, plan->sha1 ? EVP_sha1() : EVP_sha256());
    return made;
}

static inline EVP_PKEY *certificate_key(const certificate_plan *plan)
{
    return plan->curve ? EVP_EC_gen(plan->curve) : EVP_RSA_gen(2048);
}

static inline X509 *certificate_authority(EVP_PKEY *key)
{
    certificate_plan plan = certificate_good;

    plan.constraints = "critical,CA:TRUE";
    plan.usage = "critical,keyCertSign,cRLSign";
    plan.extended = NULL;
    return certificate_make(&plan, key, "root", NULL, NULL);
}

static inline void certificate_write(const char *path, X509 *const *chain, int count)
{
    FILE *file = fopen(path, "w");

    for (int i = 0; i < count; i++) PEM_write_X509(file, chain[i]);
    fclose(file);
}

static inline void certificate_write_key(const char *path, EVP_PKEY *key, const char *password)
{
    FILE *file = fopen(path, "w");

    PEM_write_PKCS8PrivateKey(file, key, password ? EVP_aes_256_cbc() : NULL, password,
                              password ? (int)strlen(password) : 0, NULL, NULL);
    fclose(file);
}

#endif
