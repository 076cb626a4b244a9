// SPDX-License-Identifier: Apache-2.0
//
// Two C2PA clients that know nothing of limn, behind four words; check_provenance.sh calls it.  It has
// to lie beside the node_modules folder that holds them.
//
//     check FILE...              both must call every file valid
//     broken FILE...             neither may call any of them valid
//     none FILE...               neither may find a manifest
//     trusted ANCHORS FILE...    c2pa-rs must say Trusted with these anchors (c2pa-ts has no anchors)
//     flip FILE FOLDER           writes copies with one bit changed, one for every region of a file
//     foreign KEYS FOLDER FILE...  lets c2pa-rs sign each file, with every kind of key in KEYS
import crypto from 'crypto';
import fs from 'fs';
import path from 'path';

const pkg = new URL('./node_modules/@contentauth/c2pa-wasm/pkg/', import.meta.url);
const rs = await import(pkg + 'c2pa.js');
rs.initSync({ module: fs.readFileSync(new URL('c2pa_bg.wasm', pkg)) });
const dist = new URL('./node_modules/@trustnxt/c2pa-ts/dist/', import.meta.url);
const { JPEG, PNG } = await import(dist + 'asset/index.js');
const { SuperBox } = await import(dist + 'jumbf/index.js');
const { ManifestStore } = await import(dist + 'manifest/index.js');

const kinds = { '.png': 'image/png', '.jpg': 'image/jpeg', '.webp': 'image/webp', '.tif': 'image/tiff' };
const kind = file => kinds[path.extname(file)];

async function askRs(file, context) {
  try {
    const reader = await rs.WasmReader.fromBytes(kind(file), new Uint8Array(fs.readFileSync(file)), context ?? null);
    return JSON.parse(reader.json()).validation_state;
  } catch (e) {
    const text = String(e?.message ?? e);
    return /JumbfNotFound|no JUMBF/i.test(text) ? 'none' : 'error: ' + text;
  }
}

async function askTs(file) {
  try {
    const bytes = fs.readFileSync(file);
    const asset = kind(file) === 'image/jpeg' ? new JPEG(bytes) : new PNG(bytes);
    const boxes = asset.getManifestJUMBF();
    if (!boxes) return 'none';
    return (await ManifestStore.read(SuperBox.fromBuffer(boxes)).validate(asset)).isValid ? 'Valid' : 'Invalid';
  } catch (e) {
    return 'error: ' + e.message;
  }
}

let bad = 0;
function demand(file, holds, ...says) {
  if (!holds) bad++;
  console.log(`${holds ? 'ok  ' : 'FAIL'} ${path.basename(file)}: ${says.map(s => s.slice(0, 100)).join(', ')}`);
}

// One place in every region: what is hashed of the file, and what is hashed or signed of the manifest.
function places(bytes) {
  const jpeg = bytes[0] === 0xff, at = text => bytes.indexOf(text);
  const found = {
    header: 20, xmp: at('CreatorTool'), pixels: bytes.length - 60, end: bytes.length - 1,
    action: at('c2pa.created'), hash: at('exclusions') - 40, exclusion: at('exclusions') + 18,
    claim: at('created_assertions') + 40, certificate: at('self-made') + 3,
    signature: (jpeg ? at('Signature1') : at('c2pa.signature\0')) + 60,
  };
  found.signature = bytes.lastIndexOf(Buffer.from([0xf6, 0x58, 0x40])) + 20; // after the absent payload
  return found;
}

function flip(file, folder) {
  const bytes = fs.readFileSync(file);
  for (const [region, place] of Object.entries(places(bytes))) {
    if (place < 20) throw new Error(`${file}: no ${region}`);
    const copy = Buffer.from(bytes);
    copy[place] ^= 1;
    fs.writeFileSync(path.join(folder, `flip_${region}${path.extname(file)}`), copy);
  }
}

// ---- Signing with c2pa-rs, which wants the whole COSE_Sign1 from its caller ----------------------

const algorithms = {
  es256: [-7, 'sha256'], es384: [-35, 'sha384'], es512: [-36, 'sha512'], ps256: [-37, 'sha256'],
  ps384: [-38, 'sha384'], ps512: [-39, 'sha512'], ed25519: [-8, null],
};
const RESERVE = 8192;

function head(major, n) {
  if (n < 24) return Buffer.from([major << 5 | n]);
  if (n < 256) return Buffer.from([major << 5 | 24, n]);
  return Buffer.from([major << 5 | 25, n >> 8, n & 255]);
}
const bytesOf = b => Buffer.concat([head(2, b.length), b]);
const textOf = s => Buffer.concat([head(3, s.length), Buffer.from(s)]);

function signer(folder, alg) {
  const [number, hash] = algorithms[alg];
  const key = crypto.createPrivateKey(fs.readFileSync(path.join(folder, alg + '.key')));
  const der = new crypto.X509Certificate(fs.readFileSync(path.join(folder, alg + '.pem'))).raw;
  const headers = Buffer.concat([head(5, 2), head(0, 1), head(1, -1 - number), head(0, 33), bytesOf(der)]);
  const sign = async claim => {
    const message = Buffer.concat([head(4, 4), textOf('Signature1'), bytesOf(headers), head(2, 0), bytesOf(Buffer.from(claim))]);
    const options = { key, dsaEncoding: 'ieee-p1363' };
    if (alg.startsWith('ps')) {
      options.padding = crypto.constants.RSA_PKCS1_PSS_PADDING;
      options.saltLength = crypto.constants.RSA_PSS_SALTLEN_DIGEST;
    }
    const signature = bytesOf(crypto.sign(hash, message, options));
    const front = Buffer.concat([Buffer.from([0xd2, 0x84]), bytesOf(headers), head(5, 1), textOf('pad')]);
    const pad = RESERVE - front.length - 3 - 1 - signature.length;
    return new Uint8Array(Buffer.concat([front, bytesOf(Buffer.alloc(pad)), Buffer.from([0xf6]), signature]));
  };
  return { alg, reserveSize: RESERVE, sign };
}

// The browser's way to read a file, which node does not have.
class Held extends Blob {
  constructor(bytes) { super([bytes]); this.held = Buffer.from(bytes); }
  slice(from, to) { return new Held(this.held.subarray(from, to)); }
}
globalThis.FileReaderSync = class {
  readAsArrayBuffer({ held }) { return held.buffer.slice(held.byteOffset, held.byteOffset + held.length); }
};

async function sign(keys, alg, version, file, to, ingredient) {
  const action = ingredient
    ? { action: 'c2pa.opened', parameters: { ingredientIds: ['i'] } }
    : { action: 'c2pa.created', digitalSourceType: 'http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture' };
  const builder = rs.WasmBuilder.fromJson(JSON.stringify({
    claim_version: version, claim_generator_info: [{ name: 'other software', version: '2.0' }], format: kind(file),
    assertions: [
      { label: version === 1 ? 'c2pa.actions' : 'c2pa.actions.v2', data: { actions: [action] } },
      { label: 'org.example.note', data: { text: 'unknown to limn' } },
    ],
  }), null);
  if (ingredient)
    await builder.addIngredientFromBlob(JSON.stringify({ title: 'parent', relationship: 'parentOf', label: 'i' }), kind(ingredient), new Held(fs.readFileSync(ingredient)));
  fs.writeFileSync(to, await builder.sign(signer(keys, alg), [], kind(file), new Held(fs.readFileSync(file))));
  const says = await askRs(to);
  demand(to, says === 'Valid', 'signed by c2pa-rs', says);
}

async function foreign(keys, folder, files) {
  for (const version of [1, 2]) {
    const parent = path.join(folder, `foreign_es256_v${version}${path.extname(files[0])}`);
    for (const alg of Object.keys(algorithms))
      await sign(keys, alg, version, files[0], path.join(folder, `foreign_${alg}_v${version}${path.extname(files[0])}`));
    await sign(keys, 'es384', version, files[0], path.join(folder, `foreign_ingredient_v${version}${path.extname(files[0])}`), parent);
  }
  for (const file of files.slice(1)) await sign(keys, 'es256', 2, file, path.join(folder, 'foreign' + path.extname(file)));
}

const [word, ...files] = process.argv.slice(2);
if (word === 'flip') {
  flip(files[0], files[1]);
} else if (word === 'foreign') {
  await foreign(files[0], files[1], files.slice(2));
} else {
  const anchors = word === 'trusted' ? fs.readFileSync(files.shift(), 'utf8') : null;
  const context = anchors && JSON.stringify({ trust: { user_anchors: anchors }, verify: { verify_trust: true } });
  for (const file of files) {
    const a = await askRs(file, context), b = await askTs(file);
    if (word === 'check') demand(file, a === 'Valid' && b === 'Valid', a, b);
    else if (word === 'trusted') demand(file, a === 'Trusted' && b === 'Valid', a, b);
    else if (word === 'none') demand(file, a === 'none' && b === 'none', a, b);
    else if (word === 'broken') demand(file, !['Valid', 'Trusted', 'none'].includes(a) && b !== 'Valid', a, b);
    else throw new Error('check, broken, none, trusted, flip or foreign');
  }
}
process.exit(bad ? 1 : 0);
