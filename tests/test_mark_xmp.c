/* SPDX-License-Identifier: Apache-2.0
 *
 * The XMP of marks: what the input had is kept where it still holds, and nothing of it can break a
 * mark. */
#include "mark_cases.h"
#include "publish/mark_xmp.h"

static void xmp_of_the_input_is_merged(void **state)
{
    (void)state;
    for (int which = 0; which < SAMPLES; which++) {
        limn_mark_description description = plain();
        limn_mark_report report;
        limn_mark_buffer file;
        limn_verification *found;
        bool inside = which != WEBP && which != WEBP_LOSSLESS; /* else handed over beside it */

        if (!inside) description.xmp = limn_mark_span_of(older, sizeof older - 1);
        for (int keep = 0; keep < 2; keep++) {
            description.keep_place = keep;
            file = marked((sample)which, inside ? older : NULL, &description, &report);
            found = verified(&file);
            assert_false(report.xmp_dropped);
            assert_string_equal(found->xmp_source_type, trained);
            assert_string_equal(found->xmp_tool, "limn 0.1.0");
            assert_true(contains(&file, "xap:Rating=\"4\""));
            assert_true(contains(&file, "t:Make=\"Maker &amp; Sons\""));
            assert_true(contains(&file, "(c) A &lt;B&gt;"));
            assert_true(contains(&file, "<i:City>Z\xc3\xbcrich</i:City>"));
            assert_true(contains(&file, "rdf:about=\"uuid:1\""));
            assert_true(contains(&file, "xml:lang=\"x-default\""));
            assert_false(contains(&file, "Some camera"));
            assert_false(contains(&file, "Orientation"));
            assert_false(contains(&file, "thumbnail"));
            assert_false(contains(&file, "digitalCapture"));
            assert_false(contains(&file, ">other<"));
            assert_int_equal(contains(&file, "52,31.0N"), keep);
            assert_int_equal(contains(&file, "13,22.0E"), keep);
            assert_int_equal(contains(&file, "408/1"), keep);
            limn_verification_close(&found);
            limn_mark_buffer_free(&file);
        }
    }
}

static void unusable_xmp_is_left_out(void **state)
{
    static const char *const unusable[] = {
        "<x:xmpmeta xmlns:x='adobe:ns:meta/'><broken></x:xmpmeta>",
        "not XML at all, and long enough",
        "<x:xmpmeta xmlns:x='adobe:ns:meta/'>no RDF</x:xmpmeta>",
        "<!DOCTYPE x [<!ENTITY a 'aaaa'>]><r:RDF "
        "xmlns:r='http://www.w3.org/1999/02/22-rdf-syntax-ns#'"
        "><r:Description r:about='&a;'/></r:RDF>",
    };

    (void)state;
    for (size_t i = 0; i < sizeof unusable / sizeof *unusable; i++) {
        for (int which = 0; which < SAMPLES; which++) {
            limn_mark_description description = plain();
            limn_mark_report report;
            limn_mark_buffer file;
            limn_verification *found;

            description.xmp = limn_mark_span_of(unusable[i], strlen(unusable[i]));
            file = marked((sample)which, NULL, &description, &report);
            found = verified(&file);
            assert_true(report.xmp_dropped);
            assert_string_equal(found->xmp_source_type, trained);
            assert_false(contains(&file, unusable[i]));
            limn_verification_close(&found);
            limn_mark_buffer_free(&file);
        }
    }
}

/* libvips writes XMP into PNG as compressed text: it must not stay beside the new packet. */
static void compressed_xmp_is_replaced(void **state)
{
    static const char chunk[] = "XML:com.adobe.xmp\0\0compressed, anyway";
    static const char *const types[] = { "zTXt", "tEXt", "iTXt" };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        limn_mark_description description = plain();
        limn_mark_buffer in = { 0 }, out = { 0 };
        limn_mark_report report;

        sample_png(&in, 16, 8, types[i], chunk, sizeof chunk - 1);
        if (i == 2) in.data[33 + 8 + 18] = 1; /* compressed iTXt; the checksum follows */
        if (i == 2) {
            uint32_t crc = sample_crc(in.data + 37, sizeof chunk - 1 + 4);

            for (size_t k = 0; k < 4; k++)
                in.data[41 + sizeof chunk - 1 + k] = (unsigned char)(crc >> (24 - 8 * k));
        }
        assert_int_equal(limn_mark(&out, limn_mark_written(&in), &description, &report, &error), 0);
        assert_true(report.xmp_dropped);
        assert_false(contains(&out, "anyway"));
        out.count = 0;
        description.xmp = limn_mark_span_of(older, sizeof older - 1);
        assert_int_equal(limn_mark(&out, limn_mark_written(&in), &description, &report, &error), 0);
        assert_false(report.xmp_dropped);
        assert_false(contains(&out, "anyway"));
        assert_true(contains(&out, "Maker &amp; Sons"));
        limn_mark_buffer_free(&in);
        limn_mark_buffer_free(&out);
    }
}

/* More than an APP1 segment can hold, which only JPEG minds. */
static void large_xmp_is_left_out_of_jpeg(void **state)
{
    limn_mark_buffer large = { 0 };

    (void)state;
    limn_mark_put_text(
        &large, "<r:RDF xmlns:r='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><r:Description "
                "r:about='' xmlns:d='urn:d#'><d:x>");
    for (int i = 0; i < 65000; i++) limn_mark_put_u8(&large, 'y');
    limn_mark_put_text(&large, "</d:x></r:Description></r:RDF>");
    for (int which = 0; which < SAMPLES; which++) {
        limn_mark_description description = plain();
        limn_mark_report report;
        limn_mark_buffer file;

        description.xmp = limn_mark_written(&large);
        file = marked((sample)which, NULL, &description, &report);
        assert_int_equal(report.xmp_dropped, which == JPEG);
        assert_int_equal(verdict_of(&file),
                         holds_manifest((sample)which) ? LIMN_VERDICT_INTACT : LIMN_VERDICT_NONE);
        limn_mark_buffer_free(&file);
    }
    limn_mark_buffer_free(&large);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(xmp_of_the_input_is_merged),
        TEST(unusable_xmp_is_left_out),
        TEST(compressed_xmp_is_replaced),
        TEST(large_xmp_is_left_out_of_jpeg),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
