/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory of a test case: an arena that each case opens and closes. */
#ifndef LIMN_TESTS_OWN_ARENA_H
#define LIMN_TESTS_OWN_ARENA_H

#include "base/memory.h"

static limn_arena arena;

/* With 64 bytes more, for a fence behind what a loop may write. */
static void *take(size_t bytes)
{
    void *memory = limn_take(&arena, bytes + 64);

    assert_non_null(memory);
    return memory;
}

#endif
