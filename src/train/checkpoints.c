/* SPDX-License-Identifier: Apache-2.0
 *
 * Checkpoints and models of a run: see checkpoints.h.
 *
 * Model files hold no time, no path and no number of threads, so that the same training gives the
 * same bytes whatever it was called and however often it was interrupted. */
#include "train/checkpoints.h"
#include "model/model.h"
#include "screen/screen.h"

#include <stdlib.h>
#include <string.h>

enum { TEXTS_MAX = 128, VALUE_MAX = 64, RECORD_OWN = 4 };

const limn_setting *limn_train_rows(void);

/* ---- Networks -------------------------------------------------------------------------------- */

static limn_network network_of(const limn_trainer *t, const char *name)
{
    const limn_parameter_info *first = NULL, *last = NULL;
    limn_network network = t->settings.critic;

    for (int i = 0; i < limn_weights_count(t->weights); i++) {
        const limn_parameter_info *info = limn_weights_at(t->weights, i);

        if (strcmp(info->network, name) || info->kind != LIMN_PARAMETER_WEIGHT) continue;
        if (!first) first = info;
        last = info;
    }
    for (int i = 0; i < t->generator_count; i++)
        if (!strcmp(t->generators[i], name)) {
            network = t->settings.generator;
            if (i % 2) { /* from B to A */
                network.input_nc = t->settings.generator.output_nc;
                network.output_nc = t->settings.generator.input_nc;
            }
            return network;
        }
    if (!first) return (limn_network){ "none", 1, 1, 1, .norm = LIMN_NORM_NONE }; /* a pool */
    if (first->dims == 2) {
        network = (limn_network){ .net = "mlp", .norm = LIMN_NORM_NONE, .filters = last->shape.n };
        network.output_nc = last->shape.n;
    } else {
        network.output_nc = 1;
    }
    network.input_nc = first->shape.c;
    return network;
}

static limn_status add_network(limn_model_card *card, const limn_trainer *t, const char *name,
                               limn_error *error)
{
    limn_model_network *n;

    for (int i = 0; i < card->network_count; i++)
        if (!strcmp(card->networks[i].name, name)) return LIMN_OK;
    if (card->network_count == LIMN_MODEL_NETWORKS_MAX)
        return limn_fail(error, LIMN_BUG, "the recipe %s has more than %d networks",
                         t->recipe->name, LIMN_MODEL_NETWORKS_MAX);
    n = &card->networks[card->network_count++];
    *n = (limn_model_network){ .name = name, .network = network_of(t, name) };
    if (t->recipe->colorizes && n->network.output_nc == 2) {
        n->input = "L";
        n->output = "Lab"; /* a and b, joined to the input's L */
    }
    return LIMN_OK;
}

/* ---- Settings and state as texts ------------------------------------------------------------- */

/* What a setting does not change about the result, or nobody else should read. */
static bool private_row(const limn_setting *row)
{
    static const char *const names[] = { "dataroot",       "name",         "out",
                                         "init",           "minutes",      "num-threads",
                                         "cache-mib",      "sign-cert",    "save-minutes",
                                         "sign-key",       "threads",      "checkpoints-dir",
                                         "html",           "display-freq", "save-latest-freq",
                                         "save-epoch-freq" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(row->name, names[i])) return true;
    return false;
}

static limn_status settings_texts(limn_saved_text *texts, size_t *count,
                                  const limn_train_settings *settings, bool all, limn_arena *arena,
                                  limn_error *error)
{
    *count = 0;
    for (const limn_setting *row = limn_train_rows(); row->name; row++) {
        const void *field = (const char *)settings + row->offset;
        const char *value;
        char text[VALUE_MAX];

        if (!all && private_row(row)) continue;
        if (row->kind == LIMN_SETTING_TEXT) {
            if (!(value = *(const char *const *)field)) continue;
        } else {
            limn_setting_get(row, settings, text, sizeof text);
            if (!(value = limn_take_text(arena, text)))
                return limn_fail(error, LIMN_NO_MEMORY, "out of memory for the run's settings");
        }
        texts[(*count)++] = (limn_saved_text){ row->name, value };
    }
    return LIMN_OK;
}

#define STATE(X)                                                                                   \
    X(step, whole)                                                                                 \
    X(epoch, whole)                                                                                \
    X(batch, whole)                                                                                \
    X(rate_factor, number)                                                                         \
    X(halved, small)                                                                               \
    X(best_score, number)                                                                          \
    X(best_epoch, whole)                                                                           \
    X(plateau_best, number)                                                                        \
    X(plateau_epochs, whole)                                                                       \
    X(seconds, number)                                                                             \
    X(data_count, whole)                                                                           \
    X(data_hash, whole)

static const char *put_whole(limn_arena *arena, uint64_t value)
{
    return limn_take_format(arena, "%llu", (unsigned long long)value);
}

static const char *put_small(limn_arena *arena, int value)
{
    return limn_take_format(arena, "%d", value);
}

/* The bits: nothing is rounded, and no locale has a word in it. */
static const char *put_number(limn_arena *arena, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    return limn_take_format(arena, "%016llx", (unsigned long long)bits);
}

static limn_status state_texts(limn_saved_text *texts, size_t *count, const limn_train_state *state,
                               limn_arena *arena, limn_error *error)
{
    *count = 0;
#define X(field, kind)                                                                             \
    texts[*count] = (limn_saved_text){ #field, put_##kind(arena, state->field) };                  \
    if (!texts[(*count)++].value)                                                                  \
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for the run's state");
    STATE(X)
#undef X
    return LIMN_OK;
}

/* How the run's convolutions are computed: beside the state, because it is a table. */
static limn_status choices_text(limn_saved_text *texts, size_t *count, const limn_trainer *t,
                                limn_arena *arena, limn_error *error)
{
    char *table;

    LIMN_TRY(limn_choices_write(t->choices, NULL, &table, arena, error));
    texts[(*count)++] = (limn_saved_text){ "choices", table };
    return LIMN_OK;
}

static void get_whole(uint64_t *field, const char *text)
{
    *field = strtoull(text, NULL, 10);
}

static void get_small(int *field, const char *text)
{
    *field = atoi(text);
}

static void get_number(double *field, const char *text)
{
    uint64_t bits = strtoull(text, NULL, 16);

    memcpy(field, &bits, sizeof bits);
}

static limn_status read_state(limn_train_state *state, const limn_model_card *card,
                              const char *path, limn_error *error)
{
    const char *text;

#define X(field, kind)                                                                             \
    if (!(text = limn_model_text(card->state, card->state_count, #field)))                         \
        return limn_fail(error, LIMN_FORMAT,                                                       \
                         "%s: its state has no %s, so a training can't go on from it", path,       \
                         #field);                                                                  \
    get_##kind(&state->field, text);
    STATE(X)
#undef X
    return LIMN_OK;
}

/* ---- Saving ---------------------------------------------------------------------------------- */

static limn_status save(const char *path, limn_trainer *t, const limn_train_state *state,
                        const limn_ema *ema, limn_arena *arena, limn_error *error)
{
    limn_saved_text settings[TEXTS_MAX], states[TEXTS_MAX];
    limn_model_more more = { .moments = true };
    limn_model_card card = {
        .checkpoint = true,
        .recipe = t->recipe->name,
        .direction = t->train->direction ? "BtoA" : "AtoB",
        .generator = t->generators[0],
        .settings = settings,
        .state = states,
    };

    LIMN_TRY(settings_texts(settings, &card.setting_count, t->train, true, arena, error));
    LIMN_TRY(state_texts(states, &card.state_count, state, arena, error));
    LIMN_TRY(choices_text(states, &card.state_count, t, arena, error));
    for (int i = 0; i < limn_weights_count(t->weights); i++)
        LIMN_TRY(add_network(&card, t, limn_weights_at(t->weights, i)->network, error));
    if (ema->trainer) {
        more.extra = ema->saved;
        more.extra_count = (size_t)ema->count;
    }
    return limn_model_save(path, &card, t->weights, &more, error);
}

limn_status limn_run_save(const char *path, limn_trainer *t, const limn_train_state *state,
                          const limn_ema *ema, limn_error *error)
{
    limn_arena arena;
    limn_status status;

    limn_arena_open(&arena, "checkpoint", 0);
    status = save(path, t, state, ema, &arena, error);
    limn_arena_close(&arena);
    return status ? limn_while(error, "the checkpoint was not saved") : LIMN_OK;
}

limn_status limn_run_save_model(const char *path, limn_trainer *t, const limn_train_state *state,
                                const limn_saved_text *record, size_t record_count,
                                limn_error *error)
{
    limn_saved_text settings[TEXTS_MAX], records[TEXTS_MAX];
    limn_model_card card = {
        .recipe = t->recipe->name,
        .direction = t->train->direction ? "BtoA" : "AtoB",
        .generator = t->generators[0],
        .settings = settings,
        .record = records,
    };
    limn_status status = LIMN_OK;
    limn_arena arena;
    size_t n = 0;

    limn_arena_open(&arena, "model's card", 0);
    for (int i = 0; i < t->generator_count && !status; i++)
        status = add_network(&card, t, t->generators[i], error);
    if (!status)
        status = settings_texts(settings, &card.setting_count, t->train, false, &arena, error);
    records[n++] = (limn_saved_text){ "epochs", put_whole(&arena, state->epoch) };
    records[n++] = (limn_saved_text){ "steps", put_whole(&arena, state->step) };
    records[n++] = (limn_saved_text){ "data.count", put_whole(&arena, state->data_count) };
    records[n++] = (limn_saved_text){ "screener.sha256", limn_screen_sha256() };
    for (size_t i = 0; i < record_count && n < TEXTS_MAX; i++) records[n++] = record[i];
    card.record_count = n;
    for (size_t i = 0; i < n && !status; i++)
        if (!records[i].value)
            status = limn_fail(error, LIMN_NO_MEMORY, "out of memory for the model's record");
    if (!status) status = limn_model_save(path, &card, t->weights, NULL, error);
    limn_arena_close(&arena);
    return status;
}

/* ---- Reading --------------------------------------------------------------------------------- */

static limn_status open_checkpoint(limn_model **model, const char *path, limn_error *error)
{
    limn_status status = limn_model_open(model, path, error);

    if (status) return status;
    if (limn_model_about(*model)->checkpoint) return LIMN_OK;
    limn_model_close(model);
    return limn_fail(error, LIMN_FORMAT,
                     "%s: is a model and no checkpoint; a training can begin from it with --init",
                     path);
}

limn_status limn_run_settings(limn_train_settings *settings, const limn_recipe **recipe,
                              const char *path, limn_arena *arena, limn_error *error)
{
    limn_model *model;
    limn_status status = open_checkpoint(&model, path, error);
    const limn_model_card *card;

    if (status) return status;
    card = limn_model_about(model);
    *recipe = card->recipe ? limn_recipe_find(card->recipe) : NULL;
    if (!*recipe)
        status = limn_fail(error, LIMN_FORMAT,
                           "%s: was trained by a recipe \"%s\" that limn has "
                           "not",
                           path, card->recipe ? card->recipe : "");
    else
        *settings = limn_train_defaults(*recipe);
    for (size_t i = 0; i < card->setting_count && !status; i++) {
        const char *value = limn_take_text(arena, card->settings[i].value);

        if (!value)
            status = limn_fail(error, LIMN_NO_MEMORY, "out of memory for the run's settings");
        else if (limn_setting_find(limn_train_rows(), card->settings[i].key))
            status = limn_setting_set(limn_train_rows(), settings, card->settings[i].key, value,
                                      error);
    }
    limn_model_close(&model);
    return status ? limn_while(error, "%s", path) : LIMN_OK;
}

static limn_status load_average(const limn_model *model, limn_ema *ema, limn_error *error)
{
    for (int i = 0; ema->trainer && i < ema->count; i++) {
        const limn_saved_tensor *t = limn_model_extra(model, ema->saved[i].name);

        if (!t || t->count != ema->saved[i].count)
            return limn_fail(error, LIMN_FORMAT, "%s: has no tensor %s of the network's size",
                             limn_model_path(model), ema->saved[i].name);
        LIMN_TRY(limn_saved_floats(t, 0, t->count, ema->values[i], error));
    }
    return LIMN_OK;
}

limn_status limn_run_load(const char *path, limn_trainer *t, limn_train_state *state, limn_ema *ema,
                          limn_error *error)
{
    limn_model *model;
    limn_status status = open_checkpoint(&model, path, error);
    const limn_model_card *card;
    const char *text;

    if (status) return status;
    card = limn_model_about(model);
    status = read_state(state, card, path, error);
    if (!status && (text = limn_model_text(card->state, card->state_count, "choices")) &&
        limn_choices_read(t->choices, NULL, text, strlen(text), error))
        status = limn_while(error, "%s", path);
    for (int i = 0; i < card->network_count && !status; i++)
        status = limn_model_load(model, card->networks[i].name, t->weights, NULL, true, error);
    if (!status) status = load_average(model, ema, error);
    limn_model_close(&model);
    return status;
}
