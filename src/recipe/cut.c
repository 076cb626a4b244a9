/* SPDX-License-Identifier: Apache-2.0
 *
 * CUT (Park et al. 2020): from two sets without pairs, one way.  What stands at a place of the
 * output must be recognisable as what stood there in the input, among other places of the same
 * picture: the PatchNCE loss over features of the generator's own encoder (equations 1 to 4), on
 * outputs for A and, as a regulariser, for B.  The encoder's features of the inputs are taken from
 * the pass that makes the outputs, not computed again.
 *
 * FastCUT is the same with other terms: no outputs for B, ten times the weight, and half of the
 * steps on mirrored inputs, where features of the output are mirrored back and compared with those
 * of the input as it was.  That input is another one, so its features are a pass of their own
 * (the encoder alone, without gradient). */
#include "recipe/recipe.h"

#include <stdio.h>
#include <stdlib.h>

enum { LAYERS_MAX = 16 };

typedef struct terms {
    double lambda_NCE, nce_T;
    const char *nce_layers; /* numbers of modules in PyTorch's Sequential */
    int netF_nc, num_patches;
    bool nce_idt, flip_equivariance;
} terms;
static const terms of_cut = { .lambda_NCE = 1,
                              .nce_T = 0.07,
                              .nce_layers = "0,4,8,12,16",
                              .netF_nc = 256,
                              .num_patches = 256,
                              .nce_idt = true };
static const terms of_fastcut = { .lambda_NCE = 10,
                                  .nce_T = 0.07,
                                  .nce_layers = "0,4,8,12,16",
                                  .netF_nc = 256,
                                  .num_patches = 256,
                                  .flip_equivariance = true };
#define AT(field) offsetof(terms, field)
static const limn_setting rows[] = {
    { "lambda-NCE", LIMN_SETTING_FLOAT, AT(lambda_NCE), 0, 1e6, NULL, NULL,
      "weight of the PatchNCE terms" },
    { "nce-idt", LIMN_SETTING_FLAG, AT(nce_idt), 0, 0, NULL, NULL, "PatchNCE on B as well" },
    { "flip-equivariance", LIMN_SETTING_FLAG, AT(flip_equivariance), 0, 0, NULL, NULL,
      "half of the steps on mirrored pictures, compared with the unmirrored" },
    { "nce-T", LIMN_SETTING_FLOAT, AT(nce_T), 1e-4, 100, NULL, NULL, "temperature of PatchNCE" },
    { "nce-layers", LIMN_SETTING_TEXT, AT(nce_layers), 0, 0, NULL, NULL,
      "layers of the generator that PatchNCE compares" },
    { "netF-nc", LIMN_SETTING_INT, AT(netF_nc), 1, 4096, NULL, NULL,
      "size of PatchNCE's features" },
    { "num-patches", LIMN_SETTING_INT, AT(num_patches), 2, 65536, NULL, NULL,
      "patches of each layer" },
    { .name = NULL },
};

static const limn_recipe_settings defaults = {
    .generator = { .net = "resnet_9blocks",
                   .input_nc = 3,
                   .output_nc = 3,
                   .filters = 64,
                   .norm = LIMN_NORM_INSTANCE,
                   .antialias = true,
                   .antialias_up = true },
    .critic = { .net = "basic",
                .filters = 64,
                .layers = 3,
                .norm = LIMN_NORM_INSTANCE,
                .antialias = true },
    .batch = 1,
    .height = 256,
    .width = 256,
    .gan_mode = LIMN_GAN_LSGAN,
    .adam = { .beta1 = 0.5f, .beta2 = 0.999f, .eps = 1e-8f, .rate = 1 },
};

/* "0,4,8" as numbers, and how many; 0 with an error in the graph. */
static int read_layers(limn_graph *g, const char *text, int layers[LAYERS_MAX])
{
    int count = 0;

    for (const char *at = text;;) {
        char *end;
        long layer = strtol(at, &end, 10);

        if (end == at || layer < 0 || layer > 1000 || (*end && *end != ',') || count == LAYERS_MAX)
            break;
        layers[count++] = (int)layer;
        if (!*end) return count;
        at = end + 1;
    }
    limn_graph_fail(g, LIMN_SETTING,
                    "--nce-layers is \"%s\"; it must be up to %d numbers with commas between them, "
                    "as 0,4,8,12,16",
                    text, LAYERS_MAX);
    return 0;
}

/* The mean over layers of PatchNCE between the features of an output and those of its input. */
static limn_value nce_loss(limn_graph *g, const limn_recipe_settings *s, int layers,
                           const limn_value *positions, const limn_value *of_output,
                           const limn_value *of_input)
{
    const terms *t = limn_recipe_terms(s);
    limn_value total = -1;

    for (int i = 0; i < layers; i++) {
        char mlp[16];
        limn_value query, key, loss;

        snprintf(mlp, sizeof mlp, "%d", i);
        query = limn_apply_mlp(g, "F", mlp, limn_gather(g, of_output[i], positions[i]), t->netF_nc);
        key = limn_apply_mlp(g, "F", mlp, limn_gather(g, of_input[i], positions[i]), t->netF_nc);
        loss = limn_patch_nce(g, query, key, s->batch, t->nce_T);
        total = i ? limn_sum(g, total, loss) : loss;
    }
    return limn_scale(g, total, t->lambda_NCE / layers);
}

/* One side: what the generator makes of x, and features of both, place by place. */
typedef struct side {
    limn_value made, of_input[LAYERS_MAX], of_output[LAYERS_MAX];
} side;

static void translate(limn_graph *g, const limn_recipe_settings *s, side *to, limn_value x,
                      const int *layers, int count, uint32_t draw)
{
    const terms *t = limn_recipe_terms(s);
    limn_taps tap_in = { layers, count, to->of_input };

    for (int i = 0; i < LAYERS_MAX; i++) to->of_input[i] = to->of_output[i] = -1;
    if (t->flip_equivariance) {
        limn_apply(g, "G", &s->generator, x, &tap_in); /* its encoder: the rest is read by nobody */
        to->made = limn_apply(g, "G", &s->generator, limn_flip(g, x, draw), NULL);
    } else {
        to->made = limn_apply(g, "G", &s->generator, x, &tap_in);
    }
}

static void look_at_output(limn_graph *g, const limn_recipe_settings *s, side *to,
                           const int *layers, int count, uint32_t draw)
{
    const terms *t = limn_recipe_terms(s);
    limn_taps tap_out = { layers, count, to->of_output };

    limn_apply(g, "G", &s->generator, to->made, &tap_out); /* its encoder only */
    for (int i = 0; t->flip_equivariance && i < count; i++)
        to->of_output[i] = limn_flip(g, to->of_output[i], draw);
}

static void step(limn_graph *g, const limn_recipe_settings *s)
{
    const terms *t = limn_recipe_terms(s);
    limn_network G = s->generator, D = s->critic;
    limn_value a, b, d_real, d_fake, g_gan, nce, loss, positions[LAYERS_MAX];
    int layers[LAYERS_MAX], count = read_layers(g, t->nce_layers, layers);
    uint32_t draw = t->flip_equivariance ? limn_graph_stream(g) : 0;
    side of_a, of_b;

    D.input_nc = G.output_nc;
    D.output_nc = 1;
    a = limn_input(g, "real_A", (limn_shape){ s->batch, G.input_nc, s->height, s->width });
    b = limn_input(g, "real_B", (limn_shape){ s->batch, G.output_nc, s->height, s->width });

    translate(g, s, &of_a, a, layers, count, draw);
    for (int i = 0; i < count; i++) {
        limn_shape map = limn_shape_of(g, of_a.of_input[i]);
        int places = map.h * map.w, patches = places < t->num_patches ? places : t->num_patches;
        char name[32];

        snprintf(name, sizeof name, "patch_ids_%d", i);
        positions[i] = limn_input(g, name, (limn_shape){ s->batch, patches, 1, 1 });
        limn_input_below(g, positions[i], places);
    }
    d_real = limn_gan_loss(g, s->gan_mode, limn_apply(g, "D", &D, b, NULL), LIMN_REAL,
                           LIMN_FOR_CRITIC);
    d_fake = limn_gan_loss(g, s->gan_mode, limn_apply(g, "D", &D, limn_stop(g, of_a.made), NULL),
                           LIMN_FAKE, LIMN_FOR_CRITIC);
    limn_update(g, "D", limn_scale(g, limn_sum(g, d_real, d_fake), 0.5), &s->adam);

    g_gan = limn_gan_loss(g, s->gan_mode, limn_apply(g, "D", &D, of_a.made, NULL), LIMN_REAL,
                          LIMN_FOR_GENERATOR);
    look_at_output(g, s, &of_a, layers, count, draw);
    loss = nce = nce_loss(g, s, count, positions, of_a.of_output, of_a.of_input);
    if (t->nce_idt) {
        limn_value nce_y;

        translate(g, s, &of_b, b, layers, count, draw);
        look_at_output(g, s, &of_b, layers, count, draw);
        nce_y = nce_loss(g, s, count, positions, of_b.of_output, of_b.of_input);
        limn_report(g, "NCE_Y", nce_y);
        limn_report(g, "idt_B", of_b.made);
        loss = limn_scale(g, limn_sum(g, nce, nce_y), 0.5);
    }
    limn_update(g, "G F", limn_sum(g, g_gan, loss), &s->adam);

    limn_report(g, "G_GAN", g_gan);
    limn_report(g, "D_real", d_real);
    limn_report(g, "D_fake", d_fake);
    limn_report(g, "NCE", nce);
    limn_report(g, "fake_B", of_a.made);
}

#define SHARED                                                                                     \
    .networks = "G F D", .generators = "G", .unpaired = true, .defaults = &defaults,               \
    .xavier = true, .rows = rows, .terms_bytes = sizeof(terms), .fixed = "nce-layers netF-nc",     \
    .step = step

const limn_recipe limn_recipe_cut = {
    .name = "cut",
    .does = "from two sets of pictures without pairs, one way",
    .n_epochs = 200,
    .n_epochs_decay = 200,
    .terms = &of_cut,
    SHARED,
};

const limn_recipe limn_recipe_fastcut = {
    .name = "fastcut",
    .does = "as cut, in half the time",
    .n_epochs = 150,
    .n_epochs_decay = 50,
    .terms = &of_fastcut,
    SHARED,
};
