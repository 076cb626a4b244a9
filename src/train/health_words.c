/* SPDX-License-Identifier: Apache-2.0
 *
 * What to try when an alarm is raised: a setting and a value for it.
 *
 * Values are worked out from those in use, so that what is said can be typed as it stands.
 * Settings that say what the networks are can't change in a run; "in a new run" goes before them.
 */
#include "train/health.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void add(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void add(char *text, size_t size, const char *format, ...)
{
    size_t used = strlen(text);
    va_list list;

    va_start(list, format);
    if (used + 1 < size) vsnprintf(text + used, size - used, format, list);
    va_end(list);
}

/* The terms that hold the output to the input or target, doubled; the recipe's own where they were
 * switched off. */
static void more_hold(char *text, size_t size, const limn_train_settings *s)
{
    static const char *const holds[] = { "lambda-L1", "lambda-NCE", "lambda-A", "lambda-B" };
    limn_train_settings usual = limn_train_defaults(limn_recipe_find(s->model));
    const char *space = "";

    for (size_t i = 0; i < sizeof holds / sizeof *holds; i++) {
        double weight = limn_train_term_of(s, holds[i]);

        weight = weight > 0 ? 2 * weight : limn_train_term_of(&usual, holds[i]);
        if (!(weight > 0)) continue;
        add(text, size, "%s--%s %g", space, holds[i], weight);
        space = " ";
    }
}

static void critic(char *text, size_t size, const limn_train_settings *s)
{
    if (s->gan_mode != LIMN_GAN_LSGAN) add(text, size, "--gan-mode lsgan, or ");
    add(text, size, "--lr %g, or in a new run a weaker critic: --ndf %d", s->lr / 2,
        s->ndf > 1 ? s->ndf / 2 : 1);
}

static void inversion(char *text, size_t size, const limn_train_settings *s)
{
    double identity = limn_train_term_of(s, "lambda-identity");
    bool cycles = limn_train_term_of(s, "lambda-A") > 0 || limn_train_term_of(s, "lambda-B") > 0;

    if (cycles && s->input_nc == s->output_nc && identity < 1)
        add(text, size, "--lambda-identity %g", identity < 0.5 ? 0.5 : 1.0);
    else if (limn_train_term_of(s, "lambda-NCE") > 0 && !limn_train_term_of(s, "nce-idt"))
        add(text, size, "--nce-idt");
    else
        more_hold(text, size, s);
    add(text, size, " in a new run, with another --seed %lld; what is turned seldom turns back",
        (long long)s->seed + 1);
}

static void outline(char *text, size_t size, const limn_train_settings *s)
{
    more_hold(text, size, s);
    add(text, size, " in a new run, with another --seed %lld; look at the sheets first",
        (long long)s->seed + 1);
}

static void checkerboard(char *text, size_t size, const limn_train_settings *s)
{
    if (!strncmp(s->netG, "resnet", 6) && !s->antialias_up)
        add(text, size, "--antialias-up in a new run");
    else if (strncmp(s->netG, "resnet", 6))
        add(text, size, "--netG resnet_9blocks --antialias-up in a new run");
    else
        more_hold(text, size, s);
    if (!(s->ema > 0)) add(text, size, ", or there --ema 0.999");
}

static void flat(char *text, size_t size, const limn_train_settings *s)
{
    add(text, size, "limn check, which names them all, and leave them out");
    if (s->preparation.load_size > s->preparation.crop_size)
        add(text, size, "; where only parts are empty, --load-size %d", s->preparation.crop_size);
    add(text, size, "; or --norm none in a new run");
}

void limn_health_advice(char *text, size_t size, limn_alarm_kind kind, const limn_train_settings *s)
{
    snprintf(text, size, ". Try ");
    switch (kind) {
    case LIMN_ALARM_CRITIC:
        critic(text, size, s);
        break;
    case LIMN_ALARM_COLLAPSE:
        more_hold(text, size, s);
        add(text, size, " --lr %g, in a new run from a model before it: --init best.safetensors",
            s->lr / 2);
        break;
    case LIMN_ALARM_INVERSION:
        inversion(text, size, s);
        break;
    case LIMN_ALARM_OUTLINE:
        outline(text, size, s);
        break;
    case LIMN_ALARM_CHECKERBOARD:
        checkerboard(text, size, s);
        break;
    case LIMN_ALARM_FLAT:
        flat(text, size, s);
        break;
    default:
        add(text, size, "--lr %g, or --compute fp32", s->lr / 2);
        break;
    }
}
