/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the JSON library gets its memory: from the library's one door, so that a test can refuse it
 * and count it.
 *
 * Parsing gets a pool, one block that is large enough for any header of its length.  Serving each
 * request by itself was tried first: when memory ran out while the parser was gathering a long
 * name, the parser (jansson 2.14) lost count of its characters and stopped the program with an
 * assertion. With a pool, memory can only be refused before the parser starts.  It is also quick:
 * requests are a few dozen bytes and all go at once.
 *
 * How large?  The dearest text for its length is an array of empty objects, {},{},{}: on a 64-bit
 * machine 72 bytes of object, 128 of hash table and, the array doubling, 32 of array in 3
 * characters, about 80 times its length.  The pool has 96 times, of which the kernel only gives
 * what is touched; a real header touches 15 times.  Should a later version of the library want
 * more, requests beyond the pool go to limn_block one by one.
 *
 * The library's allocator is a setting of the whole process.  The hooks are therefore put in once,
 * find the pool of their own thread, and stay out where a surrounding program has put in its own.
 */
#include "base/memory.h"
#include "tensor/safetensors_header.h"

#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>

enum { ALIGN = 16, POOL_TIMES = 96, POOL_BYTES_MIN = 4096 };

static _Thread_local struct {
    unsigned char *bytes; /* NULL: no pool */
    size_t size, used;
    bool refused;
} pool;

static void *take(size_t bytes)
{
    void *block;

    if (pool.bytes && bytes <= pool.size - pool.used) {
        block = pool.bytes + pool.used;
        bytes = (bytes + ALIGN - 1) / ALIGN * ALIGN;
        pool.used = bytes < pool.size - pool.used ? pool.used + bytes : pool.size;
        return block;
    }
    if (!(block = limn_block(bytes))) pool.refused = true;
    return block;
}

static void give(void *block)
{
    uintptr_t at = (uintptr_t)block, begin = (uintptr_t)pool.bytes;

    if (!pool.bytes || at < begin || at >= begin + pool.size) limn_block_free(block);
}

static void use_own_memory(void)
{
    json_malloc_t other_take;
    json_free_t other_give;

    json_get_alloc_funcs(&other_take, &other_give);
    if (other_take == malloc && other_give == free) json_set_alloc_funcs(take, give);
}

void limn_json_start(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, use_own_memory);
    pool.refused = false;
}

bool limn_json_refused(void)
{
    return pool.refused;
}

bool limn_json_pool_open(size_t text_bytes)
{
    size_t size = text_bytes * POOL_TIMES + POOL_BYTES_MIN;

    limn_json_start();
    if (!(pool.bytes = limn_block(size))) return false;
    pool.size = size;
    pool.used = 0;
    return true;
}

void limn_json_pool_close(void)
{
    limn_block_free(pool.bytes);
    pool.bytes = NULL;
}
