/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the command line share.  A command lives in a file of its own and is one row of
 * the table in main.c. */
#ifndef LIMN_CLI_CLI_H
#define LIMN_CLI_CLI_H

#include "limn.h"
#include <stdio.h>

typedef struct limn_cli_command {
    const char *name;
    const char *does;              /* one line, for the list */
    const char *usage;             /* what follows the name */
    limn_status (*rows)(FILE *to); /* prints the settings with their defaults; NULL: none */
    limn_status (*run)(int argc, char **argv, limn_error *error); /* argv[0] is its own name */
} limn_cli_command;

/* Reads "--name value", "--name=value", "--flag", "--no-flag" into fields by their rows and puts
 * what is left (names of files) to the front of argv.  json and others without a row are rows of
 * the command too: pass several tables, ended by rows NULL. */
typedef struct limn_cli_table {
    const limn_setting *rows;
    void *fields;
} limn_cli_table;
limn_status limn_cli_read(const limn_cli_table *tables, int *argc, char **argv, limn_error *error);

limn_status limn_cli_fail(limn_error *error, limn_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* To standard output: a JSON string (names may be any bytes; what is not UTF-8 is written as the
 * character of that number) or null; a number, null where JSON has none for it. */
void limn_cli_json_text(const char *text);
void limn_cli_json_number(double value);
/* Text with control characters made visible: a terminal obeys some of them. */
void limn_cli_safe_text(FILE *to, const char *text);

extern const char limn_cli_bench_usage[];
limn_status limn_cli_bench_rows(FILE *to);
limn_status limn_cli_bench(int argc, char **argv, limn_error *error);
limn_status limn_cli_plan(int argc, char **argv, limn_error *error);
extern const char limn_cli_check_usage[];
limn_status limn_cli_check_rows(FILE *to);
limn_status limn_cli_check(int argc, char **argv, limn_error *error);

extern const char limn_cli_import_usage[], limn_cli_export_usage[], limn_cli_info_usage[];
limn_status limn_cli_import_rows(FILE *to);
limn_status limn_cli_export_rows(FILE *to);
limn_status limn_cli_info_rows(FILE *to);
limn_status limn_cli_import(int argc, char **argv, limn_error *error);
limn_status limn_cli_export(int argc, char **argv, limn_error *error);
limn_status limn_cli_info(int argc, char **argv, limn_error *error);

extern const char limn_cli_translate_usage[], limn_cli_score_usage[], limn_cli_verify_usage[];
limn_status limn_cli_translate_rows(FILE *to);
limn_status limn_cli_score_rows(FILE *to);
limn_status limn_cli_verify_rows(FILE *to);
limn_status limn_cli_translate(int argc, char **argv, limn_error *error);
limn_status limn_cli_score(int argc, char **argv, limn_error *error);
limn_status limn_cli_verify(int argc, char **argv, limn_error *error);
extern const char limn_cli_train_usage[];
limn_status limn_cli_train_rows(FILE *to);
limn_status limn_cli_train(int argc, char **argv, limn_error *error);

#endif
