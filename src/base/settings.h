/* SPDX-License-Identifier: Apache-2.0
 *
 * Settings as data.  A setting is one row (limn_setting); values are written and read as text in
 * run records and model metadata, so that a float returns as the same bits.
 *
 * Everything that settings.c offers is declared in limn.h, because the command line and the web
 * page see that header alone; this one is the floor's name for it. */
#ifndef LIMN_BASE_SETTINGS_H
#define LIMN_BASE_SETTINGS_H

#include "base/error.h"

#endif
