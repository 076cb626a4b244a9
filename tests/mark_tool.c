/* SPDX-License-Identifier: Apache-2.0
 *
 * The marking by itself, for check_provenance.sh: no network, no screening, no encoder between it
 * and the bytes.  Not a program of the house: it is built with the tests and never installed.
 *
 *     mark_tool mark IN OUT [trained|composite] [CERTIFICATE KEY] [TITLE_BYTES]
 *     mark_tool verify FILE [ANCHORS]       prints what it found; exit 0 intact, 1 broken, 2 none
 *     mark_tool time FILE COUNT             milliseconds a picture */
#include "base/file.h"
#include "publish/mark.h"
#include "publish/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char model[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static int complain(const limn_error *error)
{
    fprintf(stderr, "mark_tool: %s (%s)\n", error->text, limn_status_text(error->status));
    return 10 + (int)error->status;
}

static int mark(int count, char **words)
{
    limn_mark_description description = { .software = "limn",
                                          .version = "0.1.0",
                                          .model_sha256 = model };
    bool own = count >= 5;
    size_t title_bytes = count >= 6 ? (size_t)atol(words[5]) : 0;
    char *title = title_bytes ? malloc(title_bytes + 1) : NULL;
    limn_mapping in = { 0 };
    limn_mark_buffer out = { 0 };
    limn_mark_report report = { 0 };
    limn_error error = { 0 };
    limn_status status;

    if (title) {
        memset(title, 't', title_bytes);
        title[title_bytes] = 0;
    }
    description.title = title ? title : words[1];
    if (count >= 3 && !strcmp(words[2], "composite")) description.source = LIMN_MARK_COMPOSITE;
    if (own && !*words[3]) own = false; /* "" "" and a title */
    if (!(status = limn_signer_open(&description.signer, own ? words[3] : NULL,
                                    own ? words[4] : NULL, &error)) &&
        !(status = limn_file_map(&in, words[0], &error)) &&
        !(status = limn_mark(&out, limn_mark_span_of(in.bytes, in.count), &description, &report,
                             &error)))
        status = limn_file_replace(words[1], out.data, out.count, &error);
    if (!status)
        printf("%s: %zu -> %zu bytes%s%s\n", words[1], in.count, out.count,
               report.signed_manifest ? ", signed" : "", report.xmp_dropped ? ", XMP dropped" : "");
    limn_mark_buffer_free(&out);
    limn_file_unmap(&in);
    limn_signer_close(&description.signer);
    free(title);
    return status ? complain(&error) : 0;
}

static int verify(int count, char **words)
{
    limn_verification *found = NULL;
    limn_error error = { 0 };
    int code;

    if (limn_verify_file(&found, words[0], count > 1 ? words[1] : NULL, &error))
        return complain(&error);
    printf("%s: %s\n", words[0], found->sentence);
    for (size_t i = 0; i < found->line_count; i++) printf("    %s\n", found->lines[i]);
    code = found->verdict == LIMN_VERDICT_INTACT   ? 0
           : found->verdict == LIMN_VERDICT_BROKEN ? 1
                                                   : 2;
    limn_verification_close(&found);
    return code;
}

static double now(void)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec * 1e3 + (double)at.tv_nsec / 1e6;
}

static int measure(char **words)
{
    limn_mark_description description = { .software = "limn",
                                          .version = "0.1.0",
                                          .model_sha256 = model };
    limn_mapping in = { 0 };
    limn_error error = { 0 };
    int rounds = atoi(words[1]);
    double start = now(), opened, total = 0, worst = 0;

    if (limn_signer_open(&description.signer, NULL, NULL, &error) ||
        limn_file_map(&in, words[0], &error))
        return complain(&error);
    opened = now() - start;
    for (int i = 0; i < rounds; i++) {
        limn_mark_buffer out = { 0 };
        double took;

        start = now();
        if (limn_mark(&out, limn_mark_span_of(in.bytes, in.count), &description, NULL, &error))
            return complain(&error);
        took = now() - start;
        total += took;
        if (took > worst) worst = took;
        limn_mark_buffer_free(&out);
    }
    printf("%s: %zu bytes; signer %.2f ms once; %.3f ms a picture, worst %.3f ms\n", words[0],
           in.count, opened, total / rounds, worst);
    limn_file_unmap(&in);
    limn_signer_close(&description.signer);
    return 0;
}

int main(int count, char **words)
{
    if (count >= 4 && !strcmp(words[1], "mark")) return mark(count - 2, words + 2);
    if (count >= 3 && !strcmp(words[1], "verify")) return verify(count - 2, words + 2);
    if (count >= 4 && !strcmp(words[1], "time")) return measure(words + 2);
    fprintf(stderr, "mark_tool: mark IN OUT | verify FILE | time FILE COUNT\n");
    return 9;
}
