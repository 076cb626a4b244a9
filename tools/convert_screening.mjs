#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
//
// Makes models/screening/screening.safetensors from the npm package nsfwjs, which carries the two
// classifiers as JavaScript (MIT).  The package is fetched into a folder outside the repository:
//
//     cd SOMEWHERE && npm pack nsfwjs@4.4.0 && tar xzf nsfwjs-4.4.0.tgz
//     tools/convert_screening.mjs SOMEWHERE/package models/screening
//
// The weights stay the bytes that the package ships (value = byte * scale + least), so nothing is lost
// and the file is 7 MB and not 28; batch norms stay beside their convolutions and are folded when limn
// loads them (src/screen/weights.c).  What changes: names are limn's, convolutions are (out, in, h, w),
// depthwise ones (channels, 1, h, w), dense ones (out, in).  NAME.range holds scale and least as F64,
// because the package computes in double precision.  The same package gives the same bytes; their
// SHA-256 is printed and stands in src/screen/screen.c.
import { createHash } from 'node:crypto';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const VERSION = '4.4.0', MODELS = ['mobilenet_v2', 'mobilenet_v2_mid'];

function fail(text) {
    console.error(`convert_screening: ${text}`);
    process.exit(1);
}

const [from, to] = process.argv.slice(2);
if (!to) fail('give the folder of the unpacked package and the folder to write to');
const require = createRequire(import.meta.url);
const about = JSON.parse(readFileSync(join(from, 'package.json'), 'utf8'));
if (about.name !== 'nsfwjs' || about.version !== VERSION)
    fail(`${from} holds ${about.name} ${about.version}, and nsfwjs ${VERSION} is wanted`);

// limn's name of a tensor, or null for the two constants of `x * 2 - 1`, which are checked instead.
const KERAS = { kernel: 'weight', depthwise_kernel: 'weight', bias: 'bias', gamma: 'norm.gamma',
    beta: 'norm.beta', moving_mean: 'norm.mean', moving_variance: 'norm.variance' };

function nameOf(name) {
    let m;
    const last = name.split('/').slice(-1)[0];
    if ((m = /(?:^|\/)(?:expanded_conv|block_(\d+))_(expand|depthwise|project)(?:_BN)?\/[a-z_]+$/.exec(name)))
        return `blocks.${m[1] ?? 0}.${m[2]}.${KERAS[last]}`;
    if (/(?:^|\/)(Conv1|bn_Conv1)\/[a-z_]+$/.test(name)) return `stem.${KERAS[last]}`;
    if (/(?:^|\/)(Conv_1|Conv_1_bn)\/(kernel|gamma|beta|moving_[a-z]+)$/.test(name)) return `head.${KERAS[last]}`;
    if ((m = /(?:^|\/)dense_([123])\/[a-z]+$/.exec(name))) return `dense.${m[1] - 1}.${KERAS[last]}`;

    const folded = { Conv2D_weights: 'weight', depthwise_weights: 'weight', Conv2D_bn_offset: 'bias',
        depthwise_bn_offset: 'bias' }[last];
    if ((m = /\/expanded_conv(?:_(\d+))?\/(expand|depthwise|project)\/[A-Za-z0-9_]+$/.exec(name)) && folded)
        return `blocks.${m[1] ?? 0}.${m[2]}.${folded}`;
    if (/\/MobilenetV2\/Conv\/Conv2D_/.test(name)) return `stem.${folded}`;
    if (/\/MobilenetV2\/Conv_1\/Conv2D_/.test(name)) return `head.${folded}`;
    if (/\/input\/_262$/.test(name)) return 'dense.0.weight';
    if (/\/input\/_263$/.test(name)) return 'dense.0.bias';
    if (/\/hub_input\/(Mul|Sub)\/y$/.test(name)) return null;
    return fail(`${name} is not understood`);
}

// Bytes with axes exchanged: out axis k is axis order[k] of the input.
function permuted(bytes, shape, order) {
    const strides = shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));
    const size = order.map((axis) => shape[axis]), step = order.map((axis) => strides[axis]);
    const out = Buffer.alloc(bytes.length), at = size.map(() => 0);
    for (let i = 0; i < out.length; i++) {
        out[i] = bytes[at.reduce((sum, n, k) => sum + n * step[k], 0)];
        for (let k = size.length - 1; k >= 0 && ++at[k] === size[k]; k--) at[k] = 0;
    }
    return { size, bytes: out };
}

const ranges = [], values = [];
for (const model of MODELS) {
    const load = (name) => {
        const x = require(resolve(from, 'dist/models', model, name));
        return x.default || x;
    };
    const manifest = load('model.min.js').weightsManifest;
    const data = Buffer.concat(manifest.flatMap((group) =>
        group.paths.map((path) => Buffer.from(load(`${path}.min.js`), 'base64'))));
    let offset = 0;
    for (const w of manifest.flatMap((group) => group.weights)) {
        const count = w.shape.reduce((a, b) => a * b, 1), name = nameOf(w.name);
        if (w.quantization?.dtype !== 'uint8') fail(`${w.name} is not of 8-bit values`);
        const { scale, min } = w.quantization;
        const bytes = data.subarray(offset, (offset += count));
        if (name === null) {
            const value = bytes[0] * scale + min;
            if (value !== (/Mul\/y$/.test(w.name) ? 2 : 1)) fail(`${w.name} is ${value}`);
            continue;
        }
        const order = w.shape.length === 2 ? [1, 0] : w.shape.length === 1 ? [0]
            : /depthwise\.weight$/.test(name) ? [2, 3, 0, 1] : [3, 2, 0, 1];
        const full = `${model}.${name}`, p = permuted(bytes, w.shape, order), range = Buffer.alloc(16);
        range.writeDoubleLE(scale, 0);
        range.writeDoubleLE(min, 8);
        values.push({ name: full, dtype: 'U8', shape: p.size, bytes: p.bytes });
        ranges.push({ name: `${full}.range`, dtype: 'F64', shape: [2], bytes: range });
    }
    if (offset !== data.length) fail(`${model}: ${data.length} bytes of weights, ${offset} described`);
}

const tensors = [...ranges, ...values];
const header = { __metadata__: { source: `npm nsfwjs ${VERSION}`, license: 'MIT',
    values: 'byte * range[0] + range[1], in double precision' } };
let end = 0;
for (const t of tensors) {
    if (header[t.name]) fail(`there are two tensors named ${t.name}`);
    header[t.name] = { dtype: t.dtype, shape: t.shape, data_offsets: [end, (end += t.bytes.length)] };
}
let text = JSON.stringify(header);
text += ' '.repeat((8 - text.length % 8) % 8);
const length = Buffer.alloc(8);
length.writeBigUInt64LE(BigInt(text.length));
const file = Buffer.concat([length, Buffer.from(text), ...tensors.map((t) => t.bytes)]);
writeFileSync(join(to, 'screening.safetensors'), file);
copyFileSync(join(from, 'LICENSE'), join(to, 'LICENSE.nsfwjs'));
console.log(`${values.length} tensors, ${file.length} bytes, SHA-256 ` +
    createHash('sha256').update(file).digest('hex'));
