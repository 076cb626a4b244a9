/* SPDX-License-Identifier: Apache-2.0
 *
 * Profiles.  A data set usually carries one and the same profile in every file, so the answer for
 * the last one is remembered by its hash: setting up a transform takes longer than decoding a small
 * picture. */
#include "image/colour.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <vips/vips.h>

enum { GRID = 9, GRID_COLOURS = GRID * GRID * GRID, SAME_WITHIN = 2 };

limn_icc_space limn_icc_space_of(const void *icc, size_t count)
{
    const unsigned char *b = icc;

    if (count < 132 || memcmp(b + 36, "acsp", 4)) return LIMN_ICC_NONE;
    if (!memcmp(b + 16, "RGB ", 4)) return LIMN_ICC_RGB;
    if (!memcmp(b + 16, "GRAY", 4)) return LIMN_ICC_GREY;
    if (!memcmp(b + 16, "CMYK", 4)) return LIMN_ICC_CMYK;
    return LIMN_ICC_ELSE;
}

/* The largest difference over the grid, or -1 when the profile cannot be used. */
static int difference(const void *icc, size_t count)
{
    VipsImage *grid = NULL, *tagged = NULL, *srgb = NULL;
    uint8_t colours[GRID_COLOURS * 3], *got = NULL;
    size_t bytes = 0;
    int worst = -1;

    for (int i = 0; i < GRID_COLOURS; i++)
        for (int c = 0, at = i; c < 3; c++, at /= GRID)
            colours[i * 3 + c] = (uint8_t)(at % GRID * 255 / (GRID - 1));
    if (!(grid = vips_image_new_from_memory(colours, sizeof colours, GRID_COLOURS, 1, 3,
                                            VIPS_FORMAT_UCHAR)) ||
        vips_copy(grid, &tagged, "interpretation", VIPS_INTERPRETATION_sRGB, NULL))
        goto done;
    vips_image_set_blob_copy(tagged, VIPS_META_ICC_NAME, icc, count);
    if (vips_icc_transform(tagged, &srgb, "srgb", "embedded", TRUE, "intent", VIPS_INTENT_RELATIVE,
                           "depth", 8, NULL) ||
        srgb->Bands != 3 || srgb->BandFmt != VIPS_FORMAT_UCHAR ||
        !(got = vips_image_write_to_memory(srgb, &bytes)) || bytes != sizeof colours)
        goto done;
    worst = 0;
    for (size_t i = 0; i < sizeof colours; i++) {
        int d = abs((int)got[i] - (int)colours[i]);

        if (d > worst) worst = d;
    }
done:
    g_free(got);
    g_clear_object(&srgb);
    g_clear_object(&tagged);
    g_clear_object(&grid);
    return worst;
}

bool limn_icc_is_srgb(const void *icc, size_t count, bool *usable)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static uint64_t last_hash;
    static size_t last_count; /* 0: nothing remembered */
    static int last_worst;
    const unsigned char *b = icc;
    uint64_t hash = 14695981039346656037ull; /* FNV-1a */
    bool known;
    int worst;

    for (size_t i = 0; i < count; i++) hash = (hash ^ b[i]) * 1099511628211ull;
    pthread_mutex_lock(&lock);
    known = last_count == count && last_hash == hash;
    worst = last_worst;
    pthread_mutex_unlock(&lock);
    if (!known) {
        worst = difference(icc, count);
        pthread_mutex_lock(&lock);
        last_hash = hash, last_count = count, last_worst = worst;
        pthread_mutex_unlock(&lock);
    }
    *usable = worst >= 0;
    return worst >= 0 && worst <= SAME_WITHIN;
}
