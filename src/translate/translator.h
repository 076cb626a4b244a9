/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside src/translate: a model that is ready to translate pictures.
 *
 * The network is described anew for every padded size and planned on the same weights, which are
 * packed once; the plans of the last few sizes are kept.  A size costs a plan (tens of
 * milliseconds), so a folder of equal pictures plans once and one of many sizes does not fill the
 * memory.  Padding is at the bottom and right, by reflection, up to the multiple that the network
 * needs. */
#ifndef LIMN_TRANSLATE_TRANSLATOR_H
#define LIMN_TRANSLATE_TRANSLATOR_H

#include "data/derive.h"
#include "model/layers.h"
#include "publish/publish.h"

/* What a network's channels are, and so how pixels become its input and its output pixels. */
typedef enum limn_translate_colour {
    LIMN_TRANSLATE_PLAIN,  /* channels as they are: grey, sRGB, or any number */
    LIMN_TRANSLATE_COLOUR, /* colorization: L in, a and b out, joined to the input's own L */
} limn_translate_colour;

enum { LIMN_TRANSLATE_PLANS = 4, LIMN_TRANSLATE_SAMPLES_MAX = 64 };

/* One padded size. */
typedef struct limn_translate_plan {
    int height, width; /* 0: free */
    limn_graph *graph;
    limn_plan *plan;
    limn_value input, output;
    unsigned long used; /* when last */
} limn_translate_plan;

struct limn_translator {
    limn_arena arena; /* the translator itself lies in it */
    limn_translate_settings settings;
    limn_model *model;
    const limn_model_network *network; /* of the model's card */
    limn_network description;          /* what is applied: with dropout as asked for */
    limn_translate_colour colour;
    limn_derivation derivation; /* kind: NONE where pictures go in as they are */
    limn_graph *declared; /* the network as the card describes it; nothing is computed with it */
    limn_layer *layers;   /* of it: which norms are folded, which layers are int8 */
    int layer_count;
    bool rewrites; /* either is the case, and plans are made for a rewritten graph */
    limn_weights *weights;
    limn_publisher *publisher;
    limn_translate_plan plans[LIMN_TRANSLATE_PLANS];
    unsigned long clock;
    uint64_t memory_bytes; /* a picture that would take more is refused */
    double bytes_a_pixel;  /* of a plan, measured; 0: not yet */
    limn_origin origin;    /* of what it makes */
    char digest[65], statistics[80];
};

/* How training made its inputs, by the model's card; kind NONE: from files. */
limn_status limn_translator_derivation(limn_derivation *out, const limn_translator *t,
                                       limn_error *error);

/* Both sizes have been checked: planes (input_channels, height, width) in [-1, 1] to planes
 * (output_channels, height, width), as the network sees and gives them.  step distinguishes
 * variants.  name is for messages. */
limn_status limn_translator_planes(limn_translator *t, const float *in, float *out, int height,
                                   int width, uint64_t step, const char *name, limn_error *error);

/* What a picture is padded by. */
limn_padding limn_translator_padding(const limn_translator *t, int height, int width);

/* LIMN_SHAPE with a sentence when a picture of that size would take more memory than allowed. */
limn_status limn_translator_fits(limn_translator *t, int height, int width, const char *name,
                                 limn_error *error);

/* Screens the picture as input, and translates it `count` times (variants; 1 otherwise): cleared[i]
 * is what may leave.  statuses[i] is LIMN_OK or LIMN_REFUSED_PICTURE for each; any other failure
 * is returned and leaves all cleared NULL.  When all are refused that is returned too, with the
 * sentence of the first.  names: of the outputs, for messages. */
limn_status limn_translator_picture(limn_translator *t, const limn_picture *picture,
                                    const char *name, const char *const *names, int count,
                                    limn_cleared **cleared, limn_status *statuses,
                                    limn_error *error);

/* Channels of the pictures that come out: 3 for colorization. */
int limn_translator_channels(const limn_translator *t);

/* The rest of the format row: what the target of a picture is by the settings. */
limn_format limn_translate_format(const limn_translate_settings *settings);

#endif
