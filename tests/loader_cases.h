/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of the loader share: one list, one loader, one error. */
#ifndef LIMN_TESTS_LOADER_CASES_H
#define LIMN_TESTS_LOADER_CASES_H

#include "base/threads.h"
#include "data/loader.h"
#include "data_files.h"

#include <math.h>
#include <setjmp.h>

#include <cmocka.h>

enum { PICTURES = 11 };

static limn_error error;
static limn_data data;
static limn_loader *loader;

static inline int start(void **state)
{
    (void)state;
    scratch_open(&root);
    error = (limn_error){ 0 };
    return 0;
}

static inline int stop(void **state)
{
    (void)state;
    limn_memory_refuse_after(-1);
    limn_worker_refuse_after(-1);
    limn_loader_close(&loader);
    limn_data_close(&data);
    scratch_close(&root);
    return limn_memory_live_blocks() ? -1 : 0;
}

static inline void list(limn_pairing pairing)
{
    limn_data_query query = { .root = root.folder, .pairing = pairing, .no_hold_out = true };

    limn_loader_close(&loader); /* it reads data ahead */
    limn_data_close(&data);
    assert_int_equal(limn_data_open(&data, &query, &error), LIMN_OK);
}

static inline void assert_says(const char *words)
{
    if (!strstr(error.text, words)) fail_msg("\"%s\" is not in: %s", words, error.text);
}

/* Small crops, everything drawn. */
static inline limn_loader_settings small(void)
{
    limn_loader_settings s = LIMN_LOADER_DEFAULTS;

    s.preparation.load_size = 12;
    s.preparation.crop_size = 8;
    s.seed = 77;
    return s;
}

static inline void open_at(const limn_loader_settings *s, uint64_t epoch, uint64_t number)
{
    limn_loader_close(&loader);
    if (limn_loader_open(&loader, &data, s, epoch, number, &error)) fail_msg("%s", error.text);
}

static inline limn_batch next(void)
{
    limn_batch batch;

    if (limn_loader_next(loader, &batch, &error)) fail_msg("%s", error.text);
    return batch;
}

static inline uint64_t add(uint64_t sum, const void *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) sum = (sum ^ ((const uint8_t *)bytes)[i]) * 1099511628211u;
    return sum;
}

/* Everything that a batch says, in one number. */
static inline uint64_t sum_of(const limn_batch *b)
{
    uint64_t sum = add(b->epoch * 31 + b->number, b->a, limn_count(b->a_shape) * sizeof(float));

    sum = add(sum, b->b, limn_count(b->b_shape) * sizeof(float));
    sum = add(sum, &b->a_kept, sizeof b->a_kept);
    sum = add(sum, &b->fresh, sizeof b->fresh);
    for (int i = 0; i < b->count; i++) {
        sum = add(sum, b->a_items[i]->name, strlen(b->a_items[i]->name));
        sum = add(sum, b->b_items[i]->name, strlen(b->b_items[i]->name));
    }
    return sum;
}

#endif
