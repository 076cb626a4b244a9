/* SPDX-License-Identifier: Apache-2.0
 *
 * Features of pictures: see features.h.
 *
 * The network has weights and a plan of its own instead of a tap in the screen's: the screen may
 * run in bf16, runs its second network as well, and what it computes should have one reason to
 * change.  That costs 10 MB while a training without pairs validates. */
#include "screen/features.h"
#include "screen/screen_weights.h"
#include "screen/view.h"

struct limn_features {
    limn_arena arena; /* the struct itself lies in it */
    limn_weights *weights;
    limn_graph *graph;
    limn_plan *plan;
    limn_value input, pooled;
    float *view; /* (3, 224, 224) */
};

static const limn_screen_model *const model = &limn_screen_models[0];

static limn_status describe(limn_features *f, limn_error *error)
{
    const int layers[] = { LIMN_MOBILENET_BLOCKS + 1 };
    const limn_taps taps = { layers, 1, &f->pooled };
    limn_shape in = { 1, 3, LIMN_VIEW_SIDE, LIMN_VIEW_SIDE };

    LIMN_TRY(limn_graph_open(&f->graph, false, error));
    f->input = limn_input(f->graph, "unit", in);
    limn_mobilenet(f->graph, model->name, &model->network, f->input, &taps);
    LIMN_TRY(limn_graph_status(f->graph, error));
    limn_report(f->graph, "features", f->pooled);
    if (limn_count(limn_shape_of(f->graph, f->pooled)) != LIMN_FEATURE_COUNT)
        return limn_fail(error, LIMN_BUG, "the network for features gives %zu numbers",
                         limn_count(limn_shape_of(f->graph, f->pooled)));
    return limn_graph_status(f->graph, error);
}

static limn_status open_all(limn_features *f, bool plain, limn_error *error)
{
    bool only_plain = limn_compute_resolve(LIMN_COMPUTE_AUTO, NULL) == LIMN_COMPUTE_PLAIN;
    limn_plan_settings settings = { .compute = plain || only_plain ? LIMN_COMPUTE_PLAIN
                                                                   : LIMN_COMPUTE_FP32 };

    LIMN_TRY(limn_take_into(&f->view, &f->arena, LIMN_VIEW_COUNT * sizeof *f->view, error));
    LIMN_TRY(limn_weights_open(&f->weights, error));
    LIMN_TRY(describe(f, error));
    LIMN_TRY(limn_weights_declare(f->weights, f->graph, error));
    LIMN_TRY(limn_plan_open(&f->plan, f->graph, f->weights, &settings, error));
    return limn_screen_weights_load(f->weights, limn_screening_weights,
                                    (size_t)(limn_screening_weights_end - limn_screening_weights),
                                    error);
}

limn_status limn_features_open(limn_features **out, bool plain, limn_error *error)
{
    limn_status status;

    LIMN_TRY(limn_open_in_arena(out, sizeof **out, "features", 0, error));
    if ((status = open_all(*out, plain, error))) limn_features_close(out);
    return status ? limn_while(error, "features of pictures") : LIMN_OK;
}

void limn_features_close(limn_features **features)
{
    limn_features *f = *features;

    if (!f) return;
    limn_plan_close(&f->plan);
    limn_graph_close(&f->graph);
    if (f->weights) limn_weights_close(&f->weights);
    limn_close_in_arena(features);
}

limn_status limn_features_of(limn_features *f, const float *planes, int channels, int height,
                             int width, float *out, limn_error *error)
{
    limn_view_source source = { .planes = planes,
                                .channels = channels,
                                .height = height,
                                .width = width,
                                .part = { 0, 0, width, height } };
    limn_view view = limn_view_at(&source, 0);
    void *room = limn_block(limn_view_room(&view));

    if (!room) return limn_fail(error, LIMN_NO_MEMORY, "out of memory for features of a picture");
    limn_view_make(&view, f->view, room);
    limn_block_free(room);
    LIMN_TRY(limn_plan_feed(f->plan, f->input, f->view, error));
    LIMN_TRY(limn_plan_run(f->plan, &(limn_moment){ 0 }, error));
    return limn_plan_read(f->plan, f->pooled, out, error);
}

const char *limn_features_about(void)
{
    return "MobileNetV2 (nsfwjs 4.4.0 mobilenet_v2), pooled features";
}
