/* SPDX-License-Identifier: Apache-2.0
 *
 * Is there more to run on this machine than it has processors? */
#ifndef LIMN_BASE_CROWD_H
#define LIMN_BASE_CROWD_H

#include <stdbool.h>

/* What is remembered between looks; starts as {0}. */
typedef struct limn_crowd {
    double since;         /* seconds of CLOCK_MONOTONIC: the last look that counted */
    double waited;        /* seconds, then */
    bool warned, crowded; /* the last look said so; and the one before it */
} limn_crowd;

/* Seconds that the threads of this process have been ready to run while others had the processors,
 * all together since they started; negative where the system does not tell. */
double limn_crowd_waited(void);

/* Whether a look is due: they cost a few microseconds a thread and are taken some times a second.
 */
bool limn_crowd_due(const limn_crowd *crowd, double now);

/* One look at time `now`, with what limn_crowd_waited has told; returns whether it is crowded. */
bool limn_crowd_look(limn_crowd *crowd, double now, double waited);

#endif
