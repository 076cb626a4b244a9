/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiny trainings for the tests: their folders, their settings, what their history says.  Include it
 * behind cmocka.h's own needs (stdarg, stddef, setjmp). */
#ifndef LIMN_TESTS_TRAIN_RUNS_H
#define LIMN_TESTS_TRAIN_RUNS_H

#include "train/train_inside.h"
#include "train_data.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char *program;

static inline void set(limn_training *t, const char *name, const char *value)
{
    limn_error error = { 0 };

    if (limn_setting_set(limn_train_rows(), limn_train_fields(t), name, value, &error))
        fail_msg("%s", error.text);
}

/* A tiny pix2pix on s->folder/data, of which nothing but the folder of the run is open. */
static inline limn_training *tiny(const char *data, const char *out)
{
    static const char *const settings[][2] = {
        { "netG", "unet_32" },
        { "ngf", "4" },
        { "ndf", "4" },
        { "crop-size", "32" },
        { "load-size", "36" },
        { "n-epochs", "3" },
        { "compute", "fp32" },
        { "n-epochs-decay", "3" },
        { "num-threads", "1" },
        { "val-pictures", "4" },
        { "sheet-pictures", "2" },
        { "netD", "n_layers" },
        { "n-layers-D", "2" },
    };
    limn_error error = { 0 };
    limn_training *t;

    if (limn_train_begin(&t, "pix2pix", NULL, &error)) fail_msg("%s", error.text);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        set(t, settings[i][0], settings[i][1]);
    set(t, "dataroot", data);
    set(t, "out", out);
    return t;
}

typedef struct folders {
    scratch s;
    char data[300], a[300], b[300];
} folders;

static inline void open_folders(folders *f)
{
    scratch_open(&f->s);
    snprintf(f->data, sizeof f->data, "%s/data", f->s.folder);
    snprintf(f->a, sizeof f->a, "%s/a", f->s.folder);
    snprintf(f->b, sizeof f->b, "%s/b", f->s.folder);
    make_pairs(f->data, "train", 10, 40, false);
    make_pairs(f->data, "val", 4, 40, false);
}

static inline void expect_same_files(const char *a, const char *b, const char *name)
{
    char path[400];
    size_t count_a, count_b;
    char *bytes_a, *bytes_b;

    snprintf(path, sizeof path, "%s/%s", a, name);
    assert_non_null(bytes_a = scratch_read(path, &count_a));
    snprintf(path, sizeof path, "%s/%s", b, name);
    assert_non_null(bytes_b = scratch_read(path, &count_b));
    assert_int_equal(count_a, count_b);
    assert_memory_equal(bytes_a, bytes_b, count_a);
    free(bytes_a);
    free(bytes_b);
}

/* The first column of the first row, as a number. */
static inline double ask(const char *folder, const char *query)
{
    sqlite3 *base;
    sqlite3_stmt *s;
    char path[400];
    double value;

    snprintf(path, sizeof path, "%s/history.sqlite", folder);
    assert_int_equal(sqlite3_open(path, &base), SQLITE_OK);
    if (sqlite3_prepare_v2(base, query, -1, &s, NULL) != SQLITE_OK)
        fail_msg("%s: %s", query, sqlite3_errmsg(base));
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    value = sqlite3_column_double(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(base);
    return value;
}

#endif
