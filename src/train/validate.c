/* SPDX-License-Identifier: Apache-2.0
 *
 * Validation and sample sheets: see validate.h. */
#include "train/validate.h"

#include <math.h>
#include <string.h>

enum { TRAIN_PICTURES_MAX = 24, SHEET_SIDE = 256, SHEET_QUALITY = 88 };

void limn_validator_open(limn_validator *v, limn_trainer *trainer, limn_publisher *publisher,
                         const limn_data *train, const limn_data *val)
{
    *v = (limn_validator){ .trainer = trainer, .publisher = publisher, .train = train, .val = val };
}

static void close_inference(limn_inference *i)
{
    limn_plan_close(&i->plan);
    limn_graph_close(&i->graph);
    limn_block_free(i->values);
    *i = (limn_inference){ 0 };
}

static void forget_shown(limn_validator *v)
{
    for (int i = 0; i < v->shown_count; i++) {
        limn_block_free(v->shown[i].input);
        limn_block_free(v->shown[i].output);
        limn_block_free(v->shown[i].target);
        v->shown[i] = (limn_shown){ 0 };
    }
    v->shown_count = 0;
}

void limn_validator_close(limn_validator *v)
{
    for (int i = 0; i < LIMN_GENERATORS_MAX; i++) close_inference(&v->inferences[i]);
    forget_shown(v);
}

/* ---- One picture ----------------------------------------------------------------------------- */

static limn_status open_inference(limn_inference *i, limn_trainer *t, int generator, limn_shape in,
                                  limn_error *error)
{
    limn_plan_settings settings = { .compute = (limn_compute)t->train->compute,
                                    .choices = t->choices };
    limn_network network = t->settings.generator;

    close_inference(i);
    if (generator % 2) {
        network.input_nc = t->settings.generator.output_nc;
        network.output_nc = t->settings.generator.input_nc;
    }
    LIMN_TRY(limn_graph_open(&i->graph, false, error));
    i->input = limn_input(i->graph, "input", in);
    i->output = limn_apply(i->graph, t->generators[generator], &network, i->input, NULL);
    limn_report(i->graph, "output", i->output);
    i->in = in;
    i->out = limn_shape_of(i->graph, i->output);
    LIMN_TRY(limn_plan_open(&i->plan, i->graph, t->weights, &settings, error));
    if (!(i->values = limn_block(limn_count(i->out) * sizeof *i->values)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for a validation picture");
    return LIMN_OK;
}

static limn_status translate(limn_inference *i, limn_trainer *t, int generator, limn_shape in,
                             const float *values, limn_error *error)
{
    limn_moment moment = { .seed = (uint64_t)t->train->seed };

    if (!i->plan || !limn_shape_equal(i->in, in))
        LIMN_TRY(open_inference(i, t, generator, in, error));
    LIMN_TRY(limn_plan_feed(i->plan, i->input, values, error));
    LIMN_TRY(limn_plan_run(i->plan, &moment, error));
    return limn_plan_read(i->plan, i->output, i->values, error);
}

/* The upper left part of planes, without what was padded. */
static float *cut(const float *planes, limn_shape from, int height, int width, limn_error *error)
{
    float *to = limn_block((size_t)from.c * (size_t)height * (size_t)width * sizeof *to);

    if (!to) {
        limn_fail(error, LIMN_NO_MEMORY, "out of memory for a validation picture");
        return NULL;
    }
    for (size_t row = 0, rows = (size_t)from.c * (size_t)height; row < rows; row++) {
        size_t c = row / (size_t)height, y = row % (size_t)height;

        memcpy(to + row * (size_t)width, planes + (c * (size_t)from.h + y) * (size_t)from.w,
               (size_t)width * sizeof *to);
    }
    return to;
}

/* Keeps or frees the three. */
static void show(limn_validator *v, bool wanted, limn_shown *shown)
{
    if (wanted && v->shown_count < LIMN_SHEET_ROWS_MAX) {
        v->shown[v->shown_count++] = *shown;
    } else {
        limn_block_free(shown->input);
        limn_block_free(shown->output);
        limn_block_free(shown->target);
    }
    *shown = (limn_shown){ 0 };
}

/* Runs one generator on one picture of the batch; score may be NULL. */
static limn_status one(limn_validator *v, const limn_batch *b, int generator, bool wanted,
                       limn_score *score, limn_error *error)
{
    bool back = generator % 2;
    limn_shape in = back ? b->b_shape : b->a_shape, kept = back ? b->b_kept : b->a_kept;
    const float *input = back ? b->b : b->a, *truth = score ? b->b : NULL;
    limn_inference *i = &v->inferences[generator];
    limn_shown shown = { 0 };
    limn_status status = translate(i, v->trainer, generator, in, input, error);

    if (status) return status;
    shown.input_shape = (limn_shape){ 1, in.c, kept.h, kept.w };
    shown.output_shape = (limn_shape){ 1, i->out.c, kept.h, kept.w };
    if (!(shown.input = cut(input, in, kept.h, kept.w, error)) ||
        !(shown.output = cut(i->values, i->out, kept.h, kept.w, error)) ||
        (truth && !(shown.target = cut(truth, b->b_shape, kept.h, kept.w, error))))
        status = LIMN_NO_MEMORY;
    if (!status && v->trainer->recipe->colorizes) status = limn_shown_paint(&shown, error);
    if (!status && truth)
        status = limn_score_pictures(score, shown.output, shown.target, shown.output_shape, 2,
                                     error);
    show(v, wanted && !status, &shown);
    return status;
}

/* ---- Many ------------------------------------------------------------------------------------ */

static limn_score no_score(void)
{
    return (limn_score){ .l1 = NAN, .psnr = NAN, .ssim = NAN, .ms_ssim = NAN, .edges = NAN };
}

/* Up to `most` pictures of the list; every so many is shown. */
static limn_status go_through(limn_validator *v, const limn_data *data, size_t most, int rows,
                              limn_score *mean, size_t *pictures, limn_error *error)
{
    limn_loader_settings settings = limn_train_loader_settings(v->trainer->train, true);
    bool pairs = !v->trainer->recipe->unpaired;
    size_t length = limn_data_length(data), done = 0;
    int generators = v->trainer->generator_count;
    limn_loader *loader = NULL;
    limn_score *scores = NULL;
    limn_status status;
    limn_batch batch;

    *mean = no_score();
    *pictures = 0;
    if (length < most) most = length;
    if (!most) return LIMN_OK;
    if ((status = limn_loader_open(&loader, data, &settings, 0, 0, error))) return status;
    if (!(scores = limn_block(most * sizeof *scores)))
        status = limn_fail(error, LIMN_NO_MEMORY, "out of memory for %zu scores", most);
    for (; done < most && !status; done++) {
        /* Rows are spread evenly over the pictures, whatever their number. */
        bool wanted = rows > 0 && done * (size_t)rows / most != (done + 1) * (size_t)rows / most;

        status = limn_loader_next(loader, &batch, error);
        if (!status && !batch.count) break;
        for (int g = 0; g < generators && !status; g++)
            status = one(v, &batch, g, wanted, pairs && !g ? &scores[done] : NULL, error);
    }
    if (!status && pairs) *mean = limn_score_mean(scores, done);
    *pictures = done;
    limn_block_free(scores);
    limn_loader_close(&loader);
    return status;
}

/* Two or three cells a picture, and as many pictures beside one another as make six columns. */
static limn_status write_sheet(limn_validation *out, limn_validator *v, const char *path,
                               limn_error *error)
{
    enum { COLUMNS = 6 };
    limn_cell cells[(LIMN_SHEET_ROWS_MAX + 2) * 3] = { { .planes = NULL } };
    int each = v->trainer->recipe->unpaired ? 2 : 3, beside = COLUMNS / each;
    limn_sheet sheet = { .name = path,
                         .cells = cells,
                         .rows = (v->shown_count + beside - 1) / beside,
                         .columns = v->shown_count < beside ? each * v->shown_count : COLUMNS,
                         .side = SHEET_SIDE,
                         .origin = { .source = LIMN_MARK_COMPOSITE } };
    limn_target target = { .path = path, .quality = SHEET_QUALITY };
    limn_error refusal = { 0 };
    limn_status status;

    for (int i = 0; i < v->shown_count; i++) {
        const limn_shown *s = &v->shown[i];
        limn_shape in = s->input_shape, made = s->output_shape;
        limn_cell *cell = &cells[i * each];

        cell[0] = (limn_cell){ NULL, s->input, in.c, in.h, in.w };
        cell[1] = (limn_cell){ NULL, s->output, made.c, made.h, made.w };
        if (each == 3) cell[2] = (limn_cell){ NULL, s->target, made.c, made.h, made.w };
    }
    status = limn_publish_sheet(v->publisher, &sheet, &target, &out->refused, NULL, &refusal);
    out->sheet = !status;
    if (!status || status == LIMN_REFUSED_PICTURE) return LIMN_OK;
    return limn_fail(error, status, "%s", refusal.text);
}

limn_status limn_validate(limn_validation *out, limn_validator *v, const char *sheet_path,
                          limn_error *error)
{
    const limn_train_settings *s = v->trainer->train;
    int per_picture = v->trainer->generator_count;
    int rows = s->sheet_pictures * per_picture > LIMN_SHEET_ROWS_MAX
                   ? LIMN_SHEET_ROWS_MAX / per_picture
                   : s->sheet_pictures;
    size_t seen, most = (size_t)s->val_pictures;

    *out = (limn_validation){ .train = no_score() };
    forget_shown(v);
    if (most < (size_t)rows) most = (size_t)rows;
    if (!limn_data_length(v->val)) { /* samples all the same, without a number to be misread */
        LIMN_TRY(go_through(v, v->train, (size_t)rows, rows, &out->val, &seen, error));
        out->val = no_score();
    } else {
        LIMN_TRY(go_through(v, v->val, most, rows, &out->val, &out->pictures, error));
    }
    if (!v->trainer->recipe->unpaired && out->pictures) {
        most = out->pictures < TRAIN_PICTURES_MAX ? out->pictures : TRAIN_PICTURES_MAX;
        LIMN_TRY(go_through(v, v->train, most, 0, &out->train, &seen, error));
    }
    if (v->shown_count && sheet_path) LIMN_TRY(write_sheet(out, v, sheet_path, error));
    forget_shown(v);
    return LIMN_OK;
}
