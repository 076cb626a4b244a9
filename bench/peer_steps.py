# SPDX-License-Identifier: Apache-2.0
"""Training steps by PyTorch, those of src/recipe in the same order of updates: what peer_torch.py
times and what train_torch.py learns by."""
import contextlib
import itertools

import torch
import torch.nn.functional as F

import peer_networks as nets


def autocast(compute, cache=True):
    if compute == "bf16":
        return torch.autocast("cpu", torch.bfloat16, cache_enabled=cache)
    return contextlib.nullcontext()


class Trainer:
    """args: set_to_none, channels_last, compile, compute, norm, ndf, as peer_torch.py has them."""
    criterion = staticmethod(F.mse_loss)

    def __init__(self, args):
        self.args = args
        self.format = torch.channels_last if args.channels_last else torch.contiguous_format

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
        return self.criterion(verdict, torch.full_like(verdict, float(real)))

    def clear(self, optimizer):
        optimizer.zero_grad(set_to_none=self.args.set_to_none)


class Pix2Pix(Trainer):
    criterion = staticmethod(F.binary_cross_entropy_with_logits)

    def __init__(self, args, generator, lambda_l1=100.0):
        super().__init__(args)
        self.lambda_l1 = lambda_l1
        self.G = self.network(generator)
        self.D = self.network(nets.critic(args.ndf, args.norm, 6))
        self.optimizer_g, self.optimizer_d = self.adam(self.G), self.adam(self.D)

    def step(self, a, b):
        """The weighted L1 of before the generator's update."""
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
        g_l1 = F.l1_loss(fake, b) * self.lambda_l1
        (g_gan + g_l1).backward()
        self.optimizer_g.step()
        return g_l1


class CycleGAN(Trainer):
    def __init__(self, args, *generators):
        super().__init__(args)
        self.G_A, self.G_B = (self.network(g) for g in generators)
        self.D_A, self.D_B = (self.network(nets.critic(args.ndf, args.norm, 3)) for _ in "AB")
        self.optimizer_g = self.adam(self.G_A, self.G_B)
        self.optimizer_d = self.adam(self.D_A, self.D_B)

    def step(self, a, b):
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
