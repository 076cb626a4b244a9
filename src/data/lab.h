/* SPDX-License-Identifier: Apache-2.0
 *
 * CIE L*a*b* (1976; white D65, 2 degrees) from sRGB (IEC 61966-2-1) and back, for colorization: the
 * network sees L and gives ab, and the output joins the picture's own L.
 *
 * In double: the round trip then returns every 8-bit and 16-bit colour, and greys have a = b = 0
 * to 1e-12, which floats do not give. */
#ifndef LIMN_DATA_LAB_H
#define LIMN_DATA_LAB_H

#include <stdbool.h>
#include <stddef.h>

/* One colour.  rgb in 0..1; L 0..100, a and b about -110..110. */
void limn_lab_from_srgb(const double rgb[3], double lab[3]);
void limn_lab_to_srgb(const double lab[3], double rgb[3]); /* not clamped */

/* Planes of count pixels as networks see them: rgb (3, count) in [-1, 1]; l (count) as L / 50 - 1;
 * ab (2, count) as a / 110 and b / 110. */
void limn_lab_split(const float *rgb, size_t count, float *l, float *ab);

/* Back.  Where a colour lies outside sRGB its a and b are drawn towards grey until it fits, so that
 * L stays what it was (plain clamping of red, green and blue would change it). */
void limn_lab_join(const float *l, const float *ab, size_t count, float *rgb);

#endif
