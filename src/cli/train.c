/* SPDX-License-Identifier: Apache-2.0
 *
 * limn train: begins or resumes a training and shows how it goes.
 *
 * On a terminal one line an epoch lives (bar, steps a second, time left, losses); piped, it is the
 * log line that people plot already, every --print-freq steps; --json is one object a line.  The
 * command line is read twice: --model and --resume decide which defaults the rest is laid over. */
#include "cli.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

enum { WORDS_MAX = 1000 };

typedef struct own {
    const char *resume, *cut_mode;
    bool continue_train, json;
    int print_freq;
} own;

static const own own_defaults = { .print_freq = 100 };

static const limn_setting own_rows[] = {
    { "resume", LIMN_SETTING_TEXT, offsetof(own, resume), 0, 0, NULL, NULL,
      "go on with the run in this folder, with its settings and those given now" },
    { "continue-train", LIMN_SETTING_FLAG, offsetof(own, continue_train), 0, 0, NULL, NULL,
      "the same for the folder that --out or --name says" },
    { "CUT-mode", LIMN_SETTING_TEXT, offsetof(own, cut_mode), 0, 0, "CUT|FastCUT", NULL,
      "as CUT's scripts say --model cut and --model fastcut" },
    { "json", LIMN_SETTING_FLAG, offsetof(own, json), 0, 0, NULL, NULL,
      "print one JSON object a line" },
    { "print-freq", LIMN_SETTING_INT, offsetof(own, print_freq), 1, 1000000, NULL, NULL,
      "steps between log lines where the output is no terminal" },
    { .name = NULL },
};

limn_status limn_cli_train_settings(limn_cli_see see, void *context, limn_error *error)
{
    limn_training *training;
    limn_status status = limn_train_begin(&training, NULL, NULL, error);

    if (status) return status;
    see(context, limn_train_rows(), limn_train_fields(training));
    see(context, own_rows, &own_defaults);
    limn_train_end(&training);
    return LIMN_OK;
}

/* ---- Showing --------------------------------------------------------------------------------- */

typedef struct show {
    bool json, terminal;
    int print_freq;
    double drawn; /* when, seconds */
} show;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void json_number(const char *name, double value)
{
    printf(", \"%s\": ", name);
    limn_cli_json_number(value);
}

static void json_losses(int count, const char *const *names, const double *values)
{
    for (int i = 0; i < count; i++) json_number(names[i], values[i]);
}

static void put_losses(FILE *to, int count, const char *const *names, const double *values)
{
    for (int i = 0; i < count; i++) fprintf(to, "  %s %.3f", names[i], values[i]);
}

/* The line that lives: bar, step/s, time left, losses. */
static void draw_line(show *s, const limn_train_step *t)
{
    enum { BAR = 20 };
    long left = (long)t->seconds_left;
    int full = (int)((double)t->batch / (double)t->batches * BAR);
    char bar[BAR + 1] = "", *line = NULL;
    size_t size;
    FILE *to;

    if (now() - s->drawn < 0.1 && t->batch < t->batches) return;
    s->drawn = now();
    if (!(to = open_memstream(&line, &size))) return; /* another step draws it */
    for (int i = 0; i < BAR; i++) bar[i] = i < full ? '=' : i == full ? '>' : ' ';
    fprintf(to, "epoch %d/%d [%s] %llu/%llu  %.2f step/s  ETA %ld:%02ld:%02ld", t->epoch, t->epochs,
            bar, (unsigned long long)t->batch, (unsigned long long)t->batches,
            1e3 / (t->ms + t->wait_ms), left / 3600, left / 60 % 60, left % 60);
    put_losses(to, t->losses, t->loss_names, t->loss_values);
    if (!fclose(to)) limn_cli_live(stdout, line);
    free(line);
}

static void on_step(void *context, const limn_train_step *t)
{
    show *s = context;

    if (s->json) {
        printf("{\"step\": %llu, \"epoch\": %d, \"batch\": %llu", (unsigned long long)t->step,
               t->epoch, (unsigned long long)t->batch);
        json_losses(t->losses, t->loss_names, t->loss_values);
        json_number("lr", t->learning_rate);
        json_number("ms", t->ms);
        json_number("wait_ms", t->wait_ms);
        puts("}");
        fflush(stdout);
    } else if (s->terminal) {
        draw_line(s, t);
    } else if (t->step % (uint64_t)s->print_freq == 0) {
        printf("(epoch: %d, iters: %llu, time: %.3f, data: %.3f)", t->epoch,
               (unsigned long long)t->batch, 1e-3 * t->ms, 1e-3 * t->wait_ms);
        for (int i = 0; i < t->losses; i++)
            printf(" %s: %.3f", t->loss_names[i], t->loss_values[i]);
        putchar('\n');
        fflush(stdout);
    }
}

/* The scores of a training without pairs. */
static void put_distance(FILE *to, const limn_train_epoch *t)
{
    if (isnan(t->distance)) return;
    fprintf(to, "  distance: %.4f (%.4f to %.4f%s)", t->distance, t->distance_low, t->distance_high,
            t->distance_means_something ? "" : ", too few pictures to mean much");
    if (!isnan(t->cycle)) fprintf(to, " cycle: %.4f", t->cycle);
    if (!isnan(t->identity)) fprintf(to, " identity: %.4f", t->identity);
    if (t->best) fprintf(to, " best");
}

/* What stays of an epoch on a terminal: scores, and as many of the losses as fit on the line.  All
 * of them are in the results page. */
static void put_epoch(const limn_train_epoch *t)
{
    char *line = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&line, &size);
    int columns = limn_cli_columns(stdout);

    if (!to) return;
    fprintf(to, "epoch %d/%d  %.0f s", t->epoch, t->epochs, t->seconds);
    if (!isnan(t->l1))
        fprintf(to, "  L1 %.4f (train %.4f)  PSNR %.2f  SSIM %.3f%s", t->l1, t->train_l1, t->psnr,
                t->ssim, t->best ? "  best" : "");
    put_distance(to, t);
    for (int i = 0; i < t->losses && !fflush(to); i++) {
        char loss[80];
        int width = snprintf(loss, sizeof loss, "  %s %.3f", t->loss_names[i], t->loss_values[i]);

        if ((int)size + width >= columns) break;
        fputs(loss, to);
    }
    if (!fclose(to)) puts(line);
    free(line);
}

static void on_epoch(void *context, const limn_train_epoch *t)
{
    show *s = context;

    if (s->terminal) limn_cli_live(stdout, NULL);
    if (s->json) {
        printf("{\"event\": \"epoch\", \"epoch\": %d, \"steps\": %llu", t->epoch,
               (unsigned long long)t->step);
        json_number("seconds", t->seconds);
        json_number("lr", t->learning_rate);
        json_number("val_l1", t->l1);
        json_number("val_psnr", t->psnr);
        json_number("val_ssim", t->ssim);
        json_number("val_edges", t->edges);
        json_number("train_l1", t->train_l1);
        if (!isnan(t->distance)) {
            json_number("distance", t->distance);
            json_number("distance_low", t->distance_low);
            json_number("distance_high", t->distance_high);
            printf(", \"distance_means_something\": %s",
                   t->distance_means_something ? "true" : "false");
        }
        if (!isnan(t->cycle)) json_number("cycle", t->cycle);
        if (!isnan(t->identity)) json_number("identity", t->identity);
        printf(", \"best\": %s}\n", t->best ? "true" : "false");
    } else if (s->terminal) {
        put_epoch(t);
    } else {
        if (!isnan(t->distance)) {
            printf("validation (epoch: %d)", t->epoch);
            put_distance(stdout, t);
            putchar('\n');
        }
        if (!isnan(t->l1))
            printf("validation (epoch: %d) L1: %.4f PSNR: %.2f SSIM: %.4f edges: %.4f train_L1: "
                   "%.4f%s\n",
                   t->epoch, t->l1, t->psnr, t->ssim, t->edges, t->train_l1,
                   t->best ? " best" : "");
        printf("End of epoch %d / %d \t Time Taken: %.0f sec\n", t->epoch, t->epochs, t->seconds);
    }
    fflush(stdout);
}

static void on_event(void *context, const char *kind, const char *sentence)
{
    show *s = context;

    if (s->json) {
        printf("{\"event\": ");
        limn_cli_json_text(kind);
        printf(", \"sentence\": ");
        limn_cli_json_text(sentence);
        puts("}");
        fflush(stdout);
        return;
    }
    if (s->terminal && !strcmp(kind, "screening")) { /* how far it is: nothing to keep */
        limn_cli_live(stdout, sentence);
        return;
    }
    if (s->terminal) limn_cli_live(stdout, NULL);
    fprintf(stderr, "%s\n", sentence);
}

static void on_alarm(void *context, const limn_train_alarm *alarm)
{
    show *s = context;

    if (!s->json) {
        if (s->terminal) limn_cli_live(stdout, NULL);
        if (s->terminal) fflush(stdout);
        fprintf(stderr, "alarm: %s\n", alarm->sentence);
        return;
    }
    printf("{\"event\": \"alarm\", \"alarm\": ");
    limn_cli_json_text(alarm->kind);
    printf(", \"subject\": ");
    limn_cli_json_text(alarm->subject);
    printf(", \"change\": ");
    limn_cli_json_text(alarm->change);
    printf(", \"step\": %llu, \"epoch\": %d", (unsigned long long)alarm->step, alarm->epoch);
    json_number("value", alarm->value);
    json_number("threshold", alarm->threshold);
    printf(", \"sentence\": ");
    limn_cli_json_text(alarm->sentence);
    puts("}");
    fflush(stdout);
}

/* ---- Stopping -------------------------------------------------------------------------------- */

static limn_training *volatile stopping;

/* The first signal asks; the second one kills, as if nobody had caught it. */
static void on_signal(int number)
{
    struct sigaction action = { .sa_handler = SIG_DFL };

    if (stopping) limn_train_stop(stopping);
    sigaction(number, &action, NULL);
}

static void catch_signals(limn_training *training)
{
    struct sigaction action = { .sa_handler = on_signal };

    stopping = training;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGXFSZ, SIG_IGN); /* a limit on files is an error of writing, with a sentence */
}

/* ---- The command ----------------------------------------------------------------------------- */

static void text_of(limn_training *training, const char *name, char *text, size_t size)
{
    limn_setting_get(limn_setting_find(limn_train_rows(), name), limn_train_fields(training), text,
                     size);
}

static limn_status read_into(limn_training *training, own *o, int argc, char **argv,
                             limn_error *error)
{
    limn_cli_table tables[] = { { limn_train_rows(), limn_train_fields(training) },
                                { own_rows, o },
                                { NULL, NULL } };
    limn_status status = limn_cli_read(tables, &argc, argv, error);

    if (status) return status;
    if (argc > 2)
        return limn_cli_fail(error, LIMN_SETTING, "one data folder is enough: %s or %s?", argv[1],
                             argv[2]);
    if (argc == 2)
        return limn_setting_set(limn_train_rows(), limn_train_fields(training), "dataroot", argv[1],
                                error);
    return LIMN_OK;
}

/* --CUT_mode decides between two recipes, and says that it is one of them. */
static limn_status read_cut_mode(const char *mode, char *model, size_t size, limn_error *error)
{
    bool fast = mode && !strcasecmp(mode, "FastCUT");

    if (!mode) return LIMN_OK;
    if (!fast && strcasecmp(mode, "CUT") != 0)
        return limn_cli_fail(error, LIMN_SETTING,
                             "--CUT-mode is \"%.60s\"; it must be CUT or FastCUT", mode);
    if (!strcmp(model, "cycle_gan") || !strcmp(model, "colorization"))
        return limn_cli_fail(error, LIMN_SETTING,
                             "--CUT-mode %s and --model %s are two recipes; leave one of them out",
                             mode, model);
    snprintf(model, size, "%s", fast ? "fastcut" : "cut");
    return LIMN_OK;
}

/* What is asked for: a first reading over the defaults of any recipe. */
static limn_status look_ahead(int argc, char **argv, char *model, char *resume, size_t size,
                              limn_error *error)
{
    char *words[WORDS_MAX + 1], data[8], out[1000], folder[1000], name[1000];
    limn_training *scratch = NULL;
    own o = own_defaults;
    limn_status status;

    if (argc > WORDS_MAX)
        return limn_cli_fail(error, LIMN_SETTING, "the command line has more than %d words",
                             WORDS_MAX);
    memcpy(words, argv, ((size_t)argc + 1) * sizeof *words);
    status = limn_train_begin(&scratch, NULL, NULL, error);
    if (!status) status = read_into(scratch, &o, argc, words, error);
    if (!status) {
        text_of(scratch, "dataroot", data, sizeof data);
        text_of(scratch, "model", model, size);
        status = read_cut_mode(o.cut_mode, model, size, error);
    }
    if (!status) {
        text_of(scratch, "out", out, sizeof out);
        text_of(scratch, "checkpoints-dir", folder, sizeof folder);
        text_of(scratch, "name", name, sizeof name);
        *resume = 0;
        if (o.resume)
            snprintf(resume, size, "%s", o.resume);
        else if (o.continue_train && *out)
            snprintf(resume, size, "%s", out);
        else if (o.continue_train && *name)
            snprintf(resume, size, "%s/%s", folder, name);
        else if (o.continue_train)
            status = limn_cli_fail(error, LIMN_SETTING,
                                   "--continue-train wants --out FOLDER or --name NAME; --resume "
                                   "RUN says it in one");
        else if (!*data)
            status = limn_cli_usage(error, argv[0], "say which pictures");
    }
    limn_train_end(&scratch);
    return status;
}

limn_status limn_cli_train(int argc, char **argv, limn_error *error)
{
    char model[2100] = "", resume[2100] = "";
    limn_training *training;
    own o = own_defaults;
    limn_status status = look_ahead(argc, argv, model, resume, sizeof model, error);
    show s = { .json = false };
    limn_train_watch watch = { &s, on_step, on_epoch, on_event, on_alarm };

    if (!status) status = limn_train_begin(&training, model, *resume ? resume : NULL, error);
    if (status) return status;
    status = read_into(training, &o, argc, argv, error);
    if (!status && o.cut_mode)
        status = limn_train_set(training, "model", model, error); /* over what --model says */
    if (!status) {
        s.json = o.json;
        s.print_freq = o.print_freq;
        s.terminal = !o.json && isatty(STDOUT_FILENO);
        catch_signals(training);
        status = limn_train_run(training, &watch, error);
        if (s.terminal) limn_cli_live(stdout, NULL);
        if (!o.json && (!status || status == LIMN_STOPPED))
            fprintf(stderr, "%s: waited for pictures %.1f %% of the time; results: %s/index.html\n",
                    limn_train_folder(training), 100 * limn_train_wait_share(training),
                    limn_train_folder(training));
        stopping = NULL;
    }
    limn_train_end(&training);
    return status;
}
