/* SPDX-License-Identifier: Apache-2.0
 *
 * Colorization's samples as pictures: the colour that the network gives, and the one that was
 * there, each joined to the lightness that went in.  What is scored, watched and shown is what
 * people will see, not planes of a and b. */
#include "data/lab.h"
#include "train/validate.h"

static limn_status join(float **ab, const float *l, size_t pixels, limn_error *error)
{
    float *rgb = *ab ? limn_block(3 * pixels * sizeof *rgb) : NULL;

    if (!*ab) return LIMN_OK;
    if (!rgb) return limn_fail(error, LIMN_NO_MEMORY, "out of memory for a validation picture");
    limn_lab_join(l, *ab, pixels, rgb);
    limn_block_free(*ab);
    *ab = rgb;
    return LIMN_OK;
}

limn_status limn_shown_paint(limn_shown *shown, limn_error *error)
{
    size_t pixels = (size_t)shown->output_shape.h * (size_t)shown->output_shape.w;

    LIMN_TRY(join(&shown->output, shown->input, pixels, error));
    LIMN_TRY(join(&shown->target, shown->input, pixels, error));
    shown->output_shape.c = 3;
    return LIMN_OK;
}
