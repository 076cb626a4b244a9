/* SPDX-License-Identifier: Apache-2.0
 *
 * libvips is told to be a decoder and no more: one thread of its own per picture (the compute
 * threads and the loader's workers already fill the cores), no cache of operations (every picture
 * is read once, and a cache would keep pixels alive after close), no warnings on standard error. */
#include "image/border.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <vips/vips.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_rwlock_t lock; /* read: working; write: working alone with an empty error log */
static pthread_key_t thread_end;
static bool started;
static _Thread_local bool alone; /* this thread holds the write lock */
static _Thread_local bool said;  /* libvips was the one that failed */

static void quiet(const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer data)
{
    (void)domain, (void)level, (void)message, (void)data;
}

/* libvips keeps a little memory per thread, which must be given back when the thread ends. */
static void end_thread(void *unused)
{
    (void)unused;
    vips_thread_shutdown();
}

static void start(void)
{
    pthread_rwlockattr_t attributes;

    pthread_rwlockattr_init(&attributes);
    /* Readers that keep coming must not lock the writer out for ever. */
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    if (pthread_rwlock_init(&lock, &attributes)) return;
    pthread_rwlockattr_destroy(&attributes);
    if (pthread_key_create(&thread_end, end_thread)) return;

    g_log_set_handler("VIPS", G_LOG_LEVEL_WARNING | G_LOG_LEVEL_MESSAGE | G_LOG_LEVEL_INFO, quiet,
                      NULL);
    if (vips_init("limn")) return;
    vips_concurrency_set(1);
    vips_cache_set_max(0);
    started = true;
}

limn_status limn_vips_run(limn_vips_work work, void *context, limn_error *error)
{
    limn_status status;

    pthread_once(&once, start);
    if (!started) return limn_fail(error, LIMN_IO, "libvips, which reads pictures, does not start");
    pthread_setspecific(thread_end, &thread_end);

    said = false;
    pthread_rwlock_rdlock(&lock);
    status = work(context, error);
    pthread_rwlock_unlock(&lock);
    if (!status || !said) return status;

    pthread_rwlock_wrlock(&lock);
    vips_error_clear();
    alone = true;
    status = work(context, error);
    alone = false;
    vips_error_clear();
    pthread_rwlock_unlock(&lock);
    return status;
}

limn_status limn_vips_fail(limn_error *error, limn_status status, const char *format, ...)
{
    char text[sizeof error->text], words[200], *log, *line, *rest = NULL;
    size_t used = 0;
    va_list list;

    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);

    said = true;
    if (!alone) return limn_fail(error, status, "%s", text); /* the second run says it in full */

    /* Its lines, each once, joined by semicolons. */
    words[0] = 0;
    log = vips_error_buffer_copy();
    for (line = strtok_r(log, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (used + 3 >= sizeof words || strstr(words, line)) continue;
        used += (size_t)snprintf(words + used, sizeof words - used, "%s%s", used ? "; " : "", line);
        if (used >= sizeof words) used = sizeof words - 1;
    }
    g_free(log);
    if (!used) return limn_fail(error, status, "%s", text);
    return limn_fail(error, status, "%s (libvips: %s)", text, words);
}

size_t limn_vips_live_bytes(void)
{
    return vips_tracked_get_mem();
}

static void *count_one(void *object, void *count, void *unused)
{
    (void)object, (void)unused;
    ++*(size_t *)count;
    return NULL; /* go on */
}

size_t limn_vips_live_objects(void)
{
    size_t count = 0;

    vips_object_map(count_one, &count, NULL);
    return count;
}
