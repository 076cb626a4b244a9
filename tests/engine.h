/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of the whole engine share: recipes and networks small enough to run hundreds of
 * times, fed with noise, and everything that came out as one row of numbers.  The row is what is
 * compared: bit for bit, or by norm. */
#ifndef LIMN_TESTS_ENGINE_H
#define LIMN_TESTS_ENGINE_H

#include "net/plan.h"
#include "recipe/recipe.h"

#include <string.h>

typedef struct engine {
    limn_graph *graph;
    limn_weights *weights;
    limn_plan *plan;
} engine;

/* A recipe that runs in milliseconds.  With a U-Net: unet_64 and basic, 64 x 64 pixels.  With a
 * ResNet: resnet_2blocks and n_layers, or pixel where features are compared; 32 x 64.  Batch 1. */
limn_recipe_settings engine_small(const limn_recipe *recipe, int filters);
/* Sets what only this recipe has; false when it has no such setting. */
bool engine_term(const limn_recipe *recipe, limn_recipe_settings *settings, const char *name,
                 const char *value);
static inline bool engine_is_unet(const limn_recipe *recipe)
{
    return !strncmp(recipe->defaults->generator.net, "unet", 4);
}

/* Graph of one training step, weights drawn by the seed (0: left zero), plan.  Everything is closed
 * again on failure. */
limn_status engine_open(engine *e, const limn_recipe *recipe, const limn_recipe_settings *settings,
                        const limn_plan_settings *plan, uint64_t seed, limn_error *error);
/* The same for a network alone: input "x" (batch, input_nc, h, w), output "y", weights named "G".
 */
limn_status engine_open_network(engine *e, const limn_network *network, limn_shape shape,
                                const limn_plan_settings *plan, uint64_t seed, limn_error *error);
void engine_close(engine *e);

/* Noise into every input, other noise each step; positions of patches where an input is such. */
limn_status engine_feed(engine *e, uint64_t step, limn_error *error);
/* Feeds and runs one step; learning rate 2e-4. */
limn_status engine_step(engine *e, uint64_t seed, uint64_t step, limn_error *error);

typedef struct row {
    float *values; /* from limn_block */
    size_t count, room;
} row;

void row_free(row *r);
/* Appends everything reported; the weights (moments and statistics too) of those kinds whose bit is
 * set in kinds. */
limn_status row_reports(row *r, engine *e, limn_error *error);
limn_status row_weights(row *r, limn_weights *weights, unsigned kinds, limn_error *error);
enum { ENGINE_ALL_KINDS = ~0 };

/* Norm of the difference over norm of b; infinite when the counts differ or a number is not finite.
 */
double row_distance(const row *a, const row *b);
bool row_same_bits(const row *a, const row *b);

/* Compute modes that this build and this processor have: bit 1 << LIMN_COMPUTE_*. */
bool engine_has(limn_compute compute);

#endif
