/* SPDX-License-Identifier: Apache-2.0
 *
 * tools/draw_shapes as the demo uses it: what a network is meant to learn from its pairs must be in
 * them.  Files are read with libvips, which knows nothing of the tool's own PNG writer.
 *
 *     test_draw_shapes PROGRAM */
#include "image/picture.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>

#include <cmocka.h>

enum { SIZE = 96, PAIRS = 6 };

/* Levels a pixel: the highlight of the smallest ball rises by 33, while the palest of the edges,
 * crescent on paper, is 91 in blue. */
static const int steepest = 48;

static const char *program;
static scratch folder;

static int draw(const char *to, const char *arguments)
{
    char command[2000];
    int code;

    snprintf(command, sizeof command, "'%s' '%s/%s' %s 2>'%s/said'", program, folder.folder, to,
             arguments, folder.folder);
    code = system(command);
    return code < 0 || !WIFEXITED(code) ? -1 : WEXITSTATUS(code);
}

static int start(void **state)
{
    (void)state;
    scratch_open(&folder);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    scratch_close(&folder);
    assert_int_equal(limn_memory_live_blocks(), 0);
    return 0;
}

/* The n-th file of a folder in the order of names (they begin with a number), as a path; free it.
 */
static char *file_at(const char *where, int n)
{
    struct dirent **entries;
    char *path = NULL, in[600];
    int count;

    snprintf(in, sizeof in, "%s/%s", folder.folder, where);
    count = scandir(in, &entries, NULL, alphasort);
    assert_true(count > n + 2);
    assert_true(asprintf(&path, "%s/%s", in, entries[n + 2]->d_name) > 0); /* after . and .. */
    for (int i = 0; i < count; i++) free(entries[i]);
    free(entries);
    return path;
}

static int files_in(const char *where)
{
    return scratch_entries(scratch_path(&folder, where));
}

static limn_picture read_at(const char *where, int n)
{
    limn_error error = { 0 };
    limn_picture picture;
    char *path = file_at(where, n);

    if (limn_picture_read(&picture, path, NULL, &error)) fail_msg("%s", error.text);
    free(path);
    assert_int_equal(picture.info.type, LIMN_U8);
    assert_int_equal(picture.info.channels, 3);
    return picture;
}

static const unsigned char *at(const limn_picture *p, int x, int y)
{
    return (const unsigned char *)p->pixels + 3 * (y * p->info.width + x);
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void test_same_arguments_same_files(void **state)
{
    static const char *const where[] = { "train", "val", "test", "drawings" };
    char a[32], b[32];
    int differ = 0;

    (void)state;
    assert_int_equal(draw("one", "--size 48 --train 5 --val 3 --test 2 --seed 7"), 0);
    assert_int_equal(draw("two", "--size 48 --train 5 --val 3 --test 2 --seed 7"), 0);
    assert_int_equal(draw("other", "--size 48 --train 5 --val 3 --test 2 --seed 8"), 0);
    for (int w = 0; w < 4; w++) {
        static const int counts[] = { 5, 3, 2, 2 };

        snprintf(a, sizeof a, "one/%s", where[w]);
        snprintf(b, sizeof b, "two/%s", where[w]);
        assert_int_equal(files_in(a), counts[w]);
        assert_int_equal(files_in(b), counts[w]);
        for (int i = 0; i < counts[w]; i++) {
            char *first = file_at(a, i), *second = file_at(b, i);
            size_t count, count_second;
            char *bytes = scratch_read(first, &count);
            char *bytes_second = scratch_read(second, &count_second);

            assert_string_equal(strrchr(first, '/'), strrchr(second, '/'));
            assert_int_equal(count, count_second);
            assert_memory_equal(bytes, bytes_second, count);
            free(bytes), free(bytes_second), free(first), free(second);
        }
    }
    for (int i = 0; i < 5; i++) {
        limn_picture p = read_at("one/train", i), q = read_at("other/train", i);

        differ += memcmp(p.pixels, q.pixels, 48 * 96 * 3) != 0;
        limn_picture_close(&p);
        limn_picture_close(&q);
    }
    assert_int_equal(differ, 5);
}

/* Train, val and test hold different pictures: else held-out drawings would not be held out. */
static void test_splits_differ(void **state)
{
    static const char *const where[] = { "d/train", "d/val", "d/test" };
    limn_picture pictures[12];

    (void)state;
    assert_int_equal(draw("d", "--size 48 --train 4 --val 4 --test 4"), 0);
    for (int i = 0; i < 12; i++) pictures[i] = read_at(where[i / 4], i % 4);
    for (int i = 0; i < 12; i++)
        for (int k = 0; k < i; k++)
            assert_memory_not_equal(pictures[i].pixels, pictures[k].pixels, 48 * 96 * 3);
    for (int i = 0; i < 12; i++) limn_picture_close(&pictures[i]);
}

static void test_lines_lie_on_edges(void **state)
{
    (void)state;
    assert_int_equal(draw("d", "--size 96 --train 0 --val 0 --test 6 --seed 3"), 0);
    for (int i = 0; i < PAIRS; i++) {
        limn_picture pair = read_at("d/test", i), drawing = read_at("d/drawings", i);
        int lines = 0, white = 0;

        assert_int_equal(pair.info.width, 2 * SIZE);
        assert_int_equal(pair.info.height, SIZE);
        assert_int_equal(drawing.info.width, SIZE);
        for (int y = 0; y < SIZE; y++)
            assert_memory_equal(at(&pair, 0, y), at(&drawing, 0, y), 3 * SIZE);
        for (int y = 1; y < SIZE - 1; y++)
            for (int x = 1; x < SIZE - 1; x++) {
                const unsigned char *a = at(&pair, x, y), *b = at(&pair, SIZE + x, y);
                bool clear = true;

                assert_true(a[0] == a[1] && a[1] == a[2]);
                /* A line in A is a dark line in B. */
                if (a[0] < 30 && ++lines) assert_true(b[0] < 90 && b[1] < 90 && b[2] < 110);
                for (int dy = -1; dy <= 1; dy++)
                    for (int dx = -1; dx <= 1; dx++)
                        clear = clear && at(&pair, x + dx, y + dy)[0] == 255;
                /* Away from lines B has no edge: shading and shadow are soft. */
                if (clear && ++white)
                    for (int c = 0; c < 3; c++) {
                        assert_true(abs(at(&pair, SIZE + x + 1, y)[c] - b[c]) < steepest ||
                                    x + 2 >= SIZE);
                        assert_true(abs(at(&pair, SIZE + x, y + 1)[c] - b[c]) < steepest);
                    }
            }
        assert_true(lines > 100);
        assert_true(white > SIZE * SIZE / 4);
        limn_picture_close(&pair);
        limn_picture_close(&drawing);
    }
}

/* Marks what white of A can be reached from the corner. */
static void flood(const limn_picture *pair, bool *outside)
{
    bool moved = true;

    memset(outside, 0, SIZE * SIZE);
    outside[0] = at(pair, 0, 0)[0] == 255;
    while (moved) {
        moved = false;
        for (int k = 1; k < 2 * SIZE * SIZE; k++) {
            int i = k < SIZE * SIZE ? k : 2 * SIZE * SIZE - 1 - k, x = i % SIZE, y = i / SIZE;

            if (outside[i] || at(pair, x, y)[0] < 255) continue;
            if ((x && outside[i - 1]) || (y && outside[i - SIZE]) ||
                (x < SIZE - 1 && outside[i + 1]) || (y < SIZE - 1 && outside[i + SIZE]))
                moved = outside[i] = true;
        }
    }
}

static void test_colour_follows_kind(void **state)
{
    static const struct {
        const char *kind;
        int r, g, b; /* of tools/shapes.c, to be met within what shading moves */
    } wants[] = { { "star", 0xff, 0xbc, 0x2b },
                  { "heart", 0xe8, 0x43, 0x5a },
                  { "square", 0x8f, 0x6b, 0xdc },
                  { "cross", 0xa4, 0xd0, 0x3c } };
    bool outside[SIZE * SIZE];

    (void)state;
    for (size_t w = 0; w < sizeof wants / sizeof *wants; w++) {
        char arguments[100];

        snprintf(arguments, sizeof arguments, "--size 96 --train 4 --val 0 --test 0 --only %s",
                 wants[w].kind);
        assert_int_equal(draw(wants[w].kind, arguments), 0);
        snprintf(arguments, sizeof arguments, "%s/train", wants[w].kind);
        for (int i = 0; i < 4; i++) {
            limn_picture pair = read_at(arguments, i);
            double sums[3] = { 0 };
            int count = 0;

            flood(&pair, outside);
            for (int k = 0; k < SIZE * SIZE; k++) {
                if (outside[k] || at(&pair, k % SIZE, k / SIZE)[0] < 255) continue;
                count++;
                for (int c = 0; c < 3; c++) sums[c] += at(&pair, SIZE + k % SIZE, k / SIZE)[c];
            }
            assert_true(count > 200);
            assert_true(abs((int)(sums[0] / count) - wants[w].r) < 30);
            assert_true(abs((int)(sums[1] / count) - wants[w].g) < 30);
            assert_true(abs((int)(sums[2] / count) - wants[w].b) < 30);
            limn_picture_close(&pair);
        }
    }
}

static void test_mistakes_are_said(void **state)
{
    static const struct {
        const char *arguments, *says;
        int code;
    } cases[] = { { "--size 8", "--size is \"8\"; it must be a whole number, 32 to 2048", 2 },
                  { "--size 64x", "--size is \"64x\"", 2 },
                  { "--size", "usage:", 2 },
                  { "--colour 3", "there is no setting --colour", 2 },
                  { "--only shoe-box", "there is no kind \"shoe-box\"; there are ball square",
                    2 } };
    size_t count;
    char *said;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(draw("d", cases[i].arguments), cases[i].code);
        assert_non_null(said = scratch_read(scratch_path(&folder, "said"), &count));
        assert_non_null(strstr(said, cases[i].says));
        free(said);
    }
    assert_int_equal(draw("no/such/folder", ""), 1);
    assert_non_null(said = scratch_read(scratch_path(&folder, "said"), &count));
    assert_non_null(strstr(said, "no/such/folder: No such file or directory"));
    free(said);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_same_arguments_same_files, start, stop),
        cmocka_unit_test_setup_teardown(test_splits_differ, start, stop),
        cmocka_unit_test_setup_teardown(test_lines_lie_on_edges, start, stop),
        cmocka_unit_test_setup_teardown(test_colour_follows_kind, start, stop),
        cmocka_unit_test_setup_teardown(test_mistakes_are_said, start, stop),
    };

    if (argc < 2) {
        fputs("usage: test_draw_shapes PROGRAM\n", stderr);
        return 2;
    }
    program = argv[1];
    return cmocka_run_group_tests_name("draw_shapes", tests, NULL, NULL);
}
