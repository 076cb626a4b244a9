/* SPDX-License-Identifier: Apache-2.0
 *
 * From a picture's pixels to float planes of another size.
 *
 * Own code and not libvips' resize: the filter must be the one that people's training code uses
 * (separable cubic with a = -1/2, widened when shrinking, weights renormalised at the border, as
 * Pillow and torchvision do), the output exactly of the size asked for, only the window that the
 * crop keeps should be computed, and the result must not be rounded to 8 bits in between.  libvips
 * differs at borders and while enlarging.
 *
 * Single threaded: the loader runs it in its own workers. */
#ifndef LIMN_IMAGE_RESAMPLE_H
#define LIMN_IMAGE_RESAMPLE_H

#include "image/picture.h"

typedef enum limn_filter {
    LIMN_FILTER_CUBIC,   /* pictures */
    LIMN_FILTER_NEAREST, /* label maps: no new colours */
} limn_filter;

/* A rectangle in pixels. */
typedef struct limn_part {
    int x, y, width, height;
} limn_part;

/* One colour all over, up to two 8-bit steps of noise?  The part must lie inside the picture. */
bool limn_picture_is_flat(const limn_picture *picture, const limn_part *part);

/* from -> scaled to width x height -> window cut out -> flipped left to right. */
typedef struct limn_resampling {
    limn_part from;    /* of the source; width 0 means all of it (half of an A|B file otherwise) */
    int width, height; /* size that `from` is scaled to; 0 means its own */
    limn_part window;  /* what is kept of that; width 0 means all */
    bool flip;
    limn_filter filter;
} limn_resampling;

/* planes: (channels, window height, window width) floats in [-1, 1]; channels as in
 * limn_picture_to_planes.  8-bit and 16-bit sources are clamped (the cubic overshoots), float ones
 * are not.  Errors: LIMN_SHAPE when a rectangle leaves its picture, LIMN_NO_MEMORY. */
limn_status limn_resample(const limn_picture *picture, const limn_resampling *how, int channels,
                          float *planes, limn_error *error);

/* The same for planes that are floats already: (channels, height, width) -> (channels, how->...).
 * Not clamped.  in and out must not overlap. */
limn_status limn_resample_planes(const float *in, int channels, int height, int width,
                                 const limn_resampling *how, float *out, limn_error *error);

/* Any height and width through a network that takes multiples: pixels added at the bottom and right
 * only, so that the network's grid lies on the picture as it did in training. */
typedef struct limn_padding {
    int top, left, bottom, right;
} limn_padding;
limn_padding limn_padding_to_multiple(int height, int width, int multiple);
limn_shape limn_padded(limn_shape shape, limn_padding padding);

/* out, of shape limn_padded(shape, padding): reflection without repeating the edge pixel, again and
 * again where the padding is larger than the picture; a side of 1 is repeated.  NCHW. */
void limn_reflect(float *out, const float *in, limn_shape shape, limn_padding padding);
/* And the middle back: out has `shape`, in has limn_padded(shape, padding). */
void limn_cut(float *out, const float *in, limn_shape shape, limn_padding padding);

#endif
