/* SPDX-License-Identifier: Apache-2.0
 *
 * The screen: see screen.h.
 *
 * Both classifiers are one graph with two inputs (the one takes [0, 1], the other [-1, 1], and with
 * padding by zeros neither can be turned into the other by changing weights), so that one plan runs
 * both.  There is a plan for one picture and, made when first wanted, one for several: maps of 7 x
 * 7 leave compute threads idle, and a few pictures side by side fill them. */
#include "screen/screen.h"
#include "base/cpu.h"
#include "screen/screen_weights.h"
#include "screen/view.h"
#include <math.h>
#include <string.h>

enum { TOGETHER = 8 };

/* A bf16 score up to this stands; the error there was below 0.004 on all pictures measured. */
static const float harmless = 0.02f;

/* The plan for a number of pictures. */
typedef struct sized {
    int pictures;
    limn_graph *graph;
    limn_plan *plan;
    limn_value input[LIMN_SCREEN_MODELS], output[LIMN_SCREEN_MODELS];
} sized;

/* The classifiers in one precision. */
typedef struct engine {
    limn_compute compute;
    limn_weights *weights;
    sized one, several;
} engine;

struct limn_screen {
    limn_arena arena;
    engine first;
    engine again;           /* fp32 where first is bf16, otherwise not open */
    float *views, *doubled; /* (TOGETHER, 3, 224, 224): in [0, 1], and in [-1, 1] */
};

/* ---- Opening ----------------------------------------------------------------------------------
 */

static limn_status describe(sized *s, int pictures, limn_error *error)
{
    s->pictures = pictures;
    LIMN_TRY(limn_graph_open(&s->graph, false, error));
    for (int m = 0; m < LIMN_SCREEN_MODELS; m++) {
        const limn_screen_model *model = &limn_screen_models[m];
        limn_shape shape = { pictures, 3, LIMN_VIEW_SIDE, LIMN_VIEW_SIDE };

        s->input[m] = limn_input(s->graph, model->is_signed ? "signed" : "unit", shape);
        s->output[m] = limn_mobilenet(s->graph, model->name, &model->network, s->input[m], NULL);
        limn_report(s->graph, model->name, s->output[m]);
    }
    return limn_graph_status(s->graph, error);
}

static limn_status plan(const engine *e, sized *s, limn_error *error)
{
    limn_plan_settings settings = { .compute = e->compute };

    return limn_plan_open(&s->plan, s->graph, e->weights, &settings, error);
}

static void forget(sized *s)
{
    limn_plan_close(&s->plan);
    limn_graph_close(&s->graph);
}

static limn_status start(engine *e, limn_compute compute, const void *bytes, size_t count,
                         limn_error *error)
{
    e->compute = compute;
    LIMN_TRY(limn_weights_open(&e->weights, error));
    LIMN_TRY(describe(&e->one, 1, error));
    LIMN_TRY(limn_weights_declare(e->weights, e->one.graph, error));
    LIMN_TRY(plan(e, &e->one, error)); /* says in which layouts, so that nothing is kept twice */
    return limn_screen_weights_load(e->weights, bytes, count, error);
}

static void stop(engine *e)
{
    forget(&e->several);
    forget(&e->one);
    limn_weights_close(&e->weights);
}

static limn_status open_all(limn_screen *screen, const void *bytes, size_t count,
                            limn_compute compute, limn_error *error)
{
    size_t room = (size_t)TOGETHER * LIMN_VIEW_COUNT * sizeof(float);

    LIMN_TRY(limn_take_into(&screen->views, &screen->arena, room, error));
    LIMN_TRY(limn_take_into(&screen->doubled, &screen->arena, room, error));
    LIMN_TRY(start(&screen->first, compute, bytes, count, error));
    if (compute != LIMN_COMPUTE_BF16) return LIMN_OK;
    return start(&screen->again, LIMN_COMPUTE_FP32, bytes, count, error);
}

/* Whatever is asked for, what this machine can do: a verdict differs by less than 0.01 anyway. */
static limn_compute chosen(limn_compute asked)
{
    if (asked == LIMN_COMPUTE_PLAIN ||
        limn_compute_resolve(LIMN_COMPUTE_AUTO, NULL) == LIMN_COMPUTE_PLAIN)
        return LIMN_COMPUTE_PLAIN;
    return asked == LIMN_COMPUTE_BF16 && limn_cpu_has_bf16() ? LIMN_COMPUTE_BF16
                                                             : LIMN_COMPUTE_FP32;
}

limn_status limn_screen_open_bytes(limn_screen **out, const void *bytes, size_t count,
                                   limn_compute compute, limn_error *error)
{
    limn_status status;

    LIMN_TRY(limn_open_in_arena(out, sizeof **out, "screen", 0, error));
    if ((status = open_all(*out, bytes, count, chosen(compute), error))) limn_screen_close(out);
    return status;
}

limn_status limn_screen_open(limn_screen **out, limn_compute compute, limn_error *error)
{
    return limn_screen_open_bytes(out, limn_screening_weights,
                                  (size_t)(limn_screening_weights_end - limn_screening_weights),
                                  compute, error);
}

void limn_screen_close(limn_screen **screen)
{
    if (!*screen) return;
    stop(&(*screen)->first);
    stop(&(*screen)->again);
    limn_close_in_arena(screen);
}

limn_plan *limn_screen_plan(limn_screen *screen)
{
    return screen->first.one.plan;
}

/* ---- Judging ----------------------------------------------------------------------------------
 */

typedef float probabilities[LIMN_SCREEN_MODELS][LIMN_SCREEN_CLASSES];

/* Views of one run, whose they are, and what was found. */
typedef struct batch {
    limn_screen *screen;
    int count;
    limn_view views[TOGETHER];
    limn_screen_verdict *verdicts[TOGETHER];
    void *rooms[TOGETHER];
    probabilities found[TOGETHER];
} batch;

static void make_views(void *context, size_t begin, size_t end, int part)
{
    const batch *b = context;

    (void)part;
    for (size_t i = begin; i < end; i++) {
        float *view = b->screen->views + i * LIMN_VIEW_COUNT;
        float *doubled = b->screen->doubled + i * LIMN_VIEW_COUNT;

        limn_view_make(&b->views[i], view, b->rooms[i]);
        for (size_t k = 0; k < LIMN_VIEW_COUNT; k++) doubled[k] = view[k] * 2 - 1;
    }
}

static float score_of(const probabilities *found)
{
    float score = 0;

    for (int m = 0; m < LIMN_SCREEN_MODELS; m++) {
        const float *p = (*found)[m];

        score += p[LIMN_SCREEN_HENTAI] + p[LIMN_SCREEN_PORN] + p[LIMN_SCREEN_SEXY];
    }
    return score / LIMN_SCREEN_MODELS;
}

/* Keeps the worst view.  So written that a score which is no number refuses, and stays. */
static void judge(limn_screen_verdict *verdict, const probabilities *found)
{
    float score = score_of(found);

    if (score <= verdict->score || isnan(verdict->score)) return;
    memcpy(verdict->probability, *found, sizeof verdict->probability);
    verdict->score = score;
    verdict->refused = !(score <= LIMN_SCREEN_LIMIT);
}

/* Views at .. at + s->pictures of the batch. */
static limn_status run(batch *b, sized *s, int at, limn_error *error)
{
    float read[TOGETHER * LIMN_SCREEN_CLASSES];

    for (int m = 0; m < LIMN_SCREEN_MODELS; m++) {
        const float *from = limn_screen_models[m].is_signed ? b->screen->doubled : b->screen->views;

        LIMN_TRY(limn_plan_feed(s->plan, s->input[m], from + (size_t)at * LIMN_VIEW_COUNT, error));
    }
    LIMN_TRY(limn_plan_run(s->plan, &(limn_moment){ 0 }, error));
    for (int m = 0; m < LIMN_SCREEN_MODELS; m++) {
        LIMN_TRY(limn_plan_read(s->plan, s->output[m], read, error));
        for (int i = 0; i < s->pictures; i++)
            memcpy(b->found[at + i][m], read + i * LIMN_SCREEN_CLASSES,
                   LIMN_SCREEN_CLASSES * sizeof *read);
    }
    return LIMN_OK;
}

static limn_status run_first(batch *b, limn_error *error)
{
    engine *e = &b->screen->first;

    if (b->count < TOGETHER) {
        for (int i = 0; i < b->count; i++) LIMN_TRY(run(b, &e->one, i, error));
        return LIMN_OK;
    }
    if (!e->several.plan) {
        limn_status status = describe(&e->several, TOGETHER, error);

        if (!status) status = plan(e, &e->several, error);
        if (status) {
            forget(&e->several);
            return status;
        }
    }
    return run(b, &e->several, 0, error);
}

static limn_status run_all(batch *b, limn_error *error)
{
    LIMN_TRY(run_first(b, error));
    for (int i = 0; i < b->count; i++) {
        if (b->screen->again.one.plan && !(score_of(&b->found[i]) <= harmless))
            LIMN_TRY(run(b, &b->screen->again.one, i, error));
        judge(b->verdicts[i], &b->found[i]);
    }
    return LIMN_OK;
}

static limn_status flush(batch *b, limn_error *error)
{
    size_t bytes = 0;
    char *rooms;
    limn_status status;

    if (!b->count) return LIMN_OK;
    for (int i = 0; i < b->count; i++) bytes += limn_view_room(&b->views[i]);
    if (!(rooms = limn_block(bytes)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for screening %d pictures",
                         b->count);
    bytes = 0;
    for (int i = 0; i < b->count; i++) {
        b->rooms[i] = rooms + bytes;
        bytes += limn_view_room(&b->views[i]);
    }
    limn_parallel((size_t)b->count, 1, make_views, b);
    limn_block_free(rooms);
    status = run_all(b, error);
    b->count = 0;
    return status ? limn_while(error, "screening") : LIMN_OK;
}

/* Adds all views of one picture. */
static limn_status add(batch *b, const limn_view_source *source, limn_screen_verdict *verdict,
                       limn_error *error)
{
    limn_part part = source->part;
    int ways;

    if (source->channels < 1 || part.width < 1 || part.height < 1 || part.x < 0 || part.y < 0 ||
        part.width > source->width - part.x || part.height > source->height - part.y)
        return limn_fail(error, LIMN_SHAPE,
                         "screening: a part of %d x %d at (%d, %d) of a picture of %d x %d with %d "
                         "channels",
                         part.width, part.height, part.x, part.y, source->width, source->height,
                         source->channels);
    *verdict = (limn_screen_verdict){ .score = -1 }; /* any view is worse than none */
    ways = limn_view_ways(source);
    for (int i = 0; i < ways; i++) {
        b->views[b->count] = limn_view_at(source, i);
        b->verdicts[b->count++] = verdict;
        if (b->count == TOGETHER) LIMN_TRY(flush(b, error));
    }
    return LIMN_OK;
}

limn_status limn_screen_pictures(limn_screen *screen, const limn_screen_subject *subjects,
                                 size_t count, limn_screen_verdict *verdicts, limn_error *error)
{
    batch b = { .screen = screen };

    for (size_t i = 0; i < count; i++) {
        const limn_picture *picture = subjects[i].picture;
        limn_view_source source = { .picture = picture,
                                    .channels = picture->info.channels,
                                    .height = picture->info.height,
                                    .width = picture->info.width,
                                    .part = subjects[i].part };

        if (!source.part.width)
            source.part = (limn_part){ 0, 0, picture->info.width, picture->info.height };
        LIMN_TRY(add(&b, &source, &verdicts[i], error));
    }
    return flush(&b, error);
}

limn_status limn_screen_planes(limn_screen *screen, const float *planes, limn_shape shape,
                               limn_screen_verdict *verdicts, limn_error *error)
{
    size_t each = (size_t)shape.c * (size_t)shape.h * (size_t)shape.w;
    batch b = { .screen = screen };

    for (int n = 0; n < shape.n; n++) {
        limn_view_source source = { .planes = planes + (size_t)n * each,
                                    .channels = shape.c,
                                    .height = shape.h,
                                    .width = shape.w,
                                    .part = { 0, 0, shape.w, shape.h } };

        LIMN_TRY(add(&b, &source, &verdicts[n], error));
    }
    return flush(&b, error);
}

limn_status limn_screen_refusal(const limn_screen_verdict *verdict, const char *what,
                                const char *name, limn_error *error)
{
    if (!verdict->refused) return LIMN_OK;
    return limn_fail(error, LIMN_REFUSED_PICTURE,
                     "%s: refused: the %s looks like nudity or sexual content (score %.2f, allowed "
                     "up to %.2f); nothing was written",
                     name, what, (double)verdict->score, (double)LIMN_SCREEN_LIMIT);
}

bool limn_screen_refuses_set(size_t flagged, size_t screened)
{
    enum { LEAST = 3, ONE_IN = 50 };

    return flagged && (flagged >= screened || (flagged >= LEAST && flagged > screened / ONE_IN));
}
