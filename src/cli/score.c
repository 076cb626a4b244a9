/* SPDX-License-Identifier: Apache-2.0
 *
 * limn score: how good a model is, on pairs or (for models without) by comparing sets. */
#include "cli.h"

#include <math.h>
#include <unistd.h>

enum { SHOWN = 10 };

typedef struct own {
    bool json;
    const char *dataroot;
    limn_cli_run run;
} own;

static const limn_setting own_rows[] = {
    { "json", LIMN_SETTING_FLAG, offsetof(own, json), 0, 0, NULL, NULL,
      "print one JSON object with the scores of every picture" },
    { "dataroot", LIMN_SETTING_TEXT, offsetof(own, dataroot), 0, 0, NULL, NULL,
      "the folder, as test.py has it" },
    LIMN_CLI_RUN_ROWS(own, run),
    { .name = NULL },
};

limn_status limn_cli_score_settings(limn_cli_see see, void *context, limn_error *error)
{
    limn_score_settings defaults = limn_score_defaults();

    (void)error;
    see(context, limn_score_rows(), &defaults);
    see(context, own_rows, &(own){ .run = limn_cli_run_defaults });
    return LIMN_OK;
}

static bool progress(void *context, const limn_translate_event *e)
{
    char line[80];

    (void)context;
    snprintf(line, sizeof line, "scored %zu of %zu", e->done, e->total);
    limn_cli_live(stderr, e->done < e->total ? line : NULL);
    return true;
}

static void print_json_scores(const limn_picture_score *s)
{
    const struct {
        const char *name;
        double value;
    } columns[] = { { "l1", s->l1 },
                    { "psnr", s->psnr },
                    { "ssim", s->ssim },
                    { "ms_ssim", s->ms_ssim },
                    { "edges", s->edges } };

    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        printf("%s\"%s\": ", i ? ", " : "", columns[i].name);
        limn_cli_json_number(columns[i].value);
    }
}

static void print_json(const limn_score_report *report)
{
    size_t count;
    const limn_picture_score *pictures = limn_score_pictures_of(report, &count);
    limn_picture_score mean = limn_score_mean_of(report);

    printf("\"count\": %zu, \"refused\": %zu, \"mean\": {", count, limn_score_refused_of(report));
    print_json_scores(&mean);
    printf("}, \"pictures\": [");
    for (size_t i = 0; i < count; i++) {
        printf("%s{\"name\": ", i ? ", " : "");
        limn_cli_json_text(pictures[i].name);
        printf(", ");
        print_json_scores(&pictures[i]);
        printf(", \"scales\": %d}", pictures[i].scales);
    }
    putchar(']');
}

static void print_row(const limn_picture_score *s)
{
    printf("%8.4f %8.2f %8.4f %8.4f %8.4f  ", s->l1, s->psnr, s->ssim, s->ms_ssim, s->edges);
    limn_cli_safe_text(stdout, s->name);
    putchar('\n');
}

/* The next worse one behind `last` (-1: none yet): smaller L1, or equal and further on. */
static long next_worst(const limn_picture_score *pictures, size_t count, long last)
{
    long found = -1;

    for (size_t i = 0; i < count; i++) {
        double l1 = pictures[i].l1;

        if (last >= 0 && (l1 > pictures[last].l1 || (l1 == pictures[last].l1 && (long)i <= last)))
            continue;
        if (found < 0 || l1 > pictures[found].l1) found = (long)i;
    }
    return found;
}

/* The mean and the worst. */
static void print_table(const limn_score_report *report)
{
    limn_picture_score mean = limn_score_mean_of(report);
    size_t count;
    const limn_picture_score *pictures = limn_score_pictures_of(report, &count);
    long at = -1;

    printf("%8s %8s %8s %8s %8s\n", "L1", "PSNR", "SSIM", "MS-SSIM", "edges");
    print_row(&mean);
    printf("worst of %zu by L1:\n", count);
    for (int i = 0; i < SHOWN && (at = next_worst(pictures, count, at)) >= 0; i++)
        print_row(&pictures[at]);
    if (limn_score_refused_of(report))
        printf("%zu pictures were refused by the screen and are not shown\n",
               limn_score_refused_of(report));
}

static void print_json_sets(const limn_set_score *s)
{
    const struct {
        const char *name;
        double value;
    } columns[] = { { "value", s->distance }, { "low", s->low },
                    { "high", s->high },      { "untranslated", s->untranslated },
                    { "cycle", s->cycle },    { "identity", s->identity } };

    printf("\"distance\": {");
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        printf("\"%s\": ", columns[i].name);
        limn_cli_json_number(columns[i].value);
        printf(", ");
    }
    printf("\"outputs\": %zu, \"pictures\": %zu, \"means_something\": %s, \"features\": ",
           s->outputs, s->pictures, s->means_something ? "true" : "false");
    limn_cli_json_text(s->features);
    putchar('}');
}

static void print_sets(const limn_set_score *s)
{
    printf("distance %.4f (95 %%: %.4f to %.4f) of %zu outputs to %zu pictures of the other side; "
           "inputs themselves have %.4f\n",
           s->distance, s->low, s->high, s->outputs, s->pictures, s->untranslated);
    if (!s->means_something)
        puts("there are too few pictures for the distance to mean anything: it takes 20 on each "
             "side, and an interval narrower than what inputs themselves have");
    if (!isnan(s->cycle)) printf("cycle error %.4f (L1, there and back again)\n", s->cycle);
    if (!isnan(s->identity))
        printf("identity error %.4f (L1, of pictures that are of the other side already)\n",
               s->identity);
    printf("compared by %s; not comparable with published KID or FID\n", s->features);
}

/* Either may be NULL. */
static void print_all(bool json, const limn_set_score *sets, const limn_score_report *report)
{
    if (json) {
        putchar('{');
        if (sets) print_json_sets(sets);
        if (sets && report) printf(", ");
        if (report) print_json(report);
        puts("}");
        return;
    }
    if (sets) print_sets(sets);
    if (sets && report) puts("\nfiles of equal names, for the case that they are pairs:");
    if (report) print_table(report);
}

limn_status limn_cli_score(int argc, char **argv, limn_error *error)
{
    limn_score_settings s = limn_score_defaults();
    own o = { .run = limn_cli_run_defaults };
    limn_cli_table tables[] = { { limn_score_rows(), &s }, { own_rows, &o }, { NULL, NULL } };
    limn_score_report *report = NULL;
    limn_set_score sets;
    limn_status status = limn_cli_read(tables, &argc, argv, error);

    if (!status) status = limn_cli_take_run(&o.run, &argc, argv, error);
    if (status) return status;
    if (o.dataroot) argv[argc++] = (char *)(uintptr_t)o.dataroot; /* its place was freed */
    if (argc != 3)
        return limn_cli_usage(error, argv[0],
                              argc < 2   ? "say which model and which folder"
                              : argc < 3 ? "say which folder"
                                         : "one model and one folder at a time");
    status = limn_score_sets(&sets, argv[1], argv[2], &s, isatty(STDERR_FILENO) ? progress : NULL,
                             NULL, error);
    if (status) return status;
    if (!sets.outputs || sets.are_pairs)
        status = limn_score_folder(&report, argv[1], argv[2], &s,
                                   isatty(STDERR_FILENO) ? progress : NULL, NULL, error);
    if (sets.outputs && status == LIMN_SHAPE) status = LIMN_OK; /* of equal names, but no pairs */
    if (status) return status;
    print_all(o.json, sets.outputs ? &sets : NULL, report);
    limn_score_close(&report);
    return status;
}
