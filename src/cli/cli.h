/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the command line share.  A command lives in a file of its own and is one row of
 * the table in main.c. */
#ifndef LIMN_CLI_CLI_H
#define LIMN_CLI_CLI_H

#include "limn.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Receives the tables of a command's settings, one after the other, each with its defaults.  Both
 * are lent for the call. */
typedef void (*limn_cli_see)(void *context, const limn_setting *rows, const void *defaults);

typedef struct limn_cli_command {
    const char *name;
    const char *does;  /* one line, for the list */
    const char *usage; /* what follows the name */
    const char *about; /* a few sentences for help and manual, or NULL */
    const char *words; /* what arguments may be, a bar between; NULL: files and folders; COMMAND and
                          RECIPE stand for all of these */
    limn_status (*settings)(limn_cli_see see, void *context, limn_error *error);
    limn_status (*run)(int argc, char **argv, limn_error *error); /* argv[0] is its own name */
} limn_cli_command;

/* All of them; the last one has no name. */
extern const limn_cli_command limn_cli_commands[];
limn_status limn_cli_find(const limn_cli_command **out, const char *name, limn_error *error);

/* A table of settings and the struct that it fills; an array of them ends with rows NULL. */
typedef struct limn_cli_table {
    const limn_setting *rows;
    void *fields;
} limn_cli_table;

/* Reads "--name value", "--name=value", "--flag", "--flag false", "--no-flag" and "-o value" (where
 * "o" is among a row's aliases) into fields by their rows and puts what is left (names of files) to
 * the front of argv.  Behind "--" everything is a name, and "-" is one. */
limn_status limn_cli_read(const limn_cli_table *tables, int *argc, char **argv, limn_error *error);

/* A setting as it was typed. */
typedef struct limn_cli_word {
    const char *command, *dashes, *name;
    const char *typed; /* lent by argv: the name, and perhaps "=value" behind it */
    const char *value; /* behind "=", or NULL */
    const char *next;  /* the word that follows, NULL where there is none or it is a setting */
} limn_cli_word;

/* Settings of pytorch-CycleGAN-and-pix2pix, CUT and upscalers: left aside with a line on standard
 * error, taken for a setting of ours, or SETTING with what to use instead.  known: the command has
 * a setting of that name, and only values of other programs are looked for.  *found: false where
 * this is nothing of theirs. */
limn_status limn_cli_elsewhere(const limn_cli_table *tables, const limn_cli_word *word, bool known,
                               bool *found, bool *used_next, limn_error *error);
bool limn_cli_elsewhere_knows(const char *command, const char *name);
/* "true" or "false" in any case; NULL is neither. */
bool limn_cli_is_bool(const char *word);

/* The model as test.py has it: a run by its name, and one of its epochs. */
typedef struct limn_cli_run {
    const char *name, *folder, *epoch;
    char path[2100];
} limn_cli_run;
extern const limn_cli_run limn_cli_run_defaults;

/* Rows of that struct, which is a field of the command's own type. */
#define LIMN_CLI_RUN_ROWS(type, field)                                                             \
    { .name = "name",                                                                              \
      .kind = LIMN_SETTING_TEXT,                                                                   \
      .offset = offsetof(type, field.name),                                                        \
      .help = "instead of MODEL: the run of that name in checkpoints-dir" },                       \
        { .name = "checkpoints-dir",                                                               \
          .kind = LIMN_SETTING_TEXT,                                                               \
          .offset = offsetof(type, field.folder),                                                  \
          .help = "folder of all runs" },                                                          \
    {                                                                                              \
        .name = "epoch", .kind = LIMN_SETTING_TEXT, .offset = offsetof(type, field.epoch),         \
        .aliases = "which_epoch", .choices = "best|latest|5",                                      \
        .help = "which of a run's models; none: the best, where there is one"                      \
    }

/* Puts the model in front of what else is in argv, which has room for it (the words of --name were
 * taken out), or the epoch's file in the place of the run's folder.  run holds the text. */
limn_status limn_cli_take_run(limn_cli_run *run, int *argc, char **argv, limn_error *error);

limn_status limn_cli_fail(limn_error *error, limn_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* SETTING: "which file: limn info FILE... [SETTINGS]", with the usage of that command. */
limn_status limn_cli_usage(limn_error *error, const char *command, const char *what);

/* To standard output: a JSON string (names may be any bytes; what is not UTF-8 is written as the
 * character of that number) or null; a number, null where JSON has none for it. */
void limn_cli_json_text(const char *text);
void limn_cli_json_number(double value);
/* Text with control characters made visible: a terminal obeys some of them. */
void limn_cli_safe_text(FILE *to, const char *text);

/* ---- Standard error or output as a terminal -------------------------------------------------- */

/* Columns of that stream's terminal; 0 where it is none. */
int limn_cli_columns(FILE *to);
/* Puts text in the place of the line that lives on the terminal, cut to its width; NULL clears it.
 * Does nothing where the stream is no terminal. */
void limn_cli_live(FILE *to, const char *text);

/* ---- Help ------------------------------------------------------------------------------------ */

/* What help and manual say of a row; "" where there is nothing to say. */
typedef struct limn_cli_words {
    char name[160];    /* "--name N", "--[no-]flag", "-o, --output TEXT" */
    char value[256];   /* when it is not given */
    char range[512];   /* what it takes, or an example of a text */
    char aliases[512]; /* "--niter, --epochs" */
} limn_cli_words;
void limn_cli_words_of(limn_cli_words *words, const limn_setting *row, const void *defaults);
/* The next alias of a row: moves *list behind it, gives its length; NULL at the end. */
const char *limn_cli_next(const char **list, char separator, size_t *length);
void limn_cli_list(FILE *to);
/* What each exit code of the program means, ended by a NULL sentence. */
typedef struct limn_cli_exit {
    int code;
    const char *means;
} limn_cli_exit;
extern const limn_cli_exit limn_cli_exits[];
/* The manual page, and completion for the shell of that name, from the rows of all commands. */
limn_status limn_cli_manual(FILE *to, limn_error *error);
limn_status limn_cli_complete(FILE *to, const char *shell, limn_error *error);

/* ---- Commands -------------------------------------------------------------------------------- */

/* Each hands out its settings and runs. */
#define LIMN_CLI_COMMANDS(X)                                                                       \
    X(train)                                                                                       \
    X(translate)                                                                                   \
    X(score) X(check) X(info) X(verify) X(import) X(export) X(quantize) X(bench) X(plan) X(help)
#define X(name)                                                                                    \
    limn_status limn_cli_##name##_settings(limn_cli_see see, void *context, limn_error *error);    \
    limn_status limn_cli_##name(int argc, char **argv, limn_error *error);
LIMN_CLI_COMMANDS(X)
#undef X

#endif
