/* SPDX-License-Identifier: Apache-2.0
 *
 * The learning rate from epoch to epoch.
 *
 * It is a function of the epoch and of what the state holds (for plateau), never of what was there
 * before, so a resumed run cannot be off by one, which is what people report of other trainers.
 * linear and step are those of pytorch-CycleGAN-and-pix2pix; cosine runs over all epochs (there:
 * over n_epochs, and up again afterwards), plateau looks at the validation (there: at a constant).
 */
#include "train/train.h"

#include <math.h>

enum { PATIENCE = 5 };
static const double pi = 3.14159265358979323846, threshold = 0.01;

double limn_learning_rate(const limn_train_settings *s, const limn_train_state *state,
                          uint64_t epoch)
{
    double factor = state->rate_factor, all = (double)(s->n_epochs + s->n_epochs_decay);
    double past = (double)epoch + 1 - s->n_epochs; /* epochs into the decay, this one too */

    switch (s->lr_policy) {
    case LIMN_LR_LINEAR:
        if (past > 0) factor *= 1 - past / (s->n_epochs_decay + 1);
        break;
    case LIMN_LR_STEP:
        factor *= pow(0.1, floor((double)epoch / s->lr_decay_iters));
        break;
    case LIMN_LR_COSINE:
        factor *= 0.5 * (1 + cos(pi * (double)epoch / all));
        break;
    default:
        break;
    }
    return factor > 0 ? s->lr * factor : 0;
}

bool limn_learning_rate_after(const limn_train_settings *s, limn_train_state *state, double score)
{
    if (s->lr_policy != LIMN_LR_PLATEAU || isnan(score)) return false;
    if (isnan(state->plateau_best) || score < state->plateau_best * (1 - threshold)) {
        state->plateau_best = score;
        state->plateau_epochs = 0;
        return false;
    }
    if (++state->plateau_epochs <= PATIENCE) return false;
    state->plateau_epochs = 0;
    state->rate_factor *= 0.2;
    return true;
}
