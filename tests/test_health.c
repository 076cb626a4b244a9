/* SPDX-License-Identifier: Apache-2.0
 *
 * The watcher of a training's health, fed with series: those of runs that failed must be called by
 * their name, once, and those of runs that were well (recorded from real ones) must pass in
 * silence.  What the alarms advise is given to the settings as a person would type it. */
#include "train/health.h"
#include <math.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { HEARD_MAX = 16 };

/* What was said. */
typedef struct ear {
    limn_alarm heard[HEARD_MAX];
    int count;
} ear;

static limn_status hear(void *context, const limn_alarm *alarm, limn_error *error)
{
    ear *e = context;

    (void)error;
    assert_true(e->count < HEARD_MAX);
    e->heard[e->count++] = *alarm;
    return LIMN_OK;
}

static void expect(const ear *e, int at, limn_alarm_kind kind, limn_alarm_change change,
                   const char *subject)
{
    if (at >= e->count) fail_msg("only %d alarms were raised", e->count);
    if (e->heard[at].kind != kind || e->heard[at].change != change ||
        strcmp(e->heard[at].subject, subject))
        fail_msg("%s %s %s: %s", limn_alarm_word(e->heard[at].kind),
                 limn_alarm_change_word(e->heard[at].change), e->heard[at].subject,
                 e->heard[at].sentence);
}

/* A watcher for a recipe whose reported losses are D_real, D_fake, G_GAN of one critic. */
static void watch(limn_health *h, limn_train_settings *s, const char *recipe, limn_gan_mode mode,
                  ear *e)
{
    const limn_critic critic = { .name = "D",
                                 .critic_losses = { 0, 1 },
                                 .critic_count = 2,
                                 .generator_losses = { 2 },
                                 .generator_count = 1,
                                 .critic_weight = { 1, 1 },
                                 .generator_weight = { 1 } };
    const limn_recipe *r = limn_recipe_find(recipe);

    *e = (ear){ .count = 0 };
    *s = limn_train_defaults(r);
    s->gan_mode = (int)mode;
    limn_health_open(h, s, r->unpaired, r->generators, &critic, 1, hear, e);
}

static uint64_t feed(limn_health *h, uint64_t step, const double (*blocks)[3], int count)
{
    for (int b = 0; b < count; b++)
        for (int i = 0; i < 100; i++) {
            step++;
            assert_false(limn_health_step(h, step, 1 + step / 400, blocks[b], NULL));
        }
    return step;
}

static uint64_t feed_same(limn_health *h, uint64_t step, double d, double g, int blocks)
{
    const double losses[1][3] = { { d, d, g } };

    for (int b = 0; b < blocks; b++) step = feed(h, step, losses, 1);
    return step;
}

/* ---- The critic ------------------------------------------------------------------------------ */

/* Means of 100 steps each of real runs: D_real, D_fake, G_GAN. */
static const double facades[][3] = { /* pix2pix, vanilla, 256 x 256 */
                                     { 0.655, 0.640, 1.150 }, { 0.300, 0.303, 2.322 },
                                     { 0.242, 0.243, 2.711 }, { 0.267, 0.258, 2.751 },
                                     { 0.332, 0.320, 2.658 }, { 0.266, 0.264, 2.676 },
                                     { 0.332, 0.293, 2.658 }, { 0.291, 0.271, 2.751 },
                                     { 0.318, 0.313, 2.626 }, { 0.284, 0.247, 2.718 },
                                     { 0.343, 0.280, 2.708 }, { 0.312, 0.282, 2.596 },
                                     { 0.324, 0.240, 2.855 }, { 0.313, 0.283, 2.696 }
};
static const double shapes[][3] = { /* pix2pix, lsgan, drawn shapes 128 x 128 */
                                    { 0.424, 0.351, 0.524 }, { 0.202, 0.144, 0.657 },
                                    { 0.217, 0.155, 0.604 }, { 0.246, 0.231, 0.364 },
                                    { 0.250, 0.245, 0.329 }, { 0.243, 0.247, 0.326 },
                                    { 0.241, 0.243, 0.313 }, { 0.242, 0.243, 0.300 },
                                    { 0.242, 0.244, 0.294 }, { 0.243, 0.243, 0.288 },
                                    { 0.234, 0.236, 0.287 }, { 0.230, 0.232, 0.302 },
                                    { 0.221, 0.219, 0.312 }
};
static const double toy[][3] = { /* cut, lsgan, blue discs to orange triangles 64 x 64 */
                                 { 0.218, 0.164, 0.560 }, { 0.199, 0.209, 0.406 },
                                 { 0.179, 0.184, 0.451 }, { 0.249, 0.227, 0.399 },
                                 { 0.212, 0.210, 0.338 }, { 0.179, 0.180, 0.416 },
                                 { 0.210, 0.203, 0.385 }, { 0.203, 0.200, 0.402 },
                                 { 0.170, 0.171, 0.482 }, { 0.164, 0.164, 0.504 },
                                 { 0.135, 0.130, 0.613 }, { 0.146, 0.151, 0.572 },
                                 { 0.142, 0.141, 0.570 }, { 0.141, 0.137, 0.599 },
                                 { 0.122, 0.122, 0.644 }, { 0.105, 0.099, 0.685 },
                                 { 0.061, 0.060, 0.795 }, { 0.054, 0.059, 0.787 },
                                 { 0.035, 0.040, 0.808 }
};

static void healthy_critics_are_silent(void **state)
{
    limn_train_settings s;
    limn_health h;
    ear e;

    (void)state;
    watch(&h, &s, "pix2pix", LIMN_GAN_VANILLA, &e);
    feed(&h, 0, facades, sizeof facades / sizeof *facades);
    assert_int_equal(e.count, 0);
    watch(&h, &s, "cut", LIMN_GAN_LSGAN, &e);
    feed(&h, 0, toy, sizeof toy / sizeof *toy);
    assert_int_equal(e.count, 0);
    watch(&h, &s, "pix2pix", LIMN_GAN_LSGAN, &e);
    feed(&h, 0, shapes, 13);
    assert_int_equal(e.count, 0);
    /* Low for 900 steps, then not; low for good while the generator gains on it; sure, but not of
     * everything. */
    watch(&h, &s, "pix2pix", LIMN_GAN_VANILLA, &e);
    feed_same(&h, feed_same(&h, 0, 0.01, 5, 9), 0.3, 3, 11);
    assert_int_equal(e.count, 0);
    watch(&h, &s, "pix2pix", LIMN_GAN_VANILLA, &e);
    for (uint64_t b = 0, step = 0; b < 20; b++)
        step = feed_same(&h, step, 0.01, 12 - 0.4 * (double)b, 1);
    assert_int_equal(e.count, 0);
    watch(&h, &s, "pix2pix", LIMN_GAN_VANILLA, &e);
    feed_same(&h, 0, 0.06, 3.4, 40);
    assert_int_equal(e.count, 0);
    watch(&h, &s, "cycle_gan", LIMN_GAN_LSGAN, &e);
    feed_same(&h, 0, 0.03, 0.75, 40); /* where cycle_gan often is for long */
    assert_int_equal(e.count, 0);
}

static void a_critic_that_has_won(void **state)
{
    static const struct {
        limn_gan_mode mode;
        double d, g, limit;
    } cases[] = { { LIMN_GAN_VANILLA, 0.008, 5, 0.02 },
                  { LIMN_GAN_NONSATURATING, 0.008, 5, 0.02 },
                  { LIMN_GAN_LSGAN, 0.004, 0.97, 0.01 },
                  { LIMN_GAN_HINGE, 0.004, 1.8, 0.02 } };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        limn_train_settings s;
        limn_health h;
        uint64_t step;
        ear e;

        watch(&h, &s, "pix2pix", cases[i].mode, &e);
        step = feed(&h, 0, shapes, 5);
        step = feed_same(&h, step, cases[i].d, cases[i].g, 9);
        assert_int_equal(e.count, 0);
        step = feed_same(&h, step, cases[i].d, cases[i].g, 1);
        assert_int_equal(e.count, 1);
        expect(&e, 0, LIMN_ALARM_CRITIC, LIMN_ALARM_RAISED, "D");
        assert_int_equal(e.heard[0].step, 1500);
        assert_true(fabs(e.heard[0].value - cases[i].d) < 1e-9);
        assert_true(e.heard[0].threshold == cases[i].limit);
        step = feed_same(&h, step, cases[i].d / 2, cases[i].g, 30);
        assert_int_equal(e.count, 1); /* said once */
        step = feed_same(&h, step, cases[i].d / 10, cases[i].g * 1.2, 10);
        expect(&e, 1, LIMN_ALARM_CRITIC, LIMN_ALARM_WORSE, "D");
        step = feed_same(&h, step, 0.3, 0.5, 10);
        assert_int_equal(e.count, 3);
        expect(&e, 2, LIMN_ALARM_CRITIC, LIMN_ALARM_CLEARED, "D");
        feed_same(&h, step, cases[i].d, cases[i].g, 10);
        expect(&e, 3, LIMN_ALARM_CRITIC, LIMN_ALARM_RAISED, "D"); /* and has returned */
        assert_int_equal(e.count, 4);
    }
}

/* A run that is killed after the alarm and goes on from before it, or after it, says nothing twice;
 * one that is well again says so. */
static void resumed_without_repeating(void **state)
{
    limn_train_settings s;
    limn_health h;
    uint64_t step;
    ear e;

    (void)state;
    for (int round = 0; round < 2; round++) {
        uint64_t said = round ? 1500 : 2100, from = 1700;

        watch(&h, &s, "pix2pix", LIMN_GAN_LSGAN, &e);
        h.silent = true;
        step = feed(&h, 0, shapes, 5);
        step = feed_same(&h, step, 0.004, 0.97, 12);
        assert_int_equal(step, from);
        limn_health_recall(&h, "critic", "raised", "D", said, 0.004);
        h.silent = false;
        step = feed_same(&h, step, 0.004, 0.97, 20);
        assert_int_equal(e.count, 0);
        feed_same(&h, step, 0.3, 0.5, 10);
        assert_int_equal(e.count, 1);
        expect(&e, 0, LIMN_ALARM_CRITIC, LIMN_ALARM_CLEARED, "D");
    }
}

/* ---- Looks ----------------------------------------------------------------------------------- */

static const limn_look well = { .pictures = 20,
                                .spread_input = 0.5,
                                .spread_output = 0.45,
                                .spread_target = 0.5,
                                .luma_output = 0.4,
                                .luma_target = 0.5,
                                .skew_input = 0.1,
                                .skew_target = 0.2,
                                .edges_output = 0.9,
                                .plain_input = 0.7,
                                .plain_target = 0.65,
                                .grid_output = 0.9,
                                .grid_target = 0.65 };

/* Epochs of 400 steps, up to one. */
static void looks(limn_health *h, uint64_t from, uint64_t to, int generator, limn_look look)
{
    for (uint64_t epoch = from; epoch <= to; epoch++)
        assert_false(limn_health_look(h, 400 * epoch, epoch, generator, &look, NULL));
}

/* Edges of runs on blue discs, squares and ellipses to orange triangles, stars and crosses (on 40
 * pictures, 183 steps apart): two of cut with lambda-NCE 4 and one of cycle_gan that were well, and
 * one of cut with 1, in bfloat16, that left forms white and coloured crescents beside them. */
static const double edges_well[][8] = {
    { 0.167, 0.343, 0.616, 0.797, 0.828, 0.818, 0.854, 0.875 },
    { 0.766, 0.826, 0.827, 0.900, 0.893, 0.909, 0.899, 0.834 },
    { 0.749, 0.855, 0.875, 0.885, 0.885, 0.885, 0.885, 0.885 }, /* four epochs */
};
static const double edges_beside[] = { -0.052, 0.096, 0.212, 0.185, 0.267, 0.250, 0.271, 0.304 };

/* Returns how often something was said. */
static int outlines(const double *edges, int count, double plain_target, ear *e)
{
    limn_train_settings s;
    limn_look look = well;
    limn_health h;

    watch(&h, &s, "cut", LIMN_GAN_LSGAN, e);
    look.plain_input = 0.867;
    look.plain_target = plain_target;
    for (int epoch = 1; epoch <= count; epoch++) {
        look.edges_output = edges[epoch - 1];
        assert_false(limn_health_look(&h, 183 * (uint64_t)epoch, (uint64_t)epoch, 0, &look, NULL));
    }
    return e->count;
}

static void outlines_that_go_elsewhere(void **state)
{
    enum { WELL = sizeof edges_well / sizeof *edges_well };
    enum { BESIDE = sizeof edges_beside / sizeof *edges_beside };
    limn_train_settings s;
    limn_look look = well;
    limn_health h;
    ear e;

    (void)state;
    for (int i = 0; i < WELL; i++) assert_int_equal(outlines(edges_well[i], 8, 0.862, &e), 0);
    assert_int_equal(outlines(edges_beside, BESIDE, 0.862, &e), 1);
    expect(&e, 0, LIMN_ALARM_OUTLINE, LIMN_ALARM_RAISED, "G");
    assert_int_equal(e.heard[0].epoch, 5); /* the third from step 500 on */
    assert_true(e.heard[0].value == 0.267 && e.heard[0].threshold == 0.45);
    assert_non_null(
        strstr(e.heard[0].sentence, "--lambda-NCE 2 in a new run, with another --seed 2"));
    /* Photographs on one side: edges are everywhere there, and label maps share few of them. */
    assert_int_equal(outlines(edges_beside, BESIDE, 0.26, &e), 0);
    /* Outputs without an edge are what collapse is for. */
    watch(&h, &s, "cycle_gan", LIMN_GAN_LSGAN, &e);
    look.edges_output = NAN;
    looks(&h, 1, 9, 0, look);
    /* Targets say where edges belong. */
    watch(&h, &s, "pix2pix", LIMN_GAN_VANILLA, &e);
    look.edges_output = 0.1;
    looks(&h, 1, 9, 0, look);
    assert_int_equal(e.count, 0);
    watch(&h, &s, "cycle_gan", LIMN_GAN_LSGAN, &e);
    looks(&h, 1, 9, 1, look);
    expect(&e, 0, LIMN_ALARM_OUTLINE, LIMN_ALARM_RAISED, "G_B");
    look.edges_output = -0.25;
    looks(&h, 10, 12, 1, look);
    expect(&e, 1, LIMN_ALARM_OUTLINE, LIMN_ALARM_WORSE, "G_B");
    looks(&h, 13, 20, 1, well);
    expect(&e, 2, LIMN_ALARM_OUTLINE, LIMN_ALARM_CLEARED, "G_B");
    assert_int_equal(e.count, 3);
}

/* The run of cut whose losses are above, epochs of 120 steps: spread, luma, grid of outputs. */
static const double toy_looks[][3] = { { 0.425, 0.777, 0.985 }, { 0.470, 0.926, 0.953 },
                                       { 0.495, 0.929, 0.659 }, { 0.475, 0.956, 0.639 },
                                       { 0.438, 0.892, 0.523 }, { 0.528, 0.890, 0.507 },
                                       { 0.487, 0.863, 0.605 }, { 0.485, 0.842, 0.879 },
                                       { 0.449, 0.806, 0.916 }, { 0.507, 0.828, 0.640 },
                                       { 0.484, 0.820, 0.841 }, { 0.539, 0.817, 0.780 },
                                       { 0.483, 0.823, 0.704 }, { 0.481, 0.798, 0.673 },
                                       { 0.446, 0.533, 0.772 }, { 0.489, 0.539, 0.736 } };

static void healthy_looks_are_silent(void **state)
{
    limn_train_settings s;
    limn_look look = well;
    limn_health h;
    ear e;

    (void)state;
    watch(&h, &s, "cut", LIMN_GAN_LSGAN, &e);
    for (uint64_t epoch = 1; epoch <= sizeof toy_looks / sizeof *toy_looks; epoch++) {
        const double *seen = toy_looks[epoch - 1];

        look = (limn_look){ .pictures = 40,
                            .spread_input = 0.558,
                            .spread_output = seen[0],
                            .spread_target = 0.469,
                            .luma_output = seen[1],
                            .luma_target = NAN,
                            .skew_input = -2.275,
                            .skew_target = -2.733,
                            .grid_output = seen[2],
                            .grid_target = 0.657 };
        assert_false(limn_health_look(&h, 120 * epoch, epoch, 0, &look, NULL));
    }
    assert_int_equal(e.count, 0);
    watch(&h, &s, "cycle_gan", LIMN_GAN_LSGAN, &e);
    look = well;
    look.spread_output = 0.001; /* young: all alike, turned, with a grid */
    look.luma_output = -0.8;
    look.grid_output = 30;
    looks(&h, 1, 3, 0, look);
    looks(&h, 4, 30, 0, well);
    assert_int_equal(e.count, 0);
    /* One odd epoch. */
    looks(&h, 31, 32, 0, look);
    looks(&h, 33, 35, 0, well);
    assert_int_equal(e.count, 0);
    /* Targets that are all alike leave nothing to differ in; the one side light on dark and the
     * other dark on light; nothing to correlate or to compare; too few pictures. */
    look = well;
    look.spread_target = 0.01;
    look.spread_output = 0.005;
    looks(&h, 36, 50, 0, look);
    look = well;
    look.luma_output = -0.7;
    look.skew_input = -1.5;
    look.skew_target = 1.2;
    looks(&h, 51, 60, 0, look);
    look.luma_output = look.luma_target = look.grid_target = look.grid_output = NAN;
    looks(&h, 61, 70, 0, look);
    look = well;
    look.spread_output = 0;
    look.pictures = 3;
    looks(&h, 71, 80, 0, look);
    assert_int_equal(e.count, 0);
    /* Averages of what can't be foreseen differ less than targets do. */
    look = well;
    look.spread_output = 0.2;
    looks(&h, 81, 90, 0, look);
    /* A sharper output than the targets, far from a grid. */
    look = well;
    look.grid_output = 1.8;
    look.grid_target = 0.4;
    looks(&h, 91, 99, 0, look);
    assert_int_equal(e.count, 0);
    watch(&h, &s, "pix2pix", LIMN_GAN_VANILLA, &e);
    look = well;
    look.luma_output = look.luma_target = -0.6; /* negatives of the inputs, as they should be */
    looks(&h, 1, 20, 0, look);
    assert_int_equal(e.count, 0);
    /* A grid that goes away, if slowly. */
    look = well;
    look.grid_output = 40;
    for (uint64_t epoch = 21; epoch < 60; epoch++, look.grid_output *= 0.88)
        looks(&h, epoch, epoch, 0, look);
    assert_int_equal(e.count, 0);
}

static void looks_of_failures(void **state)
{
    limn_train_settings s;
    limn_look look = well;
    limn_health h;
    ear e;

    (void)state;
    watch(&h, &s, "cycle_gan", LIMN_GAN_LSGAN, &e);
    looks(&h, 1, 10, 1, well);
    look.spread_output = 0.05;
    looks(&h, 11, 12, 1, look);
    assert_int_equal(e.count, 0);
    looks(&h, 13, 20, 1, look);
    assert_int_equal(e.count, 1);
    expect(&e, 0, LIMN_ALARM_COLLAPSE, LIMN_ALARM_RAISED, "G_B");
    assert_int_equal(e.heard[0].epoch, 13);
    assert_true(fabs(e.heard[0].value - 0.1) < 1e-9 && e.heard[0].threshold == 0.25);
    look.spread_output = 0.01;
    looks(&h, 21, 23, 1, look);
    expect(&e, 1, LIMN_ALARM_COLLAPSE, LIMN_ALARM_WORSE, "G_B");
    looks(&h, 24, 26, 1, well);
    expect(&e, 2, LIMN_ALARM_COLLAPSE, LIMN_ALARM_CLEARED, "G_B");
    assert_int_equal(e.count, 3);
    /* Alike from the beginning, so that nothing fell. */
    watch(&h, &s, "cut", LIMN_GAN_LSGAN, &e);
    looks(&h, 1, 4, 0, look);
    assert_int_equal(e.count, 0);
    looks(&h, 5, 8, 0, look);
    expect(&e, 0, LIMN_ALARM_COLLAPSE, LIMN_ALARM_RAISED, "G");
    assert_int_equal(e.count, 1);

    watch(&h, &s, "cycle_gan", LIMN_GAN_LSGAN, &e);
    look = well;
    look.luma_output = -0.5;
    looks(&h, 1, 3, 0, well);
    looks(&h, 4, 9, 0, look);
    expect(&e, 0, LIMN_ALARM_INVERSION, LIMN_ALARM_RAISED, "G_A");
    assert_int_equal(e.heard[0].epoch, 6);
    assert_int_equal(e.count, 1);
    look.luma_output = -0.9;
    looks(&h, 10, 10, 0, look);
    expect(&e, 1, LIMN_ALARM_INVERSION, LIMN_ALARM_WORSE, "G_A");
    for (int round = 0; round < 2; round++) { /* pairs: either way round */
        watch(&h, &s, "pix2pix", LIMN_GAN_VANILLA, &e);
        look = well;
        look.luma_output = round ? 0.4 : -0.4;
        look.luma_target = -look.luma_output;
        looks(&h, 1, 9, 0, look);
        expect(&e, 0, LIMN_ALARM_INVERSION, LIMN_ALARM_RAISED, "G");
        assert_int_equal(e.count, 1);
    }

    watch(&h, &s, "pix2pix", LIMN_GAN_VANILLA, &e);
    look = well;
    look.grid_output = 6;
    looks(&h, 1, 6, 0, look);
    assert_int_equal(e.count, 0);
    looks(&h, 7, 20, 0, look);
    expect(&e, 0, LIMN_ALARM_CHECKERBOARD, LIMN_ALARM_RAISED, "G");
    assert_int_equal(e.count, 1);
    assert_true(fabs(e.heard[0].value - 6 / 0.65) < 1e-9 && e.heard[0].threshold == 4);
}

/* ---- Inputs and losses ----------------------------------------------------------------------- */

static void inputs_of_one_colour(void **state)
{
    float flat[3 * 64], other[3 * 64];
    limn_shape shape = { 1, 3, 8, 8 };
    limn_train_settings s;
    limn_health h;
    ear e;

    (void)state;
    for (int i = 0; i < 3 * 64; i++) flat[i] = other[i] = (float)(i / 64) / 4;
    other[70] += 0.1f; /* in one channel only */
    watch(&h, &s, "cycle_gan", LIMN_GAN_LSGAN, &e);
    assert_false(limn_health_flat_files(&h, 0, 400, "", NULL));
    assert_int_equal(e.count, 0);
    assert_false(limn_health_flat_files(&h, 2, 400, "a.png, b.png", NULL));
    expect(&e, 0, LIMN_ALARM_FLAT, LIMN_ALARM_RAISED, "");
    assert_non_null(strstr(e.heard[0].sentence, "a.png, b.png"));
    assert_true(e.heard[0].value == 2);
    assert_false(limn_health_flat_files(&h, 2, 400, "a.png, b.png", NULL)); /* once */
    assert_int_equal(e.count, 1);
    watch(&h, &s, "cycle_gan", LIMN_GAN_LSGAN, &e);
    for (uint64_t i = 1; i <= 400; i++) /* 4 % of the inputs */
        assert_false(limn_health_input(&h, i, 1, i % 25 ? other : flat, shape, "c.png", NULL));
    assert_int_equal(e.count, 0);
    watch(&h, &s, "cycle_gan", LIMN_GAN_LSGAN, &e);
    for (uint64_t i = 1; i <= 400; i++)
        assert_false(limn_health_input(&h, i, 1, i % 10 ? other : flat, shape, "c.png", NULL));
    assert_int_equal(e.count, 1);
    expect(&e, 0, LIMN_ALARM_FLAT, LIMN_ALARM_RAISED, "");
    assert_true(e.heard[0].threshold == 0.05);
    watch(&h, &s, "pix2pix", LIMN_GAN_VANILLA, &e);
    s.batch_size = 4; /* a batch has a deviation though a picture has none */
    assert_false(limn_health_flat_files(&h, 2, 400, "a.png, b.png", NULL));
    assert_int_equal(e.count, 0);
    assert_false(limn_health_lost(&h, 7, 1, "G_L1", NAN, NULL));
    expect(&e, 0, LIMN_ALARM_NOT_FINITE, LIMN_ALARM_RAISED, "");
    assert_non_null(strstr(e.heard[0].sentence, "G_L1 is nan at step 7"));
}

/* ---- Advice ---------------------------------------------------------------------------------- */

/* Every setting that is named exists, takes the value that is named, and that is another one than
 * is in use. */
static void advice_can_be_typed(void **state)
{
    limn_error error = { 0 };
    int typed = 0;

    (void)state;
    for (int r = 0; limn_recipes[r]; r++)
        for (int kind = 0; kind < LIMN_ALARM_KINDS; kind++)
            for (int variant = 0; variant < 2; variant++) {
                limn_train_settings s = limn_train_defaults(limn_recipes[r]);
                char text[300], before[100], after[100], *word;

                if (variant) {
                    s.gan_mode = s.gan_mode == LIMN_GAN_LSGAN ? LIMN_GAN_VANILLA : LIMN_GAN_LSGAN;
                    s.netG = "resnet_6blocks";
                    s.antialias_up = !s.antialias_up;
                    s.ema = 0.99;
                }
                limn_health_advice(text, sizeof text, (limn_alarm_kind)kind, &s);
                assert_true(strlen(text) > 15 && strlen(text) < 160);
                assert_non_null(word = strstr(text, "--"));
                for (; word; word = strstr(word + 2, "--")) {
                    char name[40] = "", value[40] = "";
                    const limn_setting *row;

                    sscanf(word + 2, "%39[A-Za-z0-9-]%*[ ]%39[A-Za-z0-9_.]", name, value);
                    row = limn_setting_find(limn_train_rows(), name);
                    if (!row) fail_msg("there is no --%s: %s", name, text);
                    if (row->kind == LIMN_SETTING_FLAG) snprintf(value, sizeof value, "true");
                    limn_setting_get(row, &s, before, sizeof before);
                    if (limn_setting_set(limn_train_rows(), &s, name, value, &error))
                        fail_msg("%s: %s", text, error.text);
                    limn_setting_get(row, &s, after, sizeof after);
                    if (!strcmp(before, after) && strcmp(name, "compute") && strcmp(name, "norm"))
                        fail_msg("--%s is %s already: %s", name, value, text);
                    typed++;
                }
            }
    assert_true(typed > 60);
}

/* ---- Which losses are whose ------------------------------------------------------------------ */

static void critics_of_every_recipe(void **state)
{
    static const struct {
        const char *recipe, *critic;
        double critic_weight;
        int critics, losses;
    } cases[] = { { "pix2pix", "D", 1, 1, 2 },
                  { "cycle_gan", "D_A", 1, 2, 1 },
                  { "cut", "D", 1, 1, 2 } };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const limn_recipe *r = limn_recipe_find(cases[i].recipe);
        limn_recipe_settings s = limn_recipe_defaults(r);
        limn_value values[LIMN_LOSSES_MAX];
        limn_critic critics[LIMN_CRITICS_MAX];
        limn_error error = { 0 };
        limn_graph *g;
        int count = 0;

        s.generator.filters = s.critic.filters = 4;
        if (limn_graph_open(&g, true, &error)) fail_msg("%s", error.text);
        r->step(g, &s);
        if (limn_graph_status(g, &error)) fail_msg("%s", error.text);
        for (int k = 0; k < limn_report_count(g); k++) {
            limn_value value;

            limn_report_name(g, k, &value);
            if (limn_count(limn_shape_of(g, value)) == 1) values[count++] = value;
        }
        assert_int_equal(limn_critics_find(critics, g, values, count), cases[i].critics);
        assert_string_equal(critics[0].name, cases[i].critic);
        assert_int_equal(critics[0].critic_count, cases[i].losses);
        assert_int_equal(critics[0].generator_count, 1);
        assert_true(fabs(critics[0].critic_weight[0] - cases[i].critic_weight) < 1e-6);
        assert_true(critics[0].generator_weight[0] == 1);
        limn_graph_close(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(healthy_critics_are_silent), cmocka_unit_test(a_critic_that_has_won),
        cmocka_unit_test(resumed_without_repeating),  cmocka_unit_test(healthy_looks_are_silent),
        cmocka_unit_test(looks_of_failures),          cmocka_unit_test(outlines_that_go_elsewhere),
        cmocka_unit_test(inputs_of_one_colour),       cmocka_unit_test(advice_can_be_typed),
        cmocka_unit_test(critics_of_every_recipe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
