/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes 8-bit PNG files without any library (PNG specification 1.2; RFC 1950, RFC 1951).
 *
 * The tool that draws must build where nothing is installed but a compiler, and its drawings are
 * flat: each row as the difference to the row above is mostly zeros, and runs of one byte are the
 * only matches looked for, in deflate's fixed code.  That takes a pair of 128x128 to a fifth of its
 * 98 KB, which is all that is needed.  Tried and dropped: PPM, which no browser shows; stored
 * blocks, 50 MB for the demo. */
#include "small_png.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct bits {
    unsigned char *bytes;
    size_t count;
    uint32_t waiting;
    int waiting_count;
} bits;

/* count bits of value, the lowest first. */
static void put(bits *b, uint32_t value, int count)
{
    b->waiting |= value << b->waiting_count;
    for (b->waiting_count += count; b->waiting_count >= 8; b->waiting_count -= 8) {
        b->bytes[b->count++] = (unsigned char)b->waiting;
        b->waiting >>= 8;
    }
}

/* Huffman codes go the other way round. */
static void put_code(bits *b, uint32_t code, int count)
{
    uint32_t turned = 0;

    for (int i = 0; i < count; i++) turned |= (code >> i & 1) << (count - 1 - i);
    put(b, turned, count);
}

static void put_literal(bits *b, unsigned char byte)
{
    if (byte < 144)
        put_code(b, 0x30u + byte, 8);
    else
        put_code(b, 0x190u + (byte - 144u), 9);
}

/* The byte before, so many times: 3 to 10, or 258 (lengths that need no extra bits). */
static void put_run(bits *b, size_t length)
{
    if (length == 258)
        put_code(b, 0xc5, 8);
    else
        put_code(b, (uint32_t)(length - 2), 7);
    put_code(b, 0, 5);
}

static void deflate(bits *b, const unsigned char *from, size_t count)
{
    put(b, 1, 1); /* the last block, */
    put(b, 1, 2); /* in the fixed code */
    for (size_t i = 0; i < count;) {
        size_t run = 0;

        while (i && run < 258 && i + run < count && from[i + run] == from[i - 1]) run++;
        if (run >= 3) {
            run = run == 258 ? 258 : run > 10 ? 10 : run;
            put_run(b, run);
            i += run;
        } else {
            put_literal(b, from[i++]);
        }
    }
    put_code(b, 0, 7); /* the end of the block */
    if (b->waiting_count) put(b, 0, 8 - b->waiting_count);
}

static uint32_t adler(const unsigned char *from, size_t count)
{
    uint32_t a = 1, b = 0;

    for (size_t i = 0; i < count; i++) {
        a = (a + from[i]) % 65521;
        b = (b + a) % 65521;
    }
    return b << 16 | a;
}

static uint32_t crc(const unsigned char *from, size_t count)
{
    uint32_t sum = 0xffffffff;

    for (size_t i = 0; i < count; i++) {
        sum ^= from[i];
        for (int k = 0; k < 8; k++) sum = sum & 1 ? sum >> 1 ^ 0xedb88320 : sum >> 1;
    }
    return ~sum;
}

static void big_endian(unsigned char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++) at[i] = (unsigned char)(value >> (24 - 8 * i));
}

/* chunk: 4 bytes of room, the name, the data; 4 bytes of room behind. */
static bool write_chunk(FILE *to, unsigned char *chunk, size_t data)
{
    big_endian(chunk, (uint32_t)data);
    big_endian(chunk + 8 + data, crc(chunk + 4, 4 + data));
    return fwrite(chunk, 1, 12 + data, to) == 12 + data;
}

static bool write_all(const char *path, unsigned char *body, size_t data, int width, int height)
{
    unsigned char head[12 + 13] = { 0, 0, 0, 0, 'I', 'H', 'D', 'R' }, end[12] = { 0 };
    FILE *to = fopen(path, "wb");
    bool well;

    if (!to) return false;
    big_endian(head + 8, (uint32_t)width);
    big_endian(head + 12, (uint32_t)height);
    head[16] = 8; /* bits a sample */
    head[17] = 2; /* RGB */
    memcpy(body + 4, "IDAT", 4);
    memcpy(end + 4, "IEND", 4);
    well = fwrite("\x89PNG\r\n\x1a\n", 1, 8, to) == 8 && write_chunk(to, head, 13) &&
           write_chunk(to, body, data) && write_chunk(to, end, 0);
    if (fclose(to)) well = false;
    if (!well) {
        int reason = errno;

        remove(path);
        errno = reason;
    }
    return well;
}

bool small_png_write(const char *path, const unsigned char *pixels, int width, int height)
{
    size_t row = 3 * (size_t)width, plain = (row + 1) * (size_t)height;
    unsigned char *rows = calloc(plain, 1), *body = malloc(plain + plain / 8 + 64);
    bool well = false;

    if (rows && body) {
        bits b = { .bytes = body + 10 }; /* behind length, name and zlib's two bytes */

        for (int y = 0; y < height; y++) {
            unsigned char *to = rows + (size_t)y * (row + 1);
            const unsigned char *from = pixels + (size_t)y * row, *above = y ? from - row : NULL;

            *to++ = 2; /* the filter "up" */
            for (size_t i = 0; i < row; i++)
                to[i] = (unsigned char)(from[i] - (above ? above[i] : 0));
        }
        body[8] = 0x78, body[9] = 0x01;
        deflate(&b, rows, plain);
        big_endian(b.bytes + b.count, adler(rows, plain));
        well = write_all(path, body, 2 + b.count + 4, width, height);
    }
    free(rows);
    free(body);
    return well;
}
