/* SPDX-License-Identifier: Apache-2.0
 *
 * The door: see publish.h.
 *
 * What is screened is the very memory that is encoded afterwards: pixels in their final depth, with
 * the alpha that they will have.  Screening the network's floats was simpler and wrong, because
 * alpha that comes from the input can show what the colours alone do not.
 *
 * A screen has no NULL and no switch here.  If it can't be opened there is no publisher, and
 * without a publisher there is no limn_cleared, which is the only thing that limn_publish_write
 * takes. */
#include "publish/publish.h"
#include "base/file.h"
#include "image/encode.h"
#include "publish/publish_inside.h"

#include <pthread.h>
#include <string.h>

struct limn_publisher {
    limn_arena arena; /* the publisher itself lies in it */
    limn_screen *screen;
    limn_signer *signer;
    pthread_mutex_t signing; /* the signer is used by one thread at a time */
};

struct limn_cleared {
    limn_arena arena; /* the struct itself lies in it, and all texts */
    limn_publisher *publisher;
    limn_picture picture;
    limn_origin origin;
    const char *name;
    limn_screen_verdict verdict;
};

/* ---- Opening -------------------------------------------------------------------------------- */

limn_status limn_publisher_open(limn_publisher **out, const limn_publisher_settings *settings,
                                limn_error *error)
{
    limn_publisher_settings s = settings ? *settings
                                         : (limn_publisher_settings){ LIMN_COMPUTE_AUTO, 0, 0 };
    limn_publisher *publisher;
    limn_status status;

    LIMN_TRY(limn_open_in_arena(out, sizeof **out, "publisher", 0, error));
    publisher = *out;
    pthread_mutex_init(&publisher->signing, NULL); /* a default mutex takes nothing: cannot fail */
    if ((status = limn_signer_open(&publisher->signer, s.sign_cert, s.sign_key, error)) ||
        (status = limn_screen_open(&publisher->screen, s.compute, error)))
        limn_publisher_close(out);
    return status;
}

void limn_publisher_close(limn_publisher **publisher)
{
    if (!*publisher) return;
    limn_screen_close(&(*publisher)->screen);
    limn_signer_close(&(*publisher)->signer);
    pthread_mutex_destroy(&(*publisher)->signing);
    limn_close_in_arena(publisher);
}

limn_screen *limn_publisher_screen(limn_publisher *publisher)
{
    return publisher->screen;
}

/* ---- Clearing ------------------------------------------------------------------------------- */

/* Copies the text into the arena; NULL stays NULL. */
static limn_status keep_text(const char **text, limn_arena *arena, limn_error *error)
{
    if (*text && !(*text = limn_take_text(arena, *text)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for publishing a picture");
    return LIMN_OK;
}

static limn_status keep_texts(limn_cleared *cleared, const char *name, const limn_origin *origin,
                              limn_error *error)
{
    cleared->origin = *origin;
    cleared->name = name ? name : "a generated picture";
    if (!origin->software) {
        cleared->origin.software = "limn";
        cleared->origin.version = LIMN_VERSION;
    }
    LIMN_TRY(keep_text(&cleared->name, &cleared->arena, error));
    LIMN_TRY(keep_text(&cleared->origin.software, &cleared->arena, error));
    LIMN_TRY(keep_text(&cleared->origin.version, &cleared->arena, error));
    LIMN_TRY(keep_text(&cleared->origin.model_sha256, &cleared->arena, error));
    return keep_text(&cleared->origin.title, &cleared->arena, error);
}

limn_status limn_publish_clear_own(limn_cleared **out, limn_publisher *publisher,
                                   limn_picture *picture, const char *name,
                                   const limn_origin *origin, limn_published *report,
                                   limn_error *error)
{
    limn_cleared *cleared;
    limn_status status;

    if ((status = limn_open_in_arena(out, sizeof **out, "publishing", 4096, error))) {
        limn_picture_close(picture);
        return status;
    }
    cleared = *out;
    cleared->publisher = publisher;
    cleared->picture = *picture;
    *picture = (limn_picture){ 0 };
    if (!(status = keep_texts(cleared, name, origin, error))) {
        limn_screen_subject subject = { .picture = &cleared->picture };

        if ((status = limn_screen_pictures(publisher->screen, &subject, 1, &cleared->verdict,
                                           error)))
            limn_while(error, "%s", cleared->name);
        else
            status = limn_screen_refusal(&cleared->verdict, "output", cleared->name, error);
        if (report) report->verdict = cleared->verdict;
    }
    if (status) limn_cleared_close(out);
    return status;
}

static limn_status copy_bytes(limn_bytes *to, limn_bytes from, limn_error *error)
{
    if (!from.count) return LIMN_OK;
    if (!(to->bytes = limn_block(from.count)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for publishing a picture");
    memcpy(to->bytes, from.bytes, from.count);
    to->count = from.count;
    return LIMN_OK;
}

/* A copy of all that is in a picture: the caller may change his own while ours waits. */
static limn_status copy_picture(limn_picture *to, const limn_picture *from, limn_error *error)
{
    const limn_picture_info *info = &from->info;
    size_t pixels = (size_t)info->width * (size_t)info->height * limn_type_bytes(info->type);
    limn_status status;

    LIMN_TRY(limn_picture_make(to, info->width, info->height, info->channels, info->type,
                               from->alpha, error));
    to->info = *info;
    memcpy(to->pixels, from->pixels, pixels * (size_t)info->channels);
    if (from->alpha) memcpy(to->alpha, from->alpha, pixels);
    if ((status = copy_bytes(&to->icc, from->icc, error)) ||
        (status = copy_bytes(&to->exif, from->exif, error)) ||
        (status = copy_bytes(&to->xmp, from->xmp, error)))
        limn_picture_close(to);
    return status;
}

limn_status limn_publish_clear(limn_cleared **out, limn_publisher *publisher,
                               const limn_generated *g, limn_published *report, limn_error *error)
{
    limn_picture picture = { 0 };
    limn_status status;

    *out = NULL;
    if (report) *report = (limn_published){ 0 };
    if (!g->picture == !g->planes)
        return limn_fail(error, LIMN_BUG, "publishing wants either pixels or planes");
    status = g->picture ? copy_picture(&picture, g->picture, error)
                        : limn_picture_from_planes(&picture, g->planes, g->channels, g->height,
                                                   g->width, g->type, g->input, error);
    if (status) return limn_while(error, "%s", g->name ? g->name : "a generated picture");
    return limn_publish_clear_own(out, publisher, &picture, g->name, &g->origin, report, error);
}

void limn_cleared_close(limn_cleared **cleared)
{
    if (!*cleared) return;
    limn_picture_close(&(*cleared)->picture);
    limn_close_in_arena(cleared);
}

/* ---- Writing -------------------------------------------------------------------------------- */

/* Formats that can say where they come from (src/publish/mark.h). */
static bool carries_marks(limn_format format)
{
    return format == LIMN_FORMAT_PNG || format == LIMN_FORMAT_JPEG || format == LIMN_FORMAT_WEBP ||
           format == LIMN_FORMAT_TIFF;
}

limn_status limn_publish_format(limn_format *format, const limn_target *target,
                                const limn_picture_info *input, limn_error *error)
{
    limn_format asked = target->format;

    if (!asked && target->path) asked = limn_format_of_name(target->path);
    if (asked && !carries_marks(asked))
        return limn_fail(error, LIMN_SETTING,
                         "%s%s%s cannot carry marks of origin, which every generated picture has; "
                         "take PNG, TIFF, WebP or JPEG",
                         target->path ? target->path : "", target->path ? ": " : "",
                         limn_format_about(asked)->name);
    *format = asked                                   ? asked
              : input && carries_marks(input->format) ? input->format
                                                      : LIMN_FORMAT_PNG;
    return LIMN_OK;
}

static limn_status mark(limn_mark_buffer *out, const limn_cleared *cleared, limn_mark_span file,
                        const limn_target *target, limn_published *report, limn_error *error)
{
    const limn_origin *origin = &cleared->origin;
    const limn_bytes *xmp = &cleared->picture.xmp;
    limn_mark_description description = { .source = origin->source,
                                          .software = origin->software,
                                          .version = origin->version,
                                          .model_sha256 = origin->model_sha256,
                                          .title = origin->title,
                                          .keep_place = target->keep_gps,
                                          .signer = cleared->publisher->signer };
    limn_mark_report marked;

    if (!target->plain) description.xmp = limn_mark_span_of(xmp->bytes, xmp->count);
    pthread_mutex_lock(&cleared->publisher->signing);
    limn_status status = limn_mark(out, file, &description, &marked, error);
    pthread_mutex_unlock(&cleared->publisher->signing);
    if (status) return status;
    report->signed_manifest = marked.signed_manifest;
    report->xmp_dropped = marked.xmp_dropped;
    report->bytes = out->count;
    return LIMN_OK;
}

static limn_status write(const limn_cleared *cleared, const limn_target *target,
                         limn_published *report, limn_error *error)
{
    limn_encoding encoding = { .quality = target->quality,
                               .lossless = target->lossless,
                               .keep_gps = target->keep_gps,
                               .no_exif = target->plain,
                               .no_icc = target->plain };
    limn_mark_buffer marked = { 0 };
    limn_bytes file = { 0 };
    limn_status status;

    if (!target->path == !target->memory)
        return limn_fail(error, LIMN_BUG, "publishing wants either a path or memory");
    LIMN_TRY(limn_publish_format(&encoding.format, target, &cleared->picture.info, error));
    report->format = encoding.format;
    status = limn_picture_encode(&file, &cleared->picture, &encoding, error);
    if (!status)
        status = mark(&marked, cleared, limn_mark_span_of(file.bytes, file.count), target, report,
                      error);
    limn_block_free(file.bytes);
    if (status) {
        limn_mark_buffer_free(&marked);
        return limn_while(error, "%s", cleared->name);
    }
    if (target->memory) {
        *target->memory = (limn_bytes){ marked.data, marked.count };
        return LIMN_OK;
    }
    status = limn_file_replace(target->path, marked.data, marked.count, error);
    limn_mark_buffer_free(&marked);
    return status;
}

limn_status limn_publish_write(limn_cleared **cleared, const limn_target *target,
                               limn_published *report, limn_error *error)
{
    limn_published own = { 0 };
    limn_status status;

    if (target->memory) *target->memory = (limn_bytes){ 0 };
    if (!report) report = &own;
    report->verdict = (*cleared)->verdict;
    status = write(*cleared, target, report, error);
    limn_cleared_close(cleared);
    return status;
}

void limn_publish_pixels(limn_cleared **cleared, limn_picture *picture)
{
    *picture = (*cleared)->picture;
    (*cleared)->picture = (limn_picture){ 0 };
    limn_cleared_close(cleared);
}

limn_status limn_publish(limn_publisher *publisher, const limn_generated *generated,
                         const limn_target *target, limn_published *report, limn_error *error)
{
    limn_cleared *cleared;
    limn_format format;

    if (target->memory) *target->memory = (limn_bytes){ 0 };
    LIMN_TRY(limn_publish_format(&format, target, NULL, error));
    LIMN_TRY(limn_publish_clear(&cleared, publisher, generated, report, error));
    return limn_publish_write(&cleared, target, report, error);
}
