/* SPDX-License-Identifier: Apache-2.0
 *
 * The loops of the norms; a part of kernels.c, apart only to keep files short.
 *
 * A span comes as rows of up to 256 lanes, lane i belonging to channel i % channels (limn_rows), so
 * one loop serves every block.  The sums of a span are kept by lane and folded at its end: lanes of
 * one channel are added pairwise, which loses less than adding them in a chain.  Keeping the sums
 * in registers (64 fixed lanes) was no faster: with 256 lanes a sum is touched again only after its
 * last store has long arrived.
 *
 * The moments of a span are taken in two passes, the mean and then squares around it; the span is
 * small enough to lie in the first-level cache for the second one, so memory is read once, whatever
 * the size of the map; the second pass also finds what rounding did to the mean.  (The sum of
 * squares around zero would lose the digits of a channel whose mean is far from zero.) */
#ifndef LIMN_OP_KERNELS_NORM_H
#define LIMN_OP_KERNELS_NORM_H

/* Runs what follows for every row, with `at` its first element and `width` its number of lanes. */
#define FOR_ROWS(shape)                                                                            \
    for (size_t row = 0, at = 0, width = (shape)->rows ? (shape)->width : (shape)->rest;           \
         row <= (shape)->rows; row++, at += (shape)->stride,                                       \
                width = row < (shape)->rows ? (shape)->width : (shape)->rest)

/* lanes[k] for k < channels becomes the sum over all lanes of channel k. */
INLINE void fold(float *lanes, size_t width, size_t channels)
{
    for (size_t half = width / 2; half >= channels; half /= 2) {
        INDEPENDENT
        for (size_t i = 0; i < half; i++) lanes[i] += lanes[half + i];
    }
}

INLINE void moments_body(int type, const void *x, const limn_rows *shape, double *sum,
                         double *square)
{
    float lanes[LIMN_LANES] = { 0 }, squares[LIMN_LANES] = { 0 }, mean[LIMN_LANES];
    size_t pixels = (shape->rows * shape->width + shape->rest) / shape->channels;
    float share = 1 / (float)pixels;

    FOR_ROWS(shape)
    for (size_t i = 0; i < width; i++) lanes[i] += get(type, x, at + i);
    fold(lanes, shape->width, shape->channels);
    for (size_t k = 0; k < shape->channels; k++) mean[k] = lanes[k] * share;
    for (size_t i = shape->channels; i < shape->width; i++) mean[i] = mean[i - shape->channels];
    memset(lanes, 0, sizeof lanes);
    FOR_ROWS(shape)
    {
        const void *x_row = from(type, x, at);

        for (size_t i = 0; i < width; i++) {
            float d = get(type, x_row, i) - mean[i];

            lanes[i] += d;
            squares[i] += d * d;
        }
    }
    fold(lanes, shape->width, shape->channels);
    fold(squares, shape->width, shape->channels);
    for (size_t k = 0; k < shape->channels; k++) { /* what the first mean was off by */
        double off = (double)lanes[k], count = (double)pixels;

        sum[k] = (double)mean[k] * count + off;
        square[k] = (double)squares[k] - off * off / count;
    }
}

static void moments(limn_type type, const void *x, const limn_rows *rows, double *sum,
                    double *square)
{
    BY_TYPE(type, moments_body(T, x, rows, sum, square));
}

INLINE void normalise_body(int type, void *y, const void *x, const void *residual,
                           const limn_rows *shape, const float *mean, const float *factor,
                           const float *shift, int activation, float slope)
{
    FOR_ROWS(shape)
    {
        void *to = into(type, y, at);
        const void *source = from(type, x, at), *more = from(type, residual, at);

        INDEPENDENT
        for (size_t i = 0; i < width; i++) {
            float v = (get(type, source, i) - mean[i]) * factor[i] + shift[i];

            if (residual) v += get(type, more, i);
            put(type, to, i, value_of(activation, slope, v));
        }
    }
}

static void normalise(limn_type type, void *y, const void *x, const void *residual,
                      const limn_rows *rows, const float *mean, const float *factor,
                      const float *shift, limn_activation activation, float slope)
{
    if (residual)
        BY_TYPE(type, BY_ACTIVATION(activation, normalise_body(T, y, x, residual, rows, mean,
                                                               factor, shift, A, slope)));
    else
        BY_TYPE(type, BY_ACTIVATION(activation, normalise_body(T, y, x, NULL, rows, mean, factor,
                                                               shift, A, slope)));
}

/* g: the gradient before the activation of a tail. */
INLINE float tail_gradient(int type, const void *dy, const void *y, size_t i, int activation,
                           float slope)
{
    if (activation == LIMN_ACTIVATION_NONE) return get(type, dy, i);
    return sloped(activation, slope, get(type, y, i), get(type, dy, i));
}

INLINE void norm_sums_body(int type, const void *dy, const void *x, const void *y,
                           const limn_rows *shape, const float *mean, int activation, float slope,
                           double *sum, double *product)
{
    float sums[LIMN_LANES] = { 0 }, products[LIMN_LANES] = { 0 };

    FOR_ROWS(shape)
    {
        const void *dy_row = from(type, dy, at), *x_row = from(type, x, at);
        const void *y_row = from(type, y, at);

        INDEPENDENT
        for (size_t i = 0; i < width; i++) {
            float g = tail_gradient(type, dy_row, y_row, i, activation, slope);

            sums[i] += g;
            products[i] += g * (get(type, x_row, i) - mean[i]);
        }
    }
    fold(sums, shape->width, shape->channels);
    fold(products, shape->width, shape->channels);
    for (size_t k = 0; k < shape->channels; k++) {
        sum[k] = (double)sums[k];
        product[k] = (double)products[k];
    }
}

static void norm_sums(limn_type type, const void *dy, const void *x, const void *y,
                      const limn_rows *rows, const float *mean, limn_activation activation,
                      float slope, double *sum, double *product)
{
    BY_TYPE(type, BY_ACTIVATION(activation,
                                norm_sums_body(T, dy, x, y, rows, mean, A, slope, sum, product)));
}

INLINE void norm_back_body(int type, void *dx, const void *dy, const void *x, const void *y,
                           const limn_rows *shape, const float *mean, const float *factor,
                           const float *shift, const float *tilt, int activation, float slope,
                           bool accumulate)
{
    FOR_ROWS(shape)
    {
        void *to = into(type, dx, at);
        const void *dy_row = from(type, dy, at), *x_row = from(type, x, at);
        const void *y_row = from(type, y, at);

        INDEPENDENT
        for (size_t i = 0; i < width; i++) {
            float g = tail_gradient(type, dy_row, y_row, i, activation, slope);
            float xhat = get(type, x_row, i) - mean[i];

            give(type, to, i, factor[i] * (g - shift[i] - xhat * tilt[i]), accumulate);
        }
    }
}

static void norm_back(limn_type type, void *dx, const void *dy, const void *x, const void *y,
                      const limn_rows *rows, const float *mean, const float *factor,
                      const float *shift, const float *tilt, limn_activation activation,
                      float slope, bool accumulate)
{
    if (accumulate)
        BY_TYPE(type, BY_ACTIVATION(activation, norm_back_body(T, dx, dy, x, y, rows, mean, factor,
                                                               shift, tilt, A, slope, true)));
    else
        BY_TYPE(type, BY_ACTIVATION(activation, norm_back_body(T, dx, dy, x, y, rows, mean, factor,
                                                               shift, tilt, A, slope, false)));
}

#endif
