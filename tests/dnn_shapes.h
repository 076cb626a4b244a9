/* SPDX-License-Identifier: Apache-2.0
 *
 * The shapes of convolution that both tests of dnn.h run, and small helpers.  A header of static
 * functions, because the two tests are programs of their own. */
#ifndef LIMN_TESTS_DNN_SHAPES_H
#define LIMN_TESTS_DNN_SHAPES_H

#include "base/cpu.h"
#include "op/dnn.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* after the above */
#include <cmocka.h>

/* A shape of convolution.  block -1 means NHWC. */
typedef struct shape {
    const char *name;
    int n, ic, ih, iw, oc, kh, kw, sh, sw, pt, pl, pb, pr, groups, x_block, y_block;
} shape;

static const shape shapes[] = {
    { "4x4 stride 2", 1, 16, 12, 12, 32, 4, 4, 2, 2, 1, 1, 1, 1, 1, 16, 16 },
    { "odd sizes, batch 2", 2, 16, 11, 7, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1, 16, 16 },
    { "first layer", 1, 3, 17, 20, 16, 7, 7, 1, 1, 0, 0, 0, 0, 1, 1, 16 },
    { "first layer of a critic", 2, 6, 16, 16, 16, 4, 4, 2, 2, 1, 1, 1, 1, 1, -1, 16 },
    { "last layer of a critic", 2, 32, 9, 9, 1, 4, 4, 1, 1, 1, 1, 1, 1, 1, 16, 1 },
    { "picture out", 1, 16, 18, 18, 3, 7, 7, 1, 1, 0, 0, 0, 0, 1, 16, -1 },
    { "asymmetric pads", 2, 16, 9, 10, 32, 4, 3, 2, 1, 0, 2, 3, 1, 1, 16, 16 },
    { "rounded down", 1, 16, 10, 9, 16, 3, 3, 2, 2, 0, 1, 0, 0, 1, 16, 16 },
    { "nhwc", 2, 16, 8, 8, 32, 3, 3, 1, 1, 1, 1, 1, 1, 1, -1, -1 },
    { "nhwc, odd channels", 1, 20, 8, 9, 12, 3, 3, 1, 1, 1, 1, 1, 1, 1, -1, -1 },
    { "plain", 2, 16, 8, 8, 32, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1 },
    { "plain in, blocked out", 1, 32, 8, 8, 32, 4, 4, 2, 2, 1, 1, 1, 1, 1, 1, 16 },
    { "blocks of 8", 1, 8, 8, 8, 24, 3, 3, 1, 1, 1, 1, 1, 1, 1, 8, 8 },
    { "pointwise", 2, 32, 6, 6, 16, 1, 1, 1, 1, 0, 0, 0, 0, 1, 16, 16 },
    { "to one pixel", 1, 32, 2, 2, 32, 4, 4, 2, 2, 1, 1, 1, 1, 1, 16, 16 },
    { "two groups", 2, 32, 7, 7, 32, 3, 3, 1, 1, 1, 1, 1, 1, 2, 16, 16 },
    { "depthwise", 2, 32, 9, 8, 32, 3, 3, 2, 2, 1, 1, 1, 1, 32, 16, 16 },
    { "depthwise nhwc", 1, 16, 8, 8, 16, 3, 3, 1, 1, 1, 1, 1, 1, 16, -1, -1 },
};

/* What is asked for around it. */
typedef struct around {
    bool bias, add, inference;
    limn_activation activation;
    float slope;
} around;

static inline void *take(limn_arena *arena, size_t bytes)
{
    void *memory = limn_take(arena, bytes);

    assert_non_null(memory);
    return memory;
}

static inline limn_tensor map(int n, int c, int h, int w, int block, limn_type type)
{
    limn_tensor t = { .shape = { n, c, h, w }, .type = type, .block = block < 0 ? c : block };

    t.batch_stride = (size_t)c * (size_t)h * (size_t)w;
    return t;
}

static inline limn_dnn_conv convolution(const shape *s, limn_dnn_direction direction,
                                        limn_type type, const around *a)
{
    return (limn_dnn_conv){
        .direction = direction,
        .x = map(s->n, s->ic, s->ih, s->iw, s->x_block, type),
        .y = map(s->n, s->oc, (s->ih + s->pt + s->pb - s->kh) / s->sh + 1,
                 (s->iw + s->pl + s->pr - s->kw) / s->sw + 1, s->y_block, type),
        .kernel_h = s->kh,
        .kernel_w = s->kw,
        .stride_h = s->sh,
        .stride_w = s->sw,
        .pad_top = s->pt,
        .pad_left = s->pl,
        .pad_bottom = s->pb,
        .pad_right = s->pr,
        .groups = s->groups,
        .bias = a->bias,
        .inference = a->inference,
        .activation = a->activation,
        .slope = a->slope,
        .add_to_output = a->add,
        .weight_type = type,
    };
}

static inline size_t map_bytes(const limn_tensor *t)
{
    size_t one = limn_count(t->shape) / (size_t)t->shape.n;

    return ((size_t)(t->shape.n - 1) * t->batch_stride + one) * limn_type_bytes(t->type);
}

static inline bool can_bf16(void)
{
    return limn_cpu_has_bf16() && strstr(limn_dnn_version(), "avx512");
}

#endif
