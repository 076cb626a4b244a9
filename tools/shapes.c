/* SPDX-License-Identifier: Apache-2.0
 *
 * The things that draw_shapes draws.
 *
 * Colour follows from the kind of thing and from nothing else, so that a network can learn it in a
 * minute; kinds that look alike in small (tree and fir, star and cross) got colours that are far
 * apart, so that a mistake is seen.  Outlines are polygons: curves are cut into straight pieces
 * that are shorter than a pixel at the sizes in question. */
#include "shapes.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>

static const double pi = 3.14159265358979323846;

/* ---- A pen ----------------------------------------------------------------------------------- */

static outline *begin(shape *s, unsigned colour)
{
    outline *o = &s->outlines[s->count++];

    assert(s->count <= SHAPE_OUTLINES);
    o->colour = colour;
    return o;
}

static void to(outline *o, double x, double y)
{
    assert(o->count < OUTLINE_POINTS);
    o->points[o->count++] = (point){ x, y };
}

/* Part of an ellipse, in degrees: 0 is right, 90 is down. */
static void arc(outline *o, double x, double y, double rx, double ry, double from, double till)
{
    int pieces = 4 + (int)(fabs(till - from) / 9);

    for (int i = 0; i <= pieces; i++) {
        double angle = (from + (till - from) * i / pieces) * pi / 180;

        to(o, x + rx * cos(angle), y + ry * sin(angle));
    }
}

/* A cubic curve from where the pen is. */
static void curve(outline *o, double x1, double y1, double x2, double y2, double x, double y)
{
    enum { PIECES = 14 };
    point start = o->points[o->count - 1];

    for (int i = 1; i <= PIECES; i++) {
        double t = (double)i / PIECES, u = 1 - t;
        double a = u * u * u, b = 3 * u * u * t, c = 3 * u * t * t, d = t * t * t;

        to(o, a * start.x + b * x1 + c * x2 + d * x, a * start.y + b * y1 + c * y2 + d * y);
    }
}

static outline *ellipse(shape *s, unsigned colour, double x, double y, double rx, double ry)
{
    outline *o = begin(s, colour);

    arc(o, x, y, rx, ry, 0, 360);
    o->count--; /* the last point is the first */
    return o;
}

static void polygon(shape *s, unsigned colour, const point *points, int count)
{
    outline *o = begin(s, colour);

    for (int i = 0; i < count; i++) to(o, points[i].x, points[i].y);
}
#define POLYGON(s, colour, ...)                                                                    \
    polygon(s, colour, (const point[]){ __VA_ARGS__ },                                             \
            (int)(sizeof((const point[]){ __VA_ARGS__ }) / sizeof(point)))

/* ---- The kinds ------------------------------------------------------------------------------- */

static void ball(shape *s)
{
    ellipse(s, 0x3f8ee0, 0, 0, 0.95, 0.95)->glossy = true;
}

static void square(shape *s)
{
    POLYGON(s, 0x8f6bdc, { -0.8, -0.8 }, { 0.8, -0.8 }, { 0.8, 0.8 }, { -0.8, 0.8 });
}

static void triangle(shape *s)
{
    POLYGON(s, 0x27b3b8, { 0, -0.95 }, { 0.95, 0.75 }, { -0.95, 0.75 });
}

static void star(shape *s)
{
    outline *o = begin(s, 0xffbc2b);

    for (int i = 0; i < 10; i++) {
        double angle = (-90 + 36 * i) * pi / 180, r = i % 2 ? 0.46 : 1;

        to(o, r * cos(angle), r * sin(angle));
    }
}

static void heart(shape *s)
{
    outline *o = begin(s, 0xe8435a);

    to(o, 0, 0.9);
    curve(o, -0.35, 0.55, -1, 0.2, -1, -0.3);
    curve(o, -1, -0.7, -0.7, -0.85, -0.5, -0.85);
    curve(o, -0.25, -0.85, -0.05, -0.7, 0, -0.45);
    curve(o, 0.05, -0.7, 0.25, -0.85, 0.5, -0.85);
    curve(o, 0.7, -0.85, 1, -0.7, 1, -0.3);
    curve(o, 1, 0.2, 0.35, 0.55, 0, 0.9);
    o->count--;
}

static void cross(shape *s)
{
    const double a = 0.31, b = 0.92;

    POLYGON(s, 0xa4d03c, { -a, -b }, { a, -b }, { a, -a }, { b, -a }, { b, a }, { a, a }, { a, b },
            { -a, b }, { -a, a }, { -b, a }, { -b, -a }, { -a, -a });
}

static void crescent(shape *s)
{
    /* A disc of radius R without one of radius r whose centre lies d to the right. */
    const double R = 0.95, r = 0.78, d = 0.5, x = (d * d + R * R - r * r) / (2 * d);
    const double y = sqrt(R * R - x * x);
    double outer = atan2(y, x) * 180 / pi, inner = atan2(y, x - d) * 180 / pi;
    outline *o = begin(s, 0xfbe58f);

    arc(o, 0, 0, R, R, outer, 360 - outer);
    arc(o, d, 0, r, r, 360 - inner, inner);
    o->count--;
}

static void house(shape *s)
{
    POLYGON(s, 0xf8dcae, { -0.7, -0.15 }, { 0.7, -0.15 }, { 0.7, 0.85 }, { -0.7, 0.85 });
    POLYGON(s, 0xd85a40, { 0, -0.95 }, { 0.95, -0.12 }, { -0.95, -0.12 });
    POLYGON(s, 0x8c5c3e, { -0.42, 0.2 }, { -0.02, 0.2 }, { -0.02, 0.85 }, { -0.42, 0.85 });
    POLYGON(s, 0x8fd2f4, { 0.18, 0.1 }, { 0.54, 0.1 }, { 0.54, 0.46 }, { 0.18, 0.46 });
}

static void boat(shape *s)
{
    outline *o;

    POLYGON(s, 0x8c5c3e, { -0.09, -0.95 }, { 0.03, -0.95 }, { 0.03, 0.35 }, { -0.09, 0.35 });
    POLYGON(s, 0xf4f7fd, { 0.03, -0.9 }, { 0.8, 0.2 }, { 0.03, 0.2 });
    POLYGON(s, 0xffd25e, { -0.09, -0.75 }, { -0.09, 0.2 }, { -0.7, 0.2 });
    o = begin(s, 0xb9503a);
    to(o, -0.95, 0.35);
    to(o, 0.95, 0.35);
    curve(o, 0.85, 0.65, 0.7, 0.85, 0.5, 0.85);
    to(o, -0.5, 0.85);
    curve(o, -0.7, 0.85, -0.85, 0.65, -0.95, 0.35);
    o->count--;
}

static void tree(shape *s)
{
    outline *o;

    POLYGON(s, 0x9b6c46, { -0.16, 0.2 }, { 0.16, 0.2 }, { 0.2, 0.95 }, { -0.2, 0.95 });
    o = begin(s, 0x58b85c);
    arc(o, -0.42, 0.08, 0.4, 0.36, 90, 230);
    arc(o, 0, -0.48, 0.48, 0.46, 195, 345);
    arc(o, 0.42, 0.08, 0.4, 0.36, -50, 90);
}

static void fir(shape *s)
{
    POLYGON(s, 0x8c5c3e, { -0.14, 0.6 }, { 0.14, 0.6 }, { 0.14, 0.95 }, { -0.14, 0.95 });
    POLYGON(s, 0x23846a, { 0, -0.1 }, { 0.75, 0.65 }, { -0.75, 0.65 });
    POLYGON(s, 0x2c977a, { 0, -0.55 }, { 0.6, 0.2 }, { -0.6, 0.2 });
    POLYGON(s, 0x37aa8a, { 0, -0.98 }, { 0.45, -0.28 }, { -0.45, -0.28 });
}

static void fish(shape *s)
{
    outline *o;

    POLYGON(s, 0xe9652b, { -0.45, 0 }, { -0.98, -0.5 }, { -0.84, 0 }, { -0.98, 0.5 });
    POLYGON(s, 0xe9652b, { -0.1, -0.3 }, { -0.15, -0.75 }, { 0.4, -0.3 });
    o = begin(s, 0xff9443);
    to(o, -0.6, 0);
    curve(o, -0.2, -0.6, 0.6, -0.65, 0.95, 0);
    curve(o, 0.6, 0.65, -0.2, 0.6, -0.6, 0);
    o->count--;
    ellipse(s, 0xffffff, 0.55, -0.1, 0.13, 0.13);
}

static void flower(shape *s)
{
    outline *o;

    POLYGON(s, 0x6cc05a, { -0.06, 0 }, { 0.06, 0 }, { 0.06, 0.97 }, { -0.06, 0.97 });
    o = begin(s, 0x6cc05a);
    to(o, 0.06, 0.85);
    curve(o, 0.1, 0.5, 0.4, 0.4, 0.65, 0.42);
    curve(o, 0.6, 0.7, 0.35, 0.85, 0.06, 0.85);
    o->count--;
    o = begin(s, 0xf78cb8);
    for (int i = 0; i < 5; i++) {
        double angle = (-90 + 72 * i) * pi / 180;

        arc(o, 0.36 * cos(angle), -0.3 + 0.36 * sin(angle), 0.31, 0.31, -90 + 72 * i - 79,
            -90 + 72 * i + 79);
    }
    ellipse(s, 0xffd24a, 0, -0.3, 0.23, 0.23);
}

static void mushroom(shape *s)
{
    outline *o = begin(s, 0xf7e6ca);

    to(o, -0.25, 0);
    curve(o, -0.2, 0.4, -0.3, 0.6, -0.38, 0.9);
    to(o, 0.38, 0.9);
    curve(o, 0.3, 0.6, 0.2, 0.4, 0.25, 0);
    o = begin(s, 0xdf4f3f);
    arc(o, 0, 0.1, 0.95, 0.98, 180, 360);
    curve(o, 0.6, 0.28, -0.6, 0.28, -0.95, 0.1);
    o->count--;
    o->glossy = true;
    ellipse(s, 0xffffff, -0.38, -0.3, 0.17, 0.16);
    ellipse(s, 0xffffff, 0.2, -0.52, 0.15, 0.14);
    ellipse(s, 0xffffff, 0.48, -0.13, 0.15, 0.13);
}

const shape_kind shape_kinds[] = {
    { "ball", 180, ball },    { "square", 20, square },     { "triangle", 25, triangle },
    { "star", 40, star },     { "heart", 25, heart },       { "cross", 20, cross },
    { "fish", 25, fish },     { "crescent", 40, crescent }, { "house", 8, house },
    { "boat", 12, boat },     { "tree", 8, tree },          { "fir", 8, fir },
    { "flower", 15, flower }, { "mushroom", 12, mushroom }, { .name = NULL },
};
