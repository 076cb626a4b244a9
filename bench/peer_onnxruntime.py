#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""onnxruntime as a peer: inference in float32, one JSON object on one line.

    peer_onnxruntime.py infer [--net unet_256] [--size 256] [--batch 1] [--threads 2] ...

The network is exported by PyTorch in a process of its own, so that PyTorch's memory is not counted
here, compared once with PyTorch's result, and kept beside the virtual environment.
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


def main():
    parser = peer_common.settings(__doc__, ["infer"], ["fp32"])
    parser.add_argument("--export-only", metavar="FILE", help=argparse.SUPPRESS)
    args = peer_common.complete(parser.parse_args())
    if args.export_only:
        return export(args, args.export_only)

    folder = os.path.join(sys.prefix, "limn-onnx")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, f"{args.net}-{args.norm}-{args.ngf}-{args.batch}-{args.size}.onnx")
    if not os.path.exists(path):
        subprocess.run([sys.executable, *sys.argv, "--export-only", path], check=True, stdout=sys.stderr)

    run = session(path, args.threads)
    picture = numpy.tanh(numpy.random.default_rng(0).standard_normal(
        (args.batch, 3, args.size, args.size), dtype=numpy.float32))
    samples = peer_common.measure(lambda: run.run(None, {"input": picture}), args.rounds, args.warm)
    del args.export_only
    peer_common.report(samples, peer="onnxruntime " + onnxruntime.__version__, **vars(args))


if __name__ == "__main__":
    main()
