/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking at one picture.
 *
 * Equal is: equal pixels, size and type after decoding; two files of the same picture then count as
 * one whatever their compression or metadata.  Two 64-bit sums stand for the pixels; with a million
 * pictures the chance of a false match is below 1e-26.
 *
 * Nearly equal is decided in two steps.  The signs of brightness steps between 9 x 8 cells (Zauner
 * 2010 and others call it a difference hash) sort out quickly; they alone take line drawings, which
 * are mostly white, for each other.  So small versions of the pictures are compared too, against
 * their own contrast. */
#include "data/check_inside.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CELLS_X = 9, CELLS_Y = 8 };

static uint64_t stir(uint64_t sum, uint64_t word, uint64_t factor)
{
    sum = (sum ^ word) * factor;
    return sum ^ sum >> 29;
}

static void sum_bytes(uint64_t sums[2], const void *bytes, size_t count)
{
    const unsigned char *p = bytes;

    for (size_t i = 0; i < count; i += 8) {
        uint64_t word = 0;

        memcpy(&word, p + i, count - i < 8 ? count - i : 8);
        sums[0] = stir(sums[0], word, 0x9e3779b97f4a7c15u);
        sums[1] = stir(sums[1], word ^ i, 0xd6e8feb86659fd93u);
    }
}

static limn_status small_versions(limn_facts *f, const limn_picture *picture, limn_error *error)
{
    enum { COUNT = 3 * LIMN_THUMB * LIMN_THUMB };
    float thumb[COUNT], cells[CELLS_X * CELLS_Y];
    limn_resampling how = { .width = LIMN_THUMB, .height = LIMN_THUMB };

    LIMN_TRY(limn_resample(picture, &how, 3, thumb, error));
    how.width = CELLS_X;
    how.height = CELLS_Y;
    LIMN_TRY(limn_resample(picture, &how, 1, cells, error));
    for (int i = 0; i < COUNT; i++) {
        float v = thumb[i] > -1 ? thumb[i] < 1 ? thumb[i] : 1 : -1; /* NaN becomes black */

        f->thumb[i] = (uint8_t)lroundf((v + 1) * 127.5f);
    }
    for (int y = 0; y < CELLS_Y; y++)
        for (int x = 0; x + 1 < CELLS_X; x++) {
            const float *row = cells + y * CELLS_X;
            int mirrored = CELLS_X - 1 - x;

            f->look |= (uint64_t)(row[x + 1] > row[x]) << (y * 8 + x);
            f->look_flipped |= (uint64_t)(row[mirrored - 1] > row[mirrored]) << (y * 8 + x);
        }
    return LIMN_OK;
}

limn_status limn_facts_look(limn_facts *f, char broken[480], limn_error *error)
{
    limn_error why = { 0 };
    limn_picture picture;
    limn_status status = limn_picture_read(&picture, f->item->path, NULL, &why);
    const limn_picture_info *info = &picture.info;
    limn_part all = { 0, 0, info->width, info->height }, left = all, right = all;
    size_t bytes = (size_t)info->width * (size_t)info->height * (size_t)info->channels *
                   limn_type_bytes(info->type);

    broken[0] = 0;
    if (status == LIMN_NO_MEMORY) return limn_fail(error, status, "%s", why.text);
    if ((f->status = status)) {
        snprintf(broken, 480, "%s", why.text);
        return LIMN_OK;
    }
    f->width = info->width;
    f->height = info->height;
    f->channels = info->channels;
    f->type = info->type;
    f->alpha = info->alpha;
    f->content[0] = (uint64_t)info->width << 32 | (uint64_t)info->height;
    f->content[1] = (uint64_t)info->channels << 8 | (uint64_t)info->type;
    sum_bytes(f->content, picture.pixels, bytes);
    if (f->item->half != LIMN_WHOLE && info->width >= 2) {
        left.width = info->width / 2;
        right.x = right.width = info->width / 2;
        f->flat_left = limn_picture_is_flat(&picture, &left);
        f->flat_right = limn_picture_is_flat(&picture, &right);
    } else {
        f->flat = limn_picture_is_flat(&picture, &all);
    }
    f->comparable = (f->channels == 1 || f->channels == 3) && !f->flat;
    if (f->comparable) status = small_versions(f, &picture, error);
    limn_picture_close(&picture);
    return status;
}

static bool thumbs_alike(const limn_facts *a, const limn_facts *b, bool flipped)
{
    double difference = 0, sum = 0, squares = 0, count = 3 * LIMN_THUMB * LIMN_THUMB, spread;

    for (int c = 0; c < 3; c++)
        for (int y = 0; y < LIMN_THUMB; y++)
            for (int x = 0; x < LIMN_THUMB; x++) {
                int row = (c * LIMN_THUMB + y) * LIMN_THUMB;
                double v = a->thumb[row + x];

                difference += fabs(v - b->thumb[row + (flipped ? LIMN_THUMB - 1 - x : x)]);
                sum += v;
                squares += v * v;
            }
    spread = sqrt(fmax(0, squares / count - sum / count * (sum / count)));
    return difference / count <= 0.15 * spread;
}

bool limn_facts_alike(const limn_facts *a, const limn_facts *b, int bits)
{
    if (!a->comparable || !b->comparable) return false;
    if (__builtin_popcountll(a->look ^ b->look) <= bits && thumbs_alike(a, b, false)) return true;
    return a->item->half == LIMN_WHOLE && __builtin_popcountll(a->look ^ b->look_flipped) <= bits &&
           thumbs_alike(a, b, true);
}
