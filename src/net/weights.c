/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights: one memory a parameter, whatever number of graphs and plans use it.
 *
 * The memory is in the layout that the plan in use wants, because a second copy of 54 million
 * numbers in PyTorch's order would be half of what translating a picture needs.  Who reads or
 * writes parameters from outside (files, tests) speaks plain float32; the repacking happens here.
 *
 * Moving a parameter to another layout is exact for F32.  An inference plan in bf16 moves to BF16
 * and loses the low bits for good, so a training plan pins what it trains: later plans pack from
 * that.
 *
 * Memory is taken when it is first needed, and what a file holds can be lent instead of copied:
 * then the first plan packs straight from the file.  Pages that are touched for the first time are
 * what a start costs most, on virtual machines above all (217 MiB of a unet_256: 75 ms, up to 800
 * where the host has to find the memory first). */
#include "base/random.h"
#include "net/plan_inside.h"
#include "op/dnn_int8.h"
#include <string.h>

typedef struct entry {
    limn_parameter_info info; /* names in the arena of the weights */
    limn_dnn_layout *layout;  /* NULL: plain */
    size_t bytes;
    void *memory;      /* NULL: all zero, not needed yet */
    const float *lent; /* instead of memory: somebody else's, plain */
    void (*returned)(const void *floats, size_t count);
    bool shares;     /* the memory is in first_memory */
    uint32_t stream; /* of its initial values; tells names apart faster than they do */
    bool pinned;
} entry;

/* Layouts that were ever used: a few, shared by all entries, so that moving to and fro takes
 * nothing. */
typedef struct known_layout {
    limn_dnn_layout *layout;
    struct known_layout *next;
} known_layout;

struct limn_weights {
    limn_arena arena;
    limn_arena first_memory; /* of small parameters, side by side in huge pages: the screen has 300
                                of them, and their pages took 20 ms of the start of a program */
    known_layout *layouts;
    entry *entries;
    int count, room;
    unsigned long serial, changes;
};

enum { FIRST_BYTES = 2 << 20, SHARING_BYTES = 1 << 20 };

static void free_memory(entry *e)
{
    if (!e->shares) limn_block_free(e->memory);
    e->memory = NULL;
    e->shares = false;
}

limn_status limn_weights_open(limn_weights **out, limn_error *error)
{
    limn_arena arena;
    limn_weights *weights;

    *out = NULL;
    limn_arena_open(&arena, "weights", 0);
    LIMN_TRY(limn_take_into(&weights, &arena, sizeof *weights, error));
    weights->arena = arena;
    limn_arena_open(&weights->first_memory, "weights", FIRST_BYTES);
    *out = weights;
    return LIMN_OK;
}

void limn_weights_close(limn_weights **weights)
{
    limn_arena arena;

    if (!*weights) return;
    for (int i = 0; i < (*weights)->count; i++) free_memory(&(*weights)->entries[i]);
    limn_block_free((*weights)->entries);
    limn_arena_close(&(*weights)->first_memory);
    arena = (*weights)->arena; /* the struct itself lies in it */
    limn_arena_close(&arena);
    *weights = NULL;
}

int limn_weights_count(const limn_weights *weights)
{
    return weights->count;
}

const limn_parameter_info *limn_weights_at(const limn_weights *weights, int index)
{
    return &weights->entries[index].info;
}

/* FNV-1a: a parameter's stream depends on its name alone, so that adding a network or a layer
 * elsewhere changes nobody else's initial values. */
static uint32_t stream_of(const char *name)
{
    uint32_t hash = 2166136261u;

    for (; *name; name++) hash = (hash ^ (unsigned char)*name) * 16777619u;
    return hash;
}

int limn_weights_find(const limn_weights *weights, const char *name)
{
    uint32_t stream = stream_of(name);

    for (int i = 0; i < weights->count; i++)
        if (weights->entries[i].stream == stream && !strcmp(weights->entries[i].info.name, name))
            return i;
    return -1;
}

static limn_status grow(limn_weights *weights, int more, limn_error *error)
{
    int room = weights->count + more;
    entry *bigger;

    if (room <= weights->room) return LIMN_OK;
    if (!(bigger = limn_block((size_t)room * sizeof *bigger)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for %d parameters", room);
    if (weights->count) memcpy(bigger, weights->entries, (size_t)weights->count * sizeof *bigger);
    limn_block_free(weights->entries);
    weights->entries = bigger;
    weights->room = room;
    return LIMN_OK;
}

static limn_status no_memory(const entry *e, limn_error *error)
{
    return limn_fail(error, LIMN_NO_MEMORY, "out of memory for the parameter %s", e->info.name);
}

static void give_back(entry *e)
{
    if (e->lent && e->returned) e->returned(e->lent, limn_count(e->info.shape));
    e->lent = NULL;
}

/* Memory of its own, with what it stands for in it. */
static limn_status settle(entry *e, limn_error *error)
{
    if (e->memory) return LIMN_OK;
    if (!(e->memory = limn_block(e->bytes))) return no_memory(e, error);
    if (e->lent)
        memcpy(e->memory, e->lent, e->bytes);
    else
        memset(e->memory, 0, e->bytes);
    give_back(e);
    return LIMN_OK;
}

static bool is_int8(const entry *e)
{
    return e->info.kind == LIMN_PARAMETER_INT8;
}

/* Bytes in PyTorch's order. */
static size_t plain_bytes(const limn_parameter_info *info)
{
    return limn_count(info->shape) * (info->kind == LIMN_PARAMETER_INT8 ? 1 : sizeof(float));
}

static limn_status add_one(limn_weights *weights, const limn_parameter_info *info,
                           limn_error *error)
{
    entry *e = &weights->entries[weights->count];

    *e = (entry){ .info = *info, .bytes = plain_bytes(info), .stream = stream_of(info->name) };
    e->info.name = limn_take_text(&weights->arena, info->name);
    e->info.network = limn_take_text(&weights->arena, info->network);
    if (!e->info.name || !e->info.network) {
        e->info.name = info->name;
        return no_memory(e, error);
    }
    weights->count++;
    return LIMN_OK;
}

limn_status limn_weights_declare(limn_weights *weights, const limn_graph *graph, limn_error *error)
{
    LIMN_TRY(limn_graph_status(graph, error));
    LIMN_TRY(grow(weights, graph->parameter_count, error));
    for (int p = 0; p < graph->parameter_count; p++) {
        const limn_parameter_info *info = &graph->parameters[p];
        int index = limn_weights_find(weights, info->name);
        limn_shape a = info->shape, b;

        if (index < 0) {
            LIMN_TRY(add_one(weights, info, error));
            continue;
        }
        b = weights->entries[index].info.shape;
        if (!limn_shape_equal(a, b))
            return limn_fail(error, LIMN_SHAPE,
                             "%s is %dx%dx%dx%d in this network and %dx%dx%dx%d in the weights",
                             info->name, a.n, a.c, a.h, a.w, b.n, b.c, b.h, b.w);
    }
    for (int p = 0; p < graph->parameter_count; p++) { /* "of" is an index into the weights here */
        const limn_parameter_info *info = &graph->parameters[p];
        int index = limn_weights_find(weights, info->name);

        if (info->of >= 0)
            weights->entries[index].info.of = limn_weights_find(weights,
                                                                graph->parameters[info->of].name);
    }
    return LIMN_OK;
}

limn_status limn_weights_add(limn_weights *weights, const limn_graph *graph, limn_error *error)
{
    LIMN_TRY(limn_weights_declare(weights, graph, error));
    for (int i = 0; i < weights->count; i++)
        if (!weights->entries[i].lent || limn_graph_is_training(graph))
            LIMN_TRY(settle(&weights->entries[i], error));
    return LIMN_OK;
}

/* ---- Layouts
 * ------------------------------------------------------------------------------------- */

static limn_status repack(const limn_dnn_layout *from, const void *source,
                          const limn_dnn_layout *to, void *target, limn_error *error)
{
    limn_dnn_primitive *pack = NULL;
    limn_arena arena;
    void *scratch;
    limn_status status;

    limn_arena_open(&arena, "packing", 0);
    status = limn_dnn_pack_create(&pack, from, to, &arena, error);
    if (!status && !(scratch = limn_take(&arena, limn_dnn_scratch_bytes(pack) + 64)))
        status = limn_fail(error, LIMN_NO_MEMORY, "out of memory for packing weights");
    if (!status)
        status = limn_dnn_bind(pack, (void *)(uintptr_t)source, NULL, NULL, target, scratch, error);
    if (!status) status = limn_dnn_run(pack, error);
    limn_dnn_free(&pack);
    limn_arena_close(&arena);
    return status;
}

/* Between an entry's layout and the plain one, in either direction.  bytes: one byte an element. */
static limn_status repack_plain(const entry *e, bool to_plain, bool bytes, const void *source,
                                void *target, limn_error *error)
{
    limn_dnn_layout *plain;
    limn_arena arena;
    limn_status status;

    limn_arena_open(&arena, "packing", 0);
    status = bytes ? limn_dnn_layout_bytes_like(&plain, e->layout, &arena, error)
                   : limn_dnn_layout_plain_like(&plain, e->layout, &arena, error);
    if (!status)
        status = to_plain ? repack(e->layout, source, plain, target, error)
                          : repack(plain, source, e->layout, target, error);
    limn_arena_close(&arena);
    return status ? limn_while(error, "%s", e->info.name) : LIMN_OK;
}

static limn_status own_layout(limn_weights *weights, const limn_dnn_layout *layout,
                              limn_dnn_layout **out, limn_error *error)
{
    known_layout *known;

    for (known = weights->layouts; known; known = known->next)
        if (limn_dnn_layout_equal(known->layout, layout)) break;
    if (!known) {
        LIMN_TRY(limn_take_into(&known, &weights->arena, sizeof *known, error));
        LIMN_TRY(limn_dnn_layout_copy(&known->layout, layout, &weights->arena, error));
        known->next = weights->layouts;
        weights->layouts = known;
    }
    *out = known->layout;
    return LIMN_OK;
}

limn_status limn_weights_adopt(limn_weights *weights, int index, const limn_dnn_layout *layout,
                               limn_error *error)
{
    entry *e = &weights->entries[index], moved = *e;
    const void *source = e->lent ? e->lent : e->memory;
    limn_status status = LIMN_OK;

    if (layout == e->layout || (layout && e->layout && limn_dnn_layout_equal(layout, e->layout)))
        return e->lent ? LIMN_OK : settle(e, error);
    moved.layout = NULL;
    if (layout) LIMN_TRY(own_layout(weights, layout, &moved.layout, error));
    moved.bytes = layout ? limn_dnn_layout_bytes(layout) : plain_bytes(&e->info);
    moved.shares = !e->memory && moved.bytes <= SHARING_BYTES;
    moved.memory = moved.shares ? limn_take(&weights->first_memory, moved.bytes)
                                : limn_block(moved.bytes);
    if (!moved.memory) return no_memory(e, error);
    /* The packing writes every byte, zeros where a layout is padded. */
    if (!source) { /* all zero, in any layout: what fills it packs straight to where it belongs */
        if (!moved.shares) memset(moved.memory, 0, moved.bytes); /* else limn_take has */
    } else if (e->layout && layout)
        status = repack(e->layout, source, layout, moved.memory, error);
    else if (layout)
        status = repack_plain(&moved, false, is_int8(e), source, moved.memory, error);
    else
        status = repack_plain(e, true, is_int8(e), source, moved.memory, error);
    if (status) {
        free_memory(&moved);
        return status;
    }
    free_memory(e);
    give_back(e);
    moved.lent = NULL;
    *e = moved;
    weights->serial++;
    limn_weights_change(weights); /* to BF16 and back loses bits */
    return LIMN_OK;
}

/* Plans of inference write to no parameter: what is lent is read where it is. */
void *limn_weights_memory(const limn_weights *weights, int index, const limn_dnn_layout **layout)
{
    const entry *e = &weights->entries[index];

    *layout = e->layout;
    return e->lent ? (void *)(uintptr_t)e->lent : e->memory;
}

size_t limn_weights_bytes(const limn_weights *weights, int index)
{
    return weights->entries[index].bytes;
}

unsigned long limn_weights_serial(const limn_weights *weights)
{
    return weights->serial;
}

unsigned long limn_weights_changes(const limn_weights *weights)
{
    return weights->changes;
}

void limn_weights_change(limn_weights *weights)
{
    weights->changes++;
}

void limn_weights_pin(limn_weights *weights, int index)
{
    weights->entries[index].pinned = true;
}

bool limn_weights_pinned(const limn_weights *weights, int index)
{
    return weights->entries[index].pinned;
}

/* ---- From and to outside
 * --------------------------------------------------------------------------- */

static int8_t whole(float v)
{
    return (int8_t)(v > 127 ? 127 : v < -127 ? -127 : v);
}

limn_status limn_weights_set(limn_weights *weights, int index, const float *plain,
                             limn_error *error)
{
    entry *e = &weights->entries[index];

    limn_weights_change(weights);
    if (e->layout) return repack_plain(e, false, false, plain, e->memory, error);
    if (!e->memory && !(e->memory = limn_block(e->bytes))) return no_memory(e, error);
    if (!is_int8(e))
        memcpy(e->memory, plain, e->bytes);
    else
        for (size_t i = 0; i < e->bytes; i++) ((int8_t *)e->memory)[i] = whole(plain[i]);
    give_back(e);
    return LIMN_OK;
}

limn_status limn_weights_set_int8(limn_weights *weights, int index, const int8_t *plain,
                                  limn_error *error)
{
    entry *e = &weights->entries[index];

    if (!is_int8(e))
        return limn_fail(error, LIMN_BUG, "%s does not hold whole numbers", e->info.name);
    limn_weights_change(weights);
    if (e->layout) return repack_plain(e, false, true, plain, e->memory, error);
    if (!e->memory && !(e->memory = limn_block(e->bytes))) return no_memory(e, error);
    memcpy(e->memory, plain, e->bytes);
    return LIMN_OK;
}

bool limn_weights_lend(limn_weights *weights, int index, const float *plain,
                       void (*returned)(const void *floats, size_t count))
{
    entry *e = &weights->entries[index];

    if (e->memory) return false;
    limn_weights_change(weights);
    give_back(e);
    e->lent = plain;
    e->returned = returned;
    return true;
}

limn_status limn_weights_get(limn_weights *weights, int index, float *plain, limn_error *error)
{
    entry *e = &weights->entries[index];

    if (e->layout) return repack_plain(e, true, false, e->memory, plain, error);
    if (!e->lent) LIMN_TRY(settle(e, error));
    if (!is_int8(e))
        memcpy(plain, e->lent ? e->lent : e->memory, e->bytes);
    else
        for (size_t i = 0; i < e->bytes; i++) plain[i] = ((const int8_t *)e->memory)[i];
    return LIMN_OK;
}

/* Whole numbers spread over the range; no memory beside their own, which a float each would be four
 * times. */
static limn_status initial_int8(entry *e, const limn_random *random, limn_error *error)
{
    bool floats = e->layout && !limn_dnn_layout_is_int8(e->layout); /* without VNNI */

    LIMN_TRY(settle(e, error));
    for (size_t k = 0; k < e->bytes / (floats ? sizeof(float) : 1); k++) {
        int8_t v = whole(30 * limn_random_normal(random, k));

        if (floats)
            ((float *)e->memory)[k] = v;
        else
            ((int8_t *)e->memory)[k] = v;
    }
    return LIMN_OK;
}

limn_status limn_weights_initial(limn_weights *weights, const char *network, uint64_t seed,
                                 float gain, limn_error *error)
{
    for (int i = 0; i < weights->count; i++) {
        const limn_parameter_info *info = &weights->entries[i].info;
        limn_random random = { .seed = seed, .stream = weights->entries[i].stream };
        bool normal = info->initial == LIMN_INITIAL_NORMAL ||
                      info->initial == LIMN_INITIAL_NORMAL_ONE;
        float base = info->initial == LIMN_INITIAL_ONE || info->initial == LIMN_INITIAL_NORMAL_ONE;
        size_t count = limn_count(info->shape);
        limn_status status;
        float *values;

        if (network && strcmp(network, info->network)) continue;
        if (weights->entries[i].lent) continue;
        if (is_int8(&weights->entries[i])) {
            limn_weights_change(weights);
            LIMN_TRY(initial_int8(&weights->entries[i], &random, error));
            continue;
        }
        if (!(values = limn_block(count * sizeof *values)))
            return limn_fail(error, LIMN_NO_MEMORY, "out of memory for initial values of %s",
                             info->name);
        for (size_t k = 0; k < count; k++)
            values[k] = base + (normal ? gain * limn_random_normal(&random, k) : 0);
        status = limn_weights_set(weights, i, values, error);
        limn_block_free(values);
        LIMN_TRY(status);
    }
    return LIMN_OK;
}
