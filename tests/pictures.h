/* SPDX-License-Identifier: Apache-2.0
 *
 * What the picture tests share: the folder that make_pictures.py fills, and .want files. */
#ifndef LIMN_TESTS_PICTURES_H
#define LIMN_TESTS_PICTURES_H

#include "base/threads.h"
#include "image/picture.h"
#include "scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/wait.h>

#include <cmocka.h>

/* The first line of a .want or .sent file. */
typedef struct wanted {
    int32_t width, height, channels, alpha, bytes, tolerance, frames, colour;
} wanted;

static char script[512];                         /* tests/make_pictures.py or its like */
static scratch folder;                           /* what it made */
static limn_error error __attribute__((unused)); /* not every test has faults to read */

/* The script of that name, in the source folder that the program was given. */
static inline void use_script(int count, char **arguments, const char *name)
{
    snprintf(script, sizeof script, "%s/tests/%s", count > 1 ? arguments[1] : ".", name);
}

/* Runs the script with Debian's Python (which has Pillow, tifffile and scikit-image); a machine
 * without it fails the test, tools/setup installs it.  The exit code, or -1. */
static inline int run_script(const char *verb, const char *where)
{
    pid_t child = fork();
    int how = 0;

    if (!child) {
        execl("/usr/bin/python3", "python3", script, verb, where, (char *)NULL);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &how, 0) < 0 || !WIFEXITED(how)) return -1;
    return WEXITSTATUS(how);
}

/* Around a group of tests: the folder is made and filled, and goes away. */
static inline int start_all(void **state)
{
    (void)state;
    scratch_open(&folder);
    return run_script("make", folder.folder);
}

static inline int stop_all(void **state)
{
    (void)state;
    scratch_close(&folder);
    return 0;
}

/* Behind each: nothing is left, and nothing is refused or set any more. */
static inline int stop(void **state)
{
    (void)state;
    limn_memory_refuse_after(-1);
    limn_compute_threads_set(0);
    assert_int_equal(limn_memory_live_blocks(), 0);
    return 0;
}

static inline limn_type type_of_bytes(int bytes)
{
    return bytes == 1 ? LIMN_U8 : bytes == 2 ? LIMN_U16 : LIMN_F32;
}

/* The largest difference of two runs of values, in steps (millionths for floats). */
static inline double worst_difference(const void *a, const void *b, size_t count, limn_type type)
{
    double worst = 0;

    for (size_t i = 0; i < count; i++) {
        double x = type == LIMN_U8    ? ((const uint8_t *)a)[i]
                   : type == LIMN_U16 ? ((const uint16_t *)a)[i]
                                      : 1e6 * (double)((const float *)a)[i];
        double y = type == LIMN_U8    ? ((const uint8_t *)b)[i]
                   : type == LIMN_U16 ? ((const uint16_t *)b)[i]
                                      : 1e6 * (double)((const float *)b)[i];

        if (!(fabs(x - y) <= worst)) worst = fabs(x - y);
    }
    return worst;
}

#endif
