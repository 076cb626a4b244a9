#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Compares what limn translate wrote with what it was given, as other people's readers see both.

    check_translated.py like IN OUT       every file of OUT has the size, depth and alpha of its IN
    check_translated.py like-one IN OUT   the same for two files
    check_translated.py values IN OUT     colours are those of the network of tiny_model.h
    check_translated.py equal A B         the same pixels (marks aside); `differ`: not the same
    check_translated.py picture KIND OUT [WIDTH HEIGHT]   makes one: eye, negative, plain

Exits 1 with one line for each that is not."""
import os
import sys

import numpy
import tifffile
from PIL import Image, ImageOps

Image.MAX_IMAGE_PIXELS = None
KNOTS, SLOPES, BASE = (0, 0.2, 1.8, 2), (4.95, 1.375 - 4.95, 4.95 - 1.375, 0), -2.09
WRITTEN = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"}


def network(x):
    return numpy.tanh(BASE + sum(s * numpy.maximum(x + 1 - k, 0) for s, k in zip(SLOPES, KNOTS)))


def read(path):
    """Values [h][w][c], upright; Pillow cannot read 16-bit RGB, tifffile and ImageMagick can."""
    if path.lower().endswith((".tif", ".tiff")):
        values = tifffile.imread(path, key=0)
        with tifffile.TiffFile(path) as file:
            tag = file.pages[0].tags.get(274)
            page = file.pages[0]
            if page.planarconfig == 2 and values.ndim == 3:
                values = numpy.moveaxis(values, 0, -1)
            colour = page.photometric.name
        turn = tag.value if tag else 1
        values = turned(values, turn)
        if colour in ("SEPARATED", "CIELAB"):
            return numpy.atleast_3d(values)[..., :3]
        return numpy.atleast_3d(values)
    if path.lower().endswith(".png") and png_depth(path) == 16:
        import subprocess
        raw = subprocess.run(["convert", path, "-depth", "16", "tif:-"], check=True,
                             stdout=subprocess.PIPE).stdout
        import io
        return numpy.atleast_3d(tifffile.imread(io.BytesIO(raw), key=0))
    picture = ImageOps.exif_transpose(Image.open(path))
    if picture.mode in ("P", "PA", "1"):
        clear = "transparency" in picture.info or picture.mode == "PA"
        grey = picture.mode == "1"
        picture = picture.convert("L" if grey else "RGBA" if clear else "RGB")
    elif "transparency" in picture.info:
        picture = picture.convert("LA" if picture.mode == "L" else "RGBA")
    elif picture.mode == "CMYK":
        picture = picture.convert("RGB")
    return numpy.atleast_3d(numpy.asarray(picture))


def png_depth(path):
    with open(path, "rb") as file:
        return file.read(25)[24]


def turned(v, k):
    if k == 2:
        return v[:, ::-1]
    if k == 3:
        return v[::-1, ::-1]
    if k == 4:
        return v[::-1]
    if k == 5:
        return v.swapaxes(0, 1)
    if k == 6:
        return v.swapaxes(0, 1)[:, ::-1]
    if k == 7:
        return v.swapaxes(0, 1)[::-1, ::-1]
    if k == 8:
        return v.swapaxes(0, 1)[::-1]
    return v


def alpha(values):
    return values.shape[2] in (2, 4)


def source(folder, name):
    """The input of an output: the same name, or the name without .png, or any ending."""
    path = os.path.join(folder, name)
    if os.path.exists(path):
        return path
    if os.path.exists(path[:-4]):
        return path[:-4]
    stem = os.path.splitext(os.path.basename(name))[0]
    where = os.path.dirname(path)
    found = [n for n in os.listdir(where)
             if os.path.splitext(n)[0] == stem and os.path.splitext(n)[1].lower() not in WRITTEN | {".want"}]
    assert len(found) == 1, (name, found)
    return os.path.join(where, found[0])


def files(folder):
    for where, _, names in os.walk(folder):
        for name in sorted(names):
            yield os.path.relpath(os.path.join(where, name), folder)


def like(a, b):
    bad, count = 0, 0
    for name in files(b):
        given = source(a, name)
        if given.endswith((".pfm", ".gif")):
            continue                         # Pillow has no float RGB; frames are another matter
        x, y = read(given), read(os.path.join(b, name))
        wrong = []
        if x.shape[:2] != y.shape[:2]:
            wrong.append(f"size {y.shape[:2]}, not {x.shape[:2]}")
        if x.dtype.itemsize != y.dtype.itemsize and not (x.dtype == bool):
            if not (given.endswith((".pnm", ".pgm", ".ppm")) or x.dtype.itemsize == 4):
                wrong.append(f"depth {y.dtype}, not {x.dtype}")
        if alpha(x) != alpha(y) and x.shape[2] <= 4 and not name.endswith((".jpg", ".jpeg")):
            wrong.append(f"alpha {alpha(y)}, not {alpha(x)}")
        if alpha(x) and alpha(y) and x.dtype == y.dtype and not numpy.array_equal(x[..., -1], y[..., -1]):
            wrong.append("alpha has other values")
        count += 1
        if wrong:
            bad += 1
            print(f"{name}: {'; '.join(wrong)}")
    print(f"{count} compared")
    return bad or not count


def values(a, b):
    x, y = read(a), read(b)
    full = 65535 if x.dtype.itemsize == 2 else 255
    want = (network(x[..., :3] / full * 2 - 1) + 1) / 2 * full
    if want.shape[2] == 1:
        want = numpy.repeat(want, 3, 2)
    worst = numpy.abs(want - y[..., :want.shape[2]]).max()
    if y.shape[:2] != x.shape[:2] or y.dtype != x.dtype or worst > (4 if full > 255 else 0.51):
        print(f"{b}: {y.shape} {y.dtype}, worst difference {worst}")
        return 1
    return 0


def picture(kind, path, size):
    if kind == "plain":
        x = numpy.linspace(0, 1, int(size[0]))[None, :, None]
        y = numpy.linspace(0, 1, int(size[1]))[:, None, None]
        v = (0.5 + 0.4 * numpy.sin(7 * x + 3 * y + numpy.arange(3))) * 255
    else:
        here = os.path.dirname(os.path.abspath(__file__))
        v = numpy.load(os.path.join(here, "screening", "microaneurysms_224_rgb_u8.npy"))
        v = v if kind == "eye" else 255 - v
    Image.fromarray(v.astype(numpy.uint8)).save(path)
    return 0


def main(verb, *rest):
    if verb == "like":
        return like(*rest)
    if verb == "like-one":
        x, y = read(rest[0]), read(rest[1])
        return print(x.shape, y.shape) or x.shape != y.shape or x.dtype != y.dtype
    if verb == "values":
        return values(*rest)
    if verb == "picture":
        return picture(rest[0], rest[1], rest[2:])
    same = numpy.array_equal(read(rest[0]), read(rest[1]))
    return same != (verb == "equal")


sys.exit(1 if main(*sys.argv[1:]) else 0)
