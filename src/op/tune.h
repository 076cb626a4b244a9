/* SPDX-License-Identifier: Apache-2.0
 *
 * Choosing how to compute a call: by preference, by what is known, by measuring, by rule.  The
 * caller is the planner; no operation is known by name here. */
#ifndef LIMN_OP_TUNE_H
#define LIMN_OP_TUNE_H

#include "op/op.h"

/* Sets call->methods.  Shapes, types and blocks of the call are known; its memory is not.  until is
 * the time (seconds of limn_tune_clock) up to which unknown shapes are measured: each takes some
 * tenths of a second at most and memory for the call's own tensors, which is given back.  Whatever
 * is chosen stands in the table afterwards.  *measured counts up.  NO_MEMORY is the only error, and
 * only of the table: a way that cannot be measured is not taken. */
limn_status limn_tune_choose(limn_call *call, limn_choices *choices, double until, int *measured,
                             limn_error *error);
double limn_tune_clock(void);

/* "winograd", "winograd + direct"; with whether they were measured.  Empty for calls with one
 * way. */
void limn_tune_text(const limn_call *call, const limn_choices *choices, char *text, size_t size);

#endif
