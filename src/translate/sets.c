/* SPDX-License-Identifier: Apache-2.0
 *
 * Scoring without pairs: what a model makes of one side of a folder against the other side.
 *
 * Pictures are prepared and translated as for pairs (report.c).  A model that goes both ways is
 * opened a second time, the other way round, for the cycle error. */
#include "data/loader.h"
#include "recipe/recipe.h"
#include "score/unpaired.h"
#include "translate/report.h"

#include <math.h>
#include <string.h>

typedef struct comparing {
    const limn_score_settings *settings;
    limn_translator *t, *back; /* back: NULL where the model goes one way */
    limn_data data;
    limn_loader_settings loading;
    limn_unpaired sets;
    bool identity;
    float *values[2]; /* room for what is made, and made of that */
    size_t room;
} comparing;

static limn_status take_room(comparing *c, limn_shape shape, limn_error *error)
{
    int channels = c->t->description.input_nc > c->t->description.output_nc
                       ? c->t->description.input_nc
                       : c->t->description.output_nc;
    size_t count = (size_t)channels * (size_t)shape.h * (size_t)shape.w;

    if (count <= c->room) return LIMN_OK;
    c->room = 0;
    for (int i = 0; i < 2; i++) {
        limn_block_free(c->values[i]);
        if (!(c->values[i] = limn_block(count * sizeof(float))))
            return limn_fail(error, LIMN_NO_MEMORY, "out of memory for a picture of %d x %d",
                             shape.w, shape.h);
    }
    c->room = count;
    return LIMN_OK;
}

static limn_planes planes_of(const float *values, int channels, limn_shape shape)
{
    return (limn_planes){ values, channels, shape.h, shape.w };
}

static limn_status input(comparing *c, const limn_batch *b, limn_error *error)
{
    limn_shape s = b->a_shape;
    const char *name = b->a_items[0]->name;
    int made = c->t->description.output_nc;

    LIMN_TRY(limn_translator_fits(c->t, s.h, s.w, name, error));
    LIMN_TRY(take_room(c, s, error));
    LIMN_TRY(limn_translator_planes(c->t, b->a, c->values[0], s.h, s.w, 0, name, error));
    LIMN_TRY(limn_unpaired_real(&c->sets, 0, planes_of(b->a, s.c, s), error));
    LIMN_TRY(limn_unpaired_made(&c->sets, 0, planes_of(c->values[0], made, s), error));
    if (!c->back) return LIMN_OK;
    LIMN_TRY(limn_translator_planes(c->back, c->values[0], c->values[1], s.h, s.w, 0, name, error));
    limn_unpaired_cycle(&c->sets, limn_score_l1(c->values[1], b->a, limn_count(s)));
    return LIMN_OK;
}

static limn_status other(comparing *c, const limn_batch *b, limn_error *error)
{
    limn_shape s = b->b_shape;
    const char *name = b->b_items[0]->name;

    LIMN_TRY(limn_unpaired_real(&c->sets, 1, planes_of(b->b, s.c, s), error));
    if (!c->identity) return LIMN_OK;
    LIMN_TRY(limn_translator_fits(c->t, s.h, s.w, name, error));
    LIMN_TRY(take_room(c, s, error));
    LIMN_TRY(limn_translator_planes(c->t, b->b, c->values[0], s.h, s.w, 0, name, error));
    limn_unpaired_identity(&c->sets, limn_score_l1(c->values[0], b->b, limn_count(s)));
    return LIMN_OK;
}

static limn_status go_through(comparing *c, limn_translate_progress progress, void *context,
                              limn_error *error)
{
    size_t inputs = c->loading.b_to_a ? c->data.b.count : c->data.a.count;
    size_t others = c->loading.b_to_a ? c->data.a.count : c->data.b.count;
    size_t total = limn_data_length(&c->data);
    limn_loader *loader;
    limn_batch batch;
    limn_status status = LIMN_OK;

    LIMN_TRY(limn_loader_open(&loader, &c->data, &c->loading, 0, 0, error));
    for (size_t i = 0; i < total && !status; i++) { /* the shorter side begins again */
        status = limn_loader_next(loader, &batch, error);
        if (!status && i < inputs) status = input(c, &batch, error);
        if (!status && i < others) status = other(c, &batch, error);
        if (!status && progress) {
            limn_translate_event event = { "", NULL, LIMN_OK, NULL, i + 1, total };

            if (!progress(context, &event))
                status = limn_fail(error, LIMN_STOPPED, "stopped after %zu of %zu pictures", i + 1,
                                   total);
        }
    }
    limn_loader_close(&loader);
    return status;
}

/* The other way round, for models that have one. */
static limn_status open_back(comparing *c, const char *model,
                             const limn_translate_settings *settings, limn_error *error)
{
    const limn_model_card *card = limn_model_about(c->t->model);
    limn_translate_settings turned = *settings;

    if (card->network_count != 2) return LIMN_OK;
    turned.direction = c->loading.b_to_a ? "AtoB" : "BtoA";
    return limn_translator_open(&c->back, model, &turned, error);
}

/* Whether the training held pictures of B to themselves. */
static bool trains_identity(const limn_translator *t, const limn_recipe *recipe)
{
    static const char *const names[] = { "lambda-identity", "nce-idt" };
    const limn_model_card *card = limn_model_about(t->model);

    if (t->description.input_nc != t->description.output_nc || !recipe->rows) return false;
    for (int i = 0; i < 2; i++) {
        const char *text = limn_model_text(card->settings, card->setting_count, names[i]);

        if (limn_setting_find(recipe->rows, names[i]) && text && strcmp(text, "0") &&
            strcmp(text, "false"))
            return true;
    }
    return false;
}

/* How the model learned without pairs, by its card alone: a model of pairs is only asked in
 * passing, and its network, its plan and the screen are for limn_score_folder to open.  NULL: with
 * pairs. */
static limn_status unpaired_recipe(const limn_recipe **out, const char *path, limn_error *error)
{
    limn_model *model;

    *out = NULL;
    LIMN_TRY(limn_model_open(&model, path, error));
    if (limn_model_about(model)->recipe) *out = limn_recipe_find(limn_model_about(model)->recipe);
    if (*out && !(*out)->unpaired) *out = NULL;
    limn_model_close(&model);
    return LIMN_OK;
}

/* Pictures of one name on both sides can be scored as pairs as well. */
static bool are_pairs(const limn_data *data)
{
    if (data->a.count != data->b.count) return false;
    for (size_t i = 0; i < data->a.count; i++) {
        const char *a = data->a.items[i].name, *b = data->b.items[i].name;
        const char *end = strrchr(a, '.'), *end_b = strrchr(b, '.');

        if (!end || !end_b || end - a != end_b - b || strncmp(a, b, (size_t)(end - a)))
            return false;
    }
    return true;
}

static limn_status compare(comparing *c, limn_set_score *out, const char *model, const char *folder,
                           limn_translate_progress progress, void *context, limn_error *error)
{
    limn_translate_settings settings = limn_translate_defaults();
    limn_data_query query = { .root = folder,
                              .pairing = LIMN_UNPAIRED,
                              .phase = (limn_phase)c->settings->phase,
                              .max_size = c->settings->max_size };
    const limn_recipe *recipe;
    limn_unpaired_scores scores;
    limn_status status;

    settings.direction = c->settings->direction;
    settings.compute = c->settings->compute;
    settings.threads = c->settings->threads;
    LIMN_TRY(unpaired_recipe(&recipe, model, error));
    if (!recipe) return LIMN_OK;
    status = limn_data_open(&c->data, &query, error);
    if (status && limn_data_has(folder, LIMN_PAIRED, query.phase)) return LIMN_OK;
    LIMN_TRY(status);
    if (c->data.a.count < 2 || c->data.b.count < 2)
        return limn_fail(error, LIMN_FORMAT,
                         "%s: has %zu and %zu pictures for --phase %s; sets are compared from two "
                         "on each side",
                         folder, c->data.a.count, c->data.b.count, limn_phase_name(query.phase));
    LIMN_TRY(limn_translator_open(&c->t, model, &settings, error));
    c->loading = limn_score_loading(c->t, c->settings);
    c->identity = trains_identity(c->t, recipe);
    LIMN_TRY(open_back(c, model, &settings, error));
    LIMN_TRY(limn_unpaired_begin(&c->sets, limn_data_length(&c->data),
                                 c->settings->compute == LIMN_COMPUTE_PLAIN, error));
    LIMN_TRY(go_through(c, progress, context, error));
    LIMN_TRY(limn_unpaired_end(&c->sets, 1, 1, &scores, error));
    *out = (limn_set_score){ .distance = scores.distance.value,
                             .low = scores.distance.low,
                             .high = scores.distance.high,
                             .untranslated = scores.untranslated,
                             .means_something = scores.means_something,
                             .outputs = scores.distance.x_count,
                             .pictures = scores.distance.y_count,
                             .cycle = scores.cycle,
                             .identity = scores.identity,
                             .are_pairs = are_pairs(&c->data),
                             .features = limn_features_about() };
    return LIMN_OK;
}

limn_status limn_score_sets(limn_set_score *out, const char *model, const char *folder,
                            const limn_score_settings *settings, limn_translate_progress progress,
                            void *context, limn_error *error)
{
    limn_score_settings own = settings ? *settings : limn_score_defaults();
    comparing c = { .settings = &own };
    limn_status status;

    *out = (limn_set_score){ .features = limn_features_about() };
    status = compare(&c, out, model, folder, progress, context, error);
    limn_unpaired_close(&c.sets);
    limn_data_close(&c.data);
    limn_translator_close(&c.back);
    limn_translator_close(&c.t);
    limn_block_free(c.values[0]);
    limn_block_free(c.values[1]);
    return status;
}
