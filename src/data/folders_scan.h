/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside src/data only: the files below one folder, and names. */
#ifndef LIMN_DATA_FOLDERS_SCAN_H
#define LIMN_DATA_FOLDERS_SCAN_H

#include "data/folders.h"

/* Length of a name without its ending. */
size_t limn_stem_length(const char *name);

/* Order of names: their stems by bytes, then their endings. */
int limn_name_compare(const char *a, const char *b);

/* All pictures below folder, sorted; side->items in the arena, file numbers and halves 0.  Folders
 * whose name is that of another phase (test, testA, val_B ...) are not entered, nor hidden ones. */
limn_status limn_folder_scan(limn_data_side *side, limn_arena *arena, const char *folder,
                             limn_phase phase, limn_error *error);

/* Is there a folder of that name? */
bool limn_folder_there(const char *path);

/* Pictures that lie in the folder itself; 0 too when it can't be read. */
size_t limn_folder_pictures(const char *folder);

#endif
