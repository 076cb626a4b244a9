/* SPDX-License-Identifier: Apache-2.0
 *
 * What are this picture's marks?  The file is opened, its XMP read, its manifest examined, and the
 * findings put into one verdict and one sentence.  A verdict speaks of bytes only: who signed, and
 * whether to believe them, stands beside it. */
#include "publish/verify.h"

#include "base/file.h"
#include "publish/mark_container.h"
#include "publish/mark_xmp.h"
#include "publish/verify_manifest.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { HASHED_AT_LEAST = 64 << 20, HASHED_TIMES = 8 };

/* The verification is the first thing in its own arena's holder. */
typedef struct held {
    limn_verification verification; /* first: the caller's pointer is to this */
    limn_arena arena;
} held;

const char *limn_verdict_text(limn_verdict verdict)
{
    return verdict == LIMN_VERDICT_INTACT   ? "intact"
           : verdict == LIMN_VERDICT_BROKEN ? "broken"
                                            : "none";
}

/* ---- Lines ----------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 0))) static const char *add_line(limn_examination *x,
                                                                  const char *format,
                                                                  va_list values)
{
    char text[3 * LIMN_SHOWN_BYTES];
    const char *copy;

    vsnprintf(text, sizeof text, format, values);
    if (!(copy = limn_take_text(x->arena, text))) {
        x->refused = true;
        return "";
    }
    if (x->line_count < LIMN_LINES_MAX) x->lines[x->line_count++] = copy;
    return copy;
}

void limn_examination_say(limn_examination *x, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    add_line(x, format, values);
    va_end(values);
}

void limn_examination_fault(limn_examination *x, const char *format, ...)
{
    const char *line;
    va_list values;

    va_start(values, format);
    line = add_line(x, format, values);
    va_end(values);
    if (!x->fault) x->fault = line;
}

/* Bytes of the UTF-8 character at the front that may be shown, or 0. */
static size_t character(const unsigned char *at, size_t count)
{
    size_t more = *at < 0x80   ? 0
                  : *at < 0xc2 ? 9
                  : *at < 0xe0 ? 1
                  : *at < 0xf0 ? 2
                  : *at < 0xf5 ? 3
                               : 9;

    if (*at < 0x20 || *at == 0x7f || more >= count) return 0;
    if (*at == 0xc2 && at[1] < 0xa0) return 0; /* control characters of Latin-1 */
    for (size_t i = 1; i <= more; i++)
        if ((at[i] & 0xc0) != 0x80) return 0;
    return more + 1;
}

const char *limn_examination_text(limn_examination *x, limn_mark_span text)
{
    char *out = limn_take(x->arena, LIMN_SHOWN_BYTES + 8);
    size_t to = 0, from = 0;

    if (!out) {
        x->refused = true;
        return "";
    }
    while (from < text.count && to < LIMN_SHOWN_BYTES) {
        size_t bytes = character(text.data + from, text.count - from);

        if (!bytes) {
            out[to++] = '?';
            from++;
            continue;
        }
        memcpy(out + to, text.data + from, bytes);
        to += bytes;
        from += bytes;
    }
    if (from < text.count) memcpy(out + to, "...", 3);
    return out;
}

static const char *shown(limn_examination *x, const char *text)
{
    return text ? limn_examination_text(x, limn_mark_span_of(text, strlen(text))) : NULL;
}

/* ---- The verdict ----------------------------------------------------------------------------- */

/* "trainedAlgorithmicMedia" of its URI. */
static const char *short_type(const char *uri)
{
    const char *slash = strrchr(uri, '/');

    return slash && slash[1] ? slash + 1 : uri;
}

static const char *who(const limn_examination *x)
{
    const limn_verification *out = x->out;

    if (out->trust == LIMN_TRUST_KNOWN) return "known by the given anchors";
    if (out->self_made) return "a certificate that limn made for itself and that names nobody";
    if (out->trust == LIMN_TRUST_UNKNOWN) return "not known by the given anchors";
    return "not compared with any anchors";
}

static limn_status conclude(limn_examination *x, bool manifest, limn_error *error)
{
    limn_verification *out = x->out;
    const char **lines;

    if (x->fault) {
        out->verdict = LIMN_VERDICT_BROKEN;
        out->sentence = limn_take_format(x->arena, "broken: %s", x->fault);
    } else if (manifest) {
        out->verdict = LIMN_VERDICT_INTACT;
        out->sentence = limn_take_format(
            x->arena, "intact: %s%s%s by %s, signed by %s (%s)",
            out->action ? out->action : "a manifest without actions",
            out->source_type ? " as " : "", out->source_type ? short_type(out->source_type) : "",
            out->generator ? out->generator : "unnamed software", out->signer, who(x));
    } else {
        out->verdict = LIMN_VERDICT_NONE;
        out->sentence = out->xmp_source_type
                            ? limn_take_format(x->arena,
                                               "none: no C2PA manifest; the XMP says %s, which "
                                               "nothing protects",
                                               short_type(out->xmp_source_type))
                            : limn_take_text(x->arena,
                                             "none: no C2PA manifest, and no source type in XMP");
    }
    lines = limn_take(x->arena, (x->line_count + 1) * sizeof *lines);
    if (!lines || !out->sentence || x->refused)
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory: the findings");
    memcpy(lines, x->lines, x->line_count * sizeof *lines);
    out->lines = lines;
    out->line_count = x->line_count;
    return LIMN_OK;
}

static limn_status read_xmp(limn_examination *x, limn_mark_span packet, limn_error *error)
{
    limn_verification *out = x->out;
    limn_xmp_facts facts;

    if (!packet.count) return LIMN_OK;
    LIMN_TRY(limn_xmp_read(&facts, packet, x->arena, error));
    if (!facts.well_formed) limn_examination_say(x, "the XMP is not well-formed");
    out->xmp_source_type = shown(x, facts.source_type);
    out->xmp_tool = shown(x, facts.creator_tool);
    out->xmp_model = shown(x, facts.model_sha256);
    if (out->xmp_source_type) limn_examination_say(x, "XMP source type %s", out->xmp_source_type);
    if (out->xmp_tool) limn_examination_say(x, "XMP creator tool %s", out->xmp_tool);
    if (out->xmp_model) limn_examination_say(x, "XMP model SHA-256 %s", out->xmp_model);
    return LIMN_OK;
}

static limn_status examine(limn_examination *x, limn_error *error)
{
    const limn_container *container = limn_container_of(x->file);
    limn_container_found found = { 0 };
    bool manifest;

    if (!container) return limn_fail(error, LIMN_FORMAT, "not a PNG, JPEG, WebP or TIFF picture");
    x->out->format = container->name;
    LIMN_TRY(container->read(&found, x->file, x->arena, error));
    manifest = found.manifest_place > 0;
    if ((found.fault || found.damage) && !manifest && !found.manifest_traces)
        return limn_fail(error, LIMN_FORMAT, "the %s %s", container->name,
                         found.fault ? found.fault : found.damage);
    LIMN_TRY(read_xmp(x, found.xmp, error));
    if (found.fault) limn_examination_fault(x, "the %s %s", container->name, found.fault);
    if (!manifest && found.manifest_traces)
        limn_examination_fault(x, "what is left of a manifest can't be read");
    x->manifest_place = found.manifest_place;
    if (manifest) LIMN_TRY(limn_examine_store(x, found.manifest, error));
    if (manifest && x->out->source_type)
        limn_examination_say(x, "manifest: %s, %s", x->out->action ? x->out->action : "no action",
                             x->out->source_type);
    return conclude(x, manifest, error);
}

/* ---- The public calls ------------------------------------------------------------------------ */

limn_status limn_verify_bytes(limn_verification **out, const void *bytes, size_t count,
                              const char *name, const char *anchors_path, limn_error *error)
{
    limn_mapping anchors = { 0 };
    limn_examination x = { .file = limn_mark_span_of(bytes, count) };
    limn_status status;
    held *h;

    *out = NULL;
    if (!(h = limn_block(sizeof *h)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory: the findings");
    *h = (held){ 0 };
    limn_arena_open(&h->arena, "verifying", 0);
    x.out = &h->verification;
    x.arena = &h->arena;
    x.hashed_max = HASHED_AT_LEAST + (uint64_t)count * HASHED_TIMES;
    *out = &h->verification;
    if (anchors_path) {
        if ((status = limn_file_map(&anchors, anchors_path, error))) goto done;
        x.anchors = limn_mark_span_of(anchors.bytes, anchors.count);
        if (!anchors.count) {
            status = limn_fail(error, LIMN_SETTING, "%s: the file is empty", anchors_path);
            goto done;
        }
    }
    if ((status = examine(&x, error))) {
        if (name) status = limn_while(error, "%s", status == LIMN_SETTING ? anchors_path : name);
    }
done:
    limn_file_unmap(&anchors);
    if (status) limn_verification_close(out);
    return status;
}

limn_status limn_verify_file(limn_verification **out, const char *path, const char *anchors_path,
                             limn_error *error)
{
    limn_mapping file = { 0 };
    limn_status status;

    *out = NULL;
    LIMN_TRY(limn_file_map(&file, path, error));
    status = limn_verify_bytes(out, file.bytes, file.count, path, anchors_path, error);
    limn_file_unmap(&file);
    return status;
}

void limn_verification_close(limn_verification **verification)
{
    held *h = (held *)*verification;

    if (!h) return;
    limn_arena_close(&h->arena);
    limn_block_free(h);
    *verification = NULL;
}
