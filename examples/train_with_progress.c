/* SPDX-License-Identifier: Apache-2.0
 *
 * Grade three: a training that reports to the program, and that the program stops.
 *
 *     cc train_with_progress.c $(pkg-config --cflags --libs limn) -o train_with_progress
 *     ./train_with_progress data/facades runs/facades direction=BtoA n-epochs=40
 *
 * Prints how far it is every half second and the validation after each epoch, and stops when that
 * has not become better for eight epochs; Ctrl-C stops after the step that is running.  Either way
 * the run is saved: the same command goes on where it was, or begins when there is no run yet. */
#include <limn.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { PATIENCE = 8 };

typedef struct watcher {
    limn_training *training;
    double printed; /* milliseconds of computing since the last line */
    int without_gain;
} watcher;

static limn_training *volatile interrupted;

static void interrupt(int number)
{
    (void)number;
    if (interrupted) limn_train_stop(interrupted);
}

static void on_step(void *context, const limn_train_step *s)
{
    watcher *w = context;

    w->printed += s->ms + s->wait_ms;
    if (w->printed < 500 && s->batch < s->batches) return;
    w->printed = 0;
    printf("epoch %d of %d, %llu of %llu steps, %.0f ms a step, lr %g:", s->epoch, s->epochs,
           (unsigned long long)s->batch, (unsigned long long)s->batches, s->ms, s->learning_rate);
    for (int i = 0; i < s->losses; i++) printf(" %s %.3f", s->loss_names[i], s->loss_values[i]);
    printf(", %.0f s left\n", s->seconds_left);
}

static void on_epoch(void *context, const limn_train_epoch *e)
{
    watcher *w = context;

    printf("epoch %d took %.1f s; validation L1 %.4f%s\n", e->epoch, e->seconds, e->l1,
           e->best ? ", the best so far" : "");
    w->without_gain = e->best ? 0 : w->without_gain + 1;
    if (w->without_gain == PATIENCE) limn_train_stop(w->training);
}

static void on_event(void *context, const char *kind, const char *sentence)
{
    (void)context;
    printf("%s: %s\n", kind, sentence);
}

/* A run that stands in the folder goes on; else one begins with these settings. */
static limn_status begin(limn_training **training, int argc, char **argv, limn_error *error)
{
    limn_status status = limn_train_begin(training, NULL, argv[2], error);

    if (status != LIMN_IO) return status;
    status = limn_train_begin(training, "pix2pix", NULL, error);
    if (!status) status = limn_train_set(*training, "dataroot", argv[1], error);
    if (!status) status = limn_train_set(*training, "out", argv[2], error);
    for (int i = 3; i < argc && !status; i++) {
        char name[64], *value = strchr(argv[i], '=');

        snprintf(name, sizeof name, "%.*s", (int)(value ? value - argv[i] : 63), argv[i]);
        status = limn_train_set(*training, name, value ? value + 1 : "", error);
    }
    return status;
}

int main(int argc, char **argv)
{
    watcher w = { .without_gain = 0 };
    limn_train_watch watch = {
        .context = &w, .step = on_step, .epoch = on_epoch, .event = on_event
    };
    limn_error error = { 0 };
    limn_status status;

    if (argc < 3) {
        fprintf(stderr, "usage: train_with_progress DATA RUN [SETTING=VALUE]...\n");
        return 2;
    }
    status = begin(&w.training, argc, argv, &error);
    if (!status) {
        interrupted = w.training;
        signal(SIGINT, interrupt);
        status = limn_train_run(w.training, &watch, &error);
        interrupted = NULL;
    }
    limn_train_end(&w.training);
    if (status == LIMN_STOPPED && w.without_gain >= PATIENCE) return 0; /* as it was meant */
    if (status) fprintf(stderr, "train_with_progress: %s\n", error.text);
    return limn_status_exit_code(status);
}
