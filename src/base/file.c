/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that are whole or absent: write beside, flush, rename, flush the folder.
 *
 * The temporary of x is x.limn-part, held by a lock.  A killed process leaves its x.limn-part
 * behind without the lock, and the next write of x takes it over: at most one is ever left lying
 * about, and not one per crash, which matters when it is a checkpoint of a gigabyte.  Two writers
 * of the same target get x.limn-part and x.limn-part1, and the one that commits last wins.  Names
 * with random letters (mkstemp) were tried: they pile up, and they take the mode 0600 to the
 * target.
 *
 * A target that is there keeps its permissions; a target that is a device, a pipe or a folder is
 * refused, because a rename would replace it.
 *
 * Every call that can run out of disk passes through allowed(), so that a test can fail each in
 * turn.  Removing the temporary is not among them: cleaning up works on a full disk. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_long let_through = -1; /* calls still let through; negative: no limit */

void limn_file_fail_after(long n)
{
    atomic_store(&let_through, n < 0 ? -1 : n);
}

/* False, with errno set, when a test wants the coming call to fail. */
static bool allowed(void)
{
    long left = atomic_load(&let_through);

    while (left > 0 && !atomic_compare_exchange_weak(&let_through, &left, left - 1)) continue;
    if (left) return true;
    errno = ENOSPC;
    return false;
}

static limn_status io_failed(const char *what, const char *path, limn_error *error)
{
    int code = errno;

    return limn_fail(error, LIMN_IO, "%s: could not %s: %s%s", path, what, strerror(code),
                     code == ENOSPC || code == EDQUOT ? "; free some space and try again" : "");
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* Opens the temporary of that name and locks it.  Returns the descriptor; -1 with errno, which is
 * EWOULDBLOCK when another writer holds it. */
static int open_locked(const char *name)
{
    for (int attempt = 0; attempt < 100; attempt++) {
        struct stat held, named;
        int descriptor = allowed() ? open(name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666)
                                   : -1;

        if (descriptor < 0) return -1;
        if (flock(descriptor, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) {
            close(descriptor);
            errno = EWOULDBLOCK;
            return -1;
        }
        /* Its last owner may have renamed or removed it between open and lock: then try again. */
        if (!fstat(descriptor, &held) && S_ISREG(held.st_mode) && !lstat(name, &named) &&
            held.st_ino == named.st_ino && held.st_dev == named.st_dev)
            return descriptor;
        close(descriptor);
    }
    errno = EBUSY;
    return -1;
}

limn_status limn_file_create(limn_file *file, const char *path, limn_error *error)
{
    enum { WRITERS_MAX = 16, SUFFIX = 16 };
    size_t length = strlen(path);
    struct stat there;
    int descriptor = -1;

    *file = (limn_file){ 0 };
    if (!stat(path, &there)) {
        if (!S_ISREG(there.st_mode))
            return limn_fail(error, LIMN_IO, "%s is a %s; name a file to write instead", path,
                             S_ISDIR(there.st_mode) ? "folder" : "device or pipe");
    } else
        there.st_mode = 0;
    file->target = limn_block(length + 1);
    file->temporary = limn_block(length + SUFFIX);
    if (!file->target || !file->temporary) {
        limn_file_abandon(file);
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory: writing %s", path);
    }
    memcpy(file->target, path, length + 1);
    for (int i = 0; i < WRITERS_MAX && descriptor < 0; i++) {
        snprintf(file->temporary, length + SUFFIX, i ? "%s.limn-part%d" : "%s.limn-part", path, i);
        descriptor = open_locked(file->temporary);
        if (descriptor < 0 && errno != EWOULDBLOCK) break;
    }
    if (descriptor < 0) {
        limn_status status = io_failed("make a temporary file beside it", path, error);

        limn_file_abandon(file);
        return status;
    }
    file->descriptor_plus_one = descriptor + 1;
    if (ftruncate(descriptor, 0) || (there.st_mode && fchmod(descriptor, there.st_mode & 0777))) {
        limn_status status = io_failed("prepare the temporary", path, error);

        limn_file_abandon(file);
        return status;
    }
    return LIMN_OK;
}

/* Writes all of it, at the end (offset -1) or at an offset. */
static limn_status write_all(limn_file *file, off_t offset, const void *bytes, size_t count,
                             limn_error *error)
{
    const unsigned char *at = bytes;
    int descriptor = file->descriptor_plus_one - 1;

    if (descriptor < 0) return limn_fail(error, LIMN_BUG, "a file was written that is not open");
    while (count) {
        ssize_t done = -1;

        if (allowed())
            done = offset < 0 ? write(descriptor, at, count)
                              : pwrite(descriptor, at, count, offset);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return io_failed("write", file->target, error);
        at += done;
        count -= (size_t)done;
        if (offset >= 0)
            offset += done;
        else
            file->written += (uint64_t)done;
    }
    return LIMN_OK;
}

limn_status limn_file_write(limn_file *file, const void *bytes, size_t count, limn_error *error)
{
    return write_all(file, -1, bytes, count, error);
}

limn_status limn_file_write_at(limn_file *file, uint64_t offset, const void *bytes, size_t count,
                               limn_error *error)
{
    if (offset > file->written || count > file->written - offset)
        return limn_fail(error, LIMN_BUG, "%s: a write at an offset ends behind the end",
                         file->target ? file->target : "a file");
    return write_all(file, (off_t)offset, bytes, count, error);
}

/* Flushes the folder that path is in, so that a rename survives a power cut.  Some file systems
 * cannot flush a folder (EINVAL) and some folders may be written but not read: both are no fault.
 */
static limn_status flush_folder(char *path, limn_error *error)
{
    char *slash = strrchr(path, '/'), kept = '\0';
    limn_status status = LIMN_OK;
    int folder;

    if (slash) kept = slash[1], slash[1] = '\0';
    folder = open(slash ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (slash) slash[1] = kept;
    if (folder < 0) return LIMN_OK;
    if ((!allowed() || fsync(folder)) && errno != EINVAL && errno != ENOTSUP && errno != EROFS)
        status = io_failed("flush the folder of the finished file", path, error);
    close(folder);
    return status;
}

limn_status limn_file_commit(limn_file *file, limn_error *error)
{
    limn_status status = LIMN_OK;
    int descriptor = file->descriptor_plus_one - 1;

    if (descriptor < 0) return limn_fail(error, LIMN_BUG, "a file was committed that is not open");
    if (!allowed() || fsync(descriptor))
        status = io_failed("flush", file->target, error);
    else if (!allowed() || rename(file->temporary, file->target))
        status = io_failed("put it in place", file->target, error);
    else {
        file->temporary[0] = '\0'; /* nothing is left to remove */
        status = flush_folder(file->target, error);
    }
    limn_file_abandon(file);
    return status;
}

void limn_file_abandon(limn_file *file)
{
    if (file->descriptor_plus_one) {
        /* Removed before the lock is let go, so that nobody else's can be meant. */
        if (file->temporary[0]) unlink(file->temporary);
        close(file->descriptor_plus_one - 1);
    }
    limn_block_free(file->temporary);
    limn_block_free(file->target);
    *file = (limn_file){ 0 };
}

limn_status limn_file_replace(const char *path, const void *bytes, size_t count, limn_error *error)
{
    limn_file file;
    limn_status status;

    LIMN_TRY(limn_file_create(&file, path, error));
    if (!(status = limn_file_write(&file, bytes, count, error)))
        status = limn_file_commit(&file, error);
    limn_file_abandon(&file);
    return status;
}

/* ---- Reading --------------------------------------------------------------------------------- */

limn_status limn_file_map(limn_mapping *mapping, const char *path, limn_error *error)
{
    limn_status status = LIMN_OK;
    struct stat there;
    void *bytes;
    /* Without O_NONBLOCK the open of a pipe waits for its other end. */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    *mapping = (limn_mapping){ 0 };
    if (descriptor < 0) return io_failed("open", path, error);
    if (fstat(descriptor, &there))
        status = io_failed("read", path, error);
    else if (!S_ISREG(there.st_mode))
        status = limn_fail(error, LIMN_IO, "%s is a %s; name a file to read instead", path,
                           S_ISDIR(there.st_mode) ? "folder" : "device or pipe");
    else if (there.st_size > 0) {
        bytes = mmap(NULL, (size_t)there.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
        if (bytes == MAP_FAILED)
            status = io_failed("map", path, error);
        else
            *mapping = (limn_mapping){ .bytes = bytes, .count = (size_t)there.st_size };
    }
    close(descriptor);
    return status;
}

void limn_file_unmap(limn_mapping *mapping)
{
    if (mapping->bytes) munmap((void *)(uintptr_t)mapping->bytes, mapping->count);
    *mapping = (limn_mapping){ 0 };
}

/* ---- Folders --------------------------------------------------------------------------------- */

static limn_status make_one(const char *path, limn_error *error)
{
    struct stat there;
    int code;

    if (allowed() && !mkdir(path, 0777)) return LIMN_OK;
    code = errno;
    if (!stat(path, &there)) {
        if (S_ISDIR(there.st_mode)) return LIMN_OK;
        return limn_fail(error, LIMN_IO,
                         "%s: could not make the folder: a file of that name is there", path);
    }
    errno = code;
    return io_failed("make the folder", path, error);
}

bool limn_file_same(const char *one, const char *other)
{
    struct stat a, b;

    return !stat(one, &a) && !stat(other, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

limn_status limn_folder_make(const char *path, limn_error *error)
{
    size_t length = strlen(path);
    limn_status status = LIMN_OK;
    char *copy = limn_block(length + 1);

    if (!copy) return limn_fail(error, LIMN_NO_MEMORY, "out of memory: making the folder %s", path);
    memcpy(copy, path, length + 1);
    for (size_t i = 1; i < length && !status; i++)
        if (copy[i] == '/' && copy[i - 1] != '/') {
            copy[i] = '\0';
            status = make_one(copy, error);
            copy[i] = '/';
        }
    if (!status) status = make_one(copy, error);
    limn_block_free(copy);
    return status;
}
