/* SPDX-License-Identifier: Apache-2.0
 *
 * Small helpers for bytes that came from somebody else: numbers read a byte at a time (so alignment
 * and this machine's byte order never matter), and text made safe to put into a message.
 *
 * A name inside a hostile file may hold terminal escapes or a million letters; limn_quote keeps
 * what can be printed and says that it cut the rest. */
#ifndef LIMN_MODEL_FOREIGN_H
#define LIMN_MODEL_FOREIGN_H

#include <stddef.h>
#include <stdint.h>

static inline uint16_t limn_read_16(const unsigned char *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t limn_read_32(const unsigned char *p)
{
    return (uint32_t)limn_read_16(p) | (uint32_t)limn_read_16(p + 2) << 16;
}

static inline uint64_t limn_read_64(const unsigned char *p)
{
    return (uint64_t)limn_read_32(p) | (uint64_t)limn_read_32(p + 4) << 32;
}

/* Text of up to about 60 characters with everything unprintable shown as '?'. */
typedef struct limn_quoted {
    char text[68];
} limn_quoted;

static inline limn_quoted limn_quote(const char *text, size_t bytes)
{
    limn_quoted q;
    size_t i, n = bytes < 60 ? bytes : 60;

    for (i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];

        q.text[i] = c >= 32 && c < 127 ? (char)c : '?';
    }
    if (bytes > n) {
        q.text[i++] = '.';
        q.text[i++] = '.';
        q.text[i++] = '.';
    }
    q.text[i] = 0;
    return q;
}

#endif
