/* SPDX-License-Identifier: Apache-2.0
 *
 * The toy for recipes without pairs: draws its two sets of pictures, and measures what a network
 * makes of them.
 *
 *     toy_tool draw FOLDER TRAIN TEST     trainA testA: blue discs, squares and ellipses
 *                                         trainB testB: orange triangles, stars and crosses
 *     toy_tool score INPUTS OUTPUTS blue|orange
 *
 * No picture of A has a partner in B, nor has any of its forms.  What has to be learned is the hue;
 * what has to stay is the outline.  Both can be measured: the share of the output's coloured pixels
 * that have the hue of the other side, and the overlap of the coloured parts of input and output
 * (intersection over union).  "Coloured" is a spread of red, green and blue above a third of the
 * range: the paper is grey.  A picture that was only copied scores 0 and 1, one of the other set
 * 1 and about 0.2. */
#include "base/file.h"
#include "base/random.h"
#include "image/picture.h"
#include "tools/small_png.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 64, MOST = 3 };
static const double blue = 215, orange = 28, within = 30; /* degrees */

/* ---- Drawing --------------------------------------------------------------------------------- */

typedef struct form {
    int kind; /* 0 disc, 1 square, 2 ellipse; 3 triangle, 4 star, 5 cross */
    double x, y, size, turn;
    double colour[3];
} form;

/* About how far (x, y) lies outside the form's outline, in pixels. */
static double outside(const form *f, double x, double y)
{
    double dx = x - f->x, dy = y - f->y, r = f->size;
    double u = dx * cos(f->turn) + dy * sin(f->turn), v = dy * cos(f->turn) - dx * sin(f->turn);
    double angle = atan2(v, u), length = hypot(u, v), step;

    switch (f->kind) {
    case 0:
        return length - 0.9 * r;
    case 1:
        return fmax(fabs(u), fabs(v)) - 0.8 * r;
    case 2:
        return (hypot(u / 1.1, v / 0.6) - r) * 0.6;
    case 3: /* a regular polygon's side is r cos(pi / n) away */
        step = 2 * M_PI / 3;
        return length * cos(fmod(angle + 2 * M_PI, step) - step / 2) - 0.55 * r;
    case 4:
        step = 2 * M_PI / 5;
        return length - r * (0.75 + 0.35 * cos(5 * angle));
    default:
        return fmax(fmin(fabs(u), fabs(v)) - 0.3 * r, fmax(fabs(u), fabs(v)) - r);
    }
}

static void colour_of_hue(double hue, double saturation, double value, double rgb[3])
{
    for (int c = 0; c < 3; c++) {
        double k = fmod((c == 0 ? 5 : c == 1 ? 3 : 1) + hue / 60, 6);

        rgb[c] = value - value * saturation * fmax(0, fmin(1, fmin(k, 4 - k)));
    }
}

static bool draw(const char *path, uint32_t set, uint64_t number)
{
    limn_random random = { .seed = 7, .stream = set, .step = number };
    unsigned char pixels[SIDE * SIDE * 3];
    uint64_t drawn = 0;
    form forms[MOST];
    int count = 1 + (int)limn_random_below(&random, drawn++, MOST), placed = 0;
    double hue, saturation, paper = 0.8 + 0.18 * (double)limn_random_uniform(&random, drawn++);

#define BETWEEN(low, high)                                                                         \
    ((low) + ((high) - (low)) * (double)limn_random_uniform(&random, drawn++))
    for (int tries = 0; placed < count && tries < 200; tries++) {
        form *f = &forms[placed];
        bool fits = true;

        f->kind = (int)limn_random_below(&random, drawn++, 3) + (set & 1 ? 3 : 0);
        f->size = BETWEEN(8, 14);
        f->x = BETWEEN(f->size, SIDE - f->size);
        f->y = BETWEEN(f->size, SIDE - f->size);
        f->turn = BETWEEN(0, 6.28);
        hue = (set & 1 ? orange : blue) + BETWEEN(-10, 10);
        saturation = BETWEEN(0.75, 0.95);
        colour_of_hue(hue, saturation, BETWEEN(0.75, 0.98), f->colour);
        for (int i = 0; i < placed; i++)
            fits &= hypot(forms[i].x - f->x, forms[i].y - f->y) > 1.2 * (forms[i].size + f->size);
        placed += fits;
    }
    for (int at = 0; at < SIDE * SIDE; at++) {
        double rgb[3] = { paper, paper, paper };

        for (int i = 0; i < placed; i++) {
            double d = outside(&forms[i], at % SIDE + 0.5, at / SIDE + 0.5);
            double cover = fmax(0, fmin(1, 0.5 - d));

            for (int c = 0; c < 3; c++) rgb[c] += cover * (forms[i].colour[c] - rgb[c]);
        }
        for (int c = 0; c < 3; c++) pixels[3 * at + c] = (unsigned char)lround(255 * rgb[c]);
    }
    return small_png_write(path, pixels, SIDE, SIDE);
}

static int draw_all(const char *folder, int train, int test)
{
    static const char *const names[] = { "trainA", "trainB", "testA", "testB" };
    limn_error error = { 0 };
    char path[4200];

    for (uint32_t set = 0; set < 4; set++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[set]);
        if (limn_folder_make(path, &error)) {
            fprintf(stderr, "toy_tool: %s\n", error.text);
            return 1;
        }
        for (int i = 0; i < (set < 2 ? train : test); i++) {
            snprintf(path, sizeof path, "%s/%s/%03d.png", folder, names[set], i);
            if (draw(path, set, (uint64_t)i)) continue;
            perror(path);
            return 1;
        }
    }
    return 0;
}

/* ---- Measuring ------------------------------------------------------------------------------- */

static bool read_picture(limn_picture *picture, const char *path)
{
    limn_error error = { 0 };

    if (!limn_picture_read(picture, path, NULL, &error) && picture->info.type == LIMN_U8 &&
        picture->info.channels == 3)
        return true;
    fprintf(stderr, "toy_tool: %s: %s\n", path, error.status ? error.text : "no 8-bit colours");
    return false;
}

static bool coloured(const uint8_t *p)
{
    int high = p[0] > p[1] ? p[0] : p[1], low = p[0] < p[1] ? p[0] : p[1];

    if (p[2] > high) high = p[2];
    if (p[2] < low) low = p[2];
    return high - low > 85;
}

static double hue_of(const uint8_t *p)
{
    double hue = atan2(sqrt(3) * (p[1] - p[2]), 2.0 * p[0] - p[1] - p[2]) * 180 / M_PI;

    return hue < 0 ? hue + 360 : hue;
}

typedef struct counts {
    double right, coloured, both, either;
    int pictures;
} counts;

static bool measure(counts *to, const char *input, const char *output, double hue)
{
    limn_picture a = { 0 }, b = { 0 };
    bool fine = read_picture(&a, input) && read_picture(&b, output) &&
                a.info.width == b.info.width && a.info.height == b.info.height;

    for (int i = 0; fine && i < a.info.width * a.info.height; i++) {
        const uint8_t *p = (const uint8_t *)a.pixels + 3 * i,
                      *q = (const uint8_t *)b.pixels + 3 * i;
        bool was = coloured(p), is = coloured(q);
        double apart = fabs(hue_of(q) - hue);

        to->coloured += is;
        to->right += is && fmin(apart, 360 - apart) <= within;
        to->both += was && is;
        to->either += was || is;
    }
    to->pictures++;
    limn_picture_close(&a);
    limn_picture_close(&b);
    return fine;
}

static int score(const char *inputs, const char *outputs, double hue)
{
    DIR *folder = opendir(inputs);
    counts all = { 0 };
    bool fine = folder != NULL;

    for (struct dirent *entry; fine && (entry = readdir(folder));) {
        char input[4200], output[4200];

        if (entry->d_name[0] == '.') continue;
        snprintf(input, sizeof input, "%s/%s", inputs, entry->d_name);
        snprintf(output, sizeof output, "%s/%s", outputs, entry->d_name);
        fine = measure(&all, input, output, hue);
    }
    if (folder) closedir(folder);
    if (!fine || !all.pictures) {
        fprintf(stderr, "toy_tool: %s and %s can't be compared\n", inputs, outputs);
        return 1;
    }
    printf("%d pictures: hue %.3f, outline %.3f\n", all.pictures,
           all.coloured > 0 ? all.right / all.coloured : 0,
           all.either > 0 ? all.both / all.either : 0);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 5 && !strcmp(argv[1], "draw"))
        return draw_all(argv[2], atoi(argv[3]), atoi(argv[4]));
    if (argc == 5 && !strcmp(argv[1], "score"))
        return score(argv[2], argv[3], strcmp(argv[4], "blue") ? orange : blue);
    fprintf(stderr, "usage: toy_tool draw FOLDER TRAIN TEST | score INPUTS OUTPUTS blue|orange\n");
    return 2;
}
