#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Pictures and what the screen has to see of them, for tests/test_view.c.

    make_views.py make DIR

writes DIR/NAME.view: two int32 (width, height), the picture as 8-bit RGB, then (3, 224, 224) float32 in
0..255: Pillow's antialiased bilinear resize of each channel as floats, so that nothing is rounded."""
import os
import sys

import numpy
from PIL import Image

random = numpy.random.default_rng(8)
SIZES = [(224, 224), (448, 448), (512, 256), (301, 97), (97, 301), (640, 500), (3000, 7), (1, 1), (2, 223),
         (1000, 1200)]


def make(folder):
    for width, height in SIZES:
        rgb = random.integers(0, 256, (height, width, 3), dtype=numpy.uint8)
        planes = [Image.fromarray(rgb[:, :, c].astype(numpy.float32), 'F').resize((224, 224), Image.BILINEAR)
                  for c in range(3)]
        with open(os.path.join(folder, f'{width}x{height}.view'), 'wb') as file:
            file.write(numpy.array([width, height], '<i4').tobytes())
            file.write(rgb.tobytes())
            file.write(numpy.array([numpy.asarray(p) for p in planes], '<f4').tobytes())


if len(sys.argv) != 3 or sys.argv[1] != 'make':
    sys.exit(__doc__)
make(sys.argv[2])
