/* SPDX-License-Identifier: Apache-2.0
 *
 * The last layer of a ResNet goes from 64 channels to three by a 7x7 kernel.  oneDNN puts output
 * channels into the lanes of a vector, of which 13 in 16 idle then: it ran at a sixth of the
 * processor's speed and was 12 % of a picture.  Here the lanes are input channels (few_kernel.c).
 *
 * Measured on 64 x 262 x 262 -> 3 x 256 x 256, two threads: 20.8 ms by oneDNN, 4.5 ms so.  A matrix
 * product to 147 channels with a sum of shifted maps behind it takes 5.4 ms for the product alone,
 * and its 40 MB have to be written and read; dropped.
 *
 * In bf16 the same with products of pairs (few_pairs.c), on two cores with AVX512_BF16: 15 ms by
 * oneDNN, 3.5 ms so.
 *
 * The weights are rearranged at every call: there are some thousand of them, and so no cache can be
 * stale. */
#include "op/few.h"
#include "base/cpu.h"
#include "op/kernels.h"

#include <string.h>

static int lanes(void)
{
    return limn_cpu() == LIMN_CPU_AVX512 ? 16 : 8;
}

/* Whether 16 channels of two pixels side by side fill a vector of pairs; else 32 channels of one.
 */
static bool are_couples(const limn_tensor *x)
{
    return x->block == 16;
}

static limn_few_kernel *kernel(limn_type type)
{
    if (type == LIMN_BF16) return limn_few_pairs;
#if defined(__x86_64__)
    if (limn_cpu() == LIMN_CPU_AVX512) return limn_kernels_avx512_few;
    if (limn_cpu() == LIMN_CPU_AVX2) return limn_kernels_avx2_few;
#endif
    return limn_kernels_base_few;
}

bool limn_few_fits(const limn_call *call)
{
    const limn_args *a = call->args;
    const limn_tensor *x = &call->x[0], *y = &call->y[0];

    return !call->backward && y->shape.c <= LIMN_FEW_CHANNELS && a->stride == 1 && a->groups <= 1 &&
           y->type == LIMN_F32 && y->block == y->shape.c && !call->residual.shape.n &&
           (x->type == LIMN_F32
                ? x->block == lanes()
                : limn_cpu_has_bf16() &&
                      (x->block == 16 || (x->block == x->shape.c && x->block % 32 == 0)));
}

/* (o, i, kh, kw) to (block of i, kh, kw, o, channel of the block). */
static void rearrange(const limn_call *call)
{
    limn_shape s = call->x[1].shape;
    const float *w = call->x[1].data;
    const limn_tensor *x = &call->x[0];
    float *to = call->scratch;
    uint16_t *pairs = call->scratch;
    bool couples = are_couples(x);
    int block = x->type == LIMN_F32 ? lanes() : couples ? 16 : 32, taps = s.h * s.w;

    for (int b = 0; b < s.c / block; b++)
        for (int tap = 0; tap < taps; tap++)
            for (int o = 0; o < s.n; o++)
                for (int i = 0; i < (x->type == LIMN_F32 ? block : 32); i++) {
                    float v = w[(o * s.c + b * block + i % block) * taps + tap];

                    if (x->type == LIMN_F32)
                        *to++ = v;
                    else
                        *pairs++ = limn_to_bf16(v);
                }
}

static int clamp(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

/* Pixels of a row fall in three: those whose taps are all inside the map, and the few before and
 * behind, each with taps of its own. */
static void rows(void *context, size_t begin, size_t end, int part)
{
    const limn_call *call = context;
    const limn_tensor *x = &call->x[0], *y = &call->y[0];
    const limn_args *a = call->args;
    limn_shape w = call->x[1].shape;
    int inside = clamp(a->pad_left, 0, y->shape.w),
        behind = clamp(x->shape.w + a->pad_left - w.w + 1, inside, y->shape.w);
    limn_few_kernel *run = kernel(x->type);
    bool wide = x->type == LIMN_BF16 && !are_couples(x); /* blocks of 32 channels, side by side */
    limn_few_run r = {
        .w = call->scratch,
        .bias = call->inputs > 2 ? call->x[2].data : NULL,
        .block_stride = wide ? 32 : (size_t)x->shape.h * (size_t)x->shape.w * (size_t)x->block,
        .row_stride = (size_t)x->shape.w * (size_t)x->block,
        .pixel_stride = (size_t)x->block,
        .blocks = x->shape.c / (wide ? 32 : x->block),
        .kernel_h = w.h,
        .kernel_w = w.w,
        .channels = y->shape.c,
    };

    (void)part;
    for (size_t row = begin; row < end; row++) {
        int n = (int)(row / (size_t)y->shape.h), h = (int)(row % (size_t)y->shape.h);
        const char *from = (const char *)x->data +
                           (size_t)n * x->batch_stride * limn_type_bytes(x->type);
        float *out = (float *)y->data + limn_at(y, n, 0, h, 0);

        r.ky_begin = clamp(a->pad_top - h, 0, w.h);
        r.ky_end = clamp(x->shape.h + a->pad_top - h, 0, w.h);
        for (int p = 0; p < y->shape.w; p += r.pixels) {
            ptrdiff_t shift = (ptrdiff_t)(h - a->pad_top) * x->shape.w + p - a->pad_left;

            r.pixels = p == inside && behind > inside ? behind - inside : 1;
            r.kx_begin = clamp(a->pad_left - p, 0, w.w);
            r.kx_end = clamp(x->shape.w + a->pad_left - p, 0, w.w);
            r.x = from + shift * x->block * (ptrdiff_t)limn_type_bytes(x->type);
            r.y = out + p * r.channels;
            run(&r);
        }
        if (call->activation)
            limn_kernels_chosen()->activate(LIMN_F32, out, out, (size_t)(y->shape.w * y->shape.c),
                                            call->activation, call->slope);
    }
}

static limn_status run(limn_call *call, limn_error *error)
{
    (void)error;
    rearrange(call);
    limn_parallel((size_t)call->y[0].shape.n * (size_t)call->y[0].shape.h, 2, rows, call);
    return LIMN_OK;
}

limn_status limn_few_prepare(limn_call *call, limn_arena *arena, limn_error *error)
{
    limn_shape w = call->x[1].shape;
    limn_dnn_conv conv = {
        .x = call->x[0], .y = call->y[0], .kernel_h = w.h, .kernel_w = w.w, .groups = 1
    };
    limn_dnn_layout *plain;

    LIMN_TRY(limn_dnn_layout_plain(&plain, &conv, arena, error));
    call->methods[0] = LIMN_METHOD_FEW;
    call->weight_layout = plain;
    call->scratch_bytes = limn_count(w) * sizeof(float); /* 16 channels twice in bf16 are as many */
    call->implementation = limn_cpu_name(limn_cpu());
    call->reorders = 0;
    call->bind = NULL;
    call->run = run;
    return LIMN_OK;
}
