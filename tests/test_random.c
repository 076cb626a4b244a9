/* SPDX-License-Identifier: Apache-2.0
 *
 * Chance: random words are held against the known answers that Random123 publishes for
 * Philox 4x32-10, the distributions against arithmetic. */
#include "base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void philox_gives_the_published_words(void **state)
{
    static const struct {
        limn_random random;
        uint64_t index;
        uint32_t words[4];
    } known[] = {
        { { 0 }, 0, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
        { { .seed = UINT64_MAX, .step = 0xffffffff, .stream = 0xffffffff },
          UINT64_MAX,
          { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
        { { .seed = 0x299f31d0a4093822, .step = 0x13198a2e, .stream = 0x03707344 },
          0x85a308d3243f6a88,
          { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
    };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        uint32_t words[4];

        limn_random_words(&known[i].random, known[i].index, words);
        assert_memory_equal(words, known[i].words, sizeof words);
    }
    for (uint32_t k = 0; k < 4; k++)
        assert_int_equal(limn_random_word(&known[0].random, k), known[0].words[k]);
}

/* Worked out by hand from the published words: word / 2^8 / 2^24, word * 1000 / 2^32, and
 * Box-Muller's cosine from words 0, 1 and 2, 3. */
static void draws_follow_from_the_words(void **state)
{
    static const uint32_t below[] = { 399, 880, 735, 605 };
    static const float uniform[] = { 6694888 / 0x1p24f, 14772677 / 0x1p24f, 12343212 / 0x1p24f,
                                     10158299 / 0x1p24f };
    const limn_random zero = { 0 };

    (void)state;
    for (uint64_t i = 0; i < 4; i++) {
        assert_true(limn_random_uniform(&zero, i) == uniform[i]);
        assert_int_equal(limn_random_below(&zero, i, 1000), below[i]);
    }
    assert_true(fabs(limn_random_normal(&zero, 0) - 0.9911376792540323) < 1e-7);
    assert_true(fabs(limn_random_normal(&zero, 1) + 0.6176089598118041) < 1e-7);
}

static void each_part_of_the_name_of_a_draw_counts(void **state)
{
    limn_random base = { .seed = 5, .stream = 6, .step = 7 }, other;
    uint32_t word = limn_random_word(&base, 8);

    (void)state;
    other = base, other.seed ^= 1ull << 40;
    assert_int_not_equal(limn_random_word(&other, 8), word);
    other = base, other.stream++;
    assert_int_not_equal(limn_random_word(&other, 8), word);
    other = base, other.step++;
    assert_int_not_equal(limn_random_word(&other, 8), word);
    other = base, other.step += 1ull << 32;
    assert_int_not_equal(limn_random_word(&other, 8), word);
    assert_int_not_equal(limn_random_word(&base, 8 + (1ull << 40)), word);
    assert_int_equal(limn_random_word(&base, 8), word);
}

/* Mean and variance within five standard errors, and the shape in bins (chi-square, 99 degrees of
 * freedom: below 160 but for one seed in ten thousand).  The draws are fixed, so it is too. */
static void draws_have_their_distributions(void **state)
{
    enum { COUNT = 400000, BINS = 100 };
    limn_random draw = { .seed = 20, .stream = 3, .step = 11 };
    size_t uniform_bins[BINS] = { 0 }, below_bins[BINS] = { 0 }, normal_bins[BINS] = { 0 };
    double sum = 0, squares = 0, chi[3] = { 0 };

    (void)state;
    for (uint64_t i = 0; i < COUNT; i++) {
        float u = limn_random_uniform(&draw, i), x = limn_random_normal(&draw, i);
        uint32_t k = limn_random_below(&draw, i + (1ull << 50), BINS);

        assert_true(u >= 0 && u < 1 && k < BINS && isfinite(x));
        uniform_bins[(int)(u * BINS)]++;
        below_bins[k]++;
        normal_bins[(int)(0.5 * erfc(-x / sqrt(2)) * (BINS - 1e-9))]++;
        sum += x;
        squares += (double)x * x;
    }
    for (int b = 0; b < BINS; b++) {
        const double expected = (double)COUNT / BINS;

        chi[0] += pow((double)uniform_bins[b] - expected, 2) / expected;
        chi[1] += pow((double)below_bins[b] - expected, 2) / expected;
        chi[2] += pow((double)normal_bins[b] - expected, 2) / expected;
    }
    for (int i = 0; i < 3; i++) assert_true(chi[i] > 50 && chi[i] < 160);
    assert_true(fabs(sum / COUNT) < 5 / sqrt(COUNT));
    assert_true(fabs(squares / COUNT - 1) < 5 * sqrt(2.0 / COUNT));
}

static void permutations_are_fair(void **state)
{
    enum { N = 4, ROUNDS = 24000 };
    size_t seen_orders[256] = { 0 };
    uint32_t order[1000];
    bool there[1000] = { 0 };
    double chi = 0;

    (void)state;
    limn_random_permutation(&(limn_random){ .seed = 1 }, order, 1000);
    for (int i = 0; i < 1000; i++) {
        assert_true(order[i] < 1000 && !there[order[i]]);
        there[order[i]] = true;
    }
    limn_random_permutation(&(limn_random){ .seed = 1 }, order, 0);
    for (uint64_t step = 0; step < ROUNDS; step++) {
        limn_random_permutation(&(limn_random){ .seed = 9, .step = step }, order, N);
        seen_orders[order[0] * 64 + order[1] * 16 + order[2] * 4 + order[3]]++;
    }
    for (int i = 0, kinds = 0; i < 256; i++)
        if (seen_orders[i]) {
            chi += pow((double)seen_orders[i] - 1000, 2) / 1000;
            assert_true(++kinds <= 24);
        }
    assert_true(chi < 60); /* 23 degrees of freedom */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_published_words),
        cmocka_unit_test(draws_follow_from_the_words),
        cmocka_unit_test(each_part_of_the_name_of_a_draw_counts),
        cmocka_unit_test(draws_have_their_distributions),
        cmocka_unit_test(permutations_are_fair),
    };

    return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
