#!/usr/bin/env node
/* SPDX-License-Identifier: Apache-2.0
 *
 * Takes pairs apart into what a user would bring: the drawing, and the drawing with some dabs of
 * the right colours on it.
 *
 *     tools/lineart/touches.js [--pairs] PAIR.png ... FOLDER
 *
 * writes FOLDER/drawings/NAME.png and FOLDER/touched/NAME.png; with --pairs instead
 * FOLDER/test/NAME.png, the touched drawing beside its target, for `limn score`.  Dabs are round, 3 to 11 pixels in
 * radius, in the middle of the regions of one colour, widest first, and again where a place of a
 * region is far from every dab: as a hand does it that wants to say much with little.  Nothing is
 * left to chance, so the same pairs give the same touches.  Regions that are small, or nearly the
 * paper's white, get none.  (While training, touches fall anywhere: src/data/hints.c.) */
"use strict";
const fs = require("fs"), path = require("path");
const { read_png, write_png } = require(path.join(__dirname, "png.js"));

const SMALL = 260, FAR = 55, MOST = 16, WHITE = 232;

function touches(pair)
{
    const w = pair.width / 2, h = pair.height, n = w * h;
    const at = (i, c, right) =>
        pair.pixels[(Math.floor(i / w) * pair.width + right + i % w) * pair.each + c];
    const colour = (i, c) => at(i, c, w);
    const alike = (i, k) => [0, 1, 2].every((c) => Math.abs(colour(i, c) - colour(k, c)) <= 14);
    const drawing = Buffer.alloc(n * 3), region = new Int32Array(n).fill(-1), regions = [];

    for (let i = 0; i < n; i++)
        for (let c = 0; c < 3; c++)
            drawing[3 * i + c] = at(i, c, 0);
    const around = (i) => [i % w ? i - 1 : -1, i % w < w - 1 ? i + 1 : -1, i - w, i + w]
        .filter((k) => k >= 0 && k < n);
    for (let first = 0; first < n; first++) {
        if (region[first] >= 0 || drawing[3 * first] < 200) continue;
        const all = [first];
        region[first] = regions.length;
        for (let k = 0; k < all.length; k++)
            for (const to of around(all[k])) {
                if (region[to] >= 0 || drawing[3 * to] < 200) continue;
                if (!alike(to, first)) continue;
                region[to] = regions.length;
                all.push(to);
            }
        regions.push(all);
    }
    const dabs = [];
    for (const all of regions) {
        const mean = [0, 1, 2].map((c) => all.reduce((sum, i) => sum + colour(i, c), 0) /
            all.length);
        if (all.length < SMALL || Math.min(...mean) > WHITE) continue;
        /* Steps to the region's edge, and to the nearest dab. */
        const steps = (starts, inside) => {
            const far = new Map(starts.map((i) => [i, 0]));
            const queue = [...starts];
            for (let k = 0; k < queue.length; k++)
                for (const to of around(queue[k]))
                    if (!far.has(to) && inside(to)) {
                        far.set(to, far.get(queue[k]) + 1);
                        queue.push(to);
                    }
            return far;
        };
        const id = region[all[0]], inside = (i) => region[i] === id;
        const edge = steps(all.filter((i) => around(i).length < 4 ||
            around(i).some((k) => !inside(k))), inside);
        const own = [];
        for (;;) {
            const near = own.length ? steps(own, inside) : null;
            let best = -1, most = 0;
            for (const i of all) {
                if (near && near.get(i) < FAR) continue;
                if (edge.get(i) > most) {
                    most = edge.get(i);
                    best = i;
                }
            }
            if (best < 0 || most < 3) break;
            own.push(best);
            dabs.push({ at: best, radius: Math.max(3, Math.min(11, most * 0.75)), room: most, mean });
        }
    }
    dabs.sort((a, b) => b.room - a.room);
    const touched = Buffer.from(drawing);
    for (const d of dabs.slice(0, MOST)) {
        const x = d.at % w, y = Math.floor(d.at / w), r = Math.ceil(d.radius);
        for (let dy = -r; dy <= r; dy++)
            for (let dx = -r; dx <= r; dx++) {
                const i = (y + dy) * w + x + dx;
                if (x + dx < 0 || x + dx >= w || i < 0 || i >= n) continue;
                if (region[i] !== region[d.at]) continue;
                if (dx * dx + dy * dy > d.radius * d.radius) continue;
                for (let c = 0; c < 3; c++) touched[3 * i + c] = Math.round(d.mean[c]);
            }
    }
    return [drawing, touched].map((pixels) => ({ width: w, height: h, each: 3, pixels }));
}

/* Two pictures of one size beside each other; of b the right half. */
function beside(a, b)
{
    const w = a.width, out = Buffer.alloc(6 * w * a.height);

    for (let y = 0; y < a.height; y++)
        for (let x = 0; x < w; x++)
            for (let c = 0; c < 3; c++) {
                out[3 * (y * 2 * w + x) + c] = a.pixels[3 * (y * w + x) + c];
                out[3 * (y * 2 * w + w + x) + c] = b.pixels[(y * 2 * w + w + x) * b.each + c];
            }
    return { width: 2 * w, height: a.height, pixels: out };
}

const names = process.argv.slice(2), folder = names.pop();
const pairs = names[0] === "--pairs" && names.shift();
if (!names.length) {
    process.stderr.write("touches: tools/lineart/touches.js [--pairs] PAIR.png ... FOLDER\n");
    process.exit(2);
}

function keep(part, name, p)
{
    fs.mkdirSync(path.join(folder, part), { recursive: true });
    fs.writeFileSync(path.join(folder, part, path.basename(name)),
        write_png(p.width, p.height, p.pixels));
}

for (const name of names) {
    const pair = read_png(fs.readFileSync(name)), [drawing, touched] = touches(pair);

    if (pairs) {
        keep("test", name, beside(touched, pair));
        continue;
    }
    keep("drawings", name, drawing);
    keep("touched", name, touched);
}
