/* SPDX-License-Identifier: Apache-2.0
 *
 * conv_int8 at speed: one pass writes the bytes, with what lies side by side, what is reflected and
 * what stands around the map, channels-last into scratch memory; oneDNN multiplies; where it cannot
 * scale the sums itself, a loop does.
 *
 * The bytes are made row by row of the padded map, so a thread writes what is next to each other
 * and reads every element once (reflected rows twice).
 *
 * Without VNNI oneDNN adds pairs of products in 16 bits, which saturate.  There the bytes become
 * float32 and so do the weights: whole numbers that a float32 convolution multiplies exactly and
 * sums to seven digits.  The numbers are the same on every processor, and on those the memory and
 * the time are what float32 takes. */
#include "base/cpu.h"
#include "op/conv_int8.h"
#include "op/dnn_int8.h"
#include "op/dots.h"
#include "op/kernels.h"
#include "op/kernels_int8.h"

#include <string.h>

extern const limn_int8_kernels limn_int8_kernels_base;
#ifdef __x86_64__
extern const limn_int8_kernels limn_int8_kernels_avx2, limn_int8_kernels_avx512;
#endif

const limn_int8_kernels *limn_int8_kernels_chosen(void)
{
#ifdef __x86_64__
    if (limn_cpu() == LIMN_CPU_AVX512) return &limn_int8_kernels_avx512;
    if (limn_cpu() == LIMN_CPU_AVX2) return &limn_int8_kernels_avx2;
#endif
    return &limn_int8_kernels_base;
}

bool limn_int8_is_fast(void)
{
    return limn_cpu_has_vnni();
}

typedef struct int8 {
    limn_dnn_primitive *convolve; /* NULL: our own loop */
    limn_dots dots;
    limn_shape bytes, sums; /* of the padded map, of the convolution's result */
    limn_bytes how;
    bool wide;          /* multiplied as float32 */
    bool bare, moved;   /* the sums are scaled here; y is written through scratch memory */
    limn_tensor out;    /* what oneDNN writes, where that is not y, */
    limn_tensor sorted; /* and the same in y's type, from which its phases are sorted */
    size_t bytes_at, floats_at, out_at, sorted_at;
    bool lent; /* the bytes lie where y will */
} int8;

static void *at(const limn_call *call, size_t bytes)
{
    return (char *)call->scratch + bytes;
}

static uint8_t *bytes_of(const limn_call *call)
{
    const int8 *own = call->own;

    return own->lent ? call->y[0].data : at(call, own->bytes_at);
}

static void release(limn_call *call)
{
    int8 *own = call->own;

    limn_dnn_free(&own->convolve);
}

static limn_status bind(limn_call *call, limn_error *error)
{
    int8 *own = call->own;

    if (!own->convolve) {
        own->dots.from = bytes_of(call);
        own->dots.weights = call->x[LIMN_INT8_WEIGHT].data;
        own->dots.scale = call->x[LIMN_INT8_SCALE].data;
        own->dots.shift = call->x[LIMN_INT8_SHIFT].data;
        own->dots.y = call->y[0];
        return LIMN_OK;
    }
    own->out.data = own->moved ? at(call, own->out_at) : call->y[0].data;
    own->sorted.data = at(call, own->sorted_at);
    if (own->wide)
        return limn_dnn_bind(own->convolve, at(call, own->floats_at),
                             call->x[LIMN_INT8_WEIGHT].data, NULL, own->out.data, call->scratch,
                             error);
    return limn_dnn_bind_int8(own->convolve, bytes_of(call), call->x[LIMN_INT8_WEIGHT].data,
                              call->x[LIMN_INT8_SCALE].data, call->x[LIMN_INT8_SHIFT].data,
                              own->out.data, call->scratch, error);
}

/* ---- Bytes ----------------------------------------------------------------------------------- */

/* One piece's part of a row: the pixels that are there, block by block. */
static void piece_row(const limn_call *call, const limn_tensor *x, int n, int row, uint8_t *to)
{
    const int8 *own = call->own;
    size_t channels = (size_t)own->bytes.c, block = (size_t)x->block;

    for (int c = 0; c < x->shape.c; c += x->block)
        limn_int8_kernels_chosen()->to_bytes(to + c, channels, x->type,
                                             (const char *)x->data + limn_at(x, n, c, row, 0) *
                                                                         limn_type_bytes(x->type),
                                             block, (size_t)x->shape.w, block, &own->how);
}

/* A pixel left or right of the row whose first pixel is at inside. */
static void margin(const limn_call *call, uint8_t *inside, int w)
{
    const int8 *own = call->own;
    int column = limn_int8_source(w, call->x[0].shape.w, call->args->mode);
    ptrdiff_t channels = own->bytes.c;

    if (column < 0)
        memset(inside + w * channels, call->args->zero, (size_t)channels);
    else
        memcpy(inside + w * channels, inside + column * channels, (size_t)channels);
}

static void write_rows(void *context, size_t begin, size_t end, int part)
{
    const limn_call *call = context;
    const int8 *own = call->own;
    const limn_args *args = call->args;
    size_t channels = (size_t)own->bytes.c, width = (size_t)own->bytes.w * channels;
    limn_shape map = call->x[0].shape;

    (void)part;
    for (size_t unit = begin; unit < end; unit++) {
        uint8_t *to = bytes_of(call) + unit * width;
        uint8_t *inside = to + (size_t)args->pad_left * channels;
        int n = (int)(unit / (size_t)own->bytes.h), h = (int)(unit % (size_t)own->bytes.h);
        int row = limn_int8_source(h - args->pad_top, map.h, args->mode);

        if (row < 0) {
            memset(to, args->zero, width);
            continue;
        }
        for (int p = 0, c = 0; p < limn_int8_pieces(call); p++) {
            const limn_tensor *x = limn_int8_piece(call, p);

            piece_row(call, x, n, row, inside + c);
            c += x->shape.c;
        }
        for (int w = -args->pad_left; w < 0; w++) margin(call, inside, w);
        for (int w = map.w; w < map.w + args->pad_right; w++) margin(call, inside, w);
    }
}

static void widen_rows(void *context, size_t begin, size_t end, int part)
{
    const limn_call *call = context;
    const int8 *own = call->own;
    size_t row = (size_t)own->bytes.w * (size_t)own->bytes.c;
    const uint8_t *from = bytes_of(call);
    float *to = at(call, own->floats_at);

    (void)part;
    for (size_t i = begin * row; i < end * row; i++) to[i] = from[i];
}

/* ---- Scaling --------------------------------------------------------------------------------- */

static void scale_rows(void *context, size_t begin, size_t end, int part)
{
    const limn_call *call = context;
    const int8 *own = call->own;
    size_t channels = (size_t)own->out.shape.c;
    float *y = (float *)own->out.data + begin * channels;

    (void)part;
    limn_int8_kernels_chosen()->scale_channels(
        y, end - begin, channels, call->x[LIMN_INT8_SCALE].data, call->x[LIMN_INT8_SHIFT].data);
    if (call->activation)
        limn_kernels_chosen()->activate(LIMN_F32, y, y, (end - begin) * channels, call->activation,
                                        call->slope);
}

/* ---- Phases ---------------------------------------------------------------------------------- */

/* Rows of y from the phases that oneDNN wrote, channels-last. */
static void sort_rows(void *context, size_t begin, size_t end, int part)
{
    const limn_call *call = context;
    const int8 *own = call->own;
    const limn_tensor *z = &own->sorted, *y = &call->y[0];
    size_t bytes = limn_type_bytes(y->type), run = (size_t)y->block;

    (void)part;
    for (size_t row = begin; row < end; row++) {
        int n = (int)(row / (size_t)y->shape.h), h = (int)(row % (size_t)y->shape.h), a = h & 1;

        for (int b = 0; b < 2; b++)
            for (int c = 0; c < y->shape.c; c += (int)run) {
                const char *from = (const char *)z->data +
                                   limn_at(z, n, (a * 2 + b) * y->shape.c + c, h / 2 + a, b) *
                                       bytes;
                char *to = (char *)y->data + limn_at(y, n, c, h, b) * bytes;

                for (int v = 0; v < y->shape.w / 2; v++) {
                    memcpy(to, from, run * bytes);
                    to += 2 * run * bytes;
                    from += (size_t)z->block * bytes;
                }
            }
    }
}

static limn_status run(limn_call *call, limn_error *error)
{
    const int8 *own = call->own;
    limn_shape s = own->out.shape;

    limn_parallel((size_t)own->bytes.n * (size_t)own->bytes.h, 4, write_rows, call);
    if (!own->convolve) {
        limn_dots_run(&own->dots);
        return LIMN_OK;
    }
    if (own->wide) limn_parallel((size_t)own->bytes.n * (size_t)own->bytes.h, 4, widen_rows, call);
    LIMN_TRY(limn_dnn_run(own->convolve, error));
    if (own->bare) limn_parallel((size_t)s.n * (size_t)s.h * (size_t)s.w, 64, scale_rows, call);
    if (call->args->doubled) {
        limn_tensor sorted = own->sorted;

        if (own->sorted_at != own->out_at) limn_tensor_copy(&sorted, &own->out);
        limn_parallel((size_t)call->y[0].shape.n * (size_t)call->y[0].shape.h, 8, sort_rows, call);
    } else if (own->moved) {
        limn_tensor_copy(&call->y[0], &own->out);
    }
    return LIMN_OK;
}

/* ---- Preparing ------------------------------------------------------------------------------- */

static size_t place(limn_call *call, size_t bytes)
{
    size_t begin = call->scratch_bytes;

    call->scratch_bytes += (bytes + 63) & ~(size_t)63;
    return begin;
}

/* Channels-last without gaps, which is how oneDNN is told to write. */
static bool writes_directly(const limn_tensor *y)
{
    size_t picture = (size_t)y->shape.c * (size_t)y->shape.h * (size_t)y->shape.w;

    if (y->shape.n > 1 && y->batch_stride != picture) return false;
    return y->block == y->shape.c || y->shape.h * y->shape.w == 1;
}

/* Whether the bytes have room where y will be, which is written when they have been read: sorting
 * phases takes memory for all of them already. */
static bool can_lend(const limn_call *call, const int8 *own)
{
    const limn_tensor *y = &call->y[0];

    return call->args->doubled && y->shape.n == 1 && y->block <= y->shape.c &&
           limn_count(own->bytes) <= limn_count(y->shape) * limn_type_bytes(y->type);
}

static limn_tensor channels_last(limn_shape s)
{
    return (limn_tensor){ s, LIMN_F32, s.c, limn_count(s) / (size_t)s.n, NULL };
}

static limn_status create_wide(const limn_call *call, int8 *own, limn_arena *arena,
                               limn_error *error)
{
    limn_shape w = call->x[LIMN_INT8_WEIGHT].shape;
    limn_dnn_conv conv = { .direction = LIMN_DNN_FORWARD,
                           .x = channels_last(own->bytes),
                           .y = channels_last(own->sums),
                           .kernel_h = w.h,
                           .kernel_w = w.w,
                           .stride_h = call->args->stride,
                           .stride_w = call->args->stride,
                           .groups = 1,
                           .inference = true,
                           .weight_type = LIMN_F32 };

    own->wide = own->bare = true;
    return limn_dnn_create(&own->convolve, &conv, NULL, arena, error);
}

static limn_status create(limn_call *call, int8 *own, limn_arena *arena, limn_error *error)
{
    limn_shape w = call->x[LIMN_INT8_WEIGHT].shape;
    limn_dnn_int8 conv = { .x = own->bytes,
                           .y = own->sums,
                           .y_type = call->y[0].type,
                           .kernel_h = w.h,
                           .kernel_w = w.w,
                           .stride = call->args->stride,
                           .activation = call->activation,
                           .slope = call->slope };
    limn_status status;

    if (!limn_int8_is_fast()) return create_wide(call, own, arena, error);
    if (!(status = limn_dnn_create_int8(&own->convolve, &conv, arena, NULL))) return LIMN_OK;
    if (status == LIMN_NO_MEMORY)
        return limn_fail(error, status, "out of memory for an int8 convolution");
    own->bare = conv.bare = true;
    return limn_dnn_create_int8(&own->convolve, &conv, arena, error);
}

/* In our own loop. */
static limn_status prepare_dots(limn_call *call, int8 *own, limn_arena *arena, limn_error *error)
{
    limn_shape w = call->x[LIMN_INT8_WEIGHT].shape;
    limn_dnn_layout *layout;

    own->dots = (limn_dots){ .x = own->bytes,
                             .y = call->y[0],
                             .kernel_h = w.h,
                             .kernel_w = w.w,
                             .stride = call->args->stride,
                             .doubled = call->args->doubled,
                             .activation = call->activation,
                             .slope = call->slope };
    LIMN_TRY(limn_dnn_layout_fours(&layout, w, arena, error));
    limn_dots_open(&own->dots);
    call->weight_layout = layout;
    call->implementation = "vnni";
    return LIMN_OK;
}

static limn_status prepare_dnn(limn_call *call, int8 *own, limn_arena *arena, limn_error *error)
{
    const limn_tensor *y = &call->y[0];
    bool doubled = call->args->doubled;

    LIMN_TRY(create(call, own, arena, error));
    own->moved = doubled || !writes_directly(y) || (own->bare && y->type != LIMN_F32);
    own->out = own->sorted = channels_last(own->sums);
    own->sorted.type = y->type;
    if (!own->bare) own->out.type = y->type;
    call->scratch_bytes = (limn_dnn_scratch_bytes(own->convolve) + 63) & ~(size_t)63;
    if (own->wide) own->floats_at = place(call, limn_count(own->bytes) * sizeof(float));
    if (own->moved)
        own->out_at = place(call, limn_count(own->sums) * limn_type_bytes(own->out.type));
    own->sorted_at = own->out_at;
    if (doubled && own->out.type != y->type)
        own->sorted_at = place(call, limn_count(own->sums) * limn_type_bytes(y->type));
    call->weight_layout = limn_dnn_weights(own->convolve);
    call->implementation = limn_dnn_implementation(own->convolve);
    call->reorders = own->moved && !doubled;
    call->release = release;
    return LIMN_OK;
}

limn_status limn_conv_int8_prepare(limn_call *call, limn_arena *arena, limn_error *error)
{
    const limn_args *args = call->args;
    limn_shape map = call->x[0].shape;
    int8 *own;

    LIMN_TRY(limn_take_into(&own, arena, sizeof *own, error));
    map.c = call->x[LIMN_INT8_WEIGHT].shape.c;
    map.h += args->pad_top + args->pad_bottom;
    map.w += args->pad_left + args->pad_right;
    own->bytes = map;
    own->sums = call->y[0].shape;
    if (args->doubled)
        own->sums = (limn_shape){ map.n, 4 * own->sums.c, own->sums.h / 2 + 1,
                                  own->sums.w / 2 + 1 };
    own->how = (limn_bytes){ (limn_activation)args->head, args->slope, args->factor, args->zero };
    call->own = own;
    LIMN_TRY((limn_dots_fits(map, &call->y[0], call->activation) ? prepare_dots : prepare_dnn)(
        call, own, arena, error));
    if (!(own->lent = own->convolve && can_lend(call, own)))
        own->bytes_at = place(call, limn_count(own->bytes));
    call->bind = bind;
    call->run = run;
    return LIMN_OK;
}
