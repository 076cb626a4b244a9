/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 as FIPS 180-4 writes it down (section 6.2.2), one block of 64 bytes after the other; the
 * names of the functions are the standard's.  Where the processor has instructions for it, they do
 * the rounds: the screening weights are hashed at every start of the program, 7 MB in 5 ms instead
 * of 26. */
#include "base/sha256.h"
#include "base/cpu.h"

#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotr(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static uint32_t big_endian(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void blocks_plain(uint32_t state[8], const unsigned char *p, size_t count)
{
    for (; count; count--, p += 64) {
        uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
        uint32_t e = state[4], f = state[5], g = state[6], h = state[7], w[64];

        for (int t = 0; t < 16; t++) w[t] = big_endian(p + 4 * t);
        for (int t = 16; t < 64; t++) {
            uint32_t sigma0 = rotr(w[t - 15], 7) ^ rotr(w[t - 15], 18) ^ w[t - 15] >> 3;
            uint32_t sigma1 = rotr(w[t - 2], 17) ^ rotr(w[t - 2], 19) ^ w[t - 2] >> 10;

            w[t] = sigma1 + w[t - 7] + sigma0 + w[t - 16];
        }
        for (int t = 0; t < 64; t++) {
            uint32_t Sigma1 = rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25), Ch = (e & f) ^ (~e & g);
            uint32_t T1 = h + Sigma1 + Ch + K[t] + w[t];
            uint32_t Sigma0 = rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22);
            uint32_t T2 = Sigma0 + ((a & b) ^ (a & c) ^ (b & c));

            h = g, g = f, f = e, e = d + T1;
            d = c, c = b, b = a, a = T1 + T2;
        }
        state[0] += a, state[1] += b, state[2] += c, state[3] += d;
        state[4] += e, state[5] += f, state[6] += g, state[7] += h;
    }
}

#if defined(__x86_64__)
/* The instructions keep the state as two vectors, (a b e f) and (c d g h) with the first one on
 * top, and do two rounds each.  w[i] are four words of the schedule; w[0..3] move on by one every
 * four rounds. */
__attribute__((target("sha,sse4.1"))) static void blocks_native(uint32_t state[8],
                                                                const unsigned char *p,
                                                                size_t count)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i abef = _mm_set_epi32((int)state[0], (int)state[1], (int)state[4], (int)state[5]);
    __m128i cdgh = _mm_set_epi32((int)state[2], (int)state[3], (int)state[6], (int)state[7]);
    uint32_t out[8];

    for (; count; count--, p += 64) {
        __m128i before0 = abef, before1 = cdgh, w[4];

        for (int i = 0; i < 4; i++)
            w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i)),
                                    swap);
        for (int t = 0; t < 64; t += 4) {
            __m128i k = _mm_add_epi32(w[0],
                                      _mm_loadu_si128((const __m128i *)(const void *)(K + t)));
            __m128i next = _mm_sha256msg1_epu32(w[0], w[1]);

            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, k);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(k, 0x0e));
            next = _mm_add_epi32(next, _mm_alignr_epi8(w[3], w[2], 4));
            next = _mm_sha256msg2_epu32(next, w[3]);
            w[0] = w[1], w[1] = w[2], w[2] = w[3], w[3] = next;
        }
        abef = _mm_add_epi32(abef, before0);
        cdgh = _mm_add_epi32(cdgh, before1);
    }
    _mm_storeu_si128((__m128i *)(void *)out, abef);
    _mm_storeu_si128((__m128i *)(void *)(out + 4), cdgh);
    state[0] = out[3], state[1] = out[2], state[4] = out[1], state[5] = out[0];
    state[2] = out[7], state[3] = out[6], state[6] = out[5], state[7] = out[4];
}

#endif

static void blocks(uint32_t state[8], const unsigned char *p, size_t count)
{
#if defined(__x86_64__)
    if (limn_cpu_has_sha()) {
        blocks_native(state, p, count);
        return;
    }
#endif
    blocks_plain(state, p, count);
}

void limn_sha256_begin(limn_sha256 *hash)
{
    static const uint32_t first[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                       0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

    memcpy(hash->state, first, sizeof first);
    hash->count = 0;
}

void limn_sha256_add(limn_sha256 *hash, const void *bytes, size_t count)
{
    const unsigned char *p = bytes;
    size_t held = hash->count % 64;

    if (!count) return;
    hash->count += count;
    if (held) {
        size_t part = count < 64 - held ? count : 64 - held;

        memcpy(hash->block + held, p, part);
        p += part;
        count -= part;
        if (held + part < 64) return;
        blocks(hash->state, hash->block, 1);
    }
    blocks(hash->state, p, count / 64);
    if (count % 64) memcpy(hash->block, p + count / 64 * 64, count % 64);
}

void limn_sha256_end(limn_sha256 *hash, unsigned char digest[LIMN_DIGEST_BYTES])
{
    static const unsigned char padding[64] = { 0x80 };
    uint64_t bits = hash->count * 8;
    unsigned char length[8];

    for (int i = 0; i < 8; i++) length[i] = (unsigned char)(bits >> (56 - 8 * i));
    limn_sha256_add(hash, padding, 1 + (119 - hash->count % 64) % 64);
    limn_sha256_add(hash, length, sizeof length);
    for (int i = 0; i < LIMN_DIGEST_BYTES; i++)
        digest[i] = (unsigned char)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
}

void limn_digest_text(const unsigned char digest[LIMN_DIGEST_BYTES], char text[LIMN_DIGEST_TEXT])
{
    for (int i = 0; i < LIMN_DIGEST_BYTES; i++) {
        text[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        text[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    text[LIMN_DIGEST_TEXT - 1] = '\0';
}

void limn_sha256_text(const void *bytes, size_t count, char text[LIMN_DIGEST_TEXT])
{
    unsigned char digest[LIMN_DIGEST_BYTES];
    limn_sha256 hash;

    limn_sha256_begin(&hash);
    limn_sha256_add(&hash, bytes, count);
    limn_sha256_end(&hash, digest);
    limn_digest_text(digest, text);
}
