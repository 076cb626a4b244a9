#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Odd pictures for the tests, with what an independent reader finds in them, and the way back.

    make_pictures.py make DIR    writes pictures and, beside each that can be read, NAME.want
    make_pictures.py check DIR   reads DIR/NAME (as limn encoded it) with Pillow, tifffile, ImageMagick
                                 and exiftool and compares it with DIR/NAME.sent

A .want or .sent file is eight little-endian int32 (width, height, channels, alpha, bytes a value,
tolerance, frames, colour in the file: 0 grey 1 rgb 2 cmyk 3 many), then the values [h][w][c], then
alpha [h][w].  Values of 4 bytes are floats, whose tolerance is in millionths.

Nothing here uses libvips.  Colour conversions are done twice elsewhere: by hand arithmetic in numpy
for matrix profiles, by Pillow's littleCMS for the table profile of CMYK."""
import io
import json
import os
import struct
import subprocess
import sys
import zlib

import numpy
import tifffile
from PIL import Image, ImageCms, ImageOps

random = numpy.random.default_rng(20)
COLOURS = {1: 0, 3: 1}


def want(path, values, alpha=None, tolerance=0, frames=1, colour=None):
    values = numpy.atleast_3d(numpy.ascontiguousarray(values))
    height, width, channels = values.shape
    if colour is None:
        colour = COLOURS.get(channels, 3)
    with open(path + ".want", "wb") as out:
        out.write(struct.pack("<8i", width, height, channels, alpha is not None,
                              values.dtype.itemsize, tolerance, frames, colour))
        out.write(values.tobytes())
        if alpha is not None:
            assert alpha.dtype == values.dtype
            out.write(numpy.ascontiguousarray(alpha).tobytes())


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


# ---- profiles, made by hand from the ICC specification (v2) -------------------------------------

def s15(*numbers):
    return b"".join(struct.pack(">i", round(n * 65536)) for n in numbers)


def profile(kind, space, connection, tags):
    table, body = b"", b""
    at = 128 + 4 + 12 * len(tags)
    for name, data in tags:
        data += b"\0" * (-len(data) % 4)
        table += struct.pack(">4sII", name, at + len(body), len(data))
        body += data
    head = struct.pack(">I4sI4s4s4s", at + len(body), b"test", 0x02100000, kind, space, connection)
    head += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28 + s15(0.9642, 1, 0.8249)
    head += b"\0" * (128 - len(head))
    return head + struct.pack(">I", len(tags)) + table + body


def text(words):
    return (b"desc\0\0\0\0" + struct.pack(">I", len(words) + 1) + words + b"\0" + b"\0" * 78)


GAMMA = 2.19921875
# Columns: XYZ (D50) of the primaries of Adobe RGB (1998), as its specification prints them.
ADOBE = numpy.array([[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322],
                     [0.01947, 0.06087, 0.74457]])
SRGB = numpy.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061],
                    [0.01392, 0.09708, 0.71410]])


def xyz(column):
    return b"XYZ \0\0\0\0" + s15(*column)


def adobe_profile():
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(GAMMA * 256))
    return profile(b"mntr", b"RGB ", b"XYZ ", [
        (b"desc", text(b"wide")), (b"cprt", b"text\0\0\0\0none\0"), (b"wtpt", xyz((0.9642, 1, 0.8249))),
        (b"rXYZ", xyz(ADOBE[:, 0])), (b"gXYZ", xyz(ADOBE[:, 1])), (b"bXYZ", xyz(ADOBE[:, 2])),
        (b"rTRC", curve), (b"gTRC", curve), (b"bTRC", curve)])


def grey_profile():
    return profile(b"mntr", b"GRAY", b"XYZ ", [
        (b"desc", text(b"grey")), (b"cprt", b"text\0\0\0\0none\0"), (b"wtpt", xyz((0.9642, 1, 0.8249))),
        (b"kTRC", b"curv\0\0\0\0" + struct.pack(">IH", 1, round(1.8 * 256)))])


def adobe_to_srgb(values, full):
    linear = (values.astype(float) / full) ** GAMMA @ ADOBE.T @ numpy.linalg.inv(SRGB).T
    linear = numpy.clip(linear, 0, 1)
    out = numpy.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return numpy.rint(out * full).astype(values.dtype)


def srgb_to_lab(rgb):
    v = numpy.asarray(rgb, float)
    v = numpy.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4) @ SRGB.T
    f = v / numpy.array([0.9642, 1, 0.8249])
    f = numpy.where(f > 216 / 24389, numpy.cbrt(f), (24389 / 27 * f + 16) / 116)
    return numpy.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def ink_profile():
    """Ideal inks: red is (1 - c)(1 - k), and paper that is not quite white, ink not quite black."""
    nodes = []
    for i in range(16):
        c, m, y, k = (i >> 3 & 1, i >> 2 & 1, i >> 1 & 1, i & 1)
        rgb = [0.1 + 0.9 * (1 - ink) * (1 - k) for ink in (c, m, y)]
        l, a, b = srgb_to_lab(rgb)
        nodes += [round(l * 2.55), round(a + 128), round(b + 128)]
    ramp = bytes(range(256))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + s15(1, 0, 0, 0, 1, 0, 0, 0, 1)
    table += ramp * 4 + bytes(nodes) + ramp * 3
    return profile(b"prtr", b"CMYK", b"Lab ", [
        (b"desc", text(b"inks")), (b"cprt", b"text\0\0\0\0none\0"), (b"wtpt", xyz((0.9642, 1, 0.8249))),
        (b"A2B0", table), (b"A2B1", table)])


# ---- pictures -----------------------------------------------------------------------------------

def scene(width, height, channels):
    """Smooth, with an edge and a little noise, every channel different; 0..1."""
    y, x = numpy.mgrid[0:height, 0:width]
    planes = []
    for c in range(channels):
        v = 0.5 + 0.35 * numpy.sin(x / (9.0 + 4 * c)) * numpy.cos(y / (7.0 + 3 * c))
        v += 0.1 * (x * (c + 1) > y * 2) + random.normal(0, 0.01, x.shape)
        planes.append(v)
    return numpy.clip(numpy.stack(planes, -1), 0, 1)


def bits8(v):
    return numpy.rint(v * 255).astype(numpy.uint8)


def bits16(v):
    return numpy.rint(v * 65535).astype("<u2")


def png(path, values, colour_type, depth, chunks=b""):
    """A PNG written by hand: Pillow has no 16-bit RGB."""
    rows = b"".join(b"\0" + row.astype(">u2" if depth == 16 else numpy.uint8).tobytes() for row in values)
    chunk = lambda name, data: (struct.pack(">I", len(data)) + name + data +
                                struct.pack(">I", zlib.crc32(name + data)))
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], depth, colour_type, 0, 0, 0)
    with open(path, "wb") as out:
        out.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunks +
                  chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def plain_formats(at):
    rgb, grey = bits8(scene(61, 47, 3)), bits8(scene(33, 20, 1))[..., 0]
    for name in ("rgb.png", "rgb.bmp", "rgb.ppm", "rgb.tif", "rgb.PNG"):
        Image.fromarray(rgb).save(at(name))
        want(at(name), rgb)
    for name in ("grey.png", "grey.bmp", "grey.pgm", "grey.tif"):
        Image.fromarray(grey).save(at(name))
        want(at(name), grey)
    Image.fromarray(rgb).save(at("lossless.webp"), lossless=True, exact=True)
    want(at("lossless.webp"), rgb)
    for name, picture, options in (("rgb.jpg", rgb, {}), ("grey.jpg", grey, {}),
                                   ("progressive.jpg", rgb, {"progressive": True}),
                                   ("half.jpeg", rgb, {"subsampling": 2})):
        Image.fromarray(picture).save(at(name), quality=90, **options)
        want(at(name), numpy.asarray(Image.open(at(name))), tolerance=2)
    Image.fromarray(rgb).save(at("lossy.webp"), quality=80)
    want(at("lossy.webp"), numpy.asarray(Image.open(at("lossy.webp")).convert("RGB")), tolerance=2)
    dot = numpy.array([[[7, 99, 201]]], numpy.uint8)
    for name in ("dot.png", "dot.bmp", "dot.ppm", "dot.tif"):
        Image.fromarray(dot).save(at(name))
        want(at(name), dot)
    strip = bits8(scene(301, 1, 3))
    Image.fromarray(strip).save(at("strip.png"))
    want(at("strip.png"), strip)


def few_bits(at):
    bit = bits8(scene(37, 21, 1))[..., 0] > 127
    for name in ("bit.png", "bit.bmp", "bit.tif", "bit.pbm"):
        Image.fromarray(bit).save(at(name))
        want(at(name), bit.astype(numpy.uint8) * 255)
    palette = Image.fromarray(bits8(scene(40, 31, 3))).quantize(13)
    seen = numpy.asarray(palette.convert("RGB"))
    for name in ("palette.png", "palette.gif", "palette.bmp", "palette.tif"):
        palette.save(at(name))
        want(at(name), seen)
    run("convert", at("palette.png"), "-compress", "RLE", "BMP3:" + at("runs.bmp"))
    want(at("runs.bmp"), seen)
    run("convert", at("palette.png"), "-define", "bmp:subtype=RGB565", at("565.bmp"))
    want(at("565.bmp"), seen, tolerance=9)
    # 4-bit runs by hand: 5 x 3 from the bottom row up, a run, single values, a move, an early end.
    colours = b"".join(bytes((i * 3, i * 5, i * 16, 0)) for i in range(16))
    runs = bytes((5, 0x12, 0, 0, 0, 3, 0x34, 0x50, 0, 2, 1, 0, 1, 0x60, 0, 0, 0, 2, 1, 0, 2, 0x78, 0, 1))
    header = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 54 + 64 + len(runs), 0, 0, 118, 40, 5, 3, 1, 4, 2,
                         len(runs), 0, 0, 16, 0)
    with open(at("runs4.bmp"), "wb") as out:
        out.write(header + colours + runs)
    index = numpy.array([[0, 7, 8, 0, 0], [3, 4, 5, 0, 6], [1, 2, 1, 2, 1]])
    want(at("runs4.bmp"), numpy.stack([index * 16, index * 5, index * 3], -1).astype(numpy.uint8))
    # Few levels: 10 and 4 bits a value, stretched to full scale.
    ten = random.integers(0, 1024, (9, 8)).astype(">u2")
    with open(at("ten.pgm"), "wb") as out:
        out.write(b"P5\n# a remark 9 9\n8 9\n1023\n" + ten.tobytes())
    want(at("ten.pgm"), ((ten.astype(int) * 65535 * 2 + 1023) // 2046).astype("<u2"), tolerance=1)
    four = random.integers(0, 16, (9, 8)).astype(numpy.uint8)
    with open(at("four.pgm"), "wb") as out:
        out.write(b"P5 8 9 15\n" + four.tobytes())
    want(at("four.pgm"), four * 17)
    with open(at("ascii.ppm"), "w") as out:
        out.write("P3\n# words\n2 1\n255\n1 2 3 250 251 252\n")
    want(at("ascii.ppm"), numpy.array([[[1, 2, 3], [250, 251, 252]]], numpy.uint8))


def deep(at):
    rgb, grey = bits16(scene(35, 24, 3)), bits16(scene(28, 30, 1))[..., 0]
    png(at("rgb16.png"), rgb, 2, 16)
    want(at("rgb16.png"), rgb)
    png(at("grey16.png"), grey, 0, 16)
    want(at("grey16.png"), grey)
    tifffile.imwrite(at("rgb16.tif"), rgb, photometric="rgb", compression="zlib")
    want(at("rgb16.tif"), rgb)
    tifffile.imwrite(at("grey16.tif"), grey, photometric="minisblack", byteorder=">")
    want(at("grey16.tif"), grey)
    with open(at("rgb16.ppm"), "wb") as out:
        out.write(b"P6 35 24 65535\n" + rgb.astype(">u2").tobytes())
    want(at("rgb16.ppm"), rgb)
    floats = (scene(19, 22, 3) * 1.5 - 0.2).astype("<f4")
    tifffile.imwrite(at("float.tif"), floats, photometric="rgb")
    want(at("float.tif"), floats)
    tifffile.imwrite(at("float1.tif"), floats[..., 0].copy(), photometric="minisblack")
    want(at("float1.tif"), floats[..., 0])
    with open(at("float.pfm"), "wb") as out:  # rows from the bottom up
        out.write(b"PF\n19 22\n-1.0\n" + floats[::-1].tobytes())
    want(at("float.pfm"), floats)
    many32 = random.integers(0, 2 ** 32, (6, 5), dtype=numpy.uint32)
    tifffile.imwrite(at("uint32.tif"), many32, photometric="minisblack")
    want(at("uint32.tif"), (many32 / (2 ** 32 - 1)).astype("<f4"), tolerance=1)
    for n in (4, 5, 7):
        values = bits8(scene(18, 16, n))
        tifffile.imwrite(at(f"many{n}.tif"), values, photometric="minisblack", planarconfig="contig")
        want(at(f"many{n}.tif"), values)
    values = bits16(scene(32, 16, 6))
    for name, n, options in (("planes6.tif", 6, {}), ("planes2.tif", 2, {"compression": "zlib"}),
                             ("planes5.tif", 5, {"rowsperstrip": 3, "byteorder": ">"}),
                             ("planes3.tif", 3, {"tile": (16, 16)})):
        planes = numpy.moveaxis(values[..., :n], -1, 0)
        tifffile.imwrite(at(name), planes, photometric="minisblack", planarconfig="separate", **options)
        want(at(name), values[..., :n], colour=3)
    rgb8 = bits8(scene(32, 16, 4))
    tifffile.imwrite(at("planes_rgb.tif"), numpy.moveaxis(rgb8, -1, 0), photometric="rgb",
                     planarconfig="separate", extrasamples=["unassalpha"])
    want(at("planes_rgb.tif"), rgb8[..., :3], rgb8[..., 3])
    tifffile.imwrite(at("signed.tif"), values[..., 0].astype("<i2"), photometric="minisblack")


def see_through(at):
    rgba = bits8(scene(26, 23, 4))
    for name in ("rgba.png", "rgba.tif"):
        Image.fromarray(rgba).save(at(name))
        want(at(name), rgba[..., :3], rgba[..., 3])
    Image.fromarray(rgba).save(at("rgba.webp"), lossless=True, exact=True)
    want(at("rgba.webp"), rgba[..., :3], rgba[..., 3])
    run("convert", at("rgba.png"), at("rgba.bmp"))
    want(at("rgba.bmp"), rgba[..., :3], rgba[..., 3])
    Image.fromarray(rgba[..., :2].copy(), "LA").save(at("la.png"))
    want(at("la.png"), rgba[..., 0], rgba[..., 1])
    deep4 = bits16(scene(26, 23, 4))
    png(at("rgba16.png"), deep4, 6, 16)
    want(at("rgba16.png"), deep4[..., :3], deep4[..., 3])
    frames = [Image.fromarray(bits8(scene(20, 14, 3))).quantize(40) for _ in range(3)]
    frames[0].save(at("moving.gif"), save_all=True, append_images=frames[1:])
    want(at("moving.gif"), numpy.asarray(frames[0].convert("RGB")), frames=3)
    clear = Image.fromarray(bits8(scene(20, 14, 3))).quantize(40)
    clear.info["transparency"] = 3
    clear.save(at("clear.png"), transparency=3)
    seen = numpy.asarray(Image.open(at("clear.png")).convert("RGBA"))
    want(at("clear.png"), seen[..., :3], seen[..., 3])


def coloured(at):
    rgb = bits8(scene(29, 31, 3))
    wide = adobe_profile()
    packed = b"wide\0\0" + zlib.compress(wide)
    icc = struct.pack(">I", len(packed)) + b"iCCP" + packed + struct.pack(">I", zlib.crc32(b"iCCP" + packed))
    for name in ("adobe.png", "adobe.tif"):
        Image.fromarray(rgb).save(at(name), icc_profile=wide)
        want(at(name), adobe_to_srgb(rgb, 255), tolerance=2)
    # Towards grey, so that all is inside sRGB: what lies outside is clipped by everyone differently.
    deep3 = bits16(0.35 + 0.3 * scene(29, 31, 4))
    png(at("adobe16.png"), deep3[..., :3], 2, 16, icc)
    want(at("adobe16.png"), adobe_to_srgb(deep3[..., :3], 65535), tolerance=40)
    png(at("adobe16a.png"), deep3, 6, 16, icc)
    want(at("adobe16a.png"), adobe_to_srgb(deep3[..., :3], 65535), deep3[..., 3], tolerance=40)
    rgba = numpy.dstack([rgb, rgb[..., :1]])
    Image.fromarray(rgba).save(at("adobea.png"), icc_profile=wide)
    want(at("adobea.png"), adobe_to_srgb(rgb, 255), rgb[..., 0], tolerance=2)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(rgb).save(at("srgb.png"), icc_profile=srgb)
    want(at("srgb.png"), rgb)  # to the bit
    Image.fromarray(rgb).save(at("broken_icc.png"), icc_profile=b"\0" * 36 + b"acsp" + b"RGB " * 40)
    want(at("broken_icc.png"), rgb)
    Image.fromarray(rgb[..., 0]).save(at("grey_icc.png"), icc_profile=grey_profile())
    want(at("grey_icc.png"), rgb[..., 0])
    inks = Image.fromarray(bits8(scene(29, 31, 4)), "CMYK")
    inks.save(at("inks.tif"), icc_profile=ink_profile())
    inks.save(at("inks.jpg"), icc_profile=ink_profile(), quality=100, subsampling=0)
    for name, within in (("inks.tif", 3), ("inks.jpg", 4)):
        seen = ImageCms.profileToProfile(
            Image.open(at(name)), ImageCms.ImageCmsProfile(io.BytesIO(ink_profile())),
            ImageCms.createProfile("sRGB"), renderingIntent=1, outputMode="RGB",
            flags=0x2000)  # black point compensation
        want(at(name), numpy.asarray(seen), tolerance=within, colour=2)
    # Without a profile there is no right answer but there are wrong ones: see test_image.c.
    solid = numpy.zeros((8, 6 * 8, 4), numpy.uint8)
    for i, ink in enumerate(((0, 0, 0, 0), (255, 0, 0, 0), (0, 255, 0, 0), (0, 0, 255, 0),
                             (0, 0, 0, 255), (255, 255, 255, 255))):
        solid[:, i * 8:i * 8 + 8] = ink
    Image.fromarray(solid, "CMYK").save(at("bare_inks.jpg"), quality=100, subsampling=0)
    # Lab as libvips takes it: white is D65.  L in 255 steps, a and b signed bytes.
    rgb = bits8(0.35 + 0.3 * scene(29, 31, 3))  # where a step of a or b is not many of red or blue
    linear = rgb / 255.0
    linear = numpy.where(linear <= 0.04045, linear / 12.92, ((linear + 0.055) / 1.055) ** 2.4)
    f = linear @ numpy.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]).T
    f = f / numpy.array([0.95047, 1, 1.08883])
    f = numpy.where(f > 216 / 24389, numpy.cbrt(f), (24389 / 27 * f + 16) / 116)
    lab = numpy.stack([(116 * f[..., 1] - 16) * 2.55, 500 * (f[..., 0] - f[..., 1]),
                       200 * (f[..., 1] - f[..., 2])], -1)
    tifffile.imwrite(at("lab.tif"), numpy.rint(lab).astype(int).astype(numpy.uint8), photometric=8)
    want(at("lab.tif"), rgb, tolerance=14, colour=3)  # one step of b is up to 4 of blue


def turned(at):
    values = bits8(scene(24, 16, 3))
    for k in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = k
        for name, options in ((f"turned{k}.jpg", {"quality": 95, "subsampling": 0}), (f"turned{k}.png", {}),
                              (f"turned{k}.tif", {}), (f"turned{k}.webp", {"lossless": True, "exact": True})):
            if name.endswith("tif"):
                Image.fromarray(values).save(at(name), tiffinfo={0x0112: k})
            else:
                Image.fromarray(values).save(at(name), exif=exif.tobytes(), **options)
            # Pillow's own turning, not by way of its EXIF reader, which skips some formats
            methods = [None, 0, 3, 1, 5, 4, 6, 2]
            plain = Image.open(at(name)).convert("RGB")
            if name.endswith("tif"):
                plain = Image.fromarray(values)
            seen = plain if k == 1 else plain.transpose(methods[k - 1])
            want(at(name), numpy.asarray(seen), tolerance=2 if name.endswith("jpg") else 0)
    deep3 = bits16(scene(24, 16, 3))
    tifffile.imwrite(at("turned16.tif"), deep3, photometric="rgb", extratags=[(274, "H", 1, 6, True)])
    want(at("turned16.tif"), numpy.rot90(deep3, -1))


def camera(at):
    """As from a camera: thumbnail, position, maker note, turned, resolution, XMP, profile."""
    rgb = bits8(scene(64, 48, 3))
    small = at("small.jpeg_")
    Image.fromarray(rgb[::4, ::4]).save(small, "JPEG")
    for name in ("camera.jpg", "camera.png", "camera.webp"):
        Image.fromarray(rgb).save(at(name), quality=95, lossless=True, exact=True, dpi=(300, 150))
        run("exiftool", "-q", "-overwrite_original", "-Orientation#=6", "-Artist=A. Draughtsman",
            "-GPSLatitude=48.2", "-GPSLatitudeRef=N", "-GPSLongitude=16.4", "-GPSLongitudeRef=E",
            "-ExifImageWidth=64", "-ExifImageHeight=48", "-DateTimeOriginal=2020:02:02 02:02:02",
            "-XMP-dc:Title=Facade", "-XResolution=300", "-YResolution=150",
            "-ResolutionUnit=inches", "-ThumbnailImage<=" + small, at(name))


def resized(at):
    """Planes [c][h][w] of float32 in [-1, 1] as Pillow scales rgb.png in its float mode."""
    values = numpy.asarray(Image.open(at("rgb.png"))).astype(numpy.float32) / 127.5 - 1
    for name, filter in (("cubic", Image.Resampling.BICUBIC), ("nearest", Image.Resampling.NEAREST)):
        for left, width, size in ((0, 61, (286, 286)), (0, 61, (13, 9)), (0, 61, (61, 90)),
                                  (30, 31, (40, 25)), (0, 30, (30, 47)), (3, 1, (5, 7)), (0, 61, (1, 1))):
            planes = [Image.fromarray(values[:, left:left + width, c]).resize(size, filter)
                      for c in range(3)]
            planes = numpy.clip(numpy.stack([numpy.asarray(p) for p in planes]), -1, 1)
            planes.astype("<f4").tofile(at(f"{name}_{left}_{width}_{size[0]}x{size[1]}.planes"))


def broken(at):
    for name in ("rgb.png", "rgb.jpg", "rgb.bmp", "rgb.ppm", "rgb.tif", "lossless.webp", "palette.gif",
                 "runs.bmp"):
        with open(at(name), "rb") as file:
            data = file.read()
        with open(at("cut_" + name), "wb") as out:
            out.write(data[:len(data) * 6 // 10])
        with open(at("stub_" + name), "wb") as out:
            out.write(data[:16])
    open(at("empty.png"), "wb").close()
    with open(at("words.jpg"), "w") as out:
        out.write("These are words and not a picture, whatever the name says.\n")
    with open(at("table.png"), "w") as out:  # libvips would take it for a matrix
        out.write("2 2\n1 2\n3 4\n")
    with open(at("drawing.png"), "w") as out:
        out.write('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path d="M0 0h5v5z"/></svg>')
    chunk = lambda name, data: struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    with open(at("huge.png"), "wb") as out:
        out.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)) +
                  chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b""))
    with open(at("huge.bmp"), "wb") as out:
        out.write(struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 154, 0, 0, 54, 40, 60000, 60000, 1, 24, 0, 0, 0, 0, 0, 0)
                  + b"\0" * 100)
    with open(at("huge.ppm"), "wb") as out:
        out.write(b"P6 60000 60000 255\n" + b"\0" * 100)
    tags = [(256, 60000), (257, 60000), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 60000), (279, 100)]
    with open(at("huge.tif"), "wb") as out:
        out.write(b"II*\0" + struct.pack("<IH", 8, len(tags)) +
                  b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags) + b"\0" * 100)
    with open(at("rgb.jpg"), "rb") as file:
        data = bytearray(file.read())
    frame = data.index(b"\xff\xc0")
    data[frame + 5:frame + 9] = struct.pack(">HH", 60000, 60000)
    with open(at("huge.jpg"), "wb") as out:
        out.write(data)


def make(folder):
    at = lambda name: os.path.join(folder, name)
    for part in (plain_formats, few_bits, deep, see_through, coloured, turned, camera,
                 resized, broken):
        part(at)
    for left in os.listdir(folder):
        if left.endswith(("_", "_original")):
            os.remove(at(left))


# ---- the way back -------------------------------------------------------------------------------

def read_sent(path):
    with open(path, "rb") as file:
        data = file.read()
    width, height, channels, alpha, size, tolerance, _, _ = struct.unpack("<8i", data[:32])
    kind = {1: numpy.uint8, 2: "<u2", 4: "<f4"}[size]
    values = numpy.frombuffer(data[32:], kind)
    n = width * height * channels
    pixels = values[:n].reshape(height, width, channels)
    if alpha:
        pixels = numpy.dstack([pixels, values[n:].reshape(height, width, 1)])
    return pixels, tolerance


def read_encoded(path, like):
    if path.endswith((".tif", ".tiff")):
        return tifffile.imread(path)
    if path.endswith((".ppm", ".pgm", ".pfm")):
        with open(path, "rb") as file:
            data = file.read()
        head = data.split(maxsplit=4)
        height, width = int(head[2]), int(head[1])
        if head[0] in (b"PF", b"Pf"):
            n = width * height * (3 if head[0] == b"PF" else 1) * 4
            kind = "<f4" if float(head[3]) < 0 else ">f4"
            return numpy.frombuffer(data[-n:], kind).reshape(height, width, -1)[::-1]
        kind = numpy.uint8 if int(head[3]) < 256 else ">u2"
        n = width * height * (3 if head[0] == b"P6" else 1) * numpy.dtype(kind).itemsize
        return numpy.frombuffer(data[-n:], kind).reshape(height, width, -1)
    if like.dtype.itemsize == 2:
        kind = {1: "gray", 3: "rgb", 4: "rgba"}[like.shape[2]]
        out = subprocess.run(["convert", path, "-endian", "LSB", "-depth", "16", kind + ":-"],
                             check=True, capture_output=True).stdout
        return numpy.frombuffer(out, "<u2").reshape(like.shape)
    return numpy.asarray(Image.open(path))


def check(folder):
    bad = ran = 0
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".sent"):
            continue
        path = os.path.join(folder, name[:-5])
        sent, tolerance = read_sent(path + ".sent")
        got = read_encoded(path, sent)
        got = got.reshape(got.shape[0], got.shape[1], -1)
        scale = 1e-6 if sent.dtype.itemsize == 4 else 1
        if got.shape != sent.shape or got.dtype.itemsize != sent.dtype.itemsize:
            print(f"{name}: {got.shape} {got.dtype}, sent {sent.shape} {sent.dtype}")
            bad += 1
        elif numpy.abs(got.astype(float) - sent.astype(float)).max() > tolerance * scale:
            print(f"{name}: differs by {numpy.abs(got.astype(float) - sent.astype(float)).max()}")
            bad += 1
        ran += 1
    tags = {}
    for row in json.loads(subprocess.run(["exiftool", "-j", "-G1", "-a", folder], check=True,
                                         capture_output=True).stdout):
        tags[os.path.basename(row["SourceFile"])] = row
    expected = os.path.join(folder, "tags.txt")  # lines: file, tag, value or - for absent
    for line in open(expected):
        file, tag, value = line.rstrip("\n").split("\t")
        found = str(tags[file].get(tag, "-"))
        if found != value:
            print(f"{file}: {tag} is {found}, expected {value}")
            bad += 1
        ran += 1
    print(f"{ran} compared, {bad} bad")
    return 1 if bad or not ran else 0


if __name__ == "__main__":
    sys.exit(make(sys.argv[2]) if sys.argv[1] == "make" else check(sys.argv[2]))
