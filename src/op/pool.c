/* SPDX-License-Identifier: Apache-2.0
 *
 * The pool of pictures that were made before (Shrivastava et al. 2017, section 2.3): a critic that
 * sees only what the generator makes right now forgets what it made last week, and the two go round
 * in circles.
 *
 * Inputs: x (n, c, h, w); the store (capacity, c, h, w), float32; how many pictures are in it.
 * Picture by picture, as the original does: while the store is not full, the picture is stored and
 * comes out; later it comes out as it is half the time, and else a stored one, drawn at random,
 * comes out and the new one takes its place.  Outputs: y, and the two that are changed in place.
 * Nothing flows back.  What is drawn comes from (seed, stream of the node, step, picture), and the
 * store is a parameter, so a resumed run finds the pool as it was. */
#include "base/random.h"
#include "op/op.h"
#include "op/shapes.h"

static limn_status shape(limn_shape *y, const limn_shape *x, int inputs, const limn_args *args,
                         limn_error *error)
{
    (void)args;
    LIMN_TRY(limn_shape_inputs(x, inputs, 3, 3, error));
    if (x[1].c != x[0].c || x[1].h != x[0].h || x[1].w != x[0].w)
        return limn_fail(error, LIMN_SHAPE,
                         "the pool keeps pictures of %dx%dx%d, and these are %dx%dx%d", x[1].c,
                         x[1].h, x[1].w, x[0].c, x[0].h, x[0].w);
    if (limn_count(x[2]) != 1)
        return limn_fail(error, LIMN_SHAPE, "the pool's count of pictures is not one number");
    y[0] = x[0];
    y[1] = x[1];
    y[2] = x[2];
    return LIMN_OK;
}

/* One picture of a map. */
static limn_tensor picture(const limn_tensor *t, int n)
{
    limn_tensor one = *t;

    one.shape.n = 1;
    one.data = (char *)t->data + (size_t)n * t->batch_stride * limn_type_bytes(t->type);
    return one;
}

static void forward(const limn_call *call)
{
    limn_random random = { .seed = call->moment->seed,
                           .stream = call->args->stream,
                           .step = call->moment->step };
    int capacity = call->y[1].shape.n;
    float *count = call->y[2].data, given = *(const float *)call->x[2].data;
    int filled = given > 0 ? given < (float)capacity ? (int)given : capacity : 0;

    for (int n = 0; n < call->x[0].shape.n; n++) {
        limn_tensor from = picture(&call->x[0], n), to = picture(&call->y[0], n), kept;
        uint64_t index = 2 * ((uint64_t)call->moment->part * (uint64_t)call->x[0].shape.n +
                              (uint64_t)n);

        if (filled < capacity) {
            kept = picture(&call->y[1], filled++);
            limn_tensor_copy(&kept, &from);
            limn_tensor_copy(&to, &from);
        } else if (limn_random_uniform(&random, index) > 0.5f) {
            kept = picture(&call->y[1],
                           (int)limn_random_below(&random, index + 1, (uint32_t)capacity));
            limn_tensor_copy(&to, &kept);
            limn_tensor_copy(&kept, &from);
        } else {
            limn_tensor_copy(&to, &from);
        }
    }
    *count = (float)filled;
}

/* Copying between layouts and types is what the plain loop does already. */
static limn_status run(limn_call *call, limn_error *error)
{
    (void)error;
    forward(call);
    return LIMN_OK;
}

static limn_status prepare(limn_call *call, limn_arena *arena, limn_error *error)
{
    (void)arena, (void)error;
    call->run = run;
    call->implementation = "copy";
    return LIMN_OK;
}

static const limn_op_case cases[] = {
    { { { 1, 1, 1, 1 }, { 1, 1, 1, 1 }, { 1, 1, 1, 1 } }, { .stream = 3 } },
    { { { 5, 3, 4, 5 }, { 2, 3, 4, 5 }, { 1, 1, 1, 1 } }, { .stream = 3 } },
    { { { 3, 16, 3, 3 }, { 8, 16, 3, 3 }, { 1, 1, 1, 1 } }, { .stream = 9 } },
    { { { 0 } }, { 0 } },
};

const limn_op limn_op_pool = {
    .name = "pool",
    .does = "pictures of earlier steps in the place of some of these",
    .flags = LIMN_OP_RANDOM | LIMN_OP_STOP,
    .inputs_min = 3,
    .inputs_max = 3,
    .outputs = 3,
    .kinds = { LIMN_FEATURES, LIMN_FLAT, LIMN_SCALAR },
    .float32_outputs = 6,
    .overwrites = { 0, 2, 3 },
    .shape = shape,
    .forward = forward,
    .prepare = prepare,
    .cases = cases,
};
