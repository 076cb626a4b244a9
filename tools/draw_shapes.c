/* SPDX-License-Identifier: Apache-2.0
 *
 * draw_shapes: draws a data set of pairs by itself, for `make demo` and for tests.
 *
 *     draw_shapes FOLDER [--size 128] [--train 400] [--val 24] [--test 24] [--seed 1] [--only KIND]
 *
 * makes FOLDER/train, val and test with pictures A|B side by side, and FOLDER/drawings with the A
 * of each test pair alone.  A is a black line drawing of one to four simple things on white; B is
 * the same coloured.  The file's name says what is in it (007_fish_house.png).
 *
 * Why by itself: a first look at what limn does must not wait for a download, nor need a licence.
 * What has to be learned is in the picture: colour follows from the kind of thing (shapes.c), the
 * shading from where a point lies in its outline (light from the upper left, a highlight on round
 * things), the shadow from the outline alone.  Both pictures are painted from the same outlines,
 * with the same coverage, so lines and fills lie exactly on each other.
 *
 * Antialiasing comes from the distance to the outline: a pixel is covered by as much as its centre
 * lies inside, within half a pixel.  Sixteen samples a pixel were tried before; they look the same
 * and take longer.  The same arguments give the same files. */
#include "shapes.h"
#include "small_png.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const unsigned ink = 0x2b2d42, paper = 0xe9f2fb;

enum { THINGS = 4, SPLITS = 3, PATH = 4096, SIZE_LOW = 32, SIZE_HIGH = 2048, COUNT_HIGH = 100000 };

typedef struct order {
    const char *folder, *only;
    int size, counts[SPLITS];
    uint64_t seed;
} order;

/* ---- Chance: a number from (seed, split, picture, how many were drawn) ------------------------
 */

typedef struct chance {
    uint64_t state;
} chance;

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t next(chance *c)
{
    uint64_t z = c->state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static double between(chance *c, double low, double high)
{
    return low + (high - low) * (double)(next(c) >> 11) * 0x1p-53;
}

/* ---- A canvas of both pictures --------------------------------------------------------------- */

typedef struct colour {
    double r, g, b;
} colour;

typedef struct canvas {
    int size;
    double line;     /* width of the lines */
    double *grey;    /* A, 0 to 1 */
    double *shade;   /* how much of a shadow falls there */
    colour *colours; /* B */
} canvas;

static colour colour_of(unsigned rgb)
{
    return (colour){ (rgb >> 16) / 255.0, (rgb >> 8 & 255) / 255.0, (rgb & 255) / 255.0 };
}

static colour mix(colour a, colour b, double t)
{
    return (colour){ a.r + t * (b.r - a.r), a.g + t * (b.g - a.g), a.b + t * (b.b - a.b) };
}

static double clamp(double x)
{
    return x < 0 ? 0 : x > 1 ? 1 : x;
}

static double smooth(double x)
{
    x = clamp(x);
    return x * x * (3 - 2 * x);
}

/* Distance of p from the outline, negative inside; an open one has no inside. */
static double distance(const outline *o, point p)
{
    double nearest = INFINITY;
    bool inside = false;

    for (int i = 0, j = o->count - 1; i < o->count; j = i++) {
        point a = o->points[j], b = o->points[i];
        double dx = b.x - a.x, dy = b.y - a.y, length = dx * dx + dy * dy, t, ex, ey;

        if (o->open && !i) continue;
        t = length > 0 ? clamp(((p.x - a.x) * dx + (p.y - a.y) * dy) / length) : 0;
        ex = p.x - a.x - t * dx;
        ey = p.y - a.y - t * dy;
        nearest = fmin(nearest, ex * ex + ey * ey);
        if ((a.y > p.y) != (b.y > p.y) && p.x < a.x + (p.y - a.y) / dy * dx) inside = !inside;
    }
    return inside && !o->open ? -sqrt(nearest) : sqrt(nearest);
}

typedef struct box {
    double left, top, right, bottom;
} box;

static box box_of(const outline *o)
{
    box b = { INFINITY, INFINITY, -INFINITY, -INFINITY };

    for (int i = 0; i < o->count; i++) {
        b.left = fmin(b.left, o->points[i].x);
        b.top = fmin(b.top, o->points[i].y);
        b.right = fmax(b.right, o->points[i].x);
        b.bottom = fmax(b.bottom, o->points[i].y);
    }
    return b;
}

/* The colour of an outline's inside at p: lighter towards the upper left, darker opposite. */
static colour lit(const outline *o, box b, point p)
{
    double half = fmax(b.right - b.left, b.bottom - b.top) / 2;
    double x = (p.x - (b.left + b.right) / 2) / half, y = (p.y - (b.top + b.bottom) / 2) / half;
    double slope = (0.6 * x + 0.8 * y) / 1.2;
    colour c = colour_of(o->colour), dark = { 0.55 * c.r, 0.5 * c.g, 0.62 * c.b };

    c = slope < 0 ? mix(c, (colour){ 1, 1, 1 }, 0.3 * smooth(-slope))
                  : mix(c, dark, 0.38 * smooth(slope));
    if (o->glossy) {
        double d = hypot(x + 0.36, y + 0.38) / 0.42;

        c = mix(c, (colour){ 1, 1, 1 }, 0.6 * smooth(1 - d));
    }
    return c;
}

/* The pixels within reach of the box, cut to the canvas. */
static void window(const canvas *c, box b, double reach, int from[2], int to[2])
{
    from[0] = (int)fmax(0, floor(b.left - reach));
    from[1] = (int)fmax(0, floor(b.top - reach));
    to[0] = (int)fmin(c->size, ceil(b.right + reach));
    to[1] = (int)fmin(c->size, ceil(b.bottom + reach));
}

static void paint(canvas *c, const outline *o)
{
    box b = box_of(o);
    int from[2], to[2];

    window(c, b, c->line + 1, from, to);
    for (int y = from[1]; y < to[1]; y++)
        for (int x = from[0]; x < to[0]; x++) {
            size_t at = (size_t)y * (size_t)c->size + (size_t)x;
            point p = { x + 0.5, y + 0.5 };
            double d = distance(o, p);
            double inside = o->open ? 0 : clamp(0.5 - d);
            double line = clamp(c->line / 2 + 0.5 - fabs(d));

            c->grey[at] = (c->grey[at] + inside * (1 - c->grey[at])) * (1 - line);
            c->colours[at] = mix(mix(c->colours[at], lit(o, b, p), inside), colour_of(ink), line);
        }
}

/* A soft shadow to the lower right, gathered over all outlines before it falls on the paper. */
static void cast(canvas *c, const outline *o)
{
    double by = c->size / 40.0, soft = c->size / 22.0;
    int from[2], to[2];

    window(c, box_of(o), by + soft + 1, from, to);
    for (int y = from[1]; y < to[1]; y++)
        for (int x = from[0]; x < to[0]; x++) {
            size_t at = (size_t)y * (size_t)c->size + (size_t)x;
            double d = distance(o, (point){ x + 0.5 - 0.7 * by, y + 0.5 - by });

            c->shade[at] = fmax(c->shade[at], smooth(0.5 - d / (2 * soft)));
        }
}

/* ---- What is in a picture -------------------------------------------------------------------- */

typedef struct thing {
    const shape_kind *kind;
    double x, y, radius;
} thing;

static int kind_count(void)
{
    int count = 0;

    while (shape_kinds[count].name) count++;
    return count;
}

static const shape_kind *kind_named(const char *name)
{
    for (const shape_kind *k = shape_kinds; k->name; k++)
        if (!strcmp(k->name, name)) return k;
    return NULL;
}

/* Places one to four things of different kinds apart from each other; gives their number. */
static int place(thing *things, const order *o, chance *c)
{
    static const double radii[THINGS][2] = {
        { 0.24, 0.3 }, { 0.21, 0.25 }, { 0.19, 0.23 }, { 0.17, 0.21 }
    };
    double many = between(c, 0, 1);
    int count = o->only ? 1 : many < 0.1 ? 1 : many < 0.35 ? 2 : many < 0.7 ? 3 : 4, placed = 0;

    /* A draw that leaves no room starts again: with these radii one in a few succeeds. */
    for (int tries = 0; placed < count; tries++) {
        thing *t = &things[placed];
        bool fits = true;

        if (tries % 60 == 59) placed = 0, t = things;
        t->kind = o->only ? kind_named(o->only) : &shape_kinds[next(c) % (uint64_t)kind_count()];
        t->radius = o->size * between(c, radii[count - 1][0], radii[count - 1][1]);
        t->x = between(c, 1.12 * t->radius, o->size - 1.12 * t->radius);
        t->y = between(c, 1.12 * t->radius, o->size - 1.12 * t->radius);
        for (int i = 0; i < placed && fits; i++)
            fits = things[i].kind != t->kind && hypot(things[i].x - t->x, things[i].y - t->y) >
                                                    1.08 * (things[i].radius + t->radius);
        placed += fits;
    }
    return count;
}

static void move(shape *s, const thing *t, chance *c)
{
    double tilt = between(c, -1, 1) * t->kind->tilt * 3.14159265358979323846 / 180;
    double wide = between(c, 0.88, 1.08), high = between(c, 0.88, 1.08);
    double flip = next(c) & 1 ? -1 : 1;

    for (int i = 0; i < s->count; i++)
        for (int k = 0; k < s->outlines[i].count; k++) {
            point *p = &s->outlines[i].points[k];
            double x = flip * wide * p->x * t->radius, y = high * p->y * t->radius;

            p->x = t->x + x * cos(tilt) - y * sin(tilt);
            p->y = t->y + x * sin(tilt) + y * cos(tilt);
        }
}

static void draw(canvas *c, const thing *things, int count, chance *luck)
{
    static shape shapes[THINGS]; /* too large for a stack of strangers */
    size_t pixels = (size_t)c->size * (size_t)c->size;

    for (size_t i = 0; i < pixels; i++) c->grey[i] = 1, c->shade[i] = 0;
    memset(shapes, 0, sizeof shapes);
    for (int i = 0; i < count; i++) {
        things[i].kind->draw(&shapes[i]);
        move(&shapes[i], &things[i], luck);
        for (int k = 0; k < shapes[i].count; k++) cast(c, &shapes[i].outlines[k]);
    }
    for (size_t i = 0; i < pixels; i++)
        c->colours[i] = mix(colour_of(paper), (colour){ 0.36, 0.42, 0.58 }, 0.34 * c->shade[i]);
    for (int i = 0; i < count; i++)
        for (int k = 0; k < shapes[i].count; k++) paint(c, &shapes[i].outlines[k]);
}

/* ---- Files ----------------------------------------------------------------------------------- */

static unsigned char byte_of(double x)
{
    return (unsigned char)(255 * clamp(x) + 0.5);
}

/* A and, where pair, B beside it. */
static bool write_picture(const canvas *c, const char *path, bool pair, unsigned char *room)
{
    int width = pair ? 2 * c->size : c->size;

    for (int y = 0; y < c->size; y++)
        for (int x = 0; x < width; x++) {
            unsigned char *to = room + 3 * ((size_t)y * (size_t)width + (size_t)x);
            size_t at = (size_t)y * (size_t)c->size + (size_t)(x % c->size);

            if (x < c->size) {
                to[0] = to[1] = to[2] = byte_of(c->grey[at]);
            } else {
                to[0] = byte_of(c->colours[at].r);
                to[1] = byte_of(c->colours[at].g);
                to[2] = byte_of(c->colours[at].b);
            }
        }
    return small_png_write(path, room, width, c->size);
}

static bool draw_split(const order *o, int split, canvas *c, unsigned char *room)
{
    static const char *const names[SPLITS] = { "train", "val", "test" };

    for (int i = 0; i < o->counts[split]; i++) {
        chance luck = { o->seed * SPLITS + (uint64_t)split };
        thing things[THINGS];
        char name[200], path[PATH];
        int count, used;

        luck.state = next(&luck) + (uint64_t)i * 0xd1342543de82ef95;
        count = place(things, o, &luck);
        draw(c, things, count, &luck);
        used = snprintf(name, sizeof name, "%03d", i + 1);
        for (int k = 0; k < count; k++)
            used += snprintf(name + used, sizeof name - (size_t)used, "_%s", things[k].kind->name);
        snprintf(path, sizeof path, "%s/%s/%s.png", o->folder, names[split], name);
        if (!write_picture(c, path, true, room)) goto failed;
        if (split != SPLITS - 1) continue;
        snprintf(path, sizeof path, "%s/drawings/%s.png", o->folder, name);
        if (!write_picture(c, path, false, room)) goto failed;
        continue;
    failed:
        fprintf(stderr, "draw_shapes: %s: %s\n", path, strerror(errno));
        return false;
    }
    return true;
}

static bool make_folders(const char *folder)
{
    static const char *const names[] = { "", "/train", "/val", "/test", "/drawings" };
    char path[PATH];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s%s", folder, names[i]);
        if (mkdir(path, 0777) && errno != EEXIST) {
            fprintf(stderr, "draw_shapes: %s: %s\n", path, strerror(errno));
            return false;
        }
    }
    return true;
}

static bool draw_all(const order *o)
{
    size_t pixels = (size_t)o->size * (size_t)o->size;
    canvas c = { .size = o->size, .line = fmax(1.3, o->size / 72.0) };
    unsigned char *room = malloc(6 * pixels);
    bool well = false;

    c.grey = malloc(pixels * sizeof *c.grey);
    c.shade = malloc(pixels * sizeof *c.shade);
    c.colours = malloc(pixels * sizeof *c.colours);
    if (!room || !c.grey || !c.shade || !c.colours)
        fprintf(stderr, "draw_shapes: out of memory for pictures of size %d\n", o->size);
    else if (make_folders(o->folder))
        well = draw_split(o, 0, &c, room) && draw_split(o, 1, &c, room) &&
               draw_split(o, 2, &c, room);
    free(room);
    free(c.grey);
    free(c.shade);
    free(c.colours);
    return well;
}

/* ---- Command line ---------------------------------------------------------------------------- */

static bool read_number(const char *name, const char *text, int low, int high, int *out)
{
    char *end;
    long number = strtol(text, &end, 10);

    if (end == text || *end || number < low || number > high) {
        fprintf(stderr, "draw_shapes: %s is \"%s\"; it must be a whole number, %d to %d\n", name,
                text, low, high);
        return false;
    }
    *out = (int)number;
    return true;
}

static bool read_argument(order *o, const char *name, const char *value)
{
    static const char *const counts[SPLITS] = { "--train", "--val", "--test" };
    int seed;

    for (int i = 0; i < SPLITS; i++)
        if (!strcmp(name, counts[i])) return read_number(name, value, 0, COUNT_HIGH, &o->counts[i]);
    if (!strcmp(name, "--size")) return read_number(name, value, SIZE_LOW, SIZE_HIGH, &o->size);
    if (!strcmp(name, "--seed")) {
        if (!read_number(name, value, 0, INT32_MAX, &seed)) return false;
        o->seed = (uint64_t)seed;
        return true;
    }
    if (strcmp(name, "--only")) {
        fprintf(stderr, "draw_shapes: there is no setting %s\n", name);
        return false;
    }
    if (kind_named(o->only = value)) return true;
    fprintf(stderr, "draw_shapes: there is no kind \"%s\"; there are", value);
    for (const shape_kind *k = shape_kinds; k->name; k++) fprintf(stderr, " %s", k->name);
    fputc('\n', stderr);
    return false;
}

int main(int count, char **words)
{
    order o = { .size = 128, .counts = { 400, 24, 24 }, .seed = 1 };

    if (count < 2 || count % 2 || words[1][0] == '-' || strlen(words[1]) > PATH - 300) {
        fputs("usage: draw_shapes FOLDER [--size 128] [--train 400] [--val 24] [--test 24] "
              "[--seed 1] [--only KIND]\n",
              stderr);
        return 2;
    }
    o.folder = words[1];
    for (int i = 2; i < count; i += 2)
        if (!read_argument(&o, words[i], words[i + 1])) return 2;
    return draw_all(&o) ? 0 : 1;
}
