/* SPDX-License-Identifier: Apache-2.0
 *
 * A network's ends: pictures of three channels become 64, and 64 become three.  oneDNN does the
 * backward passes of these layers at a seventh to a third of the processor's speed in float32 (the
 * last 7x7 of a ResNet 13 %, the first 15 %, a critic's first 18 %), because three channels fill no
 * vector.  Here vectors are channels of the wide map (narrow_kernel.c), and the few channels are
 * numbers that are broadcast:
 *
 *   map       from the narrow map to the wide one: the forward pass of a first layer, the data
 *             gradient of a last one;
 *   gradient  of the weights of either.
 *
 * Both see the same picture: a place of the wide map meets kernel_h rows of kernel_w pixels of the
 * narrow one, whose channels lie side by side, so that a row of the kernel is one run of numbers.
 * Where the narrow map is the small side (stride 1 only), the kernel is turned around and the zeros
 * around the map are what is left of it.  The narrow map is copied with its zeros first; it is
 * small.
 *
 * What remains is the way from many channels to few, forward: few.c and subpixel.c.
 *
 * The gradient is summed by chunks of rows, whose sums are added in order, so the bits do not
 * depend on threads.  Weights are rearranged at every call: there are some thousand of them. */
#include "op/narrow.h"

#include "base/cpu.h"

#include <string.h>

static const limn_narrow_kernel *kernel(void)
{
#if defined(__x86_64__)
    if (limn_cpu() == LIMN_CPU_AVX512) return &limn_kernels_avx512_narrow;
    if (limn_cpu() == LIMN_CPU_AVX2) return &limn_kernels_avx2_narrow;
#endif
    return &limn_kernels_base_narrow;
}

static bool is_narrow(const limn_tensor *t)
{
    return t->type == LIMN_F32 && t->shape.c <= LIMN_NARROW_CHANNELS && t->block == t->shape.c;
}

static bool is_wide(const limn_tensor *t)
{
    int lanes = kernel()->lanes;

    return t->shape.c >= 2 * LIMN_NARROW_CHANNELS && t->shape.c % lanes == 0 &&
           (t->block == lanes || t->block == t->shape.c);
}

const limn_tensor *limn_narrow_side(const limn_tensor *large, const limn_tensor *small,
                                    limn_shape w, const limn_args *args)
{
    if (args->groups > 1) return NULL;
    if (is_narrow(large) && is_wide(small)) return large;
    if (is_narrow(small) && is_wide(large) && args->stride == 1 && args->pad_top < w.h &&
        args->pad_left < w.w)
        return small;
    return NULL;
}

static size_t up(size_t count, size_t to)
{
    return (count + to - 1) / to * to;
}

/* Of the narrow map with its zeros, up to the next line of the cache. */
static size_t floats_of_padded(const limn_narrow *n)
{
    return up((size_t)n->wide.shape.n * (size_t)n->rows * (size_t)n->columns *
                  (size_t)n->narrow.shape.c,
              16);
}

/* Of the kernel for one block. */
static size_t floats_of_block(const limn_narrow *n)
{
    return (size_t)n->kernel_h * n->taps * (size_t)kernel()->lanes;
}

void limn_narrow_open(limn_narrow *n, const limn_tensor *large, const limn_tensor *small,
                      limn_shape w, const limn_args *args, bool gradient)
{
    const limn_tensor *narrow = limn_narrow_side(large, small, w, args);
    size_t lanes = (size_t)kernel()->lanes;

    *n = (limn_narrow){ .narrow = *narrow,
                        .wide = narrow == large ? *small : *large,
                        .small = narrow == small,
                        .kernel_h = w.h,
                        .kernel_w = w.w,
                        .stride = args->stride,
                        .top = narrow == large ? args->pad_top : w.h - 1 - args->pad_top,
                        .left = narrow == large ? args->pad_left : w.w - 1 - args->pad_left };
    n->rows = n->stride * (n->wide.shape.h - 1) + w.h;
    n->columns = n->stride * (n->wide.shape.w - 1) + w.w;
    n->taps = (size_t)w.w * (size_t)narrow->shape.c;
    n->blocks = (size_t)n->wide.shape.c / lanes;
    n->pixel_stride = (size_t)n->wide.block;
    n->block_stride = n->pixel_stride == lanes
                          ? (size_t)n->wide.shape.h * (size_t)n->wide.shape.w * lanes
                          : lanes;
    n->chunks = gradient ? (size_t)n->wide.shape.n *
                               (((size_t)n->wide.shape.h + LIMN_NARROW_ROWS - 1) / LIMN_NARROW_ROWS)
                         : 1;
    n->scratch_bytes = (floats_of_padded(n) + n->chunks * n->blocks * floats_of_block(n)) *
                       sizeof(float);
}

void limn_narrow_bind(limn_narrow *n, void *large, void *small, const float *weights,
                      const float *bias, float *gradient, void *scratch)
{
    n->narrow.data = n->small ? small : large;
    n->wide.data = n->small ? large : small;
    n->weights = weights;
    n->bias = bias;
    n->gradient = gradient;
    n->padded = scratch;
    n->factors = n->padded + floats_of_padded(n);
}

/* Unit: a row of padded, of all pictures. */
static void pad_rows(void *context, size_t begin, size_t end, int part)
{
    const limn_narrow *n = context;
    size_t channels = (size_t)n->narrow.shape.c, row = (size_t)n->columns * channels;
    int first = n->left, last = n->left + n->narrow.shape.w; /* columns with something in them */

    (void)part;
    if (last > n->columns) last = n->columns;
    for (size_t unit = begin; unit < end; unit++) {
        int picture = (int)(unit / (size_t)n->rows), y = (int)(unit % (size_t)n->rows) - n->top;
        float *to = n->padded + unit * row;

        if (y < 0 || y >= n->narrow.shape.h || first >= last) {
            memset(to, 0, row * sizeof *to);
            continue;
        }
        memset(to, 0, (size_t)first * channels * sizeof *to);
        memcpy(to + (size_t)first * channels,
               (const float *)n->narrow.data + limn_at(&n->narrow, picture, 0, y, 0),
               (size_t)(last - first) * channels * sizeof *to);
        memset(to + (size_t)last * channels, 0,
               (size_t)(n->columns - last) * channels * sizeof *to);
    }
}

/* Called for each number of the kernel: its place by block, ky, kx, channel of the narrow map and
 * lane, and that among plain weights. */
typedef void visit(limn_narrow *n, size_t factor, size_t weight);

static void each(limn_narrow *n, visit *see)
{
    size_t channels = (size_t)n->narrow.shape.c, lanes = (size_t)kernel()->lanes, factor = 0;
    size_t places = (size_t)(n->kernel_h * n->kernel_w), wide = (size_t)n->wide.shape.c;

    for (size_t b = 0; b < n->blocks; b++)
        for (size_t place = 0; place < places; place++)
            for (size_t c = 0; c < channels; c++)
                for (size_t l = 0; l < lanes; l++, factor++) {
                    size_t j = b * lanes + l;

                    see(n, factor,
                        n->small ? (c * wide + j) * places + places - 1 - place
                                 : (j * channels + c) * places + place);
                }
}

static void take_weight(limn_narrow *n, size_t factor, size_t weight)
{
    n->factors[factor] = n->weights[weight];
}

static void give_gradient(limn_narrow *n, size_t factor, size_t weight)
{
    size_t chunk = n->blocks * floats_of_block(n);
    float sum = n->adds ? n->gradient[weight] : 0;

    for (size_t i = 0; i < n->chunks; i++) sum += n->factors[i * chunk + factor];
    n->gradient[weight] = sum;
}

void limn_narrow_map(limn_narrow *n)
{
    limn_parallel((size_t)(n->wide.shape.n * n->rows), 8, pad_rows, n);
    each(n, take_weight);
    limn_parallel((size_t)(n->wide.shape.n * n->wide.shape.h), 1, kernel()->map, n);
}

void limn_narrow_gradient(limn_narrow *n)
{
    limn_parallel((size_t)(n->wide.shape.n * n->rows), 8, pad_rows, n);
    limn_parallel(n->blocks * n->chunks, 1, kernel()->gradient, n);
    each(n, give_gradient);
}
