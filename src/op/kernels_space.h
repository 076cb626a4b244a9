/* SPDX-License-Identifier: Apache-2.0
 *
 * Inner loops of the operations that move values in space, and of small products of matrices.
 *
 * kernels_space.c is compiled once a processor level with its flags; limn_space() chooses. */
#ifndef LIMN_OP_KERNELS_SPACE_H
#define LIMN_OP_KERNELS_SPACE_H

#include <stdbool.h>
#include <stddef.h>

/* One output of a sparse row: taps from start[o] to start[o + 1], each reading at[] times weight[].
 */
typedef struct limn_taps {
    const int *start, *at;
    const float *weight;
} limn_taps;

typedef struct limn_space_kernels {
    /* to[p * run + k] = sum over t < taps of weight[t] * from[t][p * stride + k], k < run <=
     * stride: `taps` rows of pixels into one of float32. */
    void (*rows)(float *to, const void *const *from, const float *weight, int taps, bool bf16,
                 size_t pixels, size_t run, size_t stride);

    /* to[o * to_stride + k] (+)= sum over the taps of output o of weight * from[at * from_stride +
     * k], for begin <= o < end, k < run: along a row. */
    void (*columns)(void *to, bool to_bf16, size_t to_stride, const void *from, bool from_bf16,
                    size_t from_stride, const limn_taps *taps, int begin, int end, size_t run,
                    bool accumulate);

    /* sums[k] += sum over p < pixels of from[p * stride + k], k < run <= 16: float over 256 pixels
     * at most, double across. */
    void (*sums)(double *sums, const void *from, bool bf16, size_t pixels, size_t run,
                 size_t stride);

    /* c[i][j] = sum over k < inner of a[i][k] * b[k][j], for i < rows, j < columns; lda, ldb, ldc:
     * elements between rows.  columns must be a multiple of 16. */
    void (*product)(float *c, size_t ldc, const float *a, size_t lda, const float *b, size_t ldb,
                    size_t rows, size_t inner, size_t columns);
} limn_space_kernels;

/* Those of the processor's level. */
const limn_space_kernels *limn_space(void);

#endif
