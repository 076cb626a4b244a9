/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures in.  make_pictures.py makes odd files with tools that share nothing with libvips and
 * says what is in them; every one of them is read here from a path, from bytes and from a
 * descriptor. Then everything that is wrong with files: cut off at every length, words instead of
 * pixels, absurd headers, refused allocations, and broken ones read by many threads at once. */
#include "image/border.h"
#include "pictures.h"

#include <fcntl.h>
#include <sys/resource.h>

static int start(void **state)
{
    (void)state;
    error = (limn_error){ 0 };
    return 0;
}

/* True when the picture is what the .want file says; prints what is not. */
static bool as_wanted(const limn_picture *picture, const char *name, const char *bytes,
                      size_t count)
{
    const limn_picture_info *info = &picture->info;
    const wanted *want = (const void *)bytes;
    size_t n = (size_t)want->width * (size_t)want->height;
    size_t values = n * (size_t)want->channels, size = (size_t)want->bytes;
    double worst, alpha = 0;

    assert_int_equal(count, sizeof *want + (values + (want->alpha ? n : 0)) * size);
    if (info->width != want->width || info->height != want->height ||
        info->channels != want->channels || info->alpha != (want->alpha != 0) ||
        info->type != type_of_bytes(want->bytes) || info->frames != want->frames ||
        (int)info->colour != want->colour || (picture->alpha != NULL) != info->alpha) {
        print_error("%s: %d x %d, %d channels, alpha %d, %s, %d frames, colour %d\n", name,
                    info->width, info->height, info->channels, info->alpha,
                    limn_type_name(info->type), info->frames, (int)info->colour);
        return false;
    }
    worst = worst_difference(picture->pixels, bytes + sizeof *want, values, info->type);
    if (want->alpha)
        alpha = worst_difference(picture->alpha, bytes + sizeof *want + values * size, n,
                                 info->type);
    if (worst <= want->tolerance && alpha == 0) return true;
    print_error("%s: differs by %g, alpha by %g\n", name, worst, alpha);
    return false;
}

static void read_as_others_read_them(void **state)
{
    DIR *dir = opendir(folder.folder);
    int ran = 0, bad = 0;

    (void)state;
    for (struct dirent *entry; (entry = readdir(dir));) {
        char path[512], name[200];
        size_t length = strlen(entry->d_name), count, file_count;
        limn_picture from_path, from_bytes, from_descriptor;
        limn_picture_info look, look_bytes;
        int descriptor;

        if (length < 5 || strcmp(entry->d_name + length - 5, ".want")) continue;
        snprintf(name, sizeof name, "%.*s", (int)length - 5, entry->d_name);
        char *want = scratch_read(scratch_path(&folder, entry->d_name), &count);
        snprintf(path, sizeof path, "%s", scratch_path(&folder, name));
        char *file = scratch_read(path, &file_count);

        ran++;
        if (limn_picture_read(&from_path, path, NULL, &error)) {
            print_error("%s\n", error.text);
            bad++;
            free(want);
            free(file);
            continue;
        }
        bad += !as_wanted(&from_path, name, want, count);
        /* The other ways in give the same. */
        assert_int_equal(limn_picture_read_bytes(&from_bytes, file, file_count, name, NULL, &error),
                         LIMN_OK);
        bad += !as_wanted(&from_bytes, name, want, count);
        descriptor = open(path, O_RDONLY);
        assert_int_equal(
            limn_picture_read_descriptor(&from_descriptor, descriptor, name, NULL, &error),
            LIMN_OK);
        close(descriptor);
        bad += !as_wanted(&from_descriptor, name, want, count);
        assert_int_equal(limn_picture_look(&look, path, NULL, &error), LIMN_OK);
        assert_int_equal(limn_picture_look_bytes(&look_bytes, file, file_count, name, NULL, &error),
                         LIMN_OK);
        assert_memory_equal(&look, &from_path.info, sizeof look);
        assert_memory_equal(&look_bytes, &look, sizeof look);
        limn_picture_close(&from_path);
        limn_picture_close(&from_bytes);
        limn_picture_close(&from_descriptor);
        free(want);
        free(file);
    }
    closedir(dir);
    print_message("%d files\n", ran);
    assert_int_equal(bad, 0);
    assert_true(ran > 100);
}

/* No profile: the exact colours are a matter of taste, these are not. */
static void inks_without_a_profile(void **state)
{
    limn_picture p;

    (void)state;
    assert_int_equal(limn_picture_read(&p, scratch_path(&folder, "bare_inks.jpg"), NULL, &error),
                     LIMN_OK);
    assert_int_equal(p.info.channels, 3);
    assert_int_equal(p.info.colour, LIMN_COLOUR_CMYK);
    const uint8_t *row = (const uint8_t *)p.pixels + 4 * 48 * 3;
    const uint8_t *white = row + 4 * 3, *cyan = row + 12 * 3, *magenta = row + 20 * 3;
    const uint8_t *yellow = row + 28 * 3, *black = row + 36 * 3, *all = row + 44 * 3;

    assert_true(white[0] > 250 && white[1] > 250 && white[2] > 250);
    assert_true(cyan[0] < 60 && cyan[1] > 120 && cyan[2] > 180);
    assert_true(magenta[0] > 180 && magenta[1] < 60 && magenta[2] > 90);
    assert_true(yellow[0] > 220 && yellow[1] > 200 && yellow[2] < 60);
    assert_true(black[0] < 60 && black[1] < 60 && black[2] < 60);
    assert_true(all[0] < 25 && all[1] < 25 && all[2] < 25);
    limn_picture_close(&p);
}

static void what_a_camera_writes_is_kept(void **state)
{
    static const char *const names[] = { "camera.jpg", "camera.png", "camera.webp" };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        limn_picture p;

        assert_int_equal(limn_picture_read(&p, scratch_path(&folder, names[i]), NULL, &error),
                         LIMN_OK);
        assert_int_equal(p.info.width, 48);
        assert_int_equal(p.info.height, 64);
        assert_int_equal(p.info.orientation, 6);
        assert_true(p.exif.count > 100);
        assert_true(!memcmp(p.exif.bytes, "MM\0*", 4) || !memcmp(p.exif.bytes, "II*\0", 4));
        assert_non_null(memmem(p.exif.bytes, p.exif.count, "A. Draughtsman", 14));
        assert_non_null(memmem(p.xmp.bytes, p.xmp.count, "Facade", 6));
        if (i < 2) { /* 300 x 150 dots an inch, turned */
            assert_true(fabs(p.info.per_mm[0] * 25.4 - 150) < 1);
            assert_true(fabs(p.info.per_mm[1] * 25.4 - 300) < 1);
        }
        assert_true(limn_picture_bytes(&p) >= 48 * 64 * 3 + p.exif.count + p.xmp.count);
        limn_picture_close(&p);
    }
}

/* The status, and that the sentence names the file and says the word. */
static void assert_refused(const char *name, limn_status status, const char *word)
{
    char path[512];
    limn_picture p;

    snprintf(path, sizeof path, "%s", scratch_path(&folder, name));
    error = (limn_error){ 0 };
    if (limn_picture_read(&p, path, NULL, &error) != status || !strstr(error.text, word) ||
        strncmp(error.text, path, strlen(path)))
        fail_msg("%s: %d %s", name, error.status, error.text);
    assert_null(p.pixels);
    assert_null(p.icc.bytes);
}

static void broken_files_get_a_sentence(void **state)
{
    static const char *const ends[] = { "rgb.png", "rgb.jpg",       "rgb.bmp",     "rgb.ppm",
                                        "rgb.tif", "lossless.webp", "palette.gif", "runs.bmp" };
    char name[64];

    (void)state;
    assert_refused("empty.png", LIMN_FORMAT, "0 bytes");
    assert_refused("words.jpg", LIMN_FORMAT, "not a picture");
    assert_refused("table.png", LIMN_FORMAT, "not a picture");
    assert_refused("drawing.png", LIMN_FORMAT, "every decoder");
    assert_refused("signed.tif", LIMN_FORMAT, "convert it");
    assert_refused("nowhere.png", LIMN_IO, "No such file");
    assert_refused("", LIMN_IO, "folder");
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        snprintf(name, sizeof name, "cut_%s", ends[i]);
        assert_refused(name, LIMN_FORMAT, "cut off");
        snprintf(name, sizeof name, "stub_%s", ends[i]);
        assert_refused(name, LIMN_FORMAT, "cut off");
    }
}

static void absurd_sizes_are_refused_by_the_header(void **state)
{
    static const char *const names[] = { "huge.png", "huge.bmp", "huge.ppm", "huge.tif",
                                         "huge.jpg" };
    struct rusage before, after;

    (void)state;
    getrusage(RUSAGE_SELF, &before);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        limn_picture_info info;

        assert_refused(names[i], LIMN_SHAPE, "60000 x 60000 pixels");
        assert_int_equal(limn_picture_look(&info, scratch_path(&folder, names[i]), NULL, &error),
                         LIMN_SHAPE);
    }
    getrusage(RUSAGE_SELF, &after);
    assert_true(after.ru_maxrss - before.ru_maxrss < 64 << 10); /* KiB */
}

static void limits_can_be_set(void **state)
{
    const char *path = scratch_path(&folder, "rgb.png"); /* 61 x 47 */
    limn_picture p;

    (void)state;
    assert_int_equal(limn_picture_read(&p, path, &(limn_picture_limits){ .side = 60 }, &error),
                     LIMN_SHAPE);
    assert_int_equal(limn_picture_read(&p, path, &(limn_picture_limits){ .side = 61 }, &error),
                     LIMN_OK);
    limn_picture_close(&p);
    assert_int_equal(
        limn_picture_read(&p, path, &(limn_picture_limits){ .pixels = 61 * 47 - 1 }, &error),
        LIMN_SHAPE);
    assert_non_null(strstr(error.text, "in all"));
    assert_int_equal(
        limn_picture_read(&p, path, &(limn_picture_limits){ .pixels = 61 * 47 }, &error), LIMN_OK);
    limn_picture_close(&p);
    assert_int_equal(
        limn_picture_read(&p, path, &(limn_picture_limits){ .file_bytes = 99 }, &error),
        LIMN_SHAPE);
    assert_int_equal(limn_picture_read(&p, scratch_path(&folder, "many7.tif"),
                                       &(limn_picture_limits){ .channels = 6 }, &error),
                     LIMN_SHAPE);
    assert_int_equal(limn_picture_read(&p, scratch_path(&folder, "drawing.png"),
                                       &(limn_picture_limits){ .every_decoder = true }, &error),
                     LIMN_OK);
    assert_int_equal(p.info.width, 9);
    assert_int_equal(p.info.format, LIMN_FORMAT_OTHER);
    limn_picture_close(&p);
}

/* Cut at every length: an error that names the file, or (in the last bytes) the picture. */
static void cut_at_every_length(void **state)
{
    static const char *const names[] = { "dot.png",   "grey.jpg",    "dot.bmp",   "runs4.bmp",
                                         "ascii.ppm", "four.pgm",    "rgba.webp", "clear.png",
                                         "dot.tif",   "palette.gif", "float1.tif" };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t count;
        char *bytes = scratch_read(scratch_path(&folder, names[i]), &count);
        size_t step = count > 600 ? count / 300 : 1;

        for (size_t cut = 0; cut < count; cut += step) {
            char *copy = malloc(cut ? cut : 1); /* so that reading past the end is seen */
            limn_picture p;

            memcpy(copy, bytes, cut);
            error = (limn_error){ 0 };
            if (limn_picture_read_bytes(&p, copy, cut, "cut", NULL, &error))
                assert_int_equal(strncmp(error.text, "cut: ", 5), 0);
            limn_picture_close(&p);
            free(copy);
        }
        free(bytes);
    }
}

/* Bytes changed at random: anything but a crash, a hang or a leak. */
static void changed_at_random(void **state)
{
    static const char *const names[] = { "runs4.bmp",   "rgba.bmp",   "palette.bmp", "565.bmp",
                                         "four.pgm",    "camera.jpg", "rgba16.png",  "many5.tif",
                                         "planes5.tif", "planes3.tif" };
    uint64_t random = 1;

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t count, head;
        char *bytes = scratch_read(scratch_path(&folder, names[i]), &count);
        char *copy = malloc(count);

        head = count < 200 ? count : 200;
        for (int round = 0; round < 300; round++) {
            limn_picture p;

            memcpy(copy, bytes, count);
            for (int k = 0; k < 3; k++) {
                random = random * 6364136223846793005u + 1442695040888963407u;
                copy[(random >> 33) % (k ? count : head)] = (char)(random >> 24);
            }
            limn_picture_read_bytes(&p, copy, count, "changed",
                                    &(limn_picture_limits){ .side = 2000 }, &error);
            limn_picture_close(&p);
        }
        free(copy);
        free(bytes);
    }
}

static void refused_allocations(void **state)
{
    static const char *const names[] = { "rgba16.png", "camera.jpg", "rgba.bmp", "inks.tif",
                                         "planes2.tif" };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *path = scratch_path(&folder, names[i]);
        limn_status status = LIMN_NO_MEMORY;

        for (long n = 0; status; n++) {
            limn_picture p;

            assert_true(n < 50);
            error = (limn_error){ 0 };
            limn_memory_refuse_after(n);
            status = limn_picture_read(&p, path, NULL, &error);
            limn_memory_refuse_after(-1);
            assert_true(status == LIMN_OK ? n > 1 : status == LIMN_NO_MEMORY);
            if (status) assert_non_null(strstr(error.text, "memory"));
            limn_picture_close(&p);
            assert_int_equal(limn_memory_live_blocks(), 0);
        }
    }
}

/* Whole and broken pictures, read again and again, leave not one byte and not one object with
 * libvips.  Its threads put their buffers down a moment after the last line has come, on a busy
 * machine a good while after it: that is waited for, and only a leak waits to the end. */
static void nothing_is_left_in_libvips(void **state)
{
    static const char *const names[] = { "rgba16.png", "camera.jpg", "cut_rgb.tif", "cut_rgb.png",
                                         "inks.jpg",   "moving.gif", "huge.jpg",    "cut_rgb.jpg" };

    (void)state;
    for (int round = 0; round < 3; round++) {
        for (int k = 0; k < 20; k++)
            for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
                limn_picture p;

                (void)limn_picture_read(&p, scratch_path(&folder, names[i]), NULL, &error);
                limn_picture_close(&p);
            }
        for (int wait = 0; wait < 60 * 1000; wait++, usleep(1000))
            if (!limn_vips_live_bytes() && !limn_vips_live_objects()) break;
        assert_int_equal(limn_vips_live_bytes(), 0);
        assert_int_equal(limn_vips_live_objects(), 0);
    }
}

/* Two broken files of different kinds, by four threads: nobody's message has another's words. */
enum { READERS = 4, ROUNDS = 60 };

static void read_broken(void *context)
{
    int me = (int)(intptr_t)context % 2, *bad = NULL;
    const char *name = me ? "cut_rgb.png" : "cut_rgb.tif", *others = me ? "tiff" : "png";
    static int failures;
    char path[512];

    bad = &failures;
    snprintf(path, sizeof path, "%s/%s", folder.folder, name);
    for (int i = 0; i < ROUNDS; i++) {
        limn_error mine = { 0 };
        limn_picture p;
        const char *said;

        if (limn_picture_read(&p, path, NULL, &mine) != LIMN_FORMAT ||
            !(said = strstr(mine.text, "(libvips: ")) || strcasestr(said, others)) {
            print_error("%s\n", mine.text);
            __atomic_add_fetch(bad, 1, __ATOMIC_SEQ_CST);
        }
    }
    if (__atomic_load_n(bad, __ATOMIC_SEQ_CST)) abort();
}

static void messages_do_not_mix(void **state)
{
    limn_worker *workers[READERS];

    (void)state;
    for (intptr_t i = 0; i < READERS; i++)
        assert_int_equal(limn_worker_start(&workers[i], read_broken, (void *)i, &error), LIMN_OK);
    for (int i = 0; i < READERS; i++) limn_worker_join(&workers[i]);
}

static void formats_by_name_and_by_bytes(void **state)
{
    (void)state;
    assert_int_equal(limn_format_of_name("a/b.c/PHOTO.JPG"), LIMN_FORMAT_JPEG);
    assert_int_equal(limn_format_of_name("x.tiff"), LIMN_FORMAT_TIFF);
    assert_int_equal(limn_format_of_name("png"), LIMN_FORMAT_PNG);
    assert_int_equal(limn_format_of_name("x.pn"), LIMN_FORMAT_NONE);
    assert_int_equal(limn_format_of_name("x."), LIMN_FORMAT_NONE);
    assert_int_equal(limn_format_of_name(""), LIMN_FORMAT_NONE);
    assert_int_equal(limn_format_of_name("a.png/file"), LIMN_FORMAT_NONE);
    assert_int_equal(limn_format_of_bytes("\xff\xd8\xff\xe0", 4), LIMN_FORMAT_JPEG);
    assert_int_equal(limn_format_of_bytes("BM and other words of a text", 28), LIMN_FORMAT_NONE);
    assert_int_equal(limn_format_of_bytes("P6 1 1 255", 10), LIMN_FORMAT_PNM);
    assert_int_equal(limn_format_of_bytes("", 0), LIMN_FORMAT_NONE);
    assert_true(limn_format_about(LIMN_FORMAT_TIFF)->holds_float);
    assert_false(limn_format_about(LIMN_FORMAT_BMP)->writable);
}

/* All 256 and all 65536 values to float and back. */
static void every_value_survives(void **state)
{
    (void)state;
    for (int deep = 0; deep < 2; deep++) {
        int side = deep ? 256 : 16;
        limn_picture p, back;
        float *planes = malloc((size_t)side * (size_t)side * sizeof *planes);

        assert_int_equal(
            limn_picture_make(&p, side, side, 1, deep ? LIMN_U16 : LIMN_U8, false, &error),
            LIMN_OK);
        for (int i = 0; i < side * side; i++)
            if (deep)
                ((uint16_t *)p.pixels)[i] = (uint16_t)i;
            else
                ((uint8_t *)p.pixels)[i] = (uint8_t)i;
        assert_int_equal(limn_picture_to_planes(&p, 1, planes, &error), LIMN_OK);
        assert_true(planes[0] == -1 && planes[side * side - 1] == 1);
        for (int i = 0; i < side * side; i++)
            assert_true(fabs(planes[i] - (i / (deep ? 32767.5 : 127.5) - 1)) < 1e-7);
        assert_int_equal(
            limn_picture_from_planes(&back, planes, 1, side, side, p.info.type, NULL, &error),
            LIMN_OK);
        assert_memory_equal(back.pixels, p.pixels, (size_t)side * (size_t)side * (deep ? 2 : 1));
        limn_picture_close(&p);
        limn_picture_close(&back);
        free(planes);
    }
}

static void planes_are_clamped_and_channels_fit(void **state)
{
    static const float planes[] = { -3, NAN, INFINITY, -INFINITY, 0.1f, 1.01f };
    static const uint8_t eight[] = { 0, 0, 255, 0, 140, 255 };
    float out[6], low, high;
    limn_picture p, original;

    (void)state;
    assert_int_equal(limn_picture_from_planes(&p, planes, 1, 2, 3, LIMN_U8, NULL, &error), LIMN_OK);
    assert_memory_equal(p.pixels, eight, 6);
    assert_int_equal(limn_picture_to_planes(&p, 2, (float[12]){ 0 }, &error),
                     LIMN_OK); /* repeated */
    limn_picture_close(&p);

    /* Colour to grey by luma, grey to colour, and what does not fit. */
    assert_int_equal(limn_picture_make(&p, 2, 1, 3, LIMN_U8, false, &error), LIMN_OK);
    memcpy(p.pixels, (uint8_t[]){ 255, 0, 0, 10, 200, 90 }, 6);
    assert_int_equal(limn_picture_to_planes(&p, 1, out, &error), LIMN_OK);
    assert_true(fabs(out[0] - (2 * 0.299 - 1)) < 1e-6);
    assert_true(fabs(out[1] - ((0.299 * 10 + 0.587 * 200 + 0.114 * 90) / 127.5 - 1)) < 1e-6);
    assert_int_equal(limn_picture_to_planes(&p, 3, out, &error), LIMN_OK);
    assert_true(out[0] == 1 && out[2] == -1 && out[4] == -1); /* planes, not pixels */
    assert_int_equal(limn_picture_to_planes(&p, 4, out, &error), LIMN_SHAPE);
    limn_picture_range(&p, &low, &high);
    assert_true(low == 0 && high == 1);
    limn_picture_close(&p);

    /* Alpha and the rest of the original come along, at the new depth. */
    assert_int_equal(
        limn_picture_read(&original, scratch_path(&folder, "rgba16.png"), NULL, &error), LIMN_OK);
    size_t n = (size_t)original.info.width * (size_t)original.info.height;
    float *grey = calloc(n, sizeof *grey);

    assert_int_equal(limn_picture_from_planes(&p, grey, 1, original.info.height,
                                              original.info.width, LIMN_U8, &original, &error),
                     LIMN_OK);
    assert_int_equal(p.info.format, LIMN_FORMAT_PNG);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(((uint8_t *)p.alpha)[i],
                         (((uint16_t *)original.alpha)[i] * 2 + 257) / 514); /* rounded v / 257 */
    limn_picture_close(&p);
    /* Another size: the alpha cannot fit and is left. */
    assert_int_equal(limn_picture_from_planes(&p, grey, 1, 2, 2, LIMN_U8, &original, &error),
                     LIMN_OK);
    assert_null(p.alpha);
    limn_picture_close(&p);
    limn_picture_close(&original);
    free(grey);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(read_as_others_read_them, start, stop),
        cmocka_unit_test_setup_teardown(inks_without_a_profile, start, stop),
        cmocka_unit_test_setup_teardown(what_a_camera_writes_is_kept, start, stop),
        cmocka_unit_test_setup_teardown(broken_files_get_a_sentence, start, stop),
        cmocka_unit_test_setup_teardown(absurd_sizes_are_refused_by_the_header, start, stop),
        cmocka_unit_test_setup_teardown(limits_can_be_set, start, stop),
        cmocka_unit_test_setup_teardown(cut_at_every_length, start, stop),
        cmocka_unit_test_setup_teardown(changed_at_random, start, stop),
        cmocka_unit_test_setup_teardown(refused_allocations, start, stop),
        cmocka_unit_test_setup_teardown(nothing_is_left_in_libvips, start, stop),
        cmocka_unit_test_setup_teardown(messages_do_not_mix, start, stop),
        cmocka_unit_test_setup_teardown(formats_by_name_and_by_bytes, start, stop),
        cmocka_unit_test_setup_teardown(every_value_survives, start, stop),
        cmocka_unit_test_setup_teardown(planes_are_clamped_and_channels_fit, start, stop),
    };

    use_script(count, arguments, "make_pictures.py");
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
