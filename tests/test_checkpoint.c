/* SPDX-License-Identifier: Apache-2.0
 *
 * Foreign checkpoints, against PyTorch: make_checkpoints.py writes files with torch.save and,
 * beside each, the same tensors with struct and json; here both must read as the same numbers.
 * Hostile files must be refused with the words that name the reason, in a second and 100 MB each.
 * Small files are cut at every byte, every byte of them is changed, and every allocation is
 * refused. */
#include "model/checkpoint.h"
#include "model/deduce.h"
#include "model/pickle.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

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

enum { ENTRIES_MAX = 1000 };

static char folder[] = "/tmp/limn_checkpoint_XXXXXX";
static const char *source_root = "..";

static const char *in_folder(const char *sub, const char *name, const char *end)
{
    static char path[4][600];
    static int turn;

    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s/%.99s%s", folder, sub, name, end);
    return path[turn];
}

/* The names (without .pth) in a folder, sorted; the caller frees nothing, it is one process. */
static size_t list(const char *sub, char names[ENTRIES_MAX][100])
{
    char path[300];
    struct dirent **entries;
    size_t n = 0;
    int i, count;

    snprintf(path, sizeof path, "%s/%s", folder, sub);
    count = scandir(path, &entries, NULL, alphasort);
    assert_true(count > 0);
    for (i = 0; i < count; free(entries[i++])) {
        const char *dot = strrchr(entries[i]->d_name, '.');

        if (!dot || strcmp(dot, ".pth")) continue;
        assert_true(n < ENTRIES_MAX);
        snprintf(names[n++], 100, "%.*s", (int)(dot - entries[i]->d_name), entries[i]->d_name);
    }
    free(entries);
    return n;
}

static unsigned char *slurp(const char *path, size_t *count)
{
    FILE *f = fopen(path, "rb");
    unsigned char *bytes;

    if (!f) return NULL;
    fseek(f, 0, SEEK_END);
    *count = (size_t)ftell(f);
    rewind(f);
    bytes = malloc(*count + 1);
    assert_int_equal(fread(bytes, 1, *count, f), *count);
    bytes[*count] = 0;
    fclose(f);
    return bytes;
}

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
    size_t count;

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
    size_t i, n, count;

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
    size_t i, k, n, count, refused = 0;

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
    size_t i, count;
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

static void chooses_a_network(void **state)
{
    limn_error error = { 0 };
    limn_checkpoint *c;
    limn_arena arena = { 0 };
    limn_state s;

    (void)state;
    limn_arena_open(&arena, "test", 0);
    assert_int_equal(limn_checkpoint_open(&c, in_folder("good", "two_networks", ".pth"), &error),
                     LIMN_OK);
    assert_int_equal(limn_state_choose(&s, c, NULL, &arena, &error), LIMN_SETTING);
    assert_non_null(strstr(error.text, "'D', 'G_A', 'G_B'"));
    assert_non_null(strstr(error.text, "--part"));
    assert_null(strstr(error.text, "optimizer"));
    assert_int_equal(limn_state_choose(&s, c, "G_C", &arena, &error), LIMN_SETTING);
    assert_non_null(strstr(error.text, "G_C"));
    assert_int_equal(limn_state_choose(&s, c, "D", &arena, &error), LIMN_OK);
    assert_string_equal(s.part, "D");
    assert_non_null(limn_state_find(&s, "model.11.weight"));
    assert_null(limn_state_find(&s, "model.1.weight"));
    limn_checkpoint_close(&c);
    assert_int_equal(limn_checkpoint_open(&c, in_folder("good", "nested_model", ".pth"), &error),
                     LIMN_OK);
    assert_int_equal(limn_state_choose(&s, c, NULL, &arena, &error), LIMN_OK);
    assert_string_equal(s.part, "model");
    assert_non_null(limn_state_find(&s, "model.model.0.weight"));
    limn_checkpoint_close(&c);
    assert_int_equal(limn_checkpoint_open(&c, in_folder("good", "prefix_twice", ".pth"), &error),
                     LIMN_OK);
    assert_int_equal(limn_state_choose(&s, c, NULL, &arena, &error), LIMN_OK);
    assert_string_equal(s.part, "");
    assert_string_equal(limn_state_find(&s, "model.1.weight")->saved.name,
                        "module.module.model.1.weight");
    limn_checkpoint_close(&c);
    limn_arena_close(&arena);
}

/* One key=value of a .want against what was deduced. */
static void expect_deduced(const char *file, const limn_deduced *d, const char *key,
                           const char *value)
{
    const struct {
        const char *key;
        int is;
    } numbers[] = {
        { "downs", d->downs },         { "blocks", d->blocks },
        { "layers", d->layers },       { "filters", d->filters },
        { "input_nc", d->input_nc },   { "output_nc", d->output_nc },
        { "dropout", d->dropout },     { "statistics", d->statistics },
        { "stale", d->stale },         { "affine", d->affine },
        { "antialias", d->antialias }, { "antialias_up", d->antialias_up },
    };
    size_t i;

    for (i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!strcmp(key, numbers[i].key)) {
            if (numbers[i].is != atoi(value))
                fail_msg("%s: %s is %d, not %s", file, key, numbers[i].is, value);
            return;
        }
    if (!strcmp(key, "network"))
        assert_string_equal(d->network, value);
    else if (!strcmp(key, "norm"))
        assert_string_equal(d->norm, value);
    else if (!strcmp(key, "padding"))
        assert_string_equal(d->padding, value);
    else if (strcmp(key, "ask") && strcmp(key, "give") && strcmp(key, "part"))
        fail_msg("%s: no such key %s", file, key);
}

/* The value of a key in a .want, or NULL. */
static const char *wanted(const char *want, const char *key, char out[40])
{
    const char *p = want;
    size_t n = strlen(key);

    for (; p; p = strchr(p, ' ') ? strchr(p, ' ') + 1 : NULL)
        if (!strncmp(p, key, n) && p[n] == '=') {
            snprintf(out, 40, "%.*s", (int)strcspn(p + n + 1, " "), p + n + 1);
            return out;
        }
    return NULL;
}

static limn_status deduce(limn_deduced *out, limn_checkpoint *c, const char *part, const char *norm,
                          limn_arena *arena, limn_error *error)
{
    limn_wishes wishes = { norm, -1 };
    limn_state s;
    limn_status status = limn_state_choose(&s, c, part, arena, error);

    return status ? status : limn_deduce(out, &s, &wishes, arena, error);
}

static void deduces_networks(void **state)
{
    static char names[ENTRIES_MAX][100];
    size_t n = list("good", names), i, count, deduced = 0, asked = 0, refused = 0;
    char ask[40], give[44], part[40], *want, *word;
    limn_error error = { 0 };
    limn_arena arena = { 0 };
    limn_checkpoint *c;
    limn_deduced d;

    (void)state;
    limn_arena_open(&arena, "test", 0);
    for (i = 0; i < n; i++) {
        if (!(want = (char *)slurp(in_folder("good", names[i], ".want"), &count))) continue;
        assert_int_equal(limn_checkpoint_open(&c, in_folder("good", names[i], ".pth"), &error),
                         LIMN_OK);
        if (!wanted(want, "ask", ask)) *ask = 0;
        if (!strcmp(ask, "network")) {
            assert_int_equal(deduce(&d, c, NULL, NULL, &arena, &error), LIMN_FORMAT);
            if (getenv("LIMN_SHOW_REFUSALS")) printf("%s\n", error.text);
            refused++;
            goto next;
        }
        if (*ask) {
            assert_int_equal(deduce(&d, c, NULL, NULL, &arena, &error), LIMN_SETTING);
            if (getenv("LIMN_SHOW_REFUSALS")) printf("%s\n", error.text);
            snprintf(give, sizeof give, "--%s", ask);
            assert_non_null(strstr(error.text, give));
            asked++;
        }
        if (deduce(&d, c, wanted(want, "part", part), wanted(want, "give", give), &arena, &error))
            fail_msg("%s: %s", names[i], error.text);
        assert_true(d.count > 3);
        for (word = strtok(want, " "); word; word = strtok(NULL, " ")) {
            char *equals = strchr(word, '=');

            *equals = 0;
            expect_deduced(names[i], &d, word, equals + 1);
        }
        deduced++;
    next:
        free(want);
        limn_checkpoint_close(&c);
        limn_arena_close(&arena);
    }
    assert_true(deduced > 80 && asked >= 4 && refused >= 6);
}

static const limn_deduced_tensor *called(const limn_deduced *d, const char *name)
{
    size_t i;

    for (i = 0; i < d->count; i++)
        if (!strcmp(d->tensors[i].name, name)) return &d->tensors[i];
    fail_msg("no tensor %s", name);
    return NULL;
}

/* limn's names, plain names and the names in the file, layer by layer where they differ. */
static void maps_names(void **state)
{
    static const struct {
        const char *file, *norm, *name, *plain, *in_file;
    } rows[] = {
        { "cut_11", NULL, "model.1.weight", "model.1.weight", "model.1.weight" },
        { "cut_11", NULL, "model.8.weight", "model.7.weight", "model.8.weight" },
        { "cut_11", NULL, "model.12.conv_block.5.bias", "model.10.conv_block.5.bias",
          "model.12.conv_block.5.bias" },
        { "cut_11", NULL, "model.20.conv_block.1.weight", "model.18.conv_block.1.weight",
          "model.20.conv_block.1.weight" },
        { "cut_11", NULL, "model.22.weight", "model.19.weight", "model.22.weight" },
        { "cut_11", NULL, "model.26.weight", "model.22.weight", "model.26.weight" },
        { "cut_11", NULL, "model.30.weight", "model.26.weight", "model.30.weight" },
        { "cut_01", NULL, "model.20.weight", "model.19.weight", "model.20.weight" },
        { "cut_10", NULL, "model.21.weight", "model.19.weight", "model.21.weight" },
        { "critic_3_instance_1", NULL, "model.3.weight", "model.2.weight", "model.3.weight" },
        { "critic_3_instance_1", NULL, "model.14.weight", "model.11.weight", "model.14.weight" },
        { "old_resnet_instance", "instance", "model.1.weight", "model.1.weight", "model.0.weight" },
        { "old_resnet_instance", "instance", "model.2.weight", "model.2.weight", "model.1.weight" },
        { "old_resnet_instance", "instance", "model.10.conv_block.5.weight",
          "model.10.conv_block.5.weight", "model.9.conv_block.3.weight" },
        { "old_resnet_batch_drop", "batch", "model.10.conv_block.6.weight",
          "model.10.conv_block.6.weight", "model.9.conv_block.4.weight" },
        { "old_resnet_batch_drop", "batch", "model.10.conv_block.7.running_var",
          "model.10.conv_block.7.running_var", "model.9.conv_block.5.running_var" },
        { "old_resnet_instance", "instance", "model.16.weight", "model.16.weight",
          "model.15.weight" },
        { "old_resnet_instance", "instance", "model.23.bias", "model.23.bias", "model.21.bias" },
        { "unet_128_batch", NULL, "model.model.1.model.3.model.5.weight",
          "model.model.1.model.3.model.5.weight", "model.model.1.model.3.model.5.weight" },
    };
    limn_error error = { 0 };
    limn_arena arena = { 0 };
    limn_checkpoint *c;
    limn_deduced d;
    size_t i;

    (void)state;
    limn_arena_open(&arena, "test", 0);
    for (i = 0; i < sizeof rows / sizeof *rows; i++) {
        const limn_deduced_tensor *t;

        assert_int_equal(limn_checkpoint_open(&c, in_folder("good", rows[i].file, ".pth"), &error),
                         LIMN_OK);
        if (deduce(&d, c, NULL, rows[i].norm, &arena, &error)) fail_msg("%s", error.text);
        t = called(&d, rows[i].name);
        assert_string_equal(t->plain, rows[i].plain);
        assert_string_equal(t->tensor->saved.name, rows[i].in_file);
        assert_int_equal(t->statistic, strstr(t->name, "running_") != NULL);
        limn_checkpoint_close(&c);
    }
    limn_arena_close(&arena);
}

/* A wish that contradicts the file is refused, one that agrees is not. */
static void wishes_must_fit(void **state)
{
    limn_error error = { 0 };
    limn_arena arena = { 0 };
    limn_checkpoint *c;
    limn_deduced d;

    (void)state;
    limn_arena_open(&arena, "test", 0);
    assert_int_equal(limn_checkpoint_open(&c, in_folder("good", "unet_256_batch", ".pth"), &error),
                     LIMN_OK);
    assert_int_equal(deduce(&d, c, NULL, "batch", &arena, &error), LIMN_OK);
    assert_int_equal(deduce(&d, c, NULL, "instance", &arena, &error), LIMN_SETTING);
    assert_non_null(strstr(error.text, "batch"));
    assert_int_equal(deduce(&d, c, NULL, "group", &arena, &error), LIMN_SETTING);
    limn_checkpoint_close(&c);
    limn_arena_close(&arena);
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

static int make_files(void **state)
{
    char command[600];

    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(command, sizeof command, "/usr/bin/python3 -B '%s/tests/make_checkpoints.py' '%s'",
             source_root, folder);
    return system(command);
}

static int remove_files(void **state)
{
    char command[300];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
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
        cmocka_unit_test(chooses_a_network),
        cmocka_unit_test(deduces_networks),
        cmocka_unit_test(maps_names),
        cmocka_unit_test(wishes_must_fit),
        cmocka_unit_test(reads_numbers),
    };

    if (count > 1) source_root = arguments[1];
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
