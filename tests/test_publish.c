/* SPDX-License-Identifier: Apache-2.0
 *
 * The one door out: what is refused leaves nothing behind, what passes is marked, and every refused
 * block or file operation ends with an error and no file.  The refusal is tested with
 * microaneurysms, a CC0 picture of the back of an eye that fools both classifiers. */
#include "each_folder.h"
#include "publish/publish.h"
#include "publish/verify.h"
#include "screening_pictures.h"

static const char HASH[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static limn_publisher *publisher;
static float *cat, *eye;

static int start_all(void **state)
{
    limn_publisher_settings settings = { .compute = LIMN_COMPUTE_FP32 };
    (void)state;
    cat = seen_planes("chelsea_cat");
    eye = seen_planes("microaneurysms");
    if (limn_publisher_open(&publisher, &settings, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return -1;
    }
    return 0;
}

static int stop_all(void **state)
{
    (void)state;
    limn_publisher_close(&publisher);
    assert_int_equal(limn_memory_live_blocks(), 0);
    free(cat);
    free(eye);
    return 0;
}

static limn_generated of(const float *planes)
{
    return (limn_generated){ .name = "a/house.png",
                             .planes = planes,
                             .channels = 3,
                             .height = SEEN_SIDE,
                             .width = SEEN_SIDE,
                             .type = LIMN_U8,
                             .origin = { .model_sha256 = HASH } };
}

static limn_status publish(const float *planes, const char *name, limn_published *report)
{
    limn_generated generated = of(planes);
    limn_target target = { .path = scratch_path(&folder, name) };

    return limn_publish(publisher, &generated, &target, report, &error);
}

static void test_refused_leaves_nothing(void **state)
{
    limn_generated generated = of(eye);
    limn_published report;
    limn_cleared *cleared = (limn_cleared *)(uintptr_t)1;
    limn_bytes memory = { (unsigned char *)(uintptr_t)1, 5 };
    limn_target target = { .memory = &memory, .format = LIMN_FORMAT_PNG };

    (void)state;
    assert_int_equal(publish(eye, "x.png", &report), LIMN_REFUSED_PICTURE);
    assert_int_equal(limn_status_exit_code(error.status), 3);
    assert_non_null(strstr(error.text, "a/house.png: refused: the output"));
    assert_non_null(strstr(error.text, "score 0.76"));
    assert_true(report.verdict.refused);
    assert_int_equal(scratch_entries(folder.folder), 0);
    /* Into memory, and half way. */
    assert_int_equal(limn_publish(publisher, &generated, &target, NULL, &error),
                     LIMN_REFUSED_PICTURE);
    assert_null(memory.bytes);
    assert_int_equal(memory.count, 0);
    assert_int_equal(limn_publish_clear(&cleared, publisher, &generated, NULL, &error),
                     LIMN_REFUSED_PICTURE);
    assert_null(cleared);
}

/* Alpha that shows what the colours alone do not. */
static void test_alpha_is_looked_at(void **state)
{
    limn_picture picture;
    limn_generated generated = { .name = "through", .picture = &picture };
    limn_cleared *cleared;
    unsigned char *bytes = seen_bytes("microaneurysms");

    (void)state;
    assert_false(limn_picture_make(&picture, SEEN_SIDE, SEEN_SIDE, 3, LIMN_U8, true, &error));
    memcpy(picture.pixels, bytes, SEEN_BYTES);
    memset(picture.alpha, 255, SEEN_PIXELS);
    assert_int_equal(limn_publish_clear(&cleared, publisher, &generated, NULL, &error),
                     LIMN_REFUSED_PICTURE);
    /* Flat black with the picture in the alpha plane: on white it can be seen. */
    memset(picture.pixels, 0, SEEN_BYTES);
    for (size_t i = 0; i < SEEN_PIXELS; i++)
        ((unsigned char *)picture.alpha)[i] = (unsigned char)(255 - bytes[3 * i + 1]);
    assert_int_equal(limn_publish_clear(&cleared, publisher, &generated, NULL, &error),
                     LIMN_REFUSED_PICTURE);
    memset(picture.alpha, 255, SEEN_PIXELS); /* the same colours without it: flat black */
    assert_false(limn_publish_clear(&cleared, publisher, &generated, NULL, &error));
    limn_cleared_close(&cleared);
    limn_picture_close(&picture);
    free(bytes);
}

static void test_marks(void **state)
{
    static const struct {
        const char *name, *format;
        bool signs;
    } files[] = { { "a.png", "PNG", true },
                  { "a.jpg", "JPEG", true },
                  { "a.webp", "WebP", false },
                  { "a.TIF", "TIFF", false } };
    char software[40];

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        limn_published report;
        limn_verification *v;
        limn_picture back;

        if (publish(cat, files[i].name, &report)) fail_msg("%s: %s", files[i].name, error.text);
        assert_int_equal(report.signed_manifest, files[i].signs);
        assert_int_equal(scratch_entries(folder.folder), i + 1);
        if (limn_verify_file(&v, folder.path, NULL, &error)) fail_msg("%s", error.text);
        assert_string_equal(v->format, files[i].format);
        assert_int_equal(v->verdict, files[i].signs ? LIMN_VERDICT_INTACT : LIMN_VERDICT_NONE);
        assert_non_null(v->xmp_source_type);
        assert_string_equal(strrchr(v->xmp_source_type, '/'), "/trainedAlgorithmicMedia");
        snprintf(software, sizeof software, "%.4s", v->xmp_tool);
        assert_string_equal(software, "limn");
        assert_non_null(strstr(v->xmp_model, HASH));
        limn_verification_close(&v);
        if (limn_picture_read(&back, folder.path, NULL, &error)) fail_msg("%s", error.text);
        assert_int_equal(back.info.width, SEEN_SIDE);
        assert_int_equal(back.info.type, LIMN_U8);
        limn_picture_close(&back);
    }
}

static void test_pixels_are_those_given(void **state)
{
    unsigned char *bytes = seen_bytes("chelsea_cat");
    limn_picture back;

    (void)state;
    assert_false(publish(cat, "a.png", NULL));
    assert_false(limn_picture_read(&back, folder.path, NULL, &error));
    assert_memory_equal(back.pixels, bytes, SEEN_BYTES);
    limn_picture_close(&back);
    free(bytes);
}

static void test_formats_without_marks(void **state)
{
    static const char *const names[] = { "a.ppm", "a.bmp", "a.gif", "a.pfm" };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(publish(cat, names[i], NULL), LIMN_SETTING);
        assert_non_null(strstr(error.text, "cannot carry marks"));
        assert_int_equal(scratch_entries(folder.folder), 0);
    }
}

/* The nth block is refused, for every n until it works. */
static void test_memory_faults(void **state)
{
    long n = 0;

    (void)state;
    for (;; n++) {
        limn_status status;

        limn_memory_refuse_after(n);
        status = publish(cat, "a.jpg", NULL);
        limn_memory_refuse_after(-1);
        assert_int_equal(limn_memory_live_blocks(), blocks);
        if (!status) break;
        assert_int_equal(status, LIMN_NO_MEMORY);
        assert_int_equal(scratch_entries(folder.folder), 0);
    }
    assert_true(n > 5); /* there were blocks to refuse */
    assert_int_equal(scratch_entries(folder.folder), 1);
}

/* The same for the disk: nothing, or the whole file (the folder's own flush comes last). */
static void test_disk_faults(void **state)
{
    long n = 0;

    (void)state;
    for (;; n++) {
        limn_status status;

        limn_file_fail_after(n);
        status = publish(cat, "a.png", NULL);
        limn_file_fail_after(-1);
        if (!status) break;
        assert_int_equal(status, LIMN_IO);
        if (scratch_entries(folder.folder)) {
            limn_verification *v;

            assert_int_equal(scratch_entries(folder.folder), 1);
            assert_false(limn_verify_file(&v, scratch_path(&folder, "a.png"), NULL, &error));
            assert_int_equal(v->verdict, LIMN_VERDICT_INTACT);
            limn_verification_close(&v);
            unlink(folder.path);
        }
    }
    assert_in_range(n, 4, 12); /* create, write, flush, rename ... */
}

static void test_vanished_folder(void **state)
{
    (void)state;
    assert_int_equal(publish(cat, "gone/a.png", NULL), LIMN_IO);
    assert_non_null(strstr(error.text, "gone/a.png"));
}

/* Grey of the cross in the middle of a cell, or the picture. */
static const unsigned char *at(const limn_picture *sheet, int x, int y)
{
    return (const unsigned char *)sheet->pixels +
           3 * ((size_t)y * (size_t)sheet->info.width + (size_t)x);
}

static void test_sheet(void **state)
{
    enum { GAP = 8, SIDE = 256, IN = (SIDE - SEEN_SIDE) / 2 };
    limn_cell cells[6] = { { NULL, cat, 3, SEEN_SIDE, SEEN_SIDE },
                           { NULL, eye, 3, SEEN_SIDE, SEEN_SIDE },
                           { 0 },
                           { 0 },
                           { NULL, cat, 3, SEEN_SIDE, SEEN_SIDE },
                           { NULL, cat, 1, SEEN_SIDE, SEEN_SIDE } };
    limn_sheet sheet = { .name = "sheet", .cells = cells, .rows = 2, .columns = 3 };
    limn_target target = { .path = scratch_path(&folder, "sheet.png") };
    unsigned char *bytes = seen_bytes("chelsea_cat");
    limn_verification *v;
    limn_picture back;
    int refused = 9;

    (void)state;
    if (limn_publish_sheet(publisher, &sheet, &target, &refused, NULL, &error))
        fail_msg("%s", error.text);
    assert_int_equal(refused, 1);
    assert_false(limn_picture_read(&back, target.path, NULL, &error));
    assert_int_equal(back.info.width, GAP + 3 * (SIDE + GAP));
    assert_int_equal(back.info.height, GAP + 2 * (SIDE + GAP));
    assert_int_equal(at(&back, 2, 2)[0], 255);
    for (int y = 0; y < SEEN_SIDE; y += 13)
        for (int x = 0; x < SEEN_SIDE; x += 17) {
            const unsigned char *p = at(&back, GAP + IN + x, GAP + IN + y), *q;

            assert_memory_equal(p, bytes + 3 * (y * SEEN_SIDE + x), 3);
            q = at(&back, 2 * GAP + SIDE + IN + x, GAP + IN + y); /* nothing of the refused one */
            assert_true(q[0] == q[1] && q[1] == q[2] && (q[0] == 208 || q[0] == 144));
            q = at(&back, 3 * GAP + 2 * SIDE + IN + x, 2 * GAP + SIDE + IN + y); /* grey: red */
            assert_true(q[0] == q[1] && q[0] == bytes[3 * (y * SEEN_SIDE + x)]);
        }
    limn_picture_close(&back);
    assert_false(limn_verify_file(&v, target.path, NULL, &error));
    assert_int_equal(v->verdict, LIMN_VERDICT_INTACT);
    assert_string_equal(strrchr(v->source_type, '/'), "/compositeWithTrainedAlgorithmicMedia");
    limn_verification_close(&v);
    /* A sheet of nothing but refused cells is refused. */
    unlink(target.path);
    sheet = (limn_sheet){ .name = "all", .cells = cells + 1, .rows = 1, .columns = 2 };
    assert_int_equal(limn_publish_sheet(publisher, &sheet, &target, &refused, NULL, &error),
                     LIMN_REFUSED_PICTURE);
    assert_int_equal(refused, 1);
    assert_int_equal(scratch_entries(folder.folder), 0);
    free(bytes);
}

static void test_sheet_memory_faults(void **state)
{
    limn_cell cells[2] = { { NULL, cat, 3, SEEN_SIDE, SEEN_SIDE },
                           { NULL, cat, 2, SEEN_SIDE, SEEN_SIDE } };
    limn_sheet sheet = { .name = "sheet", .cells = cells, .rows = 1, .columns = 2, .side = 64 };
    limn_target target = { .path = scratch_path(&folder, "sheet.png") };
    long n = 0;

    (void)state;
    for (;; n++) {
        limn_status status;

        limn_memory_refuse_after(n);
        status = limn_publish_sheet(publisher, &sheet, &target, NULL, NULL, &error);
        limn_memory_refuse_after(-1);
        assert_int_equal(limn_memory_live_blocks(), blocks);
        if (!status) break;
        assert_int_equal(status, LIMN_NO_MEMORY);
        assert_int_equal(scratch_entries(folder.folder), 0);
    }
    assert_true(n > 5);
}

int main(int argc, char **argv)
{
    static char path[500];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_refused_leaves_nothing, start, stop),
        cmocka_unit_test_setup_teardown(test_alpha_is_looked_at, start, stop),
        cmocka_unit_test_setup_teardown(test_marks, start, stop),
        cmocka_unit_test_setup_teardown(test_pixels_are_those_given, start, stop),
        cmocka_unit_test_setup_teardown(test_formats_without_marks, start, stop),
        cmocka_unit_test_setup_teardown(test_memory_faults, start, stop),
        cmocka_unit_test_setup_teardown(test_disk_faults, start, stop),
        cmocka_unit_test_setup_teardown(test_vanished_folder, start, stop),
        cmocka_unit_test_setup_teardown(test_sheet, start, stop),
        cmocka_unit_test_setup_teardown(test_sheet_memory_faults, start, stop),
    };

    snprintf(path, sizeof path, "%s/tests/screening/", argc > 1 ? argv[1] : ".");
    screening_folder = path;
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
