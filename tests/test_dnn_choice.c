/* SPDX-License-Identifier: Apache-2.0
 *
 * What dnn.h chooses and what it refuses: never a reference implementation for a layer of the
 * networks, no silent use of weights in a slow layout, no leak and no crash when memory is refused,
 * a sentence for everything that does not fit. */
#include "dnn_shapes.h"

/* A layout that is not oneDNN's choice: refused where only slow code takes it, and the same weights
 * after packing give the same result. */
static void test_required_layout(void **unused)
{
    around a = { .bias = false };
    limn_dnn_conv c = convolution(&shapes[0], LIMN_DNN_FORWARD, LIMN_F32, &a);
    limn_dnn_conv other = convolution(&shapes[1], LIMN_DNN_FORWARD, LIMN_F32, &a);
    limn_arena arena = { 0 };
    limn_dnn_layout *plain, *wrong, *like;
    limn_dnn_primitive *chosen, *required;
    limn_error error = { 0 };

    (void)unused;
    limn_arena_open(&arena, "test", 0);
    assert_int_equal(LIMN_OK, limn_dnn_layout_plain(&plain, &c, &arena, &error));
    assert_int_equal(LIMN_OK, limn_dnn_layout_plain(&wrong, &other, &arena, &error));
    assert_int_equal(LIMN_OK, limn_dnn_create(&chosen, &c, NULL, &arena, &error));
    assert_false(limn_dnn_layout_equal(plain, limn_dnn_weights(chosen)));
    assert_false(limn_dnn_layout_equal(plain, wrong));
    assert_true(limn_dnn_layout_equal(plain, plain));

    assert_int_equal(LIMN_OK,
                     limn_dnn_layout_plain_like(&like, limn_dnn_weights(chosen), &arena, &error));
    assert_true(limn_dnn_layout_equal(plain, like));
    assert_int_equal(LIMN_OK,
                     limn_dnn_layout_copy(&like, limn_dnn_weights(chosen), &arena, &error));
    assert_true(limn_dnn_layout_equal(limn_dnn_weights(chosen), like));
    assert_string_equal(limn_dnn_layout_name(limn_dnn_weights(chosen)), limn_dnn_layout_name(like));

    required = chosen;
    assert_int_equal(LIMN_COMPUTE, limn_dnn_create(&required, &c, plain, &arena, &error));
    assert_null(required);
    assert_non_null(strstr(error.text, "layout plain"));
    assert_non_null(strstr(error.text, "1x16x12x12"));
    assert_int_equal(LIMN_SHAPE, limn_dnn_create(&required, &c, wrong, &arena, &error));
    assert_int_equal(LIMN_SHAPE, limn_dnn_pack_create(&required, plain, wrong, &arena, &error));

    assert_int_equal(LIMN_OK,
                     limn_dnn_create(&required, &c, limn_dnn_weights(chosen), &arena, &error));
    assert_true(limn_dnn_layout_equal(limn_dnn_weights(required), limn_dnn_weights(chosen)));
    assert_string_equal(limn_dnn_implementation(required), limn_dnn_implementation(chosen));
    limn_dnn_free(&required);
    limn_dnn_free(&chosen);
    limn_dnn_free(&chosen); /* NULL is fine */
    limn_arena_close(&arena);
}

static void test_refusals(void **unused)
{
    around a = { .bias = true };
    limn_dnn_conv good = convolution(&shapes[0], LIMN_DNN_FORWARD, LIMN_F32, &a), bad;
    limn_arena arena = { 0 };
    limn_dnn_primitive *primitive;
    limn_error error = { 0 };
    float memory[16] = { 0 };

    (void)unused;
    limn_arena_open(&arena, "test", 0);
    bad = good;
    bad.y.shape.h++;
    assert_int_equal(LIMN_SHAPE, limn_dnn_create(&primitive, &bad, NULL, &arena, &error));
    assert_null(primitive);
    bad = good;
    bad.groups = 3;
    assert_int_equal(LIMN_SHAPE, limn_dnn_create(&primitive, &bad, NULL, &arena, &error));
    bad = good;
    bad.x.block = 5;
    assert_int_equal(LIMN_SHAPE, limn_dnn_create(&primitive, &bad, NULL, &arena, &error));
    bad = good;
    bad.x.type = LIMN_U8;
    assert_int_equal(LIMN_COMPUTE, limn_dnn_create(&primitive, &bad, NULL, &arena, &error));
    bad = good;
    bad.kernel_h = 40;
    assert_int_equal(LIMN_SHAPE, limn_dnn_create(&primitive, &bad, NULL, &arena, &error));

    if (limn_cpu() != LIMN_CPU_AVX512) { /* with AVX-512 alone oneDNN emulates bfloat16 */
        bad = convolution(&shapes[0], LIMN_DNN_FORWARD, LIMN_BF16, &a);
        assert_int_equal(LIMN_COMPUTE, limn_dnn_create(&primitive, &bad, NULL, &arena, &error));
        assert_non_null(strstr(error.text, "compute in fp32"));
    }

    assert_int_equal(LIMN_OK, limn_dnn_create(&primitive, &good, NULL, &arena, &error));
    assert_int_equal(LIMN_BUG, limn_dnn_run(primitive, &error));
    assert_int_equal(LIMN_BUG,
                     limn_dnn_bind(primitive, memory, memory, NULL, memory, memory, &error));
    assert_non_null(strstr(error.text, "bias"));
    assert_int_equal(LIMN_BUG, limn_dnn_run(primitive, &error));
    limn_dnn_free(&primitive);
    limn_arena_close(&arena);
}

/* Every refused request is a clean NO_MEMORY, and binding and running request nothing. */
static void test_memory_refused(void **unused)
{
    around a = { .bias = true, .add = true };
    limn_dnn_conv c = convolution(&shapes[3], LIMN_DNN_BACKWARD_WEIGHTS, LIMN_F32, &a);
    size_t live = limn_memory_live_blocks();
    long refused = 0;

    (void)unused;
    for (long n = 0;; n++) {
        limn_arena arena = { 0 };
        limn_dnn_primitive *primitive = NULL, *packer = NULL;
        limn_dnn_layout *plain;
        limn_error error = { 0 };
        limn_status status;

        limn_arena_open(&arena, "test", 64);
        limn_memory_refuse_after(n);
        status = limn_dnn_layout_plain(&plain, &c, &arena, &error);
        if (!status) status = limn_dnn_create(&primitive, &c, NULL, &arena, &error);
        if (!status)
            status = limn_dnn_pack_create(&packer, plain, limn_dnn_weights(primitive), &arena,
                                          &error);
        limn_memory_refuse_after(-1);
        if (status) {
            assert_int_equal(LIMN_NO_MEMORY, status);
            assert_int_equal(LIMN_NO_MEMORY, error.status);
            assert_null(packer);
            refused++;
        } else {
            void *x = take(&arena, map_bytes(&c.x)), *y = take(&arena, map_bytes(&c.y));
            void *w = take(&arena, limn_dnn_layout_bytes(limn_dnn_weights(primitive)));
            void *bias = take(&arena, 16 * sizeof(float));
            void *scratch = take(&arena, limn_dnn_scratch_bytes(primitive) + 1);
            size_t requests = limn_memory_requests();

            assert_int_equal(LIMN_OK, limn_dnn_bind(primitive, x, w, bias, y, scratch, &error));
            assert_int_equal(LIMN_OK, limn_dnn_run(primitive, &error));
            assert_int_equal(requests, limn_memory_requests());
        }
        limn_dnn_free(&primitive);
        limn_dnn_free(&packer);
        limn_arena_close(&arena);
        assert_int_equal(live, limn_memory_live_blocks());
        if (!status) break;
    }
    assert_int_equal(3, refused);
}

/* The layers of the networks as convolutions (of a transposed one: x is its output). */
typedef struct layer {
    const char *name;
    int x_channels, x_size, y_channels, kernel, stride, pad;
} layer;

static const layer layers[] = {
    { "unet d1", 3, 256, 64, 4, 2, 1 },          { "unet d2", 64, 128, 128, 4, 2, 1 },
    { "unet d3", 128, 64, 256, 4, 2, 1 },        { "unet d4", 256, 32, 512, 4, 2, 1 },
    { "unet d5", 512, 16, 512, 4, 2, 1 },        { "unet d6", 512, 8, 512, 4, 2, 1 },
    { "unet d7", 512, 4, 512, 4, 2, 1 },         { "unet d8", 512, 2, 512, 4, 2, 1 },
    { "unet u7", 512, 4, 1024, 4, 2, 1 },        { "unet u4", 256, 32, 1024, 4, 2, 1 },
    { "unet u3", 128, 64, 512, 4, 2, 1 },        { "unet u2", 64, 128, 256, 4, 2, 1 },
    { "unet u1", 3, 256, 128, 4, 2, 1 },         { "critic p1", 6, 256, 64, 4, 2, 1 },
    { "critic p1 single", 3, 256, 64, 4, 2, 1 }, { "critic p4", 256, 32, 512, 4, 1, 1 },
    { "critic p5", 512, 31, 1, 4, 1, 1 },        { "resnet r1", 3, 262, 64, 7, 1, 0 },
    { "resnet r2", 64, 256, 128, 3, 2, 1 },      { "resnet block", 256, 66, 256, 3, 1, 0 },
    { "resnet r6", 64, 262, 3, 7, 1, 0 },
};

/* What the planner does: blocks of the vector's width where they divide the channels, else NHWC. */
static int layers_block(int channels)
{
    int width = limn_cpu() == LIMN_CPU_AVX512 ? 16 : 8;

    return channels % width ? -1 : width;
}

/* Reorders that a layer may cost: none where both maps are in blocks, and one where a picture or a
 * score is at one end.  Without AVX2 oneDNN's gradients go through im2col, in plain layout. */
static int layers_reorders(const layer *l)
{
    if (limn_cpu() == LIMN_CPU_BASE) return 2;
    if (limn_cpu() == LIMN_CPU_AVX2 && l->x_size < l->kernel) return 1; /* more padding than map */
    return layers_block(l->x_channels) < 0 || layers_block(l->y_channels) < 0;
}

static void test_layers_never_reference(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
        for (int d = LIMN_DNN_FORWARD; d <= LIMN_DNN_BACKWARD_WEIGHTS; d++)
            for (int type = 0; type < (can_bf16() ? 2 : 1); type++)
                for (int n = 1; n <= 2; n++) {
                    const layer *l = &layers[i];
                    around a = { .bias = true };
                    shape s = { l->name,
                                n,
                                l->x_channels,
                                l->x_size,
                                l->x_size,
                                l->y_channels,
                                l->kernel,
                                l->kernel,
                                l->stride,
                                l->stride,
                                l->pad,
                                l->pad,
                                l->pad,
                                l->pad,
                                1,
                                layers_block(l->x_channels),
                                layers_block(l->y_channels) };
                    limn_dnn_conv c = convolution(&s, (limn_dnn_direction)d,
                                                  type ? LIMN_BF16 : LIMN_F32, &a);
                    limn_arena arena = { 0 };
                    limn_dnn_primitive *primitive;
                    limn_error error = { 0 };
                    const char *name;

                    limn_arena_open(&arena, "test", 0);
                    if (limn_dnn_create(&primitive, &c, NULL, &arena, &error))
                        fail_msg("%s: %s", l->name, error.text);
                    name = limn_dnn_implementation(primitive);
                    if (!strncmp(name, "ref", 3) || strstr(name, "ref:"))
                        fail_msg("%s: direction %d runs with %s", l->name, d, name);
                    if (limn_dnn_reorders(primitive) > layers_reorders(l))
                        fail_msg("%s: direction %d runs %s with %d reorders", l->name, d, name,
                                 limn_dnn_reorders(primitive));
                    limn_dnn_free(&primitive);
                    limn_arena_close(&arena);
                }
}

static void test_version(void **unused)
{
    (void)unused;
    assert_int_equal(0, strncmp(limn_dnn_version(), "oneDNN ", 7));
    assert_non_null(strchr(limn_dnn_version(), ','));
    print_message("%s\n", limn_dnn_version());
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_required_layout),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_memory_refused),
        cmocka_unit_test(test_layers_never_reference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
