/* SPDX-License-Identifier: Apache-2.0
 *
 * How tiles lie over a map of results: side by side; or, for a kernel of stride 1 that is taken as
 * one of stride 2 for each of the result's four phases (even or odd row, even or odd column), side
 * by side within each phase. */
#ifndef LIMN_OP_TILES_GRID_H
#define LIMN_OP_TILES_GRID_H

#include <stddef.h>

typedef struct limn_tile_grid {
    int outputs;                 /* results along a tile */
    int step;                    /* from one of them to the next: 1, or 2 in phases */
    int rows, columns;           /* of tiles, those of odd results last */
    int even_rows, even_columns; /* of them: all with a step of 1 */
} limn_tile_grid;

/* The first result of a tile. */
typedef struct limn_tile_spot {
    int picture, top, left;
} limn_tile_spot;

static inline int limn_tiles_along(int size, int outputs)
{
    return (size + outputs - 1) / outputs;
}

/* Over rows x columns results. */
static inline limn_tile_grid limn_tile_grid_of(int rows, int columns, int outputs, int step)
{
    limn_tile_grid grid = { .outputs = outputs,
                            .step = step,
                            .even_rows = limn_tiles_along((rows + step - 1) / step, outputs),
                            .even_columns = limn_tiles_along((columns + step - 1) / step,
                                                             outputs) };

    grid.rows = grid.even_rows;
    grid.columns = grid.even_columns;
    if (step > 1) {
        grid.rows += limn_tiles_along(rows / step, outputs);
        grid.columns += limn_tiles_along(columns / step, outputs);
    }
    return grid;
}

static inline size_t limn_tile_grid_count(const limn_tile_grid *grid)
{
    return (size_t)grid->rows * (size_t)grid->columns;
}

static inline limn_tile_spot limn_tile_spot_of(const limn_tile_grid *grid, size_t tile)
{
    int per = grid->rows * grid->columns, at = (int)tile % per;
    int row = at / grid->columns, column = at % grid->columns;
    limn_tile_spot spot = { .picture = (int)tile / per };

    if (row >= grid->even_rows) {
        row -= grid->even_rows;
        spot.top = 1;
    }
    if (column >= grid->even_columns) {
        column -= grid->even_columns;
        spot.left = 1;
    }
    spot.top += row * grid->outputs * grid->step;
    spot.left += column * grid->outputs * grid->step;
    return spot;
}

#endif
