/* SPDX-License-Identifier: Apache-2.0
 *
 * Which folders are meant, who belongs to whom, and what is held out.
 *
 * The layout is decided by the train folders, whatever phase is asked for, so that train, val and
 * test of one data set always come from the same layout.  Several layouts in one folder are no
 * error (people keep the combined files beside the two sides), but which one is used is said.
 *
 * Partners have equal names; endings may differ (labels as PNG, photos as JPEG).  Where a stem is
 * there twice on a side, only equal endings make a pair: guessing would pair the wrong ones in
 * silence. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "data/folders_scan.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const struct {
    const char *a, *b, *words;
} layouts[] = {
#define X(name, a, b, words) { a, b, words },
    LIMN_LAYOUTS(X)
#undef X
};

static const limn_layout paired_order[] = { LIMN_LAYOUT_INSIDE,  LIMN_LAYOUT_ONE_FOLDER,
                                            LIMN_LAYOUT_A_TRAIN, LIMN_LAYOUT_TRAIN_A,
                                            LIMN_LAYOUT_TRAINA,  LIMN_LAYOUT_LABEL };
/* Without pairs the two sides are preferred to halves of pairs. */
static const limn_layout unpaired_order[] = { LIMN_LAYOUT_INSIDE,  LIMN_LAYOUT_TRAINA,
                                              LIMN_LAYOUT_TRAIN_A, LIMN_LAYOUT_A_TRAIN,
                                              LIMN_LAYOUT_LABEL,   LIMN_LAYOUT_ONE_FOLDER };
enum { LAYOUTS_TRIED = sizeof paired_order / sizeof *paired_order, SHOWN = 3 };

const char *limn_phase_name(limn_phase phase)
{
    static const char *const names[] = { "train", "val", "test" };

    return (unsigned)phase < LIMN_PHASE_COUNT ? names[phase] : "?";
}

static limn_layout tried(limn_pairing pairing, int i)
{
    return pairing == LIMN_UNPAIRED ? unpaired_order[i] : paired_order[i];
}

/* ---- Which folders --------------------------------------------------------------------------- */

/* root/pattern with the phase put in; an empty pattern is root itself.  False when it is longer
 * than any path. */
static bool write_folder(char path[PATH_MAX], const char *root, const char *pattern,
                         limn_phase phase)
{
    const char *name = limn_phase_name(phase), *hole = strstr(pattern, "%s");
    int length = hole ? snprintf(path, PATH_MAX, "%s/%.*s%s%s", root, (int)(hole - pattern),
                                 pattern, name, hole + 2)
                      : snprintf(path, PATH_MAX, "%s", root);

    return length < PATH_MAX;
}

/* Which of the layout's folders are there: 1 that of A, 2 that of B. */
static int folders_there(const char *root, limn_layout layout, limn_phase phase)
{
    const char *patterns[] = { layouts[layout].a, layouts[layout].b };
    char path[PATH_MAX];
    int found = 0;

    for (int i = 0; i < 2; i++)
        if (patterns[i] && write_folder(path, root, patterns[i], phase) && limn_folder_there(path))
            found |= 1 << i;
    return found;
}

static bool there(const char *root, limn_layout layout, limn_phase phase)
{
    if (layout == LIMN_LAYOUT_HERE && phase != LIMN_PHASE_TRAIN) layout = LIMN_LAYOUT_ONE_FOLDER;
    return folders_there(root, layout, phase) == (layouts[layout].b ? 3 : 1);
}

bool limn_data_has(const char *root, limn_pairing pairing, limn_phase phase)
{
    for (int i = 0; i < LAYOUTS_TRIED; i++)
        if (there(root, tried(pairing, i), phase)) return true;
    return false;
}

/* The first layout that has the phase, or COUNT; the others that have it are named in data->note.
 */
static limn_layout layout_with(limn_data *data, const limn_data_query *query, limn_phase phase)
{
    limn_layout chosen = LIMN_LAYOUT_COUNT;

    for (int i = 0; i < LAYOUTS_TRIED; i++) {
        limn_layout layout = tried(query->pairing, i);

        if (!there(query->root, layout, phase)) continue;
        if (chosen == LIMN_LAYOUT_COUNT) {
            chosen = layout;
            continue;
        }
        if (layout == LIMN_LAYOUT_ONE_FOLDER && chosen == LIMN_LAYOUT_INSIDE) continue;
        data->note = limn_take_format(&data->arena, "%s has %s and also %s; %s is used",
                                      query->root, layouts[chosen].words, layouts[layout].words,
                                      layouts[chosen].words);
        break;
    }
    return chosen;
}

static limn_status nothing_found(const limn_data_query *query, limn_error *error)
{
    const char *root = query->root, *phase = limn_phase_name(query->phase);
    size_t loose = limn_folder_pictures(root);

    for (int i = 0; i < LAYOUTS_TRIED; i++) {
        limn_layout layout = tried(query->pairing, i);
        int have = folders_there(root, layout, query->phase);
        char a[PATH_MAX], b[PATH_MAX];

        if (!layouts[layout].b || (have != 1 && have != 2) ||
            !write_folder(a, root, layouts[layout].a, query->phase) ||
            !write_folder(b, root, layouts[layout].b, query->phase))
            continue;
        return limn_fail(error, LIMN_FORMAT, "%s is there but %s is not; both are needed",
                         have == 1 ? a : b, have == 1 ? b : a);
    }
    if (query->phase != LIMN_PHASE_TRAIN)
        return limn_fail(error, LIMN_FORMAT,
                         "%s has no %s pictures: make %s/%s, or %sA and %sB in it", root, phase,
                         root, phase, phase, phase);
    if (query->pairing == LIMN_UNPAIRED)
        return limn_fail(error, LIMN_FORMAT,
                         "%s has no two sides to learn from: put the pictures into %s/trainA and "
                         "%s/trainB",
                         root, root, root);
    return limn_fail(error, LIMN_FORMAT,
                     "%s has no pairs to learn from%s: put files of A and B side by side into "
                     "%s/train, or equal names into %s/trainA and %s/trainB",
                     root, loose ? ", only pictures in the folder itself" : "", root, root, root);
}

static limn_status choose_layout(limn_data *data, const limn_data_query *query, limn_error *error)
{
    struct stat about;
    limn_layout train;

    if (!query->root || !*query->root)
        return limn_fail(error, LIMN_SETTING, "no data folder is given; use --dataroot FOLDER");
    if (stat(query->root, &about))
        return limn_fail(error, LIMN_IO, "there is no data folder %s: %s", query->root,
                         strerror(errno));
    if (!S_ISDIR(about.st_mode))
        return limn_fail(error, LIMN_IO, "%s is a file; give the folder that holds train",
                         query->root);
    data->layout = train = layout_with(data, query, LIMN_PHASE_TRAIN);
    if (query->phase == LIMN_PHASE_TEST &&
        (train == LIMN_LAYOUT_COUNT || !there(query->root, train, LIMN_PHASE_TEST)))
        data->layout = layout_with(data, query, LIMN_PHASE_TEST);
    if (query->phase == LIMN_PHASE_VAL && train == LIMN_LAYOUT_COUNT)
        data->layout = layout_with(data, query, LIMN_PHASE_VAL);
    if (data->layout == LIMN_LAYOUT_COUNT && query->pairing == LIMN_PLAIN &&
        query->phase != LIMN_PHASE_TEST)
        data->layout = LIMN_LAYOUT_HERE;
    return data->layout == LIMN_LAYOUT_COUNT ? nothing_found(query, error) : LIMN_OK;
}

/* ---- Who belongs to whom --------------------------------------------------------------------- */

/* Up to three names as "a, b, c". */
static void show_names(char *text, size_t size, const limn_data_side *side)
{
    size_t used = 0;

    text[0] = 0;
    for (size_t i = 0; i < side->count && i < SHOWN && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%.48s", i ? ", " : "",
                                 side->items[i].name);
    if (side->count > SHOWN && used < size) snprintf(text + used, size - used, " ...");
}

static limn_status unpaired_names(const limn_data *data, limn_error *error)
{
    const limn_data_side *a = &data->alone_a, *b = &data->alone_b;
    char text[2][200];

    show_names(text[0], sizeof text[0], a);
    show_names(text[1], sizeof text[1], b);
    if (a->count && b->count)
        return limn_fail(error, LIMN_FORMAT,
                         "%zu of %s have no partner of the same name (%s), and %zu of %s have none "
                         "(%s); rename or remove them",
                         a->count, data->a.folder, text[0], b->count, data->b.folder, text[1]);
    return limn_fail(error, LIMN_FORMAT,
                     "%zu of %s have no partner of the same name in %s (%s); rename or remove them",
                     a->count ? a->count : b->count, a->count ? data->a.folder : data->b.folder,
                     a->count ? data->b.folder : data->a.folder, a->count ? text[0] : text[1]);
}

/* Items from i on whose stem is that of item i. */
static size_t same_stem(const limn_data_side *side, size_t i)
{
    size_t length = limn_stem_length(side->items[i].name), n = 1;

    while (i + n < side->count && limn_stem_length(side->items[i + n].name) == length &&
           !memcmp(side->items[i + n].name, side->items[i].name, length))
        n++;
    return n;
}

static int compare_stems(const char *a, const char *b)
{
    size_t la = limn_stem_length(a), lb = limn_stem_length(b);
    int order = memcmp(a, b, la < lb ? la : lb);

    return order ? order : la < lb ? -1 : la > lb;
}

/* Keeps partners at equal places of both sides and moves the others to alone_a and alone_b. */
static limn_status match_names(limn_data *data, limn_error *error)
{
    limn_data_side *a = &data->a, *b = &data->b, *lone_a = &data->alone_a, *lone_b = &data->alone_b;
    size_t i = 0, k = 0, pairs = 0;

    LIMN_TRY(limn_take_into(&lone_a->items, &data->arena, a->count * sizeof *a->items, error));
    LIMN_TRY(limn_take_into(&lone_b->items, &data->arena, b->count * sizeof *b->items, error));
    lone_a->folder = a->folder;
    lone_b->folder = b->folder;
    while (i < a->count || k < b->count) {
        int order = i == a->count   ? 1
                    : k == b->count ? -1
                                    : compare_stems(a->items[i].name, b->items[k].name);
        size_t ends_a, ends_b;
        bool one;

        if (order < 0) {
            lone_a->items[lone_a->count++] = a->items[i++];
            continue;
        }
        if (order > 0) {
            lone_b->items[lone_b->count++] = b->items[k++];
            continue;
        }
        ends_a = i + same_stem(a, i);
        ends_b = k + same_stem(b, k);
        one = ends_a == i + 1 && ends_b == k + 1;
        while (i < ends_a || k < ends_b) {
            order = i == ends_a   ? 1
                    : k == ends_b ? -1
                    : one         ? 0
                                  : limn_name_compare(a->items[i].name, b->items[k].name);
            if (order < 0)
                lone_a->items[lone_a->count++] = a->items[i++];
            else if (order > 0)
                lone_b->items[lone_b->count++] = b->items[k++];
            else { /* pairs <= i, k: nothing is overwritten that is still needed */
                a->items[pairs] = a->items[i++];
                b->items[pairs++] = b->items[k++];
            }
        }
    }
    a->count = b->count = pairs;
    return LIMN_OK;
}

/* ---- What is held out ------------------------------------------------------------------------ */

/* Keeps the held-out tenth, or the rest.  A side that would be held out as a whole is train. */
static void split(limn_data_side *side, bool keep_held_out)
{
    size_t held_out = 0, kept = 0;

    for (size_t i = 0; i < side->count; i++) held_out += limn_name_held_out(side->items[i].name);
    if (held_out == side->count) held_out = 0;
    if (!held_out && keep_held_out) side->count = 0;
    if (!held_out) return;
    for (size_t i = 0; i < side->count; i++)
        if (limn_name_held_out(side->items[i].name) == keep_held_out)
            side->items[kept++] = side->items[i];
    side->count = kept;
}

/* Pairs stay together: B's items follow A's, because an equal stem has an equal hash. */
static void hold_out(limn_data *data, const limn_data_query *query)
{
    bool keep = query->phase == LIMN_PHASE_VAL;
    size_t all = limn_data_length(data);

    data->held_out = true;
    split(&data->a, keep);
    split(&data->b, keep);
    if (!keep) return;
    if (data->pairing != LIMN_PLAIN && (!data->a.count || !data->b.count))
        data->a.count = data->b.count = 0;
    if (!limn_data_length(data))
        data->note = limn_take_format(
            &data->arena,
            "none of the %zu training pictures falls into the tenth that is held out, so there is "
            "nothing to validate on; make %s/val",
            all, query->root);
}

/* ---- All of it ------------------------------------------------------------------------------- */

static limn_status check_not_empty(const limn_data_side *side, limn_error *error)
{
    if (side->count) return LIMN_OK;
    return limn_fail(error, LIMN_FORMAT,
                     "%s holds no pictures (jpg jpeg png ppm pgm bmp tif tiff webp)", side->folder);
}

static void limit_and_number(limn_data *data, const limn_data_query *query)
{
    size_t most = query->max_size > 0 ? (size_t)query->max_size : SIZE_MAX;
    bool halves = data->layout == LIMN_LAYOUT_ONE_FOLDER && data->pairing != LIMN_PLAIN;

    if (data->a.count > most) data->a.count = most;
    if (data->b.count > most) data->b.count = most;
    data->files = 0;
    for (size_t i = 0; i < data->a.count; i++) {
        data->a.items[i].file = (uint32_t)data->files++;
        data->a.items[i].half = halves ? LIMN_LEFT : LIMN_WHOLE;
    }
    for (size_t i = 0; i < data->b.count; i++) {
        data->b.items[i].file = halves ? (uint32_t)i : (uint32_t)data->files++;
        data->b.items[i].half = halves ? LIMN_RIGHT : LIMN_WHOLE;
    }
}

static limn_status open_all(limn_data *data, const limn_data_query *query, limn_error *error)
{
    limn_arena *arena = &data->arena;
    limn_phase scanned = query->phase;
    const char *root = query->root;
    char path[PATH_MAX], *a, *b;
    bool has_val;

    LIMN_TRY(choose_layout(data, query, error));
    has_val = there(root, data->layout, LIMN_PHASE_VAL);
    if (query->phase == LIMN_PHASE_VAL && !has_val) scanned = LIMN_PHASE_TRAIN;
    if (data->layout == LIMN_LAYOUT_HERE && query->phase == LIMN_PHASE_VAL && has_val)
        data->layout = LIMN_LAYOUT_ONE_FOLDER;
    write_folder(path, root, layouts[data->layout].a, scanned);
    a = b = limn_take_text(arena, path);
    if (layouts[data->layout].b) {
        write_folder(path, root, layouts[data->layout].b, scanned);
        b = limn_take_text(arena, path);
    }
    if (!a || !b) return limn_fail(error, LIMN_NO_MEMORY, "out of memory for the list of %s", root);

    LIMN_TRY(limn_folder_scan(&data->b, arena, b, scanned, error));
    LIMN_TRY(check_not_empty(&data->b, error));
    if (query->pairing != LIMN_PLAIN) {
        if (a == b) {
            data->a = data->b;
            LIMN_TRY(limn_take_into(&data->a.items, arena, data->b.count * sizeof *data->b.items,
                                    error));
            memcpy(data->a.items, data->b.items, data->b.count * sizeof *data->b.items);
        } else {
            LIMN_TRY(limn_folder_scan(&data->a, arena, a, scanned, error));
        }
        LIMN_TRY(check_not_empty(&data->a, error));
    }
    if (query->pairing == LIMN_PAIRED && a != b) {
        LIMN_TRY(match_names(data, error));
        if (!query->keep_alone && data->alone_a.count + data->alone_b.count)
            return unpaired_names(data, error);
    }
    if (!has_val && query->phase != LIMN_PHASE_TEST) {
        if (!query->no_hold_out)
            hold_out(data, query);
        else if (query->phase == LIMN_PHASE_VAL)
            data->a.count = data->b.count = 0;
    }
    limit_and_number(data, query);
    return LIMN_OK;
}

limn_status limn_data_open(limn_data *data, const limn_data_query *query, limn_error *error)
{
    limn_status status;

    *data = (limn_data){ .pairing = query->pairing, .phase = query->phase };
    limn_arena_open(&data->arena, "the list of pictures", 0);
    if ((status = open_all(data, query, error))) limn_data_close(data);
    return status;
}

void limn_data_close(limn_data *data)
{
    limn_arena_close(&data->arena);
    *data = (limn_data){ 0 };
}

/* Marks of the side itself and, of pairs, of the other half. */
static void keep_unmarked(limn_data_side *side, const bool *marked, const bool *other)
{
    size_t kept = 0;

    for (size_t i = 0; i < side->count; i++)
        if (!(marked && marked[i]) && !(other && other[i])) side->items[kept++] = side->items[i];
    side->count = kept;
}

void limn_data_drop(limn_data *data, const bool *drop_a, const bool *drop_b)
{
    bool pairs = data->pairing == LIMN_PAIRED;

    keep_unmarked(&data->a, drop_a, pairs ? drop_b : NULL);
    keep_unmarked(&data->b, drop_b, pairs ? drop_a : NULL);
    if (data->pairing != LIMN_PLAIN && (!data->a.count || !data->b.count))
        data->a.count = data->b.count = 0;
}

size_t limn_data_length(const limn_data *data)
{
    return data->a.count > data->b.count ? data->a.count : data->b.count;
}
