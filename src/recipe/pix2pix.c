/* SPDX-License-Identifier: Apache-2.0
 *
 * pix2pix (Isola et al. 2017): from pairs.  A conditional critic, which sees the input beside the
 * picture, then the generator against the updated critic; equations 1 to 4, with the critic's
 * objective halved as in section 3.3.
 *
 * Colorization is the same step on other pictures: what goes in is the lightness of a photo, what
 * comes out its colour (L and ab of CIE Lab), so any folder of colour pictures is one of pairs. */
#include "recipe/recipe.h"

typedef struct terms {
    double lambda_L1;
} terms;
static const terms default_terms = { .lambda_L1 = 100 };
static const limn_setting rows[] = {
    { "lambda-L1", LIMN_SETTING_FLOAT, offsetof(terms, lambda_L1), 0, 1e6, NULL, NULL,
      "weight of the L1 term" },
    { .name = NULL },
};

/* clang-format off */
#define SETTINGS(in, out)                                                                          \
    {                                                                                              \
        .generator = { .net = "unet_256", .input_nc = in, .output_nc = out, .filters = 64,         \
                       .norm = LIMN_NORM_BATCH, .dropout = true, .picture_statistics = true },     \
        .critic = { .net = "basic", .filters = 64, .layers = 3, .norm = LIMN_NORM_BATCH },         \
        .batch = 1, .height = 256, .width = 256,                                                   \
        .gan_mode = LIMN_GAN_VANILLA,                                                              \
        .adam = { .beta1 = 0.5f, .beta2 = 0.999f, .eps = 1e-8f, .rate = 1 },                       \
    }
/* clang-format on */
static const limn_recipe_settings of_pictures = SETTINGS(3, 3), of_lightness = SETTINGS(1, 2);

static void step(limn_graph *g, const limn_recipe_settings *s)
{
    const terms *t = limn_recipe_terms(s);
    limn_network G = s->generator, D = s->critic;
    limn_value a, b, fake, d_fake, d_real, g_gan, g_l1;

    D.input_nc = G.input_nc + G.output_nc;
    D.output_nc = 1;
    a = limn_input(g, "real_A", (limn_shape){ s->batch, G.input_nc, s->height, s->width });
    b = limn_input(g, "real_B", (limn_shape){ s->batch, G.output_nc, s->height, s->width });

    fake = limn_apply(g, "G", &G, a, NULL);
    d_fake = limn_gan_loss(g, s->gan_mode,
                           limn_apply(g, "D", &D, limn_concat(g, a, limn_stop(g, fake)), NULL),
                           LIMN_FAKE, LIMN_FOR_CRITIC);
    d_real = limn_gan_loss(g, s->gan_mode, limn_apply(g, "D", &D, limn_concat(g, a, b), NULL),
                           LIMN_REAL, LIMN_FOR_CRITIC);
    limn_update(g, "D", limn_scale(g, limn_sum(g, d_fake, d_real), 0.5f), &s->adam);

    g_gan = limn_gan_loss(g, s->gan_mode, limn_apply(g, "D", &D, limn_concat(g, a, fake), NULL),
                          LIMN_REAL, LIMN_FOR_GENERATOR);
    g_l1 = limn_scale(g, limn_l1(g, fake, b), t->lambda_L1);
    limn_update(g, "G", limn_sum(g, g_gan, g_l1), &s->adam);

    limn_report(g, "G_GAN", g_gan);
    limn_report(g, "G_L1", g_l1);
    limn_report(g, "D_real", d_real);
    limn_report(g, "D_fake", d_fake);
    limn_report(g, "fake_B", fake);
}

const limn_recipe limn_recipe_pix2pix = {
    .name = "pix2pix",
    .does = "from pairs of pictures",
    .networks = "G D",
    .generators = "G",
    .defaults = &of_pictures,
    .rows = rows,
    .terms = &default_terms,
    .terms_bytes = sizeof default_terms,
    .step = step,
};

const limn_recipe limn_recipe_colorization = {
    .name = "colorization",
    .does = "from any colour pictures: grey into colour",
    .networks = "G D",
    .generators = "G",
    .colorizes = true,
    .defaults = &of_lightness,
    .rows = rows,
    .terms = &default_terms,
    .terms_bytes = sizeof default_terms,
    .step = step,
};
