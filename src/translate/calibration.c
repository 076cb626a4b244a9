/* SPDX-License-Identifier: Apache-2.0
 *
 * The pictures that an int8 model is calibrated on.
 *
 * They are taken as translating takes them, whole; of very large ones the middle, because ranges do
 * not depend on the size and a histogram of 512 x 512 pixels is as good.  Every fourth, by the hash
 * of its name, is held out: it tells how good the model is on pictures that it was not fitted to.
 * Nothing that is made of them leaves, so there is nothing to screen or to mark. */
#include "data/folders.h"
#include "data/lab.h"
#include "image/prepare.h"
#include "translate/quantise.h"

#include <string.h>

enum { LARGEST = 512 };

static limn_status take(float **to, size_t count, limn_error *error)
{
    if ((*to = limn_block(count * sizeof **to))) return LIMN_OK;
    return limn_fail(error, LIMN_NO_MEMORY, "out of memory for the calibration's pictures");
}

/* Channels as the network wants them, unpadded. */
static limn_status planes_of(const limn_quantiser *q, const limn_picture *picture,
                             const limn_data_item *item, float **out, limn_shape *shape,
                             limn_error *error)
{
    bool colour = q->t->colour == LIMN_TRANSLATE_COLOUR;
    int channels = colour ? 3 : q->t->description.input_nc;
    limn_preparation whole = { .preprocess = LIMN_PREPROCESS_NONE };
    limn_part halves[2], *part = NULL;
    float *ab = NULL, *l;
    limn_draw draw;
    limn_status status;
    size_t pixels;
    int width = picture->info.width, height = picture->info.height;

    if (item->half != LIMN_WHOLE) {
        LIMN_TRY(limn_picture_halves(&picture->info, &halves[0], &halves[1], error));
        part = &halves[item->half == LIMN_RIGHT];
        width /= 2;
    }
    if (width >= LARGEST && height >= LARGEST) {
        whole.preprocess = LIMN_PREPROCESS_CROP;
        whole.crop_size = whole.load_size = LARGEST;
    }
    LIMN_TRY(limn_draw_for(&draw, &whole, width, height, NULL, 0, error));
    *shape = (limn_shape){ 1, channels, draw.window.height, draw.window.width };
    pixels = (size_t)shape->h * (size_t)shape->w;
    LIMN_TRY(take(out, limn_count(*shape), error));
    status = limn_draw_apply(&draw, picture, part, channels, LIMN_FILTER_CUBIC, *out, error);
    if (status || !colour) return status;
    LIMN_TRY(take(&l, pixels, error));
    if (!(status = take(&ab, 2 * pixels, error))) limn_lab_split(*out, pixels, l, ab);
    limn_block_free(ab);
    limn_block_free(*out);
    *out = l;
    shape->c = 1;
    return status;
}

static limn_status read_one(limn_quantiser *q, const limn_data_item *item, limn_calibration *c,
                            limn_error *error)
{
    limn_picture picture;
    limn_shape shape, padded;
    limn_padding padding;
    float *planes = NULL;
    limn_status status;

    LIMN_TRY(limn_picture_read(&picture, item->path, NULL, error));
    status = planes_of(q, &picture, item, &planes, &shape, error);
    limn_picture_close(&picture);
    if (!status) {
        padding = limn_translator_padding(q->t, shape.h, shape.w);
        padded = limn_padded(shape, padding);
        c->height = padded.h;
        c->width = padded.w;
        c->held_out = limn_name_hash(item->name) % 4 == 0;
        status = take(&c->in, limn_count(padded), error);
        if (!status) limn_reflect(c->in, planes, shape, padding);
    }
    limn_block_free(planes);
    return status ? limn_while(error, "%s", item->path) : LIMN_OK;
}

/* The side that the network reads: of a folder of pairs, by its direction. */
static limn_status open_folder(limn_quantiser *q, const char *folder, limn_data *data,
                               const limn_data_side **side, limn_error *error)
{
    const limn_model_card *card = limn_model_about(q->t->model);
    const char *direction = q->settings->direction ? q->settings->direction : card->direction;
    bool turned = direction && !strcmp(direction, "BtoA");
    limn_data_query query = { .root = folder, .no_hold_out = true };

    if (!strcmp(q->t->network->name, "G_B")) turned = true;
    if (q->t->colour != LIMN_TRANSLATE_COLOUR)
        for (int p = LIMN_PAIRED; p <= LIMN_UNPAIRED; p++) {
            query.pairing = (limn_pairing)p;
            query.keep_alone = p == LIMN_UNPAIRED;
            if (!limn_data_has(folder, query.pairing, LIMN_PHASE_TRAIN)) continue;
            if (limn_data_open(data, &query, NULL)) continue;
            *side = turned ? &data->b : &data->a;
            return LIMN_OK;
        }
    query.pairing = LIMN_PLAIN;
    *side = &data->b;
    return limn_data_open(data, &query, error);
}

limn_status limn_calibration_open(limn_quantiser *q, const char *folder, limn_error *error)
{
    const limn_data_side *side;
    limn_data data;
    limn_status status = LIMN_OK;
    size_t wanted = (size_t)q->settings->pictures;

    LIMN_TRY(open_folder(q, folder, &data, &side, error));
    if (wanted > side->count) wanted = side->count;
    if (wanted < 2)
        status = limn_fail(error, LIMN_FORMAT,
                           "%s: an int8 model is calibrated on two pictures or more", folder);
    if (!status)
        status = limn_take_into(&q->pictures, &q->arena, wanted * sizeof *q->pictures, error);
    /* Evenly through the folder, whose names often come scene by scene. */
    for (size_t i = 0; i < wanted && !status; i++)
        status = read_one(q, &side->items[i * side->count / wanted], &q->pictures[q->count++],
                          error);
    limn_data_close(&data);
    if (status) return status;
    for (int i = 1; i < q->count; i++) /* at least one of each */
        if (q->pictures[i].held_out != q->pictures[0].held_out) return LIMN_OK;
    q->pictures[0].held_out = !q->pictures[0].held_out;
    return LIMN_OK;
}

void limn_calibration_close(limn_quantiser *q)
{
    for (int i = 0; i < q->count; i++) {
        limn_block_free(q->pictures[i].in);
        limn_block_free(q->pictures[i].out);
    }
    q->count = 0;
}
