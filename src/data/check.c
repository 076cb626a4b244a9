/* SPDX-License-Identifier: Apache-2.0
 *
 * limn check: every mistake in a data folder that can be seen before hours are spent.
 *
 * Three steps: list the folders as a training would, look at every file (workers, each file once),
 * say what the facts mean.  The caller's thread only waits and reports progress, so that a callback
 * may draw on a terminal or write to a socket.
 *
 * How a folder is meant is guessed when the caller does not say: two sides whose names mostly agree
 * are pairs; a single train folder is A|B when most of its pictures are at least 1.6 times as wide
 * as high.  The guess is part of the report. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/threads.h"
#include "data/check_inside.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define AT(field) offsetof(limn_check_settings, field)
enum { AUTO = 0, WORKERS_MAX = 64 };

static const limn_setting rows[] = {
    { "pairing", LIMN_SETTING_CHOICE, AT(pairing), 0, 0, "auto|" LIMN_PAIRING_CHOICES, NULL,
      "how the folder is meant: pairs, two sides without pairs, plain pictures" },
    { "few", LIMN_SETTING_INT, AT(few), 0, 1000000, NULL, NULL,
      "fewer training pictures than this are called too few" },
    { "alike", LIMN_SETTING_INT, AT(alike), -1, 32, NULL, NULL,
      "bits of 64 in which near duplicates may differ; -1: do not look for them" },
    { "threads", LIMN_SETTING_INT, AT(threads), 0, WORKERS_MAX, NULL, "num-threads nThreads j",
      "threads that decode; 0: one a core" },
    { .name = NULL },
};

const limn_setting *limn_check_rows(void)
{
    return rows;
}

limn_check_settings limn_check_defaults(void)
{
    return (limn_check_settings){ .pairing = AUTO, .few = 50, .alike = 4 };
}

const char *limn_finding_word(limn_finding_kind kind)
{
    static const char *const words[] = {
#define X(name, word, text) word,
        LIMN_FINDINGS(X)
#undef X
    };

    return (unsigned)kind < LIMN_FINDING_COUNT ? words[kind] : "?";
}

const char *limn_severity_word(limn_severity severity)
{
    static const char *const words[] = { "note", "warning", "error" };

    return (unsigned)severity < LIMN_SEVERITY_COUNT ? words[severity] : "?";
}

/* ---- Findings -------------------------------------------------------------------------------- */

limn_status limn_check_add(limn_check_report *report, limn_finding_kind kind,
                           limn_severity severity, const char *const *files, size_t count,
                           limn_error *error, const char *format, ...)
{
    const char **copy = NULL;
    char text[sizeof error->text], *sentence;
    va_list list;

    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    if (report->count == report->room) { /* the old array stays in the arena: they double */
        size_t room = report->room ? report->room * 2 : 16;
        limn_finding *larger;

        LIMN_TRY(limn_take_into(&larger, &report->arena, room * sizeof *larger, error));
        if (report->count) memcpy(larger, report->findings, report->count * sizeof *larger);
        report->findings = larger;
        report->room = room;
    }
    if (count) {
        LIMN_TRY(limn_take_into(&copy, &report->arena, count * sizeof *copy, error));
        memcpy(copy, files, count * sizeof *copy);
    }
    if (!(sentence = limn_take_text(&report->arena, text)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for the report");
    report->findings[report->count++] = (limn_finding){ kind, severity, sentence, copy, count };
    if (severity == LIMN_SEVERITY_NOTE) report->summary.notes++;
    if (severity == LIMN_SEVERITY_WARNING) report->summary.warnings++;
    if (severity == LIMN_SEVERITY_ERROR) report->summary.errors++;
    return LIMN_OK;
}

/* ---- What the folder is ---------------------------------------------------------------------- */

/* Are the pictures of one folder A|B?  Asks the headers of a few, spread over the list. */
static bool looks_side_by_side(const limn_data *data)
{
    enum { ASKED = 16 };
    size_t n = data->a.count < ASKED ? data->a.count : ASKED, wide = 0, read = 0;

    for (size_t i = 0; i < n; i++) {
        const limn_data_item *item = &data->a.items[i * data->a.count / n];
        limn_picture_info info;

        if (limn_picture_look(&info, item->path, NULL, NULL)) continue;
        read++;
        wide += info.width >= 1.6 * info.height;
    }
    return 2 * wide > read;
}

static limn_status guess_pairing(limn_check_report *r, const char *folder, limn_error *error)
{
    limn_data_query query = { .root = folder, .no_hold_out = true, .keep_alone = true };
    limn_error why = { 0 };
    limn_status status;
    limn_data data;

    r->pairing = LIMN_PAIRED;
    status = limn_data_open(&data, &query, &why);
    if (status == LIMN_NO_MEMORY) return limn_fail(error, status, "%s", why.text);
    if (status) {
        if (!limn_data_has(folder, LIMN_PAIRED, LIMN_PHASE_TRAIN)) r->pairing = LIMN_PLAIN;
        return LIMN_OK;
    }
    if (data.layout == LIMN_LAYOUT_ONE_FOLDER) {
        if (!looks_side_by_side(&data)) r->pairing = LIMN_PLAIN;
    } else {
        size_t pairs = data.a.count, alone_a = data.alone_a.count, alone_b = data.alone_b.count;

        if (pairs < (alone_a < alone_b ? alone_a : alone_b)) r->pairing = LIMN_UNPAIRED;
    }
    limn_data_close(&data);
    return LIMN_OK;
}

/* Lists one phase.  That it can't be listed is a finding, but for the folder that is not there. */
static limn_status open_phase(limn_check_report *r, const char *folder, limn_phase phase,
                              limn_error *error)
{
    limn_data_query query = { .root = folder,
                              .pairing = r->pairing,
                              .phase = phase,
                              .no_hold_out = true,
                              .keep_alone = true };
    limn_error why = { 0 };
    limn_status status = limn_data_open(&r->data[phase], &query, &why);
    size_t *counts[] = { &r->summary.train, &r->summary.val, &r->summary.test };

    if (status == LIMN_NO_MEMORY || (status == LIMN_IO && phase == LIMN_PHASE_TRAIN))
        return limn_fail(error, status, "%s", why.text);
    if (status)
        return limn_check_add(r, LIMN_FINDING_FOLDERS, LIMN_SEVERITY_ERROR, NULL, 0, error, "%s",
                              why.text);
    *counts[phase] = limn_data_length(&r->data[phase]);
    if (r->data[phase].note && phase == LIMN_PHASE_TRAIN)
        return limn_check_add(r, LIMN_FINDING_FOLDERS, LIMN_SEVERITY_WARNING, NULL, 0, error, "%s",
                              r->data[phase].note);
    return LIMN_OK;
}

static limn_status note_held_out(limn_check_report *r, const char *folder, limn_error *error)
{
    limn_data_query query = {
        .root = folder, .pairing = r->pairing, .phase = LIMN_PHASE_VAL, .keep_alone = true
    };
    limn_status status;
    limn_data data;
    size_t held_out;

    status = limn_data_open(&data, &query, error);
    if (status == LIMN_NO_MEMORY) return status;
    held_out = status ? 0 : limn_data_length(&data);
    if (!status) limn_data_close(&data);
    if (held_out)
        return limn_check_add(r, LIMN_FINDING_FOLDERS, LIMN_SEVERITY_NOTE, NULL, 0, error,
                              "there is no val folder; a training holds out %zu of the %zu",
                              held_out, r->summary.train);
    return limn_check_add(r, LIMN_FINDING_FEW, LIMN_SEVERITY_WARNING, NULL, 0, error,
                          "there is no val folder, and none of the %zu training pictures falls "
                          "into the tenth that is held out; make %s/val",
                          r->summary.train, folder);
}

static limn_status list_folders(limn_check_report *r, const char *folder, int pairing,
                                limn_error *error)
{
    static const char *const names[] = { "paired", "unpaired", "plain" };
    static const char *const layouts[] = {
#define X(name, a, b, words) words,
        LIMN_LAYOUTS(X)
#undef X
    };

    r->pairing = (limn_pairing)(pairing - 1);
    if (pairing == AUTO) LIMN_TRY(guess_pairing(r, folder, error));
    LIMN_TRY(open_phase(r, folder, LIMN_PHASE_TRAIN, error));
    r->summary.pairing = names[r->pairing];
    r->summary.layout = r->data[LIMN_PHASE_TRAIN].arena.name
                            ? layouts[r->data[LIMN_PHASE_TRAIN].layout]
                            : "nothing to train on";
    if (limn_data_has(folder, r->pairing, LIMN_PHASE_VAL))
        LIMN_TRY(open_phase(r, folder, LIMN_PHASE_VAL, error));
    else if (r->summary.train)
        LIMN_TRY(note_held_out(r, folder, error));
    if (limn_data_has(folder, r->pairing, LIMN_PHASE_TEST))
        return open_phase(r, folder, LIMN_PHASE_TEST, error);
    return limn_check_add(r, LIMN_FINDING_FOLDERS, LIMN_SEVERITY_NOTE, NULL, 0, error,
                          "there is no test folder");
}

/* ---- Looking at every file ------------------------------------------------------------------- */

typedef struct looking {
    limn_check_report *report;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    size_t next, done;
    bool stop;
    limn_error error;
} looking;

static void look(void *context)
{
    looking *l = context;
    char broken[sizeof l->error.text];

    pthread_mutex_lock(&l->lock);
    while (!l->stop && l->next < l->report->files) {
        limn_facts *facts = &l->report->facts[l->next++];
        limn_error error = { 0 };
        limn_status status;

        pthread_mutex_unlock(&l->lock);
        status = limn_facts_look(facts, broken, &error);
        pthread_mutex_lock(&l->lock);
        if (!status && *broken && !(facts->broken = limn_take_text(&l->report->arena, broken)))
            status = limn_fail(&error, LIMN_NO_MEMORY, "out of memory for the report");
        if (status) {
            l->error = error;
            l->stop = true;
        }
        l->done++;
        pthread_cond_signal(&l->moved);
    }
    pthread_mutex_unlock(&l->lock);
}

/* A few times a second, and at the end in any case. */
static void wait_and_tell(looking *l, limn_check_progress progress, void *context)
{
    bool finished = false;

    pthread_mutex_lock(&l->lock);
    while (!l->stop && !finished) {
        struct timespec until;
        size_t done;

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 200000000;
        if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
        while (!l->stop && l->done < l->report->files &&
               !pthread_cond_timedwait(&l->moved, &l->lock, &until))
            continue;
        done = l->done;
        finished = done == l->report->files;
        if (!progress || l->stop) continue;
        pthread_mutex_unlock(&l->lock);
        bool go_on = progress(context, done, l->report->files);
        pthread_mutex_lock(&l->lock);
        if (!go_on && !l->stop) {
            limn_fail(&l->error, LIMN_STOPPED, "the check was stopped");
            l->stop = true;
        }
    }
    pthread_mutex_unlock(&l->lock);
}

static limn_status look_at_all(limn_check_report *r, int threads, limn_check_progress progress,
                               void *context, limn_error *error)
{
    looking l = { .report = r };
    limn_worker *workers[WORKERS_MAX] = { NULL };
    limn_status status = LIMN_OK;

    if (threads < 1) threads = limn_compute_threads();
    if (threads > WORKERS_MAX) threads = WORKERS_MAX;
    pthread_mutex_init(&l.lock, NULL);
    pthread_cond_init(&l.moved, NULL);
    for (int i = 0; i < threads && !status; i++)
        status = limn_worker_start(&workers[i], look, &l, error);
    if (status) {
        pthread_mutex_lock(&l.lock);
        l.stop = true;
        pthread_mutex_unlock(&l.lock);
    } else {
        wait_and_tell(&l, progress, context);
    }
    for (int i = 0; i < threads; i++) limn_worker_join(&workers[i]);
    pthread_cond_destroy(&l.moved);
    pthread_mutex_destroy(&l.lock);
    if (!status && l.error.status) status = limn_fail(error, l.error.status, "%s", l.error.text);
    return status;
}

/* ---- All of it ------------------------------------------------------------------------------- */

static void list_side(limn_check_report *r, const limn_data_side *side, limn_phase phase, bool on_a,
                      bool alone)
{
    for (size_t i = 0; i < side->count; i++)
        r->facts[r->files++] = (limn_facts){
            .item = &side->items[i], .phase = phase, .on_a = on_a, .alone = alone
        };
}

/* Files of all phases; a file with both halves once, as its item of side B. */
static limn_status list_files(limn_check_report *r, limn_error *error)
{
    size_t most = 0;

    for (int p = 0; p < LIMN_PHASE_COUNT; p++)
        most += r->data[p].a.count + r->data[p].b.count + r->data[p].alone_a.count +
                r->data[p].alone_b.count;
    LIMN_TRY(limn_take_into(&r->facts, &r->arena, most * sizeof *r->facts, error));
    for (int p = 0; p < LIMN_PHASE_COUNT; p++) {
        const limn_data *data = &r->data[p];
        bool halves = data->b.count && data->b.items[0].half != LIMN_WHOLE;

        r->first_a[p] = r->files;
        if (!halves) list_side(r, &data->a, (limn_phase)p, true, false);
        r->first_b[p] = r->files;
        list_side(r, &data->b, (limn_phase)p, false, false);
        if (halves) r->first_a[p] = r->first_b[p];
        list_side(r, &data->alone_a, (limn_phase)p, true, true);
        list_side(r, &data->alone_b, (limn_phase)p, false, true);
    }
    r->summary.files = r->files;
    return LIMN_OK;
}

static int by_severity(const void *a, const void *b)
{
    const limn_finding *x = a, *y = b;

    if (x->severity != y->severity) return x->severity > y->severity ? -1 : 1;
    if (x->kind != y->kind) return x->kind < y->kind ? -1 : 1;
    return strcmp(x->file_count ? x->files[0] : x->sentence,
                  y->file_count ? y->files[0] : y->sentence);
}

static limn_status check_all(limn_check_report *r, const char *folder,
                             const limn_check_settings *settings, limn_check_progress progress,
                             void *context, limn_error *error)
{
    if (settings->pairing < AUTO || settings->pairing > LIMN_PLAIN + 1)
        return limn_fail(error, LIMN_SETTING, "--pairing must be one of auto|%s",
                         LIMN_PAIRING_CHOICES);
    LIMN_TRY(list_folders(r, folder, settings->pairing, error));
    LIMN_TRY(list_files(r, error));
    LIMN_TRY(look_at_all(r, settings->threads, progress, context, error));
    LIMN_TRY(limn_check_find(r, settings, error));
    if (r->count) qsort(r->findings, r->count, sizeof *r->findings, by_severity);
    return LIMN_OK;
}

limn_status limn_check_folder(limn_check_report **report, const char *folder,
                              const limn_check_settings *settings, limn_check_progress progress,
                              void *context, limn_error *error)
{
    limn_check_settings defaults = limn_check_defaults();
    limn_check_report *r = limn_block(sizeof *r);
    limn_status status;

    *report = NULL;
    if (!r) return limn_fail(error, LIMN_NO_MEMORY, "out of memory for the report");
    *r = (limn_check_report){ 0 };
    limn_arena_open(&r->arena, "the report", 0);
    status = check_all(r, folder, settings ? settings : &defaults, progress, context, error);
    if (status)
        limn_check_close(&r);
    else
        *report = r;
    return status;
}

const limn_finding *limn_check_findings(const limn_check_report *report, size_t *count)
{
    *count = report->count;
    return report->findings;
}

limn_check_summary limn_check_summarize(const limn_check_report *report)
{
    return report->summary;
}

void limn_check_close(limn_check_report **report)
{
    if (!*report) return;
    for (int p = 0; p < LIMN_PHASE_COUNT; p++) limn_data_close(&(*report)->data[p]);
    limn_arena_close(&(*report)->arena);
    limn_block_free(*report);
    *report = NULL;
}
