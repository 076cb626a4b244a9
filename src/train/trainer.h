/* SPDX-License-Identifier: Apache-2.0
 *
 * One training step after another: the graph of the recipe's step, its plan, its weights.
 *
 * It knows pictures only as planes that somebody hands it, and no files but those that weights come
 * from.  When the size of the pictures changes, the step is described and planned again for the new
 * one; the weights stay.
 *
 * With --accumulate N a batch is N times --batch-size pictures, and a step goes through it in N
 * parts, so that everything else (epochs, schedule, resuming) sees nothing but larger batches. */
#ifndef LIMN_TRAIN_TRAINER_H
#define LIMN_TRAIN_TRAINER_H

#include "net/plan.h"
#include "train/train.h"

enum { LIMN_PASSES_MAX = 4 };

typedef struct limn_trainer {
    limn_arena arena;
    const limn_recipe *recipe;
    const limn_train_settings *train; /* borrowed */
    limn_recipe_settings settings;
    limn_graph *graphs[LIMN_PASSES_MAX]; /* one, or with --accumulate one a pass (net/graph.h) */
    limn_graph *graph;                   /* the first of them: it describes all of the step */
    limn_weights *weights;
    limn_plan *plans[LIMN_PASSES_MAX];
    int passes;
    limn_choices *choices; /* how its convolutions are computed; what the checkpoint keeps of it */
    limn_value loss_values[LIMN_LOSSES_MAX]; /* in graph */
    int loss_passes[LIMN_LOSSES_MAX];        /* in which each is made, */
    limn_value loss_made[LIMN_LOSSES_MAX];   /* and as which value there */
    const char *loss_names[LIMN_LOSSES_MAX]; /* in the order in which the recipe reports them */
    double losses[LIMN_LOSSES_MAX];          /* of the last step */
    int loss_count;
    float *positions; /* room for inputs that are drawn */
    uint32_t *order;
    size_t position_room, order_room;
    char generators[LIMN_GENERATORS_MAX][16]; /* those that translate: the first from A to B */
    int generator_count;
} limn_trainer;

enum { LIMN_STREAM_POSITIONS = 0x0da7a010 };

/* Describes the step, declares the weights and draws their first values.  settings are borrowed.
 * On failure *trainer is closed. */
limn_status limn_trainer_open(limn_trainer *trainer, const limn_recipe *recipe,
                              const limn_train_settings *settings, limn_error *error);
void limn_trainer_close(limn_trainer *trainer); /* fine on {0} */

/* Draws what --init-type says; limn_trainer_open does it.  first_values.c */
limn_status limn_trainer_first_values(limn_trainer *trainer, limn_error *error);

/* Replaces first values by those of files (several: a comma between): models or checkpoints of
 * limn, checkpoints whose tensors are called "G.model..." and so on, and what `limn import` reads,
 * each for a generator, a critic or both.  Other numbers of channels are fitted.  *sentence (in the
 * trainer's arena) says what was taken and what became of channels.  start_from.c */
limn_status limn_trainer_start_from(limn_trainer *trainer, const char *paths, const char **sentence,
                                    limn_error *error);

/* Measures how each convolution of this step is computed fastest (where this machine does not know
 * yet, for some seconds at most), remembers that, and plans.  *measured counts the convolutions.
 * Later plans of other sizes go by these choices and by rule, whatever is remembered by then. */
limn_status limn_trainer_tune(limn_trainer *trainer, int *measured, limn_error *error);

/* Plans for pictures of that size; nothing happens when that is the plan there is. */
limn_status limn_trainer_fit(limn_trainer *trainer, int height, int width, limn_error *error);

/* Runs a step on a batch; losses are filled. */
limn_status limn_trainer_step(limn_trainer *trainer, const limn_batch *batch, uint64_t step,
                              double learning_rate, limn_error *error);
/* Whether all losses of the last step are numbers; NULL or the name of one that is not. */
const char *limn_trainer_lost(const limn_trainer *trainer);
/* Whether all weights are; looks at every one. */
limn_status limn_trainer_sound(const limn_trainer *trainer, bool *sound, limn_error *error);

#endif
