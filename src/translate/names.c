/* SPDX-License-Identifier: Apache-2.0
 *
 * From arguments to a list of inputs and outputs: see names.h.
 *
 * Files are told apart by device and number and not by name, because links, "./" and folders given
 * twice make several names of one. */
#include "translate/names.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DEEPEST = 64 };

typedef struct listing {
    limn_translate_list *list;
    const char *output;
    bool folder; /* the output is one */
    bool many_channels;
    limn_format format;
    dev_t device; /* of the output's folder, where it is there already: never read as input */
    ino_t number;
    bool there;
} listing;

static limn_status no_memory(limn_error *error)
{
    return limn_fail(error, LIMN_NO_MEMORY, "out of memory for the list of pictures");
}

/* The dot of the ending, or the end. */
static const char *ending_of(const char *name)
{
    const char *slash = strrchr(name, '/'), *dot = strrchr(name, '.');

    if (!dot || dot == name || (slash && dot <= slash + 1)) return name + strlen(name);
    return dot;
}

/* "out/a.png" as variant 2 of 3: "out/a_2.png". */
static char *name_of(limn_arena *arena, const char *output, int variant, int variants)
{
    const char *dot = ending_of(output);

    if (variants == 1 || !strcmp(output, "-")) return limn_take_text(arena, output);
    return limn_take_format(arena, "%.*s_%d%s", (int)(dot - output), output, variant, dot);
}

/* longer may be NULL. */
static limn_status add(limn_translate_list *list, const char *input, const char *output,
                       const char *longer, limn_error *error)
{
    if (!input || !output) return no_memory(error);
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 64;
        limn_translate_item *items = limn_block(room * sizeof *items);

        if (!items) return no_memory(error);
        if (list->count) memcpy(items, list->items, list->count * sizeof *items);
        limn_block_free(list->items);
        list->items = items;
        list->room = room;
    }
    list->items[list->count++] = (limn_translate_item){ .input = input,
                                                        .output = output,
                                                        .longer = longer };
    return LIMN_OK;
}

/* "sub/a.bmp" goes below the output's folder, with an ending that can be written. */
static limn_status add_below(const listing *l, const char *input, const char *relative,
                             limn_error *error)
{
    limn_arena *arena = &l->list->arena;
    const char *dot = ending_of(relative), *endings = "png", *output, *longer;
    limn_format own = limn_format_of_name(relative);
    bool stays = own == LIMN_FORMAT_PNG || own == LIMN_FORMAT_JPEG || own == LIMN_FORMAT_WEBP ||
                 own == LIMN_FORMAT_TIFF;
    int length;

    if (l->format) {
        endings = limn_format_about(l->format)->endings;
        stays = own == l->format;
    } else if (l->many_channels) {
        endings = limn_format_about(LIMN_FORMAT_TIFF)->endings;
        stays = own == LIMN_FORMAT_TIFF;
    }
    if (stays)
        return add(l->list, input, limn_take_format(arena, "%s/%s", l->output, relative), NULL,
                   error);
    length = (int)strcspn(endings, " ");
    output = limn_take_format(arena, "%s/%.*s.%.*s", l->output, (int)(dot - relative), relative,
                              length, endings);
    longer = limn_take_format(arena, "%s/%s.%.*s", l->output, relative, length, endings);
    return longer ? add(l->list, input, output, longer, error) : no_memory(error);
}

/* ---- Folders -------------------------------------------------------------------------------- */

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names in a folder, sorted by bytes: the order must not depend on the disk. */
static limn_status read_folder(const char *path, limn_arena *arena, const char ***names,
                               size_t *count, limn_error *error)
{
    size_t room = 0;
    struct dirent *entry;
    DIR *folder = opendir(path);
    limn_status status = LIMN_OK;

    *names = NULL;
    *count = 0;
    if (!folder)
        return limn_fail(error, LIMN_IO, "%s: could not open the folder: %s", path,
                         strerror(errno));
    while (!status && (errno = 0, entry = readdir(folder))) {
        if (entry->d_name[0] == '.') continue;
        if (*count == room) {
            const char **more = limn_take(arena, (room = room ? 2 * room : 64) * sizeof *more);

            if (!more) {
                status = no_memory(error);
                break;
            }
            if (*count) memcpy(more, *names, *count * sizeof *more);
            *names = more;
        }
        if (!((*names)[(*count)++] = limn_take_text(arena, entry->d_name)))
            status = no_memory(error);
    }
    if (!status && errno)
        status = limn_fail(error, LIMN_IO, "%s: could not read the folder: %s", path,
                           strerror(errno));
    closedir(folder);
    if (!status && *count) qsort(*names, *count, sizeof **names, by_bytes);
    return status;
}

static limn_status add_folder(const listing *l, const char *path, const char *relative, int depth,
                              limn_error *error)
{
    limn_arena *arena = &l->list->arena, own;
    const char **names;
    size_t count;
    limn_status status;

    if (depth > DEEPEST)
        return limn_fail(error, LIMN_IO, "%s: folders are more than %d deep", path, DEEPEST);
    limn_arena_open(&own, "a folder", 0);
    status = read_folder(path, &own, &names, &count, error);
    for (size_t i = 0; i < count && !status; i++) {
        const char *full = limn_take_format(arena, "%s/%s", path, names[i]);
        const char *below = limn_take_format(arena, "%s%s%s", relative, *relative ? "/" : "",
                                             names[i]);
        struct stat there, link;

        if (!full || !below) {
            status = no_memory(error);
            break;
        }
        if (stat(full, &there) || lstat(full, &link)) continue; /* gone, or a link to nowhere */
        if (S_ISDIR(there.st_mode)) {
            bool output = l->there && there.st_dev == l->device && there.st_ino == l->number;

            /* Links to folders are not followed: they may lead in a circle. */
            if (!output && !S_ISLNK(link.st_mode))
                status = add_folder(l, full, below, depth + 1, error);
        } else if (S_ISREG(there.st_mode) && limn_format_of_name(names[i]))
            status = add_below(l, full, below, error);
    }
    limn_arena_close(&own);
    return status;
}

/* ---- Arguments ------------------------------------------------------------------------------ */

static limn_status add_argument(const listing *l, const char *input, limn_error *error)
{
    limn_arena *arena = &l->list->arena;
    const char *slash = strrchr(input, '/');
    size_t before = l->list->count, length = strlen(input);
    struct stat there;

    if (!strcmp(input, "-")) {
        if (!l->folder) return add(l->list, "-", limn_take_text(arena, l->output), NULL, error);
        return add_below(l, "-", "stdin", error);
    }
    if (stat(input, &there)) return limn_fail(error, LIMN_IO, "%s: %s", input, strerror(errno));
    if (!S_ISDIR(there.st_mode)) {
        const char *kept = limn_take_text(arena, input);

        if (!l->folder) return add(l->list, kept, limn_take_text(arena, l->output), NULL, error);
        return add_below(l, kept, slash ? slash + 1 : input, error);
    }
    while (length > 1 && input[length - 1] == '/') length--;
    LIMN_TRY(add_folder(l, limn_take_format(arena, "%.*s", (int)length, input), "", 0, error));
    if (l->list->count == before)
        return limn_fail(error, LIMN_IO, "%s: there is no picture in this folder", input);
    return LIMN_OK;
}

/* ---- Checks --------------------------------------------------------------------------------- */

typedef struct destination {
    const char *output, *input;
} destination;

static int by_output(const void *a, const void *b)
{
    const destination *x = a, *y = b;
    int order = strcmp(x->output, y->output);

    return order ? order : strcmp(x->input, y->input);
}

typedef struct identity {
    dev_t device;
    ino_t number;
} identity;

static int by_identity(const void *a, const void *b)
{
    const identity *x = a, *y = b;

    if (x->device != y->device) return x->device < y->device ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

static int by_short_output(const void *a, const void *b)
{
    const limn_translate_item *x = *(limn_translate_item *const *)a,
                              *y = *(limn_translate_item *const *)b;

    return strcmp(x->output, y->output);
}

/* a.png and a.bmp in one folder: the second becomes a.bmp.png.  Then the names of all variants. */
static limn_status settle_names(limn_translate_list *list, limn_arena *arena, limn_error *error)
{
    limn_translate_item **sorted;
    size_t same;

    LIMN_TRY(limn_take_into(&sorted, arena, (list->count + 1) * sizeof *sorted, error));
    for (size_t i = 0; i < list->count; i++) sorted[i] = &list->items[i];
    if (list->count) qsort(sorted, list->count, sizeof *sorted, by_short_output);
    for (size_t i = 0; i < list->count; i += same) {
        for (same = 1; i + same < list->count; same++)
            if (by_short_output(&sorted[i], &sorted[i + same])) break;
        for (size_t k = 0; same > 1 && k < same; k++)
            if (sorted[i + k]->longer) sorted[i + k]->output = sorted[i + k]->longer;
    }
    for (size_t i = 0; i < list->count; i++) {
        limn_translate_item *item = &list->items[i];

        LIMN_TRY(limn_take_into(&item->outputs, &list->arena,
                                (size_t)list->variants * sizeof *item->outputs, error));
        for (int k = 0; k < list->variants; k++)
            if (!(item->outputs[k] = name_of(&list->arena, item->output, k + 1, list->variants)))
                return no_memory(error);
    }
    return LIMN_OK;
}

/* Two inputs for one output.  Folders given twice come here too. */
static limn_status check_twice(const limn_translate_list *list, limn_arena *arena,
                               limn_error *error)
{
    size_t variants = (size_t)list->variants, count = list->count * variants;
    destination *sorted;

    LIMN_TRY(limn_take_into(&sorted, arena, count * sizeof *sorted, error));
    for (size_t i = 0; i < count; i++) {
        const limn_translate_item *item = &list->items[i / variants];

        sorted[i] = (destination){ item->outputs[i % variants], item->input };
    }
    qsort(sorted, count, sizeof *sorted, by_output);
    for (size_t i = 1; i < count; i++)
        if (!strcmp(sorted[i - 1].output, sorted[i].output))
            return limn_fail(error, LIMN_SETTING,
                             "%s and %s would both be written to %s; translate them into folders "
                             "of their own",
                             sorted[i - 1].input, sorted[i].input, sorted[i].output);
    return LIMN_OK;
}

/* An output that is one of the inputs. */
static limn_status check_overwrite(const limn_translate_list *list, limn_arena *arena,
                                   limn_error *error)
{
    identity *inputs, *output;
    size_t count = 0;
    struct stat there;

    LIMN_TRY(limn_take_into(&inputs, arena, list->count * sizeof *inputs, error));
    LIMN_TRY(limn_take_into(&output, arena, sizeof *output, error));
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].input, "-") && !stat(list->items[i].input, &there))
            inputs[count++] = (identity){ there.st_dev, there.st_ino };
    if (count) qsort(inputs, count, sizeof *inputs, by_identity);
    for (size_t i = 0; i < list->count * (size_t)list->variants; i++) {
        const char *to =
            list->items[i / (size_t)list->variants].outputs[i % (size_t)list->variants];

        if (!strcmp(to, "-") || stat(to, &there)) continue;
        *output = (identity){ there.st_dev, there.st_ino };
        if (count && bsearch(output, inputs, count, sizeof *inputs, by_identity))
            return limn_fail(error, LIMN_SETTING,
                             "%s is an input and would be overwritten; name another output", to);
    }
    return LIMN_OK;
}

static limn_status make_folders(const limn_translate_list *list, limn_arena *arena,
                                limn_error *error)
{
    const char *last = "";

    for (size_t i = 0; i < list->count; i++) {
        const char *to = list->items[i].outputs[0], *slash = strrchr(to, '/');
        char *folder;

        if (!slash || slash == to) continue;
        if (!(folder = limn_take_format(arena, "%.*s", (int)(slash - to), to)))
            return no_memory(error);
        if (!strcmp(folder, last)) continue;
        LIMN_TRY(limn_folder_make(folder, error));
        last = folder;
    }
    return LIMN_OK;
}

/* Whether the output has to be a folder, and whether it can be. */
static limn_status choose_output(listing *l, const limn_translate_query *query, limn_error *error)
{
    const char *output = query->output, *first = query->inputs[0];
    size_t length = strlen(output);
    struct stat there;

    if (!length) return limn_fail(error, LIMN_SETTING, "the name of the output is empty");
    l->folder = query->count > 1 || output[length - 1] == '/' ||
                (strcmp(first, "-") && !stat(first, &there) && S_ISDIR(there.st_mode));
    if (!strcmp(output, "-")) {
        if (l->folder || query->variants > 1)
            return limn_fail(error, LIMN_SETTING,
                             "standard output takes one picture; name a folder for several");
        l->output = output;
        return LIMN_OK;
    }
    if (!stat(output, &there)) {
        if (S_ISDIR(there.st_mode)) {
            l->folder = l->there = true;
            l->device = there.st_dev;
            l->number = there.st_ino;
        } else if (l->folder)
            return limn_fail(error, LIMN_SETTING,
                             "%s is a file; several pictures need a folder to go to", output);
    } else if (l->folder && output[length - 1] != '/' && limn_format_of_name(output))
        return limn_fail(error, LIMN_SETTING,
                         "%s is the name of a picture, and several need a folder; write %s/ if "
                         "that is its name",
                         output, output);
    while (l->folder && length > 1 && output[length - 1] == '/') length--;
    if (!(l->output = limn_take_format(&l->list->arena, "%.*s", (int)length, output)))
        return no_memory(error);
    return LIMN_OK;
}

limn_status limn_translate_list_open(limn_translate_list *list, const limn_translate_query *query,
                                     limn_error *error)
{
    listing l = { .list = list, .format = query->format, .many_channels = query->many_channels };
    limn_arena arena;
    limn_status status;

    *list = (limn_translate_list){ .variants = query->variants };
    limn_arena_open(&list->arena, "list of pictures", 0);
    limn_arena_open(&arena, "checking names", 0);
    if (!query->count)
        status = limn_fail(error, LIMN_SETTING, "say which pictures: files or folders");
    else
        status = choose_output(&l, query, error);
    for (size_t i = 0; i < query->count && !status; i++)
        status = add_argument(&l, query->inputs[i], error);
    if (!status) status = settle_names(list, &arena, error);
    if (!status) status = check_twice(list, &arena, error);
    if (!status) status = check_overwrite(list, &arena, error);
    if (!status) status = make_folders(list, &arena, error);
    limn_arena_close(&arena);
    if (status) limn_translate_list_close(list);
    return status;
}

void limn_translate_list_close(limn_translate_list *list)
{
    limn_block_free(list->items);
    limn_arena_close(&list->arena);
    *list = (limn_translate_list){ 0 };
}
