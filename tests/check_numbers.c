/* SPDX-License-Identifier: Apache-2.0
 *
 * Compares limn with numbers recorded elsewhere.
 *
 *     check_numbers DIR
 *
 * DIR holds ops/, nets/ and steps/ as tests/numbers/record.py writes them, with any seed.  Every
 * file is computed on the plain path and with oneDNN in fp32, networks in bf16 too.  A file, a
 * tensor or an entry of args that is not understood is a failure, and so is a folder in which
 * nothing was found. */
#include "base/cpu.h"
#include "numbers.h"
#include <dirent.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void numbers_fail(numbers *n, const char *format, ...)
{
    va_list list;

    n->failed++;
    if (n->quiet) return;
    printf("     %s: ", n->name);
    va_start(list, format);
    vprintf(format, list);
    va_end(list);
    printf("\n");
}

json_t *numbers_take(numbers *n, const char *key)
{
    json_t *value = json_object_get(n->args, key);

    if (value) json_incref(value);
    json_object_del(n->args, key);
    return value;
}

double numbers_number(numbers *n, const char *key, double otherwise)
{
    json_t *value = numbers_take(n, key);
    double number = json_is_number(value) ? json_number_value(value) : otherwise;

    if (value && !json_is_number(value)) numbers_fail(n, "args: %s is no number", key);
    json_decref(value);
    return number;
}

bool numbers_flag(numbers *n, const char *key, bool otherwise)
{
    json_t *value = numbers_take(n, key);
    bool flag = value ? json_is_true(value) : otherwise;

    if (value && !json_is_boolean(value)) numbers_fail(n, "args: %s is not true or false", key);
    json_decref(value);
    return flag;
}

/* The text lives as long as the args were read: copied to a small ring, since takes free it. */
const char *numbers_text(numbers *n, const char *key, const char *otherwise)
{
    static char ring[8][200];
    static int at;
    json_t *value = numbers_take(n, key);
    char *text = ring[at = (at + 1) % 8];

    if (!value) return otherwise;
    if (!json_is_string(value)) numbers_fail(n, "args: %s is no text", key);
    snprintf(text, sizeof ring[0], "%s", json_is_string(value) ? json_string_value(value) : "");
    json_decref(value);
    return text;
}

bool numbers_args_used(numbers *n)
{
    const char *key;
    json_t *value;

    json_object_del(n->args, "note");
    json_object_foreach(n->args, key, value)
    {
        numbers_fail(n, "args: \"%s\" is not understood", key);
        return false;
    }
    return true;
}

bool numbers_has(const numbers *n, const char *name)
{
    return limn_safetensors_find(n->file, name) != NULL;
}

float *numbers_floats(numbers *n, const char *name, limn_shape *shape, bool scale)
{
    const limn_saved_tensor *t = limn_safetensors_find(n->file, name);
    limn_error error = { 0 };
    int64_t s[4] = { 1, 1, 1, 1 };
    float *values;

    if (!t || t->dims > 4) {
        numbers_fail(n, "tensor %s is missing or has more than four dimensions", name);
        return NULL;
    }
    if (t->dims == 1)
        s[1] = t->size[0];
    else
        for (int d = 0; d < t->dims; d++) s[d] = t->size[d];
    if (shape) *shape = (limn_shape){ (int)s[0], (int)s[1], (int)s[2], (int)s[3] };
    if (!(values = limn_block(t->count * sizeof *values)) ||
        limn_saved_floats(t, 0, t->count, values, &error)) {
        numbers_fail(n, "tensor %s: %s", name, values ? error.text : "out of memory");
        limn_block_free(values);
        return NULL;
    }
    for (size_t i = 0; scale && i < t->count; i++) values[i] = values[i] / 127.5f - 1;
    return values;
}

void numbers_compare(numbers *n, const char *what, const float *got, const float *reference,
                     const float *relative_to, size_t count, double tolerance)
{
    double difference = 0, norm = 0, largest = -1, relative;
    size_t at = 0;

    for (size_t i = 0; i < count; i++) {
        double d = (double)got[i] - reference[i];
        double r = relative_to ? (double)reference[i] - relative_to[i] : reference[i];

        difference += d * d;
        norm += r * r;
        if (!(fabs(d) <= largest)) {
            largest = fabs(d);
            at = i;
        }
    }
    relative = sqrt(difference) / (sqrt(norm) + 1e-30);
    if (difference == 0) relative = 0;
    n->compared++;
    if (!(relative / tolerance <= n->worst)) { /* NaN counts as worst */
        n->worst = relative / tolerance;
        snprintf(n->worst_name, sizeof n->worst_name, "%s[%zu] %.3g (%g, not %g)", what, at,
                 relative, (double)got[at], (double)reference[at]);
    }
    if (!(relative <= tolerance))
        numbers_fail(n, "%s differs by %.3g (at most %g); worst at [%zu]: %.9g, not %.9g", what,
                     relative, tolerance, at, (double)got[at], (double)reference[at]);
}

static int check_file(const char *folder, const char *kind, const char *file, limn_compute compute)
{
    char path[1024], name[300];
    numbers n = { .name = name, .compute = compute };
    limn_error error = { 0 };
    const char *text;

    snprintf(path, sizeof path, "%s/%s/%s", folder, kind, file);
    snprintf(name, sizeof name, "%s/%.*s", kind, (int)(strlen(file) - strlen(".safetensors")),
             file);
    if (limn_safetensors_open(&n.file, path, &error)) {
        numbers_fail(&n, "%s", error.text);
    } else if (!(text = limn_safetensors_text(n.file, "args")) ||
               !(n.args = json_loads(text, 0, NULL))) {
        numbers_fail(&n, "the metadata has no entry args in JSON");
    } else {
        if (!strcmp(kind, "ops"))
            numbers_check_op(&n);
        else if (!strcmp(kind, "nets"))
            numbers_check_net(&n);
        else
            numbers_check_steps(&n);
        if (!n.compared && !n.failed) numbers_fail(&n, "nothing was compared");
    }
    printf("%-4s %-5s %-34s %3d compared, worst %.2f of what is allowed: %s%s\n",
           n.failed ? "BAD" : "ok", limn_compute_name(compute), name, n.compared, n.worst,
           n.worst_name, n.remark ? n.remark : "");
    json_decref(n.args);
    limn_safetensors_close(&n.file);
    return n.failed != 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_file(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    static const char *const kinds[] = { "ops", "nets", "steps" };
    bool fast = !limn_dnn_start(NULL);
    int bad = 0, ran = 0;

    if (argc != 2) {
        fprintf(stderr, "usage: check_numbers DIR\n");
        return 2;
    }
    for (int k = 0; k < 3; k++) {
        struct dirent **entries;
        char path[1024];
        int count;

        snprintf(path, sizeof path, "%s/%s", argv[1], kinds[k]);
        count = scandir(path, &entries, is_file, by_name);
        if (count <= 0) {
            printf("BAD  %s: no such folder, or empty\n", path);
            bad++;
        }
        for (int i = 0; i < count; i++) {
            const char *file = entries[i]->d_name, *end = strrchr(file, '.');

            if (!end || strcmp(end, ".safetensors")) {
                printf("BAD  %s/%s: not a .safetensors file\n", kinds[k], file);
                bad++;
            } else {
                bad += check_file(argv[1], kinds[k], file, LIMN_COMPUTE_PLAIN), ran++;
                if (fast) bad += check_file(argv[1], kinds[k], file, LIMN_COMPUTE_FP32), ran++;
                if (fast && k == 1 && limn_cpu() == LIMN_CPU_AVX512)
                    bad += check_file(argv[1], kinds[k], file, LIMN_COMPUTE_BF16), ran++;
            }
            free(entries[i]);
        }
        if (count >= 0) free(entries);
    }
    printf("%d comparisons of files, %d bad%s\n", ran, bad,
           fast ? "" : " (no oneDNN: plain path only)");
    return bad || !ran;
}
