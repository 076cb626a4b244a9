/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures out.  Every file that is encoded here is read by Pillow, tifffile, ImageMagick and
 * exiftool (make_pictures.py check), which know nothing of libvips, and once more by limn. */
#include "image/encode.h"
#include "pictures.h"

static scratch out;
static FILE *tags;

static int start_both(void **state)
{
    scratch_open(&out);
    tags = fopen(scratch_path(&out, "tags.txt"), "w");
    return tags ? start_all(state) : -1;
}

static int stop_both(void **state)
{
    scratch_close(&out);
    return stop_all(state);
}

static void read_picture(limn_picture *picture, const char *name)
{
    if (limn_picture_read(picture, scratch_path(&folder, name), NULL, &error))
        fail_msg("%s", error.text);
}

/* Writes the file, and what the others shall find in it. */
static void encode(const limn_picture *picture, limn_encoding how, const char *name)
{
    limn_bytes file;

    if (limn_picture_encode(&file, picture, &how, &error)) fail_msg("%s: %s", name, error.text);
    scratch_write(scratch_path(&out, name), file.bytes, file.count);
    limn_block_free(file.bytes);
}

static void expect(const limn_picture *picture, const char *name, int tolerance)
{
    size_t n = (size_t)picture->info.width * (size_t)picture->info.height;
    size_t size = limn_type_bytes(picture->info.type);
    wanted head = { picture->info.width,
                    picture->info.height,
                    picture->info.channels,
                    picture->alpha != NULL,
                    (int32_t)size,
                    tolerance,
                    1,
                    0 };
    char sent[100];
    FILE *file;

    snprintf(sent, sizeof sent, "%s.sent", name);
    file = fopen(scratch_path(&out, sent), "wb");
    fwrite(&head, sizeof head, 1, file);
    fwrite(picture->pixels, size, n * (size_t)picture->info.channels, file);
    if (picture->alpha) fwrite(picture->alpha, size, n, file);
    fclose(file);
}

static void expect_tag(const char *name, const char *tag, const char *value)
{
    fprintf(tags, "%s\t%s\t%s\n", name, tag, value);
}

static void every_format_and_depth(void **state)
{
    static const struct {
        const char *from, *to;
        int tolerance;
    } cases[] = {
        { "rgb.png", "rgb.png", 0 },       { "grey.png", "grey.png", 0 },
        { "rgb.png", "rgb.tif", 0 },       { "grey.png", "grey.tif", 0 },
        { "rgb.png", "rgb.ppm", 0 },       { "grey.png", "grey.pgm", 0 },
        { "rgb.png", "rgb.jpg", 24 },      { "grey.png", "grey.jpg", 12 },
        { "rgb16.png", "rgb16.png", 0 },   { "grey16.png", "grey16.png", 0 },
        { "rgb16.png", "rgb16.tif", 0 },   { "grey16.png", "grey16.tif", 0 },
        { "rgb16.png", "rgb16.ppm", 0 },   { "grey16.png", "grey16.pgm", 0 },
        { "float.tif", "float.tif", 0 },   { "float1.tif", "float1.tif", 0 },
        { "float.tif", "float.pfm", 0 },   { "float1.tif", "float1.pfm", 0 },
        { "rgba.png", "rgba.png", 0 },     { "rgba.png", "rgba.tif", 0 },
        { "rgba16.png", "rgba16.png", 0 }, { "rgba16.png", "rgba16.tif", 0 },
        { "la.png", "la.png", 0 },         { "la.png", "la.tif", 0 },
        { "many7.tif", "many7.tif", 0 },   { "planes6.tif", "planes6.tif", 0 },
        { "dot.png", "dot.png", 0 },       { "strip.png", "strip.tif", 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        limn_picture p, back;

        read_picture(&p, cases[i].from);
        encode(&p, (limn_encoding){ .format = limn_format_of_name(cases[i].to), .quality = 97 },
               cases[i].to);
        expect(&p, cases[i].to, cases[i].tolerance);
        assert_int_equal(limn_picture_read(&back, scratch_path(&out, cases[i].to), NULL, &error),
                         LIMN_OK);
        size_t n = (size_t)p.info.width * (size_t)p.info.height;

        assert_true(back.info.width == p.info.width && back.info.channels == p.info.channels &&
                    back.info.type == p.info.type && back.info.alpha == p.info.alpha);
        double worst = worst_difference(p.pixels, back.pixels, n * (size_t)p.info.channels,
                                        p.info.type);

        if (worst > cases[i].tolerance) fail_msg("%s: %g", cases[i].to, worst);
        if (p.alpha) assert_true(worst_difference(p.alpha, back.alpha, n, p.info.type) == 0);
        limn_picture_close(&p);
        limn_picture_close(&back);
    }
    limn_picture p;

    read_picture(&p, "rgba.png");
    encode(&p, (limn_encoding){ .format = LIMN_FORMAT_WEBP, .lossless = true }, "lossless.webp");
    /* Pixels that nobody sees may change in WebP. */
    for (int i = 0; i < p.info.width * p.info.height; i++)
        if (!((uint8_t *)p.alpha)[i]) memset((uint8_t *)p.pixels + 3 * i, 0, 3);
    expect(&p, "lossless.webp", 0);
    limn_picture_close(&p);
}

static void depths_that_a_format_lacks(void **state)
{
    limn_picture deep, shallow;

    (void)state;
    read_picture(&deep, "rgb16.png");
    assert_int_equal(
        limn_picture_make(&shallow, deep.info.width, deep.info.height, 3, LIMN_U8, false, &error),
        LIMN_OK);
    for (int i = 0; i < 3 * deep.info.width * deep.info.height; i++)
        ((uint8_t *)shallow.pixels)[i] = (uint8_t)(((uint16_t *)deep.pixels)[i] / 257.0 + 0.5);
    encode(&deep, (limn_encoding){ .format = LIMN_FORMAT_JPEG, .quality = 98 }, "shallow.jpg");
    expect(&shallow, "shallow.jpg", 24);
    limn_picture_close(&deep);
    limn_picture_close(&shallow);

    read_picture(&deep, "float.tif"); /* -0.2 to 1.3: clamped to 0..65535 */
    assert_int_equal(
        limn_picture_make(&shallow, deep.info.width, deep.info.height, 3, LIMN_U16, false, &error),
        LIMN_OK);
    for (int i = 0; i < 3 * deep.info.width * deep.info.height; i++) {
        double v = ((float *)deep.pixels)[i];

        ((uint16_t *)shallow.pixels)[i] = (uint16_t)(fmin(fmax(v, 0), 1) * 65535 + 0.5);
    }
    encode(&deep, (limn_encoding){ .format = LIMN_FORMAT_PNG }, "deep.png");
    expect(&shallow, "deep.png", 1);
    limn_picture_close(&deep);
    limn_picture_close(&shallow);
}

/* No alpha in JPEG and PPM: on white. */
static void alpha_is_laid_on_white(void **state)
{
    limn_picture p, flat;

    (void)state;
    read_picture(&p, "rgba.png");
    assert_int_equal(
        limn_picture_make(&flat, p.info.width, p.info.height, 3, LIMN_U8, false, &error), LIMN_OK);
    for (int i = 0; i < 3 * p.info.width * p.info.height; i++) {
        double a = ((uint8_t *)p.alpha)[i / 3] / 255.0;

        ((uint8_t *)flat.pixels)[i] = (uint8_t)(((uint8_t *)p.pixels)[i] * a + 255 * (1 - a) + 0.5);
    }
    encode(&p, (limn_encoding){ .format = LIMN_FORMAT_PNM }, "white.ppm");
    expect(&flat, "white.ppm", 1);
    limn_picture_close(&p);
    limn_picture_close(&flat);
}

/* A wide-gamut file goes through sRGB and comes out as it was, profile and pixels. */
static void profiles_come_back(void **state)
{
    static const char *const names[] = { "adobe.png", "adobe16.png", "adobea.png", "srgb.png",
                                         "grey_icc.png" };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        limn_picture p, again;

        read_picture(&p, names[i]);
        assert_true(p.icc.count > 100);
        encode(&p, (limn_encoding){ 0 }, names[i]); /* its own format */
        assert_int_equal(limn_picture_read(&again, scratch_path(&out, names[i]), NULL, &error),
                         LIMN_OK);
        assert_int_equal(again.icc.count, p.icc.count);
        assert_memory_equal(again.icc.bytes, p.icc.bytes, p.icc.count);
        size_t n = (size_t)p.info.width * (size_t)p.info.height * (size_t)p.info.channels;
        double worst = worst_difference(p.pixels, again.pixels, n, p.info.type), sum = 0;

        if (p.info.type == LIMN_U8)
            for (size_t k = 0; k < n; k++)
                sum += abs(((uint8_t *)p.pixels)[k] - ((uint8_t *)again.pixels)[k]);
        /* 8 bits in between: at the border of the gamut a step of the one is many of the other. */
        if (worst > (p.info.type == LIMN_U16         ? 128
                     : strncmp(names[i], "adobe", 5) ? 0
                                                     : 16) ||
            sum > 0.6 * (double)n)
            fail_msg("%s: %g, %g in the mean", names[i], worst, sum / (double)n);
        if (i == 1) { /* its pixels are those of the file, in Adobe RGB */
            expect_tag(names[i], "ICC_Profile:ProfileDescription", "wide");
            limn_picture_close(&again);
            encode(&p, (limn_encoding){ .no_icc = true }, "plain16.png");
            expect(&p, "plain16.png", 0);
            expect_tag("plain16.png", "ICC_Profile:ProfileDescription", "-");
        } else {
            limn_picture_close(&again);
        }
        limn_picture_close(&p);
    }
    /* Inks: sRGB out, and the profile, which would be wrong, is not. */
    limn_picture p;

    read_picture(&p, "inks.tif");
    encode(&p, (limn_encoding){ 0 }, "inks.tif");
    expect(&p, "inks.tif", 0);
    expect_tag("inks.tif", "ICC_Profile:ProfileDescription", "-");
    limn_picture_close(&p);
}

static void what_survives_beside_the_pixels(void **state)
{
    static const char xmp[] =
        "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF "
        "xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description rdf:about='' "
        "xmlns:dc='http://purl.org/dc/elements/1.1/' dc:source='drawing'/></rdf:RDF></x:xmpmeta>";
    static const char *const endings[] = { "jpg", "png", "webp" };

    (void)state;
    for (size_t i = 0; i < 3; i++)
        for (int gps = 0; gps < 2; gps++) {
            char from[40], to[40];
            limn_picture p;

            snprintf(from, sizeof from, "camera.%s", endings[i]);
            snprintf(to, sizeof to, "camera%d.%s", gps, endings[i]);
            read_picture(&p, from);
            encode(&p,
                   (limn_encoding){ .keep_gps = gps,
                                    .xmp = xmp,
                                    .xmp_bytes = sizeof xmp - 1,
                                    .lossless = true,
                                    .quality = 100 },
                   to);
            expect(&p, to, i ? 0 : 24);
            limn_picture_close(&p);
            expect_tag(to, "IFD0:Orientation", "Horizontal (normal)");
            expect_tag(to, "IFD0:Artist", "A. Draughtsman");
            expect_tag(to, "ExifIFD:DateTimeOriginal", "2020:02:02 02:02:02");
            expect_tag(to, "ExifIFD:ExifImageWidth", "48");
            expect_tag(to, "ExifIFD:ExifImageHeight", "64");
            expect_tag(to, "IFD1:ThumbnailImage", "-");
            expect_tag(to, "IFD1:ThumbnailOffset", "-");
            expect_tag(to, "ExifTool:Warning", "-");
            expect_tag(to, "GPS:GPSLatitudeRef", gps ? "North" : "-");
            expect_tag(to, "XMP-dc:Source", "drawing");
            expect_tag(to, "XMP-dc:Title", "-"); /* the input's XMP is not taken */
        }
    limn_picture p;

    read_picture(&p, "camera.jpg");
    encode(&p, (limn_encoding){ .no_exif = true }, "bare.jpg");
    expect_tag("bare.jpg", "IFD0:Artist", "-");
    expect_tag("bare.jpg", "ExifIFD:ExifVersion", "-"); /* libvips' own is gone too */
    expect_tag("bare.jpg", "JFIF:XResolution", "150");
    expect_tag("bare.jpg", "JFIF:YResolution", "300");
    encode(&p, (limn_encoding){ .format = LIMN_FORMAT_PNG, .no_exif = true }, "bare.png");
    expect_tag("bare.png", "IFD0:Artist", "-");
    expect_tag("bare.png", "PNG-pHYs:PixelsPerUnitX", "5906");
    /* No word of the position is left anywhere in the bytes. */
    limn_bytes file;

    assert_non_null(memmem(p.exif.bytes, p.exif.count, "N\0", 2));
    assert_int_equal(limn_picture_encode(&file, &p, &(limn_encoding){ 0 }, &error), LIMN_OK);
    static const unsigned char degrees[] = {
        0, 0, 0, 48, 0, 0, 0, 1
    }; /* 48 / 1, as the block has it */

    assert_non_null(memmem(p.exif.bytes, p.exif.count, degrees, sizeof degrees));
    assert_null(memmem(file.bytes, file.count, degrees, sizeof degrees));
    limn_block_free(file.bytes);
    limn_picture_close(&p);
}

/* EXIF damaged at random: left out or made fit, never a crash; the picture goes out. */
static void damaged_exif_does_no_harm(void **state)
{
    uint64_t random = 5;
    limn_picture p;

    (void)state;
    read_picture(&p, "camera.jpg");
    unsigned char *whole = malloc(p.exif.count);

    memcpy(whole, p.exif.bytes, p.exif.count);
    size_t count = p.exif.count;
    for (int round = 0; round < 1500; round++) {
        limn_bytes file;

        memcpy(p.exif.bytes, whole, count);
        for (int k = 0; k < 2; k++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            p.exif.bytes[(random >> 33) % (count < 300 ? count : 300)] = (unsigned char)(random >>
                                                                                         25);
        }
        p.exif.count = round % 3 ? count : 1 + (random >> 40) % count;
        p.info.width = p.info.height = 8; /* quick: the first pixels are enough */
        assert_int_equal(limn_picture_encode(&file, &p, &(limn_encoding){ 0 }, &error), LIMN_OK);
        limn_block_free(file.bytes);
    }
    free(whole);
    limn_picture_close(&p);
}

static void what_cannot_be_written_is_refused(void **state)
{
    limn_picture p, many;
    limn_bytes file;

    (void)state;
    read_picture(&p, "rgb.png");
    read_picture(&many, "many5.tif");
    assert_int_equal(
        limn_picture_encode(&file, &p, &(limn_encoding){ .format = LIMN_FORMAT_BMP }, &error),
        LIMN_SETTING);
    assert_non_null(strstr(error.text, "take PNG"));
    assert_int_equal(
        limn_picture_encode(&file, &p, &(limn_encoding){ .format = LIMN_FORMAT_GIF }, &error),
        LIMN_SETTING);
    assert_int_equal(limn_picture_encode(&file, &p, &(limn_encoding){ .quality = 101 }, &error),
                     LIMN_SETTING);
    assert_int_equal(
        limn_picture_encode(&file, &many, &(limn_encoding){ .format = LIMN_FORMAT_PNG }, &error),
        LIMN_SHAPE);
    assert_non_null(strstr(error.text, "take TIFF"));
    assert_null(file.bytes);
    /* A BMP goes out as PNG when nothing is asked for. */
    p.info.format = LIMN_FORMAT_BMP;
    assert_int_equal(limn_picture_encode(&file, &p, &(limn_encoding){ 0 }, &error), LIMN_OK);
    assert_int_equal(limn_format_of_bytes(file.bytes, file.count), LIMN_FORMAT_PNG);
    limn_block_free(file.bytes);
    limn_picture_close(&p);
    limn_picture_close(&many);
}

static void same_bytes_again_and_refusals(void **state)
{
    static const limn_format formats[] = { LIMN_FORMAT_JPEG, LIMN_FORMAT_PNG, LIMN_FORMAT_WEBP,
                                           LIMN_FORMAT_TIFF, LIMN_FORMAT_PNM };
    limn_picture p;

    (void)state;
    read_picture(&p, "rgba16.png");
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        limn_encoding how = { .format = formats[i] };
        limn_status status = LIMN_NO_MEMORY;
        limn_bytes one, two;

        assert_int_equal(limn_picture_encode(&one, &p, &how, &error), LIMN_OK);
        for (long n = 0; status; n++) {
            assert_true(n < 20);
            limn_memory_refuse_after(n);
            status = limn_picture_encode(&two, &p, &how, &error);
            limn_memory_refuse_after(-1);
            assert_true(status == LIMN_OK || status == LIMN_NO_MEMORY);
        }
        assert_int_equal(one.count, two.count);
        assert_memory_equal(one.bytes, two.bytes, one.count);
        limn_block_free(one.bytes);
        limn_block_free(two.bytes);
    }
    limn_picture_close(&p);
}

/* Last: reads all that was written. */
static void others_read_the_same(void **state)
{
    (void)state;
    fclose(tags);
    assert_int_equal(run_script("check", out.folder), 0);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_format_and_depth, stop),
        cmocka_unit_test_teardown(depths_that_a_format_lacks, stop),
        cmocka_unit_test_teardown(alpha_is_laid_on_white, stop),
        cmocka_unit_test_teardown(profiles_come_back, stop),
        cmocka_unit_test_teardown(what_survives_beside_the_pixels, stop),
        cmocka_unit_test_teardown(damaged_exif_does_no_harm, stop),
        cmocka_unit_test_teardown(what_cannot_be_written_is_refused, stop),
        cmocka_unit_test_teardown(same_bytes_again_and_refusals, stop),
        cmocka_unit_test_teardown(others_read_the_same, stop),
    };

    use_script(count, arguments, "make_pictures.py");
    return cmocka_run_group_tests(tests, start_both, stop_both);
}
