/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes down every tensor of a network and compares the list with a file.
 *
 * A layer has three numbers: in the file, in limn and in a network without antialiasing.  They are
 * counted up side by side while the layers are listed in order, so that a layer that one of the
 * three does not have (padding, filters) is simply a step that this one does not take. */
#include "model/deduce_layout.h"
#include "model/foreign.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PREFIX_MAX = 160 };

typedef enum use { WEIGHT, STATISTIC, UNUSED, FILTER } use;

/* A path of modules in the three namings. */
typedef struct path {
    char file[PREFIX_MAX], name[PREFIX_MAX], plain[PREFIX_MAX];
} path;

typedef struct counter {
    int file, name, plain;
} counter;

typedef struct matcher {
    limn_deduced *out;
    const limn_file_layout *file;
    const limn_state *state;
    limn_arena *arena;
    limn_error *error;
    limn_status status; /* the first fault; later steps do nothing */
    bool *taken;        /* one for each tensor of the state */
} matcher;

static path sub(const path *p, const char *word)
{
    path q;

    snprintf(q.file, sizeof q.file, "%.120s%s%s", p->file, *p->file ? "." : "", word);
    snprintf(q.name, sizeof q.name, "%.120s%s%s", p->name, *p->name ? "." : "", word);
    snprintf(q.plain, sizeof q.plain, "%.120s%s%s", p->plain, *p->plain ? "." : "", word);
    return q;
}

static path at(const path *p, counter n)
{
    path q;

    snprintf(q.file, sizeof q.file, "%.120s.%d", p->file, n.file);
    snprintf(q.name, sizeof q.name, "%.120s.%d", p->name, n.name);
    snprintf(q.plain, sizeof q.plain, "%.120s.%d", p->plain, n.plain);
    return q;
}

static counter same(int n)
{
    return (counter){ n, n, n };
}

static void step(counter *n, int by)
{
    n->file += by;
    n->name += by;
    n->plain += by;
}

/* ---- One tensor ------------------------------------------------------------------------------ */

static void shape_text(char out[80], int dims, const int64_t *size)
{
    int i, used = 0;

    if (!dims) snprintf(out, 80, "a scalar");
    for (i = 0; i < dims && used < 70; i++)
        used += snprintf(out + used, (size_t)(80 - used), "%s%lld", i ? "x" : "",
                         (long long)size[i]);
}

static void seems(const matcher *m, char out[120])
{
    const limn_deduced *d = m->out;

    snprintf(out, 120, "%s (%s %d, %s norm%s)", d->network, d->generator ? "ngf" : "ndf",
             d->filters, d->norm, d->antialias || d->antialias_up ? ", antialiased" : "");
}

static int by_name(const void *key, const void *item)
{
    return strcmp(key, ((const limn_state_tensor *)item)->name);
}

/* CUT's filters are constants: [1 2 1] or [1 3 3 1] in both directions, the latter times 4. */
static bool is_binomial(const limn_checkpoint_tensor *t)
{
    static const float three[] = { .25f, .5f, .25f }, four[] = { .25f, .75f, .75f, .25f };
    int width = (int)t->saved.size[3], i;
    const float *row = width == 3 ? three : four;
    float value[16];
    int64_t c;

    for (c = 0; c < t->saved.size[0]; c++) {
        if (limn_checkpoint_floats(t, (size_t)(c * width * width), (size_t)(width * width), value,
                                   NULL))
            return false;
        for (i = 0; i < width * width; i++)
            if (!(fabsf(value[i] - row[i / width] * row[i % width]) < 1e-3f)) return false;
    }
    return true;
}

/* The tensor PATH.word of that shape must be there, unless optional; takes it. */
static void expect(matcher *m, const path *p, const char *word, use what, bool optional, int dims,
                   const int64_t *size)
{
    char file[PREFIX_MAX + 24], kind[120], wanted[80], found[80];
    const limn_checkpoint_tensor *t;
    limn_state_tensor *entry;
    limn_deduced_tensor *d;

    if (m->status) return;
    snprintf(file, sizeof file, "%s.%s", p->file, word);
    seems(m, kind);
    entry = bsearch(file, m->state->tensors, m->state->count, sizeof *entry, by_name);
    if (!entry) {
        if (!optional)
            m->status = limn_fail(m->error, LIMN_FORMAT,
                                  "%s: looks like %s, but has no tensor '%s': a variant that limn "
                                  "does not have, or a file that is not whole",
                                  m->state->file, kind, file);
        return;
    }
    t = entry->tensor;
    m->taken[entry - m->state->tensors] = true;
    if (t->saved.dims != dims ||
        (dims && memcmp(t->saved.size, size, (size_t)dims * sizeof *size))) {
        shape_text(found, t->saved.dims, t->saved.size);
        shape_text(wanted, dims, size);
        m->status = limn_fail(m->error, LIMN_FORMAT,
                              "%s: looks like %s, but its '%s' is %s where %s belongs: a variant "
                              "that limn does not have",
                              m->state->file, kind, file, found, wanted);
        return;
    }
    if (what == FILTER && !is_binomial(t))
        m->status = limn_fail(m->error, LIMN_FORMAT,
                              "%s: looks like %s, but '%s' is not the binomial filter that CUT "
                              "uses: limn has no other",
                              m->state->file, kind, file);
    if (what == FILTER || what == UNUSED || m->status) return;
    d = &m->out->tensors[m->out->count++];
    d->tensor = t;
    d->statistic = what == STATISTIC;
    d->name = limn_take_format(m->arena, "%s.%s", p->name, word);
    d->plain = strcmp(p->name, p->plain) ? limn_take_format(m->arena, "%s.%s", p->plain, word)
                                         : d->name;
    if (!d->name || !d->plain)
        m->status = limn_fail(m->error, LIMN_NO_MEMORY, "out of memory: names of %s",
                              m->state->file);
}

/* ---- Layers ---------------------------------------------------------------------------------- */

/* A convolution's weight is (out, in, k, k), a transposed one's (in, out, k, k). */
static void conv(matcher *m, path p, int first, int second, int kernel, int bias)
{
    int64_t size[4] = { first, second, kernel, kernel }, wide = bias;

    expect(m, &p, "weight", WEIGHT, false, 4, size);
    if (bias) expect(m, &p, "bias", WEIGHT, false, 1, &wide);
}

static void norm(matcher *m, path p, int channels)
{
    use running = m->out->statistics ? STATISTIC : UNUSED;
    int64_t size = channels;

    if (m->out->affine) {
        expect(m, &p, "weight", WEIGHT, false, 1, &size);
        expect(m, &p, "bias", WEIGHT, false, 1, &size);
    }
    if (!m->file->statistics) return;
    expect(m, &p, "running_mean", running, false, 1, &size);
    expect(m, &p, "running_var", running, false, 1, &size);
    expect(m, &p, "num_batches_tracked", UNUSED, true, 0, NULL);
}

/* A convolution that a norm follows. */
static void conv_norm(matcher *m, const path *p, counter n, int first, int second, int kernel,
                      int out)
{
    conv(m, at(p, n), first, second, kernel, m->file->bias ? out : 0);
    step(&n, 1);
    norm(m, at(p, n), out);
}

static void filter(matcher *m, const path *p, counter n, int channels, int width)
{
    int64_t size[4] = { channels, 1, width, width };
    path q = at(p, n);

    expect(m, &q, "filt", FILTER, true, 4, size);
}

/* ---- Networks -------------------------------------------------------------------------------- */

static int at_most_8(int level)
{
    return level < 3 ? 1 << level : 8;
}

static void unet(matcher *m)
{
    const limn_deduced *d = m->out;
    path root = { "model", "model", "model" }, p[LIMN_LEVELS_MAX];
    int i, inner, outer;

    p[0] = sub(&root, "model");
    for (i = 1; i < d->downs; i++) p[i] = sub(&p[i - 1], i == 1 ? "1.model" : "3.model");
    conv(m, sub(&p[0], "0"), d->filters, d->input_nc, 4, m->file->bias ? d->filters : 0);
    for (i = 1; i < d->downs; i++) {
        outer = d->filters * at_most_8(i - 1);
        inner = d->filters * at_most_8(i);
        if (i < d->downs - 1) {
            conv_norm(m, &p[i], same(1), inner, outer, 4, inner);
        } else {
            conv(m, sub(&p[i], "1"), inner, outer, 4, m->file->bias ? inner : 0);
            conv_norm(m, &p[i], same(3), inner, outer, 4, outer);
        }
    }
    for (i = d->downs - 2; i > 0; i--) {
        outer = d->filters * at_most_8(i - 1);
        conv_norm(m, &p[i], same(5), d->filters * at_most_8(i) * 2, outer, 4, outer);
    }
    conv(m, sub(&p[0], "3"), d->filters * 2, d->output_nc, 4, d->output_nc);
}

static void block(matcher *m, path p, int width)
{
    bool zero = !strcmp(m->out->block_padding, "zero");
    counter n = { zero ? 0 : 1, 1, 1 };

    p = sub(&p, "conv_block");
    conv_norm(m, &p, n, width, width, 3, width);
    step(&n, m->out->dropout == 1 ? 4 : 3); /* norm, ReLU, dropout */
    n.file += !zero;
    n.name++;
    n.plain++;
    conv_norm(m, &p, n, width, width, 3, width);
}

static void resnet(matcher *m)
{
    const limn_deduced *d = m->out;
    bool zero = !strcmp(d->padding, "zero");
    counter n = { zero ? 0 : 1, 1, 1 };
    path root = { "model", "model", "model" };
    int k, i;

    conv_norm(m, &root, n, d->filters, d->input_nc, 7, d->filters);
    step(&n, 3);
    for (k = 1; k < 4; k *= 2) {
        conv_norm(m, &root, n, d->filters * k * 2, d->filters * k, 3, d->filters * k * 2);
        step(&n, 3);
        if (!d->antialias) continue;
        filter(m, &root, n, d->filters * k * 2, 3);
        n.file++;
        n.name++;
    }
    for (i = 0; i < d->blocks; i++, step(&n, 1)) block(m, at(&root, n), d->filters * 4);
    for (k = 4; k > 1; k /= 2) {
        if (d->antialias_up) {
            filter(m, &root, n, d->filters * k, 4);
            n.file++;
            n.name++;
        }
        if (d->antialias_up) /* a convolution in place of a transposed one */
            conv_norm(m, &root, n, d->filters * k / 2, d->filters * k, 3, d->filters * k / 2);
        else
            conv_norm(m, &root, n, d->filters * k, d->filters * k / 2, 3, d->filters * k / 2);
        step(&n, 3);
    }
    n.file += !zero; /* the padding layer */
    n.name++;
    n.plain++;
    conv(m, at(&root, n), d->output_nc, d->filters, 7, d->output_nc);
}

static void critic(matcher *m)
{
    const limn_deduced *d = m->out;
    path root = { "model", "model", "model" };
    counter n = { 0, 0, 0 };
    int i, before, after = d->filters;

    conv(m, at(&root, n), after, d->input_nc, 4, after);
    step(&n, 2);
    for (i = 1; i <= d->layers; i++) {
        if (d->antialias) {
            filter(m, &root, n, after, 3);
            n.file++;
            n.name++;
        }
        before = after;
        after = d->filters * at_most_8(i);
        conv_norm(m, &root, n, after, before, 4, after);
        step(&n, 3);
        /* the last one has stride 1 and no filter behind it */
        if (i == d->layers) break;
    }
    conv(m, at(&root, n), 1, after, 4, 1);
}

static void pixel(matcher *m)
{
    const limn_deduced *d = m->out;
    path root = { "net", "net", "net" };

    conv(m, at(&root, same(0)), d->filters, d->input_nc, 1, d->filters);
    conv_norm(m, &root, same(2), d->filters * 2, d->filters, 1, d->filters * 2);
    conv(m, at(&root, same(5)), 1, d->filters * 2, 1, m->file->bias ? 1 : 0);
}

limn_status limn_deduce_match(limn_deduced *out, const limn_file_layout *file,
                              const limn_state *state, limn_arena *arena, limn_error *error)
{
    matcher m = { .out = out, .file = file, .state = state, .arena = arena, .error = error };
    char kind[120];
    size_t i;

    LIMN_TRY(limn_take_into(&m.taken, arena, state->count * sizeof *m.taken, error));
    LIMN_TRY(limn_take_into(&out->tensors, arena, state->count * sizeof *out->tensors, error));
    out->count = 0;
    if (out->downs)
        unet(&m);
    else if (out->blocks)
        resnet(&m);
    else if (out->layers)
        critic(&m);
    else
        pixel(&m);
    if (m.status) return m.status;
    for (i = 0; i < state->count && m.taken[i]; i++) {}
    if (i == state->count) return LIMN_OK;
    seems(&m, kind);
    return limn_fail(
        error, LIMN_FORMAT,
        "%s: looks like %s, but has a tensor '%s' that such a network does not have: a "
        "variant that limn does not know",
        state->file, kind, limn_quote(state->tensors[i].name, strlen(state->tensors[i].name)).text);
}
