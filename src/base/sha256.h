/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 (FIPS 180-4): of the screening weights, of model files, of training pictures.
 *
 * OpenSSL could do it, but its home is src/publish/, seven floors up, and moving it down here would
 * make a library for signatures the foundation of everything.  Signing keeps using OpenSSL's. */
#ifndef LIMN_BASE_SHA256_H
#define LIMN_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { LIMN_DIGEST_BYTES = 32, LIMN_DIGEST_TEXT = 2 * LIMN_DIGEST_BYTES + 1 };

/* A message being read.  Begin, add any number of times, end; there is nothing to free. */
typedef struct limn_sha256 {
    uint32_t state[8];
    uint64_t count; /* bytes so far */
    unsigned char block[64];
} limn_sha256;

void limn_sha256_begin(limn_sha256 *hash);
void limn_sha256_add(limn_sha256 *hash, const void *bytes, size_t count);
void limn_sha256_end(limn_sha256 *hash, unsigned char digest[LIMN_DIGEST_BYTES]);

/* The three in one, as 64 small hexadecimal digits. */
void limn_sha256_text(const void *bytes, size_t count, char text[LIMN_DIGEST_TEXT]);
void limn_digest_text(const unsigned char digest[LIMN_DIGEST_BYTES], char text[LIMN_DIGEST_TEXT]);

#endif
