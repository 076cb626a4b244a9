/* SPDX-License-Identifier: Apache-2.0
 *
 * Training: settings, the state that a checkpoint carries, and the handle behind limn_train_begin.
 *
 * The trainer knows no recipe by name.  What it needs of one stands in limn_recipe: which networks,
 * which of them translate, whether pictures come in pairs, and the function that writes the step.
 * Settings that depend on the recipe (norm, dropout, weights of the terms) have no "as the recipe
 * says" value: limn_train_defaults fills in the recipe's own, and what people set afterwards is
 * what is used and recorded. */
#ifndef LIMN_TRAIN_TRAIN_H
#define LIMN_TRAIN_TRAIN_H

#include "data/loader.h"
#include "recipe/recipe.h"

enum { LIMN_LOSSES_MAX = 24, LIMN_GENERATORS_MAX = 4 };

typedef enum limn_lr_policy {
    LIMN_LR_LINEAR,
    LIMN_LR_STEP,
    LIMN_LR_COSINE,
    LIMN_LR_PLATEAU,
} limn_lr_policy;

typedef enum limn_init_type {
    LIMN_INIT_NORMAL,
    LIMN_INIT_XAVIER,
    LIMN_INIT_KAIMING,
    LIMN_INIT_ORTHOGONAL,
} limn_init_type;

/* A setting that a recipe brings along: whatever kind its row has. */
enum { LIMN_TRAIN_TERMS_MAX = 32 };
typedef union limn_train_term {
    double number;
    int64_t large;
    int whole;
    bool flag;
    const char *text;
} limn_train_term;

typedef struct limn_train_settings {
    const char *dataroot, *name, *out, *checkpoints_dir, *model, *init;
    const char *netG, *netD, *sign_cert, *sign_key;
    int direction; /* 0 AtoB, 1 BtoA */
    int input_nc, output_nc, ngf, ndf, n_layers_D, norm, gan_mode;
    bool dropout, antialias, antialias_up;
    limn_train_term terms[LIMN_TRAIN_TERMS_MAX]; /* of all recipes, one a name */
    limn_preparation preparation;
    limn_derivation derivation;
    limn_hints hints;
    int batch_size, accumulate, num_threads, cache_mib;
    bool serial_batches;
    int64_t max_dataset_size, seed;
    double lr, beta1;
    int n_epochs, n_epochs_decay, lr_policy, lr_decay_iters;
    int init_type;
    double init_gain;
    double ema; /* decay of the moving average of the generators; 0: none */
    int compute, threads;
    bool tune; /* measure how convolutions are computed fastest, before the first step */
    double save_minutes, minutes;
    int64_t save_latest_freq, display_freq;
    int save_epoch_freq, epoch_count;
    bool html;
    int val_pictures, sheet_pictures;
} limn_train_settings;

/* The rows are limn_train_rows() of limn.h.  Defaults of a recipe; texts are constants. */
limn_train_settings limn_train_defaults(const limn_recipe *recipe);
/* Refuses what does not go together, with what to set instead. */
limn_status limn_train_check(const limn_train_settings *settings, const limn_recipe *recipe,
                             limn_error *error);
/* The recipe's own settings; height and width are the crop's. */
void limn_train_recipe_settings(limn_recipe_settings *out, const limn_train_settings *settings,
                                const limn_recipe *recipe);
/* What the recipe's own setting of that name is (a flag: 0 or 1), 0 when the recipe has none. */
double limn_train_term_of(const limn_train_settings *settings, const char *name);
/* Whether all pictures of a training have the crop's size. */
bool limn_train_crops(const limn_train_settings *settings);
/* For training, or (validation) in order, middle crops, one picture a batch. */
limn_loader_settings limn_train_loader_settings(const limn_train_settings *settings,
                                                bool validation);
/* Whether a setting may not change when a run is resumed: it says what the networks are. */
bool limn_train_is_fixed(const limn_setting *row);

/* Where the data stands: everything but weights that going on needs.  Plain numbers. */
typedef struct limn_train_state {
    uint64_t step;           /* steps done */
    uint64_t epoch, batch;   /* next batch; epochs count from 0 */
    double rate_factor;      /* plateau policy and halving after a loss that was not finite */
    int halved;              /* how often that happened */
    double best_score;       /* smallest validation L1, NaN: none yet */
    uint64_t best_epoch;     /* counted from 1 */
    double plateau_best;     /* plateau policy: smallest score so far, NaN: none */
    uint64_t plateau_epochs; /* epochs without a smaller one */
    double seconds;          /* trained for, all sessions together; not part of model files */
    uint64_t data_count, data_hash; /* of the training list: to notice that the folder changed */
} limn_train_state;

/* ---- Schedule (schedule.c) -------------------------------------------------------------------
 */

/* The learning rate of an epoch (from 0). */
double limn_learning_rate(const limn_train_settings *settings, const limn_train_state *state,
                          uint64_t epoch);
/* Plateau policy: looks at the score of the epoch that ended (smaller is better, NaN is not looked
 * at); true when the rate went down. */
bool limn_learning_rate_after(const limn_train_settings *settings, limn_train_state *state,
                              double score);

#endif
