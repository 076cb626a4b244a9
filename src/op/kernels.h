/* SPDX-License-Identifier: Apache-2.0
 *
 * The inner loops that are limn's own, chosen once for the processor it runs on.
 *
 * kernels.c is compiled three times (SSE4.1, AVX2, AVX-512) and each build exports one struct of
 * pointers; limn_kernels_chosen() gives the one for limn_cpu().  A kernel works on one span in one
 * thread: it knows neither tensors nor layouts.  Splitting work and walking layouts is the
 * operation's part.
 *
 * Everywhere: type is F32 or BF16 and goes for all `void *` of the call; arithmetic is float32; an
 * output may be the very memory of an input, but must not overlap one otherwise.  Sums are float32
 * over short runs and double beyond. */
#ifndef LIMN_OP_KERNELS_H
#define LIMN_OP_KERNELS_H

#include "base/random.h"
#include "op/op.h"

/* Elementwise loops with one coefficient a channel see their span as rows of lanes: several pixels
 * with all channels of a block side by side, so that a row is long enough for vectors whatever the
 * block, and lane i always belongs to channel i % channels. */
enum { LIMN_LANES = 256 };

typedef struct limn_rows {
    size_t rows, stride; /* whole rows, and elements from one to the next */
    size_t width;        /* lanes of a row: channels times a power of two, at most LIMN_LANES */
    size_t rest;         /* lanes of one more row, less than width; 0: none */
    size_t channels;
} limn_rows;

typedef struct limn_dropout {
    limn_random random;
    uint32_t limit; /* of 65536: an element whose 16 bits are below it is dropped */
    float factor;   /* for those kept */
} limn_dropout;

typedef struct limn_adam_numbers {
    float beta1, beta2, eps;
    float rate; /* learning rate / (1 - beta1^t) */
    float root; /* 1 / sqrt(1 - beta2^t) */
} limn_adam_numbers;

typedef struct limn_kernels {
    const char *name; /* "avx512" */

    /* y = activation(x);  dx (+)= dy * slope at y. */
    void (*activate)(limn_type type, void *y, const void *x, size_t count,
                     limn_activation activation, float slope);
    void (*activate_back)(limn_type type, void *dx, const void *dy, const void *y, size_t count,
                          limn_activation activation, float slope, bool accumulate);
    /* y (+)= factor * x */
    void (*scale)(limn_type type, void *y, const void *x, size_t count, float factor,
                  bool accumulate);
    /* y = x[0] + ... + x[inputs - 1], rounded once */
    void (*add)(limn_type type, void *y, const void *const *x, int inputs, size_t count);
    /* y (+)= factor * x * m */
    void (*multiply)(limn_type type, void *y, const void *x, const void *m, size_t count,
                     float factor, bool accumulate);

    /* y (+)= x times the mask of elements first, first + 1 ... (NCHW index): the element's 16 bits
     * are half index % 8 of Philox block index / 8. */
    void (*dropout)(limn_type type, void *y, const void *x, size_t count, uint64_t first,
                    const limn_dropout *dropout, bool accumulate);
    /* The same for pixels * 16 elements of a 16-channel block: channel k starts at first + k *
     * plane. first, plane and pixels are multiples of 8. */
    void (*dropout_block16)(limn_type type, void *y, const void *x, size_t pixels, uint64_t first,
                            uint64_t plane, const limn_dropout *dropout, bool accumulate);
    /* keep[i]: 1 where element first + i is kept, 0 where dropped. */
    void (*dropout_mask)(unsigned char *keep, size_t count, uint64_t first,
                         const limn_dropout *dropout);
    /* y (+)= x where kept, for pixels of `channels` neighbours, stride elements apart; keep of
     * channel k begins at keep[k * keep_stride]. */
    void (*dropout_tile)(limn_type type, void *y, const void *x, size_t stride, size_t pixels,
                         size_t channels, const unsigned char *keep, size_t keep_stride,
                         float factor, bool accumulate);

    /* Moments of each channel: sum[k], and square[k] = sum of squares around the span's own mean.
     */
    void (*moments)(limn_type type, const void *x, const limn_rows *rows, double *sum,
                    double *square);
    /* y = activation((x - mean) * factor + shift + residual); coefficients by lane; residual may be
     * NULL. */
    void (*normalise)(limn_type type, void *y, const void *x, const void *residual,
                      const limn_rows *rows, const float *mean, const float *factor,
                      const float *shift, limn_activation activation, float slope);
    /* With g = dy * slope of the activation at y (y is read only where there is one):
     * sum[k] of g and product[k] of g * (x - mean) */
    void (*norm_sums)(limn_type type, const void *dy, const void *x, const void *y,
                      const limn_rows *rows, const float *mean, limn_activation activation,
                      float slope, double *sum, double *product);
    /* dx (+)= factor * (g - shift - (x - mean) * tilt) */
    void (*norm_back)(limn_type type, void *dx, const void *dy, const void *x, const void *y,
                      const limn_rows *rows, const float *mean, const float *factor,
                      const float *shift, const float *tilt, limn_activation activation,
                      float slope, bool accumulate);

    /* Sum of |a - b|;  da (+)= g * sign(a - b), db (+)= -that; da or db may be NULL. */
    double (*l1)(limn_type type, const void *a, const void *b, size_t count);
    void (*l1_back)(limn_type type, void *da, void *db, const void *a, const void *b, size_t count,
                    float g, bool accumulate_a, bool accumulate_b);
    /* Sum of the loss of each element;  dx (+)= g * its slope.  See limn_gan_form in gan.c. */
    double (*gan)(limn_type type, const void *x, size_t count, int form, float sign);
    void (*gan_back)(limn_type type, void *dx, const void *x, size_t count, int form, float sign,
                     float g, bool accumulate);

    void (*adam)(float *p, const float *g, float *m, float *v, size_t count,
                 const limn_adam_numbers *numbers);

    /* Moves `run` neighbouring elements for each of `pixels`, to (+)= from; strides in elements. */
    void (*move_runs)(limn_type type, void *to, size_t to_stride, const void *from,
                      size_t from_stride, size_t pixels, size_t run, bool accumulate);
} limn_kernels;

/* What a loss of the adversarial family is, element by element, with x signed so that real and fake
 * are one formula: z = sign * x. */
enum {
    LIMN_GAN_FORM_SOFTPLUS, /* log(1 + e^-z): vanilla and nonsaturating */
    LIMN_GAN_FORM_SQUARE,   /* (x - (1 + sign) / 2)^2: least squares, real 1, fake 0 */
    LIMN_GAN_FORM_HINGE,    /* max(0, 1 - z): hinge, critic's side */
    LIMN_GAN_FORM_LINE,     /* -z: hinge, generator's side */
};

extern const limn_kernels limn_kernels_base;
#ifdef __x86_64__
extern const limn_kernels limn_kernels_avx2, limn_kernels_avx512;
#endif
const limn_kernels *limn_kernels_chosen(void); /* spans.c */

#endif
