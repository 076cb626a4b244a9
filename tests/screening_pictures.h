/* SPDX-License-Identifier: Apache-2.0
 *
 * The pictures of tests/screening (224 x 224 RGB) for tests of whoever publishes: planes of a
 * harmless one, and of the harmless one that both classifiers mistake. */
#ifndef LIMN_TESTS_SCREENING_PICTURES_H
#define LIMN_TESTS_SCREENING_PICTURES_H

#include "base/memory.h"
#include "scratch.h"

enum { SEEN_SIDE = 224, SEEN_PIXELS = SEEN_SIDE * SEEN_SIDE, SEEN_BYTES = SEEN_PIXELS * 3 };

static const char *screening_folder; /* tests/screening, with a slash behind */

/* Interleaved bytes: an .npy file ends with them.  Free them. */
static inline unsigned char *seen_bytes(const char *name)
{
    char path[600];
    size_t count;
    char *file;
    unsigned char *bytes = malloc(SEEN_BYTES);

    snprintf(path, sizeof path, "%s%s_224_rgb_u8.npy", screening_folder, name);
    file = scratch_read(path, &count);
    if (!file || !bytes || count < SEEN_BYTES) {
        perror(path);
        abort();
    }
    memcpy(bytes, file + count - SEEN_BYTES, SEEN_BYTES);
    free(file);
    return bytes;
}

/* (3, 224, 224) in [-1, 1].  Free them. */
static inline float *seen_planes(const char *name)
{
    unsigned char *bytes = seen_bytes(name);
    float *planes = malloc(SEEN_BYTES * sizeof *planes);

    if (!planes) abort();
    for (size_t i = 0; i < SEEN_BYTES; i++)
        planes[i % 3 * SEEN_PIXELS + i / 3] = (float)bytes[i] / 127.5f - 1;
    free(bytes);
    return planes;
}

#endif
