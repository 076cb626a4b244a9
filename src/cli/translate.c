/* SPDX-License-Identifier: Apache-2.0
 *
 * limn translate: pictures through a model.
 *
 * On a terminal one line lives on standard error; otherwise only what went wrong is said, as it
 * happens.  Ctrl-C lets the pictures in flight finish, so that no half-done file is left. */
#include "cli.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

typedef struct own {
    const char *output, *input, *dataroot;
    limn_cli_run run;
    bool json;
} own;

static const limn_setting own_rows[] = {
    { "output", LIMN_SETTING_TEXT, offsetof(own, output), 0, 0, NULL, "out results-dir o",
      "where to: a file for one picture, else a folder; - is standard output" },
    { "input", LIMN_SETTING_TEXT, offsetof(own, input), 0, 0, NULL, "i",
      "one more file or folder" },
    { "dataroot", LIMN_SETTING_TEXT, offsetof(own, dataroot), 0, 0, NULL, NULL,
      "the same, as test.py has it" },
    LIMN_CLI_RUN_ROWS(own, run),
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

limn_status limn_cli_translate_settings(limn_cli_see see, void *context, limn_error *error)
{
    limn_translate_settings defaults = limn_translate_defaults();

    (void)error;
    see(context, own_rows, &(own){ .run = limn_cli_run_defaults });
    see(context, limn_translate_rows(), &defaults);
    return LIMN_OK;
}

static bool progress(void *context, const limn_translate_event *e)
{
    const own *o = context;
    char line[80];

    if (e->total > 1) limn_cli_live(stderr, NULL);
    if (o->json) {
        printf("{\"input\": ");
        limn_cli_json_text(e->input);
        printf(", \"output\": ");
        limn_cli_json_text(e->status ? NULL : e->output);
        printf(", \"status\": \"%s\", \"error\": ", e->status == LIMN_OK                ? "ok"
                                                    : e->status == LIMN_REFUSED_PICTURE ? "refused"
                                                                                        : "failed");
        limn_cli_json_text(e->status ? e->sentence : NULL);
        printf(", \"note\": ");
        limn_cli_json_text(e->status ? NULL : e->sentence);
        printf("}\n");
        fflush(stdout);
    }
    if (e->sentence && (e->total > 1 || !e->status)) { /* main says why a single one failed */
        fputs("limn: ", stderr);
        limn_cli_safe_text(stderr, e->sentence);
        fputc('\n', stderr);
    }
    snprintf(line, sizeof line, "translated %zu of %zu", e->done, e->total);
    if (e->done < e->total) limn_cli_live(stderr, line);
    return !interrupted;
}

/* test.py takes the test part of a data folder; translated are whole folders, and of pairs that
 * would be both sides of every picture. */
static limn_status refuse_data_folder(const char *folder, limn_error *error)
{
    static const char *const parts[] = { "test", "testA", "test_A", "train", "trainA", "train_A" };
    char path[2100];

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, parts[i]);
        if (access(path, F_OK)) continue;
        return limn_cli_fail(error, LIMN_SETTING,
                             "%.1000s is a data folder with parts; limn score MODEL %.1000s --html "
                             "OUT makes the page of its test pictures, and limn translate takes "
                             "plain folders, such as %.1000s/testA",
                             folder, folder, folder);
    }
    return LIMN_OK;
}

static limn_status read_all(int *argc, char **argv, limn_translate_settings *s, own *o,
                            limn_error *error)
{
    limn_cli_table tables[] = { { limn_translate_rows(), s }, { own_rows, o }, { NULL, NULL } };
    limn_status status;

    *s = limn_translate_defaults();
    *o = (own){ .run = limn_cli_run_defaults };
    status = limn_cli_read(tables, argc, argv, error);
    if (!status && o->dataroot) status = refuse_data_folder(o->dataroot, error);
    if (!status) status = limn_cli_take_run(&o->run, argc, argv, error);
    if (status) return status;
    /* Their places were freed by --input and --dataroot. */
    if (o->input) argv[(*argc)++] = (char *)(uintptr_t)o->input;
    if (o->dataroot) argv[(*argc)++] = (char *)(uintptr_t)o->dataroot;
    if (*argc < 3)
        return limn_cli_usage(error, argv[0], *argc < 2 ? "say which model" : "say which pictures");
    if (!o->output && *argc == 3 && !strcmp(argv[2], "-")) o->output = "-";
    if (!o->output) return limn_cli_usage(error, argv[0], "say where to with -o");
    if (!strcmp(o->output, "-") && isatty(STDOUT_FILENO))
        return limn_cli_fail(error, LIMN_SETTING,
                             "a picture is not for a terminal; send it to a file with -o FILE or > "
                             "FILE");
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
