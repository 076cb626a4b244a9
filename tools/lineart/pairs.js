#!/usr/bin/env node
/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes the pairs that the shipped model learned from: line art on the left, the same drawing in
 * colour on the right, of three sets of free pictures.
 *
 *     tools/lineart/pairs.js FOLDER [CACHE]
 *
 * Wants npm (fetches the packages once, into CACHE, ~/.cache/limn/lineart by default), tar and
 * rsvg-convert.  FOLDER must not exist or be one made by this program; it gets train/, val/, test/
 * with pairs of 256x256, ATTRIBUTION.tsv with a line a picture, NOTICE, and left-out.tsv.
 *
 * Both halves are the same shapes in the same order, so that they agree to the pixel: on the right
 * in their own colours, on the left filled with white, and around each a black line of 1.1 % of
 * the width.  So a colour ends at a line, and the drawing's lines stay in the coloured one.  Tried
 * and dropped: a target without lines, as the artists made it.  Then white parts vanish on white
 * paper, and a network spends its time on removing what the user drew.
 *
 * A shape that light shines through (a shadow, a gloss) hides nothing on the right, and so has no
 * filling on the left.  Filters and masks would need more than that; such drawings are left out.
 *
 * Which part of the set a drawing belongs to is decided by the name of what it shows, since the
 * sets draw the same things: of one thing all drawings are in one part.  The third set has
 * spellings of its own, and goes with the name that shares most of its letters, word by word. */
"use strict";
const fs = require("fs"), os = require("os"), path = require("path");
const crypto = require("crypto");
const { execFileSync, spawn } = require("child_process");
const { read_png, write_png } = require(path.join(__dirname, "png.js"));
const { CATEGORIES, SYMBOLS, refused } = require(path.join(__dirname, "names.js"));

const SIZE = 256, LINE = 0.011, MARGIN = 0.03, VAL = 4, TEST = 8; /* of a hundred */
const PACKAGES = [
    { set: "fluent", pack: "fluentui-emoji@1.3.0", file: "fluentui-emoji-1.3.0.tgz",
        sha256: "ec892e607e854859b812c7d827801756adc19955b0ef56d4ae8afcddd19492c5",
        licence: "MIT", notice: "Fluent Emoji, Copyright (c) Microsoft Corporation" },
    { set: "noto", pack: "@iconify-json/noto@1.2.9", file: "iconify-json-noto-1.2.9.tgz",
        sha256: "3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad",
        licence: "Apache-2.0", notice: "Noto Emoji, Copyright Google Inc." },
    { set: "fxemoji", pack: "@iconify-json/fxemoji@1.2.2", file: "iconify-json-fxemoji-1.2.2.tgz",
        sha256: "f3e72b3c59d05e1db03b7e308d55c0d05bd7ba3f625a90da1b79313c12858eef",
        licence: "Apache-2.0", notice: "Firefox OS Emoji, Copyright Mozilla Foundation" },
];

function stop(sentence)
{
    process.stderr.write(`lineart: ${sentence}\n`);
    process.exit(1);
}

/* ---- The packages ---------------------------------------------------------------------------- */

function fetch(p, cache)
{
    const file = path.join(cache, p.file), folder = path.join(cache, p.set);

    if (!fs.existsSync(file)) {
        process.stderr.write(`lineart: fetching ${p.pack}\n`);
        execFileSync("npm", ["pack", "--silent", p.pack], { cwd: cache, stdio: "pipe" });
    }
    const sum = crypto.createHash("sha256").update(fs.readFileSync(file)).digest("hex");
    if (sum !== p.sha256)
        stop(`${file} has the SHA-256 ${sum} and not ${p.sha256}; delete it and try again`);
    if (!fs.existsSync(path.join(folder, "package.json"))) {
        fs.mkdirSync(folder, { recursive: true });
        execFileSync("tar", ["xzf", file, "-C", folder, "--strip-components=1"]);
    }
    return folder;
}

const read_json = (file) => JSON.parse(fs.readFileSync(file, "utf8"));

/* All candidates as { set, name, category, svg, box }; what the names refuse goes to left_out. */
function candidates(folders, left_out)
{
    const list = [], category_of = {};
    const noto = read_json(path.join(folders.noto, "icons.json"));
    const groups = read_json(path.join(folders.noto, "metadata.json")).categories;

    for (const c in groups) for (const name of groups[c]) category_of[name] = c;
    const take = (set, name, category, svg, box) => {
        if (category === undefined || !CATEGORIES.includes(category)) return;
        if (category === "Symbols" && !SYMBOLS.test(name)) return;
        if (refused(name)) left_out.push([set, name, "by its name"]);
        else list.push({ set, name, category, svg, box });
    };

    for (const name in noto.icons) {
        const i = noto.icons[name];
        take("noto", name, category_of[name], i.body,
            [i.left || 0, i.top || 0, i.width || noto.width, i.height || noto.height]);
    }
    const flat = path.join(folders.fluent, "icons", "flat");
    for (const file of fs.readdirSync(flat).sort()) {
        const name = file.replace(/\.svg$/, "");
        const text = fs.readFileSync(path.join(flat, file), "utf8");
        const box = /viewBox="([^"]*)"/.exec(text)[1].split(/[ ,]+/).map(Number);
        take("fluent", name, category_of[name], text.replace(/^[^]*?<svg[^>]*>|<\/svg>\s*$/g, ""),
            box);
    }
    const fx = read_json(path.join(folders.fxemoji, "icons.json"));
    const fx_groups = read_json(path.join(folders.fxemoji, "metadata.json")).categories;
    const as = { Nature: "Animals & Nature", Objects: "Objects", Places: "Travel & Places",
        Symbols: "Symbols" };
    const fx_category = {};
    for (const c in fx_groups) for (const name of fx_groups[c]) fx_category[name] = as[c];
    for (const name in fx.icons) {
        const i = fx.icons[name];
        take("fxemoji", name, fx_category[name], i.body,
            [i.left || 0, i.top || 0, i.width || fx.width, i.height || fx.height]);
    }
    return list;
}

/* ---- Drawings -------------------------------------------------------------------------------- */

const DRAWN = new Set(["path", "circle", "ellipse", "rect", "polygon", "polyline", "line"]);
const INHERITED = ["fill", "stroke", "stroke-width", "stroke-linecap", "stroke-linejoin",
    "fill-rule", "clip-rule"];

function parse(text)
{
    const root = { tag: "", attributes: {}, children: [] }, stack = [root];
    const tags = /<!--[^]*?-->|<(\/?)([\w:-]+)((?:\s+[\w:-]+\s*=\s*(?:"[^"]*"|'[^']*'))*)\s*(\/?)>/g;
    let m;

    while ((m = tags.exec(text)) !== null) {
        if (!m[2]) continue;
        if (m[1]) {
            stack.pop();
            continue;
        }
        const node = { tag: m[2], attributes: {}, children: [] };
        const each = /([\w:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;
        let a;
        while ((a = each.exec(m[3])) !== null)
            node.attributes[a[1]] = a[2] === undefined ? a[3] : a[2];
        for (const part of (node.attributes.style || "").split(";")) {
            const [key, value] = part.split(":");
            if (value) node.attributes[key.trim()] = value.trim();
        }
        delete node.attributes.style;
        delete node.attributes.class;
        stack[stack.length - 1].children.push(node);
        if (!m[4]) stack.push(node);
    }
    return root;
}

const write = (tag, attributes, inner) =>
    `<${tag}${Object.entries(attributes).map(([k, v]) => ` ${k}="${v}"`).join("")}>` +
    `${inner}</${tag}>`;

const as_is = (node, prefix) => write(node.tag, renamed(node.attributes, prefix),
    node.children.map((c) => as_is(c, prefix)).join(""));

function renamed(attributes, prefix)
{
    const out = {};
    for (const [k, v] of Object.entries(attributes)) {
        if (k === "id") out[k] = prefix + v;
        else if (/href$/.test(k)) out[k] = String(v).replace(/^#/, "#" + prefix);
        else out[k] = String(v).replace(/url\(['"]?#([^'")]*)['"]?\)/g, `url(#${prefix}$1)`);
    }
    return out;
}

/* The identifiers of gradients that light shines through somewhere. */
function glassy(node, found)
{
    if (/Gradient$/.test(node.tag) &&
        node.children.some((s) => Number(s.attributes["stop-opacity"] || 1) < 0.95 ||
            s.attributes["stop-color"] === "none"))
        found.add(node.attributes.id);
    node.children.forEach((c) => glassy(c, found));
    return found;
}

/* One half.  line: the black line's width in the drawing's own units. */
function half(node, state, line, colour, prefix, glass)
{
    const own = { ...state };
    let out = "";

    for (const key of INHERITED)
        if (node.attributes[key] !== undefined) own[key] = node.attributes[key];
    own.opacity = state.opacity * Number(node.attributes.opacity || 1);
    if (["defs", "linearGradient", "radialGradient", "clipPath", "pattern"].includes(node.tag))
        return as_is(node, prefix);
    if (!DRAWN.has(node.tag)) {
        const kept = {};
        for (const key of ["transform", "clip-path"])
            if (node.attributes[key]) kept[key] = node.attributes[key];
        for (const child of node.children) out += half(child, own, line, colour, prefix, glass);
        return node.tag ? write("g", renamed(kept, prefix), out) : out;
    }
    const shape = {};
    for (const [k, v] of Object.entries(node.attributes))
        if (!INHERITED.includes(k) && !/opacity$/.test(k)) shape[k] = v;
    for (const key of ["fill-rule", "clip-rule"]) if (own[key]) shape[key] = own[key];
    const put = (more) => write(node.tag, renamed({ ...shape, ...more }, prefix), "");
    const opacity = own.opacity * Number(node.attributes["fill-opacity"] || 1);
    const fill = own.fill === undefined ? "#000" : own.fill;
    const through = opacity < 0.95 || glass.has((/url\(#([^)]*)\)/.exec(fill) || [])[1]);
    const width = own.stroke && own.stroke !== "none" ? Number(own["stroke-width"] || 1) : 0;
    const round = { stroke: "#000", "stroke-linejoin": "round" };
    const filling = fill === "none" ? { fill: "none" } : colour ? { fill, "fill-opacity": opacity }
        : { fill: through ? "none" : "#fff" };

    if (fill === "none" && !width) return "";
    out = put({ ...filling, ...round, "stroke-width": width ? width + 2 * line : line,
        ...(own["stroke-linecap"] ? { "stroke-linecap": own["stroke-linecap"] } : {}) });
    if (width)
        out += put({ fill: "none", stroke: colour ? own.stroke : "#fff", "stroke-width": width,
            "stroke-linejoin": own["stroke-linejoin"] || "miter",
            ...(own["stroke-linecap"] ? { "stroke-linecap": own["stroke-linecap"] } : {}) });
    return out;
}

function pair_svg(c)
{
    const hard = /<(use|mask|filter|image|text|style|symbol|switch)\b|\s(mask|filter)=|mix-blend|skew/;

    if (hard.test(c.svg)) return null;
    const root = parse(c.svg), glass = glassy(root, new Set());
    const [x, y, w, h] = c.box, side = Math.max(w, h) * (1 + 2 * MARGIN);
    const box = [x - (side - w) / 2, y - (side - h) / 2, side, side].join(" ");
    const inside = (colour) => `<svg x="${colour ? 2 * SIZE : 0}" width="${2 * SIZE}" ` +
        `height="${2 * SIZE}" viewBox="${box}">` +
        half(root, { opacity: 1 }, side * LINE, colour, colour ? "b" : "a", glass) + "</svg>";
    return `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" ` +
        `width="${4 * SIZE}" height="${2 * SIZE}">${inside(false)}${inside(true)}</svg>`;
}

/* ---- Pixels ---------------------------------------------------------------------------------- */

/* Halves both sides, and judges the line art: { png, reason }. */
function finish(file)
{
    const p = read_png(file), width = p.width / 2, height = p.height / 2;
    const out = Buffer.alloc(width * height * 3);
    let dark = 0, told = 0;

    for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++)
            for (let c = 0; c < 3; c++) {
                const at = ((2 * y) * p.width + 2 * x) * p.each + c, down = p.width * p.each;
                out[(y * width + x) * 3 + c] = (p.pixels[at] + p.pixels[at + p.each] +
                    p.pixels[at + down] + p.pixels[at + down + p.each] + 2) >> 2;
            }
    for (let y = 0; y < height; y++)
        for (let x = 0; x < SIZE; x++) {
            const a = (y * width + x) * 3, b = a + SIZE * 3;
            dark += out[a] < 128;
            told += Math.max(...[0, 1, 2].map((c) => Math.abs(out[a + c] - out[b + c]))) > 24;
        }
    dark /= SIZE * SIZE;
    told /= SIZE * SIZE;
    const reason = dark < 0.01 ? "hardly a line" : dark > 0.45 ? "nearly black"
        : told < 0.02 ? "hardly a colour" : null;
    return { png: write_png(width, height, out), reason };
}

function render(svg, size)
{
    return new Promise((resolve, reject) => {
        const how = ["-b", "white"].concat(size ? ["-w", size, "-h", size] : []);
        const p = spawn("rsvg-convert", how, { stdio: ["pipe", "pipe", "inherit"] });
        const parts = [];
        p.on("error", reject);
        p.stdout.on("data", (d) => parts.push(d));
        p.on("close", (code) => code ? reject(new Error("rsvg-convert failed"))
            : resolve(Buffer.concat(parts)));
        p.stdin.end(svg);
    });
}

/* ---- Parts ----------------------------------------------------------------------------------- */

const letters = (name) => name.toLowerCase().replace(/[^a-z0-9]/g, "");

/* What a drawing shows, in one spelling for all sets. */
function things(list)
{
    const known = [...new Set(list.filter((c) => c.set !== "fxemoji").map((c) => c.name))].sort();
    const exact = new Map(known.map((n) => [letters(n), n]));

    for (const c of list) {
        let best = 0;
        c.thing = c.set === "fxemoji" ? exact.get(letters(c.name)) : c.name;
        if (c.thing) continue;
        c.thing = c.name;
        for (const n of known) {
            const words = n.split("-").filter((w) => w.length > 2).map((w) => w.replace(/s$/, ""));
            const all = words.join("").length;
            let shared = 0;
            for (const w of words) if (letters(c.name).includes(w)) shared += w.length;
            const score = shared / Math.max(all, letters(c.name).length);
            if (score > best && score >= 0.5) {
                best = score;
                c.thing = n;
            }
        }
    }
}

function part_of(thing)
{
    const sum = crypto.createHash("sha256").update("limn " + letters(thing)).digest();
    const n = sum.readUInt32BE(0) % 100;
    return n < VAL ? "val" : n < VAL + TEST ? "test" : "train";
}

async function main()
{
    const own = path.join(os.homedir(), ".cache", "limn", "lineart");
    const [folder, cache = own] = process.argv.slice(2);
    const left_out = [], rows = [], count = { train: 0, val: 0, test: 0 }, folders = {};

    if (!folder) stop("where to? tools/lineart/pairs.js FOLDER [CACHE]");
    if (fs.existsSync(folder) && !fs.existsSync(path.join(folder, "ATTRIBUTION.tsv")) &&
        fs.readdirSync(folder).length)
        stop(`${folder} has other things in it; name a new folder`);
    fs.mkdirSync(cache, { recursive: true });
    for (const p of PACKAGES) folders[p.set] = fetch(p, cache);
    for (const part in count) {
        fs.rmSync(path.join(folder, part), { recursive: true, force: true });
        fs.mkdirSync(path.join(folder, part), { recursive: true });
    }
    fs.writeFileSync(path.join(folder, "ATTRIBUTION.tsv"), ""); /* so that it may be made again */
    const list = candidates(folders, left_out);
    things(list);
    let next = 0;
    const work = async () => {
        while (next < list.length) {
            const c = list[next++], svg = pair_svg(c);
            if (!svg) {
                left_out.push([c.set, c.name, "needs filters or masks"]);
                continue;
            }
            const { png, reason } = finish(await render(svg));
            if (reason) {
                left_out.push([c.set, c.name, reason]);
                continue;
            }
            const part = part_of(c.thing), name = `${c.set}_${c.name}.png`;
            const p = PACKAGES.find((q) => q.set === c.set);
            fs.writeFileSync(path.join(folder, part, name), png);
            rows.push([`${part}/${name}`, c.thing, p.pack, p.licence, p.notice]);
            count[part]++;
        }
    };
    await Promise.all([work(), work()]);
    const table = (head, lines) => [head, ...lines.sort((a, b) => a[0] < b[0] ? -1 : a[0] > b[0] ? 1
        : a[1] < b[1] ? -1 : 1)].map((r) => r.join("\t")).join("\n") + "\n";
    fs.writeFileSync(path.join(folder, "left-out.tsv"), table(["set", "name", "why"], left_out));
    fs.writeFileSync(path.join(folder, "ATTRIBUTION.tsv"),
        table(["file", "shows", "from", "licence", "notice"], rows));
    process.stdout.write(`${folder}: ${count.train} pairs in train, ${count.val} in val, ` +
        `${count.test} in test; ${left_out.length} left out (left-out.tsv)\n`);
}

if (require.main === module) main().catch((e) => stop(e.message));
module.exports = { PACKAGES, candidates, fetch, letters, render, stop };
