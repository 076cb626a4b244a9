#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""onnxruntime as a peer: inference in float32 and int8, one JSON object on one line.

    peer_onnxruntime.py infer [--net unet_256] [--size 256] [--batch 1] [--threads 2] ...
    peer_onnxruntime.py infer --compute int8 --quantize qdq|operators ...

The network is exported by PyTorch in a process of its own, so that PyTorch's memory is not counted
here, compared once with PyTorch's result, and kept beside the virtual environment.  int8 is
onnxruntime's own static quantisation of that file: unsigned activations, signed weights a channel,
calibrated on a few pictures; as operators (QLinearConv) or as pairs of quantise and dequantise
around each operation, which the runtime fuses.
"""
import argparse
import os
import subprocess
import sys

import numpy
import onnxruntime

import peer_common


def session(path, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def export(args, path):
    import torch
    import peer_networks as nets

    torch.manual_seed(0)
    net = nets.start(nets.GENERATORS[args.net](args.ngf, args.norm)).eval()
    picture = nets.picture(args.batch, args.size)
    temporary = path + ".new"
    torch.onnx.export(net, (picture,), temporary, input_names=["input"], output_names=["output"],
                      opset_version=18, external_data=False)
    with torch.no_grad():
        expected = net(picture).numpy()
    got = session(temporary, args.threads).run(None, {"input": picture.numpy()})[0]
    worst = float(numpy.abs(got - expected).max())
    if not worst < 1e-3:
        sys.exit(f"peer_onnxruntime: the export differs from PyTorch by {worst}")
    os.replace(temporary, path)


def quantise(args, source, path):
    from onnxruntime import quantization as q
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Pictures(q.CalibrationDataReader):
        def __init__(self):
            random = numpy.random.default_rng(1)
            self.left = [numpy.tanh(random.standard_normal(
                (args.batch, 3, args.size, args.size), dtype=numpy.float32)) for _ in range(4)]

        def get_next(self):
            return {"input": self.left.pop()} if self.left else None

    prepared, temporary = path + ".prepared", path + ".new"
    quant_pre_process(source, prepared, skip_symbolic_shape=True)
    q.quantize_static(prepared, temporary, Pictures(), per_channel=True,
                      quant_format=q.QuantFormat.QDQ if args.quantize == "qdq" else q.QuantFormat.QOperator,
                      activation_type=q.QuantType.QUInt8, weight_type=q.QuantType.QInt8)
    os.remove(prepared)
    os.replace(temporary, path)


def main():
    parser = peer_common.settings(__doc__, ["infer"], ["fp32", "int8"])
    parser.add_argument("--quantize", choices=["qdq", "operators"], default="qdq")
    parser.add_argument("--export-only", metavar="FILE", help=argparse.SUPPRESS)
    parser.add_argument("--quantize-only", nargs=2, metavar="FILE", help=argparse.SUPPRESS)
    args = peer_common.complete(parser.parse_args())
    if args.export_only:
        return export(args, args.export_only)
    if args.quantize_only:
        return quantise(args, *args.quantize_only)

    folder = os.path.join(sys.prefix, "limn-onnx")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, f"{args.net}-{args.norm}-{args.ngf}-{args.batch}-{args.size}.onnx")
    if not os.path.exists(path):
        subprocess.run([sys.executable, *sys.argv, "--export-only", path], check=True, stdout=sys.stderr)
    if args.compute == "int8":
        source, path = path, path.replace(".onnx", f"-{args.quantize}.onnx")
        if not os.path.exists(path):
            subprocess.run([sys.executable, *sys.argv, "--quantize-only", source, path], check=True,
                           stdout=sys.stderr)

    run = session(path, args.threads)
    picture = numpy.tanh(numpy.random.default_rng(0).standard_normal(
        (args.batch, 3, args.size, args.size), dtype=numpy.float32))
    samples = peer_common.measure(lambda: run.run(None, {"input": picture}), args.rounds, args.warm)
    del args.export_only, args.quantize_only
    peer_common.report(samples, peer="onnxruntime " + onnxruntime.__version__, **vars(args))


if __name__ == "__main__":
    main()
