/* SPDX-License-Identifier: Apache-2.0
 *
 * Which of a recipe's losses are a critic's, and which the generator's against it?
 *
 * Read off the graph of the step, so that no recipe has to say it and no name has to mean it: a
 * reported loss that is made of adversarial terms alone (sums and factors of them) belongs to the
 * critic whose verdict they are about, on the critic's side or on the generator's. */
#ifndef LIMN_TRAIN_CRITICS_H
#define LIMN_TRAIN_CRITICS_H

#include "train/train.h"

enum { LIMN_CRITICS_MAX = 4, LIMN_CRITIC_LOSSES_MAX = 4 };

typedef struct limn_critic {
    const char *name; /* its network, "D_A"; lent by the graph */
    /* Indices of reported losses; divided by weight a loss is the mean of its terms. */
    int critic_losses[LIMN_CRITIC_LOSSES_MAX], critic_count;
    int generator_losses[LIMN_CRITIC_LOSSES_MAX], generator_count;
    double critic_weight[LIMN_CRITIC_LOSSES_MAX], generator_weight[LIMN_CRITIC_LOSSES_MAX];
} limn_critic;

/* Fills up to LIMN_CRITICS_MAX critics that have losses on both sides; values[count] are the
 * reported losses.  Gives how many. */
int limn_critics_find(limn_critic *critics, const limn_graph *graph, const limn_value *values,
                      int count);

#endif
