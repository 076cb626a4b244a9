/* SPDX-License-Identifier: Apache-2.0
 *
 * The library's single allocation call, and the arenas that are built on it.
 *
 * An arena is a chain of chunks, each one limn_block.  A request is served from the newest chunk; a
 * request that is too large for an ordinary chunk gets one of its own, which is hung BEHIND the
 * newest, so that the room left there is not lost.  Ordinary chunks double up to 4 MiB: small
 * arenas stay small, and a graph of a thousand nodes makes a handful of requests.
 *
 * Blocks of 2 MiB and more are aligned to 2 MiB and offered to the kernel as huge pages before they
 * are touched.  Only the alignment is rounded, not the size, which would waste a megabyte on
 * average in every block of a plan; aligned_alloc would insist on it, posix_memalign does not. */
#include "base/memory.h"

#include <assert.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGN = 64, CHUNK_BYTES = 64 << 10, CHUNK_BYTES_MAX = 4 << 20, HUGE_BYTES = 2 << 20 };

static atomic_size_t requests, live_blocks;
static atomic_long let_through = -1; /* requests still granted; negative: no limit */

void limn_memory_refuse_after(long n)
{
    atomic_store(&let_through, n < 0 ? -1 : n);
}

size_t limn_memory_requests(void)
{
    return atomic_load(&requests);
}

size_t limn_memory_live_blocks(void)
{
    return atomic_load(&live_blocks);
}

/* Takes one from the count that a test allows.  The count stays at 0 when it is used up. */
static bool granted(void)
{
    long left = atomic_load(&let_through);

    while (left > 0 && !atomic_compare_exchange_weak(&let_through, &left, left - 1)) continue;
    return left != 0;
}

void *limn_block(size_t bytes)
{
    size_t align = bytes >= HUGE_BYTES ? HUGE_BYTES : ALIGN;
    void *block;

    atomic_fetch_add(&requests, 1);
    if (bytes > SIZE_MAX / 2 || !granted()) return NULL;
    bytes = bytes ? (bytes + ALIGN - 1) / ALIGN * ALIGN : ALIGN;
    if (posix_memalign(&block, align, bytes)) return NULL;
#ifdef MADV_HUGEPAGE
    /* An offer: kernels without huge pages answer EINVAL, and the block is as good as before. */
    if (align == HUGE_BYTES) (void)madvise(block, bytes / HUGE_BYTES * HUGE_BYTES, MADV_HUGEPAGE);
#endif
    atomic_fetch_add(&live_blocks, 1);
    return block;
}

void limn_block_free(void *block)
{
    if (!block) return;
    atomic_fetch_sub(&live_blocks, 1);
    free(block);
}

/* The head of a chunk; 64 bytes, so that what follows is aligned. */
struct limn_arena_chunk {
    _Alignas(64) limn_arena_chunk *older;
    size_t bytes, used; /* without the head */
};

void limn_arena_open(limn_arena *arena, const char *name, size_t chunk_bytes)
{
    *arena = (limn_arena){ .name = name, .chunk_bytes = chunk_bytes ? chunk_bytes : CHUNK_BYTES };
}

void limn_arena_close(limn_arena *arena)
{
    for (limn_arena_chunk *chunk = arena->last, *older; chunk; chunk = older) {
        older = chunk->older;
        limn_block_free(chunk);
    }
    arena->last = NULL;
    arena->taken_bytes = 0;
}

/* A chunk with room for bytes (a multiple of 64), hung into the chain, or NULL. */
static limn_arena_chunk *grow(limn_arena *arena, size_t bytes)
{
    size_t ordinary = (arena->chunk_bytes ? arena->chunk_bytes : CHUNK_BYTES) / ALIGN * ALIGN;
    limn_arena_chunk *chunk, *last = arena->last;
    bool own;

    /* With its head: else chunks of huge pages would end a head behind one. */
    if (ordinary <= sizeof *chunk) ordinary = sizeof *chunk + ALIGN;
    own = bytes > ordinary - sizeof *chunk;
    if (!(chunk = limn_block(own ? sizeof *chunk + bytes : ordinary))) return NULL;
    chunk->bytes = own ? bytes : ordinary - sizeof *chunk;
    chunk->used = 0;
    if (own && last) {
        chunk->older = last->older;
        last->older = chunk;
        return chunk;
    }
    chunk->older = last;
    arena->last = chunk;
    if (!own && ordinary < CHUNK_BYTES_MAX) arena->chunk_bytes = ordinary * 2;
    return chunk;
}

void *limn_take(limn_arena *arena, size_t bytes)
{
    limn_arena_chunk *chunk = arena->last;
    unsigned char *at;

    if (bytes > SIZE_MAX / 4) return NULL;
    bytes = bytes ? (bytes + ALIGN - 1) / ALIGN * ALIGN : ALIGN;
    if ((!chunk || chunk->bytes - chunk->used < bytes) && !(chunk = grow(arena, bytes)))
        return NULL;
    at = (unsigned char *)chunk + sizeof *chunk + chunk->used;
    chunk->used += bytes;
    arena->taken_bytes += bytes;
    assert(chunk->used <= chunk->bytes);
    return memset(at, 0, bytes);
}

limn_status limn_take_into(void *pointer_to_pointer, limn_arena *arena, size_t bytes,
                           limn_error *error)
{
    void *taken = limn_take(arena, bytes);

    memcpy(pointer_to_pointer, &taken, sizeof taken); /* any object pointer, without aliasing it */
    if (!taken)
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory: %s wanted %zu more bytes",
                         arena->name ? arena->name : "an arena", bytes);
    return LIMN_OK;
}

limn_status limn_open_in_arena(void *pointer_to_pointer, size_t bytes, const char *name,
                               size_t chunk_bytes, limn_error *error)
{
    limn_arena arena;
    void *whole;

    limn_arena_open(&arena, name, chunk_bytes);
    LIMN_TRY(limn_take_into(pointer_to_pointer, &arena, bytes, error));
    memcpy(&whole, pointer_to_pointer, sizeof whole);
    memcpy(whole, &arena, sizeof arena);
    return LIMN_OK;
}

void limn_close_in_arena(void *pointer_to_pointer)
{
    void *whole;
    limn_arena arena;

    memcpy(&whole, pointer_to_pointer, sizeof whole);
    memcpy(&arena, whole, sizeof arena); /* it goes with what it frees */
    limn_arena_close(&arena);
    memset(pointer_to_pointer, 0, sizeof whole);
}

char *limn_take_text(limn_arena *arena, const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = limn_take(arena, bytes);

    return copy ? memcpy(copy, text, bytes) : NULL;
}

char *limn_take_format(limn_arena *arena, const char *format, ...)
{
    va_list arguments, again;
    char *text = NULL;
    int length;

    va_start(arguments, format);
    va_copy(again, arguments);
    length = vsnprintf(NULL, 0, format, arguments);
    if (length >= 0 && (text = limn_take(arena, (size_t)length + 1)))
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    va_end(arguments);
    return text;
}
