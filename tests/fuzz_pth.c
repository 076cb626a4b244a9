/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzzes the reader of foreign checkpoints: whatever the bytes, it must return, and what it accepts
 * must be readable to the last element and must survive being taken for a network.
 *
 * Two programs from one file.  As it is, a libFuzzer target (clang -fsanitize=fuzzer).  With
 * -DLIMN_FUZZ_MAIN a test of the normal suite: a fixed walk of mutations (bits, numbers that hurt,
 * pieces moved and repeated) of three small files that are built here, one of each kind, the zip
 * archive without checksums so that a change gets past them.  Worth most under AddressSanitizer.
 * Arguments: [source root, ignored] [rounds]. */
#include "base/random.h"
#include "model/deduce.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t count);

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t count)
{
    static float out[4096];
    limn_error error = { 0 };
    limn_arena arena = { 0 };
    limn_checkpoint *c;
    limn_deduced deduced;
    limn_state state;
    size_t i, n;

    if (limn_checkpoint_open_bytes(&c, bytes, count, "fuzz", &error)) {
        if (error.status != LIMN_FORMAT || strlen(error.text) < 10) abort();
        return 0;
    }
    for (i = 0; i < limn_checkpoint_count(c); i++) {
        const limn_checkpoint_tensor *t = limn_checkpoint_at(c, i);

        n = t->saved.count < 4096 ? t->saved.count : 4096;
        if (limn_checkpoint_floats(t, 0, n, out, &error) ||
            limn_checkpoint_floats(t, t->saved.count - n, n, out, &error))
            abort();
    }
    limn_arena_open(&arena, "fuzz", 0);
    if (!limn_state_choose(&state, c, NULL, &arena, &error))
        limn_deduce(&deduced, &state, NULL, &arena, &error);
    limn_arena_close(&arena);
    limn_checkpoint_close(&c);
    return 0;
}

#ifdef LIMN_FUZZ_MAIN

enum { SEED_MAX = 4096, ROUNDS = 60000 };

typedef struct seed {
    unsigned char bytes[SEED_MAX];
    size_t count;
} seed;

static void add(seed *s, const void *bytes, size_t count)
{
    memcpy(s->bytes + s->count, bytes, count);
    s->count += count;
}

static void add_number(seed *s, uint64_t n, int width)
{
    for (; width--; n >>= 8) s->bytes[s->count++] = (unsigned char)n;
}

static void add_text(seed *s, const char *text)
{
    add(s, text, strlen(text));
}

/* {"model.0.weight": a 2x3 float tensor, "n": [1, None], "b": the same storage from 2 on} */
static void add_pickle(seed *s)
{
    static const char start[] = "\x80\x02"
                                "ccollections\nOrderedDict\nq\x00)Rq\x01(";
    static const char call[] = "ctorch._utils\n_rebuild_tensor_v2\nq\x02((X\x07\0\0\0storageq\x03"
                               "ctorch\nFloatStorage\nq\x04X\x01\0\0\0000q\x05X\x03\0\0\0cpuq\x06"
                               "K\x0ctq\x07QK\x00K\x02K\x03\x86K\x03K\x01\x86\x89h\x00)RtR";
    static const char again[] = "h\x02((h\x03h\x04h\x05h\x06K\x0ctQJ\x02\0\0\0K\x04\x85"
                                "\x8a\x01\x02\x85\x89N"
                                "tR";
    static const char end[] = "X\x01\0\0\0nq\x08](K\x01NGe\0\0\0\0\0\0\0eq\x09u}X\x01\0\0\0zN"
                              "sb.";

    add(s, start, sizeof start - 1);
    add(s, "X\x0e\0\0\0model.0.weight", 19);
    add(s, call, sizeof call - 1);
    add(s, "X\x01\0\0\0b", 6);
    add(s, again, sizeof again - 1);
    add(s, end, sizeof end - 1);
}

static void add_local(seed *s, const char *name, size_t size)
{
    add_text(s, "PK\x03\x04");
    add(s, "\x2d\0\0\0\0\0\0\0\0\0\0\0\0\0", 14);
    add_number(s, size, 4);
    add_number(s, size, 4);
    add_number(s, strlen(name), 2);
    add_number(s, 0, 2);
    add_text(s, name);
}

static void add_central(seed *s, const char *name, size_t size, size_t at)
{
    add_text(s, "PK\x01\x02");
    add(s, "\x2d\0\x2d\0\0\0\0\0\0\0\0\0\0\0\0\0", 16); /* checksum 0: not recorded */
    add_number(s, size, 4);
    add_number(s, size, 4);
    add_number(s, strlen(name), 2);
    add_number(s, 0, 8);
    add_number(s, 0, 4);
    add_number(s, at, 4);
    add_text(s, name);
}

static void make_zip(seed *s)
{
    size_t pickle_bytes, data_at, table_at, table_bytes;
    seed pickle = { .count = 0 };

    add_pickle(&pickle);
    pickle_bytes = pickle.count;
    add_local(s, "a/data.pkl", pickle_bytes);
    add(s, pickle.bytes, pickle_bytes);
    data_at = s->count;
    add_local(s, "a/data/0", 48);
    s->count += 48;
    table_at = s->count;
    add_central(s, "a/data.pkl", pickle_bytes, 0);
    add_central(s, "a/data/0", 48, data_at);
    table_bytes = s->count - table_at;
    add(s, "PK\x05\x06\0\0\0\0\x02\0\x02\0", 12);
    add_number(s, table_bytes, 4);
    add_number(s, table_at, 4);
    add_number(s, 0, 2);
}

static void make_legacy(seed *s)
{
    static const char start[] = "\x80\x02\x8a\nl\xfc\x9c"
                                "F\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."
                                "\x80\x02}q\x00X\x0d\0\0\0little_endianq\x01\x88s.";

    add(s, start, sizeof start - 1);
    add_pickle(s);
    add(s,
        "\x80\x02]q\x00X\x01\0\0\0000q\x01"
        "a.",
        15);
    add_number(s, 12, 8);
    s->count += 48;
}

static void make_safetensors(seed *s)
{
    static const char header[] = "{\"model.0.weight\":{\"dtype\":\"F32\",\"shape\":[2,3,1,1],"
                                 "\"data_offsets\":[0,24]}}  ";

    add_number(s, sizeof header - 1, 8);
    add(s, header, sizeof header - 1);
    s->count += 24;
}

static void mutate(unsigned char *bytes, size_t *count, const limn_random *random)
{
    static const uint32_t painful[] = { 0,          1,          0x7f,       0x80,      0xff,
                                        0x7fffffff, 0x80000000, 0xffffffff, 0xfffffff0 };
    uint32_t draw = 0, changes = 1 + limn_random_below(random, draw++, 4), from, to, n, value;

    while (changes-- && *count) {
        from = limn_random_below(random, draw++, (uint32_t)*count);
        switch (limn_random_below(random, draw++, 7)) {
        case 0:
            bytes[from] ^= (unsigned char)(1u << limn_random_below(random, draw++, 8));
            break;
        case 1:
            bytes[from] = (unsigned char)limn_random_word(random, draw++);
            break;
        case 2:
            value = painful[limn_random_below(random, draw++, 9)];
            n = 1u << limn_random_below(random, draw++, 3);
            for (; n-- && from < *count; from++, value >>= 8) bytes[from] = (unsigned char)value;
            break;
        case 3: /* a piece over another place */
            to = limn_random_below(random, draw++, (uint32_t)*count);
            n = 1 + limn_random_below(random, draw++, 24);
            if (from + n <= *count && to + n <= *count) memmove(bytes + to, bytes + from, n);
            break;
        case 4: /* a piece twice */
            n = 1 + limn_random_below(random, draw++, 24);
            if (from + n <= *count && *count + n <= SEED_MAX) {
                memmove(bytes + from + n, bytes + from, *count - from);
                *count += n;
            }
            break;
        case 5: /* a piece out */
            n = 1 + limn_random_below(random, draw++, 24);
            if (from + n <= *count) {
                memmove(bytes + from, bytes + from + n, *count - from - n);
                *count -= n;
            }
            break;
        default:
            bytes[from] = (unsigned char)"(.QRbcetuqhK}])0X\x85\x86\x87\x8a"[from % 21];
        }
    }
    if (!limn_random_below(random, draw++, 40) && *count)
        *count = limn_random_below(random, draw, (uint32_t)*count);
}

int main(int count, char **arguments)
{
    uint64_t rounds = count > 2 ? strtoull(arguments[2], NULL, 10) : ROUNDS, i;
    static seed seeds[3];
    limn_error error = { 0 };
    limn_checkpoint *c;
    size_t bytes, opened = 0;

    make_zip(&seeds[0]);
    make_legacy(&seeds[1]);
    make_safetensors(&seeds[2]);
    for (i = 0; i < 3; i++) {
        if (limn_checkpoint_open_bytes(&c, seeds[i].bytes, seeds[i].count, "seed", &error)) {
            fprintf(stderr, "the unchanged file was refused: %s\n", error.text);
            return 1;
        }
        limn_checkpoint_close(&c);
    }
    for (i = 0; i < rounds; i++) {
        const limn_random random = { 1, 0, i };
        unsigned char *work = malloc(SEED_MAX), *exact;

        bytes = seeds[i % 3].count;
        memcpy(work, seeds[i % 3].bytes, bytes);
        mutate(work, &bytes, &random);
        exact = malloc(bytes ? bytes : 1); /* so that a read beyond the end is seen */
        memcpy(exact, work, bytes);
        LLVMFuzzerTestOneInput(exact, bytes);
        opened += !limn_checkpoint_open_bytes(&c, exact, bytes, "fuzz", &error);
        limn_checkpoint_close(&c);
        free(exact);
        free(work);
    }
    printf("%llu files, %zu opened\n", (unsigned long long)rounds, opened);
    /* Mutations that are never accepted, or always, would test one half of the reader only. */
    return rounds >= 1000 && (opened < rounds / 100 || opened > rounds * 9 / 10);
}
#endif
