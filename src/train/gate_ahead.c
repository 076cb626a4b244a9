/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading ahead for the gate: see gate_ahead.h.
 *
 * A ring of slots that workers take in order and that the caller empties in order.  The number of
 * slots bounds small pictures, a number of bytes large ones.
 *
 * Files are read and not mapped: one that is shortened while it is mapped kills the process.  Hash
 * and pixels come from the same bytes, so a file that changes meanwhile can't be judged by one
 * content and remembered by another. */
#include "train/gate_ahead.h"
#include "base/threads.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SLOTS = 24, WORKERS_MAX = 16 };
static const size_t bytes_max = (size_t)256 << 20, file_max = (size_t)1 << 30;

typedef struct slot {
    limn_gate_seen seen;
    limn_error error;
    bool ready;
} slot;

struct limn_gate_ahead {
    limn_arena arena; /* the struct itself lies in it */
    const limn_gate_task *tasks;
    const limn_gate_known *known;
    size_t count, known_count;
    limn_worker *workers[WORKERS_MAX];

    pthread_mutex_t lock; /* for all that follows */
    pthread_cond_t work, ready;
    slot slots[SLOTS];
    size_t taken, given; /* tasks that workers have begun, that the caller has got */
    size_t bytes;        /* of decoded pictures, those given out too */
    bool closing;
};

/* ---- One file -------------------------------------------------------------------------------- */

static limn_status read_open(limn_bytes *out, int descriptor, const char *path, limn_error *error)
{
    struct stat about;
    size_t room;

    if (fstat(descriptor, &about))
        return limn_fail(error, LIMN_IO, "%s: cannot be read: %s", path, strerror(errno));
    if (!S_ISREG(about.st_mode)) return limn_fail(error, LIMN_IO, "%s: is not a file", path);
    if ((uint64_t)about.st_size > file_max)
        return limn_fail(error, LIMN_SHAPE, "%s: %lld bytes, the limit for a picture is %zu", path,
                         (long long)about.st_size, file_max);
    room = (size_t)about.st_size;
    if (!(out->bytes = limn_block(room + 1)))
        return limn_fail(error, LIMN_NO_MEMORY, "%s: out of memory for the file", path);
    while (out->count < room) { /* what grows meanwhile is cut, and then damaged or as good */
        ssize_t got = read(descriptor, out->bytes + out->count, room - out->count);

        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            return limn_fail(error, LIMN_IO, "%s: cannot be read: %s", path, strerror(errno));
        if (!got) break;
        out->count += (size_t)got;
    }
    return LIMN_OK;
}

/* out->bytes is to be freed in any case. */
static limn_status read_file(limn_bytes *out, const char *path, limn_error *error)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    limn_status status;

    *out = (limn_bytes){ 0 };
    if (descriptor < 0)
        return limn_fail(error, LIMN_IO, "%s: cannot be opened: %s", path, strerror(errno));
    status = read_open(out, descriptor, path, error);
    close(descriptor);
    return status;
}

static int compare_keys(const void *key, const void *known)
{
    return strcmp(key, ((const limn_gate_known *)known)->key);
}

static limn_status find_parts(limn_gate_seen *seen, limn_error *error)
{
    const limn_gate_task *task = seen->task;

    for (int i = 0; i < task->count; i++) {
        limn_part left, right;

        if (task->items[i]->half == LIMN_WHOLE) continue; /* {0} is all of it */
        if (limn_picture_halves(&seen->picture.info, &left, &right, error))
            return limn_while(error, "%s", task->items[i]->path);
        seen->parts[i] = task->items[i]->half == LIMN_LEFT ? left : right;
    }
    return LIMN_OK;
}

/* On failure seen->picture may be open. */
static limn_status look(const limn_gate_ahead *a, limn_gate_seen *seen, const limn_bytes *file,
                        limn_error *error)
{
    static const char parts[] = { [LIMN_WHOLE] = 'W', [LIMN_LEFT] = 'L', [LIMN_RIGHT] = 'R' };
    const limn_gate_task *task = seen->task;
    char digest[LIMN_DIGEST_TEXT];
    bool all_known = true;

    limn_sha256_text(file->bytes, file->count, digest);
    for (int i = 0; i < task->count; i++) {
        snprintf(seen->keys[i], LIMN_GATE_KEY, "%s%c", digest, parts[task->items[i]->half]);
        seen->known[i] = a->known_count ? bsearch(seen->keys[i], a->known, a->known_count,
                                                  sizeof *a->known, compare_keys)
                                        : NULL;
        all_known &= seen->known[i] != NULL;
    }
    if (all_known) return LIMN_OK;
    LIMN_TRY(limn_picture_read_bytes(&seen->picture, file->bytes, file->count, task->items[0]->path,
                                     NULL, error));
    return find_parts(seen, error);
}

/* ---- Workers --------------------------------------------------------------------------------- */

static bool may_take(const limn_gate_ahead *a)
{
    return a->taken < a->count && a->taken - a->given < SLOTS && a->bytes < bytes_max;
}

/* Under the lock, but for the work itself. */
static void take(limn_gate_ahead *a)
{
    slot *s = &a->slots[a->taken % SLOTS];
    limn_bytes file;

    s->seen = (limn_gate_seen){ .task = &a->tasks[a->taken++] };
    s->error = (limn_error){ 0 };
    pthread_mutex_unlock(&a->lock);
    if (!read_file(&file, s->seen.task->items[0]->path, &s->error))
        look(a, &s->seen, &file, &s->error);
    limn_block_free(file.bytes);
    pthread_mutex_lock(&a->lock);
    a->bytes += limn_picture_bytes(&s->seen.picture);
    s->ready = true;
    pthread_cond_broadcast(&a->ready);
}

static void work(void *context)
{
    limn_gate_ahead *a = context;

    pthread_mutex_lock(&a->lock);
    while (!a->closing && a->taken < a->count) {
        if (may_take(a))
            take(a);
        else
            pthread_cond_wait(&a->work, &a->lock);
    }
    pthread_mutex_unlock(&a->lock);
}

limn_status limn_gate_ahead_open(limn_gate_ahead **out, const limn_gate_task *tasks, size_t count,
                                 const limn_gate_known *known, size_t known_count, int workers,
                                 limn_error *error)
{
    limn_gate_ahead *a;
    limn_status status = LIMN_OK;

    LIMN_TRY(limn_open_in_arena(out, sizeof **out, "reading ahead", 0, error));
    a = *out;
    a->tasks = tasks;
    a->count = count;
    a->known = known;
    a->known_count = known_count;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->work, NULL);
    pthread_cond_init(&a->ready, NULL);
    if (workers < 1) workers = 1;
    for (int i = 0; i < workers && i < WORKERS_MAX && !status; i++)
        status = limn_worker_start(&a->workers[i], work, a, error);
    if (status) limn_gate_ahead_close(out);
    return status;
}

void limn_gate_ahead_close(limn_gate_ahead **ahead)
{
    limn_gate_ahead *a = *ahead;

    if (!a) return;
    pthread_mutex_lock(&a->lock);
    a->closing = true;
    pthread_cond_broadcast(&a->work);
    pthread_mutex_unlock(&a->lock);
    for (int i = 0; i < WORKERS_MAX; i++)
        if (a->workers[i]) limn_worker_join(&a->workers[i]);
    for (int i = 0; i < SLOTS; i++) limn_picture_close(&a->slots[i].seen.picture);
    pthread_cond_destroy(&a->ready);
    pthread_cond_destroy(&a->work);
    pthread_mutex_destroy(&a->lock);
    limn_close_in_arena(ahead);
}

/* ---- For the caller -------------------------------------------------------------------------- */

limn_status limn_gate_ahead_next(limn_gate_ahead *a, limn_gate_seen *seen, limn_error *error)
{
    slot *s = &a->slots[a->given % SLOTS];
    limn_status status;

    pthread_mutex_lock(&a->lock);
    while (!s->ready) pthread_cond_wait(&a->ready, &a->lock);
    *seen = s->seen;
    if ((status = s->error.status)) {
        if (error) *error = s->error;
        a->bytes -= limn_picture_bytes(&seen->picture);
        limn_picture_close(&seen->picture);
    }
    s->seen.picture = (limn_picture){ 0 };
    s->ready = false;
    a->given++;
    pthread_cond_broadcast(&a->work);
    pthread_mutex_unlock(&a->lock);
    return status;
}

bool limn_gate_ahead_full(limn_gate_ahead *a)
{
    bool full;

    pthread_mutex_lock(&a->lock);
    full = a->bytes >= bytes_max;
    pthread_mutex_unlock(&a->lock);
    return full;
}

void limn_gate_ahead_give_back(limn_gate_ahead *a, limn_picture *picture)
{
    pthread_mutex_lock(&a->lock);
    a->bytes -= limn_picture_bytes(picture);
    pthread_cond_broadcast(&a->work);
    pthread_mutex_unlock(&a->lock);
    limn_picture_close(picture);
}
