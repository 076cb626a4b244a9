/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores without pairs: see unpaired.h. */
#include "score/unpaired.h"

#include <math.h>

limn_unpaired_scores limn_unpaired_none(void)
{
    return (limn_unpaired_scores){ .distance = { NAN, NAN, NAN, 0, 0 },
                                   .untranslated = (double)NAN,
                                   .cycle = (double)NAN,
                                   .identity = (double)NAN };
}

static void forget(limn_unpaired *u)
{
    for (int i = 0; i < LIMN_UNPAIRED_WAYS; i++) {
        limn_block_free(u->real[i]);
        limn_block_free(u->made[i]);
        u->real[i] = u->made[i] = NULL;
        u->real_count[i] = u->made_count[i] = 0;
    }
    u->most = 0;
    u->known = false;
}

void limn_unpaired_close(limn_unpaired *u)
{
    forget(u);
    limn_features_close(&u->network);
}

limn_status limn_unpaired_begin(limn_unpaired *u, size_t most, bool plain, limn_error *error)
{
    size_t bytes = (most + 1) * LIMN_FEATURE_COUNT * sizeof(float);

    if (!u->network) LIMN_TRY(limn_features_open(&u->network, plain, error));
    if (u->most != most) forget(u);
    for (int i = 0; i < LIMN_UNPAIRED_WAYS; i++) {
        if (!u->real[i]) u->real[i] = limn_block(bytes);
        if (!u->made[i]) u->made[i] = limn_block(bytes);
        if (!u->real[i] || !u->made[i])
            return limn_fail(error, LIMN_NO_MEMORY, "out of memory for features of %zu pictures",
                             most);
        u->made_count[i] = 0;
        if (!u->known) u->real_count[i] = 0;
    }
    u->most = most;
    u->cycle_sum = u->identity_sum = 0;
    u->cycle_count = u->identity_count = 0;
    return LIMN_OK;
}

static limn_status add(limn_unpaired *u, float *rows, size_t *count, const limn_planes *p,
                       limn_error *error)
{
    if (*count >= u->most) return LIMN_OK;
    LIMN_TRY(limn_features_of(u->network, p->values, p->channels, p->height, p->width,
                              rows + *count * LIMN_FEATURE_COUNT, error));
    ++*count;
    return LIMN_OK;
}

limn_status limn_unpaired_real(limn_unpaired *u, int side, limn_planes planes, limn_error *error)
{
    if (u->known) return LIMN_OK;
    return add(u, u->real[side], &u->real_count[side], &planes, error);
}

limn_status limn_unpaired_made(limn_unpaired *u, int way, limn_planes planes, limn_error *error)
{
    return add(u, u->made[way], &u->made_count[way], &planes, error);
}

void limn_unpaired_cycle(limn_unpaired *u, double l1)
{
    u->cycle_sum += l1;
    u->cycle_count++;
}

void limn_unpaired_identity(limn_unpaired *u, double l1)
{
    u->identity_sum += l1;
    u->identity_count++;
}

static limn_status measure(limn_unpaired *u, int ways, uint64_t seed, limn_distance *out,
                           limn_error *error)
{
    double below = 0, above = 0;

    *out = (limn_distance){ .x_count = SIZE_MAX, .y_count = SIZE_MAX };
    for (int way = 0; way < ways; way++) {
        int to = 1 - way;
        limn_distance d;

        LIMN_TRY(limn_distance_between(&d, u->made[way], u->made_count[way], u->real[to],
                                       u->real_count[to], LIMN_FEATURE_COUNT, seed, error));
        out->value += d.value / ways;
        below += (d.value - d.low) * (d.value - d.low);
        above += (d.high - d.value) * (d.high - d.value);
        if (d.x_count < out->x_count) out->x_count = d.x_count;
        if (d.y_count < out->y_count) out->y_count = d.y_count;
    }
    out->low = out->value - sqrt(below) / ways;
    out->high = out->value + sqrt(above) / ways;
    return LIMN_OK;
}

limn_status limn_unpaired_end(limn_unpaired *u, int ways, uint64_t seed, limn_unpaired_scores *out,
                              limn_error *error)
{
    *out = limn_unpaired_none();
    if (u->cycle_count) out->cycle = u->cycle_sum / (double)u->cycle_count;
    if (u->identity_count) out->identity = u->identity_sum / (double)u->identity_count;
    if (ways > LIMN_UNPAIRED_WAYS) ways = LIMN_UNPAIRED_WAYS;
    for (int way = 0; way < ways; way++)
        if (u->made_count[way] < 2 || u->real_count[1 - way] < 2) return LIMN_OK;
    if (!u->known && u->real_count[0] >= 2) {
        limn_distance d;

        LIMN_TRY(limn_distance_between(&d, u->real[0], u->real_count[0], u->real[1],
                                       u->real_count[1], LIMN_FEATURE_COUNT, seed, error));
        u->untranslated = d.value;
        u->known = true;
    }
    out->untranslated = u->untranslated;
    LIMN_TRY(measure(u, ways, seed, &out->distance, error));
    out->means_something = limn_distance_means_something(&out->distance, out->untranslated);
    return LIMN_OK;
}
