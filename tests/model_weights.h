/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights of one network for the tests of model files: made from a seed, and compared. */
#ifndef LIMN_TESTS_MODEL_WEIGHTS_H
#define LIMN_TESTS_MODEL_WEIGHTS_H

#include "net/plan.h"
#include "zoo/zoo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* Named, drawn from the seed; the caller closes them. */
static inline limn_weights *weights_of(const limn_network *network, const char *name, uint64_t seed)
{
    limn_error error = { 0 };
    limn_graph *graph;
    limn_weights *weights;

    assert_false(limn_graph_open(&graph, false, &error));
    limn_apply(graph, name, network,
               limn_input(graph, "x", (limn_shape){ 1, network->input_nc, 32, 32 }), NULL);
    assert_false(limn_weights_open(&weights, &error));
    if (limn_weights_add(weights, graph, &error)) fail_msg("%s", error.text);
    assert_false(limn_weights_initial(weights, NULL, seed, 0.02f, &error));
    limn_graph_close(&graph);
    return weights;
}

/* All parameters have the same bits, or not all of them. */
static inline void expect_equal(limn_weights *a, limn_weights *b, bool equal)
{
    bool same = true;

    assert_int_equal(limn_weights_count(a), limn_weights_count(b));
    for (int i = 0; i < limn_weights_count(a); i++) {
        size_t count = limn_count(limn_weights_at(a, i)->shape);
        float *x = limn_block(count * sizeof *x), *y = limn_block(count * sizeof *y);

        assert_false(limn_weights_get(a, i, x, NULL));
        assert_false(limn_weights_get(b, i, y, NULL));
        same &= !memcmp(x, y, count * sizeof *x);
        limn_block_free(x);
        limn_block_free(y);
    }
    assert_true(same == equal);
}

#endif
