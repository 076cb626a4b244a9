/* SPDX-License-Identifier: Apache-2.0
 *
 * Which of several ways computes a convolution fastest: a table from shapes to ways.
 *
 * The same layer can be computed directly, by Winograd's method, in another layout and so on, and
 * which is best depends on sizes, processor and threads in a manner that no formula gives.  So it
 * is measured once (tune.c) and remembered in a small text file, one for each processor, number of
 * threads and version of oneDNN.  Where nothing was measured, the operation's own rule counts.
 *
 * A way changes the last bits of a result.  Therefore a plan writes down every choice that it
 * asked for in its table, a training keeps that table in its checkpoint, and a resumed training
 * plans with it whatever the file says by then: same choices, same bits. */
#ifndef LIMN_OP_CHOICE_H
#define LIMN_OP_CHOICE_H

#include "base/memory.h"

typedef enum limn_method {
    LIMN_METHOD_RULE,   /* what the operation takes where nothing was measured */
    LIMN_METHOD_DIRECT, /* oneDNN's kernels on the maps as they lie; transposed: data gradient */
    LIMN_METHOD_CHANNELS_LAST, /* the same on channels-last copies of the maps */
    LIMN_METHOD_WINOGRAD,      /* oneDNN's F(4x4, 3x3): 3x3, stride 1, float32 */
    LIMN_METHOD_FEW,           /* our loops for a few channels on one side: few.h, narrow.h */
    LIMN_METHOD_TILES,         /* Winograd's method in our loops: 3x3, 4x4; weights' gradients on
                                  small maps directly */
    LIMN_METHOD_SUBPIXEL,      /* transposed 4x4, stride 2: a 2x2 convolution and a shuffle */
    LIMN_METHOD_AMX,           /* weights' gradient in bf16: our loops over matrix tiles */
    LIMN_METHOD_PAIRS,         /* the same without AMX: over pairs of places */
    LIMN_METHODS
} limn_method;

/* "direct", "channels-last" ...; and back: LIMN_METHODS where there is no such name. */
const char *limn_method_name(limn_method method);
limn_method limn_method_find(const char *name);

typedef struct limn_choices limn_choices;

/* An empty table that lives in the arena.  On failure *out is NULL. */
limn_status limn_choices_open(limn_choices **out, limn_arena *arena, limn_error *error);
int limn_choices_count(const limn_choices *choices);

/* The choice for a key, and whether there is one.  Marks it as used. */
bool limn_choices_find(limn_choices *choices, const char *key, limn_method *method);
/* microseconds 0: by rule, not measured.  A key that is there already is changed. */
limn_status limn_choices_set(limn_choices *choices, const char *key, limn_method method,
                             long microseconds, limn_error *error);
/* From now on this way is taken wherever it fits, whatever the table says; RULE: no more. */
void limn_choices_prefer(limn_choices *choices, limn_method method);
limn_method limn_choices_preferred(const limn_choices *choices);
/* Whether a choice was measured: for printing. */
bool limn_choices_measured(const limn_choices *choices, const char *key);
/* Drops what was never asked for. */
void limn_choices_keep_used(limn_choices *choices);

/* The table as text and back.  machine is the line that says where it counts.  Without it (NULL:
 * the record of a run) rules are written too and no times: two runs of the same choices have the
 * same record.
 * Reading adds to the table, or leaves it as it was and is FORMAT (a line that is not understood, a
 * cut end, another machine when one is given). */
limn_status limn_choices_write(const limn_choices *choices, const char *machine, char **text,
                               limn_arena *arena, limn_error *error);
limn_status limn_choices_read(limn_choices *choices, const char *machine, const char *text,
                              size_t count, limn_error *error);

/* Processor, threads, oneDNN, the level and the generation of our kernels in one line. */
void limn_choices_machine(char *text, size_t size);

/* The file of this machine: in $LIMN_CACHE/choices, else $XDG_CACHE_HOME/limn/choices, else
 * $HOME/.cache/limn/choices.  LIMN_CACHE=none: no file.  NULL where there is none or no memory. */
const char *limn_choices_path(limn_arena *arena);
/* Adds what is remembered.  A missing, cut, foreign or garbled file adds nothing and is no error:
 * what can be measured again is not worth a message. */
void limn_choices_recall(limn_choices *choices);
/* Adds what was measured to the file: reads it anew, so that what another process has learned in
 * the meantime stays, and puts the whole in its place at once.  False where that was not possible
 * (a read-only home): the choices count for this process all the same. */
bool limn_choices_remember(const limn_choices *choices);

#endif
