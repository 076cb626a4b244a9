/* SPDX-License-Identifier: Apache-2.0
 *
 * Which certificates may sign, and the ones that limn makes for itself.
 *
 * The rules are those of the C2PA specification's certificate profile.  They are checked here
 * before anything is signed, because a picture that was signed with an unsuited certificate is
 * called invalid by every reader, and its owner would learn it long after the run.
 *
 * The self-made pair is an authority and a signer below it: C2PA forbids a self-signed signer.  The
 * authority's key is never used again.  Both certificates have no end (the date that RFC 5280,
 * 4.1.2.5, sets aside for that): without a time stamp from a third party readers compare with
 * today's date, and a mark that goes invalid with the calendar would be a false alarm. */
#include "publish/mark_certificate.h"

#include <openssl/bio.h>
#include <openssl/objects.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>

enum { VERSION_3 = 2 };

/* ---- Who may sign ---------------------------------------------------------------------------- */

static const char *usage_fault(X509 *certificate)
{
    EXTENDED_KEY_USAGE *usages = X509_get_ext_d2i(certificate, NID_ext_key_usage, NULL, NULL);
    bool suited = false, any = false, other_role = false;
    /* Document signing (RFC 9336) and C2PA's own claim signing have no number in OpenSSL 3.0. */
    static const char *const suited_usages[] = { "1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.36",
                                                 "1.3.6.1.4.1.62558.2.1" };

    if (!usages)
        return "has no extended key usage; it needs emailProtection, documentSigning or C2PA's "
               "claimSigning";
    for (int i = 0; i < sk_ASN1_OBJECT_num(usages); i++) {
        const ASN1_OBJECT *usage = sk_ASN1_OBJECT_value(usages, i);
        char number[80] = "";

        OBJ_obj2txt(number, sizeof number, usage, 1);
        for (size_t k = 0; k < sizeof suited_usages / sizeof *suited_usages; k++)
            if (!strcmp(number, suited_usages[k])) suited = true;
        switch (OBJ_obj2nid(usage)) {
        case NID_anyExtendedKeyUsage:
            any = true;
            break;
        case NID_time_stamp:
        case NID_OCSP_sign:
            other_role = true;
            break;
        default:
            break;
        }
    }
    EXTENDED_KEY_USAGE_free(usages);
    if (any) return "has anyExtendedKeyUsage, which C2PA forbids";
    if (other_role) return "is for time stamps or revocation answers, not for signing claims";
    if (!suited)
        return "lacks a suited extended key usage: emailProtection, documentSigning or C2PA's "
               "claimSigning";
    return NULL;
}

const char *limn_certificate_fault(X509 *certificate)
{
    uint32_t flags = X509_get_extension_flags(certificate);
    int digest = NID_undef, key = NID_undef;

    if (flags & EXFLAG_INVALID) return "has an extension that can't be read";
    if (X509_get_version(certificate) != VERSION_3) return "is not of X.509 version 3";
    if (flags & EXFLAG_CA)
        return "is an authority's own; a signer's certificate (CA:FALSE) is needed";
    if (flags & (EXFLAG_SI | EXFLAG_SS))
        return "is self-signed; C2PA needs one that an authority has issued";
    if (!X509_get0_authority_key_id(certificate)) return "has no authority key identifier";
    if (!X509_get0_subject_key_id(certificate)) return "has no subject key identifier";
    if (!(flags & EXFLAG_KUSAGE) || !(X509_get_key_usage(certificate) & KU_DIGITAL_SIGNATURE))
        return "does not allow digitalSignature in its key usage";
    if (X509_get_key_usage(certificate) & KU_KEY_CERT_SIGN)
        return "may sign certificates (keyCertSign), which C2PA forbids for a signer";
    if (!X509_get_signature_info(certificate, &digest, &key, NULL, NULL) ||
        (digest != NID_sha256 && digest != NID_sha384 && digest != NID_sha512 &&
         key != NID_ED25519))
        return "was itself signed with a hash that is too weak (SHA-256 or better is needed)";
    return usage_fault(certificate);
}

/* ---- Self-made ------------------------------------------------------------------------------- */

static bool extend(X509 *certificate, X509 *issuer, int what, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;
    bool done;

    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    if (!(extension = X509V3_EXT_conf_nid(NULL, &context, what, value))) return false;
    done = X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return done;
}

static bool fill(X509 *certificate, EVP_PKEY *key, const char *name, X509 *issuer,
                 EVP_PKEY *issuer_key)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    unsigned char serial[8];
    uint64_t number = 0;
    bool own = !issuer;

    if (own) {
        issuer = certificate;
        issuer_key = key;
    }
    if (RAND_bytes(serial, sizeof serial) != 1) return false;
    memcpy(&number, serial, sizeof number);
    return X509_set_version(certificate, VERSION_3) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), number >> 1 | 1) == 1 &&
           /* An hour back, for readers whose clock is late. */
           X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) &&
           ASN1_TIME_set_string(X509_getm_notAfter(certificate), "99991231235959Z") == 1 &&
           X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_UTF8,
                                      (const unsigned char *)LIMN_EPHEMERAL_ORGANISATION, -1, -1,
                                      0) == 1 &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1,
                                      -1, 0) == 1 &&
           X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1 &&
           X509_set_pubkey(certificate, key) == 1 &&
           extend(certificate, issuer, NID_basic_constraints,
                  own ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
           extend(certificate, issuer, NID_subject_key_identifier, "hash") &&
           extend(certificate, issuer, NID_authority_key_identifier, "keyid:always") &&
           extend(certificate, issuer, NID_key_usage,
                  own ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature") &&
           (own || extend(certificate, issuer, NID_ext_key_usage, "emailProtection")) &&
           X509_sign(certificate, issuer_key, EVP_sha256()) > 0;
}

X509 *limn_certificate_make(EVP_PKEY *key, const char *name, X509 *issuer, EVP_PKEY *issuer_key)
{
    X509 *certificate = X509_new();

    if (certificate && !fill(certificate, key, name, issuer, issuer_key)) {
        X509_free(certificate);
        certificate = NULL;
    }
    return certificate;
}

/* ---- As text --------------------------------------------------------------------------------- */

static const char *text_of(BIO *written, limn_arena *arena)
{
    const char *from = NULL;
    long count = BIO_get_mem_data(written, &from);
    char *text = count >= 0 ? limn_take(arena, (size_t)count + 1) : NULL;

    if (text && count) memcpy(text, from, (size_t)count);
    return text;
}

const char *limn_certificate_name(const X509_NAME *name, limn_arena *arena)
{
    BIO *to = BIO_new(BIO_s_mem());
    const char *text = NULL;

    /* RFC 2253's escapes, UTF-8 as it is: a name must not be able to move a terminal's cursor. */
    if (to && X509_NAME_print_ex(to, name, 0,
                                 (XN_FLAG_ONELINE & ~XN_FLAG_SPC_EQ & ~ASN1_STRFLGS_ESC_MSB) |
                                     ASN1_STRFLGS_ESC_CTRL) >= 0)
        text = text_of(to, arena);
    BIO_free(to);
    return text;
}

const char *limn_certificate_time(const ASN1_TIME *time, limn_arena *arena)
{
    struct tm parts;

    if (ASN1_TIME_to_tm(time, &parts) != 1) return limn_take_text(arena, "an unreadable time");
    return limn_take_format(arena, "%04d-%02d-%02d %02d:%02d:%02d UTC", parts.tm_year + 1900,
                            parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min,
                            parts.tm_sec);
}
