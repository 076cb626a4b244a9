/* SPDX-License-Identifier: Apache-2.0
 *
 * A mistake of PyTorch's that recordings of CUT contain, made again so that they can be compared.
 *
 * In PyTorch (1.13 and 2.15 tried, mkldnn off), the backward pass of instance_norm at batch 1 reads
 * a gradient that lies in memory channels-last as if it were NCHW: values end up at wrong places.
 *
 *     x = torch.randn(1, 16, 16, 16, requires_grad=True); y = F.instance_norm(x)
 *     d = torch.randn_like(y)
 *     a, = torch.autograd.grad(y, x, d, retain_graph=True)
 *     b, = torch.autograd.grad(y, x, d.contiguous(memory_format=torch.channels_last))
 *     (a - b).norm() / a.norm()      # 1.4; it should be 0
 *
 * Gradients get that memory order from the gather of patches (permute, then index), and keep it
 * through sums (whose first part decides) and residual adds, until any other operation.
 * numbers_misread() finds the norms that it reaches in a finished graph and puts the misreading in
 * front of them.  limn itself computes the gradient as it is defined; test_first_step holds that.
 */
#ifndef LIMN_TESTS_NUMBERS_MISREAD_H
#define LIMN_TESTS_NUMBERS_MISREAD_H

#include "net/graph.h"

limn_status numbers_misread(limn_graph *graph, limn_error *error);

/* A bias in front of a norm is taken away again by the norm: its true gradient is zero, what is
 * computed is rounding, and Adam makes steps of full size of it.  Those steps differ between any
 * two programs and change nothing that can be seen, so they are not compared. */
bool numbers_moves_by_rounding(const limn_graph *graph, const char *name);

#endif
