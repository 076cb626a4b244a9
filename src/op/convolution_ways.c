/* SPDX-License-Identifier: Apache-2.0
 *
 * The ways to compute a convolution that are worth a measurement, and the rule without one.
 *
 * The list is short on purpose: each way costs a few runs when a training starts.  Measured and
 * left out: a matrix product for maps of 2x2 to 8x8 (1.1 to 1.3 times faster with weights packed
 * for it, but then the weights have two layouts; with plain ones no faster); channels-last copies
 * for every layer (never faster for a stride of 1).
 *
 * Our own tiles are the rule on AVX-512 from 16x16 pixels and 64 channels on, where they take half
 * the time of the direct way and less than oneDNN's Winograd (a ResNet on 64x64 pictures: 17 ms, 30
 * with Winograd, 44 directly; on 128x128: 50, 70, 117; on 256x256 206 instead of 250); below,
 * transforming the weights takes longer than the convolution, and from 8x8 on they are worth a
 * measurement.
 *
 * In bf16 tiles have fewer results: of 3x3 kernels 4 in 9 multiplications, and of 4x4 about half.
 * Pairs are the rule for both all the same: with AVX512_BF16 on a Zen 4 a pix2pix step takes 190 ms
 * instead of 270 and a cycle_gan step 3.3 s instead of 4.6, and where pairs are multiplied in
 * float32, oneDNN is slower still (a ResNet's picture 1565 ms and 589 with tiles).  Only 3x3 with
 * stride 2, a 4x4 one with zeros, gains nothing with the instruction (5.4 ms and 5.3 directly).
 *
 * Weights' gradients in float32 are our own on AVX-512, of 3x3 and 4x4 kernels on all maps and of
 * any kernel up to 64 places: all 3x3 and 4x4 layers of pix2pix and CycleGAN that have 32 channels
 * or more were measured faster so, 3x3 with stride 2 place by place, and the update can take them
 * as they are made.  So they are in bf16 where tiles fit, on small maps too (1 ms of a pix2pix
 * step).  Elsewhere, on AVX2 too, for which there is no machine here, they are worth a measurement.
 *
 * Between few channels and many, narrow.c is the rule in float32.  It multiplies in float32 only,
 * so in bf16 oneDNN's first layers are faster where the processor has bf16; its last layers'
 * backward passes are not (6.1 ms instead of 15).  With AMX nothing of that has been measured.
 *
 * In bf16 our loops over AMX's tiles are the rule for weights' gradients wherever they fit: two to
 * four times as fast as oneDNN's, from 1x1 maps of 512 channels to 128x128 of 64.  Without AMX they
 * are the only way up to 64 places, where what counts is that the update can take the gradient as
 * it is made, which a measurement of the gradient alone would not see.
 *
 * oneDNN's Winograd comes second: with fewer than 64 channels its transforms cost as much as its
 * products save, and below 1024 pixels its tiles do not fill the machine. */
#include "base/cpu.h"
#include "op/convolution.h"
#include "op/few.h"
#include "op/gradient.h"
#include "op/subpixel.h"
#include "op/tiles.h"
#include "op/tiles_gradient.h"

enum {
    LEAST_CHANNELS = 64, /* of both sides, for tiles and Winograd */
    WINOGRAD_PIXELS = 1024,
    TILES_LEAST = 64,
    TILES_PIXELS = 256,
    PAIRS_PIXELS = 64
};

/* Multiply-adds that are worth a measurement. */
static const double WORTH = 2e7;

static bool all_float(const limn_tensor *a, const limn_tensor *b)
{
    return a->type == LIMN_F32 && b->type == LIMN_F32;
}

static size_t pixels(limn_shape s)
{
    return (size_t)s.n * (size_t)s.h * (size_t)s.w;
}

/* Multiply-adds of one direction. */
static double work(const limn_tensor *in, const limn_tensor *out, limn_shape w)
{
    size_t a = pixels(in->shape), b = pixels(out->shape);

    return (double)(a < b ? a : b) * (double)limn_count(w);
}

/* Part 1 of a backward call. */
static bool gradient_fits(const limn_call *call, bool transposed, bool tiles)
{
    limn_dnn_conv conv = limn_convolution_describe(call, call->args, transposed, &call->x[0],
                                                   &call->dy[0]);

    conv.direction = LIMN_DNN_BACKWARD_WEIGHTS;
    return tiles ? limn_tiles_gradient_fits(&conv) : limn_gradient_fits(&conv);
}

/* The smaller of two maps' places. */
static size_t places(const limn_tensor *in, const limn_tensor *out)
{
    size_t a = pixels(in->shape), b = pixels(out->shape);

    return a < b ? a : b;
}

/* Whether oneDNN has a Winograd of its own for it. */
static bool winograd_fits(const limn_tensor *in, const limn_tensor *out, limn_shape w,
                          const limn_args *args)
{
    return w.h == 3 && w.w == 3 && args->stride == 1 && args->groups <= 1 && all_float(in, out) &&
           limn_cpu() == LIMN_CPU_AVX512 && in->shape.c % 16 == 0 && out->shape.c % 16 == 0;
}

/* Whether oneDNN computes it with AMX, beside which float32 is slow. */
static bool uses_amx(const limn_tensor *in, const limn_tensor *out)
{
    return !all_float(in, out) && limn_dnn_has_amx();
}

/* Channels enough for transforms to pay. */
static bool is_wide(limn_shape w)
{
    return w.n >= LEAST_CHANNELS && w.c >= LEAST_CHANNELS && limn_cpu() == LIMN_CPU_AVX512;
}

/* Whether products are in float32, so that each that is saved counts. */
static bool is_slow(const limn_tensor *in, const limn_tensor *out)
{
    return all_float(in, out) || !limn_cpu_has_bf16();
}

static bool narrow_is_rule(const limn_tensor *in, const limn_tensor *out, limn_shape w)
{
    return !uses_amx(in, out) && (is_slow(in, out) || w.n < w.c);
}

static bool tiles_are_rule(const limn_tensor *in, const limn_tensor *out, limn_shape w,
                           const limn_args *args)
{
    bool padded = w.h == 3 && args->stride == 2; /* with zeros, to 4x4 */

    return is_wide(w) && places(in, out) >= TILES_PIXELS && (is_slow(in, out) || !padded);
}

/* Forward, or the gradient of x[0]. */
static int map_ways(const limn_call *call, bool transposed, limn_method *ways)
{
    const limn_tensor *in = call->backward ? &call->dx[0] : &call->x[0];
    const limn_tensor *out = call->backward ? &call->dy[0] : &call->y[0];
    const limn_args *args = call->args;
    const limn_tensor *from = call->backward ? out : in, *to = call->backward ? in : out;
    limn_shape w = call->x[1].shape;
    bool winograd = winograd_fits(in, out, w, args);
    bool large = is_wide(w) && pixels(out->shape) >= WINOGRAD_PIXELS;
    bool blocks = in->block != in->shape.c || out->block != out->shape.c;
    bool tiles = places(in, out) >= TILES_LEAST && work(in, out, w) >= WORTH &&
                 (call->backward || call->activation <= LIMN_ACTIVATION_RELU) &&
                 !call->residual.shape.n &&
                 limn_tiles_fits(from, to, w, args, transposed != call->backward);
    bool first = tiles_are_rule(in, out, w, args);
    bool narrow = limn_convolution_is_narrow(call, args, transposed, 0);
    bool narrow_first = narrow && narrow_is_rule(in, out, w);
    int count = 0;

    if (!call->backward && transposed && limn_subpixel_fits(call))
        ways[count++] = LIMN_METHOD_SUBPIXEL;
    if ((!call->backward && !transposed && limn_few_fits(call)) || narrow_first)
        ways[count++] = LIMN_METHOD_FEW;
    if (tiles && first) ways[count++] = LIMN_METHOD_TILES;
    if (winograd && large) ways[count++] = LIMN_METHOD_WINOGRAD;
    ways[count++] = LIMN_METHOD_DIRECT;
    if (work(in, out, w) < WORTH) return 1;
    if (winograd && !large) ways[count++] = LIMN_METHOD_WINOGRAD;
    if (tiles && !first) ways[count++] = LIMN_METHOD_TILES;
    if (narrow && !narrow_first) ways[count++] = LIMN_METHOD_FEW;
    if (blocks && args->stride > 1) ways[count++] = LIMN_METHOD_CHANNELS_LAST;
    return count;
}

/* The gradient of the weights. */
static int gradient_ways(const limn_call *call, bool transposed, limn_method *ways)
{
    const limn_tensor *in = &call->x[0], *out = &call->dy[0];
    const limn_args *args = call->args;
    limn_shape w = call->dx[1].shape;
    bool winograd = winograd_fits(in, out, w, args);
    bool large = is_wide(w) && pixels(out->shape) >= WINOGRAD_PIXELS;
    bool blocks = in->block != in->shape.c || out->block != out->shape.c;
    bool small = places(in, out) <= PAIRS_PIXELS;
    bool half = gradient_fits(call, transposed, false);
    bool amx = half && limn_gradient_method() == LIMN_METHOD_AMX;
    bool tiles = gradient_fits(call, transposed, true);
    bool first = tiles && (small || w.h == 3 || w.h == 4) && limn_cpu() == LIMN_CPU_AVX512;
    bool narrow = limn_convolution_is_narrow(call, args, transposed, 1);
    bool narrow_first = narrow && narrow_is_rule(in, out, w);
    int count = 0;

    if (narrow_first) ways[count++] = LIMN_METHOD_FEW;
    if (first) {
        ways[count++] = LIMN_METHOD_TILES;
        if (small) return count;
    }
    if (winograd && large) ways[count++] = LIMN_METHOD_WINOGRAD;
    if (half && (amx || small)) {
        ways[count++] = limn_gradient_method();
        if (!amx) return count;
    }
    ways[count++] = LIMN_METHOD_DIRECT;
    if (work(in, out, w) < WORTH) return 1;
    if (half && !amx && !small) ways[count++] = LIMN_METHOD_PAIRS;
    if (tiles && !first) ways[count++] = LIMN_METHOD_TILES;
    if (winograd && !large) ways[count++] = LIMN_METHOD_WINOGRAD;
    if (narrow && !narrow_first) ways[count++] = LIMN_METHOD_FEW;
    if (blocks && args->stride > 1) ways[count++] = LIMN_METHOD_CHANNELS_LAST;
    return count;
}

int limn_convolution_ways(const limn_call *call, bool transposed, int part, limn_method *ways)
{
    return call->backward && part ? gradient_ways(call, transposed, ways)
                                  : map_ways(call, transposed, ways);
}
