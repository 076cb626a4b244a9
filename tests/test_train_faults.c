/* SPDX-License-Identifier: Apache-2.0
 *
 * What happens to a training from outside: it is killed at any moment, its disk is full, its
 * folders and pictures vanish under it.  Each ends in a sentence or goes on, and what was saved
 * last is whole: gone on with, the run ends in the same bytes as one that nothing happened to.
 *
 * Everything is the program as people call it, with all that has a state switched on: touches of
 * colour, flips, dropout, the moving average, the pool of CycleGAN, gradients of two batches. */
#include "train_runs.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

static folders f; /* a: nothing happens to it.  b: something does */
static char log_path[400];

static const char common[] =
    "--ngf 4 --ndf 4 --netD n_layers --n-layers-D 2 --crop-size 32 --load-size 36 --n-epochs 3 "
    "--n-epochs-decay 3 --compute fp32 --threads 1 --num-threads 1 --val-pictures 4 "
    "--sheet-pictures 2 --no-tune --save-latest-freq 3 --ema 0.9 --cache-mib 0";
static const char pix2pix[] = "--netG unet_32 --hints 3 --accumulate 2";
static const char cycle_gan[] = "--model cycle_gan --netG resnet_1blocks --pool-size 3 --dropout";

/* Starts `limn train`; --resume when recipe is NULL.  limit: of a file's size, in KiB; 0: none. */
static pid_t begin(const char *out, const char *recipe, long limit)
{
    char command[2400];
    pid_t child;
    int used = limit ? snprintf(command, sizeof command, "ulimit -f %ld; ", 2 * limit) : 0;

    if (recipe)
        snprintf(command + used, sizeof command - (size_t)used, "exec %s train %s --out %s %s %s",
                 program, f.data, out, common, recipe);
    else
        snprintf(command + used, sizeof command - (size_t)used, "exec %s train --resume %s",
                 program, out);
    if (!(child = fork())) {
        int log = open(log_path, O_WRONLY | O_CREAT | O_TRUNC, 0666);

        dup2(log, STDOUT_FILENO);
        dup2(log, STDERR_FILENO);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    assert_true(child > 0);
    return child;
}

/* The exit code, or the signal below zero. */
static int end(pid_t child)
{
    int how;

    assert_int_equal(waitpid(child, &how, 0), child);
    return WIFSIGNALED(how) ? -WTERMSIG(how) : WEXITSTATUS(how);
}

static int train(const char *out, const char *recipe)
{
    return end(begin(out, recipe, 0));
}

static void expect_said(const char *words)
{
    size_t count;
    char *text = scratch_read(log_path, &count);

    assert_non_null(text);
    if (!strstr(text, words)) fail_msg("\"%s\" is not in: %s", words, text);
    free(text);
}

static bool has_ended(pid_t child)
{
    siginfo_t about = { .si_pid = 0 };

    assert_int_equal(waitid(P_PID, (id_t)child, &about, WEXITED | WNOHANG | WNOWAIT), 0);
    return about.si_pid == child;
}

static const char *in_run(const char *out, const char *name)
{
    static char path[400];

    snprintf(path, sizeof path, "%s/%s", out, name);
    return path;
}

/* The last step that the history of b has, or -1. */
static int last_step(void)
{
    sqlite3 *base;
    sqlite3_stmt *s = NULL;
    int found = -1;

    if (sqlite3_open_v2(in_run(f.b, "history.sqlite"), &base, SQLITE_OPEN_READONLY, NULL) ==
            SQLITE_OK &&
        sqlite3_prepare_v2(base, "SELECT max(step) FROM steps", -1, &s, NULL) == SQLITE_OK &&
        sqlite3_step(s) == SQLITE_ROW)
        found = sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(base);
    return found;
}

static void nap(long nanoseconds)
{
    nanosleep(&(struct timespec){ .tv_nsec = nanoseconds }, NULL);
}

/* A run in b, begun (or resumed) and held by SIGSTOP between step and a few steps later.  A busy
 * machine may look too late: then the run is killed, and the answer is 0. */
static pid_t try_to_hold(const char *recipe, int step)
{
    enum { LATE = 9 };
    pid_t child = begin(f.b, recipe, 0);

    while (!has_ended(child) && last_step() < step) nap(2000000);
    kill(child, SIGSTOP);
    if (!has_ended(child) && last_step() <= step + LATE) return child;
    kill(child, SIGKILL);
    end(child);
    return 0;
}

/* The same for a new run, as often as it takes. */
static pid_t held(const char *recipe, int step)
{
    for (int i = 0; i < 50; i++) {
        pid_t child;

        scratch_remove(f.b);
        if ((child = try_to_hold(recipe, step))) return child;
    }
    fail_msg("no run could be held at step %d", step);
    return 0;
}

/* The exit code of a held run that goes on, interrupted so many times. */
static int go_on(pid_t child, int interrupts)
{
    for (int i = 0; i < interrupts; i++) {
        kill(child, SIGINT);
        kill(child, SIGCONT);
    }
    kill(child, SIGCONT);
    return end(child);
}

/* ---- Killed ---------------------------------------------------------------------------------- */

/* Waits until a checkpoint is being written, for the times-th time.  The part of a file may come
 * and go unseen; that there is another checkpoint can't be missed. */
static void wait_for_writing(pid_t child, int times)
{
    char part[400], whole[400];

    snprintf(part, sizeof part, "%s", in_run(f.b, "checkpoint.safetensors.limn-part"));
    snprintf(whole, sizeof whole, "%s", in_run(f.b, "checkpoint.safetensors"));
    for (int i = 1; i <= times; i++) {
        struct stat before = { 0 }, now = { 0 };

        stat(whole, &before);
        do {
            if (i == times && !access(part, F_OK)) return;
            if (has_ended(child)) return;
            nap(50000);
            stat(whole, &now);
        } while (now.st_ino == before.st_ino && now.st_mtim.tv_sec == before.st_mtim.tv_sec &&
                 now.st_mtim.tv_nsec == before.st_mtim.tv_nsec);
    }
}

/* Kills the run some times: in the middle of the writing of a checkpoint, drawn which, or a little
 * later.  How often it could before the run was over. */
static int kill_until_done(const char *recipe, uint64_t seed)
{
    limn_random random = { .seed = seed };
    int kills = 0;

    for (int round = 0; round < 12; round++) {
        bool resumes = !access(in_run(f.b, "checkpoint.safetensors"), F_OK);
        pid_t child = begin(f.b, resumes ? NULL : recipe, 0);
        long later = 1000000 * (long)limn_random_below(&random, 2 * (uint64_t)round, 30);
        int how;

        if (round < 6) {
            wait_for_writing(child,
                             1 + (int)limn_random_below(&random, 2 * (uint64_t)round + 1, 3));
            if (round % 2) nap(later);
            kill(child, SIGKILL);
        }
        how = end(child);
        if (!how) return kills;
        assert_int_equal(how, -SIGKILL);
        kills++;
    }
    fail_msg("the run does not end");
    return 0;
}

/* At least three times; a machine that was too busy for that is asked again. */
static void killed_until_done(const char *recipe)
{
    for (uint64_t seed = 11; kill_until_done(recipe, seed) < 3; seed++) {
        assert_true(seed < 30);
        scratch_remove(f.b);
    }
}

static void expect_same_runs(void)
{
    char query[80];

    expect_same_files(f.a, f.b, "latest.safetensors");
    for (int step = 1; step <= 30; step += 3) {
        snprintf(query, sizeof query, "SELECT sum(value) FROM losses WHERE step = %d", step);
        assert_true(ask(f.a, query) == ask(f.b, query));
    }
    assert_true(ask(f.a, "SELECT count(*) FROM steps") == ask(f.b, "SELECT count(*) FROM steps"));
    assert_int_equal((int)ask(f.b, "SELECT count(*) FROM epochs"), 6);
}

static void test_pix2pix_killed(void **state)
{
    (void)state;
    assert_int_equal(train(f.a, pix2pix), 0);
    killed_until_done(pix2pix);
    expect_same_runs();
    expect_same_files(f.a, f.b, "best.safetensors");
}

static void test_cycle_gan_killed(void **state)
{
    char command[900];

    (void)state;
    snprintf(command, sizeof command,
             "cd %s && cp -r train trainA && mv train trainB && cp -r val valA && mv val valB",
             f.data);
    assert_int_equal(system(command), 0);
    assert_int_equal(train(f.a, cycle_gan), 0);
    killed_until_done(cycle_gan);
    expect_same_runs();
}

/* The first Ctrl-C stops at the next step and saves; two at once are one more than is needed. */
static void test_interrupted(void **state)
{
    pid_t child = 0;
    int how;

    (void)state;
    assert_int_equal(train(f.a, pix2pix), 0);
    for (int i = 0; !child; i++) {
        assert_true(i < 50);
        assert_int_equal(go_on(held(pix2pix, 3), 1), 130);
        expect_said("goes on");
        child = try_to_hold(NULL, 12);
    }
    how = go_on(child, 2);
    assert_true(how == -SIGINT || how == 130);
    assert_int_equal(train(f.b, NULL), 0);
    expect_same_runs();
}

/* ---- Disk and folders ------------------------------------------------------------------------ */

/* Holds a run at that step and does something to it; the exit code. */
static int harmed(const char *recipe, int step, void (*harm)(void))
{
    pid_t child = held(recipe, step);

    harm();
    return go_on(child, 0);
}

static void rename_or_fail(const char *from, const char *to)
{
    char path[500];

    snprintf(path, sizeof path, "%s/%s", f.s.folder, from);
    assert_int_equal(rename(path, scratch_path(&f.s, to)), 0);
}

/* No file may become larger than half a checkpoint: as on a disk that is full. */
static void test_full_disk(void **state)
{
    size_t count;

    (void)state;
    assert_int_equal(train(f.a, pix2pix), 0);
    assert_int_equal(go_on(held(pix2pix, 3), 1), 130);
    free(scratch_read(in_run(f.b, "checkpoint.safetensors"), &count));
    assert_int_equal(end(begin(f.b, NULL, (long)count / 2048)), 1);
    expect_said(f.b); /* names the file */
    assert_int_equal(train(f.b, NULL), 0);
    expect_same_runs();
}

static const char *goes; /* a folder */

static void take_away(void)
{
    rename_or_fail(goes, "elsewhere");
}

/* In the middle of a run the folder vanishes and is missed, then when the run goes on; it comes
 * back and all is well. */
static void goes_and_comes_back(const char *name, const char *missed, const char *where,
                                const char *then)
{
    goes = name;
    assert_int_equal(train(f.a, pix2pix), 0);
    assert_int_equal(harmed(pix2pix, 6, take_away), 1);
    expect_said(missed);
    expect_said(where);
    assert_int_equal(train(f.b, NULL), 1);
    expect_said(then);
    rename_or_fail("elsewhere", name);
    assert_int_equal(train(f.b, NULL), 0);
}

static void test_data_folder_vanishes(void **state)
{
    (void)state;
    goes_and_comes_back("data", "pictures can't be read", f.data, f.data);
    expect_same_runs();
}

static void test_run_folder_vanishes(void **state)
{
    (void)state;
    goes_and_comes_back("b", f.b, f.b, "checkpoint.safetensors");
    expect_same_files(f.a, f.b, "latest.safetensors");
}

static void break_pictures(void)
{
    scratch_write(scratch_path(&f.s, "data/train/004.png"), "no picture", 10);
    assert_int_equal(unlink(scratch_path(&f.s, "data/val/002.png")), 0);
}

static void test_pictures_break(void **state)
{
    (void)state;
    assert_int_equal(harmed(pix2pix, 6, break_pictures), 0);
    expect_said("train/004.png");
    expect_said("val/002.png");
    assert_int_equal((int)ask(f.b, "SELECT count(*) FROM steps"), 30);
    assert_int_equal((int)ask(f.b, "SELECT count(*) FROM epochs"), 6);
    assert_true(ask(f.b, "SELECT count(*) FROM events WHERE kind = 'broken'") >= 2);
}

static int start(void **state)
{
    (void)state;
    open_folders(&f);
    snprintf(log_path, sizeof log_path, "%s/log", f.s.folder);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    scratch_close(&f.s);
    return 0;
}

int main(int argc, char **argv)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        CASE(test_pix2pix_killed), CASE(test_cycle_gan_killed),     CASE(test_interrupted),
        CASE(test_full_disk),      CASE(test_data_folder_vanishes), CASE(test_run_folder_vanishes),
        CASE(test_pictures_break),
    };

    if (argc < 3) {
        fprintf(stderr, "usage: test_train_faults ROOT PROGRAM [TEST]\n");
        return 2;
    }
    program = argv[2];
    if (argc > 3) cmocka_set_test_filter(argv[3]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
