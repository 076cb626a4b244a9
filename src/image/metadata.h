/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside src/image only: EXIF made fit for the output, and put into encoded files. */
#ifndef LIMN_IMAGE_METADATA_H
#define LIMN_IMAGE_METADATA_H

#include "image/picture.h"

/* Changes an EXIF block (a TIFF structure) in place: orientation 1, the new size, no thumbnail and
 * no maker note (they show or describe the input), no position unless keep_gps; what is taken out
 * is overwritten with zeros.  False when the block is damaged: it is then better left out. */
bool limn_exif_clean(unsigned char *exif, size_t count, int width, int height, bool keep_gps);

/* A copy of an encoded file in which libvips' own EXIF is replaced by this one, or by none (count
 * 0), and made-up resolutions are removed when per_mm is 0.  For formats without a place for EXIF
 * it is a plain copy, and EXIF too large for a JPEG segment is left out. */
limn_status limn_metadata_splice(limn_bytes *out, const void *file, size_t count,
                                 limn_format format, const void *exif, size_t exif_count,
                                 const double per_mm[2], limn_error *error);

#endif
