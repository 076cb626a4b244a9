/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of translating and of scoring folders share: two models whose answers are known
 * (tiny_model.h), and pictures for them. */
#ifndef LIMN_TESTS_TRANSLATE_CASES_H
#define LIMN_TESTS_TRANSLATE_CASES_H

#include "screening_pictures.h"
#include "tiny_model.h"

#include "each_folder.h" /* its names are those of parameters above */

static char same[600], inverse[600];
static limn_translator *t; /* of `same`, open through all tests */

static inline limn_translate_settings exactly(void)
{
    limn_translate_settings s = limn_translate_defaults();

    s.compute = LIMN_COMPUTE_FP32;
    return s;
}

static inline int start_all(void **state)
{
    static scratch models;
    limn_translate_settings settings = exactly();

    (void)state;
    scratch_open(&models);
    *state = &models;
    snprintf(same, sizeof same, "%s/same.safetensors", models.folder);
    snprintf(inverse, sizeof inverse, "%s/inverse.safetensors", models.folder);
    if (tiny_model(same, 3, TINY_SAME, &error) || tiny_model(inverse, 3, TINY_INVERSE, &error) ||
        limn_translator_open(&t, same, &settings, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return -1;
    }
    return 0;
}

static inline int stop_all(void **state)
{
    limn_translator_close(&t);
    scratch_close(*state);
    return limn_memory_live_blocks() ? -1 : 0;
}

/* A smooth scene of any kind: value of channel c at (x, y), 0..1. */
static inline double scene(int x, int y, int c)
{
    return 0.5 + 0.45 * sin(0.07 * x + 0.9 * c) * cos(0.05 * y - 0.4 * c);
}

static inline limn_pixels make_pixels(int width, int height, int channels, int bits)
{
    limn_pixels p = { width, height, channels, bits, NULL };
    size_t count = (size_t)width * (size_t)height * (size_t)channels, i = 0;

    if (!(p.data = malloc(count * (size_t)(bits / 8)))) abort();
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < channels; c++, i++) {
                double v = scene(x, y, c);

                if (bits == 8)
                    ((uint8_t *)p.data)[i] = (uint8_t)(v * 255 + 0.5);
                else
                    ((uint16_t *)p.data)[i] = (uint16_t)(v * 65535 + 0.5);
            }
    return p;
}

/* folder/name as PPM. */
static inline void write_ppm(const char *name, const limn_pixels *p)
{
    size_t count = (size_t)p->width * (size_t)p->height * 3;
    char *bytes = malloc(count + 64);
    int head;

    if (!bytes) abort();
    head = sprintf(bytes, "P6 %d %d 255\n", p->width, p->height);
    memcpy(bytes + head, p->data, count);
    scratch_write(scratch_path(&folder, name), bytes, count + (size_t)head);
    free(bytes);
}

static inline void make_folder(const char *name)
{
    if (mkdir(scratch_path(&folder, name), 0777)) abort();
}

#endif
