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

/* ---- Checking a data folder ------------------------------------------------------------------ */

/* Name, word in JSON, what it is about. */
#define LIMN_FINDINGS(X)                                                                           \
    X(FOLDERS, "folders", "which folders are read, and how")                                       \
    X(UNPAIRED, "unpaired", "a picture without a partner of the same name")                        \
    X(SIZE, "size", "sizes that do not go together")                                               \
    X(BROKEN, "broken", "a file that cannot be read")                                              \
    X(SAME, "same", "the same pixels in two files")                                                \
    X(ALIKE, "alike", "nearly the same picture in train and in val or test")                       \
    X(FLAT, "flat", "a picture of one colour, which instance norm cannot scale")                   \
    X(FEW, "few", "too few pictures")                                                              \
    X(CHANNELS, "channels", "channel counts or depths that are mixed or unusual")

typedef enum limn_finding_kind {
#define X(name, word, text) LIMN_FINDING_##name,
    LIMN_FINDINGS(X)
#undef X
        LIMN_FINDING_COUNT
} limn_finding_kind;

/* An error stops a training or spoils its result; a warning may; a note is good to know. */
typedef enum limn_severity {
    LIMN_SEVERITY_NOTE,
    LIMN_SEVERITY_WARNING,
    LIMN_SEVERITY_ERROR,
    LIMN_SEVERITY_COUNT
} limn_severity;

/* The words of both: "flat", "warning". */
const char *limn_finding_word(limn_finding_kind kind);
const char *limn_severity_word(limn_severity severity);

typedef struct limn_finding {
    limn_finding_kind kind;
    limn_severity severity;
    const char *sentence;
    const char *const *files; /* all of them, as paths */
    size_t file_count;
} limn_finding;

/* Rows of `limn check`. */
typedef struct limn_check_settings {
    int pairing; /* auto, paired, unpaired, plain */
    int few;     /* fewer training pictures than this are too few */
    int alike;   /* bits of 64 in which near duplicates may differ; -1: not looked for */
    int threads; /* that decode; 0: one a core */
} limn_check_settings;
const limn_setting *limn_check_rows(void);
limn_check_settings limn_check_defaults(void);

typedef struct limn_check_summary {
    const char *pairing;                   /* how the folder was read: "paired" ... */
    const char *layout;                    /* "train", "trainA + trainB" ... */
    size_t train, val, test;               /* pairs, plain pictures, or the longer side */
    size_t files, notes, warnings, errors; /* files looked at; findings by severity */
} limn_check_summary;

/* Called between files by the caller's own thread, a few times a second; false stops the check. */
typedef bool (*limn_check_progress)(void *context, size_t done, size_t total);

/* Reads every picture of train, val and test and lists what is wrong.  Close the report with
 * limn_check_close.  That something was found is no failure; failures (*report is NULL then) are a
 * folder that is not there, LIMN_NO_MEMORY, and LIMN_STOPPED when progress said so. */
typedef struct limn_check_report limn_check_report;
limn_status limn_check_folder(limn_check_report **report, const char *folder,
                              const limn_check_settings *settings, limn_check_progress progress,
                              void *context, limn_error *error);
/* Errors first.  Lent until the report is closed. */
const limn_finding *limn_check_findings(const limn_check_report *report, size_t *count);
limn_check_summary limn_check_summarize(const limn_check_report *report);
void limn_check_close(limn_check_report **report);

/* ---- Models from and to elsewhere ------------------------------------------------------------ */

/* What a person says where a checkpoint of another project does not; {0} says nothing. */
typedef struct limn_import_settings {
    const char *part;      /* which network, where a file holds several; NULL */
    const char *net;       /* --netG: must be what the file holds; NULL */
    int norm;              /* row norm: auto, batch, instance, none */
    int dropout;           /* row dropout: auto, yes, no */
    bool eval;             /* batch norm runs with the running statistics, not the picture's own */
    const char *direction; /* AtoB, BtoA; NULL: not known */
    const char *title, *licence, *attribution; /* for the model's card; NULL */
} limn_import_settings;

/* The rows of that struct. */
const limn_setting *limn_import_rows(void);

/* Makes a model file of a checkpoint: .pth of any age (never executing anything) or safetensors, of
 * pytorch-CycleGAN-and-pix2pix or CUT.  SETTING where the file leaves two possibilities (the
 * sentence names the setting), FORMAT where it holds no network that limn has.  `to` is whole or
 * absent. */
limn_status limn_import(const char *from, const char *to, const limn_import_settings *settings,
                        limn_error *error);

/* Writes the network that translates (or the named one; NULL) as ONNX, opset 17: input "input",
 * output "output", NCHW in [-1, 1], any batch, height and width (multiples of what the network
 * needs), computing what translating computes.  The card goes along as metadata. */
limn_status limn_export(const char *model, const char *to, const char *network, limn_error *error);

/* Prints what a file is, what it expects and where it came from: a model or checkpoint of limn, a
 * checkpoint of another project.  json: one object.  An unreadable file is an error; a readable one
 * that limn cannot run is not, the reason is printed. */
limn_status limn_info(const char *path, bool json, FILE *to, limn_error *error);

#ifdef __cplusplus
}
#endif
#endif
