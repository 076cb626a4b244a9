#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Pairs of pictures and their scores, for tests/test_score.c.

    make_scores.py make DIR

writes DIR/NAME.pair: four int32 (channels, height, width, 0), the data range as float32, then the two
pictures as float32 planes; and DIR/NAME.scores: one line `l1 psnr ssim ms_ssim edges`.  PSNR and SSIM
are scikit-image's; L1, MS-SSIM and edge agreement are written down here from their definitions with
numpy and scipy, in double and without a look at the C code's way of doing it."""
import os
import sys

import numpy
from scipy import ndimage
from skimage import data, io
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

random = numpy.random.default_rng(6)
POWERS = numpy.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])


def ssim(x, y, limits):
    return numpy.mean([structural_similarity(x[c], y[c], data_range=limits, gaussian_weights=True, sigma=1.5,
                                             use_sample_covariance=False) for c in range(len(x))])


def structure(x, y, limits):
    """Contrast-structure and full SSIM, by whole filtered planes."""
    blur = lambda v: ndimage.gaussian_filter(v, 1.5, truncate=3.5)[5:-5, 5:-5]
    c1, c2 = (0.01 * limits) ** 2, (0.03 * limits) ** 2
    mx, my = blur(x), blur(y)
    cs = (2 * (blur(x * y) - mx * my) + c2) / (blur(x * x) - mx ** 2 + blur(y * y) - my ** 2 + c2)
    return cs.mean(), (cs * (2 * mx * my + c1) / (mx ** 2 + my ** 2 + c1)).mean()


def ms_ssim(x, y, limits):
    scales = 0
    while scales < 5 and min(x.shape[1:]) // 2 ** scales >= 11:
        scales += 1
    powers = POWERS[:scales] / POWERS[:scales].sum()
    results = []
    for a, b in zip(x, y):
        terms = []
        for k in range(scales):
            cs, full = structure(a, b, limits)
            terms.append(max(full if k == scales - 1 else cs, 0))
            h, w = a.shape[0] // 2 * 2, a.shape[1] // 2 * 2
            halve = lambda v: v[:h, :w].reshape(h // 2, 2, w // 2, 2).mean((1, 3))
            a, b = halve(a), halve(b)
        results.append(numpy.prod(numpy.array(terms) ** powers))
    return numpy.mean(results)


def edge_map(planes, limits):
    weights = [0.299, 0.587, 0.114] if len(planes) == 3 else [1 / len(planes)] * len(planes)
    grey = sum(w * p for w, p in zip(weights, planes))
    gx = ndimage.sobel(grey, 1, mode="nearest") / (4 * limits)
    gy = ndimage.sobel(grey, 0, mode="nearest") / (4 * limits)
    strength = numpy.hypot(gx, gy)
    sector = numpy.rint(numpy.arctan2(gy, gx) / (numpy.pi / 4)).astype(int) % 4
    padded = numpy.pad(strength, 1, constant_values=-1)
    keep = strength >= 0.1
    for s, (dy, dx) in enumerate(((0, 1), (1, 1), (1, 0), (1, -1))):
        for side in (-1, 1):
            other = numpy.roll(padded, (-side * dy, -side * dx), (0, 1))[1:-1, 1:-1]
            keep &= (sector != s) | (strength >= other)
    return keep


def edges(x, y, limits):
    ex, ey = edge_map(x, limits), edge_map(y, limits)
    if not ex.any() and not ey.any():
        return 1.0
    near = numpy.ones((3, 3), bool)
    hit_x = (ex & ndimage.binary_dilation(ey, near)).sum()
    hit_y = (ey & ndimage.binary_dilation(ex, near)).sum()
    if not hit_x or not hit_y:
        return 0.0
    p, r = hit_x / ex.sum(), hit_y / ey.sum()
    return 2 * p * r / (p + r)


def write(folder, name, x, y, limits):
    """x, y: (h, w, c) arrays."""
    x, y = (numpy.moveaxis(v, -1, 0).astype(numpy.float32) for v in (x, y))
    with open(os.path.join(folder, name + ".pair"), "wb") as out:
        out.write(numpy.array([*x.shape, 0], "<i4").tobytes() + numpy.float32(limits).tobytes())
        out.write(numpy.ascontiguousarray(x).tobytes() + numpy.ascontiguousarray(y).tobytes())
    x, y = x.astype(float), y.astype(float)
    same = (x == y).all()
    row = [numpy.abs(x - y).mean(), numpy.inf if same else peak_signal_noise_ratio(y, x, data_range=limits),
           ssim(x, y, limits), ms_ssim(x, y, limits), edges(x, y, limits)]
    with open(os.path.join(folder, name + ".scores"), "w") as out:
        print(*(repr(float(v)) for v in row), file=out)


def make(folder):
    coffee = data.coffee() / 127.5 - 1  # a cup on a table, 400 x 600
    noise = lambda v, s: numpy.clip(v + random.normal(0, s, v.shape), -1, 1)
    write(folder, "noisy", noise(coffee, 0.1), coffee, 2)
    write(folder, "blurred", ndimage.gaussian_filter(coffee, (2, 2, 0)), coffee, 2)
    write(folder, "shifted", numpy.roll(coffee, 1, 1), coffee, 2)
    write(folder, "inverted", -coffee, coffee, 2)
    write(folder, "equal", coffee[:200, :200], coffee[:200, :200], 2)
    write(folder, "grey255", data.coffee()[:255, :321, :1], data.coffee()[1:256, 2:323, :1], 255)
    brick = data.brick()[..., None] / 127.5 - 1
    write(folder, "brick", noise(brick, 0.3), brick, 2)
    flat = numpy.full((64, 80, 3), 0.9)
    write(folder, "flat", flat, flat - 0.2, 2)
    write(folder, "nearly_flat", noise(flat, 0.002), noise(flat, 0.002), 2)
    steps = numpy.where(numpy.arange(200)[None, :, None] // 20 % 2 == 0, -1.0, 1.0) * numpy.ones((180, 1, 3))
    write(folder, "steps", noise(numpy.roll(steps, 1, 1), 0.05), steps, 2)
    small = coffee[100:130, 100:150]
    write(folder, "small", noise(small, 0.1), small, 2)
    write(folder, "least", coffee[:11, :11] * 0.5, coffee[:11, :11], 2)
    many = random.normal(0, 0.3, (40, 50, 5))
    write(folder, "many", noise(many, 0.1), many.clip(-1, 1), 2)


if __name__ == "__main__":
    make(sys.argv[2])
