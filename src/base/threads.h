/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads, in two kinds.
 *
 * limn_parallel splits a loop over the compute threads.  It uses the OpenMP pool that oneDNN uses,
 * because a second pool beside it would fight for the same cores while the other one spins; this
 * file is the only one that knows OpenMP.  Parts depend only on the count and the number of compute
 * threads, so results are the same bits run to run.
 *
 * limn_worker is a plain thread for work beside the computing (decoding, encoding). */
#ifndef LIMN_BASE_THREADS_H
#define LIMN_BASE_THREADS_H

#include "base/error.h"

/* Number of compute threads: set once at start; 0 means as many as OMP_NUM_THREADS says, or else
 * one per available core (affinity mask). */
void limn_compute_threads_set(int count);
int limn_compute_threads(void);

/* Calls body(context, begin, end, part) for consecutive ranges that cover 0..count, at most one a
 * compute thread, part counting from 0.  grain is the least range worth a thread. */
typedef void (*limn_loop_body)(void *context, size_t begin, size_t end, int part);
void limn_parallel(size_t count, size_t grain, limn_loop_body body, void *context);
/* The same in ranges of about `slice`, each taken by whoever is free, part always 0: for what also
 * runs beside workers, which take processors away.  Only for bodies of which no range sees what
 * another one did. */
void limn_parallel_uneven(size_t count, size_t slice, limn_loop_body body, void *context);

/* At most this many parts, whatever the machine: for arrays of partial sums. */
enum { LIMN_PARTS_MAX = 256 };

/* From begin to end, numbers too small for float32's normal range (below 1.2e-38) count as zero on
 * the calling thread and its compute threads; end gives every thread back the mode that it had,
 * because a host program's own loops run on the same pool.  One pair a run, not nested.  On
 * processors other than x86-64 nothing happens. */
void limn_compute_begin(void);
void limn_compute_end(void);

/* Whether compute threads that wait do so briefly, because end has found other programs busy on
 * the same processors, or because they share them.  Alone on the machine they go on looking for
 * work for some milliseconds. */
bool limn_compute_crowded(void);

/* From true to false a worker computes as well: three threads on two processors, two of which spin
 * for each other, take twice the time.  Pairs may overlap, on any threads. */
void limn_compute_share(bool shared);

typedef struct limn_worker limn_worker;
limn_status limn_worker_start(limn_worker **worker, void (*body)(void *context), void *context,
                              limn_error *error);
/* Waits for the body to return, frees the handle and sets it NULL. */
void limn_worker_join(limn_worker **worker);

/* For tests: let n starts through and refuse all that follow; -1 turns it off. */
void limn_worker_refuse_after(long n);

#endif
