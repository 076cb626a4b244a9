/* SPDX-License-Identifier: Apache-2.0
 *
 * limn check: what is wrong with a data folder, as a table for people or as JSON for programs.
 *
 * The table goes to standard output with the first few files of each finding; JSON names all of
 * them.  Progress is drawn on standard error, and only on a terminal. */
#include "cli.h"

#include <string.h>
#include <unistd.h>

enum { SHOWN = 3 };

typedef struct own {
    bool json;
    const char *folder;
} own;

static const limn_setting own_rows[] = {
    { "json", LIMN_SETTING_FLAG, offsetof(own, json), 0, 0, NULL, NULL,
      "print one JSON object with all files of every finding" },
    { "dataroot", LIMN_SETTING_TEXT, offsetof(own, folder), 0, 0, NULL, NULL,
      "the folder, for those who are used to it" },
    { .name = NULL },
};

limn_status limn_cli_check_settings(limn_cli_see see, void *context, limn_error *error)
{
    limn_check_settings defaults = limn_check_defaults();

    (void)error;
    see(context, limn_check_rows(), &defaults);
    see(context, own_rows, &(own){ false, NULL });
    return LIMN_OK;
}

static bool show_progress(void *context, size_t done, size_t total)
{
    char line[80];

    (void)context;
    snprintf(line, sizeof line, "looking at %zu of %zu", done, total);
    limn_cli_live(stderr, done < total ? line : NULL);
    return true;
}

static void print_json(const char *folder, const limn_check_summary *s,
                       const limn_finding *findings, size_t count)
{
    printf("{\"folder\": ");
    limn_cli_json_text(folder);
    printf(", \"pairing\": \"%s\", \"layout\": \"%s\", \"train\": %zu, \"val\": %zu, \"test\": "
           "%zu, \"files\": %zu, \"errors\": %zu, \"warnings\": %zu, \"notes\": %zu, "
           "\"findings\": [",
           s->pairing, s->layout, s->train, s->val, s->test, s->files, s->errors, s->warnings,
           s->notes);
    for (size_t i = 0; i < count; i++) {
        printf("%s{\"kind\": \"%s\", \"severity\": \"%s\", \"sentence\": ", i ? ", " : "",
               limn_finding_word(findings[i].kind), limn_severity_word(findings[i].severity));
        limn_cli_json_text(findings[i].sentence);
        printf(", \"files\": [");
        for (size_t k = 0; k < findings[i].file_count; k++) {
            if (k) printf(", ");
            limn_cli_json_text(findings[i].files[k]);
        }
        printf("]}");
    }
    printf("]}\n");
}

static void print_table(const char *folder, const limn_check_summary *s,
                        const limn_finding *findings, size_t count)
{
    size_t root = strlen(folder);

    limn_cli_safe_text(stdout, folder);
    printf(": %s (%s): train %zu, val %zu, test %zu; %zu files looked at\n", s->pairing, s->layout,
           s->train, s->val, s->test, s->files);
    for (size_t i = 0; i < count; i++) {
        printf("  %-8s %-9s ", limn_severity_word(findings[i].severity),
               limn_finding_word(findings[i].kind));
        limn_cli_safe_text(stdout, findings[i].sentence);
        putchar('\n');
        for (size_t k = 0; k < findings[i].file_count && k < SHOWN; k++) {
            const char *file = findings[i].files[k];

            if (!strncmp(file, folder, root) && root) {
                file += root;
                while (*file == '/') file++;
            }
            printf("  %-18s   ", "");
            limn_cli_safe_text(stdout, file);
            putchar('\n');
        }
        if (findings[i].file_count > SHOWN)
            printf("  %-18s   and %zu more\n", "", findings[i].file_count - SHOWN);
    }
    printf("%zu error%s, %zu warning%s, %zu note%s\n", s->errors, s->errors == 1 ? "" : "s",
           s->warnings, s->warnings == 1 ? "" : "s", s->notes, s->notes == 1 ? "" : "s");
}

limn_status limn_cli_check(int argc, char **argv, limn_error *error)
{
    limn_check_settings settings = limn_check_defaults();
    own o = { false, NULL };
    limn_cli_table tables[] = { { limn_check_rows(), &settings },
                                { own_rows, &o },
                                { NULL, NULL } };
    limn_check_report *report;
    limn_check_summary summary;
    const limn_finding *findings;
    size_t count;
    limn_status status = limn_cli_read(tables, &argc, argv, error);

    if (status) return status;
    if (argc == 2 && !o.folder) o.folder = argv[1];
    if (!o.folder || argc > 2)
        return limn_cli_usage(error, argv[0],
                              o.folder ? "one folder at a time" : "say which folder");
    status = limn_check_folder(&report, o.folder, &settings,
                               isatty(STDERR_FILENO) ? show_progress : NULL, NULL, error);
    if (status) return status;
    findings = limn_check_findings(report, &count);
    summary = limn_check_summarize(report);
    if (o.json)
        print_json(o.folder, &summary, findings, count);
    else
        print_table(o.folder, &summary, findings, count);
    limn_check_close(&report);
    if (summary.errors)
        return limn_cli_fail(error, LIMN_FORMAT, "%zu %s in %s", summary.errors,
                             summary.errors == 1 ? "mistake" : "mistakes", o.folder);
    return LIMN_OK;
}
