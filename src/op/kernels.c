/* SPDX-License-Identifier: Apache-2.0
 *
 * The inner loops, in plain C that the compiler turns into vectors: compiled once for each
 * processor level with -DLIMN_KERNELS=limn_kernels_<level>, see meson.build.
 *
 * Each loop is written once, as an inline body whose type and activation are compile-time
 * constants; BY_TYPE and BY_ACTIVATION make the copies and choose between them outside the loop.
 *
 * bfloat16 is widened and narrowed by shifts (limn_from_bf16, limn_to_bf16).  Choosing between NaN
 * and number in another place changed nothing, vectors of 256 bits took twice the time on sums; the
 * native conversion instructions would need a fourth build for perhaps a fifth of a norm's time.
 * The loops of the norms are in kernels_norm.h, scalars in kernels_element.h; both are parts of
 * this file. */
#include "op/kernels.h"

#include "op/kernels_element.h"

/* ---- Elementwise ----------------------------------------------------------------------------- */

INLINE void activate_body(int type, void *y, const void *x, size_t count, int activation,
                          float slope)
{
    INDEPENDENT
    for (size_t i = 0; i < count; i++)
        put(type, y, i, value_of(activation, slope, get(type, x, i)));
}

static void activate(limn_type type, void *y, const void *x, size_t count,
                     limn_activation activation, float slope)
{
    BY_TYPE(type, BY_ACTIVATION(activation, activate_body(T, y, x, count, A, slope)));
}

INLINE void activate_back_body(int type, void *dx, const void *dy, const void *y, size_t count,
                               int activation, float slope, bool accumulate)
{
    INDEPENDENT
    for (size_t i = 0; i < count; i++)
        give(type, dx, i, sloped(activation, slope, get(type, y, i), get(type, dy, i)), accumulate);
}

static void activate_back(limn_type type, void *dx, const void *dy, const void *y, size_t count,
                          limn_activation activation, float slope, bool accumulate)
{
    if (accumulate)
        BY_TYPE(type,
                BY_ACTIVATION(activation, activate_back_body(T, dx, dy, y, count, A, slope, true)));
    else
        BY_TYPE(type, BY_ACTIVATION(activation,
                                    activate_back_body(T, dx, dy, y, count, A, slope, false)));
}

INLINE void scale_body(int type, void *y, const void *x, size_t count, float factor,
                       bool accumulate)
{
    INDEPENDENT
    for (size_t i = 0; i < count; i++) give(type, y, i, factor * get(type, x, i), accumulate);
}

static void scale(limn_type type, void *y, const void *x, size_t count, float factor,
                  bool accumulate)
{
    if (accumulate)
        BY_TYPE(type, scale_body(T, y, x, count, factor, true));
    else
        BY_TYPE(type, scale_body(T, y, x, count, factor, false));
}

INLINE void add_two(int type, void *y, const void *a, const void *b, size_t count)
{
    INDEPENDENT
    for (size_t i = 0; i < count; i++) put(type, y, i, get(type, a, i) + get(type, b, i));
}

/* Three and more go through a tile of floats, so that bfloat16 is rounded once. */
INLINE void add_many(int type, void *y, const void *const *x, int inputs, size_t count)
{
    float tile[1024];

    for (size_t at = 0, n; at < count; at += n) {
        n = count - at < 1024 ? count - at : 1024;
        for (size_t i = 0; i < n; i++) tile[i] = get(type, x[0], at + i);
        for (int k = 1; k < inputs; k++)
            for (size_t i = 0; i < n; i++) tile[i] += get(type, x[k], at + i);
        for (size_t i = 0; i < n; i++) put(type, y, at + i, tile[i]);
    }
}

static void add(limn_type type, void *y, const void *const *x, int inputs, size_t count)
{
    if (inputs == 2)
        BY_TYPE(type, add_two(T, y, x[0], x[1], count));
    else
        BY_TYPE(type, add_many(T, y, x, inputs, count));
}

INLINE void multiply_body(int type, void *y, const void *x, const void *m, size_t count,
                          float factor, bool accumulate)
{
    INDEPENDENT
    for (size_t i = 0; i < count; i++)
        give(type, y, i, get(type, x, i) * get(type, m, i) * factor, accumulate);
}

static void multiply(limn_type type, void *y, const void *x, const void *m, size_t count,
                     float factor, bool accumulate)
{
    if (accumulate)
        BY_TYPE(type, multiply_body(T, y, x, m, count, factor, true));
    else
        BY_TYPE(type, multiply_body(T, y, x, m, count, factor, false));
}

/* ---- Dropout --------------------------------------------------------------------------------- */

/* Words of 16 Philox blocks: those of limn_random_words, sixteen at a time. */
enum { BLOCKS = 16 };

/* Straight code for the ten rounds, so that the loop over blocks is the one to be vectorised. */
#ifdef __clang__
#define UNROLL_ROUNDS _Pragma("clang loop unroll(full)")
#else
#define UNROLL_ROUNDS _Pragma("GCC unroll 10")
#endif

INLINE void philox(const limn_random *random, const uint64_t *index, uint32_t (*words)[BLOCKS])
{
    uint32_t step = (uint32_t)random->step, stream = random->stream;
    uint32_t first = (uint32_t)random->seed;
    uint32_t second = (uint32_t)(random->seed >> 32) ^ (uint32_t)(random->step >> 32) * 0x85ebca6bu;

    for (int i = 0; i < BLOCKS; i++) {
        uint32_t c0 = (uint32_t)index[i], c1 = (uint32_t)(index[i] >> 32), c2 = step, c3 = stream;
        uint32_t first_key = first, second_key = second;

        UNROLL_ROUNDS
        for (int round = 0; round < 10; round++) {
            uint64_t a = (uint64_t)c0 * 0xd2511f53u, b = (uint64_t)c2 * 0xcd9e8d57u;

            c0 = (uint32_t)(b >> 32) ^ c1 ^ first_key;
            c1 = (uint32_t)b;
            c2 = (uint32_t)(a >> 32) ^ c3 ^ second_key;
            c3 = (uint32_t)a;
            first_key += 0x9e3779b9u;
            second_key += 0xbb67ae85u;
        }
        words[0][i] = c0;
        words[1][i] = c1;
        words[2][i] = c2;
        words[3][i] = c3;
    }
}

/* The 16-bit halves of the 128 elements that begin with block `block`. */
INLINE void halves(const limn_random *random, uint64_t block, uint16_t *out)
{
    uint64_t index[BLOCKS];
    uint32_t words[4][BLOCKS];

    for (int i = 0; i < BLOCKS; i++) index[i] = block + (uint64_t)i;
    philox(random, index, words);
    for (int i = 0; i < BLOCKS; i++)
        for (int w = 0; w < 4; w++) {
            out[i * 8 + w * 2] = (uint16_t)words[w][i];
            out[i * 8 + w * 2 + 1] = (uint16_t)(words[w][i] >> 16);
        }
}

/* y (+)= x times 0 or factor, by the bits of each element. */
INLINE void drop(int type, void *y, const void *x, size_t count, const uint16_t *bits,
                 const limn_dropout *dropout, bool accumulate)
{
    const uint32_t limit = dropout->limit;
    const float factor = dropout->factor;

    INDEPENDENT
    for (size_t i = 0; i < count; i++)
        give(type, y, i, (bits[i] >= limit ? factor : 0) * get(type, x, i), accumulate);
}

INLINE void dropout_body(int type, void *y, const void *x, size_t count, uint64_t first,
                         const limn_dropout *dropout, bool accumulate)
{
    uint16_t bits[BLOCKS * 8];

    for (size_t at = 0, n; at < count; at += n) {
        size_t skip = (first + at) % 8;

        n = count - at < BLOCKS * 8 - skip ? count - at : BLOCKS * 8 - skip;
        halves(&dropout->random, (first + at) / 8, bits);
        drop(type, into(type, y, at), from(type, x, at), n, bits + skip, dropout, accumulate);
    }
}

static void dropout_run(limn_type type, void *y, const void *x, size_t count, uint64_t first,
                        const limn_dropout *dropout, bool accumulate)
{
    if (accumulate)
        BY_TYPE(type, dropout_body(T, y, x, count, first, dropout, true));
    else
        BY_TYPE(type, dropout_body(T, y, x, count, first, dropout, false));
}

/* One Philox block is eight pixels of one channel, and vector lanes are channels: the words come
 * out in the order of the layout, without a transposition. */
INLINE void dropout_block16_body(int type, void *y, const void *x, size_t pixels, uint64_t first,
                                 uint64_t plane, const limn_dropout *dropout, bool accumulate)
{
    uint64_t index[BLOCKS];
    uint32_t words[4][BLOCKS];
    uint16_t bits[8 * BLOCKS];

    for (size_t p = 0; p < pixels; p += 8) {
        for (size_t k = 0; k < BLOCKS; k++) index[k] = (first + k * plane + p) / 8;
        philox(&dropout->random, index, words);
        for (size_t w = 0; w < 4; w++)
            for (size_t k = 0; k < BLOCKS; k++) {
                bits[w * 2 * BLOCKS + k] = (uint16_t)words[w][k];
                bits[(w * 2 + 1) * BLOCKS + k] = (uint16_t)(words[w][k] >> 16);
            }
        drop(type, into(type, y, p * BLOCKS), from(type, x, p * BLOCKS), 8 * BLOCKS, bits, dropout,
             accumulate);
    }
}

static void dropout_block16(limn_type type, void *y, const void *x, size_t pixels, uint64_t first,
                            uint64_t plane, const limn_dropout *dropout, bool accumulate)
{
    if (accumulate)
        BY_TYPE(type, dropout_block16_body(T, y, x, pixels, first, plane, dropout, true));
    else
        BY_TYPE(type, dropout_block16_body(T, y, x, pixels, first, plane, dropout, false));
}

static void dropout_mask(unsigned char *keep, size_t count, uint64_t first,
                         const limn_dropout *dropout)
{
    uint16_t bits[BLOCKS * 8];

    for (size_t at = 0, n; at < count; at += n) {
        size_t skip = (first + at) % 8;

        n = count - at < BLOCKS * 8 - skip ? count - at : BLOCKS * 8 - skip;
        halves(&dropout->random, (first + at) / 8, bits);
        for (size_t i = 0; i < n; i++) keep[at + i] = bits[skip + i] >= dropout->limit;
    }
}

/* Any other block: the mask of a tile is drawn channel by channel, then read across. */
INLINE void dropout_tile_body(int type, void *y, const void *x, size_t stride, size_t pixels,
                              size_t channels, const unsigned char *keep, size_t keep_stride,
                              float factor, bool accumulate)
{
    for (size_t p = 0; p < pixels; p++) {
        INDEPENDENT
        for (size_t k = 0; k < channels; k++)
            give(type, y, p * stride + k,
                 keep[k * keep_stride + p] ? factor * get(type, x, p * stride + k) : 0, accumulate);
    }
}

static void dropout_tile(limn_type type, void *y, const void *x, size_t stride, size_t pixels,
                         size_t channels, const unsigned char *keep, size_t keep_stride,
                         float factor, bool accumulate)
{
    if (accumulate)
        BY_TYPE(type, dropout_tile_body(T, y, x, stride, pixels, channels, keep, keep_stride,
                                        factor, true));
    else
        BY_TYPE(type, dropout_tile_body(T, y, x, stride, pixels, channels, keep, keep_stride,
                                        factor, false));
}

/* ---- Losses ---------------------------------------------------------------------------------- */

/* Sums term (an expression of i) for i in 0..count: 64 float lanes over runs of 4096, double over
 * the runs. */
#define SUM_RUNS(total, count, term)                                                               \
    for (size_t begin = 0, end; begin < (count); begin = end) {                                    \
        float lanes[64] = { 0 };                                                                   \
        size_t whole;                                                                              \
                                                                                                   \
        end = (count)-begin < 4096 ? (count) : begin + 4096;                                       \
        whole = begin + (end - begin) / 64 * 64;                                                   \
        for (size_t row = begin; row < whole; row += 64)                                           \
            for (size_t lane = 0; lane < 64; lane++) {                                             \
                size_t i = row + lane;                                                             \
                lanes[lane] += (term);                                                             \
            }                                                                                      \
        for (size_t i = whole; i < end; i++) lanes[i - whole] += (term);                           \
        for (size_t half = 32; half; half /= 2)                                                    \
            for (size_t lane = 0; lane < half; lane++) lanes[lane] += lanes[lane + half];          \
        (total) += (double)lanes[0];                                                               \
    }

INLINE double l1_body(int type, const void *a, const void *b, size_t count)
{
    double total = 0;

    SUM_RUNS(total, count, fabsf(get(type, a, i) - get(type, b, i)))
    return total;
}

static double l1(limn_type type, const void *a, const void *b, size_t count)
{
    double total;

    BY_TYPE(type, total = l1_body(T, a, b, count));
    return total;
}

INLINE void l1_back_body(int type, void *da, void *db, const void *a, const void *b, size_t count,
                         float g, bool accumulate_a, bool accumulate_b)
{
    INDEPENDENT
    for (size_t i = 0; i < count; i++) {
        float d = get(type, a, i) - get(type, b, i), v = d > 0 ? g : d < 0 ? -g : d == 0 ? 0 : d;

        if (da) give(type, da, i, v, accumulate_a);
        if (db) give(type, db, i, -v, accumulate_b);
    }
}

static void l1_back(limn_type type, void *da, void *db, const void *a, const void *b, size_t count,
                    float g, bool accumulate_a, bool accumulate_b)
{
    if (db)
        BY_TYPE(type, l1_back_body(T, da, db, a, b, count, g, accumulate_a, accumulate_b));
    else if (accumulate_a)
        BY_TYPE(type, l1_back_body(T, da, NULL, a, b, count, g, true, false));
    else
        BY_TYPE(type, l1_back_body(T, da, NULL, a, b, count, g, false, false));
}

INLINE float gan_value(int form, float sign, float x)
{
    float z = sign * x, d = x - (1 + sign) / 2;

    switch (form) {
    case LIMN_GAN_FORM_SOFTPLUS:
        return (z < 0 ? -z : 0) + log_one_plus(exponential(-fabsf(z)));
    case LIMN_GAN_FORM_SQUARE:
        return d * d;
    case LIMN_GAN_FORM_HINGE:
        return z < 1 ? 1 - z : 0;
    default:
        return -z;
    }
}

INLINE float gan_slope(int form, float sign, float x)
{
    float z = sign * x;

    switch (form) {
    case LIMN_GAN_FORM_SOFTPLUS:
        return -sign / (1 + exponential(z));
    case LIMN_GAN_FORM_SQUARE:
        return 2 * (x - (1 + sign) / 2);
    case LIMN_GAN_FORM_HINGE:
        return z < 1 ? -sign : 0;
    default:
        return -sign;
    }
}

/* statement is compiled with F as a constant. */
#define FORM_CASE(name, statement)                                                                 \
    case LIMN_GAN_FORM_##name: {                                                                   \
        enum { F = LIMN_GAN_FORM_##name };                                                         \
        statement;                                                                                 \
        break;                                                                                     \
    }
#define BY_FORM(form, statement)                                                                   \
    switch (form) {                                                                                \
        FORM_CASE(SOFTPLUS, statement)                                                             \
        FORM_CASE(SQUARE, statement)                                                               \
        FORM_CASE(HINGE, statement)                                                                \
        FORM_CASE(LINE, statement)                                                                 \
    }

INLINE double gan_body(int type, const void *x, size_t count, int form, float sign)
{
    double total = 0;

    SUM_RUNS(total, count, gan_value(form, sign, get(type, x, i)))
    return total;
}

static double gan(limn_type type, const void *x, size_t count, int form, float sign)
{
    double total = 0;

    BY_TYPE(type, BY_FORM(form, total = gan_body(T, x, count, F, sign)));
    return total;
}

INLINE void gan_back_body(int type, void *dx, const void *x, size_t count, int form, float sign,
                          float g, bool accumulate)
{
    INDEPENDENT
    for (size_t i = 0; i < count; i++)
        give(type, dx, i, g * gan_slope(form, sign, get(type, x, i)), accumulate);
}

static void gan_back(limn_type type, void *dx, const void *x, size_t count, int form, float sign,
                     float g, bool accumulate)
{
    if (accumulate)
        BY_TYPE(type, BY_FORM(form, gan_back_body(T, dx, x, count, F, sign, g, true)));
    else
        BY_TYPE(type, BY_FORM(form, gan_back_body(T, dx, x, count, F, sign, g, false)));
}

/* ---- Adam, and moving ------------------------------------------------------------------------ */

/* Four streams to read and three to write: the processor's own guesses of what comes next fall
 * behind, so every line is asked for 4 KiB ahead: an eighth faster (42.4 and 34.9 ms became 35.4
 * and 31.2 in a step of pix2pix). */
enum { ADAM_STRIP = 64, ADAM_AHEAD = 1024 };

static void adam(float *restrict p, const float *restrict g, float *restrict m, float *restrict v,
                 size_t count, const limn_adam_numbers *numbers)
{
    const limn_adam_numbers a = *numbers;
    const float rest1 = 1 - a.beta1, rest2 = 1 - a.beta2;

    for (size_t begin = 0; begin < count; begin += ADAM_STRIP) {
        size_t end = count - begin < ADAM_STRIP ? count : begin + ADAM_STRIP;

        for (size_t i = begin + ADAM_AHEAD; i < begin + ADAM_AHEAD + ADAM_STRIP && i < count;
             i += 16) {
            __builtin_prefetch(p + i, 1);
            __builtin_prefetch(g + i, 0);
            __builtin_prefetch(m + i, 1);
            __builtin_prefetch(v + i, 1);
        }
        for (size_t i = begin; i < end; i++) {
            float slope = g[i], first = a.beta1 * m[i] + rest1 * slope;
            float second = a.beta2 * v[i] + rest2 * slope * slope;

            m[i] = first;
            v[i] = second;
            p[i] -= a.rate * first / (sqrtf(second) * a.root + a.eps);
        }
    }
}

INLINE void move_body(int type, void *to, size_t to_stride, const void *source, size_t from_stride,
                      size_t pixels, size_t run, bool accumulate)
{
    for (size_t p = 0; p < pixels; p++) {
        INDEPENDENT
        for (size_t k = 0; k < run; k++)
            give(type, to, p * to_stride + k, get(type, source, p * from_stride + k), accumulate);
    }
}

/* One channel at a time from or to an interleaved layout: the loop over pixels is the long one. */
INLINE void move_channel(int type, void *to, size_t to_stride, const void *source,
                         size_t from_stride, size_t pixels, bool accumulate)
{
    INDEPENDENT
    for (size_t p = 0; p < pixels; p++)
        give(type, to, p * to_stride, get(type, source, p * from_stride), accumulate);
}

INLINE void move_shapes(int type, void *to, size_t to_stride, const void *source,
                        size_t from_stride, size_t pixels, size_t run, bool accumulate)
{
    if (to_stride == run && from_stride == run)
        move_body(type, to, 0, source, 0, 1, pixels * run, accumulate);
    else if (run == 3 && to_stride == 6 && from_stride == 3) /* two pictures side by side */
        move_body(type, to, 6, source, 3, pixels, 3, accumulate);
    else if (run == 3 && to_stride == 3 && from_stride == 6)
        move_body(type, to, 3, source, 6, pixels, 3, accumulate);
    else if (run == 1)
        move_channel(type, to, to_stride, source, from_stride, pixels, accumulate);
    else if (run == 16)
        move_body(type, to, to_stride, source, from_stride, pixels, 16, accumulate);
    else
        move_body(type, to, to_stride, source, from_stride, pixels, run, accumulate);
}

static void move_runs(limn_type type, void *to, size_t to_stride, const void *source,
                      size_t from_stride, size_t pixels, size_t run, bool accumulate)
{
    if (accumulate)
        BY_TYPE(type, move_shapes(T, to, to_stride, source, from_stride, pixels, run, true));
    else
        BY_TYPE(type, move_shapes(T, to, to_stride, source, from_stride, pixels, run, false));
}

#include "op/kernels_norm.h"

#define TEXT_OF(name) #name
#define TEXT(name) TEXT_OF(name)

const limn_kernels LIMN_KERNELS = {
    .name = &TEXT(LIMN_KERNELS)[sizeof "limn_kernels_" - 1],
    .activate = activate,
    .activate_back = activate_back,
    .scale = scale,
    .add = add,
    .multiply = multiply,
    .dropout = dropout_run,
    .dropout_block16 = dropout_block16,
    .dropout_mask = dropout_mask,
    .dropout_tile = dropout_tile,
    .moments = moments,
    .normalise = normalise,
    .norm_sums = norm_sums,
    .norm_back = norm_back,
    .l1 = l1,
    .l1_back = l1_back,
    .gan = gan,
    .gan_back = gan_back,
    .adam = adam,
    .move_runs = move_runs,
};
