/* SPDX-License-Identifier: Apache-2.0
 *
 * Inner loops of the operations that move values in space, and of small products of matrices:
 * compiled once a processor level, as LIMN_SPACE_KERNELS.
 *
 * Vectors are the compiler's own (vector_size): 16 floats are one register with AVX-512, two with
 * AVX2, four with SSE, from the same text.  They are used where the order of a sum matters and the
 * compiler may therefore not choose it: each lane is one output, so the order is that of the taps
 * at every width.  Loops that are independent element by element are left to the compiler.  Vectors
 * travel by pointer, never by value: a 64-byte argument has a different calling convention at every
 * level. */
#include "op/kernels_space.h"
#include "tensor/tensor.h"

#include <string.h>

typedef float v16 __attribute__((vector_size(64)));
typedef float v8 __attribute__((vector_size(32)));
typedef uint32_t u16 __attribute__((vector_size(64)));
typedef uint32_t u8 __attribute__((vector_size(32)));
typedef uint16_t h16 __attribute__((vector_size(32)));
typedef uint16_t h8 __attribute__((vector_size(16)));

#define INLINE static inline __attribute__((always_inline))

/* ---- rows ------------------------------------------------------------------------------------ */

#define SAME(v) (v)

#define DEFINE_ROWS(name, type, LOAD)                                                              \
    INLINE void name##_span(float *restrict to, const type *const *from, const float *w, int taps, \
                            bool add, size_t count)                                                \
    {                                                                                              \
        const type *f0 = from[0], *f1 = taps > 1 ? from[1] : f0, *f2 = taps > 2 ? from[2] : f0,    \
                   *f3 = taps > 3 ? from[3] : f0;                                                  \
        float w0 = w[0], w1 = taps > 1 ? w[1] : 0, w2 = taps > 2 ? w[2] : 0;                       \
        float w3 = taps > 3 ? w[3] : 0;                                                            \
                                                                                                   \
        if (add)                                                                                   \
            for (size_t k = 0; k < count; k++)                                                     \
                to[k] += w0 * LOAD(f0[k]) + w1 * LOAD(f1[k]) + w2 * LOAD(f2[k]) +                  \
                         w3 * LOAD(f3[k]);                                                         \
        else if (taps == 1)                                                                        \
            for (size_t k = 0; k < count; k++) to[k] = w0 * LOAD(f0[k]);                           \
        else if (taps == 2)                                                                        \
            for (size_t k = 0; k < count; k++) to[k] = w0 * LOAD(f0[k]) + w1 * LOAD(f1[k]);        \
        else if (taps == 3)                                                                        \
            for (size_t k = 0; k < count; k++)                                                     \
                to[k] = w0 * LOAD(f0[k]) + w1 * LOAD(f1[k]) + w2 * LOAD(f2[k]);                    \
        else                                                                                       \
            for (size_t k = 0; k < count; k++)                                                     \
                to[k] = w0 * LOAD(f0[k]) + w1 * LOAD(f1[k]) + w2 * LOAD(f2[k]) + w3 * LOAD(f3[k]); \
    }                                                                                              \
                                                                                                   \
    static void name(float *to, const void *const *from, const float *weight, int taps,            \
                     size_t pixels, size_t run, size_t stride)                                     \
    {                                                                                              \
        if (run == stride) run = pixels * run, pixels = 1;                                         \
        for (size_t p = 0; p < pixels; p++, to += run)                                             \
            for (int t = 0; t < taps; t += 4) {                                                    \
                int some = taps - t < 4 ? taps - t : 4;                                            \
                const type *at[4] = { NULL };                                                      \
                                                                                                   \
                for (int s = 0; s < some; s++) at[s] = (const type *)from[t + s] + p * stride;     \
                name##_span(to, at, weight + t, some, t > 0, run);                                 \
            }                                                                                      \
    }

DEFINE_ROWS(rows_f32, float, SAME)
DEFINE_ROWS(rows_bf16, uint16_t, limn_from_bf16)

static void rows(float *to, const void *const *from, const float *weight, int taps, bool bf16,
                 size_t pixels, size_t run, size_t stride)
{
    (bf16 ? rows_bf16 : rows_f32)(to, from, weight, taps, pixels, run, stride);
}

/* ---- columns --------------------------------------------------------------------------------- */

INLINE void load_f32_16(v16 *v, const float *from)
{
    memcpy(v, from, sizeof *v);
}

INLINE void load_f32_8(v8 *v, const float *from)
{
    memcpy(v, from, sizeof *v);
}

INLINE void load_bf16_16(v16 *v, const uint16_t *from)
{
    h16 half;
    u16 word;

    memcpy(&half, from, sizeof half);
    word = __builtin_convertvector(half, u16) << 16;
    memcpy(v, &word, sizeof *v);
}

INLINE void load_bf16_8(v8 *v, const uint16_t *from)
{
    h8 half;
    u8 word;

    memcpy(&half, from, sizeof half);
    word = __builtin_convertvector(half, u8) << 16;
    memcpy(v, &word, sizeof *v);
}

INLINE void store_f32_16(float *to, const v16 *v)
{
    memcpy(to, v, sizeof *v);
}

INLINE void store_f32_8(float *to, const v8 *v)
{
    memcpy(to, v, sizeof *v);
}

/* Rounds to nearest even as limn_to_bf16 does, NaN included. */
INLINE void store_bf16_16(uint16_t *to, const v16 *v)
{
    u16 word, rounded, nan = (u16)(*v != *v);
    h16 half;

    memcpy(&word, v, sizeof word);
    rounded = (word + 0x7fff + (word >> 16 & 1)) >> 16;
    rounded = (nan & (word >> 16 | 0x40)) | (~nan & rounded);
    half = __builtin_convertvector(rounded, h16);
    memcpy(to, &half, sizeof half);
}

INLINE void store_bf16_8(uint16_t *to, const v8 *v)
{
    u8 word, rounded, nan = (u8)(*v != *v);
    h8 half;

    memcpy(&word, v, sizeof word);
    rounded = (word + 0x7fff + (word >> 16 & 1)) >> 16;
    rounded = (nan & (word >> 16 | 0x40)) | (~nan & rounded);
    half = __builtin_convertvector(rounded, h8);
    memcpy(to, &half, sizeof half);
}

#define LANES(lanes, from_type, to_type, load, store, load_to)                                     \
    for (; k + (lanes) <= run; k += (lanes)) {                                                     \
        v##lanes sum = { 0 }, value;                                                               \
                                                                                                   \
        if (accumulate) load_to##_##lanes(&sum, t + k);                                            \
        for (int i = taps->start[o]; i < taps->start[o + 1]; i++) {                                \
            load##_##lanes(&value, f + (size_t)taps->at[i] * from_stride + k);                     \
            sum += value * taps->weight[i];                                                        \
        }                                                                                          \
        store##_##lanes(t + k, &sum);                                                              \
    }

#define DEFINE_COLUMNS(name, from_type, LOAD, load, to_type, LOAD_TO, STORE, load_to, store)       \
    static void name(void *to, size_t to_stride, const void *from, size_t from_stride,             \
                     const limn_taps *taps, int begin, int end, size_t run, bool accumulate)       \
    {                                                                                              \
        const from_type *f = from;                                                                 \
                                                                                                   \
        for (int o = begin; o < end; o++) {                                                        \
            to_type *t = (to_type *)to + (size_t)o * to_stride;                                    \
            size_t k = 0;                                                                          \
                                                                                                   \
            LANES(16, from_type, to_type, load, store, load_to)                                    \
            LANES(8, from_type, to_type, load, store, load_to)                                     \
            for (; k < run; k++) {                                                                 \
                float sum = accumulate ? LOAD_TO(t[k]) : 0;                                        \
                                                                                                   \
                for (int i = taps->start[o]; i < taps->start[o + 1]; i++)                          \
                    sum += LOAD(f[(size_t)taps->at[i] * from_stride + k]) * taps->weight[i];       \
                t[k] = STORE(sum);                                                                 \
            }                                                                                      \
        }                                                                                          \
    }

DEFINE_COLUMNS(columns_ff, float, SAME, load_f32, float, SAME, SAME, load_f32, store_f32)
DEFINE_COLUMNS(columns_fh, float, SAME, load_f32, uint16_t, limn_from_bf16, limn_to_bf16, load_bf16,
               store_bf16)
DEFINE_COLUMNS(columns_hf, uint16_t, limn_from_bf16, load_bf16, float, SAME, SAME, load_f32,
               store_f32)
DEFINE_COLUMNS(columns_hh, uint16_t, limn_from_bf16, load_bf16, uint16_t, limn_from_bf16,
               limn_to_bf16, load_bf16, store_bf16)

static void columns(void *to, bool to_bf16, size_t to_stride, const void *from, bool from_bf16,
                    size_t from_stride, const limn_taps *taps, int begin, int end, size_t run,
                    bool accumulate)
{
    (from_bf16 ? to_bf16 ? columns_hh : columns_hf
     : to_bf16 ? columns_fh
               : columns_ff)(to, to_stride, from, from_stride, taps, begin, end, run, accumulate);
}

/* ---- sums ------------------------------------------------------------------------------------ */

enum { SHORT_RUN = 256 }; /* pixels summed in float */

#define DEFINE_SUMS(name, type, LOAD, load)                                                        \
    static void name(double *sums, const type *from, size_t pixels, size_t run, size_t stride)     \
    {                                                                                              \
        while (pixels) {                                                                           \
            size_t count = pixels < SHORT_RUN ? pixels : SHORT_RUN;                                \
            float partial[16] = { 0 };                                                             \
                                                                                                   \
            if (run == 1 && stride == 1) {                                                         \
                v16 lanes = { 0 }, value;                                                          \
                size_t p = 0;                                                                      \
                                                                                                   \
                for (; p + 16 <= count; p += 16) load##_16(&value, from + p), lanes += value;      \
                for (int k = 0; k < 16; k++) partial[0] += lanes[k];                               \
                for (; p < count; p++) partial[0] += LOAD(from[p]);                                \
            } else if (run == 16) {                                                                \
                v16 lanes = { 0 }, value;                                                          \
                                                                                                   \
                for (size_t p = 0; p < count; p++)                                                 \
                    load##_16(&value, from + p * stride), lanes += value;                          \
                store_f32_16(partial, &lanes);                                                     \
            } else {                                                                               \
                for (size_t p = 0; p < count; p++)                                                 \
                    for (size_t k = 0; k < run; k++) partial[k] += LOAD(from[p * stride + k]);     \
            }                                                                                      \
            for (size_t k = 0; k < run; k++) sums[k] += (double)partial[k];                        \
            from += count * stride;                                                                \
            pixels -= count;                                                                       \
        }                                                                                          \
    }

DEFINE_SUMS(sums_f32, float, SAME, load_f32)
DEFINE_SUMS(sums_bf16, uint16_t, limn_from_bf16, load_bf16)

static void sums(double *to, const void *from, bool bf16, size_t pixels, size_t run, size_t stride)
{
    if (bf16)
        sums_bf16(to, from, pixels, run, stride);
    else
        sums_f32(to, from, pixels, run, stride);
}

/* ---- product --------------------------------------------------------------------------------- */

/* A tile of height x (16 * width) sums stays in registers while all of `inner` goes by. */
#if defined(__AVX512F__)
enum { TILE_WIDTH = 4, TILE_HEIGHT = 4 };
#else
enum { TILE_WIDTH = 1, TILE_HEIGHT = 4 };
#endif

#define DEFINE_TILE(name, height, width)                                                           \
    static void name(float *c, size_t ldc, const float *a, size_t lda, const float *b, size_t ldb, \
                     size_t inner)                                                                 \
    {                                                                                              \
        v16 sum[height][width] = { 0 };                                                            \
                                                                                                   \
        for (size_t k = 0; k < inner; k++, b += ldb) {                                             \
            v16 row[width];                                                                        \
                                                                                                   \
            for (int j = 0; j < (width); j++) load_f32_16(&row[j], b + 16 * j);                    \
            for (int i = 0; i < (height); i++)                                                     \
                for (int j = 0; j < (width); j++) sum[i][j] += row[j] * a[(size_t)i * lda + k];    \
        }                                                                                          \
        for (int i = 0; i < (height); i++)                                                         \
            for (int j = 0; j < (width); j++)                                                      \
                store_f32_16(c + (size_t)i * ldc + 16 * j, &sum[i][j]);                            \
    }

DEFINE_TILE(tile_full, TILE_HEIGHT, TILE_WIDTH)
DEFINE_TILE(tile_narrow, TILE_HEIGHT, 1)
DEFINE_TILE(tile_one, 1, 1)

static void product(float *c, size_t ldc, const float *a, size_t lda, const float *b, size_t ldb,
                    size_t rows_count, size_t inner, size_t columns_count)
{
    size_t j = 0, step;

    for (; j < columns_count; j += 16 * step) {
        size_t i = 0;

        step = columns_count - j >= 16 * TILE_WIDTH ? TILE_WIDTH : 1;
        for (; i + TILE_HEIGHT <= rows_count; i += TILE_HEIGHT)
            (step == TILE_WIDTH ? tile_full : tile_narrow)(c + i * ldc + j, ldc, a + i * lda, lda,
                                                           b + j, ldb, inner);
        for (; i < rows_count; i++)
            for (size_t s = 0; s < step; s++)
                tile_one(c + i * ldc + j + 16 * s, ldc, a + i * lda, lda, b + j + 16 * s, ldb,
                         inner);
    }
}

extern const limn_space_kernels LIMN_SPACE_KERNELS;
const limn_space_kernels LIMN_SPACE_KERNELS = { rows, columns, sums, product };
