/* SPDX-License-Identifier: Apache-2.0
 *
 * CycleGAN (Zhu et al. 2017): from two sets of pictures that are not paired.  Two generators that
 * must undo one another (equation 2), two critics, and the identity loss that keeps colours (5.2).
 * Both generators share one update, then both critics; the critics' objectives are halved, and they
 * see what the generators made in earlier steps as well (4). */
#include "recipe/recipe.h"

typedef struct terms {
    double lambda_A, lambda_B, lambda_identity;
    int pool_size;
} terms;
static const terms default_terms = {
    .lambda_A = 10, .lambda_B = 10, .lambda_identity = 0.5, .pool_size = 50
};
static const limn_setting rows[] = {
    { "lambda-A", LIMN_SETTING_FLOAT, offsetof(terms, lambda_A), 0, 1e6, NULL, NULL,
      "weight of the cycle A to B to A" },
    { "lambda-B", LIMN_SETTING_FLOAT, offsetof(terms, lambda_B), 0, 1e6, NULL, NULL,
      "weight of the cycle B to A to B" },
    { "lambda-identity", LIMN_SETTING_FLOAT, offsetof(terms, lambda_identity), 0, 1e6, NULL, NULL,
      "weight of the identity terms, as a factor on lambda-A and lambda-B" },
    { "pool-size", LIMN_SETTING_INT, offsetof(terms, pool_size), 0, 10000, NULL, NULL,
      "pictures of earlier steps that the critics see as well" },
    { .name = NULL },
};

static const limn_recipe_settings defaults = {
    .generator = { .net = "resnet_9blocks",
                   .input_nc = 3,
                   .output_nc = 3,
                   .filters = 64,
                   .norm = LIMN_NORM_INSTANCE },
    .critic = { .net = "basic", .filters = 64, .layers = 3, .norm = LIMN_NORM_INSTANCE },
    .batch = 1,
    .height = 256,
    .width = 256,
    .gan_mode = LIMN_GAN_LSGAN,
    .adam = { .beta1 = 0.5f, .beta2 = 0.999f, .eps = 1e-8f, .rate = 1 },
};

static limn_value critic_loss(limn_graph *g, const limn_recipe_settings *s, const char *name,
                              const limn_network *D, limn_value real, limn_value fake)
{
    limn_value on_real = limn_gan_loss(g, s->gan_mode, limn_apply(g, name, D, real, NULL),
                                       LIMN_REAL, LIMN_FOR_CRITIC);
    limn_value on_fake = limn_gan_loss(g, s->gan_mode, limn_apply(g, name, D, fake, NULL),
                                       LIMN_FAKE, LIMN_FOR_CRITIC);

    return limn_scale(g, limn_sum(g, on_real, on_fake), 0.5f);
}

static void step(limn_graph *g, const limn_recipe_settings *s)
{
    const terms *t = limn_recipe_terms(s);
    limn_network G_A = s->generator, G_B = s->generator, D_A = s->critic, D_B = s->critic;
    limn_value a, b, fake_A, fake_B, rec_A, rec_B, g_a, g_b, cycle_a, cycle_b, d_a, d_b, total;

    G_B.input_nc = D_A.input_nc = G_A.output_nc; /* D_A judges what G_A makes: pictures of B */
    G_B.output_nc = D_B.input_nc = G_A.input_nc;
    D_A.output_nc = D_B.output_nc = 1;
    a = limn_input(g, "real_A", (limn_shape){ s->batch, G_A.input_nc, s->height, s->width });
    b = limn_input(g, "real_B", (limn_shape){ s->batch, G_B.input_nc, s->height, s->width });

    fake_B = limn_apply(g, "G_A", &G_A, a, NULL);
    rec_A = limn_apply(g, "G_B", &G_B, fake_B, NULL);
    fake_A = limn_apply(g, "G_B", &G_B, b, NULL);
    rec_B = limn_apply(g, "G_A", &G_A, fake_A, NULL);

    g_a = limn_gan_loss(g, s->gan_mode, limn_apply(g, "D_A", &D_A, fake_B, NULL), LIMN_REAL,
                        LIMN_FOR_GENERATOR);
    g_b = limn_gan_loss(g, s->gan_mode, limn_apply(g, "D_B", &D_B, fake_A, NULL), LIMN_REAL,
                        LIMN_FOR_GENERATOR);
    cycle_a = limn_scale(g, limn_l1(g, rec_A, a), t->lambda_A);
    cycle_b = limn_scale(g, limn_l1(g, rec_B, b), t->lambda_B);
    total = limn_sum(g, limn_sum(g, g_a, g_b), limn_sum(g, cycle_a, cycle_b));
    if (t->lambda_identity > 0) {
        limn_value same_B = limn_apply(g, "G_A", &G_A, b, NULL),
                   same_A = limn_apply(g, "G_B", &G_B, a, NULL);
        limn_value idt_a = limn_scale(g, limn_l1(g, same_B, b), t->lambda_B * t->lambda_identity);
        limn_value idt_b = limn_scale(g, limn_l1(g, same_A, a), t->lambda_A * t->lambda_identity);

        total = limn_sum(g, total, limn_sum(g, idt_a, idt_b));
        limn_report(g, "idt_A", idt_a);
        limn_report(g, "idt_B", idt_b);
    }
    limn_update(g, "G_A G_B", total, &s->adam);

    d_a = critic_loss(g, s, "D_A", &D_A, b, limn_pool(g, "fake_B", fake_B, t->pool_size));
    d_b = critic_loss(g, s, "D_B", &D_B, a, limn_pool(g, "fake_A", fake_A, t->pool_size));
    limn_update(g, "D_A D_B", limn_sum(g, d_a, d_b), &s->adam);

    limn_report(g, "D_A", d_a);
    limn_report(g, "G_A", g_a);
    limn_report(g, "cycle_A", cycle_a);
    limn_report(g, "D_B", d_b);
    limn_report(g, "G_B", g_b);
    limn_report(g, "cycle_B", cycle_b);
    limn_report(g, "fake_B", fake_B);
    limn_report(g, "fake_A", fake_A);
    limn_report(g, "rec_A", rec_A);
    limn_report(g, "rec_B", rec_B);
}

const limn_recipe limn_recipe_cycle_gan = {
    .name = "cycle_gan",
    .does = "from two sets of pictures without pairs, both ways",
    .networks = "G_A G_B D_A D_B",
    .generators = "G_A G_B",
    .unpaired = true,
    .defaults = &defaults,
    .rows = rows,
    .terms = &default_terms,
    .terms_bytes = sizeof default_terms,
    .fixed = "pool-size",
    .step = step,
};
