/* SPDX-License-Identifier: Apache-2.0
 *
 * Files are whole or absent: after every failed call, every refused allocation and after kill -9
 * the target is the old file or the new one, and nothing is left beside it that grows. */
#include "each_folder.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

static void assert_file(const char *path, const char *text)
{
    size_t count;
    char *bytes = scratch_read(path, &count);

    assert_non_null(bytes);
    assert_int_equal(count, strlen(text));
    assert_string_equal(bytes, text);
    free(bytes);
}

static void written_in_pieces_and_at_offsets(void **state)
{
    const char *path = scratch_path(&folder, "a");
    limn_file file;

    (void)state;
    assert_int_equal(limn_file_create(&file, path, &error), LIMN_OK);
    assert_int_equal(limn_file_write(&file, "....", 4, &error), LIMN_OK);
    assert_int_equal(limn_file_write(&file, "body", 4, &error), LIMN_OK);
    assert_int_equal(limn_file_write_at(&file, 1, "hd", 2, &error), LIMN_OK);
    assert_int_equal(limn_file_write(&file, "", 0, &error), LIMN_OK);
    assert_int_equal(limn_file_write(&file, "!", 1, &error), LIMN_OK);
    assert_int_equal(file.written, 9);
    assert_int_equal(limn_file_write_at(&file, 8, "xx", 2, &error), LIMN_BUG);
    assert_int_equal(access(path, F_OK), -1); /* absent until the commit */
    assert_int_equal(limn_file_commit(&file, &error), LIMN_OK);
    limn_file_abandon(&file);
    assert_file(path, ".hd.body!");
    assert_int_equal(scratch_entries(folder.folder), 1);
    assert_int_equal(limn_file_write(&file, "x", 1, &error), LIMN_BUG);
    assert_int_equal(limn_file_commit(&file, &error), LIMN_BUG);
}

static void abandoned_leaves_the_old(void **state)
{
    const char *path = scratch_path(&folder, "a");
    limn_file file = { 0 };

    (void)state;
    limn_file_abandon(&file);
    scratch_write(path, "old", 3);
    assert_int_equal(limn_file_create(&file, path, &error), LIMN_OK);
    assert_int_equal(limn_file_write(&file, "new", 3, &error), LIMN_OK);
    limn_file_abandon(&file);
    assert_file(path, "old");
    assert_int_equal(scratch_entries(folder.folder), 1);
}

static void each_failing_call_leaves_old_or_new(void **state)
{
    const char *path = scratch_path(&folder, "a");
    int n, kept_old = 0;

    (void)state;
    for (n = 0; n < 100; n++) {
        limn_status status;
        size_t count;
        char *bytes;

        scratch_write(path, "old", 3);
        limn_file_fail_after(n);
        status = limn_file_replace(path, "new one", 7, &error);
        limn_file_fail_after(-1);
        assert_int_equal(scratch_entries(folder.folder), 1);
        bytes = scratch_read(path, &count);
        assert_true(!strcmp(bytes, "new one") || (status && !strcmp(bytes, "old")));
        kept_old += !strcmp(bytes, "old");
        free(bytes);
        if (!status) break;
        assert_int_equal(status, LIMN_IO);
        assert_memory_equal(error.text, path, strlen(path));
        assert_non_null(strstr(error.text, "No space left on device; free some space"));
    }
    assert_int_equal(n, 5); /* create, write, flush, rename, flush of the folder */
    assert_int_equal(kept_old, 4);
}

static void each_refused_request_leaves_the_old(void **state)
{
    const char *path = scratch_path(&folder, "a");
    size_t live = limn_memory_live_blocks();
    limn_status status = LIMN_NO_MEMORY;
    int n;

    (void)state;
    scratch_write(path, "old", 3);
    for (n = 0; status && n < 10; n++) {
        assert_file(path, "old");
        limn_memory_refuse_after(n);
        status = limn_file_replace(path, "new", 3, &error);
        limn_memory_refuse_after(-1);
        assert_true(!status || status == LIMN_NO_MEMORY);
        assert_int_equal(limn_memory_live_blocks(), live);
        assert_int_equal(scratch_entries(folder.folder), 1);
    }
    assert_in_range(n, 2, 9);
    assert_file(path, "new");
}

/* A version k is k's letter over and over, and so many bytes: a mixture or a cut shows. */
static size_t version_bytes(unsigned k)
{
    return 30000 + k * 7919 % 200000;
}

static bool is_a_version(const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != bytes[0]) return false;
    for (unsigned k = 0; k < 100000; k++)
        if (version_bytes(k) == count && 'a' + (int)(k % 26) == bytes[0]) return true;
    return false;
}

static void write_versions(const char *path, int ready)
{
    static char bytes[300000];

    for (unsigned k = 0;; k++) {
        size_t count = version_bytes(k), half = count / 2;
        limn_file file;

        memset(bytes, 'a' + (int)(k % 26), count);
        if (limn_file_create(&file, path, NULL) || limn_file_write(&file, bytes, half, NULL) ||
            limn_file_write(&file, bytes, count - half, NULL) || limn_file_commit(&file, NULL))
            _exit(1);
        scratch_at_work(&ready);
    }
}

static void killed_writers_leave_a_whole_file(void **state)
{
    const char *path = scratch_path(&folder, "a");
    int left_behind = 0;

    (void)state;
    assert_int_equal(limn_file_replace(path, "", 0, &error), LIMN_OK);
    for (int round = 0; round < 60; round++) {
        int how, ready;
        pid_t child = scratch_fork(&ready);
        size_t count;
        char *bytes;

        if (!child) write_versions(path, ready);
        usleep((useconds_t)(1000 + round * 331 % 20000));
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &how, 0), child);
        assert_true(WIFSIGNALED(how)); /* it was still writing, and had not failed */
        bytes = scratch_read(path, &count);
        assert_non_null(bytes);
        assert_true(!count || is_a_version(bytes, count));
        free(bytes);
        assert_in_range(scratch_entries(folder.folder), 1, 2); /* it, and what was killed */
        left_behind += scratch_entries(folder.folder) == 2;
    }
    assert_true(left_behind > 0); /* else nobody was killed in the middle */
    assert_int_equal(limn_file_replace(path, "last", 4, &error), LIMN_OK);
    assert_file(path, "last");
    assert_int_equal(scratch_entries(folder.folder), 1);
}

static void two_writers_do_not_mix(void **state)
{
    const char *path = scratch_path(&folder, "a");
    limn_file first, second;

    (void)state;
    assert_int_equal(limn_file_create(&first, path, &error), LIMN_OK);
    assert_int_equal(limn_file_create(&second, path, &error), LIMN_OK);
    assert_int_equal(limn_file_write(&first, "first", 5, &error), LIMN_OK);
    assert_int_equal(limn_file_write(&second, "second", 6, &error), LIMN_OK);
    assert_int_equal(limn_file_commit(&first, &error), LIMN_OK);
    assert_file(path, "first");
    assert_int_equal(limn_file_commit(&second, &error), LIMN_OK);
    assert_file(path, "second");
    assert_int_equal(scratch_entries(folder.folder), 1);
}

static void permissions_are_kept(void **state)
{
    const char *path = scratch_path(&folder, "a");
    mode_t before = umask(027);
    struct stat there;

    (void)state;
    assert_int_equal(limn_file_replace(path, "x", 1, &error), LIMN_OK);
    stat(path, &there);
    assert_int_equal(there.st_mode & 0777, 0640);
    chmod(path, 0604);
    assert_int_equal(limn_file_replace(path, "y", 1, &error), LIMN_OK);
    stat(path, &there);
    assert_int_equal(there.st_mode & 0777, 0604);
    umask(before);
}

static void a_planted_link_is_not_followed(void **state)
{
    char victim[600], temporary[600];

    (void)state;
    snprintf(victim, sizeof victim, "%s/victim", folder.folder);
    snprintf(temporary, sizeof temporary, "%s/a.limn-part", folder.folder);
    scratch_write(victim, "mine", 4);
    assert_int_equal(symlink(victim, temporary), 0);
    assert_int_equal(limn_file_replace(scratch_path(&folder, "a"), "x", 1, &error), LIMN_IO);
    assert_file(victim, "mine");
    unlink(victim); /* nor is a file made at the end of a link that leads nowhere */
    assert_int_equal(limn_file_replace(scratch_path(&folder, "a"), "x", 1, &error), LIMN_IO);
    assert_int_equal(access(victim, F_OK), -1);
}

static void unusable_targets_are_refused(void **state)
{
    limn_file file;

    (void)state;
    assert_int_equal(limn_file_create(&file, folder.folder, &error), LIMN_IO);
    assert_non_null(strstr(error.text, " is a folder; name a file"));
    assert_int_equal(limn_file_create(&file, "/dev/null", &error), LIMN_IO);
    assert_string_equal(error.text, "/dev/null is a device or pipe; name a file to write instead");
    assert_int_equal(limn_file_create(&file, scratch_path(&folder, "no/such"), &error), LIMN_IO);
    assert_non_null(
        strstr(error.text, "/no/such: could not make a temporary file beside it: No such file"));
    limn_file_abandon(&file);
}

static void mapping_sees_the_bytes(void **state)
{
    limn_mapping mapping;

    (void)state;
    scratch_write(scratch_path(&folder, "a"), "some bytes", 10);
    assert_int_equal(limn_file_map(&mapping, folder.path, &error), LIMN_OK);
    assert_int_equal(mapping.count, 10);
    assert_memory_equal(mapping.bytes, "some bytes", 10);
    limn_file_unmap(&mapping);
    assert_null(mapping.bytes);
    limn_file_unmap(&mapping);

    scratch_write(scratch_path(&folder, "empty"), "", 0);
    assert_int_equal(limn_file_map(&mapping, folder.path, &error), LIMN_OK);
    assert_null(mapping.bytes);
    assert_int_equal(mapping.count, 0);

    assert_int_equal(limn_file_map(&mapping, scratch_path(&folder, "none"), &error), LIMN_IO);
    assert_non_null(strstr(error.text, "/none: could not open: No such file"));
    assert_int_equal(limn_file_map(&mapping, folder.folder, &error), LIMN_IO);
    assert_non_null(strstr(error.text, " is a folder; name a file"));
    assert_int_equal(mkfifo(scratch_path(&folder, "pipe"), 0600), 0);
    assert_int_equal(limn_file_map(&mapping, folder.path, &error), LIMN_IO); /* and does not wait */
    assert_non_null(strstr(error.text, " is a device or pipe"));
}

static void folders_are_made_with_those_above(void **state)
{
    char one[600];
    struct stat there;

    (void)state;
    for (int again = 0; again < 2; again++)
        assert_int_equal(limn_folder_make(scratch_path(&folder, "x//y/z/"), &error), LIMN_OK);
    assert_int_equal(stat(folder.path, &there), 0);
    assert_true(S_ISDIR(there.st_mode));
    snprintf(one, sizeof one, "%s", scratch_path(&folder, "x/y"));
    assert_true(limn_file_same(one, scratch_path(&folder, "x/y/../y")));
    assert_false(limn_file_same(one, scratch_path(&folder, "x")));
    assert_false(limn_file_same(one, scratch_path(&folder, "none")));
    snprintf(one, sizeof one, "%s", scratch_path(&folder, "none"));
    assert_false(limn_file_same(one, one));
    assert_int_equal(limn_folder_make("/", &error), LIMN_OK);
    assert_int_equal(limn_folder_make(".", &error), LIMN_OK);
    scratch_write(scratch_path(&folder, "file"), "", 0);
    assert_int_equal(limn_folder_make(folder.path, &error), LIMN_IO);
    assert_non_null(strstr(error.text, "a file of that name is there"));
    assert_int_equal(limn_folder_make(scratch_path(&folder, "file/below"), &error), LIMN_IO);
    limn_file_fail_after(1);
    assert_int_equal(limn_folder_make(scratch_path(&folder, "p/q"), &error), LIMN_IO);
    limn_file_fail_after(-1);
    assert_non_null(strstr(error.text, "No space left on device"));
    limn_memory_refuse_after(0);
    assert_int_equal(limn_folder_make(scratch_path(&folder, "r"), &error), LIMN_NO_MEMORY);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(written_in_pieces_and_at_offsets),
        TEST(abandoned_leaves_the_old),
        TEST(each_failing_call_leaves_old_or_new),
        TEST(each_refused_request_leaves_the_old),
        TEST(killed_writers_leave_a_whole_file),
        TEST(two_writers_do_not_mix),
        TEST(permissions_are_kept),
        TEST(a_planted_link_is_not_followed),
        TEST(unusable_targets_are_refused),
        TEST(mapping_sees_the_bytes),
        TEST(folders_are_made_with_those_above),
    };

    return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
