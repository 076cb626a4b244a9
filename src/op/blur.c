/* SPDX-License-Identifier: Apache-2.0
 *
 * Binomial filters: row size - 1 of Pascal's triangle over 2^(size - 1).  Exact in float. */
#include "op/blur.h"

float limn_binomial(int size, int k)
{
    float value = 1, sum = (float)(1 << (size - 1));

    for (int i = 0; i < k; i++) value = value * (float)(size - 1 - i) / (float)(i + 1);
    return value / sum;
}
