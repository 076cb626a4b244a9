/* SPDX-License-Identifier: Apache-2.0
 *
 * Peak: chains of multiply-adds that are independent enough to keep every unit busy (latency 4, two
 * units: eight chains; twelve leave room).  Functions carry their processor level themselves,
 * because the compiler must not be left to choose how to vectorise what is being measured.  With
 * AMX it is four tiles of sums over two and two of factors, which is how kernels use the eight. */
#include "op/peak.h"
#include "base/cpu.h"
#include "base/threads.h"
#include "op/gradient.h"

#include <time.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { CHAINS = 12, TURNS = 200000, TRIALS = 5 };

/* Written out: a loop over an array of chains would go through memory. */
#define EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)

static volatile float sink[LIMN_PARTS_MAX];

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static float fma_avx512(void)
{
    __m512 a = _mm512_set1_ps(1.0000001f), b = _mm512_set1_ps(1e-9f);
#define X(i) __m512 chain##i = _mm512_set1_ps((float)i);
    EACH(X)
#undef X
    for (int t = 0; t < TURNS; t++) {
#define X(i) chain##i = _mm512_fmadd_ps(chain##i, a, b);
        EACH(X)
#undef X
    }
#define X(i)                                                                                       \
    if (i) chain0 = _mm512_add_ps(chain0, chain##i);
    EACH(X)
#undef X
    return _mm512_reduce_add_ps(chain0);
}

__attribute__((target("avx2,fma"))) static float fma_avx2(void)
{
    __m256 a = _mm256_set1_ps(1.0000001f), b = _mm256_set1_ps(1e-9f);
#define X(i) __m256 chain##i = _mm256_set1_ps((float)i);
    EACH(X)
#undef X
    for (int t = 0; t < TURNS; t++) {
#define X(i) chain##i = _mm256_fmadd_ps(chain##i, a, b);
        EACH(X)
#undef X
    }
#define X(i)                                                                                       \
    if (i) chain0 = _mm256_add_ps(chain0, chain##i);
    EACH(X)
#undef X
    return _mm256_cvtss_f32(chain0);
}

__attribute__((target("avx512f,avx512bw,avx512bf16"))) static float dot_bf16(void)
{
    __m512bh a = (__m512bh)_mm512_set1_epi16(0x3f80), b = (__m512bh)_mm512_set1_epi16(0x3c00);
#define X(i) __m512 chain##i = _mm512_set1_ps((float)i);
    EACH(X)
#undef X
    for (int t = 0; t < TURNS; t++) {
#define X(i) chain##i = _mm512_dpbf16_ps(chain##i, a, b);
        EACH(X)
#undef X
    }
#define X(i)                                                                                       \
    if (i) chain0 = _mm512_add_ps(chain0, chain##i);
    EACH(X)
#undef X
    return _mm512_reduce_add_ps(chain0);
}

enum { TILE_FLOPS = 2 * 16 * 16 * 32, TILE_SUMS = 4 };

/* Factors are zero: it takes as long. */
__attribute__((target("amx-tile,amx-bf16"))) static float tiles_bf16(void)
{
    limn_gradient_tiles();
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
    _tile_zero(6);
    _tile_zero(7);
    for (int t = 0; t < TURNS; t++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_release();
    return 0;
}
#endif

static float plain(void)
{
    float chain[4 * CHAINS];

    for (int i = 0; i < 4 * CHAINS; i++) chain[i] = (float)i;
    for (int t = 0; t < TURNS; t++)
        for (int i = 0; i < 4 * CHAINS; i++) chain[i] = chain[i] * 1.0000001f + 1e-9f;
    for (int i = 1; i < 4 * CHAINS; i++) chain[0] += chain[i];
    return chain[0];
}

typedef struct kind {
    float (*loop)(void);
    double flops; /* a turn of its loop */
} kind;

static void body(void *context, size_t begin, size_t end, int part)
{
    const kind *k = context;

    for (size_t i = begin; i < end; i++) sink[part] = k->loop();
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double limn_peak_flops(limn_type type)
{
    kind k = { plain, CHAINS * 4 * 2 };
    double best = 0, work;
    int threads = limn_compute_threads();

#if defined(__x86_64__)
    if (limn_cpu() == LIMN_CPU_AVX2) k = (kind){ fma_avx2, CHAINS * 8 * 2 };
    if (limn_cpu() == LIMN_CPU_AVX512) k = (kind){ fma_avx512, CHAINS * 16 * 2 };
    if (type == LIMN_BF16) {
        if (!limn_cpu_has_bf16()) return 0;
        k = limn_dnn_has_amx() ? (kind){ tiles_bf16, TILE_SUMS * TILE_FLOPS }
                               : (kind){ dot_bf16, CHAINS * 16 * 4 };
    }
#else
    if (type == LIMN_BF16) return 0;
#endif
    work = TURNS * k.flops * threads;
    for (int i = 0; i < TRIALS; i++) {
        double begin = seconds(), time;

        limn_parallel((size_t)threads, 1, body, &k);
        time = seconds() - begin;
        if (work / time > best) best = work / time;
    }
    return best;
}
