/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that are whole or absent.  A write goes to a temporary beside the target, is flushed to the
 * disk and renamed over it; the folder is flushed too.  A killed process leaves the old file or the
 * new one, never a half.  Faults can be provoked by tests at the nth operation. */
#ifndef LIMN_BASE_FILE_H
#define LIMN_BASE_FILE_H

#include "base/memory.h"

/* A file being written.  Open, write any number of times, then commit or abandon; abandon after
 * commit (or on {0}) does nothing, so `done:` labels can call it always. */
typedef struct limn_file {
    int descriptor_plus_one;  /* so that {0} is closed */
    char *temporary, *target; /* heap blocks from limn_block */
    uint64_t written;
} limn_file;

/* Creates the temporary in the target's folder.  The folder must exist. */
limn_status limn_file_create(limn_file *file, const char *path, limn_error *error);
limn_status limn_file_write(limn_file *file, const void *bytes, size_t count, limn_error *error);
/* Writes at an offset, for headers that are known last.  Does not move the end. */
limn_status limn_file_write_at(limn_file *file, uint64_t offset, const void *bytes, size_t count,
                               limn_error *error);
limn_status limn_file_commit(limn_file *file, limn_error *error);
void limn_file_abandon(limn_file *file);

/* The four calls above in one. */
limn_status limn_file_replace(const char *path, const void *bytes, size_t count, limn_error *error);

/* Maps a file for reading.  An empty file is bytes NULL, count 0.  Unmap takes {0}. */
typedef struct limn_mapping {
    const unsigned char *bytes;
    size_t count;
} limn_mapping;
limn_status limn_file_map(limn_mapping *mapping, const char *path, limn_error *error);
void limn_file_unmap(limn_mapping *mapping);

/* Whether both names lead to the same file or folder; not when one of them leads nowhere. */
bool limn_file_same(const char *one, const char *other);

/* Makes a folder and those above it; no error when it is there. */
limn_status limn_folder_make(const char *path, limn_error *error);

/* For tests: let n system calls of this file (create, write, sync, rename) through and fail all
 * that follow with ENOSPC; -1 turns it off. */
void limn_file_fail_after(long n);

#endif
