/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensors with guard bytes, in every layout, for tests of operations.
 *
 * A buffer is a tensor whose memory has a pattern in front, behind and, where its batch stride is
 * larger than a picture, between pictures.  remember() keeps all bytes, first_damage() finds the
 * first one that changed and should not have.  Needs cmocka.h before it. */
#ifndef LIMN_TESTS_OP_BUFFER_H
#define LIMN_TESTS_OP_BUFFER_H

#include "op/op.h"

#include <string.h>

enum { GUARD = 64, PATTERN = 0xa5, LAYOUTS = 7 };

/* ---- Chance ---------------------------------------------------------------------------------- */

static uint64_t chance = 1;

static float uniform(void) /* -1 to 1 */
{
    chance = chance * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(chance >> 11) / (double)(1ull << 52) - 1);
}

/* ---- Tensors with guards --------------------------------------------------------------------- */

typedef struct buffer {
    limn_tensor t; /* data NULL: absent */
    unsigned char *memory, *copy;
    size_t bytes;
    float *first; /* values after the first run */
    limn_arena *arena;
} buffer;

/* How the tensors of one check are laid out. */
typedef struct form {
    limn_type type;
    int layout; /* 0 block 1, 1 block 8, 2 block 16, 3 block c, others mixed; 1 where 8 and 16
                   do not divide */
    bool
        inside; /* a range inside something larger: batch stride, and no alignment beyond a block */
} form;

static int block_of(const form *f, int channels)
{
    int choices[4] = { 1, channels % 8 ? 1 : 8, channels % 16 ? 1 : 16, channels };

    return f->layout < 4
               ? choices[f->layout]
               : choices[(unsigned)(channels * 2654435761u + (unsigned)f->layout) / 7 % 4];
}

static bool is_map(limn_input_kind kind)
{
    return kind == LIMN_FEATURES;
}

static buffer make(limn_arena *arena, const form *f, limn_shape shape, limn_type type, bool map)
{
    size_t plane = (size_t)shape.h * (size_t)shape.w, unit = limn_type_bytes(type);
    buffer b = { .t = { .shape = shape, .type = type, .block = 1 }, .arena = arena };
    size_t lead = GUARD;

    if (!shape.n) return (buffer){ 0 };
    b.t.batch_stride = (size_t)shape.c * plane;
    if (map) {
        b.t.block = block_of(f, shape.c);
        if (f->inside) {
            b.t.batch_stride += 16 * plane;
            lead += (size_t)b.t.block * unit;
        }
    }
    b.bytes = lead + (size_t)shape.n * b.t.batch_stride * unit + GUARD;
    b.memory = limn_take(arena, b.bytes);
    b.copy = limn_take(arena, b.bytes);
    assert_non_null(b.copy);
    memset(b.memory, PATTERN, b.bytes);
    b.t.data = b.memory + lead;
    return b;
}

/* Values in NCHW order into the tensor, and out. */
static void move(const limn_tensor *t, float *plain, bool in)
{
    size_t i = 0;

    for (int n = 0; n < t->shape.n; n++)
        for (int c = 0; c < t->shape.c; c++)
            for (int h = 0; h < t->shape.h; h++)
                for (int w = 0; w < t->shape.w; w++, i++) {
                    size_t at = limn_at(t, n, c, h, w);

                    if (t->type == LIMN_F32 && in)
                        ((float *)t->data)[at] = plain[i];
                    else if (t->type == LIMN_F32)
                        plain[i] = ((float *)t->data)[at];
                    else if (in)
                        ((uint16_t *)t->data)[at] = limn_to_bf16(plain[i]);
                    else
                        plain[i] = limn_from_bf16(((uint16_t *)t->data)[at]);
                }
}

/* Remembers the bytes of a buffer, to see later what was written. */
static void remember(buffer *b)
{
    if (b->t.data) memcpy(b->copy, b->memory, b->bytes);
}

/* Index of the first byte that changed and is not part of an element (or, with inputs, at all); the
 * buffer's size when there is none. */
static size_t first_damage(const buffer *b, bool elements_too)
{
    size_t unit = limn_type_bytes(b->t.type), lead, stride, size;

    if (!b->t.data) return b->bytes;
    lead = (size_t)((unsigned char *)b->t.data - b->memory);
    stride = b->t.batch_stride * unit;
    size = limn_count(b->t.shape) / (size_t)b->t.shape.n * unit;
    if (!memcmp(b->memory, b->copy, b->bytes)) return b->bytes;
    for (size_t i = 0; i < b->bytes; i++) {
        bool element = i >= lead && (i - lead) / stride < (size_t)b->t.shape.n &&
                       (i - lead) % stride < size;

        if (b->memory[i] != b->copy[i] && (elements_too || !element)) return i;
    }
    return b->bytes;
}

#endif
