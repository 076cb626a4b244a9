/* SPDX-License-Identifier: Apache-2.0
 *
 * Several engines at once in one process, each on a thread of its own, as a server's jobs are:
 * every one must give the bits that it gives alone.  Anything that two plans share without saying
 * so (a static buffer, a table filled at first use) shows here, and by name when this is built
 * with ThreadSanitizer, without OpenMP, which that does not understand (.ci/run does). */
#include "base/threads.h"
#include "engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WORKERS = 4, STEPS = 2 };

typedef struct job {
    const limn_recipe *recipe;
    limn_compute compute;
    row out;
    limn_error error;
} job;

static limn_status train(job *j, engine *e)
{
    limn_status status = LIMN_OK;

    for (uint64_t step = 0; step < STEPS && !status; step++) {
        status = engine_step(e, 1, step, &j->error);
        if (!status) status = row_reports(&j->out, e, &j->error);
    }
    return status ? status
                  : row_weights(&j->out, e->weights, (unsigned)ENGINE_ALL_KINDS, &j->error);
}

static void work(void *context)
{
    job *j = context;
    limn_recipe_settings settings = engine_small(j->recipe, 4);
    limn_plan_settings plan = { .compute = j->compute };
    engine e;

    settings.height = settings.width = 32;
    if (engine_is_unet(j->recipe)) settings.generator.net = "unet_32";
    if (engine_open(&e, j->recipe, &settings, &plan, 1, &j->error)) return;
    train(j, &e);
    engine_close(&e);
}

static void engines_do_not_meet(limn_compute compute)
{
    job alone[3] = { { .recipe = NULL } }, beside[WORKERS] = { { .recipe = NULL } };
    limn_worker *workers[WORKERS];
    limn_error error = { 0 };

    for (int i = 0; i < WORKERS;
         i++) { /* first, so that nothing has been filled by an earlier run */
        beside[i] = (job){ .recipe = limn_recipes[i % 3], .compute = compute };
        if (limn_worker_start(&workers[i], work, &beside[i], &error)) fail_msg("%s", error.text);
    }
    for (int i = 0; i < WORKERS; i++) limn_worker_join(&workers[i]);
    for (int i = 0; i < 3; i++) {
        alone[i] = (job){ .recipe = limn_recipes[i], .compute = compute };
        work(&alone[i]);
        if (alone[i].error.status) fail_msg("%s", alone[i].error.text);
    }
    for (int i = 0; i < WORKERS; i++) {
        if (beside[i].error.status) fail_msg("%s", beside[i].error.text);
        assert_true(row_same_bits(&beside[i].out, &alone[i % 3].out));
        row_free(&beside[i].out);
    }
    for (int i = 0; i < 3; i++) row_free(&alone[i].out);
}

static void plain_engines_side_by_side(void **state)
{
    (void)state;
    engines_do_not_meet(LIMN_COMPUTE_PLAIN);
}

static void fast_engines_side_by_side(void **state)
{
    (void)state;
    if (!engine_has(LIMN_COMPUTE_FP32)) skip();
    engines_do_not_meet(LIMN_COMPUTE_FP32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_engines_side_by_side),
        cmocka_unit_test(fast_engines_side_by_side),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
