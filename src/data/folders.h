/* SPDX-License-Identifier: Apache-2.0
 *
 * A data folder becomes a list of pairs, of two sides, or of plain pictures.
 *
 * People come with folders made for other programs, so all the layouts in use are understood
 * (LIMN_LAYOUTS) and never mixed: a scan for one phase does not enter the folders of another one,
 * wherever they lie.  Order is that of the bytes of the names (without their endings, then these),
 * the same in every locale.
 *
 * Where there is no val folder, a tenth of train is held out: the pictures whose name hashes to a
 * multiple of ten.  A picture's place then depends on its own name alone, so adding pictures, or
 * training on fewer, never moves one from one side to the other. */
#ifndef LIMN_DATA_FOLDERS_H
#define LIMN_DATA_FOLDERS_H

#include "base/memory.h"

#define LIMN_PHASE_CHOICES "train|val|test"
typedef enum limn_phase {
    LIMN_PHASE_TRAIN,
    LIMN_PHASE_VAL,
    LIMN_PHASE_TEST,
    LIMN_PHASE_COUNT
} limn_phase;
const char *limn_phase_name(limn_phase phase);

#define LIMN_PAIRING_CHOICES "paired|unpaired|plain"
typedef enum limn_pairing {
    LIMN_PAIRED,   /* a.items[i] belongs to b.items[i] */
    LIMN_UNPAIRED, /* two sides, each with its own count */
    LIMN_PLAIN,    /* side b alone: A is made from B (colorization, --derive) */
} limn_pairing;

/* Name, folder of A, folder of B (%s: the phase), what to call it.  In order of preference where a
 * folder has several.  One folder: A|B side by side in a file for pairs, else plain pictures.  HERE
 * is the data folder itself, for plain pictures only. */
#define LIMN_LAYOUTS(X)                                                                            \
    X(INSIDE, "%s/A", "%s/B", "train/A + train/B")                                                 \
    X(ONE_FOLDER, "%s", NULL, "train")                                                             \
    X(A_TRAIN, "A/%s", "B/%s", "A/train + B/train")                                                \
    X(TRAIN_A, "%s_A", "%s_B", "train_A + train_B")                                                \
    X(TRAINA, "%sA", "%sB", "trainA + trainB")                                                     \
    X(LABEL, "%s_label", "%s_img", "train_label + train_img")                                      \
    X(HERE, "", NULL, "the folder itself")

typedef enum limn_layout {
#define X(name, ...) LIMN_LAYOUT_##name,
    LIMN_LAYOUTS(X)
#undef X
        LIMN_LAYOUT_COUNT
} limn_layout;

/* Which part of the file is meant. */
typedef enum limn_half { LIMN_WHOLE, LIMN_LEFT, LIMN_RIGHT } limn_half;

typedef struct limn_data_item {
    const char *path; /* to open it */
    const char *name; /* below the phase's folder, with its ending: "sub/0001.jpg" */
    uint32_t file;    /* number of the file in 0..limn_data.files; both halves have the same */
    limn_half half;
} limn_data_item;

typedef struct limn_data_side {
    limn_data_item *items;
    size_t count;
    const char *folder; /* where it was looked for */
} limn_data_side;

/* All memory is in the arena; {0} is closed. */
typedef struct limn_data {
    limn_pairing pairing;
    limn_phase phase;
    limn_layout layout;
    limn_data_side a, b;             /* plain: a is empty */
    limn_data_side alone_a, alone_b; /* files without a partner, when asked for */
    size_t files;                    /* different files in a and b */
    bool held_out; /* no val folder: this is train without, or val as, the held-out tenth */
    char *note;    /* a sentence that people should see (several layouts found), or NULL */
    limn_arena arena;
} limn_data;

typedef struct limn_data_query {
    const char *root;
    limn_pairing pairing;
    limn_phase phase;
    int64_t max_size; /* --max-dataset-size: the first so many of each side; 0: all */
    bool no_hold_out; /* train is all of train; val without a folder is then empty */
    bool keep_alone;  /* unpaired names go into alone_a, alone_b instead of being an error */
} limn_data_query;

/* Lists what the query asks for.  On success close with limn_data_close; on failure *data is {0}.
 * Errors: LIMN_IO folder missing or unreadable, LIMN_FORMAT no layout known, empty, unpaired names
 * (the first few and the count), LIMN_NO_MEMORY.  An empty list is no error in one case: val with
 * nothing held out (few pictures), and note says so. */
limn_status limn_data_open(limn_data *data, const limn_data_query *query, limn_error *error);
void limn_data_close(limn_data *data);

/* Takes entries out: those with drop_a[i] of side A, drop_b[i] of side B (each as long as the side;
 * NULL: none of it), a pair when either half of it is marked.  Numbers of files stay as they are.
 * Where one of two sides has nothing left, the other is emptied too. */
void limn_data_drop(limn_data *data, const bool *drop_a, const bool *drop_b);

/* Pictures in an epoch: pairs, plain pictures, or the longer of two sides. */
size_t limn_data_length(const limn_data *data);

/* Whether root has a folder (or two) of that phase in any layout. */
bool limn_data_has(const char *root, limn_pairing pairing, limn_phase phase);

/* The hash that holds out, of a name without its ending: FNV-1a, then mixed (64 bit). */
uint64_t limn_name_hash(const char *name);
bool limn_name_held_out(const char *name);

/* Whether the ending is that of a picture: jpg jpeg png ppm pgm bmp tif tiff webp, any case. */
bool limn_is_picture_name(const char *name);

#endif
