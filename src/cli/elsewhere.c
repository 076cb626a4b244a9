/* SPDX-License-Identifier: Apache-2.0
 *
 * Settings that people paste from scripts for pytorch-CycleGAN-and-pix2pix (train.py, test.py), CUT
 * and upscalers, and that limn has no row for.
 *
 * One row a name: it is left aside with a line that says why (a graphics card, a plot server), it
 * is another setting here, it says what limn does anyway, or it is refused with the sentence that
 * says what to use instead.  What would change the result is never left aside without a word.  Rows
 * with values are looked at before the command's own settings, so that a word of another program
 * (--gan_mode wgangp) gets an answer of its own; rows without only where the command has no such
 * setting.  tests/test_elsewhere.sh goes through the lists of those programs, name by name. */
#include "cli.h"

#include <string.h>
#include <strings.h>

typedef enum what {
    ASIDE, /* says: why it means nothing here */
    FITS,  /* it is what limn does; nothing to say */
    SAME,  /* says: another setting, "name" for the same value or "name=value" */
    NONE,  /* says: what to do instead */
} what;

/* What follows the name. */
typedef enum takes { NOTHING, VALUE, PERHAPS /* true or false, or nothing */ } takes;

typedef struct row {
    const char *commands; /* a space between */
    const char *names;    /* the first one, then other spellings */
    takes takes;
    const char *values; /* only these, a space between; NULL: any */
    what what;
    const char *says;
} row;

#define TRAIN "train"
#define USE "translate score"
#define ALL "train translate score"
#define FILE_SAYS "the model's file says it"
#define OWN_SIZE                                                                                   \
    "every picture is translated in its own size; scale it first where it should not be"
#define ALL_PICTURES "every picture is translated; name fewer where it should be fewer"
#define NO_STYLEGAN "it belongs to StyleGAN2's networks, which are not here"

static const row rows[] = {
    /* ---- Machines and servers ---- */
    { ALL, "gpu-ids g gpu", VALUE, NULL, ASIDE, "limn computes on the processor" },
    { ALL, "use-wandb", NOTHING, NULL, ASIDE, "nothing is sent anywhere" },
    { ALL, "wandb-project-name", VALUE, NULL, ASIDE, "nothing is sent anywhere" },
    { TRAIN, "display-id display-server display-port display-env display-ncols display-winsize",
      VALUE, NULL, ASIDE, "the run's index.html shows the training, without a server" },
    { USE, "display-winsize", VALUE, NULL, ASIDE, "pictures are shown in their own size" },
    { TRAIN, "verbose v", NOTHING, NULL, ASIDE,
      "limn info says what the networks are, limn plan how they are computed" },
    { USE, "verbose v", NOTHING, NULL, ASIDE, "limn info says what the model is" },
    { ALL, "easy-label", VALUE, NULL, ASIDE, "--name is the run's only name" },

    /* ---- Which run and which epoch ---- */
    { ALL, "suffix", VALUE, NULL, NONE, "write it into --name" },
    { TRAIN, "epoch which-epoch", VALUE, "latest", FITS, NULL },
    { TRAIN, "epoch which-epoch", VALUE, NULL, NONE,
      "a run goes on from its checkpoint (--resume RUN); a new one begins with the weights of an "
      "epoch by --init RUN/epoch_0005.safetensors" },
    { ALL, "load-iter", VALUE, "0", FITS, NULL },
    { TRAIN, "load-iter", VALUE, NULL, NONE,
      "models are kept by epoch; a new run begins with one by --init RUN/epoch_0005.safetensors" },
    { USE, "load-iter", VALUE, NULL, NONE, "models are kept by epoch: --epoch 5" },
    { TRAIN, "save-by-iter", NOTHING, NULL, NONE,
      "models are kept by epoch, with --save-epoch-freq; checkpoints come every "
      "--save-latest-freq steps" },
    { TRAIN, "evaluation-freq", VALUE, NULL, ASIDE,
      "validation pictures are scored after each epoch" },
    { USE, "model-suffix", VALUE, "_A", SAME, "network=G_A" },
    { USE, "model-suffix", VALUE, "_B", SAME, "network=G_B" },
    { USE, "n", VALUE, NULL, NONE, "the model comes first: limn translate MODEL PICTURES -o OUT" },

    /* ---- Pictures ---- */
    { TRAIN, "dataset-mode", VALUE, NULL, ASIDE,
      "--model says whether it learns from pairs (pix2pix, colorization) or from two sets "
      "(cycle_gan, cut, fastcut)" },
    { USE, "dataset-mode", VALUE, NULL, ASIDE, "folders are taken as they are" },
    { TRAIN, "phase", VALUE, "train", FITS, NULL },
    { TRAIN, "phase", VALUE, NULL, NONE,
      "limn learns from the folder's train; name a folder that has those pictures as train" },
    { "translate", "phase", VALUE, "test", FITS, NULL },
    { "translate", "phase", VALUE, NULL, NONE, "name the folder itself, such as DATA/valA" },
    { TRAIN, "random-scale-max", VALUE, NULL, NONE,
      "it belongs to training on one picture, for which there is no recipe here" },
    { "translate", "preprocess resize-or-crop", VALUE, "none", FITS, NULL },
    { "translate", "preprocess resize-or-crop load-size loadSize crop-size fineSize", VALUE, NULL,
      ASIDE, OWN_SIZE },
    { USE, "aspect-ratio", VALUE, "1 1.0", FITS, NULL },
    { USE, "aspect-ratio s scale", VALUE, NULL, ASIDE, OWN_SIZE },
    { USE, "t tile tile-size", VALUE, NULL, ASIDE, "every picture is translated whole" },
    { USE, "no-flip serial-batches", NOTHING, NULL, FITS, NULL },
    { USE, "batch-size batchSize", VALUE, NULL, ASIDE,
      "pictures go through the network one by one" },
    { USE, "num-threads nThreads", VALUE, NULL, SAME, "workers" },
    { "translate", "num-test how-many ntest max-dataset-size", VALUE, NULL, ASIDE, ALL_PICTURES },
    { "score", "num-test how-many ntest", VALUE, NULL, SAME, "max-dataset-size" },

    /* ---- Networks ---- */
    { TRAIN, "model", VALUE, "test", NONE,
      "a trained model is used by limn translate RUN PICTURES -o FOLDER" },
    { TRAIN, "model", VALUE, "sincut", NONE,
      "there is no recipe for one picture; --model cut learns from two folders" },
    { USE, "model", VALUE, "test pix2pix cycle_gan colorization cut fastcut", ASIDE, FILE_SAYS },
    { USE, "model", VALUE, NULL, NONE,
      "the file or the run's folder comes first: limn translate MODEL PICTURES -o FOLDER" },
    { TRAIN, "netG which-model-netG", VALUE, "stylegan2 smallstylegan2 resnet_cat", NONE,
      "take --netG resnet_9blocks, resnet_6blocks, unet_256 or unet_128" },
    { TRAIN, "netD which-model-netD", VALUE, "patch tilestylegan2 stylegan2", NONE,
      "take --netD basic, n_layers or pixel" },
    { TRAIN, "normG normD", VALUE, NULL, NONE, "--norm is for generator and critic alike" },
    { TRAIN, "stylegan2-G-num-downsampling", VALUE, NULL, NONE, NO_STYLEGAN },
    { USE,
      "netG which-model-netG netD which-model-netD norm normG normD ngf ndf input-nc output-nc "
      "n-layers-D init-type init-gain netF netF-nc CUT-mode stylegan2-G-num-downsampling "
      "nce-layers",
      VALUE, NULL, ASIDE, FILE_SAYS },
    { USE, "no-dropout no-antialias no-antialias-up", PERHAPS, NULL, ASIDE, FILE_SAYS },
    { USE, "eval", NOTHING, NULL, ASIDE,
      "the model's file says which statistics are used; limn import --eval records the running "
      "ones" },

    /* ---- Losses and the optimiser ---- */
    { TRAIN, "gan-mode", VALUE, "wgangp wgan-gp", NONE,
      "its penalty wants gradients of gradients, which limn does not compute; take --gan-mode "
      "lsgan or hinge" },
    { TRAIN, "no-lsgan", NOTHING, NULL, SAME, "gan-mode=vanilla" },
    { TRAIN, "identity", VALUE, NULL, SAME, "lambda-identity" },
    { TRAIN, "lr-policy", VALUE, "lambda", SAME, "lr-policy=linear" },
    { TRAIN, "beta2", VALUE, "0.999", FITS, NULL },
    { TRAIN, "beta2", VALUE, NULL, NONE, "it is 0.999; --beta1 and --lr can be chosen" },
    { TRAIN, "lambda-GAN", VALUE, "1 1.0", FITS, NULL },
    { TRAIN, "lambda-GAN", VALUE, NULL, NONE,
      "its weight is 1, and what counts is how the others compare: for half of it, take twice the "
      "other weights (--lambda-L1, --lambda-NCE ...)" },
    { TRAIN, "netF", VALUE, "mlp_sample", FITS, NULL },
    { TRAIN, "netF", VALUE, NULL, NONE, "PatchNCE compares by mlp_sample; leave it out" },
    { TRAIN, "nce-includes-all-negatives-from-minibatch", PERHAPS, "false", FITS, NULL },
    { TRAIN, "nce-includes-all-negatives-from-minibatch", PERHAPS, NULL, NONE,
      "the others are places of the same picture; leave it out" },
    { .commands = NULL },
};

/* Whether a list with spaces between its words has this one; case does not count. */
static bool lists(const char *list, const char *word)
{
    size_t length, wanted = strlen(word);

    for (const char *at; (at = limn_cli_next(&list, ' ', &length));)
        if (length == wanted && !strncasecmp(at, word, length)) return true;
    return false;
}

/* Names as everywhere: dashes and underscores are the same. */
static bool is_named(const row *r, const char *name)
{
    const limn_setting spellings[] = { { .name = "", .aliases = r->names }, { .name = NULL } };

    return limn_setting_find(spellings, name) != NULL;
}

static const row *find(const char *command, const char *name, const char *value, bool known)
{
    for (const row *r = rows; r->commands; r++)
        if (lists(r->commands, command) && is_named(r, name) &&
            (r->values ? value && lists(r->values, value) : !known))
            return r;
    return NULL;
}

bool limn_cli_is_bool(const char *word)
{
    return word && (!strcasecmp(word, "true") || !strcasecmp(word, "false"));
}

bool limn_cli_elsewhere_knows(const char *command, const char *name)
{
    for (const row *r = rows; r->commands; r++)
        if (lists(r->commands, command) && is_named(r, name)) return true;
    return false;
}

/* One line a name, however often it is read: train reads its words twice. */
static void say_once(const row *r, const char *dashes, const char *name)
{
    static const char *said[32];
    static size_t count;

    for (size_t i = 0; i < count; i++)
        if (!strcmp(said[i], name)) return;
    if (count < sizeof said / sizeof *said) said[count++] = name;
    fprintf(stderr, "limn: %s%s is left aside: %s\n", dashes, name, r->says);
}

static limn_status set_same(const limn_cli_table *tables, const char *says, const char *value,
                            limn_error *error)
{
    char name[64];
    size_t length = strcspn(says, "=");

    snprintf(name, sizeof name, "%.*s", (int)length, says);
    if (says[length]) value = says + length + 1;
    for (const limn_cli_table *t = tables; t->rows; t++)
        if (limn_setting_find(t->rows, name))
            return limn_setting_set(t->rows, t->fields, name, value, error);
    return limn_cli_fail(error, LIMN_BUG, "there is no setting --%s to stand for another", name);
}

limn_status limn_cli_elsewhere(const limn_cli_table *tables, const limn_cli_word *word, bool known,
                               bool *found, bool *used_next, limn_error *error)
{
    const char *value = word->value ? word->value : word->next;
    const row *r;

    *used_next = false;
    *found = (r = find(word->command, word->name, value, known)) != NULL;
    if (!r) return LIMN_OK;
    if (r->takes == VALUE && !value)
        return limn_cli_fail(error, LIMN_SETTING, "%s%s wants a value after it", word->dashes,
                             word->name);
    if (r->takes == NOTHING || (r->takes == PERHAPS && !limn_cli_is_bool(value))) {
        /* A switch that only fits when it is off was found by a value that is none. */
        value = "true";
    } else {
        *used_next = !word->value;
    }
    switch (r->what) {
    case ASIDE:
        say_once(r, word->dashes, word->typed);
        return LIMN_OK;
    case FITS:
        return LIMN_OK;
    case SAME:
        return set_same(tables, r->says, value, error);
    default:
        return limn_cli_fail(error, LIMN_SETTING, "limn has no %s%s%s%.60s: %s", word->dashes,
                             word->name, r->values ? " " : "", r->values ? value : "", r->says);
    }
}
