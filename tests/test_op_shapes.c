/* SPDX-License-Identifier: Apache-2.0
 *
 * Every shape rule's refusals: the right status, and one clear sentence that says what is wrong.
 *
 * A wrong network is found here or nowhere: behind the rules, the loops trust what they are given.
 */
#include "op/op.h"

#include <ctype.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef struct refusal {
    const char *op;
    limn_shape x[LIMN_INPUTS_MAX + 1];
    limn_args args;
    limn_status status;
    const char *says; /* a part of the sentence that names the fault */
} refusal;

#define MAP                                                                                        \
    {                                                                                              \
        1, 4, 8, 8                                                                                 \
    }
#define W44                                                                                        \
    {                                                                                              \
        4, 4, 3, 3                                                                                 \
    }

static const refusal refusals[] = {
    { "conv", { MAP }, { .stride = 1 }, LIMN_SHAPE, "2 to 3 inputs and was given 1" },
    { "conv", { MAP, W44, { 1, 4, 1, 1 }, MAP }, { .stride = 1 }, LIMN_SHAPE, "was given 4" },
    { "conv", { { 1, 4, 0, 8 }, W44 }, { .stride = 1 }, LIMN_SHAPE, "input 0 is 1x4x0x8" },
    { "conv", { { 1, 5, 8, 8 }, W44 }, { .stride = 1 }, LIMN_SHAPE, "the input has 5" },
    { "conv", { MAP, W44 }, { .stride = 1, .groups = 3 }, LIMN_SHAPE, "3 groups do not divide" },
    { "conv", { MAP, W44 }, { .stride = 1, .groups = 2 }, LIMN_SHAPE, "channels a group" },
    { "conv", { MAP, W44 }, { .stride = 1, .groups = -1 }, LIMN_SETTING, "-1 groups" },
    { "conv", { MAP, W44, { 1, 5, 1, 1 } }, { .stride = 1 }, LIMN_SHAPE, "bias is 1x5x1x1" },
    { "conv",
      { { 1, 4, 2, 8 }, W44 },
      { .stride = 1 },
      LIMN_SHAPE,
      "kernel of height 3 does not fit" },
    { "conv", { { 1, 4, 8, 1 }, W44 }, { .stride = 1, .pad_left = 1 }, LIMN_SHAPE, "padded to 2" },
    { "conv", { MAP, W44 }, { .stride = 0 }, LIMN_SETTING, "stride 0" },
    { "conv", { MAP, W44 }, { .stride = 1, .pad_top = -1 }, LIMN_SETTING, "negative" },
    { "conv", { MAP, W44 }, { .stride = 1, .pad_top = INT_MAX }, LIMN_SETTING, "too large" },
    { "deconv", { MAP, { 5, 4, 3, 3 } }, { .stride = 2 }, LIMN_SHAPE, "read 5 channels" },
    { "deconv", { MAP, W44, { 1, 3, 1, 1 } }, { .stride = 2 }, LIMN_SHAPE, "bias is 1x3x1x1" },
    { "deconv", { MAP, W44 }, { .stride = 2, .output_pad = 2 }, LIMN_SETTING, "output padding 2" },
    { "deconv", { MAP, W44 }, { .stride = 0 }, LIMN_SETTING, "stride 0" },
    { "deconv", { MAP, W44 }, { .stride = 2, .groups = 2 }, LIMN_SETTING, "2 groups" },
    { "deconv", { MAP, W44 }, { .stride = 2, .pad_right = -2 }, LIMN_SETTING, "negative" },
    { "deconv",
      { { 1, 4, 1, 1 }, W44 },
      { .stride = 2, .pad_top = 2, .pad_bottom = 1 },
      LIMN_SHAPE,
      "output of height 0" },
    { "deconv", { { 1, 4, 70000, 1 }, W44 }, { .stride = 70000 }, LIMN_SHAPE, "output of height" },
    { "dense", { MAP, { 3, 4, 1, 1 } }, { 0 }, LIMN_SHAPE, "the input is 8x8" },
    { "dense", { { 2, 4, 1, 1 }, W44 }, { 0 }, LIMN_SHAPE, "these are 3x3" },
    { "dense", { { 2, 5, 1, 1 }, { 3, 4, 1, 1 } }, { 0 }, LIMN_SHAPE, "the input has 5" },
    { "dense",
      { { 2, 4, 1, 1 }, { 3, 4, 1, 1 }, { 1, 4, 1, 1 } },
      { 0 },
      LIMN_SHAPE,
      "3 channels want" },
    { "pad", { MAP, MAP }, { 0 }, LIMN_SHAPE, "takes 1 input and was given 2" },
    { "pad", { MAP }, { .mode = 3 }, LIMN_SETTING, "mode 3" },
    { "pad", { MAP }, { .pad_left = -1 }, LIMN_SETTING, "negative" },
    { "pad", { MAP }, { .mode = LIMN_PAD_REFLECT, .pad_left = 8 }, LIMN_SHAPE, "width 9 at least" },
    { "pad", { MAP }, { .pad_top = INT_MAX }, LIMN_SETTING, "too large" },
    { "resize", { MAP }, { .height = 0, .width = 4 }, LIMN_SHAPE, "0x4" },
    { "resize", { MAP }, { .height = 4, .width = 4, .mode = 2 }, LIMN_SETTING, "mode 2" },
    { "blur_down", { MAP }, { .kernel_h = 8 }, LIMN_SETTING, "filter size 8 is not in 1 to 7" },
    { "blur_down", { { 1, 4, 8, 1 } }, { 0 }, LIMN_SHAPE, "8x1 is too small" },
    { "blur_down", { MAP }, { .stride = -1 }, LIMN_SETTING, "stride -1" },
    { "blur_up", { MAP }, { .kernel_h = -1 }, LIMN_SETTING, "filter size -1" },
    { "blur_up", { MAP }, { .stride = -2 }, LIMN_SETTING, "stride -2" },
    { "blur_up", { { 1, 4, 1, 1 } }, { .stride = 1 }, LIMN_SHAPE, "gives no output" },
    { "avgpool",
      { MAP },
      { .kernel_h = 9, .kernel_w = 2, .stride = 1 },
      LIMN_SHAPE,
      "does not fit" },
    { "avgpool", { MAP }, { .stride = 1 }, LIMN_SETTING, "height 0 is below 1" },
    { "avgpool", { MAP }, { .kernel_h = 2, .kernel_w = 2, .pad_top = 2 }, LIMN_SETTING, "half" },
    { "global_avgpool", { { 1, 0, 4, 4 } }, { 0 }, LIMN_SHAPE, "every size must be 1 or more" },
    { "softmax", { { 1, 4, 4, -1 } }, { 0 }, LIMN_SHAPE, "input 0 is 1x4x4x-1" },
    { "gather", { MAP, { 2, 5, 1, 1 } }, { 0 }, LIMN_SHAPE, "2 pictures, but 1" },
    { "gather", { MAP, { 1, 5, 2, 1 } }, { 0 }, LIMN_SHAPE, "these are 2x1" },
    { "patchnce", { { 4, 3, 1, 1 }, { 5, 3, 1, 1 } }, { .temperature = 1 }, LIMN_SHAPE, "5 keys" },
    { "patchnce", { MAP, MAP }, { .temperature = 1 }, LIMN_SHAPE, "these are 8x8" },
    { "patchnce",
      { { 4, 3, 1, 1 }, { 4, 3, 1, 1 } },
      { .temperature = 1, .pictures = 3 },
      LIMN_SHAPE,
      "shared by 3" },
    { "patchnce",
      { { 4, 3, 1, 1 }, { 4, 3, 1, 1 } },
      { .temperature = 0 },
      LIMN_SETTING,
      "temperature 0" },
    { "constant", { MAP }, { 0 }, LIMN_SHAPE, "takes 0 inputs and was given 1" },
    { "stop", { MAP, MAP }, { 0 }, LIMN_SHAPE, "was given 2" },
    { "batchnorm",
      { MAP, { 1, 4, 1, 1 } },
      { .training = true, .eps = 1e-5f },
      LIMN_SHAPE,
      "2 inputs" },
    { "batchnorm",
      { MAP, { 1, 3, 1, 1 }, { 1, 4, 1, 1 } },
      { .training = true, .eps = 1e-5f },
      LIMN_SHAPE,
      "1x3x1x1" },
    { "batchnorm", { MAP }, { .training = true }, LIMN_SETTING, "eps 0" },
    { "instancenorm", { MAP, { 1, 4, 1, 1 } }, { .eps = 1e-5f }, LIMN_SHAPE, "no shift" },
    { "instancenorm", { MAP }, { .eps = -1 }, LIMN_SETTING, "eps -1" },
    { "concat", { MAP, { 1, 2, 8, 9 } }, { 0 }, LIMN_SHAPE, "1x2x8x9" },
    { "add", { MAP, { 1, 5, 8, 8 } }, { 0 }, LIMN_SHAPE, "1x5x8x8" },
    { "l1", { MAP, { 2, 4, 8, 8 } }, { 0 }, LIMN_SHAPE, "2x4x8x8" },
    { "dropout", { MAP }, { .probability = 1.5f }, LIMN_SETTING, "1.5" },
    { "gan", { MAP }, { .mode = 9 }, LIMN_SETTING, "9" },
    { "gan", { MAP }, { .target = 2 }, LIMN_SETTING, "2" },
    { "adam",
      { { 1, 1, 1, 9 }, { 1, 1, 1, 9 }, { 1, 1, 1, 8 }, { 1, 1, 1, 9 } },
      { .beta1 = 0.5f, .beta2 = 0.9f, .eps = 1e-8f },
      LIMN_SHAPE,
      "differ in size" },
    { "scale", { MAP }, { .factor = INFINITY }, LIMN_SETTING, "inf" },
    { "leaky", { MAP }, { .slope = 0 }, LIMN_SETTING, "slope 0" },
};

enum { REFUSALS = sizeof refusals / sizeof *refusals };

static void refuses_with_one_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < REFUSALS; i++) {
        const refusal *r = &refusals[i];
        const limn_op *op = limn_op_find(r->op);
        limn_shape y[LIMN_OUTPUTS_MAX] = { 0 };
        limn_error error = { 0 };
        limn_status status;
        int inputs = 0;

        assert_non_null(op);
        while (inputs <= LIMN_INPUTS_MAX && r->x[inputs].n) inputs++;
        status = op->shape(y, r->x, inputs, &r->args, &error);
        if (status != r->status || !strstr(error.text, r->says))
            fail_msg("%s, row %zu: status %d, \"%s\" does not say \"%s\"", r->op, i, status,
                     error.text, r->says);
        /* One line, one sentence, no full stop: clauses are put in front of it. */
        assert_null(strpbrk(error.text, "\n\r\t"));
        assert_null(strstr(error.text, ". "));
        assert_true(strlen(error.text) > 8 && strlen(error.text) < 200);
        assert_true(isalnum((unsigned char)error.text[strlen(error.text) - 1]) ||
                    error.text[strlen(error.text) - 1] == ')');
        assert_int_equal(error.status, r->status);
    }
}

static void refuses_without_a_place_for_the_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < REFUSALS; i++) {
        const refusal *r = &refusals[i];
        limn_shape y[LIMN_OUTPUTS_MAX] = { 0 };
        int inputs = 0;

        while (inputs <= LIMN_INPUTS_MAX && r->x[inputs].n) inputs++;
        assert_int_equal(limn_op_find(r->op)->shape(y, r->x, inputs, &r->args, NULL), r->status);
    }
}

/* Sizes worked out by hand from the formulas in PyTorch's manual. */
static void gives_the_sizes_of_the_manual(void **state)
{
    static const struct {
        const char *op;
        limn_shape x[2];
        limn_args args;
        limn_shape y;
    } rows[] = {
        { "conv",
          { { 2, 3, 17, 23 }, { 7, 3, 4, 4 } },
          { .stride = 2, .pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1 },
          { 2, 7, 8, 11 } },
        { "deconv",
          { { 1, 16, 7, 6 }, { 16, 8, 3, 3 } },
          { .stride = 2,
            .output_pad = 1,
            .pad_top = 1,
            .pad_left = 1,
            .pad_bottom = 1,
            .pad_right = 1 },
          { 1, 8, 14, 12 } },
        { "blur_down", { { 1, 4, 7, 8 } }, { 0 }, { 1, 4, 4, 4 } },
        { "blur_up", { { 1, 4, 7, 8 } }, { 0 }, { 1, 4, 14, 16 } },
        { "blur_up", { { 1, 4, 7, 8 } }, { .kernel_h = 3 }, { 1, 4, 14, 16 } },
        { "avgpool",
          { { 1, 4, 9, 12 } },
          { .kernel_h = 3,
            .kernel_w = 3,
            .stride = 2,
            .pad_top = 1,
            .pad_left = 1,
            .pad_bottom = 1,
            .pad_right = 1 },
          { 1, 4, 5, 6 } },
        { "gather", { { 2, 9, 4, 4 }, { 2, 5, 1, 1 } }, { 0 }, { 10, 9, 1, 1 } },
        { "pad", { { 1, 2, 3, 4 } }, { .pad_top = 1, .pad_right = 2 }, { 1, 2, 4, 6 } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        limn_shape y[LIMN_OUTPUTS_MAX] = { 0 };
        limn_error error = { 0 };

        if (limn_op_find(rows[i].op)
                ->shape(y, rows[i].x, rows[i].x[1].n ? 2 : 1, &rows[i].args, &error))
            fail_msg("%s: %s", rows[i].op, error.text);
        if (!limn_shape_equal(y[0], rows[i].y))
            fail_msg("%s gives %dx%dx%dx%d", rows[i].op, y[0].n, y[0].c, y[0].h, y[0].w);
    }
}

static void finds_by_name(void **state)
{
    (void)state;
    assert_null(limn_op_find("no such thing"));
    assert_null(limn_op_find(""));
    assert_true(limn_op_count > 20);
    for (int i = 0; i < limn_op_count; i++) {
        assert_ptr_equal(limn_op_find(limn_ops[i]->name), limn_ops[i]);
        assert_true(limn_ops[i]->does && *limn_ops[i]->does);
        assert_true(limn_ops[i]->gradients == 0 || limn_ops[i]->backward != NULL);
    }
    assert_null(limn_ops[limn_op_count]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_with_one_sentence),
        cmocka_unit_test(refuses_without_a_place_for_the_error),
        cmocka_unit_test(gives_the_sizes_of_the_manual),
        cmocka_unit_test(finds_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
