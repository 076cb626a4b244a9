/* SPDX-License-Identifier: Apache-2.0
 *
 * A program's own pixels through a model, and back as pixels or as a finished file.
 *
 * They take the way of every other picture: screened, computed, screened, and out through
 * src/publish. */
#include "translate/translator.h"

#include <string.h>

static const char NAME[] = "the pixels";

/* Pixels with or without alpha into a picture: `channels` of them are colours. */
static void take_apart(limn_picture *picture, const limn_pixels *pixels, int channels)
{
    size_t bytes = limn_type_bytes(picture->info.type), all = (size_t)pixels->channels * bytes;
    size_t colours = (size_t)channels * bytes;
    size_t count = (size_t)pixels->width * (size_t)pixels->height;
    const unsigned char *from = pixels->data;

    for (size_t i = 0; i < count; i++, from += all) {
        memcpy((unsigned char *)picture->pixels + i * colours, from, colours);
        if (picture->alpha)
            memcpy((unsigned char *)picture->alpha + i * bytes, from + colours, bytes);
    }
}

static limn_status picture_of(limn_picture *picture, const limn_translator *t,
                              const limn_pixels *pixels, limn_error *error)
{
    enum { SIDE_MAX = 1 << 20 };
    int wanted = t->colour == LIMN_TRANSLATE_COLOUR ? 3
                 : t->derivation.kind               ? t->description.output_nc
                                                    : t->description.input_nc;
    bool alpha = pixels->channels != wanted && (pixels->channels == 2 || pixels->channels == 4);

    if (!pixels->data || pixels->width < 1 || pixels->height < 1 || pixels->width > SIDE_MAX ||
        pixels->height > SIDE_MAX || pixels->channels < 1)
        return limn_fail(error, LIMN_SHAPE, "pixels: %d x %d with %d channels is no picture",
                         pixels->width, pixels->height, pixels->channels);
    if (pixels->bits != 8 && pixels->bits != 16)
        return limn_fail(error, LIMN_SETTING, "pixels: %d bits; there are 8 and 16", pixels->bits);
    LIMN_TRY(limn_picture_make(picture, pixels->width, pixels->height, pixels->channels - alpha,
                               pixels->bits == 8 ? LIMN_U8 : LIMN_U16, alpha, error));
    take_apart(picture, pixels, pixels->channels - alpha);
    return LIMN_OK;
}

static limn_status clear_pixels(limn_translator *t, const limn_pixels *in, limn_cleared **cleared,
                                limn_error *error)
{
    limn_picture picture;
    const char *names[] = { NAME };
    limn_status one, status;

    LIMN_TRY(picture_of(&picture, t, in, error));
    status = limn_translator_picture(t, &picture, NAME, names, 1, cleared, &one, error);
    limn_picture_close(&picture);
    return status;
}

/* Colours and alpha together again; the alpha plane is there only beside grey or sRGB. */
static limn_status put_together(limn_pixels *out, const limn_picture *picture, limn_error *error)
{
    const limn_picture_info *info = &picture->info;
    size_t bytes = limn_type_bytes(info->type), colours = (size_t)info->channels * bytes;
    bool alpha = picture->alpha && (info->channels == 1 || info->channels == 3);
    size_t all = colours + (alpha ? bytes : 0);
    size_t count = (size_t)info->width * (size_t)info->height;
    unsigned char *to;

    if (!(to = out->data = limn_block(count * all)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for %zu pixels", count);
    out->width = info->width;
    out->height = info->height;
    out->channels = info->channels + alpha;
    out->bits = info->type == LIMN_U8 ? 8 : 16;
    for (size_t i = 0; i < count; i++, to += all) {
        memcpy(to, (const unsigned char *)picture->pixels + i * colours, colours);
        if (alpha) memcpy(to + colours, (const unsigned char *)picture->alpha + i * bytes, bytes);
    }
    return LIMN_OK;
}

limn_status limn_translate_pixels(limn_translator *t, const limn_pixels *in, limn_pixels *out,
                                  limn_error *error)
{
    limn_cleared *cleared;
    limn_picture picture;
    limn_status status;

    *out = (limn_pixels){ 0 };
    LIMN_TRY(clear_pixels(t, in, &cleared, error));
    limn_publish_pixels(&cleared, &picture);
    status = put_together(out, &picture, error);
    limn_picture_close(&picture);
    return status;
}

void limn_pixels_free(limn_pixels *pixels)
{
    limn_block_free(pixels->data);
    *pixels = (limn_pixels){ 0 };
}

limn_status limn_translate_encoded(limn_translator *t, const limn_pixels *in, void **bytes,
                                   size_t *count, limn_error *error)
{
    limn_bytes file;
    limn_target target = { .memory = &file,
                           .format = limn_translate_format(&t->settings),
                           .quality = t->settings.quality,
                           .lossless = t->settings.lossless };
    int channels = limn_translator_channels(t);
    limn_cleared *cleared;

    *bytes = NULL;
    *count = 0;
    if (!target.format && channels != 1 && channels != 3) target.format = LIMN_FORMAT_TIFF;
    LIMN_TRY(clear_pixels(t, in, &cleared, error));
    LIMN_TRY(limn_publish_write(&cleared, &target, NULL, error));
    *bytes = file.bytes;
    *count = file.count;
    return LIMN_OK;
}

void limn_bytes_free(void **bytes)
{
    limn_block_free(*bytes);
    *bytes = NULL;
}
