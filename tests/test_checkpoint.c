/* SPDX-License-Identifier: Apache-2.0
 *
 * Foreign checkpoints, against PyTorch: make_checkpoints.py writes files with torch.save and,
 * beside each, the same tensors with struct and json; here both must read as the same numbers.
 * Hostile files must be refused with the words that name the reason, in a second and 100 MB each.
 * Small files are cut at every byte, every byte of them is changed, and every allocation is
 * refused. */
#include "checkpoint_files.h"
#include "model/pickle.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* One tensor against its twin, whole and from the middle on; returns elements compared. */
static size_t compare(const limn_checkpoint_tensor *a, const limn_checkpoint_tensor *b)
{
    size_t i, half = a->saved.count / 2;
    limn_error error = { 0 };
    float *x, *y, *z;

    assert_int_equal(a->saved.type, b->saved.type);
    assert_int_equal(a->saved.dims, b->saved.dims);
    for (i = 0; i < (size_t)a->saved.dims; i++)
        assert_int_equal(a->saved.size[i], b->saved.size[i]);
    assert_int_equal(a->saved.count, b->saved.count);
    x = calloc(a->saved.count + 1, sizeof *x);
    y = calloc(a->saved.count + 1, sizeof *y);
    z = calloc(a->saved.count + 1, sizeof *z);
    assert_int_equal(limn_checkpoint_floats(a, 0, a->saved.count, x, &error), LIMN_OK);
    assert_int_equal(limn_checkpoint_floats(b, 0, a->saved.count, y, &error), LIMN_OK);
    assert_int_equal(limn_checkpoint_floats(a, half, a->saved.count - half, z, &error), LIMN_OK);
    for (i = 0; i < a->saved.count; i++)
        if (x[i] != y[i] || (i >= half && z[i - half] != x[i]))
            fail_msg("%s[%zu]: %g, PyTorch has %g", a->saved.name, i, (double)x[i], (double)y[i]);
    assert_int_equal(limn_checkpoint_floats(a, 1, a->saved.count, x, &error), LIMN_BUG);
    free(x);
    free(y);
    free(z);
    return a->saved.count;
}

static void reads_what_torch_wrote(void **state)
{
    static char names[ENTRIES_MAX][100];
    size_t n = list("good", names), i, k, compared = 0, strided = 0;
    limn_error error = { 0 };
    limn_checkpoint *c, *twin;

    (void)state;
    assert_true(n > 100);
    for (i = 0; i < n; i++) {
        if (limn_checkpoint_open(&c, in_folder("good", names[i], ".pth"), &error))
            fail_msg("%s: %s", names[i], error.text);
        assert_int_equal(
            limn_checkpoint_open(&twin, in_folder("good", names[i], ".safetensors"), &error),
            LIMN_OK);
        assert_int_equal(limn_checkpoint_is(twin), LIMN_CHECKPOINT_SAFETENSORS);
        assert_int_equal(limn_checkpoint_is(c),
                         strstr(names[i], "_legacy") || !strcmp(names[i], "python2")
                             ? LIMN_CHECKPOINT_LEGACY
                             : LIMN_CHECKPOINT_PTH);
        assert_int_equal(limn_checkpoint_count(c), limn_checkpoint_count(twin));
        for (k = 0; k < limn_checkpoint_count(twin); k++) {
            const limn_checkpoint_tensor *b = limn_checkpoint_at(twin, k);
            const limn_checkpoint_tensor *a = limn_checkpoint_find(c, b->saved.name);

            if (!a) fail_msg("%s: no tensor %s", names[i], b->saved.name);
            compared += compare(a, b);
            strided += !a->saved.data;
        }
        limn_checkpoint_close(&c);
        limn_checkpoint_close(&twin);
        assert_null(c);
    }
    assert_true(compared > 1000000 && strided >= 20);
}

/* Opens one hostile file; every word of its .want must be in the sentence. */
static void expect_refusal(const char *name)
{
    limn_error error = { 0 };
    limn_checkpoint *c = NULL;
    char *want, *word;
    struct timespec before, after;
    double seconds;
    size_t count = 0;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before); /* whatever else the machine does */
    if (!limn_checkpoint_open(&c, in_folder("bad", name, ".pth"), &error))
        fail_msg("%s was accepted", name);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    assert_null(c);
    assert_true(error.status == LIMN_FORMAT);
    assert_true(strlen(error.text) > 20 && strlen(error.text) < sizeof error.text - 1);
    for (word = error.text; *word; word++) assert_true(*word >= 32 || *word < 0);
    seconds = (double)(after.tv_sec - before.tv_sec) +
              1e-9 * (double)(after.tv_nsec - before.tv_nsec);
    if (seconds > (SANITIZED ? 5 : 1)) fail_msg("%s took %.2f s", name, seconds);
    want = (char *)slurp(in_folder("bad", name, ".want"), &count);
    assert_true(want && *want);
    for (word = strtok(want, "\n"); word; word = strtok(NULL, "\n"))
        if (!strstr(error.text, word)) fail_msg("%s: no '%s' in: %s", name, word, error.text);
    free(want);
    if (getenv("LIMN_SHOW_REFUSALS")) printf("%s\n", error.text);
}

static void refuses_hostile_files(void **state)
{
    static char names[ENTRIES_MAX][100];
    size_t n = list("bad", names), i;

    (void)state;
    assert_true(n > 100);
    for (i = 0; i < n; i++) expect_refusal(names[i]);
    assert_int_equal(access("owned", F_OK), -1);
    assert_int_equal(limn_memory_live_blocks(), 0);
}

/* Each in a process of its own, whose peak is measured by the kernel. */
static void refuses_in_100_megabytes(void **state)
{
    static char names[ENTRIES_MAX][100];
    size_t n = list("bad", names), i;
    struct rusage usage;
    int status;
    pid_t child;

    (void)state;
    if (SANITIZED) skip(); /* the sanitizer's own memory is many times that */
    for (i = 0; i < n; i++) {
        fflush(NULL);
        if (!(child = fork())) {
            limn_error error = { 0 };
            limn_checkpoint *c;

            _exit(limn_checkpoint_open(&c, in_folder("bad", names[i], ".pth"), &error) ? 0 : 1);
        }
        assert_int_equal(wait4(child, &status, 0, &usage), child);
        assert_int_equal(status, 0);
        if (usage.ru_maxrss > 100 * 1024)
            fail_msg("%s: %ld KiB at the peak", names[i], usage.ru_maxrss);
    }
}

/* What opens must also be readable to its last element. */
static limn_status open_and_read(const unsigned char *bytes, size_t count, limn_error *error)
{
    static float out[1 << 16];
    limn_checkpoint *c;
    limn_status status = limn_checkpoint_open_bytes(&c, bytes, count, "file", error);
    size_t i;

    for (i = 0; !status && i < limn_checkpoint_count(c); i++) {
        const limn_checkpoint_tensor *t = limn_checkpoint_at(c, i);
        size_t n = t->saved.count < 1 << 16 ? t->saved.count : 1 << 16;

        status = limn_checkpoint_floats(t, t->saved.count - n, n, out, error);
    }
    limn_checkpoint_close(&c);
    return status;
}

static const char *const small_files[] = { "views",   "views_legacy", "types_legacy", "bare_tensor",
                                           "python2", "untyped",      "zip64",        "protocol4" };
enum { SMALL_FILES = sizeof small_files / sizeof *small_files };

static void cut_at_every_byte(void **state)
{
    size_t i, n, count = 0;

    (void)state;
    for (i = 0; i < SMALL_FILES; i++) {
        unsigned char *bytes = slurp(in_folder("good", small_files[i], ".pth"), &count);
        limn_error error = { 0 };

        assert_non_null(bytes);
        assert_int_equal(open_and_read(bytes, count, &error), LIMN_OK);
        for (n = 0; n < count; n++) {
            /* a copy of just that size, so that a read beyond it is seen */
            unsigned char *cut = malloc(n ? n : 1);

            memcpy(cut, bytes, n);
            error = (limn_error){ 0 };
            if (open_and_read(cut, n, &error) != LIMN_FORMAT)
                fail_msg("%s cut to %zu of %zu bytes: status %d, %s", small_files[i], n, count,
                         (int)error.status, error.text);
            assert_true(strlen(error.text) > 10);
            free(cut);
        }
        free(bytes);
    }
    assert_int_equal(limn_memory_live_blocks(), 0);
}

/* Any byte may change: an error or other numbers, never a crash. */
static void change_every_byte(void **state)
{
    static const unsigned char changes[] = { 1, 0x80, 0xff, 0x20 };
    size_t i, k, n, count = 0, refused = 0;

    (void)state;
    for (i = 0; i < SMALL_FILES; i++) {
        unsigned char *bytes = slurp(in_folder("good", small_files[i], ".pth"), &count);

        for (n = 0; n < count; n++)
            for (k = 0; k < sizeof changes; k++) {
                limn_error error = { 0 };

                bytes[n] ^= changes[k];
                if (open_and_read(bytes, count, &error)) refused++;
                bytes[n] ^= changes[k];
            }
        free(bytes);
    }
    assert_true(refused > 10000);
    assert_int_equal(limn_memory_live_blocks(), 0);
}

static void every_allocation_refused(void **state)
{
    static const char *const files[] = { "views", "python2", "many", "many_legacy" };
    limn_error error;
    limn_status status;
    size_t i, count = 0;
    long n;

    (void)state;
    for (i = 0; i < sizeof files / sizeof *files; i++) {
        unsigned char *bytes = slurp(in_folder("good", files[i], ".pth"), &count);

        for (n = 0; n < 10000; n++) {
            error = (limn_error){ 0 };
            limn_memory_refuse_after(n);
            status = open_and_read(bytes, count, &error);
            limn_memory_refuse_after(-1);
            assert_int_equal(limn_memory_live_blocks(), 0);
            if (!status) break;
            assert_int_equal(status, LIMN_NO_MEMORY);
            assert_non_null(strstr(error.text, "memory"));
        }
        assert_true(n > 5 && n < 10000);
        free(bytes);
    }
}

/* The numbers of pickles, against Python's own encoding of them. */
static void reads_numbers(void **state)
{
    static const struct {
        const char *bytes;
        size_t count;
        int64_t whole;
    } cases[] = {
        { "\x80\x02K\xff.", 5, 255 },
        { "\x80\x02M\x01\xff.", 6, 0xff01 },
        { "\x80\x02J\xff\xff\xff\xff.", 8, -1 },
        { "\x80\x02\x8a\x00.", 5, 0 },
        { "\x80\x02\x8a\x01\xff.", 6, -1 },
        { "\x80\x02\x8a\x05\x00\x00\x00\x00\x01.", 10, (int64_t)1 << 32 },
        { "\x80\x02\x8a\x05\x00\x00\x00\x00\xff.", 10, -((int64_t)1 << 32) },
        { "\x80\x02\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f.", 13, INT64_MAX },
    };
    limn_error error = { 0 };
    limn_pickle *p;
    size_t i, used;

    (void)state;
    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(limn_pickle_read(&p, (const unsigned char *)cases[i].bytes, cases[i].count,
                                          &used, "number", &error),
                         LIMN_OK);
        assert_int_equal(used, cases[i].count);
        assert_int_equal(limn_pickle_root(p)->kind, LIMN_PICKLE_WHOLE);
        assert_true(limn_pickle_root(p)->whole == cases[i].whole);
        limn_pickle_close(&p);
    }
    assert_int_equal(limn_pickle_read(&p, (const unsigned char *)"\x80\x02G\xbf\xf8\0\0\0\0\0\0.",
                                      12, NULL, "number", &error),
                     LIMN_OK);
    assert_true(limn_pickle_root(p)->real == -1.5);
    limn_pickle_close(&p);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_torch_wrote),
        cmocka_unit_test(refuses_hostile_files),
        cmocka_unit_test(refuses_in_100_megabytes),
        cmocka_unit_test(cut_at_every_byte),
        cmocka_unit_test(change_every_byte),
        cmocka_unit_test(every_allocation_refused),
        cmocka_unit_test(reads_numbers),
    };

    if (count > 1) source_root = arguments[1];
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
