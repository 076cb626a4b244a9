#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sets of features and their kernel distance, for tests/test_distribution.c.

    make_distribution.py make DIR

writes DIR/NAME.sets: three int32 (n, m, d), then x (n, d) and y (m, d) as float32; and
DIR/NAME.distance: the unbiased squared MMD with the kernel (a.b / d + 1)^3, in double, from the
definition of Gretton et al. 2012, eq. 3, by whole matrices; then the 2.5 and 97.5 percentiles of a
bootstrap that leaves out pairs of a picture with itself, drawn 4000 times by numpy's own generator."""
import os
import sys

import numpy

random = numpy.random.default_rng(7)


def kernel(a, b):
    return (a @ b.T / a.shape[1] + 1) ** 3


def distance(x, y):
    n, m = len(x), len(y)
    kxx, kyy, kxy = kernel(x, x), kernel(y, y), kernel(x, y)
    return ((kxx.sum() - numpy.trace(kxx)) / (n * (n - 1)) + (kyy.sum() - numpy.trace(kyy)) / (m * (m - 1))
            - 2 * kxy.mean())


def interval(x, y):
    """Duplicates of a picture are told by index: their pairs have no part in it."""
    n, m = len(x), len(y)
    kxx, kyy, kxy = kernel(x, x), kernel(y, y), kernel(x, y)
    values = []
    for _ in range(4000):
        i, j = random.integers(0, n, n), random.integers(0, m, m)
        apart_x, apart_y = i[:, None] != i[None, :], j[:, None] != j[None, :]
        values.append(kxx[numpy.ix_(i, i)][apart_x].mean() + kyy[numpy.ix_(j, j)][apart_y].mean()
                      - 2 * kxy[numpy.ix_(i, j)].mean())
    return numpy.percentile(values, [2.5, 97.5])


def write(folder, name, x, y):
    x, y = x.astype(numpy.float32), y.astype(numpy.float32)
    with open(os.path.join(folder, name + ".sets"), "wb") as out:
        out.write(numpy.array([len(x), len(y), x.shape[1]], "<i4").tobytes() + x.tobytes() + y.tobytes())
    x, y = x.astype(float), y.astype(float)
    with open(os.path.join(folder, name + ".distance"), "w") as out:
        print(repr(float(distance(x, y))), *(repr(float(v)) for v in interval(x, y)), file=out)


def make(folder):
    like = lambda n, d, scale=1.0: random.gamma(1, 0.6, (n, d)) * scale
    write(folder, "same", like(40, 100), like(40, 100))
    write(folder, "other", like(40, 100), like(30, 100, 1.3))
    write(folder, "far", like(25, 37), like(25, 37) + 2)
    write(folder, "few", like(20, 1280), like(12, 1280, 1.05))
    write(folder, "signed", random.normal(0, 1, (30, 9)), random.normal(0.5, 1, (50, 9)))


if __name__ == "__main__":
    make(sys.argv[2])
