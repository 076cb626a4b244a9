/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzzes the safetensors reader: no input may crash it, read outside the bytes, leak, or be
 * accepted with a tensor that is not wholly inside the data.
 *
 * With libFuzzer: clang -fsanitize=fuzzer,address,undefined, this file as it is.  With
 * LIMN_FUZZ_MAIN it is an ordinary test: a fixed walk of mutations from a few seeds, the same on
 * every machine.  Most mutants have their header length put right again, because otherwise nearly
 * all of them would end at the first check.
 *
 *     fuzz_safetensors [IGNORED [ITERATIONS]]        LIMN_FUZZ_FILE=x writes each input to x first
 */
#include "base/memory.h"
#include "tensor/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t accepted;

static void demand(bool holds, const char *what)
{
    if (holds) return;
    fprintf(stderr, "fuzz_safetensors: %s\n", what);
    abort();
}

/* Looks at everything that an accepted file offers. */
static void walk(const limn_safetensors *file, const uint8_t *data, size_t size)
{
    size_t bytes = 0;

    for (size_t i = 0; i < limn_safetensors_count(file); i++) {
        const limn_saved_tensor *t = limn_safetensors_at(file, i);
        size_t all = t->count * limn_type_bytes(t->type), product = 1;
        const uint8_t *at = t->data;
        limn_error error = { 0 };
        float some[16];

        for (int d = 0; d < t->dims; d++) product *= (size_t)t->size[d];
        demand(product == t->count, "the count is not the product of the sizes");
        demand(at >= data && at + all <= data + size, "a tensor is outside the file");
        demand(limn_safetensors_find(file, t->name) == t, "a name finds another tensor");
        for (size_t first = 0; first < t->count; first += 16) {
            size_t count = t->count - first < 16 ? t->count - first : 16;

            if (limn_saved_floats(t, first, count, some, &error)) {
                demand(t->type == LIMN_BOOL && error.text[0], "a number was refused");
                break;
            }
        }
        bytes += all;
    }
    for (size_t i = 0; i < limn_safetensors_texts(file); i++) {
        limn_saved_text text = limn_safetensors_text_at(file, i);

        demand(limn_safetensors_text(file, text.key) == text.value, "a key finds another text");
    }
    demand(bytes <= size - 8, "the tensors hold more than the file");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t live = limn_memory_live_blocks();
    limn_safetensors *file = NULL;
    limn_error error = { 0 };
    uint8_t *copy = malloc(size ? size : 1); /* of its own size, for the address sanitizer */

    if (!copy) return 0;
    if (size) memcpy(copy, data, size);
    if (limn_safetensors_open_bytes(&file, copy, size, "fuzz", &error)) {
        demand(!file && error.status && error.text[0], "refused without a sentence");
    } else {
        demand(file != NULL && size >= 8, "accepted without a file");
        walk(file, copy, size);
        accepted++;
    }
    limn_safetensors_close(&file);
    demand(limn_memory_live_blocks() == live, "a block is left");
    free(copy);
    return 0;
}

#ifdef LIMN_FUZZ_MAIN
#include "base/random.h"

enum { ROOM = 1024 };

typedef struct input {
    uint8_t bytes[ROOM];
    size_t size;
} input;

static const struct {
    const char *header;
    size_t data_bytes;
} seeds[] = {
    { "{}", 0 },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}}", 24 },
    { "{\"__metadata__\":{\"k\":\"v\",\"format\":\"pt\"},\"w\":{\"dtype\":\"BF16\",\"shape\":[4],"
      "\"data_offsets\":[0,8]},\"s\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[8,16]}}   ",
      16 },
    { "{\"e\":{\"dtype\":\"U8\",\"shape\":[0,5],\"data_offsets\":[3,3]},\"b\":{\"dtype\":\"BOOL\","
      "\"shape\":[3],\"data_offsets\":[0,3]},\"h\":{\"dtype\":\"F16\",\"shape\":[1,1,1,1,1,1,1,2],"
      "\"data_offsets\":[3,7]}}",
      7 },
};
static const char *const words[] = {
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "0",
    "1",
    "-1",
    "8",
    "9223372036854775807",
    "18446744073709551616",
    "4294967296",
    "1e9",
    "null",
    "true",
    "\"dtype\"",
    "\"shape\"",
    "\"data_offsets\"",
    "\"__metadata__\"",
    "\"F64\"",
    "\"U8\"",
    "\"F8_E5M2\"",
    "\\u0000",
    "\\ud800",
    "\xff",
    "\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},",
    " ",
};

static limn_random draw = { .seed = 2026 };
static uint64_t drawn;

static size_t below(size_t limit)
{
    return limit ? limn_random_below(&draw, drawn++, (uint32_t)limit) : 0;
}

static void put_length(input *in, uint64_t length)
{
    if (in->size >= 8) memcpy(in->bytes, &length, 8);
}

static void replace(input *in, size_t at, size_t drop, const void *bytes, size_t count)
{
    if (drop > in->size - at) drop = in->size - at;
    if (in->size - drop + count > ROOM) return;
    memmove(in->bytes + at + count, in->bytes + at + drop, in->size - at - drop);
    memcpy(in->bytes + at, bytes, count);
    in->size = in->size - drop + count;
}

/* One small change somewhere. */
static void mutate(input *in)
{
    const char *word = words[below(sizeof words / sizeof *words)];
    size_t at = below(in->size + 1);
    uint8_t piece[32];

    switch (below(7)) {
    case 0: /* another byte */
        if (at < in->size) in->bytes[at] = (uint8_t)below(256);
        break;
    case 1: /* another bit */
        if (at < in->size) in->bytes[at] ^= (uint8_t)(1u << below(8));
        break;
    case 2: /* a word put in, or put over */
        replace(in, at, below(2) * below(12), word, strlen(word));
        break;
    case 3: /* a piece dropped */
        replace(in, at, 1 + below(16), "", 0);
        break;
    case 4: /* a piece doubled */
        if (in->size >= sizeof piece) {
            size_t from = below(in->size - sizeof piece + 1);

            memcpy(piece, in->bytes + from, sizeof piece);
            replace(in, at, 0, piece, 1 + below(sizeof piece));
        }
        break;
    case 5: /* another digit */
        for (size_t i = at; i < in->size; i++)
            if (in->bytes[i] >= '0' && in->bytes[i] <= '9') {
                in->bytes[i] = (uint8_t)('0' + below(10));
                break;
            }
        break;
    default: /* cut */
        in->size = at;
    }
}

int main(int count, char **arguments)
{
    long iterations = count > 2 ? atol(arguments[2]) : 20000;
    const char *keep = getenv("LIMN_FUZZ_FILE");
    static input in;

    for (long i = 0; i < iterations; i++) {
        size_t s = (size_t)i % (sizeof seeds / sizeof *seeds), length = strlen(seeds[s].header);
        size_t changes = i < 4 ? 0 : 1 + below(i % 3 ? 2 : 8), tail;

        memset(in.bytes, 0x3c, sizeof in.bytes);
        in.size = 8 + length + seeds[s].data_bytes;
        memcpy(in.bytes + 8, seeds[s].header, length);
        put_length(&in, length);
        tail = seeds[s].data_bytes;
        for (size_t k = 0; k < changes; k++) mutate(&in);
        if (changes && below(8) && in.size >= 8 + tail) put_length(&in, in.size - 8 - tail);
        if (keep) {
            FILE *file = fopen(keep, "wb");

            if (file) fwrite(in.bytes, 1, in.size, file), fclose(file);
        }
        if (i >= 4 && below(8) == 0) limn_memory_refuse_after((long)below(40));
        LLVMFuzzerTestOneInput(in.bytes, in.size);
        limn_memory_refuse_after(-1);
        if (i == 3) demand(accepted == 4, "a seed is refused");
    }
    printf("%zu of %ld inputs accepted\n", accepted, iterations);
    demand(iterations < 20000 || (accepted > 100 && accepted < (size_t)iterations / 2),
           "the mutations no longer try both sides of the checks");
    return 0;
}
#endif
