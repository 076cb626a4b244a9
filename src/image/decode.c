/* SPDX-License-Identifier: Apache-2.0
 *
 * The decoders of libvips, from bytes to an upright picture in grey, sRGB or many channels.
 *
 * The format is recognised here and its loader called by name: libvips' own search would also try
 * loaders for tables of numbers, SVG or PDF on bytes that came from anywhere.  What is not one of
 * our formats goes through that search, and loaders that libvips marks as untrusted are used only
 * when the limits allow it.  Blocking them inside libvips would do the same for the whole process,
 * which may have other users of libvips in it.
 *
 * Pixels stream line by line from the decoder through the colour conversion straight to their place
 * in the upright picture, so there is no second copy of it. */
#include "image/decode.h"
#include "image/border.h"
#include "image/colour.h"

#include <string.h>
#include <vips/vips.h>

/* Where the lines go. */
typedef struct target {
    limn_picture *picture;
    limn_upright upright;
} target;

#define SPREAD(T)                                                                                  \
    do {                                                                                           \
        const T *v = from;                                                                         \
        T *pixels = to->picture->pixels, *alpha = to->picture->alpha;                              \
        for (int x = 0; x < count; x++, at += to->upright.dx) {                                    \
            for (size_t c = 0; c < channels; c++) pixels[(size_t)at * channels + c] = *v++;        \
            if (alpha) alpha[at] = *v++;                                                           \
        }                                                                                          \
    } while (0)

/* One line of decoded pixels, (x, y) the first of them in the stored picture. */
static void put_line(const target *to, const void *from, int x0, int y, int count)
{
    const limn_picture_info *info = &to->picture->info;
    size_t channels = (size_t)info->channels;
    ptrdiff_t at = to->upright.base + x0 * to->upright.dx + y * to->upright.dy;

    if (to->upright.dx == 1 && !to->picture->alpha) {
        size_t pixel = channels * limn_type_bytes(info->type);

        memcpy((char *)to->picture->pixels + (size_t)at * pixel, from, (size_t)count * pixel);
    } else if (info->type == LIMN_U8) {
        SPREAD(uint8_t);
    } else if (info->type == LIMN_U16) {
        SPREAD(uint16_t);
    } else {
        SPREAD(float);
    }
}

static int put_region(VipsRegion *region, VipsRect *area, void *context)
{
    for (int y = area->top; y < area->top + area->height; y++)
        put_line(context, VIPS_REGION_ADDR(region, area->left, y), area->left, y, area->width);
    return 0;
}

/* Loaders whose files are no pictures, or have no signature at all. */
static bool never_loads(const char *nickname)
{
    static const char *const names[] = { "csvload", "matrixload", "rawload", "vipsload",
                                         "analyzeload" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strncmp(nickname, names[i], strlen(names[i]))) return true;
    return false;
}

static const char not_a_picture[] =
    "%s: not a picture that limn reads (JPEG, PNG, WebP, TIFF, PPM, BMP, GIF)";

/* What libvips finds by itself. */
static limn_status open_other(VipsImage **image, const limn_decoding *decoding, VipsSource *source,
                              limn_error *error)
{
    const char *from_source = vips_foreign_find_load_source(source);
    const char *from_bytes = from_source
                                 ? NULL
                                 : vips_foreign_find_load_buffer(decoding->bytes, decoding->count);
    const char *type = from_source ? from_source : from_bytes;
    const char *nickname = type ? vips_nickname_find(g_type_from_name(type)) : NULL;
    VipsOperationClass *class;
    bool untrusted;

    if (!nickname || never_loads(nickname))
        return limn_fail(error, LIMN_FORMAT, not_a_picture, decoding->name);
    class = g_type_class_ref(g_type_from_name(type));
    untrusted = class->flags & VIPS_OPERATION_UNTRUSTED;
    g_type_class_unref(class);
    if (untrusted && !decoding->limits.every_decoder)
        return limn_fail(error, LIMN_FORMAT,
                         "%s: a format (%s) that limn decodes only when every decoder is allowed; "
                         "convert it to PNG",
                         decoding->name, nickname);
    *image = from_source
                 ? vips_image_new_from_source(source, "", "access", VIPS_ACCESS_SEQUENTIAL, NULL)
                 : vips_image_new_from_buffer(decoding->bytes, decoding->count, "", "access",
                                              VIPS_ACCESS_SEQUENTIAL, NULL);
    return LIMN_OK;
}

/* What stands at the head of a PNM file: P and a letter, then width, height and (not for bits) the
 * largest value or the scale, among white space and comments.  It is read here because libvips
 * takes 0 x 0 for granted with a complaint of GLib's on standard error, hands out values as they
 * are whatever the maximum is, and leaves PFM, whose rows go from the bottom up, upside down. */
typedef struct pnm_header {
    unsigned width, height, most; /* most: 0 when it does not matter */
    bool bottom_up;
} pnm_header;

static unsigned pnm_number(const unsigned char *bytes, size_t count, size_t *at)
{
    unsigned number = 0;

    while (*at < count && (memchr(" \t\r\n", bytes[*at], 4) || bytes[*at] == '#'))
        if (bytes[(*at)++] == '#')
            while (*at < count && bytes[*at] != '\n') ++*at;
    for (; *at < count && bytes[*at] >= '0' && bytes[*at] <= '9'; ++*at)
        number = number < 100000000 ? number * 10 + (unsigned)(bytes[*at] - '0') : number;
    return number;
}

static limn_status read_pnm_header(pnm_header *header, const limn_decoding *decoding,
                                   limn_error *error)
{
    unsigned char letter = decoding->bytes[1];
    size_t at = 2;

    header->width = pnm_number(decoding->bytes, decoding->count, &at);
    header->height = pnm_number(decoding->bytes, decoding->count, &at);
    header->bottom_up = letter == 'F' || letter == 'f';
    header->most = memchr("2356", letter, 4) ? pnm_number(decoding->bytes, decoding->count, &at)
                                             : 1;
    if (!header->width || !header->height || !header->most || header->most > 65535)
        return limn_fail(error, LIMN_FORMAT, "%s: its PPM header is damaged or cut off",
                         decoding->name);
    return limn_decoding_check(decoding, header->width, header->height, 1, error);
}

/* The header is read here, no pixel yet. */
static limn_status open_image(VipsImage **image, limn_decoding *decoding, limn_error *error)
{
    VipsSource *source = vips_source_new_from_memory(decoding->bytes, decoding->count);
    limn_status status = LIMN_OK;

    if (!source)
        return limn_vips_fail(error, LIMN_NO_MEMORY, "%s: cannot be opened", decoding->name);
#define LOAD(loader)                                                                               \
    (void)loader(source, image, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_ERROR,   \
                 NULL)
    switch (decoding->format) {
    case LIMN_FORMAT_JPEG:
        LOAD(vips_jpegload_source);
        break;
    case LIMN_FORMAT_PNG:
        LOAD(vips_pngload_source);
        break;
    case LIMN_FORMAT_WEBP:
        LOAD(vips_webpload_source);
        break;
    case LIMN_FORMAT_TIFF:
        LOAD(vips_tiffload_source);
        break;
    case LIMN_FORMAT_PNM:
        LOAD(vips_ppmload_source);
        break;
    case LIMN_FORMAT_GIF:
        LOAD(vips_gifload_source);
        break;
    default:
        decoding->format = LIMN_FORMAT_OTHER;
        status = open_other(image, decoding, source, error);
    }
#undef LOAD
    g_object_unref(source);
    if (!status && !*image)
        status = limn_vips_fail(
            error, LIMN_FORMAT,
            "%s: its %s header is damaged, cut off or of a kind that is not read", decoding->name,
            limn_format_about(decoding->format)->name);
    return status;
}

static limn_status copy_blob(limn_bytes *out, VipsImage *image, const char *field,
                             limn_error *error)
{
    const void *bytes = NULL;
    size_t count = 0;

    *out = (limn_bytes){ 0 };
    if (!vips_image_get_typeof(image, field) || vips_image_get_blob(image, field, &bytes, &count) ||
        !bytes)
        return LIMN_OK;
    if (!strcmp(field, VIPS_META_EXIF_NAME) && count > 6 && !memcmp(bytes, "Exif\0\0", 6)) {
        bytes = (const char *)bytes + 6;
        count -= 6;
    }
    return limn_bytes_copy(out, bytes, count, error);
}

/* Unsigned 8 and 16 bit stay, everything else unsigned or real becomes float. */
static limn_status to_our_depth(VipsImage **image, limn_type *type, const char *name,
                                limn_error *error)
{
    VipsImage *next = NULL;
    int failed = 0;

    *type = LIMN_F32;
    switch ((*image)->BandFmt) {
    case VIPS_FORMAT_UCHAR:
        *type = LIMN_U8;
        return LIMN_OK;
    case VIPS_FORMAT_USHORT:
        *type = LIMN_U16;
        return LIMN_OK;
    case VIPS_FORMAT_FLOAT:
        return LIMN_OK;
    case VIPS_FORMAT_DOUBLE:
        failed = vips_cast_float(*image, &next, NULL);
        break;
    case VIPS_FORMAT_UINT:
        failed = vips_linear1(*image, &next, 1.0 / 4294967295.0, 0.0, NULL);
        break;
    default:
        return limn_fail(error, LIMN_FORMAT,
                         "%s: its values are %s; limn reads unsigned whole numbers and floats, so "
                         "convert it",
                         name, vips_enum_nick(VIPS_TYPE_BAND_FORMAT, (*image)->BandFmt));
    }
    if (failed) return limn_vips_fail(error, LIMN_FORMAT, "%s: cannot be converted", name);
    g_object_unref(*image);
    *image = next;
    return LIMN_OK;
}

/* The groups of interpretations that matter here. */
typedef enum kind { GREYS, RGBS, CMYKS, OTHER_SPACES, ANY } kind;

static kind kind_of(const VipsImage *image)
{
    switch (vips_image_guess_interpretation(image)) {
    case VIPS_INTERPRETATION_B_W:
    case VIPS_INTERPRETATION_GREY16:
        return GREYS;
    case VIPS_INTERPRETATION_RGB:
    case VIPS_INTERPRETATION_sRGB:
    case VIPS_INTERPRETATION_RGB16:
    case VIPS_INTERPRETATION_scRGB:
        return RGBS;
    case VIPS_INTERPRETATION_CMYK:
        return CMYKS;
    case VIPS_INTERPRETATION_XYZ:
    case VIPS_INTERPRETATION_LAB:
    case VIPS_INTERPRETATION_LABQ:
    case VIPS_INTERPRETATION_LABS:
    case VIPS_INTERPRETATION_CMC:
    case VIPS_INTERPRETATION_LCH:
    case VIPS_INTERPRETATION_YXY:
    case VIPS_INTERPRETATION_HSV:
        return OTHER_SPACES;
    default:
        return ANY;
    }
}

/* Colours other than grey and RGB become sRGB, RGB with a profile of another gamut too.  *bands is
 * the number of colour channels in the end; alpha says whether one more follows. */
static limn_status to_our_colours(VipsImage **image, limn_decoding *decoding, int *bands,
                                  bool *alpha, limn_error *error)
{
    limn_picture *picture = decoding->picture;
    limn_icc_space space = limn_icc_space_of(picture->icc.bytes, picture->icc.count);
    bool deep = (*image)->BandFmt == VIPS_FORMAT_USHORT, usable = false, failed = false;
    kind group = kind_of(*image);
    VipsImage *next = NULL;
    int n = (*image)->Bands;

    *alpha = (group == GREYS && n == 2) || (group == RGBS && n == 4) || (group == CMYKS && n == 5);
    *bands = n - (*alpha ? 1 : 0);
    picture->info.colour = *bands == 1                                      ? LIMN_COLOUR_GREY
                           : group == CMYKS && *bands == 4                  ? LIMN_COLOUR_CMYK
                           : (group == RGBS || group == ANY) && *bands == 3 ? LIMN_COLOUR_RGB
                                                                            : LIMN_COLOUR_MANY;
    if (group == CMYKS && *bands == 4) {
        failed = vips_icc_transform(*image, &next, "srgb", "embedded", TRUE, "input_profile",
                                    "cmyk", "intent", VIPS_INTENT_RELATIVE,
                                    "black_point_compensation", TRUE, "depth", deep ? 16 : 8, NULL);
        *bands = 3;
    } else if (group == OTHER_SPACES) {
        *alpha = n == 4 && (*image)->Coding == VIPS_CODING_NONE; /* packed Lab has 4 too */
        *bands = 3;
        picture->info.colour = LIMN_COLOUR_MANY;
        failed = vips_colourspace(*image, &next,
                                  deep || (*image)->BandFmt == VIPS_FORMAT_SHORT ||
                                          (*image)->BandFmt == VIPS_FORMAT_FLOAT
                                      ? VIPS_INTERPRETATION_RGB16
                                      : VIPS_INTERPRETATION_sRGB,
                                  NULL);
    } else if (picture->info.colour == LIMN_COLOUR_RGB && space == LIMN_ICC_RGB &&
               (*image)->BandFmt != VIPS_FORMAT_FLOAT) {
        if (!limn_icc_is_srgb(picture->icc.bytes, picture->icc.count, &usable) && usable)
            failed = vips_icc_transform(*image, &next, "srgb", "embedded", TRUE, "intent",
                                        VIPS_INTENT_RELATIVE, "depth", deep ? 16 : 8, NULL);
        if (!usable) { /* the encoder could not use it either */
            limn_block_free(picture->icc.bytes);
            picture->icc = (limn_bytes){ 0 };
        }
    }
    if (failed)
        return limn_vips_fail(error, LIMN_FORMAT, "%s: its colours cannot be converted to sRGB",
                              decoding->name);
    if (next) {
        g_object_unref(*image);
        *image = next;
    }
    return LIMN_OK;
}

static void read_info(limn_picture *picture, VipsImage *image, limn_format format)
{
    limn_picture_info *info = &picture->info;
    int orientation = vips_image_get_orientation(image);

    info->format = format;
    info->orientation = orientation >= 1 && orientation <= 8 ? orientation : 1;
    info->frames = vips_image_get_n_pages(image);
    /* libvips puts 1 where the file says nothing. */
    info->per_mm[0] = image->Xres == 1.0 ? 0 : image->Xres;
    info->per_mm[1] = image->Yres == 1.0 ? 0 : image->Yres;
}

/* Values 0..most to full scale. */
static void stretch(limn_picture *picture, unsigned most)
{
    const limn_picture_info *info = &picture->info;
    size_t n = (size_t)info->width * (size_t)info->height * (size_t)info->channels;
    uint32_t full = info->type == LIMN_U8 ? 255 : 65535;

    if (most <= 1 || most >= full || info->type == LIMN_F32) return;
    for (size_t i = 0; i < n; i++) {
        uint32_t v = info->type == LIMN_U8 ? ((uint8_t *)picture->pixels)[i]
                                           : ((uint16_t *)picture->pixels)[i];

        v = v < most ? (v * full + most / 2) / most : full;
        if (info->type == LIMN_U8)
            ((uint8_t *)picture->pixels)[i] = (uint8_t)v;
        else
            ((uint16_t *)picture->pixels)[i] = (uint16_t)v;
    }
}

static limn_status decode(void *context, limn_error *error)
{
    limn_decoding *decoding = context;
    limn_picture *picture = decoding->picture, made;
    pnm_header pnm = { 0 };
    VipsImage *image = NULL;
    limn_status status;
    bool alpha = false;
    int bands = 0;

    *picture = (limn_picture){ 0 };
    if (decoding->format == LIMN_FORMAT_PNM) LIMN_TRY(read_pnm_header(&pnm, decoding, error));
    if ((status = open_image(&image, decoding, error))) goto done;
    if ((status = limn_decoding_check(decoding, image->Xsize, image->Ysize, image->Bands, error)))
        goto done;
    read_info(picture, image, decoding->format);
    if ((status = copy_blob(&picture->icc, image, VIPS_META_ICC_NAME, error)) ||
        (status = copy_blob(&picture->exif, image, VIPS_META_EXIF_NAME, error)) ||
        (status = copy_blob(&picture->xmp, image, VIPS_META_XMP_NAME, error)) ||
        (status = to_our_colours(&image, decoding, &bands, &alpha, error)) ||
        (status = to_our_depth(&image, &picture->info.type, decoding->name, error)))
        goto done;
    picture->info.channels = bands;
    picture->info.alpha = alpha;
    if (image->Bands != bands + (alpha ? 1 : 0)) {
        status = limn_fail(error, LIMN_FORMAT, "%s: %d channels where %d were expected",
                           decoding->name, image->Bands, bands + (alpha ? 1 : 0));
        goto done;
    }

    bool turned = picture->info.orientation > 4;
    int width = turned ? image->Ysize : image->Xsize, height = turned ? image->Xsize : image->Ysize;

    picture->info.width = width;
    picture->info.height = height;
    if (turned) {
        double x = picture->info.per_mm[0];

        picture->info.per_mm[0] = picture->info.per_mm[1];
        picture->info.per_mm[1] = x;
    }
    if (decoding->header_only) goto done;

    if ((status = limn_picture_make(&made, width, height, bands, picture->info.type, alpha,
                                    error))) {
        status = limn_while(error, "%s", decoding->name);
        goto done;
    }
    picture->pixels = made.pixels;
    picture->alpha = made.alpha;
    target to = { picture, limn_upright_for(pnm.bottom_up ? 4 : picture->info.orientation,
                                            image->Xsize, image->Ysize) };
    if (vips_sink_disc(image, put_region, &to))
        status = limn_vips_fail(error, LIMN_FORMAT, "%s: damaged or cut off: the %s pixels",
                                decoding->name, limn_format_about(decoding->format)->name);
    else
        stretch(picture, pnm.most);
done:
    g_clear_object(&image);
    if (status || decoding->header_only) {
        limn_picture_info info = picture->info;

        limn_picture_close(picture);
        if (!status) picture->info = info;
    }
    return status;
}

limn_status limn_decode_vips(limn_decoding *decoding, limn_error *error)
{
    return limn_vips_run(decode, decoding, error);
}
