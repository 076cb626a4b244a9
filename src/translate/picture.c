/* SPDX-License-Identifier: Apache-2.0
 *
 * One picture in, cleared pictures out: from pixels to what the network sees and back.
 *
 * The input is looked at by the screen before anything is computed, the results when they are
 * pixels again (src/publish).  Variants of one picture share its planes. */
#include "base/threads.h"
#include "data/lab.h"
#include "translate/translator.h"

#include <string.h>

/* Float planes of one picture; all in one arena-less block each, because they are large. */
typedef struct planes {
    float *in, *out;   /* as the network sees and gives them */
    float *l, *result; /* colorization: the input's L, and the joined sRGB */
} planes;

static void free_planes(planes *p)
{
    limn_block_free(p->in);
    limn_block_free(p->out);
    limn_block_free(p->l);
    limn_block_free(p->result);
}

static limn_status take(float **to, size_t channels, size_t pixels, const char *name,
                        limn_error *error)
{
    if ((*to = limn_block(channels * pixels * sizeof **to))) return LIMN_OK;
    return limn_fail(error, LIMN_NO_MEMORY, "%s: out of memory for %zu pixels", name, pixels);
}

/* Fills in: made from the picture as from a target while training. */
static limn_status derive(const limn_translator *t, const limn_picture *picture, planes *p,
                          const char *name, limn_error *error)
{
    size_t pixels = (size_t)picture->info.width * (size_t)picture->info.height;
    int channels = t->description.output_nc;
    float *target = NULL;
    limn_status status;

    LIMN_TRY(take(&target, (size_t)channels, pixels, name, error));
    status = limn_picture_to_planes(picture, channels, target, error);
    if (!status)
        status = limn_derive(&t->derivation, target, channels, picture->info.height,
                             picture->info.width, p->in, t->description.input_nc, error);
    limn_block_free(target);
    return status ? limn_while(error, "%s: network %s", name, t->network->name) : LIMN_OK;
}

/* Fills in (and l): what the network sees of the picture. */
static limn_status prepare(const limn_translator *t, const limn_picture *picture, planes *p,
                           const char *name, limn_error *error)
{
    size_t pixels = (size_t)picture->info.width * (size_t)picture->info.height;
    size_t channels = (size_t)t->description.input_nc;
    float *ab = NULL;
    limn_status status;

    LIMN_TRY(take(&p->out, (size_t)t->description.output_nc, pixels, name, error));
    if (t->colour != LIMN_TRANSLATE_COLOUR) {
        LIMN_TRY(take(&p->in, channels, pixels, name, error));
        if (t->derivation.kind) return derive(t, picture, p, name, error);
        if (limn_picture_to_planes(picture, t->description.input_nc, p->in, error))
            return limn_while(error, "%s: network %s", name, t->network->name);
        return LIMN_OK;
    }
    LIMN_TRY(take(&p->result, 3, pixels, name, error));
    LIMN_TRY(take(&p->l, 1, pixels, name, error));
    LIMN_TRY(take(&ab, 2, pixels, name, error));
    if ((status = limn_picture_to_planes(picture, 3, p->result, error)))
        limn_while(error, "%s", name);
    else
        limn_lab_split(p->result, pixels, p->l, ab);
    limn_block_free(ab);
    return status;
}

static limn_status one(limn_translator *t, const limn_picture *picture, planes *p, uint64_t step,
                       const char *name, limn_cleared **cleared, limn_error *error)
{
    const limn_picture_info *info = &picture->info;
    bool colour = t->colour == LIMN_TRANSLATE_COLOUR;
    limn_generated generated = { .name = name,
                                 .planes = colour ? p->result : p->out,
                                 .channels = limn_translator_channels(t),
                                 .height = info->height,
                                 .width = info->width,
                                 .type = info->type,
                                 .input = picture,
                                 .origin = t->origin };

    LIMN_TRY(limn_translator_planes(t, colour ? p->l : p->in, p->out, info->height, info->width,
                                    step, name, error));
    if (colour) limn_lab_join(p->l, p->out, (size_t)info->width * (size_t)info->height, p->result);
    return limn_publish_clear(cleared, t->publisher, &generated, NULL, error);
}

static limn_status screen_input(limn_translator *t, const limn_picture *picture, const char *name,
                                limn_error *error)
{
    limn_screen_subject subject = { .picture = picture };
    limn_screen_verdict verdict;

    if (limn_screen_pictures(limn_publisher_screen(t->publisher), &subject, 1, &verdict, error))
        return limn_while(error, "%s", name);
    return limn_screen_refusal(&verdict, "input", name, error);
}

limn_status limn_translator_picture(limn_translator *t, const limn_picture *picture,
                                    const char *name, const char *const *names, int count,
                                    limn_cleared **cleared, limn_status *statuses,
                                    limn_error *error)
{
    limn_error own = { 0 };
    limn_status status;
    int refused = 0;
    planes p = { 0 };

    for (int i = 0; i < count; i++) cleared[i] = NULL, statuses[i] = LIMN_OK;
    limn_compute_threads_set(t->settings.threads); /* OpenMP keeps it per thread */
    LIMN_TRY(limn_translator_fits(t, picture->info.height, picture->info.width, name, error));
    LIMN_TRY(screen_input(t, picture, name, error));
    status = prepare(t, picture, &p, name, error);
    for (int i = 0; i < count && !status; i++) {
        status = statuses[i] = one(t, picture, &p, (uint64_t)i, names[i], &cleared[i], &own);
        if (status && (status != LIMN_REFUSED_PICTURE || !refused)) {
            if (error) *error = own;
        }
        if (status == LIMN_REFUSED_PICTURE && ++refused < count) status = LIMN_OK;
    }
    free_planes(&p);
    for (int i = 0; i < count && status; i++) limn_cleared_close(&cleared[i]);
    return status;
}
