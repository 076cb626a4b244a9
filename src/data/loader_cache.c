/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures that were decoded once and fit into the limit.
 *
 * What is in stays in until the end, so a pointer that was given out needs no count of users.  Two
 * workers may decode the same file at the same time (B of unpaired data is drawn at random); the
 * second result is thrown away, which is cheaper than making one wait for the other.  Only pixels
 * are kept: alpha, profiles and EXIF play no part in training. */
#include "data/loader_inside.h"

void limn_loader_cache_open(limn_loader_cache *cache, limn_picture **pictures, size_t files,
                            uint64_t limit)
{
    *cache = (limn_loader_cache){ .pictures = pictures, .files = files, .limit = limit };
    pthread_mutex_init(&cache->lock, NULL);
}

void limn_loader_cache_close(limn_loader_cache *cache)
{
    for (size_t i = 0; i < cache->files; i++)
        if (cache->pictures[i]) {
            limn_picture_close(cache->pictures[i]);
            limn_block_free(cache->pictures[i]);
        }
    pthread_mutex_destroy(&cache->lock);
}

/* Pixels alone. */
static void strip(limn_picture *picture)
{
    void *pixels = picture->pixels;

    picture->pixels = NULL;
    limn_picture_info info = picture->info;
    limn_picture_close(picture);
    picture->info = info;
    picture->info.alpha = false;
    picture->pixels = pixels;
}

/* Moves held->own into the cache when there is room, or takes what another worker has put there. */
static void keep(limn_held *held, limn_loader_cache *cache, size_t file)
{
    uint64_t bytes = limn_picture_bytes(&held->own);
    limn_picture *kept = bytes <= cache->limit ? limn_block(sizeof *kept) : NULL;

    if (!kept) return; /* no room for the cache is no error */
    pthread_mutex_lock(&cache->lock);
    if (cache->pictures[file]) {
        limn_picture_close(&held->own);
        held->picture = cache->pictures[file];
    } else if (cache->bytes + bytes <= cache->limit) {
        *kept = held->own;
        held->own = (limn_picture){ 0 };
        held->picture = cache->pictures[file] = kept;
        cache->bytes += bytes;
        cache->count++;
        kept = NULL;
    }
    pthread_mutex_unlock(&cache->lock);
    limn_block_free(kept);
}

limn_status limn_loader_hold(limn_held *held, limn_loader_cache *cache, const limn_data_item *item,
                             limn_error *error)
{
    *held = (limn_held){ 0 };
    pthread_mutex_lock(&cache->lock);
    held->picture = cache->pictures[item->file];
    pthread_mutex_unlock(&cache->lock);
    if (held->picture) return LIMN_OK;
    LIMN_TRY(limn_picture_read(&held->own, item->path, NULL, error));
    atomic_fetch_add(&cache->decoded, 1);
    strip(&held->own);
    held->picture = &held->own;
    keep(held, cache, item->file);
    return LIMN_OK;
}

void limn_loader_let_go(limn_held *held)
{
    limn_picture_close(&held->own);
    *held = (limn_held){ 0 };
}
