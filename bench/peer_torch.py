#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""PyTorch as a peer: whole training steps and inference, one JSON object on one line.

    peer_torch.py pix2pix|cycle_gan|infer [--net unet_256] [--size 256] [--compute bf16] ...

The steps are those of src/recipe, in the same order of updates; only the speed is of interest, so
the pictures are noise.  Give it what it is fastest with: --set-to-none and a preloaded jemalloc for
training, --optimize for inference.
"""
import contextlib
import itertools
import warnings

import torch
import torch.nn.functional as F

import peer_common
import peer_networks as nets


class Trainer:
    def __init__(self, args):
        self.args = args
        self.format = torch.channels_last if args.channels_last else torch.contiguous_format
        self.mode = "vanilla" if args.kind == "pix2pix" else "lsgan"
        self.real_a, self.real_b = (self.place(nets.picture(args.batch, args.size)) for _ in "AB")

    def place(self, tensor):
        return tensor.contiguous(memory_format=self.format)

    def network(self, net):
        net = nets.start(net).train().to(memory_format=self.format)
        return torch.compile(net) if self.args.compile else net

    def adam(self, *networks):
        parameters = itertools.chain(*(n.parameters() for n in networks))
        return torch.optim.Adam(parameters, lr=2e-4, betas=(0.5, 0.999))

    def run(self, net, *tensors):
        """Forward in the asked precision; what leaves is float32, as losses want it."""
        with autocast(self.args.compute):
            out = net(*tensors)
        return out.float()

    def gan(self, verdict, real):
        target = torch.full_like(verdict, 1.0 if real else 0.0)
        if self.mode == "vanilla":
            return F.binary_cross_entropy_with_logits(verdict, target)
        return F.mse_loss(verdict, target)

    def clear(self, optimizer):
        optimizer.zero_grad(set_to_none=self.args.set_to_none)


class Pix2Pix(Trainer):
    def __init__(self, args):
        super().__init__(args)
        self.G = self.network(nets.GENERATORS[args.net](args.ngf, args.norm))
        self.D = self.network(nets.critic(args.ndf, args.norm, 6))
        self.optimizer_g, self.optimizer_d = self.adam(self.G), self.adam(self.D)

    def step(self):
        a, b = self.real_a, self.real_b
        fake = self.run(self.G, a)

        self.D.requires_grad_(True)
        self.clear(self.optimizer_d)
        d_fake = self.gan(self.run(self.D, torch.cat([a, fake], 1).detach()), False)
        d_real = self.gan(self.run(self.D, torch.cat([a, b], 1)), True)
        ((d_fake + d_real) * 0.5).backward()
        self.optimizer_d.step()

        self.D.requires_grad_(False)
        self.clear(self.optimizer_g)
        g_gan = self.gan(self.run(self.D, torch.cat([a, fake], 1)), True)
        g_l1 = F.l1_loss(fake, b) * 100.0
        (g_gan + g_l1).backward()
        self.optimizer_g.step()


class CycleGAN(Trainer):
    def __init__(self, args):
        super().__init__(args)
        self.G_A, self.G_B = (self.network(nets.GENERATORS[args.net](args.ngf, args.norm)) for _ in "AB")
        self.D_A, self.D_B = (self.network(nets.critic(args.ndf, args.norm, 3)) for _ in "AB")
        self.optimizer_g = self.adam(self.G_A, self.G_B)
        self.optimizer_d = self.adam(self.D_A, self.D_B)

    def step(self):
        a, b = self.real_a, self.real_b
        fake_b, fake_a = self.run(self.G_A, a), self.run(self.G_B, b)
        back_a, back_b = self.run(self.G_B, fake_b), self.run(self.G_A, fake_a)

        self.D_A.requires_grad_(False)
        self.D_B.requires_grad_(False)
        self.clear(self.optimizer_g)
        identity = F.l1_loss(self.run(self.G_A, b), b) * 5.0 + F.l1_loss(self.run(self.G_B, a), a) * 5.0
        adversarial = self.gan(self.run(self.D_A, fake_b), True) + self.gan(self.run(self.D_B, fake_a), True)
        cycle = F.l1_loss(back_a, a) * 10.0 + F.l1_loss(back_b, b) * 10.0
        (adversarial + cycle + identity).backward()
        self.optimizer_g.step()

        self.D_A.requires_grad_(True)
        self.D_B.requires_grad_(True)
        self.clear(self.optimizer_d)
        for critic, real, fake in ((self.D_A, b, fake_b), (self.D_B, a, fake_a)):
            loss = self.gan(self.run(critic, real), True) + self.gan(self.run(critic, fake.detach()), False)
            (loss * 0.5).backward()
        self.optimizer_d.step()


def autocast(compute, cache=True):
    if compute == "bf16":
        return torch.autocast("cpu", torch.bfloat16, cache_enabled=cache)
    return contextlib.nullcontext()


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
    if args.kind == "infer":
        call = inference(args)
    else:
        call = (Pix2Pix if args.kind == "pix2pix" else CycleGAN)(args).step
    samples = peer_common.measure(call, args.rounds, args.warm)
    peer_common.report(samples, peer="torch " + torch.__version__, **vars(args))


if __name__ == "__main__":
    main()
