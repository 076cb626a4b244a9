/* SPDX-License-Identifier: Apache-2.0
 *
 * Derived inputs, touches of colour, and CIE Lab: against published values and hand
 * arithmetic. */
#include "base/memory.h"
#include "data/derive.h"
#include "data/hints.h"
#include "data/lab.h"
#include "scratch.h"

#include <math.h>
#include <setjmp.h>

#include <cmocka.h>

enum { SIDE = 32, COUNT = SIDE * SIDE };
static limn_error error;
static float a[3 * COUNT], b[3 * COUNT], other[3 * COUNT];

static int stop(void **state)
{
    (void)state;
    limn_memory_refuse_after(-1);
    return limn_memory_live_blocks() ? -1 : 0;
}

/* ---- Lab ------------------------------------------------------------------------------------- */

static void lab_as_published(void **state)
{
    /* sRGB in 8 bits and L, a, b for D65 as colour calculators print them (two decimals). */
    static const double known[][6] = {
        { 255, 0, 0, 53.24, 80.09, 67.20 },     { 0, 255, 0, 87.73, -86.18, 83.18 },
        { 0, 0, 255, 32.30, 79.19, -107.86 },   { 255, 255, 0, 97.14, -21.55, 94.48 },
        { 0, 255, 255, 91.11, -48.09, -14.13 }, { 255, 0, 255, 60.32, 98.23, -60.82 },
        { 255, 255, 255, 100, 0, 0 },           { 0, 0, 0, 0, 0, 0 },
        { 128, 128, 128, 53.59, 0, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        double rgb[3] = { known[i][0] / 255, known[i][1] / 255, known[i][2] / 255 }, lab[3];

        limn_lab_from_srgb(rgb, lab);
        for (int c = 0; c < 3; c++) assert_true(fabs(lab[c] - known[i][3 + c]) < 0.02);
    }
}

static void greys_have_no_colour(void **state)
{
    (void)state;
    for (int v = 0; v <= 65535; v++) {
        double rgb[3] = { v / 65535.0, v / 65535.0, v / 65535.0 }, lab[3];

        limn_lab_from_srgb(rgb, lab);
        assert_true(fabs(lab[1]) < 1e-12 && fabs(lab[2]) < 1e-12);
    }
}

/* Through the planes that a network sees, floats and all, every colour comes back. */
static void round_trips_are_exact(void **state)
{
    enum { N = 256 };
    static float rgb[3 * N], l[N], ab[2 * N], back[3 * N];

    (void)state;
    for (int red = 0; red < 256; red += 3)
        for (int green = 0; green < 256; green += 3) {
            for (int i = 0; i < N; i++) {
                rgb[i] = (float)red / 127.5f - 1;
                rgb[N + i] = (float)green / 127.5f - 1;
                rgb[2 * N + i] = (float)i / 127.5f - 1;
            }
            limn_lab_split(rgb, N, l, ab);
            limn_lab_join(l, ab, N, back);
            for (int i = 0; i < 3 * N; i++)
                assert_int_equal(lroundf((back[i] + 1) * 127.5f), lroundf((rgb[i] + 1) * 127.5f));
            for (int i = 0; i < N; i++)
                assert_true(fabsf(l[i]) <= 1 && fabsf(ab[i]) <= 1 && fabsf(ab[N + i]) <= 1);
        }
    /* 16 bits: some hundred thousand colours, one step of 65535 off at most. */
    for (uint32_t k = 0; k < 400; k++) {
        for (uint32_t i = 0; i < 3 * N; i++)
            rgb[i] = (float)((i * 2654435761u + k * 40503u) >> 13 & 65535) / 32767.5f - 1;
        limn_lab_split(rgb, N, l, ab);
        limn_lab_join(l, ab, N, back);
        for (int i = 0; i < 3 * N; i++) assert_true(fabsf(back[i] - rgb[i]) < 1 / 32767.5f);
    }
}

/* Colours that no screen can show keep their L: what a grey photo showed is never changed. */
static void lightness_never_changes(void **state)
{
    enum { N = 1000 };
    static float l[N], ab[2 * N], rgb[3 * N], l_again[N], ab_again[2 * N];

    (void)state;
    for (int i = 0; i < N; i++) {
        l[i] = (float)i / (N - 1) * 2 - 1;
        ab[i] = sinf((float)i) * 1.2f;
        ab[N + i] = cosf((float)i * 1.7f) * 1.2f;
    }
    limn_lab_join(l, ab, N, rgb);
    for (int i = 0; i < 3 * N; i++) assert_true(rgb[i] >= -1 && rgb[i] <= 1);
    limn_lab_split(rgb, N, l_again, ab_again);
    for (int i = 0; i < N; i++) {
        assert_true(fabsf(l_again[i] - l[i]) < 1e-4f);
        /* And their hue: ab is shortened, not turned. */
        assert_true(fabsf(ab_again[i] * ab[N + i] - ab_again[N + i] * ab[i]) < 1e-4f);
    }
}

/* ---- Derived inputs -------------------------------------------------------------------------- */

static void derive(int kind, int b_channels, int a_channels)
{
    limn_derivation d = LIMN_DERIVATION_DEFAULTS;

    d.kind = kind;
    if (limn_derive(&d, b, b_channels, SIDE, SIDE, a, a_channels, &error))
        fail_msg("%s", error.text);
}

static void grey_is_luma(void **state)
{
    (void)state;
    for (int i = 0; i < 3 * COUNT; i++) b[i] = sinf((float)i * 0.37f);
    derive(LIMN_DERIVE_GREY, 3, 3);
    for (int i = 0; i < COUNT; i++) {
        float want = 0.299f * b[i] + 0.587f * b[COUNT + i] + 0.114f * b[2 * COUNT + i];

        for (int c = 0; c < 3; c++) assert_true(fabsf(a[c * COUNT + i] - want) < 1e-6f);
    }
}

static void blur_is_gaussian(void **state)
{
    double sum = 0;

    (void)state;
    for (int i = 0; i < COUNT; i++) b[i] = -1;
    b[16 * SIDE + 16] = 1; /* a point becomes the bell itself */
    derive(LIMN_DERIVE_BLUR, 1, 1);
    for (int i = 0; i < COUNT; i++) sum += (a[i] + 1) / 2;
    assert_true(fabs(sum - 1) < 1e-5);
    for (int y = -3; y <= 3; y++)
        for (int x = -3; x <= 3; x++) {
            double ratio = (a[(16 + y) * SIDE + 16 + x] + 1) / (a[16 * SIDE + 16] + 1);

            assert_true(fabs(ratio - exp(-(x * x + y * y) / 8.0)) < 1e-4);
        }
    for (int i = 0; i < COUNT; i++) b[i] = 0.25f; /* and nothing stays nothing up to the border */
    derive(LIMN_DERIVE_BLUR, 1, 1);
    for (int i = 0; i < COUNT; i++) assert_true(fabsf(a[i] - 0.25f) < 1e-6f);
}

static void downscale_loses_what_is_fine(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT; i++) {
        b[i] = (i % SIDE + i / SIDE) % 2 ? 0.9f : -0.9f; /* a chequered floor */
        b[COUNT + i] = (float)(i % SIDE) / SIDE - 0.5f;  /* a slope */
        b[2 * COUNT + i] = i % SIDE < SIDE / 2 ? -1 : 1; /* a step */
    }
    derive(LIMN_DERIVE_DOWNSCALE, 3, 3);
    for (int y = 8; y < SIDE - 8; y++)
        for (int x = 8; x < SIDE - 8; x++) {
            assert_true(fabsf(a[y * SIDE + x]) < 0.02f);
            assert_true(fabsf(a[COUNT + y * SIDE + x] - b[COUNT + y * SIDE + x]) < 0.01f);
        }
    for (int i = 0; i < 3 * COUNT; i++) assert_true(a[i] >= -1 && a[i] <= 1);
    assert_true(a[2 * COUNT + 10 * SIDE + 15] > -0.9f); /* soft now */
    assert_true(a[2 * COUNT + 10 * SIDE + 4] < -0.97f);
}

static void edges_are_thin_lines_where_steps_are(void **state)
{
    int lines = 0;

    (void)state;
    for (int i = 0; i < 3 * COUNT; i++) b[i] = i % SIDE < 12 ? -0.5f : 0.5f;
    derive(LIMN_DERIVE_EDGES, 3, 3);
    for (int y = 0; y < SIDE; y++) {
        int count = 0;

        for (int x = 0; x < SIDE; x++) {
            float v = a[y * SIDE + x];

            assert_true(v == 1 || v == -1);
            assert_true(v == a[COUNT + y * SIDE + x] && v == a[2 * COUNT + y * SIDE + x]);
            if (v < 0) {
                count++;
                assert_in_range(x, 11, 12);
            }
        }
        assert_int_equal(count, 1);
        lines += count;
    }
    assert_int_equal(lines, SIDE);

    for (int i = 0; i < 3 * COUNT; i++) b[i] = 0.3f; /* nothing, not even a frame */
    derive(LIMN_DERIVE_EDGES, 3, 1);
    for (int i = 0; i < COUNT; i++) assert_true(a[i] == 1);
}

/* A line that fades is followed below the high threshold but not below the low one. */
static void edges_go_on_while_above_the_low_threshold(void **state)
{
    limn_derivation d = LIMN_DERIVATION_DEFAULTS;
    float full, strength;
    int last_low = -1, reached = 0;

    (void)state;
    d.kind = LIMN_DERIVE_EDGES;
    /* What gradient does the full step give?  The highest threshold that still finds it. */
    for (int i = 0; i < COUNT; i++) b[i] = i / SIDE < 16 ? -1 : 1;
    full = 0;
    for (float t = 0.01f; t < 1; t += 0.01f) {
        d.edge_low = d.edge_high = t;
        assert_int_equal(limn_derive(&d, b, 1, SIDE, SIDE, a, 1, &error), LIMN_OK);
        for (int i = 0; i < COUNT; i++)
            if (a[i] < 0) full = t;
    }
    /* sigma 1.4, Sobel: the centre of the smoothed step rises by erf(1 / (1.4 sqrt 2)) of half. */
    assert_true(fabsf(full - 0.5f * (float)(erf(1.5 / (1.4 * sqrt(2))) +
                                            erf(0.5 / (1.4 * sqrt(2))))) < 0.03f);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            float h = 1 - (float)x / SIDE; /* fades to the right */

            b[y * SIDE + x] = y < 16 ? -h : h;
        }
    d.edge_high = 0.4;
    d.edge_low = 0.2;
    assert_int_equal(limn_derive(&d, b, 1, SIDE, SIDE, a, 1, &error), LIMN_OK);
    for (int x = 0; x < SIDE; x++) {
        bool found = a[15 * SIDE + x] < 0 || a[16 * SIDE + x] < 0;

        strength = full * (1 - (float)x / SIDE);
        if (strength > 0.24f) assert_true(found);
        if (strength < 0.16f) assert_false(found);
        if (found && strength < 0.4f) reached++;
        if (found) last_low = x;
    }
    assert_true(reached > 3 && last_low < SIDE - 4);
    d.edge_high = 0.9; /* nothing to begin from */
    assert_int_equal(limn_derive(&d, b, 1, SIDE, SIDE, a, 1, &error), LIMN_OK);
    for (int i = 0; i < COUNT; i++) assert_true(a[i] == 1);
}

static void derive_refuses(void **state)
{
    limn_derivation d = LIMN_DERIVATION_DEFAULTS, bad;

    (void)state;
#define REFUSED(change, channels, words)                                                           \
    bad = d;                                                                                       \
    change;                                                                                        \
    assert_int_equal(limn_derive(&bad, b, 3, SIDE, SIDE, a, channels, &error), LIMN_SETTING);      \
    assert_non_null(strstr(error.text, words))
    REFUSED(bad.kind = 0, 3, "none|edges|grey|blur|downscale");
    REFUSED(bad.kind = 5, 3, "--derive");
    REFUSED(bad.kind = LIMN_DERIVE_BLUR, 2, "--input-nc 3");
    d.kind = LIMN_DERIVE_EDGES;
    REFUSED(bad.edge_low = 0.5, 3, "threshold");
    d.kind = LIMN_DERIVE_BLUR;
    REFUSED(bad.blur_sigma = 0, 3, "sigma");
    d.kind = LIMN_DERIVE_DOWNSCALE;
    REFUSED(bad.downscale = 1, 3, "downscale");
    for (int kind = LIMN_DERIVE_EDGES; kind <= LIMN_DERIVE_DOWNSCALE; kind++) {
        limn_status status = LIMN_NO_MEMORY;

        d.kind = kind;
        for (long n = 0; status; n++) {
            limn_memory_refuse_after(n);
            status = limn_derive(&d, b, 3, SIDE, SIDE, a, 3, &error);
            limn_memory_refuse_after(-1);
            assert_true(status == LIMN_OK || status == LIMN_NO_MEMORY);
            assert_int_equal(limn_memory_live_blocks(), 0);
        }
        assert_int_equal(limn_derive(&d, b, 3, 1, 1, a, 3, &error), LIMN_OK); /* one pixel */
        for (int c = 0; c < 3; c++) assert_true(a[c] >= -1 && a[c] <= 1);
    }
}

/* ---- Touches --------------------------------------------------------------------------------- */

/* Line art: four regions of one colour each, black lines between them; two of equal colour. */
static void draw_regions(void)
{
    static const float colours[4][3] = { { 0.8f, -0.6f, -0.6f },
                                         { -0.7f, 0.5f, -0.2f },
                                         { -0.2f, -0.1f, 0.9f },
                                         { 0.8f, -0.6f, -0.6f } };

    for (int i = 0; i < COUNT; i++) {
        int x = i % SIDE, y = i / SIDE;
        bool line = x == 15 || y == 15;

        for (int c = 0; c < 3; c++) {
            b[c * COUNT + i] = line ? -1 : colours[(x > 15) + 2 * (y > 15)][c];
            other[c * COUNT + i] = line ? -1 : 1;
        }
    }
}

static void touches_stay_in_their_region(void **state)
{
    limn_hints hints = { .most = 6, .none = 0.4 };
    int untouched = 0, painted = 0, most = 0;

    (void)state;
    draw_regions();
    for (uint64_t i = 0; i < 2000; i++) {
        limn_random random = { .seed = 5, .stream = 9, .step = i / 500 };
        int count;

        memcpy(a, other, sizeof a);
        count = limn_hints_draw(&hints, &random, i, a, b, 3, SIDE, SIDE);
        assert_in_range(count, 0, 6);
        untouched += count == 0;
        if (count > most) most = count;
        if (!count) assert_memory_equal(a, other, sizeof a);
        for (int p = 0; p < COUNT; p++) {
            bool same = true, target = true;

            for (int c = 0; c < 3; c++) {
                same &= a[c * COUNT + p] == other[c * COUNT + p];
                target &= a[c * COUNT + p] == b[c * COUNT + p];
            }
            assert_true(same || target); /* regions are of one colour: paint is the target itself */
            if (b[p] == -1) assert_true(same); /* and lines stay lines */
            painted += !same;
        }
    }
    assert_in_range(untouched, 720, 880); /* 0.4 of 2000, and sigma is 22 */
    assert_int_equal(most, 6);
    assert_true(painted > 2000);
}

/* Lines of the input that the target does not have (its outlines are not in a flat target). */
static void lines_of_the_input_stay(void **state)
{
    limn_hints hints = { .most = 9, .none = 0 };
    int painted = 0;

    (void)state;
    for (int i = 0; i < COUNT; i++)
        for (int c = 0; c < 3; c++) {
            b[c * COUNT + i] = 0.3f;
            other[c * COUNT + i] = i % SIDE == 9 || i / SIDE == 20 ? -1 : 1;
        }
    for (uint64_t i = 0; i < 200; i++) {
        memcpy(a, other, sizeof a);
        limn_hints_draw(&hints, &(limn_random){ .seed = 8 }, i, a, b, 3, SIDE, SIDE);
        for (int p = 0; p < COUNT; p++) {
            if (other[p] == -1) assert_true(a[p] == -1);
            painted += a[p] != other[p];
        }
    }
    assert_true(painted > 2000);
}

/* Beside a line of the target's that paint could jump lies a region of equal colour; a single touch
 * must never be in both. */
static void a_touch_does_not_jump_over_lines(void **state)
{
    limn_hints hints = { .most = 1, .none = 0 };

    (void)state;
    for (int i = 0; i < COUNT; i++)
        for (int c = 0; c < 3; c++) {
            b[c * COUNT + i] = i % SIDE % 4 == 3 ? -1 : 0.2f * (float)c; /* stripes of 3 pixels */
            other[c * COUNT + i] = 1;
        }
    for (uint64_t i = 0; i < 1000; i++) {
        int stripe = -1;

        memcpy(a, other, sizeof a);
        limn_hints_draw(&hints, &(limn_random){ .seed = 3 }, i, a, b, 3, SIDE, SIDE);
        for (int p = 0; p < COUNT; p++) {
            if (a[p] == 1) continue;
            assert_true(b[p] != -1);
            if (stripe < 0) stripe = p % SIDE / 4;
            assert_int_equal(p % SIDE / 4, stripe);
        }
    }
}

static void touches_depend_on_seed_and_index_alone(void **state)
{
    limn_hints hints = { .most = 8, .none = 0 };
    limn_random random = { .seed = 5, .stream = 9, .step = 2 };
    float first[3 * COUNT];
    int different = 0;

    (void)state;
    draw_regions();
    memcpy(first, other, sizeof first);
    assert_true(limn_hints_draw(&hints, &random, 4, first, b, 3, SIDE, SIDE) > 0);
    for (uint64_t i = 0; i < 10; i++) {
        memcpy(a, other, sizeof a);
        limn_hints_draw(&hints, &random, i, a, b, 3, SIDE, SIDE);
        if (i == 4)
            assert_memory_equal(a, first, sizeof first);
        else
            different += memcmp(a, first, sizeof first) != 0;
    }
    assert_int_equal(different, 9);
    hints.most = 0;
    memcpy(a, other, sizeof a);
    assert_int_equal(limn_hints_draw(&hints, &random, 4, a, b, 3, SIDE, SIDE), 0);
    hints.most = 100000; /* cut, and inside its share of the draws */
    assert_true(limn_hints_draw(&hints, &random, 4, a, b, 3, SIDE, SIDE) <= 200);
    limn_hints_draw(&hints, &random, 4, a, b, 3, 1, 1); /* one pixel */
}

enum { QUARTERS = 4, WAYS = 6 };

/* The region of pixel p of draw_regions(), QUARTERS on a line. */
static int quarter_of(int p)
{
    return other[p] == -1 ? QUARTERS : (p % SIDE > 15) + 2 * (p / SIDE > 15);
}

/* Which of the six orders makes now of old, or -1. */
static int way_of(const float *now, const float *old, int p)
{
    static const char orders[WAYS][4] = { "012", "021", "102", "120", "201", "210" };

    for (int w = 0; w < WAYS; w++) {
        bool same = true;

        for (int c = 0; c < 3; c++)
            same &= now[c * COUNT + p] == old[(orders[w][c] - '0') * COUNT + p];
        if (same) return w;
    }
    return -1;
}

static bool recolour(const limn_hints *hints, uint64_t index, int channels)
{
    bool changed;

    assert_int_equal(limn_hints_recolour(hints, &(limn_random){ .seed = 6, .stream = 9 }, index,
                                         other, a, b, channels, SIDE, SIDE, &changed, &error),
                     LIMN_OK);
    return changed;
}

/* Each region with paint has its own order of colours, in the target and in the paint; all else is
 * as it was. */
static void touched_regions_change_colour(void **state)
{
    limn_hints hints = { .most = 4, .none = 0.25, .recolour = 0.5 };
    int changed = 0, touched = 0, together = 0, apart = 0, ways[WAYS] = { 0 };
    float old[3 * COUNT], paint[3 * COUNT];

    (void)state;
    draw_regions();
    for (int i = 0; i < 3 * COUNT; i++) /* greys differ, too */
        if (other[i % COUNT] != -1) b[i] += (float)(i / COUNT) * 0.001f;
    memcpy(old, b, sizeof old);
    for (uint64_t i = 0; i < 2000; i++) {
        int way[QUARTERS + 1] = { -1, -1, -1, -1, 0 }, seen = -1;
        bool has_paint[QUARTERS + 1] = { false };

        memcpy(b, old, sizeof b);
        memcpy(a, other, sizeof a);
        touched += limn_hints_draw(&hints, &(limn_random){ .seed = 6, .stream = 9 }, i, a, b, 3,
                                   SIDE, SIDE) > 0;
        memcpy(paint, a, sizeof paint);
        for (int p = 0; p < COUNT; p++) has_paint[quarter_of(p)] |= a[p] != other[p];
        assert_false(has_paint[QUARTERS]);
        if (!recolour(&hints, i, 3)) {
            assert_memory_equal(b, old, sizeof b);
            assert_memory_equal(a, paint, sizeof a);
            continue;
        }
        changed++;
        for (int p = 0; p < COUNT; p++) {
            int q = quarter_of(p), w = way_of(b, old, p);

            if (q == QUARTERS) w = 0; /* black in any order */
            if (way[q] < 0) way[q] = w;
            assert_in_range(w, 0, WAYS - 1);
            assert_int_equal(w, way[q]); /* one for all of the region */
            assert_int_equal(way_of(a, paint, p) >= 0, 1);
            for (int c = 0; c < 3; c++) /* the paint goes with the target, the paper stays */
                assert_true(a[c * COUNT + p] == (paint[p] == other[p] ? other : b)[c * COUNT + p]);
        }
        for (int q = 0; q < QUARTERS; q++) {
            if (!has_paint[q]) assert_int_equal(way[q], 0);
            if (!has_paint[q]) continue;
            ways[way[q]]++;
            if (seen >= 0) way[q] == seen ? together++ : apart++;
            seen = way[q];
        }
    }
    assert_in_range(touched, 1430, 1570); /* three quarters, and sigma is 19 */
    assert_in_range(changed, 680, 820);   /* half of three quarters */
    for (int w = 0; w < WAYS; w++) assert_in_range(ways[w], 150, 400);
    assert_in_range(apart, 4 * together, 7 * together); /* independent: 5 of 6 */

    memcpy(a, other, sizeof a);
    memcpy(b, old, sizeof b);
    hints.recolour = 0;
    for (uint64_t i = 0; i < 50; i++) assert_false(recolour(&hints, i, 3));
    hints.recolour = 1;
    hints.none = 0;
    assert_false(recolour(&hints, 0, 1));
    assert_memory_equal(b, old, sizeof old);
}

/* Paint in one of two fields: a soft edge of the line goes with the field that it belongs to, and
 * the far field keeps its colour. */
static void recolouring_takes_soft_edges_along(void **state)
{
    limn_hints hints = { .most = 1, .none = 0, .recolour = 1 };
    int changed = 0;

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        int x = i % SIDE; /* white, soft edge, line of two, soft edge, white */
        float ink = x == 10 || x == 13 ? 0.4f : x == 11 || x == 12 ? 0 : 1;

        for (int c = 0; c < 3; c++) {
            other[c * COUNT + i] = ink * 2 - 1;
            b[c * COUNT + i] = ink * (float)(1 + c) / 2 - 1; /* 0.5, 1, 1.5 above black */
        }
    }
    memcpy(a, other, sizeof a);
    for (int c = 0; c < 3; c++) a[c * COUNT + 5 * SIDE + 5] = b[c * COUNT + 5 * SIDE + 5];
    for (uint64_t i = 0; i < 40 && !changed; i++) {
        assert_true(recolour(&hints, i, 3));
        changed = b[0] != -0.5f;
    }
    assert_true(changed);
    for (int i = 0; i < COUNT; i++) {
        int x = i % SIDE;
        float red = b[i];

        if (x < 10) assert_true(red == b[0]);
        if (x == 10) assert_float_equal(red, (b[0] + 1) * 0.4f - 1, 1e-6);
        if (x == 13) assert_float_equal(red, 0.5f * 0.4f - 1, 1e-6);
        if (x > 13) assert_true(red == -0.5f);
    }
    assert_true(a[5 * SIDE + 5] == b[5 * SIDE + 5] && a[0] == 1);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, NULL, stop)
    const struct CMUnitTest tests[] = {
        CASE(lab_as_published),
        CASE(greys_have_no_colour),
        CASE(round_trips_are_exact),
        CASE(lightness_never_changes),
        CASE(grey_is_luma),
        CASE(blur_is_gaussian),
        CASE(downscale_loses_what_is_fine),
        CASE(edges_are_thin_lines_where_steps_are),
        CASE(edges_go_on_while_above_the_low_threshold),
        CASE(derive_refuses),
        CASE(touches_stay_in_their_region),
        CASE(lines_of_the_input_stay),
        CASE(a_touch_does_not_jump_over_lines),
        CASE(touches_depend_on_seed_and_index_alone),
        CASE(touched_regions_change_colour),
        CASE(recolouring_takes_soft_edges_along),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
