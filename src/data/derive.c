/* SPDX-License-Identifier: Apache-2.0
 *
 * Edges, grey, blurred and coarse versions of a picture.
 *
 * Edges are Canny's (1986, "A computational approach to edge detection"): Gaussian, Sobel, keep the
 * ridges of the gradient, and follow from strong ones through weak ones.  Black on white, like a
 * drawing.  Direction is rounded to eight neighbours instead of being interpolated: a line may move
 * by half a pixel, which nobody sees in a drawing.  libvips' own Canny was left aside: it stops
 * before the thresholds, works on integers, and this has to run on planes in a worker.
 *
 * Outside the picture the nearest pixel goes on, so a frame does not become an edge. */
#include "data/derive.h"
#include "image/resample.h"

#include <math.h>
#include <string.h>

#define AT(field) offsetof(limn_derivation, field)
const limn_setting limn_derivation_rows[] = {
    { "derive", LIMN_SETTING_CHOICE, AT(kind), 0, 0, LIMN_DERIVE_CHOICES, NULL,
      "make the input from the target, from a folder of plain pictures" },
    { "edge-sigma", LIMN_SETTING_FLOAT, AT(edge_sigma), 0.1, 20, NULL, NULL,
      "derive edges: smoothing before" },
    { "edge-low", LIMN_SETTING_FLOAT, AT(edge_low), 0, 1, NULL, NULL,
      "derive edges: goes on above" },
    { "edge-high", LIMN_SETTING_FLOAT, AT(edge_high), 0, 1, NULL, NULL,
      "derive edges: begins above" },
    { "blur-sigma", LIMN_SETTING_FLOAT, AT(blur_sigma), 0.1, 100, NULL, NULL,
      "derive blur: sigma" },
    { "downscale", LIMN_SETTING_INT, AT(downscale), 2, 64, NULL, NULL, "derive downscale: factor" },
    { .name = NULL },
};

static const float TAN_22_5 = 0.41421356f;

typedef struct field {
    int height, width;
    size_t count;
} field;

/* ---- Parts ----------------------------------------------------------------------------------- */

static void luma(const float *b, int channels, size_t count, float *grey)
{
    for (size_t i = 0; i < count; i++) {
        float v = 0;

        if (channels == 3) {
            grey[i] = 0.299f * b[i] + 0.587f * b[count + i] + 0.114f * b[2 * count + i];
            continue;
        }
        for (int c = 0; c < channels; c++) v += b[(size_t)c * count + i];
        grey[i] = v / (float)channels;
    }
}

static int within(int at, int count)
{
    return at < 0 ? 0 : at < count ? at : count - 1;
}

enum { REACH_MAX = 96 };

/* out may be in; spare: count floats. */
static void gaussian(const float *in, field f, double sigma, float *spare, float *out)
{
    int reach = (int)ceil(3 * sigma);
    float weight[REACH_MAX + 1];
    double sum = 0;

    if (reach > REACH_MAX) reach = REACH_MAX;
    for (int k = 0; k <= reach; k++) sum += (k ? 2 : 1) * exp(-k * k / (2 * sigma * sigma));
    for (int k = 0; k <= reach; k++) weight[k] = (float)(exp(-k * k / (2 * sigma * sigma)) / sum);
    for (int y = 0; y < f.height; y++) {
        const float *row = in + (size_t)y * (size_t)f.width;

        for (int x = 0; x < f.width; x++) {
            float v = weight[0] * row[x];

            for (int k = 1; k <= reach; k++)
                v += weight[k] * (row[within(x - k, f.width)] + row[within(x + k, f.width)]);
            spare[(size_t)y * (size_t)f.width + (size_t)x] = v;
        }
    }
    for (int y = 0; y < f.height; y++) {
        float *to = out + (size_t)y * (size_t)f.width;

        for (int k = 0; k <= reach; k++) {
            const float *up = spare + (size_t)within(y - k, f.height) * (size_t)f.width;
            const float *down = spare + (size_t)within(y + k, f.height) * (size_t)f.width;

            for (int x = 0; x < f.width; x++)
                to[x] = k ? to[x] + weight[k] * (up[x] + down[x]) : weight[0] * up[x];
        }
    }
}

/* Length of the gradient, and its direction: 0 right, 1 down right, 2 down, 3 down left. */
static void sobel(const float *grey, field f, float *strength, uint8_t *direction)
{
    for (int y = 0; y < f.height; y++) {
        const float *up = grey + (size_t)within(y - 1, f.height) * (size_t)f.width;
        const float *on = grey + (size_t)y * (size_t)f.width;
        const float *down = grey + (size_t)within(y + 1, f.height) * (size_t)f.width;

        for (int x = 0; x < f.width; x++) {
            int l = within(x - 1, f.width), r = within(x + 1, f.width);
            size_t i = (size_t)y * (size_t)f.width + (size_t)x;
            float gx = up[r] - up[l] + 2 * (on[r] - on[l]) + down[r] - down[l];
            float gy = down[l] - up[l] + 2 * (down[x] - up[x]) + down[r] - up[r];
            float ax = fabsf(gx), ay = fabsf(gy);

            strength[i] = sqrtf(gx * gx + gy * gy) / 8; /* [-1, 1] is 2 wide, the kernel 4 */
            direction[i] = (uint8_t)(ay <= TAN_22_5 * ax    ? 0
                                     : ax <= TAN_22_5 * ay  ? 2
                                     : (gx > 0) == (gy > 0) ? 1
                                                            : 3);
        }
    }
}

/* 1 where the strength is at least low and no neighbour along the gradient is stronger (the first
 * of two equal ones counts, so that a plateau of two gives one line). */
static void ridges(const float *strength, uint8_t *mark, field f, float low)
{
    static const int step_x[] = { 1, 1, 0, -1 }, step_y[] = { 0, 1, 1, 1 };

    for (int y = 0; y < f.height; y++)
        for (int x = 0; x < f.width; x++) {
            size_t i = (size_t)y * (size_t)f.width + (size_t)x;
            int dx = step_x[mark[i]], dy = step_y[mark[i]];
            float s = strength[i], before = 0, after = 0;

            if (x - dx >= 0 && x - dx < f.width && y - dy >= 0)
                before = strength[(size_t)(y - dy) * (size_t)f.width + (size_t)(x - dx)];
            if (x + dx >= 0 && x + dx < f.width && y + dy < f.height)
                after = strength[(size_t)(y + dy) * (size_t)f.width + (size_t)(x + dx)];
            mark[i] = s >= low && s > before && s >= after;
        }
}

/* From each ridge of at least high through its neighbours; 2 is an edge.  stack: count places. */
static void follow(const float *strength, uint8_t *mark, field f, float high, uint32_t *stack)
{
    for (size_t start = 0; start < f.count; start++) {
        size_t depth = 0;

        if (mark[start] != 1 || strength[start] < high) continue;
        mark[start] = 2;
        stack[depth++] = (uint32_t)start;
        while (depth) {
            uint32_t i = stack[--depth];
            int x = (int)(i % (uint32_t)f.width), y = (int)(i / (uint32_t)f.width);

            for (int dy = -1; dy <= 1; dy++)
                for (int dx = -1; dx <= 1; dx++) {
                    int nx = x + dx, ny = y + dy;
                    size_t n = (size_t)ny * (size_t)f.width + (size_t)nx;

                    if (nx < 0 || nx >= f.width || ny < 0 || ny >= f.height || mark[n] != 1)
                        continue;
                    mark[n] = 2;
                    stack[depth++] = (uint32_t)n;
                }
        }
    }
}

/* ---- Kinds ----------------------------------------------------------------------------------- */

static limn_status no_room(limn_error *error)
{
    return limn_fail(error, LIMN_NO_MEMORY, "out of memory for a derived input");
}

static limn_status edges(const limn_derivation *d, const float *b, int channels, field f, float *a,
                         limn_error *error)
{
    /* Planes: grey, spare (then strength), marks and stack. */
    char *room = limn_block(f.count * (2 * sizeof(float) + sizeof(uint32_t) + 1));
    float *grey = (float *)(void *)room, *strength;
    uint32_t *stack;
    uint8_t *mark;

    if (!room) return no_room(error);
    strength = grey + f.count;
    stack = (uint32_t *)(void *)(strength + f.count);
    mark = (uint8_t *)(stack + f.count);
    luma(b, channels, f.count, grey);
    gaussian(grey, f, d->edge_sigma, strength, grey);
    sobel(grey, f, strength, mark);
    ridges(strength, mark, f, (float)d->edge_low);
    follow(strength, mark, f, (float)d->edge_high, stack);
    for (size_t i = 0; i < f.count; i++) a[i] = mark[i] == 2 ? -1 : 1;
    limn_block_free(room);
    return LIMN_OK;
}

static limn_status blur(const limn_derivation *d, field f, float *a, int channels,
                        limn_error *error)
{
    float *spare = limn_block(f.count * sizeof *spare);

    if (!spare) return no_room(error);
    for (size_t c = 0; c < (size_t)channels; c++)
        gaussian(a + c * f.count, f, d->blur_sigma, spare, a + c * f.count);
    limn_block_free(spare);
    return LIMN_OK;
}

static limn_status coarse(const limn_derivation *d, field f, float *a, int channels,
                          limn_error *error)
{
    int width = f.width / d->downscale, height = f.height / d->downscale;
    limn_status status;
    float *small;

    if (width < 1) width = 1;
    if (height < 1) height = 1;
    small = limn_block((size_t)channels * (size_t)width * (size_t)height * sizeof *small);
    if (!small) return no_room(error);
    status = limn_resample_planes(a, channels, f.height, f.width,
                                  &(limn_resampling){ .width = width, .height = height }, small,
                                  error);
    if (!status)
        status = limn_resample_planes(small, channels, height, width,
                                      &(limn_resampling){ .width = f.width, .height = f.height }, a,
                                      error);
    limn_block_free(small);
    for (size_t i = 0; !status && i < (size_t)channels * f.count; i++)
        a[i] = a[i] < -1 ? -1 : a[i] > 1 ? 1 : a[i]; /* the cubic overshoots */
    return status;
}

static limn_status check(const limn_derivation *d, int b_channels, int height, int width,
                         int a_channels, limn_error *error)
{
    bool keeps = d->kind == LIMN_DERIVE_BLUR || d->kind == LIMN_DERIVE_DOWNSCALE;

    if (d->kind < LIMN_DERIVE_EDGES || d->kind > LIMN_DERIVE_DOWNSCALE)
        return limn_fail(error, LIMN_SETTING, "--derive must be one of %s", LIMN_DERIVE_CHOICES);
    if (b_channels < 1 || a_channels < 1 || height < 1 || width < 1 ||
        (size_t)height * (size_t)width > UINT32_MAX)
        return limn_fail(error, LIMN_SHAPE, "no input can be derived from %d x %d with %d channels",
                         width, height, b_channels);
    if (keeps && a_channels != b_channels && a_channels != 1)
        return limn_fail(error, LIMN_SETTING,
                         "--derive %s keeps the target's %d channels, so the input cannot have %d; "
                         "set --input-nc %d",
                         d->kind == LIMN_DERIVE_BLUR ? "blur" : "downscale", b_channels, a_channels,
                         b_channels);
    if (d->kind == LIMN_DERIVE_EDGES &&
        !(d->edge_sigma > 0 && d->edge_low > 0 && d->edge_high >= d->edge_low))
        return limn_fail(error, LIMN_SETTING,
                         "edges need a sigma and a low threshold above 0 and a high threshold not "
                         "below the low one, not %g, %g and %g",
                         d->edge_sigma, d->edge_low, d->edge_high);
    if (d->kind == LIMN_DERIVE_BLUR && !(d->blur_sigma > 0 && d->blur_sigma <= REACH_MAX / 3))
        return limn_fail(error, LIMN_SETTING,
                         "the blur's sigma is %g; it must be above 0, up to %d", d->blur_sigma,
                         REACH_MAX / 3);
    if (d->kind == LIMN_DERIVE_DOWNSCALE && d->downscale < 2)
        return limn_fail(error, LIMN_SETTING, "downscale is %d; it must be 2 or more",
                         d->downscale);
    return LIMN_OK;
}

limn_status limn_derive(const limn_derivation *derivation, const float *b, int b_channels,
                        int height, int width, float *a, int a_channels, limn_error *error)
{
    field f = { height, width, (size_t)height * (size_t)width };
    bool keeps = derivation->kind == LIMN_DERIVE_BLUR || derivation->kind == LIMN_DERIVE_DOWNSCALE;

    LIMN_TRY(check(derivation, b_channels, height, width, a_channels, error));
    if (keeps && a_channels == b_channels)
        memcpy(a, b, (size_t)b_channels * f.count * sizeof *a);
    else
        luma(b, b_channels, f.count, a);
    if (derivation->kind == LIMN_DERIVE_EDGES)
        LIMN_TRY(edges(derivation, b, b_channels, f, a, error));
    if (derivation->kind == LIMN_DERIVE_BLUR) return blur(derivation, f, a, a_channels, error);
    if (derivation->kind == LIMN_DERIVE_DOWNSCALE)
        return coarse(derivation, f, a, a_channels, error);
    for (size_t c = 1; c < (size_t)a_channels; c++) memcpy(a + c * f.count, a, f.count * sizeof *a);
    return LIMN_OK;
}
