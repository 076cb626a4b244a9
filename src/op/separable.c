/* SPDX-License-Identifier: Apache-2.0
 *
 * Applies one sparse matrix down and one across: the machine of pad, resize, blur and pools.
 *
 * The fast path makes one row of the output at a time: the input rows that it reads are summed into
 * one row of floats in scratch memory (which stays in the first cache), then the output's pixels
 * are taken from that row.  A row that is a copy of one input row is not summed but read in place,
 * and stretches of pixels that are copies of neighbours are moved whole: so the inner part of a
 * padding is one memcpy, in both directions.
 *
 * Each thread has its own row in scratch; outputs are written once, by one thread, in a fixed order
 * of taps.  A direct sum over both axes at every pixel was dropped: it reads a 3x3 filter's inputs
 * nine times instead of six and knows no copies. */
#include "op/separable.h"
#include "base/cpu.h"
#include "op/kernels_space.h"

#include <assert.h>
#include <string.h>

/* ---- Plain loops ----------------------------------------------------------------------------- */

static float *row_at(const limn_tensor *t, int n, int c, int h)
{
    return (float *)t->data + limn_at(t, n, c, h, 0);
}

static void clear(const limn_tensor *t)
{
    for (int n = 0; n < t->shape.n; n++)
        memset(row_at(t, n, 0, 0), 0,
               sizeof(float) * (size_t)t->shape.c * (size_t)t->shape.h * (size_t)t->shape.w);
}

void limn_separable_forward(const limn_call *call, const limn_axis *down, const limn_axis *across)
{
    const limn_tensor *x = &call->x[0], *y = &call->y[0];
    float v, h;
    int a, b;

    clear(y);
    for (int i = 0; i < down->out; i++)
        for (int s = 0; s < down->taps; s++) {
            if (!down->tap(down, i, s, &a, &v)) continue;
            for (int j = 0; j < across->out; j++)
                for (int t = 0; t < across->taps; t++) {
                    if (!across->tap(across, j, t, &b, &h)) continue;
                    for (int n = 0; n < x->shape.n; n++)
                        for (int c = 0; c < x->shape.c; c++)
                            row_at(y, n, c, i)[j] += v * h * row_at(x, n, c, a)[b];
                }
        }
}

void limn_separable_backward(const limn_call *call, const limn_axis *down, const limn_axis *across)
{
    const limn_tensor *dx = &call->dx[0], *dy = &call->dy[0];
    float v, h;
    int a, b;

    if (!(call->wanted & 1)) return;
    if (!(call->accumulate & 1)) clear(dx);
    for (int i = 0; i < down->out; i++)
        for (int s = 0; s < down->taps; s++) {
            if (!down->tap(down, i, s, &a, &v)) continue;
            for (int j = 0; j < across->out; j++)
                for (int t = 0; t < across->taps; t++) {
                    if (!across->tap(across, j, t, &b, &h)) continue;
                    for (int n = 0; n < dx->shape.n; n++)
                        for (int c = 0; c < dx->shape.c; c++)
                            row_at(dx, n, c, a)[b] += v * h * row_at(dy, n, c, i)[j];
                }
        }
}

/* ---- Matrices -------------------------------------------------------------------------------- */

/* The axis (or its transpose) written out.  copies[o]: outputs from o on that are plain copies of
 * consecutive inputs; 0 where output o is not a copy. */
typedef struct matrix {
    int in, out, most; /* most: taps of the fullest output */
    int *start, *at, *copies;
    float *weight;
} matrix;

static limn_status write_out(matrix *m, const limn_axis *axis, bool transposed, limn_arena *arena,
                             limn_error *error)
{
    float weight;
    int at, *next;

    m->in = transposed ? axis->out : axis->in;
    m->out = transposed ? axis->in : axis->out;
    LIMN_TRY(limn_take_into(&m->start, arena, sizeof(int) * ((size_t)m->out + 1), error));
    LIMN_TRY(limn_take_into(&m->copies, arena, sizeof(int) * ((size_t)m->out + 1), error));
    LIMN_TRY(limn_take_into(&next, arena, sizeof(int) * (size_t)m->out, error));
    for (int o = 0; o < axis->out; o++)
        for (int t = 0; t < axis->taps; t++)
            if (axis->tap(axis, o, t, &at, &weight)) m->start[(transposed ? at : o) + 1]++;
    for (int o = 0; o < m->out; o++) {
        if (m->start[o + 1] > m->most) m->most = m->start[o + 1];
        m->start[o + 1] += m->start[o];
        next[o] = m->start[o];
    }
    LIMN_TRY(limn_take_into(&m->at, arena, sizeof(int) * ((size_t)m->start[m->out] + 1), error));
    LIMN_TRY(
        limn_take_into(&m->weight, arena, sizeof(float) * ((size_t)m->start[m->out] + 1), error));
    for (int o = 0; o < axis->out; o++)
        for (int t = 0; t < axis->taps; t++) {
            int place;

            if (!axis->tap(axis, o, t, &at, &weight)) continue;
            assert(at >= 0 && at < axis->in);
            place = next[transposed ? at : o]++;
            m->at[place] = transposed ? o : at;
            m->weight[place] = weight;
        }
    for (int o = m->out - 1; o >= 0; o--) {
        bool copy = m->start[o + 1] - m->start[o] == 1 && m->weight[m->start[o]] == 1;
        bool follows = copy && m->copies[o + 1] && m->at[m->start[o + 1]] == m->at[m->start[o]] + 1;

        m->copies[o] = copy ? 1 + (follows ? m->copies[o + 1] : 0) : 0;
    }
    return LIMN_OK;
}

/* ---- The fast path --------------------------------------------------------------------------- */

enum { CHUNK = 256 }; /* channels of a unit where blocks are larger */

typedef struct separable {
    matrix down, across;
    const limn_space_kernels *kernels;
    const limn_tensor *from, *to; /* of the call; set by run */
    bool accumulate;
    size_t chunks;    /* in a block */
    size_t row_bytes; /* of scratch a thread: the summed row, then the list of its inputs */
    char *scratch;
} separable;

static char *at_byte(const limn_tensor *t, int n, size_t c, int h)
{
    return (char *)t->data + limn_at(t, n, (int)c, h, 0) * limn_type_bytes(t->type);
}

/* Copies of neighbouring pixels, same type, nothing added. */
static void copy_pixels(char *to, const char *from, size_t pixels, size_t run, size_t stride,
                        size_t bytes)
{
    if (run == stride)
        memcpy(to, from, pixels * run * bytes);
    else
        for (size_t p = 0; p < pixels; p++)
            memcpy(to + p * stride * bytes, from + p * stride * bytes, run * bytes);
}

static void one_row(const separable *s, char *to, const char *from, bool from_bf16,
                    size_t from_stride, size_t run)
{
    enum { WORTH = 4 }; /* pixels from which on a copy beats the general loop */
    const matrix *m = &s->across;
    const limn_taps taps = { m->start, m->at, m->weight };
    size_t stride = (size_t)s->to->block, bytes = limn_type_bytes(s->to->type);
    bool to_bf16 = s->to->type == LIMN_BF16;
    bool copies = !s->accumulate && to_bf16 == from_bf16 && from_stride == stride;
    int done = 0, o = 0;

    while (o < m->out) {
        int count = copies ? m->copies[o] : 0;

        if (count < WORTH) {
            o += count ? count : 1;
            continue;
        }
        s->kernels->columns(to, to_bf16, stride, from, from_bf16, from_stride, &taps, done, o, run,
                            s->accumulate);
        copy_pixels(to + (size_t)o * stride * bytes,
                    from + (size_t)m->at[m->start[o]] * stride * bytes, (size_t)count, run, stride,
                    bytes);
        done = o += count;
    }
    s->kernels->columns(to, to_bf16, stride, from, from_bf16, from_stride, &taps, done, m->out, run,
                        s->accumulate);
}

static void units(void *context, size_t begin, size_t end, int part)
{
    const separable *s = context;
    const limn_tensor *from = s->from, *to = s->to;
    size_t block = (size_t)from->block, groups = (size_t)from->shape.c / block * s->chunks;
    float *sum = (float *)(void *)(s->scratch + (size_t)part * s->row_bytes);
    const void **rows = (const void **)(void *)(s->scratch + ((size_t)part + 1) * s->row_bytes -
                                                (size_t)s->down.most * sizeof(void *));
    bool bf16 = from->type == LIMN_BF16;

    for (size_t unit = begin; unit < end; unit++) {
        int i = (int)(unit % (size_t)s->down.out);
        size_t group = unit / (size_t)s->down.out % groups;
        int n = (int)(unit / (size_t)s->down.out / groups);
        size_t inner = group % s->chunks * CHUNK, c = group / s->chunks * block + inner;
        size_t run = s->chunks == 1 ? block : block - inner < CHUNK ? block - inner : CHUNK;
        int first = s->down.start[i], taps = s->down.start[i + 1] - first;
        char *out = at_byte(to, n, c, i);

        if (s->down.copies[i]) {
            one_row(s, out, at_byte(from, n, c, s->down.at[first]), bf16, block, run);
            continue;
        }
        for (int t = 0; t < taps; t++) rows[t] = at_byte(from, n, c, s->down.at[first + t]);
        if (taps)
            s->kernels->rows(sum, rows, s->down.weight + first, taps, bf16, (size_t)s->across.in,
                             run, block);
        else
            memset(sum, 0, (size_t)s->across.in * run * sizeof *sum);
        one_row(s, out, (const char *)sum, false, run, run);
    }
}

static limn_status run(limn_call *call, limn_error *error)
{
    enum { GRAIN = 1 << 13 }; /* elements worth a thread */
    separable *s = call->own;
    size_t count, work;

    (void)error;
    s->from = call->backward ? &call->dy[0] : &call->x[0];
    s->to = call->backward ? &call->dx[0] : &call->y[0];
    s->scratch = call->scratch;
    count = (size_t)s->to->shape.n * (size_t)s->to->shape.c / (size_t)s->to->block * s->chunks *
            (size_t)s->down.out;
    work = limn_count(s->from->shape) + limn_count(s->to->shape);
    limn_parallel(count, GRAIN / (work / count + 1) + 1, units, s);
    return LIMN_OK;
}

static limn_status nothing(limn_call *call, limn_error *error)
{
    (void)call, (void)error;
    return LIMN_OK;
}

limn_status limn_separable_prepare(limn_call *call, const limn_axis *down, const limn_axis *across,
                                   limn_arena *arena, limn_error *error)
{
    separable *s;
    size_t block, run_most;

    call->implementation = limn_cpu_name(limn_cpu());
    call->run = nothing;
    if (call->backward && !(call->wanted & 1)) return LIMN_OK;
    LIMN_TRY(limn_take_into(&s, arena, sizeof *s, error));
    s->kernels = limn_space();
    s->accumulate = call->backward && call->accumulate & 1;
    LIMN_TRY(write_out(&s->down, down, call->backward, arena, error));
    LIMN_TRY(write_out(&s->across, across, call->backward, arena, error));
    block = (size_t)(call->backward ? call->dy[0].block : call->x[0].block);
    assert((int)block == (call->backward ? call->dx[0].block : call->y[0].block));
    s->chunks = block > CHUNK ? (block + CHUNK - 1) / CHUNK : 1;
    run_most = block > CHUNK ? CHUNK : block;
    s->row_bytes = (size_t)s->across.in * run_most * sizeof(float) +
                   (size_t)s->down.most * sizeof(void *);
    s->row_bytes = (s->row_bytes + 63) & ~(size_t)63;
    call->own = s;
    call->scratch_bytes = s->row_bytes * (size_t)limn_compute_threads();
    call->run = run;
    return LIMN_OK;
}
