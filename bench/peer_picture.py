#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One picture through a unet_256 in PyTorch, as a program that is started for it: import, weights,
picture, network, file.

    peer_picture.py --make NET.pth              a random network, as a checkpoint that limn imports
    peer_picture.py NET.pth IN.png OUT.png [--threads 2]

What PyTorch 2 can do to start faster is done: the network is described without memory, the file is
mapped and its tensors are taken as they are.
"""
import argparse

import numpy
import torch
from PIL import Image

import peer_networks as nets


def describe():
    return nets.GENERATORS["unet_256"](64, "batch")


def make(path):
    torch.manual_seed(0)
    net = nets.start(describe())
    # The names under which pytorch-CycleGAN-and-pix2pix saves the same layers.
    torch.save({"model." + name: tensor for name, tensor in net.state_dict().items()}, path)


def read(path):
    new = int(torch.__version__.split(".")[0]) >= 2
    state = torch.load(path, mmap=True, weights_only=True) if new else torch.load(path)
    state = {name[len("model."):]: tensor for name, tensor in state.items()}
    if not new:
        net = describe()
        net.load_state_dict(state)
        return net
    with torch.device("meta"):
        net = describe()
    net.load_state_dict(state, assign=True)
    return net


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--make", metavar="FILE")
    parser.add_argument("file", nargs="*", metavar="NET.pth IN.png OUT.png")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    if args.make:
        return make(args.make)
    if len(args.file) != 3:
        parser.error("name the network, the picture and where to")
    checkpoint, source, target = args.file
    torch.set_num_threads(args.threads)
    net = read(checkpoint).eval()
    pixels = numpy.asarray(Image.open(source).convert("RGB"), dtype=numpy.float32) / 127.5 - 1
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].contiguous()
    with torch.inference_mode():
        y = net(x)[0]
    y = ((y.permute(1, 2, 0) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    Image.fromarray(y.numpy()).save(target)
    return None


if __name__ == "__main__":
    main()
