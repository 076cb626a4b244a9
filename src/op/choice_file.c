/* SPDX-License-Identifier: Apache-2.0
 *
 * Where choices are remembered between processes: see choice.h.
 *
 * The name of the file is a hash of the machine's line and the line itself stands in the file, so
 * a folder that several machines share (a home on a server) serves them all.  Writers need no
 * lock: each puts a whole file in place, and the worst that two at once can do is to forget a
 * measurement of one of them, which is then made again. */
#include "base/cpu.h"
#include "base/file.h"
#include "base/threads.h"
#include "op/choice.h"
#include "op/dnn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* KERNELS counts up when a way of our own becomes faster: what was measured before is then no
 * longer true, and is measured again.  2: tiles.c in two passes.
 * 4: gradient.c without AMX, few.c in bf16.  5: tiles.c in bf16 and for
 * 3x3, tiles_gradient.c, narrow.c.  6: 4x4 with stride 1 by tiles in bf16. */
enum { MACHINE = 240, FILE_MOST = 1 << 20, KERNELS = 6 };

void limn_choices_machine(char *text, size_t size)
{
    char processor[96];

    limn_cpu_model(processor, sizeof processor);
    snprintf(text, size, "%s; %d threads; %s; kernels %s %d", processor, limn_compute_threads(),
             limn_dnn_version(), limn_cpu_name(limn_cpu()), KERNELS);
}

static const char *folder(limn_arena *arena)
{
    static const struct {
        const char *variable, *below;
    } places[] = { { "LIMN_CACHE", "choices" },
                   { "XDG_CACHE_HOME", "limn/choices" },
                   { "HOME", ".cache/limn/choices" } };

    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const char *value = getenv(places[i].variable);

        if (!value || !*value) continue;
        if (!i && !strcmp(value, "none")) return NULL;
        return limn_take_format(arena, "%s/%s", value, places[i].below);
    }
    return NULL;
}

const char *limn_choices_path(limn_arena *arena)
{
    const char *where = folder(arena);
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    char machine[MACHINE];

    if (!where) return NULL;
    limn_choices_machine(machine, sizeof machine);
    for (const char *c = machine; *c; c++) hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    return limn_take_format(arena, "%s/%016llx.txt", where, (unsigned long long)hash);
}

void limn_choices_recall(limn_choices *choices)
{
    limn_arena arena;
    limn_mapping mapping = { 0 };
    char machine[MACHINE];
    const char *path;

    limn_arena_open(&arena, "choices", 0);
    limn_choices_machine(machine, sizeof machine);
    if ((path = limn_choices_path(&arena)) && !limn_file_map(&mapping, path, NULL) &&
        mapping.count && mapping.count <= FILE_MOST)
        (void)limn_choices_read(choices, machine, (const char *)mapping.bytes, mapping.count, NULL);
    limn_file_unmap(&mapping);
    limn_arena_close(&arena);
}

static limn_status merge(const limn_choices *choices, limn_arena *arena, const char *path)
{
    char machine[MACHINE], *text, *own;
    limn_choices *all;
    const char *slash = strrchr(path, '/'), *where;

    limn_choices_machine(machine, sizeof machine);
    if (!(where = limn_take_format(arena, "%.*s", (int)(slash - path), path)))
        return LIMN_NO_MEMORY;
    LIMN_TRY(limn_choices_open(&all, arena, NULL));
    limn_choices_recall(all);
    LIMN_TRY(limn_choices_write(choices, machine, &own, arena, NULL));
    LIMN_TRY(limn_choices_read(all, machine, own, strlen(own), NULL));
    LIMN_TRY(limn_choices_write(all, machine, &text, arena, NULL));
    LIMN_TRY(limn_folder_make(where, NULL));
    return limn_file_replace(path, text, strlen(text), NULL);
}

bool limn_choices_remember(const limn_choices *choices)
{
    limn_arena arena;
    const char *path;
    bool done;

    limn_arena_open(&arena, "choices", 0);
    path = limn_choices_path(&arena);
    done = path && !merge(choices, &arena, path);
    limn_arena_close(&arena);
    return done;
}
