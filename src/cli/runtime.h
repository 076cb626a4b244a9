/* SPDX-License-Identifier: Apache-2.0
 *
 * limn export --check: the exported file in another runtime, against limn. */
#ifndef LIMN_CLI_RUNTIME_H
#define LIMN_CLI_RUNTIME_H

#include "limn.h"

/* Runs model (network: NULL for the one that translates) and its export on the same random numbers
 * and prints the largest difference.  COMPUTE where no runtime is at hand (the sentence says what
 * to install), where it fails, and where the numbers differ. */
limn_status limn_cli_compare_export(const char *model, const char *network, const char *exported,
                                    limn_error *error);

#endif
