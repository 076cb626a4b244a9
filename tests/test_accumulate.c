/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradient accumulation: a step on four batches of one is the step on a batch of four, for every
 * recipe and for networks whose statistics are a picture's own.
 *
 * Adam's eps is 1 here: with the usual 1e-8 its first updates are signs, and where a gradient is
 * nearly zero rounding decides.  With 1 the update is as smooth as the gradient, so a wrong share,
 * a critic that was not updated before the generator is judged, or a part that was left out is
 * measured.  (The learning rate is large for that reason too.) */
#include "base/random.h"
#include "train/trainer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { SIDE = 32, PICTURES = 4, STEPS = 3, FLOATS = PICTURES * 3 * SIDE * SIDE };

static float pictures[2][FLOATS];

typedef struct outcome {
    float *values; /* of all weights, one behind the other */
    size_t count;
    double losses[STEPS][LIMN_LOSSES_MAX];
    int loss_count, steps;
} outcome;

/* Trains on the same four pictures, each step in so many parts. */
static outcome train(const char *name, limn_norm norm, int compute, int parts, int steps)
{
    static const char *const terms[][2] = { { "nce-layers", "0,4,8" },
                                            { "num-patches", "8" },
                                            { "pool-size", "3" } };
    limn_recipe recipe = *limn_recipe_find(name);
    limn_recipe_settings defaults = *recipe.defaults;
    limn_train_settings s;
    limn_error error = { 0 };
    const limn_data_item *items[PICTURES] = { NULL };
    limn_shape shape = { PICTURES, 3, SIDE, SIDE };
    limn_batch batch = { .count = PICTURES,
                         .a_shape = shape,
                         .b_shape = shape,
                         .a = pictures[0],
                         .b = pictures[1],
                         .a_items = items,
                         .b_items = items };
    outcome o = { .steps = steps };
    limn_trainer t;

    defaults.adam.eps = 1;
    recipe.defaults = &defaults;
    s = limn_train_defaults(&recipe);
    s.netG = recipe.unpaired ? "resnet_1blocks" : "unet_32";
    s.netD = "n_layers";
    s.ngf = s.ndf = 4;
    s.n_layers_D = 2;
    s.norm = norm;
    s.dropout = false;
    s.init_type = 0;
    s.init_gain = 0.2; /* so that gradients are not tiny beside eps */
    s.preparation.crop_size = SIDE;
    s.compute = compute;
    s.threads = 1;
    s.accumulate = parts;
    s.batch_size = PICTURES / parts;
    for (size_t i = 0; i < sizeof terms / sizeof *terms; i++)
        if (limn_setting_find(recipe.rows, terms[i][0]))
            assert_false(limn_setting_set(limn_train_rows(), &s, terms[i][0], terms[i][1], &error));
    if (limn_trainer_open(&t, &recipe, &s, &error)) fail_msg("%s", error.text);
    for (int step = 0; step < steps; step++) {
        if (limn_trainer_step(&t, &batch, (uint64_t)step, 0.3, &error)) fail_msg("%s", error.text);
        for (int i = 0; i < t.loss_count; i++) o.losses[step][i] = t.losses[i];
    }
    o.loss_count = t.loss_count;
    for (int round = 0; round < 2; round++) {
        size_t used = 0;

        for (int i = 0; i < limn_weights_count(t.weights); i++) {
            const limn_parameter_info *info = limn_weights_at(t.weights, i);

            if (info->kind != LIMN_PARAMETER_WEIGHT && info->kind != LIMN_PARAMETER_VECTOR)
                continue;
            if (round) assert_false(limn_weights_get(t.weights, i, o.values + used, &error));
            used += limn_count(info->shape);
        }
        if (!round) assert_non_null(o.values = limn_block(used * sizeof *o.values));
        o.count = used;
    }
    limn_trainer_close(&t);
    return o;
}

/* The largest difference of weights and losses, relative to 1 and up. */
static double distance(const outcome *a, const outcome *b)
{
    double worst = 0;

    assert_int_equal(a->count, b->count);
    assert_int_equal(a->loss_count, b->loss_count);
    for (size_t i = 0; i < a->count; i++)
        worst = fmax(worst, fabs((double)a->values[i] - (double)b->values[i]));
    for (int s = 0; s < a->steps; s++)
        for (int i = 0; i < a->loss_count; i++)
            worst = fmax(worst,
                         fabs(a->losses[s][i] - b->losses[s][i]) / fmax(1, fabs(a->losses[s][i])));
    return worst;
}

/* One step is determined.  In later ones a ReLU or an L1 may fall to the other side of its corner
 * for a rounding's sake, which moves weights by some thousandths: they are held to that. */
static void same_as_a_large_batch(const char *recipe, int compute)
{
    for (int steps = 1; steps <= STEPS; steps += STEPS - 1) {
        outcome whole = train(recipe, LIMN_NORM_INSTANCE, compute, 1, steps);

        for (int parts = 2; parts <= PICTURES; parts += 2) {
            outcome split = train(recipe, LIMN_NORM_INSTANCE, compute, parts, steps);
            double far = distance(&whole, &split);

            if (!(far < (steps == 1 ? 1e-5 : 1e-2)))
                fail_msg("%s in %d parts is off by %g after %d steps", recipe, parts, far, steps);
            limn_block_free(split.values);
        }
        limn_block_free(whole.values);
    }
}

static void test_pix2pix(void **state)
{
    (void)state;
    same_as_a_large_batch("pix2pix", LIMN_COMPUTE_FP32);
    same_as_a_large_batch("pix2pix", LIMN_COMPUTE_PLAIN);
}

static void test_cycle_gan(void **state)
{
    (void)state;
    same_as_a_large_batch("cycle_gan", LIMN_COMPUTE_FP32);
}

static void test_cut(void **state)
{
    (void)state;
    same_as_a_large_batch("cut", LIMN_COMPUTE_FP32);
    same_as_a_large_batch("fastcut", LIMN_COMPUTE_FP32);
}

/* The measure can tell: one part left out of the step is far away, and so is batch norm, whose
 * statistics are those of a part. */
static void test_measure(void **state)
{
    outcome whole = train("pix2pix", LIMN_NORM_INSTANCE, LIMN_COMPUTE_FP32, 1, 1), other;
    outcome batch = train("pix2pix", LIMN_NORM_BATCH, LIMN_COMPUTE_FP32, 1, 1), split;
    float kept[FLOATS];

    (void)state;
    memcpy(kept, pictures[0], sizeof kept);
    memcpy(pictures[0], pictures[0] + FLOATS / 4, FLOATS / 4 * sizeof(float));
    other = train("pix2pix", LIMN_NORM_INSTANCE, LIMN_COMPUTE_FP32, 4, 1);
    memcpy(pictures[0], kept, sizeof kept);
    split = train("pix2pix", LIMN_NORM_BATCH, LIMN_COMPUTE_FP32, 4, 1);
    assert_true(distance(&whole, &other) > 1e-3);
    assert_true(distance(&batch, &split) > 1e-3);
    assert_true(distance(&batch, &split) < 1e3); /* and it trains */
    limn_block_free(whole.values);
    limn_block_free(other.values);
    limn_block_free(batch.values);
    limn_block_free(split.values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pix2pix),
        cmocka_unit_test(test_cycle_gan),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_measure),
    };

    for (int side = 0; side < 2; side++)
        for (size_t i = 0; i < FLOATS; i++)
            pictures[side][i] = 2 * limn_random_uniform(
                                        &(limn_random){ .seed = 3, .stream = (uint32_t)side }, i) -
                                1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
