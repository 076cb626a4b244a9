/* SPDX-License-Identifier: Apache-2.0
 *
 * The watcher of a training's health: see health.h.  Definitions:
 *
 *   critic        over 1000 steps the mean of a critic's terms is below 0.02 (vanilla,
 *                 nonsaturating, hinge) or 0.01 (lsgan), in nine of ten blocks of 100 as well, and
 *                 the generator's loss against it is above 4 (vanilla: a fake is taken for real
 *                 with less than 2 %), 0.81 (lsgan: fakes get less than 0.1) or 1 (hinge: beyond
 *                 the margin) and does not fall (second half at least 0.95 of the first).  A
 *                 critic that knows nothing has 0.69, 0.25 and 1.
 *   collapse      spread of outputs / spread of inputs below a quarter of what targets have, and
 *                 below half of its own largest value or after 2000 steps.
 *   inversion     pairs: input and output correlate below -0.1 where input and target do above 0.2
 *                 (or the reverse).  Without pairs: below -0.2, unless the one side is light on
 *                 dark and the other dark on light (skewness beyond 0.3 and of opposite signs).
 *   outline       without pairs, where both sides show forms on a plain ground (more than half of a
 *                 picture has no edge): edges of input and output correlate below 0.45.
 *   checkerboard  the grid of outputs (score/look.h) is 4 times that of targets, and 2 at least;
 *                 not before step 2000, for every young generator has one.
 *   flat          files of one colour among the inputs; or 5 % of the inputs of the first epoch.
 *   not_finite    any loss.
 *
 * Looks count from step 500 and with four pictures or more; an alarm needs three of them in a row
 * over at least 300 steps, and three good ones end it: epochs of tiny sets are only a few steps,
 * and one odd epoch is nothing.  Where targets themselves are all alike (spread below 0.02) no
 * collapse can be told.
 *
 * Tried: runs that were well must stay silent, and did: facades 256 x 256 by pix2pix (U-Net,
 * vanilla: D 0.24 to 0.34, G 2.3 to 2.9 from step 100 on), drawn shapes 128 x 128 by pix2pix with
 * lsgan (D 0.15 to 0.25), blue discs to orange triangles 64 x 64 by cut (tests/test_health.c has
 * their numbers).  D below 0.1 for vanilla was the first threshold and too near: such runs get
 * there late without losing anything. */
#include "train/health.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LOOKS = 3, LOOK_STEPS = 300, LOOK_FROM = 500, GRID_FROM = 2000, ALIKE_FROM = 2000 };
enum { PICTURES_MIN = 4, FLAT_SEEN_MIN = 40 };
static const double no_fall = 0.95, alike = 0.25, fallen = 0.5, alike_targets = 0.02;
static const double inverted = 0.2, inverted_pair = 0.1, skewed = 0.3, grid_times = 4, grid_min = 2;
static const double kept = 0.45, grounded = 0.5, flat_share = 0.05;
static const float flat_range = 2.001f / 127.5f; /* two 8-bit steps on the scale of -1 to 1 */

/* By limn_gan_mode: the critic's mean term, the generator's loss. */
static const struct {
    double critic, generator;
} won[] = { [LIMN_GAN_VANILLA] = { 0.02, 4 },
            [LIMN_GAN_LSGAN] = { 0.01, 0.81 },
            [LIMN_GAN_HINGE] = { 0.02, 1 },
            [LIMN_GAN_NONSATURATING] = { 0.02, 4 } };

static const char *const words[] = {
#define X(name, word) word,
    LIMN_ALARMS(X)
#undef X
};
static const char *const changes[] = { "raised", "worse", "cleared" };

const char *limn_alarm_word(limn_alarm_kind kind)
{
    return words[kind];
}

const char *limn_alarm_change_word(limn_alarm_change change)
{
    return changes[change];
}

void limn_health_open(limn_health *h, const limn_train_settings *settings, bool unpaired,
                      const char *generators, const limn_critic *critics, int critic_count,
                      limn_alarm_tell tell, void *context)
{
    *h = (limn_health){ .settings = settings,
                        .unpaired = unpaired,
                        .critic_count = critic_count,
                        .tell = tell,
                        .context = context };
    memcpy(h->critics, critics, (size_t)critic_count * sizeof *critics);
    while (*generators && h->generator_count < LIMN_GENERATORS_MAX) {
        int length = (int)strcspn(generators, " ");

        snprintf(h->generators[h->generator_count++], LIMN_ALARM_SUBJECT, "%.*s", length,
                 generators);
        generators += length;
        while (*generators == ' ') generators++;
    }
    for (int g = 0; g < LIMN_GENERATORS_MAX; g++)
        for (int k = 0; k < LIMN_ALARM_KINDS; k++) h->of_generator[g][k].before = NAN;
}

/* ---- Saying ---------------------------------------------------------------------------------- */

/* One finding, as it stands now; text says it without advice. */
typedef struct finding {
    limn_alarm_kind kind;
    const char *subject;
    uint64_t step, epoch;
    double value, threshold;
    char text[300];
} finding;

static limn_status tell(limn_health *h, const finding *f, limn_alarm_change change,
                        limn_error *error)
{
    limn_alarm alarm = { .kind = f->kind,
                         .change = change,
                         .step = f->step,
                         .epoch = f->epoch,
                         .value = f->value,
                         .threshold = f->threshold };
    char advice[160] = "";

    if (h->silent || !h->tell) return LIMN_OK;
    if (change == LIMN_ALARM_RAISED)
        limn_health_advice(advice, sizeof advice, f->kind, h->settings);
    snprintf(alarm.subject, sizeof alarm.subject, "%s", f->subject);
    snprintf(alarm.sentence, sizeof alarm.sentence, "%s%s%s",
             change == LIMN_ALARM_WORSE     ? "worse: "
             : change == LIMN_ALARM_CLEARED ? "over: "
                                            : "",
             f->text, advice);
    return h->tell(h->context, &alarm, error);
}

/* Whether a value is clearly beyond the one that was said. */
static bool is_worse(limn_alarm_kind kind, double value, double said)
{
    switch (kind) {
    case LIMN_ALARM_CRITIC:
        return value < said / 4;
    case LIMN_ALARM_COLLAPSE:
        return value < said / 2;
    case LIMN_ALARM_INVERSION:
        return fabs(value) > fabs(said) + 0.3;
    case LIMN_ALARM_OUTLINE:
        return value < said - 0.3;
    default:
        return value > 2 * said;
    }
}

static limn_status decide(limn_health *h, limn_health_state *s, const finding *f, bool raise,
                          bool clear, limn_error *error)
{
    /* A resumed run does again what a killed one had said already. */
    if (s->told && f->step <= s->said_step) return LIMN_OK;
    if (s->standing && clear) {
        s->standing = false;
        s->said_step = f->step;
        return tell(h, f, LIMN_ALARM_CLEARED, error);
    }
    if (!raise || (s->standing && !is_worse(f->kind, f->value, s->said))) return LIMN_OK;
    raise = s->standing;
    s->told = s->standing = true;
    s->said = f->value;
    s->said_step = f->step;
    return tell(h, f, raise ? LIMN_ALARM_WORSE : LIMN_ALARM_RAISED, error);
}

/* ---- The critic ------------------------------------------------------------------------------ */

static double mean_of(const double *losses, const int *which, const double *weight, int count)
{
    double sum = 0;

    for (int i = 0; i < count; i++) sum += losses[which[i]] / weight[i] / count;
    return sum;
}

static double mean(const double *values, int count)
{
    double sum = 0;

    for (int i = 0; i < count; i++) sum += values[i] / count;
    return sum;
}

static limn_status look_at_critic(limn_health *h, int c, uint64_t step, uint64_t epoch,
                                  limn_error *error)
{
    enum { HALF = LIMN_HEALTH_BLOCKS / 2 };
    const limn_health_critic *r = &h->recent[c];
    double limit = won[h->settings->gan_mode].critic, floor = won[h->settings->gan_mode].generator;
    double d = mean(r->critic, LIMN_HEALTH_BLOCKS), g = mean(r->generator, LIMN_HEALTH_BLOCKS);
    double first = mean(r->generator, HALF), second = mean(r->generator + HALF, HALF);
    finding f = { LIMN_ALARM_CRITIC, h->critics[c].name, step, epoch, d, limit, "" };
    int low = 0;

    for (int i = 0; i < LIMN_HEALTH_BLOCKS; i++) low += r->critic[i] < limit;
    snprintf(f.text, sizeof f.text,
             "the critic %s has won: its loss was %.4f over the last %d steps (alarm below %g) "
             "while the generator's against it went from %.2f to %.2f, so the generator learns "
             "little from it",
             f.subject, d, LIMN_HEALTH_BLOCK * LIMN_HEALTH_BLOCKS, limit, first, second);
    return decide(h, &h->of_critic[c], &f,
                  d < limit && low >= LIMN_HEALTH_BLOCKS - 1 && g > floor &&
                      second >= no_fall * first,
                  d > 2 * limit || g < floor / 2, error);
}

limn_status limn_health_step(limn_health *h, uint64_t step, uint64_t epoch, const double *losses,
                             limn_error *error)
{
    for (int c = 0; c < h->critic_count; c++) {
        const limn_critic *critic = &h->critics[c];
        limn_health_critic *r = &h->recent[c];

        r->critic_sum += mean_of(losses, critic->critic_losses, critic->critic_weight,
                                 critic->critic_count);
        r->generator_sum += mean_of(losses, critic->generator_losses, critic->generator_weight,
                                    critic->generator_count);
        r->steps++;
        if (step % LIMN_HEALTH_BLOCK) continue;
        memmove(r->critic, r->critic + 1, (LIMN_HEALTH_BLOCKS - 1) * sizeof *r->critic);
        memmove(r->generator, r->generator + 1, (LIMN_HEALTH_BLOCKS - 1) * sizeof *r->generator);
        r->critic[LIMN_HEALTH_BLOCKS - 1] = r->critic_sum / r->steps;
        r->generator[LIMN_HEALTH_BLOCKS - 1] = r->generator_sum / r->steps;
        r->critic_sum = r->generator_sum = 0;
        r->steps = 0;
        if (r->blocks < LIMN_HEALTH_BLOCKS) r->blocks++;
        if (r->blocks == LIMN_HEALTH_BLOCKS) LIMN_TRY(look_at_critic(h, c, step, epoch, error));
    }
    return LIMN_OK;
}

/* ---- Looks at the generators ----------------------------------------------------------------- */

/* Counts looks in a row; the newest is bad or good. */
static limn_status count_look(limn_health *h, int generator, const finding *f, bool bad,
                              limn_error *error)
{
    limn_health_state *s = &h->of_generator[generator][f->kind];

    if (bad && !s->bad++) s->bad_since = f->step;
    if (!bad) s->bad = 0;
    s->good = bad ? 0 : s->good + 1;
    return decide(h, s, f, s->bad >= LOOKS && f->step >= s->bad_since + LOOK_STEPS,
                  s->good >= LOOKS, error);
}

static limn_status look_for_collapse(limn_health *h, int generator, finding *f,
                                     const limn_look *look, limn_error *error)
{
    double ratio = look->spread_output / look->spread_input;
    double healthy = look->spread_target / look->spread_input;

    if (!isfinite(ratio) || !isfinite(healthy) || !(look->spread_target > alike_targets))
        return LIMN_OK;
    if (ratio > h->widest[generator]) h->widest[generator] = ratio;
    f->kind = LIMN_ALARM_COLLAPSE;
    f->value = ratio;
    f->threshold = alike * healthy;
    snprintf(f->text, sizeof f->text,
             "the outputs of %s are getting alike: they differ from one another %.3f times as much "
             "as the inputs do (alarm below %.3f; the pictures they should be like: %.3f; the most "
             "so far: %.3f)",
             f->subject, ratio, f->threshold, healthy, h->widest[generator]);
    return count_look(h, generator, f,
                      ratio < f->threshold &&
                          (ratio < fallen * h->widest[generator] || f->step >= ALIKE_FROM),
                      error);
}

static limn_status look_for_inversion(limn_health *h, int generator, finding *f,
                                      const limn_look *look, limn_error *error)
{
    double r = look->luma_output, should = look->luma_target;
    bool bad;

    if (isnan(r)) return LIMN_OK;
    f->kind = LIMN_ALARM_INVERSION;
    f->value = r;
    if (h->unpaired) {
        bool opposite = look->skew_input * look->skew_target < 0 &&
                        fabs(look->skew_input) > skewed && fabs(look->skew_target) > skewed;

        f->threshold = -inverted;
        bad = r < f->threshold && !opposite;
        snprintf(f->text, sizeof f->text,
                 "%s turns light into dark: the brightness of outputs and inputs correlates by "
                 "%.2f (alarm below %.2f)",
                 f->subject, r, f->threshold);
    } else {
        if (isnan(should) || !(fabs(should) > inverted)) return LIMN_OK;
        f->threshold = should > 0 ? -inverted_pair : inverted_pair;
        bad = should > 0 ? r < f->threshold : r > f->threshold;
        snprintf(f->text, sizeof f->text,
                 "%s turns light into dark: the brightness of outputs and inputs correlates by "
                 "%.2f, and that of targets and inputs by %.2f",
                 f->subject, r, should);
    }
    return count_look(h, generator, f, bad, error);
}

static limn_status look_for_outline(limn_health *h, int generator, finding *f,
                                    const limn_look *look, limn_error *error)
{
    if (!h->unpaired || isnan(look->edges_output)) return LIMN_OK;
    if (!(look->plain_input > grounded && look->plain_target > grounded)) return LIMN_OK;
    f->kind = LIMN_ALARM_OUTLINE;
    f->value = look->edges_output;
    f->threshold = kept;
    snprintf(f->text, sizeof f->text,
             "%s does not keep outlines: the edges of outputs and inputs correlate by %.2f (alarm "
             "below %.2f)",
             f->subject, f->value, f->threshold);
    return count_look(h, generator, f, f->value < f->threshold, error);
}

static limn_status look_for_grid(limn_health *h, int generator, finding *f, const limn_look *look,
                                 limn_error *error)
{
    limn_health_state *s = &h->of_generator[generator][LIMN_ALARM_CHECKERBOARD];
    double times = look->grid_output / look->grid_target;
    bool falls = times < 0.9 * s->before;

    if (!isfinite(times)) return LIMN_OK;
    s->before = times;
    if (f->step < GRID_FROM) return LIMN_OK;
    f->kind = LIMN_ALARM_CHECKERBOARD;
    f->value = times;
    f->threshold = grid_times;
    snprintf(f->text, sizeof f->text,
             "the outputs of %s carry a grid of 2 or 4 pixels: its frequencies are %.1f times as "
             "strong as in the pictures they should be like (alarm above %g)",
             f->subject, times, f->threshold);
    return count_look(h, generator, f, times > grid_times && look->grid_output > grid_min && !falls,
                      error);
}

limn_status limn_health_look(limn_health *h, uint64_t step, uint64_t epoch, int generator,
                             const limn_look *look, limn_error *error)
{
    finding f = { .subject = h->generators[generator], .step = step, .epoch = epoch };

    if (step < LOOK_FROM || look->pictures < PICTURES_MIN) return LIMN_OK;
    LIMN_TRY(look_for_collapse(h, generator, &f, look, error));
    LIMN_TRY(look_for_inversion(h, generator, &f, look, error));
    LIMN_TRY(look_for_outline(h, generator, &f, look, error));
    return look_for_grid(h, generator, &f, look, error);
}

/* ---- Pictures of one colour, and losses that are no numbers ---------------------------------- */

/* Whether a norm divides by the deviation of a single picture. */
static bool norms_a_picture(const limn_train_settings *s)
{
    return s->norm == LIMN_NORM_INSTANCE || (s->norm == LIMN_NORM_BATCH && s->batch_size == 1);
}

static bool is_flat(const float *values, size_t channels, size_t pixels)
{
    for (size_t c = 0; c < channels; c++, values += pixels)
        for (size_t i = 1; i < pixels; i++)
            if (fabsf(values[i] - values[0]) > flat_range) return false;
    return true;
}

limn_status limn_health_flat_files(limn_health *h, uint64_t count, uint64_t of, const char *names,
                                   limn_error *error)
{
    finding f = { LIMN_ALARM_FLAT, "", 0, 1, (double)count, 1, "" };

    if (!count || h->flat.standing || !norms_a_picture(h->settings)) return LIMN_OK;
    snprintf(f.text, sizeof f.text,
             "%llu of %llu input pictures are of one colour all over, and the norm divides by "
             "their deviation of 0: %s",
             (unsigned long long)count, (unsigned long long)of, names);
    return decide(h, &h->flat, &f, true, false, error);
}

limn_status limn_health_input(limn_health *h, uint64_t step, uint64_t epoch, const float *values,
                              limn_shape shape, const char *name, limn_error *error)
{
    size_t channels = (size_t)shape.c, pixels = (size_t)shape.h * (size_t)shape.w;
    finding f = { LIMN_ALARM_FLAT, "", step, epoch, 0, flat_share, "" };

    if (epoch > 1 || h->flat.standing || !norms_a_picture(h->settings)) return LIMN_OK;
    for (int n = 0; n < shape.n; n++, h->seen++)
        h->flat_seen += is_flat(values + (size_t)n * channels * pixels, channels, pixels);
    f.value = (double)h->flat_seen / (double)h->seen;
    if (h->seen < FLAT_SEEN_MIN || f.value < flat_share) return LIMN_OK;
    snprintf(f.text, sizeof f.text,
             "%.0f %% of the inputs so far (%llu of %llu, the last one from %s) are cut where the "
             "picture has one colour only, and the norm divides by their deviation of 0",
             100 * f.value, (unsigned long long)h->flat_seen, (unsigned long long)h->seen, name);
    return decide(h, &h->flat, &f, true, false, error);
}

limn_status limn_health_lost(limn_health *h, uint64_t step, uint64_t epoch, const char *loss,
                             double value, limn_error *error)
{
    finding f = { LIMN_ALARM_NOT_FINITE, "", step, epoch, value, NAN, "" };

    snprintf(f.text, sizeof f.text, "%s is %g at step %llu", loss, value, (unsigned long long)step);
    return tell(h, &f, LIMN_ALARM_RAISED, error);
}

/* ---- Resuming -------------------------------------------------------------------------------- */

void limn_health_recall(limn_health *h, const char *word, const char *change, const char *subject,
                        uint64_t step, double value)
{
    limn_health_state *s = NULL;
    int kind = 0;

    while (kind < LIMN_ALARM_KINDS && strcmp(words[kind], word)) kind++;
    if (kind == LIMN_ALARM_FLAT) s = &h->flat;
    for (int c = 0; c < h->critic_count && kind == LIMN_ALARM_CRITIC; c++)
        if (!strcmp(h->critics[c].name, subject)) s = &h->of_critic[c];
    for (int g = 0; g < h->generator_count && kind < LIMN_ALARM_FLAT && kind; g++)
        if (!strcmp(h->generators[g], subject)) s = &h->of_generator[g][kind];
    if (!s) return;
    s->told = true;
    s->standing = strcmp(change, changes[LIMN_ALARM_CLEARED]) != 0;
    s->said = value;
    s->said_step = step;
}
