/* SPDX-License-Identifier: Apache-2.0
 *
 * BMP, decoded here.
 *
 * libvips reads BMP only through ImageMagick, whose decoders it marks as unfit for untrusted files
 * and which is a module that need not be installed.  The format is small: a file header, an info
 * header of 12 bytes (OS/2) or 40 and more (Windows), a palette, rows from the bottom up padded to
 * four bytes.  Read: 1, 4, 8 bits with palette, also run-length coded; 16, 24, 32 bits with or
 * without bit masks.  Not read: the PNG and JPEG inside a BMP that printers use.
 *
 * 32-bit files without an alpha mask mostly have zeros in the fourth byte, which is therefore
 * ignored; with a mask it is alpha. */
#include "image/decode.h"

#include <string.h>

enum { PLAIN = 0, RUNS_8 = 1, RUNS_4 = 2, MASKS = 3, MASKS_ALPHA = 6 };

typedef struct bitmap {
    int64_t width, height;
    bool top_down, small_palette; /* 3 bytes an entry instead of 4 */
    unsigned bits, coding;
    uint32_t mask[4]; /* red, green, blue, alpha */
    const unsigned char *palette, *rows, *end;
    size_t colours;
} bitmap;

static uint32_t u16(const unsigned char *b)
{
    return (uint32_t)b[0] | (uint32_t)b[1] << 8;
}

static uint32_t u32(const unsigned char *b)
{
    return u16(b) | u16(b + 2) << 16;
}

/* One field of a masked pixel, scaled to 0..255. */
static uint8_t field(uint32_t pixel, uint32_t mask)
{
    uint32_t v = pixel & mask;
    uint64_t most;

    if (!mask) return 0;
    while (!(mask & 1)) mask >>= 1, v >>= 1;
    most = mask;
    return (uint8_t)(((uint64_t)v * 255 + most / 2) / most);
}

static limn_status damaged(const limn_decoding *decoding, const char *what, limn_error *error)
{
    return limn_fail(error, LIMN_FORMAT, "%s: damaged or cut off: BMP %s", decoding->name, what);
}

static limn_status read_header(bitmap *b, const limn_decoding *decoding, limn_error *error)
{
    const unsigned char *file = decoding->bytes, *info = file + 14;
    size_t count = decoding->count, info_bytes, after, at;

    if (count < 26 || (info_bytes = u32(info)) < 12 || count - 14 < info_bytes)
        return damaged(decoding, "header", error);
    if (info_bytes < 16) {
        b->width = u16(info + 4);
        b->height = u16(info + 6);
        b->bits = u16(info + 10);
        b->small_palette = true;
    } else {
        b->width = (int32_t)u32(info + 4);
        b->height = (int32_t)u32(info + 8);
        b->bits = u16(info + 14);
        if (info_bytes >= 20) b->coding = u32(info + 16);
        if (info_bytes >= 36) b->colours = u32(info + 32);
    }
    if (b->height < 0) b->height = -b->height, b->top_down = true;
    if (b->bits != 1 && b->bits != 4 && b->bits != 8 && b->bits != 16 && b->bits != 24 &&
        b->bits != 32)
        return damaged(decoding, "with a depth that does not exist", error);
    if (!(b->coding == PLAIN || (b->coding == RUNS_8 && b->bits == 8) ||
          (b->coding == RUNS_4 && b->bits == 4) ||
          ((b->coding == MASKS || b->coding == MASKS_ALPHA) && (b->bits == 16 || b->bits == 32))))
        return limn_fail(
            error, LIMN_FORMAT,
            "%s: a BMP of %u bits with coding %u, which limn does not read; convert it "
            "to PNG",
            decoding->name, b->bits, b->coding);

    after = 14 + info_bytes;
    if (b->coding == MASKS || b->coding == MASKS_ALPHA) {
        size_t masks = info_bytes >= 56 || b->coding == MASKS_ALPHA ? 4 : 3;
        const unsigned char *from = info + 40;

        if (info_bytes < 40 || count - 54 < masks * 4) return damaged(decoding, "header", error);
        for (size_t i = 0; i < masks; i++) b->mask[i] = u32(from + 4 * i);
        if (info_bytes == 40) after += masks * 4;
    } else if (b->bits == 16) {
        b->mask[0] = 0x7c00, b->mask[1] = 0x03e0, b->mask[2] = 0x001f;
    } else if (b->bits == 32) {
        b->mask[0] = 0xff0000, b->mask[1] = 0x00ff00, b->mask[2] = 0x0000ff;
    }
    at = u32(file + 10);
    if (at < after || at > count) return damaged(decoding, "header", error);
    if (b->bits <= 8) {
        size_t entry = b->small_palette ? 3 : 4, most = (size_t)1 << b->bits;

        if (!b->colours || b->colours > most) b->colours = most;
        if (b->colours > (at - after) / entry) b->colours = (at - after) / entry;
        if (!b->colours) return damaged(decoding, "without a palette", error);
    }
    b->palette = file + after;
    b->rows = file + at;
    b->end = file + count;
    return LIMN_OK;
}

static void put_colour(const bitmap *b, uint8_t *to, size_t index)
{
    const unsigned char *entry;

    if (index >= b->colours) index = 0;
    entry = b->palette + index * (b->small_palette ? 3 : 4);
    to[0] = entry[2], to[1] = entry[1], to[2] = entry[0];
}

static limn_status decode_rows(const bitmap *b, const limn_decoding *decoding, limn_error *error)
{
    size_t w = (size_t)b->width, h = (size_t)b->height;
    size_t stride = (w * b->bits + 31) / 32 * 4;
    limn_picture *picture = decoding->picture;

    if (stride > (size_t)(b->end - b->rows) / h) return damaged(decoding, "pixels", error);
    for (size_t y = 0; y < h; y++) {
        const unsigned char *from = b->rows + (b->top_down ? y : h - 1 - y) * stride;
        uint8_t *to = (uint8_t *)picture->pixels + y * w * 3;
        uint8_t *alpha = picture->alpha ? (uint8_t *)picture->alpha + y * w : NULL;

        for (size_t x = 0; x < w; x++, to += 3) {
            if (b->bits <= 8) {
                unsigned bit = (unsigned)(x * b->bits);
                unsigned shift = 8 - b->bits - bit % 8;

                put_colour(b, to, from[bit / 8] >> shift & ((1u << b->bits) - 1));
            } else if (b->bits == 24) {
                to[0] = from[3 * x + 2], to[1] = from[3 * x + 1], to[2] = from[3 * x];
            } else {
                uint32_t pixel = b->bits == 16 ? u16(from + 2 * x) : u32(from + 4 * x);

                for (int c = 0; c < 3; c++) to[c] = field(pixel, b->mask[c]);
                if (alpha) alpha[x] = field(pixel, b->mask[3]);
            }
        }
    }
    return LIMN_OK;
}

/* Runs: (n, value); (0, 0) ends a row, (0, 1) the picture, (0, 2) moves by the two bytes after it,
 * (0, n) brings n single values padded to two bytes.  Four-bit values alternate within a byte. */
static limn_status decode_runs(const bitmap *b, const limn_decoding *decoding, limn_error *error)
{
    size_t w = (size_t)b->width, h = (size_t)b->height, x = 0, y = 0;
    uint8_t *pixels = decoding->picture->pixels;
    const unsigned char *at = b->rows;
    bool four = b->bits == 4;

    for (size_t i = 0; i < w * h; i++) put_colour(b, pixels + i * 3, 0);
    while (y < h) {
        size_t n, single, bytes;

        if (b->end - at < 2) return damaged(decoding, "runs", error);
        n = at[0], single = n ? 0 : at[1];
        at += 2;
        if (!n && single == 0) {
            x = 0, y++;
        } else if (!n && single == 1) {
            return LIMN_OK;
        } else if (!n && single == 2) {
            if (b->end - at < 2) return damaged(decoding, "runs", error);
            x += at[0], y += at[1];
            at += 2;
        } else {
            const unsigned char *values = n ? at - 1 : at;
            size_t total = n ? n : single;

            bytes = n ? 0 : (four ? (single + 1) / 2 + 1 : single + 1) / 2 * 2;
            if ((size_t)(b->end - at) < bytes) return damaged(decoding, "runs", error);
            for (size_t i = 0; i < total && x < w; i++, x++) {
                size_t byte = n ? 0 : four ? i / 2 : i;
                size_t value = values[byte];

                if (four) value = i % 2 ? value & 15 : value >> 4;
                put_colour(b, pixels + ((b->top_down ? y : h - 1 - y) * w + x) * 3, value);
            }
            at += bytes;
        }
    }
    return LIMN_OK;
}

/* A palette of greys makes a grey picture. */
static bool palette_is_grey(const bitmap *b)
{
    size_t entry = b->small_palette ? 3 : 4;

    for (size_t i = 0; i < b->colours; i++)
        if (b->palette[i * entry] != b->palette[i * entry + 1] ||
            b->palette[i * entry] != b->palette[i * entry + 2])
            return false;
    return b->bits <= 8;
}

static void keep_one_channel(limn_picture *picture)
{
    size_t n = (size_t)picture->info.width * (size_t)picture->info.height;
    uint8_t *v = picture->pixels;

    for (size_t i = 0; i < n; i++) v[i] = v[3 * i];
    picture->info.channels = 1;
    picture->info.colour = LIMN_COLOUR_GREY;
}

limn_status limn_decode_bmp(limn_decoding *decoding, limn_error *error)
{
    limn_picture *picture = decoding->picture;
    bitmap b = { 0 };
    limn_status status;

    LIMN_TRY(read_header(&b, decoding, error));
    LIMN_TRY(limn_decoding_check(decoding, b.width, b.height, b.mask[3] ? 4 : 3, error));
    if (decoding->header_only) {
        bool grey = palette_is_grey(&b);

        picture->info = (limn_picture_info){ .width = (int)b.width,
                                             .height = (int)b.height,
                                             .channels = grey ? 1 : 3,
                                             .alpha = b.mask[3] != 0,
                                             .type = LIMN_U8,
                                             .format = LIMN_FORMAT_BMP,
                                             .colour = grey ? LIMN_COLOUR_GREY : LIMN_COLOUR_RGB,
                                             .orientation = 1,
                                             .frames = 1 };
        return LIMN_OK;
    }
    if ((status = limn_picture_make(picture, (int)b.width, (int)b.height, 3, LIMN_U8,
                                    b.mask[3] != 0, error)))
        return limn_while(error, "%s", decoding->name);
    picture->info.format = LIMN_FORMAT_BMP;
    status = b.coding == RUNS_8 || b.coding == RUNS_4 ? decode_runs(&b, decoding, error)
                                                      : decode_rows(&b, decoding, error);
    if (status)
        limn_picture_close(picture);
    else if (palette_is_grey(&b))
        keep_one_channel(picture);
    return status;
}
