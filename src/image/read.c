/* SPDX-License-Identifier: Apache-2.0
 *
 * From a path, a descriptor or bytes to a picture.
 *
 * The whole compressed file is read into memory first, with read(2) and not by mapping it: a
 * picture that somebody shortens while it is mapped kills the process, and pictures are written by
 * cameras, scripts and browsers while we look.  One way in also means that every decoder sees
 * bytes, so files and standard input cannot behave differently. */
#include "image/decode.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_BYTES = 1 << 20 };

static limn_picture_limits with_defaults(const limn_picture_limits *limits)
{
    limn_picture_limits full = limits ? *limits : (limn_picture_limits){ 0 };

    if (full.side <= 0) full.side = 16384;
    if (!full.pixels) full.pixels = (uint64_t)1 << 27;
    if (!full.file_bytes) full.file_bytes = (uint64_t)1 << 30;
    if (full.channels <= 0) full.channels = 64;
    return full;
}

/* Everything up to the end, in a block that grows by doubling; *size is what fstat expects or 0. */
static limn_status read_all(limn_bytes *out, int descriptor, const char *name, size_t expected,
                            uint64_t most, limn_error *error)
{
    size_t room = expected ? expected + 1 : FIRST_BYTES;
    unsigned char *larger;

    *out = (limn_bytes){ 0 };
    if (!(out->bytes = limn_block(room))) goto no_memory;
    for (;;) {
        ssize_t got = read(descriptor, out->bytes + out->count, room - out->count);

        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            int why = errno;

            limn_block_free(out->bytes);
            *out = (limn_bytes){ 0 };
            return limn_fail(error, LIMN_IO, "%s: cannot be read: %s", name, strerror(why));
        }
        if (!got) return LIMN_OK;
        out->count += (size_t)got;
        if (out->count > most) {
            limn_block_free(out->bytes);
            *out = (limn_bytes){ 0 };
            return limn_fail(error, LIMN_SHAPE, "%s: more than %llu bytes, the limit for a picture",
                             name, (unsigned long long)most);
        }
        if (out->count < room) continue;
        if (!(larger = limn_block(room * 2))) goto no_memory;
        memcpy(larger, out->bytes, out->count);
        limn_block_free(out->bytes);
        out->bytes = larger;
        room *= 2;
    }
no_memory:
    limn_block_free(out->bytes);
    *out = (limn_bytes){ 0 };
    return limn_fail(error, LIMN_NO_MEMORY, "%s: out of memory for the file", name);
}

static limn_status read_path(limn_bytes *out, const char *path, uint64_t most, limn_error *error)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    limn_status status;
    struct stat about;

    *out = (limn_bytes){ 0 };
    if (descriptor < 0)
        return limn_fail(error, LIMN_IO, "%s: cannot be opened: %s", path, strerror(errno));
    if (fstat(descriptor, &about)) {
        status = limn_fail(error, LIMN_IO, "%s: cannot be read: %s", path, strerror(errno));
    } else if (S_ISDIR(about.st_mode)) {
        status = limn_fail(error, LIMN_IO, "%s: is a folder, not a picture", path);
    } else if (S_ISREG(about.st_mode) && (uint64_t)about.st_size > most) {
        status = limn_fail(error, LIMN_SHAPE, "%s: %llu bytes, the limit for a picture is %llu",
                           path, (unsigned long long)about.st_size, (unsigned long long)most);
    } else {
        status = read_all(out, descriptor, path, S_ISREG(about.st_mode) ? (size_t)about.st_size : 0,
                          most, error);
    }
    close(descriptor);
    return status;
}

limn_status limn_decoding_check(const limn_decoding *decoding, int64_t width, int64_t height,
                                int64_t channels, limn_error *error)
{
    const limn_picture_limits *limits = &decoding->limits;

    if (width < 1 || height < 1 || channels < 1)
        return limn_fail(error, LIMN_FORMAT, "%s: damaged: its header says %lld x %lld pixels",
                         decoding->name, (long long)width, (long long)height);
    if (width > limits->side || height > limits->side)
        return limn_fail(error, LIMN_SHAPE,
                         "%s: %lld x %lld pixels, the limit is %d a side; scale it down",
                         decoding->name, (long long)width, (long long)height, limits->side);
    if ((uint64_t)width * (uint64_t)height > limits->pixels)
        return limn_fail(error, LIMN_SHAPE,
                         "%s: %lld x %lld pixels, the limit is %llu in all; scale it down",
                         decoding->name, (long long)width, (long long)height,
                         (unsigned long long)limits->pixels);
    if (channels > limits->channels)
        return limn_fail(error, LIMN_SHAPE, "%s: %lld channels, the limit is %d", decoding->name,
                         (long long)channels, limits->channels);
    return LIMN_OK;
}

limn_upright limn_upright_for(int orientation, int width, int height)
{
    ptrdiff_t w = width, h = height;

    switch (orientation) {
    case 2:
        return (limn_upright){ w - 1, -1, w }; /* left to right */
    case 3:
        return (limn_upright){ w * h - 1, -1, -w }; /* half a turn */
    case 4:
        return (limn_upright){ w * (h - 1), 1, -w }; /* top to bottom */
    case 5:
        return (limn_upright){ 0, h, 1 }; /* over the main diagonal */
    case 6:
        return (limn_upright){ h - 1, h, -1 }; /* a quarter clockwise */
    case 7:
        return (limn_upright){ w * h - 1, -h, -1 }; /* over the other diagonal */
    case 8:
        return (limn_upright){ h * (w - 1), -h, 1 }; /* a quarter anticlockwise */
    default:
        return (limn_upright){ 0, 1, w };
    }
}

static limn_status decode(limn_decoding *decoding, limn_error *error)
{
    *decoding->picture = (limn_picture){ 0 };
    if (!decoding->count)
        return limn_fail(error, LIMN_FORMAT, "%s: 0 bytes, so there is no picture in it",
                         decoding->name);
    if (decoding->count > decoding->limits.file_bytes)
        return limn_fail(error, LIMN_SHAPE, "%s: %zu bytes, the limit for a picture is %llu",
                         decoding->name, decoding->count,
                         (unsigned long long)decoding->limits.file_bytes);
    decoding->format = limn_format_of_bytes(decoding->bytes, decoding->count);
    if (decoding->format == LIMN_FORMAT_BMP) return limn_decode_bmp(decoding, error);
    if (decoding->format == LIMN_FORMAT_TIFF &&
        limn_tiff_is_planar(decoding->bytes, decoding->count))
        return limn_decode_planar_tiff(decoding, error);
    return limn_decode_vips(decoding, error);
}

limn_status limn_picture_read_bytes(limn_picture *picture, const void *bytes, size_t count,
                                    const char *name, const limn_picture_limits *limits,
                                    limn_error *error)
{
    return decode(&(limn_decoding){ .bytes = bytes,
                                    .count = count,
                                    .name = name,
                                    .limits = with_defaults(limits),
                                    .picture = picture },
                  error);
}

limn_status limn_picture_look_bytes(limn_picture_info *info, const void *bytes, size_t count,
                                    const char *name, const limn_picture_limits *limits,
                                    limn_error *error)
{
    limn_picture picture;
    limn_status status = decode(&(limn_decoding){ .bytes = bytes,
                                                  .count = count,
                                                  .name = name,
                                                  .limits = with_defaults(limits),
                                                  .header_only = true,
                                                  .picture = &picture },
                                error);

    *info = picture.info;
    return status;
}

limn_status limn_picture_read(limn_picture *picture, const char *path,
                              const limn_picture_limits *limits, limn_error *error)
{
    limn_status status;
    limn_bytes file;

    *picture = (limn_picture){ 0 };
    LIMN_TRY(read_path(&file, path, with_defaults(limits).file_bytes, error));
    status = limn_picture_read_bytes(picture, file.bytes, file.count, path, limits, error);
    limn_block_free(file.bytes);
    return status;
}

limn_status limn_picture_read_descriptor(limn_picture *picture, int descriptor, const char *name,
                                         const limn_picture_limits *limits, limn_error *error)
{
    limn_status status;
    limn_bytes file;

    *picture = (limn_picture){ 0 };
    LIMN_TRY(read_all(&file, descriptor, name, 0, with_defaults(limits).file_bytes, error));
    status = limn_picture_read_bytes(picture, file.bytes, file.count, name, limits, error);
    limn_block_free(file.bytes);
    return status;
}

limn_status limn_picture_look(limn_picture_info *info, const char *path,
                              const limn_picture_limits *limits, limn_error *error)
{
    limn_status status;
    limn_bytes file;

    *info = (limn_picture_info){ 0 };
    LIMN_TRY(read_path(&file, path, with_defaults(limits).file_bytes, error));
    status = limn_picture_look_bytes(info, file.bytes, file.count, path, limits, error);
    limn_block_free(file.bytes);
    return status;
}
