/* SPDX-License-Identifier: Apache-2.0
 *
 * Spread, luma, outlines and grid of pictures: see look.h.
 *
 * The grid.  A layer that doubles its map by a stride of 2 gives odd and even pixels different
 * weights, and leaves a pattern with a period of 2 pixels; the doubling before it one of 4 (Odena
 * et al. 2016, "Deconvolution and checkerboard artifacts").  In tiles of 32 x 32 pixels of the luma
 * under a Hann window, the energy at frequencies 1/2 and 1/4 (along rows, along columns, and 1/2
 * both ways) is compared with that at frequencies two bins beside them (nearer ones share the
 * window's main lobe): texture, noise and sharpness raise both, only something locked to the pixel
 * grid raises the one.  The mean is taken of logarithms, so that tiles full of edges do not hide
 * smooth ones, where a grid is seen; both energies are raised by that of a pattern of half a grey
 * level, which nobody sees.
 *
 * Outlines.  The strength of an edge is the length of the differences of a small version's colours
 * to the right and down.  Colours and not luma, for forms may be as bright as their ground.
 * Smoothing it over 3 x 3 cells before it is compared told less: what lies beside an outline lies
 * on it then.
 *
 * Comparing the energy at the stride with the targets' alone was the first definition and calls
 * every generator that is merely sharper, or noisier, a checkerboard.  Differences of small
 * versions are taken instead of full ones because noise in the output is not diversity. */
#include "score/look.h"

#include <math.h>
#include <string.h>

enum { SIDE = LIMN_LOOK_SIDE, TILE = LIMN_LOOK_TILE, HOP = 16, CELLS = SIDE * SIDE, PARTS = 3 };
static const double pi = 3.14159265358979323846, flat = 0.01; /* deviation of luma */
static const double faint = 0.1;                              /* strength of an edge */
/* Half a grey level as an amplitude on the scale of -1 to 1, through the window: see energy. */
static const double unseen = (1.0 / 255) * (1.0 / 255);

enum { INPUT, OUTPUT, TARGET };

struct limn_looker {
    limn_arena arena; /* the struct itself lies in it */
    size_t most, count[PARTS];
    float *small[PARTS]; /* (most, 3, SIDE, SIDE) */
    double luma_sum[2], skew_sum[2], grid_sum[2], plain_sum[2], edges_sum;
    size_t luma_count[2], skew_count[2], grid_count[2], edges_count;
    size_t last; /* input that was added last */
};

limn_status limn_looker_open(limn_looker **out, size_t most, limn_error *error)
{
    limn_looker *l;
    limn_status status = LIMN_OK;

    LIMN_TRY(limn_open_in_arena(out, sizeof **out, "a look at pictures", 0, error));
    l = *out;
    l->most = most;
    for (int i = 0; i < PARTS && !status; i++)
        status = limn_take_into(&l->small[i], &l->arena, (most + 1) * 3 * CELLS * sizeof(float),
                                error);
    if (status) limn_looker_close(out);
    return status;
}

void limn_looker_close(limn_looker **looker)
{
    if (*looker) limn_close_in_arena(looker);
}

/* ---- Small versions -------------------------------------------------------------------------- */

/* Means of the cells of a 32 x 32 grid; where the picture has fewer pixels, the nearest ones. */
static void shrink(const limn_planes *p, int channel, float *small)
{
    const float *from = p->values + (size_t)channel * (size_t)p->height * (size_t)p->width;

    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            int y0 = y * p->height / SIDE, y1 = (y + 1) * p->height / SIDE;
            int x0 = x * p->width / SIDE, x1 = (x + 1) * p->width / SIDE;
            double sum = 0;

            if (y1 == y0) y1++;
            if (x1 == x0) x1++;
            for (int v = y0; v < y1; v++)
                for (int u = x0; u < x1; u++)
                    sum += (double)from[(size_t)v * (size_t)p->width + (size_t)u];
            small[y * SIDE + x] = (float)(sum / ((y1 - y0) * (x1 - x0)));
        }
}

/* Three channels, or the first one three times. */
static float *keep(limn_looker *l, int part, const limn_planes *p)
{
    float *small = l->small[part] + l->count[part] * 3 * CELLS;

    for (int c = 0; c < 3; c++) shrink(p, p->channels >= 3 ? c : 0, small + c * CELLS);
    l->count[part]++;
    return small;
}

static void luma_of(const float *small, double *luma)
{
    for (int i = 0; i < CELLS; i++)
        luma[i] = 0.299 * (double)small[i] + 0.587 * (double)small[CELLS + i] +
                  0.114 * (double)small[2 * CELLS + i];
}

/* Mean 0 and deviation 1; false where there is hardly any. */
static bool normalise(double *values)
{
    double mean = 0, squares = 0;

    for (int i = 0; i < CELLS; i++) mean += values[i] / CELLS;
    for (int i = 0; i < CELLS; i++) {
        values[i] -= mean;
        squares += values[i] * values[i] / CELLS;
    }
    if (!(squares > flat * flat)) return false;
    for (int i = 0; i < CELLS; i++) values[i] /= sqrt(squares);
    return true;
}

static void correlate(limn_looker *l, int which, const float *a, const float *b)
{
    double x[CELLS], y[CELLS], sum = 0;

    luma_of(a, x);
    luma_of(b, y);
    if (!normalise(x) || !normalise(y)) return;
    for (int i = 0; i < CELLS; i++) sum += x[i] * y[i] / CELLS;
    l->luma_sum[which] += sum;
    l->luma_count[which]++;
}

static void add_skew(limn_looker *l, int which, const float *small)
{
    double x[CELLS], sum = 0;

    luma_of(small, x);
    if (!normalise(x)) return;
    for (int i = 0; i < CELLS; i++) sum += x[i] * x[i] * x[i] / CELLS;
    l->skew_sum[which] += sum;
    l->skew_count[which]++;
}

/* ---- Outlines -------------------------------------------------------------------------------- */

static void edges_of(const float *small, double *strength)
{
    for (int i = 0; i < CELLS; i++) {
        double squares = 0;

        for (int c = 0; c < 3; c++) {
            const float *at = small + c * CELLS + i;
            double right = i % SIDE + 1 < SIDE ? (double)(at[1] - at[0]) : 0;
            double down = i / SIDE + 1 < SIDE ? (double)(at[SIDE] - at[0]) : 0;

            squares += right * right + down * down;
        }
        strength[i] = sqrt(squares);
    }
}

/* Share of cells with hardly an edge. */
static double plain(const double *strength)
{
    int count = 0;

    for (int i = 0; i < CELLS; i++) count += strength[i] < faint;
    return (double)count / CELLS;
}

static void compare_edges(limn_looker *l, const float *input, const float *output)
{
    double in[CELLS], out[CELLS], sum = 0;

    edges_of(input, in);
    edges_of(output, out);
    l->plain_sum[0] += plain(in);
    if (!normalise(in) || !normalise(out)) return;
    for (int i = 0; i < CELLS; i++) sum += in[i] * out[i] / CELLS;
    l->edges_sum += sum;
    l->edges_count++;
}

/* ---- The grid -------------------------------------------------------------------------------- */

/* One tile's luma under a Hann window, without its mean. */
static void cut_tile(const limn_planes *p, int top, int left, double tile[TILE][TILE])
{
    size_t plane = (size_t)p->height * (size_t)p->width;
    double mean = 0;

    for (int y = 0; y < TILE; y++)
        for (int x = 0; x < TILE; x++) {
            size_t i = (size_t)(top + y) * (size_t)p->width + (size_t)(left + x);
            double v = (double)p->values[i];

            if (p->channels >= 3)
                v = 0.299 * v + 0.587 * (double)p->values[plane + i] +
                    0.114 * (double)p->values[2 * plane + i];
            tile[y][x] = v;
            mean += v / (TILE * TILE);
        }
    for (int y = 0; y < TILE; y++)
        for (int x = 0; x < TILE; x++)
            tile[y][x] = (tile[y][x] - mean) * (1 - cos(2 * pi * y / TILE)) *
                         (1 - cos(2 * pi * x / TILE));
}

/* Energy of a tile at (fy, fx) of TILE cycles; a wave of amplitude a at one frequency has a^2. */
static double energy(const double tile[TILE][TILE], int fy, int fx, const double *cosine)
{
    double re = 0, im = 0, scale = fy % (TILE / 2) || fx % (TILE / 2) ? 2 : 1;

    for (int y = 0; y < TILE; y++)
        for (int x = 0; x < TILE; x++) {
            int turn = (fy * y + fx * x) % TILE;

            re += tile[y][x] * cosine[turn];
            im += tile[y][x] * cosine[(turn + 3 * TILE / 4) % TILE];
        }
    re *= scale / (TILE * TILE);
    im *= scale / (TILE * TILE);
    return re * re + im * im;
}

/* The same where one of the frequencies is 0: profile is the sum along the other way. */
static double line_energy(const double profile[TILE], int f, const double *cosine)
{
    double re = 0, im = 0, scale = f % (TILE / 2) ? 2 : 1;

    for (int i = 0; i < TILE; i++) {
        re += profile[i] * cosine[f * i % TILE];
        im += profile[i] * cosine[(f * i + 3 * TILE / 4) % TILE];
    }
    re *= scale / (TILE * TILE);
    im *= scale / (TILE * TILE);
    return re * re + im * im;
}

static double tile_grid(const double tile[TILE][TILE], const double *cosine)
{
    double rows[TILE] = { 0 }, columns[TILE] = { 0 }, at, beside;

    for (int y = 0; y < TILE; y++)
        for (int x = 0; x < TILE; x++) {
            rows[y] += tile[y][x];
            columns[x] += tile[y][x];
        }
    /* At 16 of 32 a wave is real, and its neighbours, which are not, have half of their energy in
     * each part: noise would look weaker there by 2 in `energy`'s scale of amplitudes. */
    at = 2 * (line_energy(rows, 16, cosine) + line_energy(columns, 16, cosine) +
              energy(tile, 16, 16, cosine)) +
         (line_energy(rows, 8, cosine) + line_energy(columns, 8, cosine)) / 2;
    beside = line_energy(rows, 14, cosine) + line_energy(columns, 14, cosine) +
             (energy(tile, 14, 14, cosine) + energy(tile, 14, 18, cosine)) / 2 +
             (line_energy(rows, 6, cosine) + line_energy(rows, 10, cosine) +
              line_energy(columns, 6, cosine) + line_energy(columns, 10, cosine)) /
                 4;
    return log((at + unseen) / (beside + unseen));
}

double limn_grid_of(limn_planes p)
{
    double cosine[TILE], tile[TILE][TILE], sum = 0;
    size_t tiles = 0;

    for (int i = 0; i < TILE; i++) cosine[i] = cos(2 * pi * i / TILE);
    for (int y = 0; y + TILE <= p.height; y += HOP)
        for (int x = 0; x + TILE <= p.width; x += HOP) {
            cut_tile(&p, y, x, tile);
            sum += tile_grid((const double(*)[TILE])tile, cosine);
            tiles++;
        }
    return tiles ? sum / (double)tiles : NAN;
}

static void add_grid(limn_looker *l, int which, const limn_planes *p)
{
    double grid = limn_grid_of(*p);

    if (isnan(grid)) return;
    l->grid_sum[which] += grid;
    l->grid_count[which]++;
}

/* ---- Adding and looking ---------------------------------------------------------------------- */

static bool has_luma(const limn_planes *p)
{
    return p->channels == 1 || p->channels >= 3; /* two are the a and b of a colorization */
}

void limn_looker_output(limn_looker *l, limn_planes input, limn_planes output)
{
    const float *in, *out;

    if (l->count[INPUT] >= l->most || l->count[OUTPUT] >= l->most) return;
    l->last = l->count[INPUT];
    in = keep(l, INPUT, &input);
    out = keep(l, OUTPUT, &output);
    add_grid(l, 0, &output);
    compare_edges(l, in, out);
    if (!has_luma(&input) || !has_luma(&output)) return;
    correlate(l, 0, in, out);
    add_skew(l, 0, in);
}

void limn_looker_target(limn_looker *l, limn_planes target, bool belongs)
{
    const float *small;
    double strength[CELLS];

    if (l->count[TARGET] >= l->most) return;
    small = keep(l, TARGET, &target);
    add_grid(l, 1, &target);
    edges_of(small, strength);
    l->plain_sum[1] += plain(strength);
    if (!has_luma(&target)) return;
    add_skew(l, 1, small);
    if (belongs && l->count[INPUT]) correlate(l, 1, l->small[INPUT] + l->last * 3 * CELLS, small);
}

static double spread(const limn_looker *l, int part)
{
    size_t count = l->count[part];
    double sum = 0;

    if (count < 2) return NAN;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++) {
            const float *a = l->small[part] + i * 3 * CELLS, *b = l->small[part] + j * 3 * CELLS;
            double squares = 0;

            for (int k = 0; k < 3 * CELLS; k++) {
                double v = (double)(a[k] - b[k]);

                squares += v * v;
            }
            sum += sqrt(squares / (3 * CELLS));
        }
    return sum / (0.5 * (double)count * (double)(count - 1));
}

static double mean(double sum, size_t count)
{
    return count ? sum / (double)count : NAN;
}

limn_look limn_looker_look(const limn_looker *l)
{
    return (limn_look){
        .pictures = (int)l->count[INPUT],
        .spread_input = spread(l, INPUT),
        .spread_output = spread(l, OUTPUT),
        .spread_target = spread(l, TARGET),
        .luma_output = mean(l->luma_sum[0], l->luma_count[0]),
        .luma_target = mean(l->luma_sum[1], l->luma_count[1]),
        .skew_input = mean(l->skew_sum[0], l->skew_count[0]),
        .skew_target = mean(l->skew_sum[1], l->skew_count[1]),
        .edges_output = mean(l->edges_sum, l->edges_count),
        .plain_input = mean(l->plain_sum[0], l->count[INPUT]),
        .plain_target = mean(l->plain_sum[1], l->count[TARGET]),
        .grid_output = exp(mean(l->grid_sum[0], l->grid_count[0])),
        .grid_target = exp(mean(l->grid_sum[1], l->grid_count[1])),
    };
}
