/* SPDX-License-Identifier: Apache-2.0
 *
 * Facts about types, float16, and the one routine that changes a tensor's type and layout.
 *
 * limn_tensor_copy walks runs of channels that are contiguous in both layouts, over tiles of pixels
 * small enough that the interleaved side stays in the first-level cache: the strided side of a
 * transposition touches each cache line up to 16 times, once per channel of the block, and comes
 * from memory once.  Pixel planes are often a power of two long, so reading all channels of one
 * pixel at a time would map 16 lines onto one cache set; each channel is walked over the whole tile
 * instead.  Strides of the common pairs are compile-time constants, for the vectoriser. */
#include "tensor/tensor.h"
#include "base/threads.h"

#include <assert.h>
#include <string.h>

size_t limn_type_bytes(limn_type type)
{
    static const unsigned char sizes[] = {
#define X(name, bytes, text) bytes,
        LIMN_TYPES(X)
#undef X
    };

    return (unsigned)type < LIMN_TYPE_COUNT ? sizes[type] : 0;
}

const char *limn_type_name(limn_type type)
{
    static const char *const names[] = {
#define X(name, bytes, text) text,
        LIMN_TYPES(X)
#undef X
    };

    return (unsigned)type < LIMN_TYPE_COUNT ? names[type] : "unknown";
}

float limn_from_f16(uint16_t v)
{
    uint32_t sign = (uint32_t)(v & 0x8000) << 16, exponent = v >> 10 & 31, fraction = v & 0x3ff;
    union {
        uint32_t u;
        float f;
    } both;

    if (exponent == 31)
        both.u = sign | 0x7f800000 | fraction << 13;
    else if (exponent)
        both.u = sign | (exponent + 112) << 23 | fraction << 13;
    else { /* zero and subnormals: fraction * 2^-24 is exact */
        both.f = (float)fraction * 0x1p-24f;
        both.u |= sign;
    }
    return both.f;
}

uint16_t limn_to_f16(float v)
{
    union {
        float f;
        uint32_t u;
    } both = { v };
    uint32_t sign = both.u >> 16 & 0x8000, magnitude = both.u & 0x7fffffff;

    if (magnitude > 0x7f800000) /* NaN: keep the top of the payload, and quiet it */
        return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
    if (magnitude >= 0x477ff000) /* 65520 and more round to infinity */
        return (uint16_t)(sign | 0x7c00);
    if (magnitude < 0x38800000) { /* below 2^-14: the addition rounds to units of 2^-24 */
        both.u = magnitude;
        both.f += 0.5f;
        return (uint16_t)(sign | (both.u - 0x3f000000));
    }
    magnitude -= 112u << 23;
    return (uint16_t)(sign | (magnitude + 0xfff + (magnitude >> 13 & 1)) >> 13);
}

static inline size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* One run of channels over one tile: `run` neighbouring elements for each of `pixels`. */
typedef void (*copy_tile)(void *to, size_t to_stride, const void *from, size_t from_stride,
                          size_t pixels, size_t run);

#define SAME(v) (v)
#define LOOP(to_s, from_s, n, change)                                                              \
    for (size_t p = 0; p < pixels; p++)                                                            \
        for (size_t k = 0; k < (n); k++) t[p * (to_s) + k] = change(f[p * (from_s) + k])

#define DEFINE_COPY(name, to_type, from_type, change)                                              \
    static void name(void *restrict to, size_t to_stride, const void *restrict from,               \
                     size_t from_stride, size_t pixels, size_t run)                                \
    {                                                                                              \
        to_type *restrict t = to;                                                                  \
        const from_type *restrict f = from;                                                        \
                                                                                                   \
        if (to_stride == run && from_stride == run) {                                              \
            pixels *= run;                                                                         \
            LOOP(1, 1, 1, change);                                                                 \
        } else if (run == 1 && to_stride == 1 && from_stride == 16) {                              \
            LOOP(1, 16, 1, change);                                                                \
        } else if (run == 1 && to_stride == 16 && from_stride == 1) {                              \
            LOOP(16, 1, 1, change);                                                                \
        } else if (run == 1) {                                                                     \
            LOOP(to_stride, from_stride, 1, change);                                               \
        } else if (run == 16) {                                                                    \
            LOOP(to_stride, from_stride, 16, change);                                              \
        } else {                                                                                   \
            LOOP(to_stride, from_stride, run, change);                                             \
        }                                                                                          \
    }

DEFINE_COPY(copy_32, uint32_t, uint32_t, SAME)
DEFINE_COPY(copy_16, uint16_t, uint16_t, SAME)
DEFINE_COPY(narrow_direct, uint16_t, float, limn_to_bf16)
DEFINE_COPY(widen, float, uint16_t, limn_from_bf16)

/* Rounding to bfloat16 takes a dozen instructions, so it pays to do it on neighbours, where it is
 * vectorised, between two plain strided copies: 64 x 256 x 256 from blocks of 16 to planes in 3.8
 * ms instead of 9.7 on one core. */
static void narrow(void *restrict to, size_t to_stride, const void *restrict from,
                   size_t from_stride, size_t pixels, size_t run)
{
    enum { PIECE = 256 };
    float wide[PIECE];
    uint16_t rounded[PIECE], *t = to;
    const float *f = from;

    if (run != 1 || (to_stride == 1 && from_stride == 1)) {
        narrow_direct(to, to_stride, from, from_stride, pixels, run);
        return;
    }
    for (size_t done = 0, count; done < pixels; done += count) {
        const float *neighbours = f + done * from_stride;

        count = smaller(PIECE, pixels - done);
        if (from_stride != 1) {
            copy_32(wide, 1, neighbours, from_stride, count, 1);
            neighbours = wide;
        }
        narrow_direct(rounded, 1, neighbours, 1, count, 1);
        copy_16(t + done * to_stride, to_stride, rounded, 1, count, 1);
    }
}

typedef struct copy_job {
    const limn_tensor *to, *from;
    copy_tile copy;
    size_t group;       /* channels of a unit of work: the larger block */
    size_t groups;      /* in a picture */
    size_t tile, tiles; /* pixels of a unit, units along the plane */
} copy_job;

static unsigned char *address(const limn_tensor *t, size_t n, size_t c, size_t pixel)
{
    size_t plane = (size_t)t->shape.h * (size_t)t->shape.w, block = (size_t)t->block;
    size_t at = n * t->batch_stride + c / block * plane * block + pixel * block + c % block;

    return (unsigned char *)t->data + at * limn_type_bytes(t->type);
}

static void copy_units(void *context, size_t begin, size_t end, int part)
{
    const copy_job *job = context;
    const limn_tensor *to = job->to, *from = job->from;
    size_t to_block = (size_t)to->block, from_block = (size_t)from->block;
    size_t plane = (size_t)to->shape.h * (size_t)to->shape.w;

    (void)part;
    for (size_t unit = begin; unit < end; unit++) {
        size_t pixel = unit % job->tiles * job->tile, c = unit / job->tiles % job->groups;
        size_t n = unit / job->tiles / job->groups, last, run;

        for (c *= job->group, last = c + job->group; c < last; c += run) {
            run = smaller(to_block - c % to_block, from_block - c % from_block);
            job->copy(address(to, n, c, pixel), to_block, address(from, n, c, pixel), from_block,
                      smaller(job->tile, plane - pixel), run);
        }
    }
}

void limn_tensor_copy(limn_tensor *to, const limn_tensor *from)
{
    enum { TILE_ELEMENTS = 4096, TILE_MIN = 16, UNIT_BYTES = 64 << 10 };
    bool to_wide = to->type == LIMN_F32, from_wide = from->type == LIMN_F32;
    size_t c = (size_t)to->shape.c, plane = (size_t)to->shape.h * (size_t)to->shape.w;
    size_t a = (size_t)to->block, b = (size_t)from->block, work;
    copy_job job = { .to = to, .from = from };

    assert(limn_shape_equal(to->shape, from->shape));
    assert(to_wide || to->type == LIMN_BF16);
    assert(from_wide || from->type == LIMN_BF16);
    if (!limn_count(to->shape)) return;
    assert(a && b && c % a == 0 && c % b == 0);

    job.copy = to_wide ? from_wide ? copy_32 : widen : from_wide ? narrow : copy_16;
    job.group = a > b ? a : b;
    job.tile = TILE_ELEMENTS / job.group;
    if (job.tile < TILE_MIN) job.tile = TILE_MIN;
    job.groups = c / job.group;
    job.tiles = (plane + job.tile - 1) / job.tile;
    work = job.group * smaller(job.tile, plane) * sizeof(float);
    limn_parallel((size_t)to->shape.n * job.groups * job.tiles, UNIT_BYTES / work + 1, copy_units,
                  &job);
}
