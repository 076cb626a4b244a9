/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside src/screen only: what the classifiers get to see of a picture. */
#ifndef LIMN_SCREEN_VIEW_H
#define LIMN_SCREEN_VIEW_H

#include "image/resample.h"

enum { LIMN_VIEW_SIDE = 224, LIMN_VIEW_COUNT = 3 * LIMN_VIEW_SIDE * LIMN_VIEW_SIDE };

/* Where pixels are: in a picture, or in planes (channels, height, width) of [-1, 1]. */
typedef struct limn_view_source {
    const limn_picture *picture; /* NULL: planes */
    const float *planes;
    int channels, height, width;
    limn_part part;
} limn_view_source;

/* One way of looking at it. */
typedef struct limn_view {
    limn_view_source source;
    int channel[3]; /* taken for red, green and blue */
    int ground;     /* -1: transparency is not looked at; 0, 1: laid on black, on white */
} limn_view;

/* How many ways there are, and one of them. */
int limn_view_ways(const limn_view_source *source);
limn_view limn_view_at(const limn_view_source *source, int way);

/* The view as (3, 224, 224) floats in [0, 1], squashed to the square.  room: limn_view_room bytes,
 * aligned as any block. */
size_t limn_view_room(const limn_view *view);
void limn_view_make(const limn_view *view, float *out, void *room);

#endif
