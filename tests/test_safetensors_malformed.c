/* SPDX-License-Identifier: Apache-2.0
 *
 * Malformed safetensors: one case for every check of the reader, each held to its own sentence, so
 * that a file cannot be refused for the wrong reason. */
#include "base/memory.h"
#include "tensor/safetensors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static limn_error error;

/* The file with this header, this header length (-1: the true one) and so many bytes of data. */
static void check_refused(const char *header, int64_t length, size_t data_bytes, const char *text)
{
    uint64_t announced = length < 0 ? strlen(header) : (uint64_t)length;
    size_t count = 8 + strlen(header) + data_bytes, live = limn_memory_live_blocks();
    char *bytes = calloc(1, count);
    limn_safetensors *file = (void *)&file;
    limn_status status;

    memcpy(bytes, &announced, 8);
    memcpy(bytes + 8, header, strlen(header));
    status = limn_safetensors_open_bytes(&file, bytes, count, "x.st", &error);
    free(bytes);
    if (status != LIMN_FORMAT || memcmp(error.text, "x.st: ", 6) || !strstr(error.text, text))
        fail_msg("%s: wanted \"%s\", got %d \"%s\"", header, text, (int)status,
                 status ? error.text : "");
    assert_null(file);
    assert_int_equal(limn_memory_live_blocks(), live);
}

#define T(name, dtype, shape, begin, end)                                                          \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" begin "," end \
    "]}"

static void malformed_headers_are_refused_by_name(void **state)
{
    static const char good[] = "{" T("a", "F32", "2", "0", "8") "}";
    static const struct {
        const char *header;
        size_t data_bytes;
        const char *text;
    } cases[] = {
        /* JSON */
        { "", 0, "does not begin with {" },
        { " {}", 0, "does not begin with {" },
        { "[]", 0, "does not begin with {" },
        { "{", 0, "is not JSON" },
        { "{}x", 0, "is not JSON: end of file expected" },
        { "{\"a\":1", 0, "is not JSON" },
        { "{" T("a", "F32", "2", "0", "8") "," T("a", "F32", "2", "0", "8") "}", 8,
          "duplicate object key" },
        { "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8,
          "duplicate object key" },
        { "{\"\xff\":1}", 0, "unable to decode byte 0xff" },
        { "{\"a\\u0000b\":1}", 0, "\\u0000" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,8]}}", 8,
          "too big integer" },
        /* metadata */
        { "{\"__metadata__\":[]}", 0, "__metadata__ is not a JSON object" },
        { "{\"__metadata__\":{\"k\":1}}", 0, "the value of \"k\" is not a text" },
        { "{\"__metadata__\":{\"k\":{\"l\":\"m\"}}}", 0, "the value of \"k\" is not a text" },
        /* entries */
        { "{\"a\":1}", 0, "tensor \"a\": it is not a JSON object" },
        { "{\"a\":{}}", 0, "tensor \"a\": it has no dtype" },
        { "{\"a\":{\"dtype\":4,\"shape\":[],\"data_offsets\":[0,4]}}", 4, "it has no dtype" },
        { "{" T("a", "F8_E4M3", "2", "0", "2") "}", 2, "dtype \"F8_E4M3\" is not supported" },
        { "{" T("a", "f32", "2", "0", "8") "}", 8, "dtype \"f32\" is not supported" },
        { "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "it has no shape" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":4,\"data_offsets\":[0,4]}}", 4, "it has no shape" },
        { "{" T("a", "F32", "1,1,1,1,1,1,1,1,2", "0", "8") "}", 8, "has 9 dimensions; at most 8" },
        { "{" T("a", "F32", "-2", "0", "8") "}", 8, "size 0 of its shape is not a whole number" },
        { "{" T("a", "F32", "1,2.0", "0", "8") "}", 8, "size 1 of its shape is not a whole" },
        { "{" T("a", "F32", "\"2\"", "0", "8") "}", 8, "size 0 of its shape is not a whole" },
        { "{" T("a", "F32", "4294967296,4294967296", "0", "8") "}", 8, "too large" },
        { "{" T("a", "F32", "4611686018427387904,4", "0", "8") "}", 8, "too large" },
        { "{" T("a", "F32", "4611686018427387906", "0", "8") "}", 8, "too large" },
        /* offsets */
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "data_offsets are not two" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", 8, "are not two" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,8]}}", 8, "are not two" },
        { "{" T("a", "F32", "2", "0", "8.0") "}", 8, "data_offsets are not two whole numbers" },
        { "{" T("a", "F32", "2", "-8", "0") "}", 8, "data_offsets -8, 0 are no range" },
        { "{" T("a", "F32", "2", "8", "0") "}", 8, "data_offsets 8, 0 are no range" },
        { "{" T("a", "F32", "2", "0", "8") "}", 7, "ends at 8, behind the end of the file (7" },
        { "{" T("a", "F32", "2", "0", "8") "}", 0, "behind the end of the file (0" },
        { "{" T("a", "F32", "1", "9223372036854775800", "9223372036854775804") "}", 8,
          "behind the end" },
        { "{" T("a", "F32", "2", "0", "4") "}", 4, "want 8 bytes, its data_offsets span 4" },
        { "{" T("a", "F32", "0,9", "0", "4") "}", 4, "want 0 bytes, its data_offsets span 4" },
        { "{" T("a", "F32", "", "0", "8") "}", 8, "want 4 bytes, its data_offsets span 8" },
        /* cover */
        { "{" T("a", "F32", "2", "0", "8") "," T("b", "F32", "2", "4", "12") "}", 12,
          "tensors \"a\" and \"b\" overlap" },
        { "{" T("b", "F32", "2", "0", "8") "," T("a", "F32", "2", "0", "8") "}", 8,
          "tensors \"a\" and \"b\" overlap" },
        { "{" T("a", "F32", "1", "4", "8") "}", 8,
          "4 bytes in front of tensor \"a\" belong to no tensor" },
        { "{" T("a", "U8", "1", "0", "1") "," T("b", "U8", "1", "3", "4") "}", 4,
          "2 bytes in front of tensor \"b\" belong to no tensor" },
        { "{" T("a", "F32", "2", "0", "8") "}", 9, "1 bytes at the end belong to no tensor" },
        { "{}", 3, "3 bytes at the end belong to no tensor" },
        { "{" T("e", "F32", "0", "5", "5") "}", 5, "5 bytes in front of tensor \"e\"" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_refused(cases[i].header, -1, cases[i].data_bytes, cases[i].text);
    check_refused(good, 100000001, 8, "a header of 100000001 bytes is announced");
    check_refused(good, INT64_MAX, 8, "This is another format, or the file is damaged");
    check_refused(good, 100, 8, "the header wants 100 bytes");
    check_refused(good, 0, 8, "does not begin with {");
    check_refused(good, (int64_t)strlen(good) - 1, 9, "is not JSON");
    assert_int_equal(
        limn_safetensors_open_bytes(&(limn_safetensors *){ 0 }, "1234567", 7, "x.st", &error),
        LIMN_FORMAT);
    assert_string_equal(error.text, "x.st: 7 bytes are too few for a safetensors file");
}

static void deep_nesting_is_refused(void **state)
{
    char *header = malloc(200002);

    (void)state;
    memset(header, '[', 200001);
    memcpy(header, "{\"a\":", 5);
    header[200001] = '\0';
    check_refused(header, -1, 0, "maximum parsing depth reached");
    free(header);
}

/* The texts that want most memory for their length: the parser makes no request of its own. */
static void the_pool_of_the_parser_is_large_enough(void **state)
{
    static const char *const pieces[] = {
        "{},", "[],", "[[]],", "0,", "\"\",", "{\"\":{}},", "0.5,"
    };
    enum { TIMES = 30000 };

    (void)state;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        size_t length = strlen(pieces[i]), requests;
        char *header = malloc(length * TIMES + 100), *at = header + sprintf(header, "{\"a\":[");

        for (int k = 0; k < TIMES; k++, at += length) memcpy(at, pieces[i], length);
        strcpy(at - 1, "]}");
        requests = limn_memory_requests();
        check_refused(header, -1, 0, "tensor \"a\": it is not a JSON object");
        /* the file, the pool, the entries */
        assert_int_equal(limn_memory_requests() - requests, 3);
        free(header);
    }
    /* Many names: the entries are refused at the first. */
    for (int kind = 0; kind < 2; kind++) {
        char *header = malloc(40 * TIMES), *at = header;
        size_t requests;

        for (int k = 0; k < TIMES; k++)
            at += sprintf(at, "%c\"%x\":%s", k ? ',' : '{', (unsigned)k, kind ? "{}" : "0");
        strcpy(at, "}");
        requests = limn_memory_requests();
        check_refused(header, -1, 0, "tensor \"0\": it ");
        assert_int_equal(limn_memory_requests() - requests, 3);
        free(header);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_headers_are_refused_by_name),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(the_pool_of_the_parser_is_large_enough),
    };

    return cmocka_run_group_tests_name("safetensors_malformed", tests, NULL, NULL);
}
