/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures for the tests of data folders, written byte by byte.  BMP for most: limn reads it with
 * its own decoder, so a test under ThreadSanitizer sees no foreign threads. */
#ifndef LIMN_TESTS_DATA_FILES_H
#define LIMN_TESTS_DATA_FILES_H

#include "scratch.h"

#include <stdint.h>

static scratch root;

/* The value of a pixel of picture number `seed`: anything, but no two pictures alike. */
static inline uint8_t pixel(uint32_t seed, int x, int y, int c)
{
    uint32_t v = seed * 2654435761u ^ (uint32_t)(x * 40503 + y * 30011 + c * 7919);

    v = (v ^ v >> 15) * 0x2c1b3c6du;
    return (uint8_t)(v >> 13);
}

/* root/name, with its folders made. */
static inline const char *place(const char *name)
{
    const char *path = scratch_path(&root, name);

    for (char *slash = root.path + strlen(root.folder) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        mkdir(root.path, 0777);
        *slash = '/';
    }
    return path;
}

static inline void put32(unsigned char *to, uint32_t v)
{
    for (int i = 0; i < 4; i++) to[i] = (unsigned char)(v >> 8 * i);
}

/* 24-bit BMP; colour < 0: a picture of its own by seed, else flat in that grey. */
static inline void write_bmp(const char *name, int width, int height, uint32_t seed, int colour)
{
    size_t row = ((size_t)width * 3 + 3) / 4 * 4, count = 54 + row * (size_t)height;
    unsigned char *bytes = calloc(count, 1);

    memcpy(bytes, "BM", 2);
    put32(bytes + 2, (uint32_t)count);
    put32(bytes + 10, 54);
    put32(bytes + 14, 40);
    put32(bytes + 18, (uint32_t)width);
    put32(bytes + 22, (uint32_t)height);
    bytes[26] = 1;
    bytes[28] = 24;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < 3; c++)
                bytes[54 + row * (size_t)(height - 1 - y) + (size_t)x * 3 + (size_t)(2 - c)] =
                    colour >= 0 ? (uint8_t)colour : pixel(seed, x, y, c);
    scratch_write(place(name), bytes, count);
    free(bytes);
}

/* PGM (channels 1) or PPM (3) with 8 or 16 bits. */
static inline void write_pnm(const char *name, int width, int height, int channels, int bits,
                             const uint16_t *values)
{
    size_t count = (size_t)width * (size_t)height * (size_t)channels, used;
    unsigned char *bytes = malloc(count * 2 + 64);

    used = (size_t)sprintf((char *)bytes, "P%d\n%d %d\n%d\n", channels == 1 ? 5 : 6, width, height,
                           bits == 8 ? 255 : 65535);
    for (size_t i = 0; i < count; i++) {
        if (bits > 8) bytes[used++] = (unsigned char)(values[i] >> 8);
        bytes[used++] = (unsigned char)values[i];
    }
    scratch_write(place(name), bytes, used);
    free(bytes);
}

/* folder/NN.bmp for NN = first..first + count - 1. */
static inline void write_many(const char *folder, int first, int count, int width, int height)
{
    for (int i = first; i < first + count; i++) {
        char name[200];

        snprintf(name, sizeof name, "%s/%02d.bmp", folder, i);
        write_bmp(name, width, height, (uint32_t)i + 1, -1);
    }
}

#endif
