/* SPDX-License-Identifier: Apache-2.0
 *
 * The settings of a training as rows: names and defaults are those that people know from
 * pytorch-CycleGAN-and-pix2pix and CUT, older spellings are aliases.
 *
 * The table is put together once: the rows below, behind gan-mode those of all recipes, behind flip
 * those of derived inputs.  A recipe's rows lie in a struct that its file alone knows; here each
 * name has a slot, from which the recipe's struct is filled when a training is opened.
 *
 * What the recipe decides (norm, dropout, weights of the terms ...) is filled in from its own
 * defaults before anything that the user gives, so a row always holds what will be used.  Tried and
 * dropped: a value "auto" for each of them, which the run record would then have to explain. */
#include "train/train.h"

#include <pthread.h>
#include <string.h>

#define AT(field) offsetof(limn_train_settings, field)
#define TEXT LIMN_SETTING_TEXT
#define INT LIMN_SETTING_INT
#define LONG LIMN_SETTING_LONG
#define FLOAT LIMN_SETTING_FLOAT
#define FLAG LIMN_SETTING_FLAG
#define CHOICE LIMN_SETTING_CHOICE

static const limn_setting plain_rows[] = {
    { "dataroot", TEXT, AT(dataroot), 0, 0, NULL, "data", "folder with the pictures" },
    { "name", TEXT, AT(name), 0, 0, NULL, NULL,
      "name of the run, a folder in checkpoints-dir; none: that of the data folder" },
    { "out", TEXT, AT(out), 0, 0, NULL, "run", "folder of the run; none: checkpoints-dir/name" },
    { "checkpoints-dir", TEXT, AT(checkpoints_dir), 0, 0, NULL, NULL, "folder of all runs" },
    { "model", TEXT, AT(model), 0, 0, NULL, "recipe", "what a step computes" }, /* names: below */
    { "direction", CHOICE, AT(direction), 0, 0, "AtoB|BtoA", "which_direction",
      "what becomes what" },
    { "init", TEXT, AT(init), 0, 0, NULL, "pretrained_name",
      "start from these weights: models, .pth or safetensors files, a comma between them" },
    { "netG", TEXT, AT(netG), 0, 0, "unet_256|unet_128|resnet_9blocks|resnet_6blocks",
      "which_model_netG", "generator" },
    { "netD", TEXT, AT(netD), 0, 0, "basic|n_layers|pixel", "which_model_netD",
      "critic; basic sees patches of 70x70" },
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
    { "preprocess", CHOICE, AT(preparation.preprocess), 0, 0, LIMN_PREPROCESS_CHOICES,
      "resize_or_crop", "how pictures are brought to size" },
    { "load-size", INT, AT(preparation.load_size), 1, 16384, NULL, "loadSize",
      "size that pictures are scaled to" },
    { "crop-size", INT, AT(preparation.crop_size), 1, 16384, NULL, "fineSize",
      "size that is cut out of that and trained on" },
    { "flip", FLAG, AT(preparation.flip), 0, 0, NULL, NULL,
      "turn half of the pictures left to right" },
    { "hints", INT, AT(hints.most), 0, 1000, NULL, NULL,
      "draw 0 to N touches of the target's colours into the input" },
    { "hints-none", FLOAT, AT(hints.none), 0, 1, NULL, NULL,
      "share of the pictures that get no touch" },
    { "hints-recolour", FLOAT, AT(hints.recolour), 0, 1, NULL, NULL,
      "share of the touched pictures whose touched regions get other colours, so that touches "
      "count" },
    { "batch-size", INT, AT(batch_size), 1, 1024, NULL, "batchSize batch", "pictures a step" },
    { "accumulate", INT, AT(accumulate), 1, 256, NULL,
      "gradient-accumulation-steps accumulate-grad-batches",
      "batches whose gradients are summed for one update: as many times batch-size in memory for "
      "one" },
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
    { "init-type", CHOICE, AT(init_type), 0, 0, "normal|xavier|kaiming|orthogonal", NULL,
      "first weights are drawn from N(0, gain), from normal distributions by fan, or orthogonal" },
    { "init-gain", FLOAT, AT(init_gain), 0, 100, NULL, NULL, "gain of these" },
    { "ema", FLOAT, AT(ema), 0, 0.99999, NULL, NULL,
      "decay a step of the generators' moving average, which then translates; 0: none" },
    { "seed", LONG, AT(seed), 0, 9e15, NULL, NULL, "seed of all chance" },
    { "compute", CHOICE, AT(compute), 0, 0, "plain|fp32|bf16|auto", NULL,
      "plain loops, float32, bfloat16, or whichever of these two is faster here; which is said" },
    { "threads", INT, AT(threads), 0, 256, NULL, NULL,
      "compute threads; 0: $OMP_NUM_THREADS, or one a core" },
    { "tune", FLAG, AT(tune), 0, 0, NULL, NULL,
      "measure for some seconds how convolutions are computed fastest, where this machine does not "
      "know; no-tune: go by rule" },
    { "save-minutes", FLOAT, AT(save_minutes), 0.01, 1e5, NULL, NULL,
      "minutes between checkpoints; there is one after each epoch anyway" },
    { "save-latest-freq", LONG, AT(save_latest_freq), 0, 1e15, NULL, NULL,
      "steps between checkpoints, beside save-minutes; 0: by the minutes alone" },
    { "save-epoch-freq", INT, AT(save_epoch_freq), 0, 1000000, NULL, NULL,
      "keep the model of every so many epochs as epoch_0005.safetensors ...; 0: latest and best" },
    { "epoch-count", INT, AT(epoch_count), 1, 1000000, NULL, NULL,
      "number of a new run's first epoch, for the schedule; a resumed run knows its own" },
    { "html", FLAG, AT(html), 0, 0, NULL, NULL, "write the results page index.html" },
    { "display-freq", LONG, AT(display_freq), 0, 1e15, NULL, "update_html_freq",
      "steps between updates of that page's curves; 0: after each epoch" },
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

/* ---- The table of all rows ------------------------------------------------------------------- */

enum { DERIVATION_ROWS_MAX = 8 };
static limn_setting
    rows[sizeof plain_rows / sizeof *plain_rows + LIMN_TRAIN_TERMS_MAX + DERIVATION_ROWS_MAX];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static limn_setting *row_named(limn_setting *all, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(all[i].name, name)) return &all[i];
    return NULL;
}

/* One row a name; the first recipe that has it says the range and the help. */
static size_t add_terms(limn_setting *to)
{
    size_t count = 0;

    for (int i = 0; limn_recipes[i]; i++)
        for (const limn_setting *row = limn_recipes[i]->rows; row && row->name; row++) {
            if (count == LIMN_TRAIN_TERMS_MAX || row_named(to, count, row->name)) continue;
            to[count] = *row;
            to[count].offset = AT(terms) + count * sizeof(limn_train_term);
            count++;
        }
    return count;
}

static void make_rows(void)
{
    static char models[160];
    size_t count = 0;

    limn_recipe_names(models, sizeof models, "|");
    for (const limn_setting *row = plain_rows; row->name; row++) {
        rows[count++] = *row;
        if (!strcmp(row->name, "model")) rows[count - 1].choices = models;
        if (!strcmp(row->name, "gan-mode")) count += add_terms(rows + count);
        if (strcmp(row->name, "flip")) continue;
        for (const limn_setting *d = limn_derivation_rows; d->name; d++) {
            rows[count] = *d;
            rows[count++].offset += AT(derivation);
        }
    }
}

const limn_setting *limn_train_rows(void)
{
    pthread_once(&once, make_rows);
    return rows;
}

/* Whether the list of names, with spaces between them, has this one. */
static bool lists(const char *names, const char *name)
{
    size_t length = strlen(name);

    for (const char *at = names; at && *at; at += strcspn(at, " "), at += strspn(at, " "))
        if (strcspn(at, " ") == length && !strncmp(at, name, length)) return true;
    return false;
}

bool limn_train_is_fixed(const limn_setting *row)
{
    for (int i = 0; limn_recipes[i]; i++)
        if (lists(limn_recipes[i]->fixed, row->name)) return true;
    return lists("model netG netD n-layers-D norm dropout antialias antialias-up ngf ndf input-nc "
                 "output-nc ema direction derive",
                 row->name);
}

/* ---- The recipe's own ------------------------------------------------------------------------ */

static size_t bytes_of(const limn_setting *row)
{
    static const size_t bytes[] = {
        [LIMN_SETTING_INT] = sizeof(int),      [LIMN_SETTING_LONG] = sizeof(int64_t),
        [LIMN_SETTING_FLOAT] = sizeof(double), [LIMN_SETTING_TEXT] = sizeof(const char *),
        [LIMN_SETTING_FLAG] = sizeof(bool),    [LIMN_SETTING_CHOICE] = sizeof(int),
    };

    return bytes[row->kind];
}

static const limn_setting *row_of(const limn_recipe *recipe, const char *name)
{
    for (const limn_setting *row = recipe->rows; row && row->name; row++)
        if (!strcmp(row->name, name)) return row;
    return NULL;
}

/* The row's slot gets the default of the recipe, or of the first one that has such a setting. */
static void default_term(limn_train_settings *s, const limn_setting *row, const limn_recipe *recipe)
{
    const limn_setting *own = row_of(recipe, row->name);

    for (int i = 0; !own; i++) own = row_of(recipe = limn_recipes[i], row->name);
    memcpy((char *)s + row->offset, (const char *)recipe->terms + own->offset, bytes_of(own));
}

static bool is_term(const limn_setting *row)
{
    return row->offset >= AT(terms) &&
           row->offset < AT(terms) + sizeof(limn_train_term) * LIMN_TRAIN_TERMS_MAX;
}

double limn_train_term_of(const limn_train_settings *s, const char *name)
{
    const limn_recipe *recipe = limn_recipe_find(s->model);
    const limn_setting *row = recipe ? row_of(recipe, name) : NULL;
    const limn_train_term *term;

    if (!row) return 0;
    row = limn_setting_find(limn_train_rows(), name);
    term = (const limn_train_term *)(const void *)((const char *)s + row->offset);
    switch (row->kind) {
    case LIMN_SETTING_FLOAT:
        return term->number;
    case LIMN_SETTING_LONG:
        return (double)term->large;
    case LIMN_SETTING_FLAG:
        return term->flag;
    case LIMN_SETTING_TEXT:
        return 0;
    default:
        return term->whole;
    }
}

/* Texts are compared as texts: those of a run that goes on stand elsewhere in memory. */
static bool same_value(const limn_setting *row, const char *a, const char *b)
{
    if (row->kind != LIMN_SETTING_TEXT) return !memcmp(a, b, bytes_of(row));
    a = *(const char *const *)(const void *)a, b = *(const char *const *)(const void *)b;
    return a == b || (a && b && !strcmp(a, b));
}

/* A setting of another recipe's that somebody has changed, and not to "off". */
static limn_status refuse_foreign(const limn_train_settings *s, const limn_recipe *recipe,
                                  limn_error *error)
{
    static const char nothing[sizeof(limn_train_term)];
    limn_train_settings defaults = limn_train_defaults(recipe);

    for (const limn_setting *row = limn_train_rows(); row->name; row++) {
        const char *value = (const char *)s + row->offset, *owner = NULL;

        if (!is_term(row) || row_of(recipe, row->name) || !memcmp(value, nothing, bytes_of(row)) ||
            same_value(row, value, (const char *)&defaults + row->offset))
            continue;
        for (int i = 0; !owner; i++)
            if (row_of(limn_recipes[i], row->name)) owner = limn_recipes[i]->name;
        return limn_fail(error, LIMN_SETTING,
                         "--%s is a setting of %s, and %s has none; leave it out, or set --model "
                         "%s",
                         row->name, owner, recipe->name, owner);
    }
    return LIMN_OK;
}

limn_train_settings limn_train_defaults(const limn_recipe *recipe)
{
    const limn_recipe_settings *r = recipe->defaults;
    limn_train_settings s = {
        .checkpoints_dir = "runs",
        .model = recipe->name,
        .netG = r->generator.net,
        .netD = r->critic.net ? r->critic.net : "basic",
        .input_nc = r->generator.input_nc,
        .output_nc = r->generator.output_nc,
        .ngf = r->generator.filters,
        .ndf = r->critic.filters ? r->critic.filters : 64,
        .n_layers_D = r->critic.layers ? r->critic.layers : 3,
        .norm = (int)r->generator.norm,
        .gan_mode = (int)r->gan_mode,
        .dropout = r->generator.dropout,
        .antialias = r->generator.antialias,
        .antialias_up = r->generator.antialias_up,
        .preparation = LIMN_PREPARATION_DEFAULTS,
        .derivation = LIMN_DERIVATION_DEFAULTS,
        .hints = LIMN_HINTS_DEFAULTS,
        .batch_size = r->batch,
        .accumulate = 1,
        .num_threads = 2,
        .cache_mib = 2048,
        .lr = 2e-4,
        .beta1 = (double)r->adam.beta1,
        .n_epochs = recipe->n_epochs ? recipe->n_epochs : 100,
        .n_epochs_decay = recipe->n_epochs_decay ? recipe->n_epochs_decay : 100,
        .lr_decay_iters = 50,
        .init_type = recipe->xavier ? 1 : 0,
        .init_gain = 0.02,
        .seed = 1,
        .compute = 3,
        .tune = true,
        .save_minutes = 10,
        .epoch_count = 1,
        .html = true,
        .val_pictures = 100,
        .sheet_pictures = 6,
    };

    for (const limn_setting *row = limn_train_rows(); row->name; row++)
        if (is_term(row)) default_term(&s, row, recipe);
    return s;
}

/* ---- What the settings mean for others ------------------------------------------------------- */

void limn_train_recipe_settings(limn_recipe_settings *out, const limn_train_settings *s,
                                const limn_recipe *recipe)
{
    *out = limn_recipe_defaults(recipe);
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
    for (const limn_setting *row = recipe->rows; row && row->name; row++)
        memcpy(out->terms.bytes + row->offset,
               (const char *)s + limn_setting_find(limn_train_rows(), row->name)->offset,
               bytes_of(row));
}

bool limn_train_crops(const limn_train_settings *s)
{
    return s->preparation.preprocess != LIMN_PREPROCESS_NONE &&
           s->preparation.preprocess != LIMN_PREPROCESS_SCALE_WIDTH;
}

/* What A is made from. */
static limn_status check_pairing(const limn_train_settings *s, const limn_recipe *recipe,
                                 limn_error *error)
{
    bool derives = s->derivation.kind != LIMN_DERIVE_NONE;

    if (derives && recipe->unpaired)
        return limn_fail(error, LIMN_SETTING,
                         "--derive makes pairs, and %s learns without; use --model pix2pix",
                         recipe->name);
    if (derives && recipe->colorizes)
        return limn_fail(error, LIMN_SETTING,
                         "%s makes its own input, the lightness of the picture; leave --derive out",
                         recipe->name);
    if ((derives || recipe->colorizes) && s->direction)
        return limn_fail(error, LIMN_SETTING,
                         "--direction BtoA needs two sides; with plain pictures A is made from B");
    if (recipe->colorizes && (s->input_nc != recipe->defaults->generator.input_nc ||
                              s->output_nc != recipe->defaults->generator.output_nc))
        return limn_fail(error, LIMN_SETTING,
                         "%s goes from lightness to colour: --input-nc %d and --output-nc %d",
                         recipe->name, recipe->defaults->generator.input_nc,
                         recipe->defaults->generator.output_nc);
    return LIMN_OK;
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
    if (limn_train_crops(s) && size % multiple)
        return limn_fail(error, LIMN_SETTING,
                         "--crop-size is %d; %s takes multiples of %d, and the nearest is %d", size,
                         s->netG, multiple,
                         size < multiple ? multiple : (size + multiple / 2) / multiple * multiple);
    LIMN_TRY(refuse_foreign(s, recipe, error));
    if (s->n_epochs + s->n_epochs_decay < 1)
        return limn_fail(error, LIMN_SETTING, "--n-epochs and --n-epochs-decay are both 0");
    return check_pairing(s, recipe, error);
}

limn_loader_settings limn_train_loader_settings(const limn_train_settings *s, bool validation)
{
    limn_loader_settings l = LIMN_LOADER_DEFAULTS;

    l.preparation = s->preparation;
    l.derivation = s->derivation;
    l.hints = s->hints;
    l.hints_how = validation ? LIMN_HINTS_FIXED : LIMN_HINTS_AS_TRAINED;
    l.colorize = limn_recipe_find(s->model)->colorizes;
    l.b_to_a = s->direction == 1;
    l.a_channels = s->input_nc;
    l.b_channels = s->output_nc;
    l.batch = validation ? 1 : s->batch_size * s->accumulate;
    l.multiple = limn_train_crops(s) ? 1 : limn_network_multiple(s->netG);
    l.workers = s->num_threads;
    l.cache_bytes = (uint64_t)s->cache_mib << 20;
    l.seed = (uint64_t)s->seed;
    l.replace = true;
    l.serial = validation || s->serial_batches;
    l.no_draw = validation;
    if (validation) {
        l.workers = s->num_threads ? 1 : 0;
        l.cache_bytes /= 8;
        l.epochs = 1;
    }
    return l;
}
