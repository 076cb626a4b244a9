/* SPDX-License-Identifier: Apache-2.0
 *
 * Around each test of a group: a folder of its own and no error yet; behind it nothing is refused
 * any more, and no memory is left (stop) or something may be kept (stop_keeping). */
#ifndef LIMN_TESTS_EACH_FOLDER_H
#define LIMN_TESTS_EACH_FOLDER_H

#include "base/file.h"
#include "base/memory.h"
#include "base/threads.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static scratch folder;
static limn_error error;
static size_t blocks; /* that are live between tests */

static inline int start(void **state)
{
    (void)state;
    scratch_open(&folder);
    error = (limn_error){ 0 };
    blocks = limn_memory_live_blocks();
    return 0;
}

static inline int stop_keeping(void **state)
{
    (void)state;
    limn_memory_refuse_after(-1);
    limn_file_fail_after(-1);
    limn_worker_refuse_after(-1);
    scratch_close(&folder);
    return 0;
}

static inline int stop(void **state)
{
    stop_keeping(state);
    assert_int_equal(limn_memory_live_blocks(), blocks);
    return 0;
}

#endif
