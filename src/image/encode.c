/* SPDX-License-Identifier: Apache-2.0
 *
 * Pixels to a file in memory, by libvips' encoders (PPM by hand).
 *
 * The image handed to libvips is made anew from our pixels and carries only what is meant to be in
 * the file: resolution, profile, XMP.  EXIF is put in afterwards (splice.c). */
#include "image/encode.h"
#include "image/border.h"
#include "image/colour.h"
#include "image/convert.h"
#include "image/metadata.h"

#include <stdio.h>
#include <string.h>
#include <vips/vips.h>

typedef struct task {
    const limn_picture *picture;
    const limn_encoding *encoding;
    limn_format format;
    limn_type type; /* that is written */
    bool alpha;     /* that is written */
    limn_bytes *out;
} task;

/* Lays the picture on white in place: values of one depth. */
#define ON_WHITE(T, full, half)                                                                    \
    do {                                                                                           \
        T *v = values;                                                                             \
        const T *a = alpha;                                                                        \
        for (size_t i = 0; i < count * channels; i++) {                                            \
            double cover = (double)a[i / channels] / (full);                                       \
            v[i] = (T)((double)v[i] * cover + (full) * (1 - cover) + (half));                      \
        }                                                                                          \
    } while (0)

static void lay_on_white(void *values, const void *alpha, size_t count, size_t channels,
                         limn_type type)
{
    if (type == LIMN_U8)
        ON_WHITE(uint8_t, 255.0, 0.5);
    else if (type == LIMN_U16)
        ON_WHITE(uint16_t, 65535.0, 0.5);
    else
        ON_WHITE(float, 1.0, 0.0);
}

static VipsBandFormat vips_format_of(limn_type type)
{
    return type == LIMN_U8    ? VIPS_FORMAT_UCHAR
           : type == LIMN_U16 ? VIPS_FORMAT_USHORT
                              : VIPS_FORMAT_FLOAT;
}

static VipsInterpretation interpretation_of(int channels, limn_type type)
{
    if (channels == 1)
        return type == LIMN_U16 ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_B_W;
    if (channels != 3) return VIPS_INTERPRETATION_MULTIBAND;
    return type == LIMN_U8    ? VIPS_INTERPRETATION_sRGB
           : type == LIMN_U16 ? VIPS_INTERPRETATION_RGB16
                              : VIPS_INTERPRETATION_scRGB;
}

/* The profile of the input goes into the file when it is of the same kind as the pixels; sRGB
 * pixels are converted to it first. */
static limn_status add_profile(VipsImage **image, const task *job, limn_error *error)
{
    const limn_picture *picture = job->picture;
    limn_icc_space space = limn_icc_space_of(picture->icc.bytes, picture->icc.count);
    int channels = picture->info.channels;
    VipsImage *connection = NULL, *converted = NULL;
    bool usable = true, same = true;

    if (job->encoding->no_icc ||
        !((space == LIMN_ICC_RGB && channels == 3) || (space == LIMN_ICC_GREY && channels == 1)))
        return LIMN_OK;
    if (space == LIMN_ICC_RGB && job->type != LIMN_F32)
        same = limn_icc_is_srgb(picture->icc.bytes, picture->icc.count, &usable);
    if (!usable) return LIMN_OK;
    if (same) {
        vips_image_set_blob_copy(*image, VIPS_META_ICC_NAME, picture->icc.bytes,
                                 picture->icc.count);
        return LIMN_OK;
    }
    if (vips_icc_import(*image, &connection, "input_profile", "srgb", "embedded", FALSE, "intent",
                        VIPS_INTENT_RELATIVE, NULL))
        goto failed;
    vips_image_set_blob_copy(connection, VIPS_META_ICC_NAME, picture->icc.bytes,
                             picture->icc.count);
    if (vips_icc_export(connection, &converted, "intent", VIPS_INTENT_RELATIVE, "depth",
                        job->type == LIMN_U16 ? 16 : 8, NULL))
        goto failed;
    g_object_unref(connection);
    g_object_unref(*image);
    *image = converted;
    return LIMN_OK;
failed:
    g_clear_object(&connection);
    return limn_vips_fail(error, LIMN_FORMAT,
                          "the colours cannot be converted to the profile of "
                          "the input");
}

/* A vips image of pixels that are borrowed, tagged. */
static limn_status wrap(VipsImage **image, const void *pixels, const task *job, int channels,
                        limn_error *error)
{
    const limn_picture_info *info = &job->picture->info;
    size_t count = (size_t)info->width * (size_t)info->height;
    VipsImage *bare = vips_image_new_from_memory(
        pixels, count * (size_t)channels * limn_type_bytes(job->type), info->width, info->height,
        channels, vips_format_of(job->type));
    /* 72 dots an inch where nothing is known: libvips would say 25.4. */
    double x = info->per_mm[0] > 0 ? info->per_mm[0] : 72 / 25.4;
    double y = info->per_mm[1] > 0 ? info->per_mm[1] : 72 / 25.4;
    int failed = !bare ||
                 vips_copy(bare, image, "interpretation", interpretation_of(channels, job->type),
                           "xres", x, "yres", y, NULL);

    g_clear_object(&bare);
    return failed ? limn_vips_fail(error, LIMN_NO_MEMORY, "the picture cannot be encoded")
                  : LIMN_OK;
}

static limn_status save(VipsImage *image, const task *job, void **file, size_t *count,
                        limn_error *error)
{
    const limn_encoding *how = job->encoding;
    int quality = how->quality ? how->quality : 92, failed = 0;

    switch (job->format) {
    case LIMN_FORMAT_JPEG:
        failed = vips_jpegsave_buffer(image, file, count, "Q", quality, "optimize_coding", TRUE,
                                      NULL);
        break;
    case LIMN_FORMAT_PNG:
        failed = vips_pngsave_buffer(image, file, count, NULL);
        break;
    case LIMN_FORMAT_WEBP:
        failed = vips_webpsave_buffer(image, file, count, "Q", quality, "lossless", how->lossless,
                                      NULL);
        break;
    case LIMN_FORMAT_TIFF: /* differences of floats make no sense to a packer */
        failed = vips_tiffsave_buffer(
            image, file, count, "compression", VIPS_FOREIGN_TIFF_COMPRESSION_DEFLATE, "predictor",
            job->type == LIMN_F32 ? VIPS_FOREIGN_TIFF_PREDICTOR_NONE
                                  : VIPS_FOREIGN_TIFF_PREDICTOR_HORIZONTAL,
            NULL);
        break;
    default:
        return limn_fail(error, LIMN_BUG, "format %d has no encoder", (int)job->format);
    }
    return failed ? limn_vips_fail(error, LIMN_FORMAT, "the picture cannot be encoded as %s",
                                   limn_format_about(job->format)->name)
                  : LIMN_OK;
}

/* PPM and PGM, 16 bits with the high byte first; floats as PFM, which goes from the bottom up.  Not
 * by libvips, which writes the time of day into them and PFM upside down. */
static limn_status write_pnm(limn_bytes *out, const void *pixels, const limn_picture_info *info,
                             limn_type type, limn_error *error)
{
    size_t row = (size_t)info->width * (size_t)info->channels, size = limn_type_bytes(type);
    size_t bytes = row * (size_t)info->height * size;
    bool grey = info->channels == 1;
    unsigned char *to;

    if (!(out->bytes = limn_block(bytes + 64)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for a file of %zu bytes", bytes);
    out->count = (size_t)snprintf((char *)out->bytes, 64, "P%c\n%d %d\n%s\n",
                                  type == LIMN_F32 ? (grey ? 'f' : 'F') : (grey ? '5' : '6'),
                                  info->width, info->height,
                                  type == LIMN_F32   ? "-1.0"
                                  : type == LIMN_U16 ? "65535"
                                                     : "255");
    to = out->bytes + out->count;
    out->count += bytes;
    if (type == LIMN_U8)
        memcpy(to, pixels, bytes);
    else if (type == LIMN_U16)
        for (size_t i = 0; i < bytes / 2; i++) {
            to[2 * i] = (unsigned char)(((const uint16_t *)pixels)[i] >> 8);
            to[2 * i + 1] = (unsigned char)((const uint16_t *)pixels)[i];
        }
    else
        for (int y = 0; y < info->height; y++)
            memcpy(to + (size_t)(info->height - 1 - y) * row * size,
                   (const float *)pixels + (size_t)y * row, row * size);
    return LIMN_OK;
}

static limn_status encode(void *context, limn_error *error)
{
    task *job = context;
    const limn_picture *picture = job->picture;
    const limn_picture_info *info = &picture->info;
    const limn_encoding *how = job->encoding;
    size_t count = (size_t)info->width * (size_t)info->height, channels = (size_t)info->channels;
    bool whiten = picture->alpha && !job->alpha, convert = job->type != info->type;
    VipsImage *image = NULL, *alpha_image = NULL, *joined = NULL;
    void *pixels = NULL, *alpha = NULL, *file = NULL; /* ours where they are not the picture's */
    unsigned char *exif = NULL;
    size_t file_count = 0, exif_count = 0;
    limn_status status = LIMN_OK;

    if (((whiten || convert) &&
         !(pixels = limn_block(count * channels * limn_type_bytes(job->type)))) ||
        (picture->alpha && convert && !(alpha = limn_block(count * limn_type_bytes(job->type)))) ||
        (picture->exif.count && !how->no_exif && !(exif = limn_block(picture->exif.count)))) {
        status = limn_fail(error, LIMN_NO_MEMORY, "out of memory for encoding %d x %d pixels",
                           info->width, info->height);
        goto done;
    }
    if (pixels)
        limn_values_convert(pixels, job->type, picture->pixels, info->type, count * channels);
    if (alpha) limn_values_convert(alpha, job->type, picture->alpha, info->type, count);
    if (whiten) lay_on_white(pixels, alpha ? alpha : picture->alpha, count, channels, job->type);

    if (job->format == LIMN_FORMAT_PNM) { /* no place for a profile: the pixels stay sRGB */
        status = write_pnm(job->out, pixels ? pixels : picture->pixels, info, job->type, error);
        goto done;
    }
    if ((status = wrap(&image, pixels ? pixels : picture->pixels, job, info->channels, error)) ||
        (status = add_profile(&image, job, error)))
        goto done;
    if (job->alpha) {
        if ((status = wrap(&alpha_image, alpha ? alpha : picture->alpha, job, 1, error))) goto done;
        if (vips_bandjoin2(image, alpha_image, &joined, NULL)) {
            status = limn_vips_fail(error, LIMN_NO_MEMORY, "the alpha plane cannot be added");
            goto done;
        }
        g_object_unref(image);
        image = joined;
    }
    if (how->xmp && how->xmp_bytes)
        vips_image_set_blob_copy(image, VIPS_META_XMP_NAME, how->xmp, how->xmp_bytes);
    if ((status = save(image, job, &file, &file_count, error))) goto done;
    if (exif) {
        memcpy(exif, picture->exif.bytes, picture->exif.count);
        if (limn_exif_clean(exif, picture->exif.count, info->width, info->height, how->keep_gps))
            exif_count = picture->exif.count;
    }
    status = limn_metadata_splice(job->out, file, file_count, job->format, exif, exif_count,
                                  info->per_mm, error);
done:
    g_free(file);
    g_clear_object(&image);
    g_clear_object(&alpha_image);
    limn_block_free(exif);
    limn_block_free(alpha);
    limn_block_free(pixels);
    return status;
}

limn_status limn_picture_encode(limn_bytes *out, const limn_picture *picture,
                                const limn_encoding *encoding, limn_error *error)
{
    const limn_picture_info *info = &picture->info;
    limn_format format = encoding->format ? encoding->format : info->format;
    const limn_format_row *row = limn_format_about(format);

    *out = (limn_bytes){ 0 };
    if (!encoding->format && !row->writable) row = limn_format_about(format = LIMN_FORMAT_PNG);
    if (!row->writable)
        return limn_fail(error, LIMN_SETTING,
                         "%s is not a format that limn writes; take PNG, which keeps every pixel "
                         "and is read everywhere, or JPEG, WebP, TIFF, PPM",
                         row->name);
    if (encoding->quality < 0 || encoding->quality > 100)
        return limn_fail(error, LIMN_SETTING, "quality is %d; it must be 1 to 100",
                         encoding->quality);
    if (info->channels != 1 && info->channels != 3 && !row->holds_channels)
        return limn_fail(error, LIMN_SHAPE, "%s cannot hold %d channels; take TIFF", row->name,
                         info->channels);
    if (format == LIMN_FORMAT_WEBP && (info->width > 16383 || info->height > 16383))
        return limn_fail(error, LIMN_SHAPE,
                         "WebP ends at 16383 pixels a side, this is %d x %d; "
                         "take PNG or TIFF",
                         info->width, info->height);

    task job = { picture, encoding, format, info->type, picture->alpha && row->holds_alpha, out };

    if (job.type == LIMN_F32 && !row->holds_float) job.type = LIMN_U16;
    if (job.type == LIMN_U16 && !row->holds_16_bit) job.type = LIMN_U8;
    return limn_vips_run(encode, &job, error);
}
