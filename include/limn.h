/* SPDX-License-Identifier: Apache-2.0
 *
 * limn: learns to turn one kind of picture into another from examples, and does it.
 *
 * This is the one header of the library.  Every function that can fail returns a limn_status and
 * fills the limn_error it was given with one sentence that says what is wrong, where, and what to
 * do; it never prints and never exits.  Handles are opaque, are used by one thread at a time, and
 * their close function sets the caller's pointer to NULL. */
#ifndef LIMN_H
#define LIMN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Status and error ------------------------------------------------------------------------ */

/* One row a status: name, exit code of the command line, sentence. */
#define LIMN_STATUSES(X)                                                                           \
    X(OK, 0, "no error")                                                                           \
    X(NO_MEMORY, 1, "out of memory")                                                               \
    X(IO, 1, "could not read or write")                                                            \
    X(FORMAT, 1, "not in the form expected")                                                       \
    X(SHAPE, 1, "sizes do not fit together")                                                       \
    X(SETTING, 2, "unknown or unusable setting")                                                   \
    X(COMPUTE, 1, "the compute library refused")                                                   \
    X(STOPPED, 130, "stopped on request")                                                          \
    X(REFUSED_PICTURE, 3, "a picture was refused")                                                 \
    X(REFUSED_DATA, 4, "a data set was refused")                                                   \
    X(BUG, 1, "a mistake inside limn")

typedef enum limn_status {
#define X(name, exit_code, text) LIMN_##name,
    LIMN_STATUSES(X)
#undef X
        LIMN_STATUS_COUNT
} limn_status;

/* Filled once, where a fault is found; a plain struct that the caller owns.  Start with {0}. */
typedef struct limn_error {
    limn_status status;
    char text[480];
} limn_error;

/* The sentence of a status ("out of memory"), and the command line's exit code for it. */
const char *limn_status_text(limn_status status);
int limn_status_exit_code(limn_status status);

/* ---- Settings -------------------------------------------------------------------------------- */

typedef enum limn_setting_kind {
    LIMN_SETTING_INT,    /* int */
    LIMN_SETTING_LONG,   /* int64_t */
    LIMN_SETTING_FLOAT,  /* double */
    LIMN_SETTING_TEXT,   /* const char *, NULL for none */
    LIMN_SETTING_FLAG,   /* bool; --name and --no-name */
    LIMN_SETTING_CHOICE, /* int: index into choices, "a|b|c" */
} limn_setting_kind;

/* One setting is one row.  A table of rows ends with a row whose name is NULL.  Command line, help,
 * run record, model metadata, web form and manual read it. */
typedef struct limn_setting {
    const char *name; /* words joined by dashes; underscores are accepted for dashes everywhere */
    limn_setting_kind kind;
    size_t offset;    /* offsetof the field in the struct that the table describes */
    double low, high; /* INT, LONG, FLOAT: both ends allowed */
    const char *choices;
    const char *aliases; /* older spellings, separated by spaces, or NULL */
    const char *help;
} limn_setting;

/* Sets one field by name from text.  Unknown names and values out of range are refused with the
 * nearest valid one named.  Text values are borrowed: they must outlive the struct. */
limn_status limn_setting_set(const limn_setting *rows, void *fields, const char *name,
                             const char *value, limn_error *error);

/* Writes the value of one row as text (floats so that they read back the same), cut to size. */
void limn_setting_get(const limn_setting *row, const void *fields, char *text, size_t size);

/* The row of that name or alias, or NULL. */
const limn_setting *limn_setting_find(const limn_setting *rows, const char *name);

/* Prints one row a line: "  --name VALUE   help (default; range)".  defaults is the filled struct,
 * and to is the caller's: the library opens no stream of its own. */
void limn_settings_print(FILE *to, const limn_setting *rows, const void *defaults);

/* The candidate nearest to the text by edit distance, or NULL when none is near.  Used for "did you
 * mean". */
const char *limn_nearest(const char *text, const char *const *candidates, size_t count);

/* ---- Measuring ------------------------------------------------------------------------------- */

/* What `limn bench` and `limn plan` are about: a whole training step, or one inference. */
typedef struct limn_bench_settings {
    const char *what; /* "pix2pix", "cycle_gan", "cut" (steps) or "infer" */
    const char *net;  /* generator; NULL: the recipe's own */
    int size, width;  /* of the pictures in pixels; width 0: the same as size */
    int batch, ngf, ndf, threads, rounds;
    int compute; /* row compute: plain, fp32, bf16, auto */
} limn_bench_settings;

/* The rows of that struct (all but what) and its defaults. */
const limn_setting *limn_bench_rows(void);
limn_bench_settings limn_bench_defaults(void);

typedef struct limn_bench_result {
    const char *compute; /* that ran: "fp32" */
    double median_ms, min_ms, max_ms;
    double gflops;                    /* convolution work over the median time, 1e9 a second */
    double peak_gflops, peak_percent; /* what the processor's multiply-adds reach here, measured */
    double rss_mib;                   /* highest resident memory of the process so far */
    double plan_ms;                   /* time that planning took */
} limn_bench_result;

/* Runs two warm-up rounds and then `rounds` timed ones on random pictures.  profile (may be NULL)
 * receives a table: per operation milliseconds, GFLOP/s, share, implementation.  SETTING where a
 * setting does not fit, SHAPE where the network cannot take the size. */
limn_status limn_bench(const limn_bench_settings *settings, limn_bench_result *result,
                       FILE *profile, limn_error *error);

/* Prints the plan of the same: step, op, name, shape, layout, implementation, bytes, lifetime. */
limn_status limn_show_plan(const limn_bench_settings *settings, FILE *to, limn_error *error);

#ifdef __cplusplus
}
#endif
#endif
