/* SPDX-License-Identifier: Apache-2.0
 *
 * Sheets: pictures side by side, for people who want to see at one glance what a model does.
 *
 * Cells are drawn first and screened as they stand in the sheet, because the screen then looks at
 * what will be seen, takes them eight at a time, and no cell is held at its full size.  Enlarging
 * is by whole factors and without smoothing: the sheet is for judging pixels. */
#include "publish/publish_inside.h"

#include <string.h>

enum { GAP = 8, SIDE = 256, SIDE_MAX = 2048, CHANNELS = 3 };

typedef struct drawing {
    const limn_sheet *sheet;
    int side;
    limn_picture picture;
    limn_part *parts; /* of every cell in the picture; width 0: empty */
} drawing;

static void size_of(const limn_cell *cell, int *width, int *height)
{
    *width = cell->picture ? cell->picture->info.width : cell->planes ? cell->width : 0;
    *height = cell->picture ? cell->picture->info.height : cell->planes ? cell->height : 0;
}

/* Where a cell goes: in the middle of its square. */
static limn_part place(const drawing *d, int row, int column, const limn_cell *cell)
{
    int width, height, longer;
    limn_part part = { 0 };

    size_of(cell, &width, &height);
    if (!(longer = width > height ? width : height)) return part;
    if (longer <= d->side) {
        part.width = width * (d->side / longer);
        part.height = height * (d->side / longer);
    } else {
        part.width = (int)((int64_t)width * d->side / longer);
        part.height = (int)((int64_t)height * d->side / longer);
    }
    if (part.width < 1) part.width = 1;
    if (part.height < 1) part.height = 1;
    part.x = GAP + column * (d->side + GAP) + (d->side - part.width) / 2;
    part.y = GAP + row * (d->side + GAP) + (d->side - part.height) / 2;
    return part;
}

static uint8_t *pixel(const drawing *d, int x, int y)
{
    return (uint8_t *)d->picture.pixels +
           ((size_t)y * (size_t)d->picture.info.width + (size_t)x) * CHANNELS;
}

/* planes: (channels, part.height, part.width); 1 channel is repeated. */
static void paint(const drawing *d, limn_part part, const float *planes, int channels)
{
    size_t plane = (size_t)part.width * (size_t)part.height;

    for (int y = 0; y < part.height; y++)
        for (int x = 0; x < part.width; x++)
            for (size_t c = 0; c < CHANNELS; c++) {
                size_t at = (size_t)y * (size_t)part.width + (size_t)x;
                float v = (planes[at + (channels == CHANNELS ? c * plane : 0)] + 1) * 127.5f;

                pixel(d, part.x + x,
                      part.y + y)[c] = (uint8_t)((v > 0 ? v < 255 ? v : 255 : 0) + 0.5f);
            }
}

/* The first channel of a picture of many, at its own size: (1, height, width). */
static limn_status first_channel(float **plane, const limn_picture *picture, limn_error *error)
{
    size_t pixels = (size_t)picture->info.width * (size_t)picture->info.height;
    limn_status status;

    if (!(*plane = limn_block(pixels * (size_t)picture->info.channels * sizeof **plane)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for a cell of a sheet");
    status = limn_picture_to_planes(picture, picture->info.channels, *plane, error);
    if (status) {
        limn_block_free(*plane);
        *plane = NULL;
    }
    return status;
}

static limn_status draw(const drawing *d, limn_part part, const limn_cell *cell, limn_error *error)
{
    int width, height, channels = cell->picture ? cell->picture->info.channels : cell->channels;
    const float *planes = cell->planes;
    float *scaled, *first = NULL;
    limn_resampling how = { .width = part.width, .height = part.height };
    limn_status status = LIMN_OK;

    size_of(cell, &width, &height);
    how.filter = part.width >= width ? LIMN_FILTER_NEAREST : LIMN_FILTER_CUBIC;
    if (channels != CHANNELS) {
        if (cell->picture && channels != 1) {
            LIMN_TRY(first_channel(&first, cell->picture, error));
            planes = first;
        }
        channels = 1;
    }
    scaled = limn_block((size_t)channels * (size_t)part.width * (size_t)part.height *
                        sizeof *scaled);
    if (!scaled)
        status = limn_fail(error, LIMN_NO_MEMORY, "out of memory for a cell of a sheet");
    else
        status = planes ? limn_resample_planes(planes, channels, height, width, &how, scaled, error)
                        : limn_resample(cell->picture, &how, channels, scaled, error);
    if (!status) paint(d, part, scaled, channels);
    limn_block_free(scaled);
    limn_block_free(first);
    return status;
}

/* What stands in the place of a refused cell: grey, crossed out. */
static void cross_out(const drawing *d, limn_part part)
{
    enum { GREY = 208, LINE = 144 };

    for (int y = 0; y < part.height; y++)
        for (int x = 0; x < part.width; x++) {
            int across = (int)((int64_t)x * part.height / part.width);
            bool line = across == y || across == part.height - 1 - y;

            memset(pixel(d, part.x + x, part.y + y), line ? LINE : GREY, CHANNELS);
        }
}

static limn_status screen_cells(const drawing *d, limn_screen *screen, int *refused,
                                limn_error *error)
{
    size_t cells = (size_t)d->sheet->rows * (size_t)d->sheet->columns, count = 0;
    limn_screen_subject *subjects;
    limn_screen_verdict *verdicts, worst = { .score = 0 };
    limn_arena arena;
    limn_status status;

    limn_arena_open(&arena, "screening a sheet", 0);
    if ((status = limn_take_into(&subjects, &arena, cells * sizeof *subjects, error)) ||
        (status = limn_take_into(&verdicts, &arena, cells * sizeof *verdicts, error)))
        goto done;
    for (size_t i = 0; i < cells; i++)
        if (d->parts[i].width)
            subjects[count++] = (limn_screen_subject){ &d->picture, d->parts[i] };
    if ((status = limn_screen_pictures(screen, subjects, count, verdicts, error))) goto done;
    *refused = 0;
    for (size_t i = 0; i < count; i++) {
        if (!verdicts[i].refused) continue;
        if (!*refused || verdicts[i].score > worst.score) worst = verdicts[i];
        cross_out(d, subjects[i].part);
        ++*refused;
    }
    if (*refused && (size_t)*refused == count)
        status = limn_screen_refusal(&worst, "output", d->sheet->name, error);
done:
    limn_arena_close(&arena);
    return status;
}

static limn_status make(drawing *d, limn_arena *arena, limn_error *error)
{
    const limn_sheet *sheet = d->sheet;
    size_t cells = (size_t)sheet->rows * (size_t)sheet->columns;
    int width = GAP + sheet->columns * (d->side + GAP),
        height = GAP + sheet->rows * (d->side + GAP);

    LIMN_TRY(limn_take_into(&d->parts, arena, cells * sizeof *d->parts, error));
    LIMN_TRY(limn_picture_make(&d->picture, width, height, CHANNELS, LIMN_U8, false, error));
    memset(d->picture.pixels, 255, (size_t)width * (size_t)height * CHANNELS);
    for (int i = 0; i < (int)cells; i++) {
        d->parts[i] = place(d, i / sheet->columns, i % sheet->columns, &sheet->cells[i]);
        if (d->parts[i].width) LIMN_TRY(draw(d, d->parts[i], &sheet->cells[i], error));
    }
    return LIMN_OK;
}

limn_status limn_publish_sheet(limn_publisher *publisher, const limn_sheet *sheet,
                               const limn_target *target, int *refused, limn_published *report,
                               limn_error *error)
{
    drawing d = { .sheet = sheet, .side = sheet->side ? sheet->side : SIDE };
    limn_origin origin = sheet->origin;
    limn_target plain = *target;
    limn_cleared *cleared = NULL;
    limn_arena arena;
    limn_format format;
    limn_status status;
    int own;

    if (!refused) refused = &own;
    *refused = 0;
    if (report) *report = (limn_published){ 0 };
    if (target->memory) *target->memory = (limn_bytes){ 0 };
    if (sheet->rows < 1 || sheet->columns < 1 || d.side < 1 || d.side > SIDE_MAX ||
        (int64_t)sheet->rows * (d.side + GAP) > 65000 ||
        (int64_t)sheet->columns * (d.side + GAP) > 65000)
        return limn_fail(error, LIMN_SHAPE,
                         "%s: a sheet of %d rows and %d columns of %d pixels cannot be drawn",
                         sheet->name, sheet->rows, sheet->columns, d.side);
    LIMN_TRY(limn_publish_format(&format, target, NULL, error));
    origin.source = LIMN_MARK_COMPOSITE;
    plain.plain = true;
    limn_arena_open(&arena, "sheet", 0);
    status = make(&d, &arena, error);
    if (!status) status = screen_cells(&d, limn_publisher_screen(publisher), refused, error);
    if (!status)
        status = limn_publish_clear_own(&cleared, publisher, &d.picture, sheet->name, &origin,
                                        report, error);
    limn_picture_close(&d.picture);
    limn_arena_close(&arena);
    return status ? status : limn_publish_write(&cleared, &plain, report, error);
}
