#!/usr/bin/env node
/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes two folders without pairs for `limn train --model cut` or cycle_gan: things drawn flat, and
 * other things drawn with light and shade, by the same artists (Fluent Emoji).
 *
 *     tools/lineart/styles.js FOLDER [SIZE [CACHE]]
 *
 * FOLDER must not exist; it gets trainA valA testA (flat) and trainB valB testB (shaded), SIZE
 * (128) pixels wide, and NOTICE.  Of a thing to learn from only one drawing is there, the flat or
 * the shaded one, as its name falls: nothing in the folders says what belongs together.  For the
 * things in testA and testB both are there under one name, so that what a network makes can be
 * compared with what the artists made.  What is left out is what pairs.js leaves out. */
"use strict";
const fs = require("fs"), os = require("os"), path = require("path");
const crypto = require("crypto");
const { PACKAGES, candidates, fetch, letters, render, stop } =
    require(path.join(__dirname, "pairs.js"));

async function main()
{
    const own = path.join(os.homedir(), ".cache", "limn", "lineart");
    const [folder, size = "128", cache = own] = process.argv.slice(2);
    const folders = {}, count = {};

    if (!folder || !(Number(size) >= 16))
        stop("usage: tools/lineart/styles.js FOLDER [SIZE [CACHE]]");
    if (fs.existsSync(folder)) stop(`${folder} is there already; name a new folder`);
    fs.mkdirSync(cache, { recursive: true });
    for (const p of PACKAGES) folders[p.set] = fetch(p, cache);
    const put = async (name, style, part) => {
        const to = path.join(folder, part + (style === "flat" ? "A" : "B"));
        const from = path.join(folders.fluent, "icons", style, `${name}.svg`);
        fs.mkdirSync(to, { recursive: true });
        fs.writeFileSync(path.join(to, `${name}.png`), await render(fs.readFileSync(from), size));
        count[path.basename(to)] = (count[path.basename(to)] || 0) + 1;
    };
    for (const { set, name } of candidates(folders, [])) {
        const shaded = path.join(folders.fluent, "icons", "modern", `${name}.svg`);
        if (set !== "fluent" || !fs.existsSync(shaded)) continue;
        const sum = crypto.createHash("sha256").update("limn " + letters(name)).digest();
        const n = sum.readUInt32BE(0) % 100, part = n < 2 ? "val" : n < 10 ? "test" : "train";
        if (part !== "train" || sum[4] % 2) await put(name, "flat", part);
        if (part !== "train" || !(sum[4] % 2)) await put(name, "modern", part);
    }
    const p = PACKAGES.find((q) => q.set === "fluent");
    fs.writeFileSync(path.join(folder, "NOTICE"), `${p.pack}, ${p.licence}: ${p.notice}\n`);
    const counts = Object.keys(count).sort().map((part) => `${count[part]} in ${part}`);
    process.stdout.write(`${folder}: ${counts.join(", ")}\n`);
}

main().catch((e) => stop(e.message));
