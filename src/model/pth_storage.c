/* SPDX-License-Identifier: Apache-2.0
 *
 * The two forms of a .pth file: pickles and storages (checkpoint_pth.h describes both).
 *
 * In a zip archive a storage is an entry, found by name when a tensor asks.  In the old form the
 * raw storages follow each other with only their number of elements in front, so the element types
 * must be known before the first can be skipped: all names of storages in the object are listed
 * first.
 *
 * A storage that claims more than the file has is refused here. */
#include "model/pth_storage.h"
#include "model/foreign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* torch.serialization's magic number as protocol 2 pickles it. */
static const unsigned char legacy_magic[] = { 0x80, 2,    0x8a, 10,   0x6c, 0xfc, 0x9c, 0x46,
                                              0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.' };

bool limn_pth_is_zip(const unsigned char *bytes, size_t count)
{
    return count >= 4 && (limn_read_32(bytes) == 0x04034b50 || limn_read_32(bytes) == 0x06054b50);
}

bool limn_pth_is_legacy(const unsigned char *bytes, size_t count)
{
    return count >= sizeof legacy_magic && !memcmp(bytes, legacy_magic, sizeof legacy_magic);
}

/* ---- Storages -------------------------------------------------------------------------------- */

static bool is_text(const limn_pickle_value *v, const char *text)
{
    size_t bytes = strlen(text);

    return v->kind == LIMN_PICKLE_TEXT && v->count == bytes && !memcmp(v->text, text, bytes);
}

static limn_status bad_storage(const limn_pth_reader *r, const char *what, limn_error *error)
{
    return limn_fail(error, LIMN_FORMAT, "%s: %s; the file is damaged or not a checkpoint", r->name,
                     what);
}

/* ('storage', type, key, device, elements[, None or (key, offset, elements)]) */
limn_status limn_pth_storage_describe(const limn_pth_reader *r, const limn_pickle_value *id,
                                      limn_pth_storage *s, limn_error *error)
{
    const limn_pickle_value *tuple, *type, *key, *elements, *view, *offset;
    const limn_pickle_known *known;

    if (id->kind != LIMN_PICKLE_PERSISTENT)
        return bad_storage(r, "a tensor without storage", error);
    tuple = limn_pickle_item(r->object, id, 0);
    if (tuple->count < 5 || tuple->count > 6 ||
        !is_text(limn_pickle_item(r->object, tuple, 0), "storage"))
        return bad_storage(r, "a persistent name that is no storage", error);
    type = limn_pickle_item(r->object, tuple, 1);
    key = limn_pickle_item(r->object, tuple, 2);
    elements = limn_pickle_item(r->object, tuple, 4);
    if (type->kind != LIMN_PICKLE_NAME || key->kind != LIMN_PICKLE_TEXT ||
        elements->kind != LIMN_PICKLE_WHOLE || elements->whole < 0)
        return bad_storage(r, "a storage whose description is none", error);
    known = limn_pickle_about((limn_pickle_global)type->global);
    if (known->role != LIMN_PICKLE_IS_STORAGE && known->role != LIMN_PICKLE_IS_UNTYPED)
        return limn_fail(error, LIMN_FORMAT,
                         "%s: a storage of type '%s.%s', which does not say what its elements are",
                         r->name, known->module, known->name);
    *s = (limn_pth_storage){ .key = key->text,
                             .key_bytes = key->count,
                             .type = known->type,
                             .untyped = known->role == LIMN_PICKLE_IS_UNTYPED,
                             .elements = (uint64_t)elements->whole };
    if (tuple->count == 5 ||
        (view = limn_pickle_item(r->object, tuple, 5))->kind == LIMN_PICKLE_NONE)
        return LIMN_OK;
    if (view->kind != LIMN_PICKLE_TUPLE || view->count != 3 ||
        (offset = limn_pickle_item(r->object, view, 1))->kind != LIMN_PICKLE_WHOLE ||
        offset->whole < 0)
        return bad_storage(r, "a view of a storage whose description is none", error);
    s->view = offset->whole;
    return LIMN_OK;
}

static int by_key(const void *a, const void *b)
{
    const limn_pth_storage *x = a, *y = b;
    int order = memcmp(x->key, y->key, x->key_bytes < y->key_bytes ? x->key_bytes : y->key_bytes);

    if (order) return order;
    return x->key_bytes < y->key_bytes ? -1 : x->key_bytes > y->key_bytes;
}

/* Sets data and elements from the file and refuses a claim beyond it. */
limn_status limn_pth_storage_find(limn_pth_reader *r, limn_pth_storage *s, limn_error *error)
{
    size_t size = limn_type_bytes(s->type);
    limn_zip_entry *entry;
    const limn_pth_storage *found;
    char path[LIMN_PTH_NAME_MAX];
    uint64_t available;
    int length;

    if (r->zipped) {
        length = s->key_bytes > 200
                     ? -1
                     : snprintf(path, sizeof path, "%.*sdata/%.*s", (int)r->folder_bytes, r->folder,
                                (int)s->key_bytes, s->key);
        if (length < 0 || (size_t)length >= sizeof path ||
            !(entry = limn_zip_find(&r->zip, path, (size_t)length)))
            return limn_fail(error, LIMN_FORMAT, "%s: the storage 'data/%s' is not in the archive",
                             r->name, limn_quote(s->key, s->key_bytes).text);
        LIMN_TRY(limn_zip_check(&r->zip, entry, error));
        s->data = entry->data;
        available = entry->count / size;
    } else {
        found = r->legacy_count ? bsearch(s, r->legacy, r->legacy_count, sizeof *s, by_key) : NULL;
        if (!found || !found->data)
            return limn_fail(error, LIMN_FORMAT, "%s: the storage '%s' is not in the file", r->name,
                             limn_quote(s->key, s->key_bytes).text);
        if (found->type != s->type)
            return bad_storage(r, "a storage that is used with two element types", error);
        s->data = found->data;
        available = found->elements;
    }
    if (s->elements > available)
        return limn_fail(error, LIMN_FORMAT,
                         "%s: the storage '%s' claims %llu elements and has %llu (cut off?)",
                         r->name, limn_quote(s->key, s->key_bytes).text,
                         (unsigned long long)s->elements, (unsigned long long)available);
    return LIMN_OK;
}

/* ---- The two forms --------------------------------------------------------------------------- */

/* Finds FOLDER/data.pkl: there must be one. */
static limn_status find_folder(limn_pth_reader *r, limn_zip_entry **out, limn_error *error)
{
    limn_zip_entry *entry = NULL, *e;
    size_t i;

    for (i = 0; i < r->zip.count; i++) {
        e = &r->zip.entries[i];
        if (e->name_bytes < 8 || memcmp(e->name + e->name_bytes - 8, "data.pkl", 8) ||
            (e->name_bytes > 8 && e->name[e->name_bytes - 9] != '/'))
            continue;
        if (entry)
            return limn_fail(error, LIMN_FORMAT, "%s: the archive holds more than one data.pkl",
                             r->name);
        entry = e;
    }
    if (!entry)
        return limn_fail(error, LIMN_FORMAT,
                         "%s: a zip archive, but not one of torch.save: it has no data.pkl",
                         r->name);
    r->folder = entry->name;
    r->folder_bytes = entry->name_bytes - 8;
    *out = entry;
    return LIMN_OK;
}

static limn_zip_entry *in_folder(const limn_pth_reader *r, const char *name)
{
    char path[LIMN_PTH_NAME_MAX];
    int length = snprintf(path, sizeof path, "%.*s%s", (int)r->folder_bytes, r->folder, name);

    return length > 0 && (size_t)length < sizeof path ? limn_zip_find(&r->zip, path, (size_t)length)
                                                      : NULL;
}

static limn_status read_zip(limn_pth_reader *r, limn_error *error)
{
    limn_zip_entry *pickle = NULL, *order;

    LIMN_TRY(limn_zip_open(&r->zip, r->bytes, r->count, r->name, r->arena, error));
    LIMN_TRY(find_folder(r, &pickle, error));
    if (in_folder(r, "constants.pkl"))
        return limn_fail(error, LIMN_FORMAT,
                         "%s: a TorchScript program, not weights alone; in PyTorch, "
                         "torch.save(torch.jit.load(file).state_dict(), new_file)",
                         r->name);
    if ((order = in_folder(r, "byteorder"))) {
        LIMN_TRY(limn_zip_check(&r->zip, order, error));
        r->swapped = order->count == 3 && !memcmp(order->data, "big", 3);
        if (!r->swapped && (order->count != 6 || memcmp(order->data, "little", 6)))
            return limn_fail(error, LIMN_FORMAT, "%s: its byte order '%s' is unknown", r->name,
                             limn_quote((const char *)order->data, order->count).text);
    }
    LIMN_TRY(limn_zip_check(&r->zip, pickle, error));
    return limn_pickle_read(&r->object, pickle->data, pickle->count, NULL, r->name, error);
}

/* Reads the pickle at *at and moves on. */
static limn_status next_pickle(const limn_pth_reader *r, size_t *at, limn_pickle **out,
                               limn_error *error)
{
    size_t used = 0;

    LIMN_TRY(limn_pickle_read(out, r->bytes + *at, r->count - *at, &used, r->name, error));
    *at += used;
    return LIMN_OK;
}

/* The element type of each key, from all names of storages in the object. */
static limn_status list_storages(limn_pth_reader *r, limn_error *error)
{
    uint32_t i, n, total = limn_pickle_values(r->object);
    size_t k;

    for (i = n = 0; i < total; i++)
        n += limn_pickle_at(r->object, i)->kind == LIMN_PICKLE_PERSISTENT;
    if (n > 2 * LIMN_CHECKPOINT_TENSORS_MAX)
        return bad_storage(r, "more storages than a checkpoint can have", error);
    LIMN_TRY(limn_take_into(&r->legacy, r->arena, (n + 1) * sizeof *r->legacy, error));
    for (i = n = 0; i < total; i++)
        if (limn_pickle_at(r->object, i)->kind == LIMN_PICKLE_PERSISTENT)
            LIMN_TRY(
                limn_pth_storage_describe(r, limn_pickle_at(r->object, i), &r->legacy[n++], error));
    qsort(r->legacy, n, sizeof *r->legacy, by_key);
    for (i = 0, k = 0; i < n; i++) {
        if (k && !by_key(&r->legacy[k - 1], &r->legacy[i])) {
            if (r->legacy[k - 1].type != r->legacy[i].type)
                return bad_storage(r, "a storage that is used with two element types", error);
            continue;
        }
        r->legacy[k++] = r->legacy[i];
    }
    r->legacy_count = k;
    return LIMN_OK;
}

/* After the pickles: for each key, in the order of the list, 8 bytes of count and the elements. */
static limn_status find_raw(limn_pth_reader *r, const limn_pickle *keys, size_t at,
                            limn_error *error)
{
    const limn_pickle_value *list = limn_pickle_root(keys), *key;
    limn_pth_storage wanted, *s;
    uint64_t elements;
    uint32_t i;

    if (list->kind != LIMN_PICKLE_LIST)
        return bad_storage(r, "a list of storages that is none", error);
    for (i = 0; i < list->count; i++) {
        key = limn_pickle_item(keys, list, i);
        if (key->kind != LIMN_PICKLE_TEXT) return bad_storage(r, "a storage without name", error);
        wanted = (limn_pth_storage){ .key = key->text, .key_bytes = key->count };
        s = r->legacy_count ? bsearch(&wanted, r->legacy, r->legacy_count, sizeof wanted, by_key)
                            : NULL;
        if (!s || s->data) return bad_storage(r, "a storage that nothing uses, or twice", error);
        if (r->count - at < 8)
            return limn_fail(error, LIMN_FORMAT, "%s: cut off before storage %u of %u", r->name,
                             (unsigned)i + 1, (unsigned)list->count);
        elements = r->swapped ? __builtin_bswap64(limn_read_64(r->bytes + at))
                              : limn_read_64(r->bytes + at);
        at += 8;
        if (elements > (r->count - at) / limn_type_bytes(s->type))
            return limn_fail(error, LIMN_FORMAT,
                             "%s: storage %u of %u claims %llu elements, and %zu bytes are left "
                             "(cut off?)",
                             r->name, (unsigned)i + 1, (unsigned)list->count,
                             (unsigned long long)elements, r->count - at);
        s->data = r->bytes + at;
        s->elements = elements;
        at += (size_t)elements * limn_type_bytes(s->type);
    }
    return LIMN_OK;
}

static limn_status read_legacy(limn_pth_reader *r, limn_error *error)
{
    const limn_pickle_value *v, *key;
    limn_pickle *part = NULL;
    size_t at = sizeof legacy_magic;
    limn_status status;
    uint32_t i;

    LIMN_TRY(next_pickle(r, &at, &part, error));
    v = limn_pickle_root(part);
    status = v->kind == LIMN_PICKLE_WHOLE && v->whole == 1001
                 ? LIMN_OK
                 : limn_fail(error, LIMN_FORMAT,
                             "%s: an unknown revision of PyTorch's old format (1001 is read)",
                             r->name);
    limn_pickle_close(&part);
    if (status) return status;
    LIMN_TRY(next_pickle(r, &at, &part, error));
    v = limn_pickle_root(part);
    for (i = 0; v->kind == LIMN_PICKLE_DICT && i + 1 < v->count; i += 2) {
        key = limn_pickle_item(part, v, i);
        if (is_text(key, "little_endian"))
            r->swapped = limn_pickle_item(part, v, i + 1)->kind == LIMN_PICKLE_FLAG &&
                         !limn_pickle_item(part, v, i + 1)->whole;
    }
    limn_pickle_close(&part);
    LIMN_TRY(next_pickle(r, &at, &r->object, error));
    LIMN_TRY(list_storages(r, error));
    LIMN_TRY(next_pickle(r, &at, &part, error));
    status = find_raw(r, part, at, error);
    limn_pickle_close(&part);
    return status;
}

limn_status limn_pth_read_form(limn_pth_reader *r, limn_error *error)
{
    r->zipped = limn_pth_is_zip(r->bytes, r->count);
    return r->zipped ? read_zip(r, error) : read_legacy(r, error);
}
