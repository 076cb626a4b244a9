/* SPDX-License-Identifier: Apache-2.0
 *
 * Data folders for the tests of the gate: tiny harmless pairs, and the harmless picture that both
 * classifiers mistake (the back of an eye, tests/screening/README.md: score 0.76). */
#ifndef LIMN_TESTS_GATE_DATA_H
#define LIMN_TESTS_GATE_DATA_H

#include "screening_pictures.h"
#include "train_data.h"

#include <stdarg.h>

enum { TINY = 24, DIFFERENT = 20 };

static scratch here; /* of the whole program */

/* Planes (3, 224, 224) of bytes; free them. */
static inline uint8_t *seen_planes_u8(const char *name)
{
    unsigned char *bytes = seen_bytes(name);
    uint8_t *planes = malloc(SEEN_BYTES);

    if (!planes) abort();
    for (size_t i = 0; i < SEEN_BYTES; i++) planes[i % 3 * SEEN_PIXELS + i / 3] = bytes[i];
    free(bytes);
    return planes;
}

static inline const char *path_of(const char *format, ...)
{
    static char path[600];
    va_list list;
    int used = snprintf(path, sizeof path, "%s/", here.folder);

    va_start(list, format);
    vsnprintf(path + used, sizeof path - (size_t)used, format, list);
    va_end(list);
    return path;
}

static inline void make_folder(const char *path)
{
    limn_error error;

    if (limn_folder_make(path, &error)) abort();
}

/* The refused picture as folder/name: right of a harmless one, left of it, or by itself. */
static inline void put_refused(const char *folder, const char *name, char where)
{
    uint8_t *bad = seen_planes_u8("microaneurysms"), *good = seen_planes_u8("coffee");

    write_png(path_of("%s/%s", folder, name), where == 'R' ? good : bad,
              where == 'R'   ? bad
              : where == 'L' ? good
                             : NULL,
              SEEN_SIDE, SEEN_SIDE);
    free(bad);
    free(good);
}

/* A tiny picture of its own, number i. */
static inline void put_tiny(const char *folder, const char *name, int i, bool pair)
{
    enum { PLANE = TINY * TINY };
    uint8_t left[3 * PLANE], right[3 * PLANE];

    for (int k = 0; k < 3 * PLANE; k++) {
        int x = k % TINY, y = k / TINY % TINY;

        left[k] = (uint8_t)((x + y + i) % TINY < 9 ? 200 + i % 50 : 90);
        right[k] = (uint8_t)(left[k] > 150 ? 60 + y : 160 + i / 50 * 9);
    }
    write_png(path_of("%s/%s", folder, name), left, pair ? right : NULL, TINY, TINY);
}

/* data/train with so many harmless pairs, side by side: 000.png ...  Their contents come again
 * after DIFFERENT, because the screen takes most of a second for a picture where oneDNN is missing.
 */
static inline void put_pairs(const char *data, int count)
{
    char folder[200], name[20];

    snprintf(folder, sizeof folder, "%s/train", data);
    make_folder(path_of("%s", folder));
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%03d.png", i);
        put_tiny(folder, name, i % DIFFERENT, true);
    }
}

#endif
