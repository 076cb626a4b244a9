/* SPDX-License-Identifier: Apache-2.0
 *
 * No picture is learned from that the screen has not seen (docs/safety.md).
 *
 * Before the first step every picture of a list is judged, or known by its content from an earlier
 * session of the run.  Refused ones are left out, with their partners, and listed in the run's
 * record; a set with too many of them is refused whole. */
#ifndef LIMN_TRAIN_SCREENING_H
#define LIMN_TRAIN_SCREENING_H

#include "data/folders.h"
#include "screen/screen.h"
#include "train/history.h"

/* Says how far it is; false stops with LIMN_STOPPED. */
typedef bool (*limn_screening_progress)(void *context, size_t done, size_t total);

/* Changes the list.  *left_out is the number of pairs or pictures that are gone, and each is an
 * event of the history.  LIMN_REFUSED_DATA for a set that is refused whole. */
limn_status limn_screen_data(limn_data *data, limn_screen *screen, limn_history *history,
                             limn_screening_progress progress, void *context, size_t *left_out,
                             limn_error *error);

#endif
