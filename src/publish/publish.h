/* SPDX-License-Identifier: Apache-2.0
 *
 * publish: the one door through which a generated picture leaves.
 *
 * Files, samples and sheets of a training, score pages, previews and what the library hands to a
 * program all come from here.  A picture is made of the network's numbers, looked at by the screen
 * exactly as it would be encoded, refused or cleared, encoded, marked, and written whole or not at
 * all.  Nothing outside this folder can encode a picture (tools/floors.sh holds that), and a
 * publisher cannot be opened without the screen.
 *
 * The door has two halves, because screening belongs to the thread that computes and encoding to
 * workers beside it: limn_publish_clear screens and returns a limn_cleared, which owns the pixels
 * that were looked at and which nobody can change or make otherwise; limn_publish_write encodes
 * it.  limn_publish is both. */
#ifndef LIMN_PUBLISH_PUBLISH_H
#define LIMN_PUBLISH_PUBLISH_H

#include "publish/mark.h"
#include "screen/screen.h"

/* Screen and signer, opened once for a process or a session. */
typedef struct limn_publisher limn_publisher;

typedef struct limn_publisher_settings {
    limn_compute compute;             /* of the screen */
    const char *sign_cert, *sign_key; /* PEM files, see limn_signer_open; both NULL: made here */
} limn_publisher_settings;

/* settings may be NULL (compute auto, own key).  Fails as limn_screen_open and limn_signer_open do;
 * then *out is NULL. */
limn_status limn_publisher_open(limn_publisher **out, const limn_publisher_settings *settings,
                                limn_error *error);
void limn_publisher_close(limn_publisher **publisher);

/* The screen that the publisher opened, for looking at inputs; borrowed.  Same thread as
 * limn_publish_clear. */
limn_screen *limn_publisher_screen(limn_publisher *publisher);

/* Where generated pictures come from: what their marks say. */
typedef struct limn_origin {
    limn_mark_source source;        /* COMPOSITE where part of the input is still there */
    const char *model_sha256;       /* 64 hexadecimal digits, or NULL */
    const char *software, *version; /* NULL: limn and its version */
    const char *title;              /* of the work, UTF-8, or NULL */
} limn_origin;

/* One picture that a network made.  Everything is borrowed for the call. */
typedef struct limn_generated {
    const char *name; /* for messages: where it is to go, or what it was made from */
    /* Either planes (channels, height, width) in [-1, 1], which become pixels of `type` (LIMN_U8,
     * LIMN_U16 or LIMN_F32) ... */
    const float *planes;
    int channels, height, width;
    limn_type type;
    /* ... or pixels.  Its own alpha, ICC, EXIF and XMP are taken, `input` is not looked at. */
    const limn_picture *picture;
    /* What it was made from, for what survives: alpha, ICC, EXIF, XMP, resolution, format, if the
     * sizes are the same.  NULL: nothing does. */
    const limn_picture *input;
    limn_origin origin;
} limn_generated;

/* Where to, and how.  One of path and memory. */
typedef struct limn_target {
    const char *path;   /* a file, whole or absent; its folder must exist */
    limn_bytes *memory; /* filled; the caller frees bytes with limn_block_free; {0} on failure */
    limn_format format; /* NONE: by the path's ending, else the input's, else PNG */
    int quality;        /* JPEG and WebP, 1..100; 0: 92 */
    bool lossless;      /* WebP */
    bool keep_gps;      /* places in EXIF and XMP; dropped otherwise */
    bool plain;         /* nothing of the input's EXIF, XMP and ICC (previews, sheets) */
} limn_target;

/* What was done; every function takes NULL for it. */
typedef struct limn_published {
    limn_screen_verdict verdict;
    limn_format format;
    size_t bytes;
    bool signed_manifest, xmp_dropped; /* see limn_mark_report */
} limn_published;

/* A picture that the screen has passed. */
typedef struct limn_cleared limn_cleared;

/* Makes the pixels and screens them.  One thread at a time for one publisher.  LIMN_REFUSED_PICTURE
 * with name and score; *out is NULL on every failure and nothing is kept. */
limn_status limn_publish_clear(limn_cleared **out, limn_publisher *publisher,
                               const limn_generated *generated, limn_published *report,
                               limn_error *error);
/* Encodes, marks, writes.  Any thread, several at once; the publisher must still be open.  Frees
 * *cleared and sets it NULL, whatever happens.  LIMN_SETTING for a format that cannot be written or
 * cannot carry marks (PPM, BMP, GIF), LIMN_SHAPE for channels that the format cannot hold, LIMN_IO,
 * LIMN_NO_MEMORY: then neither the file nor a temporary is there. */
limn_status limn_publish_write(limn_cleared **cleared, const limn_target *target,
                               limn_published *report, limn_error *error);
/* For the library's call: the cleared pixels themselves, which have no place for marks; whoever
 * called limn.h was told so there.  *picture is the caller's to close.  Frees *cleared. */
void limn_publish_pixels(limn_cleared **cleared, limn_picture *picture);
/* For a cleared picture that is not wanted any more. */
void limn_cleared_close(limn_cleared **cleared);

/* Both. */
limn_status limn_publish(limn_publisher *publisher, const limn_generated *generated,
                         const limn_target *target, limn_published *report, limn_error *error);

/* The format that a target gets: asked for, by path, that of the input (NULL: none known); PNG
 * where the input's cannot be written or marked.  LIMN_SETTING as above, so that a wrong ending is
 * found before anything is computed. */
limn_status limn_publish_format(limn_format *format, const limn_target *target,
                                const limn_picture_info *input, limn_error *error);

/* ---- Sheets --------------------------------------------------------------------------------- */

/* One cell: a picture or planes (channels, height, width) in [-1, 1] with 1 or 3 channels (others:
 * the first one as grey).  Neither: left empty. */
typedef struct limn_cell {
    const limn_picture *picture;
    const float *planes;
    int channels, height, width;
} limn_cell;

/* Rows of cells, as input | output | target.  Always 8-bit RGB; rows one after the other, cells
 * NULL-free, rows * columns of them.  Each is scaled to fit side x side (0: 256), never up beyond
 * its own size by more than whole factors, on white. */
typedef struct limn_sheet {
    const char *name; /* for messages */
    const limn_cell *cells;
    int rows, columns;
    int side;
    limn_origin origin; /* source is always COMPOSITE: inputs and targets stand beside */
} limn_sheet;

/* Screens every cell by itself (in a sheet of many each would be too small to judge) and then the
 * sheet.  A cell that is refused is left out, grey with a cross, and counted in *refused (may be
 * NULL); the sheet is written without it.  If the sheet as a whole is refused, or every cell that
 * shows something: LIMN_REFUSED_PICTURE, nothing written. */
limn_status limn_publish_sheet(limn_publisher *publisher, const limn_sheet *sheet,
                               const limn_target *target, int *refused, limn_published *report,
                               limn_error *error);

#endif
