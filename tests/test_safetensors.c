/* SPDX-License-Identifier: Apache-2.0
 *
 * safetensors: what is written comes back; Python reads the same by hand (json and struct, not a
 * safetensors library) and the other way round; every call that fails, every refused allocation and
 * every kill on the way leaves the old file or the new one. */
#include "base/random.h"
#include "each_folder.h"
#include "tensor/safetensors.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>

static const float weight[6] = { 1, -2.5f, 3.25f, 0, 1e-20f, 7 };
static const uint8_t bytes5[5] = { 1, 2, 3, 254, 255 };
static const int64_t scalar = -1234567890123;
static const uint16_t bf16[2] = { 0x3f80, 0xc040 }; /* 1, -3 */

/* On purpose not in the order of names, with an empty one, a scalar, and an odd-sized one. */
static const limn_saved_tensor some[] = {
    { "model.1.weight", LIMN_F32, 4, { 1, 2, 3, 1 }, 6, weight },
    { "bytes", LIMN_U8, 1, { 5 }, 5, bytes5 },
    { "empty", LIMN_F32, 2, { 0, 7 }, 0, NULL },
    { "a scalar", LIMN_I64, 0, { 0 }, 1, &scalar },
    { "b \"quoted\" \xc3\xa4\n", LIMN_BF16, 1, { 2 }, 2, bf16 },
};
static const limn_saved_text texts[] = { { "recipe", "pix2pix" },
                                         { "note", "line\n\ttab \"quote\" \\ \xe2\x82\xac" },
                                         { "empty", "" } };
enum { SOME = 5, TEXTS = 3 };

static limn_status write_some(const char *path, limn_error *e)
{
    limn_safetensors_writer *writer;
    limn_status status = limn_safetensors_create(&writer, path, some, SOME, texts, TEXTS, e);

    for (int i = 0; i < SOME && !status; i++) {
        size_t bytes = some[i].count * limn_type_bytes(some[i].type), half = bytes / 2;

        if (!bytes) continue;
        if (!(status = limn_safetensors_write(writer, some[i].data, half, e)))
            status = limn_safetensors_write(writer, (const char *)some[i].data + half, bytes - half,
                                            e);
    }
    if (status)
        limn_safetensors_abandon(&writer);
    else
        status = limn_safetensors_commit(&writer, e);
    assert_null(writer);
    return status;
}

static void assert_is_some(const char *path)
{
    limn_safetensors *file;

    if (limn_safetensors_open(&file, path, &error)) fail_msg("%s", error.text);
    assert_int_equal(limn_safetensors_count(file), SOME);
    for (size_t i = 0; i < SOME; i++) {
        const limn_saved_tensor *t = limn_safetensors_find(file, some[i].name);

        assert_non_null(t);
        assert_int_equal(t->type, some[i].type);
        assert_int_equal(t->dims, some[i].dims);
        assert_int_equal(t->count, some[i].count);
        assert_memory_equal(t->size, some[i].size, sizeof t->size);
        if (t->count)
            assert_memory_equal(t->data, some[i].data, t->count * limn_type_bytes(t->type));
    }
    /* In the order of the data; the empty one stands in front of its neighbour. */
    assert_string_equal(limn_safetensors_at(file, 0)->name, "model.1.weight");
    assert_string_equal(limn_safetensors_at(file, 1)->name, "bytes");
    assert_string_equal(limn_safetensors_at(file, 2)->name, "empty");
    assert_null(limn_safetensors_at(file, SOME));
    assert_null(limn_safetensors_find(file, "model.1"));
    assert_null(limn_safetensors_find(file, "__metadata__"));
    assert_int_equal(limn_safetensors_texts(file), TEXTS);
    for (size_t i = 0; i < TEXTS; i++) {
        assert_string_equal(limn_safetensors_text_at(file, i).key, texts[i].key);
        assert_string_equal(limn_safetensors_text(file, texts[i].key), texts[i].value);
    }
    assert_null(limn_safetensors_text(file, "lr"));
    assert_null(limn_safetensors_text_at(file, TEXTS).key);
    limn_safetensors_close(&file);
    assert_null(file);
    limn_safetensors_close(&file);
}

static void what_is_written_comes_back(void **state)
{
    const char *path = scratch_path(&folder, "m.safetensors");
    size_t live = limn_memory_live_blocks(), count;
    uint64_t length;
    char *bytes;

    (void)state;
    assert_int_equal(write_some(path, &error), LIMN_OK);
    assert_is_some(path);
    assert_int_equal(limn_memory_live_blocks(), live);
    assert_int_equal(scratch_entries(folder.folder), 1);
    bytes = scratch_read(path, &count);
    memcpy(&length, bytes, 8);
    assert_int_equal((8 + length) % 64, 0); /* the first tensor starts on a cache line */
    assert_memory_equal(bytes + 8 + length, weight, sizeof weight);
    free(bytes);
}

static void files_without_tensors_are_fine(void **state)
{
    const char *path = scratch_path(&folder, "m.safetensors");
    limn_safetensors_writer *writer;
    limn_safetensors *file;

    (void)state;
    assert_int_equal(limn_safetensors_create(&writer, path, NULL, 0, NULL, 0, &error), LIMN_OK);
    assert_int_equal(limn_safetensors_commit(&writer, &error), LIMN_OK);
    assert_int_equal(limn_safetensors_open(&file, path, &error), LIMN_OK);
    assert_int_equal(limn_safetensors_count(file), 0);
    assert_int_equal(limn_safetensors_texts(file), 0);
    limn_safetensors_close(&file);
}

/* ---- Python ---------------------------------------------------------------------------------- */

static bool has_python(void)
{
    return system("python3 -c 'import json, struct' 2>/dev/null") == 0;
}

static void python_reads_the_same_by_hand(void **state)
{
    static const char script[] =
        "import json, struct, sys\n"
        "raw = open(sys.argv[1], 'rb').read()\n"
        "n, = struct.unpack('<Q', raw[:8])\n"
        "head = json.loads(raw[8:8 + n].decode('utf-8'))\n"
        "print(json.dumps(head.pop('__metadata__'), sort_keys=True))\n"
        "letters = {'F32': 'f', 'U8': 'B', 'I64': 'q', 'BF16': 'H'}\n"
        "for name, t in head.items():\n"
        "    a, b = t['data_offsets']\n"
        "    letter = letters[t['dtype']]\n"
        "    values = [v for v, in struct.iter_unpack('<' + letter, raw[8 + n + a:8 + n + b])]\n"
        "    print(json.dumps([name, t['dtype'], t['shape'], values]))\n"
        "print(8 + n + max(t['data_offsets'][1] for t in head.values()) == len(raw))\n";
    static const char expected[] =
        "{\"empty\": \"\", \"note\": \"line\\n\\ttab \\\"quote\\\" \\\\ \\u20ac\", \"recipe\": "
        "\"pix2pix\"}\n"
        "[\"model.1.weight\", \"F32\", [1, 2, 3, 1], [1.0, -2.5, 3.25, 0.0, "
        "9.999999682655225e-21, 7.0]]\n"
        "[\"bytes\", \"U8\", [5], [1, 2, 3, 254, 255]]\n"
        "[\"empty\", \"F32\", [0, 7], []]\n"
        "[\"a scalar\", \"I64\", [], [-1234567890123]]\n"
        "[\"b \\\"quoted\\\" \\u00e4\\n\", \"BF16\", [2], [16256, 49216]]\n"
        "True\n";
    char command[1200], *said;
    size_t count;

    (void)state;
    if (!has_python()) skip();
    assert_int_equal(write_some(scratch_path(&folder, "m.safetensors"), &error), LIMN_OK);
    scratch_write(scratch_path(&folder, "read.py"), script, strlen(script));
    snprintf(command, sizeof command, "cd '%s' && python3 read.py m.safetensors >said",
             folder.folder);
    assert_int_equal(system(command), 0);
    said = scratch_read(scratch_path(&folder, "said"), &count);
    assert_string_equal(said, expected);
    free(said);
}

static void what_python_writes_by_hand_is_read(void **state)
{
    static const char script[] =
        "import json, struct\n"
        "head = {'z': {'dtype': 'F16', 'shape': [3], 'data_offsets': [8, 14]},\n"
        "        '__metadata__': {'format': 'pt', 'who': '\\u00fc\\U0001f300'},\n"
        "        'a': {'dtype': 'F64', 'shape': [], 'data_offsets': [0, 8]}}\n"
        "text = json.dumps(head).encode()\n"
        "open('p', 'wb').write(struct.pack('<Q', len(text)) + text +\n"
        "                      struct.pack('<deee', -0.1, 1.5, -2, 65504))\n";
    char command[1200];
    limn_safetensors *file;
    float values[3];

    (void)state;
    if (!has_python()) skip();
    scratch_write(scratch_path(&folder, "write.py"), script, strlen(script));
    snprintf(command, sizeof command, "cd '%s' && python3 write.py", folder.folder);
    assert_int_equal(system(command), 0);
    if (limn_safetensors_open(&file, scratch_path(&folder, "p"), &error))
        fail_msg("%s", error.text);
    assert_int_equal(limn_safetensors_count(file), 2);
    assert_string_equal(limn_safetensors_text(file, "format"), "pt");
    assert_string_equal(limn_safetensors_text(file, "who"), "\xc3\xbc\xf0\x9f\x8c\x80");
    assert_string_equal(limn_safetensors_at(file, 0)->name, "a"); /* first in the data */
    assert_int_equal(limn_saved_floats(limn_safetensors_at(file, 0), 0, 1, values, &error), 0);
    assert_true(values[0] == -0.1f);
    assert_int_equal(limn_saved_floats(limn_safetensors_at(file, 1), 0, 3, values, &error), 0);
    assert_true(values[0] == 1.5f && values[1] == -2 && values[2] == 65504);
    limn_safetensors_close(&file);
}

/* ---- Conversion ------------------------------------------------------------------------------ */

static void each_type_becomes_floats(void **state)
{
    static const float f32[] = { 9, 0.5f, -1 };
    static const double f64[] = { 9, 0.5, -1e-3 };
    static const uint16_t brain[] = { 0, 0x3f00, 0xbf80 }, half[] = { 0, 0x3800, 0xbc00 };
    static const uint8_t u8[] = { 0, 1, 255 };
    static const int8_t i8[] = { 0, 1, -128 };
    static const uint16_t u16[] = { 0, 1, 65535 };
    static const int16_t i16[] = { 0, 1, -32768 };
    static const uint32_t u32[] = { 0, 1, 16777216 };
    static const int32_t i32[] = { 0, 1, -2147483647 - 1 };
    static const uint64_t u64[] = { 0, 1, UINT64_C(1) << 63 };
    static const int64_t i64[] = { 0, 1, INT64_MIN };
    static const struct {
        limn_type type;
        const void *data;
        float second, third;
    } cases[] = {
        { LIMN_F32, f32, 0.5f, -1 },    { LIMN_F64, f64, 0.5f, -1e-3f },
        { LIMN_BF16, brain, 0.5f, -1 }, { LIMN_F16, half, 0.5f, -1 },
        { LIMN_U8, u8, 1, 255 },        { LIMN_I8, i8, 1, -128 },
        { LIMN_U16, u16, 1, 65535 },    { LIMN_I16, i16, 1, -32768 },
        { LIMN_U32, u32, 1, 16777216 }, { LIMN_I32, i32, 1, -2147483648.f },
        { LIMN_U64, u64, 1, 0x1p63f },  { LIMN_I64, i64, 1, -0x1p63f },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t shift = 0; shift < 2; shift++) { /* also where the data is not aligned */
            char room[64];
            limn_saved_tensor t = { "t", cases[i].type, 1, { 3 }, 3, room + shift };
            float out[4] = { 77, 77, 77, 77 };

            memcpy(room + shift, cases[i].data, 3 * limn_type_bytes(t.type));
            assert_int_equal(limn_saved_floats(&t, 1, 2, out, &error), LIMN_OK);
            assert_true(out[0] == cases[i].second && out[1] == cases[i].third && out[2] == 77);
            assert_int_equal(limn_saved_floats(&t, 3, 0, out, &error), LIMN_OK);
            assert_int_equal(limn_saved_floats(&t, 2, 2, out, &error), LIMN_BUG);
            assert_int_equal(limn_saved_floats(&t, 4, 0, out, &error), LIMN_BUG);
            assert_int_equal(limn_saved_floats(&t, 2, SIZE_MAX, out, &error), LIMN_BUG);
        }
    assert_int_equal(limn_saved_floats(&(limn_saved_tensor){ "flags", LIMN_BOOL, 1, { 1 }, 1, u8 },
                                       0, 1, &(float){ 0 }, &error),
                     LIMN_FORMAT);
    assert_string_equal(error.text, "tensor \"flags\" holds BOOL, which are no numbers");
}

/* ---- Truncated files ------------------------------------------------------------------------- */

/* Every length short of the whole, from nothing to the last byte missing. */
static void every_truncation_is_refused(void **state)
{
    limn_safetensors *file;
    size_t count;
    char *bytes;

    (void)state;
    assert_int_equal(write_some(scratch_path(&folder, "m"), &error), LIMN_OK);
    bytes = scratch_read(folder.path, &count);
    for (size_t n = 0; n < count; n++) {
        char *cut = malloc(n + 1); /* of its own size, for the address sanitizer */

        memcpy(cut, bytes, n);
        cut = realloc(cut, n ? n : 1);
        assert_int_equal(limn_safetensors_open_bytes(&file, cut, n, "cut", &error), LIMN_FORMAT);
        assert_null(file);
        free(cut);
    }
    free(bytes);
    scratch_write(scratch_path(&folder, "empty"), "", 0);
    assert_int_equal(limn_safetensors_open(&file, folder.path, &error), LIMN_FORMAT);
    assert_non_null(strstr(error.text, "/empty: 0 bytes are too few"));
    assert_int_equal(limn_safetensors_open(&file, scratch_path(&folder, "no"), &error), LIMN_IO);
    assert_null(file);
}

/* ---- Failing calls --------------------------------------------------------------------------- */

static void each_refused_request_is_survived(void **state)
{
    char path[600];
    size_t live = limn_memory_live_blocks();
    limn_status status = LIMN_NO_MEMORY;
    int n;

    (void)state;
    snprintf(path, sizeof path, "%s", scratch_path(&folder, "m"));
    for (n = 0; status; n++) {
        limn_memory_refuse_after(n);
        status = write_some(path, &error);
        limn_memory_refuse_after(-1);
        if (status != LIMN_OK) assert_int_equal(status, LIMN_NO_MEMORY);
        if (status) assert_non_null(strstr(error.text, "out of memory"));
        if (status) assert_int_equal(scratch_entries(folder.folder), 0);
        assert_int_equal(limn_memory_live_blocks(), live);
        assert_in_range(n, 0, 1000);
    }
    assert_in_range(n, 30, 1000); /* the JSON library takes its memory here as well */
    for (n = 0, status = LIMN_NO_MEMORY; status; n++) {
        limn_safetensors *file;

        limn_memory_refuse_after(n);
        status = limn_safetensors_open(&file, path, &error);
        limn_memory_refuse_after(-1);
        if (status != LIMN_OK && status != LIMN_NO_MEMORY) fail_msg("%d: %s", n, error.text);
        if (status) assert_non_null(strstr(error.text, "out of memory"));
        assert_int_equal(file != NULL, !status);
        limn_safetensors_close(&file);
        assert_int_equal(limn_memory_live_blocks(), live);
        assert_in_range(n, 0, 1000);
    }
    assert_in_range(n, 3, 1000); /* itself, the pool of the JSON library, its own copy */
    assert_is_some(path);
}

static void each_failing_call_leaves_old_or_new(void **state)
{
    char path[600];
    limn_status status = LIMN_IO;

    (void)state;
    snprintf(path, sizeof path, "%s", scratch_path(&folder, "m"));
    for (int n = 0; status; n++) {
        size_t count;
        char *bytes;

        scratch_write(path, "old", 3);
        limn_file_fail_after(n);
        status = write_some(path, &error);
        limn_file_fail_after(-1);
        if (status != LIMN_OK) assert_int_equal(status, LIMN_IO);
        assert_int_equal(scratch_entries(folder.folder), 1);
        bytes = scratch_read(path, &count);
        if (count != 3 || memcmp(bytes, "old", 3) != 0) assert_is_some(path);
        free(bytes);
        assert_in_range(n, 0, 100);
    }
    assert_is_some(path);
}

static void killed_writers_leave_a_whole_model(void **state)
{
    enum { COUNT = 200000 };
    static float data[COUNT];
    const char *path = scratch_path(&folder, "m");

    (void)state;
    assert_int_equal(write_some(path, &error), LIMN_OK);
    for (int round = 0; round < 30; round++) {
        int how, ready;
        pid_t child = scratch_fork(&ready);
        limn_safetensors *file;

        if (!child)
            for (int k = 1;; k++) {
                const limn_saved_tensor one = { "w", LIMN_F32, 1, { COUNT }, COUNT, data };
                limn_safetensors_writer *writer;

                for (int i = 0; i < COUNT; i++) data[i] = (float)k;
                if (limn_safetensors_create(&writer, path, &one, 1, NULL, 0, NULL) ||
                    limn_safetensors_write(writer, data, sizeof data / 2, NULL) ||
                    limn_safetensors_write(writer, data, sizeof data / 2, NULL) ||
                    limn_safetensors_commit(&writer, NULL))
                    _exit(1);
                scratch_at_work(&ready);
            }
        usleep((useconds_t)(1000 + round * 773 % 20000));
        kill(child, SIGKILL);
        waitpid(child, &how, 0);
        assert_true(WIFSIGNALED(how));
        if (limn_safetensors_open(&file, path, &error)) fail_msg("%s", error.text);
        if (limn_safetensors_count(file) == 1) {
            const limn_saved_tensor *t = limn_safetensors_at(file, 0);

            assert_int_equal(t->count, COUNT);
            for (size_t i = 1; i < COUNT; i++)
                assert_memory_equal((const float *)t->data + i, t->data, sizeof(float));
        }
        limn_safetensors_close(&file);
        assert_in_range(scratch_entries(folder.folder), 1, 2);
    }
    assert_int_equal(write_some(path, &error), LIMN_OK);
    assert_is_some(path);
    assert_int_equal(scratch_entries(folder.folder), 1);
}

/* ---- Misuse of the writer -------------------------------------------------------------------- */

static void check_not_created(const limn_saved_tensor *tensors, size_t count,
                              const limn_saved_text *text, limn_status expected, const char *said)
{
    limn_safetensors_writer *writer = (void *)&writer;
    limn_status status = limn_safetensors_create(&writer, scratch_path(&folder, "m"), tensors,
                                                 count, text, text != NULL, &error);

    if (status != expected || !strstr(error.text, said))
        fail_msg("wanted \"%s\", got %d \"%s\"", said, (int)status, error.text);
    assert_null(writer);
    assert_int_equal(scratch_entries(folder.folder), 0);
}

static void the_writer_refuses_what_could_not_be_read(void **state)
{
    const limn_saved_tensor twice[] = { { "a", LIMN_U8, 0, { 0 }, 1, NULL },
                                        { "a", LIMN_U8, 0, { 0 }, 1, NULL } };
    limn_saved_tensor one = { "__metadata__", LIMN_U8, 1, { 4 }, 4, NULL };
    char *large = malloc(100000001);

    (void)state;
    check_not_created(twice, 2, NULL, LIMN_BUG, "a name that is taken");
    check_not_created(&one, 1, NULL, LIMN_BUG, "a name that is taken");
    one.name = "n\xff";
    check_not_created(&one, 1, NULL, LIMN_FORMAT, "is not UTF-8");
    one.name = "\xed\xa0\x80"; /* half of a surrogate pair */
    check_not_created(&one, 1, NULL, LIMN_FORMAT, "is not UTF-8");
    one.name = "n";
    one.dims = LIMN_DIMS_MAX + 1;
    check_not_created(&one, 1, NULL, LIMN_BUG, "too many dimensions");
    one.dims = 1;
    one.size[0] = -1;
    check_not_created(&one, 1, NULL, LIMN_BUG, "impossible shape");
    one.dims = 2;
    one.size[0] = one.size[1] = INT64_C(1) << 32;
    check_not_created(&one, 1, NULL, LIMN_BUG, "impossible shape");
    check_not_created(NULL, 0, &(limn_saved_text){ "path", "/home/\xe4" }, LIMN_FORMAT,
                      "the metadata \"path\" is not UTF-8");
    memset(large, 'x', 100000000);
    large[100000000] = '\0';
    check_not_created(NULL, 0, &(limn_saved_text){ "k", large }, LIMN_FORMAT,
                      "safetensors allows 100000000");
    free(large);
}

static void the_writer_counts_the_data(void **state)
{
    const limn_saved_tensor one = { "n", LIMN_U8, 1, { 4 }, 4, NULL };
    limn_safetensors_writer *writer;

    (void)state;
    assert_int_equal(
        limn_safetensors_create(&writer, scratch_path(&folder, "m"), &one, 1, NULL, 0, &error),
        LIMN_OK);
    assert_int_equal(limn_safetensors_write(writer, "abc", 3, &error), LIMN_OK);
    assert_int_equal(limn_safetensors_write(writer, "de", 2, &error), LIMN_BUG);
    assert_non_null(strstr(error.text, "more data than the header announces"));
    assert_int_equal(limn_safetensors_commit(&writer, &error), LIMN_BUG);
    assert_non_null(strstr(error.text, "3 bytes of data have come, the header announces 4"));
    assert_null(writer);
    assert_int_equal(scratch_entries(folder.folder), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_comes_back),         TEST(files_without_tensors_are_fine),
        TEST(python_reads_the_same_by_hand),      TEST(what_python_writes_by_hand_is_read),
        TEST(each_type_becomes_floats),           TEST(every_truncation_is_refused),
        TEST(each_refused_request_is_survived),   TEST(each_failing_call_leaves_old_or_new),
        TEST(killed_writers_leave_a_whole_model), TEST(the_writer_refuses_what_could_not_be_read),
        TEST(the_writer_counts_the_data),
    };

    return cmocka_run_group_tests_name("safetensors", tests, NULL, NULL);
}
