/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes tiny model files for test_translate.sh.
 *
 *     model_tool same|inverse CHANNELS FILE     gives back its input, or the negative
 *     model_tool both FILE                      CycleGAN: G_A gives back, G_B inverts
 *     model_tool dropout FILE                   random, with dropout
 *     model_tool unet FILE                      random, unet_256, batch norm: large padding */
#include "tiny_model.h"

#include <stdio.h>
#include <stdlib.h>

static limn_model_card card_of(const char *recipe, limn_network network)
{
    return (limn_model_card){ .recipe = recipe,
                              .networks = { { .name = "G", .network = network } },
                              .network_count = 1 };
}

int main(int argc, char **argv)
{
    tiny_kind kinds[] = { TINY_SAME, TINY_INVERSE };
    limn_error error = { 0 };
    limn_network network = tiny_network(3);
    limn_model_card card = card_of("pix2pix", network);
    limn_status status = LIMN_SETTING;

    if (argc == 4)
        status = tiny_model(argv[3], atoi(argv[2]),
                            strcmp(argv[1], "same") ? TINY_INVERSE : TINY_SAME, &error);
    if (argc == 3 && !strcmp(argv[1], "both")) {
        card.recipe = "cycle_gan";
        card.networks[0].name = "G_A";
        card.networks[1] = (limn_model_network){ .name = "G_B", .network = network };
        card.network_count = 2;
        status = tiny_save(argv[2], &card, kinds, &error);
    } else if (argc == 3) {
        kinds[0] = TINY_RANDOM;
        if (!strcmp(argv[1], "unet"))
            card.networks[0].network = (limn_network){ .net = "unet_256",
                                                       .input_nc = 3,
                                                       .output_nc = 3,
                                                       .filters = 2,
                                                       .norm = LIMN_NORM_BATCH,
                                                       .dropout = true,
                                                       .picture_statistics = true };
        card.networks[0].network.dropout = true;
        status = tiny_save(argv[2], &card, kinds, &error);
    }
    if (status) fprintf(stderr, "model_tool: %s\n", error.text);
    return status ? 1 : 0;
}
