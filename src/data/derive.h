/* SPDX-License-Identifier: Apache-2.0
 *
 * Inputs made from the target: any folder of pictures trains sketch -> picture, sharpening or
 * enlarging by the recipe for pairs.
 *
 * Made from the prepared planes (after scaling, cutting and flipping), so that what the network
 * sees is the same at 256 x 256 whatever the size of the file, and so that translate can make the
 * same input from a photo.  Own float code: it runs on planes that are floats already, on one
 * thread, in the loader's workers. */
#ifndef LIMN_DATA_DERIVE_H
#define LIMN_DATA_DERIVE_H

#include "base/memory.h"
#include "base/settings.h"

#define LIMN_DERIVE_CHOICES "none|edges|grey|blur|downscale"
typedef enum limn_derive_kind {
    LIMN_DERIVE_NONE,
    LIMN_DERIVE_EDGES,     /* black lines, one pixel wide, on white (Canny 1986) */
    LIMN_DERIVE_GREY,      /* luma 0.299 0.587 0.114 */
    LIMN_DERIVE_BLUR,      /* Gaussian */
    LIMN_DERIVE_DOWNSCALE, /* down by a whole factor and up again, cubic both ways: same size */
} limn_derive_kind;

typedef struct limn_derivation {
    int kind; /* limn_derive_kind; an int so that a settings row can hold it */
    /* edges: Gaussian of sigma before the gradient; thresholds on the length of the Sobel gradient
     * of the luma, where a step from black to white before smoothing is 1: an edge begins above
     * high and goes on while above low */
    double edge_sigma, edge_low, edge_high;
    double blur_sigma;
    int downscale;
} limn_derivation;

#define LIMN_DERIVATION_DEFAULTS                                                                   \
    {                                                                                              \
        .edge_sigma = 1.4, .edge_low = 0.05, .edge_high = 0.12, .blur_sigma = 2, .downscale = 4    \
    }

/* The rows of that struct: derive, edge-sigma, ... */
extern const limn_setting limn_derivation_rows[];

/* a: (a_channels, height, width) from b: (b_channels, height, width), both in [-1, 1].  edges and
 * grey are one channel, repeated; blur and downscale keep channels, so a_channels must be
 * b_channels or 1 (luma then).  a and b must not overlap.  Errors: LIMN_SETTING, LIMN_SHAPE,
 * LIMN_NO_MEMORY. */
limn_status limn_derive(const limn_derivation *derivation, const float *b, int b_channels,
                        int height, int width, float *a, int a_channels, limn_error *error);

#endif
