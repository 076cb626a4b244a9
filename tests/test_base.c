/* SPDX-License-Identifier: Apache-2.0
 *
 * The ground floor: errors, arenas, threads, the processor's level. */
#include "base/cpu.h"
#include "base/crowd.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/threads.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- Errors ---------------------------------------------------------------------------------- */

static void error_is_said_once_and_carried_up(void **state)
{
    limn_error error = { 0 };

    (void)state;
    assert_int_equal(limn_fail(&error, LIMN_FORMAT, "%s: %d bytes", "017.png", 0), LIMN_FORMAT);
    assert_int_equal(error.status, LIMN_FORMAT);
    assert_string_equal(error.text, "017.png: 0 bytes");
    assert_int_equal(limn_while(&error, "pair %d of %d", 17, 400), LIMN_FORMAT);
    assert_int_equal(limn_while(&error, "epoch 3"), LIMN_FORMAT);
    assert_string_equal(error.text, "epoch 3: pair 17 of 400: 017.png: 0 bytes");
}

static void error_may_quote_itself(void **state)
{
    limn_error error = { 0 };

    (void)state;
    limn_fail(&error, LIMN_IO, "inner");
    limn_fail(&error, LIMN_BUG, "outer (%s)", error.text);
    assert_string_equal(error.text, "outer (inner)");
    limn_while(&error, "while %s", error.text);
    assert_string_equal(error.text, "while outer (inner): outer (inner)");
}

static limn_status passes_on(limn_error *error)
{
    LIMN_TRY(limn_fail(error, LIMN_SHAPE, "x"));
    return LIMN_OK;
}

static void error_struct_may_be_missing(void **state)
{
    (void)state;
    assert_int_equal(passes_on(NULL), LIMN_SHAPE);
    assert_int_equal(limn_while(NULL, "pair 3"), LIMN_SHAPE);
    assert_int_equal(limn_fail(NULL, LIMN_IO, "y"), LIMN_IO);
    assert_int_equal(limn_while(NULL, "pair 4"), LIMN_IO);
}

/* Text that is too long ends in "..." at a whole character, in both functions. */
static void error_text_is_cut_at_a_character(void **state)
{
    limn_error error = { 0 };
    char text[1200];

    (void)state;
    for (int shift = 0; shift < 4; shift++) {
        size_t length;

        memset(text, 'a', sizeof text);
        for (size_t i = (size_t)shift; i + 3 < sizeof text; i += 3)
            memcpy(text + i, "\xe2\x82\xac", 3); /* the euro sign */
        text[sizeof text - 1] = '\0';
        limn_fail(&error, LIMN_IO, "%s", text);
        length = strlen(error.text);
        assert_in_range(length, sizeof error.text - 6, sizeof error.text - 1);
        assert_string_equal(error.text + length - 3, "...");
        assert_int_equal((length - 3 - (size_t)shift) % 3, 0);
        limn_while(&error, "%s", "in front");
        assert_memory_equal(error.text, "in front: ", 10);
        assert_string_equal(error.text + strlen(error.text) - 3, "...");
    }
    memset(text, 'b', sizeof error.text - 1);
    text[sizeof error.text - 1] = '\0'; /* the longest that fits stays whole */
    limn_fail(&error, LIMN_IO, "%s", text);
    assert_string_equal(error.text, text);
}

static void error_text_has_no_control_characters(void **state)
{
    limn_error error = { 0 };

    (void)state;
    limn_fail(&error, LIMN_FORMAT, "tensor \"%s\"", "a\x1b[2Jb\nc\x7f");
    assert_string_equal(error.text, "tensor \"a?[2Jb?c?\"");
}

static void status_has_sentence_and_exit_code(void **state)
{
    (void)state;
    assert_string_equal(limn_status_text(LIMN_OK), "no error");
    assert_string_equal(limn_status_text(LIMN_SETTING), "unknown or unusable setting");
    assert_int_equal(limn_status_exit_code(LIMN_OK), 0);
    assert_int_equal(limn_status_exit_code(LIMN_SETTING), 2);
    assert_int_equal(limn_status_exit_code(LIMN_REFUSED_PICTURE), 3);
    assert_int_equal(limn_status_exit_code(LIMN_STOPPED), 130);
    assert_string_equal(limn_status_text((limn_status)99), "unknown status");
    assert_int_equal(limn_status_exit_code((limn_status)-1), 1);
}

/* ---- Memory ---------------------------------------------------------------------------------- */

static void block_is_aligned_and_counted(void **state)
{
    static const size_t sizes[] = { 0, 1, 63, 64, 65, 4096, 2 << 20, (2 << 20) + 1, 5 << 20 };
    size_t live = limn_memory_live_blocks(), requests = limn_memory_requests();

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned char *block = limn_block(sizes[i]);

        assert_non_null(block);
        assert_int_equal((uintptr_t)block % (sizes[i] >= 2 << 20 ? 2 << 20 : 64), 0);
        memset(block, 0xa5, sizes[i]);
        assert_int_equal(limn_memory_live_blocks(), live + 1);
        limn_block_free(block);
        assert_int_equal(limn_memory_live_blocks(), live);
        assert_int_equal(limn_memory_requests(), requests + i + 1);
    }
    limn_block_free(NULL);
    assert_int_equal(limn_memory_live_blocks(), live);
}

static void impossible_sizes_are_refused(void **state)
{
    limn_arena arena;
    limn_error error = { 0 };
    void *p = &arena;

    (void)state;
    assert_null(limn_block(SIZE_MAX));
    assert_null(limn_block(SIZE_MAX - 63));
    limn_arena_open(&arena, "plan", 0);
    assert_null(limn_take(&arena, SIZE_MAX));
    assert_null(limn_take(&arena, SIZE_MAX - 127));
    assert_int_equal(limn_take_into(&p, &arena, SIZE_MAX / 2, &error), LIMN_NO_MEMORY);
    assert_null(p);
    assert_string_equal(error.text, "out of memory: plan wanted 9223372036854775807 more bytes");
    limn_arena_close(&arena);
}

/* Many sizes, each zeroed, aligned, apart from the others, and alive until the close. */
static void arena_gives_separate_zeroed_memory(void **state)
{
    enum { COUNT = 2000 };
    static unsigned char *taken[COUNT];
    static size_t sizes[COUNT];
    limn_random draw = { .seed = 7 };
    size_t live = limn_memory_live_blocks(), sum = 0;
    limn_arena arena;

    (void)state;
    limn_arena_open(&arena, "test", 4096);
    assert_int_equal(limn_memory_live_blocks(), live);
    for (int round = 0; round < 2; round++, sum = 0) { /* the second on the re-used arena */
        for (int i = 0; i < COUNT; i++) {
            sizes[i] = limn_random_below(&draw, (uint64_t)i, i % 50 ? 300 : 20000);
            taken[i] = limn_take(&arena, sizes[i]);
            assert_non_null(taken[i]);
            assert_int_equal((uintptr_t)taken[i] % 64, 0);
            for (size_t k = 0; k < sizes[i]; k++) assert_int_equal(taken[i][k], 0);
            memset(taken[i], i % 255 + 1, sizes[i]);
            sum += sizes[i] ? (sizes[i] + 63) / 64 * 64 : 64;
        }
        assert_int_equal(arena.taken_bytes, sum);
        for (int i = 0; i < COUNT; i++)
            for (size_t k = 0; k < sizes[i]; k++) assert_int_equal(taken[i][k], i % 255 + 1);
        assert_true(limn_memory_live_blocks() > live);
        limn_arena_close(&arena);
        assert_int_equal(limn_memory_live_blocks(), live);
        assert_int_equal(arena.taken_bytes, 0);
    }
}

static void arena_keeps_the_room_beside_a_large_request(void **state)
{
    limn_arena arena;
    unsigned char *first, *second;

    (void)state;
    limn_arena_open(&arena, "test", 4096);
    first = limn_take(&arena, 64);
    assert_non_null(limn_take(&arena, 100000));
    second = limn_take(&arena, 64);
    assert_ptr_equal(second, first + 64);
    limn_arena_close(&arena);
    arena = (limn_arena){ 0 }; /* a closed arena is as good as an open one */
    limn_arena_close(&arena);
    assert_non_null(limn_take(&arena, 10));
    limn_arena_close(&arena);
}

static void arena_takes_texts(void **state)
{
    limn_arena arena;
    char *copy;

    (void)state;
    limn_arena_open(&arena, "test", 0);
    copy = limn_take_text(&arena, "down1");
    assert_string_equal(copy, "down1");
    assert_string_equal(limn_take_format(&arena, "%s.%d.weight", copy, 3), "down1.3.weight");
    assert_string_equal(limn_take_format(&arena, "%s", ""), "");
    limn_arena_close(&arena);
}

static bool use_an_arena(limn_error *error)
{
    limn_arena arena;
    limn_status status = LIMN_OK;
    void *p;

    limn_arena_open(&arena, "model", 256);
    for (int i = 0; i < 20 && !status; i++)
        status = limn_take_into(&p, &arena, (size_t)i * 100, error);
    if (!status && !limn_take_text(&arena, "text")) status = LIMN_NO_MEMORY;
    limn_arena_close(&arena);
    return !status;
}

static void every_refused_request_is_survived(void **state)
{
    size_t live = limn_memory_live_blocks();
    limn_error error = { 0 };
    int n;

    (void)state;
    for (n = 0; n < 1000; n++) {
        bool done;

        limn_memory_refuse_after(n);
        done = use_an_arena(&error);
        limn_memory_refuse_after(-1);
        assert_int_equal(limn_memory_live_blocks(), live);
        if (done) break;
        assert_memory_equal(error.text, "out of memory: model wanted ", 28);
    }
    assert_in_range(n, 3, 999);
}

/* A struct that is gone with the arena that it holds. */
static void a_struct_lies_in_its_arena(void **state)
{
    typedef struct house {
        limn_arena arena;
        int rooms;
        char *name;
    } house;
    size_t live = limn_memory_live_blocks();
    limn_error error = { 0 };
    house *h;

    (void)state;
    limn_memory_refuse_after(0);
    assert_int_equal(limn_open_in_arena(&h, sizeof *h, "a house", 0, &error), LIMN_NO_MEMORY);
    limn_memory_refuse_after(-1);
    assert_null(h);
    assert_non_null(strstr(error.text, "a house"));
    assert_int_equal(limn_open_in_arena(&h, sizeof *h, "a house", 128, &error), LIMN_OK);
    assert_int_equal(h->rooms, 0);
    assert_string_equal(h->arena.name, "a house");
    for (int i = 0; i < 100; i++)
        assert_non_null(h->name = limn_take_format(&h->arena, "%0200d", i)); /* more chunks */
    assert_true(limn_memory_live_blocks() > live + 1);
    limn_close_in_arena(&h);
    assert_null(h);
    assert_int_equal(limn_memory_live_blocks(), live);
}

/* ---- Threads --------------------------------------------------------------------------------- */

typedef struct seen {
    atomic_uchar at[5000];
    atomic_int parts, low_part_mask;
    size_t least;
} seen;

static void mark(void *context, size_t begin, size_t end, int part)
{
    seen *s = context;

    for (size_t i = begin; i < end; i++) atomic_fetch_add(&s->at[i], 1);
    atomic_fetch_add(&s->parts, 1);
    atomic_fetch_or(&s->low_part_mask, 1 << part);
    if (part == 0) s->least = end - begin;
}

static void parallel_covers_each_index_once(void **state)
{
    static const size_t counts[] = { 0, 1, 2, 3, 7, 100, 4999, 5000 },
                        grains[] = { 0, 1, 3, 64, 5000 };
    static seen s;

    (void)state;
    for (int threads = 1; threads <= 7; threads += 2)
        for (size_t c = 0; c < 8; c++)
            for (size_t g = 0; g < 5; g++) {
                size_t grain = grains[g] ? grains[g] : 1, parts = counts[c] / grain;

                if (parts > (size_t)threads) parts = (size_t)threads;
                if (!parts && counts[c]) parts = 1;
                memset(&s, 0, sizeof s);
                limn_compute_threads_set(threads);
                limn_parallel(counts[c], grains[g], mark, &s);
                for (size_t i = 0; i < 5000; i++) assert_int_equal(s.at[i], i < counts[c]);
                assert_int_equal(s.parts, parts);
                assert_int_equal(s.low_part_mask, (1 << parts) - 1);
                if (parts) assert_int_equal(s.least, (counts[c] + parts - 1) / parts);
            }
    limn_compute_threads_set(0);
}

static void nested(void *context, size_t begin, size_t end, int part)
{
    (void)part;
    for (size_t i = begin; i < end; i++) limn_parallel(10, 1, mark, (seen *)context + i);
}

static void parallel_inside_parallel_is_whole(void **state)
{
    static seen s[4];

    (void)state;
    limn_compute_threads_set(4);
    limn_parallel(4, 1, nested, s);
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 10; k++) assert_int_equal(s[i].at[k], 1);
    limn_compute_threads_set(0);
}

static void touch(void *context, size_t begin, size_t end, int part)
{
    seen *s = context;

    assert_int_equal(part, 0);
    for (size_t i = begin; i < end; i++) atomic_fetch_add(&s->at[i], 1);
}

static void uneven_slices_cover_each_index_once(void **state)
{
    static const size_t counts[] = { 0, 1, 7, 64, 4999 }, slices[] = { 1, 3, 64, 10000 };
    static seen s;

    (void)state;
    for (int threads = 1; threads <= 3; threads++)
        for (int c = 0; c < 5; c++)
            for (int k = 0; k < 4; k++) {
                memset(&s, 0, sizeof s);
                limn_compute_threads_set(threads);
                limn_parallel_uneven(counts[c], slices[k], touch, &s);
                for (size_t i = 0; i < 5000; i++) assert_int_equal(s.at[i], i < counts[c]);
            }
    limn_compute_threads_set(0);
}

static void sharing_ends_with_the_last_that_shares(void **state)
{
    (void)state;
    limn_compute_threads_set(2);
    assert_false(limn_compute_crowded());
    for (int i = 0; i < 2; i++) {
        limn_compute_share(true);
        limn_compute_share(true);
        assert_true(limn_compute_crowded());
        limn_compute_share(false);
        assert_true(limn_compute_crowded());
        limn_compute_share(false);
        assert_false(limn_compute_crowded());
    }
    limn_compute_threads_set(0);
}

static void thread_count_has_bounds(void **state)
{
    (void)state;
    limn_compute_threads_set(100000);
    assert_int_equal(limn_compute_threads(), LIMN_PARTS_MAX);
    limn_compute_threads_set(3);
    assert_int_equal(limn_compute_threads(), 3);
    limn_compute_threads_set(0);
    assert_in_range(limn_compute_threads(), 1, sysconf(_SC_NPROCESSORS_CONF));
}

static void thread_count_is_that_of_openmp_programs(void **state)
{
    static const struct {
        const char *asked;
        int threads; /* 0: as if nothing had been asked */
    } cases[] = {
        { "5", 5 }, { "2,3", 2 }, { "100000", LIMN_PARTS_MAX },
        { "0", 0 }, { "-1", 0 },  { "two", 0 },
    };
    const char *before = getenv("OMP_NUM_THREADS");
    char *kept = before ? strdup(before) : NULL;
    int unasked;

    (void)state;
    unsetenv("OMP_NUM_THREADS");
    limn_compute_threads_set(0);
    unasked = limn_compute_threads();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        setenv("OMP_NUM_THREADS", cases[i].asked, 1);
        limn_compute_threads_set(0);
        assert_int_equal(limn_compute_threads(), cases[i].threads ? cases[i].threads : unasked);
        limn_compute_threads_set(3); /* what a setting says goes first */
        assert_int_equal(limn_compute_threads(), 3);
    }
    if (kept)
        setenv("OMP_NUM_THREADS", kept, 1);
    else
        unsetenv("OMP_NUM_THREADS");
    free(kept);
    limn_compute_threads_set(0);
}

static void add_one(void *context)
{
    atomic_fetch_add((atomic_int *)context, 1);
}

/* Two looks in a row, because one alone is what threads make that have just begun. */
static void a_crowd_is_two_looks_in_a_row(void **state)
{
    limn_crowd crowd = { 0 };

    (void)state;
    assert_true(limn_crowd_due(&crowd, 100));
    assert_false(limn_crowd_look(&crowd, 100, 50)); /* the first one has nothing to compare with */
    assert_false(limn_crowd_due(&crowd, 100.05));
    assert_true(limn_crowd_due(&crowd, 100.2));
    assert_false(limn_crowd_look(&crowd, 100.2, 50.1)); /* waited for half of the time: once */
    assert_false(limn_crowd_look(&crowd, 100.4, 50.1));
    assert_false(limn_crowd_look(&crowd, 100.6, 50.2));
    assert_true(limn_crowd_look(&crowd, 100.8, 50.3)); /* twice */
    assert_false(limn_crowd_due(&crowd, 101));         /* and then more seldom */
    assert_true(limn_crowd_look(&crowd, 101.8, 50.6)); /* 30 %: stays as it was */
    assert_true(limn_crowd_look(&crowd, 102.8, 40));   /* a thread has ended: says nothing */
    assert_true(limn_crowd_look(&crowd, 103.8, -1));   /* the kernel does not tell */
    assert_false(limn_crowd_look(&crowd, 104.8, 40.1));
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static volatile double spent;
static void spend(void *context, size_t begin, size_t end, int part)
{
    double sum = 0;

    (void)context, (void)part;
    for (size_t i = begin; i < end; i++) sum += sqrt((double)i);
    spent = sum;
}

/* Real ones: three busy programs for every processor. */
static void other_programs_are_noticed(void **state)
{
    enum { OTHERS = 3, MOST = 24 };
    long count = sysconf(_SC_NPROCESSORS_ONLN) * OTHERS;
    pid_t others[MOST];
    double until;

    (void)state;
    if (limn_crowd_waited() <= 0 || count > MOST) skip();
    for (long i = 0; i < count; i++)
        if (!(others[i] = fork())) {
            prctl(PR_SET_PDEATHSIG, SIGKILL); /* they outlive no test that crashes */
            for (volatile unsigned long k = 0;; k++) continue;
        }
    limn_compute_threads_set(2);
    for (until = seconds() + 20; !limn_compute_crowded() && seconds() < until;) {
        limn_compute_begin();
        limn_parallel(4 << 20, 1, spend, NULL);
        limn_compute_end();
    }
    for (long i = 0; i < count; i++) {
        kill(others[i], SIGKILL);
        waitpid(others[i], NULL, 0);
    }
    assert_true(limn_compute_crowded());
    limn_compute_threads_set(0);
}

static void workers_run_and_are_refused_cleanly(void **state)
{
    size_t live = limn_memory_live_blocks();
    limn_worker *workers[4] = { 0 };
    limn_error error = { 0 };
    atomic_int runs = 0;

    (void)state;
    limn_worker_refuse_after(3);
    for (int i = 0; i < 4; i++) {
        limn_status status = limn_worker_start(&workers[i], add_one, &runs, &error);

        assert_int_equal(status, i < 3 ? LIMN_OK : LIMN_NO_MEMORY);
        assert_int_equal(workers[i] != NULL, i < 3);
    }
    assert_non_null(strstr(error.text, "could not start a worker thread"));
    limn_worker_refuse_after(-1);
    for (int i = 0; i < 4; i++) {
        limn_worker_join(&workers[i]);
        assert_null(workers[i]);
    }
    assert_int_equal(runs, 3);
    limn_memory_refuse_after(0);
    assert_int_equal(limn_worker_start(&workers[0], add_one, &runs, &error), LIMN_NO_MEMORY);
    limn_memory_refuse_after(-1);
    assert_null(workers[0]);
    assert_int_equal(limn_memory_live_blocks(), live);
}

/* ---- Processor ------------------------------------------------------------------------------- */

/* LIMN_CPU is read once; this test therefore sets it before anyone has asked. */
static void cpu_level_can_be_lowered(void **state)
{
    (void)state;
    setenv("LIMN_CPU", "base", 1);
    assert_int_equal(limn_cpu(), LIMN_CPU_BASE);
    assert_false(limn_cpu_has_bf16());
    assert_string_equal(limn_cpu_name(limn_cpu()), "base");
    assert_string_equal(limn_cpu_name(LIMN_CPU_AVX512), "avx512");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpu_level_can_be_lowered),
        cmocka_unit_test(error_is_said_once_and_carried_up),
        cmocka_unit_test(error_may_quote_itself),
        cmocka_unit_test(error_struct_may_be_missing),
        cmocka_unit_test(error_text_is_cut_at_a_character),
        cmocka_unit_test(error_text_has_no_control_characters),
        cmocka_unit_test(status_has_sentence_and_exit_code),
        cmocka_unit_test(block_is_aligned_and_counted),
        cmocka_unit_test(impossible_sizes_are_refused),
        cmocka_unit_test(arena_gives_separate_zeroed_memory),
        cmocka_unit_test(arena_keeps_the_room_beside_a_large_request),
        cmocka_unit_test(arena_takes_texts),
        cmocka_unit_test(a_struct_lies_in_its_arena),
        cmocka_unit_test(every_refused_request_is_survived),
        cmocka_unit_test(parallel_covers_each_index_once),
        cmocka_unit_test(parallel_inside_parallel_is_whole),
        cmocka_unit_test(uneven_slices_cover_each_index_once),
        cmocka_unit_test(sharing_ends_with_the_last_that_shares),
        cmocka_unit_test(thread_count_has_bounds),
        cmocka_unit_test(thread_count_is_that_of_openmp_programs),
        cmocka_unit_test(a_crowd_is_two_looks_in_a_row),
        cmocka_unit_test(other_programs_are_noticed),
        cmocka_unit_test(workers_run_and_are_refused_cleanly),
    };

    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
