/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside src/image only: what an ICC profile is, and whether it says sRGB. */
#ifndef LIMN_IMAGE_COLOUR_H
#define LIMN_IMAGE_COLOUR_H

#include "image/picture.h"

typedef enum limn_icc_space {
    LIMN_ICC_NONE, /* no profile, or not one */
    LIMN_ICC_GREY,
    LIMN_ICC_RGB,
    LIMN_ICC_CMYK,
    LIMN_ICC_ELSE,
} limn_icc_space;

/* By the profile's header alone. */
limn_icc_space limn_icc_space_of(const void *icc, size_t count);

/* Does this RGB profile give colours within 2 / 255 of sRGB's, over a grid of colours?  Most
 * profiles in the wild do, and their pixels are then left as they are, bit for bit.  usable says
 * whether libvips could use the profile at all.  Inside limn_vips_run only. */
bool limn_icc_is_srgb(const void *icc, size_t count, bool *usable);

#endif
