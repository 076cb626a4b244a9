/* SPDX-License-Identifier: Apache-2.0
 *
 * The border to libvips: start it once, run work in it, bring its words back.
 *
 * libvips keeps one error log for the whole process, so with two decoders at work the text of one
 * picture could reach the other's message.  Work therefore runs shared (any number at a time) and,
 * only when libvips failed in it (limn_vips_fail was called), a second time alone with an empty
 * log; what is in the log then belongs to this picture.  Broken pictures are rare, so the second
 * run costs nothing that matters.  Tried and dropped: one lock around all decoding (loader workers
 * queue). */
#ifndef LIMN_IMAGE_BORDER_H
#define LIMN_IMAGE_BORDER_H

#include "base/error.h"

/* Work that uses libvips.  May be run twice: it must free everything when it fails. */
typedef limn_status (*limn_vips_work)(void *context, limn_error *error);

/* Starts libvips if that has not happened, and runs the work as described above. */
limn_status limn_vips_run(limn_vips_work work, void *context, limn_error *error);

/* Inside such work: limn_fail with what libvips said in brackets at the end. */
limn_status limn_vips_fail(limn_error *error, limn_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Bytes that libvips holds for pixels right now, all threads together; for leak tests. */
size_t limn_vips_live_bytes(void);

/* Pictures, sources and operations of libvips that somebody still holds; for leak tests too. */
size_t limn_vips_live_objects(void);

#endif
