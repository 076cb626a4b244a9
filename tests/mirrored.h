/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes a step mirror its pictures where a recording did.
 *
 * PyTorch drew which steps are mirrored in a way of its own and the recording says how it fell, in
 * args: "mirrored": [true, false ...].  limn draws from (seed, stream, step), so each step is given
 * a seed with which all flips of the graph fall the same way.  Nothing else in a recorded step is
 * drawn. */
#ifndef LIMN_TESTS_MIRRORED_H
#define LIMN_TESTS_MIRRORED_H

#include "base/random.h"
#include "net/graph_inside.h"

#include <jansson.h>
#include <string.h>

/* False if the graph mirrors and the recording doesn't say when, or the other way round. */
static inline bool mirrored_as_recorded(const limn_graph *graph, const json_t *mirrored,
                                        limn_moment *moment)
{
    const json_t *recorded = json_array_get(mirrored, (size_t)moment->step);
    int flips = 0;

    for (int k = 0; k < graph->node_count; k++) flips += !strcmp(graph->nodes[k].op->name, "flip");
    if (!flips) return !mirrored;
    for (moment->seed = 0; json_is_boolean(recorded) && moment->seed < 1000; moment->seed++) {
        int fallen = 0;

        for (int k = 0; k < graph->node_count; k++) {
            const limn_node_info *node = &graph->nodes[k];
            limn_random random = { moment->seed, node->args.stream, moment->step };

            fallen += !strcmp(node->op->name, "flip") &&
                      (limn_random_uniform(&random, 0) < node->args.probability) ==
                          json_is_true(recorded);
        }
        if (fallen == flips) return true;
    }
    return false;
}

#endif
