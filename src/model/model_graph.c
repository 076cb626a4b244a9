/* SPDX-License-Identifier: Apache-2.0
 *
 * A network at the smallest size that it takes: see model_graph.h.
 *
 * Nothing of that size is ever computed, so "smallest" only has to be large enough: a ResNet
 * reflects by 3 and quarters the picture, a critic with n layers halves it n times and then looks
 * at 4x4 windows twice. */
#include "model/model_graph.h"

static int size_of(const limn_network *network)
{
    if (limn_network_is_critic(network->net))
        return 16 << (network->layers > 3 ? network->layers > 16 ? 16 : network->layers : 3);
    return limn_network_multiple(network->net) > 16 ? limn_network_multiple(network->net) : 16;
}

limn_status limn_model_graph(limn_graph **out, const char *name, const limn_network *network,
                             limn_error *error)
{
    int size = size_of(network);
    limn_shape shape = { 1, network->input_nc, size, size };
    limn_status status;
    limn_value y;

    LIMN_TRY(limn_graph_open(out, false, error));
    y = limn_apply(*out, name, network, limn_input(*out, "input", shape), NULL);
    limn_report(*out, "output", y);
    if ((status = limn_graph_status(*out, error))) limn_graph_close(out);
    return status;
}
