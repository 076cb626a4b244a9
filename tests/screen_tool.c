/* SPDX-License-Identifier: Apache-2.0
 *
 * Screens the pictures whose paths come on standard input and counts: the false alarms in
 * docs/safety.md are its output.
 *
 *     find FOLDER -name '*.jpg' | screen_tool [--halves] [--bf16] [--list SCORE]
 *
 * --halves judges the two halves of side-by-side files, --bf16 compares bf16 with fp32, --list
 * names what scores above SCORE (0.5).  Files that are no pictures are counted and left out. */
#include "image/prepare.h"
#include "screen/screen.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FILES = 16 };

typedef struct group {
    char paths[FILES][4096];
    limn_picture pictures[FILES];
    bool readable[FILES];
    size_t count;
} group;

static limn_error error;

static void read_files(void *context, size_t begin, size_t end, int part)
{
    group *g = context;

    (void)part;
    for (size_t i = begin; i < end; i++)
        g->readable[i] = !limn_picture_read(&g->pictures[i], g->paths[i], NULL, NULL);
}

static void must(limn_status status)
{
    if (!status) return;
    fprintf(stderr, "screen_tool: %s\n", error.text);
    exit(1);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
    static const float steps[] = { 0.02f, 0.1f, 0.25f, 0.4f, 0.5f };
    size_t above[5] = { 0 }, pictures = 0, files = 0, unread = 0;
    bool halves = false, bf16 = false;
    float list = 0.5f, most = 0, worst = 0;
    double sum = 0, seconds = 0;
    limn_screen *screen, *other = NULL;
    static group g;
    bool more = true;

    for (int i = 1; i < argc; i++) {
        halves |= !strcmp(argv[i], "--halves");
        bf16 |= !strcmp(argv[i], "--bf16");
        if (!strcmp(argv[i], "--list") && i + 1 < argc) list = strtof(argv[++i], NULL);
    }
    must(limn_screen_open(&screen, LIMN_COMPUTE_AUTO, &error));
    if (bf16) must(limn_screen_open(&other, LIMN_COMPUTE_BF16, &error));
    while (more) {
        limn_screen_subject subjects[2 * FILES];
        limn_screen_verdict verdicts[2 * FILES], others[2 * FILES];
        size_t of[2 * FILES], count = 0;
        double begin;

        for (g.count = 0; g.count < FILES && more; g.count += more) {
            more = fgets(g.paths[g.count], sizeof *g.paths, stdin) != NULL;
            if (more) g.paths[g.count][strcspn(g.paths[g.count], "\n")] = '\0';
        }
        begin = now();
        limn_parallel(g.count, 1, read_files, &g);
        for (size_t i = 0; i < g.count; i++) {
            limn_part part[2] = { { 0 } };

            if (!g.readable[i]) continue;
            if (halves) must(limn_picture_halves(&g.pictures[i].info, &part[0], &part[1], &error));
            for (int k = 0; k <= halves; k++) {
                of[count] = i;
                subjects[count++] = (limn_screen_subject){ &g.pictures[i], part[k] };
            }
        }
        must(limn_screen_pictures(screen, subjects, count, verdicts, &error));
        seconds += now() - begin;
        if (bf16) must(limn_screen_pictures(other, subjects, count, others, &error));
        for (size_t i = 0; i < count; i++) {
            float score = verdicts[i].score;

            for (int k = 0; k < 5; k++) above[k] += score > steps[k];
            if (score > most) most = score;
            sum += (double)score;
            if (score > list) printf("%.3f %s\n", (double)score, g.paths[of[i]]);
            if (bf16 && fabsf(others[i].score - score) > worst)
                worst = fabsf(others[i].score - score);
        }
        pictures += count;
        for (size_t i = 0; i < g.count; i++) {
            files += g.readable[i];
            unread += !g.readable[i];
            if (g.readable[i]) limn_picture_close(&g.pictures[i]);
        }
    }
    printf("%zu pictures of %zu files (%zu not read), %.1f pictures/s with decoding\n", pictures,
           files, unread, seconds > 0 ? (double)pictures / seconds : 0);
    printf("score: mean %.4f, largest %.3f", pictures ? sum / (double)pictures : 0, (double)most);
    for (int k = 0; k < 5; k++) printf("; above %.2f: %zu", (double)steps[k], above[k]);
    printf("\n");
    if (bf16) printf("bf16 and fp32 differ by at most %.5f\n", (double)worst);
    limn_screen_close(&other);
    limn_screen_close(&screen);
    return 0;
}
