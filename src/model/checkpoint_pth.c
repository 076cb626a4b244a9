/* SPDX-License-Identifier: Apache-2.0
 *
 * PyTorch's checkpoints: from pickled values to tensors.
 *
 * The pickle is read first, as plain data (pickle.c).  Then the values are walked from the root:
 * dictionaries, lists and tuples are gone through with their keys joined by dots, calls that
 * rebuild a tensor become tensors, and numbers, texts, None and sizes are passed over.  The walk
 * counts its visits and its depth, which is what a value that holds itself a million times runs
 * into.
 *
 * No element is copied: a tensor keeps a pointer into the file and its strides.  A storage that
 * claims more than the file has, and a view that reaches beyond its storage, are refused here, so
 * whoever reads elements later need not look. */
#include "model/foreign.h"
#include "model/pth_storage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    VISITS_MAX = 1 << 20,
    DEPTH_MAX = 32,
    REPEATED_MAX = 1 << 26, /* elements of all tensors that repeat their storage's, together */
};

typedef struct walker {
    limn_pth_reader *r;
    limn_checkpoint_tensor *tensors; /* NULL in the first walk, which counts */
    size_t tensor_count;
    size_t visits;
    uint64_t repeated;
    char path[LIMN_PTH_NAME_MAX + 1];
    size_t path_bytes;
} walker;

/* ---- Tensors --------------------------------------------------------------------------------- */

static limn_status bad_tensor(const walker *w, const char *what, limn_error *error)
{
    return limn_fail(error, LIMN_FORMAT, "%s: the tensor '%s' %s", w->r->name,
                     limn_quote(w->path, w->path_bytes).text, what);
}

static bool whole_tuple(const walker *w, const limn_pickle_value *v, int64_t *out)
{
    const limn_pickle_value *item;
    uint32_t i;

    if (v->kind != LIMN_PICKLE_TUPLE && v->kind != LIMN_PICKLE_LIST) return false;
    for (i = 0; i < v->count; i++) {
        item = limn_pickle_item(w->r->object, v, i);
        if (item->kind != LIMN_PICKLE_WHOLE || item->whole < 0) return false;
        out[i] = item->whole;
    }
    return true;
}

/* Sizes and strides against the storage: the last element that they reach must be inside. */
static limn_status check_extent(walker *w, limn_checkpoint_tensor *t, const limn_pth_storage *s,
                                uint64_t offset, limn_error *error)
{
    uint64_t count = 1, last = offset, reach;
    int64_t dense = 1;
    bool in_order = true;
    int i;

    for (i = t->saved.dims - 1; i >= 0; i--) {
        if (t->saved.size[i] != 1 && t->stride[i] != dense) in_order = false;
        if (__builtin_mul_overflow(count, (uint64_t)t->saved.size[i], &count) || count > INT64_MAX)
            return bad_tensor(w, "has more elements than can be counted", error);
        if (__builtin_mul_overflow(dense, t->saved.size[i], &dense)) in_order = false;
    }
    t->saved.count = (size_t)count;
    for (i = 0; count && i < t->saved.dims; i++)
        if (__builtin_mul_overflow((uint64_t)t->saved.size[i] - 1, (uint64_t)t->stride[i],
                                   &reach) ||
            __builtin_add_overflow(last, reach, &last))
            return bad_tensor(w, "reaches beyond its storage", error);
    if (count && last >= s->elements) return bad_tensor(w, "reaches beyond its storage", error);
    if (count > s->elements - (count ? offset : 0)) {
        if (count > REPEATED_MAX - w->repeated)
            return bad_tensor(w,
                              "repeats its few elements into a size that no network has; limn "
                              "refuses it",
                              error);
        w->repeated += count;
    }
    if (count)
        t->base = s->data + offset * limn_type_bytes(t->saved.type);
    else
        t->base = w->r->bytes;
    t->swapped = w->r->swapped && limn_type_bytes(t->saved.type) > 1;
    t->saved.data = (in_order || !count) && !t->swapped ? t->base : NULL;
    return LIMN_OK;
}

/* Arguments (storage, offset, sizes, strides[, requires_grad, hooks[, dtype ...]]). */
static limn_status build_tensor(walker *w, const limn_pickle_value *call, limn_checkpoint_tensor *t,
                                limn_error *error)
{
    const limn_pickle_value *offset, *sizes, *strides, *dtype;
    const limn_pickle_known *known;
    uint64_t start;
    limn_pth_storage s;

    if (call->count < (call->global == LIMN_PICKLE_REBUILD_TENSOR_V3 ? 7 : 4))
        return bad_tensor(w, "is described by too few values", error);
    LIMN_TRY(limn_pth_storage_describe(w->r, limn_pickle_item(w->r->object, call, 0), &s, error));
    LIMN_TRY(limn_pth_storage_find(w->r, &s, error));
    offset = limn_pickle_item(w->r->object, call, 1);
    sizes = limn_pickle_item(w->r->object, call, 2);
    strides = limn_pickle_item(w->r->object, call, 3);
    t->saved.type = s.type;
    if (call->global == LIMN_PICKLE_REBUILD_TENSOR_V3) {
        dtype = limn_pickle_item(w->r->object, call, 6);
        known = dtype->kind == LIMN_PICKLE_NAME
                    ? limn_pickle_about((limn_pickle_global)dtype->global)
                    : NULL;
        if (!known || known->role != LIMN_PICKLE_IS_DTYPE || !s.untyped)
            return bad_tensor(w, "has no element type", error);
        t->saved.type = known->type;
        s.elements /= limn_type_bytes(known->type); /* an untyped storage counts bytes */
    }
    if (sizes->count > LIMN_DIMS_MAX) return bad_tensor(w, "has more than 8 dimensions", error);
    if (sizes->count != strides->count)
        return bad_tensor(w, "has not one stride for each of its dimensions", error);
    if (offset->kind != LIMN_PICKLE_WHOLE || offset->whole < 0 ||
        !whole_tuple(w, sizes, t->saved.size) || !whole_tuple(w, strides, t->stride))
        return bad_tensor(w, "has sizes, strides or an offset that are no whole numbers", error);
    t->saved.dims = (int)sizes->count;
    start = (uint64_t)offset->whole + (uint64_t)s.view; /* two int64_t: no overflow */
    return check_extent(w, t, &s, start, error);
}

/* Well-formed UTF-8 without control characters: the name goes into JSON and onto terminals. */
static bool name_is_clean(const unsigned char *p, size_t bytes)
{
    size_t i, more;
    uint32_t c, least;

    for (i = 0; i < bytes; i += more + 1) {
        c = p[i];
        if (c < 32 || c == 127 || (c > 127 && c < 0xc2) || c > 0xf4) return false;
        more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
        if (bytes - i <= more) return false;
        least = more == 2 ? 0x800 : more == 3 ? 0x10000 : 0;
        if (more) c &= 0x3fu >> more;
        for (size_t k = 1; k <= more; k++) {
            if ((p[i + k] & 0xc0) != 0x80) return false;
            c = c << 6 | (p[i + k] & 0x3f);
        }
        if (c < least || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return false;
    }
    return true;
}

/* Counts the tensor; in the second walk, when there is room, keeps it.  key_at is where the last
 * key begins in the path. */
static limn_status add_tensor(walker *w, const limn_pickle_value *call, size_t key_at,
                              limn_error *error)
{
    const limn_pickle_value *inner = call;
    limn_checkpoint_tensor *t;
    char *name;

    if (call->global == LIMN_PICKLE_REBUILD_PARAMETER) {
        if (call->count < 1 ||
            (inner = limn_pickle_item(w->r->object, call, 0))->kind != LIMN_PICKLE_CALL ||
            inner->global == LIMN_PICKLE_REBUILD_PARAMETER)
            return bad_tensor(w, "is a parameter without a tensor", error);
    }
    if (w->tensor_count == LIMN_CHECKPOINT_TENSORS_MAX)
        return limn_fail(error, LIMN_FORMAT, "%s: more than %d tensors", w->r->name,
                         LIMN_CHECKPOINT_TENSORS_MAX);
    w->tensor_count++;
    if (!w->tensors) return LIMN_OK;
    t = &w->tensors[w->tensor_count - 1];
    if (!w->path_bytes) {
        memcpy(w->path, "tensor", 7); /* the file is one tensor, in no dictionary */
        w->path_bytes = 6;
    }
    if (!name_is_clean((const unsigned char *)w->path, w->path_bytes))
        return bad_tensor(w, "has a name that is no clean text", error);
    LIMN_TRY(limn_take_into(&name, w->r->arena, w->path_bytes + 1, error));
    memcpy(name, w->path, w->path_bytes);
    t->saved.name = name;
    t->path_bytes = key_at;
    return build_tensor(w, inner, t, error);
}

/* ---- The walk -------------------------------------------------------------------------------- */

static limn_status walk(walker *w, const limn_pickle_value *v, size_t key_at, int depth,
                        limn_error *error);

/* Appends ".key"; false when there is no room. */
static bool enter(walker *w, const char *key, size_t bytes)
{
    size_t dot = w->path_bytes ? 1 : 0;

    if (bytes > LIMN_PTH_NAME_MAX - w->path_bytes - dot || w->path_bytes + dot > LIMN_PTH_NAME_MAX)
        return false;
    if (dot) w->path[w->path_bytes] = '.';
    memcpy(w->path + w->path_bytes + dot, key, bytes);
    w->path_bytes += dot + bytes;
    w->path[w->path_bytes] = 0;
    return true;
}

static limn_status walk_child(walker *w, const limn_pickle_value *key, uint32_t number,
                              const limn_pickle_value *child, int depth, limn_error *error)
{
    size_t before = w->path_bytes;
    limn_status status;
    char digits[24];
    bool fits;

    if (child->kind < LIMN_PICKLE_TUPLE || child->kind == LIMN_PICKLE_NAME ||
        child->kind == LIMN_PICKLE_PERSISTENT)
        return ++w->visits > VISITS_MAX ? walk(w, child, 0, depth, error) : LIMN_OK;
    if (key && key->kind == LIMN_PICKLE_TEXT) {
        fits = enter(w, key->text, key->count);
    } else if (!key || key->kind == LIMN_PICKLE_WHOLE) {
        snprintf(digits, sizeof digits, "%lld", key ? (long long)key->whole : (long long)number);
        fits = enter(w, digits, strlen(digits));
    } else {
        return LIMN_OK; /* a dictionary whose keys are no names holds no weights */
    }
    if (!fits)
        return limn_fail(error, LIMN_FORMAT, "%s: a tensor's name of more than %d letters",
                         w->r->name, LIMN_PTH_NAME_MAX);
    status = walk(w, child, before ? before + 1 : 0, depth + 1, error);
    w->path_bytes = before;
    w->path[before] = 0;
    return status;
}

static limn_status walk(walker *w, const limn_pickle_value *v, size_t key_at, int depth,
                        limn_error *error)
{
    uint32_t i;

    if (++w->visits > VISITS_MAX || depth > DEPTH_MAX)
        return limn_fail(error, LIMN_FORMAT,
                         "%s: refused: its values are nested too deep, hold themselves or repeat "
                         "endlessly; no checkpoint needs that",
                         w->r->name);
    switch ((limn_pickle_kind)v->kind) {
    case LIMN_PICKLE_DICT:
        for (i = 0; i + 1 < v->count; i += 2)
            LIMN_TRY(walk_child(w, limn_pickle_item(w->r->object, v, i), 0,
                                limn_pickle_item(w->r->object, v, i + 1), depth, error));
        return LIMN_OK;
    case LIMN_PICKLE_LIST:
    case LIMN_PICKLE_TUPLE:
        for (i = 0; i < v->count; i++)
            LIMN_TRY(walk_child(w, NULL, i, limn_pickle_item(w->r->object, v, i), depth, error));
        return LIMN_OK;
    case LIMN_PICKLE_CALL:
        return add_tensor(w, v, key_at, error);
    default:
        return LIMN_OK;
    }
}

static int by_full_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static limn_status collect(walker *w, limn_error *error)
{
    const char **names;
    size_t i, n;

    LIMN_TRY(walk(w, limn_pickle_root(w->r->object), 0, 0, error));
    if (!(n = w->tensor_count))
        return limn_fail(error, LIMN_FORMAT, "%s: there is no tensor in it", w->r->name);
    LIMN_TRY(limn_take_into(&w->tensors, w->r->arena, n * sizeof *w->tensors, error));
    LIMN_TRY(limn_take_into(&names, w->r->arena, n * sizeof *names, error));
    w->tensor_count = w->visits = 0;
    LIMN_TRY(walk(w, limn_pickle_root(w->r->object), 0, 0, error));
    for (i = 0; i < n; i++) names[i] = w->tensors[i].saved.name;
    qsort(names, n, sizeof *names, by_full_name);
    for (i = 1; i < n; i++)
        if (!strcmp(names[i - 1], names[i]))
            return limn_fail(error, LIMN_FORMAT, "%s: the tensor '%s' is there twice", w->r->name,
                             limn_quote(names[i], strlen(names[i])).text);
    return LIMN_OK;
}

limn_status limn_pth_read(limn_checkpoint_tensor **tensors, size_t *tensor_count,
                          const unsigned char *bytes, size_t count, const char *name,
                          limn_arena *arena, limn_error *error)
{
    limn_pth_reader r = { .bytes = bytes, .count = count, .name = name, .arena = arena };
    walker w = { .r = &r };
    limn_status status = limn_pth_read_form(&r, error);

    if (!status) status = collect(&w, error);
    limn_pickle_close(&r.object);
    *tensors = w.tensors;
    *tensor_count = w.tensor_count;
    return status;
}
