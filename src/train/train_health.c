/* SPDX-License-Identifier: Apache-2.0
 *
 * A training and its watcher: what is fed, what becomes of alarms, and going on.
 *
 * Nothing of the watcher is in the checkpoint.  It is a function of what the history holds, so on
 * resuming (and after going back from a loss that is no number) it is made anew and fed from there,
 * silently; alarms that were said are read back, so that none is said twice. */
#include "train/train_inside.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* The fields of a look as they are recorded. */
static const struct {
    const char *name;
    size_t offset;
} fields[] = {
    { "spread_input", offsetof(limn_look, spread_input) },
    { "spread_output", offsetof(limn_look, spread_output) },
    { "spread_target", offsetof(limn_look, spread_target) },
    { "luma_output", offsetof(limn_look, luma_output) },
    { "luma_target", offsetof(limn_look, luma_target) },
    { "skew_input", offsetof(limn_look, skew_input) },
    { "skew_target", offsetof(limn_look, skew_target) },
    { "edges_output", offsetof(limn_look, edges_output) },
    { "plain_input", offsetof(limn_look, plain_input) },
    { "plain_target", offsetof(limn_look, plain_target) },
    { "grid_output", offsetof(limn_look, grid_output) },
    { "grid_target", offsetof(limn_look, grid_target) },
};
enum { FIELDS = sizeof fields / sizeof *fields };

static double *field_of(limn_look *look, size_t i)
{
    return (double *)(void *)((char *)look + fields[i].offset);
}

static limn_status on_alarm(void *context, const limn_alarm *a, limn_error *error)
{
    limn_training *t = context;
    const char *kind = limn_alarm_word(a->kind), *change = limn_alarm_change_word(a->change);
    limn_train_alarm alarm = { .step = a->step,
                               .epoch = (int)a->epoch,
                               .kind = kind,
                               .subject = a->subject,
                               .change = change,
                               .value = a->value,
                               .threshold = a->threshold,
                               .sentence = a->sentence };

    if (t->watch.alarm)
        t->watch.alarm(t->watch.context, &alarm);
    else if (t->watch.event)
        t->watch.event(t->watch.context, "alarm", a->sentence);
    LIMN_TRY(limn_history_alarm(t->history, a->step, a->epoch, kind, a->subject, change, a->value,
                                a->threshold, a->sentence, error));
    return limn_history_event(t->history, a->step, a->epoch,
                              a->change == LIMN_ALARM_CLEARED ? "cleared" : "alarm", a->sentence,
                              error);
}

/* ---- Feeding what is in the history ---------------------------------------------------------- */

typedef struct replay {
    limn_training *t;
    uint64_t step, epoch; /* of the row before */
    double losses[LIMN_LOSSES_MAX];
    int generator;
    limn_look look;
} replay;

/* Numbers come as whole parts of a billion, which every locale reads alike. */
static double parts(const char *text)
{
    return text ? 1e-9 * (double)strtoll(text, NULL, 10) : NAN;
}

static limn_status feed_step(replay *r, limn_error *error)
{
    if (!r->step) return LIMN_OK;
    return limn_health_step(&r->t->health, r->step, r->epoch, r->losses, error);
}

/* step, epoch, name, value; in order of steps. */
static limn_status take_loss(void *context, const char *const *c, int count, limn_error *error)
{
    replay *r = context;
    uint64_t step = strtoull(c[0], NULL, 10);

    (void)count;
    if (step != r->step) LIMN_TRY(feed_step(r, error));
    r->step = step;
    r->epoch = strtoull(c[1], NULL, 10);
    for (int i = 0; i < r->t->trainer.loss_count; i++)
        if (!strcmp(c[2], r->t->trainer.loss_names[i])) r->losses[i] = parts(c[3]);
    return LIMN_OK;
}

static limn_look no_look(int pictures)
{
    limn_look look = { .pictures = pictures };

    for (size_t i = 0; i < FIELDS; i++) *field_of(&look, i) = NAN;
    return look;
}

static limn_status feed_look(replay *r, limn_error *error)
{
    if (r->generator < 0) return LIMN_OK;
    return limn_health_look(&r->t->health, r->step, r->epoch, r->generator, &r->look, error);
}

/* step, epoch, generator, name, value; in order of epochs and generators. */
static limn_status take_look(void *context, const char *const *c, int count, limn_error *error)
{
    replay *r = context;
    uint64_t epoch = strtoull(c[1], NULL, 10);
    int generator = 0;

    (void)count;
    while (generator < r->t->trainer.generator_count &&
           strcmp(r->t->trainer.generators[generator], c[2]))
        generator++;
    if (generator == r->t->trainer.generator_count) return LIMN_OK;
    if (epoch != r->epoch || generator != r->generator) {
        LIMN_TRY(feed_look(r, error));
        r->look = no_look(0);
    }
    r->step = strtoull(c[0], NULL, 10);
    r->epoch = epoch;
    r->generator = generator;
    if (!strcmp(c[3], "pictures")) r->look.pictures = (int)lround(parts(c[4]));
    for (size_t i = 0; i < FIELDS; i++)
        if (!strcmp(c[3], fields[i].name)) *field_of(&r->look, i) = parts(c[4]);
    return LIMN_OK;
}

/* kind, change, subject, step, value. */
static limn_status take_alarm(void *context, const char *const *c, int count, limn_error *error)
{
    limn_training *t = context;

    (void)count;
    (void)error;
    limn_health_recall(&t->health, c[0], c[1], c[2], strtoull(c[3], NULL, 10), parts(c[4]));
    return LIMN_OK;
}

static limn_status go_on(limn_training *t, limn_error *error)
{
    enum { BACK = LIMN_HEALTH_BLOCK * (LIMN_HEALTH_BLOCKS + 1) };
    uint64_t from = t->state.step / LIMN_HEALTH_BLOCK * LIMN_HEALTH_BLOCK;
    replay steps = { .t = t }, looks = { .t = t, .generator = -1 };
    char query[300];

    snprintf(query, sizeof query,
             "SELECT step, epoch, name, CAST(round(value * 1e9) AS INTEGER) FROM losses "
             "JOIN steps USING (step) WHERE step > %llu ORDER BY step",
             (unsigned long long)(from > BACK ? from - BACK : 0));
    LIMN_TRY(limn_history_query(t->history, query, take_loss, &steps, error));
    LIMN_TRY(feed_step(&steps, error));
    LIMN_TRY(limn_history_query(t->history,
                                "SELECT epochs.step, epoch, generator, name, "
                                "CAST(round(value * 1e9) AS INTEGER) FROM looks JOIN epochs "
                                "USING (epoch) ORDER BY epoch, generator",
                                take_look, &looks, error));
    LIMN_TRY(feed_look(&looks, error));
    return limn_history_query(t->history,
                              "SELECT kind, change, subject, step, "
                              "CAST(round(value * 1e9) AS INTEGER) FROM alarms ORDER BY number",
                              take_alarm, t, error);
}

limn_status limn_train_watch_health(limn_training *t, limn_error *error)
{
    limn_critic critics[LIMN_CRITICS_MAX];
    limn_status status;
    int count = limn_critics_find(critics, t->trainer.graph, t->trainer.loss_values,
                                  t->trainer.loss_count);

    for (int i = 0; i < count; i++)
        if (!(critics[i].name = limn_take_text(&t->arena, critics[i].name)))
            return limn_fail(error, LIMN_NO_MEMORY, "out of memory for the watcher of the run");
    limn_health_open(&t->health, &t->settings, t->recipe->unpaired, t->recipe->generators, critics,
                     count, on_alarm, t);
    t->health.silent = true;
    status = go_on(t, error);
    t->health.silent = false;
    if (status || t->resume) return status;
    return limn_health_flat_files(&t->health, t->flat.count, t->flat.of, t->flat.names, error);
}

/* ---- Feeding what happens -------------------------------------------------------------------- */

static bool is_of(const limn_data_side *side, const limn_data_item *item)
{
    return item >= side->items && item < side->items + side->count;
}

void limn_train_note_flat(limn_training *t, const limn_data_item *item, const limn_picture *picture,
                          limn_part part)
{
    enum { NAMED = 3 };
    bool to_b = !t->settings.direction, both = t->recipe->unpaired;
    bool on_a = is_of(&t->data.a, item), on_b = is_of(&t->data.b, item);
    size_t used = strlen(t->flat.names);

    if (t->data.pairing == LIMN_PLAIN) on_a = to_b = on_b; /* A is made of B */
    if (!(both ? on_a || on_b : to_b ? on_a : on_b)) return;
    t->flat.of++;
    if (!part.width) part = (limn_part){ 0, 0, picture->info.width, picture->info.height };
    if (!limn_picture_is_flat(picture, &part)) return;
    if (t->flat.count++ < NAMED)
        snprintf(t->flat.names + used, sizeof t->flat.names - used, "%s%.40s", used ? ", " : "",
                 item->name);
    else if (t->flat.count == NAMED + 1)
        snprintf(t->flat.names + used, sizeof t->flat.names - used, " and others");
}

limn_status limn_train_watch_input(limn_training *t, const limn_batch *batch, limn_error *error)
{
    uint64_t step = t->state.step + 1, epoch = t->state.epoch + 1;

    if (t->recipe->unpaired && batch->b_items[0])
        LIMN_TRY(limn_health_input(&t->health, step, epoch, batch->b, batch->b_shape,
                                   batch->b_items[0]->name, error));
    return limn_health_input(&t->health, step, epoch, batch->a, batch->a_shape,
                             batch->a_items[0]   ? batch->a_items[0]->name
                             : batch->b_items[0] ? batch->b_items[0]->name
                                                 : "",
                             error);
}

limn_status limn_train_watch_looks(limn_training *t, const limn_look *looks, limn_error *error)
{
    uint64_t epoch = t->state.epoch;

    for (int g = 0; g < t->trainer.generator_count; g++) {
        limn_look look = looks[g];
        const char *name = t->trainer.generators[g];

        if (!look.pictures) continue;
        LIMN_TRY(limn_history_look(t->history, epoch, name, "pictures", look.pictures, error));
        for (size_t i = 0; i < FIELDS; i++)
            LIMN_TRY(limn_history_look(t->history, epoch, name, fields[i].name, *field_of(&look, i),
                                       error));
        LIMN_TRY(limn_health_look(&t->health, t->state.step, epoch, g, &look, error));
    }
    return LIMN_OK;
}
