/* SPDX-License-Identifier: Apache-2.0
 *
 * The settings of a training as rows: names and defaults are those that people know from
 * pytorch-CycleGAN-and-pix2pix and CUT, older spellings are aliases.
 *
 * What the recipe decides (norm, dropout, weights of the terms ...) is filled in from its own
 * defaults before anything that the user gives, so a row always holds what will be used.  Tried and
 * dropped: a value "auto" for each of them, which the run record would then have to explain. */
#include "train/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define AT(field) offsetof(limn_train_settings, field)
#define TEXT LIMN_SETTING_TEXT
#define INT LIMN_SETTING_INT
#define LONG LIMN_SETTING_LONG
#define FLOAT LIMN_SETTING_FLOAT
#define FLAG LIMN_SETTING_FLAG
#define CHOICE LIMN_SETTING_CHOICE

static const limn_setting rows[] = {
    { "dataroot", TEXT, AT(dataroot), 0, 0, NULL, "data", "folder with the pictures" },
    { "name", TEXT, AT(name), 0, 0, NULL, NULL,
      "name of the run, a folder in checkpoints-dir; none: that of the data folder" },
    { "out", TEXT, AT(out), 0, 0, NULL, "run", "folder of the run; none: checkpoints-dir/name" },
    { "checkpoints-dir", TEXT, AT(checkpoints_dir), 0, 0, NULL, NULL, "folder of all runs" },
    { "model", TEXT, AT(model), 0, 0, NULL, "recipe", "recipe: pix2pix, cycle_gan, cut" },
    { "direction", CHOICE, AT(direction), 0, 0, "AtoB|BtoA", "which_direction",
      "what becomes what" },
    { "init", TEXT, AT(init), 0, 0, NULL, "pretrained_name",
      "start from these weights: models, .pth or safetensors files, a comma between them" },
    { "netG", TEXT, AT(netG), 0, 0, NULL, "which_model_netG",
      "generator: unet_256, unet_128, resnet_9blocks, resnet_6blocks ..." },
    { "netD", TEXT, AT(netD), 0, 0, NULL, "which_model_netD",
      "critic: basic (70x70 patches), n_layers, pixel" },
    { "n-layers-D", INT, AT(n_layers_D), 1, 8, NULL, NULL, "layers of the critic n_layers" },
    { "norm", CHOICE, AT(norm), 0, 0, "batch|instance|none", NULL, "normalisation" },
    { "dropout", FLAG, AT(dropout), 0, 0, NULL, NULL, "dropout in the generator while training" },
    { "antialias", FLAG, AT(antialias), 0, 0, NULL, NULL, "ResNets halve by blurring" },
    { "antialias-up", FLAG, AT(antialias_up), 0, 0, NULL, NULL, "ResNets double by blurring" },
    { "ngf", INT, AT(ngf), 1, 1024, NULL, NULL, "filters of the generator's first layer" },
    { "ndf", INT, AT(ndf), 1, 1024, NULL, NULL, "filters of the critic's first layer" },
    { "input-nc", INT, AT(input_nc), 1, 64, NULL, NULL, "channels of the input" },
    { "output-nc", INT, AT(output_nc), 1, 64, NULL, NULL, "channels of the output" },
    { "gan-mode", CHOICE, AT(gan_mode), 0, 0, "vanilla|lsgan|hinge|nonsaturating", NULL,
      "adversarial loss" },
    { "lambda-L1", FLOAT, AT(lambda_L1), 0, 1e6, NULL, NULL, "weight of the L1 term" },
    { "lambda-A", FLOAT, AT(lambda_A), 0, 1e6, NULL, NULL, "weight of the cycle A to B to A" },
    { "lambda-B", FLOAT, AT(lambda_B), 0, 1e6, NULL, NULL, "weight of the cycle B to A to B" },
    { "lambda-identity", FLOAT, AT(lambda_identity), 0, 1e6, NULL, NULL,
      "weight of the identity terms, as a factor on lambda-A and lambda-B" },
    { "lambda-NCE", FLOAT, AT(lambda_NCE), 0, 1e6, NULL, NULL, "weight of the PatchNCE terms" },
    { "pool-size", INT, AT(pool_size), 0, 10000, NULL, NULL,
      "pictures of earlier steps that the critics see as well" },
    { "nce-idt", FLAG, AT(nce_idt), 0, 0, NULL, NULL, "PatchNCE on B as well" },
    { "nce-T", FLOAT, AT(nce_T), 1e-4, 100, NULL, NULL, "temperature of PatchNCE" },
    { "nce-layers", TEXT, AT(nce_layers), 0, 0, NULL, NULL,
      "layers of the generator that PatchNCE compares" },
    { "netF-nc", INT, AT(netF_nc), 1, 4096, NULL, NULL, "size of PatchNCE's features" },
    { "num-patches", INT, AT(num_patches), 2, 65536, NULL, NULL, "patches of each layer" },
    { "preprocess", CHOICE, AT(preparation.preprocess), 0, 0, LIMN_PREPROCESS_CHOICES,
      "resize_or_crop", "how pictures are brought to size" },
    { "load-size", INT, AT(preparation.load_size), 1, 16384, NULL, "loadSize",
      "size that pictures are scaled to" },
    { "crop-size", INT, AT(preparation.crop_size), 1, 16384, NULL, "fineSize",
      "size that is cut out of that and trained on" },
    { "flip", FLAG, AT(preparation.flip), 0, 0, NULL, NULL,
      "turn half of the pictures left to right" },
    { "derive", CHOICE, AT(derivation.kind), 0, 0, LIMN_DERIVE_CHOICES, NULL,
      "make the input from the target, from a folder of plain pictures" },
    { "edge-sigma", FLOAT, AT(derivation.edge_sigma), 0.1, 20, NULL, NULL,
      "derive edges: smoothing before" },
    { "edge-low", FLOAT, AT(derivation.edge_low), 0, 1, NULL, NULL, "derive edges: goes on above" },
    { "edge-high", FLOAT, AT(derivation.edge_high), 0, 1, NULL, NULL,
      "derive edges: begins above" },
    { "blur-sigma", FLOAT, AT(derivation.blur_sigma), 0.1, 100, NULL, NULL, "derive blur: sigma" },
    { "downscale", INT, AT(derivation.downscale), 2, 64, NULL, NULL, "derive downscale: factor" },
    { "hints", INT, AT(hints.most), 0, 1000, NULL, NULL,
      "draw 0 to N touches of the target's colours into the input" },
    { "hints-none", FLOAT, AT(hints.none), 0, 1, NULL, NULL,
      "share of the pictures that get no touch" },
    { "batch-size", INT, AT(batch_size), 1, 1024, NULL, "batchSize batch", "pictures a step" },
    { "serial-batches", FLAG, AT(serial_batches), 0, 0, NULL, NULL,
      "pictures in the order of their names" },
    { "max-dataset-size", LONG, AT(max_dataset_size), 0, 1e15, NULL, NULL,
      "use the first so many pictures; 0: all" },
    { "num-threads", INT, AT(num_threads), 0, 64, NULL, "nThreads", "threads that load pictures" },
    { "cache-mib", INT, AT(cache_mib), 0, 1048576, NULL, NULL, "memory for decoded pictures" },
    { "lr", FLOAT, AT(lr), 1e-9, 1, NULL, "learning_rate", "learning rate of Adam" },
    { "beta1", FLOAT, AT(beta1), 0, 0.9999, NULL, NULL, "momentum of Adam" },
    { "n-epochs", INT, AT(n_epochs), 0, 1000000, NULL, "niter epochs",
      "epochs with the first learning rate" },
    { "n-epochs-decay", INT, AT(n_epochs_decay), 0, 1000000, NULL, "niter_decay",
      "epochs after these, in which it goes down to 0" },
    { "lr-policy", CHOICE, AT(lr_policy), 0, 0, "linear|step|cosine|plateau", NULL,
      "linear: see above; step: to a tenth every lr-decay-iters; cosine: over all epochs; plateau: "
      "to a fifth after 5 epochs without a better validation" },
    { "lr-decay-iters", INT, AT(lr_decay_iters), 1, 1000000, NULL, NULL,
      "epochs between the steps of policy step" },
    { "init-type", CHOICE, AT(init_type), 0, 0, "normal|xavier|kaiming", NULL,
      "first weights are drawn from N(0, gain), or from normal distributions by fan" },
    { "init-gain", FLOAT, AT(init_gain), 0, 100, NULL, NULL, "gain of these" },
    { "ema", FLOAT, AT(ema), 0, 0.99999, NULL, NULL,
      "decay a step of the generators' moving average, which then translates; 0: none" },
    { "seed", LONG, AT(seed), 0, 9e15, NULL, NULL, "seed of all chance" },
    { "compute", CHOICE, AT(compute), 0, 0, "plain|fp32|bf16|auto", NULL,
      "plain loops, float32, bfloat16, or what suits the processor" },
    { "threads", INT, AT(threads), 0, 256, NULL, NULL, "compute threads; 0: one a core" },
    { "save-minutes", FLOAT, AT(save_minutes), 0.01, 1e5, NULL, NULL,
      "minutes between checkpoints; there is one after each epoch anyway" },
    { "minutes", FLOAT, AT(minutes), 0, 1e7, NULL, NULL,
      "stop after so many minutes, ready to be resumed; 0: no limit" },
    { "val-pictures", INT, AT(val_pictures), 0, 100000, NULL, NULL,
      "validation pictures that are scored after each epoch" },
    { "sheet-pictures", INT, AT(sheet_pictures), 0, 16, NULL, NULL,
      "validation pictures that are shown after each epoch" },
    { "sign-cert", TEXT, AT(sign_cert), 0, 0, NULL, NULL,
      "PEM file with the certificate that signs samples; none: made for this run" },
    { "sign-key", TEXT, AT(sign_key), 0, 0, NULL, NULL, "PEM file with its private key" },
    { .name = NULL },
};

const limn_setting *limn_train_rows(void)
{
    return rows;
}

bool limn_train_is_fixed(const limn_setting *row)
{
    static const char *const fixed[] = { "model",    "netG",    "netD",       "n-layers-D",
                                         "norm",     "dropout", "antialias",  "antialias-up",
                                         "ngf",      "ndf",     "input-nc",   "output-nc",
                                         "netF-nc",  "ema",     "nce-layers", "direction",
                                         "pool-size" };

    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (!strcmp(row->name, fixed[i])) return true;
    return false;
}

limn_train_settings limn_train_defaults(const limn_recipe *recipe)
{
    const limn_recipe_settings *r = recipe->defaults;
    limn_train_settings s = {
        .checkpoints_dir = "runs",
        .model = recipe->name,
        .netG = r->generator.net,
        .netD = r->critic.net,
        .nce_layers = "0,4,8,12,16",
        .input_nc = r->generator.input_nc,
        .output_nc = r->generator.output_nc,
        .ngf = r->generator.filters,
        .ndf = r->critic.filters,
        .n_layers_D = r->critic.layers ? r->critic.layers : 3,
        .norm = (int)r->generator.norm,
        .gan_mode = (int)r->gan_mode,
        .netF_nc = r->netF_nc ? r->netF_nc : 256,
        .num_patches = r->num_patches ? r->num_patches : 256,
        .dropout = r->generator.dropout,
        .antialias = r->generator.antialias,
        .antialias_up = r->generator.antialias_up,
        .pool_size = r->pool_size,
        .nce_idt = r->nce_idt,
        .lambda_L1 = (double)r->lambda_L1,
        .lambda_A = (double)r->lambda_A,
        .lambda_B = (double)r->lambda_B,
        .lambda_identity = (double)r->lambda_identity,
        .lambda_NCE = (double)r->lambda_NCE,
        .nce_T = r->nce_T > 0 ? round(1e6 * (double)r->nce_T) / 1e6 : 0.07,
        .preparation = LIMN_PREPARATION_DEFAULTS,
        .derivation = LIMN_DERIVATION_DEFAULTS,
        .hints = LIMN_HINTS_DEFAULTS,
        .batch_size = r->batch,
        .num_threads = 2,
        .cache_mib = 2048,
        .lr = 2e-4,
        .beta1 = (double)r->adam.beta1,
        .n_epochs = 100,
        .n_epochs_decay = 100,
        .lr_decay_iters = 50,
        .init_gain = 0.02,
        .seed = 1,
        .compute = 3,
        .save_minutes = 10,
        .val_pictures = 100,
        .sheet_pictures = 6,
    };

    s.lambda_identity = round(1e6 * s.lambda_identity) / 1e6; /* 0.5, not a float's neighbour */
    return s;
}

/* ---- What the settings mean for others ------------------------------------------------------- */

static limn_status read_layers(limn_recipe_settings *r, const char *text, limn_error *error)
{
    const char *at = text;

    r->nce_layer_count = 0;
    while (*at) {
        char *end;
        long layer = strtol(at, &end, 10);

        if (end == at || layer < 0 || layer > 1000 || (*end && *end != ',') ||
            r->nce_layer_count == LIMN_NCE_LAYERS_MAX)
            return limn_fail(error, LIMN_SETTING,
                             "--nce-layers is \"%s\"; it must be up to %d numbers with commas "
                             "between them, as 0,4,8,12,16",
                             text, LIMN_NCE_LAYERS_MAX);
        r->nce_layers[r->nce_layer_count++] = (int)layer;
        at = *end ? end + 1 : end;
    }
    return LIMN_OK;
}

limn_status limn_train_recipe_settings(limn_recipe_settings *out, const limn_train_settings *s,
                                       const limn_recipe *recipe, limn_error *error)
{
    *out = *recipe->defaults;
    out->generator.net = s->netG;
    out->generator.input_nc = s->input_nc;
    out->generator.output_nc = s->output_nc;
    out->generator.filters = s->ngf;
    out->generator.norm = out->critic.norm = (limn_norm)s->norm;
    out->generator.dropout = s->dropout;
    out->generator.antialias = s->antialias;
    out->generator.antialias_up = s->antialias_up;
    out->critic.net = s->netD;
    out->critic.filters = s->ndf;
    out->critic.layers = s->n_layers_D;
    out->critic.antialias = out->critic.antialias && s->antialias;
    out->batch = s->batch_size;
    out->height = out->width = s->preparation.crop_size;
    out->gan_mode = (limn_gan_mode)s->gan_mode;
    out->adam.beta1 = (float)s->beta1;
    out->lambda_L1 = (float)s->lambda_L1;
    out->lambda_A = (float)s->lambda_A;
    out->lambda_B = (float)s->lambda_B;
    out->lambda_identity = (float)s->lambda_identity;
    out->lambda_NCE = (float)s->lambda_NCE;
    out->nce_T = (float)s->nce_T;
    out->nce_idt = s->nce_idt;
    out->netF_nc = s->netF_nc;
    out->num_patches = s->num_patches;
    out->pool_size = s->pool_size;
    return out->nce_layer_count ? read_layers(out, s->nce_layers, error) : LIMN_OK;
}

/* Whether all pictures of a training have the crop's size. */
static bool crops(const limn_train_settings *s)
{
    return s->preparation.preprocess != LIMN_PREPROCESS_NONE &&
           s->preparation.preprocess != LIMN_PREPROCESS_SCALE_WIDTH;
}

limn_status limn_train_check(const limn_train_settings *s, const limn_recipe *recipe,
                             limn_error *error)
{
    int multiple = s->netG ? limn_network_multiple(s->netG) : 0, size = s->preparation.crop_size;

    if (!s->dataroot || !*s->dataroot)
        return limn_fail(error, LIMN_SETTING, "which pictures? --dataroot FOLDER names them");
    if (!multiple || limn_network_is_critic(s->netG))
        return limn_fail(error, LIMN_SETTING,
                         "--netG is \"%s\"; there are unet_256, unet_128 (any unet_N), "
                         "resnet_9blocks, resnet_6blocks (any resnet_Nblocks)",
                         s->netG ? s->netG : "");
    if (!s->netD || !limn_network_is_critic(s->netD))
        return limn_fail(error, LIMN_SETTING,
                         "--netD is \"%s\"; there are basic, n_layers and pixel",
                         s->netD ? s->netD : "");
    LIMN_TRY(limn_preparation_check(&s->preparation, error));
    if (crops(s) && size % multiple)
        return limn_fail(error, LIMN_SETTING,
                         "--crop-size is %d; %s takes multiples of %d, and the nearest is %d", size,
                         s->netG, multiple,
                         size < multiple ? multiple : (size + multiple / 2) / multiple * multiple);
    if (!crops(s) && s->pool_size && recipe->defaults->pool_size)
        return limn_fail(error, LIMN_SETTING,
                         "--preprocess leaves pictures with sizes of their own, and the pool keeps "
                         "those of one size; set --pool-size 0 or let --preprocess crop");
    if (s->pool_size && !recipe->defaults->pool_size)
        return limn_fail(error, LIMN_SETTING, "%s has no pool of pictures; set --pool-size 0",
                         recipe->name);
    if (s->n_epochs + s->n_epochs_decay < 1)
        return limn_fail(error, LIMN_SETTING, "--n-epochs and --n-epochs-decay are both 0");
    if (s->derivation.kind != LIMN_DERIVE_NONE && recipe->unpaired)
        return limn_fail(error, LIMN_SETTING,
                         "--derive makes pairs, and %s learns without; use --model pix2pix",
                         recipe->name);
    return LIMN_OK;
}

limn_loader_settings limn_train_loader_settings(const limn_train_settings *s, bool validation)
{
    limn_loader_settings l = LIMN_LOADER_DEFAULTS;

    l.preparation = s->preparation;
    l.derivation = s->derivation;
    l.hints = s->hints;
    l.hints_how = validation ? LIMN_HINTS_FIXED : LIMN_HINTS_AS_TRAINED;
    l.b_to_a = s->direction == 1 && s->derivation.kind == LIMN_DERIVE_NONE;
    l.a_channels = s->input_nc;
    l.b_channels = s->output_nc;
    l.batch = validation ? 1 : s->batch_size;
    l.multiple = crops(s) ? 1 : limn_network_multiple(s->netG);
    l.workers = s->num_threads;
    l.cache_bytes = (uint64_t)s->cache_mib << 20;
    l.seed = (uint64_t)s->seed;
    l.serial = validation || s->serial_batches;
    l.no_draw = validation;
    if (validation) {
        l.workers = s->num_threads ? 1 : 0;
        l.cache_bytes /= 8;
        l.epochs = 1;
    }
    return l;
}
