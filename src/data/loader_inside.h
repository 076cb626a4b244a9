/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside src/data only: what the loader's files share. */
#ifndef LIMN_DATA_LOADER_INSIDE_H
#define LIMN_DATA_LOADER_INSIDE_H

#include "data/loader.h"

#include <pthread.h>
#include <stdatomic.h>

/* ---- Cache: decoded pictures by file number ---------------------------------------------------
 */

typedef struct limn_loader_cache {
    pthread_mutex_t lock;
    limn_picture **pictures; /* one a file; NULL: not there */
    size_t files;
    uint64_t limit, bytes, count;
    atomic_uint_fast64_t decoded;
} limn_loader_cache;

/* A picture that is being looked at: the cache's, or one of our own. */
typedef struct limn_held {
    const limn_picture *picture;
    limn_picture own;
} limn_held;

/* pictures: room for one pointer a file, zeroed. */
void limn_loader_cache_open(limn_loader_cache *cache, limn_picture **pictures, size_t files,
                            uint64_t limit);
void limn_loader_cache_close(limn_loader_cache *cache);
/* On failure *held is {0}; letting go of that is fine. */
limn_status limn_loader_hold(limn_held *held, limn_loader_cache *cache, const limn_data_item *item,
                             limn_error *error);
void limn_loader_let_go(limn_held *held);

/* ---- One picture of a batch -------------------------------------------------------------------
 */

/* Planes that grow (batch of one) or are fixed (more). */
typedef struct limn_loader_planes {
    float *values; /* of the whole batch, from limn_block */
    size_t room;   /* floats */
    limn_shape shape, kept;
} limn_loader_planes;

typedef struct limn_loader_task {
    uint64_t epoch;
    uint32_t index;                  /* of the pair in the list: draws depend on it */
    const limn_data_item *a, *b;     /* sides of the files; plain: a is NULL */
    limn_loader_planes *to_a, *to_b; /* of the batch, after the direction */
    int place;                       /* in the batch */
    const limn_data_item *failed;    /* set on failure: the file that is to blame, or NULL */
} limn_loader_task;

/* Fills place of both planes.  With a batch of one the planes grow and take the picture's shape,
 * else the picture must have the shape that is there. */
limn_status limn_loader_prepare(const limn_loader_settings *settings, limn_pairing pairing,
                                limn_loader_cache *cache, limn_loader_task *task,
                                limn_error *error);

/* Where in the file the item's half lies. */
limn_status limn_loader_part(limn_part *part, const limn_picture_info *info,
                             const limn_data_item *item, limn_error *error);

#endif
