/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside src/publish only. */
#ifndef LIMN_PUBLISH_PUBLISH_INSIDE_H
#define LIMN_PUBLISH_PUBLISH_INSIDE_H

#include "publish/publish.h"

/* limn_publish_clear for a picture that is handed over: it is taken and {0} afterwards, also when
 * it is refused. */
limn_status limn_publish_clear_own(limn_cleared **out, limn_publisher *publisher,
                                   limn_picture *picture, const char *name,
                                   const limn_origin *origin, limn_published *report,
                                   limn_error *error);

#endif
