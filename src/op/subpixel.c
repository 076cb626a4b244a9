/* SPDX-License-Identifier: Apache-2.0
 *
 * The last layer of a U-Net puts out three channels, and a vector has room for sixteen: computed as
 * the data gradient of a convolution it runs at a fifth of the machine's speed and was 8 % of the
 * time of a picture.  Each of the four phases of the output (even or odd row, even or odd column)
 * is a 2x2 convolution of the input with a quarter of the taps (Shi et al. 2016, "Is the
 * deconvolution layer the same as a convolutional layer?"):
 *
 *     y[2q + a, 2s + b] = z[q + a, s + b, phase (a, b)],   z = x * g with padding 1,
 *     g[phase, j, k] = w[3 - 2j - a, 3 - 2k - b]
 *
 * so one convolution to 4 phases x 4 channels computes everything in full vectors, and a loop sorts
 * the phases, adds the bias and applies the activation.  Measured on 128 x 128 x 128 -> 256 x 256 x
 * 3: 3.8 ms before, 1.0 ms so, two threads.
 *
 * The weights are rearranged at every call: there are a few thousand of them, and so no cache can
 * be stale. */
#include "op/subpixel.h"
#include "base/cpu.h"
#include "op/kernels.h"

#include <string.h>

enum { SLOTS = 4, PHASES = 4, OUT = SLOTS * PHASES };

typedef struct subpixel {
    limn_dnn_primitive *convolve, *pack;
    limn_tensor z;
    size_t z_at, plain_at,
        packed_at; /* bytes into the scratch memory, where oneDNN's own comes first */
} subpixel;

bool limn_subpixel_fits(const limn_call *call)
{
    const limn_args *a = call->args;
    limn_shape w = call->x[1].shape;

    return w.c <= SLOTS && w.h == 4 && w.w == 4 && a->stride == 2 && a->output_pad == 0 &&
           a->pad_top == 1 && a->pad_left == 1 && a->pad_bottom == 1 && a->pad_right == 1 &&
           call->y[0].type == LIMN_F32 && call->y[0].block == w.c && !call->residual.shape.n;
}

static void release(limn_call *call)
{
    subpixel *own = call->own;

    limn_dnn_free(&own->convolve);
    limn_dnn_free(&own->pack);
}

static void *at(const limn_call *call, size_t bytes)
{
    return (char *)call->scratch + bytes;
}

static limn_status bind(limn_call *call, limn_error *error)
{
    subpixel *own = call->own;

    own->z.data = at(call, own->z_at);
    LIMN_TRY(limn_dnn_bind(own->pack, at(call, own->plain_at), NULL, NULL, at(call, own->packed_at),
                           call->scratch, error));
    return limn_dnn_bind(own->convolve, call->x[0].data, at(call, own->packed_at), NULL,
                         own->z.data, call->scratch, error);
}

/* w (i, o, 4, 4) to g (phases x slots, i, 2, 2). */
static void rearrange(const limn_call *call)
{
    const subpixel *own = call->own;
    limn_shape s = call->x[1].shape;
    const float *w = call->x[1].data;
    float *g = at(call, own->plain_at);

    memset(g, 0, sizeof *g * OUT * (size_t)s.n * 4);
    for (int i = 0; i < s.n; i++)
        for (int o = 0; o < s.c; o++)
            for (int tap = 0; tap < 16; tap++) {
                int a = tap >> 3, b = tap >> 2 & 1, j = tap >> 1 & 1, k = tap & 1;
                int channel = (a * 2 + b) * SLOTS + o;

                g[((channel * s.n + i) * 2 + j) * 2 + k] =
                    w[((i * s.c + o) * 4 + 3 - 2 * j - a) * 4 + 3 - 2 * k - b];
            }
}

/* Sorts phases into rows of the output. */
static void sort_rows(void *context, size_t begin, size_t end, int part)
{
    const limn_call *call = context;
    const subpixel *own = call->own;
    const limn_tensor *y = &call->y[0], *z = &own->z;
    int c = y->shape.c, half = y->shape.w / 2, block = z->block;
    const float *bias = call->inputs > 2 ? call->x[2].data : NULL;
    float add[SLOTS] = { 0 };

    (void)part;
    for (int o = 0; o < c && bias; o++) add[o] = bias[o];
    for (size_t row = begin; row < end; row++) {
        int n = (int)(row / (size_t)y->shape.h), p = (int)(row % (size_t)y->shape.h), a = p & 1;
        float *to = (float *)y->data + limn_at(y, n, 0, p, 0);
        float *out = to;

        for (int s = 0; s < half; s++)
            for (int b = 0; b < 2; b++) {
                int channel = (a * 2 + b) * SLOTS;
                const float *from = (const float *)z->data +
                                    limn_at(z, n, channel / block * block, p / 2 + a, s + b) +
                                    channel % block;

                for (int o = 0; o < c; o++) *out++ = from[o] + add[o];
            }
        if (call->activation)
            limn_kernels_chosen()->activate(LIMN_F32, to, to, (size_t)(out - to), call->activation,
                                            call->slope);
    }
}

static limn_status run(limn_call *call, limn_error *error)
{
    subpixel *own = call->own;
    size_t rows = (size_t)call->y[0].shape.n * (size_t)call->y[0].shape.h;

    rearrange(call);
    LIMN_TRY(limn_dnn_run(own->pack, error));
    LIMN_TRY(limn_dnn_run(own->convolve, error));
    limn_parallel(rows, 16, sort_rows, call);
    return LIMN_OK;
}

static size_t place(limn_call *call, size_t bytes)
{
    size_t begin = call->scratch_bytes;

    call->scratch_bytes += (bytes + 63) & ~(size_t)63;
    return begin;
}

limn_status limn_subpixel_prepare(limn_call *call, limn_arena *arena, limn_error *error)
{
    limn_shape x = call->x[0].shape, w = call->x[1].shape;
    limn_type type = call->x[0].type == LIMN_BF16 ? LIMN_BF16 : LIMN_F32;
    limn_dnn_conv conv = { .direction = LIMN_DNN_FORWARD,
                           .kernel_h = 2,
                           .kernel_w = 2,
                           .stride_h = 1,
                           .stride_w = 1,
                           .pad_top = 1,
                           .pad_left = 1,
                           .pad_bottom = 1,
                           .pad_right = 1,
                           .groups = 1,
                           .inference = call->inference,
                           .weight_type = type };
    limn_dnn_conv whole = {
        .x = call->y[0], .y = call->x[0], .kernel_h = 4, .kernel_w = 4, .groups = 1
    };
    limn_dnn_layout *plain, *quarter;
    subpixel *own;
    size_t a, b;

    LIMN_TRY(limn_take_into(&own, arena, sizeof *own, error));
    own->z = (limn_tensor){ .shape = { x.n, OUT, x.h + 1, x.w + 1 },
                            .type = LIMN_F32,
                            .block = limn_cpu() == LIMN_CPU_AVX512 ? 16 : 8 };
    own->z.batch_stride = limn_count(own->z.shape) / (size_t)x.n;
    conv.x = call->x[0];
    conv.y = own->z;
    call->own = own;
    call->release = release;
    LIMN_TRY(limn_dnn_layout_plain(&plain, &whole, arena, error));
    LIMN_TRY(limn_dnn_layout_plain(&quarter, &conv, arena, error));
    LIMN_TRY(limn_dnn_create(&own->convolve, &conv, NULL, arena, error));
    LIMN_TRY(
        limn_dnn_pack_create(&own->pack, quarter, limn_dnn_weights(own->convolve), arena, error));
    a = limn_dnn_scratch_bytes(own->convolve);
    b = limn_dnn_scratch_bytes(own->pack);
    place(call, a > b ? a : b);
    own->z_at = place(call, limn_count(own->z.shape) * sizeof(float));
    own->plain_at = place(call, sizeof(float) * OUT * (size_t)w.n * 4);
    own->packed_at = place(call, limn_dnn_layout_bytes(limn_dnn_weights(own->convolve)));
    call->methods[0] = LIMN_METHOD_SUBPIXEL;
    call->weight_layout = plain;
    call->implementation = limn_dnn_implementation(own->convolve);
    call->reorders = limn_dnn_reorders(own->convolve);
    call->bind = bind;
    call->run = run;
    return LIMN_OK;
}
