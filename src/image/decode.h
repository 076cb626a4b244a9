/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside src/image only: the decoders behind limn_picture_read. */
#ifndef LIMN_IMAGE_DECODE_H
#define LIMN_IMAGE_DECODE_H

#include "image/convert.h"

/* A whole file in memory, and what may be made of it. */
typedef struct limn_decoding {
    const unsigned char *bytes;
    size_t count;
    const char *name;
    limn_format format;
    limn_picture_limits limits; /* every field set */
    bool header_only;           /* fill picture->info and nothing else */
    limn_picture *picture;      /* {0} at the start and after a failure */
} limn_decoding;

/* Called by a decoder when the header is known; nothing may have been taken for pixels by then.
 * channels counts alpha. */
limn_status limn_decoding_check(const limn_decoding *decoding, int64_t width, int64_t height,
                                int64_t channels, limn_error *error);

limn_status limn_decode_vips(limn_decoding *decoding, limn_error *error);
/* TIFF with grey channels stored one after the other: see tiff.c. */
bool limn_tiff_is_planar(const void *bytes, size_t count);
limn_status limn_decode_planar_tiff(limn_decoding *decoding, limn_error *error);
limn_status limn_decode_bmp(limn_decoding *decoding, limn_error *error);

/* Where the stored pixel (x, y) of a width x height file lies in the upright picture, as
 * base + x * dx + y * dy pixels; orientation is EXIF's 1..8, 5 and above exchange the sides. */
typedef struct limn_upright {
    ptrdiff_t base, dx, dy;
} limn_upright;
limn_upright limn_upright_for(int orientation, int width, int height);

#endif
