/* SPDX-License-Identifier: Apache-2.0
 *
 * The things that draw_shapes draws: each is a few closed outlines, painted one over the other.
 * Coordinates: x to the right, y down, about [-1, 1]; whoever draws scales, turns and moves them.
 */
#ifndef TOOLS_SHAPES_H
#define TOOLS_SHAPES_H

#include <stdbool.h>

enum { OUTLINE_POINTS = 160, SHAPE_OUTLINES = 12 };

typedef struct point {
    double x, y;
} point;

typedef struct outline {
    point points[OUTLINE_POINTS];
    int count;
    unsigned colour; /* 0xRRGGBB */
    bool glossy;     /* round, with a highlight */
    bool open;       /* a line without an inside */
} outline;

typedef struct shape {
    outline outlines[SHAPE_OUTLINES];
    int count;
} shape;

typedef struct shape_kind {
    const char *name;
    double tilt; /* turned by at most so many degrees: a house stands, a star may lie */
    void (*draw)(shape *s);
} shape_kind;

/* Ends with a row whose name is NULL. */
extern const shape_kind shape_kinds[];

#endif
