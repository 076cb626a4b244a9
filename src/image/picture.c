/* SPDX-License-Identifier: Apache-2.0
 *
 * The picture itself: formats as rows, making and closing, float planes there and back.
 *
 * Planes are made a row at a time by row_to_planes, which is also what resampling reads through, so
 * there is one place that knows what a pixel value means. */
#include "image/convert.h"

#include <math.h>
#include <string.h>

static const limn_format_row formats[] = {
    [LIMN_FORMAT_NONE] = { .name = "none", .endings = "", .media_type = "" },
#define X(id, text, ends, media, deep, floats, see_through, many, writes)                          \
    [LIMN_FORMAT_##id] = { text, ends, media, deep, floats, see_through, many, writes },
    LIMN_FORMATS(X)
#undef X
};

const limn_format_row *limn_format_about(limn_format format)
{
    return &formats[format > LIMN_FORMAT_NONE && format < LIMN_FORMAT_COUNT ? format
                                                                            : LIMN_FORMAT_NONE];
}

limn_format limn_format_of_name(const char *name)
{
    const char *slash = strrchr(name, '/'), *ending = slash ? slash + 1 : name;
    const char *dot = strrchr(ending, '.');
    size_t length;

    if (dot) ending = dot + 1;
    if (!(length = strlen(ending))) return LIMN_FORMAT_NONE;
    for (int f = 1; f < LIMN_FORMAT_COUNT; f++)
        for (const char *at = formats[f].endings; *at; at += strspn(at, " ")) {
            size_t word = strcspn(at, " ");

            if (word == length && !strncasecmp(at, ending, word)) return (limn_format)f;
            at += word;
        }
    return LIMN_FORMAT_NONE;
}

limn_format limn_format_of_bytes(const void *bytes, size_t count)
{
    const unsigned char *b = bytes;

    if (count < 2) return LIMN_FORMAT_NONE;
    if (count >= 3 && !memcmp(b, "\xff\xd8\xff", 3)) return LIMN_FORMAT_JPEG;
    if (count >= 8 && !memcmp(b, "\x89PNG\r\n\x1a\n", 8)) return LIMN_FORMAT_PNG;
    if (count >= 12 && !memcmp(b, "RIFF", 4) && !memcmp(b + 8, "WEBP", 4)) return LIMN_FORMAT_WEBP;
    if (count >= 4 && (!memcmp(b, "II*\0", 4) || !memcmp(b, "MM\0*", 4) || !memcmp(b, "II+\0", 4) ||
                       !memcmp(b, "MM\0+", 4)))
        return LIMN_FORMAT_TIFF;
    if (count >= 6 && (!memcmp(b, "GIF87a", 6) || !memcmp(b, "GIF89a", 6))) return LIMN_FORMAT_GIF;
    if (count >= 3 && b[0] == 'P' && memchr("123456Ff", b[1], 8) && memchr(" \t\r\n#", b[2], 5))
        return LIMN_FORMAT_PNM;
    /* "BM", then the size of the info header (12 to 124) where it belongs; two letters alone would
     * take text files for pictures.  A file that ends before is a BMP cut off. */
    if (b[0] == 'B' && b[1] == 'M' &&
        (count < 18 || (b[14] >= 12 && b[14] <= 124 && !b[15] && !b[16] && !b[17])))
        return LIMN_FORMAT_BMP;
    return LIMN_FORMAT_NONE;
}

limn_status limn_picture_make(limn_picture *picture, int width, int height, int channels,
                              limn_type type, bool alpha, limn_error *error)
{
    size_t count = (size_t)width * (size_t)height, value = limn_type_bytes(type);

    *picture = (limn_picture){ 0 };
    if (width < 1 || height < 1 || channels < 1)
        return limn_fail(error, LIMN_SHAPE, "a picture of %d x %d with %d channels cannot be made",
                         width, height, channels);
    if (type != LIMN_U8 && type != LIMN_U16 && type != LIMN_F32)
        return limn_fail(error, LIMN_BUG, "pictures are U8, U16 or F32, not %s",
                         limn_type_name(type));
    picture->info = (limn_picture_info){
        .width = width,
        .height = height,
        .channels = channels,
        .alpha = alpha,
        .type = type,
        .colour = channels == 1   ? LIMN_COLOUR_GREY
                  : channels == 3 ? LIMN_COLOUR_RGB
                                  : LIMN_COLOUR_MANY,
        .orientation = 1,
        .frames = 1,
    };
    picture->pixels = limn_block(count * (size_t)channels * value);
    if (alpha) picture->alpha = limn_block(count * value);
    if (!picture->pixels || (alpha && !picture->alpha)) {
        limn_picture_close(picture);
        return limn_fail(error, LIMN_NO_MEMORY,
                         "out of memory for a picture of %d x %d with %d channels", width, height,
                         channels);
    }
    memset(picture->pixels, 0, count * (size_t)channels * value);
    if (!alpha) return LIMN_OK;
    if (type == LIMN_F32)
        for (size_t i = 0; i < count; i++) ((float *)picture->alpha)[i] = 1;
    else
        memset(picture->alpha, 255, count * value);
    return LIMN_OK;
}

void limn_picture_close(limn_picture *picture)
{
    limn_block_free(picture->pixels);
    limn_block_free(picture->alpha);
    limn_block_free(picture->icc.bytes);
    limn_block_free(picture->exif.bytes);
    limn_block_free(picture->xmp.bytes);
    *picture = (limn_picture){ 0 };
}

size_t limn_picture_bytes(const limn_picture *picture)
{
    const limn_picture_info *info = &picture->info;
    size_t values = (size_t)info->channels + (picture->alpha ? 1 : 0);

    return values * (size_t)info->width * (size_t)info->height * limn_type_bytes(info->type) +
           picture->icc.count + picture->exif.count + picture->xmp.count;
}

limn_status limn_bytes_copy(limn_bytes *out, const void *bytes, size_t count, limn_error *error)
{
    *out = (limn_bytes){ 0 };
    if (!count) return LIMN_OK;
    if (!(out->bytes = limn_block(count)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for %zu bytes", count);
    memcpy(out->bytes, bytes, count);
    out->count = count;
    return LIMN_OK;
}

void limn_picture_range(const limn_picture *picture, float *low, float *high)
{
    const limn_picture_info *info = &picture->info;
    size_t count = (size_t)info->width * (size_t)info->height * (size_t)info->channels;
    float least = INFINITY, most = -INFINITY;

    for (size_t i = 0; i < count; i++) {
        float v = info->type == LIMN_U8    ? (float)((uint8_t *)picture->pixels)[i] / 255
                  : info->type == LIMN_U16 ? (float)((uint16_t *)picture->pixels)[i] / 65535
                                           : ((float *)picture->pixels)[i];

        if (v < least) least = v;
        if (v > most) most = v;
    }
    *low = least;
    *high = most;
}

/* One channel of one row; from points at the first value, the next is `step` further. */
static void values_to_floats(float *to, const void *from, size_t first, size_t step, size_t count,
                             limn_type type)
{
    if (type == LIMN_U8) {
        const uint8_t *v = (const uint8_t *)from + first;
        for (size_t i = 0; i < count; i++) to[i] = (float)v[i * step] / 127.5f - 1;
    } else if (type == LIMN_U16) {
        const uint16_t *v = (const uint16_t *)from + first;
        for (size_t i = 0; i < count; i++) to[i] = (float)v[i * step] / 32767.5f - 1;
    } else {
        const float *v = (const float *)from + first;
        for (size_t i = 0; i < count; i++) to[i] = 2 * v[i * step] - 1;
    }
}

bool limn_channels_fit(int have, int want)
{
    return have == want || have == 1 || (have == 3 && want == 1);
}

void limn_row_to_planes(const limn_picture *picture, int x, int y, int count, int channels,
                        float *to, size_t plane, float *spare)
{
    const limn_picture_info *info = &picture->info;
    size_t have = (size_t)info->channels, n = (size_t)count;
    size_t first = ((size_t)y * (size_t)info->width + (size_t)x) * have;

    if (have == 3 && channels == 1) {
        static const float weight[3] = { 0.299f, 0.587f, 0.114f };

        for (size_t c = 0; c < 3; c++) {
            values_to_floats(spare, picture->pixels, first + c, have, n, info->type);
            for (size_t i = 0; i < n; i++) to[i] = (c ? to[i] : 0) + weight[c] * spare[i];
        }
        return;
    }
    for (size_t c = 0; c < (size_t)channels; c++) {
        if (c && have == 1)
            memcpy(to + c * plane, to, n * sizeof *to);
        else
            values_to_floats(to + c * plane, picture->pixels, first + c, have, n, info->type);
    }
}

limn_status limn_picture_to_planes(const limn_picture *picture, int channels, float *planes,
                                   limn_error *error)
{
    const limn_picture_info *info = &picture->info;
    size_t width = (size_t)info->width, plane = width * (size_t)info->height;
    float *spare;

    if (!limn_channels_fit(info->channels, channels))
        return limn_fail(error, LIMN_SHAPE, "the picture has %d channels, %d are wanted",
                         info->channels, channels);
    if (!(spare = limn_block(width * sizeof *spare)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for a row of %zu pixels", width);
    for (int y = 0; y < info->height; y++)
        limn_row_to_planes(picture, 0, y, info->width, channels, planes + (size_t)y * width, plane,
                           spare);
    limn_block_free(spare);
    return LIMN_OK;
}

/* Written so that NaN becomes 0. */
static inline float clamped(float v, float high)
{
    return v > 0 ? v < high ? v : high : 0;
}

void limn_planes_to_pixels(limn_picture *picture, const float *planes)
{
    size_t n = (size_t)picture->info.width * (size_t)picture->info.height;
    size_t channels = (size_t)picture->info.channels;

    for (size_t c = 0; c < channels; c++) {
        const float *from = planes + c * n;

        if (picture->info.type == LIMN_U8) {
            uint8_t *to = (uint8_t *)picture->pixels + c;
            for (size_t i = 0; i < n; i++)
                to[i * channels] = (uint8_t)(clamped((from[i] + 1) * 127.5f, 255) + 0.5f);
        } else if (picture->info.type == LIMN_U16) {
            uint16_t *to = (uint16_t *)picture->pixels + c;
            for (size_t i = 0; i < n; i++)
                to[i * channels] = (uint16_t)(clamped((from[i] + 1) * 32767.5f, 65535) + 0.5f);
        } else {
            float *to = (float *)picture->pixels + c;
            for (size_t i = 0; i < n; i++) to[i * channels] = clamped((from[i] + 1) * 0.5f, 1);
        }
    }
}

void limn_values_convert(void *to, limn_type to_type, const void *from, limn_type from_type,
                         size_t count)
{
    if (to_type == from_type) {
        memcpy(to, from, count * limn_type_bytes(to_type));
        return;
    }
    for (size_t i = 0; i < count; i++) {
        float v = from_type == LIMN_U8    ? (float)((const uint8_t *)from)[i] / 255
                  : from_type == LIMN_U16 ? (float)((const uint16_t *)from)[i] / 65535
                                          : ((const float *)from)[i];

        if (to_type == LIMN_U8)
            ((uint8_t *)to)[i] = (uint8_t)(clamped(v * 255, 255) + 0.5f);
        else if (to_type == LIMN_U16)
            ((uint16_t *)to)[i] = (uint16_t)(clamped(v * 65535, 65535) + 0.5f);
        else
            ((float *)to)[i] = v;
    }
}

/* Alpha and whatever the file carried beside its pixels. */
static limn_status carry_over(limn_picture *picture, const limn_picture *original,
                              limn_error *error)
{
    limn_picture_info *info = &picture->info;

    info->format = original->info.format;
    memcpy(info->per_mm, original->info.per_mm, sizeof info->per_mm);
    if (original->alpha)
        limn_values_convert(picture->alpha, info->type, original->alpha, original->info.type,
                            (size_t)info->width * (size_t)info->height);
    LIMN_TRY(limn_bytes_copy(&picture->icc, original->icc.bytes, original->icc.count, error));
    LIMN_TRY(limn_bytes_copy(&picture->exif, original->exif.bytes, original->exif.count, error));
    return limn_bytes_copy(&picture->xmp, original->xmp.bytes, original->xmp.count, error);
}

limn_status limn_picture_from_planes(limn_picture *picture, const float *planes, int channels,
                                     int height, int width, limn_type type,
                                     const limn_picture *original, limn_error *error)
{
    limn_status status;

    if (original && (original->info.width != width || original->info.height != height))
        original = NULL;
    LIMN_TRY(limn_picture_make(picture, width, height, channels, type, original && original->alpha,
                               error));
    limn_planes_to_pixels(picture, planes);
    if (original && (status = carry_over(picture, original, error))) {
        limn_picture_close(picture);
        return status;
    }
    return LIMN_OK;
}
