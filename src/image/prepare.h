/* SPDX-License-Identifier: Apache-2.0
 *
 * Preparation of training pictures: scale, cut, flip, with one draw for both halves of a pair.
 *
 * Names and meaning are those that pix2pix users know (--preprocess, --load_size, --crop_size,
 * --no_flip).  Two differences, both said aloud: `none` leaves the size alone (the caller pads to
 * the network's multiple), and a picture smaller than the crop is refused instead of being filled
 * with black.  Draws come from (seed, stream, epoch, index) alone. */
#ifndef LIMN_IMAGE_PREPARE_H
#define LIMN_IMAGE_PREPARE_H

#include "base/random.h"
#include "image/resample.h"

#define LIMN_PREPROCESS_CHOICES "resize_and_crop|crop|scale_width|scale_width_and_crop|none"

/* In the order of the choices above. */
typedef enum limn_preprocess {
    LIMN_PREPROCESS_RESIZE_AND_CROP, /* both sides to load_size, then crop_size cut at random */
    LIMN_PREPROCESS_CROP,            /* crop_size cut at random */
    LIMN_PREPROCESS_SCALE_WIDTH,     /* width to load_size, height in proportion (rounded down)
                                        but at least crop_size */
    LIMN_PREPROCESS_SCALE_WIDTH_AND_CROP, /* that, then crop_size cut at random */
    LIMN_PREPROCESS_NONE,                 /* as it is */
} limn_preprocess;

typedef struct limn_preparation {
    int preprocess; /* limn_preprocess; an int so that a settings row can hold it */
    int load_size, crop_size;
    bool flip; /* half of the pictures left to right */
} limn_preparation;

/* The defaults: resize_and_crop, 286, 256, flip. */
#define LIMN_PREPARATION_DEFAULTS                                                                  \
    {                                                                                              \
        .preprocess = LIMN_PREPROCESS_RESIZE_AND_CROP, .load_size = 286, .crop_size = 256,         \
        .flip = true                                                                               \
    }

/* Refuses combinations that cannot work (crop_size above load_size), with what to set instead. */
limn_status limn_preparation_check(const limn_preparation *preparation, limn_error *error);

/* What was drawn for one pair: apply it to the input, the target and anything else of the same
 * size. */
typedef struct limn_draw {
    int source_width, source_height; /* of the picture (or half) it was drawn for */
    int width, height;               /* scaled to */
    limn_part window;                /* kept: its size is the size of the result */
    bool flip;
    bool scales; /* sizes of the source may differ (resize_and_crop) */
} limn_draw;

/* Draws for pair `index` of random->step = epoch (one Philox block an index).  random NULL draws
 * nothing: the middle, not flipped, for validation.  width x height is the size of the picture, or
 * of one half.  LIMN_SHAPE when it is smaller than the crop. */
limn_status limn_draw_for(limn_draw *draw, const limn_preparation *preparation, int width,
                          int height, const limn_random *random, uint64_t index, limn_error *error);

/* planes: (channels, draw->window.height, draw->window.width) in [-1, 1].  part: the half of a
 * side-by-side file, or NULL for all. */
limn_status limn_draw_apply(const limn_draw *draw, const limn_picture *picture,
                            const limn_part *part, int channels, limn_filter filter, float *planes,
                            limn_error *error);

/* The halves of an A|B file; an odd width is refused (LIMN_SHAPE). */
limn_status limn_picture_halves(const limn_picture_info *info, limn_part *a, limn_part *b,
                                limn_error *error);

#endif
