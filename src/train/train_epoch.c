/* SPDX-License-Identifier: Apache-2.0
 *
 * Between epochs: scores, samples, models, checkpoint, page.
 *
 * The best model is the one with the smallest validation L1.  That is a choice: L1 likes averages,
 * but it is steady, it is what pairs are trained on, and every other score stands beside it in the
 * page.  Without pairs it is the one with the smallest distance between what is made and pictures
 * of the other side (score/unpaired.h).  Where the intervals of two epochs overlap the smaller
 * number may be chance; then an epoch does not replace one whose cycle and identity errors are
 * smaller by a tenth, if the recipe has any, and the page says how many epochs are as good as the
 * one that is kept.
 *
 * Over-fitting is called when the validation has not improved for PATIENCE epochs, is worse than
 * its best by WORSE, and training pictures are made better than validation pictures by GAP: each by
 * itself also happens to runs that are well. */
#include "train/page.h"
#include "train/train_inside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PATIENCE = 4, NUMBER_TEXT = 32 };
static const double worse = 1.02, gap = 1.05;

typedef struct epoch_end {
    limn_validation scores;
    double means[LIMN_LOSSES_MAX];
    double seconds, lr, wait_share;
    bool best;
    const char *sheet; /* relative to the folder, or NULL */
    char sheet_name[40], sheet_path[1024];
} epoch_end;

static limn_status score(limn_training *t, epoch_end *e, limn_error *error)
{
    unsigned long long epoch = (unsigned long long)t->state.epoch;

    snprintf(e->sheet_name, sizeof e->sheet_name, "sheets/epoch_%04llu.jpg", epoch);
    if (snprintf(e->sheet_path, sizeof e->sheet_path, "%s/%s", t->folder, e->sheet_name) >=
        (int)sizeof e->sheet_path)
        return limn_fail(error, LIMN_SETTING, "the path of the run's folder is too long: %.200s...",
                         t->folder);
    LIMN_TRY(limn_validate(&e->scores, &t->validator, e->sheet_path, error));
    if (e->scores.sheet) e->sheet = e->sheet_name;
    return LIMN_OK;
}

/* What the epoch is kept or not kept for: smaller is better. */
static double score_of(const limn_training *t, const epoch_end *e)
{
    return t->recipe->unpaired ? e->scores.unpaired.distance.value : e->scores.val.l1;
}

static limn_status find_best(limn_training *t, epoch_end *e, limn_error *error)
{
    double score = score_of(t, e);

    e->best = !isnan(score) && (isnan(t->state.best_score) || score < t->state.best_score);
    if (e->best && t->recipe->unpaired && t->state.best_epoch)
        LIMN_TRY(limn_train_worth_it(t, &e->scores.unpaired, &e->best, error));
    if (!e->best) return LIMN_OK;
    t->state.best_score = score;
    t->state.best_epoch = t->state.epoch;
    return LIMN_OK;
}

/* Numbers that do not depend on the locale: thousandths and below as whole numbers. */
static void number_text(char text[NUMBER_TEXT], double value)
{
    long long parts = llround(1e6 * fabs(value));

    snprintf(text, NUMBER_TEXT, "%s%lld.%06lld", value < 0 && parts ? "-" : "", parts / 1000000,
             parts % 1000000);
}

static limn_status save_models(limn_training *t, const epoch_end *e, limn_error *error)
{
    static const char *const names[] = { "score.l1",      "score.psnr",     "score.ssim",
                                         "score.edges",   "score.distance", "score.cycle",
                                         "score.identity" };
    const limn_unpaired_scores *u = &e->scores.unpaired;
    const double values[] = { e->scores.val.l1,    e->scores.val.psnr, e->scores.val.ssim,
                              e->scores.val.edges, u->distance.value,  u->cycle,
                              u->identity };
    limn_saved_text record[9];
    char texts[9][NUMBER_TEXT];
    size_t count = 0;
    int every = t->settings.save_epoch_freq;

    snprintf(texts[0], NUMBER_TEXT, "%zu", t->screened.pictures);
    record[count++] = (limn_saved_text){ "screener.pictures", texts[0] };
    snprintf(texts[1], NUMBER_TEXT, "%zu", t->screened.left_out);
    record[count++] = (limn_saved_text){ "screener.left_out", texts[1] };

    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        if (isnan(values[i])) continue;
        number_text(texts[count], values[i]);
        record[count] = (limn_saved_text){ names[i], texts[count] };
        count++;
    }
    LIMN_TRY(limn_run_save_model(t->latest, &t->trainer, &t->state, record, count, error));
    if (every && t->state.epoch % (uint64_t)every == 0) {
        char path[1024];

        snprintf(path, sizeof path, "%s/epoch_%04llu.safetensors", t->folder,
                 (unsigned long long)t->state.epoch);
        LIMN_TRY(limn_run_save_model(path, &t->trainer, &t->state, record, count, error));
    }
    if (!e->best) return LIMN_OK;
    return limn_run_save_model(t->best, &t->trainer, &t->state, record, count, error);
}

/* What wants the moving average in the place of the weights. */
static limn_status with_average(limn_training *t, epoch_end *e, limn_error *error)
{
    limn_status status = limn_ema_show(&t->ema, error), hidden;

    if (!status) status = score(t, e, error);
    if (!status) status = find_best(t, e, error);
    if (!status) status = save_models(t, e, error);
    hidden = limn_ema_hide(&t->ema, status ? NULL : error);
    return status ? status : hidden;
}

static limn_status record(limn_training *t, const epoch_end *e, limn_error *error)
{
    const limn_score *parts[] = { &e->scores.val, &e->scores.train };
    static const char *const names[] = { "val", "train" };
    uint64_t epoch = t->state.epoch;

    LIMN_TRY(limn_history_epoch(t->history, epoch, t->state.step, e->seconds, e->lr, e->wait_share,
                                e->best, error));
    for (int i = 0; i < 2; i++) {
        LIMN_TRY(limn_history_score(t->history, epoch, names[i], "l1", parts[i]->l1, error));
        LIMN_TRY(limn_history_score(t->history, epoch, names[i], "psnr", parts[i]->psnr, error));
        LIMN_TRY(limn_history_score(t->history, epoch, names[i], "ssim", parts[i]->ssim, error));
        LIMN_TRY(limn_history_score(t->history, epoch, names[i], "edges", parts[i]->edges, error));
    }
    for (int i = 0; i < t->trainer.loss_count; i++)
        LIMN_TRY(limn_history_score(t->history, epoch, "loss", t->trainer.loss_names[i],
                                    e->means[i], error));
    LIMN_TRY(limn_train_record_unpaired(t, &e->scores.unpaired, error));
    if (e->sheet) LIMN_TRY(limn_history_sample(t->history, epoch, e->sheet, error));
    return LIMN_OK;
}

/* Says it in the epoch where it begins and then every PATIENCE epochs. */
static limn_status warn(limn_training *t, const epoch_end *e, limn_error *error)
{
    const limn_train_state *s = &t->state;
    double val = e->scores.val.l1, train = e->scores.train.l1;
    uint64_t since = s->epoch - s->best_epoch;

    if (t->validator.broken)
        LIMN_TRY(
            limn_train_say(t, error, "broken",
                           "%d pictures could not be read for the scores and are left out; the "
                           "first: %s",
                           t->validator.broken, t->validator.reason));

    if (e->scores.refused)
        LIMN_TRY(limn_train_say(t, error, "refused",
                                "%d samples are left out of the sheet of epoch "
                                "%llu: the screen refuses them",
                                e->scores.refused, (unsigned long long)s->epoch));
    if (isnan(val) || isnan(train) || since < PATIENCE || since % PATIENCE) return LIMN_OK;
    if (val < worse * s->best_score || val < gap * train) return LIMN_OK;
    return limn_train_say(t, error, "overfitting",
                          "over-fitting: L1 is %.4f on validation pictures and %.4f on those it "
                          "learns from, and has not been below epoch %llu's %.4f since; "
                          "best.safetensors holds that epoch. More pictures help, or fewer epochs",
                          val, train, (unsigned long long)s->best_epoch, s->best_score);
}

limn_status limn_train_write_page(limn_training *t, limn_error *error)
{
    const limn_train_state *s = &t->state;
    const char *title = strrchr(t->folder, '/');
    char summary[600];
    int used;

    if (!t->settings.html) return LIMN_OK;
    title = title && title[1] ? title + 1 : t->folder;
    used = snprintf(summary, sizeof summary, "%s, epoch %llu of %d, %llu steps", t->recipe->name,
                    (unsigned long long)s->epoch, limn_train_epochs(t),
                    (unsigned long long)s->step);
    if (t->recipe->unpaired)
        LIMN_TRY(limn_train_tell_kept(t, summary + used, sizeof summary - (size_t)used, error));
    else if (!isnan(s->best_score))
        snprintf(summary + used, sizeof summary - (size_t)used,
                 "; best validation L1 %.4f in epoch %llu", s->best_score,
                 (unsigned long long)s->best_epoch);
    return limn_page_write(t->page, t->history, title, summary, error);
}

static void tell(limn_training *t, const epoch_end *e)
{
    limn_train_epoch epoch = {
        .step = t->state.step,
        .epoch = (int)t->state.epoch,
        .epochs = limn_train_epochs(t),
        .seconds = e->seconds,
        .learning_rate = e->lr,
        .wait_share = e->wait_share,
        .losses = t->trainer.loss_count,
        .loss_names = t->trainer.loss_names,
        .loss_values = e->means,
        .l1 = e->scores.val.l1,
        .psnr = e->scores.val.psnr,
        .ssim = e->scores.val.ssim,
        .edges = e->scores.val.edges,
        .train_l1 = e->scores.train.l1,
        .distance = e->scores.unpaired.distance.value,
        .distance_low = e->scores.unpaired.distance.low,
        .distance_high = e->scores.unpaired.distance.high,
        .distance_means_something = e->scores.unpaired.means_something,
        .cycle = e->scores.unpaired.cycle,
        .identity = e->scores.unpaired.identity,
        .best = e->best,
        .sheet = e->sheet ? e->sheet_path : NULL,
    };

    if (t->watch.epoch) t->watch.epoch(t->watch.context, &epoch);
}

limn_status limn_train_end_epoch(limn_training *t, limn_error *error)
{
    epoch_end e = { .sheet = NULL };
    bool sound;

    LIMN_TRY(limn_trainer_sound(&t->trainer, &sound, error));
    if (!sound) return limn_train_go_back(t, t->trainer.loss_names[0], error);
    e.seconds = limn_train_now() - t->epoch_began;
    e.wait_share = e.seconds > 0 ? t->epoch_waited / e.seconds : 0;
    e.lr = limn_learning_rate(&t->settings, &t->state, t->state.epoch - 1);
    for (int i = 0; i < t->trainer.loss_count; i++)
        LIMN_TRY(limn_history_mean(t->history, t->state.epoch, t->trainer.loss_names[i],
                                   &e.means[i], error));
    LIMN_TRY(with_average(t, &e, error));
    if (limn_learning_rate_after(&t->settings, &t->state, score_of(t, &e)))
        LIMN_TRY(limn_train_say(t, error, "plateau",
                                "no better validation for a while: the learning rate goes down to "
                                "%g",
                                limn_learning_rate(&t->settings, &t->state, t->state.epoch)));
    LIMN_TRY(record(t, &e, error));
    LIMN_TRY(warn(t, &e, error));
    LIMN_TRY(limn_train_watch_looks(t, e.scores.looks, error));
    LIMN_TRY(limn_train_save(t, error));
    LIMN_TRY(limn_train_write_page(t, error));
    tell(t, &e);
    t->epoch_began = limn_train_now();
    t->epoch_waited = 0;
    return LIMN_OK;
}
