/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors: found once, said once, carried up with context.
 *
 * Whoever FINDS a fault calls limn_fail() and writes the sentence.  Whoever passes it on returns
 * the status untouched or, at a border that a person would recognise (a file, a pair, an epoch),
 * puts one clause in front of it with limn_while().  Nothing here prints; the command line and the
 * web reply do.  A struct and not a process-wide log, because the server runs several jobs at a
 * time and one user's message must not reach another. */
#ifndef LIMN_BASE_ERROR_H
#define LIMN_BASE_ERROR_H

#include "limn.h"

/* Fills error and returns status.  error may be NULL. */
limn_status limn_fail(limn_error *error, limn_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "clause: " in front of the text that is there and returns its status. */
limn_status limn_while(limn_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Returns at once when a step failed.  Only where all memory comes from an arena; with a file or a
 * library's object open, write `if ((status = step())) goto done;` with one label that frees. */
#define LIMN_TRY(step)                                                                             \
    do {                                                                                           \
        limn_status limn_try_status_ = (step);                                                     \
        if (limn_try_status_) return limn_try_status_;                                             \
    } while (0)

#endif
