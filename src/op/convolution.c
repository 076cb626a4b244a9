/* SPDX-License-Identifier: Apache-2.0
 *
 * The three directions of a convolution as plain loops, and the sums of channels.
 *
 * One unit of work is one output plane (or one kernel, for the weights' gradient), so threads never
 * write to the same place.  Inside, the loops go weight by weight over rows: a weight is read once
 * and both rows are walked in memory order, and the borders are dealt with by cutting the range of
 * rows and columns once a weight instead of asking at every element.  Products of matrices
 * (im2col) were left out on purpose: this is the reference, and it must be readable; the fast path
 * is oneDNN's. */
#include "op/convolution.h"
#include "op/kernels_space.h"

typedef struct job {
    const limn_tensor *large, *w, *small;
    const float *bias;
    const limn_args *args;
    bool accumulate;
    int groups;
} job;

typedef struct range {
    int begin, end;
} range;

/* Positions o of the small side with 0 <= o * stride + offset < size. */
static range inside(int offset, int stride, int size, int count)
{
    range r = { offset < 0 ? (stride - 1 - offset) / stride : 0, 0 };

    if (size > offset) r.end = (size - 1 - offset) / stride + 1;
    if (r.end > count) r.end = count;
    return r;
}

static float *plane_of(const limn_tensor *t, int n, int c)
{
    return (float *)t->data + limn_at(t, n, c, 0, 0);
}

static const float *kernel_of(const limn_tensor *w, int o, int i)
{
    return (const float *)w->data +
           ((size_t)o * (size_t)w->shape.c + (size_t)i) * (size_t)w->shape.h * (size_t)w->shape.w;
}

static void start_plane(float *plane, size_t count, const float *bias, int c, bool accumulate)
{
    float first = bias ? bias[c] : 0;

    if (!accumulate)
        for (size_t k = 0; k < count; k++) plane[k] = first;
}

/* What one weight (a, b) joins: rows r of the small side, in each of them `length` elements, with
 * every stride-th element of a row of the large side.  Offsets are from the planes' first elements.
 */
typedef struct joint {
    range rows;
    size_t length, step;
    ptrdiff_t large, large_row, small, small_row; /* offset at row 0, distance between rows */
} joint;

static joint join(const job *j, int a, int b)
{
    int stride = j->args->stride, down = a - j->args->pad_top, right = b - j->args->pad_left;
    range columns = inside(right, stride, j->large->shape.w, j->small->shape.w);
    joint v = { .rows = inside(down, stride, j->large->shape.h, j->small->shape.h),
                .step = (size_t)stride,
                .large_row = (ptrdiff_t)stride * j->large->shape.w,
                .small = columns.begin,
                .small_row = j->small->shape.w };

    v.length = columns.end > columns.begin ? (size_t)(columns.end - columns.begin) : 0;
    v.large = (ptrdiff_t)down * j->large->shape.w + (ptrdiff_t)columns.begin * stride + right;
    return v;
}

static void forward_planes(void *context, size_t begin, size_t end, int part)
{
    const job *j = context;
    int outputs = j->small->shape.c, inputs = j->w->shape.c;

    (void)part;
    for (size_t unit = begin; unit < end; unit++) {
        int n = (int)(unit / (size_t)outputs), o = (int)(unit % (size_t)outputs);
        int base = o / (outputs / j->groups) * inputs;
        float *small = plane_of(j->small, n, o);

        start_plane(small, (size_t)j->small->shape.h * (size_t)j->small->shape.w, j->bias, o,
                    j->accumulate);
        for (int i = 0; i < inputs; i++) {
            const float *w = kernel_of(j->w, o, i);
            const float *large = plane_of(j->large, n, base + i);

            for (int a = 0; a < j->w->shape.h; a++)
                for (int b = 0; b < j->w->shape.w; b++, w++) {
                    joint v = join(j, a, b);

                    for (int r = v.rows.begin; r < v.rows.end; r++) {
                        const float *from = large + v.large + r * v.large_row;
                        float *to = small + v.small + r * v.small_row;

                        for (size_t k = 0; k < v.length; k++) to[k] += *w * from[k * v.step];
                    }
                }
        }
    }
}

static void data_planes(void *context, size_t begin, size_t end, int part)
{
    const job *j = context;
    int inputs = j->large->shape.c, outputs = j->small->shape.c / j->groups;

    (void)part;
    for (size_t unit = begin; unit < end; unit++) {
        int n = (int)(unit / (size_t)inputs), c = (int)(unit % (size_t)inputs);
        int base = c / j->w->shape.c * outputs;
        float *large = plane_of(j->large, n, c);

        start_plane(large, (size_t)j->large->shape.h * (size_t)j->large->shape.w, j->bias, c,
                    j->accumulate);
        for (int o = base; o < base + outputs; o++) {
            const float *w = kernel_of(j->w, o, c % j->w->shape.c);
            const float *small = plane_of(j->small, n, o);

            for (int a = 0; a < j->w->shape.h; a++)
                for (int b = 0; b < j->w->shape.w; b++, w++) {
                    joint v = join(j, a, b);

                    for (int r = v.rows.begin; r < v.rows.end; r++) {
                        const float *from = small + v.small + r * v.small_row;
                        float *to = large + v.large + r * v.large_row;

                        for (size_t k = 0; k < v.length; k++) to[k * v.step] += *w * from[k];
                    }
                }
        }
    }
}

static void weight_kernels(void *context, size_t begin, size_t end, int part)
{
    const job *j = context;
    int inputs = j->w->shape.c, outputs = j->small->shape.c / j->groups;

    (void)part;
    for (size_t unit = begin; unit < end; unit++) {
        int o = (int)(unit / (size_t)inputs), i = (int)(unit % (size_t)inputs);
        float *w = (float *)j->w->data + unit * (size_t)j->w->shape.h * (size_t)j->w->shape.w;

        for (int a = 0; a < j->w->shape.h; a++)
            for (int b = 0; b < j->w->shape.w; b++, w++) {
                joint v = join(j, a, b);
                double total = 0;

                for (int n = 0; n < j->large->shape.n; n++) {
                    const float *large = plane_of(j->large, n, o / outputs * inputs + i);
                    const float *small = plane_of(j->small, n, o);

                    for (int r = v.rows.begin; r < v.rows.end; r++) {
                        const float *x = large + v.large + r * v.large_row;
                        const float *dy = small + v.small + r * v.small_row;
                        float sum = 0;

                        for (size_t k = 0; k < v.length; k++) sum += x[k * v.step] * dy[k];
                        total += (double)sum;
                    }
                }
                *w = (float)(total + (j->accumulate ? (double)*w : 0));
            }
    }
}

static void run(limn_loop_body body, size_t units, job *j)
{
    enum { GRAIN = 1 << 15 }; /* multiply-adds worth a thread */
    size_t work = limn_count(j->w->shape) * (size_t)j->small->shape.n * (size_t)j->small->shape.h *
                  (size_t)j->small->shape.w;

    j->groups = j->args->groups > 1 ? j->args->groups : 1;
    limn_parallel(units, GRAIN / (work / units + 1) + 1, body, j);
}

void limn_convolve(const limn_tensor *large, const limn_tensor *w, const float *bias,
                   const limn_tensor *small, const limn_args *args, bool accumulate)
{
    job j = { large, w, small, bias, args, accumulate, 1 };

    run(forward_planes, (size_t)small->shape.n * (size_t)small->shape.c, &j);
}

void limn_convolve_data(const limn_tensor *large, const limn_tensor *w, const float *bias,
                        const limn_tensor *small, const limn_args *args, bool accumulate)
{
    job j = { large, w, small, bias, args, accumulate, 1 };

    run(data_planes, (size_t)large->shape.n * (size_t)large->shape.c, &j);
}

void limn_convolve_weights(const limn_tensor *large, const limn_tensor *dw,
                           const limn_tensor *small, const limn_args *args, bool accumulate)
{
    job j = { large, dw, small, NULL, args, accumulate, 1 };

    run(weight_kernels, (size_t)dw->shape.n * (size_t)dw->shape.c, &j);
}

/* ---- Sums of channels ------------------------------------------------------------------------ */

enum { CHUNK = 16 }; /* channels of a unit: a cache line of floats, a block or a part of one */

typedef struct sums_job {
    const limn_tensor *t;
    float *sums;
    bool accumulate;
    size_t chunks; /* in a block */
} sums_job;

static void sum_chunks(void *context, size_t begin, size_t end, int part)
{
    const sums_job *j = context;
    const limn_tensor *t = j->t;
    size_t block = (size_t)t->block, plane = (size_t)t->shape.h * (size_t)t->shape.w;

    (void)part;
    for (size_t unit = begin; unit < end; unit++) {
        size_t inner = unit % j->chunks * CHUNK, c = unit / j->chunks * block + inner;
        size_t run_length = block - inner < CHUNK ? block - inner : CHUNK;
        double total[CHUNK] = { 0 };

        for (int n = 0; n < t->shape.n; n++) {
            const char *from = t->data;

            from += limn_at(t, n, (int)c, 0, 0) * limn_type_bytes(t->type);
            limn_space()->sums(total, from, t->type == LIMN_BF16, plane, run_length, block);
        }
        for (size_t k = 0; k < run_length; k++)
            j->sums[c + k] = (float)(total[k] + (j->accumulate ? (double)j->sums[c + k] : 0));
    }
}

void limn_channel_sums(const limn_tensor *t, float *sums, bool accumulate)
{
    enum { GRAIN = 1 << 14 };
    size_t chunks = ((size_t)t->block + CHUNK - 1) / CHUNK;
    sums_job j = { t, sums, accumulate, chunks };
    size_t units = (size_t)(t->shape.c / t->block) * chunks;

    limn_parallel(units, GRAIN / (limn_count(t->shape) / units + 1) + 1, sum_chunks, &j);
}
