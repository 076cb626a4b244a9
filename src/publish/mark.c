/* SPDX-License-Identifier: Apache-2.0
 *
 * Marking: the file is read, written again with new XMP and without an old manifest, and then the
 * manifest is put into a gap that was measured beforehand.  What the manifest hashes is exactly the
 * file without that gap, so nothing has to be hashed twice. */
#include "publish/mark.h"

#include "publish/mark_container.h"
#include "publish/mark_manifest.h"
#include "publish/mark_xmp.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { NAME_BYTES_MAX = 100, TITLE_BYTES_MAX = 1 << 20, SHA256_DIGITS = 64 };

const limn_container *limn_container_of(limn_mark_span file)
{
    static const limn_container *const all[] = { &limn_container_png, &limn_container_jpeg,
                                                 &limn_container_webp, &limn_container_tiff };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i]->is(file)) return all[i];
    return NULL;
}

const char *limn_mark_source_uri(limn_mark_source source)
{
    return source == LIMN_MARK_COMPOSITE
               ? "http://cv.iptc.org/newscodes/digitalsourcetype/"
                 "compositeWithTrainedAlgorithmicMedia"
               : "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia";
}

/* ---- What was asked for ---------------------------------------------------------------------- */

/* How many bytes follow the first one of a character in UTF-8, -1 when none begins so. */
static int sequence_of(unsigned char first)
{
    if (first < 0x80) return 0;
    if (first < 0xc2 || first > 0xf4) return -1;
    return first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
}

/* UTF-8 (RFC 3629) without control characters: it goes into XML and CBOR text, which allow no
 * other. */
static bool is_text(const char *text, size_t bytes_max)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t count = strlen(text);

    if (!count || count > bytes_max) return false;
    while (*at) {
        int more = sequence_of(*at);
        uint32_t point = *at;

        if (more < 0 || *at < 0x20 || *at == 0x7f) return false;
        if (more > 0) point &= 0x3fu >> more;
        at++;
        for (int i = 0; i < more; i++, at++) {
            if ((*at & 0xc0) != 0x80) return false;
            point = point << 6 | (*at & 0x3f);
        }
        if ((more == 2 &&
             (point < 0x800 || (point >= 0xd800 && point < 0xe000) || point >= 0xfffe)) ||
            (more == 3 && (point < 0x10000 || point > 0x10ffff)))
            return false;
    }
    return true;
}

static limn_status check(const limn_mark_description *d, limn_error *error)
{
    if (d->source != LIMN_MARK_TRAINED && d->source != LIMN_MARK_COMPOSITE)
        return limn_fail(error, LIMN_BUG, "marking: there is no source type %d", (int)d->source);
    if (!d->software || !is_text(d->software, NAME_BYTES_MAX) || !d->version ||
        !is_text(d->version, NAME_BYTES_MAX))
        return limn_fail(error, LIMN_SETTING,
                         "marking: the software needs a name and a version of 1 to %d bytes",
                         NAME_BYTES_MAX);
    if (d->title && !is_text(d->title, TITLE_BYTES_MAX))
        return limn_fail(error, LIMN_SETTING,
                         "marking: the title is empty, longer than 1 MiB or not UTF-8 text");
    if (d->model_sha256 && (strlen(d->model_sha256) != SHA256_DIGITS ||
                            strspn(d->model_sha256, "0123456789abcdef") != SHA256_DIGITS))
        return limn_fail(error, LIMN_SETTING,
                         "marking: the model's SHA-256 is not 64 small hexadecimal digits");
    if (d->signer) LIMN_TRY(limn_signer_check_time(d->signer, error));
    return LIMN_OK;
}

/* A random UUID (RFC 9562, version 4). */
static limn_status make_uuid(char text[LIMN_UUID_TEXT], limn_error *error)
{
    unsigned char u[16];
    size_t at = 0;

    LIMN_TRY(limn_mark_unguessable(u, sizeof u, error));
    u[6] = (u[6] & 0x0f) | 0x40;
    u[8] = (u[8] & 0x3f) | 0x80;
    for (size_t i = 0; i < sizeof u; i++) {
        bool dash = i == 4 || i == 6 || i == 8 || i == 10;

        at += (size_t)snprintf(text + at, LIMN_UUID_TEXT - at, dash ? "-%02x" : "%02x", u[i]);
    }
    return LIMN_OK;
}

/* ---- Marking --------------------------------------------------------------------------------- */

/* plain is the marked file without a manifest; at is where that goes. */
static limn_status put_signed(limn_mark_buffer *out, const limn_container *container,
                              limn_mark_span plain, size_t at, limn_manifest *manifest,
                              limn_error *error)
{
    limn_mark_buffer boxes = { 0 };
    limn_mark_span halves[2] = { limn_mark_cut(plain, 0, at),
                                 limn_mark_cut(plain, at, plain.count - at) };
    unsigned char digest[LIMN_DIGEST_BYTES_MAX];
    size_t bytes;
    limn_status status;

    if ((status = limn_mark_digest(limn_mark_span_of("sha256", 6), &plain, 1, digest, &bytes,
                                   error)))
        goto done;
    memcpy(manifest->hash, digest, LIMN_SHA256_BYTES);
    manifest->start = at;
    if ((status = limn_manifest_put(&boxes, manifest, false, error))) goto done;
    manifest->length = container->manifest_bytes(boxes.count);
    boxes.count = 0;
    if ((status = limn_manifest_put(&boxes, manifest, true, error))) goto done;
    limn_mark_put_span(out, halves[0]);
    container->put_manifest(out, limn_mark_written(&boxes));
    limn_mark_put_span(out, halves[1]);
    status = limn_mark_buffer_check(out, error);
done:
    limn_mark_buffer_free(&boxes);
    return status;
}

/* The packet, tried with the input's XMP first and without it when the file has no room for both.
 */
static limn_status put_xmp(limn_mark_buffer *xmp, const limn_container *container,
                           const limn_mark_description *description, limn_mark_span older,
                           const char *uuid, bool *dropped, limn_error *error)
{
    char instance[LIMN_UUID_TEXT + 8];

    snprintf(instance, sizeof instance, "xmp:iid:%s", uuid);
    LIMN_TRY(limn_xmp_put(xmp, description, older, instance, dropped, error));
    if (xmp->count <= container->xmp_bytes_max) return LIMN_OK;
    xmp->count = 0;
    LIMN_TRY(limn_xmp_put(xmp, description, (limn_mark_span){ NULL, 0 }, instance, dropped, error));
    *dropped = true;
    return LIMN_OK;
}

limn_status limn_mark(limn_mark_buffer *out, limn_mark_span bytes,
                      const limn_mark_description *description, limn_mark_report *report,
                      limn_error *error)
{
    const limn_container *container = limn_container_of(bytes);
    limn_container_found found = { 0 };
    limn_mark_buffer xmp = { 0 }, plain = { 0 };
    limn_mark_report done_report = { 0 };
    limn_arena arena = { 0 };
    char uuid[LIMN_UUID_TEXT], when[32];
    time_t now = time(NULL);
    struct tm parts;
    size_t at = 0;
    limn_status status;

    LIMN_TRY(check(description, error));
    if (!container)
        return limn_fail(error, LIMN_FORMAT,
                         "only PNG, JPEG, WebP and TIFF pictures can be marked, and every "
                         "generated picture is: choose one of these formats");
    limn_arena_open(&arena, "marking", 0);
    gmtime_r(&now, &parts);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &parts);
    if ((status = container->read(&found, bytes, &arena, error))) goto done;
    if (found.fault || found.damage) {
        status = limn_fail(error, LIMN_FORMAT, "the encoded %s %s", container->name,
                           found.fault ? found.fault : found.damage);
        goto done;
    }
    if ((status = make_uuid(uuid, error)) ||
        (status = put_xmp(&xmp, container, description,
                          description->xmp.count ? description->xmp : found.xmp, uuid,
                          &done_report.xmp_dropped, error)))
        goto done;
    if (found.xmp_unread && !description->xmp.count && !found.xmp.count)
        done_report.xmp_dropped = true;
    if (!container->put_manifest || !description->signer) {
        status = container->write(out, bytes, limn_mark_written(&xmp), &at, error);
    } else if (!(status = container->write(&plain, bytes, limn_mark_written(&xmp), &at, error))) {
        limn_manifest manifest = { .description = description, .uuid = uuid, .when = when };

        status = put_signed(out, container, limn_mark_written(&plain), at, &manifest, error);
        done_report.signed_manifest = true;
    }
    if (!status && report) *report = done_report;
done:
    limn_mark_buffer_free(&xmp);
    limn_mark_buffer_free(&plain);
    limn_arena_close(&arena);
    return status;
}
