/* SPDX-License-Identifier: Apache-2.0
 *
 * limn score: how good a model is on a paired folder. */
#include "cli.h"

#include <unistd.h>

enum { SHOWN = 10 };

typedef struct own {
    bool json;
} own;

static const limn_setting own_rows[] = {
    { "json", LIMN_SETTING_FLAG, offsetof(own, json), 0, 0, NULL, NULL,
      "print one JSON object with the scores of every picture" },
    { .name = NULL },
};

limn_status limn_cli_score_settings(limn_cli_see see, void *context, limn_error *error)
{
    limn_score_settings defaults = limn_score_defaults();

    (void)error;
    see(context, limn_score_rows(), &defaults);
    see(context, own_rows, &(own){ false });
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

    printf("{\"count\": %zu, \"refused\": %zu, \"mean\": {", count, limn_score_refused_of(report));
    print_json_scores(&mean);
    printf("}, \"pictures\": [");
    for (size_t i = 0; i < count; i++) {
        printf("%s{\"name\": ", i ? ", " : "");
        limn_cli_json_text(pictures[i].name);
        printf(", ");
        print_json_scores(&pictures[i]);
        printf(", \"scales\": %d}", pictures[i].scales);
    }
    printf("]}\n");
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

limn_status limn_cli_score(int argc, char **argv, limn_error *error)
{
    limn_score_settings s = limn_score_defaults();
    own o = { false };
    limn_cli_table tables[] = { { limn_score_rows(), &s }, { own_rows, &o }, { NULL, NULL } };
    limn_score_report *report;
    limn_status status = limn_cli_read(tables, &argc, argv, error);

    if (status) return status;
    if (argc != 3)
        return limn_cli_usage(error, argv[0],
                              argc < 2   ? "say which model and which folder"
                              : argc < 3 ? "say which folder"
                                         : "one model and one folder at a time");
    status = limn_score_folder(&report, argv[1], argv[2], &s,
                               isatty(STDERR_FILENO) ? progress : NULL, NULL, error);
    if (status) return status;
    if (o.json)
        print_json(report);
    else
        print_table(report);
    limn_score_close(&report);
    return status;
}
