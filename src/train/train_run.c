/* SPDX-License-Identifier: Apache-2.0
 *
 * Running: everything is opened, then one step follows another.
 *
 * The order of saving is what makes a run safe to kill at any moment: the history is committed,
 * then the checkpoint replaces the one before it.  Whatever came later than the checkpoint is
 * forgotten on resuming and done again, with the same draws, to the same bits.  A first checkpoint
 * is written before the first step, so there is always one to go back to. */
#include "base/file.h"
#include "train/train_inside.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

double limn_train_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

limn_status limn_train_say(limn_training *t, limn_error *error, const char *kind,
                           const char *format, ...)
{
    char sentence[480];
    va_list list;

    va_start(list, format);
    vsnprintf(sentence, sizeof sentence, format, list);
    va_end(list);
    if (t->watch.event) t->watch.event(t->watch.context, kind, sentence);
    /* Between epochs it is about the one that ended. */
    return limn_history_event(t->history, t->state.step,
                              t->state.epoch + (t->state.batch || !t->state.epoch), kind, sentence,
                              error);
}

int limn_train_epochs(const limn_training *t)
{
    return t->settings.n_epochs + t->settings.n_epochs_decay;
}

/* ---- The folder ------------------------------------------------------------------------------ */

static bool is_there(const char *path)
{
    struct stat about;

    return !stat(path, &about);
}

/* The last part of a path, without slashes at its end. */
static const char *base_name(limn_arena *arena, const char *path)
{
    size_t end = strlen(path), begin;

    while (end > 1 && path[end - 1] == '/') end--;
    for (begin = end; begin > 0 && path[begin - 1] != '/';) begin--;
    return limn_take_format(arena, "%.*s", (int)(end - begin), path + begin);
}

static limn_status choose_folder(limn_training *t, limn_error *error)
{
    const limn_train_settings *s = &t->settings;
    const char *name = s->name;

    if (!name && !t->resume && !s->out) name = base_name(&t->arena, s->dataroot);
    t->folder = t->resume ? t->resume
                : s->out
                    ? s->out
                    : limn_take_format(&t->arena, "%s/%s", s->checkpoints_dir, name ? name : "");
    if (t->folder) {
        t->checkpoint = limn_take_format(&t->arena, "%s/checkpoint.safetensors", t->folder);
        t->latest = limn_take_format(&t->arena, "%s/latest.safetensors", t->folder);
        t->best = limn_take_format(&t->arena, "%s/best.safetensors", t->folder);
        t->page = limn_take_format(&t->arena, "%s/index.html", t->folder);
    }
    if (!t->folder || !t->checkpoint || !t->latest || !t->best || !t->page)
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for the folder of the run");
    if (!t->resume && is_there(t->checkpoint))
        return limn_fail(error, LIMN_SETTING,
                         "%s already holds a training; go on with it by --resume %s, or choose "
                         "another folder with --out",
                         t->folder, t->folder);
    LIMN_TRY(limn_folder_make(t->folder, error));
    return limn_folder_make(limn_take_format(&t->arena, "%s/sheets", t->folder), error);
}

static limn_status check_same(const limn_training *t, limn_error *error)
{
    for (const limn_setting *row = limn_train_rows(); t->resume && row->name; row++) {
        char now[300], then[300];

        if (!limn_train_is_fixed(row)) continue;
        limn_setting_get(row, &t->settings, now, sizeof now);
        limn_setting_get(row, &t->first, then, sizeof then);
        if (strcmp(now, then))
            return limn_fail(error, LIMN_SETTING,
                             "--%s is %s in the run that is resumed, and can't become %s; a new "
                             "run can begin from its weights with --init",
                             row->name, then, now);
    }
    return LIMN_OK;
}

static limn_status record_settings(limn_training *t, limn_error *error)
{
    for (const limn_setting *row = limn_train_rows(); row->name; row++) {
        char value[1024];

        limn_setting_get(row, &t->settings, value, sizeof value);
        LIMN_TRY(limn_history_setting(t->history, row->name, value, error));
    }
    LIMN_TRY(limn_history_fact(t->history, "recipe", t->recipe->name, error));
    LIMN_TRY(limn_history_fact(t->history, "software", "limn " LIMN_VERSION, error));
    LIMN_TRY(limn_history_fact(t->history, "screener", limn_screen_sha256(), error));
    return limn_history_flush(t->history, error);
}

/* ---- The pictures ---------------------------------------------------------------------------- */

static limn_data_query query_of(const limn_training *t, limn_phase phase)
{
    return (limn_data_query){
        .root = t->settings.dataroot,
        .phase = phase,
        .max_size = phase == LIMN_PHASE_TRAIN ? t->settings.max_dataset_size : 0,
        .pairing = t->settings.derivation.kind || t->recipe->colorizes ? LIMN_PLAIN
                   : t->recipe->unpaired                               ? LIMN_UNPAIRED
                                                                       : LIMN_PAIRED,
    };
}

/* A tenth of fewer than HOLD_OUT_MIN pictures says nothing about a network and is missed by it. */
static limn_status open_lists(limn_training *t, limn_error *error)
{
    enum { HOLD_OUT_MIN = 20 };
    limn_data_query train = query_of(t, LIMN_PHASE_TRAIN), val = query_of(t, LIMN_PHASE_VAL);

    train.no_hold_out = true;
    LIMN_TRY(limn_data_open(&t->data, &train, error));
    val.no_hold_out = limn_data_length(&t->data) < HOLD_OUT_MIN || !t->settings.val_pictures;
    if (!val.no_hold_out) {
        limn_data_close(&t->data);
        train.no_hold_out = false;
        LIMN_TRY(limn_data_open(&t->data, &train, error));
    }
    return limn_data_open(&t->val, &val, error);
}

typedef struct looking {
    limn_training *training;
    double said;
} looking;

static bool looked_at(void *context, size_t done, size_t total)
{
    looking *l = context;
    double now = limn_train_now();
    char sentence[120];

    if (now - l->said > 5 && l->training->watch.event) {
        snprintf(sentence, sizeof sentence, "the screen has looked at %zu of %zu pictures", done,
                 total);
        l->training->watch.event(l->training->watch.context, "screening", sentence);
        l->said = now;
    }
    return !atomic_load(&l->training->stop);
}

static limn_status say_refused(void *context, const limn_data_item *item, float score, bool whole,
                               limn_error *error)
{
    looking *l = context;

    return limn_train_say(l->training, error, "refused", "refused by the screen (score %.2f)%s: %s",
                          (double)score, whole ? "" : ", left out", item->path);
}

static void decoded(void *context, const limn_data_item *item, const limn_picture *picture,
                    limn_part part)
{
    const looking *l = context;

    limn_train_note_flat(l->training, item, picture, part);
}

static limn_status say_broken(void *context, const char *reason, limn_error *error)
{
    looking *l = context;

    return limn_train_say(l->training, error, "broken", "left out: %s", reason);
}

static limn_status pass_gate(limn_training *t, limn_error *error)
{
    looking l = { t, limn_train_now() };
    limn_gate_watch watch = { &l, looked_at, say_refused, decoded, say_broken };

    LIMN_TRY(limn_gate_pass(&t->data, &t->val, limn_publisher_screen(t->publisher), t->history,
                            t->settings.num_threads, &watch, &t->screened, error));
    if (!t->screened.left_out) return LIMN_OK;
    return limn_train_say(t, error, "refused",
                          "%zu %s left out because the screen refuses them; %zu pictures were "
                          "looked at (docs/safety.md)",
                          t->screened.left_out,
                          t->data.pairing == LIMN_PAIRED ? "pairs are" : "pictures are",
                          t->screened.pictures);
}

/* FNV-1a over the names, in order. */
static uint64_t hash_of(const limn_data *data)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (int side = 0; side < 2; side++) {
        const limn_data_side *s = side ? &data->b : &data->a;

        for (size_t i = 0; i < s->count; i++)
            for (const char *c = s->items[i].name;; c++) {
                hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
                if (!*c) break;
            }
    }
    return hash;
}

static limn_status open_pictures(limn_training *t, limn_error *error)
{
    if (t->data.note) LIMN_TRY(limn_train_say(t, error, "data", "%s", t->data.note));
    LIMN_TRY(pass_gate(t, error));
    if (!limn_data_length(&t->data))
        return limn_fail(error, LIMN_FORMAT, "%s: there is no training picture",
                         t->settings.dataroot);
    return limn_train_say(t, error, "data", "%zu pictures to learn from, %zu to validate with%s",
                          limn_data_length(&t->data), limn_data_length(&t->val),
                          limn_data_length(&t->val) == 0 ? ": samples show pictures it learns from"
                          : t->data.held_out ? " (held out of train: there is no val folder)"
                                             : "");
}

/* ---- Going on, or beginning ------------------------------------------------------------------ */

static limn_status open_loader(limn_training *t, limn_error *error)
{
    limn_loader_settings settings = limn_train_loader_settings(&t->settings, false);

    limn_loader_close(&t->loader);
    LIMN_TRY(
        limn_loader_open(&t->loader, &t->data, &settings, t->state.epoch, t->state.batch, error));
    t->batches = limn_loader_batches(t->loader);
    return LIMN_OK;
}

limn_status limn_train_save(limn_training *t, limn_error *error)
{
    bool sound;

    t->state.seconds = t->seconds_before + limn_train_now() - t->began;
    LIMN_TRY(limn_trainer_sound(&t->trainer, &sound, error));
    if (!sound) { /* the one before stays: it is what can be gone back to */
        t->saved = limn_train_now();
        return LIMN_OK;
    }
    LIMN_TRY(limn_history_flush(t->history, error));
    LIMN_TRY(limn_run_save(t->checkpoint, &t->trainer, &t->state, &t->ema, error));
    t->saved = limn_train_now();
    return LIMN_OK;
}

static limn_status start(limn_training *t, limn_error *error)
{
    const char *sentence;

    t->state = (limn_train_state){ .epoch = (uint64_t)t->settings.epoch_count - 1,
                                   .rate_factor = 1,
                                   .best_score = NAN,
                                   .plateau_best = NAN,
                                   .data_count = limn_data_length(&t->data),
                                   .data_hash = hash_of(&t->data) };
    if (t->settings.init) {
        LIMN_TRY(limn_trainer_start_from(&t->trainer, t->settings.init, &sentence, error));
        LIMN_TRY(limn_train_say(t, error, "init", "%s", sentence));
    }
    return limn_ema_open(&t->ema, &t->trainer, t->settings.ema, error);
}

/* Pictures that keep their own sizes have too many shapes to measure: by rule. */
static limn_status tune(limn_training *t, limn_error *error)
{
    double began = limn_train_now();
    int measured;

    if (!t->settings.tune || !limn_train_crops(&t->settings)) return LIMN_OK;
    LIMN_TRY(limn_trainer_tune(&t->trainer, &measured, error));
    if (!measured) return LIMN_OK;
    return limn_train_say(t, error, "tuned",
                          "measured in %.1f s how %d convolutions are computed fastest here; "
                          "limn bench --tune measures anew",
                          limn_train_now() - began, measured);
}

static limn_status go_on(limn_training *t, limn_error *error)
{
    limn_train_state *s = &t->state;

    LIMN_TRY(limn_ema_open(&t->ema, &t->trainer, t->settings.ema, error));
    LIMN_TRY(limn_run_load(t->checkpoint, &t->trainer, s, &t->ema, error));
    LIMN_TRY(limn_history_trim(t->history, s->step, s->epoch, error));
    t->seconds_before = s->seconds;
    LIMN_TRY(limn_train_say(t, error, "resumed",
                            "going on with %s at epoch %llu, batch %llu, after %llu steps",
                            t->folder, (unsigned long long)s->epoch + 1,
                            (unsigned long long)s->batch + 1, (unsigned long long)s->step));
    if (s->data_hash == hash_of(&t->data)) return LIMN_OK;
    LIMN_TRY(limn_train_say(t, error, "data",
                            "the data folder has changed since the run began: %zu pictures, %llu "
                            "then; the order of the pictures is a new one",
                            limn_data_length(&t->data), (unsigned long long)s->data_count));
    s->data_hash = hash_of(&t->data);
    s->data_count = limn_data_length(&t->data);
    return LIMN_OK;
}

/* What is chosen for people and loses digits is said. */
static limn_status say_compute(limn_training *t, limn_error *error)
{
    if (t->settings.compute != LIMN_COMPUTE_AUTO ||
        limn_compute_resolve(LIMN_COMPUTE_AUTO, t->trainer.graphs[0]) != LIMN_COMPUTE_BF16)
        return LIMN_OK;
    return limn_train_say(t, error, "compute",
                          "computing in bfloat16, which is faster on this processor; --compute "
                          "fp32 computes in float32");
}

static limn_status open_all(limn_training *t, limn_error *error)
{
    limn_publisher_settings publisher = { .compute = (limn_compute)t->settings.compute,
                                          .sign_cert = t->settings.sign_cert,
                                          .sign_key = t->settings.sign_key };
    const char *path;

    LIMN_TRY(limn_train_check(&t->settings, t->recipe, error));
    LIMN_TRY(check_same(t, error));
    LIMN_TRY(open_lists(t, error)); /* before a folder is made for what cannot be learnt */
    LIMN_TRY(choose_folder(t, error));
    if (!(path = limn_take_format(&t->arena, "%s/history.sqlite", t->folder)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for the history's path");
    LIMN_TRY(limn_publisher_open(&t->publisher, &publisher, error));
    LIMN_TRY(limn_history_open(&t->history, path, error));
    LIMN_TRY(record_settings(t, error));
    LIMN_TRY(open_pictures(t, error));
    LIMN_TRY(limn_trainer_open(&t->trainer, t->recipe, &t->settings, error));
    LIMN_TRY(say_compute(t, error));
    limn_validator_open(&t->validator, &t->trainer, t->publisher, &t->data, &t->val);
    if (t->resume)
        LIMN_TRY(go_on(t, error));
    else
        LIMN_TRY(start(t, error));
    LIMN_TRY(limn_train_watch_health(t, error));
    LIMN_TRY(open_loader(t, error));
    if (!t->resume) LIMN_TRY(tune(t, error)); /* in front of the first checkpoint, which keeps it */
    return t->resume ? LIMN_OK : limn_train_save(t, error);
}

/* ---- Steps ----------------------------------------------------------------------------------- */

limn_status limn_train_go_back(limn_training *t, const char *loss, limn_error *error)
{
    uint64_t step = t->state.step + 1;
    double value = NAN;

    for (int i = 0; i < t->trainer.loss_count; i++)
        if (!strcmp(t->trainer.loss_names[i], loss)) value = t->trainer.losses[i];
    LIMN_TRY(limn_health_lost(&t->health, step, t->state.epoch + 1, loss, value, error));
    if (t->state.halved) {
        LIMN_TRY(limn_train_say(t, error, "lost", "%s is %g at step %llu, for the second time",
                                loss, value, (unsigned long long)step));
        LIMN_TRY(limn_history_flush(t->history, error));
        return limn_fail(
            error, LIMN_SETTING,
            "%s is %g at step %llu for the second time; the last good state is in %s. "
            "Try a smaller --lr, --norm instance or --norm batch instead of the other, "
            "--gan-mode lsgan, --compute fp32, and limn check for flat pictures",
            loss, value, (unsigned long long)step, t->checkpoint);
    }
    LIMN_TRY(limn_run_load(t->checkpoint, &t->trainer, &t->state, &t->ema, error));
    t->state.halved++;
    t->state.rate_factor *= 0.5;
    LIMN_TRY(limn_history_trim(t->history, t->state.step, t->state.epoch, error));
    LIMN_TRY(limn_train_watch_health(t, error));
    LIMN_TRY(limn_train_say(t, error, "halved",
                            "%s is %g at step %llu: back to the state after step %llu, with half "
                            "the learning rate",
                            loss, value, (unsigned long long)step,
                            (unsigned long long)t->state.step));
    LIMN_TRY(limn_train_save(t, error));
    return open_loader(t, error);
}

static void tell_step(limn_training *t, double lr, double ms, double wait_ms)
{
    const limn_train_state *s = &t->state;
    int epochs = limn_train_epochs(t);
    uint64_t all = (uint64_t)epochs * t->batches, done = s->epoch * t->batches + s->batch;
    limn_train_step step = {
        .step = s->step,
        .epoch = (int)s->epoch + 1,
        .epochs = epochs,
        .batch = s->batch,
        .batches = t->batches,
        .learning_rate = lr,
        .ms = ms,
        .wait_ms = wait_ms,
        .losses = t->trainer.loss_count,
        .loss_names = t->trainer.loss_names,
        .loss_values = t->trainer.losses,
    };
    double steps = (double)(s->step - t->first_step);

    /* Of the whole session, so that validating and saving are in it. */
    step.seconds_left = all > done ? (limn_train_now() - t->began) / steps * (double)(all - done)
                                   : 0;
    if (t->watch.step) t->watch.step(t->watch.context, &step);
}

/* Says what turned out broken while the workers looked ahead.  Where they can't go on, what is done
 * is saved: nothing of this step is. */
static limn_status next_batch(limn_training *t, limn_batch *batch, limn_error *error)
{
    limn_status status = limn_loader_next(t->loader, batch, error);
    const char *reason;

    while ((reason = limn_loader_broken(t->loader)) && !status)
        status = limn_train_say(t, error, "broken",
                                "left out, with the next picture in its place: %s", reason);
    if (status) limn_train_save(t, NULL);
    return status;
}

/* One step: LIMN_OK also when the run had to go back. */
static limn_status one_step(limn_training *t, limn_error *error)
{
    limn_train_state *s = &t->state;
    double lr = limn_learning_rate(&t->settings, s, s->epoch), began = limn_train_now(), got;
    const char *lost;
    limn_batch batch;

    LIMN_TRY(next_batch(t, &batch, error));
    got = limn_train_now();
    LIMN_TRY(limn_train_watch_input(t, &batch, error));
    LIMN_TRY(limn_trainer_step(&t->trainer, &batch, s->step, lr, error));
    if ((lost = limn_trainer_lost(&t->trainer))) return limn_train_go_back(t, lost, error);
    s->step++;
    s->batch++;
    LIMN_TRY(limn_ema_update(&t->ema, s->step, error));
    t->waited += got - began;
    t->epoch_waited += got - began;
    began = 1e3 * (got - began);
    got = 1e3 * (limn_train_now() - got);
    LIMN_TRY(limn_history_step(t->history, s->step, s->epoch + 1, lr, got, began,
                               t->trainer.loss_names, t->trainer.losses, t->trainer.loss_count,
                               error));
    LIMN_TRY(limn_health_step(&t->health, s->step, s->epoch + 1, t->trainer.losses, error));
    tell_step(t, lr, got, began);
    if (!batch.last) return LIMN_OK;
    s->epoch++;
    s->batch = 0;
    return limn_train_end_epoch(t, error);
}

static limn_status stopped(limn_training *t, limn_error *error)
{
    LIMN_TRY(limn_train_save(t, error));
    LIMN_TRY(limn_train_say(t, error, "stopped", "stopped on request after step %llu",
                            (unsigned long long)t->state.step));
    LIMN_TRY(limn_history_flush(t->history, error));
    return limn_fail(error, LIMN_STOPPED,
                     "stopped after step %llu, in epoch %llu; limn train --resume %s goes on",
                     (unsigned long long)t->state.step, (unsigned long long)t->state.epoch + 1,
                     t->folder);
}

static bool every(uint64_t step, int64_t steps)
{
    return steps > 0 && step % (uint64_t)steps == 0;
}

static limn_status steps(limn_training *t, limn_error *error)
{
    uint64_t epochs = (uint64_t)limn_train_epochs(t);

    while (t->state.epoch < epochs) {
        limn_status status = one_step(t, error);
        double now = limn_train_now();

        if (status) return limn_while(error, "epoch %llu", (unsigned long long)t->state.epoch + 1);
        if (t->state.epoch >= epochs) break;
        if (atomic_load(&t->stop)) return stopped(t, error);
        if (t->settings.minutes > 0 && now - t->began > 60 * t->settings.minutes) {
            LIMN_TRY(limn_train_save(t, error));
            LIMN_TRY(limn_train_say(t, error, "stopped",
                                    "the %g minutes are over after step %llu; limn train --resume "
                                    "%s goes on",
                                    t->settings.minutes, (unsigned long long)t->state.step,
                                    t->folder));
            return limn_history_flush(t->history, error);
        }
        if (now - t->saved > 60 * t->settings.save_minutes ||
            every(t->state.step, t->settings.save_latest_freq))
            LIMN_TRY(limn_train_save(t, error));
        if (every(t->state.step, t->settings.display_freq))
            LIMN_TRY(limn_train_write_page(t, error));
    }
    LIMN_TRY(limn_train_say(t, error, "finished", "finished after %llu steps",
                            (unsigned long long)t->state.step));
    return limn_history_flush(t->history, error);
}

limn_status limn_train_run(limn_training *t, const limn_train_watch *watch, limn_error *error)
{
    limn_status status;
    double all;

    if (t->ran) return limn_fail(error, LIMN_BUG, "this training has run already");
    t->ran = true;
    if (watch) t->watch = *watch;
    t->began = t->epoch_began = t->saved = limn_train_now();
    status = open_all(t, error);
    t->began = t->epoch_began = limn_train_now();
    t->first_step = t->state.step;
    if (!status) status = steps(t, error);
    all = limn_train_now() - t->began;
    t->wait_share = all > 0 ? t->waited / all : 0;
    if (t->loader) limn_loader_close(&t->loader);
    return status;
}
