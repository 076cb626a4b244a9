/* SPDX-License-Identifier: Apache-2.0
 *
 * The only file that knows OpenMP, and the only one that starts threads.
 *
 * limn_parallel always opens a team of ALL compute threads, even when there are fewer parts than
 * threads: GNU's OpenMP ends the surplus threads of its pool when a smaller team is asked for and
 * starts new ones for the next larger one, and oneDNN's own regions are full teams.  Threads
 * without a part go straight to the barrier.  The loop runs over parts and not over thread numbers,
 * so that every part is done even where OpenMP gives fewer threads (nested regions, a thread
 * limit).
 *
 * OpenMP keeps the team size per thread.  Workers therefore get it when they start: a server's job
 * thread computes with as many threads as the main thread would.
 *
 * Numbers below float32's normal range cost an x86 processor a trap into microcode, ten to seventy
 * times a normal product, and training makes them: gradients behind a saturated tanh, Adam's second
 * moments.  They change nothing that can be seen, so they count as zero while a plan runs.  The
 * mode is a register of each thread.  Setting it once in the pool and leaving it would be cheaper
 * by a barrier a run, but the pool is the host program's as well, and its sums are not ours to
 * change.
 *
 * Compute threads that wait for one another spin for some milliseconds before they sleep, which is
 * right as long as nobody else wants the processors: on a virtual machine to wake one costs more
 * than a layer of a network.  Beside another busy program it is the worst that can be done: a
 * thread spins away the time in which the other one's work could be finished, and a network takes
 * four times as long.  The spin of GNU's OpenMP can be set when a process starts and not later, but
 * it shortens by itself when there are more OpenMP threads than processors.  So, when the machine
 * is crowded (base/crowd.h), two more threads are started that do nothing but count: the network
 * then takes 1.9 times as long, which is what equal parts for two threads can reach on one
 * processor and a half.  Work that threads take as they come would reach 1.5, but the loops are
 * oneDNN's.
 *
 * Without OpenMP (a compiler that lacks it) the parts run one after the other: same parts, same
 * bits. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/threads.h"
#include "base/crowd.h"
#include "base/memory.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#ifdef _OPENMP
#include <omp.h>
#endif
#ifdef __SSE__
#include <xmmintrin.h>
#endif

static atomic_int compute_threads; /* 0: not set, ask the affinity mask */

/* Processors that this process may run on; affinity is what containers and taskset change. */
static int available(void)
{
    long count = 0;
#ifdef __linux__
    cpu_set_t set;

    if (!sched_getaffinity(0, sizeof set, &set)) count = CPU_COUNT(&set);
#endif
    if (count < 1) count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : count > LIMN_PARTS_MAX ? LIMN_PARTS_MAX : (int)count;
}

/* What OMP_NUM_THREADS asks for, as in every program with OpenMP; 0: nothing. */
static int asked_for(void)
{
    const char *text = getenv("OMP_NUM_THREADS");
    long count = text ? strtol(text, NULL, 10) : 0; /* "4,2" is 4 and then 2 inside these */

    return count < 1 ? 0 : count > LIMN_PARTS_MAX ? LIMN_PARTS_MAX : (int)count;
}

void limn_compute_threads_set(int count)
{
    if (count < 1) count = asked_for();
    if (count < 1) count = available();
    if (count > LIMN_PARTS_MAX) count = LIMN_PARTS_MAX;
    atomic_store(&compute_threads, count);
#ifdef _OPENMP
    omp_set_num_threads(count);
#endif
}

int limn_compute_threads(void)
{
    if (!atomic_load(&compute_threads)) limn_compute_threads_set(0);
    return atomic_load(&compute_threads);
}

/* Part p of parts: the first count % parts ranges are one longer. */
static size_t part_begin(size_t count, size_t parts, size_t p)
{
    size_t rest = count % parts;

    return count / parts * p + (p < rest ? p : rest);
}

void limn_parallel(size_t count, size_t grain, limn_loop_body body, void *context)
{
    int threads = limn_compute_threads();
    size_t parts = count / (grain ? grain : 1);

    if (!count) return;
    if (parts > (size_t)threads) parts = (size_t)threads;
    if (parts <= 1) {
        body(context, 0, count, 0);
        return;
    }
#ifdef _OPENMP
#pragma omp parallel for schedule(static, 1) num_threads(threads)
#endif
    for (int p = 0; p < (int)parts; p++)
        body(context, part_begin(count, parts, (size_t)p), part_begin(count, parts, (size_t)p + 1),
             p);
}

void limn_parallel_uneven(size_t count, size_t slice, limn_loop_body body, void *context)
{
#ifdef _OPENMP
    size_t slices = (count + slice - 1) / slice;
    int threads = limn_compute_threads();

    if (threads > 1 && slices > 1) {
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
        for (size_t s = 0; s < slices; s++)
            body(context, part_begin(count, slices, s), part_begin(count, slices, s + 1), 0);
        return;
    }
#else
    (void)slice;
#endif
    if (count) body(context, 0, count, 0);
}

#ifdef __SSE__
enum { FLUSH_TO_ZERO = 0x8000, DENORMALS_ARE_ZERO = 0x0040 }; /* bits of MXCSR */

static _Thread_local unsigned mode_before; /* of this thread, between begin and end */

static void denormals_off(void)
{
    mode_before = _mm_getcsr();
    _mm_setcsr(mode_before | FLUSH_TO_ZERO | DENORMALS_ARE_ZERO);
}

/* Flags that operations have raised meanwhile stay raised, as after any arithmetic. */
static void denormals_back(void)
{
    unsigned both = FLUSH_TO_ZERO | DENORMALS_ARE_ZERO;

    _mm_setcsr((_mm_getcsr() & ~both) | (mode_before & both));
}

static void on_all_threads(void (*body)(void))
{
#ifdef _OPENMP
    int threads = limn_compute_threads();

    if (threads > 1) {
#pragma omp parallel num_threads(threads)
        body();
        return;
    }
#endif
    body();
}
#endif

/* ---- Beside other programs ------------------------------------------------------------------- */

static struct crowding {
    pthread_mutex_t looking; /* held by the one thread that looks: the rest is its */
    limn_crowd crowd;
    bool crowded; /* by other programs */
    int sharing;  /* workers of our own */
    pthread_t holder;
    int size;             /* of the team that only counts */
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t over;
    bool holding; /* the team is there */
} crowding = { .looking = PTHREAD_MUTEX_INITIALIZER,
               .lock = PTHREAD_MUTEX_INITIALIZER,
               .over = PTHREAD_COND_INITIALIZER };

static void set_holding(bool holding)
{
    pthread_mutex_lock(&crowding.lock);
    crowding.holding = holding;
    pthread_cond_broadcast(&crowding.over);
    pthread_mutex_unlock(&crowding.lock);
}

/* A team that sleeps until it is over. */
static void *hold(void *unused)
{
    (void)unused;
#ifdef _OPENMP
#pragma omp parallel num_threads(crowding.size)
#endif
    {
        pthread_mutex_lock(&crowding.lock);
        while (crowding.holding) pthread_cond_wait(&crowding.over, &crowding.lock);
        pthread_mutex_unlock(&crowding.lock);
    }
    return NULL;
}

static void follow(void)
{
    enum { FEW = 8 };
    bool brief = crowding.crowded || crowding.sharing;

    if (brief == limn_compute_crowded()) return;
    if (brief) {
        crowding.size = available() - limn_compute_threads() + 2;
        if (crowding.size < 2) crowding.size = 2;
        if (crowding.size > FEW) return; /* with processors to spare nobody waits for ours */
        set_holding(true);
        if (pthread_create(&crowding.holder, NULL, hold, NULL)) set_holding(false);
    } else {
        set_holding(false);
        pthread_join(crowding.holder, NULL);
    }
}

static void look_around(void)
{
    struct timespec t;
    double now;

    if (limn_compute_threads() < 2 || pthread_mutex_trylock(&crowding.looking)) return;
    clock_gettime(CLOCK_MONOTONIC, &t);
    now = (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
    if (limn_crowd_due(&crowding.crowd, now)) {
        crowding.crowded = limn_crowd_look(&crowding.crowd, now, limn_crowd_waited());
        follow();
    }
    pthread_mutex_unlock(&crowding.looking);
}

void limn_compute_share(bool shared)
{
    if (limn_compute_threads() < 2) return;
    pthread_mutex_lock(&crowding.looking);
    crowding.sharing += shared ? 1 : -1;
    follow();
    pthread_mutex_unlock(&crowding.looking);
}

bool limn_compute_crowded(void)
{
    bool holding;

    pthread_mutex_lock(&crowding.lock);
    holding = crowding.holding;
    pthread_mutex_unlock(&crowding.lock);
    return holding;
}

/* ---- A run ----------------------------------------------------------------------------------- */

void limn_compute_begin(void)
{
#ifdef __SSE__
    on_all_threads(denormals_off);
#endif
}

void limn_compute_end(void)
{
#ifdef __SSE__
    on_all_threads(denormals_back);
#endif
    look_around();
}

struct limn_worker {
    pthread_t thread;
    void (*body)(void *context);
    void *context;
};

static atomic_long starts_left = -1; /* starts still granted; negative: no limit */

void limn_worker_refuse_after(long n)
{
    atomic_store(&starts_left, n < 0 ? -1 : n);
}

static bool start_granted(void)
{
    long left = atomic_load(&starts_left);

    while (left > 0 && !atomic_compare_exchange_weak(&starts_left, &left, left - 1)) continue;
    return left != 0;
}

static void *run(void *argument)
{
    limn_worker *worker = argument;

#ifdef _OPENMP
    omp_set_num_threads(limn_compute_threads());
#endif
    worker->body(worker->context);
    return NULL;
}

limn_status limn_worker_start(limn_worker **out, void (*body)(void *context), void *context,
                              limn_error *error)
{
    limn_worker *worker;
    int code;

    *out = NULL;
    limn_compute_threads(); /* settle the number before a second thread could ask */
    if (!(worker = limn_block(sizeof *worker)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory: a worker thread");
    *worker = (limn_worker){ .body = body, .context = context };
    code = start_granted() ? pthread_create(&worker->thread, NULL, run, worker) : EAGAIN;
    if (code) {
        limn_block_free(worker);
        return limn_fail(error, LIMN_NO_MEMORY,
                         "could not start a worker thread: %s; end other programs, or ask for "
                         "fewer workers",
                         strerror(code));
    }
    *out = worker;
    return LIMN_OK;
}

void limn_worker_join(limn_worker **worker)
{
    if (!*worker) return;
    pthread_join((*worker)->thread, NULL);
    limn_block_free(*worker);
    *worker = NULL;
}
