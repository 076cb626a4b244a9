/* SPDX-License-Identifier: Apache-2.0
 *
 * From facts to findings.
 *
 * What can happen to hundreds of files at once (flat, other sizes, other channels) is one finding
 * with all of them, so that a report stays readable; a broken file has a reason of its own and is a
 * finding of its own. */
#include "data/check_inside.h"

#include <string.h>

/* ---- Helpers --------------------------------------------------------------------------------- */

typedef bool (*test)(const limn_facts *facts);

/* Paths of the good files of a phase (or of all: COUNT) that pass the test; in paths. */
static size_t select_files(const limn_check_report *r, limn_phase phase, test passes,
                           const char **paths)
{
    size_t n = 0;

    for (size_t i = 0; i < r->files; i++) {
        const limn_facts *f = &r->facts[i];

        if (!f->broken && (phase == LIMN_PHASE_COUNT || f->phase == phase) && passes(f))
            paths[n++] = f->item->path;
    }
    return n;
}

static const char *picture_s(size_t count)
{
    return count == 1 ? "picture" : "pictures";
}

/* ---- One kind after the other ---------------------------------------------------------------- */

static limn_status find_broken(limn_check_report *r, limn_error *error)
{
    for (size_t i = 0; i < r->files; i++)
        if (r->facts[i].broken)
            LIMN_TRY(limn_check_add(r, LIMN_FINDING_BROKEN, LIMN_SEVERITY_ERROR,
                                    &r->facts[i].item->path, 1, error, "%s", r->facts[i].broken));
    return LIMN_OK;
}

static limn_status find_unpaired(limn_check_report *r, const char **paths, limn_error *error)
{
    for (int p = 0; p < LIMN_PHASE_COUNT; p++)
        for (int side = 0; side < 2; side++) {
            const limn_data *data = &r->data[p];
            const limn_data_side *alone = side ? &data->alone_b : &data->alone_a;

            for (size_t i = 0; i < alone->count; i++) paths[i] = alone->items[i].path;
            if (alone->count)
                LIMN_TRY(limn_check_add(r, LIMN_FINDING_UNPAIRED, LIMN_SEVERITY_ERROR, paths,
                                        alone->count, error,
                                        "%zu %s of %s have no partner of the same name in %s",
                                        alone->count, picture_s(alone->count), alone->folder,
                                        side ? data->a.folder : data->b.folder));
        }
    return LIMN_OK;
}

static bool odd_width(const limn_facts *f)
{
    return f->item->half != LIMN_WHOLE && f->width % 2;
}

static limn_status find_sizes(limn_check_report *r, const char **paths, limn_error *error)
{
    size_t odd = select_files(r, LIMN_PHASE_COUNT, odd_width, paths), differ = 0;
    const limn_facts *first = NULL, *small = NULL, *large = NULL;

    if (odd)
        LIMN_TRY(limn_check_add(r, LIMN_FINDING_SIZE, LIMN_SEVERITY_ERROR, paths, odd, error,
                                "%zu %s of an odd width, which A and B side by side cannot have",
                                odd, odd == 1 ? "file is" : "files are"));
    for (int p = 0; r->pairing == LIMN_PAIRED && p < LIMN_PHASE_COUNT; p++)
        for (size_t i = 0; i < r->data[p].a.count; i++) {
            const limn_facts *a = &r->facts[r->first_a[p] + i], *b = &r->facts[r->first_b[p] + i];

            if (a->broken || b->broken || (a->width == b->width && a->height == b->height))
                continue;
            if (!first) first = a, small = b;
            paths[differ++] = a->item->path;
            paths[differ++] = b->item->path;
        }
    if (differ)
        LIMN_TRY(limn_check_add(
            r, LIMN_FINDING_SIZE, LIMN_SEVERITY_WARNING, paths, differ, error,
            "in %zu of the pairs A and B differ in size (the first: %d x %d and %d x %d); only "
            "--preprocess resize_and_crop takes them",
            differ / 2, first->width, first->height, small->width, small->height));
    small = NULL;
    for (size_t i = 0; i < r->files; i++) {
        const limn_facts *f = &r->facts[i];

        if (f->broken || f->phase != LIMN_PHASE_TRAIN) continue;
        if (!small || (int64_t)f->width * f->height < (int64_t)small->width * small->height)
            small = f;
        if (!large || (int64_t)f->width * f->height > (int64_t)large->width * large->height)
            large = f;
    }
    if (!small || (small->width == large->width && small->height == large->height)) return LIMN_OK;
    paths[0] = small->item->path;
    paths[1] = large->item->path;
    return limn_check_add(r, LIMN_FINDING_SIZE, LIMN_SEVERITY_NOTE, paths, 2, error,
                          "training pictures are %d x %d to %d x %d; they are scaled to "
                          "--load-size unless --preprocess says otherwise",
                          small->width, small->height, large->width, large->height);
}

static bool flat(const limn_facts *f)
{
    return f->flat;
}

static bool flat_left(const limn_facts *f)
{
    return f->flat_left;
}

static bool flat_right(const limn_facts *f)
{
    return f->flat_right;
}

static limn_status find_flat(limn_check_report *r, const char **paths, limn_error *error)
{
    static const struct {
        test passes;
        const char *what;
    } kinds[] = { { flat, "" }, { flat_left, " in side A" }, { flat_right, " in side B" } };

    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        size_t n = select_files(r, LIMN_PHASE_COUNT, kinds[k].passes, paths);

        if (n)
            LIMN_TRY(limn_check_add(r, LIMN_FINDING_FLAT, LIMN_SEVERITY_WARNING, paths, n, error,
                                    "%zu %s of one colour%s; instance norm blows up what is left "
                                    "of noise in it, so take it out or use --norm batch",
                                    n, n == 1 ? "picture is" : "pictures are", kinds[k].what));
    }
    return LIMN_OK;
}

static bool unusual(const limn_facts *f)
{
    return f->channels != 1 && f->channels != 3;
}

static bool grey(const limn_facts *f)
{
    return f->channels == 1;
}

static bool coloured(const limn_facts *f)
{
    return f->channels == 3;
}

static bool transparent(const limn_facts *f)
{
    return f->alpha;
}

static bool deep(const limn_facts *f)
{
    return f->type != LIMN_U8;
}

static bool any(const limn_facts *f)
{
    return f->item != NULL;
}

static bool grey_a(const limn_facts *f)
{
    return f->on_a && grey(f);
}

static bool grey_b(const limn_facts *f)
{
    return !f->on_a && grey(f);
}

static bool coloured_a(const limn_facts *f)
{
    return f->on_a && coloured(f);
}

static bool coloured_b(const limn_facts *f)
{
    return !f->on_a && coloured(f);
}

static limn_status find_channels(limn_check_report *r, const char **paths, limn_error *error)
{
    static const test greys[] = { grey_a, grey_b }, colours[] = { coloured_a, coloured_b };
    size_t all = select_files(r, LIMN_PHASE_COUNT, any, paths), n, others;

    n = select_files(r, LIMN_PHASE_COUNT, unusual, paths);
    if (n)
        LIMN_TRY(limn_check_add(r, LIMN_FINDING_CHANNELS, LIMN_SEVERITY_WARNING, paths, n, error,
                                "%zu %s neither 1 nor 3 channels; set --input-nc and --output-nc "
                                "to what they have",
                                n, n == 1 ? "picture has" : "pictures have"));
    for (int side = 0; side < 2; side++) {
        others = select_files(r, LIMN_PHASE_COUNT, colours[side], paths);
        n = select_files(r, LIMN_PHASE_COUNT, greys[side], paths);
        if (n && others)
            LIMN_TRY(limn_check_add(r, LIMN_FINDING_CHANNELS, LIMN_SEVERITY_WARNING, paths, n,
                                    error,
                                    "%zu %s grey among %zu in colour; grey is repeated to three "
                                    "channels",
                                    n, n == 1 ? "picture is" : "pictures are", others));
    }
    n = select_files(r, LIMN_PHASE_COUNT, deep, paths);
    if (n && n < all)
        LIMN_TRY(limn_check_add(r, LIMN_FINDING_CHANNELS, LIMN_SEVERITY_NOTE, paths, n, error,
                                "%zu of %zu pictures have more than 8 bits a channel", n, all));
    n = select_files(r, LIMN_PHASE_COUNT, transparent, paths);
    if (n)
        LIMN_TRY(limn_check_add(r, LIMN_FINDING_CHANNELS, LIMN_SEVERITY_NOTE, paths, n, error,
                                "%zu %s transparency, which training does not look at", n,
                                n == 1 ? "picture has" : "pictures have"));
    return LIMN_OK;
}

static limn_status find_few(limn_check_report *r, int few, limn_error *error)
{
    static const char *const what[] = { "pairs", "pictures on the longer side", "pictures" };
    size_t count = r->summary.train;

    if (count && count < (size_t)few)
        LIMN_TRY(limn_check_add(
            r, LIMN_FINDING_FEW, LIMN_SEVERITY_WARNING, NULL, 0, error,
            "%zu %s to train on are few: expect them to be learnt by heart, and collect %d or more",
            count, what[r->pairing], few));
    if (r->summary.test && r->summary.test < 10)
        LIMN_TRY(limn_check_add(r, LIMN_FINDING_FEW, LIMN_SEVERITY_NOTE, NULL, 0, error,
                                "%zu test pictures are too few for a score to mean much",
                                r->summary.test));
    return LIMN_OK;
}

limn_status limn_check_find(limn_check_report *report, const limn_check_settings *settings,
                            limn_error *error)
{
    const char **paths; /* two for each file at most: both sides of a pair */

    LIMN_TRY(
        limn_take_into(&paths, &report->arena, (2 * report->files + 2) * sizeof *paths, error));
    LIMN_TRY(find_broken(report, error));
    LIMN_TRY(find_unpaired(report, paths, error));
    LIMN_TRY(find_sizes(report, paths, error));
    LIMN_TRY(limn_check_find_twins(report, settings, error));
    LIMN_TRY(find_flat(report, paths, error));
    LIMN_TRY(find_channels(report, paths, error));
    return find_few(report, settings->few, error);
}
