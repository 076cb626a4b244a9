/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory with a lifetime, not with a list of frees.
 *
 * Everything lives exactly as long as one of four things: the process, the model, the plan (one
 * input size) or one step.  Each has an arena; closing the arena frees all of it, so error paths
 * need no clean-up list.  The library's single allocation call is limn_block() in memory.c, which
 * is what lets a test refuse the nth request and count the requests of a step (none). */
#ifndef LIMN_BASE_MEMORY_H
#define LIMN_BASE_MEMORY_H

#include "base/error.h"

typedef struct limn_arena_chunk limn_arena_chunk;

/* Grows by chunks; a request larger than a chunk gets one of its own.  {0} is a closed arena. */
typedef struct limn_arena {
    limn_arena_chunk *last; /* newest chunk; the others hang on it */
    size_t chunk_bytes;     /* size of the next ordinary chunk */
    size_t taken_bytes;     /* sum of what was taken, rounded to 64 */
    const char *name;       /* for messages */
} limn_arena;

/* Prepares an arena; takes no memory yet, so it cannot fail.  chunk_bytes 0 means 64 KiB. */
void limn_arena_open(limn_arena *arena, const char *name, size_t chunk_bytes);

/* Frees everything taken from the arena and leaves it open and empty.  Fine on {0}. */
void limn_arena_close(limn_arena *arena);

/* bytes of zeroed memory, aligned to 64, that live until the arena is closed; NULL when refused. */
void *limn_take(limn_arena *arena, size_t bytes);

/* The same with the error written: "out of memory: <arena> wanted <bytes> more bytes". */
limn_status limn_take_into(void *pointer_to_pointer, limn_arena *arena, size_t bytes,
                           limn_error *error);

/* For a struct that lies in an arena of its own, which is its first member: bytes of it, zeroed but
 * for that arena.  On failure the pointer is NULL. */
limn_status limn_open_in_arena(void *pointer_to_pointer, size_t bytes, const char *name,
                               size_t chunk_bytes, limn_error *error);

/* The end of such a struct with all that was taken from its arena; the pointer becomes NULL. */
void limn_close_in_arena(void *pointer_to_pointer);

/* A copy of the text in the arena, or NULL. */
char *limn_take_text(limn_arena *arena, const char *text);
char *limn_take_format(limn_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The one door to the system's allocator: bytes aligned to 64, not cleared, NULL when refused.  For
 * tensors of a plan and for buffers that grow; blocks of 2 MiB and more are offered to the kernel
 * as huge pages (first touch of small pages is slow on virtual machines).  Freed by
 * limn_block_free, which takes NULL. */
void *limn_block(size_t bytes);
void limn_block_free(void *block);

/* For tests: let n requests to limn_block through and refuse all that follow; -1 turns it off.
 * limn_memory_requests counts every request since the process began (refused ones too);
 * limn_memory_live_blocks those given and not yet freed.  Thread safe. */
void limn_memory_refuse_after(long n);
size_t limn_memory_requests(void);
size_t limn_memory_live_blocks(void);

#endif
