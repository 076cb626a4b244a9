/* SPDX-License-Identifier: Apache-2.0
 *
 * The screen over a training set: see screening.h.
 *
 * The halves of a side-by-side file are judged apart (together each would be too small to judge),
 * and a digest stands for the bytes of the file and which part was meant.  A dozen pictures are
 * judged at a time: see limn_screen_pictures. */
#include "train/screening.h"
#include "base/file.h"
#include "base/sha256.h"
#include "image/prepare.h"

#include <string.h>

enum { TOGETHER = 12, DIGEST_ROOM = LIMN_DIGEST_TEXT + 2 };

/* Pictures that wait for the screen. */
typedef struct waiting {
    limn_screen_subject subjects[TOGETHER];
    limn_picture pictures[TOGETHER];
    char digests[TOGETHER][DIGEST_ROOM];
    bool *refused[TOGETHER]; /* where the answer goes */
    int count;
    limn_screen *screen;
    limn_history *history;
    size_t seen;
} waiting;

static limn_status judge(waiting *w, limn_error *error)
{
    limn_screen_verdict verdicts[TOGETHER];
    limn_status status = LIMN_OK;

    if (w->count)
        status = limn_screen_pictures(w->screen, w->subjects, (size_t)w->count, verdicts, error);
    for (int i = 0; i < w->count; i++) {
        if (!status) {
            *w->refused[i] = verdicts[i].refused;
            status = limn_history_screen(w->history, w->digests[i], (double)verdicts[i].score,
                                         verdicts[i].refused, error);
        }
        limn_picture_close(&w->pictures[i]);
    }
    w->count = 0;
    return status;
}

static limn_status part_of(limn_part *part, const limn_picture_info *info,
                           const limn_data_item *item, limn_error *error)
{
    limn_part left, right;

    *part = (limn_part){ 0 };
    if (item->half == LIMN_WHOLE) return LIMN_OK;
    LIMN_TRY(limn_picture_halves(info, &left, &right, error));
    *part = item->half == LIMN_LEFT ? left : right;
    return LIMN_OK;
}

static limn_status look_at(waiting *w, const limn_mapping *file, const limn_data_item *item,
                           bool *refused, limn_error *error)
{
    int at = w->count;
    bool known;
    double score;
    limn_status status;

    limn_sha256_text(file->bytes, file->count, w->digests[at]);
    if (item->half != LIMN_WHOLE) strcat(w->digests[at], item->half == LIMN_LEFT ? "L" : "R");
    LIMN_TRY(limn_history_screened(w->history, w->digests[at], &score, refused, &known, error));
    if (known) return LIMN_OK;
    LIMN_TRY(limn_picture_read_bytes(&w->pictures[at], file->bytes, file->count, item->path, NULL,
                                     error));
    w->subjects[at] = (limn_screen_subject){ .picture = &w->pictures[at] };
    w->refused[at] = refused;
    w->count++;
    status = part_of(&w->subjects[at].part, &w->pictures[at].info, item, error);
    if (status) return limn_while(error, "%s", item->path);
    return w->count == TOGETHER ? judge(w, error) : LIMN_OK;
}

static limn_status look_at_item(waiting *w, const limn_data_item *item, bool *refused,
                                limn_error *error)
{
    limn_mapping file;
    limn_status status = limn_file_map(&file, item->path, error);

    if (status) return status;
    status = look_at(w, &file, item, refused, error);
    limn_file_unmap(&file);
    w->seen++;
    return status;
}

/* Takes refused items out of a side; other's follow where they are partners. */
static limn_status sift(limn_data_side *side, bool *refused, const limn_data_side *partner,
                        const bool *partner_refused, limn_history *history, size_t *gone,
                        limn_error *error)
{
    size_t kept = 0;

    for (size_t i = 0; i < side->count; i++) {
        bool with_partner = partner && partner->count && partner_refused[i];
        char sentence[400];

        if (!refused[i] && !with_partner) {
            side->items[kept++] = side->items[i];
            continue;
        }
        ++*gone;
        if (!refused[i]) continue;
        snprintf(sentence, sizeof sentence, "left out, refused by the screen: %.300s",
                 side->items[i].path);
        LIMN_TRY(limn_history_event(history, 0, 0, "refused", sentence, error));
    }
    side->count = kept;
    return LIMN_OK;
}

static limn_status sift_all(limn_data *data, bool *refused_a, bool *refused_b,
                            limn_history *history, size_t *left_out, limn_error *error)
{
    size_t all = data->a.count > data->b.count ? data->a.count : data->b.count, gone_a = 0,
           gone_b = 0, flagged = 0, screened = data->a.count + data->b.count;
    bool pairs = data->pairing == LIMN_PAIRED;

    if (pairs) screened = all;
    for (size_t i = 0; i < data->a.count; i++) flagged += refused_a[i];
    for (size_t i = 0; i < data->b.count; i++) flagged += refused_b[i] && !(pairs && refused_a[i]);
    *left_out = flagged;
    if (!flagged) return LIMN_OK;
    if (limn_screen_refuses_set(flagged, screened))
        return limn_fail(error, LIMN_REFUSED_DATA,
                         "the screen refuses %zu of %zu training pictures, which is too many to "
                         "leave out: limn does not learn from this set (docs/safety.md)",
                         flagged, screened);
    LIMN_TRY(
        sift(&data->a, refused_a, pairs ? &data->b : NULL, refused_b, history, &gone_a, error));
    /* Both sides are as long as they were while each is sifted: partners by the old index. */
    return sift(&data->b, refused_b, pairs && gone_a ? &(limn_data_side){ .count = all } : NULL,
                refused_a, history, &gone_b, error);
}

limn_status limn_screen_data(limn_data *data, limn_screen *screen, limn_history *history,
                             limn_screening_progress progress, void *context, size_t *left_out,
                             limn_error *error)
{
    waiting w = { .screen = screen, .history = history };
    size_t count_a = data->a.count, total = count_a + data->b.count;
    bool *refused;
    limn_status status = LIMN_OK;

    *left_out = 0;
    if (!total) return LIMN_OK;
    if (!(refused = limn_block(total * sizeof *refused)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for screening %zu pictures", total);
    memset(refused, 0, total * sizeof *refused);
    for (size_t i = 0; i < total && !status; i++) {
        const limn_data_item *item = i < count_a ? &data->a.items[i] : &data->b.items[i - count_a];

        status = look_at_item(&w, item, &refused[i], error);
        if (!status && progress && !progress(context, i + 1, total))
            status = limn_fail(error, LIMN_STOPPED, "stopped while looking at the pictures");
    }
    if (!status) status = judge(&w, error);
    for (int i = 0; i < w.count; i++) limn_picture_close(&w.pictures[i]);
    if (!status) status = sift_all(data, refused, refused + count_a, history, left_out, error);
    if (!status) status = limn_history_flush(history, error);
    limn_block_free(refused);
    return status;
}
