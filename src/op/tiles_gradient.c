/* SPDX-License-Identifier: Apache-2.0
 *
 * The gradient of a convolution's weights by Winograd's method.
 *
 * Forward, a tile of m x m results y of an r x r kernel g on a tile d is
 *
 *     y = A' [(G g G') . (B' d B)] A        with s = m + r - 1 points a side, . point by point
 *
 * (op/tiles.c).  That is linear in g, so the gradient of g is the transpose of it:
 *
 *     dg = G' [sum over tiles of (A dy A') . (B' d B)] G
 *
 * with the same points.  The sum over tiles is, for each point, a product of two matrices: channels
 * of x times channels of y.  Stride 2 becomes stride 1 as it does there: the four phases of x count
 * as channels, with 2x2 taps each.  4x4 kernels take 39 % of the direct multiplications with
 * stride 2 (4 x 4 places a tile) and 25 % with stride 1, 3x3 25 %.
 *
 * oneDNN has Winograd's method for 3x3 kernels, which this beats on an Ice Lake, and else direct
 * gradients, at 40 % of the peak there; none of them can be handed over in pieces.
 *
 * Two passes, the second of which does nearly all the work:
 *
 *   1  both maps are transformed, lanes are channels; what a product reads lies side by side:
 *      (block of channels, point, tile, channel);
 *   2  a unit of work is 64 channels of x (phases count) by 64 of y.  Sums of a few of them by four
 *      vectors are in registers while the tiles go by; the sums of all points are in the second-
 *      level cache, and are transformed back from there into the blocks in which gradients lie.
 *
 * Few tiles pay the transform of the sums less and less; then the same two passes go place by place
 * (F(1, r), if you like): "points" are the places of the kernel, "tiles" places of y, the transform
 * of x is a copy for each place of the kernel, and products are stored where the gradient is
 * wanted.  There, what counts is memory: the gradients of the inner levels of a U-Net, 80 % of all
 * its parameters, are handed to the update in pieces while they are in the cache, as in gradient.c.
 *
 * In bfloat16 tiles are smaller, as in tiles.c: 4x4 kernels take 4 in 9 to 9 in 16 of the direct
 * multiplications (with stride 1 as with stride 2: y is split in its phases too, which are just
 * more tiles), 3x3 4 in 9, by pairs of tiles.  What has no such tiles is left to gradient.c.
 *
 * Tried before: tiles of 5 x 5 for two taps, parts of a unit whose sums stay in the first-level
 * cache, prefetching in the transforms: docs/speed.md.  A pix2pix step (256x256, two cores of an
 * Ice Lake) 298 ms instead of 425.
 *
 * Large maps go in bands of tiles; then each band adds to the gradient, and there is nothing to
 * hand over.  Sums run over the tiles from first to last, however units fall to threads. */
#include "op/tiles_gradient.h"
#include "base/cpu.h"
#include "op/tiles.h"

enum {
    ROWS = 64,             /* channels of x in a unit, phases included */
    BAND_BYTES = 24 << 20, /* of both maps, transformed */
    PIECE = 64 * 64 * 16,  /* floats: the largest that an update may ask for */
    ALIGN = 16,
};

static const limn_tiles_gradient_kernel *kernel(bool pairs)
{
#if defined(__x86_64__)
    if (pairs)
        return limn_cpu_has_bf16() ? &limn_kernels_bf16_tiles_gradient
                                   : &limn_kernels_pairs_tiles_gradient;
    if (limn_cpu() == LIMN_CPU_AVX512) return &limn_kernels_avx512_tiles_gradient;
    if (limn_cpu() == LIMN_CPU_AVX2) return &limn_kernels_avx2_tiles_gradient;
#endif
    return &limn_kernels_base_tiles_gradient;
}

static bool is_blocked(const limn_tensor *t)
{
    int lanes = limn_tiles_lanes();

    return t->block == lanes && t->shape.c % (2 * lanes) == 0;
}

static bool types_fit(const limn_dnn_conv *c)
{
    limn_tiles_gradient t;

    if (c->x.type != c->y.type) return false;
    if (c->x.type == LIMN_F32) return true;
    if (limn_cpu() != LIMN_CPU_AVX512) return false;
    limn_tiles_gradient_open(&t, c);
    return t.outputs > 1;
}

bool limn_tiles_gradient_fits(const limn_dnn_conv *c)
{
    return c->direction == LIMN_DNN_BACKWARD_WEIGHTS && c->groups <= 1 && is_blocked(&c->x) &&
           is_blocked(&c->y) && c->kernel_h == c->kernel_w && c->stride_h == c->stride_w &&
           c->stride_h <= 2 && c->kernel_h <= 7 && types_fit(c);
}

/* Tiles over y with the cheapest number of places along a side.  A product of one row and vector
 * costs as much as `points` times tiles; transforming it back as much as some more tiles.  Five
 * outputs of two taps, 36 points, are never faster than four, whose numbers are smaller. */
static limn_tile_grid choose_grid(const limn_tiles_gradient *t)
{
    limn_shape y = t->y.shape;
    limn_tile_grid best = limn_tile_grid_of(y.h, y.w, 1, 1);
    double least = ((double)y.n * y.h * y.w + 1) * t->kernel * t->kernel;
    int most = t->taps > 2 ? LIMN_TILE_SIDE + 1 - t->taps : 4;

    if (t->pairs) most = LIMN_TILE_SIDE_BF16 + 1 - t->taps;
    if (t->kernel != 4 && !(t->kernel == 3 && t->stride == 1)) return best;
    for (int m = t->taps > 2 ? most : 2; m <= most; m++) {
        limn_tile_grid grid = limn_tile_grid_of(y.h, y.w, m, t->apart / t->stride);
        double tiles = (double)y.n * (double)limn_tile_grid_count(&grid);
        double cost = (tiles + 6) * (m + t->taps - 1) * (m + t->taps - 1) * t->phases;

        if (cost < least) {
            best = grid;
            least = cost;
        }
    }
    return best;
}

static size_t lesser(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Units of work, and the memory for them. */
static void cut(limn_tiles_gradient *t)
{
    size_t lanes = (size_t)kernel(t->pairs)->lanes, phases = (size_t)t->phases;
    size_t per = t->pairs ? 2 : 1, words; /* tiles of a word, words of a band */
    size_t xs = (size_t)t->x.shape.c * phases, ys = (size_t)t->y.shape.c;
    size_t bytes = t->points * t->tiles * (xs + (t->outputs > 1 ? ys : ys / t->points)) *
                   sizeof(float) / per;
    size_t bands = 1 + bytes / BAND_BYTES;

    words = (t->tiles + bands * per - 1) / (bands * per);
    t->band = words * per;
    /* An odd number of cache lines between points: else all fall into the same places of it. */
    t->words_x = (words * lanes + ALIGN) | ALIGN;
    t->wide = ys % (4 * lanes) ? 2 : 4;
    t->words_y = (words * t->wide * lanes + ALIGN) | ALIGN;
    t->blocks = lesser(ROWS / lanes / phases, (size_t)t->x.shape.c / lanes);
    t->words_v = xs / lanes * t->points * t->words_x;
    t->words_u = ys / (t->wide * lanes) * (t->outputs > 1 ? t->points : 1) * t->words_y;
    t->floats_own = t->points * (t->wide * lanes * t->blocks * phases + 1) * lanes;
    if (limn_tiles_gradient_piece(t)) t->floats_own += PIECE;
    t->scratch_bytes = sizeof(float) *
                       (t->words_v + t->words_u + (size_t)limn_compute_threads() * t->floats_own);
}

void limn_tiles_gradient_open(limn_tiles_gradient *t, const limn_dnn_conv *c)
{
    *t = (limn_tiles_gradient){ .x = c->x,
                                .y = c->y,
                                .kernel = c->kernel_h,
                                .stride = c->stride_h,
                                .pad_top = c->pad_top,
                                .pad_left = c->pad_left,
                                .apart = c->stride_h,
                                .pairs = c->x.type == LIMN_BF16,
                                .accumulates = c->add_to_output };
    if (t->pairs && t->kernel == 4) t->apart = 2;
    t->phases = t->apart * t->apart;
    t->taps = t->kernel / t->apart;
    t->grid = choose_grid(t);
    t->outputs = t->grid.outputs;
    t->side = t->taps + t->outputs - 1;
    if (t->outputs == 1) {
        t->phases = 1;
        t->taps = t->side = t->kernel;
    }
    t->points = (size_t)(t->side * t->side);
    t->tiles = (size_t)t->y.shape.n * limn_tile_grid_count(&t->grid);
    cut(t);
}

size_t limn_tiles_gradient_piece(const limn_tiles_gradient *t)
{
    if (t->accumulates || t->band < t->tiles || limn_tiles_lanes() != LIMN_PACK_LANES) return 0;
    return t->wide > 2 ? PIECE / 2 : PIECE; /* what is asked for may be half a panel */
}

/* The update's least piece, or several of them: units are as large as they are without update. */
static void choose_piece(limn_tiles_gradient *t)
{
    size_t lanes = (size_t)kernel(t->pairs)->lanes, taps = (size_t)(t->kernel * t->kernel), ins;

    limn_pack_piece(t->update->packs, t->update->pack_count, LIMN_PIECE_SIDE, &t->outs, &ins);
    if (t->outs % (t->wide * lanes)) t->outs *= 2;
    for (t->ins = ins; t->ins % (lanes * t->blocks); t->ins += ins)
        if ((t->ins + ins) * t->outs * taps > PIECE) break;
}

void limn_tiles_gradient_bind(limn_tiles_gradient *t, const void *x, const void *y, void *w,
                              const limn_call *update, void *scratch)
{
    t->x.data = (void *)(uintptr_t)x;
    t->y.data = (void *)(uintptr_t)y;
    t->w = w;
    t->update = update;
    t->v = scratch;
    t->u = (float *)t->v + t->words_v;
    t->own = (float *)t->u + t->words_u;
    if (update) choose_piece(t);
}

/* Units: panels of y, in each the blocks of x. */
static void multiply(void *context, size_t begin, size_t end, int thread)
{
    const limn_tiles_gradient *t = context;
    size_t lanes = (size_t)kernel(t->pairs)->lanes, blocks = (size_t)t->x.shape.c / lanes;
    size_t across = (blocks + t->blocks - 1) / t->blocks;
    limn_tiles_gradient_unit u = { .beside = (size_t)(t->kernel * t->kernel) * lanes * lanes,
                                   .sums = t->own + (size_t)thread * t->floats_own,
                                   .adds = t->accumulates || t->first };

    u.next = blocks * u.beside;
    for (size_t number = begin; number < end; number++) {
        u.panel = number / across;
        u.block = number % across * t->blocks;
        u.blocks = lesser(t->blocks, blocks - u.block);
        u.w = t->w + t->wide * u.panel * u.next + u.block * u.beside;
        kernel(t->pairs)->unit(t, &u);
    }
}

/* One piece at w, unit by unit. */
static void fill_piece(const limn_tiles_gradient *t, const limn_piece *piece, float *w)
{
    size_t lanes = (size_t)kernel(t->pairs)->lanes, panel = t->wide * lanes,
           blocks = piece->ins / lanes;
    limn_tiles_gradient_unit u = { .beside = piece->taps * lanes * lanes, .sums = w + PIECE };

    u.next = blocks * u.beside;
    for (size_t out = 0; out < piece->outs; out += panel)
        for (size_t block = 0; block < blocks; block += t->blocks) {
            u.panel = (piece->out + out) / panel;
            u.block = piece->in / lanes + block;
            u.blocks = lesser(t->blocks, blocks - block);
            u.w = w + out / lanes * u.next + block * u.beside;
            kernel(t->pairs)->unit(t, &u);
        }
}

/* Units: pieces, side by side and then one below the other. */
static void multiply_pieces(void *context, size_t begin, size_t end, int thread)
{
    const limn_tiles_gradient *t = context;
    size_t outs = (size_t)t->y.shape.c;
    limn_piece piece = { .all_ins = (size_t)t->x.shape.c, .taps = (size_t)(t->kernel * t->kernel) };
    size_t across = (piece.all_ins + t->ins - 1) / t->ins;
    float *w = t->own + (size_t)thread * t->floats_own;

    for (size_t number = begin; number < end; number++) {
        piece.out = number / across * t->outs;
        piece.in = number % across * t->ins;
        piece.outs = lesser(t->outs, outs - piece.out);
        piece.ins = lesser(t->ins, piece.all_ins - piece.in);
        fill_piece(t, &piece, w);
        t->update->op->update(t->update, &piece, w);
    }
}

void limn_tiles_gradient_run(limn_tiles_gradient *t)
{
    const limn_tiles_gradient_kernel *k = kernel(t->pairs);
    size_t lanes = (size_t)k->lanes, xs = (size_t)t->x.shape.c, ys = (size_t)t->y.shape.c;
    size_t across = t->update ? (xs + t->ins - 1) / t->ins
                              : (xs / lanes + t->blocks - 1) / t->blocks;
    size_t down = t->update ? (ys + t->outs - 1) / t->outs : ys / (t->wide * lanes);

    for (t->first = 0; t->first < t->tiles; t->first += t->held) {
        size_t words;

        t->held = lesser(t->band, t->tiles - t->first);
        words = t->pairs ? (t->held + 1) / 2 : t->held;
        limn_parallel(words * (xs / lanes), 16, k->x, t);
        limn_parallel(words * (ys / lanes), 16, k->y, t);
        limn_parallel(across * down, 1, t->update ? multiply_pieces : multiply, t);
    }
}
