/* SPDX-License-Identifier: Apache-2.0
 *
 * Edge agreement: are the lines where they should be?
 *
 * L1 and SSIM hardly notice when a generator smears the outline of a region, which is the first
 * thing a person sees.  Edges are found as in Canny's first two steps (Sobel gradient, only ridges
 * of it along its direction are kept) without his hysteresis, whose two thresholds made the number
 * jump from epoch to epoch; then precision and recall with one pixel of tolerance.  Matching is by
 * neighbourhood and not one to one as in Martin et al.: a doubled line is not punished, and the
 * number costs a pass instead of an assignment problem. */
#include "base/threads.h"
#include "score/parts.h"

#include <math.h>
#include <string.h>

static const float STRONG = 0.1f; /* of the gradient of a step from black to white */
static const float TAN_22_5 = 0.41421356f;

typedef struct job {
    const float *planes;
    size_t channels, height, width;
    float range;
    float *grey, *strength; /* (height, width) */
    uint8_t *direction;     /* 0 right, 1 down right, 2 down, 3 down left */
    uint8_t *edge;          /* 1 on an edge */
} job;

static void grey_rows(void *context, size_t begin, size_t end, int part)
{
    const job *j = context;
    size_t plane = j->height * j->width;
    const float *p = j->planes;

    (void)part;
    for (size_t i = begin * j->width; i < end * j->width; i++) {
        float v = 0;

        if (j->channels == 3) {
            v = 0.299f * p[i] + 0.587f * p[plane + i] + 0.114f * p[2 * plane + i];
        } else {
            for (size_t c = 0; c < j->channels; c++) v += p[c * plane + i];
            v /= (float)j->channels;
        }
        j->grey[i] = v;
    }
}

/* Beyond the border the nearest pixel goes on. */
static void gradient_rows(void *context, size_t begin, size_t end, int part)
{
    const job *j = context;
    size_t w = j->width, h = j->height;

    (void)part;
    for (size_t y = begin; y < end; y++) {
        const float *up = j->grey + (y ? y - 1 : 0) * w, *on = j->grey + y * w;
        const float *down = j->grey + (y + 1 < h ? y + 1 : y) * w;

        for (size_t x = 0; x < w; x++) {
            size_t l = x ? x - 1 : 0, r = x + 1 < w ? x + 1 : x, i = y * w + x;
            float gx = up[r] - up[l] + 2 * (on[r] - on[l]) + down[r] - down[l];
            float gy = down[l] - up[l] + 2 * (down[x] - up[x]) + down[r] - up[r];
            float ax = fabsf(gx), ay = fabsf(gy);

            j->strength[i] = sqrtf(gx * gx + gy * gy) / (4 * j->range);
            j->direction[i] = (uint8_t)(ay <= TAN_22_5 * ax    ? 0
                                        : ax <= TAN_22_5 * ay  ? 2
                                        : (gx > 0) == (gy > 0) ? 1
                                                               : 3);
        }
    }
}

static void ridge_rows(void *context, size_t begin, size_t end, int part)
{
    static const int step_x[] = { 1, 1, 0, -1 }, step_y[] = { 0, 1, 1, 1 };
    const job *j = context;
    int w = (int)j->width, h = (int)j->height;

    (void)part;
    for (int y = (int)begin; y < (int)end; y++)
        for (int x = 0; x < w; x++) {
            size_t i = (size_t)y * j->width + (size_t)x;
            int dx = step_x[j->direction[i]], dy = step_y[j->direction[i]];
            bool keep = j->strength[i] >= STRONG;

            for (int side = -1; side <= 1 && keep; side += 2) {
                int xx = x + side * dx, yy = y + side * dy;

                if (xx >= 0 && yy >= 0 && xx < w && yy < h)
                    keep = j->strength[i] >= j->strength[(size_t)yy * j->width + (size_t)xx];
            }
            j->edge[i] = keep;
        }
}

static void find_edges(job *j)
{
    limn_parallel(j->height, 16, grey_rows, j);
    limn_parallel(j->height, 16, gradient_rows, j);
    limn_parallel(j->height, 16, ridge_rows, j);
}

/* How many of a's edge pixels have one of b's within a pixel in each direction; *count: of how
 * many. */
static size_t matched(const uint8_t *a, const uint8_t *b, int height, int width, size_t *count)
{
    size_t found = 0, w = (size_t)width;

    *count = 0;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            bool near = false;

            if (!a[(size_t)y * w + (size_t)x]) continue;
            ++*count;
            for (int yy = y ? y - 1 : 0; yy <= y + 1 && yy < height && !near; yy++)
                for (int xx = x ? x - 1 : 0; xx <= x + 1 && xx < width; xx++)
                    near |= b[(size_t)yy * w + (size_t)xx];
            found += near;
        }
    return found;
}

/* Two float planes, and three of bytes. */
size_t limn_edges_room(int height, int width)
{
    size_t plane = (size_t)height * (size_t)width;

    return 2 * plane + (3 * plane + sizeof(float) - 1) / sizeof(float);
}

double limn_edges(const float *x, const float *y, int channels, int height, int width, float range,
                  float *room)
{
    size_t plane = (size_t)height * (size_t)width, in_x, in_y, hit_x, hit_y;
    uint8_t *bytes = (uint8_t *)(room + 2 * plane);
    job j = { .planes = x,
              .channels = (size_t)channels,
              .height = (size_t)height,
              .width = (size_t)width,
              .range = range,
              .grey = room,
              .strength = room + plane,
              .direction = bytes,
              .edge = bytes + plane };
    double precision, recall;

    find_edges(&j);
    j.planes = y;
    j.edge = bytes + 2 * plane;
    find_edges(&j);
    hit_x = matched(bytes + plane, bytes + 2 * plane, height, width, &in_x);
    hit_y = matched(bytes + 2 * plane, bytes + plane, height, width, &in_y);
    if (!in_x && !in_y) return 1;
    if (!hit_x || !hit_y) return 0;
    precision = (double)hit_x / (double)in_x;
    recall = (double)hit_y / (double)in_y;
    return 2 * precision * recall / (precision + recall);
}
