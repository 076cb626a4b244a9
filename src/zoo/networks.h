/* SPDX-License-Identifier: Apache-2.0
 *
 * The networks by name, for zoo.c alone. */
#ifndef LIMN_ZOO_NETWORKS_H
#define LIMN_ZOO_NETWORKS_H

#include "zoo/layers.h"

limn_value limn_unet(const limn_build *b, int levels, limn_value x);
limn_value limn_resnet(const limn_build *b, int blocks, limn_value x, const limn_taps *taps);
limn_value limn_patch_critic(const limn_build *b, int layers, limn_value x);
limn_value limn_pixel_critic(const limn_build *b, limn_value x);

#endif
