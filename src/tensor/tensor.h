/* SPDX-License-Identifier: Apache-2.0
 *
 * A tensor is a shape, a type, a layout and a borrowed pointer.  It never owns: an arena or the
 * plan does.  All pictures, features and rows of features have four dimensions: batch n, channels
 * c, height h, width w; weights use the same four for (out, in, kernel height, kernel width). */
#ifndef LIMN_TENSOR_TENSOR_H
#define LIMN_TENSOR_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* name, bytes, safetensors' name */
#define LIMN_TYPES(X)                                                                              \
    X(F32, 4, "F32")                                                                               \
    X(BF16, 2, "BF16")                                                                             \
    X(F16, 2, "F16")                                                                               \
    X(F64, 8, "F64")                                                                               \
    X(U8, 1, "U8")                                                                                 \
    X(I8, 1, "I8")                                                                                 \
    X(I16, 2, "I16")                                                                               \
    X(U16, 2, "U16")                                                                               \
    X(I32, 4, "I32")                                                                               \
    X(U32, 4, "U32")                                                                               \
    X(I64, 8, "I64")                                                                               \
    X(U64, 8, "U64")                                                                               \
    X(BOOL, 1, "BOOL")

typedef enum limn_type {
#define X(name, bytes, text) LIMN_##name,
    LIMN_TYPES(X)
#undef X
        LIMN_TYPE_COUNT
} limn_type;

size_t limn_type_bytes(limn_type type);
const char *limn_type_name(limn_type type);

typedef struct limn_shape {
    int n, c, h, w;
} limn_shape;

static inline size_t limn_count(limn_shape s)
{
    return (size_t)s.n * (size_t)s.c * (size_t)s.h * (size_t)s.w;
}

static inline bool limn_shape_equal(limn_shape a, limn_shape b)
{
    return a.n == b.n && a.c == b.c && a.h == b.h && a.w == b.w;
}

/* The layout of a feature map is one number, the channel block B:
 *
 *     data[n][c / B][h][w][B]
 *
 * B = 1 is NCHW, B = c is NHWC, B = 8 or 16 are oneDNN's nChw8c and nChw16c.  B always divides c,
 * so there is no padding anywhere.  batch_stride is the distance in elements between two pictures;
 * it is larger than c*h*w where the tensor is a range of channels inside a bigger one. */
typedef struct limn_tensor {
    limn_shape shape;
    limn_type type;
    int block;
    size_t batch_stride;
    void *data;
} limn_tensor;

/* Element offset of (n, c, h, w); for plain loops and tests, not for hot ones. */
static inline size_t limn_at(const limn_tensor *t, int n, int c, int h, int w)
{
    size_t plane = (size_t)t->shape.h * (size_t)t->shape.w, b = (size_t)t->block;

    return (size_t)n * t->batch_stride + ((size_t)c / b * plane * b) +
           ((size_t)h * (size_t)t->shape.w + (size_t)w) * b + (size_t)c % b;
}

/* bfloat16: the upper half of a float, rounded to nearest even; NaN stays NaN. */
static inline float limn_from_bf16(uint16_t v)
{
    union {
        uint32_t u;
        float f;
    } both = { (uint32_t)v << 16 };
    return both.f;
}
static inline uint16_t limn_to_bf16(float v)
{
    union {
        float f;
        uint32_t u;
    } both = { v };

    if (v != v) return (uint16_t)(both.u >> 16 | 0x40);
    return (uint16_t)((both.u + 0x7fff + (both.u >> 16 & 1)) >> 16);
}
float limn_from_f16(uint16_t v);
uint16_t limn_to_f16(float v);

/* Copies all elements of one tensor to another of the same shape, changing type (F32, BF16) and
 * layout.  Runs on the compute threads. */
void limn_tensor_copy(limn_tensor *to, const limn_tensor *from);

#endif
