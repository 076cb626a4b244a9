/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether others want the processors that the compute threads run on.
 *
 * The kernel counts for every thread how long it was ready and had to wait for a processor
 * (/proc/PID/task/TID/schedstat, second number, nanoseconds).  Alone on the machine that is next to
 * nothing; beside one busy program a thread of two waits half of the time.
 *
 * Dropped: processor time against the clock (low too where a part of a run has work for one thread
 * only), involuntary switches (a kernel with long slices makes few), /proc/loadavg (tells of all
 * processors, also of those that this process may not use). */
#include "base/crowd.h"

#include <dirent.h>
#include <stdio.h>

/* Seconds between looks. */
static const double LOOK_EVERY = 0.1, LOOK_CROWDED = 0.5;
/* Waiting of all threads together, of the time since the last look.  Measured on two processors:
 * 0.7 to 0.8 beside one busy program, up to 0.1 alone, and once in a while 0.6 in a single look,
 * when threads begin and two of them stand on one processor: hence two looks in a row. */
static const double CROWDED = 0.35, CALM = 0.2;

double limn_crowd_waited(void)
{
    DIR *tasks = opendir("/proc/self/task");
    double seconds = tasks ? 0 : -1;
    struct dirent *entry;

    while (tasks && (entry = readdir(tasks))) {
        unsigned long long ran, waited;
        char path[sizeof entry->d_name + 64];
        FILE *file;

        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/schedstat", entry->d_name);
        if (!(file = fopen(path, "r"))) continue; /* it has ended, or the kernel does not count */
        if (fscanf(file, "%llu %llu", &ran, &waited) == 2) seconds += 1e-9 * (double)waited;
        fclose(file);
    }
    if (tasks) closedir(tasks);
    return seconds;
}

bool limn_crowd_due(const limn_crowd *crowd, double now)
{
    return now - crowd->since >= (crowd->crowded ? LOOK_CROWDED : LOOK_EVERY);
}

bool limn_crowd_look(limn_crowd *crowd, double now, double waited)
{
    double share = (waited - crowd->waited) / (now - crowd->since);
    bool first = crowd->since <= 0;

    crowd->since = now;
    if (waited < 0) return crowd->crowded;
    crowd->waited = waited;
    /* A thread that ended took its count along: a share below 0 says nothing. */
    if (first || share < 0) return crowd->crowded;
    if (share < CALM) crowd->crowded = false;
    if (share > CROWDED && crowd->warned) crowd->crowded = true;
    crowd->warned = share > CROWDED;
    return crowd->crowded;
}
