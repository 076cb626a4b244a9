/* SPDX-License-Identifier: Apache-2.0
 *
 * Scoring: a model against the targets of a folder of pairs, or of plain pictures where the model
 * makes its input from the target.
 *
 * Pictures are prepared as training prepares them, but nothing is drawn: the middle, not flipped.
 * With --preprocess none, the default, they are taken whole, so that the numbers are about what
 * translating gives.  Every one of them counts, and none is counted twice.
 *
 * The worst ten are translated a second time for their sheet instead of keeping all results. */
#include "translate/report.h"
#include "base/file.h"
#include "base/threads.h"
#include "data/lab.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define AT(field) offsetof(limn_score_settings, field)
#define DATA_RANGE 2.0f /* of [-1, 1] */

static const limn_setting rows[] = {
    { "phase", LIMN_SETTING_CHOICE, AT(phase), 0, 0, LIMN_PHASE_CHOICES, NULL,
      "which part of the folder" },
    { "direction", LIMN_SETTING_TEXT, AT(direction), 0, 0, "AtoB|BtoA", "which-direction",
      "none: the model's own" },
    { "preprocess", LIMN_SETTING_CHOICE, AT(preprocess), 0, 0, LIMN_PREPROCESS_CHOICES,
      "resize-or-crop", "of both sides, as for training; the middle is cut" },
    { "load-size", LIMN_SETTING_INT, AT(load_size), 1, 16384, NULL, "loadSize",
      "scaled to this first" },
    { "crop-size", LIMN_SETTING_INT, AT(crop_size), 1, 16384, NULL, "fineSize size",
      "then cut to this" },
    { "max-dataset-size", LIMN_SETTING_LONG, AT(max_size), 0, 9007199254740992.0, NULL,
      "num-test how-many", "the first so many; 0: all" },
    { "derive", LIMN_SETTING_FLAG, AT(derive), 0, 0, NULL, NULL,
      "models trained with --derive: plain pictures, from which the inputs are made" },
    { "html", LIMN_SETTING_TEXT, AT(html), 0, 0, NULL, "results-dir",
      "folder for a page with all pictures; none: no page" },
    { "worst", LIMN_SETTING_TEXT, AT(worst), 0, 0, NULL, NULL,
      "file for a sheet of the ten worst; none: no sheet" },
    { "compute", LIMN_SETTING_CHOICE, AT(compute), 0, 0, "plain|fp32|bf16|auto", NULL,
      "how: plain loops, float32, bfloat16, or what suits the processor" },
    { "threads", LIMN_SETTING_INT, AT(threads), 0, 256, NULL, NULL,
      "compute threads; 0: $OMP_NUM_THREADS, or one a core" },
    { "workers", LIMN_SETTING_INT, AT(workers), 0, 64, NULL, "num-threads nThreads",
      "threads that decode beside them" },
    { .name = NULL },
};

const limn_setting *limn_score_rows(void)
{
    return rows;
}

limn_score_settings limn_score_defaults(void)
{
    return (limn_score_settings){ .phase = LIMN_PHASE_TEST,
                                  .preprocess = LIMN_PREPROCESS_NONE,
                                  .load_size = 286,
                                  .crop_size = 256,
                                  .derive = true,
                                  .compute = LIMN_COMPUTE_AUTO,
                                  .workers = 2 };
}

/* ---- One picture ---------------------------------------------------------------------------- */

typedef struct scoring {
    const limn_score_settings *settings;
    limn_translator *t;
    limn_score_report *report;
    limn_data data;
    limn_loader_settings loading;
    bool colour;
} scoring;

/* Input, output and target as they are shown and scored: all in one block. */
typedef struct trio {
    float *input, *output, *target;
    int input_channels, channels, height, width;
} trio;

/* From a batch of one.  trio->input is to be freed, the other two lie behind it. */
static limn_status translate(const scoring *s, const limn_batch *batch, trio *out,
                             limn_error *error)
{
    const limn_data_item *item = batch->b_items[0];
    int input = s->t->description.input_nc, made = s->t->description.output_nc;
    size_t pixels = (size_t)batch->b_shape.h * (size_t)batch->b_shape.w;
    float *ab = NULL;
    limn_status status;

    *out = (trio){ .input_channels = input,
                   .channels = limn_translator_channels(s->t),
                   .height = batch->b_shape.h,
                   .width = batch->b_shape.w };
    if (batch->a_shape.h != out->height || batch->a_shape.w != out->width)
        return limn_fail(
            error, LIMN_SHAPE,
            "%s: input is %d x %d and target %d x %d; choose a --preprocess that makes "
            "them equal",
            item->name, batch->a_shape.w, batch->a_shape.h, out->width, out->height);
    LIMN_TRY(limn_translator_fits(s->t, out->height, out->width, item->name, error));
    out->input = limn_block((size_t)(input + 2 * out->channels) * pixels * sizeof(float));
    if (s->colour) ab = limn_block((size_t)made * pixels * sizeof *ab);
    if (!out->input || (s->colour && !ab)) {
        limn_block_free(out->input);
        limn_block_free(ab);
        out->input = NULL;
        return limn_fail(error, LIMN_NO_MEMORY, "%s: out of memory for %zu pixels", item->name,
                         pixels);
    }
    out->output = out->input + (size_t)input * pixels;
    out->target = out->output + (size_t)out->channels * pixels;
    memcpy(out->input, batch->a, (size_t)input * pixels * sizeof(float));
    status = limn_translator_planes(s->t, batch->a, s->colour ? ab : out->output, out->height,
                                    out->width, 0, item->name, error);
    if (s->colour && !status) {
        limn_lab_join(batch->a, ab, pixels, out->output);
        limn_lab_join(batch->a, batch->b, pixels, out->target);
    } else
        memcpy(out->target, batch->b, (size_t)made * pixels * sizeof(float));
    limn_block_free(ab);
    if (status) {
        limn_block_free(out->input);
        out->input = NULL;
    }
    return status;
}

static void cells_of(limn_cell cells[3], const trio *p)
{
    cells[0] = (limn_cell){ NULL, p->input, p->input_channels, p->height, p->width };
    cells[1] = (limn_cell){ NULL, p->output, p->channels, p->height, p->width };
    cells[2] = (limn_cell){ NULL, p->target, p->channels, p->height, p->width };
}

static limn_picture_score row_of(const char *name, const limn_score *score)
{
    return (limn_picture_score){ name,           score->l1,    score->psnr,  score->ssim,
                                 score->ms_ssim, score->edges, score->scales };
}

/* input | output | target as one picture of the page.  A refusal leaves it out. */
static limn_status show(const scoring *s, size_t i, const trio *p, limn_error *error)
{
    limn_score_report *r = s->report;
    limn_cell cells[3];
    limn_sheet sheet = {
        .name = r->pictures[i].name, .cells = cells, .rows = 1, .columns = 3, .origin = s->t->origin
    };
    limn_target target = { .format = LIMN_FORMAT_PNG };
    const char *file = limn_take_format(&r->arena, "pictures/%05zu.png", i + 1);
    limn_error own = { 0 };
    limn_status status;
    int refused = 0;

    if (!file || !(target.path = limn_take_format(&r->arena, "%s/%s", s->settings->html, file)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for the page");
    cells_of(cells, p);
    status = limn_publish_sheet(s->t->publisher, &sheet, &target, &refused, NULL, &own);
    if (refused || status == LIMN_REFUSED_PICTURE) r->refused++;
    if (status == LIMN_REFUSED_PICTURE) return LIMN_OK;
    if (status && error) *error = own;
    if (!status) r->shown[i] = file;
    return status;
}

static limn_status one(const scoring *s, size_t i, const limn_batch *batch, limn_error *error)
{
    limn_score_report *r = s->report;
    limn_score score;
    limn_shape shape;
    limn_status status;
    trio p;

    LIMN_TRY(translate(s, batch, &p, error));
    shape = (limn_shape){ 1, p.channels, p.height, p.width };
    status = limn_score_pictures(&score, p.output, p.target, shape, DATA_RANGE, error);
    if (!status) {
        const char *name = limn_take_text(&r->arena, batch->b_items[0]->name);

        if (!name)
            status = limn_fail(error, LIMN_NO_MEMORY, "out of memory for the scores");
        else
            r->pictures[i] = row_of(name, &score);
    }
    if (!status && s->settings->html) status = show(s, i, &p, error);
    limn_block_free(p.input);
    return status;
}

/* ---- All of them ---------------------------------------------------------------------------- */

static limn_status run(scoring *s, limn_translate_progress progress, void *context,
                       limn_error *error)
{
    limn_score_report *r = s->report;
    limn_loader *loader;
    limn_batch batch;
    limn_status status = LIMN_OK;

    LIMN_TRY(limn_loader_open(&loader, &s->data, &s->loading, 0, 0, error));
    for (size_t i = 0, total = limn_data_length(&s->data); i < total; i++) {
        if ((status = limn_loader_next(loader, &batch, error)) ||
            (status = one(s, i, &batch, error)))
            break;
        r->count = i + 1;
        if (progress) {
            limn_translate_event event = { r->pictures[i].name, NULL, LIMN_OK, NULL, i + 1, total };

            if (!progress(context, &event)) {
                status = limn_fail(error, LIMN_STOPPED, "stopped after %zu of %zu pictures", i + 1,
                                   total);
                break;
            }
        }
    }
    limn_loader_close(&loader);
    return status;
}

static limn_status take_mean(limn_score_report *r, limn_error *error)
{
    limn_score *scores = limn_block((r->count + 1) * sizeof *scores), mean;

    if (!scores) return limn_fail(error, LIMN_NO_MEMORY, "out of memory for the mean of scores");
    for (size_t i = 0; i < r->count; i++) {
        const limn_picture_score *p = &r->pictures[i];

        scores[i] = (limn_score){ p->l1, p->psnr, p->ssim, p->ms_ssim, p->edges, p->scales };
    }
    mean = limn_score_mean(scores, r->count);
    r->mean = row_of("mean", &mean);
    limn_block_free(scores);
    return LIMN_OK;
}

typedef struct ranked {
    double l1;
    size_t index;
} ranked;

/* NaN is worse than anything. */
static int by_l1(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    double p = isnan(x->l1) ? HUGE_VAL : x->l1, q = isnan(y->l1) ? HUGE_VAL : y->l1;

    if (p != q) return p > q ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static limn_status rank(const limn_score_report *r, ranked **out, limn_error *error)
{
    if (!(*out = limn_block((r->count + 1) * sizeof **out)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for sorting the scores");
    for (size_t i = 0; i < r->count; i++) (*out)[i] = (ranked){ r->pictures[i].l1, i };
    qsort(*out, r->count, sizeof **out, by_l1);
    return LIMN_OK;
}

limn_status limn_score_order(const limn_score_report *r, size_t *order, limn_error *error)
{
    ranked *sorted;

    LIMN_TRY(rank(r, &sorted, error));
    for (size_t i = 0; i < r->count; i++) order[i] = sorted[i].index;
    limn_block_free(sorted);
    return LIMN_OK;
}

static limn_status worst_sheet(scoring *s, limn_error *error)
{
    limn_score_report *r = s->report;
    int shown = r->count < LIMN_SCORE_WORST ? (int)r->count : LIMN_SCORE_WORST, refused = 0;
    limn_cell cells[3 * LIMN_SCORE_WORST];
    trio trios[LIMN_SCORE_WORST] = { 0 };
    limn_sheet sheet = { .name = s->settings->worst,
                         .cells = cells,
                         .rows = shown,
                         .columns = 3,
                         .origin = s->t->origin };
    limn_target target = { .path = s->settings->worst };
    limn_status status = LIMN_OK;
    ranked *sorted;

    LIMN_TRY(rank(r, &sorted, error));
    for (int i = 0; i < shown && !status; i++) {
        limn_loader *loader = NULL;
        limn_batch batch;

        status = limn_loader_open(&loader, &s->data, &s->loading, 0, sorted[i].index, error);
        if (!status) status = limn_loader_next(loader, &batch, error);
        if (!status) status = translate(s, &batch, &trios[i], error);
        if (!status) cells_of(cells + 3 * i, &trios[i]);
        limn_loader_close(&loader);
    }
    limn_block_free(sorted);
    if (!status)
        status = limn_publish_sheet(s->t->publisher, &sheet, &target, &refused, NULL, error);
    r->refused += (size_t)refused;
    for (int i = 0; i < shown; i++) limn_block_free(trios[i].input);
    return status;
}

/* ---- Opening -------------------------------------------------------------------------------- */

limn_loader_settings limn_score_loading(const limn_translator *t, const limn_score_settings *s)
{
    const limn_model_card *card = limn_model_about(t->model);
    const char *direction = s->direction ? s->direction : card->direction;
    bool turned = card->direction && !strcmp(card->direction, "BtoA");
    limn_loader_settings loading = LIMN_LOADER_DEFAULTS;

    loading.preparation = (limn_preparation){ .preprocess = s->preprocess,
                                              .load_size = s->load_size,
                                              .crop_size = s->crop_size };
    /* Of CycleGAN's generators, G_B goes the other way than the training. */
    loading.b_to_a = !strcmp(t->network->name, "G_B")   ? !turned
                     : !strcmp(t->network->name, "G_A") ? turned
                                                        : direction && !strcmp(direction, "BtoA");
    loading.a_channels = t->description.input_nc;
    loading.b_channels = t->description.output_nc;
    loading.workers = s->workers;
    loading.cache_bytes = 0;
    loading.serial = loading.no_draw = true;
    loading.epochs = 1;
    return loading;
}

static limn_status open_data(scoring *s, const char *folder, limn_error *error)
{
    limn_data_query query = { .root = folder,
                              .phase = (limn_phase)s->settings->phase,
                              .max_size = s->settings->max_size };
    limn_derivation derivation = { .kind = LIMN_DERIVE_NONE };

    if (s->settings->derive) LIMN_TRY(limn_translator_derivation(&derivation, s->t, error));
    query.pairing = s->colour || derivation.kind ? LIMN_PLAIN : LIMN_PAIRED;
    LIMN_TRY(limn_data_open(&s->data, &query, error));
    if (!limn_data_length(&s->data))
        return limn_fail(error, LIMN_FORMAT, "%s: has no pictures for --phase %s%s%s", folder,
                         limn_phase_name(query.phase), s->data.note ? ": " : "",
                         s->data.note ? s->data.note : "");
    s->loading = limn_score_loading(s->t, s->settings);
    s->loading.colorize = s->colour;
    s->loading.derivation = derivation;
    return LIMN_OK;
}

static limn_status take_room(scoring *s, limn_error *error)
{
    limn_score_report *r = s->report;
    size_t count = limn_data_length(&s->data);
    const char *folder;

    LIMN_TRY(limn_take_into(&r->pictures, &r->arena, count * sizeof *r->pictures, error));
    LIMN_TRY(limn_take_into(&r->shown, &r->arena, count * sizeof *r->shown, error));
    if (!s->settings->html) return LIMN_OK;
    if (!(folder = limn_take_format(&r->arena, "%s/pictures", s->settings->html)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for the page");
    return limn_folder_make(folder, error);
}

static limn_status score(scoring *s, const char *model, const char *folder,
                         limn_translate_progress progress, void *context, limn_error *error)
{
    limn_translate_settings settings = limn_translate_defaults();

    settings.direction = s->settings->direction;
    settings.compute = s->settings->compute;
    settings.threads = s->settings->threads;
    LIMN_TRY(limn_translator_open(&s->t, model, &settings, error));
    s->colour = s->t->colour == LIMN_TRANSLATE_COLOUR;
    LIMN_TRY(open_data(s, folder, error));
    LIMN_TRY(take_room(s, error));
    LIMN_TRY(run(s, progress, context, error));
    LIMN_TRY(take_mean(s->report, error));
    if (s->settings->html)
        LIMN_TRY(limn_score_page(s->report, s->t, folder, s->settings->html, error));
    return s->settings->worst ? worst_sheet(s, error) : LIMN_OK;
}

limn_status limn_score_folder(limn_score_report **report, const char *model, const char *folder,
                              const limn_score_settings *settings, limn_translate_progress progress,
                              void *context, limn_error *error)
{
    limn_score_settings own = settings ? *settings : limn_score_defaults();
    scoring s = { .settings = &own };
    limn_status status;

    LIMN_TRY(limn_open_in_arena(report, sizeof **report, "scores", 0, error));
    s.report = *report;
    status = score(&s, model, folder, progress, context, error);
    limn_data_close(&s.data);
    limn_translator_close(&s.t);
    if (status) limn_score_close(report);
    return status;
}

const limn_picture_score *limn_score_pictures_of(const limn_score_report *report, size_t *count)
{
    *count = report->count;
    return report->pictures;
}

limn_picture_score limn_score_mean_of(const limn_score_report *report)
{
    return report->mean;
}

size_t limn_score_refused_of(const limn_score_report *report)
{
    return report->refused;
}

void limn_score_close(limn_score_report **report)
{
    if (*report) limn_close_in_arena(report);
}
