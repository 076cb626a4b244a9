/* SPDX-License-Identifier: Apache-2.0
 *
 * A folder of its own for every test that writes files, and small helpers to look into it.  Plain
 * stdio on purpose: what the library writes is looked at without the library.
 *
 * The folder goes with the test, also with one that fails, crashes or is killed: a shell waits at a
 * pipe that only the test holds, and removes the folder when nobody holds it any more.  atexit()
 * and handlers of signals were not enough: nobody runs them after SIGKILL, which is how test
 * runners end what takes too long. */
#ifndef LIMN_TESTS_SCRATCH_H
#define LIMN_TESTS_SCRATCH_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct scratch {
    char folder[256];
    char path[512]; /* of the last scratch_path */
    pid_t keeper;   /* the shell */
    int hold;       /* the pipe */
} scratch;

/* Begins the shell.  It has a session of its own, out of reach of a kill of the test's group, and
 * keeps nothing open that others may read to its end. */
static inline void scratch_keep(scratch *s)
{
    int ends[2], nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);

    if (nothing < 0 || pipe2(ends, O_CLOEXEC) || (s->keeper = fork()) < 0) abort();
    if (!s->keeper) {
        setsid();
        if (dup2(ends[0], 0) == 0 && dup2(nothing, 1) == 1 && dup2(nothing, 2) == 2)
            execl("/bin/sh", "sh", "-c", "read line; exec rm -rf \"$0\"", s->folder, (char *)NULL);
        _exit(127);
    }
    close(ends[0]);
    close(nothing);
    s->hold = ends[1];
}

static inline void scratch_open(scratch *s)
{
    const char *base = getenv("TMPDIR");

    snprintf(s->folder, sizeof s->folder, "%s/limn-test-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(s->folder)) {
        perror(s->folder);
        abort();
    }
    scratch_keep(s);
}

/* folder/name; valid until the next call. */
static inline const char *scratch_path(scratch *s, const char *name)
{
    snprintf(s->path, sizeof s->path, "%s/%s", s->folder, name);
    return s->path;
}

/* Number of entries of a folder. */
static inline int scratch_entries(const char *folder)
{
    DIR *dir = opendir(folder);
    int count = 0;

    if (!dir) return -1;
    for (struct dirent *entry; (entry = readdir(dir));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    return count;
}

static inline void scratch_remove(const char *folder)
{
    DIR *dir = opendir(folder);

    if (dir) {
        for (struct dirent *entry; (entry = readdir(dir));) {
            char *path = NULL;

            if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
            if (asprintf(&path, "%s/%s", folder, entry->d_name) < 0) abort();
            if (unlink(path)) scratch_remove(path);
            free(path);
        }
        closedir(dir);
    }
    rmdir(folder);
}

static inline void scratch_close(scratch *s)
{
    scratch_remove(s->folder);
    close(s->hold);
    kill(s->keeper, SIGKILL); /* a child of the test's may hold the pipe as well */
    waitpid(s->keeper, NULL, 0);
}

static inline void scratch_write(const char *path, const void *bytes, size_t count)
{
    FILE *file = fopen(path, "wb");

    if (!file || fwrite(bytes, 1, count, file) != count || fclose(file)) {
        perror(path);
        abort();
    }
}

/* Reads a whole file; free it.  NULL when it is not there. */
static inline char *scratch_read(const char *path, size_t *count)
{
    FILE *file = fopen(path, "rb");
    struct stat there;
    char *bytes;

    *count = 0;
    if (!file) return NULL;
    if (fstat(fileno(file), &there) || !(bytes = malloc((size_t)there.st_size + 1))) abort();
    *count = fread(bytes, 1, (size_t)there.st_size, file);
    bytes[*count] = '\0';
    fclose(file);
    return bytes;
}

/* A child that is going to be killed: fork(), but the parent comes back only when the child has
 * called scratch_at_work, however long a busy machine takes to start it. */
static inline pid_t scratch_fork(int *ready)
{
    int ends[2];
    pid_t child;
    char byte;

    if (pipe(ends) || (child = fork()) < 0) abort();
    close(ends[child > 0]);
    *ready = ends[1];
    if (!child) return 0;
    while (read(ends[0], &byte, 1) < 0 && errno == EINTR) continue;
    close(ends[0]);
    return child;
}

static inline void scratch_at_work(int *ready)
{
    if (*ready < 0) return;
    if (write(*ready, "", 1) != 1) abort();
    close(*ready);
    *ready = -1;
}

#endif
