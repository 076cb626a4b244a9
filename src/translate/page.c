/* SPDX-License-Identifier: Apache-2.0
 *
 * The page of a scoring: one file of HTML beside a folder of pictures.
 *
 * No script and nothing from elsewhere: it can be opened from the disk, sent to somebody, or put on
 * any server as it is.  Names come from other people's files and are escaped. */
#include "base/file.h"
#include "translate/report.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Writing that remembers its first error, so that the page reads as it will look. */
typedef struct page {
    limn_file file;
    limn_status status;
    limn_error *error;
} page;

static void put(page *p, const char *text, size_t count)
{
    if (!p->status) p->status = limn_file_write(&p->file, text, count, p->error);
}

__attribute__((format(printf, 2, 3))) static void say(page *p, const char *format, ...)
{
    char text[1024];
    va_list list;
    int count;

    va_start(list, format);
    count = vsnprintf(text, sizeof text, format, list);
    va_end(list);
    put(p, text, count < 0 ? 0 : (size_t)count < sizeof text ? (size_t)count : sizeof text - 1);
}

static void escaped(page *p, const char *text)
{
    for (; *text; text++) {
        size_t plain = strcspn(text, "&<>\"'");

        if (plain) {
            put(p, text, plain);
            text += plain - 1;
        } else
            say(p, "&#%d;", *text);
    }
}

static void number(page *p, double value, const char *unit)
{
    if (isnan(value))
        say(p, "<td>-");
    else if (isinf(value))
        say(p, "<td>&infin;");
    else
        say(p, "<td>%.4f%s", value, unit);
}

static void scores(page *p, const limn_picture_score *s)
{
    number(p, s->l1, "");
    number(p, s->psnr, " dB");
    number(p, s->ssim, "");
    number(p, s->ms_ssim, "");
    number(p, s->edges, "");
}

static const char top[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n<title>limn: "
    "scores</title>\n<style>\n"
    "body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:60em;padding:0 "
    "1em;color:#222;background:#fff}\n"
    "table{border-collapse:collapse}td,th{padding:.15em 1em .15em 0;text-align:left}\n"
    "figure{margin:2em 0}img{max-width:100%;border:1px solid #ddd}figcaption{color:#555}\n"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}figcaption{color:#aaa}"
    "img{border-color:#444}}\n</style></head><body>\n";
static const char heads[] = "<tr><th><th>L1<th>PSNR<th>SSIM<th>MS-SSIM<th>edge agreement</tr>\n";

static void write_page(page *p, const limn_score_report *r, const limn_translator *t,
                       const char *data, const size_t *order)
{
    limn_translator_facts facts = limn_translator_about(t);

    put(p, top, sizeof top - 1);
    say(p, "<h1>Scores</h1>\n<p>Model ");
    escaped(p, facts.model);
    say(p, " (network %s, %s, %s), data ", facts.network, facts.statistics, facts.compute);
    escaped(p, data);
    say(p,
        ", %zu pictures. L1 is the mean difference on the scale of &minus;1 to 1; the others are "
        "better when higher. MS-SSIM of pictures under 176 pixels uses fewer scales and is marked "
        "with their number.</p>\n",
        r->count);
    if (r->refused)
        say(p, "<p>%zu pictures are left out or crossed out: the screen refused them.</p>\n",
            r->refused);
    say(p, "<table>\n%s", heads);
    say(p, "<tr><td>mean of %zu", r->count);
    scores(p, &r->mean);
    say(p, "</tr>\n</table>\n<h2>Input, output, target: the worst first</h2>\n");
    for (size_t i = 0; i < r->count; i++) {
        const limn_picture_score *s = &r->pictures[order[i]];

        say(p, "<figure>");
        if (r->shown[order[i]]) {
            say(p, "<img loading=\"lazy\" src=\"%s\" alt=\"input, output and target of ",
                r->shown[order[i]]);
            escaped(p, s->name);
            say(p, "\">");
        }
        say(p, "<figcaption><table><tr><td>");
        escaped(p, s->name);
        scores(p, s);
        if (s->scales && s->scales < 5) say(p, "<td>%d scales", s->scales);
        if (!r->shown[order[i]]) say(p, "<td>not shown: refused");
        say(p, "</tr></table></figcaption></figure>\n");
    }
    say(p, "<p>Pictures were made with a trained model and carry marks that say so (IPTC digital "
           "source type, C2PA).</p>\n</body></html>\n");
}

limn_status limn_score_page(const limn_score_report *r, const limn_translator *t, const char *data,
                            const char *folder, limn_error *error)
{
    page p = { .error = error };
    size_t *order = NULL;
    limn_arena arena;
    const char *path;

    limn_arena_open(&arena, "page", 0);
    if (!(path = limn_take_format(&arena, "%s/index.html", folder)))
        p.status = limn_fail(error, LIMN_NO_MEMORY, "out of memory for the page");
    if (!p.status) p.status = limn_take_into(&order, &arena, (r->count + 1) * sizeof *order, error);
    if (!p.status) p.status = limn_score_order(r, order, error);
    if (!p.status) p.status = limn_file_create(&p.file, path, error);
    if (!p.status) {
        write_page(&p, r, t, data, order);
        if (!p.status) p.status = limn_file_commit(&p.file, error);
        limn_file_abandon(&p.file);
    }
    limn_arena_close(&arena);
    return p.status;
}
