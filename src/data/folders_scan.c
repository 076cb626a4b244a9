/* SPDX-License-Identifier: Apache-2.0
 *
 * Walking one folder.
 *
 * The classic mistake here is to walk on from train into test because a scan goes into sub-folders
 * and somebody pointed it one level too high: pictures that are meant to judge the network are then
 * learnt by heart.  So a folder that carries another phase's name is never entered, at any depth.
 *
 * Symbolic links are followed (data sets are often collections of links), and a link back to a
 * folder that we are in is not: the chain of open folders is compared by device and number.
 * Sorting is by bytes and not by strcoll: the order decides which picture is drawn when, and must
 * not depend on the language of the machine. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "data/folders_scan.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* ---- Names ----------------------------------------------------------------------------------- */

size_t limn_stem_length(const char *name)
{
    const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name;
    const char *dot = strrchr(base, '.');

    return dot && dot > base ? (size_t)(dot - name) : strlen(name);
}

int limn_name_compare(const char *a, const char *b)
{
    size_t la = limn_stem_length(a), lb = limn_stem_length(b);
    int order = memcmp(a, b, la < lb ? la : lb);

    if (order) return order;
    if (la != lb) return la < lb ? -1 : 1;
    return strcmp(a + la, b + lb);
}

bool limn_is_picture_name(const char *name)
{
    static const char *const endings[] = { "jpg", "jpeg", "png",  "ppm", "pgm",
                                           "bmp", "tif",  "tiff", "webp" };
    size_t stem = limn_stem_length(name);

    if (!name[stem]) return false;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        const char *have = name + stem + 1, *want = endings[i];

        while (*want && lower(*have) == *want) have++, want++;
        if (!*want && !*have) return true;
    }
    return false;
}

uint64_t limn_name_hash(const char *name)
{
    size_t length = limn_stem_length(name);
    uint64_t hash = 14695981039346656037u;

    for (size_t i = 0; i < length; i++) hash = (hash ^ (unsigned char)name[i]) * 1099511628211u;
    /* FNV's low bits are weak for names that differ in the last digit: the finaliser of MurmurHash3
     * spreads them. */
    hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccdu;
    hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53u;
    return hash ^ hash >> 33;
}

bool limn_name_held_out(const char *name)
{
    return limn_name_hash(name) % 10 == 0;
}

/* The phase that a folder's name belongs to ("testA", "val_img"), or LIMN_PHASE_COUNT. */
static limn_phase phase_of(const char *folder)
{
    static const struct {
        const char *word;
        limn_phase phase;
    } words[] = { { "train", LIMN_PHASE_TRAIN }, { "training", LIMN_PHASE_TRAIN },
                  { "val", LIMN_PHASE_VAL },     { "valid", LIMN_PHASE_VAL },
                  { "test", LIMN_PHASE_TEST },   { "validation", LIMN_PHASE_VAL },
                  { "testing", LIMN_PHASE_TEST } };
    static const char *const ends[] = { "", "a", "b", "_a", "_b", "_label", "_img", "_inst" };
    char name[32];
    size_t length = strlen(folder);

    if (length >= sizeof name) return LIMN_PHASE_COUNT;
    for (size_t i = 0; i <= length; i++) name[i] = lower(folder[i]);
    for (size_t w = 0; w < sizeof words / sizeof *words; w++) {
        size_t n = strlen(words[w].word);

        if (strncmp(name, words[w].word, n)) continue;
        for (size_t e = 0; e < sizeof ends / sizeof *ends; e++)
            if (!strcmp(name + n, ends[e])) return words[w].phase;
    }
    return LIMN_PHASE_COUNT;
}

/* ---- Walking --------------------------------------------------------------------------------- */

typedef struct found {
    struct found *next;
    char path[];
} found;

typedef struct above { /* the folders that we are in */
    const struct above *above;
    dev_t device;
    ino_t number;
} above;

typedef struct walk {
    limn_arena *arena;
    limn_phase phase;
    size_t root_length, count;
    found *first;
    limn_error *error;
} walk;

static limn_status no_room(const walk *w, const char *folder)
{
    return limn_fail(w->error, LIMN_NO_MEMORY, "out of memory for the list of %s", folder);
}

static limn_status walk_folder(walk *w, const char *folder, const above *chain);

static limn_status walk_entry(walk *w, const char *folder, const struct dirent *entry,
                              const above *chain)
{
    bool picture = limn_is_picture_name(entry->d_name);
    size_t folder_length = strlen(folder), length = strlen(entry->d_name);
    struct stat about;
    found *f;

    if (entry->d_name[0] == '.') return LIMN_OK; /* also . and .. */
    if (!picture && entry->d_type == DT_REG) return LIMN_OK;
    if (!(f = limn_take(w->arena, sizeof *f + folder_length + length + 2)))
        return no_room(w, folder);
    memcpy(f->path, folder, folder_length);
    f->path[folder_length] = '/';
    memcpy(f->path + folder_length + 1, entry->d_name, length + 1);
    if (entry->d_type == DT_DIR || entry->d_type != DT_REG) {
        limn_phase phase = phase_of(entry->d_name);

        /* A link to nowhere that is named like a picture stays in the list: opening it says so. */
        if (!stat(f->path, &about) && !S_ISREG(about.st_mode)) {
            if (!S_ISDIR(about.st_mode) || (phase != LIMN_PHASE_COUNT && phase != w->phase))
                return LIMN_OK;
            for (const above *a = chain; a; a = a->above)
                if (a->device == about.st_dev && a->number == about.st_ino) return LIMN_OK;
            return walk_folder(w, f->path, &(above){ chain, about.st_dev, about.st_ino });
        }
    }
    if (!picture) return LIMN_OK;
    f->next = w->first;
    w->first = f;
    w->count++;
    return LIMN_OK;
}

static limn_status walk_folder(walk *w, const char *folder, const above *chain)
{
    limn_status status = LIMN_OK;
    struct dirent *entry;
    DIR *open = opendir(folder);

    if (!open)
        return limn_fail(w->error, errno == ENOMEM ? LIMN_NO_MEMORY : LIMN_IO,
                         "%s: the folder cannot be read: %s", folder, strerror(errno));
    while (!status && (errno = 0, entry = readdir(open)))
        status = walk_entry(w, folder, entry, chain);
    if (!status && errno)
        status = limn_fail(w->error, LIMN_IO, "%s: the folder cannot be read to its end: %s",
                           folder, strerror(errno));
    closedir(open);
    return status;
}

static int by_name(const void *a, const void *b)
{
    return limn_name_compare(((const limn_data_item *)a)->name, ((const limn_data_item *)b)->name);
}

limn_status limn_folder_scan(limn_data_side *side, limn_arena *arena, const char *folder,
                             limn_phase phase, limn_error *error)
{
    walk w = { .arena = arena, .phase = phase, .root_length = strlen(folder), .error = error };
    struct stat about;
    above top = { 0 };
    size_t i = 0;

    *side = (limn_data_side){ .folder = folder };
    if (stat(folder, &about))
        return limn_fail(error, LIMN_IO, "%s: the folder cannot be read: %s", folder,
                         strerror(errno));
    top.device = about.st_dev;
    top.number = about.st_ino;
    LIMN_TRY(walk_folder(&w, folder, &top));
    LIMN_TRY(limn_take_into(&side->items, arena, w.count * sizeof *side->items, error));
    for (found *f = w.first; f; f = f->next)
        side->items[i++] = (limn_data_item){ .path = f->path, .name = f->path + w.root_length + 1 };
    side->count = w.count;
    if (w.count) qsort(side->items, w.count, sizeof *side->items, by_name);
    return LIMN_OK;
}

bool limn_folder_there(const char *path)
{
    struct stat about;

    return !stat(path, &about) && S_ISDIR(about.st_mode);
}

size_t limn_folder_pictures(const char *folder)
{
    DIR *open = opendir(folder);
    struct dirent *entry;
    size_t count = 0;

    if (!open) return 0;
    while ((entry = readdir(open)))
        count += entry->d_name[0] != '.' && entry->d_type != DT_DIR &&
                 limn_is_picture_name(entry->d_name);
    closedir(open);
    return count;
}
