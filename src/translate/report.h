/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside src/translate: what scoring a folder has found, and the page that shows it. */
#ifndef LIMN_TRANSLATE_REPORT_H
#define LIMN_TRANSLATE_REPORT_H

#include "data/loader.h"
#include "score/score.h"
#include "translate/translator.h"

enum { LIMN_SCORE_WORST = 10 };

struct limn_score_report {
    limn_arena arena; /* the report itself lies in it */
    limn_picture_score *pictures;
    const char **shown; /* of each: its file below the page's folder; NULL: none */
    size_t count, refused;
    limn_picture_score mean;
};

/* Writes index.html into the folder: means, then every picture, the worst first. */
limn_status limn_score_page(const limn_score_report *report, const limn_translator *t,
                            const char *data, const char *folder, limn_error *error);

/* How pictures of a folder are loaded for a translator: its direction and channels, nothing drawn.
 */
limn_loader_settings limn_score_loading(const limn_translator *t, const limn_score_settings *s);

/* order[count]: indices from the largest L1 to the smallest, equal ones as they come. */
limn_status limn_score_order(const limn_score_report *report, size_t *order, limn_error *error);

#endif
