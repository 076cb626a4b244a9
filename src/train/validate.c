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

static void close_lookers(limn_validator *v)
{
    for (int i = 0; i < LIMN_GENERATORS_MAX; i++) limn_looker_close(&v->lookers[i]);
}

void limn_validator_close(limn_validator *v)
{
    for (int i = 0; i < LIMN_GENERATORS_MAX; i++) close_inference(&v->inferences[i]);
    forget_shown(v);
    close_lookers(v);
    limn_unpaired_close(&v->unpaired);
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

/* What is done with the pictures of a list. */
typedef struct pass {
    const limn_data *data;
    size_t most;
    int rows;            /* of the sheet */
    bool looks;          /* taken, and sets compared */
    size_t sides[2];     /* pictures of A and of B, behind which a list begins again */
    size_t done, scored; /* asked for; had, for not every one may be there any more */
} pass;

static limn_planes planes_of(const float *values, limn_shape shape)
{
    return (limn_planes){ values, shape.c, shape.h, shape.w };
}

/* Through the generator of the other way too, behind `translate`. */
static limn_status cycle_error(limn_validator *v, int generator, const limn_shown *shown,
                               limn_error *error)
{
    const limn_train_settings *s = v->trainer->train;
    limn_inference *i = &v->inferences[generator], *other = &v->inferences[generator ^ 1];
    limn_shape in = shown->input_shape;
    float *again;

    if (!(limn_train_term_of(s, "lambda-A") + limn_train_term_of(s, "lambda-B") > 0) ||
        (generator ^ 1) >= v->trainer->generator_count)
        return LIMN_OK;
    LIMN_TRY(translate(other, v->trainer, generator ^ 1, i->out, i->values, error));
    if (!(again = cut(other->values, other->out, in.h, in.w, error))) return LIMN_NO_MEMORY;
    limn_unpaired_cycle(&v->unpaired, limn_score_l1(again, shown->input, limn_count(in)));
    limn_block_free(again);
    return LIMN_OK;
}

/* A picture of the other side, which has nothing to become. */
static limn_status identity_error(limn_validator *v, const limn_batch *b, int generator,
                                  limn_error *error)
{
    const limn_train_settings *s = v->trainer->train;
    bool back = generator % 2;
    limn_inference *i = &v->inferences[generator];
    limn_shape shape = back ? b->a_shape : b->b_shape, kept = back ? b->a_kept : b->b_kept;
    size_t count = (size_t)shape.c * (size_t)kept.h * (size_t)kept.w;
    const float *values = back ? b->a : b->b;
    float *real, *again = NULL;

    if (s->input_nc != s->output_nc ||
        !(limn_train_term_of(s, "lambda-identity") > 0 || limn_train_term_of(s, "nce-idt") > 0))
        return LIMN_OK;
    LIMN_TRY(translate(i, v->trainer, generator, shape, values, error));
    if ((real = cut(values, shape, kept.h, kept.w, error)) &&
        (again = cut(i->values, i->out, kept.h, kept.w, error)))
        limn_unpaired_identity(&v->unpaired, limn_score_l1(again, real, count));
    limn_block_free(real);
    limn_block_free(again);
    return again ? LIMN_OK : LIMN_NO_MEMORY;
}

/* The picture of the other side that stands beside the input. */
static limn_status take_other(limn_validator *v, const limn_batch *b, int generator,
                              limn_error *error)
{
    bool back = generator % 2;
    limn_shape shape = back ? b->a_shape : b->b_shape, kept = back ? b->a_kept : b->b_kept;
    float *real = cut(back ? b->a : b->b, shape, kept.h, kept.w, error);
    limn_planes planes = { real, shape.c, kept.h, kept.w };
    limn_status status = LIMN_OK;

    if (!real) return LIMN_NO_MEMORY;
    limn_looker_target(v->lookers[generator], planes, false);
    if (!generator) status = limn_unpaired_real(&v->unpaired, 1, planes, error);
    limn_block_free(real);
    return status;
}

static limn_status look(limn_validator *v, const pass *p, const limn_batch *b, int generator,
                        const limn_shown *shown, limn_error *error)
{
    limn_planes input = planes_of(shown->input, shown->input_shape);
    limn_planes output = planes_of(shown->output, shown->output_shape);
    bool fresh = p->done < p->sides[generator % 2], other = p->done < p->sides[1 - generator % 2];

    if (fresh) limn_looker_output(v->lookers[generator], input, output);
    if (!v->trainer->recipe->unpaired) {
        if (shown->target)
            limn_looker_target(v->lookers[generator], planes_of(shown->target, shown->output_shape),
                               true);
        return LIMN_OK;
    }
    if (fresh && !generator) LIMN_TRY(limn_unpaired_real(&v->unpaired, 0, input, error));
    if (fresh && generator < LIMN_UNPAIRED_WAYS)
        LIMN_TRY(limn_unpaired_made(&v->unpaired, generator, output, error));
    if (fresh) LIMN_TRY(cycle_error(v, generator, shown, error));
    if (other) LIMN_TRY(take_other(v, b, generator, error));
    return other ? identity_error(v, b, generator, error) : LIMN_OK;
}

/* Runs one generator on one picture of the batch; score may be NULL. */
static limn_status one(limn_validator *v, const pass *p, const limn_batch *b, int generator,
                       bool wanted, limn_score *score, limn_error *error)
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
    if (!status && p->looks) status = look(v, p, b, generator, &shown, error);
    show(v, wanted && !status, &shown);
    return status;
}

/* ---- Many ------------------------------------------------------------------------------------ */

static limn_score no_score(void)
{
    return (limn_score){ .l1 = NAN, .psnr = NAN, .ssim = NAN, .ms_ssim = NAN, .edges = NAN };
}

static limn_status begin_looks(limn_validator *v, size_t most, limn_error *error)
{
    bool plain = v->trainer->train->compute == LIMN_COMPUTE_PLAIN;

    close_lookers(v);
    for (int g = 0; g < v->trainer->generator_count; g++)
        LIMN_TRY(limn_looker_open(&v->lookers[g], most, error));
    return v->trainer->recipe->unpaired ? limn_unpaired_begin(&v->unpaired, most, plain, error)
                                        : LIMN_OK;
}

static limn_status end_looks(limn_validator *v, limn_validation *out, limn_error *error)
{
    int generators = v->trainer->generator_count;

    for (int g = 0; g < generators; g++) out->looks[g] = limn_looker_look(v->lookers[g]);
    close_lookers(v);
    if (!v->trainer->recipe->unpaired) return LIMN_OK;
    return limn_unpaired_end(&v->unpaired, generators, (uint64_t)v->trainer->train->seed,
                             &out->unpaired, error);
}

static void note_broken(limn_validator *v, limn_loader *loader)
{
    const char *reason;

    while ((reason = limn_loader_broken(loader)))
        if (!v->broken++) snprintf(v->reason, sizeof v->reason, "%s", reason);
}

/* Up to `most` pictures of the list; every so many is shown. */
static limn_status go_through(limn_validator *v, pass *p, limn_score *mean, size_t *pictures,
                              limn_error *error)
{
    limn_loader_settings settings = limn_train_loader_settings(v->trainer->train, true);
    bool pairs = !v->trainer->recipe->unpaired;
    size_t length = limn_data_length(p->data);
    int generators = v->trainer->generator_count;
    limn_loader *loader = NULL;
    limn_score *scores = NULL;
    limn_status status;
    limn_batch batch;

    *mean = no_score();
    *pictures = 0;
    if (length < p->most) p->most = length;
    if (!p->most) return LIMN_OK;
    p->sides[0] = pairs ? length : settings.b_to_a ? p->data->b.count : p->data->a.count;
    p->sides[1] = pairs ? length : settings.b_to_a ? p->data->a.count : p->data->b.count;
    if ((status = limn_loader_open(&loader, p->data, &settings, 0, 0, error))) return status;
    if (!(scores = limn_block(p->most * sizeof *scores)))
        status = limn_fail(error, LIMN_NO_MEMORY, "out of memory for %zu scores", p->most);
    if (!status && p->looks) status = begin_looks(v, p->most, error);
    for (p->done = 0; p->done < p->most && !status; p->done++) {
        /* Rows are spread evenly over the pictures, whatever their number. */
        size_t rows = (size_t)p->rows;
        bool wanted = p->done * rows / p->most != (p->done + 1) * rows / p->most;

        status = limn_loader_next(loader, &batch, error);
        note_broken(v, loader);
        if (!status && !batch.count) break;
        if (!status && batch.replaced) continue; /* by one that is scored anyway */
        for (int g = 0; g < generators && !status; g++)
            status = one(v, p, &batch, g, wanted, pairs && !g ? &scores[p->scored] : NULL, error);
        p->scored++;
    }
    if (!status && pairs) *mean = limn_score_mean(scores, p->scored);
    *pictures = p->scored;
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

/* Where enough pictures are held out for a comparison of sets. */
static bool enough(const limn_validator *v)
{
    return !v->trainer->recipe->unpaired || (v->val->a.count >= LIMN_DISTANCE_PICTURES_MIN &&
                                             v->val->b.count >= LIMN_DISTANCE_PICTURES_MIN);
}

static limn_status go_through_training(limn_validator *v, limn_validation *out, limn_error *error)
{
    bool unpaired = v->trainer->recipe->unpaired;
    pass p = { .data = v->train, .most = out->pictures, .looks = unpaired };
    size_t seen;

    if (p.most > TRAIN_PICTURES_MAX) p.most = TRAIN_PICTURES_MAX;
    if (unpaired) p.most = (size_t)v->trainer->train->val_pictures;
    LIMN_TRY(go_through(v, &p, &out->train, &seen, error));
    if (!unpaired || !seen) return LIMN_OK;
    LIMN_TRY(end_looks(v, out, error));
    out->unpaired.of_training = true;
    return LIMN_OK;
}

limn_status limn_validate(limn_validation *out, limn_validator *v, const char *sheet_path,
                          limn_error *error)
{
    const limn_train_settings *s = v->trainer->train;
    int per_picture = v->trainer->generator_count;
    int rows = s->sheet_pictures * per_picture > LIMN_SHEET_ROWS_MAX
                   ? LIMN_SHEET_ROWS_MAX / per_picture
                   : s->sheet_pictures;
    bool held_out = limn_data_length(v->val) > 0;
    pass p = { .data = held_out ? v->val : v->train,
               .most = held_out ? (size_t)s->val_pictures : (size_t)rows,
               .rows = rows,
               .looks = enough(v) };
    size_t seen;

    *out = (limn_validation){ .train = no_score(), .unpaired = limn_unpaired_none() };
    v->broken = 0;
    forget_shown(v);
    if (p.most < (size_t)rows) p.most = (size_t)rows;
    LIMN_TRY(go_through(v, &p, &out->val, &seen, error));
    if (held_out)
        out->pictures = seen;
    else /* samples all the same, without a number to be misread */
        out->val = no_score();
    if (p.looks && seen) LIMN_TRY(end_looks(v, out, error));
    if (v->trainer->recipe->unpaired ? !p.looks : out->pictures > 0)
        LIMN_TRY(go_through_training(v, out, error));
    if (v->shown_count && sheet_path) LIMN_TRY(write_sheet(out, v, sheet_path, error));
    forget_shown(v);
    return LIMN_OK;
}
