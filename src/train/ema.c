/* SPDX-License-Identifier: Apache-2.0
 *
 * The moving average of the generators' weights: see ema.h. */
#include "train/ema.h"

#include <math.h>
#include <string.h>

static bool averaged(const limn_trainer *t, const limn_parameter_info *info)
{
    if (info->kind == LIMN_PARAMETER_MOMENT || info->kind == LIMN_PARAMETER_SUM) return false;
    for (int i = 0; i < t->generator_count; i++)
        if (!strcmp(info->network, t->generators[i])) return true;
    return false;
}

static limn_status take(limn_ema *e, int index, limn_error *error)
{
    const limn_parameter_info *info = limn_weights_at(e->trainer->weights, index);
    size_t count = limn_count(info->shape);
    int i = e->count;

    e->index[i] = index;
    e->values[i] = limn_block(count * sizeof(float));
    e->kept[i] = limn_block(count * sizeof(float));
    e->count++;
    e->saved[i] = (limn_saved_tensor){
        .name = limn_take_format(&e->arena, "ema.%s", info->name),
        .type = LIMN_F32,
        .dims = 4,
        .size = { info->shape.n, info->shape.c, info->shape.h, info->shape.w },
        .count = count,
        .data = e->values[i],
    };
    if (!e->values[i] || !e->kept[i] || !e->saved[i].name)
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for the moving average of %s",
                         info->name);
    return limn_weights_get(e->trainer->weights, index, e->values[i], error);
}

limn_status limn_ema_open(limn_ema *e, limn_trainer *t, double decay, limn_error *error)
{
    int all = limn_weights_count(t->weights);
    size_t room = (size_t)all;
    limn_status status;

    *e = (limn_ema){ .decay = decay };
    if (decay <= 0) return LIMN_OK;
    e->trainer = t;
    limn_arena_open(&e->arena, "moving average", 0);
    status = limn_take_into(&e->index, &e->arena, room * sizeof *e->index, error);
    if (!status) status = limn_take_into(&e->values, &e->arena, room * sizeof *e->values, error);
    if (!status) status = limn_take_into(&e->kept, &e->arena, room * sizeof *e->kept, error);
    if (!status) status = limn_take_into(&e->saved, &e->arena, room * sizeof *e->saved, error);
    for (int i = 0; i < all && !status; i++)
        if (averaged(t, limn_weights_at(t->weights, i))) status = take(e, i, error);
    if (status) limn_ema_close(e);
    return status;
}

void limn_ema_close(limn_ema *e)
{
    for (int i = 0; i < e->count; i++) {
        limn_block_free(e->values[i]);
        limn_block_free(e->kept[i]);
    }
    limn_arena_close(&e->arena);
    *e = (limn_ema){ 0 };
}

limn_status limn_ema_update(limn_ema *e, uint64_t step, limn_error *error)
{
    float old, fresh;

    if (!e->trainer || step % LIMN_EMA_EVERY) return LIMN_OK;
    /* Early on the average must not remember the first values: min(decay, (1 + n) / (10 + n)). */
    old = (float)pow(fmin(e->decay, (1 + (double)step) / (10 + (double)step)), LIMN_EMA_EVERY);
    fresh = 1 - old;
    for (int i = 0; i < e->count; i++) {
        const limn_parameter_info *info = limn_weights_at(e->trainer->weights, e->index[i]);
        bool learned = info->kind == LIMN_PARAMETER_WEIGHT || info->kind == LIMN_PARAMETER_VECTOR;
        size_t count = limn_count(info->shape);

        LIMN_TRY(limn_weights_get(e->trainer->weights, e->index[i], e->kept[i], error));
        if (!learned) /* running statistics are averages already */
            memcpy(e->values[i], e->kept[i], count * sizeof(float));
        for (size_t k = 0; k < count && learned; k++)
            e->values[i][k] = old * e->values[i][k] + fresh * e->kept[i][k];
    }
    return LIMN_OK;
}

limn_status limn_ema_show(limn_ema *e, limn_error *error)
{
    for (int i = 0; e->trainer && i < e->count; i++) {
        LIMN_TRY(limn_weights_get(e->trainer->weights, e->index[i], e->kept[i], error));
        LIMN_TRY(limn_weights_set(e->trainer->weights, e->index[i], e->values[i], error));
    }
    return LIMN_OK;
}

limn_status limn_ema_hide(limn_ema *e, limn_error *error)
{
    for (int i = 0; e->trainer && i < e->count; i++)
        LIMN_TRY(limn_weights_set(e->trainer->weights, e->index[i], e->kept[i], error));
    return LIMN_OK;
}
