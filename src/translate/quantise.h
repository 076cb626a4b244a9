/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside src/translate: what the two files of `limn quantize` share. */
#ifndef LIMN_TRANSLATE_QUANTISE_H
#define LIMN_TRANSLATE_QUANTISE_H

#include "net/range.h"
#include "translate/translator.h"

/* One picture as the network sees it, padded, and what the float network makes of it. */
typedef struct limn_calibration {
    float *in, *out;
    int height, width;
    bool held_out; /* not calibrated on, only compared */
} limn_calibration;

typedef struct limn_quantiser {
    limn_translator *t;
    const limn_quantize_settings *settings;
    limn_calibration *pictures;
    int count;
    limn_whole_layer *whole; /* of each layer of t */
    limn_range *ranges;
    double *alone; /* PSNR with this layer alone in int8 */
    limn_arena arena;
} limn_quantiser;

/* Reads the pictures of a folder: what a data folder has for the network to translate, or all
 * pictures of a plain one. */
limn_status limn_calibration_open(limn_quantiser *q, const char *folder, limn_error *error);
void limn_calibration_close(limn_quantiser *q);

#endif
