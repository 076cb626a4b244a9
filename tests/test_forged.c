/* SPDX-License-Identifier: Apache-2.0
 *
 * Manifests that were tampered with by somebody who knows the format: boxes added, doubled, moved
 * and renamed with all lengths and checksums right, so that only the rule in question can notice.
 */
#include "mark_samples.h"
#include "publish/mark.h"
#include "publish/mark_cbor.h"
#include "publish/mark_container.h"
#include "publish/mark_jumbf.h"
#include "publish/verify_manifest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static limn_error error;

/* A marked JPEG or PNG's manifest, copied. */
static limn_mark_buffer make_manifest(const char *title)
{
    limn_mark_description description = { .software = "limn", .version = "1", .title = title };
    limn_mark_buffer in = { 0 }, out = { 0 }, manifest = { 0 };

    assert_int_equal(limn_signer_open(&description.signer, NULL, NULL, &error), LIMN_OK);
    sample_png(&in, 8, 8, NULL, NULL, 0);
    assert_int_equal(limn_mark(&out, limn_mark_written(&in), &description, NULL, &error), LIMN_OK);
    limn_mark_put(&manifest, out.data + 41, limn_mark_u32(out.data + 33));
    limn_signer_close(&description.signer);
    limn_mark_buffer_free(&in);
    limn_mark_buffer_free(&out);
    return manifest;
}

/* The file with this manifest is broken, and one of the findings says so. */
static void assert_says(const limn_mark_buffer *manifest, const char *text)
{
    limn_mark_buffer file = { 0 };
    limn_verification *found;
    bool says = false;

    sample_png(&file, 8, 8, "caBX", manifest->data, manifest->count);
    if (limn_verify_bytes(&found, file.data, file.count, "test", NULL, &error))
        fail_msg("%s", error.text);
    assert_int_equal(found->verdict, LIMN_VERDICT_BROKEN);
    for (size_t i = 0; i < found->line_count; i++) says |= strstr(found->lines[i], text) != NULL;
    if (!says) fail_msg("%s, and not a word of \"%s\"", found->sentence, text);
    limn_verification_close(&found);
    limn_mark_buffer_free(&file);
}

/* Where the superbox of a kind begins. */
static size_t place(const limn_mark_buffer *manifest, const char *kind)
{
    for (size_t at = 0; at + 20 < manifest->count; at++)
        if (!memcmp(manifest->data + at + 4, "jumb", 4) &&
            !memcmp(manifest->data + at + 16, kind, 4))
            return at;
    fail_msg("no %s", kind);
    return 0;
}

/* Puts bytes in at a place and lengthens the boxes that begin at outer[]. */
static void insert(limn_mark_buffer *manifest, size_t at, limn_mark_span bytes, const size_t *outer,
                   int count)
{
    limn_mark_buffer next = { 0 };

    limn_mark_put(&next, manifest->data, at);
    limn_mark_put_span(&next, bytes);
    limn_mark_put(&next, manifest->data + at, manifest->count - at);
    for (int i = 0; i < count; i++)
        limn_mark_patch_u32(&next, outer[i],
                            limn_mark_u32(next.data + outer[i]) + (uint32_t)bytes.count);
    limn_mark_buffer_free(manifest);
    *manifest = next;
}

static void an_assertion_put_in_is_noticed(void **state)
{
    limn_mark_buffer manifest = make_manifest(NULL), box = { 0 };
    size_t store = place(&manifest, "c2as"), outer[3] = { 0, place(&manifest, "c2ma"), store };
    size_t super = limn_jumbf_put_super(&box, "cbor", "c2pa.metadata");
    size_t inner = limn_jumbf_put_open(&box, "cbor");

    (void)state;
    limn_cbor_put_map(&box, 0);
    limn_jumbf_put_close(&box, inner);
    limn_jumbf_put_close(&box, super);
    insert(&manifest, store + limn_mark_u32(manifest.data + store), limn_mark_written(&box), outer,
           3);
    assert_says(&manifest, "the assertion c2pa.metadata is not named by the claim");
    limn_mark_buffer_free(&manifest);
    limn_mark_buffer_free(&box);
}

/* A second assertion of a name that the claim does know. */
static void a_doubled_assertion_is_noticed(void **state)
{
    limn_mark_buffer manifest = make_manifest(NULL), box = { 0 };
    size_t store = place(&manifest, "c2as"), first = place(&manifest, "cbor");
    size_t outer[3] = { 0, place(&manifest, "c2ma"), store };

    (void)state;
    limn_mark_put(&box, manifest.data + first, limn_mark_u32(manifest.data + first));
    insert(&manifest, store + limn_mark_u32(manifest.data + store), limn_mark_written(&box), outer,
           3);
    assert_says(&manifest, "the claim names 2 assertions and there are 3");
    limn_mark_buffer_free(&manifest);
    limn_mark_buffer_free(&box);
}

static void second_claims_and_signatures_are_noticed(void **state)
{
    static const char *const kinds[] = { "c2cl", "c2cs", "c2as" };

    (void)state;
    for (int i = 0; i < 3; i++) {
        limn_mark_buffer manifest = make_manifest(NULL), box = { 0 };
        size_t at = place(&manifest, kinds[i]), outer[2] = { 0, place(&manifest, "c2ma") };

        limn_mark_put(&box, manifest.data + at, limn_mark_u32(manifest.data + at));
        insert(&manifest, at, limn_mark_written(&box), outer, 2);
        assert_says(&manifest, "does not have one claim, one signature and one store");
        limn_mark_buffer_free(&manifest);
        limn_mark_buffer_free(&box);
    }
}

static void bytes_behind_the_signature_are_noticed(void **state)
{
    limn_mark_buffer manifest = make_manifest(NULL);
    size_t signature = place(&manifest, "c2cs");
    size_t box = signature + 8 + limn_mark_u32(manifest.data + signature + 8);
    size_t outer[4] = { 0, place(&manifest, "c2ma"), signature, box };

    (void)state;
    insert(&manifest, manifest.count, limn_mark_span_of("\xf6", 1), outer, 4);
    assert_says(&manifest, "the signature is malformed");
    limn_mark_buffer_free(&manifest);
}

/* The same manifest under another name: its claim names the old one. */
static void a_renamed_manifest_is_noticed(void **state)
{
    limn_mark_buffer manifest = make_manifest(NULL);
    size_t name = place(&manifest, "c2ma") + 8 + 8 + 16 + 1 + strlen("urn:c2pa:");

    (void)state;
    manifest.data[name] = manifest.data[name] == 'a' ? 'b' : 'a';
    assert_says(&manifest, "the claim does not name the signature of its manifest");
    limn_mark_buffer_free(&manifest);
}

static void an_empty_store_is_noticed(void **state)
{
    limn_mark_buffer manifest = { 0 };
    size_t at = limn_jumbf_put_super(&manifest, "c2pa", "c2pa");

    (void)state;
    limn_jumbf_put_close(&manifest, at);
    assert_says(&manifest, "the store of manifests is empty");
    limn_mark_put_u8(&manifest, 0);
    assert_says(&manifest, "the boxes of the manifest are malformed");
    limn_mark_buffer_free(&manifest);
}

/* ---- Segments of a JPEG ---------------------------------------------------------------------- */

static void segments_out_of_order_are_noticed(void **state)
{
    static char title[140001];
    limn_mark_buffer manifest, file = { 0 };
    limn_container_found found = { 0 };
    limn_arena arena = { 0 };
    size_t second;

    (void)state;
    limn_arena_open(&arena, "test", 0);
    memset(title, 't', sizeof title - 1);
    manifest = make_manifest(title);
    limn_mark_put(&file, sample_jpeg, 20);
    limn_container_jpeg.put_manifest(&file, limn_mark_written(&manifest));
    assert_int_equal(file.count - 20, limn_container_jpeg.manifest_bytes(manifest.count));
    limn_mark_put(&file, sample_jpeg + 20, sizeof sample_jpeg - 20);
    assert_int_equal(limn_container_jpeg.read(&found, limn_mark_written(&file), &arena, &error), 0);
    assert_null(found.fault);
    assert_int_equal(found.manifest.count, manifest.count);
    assert_memory_equal(found.manifest.data, manifest.data, manifest.count);

    second = 20 + 2 + limn_mark_u16(file.data + 22); /* its marker */
    for (int byte = 6; byte < 20; byte++) {          /* box number, sequence, header again */
        file.data[second + (size_t)byte] ^= 1;
        found = (limn_container_found){ 0 };
        assert_int_equal(limn_container_jpeg.read(&found, limn_mark_written(&file), &arena, &error),
                         0);
        if (!found.fault && !found.manifest_traces) fail_msg("byte %d", byte);
        file.data[second + (size_t)byte] ^= 1;
    }
    limn_arena_close(&arena);
    limn_mark_buffer_free(&manifest);
    limn_mark_buffer_free(&file);
}

/* ---- Exclusions ------------------------------------------------------------------------------ */

static bool binds(const char *file, const uint64_t (*ranges)[2], size_t count)
{
    limn_mark_buffer assertion = { 0 };
    limn_verification out = { 0 };
    limn_arena arena = { 0 };
    limn_examination x = { .out = &out, .arena = &arena, .hashed_max = 1 << 20 };
    /* SHA-256 of "abc" (FIPS 180-2, B.1) */
    static const unsigned char abc[32] = { 0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
                                           0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
                                           0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
                                           0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad };

    limn_arena_open(&arena, "test", 0);
    x.file = limn_mark_span_of(file, strlen(file));
    limn_cbor_put_map(&assertion, 2);
    limn_cbor_put_text(&assertion, "hash");
    limn_cbor_put_bytes(&assertion, abc, sizeof abc);
    limn_cbor_put_text(&assertion, "exclusions");
    limn_cbor_put_array(&assertion, count);
    for (size_t i = 0; i < count; i++) {
        limn_cbor_put_map(&assertion, 2);
        limn_cbor_put_text(&assertion, "start");
        limn_cbor_put_unsigned(&assertion, ranges[i][0]);
        limn_cbor_put_text(&assertion, "length");
        limn_cbor_put_unsigned(&assertion, ranges[i][1]);
    }
    assert_int_equal(limn_examine_binding(&x, limn_mark_written(&assertion),
                                          limn_mark_span_of("sha256", 6), &error),
                     LIMN_OK);
    limn_arena_close(&arena);
    limn_mark_buffer_free(&assertion);
    assert_int_equal(out.binding == LIMN_SEAL_GOOD, x.fault == NULL);
    return out.binding == LIMN_SEAL_GOOD;
}

static void exclusions_are_in_order_and_inside(void **state)
{
    (void)state;
    assert_true(binds("abc", NULL, 0));
    assert_true(binds("a--bc", (const uint64_t[][2]){ { 1, 2 } }, 1));
    assert_true(binds("-a-bc-", (const uint64_t[][2]){ { 0, 1 }, { 2, 1 }, { 5, 1 } }, 3));
    assert_true(binds("a--bc", (const uint64_t[][2]){ { 1, 1 }, { 2, 1 } }, 2));
    assert_false(binds("a-xbc", (const uint64_t[][2]){ { 1, 1 } }, 1));
    assert_false(binds("a--bc", (const uint64_t[][2]){ { 1, 2 }, { 2, 1 } }, 2));
    assert_false(binds("-a-bc", (const uint64_t[][2]){ { 2, 1 }, { 0, 1 } }, 2));
    assert_false(binds("abc-", (const uint64_t[][2]){ { 3, 2 } }, 1));
    assert_false(binds("abc", (const uint64_t[][2]){ { 4, 0 } }, 1));
    assert_false(binds("abc", (const uint64_t[][2]){ { 3, UINT64_MAX } }, 1));
    assert_false(binds("abc", (const uint64_t[][2]){ { UINT64_MAX, 4 } }, 1));
}

/* ---- CBOR ------------------------------------------------------------------------------------ */

/* The examples of RFC 8949, appendix A, that a manifest can hold. */
static void cbor_is_written_as_the_standard_has_it(void **state)
{
    static const struct {
        uint64_t value;
        const char *bytes;
        size_t count;
    } numbers[] = {
        { 0, "\x00", 1 },
        { 23, "\x17", 1 },
        { 24, "\x18\x18", 2 },
        { 100, "\x18\x64", 2 },
        { 1000, "\x19\x03\xe8", 3 },
        { 1000000, "\x1a\x00\x0f\x42\x40", 5 },
        { 1000000000000, "\x1b\x00\x00\x00\xe8\xd4\xa5\x10\x00", 9 },
        { UINT64_MAX, "\x1b\xff\xff\xff\xff\xff\xff\xff\xff", 9 },
    };
    limn_mark_buffer out = { 0 };
    limn_mark_span rest, item;
    limn_cbor_head head;

    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        out.count = 0;
        limn_cbor_put_unsigned(&out, numbers[i].value);
        assert_int_equal(out.count, numbers[i].count);
        assert_memory_equal(out.data, numbers[i].bytes, numbers[i].count);
        rest = limn_mark_written(&out);
        assert_true(limn_cbor_next(&rest, &head));
        assert_int_equal(head.number, numbers[i].value);
        assert_int_equal(rest.count, 0);
        rest = limn_mark_cut(limn_mark_written(&out), 0, out.count - 1);
        assert_false(limn_cbor_next(&rest, &head));
    }
    out.count = 0;
    limn_cbor_put_negative(&out, 999);
    limn_cbor_put_text(&out, "IETF");
    limn_cbor_put_tag(&out, 18);
    limn_cbor_put_null(&out);
    assert_int_equal(out.count, 10);
    assert_memory_equal(out.data, "\x39\x03\xe7\x64IETF\xd2\xf6", 10);

    /* {_ "a": 1, "b": [_ 2, 3]}: open maps and arrays of other people's */
    rest = limn_mark_span_of("\xbf\x61"
                             "a\x01\x61"
                             "b\x9f\x02\x03\xff\xff",
                             11);
    assert_true(limn_cbor_item(&rest, &item));
    assert_int_equal(item.count, 11);
    assert_true(limn_cbor_find(item, "b", 0, &rest));
    assert_int_equal(rest.count, 4);
    assert_false(limn_cbor_find(item, "c", 0, &rest));

    /* nesting beyond the limit, and a length beyond the end */
    out.count = 0;
    for (int i = 0; i < 40; i++) limn_cbor_put_array(&out, 1);
    limn_cbor_put_null(&out);
    rest = limn_mark_written(&out);
    assert_false(limn_cbor_item(&rest, &item));
    rest = limn_mark_span_of("\x5b\xff\xff\xff\xff\xff\xff\xff\xff", 9);
    assert_false(limn_cbor_item(&rest, &item));
    rest = limn_mark_span_of("\x9b\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10);
    assert_false(limn_cbor_item(&rest, &item));
    limn_mark_buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_assertion_put_in_is_noticed),
        cmocka_unit_test(a_doubled_assertion_is_noticed),
        cmocka_unit_test(second_claims_and_signatures_are_noticed),
        cmocka_unit_test(bytes_behind_the_signature_are_noticed),
        cmocka_unit_test(a_renamed_manifest_is_noticed),
        cmocka_unit_test(an_empty_store_is_noticed),
        cmocka_unit_test(segments_out_of_order_are_noticed),
        cmocka_unit_test(exclusions_are_in_order_and_inside),
        cmocka_unit_test(cbor_is_written_as_the_standard_has_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
