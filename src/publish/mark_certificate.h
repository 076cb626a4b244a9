/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates, for the two files that sign and check signatures: the one header here with types of
 * OpenSSL in it. */
#ifndef LIMN_PUBLISH_MARK_CERTIFICATE_H
#define LIMN_PUBLISH_MARK_CERTIFICATE_H

#include "publish/mark_sign.h"

#include <openssl/x509.h>

/* Why C2PA (section "certificate profile") does not let this certificate sign a claim, as the end
 * of a sentence that begins with "the certificate"; NULL when it does.  Time is not looked at. */
const char *limn_certificate_fault(X509 *certificate);

/* The organisation in certificates that limn makes for itself. */
#define LIMN_EPHEMERAL_ORGANISATION "limn self-made certificate (names nobody)"

/* A certificate for key: issued by issuer with issuer_key, or an authority of its own when issuer
 * is NULL.  NULL when OpenSSL refuses. */
X509 *limn_certificate_make(EVP_PKEY *key, const char *name, X509 *issuer, EVP_PKEY *issuer_key);

/* A name on one line ("CN=..., O=..."), control characters escaped, and a time; NULL without
 * memory. */
const char *limn_certificate_name(const X509_NAME *name, limn_arena *arena);
const char *limn_certificate_time(const ASN1_TIME *time, limn_arena *arena);

#endif
