/* SPDX-License-Identifier: Apache-2.0
 *
 * Packing of weights by our own loop (op/pack.h): every layout by arithmetic on indices, rounding
 * at its edges, nothing written beside the layout; and that what dnn.h packs by it is what oneDNN
 * itself makes of the same weights.  Run once a processor level (LIMN_CPU). */
#include "base/memory.h"
#include "base/random.h"
#include "op/dnn.h"
#include "op/pack.h"
#include "tensor/tensor.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "own_arena.h"

static int open_arena(void **state)
{
    (void)state;
    limn_arena_open(&arena, "test", 1 << 20);
    return 0;
}

static int close_arena(void **state)
{
    (void)state;
    limn_arena_close(&arena);
    return 0;
}

/* Numbers of all sizes, and those at which rounding turns: ties both ways, the carry into the
 * exponent, the largest float, infinities, zeros, NaN with low bits only. */
static float number(size_t i)
{
    static const uint32_t edges[] = { 0x3f808000, 0x3f818000, 0x3f807fff, 0x3f808001, 0x3fffffff,
                                      0x7f7fffff, 0x7f800000, 0xff800000, 0x00000000, 0x80000000,
                                      0x7f800001, 0xffffffff, 0x00008000, 0xbf818000 };
    limn_random random = { .seed = 3 };
    float v;

    if (i % 5 == 0) {
        memcpy(&v, &edges[i / 5 % (sizeof edges / sizeof *edges)], sizeof v);
        return v;
    }
    return ldexpf(2 * limn_random_uniform(&random, i) - 1, (int)(i % 40) - 20);
}

/* Where weight (o, i, tap) lies, by the words of the header. */
static size_t source_place(const limn_pack *p, size_t o, size_t i, size_t tap)
{
    if (p->plain) return (o * p->ins + i) * p->taps + tap;
    return (((o / 16 * (p->ins / 16) + i / 16) * p->taps + tap) * 16 + i % 16) * 16 + o % 16;
}

static size_t place(const limn_pack *p, size_t o, size_t i, size_t tap)
{
    size_t ob = (size_t)p->layout.out_block, ib = (size_t)p->layout.in_block;
    size_t outer = o / ob, inner = i / ib, block;

    block = p->layout.taps_outside ? (outer * p->taps + tap) * (p->ins / ib) + inner
                                   : (outer * (p->ins / ib) + inner) * p->taps + tap;
    o %= ob;
    i %= ib;
    return block * ob * ib + (p->layout.pairs_of_outputs ? (o / 2 * ib + i) * 2 + o % 2
                                                         : (i / 2 * ob + o) * 2 + i % 2);
}

static void check_layout(limn_pack_layout layout, size_t outs, size_t ins, size_t taps, bool plain)
{
    size_t count = outs * ins * taps;
    float *from = take(count * sizeof *from);
    uint16_t *to = take((count + 8) * sizeof *to);
    limn_pack pack = { .layout = layout,
                       .outs = outs,
                       .ins = ins,
                       .taps = taps,
                       .from = from,
                       .to = to,
                       .plain = plain };

    assert_true(limn_pack_fits(&pack));
    for (size_t i = 0; i < count; i++) from[i] = number(i);
    for (size_t i = 0; i < count + 8; i++) to[i] = 0x1234;
    limn_pack_run(&pack);
    for (size_t o = 0; o < outs; o++)
        for (size_t i = 0; i < ins; i++)
            for (size_t tap = 0; tap < taps; tap++)
                assert_int_equal(to[place(&pack, o, i, tap)],
                                 limn_to_bf16(from[source_place(&pack, o, i, tap)]));
    for (size_t i = 0; i < 8; i++) assert_int_equal(to[count + i], 0x1234);
}

static void test_layouts(void **state)
{
    static const limn_pack_layout all[] = {
        { 16, 16, false, false }, { 16, 32, false, false }, { 16, 32, true, false },
        { 32, 32, true, false },  { 48, 32, true, false },  { 64, 32, true, false },
        { 16, 16, false, true },  { 32, 16, false, true },
    };

    (void)state;
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        check_layout(all[k], 192, 96, 1, false);
        check_layout(all[k], 192, 64, 9, false);
        check_layout(all[k], (size_t)all[k].out_block, (size_t)all[k].in_block, 16, false);
        check_layout(all[k], 192, 96, 16, true);
    }
    assert_false(
        limn_pack_fits(&(limn_pack){ .layout = all[3], .outs = 48, .ins = 32, .taps = 1 }));
    assert_false(
        limn_pack_fits(&(limn_pack){ .layout = all[3], .outs = 32, .ins = 48, .taps = 1 }));
}

/* To float32, the bits as they are; as a whole and, where the memory begins at a line of the cache
 * or beside one, by pieces, of which one ends at the edge. */
static void check_floats(size_t outs, size_t ins, size_t taps, size_t beside)
{
    size_t count = outs * ins * taps;
    float *from = take(count * sizeof *from), *to = take((count + beside + 8) * sizeof *to);
    limn_pack pack = { .layout = { 16, 16, false, false },
                       .outs = outs,
                       .ins = ins,
                       .taps = taps,
                       .from = from,
                       .to = to + beside,
                       .floats = true };

    assert_true(limn_pack_fits(&pack));
    for (size_t i = 0; i < count; i++) from[i] = number(i);
    for (int pieces = 0; pieces < 2; pieces++) {
        memset(to, 0x55, (count + beside + 8) * sizeof *to);
        if (!pieces) limn_pack_run(&pack);
        for (size_t o = 0; o < outs && pieces; o += 32)
            for (size_t i = 0; i < ins; i += 32)
                limn_pack_one(&pack, &(limn_piece){ .out = o,
                                                    .outs = outs - o < 32 ? outs - o : 32,
                                                    .in = i,
                                                    .ins = ins - i < 32 ? ins - i : 32,
                                                    .all_ins = ins,
                                                    .taps = taps });
        for (size_t o = 0; o < outs; o++)
            for (size_t i = 0; i < ins; i++)
                for (size_t tap = 0; tap < taps; tap++) {
                    size_t block = (o / 16 * (ins / 16) + i / 16) * taps + tap;

                    assert_memory_equal(to + beside + (block * 16 + o % 16) * 16 + i % 16,
                                        from + source_place(&pack, o, i, tap), sizeof *from);
                }
        for (size_t i = 0; i < beside + 8; i++)
            assert_memory_equal(to + (i < beside ? i : count + i), "UUUU", sizeof *to);
    }
}

static void test_floats(void **state)
{
    (void)state;
    for (size_t beside = 0; beside < 2; beside++) {
        check_floats(48, 80, 16, beside);
        check_floats(64, 32, 9, beside);
        check_floats(16, 16, 1, beside);
    }
    assert_false(limn_pack_fits(
        &(limn_pack){ .layout = { 16, 16, false, false }, .floats = true, .outs = 24, .ins = 16 }));
    assert_false(limn_pack_fits(
        &(limn_pack){ .layout = { 32, 16, false, false }, .floats = true, .outs = 32, .ins = 16 }));
}

/* Rounding once more by hand: what the edges above become. */
static void test_rounding(void **state)
{
    static const uint16_t want[] = { 0x3f80, 0x3f82, 0x3f80, 0x3f81, 0x4000, 0x7f80, 0x7f80,
                                     0xff80, 0x0000, 0x8000, 0x7fc0, 0xffff, 0x0000, 0xbf82 };
    float from[256];
    uint16_t to[256];
    limn_pack pack = {
        .layout = { 16, 16, false, false }, .outs = 16, .ins = 16, .taps = 1, .from = from, .to = to
    };

    (void)state;
    for (size_t i = 0; i < 256; i++) from[i] = number(i * 5);
    limn_pack_run(&pack);
    for (size_t i = 0; i < 256; i++)
        assert_int_equal(to[place(&pack, i % 16, i / 16, 0)], want[i % 14]);
}

static void pack_by(const limn_dnn_layout *from, const limn_dnn_layout *to, void *in, void *out,
                    bool *ours)
{
    limn_dnn_primitive *packer;
    limn_error error = { 0 };

    if (limn_dnn_pack_create(&packer, from, to, &arena, &error)) fail_msg("%s", error.text);
    *ours = !strchr(limn_dnn_implementation(packer), ':');
    if (limn_dnn_bind(packer, in, NULL, NULL, out, take(limn_dnn_scratch_bytes(packer) + 1),
                      &error) ||
        limn_dnn_run(packer, &error))
        fail_msg("%s", error.text);
    limn_dnn_free(&packer);
}

/* The layouts that oneDNN asks for on this processor: from plain weights, and from the blocks of
 * gradients, as from the other blocks, which our loop does not know.  Where it does not know what
 * is asked for either, all is oneDNN's and the comparison is of no use, but at the level of AVX-512
 * some must be ours. */
static int compare_with_onednn(limn_type type)
{
    static const struct {
        int large, small, kernel, stride;
    } convs[] = {
        { 64, 128, 4, 2 }, { 96, 96, 3, 1 }, { 128, 64, 4, 2 }, { 32, 32, 1, 1 }, { 48, 96, 3, 1 }
    };
    int compared = 0;

    for (size_t k = 0; k < sizeof convs / sizeof *convs; k++)
        for (int backward = 0; backward < 2; backward++)
            for (int last = 0; last < 2; last++) {
                int side = 16, half = convs[k].stride == 2 ? 8 : 16;
                int pad = convs[k].kernel / 2 - (convs[k].kernel == 4);
                limn_dnn_conv conv = {
                    .direction = backward ? LIMN_DNN_BACKWARD_DATA : LIMN_DNN_FORWARD,
                    .x = { { 1, convs[k].large, side, side },
                           type,
                           last ? convs[k].large : 16,
                           0,
                           NULL },
                    .y = { { 1, convs[k].small, half, half },
                           type,
                           last ? convs[k].small : 16,
                           0,
                           NULL },
                    .kernel_h = convs[k].kernel,
                    .kernel_w = convs[k].kernel,
                    .stride_h = convs[k].stride,
                    .stride_w = convs[k].stride,
                    .pad_top = pad,
                    .pad_left = pad,
                    .pad_bottom = pad,
                    .pad_right = pad,
                    .groups = 1,
                    .weight_type = type,
                };
                size_t count = (size_t)(convs[k].large * convs[k].small * convs[k].kernel *
                                        convs[k].kernel);
                float *plain_values = take(count * sizeof(float)),
                      *blocks_values = take(count * sizeof(float)),
                      *foreign_values = take(count * sizeof(float));
                limn_dnn_layout *plain, *blocks, *foreign;
                limn_dnn_primitive *primitive;
                limn_error error = { 0 };
                unsigned char *want, *got;
                size_t bytes;
                bool ours;

                conv.x.batch_stride = limn_count(conv.x.shape);
                conv.y.batch_stride = limn_count(conv.y.shape);
                if (limn_dnn_create(&primitive, &conv, NULL, &arena, &error))
                    continue; /* no bf16 */
                for (size_t i = 0; i < count; i++)
                    plain_values[i] = isfinite(number(i)) ? number(i) : 1;
                assert_int_equal(limn_dnn_layout_plain(&plain, &conv, &arena, &error), LIMN_OK);
                assert_int_equal(
                    limn_dnn_layout_blocks(&blocks, &conv, LIMN_F32, 16, false, &arena, &error),
                    LIMN_OK);
                pack_by(plain, blocks, plain_values, blocks_values, &ours);
                assert_false(ours);
                assert_int_equal(
                    limn_dnn_layout_blocks(&foreign, &conv, LIMN_F32, 16, true, &arena, &error),
                    LIMN_OK);
                pack_by(plain, foreign, plain_values, foreign_values, &ours);
                bytes = limn_dnn_layout_bytes(limn_dnn_weights(primitive));
                want = take(bytes);
                got = take(bytes);
                pack_by(foreign, limn_dnn_weights(primitive), foreign_values, want, &ours);
                assert_false(ours);
                pack_by(plain, limn_dnn_weights(primitive), plain_values, got, &ours);
                assert_memory_equal(want, got, bytes);
                pack_by(blocks, limn_dnn_weights(primitive), blocks_values, got, &ours);
                assert_memory_equal(want, got, bytes);
                compared += ours;
                limn_dnn_free(&primitive);
            }
    return compared;
}

static void test_as_onednn(void **state)
{
    int compared, floats;

    (void)state;
    if (limn_dnn_start(NULL)) skip();
    compared = compare_with_onednn(LIMN_BF16);
    floats = compare_with_onednn(LIMN_F32);
    print_message("%d and, of float32, %d layouts of %s packed by our loop\n", compared, floats,
                  limn_dnn_version());
    if (strstr(limn_dnn_version(), "avx512")) assert_true(floats >= 2);
    if (strstr(limn_dnn_version(), "bf16") || strstr(limn_dnn_version(), "amx"))
        assert_true(compared >= 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_layouts, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(test_floats, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(test_rounding, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(test_as_onednn, open_arena, close_arena),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
