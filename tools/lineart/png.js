/* SPDX-License-Identifier: Apache-2.0
 *
 * Just enough of PNG for the tools beside it: they must run where nothing but Node.js is. */
"use strict";
const zlib = require("zlib");

/* An 8-bit PNG without interlace, as rsvg-convert writes it, to { width, height, bytes a pixel,
 * pixels }. */
function read_png(file)
{
    const parts = [], width = file.readUInt32BE(16), height = file.readUInt32BE(20);
    const each = { 2: 3, 6: 4, 0: 1, 4: 2 }[file[25]];

    for (let at = 8; at < file.length;) {
        const length = file.readUInt32BE(at), type = file.toString("latin1", at + 4, at + 8);
        if (type === "IDAT") parts.push(file.subarray(at + 8, at + 8 + length));
        at += length + 12;
    }
    const raw = zlib.inflateSync(Buffer.concat(parts)), row = width * each;
    const out = Buffer.alloc(row * height);
    for (let y = 0; y < height; y++) {
        const kind = raw[y * (row + 1)], from = y * (row + 1) + 1, to = y * row;
        for (let i = 0; i < row; i++) {
            const left = i < each ? 0 : out[to + i - each], up = y ? out[to + i - row] : 0;
            const corner = i < each || !y ? 0 : out[to + i - row - each];
            let guess = 0;
            if (kind === 1) guess = left;
            else if (kind === 2) guess = up;
            else if (kind === 3) guess = (left + up) >> 1;
            else if (kind === 4) {
                const p = left + up - corner, a = Math.abs(p - left), b = Math.abs(p - up),
                    d = Math.abs(p - corner);
                guess = a <= b && a <= d ? left : b <= d ? up : corner;
            }
            out[to + i] = raw[from + i] + guess;
        }
    }
    return { width, height, each, pixels: out };
}

function crc(bytes)
{
    let c = 0xffffffff;
    for (const b of bytes) {
        c ^= b;
        for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
    }
    return (c ^ 0xffffffff) >>> 0;
}

function write_png(width, height, pixels)
{
    const chunk = (type, data) => {
        const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
        const out = Buffer.alloc(body.length + 8);
        out.writeUInt32BE(data.length, 0);
        body.copy(out, 4);
        out.writeUInt32BE(crc(body), body.length + 4);
        return out;
    };
    const head = Buffer.alloc(13), row = width * 3, raw = Buffer.alloc((row + 1) * height);
    head.writeUInt32BE(width, 0);
    head.writeUInt32BE(height, 4);
    head.set([8, 2, 0, 0, 0], 8);
    for (let y = 0; y < height; y++) {
        raw[y * (row + 1)] = y ? 2 : 0;
        for (let i = 0; i < row; i++)
            raw[y * (row + 1) + 1 + i] = pixels[y * row + i] - (y ? pixels[(y - 1) * row + i] : 0);
    }
    return Buffer.concat([Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]), chunk("IHDR", head),
        chunk("IDAT", zlib.deflateSync(raw, { level: 9 })), chunk("IEND", Buffer.alloc(0))]);
}

module.exports = { read_png, write_png };
