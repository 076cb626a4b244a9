/* SPDX-License-Identifier: Apache-2.0
 *
 * Which network is this?  From the names and shapes of its tensors.
 *
 * Known are the generators and critics of pytorch-CycleGAN-and-pix2pix in all its ages and those of
 * CUT: U-Nets of any depth, ResNets of any number of blocks, with and without CUT's blurring down-
 * and upsampling, PatchGAN critics of any number of layers, the pixel critic.  A guess is made from
 * a few names, then the complete list of tensors that such a network has is written down and
 * compared: one missing, one too many or one of another shape, and it is not that network.
 *
 * What names and shapes show:
 *     norm       batch: weights, no bias in front.  instance: a bias in front, no weights.  none:
 *                neither.  Files of 2017 have weights, statistics and biases for both kinds: asked.
 *     dropout    ResNet: the second convolution of a block is number 6 and not 5.  U-Net: not
 *                visible (dropout comes last and has no weights): -1 unless the wishes say it.
 *     padding    2017's ResNets pad with zeros inside the convolutions and have no layer for it, so
 *                all their numbers are lower.  reflect and replicate look alike: reflect is
 * assumed, which is the default of both projects. last layer a critic's sigmoid of 2017 has no
 * weights and is not visible; limn's losses take the value before it.
 *
 * How names are mapped.  limn's names are those of today's pytorch-CycleGAN-and-pix2pix, and CUT's
 * where a network is antialiased, so that PyTorch loads exported weights directly:
 *     today's project        unchanged
 *     module., _orig_mod.    gone already (limn_state_choose)
 *     2017's zero padding    model.0 -> model.1, every later number one up, the last convolution
 * two up; conv_block.0 1 3 4 -> 1 2 5 6 (with dropout 0 1 4 5 -> 1 2 6 7) CUT, antialiased
 * unchanged; the constant filters (model.7.filt ...) are compared with the binomial ones and left
 * out running_mean, running_var, num_batches_tracked of instance norm: left out; they were recorded
 *                            by PyTorch 0.3 and 0.4 and are not used
 *     num_batches_tracked of batch norm: left out
 * Each tensor also has its number in a network without antialiasing (plain), which is how it is
 * called in networks that have no layers for the filters: CUT's model.8 is model.7 there, its block
 * model.12 is model.10.
 *
 * Layers.  U-Net: model.model.0, .3 outermost; level n is model.model.1.model(.3.model)*: 1 down, 2
 * norm, 3 the next level, 5 up, 6 norm; innermost 1 down, 3 up, 4 norm.  ResNet: 1 first, 4 and 7
 * down (antialiased: 4 and 8, filters 7 and 11), blocks from 10 (12) to e-1, up at e and e+3
 * (antialiased: filter e, e+1, filter e+4, e+5), last e+7 (e+9); norms one after each.  Critic: 0,
 * 2, 5, 8 ..., norms one after (antialiased 0, 3, 7, 11 ..., filters in front).  Pixel: net.0, 2,
 * 3, 5. */
#ifndef LIMN_MODEL_DEDUCE_H
#define LIMN_MODEL_DEDUCE_H

#include "model/checkpoint.h"

/* What the person says where the file does not; {0} with dropout -1 says nothing. */
typedef struct limn_wishes {
    const char *norm; /* "batch", "instance", "none", or NULL */
    int dropout;      /* 0, 1, or -1 */
} limn_wishes;

typedef struct limn_deduced_tensor {
    const char *name;  /* limn's */
    const char *plain; /* the same without antialiasing; equal to name for most networks */
    const limn_checkpoint_tensor *tensor;
    bool statistic; /* running_mean or running_var of a batch norm */
} limn_deduced_tensor;

typedef struct limn_deduced {
    bool generator;   /* or a critic */
    char network[32]; /* as --netG and --netD call it: unet_256, resnet_9blocks, basic, n_layers,
                         pixel; basic is n_layers with 3 */
    int downs;        /* U-Net: levels, 8 for unet_256 */
    int blocks;       /* ResNet */
    int layers;       /* critic: n_layers_D */
    int filters;      /* ngf or ndf */
    int input_nc, output_nc;
    const char *norm;             /* "batch", "instance" or "none" */
    bool affine;                  /* the norm has weights: batch always, instance in 2017 */
    bool bias;                    /* convolutions in front of a norm have a bias */
    bool statistics;              /* batch norm's running statistics are in the file */
    bool stale;                   /* statistics of instance norm were left out */
    int dropout;                  /* 0, 1, or -1: not visible */
    const char *padding;          /* "reflect", or "zero" (2017): the 7x7 convolutions */
    const char *block_padding;    /* the same of the blocks */
    bool antialias, antialias_up; /* CUT: blur going down, blur going up */
    limn_deduced_tensor *tensors; /* what the network needs, in the order of its layers */
    size_t count;
} limn_deduced;

/* Deduces the network of a state; the result lives in the arena.  LIMN_SETTING when a wish would
 * decide it (the sentence says which), LIMN_FORMAT when it is no network of the list (the sentence
 * says what is missing, too much or of another shape), and *out is not to be used. */
limn_status limn_deduce(limn_deduced *out, const limn_state *state, const limn_wishes *wishes,
                        limn_arena *arena, limn_error *error);

#endif
