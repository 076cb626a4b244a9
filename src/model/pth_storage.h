/* SPDX-License-Identifier: Apache-2.0
 *
 * The two forms of a .pth file, behind one question: where are the elements of this storage?
 *
 * Shared by pth_storage.c, which reads the form, and checkpoint_pth.c, which walks the values and
 * asks.  Nobody else includes it. */
#ifndef LIMN_MODEL_PTH_STORAGE_H
#define LIMN_MODEL_PTH_STORAGE_H

#include "model/checkpoint_pth.h"
#include "model/pickle.h"
#include "model/zip.h"

enum { LIMN_PTH_NAME_MAX = 400 };

typedef struct limn_pth_storage {
    const char *key;
    uint32_t key_bytes;
    limn_type type;
    bool untyped;              /* counts bytes; a tensor says the type */
    const unsigned char *data; /* NULL until the raw bytes were found */
    uint64_t elements;
    int64_t view; /* elements in front of the view, old form only */
} limn_pth_storage;

typedef struct limn_pth_reader {
    const unsigned char *bytes;
    size_t count;
    const char *name;
    limn_arena *arena;
    limn_pickle *object;  /* closed by whoever made the reader */
    bool zipped, swapped; /* swapped: highest byte first */
    limn_zip zip;
    const char *folder; /* with its slash */
    size_t folder_bytes;
    limn_pth_storage *legacy; /* sorted by key */
    size_t legacy_count;
} limn_pth_reader;

/* Reads everything but the tensors: object is set, also on failure perhaps. */
limn_status limn_pth_read_form(limn_pth_reader *r, limn_error *error);

/* What a persistent name says; then its data and elements, checked against the file. */
limn_status limn_pth_storage_describe(const limn_pth_reader *r, const limn_pickle_value *id,
                                      limn_pth_storage *s, limn_error *error);
limn_status limn_pth_storage_find(limn_pth_reader *r, limn_pth_storage *s, limn_error *error);

#endif
