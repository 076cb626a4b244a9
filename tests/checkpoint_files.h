/* SPDX-License-Identifier: Apache-2.0
 *
 * The files that make_checkpoints.py makes with PyTorch, for the tests that read them. */
#ifndef LIMN_TESTS_CHECKPOINT_FILES_H
#define LIMN_TESTS_CHECKPOINT_FILES_H

#include "model/checkpoint.h"
#include "scratch.h"

#include <setjmp.h>

#include <cmocka.h>

enum { ENTRIES_MAX = 1000 };

static scratch folder;
static const char *source_root = "..", *kinds = ""; /* "": all */

static inline const char *in_folder(const char *sub, const char *name, const char *end)
{
    static char path[4][600];
    static int turn;

    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s/%.99s%s", folder.folder, sub, name, end);
    return path[turn];
}

/* The names (without .pth) in a folder, sorted; the caller frees nothing, it is one process. */
static inline size_t list(const char *sub, char names[ENTRIES_MAX][100])
{
    char path[300];
    struct dirent **entries;
    size_t n = 0;
    int i, count;

    snprintf(path, sizeof path, "%s/%s", folder.folder, sub);
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

static inline unsigned char *slurp(const char *path, size_t *count)
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

static inline int make_files(void **state)
{
    char command[1000];

    (void)state;
    scratch_open(&folder);
    snprintf(command, sizeof command, "/usr/bin/python3 -B '%s/tests/make_checkpoints.py' '%s' %s",
             source_root, folder.folder, kinds);
    return system(command);
}

static inline int remove_files(void **state)
{
    (void)state;
    scratch_close(&folder);
    return 0;
}

#endif
