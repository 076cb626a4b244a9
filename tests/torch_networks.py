# SPDX-License-Identifier: Apache-2.0
"""The networks of pytorch-CycleGAN-and-pix2pix and of CUT, as their checkpoints name them, in PyTorch.

For the recipes in this folder that make checkpoints (make_checkpoints.py): an implementation that
shares nothing with the program.  Layer order and names are the facts that matter; `era` tells how
the projects changed:

  "new"    instance norm without weights and statistics, convolution bias only with instance norm
  "stale"  the same with running statistics that instance norm does not use (PyTorch 0.3 and 0.4)
  "2017"   zero padding inside the convolutions, norms with weights, every convolution with a bias
"""
import functools

import torch
import torch.nn as nn
import torch.nn.functional as F


def norm_of(kind, era="new"):
    if kind == "none":
        return lambda channels: nn.Identity()
    if kind == "batch":
        return nn.BatchNorm2d
    return functools.partial(nn.InstanceNorm2d, affine=era == "2017",
                             track_running_stats=era != "new")


def bias_of(kind, era="new"):
    return kind == "instance" or era == "2017"


class Block(nn.Module):
    """One level of the U-Net around everything below it."""

    def __init__(self, outer, inner, cin=None, sub=None, where="middle", kind="batch", drop=False,
                 era="new"):
        super().__init__()
        self.where = where
        norm, bias = norm_of(kind, era), bias_of(kind, era)
        down = nn.Conv2d(cin or outer, inner, 4, 2, 1, bias=bias)
        if where == "outermost":
            layers = [down, sub, nn.ReLU(True), nn.ConvTranspose2d(inner * 2, outer, 4, 2, 1), nn.Tanh()]
        elif where == "innermost":
            layers = [nn.LeakyReLU(.2, True), down, nn.ReLU(True),
                      nn.ConvTranspose2d(inner, outer, 4, 2, 1, bias=bias), norm(outer)]
        else:
            layers = [nn.LeakyReLU(.2, True), down, norm(inner), sub, nn.ReLU(True),
                      nn.ConvTranspose2d(inner * 2, outer, 4, 2, 1, bias=bias), norm(outer)]
            layers += [nn.Dropout(.5)] if drop else []
        self.model = nn.Sequential(*layers)

    def forward(self, x):
        return self.model(x) if self.where == "outermost" else torch.cat([x, self.model(x)], 1)


class Wrap(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model(x)


def unet(downs, ngf, kind, cin=3, cout=3, drop=False, era="new"):
    block = Block(ngf * 8, ngf * 8, where="innermost", kind=kind, era=era)
    for _ in range(downs - 5):
        block = Block(ngf * 8, ngf * 8, sub=block, kind=kind, drop=drop, era=era)
    for k in (4, 2, 1):
        block = Block(ngf * k, ngf * k * 2, sub=block, kind=kind, era=era)
    return Wrap(Block(cout, ngf, cin=cin, sub=block, where="outermost", kind=kind, era=era))


class Residual(nn.Module):
    def __init__(self, width, kind, drop, era="new", pad="reflect"):
        super().__init__()
        norm, bias, zero = norm_of(kind, era), bias_of(kind, era), pad == "zero"
        layers = []
        for half in range(2):
            layers += [] if zero else [nn.ReflectionPad2d(1)]
            layers += [nn.Conv2d(width, width, 3, padding=int(zero), bias=bias), norm(width)]
            if not half:
                layers += [nn.ReLU(True)] + ([nn.Dropout(.5)] if drop else [])
        self.conv_block = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.conv_block(x)


def binomial(width):
    row = torch.tensor({3: [1., 2., 1.], 4: [1., 3., 3., 1.]}[width])
    return row[:, None] * row[None] / row.sum() ** 2


class Downsample(nn.Module):
    """CUT's blur and subsample: reflect by one, [1 2 1], every second."""

    def __init__(self, channels):
        super().__init__()
        self.register_buffer("filt", binomial(3)[None, None].repeat(channels, 1, 1, 1))

    def forward(self, x):
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), self.filt, stride=2, groups=x.shape[1])


class Upsample(nn.Module):
    """CUT's zero insertion and blur: repeat the border, [1 3 3 1] twice as strong."""

    def __init__(self, channels):
        super().__init__()
        self.register_buffer("filt", binomial(4)[None, None].repeat(channels, 1, 1, 1) * 4)

    def forward(self, x):
        y = F.conv_transpose2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), self.filt, stride=2, padding=2,
                               groups=x.shape[1])
        return y[:, :, 1:-1, 1:-1]


def resnet(blocks, ngf, kind, cin=3, cout=3, drop=False, era="new", antialias=False, antialias_up=False):
    norm, bias, old = norm_of(kind, era), bias_of(kind, era), era == "2017"
    pad = [] if old else [nn.ReflectionPad2d(3)]
    m = pad + [nn.Conv2d(cin, ngf, 7, padding=3 * old, bias=bias), norm(ngf), nn.ReLU(True)]
    for k in (1, 2):
        m += [nn.Conv2d(ngf * k, ngf * k * 2, 3, 1 if antialias else 2, 1, bias=bias), norm(ngf * k * 2),
              nn.ReLU(True)] + ([Downsample(ngf * k * 2)] if antialias else [])
    m += [Residual(ngf * 4, kind, drop, era, "zero" if old else "reflect") for _ in range(blocks)]
    for k in (4, 2):
        if antialias_up:
            m += [Upsample(ngf * k), nn.Conv2d(ngf * k, ngf * k // 2, 3, 1, 1, bias=bias)]
        else:
            m += [nn.ConvTranspose2d(ngf * k, ngf * k // 2, 3, 2, 1, 1, bias=bias)]
        m += [norm(ngf * k // 2), nn.ReLU(True)]
    m += [] if old else [nn.ReflectionPad2d(3)]
    return Wrap(nn.Sequential(*m, nn.Conv2d(ngf, cout, 7, padding=3 * old), nn.Tanh()))


def critic(ndf, kind, cin=6, layers=3, era="new", antialias=False):
    norm, bias, step = norm_of(kind, era), bias_of(kind, era), 1 if antialias else 2
    down = lambda c: [Downsample(c)] if antialias else []
    m, f = [nn.Conv2d(cin, ndf, 4, step, 1), nn.LeakyReLU(.2, True)] + down(ndf), 1
    for i in range(1, layers + 1):
        p, f, last = f, min(2 ** i, 8), i == layers
        m += [nn.Conv2d(ndf * p, ndf * f, 4, 1 if last else step, 1, bias=bias), norm(ndf * f),
              nn.LeakyReLU(.2, True)] + ([] if last else down(ndf * f))
    return Wrap(nn.Sequential(*m, nn.Conv2d(ndf * f, 1, 4, 1, 1)))


class Pixel(nn.Module):
    def __init__(self, ndf, kind, cin=6):
        super().__init__()
        norm, bias = norm_of(kind), bias_of(kind)
        self.net = nn.Sequential(nn.Conv2d(cin, ndf, 1), nn.LeakyReLU(.2, True),
                                 nn.Conv2d(ndf, ndf * 2, 1, bias=bias), norm(ndf * 2),
                                 nn.LeakyReLU(.2, True), nn.Conv2d(ndf * 2, 1, 1, bias=bias))

    def forward(self, x):
        return self.net(x)


def randomise(net, seed):
    """Random weights and running statistics: none is left at 0 or 1, where a mix-up would not show."""
    make = torch.Generator().manual_seed(seed)
    for name, t in net.state_dict().items():
        if name.endswith("filt") or name.endswith("num_batches_tracked"):
            continue
        t.copy_(torch.randn(t.shape, generator=make) * .02)
        if name.endswith("running_var"):
            t.copy_(t.abs() * 20 + .5)
        elif t.dim() == 1 and name.endswith("weight"):
            t.add_(1)
    return net
