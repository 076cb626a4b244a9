/* SPDX-License-Identifier: Apache-2.0
 *
 * The choice of kernels, and the walk over feature maps that elementwise operations share.
 *
 * This is apart from kernels.c because that file exists once for each processor level, and code
 * outside it must not be compiled for a processor that may not be there. */
#include "op/spans.h"
#include "base/cpu.h"

const limn_kernels *limn_kernels_chosen(void)
{
#ifdef __x86_64__
    switch (limn_cpu()) {
    case LIMN_CPU_AVX512:
        return &limn_kernels_avx512;
    case LIMN_CPU_AVX2:
        return &limn_kernels_avx2;
    case LIMN_CPU_BASE:
        break;
    }
#endif
    return &limn_kernels_base;
}

limn_span limn_span_at(limn_shape shape, size_t at, size_t end)
{
    size_t picture = (size_t)shape.c * (size_t)shape.h * (size_t)shape.w;
    limn_span span = { 0 };

    if (at >= end) return span;
    span.picture = at / picture;
    span.offset = at % picture;
    span.count = picture - span.offset < end - at ? picture - span.offset : end - at;
    return span;
}

void *limn_span_data(const limn_tensor *t, const limn_span *span)
{
    if (!t->data) return NULL;
    return (char *)t->data +
           (span->picture * t->batch_stride + span->offset) * limn_type_bytes(t->type);
}

void limn_call_fast(limn_call *call, limn_status (*run)(limn_call *call, limn_error *error))
{
    call->run = run;
    call->implementation = limn_kernels_chosen()->name;
}
