// SPDX-License-Identifier: Apache-2.0
//
// Runs ONNX files with onnxruntime-node, for check_models.py.
//
//     node run_onnx.mjs FOLDER JOBS     FOLDER has node_modules/onnxruntime-node
//
// JOBS is a JSON list of [model, input, output, n, c, h, w]; input and output are raw float32 files.
// Prints the output's shape of each, a line a job.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const ort = createRequire(join(resolve(process.argv[2]), 'here.js'))('onnxruntime-node');
const options = { executionProviders: ['cpu'], intraOpNumThreads: 1, logSeverityLevel: 3 };
let name = null;
let session = null;

for (const [model, input, output, ...shape] of JSON.parse(readFileSync(process.argv[3], 'utf8'))) {
  if (model !== name) {
    if (session) await session.release();
    session = await ort.InferenceSession.create(model, options);
    name = model;
  }
  const bytes = readFileSync(input);
  const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const result = await session.run({ input: new ort.Tensor('float32', values, shape) });
  const data = result.output.data;
  writeFileSync(output, Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  console.log(result.output.dims.join(' '));
}
