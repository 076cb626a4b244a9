/* SPDX-License-Identifier: Apache-2.0
 *
 * Winograd's method for the kernels that oneDNN has none for: 4x4 with stride 2 and its transpose
 * (all of a U-Net and most of its critic), 3x3 with stride 2 (how a ResNet changes sizes), 4x4 with
 * stride 1 (the critic's widest layer), and 3x3 where oneDNN or the processor has no Winograd
 * (newer versions dropped it; below AVX-512).
 *
 * Outputs are computed in tiles of m x m: with r taps, m + r - 1 products along a side give m
 * results instead of m * r (Winograd 1980; Lavin and Gray 2016).  Tiles and weights are transformed
 * to values at points, multiplied there channel by channel, and the products transformed back.
 * Stride 2 becomes stride 1 with 2x2 taps: an input is split in its four phases (even or odd row,
 * even or odd column), which count as channels; a transposed convolution makes the four phases of
 * its output (op/subpixel.c).  A 3x3 kernel is a 4x4 one whose last row and column are zero; even
 * so it needs 6.25 multiplications instead of 9.  The data gradient of each form is another of
 * them.
 *
 * What it saves is easily lost in moving transformed numbers about, so there are two passes:
 *
 *   1  tiles are transformed, at most 8 MiB of them; they are read several times, from the
 *      third-level cache (all of a large picture's at once would be more than all of its maps);
 *   2  a unit of work is a span of tiles and a group of output channels.  It goes through the depth
 *      in chunks: weights are transformed into memory that stays in the second-level cache, and
 *      multiplied with the tiles of that chunk at all points.  At the end the sums are transformed
 *      back, with bias and activation, while they are in that cache too.
 *
 * So transformed weights are never in memory, where they would be 2 to 9 times as large as the
 * weights: 217 MiB of a U-Net would become 1 GiB, and reading them would take longer than making
 * them (with 64 tiles 3 % of the time of the products).  They are made from the blocks in which the
 * direct kernels want weights anyway: no copy, and nothing that can be stale when a training
 * changes them.  Sums run through the depth in the same order however units fall to threads.
 *
 * In bfloat16 sides go up to 4, whose points are 0, 1, -1 and infinity and whose transforms are
 * sums. A 4x4 kernel with stride 1 would need 5; so it is taken as one with stride 2 for each of
 * its result's four phases, which share the transformed weights (4 in 9 multiplications; a side of
 * 5 would need 25 in 64). Products are of pairs of channels, by the processor's instruction or,
 * without it, in float32. Tiles and weights are rounded once more, which adds 3.8e-3 to 4.5e-3 to
 * the 2.3e-3 that a layer in bfloat16 has anyway (tests/test_tiles.c); larger sides would multiply
 * that.
 *
 * Tried before: three passes over memory, for transformed weights, tiles and products, with dense
 * matrices and from plain weights: no faster than direct convolution in a U-Net.  Now (unet_256,
 * 256x256, two threads) inference takes 34 ms instead of 48, a pix2pix step 269 ms instead of 342.
 */
#include "op/tiles.h"
#include "base/cpu.h"

enum { PHASES = 4, UNIT_BYTES = 640 << 10, BAND_BYTES = 8 << 20, ALIGN = 16 };

static const limn_tiles_kernel *kernel(bool pairs)
{
#if defined(__x86_64__)
    if (pairs) return limn_cpu_has_bf16() ? &limn_kernels_bf16_tiles : &limn_kernels_pairs_tiles;
    if (limn_cpu() == LIMN_CPU_AVX512) return &limn_kernels_avx512_tiles;
    if (limn_cpu() == LIMN_CPU_AVX2) return &limn_kernels_avx2_tiles;
#endif
    return &limn_kernels_base_tiles;
}

int limn_tiles_lanes(void)
{
    return kernel(false)->lanes;
}

static bool types_fit(const limn_tensor *in, const limn_tensor *out)
{
    return in->type == out->type && (in->type == LIMN_F32 || limn_cpu() == LIMN_CPU_AVX512);
}

bool limn_tiles_fits(const limn_tensor *in, const limn_tensor *out, limn_shape w,
                     const limn_args *args, bool reverse)
{
    const limn_tiles_kernel *k = kernel(in->type == LIMN_BF16);
    const limn_tensor *large = reverse ? out : in, *small = reverse ? in : out;
    bool halves = args->stride == 2 && (w.h == 3 || w.h == 4) && args->pad_top == 1 &&
                  args->pad_left == 1 && small->shape.h * 2 == large->shape.h &&
                  small->shape.w * 2 == large->shape.w;

    return (halves || (args->stride == 1 && (w.h == 3 || w.h == 4))) && w.h == w.w &&
           args->groups <= 1 && types_fit(in, out) && in->block == k->lanes &&
           out->block == k->lanes && in->shape.c % k->lanes == 0 &&
           out->shape.c * (halves && reverse ? PHASES : 1) % k->panel == 0;
}

/* Tiles over rows x columns results with the cheapest number of them along a side, counting the
 * products (which grow with tiles and points) and the weights' transform (with points). */
static limn_tile_grid choose_grid(const limn_tiles *t, int rows, int columns)
{
    int most = (t->pairs ? LIMN_TILE_SIDE_BF16 : LIMN_TILE_SIDE) + 1 - t->taps;
    int step = t->form == LIMN_TILES_QUARTER ? 2 : 1;
    limn_tile_grid best = { 0 };
    double least = 0;

    for (int m = t->taps > 2 ? most : 2; m <= most; m++) {
        limn_tile_grid grid = limn_tile_grid_of(rows, columns, m, step);
        double tiles = (double)t->in.shape.n * (double)limn_tile_grid_count(&grid);
        double cost = (tiles + 2.5) * (m + t->taps - 1) * (m + t->taps - 1);

        if (!best.outputs || cost < least) {
            best = grid;
            least = cost;
        }
    }
    return best;
}

static size_t padded(size_t words)
{
    return (words + ALIGN - 1) / ALIGN * ALIGN;
}

/* Units of work, and the memory for them. */
static void cut(limn_tiles *t)
{
    const limn_tiles_kernel *k = kernel(t->pairs);
    size_t points = (size_t)(t->side * t->side), panel = (size_t)k->panel, groups, least;
    size_t per = t->pairs ? 2 : 1; /* channels of a word */
    size_t bands = 1 + points * t->tiles * t->depth / per * sizeof(float) / BAND_BYTES;

    /* With 36 points half the columns by twice the depth: a ResNet's picture 197 ms instead of 214.
     */
    t->chunk = t->pairs ? 256 : 128;
    if (t->chunk > t->depth) t->chunk = t->depth;
    t->group = t->width % (2 * panel) || points > 25 ? panel : 2 * panel;
    groups = t->width / t->group;
    t->band = (t->tiles + bands - 1) / bands;
    least = 1 + points * t->band * t->group * sizeof(float) / UNIT_BYTES;
    t->parts = (size_t)limn_compute_threads();
    t->spans = least;
    while (t->spans < least + t->parts && groups * t->spans % t->parts) t->spans++;
    if (groups * t->spans % t->parts) t->spans = least;
    if (t->spans > t->band) t->spans = t->band;
    /* An odd number of cache lines between points: else all fall into the same places of it. */
    t->words_v = padded(t->band * t->depth / per) + ALIGN;
    t->words_u = t->chunk / per * t->group + ALIGN;
    t->floats_m = ((t->band + t->spans - 1) / t->spans) * t->group + ALIGN;
    t->words_own = points * (t->words_u + t->floats_m);
    t->scratch_bytes = sizeof(float) * (points * t->words_v + t->parts * t->words_own);
}

static limn_tiles_form form_of(const limn_tensor *in, limn_shape w, const limn_args *args,
                               bool reverse)
{
    if (args->stride == 2) return reverse ? LIMN_TILES_DOUBLE : LIMN_TILES_HALVE;
    return in->type == LIMN_BF16 && w.h == 4 ? LIMN_TILES_QUARTER : LIMN_TILES_SAME;
}

void limn_tiles_open(limn_tiles *t, const limn_tensor *in, const limn_tensor *out, limn_shape w,
                     const limn_args *args, bool reverse)
{
    int rows = out->shape.h, columns = out->shape.w;

    *t = (limn_tiles){ .form = form_of(in, w, args, reverse),
                       .pairs = in->type == LIMN_BF16,
                       .large_inside = reverse,
                       .in = *in,
                       .out = *out,
                       .kernel = w.h,
                       .pad_top = 1,
                       .pad_left = 1,
                       .taps = 2,
                       .in_phases = 1,
                       .out_phases = 1 };
    if (args->stride == 1) {
        t->pad_top = reverse ? w.h - 1 - args->pad_top : args->pad_top;
        t->pad_left = reverse ? w.w - 1 - args->pad_left : args->pad_left;
    }
    switch (t->form) {
    case LIMN_TILES_SAME:
        t->taps = w.h;
        break;
    case LIMN_TILES_QUARTER:
    case LIMN_TILES_HALVE:
        t->in_phases = PHASES;
        break;
    case LIMN_TILES_DOUBLE: /* one row and column more: z of op/subpixel.c */
        t->out_phases = PHASES;
        rows = in->shape.h + 1;
        columns = in->shape.w + 1;
        break;
    }
    t->depth = (size_t)(in->shape.c * t->in_phases);
    t->width = (size_t)(out->shape.c * t->out_phases);
    t->grid = choose_grid(t, rows, columns);
    t->outputs = t->grid.outputs;
    t->side = t->taps + t->outputs - 1;
    t->tiles = (size_t)in->shape.n * limn_tile_grid_count(&t->grid);
    cut(t);
}

void limn_tiles_bind(limn_tiles *t, const void *in, const void *weights, const void *bias,
                     void *out, void *scratch)
{
    t->in.data = (void *)(uintptr_t)in;
    t->out.data = out;
    t->weights = weights;
    t->bias = bias;
    t->v = scratch;
    t->own = (float *)scratch + (size_t)(t->side * t->side) * t->words_v;
}

void limn_tiles_run(limn_tiles *t)
{
    const limn_tiles_kernel *k = kernel(t->pairs);

    for (t->first = 0; t->first < t->tiles; t->first += t->held) {
        t->held = t->tiles - t->first < t->band ? t->tiles - t->first : t->band;
        limn_parallel(t->held * (size_t)(t->in.shape.c / k->lanes), 1, k->input, t);
        limn_parallel(t->parts, 1, k->output, t);
    }
}
