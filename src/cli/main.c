/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line: a table of commands, one error, one exit.
 *
 * A command is one row: name, one line for the list, its settings rows with their defaults, and the
 * function.  The command returns a status and fills the error; only main prints it ("limn: ...")
 * and turns the status into the exit code.  What a program may read goes to standard output, talk
 * goes to standard error.  limn.h is the only header of ours that is seen here: the command line is
 * the library's first user. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

static limn_status help(int argc, char **argv, limn_error *error);
static limn_status version(int argc, char **argv, limn_error *error);

static const limn_cli_command commands[] = {
    { "translate", "turn pictures into what the model makes of them", limn_cli_translate_usage,
      limn_cli_translate_rows, limn_cli_translate },
    { "score", "compare what a model makes with what it should make", limn_cli_score_usage,
      limn_cli_score_rows, limn_cli_score },
    { "verify", "say what pictures' marks of origin are worth", limn_cli_verify_usage,
      limn_cli_verify_rows, limn_cli_verify },
    { "bench", "measure a training step or an inference on this machine", limn_cli_bench_usage,
      limn_cli_bench_rows, limn_cli_bench },
    { "plan", "show how a training step or an inference is computed", limn_cli_bench_usage,
      limn_cli_bench_rows, limn_cli_plan },
    { "check", "find what is wrong with a data folder before training on it", limn_cli_check_usage,
      limn_cli_check_rows, limn_cli_check },
    { "import", "make a model of what another project saved", limn_cli_import_usage,
      limn_cli_import_rows, limn_cli_import },
    { "export", "write a model as ONNX", limn_cli_export_usage, limn_cli_export_rows,
      limn_cli_export },
    { "info", "say what a model or checkpoint is and what it expects", limn_cli_info_usage,
      limn_cli_info_rows, limn_cli_info },
    { "train", "learn from a folder of pictures", limn_cli_train_usage, limn_cli_train_rows,
      limn_cli_train },
    { "help", "list the commands, or explain one", "[COMMAND]", NULL, help },
    { "version", "say which version this is", "", NULL, version },
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static limn_status fail(limn_error *error, limn_status status, const char *form, const char *word,
                        const char *nearest)
{
    error->status = status;
    int used = snprintf(error->text, sizeof error->text, form, word);
    if (nearest && used >= 0 && (size_t)used < sizeof error->text)
        snprintf(error->text + used, sizeof error->text - (size_t)used,
                 "; did you mean \"limn %s\"?", nearest);
    return status;
}

static limn_status find(const limn_cli_command **out, const char *name, limn_error *error)
{
    const char *names[COMMANDS], *nearest;

    for (size_t i = 0; i < COMMANDS; i++) {
        if (!strcmp(commands[i].name, name)) {
            *out = &commands[i];
            return LIMN_OK;
        }
        names[i] = commands[i].name;
    }
    nearest = limn_nearest(name, names, COMMANDS);
    return fail(error, LIMN_SETTING,
                nearest ? "there is no command \"%s\""
                        : "there is no command \"%s\"; \"limn help\" lists them",
                name, nearest);
}

static void list(FILE *to)
{
    fputs("limn learns to turn one kind of picture into another from examples, and does it.\n\n"
          "usage: limn COMMAND [SETTINGS] [ARGUMENTS]\n\n",
          to);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(to, "  %-12s %s\n", commands[i].name, commands[i].does);
    fputs("\n\"limn help COMMAND\" lists the settings of one.\n", to);
}

static limn_status help(int argc, char **argv, limn_error *error)
{
    const limn_cli_command *about;

    if (argc > 2)
        return fail(error, LIMN_SETTING, "help takes one command, not also \"%s\"", argv[2], NULL);
    if (argc < 2) {
        list(stdout);
        return LIMN_OK;
    }
    limn_status status = find(&about, argv[1], error);
    if (status) return status;
    printf("limn %s: %s\n\nusage: limn %s%s%s\n", about->name, about->does, about->name,
           *about->usage ? " " : "", about->usage);
    return about->rows ? about->rows(stdout) : LIMN_OK;
}

static limn_status version(int argc, char **argv, limn_error *error)
{
    if (argc > 1)
        return fail(error, LIMN_SETTING, "version takes no argument, not \"%s\"", argv[1], NULL);
    puts("limn " LIMN_VERSION);
    return LIMN_OK;
}

int main(int argc, char **argv)
{
    limn_error error = { 0 };
    limn_status status;
    const limn_cli_command *asked;

    if (argc < 2) {
        list(stderr);
        return limn_status_exit_code(LIMN_SETTING);
    }
    const char *name = argv[1];
    if (!strcmp(name, "--help") || !strcmp(name, "-h")) name = "help";
    if (!strcmp(name, "--version")) name = "version";

    status = find(&asked, name, &error);
    if (!status) status = asked->run(argc - 1, argv + 1, &error);
    if (!status && fflush(stdout))
        status = fail(&error, LIMN_IO, "could not write to %s", "standard output", NULL);
    if (status) fprintf(stderr, "limn: %s\n", error.text);
    return limn_status_exit_code(status);
}
