/* SPDX-License-Identifier: Apache-2.0
 *
 * What follows a convolution where oneDNN's primitive cannot do it itself: bias and activation
 * after a backward pass that serves as a transposed convolution, and adding to what is there.  One
 * pass over the memory, in any layout, pictures apart by batch_stride. */
#include "op/dnn_tail.h"
#include "base/cpu.h"
#include "base/threads.h"
#include "op/dnn_api.h"

enum { GRAIN = 16 << 10 }; /* floats worth a thread */

static limn_dnn_tail_kernel *kernel(void)
{
#if defined(__x86_64__)
    if (limn_cpu() == LIMN_CPU_AVX512) return limn_kernels_avx512_dnn_tail;
    if (limn_cpu() == LIMN_CPU_AVX2) return limn_kernels_avx2_dnn_tail;
#endif
    return limn_kernels_base_dnn_tail;
}

/* Units are rows of one channel block; neighbouring rows are done in one call. */
static void rows(void *context, size_t begin, size_t end, int part)
{
    const limn_dnn_tail *tail = context;
    const limn_tensor *out = &tail->out;
    size_t h = (size_t)out->shape.h, w = (size_t)out->shape.w, block = (size_t)out->block;
    size_t blocks = (size_t)out->shape.c / block, bytes = limn_type_bytes(out->type);
    limn_dnn_tail_kernel *run = kernel();

    (void)part;
    for (size_t unit = begin, count; unit < end; unit += count) {
        size_t row = unit % h, b = unit / h % blocks, n = unit / h / blocks;
        size_t within = (b * h + row) * w * block;
        limn_dnn_tail_range range = {
            .out = (char *)out->data + (n * out->batch_stride + within) * bytes,
            .bias = tail->bias ? tail->bias + b * block : NULL,
            .bf16 = out->type == LIMN_BF16,
            .block = block,
            .activation = tail->activation,
            .slope = tail->slope,
        };

        count = h - row < end - unit ? h - row : end - unit;
        range.pixels = count * w;
        if (tail->add)
            range.add = (const char *)tail->add + (n * out->batch_stride + within) * bytes;
        run(&range);
    }
}

void limn_dnn_tail_run(const limn_dnn_tail *tail)
{
    const limn_tensor *out = &tail->out;
    size_t row = (size_t)out->shape.w * (size_t)out->block;
    size_t units = (size_t)out->shape.n * (size_t)(out->shape.c / out->block) *
                   (size_t)out->shape.h;

    limn_parallel(units, GRAIN / row + 1, rows, (void *)tail);
}

typedef struct sum {
    float *to;
    const float *from;
} sum;

static void add(void *context, size_t begin, size_t end, int part)
{
    const sum *job = context;
    limn_dnn_tail_range range = {
        .out = job->to + begin, .add = job->from + begin, .pixels = end - begin, .block = 1
    };

    (void)part;
    kernel()(&range);
}

void limn_dnn_add(float *to, const float *from, size_t count)
{
    sum job = { to, from };

    limn_parallel(count, GRAIN, add, &job);
}
