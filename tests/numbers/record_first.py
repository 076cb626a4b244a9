#!/usr/bin/python3
"""Records the gradients of the first step of every recording in steps/, with PyTorch in float64.

    /usr/bin/python3 record_first.py NUMBERS_DIR      (Debian: apt-get install python3-torch)

Reads NUMBERS_DIR/steps/NAME.safetensors (weights before, pictures, settings) and writes
NUMBERS_DIR/first/NAME.safetensors: "G.model.model.0.weight" ... the gradient that the optimiser of that
parameter is given in step 0, float32.  Networks and losses are those of record.py beside this file.

Why the gradients and not the weights after a step: Adam's first step is nearly the sign of the gradient, which hides
how large it is and makes noise where it is zero.  Why float64: then the recording is right to the last digit stored.

PyTorch's backward of instance_norm misreads a gradient that lies in memory channels-last (numbers_misread.h shows it).
Here every instance norm is therefore followed by Contiguous, which does nothing forward and hands its gradient on in
NCHW order.  The same is checked at the end: without it the recorded gradient of cut differs, and says by how much.
"""
import json, os, struct, sys
import numpy as np
import torch, torch.nn as nn, torch.nn.functional as F

FOLDER = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(FOLDER, "record.py")) as f:  # its definitions, without the recording at its end
    exec(compile(f.read().split("\ntorch.manual_seed(SEED)\n")[0], "record.py", "exec"))


def load(path):
    kinds = {"F32": np.float32, "U8": np.uint8, "I64": np.int64}
    with open(path, "rb") as f:
        head = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        data = f.read()
    args = json.loads(head.pop("__metadata__")["args"])
    out = {}
    for name, t in head.items():
        a, b = t["data_offsets"]
        out[name] = torch.from_numpy(np.frombuffer(data[a:b], kinds[t["dtype"]]).reshape(t["shape"]).copy())
    return out, args


class Contiguous(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x): return x.clone()
    @staticmethod
    def backward(ctx, d): return d.contiguous() if Contiguous.on else d


Contiguous.on = True


class InstanceNorm(nn.InstanceNorm2d):
    def forward(s, x): return Contiguous.apply(super().forward(x))


def norm_of(kind):  # record.py's networks find this one
    return {"batch": nn.BatchNorm2d, "instance": lambda c: InstanceNorm(c, affine=False, track_running_stats=False)}[kind]


def picture_of(saved, name, batch): return saved[name][:batch].double() / 127.5 - 1


def fill(saved, **nets):
    for n, net in nets.items():
        net.double().train()
        net.load_state_dict({k: saved[f"{n}.{k}"].double() if saved[f"{n}.{k}"].is_floating_point() else saved[f"{n}.{k}"]
                             for k in net.state_dict()})


def grads(**nets):
    return {f"{n}.{k}": p.grad.float() for n, net in nets.items() for k, p in net.named_parameters() if p.grad is not None}


def generator(a):
    if a["netG"].startswith("unet_"): return unet(int(a["netG"][5:]).bit_length() - 1, a["ngf"], a["norm"])
    return resnet(int(a["netG"][7:-6]), a["ngf"], a["norm"])


def first_pix2pix(saved, a):
    G, D = generator(a), critic(a["ndf"], a["norm"])
    fill(saved, G=G, D=D)
    x, y = (picture_of(saved, n, a["batch_size"]) for n in ("real_A", "real_B"))
    mode, out = a["gan_mode"], {}
    fake, o = G(x), adam(D)
    ((gan(mode, D(torch.cat([x, fake], 1).detach()), 0) + gan(mode, D(torch.cat([x, y], 1)), 1)) * .5).backward()
    out.update(grads(D=D)); o.step(); need([D], False)
    (gan(mode, D(torch.cat([x, fake], 1)), 1) + F.l1_loss(fake, y) * a["lambda_L1"]).backward()
    out.update(grads(G=G))
    return out


def first_cycle_gan(saved, a):
    GA, GB, DA, DB = generator(a), generator(a), critic(a["ndf"], a["norm"], 3), critic(a["ndf"], a["norm"], 3)
    fill(saved, G_A=GA, G_B=GB, D_A=DA, D_B=DB)
    x, y = (picture_of(saved, n, 1) for n in ("real_A", "real_B"))
    lA, lB, idt, mode, out = a["lambda_A"], a["lambda_B"], a["lambda_identity"], a["gan_mode"], {}
    fb, fa = GA(x), GB(y)
    ra, rb = GB(fb), GA(fa)
    need([DA, DB], False)
    (gan(mode, DA(fb), 1) + gan(mode, DB(fa), 1) + F.l1_loss(ra, x) * lA + F.l1_loss(rb, y) * lB
     + F.l1_loss(GA(y), y) * lB * idt + F.l1_loss(GB(x), x) * lA * idt).backward()
    out.update(grads(G_A=GA, G_B=GB)); need([DA, DB], True)
    for D, r, f in (DA, y, fb), (DB, x, fa):
        ((gan(mode, D(r), 1) + gan(mode, D(f.detach()), 0)) * .5).backward()
    out.update(grads(D_A=DA, D_B=DB))
    return out


def first_cut(saved, a):
    layers = a["nce_layers"]
    G, D = generator(a), critic(a["ndf"], a["norm"], 3)
    feats = lambda x: features(G, x, layers)
    fill(saved, G=G, D=D)
    x, y = (picture_of(saved, n, 1) for n in ("real_A", "real_B"))
    Fm = projections(feats(x), a["netF_nc"])
    fill(saved, F=Fm)
    mode, out, o = a["gan_mode"], {}, adam(D)
    fake, same = G(x), G(y)
    def nce_loss(source, target):
        total = 0.
        for fs, ft, mlp, ids in zip(feats(source), feats(target), Fm, saved["patch_ids"][0]):
            take = lambda f: mlp(f.permute(0, 2, 3, 1).reshape(-1, f.shape[1])[ids[ids >= 0]])
            total = total + nce(take(ft), take(fs), a["nce_T"])
        return total / len(layers)
    ((gan(mode, D(y), 1) + gan(mode, D(fake.detach()), 0)) * .5).backward()
    out.update(grads(D=D)); o.step(); need([D], False)
    (gan(mode, D(fake), 1) + (nce_loss(x, fake) + nce_loss(y, same)) * .5).backward()
    out.update(grads(G=G, F=Fm))
    return out


def first_fastcut(saved, a):
    layers, batch, mirrored, mode, weight = a["nce_layers"], a["batch_size"], a["mirrored"][0], a["gan_mode"], 10.
    G, D = generator(a), critic(a["ndf"], a["norm"], 3)
    fill(saved, G=G, D=D)
    x, y = (picture_of(saved, n, batch) for n in ("real_A", "real_B"))
    Fm = projections(features(G, x, layers), a["netF_nc"])
    fill(saved, F=Fm)
    out, o, fake = {}, adam(D), G(torch.flip(x, [3]) if mirrored else x)
    ((gan(mode, D(y), 1) + gan(mode, D(fake.detach()), 0)) * .5).backward()
    out.update(grads(D=D)); o.step(); need([D], False)
    ids = saved["patch_ids"][0][:, :a["num_patches"]]  # the same in every picture
    (gan(mode, D(fake), 1) + fastcut_nce(G, Fm, x, fake, mirrored, ids, layers, a["nce_T"]) * weight).backward()
    out.update(grads(G=G, F=Fm))
    return out


def distance(a, b): return max(((a[n] - b[n]).norm() / b[n].norm()).item() for n in b if b[n].norm() > 1e-9)


for name in sorted(os.listdir(os.path.join(OUT, "steps"))):
    saved, args = load(os.path.join(OUT, "steps", name))
    first = {"pix2pix": first_pix2pix, "cycle_gan": first_cycle_gan, "cut": first_cut, "fastcut": first_fastcut}[args["model"]]
    Contiguous.on = True
    right = first(saved, args)
    save("first/" + name[:-len(".safetensors")], right, args)
    Contiguous.on = False
    print(f"{name}: {len(right)} gradients; the largest is off by {distance(first(saved, args), right):.2g} as PyTorch does it")
