/* SPDX-License-Identifier: Apache-2.0
 *
 * The handle of a training: beginning, its settings, stopping, ending. */
#include "train/train_inside.h"

#include <string.h>

static limn_status begin(limn_training *t, const char *model, const char *resume, limn_error *error)
{
    const char *names[16];
    char list[200];
    size_t count = 0;
    const char *path;

    if (resume) {
        if (!(t->resume = limn_take_text(&t->arena, resume)) ||
            !(path = limn_take_format(&t->arena, "%s/checkpoint.safetensors", resume)))
            return limn_fail(error, LIMN_NO_MEMORY, "out of memory for a training");
        LIMN_TRY(limn_run_settings(&t->settings, &t->recipe, path, &t->arena, error));
        t->first = t->settings;
        return LIMN_OK;
    }
    if (!model) model = limn_recipes[0]->name;
    if (!(t->recipe = limn_recipe_find(model))) {
        for (; limn_recipes[count] && count < 16; count++) names[count] = limn_recipes[count]->name;
        path = limn_nearest(model, names, count);
        if (path)
            return limn_fail(error, LIMN_SETTING,
                             "there is no recipe \"%s\"; did you mean --model %s?", model, path);
        return limn_fail(error, LIMN_SETTING, "there is no recipe \"%s\"; --model is one of %s",
                         model, limn_recipe_names(list, sizeof list, ", "));
    }
    t->settings = limn_train_defaults(t->recipe);
    return LIMN_OK;
}

limn_status limn_train_begin(limn_training **out, const char *model, const char *resume,
                             limn_error *error)
{
    limn_status status;

    LIMN_TRY(limn_open_in_arena(out, sizeof **out, "training", 0, error));
    atomic_init(&(*out)->stop, 0);
    if (!(status = begin(*out, model, resume, error))) return LIMN_OK;
    limn_train_end(out);
    return resume ? limn_while(error, "can't go on with %s", resume) : status;
}

limn_status limn_train_set(limn_training *t, const char *name, const char *value, limn_error *error)
{
    const char *copy = limn_take_text(&t->arena, value);

    if (!copy) return limn_fail(error, LIMN_NO_MEMORY, "out of memory for --%s", name);
    return limn_setting_set(limn_train_rows(), &t->settings, name, copy, error);
}

void *limn_train_fields(limn_training *t)
{
    return &t->settings;
}

const char *limn_train_folder(const limn_training *t)
{
    return t->folder ? t->folder : t->resume ? t->resume : t->settings.out;
}

double limn_train_wait_share(const limn_training *t)
{
    return t->wait_share;
}

void limn_train_stop(limn_training *t)
{
    atomic_store(&t->stop, 1);
}

void limn_train_end(limn_training **training)
{
    limn_training *t = *training;

    if (!t) return;
    limn_loader_close(&t->loader);
    limn_validator_close(&t->validator);
    limn_ema_close(&t->ema);
    limn_trainer_close(&t->trainer);
    limn_data_close(&t->data);
    limn_data_close(&t->val);
    limn_publisher_close(&t->publisher);
    limn_history_close(&t->history);
    limn_close_in_arena(training);
}
