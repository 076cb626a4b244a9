/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside src/image only: pixel values as floats and back, a row or a plane at a time. */
#ifndef LIMN_IMAGE_CONVERT_H
#define LIMN_IMAGE_CONVERT_H

#include "image/picture.h"

/* Can `have` colour channels be shown to something that takes `want`? */
bool limn_channels_fit(int have, int want);

/* Pixels x..x+count of row y as floats in [-1, 1] (float pictures unclamped); channel c goes to
 * to + c * plane.  spare: count floats of working room. */
void limn_row_to_planes(const limn_picture *picture, int x, int y, int count, int channels,
                        float *to, size_t plane, float *spare);

/* All pixels from (channels, height, width) planes in [-1, 1], clamped and rounded. */
void limn_planes_to_pixels(limn_picture *picture, const float *planes);

/* Values of one depth as another: full scale stays full scale. */
void limn_values_convert(void *to, limn_type to_type, const void *from, limn_type from_type,
                         size_t count);

/* A copy in a block of its own; {0} for none and on failure. */
limn_status limn_bytes_copy(limn_bytes *out, const void *bytes, size_t count, limn_error *error);

#endif
