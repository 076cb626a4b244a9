/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of check_numbers share: a recorded file, its args, and comparing. */
#ifndef LIMN_TESTS_NUMBERS_H
#define LIMN_TESTS_NUMBERS_H

#include "net/plan.h"
#include "recipe/recipe.h"
#include "tensor/safetensors.h"
#include <jansson.h>

/* Norm of the difference over norm of the reference.  Operations and networks: what float32 leaves
 * after sums in another order.  Losses: they feed on weights that Adam has moved, and Adam's first
 * steps are sign-like.  Weights: of the change that the steps made, not of the weights. */
static const double tolerance_ops = 1e-5, tolerance_nets = 1e-4, tolerance_bf16 = 2e-2,
                    tolerance_losses = 1e-3, tolerance_weights = 1e-3;

typedef struct numbers {
    const char *name; /* "ops/conv_k1" */
    limn_safetensors *file;
    json_t *args;
    limn_compute compute;
    int failed, compared;
    bool quiet;         /* failures are counted, not printed */
    const char *remark; /* printed behind the result */
    double worst;       /* difference over tolerance */
    char worst_name[160];
} numbers;

/* Says why a file cannot be checked; counts as failed. */
void numbers_fail(numbers *n, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Takes an entry out of args.  What is left at the end was not understood: a failure. */
double numbers_number(numbers *n, const char *key, double otherwise);
bool numbers_flag(numbers *n, const char *key, bool otherwise);
const char *numbers_text(numbers *n, const char *key, const char *otherwise);
json_t *numbers_take(numbers *n, const char *key);
bool numbers_args_used(numbers *n);

/* The recorded tensor as floats (uint8 pictures scaled to [-1, 1] with scale), from limn_block, or
 * NULL with the failure said.  shape: four dimensions, vectors (1, c, 1, 1), rows (n, c, 1, 1). */
float *numbers_floats(numbers *n, const char *name, limn_shape *shape, bool scale);
bool numbers_has(const numbers *n, const char *name);

/* Compares count values and keeps the worst.  relative_to NULL: the reference's own norm counts;
 * otherwise the norm of reference - relative_to. */
void numbers_compare(numbers *n, const char *what, const float *got, const float *reference,
                     const float *relative_to, size_t count, double tolerance);

/* Shared by networks and steps: the norm in args; all parameters set from "prefixNAME"; every
 * recorded tensor belongs to a parameter or is one of others. */
limn_norm numbers_norm(numbers *n);
bool numbers_load(numbers *n, limn_weights *weights, const char *prefix, const char *strip);
void numbers_check_names(numbers *n, const limn_weights *weights, const char *front,
                         const char *const *others);

void numbers_check_op(numbers *n);
void numbers_check_net(numbers *n);
void numbers_check_steps(numbers *n);

#endif
