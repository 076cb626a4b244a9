/* SPDX-License-Identifier: Apache-2.0
 *
 * A checkpoint of any kind: a list of named tensors.
 *
 * .pth files of PyTorch (zip archives since 1.6, the older form before) and .safetensors are told
 * apart by their content, never by their name, and look the same from here on.  What is neither
 * gets a sentence that says what it seems to be: a web page saved by mistake and a git-lfs pointer
 * are the two that people really have.
 *
 * A checkpoint may hold several networks ({'G': {...}, 'D': {...}, 'epoch': 3}); limn_state picks
 * one and gives its tensors the names that the network itself uses. */
#ifndef LIMN_MODEL_CHECKPOINT_H
#define LIMN_MODEL_CHECKPOINT_H

#include "base/file.h"
#include "tensor/safetensors.h"

enum { LIMN_CHECKPOINT_TENSORS_MAX = 32768 };

typedef enum limn_checkpoint_kind {
    LIMN_CHECKPOINT_SAFETENSORS,
    LIMN_CHECKPOINT_PTH,    /* PyTorch 1.6 and later: a zip archive */
    LIMN_CHECKPOINT_LEGACY, /* PyTorch before 1.6: five pickles and the bytes */
} limn_checkpoint_kind;

/* One tensor of a checkpoint.  saved.data is NULL where the elements do not lie in the file in C
 * order and this machine's byte order; limn_checkpoint_floats reads them all the same. */
typedef struct limn_checkpoint_tensor {
    limn_saved_tensor saved; /* name: the keys of all dictionaries on the way, joined by dots */
    size_t path_bytes;       /* how much of the name is the dictionaries that hold the last one,
                                the dot included; 0 in a plain state_dict */
    const unsigned char *base;
    int64_t stride[LIMN_DIMS_MAX]; /* in elements, 0 or more */
    bool swapped;                  /* stored with the highest byte first */
} limn_checkpoint_tensor;

typedef struct limn_checkpoint limn_checkpoint;

/* Opens a file by content.  On failure *out is NULL and nothing needs closing. */
limn_status limn_checkpoint_open(limn_checkpoint **out, const char *path, limn_error *error);
/* The same for bytes in memory, borrowed until close; name stands for the path in messages. */
limn_status limn_checkpoint_open_bytes(limn_checkpoint **out, const void *bytes, size_t count,
                                       const char *name, limn_error *error);
void limn_checkpoint_close(limn_checkpoint **checkpoint);

/* The path it was opened by. */
const char *limn_checkpoint_name(const limn_checkpoint *checkpoint);
limn_checkpoint_kind limn_checkpoint_is(const limn_checkpoint *checkpoint);
/* "a PyTorch checkpoint (zip)" and so on, for messages and info. */
const char *limn_checkpoint_kind_text(limn_checkpoint_kind kind);

/* In the order of the file.  Valid until close. */
size_t limn_checkpoint_count(const limn_checkpoint *checkpoint);
const limn_checkpoint_tensor *limn_checkpoint_at(const limn_checkpoint *checkpoint, size_t i);
/* The tensor of that full name, or NULL. */
const limn_checkpoint_tensor *limn_checkpoint_find(const limn_checkpoint *checkpoint,
                                                   const char *name);

/* A metadata value of a safetensors file; NULL for other kinds. */
const char *limn_checkpoint_text(const limn_checkpoint *checkpoint, const char *key);

/* Copies elements [first, first + count) in C order as float32, whatever the type and the strides;
 * whole numbers are converted, a bool is 0 or 1. */
limn_status limn_checkpoint_floats(const limn_checkpoint_tensor *tensor, size_t first, size_t count,
                                   float *out, limn_error *error);

/* One network's tensors under its own names: dictionary keys on the way and the wrappers' prefixes
 * `module.` (DataParallel, any number of times) and `_orig_mod.` (torch.compile) are gone. */
typedef struct limn_state_tensor {
    const char *name;
    const limn_checkpoint_tensor *tensor;
} limn_state_tensor;

typedef struct limn_state {
    const char *file;           /* for messages */
    const char *part;           /* what was in front of the names: "", "state_dict", "netG" ... */
    limn_state_tensor *tensors; /* sorted by name, no two alike */
    size_t count;
} limn_state;

/* Chooses the network: part NULL takes the only one there is.  Tensors belong to one network when
 * they share what stands in front of the component `model` or `net` of their names; those without
 * such a component (optimiser moments, an epoch) are left out unless nothing else is there.  When
 * there are several, LIMN_SETTING names them; so does an unknown part.  Lives in the arena and as
 * long as the checkpoint. */
limn_status limn_state_choose(limn_state *state, const limn_checkpoint *checkpoint,
                              const char *part, limn_arena *arena, limn_error *error);

/* The tensor of that name, or NULL. */
const limn_checkpoint_tensor *limn_state_find(const limn_state *state, const char *name);

#endif
