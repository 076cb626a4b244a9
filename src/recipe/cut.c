/* SPDX-License-Identifier: Apache-2.0
 *
 * CUT (Park et al. 2020): from two sets without pairs, one way.  What stands at a place of the
 * output must be recognisable as what stood there in the input, among other places of the same
 * picture: the PatchNCE loss over features of the generator's own encoder (equations 1 to 4), on
 * outputs for A and, as a regulariser, for B.  The encoder's features of the inputs are taken from
 * the pass that makes the outputs, not computed again. */
#include "recipe/recipe.h"
#include <stdio.h>

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
    .lambda_NCE = 1,
    .nce_T = 0.07f,
    .nce_idt = true,
    .nce_layers = { 0, 4, 8, 12, 16 },
    .nce_layer_count = 5,
    .netF_nc = 256,
    .num_patches = 256,
};

/* The mean over layers of PatchNCE between the features of an output and those of its input. */
static limn_value nce_loss(limn_graph *g, const limn_recipe_settings *s,
                           const limn_value *positions, const limn_value *of_output,
                           const limn_value *of_input)
{
    limn_value total = -1;

    for (int i = 0; i < s->nce_layer_count; i++) {
        char mlp[16];
        limn_value query, key, loss;

        snprintf(mlp, sizeof mlp, "%d", i);
        query = limn_apply_mlp(g, "F", mlp, limn_gather(g, of_output[i], positions[i]), s->netF_nc);
        key = limn_apply_mlp(g, "F", mlp, limn_gather(g, of_input[i], positions[i]), s->netF_nc);
        loss = limn_patch_nce(g, query, key, s->batch, s->nce_T);
        total = i ? limn_sum(g, total, loss) : loss;
    }
    return limn_scale(g, total, s->lambda_NCE / (float)s->nce_layer_count);
}

static void step(limn_graph *g, const limn_recipe_settings *s)
{
    limn_network G = s->generator, D = s->critic;
    limn_value a, b, fake, d_real, d_fake, g_gan, nce, loss;
    limn_value of_a[LIMN_NCE_LAYERS_MAX], of_b[LIMN_NCE_LAYERS_MAX], of_fake[LIMN_NCE_LAYERS_MAX];
    limn_value of_same[LIMN_NCE_LAYERS_MAX], positions[LIMN_NCE_LAYERS_MAX];
    limn_taps tap_a = { s->nce_layers, s->nce_layer_count, of_a }, tap_b = tap_a, tap_fake = tap_a,
              tap_same = tap_a;

    tap_b.values = of_b;
    tap_fake.values = of_fake;
    tap_same.values = of_same;
    for (int i = 0; i < LIMN_NCE_LAYERS_MAX; i++) of_a[i] = of_b[i] = of_fake[i] = of_same[i] = -1;
    D.input_nc = G.output_nc;
    D.output_nc = 1;
    a = limn_input(g, "real_A", (limn_shape){ s->batch, G.input_nc, s->height, s->width });
    b = limn_input(g, "real_B", (limn_shape){ s->batch, G.output_nc, s->height, s->width });

    fake = limn_apply(g, "G", &G, a, &tap_a);
    for (int i = 0; i < s->nce_layer_count; i++) {
        limn_shape map = limn_shape_of(g, of_a[i]);
        int places = map.h * map.w;
        char name[32];

        snprintf(name, sizeof name, "patch_ids_%d", i);
        positions[i] = limn_input(
            g, name,
            (limn_shape){ s->batch, places < s->num_patches ? places : s->num_patches, 1, 1 });
        limn_input_below(g, positions[i], places);
    }
    d_real = limn_gan_loss(g, s->gan_mode, limn_apply(g, "D", &D, b, NULL), LIMN_REAL,
                           LIMN_FOR_CRITIC);
    d_fake = limn_gan_loss(g, s->gan_mode, limn_apply(g, "D", &D, limn_stop(g, fake), NULL),
                           LIMN_FAKE, LIMN_FOR_CRITIC);
    limn_update(g, "D", limn_scale(g, limn_sum(g, d_real, d_fake), 0.5f), &s->adam);

    g_gan = limn_gan_loss(g, s->gan_mode, limn_apply(g, "D", &D, fake, NULL), LIMN_REAL,
                          LIMN_FOR_GENERATOR);
    limn_apply(g, "G", &G, fake, &tap_fake); /* its encoder only: the rest is read by nobody */
    nce = nce_loss(g, s, positions, of_fake, of_a);
    loss = nce;
    if (s->nce_idt) {
        limn_value same = limn_apply(g, "G", &G, b, &tap_b), nce_y;

        limn_apply(g, "G", &G, same, &tap_same);
        nce_y = nce_loss(g, s, positions, of_same, of_b);
        limn_report(g, "NCE_Y", nce_y);
        limn_report(g, "idt_B", same);
        loss = limn_scale(g, limn_sum(g, nce, nce_y), 0.5f);
    }
    limn_update(g, "G F", limn_sum(g, g_gan, loss), &s->adam);

    limn_report(g, "G_GAN", g_gan);
    limn_report(g, "D_real", d_real);
    limn_report(g, "D_fake", d_fake);
    limn_report(g, "NCE", nce);
    limn_report(g, "fake_B", fake);
}

const limn_recipe limn_recipe_cut = {
    .name = "cut",
    .does = "from two sets of pictures without pairs, one way",
    .networks = "G F D",
    .generators = "G",
    .unpaired = true,
    .defaults = &defaults,
    .step = step,
};
