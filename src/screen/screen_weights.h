/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside src/screen, and for its tests: the classifiers' weights and the networks they belong to.
 */
#ifndef LIMN_SCREEN_SCREEN_WEIGHTS_H
#define LIMN_SCREEN_SCREEN_WEIGHTS_H

#include "screen/screen.h"
#include "zoo/mobilenet.h"

/* The two classifiers: their names in the file of weights, and what they look like. */
typedef struct limn_screen_model {
    const char *name;
    limn_mobilenet_settings network;
    bool is_signed; /* takes [-1, 1]; otherwise [0, 1] */
} limn_screen_model;
extern const limn_screen_model limn_screen_models[LIMN_SCREEN_MODELS];

/* models/screening/screening.safetensors as it was when limn was built. */
extern const unsigned char limn_screening_weights[], limn_screening_weights_end[];

/* Fills all parameters in weights from such a file, batch norms folded in.  LIMN_FORMAT when its
 * SHA-256 is not limn_screen_sha256(). */
limn_status limn_screen_weights_load(limn_weights *weights, const void *bytes, size_t count,
                                     limn_error *error);

/* limn_screen_open with the weights from elsewhere; the same check applies. */
limn_status limn_screen_open_bytes(limn_screen **out, const void *bytes, size_t count,
                                   limn_compute compute, limn_error *error);

/* The plan of one picture, for benchmarks. */
limn_plan *limn_screen_plan(limn_screen *screen);

#endif
