/* SPDX-License-Identifier: Apache-2.0
 *
 * Winograd's method for the kernels that oneDNN has none for: 4x4 with stride 2 and its transpose
 * (all of a U-Net and most of its critic), 4x4 with stride 1 (the critic's widest layer), and 3x3
 * where oneDNN or the processor has no Winograd (newer versions dropped it; below AVX-512).
 *
 * Outputs are computed in tiles of m x m: with r taps, m + r - 1 products along a side give m
 * results instead of m * r (Winograd 1980; Lavin and Gray 2016).  Tiles and weights are transformed
 * to values at points, multiplied there channel by channel, and the products transformed back:
 *
 *     y = from_points [ (weights_to g weights_to^T) x (to_points d to_points^T) ] from_points^T
 *
 * The matrices come from the points 0, 1, -1, 2, -2 and infinity by Toom and Cook's construction,
 * in make_matrices().  Stride 2 becomes stride 1 with 2x2 taps: an input is split in its four
 * phases (even or odd row, even or odd column), which count as channels; a transposed convolution
 * makes the four phases of its output (op/subpixel.c).  The data gradient of each form is another
 * of them.
 *
 * A layer costs 25/64 of the multiplications (4x4 stride 2, m = 4), 9/16 (m = 2), 1/4 (4x4, m = 3
 * or 3x3, m = 4), and the transforms, which are a matter of memory.  So no rule takes this way: a
 * measurement does.  The weights are transformed at every call: a cache of them would be 2 to 6
 * times their size. */
#include "op/tiles.h"
#include "base/cpu.h"

#include <string.h>

static const limn_tiles_kernel *kernel(void)
{
#if defined(__x86_64__)
    if (limn_cpu() == LIMN_CPU_AVX512) return &limn_kernels_avx512_tiles;
    if (limn_cpu() == LIMN_CPU_AVX2) return &limn_kernels_avx2_tiles;
#endif
    return &limn_kernels_base_tiles;
}

static limn_tiles_form form_of(const limn_args *args, bool reverse)
{
    return args->stride == 1 ? LIMN_TILES_SAME : reverse ? LIMN_TILES_DOUBLE : LIMN_TILES_HALVE;
}

bool limn_tiles_fits(const limn_tensor *in, const limn_tensor *out, limn_shape w,
                     const limn_args *args, bool reverse)
{
    const limn_tiles_kernel *k = kernel();
    const limn_tensor *large = reverse ? out : in, *small = reverse ? in : out;
    bool halves = args->stride == 2 && w.h == 4 && args->pad_top == 1 && args->pad_left == 1 &&
                  small->shape.h * 2 == large->shape.h && small->shape.w * 2 == large->shape.w;

    return (halves || (args->stride == 1 && (w.h == 3 || w.h == 4))) && w.h == w.w &&
           args->groups <= 1 && in->type == LIMN_F32 && out->type == LIMN_F32 &&
           in->block == k->lanes && out->block == k->lanes && in->shape.c % k->lanes == 0 &&
           out->shape.c * (halves && reverse ? 4 : 1) % k->panel == 0;
}

/* Coefficients of the product of (x - point) over all points but one (skip: none when count). */
static void polynomial(double *coefficients, const double *points, int count, int skip)
{
    int degree = 0;

    memset(coefficients, 0, sizeof *coefficients * (size_t)(count + 1));
    coefficients[0] = 1;
    for (int i = 0; i < count; i++) {
        if (i == skip) continue;
        degree++;
        for (int k = degree; k > 0; k--)
            coefficients[k] = coefficients[k - 1] - points[i] * coefficients[k];
        coefficients[0] *= -points[i];
    }
}

static void make_matrices(limn_tiles *t)
{
    static const double points[] = { 0, 1, -1, 2, -2 };
    int side = t->side, last = side - 1;
    double row[LIMN_TILE_SIDE + 1];

    for (int i = 0; i < side; i++) {
        double scale = 1, power = 1;

        polynomial(row, points, last, i);
        for (int k = 0; k < side; k++) t->to_points[i * side + k] = (float)row[k];
        for (int k = 0; k < last && i < last; k++)
            if (k != i) scale *= points[i] - points[k];
        for (int k = 0; k < t->taps; k++, power *= i < last ? points[i] : 0)
            t->weights_to[i * t->taps + k] = (float)(i < last ? power / scale : k == t->taps - 1);
        power = 1;
        for (int k = 0; k < t->outputs; k++, power *= i < last ? points[i] : 0)
            t->from_points[k * side + i] = (float)(i < last ? power : k == t->outputs - 1);
    }
}

static size_t tiles_of(const limn_tiles *t)
{
    return (size_t)t->in.shape.n * (size_t)t->tile_rows * (size_t)t->tile_columns;
}

void limn_tiles_open(limn_tiles *t, const limn_tensor *in, const limn_tensor *out, limn_shape w,
                     const limn_args *args, bool reverse)
{
    limn_tiles_form form = form_of(args, reverse);
    size_t points;

    *t = (limn_tiles){ .form = form,
                       .in = *in,
                       .out = *out,
                       .kernel = w.h,
                       .pad_top = 1,
                       .pad_left = 1,
                       .depth = in->shape.c,
                       .width = out->shape.c,
                       .rows = out->shape.h,
                       .columns = out->shape.w,
                       .taps = 2 };
    switch (form) {
    case LIMN_TILES_SAME:
        t->flipped = reverse;
        t->taps = w.h;
        t->pad_top = reverse ? w.h - 1 - args->pad_top : args->pad_top;
        t->pad_left = reverse ? w.w - 1 - args->pad_left : args->pad_left;
        break;
    case LIMN_TILES_HALVE:
        t->depth *= 4;
        break;
    case LIMN_TILES_DOUBLE: /* one row and column more: z of op/subpixel.c */
        t->width *= 4;
        t->rows = in->shape.h + 1;
        t->columns = in->shape.w + 1;
        break;
    }
    t->outputs = t->taps == 4 ? 3 : t->taps == 3 || t->rows >= 32 ? 4 : 2;
    t->side = t->taps + t->outputs - 1;
    t->tile_rows = (t->rows + t->outputs - 1) / t->outputs;
    t->tile_columns = (t->columns + t->outputs - 1) / t->outputs;
    make_matrices(t);
    points = (size_t)(t->side * t->side);
    t->scratch_bytes = sizeof(float) * points *
                       ((size_t)t->depth * (size_t)t->width +
                        tiles_of(t) * ((size_t)t->depth + (size_t)t->width));
}

void limn_tiles_bind(limn_tiles *t, const void *in, const void *weights, const void *bias,
                     void *out, void *scratch)
{
    size_t points = (size_t)(t->side * t->side);

    t->in.data = (void *)(uintptr_t)in;
    t->out.data = out;
    t->weights = weights;
    t->bias = bias;
    t->u = scratch;
    t->v = t->u + points * (size_t)t->depth * (size_t)t->width;
    t->products = t->v + points * tiles_of(t) * (size_t)t->depth;
}

void limn_tiles_run(limn_tiles *t)
{
    const limn_tiles_kernel *k = kernel();
    size_t points = (size_t)(t->side * t->side);

    limn_parallel((size_t)(t->width / k->lanes), 1, k->weights, t);
    limn_parallel(tiles_of(t), 1, k->input, t);
    limn_parallel(points * (size_t)(t->width / k->panel), 1, k->multiply, t);
    limn_parallel(tiles_of(t), 1, k->output, t);
}
