/* SPDX-License-Identifier: Apache-2.0
 *
 * The gate: see gate.h.
 *
 * Three stages: a list of files (both halves of one are one file), what is seen in each, and the
 * decision over all of them.  The list is judged in its order, eight pictures at a time, since that
 * is what the screen runs fastest, while workers decode what comes next.
 *
 * The halves of a side-by-side file are judged apart: together each would be too small to judge.
 *
 * The history's table of contents is read once, before the workers start, so that they can leave a
 * known picture undecoded without asking SQLite from several threads.  Its keys carry the
 * classifiers' SHA-256: another version of them judges anew. */
#include "train/gate.h"
#include "train/gate_ahead.h"

#include <stdlib.h>
#include <string.h>

enum { TOGETHER = 8, SIDES = 4, NAMES_SHOWN = 3, LEAST = 3 };
enum { HISTORY_KEY = LIMN_GATE_KEY + LIMN_DIGEST_TEXT };

/* Entries that are refused or kept one by one: pairs, plain pictures, or one side of two. */
typedef struct entries {
    const limn_data_side *sides[2]; /* the second is NULL where there are no pairs */
    size_t places[2];
    bool validation;
    size_t flagged;
} entries;

typedef struct gate {
    limn_arena arena;
    limn_data *lists[2]; /* train, val; NULL: none */
    size_t first[SIDES]; /* place of the first item of train's A, B, val's A, B */
    size_t total;
    bool *refused, *broken; /* by place */
    size_t broken_count;
    limn_error first_broken;
    float *scores;
    limn_gate_task *tasks;
    size_t task_count;
    limn_gate_known *known;
    size_t known_count, known_room;
    entries groups[SIDES];
    int group_count;

    limn_screen *screen;
    limn_history *history;
    limn_gate_ahead *ahead;
    struct {
        limn_gate_seen seen;
        bool judge[2];
    } waiting[TOGETHER]; /* files whose pictures wait for the screen */
    int waiting_count, subject_count;
    size_t judged;
} gate;

static limn_data_side *side_of(const gate *g, int side)
{
    limn_data *data = g->lists[side / 2];

    return !data ? NULL : side % 2 ? &data->b : &data->a;
}

/* ---- What there is to see -------------------------------------------------------------------- */

static void add_groups(gate *g, int list)
{
    const limn_data *data = g->lists[list];
    size_t a = g->first[2 * list], b = g->first[2 * list + 1];

    if (data->pairing == LIMN_PAIRED) {
        g->groups[g->group_count++] = (entries){ { &data->a, &data->b }, { a, b }, list == 1, 0 };
        return;
    }
    if (data->pairing == LIMN_UNPAIRED)
        g->groups[g->group_count++] = (entries){ { &data->a }, { a }, list == 1, 0 };
    g->groups[g->group_count++] = (entries){ { &data->b }, { b }, list == 1, 0 };
}

static void add_tasks(gate *g, int list)
{
    const limn_data_side *a = &g->lists[list]->a, *b = &g->lists[list]->b;
    size_t first_a = g->first[2 * list], first_b = g->first[2 * list + 1];

    for (size_t i = 0; i < a->count || i < b->count; i++) {
        bool has_a = i < a->count, has_b = i < b->count;
        limn_gate_task *task = &g->tasks[g->task_count++];

        *task = (limn_gate_task){ { has_a ? &a->items[i] : &b->items[i] },
                                  { has_a ? first_a + i : first_b + i },
                                  1 };
        if (!has_a || !has_b) continue;
        if (strcmp(a->items[i].path, b->items[i].path)) task = &g->tasks[g->task_count++];
        task->items[task->count] = &b->items[i];
        task->places[task->count++] = first_b + i;
    }
}

static limn_status list_all(gate *g, limn_error *error)
{
    for (int s = 0; s < SIDES; s++) {
        g->first[s] = g->total;
        if (side_of(g, s)) g->total += side_of(g, s)->count;
    }
    if (!g->total) return LIMN_OK;
    LIMN_TRY(limn_take_into(&g->refused, &g->arena, g->total * sizeof *g->refused, error));
    LIMN_TRY(limn_take_into(&g->broken, &g->arena, g->total * sizeof *g->broken, error));
    LIMN_TRY(limn_take_into(&g->scores, &g->arena, g->total * sizeof *g->scores, error));
    LIMN_TRY(limn_take_into(&g->tasks, &g->arena, g->total * sizeof *g->tasks, error));
    for (int list = 0; list < 2; list++) {
        if (!g->lists[list]) continue;
        add_groups(g, list);
        add_tasks(g, list);
    }
    return LIMN_OK;
}

/* ---- What the run's record knows ------------------------------------------------------------- */

static void history_key(char key[HISTORY_KEY], const char *content)
{
    snprintf(key, HISTORY_KEY, "%s:%s", content, limn_screen_sha256());
}

static limn_status take_count(void *context, const char *const *columns, int count,
                              limn_error *error)
{
    gate *g = context;

    if (count != 1 || !columns[0]) return limn_fail(error, LIMN_BUG, "a count of no rows");
    g->known_room = strtoull(columns[0], NULL, 10);
    return LIMN_OK;
}

/* Rows of other classifiers, and what is not of our making, are passed over. */
static limn_status take_known(void *context, const char *const *columns, int count,
                              limn_error *error)
{
    gate *g = context;
    limn_gate_known *known = &g->known[g->known_count];

    (void)error;
    if (count != 3 || !columns[0] || g->known_count == g->known_room) return LIMN_OK;
    if (strlen(columns[0]) != HISTORY_KEY - 1 || columns[0][LIMN_GATE_KEY - 1] != ':' ||
        strcmp(columns[0] + LIMN_GATE_KEY, limn_screen_sha256()))
        return LIMN_OK;
    memcpy(known->key, columns[0], LIMN_GATE_KEY - 1);
    known->key[LIMN_GATE_KEY - 1] = 0;
    known->score = 1e-6f * (float)strtol(columns[1] ? columns[1] : "1000000", NULL, 10);
    known->refused = !columns[2] || strcmp(columns[2], "0") || !(known->score <= LIMN_SCREEN_LIMIT);
    g->known_count++;
    return LIMN_OK;
}

static limn_status read_known(gate *g, limn_error *error)
{
    LIMN_TRY(limn_history_query(g->history, "SELECT count(*) FROM screened", take_count, g, error));
    if (!g->known_room) return LIMN_OK;
    LIMN_TRY(limn_take_into(&g->known, &g->arena, (g->known_room + 1) * sizeof *g->known, error));
    /* Whole millionths: no locale reads them in its own way. */
    return limn_history_query(
        g->history,
        "SELECT digest, CAST(round(score * 1000000) AS INTEGER), refused FROM screened "
        "ORDER BY digest",
        take_known, g, error);
}

/* ---- Looking --------------------------------------------------------------------------------- */

static void let_go(gate *g)
{
    for (int i = 0; i < g->waiting_count; i++)
        limn_gate_ahead_give_back(g->ahead, &g->waiting[i].seen.picture);
    g->waiting_count = g->subject_count = 0;
}

static limn_status note(gate *g, const limn_gate_seen *seen, int i,
                        const limn_screen_verdict *verdict, limn_error *error)
{
    char key[HISTORY_KEY];

    g->refused[seen->task->places[i]] = verdict->refused;
    g->scores[seen->task->places[i]] = verdict->score;
    g->judged++;
    history_key(key, seen->keys[i]);
    return limn_history_screen(g->history, key, (double)verdict->score, verdict->refused, error);
}

static limn_status judge(gate *g, limn_error *error)
{
    limn_screen_subject subjects[2 * TOGETHER];
    limn_screen_verdict verdicts[2 * TOGETHER];
    size_t count = 0;

    for (int k = 0; k < g->waiting_count; k++)
        for (int i = 0; i < 2; i++)
            if (g->waiting[k].judge[i])
                subjects[count++] = (limn_screen_subject){ &g->waiting[k].seen.picture,
                                                           g->waiting[k].seen.parts[i] };
    if (!count) return LIMN_OK;
    LIMN_TRY(limn_screen_pictures(g->screen, subjects, count, verdicts, error));
    count = 0;
    for (int k = 0; k < g->waiting_count; k++)
        for (int i = 0; i < 2; i++)
            if (g->waiting[k].judge[i])
                LIMN_TRY(note(g, &g->waiting[k].seen, i, &verdicts[count++], error));
    let_go(g);
    return LIMN_OK;
}

/* What earlier sessions or (many label maps are alike) this one found. */
static limn_status recall(gate *g, const limn_gate_seen *seen, int i, bool *known,
                          limn_error *error)
{
    size_t place = seen->task->places[i];
    char key[HISTORY_KEY];
    bool refused;
    double score;

    *known = true;
    if (seen->known[i]) {
        g->refused[place] = seen->known[i]->refused;
        g->scores[place] = seen->known[i]->score;
        return LIMN_OK;
    }
    history_key(key, seen->keys[i]);
    LIMN_TRY(limn_history_screened(g->history, key, &score, &refused, known, error));
    if (!*known) return LIMN_OK;
    g->scores[place] = (float)score;
    g->refused[place] = refused || !(g->scores[place] <= LIMN_SCREEN_LIMIT);
    return LIMN_OK;
}

/* True when the file alone is to blame, so that the others can be gone on with. */
static bool is_files_fault(limn_status status)
{
    return status == LIMN_IO || status == LIMN_FORMAT || status == LIMN_SHAPE;
}

static limn_status leave_out(gate *g, const limn_gate_task *task, const limn_error *reason,
                             const limn_gate_watch *watch, limn_error *error)
{
    for (int i = 0; i < task->count; i++) g->broken[task->places[i]] = true;
    if (!g->broken_count++) g->first_broken = *reason;
    return watch->broken ? watch->broken(watch->context, reason->text, error) : LIMN_OK;
}

static limn_status check_broken(const gate *g, limn_error *error)
{
    size_t broken = g->broken_count, all = g->task_count;

    if (!broken || (broken < all && (broken < LEAST || 10 * broken <= all))) return LIMN_OK;
    return limn_fail(error, g->first_broken.status,
                     "%zu of %zu pictures can't be read; limn check lists them. The first: %s",
                     broken, all, g->first_broken.text);
}

static limn_status look_at_next(gate *g, const limn_gate_watch *watch, limn_error *error)
{
    limn_gate_seen *seen = &g->waiting[g->waiting_count].seen;
    bool *to_judge = g->waiting[g->waiting_count].judge;
    limn_error reason = { 0 };
    int unknown = 0;

    if (limn_gate_ahead_next(g->ahead, seen, &reason)) {
        if (is_files_fault(reason.status)) return leave_out(g, seen->task, &reason, watch, error);
        if (error) *error = reason;
        return reason.status;
    }
    g->waiting_count++; /* from here on let_go gives the picture back */
    to_judge[0] = to_judge[1] = false;
    for (int i = 0; i < seen->task->count; i++) {
        bool known;

        if (watch->decoded && seen->picture.pixels)
            watch->decoded(watch->context, seen->task->items[i], &seen->picture, seen->parts[i]);
        LIMN_TRY(recall(g, seen, i, &known, error));
        to_judge[i] = !known;
        unknown += !known;
    }
    if (!unknown) {
        limn_gate_ahead_give_back(g->ahead, &seen->picture);
        g->waiting_count--;
        return LIMN_OK;
    }
    g->subject_count += unknown;
    if (g->subject_count < TOGETHER && !limn_gate_ahead_full(g->ahead)) return LIMN_OK;
    return judge(g, error);
}

static limn_status look_at_all(gate *g, int workers, const limn_gate_watch *watch,
                               limn_error *error)
{
    limn_status status;
    size_t done = 0;

    LIMN_TRY(limn_gate_ahead_open(&g->ahead, g->tasks, g->task_count, g->known, g->known_count,
                                  workers, error));
    status = LIMN_OK;
    for (size_t i = 0; i < g->task_count && !status; i++) {
        status = look_at_next(g, watch, error);
        done += (size_t)g->tasks[i].count;
        if (!status && watch->progress && !watch->progress(watch->context, done, g->total))
            status = limn_fail(error, LIMN_STOPPED, "stopped while the screen looked at pictures");
    }
    if (!status) status = judge(g, error);
    let_go(g);
    limn_gate_ahead_close(&g->ahead);
    return status;
}

/* ---- Deciding -------------------------------------------------------------------------------- */

/* Whether the entry is refused; *item is its file (of two, the one to be listed). */
static bool is_refused(const gate *g, const entries *group, size_t i, const limn_data_item **item,
                       float *score)
{
    bool any = false;

    *item = NULL;
    *score = 0;
    for (int s = 0; s < 2 && group->sides[s]; s++) {
        size_t place = group->places[s] + i;

        if (!g->refused[place] || (any && !(g->scores[place] > *score))) continue;
        *item = &group->sides[s]->items[i];
        *score = g->scores[place];
        any = true;
    }
    return any;
}

/* The first names, as "a.png (0.76), b.png (0.81) ...". */
static void show_names(const gate *g, const entries *only, char *text, size_t size)
{
    size_t used = 0, shown = 0;

    text[0] = 0;
    for (const entries *group = g->groups; group < g->groups + g->group_count; group++)
        for (size_t i = 0; i < group->sides[0]->count && (!only || group == only); i++) {
            const limn_data_item *item;
            float score;

            if (!is_refused(g, group, i, &item, &score)) continue;
            if (shown == NAMES_SHOWN && used < size) snprintf(text + used, size - used, " ...");
            if (shown++ == NAMES_SHOWN) return;
            used += (size_t)snprintf(text + used, size - used, "%s%.40s (%.2f)",
                                     shown > 1 ? ", " : "", item->name, (double)score);
            if (used >= size) return;
        }
}

static limn_status refuse(const gate *g, const entries *only, size_t flagged, size_t all,
                          limn_error *error)
{
    const limn_data *data = g->lists[0] ? g->lists[0] : g->lists[1];
    bool pairs = data->pairing == LIMN_PAIRED;
    char names[200];

    show_names(g, only, names, sizeof names);
    return limn_fail(error, LIMN_REFUSED_DATA,
                     "the data set is refused: %zu of %zu %s%s look like nudity or sexual content, "
                     "%s; up to 2 %% or 2 %s would be left out, more refuse the set, and nothing "
                     "of it was kept (docs/safety.md)",
                     flagged, all, only ? only->validation ? "validation " : "training " : "",
                     pairs ? "pairs" : "pictures", names, pairs ? "pairs" : "pictures");
}

/* LIMN_OK, or the sentence that refuses the set. */
static limn_status decide(const gate *g, limn_error *error)
{
    size_t flagged = 0, all = 0;

    for (int k = 0; k < g->group_count; k++) {
        flagged += g->groups[k].flagged;
        all += g->groups[k].sides[0]->count;
    }
    if (limn_screen_refuses_set(flagged, all)) return refuse(g, NULL, flagged, all, error);
    for (int k = 0; k < g->group_count; k++) {
        const entries *group = &g->groups[k];

        if (group->validation && group->flagged < LEAST) continue;
        if (limn_screen_refuses_set(group->flagged, group->sides[0]->count))
            return refuse(g, group, group->flagged, group->sides[0]->count, error);
    }
    return LIMN_OK;
}

static limn_status list_refused(const gate *g, bool whole, const limn_gate_watch *watch,
                                limn_error *error)
{
    for (int k = 0; k < g->group_count; k++)
        for (size_t i = 0; i < g->groups[k].sides[0]->count; i++) {
            const limn_data_item *item;
            float score;

            if (is_refused(g, &g->groups[k], i, &item, &score) && watch->refused)
                LIMN_TRY(watch->refused(watch->context, item, score, whole, error));
        }
    return LIMN_OK;
}

static limn_status sift(gate *g, const limn_gate_watch *watch, limn_gate_count *count,
                        limn_error *error)
{
    limn_error verdict = { 0 };
    limn_status status;

    for (int k = 0; k < g->group_count; k++) {
        entries *group = &g->groups[k];
        const limn_data_item *item;
        float score;

        for (size_t i = 0; i < group->sides[0]->count; i++)
            group->flagged += is_refused(g, group, i, &item, &score);
        count->left_out += group->flagged;
    }
    status = decide(g, &verdict);
    LIMN_TRY(list_refused(g, status != LIMN_OK, watch, error));
    if (status && error) *error = verdict;
    if (status) return status;
    for (size_t i = 0; i < g->total; i++) g->refused[i] |= g->broken[i];
    for (int list = 0; list < 2; list++)
        if (g->lists[list])
            limn_data_drop(g->lists[list], g->refused + g->first[2 * list],
                           g->refused + g->first[2 * list + 1]);
    return LIMN_OK;
}

static limn_status pass(gate *g, int workers, const limn_gate_watch *watch, limn_gate_count *count,
                        limn_error *error)
{
    limn_status status;

    LIMN_TRY(list_all(g, error));
    count->pictures = g->total;
    if (!g->total) return LIMN_OK;
    LIMN_TRY(read_known(g, error));
    status = look_at_all(g, workers, watch, error);
    count->judged = g->judged;
    count->broken = g->broken_count;
    if (!status) status = check_broken(g, error);
    if (!status) status = sift(g, watch, count, error);
    if (status) {
        limn_history_flush(g->history, NULL); /* what was judged need not be judged again */
        return status;
    }
    return limn_history_flush(g->history, error);
}

limn_status limn_gate_pass(limn_data *train, limn_data *val, limn_screen *screen,
                           limn_history *history, int workers, const limn_gate_watch *watch,
                           limn_gate_count *count, limn_error *error)
{
    gate g = { .lists = { train, val }, .screen = screen, .history = history };
    limn_gate_watch none = { 0 };
    limn_status status;

    *count = (limn_gate_count){ 0 };
    limn_arena_open(&g.arena, "screening", 0);
    status = pass(&g, workers, watch ? watch : &none, count, error);
    limn_arena_close(&g.arena);
    return status;
}
