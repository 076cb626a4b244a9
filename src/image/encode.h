/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures to bytes.  Only src/publish includes this header: every generated picture is screened
 * and marked there before it is encoded, and a check over #include lines holds that.
 *
 * Pixels are sRGB or grey inside; when the picture carries a profile of the same kind (RGB or grey)
 * they are converted to it and it is embedded, so a file in Adobe RGB comes out in Adobe RGB.
 * EXIF goes out with orientation 1, the new size, without the thumbnail (it would show the input)
 * and without GPS unless asked.  EXIF does not go into TIFF and PPM, where libvips and the format
 * have no place for it.  The same picture and settings give the same bytes. */
#ifndef LIMN_IMAGE_ENCODE_H
#define LIMN_IMAGE_ENCODE_H

#include "image/picture.h"

typedef struct limn_encoding {
    limn_format format; /* NONE: the picture's own, or PNG where that cannot be written */
    int quality;        /* JPEG and WebP, 1..100; 0 means 92 */
    bool lossless;      /* WebP */
    bool keep_gps;
    bool no_exif, no_icc; /* leave them out altogether (previews) */
    const char *xmp;      /* packet to embed, borrowed; NULL for none (the input's is not taken) */
    size_t xmp_bytes;
} limn_encoding;

/* Encodes into *out, a block that the caller frees with limn_block_free(out->bytes); on failure it
 * is {0}.  Depth: PNG, TIFF and PPM keep 16 bit, TIFF and PPM (as PFM) keep float; otherwise the
 * nearest depth the format has.  JPEG and PPM have no alpha: it is laid on white.  Channel counts
 * other than 1 and 3 go into TIFF only (LIMN_SHAPE); BMP and GIF are not written (LIMN_SETTING). */
limn_status limn_picture_encode(limn_bytes *out, const limn_picture *picture,
                                const limn_encoding *encoding, limn_error *error);

#endif
