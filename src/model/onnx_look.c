/* SPDX-License-Identifier: Apache-2.0
 *
 * What an ONNX file says of itself, for limn info.
 *
 * protobuf-c reads the messages, but only those few top-level fields that limn info prints: the
 * file is anybody's, protobuf-c follows nested messages as deep as they go, and an ONNX graph may
 * hold graphs.  So the top level is stepped through here, the wanted fields are put together, and
 * only they are unpacked. */
#include "model/onnx.h"

#include <string.h>

enum { FIELD_GRAPH = 7, KEPT_MAX = 1 << 20 };

/* ir_version, producer_name and _version, doc_string, opset_import, metadata_props. */
static const int wanted[] = { 1, 2, 3, 6, 8, 14 };

typedef struct reader {
    const unsigned char *at, *end;
} reader;

static bool read_number(reader *r, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; shift < 64 && r->at < r->end; shift += 7) {
        *value |= (uint64_t)(*r->at & 127) << shift;
        if (*r->at++ < 128) return true;
    }
    return false;
}

/* Steps over a field; its number, or 0 where there is none. */
static uint64_t step(reader *r)
{
    uint64_t key, value;

    if (!read_number(r, &key)) return 0;
    switch (key & 7) {
    case 0:
        return read_number(r, &value) ? key >> 3 : 0;
    case 2:
        if (!read_number(r, &value)) return 0;
        break;
    case 1:
    case 5:
        value = (key & 7) == 1 ? 8 : 4;
        break;
    default:
        return 0;
    }
    if (value > (uint64_t)(r->end - r->at)) return 0;
    r->at += value;
    return key >> 3;
}

/* The wanted fields one behind the other, into kept where that is not NULL; their bytes, or 0 where
 * this is no ONNX file. */
static size_t keep(const unsigned char *bytes, size_t count, unsigned char *kept)
{
    reader r = { bytes, bytes + count };
    bool graph = false;
    size_t used = 0;

    while (r.at < r.end) {
        const unsigned char *from = r.at;
        uint64_t field = step(&r);
        size_t size = (size_t)(r.at - from);

        if (!field) return 0;
        graph |= field == FIELD_GRAPH;
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
            if (field != (uint64_t)wanted[i]) continue;
            if (size > KEPT_MAX - used) return 0;
            if (kept) memcpy(kept + used, from, size);
            used += size;
        }
    }
    return graph ? used : 0;
}

static void *give(void *arena, size_t bytes)
{
    return limn_take(arena, bytes);
}

static void forget(void *arena, void *block)
{
    (void)arena;
    (void)block;
}

static const char *said(const char *text)
{
    return text && *text ? text : NULL;
}

bool limn_onnx_look(limn_onnx_about *about, const unsigned char *bytes, size_t count,
                    limn_arena *arena)
{
    ProtobufCAllocator allocator = { give, forget, arena };
    size_t used = keep(bytes, count, NULL);
    unsigned char *kept = used ? limn_take(arena, used) : NULL;
    Onnx__ModelProto *model;

    *about = (limn_onnx_about){ 0 };
    if (!kept) return false;
    keep(bytes, count, kept);
    if (!(model = onnx__model_proto__unpack(&allocator, used, kept)) || !model->has_ir_version ||
        !model->n_opset_import)
        return false;
    about->ir = model->ir_version;
    for (size_t i = 0; i < model->n_opset_import; i++)
        if (!said(model->opset_import[i]->domain)) about->opset = model->opset_import[i]->version;
    about->producer = said(model->producer_name);
    about->version = said(model->producer_version);
    about->notice = said(model->doc_string);
    about->texts = limn_take(arena, (model->n_metadata_props + 1) * sizeof *about->texts);
    for (size_t i = 0; about->texts && i < model->n_metadata_props; i++) {
        const Onnx__StringStringEntryProto *entry = model->metadata_props[i];

        if (said(entry->key) && entry->value)
            about->texts[about->text_count++] = (limn_saved_text){ entry->key, entry->value };
    }
    return about->texts != NULL;
}
