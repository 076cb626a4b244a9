/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures of equal names from several folders beside each other, as one sheet.
 *
 *     sheet OUT.jpg MODEL FOLDER ...
 *
 * A column a folder, a row a name of the first folder, two such rows beside each other.  A picture
 * that a folder lacks (the screen refused it) leaves its cell empty.  It goes out through
 * src/publish like everything else that has generated pictures in it: screened again, and marked as
 * made with MODEL.  For `make demo`; not installed. */
#include "base/memory.h"
#include "image/picture.h"
#include "model/model.h"
#include "publish/publish.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COLUMNS_MAX = 8, NAMES_MAX = 200, BESIDE = 2, SIDE = 160 };

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int complain(const limn_error *error)
{
    fprintf(stderr, "sheet: %s\n", error->text);
    return 1;
}

static limn_status fill(limn_cell *cells, limn_picture *pictures, struct dirent *const *names,
                        int count, char **folders, int columns, limn_error *error)
{
    for (int i = 0; i < count; i++)
        for (int c = 0; c < columns; c++) {
            int k = i * columns + c;
            char path[4096];

            snprintf(path, sizeof path, "%s/%s", folders[c], names[i]->d_name);
            if (access(path, R_OK)) continue;
            LIMN_TRY(limn_picture_read(&pictures[k], path, NULL, error));
            cells[k].picture = &pictures[k];
        }
    return LIMN_OK;
}

static limn_status make(const char *to, const char *model_path, limn_cell *cells, int rows,
                        int columns, limn_error *error)
{
    limn_publisher *publisher;
    limn_model *model;
    limn_status status;

    LIMN_TRY(limn_model_open(&model, model_path, error));
    if (!(status = limn_publisher_open(&publisher, NULL, error))) {
        limn_sheet sheet = { .name = to,
                             .cells = cells,
                             .rows = rows,
                             .columns = columns,
                             .side = SIDE,
                             .origin = { .model_sha256 = limn_model_about(model)->weights_sha256,
                                         .title = limn_model_about(model)->title } };

        status = limn_publish_sheet(publisher, &sheet, &(limn_target){ .path = to }, NULL, NULL,
                                    error);
        limn_publisher_close(&publisher);
    }
    limn_model_close(&model);
    return status;
}

int main(int argc, char **argv)
{
    static limn_cell cells[(NAMES_MAX + BESIDE) * COLUMNS_MAX];
    static limn_picture pictures[NAMES_MAX * COLUMNS_MAX];
    limn_error error = { 0 };
    struct dirent **names;
    int columns = argc - 3, count;

    if (columns < 1 || columns > COLUMNS_MAX) {
        fprintf(stderr, "usage: sheet OUT.jpg MODEL FOLDER ... (up to %d)\n", COLUMNS_MAX);
        return 2;
    }
    if ((count = scandir(argv[3], &names, visible, alphasort)) < 1 || count > NAMES_MAX) {
        fprintf(stderr, "sheet: %s should be a folder with 1 to %d pictures\n", argv[3], NAMES_MAX);
        return 1;
    }
    if (fill(cells, pictures, names, count, argv + 3, columns, &error) ||
        make(argv[1], argv[2], cells, (count + BESIDE - 1) / BESIDE, columns * BESIDE, &error))
        return complain(&error);
    for (int i = 0; i < count; i++) free(names[i]);
    free(names);
    for (int i = 0; i < count * columns; i++) limn_picture_close(&pictures[i]);
    return 0;
}
