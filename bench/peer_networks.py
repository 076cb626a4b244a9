# SPDX-License-Identifier: Apache-2.0
"""The networks that limn is compared on, written for PyTorch.

Layer for layer those of src/zoo: a comparison of speed between networks that differ says nothing.
Runs under PyTorch 1.13 (Debian 12) and the current one.
"""
import torch
from torch import nn


def norm_layer(kind, channels):
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    return nn.InstanceNorm2d(channels, affine=False, track_running_stats=False)


class Level(nn.Module):
    """One level of the U-Net: down, what lies below, up; its input is handed to the level above."""

    def __init__(self, channels, inner, below, norm, outer_in=None, outermost=False, dropout=False):
        super().__init__()
        self.outermost = outermost
        bias = norm == "instance"
        first = outer_in if outermost else channels
        down = nn.Conv2d(first, inner, 4, stride=2, padding=1, bias=bias)
        up_from = inner if below is None else inner * 2
        up = nn.ConvTranspose2d(up_from, channels, 4, stride=2, padding=1, bias=bias or outermost)
        layers = [] if outermost else [nn.LeakyReLU(0.2, inplace=True)]
        layers.append(down)
        if below is not None:
            if not outermost:
                layers.append(norm_layer(norm, inner))
            layers.append(below)
        layers += [nn.ReLU(inplace=True), up]
        layers.append(nn.Tanh() if outermost else norm_layer(norm, channels))
        if dropout:
            layers.append(nn.Dropout(0.5))
        self.model = nn.Sequential(*layers)

    def forward(self, x):
        return self.model(x) if self.outermost else torch.cat([x, self.model(x)], dim=1)


def unet(depth, ngf, norm, channels_in=3, channels_out=3, dropout=False):
    level = Level(ngf * 8, ngf * 8, None, norm)
    for _ in range(depth - 5):
        level = Level(ngf * 8, ngf * 8, level, norm, dropout=dropout)
    for width in (4, 2, 1):
        level = Level(ngf * width, ngf * width * 2, level, norm)
    return Level(channels_out, ngf, level, norm, outer_in=channels_in, outermost=True)


class Residual(nn.Module):
    def __init__(self, channels, norm):
        super().__init__()
        bias = norm == "instance"
        self.block = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3, bias=bias),
            norm_layer(norm, channels), nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3, bias=bias),
            norm_layer(norm, channels))

    def forward(self, x):
        return x + self.block(x)


def resnet(blocks, ngf, norm, channels_in=3, channels_out=3):
    bias = norm == "instance"
    layers = [nn.ReflectionPad2d(3), nn.Conv2d(channels_in, ngf, 7, bias=bias),
              norm_layer(norm, ngf), nn.ReLU(inplace=True)]
    for width in (ngf, ngf * 2):
        layers += [nn.Conv2d(width, width * 2, 3, stride=2, padding=1, bias=bias),
                   norm_layer(norm, width * 2), nn.ReLU(inplace=True)]
    layers += [Residual(ngf * 4, norm) for _ in range(blocks)]
    for width in (ngf * 4, ngf * 2):
        layers += [nn.ConvTranspose2d(width, width // 2, 3, stride=2, padding=1, output_padding=1,
                                      bias=bias),
                   norm_layer(norm, width // 2), nn.ReLU(inplace=True)]
    layers += [nn.ReflectionPad2d(3), nn.Conv2d(ngf, channels_out, 7), nn.Tanh()]
    return nn.Sequential(*layers)


def critic(ndf, norm, channels_in, layers=3):
    """PatchGAN; three layers look at 70x70 pixels."""
    bias = norm == "instance"
    model = [nn.Conv2d(channels_in, ndf, 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
    width = ndf
    for i in range(1, layers + 1):
        wider = ndf * min(2 ** i, 8)
        model += [nn.Conv2d(width, wider, 4, stride=2 if i < layers else 1, padding=1, bias=bias),
                  norm_layer(norm, wider), nn.LeakyReLU(0.2, inplace=True)]
        width = wider
    model.append(nn.Conv2d(width, 1, 4, padding=1))
    return nn.Sequential(*model)


GENERATORS = {
    "unet_128": lambda ngf, norm: unet(7, ngf, norm),
    "unet_256": lambda ngf, norm: unet(8, ngf, norm),
    "resnet_6blocks": lambda ngf, norm: resnet(6, ngf, norm),
    "resnet_9blocks": lambda ngf, norm: resnet(9, ngf, norm),
}


def start(net):
    """N(0, 0.02) weights, as the papers have it."""
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
            nn.init.zeros_(module.bias)
    return net


def picture(batch, size):
    return torch.randn(batch, 3, size, size).tanh()
