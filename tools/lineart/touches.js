#!/usr/bin/env node
/* SPDX-License-Identifier: Apache-2.0
 *
 * Takes pairs apart into what a user would bring: the drawing, and the drawing with some dabs of the
 * right colours on it.
 *
 *     tools/lineart/touches.js PAIR.png ... FOLDER
 *
 * writes FOLDER/drawings/NAME.png and FOLDER/touched/NAME.png.  Dabs are round, 5 to 9 pixels in
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
    const colour = (i, c) => pair.pixels[(Math.floor(i / w) * pair.width + w + i % w) * pair.each + c];
    const drawing = Buffer.alloc(n * 3), region = new Int32Array(n).fill(-1), regions = [];

    for (let i = 0; i < n; i++)
        for (let c = 0; c < 3; c++)
            drawing[3 * i + c] = pair.pixels[(Math.floor(i / w) * pair.width + i % w) * pair.each + c];
    const around = (i) => [i % w ? i - 1 : -1, i % w < w - 1 ? i + 1 : -1, i - w, i + w]
        .filter((k) => k >= 0 && k < n);
    for (let first = 0; first < n; first++) {
        if (region[first] >= 0 || drawing[3 * first] < 200) continue;
        const all = [first];
        region[first] = regions.length;
        for (let k = 0; k < all.length; k++)
            for (const to of around(all[k])) {
                if (region[to] >= 0 || drawing[3 * to] < 200) continue;
                if ([0, 1, 2].some((c) => Math.abs(colour(to, c) - colour(first, c)) > 14)) continue;
                region[to] = regions.length;
                all.push(to);
            }
        regions.push(all);
    }
    const dabs = [];
    for (const all of regions) {
        const mean = [0, 1, 2].map((c) => all.reduce((sum, i) => sum + colour(i, c), 0) / all.length);
        if (all.length < SMALL || Math.min(...mean) > WHITE) continue;
        /* Steps to the region's edge, and to the nearest dab. */
        const steps = (starts, inside) => {
            const at = new Map(starts.map((i) => [i, 0]));
            const queue = [...starts];
            for (let k = 0; k < queue.length; k++)
                for (const to of around(queue[k]))
                    if (!at.has(to) && inside(to)) {
                        at.set(to, at.get(queue[k]) + 1);
                        queue.push(to);
                    }
            return at;
        };
        const id = region[all[0]], inside = (i) => region[i] === id;
        const edge = steps(all.filter((i) => around(i).length < 4 || around(i).some((k) => !inside(k))),
            inside);
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
            dabs.push({ at: best, radius: Math.max(3, Math.min(9, most * 0.7)), room: most, mean });
        }
    }
    dabs.sort((a, b) => b.room - a.room);
    const touched = Buffer.from(drawing);
    for (const d of dabs.slice(0, MOST)) {
        const x = d.at % w, y = Math.floor(d.at / w), r = Math.ceil(d.radius);
        for (let dy = -r; dy <= r; dy++)
            for (let dx = -r; dx <= r; dx++) {
                const i = (y + dy) * w + x + dx;
                if (x + dx < 0 || x + dx >= w || i < 0 || i >= n || region[i] !== region[d.at]) continue;
                if (dx * dx + dy * dy > d.radius * d.radius) continue;
                for (let c = 0; c < 3; c++) touched[3 * i + c] = Math.round(d.mean[c]);
            }
    }
    return [write_png(w, h, drawing), write_png(w, h, touched)];
}

const names = process.argv.slice(2), folder = names.pop();
if (!names.length) {
    process.stderr.write("touches: tools/lineart/touches.js PAIR.png ... FOLDER\n");
    process.exit(2);
}
for (const part of ["drawings", "touched"])
    fs.mkdirSync(path.join(folder, part), { recursive: true });
for (const name of names) {
    const [drawing, touched] = touches(read_png(fs.readFileSync(name)));
    fs.writeFileSync(path.join(folder, "drawings", path.basename(name)), drawing);
    fs.writeFileSync(path.join(folder, "touched", path.basename(name)), touched);
}
