/* SPDX-License-Identifier: Apache-2.0
 *
 * Finding a good way to run one direction of one convolution.
 *
 * oneDNN always has an answer, but where no written-out kernel fits the layouts it is the
 * reference: plain loops that take seconds (measured: 2 s instead of 2 ms for the weights' gradient
 * of a 6-channel input in the wrong layout).  So each answer's name is read, and a reference one is
 * refused.  Layouts are tried in this order, the first with a real kernel is taken:
 *
 *   0  as the maps are.  Several tags can mean the same bytes (16 channels in a block of 16 are
 * NHWC too, a 1 x 1 map has one layout): oneDNN's kernels look at the tag, so all are tried. 1  one
 * map in another layout, reordered through scratch inside the call; the smaller map first. 2  both.
 *
 * When the caller requires a layout of the weights, no more reorders are spent than with free
 * weights: packing weights is cheaper than moving feature maps, so the caller is told to pack.
 *
 * Two other ways are tried when the caller asks for them, and the above follows where oneDNN has
 * no code for them: Winograd's method (gone from newer versions, and from processors without
 * AVX-512), and the direct one on channels-last copies.  Winograd is described as training even
 * where no backward pass follows: its weights are then in the same blocks as the direct kernels'.
 * For inference alone it would keep them transformed, in a layout that nothing converts back, in 4
 * times the memory, for 10 % of speed (a ResNet of 9 blocks: 243 MiB and 155 ms, or 121 and 172).
 *
 * What the primitive cannot do itself follows in our own loop (dnn_tail.c). */
#include "op/dnn_api.h"

#include <stdio.h>
#include <string.h>

enum { LAYOUTS = 5 };

/* The ways to describe one map. */
typedef struct side {
    const limn_tensor *map;
    limn_dnn_md own[LAYOUTS]; /* same bytes as the caller's; the first is the plain truth */
    int owns;
    limn_dnn_md other[LAYOUTS]; /* need a reorder; the first leaves the choice to oneDNN */
    int others;
} side;

/* What was found. */
typedef struct answer {
    dnnl_primitive_desc_t described;
    limn_dnn_question question;     /* layouts all settled */
    bool no_gemm;                   /* asked for: nothing that goes through im2col */
    bool x_moved, y_moved;          /* by a reorder */
    bool sum_left, activation_left; /* to the tail */
    dnnl_status_t status;           /* of the last refusal */
    char refused[48];               /* a reference implementation's name */
} answer;

static dnnl_data_type_t data_type(limn_type type)
{
    return type == LIMN_BF16 ? dnnl_bf16 : dnnl_f32;
}

static bool is_reference(const char *name)
{
    return !strncmp(name, "ref", 3) || strstr(name, "ref:");
}

/* Fills the ways; false when oneDNN cannot describe the map at all.  moved_type is what a reorder
 * makes of it: BF16 kernels do not read F32 maps. */
static bool side_open(side *s, const limn_tensor *map, limn_type moved_type)
{
    static const struct {
        int block;
        dnnl_format_tag_t tag;
    } all[] = { { 16, dnnl_nChw16c }, { 8, dnnl_nChw8c }, { 0, dnnl_nhwc }, { 1, dnnl_nchw } };
    limn_shape shape = map->shape;
    dnnl_dim_t dims[] = { shape.n, shape.c, shape.h, shape.w };
    dnnl_dim_t plane = (dnnl_dim_t)shape.h * shape.w;
    size_t dense = limn_count(shape) / (size_t)shape.n;
    dnnl_dim_t stride = shape.n > 1 && map->batch_stride != dense ? (dnnl_dim_t)map->batch_stride
                                                                  : 0;
    dnnl_data_type_t type = data_type(map->type), moved = data_type(moved_type);

    *s = (side){ .map = map };
    if (limn_dnn_md_make(&s->other[s->others++], 4, dims, moved, dnnl_format_tag_any, 0))
        return false;
    for (int i = 0; i < 4; i++) {
        int block = all[i].block ? all[i].block : shape.c;
        bool same = block == map->block || plane == 1;
        limn_dnn_md md;

        if (shape.c % block) continue;
        if (stride && same && all[i].block > 1 && stride % (plane * block)) continue;
        if (same) {
            if (limn_dnn_md_make(&md, 4, dims, type, all[i].tag, stride)) return false;
            s->own[s->owns++] = md;
        }
        if (!same || stride || moved != type) {
            if (limn_dnn_md_make(&md, 4, dims, moved, all[i].tag, 0)) return false;
            s->other[s->others++] = md;
        }
    }
    return s->owns > 0;
}

/* One try.  True when a real kernel answers; then a->described is set and the question's layouts
 * are what it answered (a strided map has no tag, so only layouts that were left open are asked
 * for). */
static bool ask(answer *a, limn_dnn_question q, bool x_open, bool y_open)
{
    static const dnnl_query_t asks[][3] = {
        [LIMN_DNN_FORWARD] = { dnnl_query_src_md, dnnl_query_weights_md, dnnl_query_dst_md },
        [LIMN_DNN_BACKWARD_DATA] = { dnnl_query_diff_src_md, dnnl_query_weights_md,
                                     dnnl_query_diff_dst_md },
        [LIMN_DNN_BACKWARD_WEIGHTS] = { dnnl_query_src_md, dnnl_query_diff_weights_md,
                                        dnnl_query_diff_dst_md },
    };
    dnnl_primitive_desc_t described;
    dnnl_status_t status = limn_dnn_describe(&described, &q, limn_dnn_engine);

    if (status) {
        a->status = status;
        return false;
    }
    if (is_reference(limn_dnn_ask_name(described)) ||
        (a->no_gemm && strstr(limn_dnn_ask_name(described), "gemm"))) {
        snprintf(a->refused, sizeof a->refused, "%s", limn_dnn_ask_name(described));
        dnnl_primitive_desc_destroy(described);
        return false;
    }
    if (x_open) status = limn_dnn_ask(&q.x, described, asks[q.direction][0]);
    if (!status) status = limn_dnn_ask(&q.weights, described, asks[q.direction][1]);
    if (!status && y_open) status = limn_dnn_ask(&q.y, described, asks[q.direction][2]);
    if (status) {
        a->status = status;
        dnnl_primitive_desc_destroy(described);
        return false;
    }
    a->described = described;
    a->question = q;
    return true;
}

/* All pairs of own (or other) layouts of both maps, first with sum and activation inside the
 * primitive, then with them left to the tail. */
static bool ask_pairs(answer *a, limn_dnn_question q, const side *x, bool move_x, const side *y,
                      bool move_y)
{
    const limn_dnn_md *xs = move_x ? x->other : x->own, *ys = move_y ? y->other : y->own;
    int x_count = move_x ? x->others : x->owns, y_count = move_y ? y->others : y->owns;
    bool sum = q.sum, activation = q.eltwise != dnnl_alg_kind_undef;

    for (int variant = sum && move_y ? 1 : 0; variant < 2; variant++) {
        if (variant == 1 && !sum && !activation) break;
        if (variant == 1) {
            q.sum = false;
            q.eltwise = dnnl_alg_kind_undef;
        }
        for (int i = 0; i < x_count; i++)
            for (int k = 0; k < y_count; k++) {
                q.x = xs[i];
                q.y = ys[k];
                if (!ask(a, q, move_x && !i, move_y && !k)) continue;
                a->x_moved = move_x;
                a->y_moved = move_y;
                a->sum_left = sum && !q.sum;
                a->activation_left = activation && q.eltwise == dnnl_alg_kind_undef;
                return true;
            }
    }
    return false;
}

/* oneDNN padded the channels that are summed over: a map of 1 or 3 channels was moved to blocks of
 * 16, and the kernel multiplies the zeros too. */
static bool wasteful(const answer *a, const side *x, const side *y)
{
    bool forward = a->question.direction == LIMN_DNN_FORWARD;
    const side *summed = forward ? x : y;
    const limn_dnn_md *md = forward ? &a->question.x : &a->question.y;
    size_t bytes = limn_dnn_md_type(md) == dnnl_bf16 ? 2 : 4;

    return a->question.direction != LIMN_DNN_BACKWARD_WEIGHTS &&
           (forward ? a->x_moved : a->y_moved) &&
           limn_dnn_md_bytes(md) > limn_count(summed->map->shape) * bytes;
}

static bool search(answer *a, const limn_dnn_question *q, const side *x, const side *y,
                   int reorders_most)
{
    bool x_smaller = limn_count(x->map->shape) < limn_count(y->map->shape);
    answer second = { .no_gemm = true };

    *a = (answer){ 0 };
    if (ask_pairs(a, *q, x, false, y, false)) return true;
    if (reorders_most < 1) return false;
    if (ask_pairs(a, *q, x, x_smaller, y, !x_smaller)) {
        if (!wasteful(a, x, y) || !ask_pairs(&second, *q, x, !x_smaller, y, x_smaller)) return true;
        if (wasteful(&second, x, y)) {
            dnnl_primitive_desc_destroy(second.described);
            return true;
        }
        dnnl_primitive_desc_destroy(a->described);
        *a = second;
        return true;
    }
    if (ask_pairs(a, *q, x, !x_smaller, y, x_smaller)) return true;
    return reorders_most > 1 && ask_pairs(a, *q, x, true, y, true);
}

/* Both maps channels-last: those that are not are copied. */
static bool search_channels_last(answer *a, const limn_dnn_question *q, const side *x,
                                 const side *y)
{
    const side *given[] = { x, y };
    side last[2];

    *a = (answer){ 0 };
    for (int i = 0; i < 2; i++) {
        limn_shape s = given[i]->map->shape;
        dnnl_dim_t dims[] = { s.n, s.c, s.h, s.w };
        bool moved = given[i]->map->block != s.c;

        last[i] = *given[i];
        last[i].others = moved; /* one layout or none */
        if (moved && limn_dnn_md_make(&last[i].other[0], 4, dims,
                                      limn_dnn_md_type(&given[i]->other[0]), dnnl_nhwc, 0))
            return false;
    }
    if (!last[0].others && !last[1].others) return false; /* that is the direct way */
    return ask_pairs(a, *q, &last[0], last[0].others, &last[1], last[1].others);
}

static limn_status refuse(const answer *a, const limn_dnn_conv *conv, const char *name,
                          const limn_dnn_layout *weights, limn_error *error)
{
    bool bf16 = conv->x.type == LIMN_BF16 || conv->y.type == LIMN_BF16;
    dnnl_status_t status = a->status ? a->status : dnnl_unimplemented;

    if (weights)
        return limn_fail(error, limn_dnn_status(status),
                         "%s: oneDNN has no fast code for weights in layout %s (%s); pack them",
                         name, weights->name,
                         a->refused[0] ? a->refused : limn_dnn_status_text(status));
    return limn_fail(error, limn_dnn_status(status), "%s: oneDNN has no fast code for it (%s)%s",
                     name, a->refused[0] ? a->refused : limn_dnn_status_text(status),
                     bf16 ? "; where the processor has no bfloat16, compute in fp32" : "");
}

/* ---- From the description to the question -----------------------------------------------------
 */

static limn_status check(const limn_dnn_conv *conv, const char *name, limn_error *error)
{
    limn_shape x = conv->x.shape, y = conv->y.shape;
    int h = x.h + conv->pad_top + conv->pad_bottom - conv->kernel_h;
    int w = x.w + conv->pad_left + conv->pad_right - conv->kernel_w;
    int groups = conv->groups;

    if ((conv->x.type != LIMN_F32 && conv->x.type != LIMN_BF16) ||
        (conv->y.type != LIMN_F32 && conv->y.type != LIMN_BF16) ||
        (conv->weight_type != LIMN_F32 && conv->weight_type != LIMN_BF16))
        return limn_fail(error, LIMN_COMPUTE, "%s: feature maps and weights are F32 or BF16", name);
    if (groups < 1 || x.c % groups || y.c % groups)
        return limn_fail(error, LIMN_SHAPE, "%s: the groups do not divide both channel counts",
                         name);
    if (x.n < 1 || x.n != y.n || x.c < 1 || y.c < 1 || conv->stride_h < 1 || conv->stride_w < 1 ||
        conv->kernel_h < 1 || conv->kernel_w < 1 || h < 0 || w < 0 ||
        h / conv->stride_h + 1 != y.h || w / conv->stride_w + 1 != y.w)
        return limn_fail(error, LIMN_SHAPE, "%s: the sizes do not fit together", name);
    if (conv->x.block < 1 || x.c % conv->x.block || conv->y.block < 1 || y.c % conv->y.block)
        return limn_fail(error, LIMN_SHAPE, "%s: a block does not divide the channels", name);
    return LIMN_OK;
}

void limn_dnn_question_activate(limn_dnn_question *q, limn_activation activation, float slope)
{
    q->eltwise = dnnl_alg_kind_undef;
    switch (activation) {
    case LIMN_ACTIVATION_NONE:
        break;
    case LIMN_ACTIVATION_LEAKY:
        q->eltwise = dnnl_eltwise_relu;
        q->alpha = slope;
        break;
    case LIMN_ACTIVATION_RELU:
        q->eltwise = dnnl_eltwise_relu;
        break;
    case LIMN_ACTIVATION_RELU6:
        q->eltwise = dnnl_eltwise_clip;
        q->beta = 6;
        break;
    case LIMN_ACTIVATION_TANH:
        q->eltwise = dnnl_eltwise_tanh;
        break;
    case LIMN_ACTIVATION_SIGMOID:
        q->eltwise = dnnl_eltwise_logistic;
        break;
    }
}

static void make_question(limn_dnn_question *q, limn_dnn_md *bias, const limn_dnn_conv *conv)
{
    dnnl_dim_t o = conv->y.shape.c, i = conv->x.shape.c / conv->groups;
    dnnl_dim_t whole[] = { o, i, conv->kernel_h, conv->kernel_w };
    dnnl_dim_t grouped[] = { conv->groups, o / conv->groups, i, conv->kernel_h, conv->kernel_w };
    bool gradient = conv->direction == LIMN_DNN_BACKWARD_WEIGHTS, one = conv->groups == 1;

    *q = (limn_dnn_question){
        .direction = conv->direction,
        .inference = conv->inference && conv->method != LIMN_METHOD_WINOGRAD,
        .algorithm = conv->method == LIMN_METHOD_WINOGRAD ? dnnl_convolution_winograd
                                                          : dnnl_convolution_direct,
        .stride = { conv->stride_h, conv->stride_w },
        .pad_begin = { conv->pad_top, conv->pad_left },
        /* what PyTorch's rounding down leaves over at the end is never read */
        .pad_end = { conv->pad_bottom, conv->pad_right },
        .sum = conv->add_to_output && conv->direction == LIMN_DNN_FORWARD,
    };
    (void)limn_dnn_md_make(&q->weights, one ? 4 : 5, one ? whole : grouped,
                           gradient ? dnnl_f32 : data_type(conv->weight_type), dnnl_format_tag_any,
                           0);
    if (conv->direction == LIMN_DNN_FORWARD)
        limn_dnn_question_activate(q, conv->activation, conv->slope);
    if (conv->bias && conv->direction != LIMN_DNN_BACKWARD_DATA) {
        (void)limn_dnn_md_make(bias, 1, &o, dnnl_f32, dnnl_x, 0);
        q->bias = bias;
    }
}

static limn_status require(limn_dnn_question *q, const limn_dnn_layout *weights, const char *name,
                           limn_error *error)
{
    if (!limn_dnn_md_same_dims(&weights->md, &q->weights))
        return limn_fail(error, LIMN_SHAPE, "%s: the layout %s is for weights of another shape",
                         name, weights->name);
    if (limn_dnn_md_type(&weights->md) != limn_dnn_md_type(&q->weights))
        return limn_fail(error, LIMN_SHAPE, "%s: the layout %s is for weights of another type",
                         name, weights->name);
    q->weights = weights->md;
    return LIMN_OK;
}

/* ---- From the answer to a program --------------------------------------------------------------
 */

static limn_dnn_place scratch_for(limn_dnn_primitive *p, const limn_dnn_md *md)
{
    return (limn_dnn_place){ LIMN_DNN_SCRATCH, limn_dnn_scratch_take(p, limn_dnn_md_bytes(md)) };
}

/* Where the convolution reads a map: in place, or in scratch after a reorder. */
static dnnl_status_t input(limn_dnn_primitive *p, const side *s, bool moved, const limn_dnn_md *as,
                           limn_dnn_slot slot, limn_dnn_place *place)
{
    *place = (limn_dnn_place){ slot, 0 };
    if (!moved) return dnnl_success;
    p->reorders++;
    *place = scratch_for(p, as);
    return limn_dnn_reorder_add(p, &s->own[0], (limn_dnn_place){ slot, 0 }, as, *place);
}

/* The tail reads what the convolution left in scratch in the map's own layout (add), or works on
 * the map in place. */
static void set_tail(limn_dnn_primitive *p, const limn_dnn_conv *conv, const side *out,
                     limn_dnn_slot slot, bool bias, limn_activation activation,
                     const limn_dnn_place *from)
{
    if (!from && !bias && activation == LIMN_ACTIVATION_NONE) return;
    p->has_tail = true;
    p->tail = (limn_dnn_tail){ .out = *out->map, .activation = activation, .slope = conv->slope };
    p->tail_out = (limn_dnn_place){ slot, 0 };
    p->tail_bias = bias;
    p->tail_adds = from;
    if (from) p->tail_add = *from;
    p->needs[slot] = true;
    p->needs[LIMN_DNN_BIAS] |= bias;
}

/* FORWARD and BACKWARD_DATA: in -> convolution -> out. */
static dnnl_status_t build_map(limn_dnn_primitive *p, const limn_dnn_conv *conv, const answer *a,
                               const side *x, const side *y)
{
    bool forward = conv->direction == LIMN_DNN_FORWARD;
    bool add = forward ? a->sum_left : conv->add_to_output;
    bool late = forward ? a->activation_left : true;
    const side *in = forward ? x : y, *out = forward ? y : x;
    const limn_dnn_md *in_md = forward ? &a->question.x : &a->question.y;
    const limn_dnn_md *out_md = forward ? &a->question.y : &a->question.x;
    bool in_moved = forward ? a->x_moved : a->y_moved,
         out_moved = forward ? a->y_moved : a->x_moved;
    limn_dnn_slot in_slot = forward ? LIMN_DNN_X : LIMN_DNN_Y;
    limn_dnn_slot out_slot = forward ? LIMN_DNN_Y : LIMN_DNN_X;
    limn_dnn_place in_place, result = { out_slot, 0 }, final = { out_slot, 0 };
    limn_dnn_operand operands[4];
    int count = 0;
    dnnl_status_t status;

    if ((status = input(p, in, in_moved, in_md, in_slot, &in_place))) return status;
    if (add) result = final = scratch_for(p, &out->own[0]);
    if (out_moved) result = scratch_for(p, out_md);
    operands[count++] = (limn_dnn_operand){ forward ? DNNL_ARG_SRC : DNNL_ARG_DIFF_DST, in_md,
                                            in_place };
    operands[count++] = (limn_dnn_operand){ DNNL_ARG_WEIGHTS,
                                            &a->question.weights,
                                            { LIMN_DNN_WEIGHTS, 0 } };
    operands[count++] = (limn_dnn_operand){ forward ? DNNL_ARG_DST : DNNL_ARG_DIFF_SRC, out_md,
                                            result };
    if (a->question.bias)
        operands[count++] = (limn_dnn_operand){ DNNL_ARG_BIAS,
                                                a->question.bias,
                                                { LIMN_DNN_BIAS, 0 } };
    if ((status = limn_dnn_step_add(p, a->described, operands, count))) return status;
    if (out_moved) {
        p->reorders++;
        if ((status = limn_dnn_reorder_add(p, out_md, result, &out->own[0], final))) return status;
    }
    set_tail(p, conv, out, out_slot, conv->bias && !forward,
             late ? conv->activation : LIMN_ACTIVATION_NONE, add ? &final : NULL);
    return dnnl_success;
}

static dnnl_status_t build_gradient(limn_dnn_primitive *p, const limn_dnn_conv *conv,
                                    const answer *a, const side *x, const side *y)
{
    const limn_dnn_question *q = &a->question;
    limn_dnn_place x_place, y_place, weights = { LIMN_DNN_WEIGHTS, 0 }, bias = { LIMN_DNN_BIAS, 0 };
    limn_dnn_operand operands[4];
    int count = 0;
    dnnl_status_t status;

    if ((status = input(p, x, a->x_moved, &q->x, LIMN_DNN_X, &x_place)) ||
        (status = input(p, y, a->y_moved, &q->y, LIMN_DNN_Y, &y_place)))
        return status;
    if (conv->add_to_output) {
        p->needs[LIMN_DNN_WEIGHTS] = true;
        p->from_weights = weights = scratch_for(p, &q->weights);
        p->add_weights = limn_dnn_md_bytes(&q->weights) / sizeof(float);
    }
    if (conv->add_to_output && q->bias) {
        p->needs[LIMN_DNN_BIAS] = true;
        p->from_bias = bias = scratch_for(p, q->bias);
        p->add_bias = (size_t)conv->y.shape.c;
    }
    operands[count++] = (limn_dnn_operand){ DNNL_ARG_SRC, &q->x, x_place };
    operands[count++] = (limn_dnn_operand){ DNNL_ARG_DIFF_DST, &q->y, y_place };
    operands[count++] = (limn_dnn_operand){ DNNL_ARG_DIFF_WEIGHTS, &q->weights, weights };
    if (q->bias) operands[count++] = (limn_dnn_operand){ DNNL_ARG_DIFF_BIAS, q->bias, bias };
    return limn_dnn_step_add(p, a->described, operands, count);
}

/* The way that was asked for; false where it is the direct one, or oneDNN has no code for it. */
static bool find(answer *a, const limn_dnn_question *q, limn_method method, const side *x,
                 const side *y)
{
    if (method == LIMN_METHOD_CHANNELS_LAST) return search_channels_last(a, q, x, y);
    return method == LIMN_METHOD_WINOGRAD && search(a, q, x, y, 0);
}

static void describe(char *text, size_t size, const limn_dnn_conv *c)
{
    static const char *const directions[] = { "forward", "backward data", "backward weights" };

    snprintf(text, size,
             "convolution %s, %dx%dx%dx%d %s block %d -> %dx%dx%dx%d %s block %d, kernel %dx%d, "
             "stride %dx%d, pad %d %d %d %d, groups %d",
             directions[c->direction], c->x.shape.n, c->x.shape.c, c->x.shape.h, c->x.shape.w,
             limn_type_name(c->x.type), c->x.block, c->y.shape.n, c->y.shape.c, c->y.shape.h,
             c->y.shape.w, limn_type_name(c->y.type), c->y.block, c->kernel_h, c->kernel_w,
             c->stride_h, c->stride_w, c->pad_top, c->pad_left, c->pad_bottom, c->pad_right,
             c->groups);
}

limn_status limn_dnn_create(limn_dnn_primitive **out, const limn_dnn_conv *given,
                            const limn_dnn_layout *weights, limn_arena *arena, limn_error *error)
{
    limn_dnn_conv conv = *given;
    limn_type read; /* what the kernel reads maps as */
    limn_dnn_primitive *p;
    limn_dnn_question question;
    limn_dnn_md bias;
    side x, y;
    answer a;
    dnnl_status_t status;

    *out = NULL;
    if (!conv.groups) conv.groups = 1;
    LIMN_TRY(limn_dnn_start(error));
    LIMN_TRY(limn_take_into(&p, arena, sizeof *p, error));
    describe(p->name, sizeof p->name, &conv);
    LIMN_TRY(check(&conv, p->name, error));
    read = conv.x.type == LIMN_BF16 || conv.y.type == LIMN_BF16 ? LIMN_BF16 : LIMN_F32;
    if (!side_open(&x, &conv.x, conv.direction == LIMN_DNN_BACKWARD_DATA ? conv.x.type : read) ||
        !side_open(&y, &conv.y, conv.direction == LIMN_DNN_FORWARD ? conv.y.type : read))
        return limn_fail(error, LIMN_SHAPE, "%s: oneDNN cannot describe such a feature map",
                         p->name);
    p->method = conv.method;
    make_question(&question, &bias, &conv);
    if (!find(&a, &question, conv.method, &x, &y)) {
        p->method = conv.method = LIMN_METHOD_DIRECT;
        make_question(&question, &bias, &conv);
        if (!search(&a, &question, &x, &y, 2)) return refuse(&a, &conv, p->name, NULL, error);
    }
    if (weights) {
        int reorders = a.x_moved + a.y_moved;

        dnnl_primitive_desc_destroy(a.described);
        LIMN_TRY(require(&question, weights, p->name, error));
        if (p->method == LIMN_METHOD_CHANNELS_LAST ? !search_channels_last(&a, &question, &x, &y)
                                                   : !search(&a, &question, &x, &y, reorders))
            return refuse(&a, &conv, p->name, weights, error);
    }
    snprintf(p->implementation, sizeof p->implementation, "%s", limn_dnn_ask_name(a.described));
    limn_dnn_layout_fill(&p->weights, &a.question.weights);
    p->has_weights = true;
    status = conv.direction == LIMN_DNN_BACKWARD_WEIGHTS ? build_gradient(p, &conv, &a, &x, &y)
                                                         : build_map(p, &conv, &a, &x, &y);
    dnnl_primitive_desc_destroy(a.described);
    if (status) {
        limn_fail(error, limn_dnn_status(status), "%s: oneDNN says: %s", p->name,
                  limn_dnn_status_text(status));
        limn_dnn_free(&p);
        return limn_dnn_status(status);
    }
    *out = p;
    return LIMN_OK;
}
