/* SPDX-License-Identifier: Apache-2.0
 *
 * Guesses a network's settings from a few of its tensors; deduce_layout.c then holds the guess
 * against all of them.
 *
 * One name tells the family: model.model.0.weight is a U-Net's, conv_block a ResNet's,
 * model.0.weight of 4x4 a critic's, net.0.weight the pixel critic's.  Depths are counted by
 * following names, widths read from shapes. */
#include "model/deduce.h"
#include "model/deduce_layout.h"
#include "model/foreign.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_MAX = 1000, WIDTH_MAX = 1 << 16 };

static const limn_checkpoint_tensor *find(const limn_state *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static const limn_checkpoint_tensor *find(const limn_state *s, const char *format, ...)
{
    char name[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    return limn_state_find(s, name);
}

/* A convolution's weight, or NULL; with widths beyond anything sensible it is none. */
static const limn_checkpoint_tensor *as_conv(const limn_checkpoint_tensor *t, int kernel)
{
    if (!t || t->saved.dims != 4 || t->saved.size[2] != kernel || t->saved.size[3] != kernel ||
        t->saved.size[0] < 1 || t->saved.size[1] < 1 || t->saved.size[0] > WIDTH_MAX ||
        t->saved.size[1] > WIDTH_MAX)
        return NULL;
    return t;
}

static limn_status incomplete(const limn_state *s, const char *family, const char *what,
                              limn_error *error)
{
    return limn_fail(error, LIMN_FORMAT,
                     "%s: looks like a %s, but %s: a variant that limn does not have, or a file "
                     "that is not whole",
                     s->file, family, what);
}

/* ---- Norm ------------------------------------------------------------------------------------ */

/* What stands at the first norm and in the convolution before it decides for all of them. */
static limn_status deduce_norm(limn_deduced *out, limn_file_layout *file, const limn_state *s,
                               const char *norm_path, const char *conv_path,
                               const limn_wishes *wishes, limn_error *error)
{
    const char *wish = wishes ? wishes->norm : NULL;
    bool clear = true;

    out->affine = find(s, "%s.weight", norm_path) != NULL;
    file->statistics = find(s, "%s.running_mean", norm_path) != NULL;
    file->bias = find(s, "%s.bias", conv_path) != NULL;
    if (!out->affine && file->bias)
        out->norm = "instance";
    else if (!out->affine && !file->statistics)
        out->norm = "none";
    else if (out->affine && file->statistics && !file->bias)
        out->norm = "batch";
    else if (out->affine && !file->statistics && file->bias)
        out->norm = "instance";
    else
        clear = false;
    if (wish && strcmp(wish, "batch") && strcmp(wish, "instance") && strcmp(wish, "none"))
        return limn_fail(error, LIMN_SETTING, "there is no norm '%s'; give batch, instance or none",
                         limn_quote(wish, strlen(wish)).text);
    if (!clear && !wish)
        return limn_fail(
            error, LIMN_SETTING,
            "%s: its norms could be batch or instance norm (%s weights, %s statistics, "
            "convolutions %s bias; in 2017 both were saved alike): say which with "
            "--norm batch or --norm instance",
            s->file, out->affine ? "with" : "no", file->statistics ? "with" : "no",
            file->bias ? "with" : "without");
    if (wish && (clear ? strcmp(wish, out->norm) != 0 : !strcmp(wish, "none")))
        return limn_fail(error, LIMN_SETTING,
                         "%s: --norm %s does not fit: the file has %s norm; leave the setting out",
                         s->file, wish, clear ? out->norm : "batch or instance");
    if (!clear) out->norm = !strcmp(wish, "batch") ? "batch" : "instance";
    out->bias = file->bias;
    out->statistics = !strcmp(out->norm, "batch") && file->statistics;
    out->stale = file->statistics && !out->statistics;
    return LIMN_OK;
}

/* ---- Families -------------------------------------------------------------------------------- */

static limn_status deduce_unet(limn_deduced *out, limn_file_layout *file, const limn_state *s,
                               const limn_wishes *wishes, limn_error *error)
{
    const limn_checkpoint_tensor *first = as_conv(find(s, "model.model.0.weight"), 4);
    const limn_checkpoint_tensor *last = as_conv(find(s, "model.model.3.weight"), 4);
    char prefix[200] = "model.model.1.model";
    size_t used = strlen(prefix);
    int downs = 1;

    if (!first || !last)
        return incomplete(s, "U-Net", "its first or last layer is no 4x4 convolution", error);
    for (; downs <= LIMN_LEVELS_MAX && find(s, "%s.1.weight", prefix); downs++) {
        snprintf(prefix + used, sizeof prefix - used, ".3.model");
        used += strlen(prefix + used);
    }
    if (downs < 5 || downs > LIMN_LEVELS_MAX)
        return incomplete(s, "U-Net", "it has fewer than 5 levels, or more than 16", error);
    out->generator = true;
    out->downs = downs;
    out->filters = (int)first->saved.size[0];
    out->input_nc = (int)first->saved.size[1];
    out->output_nc = (int)last->saved.size[1];
    out->dropout = wishes ? wishes->dropout : -1;
    snprintf(out->network, sizeof out->network, "unet_%d", 1 << downs);
    return deduce_norm(out, file, s, "model.model.1.model.2", "model.model.1.model.1", wishes,
                       error);
}

/* The numbers N of model.N.conv_block. */
static bool find_blocks(const limn_state *s, int *first, int *last)
{
    size_t i;

    *first = NUMBER_MAX;
    *last = -1;
    for (i = 0; i < s->count; i++) {
        const char *name = s->tensors[i].name;
        char *end;
        long n;

        if (strncmp(name, "model.", 6) || name[6] < '0' || name[6] > '9') continue;
        n = strtol(name + 6, &end, 10);
        if (strncmp(end, ".conv_block.", 12) || n < 0 || n >= NUMBER_MAX) continue;
        if (n < *first) *first = (int)n;
        if (n > *last) *last = (int)n;
    }
    return *last >= 0;
}

static limn_status deduce_resnet(limn_deduced *out, limn_file_layout *file, const limn_state *s,
                                 int first_block, int last_block, const limn_wishes *wishes,
                                 limn_error *error)
{
    int stem = find(s, "model.0.weight") ? 0 : 1, end = last_block + 1, last;
    const limn_checkpoint_tensor *in = as_conv(find(s, "model.%d.weight", stem), 7), *final;
    char norm_path[40], conv_path[40];
    bool zero, drop;

    if (!in)
        return incomplete(s, "ResNet generator", "its first layer is no 7x7 convolution", error);
    out->antialias = first_block - stem == 11;
    if (!out->antialias && first_block - stem != 9)
        return incomplete(s, "ResNet generator",
                          "it does not halve the picture twice before its blocks", error);
    out->antialias_up = !find(s, "model.%d.weight", end);
    if (out->antialias_up && !find(s, "model.%d.weight", end + 1))
        return incomplete(s, "ResNet generator",
                          "nothing that doubles the picture follows its blocks", error);
    last = end + (out->antialias_up ? 8 : 6) + stem;
    if (!(final = as_conv(find(s, "model.%d.weight", last), 7)))
        return incomplete(s, "ResNet generator",
                          "no 7x7 convolution ends it after doubling the picture twice", error);
    if (last_block - first_block >= LIMN_BLOCKS_MAX)
        return incomplete(s, "ResNet generator", "it has more than 256 blocks", error);
    zero = find(s, "model.%d.conv_block.0.weight", first_block) != NULL;
    drop = find(s, "model.%d.conv_block.%d.weight", first_block, zero ? 4 : 6) != NULL;
    /* without dropout number 6 (4) is the second norm, whose weights are no 3x3 convolution */
    drop = drop && as_conv(find(s, "model.%d.conv_block.%d.weight", first_block, zero ? 4 : 6), 3);
    out->generator = true;
    out->blocks = last_block - first_block + 1;
    out->filters = (int)in->saved.size[0];
    out->input_nc = (int)in->saved.size[1];
    out->output_nc = (int) final->saved.size[0];
    out->padding = stem ? "reflect" : "zero";
    out->block_padding = zero ? "zero" : "reflect";
    out->dropout = drop;
    snprintf(out->network, sizeof out->network, "resnet_%dblocks", out->blocks);
    snprintf(norm_path, sizeof norm_path, "model.%d", stem + 1);
    snprintf(conv_path, sizeof conv_path, "model.%d", stem);
    return deduce_norm(out, file, s, norm_path, conv_path, wishes, error);
}

static limn_status deduce_critic(limn_deduced *out, limn_file_layout *file, const limn_state *s,
                                 const limn_wishes *wishes, limn_error *error)
{
    const limn_checkpoint_tensor *first = find(s, "model.0.weight");
    char norm_path[40], conv_path[40];
    int convs = 0, start, stride;

    out->antialias = !as_conv(find(s, "model.2.weight"), 4);
    start = out->antialias ? 3 : 2;
    stride = out->antialias ? 4 : 3;
    while (convs <= LIMN_LEVELS_MAX &&
           as_conv(find(s, "model.%d.weight", start + stride * convs), 4))
        convs++;
    /* Without filters the last convolution of all keeps the rhythm and was counted too. */
    out->layers = out->antialias ? convs : convs - 1;
    if (out->layers < 1 || out->layers > LIMN_LEVELS_MAX)
        return incomplete(s, "PatchGAN critic", "its convolutions are not where they should be",
                          error);
    out->filters = (int)first->saved.size[0];
    out->input_nc = (int)first->saved.size[1];
    out->output_nc = 1;
    snprintf(out->network, sizeof out->network, "%s", out->layers == 3 ? "basic" : "n_layers");
    snprintf(norm_path, sizeof norm_path, "model.%d", start + 1);
    snprintf(conv_path, sizeof conv_path, "model.%d", start);
    return deduce_norm(out, file, s, norm_path, conv_path, wishes, error);
}

static limn_status deduce_pixel(limn_deduced *out, limn_file_layout *file, const limn_state *s,
                                const limn_wishes *wishes, limn_error *error)
{
    const limn_checkpoint_tensor *first = find(s, "net.0.weight");

    out->filters = (int)first->saved.size[0];
    out->input_nc = (int)first->saved.size[1];
    out->output_nc = 1;
    snprintf(out->network, sizeof out->network, "pixel");
    return deduce_norm(out, file, s, "net.3", "net.2", wishes, error);
}

/* Names what people try and limn does not have. */
static limn_status unknown(const limn_state *s, limn_error *error)
{
    const char *seems = "";
    size_t i;

    for (i = 0; i < s->count && !*seems; i++) {
        const char *name = s->tensors[i].name;

        if (!strncmp(name, "mlp_", 4))
            seems = " (it looks like CUT's patch network netF)";
        else if (strstr(name, "model1_1.") || strstr(name, "model_downsample"))
            seems = " (it looks like pix2pixHD's local enhancer)";
        else if (strstr(name, "scale0_layer0"))
            seems = " (it looks like pix2pixHD's critic)";
        else if (strstr(name, "modulation"))
            seems = " (it looks like a StyleGAN)";
        else if (strstr(name, "mlp_shared"))
            seems = " (it looks like SPADE)";
    }
    return limn_fail(
        error, LIMN_FORMAT,
        "%s: no network that limn knows%s; it reads unet_128, unet_256, resnet_6blocks, "
        "resnet_9blocks (any depth and width) and the basic, n_layers and pixel "
        "critics of pytorch-CycleGAN-and-pix2pix and CUT; its first tensor is '%s'",
        s->file, seems, limn_quote(s->tensors[0].name, strlen(s->tensors[0].name)).text);
}

limn_status limn_deduce(limn_deduced *out, const limn_state *state, const limn_wishes *wishes,
                        limn_arena *arena, limn_error *error)
{
    limn_file_layout file = { 0 };
    limn_status status;
    int first, last;

    *out = (limn_deduced){ .padding = "zero", .block_padding = "zero" };
    if (find(state, "model.model.0.weight"))
        status = deduce_unet(out, &file, state, wishes, error);
    else if (find_blocks(state, &first, &last))
        status = deduce_resnet(out, &file, state, first, last, wishes, error);
    else if (as_conv(find(state, "model.0.weight"), 4))
        status = deduce_critic(out, &file, state, wishes, error);
    else if (as_conv(find(state, "net.0.weight"), 1))
        status = deduce_pixel(out, &file, state, wishes, error);
    else
        return unknown(state, error);
    if (status) return status;
    return limn_deduce_match(out, &file, state, arena, error);
}
