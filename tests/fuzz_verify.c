/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzzes the reader of marks, and the marking itself, which reads the same containers and merges
 * the XMP that it finds: no input may crash them, leak, or be called intact with something missing.
 * What was marked must then read as marked.
 *
 * With libFuzzer: clang -fsanitize=fuzzer,address,undefined, this file as it is.  With
 * LIMN_FUZZ_MAIN it is an ordinary test: a fixed walk of mutations from marked pictures, the same
 * on every machine (but for the keys and identifiers in the seeds, which are made anew each time).
 * The checksum of a PNG's manifest is put right again, since otherwise that would be all that is
 * found.
 *
 *     fuzz_verify [IGNORED [ITERATIONS]]        LIMN_FUZZ_FILE=x writes each input to x first */
#include "mark_samples.h"
#include "publish/mark.h"
#include "publish/verify.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t intact, broken, none, marked_again;

static void demand(bool holds, const char *what)
{
    if (holds) return;
    fprintf(stderr, "fuzz_verify: %s\n", what);
    abort();
}

/* Everything that a verification offers can be read. */
static void look(const limn_verification *v)
{
    const char *const texts[] = { v->sentence, v->format, v->manifest,        v->generator,
                                  v->title,    v->action, v->source_type,     v->algorithm,
                                  v->signer,   v->issuer, v->xmp_source_type, v->xmp_tool,
                                  v->xmp_model };
    size_t bytes = 0;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i]) bytes += strlen(texts[i]);
    for (size_t i = 0; i < v->line_count; i++) bytes += strlen(v->lines[i]);
    demand(bytes > 0 && v->sentence && v->format, "a verdict without a sentence");
    if (v->verdict == LIMN_VERDICT_INTACT)
        demand(v->binding == LIMN_SEAL_GOOD && v->assertions == LIMN_SEAL_GOOD &&
                   v->signature == LIMN_SEAL_GOOD && v->signer && v->algorithm,
               "called intact with something missing");
    intact += v->verdict == LIMN_VERDICT_INTACT;
    broken += v->verdict == LIMN_VERDICT_BROKEN;
    none += v->verdict == LIMN_VERDICT_NONE;
}

/* XMP alone: a signature an input would be all that the time goes into. */
static void mark_again(const uint8_t *data, size_t size)
{
    limn_mark_description description = { .software = "limn", .version = "1" };
    limn_mark_buffer out = { 0 };
    limn_verification *found = NULL;
    limn_error error = { 0 };

    if (limn_mark(&out, limn_mark_span_of(data, size), &description, NULL, &error)) {
        demand(error.status && error.text[0], "marking refused without a sentence");
    } else {
        demand(!limn_verify_bytes(&found, out.data, out.count, "marked", NULL, &error),
               "what was marked can't be read");
        demand(found->xmp_source_type && strstr(found->xmp_source_type, "/trainedAlgorithmicMedia"),
               "what was marked does not say so");
        demand(found->verdict == LIMN_VERDICT_NONE, "an old manifest was left");
        marked_again++;
    }
    limn_verification_close(&found);
    limn_mark_buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t live = limn_memory_live_blocks();
    limn_verification *found = NULL;
    limn_error error = { 0 };
    uint8_t *copy = malloc(size ? size : 1); /* of its own size, for the address sanitizer */

    if (!copy) return 0;
    if (size) memcpy(copy, data, size);
    if (limn_verify_bytes(&found, copy, size, "fuzz", NULL, &error))
        demand(!found && error.status && error.text[0], "refused without a sentence");
    else
        look(found);
    limn_verification_close(&found);
    mark_again(copy, size);
    free(copy);
    demand(limn_memory_live_blocks() == live, "a block was left behind");
    return 0;
}

#ifdef LIMN_FUZZ_MAIN

enum { SEEDS = 7, ITERATIONS = 8000, GROW_MAX = 64 };

static uint64_t state = 1;

static size_t below(size_t limit)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)((state >> 33) % limit);
}

static const char xmp[] =
    "<x:xmpmeta xmlns:x='adobe:ns:meta/'><r:RDF "
    "xmlns:r='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
    "<r:Description r:about='' xmlns:e='http://ns.adobe.com/exif/1.0/' e:GPSLatitude='1,2N' "
    "e:x='3'>"
    "<e:y><r:Bag><r:li>&amp;&#65;</r:li></r:Bag></e:y></r:Description></r:RDF></x:xmpmeta>";

static void make_seeds(limn_mark_buffer seeds[SEEDS])
{
    limn_mark_description description = { .software = "limn", .version = "1", .title = "a title" };
    limn_error error = { 0 };

    demand(!limn_signer_open(&description.signer, NULL, NULL, &error), error.text);
    for (int i = 0; i < SEEDS; i++) {
        limn_mark_buffer in = { 0 };

        if (i == 0)
            sample_png(&in, 4, 8, NULL, NULL, 0);
        else if (i == 1)
            limn_mark_put(&in, sample_jpeg, sizeof sample_jpeg);
        else if (i == 2)
            limn_mark_put(&in, sample_webp, sizeof sample_webp);
        else
            sample_tiff(&in, i & 1, i > 4, NULL);
        description.xmp = limn_mark_span_of(xmp, sizeof xmp - 1);
        demand(!limn_mark(&seeds[i], limn_mark_written(&in), &description, NULL, &error),
               error.text);
        limn_mark_buffer_free(&in);
    }
    limn_signer_close(&description.signer);
}

static size_t mutate(uint8_t *at, size_t count, size_t room)
{
    static const uint8_t telling[] = { 0,    1,    0x7f, 0x80, 0xff, 0x9f,
                                       0xbf, 0x5f, 0x1b, 0x3b, 0x5b, 0xdb };
    size_t changes = 1 + below(4);

    for (size_t i = 0; i < changes && count > 4; i++) {
        size_t where = below(count), length = 1 + below(GROW_MAX);

        switch (below(7)) {
        case 0:
            at[where] ^= (uint8_t)(1 << below(8));
            break;
        case 1:
            at[where] = telling[below(sizeof telling)];
            break;
        case 2: /* a length that is far too large */
            for (size_t k = 0; k < 4 && where + k < count; k++) at[where + k] = 0xff;
            break;
        case 3: /* taken out */
            if (length > count - where) length = count - where;
            memmove(at + where, at + where + length, count - where - length);
            count -= length;
            break;
        case 4: /* doubled */
            if (length > count - where) length = count - where;
            if (count + length > room) break;
            memmove(at + where + length, at + where, count - where);
            count += length;
            break;
        case 5: /* one place copied to another */
            if (length > count - where) length = count - where;
            memmove(at + below(count - length + 1), at + where, length);
            break;
        default: /* cut, seldom */
            if (!below(8)) count = where;
        }
    }
    return count;
}

/* Gives every chunk of a PNG the checksum of what it holds now. */
static void repair(uint8_t *at, size_t count)
{
    size_t place = 8;

    if (count < 8 || memcmp(at, "\x89PNG", 4)) return;
    while (count - place >= 12) {
        size_t length = limn_mark_u32(at + place);
        uint32_t crc;

        if (length > count - place - 12) return;
        crc = sample_crc(at + place + 4, length + 4);
        for (size_t i = 0; i < 4; i++) at[place + 8 + length + i] = (uint8_t)(crc >> (24 - 8 * i));
        place += length + 12;
    }
}

static void keep(const uint8_t *data, size_t size)
{
    const char *path = getenv("LIMN_FUZZ_FILE");
    FILE *file = path ? fopen(path, "wb") : NULL;

    if (!file) return;
    fwrite(data, 1, size, file);
    fclose(file);
}

int main(int count, char **words)
{
    long iterations = count > 2 ? atol(words[2]) : ITERATIONS;
    limn_mark_buffer seeds[SEEDS] = { 0 };
    size_t room = 0;
    uint8_t *work;

    make_seeds(seeds);
    for (int i = 0; i < SEEDS; i++) {
        LLVMFuzzerTestOneInput(seeds[i].data, seeds[i].count);
        if (seeds[i].count > room) room = seeds[i].count;
    }
    demand(intact == 2 && none == 5 && marked_again == 7, "the seeds are not what they should be");
    room += 4 * GROW_MAX;
    if (!(work = malloc(room))) return 1;
    for (long i = 0; i < iterations; i++) {
        const limn_mark_buffer *seed = &seeds[below(4) ? below(2) : below(SEEDS)];
        size_t size;

        memcpy(work, seed->data, seed->count);
        size = mutate(work, seed->count, room);
        if (below(8)) repair(work, size);
        keep(work, size);
        LLVMFuzzerTestOneInput(work, size);
    }
    printf("fuzz_verify: %ld inputs, %zu intact, %zu broken, %zu without a manifest, %zu marked "
           "again\n",
           iterations, intact, broken, none, marked_again);
    demand(broken > (size_t)iterations / 4 && marked_again > 0, "hardly any input got anywhere");
    for (int i = 0; i < SEEDS; i++) limn_mark_buffer_free(&seeds[i]);
    free(work);
    return 0;
}

#endif
