/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line: a table of commands, one error, one exit.
 *
 * A command is one row: name, one line for the list, how it is called, what else there is to know,
 * its settings with their defaults, and the function.  The command returns a status and fills the
 * error; only main prints it ("limn: ...") and turns the status into the exit code.  What a program
 * may read goes to standard output, talk goes to standard error.  limn.h is the only header of ours
 * that is seen here: the command line is the library's first user.  Help, manual page and
 * completion are written from the same rows (help.c, manual.c, complete.c). */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

static limn_status version(int argc, char **argv, limn_error *error);

const limn_cli_command limn_cli_commands[] = {
    { "train", "learn from a folder of pictures", "DATA [SETTINGS]   or   --resume RUN [SETTINGS]",
      "The defaults are those of pix2pix; --model decides the others.  DATA holds train, val and "
      "test with pictures side by side (A|B), or A/train and B/train with equal names, or trainA "
      "and trainB.  The run's folder then holds best.safetensors and latest.safetensors (models), "
      "the checkpoint that --resume goes on from, and index.html with losses, scores and samples. "
      "Ctrl-C saves and stops.",
      NULL, limn_cli_train_settings, limn_cli_train },
    { "translate", "turn pictures into what the model makes of them",
      "MODEL|RUN FILE|FOLDER|-... -o FILE|FOLDER|- [SETTINGS]",
      "Pictures of any size come out in their own size and depth.  Folders are translated with "
      "everything below them, names and structure kept; a picture that is broken is reported and "
      "the others go on.  - is standard input or output.  An input is never overwritten.",
      NULL, limn_cli_translate_settings, limn_cli_translate },
    { "score", "compare what a model makes with what it should make", "MODEL|RUN FOLDER [SETTINGS]",
      "L1 is on the scale of -1 to 1, PSNR in decibels; SSIM, MS-SSIM and edges are 1 where both "
      "are the same.",
      NULL, limn_cli_score_settings, limn_cli_score },
    { "check", "find what is wrong with a data folder before training on it", "FOLDER [SETTINGS]",
      NULL, NULL, limn_cli_check_settings, limn_cli_check },
    { "info", "say what a model or checkpoint is and what it expects", "FILE... [SETTINGS]", NULL,
      NULL, limn_cli_info_settings, limn_cli_info },
    { "verify", "say what pictures' marks of origin are worth", "FILE... [SETTINGS]",
      "Exits with 0 when the marks of all files are intact, with 1 when some are broken or cannot "
      "be read, with 2 when some files have none.",
      NULL, limn_cli_verify_settings, limn_cli_verify },
    { "import", "make a model of what another project saved", "FILE -o MODEL [SETTINGS]",
      "Reads .pth files of any age, of which nothing is executed, and safetensors.", NULL,
      limn_cli_import_settings, limn_cli_import },
    { "export", "write a model as ONNX", "MODEL -o FILE.onnx [SETTINGS]", NULL, NULL,
      limn_cli_export_settings, limn_cli_export },
    { "quantize", "make an int8 model: smaller, and faster on processors with VNNI",
      "MODEL FOLDER -o MODEL8 [SETTINGS]",
      "Ranges are taken from pictures of FOLDER: a data folder, or plain pictures of what goes in. "
      " "
      "First and last layer stay float, and so do those that cost most until --psnr is reached.  "
      "The int8 model is used like any other; how near it comes is printed and recorded in it.",
      NULL, limn_cli_quantize_settings, limn_cli_quantize },
    { "bench", "measure a training step or an inference on this machine", "RECIPE|infer [SETTINGS]",
      NULL, "RECIPE|infer", limn_cli_bench_settings, limn_cli_bench },
    { "plan", "show how a training step or an inference is computed", "RECIPE|infer [SETTINGS]",
      NULL, "RECIPE|infer", limn_cli_plan_settings, limn_cli_plan },
    { "help", "list the commands, or explain one of them or a setting",
      "[COMMAND] [SETTING] [SETTINGS]", NULL, "COMMAND", limn_cli_help_settings, limn_cli_help },
    { "version", "say which version this is", "", NULL, "", NULL, version },
    { .name = NULL },
};

limn_status limn_cli_find(const limn_cli_command **out, const char *name, limn_error *error)
{
    const char *names[sizeof limn_cli_commands / sizeof *limn_cli_commands], *nearest;
    size_t count = 0;

    for (const limn_cli_command *c = limn_cli_commands; c->name; c++) {
        if (!strcmp(c->name, name)) {
            *out = c;
            return LIMN_OK;
        }
        names[count++] = c->name;
    }
    if ((nearest = limn_nearest(name, names, count)))
        return limn_cli_fail(error, LIMN_SETTING,
                             "there is no command \"%.200s\"; did you mean \"limn %s\"?", name,
                             nearest);
    return limn_cli_fail(error, LIMN_SETTING,
                         "there is no command \"%.200s\"; \"limn help\" lists them", name);
}

limn_status limn_cli_usage(limn_error *error, const char *command, const char *what)
{
    for (const limn_cli_command *c = limn_cli_commands; c->name; c++)
        if (!strcmp(c->name, command))
            return limn_cli_fail(error, LIMN_SETTING, "%s: limn %s %s", what, c->name, c->usage);
    return limn_cli_fail(error, LIMN_SETTING, "%s", what);
}

static limn_status version(int argc, char **argv, limn_error *error)
{
    if (argc > 1)
        return limn_cli_fail(error, LIMN_SETTING, "version takes no argument, not \"%s\"", argv[1]);
    puts("limn " LIMN_VERSION);
    return LIMN_OK;
}

/* Whether help is asked for behind a command: limn train --help. */
static bool asks_for_help(int argc, char **argv)
{
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) return true;
    return false;
}

int main(int argc, char **argv)
{
    static char help[] = "help";
    char *help_words[] = { help, argc > 1 ? argv[1] : NULL, NULL };
    limn_error error = { 0 };
    const limn_cli_command *asked;
    limn_status status;

    if (argc < 2) {
        limn_cli_list(stderr);
        return limn_status_exit_code(LIMN_SETTING);
    }
    /* libvips loads modules when it starts (PDF, HEIF, slides), which limn reads none of: 18 ms,
     * more than a picture.  This is where it would look for them. */
    setenv("VIPSHOME", "/dev/null", 0);
    const char *name = argv[1];
    if (!strcmp(name, "--help") || !strcmp(name, "-h")) name = help;
    if (!strcmp(name, "--version")) name = "version";

    status = limn_cli_find(&asked, name, &error);
    if (!status) {
        if (strcmp(name, help) != 0 && asks_for_help(argc, argv))
            status = limn_cli_help(2, help_words, &error);
        else
            status = asked->run(argc - 1, argv + 1, &error);
    }
    if (!status && fflush(stdout))
        status = limn_cli_fail(&error, LIMN_IO, "could not write to standard output");
    if (status) {
        fputs("limn: ", stderr);
        limn_cli_safe_text(stderr, error.text);
        fputc('\n', stderr);
    }
    return limn_status_exit_code(status);
}
