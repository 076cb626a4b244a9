/* SPDX-License-Identifier: Apache-2.0
 *
 * Data folders for the tests of training: recorded pictures as PNG files, and small made-up pairs.
 */
#ifndef LIMN_TESTS_TRAIN_DATA_H
#define LIMN_TESTS_TRAIN_DATA_H

#include "base/file.h"
#include "base/random.h"
#include "image/encode.h"
#include "scratch.h"
#include "tensor/safetensors.h"

/* Planes (3, height, width) of bytes, one or two side by side, to a PNG file. */
static inline void write_png(const char *path, const uint8_t *left, const uint8_t *right,
                             int height, int width)
{
    limn_encoding encoding = { .format = LIMN_FORMAT_PNG };
    limn_error error = { 0 };
    limn_picture picture;
    limn_bytes bytes;
    int all = right ? 2 * width : width;
    size_t plane = (size_t)height * (size_t)width;

    if (limn_picture_make(&picture, all, height, 3, LIMN_U8, false, &error)) abort();
    for (int y = 0; y < height; y++)
        for (int x = 0; x < all; x++)
            for (int c = 0; c < 3; c++)
                ((uint8_t *)picture.pixels)[(y * all + x) * 3 + c] =
                    (x < width ? left : right)[(size_t)c * plane + (size_t)(y * width + x % width)];
    if (limn_picture_encode(&bytes, &picture, &encoding, &error)) abort();
    scratch_write(path, bytes.bytes, bytes.count);
    limn_block_free(bytes.bytes);
    limn_picture_close(&picture);
}

/* The recorded pictures of a training, as root/train/00.png (A|B) or root/trainA, root/trainB. */
static inline void unpack_recorded(const char *recorded, const char *root, bool pairs)
{
    limn_error error = { 0 };
    limn_safetensors *file;
    const limn_saved_tensor *a, *b;
    char path[600];

    if (limn_safetensors_open(&file, recorded, &error)) {
        fprintf(stderr, "%s\n", error.text);
        abort();
    }
    a = limn_safetensors_find(file, "real_A");
    b = limn_safetensors_find(file, "real_B");
    for (int side = 0; side < 2; side++) {
        snprintf(path, sizeof path, pairs ? "%s/train" : "%s/train%c", root, 'A' + side);
        if (limn_folder_make(path, &error)) abort();
    }
    for (int64_t i = 0; i < a->size[0]; i++) {
        int h = (int)a->size[2], w = (int)a->size[3];
        const uint8_t *of_a = (const uint8_t *)a->data + i * 3 * h * w;
        const uint8_t *of_b = (const uint8_t *)b->data + i * 3 * h * w;

        if (pairs) {
            snprintf(path, sizeof path, "%s/train/%02d.png", root, (int)i);
            write_png(path, of_a, of_b, h, w);
            continue;
        }
        for (int side = 0; side < 2; side++) {
            snprintf(path, sizeof path, "%s/train%c/%02d.png", root, 'A' + side, (int)i);
            write_png(path, side ? of_b : of_a, NULL, h, w);
        }
    }
    limn_safetensors_close(&file);
}

/* Pairs that can be learned: a coloured rectangle, and the same with other colours.  swapped: the
 * other way round, which nobody who learned the one knows. */
static inline void make_pairs(const char *root, const char *phase, int count, int size,
                              bool swapped)
{
    limn_error error = { 0 };
    size_t plane = (size_t)size * (size_t)size;
    uint8_t *a = malloc(3 * plane), *b = malloc(3 * plane);
    char path[600];

    snprintf(path, sizeof path, "%s/%s", root, phase);
    if (!a || !b || limn_folder_make(path, &error)) abort();
    for (int i = 0; i < count; i++) {
        limn_random random = { .seed = 5, .stream = (uint32_t)phase[0], .step = (uint64_t)i };
        int x0 = (int)limn_random_below(&random, 0, (uint32_t)size / 2),
            y0 = (int)limn_random_below(&random, 1, (uint32_t)size / 2);

        for (int k = 0; k < (int)plane; k++) {
            int x = k % size, y = k / size;
            bool inside = x >= x0 && x < x0 + size / 2 && y >= y0 && y < y0 + size / 3;

            for (int c = 0; c < 3; c++) {
                a[(size_t)c * plane + (size_t)k] = (uint8_t)(inside ? 60 * c + x : 230 - y);
                b[(size_t)c * plane + (size_t)k] = (uint8_t)(inside ? 220 - 60 * c
                                                                    : 30 + 20 * c + y);
            }
        }
        snprintf(path, sizeof path, "%s/%s/%03d.png", root, phase, i);
        write_png(path, swapped ? b : a, swapped ? a : b, size, size);
    }
    free(a);
    free(b);
}

#endif
