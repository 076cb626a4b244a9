/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolution in whole numbers: eight-bit features, eight-bit weights, sums of 32 bits.
 *
 *     q = clip(round(f(x) * factor) + zero, 0, 255)
 *     y[n,o] = scale[o] * (sum over i, a, b of w[o,i,a,b] * q[n,i,...]) + shift[o]
 *
 * The features are made into bytes where they are read, so that the maps between convolutions stay
 * float32 or bfloat16: norms with a picture's own statistics, residual sums and skips need no rules
 * of their own, and the pass costs a twentieth of the convolution.  What stands in front of a
 * convolution is read through on the way, since the pass is there anyway: an activation f (none,
 * ReLU, leaky), a concatenation (the pieces lie side by side) and padding by reflection.
 *
 * Bytes are unsigned with a zero of their own: `zero` stands for 0.  After a ReLU it is 0 and all
 * 255 steps are for positive numbers; a leaky ReLU's few negative ones take a fifth of the range
 * instead of half.  Padding by zeros is padding by `zero`, which the pass writes around the map, so
 * every output sees the same number of taps and -scale * zero * (sum of the weights) is one number
 * an output.  It is part of shift, and so are bias and folded norm; a norm's factor is in scale.
 * Signed bytes with oneDNN's compensation were dropped: half the range is lost, and the layout of
 * such weights cannot be described in oneDNN 3.
 *
 * A transposed convolution (stride 2) is one with 2x2 taps whose outputs are the four phases of a
 * map of twice the size (subpixel.c), `doubled`:
 *
 *     y[o, 2h + a, 2v + b] = the convolution's output (phase (a, b), o) at h + a, v + b
 *
 * so that its zero stands for 0 everywhere, while a transposed convolution proper sees fewer taps
 * at the border than inside.
 *
 * Weights are whole numbers, -127 to 127, as I8 (float32 is read too: the checkers have that).
 * There is no backward pass: training is never in int8. */
#include "op/conv_int8.h"
#include "op/shapes.h"

#include <math.h>

static limn_status shape(limn_shape *y, const limn_shape *x, int inputs, const limn_args *args,
                         limn_error *error)
{
    limn_shape w = x[LIMN_INT8_WEIGHT], map = x[0];
    bool reflects = args->mode != LIMN_PAD_ZERO;

    LIMN_TRY(limn_shape_inputs(x, inputs, LIMN_INT8_BESIDE, LIMN_INPUTS_MAX, error));
    for (int i = LIMN_INT8_BESIDE; i < inputs; i++) {
        if (x[i].n != x[0].n || x[i].h != x[0].h || x[i].w != x[0].w)
            return limn_fail(error, LIMN_SHAPE, "maps side by side have to be of one size");
        map.c += x[i].c;
    }
    if (w.c != map.c)
        return limn_fail(error, LIMN_SHAPE, "the weights read %d channels, but the input has %d",
                         w.c, map.c);
    LIMN_TRY(limn_shape_vector(x[LIMN_INT8_SCALE], w.n, "scale", error));
    LIMN_TRY(limn_shape_vector(x[LIMN_INT8_SHIFT], w.n, "shift", error));
    if (args->zero < 0 || args->zero > 255)
        return limn_fail(error, LIMN_SETTING, "%d cannot stand for 0 in a byte", args->zero);
    if (args->head != LIMN_ACTIVATION_NONE && args->head != LIMN_ACTIVATION_RELU &&
        args->head != LIMN_ACTIVATION_LEAKY)
        return limn_fail(error, LIMN_SETTING, "only ReLU and leaky ReLU are read through");
    if (reflects && (args->pad_top >= map.h || args->pad_bottom >= map.h ||
                     args->pad_left >= map.w || args->pad_right >= map.w))
        return limn_fail(error, LIMN_SHAPE, "a map of %dx%d is too small to be reflected", map.h,
                         map.w);
    *y = (limn_shape){ .n = map.n, .c = w.n };
    LIMN_TRY(limn_shape_windows(&y->h, map.h, w.h, args->stride, args->pad_top, args->pad_bottom,
                                "height", error));
    LIMN_TRY(limn_shape_windows(&y->w, map.w, w.w, args->stride, args->pad_left, args->pad_right,
                                "width", error));
    if (!args->doubled) return LIMN_OK;
    if (y->c % 4 || y->h < 2 || y->w < 2)
        return limn_fail(error, LIMN_SHAPE,
                         "four phases cannot be taken from a map of %d channels and %dx%d", y->c,
                         y->h, y->w);
    *y = (limn_shape){ y->n, y->c / 4, 2 * (y->h - 1), 2 * (y->w - 1) };
    return LIMN_OK;
}

int limn_int8_source(int at, int size, int mode)
{
    if (at >= 0 && at < size) return at;
    if (mode == LIMN_PAD_ZERO) return -1;
    if (mode == LIMN_PAD_REPLICATE) return at < 0 ? 0 : size - 1;
    return at < 0 ? -at : 2 * (size - 1) - at;
}

/* The byte that a value becomes; rounding to the nearest, ties to even. */
static int byte_of(const limn_args *args, float x)
{
    float v = limn_activation_value((limn_activation)args->head, args->slope, x);

    v = rintf(v * args->factor) + (float)args->zero;
    return v > 0 ? v < 255 ? (int)v : 255 : 0;
}

static int weight_at(const limn_tensor *w, size_t i)
{
    return w->type == LIMN_I8 ? ((const int8_t *)w->data)[i] : (int)((const float *)w->data)[i];
}

/* Sum of products at one place of the output. */
static int32_t sum_at(const limn_call *call, int n, int o, int top, int left)
{
    const limn_args *args = call->args;
    const limn_tensor *w = &call->x[LIMN_INT8_WEIGHT];
    size_t at = (size_t)o * (size_t)w->shape.c * (size_t)w->shape.h * (size_t)w->shape.w;
    int32_t sum = 0;

    for (int p = 0; p < limn_int8_pieces(call); p++) {
        const limn_tensor *x = limn_int8_piece(call, p);

        for (int c = 0; c < x->shape.c; c++)
            for (int a = 0; a < w->shape.h; a++) {
                int row = limn_int8_source(top + a, x->shape.h, args->mode);

                for (int b = 0; b < w->shape.w; b++, at++) {
                    int column = limn_int8_source(left + b, x->shape.w, args->mode);
                    int q = args->zero;

                    if (row >= 0 && column >= 0)
                        q = byte_of(args, ((const float *)x->data)[limn_at(x, n, c, row, column)]);
                    sum += q * weight_at(w, at);
                }
            }
    }
    return sum;
}

/* One plane of the output is a unit of work. */
static void planes(void *context, size_t begin, size_t end, int part)
{
    const limn_call *call = context;
    const limn_args *args = call->args;
    const limn_tensor *y = &call->y[0];
    const float *scale = call->x[LIMN_INT8_SCALE].data, *shift = call->x[LIMN_INT8_SHIFT].data;

    (void)part;
    for (size_t unit = begin; unit < end; unit++) {
        int n = (int)(unit / (size_t)y->shape.c), o = (int)(unit % (size_t)y->shape.c);

        for (int h = 0; h < y->shape.h; h++)
            for (int w = 0; w < y->shape.w; w++) {
                int a = h & 1, b = w & 1, row = h, column = w, output = o;
                int32_t sum;

                if (args->doubled) {
                    row = h / 2 + a;
                    column = w / 2 + b;
                    output = (a * 2 + b) * y->shape.c + o;
                }
                sum = sum_at(call, n, output, row * args->stride - args->pad_top,
                             column * args->stride - args->pad_left);
                ((float *)y->data)[limn_at(y, n, o, h, w)] = scale[output] * (float)sum +
                                                             shift[output];
            }
    }
}

static void forward(const limn_call *call)
{
    limn_shape y = call->y[0].shape;

    limn_parallel((size_t)y.n * (size_t)y.c, 1, planes, (void *)(uintptr_t)call);
}

#define PAD(p) .pad_top = (p), .pad_left = (p), .pad_bottom = (p), .pad_right = (p)
#define VECTORS(c)                                                                                 \
    { 1, c, 1, 1 },                                                                                \
    {                                                                                              \
        1, c, 1, 1                                                                                 \
    }

static const limn_op_case cases[] = {
    { { { 1, 1, 1, 1 }, { 1, 1, 1, 1 }, VECTORS(1) }, { .stride = 1, .factor = 100, .zero = 128 } },
    { { { 2, 8, 6, 5 }, { 16, 8, 4, 4 }, VECTORS(16) },
      { .stride = 2,
        PAD(1),
        .factor = 200,
        .zero = 40,
        .head = LIMN_ACTIVATION_LEAKY,
        .slope = 0.2f } },
    { { { 1, 16, 5, 4 }, { 24, 16, 3, 3 }, VECTORS(24) },
      { .stride = 1, PAD(1), .mode = LIMN_PAD_REFLECT, .factor = 127, .zero = 127 } },
    { { { 1, 16, 4, 7 }, { 32, 32, 2, 2 }, VECTORS(32), { 1, 16, 4, 7 } }, /* half of a U-Net */
      { .stride = 1, PAD(1), .factor = 255, .head = LIMN_ACTIVATION_RELU } },
    { { { 2, 32, 2, 2 }, { 16, 32, 4, 4 }, VECTORS(16) }, /* a 1x1 map */
      { .stride = 2, PAD(1), .factor = 250, .zero = 10 } },
    { { { 1, 3, 9, 8 }, { 5, 3, 7, 7 }, VECTORS(5) },
      { .stride = 1, PAD(3), .mode = LIMN_PAD_REPLICATE, .factor = 90, .zero = 120 } },
    { { { 1, 16, 3, 5 }, { 128, 48, 2, 2 }, VECTORS(128), { 1, 32, 3, 5 } },
      { .stride = 1, PAD(1), .factor = 255, .head = LIMN_ACTIVATION_RELU, .doubled = true } },
    { { { 2, 3, 2, 1 }, { 20, 3, 2, 2 }, VECTORS(20) },
      { .stride = 1, PAD(1), .factor = 90, .zero = 77, .doubled = true } },
    { { { 1, 4, 3, 3 }, { 8, 12, 3, 3 }, VECTORS(8), { 1, 6, 3, 3 }, { 1, 2, 3, 3 } },
      { .stride = 1, .factor = 60, .zero = 255 } },
    { { { 0 } }, { 0 } },
};

const limn_op limn_op_conv_int8 = {
    .name = "conv_int8",
    .does = "convolution of bytes: int8 weights, features rounded where they are read",
    .flags = LIMN_OP_TAIL | LIMN_OP_INT8,
    .inputs_min = LIMN_INT8_BESIDE,
    .inputs_max = LIMN_INPUTS_MAX,
    .outputs = 1,
    .kinds = { LIMN_FEATURES, LIMN_WEIGHT, LIMN_VECTOR, LIMN_VECTOR },
    .shape = shape,
    .forward = forward,
    .prepare = limn_conv_int8_prepare,
    .cases = cases,
};
