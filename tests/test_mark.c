/* SPDX-License-Identifier: Apache-2.0
 *
 * Marks: what is written is what is read, in every format; nothing can be changed without being
 * noticed; no refused allocation leaves anything behind.  That other programs agree is the business
 * of check_provenance.sh. */
#include "mark_cases.h"
#include "publish/mark_container.h"

/* ---- Written and read ------------------------------------------------------------------------ */

static void every_format_says_its_source(void **state)
{
    static const char *const names[SAMPLES] = { "PNG",  "PNG",  "JPEG", "WebP", "WebP",
                                                "TIFF", "TIFF", "TIFF", "TIFF" };

    (void)state;
    for (int which = 0; which < SAMPLES; which++) {
        limn_mark_description description = plain();
        limn_mark_report report;
        limn_mark_buffer file;
        limn_verification *found;

        if (which & 1) description.source = LIMN_MARK_COMPOSITE;
        file = marked((sample)which, NULL, &description, &report);
        found = verified(&file);
        assert_string_equal(found->format, names[which]);
        assert_string_equal(found->xmp_source_type, which & 1 ? composite : trained);
        assert_string_equal(found->xmp_tool, "limn 0.1.0");
        assert_string_equal(found->xmp_model, model);
        assert_false(report.xmp_dropped);
        assert_int_equal(report.signed_manifest, holds_manifest((sample)which));
        assert_int_equal(found->verdict,
                         holds_manifest((sample)which) ? LIMN_VERDICT_INTACT : LIMN_VERDICT_NONE);
        if (holds_manifest((sample)which)) {
            assert_string_equal(found->source_type, which & 1 ? composite : trained);
            assert_string_equal(found->action, "c2pa.created");
            assert_string_equal(found->generator, "limn 0.1.0");
            assert_string_equal(found->algorithm, "ES256");
            assert_int_equal(found->binding, LIMN_SEAL_GOOD);
            assert_int_equal(found->assertions, LIMN_SEAL_GOOD);
            assert_int_equal(found->signature, LIMN_SEAL_GOOD);
            assert_int_equal(found->trust, LIMN_TRUST_UNASKED);
            assert_true(found->self_made);
            assert_int_equal(found->manifests, 1);
        }
        limn_verification_close(&found);
        assert_null(found);
        limn_mark_buffer_free(&file);
    }
}

static void without_marks_is_none(void **state)
{
    (void)state;
    for (int which = 0; which < SAMPLES; which++) {
        limn_mark_buffer file = { 0 };
        limn_verification *found;

        put_sample(&file, (sample)which, NULL);
        found = verified(&file);
        assert_int_equal(found->verdict, LIMN_VERDICT_NONE);
        assert_string_equal(found->sentence, "none: no C2PA manifest, and no source type in XMP");
        assert_null(found->xmp_source_type);
        limn_verification_close(&found);
        limn_mark_buffer_free(&file);
    }
}

/* The picture's own bytes are those that went in. */
static void the_picture_is_untouched(void **state)
{
    limn_mark_description description = plain();
    limn_mark_buffer in = { 0 }, file;

    (void)state;
    put_sample(&in, PNG8, NULL);
    file = marked(PNG8, NULL, &description, NULL);
    assert_memory_equal(file.data, in.data, 33);
    assert_memory_equal(file.data + 33 + 4, "caBX", 4);
    assert_memory_equal(file.data + file.count - (in.count - 33), in.data + 33, in.count - 33);
    limn_mark_buffer_free(&in);
    limn_mark_buffer_free(&file);

    file = marked(JPEG, NULL, &description, NULL);
    assert_memory_equal(file.data, sample_jpeg, 20); /* SOI and JFIF stay in front */
    assert_memory_equal(file.data + file.count - (sizeof sample_jpeg - 20), sample_jpeg + 20,
                        sizeof sample_jpeg - 20);
    limn_mark_buffer_free(&file);

    /* WebP in the simple form gets a head that says its size and its alpha. */
    file = marked(WEBP_LOSSLESS, NULL, &description, NULL);
    assert_memory_equal(file.data + 12, "VP8X\x0a\0\0\0\x14\0\0\0\x07\0\0\x07\0\0", 18);
    assert_int_equal(file.data[4] | file.data[5] << 8, file.count - 8);
    limn_mark_buffer_free(&file);
    file = marked(WEBP, NULL, &description, NULL);
    assert_memory_equal(file.data + 12, "VP8X\x0a\0\0\0\x04\0\0\0\x07\0\0\x07\0\0", 18);
    limn_mark_buffer_free(&file);
}

/* Marking again replaces both marks; nothing of the first is left, and nothing grows. */
static void marked_again_is_marked_once(void **state)
{
    (void)state;
    for (int which = 0; which < SAMPLES; which++) {
        limn_mark_description description = plain();
        limn_mark_buffer file, next = { 0 };
        limn_verification *found;
        size_t length = 0;

        description.software = "another";
        file = marked((sample)which, NULL, &description, NULL);
        description = plain();
        for (int i = 0; i < 3; i++) {
            assert_int_equal(limn_mark(&next, limn_mark_written(&file), &description, NULL, &error),
                             0);
            limn_mark_buffer_free(&file);
            file = next;
            next = (limn_mark_buffer){ 0 };
            found = verified(&file);
            assert_int_equal(found->verdict, holds_manifest((sample)which) ? LIMN_VERDICT_INTACT
                                                                           : LIMN_VERDICT_NONE);
            assert_string_equal(found->xmp_tool, "limn 0.1.0");
            assert_false(contains(&file, "another"));
            limn_verification_close(&found);
            /* TIFF keeps the bytes of older directories. */
            if (i == 2 && which < TIFF_II) assert_int_equal(file.count, length);
            length = file.count;
        }
        limn_mark_buffer_free(&file);
    }
}

/* Prefixes declared outside of rdf:RDF, one of them twice, hold inside of what is written. */
static void outer_namespaces_are_kept(void **state)
{
    static const char packet[] =
        "<a xmlns:p='urn:1#' xmlns:q='urn:\"q&quot;#'><b xmlns:p='urn:2#'><r:RDF "
        "xmlns:r='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><r:Description r:about='' "
        "p:x='1' q:y='2'/></r:RDF></b></a>";
    limn_mark_description description = plain();
    limn_mark_report report;
    limn_mark_buffer file;

    (void)state;
    description.xmp = limn_mark_span_of(packet, sizeof packet - 1);
    file = marked(PNG8, NULL, &description, &report);
    assert_false(report.xmp_dropped);
    assert_true(contains(&file, "xmlns:p=\"urn:2#\""));
    assert_false(contains(&file, "urn:1#"));
    assert_true(contains(&file, "xmlns:q=\"urn:&quot;q&quot;#\""));
    assert_true(contains(&file, "p:x=\"1\" q:y=\"2\""));
    limn_mark_buffer_free(&file);
}

static void long_manifests_are_split_in_jpeg(void **state)
{
    /* around the most that one segment, and two, can hold */
    static const size_t titles[] = { 62000, 63000, 63500, 64000, 128500, 129000, 1 << 20 };
    static char title[(1 << 20) + 1];

    (void)state;
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++) {
        for (int which = PNG8; which <= JPEG; which += JPEG - PNG8) {
            limn_mark_description description = plain();
            limn_mark_buffer file;
            limn_verification *found;

            memset(title, 'x', titles[i]);
            title[titles[i]] = 0;
            description.title = title;
            file = marked((sample)which, NULL, &description, NULL);
            found = verified(&file);
            assert_int_equal(found->verdict, LIMN_VERDICT_INTACT);
            assert_true(strlen(found->title) < 300);
            limn_verification_close(&found);
            if (which == JPEG && titles[i] > 128000) {
                /* the second segment's copy of the box's header is compared with the first */
                size_t at = 0, met = 0;

                for (; at + 20 < file.count && met < 2; at++)
                    met += file.data[at] == 0xff && file.data[at + 1] == 0xeb &&
                           !memcmp(file.data + at + 4, "JP", 2);
                file.data[at - 1 + 12 + 3] ^= 1;
                found = verified(&file);
                assert_int_equal(found->verdict, LIMN_VERDICT_BROKEN);
                limn_verification_close(&found);
            }
            limn_mark_buffer_free(&file);
        }
    }
}

/* ---- Changed afterwards ---------------------------------------------------------------------- */

/* One bit of every byte, a different one each time.  In JPEG two bytes may change: the number that
 * tells several boxes of a file apart says nothing where there is one. */
static void one_changed_bit_breaks_it(void **state)
{
    (void)state;
    for (int which = PNG8; which <= JPEG; which += JPEG - PNG8) {
        limn_mark_description description = plain();
        limn_mark_buffer file = marked((sample)which, NULL, &description, NULL);
        int unnoticed = 0, unmarked = 0;

        for (size_t at = 0; at < file.count; at++) {
            limn_verdict verdict;

            file.data[at] ^= (unsigned char)(1 << at % 8);
            verdict = verdict_of(&file);
            unnoticed += verdict == LIMN_VERDICT_INTACT;
            unmarked += verdict == LIMN_VERDICT_NONE;
            file.data[at] ^= (unsigned char)(1 << at % 8);
        }
        assert_int_equal(unnoticed, which == JPEG ? 2 : 0);
        assert_int_equal(unmarked, 0);
        limn_mark_buffer_free(&file);
    }
}

static void a_cut_file_is_broken(void **state)
{
    (void)state;
    for (int which = PNG8; which <= JPEG; which += JPEG - PNG8) {
        limn_mark_description description = plain();
        limn_mark_buffer file = marked((sample)which, NULL, &description, NULL);
        size_t whole = file.count;

        for (file.count = 0; file.count < whole; file.count += 1 + file.count / 97)
            assert_int_equal(verdict_of(&file), LIMN_VERDICT_BROKEN);
        file.count = whole;
        assert_int_equal(verdict_of(&file), LIMN_VERDICT_INTACT);
        limn_mark_put_u8(&file, 0);
        assert_int_equal(verdict_of(&file), LIMN_VERDICT_BROKEN);
        limn_mark_buffer_free(&file);
    }
}

static void a_stripped_manifest_is_none(void **state)
{
    limn_mark_description description = plain();
    limn_mark_buffer file = marked(PNG8, NULL, &description, NULL), bare = { 0 };
    limn_verification *found;
    size_t chunk = limn_mark_u32(file.data + 33) + 12;

    (void)state;
    limn_mark_put(&bare, file.data, 33);
    limn_mark_put(&bare, file.data + 33 + chunk, file.count - 33 - chunk);
    found = verified(&bare);
    assert_int_equal(found->verdict, LIMN_VERDICT_NONE);
    assert_string_equal(found->sentence, "none: no C2PA manifest; the XMP says "
                                         "trainedAlgorithmicMedia, which nothing protects");
    limn_verification_close(&found);
    limn_mark_buffer_free(&bare);

    /* Moved into another picture, it does not hold there. */
    sample_png(&bare, 15, 8, "caBX", file.data + 41, chunk - 12);
    found = verified(&bare);
    assert_string_equal(found->sentence, "broken: the file was changed after it was signed");
    assert_int_equal(found->signature, LIMN_SEAL_GOOD);
    assert_int_equal(found->assertions, LIMN_SEAL_GOOD);
    assert_int_equal(found->binding, LIMN_SEAL_BAD);
    limn_verification_close(&found);
    limn_mark_buffer_free(&bare);
    limn_mark_buffer_free(&file);
}

/* ---- Refused --------------------------------------------------------------------------------- */

static void unusable_descriptions_are_refused(void **state)
{
    static const struct {
        const char *software, *version, *model, *title, *text;
    } cases[] = {
        { NULL, "1", NULL, NULL, "the software needs a name and a version" },
        { "limn", "", NULL, NULL, "the software needs a name and a version" },
        { "li\nmn", "1", NULL, NULL, "the software needs a name and a version" },
        { "limn", "1", "abc", NULL, "is not 64 small hexadecimal digits" },
        { "limn", "1", "0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", NULL,
          "is not 64 small hexadecimal digits" },
        { "limn", "1", NULL, "\xff", "not UTF-8" },
        { "limn", "1", NULL, "\xed\xa0\x80", "not UTF-8" },
        { "limn", "1", NULL, "\xc3", "not UTF-8" },
        { "limn", "1", NULL, "", "the title is empty" },
    };
    limn_mark_buffer out = { 0 }, in = { 0 };

    (void)state;
    put_sample(&in, PNG8, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        limn_mark_description description = { .software = cases[i].software,
                                              .version = cases[i].version,
                                              .model_sha256 = cases[i].model,
                                              .title = cases[i].title,
                                              .signer = signer };

        assert_int_equal(limn_mark(&out, limn_mark_written(&in), &description, NULL, &error),
                         LIMN_SETTING);
        assert_non_null(strstr(error.text, cases[i].text));
        assert_int_equal(out.count, 0);
    }
    limn_mark_buffer_free(&in);
    limn_mark_buffer_free(&out);
}

static void other_files_are_refused(void **state)
{
    static const char *const others[] = { "",     "GIF89a", "BM",  "RIFF\x04\0\0\0WAVE",
                                          "text", "II*",    "\xff" };
    limn_mark_description description = plain();
    limn_verification *found = NULL;
    limn_mark_buffer out = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        size_t count = i == 3 ? 12 : strlen(others[i]);

        assert_int_equal(
            limn_mark(&out, limn_mark_span_of(others[i], count), &description, NULL, &error),
            LIMN_FORMAT);
        assert_int_equal(limn_verify_bytes(&found, others[i], count, "a.gif", NULL, &error),
                         LIMN_FORMAT);
        assert_null(found);
        assert_string_equal(error.text, "a.gif: not a PNG, JPEG, WebP or TIFF picture");
    }
    assert_int_equal(limn_verify_file(&found, "/nowhere/at/all.png", NULL, &error), LIMN_IO);
    assert_null(found);
    for (int which = 0; which < SAMPLES; which++) { /* cut in the middle of the header */
        limn_mark_buffer in = { 0 };

        put_sample(&in, (sample)which, NULL);
        assert_int_equal(
            limn_mark(&out, limn_mark_span_of(in.data, 22), &description, NULL, &error),
            LIMN_FORMAT);
        assert_non_null(strstr(error.text, "is damaged"));
        limn_mark_buffer_free(&in);
    }
    limn_mark_buffer_free(&out);
}

static void each_refused_request_is_an_error(void **state)
{
    limn_mark_buffer in = { 0 };
    bool whole = false;
    long n = 0;

    (void)state;
    for (int which = 0; which < SAMPLES; which++) {
        put_sample(&in, (sample)which, which == WEBP || which == WEBP_LOSSLESS ? NULL : older);
        for (whole = false, n = 0; !whole; n++) {
            size_t live = limn_memory_live_blocks();
            limn_mark_description description = plain();
            limn_mark_report report;
            limn_mark_buffer out = { 0 };
            limn_verification *found = NULL;
            limn_signer *own = NULL;
            limn_status status;

            error = (limn_error){ 0 };
            limn_memory_refuse_after(n);
            if (!(status = limn_signer_open(&own, NULL, NULL, &error))) {
                description.signer = own;
                status = limn_mark(&out, limn_mark_written(&in), &description, &report, &error);
            }
            if (!status) {
                assert_false(report.xmp_dropped);
                status = limn_verify_bytes(&found, out.data, out.count, "test", NULL, &error);
            }
            limn_memory_refuse_after(-1);
            whole = !status;
            if (status) {
                assert_int_equal(status, LIMN_NO_MEMORY);
                assert_non_null(strstr(error.text, "out of memory"));
                assert_null(found);
            } else {
                assert_int_equal(found->verdict, holds_manifest((sample)which) ? LIMN_VERDICT_INTACT
                                                                               : LIMN_VERDICT_NONE);
            }
            limn_verification_close(&found);
            limn_mark_buffer_free(&out);
            limn_signer_close(&own);
            assert_int_equal(limn_memory_live_blocks(), live);
        }
        assert_true(n > 10);
        limn_mark_buffer_free(&in);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(every_format_says_its_source),      TEST(without_marks_is_none),
        TEST(the_picture_is_untouched),          TEST(marked_again_is_marked_once),
        TEST(outer_namespaces_are_kept),         TEST(long_manifests_are_split_in_jpeg),
        TEST(one_changed_bit_breaks_it),         TEST(a_cut_file_is_broken),
        TEST(a_stripped_manifest_is_none),

        TEST(unusable_descriptions_are_refused), TEST(other_files_are_refused),
        TEST(each_refused_request_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
