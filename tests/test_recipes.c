/* SPDX-License-Identifier: Apache-2.0
 *
 * What recipes promise, end to end with tiny networks: colorization never changes the lightness;
 * inputs made from targets are the same at use as while training; fastcut mirrors what the paper
 * mirrors; directions name the folder's sides. */
#include "data/derive.h"
#include "data/lab.h"
#include "engine.h"
#include "model/model.h"
#include "train_data.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { SIDE = 32 };

static void fine(limn_status status, const limn_error *error)
{
    if (status) fail_msg("%s", error->text);
}

/* ---- Pictures and runs ----------------------------------------------------------------------- */

/* Discs and squares of many colours on paper: bytes (3, height, width). */
static void draw(uint8_t *planes, int height, int width, int number)
{
    limn_random random = { .seed = 11, .step = (uint64_t)number };
    int cx = width / 4 + (int)limn_random_below(&random, 0, (uint32_t)width / 2);
    int cy = height / 4 + (int)limn_random_below(&random, 1, (uint32_t)height / 2), r = width / 5;

    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            bool inside = number % 2 ? abs(x - cx) < r && abs(y - cy) < r
                                     : (x - cx) * (x - cx) + (y - cy) * (y - cy) < r * r;

            for (int c = 0; c < 3; c++)
                planes[((size_t)c * (size_t)height + (size_t)y) * (size_t)width + (size_t)x] =
                    (uint8_t)(inside ? 40 + (number * 61 + c * 83) % 200 : 200 + 4 * c + x % 30);
        }
}

static void draw_folder(const char *folder, int count)
{
    static uint8_t planes[3 * SIDE * SIDE];
    limn_error error = { 0 };
    char path[600];

    fine(limn_folder_make(folder, &error), &error);
    for (int i = 0; i < count; i++) {
        draw(planes, SIDE, SIDE, i);
        snprintf(path, sizeof path, "%s/%03d.png", folder, i);
        write_png(path, planes, NULL, SIDE, SIDE);
    }
}

/* A picture of one type to a PNG file; values by a function of place and channel, 0 to 1. */
static void write_deep(const char *path, int width, int height, int channels, limn_type type)
{
    limn_encoding encoding = { .format = LIMN_FORMAT_PNG };
    limn_error error = { 0 };
    limn_picture picture;
    limn_bytes bytes;

    fine(limn_picture_make(&picture, width, height, channels, type, false, &error), &error);
    for (int i = 0; i < width * height * channels; i++) {
        int place = i / channels, c = i % channels;
        double value = 0.5 + 0.5 * sin(0.37 * place + 0.01 * place * (c + 1) + c);

        if (type == LIMN_U8)
            ((uint8_t *)picture.pixels)[i] = (uint8_t)lround(255 * value);
        else
            ((uint16_t *)picture.pixels)[i] = (uint16_t)lround(65535 * value);
    }
    fine(limn_picture_encode(&bytes, &picture, &encoding, &error), &error);
    scratch_write(path, bytes.bytes, bytes.count);
    limn_block_free(bytes.bytes);
    limn_picture_close(&picture);
}

typedef struct setting {
    const char *name, *value;
} setting;

/* Trains, and leaves error empty or says why not. */
static limn_status train(const char *model, const char *data, const char *out,
                         const setting *settings, limn_error *error)
{
    static const setting small[] = { { "ngf", "4" },          { "ndf", "4" },
                                     { "load-size", "36" },   { "crop-size", "32" },
                                     { "n-epochs", "2" },     { "n-epochs-decay", "0" },
                                     { "val-pictures", "4" }, { "sheet-pictures", "2" },
                                     { NULL, NULL } };
    limn_training *t;
    limn_status status;

    fine(limn_train_begin(&t, model, NULL, error), error);
    fine(limn_setting_set(limn_train_rows(), limn_train_fields(t), "dataroot", data, error), error);
    fine(limn_setting_set(limn_train_rows(), limn_train_fields(t), "out", out, error), error);
    for (int i = 0; i < 2; i++)
        for (const setting *s = i ? settings : small; s->name; s++)
            fine(
                limn_setting_set(limn_train_rows(), limn_train_fields(t), s->name, s->value, error),
                error);
    status = limn_train_run(t, NULL, error);
    limn_train_end(&t);
    return status;
}

/* Translates one file to another; derive: as while training. */
static limn_status translate(const char *run, const char *in, const char *out, bool derive,
                             limn_error *error)
{
    limn_translate_settings settings = limn_translate_defaults();
    limn_translator *t;
    limn_status status;

    settings.derive = derive;
    settings.compute = 1; /* fp32 */
    if ((status = limn_translator_open(&t, run, &settings, error))) return status;
    status = limn_translate(t, &in, 1, out, NULL, NULL, NULL, error);
    limn_translator_close(&t);
    return status;
}

static double l1_of(const char *run, const char *data, bool derive)
{
    limn_score_settings settings = limn_score_defaults();
    limn_error error = { 0 };
    limn_score_report *report;
    double l1;

    settings.phase = 0; /* train */
    settings.derive = derive;
    settings.compute = 1;
    fine(limn_score_folder(&report, run, data, &settings, NULL, NULL, &error), &error);
    l1 = limn_score_mean_of(report).l1;
    limn_score_close(&report);
    return l1;
}

static void colour_at(const limn_picture *p, int i, double lab[3], double rgb[3])
{
    double most = p->info.type == LIMN_U8 ? 255 : 65535;

    for (int c = 0; c < 3; c++) {
        int at = p->info.channels == 3 ? 3 * i + c : i;

        rgb[c] = (p->info.type == LIMN_U8 ? ((const uint8_t *)p->pixels)[at]
                                          : ((const uint16_t *)p->pixels)[at]) /
                 most;
    }
    limn_lab_from_srgb(rgb, lab);
}

/* ---- Colorization ---------------------------------------------------------------------------- */

/* L of every pixel is that of the input, up to the rounding of the file's depth, and there is
 * colour. */
static void expect_same_lightness(const char *before, const char *after, double rounding)
{
    limn_error error = { 0 };
    limn_picture in, out;
    double worst = 0, colour = 0;

    fine(limn_picture_read(&in, before, NULL, &error), &error);
    fine(limn_picture_read(&out, after, NULL, &error), &error);
    assert_int_equal(out.info.width, in.info.width);
    assert_int_equal(out.info.height, in.info.height);
    assert_int_equal(out.info.type, in.info.type);
    assert_int_equal(out.info.channels, 3);
    for (int i = 0; i < in.info.width * in.info.height; i++) {
        double a[3], b[3], rgb[3];

        colour_at(&in, i, a, rgb);
        colour_at(&out, i, b, rgb);
        worst = fmax(worst, fabs(a[0] - b[0]));
        colour = fmax(colour, hypot(b[1], b[2]));
    }
    if (!(worst <= rounding)) fail_msg("%s: L differs by %g, more than %g", after, worst, rounding);
    if (!(colour > 1)) fail_msg("%s: has no colour (%g)", after, colour);
    limn_picture_close(&in);
    limn_picture_close(&out);
}

static void colorization_keeps_lightness(void **state)
{
    static const setting settings[] = { { "netG", "unet_32" }, { "lr", "0.002" }, { NULL, NULL } };
    static const setting wrong[] = { { "netG", "unet_32" }, { "derive", "edges" }, { NULL, NULL } };
    static const setting three[] = { { "netG", "unet_32" }, { "input-nc", "3" }, { NULL, NULL } };
    static const struct {
        const char *name;
        int width, height, channels;
        limn_type type;
        double rounding; /* half a step of the depth, where L is steepest: 130 at 0.1 */
    } files[] = { { "grey8.png", 37, 53, 1, LIMN_U8, 0.26 },
                  { "grey16.png", 37, 53, 1, LIMN_U16, 0.0011 },
                  { "colour8.png", 64, 33, 3, LIMN_U8, 0.26 },
                  { "colour16.png", 1, 1, 3, LIMN_U16, 0.0011 },
                  { "tall.png", 5, 130, 1, LIMN_U8, 0.26 } };
    char data[400], out[400], before[600], after[600], path[600];
    limn_error error = { 0 };
    limn_model *model;
    const limn_model_network *g;
    double l1;
    size_t count;
    char *page;
    scratch s;

    (void)state;
    scratch_open(&s);
    snprintf(data, sizeof data, "%s/photos", s.folder);
    snprintf(out, sizeof out, "%s/run", s.folder);
    draw_folder(data, 24); /* no sub-folders: any folder of pictures */
    assert_int_equal(train("colorization", data, out, wrong, &error), LIMN_SETTING);
    assert_non_null(strstr(error.text, "leave --derive out"));
    assert_int_equal(train("colorization", data, out, three, &error), LIMN_SETTING);
    assert_non_null(strstr(error.text, "--input-nc 1 and --output-nc 2"));
    fine(train("colorization", data, out, settings, &error), &error);

    snprintf(path, sizeof path, "%s/latest.safetensors", out);
    fine(limn_model_open(&model, path, &error), &error);
    assert_non_null(g = limn_model_network_of(limn_model_about(model), NULL));
    assert_string_equal(g->input, "L");
    assert_string_equal(g->output, "Lab");
    assert_string_equal(limn_model_about(model)->recipe, "colorization");
    limn_model_close(&model);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(before, sizeof before, "%s/%s", s.folder, files[i].name);
        snprintf(after, sizeof after, "%s/out_%s", s.folder, files[i].name);
        write_deep(before, files[i].width, files[i].height, files[i].channels, files[i].type);
        fine(translate(out, before, after, false, &error), &error);
        expect_same_lightness(before, after, files[i].rounding);
    }
    assert_int_equal(translate(out, before, after, true, &error), LIMN_SETTING); /* --derive */
    assert_non_null(strstr(error.text, "not trained with --derive"));

    /* Scores are of colours; a copy of the target would have 0. */
    l1 = l1_of(out, data, true);
    assert_true(l1 > 1e-4 && l1 < 1);
    snprintf(path, sizeof path, "%s/index.html", out);
    assert_non_null(page = scratch_read(path, &count));
    assert_non_null(strstr(page, "sheets/epoch_0002.jpg"));
    free(page);
    scratch_close(&s);
}

/* ---- Derived inputs -------------------------------------------------------------------------- */

/* The input that training made of a target, written as a picture by hand. */
static void derive_by_hand(const uint8_t *target, uint8_t *input, const limn_derivation *how)
{
    static float b[3 * SIDE * SIDE], a[3 * SIDE * SIDE];
    limn_error error = { 0 };

    for (int i = 0; i < 3 * SIDE * SIDE; i++) b[i] = (float)target[i] / 127.5f - 1;
    fine(limn_derive(how, b, 3, SIDE, SIDE, a, 3, &error), &error);
    for (int i = 0; i < 3 * SIDE * SIDE; i++) input[i] = (uint8_t)lroundf((a[i] + 1) * 127.5f);
}

static void expect_equal_pixels(const char *a, const char *b, bool equal)
{
    limn_error error = { 0 };
    limn_picture first, second;

    fine(limn_picture_read(&first, a, NULL, &error), &error);
    fine(limn_picture_read(&second, b, NULL, &error), &error);
    assert_int_equal(!memcmp(first.pixels, second.pixels, 3 * SIDE * SIDE), equal);
    limn_picture_close(&first);
    limn_picture_close(&second);
}

static void edges_at_use_are_those_of_training(void **state)
{
    static const setting settings[] = { { "netG", "unet_32" },   { "derive", "edges" },
                                        { "edge-high", "0.25" }, { "edge-low", "0.1" },
                                        { "lr", "0.002" },       { NULL, NULL } };
    static const setting turned[] = {
        { "netG", "unet_32" }, { "derive", "edges" }, { "direction", "BtoA" }, { NULL, NULL }
    };
    limn_derivation how = LIMN_DERIVATION_DEFAULTS;
    static uint8_t target[3 * SIDE * SIDE], input[3 * SIDE * SIDE];
    char data[400], out[400], pairs[400], path[600], photo[600], drawing[600], of_photo[600],
        of_drawing[600], raw[600];
    limn_error error = { 0 };
    double plain, by_hand;
    scratch s;

    (void)state;
    scratch_open(&s);
    snprintf(data, sizeof data, "%s/data", s.folder);
    snprintf(out, sizeof out, "%s/run", s.folder);
    snprintf(path, sizeof path, "%s/train", data);
    draw_folder(path, 10);
    snprintf(path, sizeof path, "%s/val", data);
    draw_folder(path, 3);
    assert_int_equal(train("pix2pix", data, out, turned, &error), LIMN_SETTING);
    assert_non_null(strstr(error.text, "A is made from B"));
    fine(train("pix2pix", data, out, settings, &error), &error);

    snprintf(photo, sizeof photo, "%s/photo.png", s.folder);
    snprintf(drawing, sizeof drawing, "%s/drawing.png", s.folder);
    snprintf(of_photo, sizeof of_photo, "%s/of_photo.png", s.folder);
    snprintf(of_drawing, sizeof of_drawing, "%s/of_drawing.png", s.folder);
    snprintf(raw, sizeof raw, "%s/raw.png", s.folder);
    draw(target, SIDE, SIDE, 40);
    how.kind = LIMN_DERIVE_EDGES;
    how.edge_high = 0.25;
    how.edge_low = 0.1;
    derive_by_hand(target, input, &how);
    write_png(photo, target, NULL, SIDE, SIDE);
    write_png(drawing, input, NULL, SIDE, SIDE);
    fine(translate(out, photo, of_photo, true, &error), &error);
    fine(translate(out, drawing, of_drawing, false, &error), &error);
    fine(translate(out, photo, raw, false, &error), &error);
    expect_equal_pixels(of_photo, of_drawing, true); /* edges are black and white: no rounding */
    expect_equal_pixels(of_photo, raw, false);

    /* Scoring: plain pictures, or the same made into pairs by hand. */
    snprintf(pairs, sizeof pairs, "%s/pairs", s.folder);
    snprintf(path, sizeof path, "%s/train", pairs);
    fine(limn_folder_make(path, &error), &error);
    for (int i = 0; i < 10; i++) {
        draw(target, SIDE, SIDE, i);
        derive_by_hand(target, input, &how);
        snprintf(path, sizeof path, "%s/train/%03d.png", pairs, i);
        write_png(path, input, target, SIDE, SIDE);
    }
    plain = l1_of(out, data, true);
    by_hand = l1_of(out, pairs, false);
    assert_true(plain > 0.001);
    assert_true(fabs(plain - by_hand) < 1e-6);
    scratch_close(&s);
}

/* A model of --derive grey takes colours without being asked to; sharpening ones take what is
 * given.
 */
static void grey_is_always_made(void **state)
{
    static const char *const kinds[] = { "grey", "blur", "downscale" };
    char data[400], out[400], photo[600], grey[600], of_photo[600], of_grey[600];
    static uint8_t target[3 * SIDE * SIDE], input[3 * SIDE * SIDE];
    limn_derivation how = LIMN_DERIVATION_DEFAULTS;
    limn_error error = { 0 };
    scratch s;

    (void)state;
    scratch_open(&s);
    snprintf(data, sizeof data, "%s/photos", s.folder);
    snprintf(photo, sizeof photo, "%s/photo.png", s.folder);
    snprintf(grey, sizeof grey, "%s/grey.png", s.folder);
    snprintf(of_photo, sizeof of_photo, "%s/of_photo.png", s.folder);
    snprintf(of_grey, sizeof of_grey, "%s/of_grey.png", s.folder);
    draw_folder(data, 8);
    for (int i = 0; i < 3; i++) {
        setting settings[] = { { "netG", "unet_32" }, { "derive", kinds[i] }, { NULL, NULL } };

        snprintf(out, sizeof out, "%s/run%d", s.folder, i);
        fine(train("pix2pix", data, out, settings, &error), &error);
        draw(target, SIDE, SIDE, 40);
        how.kind = LIMN_DERIVE_GREY;
        derive_by_hand(target, input, &how);
        write_png(photo, target, NULL, SIDE, SIDE);
        write_png(grey, target, NULL, SIDE, SIDE);
        fine(translate(out, photo, of_photo, false, &error), &error);
        fine(translate(out, photo, of_grey, true, &error), &error);
        expect_equal_pixels(of_photo, of_grey, !i);
        assert_true(l1_of(out, data, true) > 0.001);
    }
    scratch_close(&s);
}

/* ---- FastCUT --------------------------------------------------------------------------------- */

/* NCE and G_GAN's picture computed with other words: the mirrored picture and the mirrored
 * positions are fed, nothing is mirrored by the graph.  The network's own steps are few words more.
 */
static double nce_by_hand(engine *e, const limn_recipe_settings *s, bool mirrored)
{
    static const int layers[] = { 0, 4, 8 };
    enum { LAYERS = 3, PATCHES = 20 };
    limn_value in[LAYERS], out[LAYERS], total = -1, a, b, fake, keys[LAYERS], queries[LAYERS];
    limn_taps taps_in = { layers, LAYERS, in }, taps_out = { layers, LAYERS, out };
    limn_plan_settings settings = { .compute = LIMN_COMPUTE_PLAIN };
    static float picture[3 * 32 * 64], turned[3 * 32 * 64], ids[PATCHES], turned_ids[PATCHES];
    limn_error error = { 0 };
    engine hand = { .graph = NULL };
    float value;

    fine(limn_graph_open(&hand.graph, true, &error), &error);
    a = limn_input(hand.graph, "a", (limn_shape){ 1, 3, 32, 64 });
    b = limn_input(hand.graph, "b", (limn_shape){ 1, 3, 32, 64 });
    limn_apply(hand.graph, "G", &s->generator, a, &taps_in);
    fake = limn_apply(hand.graph, "G", &s->generator, b, NULL);
    limn_apply(hand.graph, "G", &s->generator, fake, &taps_out);
    for (int i = 0; i < LAYERS; i++) {
        char mlp[8], name[16];
        limn_value loss;

        snprintf(mlp, sizeof mlp, "%d", i);
        snprintf(name, sizeof name, "keys_%d", i);
        keys[i] = limn_input(hand.graph, name, (limn_shape){ 1, PATCHES, 1, 1 });
        snprintf(name, sizeof name, "queries_%d", i);
        queries[i] = limn_input(hand.graph, name, (limn_shape){ 1, PATCHES, 1, 1 });
        loss = limn_patch_nce(
            hand.graph,
            limn_apply_mlp(hand.graph, "F", mlp, limn_gather(hand.graph, out[i], queries[i]), 16),
            limn_apply_mlp(hand.graph, "F", mlp, limn_gather(hand.graph, in[i], keys[i]), 16), 1,
            0.07);
        total = i ? limn_sum(hand.graph, total, loss) : loss;
    }
    total = limn_scale(hand.graph, total, 10.0 / LAYERS);
    limn_report(hand.graph, "NCE", total);
    fine(limn_graph_status(hand.graph, &error), &error);
    fine(limn_weights_open(&hand.weights, &error), &error);
    fine(limn_weights_add(hand.weights, hand.graph, &error), &error);
    for (int i = 0; i < limn_weights_count(hand.weights); i++) {
        const limn_parameter_info *info = limn_weights_at(hand.weights, i);
        float *values = malloc(limn_count(info->shape) * sizeof *values);
        bool found = false;

        for (int k = 0; k < limn_weights_count(e->weights) && !found; k++) {
            if (strcmp(limn_weights_at(e->weights, k)->name, info->name)) continue;
            found = true;
            fine(limn_weights_get(e->weights, k, values, &error), &error);
            fine(limn_weights_set(hand.weights, i, values, &error), &error);
        }
        assert_true(found);
        free(values);
    }
    fine(limn_plan_open(&hand.plan, hand.graph, hand.weights, &settings, &error), &error);
    for (int i = 0; i < 3 * 32 * 64; i++) {
        picture[i] = sinf(0.1f * (float)i + 0.003f * (float)(i % 64 * (i % 64)));
        turned[i - i % 64 + 63 - i % 64] = picture[i];
    }
    fine(limn_plan_feed(hand.plan, a, picture, &error), &error);
    fine(limn_plan_feed(hand.plan, b, mirrored ? turned : picture, &error), &error);
    fine(limn_plan_feed(e->plan, limn_input_find(e->graph, "real_A"), picture, &error), &error);
    fine(limn_plan_feed(e->plan, limn_input_find(e->graph, "real_B"), turned, &error), &error);
    for (int i = 0; i < LAYERS; i++) {
        limn_shape map = limn_shape_of(hand.graph, in[i]);
        char name[32];

        for (int k = 0; k < PATCHES; k++) {
            int at = (k * 97 + i * 11) % (map.h * map.w), x = at % map.w;

            ids[k] = (float)at;
            turned_ids[k] = (float)(mirrored ? at - x + map.w - 1 - x : at);
        }
        snprintf(name, sizeof name, "patch_ids_%d", i);
        fine(limn_plan_feed(hand.plan, keys[i], ids, &error), &error);
        fine(limn_plan_feed(hand.plan, queries[i], turned_ids, &error), &error);
        fine(limn_plan_feed(e->plan, limn_input_find(e->graph, name), ids, &error), &error);
    }
    fine(limn_plan_run(hand.plan, &(limn_moment){ 0 }, &error), &error);
    fine(limn_plan_read(hand.plan, total, &value, &error), &error);
    engine_close(&hand);
    return (double)value;
}

static void fastcut_mirrors_input_and_features(void **state)
{
    const limn_recipe *recipe = limn_recipe_find("fastcut");
    limn_plan_settings plan = { .compute = LIMN_COMPUTE_PLAIN };
    int mirrored = 0, straight = 0;

    (void)state;
    for (uint64_t seed = 1; seed < 9; seed++) {
        limn_recipe_settings s = engine_small(recipe, 4);
        limn_error error = { 0 };
        double hand[2];
        float nce;
        engine e;

        assert_true(engine_term(recipe, &s, "nce-layers", "0,4,8"));
        fine(engine_open(&e, recipe, &s, &plan, 1, &error), &error);
        assert_true(limn_reported(e.graph, "NCE_Y") < 0); /* no outputs for B */
        assert_true(limn_reported(e.graph, "G_GAN") >= 0 && limn_reported(e.graph, "D_real") >= 0 &&
                    limn_reported(e.graph, "D_fake") >= 0);
        hand[0] = nce_by_hand(&e, &s, false);
        hand[1] = nce_by_hand(&e, &s, true);
        assert_true(fabs(hand[0] - hand[1]) > 1e-4); /* the two can be told apart */
        fine(limn_plan_run(e.plan, &(limn_moment){ .seed = seed, .learning_rate = 1e-4f }, &error),
             &error);
        fine(limn_plan_read(e.plan, limn_reported(e.graph, "NCE"), &nce, &error), &error);
        if (fabs((double)nce - hand[0]) < 1e-5)
            straight++;
        else if (fabs((double)nce - hand[1]) < 1e-5)
            mirrored++;
        else
            fail_msg("NCE is %.6f; %.6f straight, %.6f mirrored", (double)nce, hand[0], hand[1]);
        engine_close(&e);
    }
    assert_true(mirrored >= 2 && straight >= 2); /* of 8; the draw is fixed by the seeds */
}

/* ---- Directions, and settings of others ------------------------------------------------------ */

static void directions_are_those_of_the_folder(void **state)
{
    static const setting settings[] = {
        { "netG", "resnet_1blocks" }, { "n-epochs", "1" }, { "direction", "BtoA" }, { NULL, NULL }
    };
    static const setting foreign[] = { { "netG", "resnet_1blocks" },
                                       { "lambda-NCE", "3" },
                                       { NULL, NULL } };
    char data[400], path[600], out[400];
    limn_error error = { 0 };
    scratch s;

    (void)state;
    scratch_open(&s);
    snprintf(data, sizeof data, "%s/data", s.folder);
    snprintf(out, sizeof out, "%s/run", s.folder);
    snprintf(path, sizeof path, "%s/trainA", data);
    draw_folder(path, 3);
    snprintf(path, sizeof path, "%s/trainB", data);
    draw_folder(path, 5);
    assert_int_equal(train("cycle_gan", data, out, foreign, &error), LIMN_SETTING);
    assert_non_null(strstr(error.text, "--lambda-NCE is a setting of cut"));
    fine(train("cycle_gan", data, out, settings, &error), &error);
    for (int i = 0; i < 3; i++) {
        static const char *const ask[] = { "AtoB", "BtoA", NULL };
        static const char *const get[] = { "G_B", "G_A", "G_A" };
        limn_translate_settings how = limn_translate_defaults();
        limn_translator *t;

        how.direction = ask[i];
        fine(limn_translator_open(&t, out, &how, &error), &error);
        assert_string_equal(limn_translator_about(t).network, get[i]);
        limn_translator_close(&t);
    }
    scratch_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fastcut_mirrors_input_and_features),
        cmocka_unit_test(colorization_keeps_lightness),
        cmocka_unit_test(edges_at_use_are_those_of_training),
        cmocka_unit_test(grey_is_always_made),
        cmocka_unit_test(directions_are_those_of_the_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
