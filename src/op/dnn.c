/* SPDX-License-Identifier: Apache-2.0
 *
 * oneDNN's engine, layouts of weights, and the running of what was made.
 *
 * A primitive of ours is a short program that is fixed when it is made: at most three oneDNN calls
 * (reorder in, convolution, reorder out) and one loop of our own (dnn_tail.c).  Every memory of
 * every call is a slot (x, weights, bias, y, scratch) plus an offset, so bind is one loop and run
 * is another; neither takes memory.  dnn_convolution.c decides what is in the program.
 *
 * Everything oneDNN hands out is freed by limn_dnn_free; engine and stream live as long as the
 * process. */
#include "base/cpu.h"
#include "op/dnn_api.h"

#include <oneapi/dnnl/dnnl_debug.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

dnnl_engine_t limn_dnn_engine;
dnnl_stream_t limn_dnn_stream;

static pthread_once_t started = PTHREAD_ONCE_INIT;
static dnnl_status_t start_status;
static char version[64];

/* Levels are asked from the best down; the values are oneDNN's bit sets of instructions. */
static const char *level_name(unsigned level)
{
    static const struct {
        unsigned bits;
        const char *name;
    } levels[] = {
        { 0x1fef, "avx512_core_amx_fp16" },
        { 0xfef, "avx512_core_amx" },
        { 0x3e7, "avx512_core_amx" },
        { 0x1ef, "avx512_core_fp16" },
        { 0xe7, "avx512_core_bf16" },
        { 0x67, "avx512_core_vnni" },
        { 0x27, "avx512_core" },
        { 0x7, "avx2" },
        { 0x3, "avx" },
        { 0x1, "sse41" },
    };

    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if ((level & levels[i].bits) == levels[i].bits) return levels[i].name;
    return "no vector instructions";
}

static void start(void)
{
    const dnnl_version_t *v = dnnl_version();

    /* LIMN_CPU lowers oneDNN's level too.  An error means that it is fixed already: harmless. */
    if (limn_cpu() == LIMN_CPU_BASE) (void)dnnl_set_max_cpu_isa(dnnl_cpu_isa_sse41);
    if (limn_cpu() == LIMN_CPU_AVX2) (void)dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx2);
    snprintf(version, sizeof version, "oneDNN %d.%d.%d, %s", v->major, v->minor, v->patch,
             level_name((unsigned)dnnl_get_effective_cpu_isa()));
    if (!(start_status = dnnl_engine_create(&limn_dnn_engine, dnnl_cpu, 0)))
        start_status = dnnl_stream_create(&limn_dnn_stream, limn_dnn_engine,
                                          dnnl_stream_default_flags);
}

limn_status limn_dnn_start(limn_error *error)
{
    pthread_once(&started, start);
    if (start_status)
        return limn_fail(error, limn_dnn_status(start_status), "oneDNN does not start: %s",
                         limn_dnn_status_text(start_status));
    return LIMN_OK;
}

const char *limn_dnn_version(void)
{
    (void)limn_dnn_start(NULL);
    return version;
}

bool limn_dnn_has_amx(void)
{
    return !limn_dnn_start(NULL) && limn_cpu_has_bf16() && strstr(version, "_amx");
}

const char *limn_dnn_status_text(dnnl_status_t status)
{
    switch ((int)status) {
    case dnnl_success:
        return "no error";
    case dnnl_out_of_memory:
        return "out of memory";
    case dnnl_invalid_arguments:
        return "it finds the sizes or types contradictory";
    case dnnl_unimplemented:
        return "it has no code for this on this processor";
    case dnnl_runtime_error:
        return "a fault while running";
    default:
        return "an unknown fault";
    }
}

limn_status limn_dnn_status(dnnl_status_t status)
{
    return status == dnnl_out_of_memory ? LIMN_NO_MEMORY : LIMN_COMPUTE;
}

/* ---- Layouts --------------------------------------------------------------------------------- */

/* oneDNN writes "ABcd16b16a" for what people call "OIhw16i16o": dimensions by letter, capitals
 * where a dimension is cut in blocks. */
void limn_dnn_layout_fill(limn_dnn_layout *layout, const limn_dnn_md *md)
{
    dnnl_format_tag_t tag = limn_dnn_md_tag(md);
    const char *text = dnnl_fmt_tag2str(tag), *letters = "oihw";
    char *to = layout->name;

    layout->md = *md;
    if (tag == dnnl_format_tag_undef) {
        strcpy(to, "opaque");
        return;
    }
    if (strpbrk(text, "eE")) letters = "goihw";
    if (!strcmp(text, "abcd") || !strcmp(text, "abcde")) {
        strcpy(to, "plain");
        return;
    }
    for (; *text && to < layout->name + sizeof layout->name - 1; text++) {
        bool small = *text >= 'a' && *text <= 'e', big = *text >= 'A' && *text <= 'E';

        *to++ = small ? letters[*text - 'a'] : big ? (char)(letters[*text - 'A'] - 32) : *text;
    }
    *to = 0;
}

limn_status limn_dnn_layout_plain(limn_dnn_layout **out, const limn_dnn_conv *conv,
                                  limn_arena *arena, limn_error *error)
{
    int groups = conv->groups < 1 ? 1 : conv->groups;
    dnnl_dim_t o = conv->y.shape.c, i = conv->x.shape.c / groups;
    dnnl_dim_t whole[] = { o, i, conv->kernel_h, conv->kernel_w };
    dnnl_dim_t grouped[] = { groups, o / groups, i, conv->kernel_h, conv->kernel_w };
    dnnl_status_t status;
    limn_dnn_md md;

    *out = NULL;
    LIMN_TRY(limn_dnn_start(error));
    status = groups == 1 ? limn_dnn_md_make(&md, 4, whole, dnnl_f32, dnnl_oihw, 0)
                         : limn_dnn_md_make(&md, 5, grouped, dnnl_f32, dnnl_goihw, 0);
    if (status)
        return limn_fail(error, LIMN_SHAPE, "weights of %d x %d x %d x %d: oneDNN says: %s", (int)o,
                         (int)i, conv->kernel_h, conv->kernel_w, limn_dnn_status_text(status));
    LIMN_TRY(limn_take_into(out, arena, sizeof **out, error));
    limn_dnn_layout_fill(*out, &md);
    return LIMN_OK;
}

limn_status limn_dnn_layout_blocks(limn_dnn_layout **out, const limn_dnn_conv *conv, limn_type type,
                                   int block, bool large_inside, limn_arena *arena,
                                   limn_error *error)
{
    dnnl_dim_t dims[] = { conv->y.shape.c, conv->x.shape.c, conv->kernel_h, conv->kernel_w };
    bool bf16 = type == LIMN_BF16;
    dnnl_format_tag_t tag = bf16           ? large_inside ? dnnl_ABcd8a16b2a : dnnl_ABcd8b16a2b
                            : block == 16  ? large_inside ? dnnl_OIhw16o16i : dnnl_OIhw16i16o
                            : large_inside ? dnnl_OIhw8o8i
                                           : dnnl_OIhw8i8o;
    dnnl_status_t status;
    limn_dnn_md md;

    *out = NULL;
    LIMN_TRY(limn_dnn_start(error));
    status = limn_dnn_md_make(&md, 4, dims, bf16 ? dnnl_bf16 : dnnl_f32, tag, 0);
    if (status)
        return limn_fail(error, LIMN_SHAPE,
                         "weights of %d x %d channels in blocks: oneDNN says: %s", (int)dims[0],
                         (int)dims[1], limn_dnn_status_text(status));
    LIMN_TRY(limn_take_into(out, arena, sizeof **out, error));
    limn_dnn_layout_fill(*out, &md);
    return LIMN_OK;
}

limn_status limn_dnn_layout_plain_like(limn_dnn_layout **out, const limn_dnn_layout *layout,
                                       limn_arena *arena, limn_error *error)
{
    limn_dnn_md md;
    dnnl_status_t status = limn_dnn_md_plain_like(&md, &layout->md);

    *out = NULL;
    if (status)
        return limn_fail(error, limn_dnn_status(status),
                         "the plain layout of weights in %s: oneDNN says: %s", layout->name,
                         limn_dnn_status_text(status));
    LIMN_TRY(limn_take_into(out, arena, sizeof **out, error));
    limn_dnn_layout_fill(*out, &md);
    return LIMN_OK;
}

limn_status limn_dnn_layout_copy(limn_dnn_layout **out, const limn_dnn_layout *layout,
                                 limn_arena *arena, limn_error *error)
{
    *out = NULL;
    LIMN_TRY(limn_take_into(out, arena, sizeof **out, error));
    **out = *layout;
    return LIMN_OK;
}

bool limn_dnn_layout_equal(const limn_dnn_layout *a, const limn_dnn_layout *b)
{
    return a == b || (a && b && limn_dnn_md_equal(&a->md, &b->md));
}

size_t limn_dnn_layout_bytes(const limn_dnn_layout *layout)
{
    return limn_dnn_md_bytes(&layout->md);
}

const char *limn_dnn_layout_name(const limn_dnn_layout *layout)
{
    return layout->name;
}

/* ---- Making ---------------------------------------------------------------------------------- */

size_t limn_dnn_scratch_take(limn_dnn_primitive *primitive, size_t bytes)
{
    size_t at = primitive->scratch_bytes;

    primitive->scratch_bytes += (bytes + 63) & ~(size_t)63;
    return at;
}

/* Each step gets its own piece of scratch: they are small beside the maps, and it keeps offsets
 * independent of the order in which steps are added. */
dnnl_status_t limn_dnn_step_add(limn_dnn_primitive *primitive,
                                const_dnnl_primitive_desc_t described,
                                const limn_dnn_operand *operands, int count)
{
    limn_dnn_step *step = &primitive->step[primitive->steps++];
    limn_dnn_operand scratchpad = { .argument = DNNL_ARG_SCRATCHPAD };
    limn_dnn_md md;
    dnnl_status_t status = limn_dnn_ask(&md, described, dnnl_query_scratchpad_md);

    if (status || (status = dnnl_primitive_create(&step->primitive, described))) return status;
    scratchpad.md = &md;
    for (int i = 0; i <= count; i++) {
        const limn_dnn_operand *operand = i < count ? &operands[i] : &scratchpad;
        limn_dnn_place place = operand->place;
        size_t bytes = limn_dnn_md_bytes(operand->md);

        if (i == count) {
            if (!bytes) break;
            place = (limn_dnn_place){ LIMN_DNN_SCRATCH, limn_dnn_scratch_take(primitive, bytes) };
        }
        if ((status = limn_dnn_memory(&step->arguments[step->count].memory, operand->md,
                                      limn_dnn_engine)))
            return status;
        step->arguments[step->count].arg = operand->argument;
        step->places[step->count++] = place;
        primitive->needs[place.slot] = true;
    }
    return dnnl_success;
}

dnnl_status_t limn_dnn_reorder_add(limn_dnn_primitive *primitive, const limn_dnn_md *from,
                                   limn_dnn_place from_place, const limn_dnn_md *to,
                                   limn_dnn_place to_place)
{
    limn_dnn_operand operands[] = { { DNNL_ARG_FROM, from, from_place },
                                    { DNNL_ARG_TO, to, to_place } };
    dnnl_primitive_desc_t described;
    dnnl_status_t status = limn_dnn_describe_reorder(&described, from, to, limn_dnn_engine);

    if (status) return status;
    status = limn_dnn_step_add(primitive, described, operands, 2);
    dnnl_primitive_desc_destroy(described);
    return status;
}

/* What our own loop packs: from the float32 blocks of gradients, or plain 4x4 ones, to bfloat16,
 * and to the float32 blocks of the other direction. */
static bool packs_itself(limn_pack *pack, const limn_dnn_md *from, const limn_dnn_md *to)
{
    static const struct {
        dnnl_format_tag_t tag;
        limn_pack_layout layout;
        bool floats;
    } known[] = {
        { dnnl_ABcd8b16a2b, { 16, 16, false, false }, false },
        { dnnl_ABcd16b16a2b, { 16, 32, false, false }, false },
        { dnnl_AcdB16b16a2b, { 16, 32, true, false }, false },
        { dnnl_AcdB16b32a2b, { 32, 32, true, false }, false },
        { dnnl_AcdB16b48a2b, { 48, 32, true, false }, false },
        { dnnl_AcdB16b64a2b, { 64, 32, true, false }, false },
        { dnnl_ABcd8a16b2a, { 16, 16, false, true }, false },
        { dnnl_ABcd16a16b2a, { 32, 16, false, true }, false },
        { dnnl_ABcd16a16b, { 16, 16, false, false }, true },
    };
    dnnl_format_tag_t was, becomes; /* asked once: it goes through all that there are */
    dnnl_dims_t dims;
    bool floats = limn_dnn_md_type(to) == dnnl_f32;

    if (limn_dnn_md_type(from) != dnnl_f32 || (limn_dnn_md_type(to) != dnnl_bf16 && !floats) ||
        !limn_dnn_md_dims(from, dims))
        return false;
    was = limn_dnn_md_tag(from);
    if (was != dnnl_ABcd16b16a && (was != dnnl_abcd || floats)) return false;
    becomes = limn_dnn_md_tag(to);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (becomes != known[i].tag || floats != known[i].floats) continue;
        *pack = (limn_pack){ .layout = known[i].layout,
                             .outs = (size_t)dims[0],
                             .ins = (size_t)dims[1],
                             .taps = (size_t)(dims[2] * dims[3]),
                             .plain = was == dnnl_abcd,
                             .floats = floats };
        return limn_pack_fits(pack);
    }
    return false;
}

limn_status limn_dnn_pack_create(limn_dnn_primitive **out, const limn_dnn_layout *from,
                                 const limn_dnn_layout *to, limn_arena *arena, limn_error *error)
{
    limn_dnn_primitive *primitive;
    dnnl_primitive_desc_t described;
    limn_dnn_operand operands[] = { { DNNL_ARG_FROM, &from->md, { LIMN_DNN_X, 0 } },
                                    { DNNL_ARG_TO, &to->md, { LIMN_DNN_Y, 0 } } };
    dnnl_status_t status;

    *out = NULL;
    LIMN_TRY(limn_dnn_start(error));
    if (!limn_dnn_md_same_dims(&from->md, &to->md))
        return limn_fail(error, LIMN_SHAPE, "packing weights from %s to %s: the sizes differ",
                         from->name, to->name);
    LIMN_TRY(limn_take_into(&primitive, arena, sizeof *primitive, error));
    snprintf(primitive->name, sizeof primitive->name, "packing weights from %s to %s", from->name,
             to->name);
    if (packs_itself(&primitive->pack, &from->md, &to->md)) {
        primitive->packs = primitive->needs[LIMN_DNN_X] = primitive->needs[LIMN_DNN_Y] = true;
        snprintf(primitive->implementation, sizeof primitive->implementation, "%s",
                 limn_cpu_name(limn_cpu()));
        *out = primitive;
        return LIMN_OK;
    }
    if ((status = limn_dnn_describe_reorder(&described, &from->md, &to->md, limn_dnn_engine)))
        return limn_fail(error, limn_dnn_status(status), "%s: oneDNN says: %s", primitive->name,
                         limn_dnn_status_text(status));
    snprintf(primitive->implementation, sizeof primitive->implementation, "%s",
             limn_dnn_ask_name(described));
    status = limn_dnn_step_add(primitive, described, operands, 2);
    dnnl_primitive_desc_destroy(described);
    if (status) {
        limn_fail(error, limn_dnn_status(status), "%s: oneDNN says: %s", primitive->name,
                  limn_dnn_status_text(status));
        limn_dnn_free(&primitive);
        return limn_dnn_status(status);
    }
    *out = primitive;
    return LIMN_OK;
}

const limn_pack *limn_dnn_pack_own(const limn_dnn_primitive *primitive)
{
    return primitive->packs && !primitive->pack.plain ? &primitive->pack : NULL;
}

void limn_dnn_free(limn_dnn_primitive **primitive)
{
    if (!*primitive) return;
    for (int i = 0; i < (*primitive)->steps; i++) {
        limn_dnn_step *step = &(*primitive)->step[i];

        for (int k = 0; k < LIMN_DNN_ARGUMENTS; k++)
            if (step->arguments[k].memory) dnnl_memory_destroy(step->arguments[k].memory);
        if (step->primitive) dnnl_primitive_destroy(step->primitive);
    }
    (*primitive)->steps = 0;
    *primitive = NULL;
}

/* ---- Asking and running ------------------------------------------------------------------------
 */

const limn_dnn_layout *limn_dnn_weights(const limn_dnn_primitive *primitive)
{
    return primitive->has_weights ? &primitive->weights : NULL;
}

limn_method limn_dnn_method(const limn_dnn_primitive *primitive)
{
    return primitive->method;
}

const char *limn_dnn_implementation(const limn_dnn_primitive *primitive)
{
    return primitive->implementation;
}

size_t limn_dnn_scratch_bytes(const limn_dnn_primitive *primitive)
{
    return primitive->scratch_bytes;
}

int limn_dnn_reorders(const limn_dnn_primitive *primitive)
{
    return primitive->reorders;
}

static void *at(const limn_dnn_primitive *primitive, limn_dnn_place place)
{
    return (char *)primitive->base[place.slot] + place.offset;
}

limn_status limn_dnn_bind(limn_dnn_primitive *primitive, void *x, void *weights, void *bias,
                          void *y, void *scratch, limn_error *error)
{
    static const char *const names[] = { "x", "weights", "bias", "y", "scratch", "scale" };
    void *base[] = { x, weights, bias, y, scratch, primitive->base[LIMN_DNN_SCALE] };

    primitive->bound = false;
    for (int i = 0; i < LIMN_DNN_SLOTS; i++)
        if (primitive->needs[i] && !base[i])
            return limn_fail(error, LIMN_BUG, "%s: no memory was given for %s", primitive->name,
                             names[i]);
    memcpy(primitive->base, base, sizeof base);
    for (int i = 0; i < primitive->steps; i++) {
        limn_dnn_step *step = &primitive->step[i];

        for (int k = 0; k < step->count; k++) {
            dnnl_status_t status = dnnl_memory_set_data_handle(step->arguments[k].memory,
                                                               at(primitive, step->places[k]));

            if (status)
                return limn_fail(error, limn_dnn_status(status), "%s: oneDNN says: %s",
                                 primitive->name, limn_dnn_status_text(status));
        }
    }
    primitive->pack.from = x;
    primitive->pack.to = y;
    if (primitive->has_tail) primitive->tail.out.data = at(primitive, primitive->tail_out);
    primitive->tail.add = primitive->tail_adds ? at(primitive, primitive->tail_add) : NULL;
    primitive->tail.bias = primitive->tail_bias ? bias : NULL;
    primitive->bound = true;
    return LIMN_OK;
}

limn_status limn_dnn_run(limn_dnn_primitive *primitive, limn_error *error)
{
    dnnl_status_t status = dnnl_success;

    if (!primitive->bound)
        return limn_fail(error, LIMN_BUG, "%s: run before its memory was given", primitive->name);
    if (primitive->packs) {
        limn_pack_run(&primitive->pack);
        return LIMN_OK;
    }
    for (int i = 0; i < primitive->steps && !status; i++) {
        const limn_dnn_step *step = &primitive->step[i];

        status = dnnl_primitive_execute(step->primitive, limn_dnn_stream, step->count,
                                        step->arguments);
    }
    if (!status) status = dnnl_stream_wait(limn_dnn_stream);
    if (status)
        return limn_fail(error, limn_dnn_status(status), "%s: oneDNN says: %s", primitive->name,
                         limn_dnn_status_text(status));
    if (primitive->has_tail) limn_dnn_tail_run(&primitive->tail);
    if (primitive->add_weights)
        limn_dnn_add(primitive->base[LIMN_DNN_WEIGHTS], at(primitive, primitive->from_weights),
                     primitive->add_weights);
    if (primitive->add_bias)
        limn_dnn_add(primitive->base[LIMN_DNN_BIAS], at(primitive, primitive->from_bias),
                     primitive->add_bias);
    return LIMN_OK;
}
