/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside src/data only: what is known of a file after it was looked at, and the findings. */
#ifndef LIMN_DATA_CHECK_INSIDE_H
#define LIMN_DATA_CHECK_INSIDE_H

#include "data/folders.h"
#include "image/resample.h"

enum { LIMN_THUMB = 16 }; /* sides of the small version */

typedef struct limn_facts {
    const limn_data_item *item;
    limn_phase phase;
    bool on_a;          /* side A of two (else B, both halves, or plain) */
    bool alone;         /* no partner of that name */
    const char *broken; /* the sentence of the reader, or NULL */
    limn_status status;
    int width, height, channels; /* of the file */
    limn_type type;
    bool alpha, flat, flat_left, flat_right; /* flat: one colour; of halves: left or right */
    bool comparable;                         /* there is a thumb: 1 or 3 channels, not flat */
    uint64_t content[2];                     /* of pixels, size and type */
    uint64_t look, look_flipped; /* signs of the brightness steps of 9 x 8 cells, and mirrored */
    uint8_t thumb[3 * LIMN_THUMB * LIMN_THUMB]; /* planes */
} limn_facts;

/* Fills all but item, phase, on_a and alone from the file.  A file that cannot be read is no error
 * here but a fact; only LIMN_NO_MEMORY is returned. */
limn_status limn_facts_look(limn_facts *facts, char broken[480], limn_error *error);

/* Is b nearly a?  bits: of the 64 that may differ. */
bool limn_facts_alike(const limn_facts *a, const limn_facts *b, int bits);

struct limn_check_report {
    limn_arena arena;
    limn_finding *findings;
    size_t count, room;
    limn_check_summary summary;

    limn_pairing pairing;
    limn_data data[LIMN_PHASE_COUNT]; /* {0} where there is none */
    limn_facts *facts;                /* of all phases: A, B, then those without partner */
    size_t files;
    size_t first_a[LIMN_PHASE_COUNT], first_b[LIMN_PHASE_COUNT];
};

/* Adds a finding; files (pointers to paths that live long enough) are copied.  Text as printf. */
limn_status limn_check_add(limn_check_report *report, limn_finding_kind kind,
                           limn_severity severity, const char *const *files, size_t count,
                           limn_error *error, const char *format, ...)
    __attribute__((format(printf, 7, 8)));

/* All that the facts say. */
limn_status limn_check_find(limn_check_report *report, const limn_check_settings *settings,
                            limn_error *error);
/* The part of it that compares files with each other: check_twins.c. */
limn_status limn_check_find_twins(limn_check_report *report, const limn_check_settings *settings,
                                  limn_error *error);

#endif
