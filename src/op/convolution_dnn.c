/* SPDX-License-Identifier: Apache-2.0
 *
 * conv, deconv and dense through oneDNN or our own loops: what computes a call, and what is bound
 * to it.  The method that was chosen for each of its parts decides (convolution_ways.c): tiles.h,
 * narrow.h, gradient.h and tiles_gradient.h take one part each, oneDNN what is left.
 *
 * A forward call is one primitive.  A backward call is up to two, for the gradient of the feature
 * map and of the weights with the bias, run one after the other on the same scratch memory.  They
 * stay in one call because both read dy while it is still in the cache, and because the planner
 * then has one lifetime for dy to think of.
 *
 * The bias' gradient comes with the weights' where oneDNN can (a convolution whose dw and db are
 * both stored or both added); a transposed convolution's is a sum over the LARGE side, which no
 * primitive gives, and is taken by limn_channel_sums.
 *
 * When the planner asks for the gradient in a layout in which oneDNN has no real implementation, it
 * is computed in oneDNN's own layout and packed: a copy of the weights' size costs less than a
 * reference convolution. */
#include "base/cpu.h"
#include "op/convolution.h"
#include "op/gradient.h"
#include "op/narrow.h"
#include "op/tiles.h"
#include "op/tiles_gradient.h"

typedef struct primitives {
    limn_dnn_primitive *data;    /* forward, or the gradient of x[0] */
    limn_dnn_primitive *weights; /* gradient of x[1], and of x[2] when bias_inside */
    limn_tiles *tiles;           /* instead of data, */
    limn_narrow *narrow[2];      /* or this; and instead of weights */
    limn_gradient *gradient;     /* instead of weights, */
    limn_tiles_gradient *places; /* or this */
    limn_dnn_primitive *pack;    /* own layout -> the planner's; NULL when they are the same */
    bool transposed, bias_inside;
    size_t own_at, packed_at,
        packed_count; /* in scratch: dw as oneDNN and as the planner want it */
} primitives;

static bool wanted(const limn_call *call, int input)
{
    return call->wanted >> input & 1;
}

static bool accumulates(const limn_call *call, int input)
{
    return call->accumulate >> input & 1;
}

limn_dnn_conv limn_convolution_describe(const limn_call *call, const limn_args *geometry,
                                        bool transposed, const limn_tensor *input,
                                        const limn_tensor *output)
{
    limn_shape w = wanted(call, 1) && call->backward ? call->dx[1].shape : call->x[1].shape;

    return (limn_dnn_conv){
        .x = transposed ? *output : *input,
        .y = transposed ? *input : *output,
        .kernel_h = w.h,
        .kernel_w = w.w,
        .stride_h = geometry->stride,
        .stride_w = geometry->stride,
        .pad_top = geometry->pad_top,
        .pad_left = geometry->pad_left,
        .pad_bottom = geometry->pad_bottom,
        .pad_right = geometry->pad_right,
        .groups = geometry->groups > 1 ? geometry->groups : 1,
        /* A map of few channels may be F32 beside one in BF16: the product is in BF16 then. */
        .weight_type = input->type == LIMN_BF16 || output->type == LIMN_BF16 ? LIMN_BF16 : LIMN_F32,
    };
}

static limn_status bind_sides(limn_dnn_primitive *primitive, bool transposed,
                              const limn_tensor *input, const limn_tensor *output, void *weights,
                              void *bias, void *scratch, limn_error *error)
{
    return limn_dnn_bind(primitive, transposed ? output->data : input->data, weights, bias,
                         transposed ? input->data : output->data, scratch, error);
}

static void release(limn_call *call)
{
    primitives *own = call->own;

    if (own->data) limn_dnn_free(&own->data);
    if (own->weights) limn_dnn_free(&own->weights);
    if (own->pack) limn_dnn_free(&own->pack);
}

/* ---- By tiles: the forward pass, or the gradient of x[0] ---------------------------------------
 */

static bool takes_tiles(const limn_call *call, const limn_args *geometry, bool transposed)
{
    const limn_tensor *in = call->backward ? &call->dy[0] : &call->x[0];
    const limn_tensor *out = call->backward ? &call->dx[0] : &call->y[0];

    return call->methods[0] == LIMN_METHOD_TILES && !call->residual.shape.n &&
           (call->backward || call->activation <= LIMN_ACTIVATION_RELU) &&
           limn_tiles_fits(in, out, call->x[1].shape, geometry, transposed != call->backward);
}

static limn_status prepare_tiles(limn_call *call, const limn_args *geometry, primitives *own,
                                 limn_arena *arena, limn_error *error)
{
    const limn_tensor *in = call->backward ? &call->dy[0] : &call->x[0];
    const limn_tensor *out = call->backward ? &call->dx[0] : &call->y[0];
    limn_dnn_conv conv = limn_convolution_describe(call, geometry, own->transposed,
                                                   call->backward ? &call->dx[0] : &call->x[0],
                                                   call->backward ? &call->dy[0] : &call->y[0]);
    limn_dnn_layout *blocks;

    LIMN_TRY(limn_take_into(&own->tiles, arena, sizeof *own->tiles, error));
    limn_tiles_open(own->tiles, in, out, call->x[1].shape, geometry,
                    own->transposed != call->backward);
    LIMN_TRY(limn_dnn_layout_blocks(&blocks, &conv, in->type, limn_tiles_lanes(),
                                    own->tiles->large_inside, arena, error));
    if (!call->backward) {
        own->tiles->activation = call->activation;
        own->tiles->slope = call->slope;
    }
    own->tiles->accumulates = call->backward && accumulates(call, 0);
    call->weight_layout = blocks;
    call->scratch_bytes = own->tiles->scratch_bytes;
    return LIMN_OK;
}

/* ---- Between few channels and many ------------------------------------------------------------
 */

typedef struct sides {
    const limn_tensor *large, *small;
} sides;

static sides sides_of(const limn_call *call, bool transposed, bool data)
{
    const limn_tensor *x = call->backward && data ? &call->dx[0] : &call->x[0];
    const limn_tensor *y = call->backward ? &call->dy[0] : &call->y[0];

    return transposed ? (sides){ y, x } : (sides){ x, y };
}

/* Part 0 needs the narrow map to be the one that is read. */
bool limn_convolution_is_narrow(const limn_call *call, const limn_args *geometry, bool transposed,
                                int part)
{
    sides s = sides_of(call, transposed, !part);
    limn_shape w = part ? call->dx[1].shape : call->x[1].shape;
    const limn_tensor *narrow = limn_narrow_side(s.large, s.small, w, geometry);

    if (part || !narrow) return narrow;
    return narrow == (call->backward ? &call->dy[0] : &call->x[0]) && !call->residual.shape.n &&
           (call->backward || call->activation <= LIMN_ACTIVATION_RELU);
}

static bool takes_narrow(const limn_call *call, const limn_args *geometry, bool transposed,
                         int part)
{
    return call->methods[part] == LIMN_METHOD_FEW &&
           limn_convolution_is_narrow(call, geometry, transposed, part);
}

static limn_status prepare_narrow(limn_call *call, const limn_args *geometry, primitives *own,
                                  int part, limn_arena *arena, limn_error *error)
{
    sides s = sides_of(call, own->transposed, !part);
    limn_shape w = part ? call->dx[1].shape : call->x[1].shape;
    limn_dnn_conv conv = {
        .x = *s.large, .y = *s.small, .kernel_h = w.h, .kernel_w = w.w, .groups = 1
    };
    limn_dnn_layout *plain;

    LIMN_TRY(limn_dnn_layout_plain(&plain, &conv, arena, error));
    LIMN_TRY(limn_take_into(&own->narrow[part], arena, sizeof *own->narrow[part], error));
    limn_narrow_open(own->narrow[part], s.large, s.small, w, geometry, part);
    own->narrow[part]->adds = call->backward && accumulates(call, part);
    if (part) {
        call->weight_gradient_layout = plain;
    } else {
        call->weight_layout = plain;
        if (!call->backward) {
            own->narrow[0]->activation = call->activation;
            own->narrow[0]->slope = call->slope;
        }
    }
    if (call->scratch_bytes < own->narrow[part]->scratch_bytes)
        call->scratch_bytes = own->narrow[part]->scratch_bytes;
    return LIMN_OK;
}

static void bind_narrow(limn_call *call, primitives *own, int part, const float *bias)
{
    sides s = sides_of(call, own->transposed, !part);

    limn_narrow_bind(own->narrow[part], s.large->data, s.small->data, call->x[1].data, bias,
                     part ? call->dx[1].data : NULL, call->scratch);
}

/* ---- Forward --------------------------------------------------------------------------------- */

static limn_status bind_forward(limn_call *call, limn_error *error)
{
    primitives *own = call->own;
    void *bias = call->inputs > 2 ? call->x[2].data : NULL;

    if (own->tiles) {
        limn_tiles_bind(own->tiles, call->x[0].data, call->x[1].data, bias, call->y[0].data,
                        call->scratch);
        return LIMN_OK;
    }
    if (own->narrow[0]) {
        bind_narrow(call, own, 0, bias);
        return LIMN_OK;
    }
    return bind_sides(own->data, own->transposed, &call->x[0], &call->y[0], call->x[1].data, bias,
                      call->scratch, error);
}

static limn_status run_forward(limn_call *call, limn_error *error)
{
    primitives *own = call->own;

    if (own->tiles) {
        limn_tiles_run(own->tiles);
        return LIMN_OK;
    }
    if (own->narrow[0]) {
        limn_narrow_map(own->narrow[0]);
        return LIMN_OK;
    }
    if (call->residual.data && call->residual.data != call->y[0].data)
        limn_tensor_copy(&call->y[0], &call->residual);
    return limn_dnn_run(own->data, error);
}

static limn_status prepare_forward(limn_call *call, const limn_args *geometry, primitives *own,
                                   limn_arena *arena, limn_error *error)
{
    limn_dnn_conv conv = limn_convolution_describe(call, geometry, own->transposed, &call->x[0],
                                                   &call->y[0]);

    call->bind = bind_forward;
    call->run = run_forward;
    call->implementation = limn_cpu_name(limn_cpu());
    if (takes_tiles(call, geometry, own->transposed))
        return prepare_tiles(call, geometry, own, arena, error);
    if (takes_narrow(call, geometry, own->transposed, 0))
        return prepare_narrow(call, geometry, own, 0, arena, error);
    conv.direction = own->transposed ? LIMN_DNN_BACKWARD_DATA : LIMN_DNN_FORWARD;
    conv.bias = call->inputs > 2 && call->x[2].shape.n;
    conv.inference = call->inference;
    conv.activation = call->activation;
    conv.slope = call->slope;
    conv.add_to_output = call->residual.shape.n != 0;
    conv.method = call->methods[0];
    LIMN_TRY(limn_dnn_create(&own->data, &conv, NULL, arena, error));
    call->methods[0] = limn_dnn_method(own->data);
    call->weight_layout = limn_dnn_weights(own->data);
    call->scratch_bytes = limn_dnn_scratch_bytes(own->data);
    call->implementation = limn_dnn_implementation(own->data);
    call->reorders = limn_dnn_reorders(own->data);
    return LIMN_OK;
}

/* ---- Backward -------------------------------------------------------------------------------- */

static char *scratch_at(const limn_call *call, size_t offset)
{
    return (char *)call->scratch + offset;
}

static limn_status bind_backward(limn_call *call, limn_error *error)
{
    primitives *own = call->own;

    if (own->tiles)
        limn_tiles_bind(own->tiles, call->dy[0].data, call->x[1].data, NULL, call->dx[0].data,
                        call->scratch);
    for (int part = 0; part < 2; part++)
        if (own->narrow[part]) bind_narrow(call, own, part, NULL);
    if (own->data)
        LIMN_TRY(bind_sides(own->data, own->transposed, &call->dx[0], &call->dy[0], call->x[1].data,
                            NULL, call->scratch, error));
    if (own->gradient)
        limn_gradient_bind(own->gradient, own->transposed ? call->dy[0].data : call->x[0].data,
                           own->transposed ? call->x[0].data : call->dy[0].data, call->dx[1].data,
                           call->update, call->scratch);
    if (own->places)
        limn_tiles_gradient_bind(own->places, own->transposed ? call->dy[0].data : call->x[0].data,
                                 own->transposed ? call->x[0].data : call->dy[0].data,
                                 call->dx[1].data, call->update, call->scratch);
    if (own->weights) {
        void *dw = own->pack ? scratch_at(call, own->own_at) : call->dx[1].data;

        LIMN_TRY(bind_sides(own->weights, own->transposed, &call->x[0], &call->dy[0], dw,
                            own->bias_inside ? call->dx[2].data : NULL, call->scratch, error));
    }
    if (own->pack) {
        void *to = own->packed_count ? scratch_at(call, own->packed_at) : call->dx[1].data;

        LIMN_TRY(limn_dnn_bind(own->pack, scratch_at(call, own->own_at), NULL, NULL, to,
                               call->scratch, error));
    }
    return LIMN_OK;
}

static limn_status run_backward(limn_call *call, limn_error *error)
{
    primitives *own = call->own;

    if (own->tiles) limn_tiles_run(own->tiles);
    if (own->narrow[0]) limn_narrow_map(own->narrow[0]);
    if (own->data) LIMN_TRY(limn_dnn_run(own->data, error));
    if (own->narrow[1]) limn_narrow_gradient(own->narrow[1]);
    if (own->gradient) limn_gradient_run(own->gradient);
    if (own->places) limn_tiles_gradient_run(own->places);
    if (own->weights) LIMN_TRY(limn_dnn_run(own->weights, error));
    if (own->pack) {
        const float *packed = (const float *)(void *)scratch_at(call, own->packed_at);
        float *dw = call->dx[1].data;

        LIMN_TRY(limn_dnn_run(own->pack, error));
        for (size_t i = 0; i < own->packed_count; i++) dw[i] += packed[i];
    }
    if (wanted(call, 2) && !own->bias_inside)
        limn_channel_sums(&call->dy[0], call->dx[2].data, accumulates(call, 2));
    return LIMN_OK;
}

static size_t rounded(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

/* The gradient in the layout that oneDNN likes, packed into the one that the planner wants. */
static limn_status prepare_packed(limn_call *call, limn_dnn_conv *conv, primitives *own,
                                  limn_arena *arena, limn_error *error)
{
    const limn_dnn_layout *chosen, *given = call->weight_gradient_layout;
    size_t bytes = limn_dnn_layout_bytes(given);

    conv->bias = own->bias_inside = false;
    conv->add_to_output = false;
    LIMN_TRY(limn_dnn_create(&own->weights, conv, NULL, arena, error));
    chosen = limn_dnn_weights(own->weights);
    LIMN_TRY(limn_dnn_pack_create(&own->pack, chosen, given, arena, error));
    own->own_at = rounded(limn_dnn_scratch_bytes(own->weights));
    if (own->own_at < rounded(limn_dnn_scratch_bytes(own->pack)))
        own->own_at = rounded(limn_dnn_scratch_bytes(own->pack));
    own->packed_at = own->own_at + rounded(limn_dnn_layout_bytes(chosen));
    if (accumulates(call, 1)) own->packed_count = bytes / sizeof(float);
    call->scratch_bytes = own->packed_at + (own->packed_count ? bytes : 0);
    return LIMN_OK;
}

/* In our own loops, if gradients may lie in their blocks; *taken says. */
static limn_status prepare_gradient(limn_call *call, const limn_dnn_conv *conv, primitives *own,
                                    bool *taken, limn_arena *arena, limn_error *error)
{
    bool half = call->methods[1] == limn_gradient_method() && limn_gradient_fits(conv);
    bool tiles = call->methods[1] == LIMN_METHOD_TILES && limn_tiles_gradient_fits(conv);
    limn_dnn_layout *blocks;

    *taken = false;
    if (!half && !tiles) return LIMN_OK;
    LIMN_TRY(limn_dnn_layout_blocks(&blocks, conv, LIMN_F32, half ? 16 : limn_tiles_lanes(), false,
                                    arena, error));
    if (!call->weight_gradient_layout) call->weight_gradient_layout = blocks;
    if (!limn_dnn_layout_equal(call->weight_gradient_layout, blocks)) return LIMN_OK;
    if (half) {
        LIMN_TRY(limn_take_into(&own->gradient, arena, sizeof *own->gradient, error));
        limn_gradient_open(own->gradient, conv);
        call->scratch_bytes = own->gradient->scratch_bytes;
        call->update_floats = limn_gradient_piece(own->gradient);
    } else {
        LIMN_TRY(limn_take_into(&own->places, arena, sizeof *own->places, error));
        limn_tiles_gradient_open(own->places, conv);
        call->scratch_bytes = own->places->scratch_bytes;
        call->update_floats = limn_tiles_gradient_piece(own->places);
    }
    *taken = true;
    return LIMN_OK;
}

/* Whether the planner takes the gradient as it lies in PyTorch. */
static bool may_be_plain(const limn_call *call, const limn_dnn_conv *conv, limn_arena *arena)
{
    limn_error ignored;
    limn_dnn_layout *plain;

    return !call->weight_gradient_layout ||
           (!limn_dnn_layout_plain(&plain, conv, arena, &ignored) &&
            limn_dnn_layout_equal(plain, call->weight_gradient_layout));
}

static limn_status prepare_weights(limn_call *call, const limn_args *geometry, primitives *own,
                                   limn_arena *arena, limn_error *error)
{
    limn_dnn_conv conv = limn_convolution_describe(call, geometry, own->transposed, &call->x[0],
                                                   &call->dy[0]);
    limn_error refused = { 0 };
    limn_status status;
    bool taken;

    conv.direction = LIMN_DNN_BACKWARD_WEIGHTS;
    conv.add_to_output = accumulates(call, 1);
    LIMN_TRY(prepare_gradient(call, &conv, own, &taken, arena, error));
    if (taken) return LIMN_OK;
    if (takes_narrow(call, geometry, own->transposed, 1) && may_be_plain(call, &conv, arena))
        return prepare_narrow(call, geometry, own, 1, arena, error);
    own->bias_inside = !own->transposed && wanted(call, 2) &&
                       accumulates(call, 1) == accumulates(call, 2);
    conv.bias = own->bias_inside;
    conv.method = call->methods[1];
    status = limn_dnn_create(&own->weights, &conv, call->weight_gradient_layout, arena, &refused);
    if (!status) {
        if (!call->weight_gradient_layout)
            call->weight_gradient_layout = limn_dnn_weights(own->weights);
        call->scratch_bytes = limn_dnn_scratch_bytes(own->weights);
        return LIMN_OK;
    }
    if (status == LIMN_NO_MEMORY || !call->weight_gradient_layout)
        return limn_fail(error, status, "%s", refused.text);
    return prepare_packed(call, &conv, own, arena, error);
}

static limn_status prepare_backward(limn_call *call, const limn_args *geometry, primitives *own,
                                    limn_arena *arena, limn_error *error)
{
    const char *first = NULL, *second = NULL;
    size_t scratch = 0;

    if (wanted(call, 0) && takes_tiles(call, geometry, own->transposed)) {
        LIMN_TRY(prepare_tiles(call, geometry, own, arena, error));
        scratch = call->scratch_bytes;
        first = limn_cpu_name(limn_cpu());
    } else if (wanted(call, 0) && takes_narrow(call, geometry, own->transposed, 0)) {
        LIMN_TRY(prepare_narrow(call, geometry, own, 0, arena, error));
        scratch = call->scratch_bytes;
        first = limn_cpu_name(limn_cpu());
    } else if (wanted(call, 0)) {
        limn_dnn_conv conv = limn_convolution_describe(call, geometry, own->transposed,
                                                       &call->dx[0], &call->dy[0]);

        conv.direction = own->transposed ? LIMN_DNN_FORWARD : LIMN_DNN_BACKWARD_DATA;
        conv.add_to_output = accumulates(call, 0);
        conv.method = call->methods[0];
        LIMN_TRY(limn_dnn_create(&own->data, &conv, NULL, arena, error));
        call->methods[0] = limn_dnn_method(own->data);
        call->weight_layout = limn_dnn_weights(own->data);
        scratch = limn_dnn_scratch_bytes(own->data);
        first = limn_dnn_implementation(own->data);
    }
    if (wanted(call, 1)) {
        LIMN_TRY(prepare_weights(call, geometry, own, arena, error));
        if (own->weights) call->methods[1] = limn_dnn_method(own->weights);
        second = own->gradient  ? limn_method_name(limn_gradient_method())
                 : own->weights ? limn_dnn_implementation(own->weights)
                                : limn_cpu_name(limn_cpu());
    }
    if (call->scratch_bytes < scratch) call->scratch_bytes = scratch;
    call->implementation = first ? first : second ? second : "sums";
    if (first && second &&
        !(call->implementation = limn_take_format(arena, "%s + %s", first, second)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory: the name of an implementation");
    call->bind = bind_backward;
    call->run = run_backward;
    return LIMN_OK;
}

limn_status limn_convolution_prepare(limn_call *call, const limn_args *geometry, bool transposed,
                                     limn_arena *arena, limn_error *error)
{
    primitives *own;
    limn_status status;

    LIMN_TRY(limn_take_into(&own, arena, sizeof *own, error));
    own->transposed = transposed;
    call->own = own;
    call->scratch_bytes = call->update_floats = 0;
    status = call->backward ? prepare_backward(call, geometry, own, arena, error)
                            : prepare_forward(call, geometry, own, arena, error);
    if (status)
        release(call);
    else
        call->release = release;
    return status;
}
