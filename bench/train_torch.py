#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""pix2pix trained by PyTorch on a folder of pairs: how good limn's trainings have to be.

    train_torch.py DATA --direction BtoA --n-epochs 10 --out torch_run
    limn import torch_run/latest_net_G.pth -o torch.safetensors
    limn score torch.safetensors DATA --phase val

The settings, their defaults and the order of updates are those of `limn train`: U-Net 256 with
batch norm and dropout, 70x70 patches, vanilla GAN loss and L1 x 100, scaled to load-size, a random
crop, half of the pictures turned.  Weights are kept after each epoch under the names of the
original, so that limn imports and scores both trainings by the same program.  Batches of 1, as in
the paper.
"""
import argparse
import os
import random
import time

import numpy as np
import torch
from PIL import Image

import peer_networks as nets
from peer_steps import Pix2Pix

PICTURES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".tif", ".tiff", ".webp")


def halves(path, direction, load_size):
    picture = Image.open(path).convert("RGB")
    width = picture.width // 2
    a, b = (picture.crop((x, 0, x + width, picture.height)).resize((load_size,) * 2, Image.BICUBIC)
            for x in (0, width))
    return (b, a) if direction == "BtoA" else (a, b)


def planes(picture):
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 127.5 - 1


def epoch_of(names, args):
    for path in random.sample(names, len(names)):
        pair = halves(path, args.direction, args.load_size)
        room = args.load_size - args.crop_size
        x, y = random.randint(0, room), random.randint(0, room)
        pair = [p.crop((x, y, x + args.crop_size, y + args.crop_size)) for p in pair]
        if random.random() < 0.5:
            pair = [p.transpose(Image.FLIP_LEFT_RIGHT) for p in pair]
        yield [planes(p)[None] for p in pair]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--direction", choices=["AtoB", "BtoA"], default="AtoB")
    parser.add_argument("--n-epochs", type=int, default=10)
    parser.add_argument("--load-size", type=int, default=286)
    parser.add_argument("--crop-size", type=int, default=256)
    parser.add_argument("--ngf", type=int, default=64)
    parser.add_argument("--ndf", type=int, default=64)
    parser.add_argument("--lambda-L1", type=float, default=100.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compute", choices=["fp32", "bf16"], default="fp32", help="bf16: autocast")
    parser.add_argument("--channels-last", action="store_true", help="faster in bf16 with PyTorch 2 and AMX")
    parser.add_argument("--out", default="torch_run")
    parser.set_defaults(norm="batch", compile=False, set_to_none=True)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    random.seed(args.seed)
    torch.set_num_threads(args.threads)
    folder = os.path.join(args.data, "train")
    names = sorted(os.path.join(folder, n) for n in os.listdir(folder) if n.lower().endswith(PICTURES))
    os.makedirs(args.out, exist_ok=True)

    trainer = Pix2Pix(args, nets.unet(8, args.ngf, "batch", dropout=True), args.lambda_L1)
    for epoch in range(1, args.n_epochs + 1):
        begin, total = time.time(), 0.0
        for a, b in epoch_of(names, args):
            total += trainer.step(a, b).item()
        weights = {"model." + name: w for name, w in trainer.G.state_dict().items()}
        for name in (f"{epoch}_net_G.pth", "latest_net_G.pth"):
            torch.save(weights, os.path.join(args.out, name))
        print(f"epoch {epoch} / {args.n_epochs}: G_L1 {total / len(names):.3f}, "
              f"{time.time() - begin:.0f} s", flush=True)


if __name__ == "__main__":
    main()
