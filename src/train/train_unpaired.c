/* SPDX-License-Identifier: Apache-2.0
 *
 * Which epoch is kept without pairs, and how sure that is.
 *
 * What is asked about earlier epochs is asked of the history, as whole millionths, which every
 * locale reads alike. */
#include "train/train_inside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double clearly = 0.9; /* of errors: a tenth smaller */

/* Scores of one epoch by name, NaN where there is none. */
typedef struct scores {
    double low, high, cycle, identity;
} scores;

static limn_status take(void *context, const char *const *c, int count, limn_error *error)
{
    scores *s = context;
    double value = c[1] ? 1e-6 * (double)strtoll(c[1], NULL, 10) : NAN;

    (void)count;
    (void)error;
    if (!strcmp(c[0], "distance_low")) s->low = value;
    if (!strcmp(c[0], "distance_high")) s->high = value;
    if (!strcmp(c[0], "cycle")) s->cycle = value;
    if (!strcmp(c[0], "identity")) s->identity = value;
    return LIMN_OK;
}

static limn_status scores_of(limn_training *t, uint64_t epoch, scores *out, limn_error *error)
{
    char query[160];

    *out = (scores){ NAN, NAN, NAN, NAN };
    snprintf(query, sizeof query,
             "SELECT name, CAST(round(value * 1e6) AS INTEGER) FROM scores "
             "WHERE part = 'val' AND epoch = %llu",
             (unsigned long long)epoch);
    return limn_history_query(t->history, query, take, out, error);
}

static double sum_of(double cycle, double identity)
{
    return (isnan(cycle) ? 0 : cycle) + (isnan(identity) ? 0 : identity);
}

limn_status limn_train_worth_it(limn_training *t, const limn_unpaired_scores *s, bool *best,
                                limn_error *error)
{
    scores kept;
    double errors = sum_of(s->cycle, s->identity);

    LIMN_TRY(scores_of(t, t->state.best_epoch, &kept, error));
    if (!s->means_something || isnan(kept.low) || s->distance.high < kept.low) return LIMN_OK;
    *best = !(sum_of(kept.cycle, kept.identity) < clearly * errors);
    return LIMN_OK;
}

/* Once a run: what the number is measured on, and whether that is enough. */
static limn_status introduce(limn_training *t, const limn_unpaired_scores *s, limn_error *error)
{
    const limn_distance *d = &s->distance;
    const char *of = s->of_training ? "it learns from (fewer are held out)" : "held out";
    char number[32];

    snprintf(number, sizeof number, "%.4f", s->untranslated);
    LIMN_TRY(limn_history_fact(t->history, "distance.untranslated", number, error));
    snprintf(number, sizeof number, "%zu and %zu", d->x_count, d->y_count);
    LIMN_TRY(limn_history_fact(t->history, "distance.pictures", number, error));
    LIMN_TRY(limn_history_fact(t->history, "distance.network", limn_features_about(), error));
    if (s->means_something)
        return limn_train_say(t, error, "distance",
                              "epochs are compared by the kernel distance of %zu outputs to %zu "
                              "pictures %s; doing nothing has %.4f (docs/health.md)",
                              d->x_count, d->y_count, of, s->untranslated);
    return limn_train_say(t, error, "distance",
                          "too few pictures to tell good epochs from bad ones: %zu outputs and "
                          "%zu pictures %s, the distance is %.4f to %.4f and doing nothing has "
                          "%.4f. It means something from %d pictures on each side, and with an "
                          "interval narrower than that",
                          d->x_count, d->y_count, of, d->low, d->high, s->untranslated,
                          LIMN_DISTANCE_PICTURES_MIN);
}

limn_status limn_train_record_unpaired(limn_training *t, const limn_unpaired_scores *s,
                                       limn_error *error)
{
    const struct {
        const char *name;
        double value;
    } rows[] = { { "distance", s->distance.value },
                 { "distance_low", s->distance.low },
                 { "distance_high", s->distance.high },
                 { "distance_means_something",
                   isnan(s->distance.value) ? NAN : s->means_something },
                 { "cycle", s->cycle },
                 { "identity", s->identity } };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        LIMN_TRY(limn_history_score(t->history, t->state.epoch, "val", rows[i].name, rows[i].value,
                                    error));
    if (isnan(s->distance.value) || t->introduced) return LIMN_OK;
    t->introduced = true;
    return introduce(t, s, error);
}

static limn_status take_count(void *context, const char *const *c, int count, limn_error *error)
{
    (void)count;
    (void)error;
    *(long *)context = c[0] ? strtol(c[0], NULL, 10) : 0;
    return LIMN_OK;
}

static limn_status take_text(void *context, const char *const *c, int count, limn_error *error)
{
    (void)count;
    (void)error;
    snprintf(context, 32, "%s", c[0] ? c[0] : "");
    return LIMN_OK;
}

limn_status limn_train_tell_kept(limn_training *t, char *text, size_t size, limn_error *error)
{
    unsigned long long best = (unsigned long long)t->state.best_epoch;
    char query[600];
    char nothing[32] = "";
    scores kept;
    long others = 0, few = 0;

    if (!best) return LIMN_OK;
    LIMN_TRY(scores_of(t, t->state.best_epoch, &kept, error));
    snprintf(query, sizeof query,
             "SELECT count(*) FROM scores AS low JOIN scores AS high USING (epoch, part) "
             "WHERE part = 'val' AND low.name = 'distance_low' AND high.name = 'distance_high' AND "
             "epoch <> %llu AND low.value <= (SELECT value FROM scores WHERE epoch = %llu AND "
             "part = 'val' AND name = 'distance_high') AND high.value >= (SELECT value FROM scores "
             "WHERE epoch = %llu AND part = 'val' AND name = 'distance_low')",
             best, best, best);
    LIMN_TRY(limn_history_query(t->history, query, take_count, &others, error));
    LIMN_TRY(limn_history_query(t->history,
                                "SELECT count(*) FROM scores WHERE part = 'val' AND "
                                "name = 'distance_means_something' AND value = 0",
                                take_count, &few, error));
    LIMN_TRY(limn_history_query(t->history,
                                "SELECT value FROM run WHERE key = 'distance.untranslated'",
                                take_text, nothing, error));
    snprintf(text, size,
             "; kept is epoch %llu with a distance of %.4f (%.4f to %.4f; doing nothing has %s)%s. "
             "Distances are of features of %s and not comparable with published KID",
             best, t->state.best_score, kept.low, kept.high, nothing,
             few      ? ", of too few pictures to mean much"
             : others ? ", and the intervals of other epochs reach into its own, so that it is "
                        "better than those may be chance"
                      : "",
             limn_features_about());
    return LIMN_OK;
}
