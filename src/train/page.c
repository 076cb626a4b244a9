/* SPDX-License-Identifier: Apache-2.0
 *
 * The results page: see page.h.
 *
 * Small charts, one a loss, because an L1 term of 30 beside a critic's 0.5 would make a line of the
 * one and nothing of the other; scores of validation and training in one chart, because the gap
 * between them is the point.  Curves have at most POINTS_MAX points and the slider SHEETS_MAX
 * sheets, whatever the length of the run, so the page neither grows nor takes longer to write.
 * Sheets stay files of their own: inside the page they would make it tens of megabytes. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* newlocale, uselocale */
#endif
#include "train/page.h"
#include "base/file.h"

#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum {
    POINTS_MAX = 400,
    SERIES_MAX = 40,
    SHEETS_MAX = 120,
    EVENTS_MAX = 60,
    WIDTH = 320,
    HEIGHT = 170,
    LEFT = 48,
    RIGHT = 8,
    TOP = 10,
    BOTTOM = 26,
};

/* ---- A text that grows ----------------------------------------------------------------------- */

typedef struct text {
    char *bytes;
    size_t count, room;
    bool refused;
} text;

static void put_bytes(text *t, const char *bytes, size_t count)
{
    if (t->refused) return;
    if (t->count + count + 1 > t->room) {
        size_t room = 2 * (t->count + count + 1) + 16384;
        char *bigger = limn_block(room);

        if (!bigger) {
            t->refused = true;
            return;
        }
        if (t->count) memcpy(bigger, t->bytes, t->count);
        limn_block_free(t->bytes);
        t->bytes = bigger;
        t->room = room;
    }
    memcpy(t->bytes + t->count, bytes, count);
    t->count += count;
}

static void put(text *t, const char *words)
{
    put_bytes(t, words, strlen(words));
}

static void put_format(text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put_format(text *t, const char *format, ...)
{
    char piece[512];
    va_list list;
    int count;

    va_start(list, format);
    count = vsnprintf(piece, sizeof piece, format, list);
    va_end(list);
    if (count < 0) return;
    put_bytes(t, piece, (size_t)count < sizeof piece ? (size_t)count : sizeof piece - 1);
}

/* For elements, attributes and strings of scripts alike: nothing that any of them could misread. */
static void put_safe(text *t, const char *words)
{
    for (; words && *words; words++) {
        if (strchr("&<>\"'\\", *words) || (unsigned char)*words < 32)
            put_format(t, "&#%d;", (unsigned char)*words);
        else
            put_bytes(t, words, 1);
    }
}

/* ---- Curves ---------------------------------------------------------------------------------- */

typedef struct series {
    char part[8], name[48];
    int count;
    double x[POINTS_MAX], y[POINTS_MAX];
} series;

typedef struct curves {
    series *all;
    int count;
} curves;

/* part, name, x, y: in order of part and name and x. */
static limn_status add_point(void *context, const char *const *c, int count, limn_error *error)
{
    curves *all = context;
    series *s = all->count ? &all->all[all->count - 1] : NULL;

    (void)count;
    (void)error;
    if (!c[0] || !c[1] || !c[2] || !c[3]) return LIMN_OK;
    if (!s || strcmp(s->part, c[0]) || strcmp(s->name, c[1])) {
        if (all->count == SERIES_MAX) return LIMN_OK;
        s = &all->all[all->count++];
        s->count = 0;
        snprintf(s->part, sizeof s->part, "%s", c[0]);
        snprintf(s->name, sizeof s->name, "%s", c[1]);
    }
    if (s->count == POINTS_MAX) return LIMN_OK;
    s->x[s->count] = strtod(c[2], NULL);
    s->y[s->count++] = strtod(c[3], NULL);
    return LIMN_OK;
}

static series *find(const curves *all, const char *part, const char *name)
{
    for (int i = 0; i < all->count; i++)
        if (!strcmp(all->all[i].part, part) && !strcmp(all->all[i].name, name)) return &all->all[i];
    return NULL;
}

typedef struct range {
    double x0, x1, y0, y1;
} range;

static void widen(range *r, const series *s)
{
    for (int i = 0; s && i < s->count; i++) {
        r->x0 = fmin(r->x0, s->x[i]);
        r->x1 = fmax(r->x1, s->x[i]);
        r->y0 = fmin(r->y0, s->y[i]);
        r->y1 = fmax(r->y1, s->y[i]);
    }
}

static double across(const range *r, double x)
{
    return LEFT + (WIDTH - LEFT - RIGHT) * (r->x1 > r->x0 ? (x - r->x0) / (r->x1 - r->x0) : 0.5);
}

static double down(const range *r, double y)
{
    return TOP + (HEIGHT - TOP - BOTTOM) * (r->y1 > r->y0 ? (r->y1 - y) / (r->y1 - r->y0) : 0.5);
}

static void put_line(text *t, const range *r, const series *s, const char *kind)
{
    put_format(t, "<polyline class=\"%s\" points=\"", kind);
    for (int i = 0; i < s->count; i++)
        put_format(t, "%.1f,%.1f ", across(r, s->x[i]), down(r, s->y[i]));
    put(t, "\"/>");
}

/* Losses of single steps jump about: their moving mean is what can be read. */
static void smooth(series *s)
{
    double mean = s->y[0], share = 10.0 / s->count;

    for (int i = 0; i < s->count; i++) s->y[i] = mean += share * (s->y[i] - mean);
}

/* The line and its last point; of a noisy one the mean, with itself faintly behind. */
static void put_series(text *t, const range *r, series *s, const char *kind, bool noisy)
{
    if (!s || !s->count) return;
    if (noisy && s->count > 40) {
        put_line(t, r, s, "faint");
        smooth(s);
    }
    put_line(t, r, s, kind);
    put_format(t, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>", kind,
               across(r, s->x[s->count - 1]), down(r, s->y[s->count - 1]));
}

/* The distance of grid lines: 1, 2 or 5 of some power of ten, so that two to five of them fit. */
static double tick(double span)
{
    double power = pow(10, floor(log10(span / 2)));
    double times = span / 2 / power;

    return power * (times >= 5 ? 5 : times >= 2 ? 2 : 1);
}

static void put_grid(text *t, const range *r, const char *of_x)
{
    double span = r->y1 - r->y0, step = span > 0 ? tick(span) : 1;
    int places = step < 1 ? (int)ceil(-log10(step) - 1e-9) : 0;

    for (double k = ceil(r->y0 / step - 1e-9); k * step <= r->y1 + 1e-9 * step || span <= 0; k++) {
        double y = (span > 0 ? k * step : r->y0) + 0.0; /* never "-0" */

        put_format(t,
                   "<line class=\"g\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/><text x=\"%d\" "
                   "y=\"%.1f\" text-anchor=\"end\">%.*f</text>",
                   LEFT, WIDTH - RIGHT, down(r, y), down(r, y), LEFT - 6, down(r, y) + 4,
                   span > 0 ? places : 3, y);
        if (span <= 0) break;
    }
    put_format(t, "<text x=\"%d\" y=\"%d\">%s %.0f</text>", LEFT, HEIGHT - 5, of_x, r->x0);
    if (r->x1 > r->x0)
        put_format(t, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%.0f</text>", WIDTH - RIGHT,
                   HEIGHT - 5, r->x1);
}

/* One chart: a, and b (may be NULL) beside it. */
static void put_chart(text *t, const char *title, const char *of_x, series *a, series *b)
{
    range r = { HUGE_VAL, -HUGE_VAL, HUGE_VAL, -HUGE_VAL };
    bool noisy = !strcmp(of_x, "step");

    widen(&r, a);
    widen(&r, b);
    put(t, "<figure><figcaption><b>");
    put_safe(t, title);
    put_format(t, "</b> <span class=\"a\">%.4g</span>", a->y[a->count - 1]);
    if (b && b->count) put_format(t, " <span class=\"b\">%.4g</span>", b->y[b->count - 1]);
    put_format(t, "</figcaption><svg viewBox=\"0 0 %d %d\" role=\"img\">", WIDTH, HEIGHT);
    put_grid(t, &r, of_x);
    put_series(t, &r, b, "b", noisy);
    put_series(t, &r, a, "a", noisy);
    put(t, "</svg></figure>\n");
}

/* ---- Parts of the page ----------------------------------------------------------------------- */

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<style>\n"
    ":root{--back:#fbfaf8;--card:#fff;--ink:#22252b;--soft:#6b7079;--line:#e4e1da;--warn:#b3261e;--"
    "a:#2563a8;"
    "--b:#d9822b}\n"
    "@media(prefers-color-scheme:dark){:root{--back:#17191d;--card:#1f2227;--ink:#e6e4df;"
    "--soft:#9aa0a8;--line:#343840;--warn:#ff8a7a;--a:#7fb2ea;--b:#e9a355}}\n"
    "body{margin:0 auto;max-width:1100px;padding:28px 22px 60px;background:var(--back);"
    "color:var(--ink);font:15px/1.5 system-ui,sans-serif}\n"
    "h1{font-size:26px;font-weight:600;margin:0}h2{font-size:17px;font-weight:600;margin:34px 0 "
    "10px}\n"
    "p{margin:4px 0}.soft,footer{color:var(--soft)}footer{margin-top:40px;font-size:13px}\n"
    ".grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(235px,1fr));gap:14px}\n"
    "figure{margin:0;padding:12px 14px 6px;background:var(--card);border:1px solid var(--line);"
    "border-radius:8px}figcaption{font-size:14px}\n"
    "svg{width:100%;height:auto;display:block}svg text{font-size:13px;fill:var(--soft)}"
    ".g{stroke:var(--line)}polyline{fill:none;stroke-width:1.8;stroke-linejoin:round}\n"
    "polyline.faint{stroke:var(--a);opacity:.28;stroke-width:1}polyline.a{stroke:var(--a)}polyline."
    "b{stroke:var(--b)}circle.a{fill:var(--a)}"
    "circle.b{fill:var(--b)}span.a{color:var(--a)}span.b{color:var(--b)}\n"
    "#sheet{max-width:100%;border:1px solid var(--line);border-radius:8px;background:#fff}\n"
    "#slider{width:min(480px,70%);vertical-align:middle;accent-color:var(--a)}\n"
    "table{border-collapse:collapse;font-size:14px}td{padding:2px 18px 2px 0;vertical-align:top;"
    "border-bottom:1px solid var(--line)}td:first-child{color:var(--soft);white-space:nowrap}\n"
    ".columns{columns:2 380px}.columns table{width:100%}tr{break-inside:avoid}\n"
    ".warning td,p.warning{color:var(--warn)}a{color:var(--a)}"
    "summary{cursor:pointer;font-size:17px;font-weight:600;margin:34px 0 10px}\n"
    "</style>\n";

static const char script[] =
    "<script>\nconst slider=document.getElementById('slider'),picture="
    "document.getElementById('sheet'),label=document.getElementById('epoch');\n"
    "function show(){const s=sheets[slider.value];picture.src=s[1];label.textContent='epoch "
    "'+s[0];}\nslider.addEventListener('input',show);\n</script>\n";

typedef struct sheets {
    text *to, first; /* first: the path of the newest */
    int every, number, total, put;
    char last[16];
} sheets;

static limn_status add_sheet(void *context, const char *const *c, int count, limn_error *error)
{
    sheets *s = context;

    (void)count;
    (void)error;
    s->number++;
    if ((s->total - s->number) % s->every || !c[0] || !c[1]) return LIMN_OK;
    put_format(s->to, "%s[%s,'", s->put++ ? "," : "", c[0]);
    put_safe(s->to, c[1]);
    put(s->to, "']");
    if (s->number == s->total) {
        put_safe(&s->first, c[1]);
        snprintf(s->last, sizeof s->last, "%s", c[0]);
    }
    return LIMN_OK;
}

static limn_status one_number(void *context, const char *const *c, int count, limn_error *error)
{
    (void)count;
    (void)error;
    *(int *)context = c[0] ? atoi(c[0]) : 0;
    return LIMN_OK;
}

static limn_status put_sheets(text *t, limn_history *history, limn_error *error)
{
    text list = { .bytes = NULL };
    sheets s = { .to = &list };
    limn_status status = limn_history_query(history, "SELECT count(*) FROM samples", one_number,
                                            &s.total, error);

    s.every = s.total / SHEETS_MAX + 1;
    if (!status && s.total)
        status = limn_history_query(history, "SELECT epoch, path FROM samples ORDER BY epoch",
                                    add_sheet, &s, error);
    if (!status && s.put && !list.refused && !s.first.refused) {
        put_format(t,
                   "<h2>Samples</h2>\n<p><input id=\"slider\" type=\"range\" min=\"0\" max=\"%d\" "
                   "value=\"%d\" aria-label=\"epoch\"> <span id=\"epoch\">epoch %s</span></p>\n"
                   "<img id=\"sheet\" alt=\"input, output, target\" src=\"",
                   s.put - 1, s.put - 1, s.last);
        put_bytes(t, s.first.bytes, s.first.count);
        put(t, "\">\n<p class=\"soft\">Each picture: input, output, target (without pairs: input, "
               "output). Outputs are made by a trained network.</p>\n"
               "<script>const sheets=[");
        put_bytes(t, list.bytes, list.count);
        put(t, "];</script>\n");
        put(t, script);
    }
    t->refused = t->refused || list.refused || s.first.refused;
    limn_block_free(list.bytes);
    limn_block_free(s.first.bytes);
    return status;
}

/* Without pairs.  The distance's interval is drawn as a second line, its upper end. */
static void put_distances(text *t, const curves *all)
{
    static const char *const errors[][2] = { { "cycle", "cycle error (L1)" },
                                             { "identity", "identity error (L1)" } };
    const series *means = find(all, "val", "distance_means_something");

    put(t, "<h2>Scores</h2>\n<p class=\"soft\">Without pairs: <span class=\"a\">the kernel "
           "distance</span> of outputs to pictures of the other side, 0 where they can't be told "
           "apart, and <span class=\"b\">the upper end of its 95 % interval</span>. It is computed "
           "on features of a MobileNetV2, so it is not comparable with published KID or FID "
           "(docs/health.md).</p>\n");
    if (means && means->y[means->count - 1] < 0.5)
        put(t,
            "<p class=\"warning\">There are too few pictures for the distance to mean anything: "
            "its interval is as wide as the way there is to go, or a side has fewer than 20. Take "
            "its curve for noise and choose by the samples.</p>\n");
    put(t, "<div class=\"grid\">\n");
    put_chart(t, "distance", "epoch", find(all, "val", "distance"),
              find(all, "val", "distance_high"));
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (find(all, "val", errors[i][0]))
            put_chart(t, errors[i][1], "epoch", find(all, "val", errors[i][0]), NULL);
    put(t, "</div>\n");
}

/* Means of epochs; of steps where there are too few epochs for a curve. */
static limn_status put_curves(text *t, limn_history *history, curves *all, limn_error *error)
{
    static const char by_epoch[] =
        "SELECT part, name, max(epoch), avg(value) FROM scores GROUP BY part, name,"
        " epoch * 399 / (SELECT max(epoch) FROM scores) ORDER BY part, name, 3";
    static const char by_step[] =
        "SELECT 'step', name, max(step), avg(value) FROM losses GROUP BY name,"
        " step * 399 / (SELECT max(step) FROM losses) ORDER BY name, 3";
    static const char *const scores[][2] = {
        { "l1", "L1" }, { "psnr", "PSNR in dB" }, { "ssim", "SSIM" }, { "edges", "edges" }
    };
    int epochs = 0;
    bool steps;

    LIMN_TRY(
        limn_history_query(history, "SELECT count(*) FROM epochs", one_number, &epochs, error));
    LIMN_TRY(limn_history_query(history, by_epoch, add_point, all, error));
    if ((steps = epochs < 8)) LIMN_TRY(limn_history_query(history, by_step, add_point, all, error));
    if (find(all, "val", "l1")) {
        put(t, "<h2>Scores</h2>\n<p class=\"soft\"><span class=\"a\">validation</span>, "
               "<span class=\"b\">pictures it learns from</span>; a gap that opens is "
               "over-fitting</p>\n<div class=\"grid\">\n");
        for (size_t i = 0; i < sizeof scores / sizeof *scores; i++) {
            series *val = find(all, "val", scores[i][0]);

            if (val) put_chart(t, scores[i][1], "epoch", val, find(all, "train", scores[i][0]));
        }
        put(t, "</div>\n");
    }
    if (find(all, "val", "distance")) put_distances(t, all);
    put(t, "<h2>Losses</h2>\n<div class=\"grid\">\n");
    for (int i = 0; i < all->count; i++)
        if (!strcmp(all->all[i].part, steps ? "step" : "loss") && all->all[i].count)
            put_chart(t, all->all[i].name, steps ? "step" : "epoch", &all->all[i], NULL);
    put(t, "</div>\n");
    return LIMN_OK;
}

/* A row of texts from outside, each behind a word of ours. */
static void put_row(text *t, bool warning, int count, const char *const *words,
                    const char *const *texts)
{
    put(t, warning ? "<tr class=\"warning\">" : "<tr>");
    for (int i = 0; i < count; i++) {
        put(t, "<td>");
        put(t, words[i]);
        put_safe(t, texts[i]);
        put(t, "</td>");
    }
    put(t, "</tr>\n");
}

static limn_status add_event(void *context, const char *const *c, int count, limn_error *error)
{
    static const char *const words[] = { "", "epoch ", "" };
    static const char *const loud[] = { "overfitting", "halved", "lost", "refused", "alarm" };
    bool warning = false;

    (void)count;
    (void)error;
    for (size_t i = 0; c[2] && i < sizeof loud / sizeof *loud; i++)
        warning = warning || !strcmp(c[2], loud[i]);
    put_row(context, warning, 3, words, (const char *const[]){ c[0], c[1], c[3] });
    return LIMN_OK;
}

/* epoch, step, change, sentence. */
static limn_status add_alarm(void *context, const char *const *c, int count, limn_error *error)
{
    static const char *const words[] = { "epoch ", "step ", "" };

    (void)count;
    (void)error;
    put_row(context, c[2] && strcmp(c[2], "cleared"), 3, words,
            (const char *const[]){ c[0], c[1], c[3] });
    return LIMN_OK;
}

static limn_status put_alarms(text *t, limn_history *history, limn_error *error)
{
    char alarms[160];
    int count = 0;

    LIMN_TRY(limn_history_query(history, "SELECT count(*) FROM alarms", one_number, &count, error));
    if (!count) return LIMN_OK;
    put(t,
        "<h2>Alarms</h2>\n<p class=\"soft\">What they mean is in docs/health.md.</p>\n<table>\n");
    snprintf(alarms, sizeof alarms,
             "SELECT epoch, step, change, sentence FROM alarms ORDER BY number DESC LIMIT %d",
             EVENTS_MAX);
    LIMN_TRY(limn_history_query(history, alarms, add_alarm, t, error));
    put(t, "</table>\n");
    return LIMN_OK;
}

static limn_status add_setting(void *context, const char *const *c, int count, limn_error *error)
{
    static const char *const words[] = { "", "" };

    (void)count;
    (void)error;
    put_row(context, false, 2, words, c);
    return LIMN_OK;
}

static limn_status write_all(text *t, limn_history *history, const char *title, const char *summary,
                             curves *all, limn_error *error)
{
    char events[160];

    put(t, head);
    put(t, "<title>");
    put_safe(t, title);
    put(t, "</title></head><body>\n<h1>");
    put_safe(t, title);
    put(t, "</h1>\n<p class=\"soft\">");
    put_safe(t, summary);
    put(t, "</p>\n");
    LIMN_TRY(put_alarms(t, history, error));
    LIMN_TRY(put_sheets(t, history, error));
    LIMN_TRY(put_curves(t, history, all, error));
    put(t, "<h2>What happened</h2>\n<table>\n");
    snprintf(events, sizeof events,
             "SELECT time, epoch, kind, sentence FROM events ORDER BY number DESC LIMIT %d",
             EVENTS_MAX);
    LIMN_TRY(limn_history_query(history, events, add_event, t, error));
    put(t, "</table>\n<details><summary>Settings</summary>\n<div class=\"columns\"><table>\n");
    LIMN_TRY(limn_history_query(history,
                                "SELECT name, value FROM settings WHERE value <> '' ORDER BY name",
                                add_setting, t, error));
    put(t,
        "</table></div></details>\n<footer>Written by limn after each epoch. Beside this page: the "
        "model <a href=\"latest.safetensors\">latest.safetensors</a>, the pictures above in <a "
        "href=\"sheets/\">sheets</a>, and all numbers in <a "
        "href=\"history.sqlite\">history.sqlite</a>.</footer>\n</body></html>\n");
    return LIMN_OK;
}

limn_status limn_page_write(const char *path, limn_history *history, const char *title,
                            const char *summary, limn_error *error)
{
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0), before = uselocale(plain);
    curves all = { .all = limn_block(SERIES_MAX * sizeof *all.all) };
    text t = { .bytes = NULL };
    limn_status status = all.all ? LIMN_OK : LIMN_NO_MEMORY;

    if (!status) status = write_all(&t, history, title, summary ? summary : "", &all, error);
    if (t.refused || !all.all)
        status = limn_fail(error, LIMN_NO_MEMORY, "out of memory for the page %s", path);
    if (!status) status = limn_file_replace(path, t.bytes, t.count, error);
    limn_block_free(t.bytes);
    limn_block_free(all.all);
    uselocale(before);
    freelocale(plain);
    return status;
}
