/* SPDX-License-Identifier: Apache-2.0
 *
 * From files to the planes of one picture of a batch: read, scale and cut, derive, touch, pad.
 *
 * The order matters.  Derived inputs and touches are made from the planes that the network sees and
 * before padding, so that an edge is one pixel wide at any size of file and the border of the
 * padding is no edge. */
#include "data/lab.h"
#include "data/loader_inside.h"

#include <string.h>

typedef struct work {
    const limn_loader_settings *settings;
    const limn_loader_task *task;
    limn_pairing pairing;
    limn_held a, b; /* a is unused where both halves are in one file, and for plain data */
    limn_error *error;
} work;

limn_status limn_loader_part(limn_part *part, const limn_picture_info *info,
                             const limn_data_item *item, limn_error *error)
{
    limn_part left, right;

    *part = (limn_part){ 0, 0, info->width, info->height };
    if (item->half == LIMN_WHOLE) return LIMN_OK;
    if (limn_picture_halves(info, &left, &right, error)) return limn_while(error, "%s", item->path);
    *part = item->half == LIMN_LEFT ? left : right;
    return LIMN_OK;
}

/* Both names where they are two. */
static limn_status of_both(const work *w)
{
    const limn_loader_task *t = w->task;

    if (!t->a || t->a->file == t->b->file) return limn_while(w->error, "%s", t->b->path);
    return limn_while(w->error, "%s and %s", t->a->path, t->b->path);
}

/* What is drawn for the item: random by the stream, or nothing. */
static limn_status draw_for(const work *w, limn_draw *draw, const limn_data_item *item,
                            const limn_picture *picture, limn_part *part, uint32_t stream)
{
    const limn_loader_settings *s = w->settings;
    limn_random random = { .seed = s->seed, .stream = stream, .step = w->task->epoch };

    LIMN_TRY(limn_loader_part(part, &picture->info, item, w->error));
    if (limn_draw_for(draw, &s->preparation, part->width, part->height, s->no_draw ? NULL : &random,
                      w->task->index, w->error))
        return limn_while(w->error, "%s", item->path);
    return LIMN_OK;
}

/* Room for the picture in the batch, or the check that it has the batch's shape. */
static limn_status take_shape(const work *w, limn_loader_planes *planes, int channels,
                              const limn_draw *draw)
{
    const limn_loader_settings *s = w->settings;
    limn_shape kept = { s->batch, channels, draw->window.height, draw->window.width };
    limn_shape shape = limn_padded(
        kept, limn_padding_to_multiple(kept.h, kept.w, s->multiple > 1 ? s->multiple : 1));
    size_t count = limn_count(shape);

    if (s->batch > 1) {
        if (limn_shape_equal(kept, planes->kept)) return LIMN_OK;
        limn_fail(w->error, LIMN_SHAPE,
                  "%d x %d after preparation where others are %d x %d; a batch needs equal sizes: "
                  "use --preprocess resize_and_crop or --batch-size 1",
                  kept.w, kept.h, planes->kept.w, planes->kept.h);
        return of_both(w);
    }
    if (count > planes->room) {
        float *larger = limn_block(count * sizeof *larger);

        if (!larger) {
            limn_fail(w->error, LIMN_NO_MEMORY, "out of memory for %d x %d pixels", shape.w,
                      shape.h);
            return of_both(w);
        }
        limn_block_free(planes->values);
        planes->values = larger;
        planes->room = count;
    }
    planes->shape = shape;
    planes->kept = kept;
    return LIMN_OK;
}

/* ---- Planes of one picture, without padding -------------------------------------------------- */

static size_t one_count(limn_shape shape)
{
    return limn_count((limn_shape){ 1, shape.c, shape.h, shape.w });
}

/* a is made from b's prepared planes; for colours, from the picture itself. */
static limn_status make_input(const work *w, const limn_draw *draw, const limn_part *part, float *a,
                              float *b)
{
    const limn_loader_settings *s = w->settings;
    size_t count = (size_t)draw->window.width * (size_t)draw->window.height;
    limn_status status;
    float *rgb;

    if (!s->colorize) {
        LIMN_TRY(
            limn_draw_apply(draw, w->b.picture, part, s->b_channels, s->filter_b, b, w->error));
        return limn_derive(&s->derivation, b, s->b_channels, draw->window.height,
                           draw->window.width, a, s->a_channels, w->error);
    }
    if (!(rgb = limn_block(3 * count * sizeof *rgb)))
        return limn_fail(w->error, LIMN_NO_MEMORY, "out of memory for %zu pixels", count);
    status = limn_draw_apply(draw, w->b.picture, part, 3, s->filter_b, rgb, w->error);
    if (!status) limn_lab_split(rgb, count, a, b);
    limn_block_free(rgb);
    return status;
}

static limn_status touch(const work *w, float *a, float *b, limn_shape shape)
{
    const limn_loader_settings *s = w->settings;
    const limn_data_item *named = w->task->a ? w->task->a : w->task->b;
    limn_random random = { .seed = s->seed, .stream = LIMN_STREAM_HINTS, .step = w->task->epoch };
    limn_hints hints = s->hints;
    size_t bytes = one_count(shape) * sizeof *a;
    uint64_t index = w->task->index;
    limn_status status;
    float *before;
    bool changed;

    if (hints.most < 1 || s->hints_how == LIMN_HINTS_WITHOUT) return LIMN_OK;
    if (s->hints_how == LIMN_HINTS_FIXED) {
        hints.none = hints.recolour = 0;
        random = (limn_random){ .stream = LIMN_STREAM_HINTS_FIXED };
        index = limn_name_hash(named->name);
    }
    if (!(hints.recolour > 0)) {
        limn_hints_draw(&hints, &random, index, a, b, shape.c, shape.h, shape.w);
        return LIMN_OK;
    }
    if (!(before = limn_block(bytes))) {
        limn_fail(w->error, LIMN_NO_MEMORY, "out of memory for %d x %d pixels", shape.w, shape.h);
        return of_both(w);
    }
    memcpy(before, a, bytes);
    limn_hints_draw(&hints, &random, index, a, b, shape.c, shape.h, shape.w);
    status = limn_hints_recolour(&hints, &random, index, before, a, b, shape.c, shape.h, shape.w,
                                 &changed, w->error);
    limn_block_free(before);
    return status ? of_both(w) : LIMN_OK;
}

/* Fills a and b, given in the order of the batch (after the direction). */
static limn_status fill(const work *w, const limn_draw draws[2], const limn_part parts[2], float *a,
                        float *b)
{
    const limn_loader_settings *s = w->settings;
    const limn_picture *second = w->b.picture, *first = w->a.picture ? w->a.picture : second;
    float *to_first = s->b_to_a ? b : a, *to_second = s->b_to_a ? a : b;
    int first_channels = s->b_to_a ? s->b_channels : s->a_channels;
    int second_channels = s->b_to_a ? s->a_channels : s->b_channels;

    if (w->pairing == LIMN_PLAIN) {
        if (make_input(w, &draws[1], &parts[1], a, b)) return of_both(w);
        return LIMN_OK;
    }
    if (limn_draw_apply(&draws[0], first, &parts[0], first_channels, s->filter_a, to_first,
                        w->error) ||
        limn_draw_apply(&draws[1], second, &parts[1], second_channels, s->filter_b, to_second,
                        w->error))
        return of_both(w);
    return LIMN_OK;
}

/* ---- All of it ------------------------------------------------------------------------------- */

/* Where the unpadded planes go: straight into the batch when nothing is padded. */
static limn_status open_flat(const work *w, const limn_loader_planes *planes, float **flat)
{
    limn_shape kept = planes->kept;

    if (limn_shape_equal(kept, planes->shape)) {
        *flat = planes->values + (size_t)w->task->place * one_count(planes->shape);
        return LIMN_OK;
    }
    if ((*flat = limn_block(one_count(kept) * sizeof **flat))) return LIMN_OK;
    limn_fail(w->error, LIMN_NO_MEMORY, "out of memory for %d x %d pixels", kept.w, kept.h);
    return of_both(w);
}

static void close_flat(const work *w, const limn_loader_planes *planes, float *flat, bool good)
{
    limn_shape kept = planes->kept, shape = planes->shape;

    if (!flat || limn_shape_equal(kept, shape)) return;
    kept.n = 1;
    if (good)
        limn_reflect(planes->values + (size_t)w->task->place * one_count(shape), flat, kept,
                     (limn_padding){ .bottom = shape.h - kept.h, .right = shape.w - kept.w });
    limn_block_free(flat);
}

static limn_status prepare(work *w)
{
    const limn_loader_task *t = w->task;
    const limn_loader_settings *s = w->settings;
    const limn_picture *first = w->a.picture ? w->a.picture : w->b.picture;
    limn_loader_planes *to_a = t->to_a, *to_b = t->to_b;
    float *flat_a = NULL, *flat_b = NULL;
    limn_status status;
    limn_draw draws[2];
    limn_part parts[2];

    if (w->pairing == LIMN_PAIRED) { /* one draw for both */
        LIMN_TRY(draw_for(w, &draws[0], t->a, first, &parts[0], LIMN_STREAM_PREPARE));
        LIMN_TRY(limn_loader_part(&parts[1], &w->b.picture->info, t->b, w->error));
        draws[1] = draws[0];
    } else {
        LIMN_TRY(draw_for(w, &draws[1], t->b, w->b.picture, &parts[1],
                          w->pairing == LIMN_PLAIN ? LIMN_STREAM_PREPARE : LIMN_STREAM_PREPARE_B));
        draws[0] = draws[1];
        if (w->pairing == LIMN_UNPAIRED)
            LIMN_TRY(draw_for(w, &draws[0], t->a, first, &parts[0], LIMN_STREAM_PREPARE));
    }
    LIMN_TRY(take_shape(w, to_a, s->a_channels, &draws[s->b_to_a ? 1 : 0]));
    LIMN_TRY(take_shape(w, to_b, s->b_channels, &draws[s->b_to_a ? 0 : 1]));
    status = open_flat(w, to_a, &flat_a);
    if (!status) status = open_flat(w, to_b, &flat_b);
    if (!status) status = fill(w, draws, parts, flat_a, flat_b);
    if (!status) status = touch(w, flat_a, flat_b, to_a->kept);
    close_flat(w, to_a, flat_a, !status);
    close_flat(w, to_b, flat_b, !status);
    return status;
}

limn_status limn_loader_prepare(const limn_loader_settings *settings, limn_pairing pairing,
                                limn_loader_cache *cache, limn_loader_task *task, limn_error *error)
{
    work w = { .settings = settings, .task = task, .pairing = pairing, .error = error };
    limn_status status = limn_loader_hold(&w.b, cache, task->b, error);

    task->failed = status ? task->b : NULL;
    if (!status && task->a && task->a->file != task->b->file &&
        (status = limn_loader_hold(&w.a, cache, task->a, error)))
        task->failed = task->a;
    if (!status) status = prepare(&w);
    limn_loader_let_go(&w.a);
    limn_loader_let_go(&w.b);
    return status;
}
