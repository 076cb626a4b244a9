/* SPDX-License-Identifier: Apache-2.0
 *
 * The processor's own peak, measured: what `limn bench` compares with. */
#ifndef LIMN_OP_PEAK_H
#define LIMN_OP_PEAK_H

#include "tensor/tensor.h"

/* Floating-point operations a second of multiply-adds in registers on all compute threads, best of
 * a few runs of some milliseconds.  BF16: products of bfloat16 summed in float32, in tiles (AMX)
 * where the processor has them, else in vectors; 0 where it has neither. */
double limn_peak_flops(limn_type type);

#endif
