/* SPDX-License-Identifier: Apache-2.0
 *
 * A picture as it came: its pixels at the depth of the file, and what must survive to the output.
 *
 * Pixels stay 8 bit, 16 bit or float, interleaved, because that is a quarter of the memory of
 * floats (the loader keeps whole data sets) and because 16-bit data must come out as it went in.
 * Networks get float planes in [-1, 1], made by limn_picture_to_planes or limn_resample; the way
 * back is limn_picture_from_planes.  Encoding is not here but in image/encode.h, which only
 * src/publish may include: a generated picture has one door out.
 *
 * After reading, pixels are grey or sRGB, upright (EXIF orientation applied), without alpha, which
 * is a plane of its own; pictures with other channel counts (TIFF) are left as they are.  Adobe RGB
 * and the like were converted to sRGB and CMYK too, and the file's own profile is kept so that the
 * encoder can convert back.  Grey stays grey, whatever its profile.  Two channels in a TIFF are
 * read as grey and alpha (libvips does not say what the second one is for).
 *
 * All functions may be called by any thread; a picture is used by one thread at a time or only
 * read. */
#ifndef LIMN_IMAGE_PICTURE_H
#define LIMN_IMAGE_PICTURE_H

#include "base/memory.h"
#include "tensor/tensor.h"

/* Format, name, endings, media type, holds 16 bit, holds float, holds alpha, holds any number of
 * channels, limn can write it.  OTHER is what libvips finds beyond these. */
#define LIMN_FORMATS(X)                                                                            \
    X(JPEG, "JPEG", "jpg jpeg jpe jfif", "image/jpeg", 0, 0, 0, 0, 1)                              \
    X(PNG, "PNG", "png", "image/png", 1, 0, 1, 0, 1)                                               \
    X(WEBP, "WebP", "webp", "image/webp", 0, 0, 1, 0, 1)                                           \
    X(TIFF, "TIFF", "tif tiff", "image/tiff", 1, 1, 1, 1, 1)                                       \
    X(PNM, "PPM", "ppm pgm pnm pfm pbm", "image/x-portable-anymap", 1, 1, 0, 0, 1)                 \
    X(BMP, "BMP", "bmp dib", "image/bmp", 0, 0, 1, 0, 0)                                           \
    X(GIF, "GIF", "gif", "image/gif", 0, 0, 1, 0, 0)                                               \
    X(OTHER, "other", "", "application/octet-stream", 1, 1, 1, 1, 0)

typedef enum limn_format {
    LIMN_FORMAT_NONE,
#define X(name, ...) LIMN_FORMAT_##name,
    LIMN_FORMATS(X)
#undef X
        LIMN_FORMAT_COUNT
} limn_format;

typedef struct limn_format_row {
    const char *name;    /* for people */
    const char *endings; /* lower case, first one preferred, separated by spaces */
    const char *media_type;
    bool holds_16_bit, holds_float, holds_alpha, holds_channels, writable;
} limn_format_row;
const limn_format_row *limn_format_about(limn_format format);

/* By the ending of a file name ("a/b.JPG") or by a bare ending ("png", ".png"); NONE if unknown. */
limn_format limn_format_of_name(const char *name);
/* By the first bytes of the file (16 are enough); NONE when it is none of the named ones. */
limn_format limn_format_of_bytes(const void *bytes, size_t count);

/* What the colours were in the file, before conversion. */
typedef enum limn_colour {
    LIMN_COLOUR_GREY,
    LIMN_COLOUR_RGB,
    LIMN_COLOUR_CMYK,
    LIMN_COLOUR_MANY, /* any other number of channels, no meaning known */
} limn_colour;

typedef struct limn_bytes {
    unsigned char *bytes; /* from limn_block, or NULL */
    size_t count;
} limn_bytes;

typedef struct limn_picture_info {
    int width, height; /* upright */
    int channels;      /* colour channels after conversion, without alpha: 1 grey, 3 sRGB, other */
    bool alpha;
    limn_type type;     /* LIMN_U8, LIMN_U16 or LIMN_F32 (float: 0 is black, 1 white) */
    limn_format format; /* of the file; NONE for pictures made here */
    limn_colour colour; /* in the file */
    int orientation;    /* EXIF 1..8 in the file; already applied */
    int frames;         /* pages or frames in the file; only the first is read */
    double per_mm[2];   /* pixels per millimetre, x and y; 0 where unknown */
} limn_picture_info;

/* Owned by whoever opened it; {0} is closed. */
typedef struct limn_picture {
    limn_picture_info info;
    void *pixels;              /* [height][width][channels] of info.type */
    void *alpha;               /* [height][width] of info.type, or NULL */
    limn_bytes icc, exif, xmp; /* as in the file: ICC profile, EXIF (a TIFF structure, without the
                                  leading "Exif\0\0"), XMP packet; empty when there is none */
} limn_picture;

/* Checked on the header, before a pixel is decoded.  A 0 takes the default. */
typedef struct limn_picture_limits {
    int side;            /* largest width and height: 16384 */
    uint64_t pixels;     /* largest width * height: 2^27 (16384 x 8192) */
    uint64_t file_bytes; /* largest file: 2^30 */
    int channels;        /* largest number of channels: 64 */
    bool every_decoder; /* also formats whose decoders libvips calls unfit for untrusted files (SVG,
                           PDF, JPEG 2000, JPEG XL, FITS, ImageMagick's ...); off for servers */
} limn_picture_limits;

/* Reads and decodes.  limits may be NULL.  On failure *picture is {0} and nothing needs closing;
 * the error names the file: LIMN_IO cannot be read, LIMN_FORMAT empty, cut off, damaged, not a
 * picture, LIMN_SHAPE too large, LIMN_NO_MEMORY. */
limn_status limn_picture_read(limn_picture *picture, const char *path,
                              const limn_picture_limits *limits, limn_error *error);
/* From bytes, borrowed for the call; name stands for the path in messages. */
limn_status limn_picture_read_bytes(limn_picture *picture, const void *bytes, size_t count,
                                    const char *name, const limn_picture_limits *limits,
                                    limn_error *error);
/* From an open descriptor (0 is standard input) until its end; it is not closed. */
limn_status limn_picture_read_descriptor(limn_picture *picture, int descriptor, const char *name,
                                         const limn_picture_limits *limits, limn_error *error);

/* The header alone: same checks, same errors, but damage further on is not found. */
limn_status limn_picture_look(limn_picture_info *info, const char *path,
                              const limn_picture_limits *limits, limn_error *error);
limn_status limn_picture_look_bytes(limn_picture_info *info, const void *bytes, size_t count,
                                    const char *name, const limn_picture_limits *limits,
                                    limn_error *error);

/* An empty (black, opaque) picture.  On failure *picture is {0}. */
limn_status limn_picture_make(limn_picture *picture, int width, int height, int channels,
                              limn_type type, bool alpha, limn_error *error);
/* Frees everything; {0} afterwards.  Fine on {0}. */
void limn_picture_close(limn_picture *picture);
/* Bytes of memory that the picture holds, for caches. */
size_t limn_picture_bytes(const limn_picture *picture);

/* Least and greatest value over all colour channels, on the scale 0..1: equal for a flat one. */
void limn_picture_range(const limn_picture *picture, float *low, float *high);

/* To float planes (channels, height, width) in [-1, 1]: v / 127.5 - 1 for 8 bit, v / 32767.5 - 1
 * for 16 bit, 2 v - 1 for float, which is not clamped.  Channels: 3 -> 1 by luma (0.299, 0.587,
 * 0.114, as everyone's training code does), 1 -> any number by repeating, otherwise the counts must
 * agree (LIMN_SHAPE). */
limn_status limn_picture_to_planes(const limn_picture *picture, int channels, float *planes,
                                   limn_error *error);

/* Back: a picture of (channels, height, width) planes in [-1, 1], clamped, rounded to nearest;
 * every 8-bit and 16-bit value survives the round trip.  NaN becomes black.  If original is given
 * and has the same size, its alpha, ICC, EXIF, XMP, resolution and format are copied (alpha at the
 * depth of type).  On failure *picture is {0}. */
limn_status limn_picture_from_planes(limn_picture *picture, const float *planes, int channels,
                                     int height, int width, limn_type type,
                                     const limn_picture *original, limn_error *error);

#endif
