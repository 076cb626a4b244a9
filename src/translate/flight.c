/* SPDX-License-Identifier: Apache-2.0
 *
 * Many pictures, several of them in flight.
 *
 * A ring of slots.  Picture i lives in slot i % slots from the moment a worker begins to decode it
 * until it has been reported: empty -> decoding -> decoded -> (this thread computes) -> cleared ->
 * encoding -> done.  Workers prefer encoding, which frees memory, to decoding, which takes it; the
 * ring bounds how many pictures are held at all.  The network, the screen and the caller's progress
 * function run on the caller's thread alone.  Without workers (--workers 0, one picture, or a
 * system that gives no thread) this thread does their work in between.
 *
 * What is computed does not depend on any of that: pictures share nothing but the weights. */
#include "base/threads.h"
#include "translate/names.h"
#include "translate/translator.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WORKERS_MAX = 64, SPARE_SLOTS = 2 };

typedef enum stage { EMPTY, DECODING, DECODED, COMPUTING, CLEARED, ENCODING, DONE } stage;

typedef struct slot {
    stage stage;
    size_t index; /* of the picture in the list */
    limn_picture picture;
    int frames; /* of its file, of which the first is translated */
    limn_cleared *cleared[LIMN_TRANSLATE_SAMPLES_MAX];
    limn_status status;
    limn_error error;
} slot;

typedef struct flight {
    limn_translator *t;
    const limn_translate_list *list;
    limn_target target; /* but for path and memory */
    pthread_mutex_t lock;
    pthread_cond_t moved;
    slot *slots;
    size_t slot_count;
    size_t next; /* picture to be decoded next */
    int helpers; /* workers that run */
    bool stop;
} flight;

/* ---- Work of the workers -------------------------------------------------------------------- */

static limn_status decode(slot *s, const limn_translate_item *item, limn_error *error)
{
    if (!strcmp(item->input, "-"))
        return limn_picture_read_descriptor(&s->picture, STDIN_FILENO, "standard input", NULL,
                                            error);
    return limn_picture_read(&s->picture, item->input, NULL, error);
}

static limn_status write_out(limn_bytes file, limn_error *error)
{
    for (size_t at = 0; at < file.count;) {
        ssize_t wrote = write(STDOUT_FILENO, file.bytes + at, file.count - at);

        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0)
            return limn_fail(error, LIMN_IO, "standard output: could not write: %s",
                             strerror(errno));
        at += (size_t)wrote;
    }
    return LIMN_OK;
}

static limn_status encode_one(const flight *f, limn_cleared **cleared, const char *output,
                              limn_error *error)
{
    limn_target target = f->target;
    limn_bytes file;
    limn_status status;

    if (strcmp(output, "-")) {
        target.path = output;
        return limn_publish_write(cleared, &target, NULL, error);
    }
    target.memory = &file;
    LIMN_TRY(limn_publish_write(cleared, &target, NULL, error));
    status = write_out(file, error);
    limn_block_free(file.bytes);
    return status;
}

/* A write that fails counts for more than a refused variant. */
static void encode(const flight *f, slot *s)
{
    const limn_translate_item *item = &f->list->items[s->index];

    for (int i = 0; i < f->list->variants; i++) {
        limn_error error = { 0 };

        if (!s->cleared[i] || !encode_one(f, &s->cleared[i], item->outputs[i], &error)) continue;
        if (s->status && s->status != LIMN_REFUSED_PICTURE) continue;
        s->status = error.status;
        s->error = error;
    }
}

/* Does one piece of work, if there is any.  Called and left with the lock held. */
static bool work(flight *f)
{
    slot *s = NULL;
    size_t oldest = 0;

    for (size_t i = 0; i < f->slot_count; i++)
        if (f->slots[i].stage == CLEARED && (!s || f->slots[i].index < oldest)) {
            s = &f->slots[i];
            oldest = s->index;
        }
    if (s) {
        s->stage = ENCODING;
        pthread_mutex_unlock(&f->lock);
        encode(f, s);
        pthread_mutex_lock(&f->lock);
        s->stage = DONE;
        return true;
    }
    if (f->stop || f->next == f->list->count) return false;
    s = &f->slots[f->next % f->slot_count];
    if (s->stage != EMPTY) return false;
    *s = (slot){ .stage = DECODING, .index = f->next++ };
    pthread_mutex_unlock(&f->lock);
    s->status = decode(s, &f->list->items[s->index], &s->error);
    pthread_mutex_lock(&f->lock);
    s->stage = s->status ? DONE : DECODED;
    return true;
}

static bool over(const flight *f)
{
    bool waiting = false;

    for (size_t i = 0; i < f->slot_count; i++)
        waiting = waiting || (f->slots[i].stage != EMPTY && f->slots[i].stage != DONE);
    return !waiting && (f->stop || f->next == f->list->count);
}

static void worker(void *context)
{
    flight *f = context;

    pthread_mutex_lock(&f->lock);
    while (!over(f)) {
        if (work(f))
            pthread_cond_broadcast(&f->moved);
        else
            pthread_cond_wait(&f->moved, &f->lock);
    }
    pthread_cond_broadcast(&f->moved);
    pthread_mutex_unlock(&f->lock);
}

/* ---- Work of the caller's thread ------------------------------------------------------------ */

static void compute(flight *f, slot *s)
{
    const limn_translate_item *item = &f->list->items[s->index];
    const char *name = strcmp(item->input, "-") ? item->input : "standard input";
    limn_status statuses[LIMN_TRANSLATE_SAMPLES_MAX];
    const char *names[LIMN_TRANSLATE_SAMPLES_MAX];

    /* What comes out is called by its input: with standard output it has no other name. */
    for (int i = 0; i < f->list->variants; i++)
        names[i] = strcmp(item->outputs[i], "-") ? item->outputs[i] : name;
    s->status = limn_translator_picture(f->t, &s->picture, name, names, f->list->variants,
                                        s->cleared, statuses, &s->error);
    for (int i = 0; i < f->list->variants && !s->status; i++)
        if (statuses[i]) s->status = statuses[i];
    s->frames = s->picture.info.frames;
    limn_picture_close(&s->picture);
}

static void report(flight *f, slot *s, limn_translate_progress progress, void *context,
                   limn_translate_counts *counts, limn_error *first)
{
    const limn_translate_item *item = &f->list->items[s->index];
    limn_translate_event event = { .input = item->input,
                                   .output = item->outputs[0],
                                   .status = s->status,
                                   .sentence = s->status ? s->error.text : NULL,
                                   .done = s->index + 1,
                                   .total = f->list->count };

    if (!s->status && s->frames > 1) {
        (void)limn_fail(&s->error, LIMN_OK,
                        "%s has %d frames or pages; only the first is translated",
                        strcmp(item->input, "-") ? item->input : "standard input", s->frames);
        event.sentence = s->error.text;
    }
    if (!s->status)
        counts->written++;
    else if (s->status == LIMN_REFUSED_PICTURE)
        counts->refused++;
    else
        counts->failed++;
    /* A failure is told before a refusal: it decides the status of all. */
    if (s->status && (!first->status ||
                      (first->status == LIMN_REFUSED_PICTURE && s->status != LIMN_REFUSED_PICTURE)))
        *first = s->error;
    if (progress && !progress(context, &event)) f->stop = true;
}

static void run(flight *f, limn_translate_progress progress, void *context,
                limn_translate_counts *counts, limn_error *first)
{
    size_t reported = 0, computed = 0;

    pthread_mutex_lock(&f->lock);
    while (reported < f->list->count && !(f->stop && reported == f->next)) {
        slot *s = &f->slots[reported % f->slot_count], *c = &f->slots[computed % f->slot_count];

        if (s->stage == DONE && s->index == reported) {
            pthread_mutex_unlock(&f->lock);
            report(f, s, progress, context, counts, first);
            pthread_mutex_lock(&f->lock);
            s->stage = EMPTY;
            reported++;
            if (computed < reported) computed = reported;
        } else if (c->index == computed && c->stage == DONE && computed >= reported &&
                   computed < f->next) {
            computed++; /* could not be decoded */
            continue;
        } else if (c->index == computed && c->stage == DECODED) {
            c->stage = COMPUTING;
            pthread_mutex_unlock(&f->lock);
            compute(f, c);
            pthread_mutex_lock(&f->lock);
            c->stage = CLEARED;
            computed++;
        } else if (f->helpers || !work(f)) {
            pthread_cond_wait(&f->moved, &f->lock);
            continue;
        }
        pthread_cond_broadcast(&f->moved);
    }
    pthread_mutex_unlock(&f->lock);
}

static limn_status verdict(const flight *f, const limn_translate_counts *counts,
                           const limn_error *first, limn_error *error)
{
    size_t wrong = counts->refused + counts->failed;

    if (f->stop)
        return limn_fail(error, LIMN_STOPPED, "stopped after %zu of %zu pictures",
                         counts->written + wrong, counts->total);
    if (!wrong) return LIMN_OK;
    if (error) *error = *first;
    if (counts->total == 1) return first->status;
    if (counts->failed && counts->refused)
        return limn_fail(error, first->status,
                         "%zu of %zu pictures could not be translated and %zu were refused; the "
                         "first: %s",
                         counts->failed, counts->total, counts->refused, first->text);
    return limn_fail(error, first->status, "%zu of %zu pictures %s; the first: %s", wrong,
                     counts->total, counts->refused ? "were refused" : "could not be translated",
                     first->text);
}

static limn_status fly(flight *f, limn_translate_progress progress, void *context,
                       limn_translate_counts *counts, limn_error *error)
{
    int workers = f->list->count == 1 ? 0 : f->t->settings.workers, started = 0;
    limn_worker *threads[WORKERS_MAX];
    limn_error first = { 0 };
    limn_arena arena;
    limn_status status;

    if (workers > WORKERS_MAX) workers = WORKERS_MAX;
    f->slot_count = (size_t)workers + SPARE_SLOTS;
    if (f->slot_count > f->list->count) f->slot_count = f->list->count;
    limn_arena_open(&arena, "pictures in flight", 0);
    if (!(status = limn_take_into(&f->slots, &arena, f->slot_count * sizeof *f->slots, error))) {
        pthread_mutex_init(&f->lock, NULL);
        pthread_cond_init(&f->moved, NULL);
        pthread_mutex_lock(&f->lock);
        while (started < workers && !limn_worker_start(&threads[started], worker, f, NULL))
            started++;
        f->helpers = started;
        pthread_mutex_unlock(&f->lock);
        run(f, progress, context, counts, &first);
        for (int i = 0; i < started; i++) limn_worker_join(&threads[i]);
        pthread_cond_destroy(&f->moved);
        pthread_mutex_destroy(&f->lock);
        status = verdict(f, counts, &first, error);
    }
    limn_arena_close(&arena);
    return status;
}

/* ---- The library's call --------------------------------------------------------------------- */

limn_status limn_translate(limn_translator *t, const char *const *inputs, size_t count,
                           const char *output, limn_translate_progress progress, void *context,
                           limn_translate_counts *counts, limn_error *error)
{
    const limn_translate_settings *settings = &t->settings;
    int channels = limn_translator_channels(t);
    limn_translate_query query = { .inputs = inputs,
                                   .count = count,
                                   .output = output,
                                   .format = limn_translate_format(settings),
                                   .many_channels = channels != 1 && channels != 3,
                                   .variants = settings->sample > 0 ? settings->sample : 1 };
    limn_translate_counts own;
    limn_translate_list list;
    limn_status status = LIMN_OK;

    if (!counts) counts = &own;
    *counts = (limn_translate_counts){ 0 };
    LIMN_TRY(limn_translate_list_open(&list, &query, error));
    flight f = { .t = t,
                 .list = &list,
                 .target = { .format = query.format,
                             .quality = settings->quality,
                             .lossless = settings->lossless,
                             .keep_gps = settings->keep_gps } };

    counts->total = list.count;
    for (size_t i = 0; i < list.count && !status; i++) {
        limn_target target = { .path = list.items[i].outputs[0], .format = query.format };
        limn_format format;

        if (strcmp(target.path, "-")) status = limn_publish_format(&format, &target, NULL, error);
    }
    if (!status) status = fly(&f, progress, context, counts, error);
    limn_translate_list_close(&list);
    return status;
}

limn_status limn_translate_file(const char *model, const char *input, const char *output,
                                limn_error *error)
{
    limn_translator *t;
    limn_status status;

    LIMN_TRY(limn_translator_open(&t, model, NULL, error));
    status = limn_translate(t, &input, 1, output, NULL, NULL, NULL, error);
    limn_translator_close(&t);
    return status;
}
