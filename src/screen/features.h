/* SPDX-License-Identifier: Apache-2.0
 *
 * What a network that knows pictures sees in one: numbers to compare sets of pictures by.
 *
 * The network is the first of the two that the screen judges with (mobilenet_v2 of nsfwjs: a
 * MobileNetV2 that was trained on photographs of everything and then taught to tell drawings,
 * harmless photographs and three kinds that are refused).  It is not the Inception network of
 * published FID and KID figures, so distances between its features are not comparable with those.
 * It is taken because it is there: 2.3 million parameters that need no download, and the pooled
 * features before the dense layers are about shapes and textures in general. */
#ifndef LIMN_SCREEN_FEATURES_H
#define LIMN_SCREEN_FEATURES_H

#include "net/plan.h"

enum { LIMN_FEATURE_COUNT = 1280 };

/* Used by one thread at a time. */
typedef struct limn_features limn_features;

/* plain: by plain loops; otherwise float32, never bf16, so that features mean the same on all
 * machines and in all runs.  On failure *out is NULL: LIMN_NO_MEMORY, LIMN_FORMAT. */
limn_status limn_features_open(limn_features **out, bool plain, limn_error *error);
void limn_features_close(limn_features **features);

/* Of one picture as planes (channels, height, width) in [-1, 1]: the channels that are shown first
 * (three, or one as grey), squashed to 224 x 224 as the screen does it.  out: LIMN_FEATURE_COUNT
 * values between 0 and 6, the mean of each channel of the last convolution. */
limn_status limn_features_of(limn_features *features, const float *planes, int channels, int height,
                             int width, float *out, limn_error *error);

/* The name to print beside numbers that come of them. */
const char *limn_features_about(void);

#endif
