/* SPDX-License-Identifier: Apache-2.0
 *
 * In bf16 trainings every convolution reads weights in two layouts of bfloat16, one a direction,
 * and both change with each update.  oneDNN's reorder makes them at 13 to 16 GB/s: 45 of the 189 ms
 * of a pix2pix step with AMX.  Here it is one pass at the speed of memory for the layouts that
 * occur; others, and channel counts that would need padding, stay with oneDNN (dnn.c asks).  From
 * plain weights too, as files have them: that was a third of the time from the start of the program
 * to its first picture.
 *
 * In float32 there is one such layout, the 16 x 16 weights of a tap turned, and the loop is here
 * for the sake of the update, which packs weights that it has at hand (net/plan_packs.c). */
#include "op/pack.h"
#include "base/cpu.h"

bool limn_pack_fits(const limn_pack *p)
{
    return p->outs % (size_t)p->layout.out_block == 0 && p->ins % (size_t)p->layout.in_block == 0 &&
           (!p->plain || (p->taps == LIMN_PACK_LANES && !p->floats)) &&
           (!p->floats ||
            (p->layout.out_block == LIMN_PACK_LANES && p->layout.in_block == LIMN_PACK_LANES));
}

static limn_loop_body kernel(void)
{
#if defined(__x86_64__)
    if (limn_cpu() == LIMN_CPU_AVX512) return limn_kernels_avx512_pack;
    if (limn_cpu() == LIMN_CPU_AVX2) return limn_kernels_avx2_pack;
#endif
    return limn_kernels_base_pack;
}

void limn_pack_run(const limn_pack *p)
{
    size_t units = p->outs / (size_t)p->layout.out_block * (p->ins / (size_t)p->layout.in_block);
    size_t weights = (size_t)p->layout.out_block * (size_t)p->layout.in_block * p->taps;

    limn_parallel_uneven(units, (64 << 10) / weights + 1, kernel(), (void *)p);
}

void limn_pack_one(const limn_pack *p, const limn_piece *piece)
{
    size_t out_block = (size_t)p->layout.out_block, in_block = (size_t)p->layout.in_block;
    size_t across = p->ins / in_block, in = piece->in / in_block;
    limn_loop_body body = kernel();
    limn_pack own = *p;

    own.streams = own.floats;
    for (size_t out = piece->out / out_block; out < (piece->out + piece->outs) / out_block; out++)
        body(&own, out * across + in, out * across + in + piece->ins / in_block, 0);
}

static size_t least_common(size_t a, int b)
{
    size_t multiple = a;

    while (multiple % (size_t)b) multiple += a;
    return multiple;
}

void limn_pack_piece(const limn_pack *const *packs, int count, size_t least, size_t *outs,
                     size_t *ins)
{
    *outs = *ins = least;
    for (int k = 0; k < count; k++) {
        *outs = least_common(*outs, packs[k]->layout.out_block);
        *ins = least_common(*ins, packs[k]->layout.in_block);
    }
}
