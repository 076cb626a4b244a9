/* SPDX-License-Identifier: Apache-2.0
 *
 * The contrastive loss over patches: each query should be like the key of its own place and unlike
 * the keys of all other places of the same picture.
 *
 * Park et al. 2020, "Contrastive learning for unpaired image-to-image translation", equations 1 and
 * 4.  With rows q_i and k_i divided by (their length + 1e-7), s_ij = q_i . k_j / temperature:
 *
 *     loss = mean over i of (log sum over j of exp(s_ij) - s_ii),   j in the same picture as i
 *
 * and its gradient to q (the keys get none) is the mean of sum over j of (softmax(s_i)_j - [i = j])
 * k_j / temperature, led back through the division by the length.
 *
 * Both are products of matrices.  The fast path takes 16 queries at a time against all keys of the
 * picture: scores, softmax and the product back stay in the first caches, and the full matrix of
 * scores is never stored, not even between forward and backward: computing it again is cheaper
 * than 256 KB of traffic and a lifetime for the planner. */
#include "base/cpu.h"
#include "op/kernels_space.h"
#include "op/op.h"
#include "op/shapes.h"

#include <math.h>

static const float TINY = 1e-7f; /* added to lengths */

static int pictures_of(const limn_args *args)
{
    return args->pictures ? args->pictures : 1;
}

static limn_status shape(limn_shape *y, const limn_shape *x, int inputs, const limn_args *args,
                         limn_error *error)
{
    LIMN_TRY(limn_shape_inputs(x, inputs, 2, 2, error));
    if (!limn_shape_equal(x[0], x[1]))
        return limn_fail(error, LIMN_SHAPE, "%d queries of %d channels do not match %d keys of %d",
                         x[0].n, x[0].c, x[1].n, x[1].c);
    if (x[0].h != 1 || x[0].w != 1)
        return limn_fail(error, LIMN_SHAPE, "wants rows of 1x1 maps, and these are %dx%d", x[0].h,
                         x[0].w);
    if (args->pictures < 0 || x[0].n % pictures_of(args))
        return limn_fail(error, LIMN_SHAPE, "%d rows cannot be shared by %d pictures", x[0].n,
                         args->pictures);
    if (!(args->temperature > 0))
        return limn_fail(error, LIMN_SETTING, "temperature %g is not above 0",
                         (double)args->temperature);
    *y = (limn_shape){ 1, 1, 1, 1 };
    return LIMN_OK;
}

/* ---- Plain loops ----------------------------------------------------------------------------- */

static const float *row_of(const limn_tensor *t, int n)
{
    return (const float *)t->data + (size_t)n * t->batch_stride;
}

static double dot(const float *a, const float *b, int count)
{
    double sum = 0;

    for (int c = 0; c < count; c++) sum += (double)a[c] * (double)b[c];
    return sum;
}

static double length(const float *a, int count)
{
    return sqrt(dot(a, a, count));
}

static double score(const limn_call *call, int i, int j)
{
    int channels = call->x[0].shape.c;
    const float *q = row_of(&call->x[0], i), *k = row_of(&call->x[1], j);

    return dot(q, k, channels) / (length(q, channels) + (double)TINY) /
           (length(k, channels) + (double)TINY) / (double)call->args->temperature;
}

/* log of the sum of exp(score) over the keys of row i's picture, which begins at first. */
static double log_sum(const limn_call *call, int i, int first, int rows)
{
    double most = -INFINITY, sum = 0;

    for (int j = first; j < first + rows; j++) most = fmax(most, score(call, i, j));
    for (int j = first; j < first + rows; j++) sum += exp(score(call, i, j) - most);
    return most + log(sum);
}

static void forward(const limn_call *call)
{
    int count = call->x[0].shape.n, rows = count / pictures_of(call->args);
    double loss = 0;

    for (int i = 0; i < count; i++)
        loss += log_sum(call, i, i / rows * rows, rows) - score(call, i, i);
    *(float *)call->y[0].data = (float)(loss / count);
}

static void backward(const limn_call *call)
{
    int count = call->x[0].shape.n, rows = count / pictures_of(call->args);
    int channels = call->x[0].shape.c;
    double dy = (double)*(const float *)call->dy[0].data;

    if (!(call->wanted & 1)) return;
    for (int i = 0; i < count; i++) {
        int first = i / rows * rows;
        const float *q = row_of(&call->x[0], i);
        float *dq = (float *)call->dx[0].data + (size_t)i * call->dx[0].batch_stride;
        double size = length(q, channels), total = log_sum(call, i, first, rows);

        if (!(call->accumulate & 1))
            for (int c = 0; c < channels; c++) dq[c] = 0;
        for (int j = first; j < first + rows; j++) {
            const float *k = row_of(&call->x[1], j);
            double pull = (exp(score(call, i, j) - total) - (i == j)) * dy / count /
                          (double)call->args->temperature / (length(k, channels) + (double)TINY);
            double across = 1 / (size + (double)TINY);
            double along = size > 0 ? dot(q, k, channels) * across * across / size : 0;

            for (int c = 0; c < channels; c++)
                dq[c] += (float)(pull * ((double)k[c] * across - (double)q[c] * along));
        }
    }
}

/* ---- The fast path --------------------------------------------------------------------------- */

enum { STRIP = 16 };

/* Scratch, in floats.  wide and deep are rows (of a picture) and channels rounded up to 16. */
typedef struct work {
    const limn_space_kernels *kernels;
    size_t rows, channels, wide, deep;
    float *query;  /* [rows of all pictures][deep], of length 1 */
    float *key;    /* the same */
    float *across; /* [pictures][channels][wide]: the keys, transposed */
    float *size;   /* [rows of all pictures]: lengths of the queries; then the losses */
    float *strips; /* a thread: [STRIP][wide] scores, [STRIP][deep] gradients */
} work;

/* A row as floats of length 1; returns the length it had. */
static float unit_row(float *to, const limn_tensor *t, size_t row, size_t channels, size_t deep)
{
    size_t at = row * t->batch_stride;
    double sum = 0;
    float size, factor;

    for (size_t c = 0; c < channels; c++)
        to[c] = t->type == LIMN_F32 ? ((const float *)t->data)[at + c]
                                    : limn_from_bf16(((const uint16_t *)t->data)[at + c]);
    for (size_t c = 0; c < channels; c += STRIP) {
        float part = 0;

        for (size_t k = c; k < channels && k < c + STRIP; k++) part += to[k] * to[k];
        sum += (double)part;
    }
    size = (float)sqrt(sum);
    factor = 1 / (size + TINY);
    for (size_t c = 0; c < channels; c++) to[c] *= factor;
    for (size_t c = channels; c < deep; c++) to[c] = 0;
    return size;
}

/* A unit is up to STRIP rows of one picture. */
static size_t strips_of(const work *w)
{
    return (w->rows + STRIP - 1) / STRIP;
}

static void normalise(void *context, size_t begin, size_t end, int part)
{
    const limn_call *call = context;
    const work *w = call->own;

    (void)part;
    for (size_t unit = begin; unit < end; unit++) {
        size_t picture = unit / strips_of(w), first = unit % strips_of(w) * STRIP;
        size_t count = w->rows - first < STRIP ? w->rows - first : STRIP;
        size_t row = picture * w->rows + first;
        float *across = w->across + picture * w->channels * w->wide + first;
        float *key = w->key + row * w->deep;

        for (size_t r = 0; r < count; r++) {
            w->size[row + r] = unit_row(w->query + (row + r) * w->deep, &call->x[0], row + r,
                                        w->channels, w->deep);
            unit_row(key + r * w->deep, &call->x[1], row + r, w->channels, w->deep);
        }
        for (size_t c = 0; c < w->channels; c++)
            for (size_t r = 0; r < STRIP; r++)
                across[c * w->wide + r] = r < count ? key[r * w->deep + c] : 0;
    }
}

/* Turns one row of products into exp(score - largest score); gives the loss of the row and 1 / sum.
 */
static float exponentials(float *s, size_t count, size_t own, float temperature, float *loss)
{
    float most = -INFINITY, mine;
    double sum = 0;

    for (size_t j = 0; j < count; j++) s[j] /= temperature;
    for (size_t j = 0; j < count; j++) most = s[j] > most ? s[j] : most;
    mine = s[own];
    for (size_t j = 0; j < count; j++) sum += (double)(s[j] = expf(s[j] - most));
    *loss = (float)((double)most + log(sum) - (double)mine);
    return (float)(1 / sum);
}

static void scores(const work *w, size_t row, size_t count, float *to)
{
    size_t picture = row / w->rows;

    w->kernels->product(to, w->wide, w->query + row * w->deep, w->deep,
                        w->across + picture * w->channels * w->wide, w->wide, count, w->channels,
                        w->wide);
}

static float *strip_of(const work *w, int part)
{
    return w->strips + (size_t)part * STRIP * (w->wide + w->deep);
}

static void forward_strips(void *context, size_t begin, size_t end, int part)
{
    const limn_call *call = context;
    const work *w = call->own;
    float *s = strip_of(w, part);

    for (size_t unit = begin; unit < end; unit++) {
        size_t first = unit % strips_of(w) * STRIP, row = unit / strips_of(w) * w->rows + first;
        size_t count = w->rows - first < STRIP ? w->rows - first : STRIP;

        scores(w, row, count, s);
        for (size_t r = 0; r < count; r++)
            exponentials(s + r * w->wide, w->rows, first + r, call->args->temperature,
                         &w->size[row + r]);
    }
}

/* dq from the gradient of the row of length 1. */
static void finish(const limn_call *call, size_t row, float *g, const float *unit, float size)
{
    const limn_tensor *dx = &call->dx[0];
    size_t channels = (size_t)dx->shape.c, at = row * dx->batch_stride;
    float scale = 1 / (size + TINY), along;
    double sum = 0;

    for (size_t c = 0; c < channels; c++) sum += (double)(g[c] * unit[c]);
    /* unit = q / (size + TINY); the direction of q itself is unit * (size + TINY) / size. */
    along = size > 0 ? (float)sum * (size + TINY) / size : 0;
    for (size_t c = 0; c < channels; c++) g[c] = scale * (g[c] - along * unit[c]);
    for (size_t c = 0; c < channels; c++) {
        if (dx->type == LIMN_F32) {
            float *to = (float *)dx->data + at + c;

            *to = call->accumulate & 1 ? *to + g[c] : g[c];
        } else {
            uint16_t *to = (uint16_t *)dx->data + at + c;

            *to = limn_to_bf16(call->accumulate & 1 ? limn_from_bf16(*to) + g[c] : g[c]);
        }
    }
}

static void backward_strips(void *context, size_t begin, size_t end, int part)
{
    const limn_call *call = context;
    const work *w = call->own;
    float *s = strip_of(w, part), *g = s + STRIP * w->wide, loss;
    float scale = *(const float *)call->dy[0].data /
                  ((float)call->x[0].shape.n * call->args->temperature);

    for (size_t unit = begin; unit < end; unit++) {
        size_t picture = unit / strips_of(w), first = unit % strips_of(w) * STRIP;
        size_t row = picture * w->rows + first;
        size_t count = w->rows - first < STRIP ? w->rows - first : STRIP;

        scores(w, row, count, s);
        for (size_t r = 0; r < count; r++) {
            float *p = s + r * w->wide;
            float share = exponentials(p, w->rows, first + r, call->args->temperature, &loss);

            for (size_t j = 0; j < w->rows; j++) p[j] *= share * scale;
            p[first + r] -= scale;
        }
        w->kernels->product(g, w->deep, s, w->wide, w->key + picture * w->rows * w->deep, w->deep,
                            count, w->rows, w->deep);
        for (size_t r = 0; r < count; r++)
            finish(call, row + r, g + r * w->deep, w->query + (row + r) * w->deep,
                   w->size[row + r]);
    }
}

static limn_status run(limn_call *call, limn_error *error)
{
    const work *w = call->own;
    size_t units = (size_t)pictures_of(call->args) * strips_of(w);

    (void)error;
    if (call->backward && !(call->wanted & 1)) return LIMN_OK;
    limn_parallel(units, 2, normalise, call);
    limn_parallel(units, 2, call->backward ? backward_strips : forward_strips, call);
    if (!call->backward) {
        double loss = 0;

        for (int i = 0; i < call->x[0].shape.n; i++) loss += (double)w->size[i];
        *(float *)call->y[0].data = (float)(loss / call->x[0].shape.n);
    }
    return LIMN_OK;
}

static limn_status bind(limn_call *call, limn_error *error)
{
    work *w = call->own;
    size_t count = (size_t)call->x[0].shape.n, pictures = (size_t)pictures_of(call->args);

    (void)error;
    w->query = call->scratch;
    w->key = w->query + count * w->deep;
    w->across = w->key + count * w->deep;
    w->size = w->across + pictures * w->channels * w->wide;
    w->strips = w->size + (count + 15) / 16 * 16;
    return LIMN_OK;
}

static limn_status prepare(limn_call *call, limn_arena *arena, limn_error *error)
{
    size_t count = (size_t)call->x[0].shape.n, pictures = (size_t)pictures_of(call->args);
    work *w;

    LIMN_TRY(limn_take_into(&w, arena, sizeof *w, error));
    w->kernels = limn_space();
    w->rows = count / pictures;
    w->channels = (size_t)call->x[0].shape.c;
    w->wide = (w->rows + 15) / 16 * 16;
    w->deep = (w->channels + 15) / 16 * 16;
    call->own = w;
    call->scratch_bytes = sizeof(float) *
                          (2 * count * w->deep + pictures * w->channels * w->wide +
                           (count + 15) / 16 * 16 +
                           (size_t)limn_compute_threads() * STRIP * (w->wide + w->deep));
    call->bind = bind;
    call->run = run;
    call->implementation = limn_cpu_name(limn_cpu());
    return LIMN_OK;
}

static const limn_op_case cases[] = {
    { { { 4, 3, 1, 1 }, { 4, 3, 1, 1 } }, { .temperature = 0.5f } },
    { { { 24, 16, 1, 1 }, { 24, 16, 1, 1 } }, { .temperature = 0.07f } },
    { { { 20, 7, 1, 1 }, { 20, 7, 1, 1 } }, { .temperature = 0.07f, .pictures = 2 } },
    { { { 70, 32, 1, 1 }, { 70, 32, 1, 1 } }, { .temperature = 0.2f, .pictures = 1 } },
    { { { 0 } }, { 0 } },
};

const limn_op limn_op_patchnce = {
    .name = "patchnce",
    .does = "contrastive loss over patches (InfoNCE)",
    .inputs_min = 2,
    .inputs_max = 2,
    .outputs = 1,
    .kinds = { LIMN_FEATURES, LIMN_FEATURES },
    .gradients = 1,
    .backward_reads_x = 3,
    .float32_outputs = 1,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .prepare = prepare,
    .cases = cases,
};
