/* SPDX-License-Identifier: Apache-2.0
 *
 * How convolutions are computed: the table of choices, its file, measuring, and that a training
 * keeps to the choices that it began with. */
#include "base/cpu.h"
#include "base/file.h"
#include "base/random.h"
#include "op/tune.h"
#include "scratch.h"
#include "train/checkpoints.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "engine.h"

static scratch place;
static limn_arena arena;
static limn_error error;

static int open_all(void **unused)
{
    (void)unused;
    scratch_open(&place);
    setenv("LIMN_CACHE", place.folder, 1);
    limn_arena_open(&arena, "test", 0);
    return 0;
}

static int close_all(void **unused)
{
    (void)unused;
    limn_arena_close(&arena);
    scratch_remove(place.folder);
    return 0;
}

static limn_choices *table(void)
{
    limn_choices *t;

    assert_int_equal(LIMN_OK, limn_choices_open(&t, &arena, &error));
    return t;
}

static void set(limn_choices *t, const char *key, limn_method method, long microseconds)
{
    assert_int_equal(LIMN_OK, limn_choices_set(t, key, method, microseconds, &error));
}

static limn_method get(limn_choices *t, const char *key)
{
    limn_method method;

    return limn_choices_find(t, key, &method) ? method : LIMN_METHODS;
}

static char *text_of(const limn_choices *t, const char *machine)
{
    char *text;

    assert_int_equal(LIMN_OK, limn_choices_write(t, machine, &text, &arena, &error));
    return text;
}

/* ---- The table ------------------------------------------------------------------------------- */

static void test_table(void **unused)
{
    limn_choices *t = table(), *back = table();

    (void)unused;
    for (int m = 0; m < LIMN_METHODS; m++)
        assert_int_equal(m, limn_method_find(limn_method_name((limn_method)m)));
    assert_int_equal(LIMN_METHODS, limn_method_find("fastest"));
    set(t, "conv forward a", LIMN_METHOD_WINOGRAD, 4970);
    set(t, "conv data b", LIMN_METHOD_DIRECT, 0);
    assert_int_equal(LIMN_METHODS, get(t, "conv data a"));
    assert_string_equal("limn choices 1\nmachine this one\nwinograd 4970 conv forward a\nend 1\n",
                        text_of(t, "this one"));
    assert_string_equal("limn choices 1\nwinograd 1 conv forward a\ndirect 0 conv data b\nend 2\n",
                        text_of(t, NULL));
    assert_int_equal(
        LIMN_OK, limn_choices_read(back, NULL, text_of(t, NULL), strlen(text_of(t, NULL)), &error));
    assert_int_equal(LIMN_METHOD_WINOGRAD, get(back, "conv forward a"));
    assert_true(limn_choices_measured(back, "conv forward a"));
    assert_false(limn_choices_measured(back, "conv data b"));
    limn_choices_keep_used(back); /* "conv data b" was not asked for */
    assert_int_equal(1, limn_choices_count(back));
    set(back, "conv data c", LIMN_METHOD_DIRECT, 7); /* the list's end is right */
    assert_int_equal(2, limn_choices_count(back));
}

static void test_garbled(void **unused)
{
    static const char *const texts[] = {
        "",
        "\n",
        "limn choices 2\nend 0\n",
        "limn choices 1\n",
        "limn choices 1\nend 1\n",
        "limn choices 1\nend 0\nend 0\n",
        "limn choices 1\nfastest 3 conv a\nend 1\n",
        "limn choices 1\ndirect conv a\nend 1\n",
        "limn choices 1\ndirect -3 conv a\nend 1\n",
        "limn choices 1\ndirect 3\nend 1\n",
        "limn choices 1\ndirect 3 \nend 1\n",
    };
    limn_choices *t = table(), *good = table();
    const char *whole;

    (void)unused;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(LIMN_FORMAT,
                         limn_choices_read(t, NULL, texts[i], strlen(texts[i]), &error));
    for (int i = 0; i < 5; i++)
        set(good, limn_take_format(&arena, "conv forward %d", i), LIMN_METHOD_DIRECT, 100 + i);
    whole = text_of(good, "here");
    for (size_t cut = 0; cut < strlen(whole); cut++)
        assert_int_equal(LIMN_FORMAT, limn_choices_read(t, "here", whole, cut, &error));
    assert_int_equal(LIMN_FORMAT, limn_choices_read(t, "there", whole, strlen(whole), &error));
    assert_int_equal(0, limn_choices_count(t));
    assert_int_equal(LIMN_OK, limn_choices_read(t, "here", whole, strlen(whole), &error));
    assert_int_equal(5, limn_choices_count(t));
}

/* ---- The file -------------------------------------------------------------------------------- */

static void test_file(void **unused)
{
    limn_choices *t = table(), *back;
    const char *path = limn_choices_path(&arena), *whole;
    char machine[240];

    (void)unused;
    assert_int_equal(0, strncmp(path, place.folder, strlen(place.folder)));
    limn_choices_recall(t); /* there is none yet */
    assert_int_equal(0, limn_choices_count(t));
    set(t, "conv forward a", LIMN_METHOD_WINOGRAD, 4970);
    set(t, "conv forward rule", LIMN_METHOD_DIRECT, 0);
    assert_true(limn_choices_remember(t));
    limn_choices_recall(back = table());
    assert_int_equal(1, limn_choices_count(back)); /* a rule is not remembered */
    assert_int_equal(LIMN_METHOD_WINOGRAD, get(back, "conv forward a"));

    set(t = table(), "conv forward b", LIMN_METHOD_DIRECT, 3); /* what was there stays */
    assert_true(limn_choices_remember(t));
    limn_choices_recall(back = table());
    assert_int_equal(2, limn_choices_count(back));

    limn_choices_machine(machine, sizeof machine);
    whole = text_of(back, machine);
    for (size_t cut = 0; cut < strlen(whole); cut += 7) { /* a broken file is no error */
        scratch_write(path, whole, cut);
        limn_choices_recall(back = table());
        assert_int_equal(0, limn_choices_count(back));
    }
    assert_true(limn_choices_remember(t)); /* and is replaced */
    limn_choices_recall(back = table());
    assert_int_equal(1, limn_choices_count(back));

    setenv("LIMN_CACHE", "none", 1);
    assert_null(limn_choices_path(&arena));
    assert_false(limn_choices_remember(t));
    limn_choices_recall(back = table());
    assert_int_equal(0, limn_choices_count(back));
    setenv("LIMN_CACHE", path, 1); /* a file where a folder should be */
    assert_false(limn_choices_remember(t));
    unsetenv("LIMN_CACHE");
    setenv("XDG_CACHE_HOME", place.folder, 1);
    assert_non_null(strstr(limn_choices_path(&arena), "/limn/choices/"));
    setenv("LIMN_CACHE", place.folder, 1);
}

/* The nth file operation fails, memory ends: the file is the old one or the new one. */
static void test_faults(void **unused)
{
    limn_choices *t = table(), *back;
    bool done = false;

    (void)unused;
    set(t, "conv forward a", LIMN_METHOD_WINOGRAD, 5);
    assert_true(limn_choices_remember(t));
    set(t, "conv forward b", LIMN_METHOD_WINOGRAD, 6);
    for (long n = 0; !done; n++) {
        limn_file_fail_after(n);
        done = limn_choices_remember(t);
        limn_file_fail_after(-1);
        limn_choices_recall(back = table());
        assert_int_equal(LIMN_METHOD_WINOGRAD, get(back, "conv forward a"));
        if (done) assert_int_equal(LIMN_METHOD_WINOGRAD, get(back, "conv forward b"));
    }
    done = false;
    for (long n = 0; !done; n++) {
        size_t live = limn_memory_live_blocks();

        limn_memory_refuse_after(n);
        done = limn_choices_remember(t);
        limn_memory_refuse_after(-1);
        assert_int_equal(live, limn_memory_live_blocks());
    }
}

/* Four processes write at once: afterwards there is one whole file and nothing else. */
static void test_writers(void **unused)
{
    const char *path = limn_choices_path(&arena), *folder;
    limn_choices *back;
    int status, children = 4;

    (void)unused;
    for (int c = 0; c < children; c++) {
        if (fork()) continue;
        for (int i = 0; i < 30; i++) {
            limn_choices *t = table();

            set(t, limn_take_format(&arena, "conv forward %d of %d", i, c), LIMN_METHOD_DIRECT, 9);
            if (!limn_choices_remember(t)) _exit(1);
        }
        _exit(0);
    }
    while (children--) {
        assert_true(wait(&status) > 0);
        assert_int_equal(0, status);
    }
    folder = limn_take_format(&arena, "%.*s", (int)(strrchr(path, '/') - path), path);
    assert_int_equal(1, scratch_entries(folder));
    limn_choices_recall(back = table());
    assert_true(limn_choices_count(back) >= 30);
}

/* ---- Plans ----------------------------------------------------------------------------------- */

/* A ResNet on 128 x 128 pixels: its blocks are 32 x 32 maps of 64 channels, large enough to have
 * more than one way. */
static const limn_network network = { .net = "resnet_2blocks",
                                      .input_nc = 3,
                                      .output_nc = 3,
                                      .filters = 16,
                                      .norm = LIMN_NORM_INSTANCE };

static row output(limn_compute compute, limn_choices *choices, double seconds, int *measured)
{
    limn_plan_settings plan = { .compute = compute, .choices = choices, .tune_seconds = seconds };
    row r = { .values = NULL };
    engine e;

    if (engine_open_network(&e, &network, (limn_shape){ 1, 3, 128, 128 }, &plan, 3, &error) ||
        engine_step(&e, 1, 0, &error) || row_reports(&r, &e, &error))
        fail_msg("%s", error.text);
    if (measured) *measured = limn_plan_about(e.plan).measured;
    engine_close(&e);
    return r;
}

static bool has_winograd(void)
{
    limn_arena own;
    limn_tensor map = { { 1, 64, 34, 34 }, LIMN_F32, 16, 64 * 34 * 34, NULL };
    limn_tensor out = { { 1, 64, 32, 32 }, LIMN_F32, 16, 64 * 32 * 32, NULL };
    limn_dnn_conv c = { .x = map,
                        .y = out,
                        .kernel_h = 3,
                        .kernel_w = 3,
                        .stride_h = 1,
                        .stride_w = 1,
                        .method = LIMN_METHOD_WINOGRAD };
    limn_dnn_primitive *p;
    bool has;

    limn_arena_open(&own, "test", 0);
    if (limn_dnn_create(&p, &c, NULL, &own, &error)) fail_msg("%s", error.text);
    has = limn_dnn_method(p) == LIMN_METHOD_WINOGRAD;
    limn_dnn_free(&p);
    limn_arena_close(&own);
    return has;
}

static void test_plans(void **unused)
{
    limn_choices *ways[3] = { table(), table(), table() };
    row direct, winograd, tuned, again, file;
    int measured;

    (void)unused;
    if (!engine_has(LIMN_COMPUTE_FP32)) skip();
    limn_choices_prefer(ways[0], LIMN_METHOD_DIRECT);
    limn_choices_prefer(ways[1], LIMN_METHOD_WINOGRAD);
    direct = output(LIMN_COMPUTE_FP32, ways[0], 0, NULL);
    winograd = output(LIMN_COMPUTE_FP32, ways[1], 0, NULL);
    assert_true(row_distance(&winograd, &direct) < 1e-5);
    assert_int_equal(!has_winograd(), row_same_bits(&winograd, &direct));

    tuned = output(LIMN_COMPUTE_FP32, ways[2], 60, &measured);
    assert_true(measured >= 1);
    assert_int_equal(measured, limn_choices_count(ways[2]));
    again = output(LIMN_COMPUTE_FP32, ways[2], 60,
                   &measured); /* known by now: nothing is measured, same bits */
    assert_int_equal(0, measured);
    assert_true(row_same_bits(&tuned, &again));
    row_free(&again);
    assert_true(limn_choices_remember(ways[2]));
    file = output(LIMN_COMPUTE_FP32, NULL, 0,
                  NULL); /* a plan that is told nothing looks into the file */
    assert_true(row_same_bits(&tuned, &file));
    row_free(&direct);
    row_free(&winograd);
    row_free(&tuned);
    row_free(&file);
}

/* By tiles in bfloat16: further from float32 than direct sums in bfloat16, as tests/test_tiles.c
 * says of a layer, and no more than that. */
static void test_tiles_in_bf16(void **unused)
{
    limn_choices *ways[] = { table(), table() };
    row exact, direct, tiles;
    double far, near;

    (void)unused;
    if (!engine_has(LIMN_COMPUTE_FP32) || limn_cpu() != LIMN_CPU_AVX512 || limn_dnn_has_amx())
        skip();
    limn_choices_prefer(ways[0], LIMN_METHOD_DIRECT);
    limn_choices_prefer(ways[1], LIMN_METHOD_TILES);
    exact = output(LIMN_COMPUTE_FP32, ways[0], 0, NULL);
    direct = output(LIMN_COMPUTE_BF16, ways[0], 0, NULL);
    tiles = output(LIMN_COMPUTE_BF16, ways[1], 0, NULL);
    assert_false(row_same_bits(&tiles, &direct));
    far = row_distance(&tiles, &exact);
    near = row_distance(&direct, &exact);
    print_message("from float32: direct %.3g, tiles %.3g\n", near, far);
    assert_true(far < 2.5 * near);
    row_free(&exact);
    row_free(&direct);
    row_free(&tiles);
}

/* All choices of a table with this method in place of theirs. */
static limn_choices *rewritten(const limn_choices *from, limn_method method)
{
    limn_choices *t = table();
    char *rest = text_of(from, NULL), *line;

    strsep(&rest, "\n"); /* the head */
    while ((line = strsep(&rest, "\n")) && strncmp(line, "end ", 4))
        set(t, strchr(strchr(line, ' ') + 1, ' ') + 1, method, 1);
    return t;
}

/* A choice that does not fit (a file of another version) falls to the rule. */
static void test_unfit(void **unused)
{
    limn_choices *rule = table(), *unfit;
    row by_rule, by_unfit;

    (void)unused;
    if (!engine_has(LIMN_COMPUTE_FP32)) skip();
    by_rule = output(LIMN_COMPUTE_FP32, rule, 0, NULL);
    assert_true(limn_choices_count(rule) >= 1); /* what was taken by rule is written down too */
    unfit = rewritten(rule, LIMN_METHOD_FEW);   /* none of these has few channels */
    by_unfit = output(LIMN_COMPUTE_FP32, unfit, 0, NULL);
    assert_true(row_same_bits(&by_rule, &by_unfit));
    row_free(&by_rule);
    row_free(&by_unfit);
}

/* ---- A training keeps to its choices --------------------------------------------------------- */

static limn_train_settings small(void)
{
    limn_train_settings s = limn_train_defaults(limn_recipe_find("cycle_gan"));

    s.netG = "resnet_2blocks";
    s.netD = "pixel";
    s.ngf = 16;
    s.ndf = 4;
    s.preparation.load_size = s.preparation.crop_size = 128;
    s.compute = LIMN_COMPUTE_FP32;
    s.ema = 0;
    return s;
}

static void step(limn_trainer *t, uint64_t number)
{
    limn_shape shape = { 1, 3, 128, 128 };
    limn_random random = { .seed = 5, .step = number };
    float *planes = limn_take(&arena, 2 * limn_count(shape) * sizeof *planes);
    limn_batch batch = {
        .a = planes, .b = planes + limn_count(shape), .a_shape = shape, .b_shape = shape
    };

    for (size_t i = 0; i < 2 * limn_count(shape); i++)
        planes[i] = 2 * limn_random_uniform(&random, i) - 1;
    if (limn_trainer_step(t, &batch, number, 2e-4, &error)) fail_msg("%s", error.text);
}

typedef struct session {
    limn_train_settings settings;
    limn_trainer trainer;
    limn_train_state state;
    limn_ema ema;
} session;

static void begin(session *s)
{
    int measured;

    s->settings = small();
    s->state = (limn_train_state){ .rate_factor = 1 };
    if (limn_trainer_open(&s->trainer, limn_recipe_find("cycle_gan"), &s->settings, &error) ||
        limn_ema_open(&s->ema, &s->trainer, 0, &error) ||
        limn_trainer_tune(&s->trainer, &measured, &error))
        fail_msg("%s", error.text);
}

static row end(session *s)
{
    row r = { .values = NULL };

    if (row_weights(&r, s->trainer.weights, (unsigned)ENGINE_ALL_KINDS, &error))
        fail_msg("%s", error.text);
    limn_ema_close(&s->ema);
    limn_trainer_close(&s->trainer);
    return r;
}

static row whole_run(const char *checkpoint)
{
    session s;

    begin(&s);
    step(&s.trainer, 0);
    if (checkpoint && limn_run_save(checkpoint, &s.trainer, &s.state, &s.ema, &error))
        fail_msg("%s", error.text);
    step(&s.trainer, 1);
    return end(&s);
}

static void test_resume(void **unused)
{
    const char *path = limn_take_text(&arena, scratch_path(&place, "checkpoint.safetensors"));
    session s;
    row whole, resumed, other;

    (void)unused;
    if (!engine_has(LIMN_COMPUTE_FP32) || !has_winograd()) skip();
    begin(&s);
    assert_true(limn_choices_remember(rewritten(s.trainer.choices, LIMN_METHOD_WINOGRAD)));
    other = end(&s);
    row_free(&other);
    whole = whole_run(path);

    begin(&s); /* the file now says otherwise, and a new run goes by it */
    assert_true(limn_choices_remember(rewritten(s.trainer.choices, LIMN_METHOD_DIRECT)));
    other = end(&s);
    row_free(&other);
    other = whole_run(NULL);
    assert_false(row_same_bits(&whole, &other));

    s.settings = small();
    if (limn_trainer_open(&s.trainer, limn_recipe_find("cycle_gan"), &s.settings, &error) ||
        limn_ema_open(&s.ema, &s.trainer, 0, &error) ||
        limn_run_load(path, &s.trainer, &s.state, &s.ema, &error))
        fail_msg("%s", error.text);
    step(&s.trainer, 1);
    resumed = end(&s);
    assert_true(row_same_bits(&whole, &resumed)); /* but the old one does not */
    row_free(&whole);
    row_free(&resumed);
    row_free(&other);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_table, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_garbled, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_file, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_faults, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_writers, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_plans, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_tiles_in_bf16, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_unfit, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_resume, open_all, close_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
