/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes 8-bit PNG files without any library. */
#ifndef TOOLS_SMALL_PNG_H
#define TOOLS_SMALL_PNG_H

#include <stdbool.h>

/* pixels: height rows of width RGB triples.  false: errno says why, and there is no file. */
bool small_png_write(const char *path, const unsigned char *pixels, int width, int height);

#endif
