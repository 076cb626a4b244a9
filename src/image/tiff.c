/* SPDX-License-Identifier: Apache-2.0
 *
 * TIFF whose grey channels lie one after the other (PlanarConfiguration 2, as GDAL's
 * INTERLEAVE=BAND and many instruments write it).
 *
 * libvips 8.14 reads such a file without a complaint and gets all rows of a strip but the first
 * wrong, and refuses it when tiled.  One channel alone it reads well, so the file is shown to it
 * once a channel, with the directory changed in a copy so that it speaks of that channel only: one
 * sample a pixel, and of the lists of strips or tiles the stretch that belongs to it.  RGB stored
 * this way is read right and does not come here. */
#include "image/decode.h"
#include "image/ifd.h"

enum {
    TAG_BITS = 258,
    TAG_PHOTOMETRIC = 262,
    TAG_STRIPS = 273,
    TAG_SAMPLES = 277,
    TAG_STRIP_BYTES = 279,
    TAG_PLANAR = 284,
    TAG_TILES = 324,
    TAG_TILE_BYTES = 325,
    TAG_EXTRA_SAMPLES = 338,
    TAG_SAMPLE_FORMAT = 339,
    SEPARATE = 2,
};

/* The first entry with a tag, or 0. */
static size_t find(const limn_ifd_block *b, size_t at, uint32_t tag)
{
    int n = limn_ifd_entries(b, at);

    for (int i = 0; i < n; i++)
        if (limn_get16(b, limn_ifd_entry(at, i)) == tag) return limn_ifd_entry(at, i);
    return 0;
}

static uint32_t small_value(const limn_ifd_block *b, size_t at, uint32_t tag, uint32_t missing)
{
    size_t entry = find(b, at, tag);

    if (!entry) return missing;
    return limn_get16(b, entry + 2) == IFD_SHORT ? limn_get16(b, entry + 8)
                                                 : limn_get32(b, entry + 8);
}

bool limn_tiff_is_planar(const void *bytes, size_t count)
{
    limn_ifd_block b = { (unsigned char *)bytes, count, false }; /* only read here */
    size_t at = limn_ifd_first(&b);

    return at && small_value(&b, at, TAG_PLANAR, 1) == SEPARATE &&
           small_value(&b, at, TAG_SAMPLES, 1) > 1 && small_value(&b, at, TAG_PHOTOMETRIC, 0) <= 1;
}

/* A list of one value a channel (bits, sample format) becomes its first value. */
static bool keep_first(const limn_ifd_block *b, size_t entry)
{
    size_t count = limn_get32(b, entry + 4), at = limn_get32(b, entry + 8);

    if (limn_get16(b, entry + 2) != IFD_SHORT || !count) return false;
    if (count > 2 && (at < 8 || at > b->count - 2)) return false;
    limn_put16(b, entry + 8, limn_get16(b, count > 2 ? at : entry + 8));
    limn_put32(b, entry + 4, 1);
    return true;
}

/* A list of n stretches, one a channel, becomes stretch k. */
static bool keep_stretch(const limn_ifd_block *b, size_t entry, uint32_t n, uint32_t k)
{
    uint32_t type = limn_get16(b, entry + 2), size = type == IFD_SHORT ? 2 : 4;
    uint64_t count = limn_get32(b, entry + 4), each = count / n, bytes = count * size;
    size_t at = bytes > 4 ? limn_get32(b, entry + 8) : entry + 8, from;

    if ((type != IFD_SHORT && type != IFD_LONG) || !each || count % n) return false;
    if (at < 8 || at > b->count || bytes > b->count - at) return false;
    from = at + (size_t)(k * each * size);
    limn_put32(b, entry + 4, (uint32_t)each);
    if (each * size > 4)
        limn_put32(b, entry + 8, (uint32_t)from);
    else
        memmove(b->bytes + entry + 8, b->bytes + from, (size_t)(each * size));
    return true;
}

/* Makes the directory of a copy speak of channel k of n. */
static bool pick(const limn_ifd_block *b, size_t at, uint32_t n, uint32_t k)
{
    for (int i = 0; i < limn_ifd_entries(b, at); i++) {
        size_t entry = limn_ifd_entry(at, i);

        switch (limn_get16(b, entry)) {
        case TAG_SAMPLES:
        case TAG_PLANAR:
            limn_put16(b, entry + 2, IFD_SHORT);
            limn_put32(b, entry + 4, 1);
            limn_put32(b, entry + 8, 0);
            limn_put16(b, entry + 8, 1);
            break;
        case TAG_BITS:
        case TAG_SAMPLE_FORMAT:
            if (!keep_first(b, entry)) return false;
            break;
        case TAG_STRIPS:
        case TAG_STRIP_BYTES:
        case TAG_TILES:
        case TAG_TILE_BYTES:
            if (!keep_stretch(b, entry, n, k)) return false;
            break;
        case TAG_EXTRA_SAMPLES:
            limn_ifd_remove(b, at, limn_ifd_entries(b, at), i--);
            break;
        default:
            break;
        }
    }
    return true;
}

static void put_channel(const limn_picture *to, const limn_picture *from, size_t c)
{
    size_t count = (size_t)from->info.width * (size_t)from->info.height;
    size_t n = (size_t)to->info.channels, size = limn_type_bytes(from->info.type);

    for (size_t i = 0; i < count; i++)
        memcpy((char *)to->pixels + (i * n + c) * size, (const char *)from->pixels + i * size,
               size);
}

/* What channel k looks like goes to *channel; copy is the file with another directory. */
static limn_status decode_channel(const limn_decoding *decoding, unsigned char *copy, uint32_t n,
                                  uint32_t k, limn_picture *channel, limn_error *error)
{
    limn_ifd_block b = { copy, decoding->count, false };
    limn_decoding one = *decoding;

    memcpy(copy, decoding->bytes, decoding->count);
    if (!pick(&b, limn_ifd_first(&b), n, k))
        return limn_fail(error, LIMN_FORMAT, "%s: damaged or cut off: the TIFF directory",
                         decoding->name);
    one.bytes = copy;
    one.picture = channel;
    return limn_decode_vips(&one, error);
}

limn_status limn_decode_planar_tiff(limn_decoding *decoding, limn_error *error)
{
    limn_ifd_block b = { (unsigned char *)decoding->bytes, decoding->count, false };
    uint32_t n = small_value(&b, limn_ifd_first(&b), TAG_SAMPLES, 1);
    limn_picture *picture = decoding->picture, channel = { 0 };
    limn_status status = LIMN_OK;
    unsigned char *copy;

    if (n > (uint32_t)decoding->limits.channels)
        return limn_fail(error, LIMN_SHAPE, "%s: %u channels, the limit is %d", decoding->name, n,
                         decoding->limits.channels);
    if (!(copy = limn_block(decoding->count)))
        return limn_fail(error, LIMN_NO_MEMORY, "%s: out of memory for the file", decoding->name);
    for (uint32_t k = 0; k < n && !status; k++) {
        limn_picture_close(&channel);
        if ((status = decode_channel(decoding, copy, n, k, &channel, error))) break;
        if (!k) {
            limn_picture made = { 0 };

            if (!decoding->header_only &&
                (status = limn_picture_make(&made, channel.info.width, channel.info.height, (int)n,
                                            channel.info.type, false, error))) {
                status = limn_while(error, "%s", decoding->name);
                break;
            }
            *picture = (limn_picture){ .info = channel.info,
                                       .pixels = made.pixels,
                                       .icc = channel.icc,
                                       .exif = channel.exif,
                                       .xmp = channel.xmp };
            channel.icc = channel.exif = channel.xmp = (limn_bytes){ 0 };
            picture->info.channels = (int)n;
            picture->info.colour = LIMN_COLOUR_MANY;
            if (decoding->header_only) break;
        }
        if (channel.info.channels != 1 || channel.info.type != picture->info.type ||
            channel.info.width != picture->info.width ||
            channel.info.height != picture->info.height)
            status = limn_fail(error, LIMN_FORMAT, "%s: damaged: its channels differ in kind",
                               decoding->name);
        else
            put_channel(picture, &channel, k);
    }
    limn_picture_close(&channel);
    limn_block_free(copy);
    if (status) limn_picture_close(picture);
    return status;
}
