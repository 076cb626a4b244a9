/* SPDX-License-Identifier: Apache-2.0
 *
 * The moving average of the generators' weights (Polyak and Juditsky 1992): what translates, when
 * it is asked for, while the training goes on with the weights themselves.
 *
 * The average is kept here in float32 and put in the place of the weights for validation and for
 * saving a model, because a second set of parameters in the plan's weights would be packed to
 * bfloat16 by inference plans and lose its low bits.  It is updated every LIMN_EMA_EVERY steps with
 * the decay of as many, which costs a tenth and differs by less than the decay's own roundness. */
#ifndef LIMN_TRAIN_EMA_H
#define LIMN_TRAIN_EMA_H

#include "tensor/safetensors.h"
#include "train/trainer.h"

enum { LIMN_EMA_EVERY = 8 };

typedef struct limn_ema {
    limn_trainer *trainer; /* NULL: there is no average */
    double decay;          /* a step */
    int count;
    int *index;               /* in the trainer's weights */
    float **values;           /* one block each */
    float **kept;             /* the weights, while the average is in their place */
    limn_saved_tensor *saved; /* the values as tensors "ema.G.model..." for checkpoints */
    limn_arena arena;
} limn_ema;

/* Begins with the weights as they are; decay 0 makes none, and all functions then do nothing. */
limn_status limn_ema_open(limn_ema *ema, limn_trainer *trainer, double decay, limn_error *error);
void limn_ema_close(limn_ema *ema);
/* After step number `step` (from 1). */
limn_status limn_ema_update(limn_ema *ema, uint64_t step, limn_error *error);
/* Puts the average in the place of the weights, and the weights back. */
limn_status limn_ema_show(limn_ema *ema, limn_error *error);
limn_status limn_ema_hide(limn_ema *ema, limn_error *error);

#endif
