/* SPDX-License-Identifier: Apache-2.0
 *
 * oneDNN behind dnn.h against loops in double that are written here from the formula: every
 * direction, every layout, float and bfloat16, and everything that can be asked for around the
 * convolution. */
#include "dnn_shapes.h"

#include <math.h>

/* One problem: the numbers in double, plain. */
typedef struct problem {
    limn_dnn_conv conv;
    double *x, *y, *w, *bias; /* in and, for what the direction writes, the old content */
    double *want, *want_bias;
    limn_arena arena;
} problem;

static unsigned long long state = 1;

static double draw(bool bf16)
{
    float v;

    state = state * 6364136223846793005ull + 1442695040888963407ull;
    v = (float)((double)(state >> 40) / (1 << 24) - 0.5);
    return bf16 ? limn_from_bf16(limn_to_bf16(v)) : v;
}

static double *draw_many(limn_arena *arena, size_t count, bool bf16)
{
    double *v = take(arena, count * sizeof *v);

    for (size_t i = 0; i < count; i++) v[i] = draw(bf16);
    return v;
}

static size_t weight_count(const limn_dnn_conv *c)
{
    return (size_t)c->y.shape.c * (size_t)(c->x.shape.c / c->groups) *
           (size_t)(c->kernel_h * c->kernel_w);
}

static double activated(const limn_dnn_conv *c, double v)
{
    switch (c->activation) {
    case LIMN_ACTIVATION_NONE:
        return v;
    case LIMN_ACTIVATION_LEAKY:
        return v > 0 ? v : c->slope * v;
    case LIMN_ACTIVATION_RELU:
        return v > 0 ? v : 0;
    case LIMN_ACTIVATION_RELU6:
        return v < 0 ? 0 : v > 6 ? 6 : v;
    case LIMN_ACTIVATION_TANH:
        return tanh(v);
    case LIMN_ACTIVATION_SIGMOID:
        return 1 / (1 + exp(-v));
    }
    return NAN;
}

/* The formula: every product x * w once, added to what the direction writes. */
static void reference(problem *p)
{
    const limn_dnn_conv *c = &p->conv;
    limn_shape xs = c->x.shape, ys = c->y.shape;
    int i_group = xs.c / c->groups, o_group = ys.c / c->groups;
    bool forward = c->direction == LIMN_DNN_FORWARD, data = c->direction == LIMN_DNN_BACKWARD_DATA;
    size_t count = forward ? limn_count(ys) : data ? limn_count(xs) : weight_count(c);
    const double *old = forward ? p->y : data ? p->x : p->w;

    p->want = take(&p->arena, count * sizeof *p->want);
    p->want_bias = take(&p->arena, (size_t)ys.c * sizeof *p->want_bias);
    for (int n = 0; n < ys.n; n++)
        for (int o = 0; o < ys.c; o++)
            for (int h = 0; h < ys.h; h++)
                for (int w = 0; w < ys.w; w++) {
                    size_t iy = (((size_t)n * (size_t)ys.c + (size_t)o) * (size_t)ys.h +
                                 (size_t)h) *
                                    (size_t)ys.w +
                                (size_t)w;

                    p->want_bias[o] += p->y[iy];
                    for (int i = 0; i < i_group; i++)
                        for (int kh = 0; kh < c->kernel_h; kh++)
                            for (int kw = 0; kw < c->kernel_w; kw++) {
                                int xh = h * c->stride_h - c->pad_top + kh;
                                int xw = w * c->stride_w - c->pad_left + kw;
                                int xc = o / o_group * i_group + i;
                                size_t ix = (((size_t)n * (size_t)xs.c + (size_t)xc) *
                                                 (size_t)xs.h +
                                             (size_t)xh) *
                                                (size_t)xs.w +
                                            (size_t)xw;
                                size_t iw = (((size_t)o * (size_t)i_group + (size_t)i) *
                                                 (size_t)c->kernel_h +
                                             (size_t)kh) *
                                                (size_t)c->kernel_w +
                                            (size_t)kw;

                                if (xh < 0 || xh >= xs.h || xw < 0 || xw >= xs.w) continue;
                                if (forward)
                                    p->want[iy] += p->x[ix] * p->w[iw];
                                else if (data)
                                    p->want[ix] += p->y[iy] * p->w[iw];
                                else
                                    p->want[iw] += p->y[iy] * p->x[ix];
                            }
                }
    for (size_t k = 0; k < count; k++) {
        limn_shape out = forward ? ys : xs;
        size_t channel = k / (size_t)(out.h * out.w) % (size_t)out.c;

        if (c->add_to_output) p->want[k] += old[k];
        if (forward || data) {
            if (c->bias) p->want[k] += p->bias[channel];
            p->want[k] = activated(c, p->want[k]);
        }
    }
    if (c->add_to_output)
        for (int o = 0; o < ys.c; o++) p->want_bias[o] += p->bias[o];
}

static void store(limn_tensor *t, const double *from)
{
    limn_shape s = t->shape;

    for (int n = 0; n < s.n; n++)
        for (int c = 0; c < s.c; c++)
            for (int h = 0; h < s.h; h++)
                for (int w = 0; w < s.w; w++) {
                    size_t at = limn_at(t, n, c, h, w);

                    if (t->type == LIMN_BF16)
                        ((uint16_t *)t->data)[at] = limn_to_bf16((float)*from++);
                    else
                        ((float *)t->data)[at] = (float)*from++;
                }
}

static double load(const limn_tensor *t, size_t index)
{
    limn_shape s = t->shape;
    int w = (int)(index % (size_t)s.w), h = (int)(index / (size_t)s.w % (size_t)s.h);
    int c = (int)(index / (size_t)(s.w * s.h) % (size_t)s.c);
    size_t at = limn_at(t, (int)(index / (size_t)(s.w * s.h) / (size_t)s.c), c, h, w);

    return t->type == LIMN_BF16 ? limn_from_bf16(((uint16_t *)t->data)[at])
                                : ((float *)t->data)[at];
}

static void compare(const char *what, const limn_dnn_primitive *primitive, const double *want,
                    const double *got, size_t count, double tolerance)
{
    double error = 0, size = 0;

    for (size_t i = 0; i < count; i++) {
        error += (got[i] - want[i]) * (got[i] - want[i]);
        size += want[i] * want[i];
    }
    if (!(sqrt(error) <= tolerance * sqrt(size) + 1e-12))
        fail_msg("%s (%s): relative error %g, allowed %g", what, limn_dnn_implementation(primitive),
                 sqrt(error / size), tolerance);
}

/* Moves weights between plain and a layout by the pack primitive. */
static void pack(const limn_dnn_layout *from, const limn_dnn_layout *to, void *in, void *out,
                 limn_arena *arena)
{
    limn_dnn_primitive *packer;
    limn_error error = { 0 };

    if (limn_dnn_pack_create(&packer, from, to, arena, &error)) fail_msg("%s", error.text);
    assert_int_equal(LIMN_OK,
                     limn_dnn_bind(packer, in, NULL, NULL, out,
                                   take(arena, limn_dnn_scratch_bytes(packer) + 1), &error));
    assert_int_equal(LIMN_OK, limn_dnn_run(packer, &error));
    limn_dnn_free(&packer);
    assert_null(packer);
}

enum { FENCE = 64 };
static const unsigned char fence = 0xa5;

static void *fenced(limn_arena *arena, size_t bytes)
{
    unsigned char *memory = take(arena, bytes + FENCE);

    memset(memory + bytes, fence, FENCE);
    return memory;
}

static void assert_fence(const void *memory, size_t bytes)
{
    for (size_t i = 0; i < FENCE; i++)
        assert_int_equal(fence, ((const unsigned char *)memory)[bytes + i]);
}

/* Runs a problem twice (the second run must give the same where nothing accumulates) and compares.
 * extra: elements between pictures of x and y, as in a range of channels of a bigger map. */
static void solve(const char *name, limn_dnn_conv conv, size_t extra_x, size_t extra_y)
{
    static const char *const directions[] = { "forward", "backward data", "backward weights" };
    problem p = { .conv = conv };
    limn_dnn_conv *c = &p.conv;
    bool bf16 = conv.weight_type == LIMN_BF16,
         weights = conv.direction == LIMN_DNN_BACKWARD_WEIGHTS;
    bool forward = conv.direction == LIMN_DNN_FORWARD;
    size_t w_count = weight_count(c), out_count, bias_count;
    limn_dnn_primitive *primitive;
    limn_dnn_layout *plain;
    limn_error error = { 0 };
    float *w_plain, *bias;
    void *w_packed, *scratch;
    double *got, tolerance = bf16 && !weights ? 1e-2 : bf16 ? 2e-3 : 1e-5;
    char what[200];

    snprintf(what, sizeof what,
             "%s, %s, %s to %s, bias %d, add %d, activation %d, strides +%zu +%zu", name,
             directions[conv.direction], limn_type_name(conv.x.type), limn_type_name(conv.y.type),
             conv.bias, conv.add_to_output, (int)conv.activation, extra_x, extra_y);
    limn_arena_open(&p.arena, "test", 1 << 20);
    c->x.batch_stride += extra_x;
    c->y.batch_stride += extra_y;
    p.x = draw_many(&p.arena, limn_count(c->x.shape), bf16);
    p.y = draw_many(&p.arena, limn_count(c->y.shape), bf16);
    p.w = draw_many(&p.arena, w_count, bf16);
    bias_count = (size_t)(conv.direction == LIMN_DNN_BACKWARD_DATA ? c->x.shape.c : c->y.shape.c);
    p.bias = draw_many(&p.arena, bias_count, false);
    reference(&p);

    if (limn_dnn_create(&primitive, c, NULL, &p.arena, &error)) fail_msg("%s", error.text);
    assert_int_equal(LIMN_OK, limn_dnn_layout_plain(&plain, c, &p.arena, &error));
    assert_string_equal("plain", limn_dnn_layout_name(plain));
    assert_int_equal(w_count * sizeof(float), limn_dnn_layout_bytes(plain));

    c->x.data = fenced(&p.arena, map_bytes(&c->x));
    c->y.data = fenced(&p.arena, map_bytes(&c->y));
    store(&c->x, p.x);
    store(&c->y, p.y);
    w_plain = fenced(&p.arena, w_count * sizeof *w_plain);
    for (size_t i = 0; i < w_count; i++) w_plain[i] = (float)p.w[i];
    w_packed = fenced(&p.arena, limn_dnn_layout_bytes(limn_dnn_weights(primitive)));
    pack(plain, limn_dnn_weights(primitive), w_plain, w_packed, &p.arena);
    bias = fenced(&p.arena, bias_count * sizeof *bias);
    for (size_t i = 0; i < bias_count; i++) bias[i] = (float)p.bias[i];
    scratch = fenced(&p.arena, limn_dnn_scratch_bytes(primitive));
    memset(scratch, 0xff,
           limn_dnn_scratch_bytes(primitive)); /* NaN: what is read must be written */

    if (limn_dnn_bind(primitive, c->x.data, w_packed, conv.bias ? bias : NULL, c->y.data, scratch,
                      &error))
        fail_msg("%s", error.text);
    for (int run = conv.add_to_output ? 1 : 0; run < 2; run++)
        if (limn_dnn_run(primitive, &error)) fail_msg("%s", error.text);

    out_count = weights ? w_count : forward ? limn_count(c->y.shape) : limn_count(c->x.shape);
    got = take(&p.arena, out_count * sizeof *got);
    if (weights) {
        memset(w_plain, 0, w_count * sizeof *w_plain);
        pack(limn_dnn_weights(primitive), plain, w_packed, w_plain, &p.arena);
    }
    for (size_t i = 0; i < out_count; i++)
        got[i] = weights ? w_plain[i] : load(forward ? &c->y : &c->x, i);
    compare(what, primitive, p.want, got, out_count, tolerance);
    if (weights && conv.bias) {
        for (size_t i = 0; i < bias_count; i++) got[i] = bias[i];
        compare(what, primitive, p.want_bias, got, bias_count, tolerance);
    }
    assert_fence(c->x.data, map_bytes(&c->x));
    assert_fence(c->y.data, map_bytes(&c->y));
    assert_fence(w_packed, limn_dnn_layout_bytes(limn_dnn_weights(primitive)));
    assert_fence(w_plain, w_count * sizeof *w_plain);
    assert_fence(bias, bias_count * sizeof *bias);
    assert_fence(scratch, limn_dnn_scratch_bytes(primitive));
    limn_dnn_free(&primitive);
    limn_arena_close(&p.arena);
}

static void directions(limn_type type)
{
    static const around arounds[] = { { .bias = false },
                                      { .bias = true },
                                      { .bias = true, .add = true } };

    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int d = LIMN_DNN_FORWARD; d <= LIMN_DNN_BACKWARD_WEIGHTS; d++)
            for (size_t a = 0; a < sizeof arounds / sizeof *arounds; a++)
                solve(shapes[s].name,
                      convolution(&shapes[s], (limn_dnn_direction)d, type, &arounds[a]), 0, 0);
}

static void test_directions_f32(void **unused)
{
    (void)unused;
    directions(LIMN_F32);
}

/* The other ways to the same numbers, wherever oneDNN takes them: alone, with bias, added. */
static void test_methods(void **unused)
{
    static const limn_method methods[] = { LIMN_METHOD_WINOGRAD, LIMN_METHOD_CHANNELS_LAST };
    static const shape large = {
        "many tiles", 2, 32, 21, 34, 48, 3, 3, 1, 1, 0, 0, 0, 0, 1, 16, 16
    };
    static const around arounds[] = { { .bias = false }, { .bias = true }, { .add = true } };

    (void)unused;
    for (size_t m = 0; m < sizeof methods / sizeof *methods; m++)
        for (size_t s = 0; s <= sizeof shapes / sizeof *shapes; s++)
            for (int d = LIMN_DNN_FORWARD; d <= LIMN_DNN_BACKWARD_WEIGHTS; d++)
                for (size_t a = 0; a < sizeof arounds / sizeof *arounds; a++) {
                    const shape *on = s < sizeof shapes / sizeof *shapes ? &shapes[s] : &large;
                    limn_dnn_conv c = convolution(on, (limn_dnn_direction)d, LIMN_F32, &arounds[a]);

                    c.method = methods[m];
                    solve(on->name, c, 0, 0);
                }
}

static void test_directions_bf16(void **unused)
{
    (void)unused;
    if (!can_bf16()) skip();
    directions(LIMN_BF16);
}

/* F32 at one end of a BF16 network: pictures in, scores and their gradients out. */
static void test_mixed_types(void **unused)
{
    static const around a = { .bias = true };

    (void)unused;
    if (!can_bf16()) skip();
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int d = LIMN_DNN_FORWARD; d <= LIMN_DNN_BACKWARD_WEIGHTS; d++)
            for (int which = 0; which < 2; which++) {
                limn_dnn_conv c = convolution(&shapes[s], (limn_dnn_direction)d, LIMN_BF16, &a);

                if (which)
                    c.x.type = LIMN_F32;
                else
                    c.y.type = LIMN_F32;
                solve(shapes[s].name, c, 0, 0);
            }
}

static void test_activations(void **unused)
{
    static const shape *const on[] = { &shapes[0], &shapes[2], &shapes[5], &shapes[9] };

    (void)unused;
    for (size_t s = 0; s < sizeof on / sizeof *on; s++)
        for (int type = 0; type < (can_bf16() ? 2 : 1); type++)
            for (int activation = LIMN_ACTIVATION_LEAKY; activation <= LIMN_ACTIVATION_SIGMOID;
                 activation++)
                for (int add = 0; add < 2; add++) {
                    around a = { .bias = true,
                                 .add = add,
                                 .inference = add,
                                 .activation = (limn_activation)activation,
                                 .slope = 0.2f };

                    solve(on[s]->name,
                          convolution(on[s], LIMN_DNN_FORWARD, type ? LIMN_BF16 : LIMN_F32, &a), 0,
                          0);
                    if (!add) /* a transposed convolution's end */
                        solve(on[s]->name,
                              convolution(on[s], LIMN_DNN_BACKWARD_DATA,
                                          type ? LIMN_BF16 : LIMN_F32, &a),
                              0, 0);
                }
}

/* Large values reach RELU6's upper corner and the flat ends of tanh in our own loop. */
static void test_tail_range(void **unused)
{
    static const shape s = { "large values", 1, 32, 5, 5, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1, -1, -1 };

    (void)unused;
    for (int activation = LIMN_ACTIVATION_NONE; activation <= LIMN_ACTIVATION_SIGMOID;
         activation++) {
        around a = { .bias = true, .activation = (limn_activation)activation, .slope = 0.2f };
        limn_dnn_conv c = convolution(&s, LIMN_DNN_BACKWARD_DATA, LIMN_F32, &a);
        limn_arena arena = { 0 };
        limn_dnn_primitive *primitive;
        limn_error error = { 0 };
        size_t count = limn_count(c.x.shape);
        float *x, *y, *w, bias[32];

        limn_arena_open(&arena, "test", 0);
        assert_int_equal(LIMN_OK, limn_dnn_create(&primitive, &c, NULL, &arena, &error));
        x = take(&arena, count * sizeof *x);
        y = take(&arena, limn_count(c.y.shape) * sizeof *y); /* zero: the result is the bias */
        w = take(&arena, limn_dnn_layout_bytes(limn_dnn_weights(primitive)));
        for (int i = 0; i < 32; i++) bias[i] = (float)((i - 16) * fabs((double)i - 16) / 2.5);
        bias[16] = 1e-4f;
        assert_int_equal(LIMN_OK, limn_dnn_bind(primitive, x, w, bias, y,
                                                take(&arena, limn_dnn_scratch_bytes(primitive) + 1),
                                                &error));
        assert_int_equal(LIMN_OK, limn_dnn_run(primitive, &error));
        for (size_t i = 0; i < count; i++) {
            double want = activated(&c, bias[i % 32]);

            if (!(fabs(x[i] - want) <= 1e-6 * fabs(want) + 1e-30))
                fail_msg("activation %d of %g is %.9g, not %.9g", activation, (double)bias[i % 32],
                         (double)x[i], want);
        }
        limn_dnn_free(&primitive);
        limn_arena_close(&arena);
    }
}

/* A map that is a range of channels in a bigger one. */
static void test_strided_batch(void **unused)
{
    static const int on[] = { 1, 6, 8, 10 };
    static const around arounds[] = { { .bias = true }, { .add = true } };

    (void)unused;
    for (size_t s = 0; s < sizeof on / sizeof *on; s++)
        for (int d = LIMN_DNN_FORWARD; d <= LIMN_DNN_BACKWARD_WEIGHTS; d++)
            for (int type = 0; type < (can_bf16() ? 2 : 1); type++)
                for (int a = 0; a < 2; a++)
                    for (int which = 1; which < 4; which++) {
                        limn_dnn_conv c = convolution(&shapes[on[s]], (limn_dnn_direction)d,
                                                      type ? LIMN_BF16 : LIMN_F32, &arounds[a]);

                        solve(shapes[on[s]].name, c,
                              which & 1 ? (size_t)(c.x.shape.h * c.x.shape.w) * 32 : 0,
                              which & 2 ? (size_t)(c.y.shape.h * c.y.shape.w) * 16 : 0);
                    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_directions_f32), cmocka_unit_test(test_directions_bf16),
        cmocka_unit_test(test_mixed_types),    cmocka_unit_test(test_activations),
        cmocka_unit_test(test_tail_range),     cmocka_unit_test(test_strided_batch),
        cmocka_unit_test(test_methods),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
