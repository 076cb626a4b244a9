/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading marks of origin, in anybody's pictures: what does this file say about where it comes
 * from, and has it been changed since somebody signed that? */
#ifndef LIMN_PUBLISH_VERIFY_H
#define LIMN_PUBLISH_VERIFY_H

#include "base/error.h"

/* All of it is declared in limn.h: the command line and other people's programs see that alone. */

#endif
