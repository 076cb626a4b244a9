/* SPDX-License-Identifier: Apache-2.0
 *
 * The results page of a run, index.html in its folder: curves, samples over time, events, settings.
 * One file that works from the disk, without a server and without anything from elsewhere. */
#ifndef LIMN_TRAIN_PAGE_H
#define LIMN_TRAIN_PAGE_H

#include "train/history.h"

/* Writes the page, whole or absent, from what the history holds.  title: the run's name.  summary:
 * a sentence on top, may be NULL. */
limn_status limn_page_write(const char *path, limn_history *history, const char *title,
                            const char *summary, limn_error *error);

#endif
