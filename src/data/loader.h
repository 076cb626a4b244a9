/* SPDX-License-Identifier: Apache-2.0
 *
 * Batches of prepared pictures, decoded ahead by workers.
 *
 * What a batch holds is a function of (seed, epoch, number of the batch): order, crops, flips, the
 * random B of unpaired data and touches of colour are drawn from base/random.h, never from timing
 * or from the number of workers.  Opening at (epoch, batch) therefore continues any run.
 *
 * Decoded pictures are kept in memory as they were decoded (8 bit stays 8 bit) until a limit is
 * reached, and are not exchanged then: an epoch visits everything once, so throwing out the oldest
 * would throw out what comes next.
 *
 * A loader is used by one thread.  The list must outlive it. */
#ifndef LIMN_DATA_LOADER_H
#define LIMN_DATA_LOADER_H

#include "data/derive.h"
#include "data/folders.h"
#include "data/hints.h"
#include "image/prepare.h"

/* Streams of base/random.h that are drawn here. */
enum {
    LIMN_STREAM_ORDER = 0x0da7a001,       /* permutation of the epoch */
    LIMN_STREAM_PARTNER = 0x0da7a002,     /* B of unpaired data */
    LIMN_STREAM_PREPARE = 0x0da7a003,     /* crop and flip: of a pair, or of A */
    LIMN_STREAM_PREPARE_B = 0x0da7a004,   /* of B, unpaired */
    LIMN_STREAM_HINTS = 0x0da7a005,       /* training */
    LIMN_STREAM_HINTS_FIXED = 0x0da7a006, /* validation; index is the hash of the name */
};

typedef enum limn_loader_hints {
    LIMN_HINTS_AS_TRAINED, /* 0 to N touches, none for a share of the pictures, new each epoch */
    LIMN_HINTS_WITHOUT,
    LIMN_HINTS_FIXED, /* 1 to N touches, for each picture the same ones always */
} limn_loader_hints;

typedef struct limn_loader_settings {
    limn_preparation preparation;
    limn_derivation derivation; /* plain data: A from B */
    bool colorize;              /* plain data: a is L (1 channel), b is ab (2 channels) */
    limn_hints hints;
    limn_loader_hints hints_how;
    limn_filter filter_a, filter_b; /* of the files' sides A and B */
    bool b_to_a; /* --direction BtoA: batch.a is the files' side B; not for plain data */
    int a_channels, b_channels; /* of batch.a and batch.b (after the direction): 3 and 3 */
    int batch;                  /* --batch-size */
    int multiple; /* height and width are reflected up to one of these, at the bottom and right */
    int workers;  /* --num-threads; 0 decodes in limn_loader_next itself */
    int ahead;    /* batches prepared ahead; 0: 2, and enough to keep every worker busy */
    uint64_t cache_bytes; /* decoded pictures kept */
    uint64_t seed;
    bool serial;     /* --serial-batches: in the order of the list; B beside A */
    bool replace;    /* a file that can't be read is told by limn_loader_broken, and the picture
                        behind it in the list comes in its place; false: it is an error */
    bool no_draw;    /* validation: middle crops, no flip; with serial */
    uint64_t epochs; /* so many epochs, then it ends; 0: no end */
} limn_loader_settings;

#define LIMN_LOADER_DEFAULTS                                                                       \
    {                                                                                              \
        .preparation = LIMN_PREPARATION_DEFAULTS, .derivation = LIMN_DERIVATION_DEFAULTS,          \
        .hints = LIMN_HINTS_DEFAULTS, .a_channels = 3, .b_channels = 3, .batch = 1, .multiple = 1, \
        .workers = 2, .cache_bytes = (uint64_t)2 << 30                                             \
    }

/* Lent until the next call of limn_loader_next or the loader's close. */
typedef struct limn_batch {
    uint64_t epoch, number; /* of the batch in its epoch */
    bool last;              /* of the epoch */
    int count;              /* pictures; 0 when the loader has ended */
    int fresh;    /* the last batch of an epoch is filled up from the epoch's beginning: so many of
                     its pictures are new, the others are there a second time */
    int replaced; /* pictures that stand for one that can't be read */
    limn_shape a_shape, b_shape; /* (batch, channels, height, width), padded to `multiple` */
    const float *a, *b;          /* NCHW in [-1, 1] */
    limn_shape a_kept, b_kept;   /* without the padding */
    const limn_data_item *const *a_items, *const *b_items; /* the files, one a picture */
} limn_batch;

typedef struct limn_loader limn_loader;

/* Starts at batch `number` of `epoch` (0, 0 for a new run; a number past the end of the epoch means
 * the epochs that follow).  Errors: LIMN_SETTING and LIMN_SHAPE
 * for combinations that can't work, LIMN_NO_MEMORY; on failure *loader is NULL. */
limn_status limn_loader_open(limn_loader **loader, const limn_data *data,
                             const limn_loader_settings *settings, uint64_t epoch, uint64_t number,
                             limn_error *error);

/* The next batch.  An error (broken or vanished file, named; sizes that do not fit; out of memory)
 * stands where its batch would have come, whatever the workers had decoded by then, and is returned
 * by all later calls too. */
limn_status limn_loader_next(limn_loader *loader, limn_batch *batch, limn_error *error);

/* Why a file can't be read that was found broken and not told yet; NULL: there is none.  Each is
 * told once, in the order in which workers met them.  When more than a tenth of the files and at
 * least 3 are broken, or nothing else is left, limn_loader_next fails. */
const char *limn_loader_broken(limn_loader *loader);

/* Stops the workers, frees everything and sets the handle NULL; fine at any moment and on NULL. */
void limn_loader_close(limn_loader **loader);

uint64_t limn_loader_batches(const limn_loader *loader); /* in an epoch */

typedef struct limn_loader_times {
    double waited, total;          /* seconds in limn_loader_next, and since the first call of it */
    uint64_t pictures;             /* handed out */
    uint64_t decoded;              /* files decoded (a cached one is not decoded again) */
    uint64_t cached, cached_bytes; /* files kept */
} limn_loader_times;
limn_loader_times limn_loader_time(limn_loader *loader);

#endif
