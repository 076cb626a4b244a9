/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of contents of a zip archive whose entries are stored as they are.
 *
 * torch.save has written zip archives since PyTorch 1.6, and always stores, so that tensors can be
 * mapped.  That is all this reads: the central directory (zip64 too), entries in place.  Compressed
 * entries are refused by name: nothing that saves models writes them, and without an inflater there
 * is no zip bomb to defend against and no further dependency.
 *
 * Trusted: nothing.  Sizes and offsets against the file, local against central header, overlapping
 * entries, duplicate names, names that climb out of the archive, encryption, several disks: each is
 * an error with the entry's name.  Nothing is ever extracted to a file. */
#ifndef LIMN_MODEL_ZIP_H
#define LIMN_MODEL_ZIP_H

#include "base/memory.h"

enum { LIMN_ZIP_ENTRIES_MAX = 100000 };

typedef struct limn_zip_entry {
    const char *name; /* in the file, not ended by 0 */
    size_t name_bytes;
    const unsigned char *data; /* in the file */
    size_t count;
    uint32_t crc; /* 0: the writer left it out (torch.serialization.set_crc32_options(False)) */
    bool checked;
} limn_zip_entry;

typedef struct limn_zip {
    limn_zip_entry *entries; /* by name, in byte order */
    size_t count;
    const char *path; /* for messages; borrowed */
} limn_zip;

/* Reads the table of contents.  The bytes are borrowed as long as zip is used; entries live in the
 * arena.  path stands in front of every message. */
limn_status limn_zip_open(limn_zip *zip, const unsigned char *bytes, size_t count, const char *path,
                          limn_arena *arena, limn_error *error);

/* The entry of that name, or NULL. */
limn_zip_entry *limn_zip_find(const limn_zip *zip, const char *name, size_t name_bytes);

/* Compares the data with its checksum, once an entry; a difference is LIMN_FORMAT. */
limn_status limn_zip_check(const limn_zip *zip, limn_zip_entry *entry, limn_error *error);

#endif
