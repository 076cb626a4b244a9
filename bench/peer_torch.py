#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""PyTorch as a peer: whole training steps and inference, one JSON object on one line.

    peer_torch.py pix2pix|cycle_gan|infer [--net unet_256] [--size 256] [--compute bf16] ...

The steps are in peer_steps.py; only the speed is of interest, so the pictures are noise.  Give it
what it is fastest with: --set-to-none and a preloaded jemalloc for training, --optimize for
inference.
"""
import warnings

import torch

import peer_common
import peer_networks as nets
from peer_steps import CycleGAN, Pix2Pix, autocast


def inference(args):
    net = nets.start(nets.GENERATORS[args.net](args.ngf, args.norm)).eval()
    picture = nets.picture(args.batch, args.size)
    if args.channels_last:
        net = net.to(memory_format=torch.channels_last)
        picture = picture.contiguous(memory_format=torch.channels_last)
    if args.compile:
        net = torch.compile(net)
    in_trace = args.optimize
    if in_trace:
        with torch.no_grad(), autocast(args.compute, cache=False):
            net = torch.jit.freeze(torch.jit.trace(net, picture, check_trace=False).eval())
            net = torch.jit.optimize_for_inference(net)

    def call():
        # A frozen trace has its precision inside, and does not know inference mode.
        if in_trace:
            with torch.no_grad():
                return net(picture)
        with torch.inference_mode(), autocast(args.compute):
            return net(picture)

    return call


def training(args):
    def generator():
        return nets.GENERATORS[args.net](args.ngf, args.norm)

    trainer = Pix2Pix(args, generator()) if args.kind == "pix2pix" else CycleGAN(args, generator(), generator())
    a, b = (nets.picture(args.batch, args.size).contiguous(memory_format=trainer.format) for _ in "AB")
    return lambda: trainer.step(a, b)


def main():
    parser = peer_common.settings(__doc__, ["pix2pix", "cycle_gan", "infer"], ["fp32", "bf16"])
    parser.add_argument("--set-to-none", action="store_true", help="free gradients instead of clearing them")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--optimize", action="store_true", help="infer: trace, freeze, optimize_for_inference")
    parser.add_argument("--compile", action="store_true", help="torch.compile (PyTorch 2 and a C++ compiler)")
    args = peer_common.complete(parser.parse_args())
    warnings.filterwarnings("ignore")
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    call = inference(args) if args.kind == "infer" else training(args)
    samples = peer_common.measure(call, args.rounds, args.warm)
    peer_common.report(samples, peer="torch " + torch.__version__, **vars(args))


if __name__ == "__main__":
    main()
