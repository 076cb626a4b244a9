/* SPDX-License-Identifier: Apache-2.0
 *
 * The fast norm: memory is what it costs, so the aim is to touch each map as few times as possible.
 *
 * A map is cut into groups (the channels of one block), a group of one picture into slices of about
 * 8192 elements.  A slice lies in the first-level cache while its moments are taken; moments of
 * slices are put together in double (Chan, Golub, LeVeque 1979: squares around each slice's own
 * mean, plus what the means differ), so the variance is as good as that of two passes and memory is
 * read once.  A unit is what shares statistics: a group of one picture, or of all of them.
 *
 * Where there are enough units for the threads, a thread takes a unit through all three steps
 * (measure, combine, apply) while its planes are in the second-level cache.  Otherwise, four groups
 * of 64 channels on eight threads say, every step is split by slices; a thread gets the same slices
 * in each step, so its cache serves as well.  Slices do not depend on the threads, and they are put
 * together in order, hence both ways give the same bits. */
#include "op/norm.h"
#include "op/spans.h"

#include <math.h>
#include <string.h>

enum { SLICE_ROWS = 32 };

typedef struct norm {
    limn_call *call;
    limn_norm_kind kind;
    size_t pictures, plane, block;
    size_t tiles;    /* groups of a block: more than one only where a block has > 256 channels */
    size_t groups;   /* of a picture */
    size_t channels; /* of a group; the last tile of a block may have fewer */
    size_t side;     /* pixels side by side in a row of lanes */
    size_t slice, slices; /* pixels of a slice, slices of a group */
    size_t units;
    bool apply; /* the last step writes a map: not when only scale and shift learn */

    double *partial; /* [picture][group][slice][2][channels] */
    double *total;   /* [unit][2][channels], backward */
    float *numbers;  /* [unit][4][channels]: mean, factor, shift, tilt */

    void (*measure)(const struct norm *norm, size_t picture, size_t group, size_t slice);
    void (*combine)(const struct norm *norm, size_t unit);
    void (*run)(const struct norm *norm, size_t picture, size_t group, size_t begin, size_t end);
} norm;

/* ---- Where things are ------------------------------------------------------------------------ */

static size_t first_channel(const norm *n, size_t group)
{
    return group / n->tiles * n->block + group % n->tiles * LIMN_LANES;
}

static size_t channels_of(const norm *n, size_t group)
{
    size_t left = n->block - group % n->tiles * LIMN_LANES;

    return left < n->channels ? left : n->channels;
}

static size_t unit_of(const norm *n, size_t picture, size_t group)
{
    return n->kind == LIMN_NORM_PICTURE ? picture * n->groups + group : group;
}

static size_t slice_pixels(const norm *n, size_t slice)
{
    size_t left = n->plane - slice * n->slice;

    return left < n->slice ? left : n->slice;
}

static double *partial_of(const norm *n, size_t picture, size_t group, size_t slice)
{
    return n->partial + ((picture * n->groups + group) * n->slices + slice) * 2 * n->channels;
}

/* Slices begin..end of a group as rows of lanes. */
static limn_rows rows_of(const norm *n, size_t group, size_t begin, size_t end)
{
    size_t last = end * n->slice < n->plane ? end * n->slice : n->plane;
    size_t pixels = last - begin * n->slice;
    limn_rows rows = { .rows = pixels / n->side, .channels = channels_of(n, group) };

    rows.width = rows.channels * n->side;
    rows.stride = n->tiles > 1 ? n->block : rows.width;
    rows.rest = pixels % n->side * rows.channels;
    return rows;
}

static void *data_of(const norm *n, const limn_tensor *t, size_t picture, size_t group,
                     size_t slice)
{
    size_t at = picture * t->batch_stride + group / n->tiles * n->plane * n->block +
                group % n->tiles * LIMN_LANES + slice * n->slice * n->block;

    return t->data ? (char *)t->data + at * limn_type_bytes(t->type) : NULL;
}

/* The statistics of a unit's first channel in a mean or inv_std. */
static float *statistic(const norm *n, const limn_tensor *t, size_t unit)
{
    size_t picture = n->kind == LIMN_NORM_PICTURE ? unit / n->groups : 0;

    return t->data
               ? (float *)t->data + picture * t->batch_stride + first_channel(n, unit % n->groups)
               : NULL;
}

static float vector_at(const limn_call *call, int input, size_t channel, float otherwise)
{
    return call->inputs > input && call->x[input].data
               ? ((const float *)call->x[input].data)[channel]
               : otherwise;
}

/* One of a unit's numbers, spread over the lanes of a row. */
static void spread(const norm *n, size_t group, const float *numbers, float *lanes)
{
    size_t channels = channels_of(n, group), width = channels * n->side;

    memcpy(lanes, numbers, channels * sizeof *lanes);
    for (size_t done = channels; done < width; done *= 2)
        memcpy(lanes + done, lanes, done * sizeof *lanes);
}

/* ---- Forward --------------------------------------------------------------------------------- */

static void forward_measure(const norm *n, size_t picture, size_t group, size_t slice)
{
    limn_rows rows = rows_of(n, group, slice, slice + 1);
    const limn_tensor *x = &n->call->x[0];
    double *out = partial_of(n, picture, group, slice);

    limn_kernels_chosen()->moments(x->type, data_of(n, x, picture, group, slice), &rows, out,
                                   out + n->channels);
}

/* Pictures first to last, the latter not among them, of a unit. */
static void pictures_of(const norm *n, size_t unit, size_t *first, size_t *last)
{
    *first = n->kind == LIMN_NORM_PICTURE ? unit / n->groups : 0;
    *last = n->kind == LIMN_NORM_PICTURE ? *first + 1 : n->pictures;
}

/* Means and variances of the channels of a unit, from its slices.  Slice by slice and not channel
 * by channel: channels-last the numbers of one channel are pages apart. */
static void moments_of(const norm *n, size_t unit, double *mean, double *variance)
{
    size_t group = unit % n->groups, channels = channels_of(n, group), first, last;
    double count;

    pictures_of(n, unit, &first, &last);
    count = (double)((last - first) * n->plane);
    memset(mean, 0, channels * sizeof *mean);
    memset(variance, 0, channels * sizeof *variance);
    for (size_t picture = first; picture < last; picture++)
        for (size_t s = 0; s < n->slices; s++) {
            const double *p = partial_of(n, picture, group, s);

            for (size_t k = 0; k < channels; k++) mean[k] += p[k];
        }
    for (size_t k = 0; k < channels; k++) mean[k] /= count;
    for (size_t picture = first; picture < last; picture++)
        for (size_t s = 0; s < n->slices; s++) {
            const double *p = partial_of(n, picture, group, s), *squares = p + n->channels;
            double pixels = (double)slice_pixels(n, s);

            for (size_t k = 0; k < channels; k++) {
                double apart = p[k] / pixels - mean[k];

                variance[k] += squares[k] + pixels * apart * apart;
            }
        }
    for (size_t k = 0; k < channels; k++) variance[k] /= count;
}

/* Running statistics move a tenth (momentum) of the way; the variance is the unbiased one. */
static void run_along(const norm *n, size_t channel, double mean, double variance)
{
    const limn_call *call = n->call;
    double count = (double)(n->pictures * n->plane), momentum = (double)call->args->momentum;
    const float *old_mean = call->x[3].data, *old_variance = call->x[4].data;

    variance *= count / (count > 1 ? count - 1 : 1);
    ((float *)call->y[3].data)[channel] = (float)((1 - momentum) * (double)old_mean[channel] +
                                                  momentum * mean);
    ((float *)call->y[4].data)[channel] = (float)((1 - momentum) * (double)old_variance[channel] +
                                                  momentum * variance);
}

static void forward_combine(const norm *n, size_t unit)
{
    const limn_call *call = n->call;
    size_t group = unit % n->groups, first = first_channel(n, group);
    float *numbers = n->numbers + unit * 4 * n->channels;
    float *means = statistic(n, &call->y[1], unit), *inverses = statistic(n, &call->y[2], unit);
    double mean[LIMN_LANES], variance[LIMN_LANES];

    if (n->kind != LIMN_NORM_GIVEN) moments_of(n, unit, mean, variance);
    for (size_t k = 0; k < channels_of(n, group); k++) {
        float inverse;

        if (n->kind == LIMN_NORM_GIVEN) {
            mean[k] = (double)vector_at(call, 3, first + k, 0);
            variance[k] = (double)vector_at(call, 4, first + k, 1);
        } else if (call->inputs == 6) {
            run_along(n, first + k, mean[k], variance[k]);
        }
        inverse = (float)(1 / sqrt(variance[k] + (double)call->args->eps));
        if (means) means[k] = (float)mean[k];
        if (inverses) inverses[k] = inverse;
        numbers[k] = (float)mean[k];
        numbers[n->channels + k] = inverse * vector_at(call, 1, first + k, 1);
        numbers[2 * n->channels + k] = vector_at(call, 2, first + k, 0);
    }
}

static void forward_apply(const norm *n, size_t picture, size_t group, size_t begin, size_t end)
{
    const limn_call *call = n->call;
    const float *numbers = n->numbers + unit_of(n, picture, group) * 4 * n->channels;
    limn_rows rows = rows_of(n, group, begin, end);
    float mean[LIMN_LANES], factor[LIMN_LANES], shift[LIMN_LANES];

    spread(n, group, numbers, mean);
    spread(n, group, numbers + n->channels, factor);
    spread(n, group, numbers + 2 * n->channels, shift);
    limn_kernels_chosen()->normalise(
        call->y[0].type, data_of(n, &call->y[0], picture, group, begin),
        data_of(n, &call->x[0], picture, group, begin),
        call->residual.shape.n ? data_of(n, &call->residual, picture, group, begin) : NULL, &rows,
        mean, factor, shift, call->activation, call->slope);
}

/* ---- Backward --------------------------------------------------------------------------------
 *
 * With g = dy (times the slope of the tail), xhat = (x - mean) / std and sums over what shares
 * statistics, m elements (Ioffe and Szegedy 2015, section 3):
 *
 *     dshift = sum g      dscale = sum g xhat
 *     dx = scale / std * (g - dshift / m - xhat * dscale / m)
 *
 * and dx = scale / std * g where the statistics were given. */

static void backward_measure(const norm *n, size_t picture, size_t group, size_t slice)
{
    const limn_call *call = n->call;
    limn_rows rows = rows_of(n, group, slice, slice + 1);
    double *out = partial_of(n, picture, group, slice);
    float mean[LIMN_LANES];

    spread(n, group, statistic(n, &call->y[1], unit_of(n, picture, group)), mean);
    limn_kernels_chosen()->norm_sums(
        call->dy[0].type, data_of(n, &call->dy[0], picture, group, slice),
        data_of(n, &call->x[0], picture, group, slice),
        call->activation ? data_of(n, &call->y[0], picture, group, slice) : NULL, &rows, mean,
        call->activation, call->slope, out, out + n->channels);
}

static void backward_combine(const norm *n, size_t unit)
{
    const limn_call *call = n->call;
    size_t group = unit % n->groups, channels = channels_of(n, group), first, last;
    double *sum = n->total + unit * 2 * n->channels, *product = sum + n->channels, count;
    float *numbers = n->numbers + unit * 4 * n->channels;
    const float *means = statistic(n, &call->y[1], unit);
    const float *inverses = statistic(n, &call->y[2], unit);

    pictures_of(n, unit, &first, &last);
    count = (double)((last - first) * n->plane);
    memset(sum, 0, channels * sizeof *sum);
    memset(product, 0, channels * sizeof *product);
    for (size_t picture = first; picture < last; picture++)
        for (size_t s = 0; s < n->slices; s++) {
            const double *p = partial_of(n, picture, group, s), *products = p + n->channels;

            for (size_t k = 0; k < channels; k++) {
                sum[k] += p[k];
                product[k] += products[k];
            }
        }
    for (size_t k = 0; k < channels; k++) {
        bool given = n->kind == LIMN_NORM_GIVEN;
        double inverse = (double)inverses[k];

        numbers[k] = means[k];
        numbers[n->channels + k] = (float)inverse *
                                   vector_at(call, 1, first_channel(n, group) + k, 1);
        numbers[2 * n->channels + k] = given ? 0 : (float)(sum[k] / count);
        numbers[3 * n->channels + k] = given ? 0 : (float)(product[k] * inverse * inverse / count);
        product[k] *= inverse;
    }
}

static void backward_apply(const norm *n, size_t picture, size_t group, size_t begin, size_t end)
{
    const limn_call *call = n->call;
    const float *numbers = n->numbers + unit_of(n, picture, group) * 4 * n->channels;
    limn_rows rows = rows_of(n, group, begin, end);
    float lanes[4][LIMN_LANES];

    for (size_t i = 0; i < 4; i++) spread(n, group, numbers + i * n->channels, lanes[i]);
    limn_kernels_chosen()->norm_back(
        call->dy[0].type, data_of(n, &call->dx[0], picture, group, begin),
        data_of(n, &call->dy[0], picture, group, begin),
        data_of(n, &call->x[0], picture, group, begin),
        call->activation ? data_of(n, &call->y[0], picture, group, begin) : NULL, &rows, lanes[0],
        lanes[1], lanes[2], lanes[3], call->activation, call->slope, limn_accumulates(call, 0));
}

/* dscale and dshift from the totals of all units: input 1 gets row 1, input 2 row 0. */
static void vector_gradient(const norm *n, int input)
{
    const limn_call *call = n->call;
    float *out = call->dx[input].data;

    for (size_t group = 0; group < n->groups; group++)
        for (size_t k = 0; k < channels_of(n, group); k++) {
            size_t channel = first_channel(n, group) + k;
            double sum = 0;

            for (size_t unit = group; unit < n->units; unit += n->groups)
                sum += n->total[(unit * 2 + (input == 1)) * n->channels + k];
            out[channel] = (limn_accumulates(call, input) ? out[channel] : 0) + (float)sum;
        }
}

/* ---- Splitting the work ---------------------------------------------------------------------- */

static void whole_units(void *context, size_t begin, size_t end, int part)
{
    const norm *n = context;

    (void)part;
    for (size_t unit = begin; unit < end; unit++) {
        size_t group = unit % n->groups, first, last;

        pictures_of(n, unit, &first, &last);
        if (n->measure)
            for (size_t picture = first; picture < last; picture++)
                for (size_t s = 0; s < n->slices; s++) n->measure(n, picture, group, s);
        n->combine(n, unit);
        if (n->apply)
            for (size_t picture = first; picture < last; picture++)
                n->run(n, picture, group, 0, n->slices);
    }
}

static void measure_slices(void *context, size_t begin, size_t end, int part)
{
    const norm *n = context;

    (void)part;
    for (size_t i = begin; i < end; i++) {
        size_t group = i / n->slices;

        n->measure(n, group / n->groups, group % n->groups, i % n->slices);
    }
}

static void apply_slices(void *context, size_t begin, size_t end, int part)
{
    const norm *n = context;

    (void)part;
    for (size_t i = begin, next; i < end; i = next) {
        size_t group = i / n->slices;

        next = (group + 1) * n->slices < end ? (group + 1) * n->slices : end;
        n->run(n, group / n->groups, group % n->groups, i - group * n->slices,
               next - group * n->slices);
    }
}

/* Whole units pay when they keep at least four fifths of the threads busy. */
static bool units_fill_threads(const norm *n)
{
    size_t threads = (size_t)limn_compute_threads();
    size_t turns = (n->units + threads - 1) / threads;

    return n->units * 5 >= turns * threads * 4;
}

static limn_status run(limn_call *call, limn_error *error)
{
    norm *n = call->own;
    size_t all = n->pictures * n->groups * n->slices, slice = n->slice * n->channels;
    size_t unit = limn_count(call->x[0].shape) / n->units;

    (void)error;
    if (n->kind != LIMN_NORM_GIVEN && (n->slices == 1 || units_fill_threads(n))) {
        limn_parallel(n->units, LIMN_SPAN_GRAIN / unit + 1, whole_units, n);
    } else {
        if (n->measure) limn_parallel(all, LIMN_SPAN_GRAIN / slice + 1, measure_slices, n);
        for (size_t u = 0; u < n->units; u++) n->combine(n, u);
        if (n->apply) limn_parallel(all, LIMN_SPAN_GRAIN / slice + 1, apply_slices, n);
    }
    for (int input = 1; call->backward && input < 3 && input < call->inputs; input++)
        if (limn_wanted(call, input)) vector_gradient(n, input);
    if (!call->backward && n->kind == LIMN_NORM_BATCH && call->inputs == 6)
        *(float *)call->y[5].data = *(const float *)call->x[5].data + 1;
    return LIMN_OK;
}

/* ---- Preparing ------------------------------------------------------------------------------- */

static size_t partial_count(const norm *n)
{
    return n->pictures * n->groups * n->slices * 2 * n->channels;
}

static limn_status bind(limn_call *call, limn_error *error)
{
    norm *n = call->own;

    (void)error;
    n->partial = call->scratch;
    n->total = n->partial + partial_count(n);
    n->numbers = (float *)(n->total + n->units * 2 * n->channels);
    return LIMN_OK;
}

limn_status limn_norm_prepare(limn_call *call, limn_norm_kind kind, limn_arena *arena,
                              limn_error *error)
{
    limn_shape shape = call->x[0].shape;
    norm *n;

    LIMN_TRY(limn_take_into(&n, arena, sizeof *n, error));
    n->call = call;
    n->kind = kind;
    n->pictures = (size_t)shape.n;
    n->plane = (size_t)shape.h * (size_t)shape.w;
    n->block = (size_t)call->x[0].block;
    n->tiles = (n->block + LIMN_LANES - 1) / LIMN_LANES;
    n->groups = (size_t)shape.c / n->block * n->tiles;
    n->channels = n->tiles > 1 ? LIMN_LANES : n->block;
    for (n->side = 1; n->block * n->side * 2 <= LIMN_LANES;) n->side *= 2;
    n->slice = n->side * SLICE_ROWS;
    n->slices = (n->plane + n->slice - 1) / n->slice;
    n->units = kind == LIMN_NORM_PICTURE ? n->pictures * n->groups : n->groups;
    n->apply = !call->backward || limn_wanted(call, 0);
    if (call->backward) {
        n->measure = backward_measure;
        n->combine = backward_combine;
        n->run = backward_apply;
    } else {
        n->measure = kind == LIMN_NORM_GIVEN ? NULL : forward_measure;
        n->combine = forward_combine;
        n->run = forward_apply;
    }
    call->own = n;
    call->bind = bind;
    call->scratch_bytes = (partial_count(n) + n->units * 2 * n->channels) * sizeof(double) +
                          n->units * 4 * n->channels * sizeof(float);
    limn_call_fast(call, run);
    return LIMN_OK;
}
