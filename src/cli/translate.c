/* SPDX-License-Identifier: Apache-2.0
 *
 * limn translate: pictures through a model.
 *
 * On a terminal one line lives on standard error; otherwise only what went wrong is said, as it
 * happens.  Ctrl-C lets the pictures in flight finish, so that no half-done file is left. */
#include "cli.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

const char limn_cli_translate_usage[] = "MODEL|RUN FILE|FOLDER|-... -o FILE|FOLDER|- [SETTINGS]";

typedef struct own {
    const char *output, *input;
    bool json, terminal;
} own;

static const limn_setting own_rows[] = {
    { "output", LIMN_SETTING_TEXT, offsetof(own, output), 0, 0, NULL, "out results-dir",
      "where to: a file for one picture, else a folder; - is standard output; also -o" },
    { "input", LIMN_SETTING_TEXT, offsetof(own, input), 0, 0, NULL, "dataroot",
      "one more file or folder; also -i" },
    { "json", LIMN_SETTING_FLAG, offsetof(own, json), 0, 0, NULL, NULL,
      "print one JSON object a picture" },
    { .name = NULL },
};

static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

limn_status limn_cli_translate_rows(FILE *to)
{
    limn_translate_settings defaults = limn_translate_defaults();

    fputc('\n', to);
    limn_settings_print(to, own_rows, &(own){ .output = NULL });
    limn_settings_print(to, limn_translate_rows(), &defaults);
    return LIMN_OK;
}

static bool progress(void *context, const limn_translate_event *e)
{
    const own *o = context;

    if (o->terminal) fprintf(stderr, "\r%70s\r", "");
    if (o->json) {
        printf("{\"input\": ");
        limn_cli_json_text(e->input);
        printf(", \"output\": ");
        limn_cli_json_text(e->status ? NULL : e->output);
        printf(", \"status\": \"%s\", \"error\": ", e->status == LIMN_OK                ? "ok"
                                                    : e->status == LIMN_REFUSED_PICTURE ? "refused"
                                                                                        : "failed");
        limn_cli_json_text(e->sentence);
        printf("}\n");
        fflush(stdout);
    }
    if (e->sentence && e->total > 1) { /* main says what is wrong with a single one */
        fputs("limn: ", stderr);
        limn_cli_safe_text(stderr, e->sentence);
        fputc('\n', stderr);
    }
    if (o->terminal && e->done < e->total)
        fprintf(stderr, "translated %zu of %zu", e->done, e->total);
    return !interrupted;
}

/* -o and -i as people type them, until "--". */
static void spell_out(int argc, char **argv)
{
    static char output[] = "--output", input[] = "--input";

    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (!strcmp(argv[i], "-o"))
            argv[i] = output;
        else if (!strcmp(argv[i], "-i"))
            argv[i] = input;
}

static limn_status read_all(int *argc, char **argv, limn_translate_settings *s, own *o,
                            limn_error *error)
{
    limn_cli_table tables[] = { { limn_translate_rows(), s }, { own_rows, o }, { NULL, NULL } };
    limn_status status;

    *s = limn_translate_defaults();
    *o = (own){ .terminal = isatty(STDERR_FILENO) };
    spell_out(*argc, argv);
    status = limn_cli_read(tables, argc, argv, error);
    if (status) return status;
    if (o->input)
        argv[(*argc)++] = (char *)(uintptr_t)o->input; /* its place was freed by --input */
    if (*argc < 3)
        return limn_cli_fail(error, LIMN_SETTING, "say which %s: limn translate %s",
                             *argc < 2 ? "model" : "pictures", limn_cli_translate_usage);
    if (!o->output && *argc == 3 && !strcmp(argv[2], "-")) o->output = "-";
    if (!o->output)
        return limn_cli_fail(error, LIMN_SETTING, "say where to with -o: limn translate %s",
                             limn_cli_translate_usage);
    if (o->json && !strcmp(o->output, "-"))
        return limn_cli_fail(error, LIMN_SETTING,
                             "--json and the picture cannot both go to standard output");
    return LIMN_OK;
}

limn_status limn_cli_translate(int argc, char **argv, limn_error *error)
{
    limn_translate_settings s;
    limn_translate_counts counts = { 0 };
    limn_translator *t = NULL;
    own o;
    limn_status status = read_all(&argc, argv, &s, &o, error);

    if (!status) status = limn_translator_open(&t, argv[1], &s, error);
    if (status) return status;
    signal(SIGINT, interrupt);
    status = limn_translate(t, (const char *const *)(argv + 2), (size_t)argc - 2, o.output,
                            progress, &o, &counts, error);
    limn_translator_close(&t);
    if (!o.json && counts.total > 1)
        fprintf(stderr, "%zu of %zu pictures translated\n", counts.written, counts.total);
    return status;
}
