/* SPDX-License-Identifier: Apache-2.0
 *
 * The model file: one safetensors file that describes itself.
 *
 * A MODEL is for use: one network (or the two generators of CycleGAN), its weights and its card.  A
 * CHECKPOINT is for going on with training: all networks with their running statistics and
 * moments, and whatever else the trainer keeps (pools of pictures), with the same card.  Both are
 * opened by the same functions and `translate` takes either.
 *
 * Tensors carry PyTorch's names.  A model with one network has them bare
 * ("model.model.0.weight"), so that load_state_dict takes the file as it is; every other file puts
 * the network's name in front ("G.model.model.0.weight", "D.model.0.weight").  Shapes and order of
 * elements are PyTorch's too: F32, and num_batches_tracked I64 without dimensions.
 *
 * The card is plain text pairs in the file's metadata, "limn.KEY" = value (docs/models.md lists
 * them), because safetensors metadata is text to text and a reader in any language should need
 * nothing further.  JSON inside the texts was dropped: it would be a second format, with a second
 * set of faults.  A network's fields are settings rows, so they are checked like the command
 * line's.
 *
 * Reading copies each tensor once, from the mapped file to where it is used, and gives the file's
 * pages back at once: weights and file are never in memory together. */
#ifndef LIMN_MODEL_MODEL_H
#define LIMN_MODEL_MODEL_H

#include "net/plan.h"
#include "tensor/safetensors.h"
#include "zoo/zoo.h"

enum { LIMN_MODEL_FORMAT = 1, LIMN_MODEL_NETWORKS_MAX = 8 };

/* One network of the file.  Texts are borrowed from whoever filled the card (the model itself,
 * when it was opened).  NULL texts are not written and come back as NULL. */
typedef struct limn_model_network {
    const char *name; /* in the file: "G", "D", "G_A", "F" */
    const char *from; /* saving: its name in the weights where that is another ("G_ema"); NULL */
    limn_network network; /* all of it; net may be a name that the zoo does not have ("mlp") */
    /* Of a network that makes pictures: what its channels are, in the range [-1, 1].  "sRGB",
     * "grey" (sRGB's curve), "Lab", "raw" (N channels of anything).  NULL: by the number of
     * channels (limn_model_colour). */
    const char *input, *output;
    bool dropout_in_use; /* translating keeps dropout on (as pix2pix's own test does) */
    bool int8;           /* some layers are whole numbers: see layers.h */
} limn_model_network;

/* Plain data, filled by the trainer or the import before saving, by limn_model_open when reading.
 */
typedef struct limn_model_card {
    int format;            /* reading; saving writes LIMN_MODEL_FORMAT */
    bool checkpoint;       /* for going on with training, not only for use */
    const char *recipe;    /* "pix2pix", "cycle_gan", "cut"; NULL: not known */
    const char *direction; /* "AtoB" or "BtoA"; NULL: not known */
    const char *generator; /* the network that translates; NULL on saving: the first generator */
    const char *title;     /* a few words for people */
    const char *licence, *attribution;
    const char *software;             /* "limn 0.1.0"; NULL on saving: this one */
    const char *made_from;            /* import: what the file was; NULL */
    const char *source_type, *notice; /* what the pictures must be called; always written */
    const char *weights_sha256;       /* of all tensors' bytes in the order of the file; NULL */
    limn_model_network networks[LIMN_MODEL_NETWORKS_MAX];
    int network_count;
    /* Pairs without the "limn.setting." and so on in front.  settings: as given to training.
     * record: what happened (docs/models.md names the usual ones: epochs, steps, score.l1,
     * data.sha256, screener.sha256 ...).  state: the trainer's own, to go on from. */
    const limn_saved_text *settings, *record, *state;
    size_t setting_count, record_count, state_count;
} limn_model_card;

/* ---- Writing --------------------------------------------------------------------------------- */

/* What a checkpoint holds beside its networks' parameters. */
typedef struct limn_model_more {
    bool moments; /* the optimiser's, of every network of the card */
    const limn_saved_tensor
        *extra;         /* "pool.fake_A": the part before the dot is no network's name */
    size_t extra_count; /* each with dims, size, type and data filled */
} limn_model_more;

/* Writes the networks that the card lists from the weights (which hold them under the same names,
 * or `from`), whole or absent.  more may be NULL.  A model (not a checkpoint) gets the digest of
 * its weights.  Takes memory for one tensor at a time.  LIMN_SETTING for a card that does not
 * describe the weights. */
limn_status limn_model_save(const char *path, const limn_model_card *card, limn_weights *weights,
                            const limn_model_more *more, limn_error *error);

/* ---- Reading --------------------------------------------------------------------------------- */

typedef struct limn_model limn_model;

/* Opens a model or a checkpoint, or what the folder of a run has of them (limn_model_path_of).
 * LIMN_FORMAT when the file is none of ours (the sentence says whether `limn import` might read
 * it), or its card is malformed, or newer than this program.  On failure *out is NULL. */
limn_status limn_model_open(limn_model **out, const char *path, limn_error *error);
void limn_model_close(limn_model **model);

/* Whether the file is one of ours: a card is in its metadata.  False also when it can't be read. */
bool limn_model_is(const char *path);

/* The card, valid until close; the path it was opened by. */
const limn_model_card *limn_model_about(const limn_model *model);
const char *limn_model_path(const limn_model *model);
/* The network of that name (NULL: the card's generator), or NULL. */
const limn_model_network *limn_model_network_of(const limn_model_card *card, const char *name);
/* The value of a pair, or NULL. */
const char *limn_model_text(const limn_saved_text *pairs, size_t count, const char *key);

/* Fills all parameters of the network that the weights call `as` (NULL: as in the file) from the
 * file's network `name`.  Declare them first: limn_weights_add.  Every one must be there with the
 * same shape, and the file may hold nothing else of this network; running statistics may be missing
 * where the card says that the picture's own are used.  moments: the optimiser's too, which must
 * then be there; otherwise they are passed over. */
limn_status limn_model_load(const limn_model *model, const char *name, limn_weights *weights,
                            const char *as, bool moments, limn_error *error);
/* The same for translating, from a file that stays open as long as the weights: large tensors of
 * float32 are lent to them (limn_weights_lend) and not copied. */
limn_status limn_model_lend(const limn_model *model, const char *name, limn_weights *weights,
                            limn_error *error);

/* The checks of loading alone, for who reads tensor by tensor: declared has the network's
 * parameters. */
limn_status limn_model_check(const limn_model *model, const char *name,
                             const limn_weights *declared, limn_error *error);
/* Gives the memory of a tensor's pages back; they come from the file again when they are read. */
void limn_model_forget(const limn_saved_tensor *tensor);

/* A tensor that is no network's, or NULL; read it with limn_saved_floats.  All tensors by index. */
const limn_saved_tensor *limn_model_extra(const limn_model *model, const char *name);
size_t limn_model_count(const limn_model *model);
const limn_saved_tensor *limn_model_at(const limn_model *model, size_t i);
/* The tensor that holds a parameter ("model.1.weight") of a network, or NULL. */
const limn_saved_tensor *limn_model_find(const limn_model *model, const char *network,
                                         const char *parameter);

/* Reads all tensors and compares with the card's digest: *intact; false also where there is none.
 */
bool limn_model_intact(const limn_model *model);

/* ---- Conventions ----------------------------------------------------------------------------- */

/* "sRGB" for 3 channels, "grey" for 1, "raw" otherwise. */
const char *limn_model_colour(int channels);
/* The settings rows of limn_network, as the card and `limn info` write them. */
extern const limn_setting limn_network_rows[];
/* What pictures made with a model must be called: IPTC's digital source type, and a sentence. */
extern const char limn_model_source_type[], limn_model_notice[];

/* The file of a model: the path itself, or what the folder of a run has: best.safetensors,
 * latest.safetensors, checkpoint.safetensors, in this order.  In the arena. */
limn_status limn_model_path_of(const char **file, const char *path, limn_arena *arena,
                               limn_error *error);

#endif
