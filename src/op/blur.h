/* SPDX-License-Identifier: Apache-2.0
 *
 * The binomial filters that blur_down and blur_up share. */
#ifndef LIMN_OP_BLUR_H
#define LIMN_OP_BLUR_H

enum { LIMN_BLUR_SIZE_MAX = 7 };

/* Value k of the binomial filter of `size` values (1 .. LIMN_BLUR_SIZE_MAX), whose sum is 1. */
float limn_binomial(int size, int k);

#endif
